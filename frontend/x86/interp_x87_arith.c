/*
 * x87 arithmetic, comparisons and transcendental functions: the stack is ours, the operation the host's (fpu.h).
 * Source: SDM vol. 2A, the instructions; vol. 1 "x87 FPU Floating-Point Exception Handling".
 */
#include "frontend/x86/interp_x87.h"

/* ---- FADD FMUL FSUB FSUBR FDIV FDIVR ---- */

/* ST(to) = ST(to) OP ST(from) */
ALWAYS_INLINE void arith_registers(struct cpu *cpu, const struct insn *in, unsigned to, unsigned from, bool pop,
                                   fpu_host_arith_fn *operate)
{
    struct fpu *fpu = &cpu->fpu;
    unsigned status;

    fpu_note(cpu, in);
    if (unlikely(fpu_is_empty(fpu, to) || fpu_is_empty(fpu, from))) {
        if (!fpu_underflow(fpu))
            return;
        fpu_set_indefinite(fpu, to);
    } else {
        status = operate(fpu, fpu_st(fpu, to), fpu_st(fpu, from));
        fpu_merge(fpu, status);
        if (unlikely(status & FPU_SW_ES) && fpu_is_aborted(fpu, status))
            return;
    }
    if (pop)
        fpu_pop(fpu);
}

/* ST(0) = ST(0) OP memory; `raw` is the operand in its memory format. */
ALWAYS_INLINE void arith_memory(struct cpu *cpu, const struct insn *in, uint32_t offset, const void *raw,
                                fpu_host_arith_fn *operate)
{
    struct fpu *fpu = &cpu->fpu;

    fpu_note_data(cpu, in, offset);
    if (likely(!fpu_is_empty(fpu, 0)))
        fpu_merge(fpu, operate(fpu, fpu_st(fpu, 0), raw));
    else if (fpu_underflow(fpu))
        fpu_set_indefinite(fpu, 0);
}

#define DEFINE_REGISTERS(name, to, from, pop, operate)                                                                 \
    static void name(struct cpu *cpu, const struct insn *in)                                                           \
    {                                                                                                                  \
        FPU_BEGIN(cpu, in);                                                                                            \
        arith_registers(cpu, in, to, from, pop, operate);                                                              \
        NEXT(cpu, in);                                                                                                 \
    }                                                                                                                  \
    INTERP_ONE(name)
#define DEFINE_MEMORY(name, bits, operate)                                                                             \
    static void name(struct cpu *cpu, const struct insn *in)                                                           \
    {                                                                                                                  \
        uint32_t offset = effective_offset(cpu, in);                                                                   \
                                                                                                                       \
        FPU_BEGIN(cpu, in);                                                                                            \
        cpu->fpu.host.operand.u##bits = mem_read##bits(cpu, in->seg, offset);                                          \
        arith_memory(cpu, in, offset, &cpu->fpu.host.operand, operate);                                                \
        NEXT(cpu, in);                                                                                                 \
    }                                                                                                                  \
    INTERP_ONE(name)
