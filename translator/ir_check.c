/*
 * The rules of ir.h, as a function. Beside those of its head comment:
 *  - fields that an operation's format does not name are as ir_add leaves them;
 *  - a byte of a register is AL..BL or AH..BH, as in the guest's instructions;
 *  - operations that the processor has only with a register as destination, or not for bytes, have it so here;
 *  - UNIT and CALLOUT may be the interpreter's, which runs the whole guest instruction: no guest state has changed
 * before and nothing of the same instruction follows.
 */
#include "translator/ir.h"

#include <stddef.h>

struct check {
    unsigned insn;           /* the guest instruction that the following is about */
    unsigned ops;            /* it has so far */
    uint8_t temp_width[2];   /* bytes of T0, T1 that were written */
    const struct ir_op *map; /* the last MAP or NULL */
    bool changed;            /* guest state */
    bool done;               /* after UNIT and CALLOUT */
};

static bool is_register(unsigned ref)
{
    return ref <= IR_T1;
}
static bool is_temp(unsigned ref)
{
    return ref == IR_T0 || ref == IR_T1;
}

/* ---- one operand ---- */

static const char *check_register_width(unsigned ref, unsigned width)
{
    if (ref >= IR_AH && ref <= IR_BH && width != 1)
        return "AH, CH, DH and BH are bytes";
    if (ref >= IR_ESP && ref <= IR_EDI && width == 1)
        return "ESP, EBP, ESI and EDI have no byte register";
    return NULL;
}

static const char *check_read(const struct check *c, unsigned ref, unsigned width)
{
    if (is_temp(ref) && c->temp_width[ref - IR_T0] < width)
        return "a temporary is read that this guest instruction did not write";
    if (ref == IR_MEM) {
        if (!c->map)
            return "MEM without a MAP in the same guest instruction";
        if (width > c->map->width)
            return "MEM is wider than its MAP";
        if (c->map->arg == IR_WRITE)
            return "MEM is read, but its MAP is for writing only";
    }
    return is_register(ref) ? check_register_width(ref, width) : NULL;
}

static const char *check_write(struct check *c, unsigned ref, unsigned width)
{
    if (ref == IR_MEM) {
        if (!c->map)
            return "MEM without a MAP in the same guest instruction";
        if (width > c->map->width)
            return "MEM is wider than its MAP";
        if (c->map->arg == IR_READ)
            return "MEM is written, but its MAP is for reading";
    }
    if (is_temp(ref)) {
        if (c->temp_width[ref - IR_T0] < width)
            c->temp_width[ref - IR_T0] = (uint8_t)width;
        return NULL;
    }
    c->changed = true;
    return is_register(ref) ? check_register_width(ref, width) : NULL;
}

static const char *check_address(const struct check *c, const struct ir_op *op)
{
    const uint8_t part[2] = {op->base, op->index};

    for (unsigned i = 0; i < 2; i++) {
        const char *broken;

        if (part[i] == IR_NONE)
            continue;
        if (!is_register(part[i]) || (part[i] >= IR_AH && part[i] <= IR_BH))
            return "an address is made of registers of 32 bits";
        broken = check_read(c, part[i], op->addr16 ? 2 : 4);
        if (broken)
            return broken;
    }
    if (op->scale > 3 || (op->index == IR_NONE && op->scale))
        return "no such scale";
    return op->addr16 > 1 ? "addr16 is 0 or 1" : NULL;
}

/* ---- which fields an operation has ---- */

enum field { HAS_DST = 1, HAS_SRC = 2, HAS_ARG = 4, HAS_EA = 8, HAS_SEG = 16, HAS_IMM = 32 };

static unsigned fields_of(const struct ir_op *op)
{
    unsigned imm = op->src == IR_IMM ? HAS_IMM : 0;

    switch (ir_info[op->opcode].format) {
    case IR_FORMAT_DST:
        return HAS_DST;
    case IR_FORMAT_SRC:
        return HAS_SRC | (op->opcode == IR_JMPR || op->opcode == IR_POPF ? HAS_ARG : 0);
    case IR_FORMAT_DST_SRC:
    case IR_FORMAT_SRC_SRC:
    case IR_FORMAT_DST_COUNT:
        return HAS_DST | HAS_SRC | imm;
    case IR_FORMAT_DST_SRC_FROM:
    case IR_FORMAT_DST_SRC_CC:
        return HAS_DST | HAS_SRC | HAS_ARG;
    case IR_FORMAT_DST_SRC_IMM:
        return HAS_DST | HAS_SRC | HAS_IMM;
    case IR_FORMAT_DST_SRC_COUNT:
        return HAS_DST | HAS_SRC | HAS_ARG | (op->arg ? 0 : HAS_IMM);
    case IR_FORMAT_DST_CC:
        return HAS_DST | HAS_ARG;
    case IR_FORMAT_DST_EA:
        return HAS_DST | HAS_EA | HAS_IMM;
    case IR_FORMAT_DST_IMM:
        return HAS_DST | HAS_IMM;
    case IR_FORMAT_DST_SREG:
        return HAS_DST | HAS_ARG;
    case IR_FORMAT_SRC_SREG:
        return HAS_SRC | HAS_ARG;
    case IR_FORMAT_EA:
        return HAS_ARG | HAS_EA | HAS_SEG | HAS_IMM;
    case IR_FORMAT_UNIT:
        return HAS_SRC | HAS_ARG | HAS_IMM;
    case IR_FORMAT_TARGET:
        return HAS_ARG | HAS_IMM;
    case IR_FORMAT_TARGET_CC:
        return HAS_ARG | HAS_IMM;
    case IR_FORMAT_TARGET_SRC:
        return HAS_SRC | HAS_IMM;
    default:
        return 0;
    }
}

