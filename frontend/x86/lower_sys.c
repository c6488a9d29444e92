/*
 * Inline emulation of sensitive instructions that are frequent: segment registers, far transfers of real and
 * virtual-8086 mode, PUSHF, POPF, CLI, STI, IRET, RDTSC. They work on the virtual processor's state, as the interpreter
 * does, and only where nothing of what translations depend on changes; all else is called out. Source: SDM vol. 2, the
 * page of each instruction. Same families as interp_sys_seg.c, interp_sys_far.c, interp_sys_flag.c, interp_sys_iret.c
 * and interp_sys_ctl.c.
 */
#include "frontend/x86/lower_internal.h"

static bool is_real_or_v86(const struct x86_mode *mode)
{
    return !mode->protected_mode || mode->v86;
}

/* ---- segment registers ---- */

/* What each loads; MOV and POP say it in their bytes. */
static unsigned opcode_sreg(const struct insn *in)
{
    return in->opcode >> 3 & 7;
}

/* In real and virtual-8086 mode selector and base are all that changes in a register of class 64K (seg.c). A protected
 * mode load of SS has checks of its own. */
static bool load_segment(struct lower *l, unsigned seg, uint8_t selector)
{
    const unsigned class = l->mode->seg[seg];

    if (!lower_knows_segment(l, seg))
        return false;
    if (is_real_or_v86(l->mode) ? class != SEG_CLASS_64K : seg == SS || class == SEG_CLASS_OTHER)
        return false;
    lower_op(l, is_real_or_v86(l->mode) ? IR_SEG_REAL : IR_SEG_PROT, 2, IR_NONE, selector)->arg = (uint8_t)seg;
    return true;
}

static bool lower_mov_to_sreg(struct lower *l)
{
    uint8_t src = lower_reg(l->in->rm, 2);

    if (l->in->reg == CS || l->in->reg >= SREGS)
        return false;
    if (l->in->is_mem) {
        if (!lower_map(l, 2, IR_READ, lower_address(l)))
            return false;
        src = IR_T0;
        lower_op(l, IR_MOV, 2, IR_T0, IR_MEM);
    }
    return load_segment(l, l->in->reg, src);
}

static bool lower_mov_from_sreg(struct lower *l)
{
    const unsigned width = l->in->is_mem ? 2 : lower_opsize(l);

    if (l->in->reg >= SREGS || (l->in->is_mem && !lower_map(l, width, IR_WRITE, lower_address(l))))
        return false;
    lower_op(l, IR_SELECTOR, width, l->in->is_mem ? IR_MEM : lower_reg(l->in->rm, width), IR_NONE)->arg = l->in->reg;
    return true;
}

static bool lower_push_sreg(struct lower *l)
{
    const unsigned width = lower_opsize(l);

    if (!lower_map_push(l, width))
        return false;
    lower_op(l, IR_SELECTOR, width, IR_MEM, IR_NONE)->arg = (uint8_t)opcode_sreg(l->in);
    lower_move_sp(l, IR_ESP, 0u - width);
    return true;
}

static bool lower_pop_sreg(struct lower *l)
{
    const unsigned width = lower_opsize(l);

    if (!lower_map_top(l, width))
        return false;
    lower_op(l, IR_MOV, width, IR_T0, IR_MEM);
    if (!load_segment(l, opcode_sreg(l->in), IR_T0))
        return false;
    lower_move_sp(l, IR_ESP, width);
    return true;
}

/* A far pointer in memory: offset to `offset`, selector to `selector`. */
static bool read_pointer(struct lower *l, uint8_t offset, uint8_t selector)
{
    const unsigned width = lower_opsize(l);
    struct lower_address a = lower_address(l);

    if (!lower_map(l, width, IR_READ, a))
        return false;
    lower_op(l, IR_MOV, width, offset, IR_MEM);
    a.disp += width;
    if (a.base == IR_NONE && a.index == IR_NONE)
        a.disp &= l->in->addr_mask;
    if (!lower_map(l, 2, IR_READ, a))
        return false;
    lower_op(l, IR_MOV, 2, selector, IR_MEM);
    return true;
}

