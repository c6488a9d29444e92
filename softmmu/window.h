/*
 * Windows: a view's linear space laid out for the host's own MMU, so that an access of translated code is one host
 * instruction with the guest's address in it.
 *
 * A window is 4 GiB of reserved address space and a guard. Pages of RAM are mapped into it, with the rights that the
 * flat tables grant (flat.h); what is not mapped faults, and the signal's handler has C code look (translator/fault.c).
 * A window never has a page that the tables for bytes do not have, so whatever ends a translation ends it here too.
 *
 * Mapping a page costs as much as thousands of look-ups, a guest that changes address spaces empties the window, and
 * code is translated once more for it. So a window must be earned, by an address space that has kept the processor busy
 * for a while: then it opens some time after each flush, with what the tables hold by then, and closes when it costs
 * more than it can save; each time that happens it takes longer to open.
 */
#ifndef SOFTMMU_WINDOW_H
#define SOFTMMU_WINDOW_H

#include "softmmu/mmu.h"

struct window;

/* With the guard: an access may begin in the last page. */
#define WINDOW_BYTES (((size_t)1 << 32) + PHYS_PAGE_SIZE)

enum window_policy { WINDOW_NEVER, WINDOW_EARNED, WINDOW_ALWAYS };

struct window_counters {
    uint64_t opened, closed; /* closed: because it cost too much */
    uint64_t pages, runs;    /* mapped, and by how many calls */
    uint64_t dropped;        /* one by one */
};

/* NULL when address space is short. One per view; `fd` is that of phys's RAM. */
struct window *window_create(const struct phys *phys, enum window_policy policy);
void window_destroy(struct window *w);
/* Where linear address 0 is on the host. */
uint8_t *window_base(const struct window *w);
const struct window_counters *window_counters(const struct window *w);

/* Should code use the window now? */
bool window_is_open(const struct window *w);
/* Is it time to ask whether a closed one can be opened? At most once a tick of the host's clock, and cheap. */
bool window_is_due(struct window *w);
/* For how long the processor has run guest code by now, and for how long it has had nothing to do. What the host gives
 * to others is neither. */
struct window_time {
    uint64_t busy_ns, idle_ns;
};
/* Opens it if the address space `root` (CR3), which is the current one, has earned it; true then, and it is the
 * caller's to map pages. */
bool window_open(struct window *w, uint32_t root, struct window_time time);

/* Maps `n` pages of RAM, from linear page number `page` on, which lie at `host` one behind the other. False if they are
 * not RAM, or the host refuses. */
bool window_map(struct window *w, uint32_t page, uint32_t n, const uint8_t *host, bool writable);
enum window_state { WINDOW_NONE, WINDOW_READ, WINDOW_WRITE };
enum window_state window_state(const struct window *w, uint32_t page);
/* An access faulted. False if the window is closed, which it may be because it costs too much or has too many pieces.
 */
bool window_pay(struct window *w);

/* What the tables lose. */
void window_drop_page(struct window *w, uint32_t page);
void window_drop_write(struct window *w, uint32_t page);
void window_drop_all(struct window *w);

#endif
