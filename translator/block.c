/*
 * Blocks: finding, translating, linking, killing.
 *
 * Links and jump caches are shortcuts to a block's host code. A killed block loses all of them at once; its memory is
 * reused only when everything is flushed, which happens in C code that then continues at a fresh block, never in the
 * middle of one.
 */
#include <stdlib.h>
#include <string.h>

#include "frontend/x86/code.h"
#include "frontend/x86/cpuid.h"
#include "hw/core/log.h"
#include "translator/internal.h"
#include "translator/lens.h"

#define BLOCK_ROOM  (64u << 10) /* no block's host code is longer */
#define BLOCK_USUAL (8u << 10)  /* few are longer */

static uint32_t block_hash(phys_addr address, uint32_t mode, uint32_t eip)
{
    return (uint32_t)(address ^ address >> 16 ^ mode << 9 ^ eip * 5) % BLOCK_BUCKETS;
}

static uint32_t page_hash(phys_addr page)
{
    return (uint32_t)(page >> PHYS_PAGE_SHIFT) % PAGE_BUCKETS;
}

static void *arena_take(struct translator *t, size_t bytes)
{
    void *taken = t->arena + t->arena_used;

    t->arena_used += (bytes + 15) & ~(size_t)15;
    return taken;
}

/* Makes room for `more` elements behind `count`; false when memory is short. */
static bool grow(void **array, uint32_t *size, uint32_t count, uint32_t more, size_t element)
{
    uint32_t wanted = *size ? *size : 4096;
    void *grown;

    if (count + more <= *size)
        return true;
    while (wanted < count + more)
        wanted *= 2;
    grown = realloc(*array, wanted * element);
    if (!grown)
        return false;
    *array = grown;
    *size = wanted;
    return true;
}

static struct translated_page *page_find(const struct translator *t, phys_addr page)
{
    struct translated_page *p = t->page_bucket[page_hash(page)];

    while (p && p->page != page)
        p = p->next_in_bucket;
    return p;
}

const struct translated_page *block_page(const struct translator *t, phys_addr address)
{
    return page_find(t, address & PHYS_PAGE_MASK);
}

bool block_page_has_code(struct translator *t, phys_addr page)
{
    const struct translated_page *p = page_find(t, page);

    return p && p->n_alive;
}

/* ---- links ---- */

/* Takes the link out of the list of the block that it leads to. */
static void forget_link(struct translator *t, uint32_t number)
{
    uint32_t *at;

    if (t->link_state[number].to == NO_LINK)
        return;
    at = &t->block[t->link_state[number].to]->incoming;
    while (*at != number)
        at = &t->link_state[*at].next;
    *at = t->link_state[number].next;
    t->link_state[number].to = NO_LINK;
}

/* Where computed jumps come to the block, if they may; its code is to follow. Plain ones are entered from C code. */
static void emit_landing(struct translator *t, struct block *block)
{
    const uint32_t offset = (uint32_t)(block->address & 0xfff);
    const struct phys_page page = phys_lookup(t->cpu->phys, phys_gate(t->cpu->phys, block->address));
    const struct x64_landing landing = {
        .entry = &t->entry,
        .guest = page.host ? flat_code_address(t->cpu->mmu.flat, page.host + offset) : 0,
        .flat_code = is_flat_code(&t->mode[block->mode].mode),
        .offset = offset,
        .eip = block->eip,
        .cs_limit = block->cs_limit,
    };

    if (landing.guest && !block->plain)
        t->code_at = x64_emit_landing(t->code_at, &landing, &block->landing);
}

bool block_has_landing(struct translator *t, struct block *block)
{
    uint8_t *behind;

    if (block->landing || !block->code || t->code_at + X64_LANDING_BYTES > t->cold_start)
        return block->landing;
    emit_landing(t, block);
    if (!block->landing)
        return false;
    behind = x64_emit_jump(t->code_at, block->code);
    t->code_at = (uint8_t *)(((uintptr_t)behind + 15) & ~(uintptr_t)15);
    return true;
}

