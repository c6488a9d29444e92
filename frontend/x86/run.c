/*
 * The interpreter's run loop: blocks while nothing needs attention, one instruction at a time while something does.
 *
 * Faults unwind to cpu->unwind with cpu->eip at the start of the block and cpu->insn at the faulting instruction.
 * Between blocks cpu->insn points to `between`, whose offset is 0, so a fault raised there (fetch, interrupt delivery)
 * needs no special case.
 */
#include <time.h>

#include "frontend/x86/code.h"
#include "frontend/x86/interp.h"
#include "frontend/x86/trace.h"
#include "frontend/x86/simd.h"
#include "frontend/x86/fpu.h"
#include "frontend/x86/run.h"
#include "frontend/x86/sys_internal.h"
#include "hw/core/log.h"

static const struct insn between = {.row = ISA_ROW_UD};

_Static_assert(offsetof(struct cpu, stepping) == offsetof(struct cpu, shadow) + 3, "tested as one word");

void interp_ud(struct cpu *cpu, const struct insn *in)
{
    (void)in;
    cpu_raise(cpu, VEC_UD);
}

void interp_block_end(struct cpu *cpu, const struct insn *in)
{
    const struct code_block *block = cpu->block;

    /* A block that was killed while it ran stops early: what was counted on entry but not executed is taken back. */
    if (block)
        cpu->executed -= block->n_insns - (uint32_t)(in - block->insn);
    cpu->eip += in->offset;
}

void interp_block_next(struct cpu *cpu, const struct insn *in)
{
    cpu->eip += in->offset;
    run_chain(cpu);
}

void cpu_set_event(struct cpu *cpu, uint32_t events)
{
    /* Translated code polls run_ok, or jumps through jump_table; the run loop sets run_ok, then looks at events
     * (cpu_run), and whoever sets jump_table looks at run_ok afterwards (translator/jump.c). */
    atomic_fetch_or(&cpu->events, events);
    atomic_store(&cpu->translated.run_ok, 0);
    atomic_store(&cpu->translated.jump_table, cpu->translated.no_jumps);
}

void cpu_set_intr(struct cpu *cpu, bool level)
{
    cpu->intr_line = level;
    if (level)
        cpu_set_event(cpu, CPU_EVENT_INTR);
    else
        atomic_fetch_and_explicit(&cpu->events, ~(uint32_t)CPU_EVENT_INTR, memory_order_relaxed);
}

static void run_block(struct cpu *cpu, struct code_block *block)
{
    if (unlikely(cpu->stepping & STEPPING_TRACE))
        trace_block(cpu, block);
    block_enter(cpu, block);
}

void run_single(struct cpu *cpu)
{
    const struct insn *in;

    cpu->block = NULL;
    if ((cpu->stepping & STEPPING_BREAKPOINTS) && !(cpu->eflags & EFLAGS_RF)) {
        uint32_t hit = debug_exec_match(cpu, cpu->seg[CS].base + cpu->eip);

        if (hit) { /* a fault: reported before the instruction runs */
            cpu->dr[6] |= hit;
            cpu_raise(cpu, VEC_DB);
        }
    }
    in = code_decode_single(cpu);
    cpu->eflags &= ~(uint32_t)EFLAGS_RF;
    if (cpu->eflags & EFLAGS_TF)
        cpu->pending_db |= DR6_BS;
    cpu->executed++;
    cpu->insn = in;
    cpu->stepping |= STEPPING_SINGLE;
    in->fn(cpu, in);
    cpu->stepping &= (uint8_t)~STEPPING_SINGLE;
}

static void advance_shadow(struct cpu *cpu)
{
    cpu->shadow = cpu->shadow_next;
    cpu->shadow_next = 0;
}

