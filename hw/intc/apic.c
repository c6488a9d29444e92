/*
 * Local APIC of the P6 family. Source: SDM vol. 3 "Advanced Programmable Interrupt Controller (APIC)".
 * Deviates: sending takes no time. LINT0 of a processor that comes out of reset is unmasked ExtINT, as firmware for
 * this board expects, and then passes on the 8259's requests even while SVR disables the APIC. The timer does not
 * interrupt more often than every 10 us. The other end of INIT level de-assert, STARTUP and remote read is absent:
 * there is one processor. ExtINT as a message is not modelled.
 */
#include "hw/intc/apic.h"

#include <stdlib.h>
#include <string.h>

#include "hw/core/log.h"

enum apic_register {
    APIC_ID = 0x020,
    APIC_VERSION = 0x030,
    APIC_TPR = 0x080,
    APIC_APR = 0x090,
    APIC_PPR = 0x0a0,
    APIC_EOI = 0x0b0,
    APIC_RRD = 0x0c0,
    APIC_LDR = 0x0d0,
    APIC_DFR = 0x0e0,
    APIC_SVR = 0x0f0,
    APIC_ISR = 0x100, /* 8 registers each */
    APIC_TMR = 0x180,
    APIC_IRR = 0x200,
    APIC_ESR = 0x280,
    APIC_ICR_LOW = 0x300,
    APIC_ICR_HIGH = 0x310,
    APIC_LVT = 0x320, /* and LVT_ENTRIES - 1 more */
    APIC_INITIAL_COUNT = 0x380,
    APIC_CURRENT_COUNT = 0x390,
    APIC_DIVIDE = 0x3e0,
};
#define APIC_REGISTER_STEP 0x10u

enum lvt_entry { LVT_TIMER, LVT_THERMAL, LVT_PERFORMANCE, LVT_LINT0, LVT_LINT1, LVT_ERROR, LVT_ENTRIES };
#define LVT_VECTOR         0xffu
#define LVT_DELIVERY_SHIFT 8
#define LVT_REMOTE_IRR     (1u << 14)
#define LVT_LEVEL          (1u << 15)
#define LVT_MASKED         (1u << 16)
#define LVT_PERIODIC       (1u << 17)
static const uint32_t lvt_writable[LVT_ENTRIES] = {
    [LVT_TIMER] = LVT_PERIODIC | LVT_MASKED | LVT_VECTOR,
    [LVT_THERMAL] = LVT_MASKED | 7u << LVT_DELIVERY_SHIFT | LVT_VECTOR,
    [LVT_PERFORMANCE] = LVT_MASKED | 7u << LVT_DELIVERY_SHIFT | LVT_VECTOR,
    [LVT_LINT0] = LVT_MASKED | LVT_LEVEL | 1u << 13 | 7u << LVT_DELIVERY_SHIFT | LVT_VECTOR,
    [LVT_LINT1] = LVT_MASKED | LVT_LEVEL | 1u << 13 | 7u << LVT_DELIVERY_SHIFT | LVT_VECTOR,
    [LVT_ERROR] = LVT_MASKED | LVT_VECTOR,
};

#define APIC_VERSION_VALUE (0x14u | (LVT_ENTRIES - 1) << 16)
#define SVR_ENABLE         (1u << 8)
#define SVR_WRITABLE       0x3ffu
#define SVR_RESET          0xffu
#define DFR_RESET          0xffffffffu
#define DFR_MODEL_SHIFT    28
#define DFR_FLAT           0xfu
#define ICR_DELIVERY       (7u << 8)
#define ICR_LOGICAL        (1u << 11)
#define ICR_ASSERT         (1u << 14)
#define ICR_LEVEL          (1u << 15)
#define ICR_SHORTHAND      (3u << 18)
#define ICR_SELF           (1u << 18)
#define ICR_ALL            (2u << 18)
#define ICR_OTHERS         (3u << 18)
#define ICR_WRITABLE       (ICR_SHORTHAND | ICR_LEVEL | ICR_ASSERT | ICR_LOGICAL | ICR_DELIVERY | 0xffu)
#define ESR_SEND_VECTOR    (1u << 5)
#define ESR_RECEIVE_VECTOR (1u << 6)
#define ESR_REGISTER       (1u << 7)
#define DIVIDE_WRITABLE    0xbu
#define BROADCAST          0xff
#define FIRST_VECTOR       16 /* those below are reserved */
#define CLASS(vector)      ((vector) >> 4)
#define NO_VECTOR          (-1)
#define TIMER_MIN_NS       (10 * NS_PER_US)

