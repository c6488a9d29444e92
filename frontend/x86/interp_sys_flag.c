/*
 * PUSHF, POPF, CLI, STI.
 *
 * Source: SDM vol. 2 "PUSHF/PUSHFD", "POPF/POPFD" (its table of which bits change), "CLI", "STI" (its decision tables);
 * vol. 3 "Virtual-8086 Mode", VIF and VIP.
 */
#include "frontend/x86/interp.h"
#include "frontend/x86/sys_internal.h"

#define FLAGS_COMMON (EFLAGS_OSZAPC | EFLAGS_TF | EFLAGS_DF | EFLAGS_NT)

static void pushf(struct cpu *cpu, const struct insn *in)
{
    uint32_t flags = cpu_get_eflags(cpu) & ~(uint32_t)(EFLAGS_VM | EFLAGS_RF);

    if (cpu_is_v86(cpu) && cpu_iopl(cpu) < 3) {
        if (in->opsize32 || !(cpu->cr4 & CR4_VME))
            cpu_raise_error(cpu, VEC_GP, 0);
        flags = (flags & ~(uint32_t)EFLAGS_IF) | EFLAGS_IOPL | (flags & EFLAGS_VIF ? EFLAGS_IF : 0);
    }
    push(cpu, flags, in->opsize32 ? 32 : 16);
    NEXT(cpu, in);
}
INTERP_ONE(pushf)

static void popf(struct cpu *cpu, const struct insn *in)
{
    unsigned bits = in->opsize32 ? 32 : 16;
    bool is_v86 = cpu_is_v86(cpu);
    uint32_t mask = FLAGS_COMMON | (bits == 32 ? EFLAGS_AC | EFLAGS_ID | EFLAGS_RF : 0);
    uint32_t flags;

    if (is_v86 && cpu_iopl(cpu) < 3) {
        if (bits == 32 || !(cpu->cr4 & CR4_VME))
            cpu_raise_error(cpu, VEC_GP, 0);
        flags = stack_peek(cpu, 0, bits);
        if (((flags & EFLAGS_IF) && (cpu->eflags & EFLAGS_VIP)) || (flags & EFLAGS_TF))
            cpu_raise_error(cpu, VEC_GP, 0);
        flags |= flags & EFLAGS_IF ? EFLAGS_VIF : 0;
        mask |= EFLAGS_VIF;
    } else {
        flags = stack_peek(cpu, 0, bits) & ~(uint32_t)EFLAGS_RF; /* RF is cleared, not loaded */
        if (is_v86 || cpu->cpl <= cpu_iopl(cpu))
            mask |= EFLAGS_IF;
        if (!is_v86 && cpu->cpl == 0)
            mask |= EFLAGS_IOPL;
    }
    stack_drop(cpu, bits / 8);
    cpu_commit_eflags(cpu, flags, mask);
    cpu->eip = insn_next_eip(cpu, in);
}
INTERP_ONE(popf)

/* Which flag CLI and STI act on here: EFLAGS_IF or EFLAGS_VIF; else #GP(0). */
static uint32_t interrupt_flag(struct cpu *cpu)
{
    if (!cpu_is_pm(cpu) || cpu_iopl(cpu) >= cpu->cpl)
        return EFLAGS_IF;
    if (cpu->cpl == 3 && (cpu->cr4 & (cpu_is_v86(cpu) ? CR4_VME : CR4_PVI)))
        return EFLAGS_VIF;
    cpu_raise_error(cpu, VEC_GP, 0);
}

static void cli(struct cpu *cpu, const struct insn *in)
{
    cpu->eflags &= ~interrupt_flag(cpu);
    NEXT(cpu, in);
}
INTERP_ONE(cli)

static void sti(struct cpu *cpu, const struct insn *in)
{
    uint32_t flag = interrupt_flag(cpu);

    if (flag == EFLAGS_VIF && (cpu->eflags & EFLAGS_VIP))
        cpu_raise_error(cpu, VEC_GP, 0);
    if (flag == EFLAGS_IF && !(cpu->eflags & EFLAGS_IF))
        cpu->shadow_next |= SHADOW_STI;
    cpu->eflags |= flag;
    cpu->eip = insn_next_eip(cpu, in);
}
INTERP_ONE(sti)
