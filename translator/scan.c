/*
 * Scan and redirect: every block is looked through before it may run.
 *
 * An instruction is innocuous, privileged or sensitive in the mode it runs in. Innocuous ones are lowered to IR. All
 * others, and those without a lowering, are redirected: a callout has the interpreter, which works on the virtual
 * processor's state only, execute them. So nothing sensitive reaches the host.
 *
 * Popek and Goldberg 1974; Robin and Irvine 2000 for x86's sensitive but unprivileged instructions.
 */
#include "frontend/x86/cpuid.h"
#include "translator/internal.h"

enum pg_class scan_classify(const struct isa_row *row, const struct x86_mode *mode)
{
    if ((row->checks & CPL0) && mode->cpl != 0)
        return PG_PRIVILEGED; /* it traps here */
    if ((row->checks & (IOPL_IF | IOPL_IO)) && mode->protected_mode && mode->cpl > mode->iopl)
        return PG_PRIVILEGED;
    if ((row->checks & V86_IOPL) && mode->v86 && mode->iopl < 3)
        return PG_PRIVILEGED;
    if (row->checks & CPL0)
        return PG_CONTROL_SENSITIVE; /* would act on the host's state at CPL 0 */
    if (row->sensitive == SENSITIVE_BEHAVIOUR)
        return PG_BEHAVIOUR_SENSITIVE;
    return row->sensitive == SENSITIVE_CONTROL ? PG_CONTROL_SENSITIVE : PG_INNOCUOUS;
}

static bool is_sreg_letter(unsigned letter)
{
    return letter == OPERAND_Sw || (letter >= OPERAND_sES && letter <= OPERAND_sGS);
}

bool scan_changes_mode(const struct isa_row *row)
{
    if (row->ends != ENDS_NEXT || (row->flags_written & F_D))
        return true;
    if (row->checks & (FPU_NM | MMX_NM | SSE_NM | WAIT_NM | FPU_MF)) /* control words, pending exceptions */
        return true;
    if (row->sensitive != SENSITIVE_BEHAVIOUR)
        return false;
    return row->n_operands == 2
               ? is_sreg_letter(row->operand[0]) || row->operand[1] == OPERAND_Mp                /* LDS ... */
               : row->n_operands == 1 && row->name[1] == 'O' && is_sreg_letter(row->operand[0]); /* POP */
}

/* A near jump beyond the limit of CS faults before it jumps. May this one, at `offset` in the page, be lowered? Where
 * EIP cannot go beyond the limit always; else if its target is a constant within it, since blocks are then keyed by EIP
 * and limit, or if it is computed, since its lowering then compares it. */
static bool jump_is_safe(const struct cpu *cpu, const struct x86_mode *mode, const struct insn *in,
                         uint32_t page_offset, uint32_t offset)
{
    const unsigned letter = isa_table[in->row].operand[0];
    uint32_t target;

    if (mode->seg[CS] == SEG_CLASS_FLAT || mode->seg[CS] == SEG_CLASS_BASED ||
        (mode->seg[CS] == SEG_CLASS_64K && !mode->code32))
        return true;
    if (mode->seg[CS] == SEG_CLASS_OTHER)
        return false;
    if (letter != OPERAND_Jb && letter != OPERAND_Jz)
        return true;
    target = cpu->eip + (offset - page_offset) + in->len + in->imm;
    return (mode->code32 ? target : target & 0xffff) <= cpu->seg[CS].limit;
}

static void redirect(struct ir_block *ir, bool ends)
{
    ir_add(ir, ends ? IR_CALLOUT_END : IR_CALLOUT, 4);
}

#define SIDE_EXITS_MAX 2u /* more copy tails: 8 translate 6 MB of code three times over */

/* Side exits whose targets the block has not come to. */
struct side_exits {
    unsigned n;
    uint32_t target[SIDE_EXITS_MAX]; /* offsets in the page */
};

/* A conditional jump forward in the page, where code is flat, becomes a side exit: the block goes on with what follows,
 * and if it comes to the target, the jump does not even leave it. */
