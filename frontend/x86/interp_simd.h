/*
 * How MMX and SSE handlers are written.
 *
 * The guest's registers live in struct fpu; a handler loads them, executes the same host instruction and stores the
 * result, so NaNs, denormals, DAZ, FTZ and rounding are the host's, bit by bit. MMX operations run in the low half of
 * an XMM register, because the host's MMX registers would disturb its x87 state.
 *
 * With a guest exception unmasked, every floating-point instruction is bracketed by simd_fp_begin and simd_fp_end,
 * which find out what the hardware would have raised, before anything is committed.
 *
 * Sources: SDM vol. 1 "Programming with Intel MMX Technology", "Programming with SSE", "Programming with SSE2".
 */
#ifndef FRONTEND_X86_INTERP_SIMD_H
#define FRONTEND_X86_INTERP_SIMD_H

#include <emmintrin.h>

#include "frontend/x86/fpu.h"
#include "frontend/x86/interp.h"
#include "frontend/x86/simd.h"

typedef __m128i simd128;

/* ---- the gate of a handler: what is checked before operands. False: an interrupt comes first, return at once ---- */

_Noreturn void simd_sse_blocked(struct cpu *cpu);
bool simd_mmx_blocked(struct cpu *cpu, const struct insn *in);

ALWAYS_INLINE bool gate_none(struct cpu *cpu, const struct insn *in)
{
    return true;
}
/* SSE_NM of the ISA table: #UD if CR0.EM or not CR4.OSFXSR, #NM if CR0.TS. */
ALWAYS_INLINE bool gate_sse(struct cpu *cpu, const struct insn *in)
{
    if (unlikely((cpu->cr0 & (CR0_EM | CR0_TS)) | (~cpu->cr4 & CR4_OSFXSR)))
        simd_sse_blocked(cpu);
    return true;
}
/* MMX_NM: #UD if CR0.EM, #NM if CR0.TS, then the pending x87 exception. */
ALWAYS_INLINE bool gate_mmx(struct cpu *cpu, const struct insn *in)
{
    return likely(!fpu_is_blocked(cpu)) || simd_mmx_blocked(cpu, in);
}
ALWAYS_INLINE bool gate_sse_mmx(struct cpu *cpu, const struct insn *in)
{
    return gate_sse(cpu, in) && gate_mmx(cpu, in);
}

/* ---- handlers ---- */

/* struct interp_handlers of an always-inline body(cpu, in, is_mem); there is no operation width. The body returns
 * nothing and commits after its last fault. */
#define SIMD_FORMS(name, reg, mem) const struct interp_handlers interp_##name = {{{reg, mem}, {reg, mem}, {reg, mem}}};
#define SIMD_FORM(name, form, is_mem, gate)                                                                            \
    static void name##_##form(struct cpu *cpu, const struct insn *in)                                                  \
    {                                                                                                                  \
        if (!gate(cpu, in))                                                                                            \
            return;                                                                                                    \
        name(cpu, in, is_mem);                                                                                         \
        NEXT(cpu, in);                                                                                                 \
    }
