/*
 * Finding memory: what a MAP becomes. The linear address is computed, an index made of its page number and low bits,
 * and the addend that stands there in the tables of softmmu/flat.h fetched; 0 leads to an island. No flag changes.
 *
 * Accesses that the survey has put into a group share one look-up (survey.h).
 */
#include "backend/x86_64/select.h"
#include "softmmu/flat.h"

struct map_table {
    uint32_t read, write;
};

/* Linear address in EDX, through a segment whose limit counts. Without touching a flag: end - 1 - offset is negative as
 * a 64-bit number if the offset is too large. */
static void select_checked_address(struct select *s, const struct ir_op *op, struct x64_site site)
{
    struct emit *e = &s->e;
    const size_t end =
        op->arg == IR_READ ? offsetof(struct segment, fast_read_end) : offsetof(struct segment, fast_write_end);

    site.kind = X64_SITE_CALLOUT;
    select_offset(s, op, PLAN_ADDRESS);
    emit_mov_load(e, 4, RCX, select_segment_field(op->seg, end));
    emit_op(e, 0, 0xf7, 8, 2, RM_REG(PLAN_ADDRESS), false); /* not */
    emit_lea(e, 8, RCX, RM_SIB(RCX, PLAN_ADDRESS, 0, 0));
    emit_op(e, 0, 0xf7, 8, 2, RM_REG(PLAN_ADDRESS), false);
    select_branch_to_island(s, emit_jump_if_negative(e), site);
    emit_mov_load(e, 4, RCX, select_segment_field(op->seg, offsetof(struct segment, base)));
    emit_lea(e, 4, PLAN_ADDRESS, RM_SIB(RCX, PLAN_ADDRESS, 0, 0));
}

/* The last island is a store's, whose page may hold code beside what it hits. */
static void check_store(struct select *s, unsigned address)
{
    struct island *island = &s->island[s->n_islands - 1];

    island->kind = ISLAND_STORE;
    island->stop_reg = (uint8_t)address;
    island->load = s->job->entry->check_store[island->site.expects_aligned][__builtin_ctz(island->site.width)];
    island->resume = s->e.at;
}

/* One access on its own. */
static void map_alone(struct select *s, const struct ir_op *op)
{
    static const struct map_table table[17] = {
        [1] = {FLAT_OFFSET_READ1, FLAT_OFFSET_WRITE1},  [2] = {FLAT_OFFSET_READ2, FLAT_OFFSET_WRITE2},
        [4] = {FLAT_OFFSET_READ4, FLAT_OFFSET_WRITE4},  [8] = {FLAT_OFFSET_READ8, FLAT_OFFSET_WRITE8},
        [10] = {FLAT_OFFSET_READ1, FLAT_OFFSET_WRITE1}, [16] = {FLAT_OFFSET_READ16, FLAT_OFFSET_WRITE16},
    };
    struct emit *e = &s->e;
    const bool is_write = op->arg != IR_READ;
    const unsigned class = s->job->mode->seg[op->seg];
    struct map_table t = table[op->width];
    struct x64_site site = {.kind = X64_SITE_MAP,
                            .insn = op->insn,
                            .width = op->width,
                            .is_write = is_write,
                            .is_aligned = op->align != 0,
                            .address = GPR_NONE};
    unsigned address = PLAN_ADDRESS;

    site.may_relax = op->width != 1 && op->width != 10 && !op->align &&
                     (class == SEG_CLASS_CHECKED || class == SEG_CLASS_64K || (class == SEG_CLASS_FLAT && !op->addr16));
    site.expects_aligned = op->width != 1 && op->width != 10 && !op->align &&
                           !(site.may_relax && s->job->adapted && s->job->adapted[op->insn] & X64_ADAPT_UNALIGNED);
    /* An unaligned access may wrap in a segment of 64 KiB without leaving its page: there its offset is looked at. */
    if (class == SEG_CLASS_CHECKED ||
        (class == SEG_CLASS_64K && site.may_relax && (!site.expects_aligned || op->width > 4))) {
        select_checked_address(s, op, site);
        goto translate;
    }
    /* What crosses the end of a segment below 4 GiB, but no page, the tables do not see. */
    if (op->width > 4 && !op->align && ((class != SEG_CLASS_FLAT && class != SEG_CLASS_BASED) || op->addr16)) {
        site.kind = X64_SITE_CALLOUT;
        emit_mov_imm32(e, RCX, 0);
        select_branch_to_island(s, emit_jrcxz(e), site);
        s->map = RM_SIB(PLAN_ADDRESS, PLAN_ADDEND, 0, 0);
        return;
    }
    if (class == SEG_CLASS_FLAT && !op->addr16 && op->imm == 0 && op->base != IR_NONE && op->index == IR_NONE &&
        !select_plus(s, op->base)) {
        address = plan_reg[op->base];
        if (op->base <= IR_EDI)
            site.address = op->base;
        else
            emit_mov(e, 4, PLAN_ADDRESS, address), address = PLAN_ADDRESS;
    } else {
        select_address(s, op, PLAN_ADDRESS);
    }
translate:
    s->map = RM_SIB(address, PLAN_ADDEND, 0, 0);
    if (op->width == 1) {
        emit_shrx(e, RCX, address, PLAN_STATE);
    } else if (op->align || site.expects_aligned) {
        emit_pext(e, RCX, address,
                  op->width == 4   ? STATE(translated.mask4)
                  : op->width == 2 ? STATE(translated.mask2)
                  : op->width == 8 ? STATE(translated.mask8)
                                   : STATE(translated.mask16));
    } else {
        t = table[1];
        emit_pext(e, RCX, address, STATE(translated.mask_offset));
        emit_movzx(e, RCX, 1, RM_SIB(PLAN_FLAT, RCX, 0, op->width <= 8 ? FLAT_OFFSET_FITS8 : FLAT_OFFSET_FITS16));
        select_branch_to_island(s, emit_jrcxz(e), site);
        emit_shrx(e, RCX, address, PLAN_STATE);
    }
    emit_mov_load(e, 8, RCX, RM_SIB(PLAN_FLAT, RCX, 3, (int32_t)(is_write ? t.write : t.read)));
    select_branch_to_island(s, emit_jrcxz(e), site);
    if (is_write && op->width <= 8)
        check_store(s, address);
}