/* fadd_st: ST(0) is the destination; fadd_sti: ST(i) is; faddp pops. */
#define DEFINE_ARITH(op)                                                                                               \
    DEFINE_REGISTERS(f##op##_st, 0, in->rm, false, fpu_host_##op##_st)                                                 \
    DEFINE_REGISTERS(f##op##_sti, in->rm, 0, false, fpu_host_##op##_st)                                                \
    DEFINE_REGISTERS(f##op##p, in->rm, 0, true, fpu_host_##op##_st)                                                    \
    DEFINE_MEMORY(f##op##_f32, 32, fpu_host_##op##_f32)                                                                \
    DEFINE_MEMORY(f##op##_f64, 64, fpu_host_##op##_f64)                                                                \
    DEFINE_MEMORY(fi##op##_i16, 16, fpu_host_##op##_i16)                                                               \
    DEFINE_MEMORY(fi##op##_i32, 32, fpu_host_##op##_i32)
FPU_HOST_ARITH(DEFINE_ARITH)

DEFINE_REGISTERS(fscale, 0, 1, false, fpu_host_scale)
DEFINE_REGISTERS(fyl2x, 1, 0, true, fpu_host_yl2x)
DEFINE_REGISTERS(fyl2xp1, 1, 0, true, fpu_host_yl2xp1)
DEFINE_REGISTERS(fpatan, 1, 0, true, fpu_host_patan)

/* "Complete", where C2 would mean the contrary. */
ALWAYS_INLINE void underflow_clears_c2(struct fpu *fpu)
{
    fpu->status &= (uint16_t)~FPU_SW_C2;
    if (fpu_underflow(fpu))
        fpu_set_indefinite(fpu, 0);
}

ALWAYS_INLINE bool f80_is_nan(const struct f80 *a)
{
    return (a->sign_exponent & 0x7fff) == 0x7fff && a->mantissa << 1 != 0;
}

/* Partial remainders report reduction and quotient bits in C2 C0 C3 C1. Without a remainder there are none: C0 and C3
 * keep what they were, which the host cannot know. */
#define DEFINE_REMAINDER(name, operate)                                                                                \
    static void name(struct cpu *cpu, const struct insn *in)                                                           \
    {                                                                                                                  \
        struct fpu *fpu = &cpu->fpu;                                                                                   \
                                                                                                                       \
        FPU_BEGIN(cpu, in);                                                                                            \
        fpu_note(cpu, in);                                                                                             \
        if (likely(!fpu_is_empty(fpu, 0) && !fpu_is_empty(fpu, 1))) {                                                  \
            struct f80 *st = fpu_st(fpu, 0);                                                                           \
            unsigned status = operate(fpu, st, fpu_st(fpu, 1));                                                        \
                                                                                                                       \
            if (unlikely(f80_is_nan(st) || fpu_is_aborted(fpu, status)))                                               \
                fpu_merge_c2(fpu, status);                                                                             \
            else                                                                                                       \
                fpu_merge_cc(fpu, status);                                                                             \
        } else {                                                                                                       \
            underflow_clears_c2(fpu);                                                                                  \
        }                                                                                                              \
        NEXT(cpu, in);                                                                                                 \
    }                                                                                                                  \
    INTERP_ONE(name)
DEFINE_REMAINDER(fprem, fpu_host_prem)
DEFINE_REMAINDER(fprem1, fpu_host_prem1)

/* ---- comparisons ---- */

/* Without operands worth comparing the result is "unordered", masked or not. */
ALWAYS_INLINE bool compare_underflow(struct fpu *fpu)
{
    fpu->status |= FPU_SW_CC;
    return fpu_underflow(fpu);
}
ALWAYS_INLINE bool compare_done(struct fpu *fpu, unsigned status) /* false: no pops */
{
    fpu_merge_cc(fpu, status);
    return likely(!(status & FPU_SW_ES)) || !fpu_is_aborted(fpu, status);
}

#define DEFINE_COMPARE(name, i, pops, compare)                                                                         \
    static void name(struct cpu *cpu, const struct insn *in)                                                           \
    {                                                                                                                  \
        struct fpu *fpu = &cpu->fpu;                                                                                   \
        bool done;                                                                                                     \
                                                                                                                       \
        FPU_BEGIN(cpu, in);                                                                                            \
        fpu_note(cpu, in);                                                                                             \
        if (unlikely(fpu_is_empty(fpu, 0) || fpu_is_empty(fpu, i)))                                                    \
            done = compare_underflow(fpu);                                                                             \
        else                                                                                                           \
            done = compare_done(fpu, compare(fpu, fpu_st(fpu, 0), fpu_st(fpu, i)));                                    \
        if (done && (pops) >= 1)                                                                                       \
            fpu_pop(fpu);                                                                                              \
        if (done && (pops) == 2)                                                                                       \
            fpu_pop(fpu);                                                                                              \
        NEXT(cpu, in);                                                                                                 \
    }                                                                                                                  \
    INTERP_ONE(name)
DEFINE_COMPARE(fcom_st, in->rm, 0, fpu_host_com_st)
DEFINE_COMPARE(fcomp_st, in->rm, 1, fpu_host_com_st)
DEFINE_COMPARE(fcompp, 1, 2, fpu_host_com_st)
DEFINE_COMPARE(fucom, in->rm, 0, fpu_host_ucom_st)
DEFINE_COMPARE(fucomp, in->rm, 1, fpu_host_ucom_st)
DEFINE_COMPARE(fucompp, 1, 2, fpu_host_ucom_st)

#define DEFINE_COMPARE_MEMORY(name, bits, pops, compare)                                                               \
    static void name(struct cpu *cpu, const struct insn *in)                                                           \
    {                                                                                                                  \
        struct fpu *fpu = &cpu->fpu;                                                                                   \
        uint32_t offset = effective_offset(cpu, in);                                                                   \
        bool done;                                                                                                     \
                                                                                                                       \
        FPU_BEGIN(cpu, in);                                                                                            \
        fpu->host.operand.u##bits = mem_read##bits(cpu, in->seg, offset);                                              \
        fpu_note_data(cpu, in, offset);                                                                                \
        if (unlikely(fpu_is_empty(fpu, 0)))                                                                            \
            done = compare_underflow(fpu);                                                                             \
        else                                                                                                           \
            done = compare_done(fpu, compare(fpu, fpu_st(fpu, 0), &fpu->host.operand));                                \
        if (done && (pops))                                                                                            \
            fpu_pop(fpu);                                                                                              \
        NEXT(cpu, in);                                                                                                 \
    }                                                                                                                  \
    INTERP_ONE(name)
DEFINE_COMPARE_MEMORY(fcom_f32, 32, 0, fpu_host_com_f32)
DEFINE_COMPARE_MEMORY(fcomp_f32, 32, 1, fpu_host_com_f32)
DEFINE_COMPARE_MEMORY(fcom_f64, 64, 0, fpu_host_com_f64)
DEFINE_COMPARE_MEMORY(fcomp_f64, 64, 1, fpu_host_com_f64)
DEFINE_COMPARE_MEMORY(ficom_i16, 16, 0, fpu_host_com_i16)
DEFINE_COMPARE_MEMORY(ficomp_i16, 16, 1, fpu_host_com_i16)
DEFINE_COMPARE_MEMORY(ficom_i32, 32, 0, fpu_host_com_i32)
DEFINE_COMPARE_MEMORY(ficomp_i32, 32, 1, fpu_host_com_i32)

/*
 * FCOMI and friends: ZF PF CF as the host set them, OF SF AF cleared; C1 stays.
 *
 * Deviates: EFLAGS change even if invalid operation is unmasked, and C1 is not cleared; so does the host (SDM: EFLAGS
 * stay, C1 is 0).
 */
ALWAYS_INLINE void compare_to_eflags(struct cpu *cpu, const struct insn *in, bool is_unordered, bool pop)
{
    struct fpu *fpu = &cpu->fpu;
    uint8_t flags = EFLAGS_ZF | EFLAGS_PF | EFLAGS_CF;
    bool is_aborted;

    fpu_note(cpu, in);
    if (unlikely(fpu_is_empty(fpu, 0) || fpu_is_empty(fpu, in->rm))) {
        is_aborted = !fpu_underflow(fpu);
    } else {
        unsigned status =
            (is_unordered ? fpu_host_ucomi : fpu_host_comi)(fpu, fpu_st(fpu, 0), fpu_st(fpu, in->rm), &flags);

        fpu_merge_flags(fpu, status);
        is_aborted = unlikely(status & FPU_SW_ES) && fpu_is_aborted(fpu, status);
    }
    cpu->flag_zero = !(flags & EFLAGS_ZF);
    cpu->flag_sign = !(flags & EFLAGS_PF);
    cpu->flag_carry = flags & EFLAGS_CF ? FLAG_CARRY_CF | FLAG_CARRY_INTO : 0;
    if (pop && !is_aborted)
        fpu_pop(fpu);
}
#define DEFINE_COMPARE_EFLAGS(name, is_unordered, pop)                                                                 \
    static void name(struct cpu *cpu, const struct insn *in)                                                           \
    {                                                                                                                  \
        FPU_BEGIN(cpu, in);                                                                                            \
        compare_to_eflags(cpu, in, is_unordered, pop);                                                                 \
        NEXT(cpu, in);                                                                                                 \
    }                                                                                                                  \
    INTERP_ONE(name)
DEFINE_COMPARE_EFLAGS(fcomi, false, false)
DEFINE_COMPARE_EFLAGS(fcomip, false, true)
DEFINE_COMPARE_EFLAGS(fucomi, true, false)
DEFINE_COMPARE_EFLAGS(fucomip, true, true)

static void ftst(struct cpu *cpu, const struct insn *in)
{
    struct fpu *fpu = &cpu->fpu;

    FPU_BEGIN(cpu, in);
    fpu_note(cpu, in);
    if (unlikely(fpu_is_empty(fpu, 0)))
        compare_underflow(fpu);
    else
        fpu_merge_cc(fpu, fpu_host_tst(fpu, fpu_st(fpu, 0)));
    NEXT(cpu, in);
}
INTERP_ONE(ftst)

/* Looks at an empty register too: C3 C0, and C1 is the sign of whatever it holds. */
static void fxam(struct cpu *cpu, const struct insn *in)
{
    struct fpu *fpu = &cpu->fpu;
    const struct f80 *st;

    FPU_BEGIN(cpu, in);
    fpu_note(cpu, in);
    st = fpu_st(fpu, 0);
    if (unlikely(fpu_is_empty(fpu, 0)))
        fpu->status = (uint16_t)((fpu->status & ~(FPU_SW_C1 | FPU_SW_CC)) | FPU_SW_C3 | FPU_SW_C0 |
                                 (st->sign_exponent & 0x8000 ? FPU_SW_C1 : 0));
    else
        fpu_merge_cc(fpu, fpu_host_xam(fpu, st));
    NEXT(cpu, in);
}
INTERP_ONE(fxam)

/* ---- one operand ---- */

ALWAYS_INLINE void unary_underflow(struct fpu *fpu)
{
    if (fpu_underflow(fpu))
        fpu_set_indefinite(fpu, 0);
}
#define DEFINE_UNARY(name, merge, operate, underflow)                                                                  \
    static void name(struct cpu *cpu, const struct insn *in)                                                           \
    {                                                                                                                  \
        struct fpu *fpu = &cpu->fpu;                                                                                   \
                                                                                                                       \
        FPU_BEGIN(cpu, in);                                                                                            \
        fpu_note(cpu, in);                                                                                             \
        if (likely(!fpu_is_empty(fpu, 0)))                                                                             \
            merge(fpu, operate(fpu, fpu_st(fpu, 0)));                                                                  \
        else                                                                                                           \
            underflow(fpu);                                                                                            \
        NEXT(cpu, in);                                                                                                 \
    }                                                                                                                  \
    INTERP_ONE(name)
DEFINE_UNARY(fsqrt, fpu_merge, fpu_host_sqrt, unary_underflow)
DEFINE_UNARY(frndint, fpu_merge, fpu_host_rndint, unary_underflow)
DEFINE_UNARY(f2xm1, fpu_merge, fpu_host_2xm1, unary_underflow)
DEFINE_UNARY(fsin, fpu_merge_c2, fpu_host_sin, underflow_clears_c2) /* C2: out of range */
DEFINE_UNARY(fcos, fpu_merge_c2, fpu_host_cos, underflow_clears_c2)

/* The sign changes even in a NaN, and nothing is raised. */
ALWAYS_INLINE unsigned change_sign(struct fpu *fpu, struct f80 *st)
{
    st->sign_exponent ^= 0x8000;
    return 0;
}
ALWAYS_INLINE unsigned clear_sign(struct fpu *fpu, struct f80 *st)
{
    st->sign_exponent &= 0x7fff;
    return 0;
}
DEFINE_UNARY(fchs, fpu_merge, change_sign, unary_underflow)
DEFINE_UNARY(fabs_st, fpu_merge, clear_sign, unary_underflow)

/* FXTRACT, FPTAN, FSINCOS: ST(0) is replaced and a second result pushed. */
ALWAYS_INLINE void split(struct cpu *cpu, const struct insn *in, fpu_host_split_fn *operate, bool has_c2)
{
    struct fpu *fpu = &cpu->fpu;
    struct f80 pushed;
    unsigned status;

    fpu_note(cpu, in);
    if (unlikely(fpu_is_empty(fpu, 0) || fpu_is_full(fpu))) {
        if (has_c2)
            fpu->status &= (uint16_t)~FPU_SW_C2;
        if (fpu_is_empty(fpu, 0) ? fpu_underflow(fpu) : fpu_overflow(fpu)) {
            fpu_set_indefinite(fpu, 0);
            f80_set_indefinite(fpu_push(fpu));
        }
        return;
    }
    status = operate(fpu, fpu_st(fpu, 0), &pushed);
    if (has_c2)
        fpu_merge_c2(fpu, status);
    else
        fpu_merge(fpu, status);
    if ((has_c2 && status & FPU_SW_C2) || (unlikely(status & FPU_SW_ES) && fpu_is_aborted(fpu, status)))
        return;
    f80_copy(fpu_push(fpu), &pushed);
}
#define DEFINE_SPLIT(name, operate, has_c2)                                                                            \
    static void name(struct cpu *cpu, const struct insn *in)                                                           \
    {                                                                                                                  \
        FPU_BEGIN(cpu, in);                                                                                            \
        split(cpu, in, operate, has_c2);                                                                               \
        NEXT(cpu, in);                                                                                                 \
    }                                                                                                                  \
    INTERP_ONE(name)
DEFINE_SPLIT(fxtract, fpu_host_xtract, false)
DEFINE_SPLIT(fptan, fpu_host_ptan, true)
DEFINE_SPLIT(fsincos, fpu_host_sincos, true)
