/* The guest's x87 and MMX registers, between struct cpu and the host's. SDM vol. 1, "FSAVE/FRSTOR image". */
#include "backend/x86_64/x64.h"
#include "frontend/x86/fpu.h"

struct fsave_image { /* 32-bit protected-mode format */
    uint16_t control, r0, status, r1, tags, r2;
    uint32_t fip, fcs_fop, fdp, fds;
    uint8_t st[8][10];
} __attribute__((packed));
_Static_assert(sizeof(struct fsave_image) == 108, "as FNSAVE writes it");

void x64_load_x87(struct cpu *cpu)
{
    struct fpu *fpu = &cpu->fpu;
    struct fsave_image image = {.control = fpu->control, .status = fpu_status_word(fpu)};

    for (unsigned i = 0; i < 8; i++) {
        const struct f80 *st = fpu_st(fpu, i);

        memcpy(image.st[i], &st->mantissa, 8);
        memcpy(image.st[i] + 8, &st->sign_exponent, 2);
        if (fpu->empty >> i & 1)
            image.tags |= (uint16_t)(3u << 2 * i); /* FRSTOR finds out the other tags itself */
    }
    __asm__ volatile("frstor %0" : : "m"(image));
    cpu->translated.x87_note = cpu->translated.x87_data_seg = 0;
    cpu->translated.x87_loaded = 1;
}

void x64_note_x87(struct cpu *cpu, const struct insn *in, uint32_t offset, const struct insn *data, uint32_t moved)
{
    cpu->translated.x87_page = cpu->translated.page_eip;
    cpu->translated.x87_note = X64_X87_NOTE(offset, in->opcode, in->modrm);
    if (data) {
        const uint32_t ea = cpu->gpr[data->base] + (cpu->gpr[data->index] << data->scale) + data->disp + moved;

        cpu->fpu.dp_offset = ea & data->addr_mask;
        cpu->translated.x87_data_seg = data->seg + 1;
    }
}

void x64_settle_x87_pointers(struct cpu *cpu)
{
    struct fpu *fpu = &cpu->fpu;
    const uint32_t note = cpu->translated.x87_note;

    if (note & X64_X87_NOTED) {
        fpu->opcode = note & 0x7ff;
        fpu->ip_offset = cpu->translated.x87_page + (note >> 16);
        fpu->ip_selector = cpu->seg[CS].selector;
    }
    if (cpu->translated.x87_data_seg)
        fpu->dp_selector = cpu->seg[cpu->translated.x87_data_seg - 1].selector;
    cpu->translated.x87_note = cpu->translated.x87_data_seg = 0;
}

void x64_store_x87(struct cpu *cpu)
{
    struct fpu *fpu = &cpu->fpu;
    struct fsave_image image;

    __asm__ volatile("fnsave %0" : "=m"(image));
    fpu->host.control = FPU_CW_INIT; /* what FNSAVE leaves behind */
    fpu->control = image.control;
    fpu->top = image.status >> FPU_SW_TOP_SHIFT & 7;
    fpu->status = image.status & (uint16_t)~FPU_SW_TOP;
    fpu->empty = 0;
    for (unsigned i = 0; i < 8; i++) {
        uint64_t mantissa;
        uint16_t sign_exponent;

        memcpy(&mantissa, image.st[i], 8);
        memcpy(&sign_exponent, image.st[i] + 8, 2);
        f80_set(fpu_st(fpu, i), mantissa, sign_exponent);
        if ((image.tags >> 2 * i & 3) == 3)
            fpu->empty |= (uint8_t)(1u << i);
    }
    x64_settle_x87_pointers(cpu);
    cpu->translated.x87_loaded = 0;
}
