/*
 * INT n, INT3, INTO, INT1, SYSENTER and SYSEXIT. Gate delivery itself is in exception.c.
 *
 * Source: SDM vol. 2 "INT n/INTO/INT3/INT1", "SYSENTER", "SYSEXIT".
 */
#include "frontend/x86/interp.h"
#include "frontend/x86/sys_internal.h"

#define AR_FLAT_CODE (AR_G | AR_DB | AR_P | AR_S | AR_CODE | AR_READABLE | AR_ACCESSED)
#define AR_FLAT_DATA (AR_G | AR_DB | AR_P | AR_S | AR_WRITABLE | AR_ACCESSED)

static void int_n(struct cpu *cpu, const struct insn *in)
{
    interrupt_deliver_from(cpu, (uint8_t)in->imm, INTERRUPT_SOFTWARE, false, 0, insn_next_eip(cpu, in));
}
INTERP_ONE(int_n)

static void int3(struct cpu *cpu, const struct insn *in)
{
    interrupt_deliver_from(cpu, VEC_BP, INTERRUPT_INT3_INTO, false, 0, insn_next_eip(cpu, in));
}
INTERP_ONE(int3)

static void into(struct cpu *cpu, const struct insn *in)
{
    if (flag_of(cpu))
        interrupt_deliver_from(cpu, VEC_OF, INTERRUPT_INT3_INTO, false, 0, insn_next_eip(cpu, in));
    else
        cpu->eip = insn_next_eip(cpu, in);
}
INTERP_ONE(into)

static void int1(struct cpu *cpu, const struct insn *in)
{
    interrupt_deliver_from(cpu, VEC_DB, INTERRUPT_ICEBP, false, 0, insn_next_eip(cpu, in));
}
INTERP_ONE(int1)

/* A flat 4 GiB segment as SYSENTER and SYSEXIT make them, without a descriptor. */
static void load_flat(struct cpu *cpu, unsigned seg, uint32_t selector, uint16_t ar)
{
    const struct descriptor flat = {.limit = 0xffffffffu, .ar = (uint16_t)(ar | cpu->cpl << AR_DPL_SHIFT)};

    segment_set(cpu, seg, (uint16_t)((selector & 0xfffcu) | cpu->cpl), &flat);
}

static void sysenter(struct cpu *cpu, const struct insn *in)
{
    uint32_t cs = cpu->msr.sysenter_cs;

    (void)in;
    if (!cpu_is_pm(cpu) || SELECTOR_IS_NULL(cs))
        cpu_raise_error(cpu, VEC_GP, 0);
    cpu->eflags &= ~(uint32_t)(EFLAGS_VM | EFLAGS_IF | EFLAGS_RF);
    cpu_set_cpl(cpu, 0);
    load_flat(cpu, CS, cs, AR_FLAT_CODE);
    load_flat(cpu, SS, cs + 8, AR_FLAT_DATA);
    cpu->gpr[ESP] = cpu->msr.sysenter_esp;
    cpu->eip = cpu->msr.sysenter_eip;
}
INTERP_ONE(sysenter)

static void sysexit(struct cpu *cpu, const struct insn *in)
{
    uint32_t cs = cpu->msr.sysenter_cs;

    (void)in;
    if (!cpu_is_pm(cpu) || SELECTOR_IS_NULL(cs) || cpu->cpl != 0)
        cpu_raise_error(cpu, VEC_GP, 0);
    cpu_set_cpl(cpu, 3);
    load_flat(cpu, CS, cs + 16, AR_FLAT_CODE);
    load_flat(cpu, SS, cs + 24, AR_FLAT_DATA);
    cpu->gpr[ESP] = cpu->gpr[ECX];
    cpu->eip = cpu->gpr[EDX];
}
INTERP_ONE(sysexit)
