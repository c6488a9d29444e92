/*
 * Inline emulation of sensitive instructions, on the state of the virtual processor in struct cpu. What leads to the
 * interpreter finds flags and registers as they were before the instruction.
 */
#include "backend/x86_64/select.h"
#include "softmmu/flat.h"

/* Where the interpreter does the whole instruction; the block goes on if its mode is still the same. */
static struct x64_site interpreted(const struct ir_op *op)
{
    return (struct x64_site){.kind = X64_SITE_CALLOUT_END, .insn = op->insn};
}

/* ---- segment registers ---- */

static struct rm mem(const struct select *s)
{
    return s->map;
}

/* Host address of IR_MEM to RCX, which leaves RDX free. */
static struct rm mem_at_rcx(struct select *s)
{
    emit_lea(&s->e, 8, RCX, mem(s));
    return RM_MEM(RCX, 0);
}

void select_selector(struct select *s, const struct ir_op *op)
{
    struct emit *e = &s->e;
    const struct rm selector = select_segment_field(op->arg, offsetof(struct segment, selector));

    if (op->dst == IR_MEM) {
        const struct rm to = mem_at_rcx(s);

        emit_movzx(e, RDX, 2, selector);
        emit_mov_store(e, op->width, to, RDX);
    } else if (op->width == 2) {
        emit_mov_load(e, 2, plan_reg[op->dst], selector);
    } else {
        emit_movzx(e, plan_reg[op->dst], 2, selector);
    }
}

/* x87's pointers name the segments of the last instructions of that unit: before a register changes they are stored. */
static void settle_x87(struct select *s)
{
    struct emit *e = &s->e;
    uint8_t *none;

    select_note_x87(s);
    emit_mov_load(e, 8, RCX, STATE(translated.x87_loaded));
    none = emit_jrcxz(e);
    emit_call_to(e, s->job->entry->settle_x87);
    emit_patch8(none, e->at);
}

void select_seg_real(struct select *s, const struct ir_op *op)
{
    struct emit *e = &s->e;

    settle_x87(s);
    emit_movzx(e, RDX, 2, RM_REG(plan_reg[op->src]));
    emit_mov_store(e, 2, select_segment_field(op->arg, offsetof(struct segment, selector)), RDX);
    emit_rorx(e, RDX, RDX, 28);
    emit_mov_store(e, 4, select_segment_field(op->arg, offsetof(struct segment, base)), RDX);
}

/* A field of struct known_descriptors, 8 bytes to an entry, for the entry that RAX numbers. */
static struct rm known_field(size_t field)
{
    return RM_SIB(PLAN_STATE, RAX, 3, (int)(offsetof(struct cpu, known) + field) - PLAN_STATE_BIAS);
}

void select_seg_prot(struct select *s, const struct ir_op *op)
{
    struct emit *e = &s->e;
    const struct x86_mode *mode = s->job->mode;
    const bool checked = mode->seg[op->arg] == SEG_CLASS_CHECKED;
    uint8_t *is_known, *is_same, *slow;

    settle_x87(s);
    emit_movzx(e, RDX, 2, RM_REG(plan_reg[op->src]));
    emit_movzx(e, RAX, 1, RM_REG(RDX));
    emit_mov_load(e, 4, RCX,
                  known_field(checked ? offsetof(struct known_descriptors, tag[0].checked)
                                      : offsetof(struct known_descriptors, tag[0].of_class)));
    emit_lea(e, 4, RCX, RM_SIB(RCX, RDX, 0, (int)known_descriptor_key(mode->cpl, mode->seg[op->arg])));
    is_known = emit_jrcxz(e);
    slow = e->at;
    select_slow_call(s, interpreted(op));
    emit_patch8(is_known, e->at);
    emit_mov_load(e, 4, RDX, known_field(offsetof(struct known_descriptors, place[0].page_index)));
    emit_mov_load(e, 8, RCX, STATE(translated.flat_supervisor));
    emit_mov_load(e, 8, RCX, RM_SIB(RCX, RDX, 3, FLAT_OFFSET_READ8));
    emit_patch8(emit_jrcxz(e), slow);
    emit_mov_load(e, 4, RDX, known_field(offsetof(struct known_descriptors, place[0].address)));
    emit_mov_load(e, 8, RDX, RM_SIB(RDX, RCX, 0, 0));
    emit_mov_load(e, 8, RCX, known_field(offsetof(struct known_descriptors, minus_raw)));
    emit_lea(e, 8, RCX, RM_SIB(RCX, RDX, 0, 0));
    is_same = emit_jrcxz(e);
    emit_jmp_to(e, slow);
    emit_patch8(is_same, e->at);
    for (unsigned word = 0; word < KNOWN_DESCRIPTOR_WORDS; word++) {
        emit_mov_load(e, 8, RCX, known_field(offsetof(struct known_descriptors, segment[word])));
        emit_mov_store(e, 8, select_segment_field(op->arg, 8 * word), RCX);
    }
    if (checked) {
        emit_op(e, 0, 0xc6, 1, 0, select_segment_field(op->arg, offsetof(struct segment, access)), false);
        emit8(e, SEG_CLASS_CHECKED);
    }
}

