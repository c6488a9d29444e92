/* I/O APIC: redirection entries, edges, levels and remote IRR. */
#include <string.h>

#include "hw/intc/ioapic.h"
#include "tests/unit/hw/nonsense.h"
#include "tests/unit/hw/probe.h"

enum { MASKED = 1 << 16, LEVEL = 1 << 15, REMOTE_IRR = 1 << 14, ACTIVE_LOW = 1 << 13, LOGICAL = 1 << 11, NMI = 4 << 8 };

struct rig {
    struct ioapic *ioapic;
    struct apic_message last;
    unsigned sent;
    bool refuses, ends_at_once;
};

static bool note(void *opaque, const struct apic_message *message)
{
    struct rig *rig = opaque;

    rig->sent++;
    rig->last = *message;
    if (rig->ends_at_once) {
        rig->ends_at_once = false;
        ioapic_eoi(rig->ioapic, message->vector);
    }
    return !rig->refuses;
}

static int setup(void **state)
{
    struct rig *rig = calloc(1, sizeof *rig);

    rig->ioapic = ioapic_create(note, rig);
    assert_non_null(rig->ioapic);
    *state = rig;
    return 0;
}

static int teardown(void **state)
{
    struct rig *rig = *state;

    ioapic_destroy(rig->ioapic);
    free(rig);
    return 0;
}

static uint32_t in(struct rig *rig, uint8_t reg)
{
    ioapic_ops.write(rig->ioapic, 0x00, reg, 4);
    return ioapic_ops.read(rig->ioapic, 0x10, 4);
}

static void out(struct rig *rig, uint8_t reg, uint32_t value)
{
    ioapic_ops.write(rig->ioapic, 0x00, reg, 4);
    ioapic_ops.write(rig->ioapic, 0x10, value, 4);
}

static uint32_t entry(struct rig *rig, unsigned pin)
{
    return in(rig, (uint8_t)(0x10 + 2 * pin));
}

static void set_entry(struct rig *rig, unsigned pin, uint32_t low)
{
    out(rig, (uint8_t)(0x10 + 2 * pin), low);
}

static void set_pin(struct rig *rig, unsigned n, bool level)
{
    struct irq wire = ioapic_input(rig->ioapic, n);

    irq_set(&wire, level);
}

static void reset_masks_every_pin(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(in(rig, 0), 0);
    assert_int_equal(in(rig, 1), 0x00170011);
    for (unsigned i = 0; i < 24; i++) {
        assert_int_equal(entry(rig, i), MASKED);
        assert_int_equal(in(rig, (uint8_t)(0x11 + 2 * i)), 0);
        set_pin(rig, i, true);
    }
    assert_int_equal(rig->sent, 0);
    assert_int_equal(in(rig, 0x0f), 0);
    assert_int_equal(in(rig, 0x40), 0);
    assert_int_equal(in(rig, 0xff), 0);
}

static void registers_keep_what_can_be_written(void **state)
{
    struct rig *rig = *state;

    out(rig, 0, 0xffffffff);
    assert_int_equal(in(rig, 0), 0x0f000000);
    assert_int_equal(in(rig, 2), 0x0f000000);
    out(rig, 1, 0xffffffff);
    assert_int_equal(in(rig, 1), 0x00170011);
    out(rig, 0x3e, 0xffffffff);
    out(rig, 0x3f, 0xffffffff);
    assert_int_equal(in(rig, 0x3e), 0x0001afff);
    assert_int_equal(in(rig, 0x3f), 0xff000000);
    out(rig, 0x40, 0xffffffff);
    out(rig, 0x0f, 0xffffffff);
    assert_int_equal(ioapic_ops.read(rig->ioapic, 0x00, 4), 0x0f);
    assert_int_equal(ioapic_ops.read(rig->ioapic, 0x01, 1), 0x00);
    out(rig, 0x3e, 0x00010055);
    assert_int_equal(in(rig, 0x3e), 0x00010055);
    assert_int_equal(in(rig, 0x3f), 0xff000000); /* its other half stays */
    assert_int_equal(ioapic_ops.read(rig->ioapic, 0x13, 1), 0xff);
    ioapic_ops.write(rig->ioapic, 0x10, 0, 1);
    assert_int_equal(in(rig, 0x3f), 0xff000000);
    assert_int_equal(ioapic_ops.read(rig->ioapic, 0x08, 4), 0);
}

static void a_message_carries_its_entry(void **state)
{
    struct rig *rig = *state;

    out(rig, 0x15, 0xab000000);
    set_entry(rig, 2, LOGICAL | NMI | 0x77);
    set_pin(rig, 2, true);
    assert_int_equal(rig->sent, 1);
    assert_int_equal(rig->last.vector, 0x77);
    assert_int_equal(rig->last.destination, 0xab);
    assert_int_equal(rig->last.delivery, APIC_NMI);
    assert_true(rig->last.is_logical);
    assert_false(rig->last.is_level);
    set_entry(rig, 3, LEVEL | 0x78);
    set_pin(rig, 3, true);
    assert_int_equal(rig->last.delivery, APIC_FIXED);
    assert_false(rig->last.is_logical);
    assert_true(rig->last.is_level);
    assert_int_equal(rig->last.destination, 0);
}

