/* isa-debug-exit. */
#include "tests/unit/hw/probe.h"

#include "hw/char/debug_exit.h"

static void note_status(void *opaque, int status)
{
    *(int *)opaque = status;
}

static void a_write_ends_the_run_with_an_odd_status(void **state)
{
    int status = -1;
    struct debug_exit *device = debug_exit_create(note_status, &status);
    debug_exit_ops.write(device, 0, 0x10, 4);
    assert_int_equal(status, 0x21);
    debug_exit_ops.write(device, 0, 0x123, 4);
    assert_int_equal(status, 0x247);
    debug_exit_ops.write(device, 0, 0, 1);
    assert_int_equal(status, 1);
    assert_int_equal(debug_exit_ops.read(device, 0, 4), 0);
    debug_exit_destroy(device);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_write_ends_the_run_with_an_odd_status)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
