/* Guests under each engine: a machine of sys_fixture.h that a translator may be attached to. */
#ifndef TESTS_UNIT_TRANSLATOR_BLOCK_FIXTURE_H
#define TESTS_UNIT_TRANSLATOR_BLOCK_FIXTURE_H

#include "tests/unit/frontend/sys_fixture.h"

#include <stdio.h>
#include <unistd.h>

#include "translator/internal.h"

enum { TEST_SECONDS = 60 }; /* a test that hangs is ended */

struct variant {
    const char *name;
    struct translator_options options;
};

enum { INTERP, IR, JIT, JIT_NO_CHAIN, JIT_TINY, JIT_SINGLE, VARIANTS };
static const struct variant variants[VARIANTS] = {
    [INTERP] = {"interp", {.accel = ACCEL_INTERP}},
    [IR] = {"ir", {.accel = ACCEL_IR}},
    [JIT] = {"jit", {.accel = ACCEL_JIT}},
    [JIT_NO_CHAIN] = {"jit without chaining", {.accel = ACCEL_JIT, .no_chain = true}},
    [JIT_TINY] = {"jit in 256 KiB", {.accel = ACCEL_JIT, .cache_bytes = 256 << 10}},
    [JIT_SINGLE] = {"jit, one instruction a block", {.accel = ACCEL_JIT, .block_insns = 1}},
};

/* ---- the guest ---- */

/* HLT ends a run. */
static inline void stop_at_halt(void *opaque)
{
    struct machine *m = opaque;

    m->idles++;
    cpu_set_event(m->cpu, CPU_EVENT_STOP);
}

static inline int attach(struct machine *m, const struct translator_options *options)
{
    const char *error;

    m->board.idle = stop_at_halt;
    if (options->accel != ACCEL_INTERP && !translator_create(m->cpu, options, &error))
        fail_msg("%s", error);
    return 0;
}

static inline void run(struct machine *m, uint32_t eip)
{
    m->cpu->eip = eip;
    m->cpu->halt = CPU_RUNNING;
    cpu_run(m->cpu);
    assert_int_equal(m->cpu->halt, CPU_HALTED);
    assert_int_equal(m->shutdowns, 0);
}

/* Puts bytes where a device would; returns the address behind them. */
static inline uint32_t put(struct machine *m, uint32_t at, const uint8_t *bytes, size_t n)
{
    phys_write_bytes(m->phys, at, bytes, n);
    return at + (uint32_t)n;
}
#define PUT(m, at, ...) put((m), (at), (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))
#define LE32(x)         (uint8_t)(x), (uint8_t)((x) >> 8), (uint8_t)((x) >> 16), (uint8_t)((uint32_t)(x) >> 24)

#endif
