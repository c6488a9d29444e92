/*
 * Islands: code behind a block, or in the way of it, that a JRCXZ leads to, and the sites that C code finds by number.
 *
 * JRCXZ reaches 127 bytes. So before every operation it is made sure that those pending can still be laid out behind
 * it; an island is then a jump of 5 bytes to where its code stands.
 */
#include "backend/x86_64/select.h"

#include "frontend/x86/isa.h"
#include "softmmu/flat.h"

struct x64_site select_site(const struct select *s, struct x64_site site)
{
    site.crosses = s->survey.crosses[site.insn];
    site.x87_insn = s->x87.last ? (uint8_t)(s->x87.last->insn + 1) : 0;
    site.x87_data = s->x87.data ? (uint8_t)(s->x87.data->insn + 1) : 0;
    site.x87_moved = s->x87.moved;
    site.x87_of_turn = 0;
    if (s->x87_turn.in_loop)
        site.x87_of_turn = (s->x87_turn.had_note ? 0 : X64_X87_LAST) | (s->x87_turn.had_data ? 0 : X64_X87_DATA);
    return site;
}

void select_branch_to_island(struct select *s, uint8_t *field, struct x64_site site)
{
    struct island *island = &s->island[s->n_islands++];

    *island = (struct island){.field = field, .site = select_site(s, site)};
}

static uint32_t add_site(struct select *s, struct x64_site site)
{
    site.block = s->job->block;
    s->job->site[s->job->n_sites] = site;
    return s->job->first_site + s->job->n_sites++;
}

static void call_slow(struct select *s, struct x64_site site)
{
    emit_call_to(&s->e, s->job->entry->slow);
    emit32(&s->e, add_site(s, site));
}

void select_window_site(struct select *s, const struct ir_op *op)
{
    add_site(s, select_site(s, (struct x64_site){.kind = X64_SITE_WINDOW, .insn = op->insn}));
}

void select_slow_call(struct select *s, struct x64_site site)
{
    call_slow(s, select_site(s, site));
}

/* translated.counted += by. Spoils RCX. */
void select_count_up(struct emit *e, int by)
{
    emit_mov_load(e, 8, RCX, STATE(translated.counted));
    emit_lea(e, 8, RCX, RM_MEM(RCX, by));
    emit_mov_store(e, 8, STATE(translated.counted), RCX);
}

/*
 * A group's look-up found nothing. In the last part of its page the entries for bytes serve the group too, if it does
 * not reach beyond the page; where it does, a block without groups goes on from here. All else is C code's.
 */
static void emit_group_island(struct select *s, const struct island *island)
{
    struct emit *e = &s->e;
    uint8_t *last_part, *slow, *fits;

    if (island->stop_reg != PLAN_ADDRESS)
        emit_mov(e, 4, PLAN_ADDRESS, island->stop_reg);
    emit_pext(e, RCX, PLAN_ADDRESS, STATE(translated.mask_part));
    emit_lea(e, 4, RCX, RM_MEM(RCX, -(FLAT_GROUP_PARTS - 1)));
    last_part = emit_jrcxz(e);
    slow = e->at;
    call_slow(s, island->site);

    emit_patch8(last_part, e->at);
    emit_pext(e, RCX, PLAN_ADDRESS, STATE(translated.mask_offset));
    emit_lea(e, 8, RCX, RM_MEM(RCX, (int32_t)island->span - (int32_t)PHYS_PAGE_SIZE - 1)); /* negative if it fits */
    fits = emit_jump_if_negative(e);
    if (island->site.x87_insn || island->site.x87_of_turn) { /* C code is to store x87's pointers as well */
        struct x64_site plain = island->site;

        plain.kind = X64_SITE_PLAIN;
        call_slow(s, plain);
    } else {
        struct x64_link *link = select_new_link(s);

        if (s->job->counts && !island->site.is_hoisted) /* the instruction begins anew there */
            select_count_up(e, -1);
        select_emit_stack(e, &island->stack);
        *link = (struct x64_link){.field = emit_jmp32(e),
                                  .target = s->job->ir->offset[island->site.insn],
                                  .block = s->job->block,
                                  .plain = true};
    }

    emit_patch8(fits, e->at);
    emit_shrx(e, RCX, PLAN_ADDRESS, PLAN_STATE);
    emit_mov_load(e, 8, RCX,
                  RM_SIB(PLAN_FLAT, RCX, 3, island->site.writes_later ? FLAT_OFFSET_WRITE1 : FLAT_OFFSET_READ1));
    emit_patch8(emit_jrcxz(e), slow);
    emit_jmp_to(e, island->resume);
}

/* Back to the run loop, at an offset from the page's first byte. */
static void emit_leave(struct select *s, uint32_t target)
{
    emit_mov_load(&s->e, 4, RDX, STATE(translated.page_eip));
    emit_lea(&s->e, 4, RDX, RM_MEM(RDX, (int32_t)target));
    if (s->job->ir->code16)
        emit_movzx(&s->e, RDX, 2, RM_REG(RDX));
    emit_jmp_to(&s->e, s->job->entry->leave);
}

