/*
 * Ways out of a block. A constant target in the same page is a direct jump. One in another page is a direct jump too,
 * behind a check that the linear page still leads to the guest code that the jump was linked for, so it holds for every
 * address space. Anything else goes through the jump table (x64.h) to a landing, which makes that check. No check
 * changes a flag.
 *
 * Back edges and jumps to other pages poll translated.run_ok, computed jumps translated.jump_table, so that no chain
 * runs for ever.
 */
#include "backend/x86_64/select.h"
#include "softmmu/flat.h"

#define NEVER_EXPECTED INT32_MAX /* no code address makes 1 of it: FLAT_CODE_NEVER */

bool x64_link_jump(struct x64_link *link, const uint8_t *code, uint64_t guest)
{
    const uint64_t expected = 1 - guest;

    if (link->expected) {
        if (!guest || (link->is_near && expected > INT32_MAX))
            return false;
        memcpy(link->expected, &expected, link->is_near ? 4 : 8);
    }
    emit_patch32(link->field, code);
    return true;
}

void x64_unlink_jump(struct x64_link *link)
{
    emit_patch32(link->field, link->stub);
    if (link->expected)
        memcpy(link->expected, &(int64_t){NEVER_EXPECTED}, link->is_near ? 4 : 8);
}

uint8_t *x64_emit_jump(uint8_t *code, const uint8_t *to)
{
    struct emit e = {code};

    emit_jmp_to(&e, to);
    return e.at;
}

#define WAY_ON_BYTES 5 /* the jump in front of a landing */

void x64_chain_landing(uint8_t *landing, const uint8_t *next)
{
    x64_emit_jump(landing - WAY_ON_BYTES, next);
}

void x64_retire(uint8_t *landing)
{
    x64_emit_jump(landing, landing - WAY_ON_BYTES);
}

/* RCX = 1 if the linear address EDX and the entry in RAX make the code address `guest`. */
static void emit_compare_code(struct emit *e, uint64_t guest)
{
    const uint64_t expected = 1 - guest;

    if (expected <= INT32_MAX) {
        emit_lea(e, 8, RCX, RM_SIB(RAX, RDX, 0, (int32_t)expected));
        return;
    }
    emit_mov_imm64(e, RCX, expected);
    emit_lea(e, 8, RCX, RM_SIB(RCX, RAX, 0, 0));
    emit_lea(e, 8, RCX, RM_SIB(RCX, RDX, 0, 0));
}

/* Where CS is flat, the jump has brought what the table says of EIP's page to RAX, 0 included. Elsewhere the block's
 * EIP is known, and CS as it is now decides what that is.
 *
 * LOOP, which leaves the flags alone, falls through where the comparison left 1: the way to the block takes no branch.
 * Elsewhere EDX is EIP and RAX as it was, for the next landing.
 */
uint8_t *x64_emit_landing(uint8_t *code, const struct x64_landing *landing, uint8_t **entry)
{
    struct emit e = {code};

    emit_jmp_to(&e, landing->entry->lookup);
    *entry = e.at;
    if (landing->flat_code) {
        emit_compare_code(&e, landing->guest);
        emit_loop_to(&e, code);
        emit_lea(&e, 4, RDX, RM_MEM(RDX, -(int32_t)landing->offset));
        emit_mov_store(&e, 4, STATE(translated.page_eip), RDX);
        return e.at;
    }
    emit_lea(&e, 4, RCX, RM_MEM(RDX, (int32_t)(1 - landing->eip)));
    emit_loop_to(&e, code);
    emit_mov_load(&e, 4, RCX, STATE(seg[CS].limit));
    emit_lea(&e, 4, RCX, RM_MEM(RCX, (int32_t)(1 - landing->cs_limit)));
    emit_loop_to(&e, code);
    emit_mov_load(&e, 4, RCX, STATE(seg[CS].base));
    emit_lea(&e, 4, RDX, RM_SIB(RCX, RDX, 0, 0));
    emit_shrx(&e, RCX, RDX, PLAN_STATE);
    emit_mov_load(&e, 8, RAX, RM_SIB(PLAN_FLAT, RCX, 3, FLAT_OFFSET_EXEC));
    emit_compare_code(&e, landing->guest);
    emit_mov_imm32(&e, RDX, landing->eip);
    emit_loop_to(&e, code);
    emit_op(&e, 0, 0xc7, 4, 0, STATE(translated.page_eip), false); /* mov */
    emit32(&e, landing->eip - landing->offset);
    return e.at;
}

