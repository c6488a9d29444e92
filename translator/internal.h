/* What the translator's files share. */
#ifndef TRANSLATOR_INTERNAL_H
#define TRANSLATOR_INTERNAL_H

#include "backend/x86_64/x64.h"
#include "frontend/x86/code_bytes.h"
#include "frontend/x86/insn.h"
#include "frontend/x86/lower.h"
#include "softmmu/flat.h"
#include "translator/cache.h"
#include "translator/cycles.h"
#include "translator/ir.h"
#include "translator/translator.h"

#define BLOCK_BUCKETS   65536u
#define PAGE_BUCKETS    4096u
#define MODES_MAX       64u
#define MODE_GUESSES    256u
#define MODE_KINDS      64u
#define ADAPTED_ENTRIES 65536u
#define FOUND_ENTRIES   1024u
#define HEAT_ENTRIES    65536u
#define ARENA_BYTES     ((size_t)1 << 30) /* address space; a flush gives it back */
#define NO_LINK         UINT32_MAX
#define NO_PAGE         UINT64_MAX
#define INSN_MAX_BYTES  15u

/*
 * A translated block: guest code inside one page, keyed by its physical address, by what its translation depends on
 * (`mode`), and where CS is not flat also by its EIP. It does not know its linear address. A single instruction that
 * crosses into another page is a block as well, whose code begins by checking where that page is.
 */
struct block {
    phys_addr address;
    phys_addr second_page; /* of the instruction's end; NO_PAGE: all lies in one page */
    uint32_t mode;         /* index into translator.mode */
    uint32_t eip;          /* 0 if CS is flat */
    uint32_t cs_limit;     /* 0 if CS is flat */
    uint32_t span_bytes;
    bool alone; /* with lockstep: one instruction that is not compared */
    bool alive; /* false: a store has hit its bytes */
    bool code16;
    bool plain;    /* its accesses form no groups; for what a page does not serve */
    uint8_t asked; /* what of its mode it would have liked to know (struct ir_block) */
    uint32_t n_insns, n_ops;
    uint32_t number;            /* index into translator.block */
    uint32_t incoming;          /* links that lead here: head of a list through link_next */
    uint8_t *code;              /* writable address; NULL: IR only */
    uint8_t *landing;           /* for computed jumps (backend/x86_64/x64.h); NULL: none */
    struct block *next_landing; /* whose is tried where this one fails; NULL: C code looks */
    uint32_t code_bytes;
    uint8_t *cold; /* the rest of it */
    uint32_t cold_bytes;
    uint32_t first_site, n_sites;
    uint32_t turns;          /* of a loop, one behind the other */
    uint32_t *insn_host;     /* n_insns + 1 offsets into code for each turn */
    struct x64_stack *stack; /* n_insns + 1; NULL: nothing is outstanding anywhere */
    uint16_t *offset;        /* n_insns + 1 offsets in the guest's page */
    struct insn *insn;
    struct ir_op *op; /* -accel ir */
    uint64_t born;    /* by the host's clock (block.c), in cycles, and how long it took to make */
    uint64_t cost;
    struct block *next_in_bucket;
};

struct block_ref {
    struct block *block;
    struct block_ref *next;
};

struct translated_page {
    phys_addr page;
    uint32_t n_alive; /* of its blocks */
    bool is_checked;  /* code_bytes may be in tables (flat_fill_checked()) */
    uint64_t hit_at;  /* when the first store hit one since the last translation; 0: none has */
    struct code_bytes code;
    uint64_t begins[CODE_LINES];             /* bit n of a line: a block has begun at its byte n, if it lives or not */
    struct block_ref *beginning[CODE_LINES]; /* blocks by the line that their first byte of this page is in */
    struct translated_page *next_in_bucket;
};

struct jump_note {
    uint64_t code; /* address of the guest code (flat_code_address()) */
    struct block *block;
    struct block *first; /* whose landing the table has; NULL: none */
};

struct mode_entry {
    uint64_t key;
    struct x86_mode mode;
    const void **jump_table;     /* X64_JUMP_TABLE_ENTRIES */
    struct jump_note *jump_note; /* the same entries for C code */
};

/* Where a link leads, and the next one that leads there. */
struct link_state {
    uint32_t to;   /* number of a block, NO_LINK: to its stub */
    uint32_t next; /* number of a link, NO_LINK: the last */
};

struct translator_counters {
    uint64_t blocks, insns, guest_bytes, host_bytes, translate_cycles;        /* translated */
    uint64_t callouts, callouts_end, misses, links, lookups, entries, faults; /* ways into C code */
    uint64_t killed;                                                          /* by stores */
    uint64_t cold; /* blocks interpreted because they were cold */
    uint64_t flushes;
};