void block_link(struct translator *t, uint32_t number, struct block *to)
{
    struct x64_link *link = &t->link[number];
    struct phys_page page = phys_lookup(t->cpu->phys, phys_gate(t->cpu->phys, to->address));

    if (!t->block[link->block]->alive || !page.host || (link->to_landing && !block_has_landing(t, to)))
        return;
    forget_link(t, number);
    if (!x64_link_jump(link, link->to_landing ? to->landing : to->code,
                       flat_code_address(t->cpu->mmu.flat, page.host + (to->address & 0xfff)))) {
        x64_unlink_jump(link);
        return;
    }
    t->link_state[number] = (struct link_state){.to = to->number, .next = to->incoming};
    to->incoming = number;
}

static void unlink_incoming(struct translator *t, struct block *block)
{
    while (block->incoming != NO_LINK) {
        const uint32_t number = block->incoming;

        forget_link(t, number);
        if (t->block[t->link[number].block]->alive) /* a retired one holds other code there */
            x64_unlink_jump(&t->link[number]);
    }
}

/* ---- life ---- */

static struct insn *take_insns(struct translator *t, uint32_t n)
{
    struct free_insns *free_insns = t->free_insns[n];

    if (!free_insns)
        return arena_take(t, n * sizeof(struct insn));
    t->free_insns[n] = free_insns->next;
    return (struct insn *)(void *)free_insns;
}

/* Whoever kills the block that runs may look at its instructions, their handlers excepted, until the next translation.
 */
static void give_insns(struct translator *t, struct block *block)
{
    struct free_insns *free_insns = (struct free_insns *)(void *)block->insn;

    free_insns->next = t->free_insns[block->n_insns];
    t->free_insns[block->n_insns] = free_insns;
}

static void leave_page(const struct translator *t, phys_addr page)
{
    page_find(t, page)->n_alive--;
}

static void block_kill(struct translator *t, struct block *block)
{
    struct block **at = &t->bucket[block_hash(block->address, block->mode, block->eip)];

    while (*at && *at != block)
        at = &(*at)->next_in_bucket;
    if (*at)
        *at = block->next_in_bucket;
    block->alive = false;
    leave_page(t, block->address & PHYS_PAGE_MASK);
    if (block->second_page != NO_PAGE)
        leave_page(t, block->second_page);
    give_insns(t, block);
    unlink_incoming(t, block);
    if (block->landing)
        x64_retire(block->landing);
}

/* First and last byte of the block that lie in the page. */
static void bytes_in_page(const struct block *block, phys_addr page, unsigned *first, unsigned *last)
{
    const unsigned start = (unsigned)(block->address & 0xfff), end = start + block->span_bytes - 1;

    if (block->second_page == (block->address & PHYS_PAGE_MASK)) { /* mapped behind itself: both its ends */
        *first = 0;
        *last = PHYS_PAGE_SIZE - 1;
        return;
    }
    *first = page == (block->address & PHYS_PAGE_MASK) ? start : 0;
    *last = end < PHYS_PAGE_SIZE ? end : *first ? PHYS_PAGE_SIZE - 1 : end - PHYS_PAGE_SIZE;
}

/* ---- what is worth a translation ----
 *
 * Code that nobody has written is translated at once. What a store hits is judged by what became of it until then: a
 * translation that was written again too soon to have paid, or code that was written before it was worth one, raises
 * the doubt in the next; one that lived long enough lowers it. With the most doubt the interpreter runs the code for
 * about as long as it takes to translate it, so that no more than twice the best is lost; a store begins the count
 * anew.
 *
 * A translation's life ends with the first store into its page's code since the last translation there: what writes a
 * whole function over takes long to come to its end.
 */

#define DOUBT_MAX        3u
#define DOUBT_SHIFT      2u /* the threshold grows by that with each doubt but the first */
#define LIFE_FACTOR      8u /* a translation pays if it lives for its price divided by that */
#define PLAIN_FACTOR     32u
#define STORES_PER_DECAY 4096u

static struct heat *heat_at(struct translator *t, phys_addr address)
{
    return &t->heat[(address ^ address >> 16) % HEAT_ENTRIES];
}

static void doubt(struct heat *heat)
{
    heat->runs = 0;
    if (heat->doubt < DOUBT_MAX)
        heat->doubt++;
}

