/* The morph86 command: options in, a machine out. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "hw/block/fdc82078.h"
#include "hw/core/log.h"
#include "hw/pc/pc.h"
#include "ui/blockdev.h"
#include "ui/chardev.h"
#include "ui/display.h"
#include "ui/eventloop.h"
#include "ui/machine.h"
#include "ui/monitor.h"
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
    struct machine machine;
    struct host_char *monitor_dev[MAX_MONITORS]; /* those that are no half of a serial line */
    struct monitor *monitor[MAX_MONITORS + MAX_SERIAL];
    unsigned n_monitors;
    struct displays *displays;
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

static bool wants_curses(const struct options *o)
{
    for (unsigned i = 0; i < o->n_displays; i++)
        if (o->display[i].kind == DISPLAY_CURSES)
            return true;
    return false;
}

/* Defaults are QEMU's: -nographic puts what is not said otherwise on the terminal. */
static void open_consoles(struct session *s)
{
    const struct options *o = &s->options;

    s->chardevs.stdio_taken = wants_curses(o);
    for (unsigned i = 0; i < o->n_serial; i++)
        s->config.serial[i] = open_chardev(s, "-serial", o->serial[i]);
    if (o->n_serial == 0 && o->nographic)
        s->config.serial[0] = open_chardev(s, "-nographic", o->n_monitors ? "stdio" : "mon:stdio");
    else if (o->n_serial == 0 && !o->nodefaults)
        s->config.serial[0] = open_chardev(s, "-serial", "null");
    for (unsigned i = 0; i < o->n_monitors; i++)
        s->monitor_dev[i] = open_chardev(s, "-monitor", o->monitor[i]);
    if (o->nographic && o->n_monitors == 0 && !o->nodefaults && !s->chardevs.stdio_taken)
        s->monitor_dev[0] = open_chardev(s, "-nographic", "stdio");
    s->config.has_parallel = o->parallel ? strcmp(o->parallel, "none") != 0 : !o->nodefaults;
    if (o->parallel)
        s->config.parallel = open_chardev(s, "-parallel", o->parallel);
    if (o->debugcon)
        s->config.debugcon = open_chardev(s, "-debugcon", o->debugcon);
}

static void add_monitor(struct session *s, struct host_char *dev)
{
    if (!dev)
        return;
    s->monitor[s->n_monitors] = monitor_create(&s->machine, dev);
    if (!s->monitor[s->n_monitors++])
        fail("-monitor", "out of memory; close other programs");
}

static void add_drive(struct machine *m, const char *name, enum machine_drive_kind kind, unsigned unit,
                      const struct drive_option *option, struct host_block **block)
{
    struct machine_drive *drive = &m->drive[m->n_drives];

    if (!option->is_there)
        return;
    m->n_drives++;
    *drive = (struct machine_drive){.name = name, .kind = kind, .unit = unit, .block = block};
    snprintf(drive->path, sizeof drive->path, "%s", option->file);
}

static void describe_machine(struct session *s)
{
    static const char *const disk_name[PC_IDE_DISKS] = {"ide0-hd0", "ide0-hd1", "ide1-hd0", "ide1-hd1"};
    static const char *const cdrom_name[PC_IDE_DISKS] = {"ide0-cd0", "ide0-cd1", "ide1-cd0", "ide1-cd1"};
    static const char *const floppy_name[PC_FLOPPIES] = {"floppy0", "floppy1"};
    const struct options *o = &s->options;
    struct machine *m = &s->machine;

    m->name = o->name;
    m->pc = s->pc;
    m->loop = s->loop;
    m->typist = typist_create(s->clock, pc_parts(s->pc).kbc);
    if (!m->typist)
        fail(NULL, "out of memory; close other programs");
    for (unsigned i = 0; i < PC_IDE_DISKS; i++) {
        const struct drive_option *option = &o->disks.ide[i];

        add_drive(m, option->is_cdrom ? cdrom_name[i] : disk_name[i], option->is_cdrom ? DRIVE_CDROM : DRIVE_DISK, i,
                  option, &s->config.disk[i]);
    }
    for (unsigned i = 0; i < PC_FLOPPIES; i++)
        add_drive(m, floppy_name[i], DRIVE_FLOPPY, i, &o->disks.floppy[i], &s->config.floppy[i]);
}

static void open_monitors(struct session *s)
{
    for (unsigned i = 0; i < MAX_SERIAL; i++)
        add_monitor(s, chardev_monitor_half(s->config.serial[i]));
    for (unsigned i = 0; i < MAX_MONITORS; i++)
        add_monitor(s, s->monitor_dev[i]);
}

/* A window where there can be one; -nographic and machines without a screen need none. */
static void open_displays(struct session *s)
{
    const struct options *o = &s->options;
    const struct display_spec window = {.kind = DISPLAY_SDL, .options.is_full_screen = o->is_full_screen};

    s->displays = displays_create(&s->machine);
    if (!s->displays)
        fail(NULL, "out of memory; close other programs");
    if (o->n_displays == 0 && !o->nographic && o->has_vga)
        displays_add(s->displays, &window);
    for (unsigned i = 0; i < o->n_displays; i++) {
        struct display_spec spec = o->display[i];

        spec.options.is_full_screen |= o->is_full_screen;
        displays_add(s->displays, &spec);
    }
}

