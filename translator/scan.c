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

struct scan {
    struct translator *t;
    struct ir_block *ir;
    const struct x86_mode *mode;
    struct x86_mode now; /* the same, with DF as it is by now */
    phys_addr address;   /* of the first byte */
    const uint8_t *bytes;
    size_t avail;
    unsigned max_insns;
    bool may_join;
    const struct translated_page *page; /* the one that it lies in, if that has code */
    uint32_t at;                        /* bytes scanned */
    uint32_t inline_ops;                /* of the last instruction, if it is emulated inline */
    bool ended;
    /* Side exits whose targets the block has not come to, as offsets in the page. */
    unsigned n_side;
    uint32_t side[SIDE_EXITS_MAX];
    /* From STD to CLD, or the other way round, DF is not as other blocks of this mode expect it: nothing in between may
     * leave for one. So the way back must come first; else all is taken back to `before`, and such changes end the
     * block. */
    bool df_is_changed, df_may_not_change;
    struct {
        uint32_t at, n_insns, n_ops;
    } before;
};

static uint32_t page_offset_of(const struct scan *s)
{
    return (uint32_t)(s->address & 0xfff) + s->at;
}

/* A conditional jump forward in the page, where code is flat, becomes a side exit: the block goes on with what follows,
 * and if it comes to the target, the jump does not even leave it. */
static bool becomes_side_exit(struct scan *s)
{
    struct ir_op *op = &s->ir->op[s->ir->n_ops - 1];

    if (s->n_side == SIDE_EXITS_MAX || op->opcode != IR_JCC || !s->mode->code32 || s->mode->seg[CS] != SEG_CLASS_FLAT ||
        op->imm <= page_offset_of(s) || op->imm >= PHYS_PAGE_SIZE)
        return false;
    op->opcode = IR_SIDE;
    s->side[s->n_side++] = op->imm;
    return true;
}

/* Do side exits lead here? */
static bool come_to_target(struct scan *s)
{
    const unsigned before = s->n_side;
    unsigned n = 0;

    for (unsigned i = 0; i < before; i++)
        if (s->side[i] != page_offset_of(s))
            s->side[n++] = s->side[i];
    s->n_side = n;
    return n < before;
}

static bool sets_df(const struct scan *s, uint32_t n_ops)
{
    const struct ir_block *ir = s->ir;

    return ir->n_ops > n_ops && (ir->op[n_ops].opcode == IR_CLD || ir->op[n_ops].opcode == IR_STD);
}

/* DF is now the other way. */
static void turn_df(struct scan *s, uint32_t n_ops)
{
    s->now.forward = !s->now.forward;
    s->df_is_changed = s->now.forward != s->mode->forward;
    if (!s->df_is_changed)
        return;
    s->before.at = s->at;
    s->before.n_insns = s->ir->n_insns;
    s->before.n_ops = n_ops;
}

/* Appends the instruction's operations. */
static void lower_or_redirect(struct scan *s, const struct insn *in)
{
    struct ir_block *ir = s->ir;
    const struct isa_row *row = &isa_table[in->row];
    const uint32_t n_ops = ir->n_ops;

    s->inline_ops = 0;
    if (in->row == ISA_ROW_UD) {
        redirect(ir, true);
        s->ended = true;
        return;
    }
    if (scan_classify(row, s->mode) == PG_INNOCUOUS &&
        (row->ends != ENDS_JUMP ||
         jump_is_safe(s->t->cpu, s->mode, in, (uint32_t)(s->address & 0xfff), page_offset_of(s))) &&
        x86_lower(ir, in, &s->now)) {
        if (!sets_df(s, n_ops)) {
            s->ended = row->ends != ENDS_NEXT && !becomes_side_exit(s);
            return;
        }
        if (!s->df_may_not_change) {
            turn_df(s, n_ops);
            return;
        }
        ir->n_ops = n_ops;
    }
    if (x86_redirect_inline(ir, in, s->mode)) {
        s->ended = ir_info[ir->op[ir->n_ops - 1].opcode].effect == IR_EFFECT_END;
        s->inline_ops = ir->n_ops - n_ops;
    } else {
        s->ended = scan_changes_mode(row);
        redirect(ir, s->ended);
    }
}

