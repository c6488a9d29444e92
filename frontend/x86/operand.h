/*
 * Operand letters of the ISA table, as in SDM vol. 2 appendix "Key to Abbreviations".
 *
 * First letter: where the operand is. E = ModRM general register or memory, G = reg field, I = immediate, J = relative
 * branch, M = memory only, R = register only (mod 3), A = far pointer in the instruction, O = moffs, X = DS:eSI,
 * Y = ES:eDI, S = segment register in reg, C/D = control/debug register in reg, Z = register in the opcode,
 * P = MMX reg field, Q = MMX register or memory, N = MMX register in rm, V = XMM reg field, W = XMM register or memory,
 * U = XMM register in rm, F = EFLAGS.
 * Second: how wide. b 8, w 16, d 32, v operand size, z operand size, q 64, dq 128, p far pointer, s pseudo-descriptor.
 */
#ifndef FRONTEND_X86_OPERAND_H
#define FRONTEND_X86_OPERAND_H

/* OPERAND(letters, where, width): width in bytes, 0 = operand size, 255 = no single width (see the row) */
#define OPERAND_LIST(OPERAND)                                                                                          \
    OPERAND(NO, NONE, 0)                                                                                               \
    OPERAND(Eb, E, 1) OPERAND(Ew, E, 2) OPERAND(Ed, E, 4) OPERAND(Ev, E, 0)                                            \
    OPERAND(Rw, R, 2) OPERAND(Rd, R, 4) OPERAND(Rv, R, 0)                                                              \
    OPERAND(Gb, G, 1) OPERAND(Gw, G, 2) OPERAND(Gd, G, 4) OPERAND(Gv, G, 0)                                            \
    OPERAND(Zb, Z, 1) OPERAND(Zv, Z, 0)                                                                                \
    OPERAND(Ib, I, 1)   /* zero-extended byte */                                                                       \
    OPERAND(Ibs, I, 1)  /* byte, sign-extended to the operand size */                                                  \
    OPERAND(Iw, I, 2) OPERAND(Iz, I, 0)                                                                                \
    OPERAND(I1, CONST, 1) /* the constant 1 of shifts */                                                               \
    OPERAND(Jb, J, 1) OPERAND(Jz, J, 0)                                                                                \
    OPERAND(Ap, A, 255) OPERAND(Ob, O, 1) OPERAND(Ov, O, 0)                                                            \
    OPERAND(Mb, M, 1) OPERAND(Mw, M, 2) OPERAND(Md, M, 4) OPERAND(Mq, M, 8) OPERAND(Mdq, M, 16)                        \
    OPERAND(Mt, M, 10)  /* 80-bit real or packed BCD */                                                                \
    OPERAND(Mv, M, 0) OPERAND(Mp, M, 255) /* far pointer: offset of operand size, then selector */                     \
    OPERAND(Ma, M, 255) /* BOUND: two of operand size */                                                               \
    OPERAND(Ms, M, 255) /* pseudo-descriptor, 6 bytes */                                                               \
    OPERAND(M, M, 255)  /* address only, or a save area */                                                             \
    OPERAND(Xb, X, 1) OPERAND(Xv, X, 0) OPERAND(Yb, Y, 1) OPERAND(Yv, Y, 0)                                            \
    OPERAND(Sw, S, 2) OPERAND(Cd, C, 4) OPERAND(Dd, D, 4)                                                              \
    OPERAND(AL, AL, 1) OPERAND(AH, AH, 1) OPERAND(AX, AX, 2) OPERAND(eAX, AX, 0) OPERAND(CL, CL, 1)                    \
    OPERAND(DX, DX, 2)                                                                                                 \
    OPERAND(sES, SEG, 2) OPERAND(sCS, SEG, 2) OPERAND(sSS, SEG, 2) OPERAND(sDS, SEG, 2) OPERAND(sFS, SEG, 2)           \
    OPERAND(sGS, SEG, 2)                                                                                               \
    OPERAND(ST0, ST0, 10) OPERAND(STi, STI, 10)                                                                        \
    OPERAND(Pd, P, 4) OPERAND(Pq, P, 8) OPERAND(Qd, Q, 4) OPERAND(Qq, Q, 8) OPERAND(Nq, N, 8)                          \
    OPERAND(Vss, V, 4) OPERAND(Vsd, V, 8) OPERAND(Vd, V, 4) OPERAND(Vq, V, 8) OPERAND(Vdq, V, 16)                      \
    OPERAND(Wss, W, 4) OPERAND(Wsd, W, 8) OPERAND(Wd, W, 4) OPERAND(Wq, W, 8) OPERAND(Wdq, W, 16)                      \
    OPERAND(Uq, U, 8) OPERAND(Udq, U, 16) OPERAND(Fv, F, 0)

enum operand_letter {
#define OPERAND(letters, where, width) OPERAND_##letters,
    OPERAND_LIST(OPERAND)
#undef OPERAND
    OPERAND_LETTERS
};

#endif
