/* Local APIC: priorities, end of interrupt, local pins, messages, timer. */
#include <string.h>

#include "hw/intc/apic.h"
#include "tests/unit/hw/nonsense.h"
#include "tests/unit/hw/probe.h"

enum {
    ID = 0x020,
    VERSION = 0x030,
    TPR = 0x080,
    APR = 0x090,
    PPR = 0x0a0,
    EOI = 0x0b0,
    LDR = 0x0d0,
    DFR = 0x0e0,
    SVR = 0x0f0,
    ISR = 0x100,
    TMR = 0x180,
    IRR = 0x200,
    ESR = 0x280,
    ICR = 0x300,
    ICR_HIGH = 0x310,
    LVT_TIMER = 0x320,
    LVT_PERFORMANCE = 0x340,
    LVT_LINT0 = 0x350,
    LVT_LINT1 = 0x360,
    LVT_ERROR = 0x370,
    INITIAL = 0x380,
    CURRENT = 0x390,
    DIVIDE = 0x3e0,
};
enum { MASKED = 1 << 16, PERIODIC = 1 << 17, LEVEL = 1 << 15, REMOTE_IRR = 1 << 14, ENABLE = 0x100, DIVIDE_BY_1 = 0xb };
enum { MODE_SMI = 2 << 8, MODE_NMI = 4 << 8, MODE_INIT = 5 << 8, MODE_STARTUP = 6 << 8, MODE_EXT = 7 << 8 };
enum { LOGICAL = 1 << 11, ASSERT = 1 << 14, TO_SELF = 1 << 18, TO_ALL = 2 << 18, TO_OTHERS = 3 << 18 };

struct rig {
    struct clock *clock;
    struct apic *apic;
    struct probe intr;
    unsigned nmis, smis, inits, eois, readies;
    uint8_t last_eoi;
};

static void nmi(void *opaque)
{
    ((struct rig *)opaque)->nmis++;
}

static void smi(void *opaque)
{
    ((struct rig *)opaque)->smis++;
}

static void init(void *opaque)
{
    ((struct rig *)opaque)->inits++;
}

static void eoi(void *opaque, uint8_t vector)
{
    struct rig *rig = opaque;

    rig->eois++;
    rig->last_eoi = vector;
}

static void ready(void *opaque)
{
    ((struct rig *)opaque)->readies++;
}

static struct apic *create_chip(struct rig *rig)
{
    return apic_create(rig->clock, 3,
                       &(struct apic_wires){.intr = probe_wire(&rig->intr),
                                            .nmi = nmi,
                                            .smi = smi,
                                            .init = init,
                                            .eoi = eoi,
                                            .ready = ready,
                                            .opaque = rig});
}

static int setup(void **state)
{
    struct rig *rig = calloc(1, sizeof *rig);

    rig->clock = clock_create_fake();
    clock_advance(rig->clock, 123456789);
    rig->apic = create_chip(rig);
    assert_non_null(rig->apic);
    *state = rig;
    return 0;
}

static int teardown(void **state)
{
    struct rig *rig = *state;

    apic_destroy(rig->apic);
    clock_destroy(rig->clock);
    free(rig);
    return 0;
}

static uint32_t in(struct rig *rig, uint32_t reg)
{
    return apic_ops.read(rig->apic, reg, 4);
}

static void out(struct rig *rig, uint32_t reg, uint32_t value)
{
    apic_ops.write(rig->apic, reg, value, 4);
}

/* As an operating system has it. */
static void enable(struct rig *rig)
{
    apic_set_enabled(rig->apic, true);
    out(rig, SVR, ENABLE | 0xff);
    out(rig, LVT_LINT0, MASKED);
}

static bool receive(struct rig *rig, enum apic_delivery delivery, uint8_t vector, bool is_level)
{
    return apic_receive(rig->apic, &(struct apic_message){
                                       .vector = vector, .destination = 3, .delivery = delivery, .is_level = is_level});
}

static void set_pin(struct rig *rig, unsigned n, bool level)
{
    struct irq wire = apic_lint(rig->apic, n);

    irq_set(&wire, level);
}

static bool bit_of(struct rig *rig, uint32_t reg, uint8_t vector)
{
    return in(rig, reg + vector / 32 * 0x10) >> vector % 32 & 1;
}

