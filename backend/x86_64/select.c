/*
 * IR operations to host instructions, in one pass.
 *
 * What is emitted between guest instructions changes no flag: LEA, MOV, BMI2 and JRCXZ only. A memory access that the
 * tables of softmmu/flat.h do not settle jumps to an island, a `call` of the slow trampoline with the site's number
 * behind it. JRCXZ reaches 127 bytes, so a jump to the island is laid out within that, in the way if need be; the
 * islands themselves stand behind the block.
 */
#include "backend/x86_64/select.h"

#include "frontend/x86/isa.h"
#include "softmmu/flat.h"

/* ---- operands ---- */

bool select_is_high(unsigned ref)
{
    return ref >= IR_AH && ref <= IR_BH;
}

bool select_uses_t1(const struct ir_op *op)
{
    return select_is_high(op->dst) || select_is_high(op->src) || op->dst == IR_T1 || op->src == IR_T1 ||
           op->opcode == IR_DIV || op->opcode == IR_IDIV || op->opcode == IR_CMPXCHG8 || op->opcode == IR_EFLAGS;
}

static struct rm rm_of(const struct select *s, unsigned ref)
{
    return ref == IR_MEM ? s->map : RM_REG(plan_reg[ref]);
}

/* May BH name AH in an instruction whose other operand is `other`? Not if that needs a REX prefix. */
static bool high_has_name(const struct select *s, unsigned ref, unsigned other)
{
    if (ref != IR_AH)
        return false;
    return other == IR_IMM || other == IR_NONE || other == IR_AH || other == IR_EAX || other == IR_T0 ||
           (other == IR_MEM && rm_bits(s->map) == 0);
}

/* Brings AH..BH to the low byte of R12. */
static void fetch_high(struct select *s, unsigned ref)
{
    emit_rorx(&s->e, PLAN_T1, plan_reg[ref], 8);
}

/* ---- addresses ---- */

static void emit_ea(struct select *s, const struct ir_op *op, unsigned width, unsigned to)
{
    unsigned base = op->base == IR_NONE ? HOST_REG_NONE : plan_reg[op->base];
    unsigned index = op->index == IR_NONE ? HOST_REG_NONE : plan_reg[op->index];

    if (base == HOST_REG_NONE && index != HOST_REG_NONE && op->scale == 0) {
        base = index;
        index = HOST_REG_NONE;
    }
    if (base == HOST_REG_NONE && index == HOST_REG_NONE && width == 4) {
        emit_mov_imm32(&s->e, to, op->imm);
        return;
    }
    emit_lea(&s->e, width, to,
             (struct rm){.is_mem = 1,
                         .reg = (uint8_t)base,
                         .index = (uint8_t)index,
                         .scale = op->scale,
                         .disp = (int32_t)(op->imm + select_plus(s, op->base))});
}

void select_offset(struct select *s, const struct ir_op *op, unsigned to)
{
    emit_ea(s, op, 4, to);
    if (op->addr16)
        emit_movzx(&s->e, to, 2, RM_REG(to));
}

struct rm select_segment_field(unsigned seg, size_t field)
{
    return RM_MEM(PLAN_STATE,
                  (int)(offsetof(struct cpu, seg) + seg * sizeof(struct segment) + field) - PLAN_STATE_BIAS);
}

void select_address(struct select *s, const struct ir_op *op, unsigned to)
{
    select_offset(s, op, to);
    if (s->job->mode->seg[op->seg] == SEG_CLASS_FLAT)
        return;
    emit_mov_load(&s->e, 4, RCX, select_segment_field(op->seg, offsetof(struct segment, base)));
    emit_lea(&s->e, 4, to, RM_SIB(RCX, to, 0, 0));
}

/* ---- two operands ---- */

/* `op`rm,reg with the byte form at `opcode` and its reverse at opcode + 2, as the arithmetic group and MOV are encoded;
 * immediate forms are /ext. */