struct apic {
    uint8_t id;
    uint8_t tpr;
    uint8_t ldr;
    uint32_t dfr;
    uint32_t svr;
    uint32_t isr[8], tmr[8], irr[8];
    uint32_t esr, errors; /* what is read, what has happened since it was last written */
    uint32_t icr_low;
    uint8_t icr_destination;
    uint32_t lvt[LVT_ENTRIES];
    uint32_t initial_count, divide;
    int64_t timer_origin_ns; /* a moment of the count, and the count then */
    uint32_t timer_origin_count;
    bool is_enabled;
    bool lint[2];

    uint8_t power_up_id;
    struct apic_wires wires;
    struct clock *clock;
    struct timer timer; /* the next interrupt of the APIC's timer */
};

static const struct state_field apic_fields[] = {
    STATE_REG(struct apic, id, 0, "local APIC ID"),
    STATE_REG(struct apic, tpr, 0, "TPR"),
    STATE_REG(struct apic, ldr, 0, "LDR"),
    STATE_REG(struct apic, dfr, DFR_RESET, "DFR"),
    STATE_REG(struct apic, svr, SVR_RESET, "SVR"),
    STATE_ARRAY(struct apic, isr, 0, "ISR"),
    STATE_ARRAY(struct apic, tmr, 0, "TMR"),
    STATE_ARRAY(struct apic, irr, 0, "IRR"),
    STATE_REG(struct apic, esr, 0, "ESR"),
    STATE_REG(struct apic, errors, 0, "errors since ESR was written"),
    STATE_REG(struct apic, icr_low, 0, "ICR, low half"),
    STATE_REG(struct apic, icr_destination, 0, "ICR, destination"),
    STATE_ARRAY(struct apic, lvt, LVT_MASKED, "LVT: timer, thermal, performance, LINT0, LINT1, error"),
    STATE_REG(struct apic, initial_count, 0, "timer initial count"),
    STATE_REG(struct apic, divide, 0, "timer divide configuration"),
    STATE_REG(struct apic, timer_origin_ns, 0, "a moment at which the timer's count is known"),
    STATE_REG(struct apic, timer_origin_count, 0, "the count then"),
    STATE_REG(struct apic, is_enabled, 0, "IA32_APIC_BASE enables it"),
    STATE_ARRAY(struct apic, lint, 0, "LINT pins"),
};
static const struct state_desc apic_desc = STATE_DESC("apic", apic_fields);

const struct state_desc *apic_state(void)
{
    return &apic_desc;
}

/* ---- 256-bit registers ---- */

static void set_bit(uint32_t bits[8], uint8_t vector, bool value)
{
    uint32_t bit = 1u << vector % 32;

    bits[vector / 32] = value ? bits[vector / 32] | bit : bits[vector / 32] & ~bit;
}

static bool test_bit(const uint32_t bits[8], uint8_t vector)
{
    return bits[vector / 32] >> vector % 32 & 1;
}

static int highest_bit(const uint32_t bits[8])
{
    for (int i = 7; i >= 0; i--)
        if (bits[i])
            return 32 * i + 31 - __builtin_clz(bits[i]);
    return NO_VECTOR;
}

/* ---- priorities and the processor's pin ---- */

static uint8_t processor_priority(const struct apic *apic)
{
    int in_service = highest_bit(apic->isr);

    if (in_service == NO_VECTOR || CLASS(apic->tpr) >= CLASS(in_service))
        return apic->tpr;
    return (uint8_t)(in_service & 0xf0);
}

static uint8_t arbitration_priority(const struct apic *apic)
{
    int requested = highest_bit(apic->irr), in_service = highest_bit(apic->isr), top = CLASS(apic->tpr);
    int request_class = requested == NO_VECTOR ? 0 : CLASS(requested);
    int service_class = in_service == NO_VECTOR ? 0 : CLASS(in_service);

    if (top >= request_class && top > service_class)
        return apic->tpr;
    if (request_class > top)
        top = request_class;
    return (uint8_t)((service_class > top ? service_class : top) << 4);
}

/* The vector that may interrupt the processor now, or NO_VECTOR. */
static int deliverable(const struct apic *apic)
{
    int requested = highest_bit(apic->irr);

    if (!apic->is_enabled || !(apic->svr & SVR_ENABLE) || requested == NO_VECTOR ||
        CLASS(requested) <= CLASS(processor_priority(apic)))
        return NO_VECTOR;
    return requested;
}

