/*
 * Multiplication, division and decimal adjustment.
 * Source: SDM vol. 2A-2D "MUL", "IMUL", "DIV", "IDIV", "AAA", "AAS", "AAM", "AAD", "DAA", "DAS".
 */
#include "frontend/x86/interp.h"

/* Double-width results: AX, DX:AX, EDX:EAX. */
ALWAYS_INLINE void write_double(struct cpu *cpu, uint64_t value, unsigned bits)
{
    if (bits == 8) {
        set_reg16(cpu, EAX, (uint16_t)value);
    } else {
        reg_write(cpu, EAX, (uint32_t)value, bits);
        reg_write(cpu, EDX, (uint32_t)(value >> bits), bits);
    }
}
ALWAYS_INLINE uint64_t read_double(const struct cpu *cpu, unsigned bits)
{
    if (bits == 8)
        return reg16(cpu, EAX);
    return (uint64_t)reg_read(cpu, EDX, bits) << bits | reg_read(cpu, EAX, bits);
}

/* CF = OF = the upper half is significant. SF and PF, undefined, follow the lower half; ZF and AF are undefined too. */
ALWAYS_INLINE void multiply_flags(struct cpu *cpu, uint32_t low, bool overflow, unsigned bits)
{
    flags_set_result(cpu, low, bits);
    cpu->flag_carry = overflow ? FLAG_CARRY_CF : 0;
}

ALWAYS_INLINE void mul_e_body(struct cpu *cpu, const struct insn *in, bool is_mem, unsigned bits)
{
    uint64_t product = (uint64_t)rm_read(cpu, in, is_mem, bits) * reg_read(cpu, EAX, bits);

    write_double(cpu, product, bits);
    multiply_flags(cpu, (uint32_t)product, product >> bits, bits);
}
INTERP_FAMILY(mul_e, mul_e_body)

ALWAYS_INLINE int64_t signed_product(uint32_t a, uint32_t b, unsigned bits)
{
    return (int64_t)(int32_t)flags_extend(a, bits) * (int32_t)flags_extend(b, bits);
}
ALWAYS_INLINE void imul_flags(struct cpu *cpu, int64_t product, unsigned bits)
{
    multiply_flags(cpu, (uint32_t)product, product != (int32_t)flags_extend((uint32_t)product, bits), bits);
}

ALWAYS_INLINE void imul_e_body(struct cpu *cpu, const struct insn *in, bool is_mem, unsigned bits)
{
    int64_t product = signed_product(rm_read(cpu, in, is_mem, bits), reg_read(cpu, EAX, bits), bits);

    write_double(cpu, (uint64_t)product, bits);
    imul_flags(cpu, product, bits);
}
INTERP_FAMILY(imul_e, imul_e_body)

ALWAYS_INLINE void imul_ge_body(struct cpu *cpu, const struct insn *in, struct place p, unsigned bits)
{
    int64_t product = signed_product(place_read(cpu, in, p, bits), reg_read(cpu, in->reg, bits), bits);

    reg_write(cpu, in->reg, (uint32_t)product, bits);
    imul_flags(cpu, product, bits);
}
INTERP_HOT_V(imul_ge, imul_ge_body, probe_rm_read)

ALWAYS_INLINE void imul_gei_body(struct cpu *cpu, const struct insn *in, struct place p, unsigned bits)
{
    int64_t product = signed_product(place_read(cpu, in, p, bits), in->imm, bits);

    reg_write(cpu, in->reg, (uint32_t)product, bits);
    imul_flags(cpu, product, bits);
}
INTERP_HOT_V(imul_gei, imul_gei_body, probe_rm_read)

/* Quotient and remainder as the two halves of a double-width result: AL and AH, AX and DX, EAX and EDX. */
ALWAYS_INLINE void write_quotient(struct cpu *cpu, uint32_t quotient, uint32_t remainder, unsigned bits)
{
    uint64_t low = bits == 32 ? quotient : quotient & ((1u << bits) - 1);

    write_double(cpu, (uint64_t)remainder << bits | low, bits);
}

/* Flags are undefined after a division and stay. */
ALWAYS_INLINE void div_e_body(struct cpu *cpu, const struct insn *in, bool is_mem, unsigned bits)
{
    uint64_t dividend = read_double(cpu, bits), quotient;
    uint32_t divisor = rm_read(cpu, in, is_mem, bits);

    if (divisor == 0)
        cpu_raise(cpu, VEC_DE);
    quotient = dividend / divisor;
    if (quotient >> bits)
        cpu_raise(cpu, VEC_DE);
    write_quotient(cpu, (uint32_t)quotient, (uint32_t)(dividend % divisor), bits);
}
INTERP_FAMILY(div_e, div_e_body)