void select_cs_eip(struct select *s, const struct ir_op *op)
{
    struct emit *e = &s->e;
    const struct rm selector = select_segment_field(CS, offsetof(struct segment, selector));
    struct rm to = {0};

    if (op->dst == IR_MEM)
        to = mem_at_rcx(s);
    emit_mov_load(e, 4, RDX, STATE(translated.page_eip));
    emit_lea(e, 4, RDX, RM_MEM(RDX, (int32_t)op->imm));
    if (op->dst == IR_MEM) {
        emit_mov_store(e, 2, to, RDX);
        emit_movzx(e, RDX, 2, selector);
        to.disp = 2;
        emit_mov_store(e, 2, to, RDX);
        return;
    }
    emit_movzx(e, RDX, 2, RM_REG(RDX));
    emit_movzx(e, RCX, 2, selector);
    emit_rorx(e, RCX, RCX, 16);
    emit_lea(e, 4, plan_reg[op->dst], RM_SIB(RCX, RDX, 0, 0));
}

/* ---- EFLAGS ---- */

/* EFLAGS bit number `bit` = value; flags stay. Spoils RCX. */
static void set_eflag(struct emit *e, unsigned bit, int value)
{
    emit_mov_load(e, 4, RCX, STATE(eflags));
    emit_rorx(e, RCX, RCX, bit + 1); /* it is shifted out at the top, and the new one in below */
    emit_lea(e, 4, RCX, RM_SIB(RCX, RCX, 0, value));
    emit_rorx(e, RCX, RCX, 32 - bit);
    emit_mov_store(e, 4, STATE(eflags), RCX);
}

void select_cli(struct select *s)
{
    set_eflag(&s->e, 9, 0);
}

void select_df(struct select *s, const struct ir_op *op)
{
    s->backward = op->opcode == IR_STD;
    set_eflag(&s->e, 10, s->backward);
}

/* An event, below 2^12, minus 1 has nothing left when shifted by that; -1 has. */
void select_sti(struct select *s, const struct ir_op *op)
{
    struct emit *e = &s->e;

    emit_mov_load(e, 4, RCX, STATE(events));
    emit_lea(e, 8, RCX, RM_MEM(RCX, -1));
    emit_vex(e, 3, 2, 1, 0xf7, RCX, PLAN_STATE, RM_REG(RCX)); /* shrx rcx, rcx, r15 */
    select_branch_to_island(s, emit_jrcxz(e), interpreted(op));
    set_eflag(e, 9, 1);
}

/* RCX = 0 if none of the bits `same` of EDX differ from eflags, and no event is pending if `events` count. Spoils RAX.
 */
static void compare_eflags(struct select *s, uint32_t same, bool events)
{
    struct emit *e = &s->e;

    emit_mov_imm32(e, RCX, same);
    emit_mov_load(e, 4, RAX, STATE(eflags));
    emit_pext(e, RAX, RAX, RM_REG(RCX));
    emit_pext(e, RCX, RDX, RM_REG(RCX));
    emit_op(e, 0, 0xf7, 8, 2, RM_REG(RCX), false); /* not rcx */
    emit_lea(e, 8, RCX, RM_SIB(RCX, RAX, 0, 1));
    if (!events)
        return;
    emit_mov_load(e, 4, RAX, STATE(events)); /* to bit 32 and up, where the difference cannot cancel it */
    emit_swap_halves(e, RAX);
    emit_lea(e, 8, RCX, RM_SIB(RCX, RAX, 0, 0));
}

