/*
 * Into translated code and out of it.
 *
 * Translated code runs on the C stack of x64_enter. Whatever leaves it saves the guest's registers and flags to struct
 * cpu first, so that C code, which may unwind to the run loop by longjmp, always finds complete state.
 */
#include "backend/x86_64/x64.h"

#include <cpuid.h>

#include "backend/x86_64/plan.h"
#include "frontend/x86/code_bytes.h"
#include "frontend/x86/flags.h"
#include "softmmu/flat.h"

const char *x64_missing_feature(void)
{
    unsigned a, b, c, d;

    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b & bit_BMI2))
        return "BMI2";
    return NULL;
}

static void store_registers(struct emit *e)
{
    for (unsigned i = 0; i < 8; i++)
        emit_mov_store(e, 4, RM_MEM(PLAN_STATE, (int)(offsetof(struct cpu, gpr) + 4 * i) - PLAN_STATE_BIAS),
                       plan_reg[i]);
    /* LAHF and SETO are cheaper than PUSHF; RAX is free at every exit once its value has been used. */
    emit_flags_to_rax(e);
    emit_mov_store(e, 8, STATE(translated.flags), RAX);
}

static void load_registers(struct emit *e)
{
    emit_mov_load(e, 8, PLAN_FLAT, STATE(translated.flat));
    for (unsigned i = 0; i < 8; i++)
        emit_mov_load(e, 4, plan_reg[i],
                      RM_MEM(PLAN_STATE, (int)(offsetof(struct cpu, gpr) + 4 * i) - PLAN_STATE_BIAS));
    emit_mov_load(e, 4, RAX, STATE(translated.flags));
    emit_flags_from_rax(e);
}

/* Guest XMM registers to or from struct cpu. */
static void move_xmm(struct emit *e, bool store)
{
    for (unsigned i = 0; i < 8; i++)
        emit_op(e, 0, store ? 0x0f29 : 0x0f28, 4, i,
                RM_MEM(PLAN_STATE, (int)(offsetof(struct cpu, fpu.xmm) + 16 * i) - PLAN_STATE_BIAS), false);
}

static void if_unit_loaded(struct emit *e, bool store)
{
    uint8_t *skip;

    emit_op(e, 0, 0x83, 8, 7, STATE(translated.unit_loaded), false); /* cmp qword [unit_loaded], 0 */
    emit8(e, 0);
    skip = emit_jcc8(e, 4);
    move_xmm(e, store);
    emit_patch8(skip, e->at);
}

/* C function at `field`(cpu, RSI), then on at the address it returns. R12 and R13 survive, as C functions save them. */
static void call_c(struct emit *e, struct rm field)
{
    if_unit_loaded(e, true);
    emit_lea(e, 8, RDI, RM_MEM(PLAN_STATE, -PLAN_STATE_BIAS));
    emit_op(e, 0, 0xff, 4, 2, field, false); /* call [field] */
    emit_mov_store(e, 8, STATE(translated.scratch), RAX);
    if_unit_loaded(e, false);
    load_registers(e);
    emit_op(e, 0, 0xff, 4, 4, STATE(translated.scratch), false); /* jmp */
}

/* For what a block called: C function at `field`(cpu). Its result is in RDX; the guest's registers and flags are as
 * before. */
static void call_c_inside(struct emit *e, struct rm field)
{
    store_registers(e);
    if_unit_loaded(e, true);
    emit_lea(e, 8, RDI, RM_MEM(PLAN_STATE, -PLAN_STATE_BIAS));
    emit_op(e, 0, 0x83, 8, 5, RM_REG(RSP), false); /* the call that led here took 8 bytes of an aligned stack */
    emit8(e, 8);
    emit_op(e, 0, 0xff, 4, 2, field, false);
    emit_op(e, 0, 0x83, 8, 0, RM_REG(RSP), false);
    emit8(e, 8);
    emit_mov(e, 8, RDX, RAX);
    if_unit_loaded(e, false);
    load_registers(e);
}