void block_cold_code_written(struct translator *t, phys_addr address)
{
    struct heat *heat = heat_at(t, address);

    if (heat->runs) /* else it is the shadow of a translation that was hit as well */
        doubt(heat);
}

/* How often the interpreter runs the code first. */
static unsigned runs_wanted(const struct translator *t, const struct heat *heat)
{
    return heat->doubt ? t->options.killed_threshold << DOUBT_SHIFT * (heat->doubt - 1) : t->options.threshold;
}

/* A store has hit the block, which was in use until `end`. */
static void judge(struct translator *t, const struct block *block, uint64_t end)
{
    struct heat *heat = heat_at(t, block->address);
    const bool lived = (end - block->born) * LIFE_FACTOR >= block->cost;

    /* Memory that holds other code by now is forgotten in time. */
    if (++t->count.killed % STORES_PER_DECAY == 0)
        for (uint32_t i = 0; i < HEAT_ENTRIES; i++)
            t->heat[i].doubt /= 2;
    if (!lived && (heat->doubt < DOUBT_MAX || heat->runs < runs_wanted(t, heat))) {
        doubt(heat);
        return;
    }
    heat->runs = 0;
    if (heat->doubt)
        heat->doubt--;
}

static bool is_cold(struct translator *t, phys_addr address, bool plain)
{
    /* A block without groups is wanted for the stack's position, say, which is another in the next process. */
    struct heat *heat = heat_at(t, plain ? ~address : address);
    const unsigned wanted = plain ? t->options.killed_threshold * PLAIN_FACTOR : runs_wanted(t, heat);

    if (heat->runs >= wanted)
        return false;
    heat->runs++;
    t->count.cold++;
    return true;
}

bool block_is_cold(struct translator *t, phys_addr address)
{
    return is_cold(t, address, false);
}

/* The code bytes first..last of the page anew: those of dead blocks would send stores to C code one by one. */
static void recount_bytes(struct translator *t, struct translated_page *page, unsigned first, unsigned last)
{
    code_bytes_clear(&page->code, first, last);
    for (unsigned line = code_bytes_first_line(&page->code, first); line <= last / CODE_LINE_BYTES; line++)
        for (const struct block_ref *ref = page->beginning[line]; ref; ref = ref->next) {
            unsigned start, stop;

            if (!ref->block->alive)
                continue;
            bytes_in_page(ref->block, page->page, &start, &stop);
            code_bytes_add(&page->code, start, stop);
        }
    if (page->is_checked)
        code_page_add_bytes(t->cpu, page->page, &page->code); /* what the interpreter adds later drops the entries */
}

bool block_code_written(struct translator *t, phys_addr page_address, unsigned first, unsigned last)
{
    struct translated_page *page = page_find(t, page_address);
    unsigned low = first, high = last; /* what blocks that die had */

    if (!page || !page->n_alive)
        return false;
    if (!code_bytes_take(&page->code, first, last))
        return true;
    if (!page->hit_at)
        page->hit_at = host_cycles();
    for (unsigned line = code_bytes_first_line(&page->code, first); line <= last / CODE_LINE_BYTES; line++)
        for (struct block_ref **at = &page->beginning[line]; *at;) {
            struct block *block = (*at)->block;
            unsigned start, stop;

            bytes_in_page(block, page_address, &start, &stop);
            if (block->alive && (start > last || stop < first)) {
                at = &(*at)->next;
                continue;
            }
            *at = (*at)->next;
            if (block->alive) {
                block_kill(t, block);
                judge(t, block, page->hit_at);
                low = start < low ? start : low;
                high = stop > high ? stop : high;
            }
        }
    recount_bytes(t, page, low, high);
    return page->n_alive;
}

void block_check_stores(struct translator *t, lin_addr address)
{
    struct cpu *cpu = t->cpu;
    const phys_addr at = (phys_addr)tlb_slot(&cpu->mmu, address, cpu->view)->phys_page << PHYS_PAGE_SHIFT;
    struct translated_page *page = page_find(t, at);

    /* Where a translation may have been hit block_code_written() keeps them up to date. */
    if (!page || t->lockstep || (page->n_alive && flat_is_checked(&cpu->mmu, address, cpu->view)))
        return;
    page->is_checked = true;
    recount_bytes(t, page, 0, PHYS_PAGE_SIZE - 1);
    flat_fill_checked(&cpu->mmu, address, &page->code, cpu->view);
}

