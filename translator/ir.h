/*
 * The intermediate representation: a list of x86-shaped micro-operations for one block of guest code.
 *
 * An operation is about one host instruction. Guest registers are fixed names, the arithmetic flags are one implicit
 * register whose definitions and uses each row of ir.def states, memory is reached through MAP. There is no SSA and no
 * register allocation: a backend gives every name a place once and for all (backend/x86_64/plan.h).
 *
 * Rules, checked by ir_check:
 *  - operations stand in the order of the guest instructions they belong to (`insn`);
 *  - T0 and T1 do not live from one guest instruction to the next;
 *  - IR_MEM names the last MAP of the same guest instruction; its width is the MAP's or less (a MAP of more bytes may
 * be read in part), and only a MAP for writing may be written;
 *  - within one guest instruction, nothing that FAULTs follows an operation that changes guest state (a register, a
 *    flag, memory): so a guest instruction can always be done again from its start by the interpreter;
 *  - the last operation, and no other, ENDs.
 *
 * UNIT: `imm` is the ISA row, with the instruction's immediate byte (if it has one) in bits 16..23; `arg` is the
 * guest's ModRM byte; `src` is IR_MEM for a memory operand, else IR_NONE. Which fields of ModRM are general registers,
 * and whether memory is read or written, follows from the row's operands. It is the one operation whose meaning is the
 * ISA table's: a backend for another host implements the rows it wants and has the interpreter run the rest.
 */
#ifndef TRANSLATOR_IR_H
#define TRANSLATOR_IR_H

#include <stdbool.h>
#include <stdint.h>

enum ir_flag {
    IR_F_C = 1 << 0,
    IR_F_P = 1 << 2,
    IR_F_A = 1 << 4,
    IR_F_Z = 1 << 6,
    IR_F_S = 1 << 7,
    IR_F_O = 1 << 11,
    IR_F_SZPC = IR_F_S | IR_F_Z | IR_F_P | IR_F_C,
    IR_F_OSZPC = IR_F_O | IR_F_SZPC,
    IR_F_OSZAP = IR_F_O | IR_F_S | IR_F_Z | IR_F_A | IR_F_P,
    IR_F_ALL = IR_F_OSZPC | IR_F_A,
};

/* Operands. The first eight are the guest's registers in the order of their numbers; `width` says how much of them. */
enum ir_ref {
    IR_EAX,
    IR_ECX,
    IR_EDX,
    IR_EBX,
    IR_ESP,
    IR_EBP,
    IR_ESI,
    IR_EDI,
    IR_AH,
    IR_CH,
    IR_DH,
    IR_BH, /* only with width 1 */
    IR_T0,
    IR_T1,   /* temporaries of 32 bits */
    IR_MEM,  /* what the last MAP found */
    IR_IMM,  /* the field `imm`, of the operation's width */
    IR_NONE, /* no base, no index */
};

enum ir_format {
    IR_FORMAT_NONE,
    IR_FORMAT_DST,          /* dst: register or MEM, read and written (SETCC, EIP: written) */
    IR_FORMAT_SRC,          /* src: register or MEM (JMPR: register, T0) */
    IR_FORMAT_DST_SRC,      /* dst: register or MEM; src: register, MEM or IMM; at most one MEM */
    IR_FORMAT_SRC_SRC,      /* the same, dst is only read */
    IR_FORMAT_DST_SRC_FROM, /* dst: register; src: register or MEM of `arg` bytes */
    IR_FORMAT_DST_SRC_CC,   /* arg: condition code */
    IR_FORMAT_DST_SRC_IMM,
    IR_FORMAT_DST_SRC_COUNT, /* arg: 1 count in ECX, 0 count in imm */
    IR_FORMAT_DST_COUNT,     /* src: IMM or ECX */
    IR_FORMAT_DST_CC,
    IR_FORMAT_DST_EA, /* width: of the result; addr16 wraps the offset */
    IR_FORMAT_DST_IMM,
    IR_FORMAT_DST_SREG, /* arg: segment register, enum sreg */
    IR_FORMAT_SRC_SREG, /* src: a register of 2 bytes */
    IR_FORMAT_EA,       /* width, access, seg */
    IR_FORMAT_UNIT,
    IR_FORMAT_TARGET,
    IR_FORMAT_TARGET_CC,
    IR_FORMAT_TARGET_SRC, /* width: of the register that is tested */
};

