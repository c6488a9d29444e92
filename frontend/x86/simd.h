/*
 * MMX and SSE on the host's own SSE2 unit: what the rest of the emulator needs to know. Handlers: interp_simd.h.
 *
 * MXCSR: while guest code runs, the host's MXCSR holds the guest's DAZ, FTZ and rounding bits with every exception
 * masked, and collects the guest's sticky flags. cpu->fpu.mxcsr has the rest and lags behind in the flags until
 * simd_fold_mxcsr(). C code that runs between simd_enter and simd_leave must not compute with SSE floating point, or
 * save and restore MXCSR around it.
 *
 * A portable implementation replaces simd.c and the host instructions in interp_simd.h and keeps these promises.
 */
#ifndef FRONTEND_X86_SIMD_H
#define FRONTEND_X86_SIMD_H

#include "frontend/x86/cpu.h"

/* SDM vol. 1 "MXCSR Control and Status Register" */
enum mxcsr_bit {
    MXCSR_IE = 1 << 0, /* invalid operation */
    MXCSR_DE = 1 << 1, /* denormal operand */
    MXCSR_ZE = 1 << 2, /* division by zero */
    MXCSR_OE = 1 << 3, /* overflow */
    MXCSR_UE = 1 << 4, /* underflow */
    MXCSR_PE = 1 << 5, /* inexact */
    MXCSR_FLAGS = 0x3f,
    MXCSR_DAZ = 1 << 6,
    MXCSR_MASKS = 0x1f80, /* one per flag, MXCSR_MASK_SHIFT above it */
    MXCSR_RC = 3 << 13,
    MXCSR_FTZ = 1 << 15,
    MXCSR_WRITABLE = 0xffff, /* MXCSR_MASK of FXSAVE; the other bits are reserved: #GP(0) */
    MXCSR_RESET = 0x1f80,
};
#define MXCSR_MASK_SHIFT 7

/* Puts the guest's MXCSR into the host: before guest code runs. */
void simd_enter(struct cpu *cpu);
/* Folds the flags and gives the host its default MXCSR back: after guest code ran. */
void simd_leave(struct cpu *cpu);
/* Brings cpu->fpu.mxcsr up to date, before it is read while guest code runs: STMXCSR, FXSAVE, register dumps. */
void simd_fold_mxcsr(struct cpu *cpu);
/* cpu->fpu.mxcsr was replaced while guest code runs (LDMXCSR, FXRSTOR, reset): the host follows, and flags not yet
 * folded are dropped. */
void simd_load_mxcsr(struct cpu *cpu);

#endif
