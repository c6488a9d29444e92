/*
 * Shifts and rotates: ROL, ROR, RCL, RCR, SHL, SHR, SAR, SHLD, SHRD.
 * Source: SDM vol. 2B "RCL/RCR/ROL/ROR", "SAL/SAR/SHL/SHR", "SHLD", "SHRD".
 *
 * Counts are masked to five bits; a masked count of 0 changes no flag, but the operand is still accessed as a write. OF
 * is defined for a count of 1 only. For others it is what the formula of count 1 gives for the last step, as processors
 * do. AF is undefined and cleared.
 */
#include "frontend/x86/interp.h"

enum shift_op { SHIFT_ROL, SHIFT_ROR, SHIFT_RCL, SHIFT_RCR, SHIFT_SHL, SHIFT_SHR, SHIFT_SAR };

/* `cf` is the last bit shifted out. */
ALWAYS_INLINE void shift_flags(struct cpu *cpu, uint32_t result, uint32_t cf, uint32_t of, unsigned bits)
{
    flags_set_result(cpu, result, bits);
    cpu->flag_carry = cf << 31 | (cf ^ of) << 30;
}
ALWAYS_INLINE uint32_t bit_of(uint64_t value, unsigned n)
{
    return (uint32_t)(value >> n) & 1;
}
/* OF of right shifts and rotates: the two top bits of the result differ. */
ALWAYS_INLINE uint32_t top_bits_differ(uint64_t result, unsigned bits)
{
    return bit_of(result ^ result << 1, bits - 1);
}

/* `a` is zero-extended, `count` 1..31. Returns the result, perhaps with garbage above `bits`, and sets the flags. */
ALWAYS_INLINE uint32_t shift(struct cpu *cpu, enum shift_op op, uint32_t a, unsigned count, unsigned bits)
{
    uint64_t result;
    uint32_t cf;

    switch (op) {
    case SHIFT_ROL:
        count &= bits - 1;
        result = count ? (uint64_t)a << count | a >> (bits - count) : a;
        cf = bit_of(result, 0);
        flags_set_cf_of(cpu, cf, cf ^ bit_of(result, bits - 1));
        return (uint32_t)result;
    case SHIFT_ROR:
        count &= bits - 1;
        result = count ? a >> count | (uint64_t)a << (bits - count) : a;
        flags_set_cf_of(cpu, bit_of(result, bits - 1), top_bits_differ(result, bits));
        return (uint32_t)result;
    case SHIFT_RCL: /* CF is one bit more, on top of the operand */
        count %= bits + 1;
        result = (uint64_t)flag_cf(cpu) << bits | a;
        if (count)
            result = result << count | result >> (bits + 1 - count);
        cf = bit_of(result, bits);
        flags_set_cf_of(cpu, cf, cf ^ bit_of(result, bits - 1));
        return (uint32_t)result;
    case SHIFT_RCR:
        count %= bits + 1;
        result = (uint64_t)flag_cf(cpu) << bits | a;
        if (count)
            result = result >> count | result << (bits + 1 - count);
        flags_set_cf_of(cpu, bit_of(result, bits), top_bits_differ(result, bits));
        return (uint32_t)result;
    case SHIFT_SHL:
        result = (uint64_t)a << count;
        cf = bit_of(result, bits);
        shift_flags(cpu, (uint32_t)result, cf, cf ^ bit_of(result, bits - 1), bits);
        return (uint32_t)result;
    case SHIFT_SHR:
        result = a >> count;
        shift_flags(cpu, (uint32_t)result, bit_of(a, count - 1), top_bits_differ(result, bits), bits);
        return (uint32_t)result;
    default: {
        int32_t extended = (int32_t)flags_extend(a, bits);

        result = (uint32_t)(extended >> count);
        shift_flags(cpu, (uint32_t)result, bit_of((uint32_t)(extended >> (count - 1)), 0), 0, bits);
        return (uint32_t)result;
    }
    }
}

ALWAYS_INLINE void shift_rm(struct cpu *cpu, const struct insn *in, enum shift_op op, unsigned count, struct place p,
                            unsigned bits)
{
    struct update u;
    uint32_t a = place_begin_update(cpu, in, p, &u, bits);

    count &= 31;
    if (count)
        place_end_update(cpu, in, p, &u, shift(cpu, op, a, count, bits), bits);
}

