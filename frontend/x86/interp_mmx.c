/*
 * MMX instructions, with the additions of SSE and SSE2 to 64-bit registers. Conversions between MMX and XMM registers:
 * interp_sse_convert.c, moves between them: interp_sse_move.c.
 *
 * Sources: SDM vol. 1 "Programming with Intel MMX Technology"; vol. 2 for each instruction.
 */
#include "frontend/x86/interp_simd.h"

/* dst = MNEMONIC(dst, src): the SSE2 instruction of the same name does in its low half what MMX does. */
#define MMX_OP(mnemonic)                                                                                               \
    ALWAYS_INLINE void mmx_##mnemonic(struct cpu *cpu, const struct insn *in, bool is_mem)                             \
    {                                                                                                                  \
        simd128 src = mmx_source(cpu, in, is_mem, 8);                                                                  \
                                                                                                                       \
        mmx_write(cpu, in->reg, HOST_INT(#mnemonic, mmx_read(cpu, in->reg), src));                                     \
    }                                                                                                                  \
    SIMD_HANDLERS(mmx_##mnemonic, gate_mmx)

MMX_OP(paddb)
MMX_OP(paddw)
MMX_OP(paddd)
MMX_OP(paddq)
MMX_OP(paddsb)
MMX_OP(paddsw)
MMX_OP(paddusb)
MMX_OP(paddusw)
MMX_OP(psubb)
MMX_OP(psubw)
MMX_OP(psubd)
MMX_OP(psubq)
MMX_OP(psubsb)
MMX_OP(psubsw)
MMX_OP(psubusb)
MMX_OP(psubusw)
MMX_OP(pmullw)
MMX_OP(pmulhw)
MMX_OP(pmulhuw)
MMX_OP(pmuludq)
MMX_OP(pmaddwd)
MMX_OP(psadbw)
MMX_OP(pavgb)
MMX_OP(pavgw)
MMX_OP(pminub)
MMX_OP(pminsw)
MMX_OP(pmaxub)
MMX_OP(pmaxsw)
MMX_OP(pcmpeqb)
MMX_OP(pcmpeqw)
MMX_OP(pcmpeqd)
MMX_OP(pcmpgtb)
MMX_OP(pcmpgtw)
MMX_OP(pcmpgtd)
MMX_OP(pand)
MMX_OP(pandn)
MMX_OP(por)
MMX_OP(pxor)
MMX_OP(psllw)
MMX_OP(pslld)
MMX_OP(psllq)
MMX_OP(psrlw)
MMX_OP(psrld)
MMX_OP(psrlq)
MMX_OP(psraw)
MMX_OP(psrad)

/* Shift by an immediate. */
#define MMX_SHIFT_IMM(mnemonic)                                                                                        \
    ALWAYS_INLINE void mmx_##mnemonic##_imm(struct cpu *cpu, const struct insn *in, bool is_mem)                       \
    {                                                                                                                  \
        mmx_write(cpu, in->rm, HOST_INT(#mnemonic, mmx_read(cpu, in->rm), _mm_cvtsi32_si128((int)in->imm)));           \
    }                                                                                                                  \
    SIMD_HANDLERS_REG(mmx_##mnemonic##_imm, gate_mmx)

MMX_SHIFT_IMM(psllw)
MMX_SHIFT_IMM(pslld)
MMX_SHIFT_IMM(psllq)
MMX_SHIFT_IMM(psrlw)
MMX_SHIFT_IMM(psrld)
MMX_SHIFT_IMM(psrlq)
MMX_SHIFT_IMM(psraw)
MMX_SHIFT_IMM(psrad)

/* ---- pack and unpack: here the 128-bit instruction differs ---- */

/* dst and src side by side, packed into the low half. */
#define MMX_PACK(mnemonic)                                                                                             \
    ALWAYS_INLINE void mmx_##mnemonic(struct cpu *cpu, const struct insn *in, bool is_mem)                             \
    {                                                                                                                  \
        simd128 both = _mm_unpacklo_epi64(mmx_read(cpu, in->reg), mmx_source(cpu, in, is_mem, 8));                     \
                                                                                                                       \
        mmx_write(cpu, in->reg, HOST_INT(#mnemonic, both, both));                                                      \
    }                                                                                                                  \
    SIMD_HANDLERS(mmx_##mnemonic, gate_mmx)

MMX_PACK(packsswb)
MMX_PACK(packssdw)
MMX_PACK(packuswb)

/* The low instruction interleaves all eight bytes of both: PUNPCKL wants the low half of that, PUNPCKH the high one. */
#define MMX_UNPACK_LOW(mnemonic)                                                                                       \
    ALWAYS_INLINE void mmx_##mnemonic(struct cpu *cpu, const struct insn *in, bool is_mem)                             \
    {                                                                                                                  \
        simd128 src = mmx_source(cpu, in, is_mem, 4);                                                                  \
                                                                                                                       \
        mmx_write(cpu, in->reg, HOST_INT(#mnemonic, mmx_read(cpu, in->reg), src));                                     \
    }                                                                                                                  \
    SIMD_HANDLERS(mmx_##mnemonic, gate_mmx)
#define MMX_UNPACK_HIGH(mnemonic, low_mnemonic)                                                                        \
    ALWAYS_INLINE void mmx_##mnemonic(struct cpu *cpu, const struct insn *in, bool is_mem)                             \
    {                                                                                                                  \
        simd128 src = mmx_source(cpu, in, is_mem, 8);                                                                  \
                                                                                                                       \
        mmx_write(cpu, in->reg, _mm_srli_si128(HOST_INT(#low_mnemonic, mmx_read(cpu, in->reg), src), 8));              \
    }                                                                                                                  \
    SIMD_HANDLERS(mmx_##mnemonic, gate_mmx)

MMX_UNPACK_LOW(punpcklbw)
MMX_UNPACK_LOW(punpcklwd)
MMX_UNPACK_LOW(punpckldq)
MMX_UNPACK_HIGH(punpckhbw, punpcklbw)
MMX_UNPACK_HIGH(punpckhwd, punpcklwd)
MMX_UNPACK_HIGH(punpckhdq, punpckldq)

ALWAYS_INLINE void mmx_pshufw(struct cpu *cpu, const struct insn *in, bool is_mem)
{
    uint64_t src = (uint64_t)_mm_cvtsi128_si64(mmx_source(cpu, in, is_mem, 8)), result = 0;

    for (unsigned i = 0; i < 4; i++)
        result |= (src >> (in->imm >> 2 * i & 3) * 16 & 0xffff) << i * 16;
    mmx_write(cpu, in->reg, _mm_cvtsi64_si128((long long)result));
}
SIMD_HANDLERS(mmx_pshufw, gate_mmx)

/* ---- moves ---- */

ALWAYS_INLINE void mmx_movd_load(struct cpu *cpu, const struct insn *in, bool is_mem)
{
    mmx_write(cpu, in->reg, _mm_cvtsi32_si128((int)rm_read(cpu, in, is_mem, 32)));
}
SIMD_HANDLERS(mmx_movd_load, gate_mmx)

ALWAYS_INLINE void mmx_movd_store(struct cpu *cpu, const struct insn *in, bool is_mem)
{
    rm_write(cpu, in, (uint32_t)_mm_cvtsi128_si32(mmx_read(cpu, in->reg)), is_mem, 32);
    fpu_mmx_enter(&cpu->fpu);
}
SIMD_HANDLERS(mmx_movd_store, gate_mmx)

ALWAYS_INLINE void mmx_movq_load(struct cpu *cpu, const struct insn *in, bool is_mem)
{
    mmx_write(cpu, in->reg, mmx_source(cpu, in, is_mem, 8));
}
SIMD_HANDLERS(mmx_movq_load, gate_mmx)

ALWAYS_INLINE void mmx_movq_store(struct cpu *cpu, const struct insn *in, bool is_mem)
{
    simd128 value = mmx_read(cpu, in->reg);

    if (is_mem) {
        simd_store(cpu, in, value, 8);
        fpu_mmx_enter(&cpu->fpu);
    } else {
        mmx_write(cpu, in->rm, value);
    }
}
SIMD_HANDLERS(mmx_movq_store, gate_mmx)

ALWAYS_INLINE void mmx_movntq(struct cpu *cpu, const struct insn *in, bool is_mem)
{
    mmx_movq_store(cpu, in, is_mem);
}
SIMD_HANDLERS_MEM(mmx_movntq, gate_mmx)

ALWAYS_INLINE void mmx_maskmovq(struct cpu *cpu, const struct insn *in, bool is_mem)
{
    uint64_t data = cpu->fpu.reg[in->reg].mantissa, mask = cpu->fpu.reg[in->rm].mantissa;

    simd_masked_store(cpu, in, (const uint8_t *)&data, (const uint8_t *)&mask, 8);
    fpu_mmx_enter(&cpu->fpu);
}
SIMD_HANDLERS_REG(mmx_maskmovq, gate_mmx)

ALWAYS_INLINE void mmx_pmovmskb(struct cpu *cpu, const struct insn *in, bool is_mem)
{
    cpu->gpr[in->reg] = (uint32_t)_mm_movemask_epi8(mmx_read(cpu, in->rm));
    fpu_mmx_enter(&cpu->fpu);
}
SIMD_HANDLERS_REG(mmx_pmovmskb, gate_mmx)

ALWAYS_INLINE void mmx_pinsrw(struct cpu *cpu, const struct insn *in, bool is_mem)
{
    unsigned shift = (in->imm & 3) * 16;
    uint64_t word = rm_read(cpu, in, is_mem, 16), dst = cpu->fpu.reg[in->reg].mantissa;

    dst = (dst & ~(0xffffull << shift)) | word << shift;
    mmx_write(cpu, in->reg, _mm_cvtsi64_si128((long long)dst));
}
SIMD_HANDLERS(mmx_pinsrw, gate_mmx)

ALWAYS_INLINE void mmx_pextrw(struct cpu *cpu, const struct insn *in, bool is_mem)
{
    cpu->gpr[in->reg] = cpu->fpu.reg[in->rm].mantissa >> (in->imm & 3) * 16 & 0xffff;
    fpu_mmx_enter(&cpu->fpu);
}
SIMD_HANDLERS_REG(mmx_pextrw, gate_mmx)

/* ---- back to x87 ---- */

ALWAYS_INLINE void mmx_emms(struct cpu *cpu, const struct insn *in, bool is_mem)
{
    fpu_mmx_leave(&cpu->fpu);
}
SIMD_HANDLERS_REG(mmx_emms, gate_mmx)
