/* Flat translation tables: see flat.h. */
#include "softmmu/flat.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "softmmu/phys_map.h"

static const uint32_t table_offset[FLAT_TABLES] = {
    [FLAT_EXEC] = FLAT_OFFSET_EXEC,
    [FLAT_READ8] = FLAT_OFFSET_READ8,
    [FLAT_WRITE8] = FLAT_OFFSET_WRITE8,
    [FLAT_READ1] = FLAT_OFFSET_READ1,
    [FLAT_READ2] = FLAT_OFFSET_READ2,
    [FLAT_READ4] = FLAT_OFFSET_READ4,
    [FLAT_READ16] = FLAT_OFFSET_READ16,
    [FLAT_WRITE1] = FLAT_OFFSET_WRITE1,
    [FLAT_WRITE2] = FLAT_OFFSET_WRITE2,
    [FLAT_WRITE4] = FLAT_OFFSET_WRITE4,
    [FLAT_WRITE16] = FLAT_OFFSET_WRITE16,
    [FLAT_READ_GROUP] = FLAT_OFFSET_READ_GROUP,
    [FLAT_WRITE_GROUP] = FLAT_OFFSET_WRITE_GROUP,
    [FLAT_CODE_BYTES] = FLAT_OFFSET_CODE_BYTES,
    [FLAT_CHECKED] = FLAT_OFFSET_CHECKED,
};
/* Entries per page, as a shift: one for each residue of the width. */
static const uint8_t table_shift[FLAT_TABLES] = {
    [FLAT_READ2] = 1,  [FLAT_READ4] = 2,  [FLAT_READ8] = 3,   [FLAT_WRITE8] = 3,     [FLAT_READ16] = 4,
    [FLAT_WRITE2] = 1, [FLAT_WRITE4] = 2, [FLAT_WRITE16] = 4, [FLAT_READ_GROUP] = 5, [FLAT_WRITE_GROUP] = 5,
};

/* More than that between two flushes, and the list is flushed: pages that are dropped and filled again are named anew.
 */
#define FILLS_MAX 65536u

#define WRITE_CHAINS 256u
#define NO_FILL      UINT32_MAX

struct fill {
    uint32_t page;      /* linear page number */
    uint32_t phys_page; /* physical page number */
    uint32_t next;      /* for writes: the next one in its chain, NO_FILL at the end */
    uint8_t table;
};

struct fills {
    struct fill *fill;
    uint32_t count, size;
    uint32_t chain[WRITE_CHAINS]; /* fills for writes by their physical page's low bits: the first one's number */
};

struct flat_view {
    uint8_t *base;
    struct window *window; /* or NULL */
    struct fills filled[TLB_LISTS];
};

struct flat {
    struct flat_view view[MMU_VIEWS];
    uintptr_t ram_end; /* on the host */
    bool code_is_near;
};

static uint64_t *entry_at(const struct flat_view *v, enum flat_table table, uint32_t page)
{
    return (uint64_t *)(void *)(v->base + table_offset[table]) + ((uint64_t)page << table_shift[table]);
}

static uint16_t *present_at(const struct flat_view *v, uint32_t page)
{
    return (uint16_t *)(void *)(v->base + FLAT_OFFSET_PRESENT) + page;
}

static void set_entry(const struct flat_view *v, enum flat_table table, uint32_t page, uint64_t addend)
{
    uint64_t *entry = entry_at(v, table, page);
    const bool is_group = table == FLAT_READ_GROUP || table == FLAT_WRITE_GROUP;

    /* The window shows no page that the tables for bytes do not have, nor lets it be written. */
    if (table == FLAT_READ1 && v->window && *entry)
        window_drop_page(v->window, page);
    if (table == FLAT_WRITE1 && v->window && *entry)
        window_drop_write(v->window, page);
    for (unsigned i = 0; i < (is_group ? FLAT_GROUP_PARTS - 1u : 1u); i++)
        entry[i] = addend;
}

