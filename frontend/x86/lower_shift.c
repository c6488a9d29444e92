/*
 * Lowering of shifts, rotates, bit tests, bit scans and POPCNT.
 * Source: SDM vol. 2A-2B, the page of each instruction. Same families as interp_shift.c and interp_bit.c.
 *
 * A constant count of 0, after masking to five bits, changes neither operand nor flags: no operation, though memory is
 * still accessed as a write.
 */
#include "frontend/x86/lower_internal.h"

static bool lower_shift(struct lower *l)
{
    uint8_t dst, count;

    if (!lower_operand(l, 0, IR_UPDATE, &dst) || !lower_operand(l, 1, IR_READ, &count))
        return false;
    l->imm &= 31;
    if (count != IR_IMM || l->imm)
        lower_op(l, l->rule->opcode, lower_width(l, 0), dst, count);
    return true;
}

static bool lower_shift_double(struct lower *l)
{
    uint8_t dst, src, count;
    struct ir_op *op;

    if (!lower_operand(l, 0, IR_UPDATE, &dst) || !lower_operand(l, 1, IR_READ, &src) ||
        !lower_operand(l, 2, IR_READ, &count))
        return false;
    l->imm &= 31;
    if (count == IR_IMM && !l->imm)
        return true;
    op = lower_op(l, l->rule->opcode, lower_width(l, 0), dst, src);
    op->arg = count != IR_IMM;
    op->imm = count == IR_IMM ? l->imm : 0;
    return true;
}

/* With the number in a register, a memory operand is a bit string: the number, signed, selects the word or doubleword
 * too. Its address goes to T1; the bit is worked on in T0, where its number counts modulo the width. */
static bool lower_bit_string(struct lower *l)
{
    const unsigned width = lower_width(l, 0);
    const struct lower_address string = lower_address(l);
    struct lower_address element = {
        .seg = string.seg, .base = IR_T1, .index = IR_T0, .scale = width == 2 ? 1 : 2, .addr16 = string.addr16};
    uint8_t number = lower_reg(l->in->reg, width);

    if (width == 2) {
        lower_op(l, IR_MOVSX, 4, IR_T0, number)->arg = 2;
        number = IR_T0;
    }
    lower_op(l, IR_SARX, 4, IR_T0, number)->imm = width == 2 ? 4 : 5;
    lower_lea(l, 4, IR_T1, string);
    lower_lea(l, 4, IR_T1, element);
    element.index = IR_NONE;
    element.scale = 0;
    if (!lower_map(l, width, l->rule->access, element))
        return false;
    lower_op(l, IR_MOV, width, IR_T0, IR_MEM);
    lower_op(l, l->rule->opcode, width, IR_T0, lower_reg(l->in->reg, width));
    if (l->rule->access != IR_READ)
        lower_op(l, IR_MOV, width, IR_MEM, IR_T0);
    return true;
}

static bool lower_bit_g(struct lower *l)
{
    return l->in->is_mem ? lower_bit_string(l) : lower_two(l);
}

static bool lower_bit_i(struct lower *l)
{
    uint8_t dst, number;
    unsigned width = lower_width(l, 0);

    if (!lower_operand(l, 0, l->rule->access, &dst) || !lower_operand(l, 1, IR_READ, &number))
        return false;
    l->imm &= 8 * width - 1;
    lower_op(l, l->rule->opcode, width, dst, number);
    return true;
}

#define SHIFT(name, opcode)                                                                                            \
    {&interp_##name##_1, lower_shift, IR_##opcode, 0}, {&interp_##name##_i, lower_shift, IR_##opcode, 0},              \
    {                                                                                                                  \
        &interp_##name##_c, lower_shift, IR_##opcode, 0                                                                \
    }
#define SHIFT_DOUBLE(name, opcode)                                                                                     \
    {&interp_##name##_i, lower_shift_double, IR_##opcode, 0},                                                          \
    {                                                                                                                  \
        &interp_##name##_c, lower_shift_double, IR_##opcode, 0                                                         \
    }
#define BIT(name, opcode, access)                                                                                      \
    {&interp_##name##_g, lower_bit_g, IR_##opcode, access},                                                            \
    {                                                                                                                  \
        &interp_##name##_i, lower_bit_i, IR_##opcode, access                                                           \
    }

const struct lower_rule lower_shift_rules[] = {
    SHIFT(rol, ROL),
    SHIFT(ror, ROR),
    SHIFT(rcl, RCL),
    SHIFT(rcr, RCR),
    SHIFT(shl, SHL),
    SHIFT(shr, SHR),
    SHIFT(sar, SAR),
    SHIFT_DOUBLE(shld, SHLD),
    SHIFT_DOUBLE(shrd, SHRD),

    BIT(bt, BT, IR_READ),
    BIT(bts, BTS, IR_UPDATE),
    BIT(btr, BTR, IR_UPDATE),
    BIT(btc, BTC, IR_UPDATE),
    {&interp_bsf, lower_two, IR_BSF, IR_UPDATE},
    {&interp_bsr, lower_two, IR_BSR, IR_UPDATE},
    {&interp_popcnt, lower_two, IR_POPCNT, IR_WRITE},
    {0},
};