static void two_operands(struct select *s, unsigned opcode, unsigned ext, const struct ir_op *op)
{
    struct emit *e = &s->e;
    const unsigned w = op->width;
    unsigned dst = op->dst, src = op->src;
    unsigned src_reg = src < IR_MEM ? plan_reg[src] : 0;
    struct rm dst_rm;
    bool rotated = false;

    if (select_is_high(dst) && high_has_name(s, dst, src)) {
        dst_rm = RM_HIGH(RBX);
        if (src == IR_AH)
            src_reg = 7; /* BH */
        dst_rm.reg = 7;
        if (src == IR_IMM) {
            if (opcode == 0x88) {
                emit8(e, 0xb7); /* mov bh, imm8 */
            } else {
                emit_op(e, 0, opcode == 0x84 ? 0xf6 : 0x80, 1, ext, dst_rm, false);
            }
            emit8(e, op->imm);
        } else if (src == IR_MEM) {
            emit_op(e, 0, opcode == 0x84 ? opcode : opcode + 2, 1, 7, rm_of(s, src), false);
        } else {
            emit8(e, opcode);
            emit8(e, 0xc0 | (src_reg & 7) << 3 | 7);
        }
        return;
    }
    if (select_is_high(src) && high_has_name(s, src, dst)) {
        if (dst == IR_MEM) {
            emit_op(e, 0, opcode, 1, 7, rm_of(s, dst), false);
        } else {
            emit8(e, opcode);
            emit8(e, 0xc0 | 7 << 3 | plan_reg[dst]);
        }
        return;
    }
    if (select_is_high(src)) {
        fetch_high(s, src);
        src = IR_T1;
        src_reg = PLAN_T1;
    }
    if (select_is_high(dst)) {
        if (src == IR_MEM) {
            emit_movzx(e, PLAN_T1, 1, rm_of(s, src));
            src = IR_T1;
            src_reg = PLAN_T1;
        } else if (src != IR_IMM && src_reg == plan_reg[dst]) {
            emit_mov(e, 4, PLAN_T1, src_reg);
            src = IR_T1;
            src_reg = PLAN_T1;
        }
        emit_rorx(e, plan_reg[dst], plan_reg[dst], 8);
        rotated = true;
    }
    dst_rm = dst == IR_MEM ? rm_of(s, dst) : RM_REG(plan_reg[dst]);
    if (src == IR_IMM) {
        if (opcode == 0x88) {
            if (w == 4 && dst != IR_MEM) {
                emit_mov_imm32(e, dst_rm.reg, op->imm);
            } else {
                emit_op(e, 0, w == 1 ? 0xc6 : 0xc7, w, 0, dst_rm, false);
                w == 1 ? emit8(e, op->imm) : w == 2 ? emit16(e, op->imm) : emit32(e, op->imm);
            }
        } else if (opcode == 0x84) {
            emit_op(e, 0, w == 1 ? 0xf6 : 0xf7, w, 0, dst_rm, false);
            w == 1 ? emit8(e, op->imm) : w == 2 ? emit16(e, op->imm) : emit32(e, op->imm);
        } else if (w == 1) {
            emit_op(e, 0, 0x80, 1, ext, dst_rm, false);
            emit8(e, op->imm);
        } else if ((w == 4 && (int32_t)op->imm == (int8_t)op->imm) || (w == 2 && (int16_t)op->imm == (int8_t)op->imm)) {
            emit_op(e, 0, 0x83, w, ext, dst_rm, false);
            emit8(e, op->imm);
        } else {
            emit_op(e, 0, 0x81, w, ext, dst_rm, false);
            w == 2 ? emit16(e, op->imm) : emit32(e, op->imm);
        }
    } else if (src == IR_MEM) {
        emit_op(e, 0, opcode == 0x84 ? opcode + (w != 1) : opcode + 2 + (w != 1), w, dst_rm.reg, rm_of(s, src), w == 1);
    } else {
        emit_op(e, 0, opcode + (w != 1), w, src_reg, dst_rm, w == 1);
    }
    if (rotated)
        emit_rorx(e, plan_reg[dst], plan_reg[dst], 24);
}

/* ---- one operand ---- */

static void one_operand(struct select *s, unsigned opcode, unsigned ext, unsigned ref, unsigned width)
{
    struct emit *e = &s->e;

    if (ref == IR_AH) {
        emit_op(e, 0, opcode, 1, ext, (struct rm){.reg = 7, .high = 1}, false);
    } else if (select_is_high(ref)) {
        emit_rorx(e, plan_reg[ref], plan_reg[ref], 8);
        emit_op(e, 0, opcode, 1, ext, RM_REG(plan_reg[ref]), false);
        emit_rorx(e, plan_reg[ref], plan_reg[ref], 24);
    } else {
        emit_op(e, 0, opcode + (width != 1), width, ext, rm_of(s, ref), false);
    }
}

/* A count is in CL on the host too, where the address of memory may be. */
static void bring_count(struct select *s, const struct ir_op *op)
{
    if (op->dst == IR_MEM && !s->map.window) {
        emit_lea(&s->e, 8, RDX, s->map);
        s->map = RM_MEM(RDX, 0);
    }
    emit_mov(&s->e, 4, RCX, plan_reg[IR_ECX]);
}

static void select_shift(struct select *s, const struct ir_op *op, unsigned ext)
{
    struct emit *e = &s->e;

    if (op->src == IR_IMM) {
        one_operand(s, 0xc0, ext, op->dst, op->width);
        if (select_is_high(op->dst) && op->dst != IR_AH) { /* the count belongs before the rotation back */
            e->at -= 6;
            emit8(e, op->imm);
            emit_rorx(e, plan_reg[op->dst], plan_reg[op->dst], 24);
        } else {
            emit8(e, op->imm);
        }
        return;
    }
    bring_count(s, op);
    one_operand(s, 0xd2, ext, op->dst, op->width);
}