static void reset_values_are_the_manuals(void **state)
{
    struct rig *rig = *state;

    apic_set_enabled(rig->apic, true);
    assert_int_equal(in(rig, ID), 3u << 24);
    assert_int_equal(in(rig, VERSION), 0x00050014);
    assert_int_equal(in(rig, TPR), 0);
    assert_int_equal(in(rig, LDR), 0);
    assert_int_equal(in(rig, DFR), 0xffffffff);
    assert_int_equal(in(rig, SVR), 0xff);
    for (uint32_t i = 0; i < 8; i++) {
        assert_int_equal(in(rig, ISR + 0x10 * i), 0);
        assert_int_equal(in(rig, TMR + 0x10 * i), 0);
        assert_int_equal(in(rig, IRR + 0x10 * i), 0);
    }
    assert_int_equal(in(rig, LVT_TIMER), MASKED);
    assert_int_equal(in(rig, LVT_LINT0), MODE_EXT); /* virtual wire */
    assert_int_equal(in(rig, LVT_LINT1), MASKED);
    assert_int_equal(in(rig, LVT_ERROR), MASKED);
    assert_int_equal(in(rig, INITIAL), 0);
    assert_int_equal(in(rig, CURRENT), 0);
}

static void a_disabled_apic_is_a_wire(void **state)
{
    struct rig *rig = *state;

    set_pin(rig, 0, true);
    assert_true(rig->intr.level);
    assert_int_equal(apic_acknowledge(rig->apic), APIC_EXTINT);
    set_pin(rig, 0, false);
    assert_false(rig->intr.level);
    assert_int_equal(rig->nmis, 0);
    set_pin(rig, 1, true);
    set_pin(rig, 1, true);
    assert_int_equal(rig->nmis, 1);
    assert_false(receive(rig, APIC_FIXED, 0x40, false));
}

static void extint_passes_through_lint0_until_it_is_masked(void **state)
{
    struct rig *rig = *state;

    apic_set_enabled(rig->apic, true); /* SVR still off */
    set_pin(rig, 0, true);
    assert_true(rig->intr.level);
    assert_int_equal(apic_acknowledge(rig->apic), APIC_EXTINT);
    out(rig, SVR, ENABLE | 0xff);
    assert_true(rig->intr.level);
    out(rig, LVT_LINT0, MODE_EXT | MASKED);
    assert_false(rig->intr.level);
    out(rig, LVT_LINT0, MODE_EXT | LEVEL);
    assert_true(rig->intr.level);
    out(rig, SVR, 0xff); /* masks every LVT entry */
    assert_false(rig->intr.level);
    assert_int_equal(in(rig, LVT_LINT0), MODE_EXT | LEVEL | MASKED);
    out(rig, LVT_LINT0, MODE_EXT); /* and holds them masked */
    assert_int_equal(in(rig, LVT_LINT0), MODE_EXT | MASKED);
}

static void an_own_vector_comes_before_extint(void **state)
{
    struct rig *rig = *state;

    enable(rig);
    out(rig, LVT_LINT0, MODE_EXT);
    set_pin(rig, 0, true);
    receive(rig, APIC_FIXED, 0x41, false);
    assert_int_equal(apic_acknowledge(rig->apic), 0x41);
    assert_true(rig->intr.level);
    assert_int_equal(apic_acknowledge(rig->apic), APIC_EXTINT); /* knows no priority */
}

static void a_vector_goes_from_irr_to_isr_to_eoi(void **state)
{
    struct rig *rig = *state;

    enable(rig);
    assert_true(receive(rig, APIC_FIXED, 0x51, false));
    assert_true(bit_of(rig, IRR, 0x51));
    assert_true(rig->intr.level);
    assert_int_equal(apic_acknowledge(rig->apic), 0x51);
    assert_false(rig->intr.level);
    assert_false(bit_of(rig, IRR, 0x51));
    assert_true(bit_of(rig, ISR, 0x51));
    out(rig, EOI, 0);
    assert_false(bit_of(rig, ISR, 0x51));
    assert_int_equal(rig->eois, 0); /* edge-triggered: nobody else need know */
    out(rig, EOI, 0);               /* nothing in service */
    assert_int_equal(rig->eois, 0);
}

static void higher_classes_nest_and_equal_ones_wait(void **state)
{
    struct rig *rig = *state;

    enable(rig);
    receive(rig, APIC_FIXED, 0x51, false);
    apic_acknowledge(rig->apic);
    assert_int_equal(in(rig, PPR), 0x50);
    receive(rig, APIC_FIXED, 0x5f, false); /* same class */
    receive(rig, APIC_FIXED, 0x31, false);
    assert_false(rig->intr.level);
    receive(rig, APIC_LOWEST, 0xe0, false);
    assert_true(rig->intr.level);
    assert_int_equal(apic_acknowledge(rig->apic), 0xe0);
    assert_int_equal(in(rig, PPR), 0xe0);
    out(rig, EOI, 0);
    assert_false(rig->intr.level);
    out(rig, EOI, 0);
    assert_true(rig->intr.level);
    assert_int_equal(apic_acknowledge(rig->apic), 0x5f);
    out(rig, EOI, 0);
    assert_int_equal(apic_acknowledge(rig->apic), 0x31);
    out(rig, EOI, 0);
    receive(rig, APIC_FIXED, 0x1f, false); /* the lowest class that there is */
    assert_int_equal(apic_acknowledge(rig->apic), 0x1f);
}

