/* The coprocessor error latch: hw/intc/fpu_error.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "hw/intc/fpu_error.h"

static void set_level(void *opaque, int line, bool level)
{
    *(bool *)opaque = level;
}

static void ferr_raises_irq_13_until_port_f0_is_written(void **state)
{
    bool irq = false;
    struct fpu_error *logic = fpu_error_create((struct irq){.set = set_level, .opaque = &irq});

    fpu_error_set_ferr(logic, true);
    assert_true(irq);
    fpu_error_ops.write(logic, 0, 0, 1);
    assert_false(irq);
    fpu_error_destroy(logic);
}

static void a_held_ferr_does_not_raise_again(void **state)
{
    bool irq = false;
    struct fpu_error *logic = fpu_error_create((struct irq){.set = set_level, .opaque = &irq});

    fpu_error_set_ferr(logic, true);
    fpu_error_ops.write(logic, 0, 0, 1);
    fpu_error_set_ferr(logic, true);
    assert_false(irq);
    fpu_error_set_ferr(logic, false);
    fpu_error_set_ferr(logic, true);
    assert_true(irq);
    fpu_error_destroy(logic);
}

static void the_latch_outlives_ferr(void **state)
{
    bool irq = false;
    struct fpu_error *logic = fpu_error_create((struct irq){.set = set_level, .opaque = &irq});

    fpu_error_set_ferr(logic, true);
    fpu_error_set_ferr(logic, false);
    assert_true(irq);
    fpu_error_reset(logic);
    assert_false(irq);
    assert_int_equal(fpu_error_ops.read(logic, 0, 1), 0xff);
    fpu_error_destroy(logic);
}

static void a_saved_latch_drives_its_wire_again(void **state)
{
    bool irq = false, copy_irq = false;
    struct fpu_error *logic = fpu_error_create((struct irq){.set = set_level, .opaque = &irq});
    struct fpu_error *copy = fpu_error_create((struct irq){.set = set_level, .opaque = &copy_irq});
    uint8_t bytes[16];
    size_t size = state_size(fpu_error_state_desc());

    fpu_error_set_ferr(logic, true);
    state_save(fpu_error_state_desc(), logic, bytes);
    assert_true(state_load(fpu_error_state_desc(), copy, bytes, size));
    fpu_error_after_load(copy);
    assert_null(state_difference(fpu_error_state_desc(), logic, copy));
    assert_true(copy_irq);
    fpu_error_destroy(logic);
    fpu_error_destroy(copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ferr_raises_irq_13_until_port_f0_is_written),
        cmocka_unit_test(a_held_ferr_does_not_raise_again),
        cmocka_unit_test(the_latch_outlives_ferr),
        cmocka_unit_test(a_saved_latch_drives_its_wire_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
