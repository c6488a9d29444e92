/*
 * Lowering of data transfer: MOV, MOVZX, MOVSX, XCHG, LEA, CMOVcc, SETcc, XLAT, BSWAP, sign extension of the
 * accumulator, NOP and hints. Source: SDM vol. 2A-2D, the page of each instruction. Same families as interp_mov.c; the
 * stack is in lower_stack.c.
 */
#include "frontend/x86/interp.h"
#include "frontend/x86/lower_internal.h"

static bool lower_extend(struct lower *l)
{
    uint8_t dst, src;
    unsigned width = lower_width(l, 0), from = lower_width(l, 1);

    if (!lower_operand(l, 0, IR_WRITE, &dst) || !lower_operand(l, 1, IR_READ, &src))
        return false;
    if (from == width) /* a word to a word */
        lower_op(l, IR_MOV, width, dst, src);
    else
        lower_op(l, l->rule->opcode, width, dst, src)->arg = (uint8_t)from;
    return true;
}

/* XCHG of a register with itself is nothing. */
static bool lower_xchg(struct lower *l)
{
    uint8_t dst, src;
    unsigned width = lower_width(l, 0);

    if (!lower_operand(l, 0, IR_UPDATE, &dst) || !lower_operand(l, 1, IR_READ, &src))
        return false;
    if (dst == IR_MEM) {
        lower_op(l, IR_MOV, width, IR_T0, IR_MEM);
        lower_op(l, IR_MOV, width, IR_MEM, src);
        lower_op(l, IR_MOV, width, src, IR_T0);
    } else if (dst != src) {
        lower_op(l, IR_XCHG, width, dst, src);
    }
    return true;
}

static bool lower_lea_insn(struct lower *l)
{
    lower_lea(l, lower_opsize(l), l->in->reg, lower_address(l));
    return true;
}

/* CBW, CWDE */
static bool lower_cbw(struct lower *l)
{
    unsigned width = lower_opsize(l);

    lower_op(l, IR_MOVSX, width, IR_EAX, IR_EAX)->arg = (uint8_t)(width / 2);
    return true;
}

/* CWD, CDQ */
static bool lower_cwd(struct lower *l)
{
    lower_op(l, IR_SIGN, lower_opsize(l), IR_EDX, IR_EAX);
    return true;
}

/* A 16-bit operand gives 0; see interp_mov.c. */
static bool lower_bswap(struct lower *l)
{
    if (l->in->opsize32)
        lower_op(l, IR_BSWAP, 4, l->in->reg, IR_NONE);
    else
        lower_op(l, IR_MOV, 2, l->in->reg, IR_IMM);
    return true;
}

static bool lower_xlat(struct lower *l)
{
    struct lower_address table = {
        .seg = l->in->seg, .base = IR_EBX, .index = IR_T0, .addr16 = l->in->addr_mask == 0xffff};

    lower_op(l, IR_MOVZX, 4, IR_T0, IR_EAX)->arg = 1;
    if (!lower_map(l, 1, IR_READ, table))
        return false;
    lower_op(l, IR_MOV, 1, IR_EAX, IR_MEM);
    return true;
}

static bool lower_cmov(struct lower *l)
{
    uint8_t dst, src;

    if (!lower_operand(l, 0, IR_UPDATE, &dst) || !lower_operand(l, 1, IR_READ, &src))
        return false;
    lower_op(l, IR_CMOV, lower_width(l, 0), dst, src)->arg = (uint8_t)lower_condition(l);
    return true;
}

static bool lower_setcc(struct lower *l)
{
    uint8_t dst;

    if (!lower_operand(l, 0, IR_WRITE, &dst))
        return false;
    lower_op(l, IR_SETCC, 1, dst, IR_NONE)->arg = (uint8_t)lower_condition(l);
    return true;
}

/* CLFLUSH is checked like a load of one byte. */
static bool lower_check_read(struct lower *l)
{
    uint8_t ref;

    return lower_operand(l, 0, IR_READ, &ref);
}

#define CMOV(suffix, code) {&interp_cmov##suffix, lower_cmov, 0, 0},
#define SET(suffix, code)  {&interp_set##suffix, lower_setcc, 0, 0},

const struct lower_rule lower_mov_rules[] = {
    {&interp_mov_eg, lower_two, IR_MOV, IR_WRITE},
    {&interp_mov_ge, lower_two, IR_MOV, IR_WRITE},
    {&interp_mov_ei, lower_two, IR_MOV, IR_WRITE},
    {&interp_mov_zi, lower_two, IR_MOV, IR_WRITE},
    {&interp_mov_ao, lower_two, IR_MOV, IR_WRITE},
    {&interp_mov_oa, lower_two, IR_MOV, IR_WRITE},

    {&interp_movzx_b, lower_extend, IR_MOVZX, 0},
    {&interp_movzx_w, lower_extend, IR_MOVZX, 0},
    {&interp_movsx_b, lower_extend, IR_MOVSX, 0},
    {&interp_movsx_w, lower_extend, IR_MOVSX, 0},

    {&interp_xchg_eg, lower_xchg, 0, 0},
    {&interp_lea, lower_lea_insn, 0, 0},
    {&interp_cbw, lower_cbw, 0, 0},
    {&interp_cwd, lower_cwd, 0, 0},
    {&interp_bswap, lower_bswap, 0, 0},
    {&interp_xlat, lower_xlat, 0, 0},

    INTERP_CONDITIONS(CMOV) INTERP_CONDITIONS(SET)

        {&interp_nop, lower_nothing, 0, 0},
    {&interp_sse_nothing, lower_nothing, 0, 0},
    {&interp_sse_clflush, lower_check_read, 0, 0},
    {0},
};