static void task_priority_holds_classes_back(void **state)
{
    struct rig *rig = *state;

    enable(rig);
    out(rig, TPR, 0x4f);
    assert_int_equal(in(rig, PPR), 0x4f);
    receive(rig, APIC_FIXED, 0x4f, false);
    assert_false(rig->intr.level);
    out(rig, TPR, 0x3f);
    assert_true(rig->intr.level);
    apic_acknowledge(rig->apic);
    assert_int_equal(in(rig, PPR), 0x40);
    out(rig, TPR, 0x45); /* same class as what is in service: TPR counts whole */
    assert_int_equal(in(rig, PPR), 0x45);
}

static void arbitration_priority_looks_at_all_three(void **state)
{
    struct rig *rig = *state;

    enable(rig);
    out(rig, TPR, 0x25);
    assert_int_equal(in(rig, APR), 0x25);
    receive(rig, APIC_FIXED, 0x28, false);
    assert_int_equal(in(rig, APR), 0x25);
    receive(rig, APIC_FIXED, 0x38, false);
    assert_int_equal(in(rig, APR), 0x30);
    apic_acknowledge(rig->apic);
    assert_int_equal(in(rig, APR), 0x30); /* in service */
    out(rig, TPR, 0x35);
    assert_int_equal(in(rig, APR), 0x30);
    out(rig, TPR, 0x45);
    assert_int_equal(in(rig, APR), 0x45);
}

static void a_request_that_is_held_back_meanwhile_is_spurious(void **state)
{
    struct rig *rig = *state;

    enable(rig);
    out(rig, SVR, ENABLE | 0xef);
    receive(rig, APIC_FIXED, 0x51, false);
    out(rig, TPR, 0xff);
    assert_int_equal(apic_acknowledge(rig->apic), 0xef);
    assert_true(bit_of(rig, IRR, 0x51));
    for (uint32_t i = 0; i < 8; i++)
        assert_int_equal(in(rig, ISR + 0x10 * i), 0);
}

static void level_triggered_vectors_tell_their_end(void **state)
{
    struct rig *rig = *state;

    enable(rig);
    receive(rig, APIC_FIXED, 0x61, true);
    assert_true(bit_of(rig, TMR, 0x61));
    apic_acknowledge(rig->apic);
    out(rig, EOI, 0);
    assert_int_equal(rig->eois, 1);
    assert_int_equal(rig->last_eoi, 0x61);
    receive(rig, APIC_FIXED, 0x61, false);
    assert_false(bit_of(rig, TMR, 0x61));
}

static void software_disable_refuses_vectors_but_not_nmi(void **state)
{
    struct rig *rig = *state;

    enable(rig);
    receive(rig, APIC_FIXED, 0x61, false);
    out(rig, SVR, 0xff);
    assert_false(rig->intr.level);
    assert_true(bit_of(rig, IRR, 0x61)); /* held */
    assert_false(receive(rig, APIC_FIXED, 0x62, false));
    assert_true(receive(rig, APIC_NMI, 0, false));
    assert_true(receive(rig, APIC_SMI, 0, false));
    assert_true(receive(rig, APIC_INIT, 0, false));
    assert_true(receive(rig, APIC_STARTUP, 9, false));
    assert_int_equal(rig->nmis, 1);
    assert_int_equal(rig->smis, 1);
    assert_int_equal(rig->inits, 1);
    assert_int_equal(in(rig, IRR), 0);
    out(rig, SVR, ENABLE | 0xff);
    assert_true(rig->intr.level);
}

static void lint_pins_deliver_what_their_entry_says(void **state)
{
    struct rig *rig = *state;

    enable(rig);
    out(rig, LVT_LINT1, MODE_NMI);
    set_pin(rig, 1, true);
    set_pin(rig, 1, false);
    set_pin(rig, 1, true);
    assert_int_equal(rig->nmis, 2);
    out(rig, LVT_LINT1, MODE_NMI | MASKED);
    set_pin(rig, 1, false);
    set_pin(rig, 1, true);
    assert_int_equal(rig->nmis, 2);
    set_pin(rig, 1, false);
    out(rig, LVT_LINT1, MODE_SMI);
    set_pin(rig, 1, true);
    assert_int_equal(rig->smis, 1);

    out(rig, LVT_LINT0, 0x71); /* fixed, edge */
    set_pin(rig, 0, true);
    assert_int_equal(apic_acknowledge(rig->apic), 0x71);
    out(rig, EOI, 0);
    set_pin(rig, 0, true); /* no edge */
    assert_false(rig->intr.level);
}

