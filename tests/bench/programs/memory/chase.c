/* Bench: memory chase_l1 -DBYTES=16384
 * Bench: memory chase_l2 -DBYTES=262144
 * Bench: memory chase_64m -DBYTES=67108864
 * Loads that wait for each other: one random cycle through all cache lines of a buffer. */
#include "rt.h"

enum { LINE = 64, LINES = BYTES / LINE, STEPS = LINES < 32768 ? 32768 : LINES / 64 };
struct line {
    struct line *next;
    uint32_t number, rest[LINE / 4 - 2];
};
static struct line *lines, *at;

void bench_setup(void)
{
    uint32_t state = 5;

    /* Sattolo's shuffle gives one cycle; `number` serves as the permutation while it is made. */
    lines = map_pages(BYTES, PROT_READ | PROT_WRITE);
    for (uint32_t i = 0; i < LINES; i++)
        lines[i].number = i;
    for (uint32_t i = LINES - 1; i > 0; i--) {
        uint32_t j = xorshift32(&state) % i, t = lines[i].number;
        lines[i].number = lines[j].number;
        lines[j].number = t;
    }
    for (uint32_t i = 0; i < LINES; i++)
        lines[i].next = &lines[lines[i].number];
    at = lines;
}

uint32_t bench_unit(void)
{
    /* Where a chase goes on is kept between units: a large buffer must not become a small one that is chased again and
     * again. */
    for (int i = 0; i < STEPS; i++)
        at = at->next;
    return at >= lines && at < lines + LINES;
}
