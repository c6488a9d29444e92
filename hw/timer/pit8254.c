/*
 * Intel 8254 programmable interval timer. Source: Intel 231164 "8254".
 * Counts and OUT are functions of the time since a count was loaded; nothing ticks. Only a connected OUT wire has a
 * timer, for its next edge.
 * Deviates: OUT falls in modes 1 and 5 at the trigger, not one CLK later. The wires (not pit8254_out) leave out the
 * one-CLK low strobes of modes 2, 4 and 5 and show only the rise that ends them; edges closer together than
 * MIN_INTERVAL_NS, or missed while the host was late, become one; after a late rise the next fall may be left out, so
 * that an edge-triggered input keeps its request. A count of 1 in modes 2 and 3, which the datasheet forbids, holds
 * OUT high.
 */
#include "hw/timer/pit8254.h"

#include <stdlib.h>

enum { PIT_COUNTER0, PIT_COUNTER1, PIT_COUNTER2, PIT_CONTROL };

enum {
    PIT_CW_BCD = 1 << 0,
    PIT_CW_MODE_SHIFT = 1,
    PIT_CW_RW_SHIFT = 4, /* 0: counter latch command */
    PIT_CW_RW_LSB = 1,
    PIT_CW_RW_MSB = 2,
    PIT_CW_RW_BOTH = 3,
    PIT_CW_SC_SHIFT = 6, /* select counter; 3: read-back command */

    PIT_READBACK_NO_COUNT = 1 << 5,
    PIT_READBACK_NO_STATUS = 1 << 4,
    PIT_READBACK_SELECT = 1 << 1, /* counter 0, and so on upwards */

    PIT_STATUS_OUT = 1 << 7,
    PIT_STATUS_NULL_COUNT = 1 << 6,
    PIT_STATUS_CONTROL = 0x3f,
};

enum pit_phase {
    PIT_IDLE,     /* control word written, no count yet */
    PIT_ARMED,    /* modes 1, 5: waits for the trigger */
    PIT_COUNTING, /* a count is loaded */
};

#define MIN_INTERVAL_NS (20 * NS_PER_US)  /* at most 50,000 edges a second reach a wire */
#define MIN_HIGH_NS     (200 * NS_PER_US) /* how long a wire stays high before a fall in mode 3 is shown */

struct pit_counter {
    uint8_t control; /* RW, mode and BCD of the control word */
    uint8_t phase;   /* enum pit_phase */
    uint8_t gate;
    uint8_t wire; /* level driven on the OUT wire */
    uint8_t write_high_next, read_high_next;
    uint8_t low_byte;  /* first byte of a two-byte count */
    uint8_t cr_is_new; /* CR not yet in CE */
    uint8_t status, status_is_latched;
    uint8_t count_is_latched;
    uint16_t latch;      /* OL */
    uint16_t cr;         /* CR as written */
    uint16_t idle_count; /* what CE shows until a count is loaded */
    uint32_t n;          /* the count in use, 1..65536 */
    int64_t start_tick;  /* COUNTING: CLK at which n was loaded */
    int64_t held;        /* CLKs counted before the gate stopped it */
    int64_t switch_at;   /* modes 2, 3 with cr_is_new: CLKs after start_tick at which CR is loaded */
    int64_t seen_tick;   /* edges up to here have reached the wire */
    int64_t rise_ns;     /* when the wire rose last */
};

struct pit8254 {
    struct pit_counter counter[3];
    struct clock *clock;
    struct irq out[3];
    struct timer timer[3];
    struct pit_line {
        struct pit8254 *pit;
        unsigned n;
    } line[3]; /* what a timer is told */
};

#define PIT_REG(member, reset_value, doc) STATE_EACH(struct pit8254, counter, member, reset_value, doc)