static void a_level_pin_asks_again_after_its_eoi(void **state)
{
    struct rig *rig = *state;

    enable(rig);
    out(rig, LVT_LINT0, LEVEL | 0x71);
    set_pin(rig, 0, true);
    assert_int_equal(in(rig, LVT_LINT0), LEVEL | REMOTE_IRR | 0x71);
    assert_int_equal(apic_acknowledge(rig->apic), 0x71);
    assert_false(rig->intr.level);
    receive(rig, APIC_FIXED, 0x81, true);
    assert_int_equal(apic_acknowledge(rig->apic), 0x81);
    out(rig, EOI, 0); /* another's end */
    assert_false(bit_of(rig, IRR, 0x71));
    assert_int_equal(in(rig, LVT_LINT0), LEVEL | REMOTE_IRR | 0x71);
    out(rig, EOI, 0);
    assert_true(rig->intr.level);
    apic_acknowledge(rig->apic);
    set_pin(rig, 0, false);
    out(rig, EOI, 0);
    assert_false(rig->intr.level);
    assert_int_equal(in(rig, LVT_LINT0), LEVEL | 0x71);
    out(rig, LVT_LINT0, LEVEL | MASKED | 0x71);
    set_pin(rig, 0, true);
    assert_false(rig->intr.level);
    out(rig, LVT_LINT0, LEVEL | 0x71);
    assert_true(rig->intr.level);
    out(rig, LVT_LINT0, LEVEL | 0x72);
    assert_int_equal(in(rig, LVT_LINT0), LEVEL | REMOTE_IRR | 0x72);
    out(rig, LVT_LINT0, 0x72); /* edge-triggered: no remote IRR */
    assert_int_equal(in(rig, LVT_LINT0), 0x72);
}

static bool send(struct rig *rig, uint8_t destination, uint32_t icr)
{
    out(rig, ICR_HIGH, (uint32_t)destination << 24);
    out(rig, ICR, icr | 0x99);
    if (!rig->intr.level)
        return false;
    assert_int_equal(apic_acknowledge(rig->apic), 0x99);
    out(rig, EOI, 0);
    return true;
}

static void messages_find_their_destination(void **state)
{
    struct rig *rig = *state;

    enable(rig);
    assert_true(send(rig, 3, 0));
    assert_false(send(rig, 2, 0));
    assert_true(send(rig, 0xff, 0));
    assert_true(send(rig, 0, TO_SELF));
    assert_true(send(rig, 0, TO_ALL));
    assert_false(send(rig, 3, TO_OTHERS));

    out(rig, LDR, 0x24u << 24); /* flat: one bit per processor */
    assert_int_equal(in(rig, LDR), 0x24000000);
    out(rig, DFR, 0xf0000000);
    assert_int_equal(in(rig, DFR), 0xffffffff);
    assert_true(send(rig, 0x04, LOGICAL));
    assert_true(send(rig, 0x21, LOGICAL));
    assert_false(send(rig, 0x03, LOGICAL));
    out(rig, DFR, 0x0fffffff); /* cluster 2, member bit 2 */
    assert_int_equal(in(rig, DFR), 0x0fffffff);
    assert_true(send(rig, 0x24, LOGICAL));
    assert_true(send(rig, 0x2f, LOGICAL));
    assert_false(send(rig, 0x28, LOGICAL));
    assert_false(send(rig, 0x34, LOGICAL));
    assert_true(send(rig, 0xff, LOGICAL));
    assert_int_equal(in(rig, ICR), LOGICAL | 0x99);
    assert_int_equal(in(rig, ICR_HIGH), 0xff000000);
    out(rig, ID, 9u << 24);
    assert_true(send(rig, 9, 0));
}

static void messages_of_other_kinds(void **state)
{
    struct rig *rig = *state;

    enable(rig);
    out(rig, ICR_HIGH, 3u << 24);
    out(rig, ICR, MODE_NMI);
    assert_int_equal(rig->nmis, 1);
    out(rig, ICR, MODE_SMI);
    assert_int_equal(rig->smis, 1);
    out(rig, ICR, MODE_INIT | LEVEL); /* de-assert */
    assert_int_equal(rig->inits, 0);
    out(rig, ICR, MODE_INIT | LEVEL | ASSERT);
    assert_int_equal(rig->inits, 1);
    out(rig, ICR, MODE_STARTUP | 0x9f);
    out(rig, ICR, MODE_EXT);
    assert_false(rig->intr.level);
}

