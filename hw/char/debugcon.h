/* The Bochs/QEMU debug console: one port (E9h, 402h) that prints what is written to it. Maps debugcon_ops, 1 port. */
#ifndef HW_CHAR_DEBUGCON_H
#define HW_CHAR_DEBUGCON_H

#include "hw/core/bus.h"
#include "hw/core/host.h"

struct debugcon;

extern const struct bus_ops debugcon_ops;

/* `host` may be NULL and stays the caller's. The console remembers nothing. NULL when out of memory. */
struct debugcon *debugcon_create(struct host_char *host);
void debugcon_destroy(struct debugcon *con);

#endif
