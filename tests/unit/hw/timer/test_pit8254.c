/* The 8254: counts and OUT in every mode, latches, gates, and the edges on its wires. */
#include "tests/unit/hw/probe.h"

#include "hw/core/clock.h"
#include "hw/timer/pit8254.h"

static struct clock *fake;
static struct probe out[3];
static struct pit8254 *pit;
static int64_t clk; /* CLKs since creation, where the clock stands */

/* Moves the clock to the start of CLK number clk + n. */
static void clks(int64_t n)
{
    clk += n;
    int64_t ns = (int64_t)(((__int128)clk * NS_PER_SECOND + PIT8254_HZ - 1) / PIT8254_HZ);
    clock_advance(fake, ns - clock_now_ns(fake));
}

static void control(uint8_t value)
{
    port_out(&pit8254_ops, pit, 3, value);
}

static void write_byte(unsigned n, uint8_t value)
{
    port_out(&pit8254_ops, pit, n, value);
}

static uint8_t read_byte(unsigned n)
{
    return port_in(&pit8254_ops, pit, n);
}

/* Programs a two-byte count; ends at the CLK that loads it. */
static void program(unsigned n, unsigned mode, uint16_t count)
{
    control((uint8_t)(n << 6 | 0x30 | mode << 1));
    write_byte(n, count & 0xff);
    write_byte(n, count >> 8);
    clks(1);
}

static unsigned count_of(unsigned n)
{
    control((uint8_t)(n << 6)); /* latch */
    unsigned low = read_byte(n);
    return low | (unsigned)read_byte(n) << 8;
}

static uint8_t status_of(unsigned n)
{
    control((uint8_t)(0xe0 | 2 << n));
    return read_byte(n);
}

static int setup(void **state)
{
    fake = clock_create_fake();
    for (unsigned i = 0; i < 3; i++)
        out[i] = (struct probe){0};
    pit = pit8254_create(fake, (struct irq[3]){probe_wire(&out[0]), probe_wire(&out[1]), {0}});
    clk = 0;
    return 0;
}

static int teardown(void **state)
{
    pit8254_destroy(pit);
    clock_destroy(fake);
    return 0;
}

static void mode_0_raises_out_once_and_counts_on(void **state)
{
    program(0, 0, 5);
    assert_false(pit8254_out(pit, 0));
    assert_int_equal(count_of(0), 5);
    clks(4);
    assert_int_equal(count_of(0), 1);
    assert_false(pit8254_out(pit, 0));
    clks(1);
    assert_int_equal(count_of(0), 0);
    assert_true(pit8254_out(pit, 0));
    clks(2);
    assert_int_equal(count_of(0), 0xfffe);
    assert_true(pit8254_out(pit, 0));
    write_byte(0, 9); /* the first of two bytes stops it and lowers OUT */
    assert_false(pit8254_out(pit, 0));
    clks(100);
    assert_int_equal(count_of(0), 0xfffe);
    write_byte(0, 0);
    clks(1 + 9);
    assert_true(pit8254_out(pit, 0));
}

static void mode_0_stops_while_its_gate_is_low(void **state)
{
    program(2, 0, 10);
    clks(3);
    pit8254_set_gate(pit, 2, false);
    assert_false(pit8254_gate(pit, 2));
    clks(50);
    assert_int_equal(count_of(2), 7);
    pit8254_set_gate(pit, 2, true);
    pit8254_set_gate(pit, 2, true);
    clks(6);
    assert_int_equal(count_of(2), 1);
    assert_false(pit8254_out(pit, 2));
    clks(1);
    assert_true(pit8254_out(pit, 2));
    pit8254_set_gate(pit, 2, false);
    control(0xb0);
    write_byte(2, 0x55); /* half a count, */
    program(2, 0, 4);    /* forgotten with the control word. Loaded, but held */
    clks(10);
    assert_int_equal(count_of(2), 4);
    assert_false(pit8254_out(pit, 2));
}