void block_flush_all(struct translator *t)
{
    for (uint32_t i = 0; i < t->n_blocks; i++)
        t->block[i]->alive = false;
    for (unsigned i = 0; i < PAGE_BUCKETS; i++)
        for (struct translated_page *page = t->page_bucket[i]; page; page = page->next_in_bucket) {
            if (page->is_checked)
                flat_drop_writes(t->cpu->mmu.flat, (uint32_t)(page->page >> PHYS_PAGE_SHIFT));
            if (page->n_alive && !code_page_has_blocks(t->cpu, page->page)) {
                phys_watch(t->cpu->phys, page->page, false);
                mmu_rewatch(&t->cpu->mmu, page->page);
            }
        }
    memset(t->bucket, 0, sizeof t->bucket);
    memset(t->page_bucket, 0, sizeof t->page_bucket);
    jumps_clear(t);
    t->n_blocks = t->n_sites = t->n_links = 0;
    t->arena_used = 0;
    memset(t->found, 0, sizeof t->found);
    memset(t->free_insns, 0, sizeof t->free_insns);
    t->code_at = t->code_start;
    t->cold_at = t->cold_start;
    t->count.flushes++;
}

#define ADAPT_MASK 7u /* enum x64_adapt; above it failures in a row */

static uint8_t *adapted_at(struct translator *t, const struct block *block, unsigned page_offset)
{
    const phys_addr at = (block->address & PHYS_PAGE_MASK) | page_offset;

    return &t->adapted[(at ^ at >> 16) % ADAPTED_ENTRIES];
}

void block_adapt(struct translator *t, struct block *block, unsigned insn, enum x64_adapt adapt)
{
    *adapted_at(t, block, block->offset[insn]) |= (uint8_t)adapt;
    block_kill(t, block);
}

void block_retranslate(struct translator *t, struct block *block)
{
    if (block->alive) /* it may have been written while it ran */
        block_kill(t, block);
}

bool block_served(struct translator *t, struct block *block, unsigned insn, bool served)
{
    uint8_t *at = adapted_at(t, block, block->offset[insn]);

    if (served) {
        *at &= ADAPT_MASK;
    } else {
        if (*at >= (uint8_t)~ADAPT_MASK)
            return false;
        *at += ADAPT_MASK + 1;
    }
    return true;
}

/* Where the guest code at EIP lies. */
struct code_place {
    phys_addr address, second_page;    /* second_page: NO_PAGE if the instruction does not reach it */
    const uint8_t *host, *second_host; /* of the first byte; of the second page's first byte */
};