static void drop_entry(const struct flat_view *v, const struct fill *fill)
{
    set_entry(v, fill->table, fill->page, 0);
    *present_at(v, fill->page) &= (uint16_t) ~(1u << fill->table);
}

struct flat *flat_create(struct mmu *mmu)
{
    struct flat *flat = calloc(1, sizeof *flat);

    if (!flat)
        return NULL;
    for (unsigned i = 0; i < MMU_VIEWS; i++) {
        uint8_t *base =
            mmap(NULL, FLAT_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

        if (base == MAP_FAILED) {
            if (i)
                munmap(flat->view[0].base, FLAT_BYTES);
            free(flat);
            return NULL;
        }
        for (unsigned offset = 0; offset < PHYS_PAGE_SIZE; offset++) {
            base[FLAT_OFFSET_FITS8 + offset] = offset <= PHYS_PAGE_SIZE - 8;
            base[FLAT_OFFSET_FITS16 + offset] = offset <= PHYS_PAGE_SIZE - 16;
        }
        flat->view[i].base = base;
        for (unsigned list = 0; list < TLB_LISTS; list++)
            memset(flat->view[i].filled[list].chain, 0xff, sizeof flat->view[i].filled[list].chain);
    }
    flat->ram_end = (uintptr_t)mmu->phys->ram + mmu->phys->ram_bytes;
    flat->code_is_near = mmu->phys->ram_bytes < (1u << 31) - PHYS_PAGE_SIZE;
    mmu->flat = flat;
    return flat;
}

void flat_destroy(struct mmu *mmu)
{
    struct flat *flat = mmu->flat;

    if (!flat)
        return;
    mmu->flat = NULL;
    for (unsigned i = 0; i < MMU_VIEWS; i++) {
        munmap(flat->view[i].base, FLAT_BYTES);
        window_destroy(flat->view[i].window);
        for (unsigned list = 0; list < TLB_LISTS; list++)
            free(flat->view[i].filled[list].fill);
    }
    free(flat);
}

uint8_t *flat_base(const struct flat *flat, enum mmu_view view)
{
    return flat->view[view].base;
}

/* Remembers an entry, so that a flush costs as much as was filled. False when memory is short: then nothing is entered,
 * and accesses to the page stay slow. */
static bool remember(struct fills *fills, const struct fill *fill)
{
    if (fills->count == fills->size) {
        uint32_t size = fills->size ? fills->size * 2 : 256;
        struct fill *grown = realloc(fills->fill, size * sizeof *grown);

        if (!grown)
            return false;
        fills->fill = grown;
        fills->size = size;
    }
    fills->fill[fills->count] = *fill;
    if (fill->table >= FLAT_WRITE1) {
        uint32_t *chain = &fills->chain[fill->phys_page % WRITE_CHAINS];

        fills->fill[fills->count].next = *chain;
        *chain = fills->count;
    }
    fills->count++;
    return true;
}

static void drop_list(struct flat_view *v, enum tlb_list list)
{
    struct fills *fills = &v->filled[list];

    if (v->window && fills->count)
        window_drop_all(v->window); /* at once: page by page would cost more */
    for (uint32_t i = 0; i < fills->count; i++)
        drop_entry(v, &fills->fill[i]);
    if (fills->count)
        memset(fills->chain, 0xff, sizeof fills->chain);
    fills->count = 0;
}

/* False if `addend` was not entered. */
static bool enter(struct mmu *mmu, const struct tlb_entry *e, uint64_t addend, lin_addr address, enum flat_table table,
                  enum mmu_view view)
{
    struct flat_view *v = &mmu->flat->view[view];
    struct fill fill = {.page = address >> PHYS_PAGE_SHIFT, .phys_page = e->phys_page, .table = (uint8_t)table};

    const enum tlb_list list = e->is_global ? TLB_LIST_GLOBAL : TLB_LIST_LOCAL;

