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

enum { INTERP, IR, JIT, JIT_NO_CHAIN, JIT_TINY, JIT_SINGLE, JIT_WINDOWS, VARIANTS };
static const struct variant variants[VARIANTS] = {
    [INTERP] = {"interp", {.accel = ACCEL_INTERP}},
    [IR] = {"ir", {.accel = ACCEL_IR}},
    [JIT] = {"jit", {.accel = ACCEL_JIT}},
    [JIT_NO_CHAIN] = {"jit without chaining", {.accel = ACCEL_JIT, .no_chain = true}},
    [JIT_TINY] = {"jit in 256 KiB", {.accel = ACCEL_JIT, .cache_bytes = 256 << 10}},
    [JIT_SINGLE] = {"jit, one instruction a block", {.accel = ACCEL_JIT, .block_insns = 1}},
    [JIT_WINDOWS] = {"jit with windows", {.accel = ACCEL_JIT, .windows = WINDOW_ALWAYS}},
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

/* Code is translated for FS, GS and the units as they are from its first run on: for tests that count callouts. */
static inline void ask_for_all(struct machine *m)
{
    if (m->cpu->translator)
        memset(m->cpu->translator->unasked, 0, sizeof m->cpu->translator->unasked);
}

/* The test's own library takes SIGSEGV before each test. */
static inline void run_cpu(struct machine *m)
{
    faults_install();
    cpu_run(m->cpu);
}

static inline void run(struct machine *m, uint32_t eip)
{
    m->cpu->eip = eip;
    m->cpu->halt = CPU_RUNNING;
    run_cpu(m);
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

/* ---- interrupts from outside ---- */

/* For board.poll. */
static inline void raise_interrupt(void *opaque)
{
    cpu_set_intr(((struct machine *)opaque)->cpu, true);
}

/* A thread that has the board polled after some time, when the guest is in its loop. */
static inline void *event_from_outside(void *opaque)
{
    usleep(20000);
    cpu_set_event(((struct machine *)opaque)->cpu, CPU_EVENT_POLL);
    return NULL;
}

/* ---- tests that each engine runs ---- */

struct engine_test {
    const char *name;
    CMUnitTestFunction test;
};
#define TEST(name)                                                                                                     \
    {                                                                                                                  \
#name, name                                                                                                    \
    }

/* Before each test: flat 32-bit code at CPL 0. */
static inline int setup_engine(void **state)
{
    const struct variant *v = *state;

    alarm(TEST_SECONDS);
    if (machine_create(state) != 0)
        return -1;
    enter_protected(*state, 0);
    return attach(*state, &v->options);
}

static inline int teardown_engine(void **state)
{
    alarm(0);
    translator_destroy(((struct machine *)*state)->cpu);
    return machine_destroy(state);
}

/* Runs tests[] with every engine that this host has. Returns what main() returns. */
static inline int run_by_each_engine(const char *group, const struct engine_test *tests, size_t n_tests)
{
    enum { NAME_ROOM = 160 };
    struct CMUnitTest *all = calloc(VARIANTS * n_tests, sizeof *all);
    char(*name)[NAME_ROOM] = calloc(VARIANTS * n_tests, sizeof *name);
    const bool has_jit = !translator_missing_feature();
    size_t n = 0;
    int failed;

    if (!all || !name)
        abort();
    for (unsigned v = 0; v < VARIANTS; v++)
        for (size_t i = 0; i < n_tests; i++) {
            if (variants[v].options.accel == ACCEL_JIT && !has_jit)
                continue;
            snprintf(name[n], NAME_ROOM, "%s: %s", variants[v].name, tests[i].name);
            all[n] = (struct CMUnitTest){name[n], tests[i].test, setup_engine, teardown_engine,
                                         (void *)(uintptr_t)&variants[v]};
            n++;
        }
    failed = _cmocka_run_group_tests(group, all, n, NULL, NULL);
    free(name);
    free(all);
    return failed;
}

#endif