static struct host_block *open_image(const struct drive_option *drive)
{
    char error[1200];
    struct host_block *block;

    if (!drive->file[0])
        return NULL;
    block = blockdev_open_raw(drive->file, drive->is_readonly, error, sizeof error);
    if (!block)
        fail(NULL, error);
    return block;
}

static void open_disks(struct session *s)
{
    const struct disk_options *o = &s->options.disks;
    struct pc_config *config = &s->config;

    for (unsigned i = 0; i < PC_IDE_DISKS; i++) {
        config->disk[i] = open_image(&o->ide[i]);
        config->is_cdrom[i] = o->ide[i].is_cdrom;
    }
    for (unsigned i = 0; i < PC_FLOPPIES; i++) {
        config->floppy[i] = open_image(&o->floppy[i]);
        config->has_floppy[i] = o->floppy[i].is_there;
        if (config->floppy[i] && fdc82078_type_for(config->floppy[i]->n_sectors) == FDC82078_NO_DRIVE)
            fail(o->floppy[i].file, "too large for a floppy disk, which has at most 2880 KiB; use -hda");
    }
    memcpy(config->boot_order, o->boot_order, sizeof config->boot_order);
    memcpy(config->boot_once, o->boot_once, sizeof config->boot_once);
    config->has_boot_menu = o->has_boot_menu;
    config->boot_menu_ms = o->boot_menu_ms;
    config->boot_retry_ms = o->boot_retry_ms;
}

static void close_image(struct host_block *block)
{
    if (!block)
        return;
    if (!block->is_readonly)
        block->flush(block);
    block->destroy(block);
}

/* A card whose cable leads nowhere: -device e1000 without a -netdev. */
static void drop_frame(struct host_net *self, const uint8_t *frame, size_t len_bytes) {}

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

static void start_translator(struct session *s, const struct translator_options *accel)
{
    const char *missing = translator_missing_feature(), *error;

    if (accel->accel == ACCEL_INTERP)
        return;
    if (accel->accel == ACCEL_JIT && missing)
        fail("-accel jit", "this host's processor has no BMI2 instructions; use -accel ir or interp");
    if (!translator_create(pc_parts(s->pc).cpu, accel, &error))
        fail("-accel", error);
}

static void close_all(struct session *s)
{
    event_loop_stop(s->loop); /* it wakes the machine, which ends now */
    displays_destroy(s->displays);
    for (unsigned i = 0; i < s->n_monitors; i++)
        monitor_destroy(s->monitor[i]);
    typist_destroy(s->machine.typist);
    if (s->options.accel.count || s->options.accel.lockstep)
        translator_print_info(pc_parts(s->pc).cpu, stderr);
    translator_destroy(pc_parts(s->pc).cpu);
    pc_destroy(s->pc);
    for (unsigned i = 0; i < MAX_MONITORS; i++)
        if (s->monitor_dev[i])
            s->monitor_dev[i]->destroy(s->monitor_dev[i]);
    for (unsigned i = 0; i < MAX_SERIAL; i++)
        if (s->config.serial[i])
            s->config.serial[i]->destroy(s->config.serial[i]);
    if (s->config.parallel)
        s->config.parallel->destroy(s->config.parallel);
    if (s->config.debugcon)
        s->config.debugcon->destroy(s->config.debugcon);
    for (unsigned i = 0; i < PC_IDE_DISKS; i++)
        close_image(s->config.disk[i]);
    for (unsigned i = 0; i < PC_FLOPPIES; i++)
        close_image(s->config.floppy[i]);
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
                                   .n_option_roms = o->n_option_roms,
                                   .has_vmport = o->has_vmport,
                                   .has_testdev = o->has_testdev,
                                   .has_debug_exit = o->has_debug_exit,
                                   .debug_exit_port = o->debug_exit_port,
                                   .rtc_seconds = rtc_options_start(&o->rtc, time(NULL)),
                                   .rtc_now_ns = rtc_options_source(&o->rtc),
                                   .clock = s->clock,
                                   .poll = poll_host,
                                   .idle = idle_host,
                                   .opaque = s};
    memcpy(s->config.option_rom, o->option_rom, sizeof o->option_rom);
    open_disks(s);
    open_consoles(s);
    open_network(s);
    s->pc = pc_create(&s->config, error, sizeof error);
    if (!s->pc)
        fail(NULL, error);
    start_translator(s, &o->accel);

    describe_machine(s);
    open_monitors(s);
    if (!watch_signals(s) || !event_loop_start(s->loop, wake, s))
        fail(NULL, "cannot start the I/O thread; close other programs");
    open_displays(s);
    if (o->starts_stopped)
        machine_stop(&s->machine);
    status = pc_run(s->pc);
    chardev_restore_terminal();
    close_all(s);
    return status;
}
