/* What the parts of instruction selection share. */
#ifndef BACKEND_X86_64_SELECT_H
#define BACKEND_X86_64_SELECT_H

#include "backend/x86_64/plan.h"
#include "backend/x86_64/x64.h"

#define STATE(field) RM_MEM(PLAN_STATE, (int)offsetof(struct cpu, field) - PLAN_STATE_BIAS)

#define SELECT_MAX_ISLANDS 8u

/* Out-of-line code that a JRCXZ leads to. */
struct island {
    uint8_t *field; /* displacement of the JRCXZ */
    struct x64_site site;
    enum island_kind {
        ISLAND_SLOW, /* call the slow trampoline for `site` */
        ISLAND_STOP, /* leave the block: at stop_reg, or at page EIP + target */
        ISLAND_LOAD, /* call `load` and resume */
    } kind;
    uint8_t stop_reg;
    uint32_t target;
    const uint8_t *load, *resume;
};

struct select {
    struct x64_job *job;
    struct emit e;
    uint8_t map_reg; /* IR_MEM is [map_reg + PLAN_ADDEND] */
    uint8_t map_seg;
    bool sse_known, x87_known; /* in this block the registers are in the host's */
    bool x87_noted;
    uint8_t x87_data_seg; /* segment that FDS was noted for, plus 1; 0: none */
    bool goes_on;         /* the block may go on behind its last instruction, a CALLOUT_END */
    unsigned n_islands;
    struct island island[SELECT_MAX_ISLANDS];
};

void select_branch_to_island(struct select *s, uint8_t *field, struct x64_site site);
/* Lays the pending islands out here: after an unconditional jump, or jumped over. */
void select_islands(struct select *s);
/* Before the first operation: is the page behind the block's still the one it was translated from? */
void select_page_check(struct select *s);
/* Ways out of the block (select_exit.c): its last operation, and the stubs of its links. */
void select_exit(struct select *s, const struct ir_op *op);
void select_stubs(struct select *s);
/* x87, MMX, SSE (select_unit.c). */
bool select_unit(struct select *s, const struct ir_op *op);
void select_unit_prepare(struct select *s, const struct ir_op *op);
/* A call of the slow trampoline. */
void select_slow_call(struct select *s, struct x64_site site);

#endif
