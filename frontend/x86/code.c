/* Decoded code: building, finding and killing blocks. See code.h. */
#include "frontend/x86/code.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "frontend/x86/annotate.h"
#include "frontend/x86/code_bytes.h"
#include "frontend/x86/cpuid.h"
#include "frontend/x86/interp.h"
#include "hw/core/log.h"
#include "softmmu/flat.h"

#define CODE_POOL_BYTES   (4u << 20)
#define CODE_BUCKETS      8192u
#define CODE_PAGE_BUCKETS 1024u
#define INSN_MAX_BYTES    15u

struct code_page {
    phys_addr page;
    uint32_t n_blocks;
    struct code_bytes code;
    struct code_block *beginning[CODE_LINES]; /* blocks by the line that they begin in */
    struct code_page *next_in_bucket;
};

struct code_pool { /* a bump allocator: blocks live until everything is emptied */
    uint8_t *memory;
    size_t used;
    struct code_block *bucket[CODE_BUCKETS];
    struct code_page *page_bucket[CODE_PAGE_BUCKETS];
};

static uint32_t block_hash(phys_addr address, bool code32)
{
    return (uint32_t)(address ^ address >> 13 ^ (uint64_t)code32 << 7) % CODE_BUCKETS;
}

static uint32_t page_hash(phys_addr page)
{
    return (uint32_t)(page >> PHYS_PAGE_SHIFT) % CODE_PAGE_BUCKETS;
}

static void *pool_take(struct code_pool *pool, size_t bytes)
{
    void *taken = pool->memory + pool->used;

    pool->used += (bytes + 15) & ~(size_t)15;
    return taken;
}

static struct code_page *page_find(struct code_pool *pool, phys_addr page)
{
    struct code_page *p = pool->page_bucket[page_hash(page)];

    while (p && p->page != page)
        p = p->next_in_bucket;
    return p;
}

static void block_kill(struct cpu *cpu, struct code_block *block)
{
    struct code_block **link = &cpu->code->pool->bucket[block_hash(block->address, block->code32)];

    while (*link && *link != block)
        link = &(*link)->next_in_bucket;
    if (*link)
        *link = block->next_in_bucket;
    block->span_bytes = CODE_SPAN_DEAD;
    for (uint32_t i = 0; i < block->n_insns; i++)
        block->insn[i].fn = interp_block_end;
    cpu->code->killed++;
}

static void page_watch(struct cpu *cpu, phys_addr page, bool watched)
{
    phys_watch(cpu->phys, page, watched);
    mmu_rewatch(&cpu->mmu, page);
}

bool code_page_has_blocks(struct cpu *cpu, phys_addr page)
{
    const struct code_page *p = page_find(cpu->code->pool, page & PHYS_PAGE_MASK);

    return p && p->n_blocks;
}

void code_page_add_bytes(struct cpu *cpu, phys_addr page, struct code_bytes *out)
{
    const struct code_page *p = page_find(cpu->code->pool, page & PHYS_PAGE_MASK);

    for (unsigned i = 0; p && p->n_blocks && i < CODE_LINES; i++)
        out->line[i] |= p->code.line[i];
}

/* The code bytes first..last of the page anew, without those of dead blocks. */
static void recount_bytes(struct code_page *page, unsigned first, unsigned last)
{
    code_bytes_clear(&page->code, first, last);
    for (unsigned line = code_bytes_first_line(&page->code, first); line <= last / CODE_LINE_BYTES; line++)
        for (const struct code_block *block = page->beginning[line]; block; block = block->next_in_page) {
            const unsigned start = (unsigned)(block->address & ~PHYS_PAGE_MASK);

            if (block->span_bytes != CODE_SPAN_DEAD)
                code_bytes_add(&page->code, start, start + block->span_bytes - 1);
        }
}

/* Kills the page's blocks that have one of the bytes first..last. */
static void kill_blocks(struct cpu *cpu, struct code_page *page, unsigned first, unsigned last)
{
    unsigned low = first, high = last; /* what blocks that die had */

    for (unsigned line = code_bytes_first_line(&page->code, first); line <= last / CODE_LINE_BYTES; line++)
        for (struct code_block **link = &page->beginning[line]; *link;) {
            struct code_block *block = *link;
            const unsigned start = (unsigned)(block->address & ~PHYS_PAGE_MASK);
            const bool was_dead = block->span_bytes == CODE_SPAN_DEAD;

            if (!was_dead && (start > last || start + block->span_bytes <= first)) {
                link = &block->next_in_page;
                continue;
            }
            *link = block->next_in_page;
            page->n_blocks--;
            if (was_dead)
                continue;
            low = start < low ? start : low;
            high = start + block->span_bytes > high ? start + block->span_bytes - 1 : high;
            block_kill(cpu, block);
            if (cpu->engine)
                cpu->engine->cold_code_written(cpu, block->address);
        }
    recount_bytes(page, low, high);
}

