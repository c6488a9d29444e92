/* isa-debug-exit: a write ends the run with a status. Maps debug_exit_ops, 1 to 4 ports (F4h or 501h by custom). */
#ifndef HW_CHAR_DEBUG_EXIT_H
#define HW_CHAR_DEBUG_EXIT_H

#include "hw/core/bus.h"

struct debug_exit;

extern const struct bus_ops debug_exit_ops;

/* A write of v calls exit_requested(opaque, v << 1 | 1). It must not destroy the device. NULL when out of memory. */
struct debug_exit *debug_exit_create(void (*exit_requested)(void *opaque, int status), void *opaque);
void debug_exit_destroy(struct debug_exit *device);

#endif
