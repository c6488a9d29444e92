/*
 * x87 arithmetic and state. The one header behind which the arithmetic can be replaced: everything named fpu_host_* is
 * done by the host's own x87 (fpu_host.c). No other code of the emulator touches the host's x87, and none uses long
 * double. SDM vol. 1, "Programming with the x87 FPU". SSE arithmetic: simd.h.
 */
#ifndef FRONTEND_X86_FPU_H
#define FRONTEND_X86_FPU_H

#include "frontend/x86/cpu.h"
#include "frontend/x86/insn.h"

enum fpu_status_bit {
    FPU_SW_IE = 1 << 0,
    FPU_SW_DE = 1 << 1,
    FPU_SW_ZE = 1 << 2,
    FPU_SW_OE = 1 << 3,
    FPU_SW_UE = 1 << 4,
    FPU_SW_PE = 1 << 5,
    FPU_SW_SF = 1 << 6,
    FPU_SW_ES = 1 << 7,
    FPU_SW_C0 = 1 << 8,
    FPU_SW_C1 = 1 << 9,
    FPU_SW_C2 = 1 << 10,
    FPU_SW_TOP = 7 << 11,
    FPU_SW_C3 = 1 << 14,
    FPU_SW_B = 1 << 15,
    FPU_SW_EXCEPTIONS = 0x3f, /* the same bits as the masks in CW */
    FPU_SW_CC = FPU_SW_C0 | FPU_SW_C2 | FPU_SW_C3,
};
#define FPU_SW_TOP_SHIFT 11

enum fpu_control_bit {
    FPU_CW_MASKS = 0x3f,
    FPU_CW_FIXED = 1 << 6, /* always 1 */
    FPU_CW_WRITABLE = 0x1f3f,
    FPU_CW_INIT = 0x37f,
};

/* ---- state ---- */

static inline unsigned fpu_physical(const struct fpu *fpu, unsigned i) /* register number of ST(i) */
{
    return (fpu->top + i) & 7;
}
static inline struct f80 *fpu_st(struct fpu *fpu, unsigned i)
{
    return &fpu->reg[fpu_physical(fpu, i)];
}
static inline bool fpu_is_empty(const struct fpu *fpu, unsigned i) /* ST(i) */
{
    return fpu->empty >> fpu_physical(fpu, i) & 1;
}
/* By members: a 16-byte copy would wait for the 8 + 2 byte stores of the host's FSTP to reach the cache. */
static inline void f80_set(struct f80 *out, uint64_t mantissa, unsigned sign_exponent)
{
    out->mantissa = mantissa;
    out->sign_exponent = (uint16_t)sign_exponent;
}
static inline void f80_copy(struct f80 *out, const struct f80 *in)
{
    f80_set(out, in->mantissa, in->sign_exponent);
}

static inline uint16_t fpu_status_word(const struct fpu *fpu) /* as FNSTSW stores it */
{
    return (uint16_t)(fpu->status | fpu->top << FPU_SW_TOP_SHIFT);
}
/* The full tag word: 0 valid, 1 zero, 2 special, 3 empty, two bits for each physical register. */
uint16_t fpu_tag_word(const struct fpu *fpu);

/* Loads CW, or SW with TOP, as FLDCW, FLDENV and FXRSTOR do: reserved bits fixed, ES and B derived, FERR# lowered if
 * nothing is pending any more. */
void fpu_set_control(struct cpu *cpu, uint16_t control);
void fpu_set_status_word(struct cpu *cpu, uint16_t status);
void fpu_init(struct cpu *cpu); /* FNINIT */

/* Any MMX instruction but EMMS: all registers valid, TOP 0. Call it after the last fault. */
static inline void fpu_mmx_enter(struct fpu *fpu)
{
    fpu->top = 0;
    fpu->empty = 0;
}
static inline void fpu_mmx_leave(struct fpu *fpu) /* EMMS */
{
    fpu->top = 0;
    fpu->empty = 0xff;
}

/* ---- before an instruction: #NM, then #MF ---- */

