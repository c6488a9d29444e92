/*
 * High Precision Event Timers: a 64-bit counter at 100 MHz and three comparators. The board maps hpet_ops, 1 KiB at
 * FED00000.
 */
#ifndef HW_TIMER_HPET_H
#define HW_TIMER_HPET_H

#include <stdbool.h>

#include "hw/core/bus.h"
#include "hw/core/clock.h"
#include "hw/core/irq.h"
#include "hw/core/state.h"

#define HPET_BYTES  0x400u
#define HPET_TIMERS 3
#define HPET_PINS   32

struct hpet;

struct hpet_wires {
    /* Pins of the I/O APIC that a timer can be routed to: those whose bit in `routes` is set. */
    void (*set_pin)(void *opaque, int pin, bool level);
    uint32_t routes;
    /* Legacy replacement: timers 0 and 1 take over from the 8254's IRQ 0 and the clock's IRQ 8. */
    struct irq legacy[2];
    void (*legacy_changed)(void *opaque, bool replaces);
    void *opaque;
};

extern const struct bus_ops hpet_ops;

/* NULL when out of memory. */
struct hpet *hpet_create(struct clock *clock, const struct hpet_wires *wires);
void hpet_destroy(struct hpet *hpet);
/* The counter stops at 0. */
void hpet_reset(struct hpet *hpet);

const struct state_desc *hpet_state(void);
void hpet_after_load(struct hpet *hpet);

#endif
