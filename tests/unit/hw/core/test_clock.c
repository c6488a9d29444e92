/* Virtual time and the timer queue. */
#include "tests/unit/hw/probe.h"

#include <time.h>

#include "hw/core/clock.h"

#define N_TIMERS 300

struct record {
    struct timer timer;
    int64_t fired_ns, again_ns;
    unsigned n_fired, order;
    unsigned *counter;
};

static void note(void *opaque)
{
    struct record *record = opaque;
    assert_true(record->timer.deadline_ns == CLOCK_NEVER);
    record->fired_ns = clock_now_ns(record->timer.clock);
    record->n_fired++;
    if (record->counter)
        record->order = (*record->counter)++;
    if (record->again_ns)
        timer_set(&record->timer, record->fired_ns + record->again_ns);
}

static void timers_fire_in_order_at_their_deadlines(void **state)
{
    struct clock *clock = clock_create_fake();
    static struct record records[N_TIMERS];
    unsigned counter = 0;
    for (unsigned i = 0; i < N_TIMERS; i++) { /* 7 generates every residue: a shuffled order of distinct deadlines */
        records[i] = (struct record){.counter = &counter};
        timer_init(&records[i].timer, clock, note, &records[i]);
        timer_set(&records[i].timer, 1 + (int64_t)i * 7 % N_TIMERS);
    }
    for (unsigned i = 0; i < N_TIMERS; i += 3)
        timer_cancel(&records[i].timer);
    clock_advance(clock, N_TIMERS + 1);
    for (unsigned i = 0; i < N_TIMERS; i++) {
        if (i % 3 == 0) {
            assert_int_equal(records[i].n_fired, 0);
            continue;
        }
        assert_int_equal(records[i].n_fired, 1);
        assert_int_equal(records[i].fired_ns, 1 + i * 7 % N_TIMERS);
        for (unsigned j = 1; j < i; j += 3)
            assert_int_equal(records[i].order < records[j].order, records[i].fired_ns < records[j].fired_ns);
    }
    assert_int_equal(counter, N_TIMERS - N_TIMERS / 3);
    assert_true(clock_next_deadline_ns(clock) == CLOCK_NEVER);
    assert_int_equal(clock_now_ns(clock), N_TIMERS + 1);
    clock_destroy(clock);
}

static void a_timer_can_move_and_rearm_itself(void **state)
{
    struct clock *clock = clock_create_fake();
    struct record record = {.again_ns = 10};
    timer_init(&record.timer, clock, note, &record);
    timer_set(&record.timer, 100);
    timer_set(&record.timer, 50);
    assert_int_equal(clock_next_deadline_ns(clock), 50);
    clock_advance(clock, 49);
    assert_int_equal(record.n_fired, 0);
    clock_advance(clock, 1);
    assert_int_equal(record.n_fired, 1); /* a deadline is due at its very nanosecond */
    clock_advance(clock, 31);
    assert_int_equal(record.n_fired, 4); /* 50 60 70 80 */
    assert_int_equal(record.fired_ns, 80);
    clock_advance(clock, -5);
    assert_int_equal(clock_now_ns(clock), 81);
    clock_destroy(clock);
}

static void a_deadline_in_the_past_fires_now_without_turning_time_back(void **state)
{
    struct clock *clock = clock_create_fake();
    struct record record = {0};
    timer_init(&record.timer, clock, note, &record);
    clock_advance(clock, 1000);
    timer_set(&record.timer, 10);
    clock_advance(clock, 0);
    assert_int_equal(record.n_fired, 1);
    assert_int_equal(record.fired_ns, 1000);
    clock_destroy(clock);
}

static void count_call(void *opaque)
{
    ++*(unsigned *)opaque;
}

static void rearm_is_told_only_when_the_earliest_deadline_comes_closer(void **state)
{
    struct clock *clock = clock_create_fake();
    struct record a = {0}, b = {0};
    unsigned n_calls = 0;
    clock_on_rearm(clock, count_call, &n_calls);
    timer_init(&a.timer, clock, note, &a);
    timer_init(&b.timer, clock, note, &b);
    timer_set(&a.timer, 100);
    assert_int_equal(n_calls, 1);
    timer_set(&b.timer, 200);
    assert_int_equal(n_calls, 1);
    timer_set(&b.timer, 90);
    assert_int_equal(n_calls, 2);
    timer_set(&b.timer, 300);
    timer_cancel(&a.timer);
    assert_int_equal(n_calls, 2);
    clock_destroy(clock);
}

static void the_host_clock_runs_pauses_and_fires_what_is_due(void **state)
{
    struct clock *clock = clock_create_host();
    struct record due = {0}, later = {0};
    unsigned n_calls = 0;
    clock_on_rearm(clock, count_call, &n_calls);
    timer_init(&due.timer, clock, note, &due);
    timer_init(&later.timer, clock, note, &later);
    int64_t start = clock_now_ns(clock);
    assert_in_range(start, 0, NS_PER_SECOND);
    timer_set(&due.timer, start);
    timer_set(&later.timer, start + 3600 * NS_PER_SECOND);
    nanosleep(&(struct timespec){.tv_nsec = 2 * NS_PER_MS}, NULL);
    assert_true(clock_now_ns(clock) >= start + 2 * NS_PER_MS);
    clock_run_due(clock);
    assert_int_equal(due.n_fired, 1);
    assert_int_equal(later.n_fired, 0);

    clock_pause(clock);
    clock_pause(clock);
    int64_t paused = clock_now_ns(clock);
    nanosleep(&(struct timespec){.tv_nsec = 5 * NS_PER_MS}, NULL);
    assert_int_equal(clock_now_ns(clock), paused);
    n_calls = 0;
    clock_resume(clock);
    clock_resume(clock);
    assert_int_equal(n_calls, 1);
    assert_in_range(clock_now_ns(clock), paused, paused + NS_PER_SECOND);
    clock_advance(clock, 10000 * NS_PER_SECOND); /* not for host clocks */
    assert_int_equal(later.n_fired, 0);
    clock_destroy(clock);
    clock_destroy(NULL);
}

static void a_fake_clock_ignores_pause(void **state)
{
    struct clock *clock = clock_create_fake();
    clock_pause(clock);
    clock_advance(clock, 5);
    assert_int_equal(clock_now_ns(clock), 5);
    clock_resume(clock);
    assert_int_equal(clock_now_ns(clock), 5);
    clock_destroy(clock);
}

static void muldiv_keeps_what_64_bits_would_lose(void **state)
{
    assert_int_equal(muldiv64(INT64_MAX, 1193182, 1193182), INT64_MAX);
    assert_int_equal(muldiv64(86400 * NS_PER_SECOND * 365, 1193182, NS_PER_SECOND), 86400ll * 365 * 1193182);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timers_fire_in_order_at_their_deadlines),
        cmocka_unit_test(a_timer_can_move_and_rearm_itself),
        cmocka_unit_test(a_deadline_in_the_past_fires_now_without_turning_time_back),
        cmocka_unit_test(rearm_is_told_only_when_the_earliest_deadline_comes_closer),
        cmocka_unit_test(the_host_clock_runs_pauses_and_fires_what_is_due),
        cmocka_unit_test(a_fake_clock_ignores_pause),
        cmocka_unit_test(muldiv_keeps_what_64_bits_would_lose),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
