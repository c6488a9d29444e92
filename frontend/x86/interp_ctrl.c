/*
 * Near control flow: JMP, Jcc, JCXZ, LOOP, CALL, RET; BOUND; the undefined instructions; NOP.
 * Source: SDM vol. 2A-2D, the page of each instruction.
 *
 * The target is checked against the CS limit before anything changes, so #GP(0) is reported at the branch itself.
 */
#include "frontend/x86/interp.h"
#include "frontend/x86/run.h"

ALWAYS_INLINE uint32_t near_target(uint32_t target, unsigned bits)
{
    return bits == 16 ? target & 0xffff : target;
}
ALWAYS_INLINE uint32_t relative_target(const struct cpu *cpu, const struct insn *in, unsigned bits)
{
    return near_target(insn_next_eip(cpu, in) + in->imm, bits);
}
ALWAYS_INLINE void jump_near(struct cpu *cpu, uint32_t target)
{
    check_near_target(cpu, target);
    cpu->eip = target;
}

#define CHAIN(cpu)                                                                                                     \
    do {                                                                                                               \
        run_chain(cpu);                                                                                                \
        return;                                                                                                        \
    } while (0)

/* Handlers without NEXT: body(cpu, in, bits) sets EIP, then the next block follows. */
#define CTRL_HANDLER(function, call)                                                                                   \
    static void function(struct cpu *cpu, const struct insn *in)                                                       \
    {                                                                                                                  \
        call;                                                                                                          \
        run_chain(cpu);                                                                                                \
    }
