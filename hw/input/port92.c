/*
 * System control port A, port 92h. Source: IBM PS/2 Hardware Interface Technical Reference, "System Control Port A";
 * Intel 290550 "82371SB (PIIX3)", for the state after reset.
 */
#include "hw/input/port92.h"

#include <stdlib.h>

enum {
    PORT92_RESET = 1 << 0,
    PORT92_A20 = 1 << 1,
    PORT92_WRITABLE = PORT92_RESET | PORT92_A20,
};

struct port92 {
    uint8_t control;
    struct irq a20, reset;
};

static const struct state_field port92_fields[] = {
    STATE_REG(struct port92, control, PORT92_A20, "A20 gate and reset bit"),
};
static const struct state_desc port92_desc = STATE_DESC("port92", port92_fields);

const struct state_desc *port92_state_desc(void)
{
    return &port92_desc;
}

static uint32_t port92_read(void *self, uint32_t offset, unsigned width)
{
    struct port92 *port = self;
    return port->control;
}

static void port92_write(void *self, uint32_t offset, uint32_t value, unsigned width)
{
    struct port92 *port = self;
    bool reset_rises = value & (uint8_t)~port->control & PORT92_RESET;
    port->control = value & PORT92_WRITABLE;
    irq_set(&port->a20, port->control & PORT92_A20);
    if (reset_rises) {
        irq_raise(&port->reset);
        irq_lower(&port->reset);
    }
}

const struct bus_ops port92_ops = {.name = "port92", .read = port92_read, .write = port92_write, .max_width = 1};

struct port92 *port92_create(struct irq a20, struct irq reset)
{
    struct port92 *port = calloc(1, sizeof *port);
    if (!port)
        return NULL;
    port->a20 = a20;
    port->reset = reset;
    state_reset(&port92_desc, port);
    return port;
}

void port92_destroy(struct port92 *port)
{
    free(port);
}

void port92_reset(struct port92 *port)
{
    state_reset(&port92_desc, port);
    irq_set(&port->a20, true);
}

void port92_after_load(struct port92 *port)
{
    port->control &= PORT92_WRITABLE;
    irq_set(&port->a20, port->control & PORT92_A20);
}