static void an_edge_is_sent_once_and_lost_while_masked(void **state)
{
    struct rig *rig = *state;

    set_pin(rig, 5, true);
    set_entry(rig, 5, 0x41);
    assert_int_equal(rig->sent, 0);
    set_pin(rig, 5, true); /* no edge */
    assert_int_equal(rig->sent, 0);
    set_pin(rig, 5, false);
    set_pin(rig, 5, true);
    assert_int_equal(rig->sent, 1);
    assert_int_equal(entry(rig, 5) & REMOTE_IRR, 0);
    set_pin(rig, 5, false);
    set_pin(rig, 5, true);
    assert_int_equal(rig->sent, 2);
}

static void a_level_is_sent_again_after_its_end(void **state)
{
    struct rig *rig = *state;

    set_entry(rig, 10, LEVEL | ACTIVE_LOW | 0x41);
    set_pin(rig, 10, true);
    assert_int_equal(rig->sent, 1);
    assert_int_equal(entry(rig, 10), LEVEL | ACTIVE_LOW | REMOTE_IRR | 0x41);
    set_pin(rig, 10, false);
    set_pin(rig, 10, true);
    assert_int_equal(rig->sent, 1); /* the first is not ended */
    ioapic_eoi(rig->ioapic, 0x42);
    assert_int_equal(rig->sent, 1);
    ioapic_eoi(rig->ioapic, 0x41);
    assert_int_equal(rig->sent, 2);
    set_pin(rig, 10, false);
    ioapic_eoi(rig->ioapic, 0x41);
    assert_int_equal(rig->sent, 2);
    assert_int_equal(entry(rig, 10) & REMOTE_IRR, 0);
}

static void a_level_waits_behind_its_mask(void **state)
{
    struct rig *rig = *state;

    set_entry(rig, 10, LEVEL | MASKED | 0x41);
    set_pin(rig, 10, true);
    assert_int_equal(rig->sent, 0);
    set_entry(rig, 10, LEVEL | 0x41);
    assert_int_equal(rig->sent, 1);
    set_entry(rig, 10, LEVEL | MASKED | 0x41);
    ioapic_eoi(rig->ioapic, 0x41);
    assert_int_equal(rig->sent, 1);
    set_entry(rig, 10, LEVEL | 0x41);
    assert_int_equal(rig->sent, 2);
}

static void one_vector_ends_all_of_its_pins(void **state)
{
    struct rig *rig = *state;

    for (unsigned i = 16; i < 19; i++) {
        set_entry(rig, i, LEVEL | (i == 18 ? 0x51 : 0x50));
        set_pin(rig, i, true);
    }
    assert_int_equal(rig->sent, 3);
    ioapic_eoi(rig->ioapic, 0x50);
    assert_int_equal(rig->sent, 5);
}

static void a_refused_level_leaves_no_trace(void **state)
{
    struct rig *rig = *state;

    rig->refuses = true;
    set_entry(rig, 10, LEVEL | 0x41);
    set_pin(rig, 10, true);
    assert_int_equal(rig->sent, 1);
    assert_int_equal(entry(rig, 10) & REMOTE_IRR, 0);
    rig->refuses = false;
    set_pin(rig, 10, true);
    assert_int_equal(entry(rig, 10) & REMOTE_IRR, REMOTE_IRR);
}

static void a_refused_level_is_sent_again_when_somebody_may_listen(void **state)
{
    struct rig *rig = *state;

    rig->refuses = true;
    set_entry(rig, 10, LEVEL | 0x41);
    set_pin(rig, 10, true);
    ioapic_retry(rig->ioapic);
    assert_int_equal(rig->sent, 2);
    rig->refuses = false;
    ioapic_retry(rig->ioapic);
    assert_int_equal(rig->sent, 3);
    assert_int_equal(entry(rig, 10) & REMOTE_IRR, REMOTE_IRR);
    ioapic_retry(rig->ioapic); /* taken: not again */
    assert_int_equal(rig->sent, 3);

    ioapic_eoi(rig->ioapic, 0x41);
    rig->refuses = true;
    ioapic_eoi(rig->ioapic, 0x41);
    assert_int_equal(rig->sent, 5);
    out(rig, 0x11 + 2 * 10, 0x02000000); /* another destination */
    assert_int_equal(rig->sent, 6);
    assert_int_equal(rig->last.destination, 2);
}

