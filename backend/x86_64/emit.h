/*
 * x86-64 machine code, byte by byte. Knows encodings, not IR. SDM vol. 2, "Instruction Format", "VEX".
 *
 * An r/m operand is a register or [base + index * 2^scale + disp]. Widths are 1, 2, 4 or 8 bytes. A byte operand of
 * registers 4..7 means SPL, BPL, SIL, DIL, so a REX prefix is added; `high` asks for AH, CH, DH, BH instead. A `window`
 * operand is gs:[...] with the address cut to 32 bits.
 */
#ifndef BACKEND_X86_64_EMIT_H
#define BACKEND_X86_64_EMIT_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum host_reg { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15, HOST_REG_NONE };

struct emit {
    uint8_t *at; /* next byte */
};

struct rm {
    uint8_t is_mem;
    uint8_t reg;   /* or base */
    uint8_t index; /* HOST_REG_NONE: none */
    uint8_t scale;
    uint8_t high; /* register: one of AH..BH, numbers 4..7 without REX */
    bool window;  /* not in emit_lea and emit_vex */
    int32_t disp;
};

#define RM_REG(r)    ((struct rm){.reg = (uint8_t)(r)})
#define RM_HIGH(r)   ((struct rm){.reg = (uint8_t)((r) + 4), .high = 1})
#define RM_MEM(b, d) ((struct rm){.is_mem = 1, .reg = (uint8_t)(b), .index = HOST_REG_NONE, .disp = (d)})
#define RM_SIB(b, i, s, d)                                                                                             \
    ((struct rm){.is_mem = 1, .reg = (uint8_t)(b), .index = (uint8_t)(i), .scale = (uint8_t)(s), .disp = (d)})

/* Opcodes carry their map: 0xXX, 0x0fXX, 0x0f38XX, 0x0f3aXX. */

static inline void emit8(struct emit *e, unsigned byte)
{
    *e->at++ = (uint8_t)byte;
}
static inline void emit16(struct emit *e, unsigned value)
{
    memcpy(e->at, &(uint16_t){(uint16_t)value}, 2);
    e->at += 2;
}
static inline void emit32(struct emit *e, uint32_t value)
{
    memcpy(e->at, &value, 4);
    e->at += 4;
}
static inline void emit64(struct emit *e, uint64_t value)
{
    memcpy(e->at, &value, 8);
    e->at += 8;
}

/* ModRM, SIB, displacement. */
static inline void emit_modrm(struct emit *e, unsigned reg, struct rm rm)
{
    unsigned base = rm.reg & 7, mod;

    reg = (reg & 7) << 3;
    if (!rm.is_mem) {
        emit8(e, 0xc0 | reg | base);
        return;
    }
    mod = rm.disp == 0 && base != 5 ? 0 : rm.disp == (int8_t)rm.disp ? 1 : 2;
    if (rm.reg == HOST_REG_NONE) { /* [index * 2^scale + disp32], or an absolute address */
        emit8(e, reg | 4);
        emit8(e, (unsigned)rm.scale << 6 | (rm.index == HOST_REG_NONE ? 4u : rm.index & 7u) << 3 | 5);
        emit32(e, (uint32_t)rm.disp);
        return;
    }
    if (rm.index != HOST_REG_NONE || base == 4) {
        emit8(e, mod << 6 | reg | 4);
        emit8(e, (unsigned)rm.scale << 6 | (rm.index == HOST_REG_NONE ? 4u : rm.index & 7u) << 3 | base);
    } else {
        emit8(e, mod << 6 | reg | base);
    }
    if (mod == 1)
        emit8(e, (uint8_t)rm.disp);
    else if (mod == 2)
        emit32(e, (uint32_t)rm.disp);
}

static inline unsigned rm_bits(struct rm rm) /* REX.X and REX.B */
{
    unsigned bits = rm.reg != HOST_REG_NONE ? rm.reg >> 3 & 1u : 0;

    if (rm.is_mem && rm.index != HOST_REG_NONE)
        bits |= (rm.index >> 3 & 1u) << 1;
    return bits;
}

