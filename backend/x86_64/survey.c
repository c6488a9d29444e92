/*
 * What a block does, found in one pass over its IR: see survey.h.
 *
 * A register's content is a value with a constant added: PUSH, POP, ADD with a constant, LEA and MOV keep the value, so
 * accesses before and after them still belong together. Every other write makes a new value.
 */
#include "backend/x86_64/survey.h"

#include <string.h>

#include "backend/x86_64/select.h"
#include "frontend/x86/isa.h"

#define NO_VALUE SURVEY_NO_VALUE

_Static_assert(sizeof(((struct cpu *)0)->translated.group) / sizeof(uint64_t) == SURVEY_SLOTS, "a place for each slot");

struct values {
    uint16_t of[8]; /* by guest register */
    uint32_t plus[8];
    uint16_t next;
};

static unsigned reg_bit(unsigned ref)
{
    return ref <= IR_EDI ? 1u << ref : ref <= IR_BH ? 1u << (ref - IR_AH) : 0;
}

static unsigned unit_writes(const struct ir_op *op)
{
    const struct isa_row *row = &isa_table[op->imm & 0xffff];
    unsigned mask = 0;

    if (row->checks & FPU_NM)
        return row->opcode == 0xdf && op->arg == 0xe0 ? 1u << IR_EAX : 0; /* FNSTSW AX */
    if (select_has_letter(row, OPERAND_Gb, OPERAND_Gv))
        mask |= 1u << (op->arg >> 3 & 7);
    if (op->src != IR_MEM && select_has_letter(row, OPERAND_Eb, OPERAND_Rv))
        mask |= 1u << (op->arg & 7);
    return mask;
}

/* Guest registers that the operation may write, a bit each. */
static unsigned written(const struct ir_op *op)
{
    switch (ir_info[op->opcode].format) {
    case IR_FORMAT_SRC: /* MUL, IMUL, DIV, IDIV; JMPR ends the block */
        return 1u << IR_EAX | 1u << IR_EDX;
    case IR_FORMAT_UNIT:
        return unit_writes(op);
    case IR_FORMAT_NONE: /* LAHF, CALLOUT among them */
        return ir_info[op->opcode].effect == IR_EFFECT_PURE ? 1u << IR_EAX : 0xff;
    case IR_FORMAT_SRC_SRC:
    case IR_FORMAT_EA:
    case IR_FORMAT_TARGET:
    case IR_FORMAT_TARGET_CC:
    case IR_FORMAT_TARGET_SRC:
        return 0;
    default:
        return reg_bit(op->dst) | (op->opcode == IR_XCHG ? reg_bit(op->src) : 0);
    }
}

static void set_value(struct values *v, unsigned reg, uint16_t value, uint32_t plus)
{
    v->of[reg] = value;
    v->plus[reg] = plus;
}

/* What the operation adds to the register that it writes; false if that is not all that it does. */
static bool adds_constant(const struct ir_op *op, uint32_t *by)
{
    if (op->width != 4 || op->dst > IR_EDI)
        return false;
    switch (op->opcode) {
    case IR_ADD:
        *by = op->imm;
        return op->src == IR_IMM;
    case IR_SUB:
        *by = 0u - op->imm;
        return op->src == IR_IMM;
    case IR_INC:
        *by = 1;
        return true;
    case IR_DEC:
        *by = 0u - 1u;
        return true;
    case IR_LEA:
        *by = op->imm;
        return op->base == op->dst && op->index == IR_NONE && !op->addr16;
    default:
        return false;
    }
}

static void track(struct values *v, const struct ir_op *op, unsigned writes)
{
    const bool whole = op->width == 4 && op->dst <= IR_EDI;
    uint32_t by;

    if (adds_constant(op, &by)) {
        v->plus[op->dst] += by;
    } else if (whole && op->opcode == IR_MOV && op->src <= IR_EDI) {
        set_value(v, op->dst, v->of[op->src], v->plus[op->src]);
    } else if (whole && op->opcode == IR_LEA && !op->addr16 && op->base <= IR_EDI && op->index == IR_NONE) {
        set_value(v, op->dst, v->of[op->base], v->plus[op->base] + op->imm);
    } else {
        for (unsigned reg = 0; writes; reg++, writes >>= 1)
            if (writes & 1)
                set_value(v, reg, v->next++, 0);
    }
}

