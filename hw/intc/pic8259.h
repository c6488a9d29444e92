/*
 * Two cascaded 8259A interrupt controllers and the edge/level control registers of the PIIX3.
 *
 * The board maps pic8259_ops at 20h (2 ports, self = pic8259_chip(pair, 0)) and at A0h (pic8259_chip(pair, 1)), and
 * pic8259_elcr_ops at 4D0h (2 ports, self = the pair).
 */
#ifndef HW_INTC_PIC8259_H
#define HW_INTC_PIC8259_H

#include <stdint.h>
#include <stdio.h>

#include "hw/core/bus.h"
#include "hw/core/irq.h"
#include "hw/core/state.h"

struct pic8259;
struct pic8259_pair;

extern const struct bus_ops pic8259_ops;
extern const struct bus_ops pic8259_elcr_ops;

/* `intr` follows the master's INT pin. NULL when out of memory. */
struct pic8259_pair *pic8259_pair_create(struct irq intr);
void pic8259_pair_destroy(struct pic8259_pair *pair);
/* Power-on state: everything masked, all inputs edge-triggered. Input levels are wires and stay as they are. */
void pic8259_pair_reset(struct pic8259_pair *pair);

/* The wire into IRQ 0..15. Input 2 belongs to the cascade: the wire returned for it leads nowhere. */
struct irq pic8259_input(struct pic8259_pair *pair, unsigned n);
/* index 0: master, 1: slave. */
struct pic8259 *pic8259_chip(struct pic8259_pair *pair, unsigned index);

/* The INTA cycles: returns the vector and updates ISR and IRR. Without a request it is the spurious IRQ 7 or 15. */
uint8_t pic8259_acknowledge(struct pic8259_pair *pair);

const struct state_desc *pic8259_pair_state_desc(void);
void pic8259_pair_after_load(struct pic8259_pair *pair);
/* `info pic`: one line per chip. */
void pic8259_print(const struct pic8259_pair *pair, FILE *out);
/* `info irq`: how often each line was acknowledged, those that were. */
void pic8259_print_counts(const struct pic8259_pair *pair, FILE *out);

#endif
