/*
 * The x86-64 backend: host code for IR blocks, and the ways into and out of it.
 *
 * Code is written through one mapping and executed through another (translator/cache.h); all addresses here are of the
 * writable mapping unless they are called `exec`. Code refers to itself by relative displacements only.
 */
#ifndef BACKEND_X86_64_X64_H
#define BACKEND_X86_64_X64_H

#include <stddef.h>
#include <string.h>

#include "frontend/x86/cpu.h"
#include "frontend/x86/insn.h"
#include "frontend/x86/lower.h"
#include "translator/ir.h"

/* NULL if this host can run translated code, else the feature it lacks. */
const char *x64_missing_feature(void);

/* The trampolines. */
struct x64_entry {
    uint8_t *slow;   /* called with a site number behind the call: cpu->translated.slow decides where to go on */
    uint8_t *link;   /* the same with a link number */
    uint8_t *lookup; /* EDX: EIP to go on at */
    uint8_t *load_sse, *load_x87; /* called: bring the guest's registers into the host's */
    uint8_t *settle_x87;          /* called: x64_settle_x87_pointers(). Spoils RCX and RDX */
    uint8_t *tsc;                 /* called: the time-stamp counter to the guest's EDX:EAX. Spoils RAX, RCX and RDX */
    /* Called, by enum interp_width: RCX is 0 if the interpreter is to go on with it (entry_string.c). The first two by
     * DF first, the others by REPNE, REPE. */
    uint8_t *rep_movs[2][3], *rep_stos[2][3], *rep_cmps[2][3], *rep_scas[2][3];
    /* Called: may a store of 1, 2, 4 or 8 bytes to the linear address EDX, which is aligned (the second half asks for
     * that), go to its page though that holds code? RCX: the addend if it hits none, else 0. The rest is as before. */
    uint8_t *check_store[2][4];
    uint8_t *fault; /* a signal handler continues here: cpu->translated.fault decides where to go on */
    uint8_t *leave; /* EDX: EIP; back to the run loop */
    uint8_t *done;  /* all state is in struct cpu: back to the run loop */
    uint8_t *enter; /* C function: void (struct cpu *, const void *exec_code) */
};
/* Writes them at `code`; returns the first byte behind them. */
uint8_t *x64_emit_entry(uint8_t *code, struct x64_entry *out);
/* Its part for repeated strings. */
uint8_t *x64_emit_strings(uint8_t *code, struct x64_entry *out);
#define X64_ENTRY_BYTES 16384u

/* Where C code continues a block, or leaves it: what cpu->translated.slow and friends find behind a call. A WINDOW is
 * an access that the host's MMU translates: cpu->translated.fault finds it by the faulting instruction's address. */
enum x64_site_kind {
    X64_SITE_MAP,
    X64_SITE_GROUP,
    X64_SITE_PLAIN, /* a group reaches beyond its page: on in a block without groups */
    X64_SITE_WINDOW,
    X64_SITE_CALLOUT,
    X64_SITE_CALLOUT_END,
};
struct x64_site {
    uint32_t block; /* number that the translator gave */
    uint8_t kind, insn;
    uint8_t width; /* MAP */
    uint8_t is_write;
    bool is_aligned;      /* MAP: of 16 bytes that must be aligned */
    bool may_relax;       /* MAP: may be emitted anew to expect no alignment */
    bool expects_aligned; /* MAP: as most are */
    uint8_t address;      /* MAP: enum gpr that holds the linear address, or GPR_NONE: translated.address */
    bool writes_later;    /* GROUP: some access of the group is a write */
    bool is_hoisted;      /* GROUP: looked up before a loop, where it must not fault */
    uint8_t leader;       /* GROUP: instruction that adapts if pages do not serve it */
    uint8_t offset;       /* GROUP: distance of this access from translated.address */
    bool crosses;         /* host addresses of groups are wanted behind the instruction */
    /* The x87 instructions before this one whose FIP and FDP are not in memory yet, counted from 1; 0: none. */
    uint8_t x87_insn, x87_data;
    uint8_t x87_of_turn; /* those of them that are a loop's last turn's: X64_X87_LAST, X64_X87_DATA */
    uint32_t x87_moved;  /* to be added to the address of x87_data's operand */
};
enum { X64_X87_LAST = 1, X64_X87_DATA = 2 };

/* What is outstanding of changes of ESP (select_stack.c). */
struct x64_stack {
    int16_t plus;  /* ESP is its host register plus this */
    int32_t moved; /* ESP has changed by that since its ADD or SUB that the flags come from */
    uint8_t flags; /* number of that instruction, plus 1, if the host does not have the flags; 0: it has */
};

/* A jump with a constant target. It leads to its stub until it is linked. */
struct x64_link {
    uint8_t *field; /* 32-bit displacement */
    uint8_t *stub;
    uint8_t *expected; /* cross-page: immediate, 1 minus the code address that it was linked for (softmmu/flat.h) */
    uint32_t target;   /* offset from the page's first byte */
    uint32_t block;
    bool plain;      /* to a block without groups */
    bool is_near;    /* `expected` has 32 bits, else 64 */
    bool to_landing; /* EDX is EIP; leads to a landing, not to the code behind it */
};

enum x64_adapt {
    X64_ADAPT_NOTHING,
    X64_ADAPT_UNALIGNED = 1, /* its accesses are not aligned */
    X64_ADAPT_UNGROUPED = 2, /* its page does not serve groups */
    X64_ADAPT_TABLES = 4,    /* no window has its page */
};

