/*
 * Moves to, from and between XMM registers.
 *
 * Sources: SDM vol. 1 "Programming with SSE", "Programming with SSE2"; vol. 2 for each instruction.
 * Non-temporal stores are plain ones: the emulated machine has no caches to bypass.
 */
#include "frontend/x86/interp_simd.h"

/* ---- whole registers ---- */

/* MOVAPS, MOVAPD, MOVDQA. */
ALWAYS_INLINE void sse_mova_load(struct cpu *cpu, const struct insn *in, bool is_mem)
{
    xmm_write(cpu, in->reg, xmm_source(cpu, in, is_mem, 16));
}
SIMD_HANDLERS(sse_mova_load, gate_sse)

ALWAYS_INLINE void sse_mova_store(struct cpu *cpu, const struct insn *in, bool is_mem)
{
    if (is_mem)
        simd_store(cpu, in, xmm_read(cpu, in->reg), 16);
    else
        xmm_write(cpu, in->rm, xmm_read(cpu, in->reg));
}
SIMD_HANDLERS(sse_mova_store, gate_sse)

/* MOVNTPS, MOVNTPD, MOVNTDQ. */
ALWAYS_INLINE void sse_movnt(struct cpu *cpu, const struct insn *in, bool is_mem)
{
    sse_mova_store(cpu, in, is_mem);
}
SIMD_HANDLERS_MEM(sse_movnt, gate_sse)

/* MOVUPS, MOVUPD, MOVDQU. */
ALWAYS_INLINE void sse_movu_load(struct cpu *cpu, const struct insn *in, bool is_mem)
{
    xmm_write(cpu, in->reg, is_mem ? simd_load128(cpu, in, false) : xmm_read(cpu, in->rm));
}
SIMD_HANDLERS(sse_movu_load, gate_sse)

ALWAYS_INLINE void sse_movu_store(struct cpu *cpu, const struct insn *in, bool is_mem)
{
    if (is_mem)
        simd_store128(cpu, in, xmm_read(cpu, in->reg), false);
    else
        xmm_write(cpu, in->rm, xmm_read(cpu, in->reg));
}
SIMD_HANDLERS(sse_movu_store, gate_sse)

/* ---- parts of registers ---- */

/* Replaces `bytes` of `dst` by the low ones of `src`. */
ALWAYS_INLINE simd128 merge_low(simd128 dst, simd128 src, unsigned bytes)
{
    return bytes == 4 ? _mm_castps_si128(_mm_move_ss(_mm_castsi128_ps(dst), _mm_castsi128_ps(src)))
                      : _mm_castpd_si128(_mm_move_sd(_mm_castsi128_pd(dst), _mm_castsi128_pd(src)));
}