    if (*entry_at(v, table, fill.page) == addend)
        return addend != 0;
    if (v->filled[list].count == FILLS_MAX)
        drop_list(v, list);
    if (!remember(&v->filled[list], &fill))
        return false;
    set_entry(v, table, fill.page, addend);
    *present_at(v, fill.page) |= (uint16_t)(1u << table);
    return true;
}

bool flat_fill(struct mmu *mmu, lin_addr address, unsigned width, bool is_write, enum mmu_view view)
{
    static const uint8_t kind[17] = {[2] = 1, [4] = 2, [8] = 3, [16] = 4}; /* 10 uses the table for bytes */
    const struct tlb_entry *e = tlb_slot(mmu, address, view);
    const unsigned by_alignment = address & (width - 1) ? 0 : kind[width];

    if ((is_write ? e->write_tag & ~(uint32_t)TLB_JOURNAL : e->read_tag) != (address & ~(lin_addr)0xfff))
        return false;
    return enter(mmu, e, e->addend, address, (enum flat_table)((is_write ? FLAT_WRITE1 : FLAT_READ1) + by_alignment),
                 view);
}

bool flat_fill_group(struct mmu *mmu, lin_addr address, bool writes, enum mmu_view view)
{
    const struct tlb_entry *e = tlb_slot(mmu, address, view);

    if ((writes ? e->write_tag : e->read_tag) != (address & ~(lin_addr)0xfff) ||
        (writes && e->read_tag != e->write_tag))
        return false;
    return enter(mmu, e, e->addend, address, writes ? FLAT_WRITE_GROUP : FLAT_READ_GROUP, view);
}

void flat_fill_checked(struct mmu *mmu, lin_addr address, const void *code_bytes, enum mmu_view view)
{
    const struct tlb_entry *e = tlb_slot(mmu, address, view);

    if (e->write_tag == ((address & ~(lin_addr)0xfff) | TLB_WATCHED) &&
        enter(mmu, e, e->addend, address, FLAT_CHECKED, view))
        enter(mmu, e, (uintptr_t)code_bytes, address, FLAT_CODE_BYTES, view);
}

bool flat_is_checked(const struct mmu *mmu, lin_addr address, enum mmu_view view)
{
    return *entry_at(&mmu->flat->view[view], FLAT_CODE_BYTES, address >> PHYS_PAGE_SHIFT) != 0;
}

uint64_t flat_code_address(const struct flat *flat, const uint8_t *host)
{
    const uint64_t address = (uint64_t)(uintptr_t)host - flat->ram_end;

    return address <= UINT32_MAX || (int64_t)(address & ~(uint64_t)0xfff) == FLAT_CODE_NEVER ? 0 : address;
}

bool flat_code_is_near(const struct flat *flat)
{
    return flat->code_is_near;
}

bool flat_fill_exec(struct mmu *mmu, lin_addr address, enum mmu_view view)
{
    const struct tlb_entry *e = tlb_slot(mmu, address, view);
    const lin_addr page = address & ~(lin_addr)0xfff;
    const uint64_t code = flat_code_address(mmu->flat, (const uint8_t *)(e->addend + page));

    return e->exec_tag == page && code && enter(mmu, e, code - page, address, FLAT_EXEC, view);
}

void flat_drop_local(struct flat *flat)
{
    for (unsigned i = 0; i < MMU_VIEWS; i++)
        drop_list(&flat->view[i], TLB_LIST_LOCAL);
}

void flat_drop_all(struct flat *flat)
{
    for (unsigned i = 0; i < MMU_VIEWS; i++) {
        drop_list(&flat->view[i], TLB_LIST_LOCAL);
        drop_list(&flat->view[i], TLB_LIST_GLOBAL);
    }
}

/* What the lists name is cleared again at the next flush, which does no harm. Only tables that have an entry are looked
 * at: a guest's page faults come here, and a table's page that was never touched does not exist. */
void flat_drop_page(struct flat *flat, lin_addr address)
{
    const uint32_t page = address >> PHYS_PAGE_SHIFT;

    for (unsigned i = 0; i < MMU_VIEWS; i++) {
        uint16_t *present = present_at(&flat->view[i], page);

        for (; *present; *present &= (uint16_t)(*present - 1))
            set_entry(&flat->view[i], (enum flat_table)__builtin_ctz(*present), page, 0);
    }
}

/* A page that holds code and data comes here again and again, so what has been dropped leaves its chain. */
static void drop_writes(struct flat_view *v, struct fills *fills, uint32_t phys_page)
{
    uint32_t *at = &fills->chain[phys_page % WRITE_CHAINS];

    while (*at != NO_FILL) {
        const struct fill *fill = &fills->fill[*at];

        if (fill->phys_page == phys_page) {
            drop_entry(v, fill);
            *at = fill->next;
        } else {
            at = &fills->fill[*at].next;
        }
    }
}

void flat_drop_writes(struct flat *flat, uint32_t phys_page)
{
    for (unsigned i = 0; i < MMU_VIEWS; i++)
        for (unsigned list = 0; list < TLB_LISTS; list++)
            drop_writes(&flat->view[i], &flat->view[i].filled[list], phys_page);
}

/* ---- windows ---- */

bool flat_add_windows(struct mmu *mmu, enum window_policy policy)
{
    struct flat *flat = mmu->flat;

    /* A kernel's pages come and go with INVLPG and CR3, a program's stay: what is earned is the user's window. */
    for (unsigned i = policy == WINDOW_ALWAYS ? MMU_SUPERVISOR : MMU_USER; i < MMU_VIEWS; i++) {
        flat->view[i].window = window_create(mmu->phys, policy);
        if (!flat->view[i].window) {
            window_destroy(flat->view[0].window);
            flat->view[0].window = NULL;
            return false;
        }
    }
    return true;
}

struct window *flat_window(const struct flat *flat, enum mmu_view view)
{
    return flat->view[view].window;
}

#define PREFILL_RUNS 2048u

struct shown_page {
    uint32_t page, phys_page;
    bool writable, is_one; /* all tables lead to the same memory */
    uint64_t addend;
};

static int by_page(const void *a, const void *b)
{
    const uint32_t x = ((const struct shown_page *)a)->page, y = ((const struct shown_page *)b)->page;

    return x < y ? -1 : x > y;
}

/* A page that was dropped and filled anew is named for what it was before, too. */
static bool is_named_for(const struct fill *fill, const struct phys *phys, const uint8_t *host)
{
    const struct phys_slot *slot = phys_slot_at(phys, (phys_addr)fill->phys_page << PHYS_PAGE_SHIFT);

    return slot_has_host(slot) && slot->host == host;
}

/* What the tables hold of RAM, in the order of pages, each once. Returns the number of pages. */
static uint32_t pages_to_show(const struct mmu *mmu, const struct flat_view *v, struct shown_page *out)
{
    const uint8_t *ram = mmu->phys->ram;
    uint32_t n = 0, unique = 0;

    for (unsigned list = 0; list < TLB_LISTS; list++)
        for (uint32_t i = 0; i < v->filled[list].count; i++) {
            const struct fill *fill = &v->filled[list].fill[i];
            const uint64_t addend = *entry_at(v, fill->table, fill->page);
            const uint8_t *host = (const uint8_t *)(addend + ((uint64_t)fill->page << PHYS_PAGE_SHIFT));

            if (fill->table == FLAT_EXEC || fill->table >= FLAT_CODE_BYTES || !addend || host < ram ||
                host >= ram + mmu->phys->ram_bytes || !is_named_for(fill, mmu->phys, host))
                continue;
            out[n++] = (struct shown_page){fill->page, fill->phys_page, fill->table >= FLAT_WRITE1, true, addend};
        }
    qsort(out, n, sizeof *out, by_page);
    for (uint32_t i = 0; i < n; i++) {
        struct shown_page *last = unique ? &out[unique - 1] : NULL;

        if (last && last->page == out[i].page) {
            last->writable |= out[i].writable;
            last->is_one &= last->addend == out[i].addend && last->phys_page == out[i].phys_page;
        } else {
            out[unique++] = out[i];
        }
    }
    n = unique;
    unique = 0;
    for (uint32_t i = 0; i < n; i++)
        if (out[i].is_one)
            out[unique++] = out[i];
    return unique;
}

/* Pages from `first` on that one call can map. */
static uint32_t run_length(const struct shown_page *first, uint32_t left)
{
    uint32_t n = 1;

    while (n < left && first[n].page == first->page + n && first[n].addend == first->addend &&
           first[n].writable == first->writable)
        n++;
    return n;
}

/* What the window shows the tables for bytes must have. */
static bool enter_shown(struct flat_view *v, const struct shown_page *shown, enum tlb_list list)
{
    for (enum flat_table table = FLAT_READ1; table <= FLAT_WRITE1; table += FLAT_WRITE1 - FLAT_READ1) {
        const struct fill fill = {.page = shown->page, .phys_page = shown->phys_page, .table = (uint8_t)table};

        if (table == FLAT_WRITE1 && !shown->writable)
            break;
        if (*entry_at(v, table, fill.page) == shown->addend)
            continue;
        if (v->filled[list].count == FILLS_MAX || !remember(&v->filled[list], &fill))
            return false;
        set_entry(v, table, fill.page, shown->addend);
        *present_at(v, fill.page) |= (uint16_t)(1u << table);
    }
    return true;
}

static void show_pages(struct mmu *mmu, struct flat_view *v)
{
    const uint32_t most = v->filled[TLB_LIST_LOCAL].count + v->filled[TLB_LIST_GLOBAL].count;
    struct shown_page *shown = malloc((most + 1) * sizeof *shown);
    uint32_t n, entered = 0;

    if (!shown)
        return;
    n = pages_to_show(mmu, v, shown);
    /* A global page may be named as a local one: it is dropped with those then. */
    while (entered < n && enter_shown(v, &shown[entered], TLB_LIST_LOCAL))
        entered++;
    for (uint32_t i = 0, runs = 0; i < entered && runs < PREFILL_RUNS; runs++) {
        const uint32_t run = run_length(&shown[i], entered - i);

        window_map(v->window, shown[i].page, run,
                   (const uint8_t *)(shown[i].addend + ((uint64_t)shown[i].page << PHYS_PAGE_SHIFT)),
                   shown[i].writable);
        i += run;
    }
    free(shown);
}

bool flat_open_window(struct mmu *mmu, enum mmu_view view, struct window_time time)
{
    struct flat_view *v = &mmu->flat->view[view];

    if (!window_open(v->window, mmu->paging.cr3, time))
        return false;
    if (!mmu->journal) /* which wants to see the first write to each page */
        show_pages(mmu, v);
    return true;
}

enum flat_window_fill flat_fill_window(struct mmu *mmu, lin_addr address, bool is_write, enum mmu_view view)
{
    struct flat_view *v = &mmu->flat->view[view];
    const struct tlb_entry *e = tlb_slot(mmu, address, view);
    const uint32_t page = address >> PHYS_PAGE_SHIFT;
    bool writable;

    if (!v->window || !window_pay(v->window))
        return FLAT_WINDOW_CLOSED;
    if (!flat_fill(mmu, address, 1, false, view))
        return FLAT_WINDOW_REFUSED;
    writable = (is_write || !mmu->journal) && flat_fill(mmu, address, 1, true, view);
    if (!window_is_open(v->window)) /* a list was full: what it named is gone, the first of the two perhaps */
        return FLAT_WINDOW_CLOSED;
    if ((is_write && !writable) || window_state(v->window, page) >= (writable ? WINDOW_WRITE : WINDOW_READ))
        return FLAT_WINDOW_REFUSED;
    return window_map(v->window, page, 1, (const uint8_t *)(e->addend + (address & ~(lin_addr)0xfff)), writable)
               ? FLAT_WINDOW_FILLED
               : FLAT_WINDOW_REFUSED;
}
