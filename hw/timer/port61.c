/*
 * NMI status and control register, port 61h. Source: Intel 290550 "82371SB (PIIX3)", NMISC.
 */
#include "hw/timer/port61.h"

#include <stdlib.h>

enum {
    PORT61_GATE2 = 1 << 0,
    PORT61_SPEAKER = 1 << 1,
    PORT61_SERR_OFF = 1 << 2,
    PORT61_IOCHK_OFF = 1 << 3,
    PORT61_REFRESH = 1 << 4, /* toggles with every refresh request */
    PORT61_OUT2 = 1 << 5,
    PORT61_WRITABLE = PORT61_GATE2 | PORT61_SPEAKER | PORT61_SERR_OFF | PORT61_IOCHK_OFF,
    /* bits 6 and 7, the IOCHK# and SERR# NMI status, are always 0 */
};

#define REFRESH_CLKS 18 /* what counter 1 was programmed to on the AT: a request every 15.09 us */

struct port61 {
    uint8_t control;
    struct clock *clock;
    struct pit8254 *pit;
};

static const struct state_field port61_fields[] = {
    STATE_REG(struct port61, control, 0x00, "writable bits of NMISC"),
};
static const struct state_desc port61_desc = STATE_DESC("port61", port61_fields);

const struct state_desc *port61_state_desc(void)
{
    return &port61_desc;
}

static void port61_write(void *self, uint32_t offset, uint32_t value, unsigned width)
{
    struct port61 *port = self;
    port->control = value & PORT61_WRITABLE;
    pit8254_set_gate(port->pit, 2, port->control & PORT61_GATE2);
}

static uint32_t port61_read(void *self, uint32_t offset, unsigned width)
{
    struct port61 *port = self;
    int64_t refreshes = muldiv64(clock_now_ns(port->clock), PIT8254_HZ, REFRESH_CLKS * NS_PER_SECOND);
    return (uint32_t)port->control | (refreshes & 1 ? PORT61_REFRESH : 0) |
           (pit8254_out(port->pit, 2) ? PORT61_OUT2 : 0);
}

const struct bus_ops port61_ops = {.name = "port61", .read = port61_read, .write = port61_write, .max_width = 1};

struct port61 *port61_create(struct clock *clock, struct pit8254 *pit)
{
    struct port61 *port = calloc(1, sizeof *port);
    if (!port)
        return NULL;
    port->clock = clock;
    port->pit = pit;
    port61_reset(port);
    return port;
}

void port61_destroy(struct port61 *port)
{
    free(port);
}

void port61_reset(struct port61 *port)
{
    state_reset(&port61_desc, port);
    pit8254_set_gate(port->pit, 2, false);
}

bool port61_speaker_is_on(const struct port61 *port)
{
    return port->control & PORT61_SPEAKER;
}

void port61_after_load(struct port61 *port)
{
    port->control &= PORT61_WRITABLE; /* the gate itself is saved by the 8254 */
}
