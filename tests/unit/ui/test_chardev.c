/* Character devices on real descriptors: files, sockets, and the switch between a serial line and a monitor. */
#define _GNU_SOURCE
#include "tests/unit/ui/cmocka_ui.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ui/chardev_internal.h"

struct listener { /* the guest's end */
    uint8_t got[8192];
    size_t n, room;
    unsigned n_drained, n_opened, n_closed;
};

struct desk {
    struct clock *clock;
    struct event_loop *loop;
    struct chardev_env env;
    unsigned n_quit;
    char folder[32], path[64], spec[100], error[400];
};

static void quit(void *opaque)
{
    struct desk *d = opaque;

    d->n_quit++;
}

static void wake(void *opaque) {}

static int setup(void **state)
{
    struct desk *d = calloc(1, sizeof *d);

    strcpy(d->folder, "/tmp/morph86-test-XXXXXX");
    assert_non_null(mkdtemp(d->folder));
    snprintf(d->path, sizeof d->path, "%s/it", d->folder);
    d->clock = clock_create_host();
    d->loop = event_loop_create(d->clock);
    d->env = (struct chardev_env){.loop = d->loop, .quit = quit, .opaque = d};
    assert_true(event_loop_start(d->loop, wake, NULL));
    *state = d;
    return 0;
}

static int teardown(void **state)
{
    struct desk *d = *state;

    unlink(d->path);
    assert_int_equal(rmdir(d->folder), 0);
    event_loop_destroy(d->loop);
    clock_destroy(d->clock);
    free(d);
    return 0;
}

static size_t can_receive(void *opaque)
{
    const struct listener *l = opaque;

    return l->room;
}

static void receive(void *opaque, const uint8_t *bytes, size_t count)
{
    struct listener *l = opaque;

    assert_true(count <= l->room);
    memcpy(l->got + l->n, bytes, count);
    l->n += count;
    l->room -= count;
}

static void drained(void *opaque)
{
    struct listener *l = opaque;

    l->n_drained++;
}

static void opened(void *opaque, bool is_open)
{
    struct listener *l = opaque;

    if (is_open)
        l->n_opened++;
    else
        l->n_closed++;
}

static void listen_to(struct host_char *dev, struct listener *l)
{
    *l = (struct listener){.room = sizeof l->got};
    dev->receiver = l;
    dev->can_receive = can_receive;
    dev->receive = receive;
    dev->drained = drained;
    chardev_on_open(dev, opened, l);
}

/* Serves host events until *n reaches `wanted`; fails after two seconds. */
static void serve_until(struct desk *d, const size_t *n, size_t wanted)
{
    for (unsigned i = 0; i < 2000 && *n < wanted; i++) {
        usleep(1000);
        event_loop_poll(d->loop);
    }
    assert_int_equal(*n, wanted);
}

static void serve_for_a_while(struct desk *d)
{
    for (unsigned i = 0; i < 30; i++) {
        usleep(1000);
        event_loop_poll(d->loop);
    }
}

static struct host_char *open_device(struct desk *d, const char *format)
{
    snprintf(d->spec, sizeof d->spec, format, d->path);
    return chardev_open(&d->env, d->spec, d->error, sizeof d->error);
}

static int connect_client(struct desk *d)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    strcpy(address.sun_path, d->path);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void files_get_what_is_said(void **state)
{
    struct desk *d = *state;
    struct host_char *dev = open_device(d, "file:%s");
    char text[10] = "";
    int fd;

    assert_int_equal(dev->write(dev, (const uint8_t *)"hello", 5), 5);
    dev->destroy(dev);
    fd = open(d->path, O_RDONLY);
    assert_int_equal(read(fd, text, sizeof text), 5);
    assert_string_equal(text, "hello");
    close(fd);
}

static void a_socket_carries_both_directions(void **state)
{
    struct desk *d = *state;
    struct host_char *dev = open_device(d, "unix:%s,server=on,wait=off");
    struct listener l;
    char text[10] = "";
    size_t n_opened = 0;
    int fd;

    assert_non_null(dev);
    listen_to(dev, &l);
    assert_int_equal(l.n_opened, 0);
    assert_int_equal(dev->write(dev, (const uint8_t *)"lost", 4), 4);
    fd = connect_client(d);
    for (unsigned i = 0; i < 2000 && !l.n_opened; i++) {
        usleep(1000);
        event_loop_poll(d->loop);
    }
    n_opened = l.n_opened;
    assert_int_equal(n_opened, 1);
    assert_int_equal(write(fd, "guest", 5), 5);
    serve_until(d, &l.n, 5);
    assert_memory_equal(l.got, "guest", 5);
    assert_int_equal(dev->write(dev, (const uint8_t *)"host", 4), 4);
    assert_int_equal(read(fd, text, sizeof text), 4);
    assert_string_equal(text, "host");
    close(fd);
    dev->destroy(dev);
    assert_int_equal(access(d->path, F_OK), -1);
}

