/*
 * Two-operand arithmetic and logic, INC, DEC, NEG, NOT, TEST, CMPXCHG, XADD and single-flag instructions.
 * Source: SDM vol. 2A-2D, the page of each instruction.
 */
#include "frontend/x86/interp.h"

enum alu_op { ALU_ADD, ALU_OR, ALU_ADC, ALU_SBB, ALU_AND, ALU_SUB, ALU_XOR, ALU_CMP };

ALWAYS_INLINE uint32_t alu_result(const struct cpu *cpu, enum alu_op op, uint32_t a, uint32_t b)
{
    switch (op) {
    case ALU_ADD:
        return a + b;
    case ALU_OR:
        return a | b;
    case ALU_ADC:
        return a + b + flag_cf(cpu);
    case ALU_SBB:
        return a - b - flag_cf(cpu);
    case ALU_AND:
        return a & b;
    case ALU_XOR:
        return a ^ b;
    default:
        return a - b;
    }
}

ALWAYS_INLINE void alu_flags(struct cpu *cpu, enum alu_op op, uint32_t a, uint32_t b, uint32_t result, unsigned bits)
{
    switch (op) {
    case ALU_ADD:
    case ALU_ADC:
        flags_add(cpu, a, b, result, bits);
        break;
    case ALU_OR:
    case ALU_AND:
    case ALU_XOR:
        flags_logic(cpu, result, bits);
        break;
    default:
        flags_sub(cpu, a, b, result, bits);
        break;
    }
}

/* E = E op b. CMP only reads. */
ALWAYS_INLINE void alu_to_rm(struct cpu *cpu, const struct insn *in, enum alu_op op, uint32_t b, struct place p,
                             unsigned bits)
{
    struct update u;
    uint32_t a, result;

    if (op == ALU_CMP) {
        a = place_read(cpu, in, p, bits);
        flags_sub(cpu, a, b, a - b, bits);
        return;
    }
    a = place_begin_update(cpu, in, p, &u, bits);
    result = alu_result(cpu, op, a, b);
    place_end_update(cpu, in, p, &u, result, bits);
    alu_flags(cpu, op, a, b, result, bits);
}

ALWAYS_INLINE void alu_to_reg(struct cpu *cpu, const struct insn *in, enum alu_op op, struct place p, unsigned bits)
{
    uint32_t b = place_read(cpu, in, p, bits);
    uint32_t a = reg_read(cpu, in->reg, bits);
    uint32_t result = alu_result(cpu, op, a, b);

    if (op != ALU_CMP)
        reg_write(cpu, in->reg, result, bits);
    alu_flags(cpu, op, a, b, result, bits);
}

