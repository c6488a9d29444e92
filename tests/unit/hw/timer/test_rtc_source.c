/* The MC146818 on another source of time than the machine's clock: -rtc clock=host. */
#include "tests/unit/hw/probe.h"

#include "hw/core/clock.h"
#include "hw/timer/rtc146818.h"

enum { SEC, SEC_ALARM, MIN, MIN_ALARM, HOUR, HOUR_ALARM, WEEKDAY, DAY, MONTH, YEAR, A, B, C };

#define B_24_HOURS 0x02
#define B_UIE      0x10
#define B_AIE      0x20
#define B_PIE      0x40

#define START 1709251140 /* 2024-02-29 23:59:00 */

static struct clock *fake;
static struct probe irq8;
static struct rtc146818 *rtc;
static int64_t host_ns;

static int64_t host_time(void *opaque)
{
    return *(int64_t *)opaque;
}

static void put(uint8_t index, uint8_t value)
{
    port_out(&rtc146818_ops, rtc, 0, index);
    port_out(&rtc146818_ops, rtc, 1, value);
}

static uint8_t get(uint8_t index)
{
    port_out(&rtc146818_ops, rtc, 0, index);
    return port_in(&rtc146818_ops, rtc, 1);
}

static int setup(void **state)
{
    fake = clock_create_fake();
    irq8 = (struct probe){0};
    host_ns = 1709251140123456789;
    clock_advance(fake, 987654321);
    rtc = rtc146818_create(fake, START, probe_wire(&irq8));
    rtc146818_follow(rtc, host_time, &host_ns);
    return 0;
}

static int teardown(void **state)
{
    rtc146818_destroy(rtc);
    clock_destroy(fake);
    return 0;
}

/* Both go on together, as while a machine runs; in small steps, for a fake clock fires its timers within a step. */
static void both_advance(int64_t ns)
{
    for (int64_t step; ns > 0; ns -= step) {
        step = ns < NS_PER_MS ? ns : NS_PER_MS;
        host_ns += step;
        clock_advance(fake, step);
    }
}

static void time_follows_its_source_and_not_the_machine(void **state)
{
    assert_int_equal(get(SEC), 0x00);
    clock_advance(fake, 30 * NS_PER_SECOND);
    assert_int_equal(get(SEC), 0x00);
    host_ns += NS_PER_SECOND - 1;
    assert_int_equal(get(SEC), 0x00);
    host_ns += 1;
    assert_int_equal(get(SEC), 0x01);
    host_ns += 59 * NS_PER_SECOND;
    assert_int_equal(get(DAY), 0x01);
    assert_int_equal(get(MONTH), 0x03);
}

static void a_machine_that_stood_still_catches_up(void **state)
{
    host_ns += 3600 * NS_PER_SECOND; /* the monitor's stop and cont */
    assert_int_equal(get(HOUR), 0x00);
    assert_int_equal(get(MIN), 0x59);
}

static void time_may_be_set_back(void **state)
{
    put(B, B_24_HOURS | B_UIE);
    host_ns -= 120 * NS_PER_SECOND;
    assert_int_equal(get(HOUR), 0x23);
    assert_int_equal(get(MIN), 0x57);
    assert_int_equal(get(C) & 0x10, 0);
    both_advance(NS_PER_SECOND);
    assert_true(irq8.level);
    assert_int_equal(get(C) & 0x90, 0x90);
    assert_int_equal(get(SEC), 0x01);
}

static void update_and_periodic_interrupts_come_in_time(void **state)
{
    put(B, B_24_HOURS | B_UIE);
    both_advance(NS_PER_SECOND - NS_PER_MS);
    assert_false(irq8.level);
    both_advance(NS_PER_MS);
    assert_true(irq8.level);
    assert_int_equal(get(C), 0xd0); /* the periodic flag too, though it interrupts nobody */
    put(B, B_24_HOURS | B_PIE);
    for (int i = 0; i < 10; i++) {
        both_advance(NS_PER_MS); /* 1024 Hz */
        assert_true(irq8.level);
        assert_int_equal(get(C), 0xc0);
    }
}

static void an_alarm_is_not_missed_when_the_source_is_set_forward(void **state)
{
    put(SEC_ALARM, 0x00);
    put(MIN_ALARM, 0x30);
    put(HOUR_ALARM, 0x00);
    get(C);
    put(B, B_24_HOURS | B_AIE);
    both_advance(5 * NS_PER_SECOND);
    assert_false(irq8.level);
    host_ns += 2000 * NS_PER_SECOND; /* past 00:30 */
    clock_advance(fake, NS_PER_SECOND);
    assert_true(irq8.level);
    assert_int_equal(get(C) & 0x20, 0x20);
}

static void without_a_source_it_is_the_machines_clock_again(void **state)
{
    host_ns += 7 * NS_PER_SECOND;
    rtc146818_follow(rtc, NULL, NULL);
    assert_int_equal(get(SEC), 0x07);
    host_ns += 50 * NS_PER_SECOND;
    assert_int_equal(get(SEC), 0x07);
    clock_advance(fake, 3 * NS_PER_SECOND);
    assert_int_equal(get(SEC), 0x10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(time_follows_its_source_and_not_the_machine, setup, teardown),
        cmocka_unit_test_setup_teardown(a_machine_that_stood_still_catches_up, setup, teardown),
        cmocka_unit_test_setup_teardown(time_may_be_set_back, setup, teardown),
        cmocka_unit_test_setup_teardown(update_and_periodic_interrupts_come_in_time, setup, teardown),
        cmocka_unit_test_setup_teardown(an_alarm_is_not_missed_when_the_source_is_set_forward, setup, teardown),
        cmocka_unit_test_setup_teardown(without_a_source_it_is_the_machines_clock_again, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