static const struct state_field pit_fields[] = {
    PIT_REG(control, 0x36, "control word: RW, mode, BCD"),
    PIT_REG(phase, PIT_IDLE, "0 idle, 1 armed, 2 counting"),
    PIT_REG(gate, 1, "GATE"),
    PIT_REG(wire, 1, "OUT wire"),
    PIT_REG(write_high_next, 0, "next write is the high byte"),
    PIT_REG(read_high_next, 0, "next read is the high byte"),
    PIT_REG(low_byte, 0, "first byte of a count"),
    PIT_REG(cr_is_new, 0, "null count"),
    PIT_REG(status, 0, "latched status"),
    PIT_REG(status_is_latched, 0, "read-back of status"),
    PIT_REG(count_is_latched, 0, "OL holds a count"),
    PIT_REG(latch, 0, "OL"),
    PIT_REG(cr, 0, "CR"),
    PIT_REG(idle_count, 0, "CE before a count is loaded"),
    PIT_REG(n, 0x10000, "count in use"),
    PIT_REG(start_tick, 0, "CLK of the load"),
    PIT_REG(held, 0, "CLKs counted before the gate closed"),
    PIT_REG(switch_at, 0, "CLKs until a new CR is loaded"),
    PIT_REG(seen_tick, 0, "CLK up to which edges were delivered"),
    PIT_REG(rise_ns, 0, "last rise of the wire"),
};
static const struct state_desc pit_desc = STATE_DESC("pit8254", pit_fields);

const struct state_desc *pit8254_state_desc(void)
{
    return &pit_desc;
}

/* ---- pure functions of a counter and a CLK number ---- */

static int64_t tick_at(int64_t ns)
{
    return muldiv64(ns, PIT8254_HZ, NS_PER_SECOND);
}

/* The first nanosecond of a CLK: tick_at(ns_of(t)) == t. */
static int64_t ns_of(int64_t tick)
{
    return muldiv64(tick, NS_PER_SECOND, PIT8254_HZ) + (tick % (PIT8254_HZ / 2) != 0); /* rounded up */
}

static unsigned mode_of(const struct pit_counter *c)
{
    unsigned mode = c->control >> PIT_CW_MODE_SHIFT & 7;
    return mode > 5 ? mode & 3 : mode; /* M2 is a don't-care in modes 2 and 3 */
}

static unsigned access_of(const struct pit_counter *c)
{
    return c->control >> PIT_CW_RW_SHIFT & 3;
}

static bool is_periodic(const struct pit_counter *c)
{
    return mode_of(c) == 2 || mode_of(c) == 3;
}

static bool is_triggered(const struct pit_counter *c)
{
    return mode_of(c) == 1 || mode_of(c) == 5;
}

/* A low gate stops counting, except where the gate is a trigger. */
static bool is_stopped(const struct pit_counter *c)
{
    return !c->gate && !is_triggered(c);
}

/* CR as a number: 0 stands for the highest count. */
static uint32_t count_in_cr(const struct pit_counter *c)
{
    uint32_t cr = c->cr;
    if (c->control & PIT_CW_BCD)
        cr = (cr >> 12) * 1000 + (cr >> 8 & 15) * 100 + (cr >> 4 & 15) * 10 + (cr & 15);
    return cr ? cr : c->control & PIT_CW_BCD ? 10000 : 0x10000;
}

static int64_t elapsed(const struct pit_counter *c, int64_t tick)
{
    if (is_stopped(c))
        return c->held;
    return tick > c->start_tick ? tick - c->start_tick : 0;
}

/* Mode 3: the high half takes the odd CLK. */
static uint32_t high_half(const struct pit_counter *c)
{
    return (c->n + 1) / 2;
}

static uint16_t count_at(const struct pit_counter *c, int64_t tick)
{
    if (c->phase != PIT_COUNTING)
        return c->idle_count;
    int64_t e = elapsed(c, tick), limit = c->control & PIT_CW_BCD ? 10000 : 0x10000, count;
    if (mode_of(c) == 2) {
        count = c->n - e % c->n;
    } else if (mode_of(c) == 3) { /* counts down by two, twice per period; an odd count starts one lower */
        int64_t in_half = e % c->n;
        if (in_half >= high_half(c))
            in_half -= high_half(c);
        count = (c->n & ~1u) - 2 * in_half;
    } else { /* goes on below zero, and round */
        count = (c->n - e) % limit;
        if (count < 0)
            count += limit;
    }
    count %= limit;
    if (c->control & PIT_CW_BCD)
        count = count / 1000 << 12 | count / 100 % 10 << 8 | count / 10 % 10 << 4 | count % 10;
    return (uint16_t)count;
}

