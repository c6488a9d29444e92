/* What -d exec and -d cpu print. */
#ifndef FRONTEND_X86_TRACE_H
#define FRONTEND_X86_TRACE_H

struct cpu;
struct code_block;

/* One line (and the registers with -d cpu) before `block` runs. */
void trace_block(struct cpu *cpu, const struct code_block *block);

#endif
