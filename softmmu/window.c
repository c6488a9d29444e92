/* Windows: see window.h. */
#define _GNU_SOURCE
#include "softmmu/window.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "softmmu/phys_map.h"

#define PAGES 0x100000u

/* Far below vm.max_map_count, 65530 as a rule. */
#define RUNS_MAX 16384u

/* What it takes to earn a window, and what mapping costs (docs/prototypes.md). */
#define ROOT_NS       40000000u /* the address space's own time */
#define OPEN_MIN_NS   4000000u  /* after a flush */
#define OPEN_MAX_NS   1000000000u
#define STEP_MAX_NS   10000000u /* between two looks at the clock; beyond that something else has run */
#define ROOTS         64u
#define EARNED_MAX_NS (2u * ROOT_NS)
#define DRAIN         4u /* while it does not run it loses one part in that many of the guest's time */
#define CALL_NS       8000u
#define FAULT_NS      4000u
#define FREE_NS       2000000u /* may be spent at any rate */
#define SHARE         8u       /* of the time that it is open a window may cost one part in that many */

struct window {
    uint8_t *base;
    const struct phys *phys;
    enum window_policy policy;
    bool open, unusable;
    bool was_open;        /* since somebody asked */
    uint32_t first, last; /* mapped pages lie between these; first > last: none */
    uint64_t since_ns;    /* when it was opened or emptied; 0: nobody has looked at the clock since */
    uint64_t wait_ns, spent_ns;
    uint64_t tick_ns, busy_ns; /* at the last look at the clock */
    struct account {
        uint32_t root;
        uint64_t busy_ns, seen_ns;
    } earned[ROOTS]; /* by a hash */
    unsigned owner;  /* in `earned`, of who asked last: whose it is while it is open */
    struct {
        uint32_t page, n;
    } run[RUNS_MAX]; /* mapped since all was dropped; parts may be gone again */
    uint32_t n_runs;
    struct window_counters count;
    uint8_t state[PAGES]; /* enum window_state */
};

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* To a few milliseconds; real time, as what is weighed is the host's. */
static uint64_t clock_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

