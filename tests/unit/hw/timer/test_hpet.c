/* HPET: counter, comparators in both modes and sizes, interrupt routing, legacy replacement. */
#include <string.h>

#include "hw/timer/hpet.h"
#include "tests/unit/hw/nonsense.h"
#include "tests/unit/hw/probe.h"

enum { CAP = 0x000, CONF = 0x010, STATUS = 0x020, COUNT = 0x0f0 };
enum { ENABLE = 1, LEGACY = 2 };
enum { T_LEVEL = 1 << 1, T_INT = 1 << 2, T_PERIODIC = 1 << 3, T_CAPS = 0x30, T_SET = 1 << 6, T_32 = 1 << 8 };
#define T_CONF(n)  (0x100u + 0x20 * (n))
#define T_CMP(n)   (0x108u + 0x20 * (n))
#define T_ROUTE(n) ((n) << 9)
#define TICKS(n)   ((n)*10ll)

#define START_NS 123456789

struct rig {
    struct clock *clock;
    struct hpet *hpet;
    struct probe pin[32], legacy[2];
    bool replaces;
};

static void set_pin(void *opaque, int n, bool level)
{
    probe_set(&((struct rig *)opaque)->pin[n], n, level);
}

static void legacy_changed(void *opaque, bool replaces)
{
    ((struct rig *)opaque)->replaces = replaces;
}

static struct hpet *create_chip(struct rig *rig)
{
    return hpet_create(rig->clock,
                       &(struct hpet_wires){.set_pin = set_pin,
                                            .routes = 1u << 2 | 1u << 20,
                                            .legacy = {probe_wire(&rig->legacy[0]), probe_wire(&rig->legacy[1])},
                                            .legacy_changed = legacy_changed,
                                            .opaque = rig});
}

static int setup(void **state)
{
    struct rig *rig = calloc(1, sizeof *rig);

    rig->clock = clock_create_fake();
    clock_advance(rig->clock, START_NS);
    rig->hpet = create_chip(rig);
    assert_non_null(rig->hpet);
    *state = rig;
    return 0;
}

static int teardown(void **state)
{
    struct rig *rig = *state;

    hpet_destroy(rig->hpet);
    clock_destroy(rig->clock);
    free(rig);
    return 0;
}

static uint32_t in(struct rig *rig, uint32_t reg)
{
    return hpet_ops.read(rig->hpet, reg, 4);
}

static uint64_t in64(struct rig *rig, uint32_t reg)
{
    return in(rig, reg) | (uint64_t)in(rig, reg + 4) << 32;
}

static void out(struct rig *rig, uint32_t reg, uint32_t value)
{
    hpet_ops.write(rig->hpet, reg, value, 4);
}

static void out64(struct rig *rig, uint32_t reg, uint64_t value)
{
    out(rig, reg, (uint32_t)value);
    out(rig, reg + 4, (uint32_t)(value >> 32));
}

static void advance(struct rig *rig, int64_t ticks)
{
    clock_advance(rig->clock, TICKS(ticks));
}

static void capabilities_tell_100_mhz_and_three_timers(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(in(rig, CAP), 0x8086a201);
    assert_int_equal(in(rig, CAP + 4), 10000000);
    for (unsigned n = 0; n < 3; n++) {
        assert_int_equal(in(rig, T_CONF(n)), T_CAPS);
        assert_int_equal(in(rig, T_CONF(n) + 4), 1u << 2 | 1u << 20);
        assert_true(in64(rig, T_CMP(n)) == UINT64_MAX);
        assert_int_equal(in(rig, T_CONF(n) + 0x10), 0);
    }
    assert_int_equal(in(rig, T_CONF(3)), 0);
    assert_int_equal(in(rig, 0x3fc), 0);
    out(rig, CAP, 0);
    assert_int_equal(in(rig, CAP), 0x8086a201);
    assert_int_equal(hpet_ops.read(rig->hpet, CAP + 2, 2), 0x8086);
}

