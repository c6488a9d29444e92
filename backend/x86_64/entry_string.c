/*
 * Repeated strings, as far as a page reaches on either side: MOVS and STOS by the host's own, unless they are short;
 * CMPS and SCAS by loops, but for long SCASB. Segments are flat, addresses 32 bits wide; CMPS and SCAS are for DF clear
 * only.
 *
 * Called by blocks. RCX tells whether it was done; the interpreter does what is left if not, and the flags are as
 * before (SDM vol. 2B, "REP": a fault on the way restores EFLAGS to what they were). What is not done at the end of a
 * page goes on in the next one, until something wants the run loop.
 */
#include "backend/x86_64/plan.h"
#include "backend/x86_64/x64.h"
#include "softmmu/flat.h"

#define MAX_JUMPS 8

struct routine {
    struct emit e;
    unsigned shift; /* of an element's size */
    bool is_down;   /* DF is set */
    uint8_t *to_slow[MAX_JUMPS];
    unsigned n;
};

static void slow_if(struct routine *r, unsigned cc)
{
    r->to_slow[r->n++] = emit_jcc32(&r->e, cc);
}

static void keep_flags(struct emit *e)
{
    emit_flags_to_rax(e);
    emit_mov(e, 4, PLAN_T1, RAX);
}

static void put_back_flags(struct emit *e)
{
    emit_mov(e, 4, RAX, PLAN_T1);
    emit_flags_from_rax(e);
}

/* A count of 0 is nothing to do, and common: copies whose length is a multiple of four end so. */
static void return_if_none(struct emit *e)
{
    uint8_t *none, *some;

    emit_mov(e, 4, RCX, plan_reg[IR_ECX]);
    none = emit_jrcxz(e);
    some = emit_jmp8(e);
    emit_patch8(none, e->at);
    emit_mov_imm32(e, RCX, 1);
    emit8(e, 0xc3);
    emit_patch8(some, e->at);
}

/* The routine's end: what is left is the interpreter's. Returns the first byte behind it. */
static uint8_t *leave_the_rest(struct routine *r)
{
    struct emit *e = &r->e;

    for (unsigned i = 0; i < r->n; i++)
        emit_patch32(r->to_slow[i], e->at);
    put_back_flags(e);
    emit_mov_imm32(e, RCX, 0);
    emit8(e, 0xc3);
    return e->at;
}

/* RAX = how many elements lie from `linear` on in its page, as far as that is less than RAX; clobbers RCX. `to` = host
 * address of the first. */
static void find_run(struct routine *r, unsigned to, unsigned linear, uint32_t table)
{
    struct emit *e = &r->e;
    const unsigned shift = r->shift;
    uint8_t *enough;

    emit_mov(e, 4, RCX, linear);
    if (!r->is_down)
        emit_op(e, 0, 0xf7, 4, 2, RM_REG(RCX), false); /* not ecx */
    emit_op(e, 0, 0x81, 4, 4, RM_REG(RCX), false);     /* and ecx, 0xfff: bytes behind this one, or before it */
    emit32(e, PHYS_PAGE_SIZE - 1);
    emit_op(e, 0, 0x83, 4, 0, RM_REG(RCX), false); /* add ecx, those of this one's that count */
    emit8(e, r->is_down ? 1u << shift : 1);
    if (r->is_down) {
        emit_op(e, 0, 0x81, 4, 7, RM_REG(RCX), false); /* cmp: the element crosses the page's end */
        emit32(e, PHYS_PAGE_SIZE);
        slow_if(r, 7);
    }
    emit_op(e, 0, 0xc1, 4, 5, RM_REG(RCX), false); /* shr ecx, shift */
    emit8(e, shift);
    emit_op(e, 0, 0x39, 4, RCX, RM_REG(RAX), false); /* cmp eax, ecx */
    enough = emit_jcc8(e, 6);
    emit_mov(e, 4, RAX, RCX);
    emit_patch8(enough, e->at);
    emit_shrx(e, RCX, linear, PLAN_STATE);
    emit_mov_load(e, 8, RCX, RM_SIB(PLAN_FLAT, RCX, 3, (int32_t)table));
    emit_op(e, 0, 0x85, 8, RCX, RM_REG(RCX), false); /* test */
    slow_if(r, 4);
    emit_lea(e, 8, to, RM_SIB(RCX, linear, 0, 0));
}

/* What both kinds have before the host's instruction: how many elements both pages have, and where. It wants RSI, RDI,
 * RCX and RAX; the first two are the guest's ECX and EDX. RDX = the count. `table`: what EDI is looked up in. */
