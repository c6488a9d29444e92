/*
 * Arithmetic flags, kept as their causes.
 *
 *   flag_zero   ZF is 1 when this is 0
 *   flag_sign   SF is bit 31; PF is the parity of the low byte
 *   flag_carry  bit 31: CF.  bit 30: carry into the sign bit, so OF = bit 31 ^ bit 30.  bit 3: AF.
 *
 * An 8- or 16-bit result is shifted up so that its sign bit is bit 31 (flag_zero, and the sign), but PF wants the low
 * byte: flag_sign is the result sign-extended to 32 bits, which serves both.
 */
#ifndef FRONTEND_X86_FLAGS_H
#define FRONTEND_X86_FLAGS_H

#include "frontend/x86/cpu.h"

#define FLAG_CARRY_CF      0x80000000u
#define FLAG_CARRY_INTO    0x40000000u
#define FLAG_CARRY_AF      0x00000008u

/* `bits` is 8, 16 or 32; operands and results need not be masked to it. */
static inline uint32_t flags_extend(uint32_t value, unsigned bits)
{
    return bits == 8 ? (uint32_t)(int32_t)(int8_t)value : bits == 16 ? (uint32_t)(int32_t)(int16_t)value : value;
}

static inline void flags_set_result(struct cpu *cpu, uint32_t result, unsigned bits)
{
    cpu->flag_zero = cpu->flag_sign = flags_extend(result, bits);
}

/* Moves a carry-out vector (bit i = carry out of bit i) of a `bits`-wide operation into place. */
static inline uint32_t flags_carry_vector(uint32_t carries, unsigned bits)
{
    return bits == 32 ? carries : carries << (32 - bits) | (carries & FLAG_CARRY_AF);
}

/* ADD, ADC: sum = a + b (+ carry). */
static inline void flags_add(struct cpu *cpu, uint32_t a, uint32_t b, uint32_t sum, unsigned bits)
{
    flags_set_result(cpu, sum, bits);
    cpu->flag_carry = flags_carry_vector((a & b) | ((a | b) & ~sum), bits);
}

/* SUB, SBB, CMP, NEG (a = 0): difference = a - b (- borrow). */
static inline void flags_sub(struct cpu *cpu, uint32_t a, uint32_t b, uint32_t difference, unsigned bits)
{
    flags_set_result(cpu, difference, bits);
    cpu->flag_carry = flags_carry_vector((~a & b) | (~(a ^ b) & difference), bits);
}

/* AND, OR, XOR, TEST: CF = OF = 0; AF is undefined, we clear it. */
static inline void flags_logic(struct cpu *cpu, uint32_t result, unsigned bits)
{
    flags_set_result(cpu, result, bits);
    cpu->flag_carry = 0;
}

static inline bool flag_cf(const struct cpu *cpu)
{
    return cpu->flag_carry >> 31;
}
static inline bool flag_zf(const struct cpu *cpu)
{
    return cpu->flag_zero == 0;
}
static inline bool flag_sf(const struct cpu *cpu)
{
    return cpu->flag_sign >> 31;
}
static inline bool flag_of(const struct cpu *cpu)
{
    return (cpu->flag_carry ^ cpu->flag_carry << 1) >> 31;
}
static inline bool flag_af(const struct cpu *cpu)
{
    return cpu->flag_carry & FLAG_CARRY_AF;
}
static inline bool flag_pf(const struct cpu *cpu)
{
    return !__builtin_parity(cpu->flag_sign & 0xff);
}

static inline void flags_set_cf_of(struct cpu *cpu, bool cf, bool of)
{
    cpu->flag_carry = (cpu->flag_carry & FLAG_CARRY_AF) | (uint32_t)cf << 31 | (uint32_t)(cf ^ of) << 30;
}
static inline void flags_set_cf(struct cpu *cpu, bool cf) /* CLC, STC, CMC, BT: OF stays */
{
    flags_set_cf_of(cpu, cf, flag_of(cpu));
}
static inline void flags_set_zf(struct cpu *cpu, bool zf) /* ARPL, LAR, CMPXCHG8B: the others stay */
{
    cpu->flag_zero = !zf;
}

/* Condition code of Jcc, SETcc, CMOVcc: the low four opcode bits. SDM vol. 1, "EFLAGS Condition Codes". */
static inline __attribute__((always_inline)) bool flags_condition(const struct cpu *cpu, unsigned cc)
{
    bool holds;

    switch (cc >> 1) {
    case 0: holds = flag_of(cpu); break;
    case 1: holds = flag_cf(cpu); break;
    case 2: holds = flag_zf(cpu); break;
    case 3: holds = flag_cf(cpu) || flag_zf(cpu); break;
    case 4: holds = flag_sf(cpu); break;
    case 5: holds = flag_pf(cpu); break;
    case 6: holds = flag_sf(cpu) ^ flag_of(cpu); break;
    default: holds = flag_zf(cpu) || (flag_sf(cpu) ^ flag_of(cpu)); break;
    }
    return holds ^ (cc & 1);
}

#endif
