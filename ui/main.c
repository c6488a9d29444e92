/* The morph86 command: options in, a machine out. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "hw/core/log.h"
#include "hw/pc/pc.h"
#include "ui/blockdev.h"
#include "ui/chardev.h"
#include "ui/eventloop.h"
#include "ui/net_user.h"
#include "ui/options.h"

struct session {
    struct options options;
    struct clock *clock;
    struct event_loop *loop;
    struct chardev_env chardevs;
    struct pc_config config;
    struct host_net unplugged;
    struct pc *pc;
    int signal_fd;
};

static _Noreturn void fail(const char *what, const char *why)
{
    chardev_restore_terminal();
    if (what)
        fprintf(stderr, "morph86: %s: %s\n", what, why);
    else
        fprintf(stderr, "morph86: %s\n", why);
    exit(EXIT_FAILURE);
}

static void poll_host(void *opaque)
{
    struct session *s = opaque;

    event_loop_poll(s->loop);
}

static void idle_host(void *opaque)
{
    struct session *s = opaque;

    event_loop_idle(s->loop);
}

static void wake(void *opaque)
{
    struct session *s = opaque;

    pc_wake(s->pc);
}

static void quit(void *opaque)
{
    struct session *s = opaque;

    pc_quit(s->pc, EXIT_SUCCESS);
}

/* SIGINT, SIGTERM and SIGHUP arrive as readable bytes, on the machine thread like every other host event. */
static void signal_arrived(void *opaque)
{
    struct session *s = opaque;
    struct signalfd_siginfo info;

    if (read(s->signal_fd, &info, sizeof info) == sizeof info)
        quit(s);
}

static bool watch_signals(struct session *s)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    signal(SIGPIPE, SIG_IGN);
    sigprocmask(SIG_BLOCK, &set, NULL); /* inherited by the I/O thread */
    s->signal_fd = signalfd(-1, &set, SFD_CLOEXEC);
    return s->signal_fd >= 0 && event_loop_watch(s->loop, s->signal_fd, signal_arrived, s);
}

static struct host_char *open_chardev(struct session *s, const char *option, const char *spec)
{
    char error[300];
    struct host_char *dev = chardev_open(&s->chardevs, spec, error, sizeof error);

    if (!dev && error[0])
        fail(option, error);
    return dev;
}

static void open_consoles(struct session *s)
{
    const struct options *o = &s->options;

    for (unsigned i = 0; i < o->n_serial; i++)
        s->config.serial[i] = open_chardev(s, "-serial", o->serial[i]);
    if (o->n_serial == 0 && o->nographic)
        s->config.serial[0] = open_chardev(s, "-nographic", "mon:stdio");
    else if (o->n_serial == 0 && !o->nodefaults)
        s->config.serial[0] = open_chardev(s, "-serial", "null");
    if (o->debugcon)
        s->config.debugcon = open_chardev(s, "-debugcon", o->debugcon);
}

static void open_disks(struct session *s)
{
    char error[600];

    for (unsigned i = 0; i < MAX_DISKS; i++) {
        if (!s->options.disk[i])
            continue;
        s->config.disk[i] = blockdev_open_raw(s->options.disk[i], false, error, sizeof error);
        if (!s->config.disk[i])
            fail(NULL, error);
    }
}

/* A card whose cable leads nowhere: -device e1000 without a -netdev. */
static void drop_frame(struct host_net *self, const uint8_t *frame, size_t len_bytes)
{
}

static void open_network(struct session *s)
{
    const struct net_options *net = &s->options.net;
    char error[600];

    if (!net->has_card)
        return;
    memcpy(s->config.mac, net->mac, sizeof s->config.mac);
    s->unplugged.send = drop_frame;
    s->config.nic = &s->unplugged;
    if (!net->has_netdev)
        return;
    s->config.nic = net_user_create(s->loop, net->netdev, error, sizeof error);
    if (!s->config.nic)
        fail("network", error);
}

static void close_all(struct session *s)
{
    pc_destroy(s->pc);
    for (unsigned i = 0; i < MAX_SERIAL; i++)
        if (s->config.serial[i])
            s->config.serial[i]->destroy(s->config.serial[i]);
    if (s->config.debugcon)
        s->config.debugcon->destroy(s->config.debugcon);
    for (unsigned i = 0; i < MAX_DISKS; i++)
        if (s->config.disk[i]) {
            s->config.disk[i]->flush(s->config.disk[i]);
            s->config.disk[i]->destroy(s->config.disk[i]);
        }
    if (s->config.nic && s->config.nic->destroy)
        s->config.nic->destroy(s->config.nic);
    event_loop_destroy(s->loop);
    clock_destroy(s->clock);
}

static void set_up_log(const struct options *o)
{
    char bad[64];

    if (o->log_items && !log_parse_items(o->log_items, &log_mask, bad, sizeof bad)) {
        fprintf(stderr, "morph86: -d '%s' is not a log item; -d help lists them\n", bad);
        exit(EXIT_FAILURE);
    }
    if (o->log_file && !log_open(o->log_file)) {
        fprintf(stderr, "morph86: -D: cannot write '%s': %s; name a file in a folder that you may write\n", o->log_file,
                strerror(errno));
        exit(EXIT_FAILURE);
    }
}

int main(int argc, char **argv)
{
    static struct session session;
    struct session *s = &session;
    const struct options *o = &s->options;
    char error[600];
    int status;

    options_parse(&s->options, argc, argv);
    set_up_log(o);

    s->clock = clock_create_host();
    if (!s->clock || !(s->loop = event_loop_create(s->clock)))
        fail(NULL, "out of memory or file descriptors; close other programs");
    s->chardevs = (struct chardev_env){.loop = s->loop, .quit = quit, .opaque = s};
    s->config = (struct pc_config){.ram_bytes = o->ram_bytes,
                                   .model = &o->model,
                                   .bios_path = o->bios,
                                   .vga_bios_path = o->vga_bios,
                                   .has_vga = o->has_vga,
                                   .no_reboot = o->no_reboot,
                                   .kernel_path = o->kernel,
                                   .initrd_path = o->initrd,
                                   .append = o->append,
                                   .has_debug_exit = o->has_debug_exit,
                                   .debug_exit_port = o->debug_exit_port,
                                   .rtc_seconds = (int64_t)time(NULL),
                                   .clock = s->clock,
                                   .poll = poll_host,
                                   .idle = idle_host,
                                   .opaque = s};
    open_disks(s);
    open_consoles(s);
    open_network(s);
    s->pc = pc_create(&s->config, error, sizeof error);
    if (!s->pc)
        fail(NULL, error);

    if (!watch_signals(s) || !event_loop_start(s->loop, wake, s))
        fail(NULL, "cannot start the I/O thread; close other programs");
    status = pc_run(s->pc);
    chardev_restore_terminal();
    close_all(s);
    return status;
}
