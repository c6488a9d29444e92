/* Bench: strings memcpy_mixed
 * What a C library's memcpy, memset, strlen and strcmp do with short, unequal lengths: loops of words and bytes, no
 * string instruction. */
#include "rt.h"

static char words[64 << 10] __attribute__((aligned(16))), copy[64 << 10] __attribute__((aligned(16)));

static NOINLINE uint32_t length(const char *s)
{
    const char *at = s;
    while ((uintptr_t)at & 3)
        if (!*at++)
            return (uint32_t)(at - 1 - s);
    for (;; at += 4) {
        uint32_t word = *(const uint32_t *)(const void *)at;
        if ((word - 0x01010101u) & ~word & 0x80808080u)
            break;
    }
    while (*at)
        at++;
    return (uint32_t)(at - s);
}

static NOINLINE void copy_bytes(char *d, const char *s, uint32_t n)
{
    for (; n >= 4; n -= 4, d += 4, s += 4)
        *(uint32_t *)(void *)d = *(const uint32_t *)(const void *)s;
    while (n--) {
        *d++ = *s++;
        __asm__ volatile("" : : : "memory");
    }
}

static NOINLINE int compare(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return (uint8_t)*a - (uint8_t)*b;
}

void bench_setup(void)
{
    uint32_t state = 91;
    for (uint32_t i = 0; i + 1 < sizeof words; i++)
        words[i] = (char)(xorshift32(&state) % 20 ? 'a' + (state >> 8) % 3 : 0);
}

uint32_t bench_unit(void)
{
    uint32_t sum = MIX_START;

    for (uint32_t at = 0; at + 8 < sizeof words;) {
        uint32_t n = length(words + at);
        copy_bytes(copy + at, words + at, n + 1);
        sum = mix(sum, (uint32_t)compare(copy + at, copy + (at > 40 ? at - 40 : 0)));
        at += n + 1;
    }
    return sum;
}
