/* Presses keys one after the other in guest time, as `sendkey` asks: each combination is held, then let go. */
#ifndef UI_TYPIST_H
#define UI_TYPIST_H

#include <stdbool.h>
#include <stdint.h>

#include "hw/core/clock.h"
#include "hw/input/kbc8042.h"

struct typist;

/* NULL when out of memory. `kbc` must outlive it. */
struct typist *typist_create(struct clock *clock, struct kbc8042 *kbc);
void typist_destroy(struct typist *typist);

/* Queues a combination: all keys go down in order, and up in reverse order `hold_ms` later. False when the queue is
 * full; then nothing was queued. */
bool typist_press(struct typist *typist, const uint8_t *keys, unsigned n_keys, unsigned hold_ms);
/* True while something is still to be pressed or released. */
bool typist_is_busy(const struct typist *typist);

#endif