struct translator {
    struct cpu *cpu;
    struct translator_options options;
    struct code_memory memory;
    struct x64_entry entry;
    uint8_t *code_start, *code_at; /* blocks begin behind the trampolines */
    uint8_t *cold_start, *cold_at; /* what of them seldom runs, in the memory's second half: it would fill the cache */
    uint8_t *code_ready, *cold_ready; /* up to there the host has brought the memory in */
    struct mode_entry mode[MODES_MAX];
    uint32_t n_modes, current_mode;
    bool for_computed_jump;           /* what block_at_eip translates begins with a landing */
    const void **no_jumps;            /* a table for computed jumps with nothing in it */
    struct jump_note *jump_notes;     /* all modes' */
    uint8_t mode_guess[MODE_GUESSES]; /* by a hash of the key */
    /* By what kind of mode it is (privilege, real or protected, 16 or 32 bits): what no code of that kind has depended
     * on yet, so that it is translated once for all values of it. */
    struct unasked {
        uint64_t clear, set; /* bits of the key */
        uint64_t since;      /* host_cycles() of the first one of n_asks */
        uint32_t n_asks;     /* lately */
        uint8_t parts;       /* enum x86_mode_part */
    } unasked[MODE_KINDS];

    struct block *bucket[BLOCK_BUCKETS];
    struct translated_page *page_bucket[PAGE_BUCKETS];
    uint8_t *arena; /* blocks and what they point to, until everything is flushed */
    size_t arena_used;
    /* Arrays of n instructions that dead blocks left, each beginning with the address of the next: code that modifies
     * itself would fill the arena with them. */
    struct free_insns {
        struct free_insns *next;
    } * free_insns[IR_MAX_INSNS + 1];
    struct block **block;
    uint32_t n_blocks, blocks_size;
    struct x64_site *site;
    uint32_t n_sites, sites_size;
    struct x64_link *link;
    struct link_state *link_state;
    /* What block_at_eip found, while nothing of it has changed: for code that the jump caches do not serve. */
    struct found {
        lin_addr address;
        uint32_t eip, mode, cs_limit;
        uint64_t mmu_flushes;
        enum mmu_view view;
        struct block *block;
    } found[FOUND_ENTRIES];
    uint32_t n_links, links_size;

    struct ir_block ir; /* scratch of the block being translated */
    struct insn scan[IR_MAX_INSNS];
    uint32_t insn_host[IR_MAX_INSNS + X64_MAX_TURNS];
    struct x64_stack stack[IR_MAX_INSNS + 1];
    struct x64_site new_site[IR_MAX_OPS];
    struct x64_link new_link[X64_MAX_LINKS];
    /* By a hash of the instruction's physical address: what blocks are to expect of its accesses, enum x64_adapt. A
     * collision costs a little speed. In bits 3 to 7 how often in a row pages did not serve it. */
    uint8_t adapted[ADAPTED_ENTRIES];
    uint8_t new_adapted[IR_MAX_INSNS]; /* of the block being translated */
    /* By a hash of a block's physical address: how often it was interpreted for want of a translation since a store
     * hit it, and how much speaks against one, 0 to DOUBT_MAX (block.c). */
    struct heat {
        uint16_t runs, doubt;
    } heat[HEAT_ENTRIES];
    bool interpret_next; /* the code at EIP, though it may have a translation */
    bool is_cold;        /* block_at_eip found nothing because the code is cold */
    bool scan_alone;
    bool plain_next;           /* lockstep: a block without groups comes next */
    struct lockstep *lockstep; /* or NULL */
    struct {                   /* of the host, in translated code */
        const uint8_t *pc;
        uint64_t address; /* from the window's start; may lie beyond it */
        bool is_translation, is_write;
    } fault;
    struct translator_counters count;
    struct cycle_scale created; /* when the translator was */
    uint64_t *callouts_of_row;  /* by ISA row, for `info jit` */
};

/* ---- mode.c ---- */

/* The mode that cpu is in, as an index into t->mode; also makes it the current one. */
uint32_t mode_update(struct translator *t);
/* Before the first mode_update(). */
void modes_create(struct translator *t);
/* The block, which would like to know `asked` parts of its mode, has had to do without. True if that was so often
 * enough: then its mode is another now. What was translated for the old one is not entered again; where it runs it goes
 * on as it is, since it depends on none of them. */
bool mode_ask(struct translator *t, const struct block *block);

static inline bool is_flat_code(const struct x86_mode *mode)
{
    return mode->seg[CS] == SEG_CLASS_FLAT && mode->code32;
}

/* ---- jump.c: tables for computed jumps ---- */

/* After the entry code was emitted. False when memory is short; jumps_destroy() must be called then too. */
bool jumps_create(struct translator *t);
void jumps_destroy(struct translator *t);
/* Nothing is entered in any. */
void jumps_clear(struct translator *t);
/* Computed jumps go through the current mode's table, unless something wants the run loop. */
void jumps_arm(struct translator *t);
/* cpu->eip leads to the block, which is of the current mode. `is_computed`: a computed jump has asked for it, else C
 * code.
 */
void jumps_enter(struct translator *t, struct block *block, bool is_computed);
/* What was entered for cpu->eip, if it still leads there; sets translated.page_eip. Else NULL. */
struct block *jumps_find(struct translator *t);

