/* System control port A. */
#include "tests/unit/hw/probe.h"

#include "hw/input/port92.h"

static void bit_1_is_a20_and_bit_0_resets_as_it_rises(void **state)
{
    struct probe a20 = {0}, reset = {0};
    struct port92 *port = port92_create(probe_wire(&a20), probe_wire(&reset));
    assert_int_equal(port_in(&port92_ops, port, 0), 0x02);
    port_out(&port92_ops, port, 0, 0xfe);
    assert_true(a20.level);
    assert_int_equal(port_in(&port92_ops, port, 0), 0x02);
    port_out(&port92_ops, port, 0, 0x00);
    assert_false(a20.level);
    assert_int_equal(reset.rises, 0);
    port_out(&port92_ops, port, 0, 0x01);
    port_out(&port92_ops, port, 0, 0x01);
    assert_int_equal(reset.rises, 1);
    assert_false(reset.level);
    port92_reset(port);
    assert_true(a20.level);
    assert_int_equal(port_in(&port92_ops, port, 0), 0x02);
    port92_destroy(port);
}

static void state_survives_save_and_load(void **state)
{
    struct probe a20 = {.level = true};
    struct port92 *port = port92_create((struct irq){0}, (struct irq){0});
    struct port92 *copy = port92_create(probe_wire(&a20), (struct irq){0});
    port_out(&port92_ops, port, 0, 0x01);
    copy_state(port92_state_desc(), port, copy);
    port92_after_load(copy);
    assert_false(a20.level);
    assert_int_equal(port_in(&port92_ops, copy, 0), 0x01);
    port92_destroy(port);
    port92_destroy(copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bit_1_is_a20_and_bit_0_resets_as_it_rises),
        cmocka_unit_test(state_survives_save_and_load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