/* From memory the rest of the destination becomes zero, from a register it stays. */
#define SSE_MOVE_SCALAR(name, bytes)                                                                                   \
    ALWAYS_INLINE void sse_##name##_load(struct cpu *cpu, const struct insn *in, bool is_mem)                          \
    {                                                                                                                  \
        simd128 src = xmm_source(cpu, in, is_mem, bytes);                                                              \
                                                                                                                       \
        xmm_write(cpu, in->reg, is_mem ? src : merge_low(xmm_read(cpu, in->reg), src, bytes));                         \
    }                                                                                                                  \
    SIMD_HANDLERS(sse_##name##_load, gate_sse)                                                                         \
    ALWAYS_INLINE void sse_##name##_store(struct cpu *cpu, const struct insn *in, bool is_mem)                         \
    {                                                                                                                  \
        if (is_mem)                                                                                                    \
            simd_store(cpu, in, xmm_read(cpu, in->reg), bytes);                                                        \
        else                                                                                                           \
            xmm_write(cpu, in->rm, merge_low(xmm_read(cpu, in->rm), xmm_read(cpu, in->reg), bytes));                   \
    }                                                                                                                  \
    SIMD_HANDLERS(sse_##name##_store, gate_sse)

SSE_MOVE_SCALAR(movss, 4)
SSE_MOVE_SCALAR(movsd, 8)

/* MOVLPS, MOVLPD: the low half, the high one stays. */
ALWAYS_INLINE void sse_movlp_load(struct cpu *cpu, const struct insn *in, bool is_mem)
{
    cpu->fpu.xmm[in->reg].q[0] = mem_read64(cpu, in->seg, effective_offset(cpu, in));
}
SIMD_HANDLERS_MEM(sse_movlp_load, gate_sse)

ALWAYS_INLINE void sse_movlp_store(struct cpu *cpu, const struct insn *in, bool is_mem)
{
    mem_write64(cpu, in->seg, effective_offset(cpu, in), cpu->fpu.xmm[in->reg].q[0]);
}
SIMD_HANDLERS_MEM(sse_movlp_store, gate_sse)

/* MOVHPS, MOVHPD. */
ALWAYS_INLINE void sse_movhp_load(struct cpu *cpu, const struct insn *in, bool is_mem)
{
    cpu->fpu.xmm[in->reg].q[1] = mem_read64(cpu, in->seg, effective_offset(cpu, in));
}
SIMD_HANDLERS_MEM(sse_movhp_load, gate_sse)

ALWAYS_INLINE void sse_movhp_store(struct cpu *cpu, const struct insn *in, bool is_mem)
{
    mem_write64(cpu, in->seg, effective_offset(cpu, in), cpu->fpu.xmm[in->reg].q[1]);
}
SIMD_HANDLERS_MEM(sse_movhp_store, gate_sse)

ALWAYS_INLINE void sse_movhlps(struct cpu *cpu, const struct insn *in, bool is_mem)
{
    cpu->fpu.xmm[in->reg].q[0] = cpu->fpu.xmm[in->rm].q[1];
}
SIMD_HANDLERS_REG(sse_movhlps, gate_sse)

ALWAYS_INLINE void sse_movlhps(struct cpu *cpu, const struct insn *in, bool is_mem)
{
    cpu->fpu.xmm[in->reg].q[1] = cpu->fpu.xmm[in->rm].q[0];
}
SIMD_HANDLERS_REG(sse_movlhps, gate_sse)

/* ---- 32 and 64 bits, zero-extended ---- */

ALWAYS_INLINE void sse_movd_load(struct cpu *cpu, const struct insn *in, bool is_mem)
{
    xmm_write(cpu, in->reg, _mm_cvtsi32_si128((int)rm_read(cpu, in, is_mem, 32)));
}
SIMD_HANDLERS(sse_movd_load, gate_sse)

ALWAYS_INLINE void sse_movd_store(struct cpu *cpu, const struct insn *in, bool is_mem)
{
    rm_write(cpu, in, cpu->fpu.xmm[in->reg].d[0], is_mem, 32);
}
SIMD_HANDLERS(sse_movd_store, gate_sse)

ALWAYS_INLINE void sse_movq_load(struct cpu *cpu, const struct insn *in, bool is_mem)
{
    xmm_write(cpu, in->reg, _mm_move_epi64(xmm_source(cpu, in, is_mem, 8)));
}
SIMD_HANDLERS(sse_movq_load, gate_sse)

ALWAYS_INLINE void sse_movq_store(struct cpu *cpu, const struct insn *in, bool is_mem)
{
    if (is_mem)
        simd_store(cpu, in, xmm_read(cpu, in->reg), 8);
    else
        xmm_write(cpu, in->rm, _mm_move_epi64(xmm_read(cpu, in->reg)));
}
SIMD_HANDLERS(sse_movq_store, gate_sse)

ALWAYS_INLINE void sse_movdq2q(struct cpu *cpu, const struct insn *in, bool is_mem)
{
    mmx_write(cpu, in->reg, xmm_read(cpu, in->rm));
}
SIMD_HANDLERS_REG(sse_movdq2q, gate_sse_mmx)

ALWAYS_INLINE void sse_movq2dq(struct cpu *cpu, const struct insn *in, bool is_mem)
{
    xmm_write(cpu, in->reg, mmx_read(cpu, in->rm));
    fpu_mmx_enter(&cpu->fpu);
}
SIMD_HANDLERS_REG(sse_movq2dq, gate_sse_mmx)

/* ---- masks ---- */

ALWAYS_INLINE void sse_movmskps(struct cpu *cpu, const struct insn *in, bool is_mem)
{
    cpu->gpr[in->reg] = (uint32_t)_mm_movemask_ps(_mm_castsi128_ps(xmm_read(cpu, in->rm)));
}
SIMD_HANDLERS_REG(sse_movmskps, gate_sse)

ALWAYS_INLINE void sse_movmskpd(struct cpu *cpu, const struct insn *in, bool is_mem)
{
    cpu->gpr[in->reg] = (uint32_t)_mm_movemask_pd(_mm_castsi128_pd(xmm_read(cpu, in->rm)));
}
SIMD_HANDLERS_REG(sse_movmskpd, gate_sse)

ALWAYS_INLINE void sse_maskmovdqu(struct cpu *cpu, const struct insn *in, bool is_mem)
{
    simd_masked_store(cpu, in, cpu->fpu.xmm[in->reg].b, cpu->fpu.xmm[in->rm].b, 16);
}
SIMD_HANDLERS_REG(sse_maskmovdqu, gate_sse)