static void emit_island(struct select *s, const struct island *island)
{
    uint8_t *taken;

    switch (island->kind) {
    case ISLAND_SLOW:
        call_slow(s, island->site);
        break;
    case ISLAND_STORE:
        if (island->stop_reg != PLAN_ADDRESS)
            emit_mov(&s->e, 4, PLAN_ADDRESS, island->stop_reg);
        emit_call_to(&s->e, island->load);
        taken = emit_jrcxz(&s->e);
        emit_jmp_to(&s->e, island->resume);
        emit_patch8(taken, s->e.at);
        call_slow(s, island->site);
        break;
    case ISLAND_GROUP:
        emit_group_island(s, island);
        break;
    case ISLAND_LOAD:
        emit_call_to(&s->e, island->load);
        emit_jmp_to(&s->e, island->resume);
        break;
    case ISLAND_BRANCH:
        s->x87 = island->x87;
        select_note_x87(s);
        taken = emit_jcc8(&s->e, island->stop_reg);
        emit_leave(s, s->job->ir->offset[island->site.insn + 1]);
        emit_patch8(taken, s->e.at);
        emit_leave(s, island->target);
        break;
    case ISLAND_STOP:
        if (island->stop_reg != HOST_REG_NONE) {
            emit_mov(&s->e, 4, RDX, island->stop_reg);
            emit_jmp_to(&s->e, s->job->entry->leave);
        } else {
            emit_leave(s, island->target);
        }
        break;
    }
}

void select_islands(struct select *s)
{
    for (unsigned i = 0; i < s->n_islands; i++) {
        struct island *island = &s->island[i];

        emit_patch8(island->field, s->e.at);
        if (s->n_islands == 1 && !s->job->cold) {
            emit_island(s, island);
        } else {
            island->field = emit_jmp32(&s->e);
            s->far_island[s->n_far_islands++] = *island;
        }
    }
    s->n_islands = 0;
}

void select_far_islands(struct select *s)
{
    for (unsigned i = 0; i < s->n_far_islands; i++) {
        emit_patch32(s->far_island[i].field, s->e.at);
        emit_island(s, &s->far_island[i]);
    }
}

/* What an operation may add before its own islands can be laid out. */
static unsigned op_room(const struct select *s, const struct ir_op *op)
{
    const struct isa_row *row;

    switch (op->opcode) {
    case IR_MAP:
        return (s->job->mode->seg[op->seg] == SEG_CLASS_CHECKED || s->job->mode->seg[op->seg] == SEG_CLASS_64K ? 100
                                                                                                               : 56) +
               (op->insn < s->job->ir->n_insns && op[1].opcode == IR_UNIT ? 20 : 0); /* the last is no MAP */
    case IR_UNIT: /* FLDCW, LDMXCSR, the registers' loading, or the instruction alone */
        row = &isa_table[op->imm & 0xffff];
        if (row->opcode == 0xae)
            return 56;
        return row->opcode == 0xd9 && op->src == IR_MEM ? 44 : op->src != IR_MEM ? 36 : 16;
    case IR_EFLAGS:
    case IR_STI:
    case IR_CS_EIP:
    case IR_DIV:
        return 60;
    case IR_IDIV:
    case IR_POPF:
    case IR_SEG_REAL:
        return 110;
    case IR_PUSHA:
    case IR_POPA:
    case IR_SEG_PROT: /* so they begin with none of others */
        return 120;
    case IR_JMP:
    case IR_JCC:
        return s->job->flat_code && (op->imm >= PHYS_PAGE_SIZE ||
                                     (op->opcode == IR_JCC && s->job->ir->offset[op->insn + 1] >= PHYS_PAGE_SIZE))
                   ? 96
                   : 32;
    case IR_JZR:
    case IR_JNZR:
        return 96;
    case IR_TSC:
    case IR_WITHIN:
    case IR_CMPXCHG8:
        return 40;
    case IR_MOV:
    case IR_ADD:
    case IR_SUB:
    case IR_CMP:
    case IR_TEST:
    case IR_AND:
    case IR_OR:
    case IR_XOR:
    case IR_LEA:
        return select_is_high(op->dst) || select_is_high(op->src) ? 28 : 16;
    default:
        return 28;
    }
}

/* An island takes 5 bytes of those that JRCXZ reaches, or all that one needs if it is alone. */
void select_within_reach(struct select *s, const struct ir_op *op, unsigned begun)
{
    /* x87's pointers may be stored before the operation. */
    const struct ir_block *ir = s->job->ir;
    const enum ir_effect effect = ir_info[op->opcode].effect;
    bool notes_all = effect == IR_EFFECT_END || effect == IR_EFFECT_EXIT;
    unsigned notes;
    uint8_t *over;

    if (!s->n_islands)
        return;
    for (unsigned insn = begun + 1; insn <= op->insn && insn < ir->n_insns; insn++)
        notes_all |= s->survey.jumps_from[insn] != 0; /* ways meet; some of them have no operation */
    notes = !s->x87.last ? 0 : notes_all ? 44 : s->x87.data ? 24 : 0;
    if ((size_t)(s->e.at - s->island[0].field) + 5 * s->n_islands + op_room(s, op) + notes + (s->stack.plus ? 14 : 0) <
        116)
        return;
    over = emit_jmp8(&s->e);
    select_islands(s);
    emit_patch8(over, s->e.at);
}
