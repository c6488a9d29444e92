/* Segment checks and loads. SDM vol. 3 "Protection". */
#ifndef FRONTEND_X86_SEG_H
#define FRONTEND_X86_SEG_H

#include "frontend/x86/cpu.h"

struct descriptor { /* a GDT/LDT entry, unpacked */
    uint32_t base, limit; /* limit in bytes */
    uint16_t ar;          /* enum segment_ar */
    uint32_t low, high;   /* as in memory */
    lin_addr address;     /* where it was read from */
};

/* Recomputes fast_read_end and fast_write_end after base, limit or ar changed. They are 0 while alignment checks are on
 * (CR0.AM, EFLAGS.AC, CPL 3) so that the slow check sees every access. Call seg_derive_all when one of those changes. */
void segment_derive(struct cpu *cpu, unsigned seg);
void segment_derive_all(struct cpu *cpu);

/* The full check. Raises #GP(0) (#SS(0) for SS) for limit, null or rights, then #AC(0). */
void seg_check_read_slow(struct cpu *cpu, unsigned seg, uint32_t offset, unsigned width);
void seg_check_write_slow(struct cpu *cpu, unsigned seg, uint32_t offset, unsigned width);

/* Reads the descriptor that `selector` names. False if its index is beyond the table (or the LDT is null): the caller
 * raises its own fault with the selector as error code. Table reads are supervisor accesses. */
bool descriptor_read(struct cpu *cpu, uint16_t selector, struct descriptor *out);
void descriptor_set_accessed(struct cpu *cpu, struct descriptor *d);

/* MOV/POP/Lxx to a segment register other than CS in the current mode, with all checks; commits or faults. */
void segment_load(struct cpu *cpu, unsigned seg, uint16_t selector);
/* Real- and V86-mode load: base = selector << 4; real mode keeps limit and rights of the cached descriptor. */
void segment_load_real(struct cpu *cpu, unsigned seg, uint16_t selector);
/* After GDTR or LDTR changed: what struct known_descriptors holds is of other tables. */
void segment_forget_descriptors(struct cpu *cpu);
/* Puts an already checked descriptor into the register. */
void segment_set(struct cpu *cpu, unsigned seg, uint16_t selector, const struct descriptor *d);
/* After CPL, VM or CS changed: keeps cpu->cpl, cpu->view and the derived fields right. */
void cpu_set_cpl(struct cpu *cpu, unsigned cpl);

#endif
