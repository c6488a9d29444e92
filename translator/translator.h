/*
 * The translator: guest code to IR, and IR to host code or to the IR interpreter.
 *
 * One per vCPU. It plugs into the run loop (frontend/x86/run.h, struct cpu_engine): the loop attends to interrupts,
 * HLT, single steps and breakpoints, and calls the engine for everything else.
 */
#ifndef TRANSLATOR_TRANSLATOR_H
#define TRANSLATOR_TRANSLATOR_H

#include <stdio.h>

#include "frontend/x86/cpu.h"
#include "softmmu/window.h"

enum accel { ACCEL_INTERP, ACCEL_IR, ACCEL_JIT };

struct translator_options {
    enum accel accel;     /* ACCEL_IR or ACCEL_JIT */
    size_t cache_bytes;   /* size of the code cache; 0: the default, 256 MiB */
    bool no_chain;        /* every block returns to the run loop */
    bool lockstep;        /* every block is run by the interpreter too, and compared (lockstep.c) */
    bool count;           /* translated code counts the guest instructions it runs (`info jit`) */
    unsigned block_insns; /* guest instructions in a block, at most; 0: the default */
    /* How often the interpreter runs code before it is worth a translation: any code; code that a store has killed
     * and whose last translation did not pay, a number that grows while none does. 0: it is translated at once. */
    unsigned threshold, killed_threshold;
    enum window_policy windows; /* for ACCEL_JIT */
};

#define TRANSLATOR_THRESHOLD_MAX    64u
#define TRANSLATOR_KILLED_THRESHOLD 4u /* what pays on most hosts */

/* Why a host cannot run translated code, or NULL if it can. */
const char *translator_missing_feature(void);

/* Attaches a translator to `cpu`, which then uses it in cpu_run. False with *error, a static string, on failure. */
bool translator_create(struct cpu *cpu, const struct translator_options *options, const char **error);
void translator_destroy(struct cpu *cpu);

/* `info jit`. */
void translator_print_info(const struct cpu *cpu, FILE *out);

#endif
