/*
 * The stack pointer, whose changes by constants are not made one by one.
 *
 * The host does not wait for a PUSH to know where the next one stores. A translation that changed ESP's host register
 * each time would, so the changes are added up here (struct stack_notes) and addresses count them in; the register gets
 * them when something wants ESP itself or the block is left. An ADD or SUB of ESP adds to them too. If the next flags
 * come before anybody looks at its own, those are not made.
 *
 * C code that is called from an instruction finds in job->stack what is outstanding where it begins, makes it good, and
 * takes it back from ESP when the block goes on.
 */
#include "backend/x86_64/select.h"
#include "frontend/x86/flags.h"
#include "frontend/x86/isa.h"

#define OUTSTANDING_MAX 0x3fffu /* what is added to that much fits struct x64_stack */

uint32_t select_plus(const struct select *s, unsigned base)
{
    return base == IR_ESP ? (uint32_t)s->stack.plus : 0;
}

void select_settle_esp(struct select *s)
{
    if (s->stack.plus)
        emit_lea(&s->e, 4, plan_reg[IR_ESP], RM_MEM(plan_reg[IR_ESP], s->stack.plus));
    s->stack.plus = 0;
}

static bool is_small(uint32_t by)
{
    return by + OUTSTANDING_MAX <= 2 * OUTSTANDING_MAX;
}

/* ESP += a constant, without a flag. */
static bool is_step(const struct ir_op *op)
{
    return op->opcode == IR_LEA && op->width == 4 && op->dst == IR_ESP && op->base == IR_ESP && op->index == IR_NONE &&
           !op->addr16 && is_small(op->imm);
}

static bool unit_names_esp(const struct ir_op *op)
{
    const struct isa_row *row = &isa_table[op->imm & 0xffff];

    return ((op->arg >> 3 & 7) == IR_ESP && select_has_letter(row, OPERAND_Gb, OPERAND_Gv)) ||
           ((op->arg & 7) == IR_ESP && op->src != IR_MEM && select_has_letter(row, OPERAND_Eb, OPERAND_Rv));
}

/* Inline emulation, parts of which are C code. */
static bool is_sensitive(const struct ir_op *op)
{
    return op->opcode >= IR_EFLAGS && op->opcode <= IR_CS_EIP;
}

/* A way out. What is outstanding is settled just before: no other operation of its instruction follows. */
static bool ends(const struct ir_op *op)
{
    return ir_info[op->opcode].effect == IR_EFFECT_EXIT || ir_info[op->opcode].effect == IR_EFFECT_END;
}

/* Can the operation be emitted while changes of ESP are outstanding? */
static bool can_wait(const struct ir_op *op)
{
    const bool whole = op->width == 4;

    switch (op->opcode) {
    case IR_MAP: /* emit_ea() counts them in */
        return true;
    case IR_LEA:
        return op->dst != IR_ESP || whole;
    case IR_MOV:
        if (op->dst == IR_ESP)
            return whole && op->src != IR_ESP;
        return op->src != IR_ESP || (whole && op->dst < IR_MEM);
    case IR_UNIT:
        return !unit_names_esp(op);
    case IR_CALLOUT:
    case IR_CALLOUT_END:
    case IR_PUSHA:
    case IR_POPA:
        return false;
    default:
        return op->opcode == IR_WITHIN || ends(op) || (!is_sensitive(op) && op->dst != IR_ESP && op->src != IR_ESP);
    }
}

void select_begin_esp(struct select *s, uint32_t first)
{
    const struct ir_block *ir = s->job->ir;

    for (uint32_t i = first; s->stack.plus && i < ir->n_ops && ir->op[i].insn == ir->op[first].insn; i++)
        if (!can_wait(&ir->op[i]))
            select_settle_esp(s);
}

/* ADD or SUB of a constant; what that adds to ESP. */
static bool is_addition(const struct ir_op *op, int32_t *by)
{
    *by = (int32_t)(op->opcode == IR_SUB ? 0 - op->imm : op->imm);
    return (op->opcode == IR_ADD || op->opcode == IR_SUB) && op->width == 4 && op->dst == IR_ESP && op->src == IR_IMM &&
           is_small((uint32_t)*by);
}

/* Are all flags made anew before any is wanted, without a way in or out in between? C code may be called, as long as
 * ESP still tells what they were. */
