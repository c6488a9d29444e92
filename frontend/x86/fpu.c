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

/* ---- save areas ---- */

/* The element of the area that begins `at` bytes into it. */
static unsigned element_len(const struct fpu_area *a, unsigned at)
{
    if (at < a->registers_from)
        return a->piece;
    return (at - a->registers_from) % 10 == 8 ? 2 : 8; /* significand, then sign and exponent */
}

/* Bytes before the address wraps. It does so only between elements. */
static unsigned part_before_wrap(const struct insn *in, const struct fpu_area *a)
{
    unsigned at = 0;

    if (in->addr_mask - a->offset >= a->len_bytes - 1)
        return a->len_bytes;
    while (at < a->len_bytes && at <= in->addr_mask - a->offset)
        at += element_len(a, at);
    return at;
}

static lin_addr area_linear(const struct cpu *cpu, const struct insn *in, const struct fpu_area *a, unsigned at)
{
    return cpu->seg[in->seg].base + ((a->offset + at) & in->addr_mask);
}

/* Checks the bytes [from, to) of the area, which do not wrap. */
static void check_part(struct cpu *cpu, const struct insn *in, const struct fpu_area *a, unsigned from, unsigned to,
                       bool is_write)
{
    uint32_t offset = (a->offset + from) & in->addr_mask;

    for (unsigned i = 0; i < to - from; i += a->piece) {
        unsigned width = to - from - i < a->piece ? to - from - i : a->piece;

        if (is_write)
            seg_write_linear(cpu, in->seg, offset + i, width);
        else
            seg_read_linear(cpu, in->seg, offset + i, width);
    }
    (is_write ? mmu_check_write : mmu_check_read)(&cpu->mmu, area_linear(cpu, in, a, from), to - from, cpu->view);
}

static void check_area(struct cpu *cpu, const struct insn *in, const struct fpu_area *a, bool is_write)
{
    unsigned first = part_before_wrap(in, a);

    check_part(cpu, in, a, 0, first, is_write);
    if (first < a->len_bytes)
        check_part(cpu, in, a, first, a->len_bytes, is_write);
}

void fpu_load_area(struct cpu *cpu, const struct insn *in, const struct fpu_area *a, void *bytes, unsigned len_bytes)
{
    unsigned first = part_before_wrap(in, a);

    check_area(cpu, in, a, false);
    first = first < len_bytes ? first : len_bytes;
    mmu_load_bytes(&cpu->mmu, area_linear(cpu, in, a, 0), bytes, first, cpu->view);
    if (first < len_bytes)
        mmu_load_bytes(&cpu->mmu, area_linear(cpu, in, a, first), (uint8_t *)bytes + first, len_bytes - first,
                       cpu->view);
}

void fpu_check_area_write(struct cpu *cpu, const struct insn *in, const struct fpu_area *a)
{
    check_area(cpu, in, a, true);
}

void fpu_store_area(struct cpu *cpu, const struct insn *in, const struct fpu_area *a, const void *bytes,
                    unsigned len_bytes)
{
    unsigned first = part_before_wrap(in, a);

    first = first < len_bytes ? first : len_bytes;
    mmu_store_bytes(&cpu->mmu, area_linear(cpu, in, a, 0), bytes, first, cpu->view);
    if (first < len_bytes)
        mmu_store_bytes(&cpu->mmu, area_linear(cpu, in, a, first), (const uint8_t *)bytes + first, len_bytes - first,
                        cpu->view);
}