static void clients_come_one_after_the_other(void **state)
{
    struct desk *d = *state;
    struct host_char *dev = open_device(d, "unix:%s,server,nowait");
    struct listener l;

    listen_to(dev, &l);
    for (size_t i = 0; i < 20; i++) {
        int fd = connect_client(d);

        assert_int_equal(write(fd, "x", 1), 1);
        serve_until(d, &l.n, i + 1);
        close(fd);
        for (unsigned j = 0; j < 2000 && l.n_closed <= i; j++) {
            usleep(1000);
            event_loop_poll(d->loop);
        }
        assert_int_equal(l.n_opened, i + 1);
        assert_int_equal(l.n_closed, i + 1);
    }
    dev->destroy(dev);
}

static void a_guest_without_room_holds_input_back(void **state)
{
    struct desk *d = *state;
    struct host_char *dev = open_device(d, "unix:%s,server=on,wait=off");
    struct listener l;
    int fd;

    listen_to(dev, &l);
    l.room = 3;
    fd = connect_client(d);
    assert_int_equal(write(fd, "abcdefgh", 8), 8);
    serve_until(d, &l.n, 3);
    serve_for_a_while(d);
    assert_int_equal(l.n, 3);
    l.room = 2;
    dev->accept_input(dev);
    assert_int_equal(l.n, 5);
    l.room = 100;
    dev->accept_input(dev);
    serve_until(d, &l.n, 8);
    assert_memory_equal(l.got, "abcdefgh", 8);
    close(fd);
    dev->destroy(dev);
}

static void a_client_that_does_not_read_makes_writes_short_and_draining_is_told(void **state)
{
    struct desk *d = *state;
    struct host_char *dev = open_device(d, "unix:%s,server=on,wait=off");
    struct listener l;
    static uint8_t bytes[1 << 20];
    size_t taken, got = 0;
    int fd;

    listen_to(dev, &l);
    fd = connect_client(d);
    assert_int_equal(write(fd, "x", 1), 1);
    serve_until(d, &l.n, 1);
    taken = dev->write(dev, bytes, sizeof bytes);
    assert_in_range(taken, 1, sizeof bytes - 1);
    while (got < taken) {
        ssize_t n = read(fd, bytes, sizeof bytes);

        assert_true(n > 0);
        got += (size_t)n;
    }
    for (unsigned i = 0; i < 2000 && !l.n_drained; i++) {
        usleep(1000);
        event_loop_poll(d->loop);
    }
    assert_int_equal(l.n_drained, 1);
    close(fd);
    dev->destroy(dev);
}

static void a_server_that_waits_has_its_client_at_once(void **state)
{
    struct desk *d = *state;
    struct host_char *dev;
    struct listener l;
    int status, stderr_copy = dup(STDERR_FILENO), null = open("/dev/null", O_WRONLY);
    pid_t child = fork();

    if (child == 0) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);

        strcpy(address.sun_path, d->path);
        while (connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
            usleep(1000);
        _exit(write(fd, "hi", 2) == 2 ? 0 : 1);
    }
    dup2(null, STDERR_FILENO);
    dev = open_device(d, "unix:%s,server=on");
    dup2(stderr_copy, STDERR_FILENO);
    close(null);
    close(stderr_copy);
    assert_non_null(dev);
    listen_to(dev, &l);
    assert_int_equal(l.n_opened, 1);
    serve_until(d, &l.n, 2);
    dev->destroy(dev);
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
}

static void only_a_socket_is_cleared_out_of_the_way(void **state)
{
    struct desk *d = *state;
    int fd = open(d->path, O_WRONLY | O_CREAT, 0600);

    close(fd);
    assert_null(open_device(d, "unix:%s,server=on,wait=off"));
    assert_non_null(strstr(d->error, d->path));
    assert_int_equal(access(d->path, F_OK), 0);
}

static void mistakes_are_named(void **state)
{
    struct desk *d = *state;

    assert_null(open_device(d, "unix:%s,server=maybe"));
    assert_non_null(strstr(d->error, "'server=maybe'"));
    assert_null(open_device(d, "unix:%s"));
    assert_non_null(strstr(d->error, "cannot connect"));
    assert_null(open_device(d, "unix:,server=on"));
    assert_null(open_device(d, "tcp:nowhere,server=on"));
    assert_null(open_device(d, "mon:pigeon"));
    assert_non_null(strstr(d->error, "'pigeon'"));
}

static void count(void *opaque)
{
    size_t *n = opaque;

    ++*n;
}

