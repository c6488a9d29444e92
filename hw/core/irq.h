/*
 * A wire. A device holds a struct irq by value and drives a level on it; what is at the far end (a PIC input, a
 * vCPU's INTR pin, a test's probe) is none of its business. Driving the same level twice is harmless.
 */
#ifndef HW_CORE_IRQ_H
#define HW_CORE_IRQ_H

#include <stdbool.h>
#include <stddef.h>

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

#endif