/* ---- scan.c: what a block contains, and what becomes of each instruction ---- */

/* Popek and Goldberg's classes of an instruction in a mode. */
enum pg_class { PG_INNOCUOUS, PG_PRIVILEGED, PG_CONTROL_SENSITIVE, PG_BEHAVIOUR_SENSITIVE };
enum pg_class scan_classify(const struct isa_row *row, const struct x86_mode *mode);

/* Does the instruction change what translations depend on (struct x86_mode)? No block goes on behind it without a look
 * at that. */
bool scan_changes_mode(const struct isa_row *row);

/* Decodes from `bytes` (the rest of a page), lowers what may pass and redirects the rest, `max_insns` instructions at
 * most. Fills t->scan and t->ir. Returns the number of guest bytes, 0 if not even one instruction fits. `address`: of
 * the first byte. `may_join`: ends before code that has been translated for long. */
uint32_t scan_block(struct translator *t, const struct x86_mode *mode, phys_addr address, const uint8_t *bytes,
                    size_t avail, unsigned max_insns, bool may_join);

/* ---- block.c ---- */

/* The block at cpu->eip, translated if need be; NULL if the instruction there must be interpreted, with t->is_cold set
 * if that is so because translating it does not pay yet. Sets translated.page_eip. Raises #PF. */
struct block *block_at_eip(struct translator *t);
/* The same without groups of accesses. */
struct block *block_at_eip_plain(struct translator *t);
void block_flush_all(struct translator *t);
/* Is there a block for the code at that physical address, as the processor is now? */
bool block_exists(struct translator *t, phys_addr address);
/* Is the code at that physical address part of a block, and does none begin there, as the processor is now? */
bool block_is_inside(struct translator *t, phys_addr address);
/* What is known of the page with code that `address` is in; NULL: it has none. Owned by `t`, until everything is
 * flushed. */
const struct translated_page *block_page(const struct translator *t, phys_addr address);
/* Does a block of the current mode, whose code is flat, begin there that is older than most of the code that runs?
 * `page`: block_page() of it. */
bool block_has_settled(const struct translator *t, const struct translated_page *page, phys_addr address);
/* Counts a run of code at the physical address that has no translation. True while it should be interpreted. */
bool block_is_cold(struct translator *t, phys_addr address);
/* A store has hit code at the physical address that was interpreted. */
void block_cold_code_written(struct translator *t, phys_addr address);
/* A store of any writer hit a page with code. True if the page still holds blocks. */
bool block_code_written(struct translator *t, phys_addr page, unsigned first, unsigned last);
bool block_page_has_code(struct translator *t, phys_addr page);
/* The TLB knows `address`, to which a store missed: if its page holds code translated code is to look itself from now
 * on whether it hits that. */
void block_check_stores(struct translator *t, lin_addr address);
void block_link(struct translator *t, uint32_t link, struct block *to);
/* Has the block a landing, or can it be given one? */
bool block_has_landing(struct translator *t, struct block *block);
/* From now on blocks expect that of the instruction; this one dies. */
void block_adapt(struct translator *t, struct block *block, unsigned insn, enum x64_adapt adapt);
/* Notes whether a page served the instruction as its translation expects. False if so many did not that it should
 * adapt. */
bool block_served(struct translator *t, struct block *block, unsigned insn, bool served);
/* The block is translated anew when it is wanted next. */
void block_retranslate(struct translator *t, struct block *block);

/* ---- fault.c ---- */

/* Has SIGSEGV come to this file, from whoever has it now. False if the host refuses. */
bool faults_install(void);
/* Faults of this thread in `t`'s code are accesses of the guest, until faults_forget(). */
void faults_expect(struct translator *t);
void faults_forget(const struct translator *t);
/* Accesses of this thread through GS go to the window. */
void faults_use_window(const struct window *window);
/* The block that t->fault.pc is in, and the guest instruction. */
struct block *faults_find(const struct translator *t, unsigned *insn);

/* ---- run.c ---- */

/* Runs the block at cpu->eip, and what it is chained to. */
void engine_enter(struct translator *t, struct block *block);

/* ---- lockstep.c: NULL in t->lockstep turns it off ---- */

bool lockstep_create(struct translator *t);
void lockstep_destroy(struct translator *t);
void lockstep_run(struct cpu *cpu); /* the engine's run */
void lockstep_print(const struct translator *t, FILE *out);
/* Does a block end before the instruction whose bytes are there? */
bool lockstep_cuts_before(const struct translator *t, const uint8_t *code);
/* Must this instruction, whose last operation is `last`, be a block of its own, which is not compared? */
bool lockstep_must_be_alone(const struct translator *t, const struct ir_op *last, const struct insn *in,
                            const struct x86_mode *mode);
/* The engine has entered the page of `address` into its tables for writing. */
void lockstep_entered(struct translator *t, lin_addr address);

#endif
