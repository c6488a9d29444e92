/* System control port B. */
#include "tests/unit/hw/probe.h"

#include "hw/core/clock.h"
#include "hw/timer/port61.h"

static struct clock *fake;
static struct pit8254 *pit;
static struct port61 *port;

static int setup(void **state)
{
    fake = clock_create_fake();
    pit = pit8254_create(fake, (struct irq[3]){{0}});
    port = port61_create(fake, pit);
    return 0;
}

static int teardown(void **state)
{
    port61_destroy(port);
    pit8254_destroy(pit);
    clock_destroy(fake);
    return 0;
}

static uint8_t read_port(void)
{
    return port_in(&port61_ops, port, 0);
}

static void only_the_low_four_bits_are_kept(void **state)
{
    port_out(&port61_ops, port, 0, 0xff);
    assert_int_equal(read_port() & 0xcf, 0x0f);
    port_out(&port61_ops, port, 0, 0xf4);
    assert_int_equal(read_port() & 0xcf, 0x04);
}

static void bit_0_is_the_gate_and_bit_5_the_out_of_counter_2(void **state)
{
    assert_false(pit8254_gate(pit, 2));
    port_out(&pit8254_ops, pit, 3, 0xb0); /* mode 0, as calibration loops use it */
    port_out(&pit8254_ops, pit, 2, 0x9b);
    port_out(&pit8254_ops, pit, 2, 0x2e); /* 10 ms */
    clock_advance(fake, 20 * NS_PER_MS);
    assert_int_equal(read_port() & 0x20, 0);
    port_out(&port61_ops, port, 0, 0x01);
    assert_true(pit8254_gate(pit, 2));
    clock_advance(fake, 9990 * NS_PER_US);
    assert_int_equal(read_port() & 0x20, 0);
    clock_advance(fake, 20 * NS_PER_US);
    assert_int_equal(read_port() & 0x20, 0x20);
}

static void the_refresh_bit_toggles_every_15_us(void **state)
{
    unsigned changes = 0;
    uint8_t last = read_port() & 0x10;
    for (unsigned us = 0; us < 15085; us++) {
        clock_advance(fake, NS_PER_US);
        uint8_t now = read_port() & 0x10;
        changes += now != last;
        last = now;
    }
    assert_in_range(changes, 999, 1000);
}

static void bit_1_connects_the_speaker(void **state)
{
    assert_false(port61_speaker_is_on(port));
    port_out(&port61_ops, port, 0, 0x02);
    assert_true(port61_speaker_is_on(port));
    port61_reset(port);
    assert_false(port61_speaker_is_on(port));
}

static void state_survives_save_and_load(void **state)
{
    struct port61 *copy = port61_create(fake, pit);
    port_out(&port61_ops, port, 0, 0x0b);
    copy_state(port61_state_desc(), port, copy);
    port61_after_load(copy);
    assert_int_equal(port_in(&port61_ops, copy, 0), read_port());
    port61_destroy(copy);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(only_the_low_four_bits_are_kept),     TEST(bit_0_is_the_gate_and_bit_5_the_out_of_counter_2),
        TEST(the_refresh_bit_toggles_every_15_us), TEST(bit_1_connects_the_speaker),
        TEST(state_survives_save_and_load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
