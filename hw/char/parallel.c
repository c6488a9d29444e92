/*
 * Parallel port: data, status and control register, a Centronics printer at the far end.
 * Source: IBM PS/2 Hardware Interface Technical Reference, "Parallel port controller"; IEEE 1284-1994, compatibility
 * mode. Deviates: the printer needs no set-up and hold times, and prints as fast as the host takes bytes.
 */
#include "hw/char/parallel.h"

#include <stdlib.h>

enum { PARALLEL_DATA, PARALLEL_STATUS, PARALLEL_CONTROL, PARALLEL_PORTS };

/* Status: the lines of the printer; BUSY arrives inverted. */
#define STATUS_NERROR  0x08
#define STATUS_SELECT  0x10
#define STATUS_PAPER   0x20 /* end of paper */
#define STATUS_NACK    0x40
#define STATUS_NBUSY   0x80
#define STATUS_UNUSED  0x07
#define STATUS_NOTHING 0x7f /* nothing plugged in: lines are pulled up, and so BUSY is set */
#define STATUS_ON_LINE (STATUS_NERROR | STATUS_SELECT | STATUS_UNUSED)

#define CONTROL_STROBE    0x01
#define CONTROL_NINIT     0x04
#define CONTROL_SELECT_IN 0x08
#define CONTROL_IRQ       0x10
#define CONTROL_INPUT     0x20 /* direction: the port does not drive its data lines */
#define CONTROL_WRITABLE  0x3f
#define CONTROL_UNUSED    0xc0

#define BUSY_NS (5 * NS_PER_US) /* from strobe to nACK */
#define ACK_NS  (5 * NS_PER_US) /* length of nACK */

enum printer_phase {
    PRINTER_READY,
    PRINTER_BUSY,    /* has latched a byte */
    PRINTER_WAITING, /* ... that the host has no room for */
    PRINTER_ACK,     /* pulls nACK down */
};

struct parallel {
    uint8_t data, control;
    uint8_t phase;
    uint8_t byte; /* in the printer */
    int64_t due_ns;

    struct clock *clock;
    struct timer timer;
    struct irq irq;
    struct host_char *host;
};

static const struct state_field parallel_fields[] = {
    STATE_REG(struct parallel, data, 0x00, "Data"),
    STATE_REG(struct parallel, control, CONTROL_NINIT | CONTROL_SELECT_IN, "Control"),
    STATE_REG(struct parallel, phase, PRINTER_READY, "what the printer does"),
    STATE_REG(struct parallel, byte, 0, "the byte it has"),
    STATE_REG(struct parallel, due_ns, CLOCK_NEVER, "when it goes on"),
};
static const struct state_desc parallel_desc = STATE_DESC("parallel", parallel_fields);

/* The only place that drives the interrupt, which follows nACK inverted, and arms the timer. */
static void update(struct parallel *port)
{
    timer_set(&port->timer, port->due_ns);
    irq_set(&port->irq, (port->control & CONTROL_IRQ) && port->phase == PRINTER_ACK);
}

static void enter(struct parallel *port, enum printer_phase phase, int64_t for_ns)
{
    port->phase = (uint8_t)phase;
    port->due_ns = for_ns == CLOCK_NEVER ? CLOCK_NEVER : clock_now_ns(port->clock) + for_ns;
    update(port);
}

static void print(struct parallel *port)
{
    if (port->host && port->host->write(port->host, &port->byte, 1) == 1)
        enter(port, PRINTER_ACK, ACK_NS);
    else
        enter(port, PRINTER_WAITING, CLOCK_NEVER);
}

static void timer_fires(void *opaque)
{
    struct parallel *port = opaque;

    if (port->phase == PRINTER_BUSY)
        print(port);
    else
        enter(port, PRINTER_READY, CLOCK_NEVER);
}

static void host_drained(void *receiver)
{
    struct parallel *port = receiver;

    if (port->phase == PRINTER_WAITING)
        print(port);
}

/* A printer sends nothing back. */
static size_t host_can_receive(void *receiver)
{
    return 0;
}

static void host_receive(void *receiver, const uint8_t *bytes, size_t count) {}

/* ---- registers ---- */

static uint8_t read_status(const struct parallel *port)
{
    if (!port->host)
        return STATUS_NOTHING;
    if (!(port->control & CONTROL_NINIT))
        return STATUS_ON_LINE | STATUS_NACK;
    switch (port->phase) {
    case PRINTER_READY:
        return STATUS_ON_LINE | STATUS_NACK | STATUS_NBUSY;
    case PRINTER_ACK:
        return STATUS_ON_LINE;
    default:
        return STATUS_ON_LINE | STATUS_NACK;
    }
}

static void write_control(struct parallel *port, uint8_t value)
{
    bool is_strobed = (value & CONTROL_STROBE) && !(port->control & CONTROL_STROBE);

    port->control = value & CONTROL_WRITABLE;
    if (!(value & CONTROL_NINIT))
        enter(port, PRINTER_READY, CLOCK_NEVER); /* it forgets what it has */
    else if (is_strobed && (value & CONTROL_SELECT_IN) && port->host && port->phase == PRINTER_READY) {
        port->byte = value & CONTROL_INPUT ? 0xff : port->data;
        enter(port, PRINTER_BUSY, BUSY_NS);
    } else {
        update(port);
    }
}

static uint32_t ports_read(void *self, uint32_t offset, unsigned width)
{
    const struct parallel *port = self;

    switch (offset) {
    case PARALLEL_DATA:
        return port->control & CONTROL_INPUT ? 0xff : port->data;
    case PARALLEL_STATUS:
        return read_status(port);
    case PARALLEL_CONTROL:
        return port->control | CONTROL_UNUSED;
    default:
        return 0xff;
    }
}

static void ports_write(void *self, uint32_t offset, uint32_t value, unsigned width)
{
    struct parallel *port = self;

    if (offset == PARALLEL_DATA)
        port->data = (uint8_t)value;
    else if (offset == PARALLEL_CONTROL)
        write_control(port, (uint8_t)value);
}

const struct bus_ops parallel_ops = {.name = "parallel", .read = ports_read, .write = ports_write, .max_width = 1};

/* ---- creation ---- */

struct parallel *parallel_create(struct clock *clock, struct irq irq, struct host_char *host)
{
    struct parallel *port = calloc(1, sizeof *port);

    if (!port)
        return NULL;
    port->clock = clock;
    port->irq = irq;
    port->host = host;
    timer_init(&port->timer, clock, timer_fires, port);
    if (host) {
        host->can_receive = host_can_receive;
        host->receive = host_receive;
        host->drained = host_drained;
        host->receiver = port;
    }
    parallel_reset(port);
    return port;
}

void parallel_destroy(struct parallel *port)
{
    if (!port)
        return;
    timer_cancel(&port->timer);
    if (port->host) {
        port->host->can_receive = NULL;
        port->host->receive = NULL;
        port->host->drained = NULL;
        port->host->receiver = NULL;
    }
    free(port);
}

void parallel_reset(struct parallel *port)
{
    state_reset(&parallel_desc, port);
    update(port);
}

const struct state_desc *parallel_state_desc(void)
{
    return &parallel_desc;
}

void parallel_after_load(struct parallel *port)
{
    if (port->phase > PRINTER_ACK)
        port->phase = PRINTER_READY;
    if (port->phase == PRINTER_WAITING) /* the host that it waited for may not be this one */
        print(port);
    update(port);
}
