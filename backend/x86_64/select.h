/* What the parts of instruction selection share. */
#ifndef BACKEND_X86_64_SELECT_H
#define BACKEND_X86_64_SELECT_H

#include "backend/x86_64/plan.h"
#include "backend/x86_64/survey.h"
#include "backend/x86_64/x64.h"

#define SELECT_MAX_ISLANDS 16u

/* The x87 instructions whose FIP and FOP, and whose FDP, memory does not have yet. */
struct x87_notes {
    const struct ir_op *last; /* the UNIT; NULL: memory has all */
    const struct ir_op *data; /* the MAP of the operand; NULL: memory has FDP */
    uint32_t moved;           /* to be added to what its registers make by now */
};

/* Changes of ESP that are outstanding. */
struct stack_notes {
    int32_t plus;              /* the guest's ESP is its host register plus this */
    const struct ir_op *flags; /* the ADD or SUB of ESP that the guest's flags come from; NULL: the host has them */
    int32_t moved;             /* what has been added to ESP since */
};

/* Out-of-line code that a JRCXZ leads to. */
struct island {
    uint8_t *field; /* displacement of the JRCXZ, later of the jump that it leads to */
    struct x64_site site;
    enum island_kind {
        ISLAND_SLOW,  /* call the slow trampoline for `site` */
        ISLAND_STORE, /* call `load` (x64_entry.check_store), the address in stop_reg; the same if that finds nothing */
        ISLAND_GROUP, /* the same for a group, whose lowest byte's address is in stop_reg */
        ISLAND_BRANCH, /* leave the block: at page EIP + target on condition `stop_reg`, else behind the instruction */
        ISLAND_STOP,   /* leave the block: at stop_reg, or at page EIP + target */
        ISLAND_LOAD,   /* call `load` and resume */
    } kind;
    uint8_t stop_reg;
    uint32_t target;
    const uint8_t *load, *resume;
    struct x87_notes x87;     /* BRANCH: what is outstanding */
    uint8_t span;             /* GROUP: from that address to the group's end, in bytes */
    struct stack_notes stack; /* GROUP: what is outstanding */
};

struct select {
    struct x64_job *job;
    struct emit e;
    struct rm map;                 /* IR_MEM */
    const struct ir_op *map_op;    /* the last MAP */
    bool sse_known, x87_known;     /* in this block the registers are in the host's */
    struct x87_notes x87, carried; /* carried: from turn to turn of a loop */
    uint32_t x87_moves;            /* what is added to x87.moved when the instruction is done */
    /* A loop's notes may stay outstanding from one turn to the next, if nothing that comes before this turn's own would
     * have to store them. */
    struct {
        bool in_loop, had_note, had_data;
        bool is_barred;
        uint8_t data_insn; /* had_data: of the first operand in memory */
    } x87_turn;
    /* Side exits with notes outstanding. */
    struct side_exit {
        uint8_t *field; /* displacement of the jump */
        uint32_t target;
        struct x87_notes x87;
    } side[IR_MAX_INSNS];
    unsigned n_side;
    unsigned n_inner;
    struct stack_notes stack;
    uint8_t *loop_at;             /* where a block that loops goes on */
    unsigned turn;                /* of job->turns */
    uint8_t *out[X64_MAX_TURNS];  /* displacements of jumps out of the loop, one in each turn but the last */
    bool has_target;              /* EDX is EIP of the computed jump that ends the block */
    bool backward;                /* DF is set */
    bool goes_on;                 /* the block may go on behind its last instruction, a CALLOUT_END */
    uint16_t led[SURVEY_GROUPS];  /* the group's host address has been found by that operation, plus 1; 0: not */
    uint8_t above[SURVEY_GROUPS]; /* how far above that address the group begins */
    unsigned n_islands, n_far_islands;
    /* Jumps to later instructions of the block, and what is known where they are. */
    struct inner_jump {
        uint8_t *field;
        uint8_t target;
        bool sse_known, x87_known;
        uint16_t led[SURVEY_GROUPS];
    } inner[IR_MAX_INSNS];
    struct island island[SELECT_MAX_ISLANDS];
    struct island far_island[IR_MAX_OPS];
    struct survey survey;
};

