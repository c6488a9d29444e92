/* HLT. Source: SDM vol. 2 "HLT". RSM is in smm.c. */
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