static void mode_1_is_started_and_restarted_by_its_gate(void **state)
{
    pit8254_set_gate(pit, 2, false);
    program(2, 1, 6);
    clks(20);
    assert_true(pit8254_out(pit, 2));
    assert_int_equal(status_of(2), 0xf2); /* OUT, null count: not loaded before the trigger */
    pit8254_set_gate(pit, 2, true);
    clks(1);
    assert_false(pit8254_out(pit, 2));
    assert_int_equal(status_of(2), 0x32);
    clks(5);
    pit8254_set_gate(pit, 2, false); /* a low gate does not stop it */
    assert_int_equal(count_of(2), 1);
    pit8254_set_gate(pit, 2, true); /* retrigger */
    clks(1);
    assert_int_equal(count_of(2), 6);
    clks(5);
    assert_false(pit8254_out(pit, 2));
    clks(1);
    assert_true(pit8254_out(pit, 2));
    write_byte(2, 3);
    write_byte(2, 0);
    assert_true(pit8254_out(pit, 2)); /* a new count waits for the trigger */
    pit8254_set_gate(pit, 2, false);
    pit8254_set_gate(pit, 2, true);
    clks(1 + 3);
    assert_true(pit8254_out(pit, 2));
}

static void mode_2_goes_low_for_the_last_clk_of_each_period(void **state)
{
    program(2, 2, 4);
    for (unsigned i = 0; i < 12; i++) {
        assert_int_equal(count_of(2), 4 - i % 4);
        assert_int_equal(pit8254_out(pit, 2), i % 4 != 3);
        clks(1);
    }
}

static void mode_3_halves_even_and_odd_counts(void **state)
{
    static const uint8_t even[] = {6, 4, 2, 6, 4, 2}, odd[] = {4, 2, 0, 4, 2};
    program(2, 3, 6);
    for (unsigned i = 0; i < 12; i++) {
        assert_int_equal(count_of(2), even[i % 6]);
        assert_int_equal(pit8254_out(pit, 2), i % 6 < 3);
        clks(1);
    }
    program(2, 7, 5); /* mode 7 is mode 3 */
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(count_of(2), odd[i % 5]);
        assert_int_equal(pit8254_out(pit, 2), i % 5 < 3);
        clks(1);
    }
}

static void periodic_modes_start_over_when_their_gate_opens(void **state)
{
    program(2, 3, 10);
    clks(7);
    assert_false(pit8254_out(pit, 2));
    pit8254_set_gate(pit, 2, false);
    assert_true(pit8254_out(pit, 2)); /* high at once */
    clks(30);
    assert_int_equal(count_of(2), 6); /* and still */
    write_byte(2, 20);
    write_byte(2, 0);
    pit8254_set_gate(pit, 2, true);
    clks(1);
    assert_int_equal(count_of(2), 20);
    assert_true(pit8254_out(pit, 2));
    program(2, 2, 10);
    clks(9);
    assert_false(pit8254_out(pit, 2));
    pit8254_set_gate(pit, 2, false);
    assert_true(pit8254_out(pit, 2));
}

static void mode_4_strobes_once_and_mode_5_on_its_gate(void **state)
{
    program(2, 4, 3);
    clks(2);
    assert_true(pit8254_out(pit, 2));
    clks(1);
    assert_false(pit8254_out(pit, 2));
    clks(1);
    assert_true(pit8254_out(pit, 2));
    clks(0x10000 - 1);
    assert_true(pit8254_out(pit, 2)); /* the count comes round, the strobe does not */
    pit8254_set_gate(pit, 2, false);
    program(2, 5, 3);
    clks(10);
    assert_true(pit8254_out(pit, 2));
    pit8254_set_gate(pit, 2, true);
    clks(1 + 3);
    assert_false(pit8254_out(pit, 2));
    clks(1);
    assert_true(pit8254_out(pit, 2));
}