/* Has the island leave the block when something wants the run loop. */
static void emit_poll(struct select *s, struct island island)
{
    emit_mov_load(&s->e, 8, RCX, STATE(translated.run_ok));
    island.field = emit_jrcxz(&s->e);
    s->island[s->n_islands++] = island;
}

struct x64_link *select_new_link(struct select *s)
{
    assert(s->job->n_links < X64_MAX_LINKS);
    return &s->job->link[s->job->n_links++];
}

static struct x64_link *add_link(struct select *s, uint8_t *field, uint8_t *expected, uint32_t target)
{
    struct x64_link *link = select_new_link(s);

    *link = (struct x64_link){.field = field, .expected = expected, .target = target, .block = s->job->block};
    return link;
}

/* May CS end between two blocks? Then C code compares its limit, which may change, each time. */
static bool limit_may_end_chain(const struct x86_mode *mode)
{
    return mode->seg[CS] == SEG_CLASS_OTHER || (mode->seg[CS] == SEG_CLASS_64K && mode->code32);
}

static bool target_in_page(const struct select *s, uint32_t target)
{
    uint32_t eip;

    if (target >= PHYS_PAGE_SIZE || limit_may_end_chain(s->job->mode))
        return false;
    if (s->job->flat_code)
        return true;
    eip = s->job->page_eip + target;
    return s->job->ir->code16 ? eip <= 0xffff && s->job->page_eip <= 0xffff : eip >= target;
}

/* Where the link leads while it is not linked. */
static void emit_stub(struct select *s, struct x64_link *link)
{
    link->stub = s->e.at;
    emit_call_to(&s->e, s->job->entry->link);
    emit32(&s->e, s->job->first_link + (uint32_t)(link - s->job->link));
    emit_patch32(link->field, link->stub);
}

/* On at a constant target. `from`: where the jumping instruction is. */
static void exit_to(struct select *s, uint32_t target, uint32_t from)
{
    struct emit *e = &s->e;
    uint8_t *expected, *miss;

    if (target_in_page(s, target)) {
        if (target <= from)
            emit_poll(s, (struct island){.kind = ISLAND_STOP, .stop_reg = HOST_REG_NONE, .target = target});
        add_link(s, emit_jmp32(e), NULL, target);
        select_islands(s);
        return;
    }
    if (!s->job->flat_code) {
        uint32_t eip = s->job->page_eip + target;

        emit_mov_imm32(e, RDX, s->job->ir->code16 ? eip & 0xffff : eip);
        if (limit_may_end_chain(s->job->mode)) {
            emit_jmp_to(e, s->job->entry->lookup);
        } else {
            emit_poll(s, (struct island){.kind = ISLAND_STOP, .stop_reg = RDX});
            add_link(s, emit_jmp32(e), NULL, target)->to_landing = true;
        }
        select_islands(s);
        return;
    }
    emit_mov_load(e, 4, RDX, STATE(translated.page_eip));
    emit_lea(e, 4, RDX, RM_MEM(RDX, (int32_t)target));
    /* Forward as well: jumps forward alone can go round all of the 4 GiB. */
    emit_poll(s, (struct island){.kind = ISLAND_STOP, .stop_reg = RDX});
    emit_shrx(e, RCX, RDX, PLAN_STATE);
    emit_mov_load(e, 8, RCX, RM_SIB(PLAN_FLAT, RCX, 3, FLAT_OFFSET_EXEC));
    if (s->job->code_is_near) {
        emit_lea(e, 8, RCX, RM_SIB(RCX, RDX, 0, INT32_MAX)); /* four bytes */
        expected = e->at - 4;
    } else {
        emit_lea(e, 8, RCX, RM_SIB(RCX, RDX, 0, 0));
        emit_mov_imm64(e, RAX, 0);
        expected = e->at - 8;
        emit_lea(e, 8, RCX, RM_SIB(RCX, RAX, 0, 0));
    }
    miss = emit_loop(e);
    emit_lea(e, 4, RDX, RM_MEM(RDX, -(int32_t)(target & 0xfff)));
    emit_mov_store(e, 4, STATE(translated.page_eip), RDX);
    struct x64_link *link = add_link(s, emit_jmp32(e), expected, target);
    link->is_near = s->job->code_is_near;
    emit_patch8(miss, e->at);
    emit_stub(s, link);
    x64_unlink_jump(link);
    select_islands(s);
}

