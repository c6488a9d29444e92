/*
 * The ISA table: one row per instruction form, read by decoder, interpreter, tests, trace and (later) translator.
 *
 * isa.def is a list of INSN(...) rows; define INSN before including it. Columns:
 *
 *   INSN(map, opcode, prefix, modrm, NAME, operands, reads, writes, undef, ends, checks, sensitive, feature, handler, source)
 *
 *   map        1B (one byte), 0F, 0F38, 0F3A
 *   opcode     hex; with PLUS_R the first of eight (the low three bits are operand Z)
 *   prefix     ANY  66, F2, F3 are ordinary prefixes (66 chooses the operand size)
 *              NP   only without 66, F2, F3;  P66, PF2, PF3: mandatory prefix (F2/F3 win over 66)
 *              Rows that share an opcode are either all ANY or all of the mandatory kinds.
 *   modrm      NO_MODRM, PLUS_R, RM (any), RM_MEM, RM_REG, EXT(n) (reg field = n), EXT_MEM(n), EXT_REG(n),
 *              MODRM(0xd9) exact byte. The most specific row wins.
 *   operands   O0, O1(a), O2(a,b), O3(a,b,c), destination first; letters in operand.h
 *   reads      flags that influence the result or the flow:  F_O|F_S|F_Z|F_A|F_P|F_C|F_D|F_I..., or NONE
 *   writes     flags that are always or sometimes given a defined value
 *   undef      flags that are (or, for counts, may be) undefined afterwards
 *   ends       NEXT    falls through and leaves decoding assumptions alone
 *              JUMP    sets EIP and nothing else (direct, conditional, indirect, near return)
 *              STATE   may change mode, privilege, paging, segments that matter to decoding, or IF; block stops after it
 *              HALT    stops the processor until an event
 *   checks     what is tested before operands are touched, an OR of enum insn_checks
 *   sensitive  NO, CONTROL (changes or needs resource state), BEHAVIOUR (result depends on where it runs); Popek-Goldberg
 *   feature    CPUID feature the model must have, enum isa_feature; else the opcode is #UD
 *   handler    suffix of the interpreter's table: interp_##handler (struct interp_handlers)
 *   source     volume and title in the SDM: "2A ADD"
 */
#ifndef FRONTEND_X86_ISA_H
#define FRONTEND_X86_ISA_H

#include <stdbool.h>
#include <stdint.h>

#include "frontend/x86/operand.h"

enum isa_map { MAP_1B, MAP_0F, MAP_0F38, MAP_0F3A };

enum isa_prefix { PREFIX_ANY, PREFIX_NP, PREFIX_P66, PREFIX_PF3, PREFIX_PF2 };

/* modrm column: kind in the high byte, value in the low one */
enum isa_modrm_kind { MODRM_NONE, MODRM_PLUS_R, MODRM_RM, MODRM_RM_MEM, MODRM_RM_REG, MODRM_EXT, MODRM_EXT_MEM,
                      MODRM_EXT_REG, MODRM_EXACT };

enum isa_flag { /* for reads, writes, undef: the EFLAGS bits themselves, so a column is an EFLAGS mask */
    NONE = 0,
    F_C = 1 << 0, F_P = 1 << 2, F_A = 1 << 4, F_Z = 1 << 6, F_S = 1 << 7, F_T = 1 << 8, F_I = 1 << 9, F_D = 1 << 10,
    F_O = 1 << 11,
    OSZAPC = F_O | F_S | F_Z | F_A | F_P | F_C,
    OSZPC = F_O | F_S | F_Z | F_P | F_C,
    OSZAP = F_O | F_S | F_Z | F_A | F_P,
    F_ALL = 0x3f7fd7,
};

enum isa_ends { ENDS_NEXT, ENDS_JUMP, ENDS_STATE, ENDS_HALT };

enum insn_checks {
    CHK_NONE = 0,
    LOCK_OK = 1 << 0,   /* LOCK allowed with a memory destination; everywhere else LOCK is #UD */
    CPL0 = 1 << 1,      /* #GP(0) unless CPL is 0 (so always in V86) */
    IOPL_IF = 1 << 2,   /* CLI, STI: CPL <= IOPL, or VME/PVI */
    IOPL_IO = 1 << 3,   /* IN, OUT, INS, OUTS: CPL <= IOPL or the I/O permission map */
    V86_IOPL = 1 << 4,  /* PUSHF, POPF, INT n, IRET: #GP(0) in V86 when IOPL < 3 (VME changes some) */
    PM_ONLY = 1 << 5,   /* #UD in real and V86 mode */
    FPU_NM = 1 << 6,    /* #NM if CR0.EM or CR0.TS (x87) */
    FPU_MF = 1 << 7,    /* waiting instruction: pending unmasked x87 exception is raised first */
    WAIT_NM = 1 << 8,   /* FWAIT: #NM if CR0.MP and CR0.TS */
    MMX_NM = 1 << 9,    /* #UD if CR0.EM, #NM if CR0.TS, then pending #MF */
    SSE_NM = 1 << 10,   /* #UD if CR0.EM or !CR4.OSFXSR, then #NM if CR0.TS */
    ALIGN16 = 1 << 11,  /* #GP(0) if the memory operand is not 16-byte aligned */
    REP_OK = 1 << 12,   /* F2/F3 repeat it (string instructions) */
};

enum isa_sensitive { SENSITIVE_NO, SENSITIVE_CONTROL, SENSITIVE_BEHAVIOUR };

enum isa_feature {
    FEAT_BASE,    /* 386 */
    FEAT_X87,
    FEAT_486,     /* CMPXCHG, XADD, BSWAP, INVLPG, WBINVD, INVD */
    FEAT_TSC, FEAT_MSR, FEAT_CX8, FEAT_SEP, FEAT_CMOV, FEAT_MMX, FEAT_FXSR, FEAT_SSE, FEAT_SSE2, FEAT_CLFLUSH,
    FEAT_PMC,     /* RDPMC */
    FEAT_NOPL,    /* 0F 1F and the hint NOPs, family 6 on */
    FEAT_POPCNT,
    FEAT_CPUID,   /* 586 and late 486 */
    FEAT_RSM,     /* SMM */
    FEAT_COUNT
};

struct interp_handlers;

struct isa_row {
    uint8_t map, opcode, prefix, modrm_kind, modrm_value;
    uint8_t n_operands;
    uint8_t operand[4];  /* enum operand_letter */
    uint8_t ends, sensitive, feature;
    uint16_t checks;
    uint32_t flags_read, flags_written, flags_undefined;
    const char *name;    /* "ADD" */
    const struct interp_handlers *handlers;
    const char *source;  /* "2A ADD" */
};

extern const struct isa_row isa_table[];
extern const unsigned isa_rows;

static inline bool isa_feature_has(uint32_t features, unsigned feature)
{
    return features >> feature & 1;
}

#endif
