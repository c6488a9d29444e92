/*
 * The AT's coprocessor error logic: FERR# sets a latch that drives IRQ 13; a write to port F0 (or F1, which resets a
 * coprocessor that is no longer a chip of its own) clears it. Maps fpu_error_ops, 2 ports at F0h.
 */
#ifndef HW_INTC_FPU_ERROR_H
#define HW_INTC_FPU_ERROR_H

#include <stdbool.h>

#include "hw/core/bus.h"
#include "hw/core/irq.h"
#include "hw/core/state.h"

struct fpu_error;

extern const struct bus_ops fpu_error_ops;

/* `irq` is IRQ 13. NULL when out of memory. */
struct fpu_error *fpu_error_create(struct irq irq);
void fpu_error_destroy(struct fpu_error *logic);
void fpu_error_reset(struct fpu_error *logic);
/* The processor's FERR# pin; its falling (asserting) edge sets the latch. */
void fpu_error_set_ferr(struct fpu_error *logic, bool asserted);

const struct state_desc *fpu_error_state_desc(void);
void fpu_error_after_load(struct fpu_error *logic);

#endif
