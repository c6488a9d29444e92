/* Wires and the OR gate. */
#include "tests/unit/hw/probe.h"

static void an_unconnected_wire_takes_any_level(void **state)
{
    const struct irq nowhere = {0};

    irq_raise(&nowhere);
    irq_lower(&nowhere);
}

static void an_or_gate_is_up_while_any_input_is(void **state)
{
    struct probe probe = {0};
    struct irq_or gate = {.out = probe_wire(&probe)};
    struct irq a = irq_or_input(&gate, 0), b = irq_or_input(&gate, IRQ_OR_INPUTS - 1);

    irq_raise(&a);
    assert_true(probe.level);
    irq_raise(&b);
    assert_true(probe.level);
    irq_lower(&a);
    assert_true(probe.level);
    irq_lower(&b);
    assert_false(probe.level);
    assert_int_equal(probe.rises, 1);
    assert_int_equal(probe.falls, 1);
}

static void an_or_gate_does_not_count_how_often_an_input_is_driven(void **state)
{
    struct probe probe = {0};
    struct irq_or gate = {.out = probe_wire(&probe)};
    struct irq a = irq_or_input(&gate, 3), b = irq_or_input(&gate, 4);

    irq_raise(&a);
    irq_raise(&a);
    irq_lower(&b);
    assert_true(probe.level);
    irq_lower(&a);
    assert_false(probe.level);
    irq_lower(&a);
    irq_raise(&b);
    assert_true(probe.level);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_unconnected_wire_takes_any_level),
        cmocka_unit_test(an_or_gate_is_up_while_any_input_is),
        cmocka_unit_test(an_or_gate_does_not_count_how_often_an_input_is_driven),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
