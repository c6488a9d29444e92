/*
 * Lowering of near control flow: JMP, Jcc, JCXZ, LOOP, CALL, RET.
 * Source: SDM vol. 2A-2B, the page of each instruction. Same families as interp_ctrl.c.
 *
 * An operand size that is not the code segment's truncates EIP, or does not where the others do: those are called out.
 * Whether a constant target lies within the CS limit is the translator's to see to.
 */
#include "frontend/x86/interp.h"
#include "frontend/x86/lower_internal.h"

/* From the first byte of the block's page to the byte after this instruction. */
static uint32_t next_offset(const struct lower *l)
{
    return l->ir->offset[l->ir->n_insns] + (uint32_t)l->in->len;
}
static uint32_t target_offset(const struct lower *l)
{
    return next_offset(l) + l->in->imm;
}
static bool eip_width_differs(const struct lower *l)
{
    return (l->in->opsize32 != 0) != l->mode->code32;
}

static void jump(struct lower *l, enum ir_jump kind)
{
    struct ir_op *op = ir_add(l->ir, IR_JMP, 0);

    op->imm = target_offset(l);
    op->arg = (uint8_t)kind;
}
static void jump_indirect(struct lower *l, unsigned width, uint8_t src, enum ir_jump kind)
{
    lower_op(l, IR_JMPR, width, IR_NONE, src)->arg = (uint8_t)kind;
}

/* A target beyond the limit of CS faults before the jump. False where the interpreter must see to that. */
static bool target_within(struct lower *l, unsigned width, uint8_t target)
{
    switch (l->mode->seg[CS]) {
    case SEG_CLASS_FLAT:
    case SEG_CLASS_BASED:
        return true;
    case SEG_CLASS_64K:
    case SEG_CLASS_CHECKED:
        if (l->mode->seg[CS] == SEG_CLASS_CHECKED || l->mode->code32)
            lower_op(l, IR_WITHIN, width, IR_NONE, target);
        return true;
    default:
        return false;
    }
}

static bool lower_jmp_j(struct lower *l)
{
    if (eip_width_differs(l))
        return false;
    jump(l, IR_JUMP_PLAIN);
    return true;
}

static bool lower_jcc(struct lower *l)
{
    struct ir_op *op;

    if (eip_width_differs(l))
        return false;
    op = ir_add(l->ir, IR_JCC, 0);
    op->imm = target_offset(l);
    op->arg = (uint8_t)lower_condition(l);
    return true;
}

/* The counter of JCXZ and LOOP has the address size. */
static unsigned counter_width(const struct lower *l)
{
    return l->in->addr_mask == 0xffff ? 2 : 4;
}
static void count_down(struct lower *l)
{
    const bool is_word = counter_width(l) == 2;

    lower_lea(l, counter_width(l), IR_ECX,
              (struct lower_address){.base = IR_ECX, .index = IR_NONE, .addr16 = is_word, .disp = 0u - 1});
}
static void jump_if(struct lower *l, enum ir_opcode opcode, uint8_t counter)
{
    lower_op(l, opcode, counter_width(l), IR_NONE, counter)->imm = target_offset(l);
}

static bool lower_jcxz(struct lower *l)
{
    if (eip_width_differs(l))
        return false;
    jump_if(l, IR_JZR, IR_ECX);
    return true;
}

static bool lower_loop(struct lower *l)
{
    if (eip_width_differs(l))
        return false;
    count_down(l);
    jump_if(l, IR_JNZR, IR_ECX);
    return true;
}

/* Jumps on a copy of the counter, which is 0 where ZF forbids to jump. */
static bool loop_while(struct lower *l, unsigned condition)
{
    if (eip_width_differs(l))
        return false;
    count_down(l);
    l->imm = 0;
    lower_op(l, IR_MOV, 4, IR_T0, IR_IMM);
    lower_op(l, IR_CMOV, counter_width(l), IR_T0, IR_ECX)->arg = (uint8_t)condition;
    jump_if(l, IR_JNZR, IR_T0);
    return true;
}
static bool lower_loope(struct lower *l)
{
    return loop_while(l, CONDITION_E);
}
static bool lower_loopne(struct lower *l)
{
    return loop_while(l, CONDITION_NE);
}

/* What CALL and JMP go to: a register that may still be changed by pushing, so T0 for ESP. */
static bool indirect_target(struct lower *l, unsigned width, uint8_t *ref)
{
    if (eip_width_differs(l) || !lower_operand(l, 0, IR_READ, ref))
        return false;
    if (*ref == IR_MEM || *ref == IR_ESP) {
        lower_op(l, IR_MOV, width, IR_T0, *ref);
        *ref = IR_T0;
    }
    return target_within(l, width, *ref);
}

static bool lower_jmp_e(struct lower *l)
{
    unsigned width = lower_opsize(l);
    uint8_t target;

    if (!indirect_target(l, width, &target))
        return false;
    jump_indirect(l, width, target, IR_JUMP_PLAIN);
    return true;
}

static bool push_return_address(struct lower *l, unsigned width)
{
    struct ir_op *op;

    if (!lower_map_push(l, width))
        return false;
    op = lower_op(l, IR_EIP, width, IR_T1, IR_NONE);
    op->imm = next_offset(l);
    lower_op(l, IR_MOV, width, IR_MEM, IR_T1);
    lower_move_sp(l, IR_ESP, 0u - width);
    return true;
}

static bool lower_call_j(struct lower *l)
{
    if (eip_width_differs(l) || !push_return_address(l, lower_opsize(l)))
        return false;
    jump(l, IR_JUMP_CALL);
    return true;
}

static bool lower_call_e(struct lower *l)
{
    unsigned width = lower_opsize(l);
    uint8_t target;

    if (!indirect_target(l, width, &target) || !push_return_address(l, width))
        return false;
    jump_indirect(l, width, target, IR_JUMP_CALL);
    return true;
}

static bool lower_ret(struct lower *l)
{
    unsigned width = lower_opsize(l);

    if (eip_width_differs(l) || !lower_map_top(l, width))
        return false;
    lower_op(l, IR_MOV, width, IR_T0, IR_MEM);
    if (!target_within(l, width, IR_T0))
        return false;
    lower_move_sp(l, IR_ESP, width + (l->in->imm & 0xffff)); /* imm is 0 without Iw */
    jump_indirect(l, width, IR_T0, IR_JUMP_RET);
    return true;
}

#define JCC(suffix, code) {&interp_j##suffix, lower_jcc, 0, 0},

const struct lower_rule lower_ctrl_rules[] = {
    INTERP_CONDITIONS(JCC){&interp_jmp_j, lower_jmp_j, 0, 0},
    {&interp_jmp_e, lower_jmp_e, 0, 0},
    {&interp_jcxz, lower_jcxz, 0, 0},
    {&interp_loop, lower_loop, 0, 0},
    {&interp_loope, lower_loope, 0, 0},
    {&interp_loopne, lower_loopne, 0, 0},
    {&interp_call_j, lower_call_j, 0, 0},
    {&interp_call_e, lower_call_e, 0, 0},
    {&interp_ret, lower_ret, 0, 0},
    {&interp_ret_i, lower_ret, 0, 0},
    {0},
};