static void a_new_count_waits_for_the_end_of_the_period(void **state)
{
    program(2, 2, 10);
    clks(4);
    write_byte(2, 100);
    write_byte(2, 0);
    assert_int_equal(status_of(2) & 0x40, 0x40); /* null count */
    clks(5);
    assert_int_equal(count_of(2), 1);
    clks(1);
    assert_int_equal(count_of(2), 100);
    assert_int_equal(status_of(2) & 0x40, 0);
    program(2, 3, 10);
    clks(2); /* in the high half, which ends after 5 */
    write_byte(2, 40);
    write_byte(2, 0);
    clks(3);
    assert_false(pit8254_out(pit, 2)); /* the new count begins with the low half */
    assert_int_equal(count_of(2), 40);
    clks(19);
    assert_false(pit8254_out(pit, 2));
    clks(1);
    assert_true(pit8254_out(pit, 2));
}

static void bcd_counts_in_decimal(void **state)
{
    control(0xb1); /* counter 2, two bytes, mode 0, BCD */
    write_byte(2, 0x34);
    write_byte(2, 0x12);
    clks(1);
    assert_int_equal(count_of(2), 0x1234);
    clks(235);
    assert_int_equal(count_of(2), 0x0999);
    clks(999);
    assert_int_equal(count_of(2), 0x0000);
    assert_true(pit8254_out(pit, 2));
    clks(1);
    assert_int_equal(count_of(2), 0x9999);
    control(0xb5); /* mode 2: 0 stands for 10000 */
    write_byte(2, 0);
    write_byte(2, 0);
    clks(1 + 1);
    assert_int_equal(count_of(2), 0x9999);
    clks(9999);
    assert_int_equal(count_of(2), 0x0000);
}

static void one_byte_access_writes_and_reads_one_half(void **state)
{
    control(0x94); /* counter 2, low byte, mode 2 */
    write_byte(2, 0x80);
    clks(1 + 1);
    assert_int_equal(read_byte(2), 0x7f);
    assert_int_equal(read_byte(2), 0x7f);
    control(0x80);
    clks(1);
    assert_int_equal(read_byte(2), 0x7f); /* latched */
    assert_int_equal(read_byte(2), 0x7e); /* live */
    control(0xa4);                        /* high byte */
    write_byte(2, 0x12);
    clks(1);
    assert_int_equal(read_byte(2), 0x12);
    clks(1);
    assert_int_equal(read_byte(2), 0x11);
}

static void latched_count_survives_ticks_and_a_second_latch(void **state)
{
    program(0, 2, 1000);
    clks(100);
    control(0x00);
    clks(50);
    control(0x00);
    assert_int_equal(read_byte(0), 900 & 0xff);
    clks(50);
    assert_int_equal(read_byte(0), 900 >> 8);
    assert_int_equal(read_byte(0), 800 & 0xff); /* live again */
    assert_int_equal(read_byte(0), 800 >> 8);
    control(0x00);
    control(0x34); /* a control word drops the latch */
    write_byte(0, 5);
    write_byte(0, 0);
    clks(1);
    assert_int_equal(read_byte(0), 5);
}

static void read_back_latches_count_and_status_of_the_chosen(void **state)
{
    program(0, 2, 1000);
    program(2, 3, 0x2000);
    clks(16);
    control(0xca); /* count and status of 0 and 2 */
    clks(500);
    control(0xca); /* ignored until read */
    assert_int_equal(read_byte(0), 0x80 | 0x34);
    assert_int_equal(read_byte(0), (1000 - 17) & 0xff);
    assert_int_equal(read_byte(0), (1000 - 17) >> 8);
    assert_int_equal(read_byte(2), 0x80 | 0x36);
    assert_int_equal(read_byte(2), (0x2000 - 32) & 0xff);
    assert_int_equal(read_byte(2), (0x2000 - 32) >> 8);
    control(0xd8); /* count only, of 2: counter 0 stays live */
    assert_int_equal(read_byte(0), (1000 - 517) & 0xff);
    assert_int_equal(read_byte(0), (1000 - 517) >> 8);
    control(0x30); /* no count yet */
    assert_int_equal(status_of(0), 0x70);
    assert_int_equal(read_byte(3), 0xff);
}

/* ---- wires ---- */

static void irq0_edges_do_not_drift(void **state)
{
    program(0, 2, 1193);
    unsigned before = out[0].rises;
    clock_advance(fake, 3600 * NS_PER_SECOND);
    assert_int_equal(out[0].rises - before, 3600ll * PIT8254_HZ / 1193);
    assert_true(out[0].level);
}

