/*
 * x87, MMX and SSE instructions: executed by the host's own unit, on the guest's registers.
 *
 * The guest's XMM registers, and its x87 with the MMX registers in it, are brought into the host's when the first block
 * wants them (translated.unit_loaded, x87_loaded) and stay there until the run loop is entered. The translator uses
 * UNIT only while every exception is masked, so nothing traps. FIP, FDP and their selectors are kept by us: the host's
 * would be addresses of the host.
 */
#include "backend/x86_64/select.h"
#include "frontend/x86/isa.h"
#include "frontend/x86/simd.h"

_Static_assert(OPERAND_Rv == OPERAND_Eb + 6 && OPERAND_Gv == OPERAND_Gb + 3, "letters of one place stand together");

bool select_has_letter(const struct isa_row *row, unsigned first, unsigned last)
{
    for (unsigned i = 0; i < row->n_operands; i++)
        if (row->operand[i] >= first && row->operand[i] <= last)
            return true;
    return false;
}

/* Once in a block: the registers are in the host's, or an island loads them. */
static void ensure_loaded(struct select *s, bool *known, struct rm flag, const uint8_t *load)
{
    uint8_t *field;

    if (*known)
        return;
    *known = true;
    emit_mov_load(&s->e, 8, RCX, flag);
    field = emit_jrcxz(&s->e);
    s->island[s->n_islands++] = (struct island){.field = field, .kind = ISLAND_LOAD, .load = load, .resume = s->e.at};
}

void select_units_loaded(struct select *s, bool sse, bool x87)
{
    if (sse)
        ensure_loaded(s, &s->sse_known, STATE(translated.unit_loaded), s->job->entry->load_sse);
    if (x87)
        ensure_loaded(s, &s->x87_known, STATE(translated.x87_loaded), s->job->entry->load_x87);
}

/* Before the MAP of a unit's memory operand, since loading uses RCX. */
void select_unit_prepare(struct select *s, const struct ir_op *op)
{
    const unsigned checks = isa_table[op->imm & 0xffff].checks;

    select_units_loaded(s, checks & SSE_NM, checks & (FPU_NM | MMX_NM));
}

/* ---- x87 ---- */

/*
 * FIP and FDP are wanted by FNSTENV and the like only, so they are stored when the block is left, for the last x87
 * instruction before; FDP earlier if a register of its address is about to change by more than a constant. Sites know
 * what is outstanding (select_site), and C code then stores it (x64_note_x87). RDX is free between guest instructions.
 *
 * A loop stores them when it is left. At its beginning the last turn's are outstanding then, but not in the first turn:
 * translated.x87_turns tells C code.
 */
static void note_data(struct select *s)
{
    struct emit *e = &s->e;
    struct ir_op data = *s->x87.data;

    data.imm += s->x87.moved;
    select_offset(s, &data, RDX);
    emit_mov_store(e, 4, STATE(fpu.dp_offset), RDX);
    emit_op(e, 0, 0xc6, 1, 0, STATE(translated.x87_data_seg), false);
    emit8(e, s->x87.data->seg + 1u);
    s->x87.data = NULL;
}

/* The register's change by that instruction, added to *by; false if it is no constant. */
static bool follow(const struct select *s, uint32_t first, unsigned reg, uint32_t *by)
{
    const struct ir_block *ir = s->job->ir;
    const unsigned insn = ir->op[first].insn;

    return reg > IR_EDI || insn == ir->n_insns || !(s->survey.writes[insn] >> reg & 1) ||
           survey_step(ir, first, reg, by);
}

void select_note_x87_data(struct select *s, uint32_t first)
{
    const struct ir_block *ir = s->job->ir;
    const struct ir_op *data = s->x87.data;
    const unsigned insn = ir->op[first].insn;
    const uint8_t writes = insn < ir->n_insns ? s->survey.writes[insn] : 0;
    uint32_t base = 0, index = 0;

    s->x87.moved += s->x87_moves;
    s->x87_moves = 0;
    if (!data)
        return;
    if ((data->addr16 && writes) || !follow(s, first, data->base, &base) || !follow(s, first, data->index, &index))
        note_data(s);
    else
        s->x87_moves = 0u - (base + (index << data->scale));
}