static bool becomes_side_exit(struct side_exits *side, struct ir_block *ir, const struct x86_mode *mode, uint32_t here)
{
    struct ir_op *op = &ir->op[ir->n_ops - 1];

    if (side->n == SIDE_EXITS_MAX || op->opcode != IR_JCC || !mode->code32 || mode->seg[CS] != SEG_CLASS_FLAT ||
        op->imm <= here || op->imm >= PHYS_PAGE_SIZE)
        return false;
    op->opcode = IR_SIDE;
    side->target[side->n++] = op->imm;
    return true;
}

static void come_to(struct side_exits *side, uint32_t offset)
{
    unsigned n = 0;

    for (unsigned i = 0; i < side->n; i++)
        if (side->target[i] != offset)
            side->target[n++] = side->target[i];
    side->n = n;
}

uint32_t scan_block(struct translator *t, const struct x86_mode *mode, phys_addr address, const uint8_t *bytes,
                    size_t avail, unsigned max_insns, bool may_join)
{
    const uint32_t page_offset = (uint32_t)(address & 0xfff);
    struct ir_block *ir = &t->ir;
    const uint32_t features = t->cpu->model->isa_features;
    uint32_t at = 0;
    struct side_exits side = {0};
    uint32_t inline_ops = 0; /* of the last instruction, if it is emulated inline */
    bool ended = false;

    ir_begin(ir, !mode->code32);
    t->scan_alone = false;
    while (ir->n_insns < max_insns && !ended && at < avail) {
        struct insn *in = &t->scan[ir->n_insns];
        const uint32_t n_ops = ir->n_ops;

        if (decode_insn(in, bytes + at, avail - at, mode->code32, features) != DECODE_OK)
            break; /* crosses the page, or too long: interpreted */
        if (ir->n_insns && (lockstep_cuts_before(t, bytes + at) || (may_join && block_has_settled(t, address + at))))
            break;
        ir->offset[ir->n_insns] = (uint16_t)(page_offset + at);
        come_to(&side, page_offset + at);
        inline_ops = 0;
        if (in->row == ISA_ROW_UD) {
            redirect(ir, true);
            ended = true;
        } else {
            const struct isa_row *row = &isa_table[in->row];

            if (scan_classify(row, mode) == PG_INNOCUOUS &&
                (row->ends != ENDS_JUMP || jump_is_safe(t->cpu, mode, in, page_offset, page_offset + at)) &&
                x86_lower(ir, in, mode)) {
                ended = row->ends != ENDS_NEXT;
                ended = ended && !becomes_side_exit(&side, ir, mode, page_offset + at);
            } else if (x86_redirect_inline(ir, in, mode)) {
                ended = ir_info[ir->op[ir->n_ops - 1].opcode].effect == IR_EFFECT_END;
                inline_ops = ir->n_ops - n_ops;
            } else {
                ended = scan_changes_mode(row);
                redirect(ir, ended);
            }
        }
        if (ir->n_ops > n_ops && lockstep_must_be_alone(t, &ir->op[ir->n_ops - 1], in, mode)) {
            if (ir->n_insns) {
                ir->n_ops = n_ops;
                ended = false;
                break;
            }
            t->scan_alone = true;
            max_insns = 1;
        }
        for (uint32_t i = n_ops; i < ir->n_ops; i++)
            ir->op[i].insn = (uint8_t)ir->n_insns;
        at += in->len;
        ir->n_insns++;
    }
    ir->offset[ir->n_insns] = (uint16_t)(page_offset + at);
    if (inline_ops && x86_holds_back(&t->scan[ir->n_insns - 1])) { /* until an instruction of another block is done */
        ir->n_ops -= inline_ops;
        redirect(ir, true);
        ir->op[ir->n_ops - 1].insn = (uint8_t)(ir->n_insns - 1);
        ended = true;
    }
    if (ir->n_insns && !ended) {
        struct ir_op *op = ir_add(ir, IR_JMP, 4);

        op->imm = page_offset + at;
    }
    return at;
}