/* By 1, by an immediate, by CL. */
#define SHIFT(name, op)                                                                                                \
    ALWAYS_INLINE void name##_1_body(struct cpu *cpu, const struct insn *in, struct place p, unsigned bits)            \
    {                                                                                                                  \
        shift_rm(cpu, in, op, 1, p, bits);                                                                             \
    }                                                                                                                  \
    ALWAYS_INLINE void name##_i_body(struct cpu *cpu, const struct insn *in, struct place p, unsigned bits)            \
    {                                                                                                                  \
        shift_rm(cpu, in, op, in->imm, p, bits);                                                                       \
    }                                                                                                                  \
    ALWAYS_INLINE void name##_c_body(struct cpu *cpu, const struct insn *in, struct place p, unsigned bits)            \
    {                                                                                                                  \
        shift_rm(cpu, in, op, cpu->gpr[ECX], p, bits);                                                                 \
    }                                                                                                                  \
    INTERP_HOT(name##_1, name##_1_body, probe_rm_write)                                                                \
    INTERP_HOT(name##_i, name##_i_body, probe_rm_write)                                                                \
    INTERP_HOT(name##_c, name##_c_body, probe_rm_write)

SHIFT(rol, SHIFT_ROL)
SHIFT(ror, SHIFT_ROR)
SHIFT(rcl, SHIFT_RCL)
SHIFT(rcr, SHIFT_RCR)
SHIFT(shl, SHIFT_SHL)
SHIFT(shr, SHIFT_SHR)
SHIFT(sar, SHIFT_SAR)

/*
 * SHLD, SHRD. A 16-bit operand and a count above 16 leave everything undefined; processors go on with the destination's
 * own bits behind the source's, so the shifted string is dest:src:dest.
 */
ALWAYS_INLINE void shld_rm(struct cpu *cpu, const struct insn *in, unsigned count, bool is_mem, unsigned bits)
{
    struct update u;
    uint64_t dest = rm_begin_update(cpu, in, &u, is_mem, bits), source = reg_read(cpu, in->reg, bits), string;
    uint32_t result, cf;

    count &= 31;
    if (!count)
        return;
    string = bits == 16 ? dest << 32 | source << 16 | dest : dest << 32 | source;
    result = (uint32_t)(string << count >> 32);
    cf = bit_of(string, 32 + bits - count);
    rm_end_update(cpu, in, &u, result, is_mem, bits);
    shift_flags(cpu, result, cf, cf ^ bit_of(result, bits - 1), bits);
}
ALWAYS_INLINE void shrd_rm(struct cpu *cpu, const struct insn *in, unsigned count, bool is_mem, unsigned bits)
{
    struct update u;
    uint64_t dest = rm_begin_update(cpu, in, &u, is_mem, bits), source = reg_read(cpu, in->reg, bits), string;
    uint32_t result;

    count &= 31;
    if (!count)
        return;
    string = bits == 16 ? dest << 32 | source << 16 | dest : source << 32 | dest;
    result = (uint32_t)(string >> count);
    rm_end_update(cpu, in, &u, result, is_mem, bits);
    shift_flags(cpu, result, bit_of(string, count - 1), top_bits_differ(result, bits), bits);
}

#define SHIFT_DOUBLE(name)                                                                                             \
    ALWAYS_INLINE void name##_i_body(struct cpu *cpu, const struct insn *in, bool is_mem, unsigned bits)               \
    {                                                                                                                  \
        name##_rm(cpu, in, in->imm, is_mem, bits);                                                                     \
    }                                                                                                                  \
    ALWAYS_INLINE void name##_c_body(struct cpu *cpu, const struct insn *in, bool is_mem, unsigned bits)               \
    {                                                                                                                  \
        name##_rm(cpu, in, cpu->gpr[ECX], is_mem, bits);                                                               \
    }                                                                                                                  \
    INTERP_FAMILY_V(name##_i, name##_i_body)                                                                           \
    INTERP_FAMILY_V(name##_c, name##_c_body)

SHIFT_DOUBLE(shld)
SHIFT_DOUBLE(shrd)