static inline void emit_window(struct emit *e, struct rm rm)
{
    if (!rm.window)
        return;
    emit8(e, 0x65); /* gs */
    emit8(e, 0x67); /* 32-bit address */
}

/* The general form: optional mandatory prefix, REX, opcode, ModRM. `byte_reg`: reg is a byte register. */
static inline void emit_op(struct emit *e, unsigned prefix, unsigned opcode, unsigned width, unsigned reg, struct rm rm,
                           bool byte_reg)
{
    unsigned rex = (reg >> 3 & 1u) << 2 | rm_bits(rm);

    if (width == 8)
        rex |= 8;
    if (width == 1 && !rm.is_mem && !rm.high && rm.reg >= 4)
        rex |= 0x40;
    if (byte_reg && reg >= 4)
        rex |= 0x40;
    emit_window(e, rm);
    if (width == 2)
        emit8(e, 0x66);
    if (prefix)
        emit8(e, prefix);
    if (rex)
        emit8(e, 0x40 | rex);
    if (opcode >> 16)
        emit8(e, opcode >> 16);
    if (opcode >> 8)
        emit8(e, opcode >> 8 & 0xff);
    emit8(e, opcode);
    emit_modrm(e, reg, rm);
}

/* Three-operand BMI instructions. pp: 0 none, 1 66, 2 F3, 3 F2; map: 2 0F38, 3 0F3A. */
static inline void emit_vex(struct emit *e, unsigned pp, unsigned map, unsigned w, unsigned opcode, unsigned reg,
                            unsigned vvvv, struct rm rm)
{
    unsigned bits = rm_bits(rm);

    emit8(e, 0xc4);
    emit8(e, (~reg >> 3 & 1u) << 7 | (~bits >> 1 & 1u) << 6 | (~bits & 1u) << 5 | map);
    emit8(e, w << 7 | (~vvvv & 15u) << 3 | pp);
    emit8(e, opcode);
    emit_modrm(e, reg, rm);
}

/* ---- what is used often ---- */