static void a_regular_file_is_always_ready_to_be_read(void **state)
{
    struct desk *d = *state;
    int fd = open(d->path, O_RDWR | O_CREAT, 0600);
    size_t n_calls = 0;
    struct event_source *source;

    assert_int_equal(write(fd, "x", 1), 1);
    source = event_loop_watch(d->loop, fd, count, &n_calls);
    assert_non_null(source);
    serve_until(d, &n_calls, 1);
    event_loop_poll(d->loop);
    assert_int_equal(n_calls, 2);
    event_source_set_wanted(source, false);
    event_loop_poll(d->loop);
    event_loop_poll(d->loop);
    assert_true(n_calls <= 3);
    event_source_remove(source);
    close(fd);
}

/* ---- mon:DEV ---- */

struct shared {
    struct desk *desk;
    struct host_char *serial, *monitor;
    struct listener at_serial, at_monitor;
    int fd;
};

static void open_shared(struct shared *s, struct desk *d)
{
    s->desk = d;
    s->serial = open_device(d, "mon:unix:%s,server=on,wait=off");
    assert_non_null(s->serial);
    s->monitor = chardev_monitor_half(s->serial);
    assert_non_null(s->monitor);
    listen_to(s->serial, &s->at_serial);
    listen_to(s->monitor, &s->at_monitor);
    s->fd = connect_client(d);
}

static void close_shared(struct shared *s)
{
    close(s->fd);
    s->monitor->destroy(s->monitor);
    s->serial->destroy(s->serial);
}

static void control_a_c_turns_input_between_serial_line_and_monitor(void **state)
{
    struct shared s;

    open_shared(&s, *state);
    assert_int_equal(s.at_monitor.n_opened, 0);
    assert_int_equal(write(s.fd, "one\1ctwo\1cthree", 15), 15);
    serve_until(s.desk, &s.at_serial.n, 8);
    assert_memory_equal(s.at_serial.got, "onethree", 8);
    assert_int_equal(s.at_monitor.n, 3);
    assert_memory_equal(s.at_monitor.got, "two", 3);
    assert_int_equal(s.at_monitor.n_opened, 1);
    assert_int_equal(s.at_monitor.n_closed, 1);
    close_shared(&s);
}

static void control_a_twice_is_one_control_a_and_x_leaves(void **state)
{
    struct shared s;

    open_shared(&s, *state);
    assert_int_equal(write(s.fd, "\1\1\1x!", 5), 5);
    serve_until(s.desk, &s.at_serial.n, 2);
    assert_memory_equal(s.at_serial.got, "\1!", 2);
    assert_int_equal(s.desk->n_quit, 1);
    close_shared(&s);
}

static void a_guest_that_reads_nothing_does_not_hide_the_escape_key(void **state)
{
    struct shared s;
    size_t n_quit;

    open_shared(&s, *state);
    s.at_serial.room = 0;
    for (unsigned i = 0; i < 60; i++)
        assert_int_equal(write(s.fd, "nobody takes this away: ", 24), 24);
    assert_int_equal(write(s.fd, "\1x", 2), 2);
    for (unsigned i = 0; i < 2000 && !s.desk->n_quit; i++) {
        usleep(1000);
        event_loop_poll(s.desk->loop);
    }
    n_quit = s.desk->n_quit;
    assert_int_equal(n_quit, 1);
    s.at_serial.room = sizeof s.at_serial.got;
    s.serial->accept_input(s.serial);
    serve_until(s.desk, &s.at_serial.n, 60 * 24);
    close_shared(&s);
}

static void both_halves_may_speak(void **state)
{
    struct shared s;
    char text[20] = "";

    open_shared(&s, *state);
    assert_int_equal(write(s.fd, "x", 1), 1);
    serve_until(s.desk, &s.at_serial.n, 1);
    s.serial->write(s.serial, (const uint8_t *)"serial ", 7);
    s.monitor->write(s.monitor, (const uint8_t *)"monitor", 7);
    assert_int_equal(read(s.fd, text, sizeof text), 14);
    assert_string_equal(text, "serial monitor");
    close_shared(&s);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(files_get_what_is_said),
        TEST(a_socket_carries_both_directions),
        TEST(clients_come_one_after_the_other),
        TEST(a_guest_without_room_holds_input_back),
        TEST(a_client_that_does_not_read_makes_writes_short_and_draining_is_told),
        TEST(a_server_that_waits_has_its_client_at_once),
        TEST(only_a_socket_is_cleared_out_of_the_way),
        TEST(mistakes_are_named),
        TEST(a_regular_file_is_always_ready_to_be_read),
        TEST(control_a_c_turns_input_between_serial_line_and_monitor),
        TEST(control_a_twice_is_one_control_a_and_x_leaves),
        TEST(a_guest_that_reads_nothing_does_not_hide_the_escape_key),
        TEST(both_halves_may_speak),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