static enum apic_delivery lvt_delivery(const struct apic *apic, enum lvt_entry entry)
{
    return (enum apic_delivery)(apic->lvt[entry] >> LVT_DELIVERY_SHIFT & 7);
}

static bool has_extint(const struct apic *apic)
{
    if (!apic->lint[0])
        return false;
    return !apic->is_enabled || (!(apic->lvt[LVT_LINT0] & LVT_MASKED) && lvt_delivery(apic, LVT_LINT0) == APIC_EXT);
}

/* The only place that drives the processor's pin. */
static void update(struct apic *apic)
{
    irq_set(&apic->wires.intr, deliverable(apic) != NO_VECTOR || has_extint(apic));
}

/* ---- acceptance ---- */

static void accept(struct apic *apic, uint8_t vector, enum apic_delivery delivery, bool is_level);

static void note_error(struct apic *apic, uint32_t error)
{
    bool is_new = !(apic->errors & error);
    uint32_t lvt = apic->lvt[LVT_ERROR];

    apic->errors |= error;
    if (is_new && !(lvt & LVT_MASKED) && (lvt & LVT_VECTOR) >= FIRST_VECTOR)
        accept(apic, (uint8_t)lvt, APIC_FIXED, false);
}

static void accept(struct apic *apic, uint8_t vector, enum apic_delivery delivery, bool is_level)
{
    static bool said;

    switch (delivery) {
    case APIC_FIXED:
    case APIC_LOWEST:
        if (vector < FIRST_VECTOR) {
            note_error(apic, ESR_RECEIVE_VECTOR);
            break;
        }
        set_bit(apic->irr, vector, true);
        set_bit(apic->tmr, vector, is_level);
        break;
    case APIC_SMI:
        apic->wires.smi(apic->wires.opaque);
        break;
    case APIC_NMI:
        apic->wires.nmi(apic->wires.opaque);
        break;
    case APIC_INIT:
        apic->wires.init(apic->wires.opaque);
        break;
    case APIC_STARTUP: /* only a processor that waits for it after INIT listens */
        break;
    default:
        log_once(&said, "apic: delivery mode %u is not modelled\n", delivery);
    }
    update(apic);
}

static bool is_addressed(const struct apic *apic, const struct apic_message *message)
{
    uint8_t destination = message->destination;

    if (destination == BROADCAST)
        return true;
    if (!message->is_logical)
        return destination == apic->id;
    if (apic->dfr >> DFR_MODEL_SHIFT == DFR_FLAT)
        return destination & apic->ldr;
    return destination >> 4 == apic->ldr >> 4 && (destination & apic->ldr & 0xf);
}

bool apic_receive(struct apic *apic, const struct apic_message *message)
{
    bool is_fixed = message->delivery == APIC_FIXED || message->delivery == APIC_LOWEST;

    if (!apic->is_enabled || !is_addressed(apic, message) || (is_fixed && !(apic->svr & SVR_ENABLE)))
        return false;
    accept(apic, message->vector, message->delivery, message->is_level);
    return true;
}

int apic_acknowledge(struct apic *apic)
{
    int vector = deliverable(apic);

    if (vector == NO_VECTOR) /* an own request that went away meanwhile is spurious */
        return has_extint(apic) || !apic->is_enabled ? APIC_EXTINT : (int)(apic->svr & 0xff);
    set_bit(apic->irr, (uint8_t)vector, false);
    set_bit(apic->isr, (uint8_t)vector, true);
    update(apic);
    return vector;
}

/* ---- LINT0 and LINT1 ---- */

/* A level-triggered pin asks again after its EOI for as long as it is asserted. */
static void sample_lint_level(struct apic *apic, unsigned n)
{
    enum lvt_entry entry = n ? LVT_LINT1 : LVT_LINT0;
    uint32_t *lvt = &apic->lvt[entry];

    if (!apic->is_enabled || !apic->lint[n] || lvt_delivery(apic, entry) != APIC_FIXED ||
        (*lvt & (LVT_MASKED | LVT_LEVEL | LVT_REMOTE_IRR)) != LVT_LEVEL)
        return;
    *lvt |= LVT_REMOTE_IRR;
    accept(apic, (uint8_t)*lvt, APIC_FIXED, true);
}