struct x64_job {
    const struct ir_block *ir;
    const struct x86_mode *mode;
    const struct x64_entry *entry;
    bool flat_code;       /* CS is flat: EIP is the linear address */
    uint32_t page_eip;    /* not flat_code: EIP of the page's first byte */
    bool code_is_near;    /* flat_code_is_near() */
    uint64_t second_page; /* code address of the page that the last instruction ends in; 0: the block's own */
    uint8_t *code, *limit;
    uint8_t *cold;  /* in and out: where that goes which seldom runs, X64_COLD_BYTES at most. NULL: behind the rest */
    uint32_t block; /* its number, for sites and links */
    uint32_t first_site, first_link; /* numbers of the first of each */
    const struct insn *insn;         /* the guest instructions */
    const uint8_t *adapted;          /* NULL: none. By guest instruction: what experience says of it, enum x64_adapt */
    bool plain;                      /* no accesses share a look-up */
    bool may_loop;                   /* a block may jump to its own start without being linked */
    bool counts;                     /* each guest instruction adds 1 to translated.counted when it begins */
    /* In: so many turns of a loop may stand one behind the other, X64_MAX_TURNS at most. Out: so many do, alike in all
     * that C code sees. */
    unsigned turns;
    /* out */
    struct x64_site *site; /* room for IR_MAX_OPS */
    struct x64_link *link; /* room for X64_MAX_LINKS */
    uint32_t n_sites, n_links;
    struct x64_stack *stack; /* at the start of each guest instruction; n_insns + 1. NULL: nothing is outstanding */
    uint32_t *insn_host;     /* offset in the code of each guest instruction; n_insns + 1 for each turn */
};
#define X64_MAX_LINKS  (IR_MAX_OPS + 8u) /* a MAP may have one, beside the ways out */
#define X64_MAX_TURNS  8u
#define X64_COLD_BYTES (64u << 10)
/* Emits the block. Returns the first byte behind it, or NULL if there was no room or an operation is unknown. */
uint8_t *x64_select(struct x64_job *job);

/* Leads the jump to `code`; across pages, while the linear page leads to the guest code at code address `guest`. False
 * if the jump cannot tell that. Only while no translated code runs. */
bool x64_link_jump(struct x64_link *link, const uint8_t *code, uint64_t guest);
/* Leads it to its stub again. */
void x64_unlink_jump(struct x64_link *link);

/*
 * Computed jumps go through a table of host addresses, indexed by a hash of EIP, without asking what they find there:
 * it is the landing in front of a block, which asks whether EIP leads to the guest code that the block was made from.
 * The landing is entered with EIP in EDX; where nothing is entered the table has the trampoline `lookup`. Where the
 * guest code is another, a landing leads to the next one, if it has one, else to that trampoline.
 */
#define X64_JUMP_TABLE_ENTRIES 65536u
static inline unsigned x64_jump_table_index(uint32_t eip)
{
    return (uint16_t)(eip + (eip >> 12));
}

struct x64_landing {
    const struct x64_entry *entry;
    uint64_t guest;         /* code address of the block's guest code */
    bool flat_code;         /* CS is flat */
    uint32_t offset;        /* of its first instruction in the page */
    uint32_t eip, cs_limit; /* not flat_code: of the block */
};
/* Writes one at `code`; the block's code, or a jump there, is to follow. Returns its first byte, and where the landing
 * is entered. */
uint8_t *x64_emit_landing(uint8_t *code, const struct x64_landing *landing, uint8_t **entry);
#define X64_LANDING_BYTES 128u /* none is longer, with a jump */
uint8_t *x64_emit_jump(uint8_t *code, const uint8_t *to);

/* Where `landing` does not lead to its block it leads to `next`, a landing or the trampoline `lookup`. */
void x64_chain_landing(uint8_t *landing, const uint8_t *next);
/* The block behind the landing is dead: whoever still comes here goes on to the next. */
void x64_retire(uint8_t *landing);

/* The last x87 instruction was `in`, at `offset` in the running block's page; the last with an operand in memory `data`
 * (NULL: as is known already), whose address is computed from the registers as they are, and `moved` added. */
void x64_note_x87(struct cpu *cpu, const struct insn *in, uint32_t offset, const struct insn *data, uint32_t moved);
/* What is outstanding of ESP and the flags to struct cpu. `insn`: the block's. */
void x64_settle_stack(struct cpu *cpu, const struct x64_stack *stack, const struct insn *insn);
/* FIP, FDP and their selectors to struct cpu, from what blocks have noted. Before a segment register may change. */
void x64_settle_x87_pointers(struct cpu *cpu);
/* The guest's x87 into the host's, and back. In between the host's is the guest's, FIP and the like excepted. */
void x64_load_x87(struct cpu *cpu);
void x64_store_x87(struct cpu *cpu);
/* translated.x87_note: bits 0..10 are FOP, 16.. the instruction's offset from x87_page. */
#define X64_X87_NOTED 0x800u
#define X64_X87_NOTE(offset, opcode, modrm)                                                                            \
    ((uint32_t)(offset) << 16 | X64_X87_NOTED | ((opcode)&7u) << 8 | (uint32_t)(modrm))

/* cpu->translated.flags from the CPU's flags, and back. */
void x64_flags_out(struct cpu *cpu);
void x64_flags_in(struct cpu *cpu);

#endif
