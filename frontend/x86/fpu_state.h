/* x87, MMX and SSE register state as FXSAVE shows it. SDM vol. 1, "Programming with the x87 FPU". */
#ifndef FRONTEND_X86_FPU_STATE_H
#define FRONTEND_X86_FPU_STATE_H

#include <stdbool.h>
#include <stdint.h>

struct f80 { /* double extended precision; MMX register = mantissa of the physical register, exponent all ones */
    uint64_t mantissa;
    uint16_t sign_exponent;
};

union xmm {
    uint8_t b[16];
    uint16_t w[8];
    uint32_t d[4];
    uint64_t q[2];
    float s[4];
    double f[2];
};

/* The host's x87 as we left it. Its exception flags are always a subset of the guest's, see fpu_host.c. */
struct fpu_host {
    /* A memory operand on its way to the host instruction. Not a local of the handler, which then could not end in a
     * jump to the next one. */
    union {
        uint16_t u16;
        uint32_t u32;
        uint64_t u64;
    } operand;
    uint16_t control;  /* what it holds; 0 (no such control word): unknown, load it and clear the flags */
    uint8_t save[108]; /* its FNSAVE image after an operation raised an unmasked exception */
};

struct fpu {
    struct f80 reg[8]; /* physical R0..R7; ST(i) is reg[(top + i) & 7] */
    uint16_t control;  /* CW; bit 6 is always 1 */
    uint16_t status;   /* SW without TOP, which is `top` */
    uint8_t top;
    uint8_t empty;   /* bit i: physical register i is empty */
    uint16_t opcode; /* FOP, 11 bits */
    uint32_t ip_offset, dp_offset;
    uint16_t ip_selector, dp_selector;
    uint32_t mxcsr;
    struct fpu_host host;
    bool ferr; /* FERR# is asserted */
    _Alignas(16) union xmm xmm[8];
};

#endif