static bool flags_are_dead(const struct select *s, const struct ir_op *op)
{
    const struct ir_block *ir = s->job->ir;
    unsigned insn = op->insn;

    for (const struct ir_op *next = op + 1; next < ir->op + ir->n_ops; next++) {
        const struct ir_op_info *info = &ir_info[next->opcode];
        const unsigned changes = info->defines | info->undefines;

        for (; insn < next->insn; insn++) /* some have no operation */
            if (insn + 1 == ir->n_insns || s->survey.jumps_from[insn + 1])
                return false;
        if (info->reads || is_sensitive(next) || (info->effect != IR_EFFECT_PURE && info->effect != IR_EFFECT_FAULT))
            return false;
        if (changes)
            return changes == IR_F_ALL && info->format != IR_FORMAT_DST_COUNT &&
                   info->format != IR_FORMAT_DST_SRC_COUNT;
        if ((next->dst == IR_ESP && !is_step(next)) || (next->opcode == IR_XCHG && next->src == IR_ESP))
            return false;
    }
    return false;
}

static void add(struct select *s, int32_t by)
{
    s->stack.plus += by;
    s->stack.moved += by;
    if (!is_small((uint32_t)s->stack.plus))
        select_settle_esp(s);
}

/* Flags as ADD or SUB makes them of ESP, which is `plus` above its host register; the register stays. */
static void emit_flags(struct emit *e, const struct ir_op *op, int32_t plus)
{
    emit_lea(e, 4, RCX, RM_MEM(plan_reg[IR_ESP], plus));
    emit_op(e, 0, 0x81, 4, op->opcode == IR_ADD ? 0 : 5, RM_REG(RCX), false);
    emit32(e, op->imm);
}

void select_emit_stack(struct emit *e, const struct stack_notes *stack)
{
    int32_t by;

    if (stack->flags && is_addition(stack->flags, &by))
        emit_flags(e, stack->flags, stack->plus - stack->moved - by);
    if (stack->plus)
        emit_lea(e, 4, plan_reg[IR_ESP], RM_MEM(plan_reg[IR_ESP], stack->plus));
}

bool select_esp(struct select *s, const struct ir_op *op)
{
    int32_t by;

    if (s->job->stack && is_step(op)) {
        add(s, (int32_t)op->imm);
        return true;
    }
    if (s->job->stack && is_addition(op, &by)) {
        if (flags_are_dead(s, op)) {
            s->stack.flags = op;
            s->stack.moved = -by;
        } else if (s->stack.plus) {
            emit_flags(&s->e, op, s->stack.plus);
        } else {
            return false;
        }
        add(s, by);
        return true;
    }
    if (ends(op) || !can_wait(op)) /* which its own instruction has added: nothing after that begins it anew */
        select_settle_esp(s);
    if (op->opcode == IR_MOV && op->src == IR_ESP && op->width == 4 && op->dst < IR_MEM && s->stack.plus) {
        emit_lea(&s->e, 4, plan_reg[op->dst], RM_MEM(plan_reg[IR_ESP], s->stack.plus));
        return true;
    }
    return false;
}

void select_end_esp(struct select *s, const struct ir_op *op)
{
    if (op->dst == IR_ESP && (op->opcode == IR_MOV || op->opcode == IR_LEA) && !is_step(op))
        s->stack.plus = 0; /* it has been replaced */
    if (op != s->stack.flags && (ir_info[op->opcode].defines | ir_info[op->opcode].undefines))
        s->stack.flags = NULL;
}

struct x64_stack select_stack(const struct select *s)
{
    return (struct x64_stack){
        .plus = (int16_t)s->stack.plus,
        .moved = s->stack.moved,
        .flags = s->stack.flags ? (uint8_t)(s->stack.flags->insn + 1) : 0,
    };
}

void x64_settle_stack(struct cpu *cpu, const struct x64_stack *stack, const struct insn *insn)
{
    cpu->gpr[ESP] += (uint32_t)stack->plus;
    if (stack->flags) {
        const struct insn *in = &insn[stack->flags - 1];
        const uint32_t imm = in->imm, after = cpu->gpr[ESP] - (uint32_t)stack->moved;

        if ((in->modrm >> 3 & 7) == 0) /* group 1: ADD, else SUB */
            flags_add(cpu, after - imm, imm, after, 32);
        else
            flags_sub(cpu, after + imm, imm, after, 32);
    }
}
