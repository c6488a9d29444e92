/* Host ends of serial lines: terminal and files. See chardev.h. */
#include "ui/chardev.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "ui/chardev_internal.h"

#define INPUT_CHUNK 256

struct chardev {
    struct chardev_front front; /* first: the device sees only its host_char */
    int in_fd, out_fd;          /* -1: none */
    struct event_source *source;
    uint8_t input[INPUT_CHUNK]; /* read from the host, not yet taken by the device */
    size_t input_used;
};

/* The terminal belongs to the process, not to a machine: its saved mode is the one thing kept here. */
static struct termios saved_mode;
static bool mode_is_saved;

void chardev_restore_terminal(void)
{
    if (mode_is_saved)
        tcsetattr(STDIN_FILENO, TCSANOW, &saved_mode);
    mode_is_saved = false;
}

/* Keys go to the guest one by one and unechoed; Ctrl-C too when there is another way out (Ctrl-A x). */
static void terminal_raw(bool pass_signals_to_guest)
{
    struct termios mode;

    if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &mode) != 0)
        return;
    saved_mode = mode;
    mode_is_saved = true;
    atexit(chardev_restore_terminal);
    mode.c_iflag &= ~(tcflag_t)(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
    mode.c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ICANON | IEXTEN);
    if (pass_signals_to_guest)
        mode.c_lflag &= ~(tcflag_t)ISIG;
    mode.c_cflag = (mode.c_cflag & ~(tcflag_t)(CSIZE | PARENB)) | CS8;
    mode.c_cc[VMIN] = 1;
    mode.c_cc[VTIME] = 0;
    tcsetattr(STDIN_FILENO, TCSANOW, &mode);
}

void chardev_set_open(struct chardev_front *front, bool is_open)
{
    if (front->is_open == is_open)
        return;
    front->is_open = is_open;
    if (front->opened)
        front->opened(front->opened_opaque, is_open);
}

void chardev_on_open(struct host_char *dev, void (*opened)(void *opaque, bool is_open), void *opaque)
{
    struct chardev_front *front = (struct chardev_front *)dev;

    front->opened = opened;
    front->opened_opaque = opaque;
    if (front->is_open && opened)
        opened(opaque, true);
}

struct host_char *chardev_monitor_half(struct host_char *serial)
{
    return serial ? ((struct chardev_front *)serial)->monitor_half : NULL;
}

static size_t chardev_write(struct host_char *self, const uint8_t *bytes, size_t count)
{
    struct chardev *dev = (struct chardev *)self;
    size_t done = 0;

    while (dev->out_fd >= 0 && done < count) {
        ssize_t n = write(dev->out_fd, bytes + done, count - done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            break; /* the reader is gone: what the guest says is dropped, as on an unplugged line */
        done += (size_t)n;
    }
    return count;
}

static void feed_device(struct chardev *dev)
{
    struct host_char *host = &dev->front.host;
    size_t room = host->can_receive ? host->can_receive(host->receiver) : dev->input_used;
    size_t n = room < dev->input_used ? room : dev->input_used;
    uint8_t bytes[INPUT_CHUNK];

    /* Taken out first: the receiver may ask for more while it receives. */
    memcpy(bytes, dev->input, n);
    memmove(dev->input, dev->input + n, dev->input_used - n);
    dev->input_used -= n;
    if (n && host->receive)
        host->receive(host->receiver, bytes, n);
    if (dev->source)
        event_source_set_wanted(dev->source, dev->input_used == 0);
}

static void input_ready(void *opaque)
{
    struct chardev *dev = opaque;
    ssize_t n = read(dev->in_fd, dev->input, sizeof dev->input);

    if (n <= 0) {
        if (n == 0 || (errno != EINTR && errno != EAGAIN))
            event_source_set_wanted(dev->source, false); /* end of input: the line stays silent */
        return;
    }
    dev->input_used = (size_t)n;
    feed_device(dev);
}

static void chardev_accept_input(struct host_char *self)
{
    struct chardev *dev = (struct chardev *)self;

    if (dev->input_used)
        feed_device(dev);
}

static void chardev_destroy(struct host_char *self)
{
    struct chardev *dev = (struct chardev *)self;

    event_source_remove(dev->source);
    if (dev->out_fd > STDERR_FILENO)
        close(dev->out_fd);
    free(dev);
}

static struct chardev *chardev_create(int in_fd, int out_fd)
{
    struct chardev *dev = calloc(1, sizeof *dev);

    if (!dev)
        return NULL;
    dev->front.host.write = chardev_write;
    dev->front.host.destroy = chardev_destroy;
    dev->front.host.accept_input = chardev_accept_input;
    dev->front.is_open = true;
    dev->in_fd = in_fd;
    dev->out_fd = out_fd;
    return dev;
}

static struct host_char *open_mux(struct chardev_env *env, const char *spec, char *error, size_t error_size)
{
    struct host_char *lower = chardev_open(env, spec, error, error_size), *serial;

    if (!lower)
        return NULL;
    if (!(serial = chardev_mux_create(env, lower))) {
        lower->destroy(lower);
        snprintf(error, error_size, "out of memory");
    }
    return serial;
}

struct host_char *chardev_open(struct chardev_env *env, const char *spec, char *error, size_t error_size)
{
    struct chardev *dev = NULL;

    error[0] = '\0';
    if (strcmp(spec, "none") == 0)
        return NULL;
    if (strncmp(spec, "unix:", 5) == 0 || strncmp(spec, "tcp:", 4) == 0)
        return chardev_socket_open(env, spec, error, error_size);
    if (strncmp(spec, "mon:", 4) == 0 && strcmp(spec, "mon:stdio") != 0)
        return open_mux(env, spec + 4, error, error_size);
    if (strcmp(spec, "null") == 0) {
        dev = chardev_create(-1, -1);
    } else if (strcmp(spec, "stdio") == 0 || strcmp(spec, "mon:stdio") == 0) {
        bool is_shared = spec[0] == 'm';

        if (env->stdio_taken) {
            snprintf(error, error_size, "'%s' is already used by another option; give this one file:PATH or null",
                     spec);
            return NULL;
        }
        env->stdio_taken = true;
        dev = chardev_create(STDIN_FILENO, STDOUT_FILENO);
        if (dev) {
            terminal_raw(is_shared);
            dev->source = event_loop_watch(env->loop, STDIN_FILENO, input_ready, dev);
        }
        if (dev && is_shared) {
            struct host_char *serial = chardev_mux_create(env, &dev->front.host);

            if (serial)
                return serial;
            chardev_destroy(&dev->front.host);
            dev = NULL;
        }
    } else if (strncmp(spec, "file:", 5) == 0) {
        int fd = open(spec + 5, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);

        if (fd < 0) {
            snprintf(error, error_size, "cannot write '%s': %s; name a file in a folder that you may write", spec + 5,
                     strerror(errno));
            return NULL;
        }
        dev = chardev_create(-1, fd);
    } else {
        snprintf(error, error_size,
                 "'%s' is not a character device; use stdio, mon:stdio, file:PATH, unix:PATH, tcp:HOST:PORT, null or "
                 "none",
                 spec);
        return NULL;
    }
    if (!dev) {
        snprintf(error, error_size, "out of memory");
        return NULL;
    }
    return &dev->front.host;
}