static void set_lint(void *opaque, int n, bool level)
{
    struct apic *apic = opaque;
    enum lvt_entry entry = n ? LVT_LINT1 : LVT_LINT0;
    bool is_rising = level && !apic->lint[n];

    apic->lint[n] = level;
    if (!apic->is_enabled) {
        if (n == 1 && is_rising)
            apic->wires.nmi(apic->wires.opaque);
    } else if (lvt_delivery(apic, entry) == APIC_FIXED && (apic->lvt[entry] & LVT_LEVEL)) {
        sample_lint_level(apic, (unsigned)n);
    } else if (is_rising && !(apic->lvt[entry] & LVT_MASKED) && lvt_delivery(apic, entry) != APIC_EXT) {
        accept(apic, (uint8_t)apic->lvt[entry], lvt_delivery(apic, entry), false);
    }
    update(apic);
}

struct irq apic_lint(struct apic *apic, unsigned n)
{
    return (struct irq){.set = set_lint, .opaque = apic, .line = (int)n};
}

/* ---- the timer ---- */

static unsigned timer_divisor(const struct apic *apic)
{
    unsigned code = (apic->divide & 3) | (apic->divide >> 1 & 4);

    return 1u << ((code + 1) & 7);
}

static uint64_t timer_ticks(const struct apic *apic)
{
    return (uint64_t)(clock_now_ns(apic->clock) - apic->timer_origin_ns) / timer_divisor(apic);
}
_Static_assert(APIC_TIMER_HZ == NS_PER_SECOND, "timer_ticks counts nanoseconds");

static uint32_t timer_count(const struct apic *apic)
{
    uint64_t ticks = timer_ticks(apic);

    if (ticks < apic->timer_origin_count)
        return apic->timer_origin_count - (uint32_t)ticks;
    if (!(apic->lvt[LVT_TIMER] & LVT_PERIODIC) || !apic->initial_count || !apic->timer_origin_count)
        return 0;
    return apic->initial_count - (uint32_t)((ticks - apic->timer_origin_count) % apic->initial_count);
}

/* Before the divider or the mode changes: the count goes on from where it is. */
static void timer_rebase(struct apic *apic)
{
    apic->timer_origin_count = timer_count(apic);
    apic->timer_origin_ns = clock_now_ns(apic->clock);
}

/* Arms the host's timer for the next moment at which the count reaches 0 and somebody hears of it. */
static void timer_arm(struct apic *apic)
{
    uint64_t ticks = timer_ticks(apic), due = apic->timer_origin_count;
    int64_t deadline, soonest = clock_now_ns(apic->clock) + TIMER_MIN_NS;

    if (!apic->is_enabled || (apic->lvt[LVT_TIMER] & LVT_MASKED) || !due) {
        timer_cancel(&apic->timer);
        return;
    }
    if (ticks >= due) {
        if (!(apic->lvt[LVT_TIMER] & LVT_PERIODIC) || !apic->initial_count) {
            timer_cancel(&apic->timer);
            return;
        }
        due += ((ticks - due) / apic->initial_count + 1) * apic->initial_count;
    }
    deadline = apic->timer_origin_ns + (int64_t)(due * timer_divisor(apic));
    timer_set(&apic->timer, (apic->lvt[LVT_TIMER] & LVT_PERIODIC) && deadline < soonest ? soonest : deadline);
}

static void timer_expired(void *opaque);

/* The count has reached 0 already, and the host's timer is late. */
static void timer_catch_up(struct apic *apic)
{
    if (apic->timer.deadline_ns > clock_now_ns(apic->clock))
        return;
    timer_cancel(&apic->timer);
    timer_expired(apic);
}

static void timer_expired(void *opaque)
{
    struct apic *apic = opaque;

    accept(apic, (uint8_t)apic->lvt[LVT_TIMER], APIC_FIXED, false);
    timer_arm(apic);
}

/* ---- registers ---- */

static void end_of_interrupt(struct apic *apic)
{
    int vector = highest_bit(apic->isr);

    if (vector == NO_VECTOR)
        return;
    set_bit(apic->isr, (uint8_t)vector, false);
    if (test_bit(apic->tmr, (uint8_t)vector)) {
        for (unsigned n = 0; n < 2; n++) {
            uint32_t *lvt = &apic->lvt[n ? LVT_LINT1 : LVT_LINT0];

            if ((*lvt & LVT_REMOTE_IRR) && (*lvt & LVT_VECTOR) == (uint32_t)vector) {
                *lvt &= ~LVT_REMOTE_IRR;
                sample_lint_level(apic, n);
            }
        }
        apic->wires.eoi(apic->wires.opaque, (uint8_t)vector);
    }
    update(apic);
}

