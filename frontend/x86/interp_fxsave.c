/*
 * FXSAVE, FXRSTOR. Source: SDM vol. 2A FXSAVE, "Non-64-bit-Mode Layout of FXSAVE and FXRSTOR Memory Region".
 *
 * FOP, FIP and FDP are saved always, as Intel's processors do; AMD's save them only while ES is set.
 *
 * Deviates: XMM registers are saved and restored only with CR4.OSFXSR (SDM: implementation dependent). The reserved
 * bytes between them and the end of the 512 are not written.
 */
#include "frontend/x86/interp_x87.h"
#include "frontend/x86/cpuid.h"
#include "frontend/x86/simd.h"

#define FXSAVE_AREA 512
#define AREA_PIECE  16

struct fxsave_image {
    uint16_t fcw, fsw;
    uint8_t valid; /* abridged tags: bit i set, physical register i is not empty */
    uint8_t reserved_5;
    uint16_t fop;
    uint32_t fip;
    uint16_t fcs, reserved_14;
    uint32_t fdp;
    uint16_t fds, reserved_22;
    uint32_t mxcsr, mxcsr_mask;
    struct {
        uint64_t mantissa;
        uint16_t sign_exponent, reserved[3];
    } st[8];
    union xmm xmm[8];
};
_Static_assert(offsetof(struct fxsave_image, st) == 32, "SDM layout");
_Static_assert(offsetof(struct fxsave_image, xmm) == 160, "SDM layout");

static bool has_mxcsr(const struct cpu *cpu)
{
    return isa_feature_has(cpu->model->isa_features, FEAT_SSE);
}
static bool has_xmm_area(const struct cpu *cpu)
{
    return has_mxcsr(cpu) && cpu->cr4 & CR4_OSFXSR;
}

/* The operand. The segment of its first 4 bytes is checked before its alignment, and with alignment checks on those 4
 * bytes raise #AC, not #GP(0). So it is on AMD's processors; SDM vol. 2 FXSAVE leaves it open. */
static struct fpu_area image_area(struct cpu *cpu, const struct insn *in)
{
    uint32_t offset = effective_offset(cpu, in);

    if (unlikely((cpu->seg[in->seg].base + offset) & 15)) {
        seg_check_read_slow(cpu, in->seg, offset, 4);
        cpu_raise_error(cpu, VEC_GP, 0);
    }
    return (struct fpu_area){
        .offset = offset, .len_bytes = FXSAVE_AREA, .piece = AREA_PIECE, .registers_from = FXSAVE_AREA};
}

static void fxsave(struct cpu *cpu, const struct insn *in)
{
    struct fpu *fpu = &cpu->fpu;
    struct fxsave_image image = {0};
    unsigned len = offsetof(struct fxsave_image, xmm);
    struct fpu_area area;

    fpu_check_nm(cpu);
    area = image_area(cpu, in);
    fpu_check_area_write(cpu, in, &area);

    image.fcw = fpu->control;
    image.fsw = fpu_status_word(fpu);
    image.valid = (uint8_t)~fpu->empty;
    image.fop = fpu->opcode;
    image.fip = fpu->ip_offset;
    image.fcs = fpu->ip_selector;
    image.fdp = fpu->dp_offset;
    image.fds = fpu->dp_selector;
    if (has_mxcsr(cpu)) {
        simd_fold_mxcsr(cpu);
        image.mxcsr = fpu->mxcsr;
        image.mxcsr_mask = MXCSR_WRITABLE;
    }
    for (unsigned i = 0; i < 8; i++) {
        image.st[i].mantissa = fpu_st(fpu, i)->mantissa;
        image.st[i].sign_exponent = fpu_st(fpu, i)->sign_exponent;
    }
    if (has_xmm_area(cpu)) {
        memcpy(image.xmm, fpu->xmm, sizeof image.xmm);
        len = sizeof image;
    }
    fpu_store_area(cpu, in, &area, &image, len);
    NEXT(cpu, in);
}
INTERP_ONE(fxsave)

static void fxrstor(struct cpu *cpu, const struct insn *in)
{
    struct fpu *fpu = &cpu->fpu;
    struct fxsave_image image;
    struct fpu_area area;

    fpu_check_nm(cpu);
    area = image_area(cpu, in);
    fpu_load_area(cpu, in, &area, &image, sizeof image);
    if (has_xmm_area(cpu) && image.mxcsr & ~(uint32_t)MXCSR_WRITABLE)
        cpu_raise_error(cpu, VEC_GP, 0);

    fpu->empty = (uint8_t)~image.valid;
    fpu->opcode = image.fop & 0x7ff;
    fpu->ip_offset = image.fip;
    fpu->ip_selector = image.fcs;
    fpu->dp_offset = image.fdp;
    fpu->dp_selector = image.fds;
    fpu_set_control(cpu, image.fcw);
    fpu_set_status_word(cpu, image.fsw);
    for (unsigned i = 0; i < 8; i++)
        f80_set(fpu_st(fpu, i), image.st[i].mantissa, image.st[i].sign_exponent);
    if (has_xmm_area(cpu)) {
        memcpy(fpu->xmm, image.xmm, sizeof image.xmm);
        fpu->mxcsr = image.mxcsr;
        simd_load_mxcsr(cpu);
    }
    NEXT(cpu, in);
}
INTERP_ONE(fxrstor)
