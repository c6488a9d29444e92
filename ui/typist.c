/* Presses keys for the monitor. See typist.h. */
#include "ui/typist.h"

#include <stdlib.h>

#define QUEUE_SIZE 1024u           /* power of two */
#define RETRY_NS   (5 * NS_PER_MS) /* while the keyboard's buffer is full */
#define GAP_NS     (2 * NS_PER_MS) /* between a release and the next combination, for guests that poll */

struct action {
    int64_t delay_ns; /* from the action before */
    uint8_t key;
    bool is_down;
};

struct typist {
    struct clock *clock;
    struct kbc8042 *kbc;
    struct timer timer;
    struct action queue[QUEUE_SIZE];
    unsigned head, count;
};

static void act(void *opaque)
{
    struct typist *t = opaque;
    int64_t now = clock_now_ns(t->clock);

    while (t->count) {
        const struct action *a = &t->queue[t->head % QUEUE_SIZE];

        if (kbc8042_key_room(t->kbc) == 0) {
            timer_set(&t->timer, now + RETRY_NS);
            return;
        }
        kbc8042_key(t->kbc, a->key, a->is_down);
        t->head++;
        t->count--;
        a = &t->queue[t->head % QUEUE_SIZE];
        if (t->count && a->delay_ns) {
            timer_set(&t->timer, now + a->delay_ns);
            return;
        }
    }
}

bool typist_press(struct typist *t, const uint8_t *keys, unsigned n_keys, unsigned hold_ms)
{
    bool was_idle = t->count == 0;

    if (QUEUE_SIZE - t->count < 2 * n_keys)
        return false;
    for (unsigned i = 0; i < 2 * n_keys; i++) {
        bool is_down = i < n_keys;
        int64_t delay = i == 0 ? GAP_NS : i == n_keys ? hold_ms * NS_PER_MS : 0;

        t->queue[(t->head + t->count++) % QUEUE_SIZE] =
            (struct action){.delay_ns = delay, .key = keys[is_down ? i : 2 * n_keys - 1 - i], .is_down = is_down};
    }
    if (was_idle)
        act(t);
    return true;
}

bool typist_is_busy(const struct typist *t)
{
    return t->count != 0;
}

struct typist *typist_create(struct clock *clock, struct kbc8042 *kbc)
{
    struct typist *t = calloc(1, sizeof *t);

    if (!t)
        return NULL;
    t->clock = clock;
    t->kbc = kbc;
    timer_init(&t->timer, clock, act, t);
    return t;
}

void typist_destroy(struct typist *t)
{
    if (!t)
        return;
    timer_cancel(&t->timer);
    free(t);
}