static void send(struct apic *apic)
{
    uint32_t icr = apic->icr_low;
    struct apic_message message = {.vector = (uint8_t)icr,
                                   .destination = apic->icr_destination,
                                   .delivery = (enum apic_delivery)(icr >> 8 & 7),
                                   .is_logical = icr & ICR_LOGICAL};
    bool is_fixed = message.delivery == APIC_FIXED || message.delivery == APIC_LOWEST;

    if (is_fixed && message.vector < FIRST_VECTOR) {
        note_error(apic, ESR_SEND_VECTOR);
        return;
    }
    /* INIT level de-assert only synchronises arbitration IDs. */
    if ((icr & ICR_SHORTHAND) == ICR_OTHERS || (message.delivery == APIC_INIT && !(icr & ICR_ASSERT)))
        return;
    if (icr & ICR_SHORTHAND) /* self, or all including self */
        message.destination = BROADCAST;
    apic_receive(apic, &message);
}

static void tell_ready(const struct apic *apic)
{
    if (apic->wires.ready)
        apic->wires.ready(apic->wires.opaque);
}

static void write_svr(struct apic *apic, uint32_t value)
{
    timer_catch_up(apic);
    apic->svr = value & SVR_WRITABLE;
    if (!(value & SVR_ENABLE))
        for (unsigned i = 0; i < LVT_ENTRIES; i++)
            apic->lvt[i] |= LVT_MASKED;
    timer_arm(apic);
    update(apic);
    tell_ready(apic);
}

static void write_lvt(struct apic *apic, unsigned entry, uint32_t value)
{
    if (entry == LVT_TIMER) {
        timer_catch_up(apic);
        timer_rebase(apic);
    }
    value = (value & lvt_writable[entry]) | (apic->lvt[entry] & LVT_REMOTE_IRR);
    if (!(value & LVT_LEVEL))
        value &= ~LVT_REMOTE_IRR;
    if (!(apic->svr & SVR_ENABLE))
        value |= LVT_MASKED;
    apic->lvt[entry] = value;
    if (entry == LVT_TIMER)
        timer_arm(apic);
    else if (entry == LVT_LINT0 || entry == LVT_LINT1)
        sample_lint_level(apic, entry == LVT_LINT1);
    update(apic);
}

static uint32_t read_register(struct apic *apic, uint32_t reg)
{
    unsigned index = reg / APIC_REGISTER_STEP % 8;

    switch (reg) {
    case APIC_ID:
        return (uint32_t)apic->id << 24;
    case APIC_VERSION:
        return APIC_VERSION_VALUE;
    case APIC_TPR:
        return apic->tpr;
    case APIC_APR:
        return arbitration_priority(apic);
    case APIC_PPR:
        return processor_priority(apic);
    case APIC_EOI:
    case APIC_RRD:
        return 0;
    case APIC_LDR:
        return (uint32_t)apic->ldr << 24;
    case APIC_DFR:
        return apic->dfr;
    case APIC_SVR:
        return apic->svr;
    case APIC_ISR ... APIC_ISR + 0x70:
        return apic->isr[index];
    case APIC_TMR ... APIC_TMR + 0x70:
        return apic->tmr[index];
    case APIC_IRR ... APIC_IRR + 0x70:
        timer_catch_up(apic);
        return apic->irr[index];
    case APIC_ESR:
        return apic->esr;
    case APIC_ICR_LOW:
        return apic->icr_low;
    case APIC_ICR_HIGH:
        return (uint32_t)apic->icr_destination << 24;
    case APIC_LVT ... APIC_LVT + (LVT_ENTRIES - 1) * APIC_REGISTER_STEP:
        return apic->lvt[(reg - APIC_LVT) / APIC_REGISTER_STEP];
    case APIC_INITIAL_COUNT:
        return apic->initial_count;
    case APIC_CURRENT_COUNT:
        timer_catch_up(apic);
        return timer_count(apic);
    case APIC_DIVIDE:
        return apic->divide;
    default:
        note_error(apic, ESR_REGISTER);
        return 0;
    }
}

