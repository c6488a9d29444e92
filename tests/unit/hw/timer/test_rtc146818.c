/* The MC146818: calendar, formats, update cycle, the three interrupts, CMOS. */
#include "tests/unit/hw/probe.h"

#include "hw/core/clock.h"
#include "hw/timer/rtc146818.h"

enum { SEC, SEC_ALARM, MIN, MIN_ALARM, HOUR, HOUR_ALARM, WEEKDAY, DAY, MONTH, YEAR, A, B, C, D, CENTURY = 0x32 };

#define START 1709251199 /* 2024-02-29 23:59:59, a Thursday */

static struct clock *fake;
static struct probe irq8;
static struct rtc146818 *rtc;

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
    clock_advance(fake, 123456789); /* a machine that has run for a while */
    rtc = rtc146818_create(fake, START, probe_wire(&irq8));
    return 0;
}

static int teardown(void **state)
{
    rtc146818_destroy(rtc);
    clock_destroy(fake);
    return 0;
}

static void assert_time(unsigned century, unsigned year, unsigned month, unsigned day, unsigned weekday, unsigned hour,
                        unsigned min, unsigned sec)
{
    assert_int_equal(get(CENTURY), century);
    assert_int_equal(get(YEAR), year);
    assert_int_equal(get(MONTH), month);
    assert_int_equal(get(DAY), day);
    assert_int_equal(get(WEEKDAY), weekday);
    assert_int_equal(get(HOUR), hour);
    assert_int_equal(get(MIN), min);
    assert_int_equal(get(SEC), sec);
}

static void time_starts_as_given_and_runs(void **state)
{
    assert_time(0x20, 0x24, 0x02, 0x29, 5, 0x23, 0x59, 0x59);
    clock_advance(fake, NS_PER_SECOND - 1);
    assert_int_equal(get(SEC), 0x59);
    clock_advance(fake, 1);
    assert_time(0x20, 0x24, 0x03, 0x01, 6, 0x00, 0x00, 0x00);
    clock_advance(fake, 366ll * 86400 * NS_PER_SECOND);
    assert_time(0x20, 0x25, 0x03, 0x02, 1, 0x00, 0x00, 0x00);
    assert_int_equal(get(D), 0x80);
    assert_int_equal(get(A), 0x26);
    assert_int_equal(get(B), 0x02);
}

static void time_before_1970_works_too(void **state)
{
    struct rtc146818 *old = rtc146818_create(fake, -1, (struct irq){0});
    port_out(&rtc146818_ops, old, 0, YEAR);
    assert_int_equal(port_in(&rtc146818_ops, old, 1), 0x69);
    port_out(&rtc146818_ops, old, 0, DAY);
    assert_int_equal(port_in(&rtc146818_ops, old, 1), 0x31);
    port_out(&rtc146818_ops, old, 0, WEEKDAY);
    assert_int_equal(port_in(&rtc146818_ops, old, 1), 4);
    rtc146818_destroy(old);
    rtc146818_destroy(NULL);
}