/* Host code for t->ir. False if an operation has none. */
static bool emit_block(struct translator *t, struct block *block, bool flat_code, const struct code_place *place)
{
    const bool crosses = place->second_page != NO_PAGE;
    uint8_t *const start = t->code_at;

    if (t->code_at + BLOCK_USUAL > t->code_ready)
        code_memory_bring_in(&t->memory, &t->code_ready);
    if (t->cold_at + BLOCK_USUAL > t->cold_ready)
        code_memory_bring_in(&t->memory, &t->cold_ready);
    if (t->for_computed_jump)
        emit_landing(t, block);
    struct x64_job job = {
        .ir = &t->ir,
        .mode = &t->mode[block->mode].mode,
        .entry = &t->entry,
        .flat_code = flat_code,
        .page_eip = block->eip - (uint32_t)(block->address & 0xfff),
        .code_is_near = flat_code_is_near(t->cpu->mmu.flat),
        .second_page = crosses ? flat_code_address(t->cpu->mmu.flat, place->second_host) : 0,
        .code = t->code_at,
        .limit = t->cold_start,
        .cold = t->cold_at,
        .block = block->number,
        .first_site = t->n_sites,
        .first_link = t->n_links,
        .site = t->new_site,
        .link = t->new_link,
        .insn_host = t->insn_host,
        .stack = t->stack,
        .insn = t->scan,
        .adapted = t->new_adapted,
        .plain = block->plain,
        .may_loop = !t->options.no_chain,
        .counts = t->options.count,
        .turns = X64_MAX_TURNS,
    };
    uint8_t *end;

    for (unsigned i = 0; i < t->ir.n_insns; i++)
        t->new_adapted[i] = *adapted_at(t, block, t->ir.offset[i]);
    end = x64_select(&job);
    uint32_t size = t->links_size;

    if (!end || !grow((void **)&t->site, &t->sites_size, t->n_sites, job.n_sites, sizeof *t->site) ||
        !grow((void **)&t->link, &t->links_size, t->n_links, job.n_links, sizeof *t->link) ||
        !grow((void **)&t->link_state, &size, t->n_links, job.n_links, sizeof *t->link_state)) {
        t->code_at = start;
        return false;
    }
    if (job.n_sites)
        memcpy(t->site + t->n_sites, t->new_site, job.n_sites * sizeof *t->site);
    if (job.n_links)
        memcpy(t->link + t->n_links, t->new_link, job.n_links * sizeof *t->link);
    for (uint32_t i = 0; i < job.n_links; i++)
        t->link_state[t->n_links + i] = (struct link_state){NO_LINK, NO_LINK};
    block->first_site = t->n_sites;
    block->n_sites = job.n_sites;
    t->n_sites += job.n_sites;
    t->n_links += job.n_links;
    block->code = t->code_at;
    block->code_bytes = (uint32_t)(end - t->code_at);
    block->cold = t->cold_at;
    block->cold_bytes = (uint32_t)(job.cold - t->cold_at);
    t->cold_at = job.cold;
    block->turns = job.turns;
    block->insn_host = arena_take(t, job.turns * (block->n_insns + 1) * sizeof *block->insn_host);
    memcpy(block->insn_host, t->insn_host, job.turns * (block->n_insns + 1) * sizeof *block->insn_host);
    for (unsigned i = 0; i <= block->n_insns && !block->stack; i++)
        if (t->stack[i].plus || t->stack[i].flags) {
            block->stack = arena_take(t, (block->n_insns + 1) * sizeof *block->stack);
            memcpy(block->stack, t->stack, (block->n_insns + 1) * sizeof *block->stack);
        }
    t->code_at = (uint8_t *)(((uintptr_t)end + 15) & ~(uintptr_t)15);
    t->count.host_bytes += block->code_bytes + block->cold_bytes;
    return true;
}

static void add_to_page(struct translator *t, struct block *block, phys_addr address)
{
    struct translated_page *page = page_find(t, address);
    struct block_ref *ref = arena_take(t, sizeof *ref);
    unsigned first, last;

    if (!page) {
        struct translated_page **pages = &t->page_bucket[page_hash(address)];

        page = arena_take(t, sizeof *page);
        *page = (struct translated_page){.page = address, .code.beyond = ~0ull, .next_in_bucket = *pages};
        *pages = page;
    }
    if (!phys_is_watched(t->cpu->phys, address)) {
        phys_watch(t->cpu->phys, address, true);
        mmu_rewatch(&t->cpu->mmu, address);
    }
    bytes_in_page(block, address, &first, &last);
    page->begins[first / CODE_LINE_BYTES] |= 1ull << first % CODE_LINE_BYTES;
    *ref = (struct block_ref){block, page->beginning[first / CODE_LINE_BYTES]};
    page->beginning[first / CODE_LINE_BYTES] = ref;
    page->n_alive++;
    page->hit_at = 0;
    code_bytes_add(&page->code, first, last);
}