static void the_counter_runs_while_enabled(void **state)
{
    struct rig *rig = *state;

    advance(rig, 1000);
    assert_int_equal(in(rig, COUNT), 0);
    out64(rig, COUNT, 0x1fffffff0);
    out(rig, CONF, ENABLE);
    advance(rig, 0x20);
    assert_true(in64(rig, COUNT) == 0x200000010);
    out(rig, CONF, 0);
    advance(rig, 1000);
    assert_true(in64(rig, COUNT) == 0x200000010);
    out(rig, CONF, ENABLE);
    advance(rig, 5);
    assert_true(in64(rig, COUNT) == 0x200000015);
    out64(rig, COUNT, 7); /* it runs on from there */
    advance(rig, 5);
    assert_true(in64(rig, COUNT) == 12);
    out(rig, CONF, 0xffffffff);
    assert_int_equal(in(rig, CONF), ENABLE | LEGACY);
}

static void a_one_shot_interrupts_at_its_comparator(void **state)
{
    struct rig *rig = *state;

    out(rig, T_CONF(1), T_INT | T_ROUTE(20));
    out64(rig, T_CMP(1), 5000);
    assert_int_equal(clock_next_deadline_ns(rig->clock), CLOCK_NEVER);
    out(rig, CONF, ENABLE);
    assert_int_equal(clock_next_deadline_ns(rig->clock), START_NS + TICKS(5000));
    advance(rig, 4999);
    assert_false(rig->pin[20].level);
    advance(rig, 1);
    assert_int_equal(rig->pin[20].rises, 1);
    assert_int_equal(in(rig, STATUS), 0); /* edge-triggered */
    out(rig, STATUS, 0xffffffff);
    assert_true(rig->pin[20].level); /* the request stays for the 8259 */
    assert_true(in64(rig, T_CMP(1)) == 5000);
    out64(rig, T_CMP(1), 6000);
    advance(rig, 1000);
    assert_int_equal(rig->pin[20].rises, 2); /* the wire fell for it */
    advance(rig, 1000000);
    assert_int_equal(rig->pin[20].rises, 2);
    assert_int_equal(rig->pin[2].rises, 0);
    out64(rig, T_CMP(1), in64(rig, COUNT) + 1); /* as soon as that */
    advance(rig, 1);
    assert_int_equal(rig->pin[20].rises, 3);
}

static void a_comparator_just_missed_waits_for_the_wrap(void **state)
{
    struct rig *rig = *state;

    out(rig, T_CONF(2), T_INT | T_32 | T_ROUTE(20));
    out64(rig, COUNT, 0x700000100);
    out64(rig, T_CMP(2), 0xab00000100); /* the high half is not there */
    assert_true(in64(rig, T_CMP(2)) == 0x100);
    out(rig, CONF, ENABLE);
    advance(rig, 0xffffffff);
    assert_int_equal(rig->pin[20].rises, 0);
    advance(rig, 1);
    assert_int_equal(rig->pin[20].rises, 1);
    out(rig, T_CONF(2), T_INT | T_ROUTE(20)); /* 64 bits: far away */
    assert_int_equal(clock_next_deadline_ns(rig->clock), CLOCK_NEVER);
}

static void a_periodic_timer_repeats_without_drift(void **state)
{
    struct rig *rig = *state;

    out(rig, T_CONF(0), T_INT | T_PERIODIC | T_SET | T_ROUTE(2));
    out64(rig, T_CMP(0), 30000); /* VAL_SET: comparator and period */
    assert_int_equal(in(rig, T_CONF(0)), T_INT | T_PERIODIC | T_CAPS | T_ROUTE(2));
    out(rig, T_CMP(0), 20000); /* now the period alone */
    out(rig, CONF, ENABLE);
    advance(rig, 29999);
    assert_int_equal(rig->pin[2].rises, 0);
    advance(rig, 1);
    assert_int_equal(rig->pin[2].rises, 1);
    assert_int_equal(in(rig, T_CMP(0)), 50000);
    for (unsigned i = 0; i < 10; i++) {
        advance(rig, 19999);
        assert_int_equal(rig->pin[2].rises, 1 + i);
        advance(rig, 1);
        assert_int_equal(rig->pin[2].rises, 2 + i);
    }
    out(rig, T_CONF(0), T_PERIODIC | T_ROUTE(2)); /* in silence the comparator goes on */
    assert_false(rig->pin[2].level);
    advance(rig, 50000);
    assert_int_equal(in(rig, T_CMP(0)), 50000 + 12 * 20000);
    assert_int_equal(rig->pin[2].rises, 11);
}

