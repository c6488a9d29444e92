/*
 * SSE state of the host and the guest, unmasked SIMD exceptions, and the slow halves of SIMD memory operands.
 *
 * Sources: SDM vol. 1 "MXCSR Control and Status Register", "SSE and SSE2 Exceptions"; vol. 2 "Instruction Exception
 * Specification" (order of checks).
 */
#include "frontend/x86/interp_simd.h"

/* ---- MXCSR ---- */

static uint32_t host_mxcsr(void)
{
    uint32_t value;

    __asm__ volatile("stmxcsr %0" : "=m"(value));
    return value;
}

static void host_set_mxcsr(uint32_t value)
{
    __asm__ volatile("ldmxcsr %0" : : "m"(value));
}

void simd_load_mxcsr(struct cpu *cpu)
{
    host_set_mxcsr((cpu->fpu.mxcsr & MXCSR_WRITABLE) | MXCSR_MASKS);
}

void simd_fold_mxcsr(struct cpu *cpu)
{
    cpu->fpu.mxcsr |= host_mxcsr() & MXCSR_FLAGS;
}

void simd_enter(struct cpu *cpu)
{
    simd_load_mxcsr(cpu);
}

void simd_leave(struct cpu *cpu)
{
    simd_fold_mxcsr(cpu);
    host_set_mxcsr(MXCSR_RESET);
}

/* ---- gates ---- */

void simd_sse_blocked(struct cpu *cpu)
{
    if (cpu->cr0 & CR0_EM || !(cpu->cr4 & CR4_OSFXSR))
        cpu_raise(cpu, VEC_UD);
    cpu_raise(cpu, VEC_NM);
}

bool simd_mmx_blocked(struct cpu *cpu, const struct insn *in)
{
    if (cpu->cr0 & CR0_EM)
        cpu_raise(cpu, VEC_UD);
    if (cpu->cr0 & CR0_TS)
        cpu_raise(cpu, VEC_NM);
    return fpu_check_mf(cpu, in);
}

/* ---- memory ---- */

/* A 16-byte operand that must be aligned and is not. Comes before #SS for a limit, as AMD's processors show; the SDM has
 * both in one class. */
void simd_misaligned(struct cpu *cpu)
{
    cpu_raise_error(cpu, VEC_GP, 0);
}

simd128 simd_load128_slow(struct cpu *cpu, lin_addr address)
{
    uint64_t low, high;

    mmu_check_read(&cpu->mmu, address, 16,
                   cpu->view); /* MMIO in the first half must not be read if the second faults */
    low = mmu_ld64(&cpu->mmu, address, cpu->view);
    high = mmu_ld64(&cpu->mmu, address + 8, cpu->view);
    return _mm_set_epi64x((long long)high, (long long)low);
}

void simd_store128_slow(struct cpu *cpu, lin_addr address, simd128 value)
{
    mmu_check_write(&cpu->mmu, address, 16, cpu->view);
    mmu_st64(&cpu->mmu, address, (uint64_t)_mm_cvtsi128_si64(value), cpu->view);
    mmu_st64(&cpu->mmu, address + 8, (uint64_t)_mm_cvtsi128_si64(_mm_unpackhi_epi64(value, value)), cpu->view);
}

void simd_masked_store(struct cpu *cpu, const struct insn *in, const uint8_t *data, const uint8_t *mask,
                       unsigned len_bytes)
{
    /* What the mask leaves out may fault all the same, SDM vol. 2 "MASKMOVDQU"; on AMD's processors it does, by halves of
     * 8 bytes. */
    for (unsigned i = 0; i < len_bytes; i += 8) {
        uint32_t offset = (cpu->gpr[EDI] + i) & in->addr_mask;

        mmu_check_write(&cpu->mmu, seg_write_linear(cpu, in->seg, offset, 8), 8, cpu->view);
    }
    for (unsigned i = 0; i < len_bytes; i++)
        if (mask[i] & 0x80)
            mmu_st8(&cpu->mmu, cpu->seg[in->seg].base + ((cpu->gpr[EDI] + i) & in->addr_mask), data[i], cpu->view);
}

/* ---- unmasked exceptions ----
 *
 * The host runs the operation with everything masked. What differs when exceptions are unmasked, as processors show:
 *  - An unmasked pre-computation exception (invalid, denormal, zero divide) in any element leaves the post-computation
 *    flags of all elements alone.
 *  - Unmasked underflow is raised for every tiny result, masked underflow for inexact ones (with FTZ for every one).
 *  - An element with unmasked overflow or underflow is inexact if the result, rounded to the precision with
 *    unbounded exponent, is.
 */

#define MXCSR_PRE (MXCSR_IE | MXCSR_DE | MXCSR_ZE)

static uint32_t unmasked_flags(const struct cpu *cpu)
{
    return ~cpu->fpu.mxcsr >> MXCSR_MASK_SHIFT & MXCSR_FLAGS;
}

/* Clears the host's flags, to collect those of one operation. What was collected before is in cpu->fpu.mxcsr:
 * simd_load_mxcsr followed the change that unmasked something, and so did simd_fp_end_slow. */
static void host_clear_flags(const struct cpu *cpu)
{
    uint32_t value = (cpu->fpu.mxcsr & (MXCSR_DAZ | MXCSR_RC | MXCSR_FTZ)) | MXCSR_MASKS;

    if (unmasked_flags(cpu) & MXCSR_UE)
        value |= MXCSR_FTZ; /* flags every tiny result; the result itself will not be used */
    host_set_mxcsr(value);
}

void simd_fp_begin_slow(struct cpu *cpu)
{
    host_clear_flags(cpu);
}

