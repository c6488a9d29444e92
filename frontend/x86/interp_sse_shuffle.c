/*
 * Shuffles, unpacks and packs of XMM registers.
 *
 * Sources: SDM vol. 1 "Programming with SSE", "Programming with SSE2"; vol. 2 for each instruction.
 */
#include "frontend/x86/interp_simd.h"

SSE_INT_OP(unpcklps, 16)
SSE_INT_OP(unpckhps, 16)
SSE_INT_OP(unpcklpd, 16)
SSE_INT_OP(unpckhpd, 16)
SSE_INT_OP(punpcklbw, 16)
SSE_INT_OP(punpcklwd, 16)
SSE_INT_OP(punpckldq, 16)
SSE_INT_OP(punpcklqdq, 16)
SSE_INT_OP(punpckhbw, 16)
SSE_INT_OP(punpckhwd, 16)
SSE_INT_OP(punpckhdq, 16)
SSE_INT_OP(punpckhqdq, 16)
SSE_INT_OP(packsswb, 16)
SSE_INT_OP(packssdw, 16)
SSE_INT_OP(packuswb, 16)

/* dst = SHUFFLE(dst, src, imm) with union xmm operands. The immediate is not known to the host compiler, so elements
 * are picked one by one. */
#define SSE_SHUFFLE(name, shuffle)                                                                                     \
    ALWAYS_INLINE void sse_##name(struct cpu *cpu, const struct insn *in, bool is_mem)                                 \
    {                                                                                                                  \
        union xmm src;                                                                                                 \
                                                                                                                       \
        _mm_storeu_si128((simd128 *)&src, xmm_source(cpu, in, is_mem, 16));                                            \
        xmm_write(cpu, in->reg, shuffle(&cpu->fpu.xmm[in->reg], &src, in->imm));                                       \
    }                                                                                                                  \
    SIMD_HANDLERS(sse_##name, gate_sse)

ALWAYS_INLINE simd128 shuffle_shufps(const union xmm *dst, const union xmm *src, unsigned imm)
{
    return _mm_set_epi32((int)src->d[imm >> 6 & 3], (int)src->d[imm >> 4 & 3], (int)dst->d[imm >> 2 & 3],
                         (int)dst->d[imm & 3]);
}
ALWAYS_INLINE simd128 shuffle_shufpd(const union xmm *dst, const union xmm *src, unsigned imm)
{
    return _mm_set_epi64x((long long)src->q[imm >> 1 & 1], (long long)dst->q[imm & 1]);
}
ALWAYS_INLINE simd128 shuffle_pshufd(const union xmm *dst, const union xmm *src, unsigned imm)
{
    return shuffle_shufps(src, src, imm);
}
ALWAYS_INLINE long long shuffled_words(const uint16_t *words, unsigned imm)
{
    return (long long)((uint64_t)words[imm & 3] | (uint64_t)words[imm >> 2 & 3] << 16 |
                       (uint64_t)words[imm >> 4 & 3] << 32 | (uint64_t)words[imm >> 6 & 3] << 48);
}
ALWAYS_INLINE simd128 shuffle_pshuflw(const union xmm *dst, const union xmm *src, unsigned imm)
{
    return _mm_set_epi64x((long long)src->q[1], shuffled_words(src->w, imm));
}
ALWAYS_INLINE simd128 shuffle_pshufhw(const union xmm *dst, const union xmm *src, unsigned imm)
{
    return _mm_set_epi64x(shuffled_words(src->w + 4, imm), (long long)src->q[0]);
}

SSE_SHUFFLE(shufps, shuffle_shufps)
SSE_SHUFFLE(shufpd, shuffle_shufpd)
SSE_SHUFFLE(pshufd, shuffle_pshufd)
SSE_SHUFFLE(pshuflw, shuffle_pshuflw)
SSE_SHUFFLE(pshufhw, shuffle_pshufhw)
