/*
 * Lowering of the stack: PUSH, POP, PUSHA, POPA, ENTER without nesting, LEAVE.
 * Source: SDM vol. 2A-2B, the page of each instruction. Same families as in interp_mov.c.
 *
 * eSP changes last, so a fault or a page trace before it leaves the instruction to be done again. PUSHA and POPA map
 * the first slot; where the others are not beside it in the page, they are the interpreter's.
 */
#include "frontend/x86/lower_internal.h"

static unsigned stack_width(const struct lower *l)
{
    return l->mode->stack32 ? 4 : 2;
}

bool lower_map_push(struct lower *l, unsigned width)
{
    return lower_map(l, width, IR_WRITE, lower_stack_address(l, IR_ESP, 0u - width));
}
bool lower_map_top(struct lower *l, unsigned width)
{
    return lower_map(l, width, IR_READ, lower_stack_address(l, IR_ESP, 0));
}
void lower_move_sp(struct lower *l, uint8_t base, uint32_t delta)
{
    lower_lea(l, stack_width(l), IR_ESP, lower_stack_address(l, base, delta));
}

/* PUSH ESP stores the value from before. */
static bool lower_push(struct lower *l)
{
    unsigned width = lower_opsize(l);
    uint8_t src;

    if (!lower_operand(l, 0, IR_READ, &src))
        return false;
    if (src == IR_MEM) {
        lower_op(l, IR_MOV, width, IR_T0, IR_MEM);
        src = IR_T0;
    }
    if (!lower_map_push(l, width))
        return false;
    lower_op(l, IR_MOV, width, IR_MEM, src);
    lower_move_sp(l, IR_ESP, 0u - width);
    return true;
}

/* POP ESP keeps what was popped, POP SP the upper half from after the increment. */
static bool lower_pop_reg(struct lower *l, unsigned width, uint8_t dst)
{
    if (!lower_map_top(l, width))
        return false;
    if (dst == IR_ESP) {
        lower_op(l, IR_MOV, width, IR_T0, IR_MEM);
        lower_move_sp(l, IR_ESP, width);
        lower_op(l, IR_MOV, width, IR_ESP, IR_T0);
    } else {
        lower_op(l, IR_MOV, width, dst, IR_MEM);
        lower_move_sp(l, IR_ESP, width);
    }
    return true;
}

/* The destination is addressed with the ESP from after the increment. */
static bool lower_pop_mem(struct lower *l, unsigned width)
{
    struct lower_address a = lower_address(l);

    if (a.base == IR_ESP) {
        if (!l->mode->stack32) /* the sum would wrap at 16 bits, the address does not */
            return false;
        a.disp += width;
    }
    if (!lower_map_top(l, width))
        return false;
    lower_op(l, IR_MOV, width, IR_T0, IR_MEM);
    if (!lower_map(l, width, IR_WRITE, a))
        return false;
    lower_op(l, IR_MOV, width, IR_MEM, IR_T0);
    lower_move_sp(l, IR_ESP, width);
    return true;
}

static bool lower_pop(struct lower *l)
{
    unsigned width = lower_opsize(l);
    uint8_t dst;

    if (l->in->is_mem)
        return lower_pop_mem(l, width);
    return lower_operand(l, 0, IR_WRITE, &dst) && lower_pop_reg(l, width, dst);
}

/* Nesting level 0. The final stack top is checked as a write too. */
static bool lower_enter(struct lower *l)
{
    unsigned width = lower_opsize(l);
    uint32_t alloc = l->in->imm & 0xffff;

    /* The push faults first, then the check of where ESP will be; then the push again, as what IR_MEM means. */
    if (l->in->imm2 % 32 != 0 || !lower_map_push(l, width) ||
        !lower_map(l, width, IR_WRITE, lower_stack_address(l, IR_ESP, 0u - width - alloc)) || !lower_map_push(l, width))
        return false;
    lower_op(l, IR_MOV, width, IR_MEM, IR_EBP);
    lower_move_sp(l, IR_ESP, 0u - width);
    lower_op(l, IR_MOV, width, IR_EBP, IR_ESP);
    if (alloc)
        lower_move_sp(l, IR_ESP, 0u - alloc);
    return true;
}

static bool lower_leave(struct lower *l)
{
    unsigned width = lower_opsize(l);

    if (!lower_map(l, width, IR_READ, lower_stack_address(l, IR_EBP, 0)))
        return false;
    lower_move_sp(l, IR_EBP, width);
    lower_op(l, IR_MOV, width, IR_EBP, IR_MEM);
    return true;
}

static bool lower_all(struct lower *l)
{
    const unsigned width = lower_opsize(l);
    const bool is_push = l->rule->opcode == IR_PUSHA;

    if (l->mode->seg[SS] != (l->mode->stack32 ? SEG_CLASS_FLAT : SEG_CLASS_64K) ||
        !(is_push ? lower_map_push : lower_map_top)(l, width))
        return false;
    ir_add(l->ir, l->rule->opcode, width);
    lower_move_sp(l, IR_ESP, is_push ? 0u - 8 * width : 8 * width);
    return true;
}

const struct lower_rule lower_stack_rules[] = {
    {&interp_push_z, lower_push, 0, 0},    {&interp_push_i, lower_push, 0, 0},
    {&interp_push_e, lower_push, 0, 0},    {&interp_pop_z, lower_pop, 0, 0},
    {&interp_pop_e, lower_pop, 0, 0},      {&interp_enter, lower_enter, 0, 0},
    {&interp_leave, lower_leave, 0, 0},    {&interp_pusha, lower_all, IR_PUSHA, 0},
    {&interp_popa, lower_all, IR_POPA, 0}, {0},
};
