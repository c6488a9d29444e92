/*
 * High Precision Event Timers. Source: Intel, "IA-PC HPET (High Precision Event Timers) Specification" 1.0a.
 * The counter is a function of the clock, and so is what a comparator has matched; host timers run only towards the
 * next interrupt that is enabled.
 * Deviates: no FSB delivery. An edge-triggered timer's wire falls and rises at a match and stays high until the next,
 * so that an edge-triggered input keeps its request. A periodic timer does not interrupt more often than every 10 us.
 */
#include "hw/timer/hpet.h"

#include <stdlib.h>

enum {
    HPET_GCAP_ID = 0x000,
    HPET_PERIOD = 0x004,
    HPET_GEN_CONF = 0x010,
    HPET_ENABLE_CNF = 1 << 0,
    HPET_LEG_RT_CNF = 1 << 1,
    HPET_GINTR_STA = 0x020,
    HPET_MAIN_CNT = 0x0f0,
    HPET_TIMER0 = 0x100,
    HPET_TIMER_BYTES = 0x20,
    HPET_TN_CONF = 0x00, /* offsets in a timer's block */
    HPET_TN_ROUTES = 0x04,
    HPET_TN_CMP = 0x08,

    HPET_TN_INT_TYPE = 1 << 1, /* level */
    HPET_TN_INT_ENB = 1 << 2,
    HPET_TN_TYPE = 1 << 3, /* periodic */
    HPET_TN_PER_CAP = 1 << 4,
    HPET_TN_SIZE_CAP = 1 << 5,
    HPET_TN_VAL_SET = 1 << 6,
    HPET_TN_32MODE = 1 << 8,
    HPET_TN_ROUTE_SHIFT = 9,
    HPET_TN_WRITABLE = HPET_TN_INT_TYPE | HPET_TN_INT_ENB | HPET_TN_TYPE | HPET_TN_VAL_SET | HPET_TN_32MODE |
                       (HPET_PINS - 1) << HPET_TN_ROUTE_SHIFT,
    HPET_TN_CAPABILITIES = HPET_TN_PER_CAP | HPET_TN_SIZE_CAP,
};
/* Vendor 8086, legacy replacement, 64-bit counter, three timers, revision 1. */
#define HPET_CAPABILITIES (0x80860000u | 1u << 15 | 1u << 13 | (HPET_TIMERS - 1) << 8 | 0x01u)
#define HPET_TICK_NS      10
#define HPET_TICK_FS      10000000u
#define HPET_MIN_NS       (10 * NS_PER_US)
#define NO_WIRE           (-1)
#define LEGACY_WIRE       HPET_PINS /* and the next */

struct hpet_timer {
    uint32_t config;
    uint64_t comparator, period;
    bool sets_high; /* VAL_SET was on at a write of the comparator's low half: it covers the high half too */
    bool is_high;   /* the timer's wire */

    struct hpet *hpet;
    struct timer timer;
};

struct hpet {
    uint32_t config;
    uint32_t status;
    uint64_t base; /* the counter at origin_ns; the counter while it is halted */
    int64_t origin_ns;
    uint64_t seen; /* matches up to this count are done */
    struct hpet_timer t[HPET_TIMERS];

    struct hpet_wires wires;
    struct clock *clock;
};

static const struct state_field hpet_fields[] = {
    STATE_REG(struct hpet, config, 0, "general configuration"),
    STATE_REG(struct hpet, status, 0, "general interrupt status"),
    STATE_REG(struct hpet, base, 0, "main counter at that moment"),
    STATE_REG(struct hpet, origin_ns, 0, "moment"),
    STATE_REG(struct hpet, seen, 0, "matches up to this count are done"),
    STATE_EACH(struct hpet, t, config, HPET_TN_CAPABILITIES, "configuration"),
    STATE_EACH(struct hpet, t, comparator, UINT64_MAX, "comparator"),
    STATE_EACH(struct hpet, t, period, 0, "period"),
    STATE_EACH(struct hpet, t, sets_high, 0, "VAL_SET covers the high half"),
    STATE_EACH(struct hpet, t, is_high, 0, "interrupt wire"),
};
static const struct state_desc hpet_desc = STATE_DESC("hpet", hpet_fields);