bool survey_step(const struct ir_block *ir, uint32_t first, unsigned reg, uint32_t *by)
{
    for (uint32_t i = first; i < ir->n_ops && ir->op[i].insn == ir->op[first].insn; i++) {
        const enum ir_effect effect = ir_info[ir->op[i].opcode].effect;
        uint32_t step;

        if (effect != IR_EFFECT_PURE && effect != IR_EFFECT_FAULT)
            return false;
        if (!(written(&ir->op[i]) >> reg & 1))
            continue;
        if (!adds_constant(&ir->op[i], &step))
            return false;
        *by += step;
    }
    return true;
}

static bool is_temporary(unsigned ref)
{
    return ref == IR_T0 || ref == IR_T1;
}

/* Does the operation leave registers, flags and memory as they are? Conservative. */
static bool changes_nothing(const struct ir_op *op)
{
    switch (op->opcode) {
    case IR_MAP:
        return true;
    case IR_MOV:
    case IR_MOVZX:
    case IR_MOVSX:
    case IR_LEA:
    case IR_SARX:
    case IR_EIP:
        return is_temporary(op->dst);
    default:
        return false;
    }
}

static bool knows_windows(const struct ir_op *op)
{
    return !(op->opcode >= IR_EFLAGS && op->opcode <= IR_CS_EIP) && op->opcode != IR_PUSHA && op->opcode != IR_POPA;
}

/* May the accesses of the instruction that begins at ir->op[first] fault on the host? Then it begins anew, so nothing
 * may have changed before the last of them; and each MAP must be followed by an access, which faults as the guest's
 * does: as a write, if any of them is one. */
static bool may_fault(const struct x64_job *job, uint32_t first)
{
    const struct ir_block *ir = job->ir;
    const unsigned insn = ir->op[first].insn;
    const struct ir_op *map = NULL; /* nothing has used it yet */
    bool changed = false;

    if (job->adapted && job->adapted[insn] & X64_ADAPT_TABLES)
        return false;
    for (uint32_t i = first; i < ir->n_ops && ir->op[i].insn == insn; i++) {
        const struct ir_op *op = &ir->op[i];

        if (op->opcode == IR_MAP) {
            if (map || job->mode->seg[op->seg] != SEG_CLASS_FLAT || op->addr16)
                return false;
            map = op;
        } else if (op->dst == IR_MEM || op->src == IR_MEM) {
            if (changed || (map && map->arg != IR_READ && op->opcode != IR_UNIT && op->dst != IR_MEM))
                return false;
            map = NULL;
        }
        if (!knows_windows(op))
            return false;
        changed |= !changes_nothing(op);
    }
    return !map;
}

static bool may_share(const struct x64_job *job, const struct ir_op *op)
{
    return job->mode->seg[op->seg] == SEG_CLASS_FLAT && !op->addr16 && !op->align &&
           !(job->adapted && job->adapted[op->insn] & X64_ADAPT_UNGROUPED) &&
           (op->base <= IR_EDI || op->base == IR_NONE) && (op->index <= IR_EDI || op->index == IR_NONE);
}

