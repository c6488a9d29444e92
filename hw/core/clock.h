/*
 * Virtual time and the timer queue.
 *
 * All times are nanoseconds of guest time, int64_t, starting at 0 when the machine is created. Every device derives
 * its counters from clock_now_ns() and arms one struct timer for its next visible event. A test drives the same
 * devices with a fake clock (clock_create_fake, clock_advance).
 *
 * Single-threaded: the machine thread alone touches a clock and its timers.
 */
#ifndef HW_CORE_CLOCK_H
#define HW_CORE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#define NS_PER_SECOND 1000000000LL
#define NS_PER_MS     1000000LL
#define NS_PER_US     1000LL
#define CLOCK_NEVER   INT64_MAX

struct clock;

struct timer {
    struct clock *clock;
    void (*fire)(void *opaque); /* called with the timer already disarmed; may arm it again */
    void *opaque;
    int64_t deadline_ns; /* CLOCK_NEVER while disarmed */
    uint32_t heap_slot;  /* position in the clock's queue, valid while armed */
};

/* Guest time follows the host's CLOCK_MONOTONIC. NULL when out of memory. */
struct clock *clock_create_host(void);
/* Guest time moves only by clock_advance(). NULL when out of memory. */
struct clock *clock_create_fake(void);
void clock_destroy(struct clock *clock);

int64_t clock_now_ns(struct clock *clock);
/* Stop and continue guest time (monitor stop/cont). Host clocks only. */
void clock_pause(struct clock *clock);
void clock_resume(struct clock *clock);

/* Deadline of the earliest armed timer, or CLOCK_NEVER. */
int64_t clock_next_deadline_ns(const struct clock *clock);
/* Called whenever the earliest deadline may have moved earlier (the event loop re-arms its sleep). May be NULL. */
void clock_on_rearm(struct clock *clock, void (*rearm)(void *opaque), void *opaque);
/* Fires every timer whose deadline has been reached, in order of deadline. */
void clock_run_due(struct clock *clock);
/* Fake clocks: moves time forward by `ns`, stopping at and firing each deadline on the way. */
void clock_advance(struct clock *clock, int64_t ns);

void timer_init(struct timer *timer, struct clock *clock, void (*fire)(void *opaque), void *opaque);
/* Arms (or moves) the timer; CLOCK_NEVER disarms it. */
void timer_set(struct timer *timer, int64_t deadline_ns);
void timer_cancel(struct timer *timer);

/* a * b / c without overflow in between; c > 0, result must fit. Rounds down. */
static inline int64_t muldiv64(int64_t a, int64_t b, int64_t c)
{
    return (int64_t)((__int128)a * b / c);
}

#endif