static inline bool fpu_is_blocked(const struct cpu *cpu) /* no x87 instruction may run as things are */
{
    return __builtin_expect((cpu->cr0 & (CR0_EM | CR0_TS)) | (cpu->fpu.status & FPU_SW_ES), 0);
}
/* FPU_NM of the ISA table: #NM if CR0.EM or CR0.TS. */
static inline void fpu_check_nm(struct cpu *cpu)
{
    if (__builtin_expect(cpu->cr0 & (CR0_EM | CR0_TS), 0))
        cpu_raise(cpu, VEC_NM);
}
/* FPU_MF of the ISA table: a pending unmasked exception is reported before `in` runs. CR0.NE set: raises #MF. Clear:
 * asserts FERR#; false if the interrupt it caused must be taken first, the handler then returns at once, without NEXT.
 */
bool fpu_check_mf_slow(struct cpu *cpu, const struct insn *in);
static inline bool fpu_check_mf(struct cpu *cpu, const struct insn *in)
{
    return __builtin_expect(!(cpu->fpu.status & FPU_SW_ES), 1) || fpu_check_mf_slow(cpu, in);
}

/* ---- the host's x87 ----
 *
 * Around cpu_run: the thread's control word is the guest's in between. fpu_leave gives the thread the one that the ABI
 * prescribes.
 */
void fpu_enter(struct cpu *cpu);
void fpu_leave(struct cpu *cpu);
void fpu_host_load_control_slow(struct fpu *fpu);

/*
 * Every fpu_host_* runs one instruction with the guest's control word, masks included, and returns the host's status
 * word: C0..C3, exception flags (sticky ones of earlier operations among them) and ES. The status word of the guest is
 * the caller's (fpu_merge). Registers are assumed not empty: stack faults are the caller's as well.
 *
 * With ES set something unmasked happened, and operands hold what the instruction left there: unchanged after invalid
 * operation, zero divide and denormal operand, the result with its exponent adjusted after overflow and underflow.
 * Stores to memory formats leave `out` unchanged in all of these cases; loads deliver a denormal all the same.
 * fpu_*is_aborted tell.
 */
typedef unsigned fpu_host_arith_fn(struct fpu *fpu, struct f80 *st, const void *operand); /* st = st OP operand */
typedef unsigned fpu_host_compare_fn(struct fpu *fpu, const struct f80 *st, const void *operand);
typedef unsigned fpu_host_load_fn(struct fpu *fpu, struct f80 *out, const void *operand);
typedef unsigned fpu_host_store_fn(struct fpu *fpu, const struct f80 *st, void *out);
typedef unsigned fpu_host_unary_fn(struct fpu *fpu, struct f80 *st);

/* operand: _st another register, _f32 _f64 _i16 _i32 a value in memory format. SUBR and DIVR: st = operand OP st. */
#define FPU_HOST_ARITH(FN) FN(add) FN(mul) FN(sub) FN(subr) FN(div) FN(divr)
#define FPU_HOST_DECLARE_ARITH(op)                                                                                     \
    fpu_host_arith_fn fpu_host_##op##_st, fpu_host_##op##_f32, fpu_host_##op##_f64, fpu_host_##op##_i16,               \
        fpu_host_##op##_i32;
FPU_HOST_ARITH(FPU_HOST_DECLARE_ARITH)
#undef FPU_HOST_DECLARE_ARITH

/* Two registers, the result replaces `st`: FPREM, FPREM1, FSCALE take ST(0) and ST(1); FYL2X, FYL2XP1, FPATAN
 * (fpu_host_yl2x ...) leave it in ST(1), so there `st` is ST(1) and `operand` ST(0). */
fpu_host_arith_fn fpu_host_prem, fpu_host_prem1, fpu_host_scale, fpu_host_yl2x, fpu_host_yl2xp1, fpu_host_patan;

