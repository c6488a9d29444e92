/*
 * From decoded instructions to IR. The translator scans a block, decides for each instruction whether it may pass or is
 * redirected (translator/redirect.h), and calls x86_lower for those that pass.
 */
#ifndef FRONTEND_X86_LOWER_H
#define FRONTEND_X86_LOWER_H

#include "frontend/x86/insn.h"
#include "translator/ir.h"

/* What the translation of an instruction depends on beside its bytes. */
struct x86_mode {
    bool code32, stack32;
    bool protected_mode, v86;
    uint8_t cpl, iopl;
    uint8_t seg[6]; /* enum x86_seg_class (cpu.h), by enum sreg */
    bool forward;   /* DF is clear */
    bool
        x87_native; /* x87 and MMX may run on the host's unit: CR0.EM, TS clear, every exception masked, none pending */
    bool sse_native; /* the same for SSE: CR0.EM, TS clear, CR4.OSFXSR set, MXCSR masks everything */
};

/*
 * Appends the operations of instruction `in`, whose number in the block is ir->n_insns (the caller has set
 * ir->offset[n_insns] and adds the instruction afterwards). False if it has no lowering in this mode: nothing was
 * appended, the caller emits a callout. An instruction that ends a block (isa row `ends` JUMP) appends the END
 * operation.
 */
bool x86_lower(struct ir_block *ir, const struct insn *in, const struct x86_mode *mode);

/* Builds the table from ISA rows to lowerings; call once before x86_lower (idempotent, not thread-safe). */
void x86_lower_init(void);

#endif
