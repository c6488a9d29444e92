/* Bench: integer arith64
 * 64-bit numbers on a 32-bit machine: products, quotients, shifts and carries; Miller-Rabin over 31-bit numbers and a
 * 64-bit generator. */
#include "rt.h"

static uint64_t power_mod(uint64_t base, uint64_t exponent, uint64_t modulus)
{
    uint64_t result = 1;
    for (; exponent; exponent >>= 1, base = base * base % modulus)
        if (exponent & 1)
            result = result * base % modulus;
    return result;
}

static int is_prime(uint32_t n)
{
    static const uint8_t witness[] = {2, 3, 5, 7};
    uint32_t odd = n - 1, twos = 0;

    while (!(odd & 1))
        odd >>= 1, twos++;
    for (unsigned i = 0; i < sizeof witness; i++) {
        uint64_t x = power_mod(witness[i], odd, n);
        if (x == 1 || x == n - 1)
            continue;
        uint32_t r = 1;
        for (; r < twos && x != n - 1; r++)
            x = x * x % n;
        if (x != n - 1)
            return 0;
    }
    return 1;
}

uint32_t bench_unit(void)
{
    uint32_t primes = 0;
    uint64_t x = 88172645463325252ull, sum = 0;

    for (uint32_t n = 0x40000001; n < 0x40000001 + 1000; n += 2)
        primes += (uint32_t)is_prime(n);
    for (int i = 0; i < 10000; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        sum += x / ((x >> 40 | 1) + (i & 1 ? 0x100000000ull : 0)) + (uint64_t)((int64_t)x % ((i & 255) - 300));
        sum = sum << (i & 63) | sum >> (63 - (i & 63));
    }
    return mix(mix(primes, (uint32_t)sum), (uint32_t)(sum >> 32));
}
