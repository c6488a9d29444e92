/* Host ends of serial lines. See chardev.h. */
#include "ui/chardev.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define ESCAPE_KEY  0x01 /* Ctrl-A */
#define INPUT_CHUNK 256

struct chardev {
    struct host_char host; /* first: the device sees only this */
    int in_fd, out_fd;     /* -1: none */
    bool has_escape;       /* mon:stdio */
    bool escape_pending;
    struct event_source *source;
    struct chardev_env *env;
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
    size_t room = dev->host.can_receive ? dev->host.can_receive(dev->host.receiver) : dev->input_used;
    size_t n = room < dev->input_used ? room : dev->input_used;

    if (n && dev->host.receive)
        dev->host.receive(dev->host.receiver, dev->input, n);
    memmove(dev->input, dev->input + n, dev->input_used - n);
    dev->input_used -= n;
    if (dev->source)
        event_source_set_wanted(dev->source, dev->input_used == 0);
}

static void escape_key(struct chardev *dev, uint8_t key)
{
    switch (key) {
    case 'x':
        dev->env->quit(dev->env->opaque);
        break;
    case 'h':
    case '?':
        fputs("\r\nC-a x  leave morph86\r\nC-a C-a  send C-a to the guest\r\nC-a h  this help\r\n", stderr);
        break;
    case ESCAPE_KEY:
        dev->input[dev->input_used++] = ESCAPE_KEY;
        break;
    default:
        break;
    }
}

static void input_ready(void *opaque)
{
    struct chardev *dev = opaque;
    uint8_t bytes[INPUT_CHUNK];
    ssize_t n = read(dev->in_fd, bytes, sizeof bytes);

    if (n <= 0) {
        if (n == 0 || (errno != EINTR && errno != EAGAIN))
            event_source_set_wanted(dev->source, false); /* end of input: the line stays silent */
        return;
    }
    for (ssize_t i = 0; i < n; i++) {
        if (dev->escape_pending) {
            dev->escape_pending = false;
            escape_key(dev, bytes[i]);
        } else if (dev->has_escape && bytes[i] == ESCAPE_KEY) {
            dev->escape_pending = true;
        } else {
            dev->input[dev->input_used++] = bytes[i];
        }
    }
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

    if (dev->source)
        event_source_set_wanted(dev->source, false);
    if (dev->out_fd > STDERR_FILENO)
        close(dev->out_fd);
    free(dev);
}

static struct chardev *chardev_create(struct chardev_env *env, int in_fd, int out_fd)
{
    struct chardev *dev = calloc(1, sizeof *dev);

    if (!dev)
        return NULL;
    dev->host.write = chardev_write;
    dev->host.destroy = chardev_destroy;
    dev->host.accept_input = chardev_accept_input;
    dev->in_fd = in_fd;
    dev->out_fd = out_fd;
    dev->env = env;
    return dev;
}

struct host_char *chardev_open(struct chardev_env *env, const char *spec, char *error, size_t error_size)
{
    struct chardev *dev = NULL;

    error[0] = '\0';
    if (strcmp(spec, "none") == 0)
        return NULL;
    if (strcmp(spec, "null") == 0) {
        dev = chardev_create(env, -1, -1);
    } else if (strcmp(spec, "stdio") == 0 || strcmp(spec, "mon:stdio") == 0) {
        if (env->stdio_taken) {
            snprintf(error, error_size, "'%s' is already used by another option; give this one file:PATH or null",
                     spec);
            return NULL;
        }
        env->stdio_taken = true;
        dev = chardev_create(env, STDIN_FILENO, STDOUT_FILENO);
        if (dev) {
            dev->has_escape = spec[0] == 'm';
            terminal_raw(dev->has_escape);
            dev->source = event_loop_watch(env->loop, STDIN_FILENO, input_ready, dev);
        }
    } else if (strncmp(spec, "file:", 5) == 0) {
        int fd = open(spec + 5, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);

        if (fd < 0) {
            snprintf(error, error_size, "cannot write '%s': %s; name a file in a folder that you may write", spec + 5,
                     strerror(errno));
            return NULL;
        }
        dev = chardev_create(env, -1, fd);
    } else {
        snprintf(error, error_size, "'%s' is not a character device; use stdio, mon:stdio, file:PATH, null or none",
                 spec);
        return NULL;
    }
    if (!dev) {
        snprintf(error, error_size, "out of memory");
        return NULL;
    }
    return &dev->host;
}