static void select_double_shift(struct select *s, const struct ir_op *op, unsigned opcode)
{
    struct emit *e = &s->e;

    if (op->arg) {
        bring_count(s, op);
        emit_op(e, 0, opcode + 1, op->width, plan_reg[op->src], rm_of(s, op->dst), false);
    } else {
        emit_op(e, 0, opcode, op->width, plan_reg[op->src], rm_of(s, op->dst), false);
        emit8(e, op->imm);
    }
}

static void select_bit_test(struct select *s, const struct ir_op *op, unsigned ext)
{
    struct emit *e = &s->e;

    if (op->src == IR_IMM) {
        emit_op(e, 0, 0x0fba, op->width, ext, rm_of(s, op->dst), false);
        emit8(e, op->imm & (op->width * 8u - 1)); /* a larger one would address memory beyond the operand */
    } else {
        emit_op(e, 0, 0x0f83 | ext << 3, op->width, plan_reg[op->src], rm_of(s, op->dst), false);
    }
}

static void select_extend(struct select *s, const struct ir_op *op, bool is_signed)
{
    struct emit *e = &s->e;
    unsigned opcode = (is_signed ? 0x0fbe : 0x0fb6) + (op->arg == 2);
    unsigned dst = plan_reg[op->dst];
    struct rm src;

    if (op->arg == 4 || op->arg == op->width) { /* a plain move */
        emit_mov_load(e, op->width, dst, rm_of(s, op->src));
        return;
    }
    if (select_is_high(op->src)) {
        if (op->src == IR_AH && dst < 8) {
            src = (struct rm){.reg = 7, .high = 1};
            emit_op(e, 0, opcode, op->width, dst, src, false);
            return;
        }
        fetch_high(s, op->src);
        src = RM_REG(PLAN_T1);
    } else {
        src = rm_of(s, op->src);
    }
    /* emit_op adds REX for byte registers by width; here the source is the byte */
    if (op->arg == 1 && !src.is_mem && src.reg >= 4 && src.reg < 8 && dst < 8) {
        if (op->width == 2)
            emit8(e, 0x66);
        emit8(e, 0x40);
        emit8(e, 0x0f);
        emit8(e, opcode);
        emit_modrm(e, dst, src);
    } else {
        emit_op(e, 0, opcode, op->width, dst, src, false);
    }
}

static void select_multiply(struct select *s, const struct ir_op *op, unsigned ext)
{
    struct emit *e = &s->e;
    struct rm src;

    if (select_is_high(op->src)) {
        fetch_high(s, op->src);
        src = RM_REG(PLAN_T1);
    } else {
        src = rm_of(s, op->src);
    }
    emit_mov(e, 4, RAX, plan_reg[IR_EAX]);
    emit_op(e, 0, op->width == 1 ? 0xf6 : 0xf7, op->width, ext, src, false);
    if (op->width == 1) {
        emit_mov(e, 2, plan_reg[IR_EAX], RAX);
    } else {
        emit_mov(e, op->width, plan_reg[IR_EAX], RAX);
        emit_mov(e, op->width, plan_reg[IR_EDX], RDX);
    }
}

/* The divisor to R12, extended to 32 bits, or to 64 if it has 32. */
static void bring_divisor(struct select *s, const struct ir_op *op, bool is_signed)
{
    struct rm src;

    if (select_is_high(op->src)) {
        fetch_high(s, op->src);
        src = RM_REG(PLAN_T1);
    } else {
        src = rm_of(s, op->src);
    }
    if (!is_signed)
        emit_movzx(&s->e, PLAN_T1, op->width, src);
    else if (op->width == 4)
        emit_op(&s->e, 0, 0x63, 8, PLAN_T1, src, false); /* movsxd */
    else
        emit_op(&s->e, 0, op->width == 1 ? 0x0fbe : 0x0fbf, 4, PLAN_T1, src, false); /* movsx */
}

/* From AX, or from RAX and RDX. */
static void put_quotient(struct select *s, unsigned width)
{
    emit_mov(&s->e, width == 1 ? 2 : width, plan_reg[IR_EAX], RAX);
    if (width != 1)
        emit_mov(&s->e, width, plan_reg[IR_EDX], RDX);
}

/* Is the register 0, because the guest instruction before, which alone leads to this one, has cleared it? */
static bool is_cleared(const struct select *s, const struct ir_op *op, unsigned ref)
{
    const struct ir_op *before = op;

    while (before > s->job->ir->op && before->insn == op->insn)
        before--;
    return before->insn + 1u == op->insn && !s->survey.jumps_from[op->insn] && before->dst == ref &&
           before->width >= op->width &&
           ((before->opcode == IR_XOR && before->src == ref) ||
            (before->opcode == IR_MOV && before->src == IR_IMM && before->imm == 0));
}

