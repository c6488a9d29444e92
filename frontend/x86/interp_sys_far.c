/*
 * Far JMP, CALL and RET.
 *
 * Source: SDM vol. 2 "JMP-Jump", "CALL-Call Procedure", "RET-Return From Procedure"; vol. 3 "Calling Procedures Through
 * Call Gates". Every check stands in the SDM's order; nothing is committed before the last of them and the last stack
 * write.
 */
#include "frontend/x86/interp.h"
#include "frontend/x86/sys_internal.h"

struct far_target {
    uint16_t selector;
    uint32_t offset; /* already truncated to the operand size */
};

static _Noreturn void raise_selector(struct cpu *cpu, enum cpu_vector vector, uint16_t selector)
{
    cpu_raise_error(cpu, vector, SELECTOR_ERROR(selector));
}

static void commit_cs(struct cpu *cpu, uint16_t selector, const struct descriptor *cs, unsigned cpl, uint32_t eip)
{
    cpu_set_cpl(cpu, cpl);
    segment_set(cpu, CS, (uint16_t)((selector & ~SELECTOR_RPL) | cpl), cs);
    cpu->eip = eip;
}

/* A code segment named directly by a far JMP or CALL: #GP(selector), #NP(selector). */
static void check_direct_code(struct cpu *cpu, uint16_t selector, const struct descriptor *d)
{
    unsigned dpl = ar_dpl(d->ar);

    if (ar_is_conforming(d->ar) ? dpl > cpu->cpl : (selector & SELECTOR_RPL) > cpu->cpl || dpl != cpu->cpl)
        raise_selector(cpu, VEC_GP, selector);
    if (!ar_is_present(d->ar))
        raise_selector(cpu, VEC_NP, selector);
}

/* Any gate, or a TSS named directly: may this program use it? */
static void check_gate_privilege(struct cpu *cpu, uint16_t selector, const struct descriptor *d)
{
    unsigned dpl = ar_dpl(d->ar);

    if (dpl < cpu->cpl || dpl < (selector & SELECTOR_RPL))
        raise_selector(cpu, VEC_GP, selector);
}

/* Call gate: its own checks, then the code segment it names (conforming or not is the caller's business). */
static struct gate open_call_gate(struct cpu *cpu, uint16_t selector, const struct descriptor *d, struct descriptor *cs)
{
    struct gate g = gate_unpack(d->low, d->high);

    check_gate_privilege(cpu, selector, d);
    if (!ar_is_present(d->ar))
        raise_selector(cpu, VEC_NP, selector);
    if (SELECTOR_IS_NULL(g.selector))
        cpu_raise_error(cpu, VEC_GP, 0);
    if (!descriptor_read(cpu, g.selector, cs) || !ar_is_code(cs->ar) || ar_dpl(cs->ar) > cpu->cpl)
        raise_selector(cpu, VEC_GP, g.selector);
    return g;
}

/* Task gate or TSS; does not return to the caller's task. */
static void far_task(struct cpu *cpu, uint16_t selector, const struct descriptor *d, enum task_switch_kind kind,
                     uint32_t next_eip)
{
    check_gate_privilege(cpu, selector, d);
    if (ar_is_system(d->ar, TYPE_TASK_GATE)) {
        if (!ar_is_present(d->ar))
            raise_selector(cpu, VEC_NP, selector);
        selector = gate_unpack(d->low, d->high).selector;
    }
    task_switch_from(cpu, selector, kind, false, 0, next_eip, 0);
}

/* The descriptor that a protected-mode far JMP or CALL names; its type is checked by the caller's last branch. */
static void read_target(struct cpu *cpu, uint16_t selector, struct descriptor *d)
{
    if (SELECTOR_IS_NULL(selector))
        cpu_raise_error(cpu, VEC_GP, 0);
    if (!descriptor_read(cpu, selector, d))
        raise_selector(cpu, VEC_GP, selector);
}

/* ---- JMP ---- */

static void jump_to_code(struct cpu *cpu, uint16_t selector, struct descriptor *cs, uint32_t offset)
{
    if (offset > cs->limit)
        cpu_raise_error(cpu, VEC_GP, 0);
    descriptor_set_accessed(cpu, cs);
    commit_cs(cpu, selector, cs, cpu->cpl, offset);
}

static void jump_far(struct cpu *cpu, struct far_target target, uint32_t next_eip)
{
    struct descriptor d, cs;

    if (cpu_is_real_or_v86(cpu)) {
        check_near_target(cpu, target.offset); /* real mode keeps the limit of CS */
        segment_load_real(cpu, CS, target.selector);
        cpu->eip = target.offset;
        return;
    }
    read_target(cpu, target.selector, &d);
    if (ar_is_code(d.ar)) {
        check_direct_code(cpu, target.selector, &d);
        jump_to_code(cpu, target.selector, &d, target.offset);
    } else if (ar_is_system(d.ar, TYPE_CALL16) || ar_is_system(d.ar, TYPE_CALL32)) {
        struct gate g = open_call_gate(cpu, target.selector, &d, &cs);

        if (!ar_is_conforming(cs.ar) && ar_dpl(cs.ar) != cpu->cpl)
            raise_selector(cpu, VEC_GP, g.selector);
        if (!ar_is_present(cs.ar))
            raise_selector(cpu, VEC_NP, g.selector);
        jump_to_code(cpu, g.selector, &cs, g.offset);
    } else if (ar_is_system(d.ar, TYPE_TASK_GATE) || ar_is_tss(d.ar)) {
        far_task(cpu, target.selector, &d, TASK_JMP, next_eip);
    } else {
        raise_selector(cpu, VEC_GP, target.selector);
    }
}

