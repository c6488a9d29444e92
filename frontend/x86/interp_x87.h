/* What the x87 handlers share: the beginning of an instruction, stack faults, pushes and pops. */
#ifndef FRONTEND_X86_INTERP_X87_H
#define FRONTEND_X86_INTERP_X87_H

#include "frontend/x86/fpu.h"
#include "frontend/x86/interp.h"

/* #NM, then #MF of an earlier instruction: the first statement of a waiting instruction's handler. */
#define FPU_BEGIN(cpu, in)                                                                                             \
    do {                                                                                                               \
        if (fpu_is_blocked(cpu)) {                                                                                     \
            fpu_check_nm(cpu);                                                                                         \
            if (!fpu_check_mf((cpu), (in)))                                                                            \
                return;                                                                                                \
        }                                                                                                              \
    } while (0)

#define F80_INDEFINITE_MANTISSA 0xc000000000000000u /* the "real indefinite" QNaN */
#define F80_INDEFINITE_EXPONENT 0xffffu
#define F80_ONE_MANTISSA        0x8000000000000000u /* the explicit integer bit */
#define F80_BIAS                16383u

/* FOP, FIP, FCS: every instruction but the control ones. Call it after the last memory fault. */
ALWAYS_INLINE void fpu_note(struct cpu *cpu, const struct insn *in)
{
    cpu->fpu.opcode = (uint16_t)((in->opcode & 7) << 8 | in->modrm);
    cpu->fpu.ip_offset = insn_eip(cpu, in);
    cpu->fpu.ip_selector = cpu->seg[CS].selector;
}
/* The same with FDP and FDS, for instructions with a memory operand. The others leave these alone. */
ALWAYS_INLINE void fpu_note_data(struct cpu *cpu, const struct insn *in, uint32_t offset)
{
    fpu_note(cpu, in);
    cpu->fpu.dp_offset = offset;
    cpu->fpu.dp_selector = cpu->seg[in->seg].selector;
}

ALWAYS_INLINE void fpu_clear_c1(struct fpu *fpu)
{
    fpu->status &= (uint16_t)~FPU_SW_C1;
}
ALWAYS_INLINE void fpu_pop(struct fpu *fpu)
{
    fpu->empty |= (uint8_t)(1u << fpu->top);
    fpu->top = (fpu->top + 1) & 7;
}
/* Makes the register below ST(0) the new, valid top and returns it. */
ALWAYS_INLINE struct f80 *fpu_push(struct fpu *fpu)
{
    fpu->top = (fpu->top - 1) & 7;
    fpu->empty &= (uint8_t) ~(1u << fpu->top);
    return &fpu->reg[fpu->top];
}
ALWAYS_INLINE bool fpu_is_full(const struct fpu *fpu) /* a push would overflow */
{
    return !fpu_is_empty(fpu, 7);
}

ALWAYS_INLINE void f80_set_indefinite(struct f80 *out)
{
    f80_set(out, F80_INDEFINITE_MANTISSA, F80_INDEFINITE_EXPONENT);
}
/* The masked response for a register: real indefinite, and no longer empty. */
ALWAYS_INLINE void fpu_set_indefinite(struct fpu *fpu, unsigned i)
{
    f80_set_indefinite(fpu_st(fpu, i));
    fpu->empty &= (uint8_t) ~(1u << fpu_physical(fpu, i));
}

/* Stack underflow, overflow: set the flags. True if the exception is masked, so that the instruction goes on with its
 * masked response. False: it must change nothing else. */
bool fpu_underflow(struct fpu *fpu);
bool fpu_overflow(struct fpu *fpu);

/* Faults as the store will, stores nothing. Returns the linear address for mmu_st*. */
ALWAYS_INLINE lin_addr mem_begin_write(struct cpu *cpu, unsigned seg, uint32_t offset, unsigned width)
{
    lin_addr address = seg_write_linear(cpu, seg, offset, width);

    if (unlikely(tlb_slot(&cpu->mmu, address, cpu->view)->write_tag != MMU_TAG_OF(address, width)))
        mmu_check_write(&cpu->mmu, address, width, cpu->view);
    return address;
}

/* A save area, larger than the 16 bytes of seg_*_linear. It consists of pieces of 2, 4 or 16 bytes and, from
 * `registers_from` on, of 80-bit registers. 16-bit addresses wrap from one of these to the next; what straddles the end
 * of the segment faults. Alignment is checked by pieces. */
struct fpu_area {
    uint32_t offset;
    unsigned len_bytes, piece, registers_from;
};

/* Loads, and the checks before a store, fault for the whole area before anything is transferred: its first `len_bytes`. */
void fpu_load_area(struct cpu *cpu, const struct insn *in, const struct fpu_area *a, void *bytes, unsigned len_bytes);
void fpu_check_area_write(struct cpu *cpu, const struct insn *in, const struct fpu_area *a);
void fpu_store_area(struct cpu *cpu, const struct insn *in, const struct fpu_area *a, const void *bytes,
                    unsigned len_bytes);

#endif
