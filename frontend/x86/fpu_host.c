/*
 * x87 arithmetic by the host's own x87, for x86 hosts: exact by definition. SDM vol. 1, "Programming with the x87 FPU".
 *
 * Between operations the host's register stack is empty, its control word is the one in fpu->host.control, and its
 * sticky exception flags are a subset of the guest's. So nothing needs to be cleared before an operation, and
 * afterwards one FNSTSW tells what is new. Whoever clears guest flags makes host.control 0, which clears the host's
 * before the next operation.
 *
 * The guest's masks are loaded too, so that the host decides about unmasked exceptions. It reports them at its next
 * waiting instruction; therefore each operation ends with FNSTSW and, when that shows ES, with FNSAVE, which does not
 * wait, keeps the operands for us and leaves the host as FNINIT does. No SIGFPE ever comes of it.
 */
#include <stddef.h>

#include "frontend/x86/fpu.h"

#define HOST_SAVE_STATUS 4 /* offsets in the FNSAVE image, which is the 32-bit protected-mode one */
#define HOST_SAVE_ST     28
#define HOST_SAVE_ST_LEN 10

struct bytes10 {
    uint8_t b[10];
};

void fpu_enter(struct cpu *cpu)
{
    __asm__ volatile("fninit" ::: "st", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)", "st(6)", "st(7)");
    cpu->fpu.host.control = FPU_CW_INIT;
}

void fpu_leave(struct cpu *cpu)
{
    __asm__ volatile("fninit" ::: "st", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)", "st(6)", "st(7)");
    cpu->fpu.host.control = 0;
}

/* An exception that is already flagged must not be pending once its mask is lifted. That can only be one which the
 * guest cleared, or ignores (CR0.NE clear). */
__attribute__((cold, noinline)) void fpu_host_load_control_slow(struct fpu *fpu)
{
    if (!fpu->host.control || (fpu->status & ~fpu->control & FPU_SW_EXCEPTIONS))
        __asm__ volatile("fnclex");
    __asm__ volatile("fldcw %0" : : "m"(fpu->control));
    fpu->host.control = fpu->control;
}

static inline __attribute__((always_inline)) void prepare(struct fpu *fpu)
{
    if (__builtin_expect(fpu->host.control != fpu->control, 0))
        fpu_host_load_control_slow(fpu);
}

static void saved_register(const struct fpu *fpu, unsigned i, struct f80 *out)
{
    const uint8_t *st = fpu->host.save + HOST_SAVE_ST + i * HOST_SAVE_ST_LEN;

    memcpy(&out->mantissa, st, 8);
    memcpy(&out->sign_exponent, st + 8, 2);
}

/* After FNSAVE. `out` gets the top of the host's stack unless the operation was aborted or has no result (NULL). */
static __attribute__((cold, noinline)) unsigned trapped(struct fpu *fpu, struct f80 *out, unsigned status)
{
    fpu->host.control = FPU_CW_INIT;
    if (out && !fpu_is_aborted(fpu, status))
        saved_register(fpu, 0, out);
    return status;
}

/* The end of every operation: status word to AX; if bit `es` is clear, `finish` fetches the result, else FNSAVE does.
 */
#define FINISH_UNLESS(es, finish)                                                                                      \
    "fnstsw %%ax\n\t"                                                                                                  \
    "testl $" #es ", %%eax\n\t"                                                                                        \
    "jnz 1f\n\t" finish "\n"                                                                                           \
    "2:\n\t"                                                                                                           \
    ".subsection 1\n"                                                                                                  \
    "1:\tfnsave %[save]\n\t"                                                                                           \
    "jmp 2b\n\t"                                                                                                       \
    ".previous"
#define FINISH(finish) FINISH_UNLESS(0x80, finish)
#define SAVE(fpu)      [save] "=m"((fpu)->host.save)
#define STATUS(status) [status] "=&a"(status)
#define HOST_STACK     "st", "st(1)", "cc"
#define IS_TRAPPED(s)  __builtin_expect((s)&FPU_SW_ES, 0)

/* ---- two operands ---- */

