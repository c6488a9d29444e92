/*
 * A wire. A device holds a struct irq by value and drives a level on it; what is at the far end (a PIC input, a
 * vCPU's INTR pin, a test's probe) is none of its business. Driving the same level twice is harmless.
 */
#ifndef HW_CORE_IRQ_H
#define HW_CORE_IRQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct irq {
    void (*set)(void *opaque, int line, bool level); /* NULL: not connected */
    void *opaque;
    int line; /* which input of the receiver */
};

static inline void irq_set(const struct irq *irq, bool level)
{
    if (irq->set)
        irq->set(irq->opaque, irq->line, level);
}

static inline void irq_raise(const struct irq *irq)
{
    irq_set(irq, true);
}

static inline void irq_lower(const struct irq *irq)
{
    irq_set(irq, false);
}

/*
 * An OR gate: several sources on one wire, which is up while any of them is. The board holds it by value at a fixed
 * address. Its inputs are wires: not saved, the sources drive them again after a load.
 */
#define IRQ_OR_INPUTS 32

struct irq_or {
    struct irq out;
    uint32_t inputs; /* that are up */
};

static inline void irq_or_set(void *opaque, int line, bool level)
{
    struct irq_or *gate = opaque;
    uint32_t bit = (uint32_t)1 << line;

    gate->inputs = level ? gate->inputs | bit : gate->inputs & ~bit;
    irq_set(&gate->out, gate->inputs != 0);
}

/* The wire into input 0..IRQ_OR_INPUTS - 1. */
static inline struct irq irq_or_input(struct irq_or *gate, unsigned n)
{
    return (struct irq){.set = irq_or_set, .opaque = gate, .line = (int)n};
}

#endif