static void the_first_edge_comes_at_its_clk(void **state)
{
    program(0, 2, 11932);
    unsigned before = out[0].rises;
    clks(11931);
    assert_int_equal(out[0].rises, before);
    clks(1);
    assert_int_equal(out[0].rises, before + 1);
}

static void mode_3_shows_both_edges_on_the_wire(void **state)
{
    program(0, 3, 0);
    assert_true(out[0].level);
    clks(32767);
    assert_true(out[0].level);
    clks(1);
    assert_false(out[0].level);
    clks(32768);
    assert_true(out[0].level);
    unsigned rises = out[0].rises, falls = out[0].falls;
    clks(65536 * 10);
    assert_int_equal(out[0].rises, rises + 10);
    assert_int_equal(out[0].falls, falls + 10);
}

static void one_shots_raise_the_wire_once(void **state)
{
    program(0, 0, 500);
    unsigned before = out[0].rises;
    assert_false(out[0].level);
    clks(499);
    assert_false(out[0].level);
    clks(1);
    assert_int_equal(out[0].rises, before + 1);
    clks(200000);
    assert_int_equal(out[0].rises, before + 1);
    program(0, 4, 500);
    assert_true(out[0].level);
    unsigned falls = out[0].falls;
    clks(500);
    assert_true(pit8254_out(pit, 0) == false);
    assert_int_equal(out[0].falls, falls); /* the strobe itself is left out */
    assert_int_equal(out[0].rises, before + 1);
    clks(1);
    assert_int_equal(out[0].rises, before + 2);
    clks(200000);
    assert_int_equal(out[0].rises, before + 2);
    /* mode 0 to mode 2: OUT goes high with the control word */
    program(0, 0, 500);
    control(0x34);
    assert_int_equal(out[0].rises, before + 3);
}

static void a_new_count_keeps_the_wire_in_step(void **state)
{
    program(0, 2, 2000);
    clks(500);
    unsigned before = out[0].rises;
    write_byte(0, 0x88);
    write_byte(0, 0x13); /* 5000 */
    clks(1499);
    assert_int_equal(out[0].rises, before);
    clks(1);
    assert_int_equal(out[0].rises, before + 1);
    clks(4999);
    assert_int_equal(out[0].rises, before + 1);
    clks(1);
    assert_int_equal(out[0].rises, before + 2);
    write_byte(0, 100);
    write_byte(0, 0);
    clks(5000 + 100 * 30);
    assert_int_equal(out[0].rises, before + 33);
}

static void tiny_counts_do_not_storm_the_host(void **state)
{
    for (unsigned mode = 2; mode <= 3; mode++) {
        for (uint16_t count = 1; count <= 4; count++) {
            program(0, mode, count);
            unsigned before = out[0].rises;
            clock_advance(fake, NS_PER_SECOND);
            assert_in_range(out[0].rises - before, count == 1 ? 0 : 1000, count == 1 ? 0 : 50001);
            clk = 0;
            pit8254_destroy(pit);
            clock_destroy(fake);
            setup(NULL);
        }
    }
}

static void a_late_host_loses_edges_but_never_the_level(void **state)
{
    struct clock *host = clock_create_host();
    struct probe wire = {0};
    struct pit8254 *late = pit8254_create(host, (struct irq[3]){probe_wire(&wire)});
    port_out(&pit8254_ops, late, 3, 0x36);
    port_out(&pit8254_ops, late, 0, 0xa9); /* 1 kHz square wave */
    port_out(&pit8254_ops, late, 0, 0x04);
    unsigned before = wire.rises;
    int64_t end = clock_now_ns(host) + 5 * NS_PER_MS + 700 * NS_PER_US;
    while (clock_now_ns(host) < end)
        continue;
    clock_run_due(host); /* about five periods went by: one edge, and the request stays up though OUT is low */
    assert_int_equal(wire.rises, before + 1);
    assert_true(wire.level);
    pit8254_destroy(late);
    clock_destroy(host);
}

