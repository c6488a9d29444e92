/* System management mode, between instructions. RSM is a row of isa_sys.def. */
#ifndef FRONTEND_X86_SMM_H
#define FRONTEND_X86_SMM_H

#include "frontend/x86/cpu.h"

#define SMM_RESET_BASE 0x30000u

/* An SMI that is pending can be taken at this boundary. */
bool smm_wants_entry(const struct cpu *cpu);
/* Saves the processor's state at SMBASE + FE00 and starts at SMBASE + 8000. */
void smm_enter(struct cpu *cpu);
/* RESET#: outside SMM, SMBASE 30000. */
void smm_reset(struct cpu *cpu);

#endif