/* Puts the access into a group, or begins one with it. */
static void place_access(struct survey *out, const struct values *v, const struct ir_op *op, unsigned number)
{
    const uint16_t base = op->base == IR_NONE ? NO_VALUE : v->of[op->base],
                   index = op->index == IR_NONE ? NO_VALUE : v->of[op->index];
    const uint32_t at = op->imm + (op->base == IR_NONE ? 0 : v->plus[op->base]) +
                        (op->index == IR_NONE ? 0 : v->plus[op->index] << op->scale),
                   end = at + op->width;
    struct access_group *g;

    for (unsigned i = 0; i < out->n_groups; i++) {
        uint32_t low, high;

        g = &out->group[i];
        if (g->closed || g->base != base || g->index != index || (index != NO_VALUE && g->scale != op->scale))
            continue;
        low = (int32_t)(at - g->low) < 0 ? at : g->low;
        high = (int32_t)(end - g->high) > 0 ? end : g->high;
        if (high - low > SURVEY_SPAN || at - low > SURVEY_SPAN)
            continue;
        g->same = g->same && at == g->low && op->width == g->width;
        g->low = low;
        g->high = high;
        g->writes |= op->arg != IR_READ;
        g->last_insn = op->insn;
        g->n++;
        out->group_of[number] = (uint8_t)(i + 1);
        return;
    }
    if (out->n_groups == SURVEY_GROUPS)
        return;
    g = &out->group[out->n_groups++];
    *g = (struct access_group){
        .low = at,
        .high = end,
        .base = base,
        .index = index,
        .scale = op->scale,
        .n = 1,
        .first_insn = op->insn,
        .last_insn = op->insn,
        .leader = op->insn,
        .writes = op->arg != IR_READ,
        .same = op->width == 2 || op->width == 4 || op->width == 8,
        .width = op->width,
    };
    out->group_of[number] = (uint8_t)out->n_groups;
}

/* The register is free for the group if nothing else has it from the group's first instruction to its last. */
static bool is_free(const struct survey *out, const struct access_group *g, unsigned place)
{
    for (unsigned i = 0; i < out->n_groups; i++) {
        const struct access_group *other = &out->group[i];

        if (other->place == place && other->first_insn <= g->last_insn && other->last_insn >= g->first_insn)
            return false;
    }
    if (place == PLACE_R12)
        for (unsigned insn = g->first_insn; insn <= g->last_insn; insn++)
            if (out->uses_t1[insn])
                return false;
    return true;
}

/* Registers for those with most accesses, memory for some of the others; the rest are no groups. */
static void assign_places(struct survey *out)
{
    unsigned n_slots = 0;

    for (;;) {
        struct access_group *most = NULL;

        for (unsigned i = 0; i < out->n_groups; i++) {
            struct access_group *g = &out->group[i];

            if (g->place == PLACE_NONE && g->n > !g->hoisted && (!most || g->n > most->n))
                most = g;
        }
        if (!most)
            break;
        if (is_free(out, most, PLACE_R12)) {
            most->place = PLACE_R12;
        } else if (is_free(out, most, PLACE_R13)) {
            most->place = PLACE_R13;
        } else if (n_slots < SURVEY_SLOTS && (most->n > 2 || most->same || most->hoisted)) {
            most->place = PLACE_SLOT;
            most->slot = (uint8_t)n_slots++;
        } else {
            most->n = 0;
        }
    }
}

static bool block_loops(const struct x64_job *job)
{
    const struct ir_block *ir = job->ir;
    const struct ir_op *last = &ir->op[ir->n_ops - 1];

    return job->may_loop && !job->plain && !job->second_page && job->flat_code && last->opcode == IR_JCC &&
           last->imm == ir->offset[0];
}

/* Has the register of that value, if any, the same content at the block's end as at its start? */
static bool is_kept(const struct values *v, uint16_t value)
{
    return value == NO_VALUE || (value < 8 && v->of[value] == value && !v->plus[value]);
}

static void hoist_groups(const struct ir_block *ir, const struct values *end, struct survey *out)
{
    for (unsigned i = 0; i < out->n_groups; i++) {
        struct access_group *g = &out->group[i];

        if (!is_kept(end, g->base) || !is_kept(end, g->index))
            continue;
        g->hoisted = true;
        g->first_insn = 0;
        g->last_insn = (uint8_t)(ir->n_insns - 1);
    }
}