void select_bar_x87_carry(struct select *s)
{
    s->x87_turn.is_barred |= s->x87_turn.in_loop && !(s->x87_turn.had_note && s->x87_turn.had_data);
}

void select_note_x87(struct select *s)
{
    struct emit *e = &s->e;
    const struct ir_op *op = s->x87.last;

    select_bar_x87_carry(s);
    if (!op)
        return;
    emit_mov_load(e, 4, RDX, STATE(translated.page_eip));
    emit_mov_store(e, 4, STATE(translated.x87_page), RDX);
    emit_op(e, 0, 0xc7, 4, 0, STATE(translated.x87_note), false);
    emit32(e, X64_X87_NOTE(s->job->ir->offset[op->insn], isa_table[op->imm & 0xffff].opcode, op->arg));
    s->x87.last = NULL;
    if (s->x87.data)
        note_data(s);
}

/* What the instructions before number `insn` add to the registers of `data`, as an address, to *by. False if that is no
 * constant. */
static bool follow_to(const struct select *s, const struct ir_op *data, unsigned insn, uint32_t *by)
{
    const struct ir_block *ir = s->job->ir;
    uint32_t base = 0, index = 0;

    for (uint32_t i = 0; i < ir->n_ops && ir->op[i].insn < insn; i++)
        if ((i == 0 || ir->op[i].insn != ir->op[i - 1].insn) &&
            ((data->addr16 && s->survey.writes[ir->op[i].insn]) || !follow(s, i, data->base, &base) ||
             !follow(s, i, data->index, &index)))
            return false;
    *by = base + (index << data->scale);
    return true;
}

bool select_x87_carries(const struct select *s)
{
    const struct ir_op *data = s->x87.data;
    uint32_t by;

    return s->x87.last && !s->x87_turn.is_barred && (!data || follow_to(s, data, s->x87_turn.data_insn, &by));
}

void select_x87_sites(struct select *s)
{
    const struct x87_notes *carried = &s->carried;

    for (uint32_t i = 0; i < s->job->n_sites; i++) {
        struct x64_site *site = &s->job->site[i];
        uint32_t by = 0;

        if (site->x87_of_turn & X64_X87_LAST)
            site->x87_insn = carried->last ? (uint8_t)(carried->last->insn + 1) : 0;
        if (site->x87_of_turn & X64_X87_DATA) {
            site->x87_data =
                carried->data && follow_to(s, carried->data, site->insn, &by) ? (uint8_t)(carried->data->insn + 1) : 0;
            site->x87_moved = carried->moved - by;
        }
    }
}

/* A control word that unmasks something is the interpreter's, and the block ends: units are no longer the host's. */
static void select_fldcw(struct select *s, const struct ir_op *op)
{
    struct emit *e = &s->e;
    uint8_t *masked;

    if (!s->map.window) { /* its address may be in RCX */
        emit_lea(e, 8, RDX, s->map);
        s->map = RM_MEM(RDX, 0);
    }
    emit_movzx(e, RCX, 2, s->map);
    emit_op(e, 0, 0xf7, 4, 2, RM_REG(RCX), false); /* not */
    emit_pext(e, RCX, RCX, STATE(translated.mask_x87));
    masked = emit_jrcxz(e);
    select_slow_call(s, (struct x64_site){.kind = X64_SITE_CALLOUT_END, .insn = op->insn});
    emit_patch8(masked, e->at);
    emit_op(e, 0, 0xd9, 4, 5, s->map, false);
}

