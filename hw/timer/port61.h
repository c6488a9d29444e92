/* System control port B (61h): speaker gate, counter 2's OUT, refresh toggle, NMI sources. One port, port61_ops. */
#ifndef HW_TIMER_PORT61_H
#define HW_TIMER_PORT61_H

#include <stdbool.h>

#include "hw/core/bus.h"
#include "hw/core/clock.h"
#include "hw/core/state.h"
#include "hw/timer/pit8254.h"

struct port61;

extern const struct bus_ops port61_ops;

/* NULL when out of memory. Nothing here raises an NMI: no modelled device drives SERR# or IOCHK#. */
struct port61 *port61_create(struct clock *clock, struct pit8254 *pit);
void port61_destroy(struct port61 *port);
void port61_reset(struct port61 *port);
/* Is the speaker connected to counter 2's OUT? */
bool port61_speaker_is_on(const struct port61 *port);

const struct state_desc *port61_state_desc(void);
void port61_after_load(struct port61 *port);

#endif