#define DEFINE_TWO_REGISTERS(name, load, instruction, finish)                                                          \
    unsigned fpu_host_##name(struct fpu *fpu, struct f80 *st, const void *operand)                                     \
    {                                                                                                                  \
        uint16_t status;                                                                                               \
                                                                                                                       \
        prepare(fpu);                                                                                                  \
        __asm__ volatile(load "\n\t" instruction "\n\t" FINISH(finish)                                                 \
                         : STATUS(status), [st] "+m"(*st), SAVE(fpu)                                                   \
                         : [operand] "m"(*(const struct f80 *)operand)                                                 \
                         : HOST_STACK);                                                                                \
        return IS_TRAPPED(status) ? trapped(fpu, st, status) : status;                                                 \
    }
#define LOAD_OPERAND_BELOW "fldt %[operand]\n\tfldt %[st]"
#define LOAD_OPERAND_ABOVE "fldt %[st]\n\tfldt %[operand]"
#define STORE_DROP         "fstpt %[st]\n\tfstp %%st(0)"
#define STORE              "fstpt %[st]"

#define DEFINE_WITH_MEMORY(name, type, instruction)                                                                    \
    unsigned fpu_host_##name(struct fpu *fpu, struct f80 *st, const void *operand)                                     \
    {                                                                                                                  \
        uint16_t status;                                                                                               \
                                                                                                                       \
        prepare(fpu);                                                                                                  \
        __asm__ volatile("fldt %[st]\n\t" instruction " %[operand]\n\t" FINISH(STORE)                                  \
                         : STATUS(status), [st] "+m"(*st), SAVE(fpu)                                                   \
                         : [operand] "m"(*(const type *)operand)                                                       \
                         : HOST_STACK);                                                                                \
        return IS_TRAPPED(status) ? trapped(fpu, st, status) : status;                                                 \
    }
