/*
 * REP MOVS and REP STOS that stay within one page on either side, by the host's own string instructions. Everything
 * else is the interpreter's, which goes page by page. Segments are flat, addresses 32 bits wide, DF is clear.
 *
 * Called by blocks. RCX tells whether it was done; flags and all other guest state are as before if not.
 */
#include "backend/x86_64/plan.h"
#include "backend/x86_64/x64.h"
#include "softmmu/flat.h"

#define MAX_JUMPS 8

struct routine {
    struct emit e;
    uint8_t *to_slow[MAX_JUMPS];
    unsigned n;
};

static void slow_if(struct routine *r, unsigned cc)
{
    r->to_slow[r->n++] = emit_jcc32(&r->e, cc);
}

/* `to` = host address of the EDX bytes at `linear`, if they are plain and lie in one page. */
static void find_host(struct routine *r, unsigned to, unsigned linear, uint32_t table)
{
    struct emit *e = &r->e;

    emit_mov(e, 4, to, linear);
    emit_op(e, 0, 0x81, 4, 4, RM_REG(to), false); /* and to, 0xfff */
    emit32(e, PHYS_PAGE_SIZE - 1);
    emit_op(e, 0, 0x01, 4, RDX, RM_REG(to), false); /* add to, edx */
    emit_op(e, 0, 0x81, 4, 7, RM_REG(to), false);   /* cmp to, 4096 */
    emit32(e, PHYS_PAGE_SIZE);
    slow_if(r, 7); /* above */
    emit_shrx(e, to, linear, PLAN_STATE);
    emit_mov_load(e, 8, to, RM_SIB(PLAN_FLAT, to, 3, (int32_t)table));
    emit_op(e, 0, 0x85, 8, to, RM_REG(to), false); /* test */
    slow_if(r, 4);
    emit_op(e, 0, 0x01, 8, linear, RM_REG(to), false);
}

static void put_back_flags(struct emit *e)
{
    emit_mov(e, 4, RAX, PLAN_T1);
    emit_flags_from_rax(e);
}

static uint8_t *emit_routine(uint8_t *code, unsigned shift, bool is_movs)
{
    struct routine r = {.e = {code}};
    struct emit *e = &r.e;
    const unsigned esi = plan_reg[IR_ESI], edi = plan_reg[IR_EDI], ecx = plan_reg[IR_ECX];

    emit_flags_to_rax(e);
    emit_mov(e, 4, PLAN_T1, RAX);
    emit_op(e, 0, 0x81, 4, 7, RM_REG(ecx), false); /* cmp ecx, a page's worth */
    emit32(e, PHYS_PAGE_SIZE >> shift);
    slow_if(&r, 7);
    emit_lea(e, 4, RDX, RM_SIB(HOST_REG_NONE, ecx, shift, 0));
    if (is_movs)
        find_host(&r, RAX, esi, FLAT_OFFSET_READ1);
    find_host(&r, RCX, edi, FLAT_OFFSET_WRITE1);
    if (is_movs)
        emit_lea(e, 4, esi, RM_SIB(esi, RDX, 0, 0));
    emit_lea(e, 4, edi, RM_SIB(edi, RDX, 0, 0));
    /* The host wants RSI, RDI and RCX, where the guest's ECX and EDX are. */
    emit8(e, 0x57); /* push rdi */
    emit_mov(e, 8, RDI, RCX);
    emit_mov(e, 4, RCX, RSI);
    if (is_movs)
        emit_mov(e, 8, RSI, RAX);
    else
        emit_mov(e, 4, RAX, plan_reg[IR_EAX]);
    if (shift == 1)
        emit8(e, 0x66);
    emit8(e, 0xf3);
    emit8(e, (is_movs ? 0xa4 : 0xaa) | (shift != 0));
    emit8(e, 0x5f); /* pop rdi */
    emit_mov_imm32(e, RSI, 0);
    put_back_flags(e);
    emit_mov_imm32(e, RCX, 1);
    emit8(e, 0xc3);
    for (unsigned i = 0; i < r.n; i++)
        emit_patch32(r.to_slow[i], e->at);
    put_back_flags(e);
    emit_mov_imm32(e, RCX, 0);
    emit8(e, 0xc3);
    return e->at;
}

uint8_t *x64_emit_strings(uint8_t *code, struct x64_entry *out)
{
    _Static_assert(IR_ECX == 1 && WIDTH_8 == 0 && WIDTH_32 == 2, "plan_reg[IR_ECX] is RSI; widths are shifts");

    for (unsigned shift = 0; shift < 3; shift++) {
        out->rep_movs[shift] = code;
        code = emit_routine(code, shift, true);
        out->rep_stos[shift] = code;
        code = emit_routine(code, shift, false);
    }
    return code;
}