static void val_set_covers_both_halves_of_a_wide_write(void **state)
{
    struct rig *rig = *state;

    out(rig, T_CONF(0), T_PERIODIC | T_SET);
    out64(rig, T_CMP(0), 0x500001000);
    assert_true(in64(rig, T_CMP(0)) == 0x500001000);
    out64(rig, T_CMP(0), 0x600002000); /* the period alone */
    assert_true(in64(rig, T_CMP(0)) == 0x500001000);
    out64(rig, COUNT, 0x500000fff);
    out(rig, CONF, ENABLE);
    advance(rig, 1);
    assert_true(in64(rig, T_CMP(0)) == 0xb00003000);
    out(rig, T_CONF(0), 0); /* one-shot: stays where it is, all 64 bits of it */
    assert_true(in64(rig, T_CMP(0)) == 0xb00003000);
    out64(rig, T_CMP(0), 0x500002000);
    advance(rig, 0x2000);
    assert_true(in64(rig, T_CMP(0)) == 0x500002000);
}

static void periodic_comparators_of_32_bits_wrap(void **state)
{
    struct rig *rig = *state;

    out(rig, T_CONF(0), T_PERIODIC | T_32 | T_SET);
    out(rig, T_CMP(0), 0xfffff000);
    out(rig, T_CMP(0), 0x2000);
    out64(rig, COUNT, 0xffffefff);
    out(rig, CONF, ENABLE);
    advance(rig, 1);
    assert_true(in64(rig, T_CMP(0)) == 0x1000);
    advance(rig, 0x2000);
    assert_true(in64(rig, T_CMP(0)) == 0x3000);
}

static void a_tiny_period_does_not_eat_the_host(void **state)
{
    struct rig *rig = *state;

    out(rig, T_CONF(0), T_INT | T_PERIODIC | T_SET | T_ROUTE(2));
    out64(rig, T_CMP(0), 1);
    out(rig, CONF, ENABLE);
    assert_int_equal(clock_next_deadline_ns(rig->clock), START_NS + 10000);
    clock_advance(rig->clock, 100000);
    assert_int_equal(rig->pin[2].rises, 10);
    out(rig, T_CONF(0), T_INT | T_PERIODIC | T_SET | T_ROUTE(2));
    out64(rig, T_CMP(0), 0); /* no period at all */
    clock_advance(rig->clock, 100000);
    assert_true(rig->pin[2].rises <= 20);
}

static void a_level_timer_holds_its_wire_until_its_status_is_cleared(void **state)
{
    struct rig *rig = *state;

    out(rig, T_CONF(1), T_INT | T_LEVEL | T_ROUTE(20));
    out64(rig, T_CMP(1), 5000);
    out(rig, CONF, ENABLE);
    advance(rig, 5000);
    assert_true(rig->pin[20].level);
    assert_int_equal(in(rig, STATUS), 1 << 1);
    out(rig, STATUS, 1 << 0 | 1 << 2);
    assert_true(rig->pin[20].level);
    out(rig, T_CONF(1), T_LEVEL | T_ROUTE(20));
    assert_false(rig->pin[20].level);
    out(rig, T_CONF(1), T_INT | T_LEVEL | T_ROUTE(2)); /* its status survived */
    assert_true(rig->pin[2].level);
    assert_false(rig->pin[20].level);
    out(rig, STATUS, 1 << 1);
    assert_false(rig->pin[2].level);
    assert_int_equal(in(rig, STATUS), 0);
}