static void enter_host(struct routine *r, bool has_source, uint32_t table)
{
    struct emit *e = &r->e;

    emit_mov(e, 4, RAX, plan_reg[IR_ECX]);
    if (has_source) {
        find_run(r, RDX, plan_reg[IR_ESI], FLAT_OFFSET_READ1);
        emit_mov_store(e, 8, STATE(translated.scratch), RDX);
    }
    find_run(r, RDX, plan_reg[IR_EDI], table);
    emit_op(e, 0, 0x85, 4, RAX, RM_REG(RAX), false); /* none, or one that crosses the page's end */
    slow_if(r, 4);
    emit8(e, 0x57); /* push rdi */
    emit8(e, 0x56); /* push rsi */
    emit_mov(e, 8, RDI, RDX);
    if (has_source)
        emit_mov_load(e, 8, RSI, STATE(translated.scratch));
    emit_mov(e, 4, RCX, RAX);
    emit_mov(e, 4, RDX, RAX);
    emit_mov(e, 4, RAX, plan_reg[IR_EAX]);
}

#define FEW_BYTES 48 /* up to there the host's instructions take longer than plain moves */

/* `width` bytes from [RSI] or of RAX to [RDI]. */
static void move(struct emit *e, bool is_movs, unsigned width)
{
    if (is_movs && width < 4)
        emit_movzx(e, RAX, width, RM_MEM(RSI, 0));
    else if (is_movs)
        emit_mov_load(e, width, RAX, RM_MEM(RSI, 0));
    emit_mov_store(e, width, RM_MEM(RDI, 0), RAX);
    if (is_movs)
        emit_lea(e, 8, RSI, RM_MEM(RSI, (int)width));
    emit_lea(e, 8, RDI, RM_MEM(RDI, (int)width));
}

/* MOVS or STOS of RCX elements upward by plain moves, if they are few. Returns a jump for when that is done; behind it
 * is where they are not. */
static uint8_t *move_few(struct routine *r, bool is_movs)
{
    static const uint64_t repeat[] = {0x0101010101010101, 0x0001000100010001, 0x0000000100000001};
    struct emit *e = &r->e;
    uint8_t *many, *overlap = NULL, *last, *done, *again;

    emit_op(e, 0, 0x83, 4, 7, RM_REG(RCX), false); /* cmp */
    emit8(e, FEW_BYTES >> r->shift);
    many = emit_jcc8(e, 7);
    if (is_movs) { /* what is stored may be the next that is loaded */
        emit_mov(e, 8, RAX, RDI);
        emit_op(e, 0, 0x29, 8, RSI, RM_REG(RAX), false); /* sub */
        emit_op(e, 0, 0x83, 8, 7, RM_REG(RAX), false);   /* cmp */
        emit8(e, 8);
        overlap = emit_jcc8(e, 2);
    } else {
        if (r->shift < 2)
            emit_movzx(e, RAX, 1u << r->shift, RM_REG(RAX));
        emit_mov_imm64(e, RSI, repeat[r->shift]);
        emit_op(e, 0, 0x0faf, 8, RAX, RM_REG(RSI), false); /* imul: RAX has no more bits than an element */
    }
    if (r->shift) {
        emit_op(e, 0, 0xc1, 4, 4, RM_REG(RCX), false); /* shl */
        emit8(e, r->shift);
    }
    again = e->at;
    emit_op(e, 0, 0x83, 4, 5, RM_REG(RCX), false); /* sub */
    emit8(e, 8);
    last = emit_jcc8(e, 2);
    move(e, is_movs, 8);
    emit_jmp_to(e, again);
    emit_patch8(last, e->at);
    for (unsigned width = 4; width >= 1u << r->shift; width /= 2) { /* RCX, less 8, has the same low bits */
        uint8_t *without;

        emit_op(e, 0, 0xf6, 1, 0, RM_REG(RCX), false); /* test */
        emit8(e, width);
        without = emit_jcc8(e, 4);
        move(e, is_movs, width);
        emit_patch8(without, e->at);
    }
    done = emit_jmp8(e);
    emit_patch8(many, e->at);
    if (is_movs)
        emit_patch8(overlap, e->at);
    return done;
}

static void move_all(struct routine *r, bool is_movs)
{
    struct emit *e = &r->e;
    uint8_t *const done = r->is_down ? NULL : move_few(r, is_movs);

    if (r->is_down)
        emit8(e, 0xfd); /* std */
    if (r->shift == 1)
        emit8(e, 0x66);
    emit8(e, 0xf3);
    emit8(e, (is_movs ? 0xa4 : 0xaa) | (r->shift != 0));
    if (r->is_down)
        emit8(e, 0xfc); /* cld */
    else
        emit_patch8(done, e->at);
    emit8(e, 0x5e); /* pop rsi */
    emit8(e, 0x5f); /* pop rdi */
}

