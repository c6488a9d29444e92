/*
 * From block to block. The run loop (run.c) and the handlers that end a block share these.
 */
#ifndef FRONTEND_X86_RUN_H
#define FRONTEND_X86_RUN_H

#include "frontend/x86/code.h"

/* What the loop must look at before the next block: host events, shadows, HLT, breakpoints, TF, RF, debug traps. */
static inline bool needs_attention(const struct cpu *cpu)
{
    uint32_t word;

    memcpy(&word, &cpu->shadow, sizeof word);
    word |= atomic_load_explicit(&cpu->events, memory_order_relaxed);
    word |= cpu->eflags & (EFLAGS_TF | EFLAGS_RF);
    return __builtin_expect((word | cpu->pending_db) != 0, 0);
}

/* The same for an engine that checks for interrupts only where IF may have become set: one that is masked does not
 * keep it from running. RF only keeps breakpoints from matching, and while any are armed `stepping` says so; the engine
 * clears it before it runs, as every instruction does. */
static inline bool run_must_attend(const struct cpu *cpu)
{
    uint32_t word, events = atomic_load_explicit(&cpu->events, memory_order_relaxed);

    memcpy(&word, &cpu->shadow, sizeof word);
    if (!(cpu->eflags & EFLAGS_IF))
        events &= ~(uint32_t)CPU_EVENT_INTR;
    word |= events | (cpu->eflags & EFLAGS_TF);
    return __builtin_expect((word | cpu->pending_db) != 0, 0);
}

/* Executes the instruction at CS:EIP by itself (run.c). */
void run_single(struct cpu *cpu);

/* Enters `block`, counting its instructions; whoever stops early takes the rest back (interp_block_end, run.c). */
static inline __attribute__((always_inline)) void block_enter(struct cpu *cpu, struct code_block *block)
{
    cpu->block = block;
    cpu->executed += block->n_insns;
    cpu->insn = block->insn;
    block->insn[0].fn(cpu, block->insn);
}

/*
 * How far the host stack may grow in a chain of handlers. Each handler's call of the next one is its last act, which an
 * optimising compiler turns into a jump; where it does not (a handler with addressable locals, a debug build), a frame
 * stays behind until the chain returns to the run loop.
 */
#define CHAIN_STACK_BYTES (256u << 10)

static inline uintptr_t host_stack_pointer(void)
{
#ifdef __x86_64__
    uintptr_t sp;

    __asm__("movq %%rsp, %0" : "=r"(sp));
    return sp;
#else
    return (uintptr_t)__builtin_frame_address(0);
#endif
}

/*
 * At the end of a handler that set EIP and nothing else: goes on with the next block at once if it is known and nothing
 * needs attention; otherwise returns to the loop, which does the same with all the care.
 */
static inline __attribute__((always_inline)) void run_chain(struct cpu *cpu)
{
    if (!needs_attention(cpu)) {
        struct code_block *block = code_find_known(cpu);

        if (__builtin_expect(block != NULL && host_stack_pointer() > cpu->chain_stack_limit, 1)) {
            block_enter(cpu, block);
            return;
        }
    }
}

#endif
