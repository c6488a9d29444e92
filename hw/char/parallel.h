/* Standard parallel port with the PS/2 direction bit. The board maps parallel_ops, 3 ports (378h for LPT1). */
#ifndef HW_CHAR_PARALLEL_H
#define HW_CHAR_PARALLEL_H

#include "hw/core/bus.h"
#include "hw/core/clock.h"
#include "hw/core/host.h"
#include "hw/core/irq.h"
#include "hw/core/state.h"

struct parallel;

extern const struct bus_ops parallel_ops;

/* `host` is the printer, and may be NULL: nothing is plugged in. Otherwise the port becomes its receiver and does not
 * own it. `irq` is IRQ 7 for LPT1. NULL when out of memory. */
struct parallel *parallel_create(struct clock *clock, struct irq irq, struct host_char *host);
void parallel_destroy(struct parallel *port);
void parallel_reset(struct parallel *port);

const struct state_desc *parallel_state_desc(void);
void parallel_after_load(struct parallel *port);

#endif
