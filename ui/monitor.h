/*
 * The monitor: QEMU's human monitor protocol on a character device. One command per line, answered at once on the
 * machine thread between two blocks of guest code, so what it shows belongs together.
 */
#ifndef UI_MONITOR_H
#define UI_MONITOR_H

#include <stdio.h>

#include "hw/core/host.h"
#include "ui/machine.h"

struct monitor;

/* Takes the receiving end of `dev`, which stays the caller's and must outlive the monitor; one made by chardev_open().
 * NULL when out of memory. */
struct monitor *monitor_create(struct machine *machine, struct host_char *dev);
void monitor_destroy(struct monitor *monitor);

/* Runs one command line and writes its answer, with plain newlines. */
void monitor_run(struct monitor *monitor, const char *line, FILE *out);

#endif