static struct block *translate(struct translator *t, const struct code_place *place, const uint8_t *bytes, size_t avail,
                               bool plain)
{
    const uint64_t start = host_cycles();
    const uint32_t mode = t->current_mode;
    const struct x86_mode *m = &t->mode[mode].mode;
    const bool flat_code = is_flat_code(m), crosses = place->second_page != NO_PAGE;
    struct block *block;
    uint32_t span;

    if (t->code_at + BLOCK_ROOM > t->cold_start ||
        t->cold_at + X64_COLD_BYTES > t->memory.write + t->memory.size_bytes ||
        t->arena_used + (64u << 10) > ARENA_BYTES ||
        !grow((void **)&t->block, &t->blocks_size, t->n_blocks, 1, sizeof *t->block))
        block_flush_all(t);
    if (!t->blocks_size)
        return NULL;
    span = scan_block(t, m, place->address, bytes, avail, crosses ? 1 : t->options.block_insns, flat_code && !plain);
    if (!t->ir.n_insns)
        return NULL;

    block = arena_take(t, sizeof *block);
    *block = (struct block){.address = place->address,
                            .second_page = place->second_page,
                            .mode = mode,
                            .eip = flat_code ? 0 : t->cpu->eip,
                            .cs_limit = flat_code ? 0 : t->cpu->seg[CS].limit,
                            .span_bytes = span,
                            .alone = t->scan_alone,
                            .alive = true,
                            .code16 = t->ir.code16,
                            .plain = plain,
                            .asked = t->ir.asked,
                            .n_insns = t->ir.n_insns,
                            .n_ops = t->ir.n_ops,
                            .number = t->n_blocks,
                            .incoming = NO_LINK};
    if (t->options.accel == ACCEL_IR) {
        block->op = arena_take(t, t->ir.n_ops * sizeof *block->op);
        memcpy(block->op, t->ir.op, t->ir.n_ops * sizeof *block->op);
    } else if (!emit_block(t, block, flat_code, place)) {
        return NULL;
    }
    block->insn = take_insns(t, t->ir.n_insns);
    memcpy(block->insn, t->scan, t->ir.n_insns * sizeof *block->insn);
    block->offset = arena_take(t, (t->ir.n_insns + 1) * sizeof *block->offset);
    memcpy(block->offset, t->ir.offset, (t->ir.n_insns + 1) * sizeof *block->offset);
    t->block[t->n_blocks++] = block;

    struct block **bucket = &t->bucket[block_hash(place->address, mode, block->eip)];
    block->next_in_bucket = *bucket;
    *bucket = block;
    add_to_page(t, block, place->address & PHYS_PAGE_MASK);
    if (crosses)
        add_to_page(t, block, place->second_page);

    t->count.blocks++;
    t->count.insns += block->n_insns;
    t->count.guest_bytes += span;
    block->born = host_cycles();
    block->cost = block->born - start;
    t->count.translate_cycles += block->cost;
    if (log_is_on(LENS_CATEGORIES))
        lens_print_block(t, block, bytes);
    return block;
}

/* Finds the page behind the one at `address`, for an instruction that ends there. Raises #PF. */
static bool find_second_page(struct translator *t, lin_addr address, struct code_place *place)
{
    struct cpu *cpu = t->cpu;
    const lin_addr next = (address & ~(lin_addr)0xfff) + PHYS_PAGE_SIZE;
    uint8_t *host;

    place->second_page = mmu_fetch(&cpu->mmu, next, cpu->view, &host);
    place->second_host = host;
    return host && flat_fill_exec(&cpu->mmu, next, cpu->view); /* translated code asks for it */
}

static struct block *find_block(struct translator *t, bool plain)
{
    struct cpu *cpu = t->cpu;
    const uint32_t mode = mode_update(t);
    const struct x86_mode *m = &t->mode[mode].mode;
    const bool flat_code = is_flat_code(m);
    const lin_addr address = cpu->seg[CS].base + cpu->eip;
    struct code_place place = {.second_page = NO_PAGE};
    struct found *found;
    uint8_t *host;
    struct block *block;
    uint32_t avail;

