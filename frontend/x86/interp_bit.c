/*
 * Bit tests, bit scans and POPCNT.
 * Source: SDM vol. 2A "BT", "BTC", "BTR", "BTS", "BSF", "BSR"; vol. 2B "POPCNT".
 */
#include "frontend/x86/interp.h"

enum bit_op { BIT_TEST, BIT_SET, BIT_RESET, BIT_COMPLEMENT };

/* BT changes CF alone. OF, SF, AF and PF are undefined by the SDM and stay, as processors have it; ZF must stay. */
ALWAYS_INLINE void bit_rm(struct cpu *cpu, const struct insn *in, enum bit_op op, uint32_t offset, uint32_t number,
                          bool is_mem, unsigned bits)
{
    uint32_t mask = 1u << (number & (bits - 1)), value;
    struct update u;

    if (op == BIT_TEST) {
        value = is_mem ? mem_read(cpu, in->seg, offset, bits) : reg_read(cpu, in->rm, bits);
    } else {
        uint32_t result;

        value = is_mem ? mem_begin_update(cpu, in->seg, offset, &u, bits) : reg_read(cpu, in->rm, bits);
        result = op == BIT_SET ? value | mask : op == BIT_RESET ? value & ~mask : value ^ mask;
        rm_end_update(cpu, in, &u, result, is_mem, bits);
    }
    flags_set_cf(cpu, value & mask);
}

/* With the number in a register a memory operand is a bit string: the number, signed, selects the word or doubleword
 * too. SDM vol. 2A "BT". */
ALWAYS_INLINE uint32_t bit_string_offset(const struct cpu *cpu, const struct insn *in, uint32_t number, unsigned bits)
{
    int32_t element = (int32_t)flags_extend(number, bits) >> (bits == 16 ? 4 : 5);

    return (effective_offset(cpu, in) + (uint32_t)element * (bits / 8)) & in->addr_mask;
}

#define BIT(name, op)                                                                                                  \
    ALWAYS_INLINE void name##_g_body(struct cpu *cpu, const struct insn *in, bool is_mem, unsigned bits)               \
    {                                                                                                                  \
        uint32_t number = reg_read(cpu, in->reg, bits);                                                                \
                                                                                                                       \
        bit_rm(cpu, in, op, is_mem ? bit_string_offset(cpu, in, number, bits) : 0, number, is_mem, bits);              \
    }                                                                                                                  \
    ALWAYS_INLINE void name##_i_body(struct cpu *cpu, const struct insn *in, bool is_mem, unsigned bits)               \
    {                                                                                                                  \
        bit_rm(cpu, in, op, is_mem ? effective_offset(cpu, in) : 0, in->imm, is_mem, bits);                            \
    }                                                                                                                  \
    INTERP_FAMILY_V(name##_g, name##_g_body)                                                                           \
    INTERP_FAMILY_V(name##_i, name##_i_body)

BIT(bt, BIT_TEST)
BIT(bts, BIT_SET)
BIT(btr, BIT_RESET)
BIT(btc, BIT_COMPLEMENT)

/* A source of 0 sets ZF and leaves the destination: undefined by the SDM, relied upon by software, done by processors.
 */
ALWAYS_INLINE void bsf_body(struct cpu *cpu, const struct insn *in, bool is_mem, unsigned bits)
{
    uint32_t value = rm_read(cpu, in, is_mem, bits);

    if (value)
        reg_write(cpu, in->reg, (uint32_t)__builtin_ctz(value), bits);
    flags_set_zf(cpu, !value);
}
INTERP_FAMILY_V(bsf, bsf_body)

ALWAYS_INLINE void bsr_body(struct cpu *cpu, const struct insn *in, bool is_mem, unsigned bits)
{
    uint32_t value = rm_read(cpu, in, is_mem, bits);

    if (value)
        reg_write(cpu, in->reg, 31 - (uint32_t)__builtin_clz(value), bits);
    flags_set_zf(cpu, !value);
}
INTERP_FAMILY_V(bsr, bsr_body)

/* All flags but ZF are cleared, PF too: an odd low byte in flag_sign. */
ALWAYS_INLINE void popcnt_body(struct cpu *cpu, const struct insn *in, bool is_mem, unsigned bits)
{
    uint32_t value = rm_read(cpu, in, is_mem, bits);

    reg_write(cpu, in->reg, (uint32_t)__builtin_popcount(value), bits);
    cpu->flag_zero = value;
    cpu->flag_sign = 1;
    cpu->flag_carry = 0;
}
INTERP_FAMILY_V(popcnt, popcnt_body)