const struct state_desc *hpet_state(void)
{
    return &hpet_desc;
}

/* ---- the counter ---- */

static bool is_running(const struct hpet *hpet)
{
    return hpet->config & HPET_ENABLE_CNF;
}

static uint64_t count_now(const struct hpet *hpet)
{
    if (!is_running(hpet))
        return hpet->base;
    return hpet->base + (uint64_t)(clock_now_ns(hpet->clock) - hpet->origin_ns) / HPET_TICK_NS;
}

static uint64_t size_mask(const struct hpet_timer *t)
{
    return t->config & HPET_TN_32MODE ? UINT32_MAX : UINT64_MAX;
}

/* Ticks from `from` to the next match, at least 1; 0 stands for 2^64. */
static uint64_t distance(const struct hpet_timer *t, uint64_t from)
{
    uint64_t mask = size_mask(t), ticks = (t->comparator - from) & mask;

    return ticks ? ticks : mask + 1;
}

/* ---- wires ---- */

/* Where timer n's interrupt goes with this configuration. */
static int wire_of(const struct hpet *hpet, unsigned n)
{
    unsigned route = hpet->t[n].config >> HPET_TN_ROUTE_SHIFT & (HPET_PINS - 1);

    if ((hpet->config & HPET_LEG_RT_CNF) && n < 2)
        return LEGACY_WIRE + (int)n;
    return hpet->wires.routes >> route & 1 ? (int)route : NO_WIRE;
}

static void drive(const struct hpet *hpet, int wire, bool level)
{
    if (wire >= LEGACY_WIRE)
        irq_set(&hpet->wires.legacy[wire - LEGACY_WIRE], level);
    else if (wire != NO_WIRE)
        hpet->wires.set_pin(hpet->wires.opaque, wire, level);
}

/* Lowers timer n's wire, unless another timer holds the same one. */
static void release(struct hpet *hpet, unsigned n)
{
    int wire = wire_of(hpet, n);

    if (!hpet->t[n].is_high)
        return;
    hpet->t[n].is_high = false;
    for (unsigned i = 0; i < HPET_TIMERS; i++)
        if (hpet->t[i].is_high && wire_of(hpet, i) == wire)
            return;
    drive(hpet, wire, false);
}

static void settle_wire(struct hpet *hpet, unsigned n)
{
    struct hpet_timer *t = &hpet->t[n];
    bool is_enabled = t->config & HPET_TN_INT_ENB;

    if (!is_enabled || ((t->config & HPET_TN_INT_TYPE) && !(hpet->status >> n & 1))) {
        release(hpet, n);
    } else if ((t->config & HPET_TN_INT_TYPE) && !t->is_high) {
        t->is_high = true;
        drive(hpet, wire_of(hpet, n), true);
    }
}

static void matched(struct hpet *hpet, unsigned n)
{
    struct hpet_timer *t = &hpet->t[n];

    if (t->config & HPET_TN_INT_TYPE) {
        hpet->status |= 1u << n;
        settle_wire(hpet, n);
    } else if (t->config & HPET_TN_INT_ENB) {
        drive(hpet, wire_of(hpet, n), false);
        t->is_high = true;
        drive(hpet, wire_of(hpet, n), true);
    }
}

/* ---- matches ---- */

/* Does what the counter has brought since it was last looked at. */
static void catch_up(struct hpet *hpet)
{
    uint64_t now = count_now(hpet), elapsed = now - hpet->seen;

    for (unsigned n = 0; n < HPET_TIMERS; n++) {
        struct hpet_timer *t = &hpet->t[n];
        uint64_t ticks = distance(t, hpet->seen);

        if (ticks == 0 || ticks > elapsed)
            continue;
        if ((t->config & HPET_TN_TYPE) && t->period) {
            uint64_t periods = (elapsed - ticks) / t->period + 1;

            t->comparator = (t->comparator + periods * t->period) & size_mask(t);
        }
        matched(hpet, n);
    }
    hpet->seen = now;
}