/* May the instruction stand where DF is changed? One that leads elsewhere, or makes more of a difference, may not. */
static bool may_stand_there(const struct scan *s, const struct insn *in)
{
    const struct isa_row *row = &isa_table[in->row];

    return in->row != ISA_ROW_UD && row->ends == ENDS_NEXT && !s->ended && scan_classify(row, s->mode) == PG_INNOCUOUS;
}

static void scan_insns(struct scan *s)
{
    struct translator *t = s->t;
    struct ir_block *ir = s->ir;

    while (ir->n_insns < s->max_insns && !s->ended && s->at < s->avail) {
        struct insn *in = &t->scan[ir->n_insns];
        const uint32_t n_ops = ir->n_ops;
        const uint8_t *bytes = s->bytes + s->at;

        if (decode_insn(in, bytes, s->avail - s->at, s->mode->code32, t->cpu->model->isa_features) != DECODE_OK)
            break; /* crosses the page, or too long: interpreted */
        if (ir->n_insns &&
            (lockstep_cuts_before(t, bytes) || (s->may_join && block_has_settled(t, s->page, s->address + s->at))))
            break;
        ir->offset[ir->n_insns] = (uint16_t)page_offset_of(s);
        if (come_to_target(s) && s->df_is_changed)
            break;
        lower_or_redirect(s, in);
        if (s->df_is_changed && !may_stand_there(s, in))
            break;
        if (ir->n_ops > n_ops && lockstep_must_be_alone(t, &ir->op[ir->n_ops - 1], in, s->mode)) {
            if (ir->n_insns) {
                ir->n_ops = n_ops;
                s->ended = false;
                break;
            }
            t->scan_alone = true;
            s->max_insns = 1;
        }
        for (uint32_t i = n_ops; i < ir->n_ops; i++)
            ir->op[i].insn = (uint8_t)ir->n_insns;
        s->at += in->len;
        ir->n_insns++;
    }
}

/* Back to before DF was changed, if it still is. */
static bool take_df_back(struct scan *s)
{
    if (!s->df_is_changed)
        return false;
    s->at = s->before.at;
    s->ir->n_insns = s->before.n_insns;
    s->ir->n_ops = s->before.n_ops;
    s->now = *s->mode;
    s->ended = s->df_is_changed = false;
    s->df_may_not_change = true;
    return true;
}

uint32_t scan_block(struct translator *t, const struct x86_mode *mode, phys_addr address, const uint8_t *bytes,
                    size_t avail, unsigned max_insns, bool may_join)
{
    struct ir_block *ir = &t->ir;
    struct scan s = {
        .t = t,
        .ir = ir,
        .mode = mode,
        .now = *mode,
        .address = address,
        .bytes = bytes,
        .avail = avail,
        .max_insns = max_insns,
        .may_join = may_join,
        .page = block_page(t, address),
    };

    ir_begin(ir, !mode->code32);
    t->scan_alone = false;
    do
        scan_insns(&s);
    while (take_df_back(&s));
    ir->offset[ir->n_insns] = (uint16_t)page_offset_of(&s);
    if (s.inline_ops && x86_holds_back(&t->scan[ir->n_insns - 1])) { /* until one of another block is done */
        ir->n_ops -= s.inline_ops;
        redirect(ir, true);
        ir->op[ir->n_ops - 1].insn = (uint8_t)(ir->n_insns - 1);
        s.ended = true;
    }
    if (ir->n_insns && !s.ended) {
        struct ir_op *op = ir_add(ir, IR_JMP, 4);

        op->imm = page_offset_of(&s);
    }
    return s.at;
}
