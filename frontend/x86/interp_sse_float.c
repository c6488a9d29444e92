/*
 * Floating-point arithmetic, logic and comparison in XMM registers.
 *
 * Sources: SDM vol. 1 "Programming with SSE", "Programming with SSE2"; vol. 2 for each instruction.
 * RCPPS and RSQRTPS are approximations whose low bits differ between processor models: ours are the host's.
 */
#include "frontend/x86/interp_simd.h"

/* ---- arithmetic ---- */

#define SSE_ARITHMETIC(stem, op)                                                                                       \
    SSE_FP_OP(stem##ps, op, SIMD_PS, 16)                                                                               \
    SSE_FP_OP(stem##ss, op, SIMD_SS, 4)                                                                                \
    SSE_FP_OP(stem##pd, op, SIMD_PD, 16)                                                                               \
    SSE_FP_OP(stem##sd, op, SIMD_SD, 8)

SSE_ARITHMETIC(add, SIMD_ADD)
SSE_ARITHMETIC(sub, SIMD_SUB)
SSE_ARITHMETIC(mul, SIMD_MUL)
SSE_ARITHMETIC(div, SIMD_DIV)
SSE_ARITHMETIC(min, SIMD_OTHER)
SSE_ARITHMETIC(max, SIMD_OTHER)
SSE_ARITHMETIC(sqrt, SIMD_OTHER)

/* No exceptions, no MXCSR. */
SSE_INT_OP(rcpps, 16)
SSE_INT_OP(rcpss, 4)
SSE_INT_OP(rsqrtps, 16)
SSE_INT_OP(rsqrtss, 4)

/* ---- logic ---- */

SSE_INT_OP(andps, 16)
SSE_INT_OP(andpd, 16)
SSE_INT_OP(andnps, 16)
SSE_INT_OP(andnpd, 16)
SSE_INT_OP(orps, 16)
SSE_INT_OP(orpd, 16)
SSE_INT_OP(xorps, 16)
SSE_INT_OP(xorpd, 16)

/* ---- comparison into a mask: the immediate's low three bits are the predicate ---- */

#define HOST_COMPARE_CASE(n, suffix)                                                                                   \
    case n:                                                                                                            \
        return HOST_FP("cmp" suffix " $" #n ",", dst, src);
#define SSE_COMPARE(suffix, bytes)                                                                                     \
    ALWAYS_INLINE simd128 host_cmp##suffix(simd128 dst, simd128 src, unsigned predicate)                               \
    {                                                                                                                  \
        switch (predicate & 7) {                                                                                       \
            HOST_COMPARE_CASE(0, #suffix)                                                                              \
            HOST_COMPARE_CASE(1, #suffix)                                                                              \
            HOST_COMPARE_CASE(2, #suffix)                                                                              \
            HOST_COMPARE_CASE(3, #suffix)                                                                              \
            HOST_COMPARE_CASE(4, #suffix)                                                                              \
            HOST_COMPARE_CASE(5, #suffix)                                                                              \
            HOST_COMPARE_CASE(6, #suffix)                                                                              \
        default:                                                                                                       \
            return HOST_FP("cmp" #suffix " $7,", dst, src);                                                            \
        }                                                                                                              \
    }                                                                                                                  \
    ALWAYS_INLINE void sse_cmp##suffix(struct cpu *cpu, const struct insn *in, bool is_mem, bool checked)              \
    {                                                                                                                  \
        simd128 src = xmm_source(cpu, in, is_mem, bytes), result;                                                      \
                                                                                                                       \
        simd_fp_begin(cpu, checked);                                                                                   \
        result = host_cmp##suffix(xmm_read(cpu, in->reg), src, in->imm);                                               \
        simd_fp_end_other(cpu, checked);                                                                               \
        xmm_write(cpu, in->reg, result);                                                                               \
    }                                                                                                                  \
    SIMD_FP_HANDLERS(sse_cmp##suffix, gate_sse)

SSE_COMPARE(ps, 16)
SSE_COMPARE(ss, 4)
SSE_COMPARE(pd, 16)
SSE_COMPARE(sd, 8)

/* ---- comparison into EFLAGS ---- */

/* ZF, PF, CF as the host found them; OF, SF, AF are 0. */
ALWAYS_INLINE void set_compare_flags(struct cpu *cpu, bool zf, bool pf, bool cf)
{
    cpu->flag_zero = !zf;
    cpu->flag_sign = !pf; /* PF is the parity of the low byte, SF bit 31 */
    cpu->flag_carry = cf ? FLAG_CARRY_CF | FLAG_CARRY_INTO : 0;
}

#define SSE_COMPARE_FLAGS(mnemonic, bytes)                                                                             \
    ALWAYS_INLINE void sse_##mnemonic(struct cpu *cpu, const struct insn *in, bool is_mem, bool checked)               \
    {                                                                                                                  \
        simd128 src = xmm_source(cpu, in, is_mem, bytes);                                                              \
        bool zf, pf, cf;                                                                                               \
                                                                                                                       \
        simd_fp_begin(cpu, checked);                                                                                   \
        __asm__ volatile(#mnemonic " %4, %3"                                                                           \
                         : "=@ccz"(zf), "=@ccp"(pf), "=@ccc"(cf)                                                       \
                         : "x"(xmm_read(cpu, in->reg)), "x"(src));                                                     \
        simd_fp_end_other(cpu, checked);                                                                               \
        set_compare_flags(cpu, zf, pf, cf);                                                                            \
    }                                                                                                                  \
    SIMD_FP_HANDLERS(sse_##mnemonic, gate_sse)

SSE_COMPARE_FLAGS(comiss, 4)
SSE_COMPARE_FLAGS(ucomiss, 4)
SSE_COMPARE_FLAGS(comisd, 8)
SSE_COMPARE_FLAGS(ucomisd, 8)