/* phys reports a store of any writer into a page that holds blocks. */
static void code_written(void *opaque, phys_addr address, unsigned len_bytes)
{
    struct cpu *cpu = opaque;
    phys_addr end = address + len_bytes;

    for (phys_addr at = address & PHYS_PAGE_MASK; at < end; at += PHYS_PAGE_SIZE) {
        struct code_page *page = page_find(cpu->code->pool, at);
        unsigned first = address > at ? (unsigned)(address - at) : 0;
        unsigned last = end - at < PHYS_PAGE_SIZE ? (unsigned)(end - at) - 1 : PHYS_PAGE_SIZE - 1;
        bool is_engines = cpu->engine && cpu->engine->code_written(cpu, at, first, last);

        if (page && page->n_blocks && code_bytes_take(&page->code, first, last))
            kill_blocks(cpu, page, first, last);
        if ((!page || !page->n_blocks) && !is_engines)
            page_watch(cpu, at, false);
    }
}

struct code_cache *code_create(struct cpu *cpu)
{
    struct code_cache *code = calloc(1, sizeof *code);
    struct code_pool *pool = calloc(1, sizeof *pool);

    if (!code || !pool)
        goto fail;
    pool->memory = mmap(NULL, CODE_POOL_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pool->memory == MAP_FAILED)
        goto fail;
    code->pool = pool;
    for (unsigned i = 0; i < CODE_FRONT_SLOTS; i++)
        code->front[i].key = ~0ull;
    decode_init();
    phys_on_watched_write(cpu->phys, code_written, cpu);
    return code;
fail:
    free(pool);
    free(code);
    return NULL;
}

void code_destroy(struct code_cache *code)
{
    if (!code)
        return;
    munmap(code->pool->memory, CODE_POOL_BYTES);
    free(code->pool);
    free(code);
}

void code_empty(struct cpu *cpu)
{
    struct code_cache *code = cpu->code;
    struct code_pool *pool = code->pool;

    for (unsigned i = 0; i < CODE_PAGE_BUCKETS; i++)
        for (struct code_page *page = pool->page_bucket[i]; page; page = page->next_in_bucket)
            if (page->n_blocks && !(cpu->engine && cpu->engine->has_code(cpu, page->page)))
                page_watch(cpu, page->page, false);
    memset(pool->bucket, 0, sizeof pool->bucket);
    memset(pool->page_bucket, 0, sizeof pool->page_bucket);
    pool->used = 0;
    for (unsigned i = 0; i < CODE_FRONT_SLOTS; i++)
        code->front[i].key = ~0ull;
    code->emptied++;
}

void code_kill_running(struct cpu *cpu)
{
    struct code_block *block = cpu->block;

    if (!block)
        return;
    for (uint32_t i = 0; i < block->n_insns; i++)
        block->insn[i].fn = interp_block_end;
    block->span_bytes = CODE_SPAN_DEAD;
}

static void log_insn(struct cpu *cpu, uint32_t eip, const uint8_t *bytes, const struct insn *in)
{
    char text[128];

    annotate_disassemble(bytes, in->len, eip, cpu_code32(cpu), text, sizeof text);
    log_printf(LOG_IN_ASM, "%04x:%08x  %s\n", cpu->seg[CS].selector, eip, text);
}