/* ---- CALL ---- */

/* Return address on the current stack, then the jump. */
static void call_same_level(struct cpu *cpu, uint16_t selector, struct descriptor *cs, uint32_t offset,
                            unsigned item_bytes, uint32_t next_eip)
{
    struct frame f = {.item_bytes = item_bytes};
    uint32_t esp;

    frame_add(&f, cpu->seg[CS].selector);
    frame_add(&f, next_eip);
    frame_check_room(cpu, &cpu->seg[SS], cpu->gpr[ESP], &f, 0); /* #SS(0) */
    if (offset > (cs ? cs->limit : cpu->seg[CS].limit))
        cpu_raise_error(cpu, VEC_GP, 0);
    if (cs)
        descriptor_set_accessed(cpu, cs);
    esp = frame_store(cpu, &cpu->seg[SS], cpu->gpr[ESP], &f, cpu->view);
    if (cs) {
        commit_cs(cpu, selector, cs, cpu->cpl, offset);
    } else {
        segment_load_real(cpu, CS, selector);
        cpu->eip = offset;
    }
    cpu->gpr[ESP] = esp;
}

/* SDM "MORE-PRIVILEGE": new stack from the TSS, old SS:ESP and the parameters on it. */
static void call_inner(struct cpu *cpu, const struct gate *g, struct descriptor *cs, uint32_t next_eip)
{
    struct frame f = {.item_bytes = g->is_32bit ? 4 : 2};
    unsigned bits = f.item_bytes * 8, cpl = ar_dpl(cs->ar);
    struct inner_stack stack;
    uint32_t esp;

    tss_inner_stack(cpu, cpl, 0, &stack); /* #TS, #SS */
    frame_add(&f, cpu->seg[SS].selector);
    frame_add(&f, cpu->gpr[ESP]);
    f.count += g->n_params + 2u;
    frame_check_room(cpu, &stack.ss, stack.esp, &f, SELECTOR_ERROR(stack.ss.selector)); /* #SS(new SS) */
    if (g->offset > cs->limit)
        cpu_raise_error(cpu, VEC_GP, 0);
    f.count = 2;
    for (unsigned i = g->n_params; i-- > 0;)
        frame_add(&f, stack_peek(cpu, i * f.item_bytes, bits));
    frame_add(&f, cpu->seg[CS].selector);
    frame_add(&f, next_eip);
    descriptor_set_accessed(cpu, &stack.descriptor);
    descriptor_set_accessed(cpu, cs);
    esp = frame_store(cpu, &stack.ss, stack.esp, &f, MMU_SUPERVISOR);

    commit_cs(cpu, g->selector, cs, cpl, g->offset);
    segment_set(cpu, SS, stack.ss.selector, &stack.descriptor);
    cpu->gpr[ESP] = esp;
}

static void call_far(struct cpu *cpu, struct far_target target, bool opsize32, uint32_t next_eip)
{
    struct descriptor d, cs;

    if (cpu_is_real_or_v86(cpu)) {
        call_same_level(cpu, target.selector, NULL, target.offset, opsize32 ? 4 : 2, next_eip);
        return;
    }
    read_target(cpu, target.selector, &d);
    if (ar_is_code(d.ar)) {
        check_direct_code(cpu, target.selector, &d);
        call_same_level(cpu, target.selector, &d, target.offset, opsize32 ? 4 : 2, next_eip);
    } else if (ar_is_system(d.ar, TYPE_CALL16) || ar_is_system(d.ar, TYPE_CALL32)) {
        struct gate g = open_call_gate(cpu, target.selector, &d, &cs);

        if (!ar_is_present(cs.ar))
            raise_selector(cpu, VEC_NP, g.selector);
        if (!ar_is_conforming(cs.ar) && ar_dpl(cs.ar) < cpu->cpl)
            call_inner(cpu, &g, &cs, next_eip);
        else
            call_same_level(cpu, g.selector, &cs, g.offset, g.is_32bit ? 4 : 2, next_eip);
    } else if (ar_is_system(d.ar, TYPE_TASK_GATE) || ar_is_tss(d.ar)) {
        far_task(cpu, target.selector, &d, TASK_CALL, next_eip);
    } else {
        raise_selector(cpu, VEC_GP, target.selector);
    }
}

/* ---- RET ---- */

