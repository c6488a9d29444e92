/* A clock of the host that costs no more to read than a few instructions, in cycles. */
#ifndef TRANSLATOR_CYCLES_H
#define TRANSLATOR_CYCLES_H

#include <stdint.h>
#include <time.h>

static inline uint64_t host_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* The TSC, which runs at a constant rate; nanoseconds on hosts without one. */
static inline uint64_t host_cycles(void)
{
#ifdef __x86_64__
    return __builtin_ia32_rdtsc();
#else
    return host_ns();
#endif
}

/* One moment by both clocks: what passes from there on tells how long a cycle is. */
struct cycle_scale {
    uint64_t ns, cycles;
};

static inline struct cycle_scale cycle_scale_begin(void)
{
    return (struct cycle_scale){host_ns(), host_cycles()};
}

/* So many cycles in nanoseconds; the longer ago the scale began, the more exactly. In integers: MXCSR may be the
 * guest's. */
static inline uint64_t cycles_to_ns(const struct cycle_scale *scale, uint64_t cycles)
{
    const uint64_t passed = host_cycles() - scale->cycles;

    return passed ? (uint64_t)((unsigned __int128)cycles * (host_ns() - scale->ns) / passed) : 0;
}

#endif