#define SIMD_HANDLERS(name, gate)                                                                                      \
    SIMD_FORM(name, reg, false, gate)                                                                                  \
    SIMD_FORM(name, mem, true, gate)                                                                                   \
    SIMD_FORMS(name, name##_reg, name##_mem)
#define SIMD_HANDLERS_MEM(name, gate)                                                                                  \
    SIMD_FORM(name, mem, true, gate)                                                                                   \
    SIMD_FORMS(name, NULL, name##_mem)
#define SIMD_HANDLERS_REG(name, gate)                                                                                  \
    SIMD_FORM(name, reg, false, gate)                                                                                  \
    SIMD_FORMS(name, name##_reg, NULL)

/* ---- registers ---- */

ALWAYS_INLINE simd128 xmm_read(const struct cpu *cpu, unsigned n)
{
    return _mm_load_si128((const simd128 *)&cpu->fpu.xmm[n]);
}
ALWAYS_INLINE void xmm_write(struct cpu *cpu, unsigned n, simd128 value)
{
    _mm_store_si128((simd128 *)&cpu->fpu.xmm[n], value);
}

/* MMn is the mantissa of physical register Rn. SDM vol. 3 table "Action Taken By MMX Instructions on x87 FPU State". */
ALWAYS_INLINE simd128 mmx_read(const struct cpu *cpu, unsigned n)
{
    return _mm_loadl_epi64((const simd128 *)&cpu->fpu.reg[n].mantissa);
}
/* Makes the transition to MMX as well. */
ALWAYS_INLINE void mmx_write(struct cpu *cpu, unsigned n, simd128 value)
{
    fpu_mmx_enter(&cpu->fpu);
    _mm_storel_epi64((simd128 *)&cpu->fpu.reg[n].mantissa, value);
    cpu->fpu.reg[n].sign_exponent = 0xffff;
}

/* ---- operands ---- */

_Noreturn void simd_misaligned(struct cpu *cpu);
simd128 simd_load128_slow(struct cpu *cpu, lin_addr address);
void simd_store128_slow(struct cpu *cpu, lin_addr address, simd128 value);

/* 16 bytes. `aligned`: they must be (ALIGN16 of the ISA table); checked before segment and paging. */
ALWAYS_INLINE simd128 simd_load128(struct cpu *cpu, const struct insn *in, bool aligned)
{
    uint32_t offset = effective_offset(cpu, in);
    lin_addr address = cpu->seg[in->seg].base + offset;
    const struct tlb_entry *e;

    if (aligned && unlikely(address & 15))
        simd_misaligned(cpu);
    seg_read_linear(cpu, in->seg, offset, 16);
    e = tlb_slot(&cpu->mmu, address, cpu->view);
    if (likely(e->read_tag == MMU_TAG_OF(address, 16)))
        return _mm_loadu_si128((const simd128 *)(address + e->addend));
    return simd_load128_slow(cpu, address);
}
ALWAYS_INLINE void simd_store128(struct cpu *cpu, const struct insn *in, simd128 value, bool aligned)
{
    uint32_t offset = effective_offset(cpu, in);
    lin_addr address = cpu->seg[in->seg].base + offset;
    const struct tlb_entry *e;

    if (aligned && unlikely(address & 15))
        simd_misaligned(cpu);
    seg_write_linear(cpu, in->seg, offset, 16);
    e = tlb_slot(&cpu->mmu, address, cpu->view);
    if (likely(e->write_tag == MMU_TAG_OF(address, 16)))
        _mm_storeu_si128((simd128 *)(address + e->addend), value);
    else
        simd_store128_slow(cpu, address, value);
}
/* Memory operand of 4 or 8 bytes in the low end, the rest zero; 16 aligned bytes. */
ALWAYS_INLINE simd128 simd_load(struct cpu *cpu, const struct insn *in, unsigned bytes)
{
    if (bytes == 4)
        return _mm_cvtsi32_si128((int)mem_read32(cpu, in->seg, effective_offset(cpu, in)));
    if (bytes == 8)
        return _mm_cvtsi64_si128((long long)mem_read64(cpu, in->seg, effective_offset(cpu, in)));
    return simd_load128(cpu, in, true);
}
/* The low 4 or 8 bytes, or 16 aligned ones. */
ALWAYS_INLINE void simd_store(struct cpu *cpu, const struct insn *in, simd128 value, unsigned bytes)
{
    if (bytes == 4)
        mem_write32(cpu, in->seg, effective_offset(cpu, in), (uint32_t)_mm_cvtsi128_si32(value));
    else if (bytes == 8)
        mem_write64(cpu, in->seg, effective_offset(cpu, in), (uint64_t)_mm_cvtsi128_si64(value));
    else
        simd_store128(cpu, in, value, true);
}
/* The W and Q operands: a whole register or `bytes` of memory. */
ALWAYS_INLINE simd128 xmm_source(struct cpu *cpu, const struct insn *in, bool is_mem, unsigned bytes)
{
    return is_mem ? simd_load(cpu, in, bytes) : xmm_read(cpu, in->rm);
}
ALWAYS_INLINE simd128 mmx_source(struct cpu *cpu, const struct insn *in, bool is_mem, unsigned bytes)
{
    return is_mem ? simd_load(cpu, in, bytes) : mmx_read(cpu, in->rm);
}

/* MASKMOVQ, MASKMOVDQU: stores the bytes of `data` whose mask byte has bit 7 set to seg:eDI, all or none. */
void simd_masked_store(struct cpu *cpu, const struct insn *in, const uint8_t *data, const uint8_t *mask,
                       unsigned len_bytes);

/* ---- the host's instructions ---- */

/* MNEMONIC dst, src, in this order: intrinsics may be commuted, which would choose another NaN. */
#define HOST_INT(mnemonic, dst, src)                                                                                   \
    ({                                                                                                                 \
        simd128 dst_ = (dst);                                                                                          \
        __asm__(mnemonic " %1, %0" : "+x"(dst_) : "x"(src));                                                           \
        dst_;                                                                                                          \
    })
/* The same for instructions that depend on MXCSR or change its flags. */
#define HOST_FP(mnemonic, dst, src)                                                                                    \
    ({                                                                                                                 \
        simd128 dst_ = (dst);                                                                                          \
        __asm__ volatile(mnemonic " %1, %0" : "+x"(dst_) : "x"(src));                                                  \
        dst_;                                                                                                          \
    })

/* ---- unmasked exceptions ---- */

/* Operations whose result can overflow or underflow; all others are SIMD_OTHER. */
enum simd_fp_op { SIMD_OTHER, SIMD_ADD, SIMD_SUB, SIMD_MUL, SIMD_DIV, SIMD_NARROW /* double to single */ };
/* The elements: one or four singles, one or two doubles. Of the source, for SIMD_NARROW. */
enum simd_fp_format { SIMD_SS, SIMD_PS, SIMD_SD, SIMD_PD };

void simd_fp_begin_slow(struct cpu *cpu);
void simd_fp_end_slow(struct cpu *cpu, enum simd_fp_op op, enum simd_fp_format format, simd128 a, simd128 b);

ALWAYS_INLINE bool simd_has_unmasked(const struct cpu *cpu)
{
    return unlikely((cpu->fpu.mxcsr & MXCSR_MASKS) != MXCSR_MASKS);
}
/* Around the host instruction, where `checked` tells that something is unmasked. simd_fp_end raises #XM (#UD without
 * CR4.OSXMMEXCPT) if one of the exceptions found is; `a` and `b` are the operands, for SIMD_NARROW the source twice. */
ALWAYS_INLINE void simd_fp_begin(struct cpu *cpu, bool checked)
{
    if (checked)
        simd_fp_begin_slow(cpu);
}
ALWAYS_INLINE void simd_fp_end(struct cpu *cpu, bool checked, enum simd_fp_op op, enum simd_fp_format format, simd128 a,
                               simd128 b)
{
    if (checked)
        simd_fp_end_slow(cpu, op, format, a, b);
}
/* For SIMD_OTHER. */
ALWAYS_INLINE void simd_fp_end_other(struct cpu *cpu, bool checked)
{
    if (checked)
        simd_fp_end_slow(cpu, SIMD_OTHER, SIMD_SS, _mm_setzero_si128(), _mm_setzero_si128());
}

/* Like SIMD_HANDLERS, of a body(cpu, in, is_mem, checked). The checked variant is one function for both forms, away
 * from the fast path. */
#define SIMD_FP_FORM(name, form, is_mem, gate)                                                                         \
    static void name##_##form(struct cpu *cpu, const struct insn *in)                                                  \
    {                                                                                                                  \
        if (!gate(cpu, in))                                                                                            \
            return;                                                                                                    \
        if (simd_has_unmasked(cpu)) {                                                                                  \
            name##_checked(cpu, in);                                                                                   \
            return;                                                                                                    \
        }                                                                                                              \
        name(cpu, in, is_mem, false);                                                                                  \
        NEXT(cpu, in);                                                                                                 \
    }
#define SIMD_FP_HANDLERS(name, gate)                                                                                   \
    static __attribute__((noinline, cold)) void name##_checked(struct cpu *cpu, const struct insn *in)                 \
    {                                                                                                                  \
        name(cpu, in, in->is_mem, true);                                                                               \
        NEXT(cpu, in);                                                                                                 \
    }                                                                                                                  \
    SIMD_FP_FORM(name, reg, false, gate)                                                                               \
    SIMD_FP_FORM(name, mem, true, gate)                                                                                \
    SIMD_FORMS(name, name##_reg, name##_mem)

/* ---- shapes shared by several files ---- */

/* XMM: dst = MNEMONIC(dst, src), without MXCSR. `bytes` of memory. */
#define SSE_INT_OP(mnemonic, bytes)                                                                                    \
    ALWAYS_INLINE void sse_##mnemonic(struct cpu *cpu, const struct insn *in, bool is_mem)                             \
    {                                                                                                                  \
        simd128 src = xmm_source(cpu, in, is_mem, bytes);                                                              \
                                                                                                                       \
        xmm_write(cpu, in->reg, HOST_INT(#mnemonic, xmm_read(cpu, in->reg), src));                                     \
    }                                                                                                                  \
    SIMD_HANDLERS(sse_##mnemonic, gate_sse)
/* XMM: dst = MNEMONIC(dst, src), floating point. */
#define SSE_FP_OP(mnemonic, op, format, bytes)                                                                         \
    ALWAYS_INLINE void sse_##mnemonic(struct cpu *cpu, const struct insn *in, bool is_mem, bool checked)               \
    {                                                                                                                  \
        simd128 src = xmm_source(cpu, in, is_mem, bytes), dst = xmm_read(cpu, in->reg), result;                        \
                                                                                                                       \
        simd_fp_begin(cpu, checked);                                                                                   \
        result = HOST_FP(#mnemonic, dst, src);                                                                         \
        simd_fp_end(cpu, checked, op, format, (op) == SIMD_NARROW ? src : dst, src);                                   \
        xmm_write(cpu, in->reg, result);                                                                               \
    }                                                                                                                  \
    SIMD_FP_HANDLERS(sse_##mnemonic, gate_sse)

#endif
