/* Intel 82093AA I/O APIC: 24 pins, each turned into a message for a local APIC. */
#ifndef HW_INTC_IOAPIC_H
#define HW_INTC_IOAPIC_H

#include <stdio.h>

#include "hw/intc/apic.h"

#define IOAPIC_PINS  24
#define IOAPIC_BYTES 0x20u /* of memory, from FEC00000 */

struct ioapic;

extern const struct bus_ops ioapic_ops;

/* `send` delivers a message and says whether an APIC took it. NULL when out of memory. */
struct ioapic *ioapic_create(bool (*send)(void *opaque, const struct apic_message *message), void *opaque);
void ioapic_destroy(struct ioapic *ioapic);
/* Everything masked. The pins' levels are wires and stay. */
void ioapic_reset(struct ioapic *ioapic);

/* The wire into pin 0..23; it carries "asserted", whatever the polarity. */
struct irq ioapic_input(struct ioapic *ioapic, unsigned n);
/* A local APIC has ended a level-triggered interrupt. */
void ioapic_eoi(struct ioapic *ioapic, uint8_t vector);

/* An APIC may take now what none took before. */
void ioapic_retry(struct ioapic *ioapic);

const struct state_desc *ioapic_state(void);
void ioapic_after_load(struct ioapic *ioapic);
/* `info irq`: how many messages of each pin an APIC took, those of which it took any. */
void ioapic_print_counts(const struct ioapic *ioapic, FILE *out);

#endif