/* Three tables per operation: E,G and G,E and E,I. */
#define ALU(name, op, probe_e)                                                                                         \
    ALWAYS_INLINE void name##_eg_body(struct cpu *cpu, const struct insn *in, struct place p, unsigned bits)           \
    {                                                                                                                  \
        alu_to_rm(cpu, in, op, reg_read(cpu, in->reg, bits), p, bits);                                                 \
    }                                                                                                                  \
    ALWAYS_INLINE void name##_ge_body(struct cpu *cpu, const struct insn *in, struct place p, unsigned bits)           \
    {                                                                                                                  \
        alu_to_reg(cpu, in, op, p, bits);                                                                              \
    }                                                                                                                  \
    ALWAYS_INLINE void name##_ei_body(struct cpu *cpu, const struct insn *in, struct place p, unsigned bits)           \
    {                                                                                                                  \
        alu_to_rm(cpu, in, op, in->imm, p, bits);                                                                      \
    }                                                                                                                  \
    INTERP_HOT(name##_eg, name##_eg_body, probe_e)                                                                     \
    INTERP_HOT(name##_ge, name##_ge_body, probe_rm_read)                                                               \
    INTERP_HOT(name##_ei, name##_ei_body, probe_e)

ALU(add, ALU_ADD, probe_rm_write)
ALU(or, ALU_OR, probe_rm_write)
ALU(adc, ALU_ADC, probe_rm_write)
ALU(sbb, ALU_SBB, probe_rm_write)
ALU(and, ALU_AND, probe_rm_write)
ALU(sub, ALU_SUB, probe_rm_write)
ALU(xor, ALU_XOR, probe_rm_write)
ALU(cmp, ALU_CMP, probe_rm_read)

ALWAYS_INLINE void test_eg_body(struct cpu *cpu, const struct insn *in, struct place p, unsigned bits)
{
    flags_logic(cpu, place_read(cpu, in, p, bits) & reg_read(cpu, in->reg, bits), bits);
}
INTERP_HOT(test_eg, test_eg_body, probe_rm_read)

ALWAYS_INLINE void test_ei_body(struct cpu *cpu, const struct insn *in, struct place p, unsigned bits)
{
    flags_logic(cpu, place_read(cpu, in, p, bits) & in->imm, bits);
}
INTERP_HOT(test_ei, test_ei_body, probe_rm_read)

/* ---- one operand ---- */

/* INC and DEC leave CF: where the new vector's CF differs from the old one, flipping CF and the carry into the sign bit
 * together keeps OF. */
ALWAYS_INLINE void flags_keep_cf(struct cpu *cpu, uint32_t old_carry)
{
    uint32_t differs = (cpu->flag_carry ^ old_carry) & FLAG_CARRY_CF;

    cpu->flag_carry ^= differs | differs >> 1;
}
ALWAYS_INLINE void inc_flags(struct cpu *cpu, uint32_t a, unsigned bits)
{
    uint32_t old_carry = cpu->flag_carry;

    flags_add(cpu, a, 1, a + 1, bits);
    flags_keep_cf(cpu, old_carry);
}
ALWAYS_INLINE void dec_flags(struct cpu *cpu, uint32_t a, unsigned bits)
{
    uint32_t old_carry = cpu->flag_carry;

    flags_sub(cpu, a, 1, a - 1, bits);
    flags_keep_cf(cpu, old_carry);
}

ALWAYS_INLINE void inc_e_body(struct cpu *cpu, const struct insn *in, struct place p, unsigned bits)
{
    struct update u;
    uint32_t a = place_begin_update(cpu, in, p, &u, bits);

    place_end_update(cpu, in, p, &u, a + 1, bits);
    inc_flags(cpu, a, bits);
}
INTERP_HOT(inc_e, inc_e_body, probe_rm_write)

ALWAYS_INLINE void dec_e_body(struct cpu *cpu, const struct insn *in, struct place p, unsigned bits)
{
    struct update u;
    uint32_t a = place_begin_update(cpu, in, p, &u, bits);

    place_end_update(cpu, in, p, &u, a - 1, bits);
    dec_flags(cpu, a, bits);
}
INTERP_HOT(dec_e, dec_e_body, probe_rm_write)

ALWAYS_INLINE void inc_z_body(struct cpu *cpu, const struct insn *in, unsigned bits)
{
    uint32_t a = reg_read(cpu, in->reg, bits);

    reg_write(cpu, in->reg, a + 1, bits);
    inc_flags(cpu, a, bits);
}
INTERP_FAMILY_BITS(inc_z, inc_z_body)

ALWAYS_INLINE void dec_z_body(struct cpu *cpu, const struct insn *in, unsigned bits)
{
    uint32_t a = reg_read(cpu, in->reg, bits);

    reg_write(cpu, in->reg, a - 1, bits);
    dec_flags(cpu, a, bits);
}
INTERP_FAMILY_BITS(dec_z, dec_z_body)

ALWAYS_INLINE void neg_e_body(struct cpu *cpu, const struct insn *in, bool is_mem, unsigned bits)
{
    struct update u;
    uint32_t a = rm_begin_update(cpu, in, &u, is_mem, bits);

    rm_end_update(cpu, in, &u, 0 - a, is_mem, bits);
    flags_sub(cpu, 0, a, 0 - a, bits);
}
INTERP_FAMILY(neg_e, neg_e_body)

ALWAYS_INLINE void not_e_body(struct cpu *cpu, const struct insn *in, bool is_mem, unsigned bits)
{
    struct update u;
    uint32_t a = rm_begin_update(cpu, in, &u, is_mem, bits);

    rm_end_update(cpu, in, &u, ~a, is_mem, bits);
}
INTERP_FAMILY(not_e, not_e_body)

/* ---- compare and exchange ---- */

/* The destination is written in any case, with what it held when the comparison fails. SDM vol. 2 CMPXCHG. */
ALWAYS_INLINE void cmpxchg_eg_body(struct cpu *cpu, const struct insn *in, bool is_mem, unsigned bits)
{
    struct update u;
    uint32_t dest = rm_begin_update(cpu, in, &u, is_mem, bits);
    uint32_t accumulator = reg_read(cpu, EAX, bits);
    bool equal = dest == accumulator;

    if (is_mem || equal)
        rm_end_update(cpu, in, &u, equal ? reg_read(cpu, in->reg, bits) : dest, is_mem, bits);
    if (!equal)
        reg_write(cpu, EAX, dest, bits);
    flags_sub(cpu, accumulator, dest, accumulator - dest, bits);
}
INTERP_FAMILY(cmpxchg_eg, cmpxchg_eg_body)

static void cmpxchg8b(struct cpu *cpu, const struct insn *in)
{
    uint32_t offset = effective_offset(cpu, in);
    uint64_t dest = mem_update64(cpu, in->seg, offset);
    uint64_t accumulator = (uint64_t)cpu->gpr[EDX] << 32 | cpu->gpr[EAX];
    bool equal = dest == accumulator;

    mem_write64(cpu, in->seg, offset, equal ? (uint64_t)cpu->gpr[ECX] << 32 | cpu->gpr[EBX] : dest);
    if (!equal) {
        cpu->gpr[EAX] = (uint32_t)dest;
        cpu->gpr[EDX] = (uint32_t)(dest >> 32);
    }
    flags_set_zf(cpu, equal);
    NEXT(cpu, in);
}
INTERP_ONE(cmpxchg8b)

/* The register receives the old destination first, so that with both operands the same register the sum remains. */
ALWAYS_INLINE void xadd_eg_body(struct cpu *cpu, const struct insn *in, bool is_mem, unsigned bits)
{
    struct update u;
    uint32_t a = rm_begin_update(cpu, in, &u, is_mem, bits);
    uint32_t b = reg_read(cpu, in->reg, bits);

    reg_write(cpu, in->reg, a, bits);
    rm_end_update(cpu, in, &u, a + b, is_mem, bits);
    flags_add(cpu, a, b, a + b, bits);
}
INTERP_FAMILY(xadd_eg, xadd_eg_body)

/* ---- single flags ---- */

static void clc(struct cpu *cpu, const struct insn *in)
{
    flags_set_cf(cpu, false);
    NEXT(cpu, in);
}
INTERP_ONE(clc)

static void stc(struct cpu *cpu, const struct insn *in)
{
    flags_set_cf(cpu, true);
    NEXT(cpu, in);
}
INTERP_ONE(stc)

static void cmc(struct cpu *cpu, const struct insn *in)
{
    flags_set_cf(cpu, !flag_cf(cpu));
    NEXT(cpu, in);
}
INTERP_ONE(cmc)

static void cld(struct cpu *cpu, const struct insn *in)
{
    cpu->eflags &= ~(uint32_t)EFLAGS_DF;
    NEXT(cpu, in);
}
INTERP_ONE(cld)

static void std(struct cpu *cpu, const struct insn *in)
{
    cpu->eflags |= EFLAGS_DF;
    NEXT(cpu, in);
}
INTERP_ONE(std)

static void lahf(struct cpu *cpu, const struct insn *in)
{
    unsigned flags = (unsigned)flag_sf(cpu) << 7 | (unsigned)flag_zf(cpu) << 6 | (unsigned)flag_af(cpu) << 4 |
                     (unsigned)flag_pf(cpu) << 2 | EFLAGS_FIXED | flag_cf(cpu);

    set_reg8(cpu, 4, (uint8_t)flags);
    NEXT(cpu, in);
}
INTERP_ONE(lahf)

static void sahf(struct cpu *cpu, const struct insn *in)
{
    uint8_t ah = reg8(cpu, 4);
    bool of = flag_of(cpu), cf = ah & EFLAGS_CF;

    cpu->flag_zero = !(ah & EFLAGS_ZF);
    cpu->flag_sign = (ah & EFLAGS_SF ? 0x80000000u : 0) | (ah & EFLAGS_PF ? 0 : 1); /* an odd low byte clears PF */
    cpu->flag_carry = (uint32_t)cf << 31 | (uint32_t)(cf ^ of) << 30 | (ah & EFLAGS_AF ? FLAG_CARRY_AF : 0);
    NEXT(cpu, in);
}
INTERP_ONE(sahf)

/* D6, missing from the SDM's tables yet in every Intel processor of this class: AL = CF ? FF : 0, flags unchanged. */
static void salc(struct cpu *cpu, const struct insn *in)
{
    set_reg8(cpu, 0, flag_cf(cpu) ? 0xff : 0);
    NEXT(cpu, in);
}
INTERP_ONE(salc)