/* In the next page, unless something wants the run loop. */
static void go_on(struct routine *r, const uint8_t *again)
{
    emit_op(&r->e, 0, 0x83, 8, 7, STATE(translated.run_ok), false); /* cmp qword [run_ok], 0 */
    emit8(&r->e, 0);
    slow_if(r, 4);
    emit_jmp_to(&r->e, again);
}

/* An element of host memory, RCX of them behind what `base` has. */
static struct rm element(const struct routine *r, unsigned base, int32_t bytes)
{
    return RM_SIB(base, RCX, r->shift, bytes);
}

/* The host's flags as REP CMPS or SCAS would make them for one element. */
static void compare_element(struct routine *r, bool is_cmps, int32_t bytes)
{
    struct emit *e = &r->e;
    const unsigned width = 1u << r->shift;

    if (is_cmps && width < 4)
        emit_movzx(e, RAX, width, element(r, RSI, bytes));
    else if (is_cmps)
        emit_mov_load(e, 4, RAX, element(r, RSI, bytes));
    emit_op(e, 0, width == 1 ? 0x3a : 0x3b, width, RAX, element(r, RDI, bytes), false); /* cmp */
}

/* Skips sixteen bytes at a time that are equal. */
static void skip_equal(struct routine *r)
{
    const int elements = 16 >> r->shift;
    struct emit *e = &r->e;
    uint8_t *few, *differ[2], *const again = e->at;

    emit_op(e, 0, 0x83, 8, 7, RM_REG(RCX), false); /* cmp rcx, -elements: fewer are left */
    emit8(e, (unsigned)-elements);
    few = emit_jcc8(e, 15);
    for (unsigned i = 0; i < 2; i++) {
        emit_mov_load(e, 8, RAX, element(r, RSI, 8 * (int)i));
        emit_op(e, 0, 0x3b, 8, RAX, element(r, RDI, 8 * (int)i), false);
        differ[i] = emit_jcc8(e, 5);
    }
    emit_op(e, 0, 0x83, 8, 0, RM_REG(RCX), false); /* add */
    emit8(e, (unsigned)elements);
    emit_jmp_to(e, again);
    emit_patch8(few, e->at);
    emit_patch8(differ[0], e->at);
    emit_patch8(differ[1], e->at);
}

#define MANY_BYTES 64 /* from there on some hosts' SCASB is faster than any loop */

/* What REP CMPS or SCAS does with RCX > 0 elements. The host's begins slowly, and takes several cycles for each element
 * but bytes. */
static void compare(struct routine *r, bool is_cmps, bool while_equal)
{
    const bool is_scasb = !is_cmps && r->shift == 0;
    const int32_t last = -(1 << r->shift);
    struct emit *e = &r->e;
    uint8_t *none, *stops, *stopped, *again, *few = NULL, *scanned = NULL;

    if (is_scasb) {
        emit_op(e, 0, 0x83, 4, 7, RM_REG(RCX), false); /* cmp */
        emit8(e, MANY_BYTES);
        few = emit_jcc8(e, 6);
        emit8(e, while_equal ? 0xf3 : 0xf2);
        emit8(e, 0xae);
        scanned = emit_jmp8(e);
        emit_patch8(few, e->at);
    }

    if (is_cmps)
        emit_lea(e, 8, RSI, element(r, RSI, 0));
    emit_lea(e, 8, RDI, element(r, RDI, 0));
    emit_op(e, 0, 0xf7, 8, 3, RM_REG(RCX), false); /* neg: from the end on */
    if (is_cmps && while_equal)
        skip_equal(r);
    emit_op(e, 0, 0x85, 8, RCX, RM_REG(RCX), false); /* test */
    none = emit_jcc8(e, 4);
    again = e->at;
    compare_element(r, is_cmps, 0);
    stops = emit_jcc8(e, while_equal ? 5 : 4);
    emit_op(e, 0, 0xff, 8, 0, RM_REG(RCX), false); /* inc */
    emit_patch8(emit_jcc8(e, 5), again);
    emit_patch8(none, e->at);
    compare_element(r, is_cmps, last); /* for its flags */
    stopped = emit_jmp8(e);
    emit_patch8(stops, e->at);
    emit_op(e, 0, 0xf7, 8, 2, RM_REG(RCX), false); /* not: what is left behind the one that ended it */
    emit_patch8(stopped, e->at);
    if (is_scasb)
        emit_patch8(scanned, e->at);
    emit8(e, 0x5e); /* pop rsi */
    emit8(e, 0x5f); /* pop rdi */
}