/* Sets RCX to the bits of `from` that are set in `mask`, from bit 0 on. */
static void gather(struct emit *e, unsigned from, uint32_t mask)
{
    emit_mov_imm32(e, RCX, mask);
    emit_pext(e, RCX, from, RM_REG(RCX));
}

/* What frontend/x86/code_bytes.h says of the bytes, and if it is nothing the addend. */
static void emit_check_store(struct emit *e, unsigned width, bool is_aligned)
{
    uint8_t *nothing_known, *aligned = NULL, *unaligned = NULL, *is_free, *out;

    emit_mov_store(e, 8, STATE(translated.scratch), RAX);
    emit_shrx(e, RCX, RDX, PLAN_STATE);
    emit_mov_load(e, 8, RCX, RM_SIB(PLAN_FLAT, RCX, 3, FLAT_OFFSET_CODE_BYTES));
    nothing_known = emit_jrcxz(e);
    emit_mov(e, 8, RAX, RCX);
    if (is_aligned && width > 1) {
        gather(e, RDX, width - 1);
        aligned = emit_jrcxz(e);
        unaligned = emit_jmp8(e);
        emit_patch8(aligned, e->at);
    }
    gather(e, RDX, PHYS_PAGE_SIZE - 8); /* the byte that has the first one's bit, and the seven behind it */
    emit_mov_load(e, 8, RAX, RM_SIB(RAX, RCX, 0, offsetof(struct code_bytes, line)));
    gather(e, RDX, 7);
    emit_vex(e, 3, 2, 1, 0xf7, RAX, RCX, RM_REG(RAX)); /* shrx rax, rax, rcx */
    gather(e, RAX, (1u << width) - 1);
    is_free = emit_jrcxz(e);
    if (unaligned)
        emit_patch8(unaligned, e->at);
    emit_mov_imm32(e, RCX, 0);
    out = emit_jmp8(e);
    emit_patch8(is_free, e->at);
    emit_shrx(e, RCX, RDX, PLAN_STATE);
    emit_mov_load(e, 8, RCX, RM_SIB(PLAN_FLAT, RCX, 3, FLAT_OFFSET_CHECKED));
    emit_patch8(nothing_known, e->at);
    emit_patch8(out, e->at);
    emit_mov_load(e, 8, RAX, STATE(translated.scratch));
    emit8(e, 0xc3);
}

static const uint8_t callee_saved[] = {RBX, RBP, R12, R13, R14, R15};

static void push_or_pop(struct emit *e, unsigned opcode, unsigned reg)
{
    if (reg >= 8)
        emit8(e, 0x41);
    emit8(e, opcode | (reg & 7));
}