static void a_level_timer_without_interrupt_still_has_its_status(void **state)
{
    struct rig *rig = *state;

    out(rig, T_CONF(1), T_LEVEL | T_ROUTE(20));
    out64(rig, T_CMP(1), 5000);
    out(rig, CONF, ENABLE);
    assert_int_equal(clock_next_deadline_ns(rig->clock), CLOCK_NEVER);
    advance(rig, 6000);
    assert_int_equal(in(rig, STATUS), 1 << 1);
    assert_int_equal(rig->pin[20].rises, 0);
    out64(rig, T_CMP(1), 7000);
    advance(rig, 1000);
    out(rig, STATUS, 1 << 1); /* clears what has happened by now, seen or not */
    assert_int_equal(in(rig, STATUS), 0);
    out64(rig, T_CMP(1), 8000);
    advance(rig, 1000);
    assert_int_equal(in(rig, STATUS), 1 << 1);
    out(rig, T_CONF(1), T_ROUTE(20)); /* edge: no status */
    assert_int_equal(in(rig, STATUS), 0);
}

static void a_shared_pin_falls_with_its_last_holder(void **state)
{
    struct rig *rig = *state;

    for (unsigned n = 0; n < 2; n++) {
        out(rig, T_CONF(n), T_INT | T_LEVEL | T_ROUTE(20));
        out64(rig, T_CMP(n), 5000);
    }
    out(rig, CONF, ENABLE);
    advance(rig, 5000);
    out(rig, STATUS, 1 << 0);
    assert_true(rig->pin[20].level);
    out(rig, STATUS, 1 << 1);
    assert_false(rig->pin[20].level);
}

static void a_route_that_is_not_there_leads_nowhere(void **state)
{
    struct rig *rig = *state;

    out(rig, T_CONF(0), T_INT | T_ROUTE(5));
    assert_int_equal(in(rig, T_CONF(0)), T_CAPS | T_INT); /* and software can see that */
    out64(rig, T_CMP(0), 5000);
    out(rig, CONF, ENABLE);
    advance(rig, 6000);
    for (unsigned i = 0; i < 32; i++)
        assert_int_equal(rig->pin[i].rises, 0);
}

static void a_route_that_is_not_there_leaves_the_old_one(void **state)
{
    struct rig *rig = *state;

    out(rig, T_CONF(0), T_INT | T_ROUTE(20));
    assert_int_equal(in(rig, T_CONF(0)), T_CAPS | T_INT | T_ROUTE(20));
    out(rig, T_CONF(0), T_INT | T_LEVEL | T_ROUTE(5));
    assert_int_equal(in(rig, T_CONF(0)), T_CAPS | T_INT | T_LEVEL | T_ROUTE(20));
    out64(rig, T_CMP(0), 5000);
    out(rig, CONF, ENABLE);
    advance(rig, 6000);
    assert_true(rig->pin[20].level);
}

static void any_saved_state_can_be_used(void **state)
{
    struct rig *rig = *state;

    for (uint32_t seed = 1; seed <= 300; seed++) {
        nonsense_load(hpet_state(), rig->hpet, seed);
        hpet_after_load(rig->hpet);
        for (uint32_t reg = 0; reg < HPET_BYTES; reg += 4)
            in(rig, reg);
        advance(rig, 10000);
        for (uint32_t reg = 0; reg < HPET_BYTES; reg += 4)
            out(rig, reg, seed * 2654435761u + reg);
        advance(rig, 10000);
        hpet_reset(rig->hpet);
    }
}

static void legacy_replacement_takes_the_two_wires(void **state)
{
    struct rig *rig = *state;

    for (unsigned n = 0; n < 3; n++) {
        out(rig, T_CONF(n), T_INT | T_ROUTE(20));
        out64(rig, T_CMP(n), 5000 + 1000 * n);
    }
    out(rig, CONF, ENABLE | LEGACY);
    assert_true(rig->replaces);
    advance(rig, 5500);
    assert_int_equal(rig->legacy[0].rises, 1);
    advance(rig, 1000);
    assert_int_equal(rig->legacy[1].rises, 1);
    assert_int_equal(rig->pin[20].rises, 0);
    advance(rig, 1000);
    assert_int_equal(rig->pin[20].rises, 1);
    out(rig, CONF, ENABLE);
    assert_false(rig->replaces);
    assert_false(rig->legacy[0].level);
    assert_false(rig->legacy[1].level);
    assert_true(rig->pin[20].level); /* timer 2 is not concerned */
}