static bool lower_load_pointer(struct lower *l)
{
    const unsigned width = lower_opsize(l);

    if (!read_pointer(l, IR_T1, IR_T0) || !load_segment(l, l->rule->opcode, IR_T0))
        return false;
    lower_op(l, IR_MOV, width, lower_reg(l->in->reg, width), IR_T1);
    return true;
}

/* ---- far transfers: real and virtual-8086 mode, 16 bits all through ---- */

/* CS keeps its limit, and no IP of 16 bits is beyond it. */
static bool far_is_plain(const struct lower *l)
{
    return is_real_or_v86(l->mode) && !l->mode->code32 && !l->in->opsize32 && !l->mode->stack32 &&
           l->mode->seg[CS] == SEG_CLASS_64K && l->mode->seg[SS] == SEG_CLASS_64K;
}

/* To T1:T0. */
static void go_far(struct lower *l, enum ir_jump kind)
{
    lower_op(l, IR_SEG_REAL, 2, IR_NONE, IR_T1)->arg = CS;
    if (kind == IR_JUMP_CALL)
        lower_move_sp(l, IR_ESP, 0u - 4);
    lower_op(l, IR_JMPR, 2, IR_NONE, IR_T0)->arg = (uint8_t)kind;
}

static bool lower_far(struct lower *l)
{
    const enum ir_jump kind = l->rule->opcode;

    if (!far_is_plain(l))
        return false;
    if (l->in->is_mem) {
        if (!read_pointer(l, IR_T0, IR_T1))
            return false;
    } else {
        l->imm = l->in->imm;
        lower_op(l, IR_MOV, 2, IR_T0, IR_IMM);
        l->imm = l->in->imm2;
        lower_op(l, IR_MOV, 2, IR_T1, IR_IMM);
    }
    if (kind == IR_JUMP_CALL) {
        if (!lower_map_push(l, 2) || !lower_map_push(l, 4)) /* CS faults first */
            return false;
        lower_op(l, IR_CS_EIP, 4, IR_MEM, IR_NONE)->imm = l->ir->offset[l->ir->n_insns] + (uint32_t)l->in->len;
    }
    go_far(l, kind);
    return true;
}

/* IP and CS from the stack to T0 and T1. */
static bool read_return_address(struct lower *l)
{
    if (!lower_map_top(l, 2))
        return false;
    lower_op(l, IR_MOV, 2, IR_T0, IR_MEM);
    if (!lower_map(l, 2, IR_READ, lower_stack_address(l, IR_ESP, 2)))
        return false;
    lower_op(l, IR_MOV, 2, IR_T1, IR_MEM);
    return true;
}

static bool lower_ret_far(struct lower *l)
{
    if (!far_is_plain(l) || !read_return_address(l))
        return false;
    lower_move_sp(l, IR_ESP, 4 + (l->in->imm & 0xffff)); /* imm is 0 without Iw */
    go_far(l, IR_JUMP_RET);
    return true;
}

/* ---- EFLAGS ---- */

/* May POPF, STI, CLI change IF here? Where V86 mode has an IOPL below 3 they trap. */
static bool if_is_writable(const struct x86_mode *mode)
{
    return !mode->protected_mode || mode->cpl <= mode->iopl;
}
static bool v86_traps(const struct x86_mode *mode)
{
    return mode->v86 && mode->iopl < 3;
}

static bool lower_pushf(struct lower *l)
{
    const unsigned width = lower_opsize(l);

    if (v86_traps(l->mode))
        return false;
    lower_op(l, IR_EFLAGS, width, IR_T0, IR_NONE);
    if (!lower_map_push(l, width))
        return false;
    lower_op(l, IR_MOV, width, IR_MEM, IR_T0);
    lower_move_sp(l, IR_ESP, 0u - width);
    return true;
}

