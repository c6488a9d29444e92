/*
 * How lowerings are written. See lower_alu.c for the pattern.
 *
 * A row of the ISA table is lowered by the rule that names its handlers; its operand letters say where the operands
 * are, so one function serves a whole family. A row without a rule is called out.
 */
#ifndef FRONTEND_X86_LOWER_INTERNAL_H
#define FRONTEND_X86_LOWER_INTERNAL_H

#include "frontend/x86/cpu.h"
#include "frontend/x86/lower.h"

#define INSN(map_, opcode_, prefix_, modrm_, name_, operands_, reads_, writes_, undef_, ends_, checks_, sensitive_,    \
             feature_, handler_, source_)                                                                              \
    extern const struct interp_handlers interp_##handler_;
#include "frontend/x86/isa.def"
#undef INSN

/* One instruction on its way. */
struct lower {
    struct ir_block *ir;
    const struct insn *in;
    const struct x86_mode *mode;
    const struct isa_row *row;
    const struct lower_rule *rule;
    uint32_t imm; /* of the operand that is IR_IMM */
};

/* False: no lowering in this form or mode. What was appended by then is taken back. */
typedef bool lower_fn(struct lower *l);

struct lower_rule {
    const struct interp_handlers *handlers;
    lower_fn *fn;
    uint8_t opcode; /* enum ir_opcode, for functions that serve several */
    uint8_t access; /* enum ir_access of the first operand, for the same */
};

/* Each ends with a rule without handlers. */
extern const struct lower_rule lower_alu_rules[], lower_mov_rules[], lower_shift_rules[], lower_stack_rules[],
    lower_ctrl_rules[], lower_string_rules[], lower_unit_rules[];

/* The rule for rows that none of these names, or NULL. */
const struct lower_rule *lower_unit_default(const struct isa_row *row);

/* ---- operands ---- */

/* Width in bytes of operand `i`, 255 if it has no single one. */
unsigned lower_width(const struct lower *l, unsigned i);
/* What names operand `i`; maps it for `access` if it is memory. False if this kind of operand is not lowered. */
bool lower_operand(struct lower *l, unsigned i, enum ir_access access, uint8_t *ref);
/* General register `n` as instructions of that width number it: 4..7 are AH..BH for bytes. */
uint8_t lower_reg(unsigned n, unsigned width);
/* The operand size, 2 or 4. */
unsigned lower_opsize(const struct lower *l);

/* Are these parts of the mode known (enum x86_mode_part)? Else they are asked for. */
bool lower_knows(struct lower *l, unsigned parts);
bool lower_knows_segment(struct lower *l, unsigned seg);

/* ---- memory ---- */

struct lower_address {
    uint8_t seg;         /* enum sreg */
    uint8_t base, index; /* enum ir_ref */
    uint8_t scale;
    bool addr16;
    uint32_t disp;
};
/* The instruction's own memory operand. */
struct lower_address lower_address(const struct lower *l);
/* SS:[base + disp] with the stack's width. */
struct lower_address lower_stack_address(const struct lower *l, uint8_t base, uint32_t disp);
/* Appends the MAP; false where the mode does not permit the access without the interpreter's checks. */
bool lower_map(struct lower *l, unsigned width, enum ir_access access, struct lower_address a);
/* Appends a LEA. */
void lower_lea(struct lower *l, unsigned width, uint8_t dst, struct lower_address a);

/* ---- operations ---- */

/* dst OP src; l->imm is the value if src is IR_IMM. */
struct ir_op *lower_op(struct lower *l, enum ir_opcode opcode, unsigned width, uint8_t dst, uint8_t src);

/* Condition codes that lowerings need by name, and the one in the opcode's low bits. */
enum { CONDITION_B = 2, CONDITION_E = 4, CONDITION_NE = 5 };
unsigned lower_condition(const struct lower *l);

/* ---- the stack (lower_stack.c) ---- */

bool lower_map_push(struct lower *l, unsigned width); /* the slot below the top, to be written */
bool lower_map_top(struct lower *l, unsigned width);  /* the top, to be read */
/* eSP = base + delta, with the stack's width. */
void lower_move_sp(struct lower *l, uint8_t base, uint32_t delta);

/* ---- lowerings that several files use ---- */

bool lower_nothing(struct lower *l); /* done without any operation */
bool lower_two(struct lower *l);     /* rule's opcode on the first two operands, the first accessed as the rule says */

#endif
