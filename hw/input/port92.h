/* System control port A (92h): fast A20 gate and fast reset. One port, port92_ops. */
#ifndef HW_INPUT_PORT92_H
#define HW_INPUT_PORT92_H

#include "hw/core/bus.h"
#include "hw/core/irq.h"
#include "hw/core/state.h"

struct port92;

extern const struct bus_ops port92_ops;

/* `a20` is driven with bit 1 whenever the guest writes it, and at reset (high); `reset` is pulsed when bit 0 rises. The
 * machine must reset later, not inside the call. NULL when out of memory. */
struct port92 *port92_create(struct irq a20, struct irq reset);
void port92_destroy(struct port92 *port);
void port92_reset(struct port92 *port);

const struct state_desc *port92_state_desc(void);
void port92_after_load(struct port92 *port);

#endif
