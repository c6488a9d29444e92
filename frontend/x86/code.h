/*
 * Decoded code: blocks of instructions, keyed by physical address and code size, and their invalidation.
 *
 * A block is a run of instructions inside one page that ends at the first instruction which does not simply fall
 * through, followed by a sentinel (interp_block_end). Its page is watched; a store into a block's bytes kills it: every
 * handler in it is replaced by interp_block_end, so a store into the running block takes effect at the next
 * instruction boundary. A killed block's memory is reused only when the whole cache is emptied, between blocks.
 */
#ifndef FRONTEND_X86_CODE_H
#define FRONTEND_X86_CODE_H

#include "frontend/x86/cpu.h"
#include "frontend/x86/insn.h"

#define CODE_BLOCK_INSNS 32u
#define CODE_FRONT_SLOTS 4096u
#define CODE_SPAN_DEAD   (1ull << 40) /* no CS limit admits it: a dead block fails the same compare */

struct code_block {
    uint64_t span_bytes; /* bytes of guest code, or CODE_SPAN_DEAD */
    uint32_t n_insns;    /* without the sentinel */
    uint32_t code32;
    phys_addr address;
    struct code_block *next_in_bucket;
    struct code_block *next_in_page;
    struct insn insn[]; /* n_insns + 1 */
};

struct code_front { /* cache by linear address; `key` dies with each TLB flush */
    lin_addr address;
    uint64_t key;
    struct code_block *block;
};

struct code_cache {
    struct code_front front[CODE_FRONT_SLOTS];
    struct insn single[2];           /* exec of one uncached instruction: it and a sentinel */
    uint64_t built, killed, emptied; /* counters */
    struct code_pool *pool;
};

/* NULL when out of memory. */
struct code_cache *code_create(struct cpu *cpu);
void code_destroy(struct code_cache *code);
/* Forgets everything. Only between blocks; from inside one use code_kill_running() and CPU_EVENT_FLUSH. */
void code_empty(struct cpu *cpu);
/* Does the physical page hold decoded blocks? */
bool code_page_has_blocks(struct cpu *cpu, phys_addr page);
/* Adds the bytes of its blocks to *out. Until another is decoded, which flat_drop_writes() of the page precedes, there
 * are no more. */
struct code_bytes;
void code_page_add_bytes(struct cpu *cpu, phys_addr page, struct code_bytes *out);
/* Makes the running block stop after the current instruction. */
void code_kill_running(struct cpu *cpu);
/* The block at CS:EIP, built if need be. NULL if the first instruction cannot be cached (it crosses a page, lies in MMIO)
 * or the block runs past the CS limit. Raises #PF. */
struct code_block *code_find(struct cpu *cpu);
/* Decodes the one instruction at CS:EIP into code->single, fetching byte by byte; raises #PF, #GP(0). */
const struct insn *code_decode_single(struct cpu *cpu);

static inline uint64_t code_key(const struct cpu *cpu)
{
    return cpu->mmu.flushes << 2 | (uint64_t)cpu->view << 1 | (cpu_code32(cpu) ? 1 : 0);
}

/* The block at CS:EIP if the front cache has it and all of it lies within the CS limit, else NULL. */
static inline struct code_block *code_find_known(struct cpu *cpu)
{
    lin_addr address = cpu->seg[CS].base + cpu->eip;
    const struct code_front *slot = &cpu->code->front[address % CODE_FRONT_SLOTS];

    if (__builtin_expect(slot->address == address && slot->key == code_key(cpu) &&
                             cpu->eip + slot->block->span_bytes <= (uint64_t)cpu->seg[CS].limit + 1,
                         1))
        return slot->block;
    return NULL;
}

#endif
