/*
 * MXCSR, fences, cache hints, MOVNTI.
 *
 * Sources: SDM vol. 2 LDMXCSR, STMXCSR, SFENCE, LFENCE, MFENCE, CLFLUSH, PREFETCHh, MOVNTI.
 * One processor executes everything in order and has no caches, so fences and hints have nothing to do.
 */
#include "frontend/x86/interp_simd.h"

ALWAYS_INLINE void sse_ldmxcsr(struct cpu *cpu, const struct insn *in, bool is_mem)
{
    uint32_t value = mem_read32(cpu, in->seg, effective_offset(cpu, in));

    if (value & ~(uint32_t)MXCSR_WRITABLE)
        cpu_raise_error(cpu, VEC_GP, 0);
    cpu->fpu.mxcsr = value;
    simd_load_mxcsr(cpu);
}
SIMD_HANDLERS_MEM(sse_ldmxcsr, gate_sse)

ALWAYS_INLINE void sse_stmxcsr(struct cpu *cpu, const struct insn *in, bool is_mem)
{
    simd_fold_mxcsr(cpu);
    mem_write32(cpu, in->seg, effective_offset(cpu, in), cpu->fpu.mxcsr);
}
SIMD_HANDLERS_MEM(sse_stmxcsr, gate_sse)

/* SFENCE, LFENCE, MFENCE, PREFETCHh. A prefetch never faults. */
ALWAYS_INLINE void sse_nothing(struct cpu *cpu, const struct insn *in, bool is_mem) {}
SIMD_HANDLERS(sse_nothing, gate_none)

/* Checked like a load of one byte. */
ALWAYS_INLINE void sse_clflush(struct cpu *cpu, const struct insn *in, bool is_mem)
{
    mmu_check_read(&cpu->mmu, seg_read_linear(cpu, in->seg, effective_offset(cpu, in), 1), 1, cpu->view);
}
SIMD_HANDLERS_MEM(sse_clflush, gate_none)

ALWAYS_INLINE void sse_movnti(struct cpu *cpu, const struct insn *in, bool is_mem)
{
    mem_write32(cpu, in->seg, effective_offset(cpu, in), cpu->gpr[in->reg]);
}
SIMD_HANDLERS_MEM(sse_movnti, gate_none)