#define DEFINE_ARITH(op)                                                                                               \
    DEFINE_TWO_REGISTERS(op##_st, LOAD_OPERAND_BELOW, "f" #op " %%st(1), %%st", STORE_DROP)                            \
    DEFINE_WITH_MEMORY(op##_f32, uint32_t, "f" #op "s")                                                                \
    DEFINE_WITH_MEMORY(op##_f64, uint64_t, "f" #op "l")                                                                \
    DEFINE_WITH_MEMORY(op##_i16, uint16_t, "fi" #op "s")                                                               \
    DEFINE_WITH_MEMORY(op##_i32, uint32_t, "fi" #op "l")
FPU_HOST_ARITH(DEFINE_ARITH)

DEFINE_TWO_REGISTERS(prem, LOAD_OPERAND_BELOW, "fprem", STORE_DROP)
DEFINE_TWO_REGISTERS(prem1, LOAD_OPERAND_BELOW, "fprem1", STORE_DROP)
DEFINE_TWO_REGISTERS(scale, LOAD_OPERAND_BELOW, "fscale", STORE_DROP)
DEFINE_TWO_REGISTERS(yl2x, LOAD_OPERAND_ABOVE, "fyl2x", STORE)
DEFINE_TWO_REGISTERS(yl2xp1, LOAD_OPERAND_ABOVE, "fyl2xp1", STORE)
DEFINE_TWO_REGISTERS(patan, LOAD_OPERAND_ABOVE, "fpatan", STORE)

/* ---- comparisons ---- */

#define DEFINE_COMPARE(name, type, instructions)                                                                       \
    unsigned fpu_host_##name(struct fpu *fpu, const struct f80 *st, const void *operand)                               \
    {                                                                                                                  \
        uint16_t status;                                                                                               \
                                                                                                                       \
        prepare(fpu);                                                                                                  \
        __asm__ volatile(instructions "\n\t" FINISH("")                                                                \
                         : STATUS(status), SAVE(fpu)                                                                   \
                         : [st] "m"(*st), [operand] "m"(*(const type *)operand)                                        \
                         : HOST_STACK);                                                                                \
        return IS_TRAPPED(status) ? trapped(fpu, NULL, status) : status;                                               \
    }
DEFINE_COMPARE(com_st, struct f80, LOAD_OPERAND_BELOW "\n\tfcompp")
DEFINE_COMPARE(ucom_st, struct f80, LOAD_OPERAND_BELOW "\n\tfucompp")
DEFINE_COMPARE(com_f32, uint32_t, "fldt %[st]\n\tfcomps %[operand]")
DEFINE_COMPARE(com_f64, uint64_t, "fldt %[st]\n\tfcompl %[operand]")
DEFINE_COMPARE(com_i16, uint16_t, "fldt %[st]\n\tficomps %[operand]")
DEFINE_COMPARE(com_i32, uint32_t, "fldt %[st]\n\tficompl %[operand]")

#define DEFINE_COMPARE_FLAGS(name, instruction)                                                                        \
    unsigned fpu_host_##name(struct fpu *fpu, const struct f80 *st, const struct f80 *operand, uint8_t *flags)         \
    {                                                                                                                  \
        uint16_t status;                                                                                               \
        uint8_t low_flags;                                                                                             \
                                                                                                                       \
        prepare(fpu);                                                                                                  \
        __asm__ volatile(LOAD_OPERAND_BELOW "\n\t" instruction " %%st(1), %%st\n\t"                                    \
                                            "lahf\n\t"                                                                 \
                                            "movb %%ah, %[flags]\n\t" FINISH("fstp %%st(0)\n\tfstp %%st(0)")           \
                         : STATUS(status), [flags] "=&Q"(low_flags), SAVE(fpu)                                         \
                         : [st] "m"(*st), [operand] "m"(*operand)                                                      \
                         : HOST_STACK);                                                                                \
        *flags = low_flags;                                                                                            \
        return IS_TRAPPED(status) ? trapped(fpu, NULL, status) : status;                                               \
    }
DEFINE_COMPARE_FLAGS(comi, "fcomi")
DEFINE_COMPARE_FLAGS(ucomi, "fucomi")

#define DEFINE_EXAMINE(name, instruction)                                                                              \
    unsigned fpu_host_##name(struct fpu *fpu, const struct f80 *st)                                                    \
    {                                                                                                                  \
        uint16_t status;                                                                                               \
                                                                                                                       \
        prepare(fpu);                                                                                                  \
        __asm__ volatile("fldt %[st]\n\t" instruction "\n\t" FINISH("fstp %%st(0)")                                    \
                         : STATUS(status), SAVE(fpu)                                                                   \
                         : [st] "m"(*st)                                                                               \
                         : HOST_STACK);                                                                                \
        return IS_TRAPPED(status) ? trapped(fpu, NULL, status) : status;                                               \
    }
DEFINE_EXAMINE(xam, "fxam")
DEFINE_EXAMINE(tst, "ftst")

/* ---- memory formats ---- */

static __attribute__((cold, noinline)) unsigned load_trapped(struct fpu *fpu, struct f80 *out, unsigned status)
{
    fpu->host.control = FPU_CW_INIT;
    if (!fpu_load_is_aborted(fpu, status))
        saved_register(fpu, 0, out);
    return status;
}

#define DEFINE_LOAD(name, type, instruction)                                                                           \
    unsigned fpu_host_load_##name(struct fpu *fpu, struct f80 *out, const void *operand)                               \
    {                                                                                                                  \
        uint16_t status;                                                                                               \
                                                                                                                       \
        prepare(fpu);                                                                                                  \
        __asm__ volatile(instruction " %[operand]\n\t" FINISH("fstpt %[out]")                                          \
                         : STATUS(status), [out] "+m"(*out), SAVE(fpu)                                                 \
                         : [operand] "m"(*(const type *)operand)                                                       \
                         : HOST_STACK);                                                                                \
        return IS_TRAPPED(status) ? load_trapped(fpu, out, status) : status;                                           \
    }
DEFINE_LOAD(f32, uint32_t, "flds")
DEFINE_LOAD(f64, uint64_t, "fldl")
DEFINE_LOAD(i16, uint16_t, "filds")
DEFINE_LOAD(i32, uint32_t, "fildl")
DEFINE_LOAD(i64, uint64_t, "fildll")
DEFINE_LOAD(bcd, struct bytes10, "fbld")

#define DEFINE_STORE(name, type, instruction)                                                                          \
    unsigned fpu_host_store_##name(struct fpu *fpu, const struct f80 *st, void *out)                                   \
    {                                                                                                                  \
        uint16_t status;                                                                                               \
                                                                                                                       \
        prepare(fpu);                                                                                                  \
        __asm__ volatile("fldt %[st]\n\t" instruction " %[out]\n\t" FINISH("")                                         \
                         : STATUS(status), [out] "+m"(*(type *)out), SAVE(fpu)                                         \
                         : [st] "m"(*st)                                                                               \
                         : HOST_STACK);                                                                                \
        return IS_TRAPPED(status) ? trapped(fpu, NULL, status) : status;                                               \
    }
DEFINE_STORE(f32, uint32_t, "fstps")
DEFINE_STORE(f64, uint64_t, "fstpl")
DEFINE_STORE(i16, uint16_t, "fistps")
DEFINE_STORE(i32, uint32_t, "fistpl")
DEFINE_STORE(i64, uint64_t, "fistpll")
DEFINE_STORE(bcd, struct bytes10, "fbstp")

#define DEFINE_CONSTANT(name)                                                                                          \
    unsigned fpu_host_##name(struct fpu *fpu, struct f80 *out)                                                         \
    {                                                                                                                  \
        uint16_t status;                                                                                               \
                                                                                                                       \
        prepare(fpu);                                                                                                  \
        __asm__ volatile("f" #name "\n\tfnstsw %%ax\n\tfstpt %[out]"                                                   \
                         : STATUS(status), [out] "=m"(*out)                                                            \
                         :                                                                                             \
                         : HOST_STACK);                                                                                \
        return status;                                                                                                 \
    }
DEFINE_CONSTANT(ldl2t)
DEFINE_CONSTANT(ldl2e)
DEFINE_CONSTANT(ldpi)
DEFINE_CONSTANT(ldlg2)
DEFINE_CONSTANT(ldln2)

/* ---- one operand ---- */

#define DEFINE_UNARY(name)                                                                                             \
    unsigned fpu_host_##name(struct fpu *fpu, struct f80 *st)                                                          \
    {                                                                                                                  \
        uint16_t status;                                                                                               \
                                                                                                                       \
        prepare(fpu);                                                                                                  \
        __asm__ volatile("fldt %[st]\n\tf" #name "\n\t" FINISH(STORE)                                                  \
                         : STATUS(status), [st] "+m"(*st), SAVE(fpu)                                                   \
                         :                                                                                             \
                         : HOST_STACK);                                                                                \
        return IS_TRAPPED(status) ? trapped(fpu, st, status) : status;                                                 \
    }
DEFINE_UNARY(sqrt)
DEFINE_UNARY(rndint)
DEFINE_UNARY(2xm1)
DEFINE_UNARY(sin)
DEFINE_UNARY(cos)

/* A result that was pushed is on top of the saved stack, the other below it; the host started with an empty stack and
 * TOP 0, so two registers in use mean TOP 6. */
static __attribute__((cold, noinline)) unsigned split_saved(struct fpu *fpu, struct f80 *st, struct f80 *pushed,
                                                            unsigned status)
{
    unsigned registers = -(fpu->host.save[HOST_SAVE_STATUS + 1] >> 3) & 7;

    fpu->host.control = FPU_CW_INIT;
    if (registers == 2) {
        saved_register(fpu, 0, pushed);
        saved_register(fpu, 1, st);
    }
    return status;
}

#define DEFINE_SPLIT(name, unless)                                                                                     \
    unsigned fpu_host_##name(struct fpu *fpu, struct f80 *st, struct f80 *pushed)                                      \
    {                                                                                                                  \
        uint16_t status;                                                                                               \
                                                                                                                       \
        prepare(fpu);                                                                                                  \
        __asm__ volatile("fldt %[st]\n\tf" #name "\n\t" FINISH_UNLESS(unless, "fstpt %[pushed]\n\tfstpt %[st]")        \
                         : STATUS(status), [st] "+m"(*st), [pushed] "=m"(*pushed), SAVE(fpu)                           \
                         :                                                                                             \
                         : HOST_STACK);                                                                                \
        return __builtin_expect(status & (unless), 0) ? split_saved(fpu, st, pushed, status) : status;                 \
    }
DEFINE_SPLIT(xtract, 0x80)
DEFINE_SPLIT(ptan, 0x480) /* C2: out of range */
DEFINE_SPLIT(sincos, 0x480)