/* SDM "RETURN-TO-OUTER-PRIVILEGE-LEVEL". `release` bytes of parameters are dropped from both stacks. */
static void return_outer(struct cpu *cpu, uint16_t selector, struct descriptor *cs, uint32_t eip, unsigned bits,
                         uint32_t release)
{
    unsigned bytes = bits / 8, cpl = selector & SELECTOR_RPL;
    uint32_t esp = stack_peek(cpu, 2 * bytes + release, bits);
    uint16_t ss_selector = (uint16_t)stack_peek(cpu, 3 * bytes + release, bits);
    struct descriptor ss;

    if (SELECTOR_IS_NULL(ss_selector))
        cpu_raise_error(cpu, VEC_GP, 0);
    if (!descriptor_read(cpu, ss_selector, &ss) || (ss_selector & SELECTOR_RPL) != cpl || !ar_is_writable_data(ss.ar) ||
        ar_dpl(ss.ar) != cpl)
        raise_selector(cpu, VEC_GP, ss_selector);
    if (!ar_is_present(ss.ar))
        raise_selector(cpu, VEC_SS, ss_selector);
    if (eip > cs->limit)
        cpu_raise_error(cpu, VEC_GP, 0);
    descriptor_set_accessed(cpu, cs);
    descriptor_set_accessed(cpu, &ss);

    commit_cs(cpu, selector, cs, cpl, eip);
    segment_set(cpu, SS, ss_selector, &ss);
    if (ss.ar & AR_DB)
        cpu->gpr[ESP] = esp;
    else
        set_reg16(cpu, ESP, (uint16_t)esp);
    stack_drop(cpu, release);
    segments_drop_privileged(cpu);
}

static void return_far(struct cpu *cpu, unsigned bits, uint32_t release)
{
    unsigned bytes = bits / 8;
    uint32_t eip = stack_peek(cpu, 0, bits); /* #SS(0) */
    uint16_t selector = (uint16_t)stack_peek(cpu, bytes, bits);
    struct descriptor cs;
    unsigned rpl = selector & SELECTOR_RPL;

    if (cpu_is_real_or_v86(cpu)) {
        check_near_target(cpu, eip);
        segment_load_real(cpu, CS, selector);
        cpu->eip = eip;
        stack_drop(cpu, 2 * bytes + release);
        return;
    }
    if (SELECTOR_IS_NULL(selector))
        cpu_raise_error(cpu, VEC_GP, 0);
    if (!descriptor_read(cpu, selector, &cs) || !ar_is_code(cs.ar) || rpl < cpu->cpl ||
        (ar_is_conforming(cs.ar) ? ar_dpl(cs.ar) > rpl : ar_dpl(cs.ar) != rpl))
        raise_selector(cpu, VEC_GP, selector);
    if (!ar_is_present(cs.ar))
        raise_selector(cpu, VEC_NP, selector);
    if (rpl > cpu->cpl) {
        return_outer(cpu, selector, &cs, eip, bits, release);
    } else {
        jump_to_code(cpu, selector, &cs, eip);
        stack_drop(cpu, 2 * bytes + release);
    }
}

/* ---- handlers ---- */

/* The pointer in memory: offset of operand size, then the selector, the address wrapping in between if need be. */
static struct far_target read_pointer(struct cpu *cpu, const struct insn *in)
{
    unsigned bits = in->opsize32 ? 32 : 16;
    uint32_t at = effective_offset(cpu, in);
    uint32_t offset = mem_read(cpu, in->seg, at, bits);

    at = (at + bits / 8) & in->addr_mask;
    return (struct far_target){.offset = offset, .selector = mem_read16(cpu, in->seg, at)};
}

static struct far_target immediate_pointer(const struct insn *in)
{
    return (struct far_target){.offset = in->imm, .selector = in->imm2};
}

static void jmp_far_imm(struct cpu *cpu, const struct insn *in)
{
    jump_far(cpu, immediate_pointer(in), insn_next_eip(cpu, in));
}
INTERP_ONE(jmp_far_imm)

static void jmp_far_mem(struct cpu *cpu, const struct insn *in)
{
    jump_far(cpu, read_pointer(cpu, in), insn_next_eip(cpu, in));
}
INTERP_ONE(jmp_far_mem)

static void call_far_imm(struct cpu *cpu, const struct insn *in)
{
    call_far(cpu, immediate_pointer(in), in->opsize32, insn_next_eip(cpu, in));
}
INTERP_ONE(call_far_imm)

static void call_far_mem(struct cpu *cpu, const struct insn *in)
{
    call_far(cpu, read_pointer(cpu, in), in->opsize32, insn_next_eip(cpu, in));
}
INTERP_ONE(call_far_mem)

static void ret_far(struct cpu *cpu, const struct insn *in)
{
    return_far(cpu, in->opsize32 ? 32 : 16, 0);
}
INTERP_ONE(ret_far)

static void ret_far_imm(struct cpu *cpu, const struct insn *in)
{
    return_far(cpu, in->opsize32 ? 32 : 16, in->imm & 0xffff);
}
INTERP_ONE(ret_far_imm)
