/*
 * Host ends of serial lines, debug consoles and monitors, by QEMU's names: stdio, file:PATH, null, none,
 * unix:PATH and tcp:HOST:PORT (each ,server=on,wait=off), and mon:DEV, which a serial line shares with a monitor.
 */
#ifndef UI_CHARDEV_H
#define UI_CHARDEV_H

#include <stdbool.h>
#include <stddef.h>

#include "hw/core/host.h"
#include "ui/eventloop.h"

struct chardev_env {
    struct event_loop *loop;
    void (*quit)(void *opaque); /* Ctrl-A x on mon:DEV */
    void *opaque;
    bool stdio_taken; /* only one user of the terminal */
};

/* `spec` as above. NULL: `error` holds one line with the remedy, or is empty for "none". */
struct host_char *chardev_open(struct chardev_env *env, const char *spec, char *error, size_t error_size);

/* The monitor's half of mon:DEV; NULL for all other devices. It belongs to `serial` and dies with it. */
struct host_char *chardev_monitor_half(struct host_char *serial);

/* Calls `opened` when somebody begins or ceases to listen: a client connects or leaves, Ctrl-A c turns to this half.
 * At once for what is open already. */
void chardev_on_open(struct host_char *dev, void (*opened)(void *opaque, bool is_open), void *opaque);

/* Puts the terminal back as it was; safe at any time, also from atexit and signal paths. */
void chardev_restore_terminal(void);

#endif
