/* Bench: memory stream_64k -DBYTES=65536
 * Bench: memory stream_16m -DBYTES=16777216
 * Copy, scale, add and triad over three arrays of words, as STREAM does over doubles. */
#include "rt.h"

enum { WORDS = BYTES / 4 };
static uint32_t *a, *b, *c;

void bench_setup(void)
{
    a = map_pages(BYTES, PROT_READ | PROT_WRITE);
    b = map_pages(BYTES, PROT_READ | PROT_WRITE);
    c = map_pages(BYTES, PROT_READ | PROT_WRITE);
}

uint32_t bench_unit(void)
{
    for (uint32_t i = 0; i < WORDS; i++)
        a[i] = i;
    for (uint32_t i = 0; i < WORDS; i++)
        b[i] = a[i] * 3;
    for (uint32_t i = 0; i < WORDS; i++)
        c[i] = a[i] + b[i];
    for (uint32_t i = 0; i < WORDS; i++)
        a[i] = b[i] + 5 * c[i];
    return mix(mix(a[WORDS - 1], a[WORDS / 3]), c[WORDS / 7]);
}
