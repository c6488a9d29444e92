/* Bench: calls indirect
 * Calls through a table of functions in a pseudo-random order. */
#include "rt.h"

#define FUNCTION(n, expression)                                                                                        \
    static NOINLINE uint32_t f##n(uint32_t x)                                                                          \
    {                                                                                                                  \
        return expression;                                                                                             \
    }
FUNCTION(0, x + 0x9e3779b9u)
FUNCTION(1, x ^ x >> 3)
FUNCTION(2, x * 5 + 1)
FUNCTION(3, ~x)
FUNCTION(4, x << 7 | x >> 25)
FUNCTION(5, x - 77)
FUNCTION(6, x ^ 0x55aa55aau)
FUNCTION(7, x + (x << 1))

static uint32_t (*const volatile table[8])(uint32_t) = {f0, f1, f2, f3, f4, f5, f6, f7};

uint32_t bench_unit(void)
{
    uint32_t x = 1, state = 12345;
    for (int i = 0; i < 200000; i++) {
        /* Eight calls in a fixed order, then one at random. */
        x = table[i & 7](x);
        if (!(i & 7))
            x = table[xorshift32(&state) & 7](x);
    }
    return x;
}
