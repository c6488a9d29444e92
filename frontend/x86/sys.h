/* Long system work, written once, used by interpreter and (later) translator. Checks in the SDM's order. */
#ifndef FRONTEND_X86_SYS_H
#define FRONTEND_X86_SYS_H

#include "frontend/x86/cpu.h"

/* ---- exception.c ---- */

enum interrupt_kind {
    INTERRUPT_EXCEPTION, /* fault, trap, abort; error code as given */
    INTERRUPT_HARDWARE,  /* INTR, NMI: EXT set in error codes of nested faults */
    INTERRUPT_SOFTWARE,  /* INT n: gate DPL is checked */
    INTERRUPT_INT3_INTO, /* INT3, INTO: gate DPL is checked, not subject to VME redirection */
    INTERRUPT_ICEBP      /* INT1: no DPL check, EXT set */
};

/* Delivers a vector through the IVT or IDT: gates, stack switch, task gates, V86 exit. cpu->eip must already be the return
 * EIP. May itself raise (cpu_raise*). */
void interrupt_deliver(struct cpu *cpu, uint8_t vector, enum interrupt_kind kind, bool has_error, uint32_t error);
/* Called by the run loop after cpu_raise* unwound, with cpu->eip at the faulting instruction: delivers cpu->fault, turning
 * faults during delivery into #DF and shutdown by SDM vol. 3 table "Conditions for Generating a Double Fault". Sets CR2/RF/DR6
 * as needed. */
void exception_deliver(struct cpu *cpu);
/* Between instructions: pending #DB traps, NMI, INTR in priority order. Returns true if something was delivered. */
bool interrupts_service(struct cpu *cpu);

/* ---- task.c ---- */

enum task_switch_kind { TASK_JMP, TASK_CALL, TASK_IRET, TASK_INTERRUPT };
/* Hardware task switch, SDM vol. 3 "Task Switching". cpu->eip is the outgoing task's EIP. Pushes the error code on the new
 * stack if has_error. */
void task_switch(struct cpu *cpu, uint16_t tss_selector, enum task_switch_kind kind, bool has_error, uint32_t error);
/* SS:ESP for privilege level `cpl` from the current TSS; raises #TS. */
void tss_stack(struct cpu *cpu, unsigned cpl, uint16_t *ss, uint32_t *esp);
/* I/O permission: true if CPL and IOPL or the bitmap allow [port, port + width). */
bool io_is_permitted(struct cpu *cpu, uint16_t port, unsigned width);

/* ---- control registers, MSRs, CPUID (sys_msr.c, cpuid.c) ---- */

/* Raises #GP(0) on reserved or inconsistent values; flushes what must be flushed; derives fpu/align state. */
void cpu_write_cr(struct cpu *cpu, unsigned number, uint32_t value);
uint32_t cpu_read_cr(struct cpu *cpu, unsigned number);
uint64_t cpu_rdmsr(struct cpu *cpu, uint32_t index); /* raises #GP(0) for unknown ones */
void cpu_wrmsr(struct cpu *cpu, uint32_t index, uint64_t value);
uint64_t cpu_tsc(struct cpu *cpu);
/* Recomputes mmu paging state from cr0/cr3/cr4/efer (reset, task switch, state load). */
void cpu_derive_paging(struct cpu *cpu);

/* ---- debug.c ---- */

/* Debug registers changed: arms data breakpoints in the MMU; execution breakpoints put the run loop in stepping mode. */
void debug_derive(struct cpu *cpu);
/* True if the run loop must execute instructions one at a time (TF, execution breakpoints). */
bool cpu_must_step(const struct cpu *cpu);
/* Execution breakpoints at linear address `eip`: DR6 bits to report, 0 if none. */
uint32_t debug_exec_match(const struct cpu *cpu, lin_addr address);
/* I/O breakpoints (CR4.DE): notes a pending #DB trap. */
void debug_io_access(struct cpu *cpu, uint16_t port, unsigned width);

#endif
