/*
 * Packed integers in XMM registers (SSE2). Shuffles and packs: interp_sse_shuffle.c.
 *
 * Sources: SDM vol. 1 "Programming with SSE2"; vol. 2 for each instruction.
 */
#include "frontend/x86/interp_simd.h"

SSE_INT_OP(paddb, 16)
SSE_INT_OP(paddw, 16)
SSE_INT_OP(paddd, 16)
SSE_INT_OP(paddq, 16)
SSE_INT_OP(paddsb, 16)
SSE_INT_OP(paddsw, 16)
SSE_INT_OP(paddusb, 16)
SSE_INT_OP(paddusw, 16)
SSE_INT_OP(psubb, 16)
SSE_INT_OP(psubw, 16)
SSE_INT_OP(psubd, 16)
SSE_INT_OP(psubq, 16)
SSE_INT_OP(psubsb, 16)
SSE_INT_OP(psubsw, 16)
SSE_INT_OP(psubusb, 16)
SSE_INT_OP(psubusw, 16)
SSE_INT_OP(pmullw, 16)
SSE_INT_OP(pmulhw, 16)
SSE_INT_OP(pmulhuw, 16)
SSE_INT_OP(pmuludq, 16)
SSE_INT_OP(pmaddwd, 16)
SSE_INT_OP(psadbw, 16)
SSE_INT_OP(pavgb, 16)
SSE_INT_OP(pavgw, 16)
SSE_INT_OP(pminub, 16)
SSE_INT_OP(pminsw, 16)
SSE_INT_OP(pmaxub, 16)
SSE_INT_OP(pmaxsw, 16)
SSE_INT_OP(pcmpeqb, 16)
SSE_INT_OP(pcmpeqw, 16)
SSE_INT_OP(pcmpeqd, 16)
SSE_INT_OP(pcmpgtb, 16)
SSE_INT_OP(pcmpgtw, 16)
SSE_INT_OP(pcmpgtd, 16)
SSE_INT_OP(pand, 16)
SSE_INT_OP(pandn, 16)
SSE_INT_OP(por, 16)
SSE_INT_OP(pxor, 16)

/* ---- shifts ---- */

SSE_INT_OP(psllw, 16)
SSE_INT_OP(pslld, 16)
SSE_INT_OP(psllq, 16)
SSE_INT_OP(psrlw, 16)
SSE_INT_OP(psrld, 16)
SSE_INT_OP(psrlq, 16)
SSE_INT_OP(psraw, 16)
SSE_INT_OP(psrad, 16)

#define SSE_SHIFT_IMM(mnemonic)                                                                                        \
    ALWAYS_INLINE void sse_##mnemonic##_imm(struct cpu *cpu, const struct insn *in, bool is_mem)                       \
    {                                                                                                                  \
        xmm_write(cpu, in->rm, HOST_INT(#mnemonic, xmm_read(cpu, in->rm), _mm_cvtsi32_si128((int)in->imm)));           \
    }                                                                                                                  \
    SIMD_HANDLERS_REG(sse_##mnemonic##_imm, gate_sse)

SSE_SHIFT_IMM(psllw)
SSE_SHIFT_IMM(pslld)
SSE_SHIFT_IMM(psllq)
SSE_SHIFT_IMM(psrlw)
SSE_SHIFT_IMM(psrld)
SSE_SHIFT_IMM(psrlq)
SSE_SHIFT_IMM(psraw)
SSE_SHIFT_IMM(psrad)

/* Whole-register shifts by bytes: a window slides over the register with zeros on one side; 16 and more leave zero. */
ALWAYS_INLINE void sse_pslldq(struct cpu *cpu, const struct insn *in, bool is_mem)
{
    union xmm window[2] = {0};
    unsigned bytes = in->imm < 16 ? in->imm : 16;

    window[1] = cpu->fpu.xmm[in->rm];
    memcpy(&cpu->fpu.xmm[in->rm], (const uint8_t *)window + 16 - bytes, 16);
}
SIMD_HANDLERS_REG(sse_pslldq, gate_sse)

ALWAYS_INLINE void sse_psrldq(struct cpu *cpu, const struct insn *in, bool is_mem)
{
    union xmm window[2] = {0};
    unsigned bytes = in->imm < 16 ? in->imm : 16;

    window[0] = cpu->fpu.xmm[in->rm];
    memcpy(&cpu->fpu.xmm[in->rm], (const uint8_t *)window + bytes, 16);
}
SIMD_HANDLERS_REG(sse_psrldq, gate_sse)

/* ---- words to and from general registers, masks ---- */

ALWAYS_INLINE void sse_pinsrw(struct cpu *cpu, const struct insn *in, bool is_mem)
{
    cpu->fpu.xmm[in->reg].w[in->imm & 7] = (uint16_t)rm_read(cpu, in, is_mem, 16);
}
SIMD_HANDLERS(sse_pinsrw, gate_sse)

ALWAYS_INLINE void sse_pextrw(struct cpu *cpu, const struct insn *in, bool is_mem)
{
    cpu->gpr[in->reg] = cpu->fpu.xmm[in->rm].w[in->imm & 7];
}
SIMD_HANDLERS_REG(sse_pextrw, gate_sse)

ALWAYS_INLINE void sse_pmovmskb(struct cpu *cpu, const struct insn *in, bool is_mem)
{
    cpu->gpr[in->reg] = (uint32_t)_mm_movemask_epi8(xmm_read(cpu, in->rm));
}
SIMD_HANDLERS_REG(sse_pmovmskb, gate_sse)