static unsigned place_register(const struct access_group *g)
{
    return g->place == PLACE_R12 ? R12 : g->place == PLACE_R13 ? R13 : RCX;
}

static struct rm slot_field(const struct access_group *g)
{
    return RM_MEM(PLAN_STATE, (int)(offsetof(struct cpu, translated.group) + 8 * g->slot) - PLAN_STATE_BIAS);
}

/* Host address of the group's lowest byte, which `lowest` names, to the group's place. If the group lies close enough
 * above the base register it is taken from there, which saves an LEA. */
static void find_group(struct select *s, const struct ir_op *lowest, unsigned group, struct x64_site site)
{
    struct emit *e = &s->e;
    const struct access_group *g = &s->survey.group[group];
    const unsigned place = place_register(g);
    const uint32_t disp = lowest->imm + select_plus(s, lowest->base);
    unsigned address = PLAN_ADDRESS;

    site.kind = X64_SITE_GROUP;
    site.leader = g->leader;
    site.writes_later = g->writes;
    site.address = GPR_NONE;
    if (lowest->base <= IR_EDI && lowest->index == IR_NONE && disp < SURVEY_SPAN &&
        disp + (g->high - g->low) <= SURVEY_SPAN) {
        address = plan_reg[lowest->base];
        s->above[group] = (uint8_t)disp;
        site.offset = (uint8_t)(site.offset + disp);
    } else {
        select_address(s, lowest, PLAN_ADDRESS);
        s->above[group] = 0;
    }
    emit_pext(e, RCX, address, STATE(translated.mask_group));
    emit_mov_load(e, 8, RCX, RM_SIB(PLAN_FLAT, RCX, 3, g->writes ? FLAT_OFFSET_WRITE_GROUP : FLAT_OFFSET_READ_GROUP));
    s->island[s->n_islands] = (struct island){.field = emit_jrcxz(e),
                                              .kind = ISLAND_GROUP,
                                              .stop_reg = (uint8_t)address,
                                              .site = select_site(s, site),
                                              .span = (uint8_t)(g->high - g->low + s->above[group]),
                                              .stack = s->stack};
    s->island[s->n_islands++].resume = e->at;
    emit_lea(e, 8, place, RM_SIB(RCX, address, 0, 0));
    if (g->place == PLACE_SLOT)
        emit_mov_store(e, 8, slot_field(g), place);
}

/* By its first access. */
static void lead_group(struct select *s, const struct ir_op *op, unsigned group, unsigned offset)
{
    struct ir_op lowest = *op;

    lowest.imm -= offset;
    find_group(s, &lowest, group,
               (struct x64_site){
                   .insn = op->insn, .width = op->width, .is_write = op->arg != IR_READ, .offset = (uint8_t)offset});
}

void select_hoisted_group(struct select *s, unsigned group)
{
    const struct access_group *g = &s->survey.group[group];
    const struct ir_op lowest = {
        .seg = s->survey.flat_seg,
        .base = (uint8_t)(g->base == SURVEY_NO_VALUE ? IR_NONE : g->base),
        .index = (uint8_t)(g->index == SURVEY_NO_VALUE ? IR_NONE : g->index),
        .scale = g->scale,
        .imm = g->low,
    };

    _Static_assert(IR_EAX == 0 && IR_EDI == 7, "a value that a register has at the block's start has its number");
    s->led[group] = UINT16_MAX;
    find_group(s, &lowest, group, (struct x64_site){.is_hoisted = true});
}

/* The guest's address is the operand's, in the window that GS has as its base. Where the host has no page for it the
 * instruction begins anew. */
static void map_window(struct select *s, const struct ir_op *op)
{
    unsigned base = op->base == IR_NONE ? HOST_REG_NONE : plan_reg[op->base];
    unsigned index = op->index == IR_NONE ? HOST_REG_NONE : plan_reg[op->index];

    select_window_site(s, op);
    if (base == HOST_REG_NONE && op->scale == 0) {
        base = index;
        index = HOST_REG_NONE;
    }
    s->map = (struct rm){.is_mem = 1,
                         .window = true,
                         .reg = (uint8_t)base,
                         .index = (uint8_t)index,
                         .scale = op->scale,
                         .disp = (int32_t)(op->imm + select_plus(s, op->base))};
}

void select_map(struct select *s, const struct ir_op *op)
{
    const unsigned number = (unsigned)(op - s->job->ir->op), group = s->survey.group_of[number];
    const struct access_group *g;

    s->map_op = op;
    if (s->survey.windowed[op->insn]) {
        map_window(s, op);
        return;
    }
    if (!group) {
        map_alone(s, op);
        return;
    }
    g = &s->survey.group[group - 1];
    if (!s->led[group - 1]) {
        s->led[group - 1] = (uint16_t)(number + 1);
        lead_group(s, op, group - 1, s->survey.offset[number]);
    } else if (g->place == PLACE_SLOT) {
        emit_mov_load(&s->e, 8, RCX, slot_field(g));
    }
    s->map = RM_MEM(place_register(g), s->survey.offset[number] + s->above[group - 1]);
}