/* IRET has EIP in T0. */
void select_popf(struct select *s, const struct ir_op *op)
{
    struct emit *e = &s->e;
    const struct x86_mode *mode = s->job->mode;
    const uint32_t flags = x86_popf_flags(mode->protected_mode, mode->v86, mode->cpl, mode->iopl, op->width);
    const bool is_iret = op->arg;
    uint8_t *is_plain;

    emit_movzx(e, RDX, op->width, op->src == IR_MEM ? mem(s) : RM_REG(plan_reg[op->src]));
    if (is_iret)
        emit_mov_store(e, 8, STATE(translated.scratch), RAX);
    compare_eflags(s, flags & ~(uint32_t)EFLAGS_IF, flags & EFLAGS_IF);
    if (is_iret)
        emit_mov_load(e, 8, RAX, STATE(translated.scratch));
    is_plain = emit_jrcxz(e);
    select_slow_call(s, interpreted(op));
    emit_patch8(is_plain, e->at);

    /* From here on the old flags are gone. */
    if (flags & EFLAGS_IF) {
        emit_mov_load(e, 4, RCX, STATE(eflags));
        emit_op(e, 0, 0x33, 4, RCX, RM_REG(RDX), false);
        emit_op(e, 0, 0x81, 4, 4, RM_REG(RCX), false);
        emit32(e, EFLAGS_IF);
        emit_op(e, 0, 0x31, 4, RCX, STATE(eflags), false);
    }
    if (is_iret) {
        emit_op(e, 0, 0xc6, 1, 0, STATE(nmi_blocked), false);
        emit8(e, 0);
        emit_mov(e, 4, RCX, RAX);
    }
    emit8(e, 0x88); /* mov ah, dl */
    emit8(e, 0xd4);
    emit_op(e, 0, 0xc1, 4, 5, RM_REG(RDX), false); /* shr edx, 11 */
    emit8(e, 11);
    emit_mov(e, 1, RAX, RDX);
    emit8(e, 0x24); /* and al, 1 */
    emit8(e, 1);
    emit_flags_from_rax(e);
    if (is_iret)
        emit_mov(e, 4, RAX, RCX);
}

/* ---- comparisons ---- */

void select_within(struct select *s, const struct ir_op *op)
{
    struct emit *e = &s->e;

    emit_movzx(e, RDX, op->width, RM_REG(plan_reg[op->src]));
    emit_op(e, 0, 0xf7, 8, 2, RM_REG(RDX), false); /* not: minus 1 less */
    emit_mov_load(e, 4, RCX, STATE(seg[CS].limit));
    emit_lea(e, 8, RCX, RM_SIB(RCX, RDX, 0, 1));
    select_branch_to_island(s, emit_jump_if_negative(e), (struct x64_site){.kind = X64_SITE_CALLOUT, .insn = op->insn});
}

/* ---- time ---- */

/* CR4.TSD counts outside of CPL 0 only. */
void select_tsc(struct select *s, const struct ir_op *op)
{
    struct emit *e = &s->e;

    _Static_assert(CR4_TSD == 1 << 2, "to bit 31, and from there to all bits above");
    if (s->job->mode->cpl != 0) {
        emit_mov_load(e, 4, RCX, STATE(cr4));
        emit_rorx(e, RCX, RCX, 3);
        emit_op(e, 0, 0x63, 8, RCX, RM_REG(RCX), false); /* movsxd rcx, ecx */
        select_branch_to_island(s, emit_jump_if_negative(e),
                                (struct x64_site){.kind = X64_SITE_CALLOUT, .insn = op->insn});
    }
    emit_call_to(e, s->job->entry->tsc);
}

/* ---- PUSHA, POPA ---- */

/* RCX is where the first of `bytes` is in a room of that size; are the others there too? */
static void check_room(struct select *s, const struct ir_op *op, unsigned bytes, int room)
{
    struct emit *e = &s->e;

    if (op->opcode == IR_PUSHA) { /* the first is the last slot */
        emit_lea(e, 8, RCX, RM_MEM(RCX, (int)op->width - (int)bytes));
    } else {
        emit_op(e, 0, 0xf7, 8, 2, RM_REG(RCX), false); /* not: minus 1 less */
        emit_lea(e, 8, RCX, RM_MEM(RCX, room - (int)bytes + 1));
    }
    select_branch_to_island(s, emit_jump_if_negative(e), (struct x64_site){.kind = X64_SITE_CALLOUT, .insn = op->insn});
}

/* A guest page begins where a page of the host does, so its offsets are those of the host address. */
void select_all(struct select *s, const struct ir_op *op)
{
    struct emit *e = &s->e;
    const bool is_push = op->opcode == IR_PUSHA;
    const int width = op->width, bytes = 8 * width;

    emit_lea(e, 8, RAX, mem(s));
    emit_pext(e, RCX, RAX, STATE(translated.mask_offset));
    check_room(s, op, (unsigned)bytes, PHYS_PAGE_SIZE);
    if (!s->job->mode->stack32) {
        emit_movzx(e, RCX, 2, RM_REG(plan_reg[IR_ESP]));
        if (is_push)
            emit_lea(e, 8, RCX, RM_MEM(RCX, -width));
        check_room(s, op, (unsigned)bytes, 0x10000);
    }
    for (int i = 0; i < 8; i++) {
        const unsigned ref = (unsigned)(is_push ? IR_EAX + i : IR_EDI - i), reg = plan_reg[ref];
        const struct rm slot = RM_MEM(RAX, is_push ? -i * width : i * width);

        if (is_push)
            emit_mov_store(e, op->width, slot, reg);
        else if (ref != IR_ESP)
            emit_mov_load(e, op->width, reg, slot);
    }
}