static const char *check_unused(const struct ir_op *op)
{
    unsigned has = fields_of(op);

    if (!(has & HAS_DST) && op->dst != IR_NONE)
        return "the operation has no dst";
    if (!(has & HAS_SRC) && op->src != IR_NONE)
        return "the operation has no src";
    if (!(has & HAS_ARG) && op->arg)
        return "the operation has no arg";
    if (!(has & HAS_EA) && (op->base != IR_NONE || op->index != IR_NONE || op->scale || op->addr16))
        return "the operation has no address";
    if (!(has & HAS_SEG) && (op->seg || op->align))
        return "the operation has no segment";
    if (!(has & HAS_IMM) && op->imm)
        return "the operation has no immediate";
    return NULL;
}

/* ---- widths ---- */

/* Not for bytes, and only into a register: so the processor has them. */
static bool is_word_into_register(unsigned opcode)
{
    return opcode == IR_BSF || opcode == IR_BSR || opcode == IR_POPCNT || opcode == IR_IMUL2 || opcode == IR_IMUL3 ||
           opcode == IR_CMOV || opcode == IR_SIGN || opcode == IR_SARX || opcode == IR_LEA;
}
static bool is_word(unsigned opcode)
{
    return is_word_into_register(opcode) || opcode == IR_SHLD || opcode == IR_SHRD || opcode == IR_BT ||
           opcode == IR_BTS || opcode == IR_BTR || opcode == IR_BTC || opcode == IR_EIP || opcode == IR_JMPR ||
           opcode == IR_JZR || opcode == IR_JNZR || opcode == IR_POPF || opcode == IR_SELECTOR || opcode == IR_WITHIN;
}

static const char *check_width(const struct ir_op *op)
{
    const unsigned width = op->width;

    switch (ir_info[op->opcode].format) {
    case IR_FORMAT_EA:
        if (width != 1 && width != 2 && width != 4 && width != 8 && width != 10 && width != 16)
            return "a MAP has 1, 2, 4, 8, 10 or 16 bytes";
        return NULL;
    case IR_FORMAT_NONE:
    case IR_FORMAT_UNIT:
    case IR_FORMAT_TARGET:
    case IR_FORMAT_TARGET_CC:
        return width > 16 || (width & (width - 1)) ? "no such width" : NULL; /* it says nothing */
    default:
        break;
    }
    if (width != 1 && width != 2 && width != 4)
        return "the width is 1, 2 or 4";
    if (width == 1 && is_word(op->opcode))
        return "the operation is not for bytes";
    if (op->opcode == IR_SETCC && width != 1)
        return "SETCC makes a byte";
    if (op->opcode == IR_BSWAP && width != 4)
        return "BSWAP has 4 bytes";
    if ((op->opcode == IR_SARX || op->opcode == IR_CMPXCHG8) && width != 4)
        return "the operation is for registers of 4 bytes";
    if (op->opcode == IR_CS_EIP && width != 4)
        return "CS_EIP has 4 bytes";
    if (ir_info[op->opcode].format == IR_FORMAT_SRC_SREG && width != 2)
        return "a selector has 2 bytes";
    return NULL;
}

/* ---- operands ---- */

static const char *check_dst_kind(const struct ir_op *op)
{
    if (op->dst != IR_MEM && !is_register(op->dst))
        return "dst is a register or MEM";
    if (op->dst == IR_MEM && (is_word_into_register(op->opcode) || op->opcode == IR_XCHG || op->opcode == IR_BSWAP))
        return "dst is a register";
    return NULL;
}