/* REP MOVS or STOS. */
static uint8_t *emit_routine(uint8_t *code, unsigned shift, bool is_movs, bool is_down)
{
    struct routine r = {.e = {code}, .shift = shift, .is_down = is_down};
    struct emit *e = &r.e;
    const unsigned esi = plan_reg[IR_ESI], edi = plan_reg[IR_EDI], ecx = plan_reg[IR_ECX];
    uint8_t *again, *done;

    return_if_none(e);
    keep_flags(e);
    again = e->at;
    enter_host(&r, is_movs, FLAT_OFFSET_WRITE1);
    move_all(&r, is_movs);
    if (is_down)
        emit_op(e, 0, 0xf7, 8, 3, RM_REG(RDX), false); /* neg */
    if (is_movs)
        emit_lea(e, 4, esi, RM_SIB(esi, RDX, shift, 0));
    emit_lea(e, 4, edi, RM_SIB(edi, RDX, shift, 0));
    emit_op(e, 0, is_down ? 0x01 : 0x29, 4, RDX, RM_REG(ecx), false); /* sub ecx, edx, or add what is negative */
    done = emit_jcc8(e, 4);
    go_on(&r, again);
    emit_patch8(done, e->at);
    put_back_flags(e);
    emit_mov_imm32(e, RCX, 1);
    emit8(e, 0xc3);
    return leave_the_rest(&r);
}

/* REPE or REPNE, CMPS or SCAS. */
static uint8_t *emit_comparison(uint8_t *code, unsigned shift, bool is_cmps, bool while_equal)
{
    struct routine r = {.e = {code}, .shift = shift};
    struct emit *e = &r.e;
    const unsigned esi = plan_reg[IR_ESI], edi = plan_reg[IR_EDI], ecx = plan_reg[IR_ECX];
    uint8_t *again, *stopped, *counted, *found;

    return_if_none(e);
    keep_flags(e);
    again = e->at;
    enter_host(&r, is_cmps, FLAT_OFFSET_READ1);
    compare(&r, is_cmps, while_equal);
    /* No flag changes from here on. RCX = how many were not done, RDX will be how many were. */
    emit_mov(e, 4, RAX, RCX);
    emit_op(e, 0, 0xf7, 4, 2, RM_REG(RAX), false);
    emit_lea(e, 4, RDX, RM_SIB(RDX, RAX, 0, 1));
    if (is_cmps)
        emit_lea(e, 4, esi, RM_SIB(esi, RDX, shift, 0));
    emit_lea(e, 4, edi, RM_SIB(edi, RDX, shift, 0));
    emit_op(e, 0, 0xf7, 4, 2, RM_REG(RDX), false);
    emit_lea(e, 4, ecx, RM_SIB(ecx, RDX, 0, 1));
    stopped = emit_jrcxz(e); /* else a comparison ended it */
    uint8_t *const done = e->at;
    emit_mov_imm32(e, RCX, 1);
    emit8(e, 0xc3);
    emit_patch8(stopped, e->at);
    found = emit_jcc8(e, while_equal ? 5 : 4);
    emit_patch8(found, done);
    emit_mov(e, 4, RCX, ecx);
    counted = emit_jrcxz(e);
    emit_patch8(counted, done);
    go_on(&r, again);
    return leave_the_rest(&r);
}

uint8_t *x64_emit_strings(uint8_t *code, struct x64_entry *out)
{
    _Static_assert(IR_ECX == 1 && WIDTH_8 == 0 && WIDTH_32 == 2, "plan_reg[IR_ECX] is RSI; widths are shifts");

    for (unsigned shift = 0; shift < 3; shift++) {
        for (unsigned is_down = 0; is_down < 2; is_down++) {
            out->rep_movs[is_down][shift] = code;
            code = emit_routine(code, shift, true, is_down);
            out->rep_stos[is_down][shift] = code;
            code = emit_routine(code, shift, false, is_down);
        }
        for (unsigned while_equal = 0; while_equal < 2; while_equal++) {
            out->rep_cmps[while_equal][shift] = code;
            code = emit_comparison(code, shift, true, while_equal);
            out->rep_scas[while_equal][shift] = code;
            code = emit_comparison(code, shift, false, while_equal);
        }
    }
    return code;
}
