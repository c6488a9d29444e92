/* Bench: calls fib
 * Fibonacci numbers by naive recursion: calls and returns. */
#include "rt.h"

static NOINLINE uint32_t fib(uint32_t n)
{
    __asm__ volatile(""); /* keeps the compiler from flattening the recursion */
    return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

__attribute__((optimize("no-optimize-sibling-calls"))) uint32_t bench_unit(void)
{
    volatile uint32_t n = 22;
    return fib(n);
}
