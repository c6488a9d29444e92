/* The AT's coprocessor error logic. Source: IBM PC AT Technical Reference, "Coprocessor"; PIIX3 datasheet, "Coprocessor
 * Error Register" (F0h). */
#include "hw/intc/fpu_error.h"

#include <stdlib.h>

struct fpu_error {
    bool ferr;    /* level of FERR# */
    bool latched; /* IRQ 13 is requested */
    struct irq irq;
};

static const struct state_field fpu_error_fields[] = {
    STATE_REG(struct fpu_error, ferr, 0, "FERR# asserted"),
    STATE_REG(struct fpu_error, latched, 0, "IRQ 13 latch"),
};

static const struct state_desc fpu_error_desc = STATE_DESC("fpu_error", fpu_error_fields);

const struct state_desc *fpu_error_state_desc(void)
{
    return &fpu_error_desc;
}

static void update(struct fpu_error *logic)
{
    irq_set(&logic->irq, logic->latched);
}

void fpu_error_set_ferr(struct fpu_error *logic, bool asserted)
{
    if (asserted && !logic->ferr)
        logic->latched = true;
    logic->ferr = asserted;
    update(logic);
}

static uint32_t fpu_error_read(void *self, uint32_t offset, unsigned width)
{
    return 0xff; /* write-only */
}

static void fpu_error_write(void *self, uint32_t offset, uint32_t value, unsigned width)
{
    struct fpu_error *logic = self;

    logic->latched = false;
    update(logic);
}

const struct bus_ops fpu_error_ops = {.name = "fpu_error", .read = fpu_error_read, .write = fpu_error_write};

void fpu_error_reset(struct fpu_error *logic)
{
    state_reset(&fpu_error_desc, logic);
    update(logic);
}

void fpu_error_after_load(struct fpu_error *logic)
{
    update(logic);
}

struct fpu_error *fpu_error_create(struct irq irq)
{
    struct fpu_error *logic = calloc(1, sizeof *logic);

    if (logic)
        logic->irq = irq;
    return logic;
}

void fpu_error_destroy(struct fpu_error *logic)
{
    free(logic);
}
