/*
 * x87 data movement: FLD, FST, FILD, FIST, FBLD, FBSTP, FXCH, FCMOVcc, constants, stack management, FWAIT.
 * Source: SDM vol. 2A, the instructions; vol. 1 "Programming with the x87 FPU".
 *
 * Widening loads of normal numbers, zeros and integers are exact and raise nothing; they are done here, which costs a
 * few cycles where asking the host costs a status word.
 *
 * Where the SDM calls C0..C3 undefined we do as the host: FFREE clears C1, FCMOVcc leaves it.
 *
 * Deviates: FDP and FDS keep their values over instructions without a memory operand (SDM: undefined).
 */
#include "frontend/x86/interp_x87.h"

/* ---- loads ---- */

/* False: zero, denormal, infinity, NaN. */
ALWAYS_INLINE bool widen_f32(struct f80 *out, uint32_t raw)
{
    unsigned exponent = raw >> 23 & 0xff;

    if (unlikely(exponent == 0xff || exponent == 0))
        return false;
    f80_set(out, F80_ONE_MANTISSA | (uint64_t)raw << 40, (raw >> 31) << 15 | (exponent + F80_BIAS - 127));
    return true;
}
ALWAYS_INLINE bool widen_f64(struct f80 *out, uint64_t raw)
{
    unsigned exponent = raw >> 52 & 0x7ff;

    if (unlikely(exponent == 0x7ff || exponent == 0))
        return false;
    f80_set(out, F80_ONE_MANTISSA | raw << 11, (unsigned)(raw >> 63) << 15 | (exponent + F80_BIAS - 1023));
    return true;
}
ALWAYS_INLINE void widen_integer(struct f80 *out, int64_t value)
{
    uint64_t magnitude = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    unsigned shift;

    if (value == 0) {
        f80_set(out, 0, 0);
        return;
    }
    shift = (unsigned)__builtin_clzll(magnitude);
    f80_set(out, magnitude << shift, (value < 0 ? 0x8000u : 0) | (F80_BIAS + 63 - shift));
}

/* Stack overflow of a load. */
static __attribute__((cold, noinline)) void push_overflow(struct fpu *fpu)
{
    if (fpu_overflow(fpu))
        f80_set_indefinite(fpu_push(fpu));
}
/* A load that may raise: signalling NaN, denormal, decimal. */
static __attribute__((noinline)) void push_by_host(struct fpu *fpu, fpu_host_load_fn *load, const void *raw)
{
    struct f80 value;
    unsigned status = load(fpu, &value, raw);

    fpu_merge(fpu, status);
    if (!fpu_load_is_aborted(fpu, status))
        f80_copy(fpu_push(fpu), &value);
}