ALWAYS_INLINE void idiv_e_body(struct cpu *cpu, const struct insn *in, bool is_mem, unsigned bits)
{
    int64_t dividend = (int64_t)(read_double(cpu, bits) << (64 - 2 * bits)) >> (64 - 2 * bits), quotient;
    int32_t divisor = (int32_t)flags_extend(rm_read(cpu, in, is_mem, bits), bits);

    if (divisor == 0 || (divisor == -1 && dividend == INT64_MIN)) /* the latter overflows here as well as there */
        cpu_raise(cpu, VEC_DE);
    quotient = dividend / divisor;
    if (quotient != (int32_t)flags_extend((uint32_t)quotient, bits))
        cpu_raise(cpu, VEC_DE);
    write_quotient(cpu, (uint32_t)quotient, (uint32_t)(dividend % divisor), bits);
}
INTERP_FAMILY(idiv_e, idiv_e_body)

/* ---- decimal ---- */

ALWAYS_INLINE uint8_t get_al(const struct cpu *cpu)
{
    return reg8(cpu, 0);
}
/* SF, ZF and PF by AL, OF clear. */
ALWAYS_INLINE void decimal_flags(struct cpu *cpu, uint8_t al, bool cf, bool af)
{
    flags_set_result(cpu, al, 8);
    cpu->flag_carry = (cf ? FLAG_CARRY_CF | FLAG_CARRY_INTO : 0) | (af ? FLAG_CARRY_AF : 0);
}

static void daa(struct cpu *cpu, const struct insn *in)
{
    uint8_t old = get_al(cpu), al = old;
    bool af = (old & 0x0f) > 9 || flag_af(cpu);
    bool cf = old > 0x99 || flag_cf(cpu);

    if (af)
        al += 0x06;
    if (cf)
        al += 0x60;
    set_reg8(cpu, 0, al);
    decimal_flags(cpu, al, cf, af);
    NEXT(cpu, in);
}
INTERP_ONE(daa)

static void das(struct cpu *cpu, const struct insn *in)
{
    uint8_t old = get_al(cpu), al = old;
    bool af = (old & 0x0f) > 9 || flag_af(cpu);
    bool high = old > 0x99 || flag_cf(cpu);
    bool cf = high || (af && old < 0x06); /* the first subtraction may borrow */

    if (af)
        al -= 0x06;
    if (high)
        al -= 0x60;
    set_reg8(cpu, 0, al);
    decimal_flags(cpu, al, cf, af);
    NEXT(cpu, in);
}
INTERP_ONE(das)

/* AAA, AAS: OF, SF, ZF and PF are undefined; the last three follow AL. */
static void aaa(struct cpu *cpu, const struct insn *in)
{
    bool adjust = (get_al(cpu) & 0x0f) > 9 || flag_af(cpu);
    uint16_t ax = (uint16_t)(reg16(cpu, EAX) + (adjust ? 0x106 : 0));

    ax &= 0xff0f;
    set_reg16(cpu, EAX, ax);
    decimal_flags(cpu, (uint8_t)ax, adjust, adjust);
    NEXT(cpu, in);
}
INTERP_ONE(aaa)

static void aas(struct cpu *cpu, const struct insn *in)
{
    bool adjust = (get_al(cpu) & 0x0f) > 9 || flag_af(cpu);
    uint16_t ax = (uint16_t)(reg16(cpu, EAX) - (adjust ? 0x106 : 0));

    ax &= 0xff0f;
    set_reg16(cpu, EAX, ax);
    decimal_flags(cpu, (uint8_t)ax, adjust, adjust);
    NEXT(cpu, in);
}
INTERP_ONE(aas)

static void aam(struct cpu *cpu, const struct insn *in)
{
    uint8_t base = (uint8_t)in->imm, al = get_al(cpu);

    if (base == 0)
        cpu_raise(cpu, VEC_DE);
    set_reg16(cpu, EAX, (uint16_t)((al / base) << 8 | al % base));
    decimal_flags(cpu, al % base, false, false);
    NEXT(cpu, in);
}
INTERP_ONE(aam)

static void aad(struct cpu *cpu, const struct insn *in)
{
    uint8_t al = (uint8_t)(get_al(cpu) + reg8(cpu, 4) * (uint8_t)in->imm);

    set_reg16(cpu, EAX, al);
    decimal_flags(cpu, al, false, false);
    NEXT(cpu, in);
}
INTERP_ONE(aad)