static void every_day_of_two_centuries_follows_the_one_before(void **state)
{
    static const uint8_t length[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    unsigned year = 1900, month = 1, day = 1;
    put(B, 0x86); /* SET, binary, 24-hour */
    put(CENTURY, 19), put(YEAR, 0), put(MONTH, 1), put(DAY, 1), put(WEEKDAY, 2), put(HOUR, 12);
    put(B, 0x06);
    for (unsigned n = 0; n < 73600; n++) {
        assert_int_equal(get(CENTURY) * 100 + get(YEAR), year);
        assert_int_equal(get(MONTH), month);
        assert_int_equal(get(DAY), day);
        assert_int_equal(get(WEEKDAY), (n + 1) % 7 + 1);
        bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
        if (++day > length[month - 1] + (unsigned)(month == 2 && leap)) {
            day = 1;
            if (++month > 12) {
                month = 1;
                year++;
            }
        }
        clock_advance(fake, 86400 * NS_PER_SECOND);
    }
}

static void formats_follow_register_b(void **state)
{
    put(B, 0x06); /* binary, 24-hour */
    assert_time(20, 24, 2, 29, 5, 23, 59, 59);
    put(B, 0x04); /* binary, 12-hour */
    assert_int_equal(get(HOUR), 0x80 | 11);
    put(B, 0x00);
    assert_int_equal(get(HOUR), 0x91);
    clock_advance(fake, NS_PER_SECOND);
    assert_int_equal(get(HOUR), 0x12); /* midnight is 12 AM */
    clock_advance(fake, 12 * 3600 * NS_PER_SECOND);
    assert_int_equal(get(HOUR), 0x92);
    put(HOUR, 0x81); /* 1 PM */
    put(B, 0x02);
    assert_int_equal(get(HOUR), 0x13);
}

static void set_halts_the_time_until_it_is_cleared(void **state)
{
    put(B, 0x92); /* SET; UIE is cleared by it */
    assert_int_equal(get(B), 0x82);
    put(CENTURY, 0x19), put(YEAR, 0x99), put(MONTH, 0x12), put(DAY, 0x31), put(WEEKDAY, 6);
    put(HOUR, 0x23), put(MIN, 0x59), put(SEC, 0x58);
    clock_advance(fake, 10 * NS_PER_SECOND + NS_PER_SECOND / 4);
    assert_time(0x19, 0x99, 0x12, 0x31, 6, 0x23, 0x59, 0x58);
    put(B, 0x02);
    assert_int_equal(get(SEC), 0x58);
    clock_advance(fake, NS_PER_SECOND * 3 / 4); /* SET does not stop the divider: seconds begin where they did */
    assert_int_equal(get(SEC), 0x59);
    clock_advance(fake, NS_PER_SECOND);
    assert_time(0x20, 0x00, 0x01, 0x01, 7, 0x00, 0x00, 0x00);
}

static void time_can_be_written_while_it_runs(void **state)
{
    put(MIN, 0x10);
    put(SEC, 0x20);
    assert_time(0x20, 0x24, 0x02, 0x29, 5, 0x23, 0x10, 0x20);
    clock_advance(fake, NS_PER_SECOND);
    assert_int_equal(get(SEC), 0x21);
}

static void impossible_bytes_are_kept_while_set_and_clamped_after(void **state)
{
    put(B, 0x82);
    for (uint8_t i = 0; i < 10; i++)
        put(i, 0xee);
    put(CENTURY, 0xff);
    assert_int_equal(get(MONTH), 0xee);
    put(B, 0x02);
    assert_int_equal(get(MONTH), 0x12);
    assert_int_equal(get(HOUR), 0x23);
    put(B, 0x82);
    put(MONTH, 0), put(DAY, 0), put(WEEKDAY, 0);
    put(B, 0x02);
    assert_int_equal(get(MONTH), 0x01);
    assert_int_equal(get(DAY), 0x01);
}

static void the_divider_holds_time_and_starts_it_after_half_a_second(void **state)
{
    put(A, 0x76);
    clock_advance(fake, 5 * NS_PER_SECOND);
    assert_int_equal(get(SEC), 0x59);
    assert_int_equal(get(C), 0);
    put(A, 0x26);
    clock_advance(fake, NS_PER_SECOND / 2 - 1);
    assert_int_equal(get(SEC), 0x59);
    clock_advance(fake, 1);
    assert_int_equal(get(SEC), 0x00);
}

static void uip_warns_before_the_update(void **state)
{
    assert_int_equal(get(A) & 0x80, 0);
    clock_advance(fake, NS_PER_SECOND - 2300 * NS_PER_US);
    assert_int_equal(get(A) & 0x80, 0);
    clock_advance(fake, 100 * NS_PER_US);
    assert_int_equal(get(A) & 0x80, 0x80);
    put(A, 0xa6); /* read-only */
    clock_advance(fake, 2200 * NS_PER_US);
    assert_int_equal(get(A), 0x26);
    put(B, 0x82);
    clock_advance(fake, NS_PER_SECOND - 1 * NS_PER_MS);
    assert_int_equal(get(A) & 0x80, 0);
}

static void update_ended_interrupts_every_second(void **state)
{
    put(B, 0x12);
    clock_advance(fake, NS_PER_SECOND);
    assert_true(irq8.level);
    assert_int_equal(get(C) & 0x90, 0x90);
    assert_false(irq8.level);
    assert_int_equal(get(C), 0);
    clock_advance(fake, 5 * NS_PER_SECOND);
    assert_int_equal(irq8.rises, 2); /* held until register C is read */
}

static void flags_are_set_without_their_interrupts(void **state)
{
    clock_advance(fake, NS_PER_SECOND);
    assert_int_equal(irq8.rises, 0);
    assert_int_equal(get(C) & 0xd0, 0x50); /* UF and PF, no IRQF */
    put(B, 0x12);
    clock_advance(fake, NS_PER_SECOND);
    get(C);
    clock_advance(fake, NS_PER_SECOND);
    put(B, 0x02);
    assert_false(irq8.level); /* disabled while pending */
    put(B, 0x12);
    assert_true(irq8.level);
}

static void periodic_rates_are_exact(void **state)
{
    static const unsigned hz[16] = {0, 256, 128, 8192, 4096, 2048, 1024, 512, 256, 128, 64, 32, 16, 8, 4, 2};
    put(B, 0x42);
    for (unsigned rs = 0; rs < 16; rs++) {
        put(A, (uint8_t)(0x20 | rs));
        get(C);
        irq8.rises = 0;
        int64_t end = clock_now_ns(fake) + 2 * NS_PER_SECOND;
        while (clock_next_deadline_ns(fake) <= end) {
            clock_advance(fake, clock_next_deadline_ns(fake) - clock_now_ns(fake));
            assert_int_equal(get(C) & 0xc0, 0xc0);
        }
        clock_advance(fake, end - clock_now_ns(fake));
        get(C);
        assert_int_equal(irq8.rises, 2 * hz[rs]);
    }
}

static unsigned seconds_until_alarm(unsigned limit)
{
    get(C);
    for (unsigned s = 1; s <= limit; s++) {
        clock_advance(fake, NS_PER_SECOND);
        if (irq8.level) {
            assert_int_equal(get(C) & 0xa0, 0xa0);
            return s;
        }
    }
    return 0;
}

static void the_alarm_matches_time_and_wildcards(void **state)
{
    put(SEC_ALARM, 0x05), put(MIN_ALARM, 0x02), put(HOUR_ALARM, 0x01);
    put(B, 0x22);
    assert_int_equal(seconds_until_alarm(4000), 1 + 3600 + 2 * 60 + 5);
    put(HOUR_ALARM, 0xff);
    assert_int_equal(seconds_until_alarm(4000), 3600);
    put(MIN_ALARM, 0xc0);
    assert_int_equal(seconds_until_alarm(100), 60);
    put(SEC_ALARM, 0xff);
    assert_int_equal(seconds_until_alarm(10), 1);
    put(SEC_ALARM, 0x7a); /* no such second */
    assert_int_equal(seconds_until_alarm(100), 0);
    assert_true(clock_next_deadline_ns(fake) == CLOCK_NEVER);
    put(B, 0x20); /* 12-hour: the alarm byte has its own PM bit */
    put(SEC_ALARM, 0x00), put(MIN_ALARM, 0x00), put(HOUR_ALARM, 0x81);
    put(HOUR, 0x92), put(MIN, 0x59), put(SEC, 0x50);
    assert_int_equal(seconds_until_alarm(100), 10);
}

static void an_alarm_that_nobody_waited_for_leaves_its_flag(void **state)
{
    put(SEC_ALARM, 0x30), put(MIN_ALARM, 0xff), put(HOUR_ALARM, 0xff);
    get(C);
    clock_advance(fake, 20 * NS_PER_SECOND);
    assert_int_equal(get(C) & 0x20, 0);
    clock_advance(fake, 20 * NS_PER_SECOND);
    assert_int_equal(get(C) & 0x20, 0x20);
}

static void cmos_bytes_are_ram_and_the_board_can_preset_them(void **state)
{
    put(0x7f, 0x12);
    assert_int_equal(get(0x7f), 0x12);
    assert_int_equal(get(0xff), 0x12); /* bit 7 is the NMI mask */
    rtc146818_set_cmos(rtc, 0x10, 0x40);
    assert_int_equal(get(0x10), 0x40);
    assert_int_equal(rtc146818_get_cmos(rtc, 0x10), 0x40);
    rtc146818_set_cmos(rtc, 0x0a, 0xff); /* not RAM */
    assert_int_equal(get(A), 0x26);
    rtc146818_set_cmos(rtc, 0x80, 1);
    assert_int_equal(rtc146818_get_cmos(rtc, 0x80), 0xff);
    put(C, 0xff);
    put(D, 0xff);
    assert_int_equal(get(D), 0x80);
    assert_int_equal(port_in(&rtc146818_ops, rtc, 0), 0xff);
}

static void bit_7_of_the_index_masks_nmi(void **state)
{
    assert_false(rtc146818_nmi_is_masked(rtc));
    get(0x8d);
    assert_true(rtc146818_nmi_is_masked(rtc));
    get(0x0d);
    assert_false(rtc146818_nmi_is_masked(rtc));
}

static void reset_clears_enables_and_flags_only(void **state)
{
    put(B, 0x7a);
    put(0x20, 0x55);
    clock_advance(fake, NS_PER_SECOND);
    assert_true(irq8.level);
    rtc146818_reset(rtc);
    assert_false(irq8.level);
    assert_int_equal(get(C), 0);
    assert_int_equal(get(B), 0x02);
    assert_int_equal(get(0x20), 0x55);
    assert_int_equal(get(SEC), 0x00);
}

static void daylight_saving_is_accepted_and_ignored(void **state)
{
    put(B, 0x03);
    assert_int_equal(get(B), 0x03);
    assert_int_equal(get(HOUR), 0x23);
}

static void state_survives_save_and_load_between_interrupts(void **state)
{
    struct probe copy_irq = {0};
    struct rtc146818 *copy = rtc146818_create(fake, 0, probe_wire(&copy_irq));
    put(B, 0x52);
    put(A, 0x2c);
    clock_advance(fake, 10 * NS_PER_MS);
    get(C);
    copy_state(rtc146818_state_desc(), rtc, copy);
    rtc146818_after_load(copy);
    irq8.rises = 0;
    clock_advance(fake, 3 * NS_PER_SECOND / 4);
    assert_int_equal(irq8.rises, 1);
    assert_int_equal(copy_irq.rises, 1);
    port_out(&rtc146818_ops, copy, 0, HOUR);
    assert_int_equal(port_in(&rtc146818_ops, copy, 1), get(HOUR));
    port_out(&rtc146818_ops, copy, 0, YEAR);
    assert_int_equal(port_in(&rtc146818_ops, copy, 1), get(YEAR));
    assert_null(state_difference(rtc146818_state_desc(), rtc, copy));
    rtc146818_destroy(copy);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(time_starts_as_given_and_runs),
        TEST(time_before_1970_works_too),
        TEST(every_day_of_two_centuries_follows_the_one_before),
        TEST(formats_follow_register_b),
        TEST(set_halts_the_time_until_it_is_cleared),
        TEST(time_can_be_written_while_it_runs),
        TEST(impossible_bytes_are_kept_while_set_and_clamped_after),
        TEST(the_divider_holds_time_and_starts_it_after_half_a_second),
        TEST(uip_warns_before_the_update),
        TEST(update_ended_interrupts_every_second),
        TEST(flags_are_set_without_their_interrupts),
        TEST(periodic_rates_are_exact),
        TEST(the_alarm_matches_time_and_wildcards),
        TEST(an_alarm_that_nobody_waited_for_leaves_its_flag),
        TEST(cmos_bytes_are_ram_and_the_board_can_preset_them),
        TEST(bit_7_of_the_index_masks_nmi),
        TEST(reset_clears_enables_and_flags_only),
        TEST(daylight_saving_is_accepted_and_ignored),
        TEST(state_survives_save_and_load_between_interrupts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