unsigned survey_target(const struct ir_block *ir, const struct ir_op *side)
{
    for (unsigned insn = side->insn + 1u; insn < ir->n_insns && ir->offset[insn] <= side->imm; insn++)
        if (ir->offset[insn] == side->imm)
            return insn;
    return 0;
}

/* Ways meet at the instruction: what some of them have written is not known. */
static void meet(struct values *v, const struct survey *out, unsigned insn)
{
    unsigned writes = 0;

    for (unsigned i = out->jumps_from[insn]; i < insn; i++)
        writes |= out->writes[i];
    for (unsigned reg = 0; writes; reg++, writes >>= 1)
        if (writes & 1)
            set_value(v, reg, v->next++, 0);
}

void survey_block(const struct x64_job *job, struct survey *out)
{
    const struct ir_block *ir = job->ir;
    struct values v = {.next = 8};
    unsigned insn = 0;
    uint32_t at[IR_MAX_OPS]; /* MAPs in a group: displacement, as the group counts it */

    for (uint16_t i = 0; i < 8; i++)
        v.of[i] = i;
    memset(out->writes, 0, ir->n_insns);
    memset(out->uses_t1, 0, ir->n_insns);
    memset(out->crosses, 0, ir->n_insns);
    memset(out->windowed, 0, ir->n_insns);
    memset(out->jumps_from, 0, ir->n_insns);
    memset(out->group_of, 0, ir->n_ops);
    out->n_groups = 0;
    out->loops = block_loops(job);
    out->sse = out->x87 = false;
    for (uint32_t i = 0; i < ir->n_ops; i++) {
        const struct ir_op *op = &ir->op[i];
        const unsigned writes = written(op);
        const bool is_first = i == 0 || ir->op[i - 1].insn != op->insn;
        unsigned target;

        if (op->insn == ir->n_insns) /* the jump that closes the block */
            break;
        while (insn < op->insn)
            if (out->jumps_from[++insn])
                meet(&v, out, insn);
        if (op->opcode == IR_SIDE && (target = survey_target(ir, op)) && !out->jumps_from[target])
            out->jumps_from[target] = (uint8_t)(op->insn + 1);
        out->writes[op->insn] |= (uint8_t)writes;
        out->uses_t1[op->insn] |= select_uses_t1(op);
        if (job->mode->windowed && is_first)
            out->windowed[op->insn] = may_fault(job, i);
        if (op->opcode == IR_MAP && !job->plain && !out->windowed[op->insn] && may_share(job, op)) {
            at[i] = op->imm + (op->base == IR_NONE ? 0 : v.plus[op->base]) +
                    (op->index == IR_NONE ? 0 : v.plus[op->index] << op->scale);
            place_access(out, &v, op, i);
            out->flat_seg = op->seg;
        }
        if (ir_info[op->opcode].effect == IR_EFFECT_CALLOUT) {
            out->loops = false;
            for (unsigned g = 0; g < out->n_groups; g++)
                out->group[g].closed = true;
        }
        if (op->opcode == IR_UNIT) {
            const unsigned checks = isa_table[op->imm & 0xffff].checks;

            out->sse |= (checks & SSE_NM) != 0;
            out->x87 |= (checks & (FPU_NM | MMX_NM)) != 0;
        }
        track(&v, op, writes);
    }
    if (out->loops)
        hoist_groups(ir, &v, out);
    assign_places(out);
    for (uint32_t i = 0; i < ir->n_ops; i++)
        if (out->group_of[i]) {
            const struct access_group *g = &out->group[out->group_of[i] - 1];

            if (g->place == PLACE_NONE)
                out->group_of[i] = 0;
            else
                out->offset[i] = (uint8_t)(at[i] - g->low);
        }
    for (unsigned i = 0; i < out->n_groups; i++) {
        const struct access_group *g = &out->group[i];

        if (g->place != PLACE_NONE)
            memset(out->crosses + g->first_insn, 1, g->last_insn - g->first_insn + (g->hoisted ? 1u : 0u));
    }
}