/* What would raise #DE goes to the interpreter: a divisor that is not above the dividend's upper half. That is found
 * without touching the flags, which are then as they were. */
static void select_divide_unsigned(struct select *s, const struct ir_op *op)
{
    struct emit *e = &s->e;
    const struct x64_site site = {.kind = X64_SITE_CALLOUT, .insn = op->insn};

    bring_divisor(s, op, false);
    emit_mov(e, 4, RAX, plan_reg[IR_EAX]);
    if (op->width == 1)
        emit_movzx(e, RDX, 1, RM_HIGH(plan_reg[IR_EAX]));
    else
        emit_movzx(e, RDX, op->width, RM_REG(plan_reg[IR_EDX]));
    emit_mov(e, 4, RCX, PLAN_T1);
    if (!is_cleared(s, op, op->width == 1 ? IR_AH : IR_EDX)) {
        emit_op(e, 0, 0xf7, 8, 2, RM_REG(RCX), false); /* not */
        emit_lea(e, 8, RCX, RM_SIB(RCX, RDX, 0, 1));   /* upper half - divisor: must be negative */
        emit_swap_halves(e, RCX);
        emit_mov(e, 4, RCX, RCX);
    }
    select_branch_to_island(s, emit_jrcxz(e), site);
    emit_op(e, 0, op->width == 1 ? 0xf6 : 0xf7, op->width, 6, RM_REG(PLAN_T1), false);
    put_quotient(s, op->width);
}

/* Done in twice the width, 32 bits at least, where a quotient that does not fit can be looked at. What would raise #DE
 * goes to the interpreter with the flags as they were; so does -1 as a divisor, for which the host's division may
 * overflow. */
static void select_divide_signed(struct select *s, const struct ir_op *op)
{
    struct emit *e = &s->e;
    const unsigned width = op->width, wide = width == 4 ? 8 : 4;
    uint8_t *bad[2], *over;

    bring_divisor(s, op, true);
    emit_flags_to_rax(e);
    emit_mov_store(e, 4, STATE(translated.scratch), RAX);
    emit_op(e, 0, 0x8d, wide, RCX, RM_MEM(PLAN_T1, 1), false); /* divisor 0 or -1: divisor + 1 is 1 or 0 */
    emit_op(e, 0, 0x83, wide, 7, RM_REG(RCX), false);
    emit8(e, 1);
    bad[0] = emit_jcc32(e, 6);
    if (width == 1) {
        emit_op(e, 0, 0x0fbf, 4, RAX, RM_REG(plan_reg[IR_EAX]), false); /* movsx */
    } else {
        emit_movzx(e, RAX, width, RM_REG(plan_reg[IR_EAX]));
        emit_mov(e, 4, RDX, plan_reg[IR_EDX]);
        emit_op(e, 0, 0xc1, wide, 4, RM_REG(RDX), false); /* shl */
        emit8(e, 8 * width);
        emit_op(e, 0, 0x09, wide, RDX, RM_REG(RAX), false); /* or rax, rdx */
    }
    if (wide == 8)
        emit8(e, 0x48);
    emit8(e, 0x99); /* cdq, cqo */
    emit_op(e, 0, 0xf7, wide, 7, RM_REG(PLAN_T1), false);
    emit_op(e, 0, width == 1 ? 0x0fbe : width == 2 ? 0x0fbf : 0x63, wide, RCX, RM_REG(RAX), false); /* movsx */
    emit_op(e, 0, 0x39, wide, RAX, RM_REG(RCX), false);
    bad[1] = emit_jcc32(e, 5);
    if (width == 1)
        emit_op(e, 0, 0x88, 1, RDX, RM_HIGH(RAX), false); /* mov ah, dl */
    put_quotient(s, width);
    over = emit_jmp8(e);
    emit_patch32(bad[0], e->at);
    emit_patch32(bad[1], e->at);
    emit_mov_load(e, 4, RAX, STATE(translated.scratch));
    emit_flags_from_rax(e);
    select_slow_call(s, (struct x64_site){.kind = X64_SITE_CALLOUT, .insn = op->insn});
    emit_patch8(over, e->at);
}

