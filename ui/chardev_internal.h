/* Shared by the chardev_*.c files. */
#ifndef UI_CHARDEV_INTERNAL_H
#define UI_CHARDEV_INTERNAL_H

#include "ui/chardev.h"

struct chardev_front { /* what every host end begins with */
    struct host_char host;
    void (*opened)(void *opaque, bool is_open);
    void *opened_opaque;
    bool is_open;
    struct host_char *monitor_half;
};

/* Notes whether somebody listens, and tells who asked to know. */
void chardev_set_open(struct chardev_front *front, bool is_open);

/* unix:PATH and tcp:HOST:PORT with their options. As chardev_open(). */
struct host_char *chardev_socket_open(struct chardev_env *env, const char *spec, char *error, size_t error_size);

/* Shares `lower`, which it then owns, between a serial line (the result) and a monitor. NULL when out of memory. */
struct host_char *chardev_mux_create(struct chardev_env *env, struct host_char *lower);

#endif
