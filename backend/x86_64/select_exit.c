/*
 * Ways out of a block. A constant target in the same page is a direct jump. One in another page is a direct jump too,
 * behind a check that the linear page still leads to the guest code that the jump was linked for, so it holds for every
 * address space. Anything else looks the guest code's host address up in the jump cache. No check changes a flag.
 *
 * Back edges and computed jumps poll translated.run_ok, so that no chain runs for ever.
 */
#include "backend/x86_64/select.h"
#include "softmmu/flat.h"

#define NEVER_EXPECTED 1u /* no host address is its negative */

void x64_link_jump(struct x64_link *link, const uint8_t *code, uintptr_t guest)
{
    emit_patch32(link->field, code);
    if (link->expected)
        memcpy(link->expected, &(uint64_t){0 - (uint64_t)guest}, 8);
}

void x64_unlink_jump(struct x64_link *link)
{
    emit_patch32(link->field, link->stub);
    if (link->expected)
        memcpy(link->expected, &(uint64_t){NEVER_EXPECTED}, 8);
}

void x64_retire(uint8_t *code, const struct x64_entry *entry, uint32_t offset)
{
    struct emit e = {code};

    emit_mov_load(&e, 4, RDX, STATE(translated.page_eip));
    emit_lea(&e, 4, RDX, RM_MEM(RDX, (int32_t)offset));
    emit_jmp_to(&e, entry->lookup);
}

static void emit_poll(struct select *s, unsigned reg, uint32_t target)
{
    uint8_t *field;

    emit_mov_load(&s->e, 8, RCX, STATE(translated.run_ok));
    field = emit_jrcxz(&s->e);
    s->island[s->n_islands++] =
        (struct island){.field = field, .kind = ISLAND_STOP, .stop_reg = (uint8_t)reg, .target = target};
}

static struct x64_link *add_link(struct select *s, uint8_t *field, uint8_t *expected, uint32_t target, unsigned jump)
{
    struct x64_link *link = &s->job->link[s->job->n_links++];