enum ir_effect {
    IR_EFFECT_PURE,
    IR_EFFECT_FAULT,
    IR_EFFECT_CALLOUT,
    IR_EFFECT_EXIT,
    IR_EFFECT_END,
};

enum ir_opcode {
#define OP(name, text, format, reads, defines, undefines, effects) IR_##name,
#include "translator/ir.def"
#undef OP
    IR_OPCODES
};

enum ir_access { IR_READ, IR_WRITE, IR_UPDATE }; /* UPDATE: read and written; faults as a write */

/* What kind of transfer a JMP or JMPR is; for the prediction of returns. */
enum ir_jump { IR_JUMP_PLAIN, IR_JUMP_CALL, IR_JUMP_RET };

struct ir_op {
    uint8_t opcode;      /* enum ir_opcode */
    uint8_t width;       /* bytes: 1, 2, 4; MAP also 8, 10, 16 */
    uint8_t dst, src;    /* enum ir_ref */
    uint8_t arg;         /* see the format; MAP: enum ir_access; JMP, JMPR: enum ir_jump */
    uint8_t insn;        /* number of the guest instruction in the block */
    uint8_t base, index; /* EA: enum ir_ref, a register or IR_NONE */
    uint8_t scale;       /* EA: index is shifted left by it */
    uint8_t seg;         /* MAP: ES CS SS DS FS GS = 0..5 */
    uint8_t addr16;      /* EA: the offset wraps at 16 bits */
    uint8_t align;       /* MAP: the address must be a multiple of this (0, 16); if not, the interpreter decides */
    uint32_t imm;        /* immediate; EA: displacement; targets: offset from the page's first byte */
};

/* A block never holds more guest instructions, nor more operations. */
#define IR_MAX_INSNS    64u
#define IR_OPS_PER_INSN 12u
#define IR_MAX_OPS      (IR_MAX_INSNS * IR_OPS_PER_INSN + 1u) /* and the JMP that closes it */

struct ir_block {
    uint32_t n_ops, n_insns;
    bool code16;                       /* EIP wraps at 16 bits */
    uint8_t asked;                     /* parts of the mode that lowerings wanted to know (frontend/x86/lower.h) */
    uint16_t offset[IR_MAX_INSNS + 1]; /* of each guest instruction in its page, and of the byte after the last one */
    struct ir_op op[IR_MAX_OPS];
};

struct ir_op_info {
    const char *text;
    uint8_t format, effect;
    uint16_t reads, defines, undefines;
};
extern const struct ir_op_info ir_info[IR_OPCODES];

/* ---- building (ir.c) ---- */

void ir_begin(struct ir_block *ir, bool code16);
/* Appends an operation of the current guest instruction, all other fields 0 or IR_NONE; the caller fills them in. */
struct ir_op *ir_add(struct ir_block *ir, enum ir_opcode opcode, unsigned width);

/* ---- text (ir_text.c) ---- */

/* One operation as a line without newline; returns its length as snprintf does. */
int ir_print_op(const struct ir_op *op, char *out, unsigned size);
/* Reads what ir_print_op wrote. False with *error naming what is wrong (a static string). */
bool ir_parse_op(const char *text, struct ir_op *op, const char **error);

/* ---- rules (ir_check.c) ---- */

/* NULL if the block keeps the rules above, else the rule it breaks; *where is the operation's number. */
const char *ir_check(const struct ir_block *ir, unsigned *where);

#endif