static void errors_show_after_esr_is_written(void **state)
{
    struct rig *rig = *state;

    enable(rig);
    out(rig, LVT_ERROR, 0xfe);
    out(rig, ICR, TO_SELF | 0x0f); /* a reserved vector */
    assert_int_equal(in(rig, ESR), 0);
    assert_int_equal(apic_acknowledge(rig->apic), 0xfe);
    out(rig, EOI, 0);
    receive(rig, APIC_FIXED, 0x0f, false);
    in(rig, 0x040); /* a reserved register */
    out(rig, ESR, 0);
    assert_int_equal(in(rig, ESR), 1 << 5 | 1 << 6 | 1 << 7);
    out(rig, ESR, 0);
    assert_int_equal(in(rig, ESR), 0);
    out(rig, 0x3f0, 1);
    out(rig, ESR, 0);
    assert_int_equal(in(rig, ESR), 1 << 7);
    out(rig, LVT_ERROR, MASKED);
    apic_acknowledge(rig->apic); /* of the error before */
    out(rig, EOI, 0);
    out(rig, ICR, TO_SELF | 0x10); /* the first that is not reserved */
    assert_int_equal(apic_acknowledge(rig->apic), 0x10);
    out(rig, EOI, 0);
    receive(rig, APIC_FIXED, 0x10, false);
    assert_int_equal(apic_acknowledge(rig->apic), 0x10);
    out(rig, EOI, 0);
    assert_int_equal(rig->eois, 0);
    out(rig, ESR, 0);
    assert_int_equal(in(rig, ESR), 0);
}

static void errors_interrupt_once_and_only_unmasked(void **state)
{
    struct rig *rig = *state;

    enable(rig);
    out(rig, LVT_ERROR, 0xfe | MASKED);
    receive(rig, APIC_FIXED, 0x01, false);
    assert_false(rig->intr.level);
    out(rig, ESR, 0);
    out(rig, LVT_ERROR, 0x0e); /* no vector to interrupt with */
    receive(rig, APIC_FIXED, 0x01, false);
    assert_false(rig->intr.level);
    out(rig, ESR, 0);
    assert_int_equal(in(rig, ESR), 1 << 6);
    out(rig, LVT_ERROR, 0x10);
    receive(rig, APIC_FIXED, 0x01, false);
    assert_int_equal(apic_acknowledge(rig->apic), 0x10);
    assert_false(bit_of(rig, TMR, 0x10));
    out(rig, EOI, 0);
    receive(rig, APIC_FIXED, 0x02, false); /* known already */
    assert_false(rig->intr.level);
}

static void read_only_registers_stay(void **state)
{
    static const uint32_t regs[] = {VERSION, APR, PPR, 0x0c0, ISR + 0x20, TMR + 0x20, IRR + 0x20, CURRENT};
    struct rig *rig = *state;

    enable(rig);
    for (unsigned i = 0; i < sizeof regs / sizeof regs[0]; i++) {
        uint32_t before = in(rig, regs[i]);

        out(rig, regs[i], 0x5a5a5a5a);
        assert_int_equal(in(rig, regs[i]), before);
    }
    out(rig, ESR, 0);
    assert_int_equal(in(rig, ESR), 0);
    out(rig, LVT_TIMER, 0xffffffff);
    assert_int_equal(in(rig, LVT_TIMER), PERIODIC | MASKED | 0xff);
    out(rig, LVT_PERFORMANCE, 0xffffffff);
    assert_int_equal(in(rig, LVT_PERFORMANCE), MASKED | 0x7ff);
    out(rig, LVT_LINT1, 0xffffffff);
    assert_int_equal(in(rig, LVT_LINT1), MASKED | LEVEL | 1 << 13 | 0x7ff);
    out(rig, LVT_ERROR, 0xffffffff);
    assert_int_equal(in(rig, LVT_ERROR), MASKED | 0xff);
    out(rig, SVR, 0xffffffff);
    assert_int_equal(in(rig, SVR), 0x3ff);
    out(rig, DIVIDE, 0xffffffff);
    assert_int_equal(in(rig, DIVIDE), 0xb);
    out(rig, ICR, 0xffffffff & ~(7u << 8));
    assert_int_equal(in(rig, ICR), 0x000cc8ff);
}

static void only_whole_registers_are_written(void **state)
{
    struct rig *rig = *state;

    enable(rig);
    out(rig, TPR, 0x33);
    apic_ops.write(rig->apic, TPR, 0x44, 1);
    apic_ops.write(rig->apic, TPR + 4, 0x44, 4);
    assert_int_equal(in(rig, TPR), 0x33);
    assert_int_equal(apic_ops.read(rig->apic, VERSION + 2, 1), 0x05);
    assert_int_equal(apic_ops.read(rig->apic, VERSION + 4, 4), 0);
}