#define DEFINE_LOAD_REAL(bits)                                                                                         \
    static void fld_f##bits(struct cpu *cpu, const struct insn *in)                                                    \
    {                                                                                                                  \
        struct fpu *fpu = &cpu->fpu;                                                                                   \
        uint32_t offset = effective_offset(cpu, in);                                                                   \
        uint##bits##_t raw;                                                                                            \
                                                                                                                       \
        FPU_BEGIN(cpu, in);                                                                                            \
        raw = mem_read##bits(cpu, in->seg, offset);                                                                    \
        fpu_note_data(cpu, in, offset);                                                                                \
        if (unlikely(fpu_is_full(fpu))) {                                                                              \
            push_overflow(fpu);                                                                                        \
        } else if (likely(widen_f##bits(fpu_st(fpu, 7), raw))) {                                                       \
            fpu_push(fpu);                                                                                             \
            fpu_clear_c1(fpu);                                                                                         \
        } else {                                                                                                       \
            fpu->host.operand.u##bits = raw;                                                                           \
            push_by_host(fpu, fpu_host_load_f##bits, &fpu->host.operand);                                              \
        }                                                                                                              \
        NEXT(cpu, in);                                                                                                 \
    }                                                                                                                  \
    INTERP_ONE(fld_f##bits)
DEFINE_LOAD_REAL(32)
DEFINE_LOAD_REAL(64)

#define DEFINE_LOAD_INTEGER(bits)                                                                                      \
    static void fild_i##bits(struct cpu *cpu, const struct insn *in)                                                   \
    {                                                                                                                  \
        struct fpu *fpu = &cpu->fpu;                                                                                   \
        uint32_t offset = effective_offset(cpu, in);                                                                   \
        int##bits##_t value;                                                                                           \
                                                                                                                       \
        FPU_BEGIN(cpu, in);                                                                                            \
        value = (int##bits##_t)mem_read##bits(cpu, in->seg, offset);                                                   \
        fpu_note_data(cpu, in, offset);                                                                                \
        if (unlikely(fpu_is_full(fpu))) {                                                                              \
            push_overflow(fpu);                                                                                        \
        } else {                                                                                                       \
            widen_integer(fpu_push(fpu), value);                                                                       \
            fpu_clear_c1(fpu);                                                                                         \
        }                                                                                                              \
        NEXT(cpu, in);                                                                                                 \
    }                                                                                                                  \
    INTERP_ONE(fild_i##bits)
DEFINE_LOAD_INTEGER(16)
DEFINE_LOAD_INTEGER(32)
DEFINE_LOAD_INTEGER(64)

/* 80 bits are 64 and 16; with 16-bit addresses the second part may lie at the start of the segment. */
ALWAYS_INLINE void mem_read80(struct cpu *cpu, const struct insn *in, uint32_t offset, struct f80 *out)
{
    out->mantissa = mem_read64(cpu, in->seg, offset);
    out->sign_exponent = mem_read16(cpu, in->seg, (offset + 8) & in->addr_mask);
}

static void fld_f80(struct cpu *cpu, const struct insn *in)
{
    struct fpu *fpu = &cpu->fpu;
    uint32_t offset = effective_offset(cpu, in);
    struct f80 value;

    FPU_BEGIN(cpu, in);
    mem_read80(cpu, in, offset, &value);
    fpu_note_data(cpu, in, offset);
    if (unlikely(fpu_is_full(fpu))) {
        push_overflow(fpu);
    } else {
        f80_copy(fpu_push(fpu), &value);
        fpu_clear_c1(fpu);
    }
    NEXT(cpu, in);
}
INTERP_ONE(fld_f80)

static void fbld(struct cpu *cpu, const struct insn *in)
{
    struct fpu *fpu = &cpu->fpu;
    uint32_t offset = effective_offset(cpu, in);
    struct f80 raw;

    FPU_BEGIN(cpu, in);
    mem_read80(cpu, in, offset, &raw);
    fpu_note_data(cpu, in, offset);
    if (unlikely(fpu_is_full(fpu)))
        push_overflow(fpu);
    else
        push_by_host(fpu, fpu_host_load_bcd, &raw);
    NEXT(cpu, in);
}
INTERP_ONE(fbld)

/* FLD ST(i) */
static void fld_sti(struct cpu *cpu, const struct insn *in)
{
    struct fpu *fpu = &cpu->fpu;

    FPU_BEGIN(cpu, in);
    fpu_note(cpu, in);
    if (unlikely(fpu_is_empty(fpu, in->rm))) { /* also when ST(7) is in use */
        if (fpu_underflow(fpu))
            f80_set_indefinite(fpu_push(fpu));
    } else if (unlikely(fpu_is_full(fpu))) {
        push_overflow(fpu);
    } else {
        const struct f80 *source = fpu_st(fpu, in->rm);

        f80_copy(fpu_push(fpu), source);
        fpu_clear_c1(fpu);
    }
    NEXT(cpu, in);
}
INTERP_ONE(fld_sti)

#define DEFINE_LOAD_CONSTANT(name, set)                                                                                \
    static void name(struct cpu *cpu, const struct insn *in)                                                           \
    {                                                                                                                  \
        struct fpu *fpu = &cpu->fpu;                                                                                   \
                                                                                                                       \
        FPU_BEGIN(cpu, in);                                                                                            \
        fpu_note(cpu, in);                                                                                             \
        if (unlikely(fpu_is_full(fpu))) {                                                                              \
            push_overflow(fpu);                                                                                        \
        } else {                                                                                                       \
            struct f80 *top = fpu_push(fpu);                                                                           \
                                                                                                                       \
            fpu_clear_c1(fpu);                                                                                         \
            set;                                                                                                       \
        }                                                                                                              \
        NEXT(cpu, in);                                                                                                 \
    }                                                                                                                  \
    INTERP_ONE(name)
DEFINE_LOAD_CONSTANT(fld1, f80_set(top, F80_ONE_MANTISSA, F80_BIAS))
DEFINE_LOAD_CONSTANT(fldz, f80_set(top, 0, 0))
DEFINE_LOAD_CONSTANT(fldl2t, fpu_host_ldl2t(fpu, top))
DEFINE_LOAD_CONSTANT(fldl2e, fpu_host_ldl2e(fpu, top))
DEFINE_LOAD_CONSTANT(fldpi, fpu_host_ldpi(fpu, top))
DEFINE_LOAD_CONSTANT(fldlg2, fpu_host_ldlg2(fpu, top))
DEFINE_LOAD_CONSTANT(fldln2, fpu_host_ldln2(fpu, top))

/* ---- stores ---- */

#define F32_INDEFINITE 0xffc00000u
#define F64_INDEFINITE 0xfff8000000000000u

/* FST, FIST to a memory format: the destination is checked first, so that nothing can fault once flags have changed. */
ALWAYS_INLINE void store(struct cpu *cpu, const struct insn *in, fpu_host_store_fn *host_store, unsigned bits,
                         uint64_t indefinite, bool pop)
{
    struct fpu *fpu = &cpu->fpu;
    uint32_t offset = effective_offset(cpu, in);
    lin_addr address = mem_begin_write(cpu, in->seg, offset, bits / 8);
    uint64_t value = 0;

    fpu_note_data(cpu, in, offset);
    if (unlikely(fpu_is_empty(fpu, 0))) {
        if (!fpu_underflow(fpu))
            return;
        value = indefinite;
    } else {
        unsigned status = host_store(fpu, fpu_st(fpu, 0), &value);

        fpu_merge(fpu, status);
        if (unlikely(status & FPU_SW_ES) && fpu_store_is_aborted(fpu, status))
            return;
    }
    if (bits == 16)
        mmu_st16(&cpu->mmu, address, (uint16_t)value, cpu->view);
    else if (bits == 32)
        mmu_st32(&cpu->mmu, address, (uint32_t)value, cpu->view);
    else
        mmu_st64(&cpu->mmu, address, value, cpu->view);
    if (pop)
        fpu_pop(fpu);
}

#define DEFINE_STORE(name, format, bits, indefinite, pop)                                                              \
    static void name(struct cpu *cpu, const struct insn *in)                                                           \
    {                                                                                                                  \
        FPU_BEGIN(cpu, in);                                                                                            \
        store(cpu, in, fpu_host_store_##format, bits, indefinite, pop);                                                \
        NEXT(cpu, in);                                                                                                 \
    }                                                                                                                  \
    INTERP_ONE(name)
DEFINE_STORE(fst_f32, f32, 32, F32_INDEFINITE, false)
DEFINE_STORE(fstp_f32, f32, 32, F32_INDEFINITE, true)
DEFINE_STORE(fst_f64, f64, 64, F64_INDEFINITE, false)
DEFINE_STORE(fstp_f64, f64, 64, F64_INDEFINITE, true)
DEFINE_STORE(fist_i16, i16, 16, 0x8000u, false)
DEFINE_STORE(fistp_i16, i16, 16, 0x8000u, true)
DEFINE_STORE(fist_i32, i32, 32, 0x80000000u, false)
DEFINE_STORE(fistp_i32, i32, 32, 0x80000000u, true)
DEFINE_STORE(fistp_i64, i64, 64, 0x8000000000000000u, true)

struct address80 {
    lin_addr mantissa, sign_exponent;
};

/* Faults as the store will. */
ALWAYS_INLINE struct address80 mem_begin_write80(struct cpu *cpu, const struct insn *in, uint32_t offset)
{
    lin_addr mantissa = mem_begin_write(cpu, in->seg, offset, 8);

    return (struct address80){mantissa, mem_begin_write(cpu, in->seg, (offset + 8) & in->addr_mask, 2)};
}

ALWAYS_INLINE void mmu_st80(struct cpu *cpu, struct address80 address, const struct f80 *value)
{
    mmu_st64(&cpu->mmu, address.mantissa, value->mantissa, cpu->view);
    mmu_st16(&cpu->mmu, address.sign_exponent, value->sign_exponent, cpu->view);
}

/* A plain copy: raises nothing but a stack fault. */
static void fstp_f80(struct cpu *cpu, const struct insn *in)
{
    struct fpu *fpu = &cpu->fpu;
    uint32_t offset = effective_offset(cpu, in);
    struct address80 address;
    struct f80 value;

    FPU_BEGIN(cpu, in);
    address = mem_begin_write80(cpu, in, offset);
    fpu_note_data(cpu, in, offset);
    if (likely(!fpu_is_empty(fpu, 0))) {
        mmu_st80(cpu, address, fpu_st(fpu, 0));
        fpu_clear_c1(fpu);
        fpu_pop(fpu);
    } else if (fpu_underflow(fpu)) {
        f80_set_indefinite(&value);
        mmu_st80(cpu, address, &value);
        fpu_pop(fpu);
    }
    NEXT(cpu, in);
}
INTERP_ONE(fstp_f80)

static void fbstp(struct cpu *cpu, const struct insn *in)
{
    struct fpu *fpu = &cpu->fpu;
    uint32_t offset = effective_offset(cpu, in);
    struct address80 address;
    struct f80 digits;
    bool is_stored;

    FPU_BEGIN(cpu, in);
    address = mem_begin_write80(cpu, in, offset);
    fpu_note_data(cpu, in, offset);
    if (unlikely(fpu_is_empty(fpu, 0))) {
        is_stored = fpu_underflow(fpu);
        f80_set_indefinite(&digits); /* packed decimal indefinite has the same bytes */
    } else {
        unsigned status = fpu_host_store_bcd(fpu, fpu_st(fpu, 0), &digits);

        fpu_merge(fpu, status);
        is_stored = !fpu_store_is_aborted(fpu, status);
    }
    if (is_stored) {
        mmu_st80(cpu, address, &digits);
        fpu_pop(fpu);
    }
    NEXT(cpu, in);
}
INTERP_ONE(fbstp)

ALWAYS_INLINE void store_register(struct cpu *cpu, const struct insn *in, bool pop)
{
    struct fpu *fpu = &cpu->fpu;

    fpu_note(cpu, in);
    if (likely(!fpu_is_empty(fpu, 0))) {
        f80_copy(fpu_st(fpu, in->rm), fpu_st(fpu, 0));
        fpu->empty &= (uint8_t) ~(1u << fpu_physical(fpu, in->rm));
        fpu_clear_c1(fpu);
    } else if (fpu_underflow(fpu)) {
        fpu_set_indefinite(fpu, in->rm);
    } else {
        return;
    }
    if (pop)
        fpu_pop(fpu);
}
static void fst_sti(struct cpu *cpu, const struct insn *in)
{
    FPU_BEGIN(cpu, in);
    store_register(cpu, in, false);
    NEXT(cpu, in);
}
INTERP_ONE(fst_sti)
static void fstp_sti(struct cpu *cpu, const struct insn *in)
{
    FPU_BEGIN(cpu, in);
    store_register(cpu, in, true);
    NEXT(cpu, in);
}
INTERP_ONE(fstp_sti)

/* The alias D9 D8+i: an empty ST(0) is no stack fault, it is popped and nothing is stored. */
static void fstp1_sti(struct cpu *cpu, const struct insn *in)
{
    FPU_BEGIN(cpu, in);
    if (unlikely(fpu_is_empty(&cpu->fpu, 0))) {
        fpu_note(cpu, in);
        fpu_clear_c1(&cpu->fpu);
        fpu_pop(&cpu->fpu);
    } else {
        store_register(cpu, in, true);
    }
    NEXT(cpu, in);
}
INTERP_ONE(fstp1_sti)

/* ---- within the stack ---- */

static void fxch(struct cpu *cpu, const struct insn *in)
{
    struct fpu *fpu = &cpu->fpu;
    unsigned i = in->rm;
    bool proceeds = true;

    FPU_BEGIN(cpu, in);
    fpu_note(cpu, in);
    fpu_clear_c1(fpu);
    if (unlikely(fpu_is_empty(fpu, 0) || fpu_is_empty(fpu, i))) {
        proceeds = fpu_underflow(fpu);
        if (proceeds && fpu_is_empty(fpu, 0))
            fpu_set_indefinite(fpu, 0);
        if (proceeds && fpu_is_empty(fpu, i))
            fpu_set_indefinite(fpu, i);
    }
    if (proceeds) {
        struct f80 *a = fpu_st(fpu, 0), *b = fpu_st(fpu, i);
        uint64_t mantissa = a->mantissa;
        unsigned sign_exponent = a->sign_exponent;

        f80_copy(a, b);
        f80_set(b, mantissa, sign_exponent);
    }
    NEXT(cpu, in);
}
INTERP_ONE(fxch)

/* An empty operand is a stack fault even when the condition does not hold. */
ALWAYS_INLINE void conditional_move(struct cpu *cpu, const struct insn *in, unsigned cc)
{
    struct fpu *fpu = &cpu->fpu;

    fpu_note(cpu, in);
    if (unlikely(fpu_is_empty(fpu, 0) || fpu_is_empty(fpu, in->rm))) {
        if (fpu_underflow(fpu))
            fpu_set_indefinite(fpu, 0);
        return;
    }
    if (flags_condition(cpu, cc))
        f80_copy(fpu_st(fpu, 0), fpu_st(fpu, in->rm));
}
#define DEFINE_CMOV(name, cc)                                                                                          \
    static void name(struct cpu *cpu, const struct insn *in)                                                           \
    {                                                                                                                  \
        FPU_BEGIN(cpu, in);                                                                                            \
        conditional_move(cpu, in, cc);                                                                                 \
        NEXT(cpu, in);                                                                                                 \
    }                                                                                                                  \
    INTERP_ONE(name)
DEFINE_CMOV(fcmovb, 0x2)
DEFINE_CMOV(fcmovnb, 0x3)
DEFINE_CMOV(fcmove, 0x4)
DEFINE_CMOV(fcmovne, 0x5)
DEFINE_CMOV(fcmovbe, 0x6)
DEFINE_CMOV(fcmovnbe, 0x7)
DEFINE_CMOV(fcmovu, 0xa)
DEFINE_CMOV(fcmovnu, 0xb)

static void ffree(struct cpu *cpu, const struct insn *in)
{
    FPU_BEGIN(cpu, in);
    fpu_note(cpu, in);
    fpu_clear_c1(&cpu->fpu);
    cpu->fpu.empty |= (uint8_t)(1u << fpu_physical(&cpu->fpu, in->rm));
    NEXT(cpu, in);
}
INTERP_ONE(ffree)

static void ffreep(struct cpu *cpu, const struct insn *in) /* undocumented by Intel, not by AMD */
{
    FPU_BEGIN(cpu, in);
    fpu_note(cpu, in);
    fpu_clear_c1(&cpu->fpu);
    cpu->fpu.empty |= (uint8_t)(1u << fpu_physical(&cpu->fpu, in->rm));
    fpu_pop(&cpu->fpu);
    NEXT(cpu, in);
}
INTERP_ONE(ffreep)

static void fincstp(struct cpu *cpu, const struct insn *in)
{
    FPU_BEGIN(cpu, in);
    fpu_note(cpu, in);
    cpu->fpu.top = (cpu->fpu.top + 1) & 7;
    fpu_clear_c1(&cpu->fpu);
    NEXT(cpu, in);
}
INTERP_ONE(fincstp)

static void fdecstp(struct cpu *cpu, const struct insn *in)
{
    FPU_BEGIN(cpu, in);
    fpu_note(cpu, in);
    cpu->fpu.top = (cpu->fpu.top - 1) & 7;
    fpu_clear_c1(&cpu->fpu);
    NEXT(cpu, in);
}
INTERP_ONE(fdecstp)

static void fnop(struct cpu *cpu, const struct insn *in)
{
    FPU_BEGIN(cpu, in);
    fpu_note(cpu, in);
    NEXT(cpu, in);
}
INTERP_ONE(fnop)

/* 9B: looks at CR0.MP and TS, not at EM. */
static void fwait(struct cpu *cpu, const struct insn *in)
{
    if (unlikely((cpu->cr0 & (CR0_MP | CR0_TS)) == (CR0_MP | CR0_TS)))
        cpu_raise(cpu, VEC_NM);
    if (!fpu_check_mf(cpu, in))
        return;
    NEXT(cpu, in);
}
INTERP_ONE(fwait)