static void arm(struct hpet *hpet, unsigned n)
{
    struct hpet_timer *t = &hpet->t[n];
    uint64_t ticks = distance(t, hpet->seen), since_origin = hpet->seen - hpet->base;
    int64_t deadline, soonest = clock_now_ns(hpet->clock) + HPET_MIN_NS;

    if (!is_running(hpet) || !(t->config & HPET_TN_INT_ENB) || ticks == 0 ||
        ticks > (uint64_t)(INT64_MAX - hpet->origin_ns) / HPET_TICK_NS - since_origin) {
        timer_cancel(&t->timer);
        return;
    }
    deadline = hpet->origin_ns + (int64_t)(since_origin + ticks) * HPET_TICK_NS;
    timer_set(&t->timer, (t->config & HPET_TN_TYPE) && deadline < soonest ? soonest : deadline);
}

static void arm_all(struct hpet *hpet)
{
    for (unsigned n = 0; n < HPET_TIMERS; n++)
        arm(hpet, n);
}

static void expired(void *opaque)
{
    const struct hpet_timer *t = opaque;

    catch_up(t->hpet);
    arm_all(t->hpet);
}

/* ---- registers ---- */

static uint32_t half(uint64_t value, bool is_high)
{
    return (uint32_t)(is_high ? value >> 32 : value);
}

static uint64_t with_half(uint64_t old, uint32_t value, bool is_high)
{
    return is_high ? (uint32_t)old | (uint64_t)value << 32 : (old & ~(uint64_t)UINT32_MAX) | value;
}

static void write_config(struct hpet *hpet, uint32_t value)
{
    bool was_legacy = hpet->config & HPET_LEG_RT_CNF, is_legacy = value & HPET_LEG_RT_CNF;

    if (was_legacy != is_legacy)
        for (unsigned n = 0; n < 2; n++)
            release(hpet, n); /* from the old wire */
    hpet->base = hpet->seen;
    hpet->origin_ns = clock_now_ns(hpet->clock);
    hpet->config = value & (HPET_ENABLE_CNF | HPET_LEG_RT_CNF);
    if (was_legacy != is_legacy) {
        hpet->wires.legacy_changed(hpet->wires.opaque, is_legacy);
        for (unsigned n = 0; n < 2; n++)
            settle_wire(hpet, n);
    }
}

static void write_timer_config(struct hpet *hpet, unsigned n, uint32_t value)
{
    const uint32_t routes = (uint32_t)(HPET_PINS - 1) << HPET_TN_ROUTE_SHIFT;
    struct hpet_timer *t = &hpet->t[n];

    release(hpet, n); /* from the old route */
    if (!(hpet->wires.routes >> (value >> HPET_TN_ROUTE_SHIFT & (HPET_PINS - 1)) & 1))
        value = (value & ~routes) | (t->config & routes); /* reading back tells that there is no such route */
    t->config = (value & HPET_TN_WRITABLE) | HPET_TN_CAPABILITIES;
    if (!(t->config & HPET_TN_INT_TYPE))
        hpet->status &= ~(1u << n);
    if (t->config & HPET_TN_32MODE) {
        t->comparator &= UINT32_MAX;
        t->period &= UINT32_MAX;
    }
    settle_wire(hpet, n);
}

/* In periodic mode a write sets the period, and with VAL_SET the comparator too; VAL_SET clears itself. */
static void write_comparator(struct hpet_timer *t, uint32_t value, bool is_high)
{
    bool is_periodic = t->config & HPET_TN_TYPE, sets = t->config & HPET_TN_VAL_SET;

    if (is_high && (t->config & HPET_TN_32MODE))
        return;
    if (is_high)
        sets = sets || t->sets_high;
    t->sets_high = !is_high && sets;
    if (!is_periodic || sets)
        t->comparator = with_half(t->comparator, value, is_high);
    if (is_periodic)
        t->period = with_half(t->period, value, is_high);
    t->config &= ~(uint32_t)HPET_TN_VAL_SET;
}

static uint32_t read_register(struct hpet *hpet, uint32_t reg)
{
    unsigned n = (reg - (unsigned)HPET_TIMER0) / HPET_TIMER_BYTES;

    switch (reg) {
    case HPET_GCAP_ID:
        return HPET_CAPABILITIES;
    case HPET_PERIOD:
        return HPET_TICK_FS;
    case HPET_GEN_CONF:
        return hpet->config;
    case HPET_GINTR_STA:
        return hpet->status;
    case HPET_MAIN_CNT:
    case HPET_MAIN_CNT + 4:
        return half(hpet->seen, reg & 4);
    default:
        break;
    }
    if (reg < HPET_TIMER0 || n >= HPET_TIMERS)
        return 0;
    switch (reg % HPET_TIMER_BYTES) {
    case HPET_TN_CONF:
        return hpet->t[n].config;
    case HPET_TN_ROUTES:
        return hpet->wires.routes;
    case HPET_TN_CMP:
    case HPET_TN_CMP + 4:
        return half(hpet->t[n].comparator, reg & 4);
    default:
        return 0;
    }
}

