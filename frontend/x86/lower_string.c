/*
 * Lowering of string instructions that are not repeated: plain moves and additions. Repeated ones are called out: the
 * interpreter moves whole pages at a time.
 * Source: SDM vol. 2A-2B, the page of each instruction.
 */
#include "frontend/x86/lower_internal.h"

static bool is_plain(const struct lower *l)
{
    return l->in->rep == REP_NONE;
}

static struct lower_address at(const struct lower *l, uint8_t reg, unsigned seg)
{
    return (struct lower_address){
        .seg = (uint8_t)seg, .base = reg, .index = IR_NONE, .addr16 = l->in->addr_mask == 0xffff};
}

static unsigned width_of(const struct lower *l)
{
    return 1u << l->in->width; /* enum interp_width */
}

static void advance(struct lower *l, uint8_t reg, unsigned by)
{
    struct lower_address a = at(l, reg, DS);

    a.disp = l->mode->forward ? by : 0u - by;
    lower_lea(l, a.addr16 ? 2 : 4, reg, a);
}

static bool lower_movs(struct lower *l)
{
    const unsigned width = width_of(l);

    if (!is_plain(l) || !lower_map(l, width, IR_READ, at(l, IR_ESI, l->in->seg)))
        return false;
    lower_op(l, IR_MOV, width, IR_T0, IR_MEM);
    if (!lower_map(l, width, IR_WRITE, at(l, IR_EDI, ES)))
        return false;
    lower_op(l, IR_MOV, width, IR_MEM, IR_T0);
    advance(l, IR_ESI, width);
    advance(l, IR_EDI, width);
    return true;
}

static bool lower_stos(struct lower *l)
{
    const unsigned width = width_of(l);

    if (!is_plain(l) || !lower_map(l, width, IR_WRITE, at(l, IR_EDI, ES)))
        return false;
    lower_op(l, IR_MOV, width, IR_MEM, IR_EAX);
    advance(l, IR_EDI, width);
    return true;
}

static bool lower_lods(struct lower *l)
{
    const unsigned width = width_of(l);

    if (!is_plain(l) || !lower_map(l, width, IR_READ, at(l, IR_ESI, l->in->seg)))
        return false;
    lower_op(l, IR_MOV, width, IR_EAX, IR_MEM);
    advance(l, IR_ESI, width);
    return true;
}

static bool lower_scas(struct lower *l)
{
    const unsigned width = width_of(l);

    if (!is_plain(l) || !lower_map(l, width, IR_READ, at(l, IR_EDI, ES)))
        return false;
    lower_op(l, IR_CMP, width, IR_EAX, IR_MEM);
    advance(l, IR_EDI, width);
    return true;
}

static bool lower_cmps(struct lower *l)
{
    const unsigned width = width_of(l);

    if (!is_plain(l) || !lower_map(l, width, IR_READ, at(l, IR_ESI, l->in->seg)))
        return false;
    lower_op(l, IR_MOV, width, IR_T0, IR_MEM);
    if (!lower_map(l, width, IR_READ, at(l, IR_EDI, ES)))
        return false;
    lower_op(l, IR_CMP, width, IR_T0, IR_MEM);
    advance(l, IR_ESI, width);
    advance(l, IR_EDI, width);
    return true;
}

/* The mode knows whether there is anything to do. */
static bool lower_cld_std(struct lower *l)
{
    if (l->mode->forward != (l->rule->opcode == IR_CLD))
        ir_add(l->ir, l->rule->opcode, 0);
    return true;
}

const struct lower_rule lower_string_rules[] = {
    {&interp_movs, lower_movs, 0, 0},        {&interp_stos, lower_stos, 0, 0},
    {&interp_lods, lower_lods, 0, 0},        {&interp_scas, lower_scas, 0, 0},
    {&interp_cmps, lower_cmps, 0, 0},        {&interp_cld, lower_cld_std, IR_CLD, 0},
    {&interp_std, lower_cld_std, IR_STD, 0}, {0},
};