static inline void emit_mov_load(struct emit *e, unsigned width, unsigned reg, struct rm rm) /* reg <- rm */
{
    emit_op(e, 0, width == 1 ? 0x8a : 0x8b, width, reg, rm, width == 1);
}
static inline void emit_mov_store(struct emit *e, unsigned width, struct rm rm, unsigned reg) /* rm <- reg */
{
    emit_op(e, 0, width == 1 ? 0x88 : 0x89, width, reg, rm, width == 1);
}
static inline void emit_mov(struct emit *e, unsigned width, unsigned to, unsigned from)
{
    emit_mov_load(e, width, to, RM_REG(from));
}
static inline void emit_mov_imm32(struct emit *e, unsigned reg, uint32_t value)
{
    if (reg >= 8)
        emit8(e, 0x41);
    emit8(e, 0xb8 | (reg & 7));
    emit32(e, value);
}
static inline void emit_mov_imm64(struct emit *e, unsigned reg, uint64_t value)
{
    emit8(e, 0x48 | (reg >= 8));
    emit8(e, 0xb8 | (reg & 7));
    emit64(e, value);
}
static inline void emit_lea(struct emit *e, unsigned width, unsigned reg, struct rm rm)
{
    emit_op(e, 0, 0x8d, width, reg, rm, false);
}
static inline void emit_movzx(struct emit *e, unsigned reg, unsigned from_width, struct rm rm) /* to 32 bits */
{
    unsigned rex = (reg >> 3 & 1u) << 2 | rm_bits(rm);

    if (from_width == 4) {
        emit_mov_load(e, 4, reg, rm);
        return;
    }
    if (from_width == 1 && !rm.is_mem && !rm.high && rm.reg >= 4)
        rex |= 0x40;
    emit_window(e, rm);
    if (rex)
        emit8(e, 0x40 | rex);
    emit8(e, 0x0f);
    emit8(e, from_width == 1 ? 0xb6 : 0xb7);
    emit_modrm(e, reg, rm);
}
static inline void emit_rorx(struct emit *e, unsigned to, unsigned from, unsigned count) /* 32 bits; flags stay */
{
    emit_vex(e, 3, 3, 0, 0xf0, to, 0, RM_REG(from));
    emit8(e, count);
}
static inline void emit_swap_halves(struct emit *e, unsigned reg) /* rorx reg, reg, 32, of 64 bits */
{
    emit_vex(e, 3, 3, 1, 0xf0, reg, 0, RM_REG(reg));
    emit8(e, 32);
}
static inline void emit_shrx(struct emit *e, unsigned to, unsigned from, unsigned count_reg)
{
    emit_vex(e, 3, 2, 0, 0xf7, to, count_reg, RM_REG(from));
}
static inline void emit_pext(struct emit *e, unsigned to, unsigned from, struct rm mask)
{
    emit_vex(e, 2, 2, 0, 0xf5, to, from, mask);
}
/* OSZAPC to RAX and back: AL = OF, AH = the others as LAHF has them. Cheaper than PUSHF and POPF. */
static inline void emit_flags_to_rax(struct emit *e)
{
    emit8(e, 0x9f);                                  /* lahf */
    emit_op(e, 0, 0x0f90, 1, 0, RM_REG(RAX), false); /* seto al */
}
static inline void emit_flags_from_rax(struct emit *e)
{
    emit8(e, 0x04); /* add al, 127: overflows if AL is 1 */
    emit8(e, 0x7f);
    emit8(e, 0x9e); /* sahf */
}
/* Branches return the address of their displacement, for emit_patch*. */
static inline uint8_t *emit_jmp32(struct emit *e)
{
    emit8(e, 0xe9);
    e->at += 4;
    return e->at - 4;
}
static inline uint8_t *emit_jcc32(struct emit *e, unsigned cc)
{
    emit8(e, 0x0f);
    emit8(e, 0x80 | cc);
    e->at += 4;
    return e->at - 4;
}
static inline uint8_t *emit_jmp8(struct emit *e)
{
    emit8(e, 0xeb);
    return e->at++;
}
static inline uint8_t *emit_jcc8(struct emit *e, unsigned cc)
{
    emit8(e, 0x70 | cc);
    return e->at++;
}
static inline uint8_t *emit_jrcxz(struct emit *e)
{
    emit8(e, 0xe3);
    return e->at++;
}
/* If RCX is negative, as a number not far from 0: all ones are above its low half. Spoils RCX; flags stay. */
static inline uint8_t *emit_jump_if_negative(struct emit *e)
{
    emit_swap_halves(e, RCX);
    emit_op(e, 0, 0xf7, 4, 2, RM_REG(RCX), false); /* not ecx */
    return emit_jrcxz(e);
}
static inline void emit_jmp_to(struct emit *e, const uint8_t *target)
{
    emit8(e, 0xe9);
    emit32(e, (uint32_t)(target - (e->at + 4)));
}
static inline void emit_call_to(struct emit *e, const uint8_t *target)
{
    emit8(e, 0xe8);
    emit32(e, (uint32_t)(target - (e->at + 4)));
}
/* The displacement at `field` now leads to `target`. */
static inline void emit_patch8(uint8_t *field, const uint8_t *target)
{
    assert(target - (field + 1) == (int8_t)(target - (field + 1))); /* whoever emits keeps within reach */
    *field = (uint8_t)(target - (field + 1));
}
/* rcx--, and there unless it is 0; flags stay. */
static inline uint8_t *emit_loop(struct emit *e)
{
    emit8(e, 0xe2);
    return e->at++;
}
static inline void emit_loop_to(struct emit *e, const uint8_t *target)
{
    emit_patch8(emit_loop(e), target);
}
static inline void emit_patch32(uint8_t *field, const uint8_t *target)
{
    memcpy(field, &(int32_t){(int32_t)(target - (field + 4))}, 4);
}

#endif