static void the_timer_counts_down_once(void **state)
{
    struct rig *rig = *state;

    enable(rig);
    out(rig, DIVIDE, DIVIDE_BY_1);
    out(rig, LVT_TIMER, 0x81);
    out(rig, INITIAL, 1000000);
    clock_advance(rig->clock, 300000);
    assert_int_equal(in(rig, CURRENT), 700000);
    clock_advance(rig->clock, 699999);
    assert_false(rig->intr.level);
    assert_int_equal(in(rig, CURRENT), 1);
    clock_advance(rig->clock, 1);
    assert_true(rig->intr.level);
    assert_int_equal(in(rig, CURRENT), 0);
    assert_int_equal(apic_acknowledge(rig->apic), 0x81);
    out(rig, EOI, 0);
    clock_advance(rig->clock, 5000000);
    assert_false(rig->intr.level);
    assert_int_equal(in(rig, CURRENT), 0);
    assert_int_equal(clock_next_deadline_ns(rig->clock), CLOCK_NEVER);
    out(rig, INITIAL, 5000); /* from here, exactly */
    clock_advance(rig->clock, 4999);
    assert_false(rig->intr.level);
    clock_advance(rig->clock, 1);
    assert_true(rig->intr.level);
}

static void the_timer_repeats_without_drift(void **state)
{
    struct rig *rig = *state;

    enable(rig);
    out(rig, DIVIDE, DIVIDE_BY_1);
    out(rig, LVT_TIMER, PERIODIC | 0x81);
    out(rig, INITIAL, 100000);
    for (unsigned i = 0; i < 50; i++) {
        clock_advance(rig->clock, 100000);
        assert_int_equal(apic_acknowledge(rig->apic), 0x81);
        out(rig, EOI, 0);
        assert_false(rig->intr.level);
    }
    assert_int_equal(in(rig, CURRENT), 100000);
    clock_advance(rig->clock, 99999);
    assert_int_equal(in(rig, CURRENT), 1);
    assert_false(rig->intr.level);
    assert_int_equal(in(rig, INITIAL), 100000);
    out(rig, INITIAL, 0); /* stops it */
    clock_advance(rig->clock, 1000000);
    assert_false(rig->intr.level);
    assert_int_equal(in(rig, CURRENT), 0);
    assert_int_equal(clock_next_deadline_ns(rig->clock), CLOCK_NEVER);
}

static void every_divider_divides(void **state)
{
    static const uint32_t code[] = {0x0, 0x1, 0x2, 0x3, 0x8, 0x9, 0xa, 0xb}, by[] = {2, 4, 8, 16, 32, 64, 128, 1};
    struct rig *rig = *state;

    enable(rig);
    for (unsigned i = 0; i < 8; i++) {
        out(rig, DIVIDE, code[i]);
        out(rig, INITIAL, 100000);
        clock_advance(rig->clock, 1280);
        assert_int_equal(in(rig, CURRENT), 100000 - 1280 / by[i]);
    }
}

static void the_count_survives_a_change_of_divider_and_mode(void **state)
{
    struct rig *rig = *state;

    enable(rig);
    out(rig, DIVIDE, DIVIDE_BY_1);
    out(rig, LVT_TIMER, 0x81);
    out(rig, INITIAL, 1000000);
    clock_advance(rig->clock, 400000);
    out(rig, DIVIDE, 0); /* by 2 */
    assert_int_equal(in(rig, CURRENT), 600000);
    assert_int_equal(clock_next_deadline_ns(rig->clock), clock_now_ns(rig->clock) + 1200000);
    out(rig, LVT_TIMER, PERIODIC | 0x82);
    assert_int_equal(in(rig, CURRENT), 600000);
    clock_advance(rig->clock, 1199999);
    assert_false(rig->intr.level);
    clock_advance(rig->clock, 1);
    assert_int_equal(apic_acknowledge(rig->apic), 0x82);
    out(rig, EOI, 0);
    clock_advance(rig->clock, 2000000);
    assert_int_equal(apic_acknowledge(rig->apic), 0x82);

    out(rig, EOI, 0);
    out(rig, LVT_TIMER, 0x82);
    clock_advance(rig->clock, 2000000);
    out(rig, LVT_TIMER, PERIODIC | 0x82); /* what has run out does not start again */
    assert_int_equal(in(rig, CURRENT), 0);
}

static void software_disable_stops_the_timer(void **state)
{
    struct rig *rig = *state;

    enable(rig);
    out(rig, LVT_TIMER, PERIODIC | 0x81);
    out(rig, INITIAL, 1000000);
    out(rig, SVR, 0xff);
    assert_int_equal(clock_next_deadline_ns(rig->clock), CLOCK_NEVER);
    out(rig, SVR, ENABLE | 0xff);
    out(rig, LVT_TIMER, PERIODIC | 0x81);
    assert_true(clock_next_deadline_ns(rig->clock) != CLOCK_NEVER);
    receive(rig, APIC_FIXED, 0x61, false);
    apic_reset(rig->apic);
    assert_int_equal(clock_next_deadline_ns(rig->clock), CLOCK_NEVER);
    assert_false(rig->intr.level);
}

