/*
 * Virtual time and the timer queue: a binary min-heap of armed timers over a host or a fake time source.
 */
#include "hw/core/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct clock {
    bool is_fake;
    bool is_paused;
    int64_t now_ns;    /* fake: guest time; host and paused: guest time at the pause */
    int64_t origin_ns; /* host: CLOCK_MONOTONIC at guest time 0 */
    void (*rearm)(void *opaque);
    void *rearm_opaque;
    struct timer **heap; /* heap[0] has the earliest deadline */
    uint32_t n_armed, capacity;
};

static int64_t host_monotonic_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * NS_PER_SECOND + ts.tv_nsec;
}

static struct clock *create(bool is_fake)
{
    struct clock *clock = calloc(1, sizeof *clock);
    if (!clock)
        return NULL;
    clock->is_fake = is_fake;
    clock->capacity = 64;
    clock->heap = calloc(clock->capacity, sizeof(struct timer *));
    if (!clock->heap) {
        free(clock);
        return NULL;
    }
    if (!is_fake)
        clock->origin_ns = host_monotonic_ns();
    return clock;
}

struct clock *clock_create_host(void)
{
    return create(false);
}

struct clock *clock_create_fake(void)
{
    return create(true);
}

void clock_destroy(struct clock *clock)
{
    if (!clock)
        return;
    free(clock->heap);
    free(clock);
}

int64_t clock_now_ns(struct clock *clock)
{
    if (clock->is_fake || clock->is_paused)
        return clock->now_ns;
    return host_monotonic_ns() - clock->origin_ns;
}

void clock_pause(struct clock *clock)
{
    if (clock->is_fake || clock->is_paused)
        return;
    clock->now_ns = clock_now_ns(clock);
    clock->is_paused = true;
}

void clock_resume(struct clock *clock)
{
    if (clock->is_fake || !clock->is_paused)
        return;
    clock->origin_ns = host_monotonic_ns() - clock->now_ns;
    clock->is_paused = false;
    if (clock->rearm)
        clock->rearm(clock->rearm_opaque);
}

int64_t clock_next_deadline_ns(const struct clock *clock)
{
    return clock->n_armed ? clock->heap[0]->deadline_ns : CLOCK_NEVER;
}

void clock_on_rearm(struct clock *clock, void (*rearm)(void *opaque), void *opaque)
{
    clock->rearm = rearm;
    clock->rearm_opaque = opaque;
}

/* ---- the heap ---- */

static void put(struct clock *clock, uint32_t slot, struct timer *timer)
{
    clock->heap[slot] = timer;
    timer->heap_slot = slot;
}

static void sift_up(struct clock *clock, uint32_t slot)
{
    struct timer *timer = clock->heap[slot];
    while (slot > 0) {
        uint32_t parent = (slot - 1) / 2;
        if (clock->heap[parent]->deadline_ns <= timer->deadline_ns)
            break;
        put(clock, slot, clock->heap[parent]);
        slot = parent;
    }
    put(clock, slot, timer);
}

static void sift_down(struct clock *clock, uint32_t slot)
{
    struct timer *timer = clock->heap[slot];
    for (;;) {
        uint32_t child = 2 * slot + 1;
        if (child >= clock->n_armed)
            break;
        if (child + 1 < clock->n_armed && clock->heap[child + 1]->deadline_ns < clock->heap[child]->deadline_ns)
            child++;
        if (timer->deadline_ns <= clock->heap[child]->deadline_ns)
            break;
        put(clock, slot, clock->heap[child]);
        slot = child;
    }
    put(clock, slot, timer);
}

static void insert(struct clock *clock, struct timer *timer)
{
    if (clock->n_armed == clock->capacity) {
        struct timer **bigger = realloc(clock->heap, 2ul * clock->capacity * sizeof(struct timer *));
        if (!bigger) { /* a timer that silently never fires would hang the guest */
            fprintf(stderr, "morph86: out of memory for the timer queue\n");
            abort();
        }
        clock->heap = bigger;
        clock->capacity *= 2;
    }
    put(clock, clock->n_armed, timer);
    sift_up(clock, clock->n_armed++);
}

static void extract(struct clock *clock, struct timer *timer)
{
    uint32_t slot = timer->heap_slot;
    struct timer *last = clock->heap[--clock->n_armed];
    timer->deadline_ns = CLOCK_NEVER;
    if (last == timer)
        return;
    put(clock, slot, last);
    sift_up(clock, slot);
    sift_down(clock, last->heap_slot);
}

/* ---- timers ---- */

void timer_init(struct timer *timer, struct clock *clock, void (*fire)(void *opaque), void *opaque)
{
    *timer = (struct timer){.clock = clock, .fire = fire, .opaque = opaque, .deadline_ns = CLOCK_NEVER};
}

void timer_set(struct timer *timer, int64_t deadline_ns)
{
    struct clock *clock = timer->clock;
    if (timer->deadline_ns == deadline_ns)
        return;
    int64_t earliest_before = clock_next_deadline_ns(clock);
    if (timer->deadline_ns != CLOCK_NEVER)
        extract(clock, timer);
    if (deadline_ns == CLOCK_NEVER)
        return;
    timer->deadline_ns = deadline_ns;
    insert(clock, timer);
    if (deadline_ns < earliest_before && clock->rearm)
        clock->rearm(clock->rearm_opaque);
}

void timer_cancel(struct timer *timer)
{
    timer_set(timer, CLOCK_NEVER);
}

static void fire_first(struct clock *clock)
{
    struct timer *timer = clock->heap[0];
    extract(clock, timer);
    timer->fire(timer->opaque);
}

void clock_run_due(struct clock *clock)
{
    /* Time is read once, so that timers which re-arm themselves in the future cannot keep this loop alive. */
    int64_t now = clock_now_ns(clock);
    while (clock->n_armed && clock->heap[0]->deadline_ns <= now)
        fire_first(clock);
}

void clock_advance(struct clock *clock, int64_t ns)
{
    if (!clock->is_fake || ns < 0)
        return;
    int64_t end = clock->now_ns + ns;
    while (clock->n_armed && clock->heap[0]->deadline_ns <= end) {
        if (clock->heap[0]->deadline_ns > clock->now_ns)
            clock->now_ns = clock->heap[0]->deadline_ns;
        fire_first(clock);
    }
    clock->now_ns = end;
}
