/*
 * What the fuzzers share: a generator that a seed determines, a line that names the seed when something dies, and a
 * watchdog for steps that take too long.
 *
 * Every fuzzer is a program: PROGRAM [--seed N] [--count N] [--min N] [--verbose]. It is deterministic in its seed,
 * runs
 * --count steps, prints one summary line and exits 0, or dies where the bug is.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fuzz { /* SplitMix64 */
    uint64_t state;
};

struct fuzz_args {
    uint64_t seed;
    uint64_t count; /* steps of whatever kind the fuzzer counts */
    uint64_t min;   /* fuzz_devices: accesses that each device must get */
    bool is_verbose;
};

/* Fills what the command line does not name from `defaults`; exits 1 on a mistake. */
struct fuzz_args fuzz_parse_args(int argc, char **argv, struct fuzz_args defaults);

/* Starts a run with a seed of its own, which is named if the process dies. */
struct fuzz fuzz_start(uint64_t seed);
/* Starts the watchdog: a step that takes more than `step_ms` of processor time (ten times as long under sanitizers)
 * ends the process with SIGABRT. fuzz_step() tells it that a step is done. */
void fuzz_watch(unsigned step_ms);
void fuzz_step(void);
/* How many times slower this build may be than a plain one. */
unsigned fuzz_slowdown(void);
/* What the step is about to do, for the line that names the seed. */
void fuzz_note(const char *what, uint64_t a, uint64_t b);

static inline uint64_t fuzz_next(struct fuzz *f)
{
    uint64_t z = f->state += 0x9e3779b97f4a7c15;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

/* 0 to n - 1; n > 0. */
static inline uint64_t fuzz_below(struct fuzz *f, uint64_t n)
{
    return fuzz_next(f) % n;
}

static inline bool fuzz_one_in(struct fuzz *f, unsigned n)
{
    return fuzz_next(f) % n == 0;
}

/* Values that devices find interesting: zero, ones, one bit, a small number, a place in low RAM, anything. */
uint32_t fuzz_value(struct fuzz *f);
void fuzz_bytes(struct fuzz *f, void *bytes, size_t len);
/* Changes a few bytes of a well-formed input, or its length (up to `size`); returns the new length. */
size_t fuzz_mutate(struct fuzz *f, uint8_t *bytes, size_t len, size_t size);

#endif
