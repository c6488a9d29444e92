/*
 * Lowering of arithmetic and logic, multiplication and division, CMPXCHG, CMPXCHG8B, XADD and the arithmetic flags.
 * Source: SDM vol. 2A-2D, the page of each instruction. Same families as interp_alu.c and interp_muldiv.c.
 *
 * Decimal adjustment is called out.
 */
#include "frontend/x86/lower_internal.h"

static bool lower_one(struct lower *l)
{
    uint8_t dst;

    if (!lower_operand(l, 0, IR_UPDATE, &dst))
        return false;
    lower_op(l, l->rule->opcode, lower_width(l, 0), dst, IR_NONE);
    return true;
}

/* The accumulator is implied. */
static bool lower_muldiv(struct lower *l)
{
    uint8_t src;

    if (!lower_operand(l, 0, IR_READ, &src))
        return false;
    lower_op(l, l->rule->opcode, lower_width(l, 0), IR_NONE, src);
    return true;
}

static bool lower_imul3(struct lower *l)
{
    uint8_t dst, src, imm;
    unsigned width = lower_width(l, 0);
    struct ir_op *op;

    if (!lower_operand(l, 0, IR_WRITE, &dst) || !lower_operand(l, 1, IR_READ, &src) ||
        !lower_operand(l, 2, IR_READ, &imm))
        return false;
    op = lower_op(l, IR_IMUL3, width, dst, src);
    op->imm = width == 2 ? l->imm & 0xffff : l->imm;
    return true;
}

/* Into a temporary; there are no conditional moves of bytes, so these are widened. */
static unsigned load_temporary(struct lower *l, uint8_t temporary, uint8_t src, unsigned width)
{
    if (width > 1) {
        lower_op(l, IR_MOV, width, temporary, src);
        return width;
    }
    lower_op(l, IR_MOVZX, 4, temporary, src)->arg = 1;
    return 4;
}

/*
 * The accumulator holds the old destination afterwards in any case: when the two were equal it is the same value. The
 * order of the two moves serves each form: a memory operand's address may use EAX, a register operand may be EAX.
 */
static bool lower_cmpxchg(struct lower *l)
{
    uint8_t dst, src;
    unsigned width = lower_width(l, 0), wide;

    if (!lower_operand(l, 0, IR_UPDATE, &dst) || !lower_operand(l, 1, IR_READ, &src))
        return false;
    wide = load_temporary(l, IR_T0, dst, width);
    load_temporary(l, IR_T1, src, width);
    lower_op(l, IR_CMP, width, IR_EAX, IR_T0);
    lower_op(l, IR_CMOV, wide, IR_T1, IR_T0)->arg = CONDITION_NE;
    if (dst == IR_MEM) {
        lower_op(l, IR_MOV, width, IR_MEM, IR_T1);
        lower_op(l, IR_MOV, width, IR_EAX, IR_T0);
    } else {
        lower_op(l, IR_MOV, width, IR_EAX, IR_T0);
        lower_op(l, IR_MOV, width, dst, IR_T1);
    }
    return true;
}

static bool lower_cmpxchg8b(struct lower *l)
{
    if (!lower_map(l, 8, IR_UPDATE, lower_address(l)))
        return false;
    lower_op(l, IR_CMPXCHG8, 4, IR_NONE, IR_MEM);
    return true;
}

/* With the operands exchanged first, the sum is right for a register added to itself too. */
static bool lower_xadd(struct lower *l)
{
    uint8_t dst, src;
    unsigned width = lower_width(l, 0);

    if (!lower_operand(l, 0, IR_UPDATE, &dst) || !lower_operand(l, 1, IR_READ, &src))
        return false;
    if (dst == IR_MEM) {
        lower_op(l, IR_MOV, width, IR_T0, IR_MEM);
        lower_op(l, IR_ADD, width, IR_MEM, src);
        lower_op(l, IR_MOV, width, src, IR_T0);
    } else {
        if (dst != src)
            lower_op(l, IR_XCHG, width, dst, src);
        lower_op(l, IR_ADD, width, dst, src);
    }
    return true;
}

/* LAHF and the like: no operands, nothing to say but the operation. */
static bool lower_plain(struct lower *l)
{
    ir_add(l->ir, l->rule->opcode, 0);
    return true;
}

/* AL = CF ? FF : 0, flags unchanged. */
static bool lower_salc(struct lower *l)
{
    l->imm = 0;
    lower_op(l, IR_MOV, 4, IR_T0, IR_IMM);
    l->imm = 0xff;
    lower_op(l, IR_MOV, 4, IR_T1, IR_IMM);
    lower_op(l, IR_CMOV, 4, IR_T0, IR_T1)->arg = CONDITION_B;
    lower_op(l, IR_MOV, 1, IR_EAX, IR_T0);
    return true;
}

#define TWO(name, opcode, access)                                                                                      \
    {&interp_##name##_eg, lower_two, IR_##opcode, access}, {&interp_##name##_ge, lower_two, IR_##opcode, access},      \
    {                                                                                                                  \
        &interp_##name##_ei, lower_two, IR_##opcode, access                                                            \
    }

const struct lower_rule lower_alu_rules[] = {
    TWO(add, ADD, IR_UPDATE),
    TWO(or, OR, IR_UPDATE),
    TWO(adc, ADC, IR_UPDATE),
    TWO(sbb, SBB, IR_UPDATE),
    TWO(and, AND, IR_UPDATE),
    TWO(sub, SUB, IR_UPDATE),
    TWO(xor, XOR, IR_UPDATE),
    TWO(cmp, CMP, IR_READ),
    {&interp_test_eg, lower_two, IR_TEST, IR_READ},
    {&interp_test_ei, lower_two, IR_TEST, IR_READ},

    {&interp_inc_z, lower_one, IR_INC, 0},
    {&interp_dec_z, lower_one, IR_DEC, 0},
    {&interp_inc_e, lower_one, IR_INC, 0},
    {&interp_dec_e, lower_one, IR_DEC, 0},
    {&interp_neg_e, lower_one, IR_NEG, 0},
    {&interp_not_e, lower_one, IR_NOT, 0},

    {&interp_cmpxchg_eg, lower_cmpxchg, 0, 0},
    {&interp_cmpxchg8b, lower_cmpxchg8b, 0, 0},
    {&interp_xadd_eg, lower_xadd, 0, 0},

    {&interp_mul_e, lower_muldiv, IR_MUL, 0},
    {&interp_imul_e, lower_muldiv, IR_IMUL1, 0},
    {&interp_div_e, lower_muldiv, IR_DIV, 0},
    {&interp_idiv_e, lower_muldiv, IR_IDIV, 0},
    {&interp_imul_ge, lower_two, IR_IMUL2, IR_UPDATE},
    {&interp_imul_gei, lower_imul3, 0, 0},

    {&interp_lahf, lower_plain, IR_LAHF, 0},
    {&interp_sahf, lower_plain, IR_SAHF, 0},
    {&interp_clc, lower_plain, IR_CLC, 0},
    {&interp_stc, lower_plain, IR_STC, 0},
    {&interp_cmc, lower_plain, IR_CMC, 0},
    {&interp_salc, lower_salc, 0, 0},
    {0},
};