    *link = (struct x64_link){
        .field = field, .expected = expected, .target = target, .block = s->job->block, .jump = (uint8_t)jump};
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

/* On at a constant target. `from`: where the jumping instruction is. */
static void exit_to(struct select *s, uint32_t target, uint32_t from, unsigned jump)
{
    struct emit *e = &s->e;
    uint8_t *expected, *hit;

    if (target_in_page(s, target)) {
        if (target <= from)
            emit_poll(s, HOST_REG_NONE, target);
        add_link(s, emit_jmp32(e), NULL, target, jump);
        select_islands(s);
        return;
    }
    if (!s->job->flat_code) {
        uint32_t eip = s->job->page_eip + target;

        emit_mov_imm32(e, RDX, s->job->ir->code16 ? eip & 0xffff : eip);
        emit_poll(s, RDX, 0);
        emit_jmp_to(e, s->job->entry->lookup);
        select_islands(s);
        return;
    }
    emit_mov_load(e, 4, RDX, STATE(translated.page_eip));
    emit_lea(e, 4, RDX, RM_MEM(RDX, (int32_t)target));
    if ((int32_t)target < 0)
        emit_poll(s, RDX, 0);
    emit_shrx(e, RCX, RDX, PLAN_STATE);
    emit_mov_load(e, 8, RCX, RM_SIB(PLAN_FLAT, RCX, 3, FLAT_OFFSET_EXEC));
    emit_lea(e, 8, RCX, RM_SIB(RCX, RDX, 0, 0));
    emit_mov_imm64(e, RAX, NEVER_EXPECTED);
    expected = e->at - 8;
    emit_lea(e, 8, RCX, RM_SIB(RCX, RAX, 0, 0));
    hit = emit_jrcxz(e);
    struct x64_link *link = add_link(s, NULL, expected, target, jump);
    link->stub = e->at;
    emit_call_to(e, s->job->entry->link);
    emit32(e, s->job->first_link + (uint32_t)(link - s->job->link));
    emit_patch8(hit, e->at);
    emit_lea(e, 4, RDX, RM_MEM(RDX, -(int32_t)(target & 0xfff)));
    emit_mov_store(e, 4, STATE(translated.page_eip), RDX);
    link->field = emit_jmp32(e);
    emit_patch32(link->field, link->stub);
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
    emit_mov_imm64(e, RAX, 0 - (uint64_t)s->job->second_page);
    emit_lea(e, 8, RCX, RM_SIB(RCX, RAX, 0, 0));
    hit = emit_jrcxz(e);
    emit_mov_load(e, 4, RDX, STATE(translated.page_eip));
    emit_lea(e, 4, RDX, RM_MEM(RDX, s->job->ir->offset[0]));
    if (s->job->ir->code16)
        emit_movzx(e, RDX, 2, RM_REG(RDX));
    emit_jmp_to(e, s->job->entry->lookup);
    emit_patch8(hit, e->at);
}

/* On at the EIP in `src`. */
static void exit_to_register(struct select *s, const struct ir_op *op)
{
    struct emit *e = &s->e;
    uint8_t *hit;

    emit_movzx(e, RDX, op->width == 2 ? 2 : 4, RM_REG(plan_reg[op->src]));
    emit_poll(s, RDX, 0);
    if (!s->job->flat_code) {
        emit_jmp_to(e, s->job->entry->lookup);
        select_islands(s);
        return;
    }
    emit_shrx(e, RCX, RDX, PLAN_STATE);
    emit_mov_load(e, 8, RCX, RM_SIB(PLAN_FLAT, RCX, 3, FLAT_OFFSET_EXEC));
    emit_lea(e, 8, RAX, RM_SIB(RCX, RDX, 0, 0)); /* not entered: no tag is an EIP alone */
    emit_rorx(e, RCX, RDX, 13);                  /* x64_jump_cache_index() */
    emit_lea(e, 4, RCX, RM_SIB(RCX, RDX, 0, 0));
    emit_movzx(e, RCX, 2, RM_REG(RCX));
    emit_lea(e, 4, RCX, RM_SIB(RCX, RCX, 0, 0));
    emit_mov_load(e, 8, PLAN_T1, STATE(translated.jump_cache));
    emit_lea(e, 8, PLAN_T1, RM_SIB(PLAN_T1, RCX, 3, 0));
    emit_mov_load(e, 8, RCX, RM_MEM(PLAN_T1, 0));
    emit_lea(e, 8, RCX, RM_SIB(RCX, RAX, 0, 0));
    hit = emit_jrcxz(e);
    emit_jmp_to(e, s->job->entry->lookup);
    emit_patch8(hit, e->at);
    emit_shrx(e, RCX, RDX, PLAN_STATE);
    emit_vex(e, 1, 2, 0, 0xf7, RCX, PLAN_STATE, RM_REG(RCX)); /* shlx */
    emit_mov_store(e, 4, STATE(translated.page_eip), RCX);
    emit_op(e, 0, 0xff, 4, 4, RM_MEM(PLAN_T1, 8), false);
    select_islands(s);
}

/* To the block's own start, which needs no link: as long as code runs in the block it is alive. */
static void loop_back(struct select *s, const struct ir_op *op)
{
    struct emit *e = &s->e;
    uint8_t *stop;

    emit_mov_load(e, 8, RCX, STATE(translated.run_ok));
    stop = emit_jrcxz(e);
    s->island[s->n_islands++] =
        (struct island){.field = stop, .kind = ISLAND_LOOP, .stop_reg = op->arg, .site.insn = op->insn};
    emit_patch32(emit_jcc32(e, op->arg), s->loop_at);
}

void select_exit(struct select *s, const struct ir_op *op)
{
    struct emit *e = &s->e;
    const bool is_end = op->insn == s->job->ir->n_insns; /* the jump that closes a block which simply goes on */
    const uint32_t here = is_end ? 0 : s->job->ir->offset[op->insn],
                   next = is_end ? 0 : s->job->ir->offset[op->insn + 1];
    uint8_t *over;

    if (op->opcode != IR_SIDE)
        select_note_x87(s);
    switch (op->opcode) {
    case IR_JMP:
        exit_to(s, op->imm, here, op->arg);
        break;
    case IR_SIDE:
        if (s->x87_note)
            s->side[s->n_side++] = (struct side_exit){emit_jcc32(e, op->arg), op->imm, s->x87_note, s->x87_data};
        else
            add_link(s, emit_jcc32(e, op->arg), NULL, op->imm, IR_JUMP_PLAIN);
        break;
    case IR_JCC:
        if (s->survey.loops) {
            loop_back(s, op);
            exit_to(s, next, here, IR_JUMP_PLAIN);
        } else if (target_in_page(s, op->imm) && op->imm > here) {
            add_link(s, emit_jcc32(e, op->arg), NULL, op->imm, IR_JUMP_PLAIN);
            exit_to(s, next, here, IR_JUMP_PLAIN);
        } else {
            over = emit_jcc32(e, op->arg ^ 1);
            exit_to(s, op->imm, here, IR_JUMP_PLAIN);
            emit_patch32(over, e->at);
            exit_to(s, next, here, IR_JUMP_PLAIN);
        }
        break;
    case IR_JZR:
    case IR_JNZR: {
        const uint32_t zero = op->opcode == IR_JZR ? op->imm : next, other = op->opcode == IR_JZR ? next : op->imm;
        uint8_t *is_zero;

        emit_movzx(e, RCX, op->width == 2 ? 2 : 4, RM_REG(plan_reg[op->src]));
        over = emit_jrcxz(e);
        is_zero = emit_jmp32(e);
        emit_patch8(over, e->at);
        over = emit_jmp32(e);
        emit_patch32(is_zero, e->at);
        exit_to(s, other, here, IR_JUMP_PLAIN);
        emit_patch32(over, e->at);
        exit_to(s, zero, here, IR_JUMP_PLAIN);
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
        s->x87_note = side->x87_note;
        s->x87_data = side->x87_data;
        select_note_x87(s);
        add_link(s, emit_jmp32(&s->e), NULL, side->target, IR_JUMP_PLAIN);
    }
    for (uint32_t i = 0; i < s->job->n_links; i++) {
        struct x64_link *link = &s->job->link[i];

        if (link->stub)
            continue;
        link->stub = s->e.at;
        emit_call_to(&s->e, s->job->entry->link);
        emit32(&s->e, s->job->first_link + i);
        emit_patch32(link->field, link->stub);
    }
}
