/*
 * The processor's local APIC: registers (one page of memory), timer, local interrupts, messages from and to it.
 *
 * While it is disabled (IA32_APIC_BASE) its LINT0 pin is the processor's INTR and its LINT1 pin the NMI.
 */
#ifndef HW_INTC_APIC_H
#define HW_INTC_APIC_H

#include <stdbool.h>
#include <stdint.h>

#include "hw/core/bus.h"
#include "hw/core/clock.h"
#include "hw/core/irq.h"
#include "hw/core/state.h"

#define APIC_PAGE_BYTES 0x1000u
#define APIC_TIMER_HZ   NS_PER_SECOND /* the bus clock, before the divider */
#define APIC_EXTINT     (-1)

enum apic_delivery { /* as in ICR, LVT and the I/O APIC's entries */
                     APIC_FIXED = 0,
                     APIC_LOWEST = 1,
                     APIC_SMI = 2,
                     APIC_NMI = 4,
                     APIC_INIT = 5,
                     APIC_STARTUP = 6,
                     APIC_EXT = 7,
};

struct apic_message { /* what travels between APICs */
    uint8_t vector;
    uint8_t destination;
    enum apic_delivery delivery;
    bool is_logical; /* destination by LDR, else by ID */
    bool is_level;
};

struct apic_wires {
    struct irq intr; /* the processor's interrupt request */
    void (*nmi)(void *opaque);
    void (*smi)(void *opaque);
    void (*init)(void *opaque);
    void (*eoi)(void *opaque, uint8_t vector); /* a level-triggered interrupt ends: tell the I/O APICs */
    /* What it is called or whether it listens has changed: who holds a message that nobody took may send it again. May
     * be NULL. */
    void (*ready)(void *opaque);
    void *opaque;
};

struct apic;

extern const struct bus_ops apic_ops; /* APIC_PAGE_BYTES of memory */

/* Disabled until apic_set_enabled. NULL when out of memory. */
struct apic *apic_create(struct clock *clock, uint8_t id, const struct apic_wires *wires);
void apic_destroy(struct apic *apic);
/* Power-up state, all but what IA32_APIC_BASE says. The pins' levels are wires and stay. */
void apic_reset(struct apic *apic);
/* What INIT leaves: as after power-up, but for the ID. */
void apic_init_reset(struct apic *apic);
/* IA32_APIC_BASE bit 11. Enabling starts from the power-up state. */
void apic_set_enabled(struct apic *apic, bool enabled);

/* The wire into LINT0 or LINT1. */
struct irq apic_lint(struct apic *apic, unsigned n);
/* A message for whoever it addresses. True if this APIC took it. */
bool apic_receive(struct apic *apic, const struct apic_message *message);
/* INTA: the vector, now in service, or APIC_EXTINT when it comes from the controller behind LINT0. */
int apic_acknowledge(struct apic *apic);

const struct state_desc *apic_state(void);
void apic_after_load(struct apic *apic);

#endif
