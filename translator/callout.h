/* What translated code and the IR interpreter leave to the interpreter: single guest instructions. */
#ifndef TRANSLATOR_CALLOUT_H
#define TRANSLATOR_CALLOUT_H

#include "frontend/x86/cpu.h"
#include "frontend/x86/insn.h"

/*
 * The interpreter executes `in`, whose first byte is at EIP `eip`. All guest state is in `cpu` before and after.
 * Returns true if the caller may go on with the instruction that follows: EIP is there and nothing needs the run loop's
 * attention; whether the block itself still exists is the caller's to know. False: back to the run loop, cpu->eip says
 * where. Does not return if the instruction faults (it unwinds to the run loop, as every interpreted instruction does).
 */
bool callout_run(struct cpu *cpu, const struct insn *in, uint32_t eip);

#endif
