/*
 * Conversions between integers, singles and doubles.
 *
 * Sources: SDM vol. 2 CVTxx2yy; "Instruction Exception Specification", tables for legacy SIMD and MMX instructions.
 * CVTPI2PS with a memory operand makes the transition to MMX, as Intel's manual says; other vendors' processors leave
 * the x87 state alone there. CVTPI2PD with a memory operand does not, by both.
 */
#include "frontend/x86/interp_simd.h"

/* ---- within XMM registers ---- */

SSE_FP_OP(cvtdq2ps, SIMD_OTHER, SIMD_PS, 16)
SSE_FP_OP(cvtps2dq, SIMD_OTHER, SIMD_PS, 16)
SSE_FP_OP(cvttps2dq, SIMD_OTHER, SIMD_PS, 16)
SSE_FP_OP(cvtdq2pd, SIMD_OTHER, SIMD_PD, 8)
SSE_FP_OP(cvtpd2dq, SIMD_OTHER, SIMD_PD, 16)
SSE_FP_OP(cvttpd2dq, SIMD_OTHER, SIMD_PD, 16)
SSE_FP_OP(cvtps2pd, SIMD_OTHER, SIMD_PS, 8)
SSE_FP_OP(cvtpd2ps, SIMD_NARROW, SIMD_PD, 16)
SSE_FP_OP(cvtss2sd, SIMD_OTHER, SIMD_SS, 4)
SSE_FP_OP(cvtsd2ss, SIMD_NARROW, SIMD_SD, 8)

/* ---- to and from general registers ---- */

#define SSE_CVT_FROM_GPR(mnemonic)                                                                                     \
    ALWAYS_INLINE void sse_##mnemonic(struct cpu *cpu, const struct insn *in, bool is_mem, bool checked)               \
    {                                                                                                                  \
        uint32_t src = rm_read(cpu, in, is_mem, 32);                                                                   \
        simd128 result = xmm_read(cpu, in->reg);                                                                       \
                                                                                                                       \
        simd_fp_begin(cpu, checked);                                                                                   \
        __asm__ volatile(#mnemonic "l %1, %0" : "+x"(result) : "r"(src));                                              \
        simd_fp_end_other(cpu, checked);                                                                               \
        xmm_write(cpu, in->reg, result);                                                                               \
    }                                                                                                                  \
    SIMD_FP_HANDLERS(sse_##mnemonic, gate_sse)
#define SSE_CVT_TO_GPR(mnemonic, bytes)                                                                                \
    ALWAYS_INLINE void sse_##mnemonic(struct cpu *cpu, const struct insn *in, bool is_mem, bool checked)               \
    {                                                                                                                  \
        simd128 src = xmm_source(cpu, in, is_mem, bytes);                                                              \
        uint32_t result;                                                                                               \
                                                                                                                       \
        simd_fp_begin(cpu, checked);                                                                                   \
        __asm__ volatile(#mnemonic " %1, %0" : "=r"(result) : "x"(src));                                               \
        simd_fp_end_other(cpu, checked);                                                                               \
        cpu->gpr[in->reg] = result;                                                                                    \
    }                                                                                                                  \
    SIMD_FP_HANDLERS(sse_##mnemonic, gate_sse)

SSE_CVT_FROM_GPR(cvtsi2ss)
SSE_CVT_FROM_GPR(cvtsi2sd)
SSE_CVT_TO_GPR(cvtss2si, 4)
SSE_CVT_TO_GPR(cvttss2si, 4)
SSE_CVT_TO_GPR(cvtsd2si, 8)
SSE_CVT_TO_GPR(cvttsd2si, 8)

/* ---- to and from MMX registers: the XMM conversion on the low half; zeros above it raise nothing ---- */

ALWAYS_INLINE void sse_cvtpi2ps(struct cpu *cpu, const struct insn *in, bool is_mem, bool checked)
{
    simd128 result = mmx_source(cpu, in, is_mem, 8);

    simd_fp_begin(cpu, checked);
    result = HOST_FP("cvtdq2ps", result, result);
    simd_fp_end_other(cpu, checked);
    _mm_storel_epi64((simd128 *)&cpu->fpu.xmm[in->reg], result);
    fpu_mmx_enter(&cpu->fpu);
}
SIMD_FP_HANDLERS(sse_cvtpi2ps, gate_sse_mmx)

/* Exact: no exceptions. */
ALWAYS_INLINE void sse_cvtpi2pd(struct cpu *cpu, const struct insn *in, bool is_mem)
{
    simd128 src = mmx_source(cpu, in, is_mem, 8);

    xmm_write(cpu, in->reg, HOST_INT("cvtdq2pd", src, src));
    if (!is_mem)
        fpu_mmx_enter(&cpu->fpu);
}
SIMD_FORM(sse_cvtpi2pd, reg, false, gate_sse_mmx)
SIMD_FORM(sse_cvtpi2pd, mem, true, gate_sse)
SIMD_FORMS(sse_cvtpi2pd, sse_cvtpi2pd_reg, sse_cvtpi2pd_mem)

#define SSE_CVT_TO_MMX(mnemonic, host_mnemonic, bytes)                                                                 \
    ALWAYS_INLINE void sse_##mnemonic(struct cpu *cpu, const struct insn *in, bool is_mem, bool checked)               \
    {                                                                                                                  \
        simd128 src = xmm_source(cpu, in, is_mem, bytes), result;                                                      \
                                                                                                                       \
        if ((bytes) == 8) /* singles above the operand take no part */                                                 \
            src = _mm_move_epi64(src);                                                                                 \
        simd_fp_begin(cpu, checked);                                                                                   \
        result = HOST_FP(#host_mnemonic, src, src);                                                                    \
        simd_fp_end_other(cpu, checked);                                                                               \
        mmx_write(cpu, in->reg, result);                                                                               \
    }                                                                                                                  \
    SIMD_FP_HANDLERS(sse_##mnemonic, gate_sse_mmx)

SSE_CVT_TO_MMX(cvtps2pi, cvtps2dq, 8)
SSE_CVT_TO_MMX(cvttps2pi, cvttps2dq, 8)
SSE_CVT_TO_MMX(cvtpd2pi, cvtpd2dq, 16)
SSE_CVT_TO_MMX(cvttpd2pi, cvttpd2dq, 16)