/* Host events. False when the loop must be left. */
static bool serve_events(struct cpu *cpu)
{
    uint32_t events = atomic_load_explicit(&cpu->events, memory_order_acquire);

    if (events & (CPU_EVENT_POLL | CPU_EVENT_RESET | CPU_EVENT_FLUSH | CPU_EVENT_STOP)) {
        atomic_fetch_and_explicit(&cpu->events,
                                  ~(uint32_t)(CPU_EVENT_POLL | CPU_EVENT_RESET | CPU_EVENT_FLUSH | CPU_EVENT_STOP),
                                  memory_order_acquire);
        if (events & CPU_EVENT_POLL)
            cpu->board->poll(cpu->board->opaque);
        if (events & CPU_EVENT_FLUSH) {
            mmu_flush(&cpu->mmu);
            code_empty(cpu);
            if (cpu->engine)
                cpu->engine->empty(cpu);
        }
        if (events & CPU_EVENT_RESET)
            cpu_reset(cpu);
        if (events & CPU_EVENT_STOP)
            return false;
    }
    return true;
}

static uint64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void idle(struct cpu *cpu)
{
    const uint64_t since_ns = now_ns();

    cpu->board->idle(cpu->board->opaque);
    cpu->idle_ns += now_ns() - since_ns;
}

/* One pass with something needing attention: host events, interrupts, then one instruction or one block. False when
 * the loop must be left. */
static bool attend(struct cpu *cpu)
{
    bool serviced;

    advance_shadow(cpu);
    if (!serve_events(cpu))
        return false;
    serviced = interrupts_service(cpu);
    if (cpu->halt != CPU_RUNNING) {
        idle(cpu);
        return true;
    }
    if (serviced)
        return true;
    /* One instruction is enough to go on with an engine; a block would chain to others. */
    if (cpu->engine || cpu->shadow | (cpu->stepping & STEPPING_BREAKPOINTS) || cpu->eflags & (EFLAGS_TF | EFLAGS_RF)) {
        run_single(cpu);
    } else {
        struct code_block *block = code_find(cpu);

        if (block)
            run_block(cpu, block);
        else
            run_single(cpu);
    }
    return true;
}

/* Where cpu_raise() comes out. */
static void unwound(struct cpu *cpu)
{
    const struct code_block *block = cpu->block;

    if (cpu->engine)
        cpu->engine->settle(cpu);
    if (block && cpu->insn != &between)
        cpu->executed -= block->n_insns - (uint32_t)(cpu->insn - block->insn);
    cpu->eip += cpu->insn->offset;
    cpu->insn = &between;
    cpu->block = NULL;
    cpu->stepping &= (uint8_t)~STEPPING_SINGLE;
    cpu->shadow = cpu->shadow_next = 0;
    exception_deliver(cpu);
}

void cpu_run(struct cpu *cpu)
{
    cpu->stepping = (uint8_t)((cpu->stepping & ~STEPPING_TRACE) | (log_is_on(LOG_EXEC | LOG_CPU) ? STEPPING_TRACE : 0));
    simd_enter(cpu);
    fpu_enter(cpu);
    if (setjmp(cpu->unwind))
        unwound(cpu);
    cpu->chain_stack_limit = host_stack_pointer() - CHAIN_STACK_BYTES;
    for (;;) {
        cpu->insn = &between;
        if (cpu->engine && !run_must_attend(cpu)) {
            cpu->block = NULL;
            if (!atomic_load_explicit(&cpu->translated.run_ok, memory_order_relaxed)) {
                atomic_store(&cpu->translated.run_ok, 1);
                if (atomic_load(&cpu->events) & ~(uint32_t)CPU_EVENT_INTR)
                    continue;
            }
            cpu->engine->run(cpu);
            continue;
        }
        if (needs_attention(cpu)) {
            if (!attend(cpu))
                break;
            continue;
        }
        struct code_block *block = code_find(cpu);

        if (likely(block))
            run_block(cpu, block);
        else
            run_single(cpu);
    }
    fpu_leave(cpu);
    simd_leave(cpu);
}

void cpu_step(struct cpu *cpu)
{
    simd_enter(cpu);
    fpu_enter(cpu);
    if (setjmp(cpu->unwind)) {
        unwound(cpu); /* again, if the delivery itself faults */
    } else {
        cpu->insn = &between;
        advance_shadow(cpu);
        if (serve_events(cpu) && !interrupts_service(cpu)) {
            if (cpu->halt != CPU_RUNNING)
                idle(cpu);
            else if (cpu->engine && !run_must_attend(cpu))
                cpu->engine->run(cpu);
            else
                run_single(cpu);
        }
    }
    fpu_leave(cpu);
    simd_leave(cpu);
}