void select_page_check(struct select *s)
{
    struct emit *e = &s->e;
    uint8_t *hit;

    emit_mov_load(e, 4, RDX, STATE(translated.page_eip));
    if (!s->job->flat_code) {
        emit_mov_load(e, 4, RCX, STATE(seg[CS].base));
        emit_lea(e, 4, RDX, RM_SIB(RDX, RCX, 0, 0));
    }
    emit_lea(e, 4, RDX, RM_MEM(RDX, PHYS_PAGE_SIZE));
    emit_shrx(e, RCX, RDX, PLAN_STATE);
    emit_mov_load(e, 8, RCX, RM_SIB(PLAN_FLAT, RCX, 3, FLAT_OFFSET_EXEC));
    emit_lea(e, 8, RCX, RM_SIB(RCX, RDX, 0, 0));
    emit_mov_imm64(e, RAX, 0 - s->job->second_page);
    emit_lea(e, 8, RCX, RM_SIB(RCX, RAX, 0, 0));
    hit = emit_jrcxz(e);
    emit_mov_load(e, 4, RDX, STATE(translated.page_eip));
    emit_lea(e, 4, RDX, RM_MEM(RDX, s->job->ir->offset[0]));
    if (s->job->ir->code16)
        emit_movzx(e, RDX, 2, RM_REG(RDX));
    emit_jmp_to(e, s->job->entry->lookup);
    emit_patch8(hit, e->at);
}

bool select_target(struct select *s, const struct ir_op *mov)
{
    const struct ir_op *next = mov + 1;

    if (mov->dst != IR_T0 || mov->src != IR_MEM || mov->width != 4 || s->x87.last) /* noting that uses EDX */
        return false;
    while (next->opcode == IR_LEA && next->dst == IR_ESP) /* RET's, between the two */
        next++;
    if (next->opcode != IR_JMPR || next->src != IR_T0 || next->width != 4)
        return false;
    emit_mov_load(&s->e, 4, RDX, s->map);
    s->has_target = true;
    return true;
}

/* On at the EIP in `src`, through the jump table. That is a poll too: when something wants the run loop, the table is
 * exchanged for one that has nothing. */
static void exit_to_register(struct select *s, const struct ir_op *op)
{
    struct emit *e = &s->e;

    if (!s->has_target)
        emit_movzx(e, RDX, op->width == 2 ? 2 : 4, RM_REG(plan_reg[op->src]));
    if (limit_may_end_chain(s->job->mode)) {
        emit_jmp_to(e, s->job->entry->lookup);
        select_islands(s);
        return;
    }
    emit_shrx(e, RCX, RDX, PLAN_STATE);
    if (s->job->flat_code)
        emit_mov_load(e, 8, RAX, RM_SIB(PLAN_FLAT, RCX, 3, FLAT_OFFSET_EXEC));
    emit_lea(e, 4, RCX, RM_SIB(RCX, RDX, 0, 0)); /* x64_jump_table_index() */
    emit_movzx(e, RCX, 2, RM_REG(RCX));
    emit_mov_load(e, 8, PLAN_T1, STATE(translated.jump_table));
    emit_op(e, 0, 0xff, 4, 4, RM_SIB(PLAN_T1, RCX, 3, 0), false); /* jmp */
    select_islands(s);
}

/* A back edge is polled in front of the conditional jump, which is a single one then. */
static void emit_branch_poll(struct select *s, const struct ir_op *op)
{
    emit_poll(s,
              (struct island){
                  .kind = ISLAND_BRANCH, .stop_reg = op->arg, .target = op->imm, .site.insn = op->insn, .x87 = s->x87});
}

/* To the block's own start, which needs no link: as long as code runs in the block it is alive. */
static void loop_back(struct select *s, const struct ir_op *op)
{
    struct emit *e = &s->e;

    const bool is_last = s->turn + 1 == s->job->turns;

    if (!select_x87_carries(s))
        select_note_x87(s);
    s->carried = s->x87;
    if (is_last)
        emit_branch_poll(s, op);
    if (s->x87.last && s->turn == 0) {
        emit_op(e, 0, 0xc6, 1, 0, STATE(translated.x87_turns), false);
        emit8(e, 1);
    }
    if (!is_last) {
        s->out[s->turn] = emit_jcc32(e, op->arg ^ 1);
        return;
    }
    emit_patch32(emit_jcc32(e, op->arg), s->loop_at);
    for (unsigned i = 0; i < s->turn; i++)
        emit_patch32(s->out[i], e->at);
    select_note_x87(s);
    exit_to(s, s->job->ir->offset[op->insn + 1], s->job->ir->offset[op->insn]);
}