struct fp_value { /* of a finite nonzero number: mantissa * 2^exponent, mantissa odd */
    uint64_t mantissa;
    int exponent;
    bool is_negative;
};

/* Splits single (double) `bits`; a zero has mantissa 0. */
static struct fp_value fp_split(uint64_t bits, bool is_double)
{
    unsigned fraction_bits = is_double ? 52 : 23;
    uint64_t fraction = bits & ((1ull << fraction_bits) - 1);
    unsigned exponent = bits >> fraction_bits & (is_double ? 0x7ff : 0xff);
    struct fp_value v = {
        .mantissa = exponent ? fraction | 1ull << fraction_bits : fraction,
        .exponent = exponent ? (int)exponent : 1,
        .is_negative = bits >> (is_double ? 63 : 31) & 1,
    };

    if (v.mantissa) {
        unsigned zeros = (unsigned)__builtin_ctzll(v.mantissa);

        v.mantissa >>= zeros;
        v.exponent += (int)zeros;
    }
    return v;
}

static bool fits(unsigned __int128 mantissa, unsigned precision) /* without rounding, at any exponent */
{
    if (mantissa == 0)
        return true;
    while (!(mantissa & 1))
        mantissa >>= 1;
    return mantissa >> precision == 0;
}

static bool sum_is_exact(struct fp_value a, struct fp_value b, unsigned precision)
{
    unsigned __int128 wide;

    if (a.mantissa == 0 || b.mantissa == 0)
        return true;
    if (a.exponent < b.exponent) {
        struct fp_value t = a;

        a = b;
        b = t;
    }
    if (a.exponent - b.exponent > 64) /* further apart than any precision */
        return false;
    wide = (unsigned __int128)a.mantissa << (a.exponent - b.exponent);
    if (a.is_negative == b.is_negative)
        wide += b.mantissa;
    else
        wide = wide > b.mantissa ? wide - b.mantissa : b.mantissa - wide;
    return fits(wide, precision);
}

/* Whether a OP b (finite operands) is exact when the exponent has no bounds. */
static bool is_exact_unbounded(enum simd_fp_op op, uint64_t a_bits, uint64_t b_bits, bool is_double)
{
    struct fp_value a = fp_split(a_bits, is_double), b = fp_split(b_bits, is_double);
    unsigned precision = is_double && op != SIMD_NARROW ? 53 : 24;

    switch (op) {
    case SIMD_ADD:
        return sum_is_exact(a, b, precision);
    case SIMD_SUB:
        b.is_negative = !b.is_negative;
        return sum_is_exact(a, b, precision);
    case SIMD_MUL:
        return fits((unsigned __int128)a.mantissa * b.mantissa, precision);
    case SIMD_DIV:
        return b.mantissa == 0 || a.mantissa % b.mantissa == 0;
    case SIMD_NARROW:
        return fits(b.mantissa, precision);
    default:
        return true;
    }
}

/* Runs a OP b on the low elements, for the flags. */
static void host_scalar(enum simd_fp_op op, simd128 a, simd128 b, bool is_double)
{
    switch (op) {
    case SIMD_ADD:
        (void)(is_double ? HOST_FP("addsd", a, b) : HOST_FP("addss", a, b));
        break;
    case SIMD_SUB:
        (void)(is_double ? HOST_FP("subsd", a, b) : HOST_FP("subss", a, b));
        break;
    case SIMD_MUL:
        (void)(is_double ? HOST_FP("mulsd", a, b) : HOST_FP("mulss", a, b));
        break;
    case SIMD_DIV:
        (void)(is_double ? HOST_FP("divsd", a, b) : HOST_FP("divss", a, b));
        break;
    default:
        (void)HOST_FP("cvtsd2ss", a, b);
        break;
    }
}

/* The flags that one element raises with the guest's masks. */
static uint32_t element_flags(const struct cpu *cpu, enum simd_fp_op op, uint64_t a, uint64_t b, bool is_double)
{
    uint32_t flags;

    host_clear_flags(cpu);
    host_scalar(op, _mm_cvtsi64_si128((long long)a), _mm_cvtsi64_si128((long long)b), is_double);
    flags = host_mxcsr() & MXCSR_FLAGS;
    if (flags & unmasked_flags(cpu) & (MXCSR_OE | MXCSR_UE)) {
        flags &= ~(uint32_t)MXCSR_PE;
        if (!is_exact_unbounded(op, a, b, is_double))
            flags |= MXCSR_PE;
    }
    return flags;
}

void simd_fp_end_slow(struct cpu *cpu, enum simd_fp_op op, enum simd_fp_format format, simd128 a, simd128 b)
{
    uint32_t unmasked = unmasked_flags(cpu), flags = host_mxcsr() & MXCSR_FLAGS;

    if (flags & unmasked & MXCSR_PRE) {
        flags &= MXCSR_PRE;
    } else if (op != SIMD_OTHER && unmasked & (MXCSR_OE | MXCSR_UE)) {
        bool is_double = format == SIMD_SD || format == SIMD_PD;
        unsigned elements = format == SIMD_PS ? 4 : format == SIMD_PD ? 2 : 1;
        union xmm x, y;

        _mm_storeu_si128((simd128 *)&x, a);
        _mm_storeu_si128((simd128 *)&y, b);
        flags = 0;
        for (unsigned i = 0; i < elements; i++)
            flags |= element_flags(cpu, op, is_double ? x.q[i] : x.d[i], is_double ? y.q[i] : y.d[i], is_double);
    }
    cpu->fpu.mxcsr |= flags;
    simd_load_mxcsr(cpu);
    if (flags & unmasked)
        cpu_raise(cpu, cpu->cr4 & CR4_OSXMMEXCPT ? VEC_XM : VEC_UD);
}