uint8_t *x64_emit_entry(uint8_t *code, struct x64_entry *out)
{
    struct emit e = {code};
    const unsigned n = sizeof callee_saved;

    out->enter = e.at;
    for (unsigned i = 0; i < n; i++)
        push_or_pop(&e, 0x50, callee_saved[i]);
    emit_op(&e, 0, 0x83, 8, 5, RM_REG(RSP), false); /* sub rsp, 8: aligned as C code wants it at a call */
    emit8(&e, 8);
    emit_lea(&e, 8, PLAN_STATE, RM_MEM(RDI, PLAN_STATE_BIAS));
    emit_mov(&e, 8, PLAN_T1, RSI);
    if_unit_loaded(&e, false);
    load_registers(&e);
    emit_op(&e, 0, 0xff, 4, 4, RM_REG(PLAN_T1), false);

    /* Out of a block by `call`: the return address names the site. */
    out->slow = e.at;
    emit_op(&e, 0, 0x8f, 4, 0, STATE(translated.scratch), false); /* pop */
    emit_mov_store(&e, 4, STATE(translated.address), PLAN_ADDRESS);
    store_registers(&e);
    emit_mov_load(&e, 8, RSI, STATE(translated.scratch));
    call_c(&e, STATE(translated.slow));

    out->link = e.at;
    emit_op(&e, 0, 0x8f, 4, 0, STATE(translated.scratch), false);
    store_registers(&e);
    emit_mov_load(&e, 8, RSI, STATE(translated.scratch));
    call_c(&e, STATE(translated.link));

    out->fault = e.at; /* as from `slow`: registers and flags are as at the instruction that faulted */
    store_registers(&e);
    call_c(&e, STATE(translated.fault));

    out->lookup = e.at;
    emit_mov_store(&e, 4, STATE(eip), RDX);
    store_registers(&e);
    call_c(&e, STATE(translated.lookup));

    /* Called by blocks, which go on with registers and flags as they were. */
    out->load_sse = e.at;
    move_xmm(&e, false);
    emit_op(&e, 0, 0xc7, 8, 0, STATE(translated.unit_loaded), false); /* mov */
    emit32(&e, 1);
    emit8(&e, 0xc3);

    out->load_x87 = e.at;
    emit_mov_store(&e, 4, STATE(translated.address), PLAN_ADDRESS);
    call_c_inside(&e, STATE(translated.load_x87));
    emit_mov_load(&e, 4, PLAN_ADDRESS, STATE(translated.address));
    emit8(&e, 0xc3);

    out->settle_x87 = e.at;
    emit_mov_store(&e, 8, STATE(translated.scratch), RAX);
    call_c_inside(&e, STATE(translated.settle_x87));
    emit_mov_load(&e, 8, RAX, STATE(translated.scratch));
    emit8(&e, 0xc3);

    out->tsc = e.at;
    call_c_inside(&e, STATE(translated.tsc));
    emit_mov(&e, 4, plan_reg[IR_EAX], RDX);
    emit_swap_halves(&e, RDX);
    emit_mov(&e, 4, plan_reg[IR_EDX], RDX);
    emit8(&e, 0xc3);

    for (unsigned is_aligned = 0; is_aligned < 2; is_aligned++)
        for (unsigned i = 0; i < 4; i++) {
            out->check_store[is_aligned][i] = e.at;
            emit_check_store(&e, 1u << i, is_aligned);
        }

    out->leave = e.at;
    emit_mov_store(&e, 4, STATE(eip), RDX);
    emit_op(&e, 0, 0xc7, 4, 0, STATE(translated.left_by_poll), false);
    emit32(&e, 1);
    store_registers(&e);
    if_unit_loaded(&e, true);
    out->done = e.at; /* XMM registers may have been reloaded since they were stored; they are the same */
    emit_op(&e, 0, 0x83, 8, 0, RM_REG(RSP), false); /* add rsp, 8 */
    emit8(&e, 8);
    for (unsigned i = n; i-- > 0;)
        push_or_pop(&e, 0x58, callee_saved[i]);
    emit8(&e, 0xc3);
    return x64_emit_strings(e.at, out);
}

/* translated.flags: AL = OF, AH = SF ZF 0 AF 0 PF 1 CF, as SETO and LAHF leave them. */
void x64_flags_out(struct cpu *cpu)
{
    const uint32_t lahf = (uint32_t)flag_cf(cpu) | EFLAGS_FIXED | (flag_pf(cpu) ? EFLAGS_PF : 0u) |
                          (flag_af(cpu) ? EFLAGS_AF : 0u) | (flag_zf(cpu) ? EFLAGS_ZF : 0u) |
                          (flag_sf(cpu) ? EFLAGS_SF : 0u);

    cpu->translated.flags = (uint32_t)flag_of(cpu) | lahf << 8;
}

void x64_flags_in(struct cpu *cpu)
{
    uint32_t image = (uint32_t)cpu->translated.flags;

    /* ZF and PF, SF come from causes; flag_sign carries SF in bit 31 and a low byte of the right parity. */
    cpu->flag_zero = !(image & EFLAGS_ZF << 8);
    cpu->flag_sign = (image & EFLAGS_SF << 8) << 16 | !(image & EFLAGS_PF << 8);
    cpu->flag_carry = (image & EFLAGS_AF << 8 ? FLAG_CARRY_AF : 0) | (image & EFLAGS_CF << 8) << 23 |
                      ((image >> 8 & 1) ^ (image & 1)) << 30;
}
