/* Bench: memory update_32m
 * Read-modify-write of words at random over 32 MiB, as the HPC Challenge's RandomAccess does. Each address is updated
 * with XOR an even number of times per pair of passes, so every unit leaves the table as it was. */
#include "rt.h"

enum { BYTES = 32 << 20, WORDS = BYTES / 4, UPDATES = 20000 };
static uint32_t *table, round_number;

void bench_setup(void)
{
    table = map_pages(BYTES, PROT_READ | PROT_WRITE);
    for (uint32_t i = 0; i < WORDS; i++)
        table[i] = i;
}

uint32_t bench_unit(void)
{
    uint32_t seed = 0x9e3779b9u * ++round_number | 1,
             sum = 0; /* other addresses in every unit, or a cache would hold them */

    for (int pass = 0; pass < 2; pass++) {
        uint32_t state = seed;
        for (int i = 0; i < UPDATES; i++) {
            uint32_t x = xorshift32(&state);
            table[x % WORDS] ^= x;
        }
    }
    uint32_t state = seed;
    for (int i = 0; i < UPDATES; i += 64) {
        uint32_t at = xorshift32(&state) % WORDS;
        sum |= table[at] ^ at;
    }
    return sum;
}