static void write_register(struct hpet *hpet, uint32_t reg, uint32_t value)
{
    unsigned n = (reg - (unsigned)HPET_TIMER0) / HPET_TIMER_BYTES;

    switch (reg) {
    case HPET_GEN_CONF:
        write_config(hpet, value);
        return;
    case HPET_GINTR_STA:
        hpet->status &= ~value;
        for (n = 0; n < HPET_TIMERS; n++)
            settle_wire(hpet, n);
        return;
    case HPET_MAIN_CNT:
    case HPET_MAIN_CNT + 4:
        hpet->base = hpet->seen = with_half(hpet->seen, value, reg & 4);
        hpet->origin_ns = clock_now_ns(hpet->clock);
        return;
    default:
        break;
    }
    if (reg < HPET_TIMER0 || n >= HPET_TIMERS)
        return;
    switch (reg % HPET_TIMER_BYTES) {
    case HPET_TN_CONF:
        write_timer_config(hpet, n, value);
        break;
    case HPET_TN_CMP:
    case HPET_TN_CMP + 4:
        write_comparator(&hpet->t[n], value, reg & 4);
        break;
    default:
        break;
    }
}

/* Registers are read in parts of any size, and written in dwords. */
static uint32_t hpet_read(void *self, uint32_t offset, unsigned width)
{
    struct hpet *hpet = self;

    catch_up(hpet);
    return read_register(hpet, offset & ~3u) >> 8 * (offset & 3);
}

static void hpet_write(void *self, uint32_t offset, uint32_t value, unsigned width)
{
    struct hpet *hpet = self;

    if (width != 4 || (offset & 3))
        return;
    catch_up(hpet);
    write_register(hpet, offset, value);
    arm_all(hpet);
}

const struct bus_ops hpet_ops = {.name = "hpet", .read = hpet_read, .write = hpet_write, .max_width = 4};

/* ---- life ---- */

struct hpet *hpet_create(struct clock *clock, const struct hpet_wires *wires)
{
    struct hpet *hpet = calloc(1, sizeof *hpet);

    if (!hpet)
        return NULL;
    hpet->clock = clock;
    hpet->wires = *wires;
    for (unsigned n = 0; n < HPET_TIMERS; n++) {
        hpet->t[n].hpet = hpet;
        timer_init(&hpet->t[n].timer, clock, expired, &hpet->t[n]);
    }
    state_reset(&hpet_desc, hpet);
    return hpet;
}

void hpet_destroy(struct hpet *hpet)
{
    if (!hpet)
        return;
    for (unsigned n = 0; n < HPET_TIMERS; n++)
        timer_cancel(&hpet->t[n].timer);
    free(hpet);
}

void hpet_reset(struct hpet *hpet)
{
    bool was_legacy = hpet->config & HPET_LEG_RT_CNF;

    for (unsigned n = 0; n < HPET_TIMERS; n++)
        release(hpet, n);
    state_reset(&hpet_desc, hpet);
    if (was_legacy)
        hpet->wires.legacy_changed(hpet->wires.opaque, false);
    arm_all(hpet);
}

void hpet_after_load(struct hpet *hpet)
{
    int64_t now = clock_now_ns(hpet->clock);

    if (hpet->origin_ns < 0 || hpet->origin_ns > now)
        hpet->origin_ns = now;
    if (hpet->seen - hpet->base > count_now(hpet) - hpet->base)
        hpet->seen = count_now(hpet);
    hpet->wires.legacy_changed(hpet->wires.opaque, hpet->config & HPET_LEG_RT_CNF);
    for (unsigned n = 0; n < HPET_TIMERS; n++)
        if (hpet->t[n].is_high)
            drive(hpet, wire_of(hpet, n), true);
    arm_all(hpet);
}
