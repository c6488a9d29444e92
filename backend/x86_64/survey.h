/*
 * A look through a block before code is emitted for it: which guest registers each instruction writes, and which memory
 * accesses may share one look-up.
 *
 * Accesses through the same registers that lie within SURVEY_SPAN bytes of each other form a group. The first of them
 * leads: it finds the host address of the group's lowest byte, and proves that all of the group lies in one page. The
 * others are then plain host accesses at a constant distance, until C code runs that may change what is mapped.
 *
 * A block that jumps back to its own start is a loop. A group whose registers it never changes is found before the
 * loop.
 */
#ifndef BACKEND_X86_64_SURVEY_H
#define BACKEND_X86_64_SURVEY_H

#include "backend/x86_64/x64.h"
#include "softmmu/flat.h"

#define SURVEY_SPAN     FLAT_GROUP_PART_BYTES
#define SURVEY_GROUPS   12u
#define SURVEY_NO_VALUE UINT16_MAX
#define SURVEY_SLOTS    6u

/* Where a group's host address is kept between its accesses. */
enum survey_place { PLACE_NONE, PLACE_R12, PLACE_R13, PLACE_SLOT };

struct access_group {
    uint32_t low, high; /* first byte and the one behind the last, as displacements from the registers of the key */
    uint16_t base,
        index; /* values, not registers: those below 8 are what register had at the start; or SURVEY_NO_VALUE */
    uint8_t scale;
    uint8_t n;
    uint8_t first_insn, last_insn; /* its place is taken from here to there */
    uint8_t leader;                /* the first instruction that belongs to it */
    bool hoisted;                  /* found before the loop */
    bool writes;
    bool same; /* all at one address, of one width, 2, 4 or 8 bytes */
    uint8_t width;
    bool closed; /* nothing more joins it */
    uint8_t place, slot;
};

struct survey {
    uint8_t writes[IR_MAX_INSNS];     /* bit n: the instruction may write guest register n */
    bool uses_t1[IR_MAX_INSNS];       /* R12 does not outlive it */
    bool windowed[IR_MAX_INSNS];      /* its accesses go through the window */
    bool crosses[IR_MAX_INSNS];       /* some group's host address is wanted behind the instruction */
    uint8_t jumps_from[IR_MAX_INSNS]; /* number of the first instruction that jumps here within the block, plus 1; 0:
                                         none */
    uint8_t group_of[IR_MAX_OPS];     /* MAPs: number of the group plus 1; 0: none */
    uint8_t offset[IR_MAX_OPS];       /* MAPs in a group: distance from its lowest byte */
    struct access_group group[SURVEY_GROUPS];
    unsigned n_groups;
    uint8_t flat_seg; /* some segment that groups use; all of them are flat */
    bool loops;       /* the block's last jump leads to its start, and may do so directly */
    bool sse, x87;    /* it has instructions of that unit */
};

/* Does the guest instruction that begins with ir->op[first] change register `reg` by a constant only, and stay in the
 * block? Adds that to *by. */
bool survey_step(const struct ir_block *ir, uint32_t first, unsigned reg, uint32_t *by);

/* Number of the instruction that the SIDE leads to, if it is of this block; else 0. */
unsigned survey_target(const struct ir_block *ir, const struct ir_op *side);

/* Fills *out for the block of `job`. */
void survey_block(const struct x64_job *job, struct survey *out);

#endif