static void a_level_timer_moves_to_its_legacy_wire(void **state)
{
    struct rig *rig = *state;

    out(rig, T_CONF(0), T_INT | T_LEVEL | T_ROUTE(20));
    out64(rig, T_CMP(0), 5000);
    out(rig, CONF, ENABLE);
    advance(rig, 5000);
    out(rig, CONF, ENABLE | LEGACY);
    assert_true(rig->legacy[0].level);
    assert_false(rig->pin[20].level);
}

static void reset_stops_everything(void **state)
{
    struct rig *rig = *state;

    out(rig, T_CONF(0), T_INT | T_ROUTE(20));
    out64(rig, T_CMP(0), 5000);
    out(rig, CONF, ENABLE | LEGACY);
    advance(rig, 6000);
    assert_true(rig->legacy[0].level);
    hpet_reset(rig->hpet);
    assert_false(rig->legacy[0].level);
    assert_false(rig->replaces);
    assert_int_equal(in(rig, COUNT), 0);
    assert_int_equal(in(rig, T_CONF(0)), T_CAPS);
    assert_int_equal(clock_next_deadline_ns(rig->clock), CLOCK_NEVER);
}

static void only_whole_registers_are_written(void **state)
{
    struct rig *rig = *state;

    hpet_ops.write(rig->hpet, CONF, ENABLE, 1);
    hpet_ops.write(rig->hpet, CONF - 2, ENABLE << 16, 4);
    assert_int_equal(in(rig, CONF), 0);
    for (uint32_t reg = 0; reg < HPET_BYTES; reg += 4) {
        out(rig, reg, 0xffffffff);
        in(rig, reg);
    }
    advance(rig, 1000000);
    assert_int_equal(in(rig, T_CONF(2) + 4), 1u << 2 | 1u << 20);
}

static void saved_state_continues_in_another_chip(void **state)
{
    struct rig *rig = *state;
    struct rig other = {.clock = rig->clock};

    out(rig, T_CONF(0), T_INT | T_PERIODIC | T_SET);
    out64(rig, T_CMP(0), 20000);
    out(rig, T_CONF(1), T_INT | T_LEVEL | T_ROUTE(20));
    out64(rig, T_CMP(1), 1000);
    out(rig, CONF, ENABLE | LEGACY);
    advance(rig, 15000);
    other.hpet = create_chip(&other);
    copy_state(hpet_state(), rig->hpet, other.hpet);
    hpet_after_load(other.hpet);
    assert_true(other.replaces);
    assert_true(other.legacy[1].level);
    assert_true(in64(&other, COUNT) == 15000);
    advance(rig, 5000);
    assert_int_equal(other.legacy[0].rises, 1);
    advance(rig, 20000);
    assert_int_equal(other.legacy[0].rises, 2);
    hpet_destroy(other.hpet);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(capabilities_tell_100_mhz_and_three_timers),
        T(the_counter_runs_while_enabled),
        T(a_one_shot_interrupts_at_its_comparator),
        T(a_comparator_just_missed_waits_for_the_wrap),
        T(a_periodic_timer_repeats_without_drift),
        T(val_set_covers_both_halves_of_a_wide_write),
        T(periodic_comparators_of_32_bits_wrap),
        T(a_tiny_period_does_not_eat_the_host),
        T(a_level_timer_holds_its_wire_until_its_status_is_cleared),
        T(a_level_timer_without_interrupt_still_has_its_status),
        T(a_shared_pin_falls_with_its_last_holder),
        T(a_route_that_is_not_there_leads_nowhere),
        T(a_route_that_is_not_there_leaves_the_old_one),
        T(any_saved_state_can_be_used),
        T(legacy_replacement_takes_the_two_wires),
        T(a_level_timer_moves_to_its_legacy_wire),
        T(reset_stops_everything),
        T(only_whole_registers_are_written),
        T(saved_state_continues_in_another_chip),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
