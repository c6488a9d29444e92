/*
 * x87 control: FINIT, FCLEX, FLDCW, FSTCW, FSTSW, FLDENV, FSTENV, FRSTOR, FSAVE.
 * Source: SDM vol. 2A, the instructions; vol. 1 "Saving the x87 FPU's State with FSTENV/FNSTENV and FSAVE/FNSAVE".
 *
 * Only the forms without a leading FWAIT exist here: FSTSW is 9B (FWAIT) followed by FNSTSW. These instructions leave
 * FOP, FIP and FDP alone. Reserved halves of a 32-bit image are stored as ones, as the processors do.
 * The 16-bit protected-mode image has no FOP: loading one clears it, as AMD's processors do.
 */
#include "frontend/x86/interp_x87.h"

static void fninit(struct cpu *cpu, const struct insn *in)
{
    fpu_check_nm(cpu);
    fpu_init(cpu);
    NEXT(cpu, in);
}
INTERP_ONE(fninit)

static void fnclex(struct cpu *cpu, const struct insn *in)
{
    fpu_check_nm(cpu);
    fpu_set_status_word(cpu, fpu_status_word(&cpu->fpu) & (FPU_SW_CC | FPU_SW_C1 | FPU_SW_TOP));
    NEXT(cpu, in);
}
INTERP_ONE(fnclex)

static void fnop_287(struct cpu *cpu, const struct insn *in) /* FNENI, FNDISI (8087), FNSETPM (287) */
{
    fpu_check_nm(cpu);
    NEXT(cpu, in);
}
INTERP_ONE(fnop_287)

static void fldcw(struct cpu *cpu, const struct insn *in)
{
    FPU_BEGIN(cpu, in);
    fpu_set_control(cpu, mem_read16(cpu, in->seg, effective_offset(cpu, in)));
    NEXT(cpu, in);
}
INTERP_ONE(fldcw)

static void fnstcw(struct cpu *cpu, const struct insn *in)
{
    fpu_check_nm(cpu);
    mem_write16(cpu, in->seg, effective_offset(cpu, in), cpu->fpu.control);
    NEXT(cpu, in);
}
INTERP_ONE(fnstcw)

static void fnstsw(struct cpu *cpu, const struct insn *in)
{
    fpu_check_nm(cpu);
    mem_write16(cpu, in->seg, effective_offset(cpu, in), fpu_status_word(&cpu->fpu));
    NEXT(cpu, in);
}
INTERP_ONE(fnstsw)

static void fnstsw_ax(struct cpu *cpu, const struct insn *in)
{
    fpu_check_nm(cpu);
    set_reg16(cpu, EAX, fpu_status_word(&cpu->fpu));
    NEXT(cpu, in);
}
INTERP_ONE(fnstsw_ax)

/* ---- environment images ---- */

#define ENV32_LEN    28
#define ENV16_LEN    14
#define ST_IMAGE_LEN 80

union environment {
    uint32_t d[ENV32_LEN / 4];
    uint16_t w[ENV16_LEN / 2];
};

struct save_image { /* environment, then ST(0) to ST(7) */
    uint8_t bytes[ENV32_LEN + ST_IMAGE_LEN];
};

ALWAYS_INLINE unsigned environment_len(const struct insn *in)
{
    return in->opsize32 ? ENV32_LEN : ENV16_LEN;
}
/* The operand: an environment and `registers_len` bytes of registers. */
static struct fpu_area image_area(const struct cpu *cpu, const struct insn *in, unsigned registers_len)
{
    unsigned len = environment_len(in);

    return (struct fpu_area){
        .offset = effective_offset(cpu, in),
        .len_bytes = len + registers_len,
        .piece = in->opsize32 ? 4 : 2,
        .registers_from = len,
    };
}

/* Real and virtual-8086 mode keep linear addresses, 32 or 20 bits of them. */
static void environment_get(const struct cpu *cpu, bool is_32, union environment *env)
{
    const struct fpu *fpu = &cpu->fpu;
    bool is_linear = cpu_is_real_or_v86(cpu);
    uint32_t ip = fpu->ip_offset, dp = fpu->dp_offset;

    if (is_linear) {
        ip += (uint32_t)fpu->ip_selector << 4;
        dp += (uint32_t)fpu->dp_selector << 4;
    }
    if (is_32) {
        env->d[0] = 0xffff0000u | fpu->control;
        env->d[1] = 0xffff0000u | fpu_status_word(fpu);
        env->d[2] = 0xffff0000u | fpu_tag_word(fpu);
        env->d[3] = is_linear ? 0xffff0000u | ip : ip;
        env->d[4] = is_linear ? ip >> 16 << 12 | fpu->opcode : (uint32_t)fpu->opcode << 16 | fpu->ip_selector;
        env->d[5] = is_linear ? 0xffff0000u | dp : dp;
        env->d[6] = is_linear ? dp >> 16 << 12 : 0xffff0000u | fpu->dp_selector;
    } else {
        env->w[0] = fpu->control;
        env->w[1] = fpu_status_word(fpu);
        env->w[2] = fpu_tag_word(fpu);
        env->w[3] = (uint16_t)ip;
        env->w[4] = (uint16_t)(is_linear ? (ip >> 4 & 0xf000) | fpu->opcode : fpu->ip_selector);
        env->w[5] = (uint16_t)dp;
        env->w[6] = (uint16_t)(is_linear ? dp >> 4 & 0xf000 : fpu->dp_selector);
    }
}

