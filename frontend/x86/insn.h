/* A decoded instruction, as the decoder leaves it and the interpreter runs it. */
#ifndef FRONTEND_X86_INSN_H
#define FRONTEND_X86_INSN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "frontend/x86/isa.h"

struct cpu;
struct insn;

typedef void interp_fn(struct cpu *cpu, const struct insn *in);

enum interp_width { WIDTH_8, WIDTH_16, WIDTH_32, WIDTHS };
enum interp_form { FORM_REG, FORM_MEM, FORMS }; /* mod == 3 or not; FORM_REG too when there is no ModRM */

/* Every handler of a family, indexed by operation width and operand form. Entries that cannot occur are NULL. */
struct interp_handlers {
    interp_fn *fn[WIDTHS][FORMS];
};

enum insn_rep { REP_NONE, REP_REPNE, REP_REP }; /* F2, F3; only set where the row says REP_OK (else ignored) */

struct insn {
    interp_fn *fn;
    uint32_t disp;      /* sign-extended displacement; moffs; 0 */
    uint32_t imm;       /* immediate, sign-extended where the letters say so; relative branch distance; far offset */
    uint32_t addr_mask; /* ffffffff or ffff: 16-bit addressing wraps */
    uint16_t row;       /* index into isa_table, or ISA_ROW_UD */
    uint16_t offset;    /* bytes from the first instruction of the block */
    uint16_t imm2;      /* ENTER's nesting level, far pointer's selector */
    uint8_t len;        /* bytes, 1..15 */
    uint8_t width;      /* enum interp_width of the operation: byte forms 8, else the operand size */
    uint8_t opsize32;   /* operand size is 32 (even in byte forms): stack and EIP width */
    uint8_t reg;        /* ModRM.reg; PLUS_R: the opcode's register (Z operands use it) */
    uint8_t rm;         /* ModRM.rm when mod is 3; E operands that are implied (AL, eAX) are encoded as mod 3, rm 0 */
    uint8_t is_mem;     /* mod != 3 */
    uint8_t seg;        /* effective segment: override, or SS/DS by base; for X operands too */
    uint8_t base, index, scale; /* enum gpr, GPR_NONE where absent */
    uint8_t rep;        /* enum insn_rep */
    uint8_t has_lock;
    uint8_t modrm;      /* the byte itself, for x87 FOP and the lens */
    uint8_t opcode;     /* last opcode byte: condition code in its low bits; x87: D8..DF */
};

#define ISA_ROW_UD 0xffff /* no such instruction: fn raises #UD */

enum decode_result {
    DECODE_OK,        /* *out is complete; also for #UD, whose row is ISA_ROW_UD */
    DECODE_MORE,      /* needs bytes beyond `avail` */
    DECODE_TOO_LONG,  /* more than 15 bytes: #GP(0) */
};

/*
 * Decodes one instruction at `bytes` for a code segment of the given default size, on a CPU with `features` (bit n = enum
 * isa_feature n). Reads at most `avail` bytes. Sets out->fn from the row's table. Mode-dependent validity (PM_ONLY) is the
 * handler's; everything static (LOCK without LOCK_OK or without a memory destination, register forms of memory-only
 * operands, absent features) becomes #UD here. out->offset is left 0.
 */
enum decode_result decode_insn(struct insn *out, const uint8_t *bytes, size_t avail, bool code32, uint32_t features);

/* Builds the lookup tables from isa_table; call once before decode_insn (idempotent, not thread-safe). */
void decode_init(void);

#endif