static void select_xchg(struct select *s, const struct ir_op *op)
{
    struct emit *e = &s->e;

    if (!select_is_high(op->dst) && !select_is_high(op->src)) {
        emit_op(e, 0, op->width == 1 ? 0x86 : 0x87, op->width, plan_reg[op->src], rm_of(s, op->dst), op->width == 1);
        return;
    }
    if (op->dst == op->src)
        return;
    if ((op->dst == IR_AH && op->src == IR_EAX) || (op->dst == IR_EAX && op->src == IR_AH)) {
        emit8(e, 0x86);
        emit8(e, 0xc0 | 7 << 3 | RBX);
        return;
    }
    /* A host register may hold both; so through the low bytes of RAX and R12. */
    const unsigned ref[2] = {op->dst, op->src}, value[2] = {RAX, PLAN_T1};
    for (unsigned i = 0; i < 2; i++) {
        if (select_is_high(ref[i]))
            emit_rorx(e, value[i], plan_reg[ref[i]], 8);
        else
            emit_mov(e, 4, value[i], plan_reg[ref[i]]);
    }
    for (unsigned i = 0; i < 2; i++) {
        if (select_is_high(ref[i]))
            emit_rorx(e, plan_reg[ref[i]], plan_reg[ref[i]], 8);
        emit_mov(e, 1, plan_reg[ref[i]], value[1 - i]);
        if (select_is_high(ref[i]))
            emit_rorx(e, plan_reg[ref[i]], plan_reg[ref[i]], 24);
    }
}

/* The host wants the guest's EBX in RBX, where its EAX is. */
static void select_compare_exchange8(struct select *s)
{
    struct emit *e = &s->e;

    emit_lea(e, 8, PLAN_T1, s->map);
    emit_mov(e, 4, RAX, plan_reg[IR_EAX]);
    emit_mov(e, 4, RDX, plan_reg[IR_EDX]);
    emit_mov(e, 4, RCX, plan_reg[IR_ECX]);
    emit_mov(e, 4, RBX, plan_reg[IR_EBX]);
    emit_op(e, 0, 0x0fc7, 4, 1, RM_MEM(PLAN_T1, 0), false); /* cmpxchg8b */
    emit_mov(e, 4, plan_reg[IR_EAX], RAX);
    emit_mov(e, 4, plan_reg[IR_EDX], RDX);
}

static void select_setcc(struct select *s, const struct ir_op *op)
{
    struct emit *e = &s->e;

    if (select_is_high(op->dst)) {
        emit_rorx(e, plan_reg[op->dst], plan_reg[op->dst], 8);
        emit_op(e, 0, 0x0f90 | op->arg, 1, 0, RM_REG(plan_reg[op->dst]), false);
        emit_rorx(e, plan_reg[op->dst], plan_reg[op->dst], 24);
    } else {
        emit_op(e, 0, 0x0f90 | op->arg, 1, 0, rm_of(s, op->dst), false);
    }
}

static void select_sign(struct select *s, const struct ir_op *op)
{
    emit_mov(&s->e, 4, RAX, plan_reg[op->src]);
    if (op->width == 2)
        emit8(&s->e, 0x66);
    emit8(&s->e, 0x99); /* cwd, cdq */
    emit_mov(&s->e, op->width, plan_reg[op->dst], RDX);
}

static void select_lea(struct select *s, const struct ir_op *op)
{
    emit_ea(s, op, op->width, plan_reg[op->dst]);
    if (op->addr16 && op->width == 4)
        emit_movzx(&s->e, plan_reg[op->dst], 2, RM_REG(plan_reg[op->dst]));
}

static void select_eip(struct select *s, const struct ir_op *op)
{
    emit_mov_load(&s->e, 4, plan_reg[op->dst], STATE(translated.page_eip));
    emit_lea(&s->e, 4, plan_reg[op->dst], RM_MEM(plan_reg[op->dst], (int32_t)op->imm));
    if (op->width == 2 || s->job->ir->code16)
        emit_movzx(&s->e, plan_reg[op->dst], 2, RM_REG(plan_reg[op->dst]));
}

/* The host's OSZAPC and the rest from memory. R12 keeps the flags meanwhile. */
static void select_eflags(struct select *s, const struct ir_op *op)
{
    struct emit *e = &s->e;

    emit_flags_to_rax(e);
    emit_mov(e, 4, PLAN_T1, RAX);
    emit_op(e, 0, 0x0fb6, 4, RCX, (struct rm){.reg = 4, .high = 1}, false); /* movzx ecx, ah: SF ZF AF PF CF, bit 1 */
    emit_op(e, 0, 0x0fb6, 4, RDX, RM_REG(RAX), false);                      /* movzx edx, al */
    emit_op(e, 0, 0xc1, 4, 4, RM_REG(RDX), false);                          /* shl edx, 11 */
    emit8(e, 11);
    emit_op(e, 0, 0x09, 4, RDX, RM_REG(RCX), false);
    emit_op(e, 0, 0x0b, 4, RCX, STATE(eflags), false);
    emit_op(e, 0, 0x81, 4, 4, RM_REG(RCX), false); /* and: VM and RF are not stored */
    emit32(e, ~(uint32_t)(EFLAGS_VM | EFLAGS_RF));
    emit_mov(e, 4, RAX, PLAN_T1);
    emit_flags_from_rax(e);
    emit_mov(e, 4, plan_reg[op->dst], RCX);
}