static bool out_at(const struct pit_counter *c, int64_t tick)
{
    if (c->phase != PIT_COUNTING)
        return mode_of(c) != 0;
    int64_t e = elapsed(c, tick);
    switch (mode_of(c)) {
    case 0:
    case 1:
        return e >= c->n;
    case 2:
        return !c->gate || c->n == 1 || e % c->n != c->n - 1;
    case 3:
        return !c->gate || e % c->n < high_half(c);
    default:
        return e != c->n;
    }
}

/* One-shot modes: CLKs from load to the only rise. */
static int64_t rise_of_oneshot(const struct pit_counter *c)
{
    return mode_of(c) >= 4 ? (int64_t)c->n + 1 : c->n;
}

/* Did OUT rise after CLK `from`, up to and including `to`? */
static bool has_rise(const struct pit_counter *c, int64_t from, int64_t to)
{
    if (c->phase != PIT_COUNTING || is_stopped(c))
        return false;
    int64_t e1 = elapsed(c, from), e2 = elapsed(c, to);
    if (is_periodic(c))
        return c->n > 1 && e2 / c->n > e1 / c->n;
    return e1 < rise_of_oneshot(c) && rise_of_oneshot(c) <= e2;
}

/* Modes 2, 3: the end of the period, or half-period, that holds CLK `tick`, in CLKs after start_tick. */
static int64_t next_boundary(const struct pit_counter *c, int64_t tick)
{
    int64_t e = elapsed(c, tick), in_period = e % c->n;
    if (mode_of(c) == 3 && in_period < high_half(c))
        return e - in_period + high_half(c);
    return e - in_period + c->n;
}

/* The CLK of the next edge that the wire shows, or CLOCK_NEVER. */
static int64_t next_edge(const struct pit_counter *c, int64_t tick)
{
    if (c->phase != PIT_COUNTING || is_stopped(c))
        return CLOCK_NEVER;
    if (is_periodic(c)) {
        if (c->cr_is_new)
            return c->start_tick + c->switch_at; /* never later than the boundary */
        return c->n > 1 ? c->start_tick + next_boundary(c, tick) : CLOCK_NEVER;
    }
    return elapsed(c, tick) < rise_of_oneshot(c) ? c->start_tick + rise_of_oneshot(c) : CLOCK_NEVER;
}

/* ---- change ---- */

static void load(struct pit_counter *c, int64_t tick)
{
    c->n = count_in_cr(c);
    c->start_tick = tick + 1; /* the CLK after the write or trigger */
    c->held = 0;
    c->phase = PIT_COUNTING;
    c->cr_is_new = 0;
}

/* Modes 2, 3: brings CR into use at the boundary it has been waiting for. */
static void switch_count(struct pit_counter *c)
{
    int64_t boundary = c->start_tick + c->switch_at;
    bool is_low_half = mode_of(c) == 3 && c->switch_at % c->n != 0;
    c->n = count_in_cr(c);
    c->start_tick = is_low_half ? boundary - high_half(c) : boundary;
    c->cr_is_new = 0;
}

/* Brings counter n up to now, drives its wire and arms its timer. Everything that reads or writes a counter begins
 * with it, everything that writes also ends with it. Returns the current CLK. */