    t->is_cold = false;
    if (cpu->eip > cpu->seg[CS].limit)
        return NULL; /* the interpreter raises the fault */
    found = &t->found[(address ^ address >> 10) % FOUND_ENTRIES];
    if (!plain && found->block && found->address == address && found->eip == cpu->eip && found->mode == mode &&
        found->mmu_flushes == cpu->mmu.flushes && found->view == cpu->view && found->block->alive &&
        found->cs_limit == cpu->seg[CS].limit) {
        cpu->translated.page_eip = cpu->eip - (uint32_t)(found->block->address & 0xfff);
        return found->block;
    }
    place.address = mmu_fetch(&cpu->mmu, address, cpu->view, &host);
    place.host = host;
    if (!host)
        return NULL;
    flat_fill_exec(&cpu->mmu, address, cpu->view);
    avail = PHYS_PAGE_SIZE - (uint32_t)(place.address & 0xfff);
    for (block = t->bucket[block_hash(place.address, mode, flat_code ? 0 : cpu->eip)]; block;
         block = block->next_in_bucket) {
        if (block->address != place.address || block->mode != mode || block->plain != plain ||
            block->eip != (flat_code ? 0 : cpu->eip) || block->cs_limit != (flat_code ? 0 : cpu->seg[CS].limit))
            continue;
        if (block->second_page == NO_PAGE)
            break;
        if (place.second_page == NO_PAGE && !find_second_page(t, address, &place))
            return NULL;
        if (block->alive && block->second_page == place.second_page) /* the page walk may have written to its code */
            break;
    }
    if (!block && is_cold(t, place.address, plain)) {
        t->is_cold = true;
        return NULL;
    }
    if (!block && avail < INSN_MAX_BYTES) {
        struct insn in;
        uint8_t bytes[2 * INSN_MAX_BYTES];

        if (decode_insn(&in, place.host, avail, m->code32, cpu->model->isa_features) == DECODE_MORE) {
            if (cpu->eip + (uint64_t)avail > cpu->seg[CS].limit ||
                (place.second_page == NO_PAGE && !find_second_page(t, address, &place)))
                return NULL;
            memcpy(bytes, place.host, avail);
            memcpy(bytes + avail, place.second_host, INSN_MAX_BYTES);
            block = translate(t, &place, bytes, INSN_MAX_BYTES, plain);
            if (!block)
                return NULL;
        }
    }
    if (!block) {
        place.second_page = NO_PAGE;
        block = translate(t, &place, place.host, avail, plain);
    }
    /* Nor does a block end where the segment does: a jump to what follows would wrap. */
    if (!block || cpu->eip + (uint64_t)block->span_bytes > cpu->seg[CS].limit)
        return NULL;
    cpu->translated.page_eip = cpu->eip - (uint32_t)(place.address & 0xfff);
    if (block->second_page == NO_PAGE && !plain)
        *found = (struct found){address, cpu->eip, mode, cpu->seg[CS].limit, cpu->mmu.flushes, cpu->view, block};
    return block;
}

static const struct block *find_known(const struct translator *t, phys_addr address, uint32_t mode, uint32_t eip)
{
    const struct block *block = t->bucket[block_hash(address, mode, eip)];

    while (block && (block->address != address || block->mode != mode || block->eip != eip || block->plain))
        block = block->next_in_bucket;
    return block;
}

bool block_exists(struct translator *t, phys_addr address)
{
    const uint32_t mode = mode_update(t);

    return find_known(t, address, mode, is_flat_code(&t->mode[mode].mode) ? 0 : t->cpu->eip);
}

bool block_is_inside(struct translator *t, phys_addr address)
{
    const struct translated_page *page = block_page(t, address);

    return page && code_bytes_has(&page->code, (unsigned)(address & 0xfff)) && !block_exists(t, address);
}

/* A way that leads into a block for the first time after so many others is a rare one: it need not have a copy. Among
 * younger ones loops are still being found, which want to be whole. */
#define SETTLED_BLOCKS 2048u

bool block_has_settled(const struct translator *t, const struct translated_page *page, phys_addr address)
{
    const unsigned offset = (unsigned)(address & 0xfff);
    const struct block *block;

    if (!page || !(page->begins[offset / CODE_LINE_BYTES] >> offset % CODE_LINE_BYTES & 1))
        return false;
    block = find_known(t, address, t->current_mode, 0);
    return block && t->n_blocks - block->number > SETTLED_BLOCKS;
}

struct block *block_at_eip(struct translator *t)
{
    return find_block(t, false);
}

struct block *block_at_eip_plain(struct translator *t)
{
    return find_block(t, true);
}