static uint8_t empty_from_tags(uint16_t tags)
{
    unsigned empty = 0;

    for (unsigned i = 0; i < 8; i++)
        empty |= (tags >> 2 * i & 3) == 3 ? 1u << i : 0;
    return (uint8_t)empty;
}

static void environment_set(struct cpu *cpu, bool is_32, const union environment *env)
{
    struct fpu *fpu = &cpu->fpu;
    bool is_linear = cpu_is_real_or_v86(cpu);
    uint16_t control, status, tags;

    if (is_32) {
        control = (uint16_t)env->d[0];
        status = (uint16_t)env->d[1];
        tags = (uint16_t)env->d[2];
        fpu->ip_offset = is_linear ? (env->d[3] & 0xffff) | (env->d[4] << 4 & 0xffff0000u) : env->d[3];
        fpu->ip_selector = is_linear ? 0 : (uint16_t)env->d[4];
        fpu->opcode = (is_linear ? env->d[4] : env->d[4] >> 16) & 0x7ff;
        fpu->dp_offset = is_linear ? (env->d[5] & 0xffff) | (env->d[6] << 4 & 0xffff0000u) : env->d[5];
        fpu->dp_selector = is_linear ? 0 : (uint16_t)env->d[6];
    } else {
        control = env->w[0];
        status = env->w[1];
        tags = env->w[2];
        fpu->ip_offset = env->w[3];
        fpu->ip_selector = env->w[4];
        fpu->dp_offset = env->w[5];
        fpu->dp_selector = env->w[6];
        fpu->opcode = 0;
        if (is_linear) {
            fpu->opcode = env->w[4] & 0x7ff;
            fpu->ip_offset |= (uint32_t)(env->w[4] & 0xf000) << 4;
            fpu->dp_offset |= (uint32_t)(env->w[6] & 0xf000) << 4;
            fpu->ip_selector = fpu->dp_selector = 0;
        }
    }
    fpu->empty = empty_from_tags(tags);
    fpu_set_control(cpu, control);
    fpu_set_status_word(cpu, status);
}

static void fldenv(struct cpu *cpu, const struct insn *in)
{
    struct fpu_area area = image_area(cpu, in, 0);
    union environment env;

    FPU_BEGIN(cpu, in);
    fpu_load_area(cpu, in, &area, &env, area.len_bytes);
    environment_set(cpu, in->opsize32, &env);
    NEXT(cpu, in);
}
INTERP_ONE(fldenv)

/* Masks all exceptions afterwards, so that nothing stays pending; the flags remain. */
static void fnstenv(struct cpu *cpu, const struct insn *in)
{
    struct fpu_area area = image_area(cpu, in, 0);
    union environment env;

    fpu_check_nm(cpu);
    fpu_check_area_write(cpu, in, &area);
    environment_get(cpu, in->opsize32, &env);
    fpu_store_area(cpu, in, &area, &env, area.len_bytes);
    fpu_set_control(cpu, cpu->fpu.control | FPU_CW_MASKS);
    NEXT(cpu, in);
}
INTERP_ONE(fnstenv)

static void frstor(struct cpu *cpu, const struct insn *in)
{
    struct fpu_area area = image_area(cpu, in, ST_IMAGE_LEN);
    struct save_image image;
    union environment env;
    unsigned len = environment_len(in);

    FPU_BEGIN(cpu, in);
    fpu_load_area(cpu, in, &area, &image, area.len_bytes);
    memcpy(&env, image.bytes, len);
    environment_set(cpu, in->opsize32, &env);
    for (unsigned i = 0; i < 8; i++) {
        struct f80 *st = fpu_st(&cpu->fpu, i);

        memcpy(&st->mantissa, image.bytes + len + 10 * i, 8);
        memcpy(&st->sign_exponent, image.bytes + len + 10 * i + 8, 2);
    }
    NEXT(cpu, in);
}
INTERP_ONE(frstor)

/* Ends in FNINIT. */
static void fnsave(struct cpu *cpu, const struct insn *in)
{
    struct fpu_area area = image_area(cpu, in, ST_IMAGE_LEN);
    struct save_image image;
    union environment env;
    unsigned len = environment_len(in);

    fpu_check_nm(cpu);
    fpu_check_area_write(cpu, in, &area);
    environment_get(cpu, in->opsize32, &env);
    memcpy(image.bytes, &env, len);
    for (unsigned i = 0; i < 8; i++) {
        const struct f80 *st = fpu_st(&cpu->fpu, i);

        memcpy(image.bytes + len + 10 * i, &st->mantissa, 8);
        memcpy(image.bytes + len + 10 * i + 8, &st->sign_exponent, 2);
    }
    fpu_store_area(cpu, in, &area, &image, area.len_bytes);
    fpu_init(cpu);
    NEXT(cpu, in);
}
INTERP_ONE(fnsave)