/* What a site tells of where it stands. */
struct x64_site select_site(const struct select *s, struct x64_site site);
void select_branch_to_island(struct select *s, uint8_t *field, struct x64_site site);
/* Where a field of struct segment is that a segment register has. */
struct rm select_segment_field(unsigned seg, size_t field);
/* The address that a MAP or LEA names, to host register `to`: offset in its segment; linear (this one uses RCX). */
void select_offset(struct select *s, const struct ir_op *op, unsigned to);
void select_address(struct select *s, const struct ir_op *op, unsigned to);
/* A MAP (select_map.c). */
void select_map(struct select *s, const struct ir_op *op);
/* Finds a group's host address before the loop. */
void select_hoisted_group(struct select *s, unsigned group);
/* Has the block's unit registers in the host's. */
void select_units_loaded(struct select *s, bool sse, bool x87);
/* Does the operation use R12? */
bool select_uses_t1(const struct ir_op *op);
/* Has the row an operand with one of these letters? */
bool select_has_letter(const struct isa_row *row, unsigned first, unsigned last);
/* Makes room for `op`: lays the pending islands out, in the way if need be, if they would come out of reach. `begun`:
 * the guest instruction that the operation before belongs to. */
void select_within_reach(struct select *s, const struct ir_op *op, unsigned begun);
/* The code of those that were laid out as jumps, behind the block. */
void select_far_islands(struct select *s);
/* translated.counted += by. Spoils RCX. */
void select_count_up(struct emit *e, int by);
/* AH, CH, DH or BH? */
bool select_is_high(unsigned ref);
/* Lays the pending islands out here: after an unconditional jump, or jumped over. */
void select_islands(struct select *s);
/* Before the first operation: is the page behind the block's still the one it was translated from? */
void select_page_check(struct select *s);
/* Ways out of the block (select_exit.c): its last operation, and the stubs of its links. */
void select_exit(struct select *s, const struct ir_op *op);
void select_stubs(struct select *s);
/* If the MOV only brings a computed jump's target it is brought to where the jump wants it: true. */
bool select_target(struct select *s, const struct ir_op *mov);
struct x64_link *select_new_link(struct select *s);
/* An instruction that jumps of the block lead to begins. */
void select_meet(struct select *s, unsigned insn);
/* x87, MMX, SSE (select_unit.c). */
bool select_unit(struct select *s, const struct ir_op *op);
void select_unit_prepare(struct select *s, const struct ir_op *op);
/* Before the guest instruction whose first operation is ir->op[first], and before the block is left. */
void select_note_x87_data(struct select *s, uint32_t first);
void select_note_x87(struct select *s);
/* A way out of the loop: before this turn has notes of its own, those of the last one may not be outstanding. */
void select_bar_x87_carry(struct select *s);
/* At the end of a loop: may its notes stay outstanding? Then the sites at its beginning are to know, in the end. */
bool select_x87_carries(const struct select *s);
void select_x87_sites(struct select *s);
/* ESP (select_stack.c). What an address with that base is to count in. */
uint32_t select_plus(const struct select *s, unsigned base);
/* Before the guest instruction whose first operation is ir->op[first]. */
void select_begin_esp(struct select *s, uint32_t first);
/* Before an operation; true if it is done. Behind it. */
bool select_esp(struct select *s, const struct ir_op *op);
void select_end_esp(struct select *s, const struct ir_op *op);
/* The register gets what is outstanding. */
void select_settle_esp(struct select *s);
/* Code that brings register and flags up to date where `stack` is outstanding. Spoils RCX. */
void select_emit_stack(struct emit *e, const struct stack_notes *stack);
/* For C code. */
struct x64_stack select_stack(const struct select *s);
/* Sensitive instructions on the virtual processor's state (select_sys.c). */
void select_selector(struct select *s, const struct ir_op *op);
void select_seg_real(struct select *s, const struct ir_op *op);
void select_seg_prot(struct select *s, const struct ir_op *op);
void select_cs_eip(struct select *s, const struct ir_op *op);
void select_cli(struct select *s);
void select_df(struct select *s, const struct ir_op *op);
void select_sti(struct select *s, const struct ir_op *op);
void select_tsc(struct select *s, const struct ir_op *op);
void select_popf(struct select *s, const struct ir_op *op);
void select_all(struct select *s, const struct ir_op *op); /* PUSHA, POPA */
void select_within(struct select *s, const struct ir_op *op);
/* The MAP's access goes through the window. */
void select_window_site(struct select *s, const struct ir_op *op);
/* A call of the slow trampoline. */
void select_slow_call(struct select *s, struct x64_site site);

#endif