/* C3 C2 C0 in the returned status word. */
fpu_host_compare_fn fpu_host_com_st, fpu_host_com_f32, fpu_host_com_f64, fpu_host_com_i16, fpu_host_com_i32;
fpu_host_compare_fn fpu_host_ucom_st;
/* FCOMI, FUCOMI: *flags = the low byte of EFLAGS: ZF PF CF. */
unsigned fpu_host_comi(struct fpu *fpu, const struct f80 *st, const struct f80 *operand, uint8_t *flags);
unsigned fpu_host_ucomi(struct fpu *fpu, const struct f80 *st, const struct f80 *operand, uint8_t *flags);
/* FXAM, FTST of a register. */
unsigned fpu_host_xam(struct fpu *fpu, const struct f80 *st);
unsigned fpu_host_tst(struct fpu *fpu, const struct f80 *st);

fpu_host_load_fn fpu_host_load_f32, fpu_host_load_f64, fpu_host_load_i16, fpu_host_load_i32, fpu_host_load_i64,
    fpu_host_load_bcd;
/* FST, FIST, FISTP m64, FBSTP. */
fpu_host_store_fn fpu_host_store_f32, fpu_host_store_f64, fpu_host_store_i16, fpu_host_store_i32, fpu_host_store_i64,
    fpu_host_store_bcd;
/* FLDL2T and friends, rounded as CW says. */
typedef unsigned fpu_host_constant_fn(struct fpu *fpu, struct f80 *out);
fpu_host_constant_fn fpu_host_ldl2t, fpu_host_ldl2e, fpu_host_ldpi, fpu_host_ldlg2, fpu_host_ldln2;

fpu_host_unary_fn fpu_host_sqrt, fpu_host_rndint, fpu_host_2xm1, fpu_host_sin, fpu_host_cos;
/* FXTRACT, FPTAN, FSINCOS: the old register is replaced by *st, *pushed comes above it. FPTAN and FSINCOS with C2 set
 * changed nothing and push nothing. */
typedef unsigned fpu_host_split_fn(struct fpu *fpu, struct f80 *st, struct f80 *pushed);
fpu_host_split_fn fpu_host_xtract, fpu_host_ptan, fpu_host_sincos;

/* The operation that returned `status` changed neither operand nor destination and must not pop. */
static inline bool fpu_is_aborted(const struct fpu *fpu, unsigned status)
{
    return status & ~fpu->control & (FPU_SW_IE | FPU_SW_DE | FPU_SW_ZE);
}
/* The same for a load: a denormal is loaded even if it is reported. */
static inline bool fpu_load_is_aborted(const struct fpu *fpu, unsigned status)
{
    return status & ~fpu->control & FPU_SW_IE;
}
/* The same for a store to a memory format. */
static inline bool fpu_store_is_aborted(const struct fpu *fpu, unsigned status)
{
    return status & ~fpu->control & (FPU_SW_IE | FPU_SW_DE | FPU_SW_OE | FPU_SW_UE);
}
/* Takes an operation's exceptions, ES and C1 over into the guest's status word. */
static inline void fpu_merge(struct fpu *fpu, unsigned status)
{
    fpu->status = (uint16_t)((fpu->status & ~FPU_SW_C1) | (status & (FPU_SW_EXCEPTIONS | FPU_SW_ES | FPU_SW_C1)) |
                             (status & FPU_SW_ES) << 8); /* B */
}
/* The same with C2 (FSIN and friends), with no C1 (FCOMI), with all condition codes. */
static inline void fpu_merge_c2(struct fpu *fpu, unsigned status)
{
    fpu_merge(fpu, status);
    fpu->status = (uint16_t)((fpu->status & ~FPU_SW_C2) | (status & FPU_SW_C2));
}
static inline void fpu_merge_flags(struct fpu *fpu, unsigned status)
{
    fpu->status |= (uint16_t)((status & (FPU_SW_EXCEPTIONS | FPU_SW_ES)) | (status & FPU_SW_ES) << 8);
}
static inline void fpu_merge_cc(struct fpu *fpu, unsigned status)
{
    fpu->status =
        (uint16_t)((fpu->status & ~(FPU_SW_C1 | FPU_SW_CC)) |
                   (status & (FPU_SW_EXCEPTIONS | FPU_SW_ES | FPU_SW_C1 | FPU_SW_CC)) | (status & FPU_SW_ES) << 8);
}

#endif
