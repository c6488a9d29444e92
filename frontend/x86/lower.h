/*
 * From decoded instructions to IR. The translator scans a block, decides for each instruction whether it may pass or is
 * redirected (translator/redirect.h), and calls x86_lower for those that pass.
 */
#ifndef FRONTEND_X86_LOWER_H
#define FRONTEND_X86_LOWER_H

#include "frontend/x86/cpu.h"
#include "frontend/x86/insn.h"
#include "translator/ir.h"

/* Parts of a mode that most code does not depend on. */
enum x86_mode_part {
    X86_MODE_FS = 1 << 0, /* the segments' classes */
    X86_MODE_GS = 1 << 1,
    X86_MODE_X87 = 1 << 2, /* x87_native, sse_native */
    X86_MODE_SSE = 1 << 3,
};
#define X86_MODE_PARTS 4u

/* What the translation of an instruction depends on beside its bytes. */
struct x86_mode {
    bool code32, stack32;
    bool protected_mode, v86;
    uint8_t cpl, iopl;
    uint8_t seg[6]; /* enum x86_seg_class (cpu.h), by enum sreg */
    bool forward;   /* DF is clear */
    bool windowed;  /* accesses through flat segments are the host MMU's (softmmu/window.h) */
    bool
        x87_native; /* x87 and MMX may run on the host's unit: CR0.EM, TS clear, every exception masked, none pending */
    bool sse_native; /* the same for SSE: CR0.EM, TS clear, CR4.OSFXSR set, MXCSR masks everything */
    uint8_t unasked; /* enum x86_mode_part: may be anything in this mode, and are SEG_CLASS_OTHER and false here */
};

/*
 * Appends the operations of instruction `in`, whose number in the block is ir->n_insns (the caller has set
 * ir->offset[n_insns] and adds the instruction afterwards). False if it has no lowering in this mode: nothing was
 * appended, the caller emits a callout; what it would have had to know of the mode's `unasked` parts is added to
 * ir->asked. An instruction that ends a block (isa row `ends` JUMP) appends the END operation. Behind CLD or STD, where
 * that appended something, the mode is another.
 */
bool x86_lower(struct ir_block *ir, const struct insn *in, const struct x86_mode *mode);

/*
 * The same for sensitive instructions, as inline emulation on the virtual processor's state. One that ends a block in
 * the interpreter may not do so here: it then changes nothing that translations depend on.
 */
bool x86_redirect_inline(struct ir_block *ir, const struct insn *in, const struct x86_mode *mode);
/* Does the instruction hold interrupts back until the next one is done (MOV SS, POP SS, STI)? Inline, that one must
 * stand in the same block, where nothing looks for interrupts before it has been executed. */
bool x86_holds_back(const struct insn *in);

/* EFLAGS bits beside OSZAPC that POPF loads, and IRET in real and virtual-8086 mode; where V86 mode's IOPL is below 3
 * neither is inline. */
static inline uint32_t x86_popf_flags(bool protected_mode, bool v86, unsigned cpl, unsigned iopl, unsigned width)
{
    uint32_t flags = EFLAGS_TF | EFLAGS_DF | EFLAGS_NT | (width == 4 ? EFLAGS_AC | EFLAGS_ID : 0);

    if (!protected_mode || cpl <= iopl)
        flags |= EFLAGS_IF;
    return v86 || cpl != 0 ? flags : flags | EFLAGS_IOPL;
}

/* Builds the table from ISA rows to lowerings; call once before x86_lower (idempotent, not thread-safe). */
void x86_lower_init(void);

#endif