static const char *check_two(const struct ir_op *op)
{
    const bool imm = op->src == IR_IMM;

    if (!imm && op->src != IR_MEM && !is_register(op->src))
        return "src is a register, MEM or IMM";
    if (op->dst == IR_MEM && op->src == IR_MEM)
        return "at most one operand is MEM";
    if (op->opcode == IR_XCHG && !is_register(op->src))
        return "XCHG is for registers";
    if (imm && (is_word_into_register(op->opcode)))
        return "src is a register or MEM";
    if ((op->opcode == IR_BT || op->opcode == IR_BTS || op->opcode == IR_BTR || op->opcode == IR_BTC) &&
        op->src == IR_MEM)
        return "the number of a bit is a register or IMM";
    if ((op->opcode == IR_SHLD || op->opcode == IR_SHRD || op->opcode == IR_SARX) && !is_register(op->src))
        return "src is a register";
    if (op->opcode == IR_SARX && op->imm > 31)
        return "the count is 0 to 31";
    return NULL;
}

static const char *first(const char *a, const char *b)
{
    return a ? a : b;
}

/* dst as source of the operation and as its destination. */
static const char *check_update(struct check *c, const struct ir_op *op)
{
    const char *broken = first(check_dst_kind(op), check_read(c, op->dst, op->width));

    return first(broken, check_write(c, op->dst, op->width));
}
static const char *check_dst(struct check *c, const struct ir_op *op)
{
    return first(check_dst_kind(op), check_write(c, op->dst, op->width));
}

/* Operations of the two-operand formats that do not read dst. */
static bool only_writes_dst(unsigned opcode)
{
    return opcode == IR_MOV || opcode == IR_POPCNT || opcode == IR_SIGN || opcode == IR_SARX || opcode == IR_IMUL3;
}

/* The source is read before the destination is written. */
static const char *check_two_operands(struct check *c, const struct ir_op *op)
{
    const char *broken = check_two(op);

    if (!broken && op->src != IR_IMM)
        broken = check_read(c, op->src, op->width);
    if (!broken)
        broken = only_writes_dst(op->opcode) ? check_dst(c, op) : check_update(c, op);
    if (!broken && op->opcode == IR_XCHG)
        broken = check_write(c, op->src, op->width);
    return broken;
}

static const char *check_from(struct check *c, const struct ir_op *op)
{
    if (op->src != IR_MEM && !is_register(op->src))
        return "src is a register or MEM";
    if ((op->arg != 1 && op->arg != 2) || op->arg >= op->width)
        return "the source is narrower than the destination: 1 or 2 bytes";
    if (!is_register(op->dst))
        return "dst is a register";
    return first(check_read(c, op->src, op->arg), check_write(c, op->dst, op->width));
}

static const char *check_src(struct check *c, const struct ir_op *op)
{
    if (op->src != IR_MEM && !is_register(op->src))
        return "src is a register or MEM";
    if ((op->opcode == IR_JMPR || op->opcode == IR_WITHIN) && !is_register(op->src))
        return "src is a register";
    if (op->opcode == IR_CMPXCHG8 && (op->src != IR_MEM || !c->map || c->map->width < 8 || c->map->arg != IR_UPDATE))
        return "src is MEM of 8 bytes that is read and written";
    if (op->opcode == IR_JMPR && op->arg > IR_JUMP_RET)
        return "no such kind of jump";
    if (op->opcode == IR_POPF && op->arg > 1)
        return "POPF or IRET";
    return check_read(c, op->src, op->width);
}

static const char *check_map(struct check *c, const struct ir_op *op)
{
    if (op->arg > IR_UPDATE)
        return "no such access";
    if (op->seg > 5)
        return "no such segment register";
    if (op->align != 0 && op->align != 16)
        return "the alignment is 0 or 16";
    c->map = op;
    return NULL;
}

static const char *check_sreg(struct check *c, const struct ir_op *op)
{
    if (op->arg > 5)
        return "no such segment register";
    if (op->src == IR_NONE)
        return check_dst(c, op);
    return is_register(op->src) ? check_read(c, op->src, op->width) : "src is a register";
}

static const char *check_unit(struct check *c, const struct ir_op *op)
{
    if (op->src != IR_MEM && op->src != IR_NONE)
        return "src is MEM or NONE";
    if (op->src == IR_MEM && !c->map)
        return "MEM without a MAP in the same guest instruction";
    if (op->imm >> 24)
        return "UNIT has an immediate of a byte";
    return NULL;
}

