/* Bench: integer sieve
 * The sieve of Eratosthenes over one byte per odd number up to 2^18, counting the primes. */
#include "rt.h"

enum { LIMIT = 1 << 18 };
static uint8_t composite[LIMIT / 2];

uint32_t bench_unit(void)
{
    uint32_t primes = 1;

    memset(composite, 0, sizeof composite);
    for (uint32_t i = 1; i < LIMIT / 2; i++) {
        if (composite[i])
            continue;
        primes++;
        for (uint32_t j = 2 * i * (i + 1), p = 2 * i + 1; i < 512 && j < LIMIT / 2; j += p)
            composite[j] = 1;
    }
    return primes;
}