static void what_nobody_ends_is_an_edge(void **state)
{
    static const uint32_t modes[] = {2 << 8, NMI, 5 << 8, 7 << 8}; /* SMI, NMI, INIT, ExtINT */
    struct rig *rig = *state;

    for (unsigned i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        rig->sent = 0;
        set_entry(rig, 10, LEVEL | modes[i] | 0x41);
        set_pin(rig, 10, true);
        set_pin(rig, 10, true);
        assert_int_equal(rig->sent, 1);
        assert_false(rig->last.is_level);
        assert_int_equal(entry(rig, 10) & REMOTE_IRR, 0);
        set_pin(rig, 10, false);
        set_pin(rig, 10, true);
        assert_int_equal(rig->sent, 2);
        set_pin(rig, 10, false);
    }
}

static void any_saved_state_can_be_used(void **state)
{
    struct rig *rig = *state;

    for (uint32_t seed = 1; seed <= 300; seed++) {
        nonsense_load(ioapic_state(), rig->ioapic, seed);
        ioapic_after_load(rig->ioapic);
        for (unsigned reg = 0; reg < 256; reg++) {
            in(rig, (uint8_t)reg);
            out(rig, (uint8_t)reg, seed * 2654435761u + reg);
        }
        for (unsigned n = 0; n < IOAPIC_PINS; n++)
            set_pin(rig, n, seed & 1);
        ioapic_eoi(rig->ioapic, (uint8_t)seed);
    }
}

static void an_end_during_the_message_is_not_lost(void **state)
{
    struct rig *rig = *state;

    rig->ends_at_once = true;
    set_entry(rig, 10, LEVEL | 0x41);
    set_pin(rig, 10, true);
    assert_int_equal(rig->sent, 2); /* still asserted */
    assert_int_equal(entry(rig, 10) & REMOTE_IRR, REMOTE_IRR);
}

static void switching_to_edge_clears_remote_irr(void **state)
{
    struct rig *rig = *state;

    set_entry(rig, 10, LEVEL | 0x41);
    set_pin(rig, 10, true);
    set_entry(rig, 10, MASKED | 0x41);
    assert_int_equal(entry(rig, 10) & REMOTE_IRR, 0);
    set_entry(rig, 10, LEVEL | 0x41);
    assert_int_equal(rig->sent, 2);
}

static void reset_keeps_the_pins_levels(void **state)
{
    struct rig *rig = *state;

    set_pin(rig, 7, true);
    set_entry(rig, 7, LEVEL | 0x41);
    ioapic_reset(rig->ioapic);
    assert_int_equal(entry(rig, 7), MASKED);
    set_entry(rig, 7, LEVEL | 0x41);
    assert_int_equal(rig->sent, 2);
}

static void saved_state_continues_in_another_chip(void **state)
{
    struct rig *rig = *state;
    struct rig other = {0};

    set_entry(rig, 7, LEVEL | 0x41);
    set_pin(rig, 7, true);
    other.ioapic = ioapic_create(note, &other);
    copy_state(ioapic_state(), rig->ioapic, other.ioapic);
    ioapic_after_load(other.ioapic);
    assert_int_equal(other.sent, 0); /* it is under way */
    ioapic_eoi(other.ioapic, 0x41);
    assert_int_equal(other.sent, 1);
    ioapic_destroy(other.ioapic);
}

static void counts_are_of_messages_that_were_taken(void **state)
{
    struct rig *rig = *state;
    char *text = NULL;
    size_t size = 0;
    FILE *counts;

    set_entry(rig, 3, 0x51);
    set_entry(rig, 7, LEVEL | 0x41);
    for (unsigned i = 0; i < 2; i++) {
        set_pin(rig, 3, true);
        set_pin(rig, 3, false);
    }
    set_pin(rig, 4, true); /* masked */
    set_pin(rig, 7, true);
    ioapic_eoi(rig->ioapic, 0x41);
    ioapic_eoi(rig->ioapic, 0x41);
    rig->refuses = true;
    set_pin(rig, 3, true);
    counts = open_memstream(&text, &size);
    ioapic_print_counts(rig->ioapic, counts);
    fclose(counts);
    assert_string_equal(text, " 3: 2\n 7: 3\n");
    free(text);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(reset_masks_every_pin),
        T(registers_keep_what_can_be_written),
        T(a_message_carries_its_entry),
        T(an_edge_is_sent_once_and_lost_while_masked),
        T(a_level_is_sent_again_after_its_end),
        T(a_level_waits_behind_its_mask),
        T(one_vector_ends_all_of_its_pins),
        T(a_refused_level_leaves_no_trace),
        T(a_refused_level_is_sent_again_when_somebody_may_listen),
        T(what_nobody_ends_is_an_edge),
        T(any_saved_state_can_be_used),
        T(an_end_during_the_message_is_not_lost),
        T(switching_to_edge_clears_remote_irr),
        T(reset_keeps_the_pins_levels),
        T(saved_state_continues_in_another_chip),
        T(counts_are_of_messages_that_were_taken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