/* Repeated strings first try to do without the interpreter. */
static const uint8_t *string_routine(const struct select *s, const struct insn *in)
{
    const struct x86_mode *mode = s->job->mode;
    const struct isa_row *row;

    if (!in || in->row == ISA_ROW_UD || in->rep == REP_NONE || in->addr_mask != 0xffffffff ||
        mode->seg[ES] != SEG_CLASS_FLAT)
        return NULL;
    row = &isa_table[in->row];
    if (row->map != MAP_1B)
        return NULL;
    switch (row->opcode & 0xfe) {
    case 0xa4: /* MOVS */
        return mode->seg[in->seg] == SEG_CLASS_FLAT ? s->job->entry->rep_movs[s->backward][in->width] : NULL;
    case 0xa6: /* CMPS */
        return mode->seg[in->seg] == SEG_CLASS_FLAT && !s->backward
                   ? s->job->entry->rep_cmps[in->rep == REP_REP][in->width]
                   : NULL;
    case 0xaa: /* STOS */
        return s->job->entry->rep_stos[s->backward][in->width];
    case 0xae: /* SCAS */
        return s->backward ? NULL : s->job->entry->rep_scas[in->rep == REP_REP][in->width];
    default:
        return NULL;
    }
}

static void select_callout(struct select *s, const struct ir_op *op)
{
    const struct x64_site site = {.kind = X64_SITE_CALLOUT, .insn = op->insn};
    const uint8_t *routine = string_routine(s, s->job->insn ? &s->job->insn[op->insn] : NULL);

    if (!routine) {
        select_slow_call(s, site);
    } else {
        emit_call_to(&s->e, routine);
        select_branch_to_island(s, emit_jrcxz(&s->e), site);
        return; /* what was not called has not noted anything */
    }
    s->x87 = (struct x87_notes){0}; /* C code has stored it, and the interpreter perhaps something newer */
}

