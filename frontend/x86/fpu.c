/*
 * x87 state that is ours rather than the host's: status and control words, tags, stack faults, pending exceptions.
 * Source: SDM vol. 1, "Programming with the x87 FPU"; vol. 3 "Handling of x87 FPU Errors".
 *
 * Deviates: FERR# is asserted, with CR0.NE clear, by the waiting instruction that finds the exception, not by the one
 * that caused it. That waiting instruction then stands still only if the interrupt can be taken at once; where a real
 * processor would freeze until IGNNE# (interrupts off, IRQ 13 masked) it executes, as if IGNNE# were asserted.
 */
#include "frontend/x86/interp_x87.h"

bool fpu_underflow(struct fpu *fpu)
{
    fpu->status = (uint16_t)((fpu->status & ~FPU_SW_C1) | FPU_SW_IE | FPU_SW_SF);
    if (fpu->control & FPU_SW_IE)
        return true;
    fpu->status |= FPU_SW_ES | FPU_SW_B;
    return false;
}

bool fpu_overflow(struct fpu *fpu)
{
    bool is_masked = fpu_underflow(fpu);

    fpu->status |= FPU_SW_C1;
    return is_masked;
}

uint16_t fpu_tag_word(const struct fpu *fpu)
{
    unsigned tags = 0;

    for (unsigned i = 0; i < 8; i++) {
        const struct f80 *r = &fpu->reg[i];
        unsigned exponent = r->sign_exponent & 0x7fff;
        unsigned tag;

        if (fpu->empty >> i & 1)
            tag = 3;
        else if (exponent == 0 && r->mantissa == 0)
            tag = 1;
        else if (exponent == 0 || exponent == 0x7fff || !(r->mantissa >> 63))
            tag = 2;
        else
            tag = 0;
        tags |= tag << 2 * i;
    }
    return (uint16_t)tags;
}

/* ES and B follow from flags and masks. */
static void derive_summary(struct cpu *cpu)
{
    struct fpu *fpu = &cpu->fpu;

    fpu->status &= (uint16_t) ~(FPU_SW_ES | FPU_SW_B);
    if (fpu->status & ~fpu->control & FPU_SW_EXCEPTIONS) {
        fpu->status |= FPU_SW_ES | FPU_SW_B;
    } else if (fpu->ferr) {
        fpu->ferr = false;
        cpu->board->ferr(cpu->board->opaque, false);
    }
}

void fpu_set_control(struct cpu *cpu, uint16_t control)
{
    cpu->fpu.control = (control & FPU_CW_WRITABLE) | FPU_CW_FIXED;
    derive_summary(cpu);
}

void fpu_set_status_word(struct cpu *cpu, uint16_t status)
{
    struct fpu *fpu = &cpu->fpu;

    fpu->top = (status & FPU_SW_TOP) >> FPU_SW_TOP_SHIFT;
    fpu->status = status & (uint16_t)~FPU_SW_TOP;
    fpu->host.control = 0; /* the host may hold flags that the guest no longer has */
    derive_summary(cpu);
}

void fpu_init(struct cpu *cpu)
{
    struct fpu *fpu = &cpu->fpu;

    fpu_set_control(cpu, FPU_CW_INIT);
    fpu_set_status_word(cpu, 0);
    fpu->empty = 0xff;
    fpu->opcode = 0;
    fpu->ip_offset = fpu->dp_offset = 0;
    fpu->ip_selector = fpu->dp_selector = 0;
}

bool fpu_check_mf_slow(struct cpu *cpu, const struct insn *in)
{
    if (cpu->cr0 & CR0_NE)
        cpu_raise(cpu, VEC_MF);
    if (!cpu->fpu.ferr && cpu->board && cpu->board->ferr) {
        cpu->fpu.ferr = true;
        cpu->board->ferr(cpu->board->opaque, true);
    }
    if (!cpu->intr_line || !(cpu->eflags & EFLAGS_IF))
        return true;
    interp_block_end(cpu, in); /* stop before this instruction */
    return false;
}

lin_addr fpu_check_area_read(struct cpu *cpu, const struct insn *in, uint32_t offset, unsigned len_bytes,
                             unsigned piece)
{
    lin_addr address = seg_read_linear(cpu, in->seg, offset, piece);

    for (unsigned i = piece; i < len_bytes; i += piece)
        seg_read_linear(cpu, in->seg, offset + i, piece);
    mmu_check_read(&cpu->mmu, address, len_bytes, cpu->view);
    return address;
}

lin_addr fpu_check_area_write(struct cpu *cpu, const struct insn *in, uint32_t offset, unsigned len_bytes,
                              unsigned piece)
{
    lin_addr address = seg_write_linear(cpu, in->seg, offset, piece);

    for (unsigned i = piece; i < len_bytes; i += piece)
        seg_write_linear(cpu, in->seg, offset + i, piece);
    mmu_check_write(&cpu->mmu, address, len_bytes, cpu->view);
    return address;
}
