/*
 * HLT and RSM.
 *
 * Source: SDM vol. 2 "HLT", "RSM".
 * Deviates: there is no system management mode yet, so RSM is always outside it: #UD.
 */
#include "frontend/x86/interp.h"
#include "frontend/x86/sys_internal.h"

static void hlt(struct cpu *cpu, const struct insn *in)
{
    if (cpu->cpl != 0)
        cpu_raise_error(cpu, VEC_GP, 0);
    cpu->halt = CPU_HALTED;
    cpu->eip = insn_next_eip(cpu, in);
}
INTERP_ONE(hlt)

static void rsm(struct cpu *cpu, const struct insn *in)
{
    (void)in;
    cpu_raise(cpu, VEC_UD);
}
INTERP_ONE(rsm)