static int64_t update(struct pit8254 *pit, unsigned n)
{
    struct pit_counter *c = &pit->counter[n];
    int64_t now = clock_now_ns(pit->clock), tick = tick_at(now);
    bool rose = false;
    if (c->phase == PIT_COUNTING && is_periodic(c) && c->cr_is_new && !is_stopped(c) &&
        tick >= c->start_tick + c->switch_at) {
        int64_t boundary = c->start_tick + c->switch_at;
        rose = has_rise(c, c->seen_tick, boundary);
        switch_count(c);
        c->seen_tick = boundary;
    }
    rose |= has_rise(c, c->seen_tick, tick);
    c->seen_tick = tick;
    if (!pit->out[n].set)
        return tick;

    bool level = out_at(c, tick), is_strobe = mode_of(c) == 2 || mode_of(c) >= 4;
    if (rose) {
        irq_lower(&pit->out[n]);
        level = true;
        c->rise_ns = now;
    } else if (level && !c->wire) {
        c->rise_ns = now;
    } else if (!level && (is_strobe || (mode_of(c) == 3 && now - c->rise_ns < MIN_HIGH_NS))) {
        level = c->wire;
    }
    c->wire = level;
    irq_set(&pit->out[n], level);

    int64_t edge = next_edge(c, tick);
    if (edge == CLOCK_NEVER) {
        timer_cancel(&pit->timer[n]);
    } else {
        int64_t deadline = ns_of(edge), soonest = c->rise_ns + MIN_INTERVAL_NS;
        timer_set(&pit->timer[n], deadline > soonest ? deadline : soonest);
    }
    return tick;
}

static void edge_due(void *opaque)
{
    struct pit_line *line = opaque;
    update(line->pit, line->n);
}

static void write_count(struct pit_counter *c, uint8_t value, int64_t tick)
{
    if (access_of(c) == PIT_CW_RW_LSB) {
        c->cr = value;
    } else if (access_of(c) == PIT_CW_RW_MSB) {
        c->cr = (uint16_t)(value << 8);
    } else if (!c->write_high_next) {
        c->write_high_next = 1;
        c->low_byte = value;
        if (mode_of(c) == 0) { /* the first byte stops the count and lowers OUT */
            c->idle_count = count_at(c, tick);
            c->phase = PIT_IDLE;
        }
        return;
    } else {
        c->write_high_next = 0;
        c->cr = (uint16_t)(value << 8 | c->low_byte);
    }
    c->cr_is_new = 1;
    if (is_triggered(c)) {
        if (c->phase == PIT_IDLE)
            c->phase = PIT_ARMED;
    } else if (is_periodic(c) && c->phase == PIT_COUNTING) {
        if (!is_stopped(c)) /* else the trigger that opens the gate loads it */
            c->switch_at = next_boundary(c, tick);
    } else {
        load(c, tick);
    }
}

static void latch_count(struct pit_counter *c, int64_t tick)
{
    if (c->count_is_latched)
        return; /* the first latch wins until it is read */
    c->latch = count_at(c, tick);
    c->count_is_latched = 1;
}

static void latch_status(struct pit_counter *c, int64_t tick)
{
    if (c->status_is_latched)
        return;
    bool is_null = c->cr_is_new || c->phase != PIT_COUNTING || tick < c->start_tick;
    c->status = (uint8_t)((c->control & PIT_STATUS_CONTROL) | (is_null ? PIT_STATUS_NULL_COUNT : 0) |
                          (out_at(c, tick) ? PIT_STATUS_OUT : 0));
    c->status_is_latched = 1;
}

static void write_control(struct pit8254 *pit, uint8_t value)
{
    unsigned n = value >> PIT_CW_SC_SHIFT;
    if (n == 3) {
        for (unsigned i = 0; i < 3; i++) {
            if (!(value & PIT_READBACK_SELECT << i))
                continue;
            int64_t tick = update(pit, i);
            if (!(value & PIT_READBACK_NO_COUNT))
                latch_count(&pit->counter[i], tick);
            if (!(value & PIT_READBACK_NO_STATUS))
                latch_status(&pit->counter[i], tick);
        }
        return;
    }
    struct pit_counter *c = &pit->counter[n];
    int64_t tick = update(pit, n);
    if ((value >> PIT_CW_RW_SHIFT & 3) == 0) {
        latch_count(c, tick);
        return;
    }
    c->idle_count = count_at(c, tick);
    c->control = value & PIT_STATUS_CONTROL;
    c->phase = PIT_IDLE;
    c->cr_is_new = 0;
    c->write_high_next = c->read_high_next = 0;
    c->count_is_latched = c->status_is_latched = 0;
    update(pit, n);
}

