/*
 * Host events for the machine thread.
 *
 * One I/O thread sleeps in epoll for host files and the next timer deadline; when something happens it calls `wake`
 * (any thread) and nothing else. The machine thread then serves everything in event_loop_poll(), so devices run on one
 * thread and need no locks. event_loop_idle() is the machine thread's sleep while the guest is halted.
 */
#ifndef UI_EVENTLOOP_H
#define UI_EVENTLOOP_H

#include <stdbool.h>

#include "hw/core/clock.h"

struct event_loop;

/* NULL with errno set on failure. `wake` must be async-thread-safe. */
struct event_loop *event_loop_create(struct clock *clock);
void event_loop_destroy(struct event_loop *loop);
/* Starts the I/O thread; from now on `wake(opaque)` may be called. False with errno set on failure. */
bool event_loop_start(struct event_loop *loop, void (*wake)(void *opaque), void *opaque);
/* Ends the I/O thread: no more wake(). Sources stay until they are removed. */
void event_loop_stop(struct event_loop *loop);

/* Calls `ready` on the machine thread whenever `fd` is readable. Level-triggered, re-armed after each call while
 * wanted. A regular file is always readable. After event_source_remove() another watch may reuse the source, so
 * descriptors that come and go must be non-blocking. NULL when out of memory or descriptors. */
struct event_source;
struct event_source *event_loop_watch(struct event_loop *loop, int fd, void (*ready)(void *opaque), void *opaque);
void event_source_set_wanted(struct event_source *source, bool wanted);
/* Also calls `ready` when `fd` is writable. */
void event_source_set_writing(struct event_source *source, bool writing);
/* No more calls, also none for what is already reported; before the descriptor is closed. NULL is allowed. */
void event_source_remove(struct event_source *source);

/* While guest time is paused nothing is due: sleeps are for host events alone. Machine thread. */
void event_loop_set_paused(struct event_loop *loop, bool paused);

/* Serves what is due now. */
void event_loop_poll(struct event_loop *loop);
/* Sleeps until something is due or event_loop_kick(), then serves it. */
void event_loop_idle(struct event_loop *loop);
/* Ends a sleep early; any thread. */
void event_loop_kick(struct event_loop *loop);

#endif
