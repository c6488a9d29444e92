/* The IR interpreter: the engine of `-accel ir`, and what the tests hold the back ends against. */
#ifndef TRANSLATOR_IR_RUN_H
#define TRANSLATOR_IR_RUN_H

#include "frontend/x86/cpu.h"
#include "frontend/x86/insn.h"
#include "translator/ir.h"

/*
 * Runs a block that keeps the rules of ir_check from its first operation `op` until it ends; cpu->eip is then the next
 * EIP. `offset` is the block's (struct ir_block), `insn[i]` its guest instruction i, `page_eip` the EIP of the first
 * byte of its page; with `code16` EIP wraps at 16 bits. *alive turns false when the block is killed: it then stops
 * after the guest instruction that is running. Returns the number of guest instructions that were done.
 *
 * Does not return if a guest instruction faults: only callout_run faults, and it unwinds to the run loop.
 */
unsigned ir_run(struct cpu *cpu, const struct ir_op *op, const uint16_t *offset, const struct insn *insn,
                uint32_t page_eip, bool code16, const bool *alive);

#endif