static void write_register(struct apic *apic, uint32_t reg, uint32_t value)
{
    switch (reg) {
    case APIC_ID:
        apic->id = (uint8_t)(value >> 24);
        tell_ready(apic);
        break;
    case APIC_TPR:
        apic->tpr = (uint8_t)value;
        update(apic);
        break;
    case APIC_EOI:
        end_of_interrupt(apic);
        break;
    case APIC_LDR:
        apic->ldr = (uint8_t)(value >> 24);
        tell_ready(apic);
        break;
    case APIC_DFR:
        apic->dfr = value | 0x0fffffff;
        tell_ready(apic);
        break;
    case APIC_SVR:
        write_svr(apic, value);
        break;
    case APIC_ESR:
        apic->esr = apic->errors;
        apic->errors = 0;
        break;
    case APIC_ICR_LOW:
        apic->icr_low = value & ICR_WRITABLE;
        send(apic);
        break;
    case APIC_ICR_HIGH:
        apic->icr_destination = (uint8_t)(value >> 24);
        break;
    case APIC_LVT ... APIC_LVT + (LVT_ENTRIES - 1) * APIC_REGISTER_STEP:
        write_lvt(apic, (reg - APIC_LVT) / APIC_REGISTER_STEP, value);
        break;
    case APIC_INITIAL_COUNT:
        timer_catch_up(apic);
        apic->initial_count = apic->timer_origin_count = value;
        apic->timer_origin_ns = clock_now_ns(apic->clock);
        timer_arm(apic);
        break;
    case APIC_DIVIDE:
        timer_catch_up(apic);
        timer_rebase(apic);
        apic->divide = value & DIVIDE_WRITABLE;
        timer_arm(apic);
        break;
    case APIC_VERSION: /* read-only */
    case APIC_APR:
    case APIC_PPR:
    case APIC_RRD:
    case APIC_ISR ... APIC_IRR + 0x70:
    case APIC_CURRENT_COUNT:
        break;
    default:
        note_error(apic, ESR_REGISTER);
    }
}

/* Registers are dwords on 16-byte boundaries; the bytes between them read as 0. */
static uint32_t page_read(void *self, uint32_t offset, unsigned width)
{
    unsigned shift = 8 * (offset % APIC_REGISTER_STEP);

    return shift < 32 ? read_register(self, offset & ~(APIC_REGISTER_STEP - 1)) >> shift : 0;
}

static void page_write(void *self, uint32_t offset, uint32_t value, unsigned width)
{
    static bool said;

    if (width == 4 && offset % APIC_REGISTER_STEP == 0)
        write_register(self, offset, value);
    else
        log_once(&said, "apic: write of %u bytes at %03x is none of a whole register; ignored\n", width, offset);
}

const struct bus_ops apic_ops = {.name = "apic", .read = page_read, .write = page_write, .max_width = 4};

/* ---- life ---- */

struct apic *apic_create(struct clock *clock, uint8_t id, const struct apic_wires *wires)
{
    struct apic *apic = calloc(1, sizeof *apic);

    if (!apic)
        return NULL;
    apic->clock = clock;
    apic->power_up_id = id;
    apic->wires = *wires;
    timer_init(&apic->timer, clock, timer_expired, apic);
    apic_reset(apic);
    return apic;
}

void apic_destroy(struct apic *apic)
{
    if (!apic)
        return;
    timer_cancel(&apic->timer);
    free(apic);
}

void apic_reset(struct apic *apic)
{
    bool is_enabled = apic->is_enabled, lint[2];

    memcpy(lint, apic->lint, sizeof lint);
    state_reset(&apic_desc, apic);
    memcpy(apic->lint, lint, sizeof lint);
    apic->is_enabled = is_enabled;
    apic->id = apic->power_up_id;
    apic->lvt[LVT_LINT0] = (uint32_t)APIC_EXT << LVT_DELIVERY_SHIFT;
    apic->timer_origin_ns = clock_now_ns(apic->clock);
    timer_arm(apic);
    update(apic);
}

void apic_init_reset(struct apic *apic)
{
    uint8_t id = apic->id;

    apic_reset(apic);
    apic->id = id;
}

void apic_set_enabled(struct apic *apic, bool enabled)
{
    bool was_enabled = apic->is_enabled;

    apic->is_enabled = enabled;
    if (enabled && !was_enabled)
        apic_reset(apic);
    timer_arm(apic);
    update(apic);
    tell_ready(apic);
}

void apic_after_load(struct apic *apic)
{
    int64_t now = clock_now_ns(apic->clock);

    if (apic->timer_origin_ns < 0 || apic->timer_origin_ns > now)
        apic->timer_origin_ns = now;
    timer_arm(apic);
    update(apic);
}