static void jump_within(struct select *s, const struct ir_op *op)
{
    struct inner_jump *jump = &s->inner[s->n_inner++];

    jump->field = emit_jcc32(&s->e, op->arg);
    jump->target = (uint8_t)survey_target(s->job->ir, op);
    jump->sse_known = s->sse_known;
    jump->x87_known = s->x87_known;
    memcpy(jump->led, s->led, sizeof jump->led);
}

void select_meet(struct select *s, unsigned insn)
{
    s->x87.moved += s->x87_moves; /* the instruction before is done */
    s->x87_moves = 0;
    select_note_x87(s); /* the other ways have nothing outstanding */
    select_settle_esp(s);
    for (unsigned i = 0; i < s->n_inner; i++) {
        const struct inner_jump *jump = &s->inner[i];

        if (jump->target != insn)
            continue;
        emit_patch32(jump->field, s->e.at);
        s->sse_known &= jump->sse_known;
        s->x87_known &= jump->x87_known;
        for (unsigned group = 0; group < SURVEY_GROUPS; group++)
            if (s->led[group] != jump->led[group])
                s->led[group] = 0;
    }
}

void select_exit(struct select *s, const struct ir_op *op)
{
    struct emit *e = &s->e;
    const bool is_end = op->insn == s->job->ir->n_insns; /* the jump that closes a block which simply goes on */
    const uint32_t here = is_end ? 0 : s->job->ir->offset[op->insn],
                   next = is_end ? 0 : s->job->ir->offset[op->insn + 1];
    uint8_t *over;

    if (op->opcode == IR_SIDE ? survey_target(s->job->ir, op) : !s->survey.loops)
        select_note_x87(s);
    switch (op->opcode) {
    case IR_JMP:
        exit_to(s, op->imm, here);
        break;
    case IR_SIDE:
        select_bar_x87_carry(s);
        if (survey_target(s->job->ir, op))
            jump_within(s, op);
        else if (s->x87.last)
            s->side[s->n_side++] = (struct side_exit){emit_jcc32(e, op->arg), op->imm, s->x87};
        else
            add_link(s, emit_jcc32(e, op->arg), NULL, op->imm);
        break;
    case IR_JCC:
        if (s->survey.loops) {
            loop_back(s, op);
            break;
        }
        if (target_in_page(s, op->imm)) {
            if (op->imm <= here)
                emit_branch_poll(s, op);
            add_link(s, emit_jcc32(e, op->arg), NULL, op->imm);
            exit_to(s, next, here);
        } else {
            over = emit_jcc32(e, op->arg ^ 1);
            exit_to(s, op->imm, here);
            emit_patch32(over, e->at);
            exit_to(s, next, here);
        }
        break;
    case IR_JZR:
    case IR_JNZR: {
        const uint32_t zero = op->opcode == IR_JZR ? op->imm : next, other = op->opcode == IR_JZR ? next : op->imm;
        /* What the exit and the islands that it lays out take, at most. */
        const unsigned room = (target_in_page(s, other) ? 42 : 106) + 5 * s->n_islands;

        emit_movzx(e, RCX, op->width == 2 ? 2 : 4, RM_REG(plan_reg[op->src]));
        over = emit_jrcxz(e);
        if (room < 128) {
            exit_to(s, other, here);
            emit_patch8(over, e->at);
        } else {
            uint8_t *not_zero = emit_jmp32(e), *is_zero;

            emit_patch8(over, e->at);
            is_zero = emit_jmp32(e);
            emit_patch32(not_zero, e->at);
            exit_to(s, other, here);
            emit_patch32(is_zero, e->at);
        }
        exit_to(s, zero, here);
        break;
    }
    default:
        exit_to_register(s, op);
        break;
    }
}

void select_stubs(struct select *s)
{
    for (unsigned i = 0; i < s->n_side; i++) {
        const struct side_exit *side = &s->side[i];

        emit_patch32(side->field, s->e.at);
        s->x87 = side->x87;
        select_note_x87(s);
        add_link(s, emit_jmp32(&s->e), NULL, side->target);
    }
    for (uint32_t i = 0; i < s->job->n_links; i++)
        if (!s->job->link[i].stub)
            emit_stub(s, &s->job->link[i]);
}