/* False if the operation is unknown. */
static bool select_op(struct select *s, const struct ir_op *op)
{
    struct emit *e = &s->e;

    switch (op->opcode) {
    case IR_MOV:
        if (!select_target(s, op))
            two_operands(s, 0x88, 0, op);
        break;
    case IR_MOVZX:
        select_extend(s, op, false);
        break;
    case IR_MOVSX:
        select_extend(s, op, true);
        break;
    case IR_XCHG:
        select_xchg(s, op);
        break;
    case IR_LEA:
        select_lea(s, op);
        break;
    case IR_BSWAP:
        if (plan_reg[op->dst] >= 8)
            emit8(e, 0x41);
        emit8(e, 0x0f);
        emit8(e, 0xc8 | (plan_reg[op->dst] & 7));
        break;
    case IR_SARX:
        emit_mov_imm32(e, RCX, op->imm);
        emit_vex(e, 2, 2, 0, 0xf7, plan_reg[op->dst], RCX, RM_REG(plan_reg[op->src]));
        break;
    case IR_SIGN:
        select_sign(s, op);
        break;
    case IR_EIP:
        select_eip(s, op);
        break;
    case IR_EFLAGS:
        select_eflags(s, op);
        break;
    case IR_CLD:
    case IR_STD:
        select_df(s, op);
        break;
    case IR_CLI:
        select_cli(s);
        break;
    case IR_STI:
        select_sti(s, op);
        break;
    case IR_TSC:
        select_tsc(s, op);
        break;
    case IR_POPF:
        select_popf(s, op);
        break;
    case IR_WITHIN:
        select_within(s, op);
        break;
    case IR_PUSHA:
    case IR_POPA:
        select_all(s, op);
        break;
    case IR_SELECTOR:
        select_selector(s, op);
        break;
    case IR_SEG_REAL:
        select_seg_real(s, op);
        break;
    case IR_SEG_PROT:
        select_seg_prot(s, op);
        break;
    case IR_CS_EIP:
        select_cs_eip(s, op);
        break;
    case IR_SETCC:
        select_setcc(s, op);
        break;
    case IR_CMOV:
        emit_op(e, 0, 0x0f40 | op->arg, op->width, plan_reg[op->dst], rm_of(s, op->src), false);
        break;
    case IR_ADD:
        two_operands(s, 0x00, 0, op);
        break;
    case IR_OR:
        two_operands(s, 0x08, 1, op);
        break;
    case IR_ADC:
        two_operands(s, 0x10, 2, op);
        break;
    case IR_SBB:
        two_operands(s, 0x18, 3, op);
        break;
    case IR_AND:
        two_operands(s, 0x20, 4, op);
        break;
    case IR_SUB:
        two_operands(s, 0x28, 5, op);
        break;
    case IR_XOR:
        two_operands(s, 0x30, 6, op);
        break;
    case IR_CMP:
        two_operands(s, 0x38, 7, op);
        break;
    case IR_TEST:
        two_operands(s, 0x84, 0, op);
        break;
    case IR_INC:
        one_operand(s, 0xfe, 0, op->dst, op->width);
        break;
    case IR_DEC:
        one_operand(s, 0xfe, 1, op->dst, op->width);
        break;
    case IR_NOT:
        one_operand(s, 0xf6, 2, op->dst, op->width);
        break;
    case IR_NEG:
        one_operand(s, 0xf6, 3, op->dst, op->width);
        break;
    case IR_ROL:
        select_shift(s, op, 0);
        break;
    case IR_ROR:
        select_shift(s, op, 1);
        break;
    case IR_RCL:
        select_shift(s, op, 2);
        break;
    case IR_RCR:
        select_shift(s, op, 3);
        break;
    case IR_SHL:
        select_shift(s, op, 4);
        break;
    case IR_SHR:
        select_shift(s, op, 5);
        break;
    case IR_SAR:
        select_shift(s, op, 7);
        break;
    case IR_SHLD:
        select_double_shift(s, op, 0x0fa4);
        break;
    case IR_SHRD:
        select_double_shift(s, op, 0x0fac);
        break;
    case IR_BT:
        select_bit_test(s, op, 4);
        break;
    case IR_BTS:
        select_bit_test(s, op, 5);
        break;
    case IR_BTR:
        select_bit_test(s, op, 6);
        break;
    case IR_BTC:
        select_bit_test(s, op, 7);
        break;
    case IR_BSF:
        emit_op(e, 0, 0x0fbc, op->width, plan_reg[op->dst], rm_of(s, op->src), false);
        break;
    case IR_BSR:
        emit_op(e, 0, 0x0fbd, op->width, plan_reg[op->dst], rm_of(s, op->src), false);
        break;
    case IR_POPCNT:
        emit_op(e, 0xf3, 0x0fb8, op->width, plan_reg[op->dst], rm_of(s, op->src), false);
        break;
    case IR_CMPXCHG8:
        select_compare_exchange8(s);
        break;
    case IR_MUL:
        select_multiply(s, op, 4);
        break;
    case IR_IMUL1:
        select_multiply(s, op, 5);
        break;
    case IR_IMUL2:
        emit_op(e, 0, 0x0faf, op->width, plan_reg[op->dst], rm_of(s, op->src), false);
        break;
    case IR_IMUL3:
        emit_op(e, 0, 0x69, op->width, plan_reg[op->dst], rm_of(s, op->src), false);
        op->width == 2 ? emit16(e, op->imm) : emit32(e, op->imm);
        break;
    case IR_DIV:
        select_divide_unsigned(s, op);
        break;
    case IR_IDIV:
        select_divide_signed(s, op);
        break;
    case IR_LAHF:
        emit8(e, 0x9f);
        emit8(e, 0x88); /* mov bh, ah */
        emit8(e, 0xe7);
        break;
    case IR_SAHF:
        emit8(e, 0x88); /* mov ah, bh */
        emit8(e, 0xfc);
        emit8(e, 0x9e);
        break;
    case IR_CLC:
        emit8(e, 0xf8);
        break;
    case IR_STC:
        emit8(e, 0xf9);
        break;
    case IR_CMC:
        emit8(e, 0xf5);
        break;
    case IR_MAP:
        select_map(s, op);
        break;
    case IR_UNIT:
        return select_unit(s, op);
    case IR_CALLOUT:
        select_callout(s, op);
        break;
    case IR_CALLOUT_END:
        select_slow_call(s, (struct x64_site){.kind = X64_SITE_CALLOUT_END, .insn = op->insn});
        s->x87 = (struct x87_notes){0};
        s->goes_on = true; /* where the translator finds that nothing has changed after all */
        break;
    case IR_JMP:
    case IR_JCC:
    case IR_SIDE:
    case IR_JZR:
    case IR_JNZR:
    case IR_JMPR:
        select_exit(s, op);
        break;
    default:
        return false;
    }
    return true;
}

/* Counts a guest instruction, where it begins. What it holds in registers and flags is as before. */
static void select_count(struct select *s)
{
    struct emit *e = &s->e;

    if (s->n_islands) { /* this much code would take them out of reach */
        uint8_t *over = emit_jmp32(e);

        select_islands(s);
        emit_patch32(over, e->at);
    }
    emit_mov_store(e, 8, STATE(translated.counter_spare), RCX);
    select_count_up(e, 1);
    emit_mov_load(e, 8, RCX, STATE(translated.counter_spare));
}

/* What a loop does once. */
static void select_before_loop(struct select *s)
{
    static const struct ir_op map[2] = {{.opcode = IR_MAP}}, any = {.opcode = IR_MOV};

    select_units_loaded(s, s->survey.sse, s->survey.x87);
    for (unsigned i = 0; i < s->survey.n_groups; i++)
        if (s->survey.group[i].hoisted && s->survey.group[i].place != PLACE_NONE) {
            select_within_reach(s, map, 0);
            select_hoisted_group(s, i);
        }
    if (s->n_islands) { /* none of them in the loop's way */
        uint8_t *over;

        select_within_reach(s, &any, 0);
        over = emit_jmp8(&s->e);
        select_islands(s);
        emit_patch8(over, s->e.at);
    }
    if (s->survey.x87) {
        emit_op(&s->e, 0, 0xc6, 1, 0, STATE(translated.x87_turns), false);
        emit8(&s->e, 0);
        s->x87_turn.in_loop = true;
    }
    s->loop_at = s->e.at;
}