static void a_masked_timer_counts_in_silence(void **state)
{
    struct rig *rig = *state;

    enable(rig);
    out(rig, DIVIDE, DIVIDE_BY_1);
    out(rig, LVT_TIMER, MASKED | PERIODIC | 0x81);
    out(rig, INITIAL, 1000000);
    assert_int_equal(clock_next_deadline_ns(rig->clock), CLOCK_NEVER);
    clock_advance(rig->clock, 1500000);
    assert_int_equal(in(rig, CURRENT), 500000);
    assert_false(rig->intr.level);
    out(rig, LVT_TIMER, PERIODIC | 0x81);
    assert_int_equal(in(rig, CURRENT), 500000);
    clock_advance(rig->clock, 500000);
    assert_true(rig->intr.level);
}

static void a_tiny_period_does_not_eat_the_host(void **state)
{
    struct rig *rig = *state;

    enable(rig);
    out(rig, DIVIDE, DIVIDE_BY_1);
    out(rig, LVT_TIMER, PERIODIC | 0x81);
    out(rig, INITIAL, 1);
    assert_true(clock_next_deadline_ns(rig->clock) >= clock_now_ns(rig->clock) + 10000);
    clock_advance(rig->clock, 20000);
    assert_true(rig->intr.level);
    assert_true(clock_next_deadline_ns(rig->clock) >= clock_now_ns(rig->clock) + 10000);
}

static void enabling_again_starts_from_power_up(void **state)
{
    struct rig *rig = *state;

    enable(rig);
    out(rig, TPR, 0x20);
    out(rig, LVT_TIMER, 0x81);
    out(rig, INITIAL, 1000000);
    receive(rig, APIC_FIXED, 0x61, false);
    assert_true(rig->intr.level);
    apic_set_enabled(rig->apic, false);
    assert_false(rig->intr.level);
    assert_int_equal(clock_next_deadline_ns(rig->clock), CLOCK_NEVER);
    apic_set_enabled(rig->apic, true);
    assert_int_equal(in(rig, TPR), 0);
    assert_int_equal(in(rig, SVR), 0xff);
    assert_int_equal(in(rig, CURRENT), 0);
    apic_set_enabled(rig->apic, true); /* no change: nothing is lost */
    out(rig, TPR, 0x20);
    apic_set_enabled(rig->apic, true);
    assert_int_equal(in(rig, TPR), 0x20);
}

static void reset_keeps_the_pins_levels(void **state)
{
    struct rig *rig = *state;

    enable(rig);
    set_pin(rig, 0, true);
    receive(rig, APIC_FIXED, 0x61, false);
    apic_reset(rig->apic);
    assert_true(rig->intr.level);
    assert_int_equal(apic_acknowledge(rig->apic), APIC_EXTINT);
    set_pin(rig, 0, false);
    assert_false(rig->intr.level);
    assert_int_equal(in(rig, ID), 3u << 24);
}

static void init_leaves_the_id_and_resets_the_rest(void **state)
{
    struct rig *rig = *state;

    enable(rig);
    out(rig, ID, 5u << 24);
    out(rig, TPR, 0x20);
    receive(rig, APIC_NMI, 0, false);
    apic_init_reset(rig->apic);
    assert_int_equal(in(rig, ID), 5u << 24);
    assert_int_equal(in(rig, TPR), 0);
    assert_int_equal(in(rig, SVR), 0xff);
    apic_reset(rig->apic);
    assert_int_equal(in(rig, ID), 3u << 24);
}

static void whoever_was_refused_hears_when_it_listens(void **state)
{
    static const uint32_t registers[] = {SVR, ID, LDR, DFR};
    struct rig *rig = *state;

    apic_set_enabled(rig->apic, true);
    assert_int_equal(rig->readies, 1);
    for (unsigned i = 0; i < sizeof registers / sizeof registers[0]; i++) {
        out(rig, registers[i], 0x1ff);
        assert_int_equal(rig->readies, 2 + i);
    }
    out(rig, TPR, 0);
    assert_int_equal(rig->readies, 5);
}

struct late { /* something that comes at the moment when the count is 0, before the chip's own timer */
    struct rig *rig;
    struct timer timer;
    uint32_t reg;
    uint32_t count;
};

static void be_late(void *opaque)
{
    struct late *late = opaque;

    if (late->reg == IRR + 0x40)
        late->count = in(late->rig, late->reg);
    else if (late->reg == CURRENT)
        late->count = in(late->rig, late->reg);
    else
        out(late->rig, late->reg, late->reg == SVR ? 0xff : late->reg == LVT_TIMER ? MASKED : 5);
}