static void gates_reach_the_wire(void **state)
{
    program(1, 3, 0x1000);
    clks(0x900);
    assert_false(out[1].level);
    pit8254_set_gate(pit, 1, false);
    assert_true(out[1].level);
    clks(0x5000);
    assert_true(out[1].level);
    pit8254_set_gate(pit, 1, true);
    clks(1 + 0x800);
    assert_false(out[1].level);
}

static void reset_silences_the_counters_but_not_the_gates(void **state)
{
    pit8254_set_gate(pit, 2, false);
    program(0, 3, 1000);
    clks(700);
    pit8254_reset(pit);
    assert_true(clock_next_deadline_ns(fake) == CLOCK_NEVER);
    unsigned before = out[0].rises;
    clks(100000);
    assert_int_equal(out[0].rises, before);
    assert_true(out[0].level);
    assert_false(pit8254_gate(pit, 2));
    pit8254_destroy(NULL);
}

static void state_survives_save_and_load_in_mid_count(void **state)
{
    struct probe wire = {0};
    struct pit8254 *copy = pit8254_create(fake, (struct irq[3]){probe_wire(&wire)});
    program(0, 3, 5000);
    write_byte(0, 0x34); /* half a count */
    clks(1200);
    control(0xc2); /* latch */
    for (unsigned i = 0; i < 3; i++)
        pit8254_out(pit, i); /* brings all three up to now, as after_load will */
    copy_state(pit8254_state_desc(), pit, copy);
    pit8254_after_load(copy);
    assert_null(state_difference(pit8254_state_desc(), pit, copy));
    assert_true(wire.level);
    write_byte(0, 0x12);
    port_out(&pit8254_ops, copy, 0, 0x12);
    unsigned n = out[0].rises;
    wire.rises = n;
    clks(50000);
    assert_true(out[0].rises > n);
    assert_int_equal(out[0].rises, wire.rises);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(read_byte(0), port_in(&pit8254_ops, copy, 0));
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(pit8254_out(pit, i), pit8254_out(copy, i));
    assert_null(state_difference(pit8254_state_desc(), pit, copy));
    pit8254_destroy(copy);
}

static void wild_saved_state_is_made_harmless(void **state)
{
    size_t size = state_size(pit8254_state_desc());
    uint8_t *saved = calloc(1, size);
    assert_true(state_load(pit8254_state_desc(), pit, saved, size)); /* a count of 0 */
    pit8254_after_load(pit);
    clks(10);
    count_of(0);
    for (size_t i = 0; i < 3; i++)
        saved[3 + i] = 0x7f; /* an impossible phase */
    assert_true(state_load(pit8254_state_desc(), pit, saved, size));
    pit8254_after_load(pit);
    assert_int_equal(status_of(1) & 0x40, 0x40);
    free(saved);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(mode_0_raises_out_once_and_counts_on),
        TEST(mode_0_stops_while_its_gate_is_low),
        TEST(mode_1_is_started_and_restarted_by_its_gate),
        TEST(mode_2_goes_low_for_the_last_clk_of_each_period),
        TEST(mode_3_halves_even_and_odd_counts),
        TEST(periodic_modes_start_over_when_their_gate_opens),
        TEST(mode_4_strobes_once_and_mode_5_on_its_gate),
        TEST(a_new_count_waits_for_the_end_of_the_period),
        TEST(bcd_counts_in_decimal),
        TEST(one_byte_access_writes_and_reads_one_half),
        TEST(latched_count_survives_ticks_and_a_second_latch),
        TEST(read_back_latches_count_and_status_of_the_chosen),
        TEST(irq0_edges_do_not_drift),
        TEST(the_first_edge_comes_at_its_clk),
        TEST(mode_3_shows_both_edges_on_the_wire),
        TEST(one_shots_raise_the_wire_once),
        TEST(a_new_count_keeps_the_wire_in_step),
        TEST(tiny_counts_do_not_storm_the_host),
        TEST(a_late_host_loses_edges_but_never_the_level),
        TEST(gates_reach_the_wire),
        TEST(reset_silences_the_counters_but_not_the_gates),
        TEST(state_survives_save_and_load_in_mid_count),
        TEST(wild_saved_state_is_made_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