static const char *check_operands(struct check *c, const struct ir_op *op)
{
    const char *broken;

    switch (ir_info[op->opcode].format) {
    case IR_FORMAT_DST:
        return check_update(c, op);
    case IR_FORMAT_SRC:
        return check_src(c, op);
    case IR_FORMAT_DST_SRC_IMM:
        return op->src == IR_IMM ? "src is a register or MEM" : check_two_operands(c, op);
    case IR_FORMAT_DST_SRC:
        return check_two_operands(c, op);
    case IR_FORMAT_SRC_SRC:
        broken = first(check_dst_kind(op), check_two(op));
        if (!broken)
            broken = check_read(c, op->dst, op->width);
        return broken || op->src == IR_IMM ? broken : check_read(c, op->src, op->width);
    case IR_FORMAT_DST_SRC_FROM:
        return check_from(c, op);
    case IR_FORMAT_DST_SRC_CC:
        return op->arg > 15 ? "no such condition" : check_two_operands(c, op);
    case IR_FORMAT_DST_SRC_COUNT:
        return op->arg > 1 ? "the count is in ECX or in imm" : check_two_operands(c, op);
    case IR_FORMAT_DST_COUNT:
        return op->src != IR_IMM && op->src != IR_ECX ? "the count is IMM or ECX" : check_update(c, op);
    case IR_FORMAT_DST_CC:
        return op->arg > 15 ? "no such condition" : check_dst(c, op);
    case IR_FORMAT_DST_EA:
        return first(check_address(c, op), check_dst(c, op));
    case IR_FORMAT_DST_IMM:
        return check_dst(c, op);
    case IR_FORMAT_DST_SREG:
    case IR_FORMAT_SRC_SREG:
        return check_sreg(c, op);
    case IR_FORMAT_EA:
        return first(check_address(c, op), check_map(c, op));
    case IR_FORMAT_UNIT:
        return check_unit(c, op);
    case IR_FORMAT_TARGET:
        return op->arg > IR_JUMP_RET ? "no such kind of jump" : NULL;
    case IR_FORMAT_TARGET_CC:
        return op->arg > 15 ? "no such condition" : NULL;
    case IR_FORMAT_TARGET_SRC:
        if (!is_register(op->src))
            return "src is a register";
        return check_read(c, op->src, op->width);
    default:
        return NULL;
    }
}

/* ---- order ---- */

/* State of the guest's that no operand names: EAX and EDX of MUL, DIV and TSC, AH, IF, DF, segment registers. */
static bool changes_unnamed(const struct ir_op *op)
{
    return ir_info[op->opcode].defines | ir_info[op->opcode].undefines || op->opcode == IR_LAHF ||
           op->opcode == IR_CLI || op->opcode == IR_STI || op->opcode == IR_CLD || op->opcode == IR_STD ||
           op->opcode == IR_TSC || op->opcode == IR_PUSHA || op->opcode == IR_POPA ||
           ir_info[op->opcode].format == IR_FORMAT_SRC_SREG;
}

/* Whether the block may be left before or while the operation is done, so that the interpreter begins the guest
 * instruction anew. */
static bool may_restart(const struct ir_op *op)
{
    const unsigned effect = ir_info[op->opcode].effect;

    return effect == IR_EFFECT_FAULT || effect == IR_EFFECT_CALLOUT || op->opcode == IR_CALLOUT_END ||
           op->opcode == IR_UNIT;
}

static const char *check_order(struct check *c, const struct ir_op *op, const struct ir_block *ir, bool is_last)
{
    const bool ends = ir_info[op->opcode].effect == IR_EFFECT_END;

    if (ends != is_last)
        return is_last ? "the last operation does not end the block" : "the block ends before its last operation";
    if (op->insn < c->insn)
        return "operations are not in the order of the guest instructions";
    if (op->insn > ir->n_insns || (op->insn == ir->n_insns && op->opcode != IR_JMP))
        return "no such guest instruction"; /* only the JMP that closes the block stands behind the last one */
    if (op->insn != c->insn)
        *c = (struct check){.insn = op->insn};
    if (++c->ops > IR_OPS_PER_INSN)
        return "too many operations for one guest instruction";
    if (c->done)
        return "an operation follows UNIT or CALLOUT in the same guest instruction";
    if (c->changed && may_restart(op))
        return "something can fault after guest state has changed";
    return NULL;
}

const char *ir_check(const struct ir_block *ir, unsigned *where)
{
    struct check c = {0};

    *where = 0;
    if (ir->n_ops == 0 || ir->n_ops > IR_MAX_OPS)
        return "the block has no operations, or too many";
    if (ir->n_insns > IR_MAX_INSNS)
        return "the block has too many guest instructions";
    for (unsigned i = 0; i < ir->n_ops; i++) {
        const struct ir_op *op = &ir->op[i];
        const char *broken;

        *where = i;
        if (op->opcode >= IR_OPCODES)
            return "no such operation";
        broken = check_order(&c, op, ir, i == ir->n_ops - 1);
        broken = first(broken, check_unused(op));
        if (!broken)
            broken = check_width(op);
        if (!broken)
            broken = check_operands(&c, op);
        if (broken)
            return broken;
        if (changes_unnamed(op))
            c.changed = true;
        if (op->opcode == IR_UNIT || op->opcode == IR_CALLOUT)
            c.done = true;
    }
    return NULL;
}