/* The host's timers run late: what the guest does after the end of the count must not undo the interrupt. */
static void a_count_that_has_ended_has_interrupted(void **state)
{
    static const uint32_t registers[] = {IRR + 0x40, CURRENT, LVT_TIMER, INITIAL, DIVIDE, SVR};
    struct rig *rig = *state;

    for (unsigned i = 0; i < sizeof registers / sizeof registers[0]; i++) {
        struct late late = {.rig = rig, .reg = registers[i]};

        apic_set_enabled(rig->apic, false);
        enable(rig);
        timer_init(&late.timer, rig->clock, be_late, &late);
        timer_set(&late.timer, clock_now_ns(rig->clock) + 1000000);
        out(rig, DIVIDE, DIVIDE_BY_1);
        out(rig, LVT_TIMER, 0x81);
        out(rig, INITIAL, 1000000);
        clock_advance(rig->clock, 1000000);
        out(rig, SVR, ENABLE | 0xff);
        assert_true(bit_of(rig, IRR, 0x81));
        if (registers[i] == IRR + 0x40)
            assert_int_equal(late.count, 2);
        if (registers[i] == CURRENT)
            assert_int_equal(late.count, 0);
    }
}

static void any_saved_state_can_be_used(void **state)
{
    struct rig *rig = *state;

    for (uint32_t seed = 1; seed <= 300; seed++) {
        nonsense_load(apic_state(), rig->apic, seed);
        apic_after_load(rig->apic);
        for (uint32_t reg = 0; reg < APIC_PAGE_BYTES; reg += 0x10)
            in(rig, reg);
        clock_advance(rig->clock, 100000);
        apic_acknowledge(rig->apic);
        for (uint32_t reg = 0; reg < APIC_PAGE_BYTES; reg += 0x10)
            out(rig, reg, seed * 2654435761u + reg);
        clock_advance(rig->clock, 100000);
    }
}

static void saved_state_continues_in_another_chip(void **state)
{
    struct rig *rig = *state;
    struct rig other = {.clock = rig->clock};

    enable(rig);
    out(rig, DIVIDE, DIVIDE_BY_1);
    out(rig, LVT_TIMER, PERIODIC | 0x81);
    out(rig, INITIAL, 1000000);
    clock_advance(rig->clock, 250000);
    receive(rig, APIC_FIXED, 0x51, false);
    assert_int_equal(apic_acknowledge(rig->apic), 0x51);
    receive(rig, APIC_FIXED, 0x61, true);
    other.apic = create_chip(&other);
    copy_state(apic_state(), rig->apic, other.apic);
    apic_after_load(other.apic);
    assert_true(other.intr.level);
    assert_int_equal(apic_acknowledge(other.apic), 0x61);
    out(&other, EOI, 0);
    assert_int_equal(other.last_eoi, 0x61);
    assert_int_equal(in(&other, PPR), 0x50); /* still in service */
    assert_int_equal(in(&other, CURRENT), 750000);
    clock_advance(rig->clock, 750000);
    assert_int_equal(apic_acknowledge(other.apic), 0x81);
    apic_destroy(other.apic);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(reset_values_are_the_manuals),
        T(a_disabled_apic_is_a_wire),
        T(extint_passes_through_lint0_until_it_is_masked),
        T(an_own_vector_comes_before_extint),
        T(a_vector_goes_from_irr_to_isr_to_eoi),
        T(higher_classes_nest_and_equal_ones_wait),
        T(task_priority_holds_classes_back),
        T(arbitration_priority_looks_at_all_three),
        T(a_request_that_is_held_back_meanwhile_is_spurious),
        T(level_triggered_vectors_tell_their_end),
        T(software_disable_refuses_vectors_but_not_nmi),
        T(lint_pins_deliver_what_their_entry_says),
        T(a_level_pin_asks_again_after_its_eoi),
        T(messages_find_their_destination),
        T(messages_of_other_kinds),
        T(errors_show_after_esr_is_written),
        T(errors_interrupt_once_and_only_unmasked),
        T(read_only_registers_stay),
        T(only_whole_registers_are_written),
        T(the_timer_counts_down_once),
        T(the_timer_repeats_without_drift),
        T(every_divider_divides),
        T(the_count_survives_a_change_of_divider_and_mode),
        T(software_disable_stops_the_timer),
        T(a_masked_timer_counts_in_silence),
        T(a_tiny_period_does_not_eat_the_host),
        T(enabling_again_starts_from_power_up),
        T(reset_keeps_the_pins_levels),
        T(init_leaves_the_id_and_resets_the_rest),
        T(whoever_was_refused_hears_when_it_listens),
        T(a_count_that_has_ended_has_interrupted),
        T(any_saved_state_can_be_used),
        T(saved_state_continues_in_another_chip),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