static void pit_write(void *self, uint32_t offset, uint32_t value, unsigned width)
{
    struct pit8254 *pit = self;
    if (offset >= PIT_CONTROL) {
        write_control(pit, (uint8_t)value);
        return;
    }
    int64_t tick = update(pit, offset);
    write_count(&pit->counter[offset], (uint8_t)value, tick);
    update(pit, offset);
}

static uint32_t pit_read(void *self, uint32_t offset, unsigned width)
{
    struct pit8254 *pit = self;
    if (offset >= PIT_CONTROL)
        return 0xff; /* the control word cannot be read */
    struct pit_counter *c = &pit->counter[offset];
    int64_t tick = update(pit, offset);
    if (c->status_is_latched) {
        c->status_is_latched = 0;
        return c->status;
    }
    uint16_t count = c->count_is_latched ? c->latch : count_at(c, tick);
    bool is_high = access_of(c) == PIT_CW_RW_MSB || (access_of(c) == PIT_CW_RW_BOTH && c->read_high_next);
    if (access_of(c) == PIT_CW_RW_BOTH)
        c->read_high_next = !c->read_high_next;
    if (!c->read_high_next)
        c->count_is_latched = 0;
    return is_high ? count >> 8 : count & 0xff;
}

const struct bus_ops pit8254_ops = {.name = "pit8254", .read = pit_read, .write = pit_write, .max_width = 1};

/* ---- pins ---- */

void pit8254_set_gate(struct pit8254 *pit, unsigned n, bool level)
{
    struct pit_counter *c = &pit->counter[n];
    if (c->gate == level)
        return;
    int64_t tick = update(pit, n);
    if (!level) {
        c->held = elapsed(c, tick);
        c->gate = 0;
    } else {
        c->gate = 1;
        if (c->phase != PIT_IDLE && (is_triggered(c) || is_periodic(c)))
            load(c, tick);
        else
            c->start_tick = tick - c->held;
    }
    update(pit, n);
}

bool pit8254_gate(const struct pit8254 *pit, unsigned n)
{
    return pit->counter[n].gate;
}

bool pit8254_out(struct pit8254 *pit, unsigned n)
{
    int64_t tick = update(pit, n);
    return out_at(&pit->counter[n], tick);
}

/* ---- life ---- */

struct pit8254 *pit8254_create(struct clock *clock, const struct irq out[3])
{
    struct pit8254 *pit = calloc(1, sizeof *pit);
    if (!pit)
        return NULL;
    pit->clock = clock;
    for (unsigned i = 0; i < 3; i++) {
        pit->out[i] = out[i];
        pit->line[i] = (struct pit_line){pit, i};
        timer_init(&pit->timer[i], clock, edge_due, &pit->line[i]);
    }
    state_reset(&pit_desc, pit);
    return pit;
}

void pit8254_destroy(struct pit8254 *pit)
{
    if (!pit)
        return;
    for (unsigned i = 0; i < 3; i++)
        timer_cancel(&pit->timer[i]);
    free(pit);
}

void pit8254_reset(struct pit8254 *pit)
{
    uint8_t gate[3];
    for (unsigned i = 0; i < 3; i++)
        gate[i] = pit->counter[i].gate; /* a pin, driven by others */
    state_reset(&pit_desc, pit);
    for (unsigned i = 0; i < 3; i++) {
        pit->counter[i].gate = gate[i];
        update(pit, i);
    }
}

void pit8254_after_load(struct pit8254 *pit)
{
    for (unsigned i = 0; i < 3; i++) {
        struct pit_counter *c = &pit->counter[i];
        c->gate = c->gate != 0;
        c->wire = c->wire != 0;
        if (c->n == 0 || c->n > 0x10000)
            c->n = 0x10000;
        if (c->phase > PIT_COUNTING)
            c->phase = PIT_IDLE;
        if (c->rise_ns > clock_now_ns(pit->clock))
            c->rise_ns = clock_now_ns(pit->clock);
        irq_set(&pit->out[i], c->wire);
        update(pit, i);
    }
}
