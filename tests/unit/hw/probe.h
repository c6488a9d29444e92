/* What chip tests share: a probe on a wire, one-byte port access, a copy of one chip's state into another. */
#ifndef TESTS_UNIT_HW_PROBE_H
#define TESTS_UNIT_HW_PROBE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "hw/core/bus.h"
#include "hw/core/irq.h"
#include "hw/core/state.h"

struct probe {
    bool level;
    unsigned rises, falls;
};

static inline void probe_set(void *opaque, int line, bool level)
{
    struct probe *probe = opaque;
    if (level && !probe->level)
        probe->rises++;
    if (!level && probe->level)
        probe->falls++;
    probe->level = level;
}

static inline struct irq probe_wire(struct probe *probe)
{
    return (struct irq){.set = probe_set, .opaque = probe};
}

static inline uint8_t port_in(const struct bus_ops *ops, void *self, uint32_t offset)
{
    return (uint8_t)ops->read(self, offset, 1);
}

static inline void port_out(const struct bus_ops *ops, void *self, uint32_t offset, uint8_t value)
{
    ops->write(self, offset, value, 1);
}

/* Saves `from`, loads it into `to`, and checks that the table finds no difference. after_load is the caller's. */
static inline void copy_state(const struct state_desc *desc, const void *from, void *to)
{
    size_t size = state_size(desc);
    uint8_t *saved = malloc(size);
    assert_non_null(saved);
    state_save(desc, from, saved);
    assert_true(state_load(desc, to, saved, size));
    assert_null(state_difference(desc, from, to));
    free(saved);
}

#endif
