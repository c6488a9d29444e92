/*
 * isa-debug-exit: lets a test that runs in the guest end the run and say how it went. Source: QEMU documentation,
 * "isa-debug-exit". The status is odd, so that it is never the 0 of an ordinary end.
 */
#include "hw/char/debug_exit.h"

#include <stdlib.h>

struct debug_exit {
    void (*exit_requested)(void *opaque, int status);
    void *opaque;
};

static uint32_t debug_exit_read(void *self, uint32_t offset, unsigned width)
{
    return 0;
}

static void debug_exit_write(void *self, uint32_t offset, uint32_t value, unsigned width)
{
    struct debug_exit *device = self;
    device->exit_requested(device->opaque, (int)(value << 1 | 1));
}

const struct bus_ops debug_exit_ops = {
    .name = "debug-exit", .read = debug_exit_read, .write = debug_exit_write, .max_width = 4};

struct debug_exit *debug_exit_create(void (*exit_requested)(void *opaque, int status), void *opaque)
{
    struct debug_exit *device = calloc(1, sizeof *device);
    if (!device)
        return NULL;
    device->exit_requested = exit_requested;
    device->opaque = opaque;
    return device;
}

void debug_exit_destroy(struct debug_exit *device)
{
    free(device);
}
