/* Host ends of serial lines and debug consoles, by QEMU's names: stdio, mon:stdio, file:PATH, null, none. */
#ifndef UI_CHARDEV_H
#define UI_CHARDEV_H

#include <stddef.h>

#include "hw/core/host.h"
#include "ui/eventloop.h"

struct chardev_env {
    struct event_loop *loop;
    void (*quit)(void *opaque); /* Ctrl-A x on mon:stdio */
    void *opaque;
    bool stdio_taken; /* only one user of the terminal */
};

/* `spec` as above. NULL: `error` holds one line with the remedy, or is empty for "none". */
struct host_char *chardev_open(struct chardev_env *env, const char *spec, char *error, size_t error_size);
/* Puts the terminal back as it was; safe at any time, also from atexit and signal paths. */
void chardev_restore_terminal(void);

#endif