static bool lower_popf(struct lower *l)
{
    const unsigned width = lower_opsize(l);

    if (v86_traps(l->mode) || !lower_map_top(l, width))
        return false;
    lower_op(l, IR_MOV, width, IR_T0, IR_MEM);
    lower_op(l, IR_POPF, width, IR_NONE, IR_T0);
    lower_move_sp(l, IR_ESP, width);
    return true;
}

static bool lower_cli_sti(struct lower *l)
{
    if (!if_is_writable(l->mode))
        return false;
    ir_add(l->ir, l->rule->opcode, 0);
    return true;
}

static bool lower_iret(struct lower *l)
{
    if (!far_is_plain(l) || v86_traps(l->mode) || !read_return_address(l) ||
        !lower_map(l, 2, IR_READ, lower_stack_address(l, IR_ESP, 4)))
        return false;
    lower_op(l, IR_POPF, 2, IR_NONE, IR_MEM)->arg = 1;
    lower_move_sp(l, IR_ESP, 6);
    go_far(l, IR_JUMP_RET);
    return true;
}

/* ---- time ---- */

static bool lower_rdtsc(struct lower *l)
{
    ir_add(l->ir, IR_TSC, 0);
    return true;
}

static const struct lower_rule sys_rules[] = {
    {&interp_mov_to_sreg, lower_mov_to_sreg, 0, 0},
    {&interp_mov_to_ss, lower_mov_to_sreg, 0, 0},
    {&interp_mov_from_sreg, lower_mov_from_sreg, 0, 0},
    {&interp_push_sreg, lower_push_sreg, 0, 0},
    {&interp_pop_sreg, lower_pop_sreg, 0, 0},
    {&interp_pop_ss, lower_pop_sreg, 0, 0},
    {&interp_les, lower_load_pointer, ES, 0},
    {&interp_lss, lower_load_pointer, SS, 0},
    {&interp_lds, lower_load_pointer, DS, 0},
    {&interp_lfs, lower_load_pointer, FS, 0},
    {&interp_lgs, lower_load_pointer, GS, 0},
    {&interp_jmp_far_imm, lower_far, IR_JUMP_PLAIN, 0},
    {&interp_jmp_far_mem, lower_far, IR_JUMP_PLAIN, 0},
    {&interp_call_far_imm, lower_far, IR_JUMP_CALL, 0},
    {&interp_call_far_mem, lower_far, IR_JUMP_CALL, 0},
    {&interp_ret_far, lower_ret_far, 0, 0},
    {&interp_ret_far_imm, lower_ret_far, 0, 0},
    {&interp_pushf, lower_pushf, 0, 0},
    {&interp_popf, lower_popf, 0, 0},
    {&interp_cli, lower_cli_sti, IR_CLI, 0},
    {&interp_sti, lower_cli_sti, IR_STI, 0},
    {&interp_iret, lower_iret, 0, 0},
    {&interp_rdtsc, lower_rdtsc, 0, 0},
    {0},
};

bool x86_redirect_inline(struct ir_block *ir, const struct insn *in, const struct x86_mode *mode)
{
    const uint32_t n_ops = ir->n_ops;
    struct lower l = {.ir = ir, .in = in, .mode = mode, .row = &isa_table[in->row]};

    if (in->has_lock)
        return false;
    for (l.rule = sys_rules; l.rule->handlers; l.rule++)
        if (l.rule->handlers == l.row->handlers && l.rule->fn(&l))
            return true;
    ir->n_ops = n_ops;
    return false;
}

bool x86_holds_back(const struct insn *in)
{
    const struct interp_handlers *handlers = in->row == ISA_ROW_UD ? NULL : isa_table[in->row].handlers;

    return handlers == &interp_mov_to_ss || handlers == &interp_pop_ss || handlers == &interp_sti;
}