/* Decodes from `bytes` (the rest of a page) until something ends the block. NULL if not even one instruction fits. */
static struct code_block *block_build(struct cpu *cpu, phys_addr address, const uint8_t *bytes, size_t avail,
                                      bool code32)
{
    struct code_pool *pool = cpu->code->pool;
    struct code_block *block;
    struct code_page *page;
    uint32_t n = 0, offset = 0;
    bool ended = false;

    if (pool->used + sizeof *block + (CODE_BLOCK_INSNS + 1) * sizeof(struct insn) + sizeof *page + 64 > CODE_POOL_BYTES)
        code_empty(cpu);
    block = (struct code_block *)(pool->memory + pool->used);

    while (n < CODE_BLOCK_INSNS && !ended && offset < avail) {
        struct insn *in = &block->insn[n];

        if (decode_insn(in, bytes + offset, avail - offset, code32, cpu->model->isa_features) != DECODE_OK)
            break; /* crosses the page, or too long: executed alone, where it is decoded again with its faults */
        in->offset = (uint16_t)offset;
        if (log_is_on(LOG_IN_ASM))
            log_insn(cpu, cpu->eip + offset, bytes + offset, in);
        ended = in->row == ISA_ROW_UD || isa_table[in->row].ends != ENDS_NEXT;
        offset += in->len;
        n++;
    }
    if (n == 0)
        return NULL;
    block->insn[n] = (struct insn){.fn = interp_block_next, .offset = (uint16_t)offset, .row = ISA_ROW_UD};
    pool_take(pool, sizeof *block + (n + 1) * sizeof(struct insn));

    block->span_bytes = offset;
    block->n_insns = n;
    block->code32 = code32;
    block->address = address;
    struct code_block **bucket = &pool->bucket[block_hash(address, code32)];
    block->next_in_bucket = *bucket;
    *bucket = block;

    page = page_find(pool, address & PHYS_PAGE_MASK);
    if (!page) {
        page = pool_take(pool, sizeof *page);
        struct code_page **pages = &pool->page_bucket[page_hash(address)];
        *page = (struct code_page){.page = address & PHYS_PAGE_MASK, .next_in_bucket = *pages};
        *pages = page;
    }
    if (!phys_is_watched(cpu->phys, page->page))
        page_watch(cpu, page->page, true);
    else if (cpu->mmu.flat) /* stores that were checked for the code until now */
        flat_drop_writes(cpu->mmu.flat, (uint32_t)(page->page >> PHYS_PAGE_SHIFT));
    unsigned start = (unsigned)(address & ~PHYS_PAGE_MASK);
    struct code_block **beginning = &page->beginning[start / CODE_LINE_BYTES];
    block->next_in_page = *beginning;
    *beginning = block;
    page->n_blocks++;
    code_bytes_add(&page->code, start, start + offset - 1);
    cpu->code->built++;
    return block;
}

struct code_block *code_find(struct cpu *cpu)
{
    lin_addr address = cpu->seg[CS].base + cpu->eip;
    struct code_pool *pool = cpu->code->pool;
    bool code32 = cpu_code32(cpu);
    struct code_block *block;
    uint8_t *host;
    phys_addr phys;

    if ((block = code_find_known(cpu)))
        return block;
    if (cpu->eip > cpu->seg[CS].limit)
        return NULL; /* code_decode_single raises the fault */
    phys = mmu_fetch(&cpu->mmu, address, cpu->view, &host);
    if (!host)
        return NULL;
    block = pool->bucket[block_hash(phys, code32)];
    while (block && (block->address != phys || block->code32 != code32))
        block = block->next_in_bucket;
    if (!block)
        block = block_build(cpu, phys, host, PHYS_PAGE_SIZE - (phys & 0xfff), code32);
    if (block) {
        struct code_front *slot = &cpu->code->front[address % CODE_FRONT_SLOTS];

        slot->address = address;
        slot->key = code_key(cpu);
        slot->block = block;
        if (cpu->eip + block->span_bytes > (uint64_t)cpu->seg[CS].limit + 1)
            return NULL;
    }
    return block;
}

const struct insn *code_decode_single(struct cpu *cpu)
{
    struct insn *in = &cpu->code->single[0];
    uint8_t bytes[INSN_MAX_BYTES];
    enum decode_result result = DECODE_MORE;
    unsigned n = 0;

    while (result == DECODE_MORE) {
        uint32_t eip = cpu->eip + n;
        lin_addr address = cpu->seg[CS].base + eip;
        uint8_t *host;
        phys_addr phys;

        /* SDM vol. 3 "Limit Checking": a fetch beyond the limit, or a 16th byte, is #GP(0). */
        if (n == INSN_MAX_BYTES || eip > cpu->seg[CS].limit || eip < cpu->eip)
            cpu_raise_error(cpu, VEC_GP, 0);
        phys = mmu_fetch(&cpu->mmu, address, cpu->view, &host);
        bytes[n++] = host ? *host : (uint8_t)phys_read(cpu->phys, phys, 1);
        result = decode_insn(in, bytes, n, cpu_code32(cpu), cpu->model->isa_features);
    }
    if (result == DECODE_TOO_LONG)
        cpu_raise_error(cpu, VEC_GP, 0);
    in->offset = 0;
    if (log_is_on(LOG_IN_ASM))
        log_insn(cpu, cpu->eip, bytes, in);
    cpu->code->single[1] = (struct insn){.fn = interp_block_end, .offset = in->len, .row = ISA_ROW_UD};
    return in;
}