struct window *window_create(const struct phys *phys, enum window_policy policy)
{
    struct window *w =
        mmap(NULL, sizeof *w, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (w == MAP_FAILED)
        return NULL;
    w->base = mmap(NULL, WINDOW_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (w->base == MAP_FAILED) {
        munmap(w, sizeof *w);
        return NULL;
    }
    w->phys = phys;
    w->policy = policy;
    w->first = PAGES;
    w->wait_ns = OPEN_MIN_NS;
    return w;
}

void window_destroy(struct window *w)
{
    if (!w)
        return;
    munmap(w->base, WINDOW_BYTES);
    munmap(w, sizeof *w);
}

uint8_t *window_base(const struct window *w)
{
    return w->base;
}

const struct window_counters *window_counters(const struct window *w)
{
    return &w->count;
}

bool window_is_open(const struct window *w)
{
    return w->open;
}

bool window_is_due(struct window *w)
{
    uint64_t now_ns;

    if (w->open || w->unusable || w->policy == WINDOW_NEVER)
        return false;
    if (w->policy == WINDOW_ALWAYS)
        return true;
    now_ns = clock_ns();
    if (now_ns == w->tick_ns)
        return false;
    w->tick_ns = now_ns;
    return true;
}

/* Has the address space kept the processor busy for long enough? A program that answers now and then has not, and one
 * that has ended leaves little to the next with its root. */
static bool has_earned(struct window *w, uint32_t root, struct window_time time)
{
    const unsigned i = (root >> PHYS_PAGE_SHIFT ^ root >> 5) % ROOTS;
    const uint64_t guest_ns = time.busy_ns + time.idle_ns, step_ns = least(time.busy_ns - w->busy_ns, STEP_MAX_NS);
    struct account *a = &w->earned[i];

    if (w->was_open) /* nobody has asked meanwhile */
        w->earned[w->owner].seen_ns = guest_ns;
    w->was_open = false;
    w->owner = i;
    w->busy_ns = time.busy_ns;
    if (a->root != root)
        *a = (struct account){.root = root, .seen_ns = guest_ns};
    a->busy_ns -= least(a->busy_ns, (guest_ns - a->seen_ns - least(guest_ns - a->seen_ns, step_ns)) / DRAIN);
    a->busy_ns = least(a->busy_ns + step_ns, EARNED_MAX_NS);
    a->seen_ns = guest_ns;
    return a->busy_ns >= ROOT_NS;
}

bool window_open(struct window *w, uint32_t root, struct window_time time)
{
    const uint64_t now_ns = clock_ns();

    if (w->open || w->unusable || w->policy == WINDOW_NEVER)
        return false;
    if (!w->since_ns)
        w->since_ns = now_ns;
    if (w->policy == WINDOW_EARNED && (!has_earned(w, root, time) || now_ns - w->since_ns < w->wait_ns))
        return false;
    w->open = true;
    w->since_ns = now_ns;
    w->spent_ns = 0;
    w->count.opened++;
    return true;
}

/* Takes pages out. The host may have to split a mapping for that and refuse; the whole window it does not refuse. */
static void unmap(struct window *w, uint32_t page, uint32_t n)
{
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED;

    if (mmap(w->base + (size_t)page * PHYS_PAGE_SIZE, (size_t)n * PHYS_PAGE_SIZE, PROT_NONE, flags, -1, 0) !=
        MAP_FAILED)
        return;
    w->unusable = true;
    w->open = false;
    memset(w->state, 0, sizeof w->state);
    if (mmap(w->base, WINDOW_BYTES, PROT_NONE, flags, -1, 0) == MAP_FAILED) {
        fprintf(stderr, "morph86: the host does not give back a mapping; restart with -softmmu tlb\n");
        abort();
    }
}

bool window_map(struct window *w, uint32_t page, uint32_t n, const uint8_t *host, bool writable)
{
    const struct phys *phys = w->phys;

    if (w->unusable || host < phys->ram || host + (size_t)n * PHYS_PAGE_SIZE > phys->ram + phys->ram_bytes)
        return false;
    if (w->n_runs == RUNS_MAX)
        return false;
    if (mmap(w->base + (size_t)page * PHYS_PAGE_SIZE, (size_t)n * PHYS_PAGE_SIZE,
             PROT_READ | (writable ? PROT_WRITE : 0), MAP_SHARED | MAP_FIXED | MAP_POPULATE, phys->ram_fd,
             host - phys->ram) == MAP_FAILED) {
        unmap(w, page, n); /* what was there may be gone */
        memset(w->state + page, WINDOW_NONE, n);
        w->unusable = true;
        w->open = false;
        return false;
    }
    memset(w->state + page, writable ? WINDOW_WRITE : WINDOW_READ, n);
    if (page < w->first)
        w->first = page;
    if (page + n - 1 > w->last)
        w->last = page + n - 1;
    w->run[w->n_runs].page = page;
    w->run[w->n_runs++].n = n;
    w->spent_ns += CALL_NS;
    w->count.runs++;
    w->count.pages += n;
    return true;
}

enum window_state window_state(const struct window *w, uint32_t page)
{
    return (enum window_state)w->state[page];
}

/* It takes longer to open where it was not worth it, less long where it was. */
static void judge(struct window *w)
{
    if (w->spent_ns < (clock_ns() - w->since_ns) / SHARE)
        w->wait_ns = w->wait_ns / 2 < OPEN_MIN_NS ? OPEN_MIN_NS : w->wait_ns / 2;
    else
        w->wait_ns = w->wait_ns * 2 > OPEN_MAX_NS ? OPEN_MAX_NS : w->wait_ns * 2;
}

bool window_pay(struct window *w)
{
    w->spent_ns += FAULT_NS;
    if (!w->open)
        return false;
    if ((w->policy == WINDOW_ALWAYS || w->spent_ns < FREE_NS + (clock_ns() - w->since_ns) / SHARE) &&
        w->n_runs < RUNS_MAX)
        return true;
    w->count.closed++;
    window_drop_all(w);
    return false;
}

void window_drop_page(struct window *w, uint32_t page)
{
    if (!w->state[page])
        return;
    w->state[page] = WINDOW_NONE;
    unmap(w, page, 1);
    w->spent_ns += CALL_NS;
    w->count.dropped++;
}

void window_drop_write(struct window *w, uint32_t page)
{
    if (w->state[page] != WINDOW_WRITE)
        return;
    w->count.dropped++;
    w->spent_ns += CALL_NS;
    if (mprotect(w->base + (size_t)page * PHYS_PAGE_SIZE, PHYS_PAGE_SIZE, PROT_READ) == 0) {
        w->state[page] = WINDOW_READ;
    } else {
        w->state[page] = WINDOW_NONE;
        unmap(w, page, 1);
    }
}

void window_drop_all(struct window *w)
{
    if (w->first <= w->last)
        unmap(w, w->first, w->last - w->first + 1);
    for (uint32_t i = 0; i < w->n_runs; i++)
        memset(w->state + w->run[i].page, WINDOW_NONE, w->run[i].n);
    if (w->open) {
        judge(w);
        w->was_open = true;
    }
    w->first = PAGES;
    w->last = 0;
    w->n_runs = 0;
    w->open = false;
    w->since_ns = 0;
}