static void select_x87(struct select *s, const struct ir_op *op, const struct isa_row *row)
{
    struct emit *e = &s->e;
    const bool is_fldcw = row->opcode == 0xd9 && row->modrm_kind == MODRM_EXT_MEM && row->modrm_value == 5;

    if (is_fldcw) {
        select_fldcw(s, op);
        return;
    }
    if (row->checks & FPU_MF) { /* those that do not wait, FNSTCW and FNSTSW, are no computations */
        s->x87.last = op;
        s->x87_turn.had_note = true;
        if (op->src == IR_MEM) {
            s->x87.data = s->map_op;
            s->x87.moved = 0;
            if (!s->x87_turn.had_data)
                s->x87_turn.data_insn = op->insn;
            s->x87_turn.had_data = true;
        }
    }
    if (op->src == IR_MEM) {
        emit_op(e, 0, row->opcode, 4, op->arg >> 3 & 7, s->map, false);
    } else if (row->opcode == 0xdf && op->arg == 0xe0) { /* FNSTSW AX */
        emit8(e, 0xdf);
        emit8(e, 0xe0);
        emit_mov(e, 2, plan_reg[IR_EAX], RAX);
    } else {
        emit8(e, row->opcode);
        emit8(e, op->arg);
    }
}

/* ---- MMX, SSE ---- */

/*
 * The same for MXCSR; a value with reserved bits is the interpreter's too. The host loads the copy that was looked at,
 * which is where the guest's MXCSR is kept (frontend/x86/simd.h): its masks are all set, so that it and the host's are
 * equal and STMXCSR is the host's.
 */
static void select_ldmxcsr(struct select *s, const struct ir_op *op)
{
    const uint32_t looked_at = MXCSR_MASKS | ~(uint32_t)MXCSR_WRITABLE;
    const int good = MXCSR_MASKS >> MXCSR_MASK_SHIFT; /* the masks set, the rest clear, as PEXT gathers them */
    struct emit *e = &s->e;
    uint8_t *is_good;

    emit_mov_load(e, 4, RDX, s->map);
    emit_mov_imm32(e, RCX, looked_at);
    emit_pext(e, RCX, RDX, RM_REG(RCX));
    emit_lea(e, 4, RCX, RM_MEM(RCX, -good));
    is_good = emit_jrcxz(e);
    select_slow_call(s, (struct x64_site){.kind = X64_SITE_CALLOUT_END, .insn = op->insn});
    emit_patch8(is_good, e->at);
    emit_mov_store(e, 4, STATE(fpu.mxcsr), RDX);
    emit_op(e, 0, 0x0fae, 4, 2, STATE(fpu.mxcsr), false);
}

static bool select_simd(struct select *s, const struct ir_op *op, const struct isa_row *row)
{
    static const uint8_t prefixes[] = {
        [PREFIX_ANY] = 0, [PREFIX_NP] = 0, [PREFIX_P66] = 0x66, [PREFIX_PF3] = 0xf3, [PREFIX_PF2] = 0xf2};
    static const unsigned maps[] = {[MAP_1B] = 0, [MAP_0F] = 0x0f00, [MAP_0F38] = 0x0f3800, [MAP_0F3A] = 0x0f3a00};
    struct emit *e = &s->e;
    unsigned reg = op->arg >> 3 & 7, low = op->arg & 7;
    struct rm rm;

    if (row->map == MAP_1B)
        return false;
    if (row->modrm_kind == MODRM_NONE) { /* EMMS */
        emit8(e, 0x0f);
        emit8(e, row->opcode);
        return true;
    }
    if (row->map == MAP_0F && row->opcode == 0xae && reg == 2) {
        select_ldmxcsr(s, op);
        return true;
    }
    if (select_has_letter(row, OPERAND_Gb, OPERAND_Gv))
        reg = plan_reg[reg];
    if (op->src == IR_MEM)
        rm = s->map;
    else
        rm = RM_REG(select_has_letter(row, OPERAND_Eb, OPERAND_Rv) ? plan_reg[low] : low);
    emit_op(e, prefixes[row->prefix], maps[row->map] | row->opcode, 4, reg, rm, false);
    if (select_has_letter(row, OPERAND_Ib, OPERAND_Ibs))
        emit8(e, op->imm >> 16);
    return true;
}

bool select_unit(struct select *s, const struct ir_op *op)
{
    const struct isa_row *row = &isa_table[op->imm & 0xffff];

    if (op->src != IR_MEM)
        select_unit_prepare(s, op);
    if (row->checks & FPU_NM) {
        select_x87(s, op, row);
        return true;
    }
    return select_simd(s, op, row);
}