/* Another turn begins as the first one did. */
static void begin_turn(struct select *s, unsigned turn)
{
    s->turn = turn;
    if (turn == 0)
        return;
    s->x87 = (struct x87_notes){0};
    s->x87_turn.had_note = s->x87_turn.had_data = false;
    s->n_inner = 0;
    for (unsigned i = 0; i < s->survey.n_groups; i++)
        if (!s->survey.group[i].hoisted)
            s->led[i] = 0;
}

/* A loop of few instructions is bound by what it does beside them: then it has several turns. */
#define LOOP_INSNS 32u

static unsigned turns_wanted(const struct select *s)
{
    const struct ir_block *ir = s->job->ir;
    unsigned turns = s->job->turns ? s->job->turns : 1;

    if (!s->survey.loops || s->job->counts)
        return 1;
    while (turns > 1 && (turns * ir->n_insns > LOOP_INSNS || turns * ir->n_ops > IR_MAX_OPS))
        turns--;
    return turns;
}

#define OP_ROOM 520u /* no operation needs more, islands in its way included */

static bool select_turn(struct select *s, unsigned turn)
{
    struct x64_job *job = s->job;
    const struct ir_block *ir = job->ir;
    uint32_t *insn_host = job->insn_host + turn * (ir->n_insns + 1);
    unsigned insn = 0, before = 0;

    begin_turn(s, turn);
    if (turn)
        insn_host[0] = (uint32_t)(s->e.at - job->code);
    for (uint32_t i = 0; i < ir->n_ops; i++) {
        const struct ir_op *op = &ir->op[i];

        if (s->e.at + OP_ROOM + 130 * (SELECT_MAX_ISLANDS + s->n_far_islands) > job->limit)
            return false;
        select_within_reach(s, op, insn);
        while (insn < op->insn) {
            if (++insn < ir->n_insns && s->survey.jumps_from[insn])
                select_meet(s, insn);
            if (insn == op->insn)
                select_begin_esp(s, i);
            if (job->stack)
                job->stack[insn] = select_stack(s);
            insn_host[insn] = (uint32_t)(s->e.at - job->code);
            if (job->counts && insn < ir->n_insns)
                select_count(s);
        }
        if (i == 0 || op->insn != before)
            select_note_x87_data(s, i);
        before = op->insn;
        /* A unit's registers are loaded before its operand is mapped: that uses RCX too. */
        if (op->opcode == IR_MAP && i + 1 < ir->n_ops && ir->op[i + 1].opcode == IR_UNIT)
            select_unit_prepare(s, &ir->op[i + 1]);
        if (!select_esp(s, op) && !select_op(s, op))
            return false;
        select_end_esp(s, op);
    }
    while (insn < ir->n_insns)
        insn_host[++insn] = (uint32_t)(s->e.at - job->code);
    return true;
}

uint8_t *x64_select(struct x64_job *job)
{
    struct select s;
    const struct ir_block *ir = job->ir;

    /* The survey and the islands are filled as they are needed. */
    memset(&s, 0, offsetof(struct select, inner));
    s.job = job;
    s.e.at = job->code;
    s.backward = !job->mode->forward;
    survey_block(job, &s.survey);
    job->turns = turns_wanted(&s);
    job->n_sites = job->n_links = 0;
    if (job->second_page)
        select_page_check(&s);
    if (job->stack)
        memset(job->stack, 0, (ir->n_insns + 1) * sizeof *job->stack);
    job->insn_host[0] = (uint32_t)(s.e.at - job->code);
    if (s.survey.loops)
        select_before_loop(&s);
    if (job->counts)
        select_count(&s);
    for (unsigned turn = 0; turn < job->turns; turn++)
        if (!select_turn(&s, turn))
            return NULL;
    if (s.goes_on) {
        const struct ir_op on = {
            .opcode = IR_JMP, .insn = (uint8_t)ir->n_insns, .imm = ir->offset[ir->n_insns], .dst = IR_NONE};

        select_within_reach(&s, &on, ir->n_insns);
        select_exit(&s, &on);
    }
    select_islands(&s);
    uint8_t *const end = s.e.at;

    if (job->cold)
        s.e.at = job->cold;
    select_far_islands(&s);
    select_stubs(&s);
    select_x87_sites(&s);
    if (!job->cold)
        return s.e.at;
    job->cold = s.e.at;
    return end;
}
