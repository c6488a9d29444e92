/* Intel 8254 interval timer: three counters clocked at 1193182 Hz. The board maps pit8254_ops at 40h, 4 ports. */
#ifndef HW_TIMER_PIT8254_H
#define HW_TIMER_PIT8254_H

#include <stdbool.h>

#include "hw/core/bus.h"
#include "hw/core/clock.h"
#include "hw/core/irq.h"
#include "hw/core/state.h"

#define PIT8254_HZ 1193182

struct pit8254;

extern const struct bus_ops pit8254_ops;

/* out[i] follows counter i's OUT (see the .c for its short pulses); an unconnected one costs no timer. Gates start
 * high. NULL when out of memory. */
struct pit8254 *pit8254_create(struct clock *clock, const struct irq out[3]);
void pit8254_destroy(struct pit8254 *pit);
/* The chip has no reset pin; this is its power-on state: OUT high, counters waiting for a control word. */
void pit8254_reset(struct pit8254 *pit);

/* The GATE pin of counter 0..2. */
void pit8254_set_gate(struct pit8254 *pit, unsigned n, bool level);
bool pit8254_gate(const struct pit8254 *pit, unsigned n);
/* The OUT pin of counter 0..2 at this moment, exact. */
bool pit8254_out(struct pit8254 *pit, unsigned n);

const struct state_desc *pit8254_state_desc(void);
void pit8254_after_load(struct pit8254 *pit);

#endif