#define CTRL_BITS(name, body)                                                                                          \
    CTRL_HANDLER(name##_16, body(cpu, in, 16))                                                                         \
    CTRL_HANDLER(name##_32, body(cpu, in, 32))                                                                         \
    INTERP_OPSIZE_TABLE(name)
#define CTRL_RM(name, body)                                                                                            \
    CTRL_HANDLER(name##_r16, body(cpu, in, false, 16))                                                                 \
    CTRL_HANDLER(name##_m16, body(cpu, in, true, 16))                                                                  \
    CTRL_HANDLER(name##_r32, body(cpu, in, false, 32))                                                                 \
    CTRL_HANDLER(name##_m32, body(cpu, in, true, 32))                                                                  \
    const struct interp_handlers interp_##name = {                                                                     \
        {{NULL, NULL}, {name##_r16, name##_m16}, {name##_r32, name##_m32}}};

ALWAYS_INLINE void jmp_j_body(struct cpu *cpu, const struct insn *in, unsigned bits)
{
    jump_near(cpu, relative_target(cpu, in, bits));
}
CTRL_BITS(jmp_j, jmp_j_body)

ALWAYS_INLINE void jmp_e_body(struct cpu *cpu, const struct insn *in, bool is_mem, unsigned bits)
{
    jump_near(cpu, rm_read(cpu, in, is_mem, bits));
}
CTRL_RM(jmp_e, jmp_e_body)

ALWAYS_INLINE void jcc_body(struct cpu *cpu, const struct insn *in, unsigned code, unsigned bits)
{
    if (flags_condition(cpu, code))
        jump_near(cpu, relative_target(cpu, in, bits));
    else
        cpu->eip = insn_next_eip(cpu, in);
}
#define JCC(suffix, code)                                                                                              \
    ALWAYS_INLINE void j##suffix##_body(struct cpu *cpu, const struct insn *in, unsigned bits)                         \
    {                                                                                                                  \
        jcc_body(cpu, in, code, bits);                                                                                 \
    }                                                                                                                  \
    CTRL_BITS(j##suffix, j##suffix##_body)
INTERP_CONDITIONS(JCC)

/* The counter has the address size, the target the operand size. */
ALWAYS_INLINE void jcxz_body(struct cpu *cpu, const struct insn *in, unsigned bits)
{
    if (cpu->gpr[ECX] & in->addr_mask)
        cpu->eip = insn_next_eip(cpu, in);
    else
        jump_near(cpu, relative_target(cpu, in, bits));
}
CTRL_BITS(jcxz, jcxz_body)

ALWAYS_INLINE void loop_while(struct cpu *cpu, const struct insn *in, bool condition, unsigned bits)
{
    uint32_t mask = in->addr_mask;
    uint32_t count = (cpu->gpr[ECX] - 1) & mask;

    if (count && condition)
        jump_near(cpu, relative_target(cpu, in, bits));
    else
        cpu->eip = insn_next_eip(cpu, in);
    cpu->gpr[ECX] = (cpu->gpr[ECX] & ~mask) | count; /* not before the limit check */
}
ALWAYS_INLINE void loop_body(struct cpu *cpu, const struct insn *in, unsigned bits)
{
    loop_while(cpu, in, true, bits);
}
CTRL_BITS(loop, loop_body)

ALWAYS_INLINE void loope_body(struct cpu *cpu, const struct insn *in, unsigned bits)
{
    loop_while(cpu, in, flag_zf(cpu), bits);
}
CTRL_BITS(loope, loope_body)

ALWAYS_INLINE void loopne_body(struct cpu *cpu, const struct insn *in, unsigned bits)
{
    loop_while(cpu, in, !flag_zf(cpu), bits);
}
CTRL_BITS(loopne, loopne_body)

/* ---- calls ---- */

ALWAYS_INLINE void call_near(struct cpu *cpu, const struct insn *in, struct place p, uint32_t target, unsigned bits)
{
    check_near_target(cpu, target);
    place_push(cpu, p, insn_next_eip(cpu, in), bits);
    cpu->eip = target;
}
ALWAYS_INLINE void call_j_body(struct cpu *cpu, const struct insn *in, struct place p, unsigned bits)
{
    call_near(cpu, in, p, relative_target(cpu, in, bits), bits);
}
INTERP_HOT_STACK(call_j, call_j_body, probe_push, CHAIN(cpu))

ALWAYS_INLINE void call_e_body(struct cpu *cpu, const struct insn *in, bool is_mem, unsigned bits)
{
    call_near(cpu, in, INTERP_PLACE_CHECKED, rm_read(cpu, in, is_mem, bits), bits);
}
CTRL_RM(call_e, call_e_body)

ALWAYS_INLINE void ret_near(struct cpu *cpu, struct place p, uint32_t release, unsigned bits)
{
    uint32_t target = place_peek(cpu, p, bits);

    check_near_target(cpu, target);
    stack_drop(cpu, bits / 8 + release);
    cpu->eip = target;
}
ALWAYS_INLINE void ret_body(struct cpu *cpu, const struct insn *in, struct place p, unsigned bits)
{
    ret_near(cpu, p, 0, bits);
}
INTERP_HOT_STACK(ret, ret_body, probe_pop, CHAIN(cpu))

ALWAYS_INLINE void ret_i_body(struct cpu *cpu, const struct insn *in, struct place p, unsigned bits)
{
    ret_near(cpu, p, in->imm & 0xffff, bits);
}
INTERP_HOT_STACK(ret_i, ret_i_body, probe_pop, CHAIN(cpu))

/* ---- the rest ---- */

/* The two bounds lie side by side, both signed and both inside. */
ALWAYS_INLINE void bound_body(struct cpu *cpu, const struct insn *in, unsigned bits)
{
    uint32_t offset = effective_offset(cpu, in);
    int32_t index = (int32_t)flags_extend(reg_read(cpu, in->reg, bits), bits);
    int32_t lower = (int32_t)flags_extend(mem_read(cpu, in->seg, offset, bits), bits);
    int32_t upper = (int32_t)flags_extend(mem_read(cpu, in->seg, (offset + bits / 8) & in->addr_mask, bits), bits);

    if (index < lower || index > upper)
        cpu_raise(cpu, VEC_BR);
}
INTERP_FAMILY_OPSIZE(bound, bound_body)

static void nop(struct cpu *cpu, const struct insn *in)
{
    NEXT(cpu, in);
}
INTERP_ONE(nop)

/* UD0, UD1, UD2: undefined for good. */
static void undefined(struct cpu *cpu, const struct insn *in)
{
    cpu_raise(cpu, VEC_UD);
}
INTERP_ONE(undefined)
