/*
 * The software TLB: fills, flushes, and everything that is not one compare and one access. Source: SDM vol. 3 "Paging",
 * "Caching Translation Information". The guest may see stale entries exactly where the SDM lets it, until INVLPG, a CR3
 * load or a page fault on the page; entries that are not present or not allowed are never cached.
 * Deviates: a debug breakpoint is looked for before the access, on each of its pages, once for the whole access. An
 * access that crosses into a page that faults may already have set accessed and dirty bits for the first page.
 */
#include "softmmu/mmu.h"

#include "hw/core/log.h"
#include "softmmu/flat.h"
#include "softmmu/phys_map.h"
#include "softmmu/walk.h"

#define PAGE_OFFSET 0xfffu
/* What a tag may carry and still hold a translation. */
#define TAG_NOTES (TLB_MMIO | TLB_WATCHED | TLB_DEBUG | TLB_JOURNAL)

static inline lin_addr page_of(lin_addr address)
{
    return address & ~(lin_addr)PAGE_OFFSET;
}

static inline bool tag_translates(uint32_t tag, lin_addr address)
{
    return (tag & ~(uint32_t)TAG_NOTES) == page_of(address);
}

/* ---- flush ---- */

static inline void drop_entry(struct tlb_entry *e)
{
    e->read_tag = TLB_INVALID;
    e->write_tag = TLB_INVALID;
    e->exec_tag = TLB_INVALID;
}

static inline struct tlb_entry *entry_of(struct mmu *mmu, uint16_t slot)
{
    return &mmu->tlb[0][0] + slot;
}

/* Drops the entries filled as `list` says. A slot may be named in both lists, when it was filled for both kinds in
 * turn; what it holds now decides. */
static void flush_list(struct mmu *mmu, enum tlb_list list)
{
    struct tlb_fills *fills = &mmu->filled[list];
    const bool global = list == TLB_LIST_GLOBAL;
    for (uint32_t i = 0; i < fills->count; i++) {
        struct tlb_entry *e = entry_of(mmu, fills->slot[i]);
        e->listed &= (uint8_t) ~(1u << list);
        if (e->is_global == global)
            drop_entry(e);
    }
    fills->count = 0;
}

void mmu_flush(struct mmu *mmu)
{
    mmu->flushes++;
    flush_list(mmu, TLB_LIST_LOCAL);
    flush_list(mmu, TLB_LIST_GLOBAL);
    mmu->large_regions = 0;
    if (mmu->flat)
        flat_drop_all(mmu->flat);
}

void mmu_init(struct mmu *mmu, struct phys *phys)
{
    memset(mmu, 0, sizeof *mmu);
    mmu->phys = phys;
    for (unsigned i = 0; i < MMU_VIEWS * TLB_ENTRIES; i++)
        drop_entry(entry_of(mmu, (uint16_t)i));
}

void mmu_set_paging(struct mmu *mmu, const struct mmu_paging *paging)
{
    const struct mmu_paging *old = &mmu->paging;
    bool same_mode = old->paging == paging->paging && old->pse == paging->pse && old->pae == paging->pae &&
                     old->wp == paging->wp && old->pge == paging->pge && old->nxe == paging->nxe;
    mmu->paging = *paging;
    if (!same_mode) {
        mmu_flush(mmu);
    } else if (paging->paging) { /* else linear is physical whatever CR3 holds */
        mmu->flushes++;
        flush_list(mmu, TLB_LIST_LOCAL);
        if (mmu->flat)
            flat_drop_local(mmu->flat);
    }
    if (log_is_on(LOG_MMU))
        log_printf(LOG_MMU, "mmu: cr3 %08x, %s\n", paging->cr3, same_mode ? "mode unchanged" : "new mode, flushed");
}

bool mmu_load_pdptes(struct mmu *mmu, uint32_t cr3, uint64_t out[4])
{
    bool good = true;
    for (unsigned i = 0; i < 4; i++) {
        out[i] = phys_read(mmu->phys, (cr3 & ~(phys_addr)0x1f) + 8 * i, 8);
        if (walk_pdpte_is_bad(out[i])) {
            out[i] = 0;
            good = false;
        }
    }
    return good;
}

static inline uint64_t region_bit(lin_addr address)
{
    return (uint64_t)1 << (address >> 26);
}

static void drop_large_pieces(struct mmu *mmu, lin_addr address)
{
    const lin_addr large_page = mmu->paging.pae ? ~(lin_addr)0x1fffff : ~(lin_addr)0x3fffff;
    for (unsigned list = 0; list < TLB_LISTS; list++) {
        const struct tlb_fills *fills = &mmu->filled[list];
        for (uint32_t i = 0; i < fills->count; i++) {
            struct tlb_entry *e = entry_of(mmu, fills->slot[i]);
            /* A filled entry always has a read tag; an invalid one matches a page at most by chance, harmlessly. */
            if (e->is_large && !((e->read_tag ^ address) & large_page))
                drop_entry(e);
        }
    }
}

static void drop_page(struct mmu *mmu, lin_addr address)
{
    for (enum mmu_view view = 0; view < MMU_VIEWS; view++) {
        struct tlb_entry *e = tlb_slot(mmu, address, view);
        if (tag_translates(e->read_tag, address))
            drop_entry(e);
    }
    if (mmu->flat)
        flat_drop_page(mmu->flat, address);
    if (mmu->large_regions & region_bit(address)) {
        drop_large_pieces(mmu, address);
        if (mmu->flat)
            flat_drop_all(mmu->flat); /* it does not remember which pages were large */
    }
}

void mmu_flush_page(struct mmu *mmu, lin_addr address)
{
    mmu->flushes++;
    drop_page(mmu, address);
}

void mmu_rewatch(struct mmu *mmu, phys_addr page)
{
    const uint32_t phys_page = (uint32_t)(page >> PHYS_PAGE_SHIFT);
    const bool watched = phys_is_watched(mmu->phys, page);
    if (watched && mmu->flat)
        flat_drop_writes(mmu->flat, phys_page);
    for (unsigned list = 0; list < TLB_LISTS; list++) {
        const struct tlb_fills *fills = &mmu->filled[list];
        for (uint32_t i = 0; i < fills->count; i++) {
            struct tlb_entry *e = entry_of(mmu, fills->slot[i]);
            if (e->phys_page == phys_page) /* on a tag without a right to write the note is harmless */
                e->write_tag = watched ? e->write_tag | TLB_WATCHED : e->write_tag & ~(uint32_t)TLB_WATCHED;
        }
    }
}

void mmu_set_debug_page(struct mmu *mmu, unsigned index, bool on, lin_addr address)
{
    if (mmu->debug_page_on[index])
        drop_page(mmu, mmu->debug_page[index]);
    mmu->debug_page_on[index] = on;
    mmu->debug_page[index] = page_of(address);
    if (on)
        drop_page(mmu, address);
    mmu->any_debug_page = false;
    for (unsigned i = 0; i < 4; i++)
        mmu->any_debug_page |= mmu->debug_page_on[i];
}

/* ---- fill ---- */

static bool page_has_breakpoint(const struct mmu *mmu, lin_addr page)
{
    for (unsigned i = 0; i < 4; i++) {
        if (mmu->debug_page_on[i] && mmu->debug_page[i] == page)
            return true;
    }
    return false;
}

static void list_entry(struct mmu *mmu, struct tlb_entry *e, enum tlb_list list)
{
    if (e->listed & 1u << list)
        return;
    e->listed |= (uint8_t)(1u << list);
    struct tlb_fills *fills = &mmu->filled[list];
    fills->slot[fills->count++] = (uint16_t)(e - &mmu->tlb[0][0]);
}

/* Walks for one access and caches what the page allows. Raises #PF if the access is not allowed. */
static __attribute__((noinline)) struct tlb_entry *fill(struct mmu *mmu, lin_addr address, enum walk_access access,
                                                        enum mmu_view view)
{
    struct walk walk;
    mmu->walks++;
    if (__builtin_expect(mmu->journal != NULL, 0) && mmu->journal->is_on)
        mmu->journal->walk(mmu->journal, address);
    if (!walk_page(mmu->phys, &mmu->paging, address, access, view, &walk)) {
        drop_page(mmu, address); /* "Invalidation of TLBs": a fault forgets what was cached for the page */
        if (log_is_on(LOG_MMU))
            log_printf(LOG_MMU, "mmu: page fault at %08x, error code %x\n", address, walk.error_code);
        mmu->page_fault(mmu->opaque, address, walk.error_code);
    }

    struct tlb_entry *e = tlb_slot(mmu, address, view);
    const struct phys_slot *slot = phys_slot_at(mmu->phys, walk.page);
    const lin_addr page = page_of(address);
    uint32_t read = page, write = page, exec = page;
    if (slot_has_host(slot)) {
        e->addend = (uintptr_t)slot->host - page;
        if (slot->kind != SLOT_RAM)
            write |= TLB_MMIO;
        else if (slot->is_watched)
            write |= TLB_WATCHED;
    } else {
        e->addend = 0;
        read |= TLB_MMIO;
        write |= TLB_MMIO;
        exec |= TLB_MMIO;
    }
    if (__builtin_expect(mmu->any_debug_page, 0) && page_has_breakpoint(mmu, page)) {
        read |= TLB_DEBUG;
        write |= TLB_DEBUG;
    }
    if (__builtin_expect(mmu->journal != NULL, 0))
        write |= TLB_JOURNAL;
    e->read_tag = read;
    /* Until the dirty bit is set the first write has to come here; a write has just set it (or the table is in ROM). */
    e->write_tag = walk.is_writable && walk.is_dirty ? write : TLB_INVALID;
    e->exec_tag = walk.is_executable ? exec : TLB_INVALID;
    e->phys_page = (uint32_t)(walk.page >> PHYS_PAGE_SHIFT);
    e->is_global = walk.is_global;
    e->is_large = walk.is_large;
    if (walk.is_large)
        mmu->large_regions |= region_bit(address);
    list_entry(mmu, e, walk.is_global ? TLB_LIST_GLOBAL : TLB_LIST_LOCAL);
    return e;
}

static inline struct tlb_entry *entry_for_read(struct mmu *mmu, lin_addr address, enum mmu_view view)
{
    struct tlb_entry *e = tlb_slot(mmu, address, view);
    return tag_translates(e->read_tag, address) ? e : fill(mmu, address, WALK_READ, view);
}

static inline struct tlb_entry *entry_for_write(struct mmu *mmu, lin_addr address, enum mmu_view view)
{
    struct tlb_entry *e = tlb_slot(mmu, address, view);
    return tag_translates(e->write_tag, address) ? e : fill(mmu, address, WALK_WRITE, view);
}

static inline phys_addr phys_of(const struct tlb_entry *e, lin_addr address)
{
    return (phys_addr)e->phys_page << PHYS_PAGE_SHIFT | (address & PAGE_OFFSET);
}

static inline uint8_t *host_of(const struct tlb_entry *e, lin_addr address)
{
    return (uint8_t *)(address + e->addend);
}

/* Bytes from `address` to the end of its page. */
static inline uint32_t room_in_page(lin_addr address)
{
    return PHYS_PAGE_SIZE - (address & PAGE_OFFSET);
}

/* ---- loads and stores ---- */

/* Guest and host are little-endian; fixed sizes, so that the compiler needs no call. */
static inline uint64_t load_host(const uint8_t *host, unsigned width)
{
    uint64_t value = 0;
    switch (width) {
    case 1:
        return *host;
    case 2:
        memcpy(&value, host, 2);
        return value;
    case 4:
        memcpy(&value, host, 4);
        return value;
    default:
        memcpy(&value, host, 8);
        return value;
    }
}

static inline void store_host(uint8_t *host, uint64_t value, unsigned width)
{
    switch (width) {
    case 1:
        *host = (uint8_t)value;
        break;
    case 2:
        memcpy(host, &value, 2);
        break;
    case 4:
        memcpy(host, &value, 4);
        break;
    default:
        memcpy(host, &value, 8);
        break;
    }
}

static void note_debug_access(struct mmu *mmu, lin_addr address, unsigned width, bool is_write)
{
    if (mmu->debug_access)
        mmu->debug_access(mmu->opaque, address, width, is_write);
}

/* Before an access whose tag is `tag`; a write is of `width` bytes at `address`. */
static void note_in_journal(struct mmu *mmu, uint32_t tag, phys_addr address, unsigned width, bool is_write)
{
    struct mmu_journal *journal = mmu->journal;

    if (__builtin_expect(journal == NULL, 1) || !journal->is_on)
        return;
    if (tag & (is_write ? TLB_MMIO | TLB_WATCHED | TLB_DEBUG : TLB_MMIO | TLB_DEBUG))
        journal->other(journal);
    else if (is_write)
        journal->write(journal, address, width);
}

/* An access that crosses into the next page, both pages checked: where its two parts lie. */
struct crossing {
    phys_addr first, second;
    uint32_t first_bytes;
};

static struct crossing cross(struct mmu *mmu, lin_addr address, unsigned width, enum mmu_view view, bool is_write)
{
    struct crossing c = {.first_bytes = room_in_page(address)};
    const lin_addr next = address + c.first_bytes; /* wraps at 4 GiB */
    const struct tlb_entry *e = is_write ? entry_for_write(mmu, address, view) : entry_for_read(mmu, address, view);
    uint32_t tags = is_write ? e->write_tag : e->read_tag;
    c.first = phys_of(e, address);
    e = is_write ? entry_for_write(mmu, next, view) : entry_for_read(mmu, next, view);
    tags |= is_write ? e->write_tag : e->read_tag;
    c.second = phys_of(e, next);
    note_in_journal(mmu, tags, c.first, c.first_bytes, is_write);
    note_in_journal(mmu, tags, c.second, width - c.first_bytes, is_write);
    if (tags & TLB_DEBUG)
        note_debug_access(mmu, address, width, is_write);
    return c;
}

uint64_t mmu_load_slow(struct mmu *mmu, lin_addr address, unsigned width, enum mmu_view view)
{
    if (__builtin_expect(width > room_in_page(address), 0)) {
        const struct crossing c = cross(mmu, address, width, view, false);
        uint64_t value = 0;
        uint8_t *bytes = (uint8_t *)&value;
        phys_read_bytes(mmu->phys, c.first, bytes, c.first_bytes);
        phys_read_bytes(mmu->phys, c.second, bytes + c.first_bytes, width - c.first_bytes);
        return value;
    }
    const struct tlb_entry *e = entry_for_read(mmu, address, view);
    note_in_journal(mmu, e->read_tag, phys_of(e, address), width, false);
    if (e->read_tag & TLB_DEBUG)
        note_debug_access(mmu, address, width, false);
    if (e->read_tag & TLB_MMIO)
        return phys_read(mmu->phys, phys_of(e, address), width);
    return load_host(host_of(e, address), width);
}

void mmu_store_slow(struct mmu *mmu, lin_addr address, uint64_t value, unsigned width, enum mmu_view view)
{
    if (__builtin_expect(width > room_in_page(address), 0)) {
        const struct crossing c = cross(mmu, address, width, view, true);
        const uint8_t *bytes = (const uint8_t *)&value;
        phys_write_bytes(mmu->phys, c.first, bytes, c.first_bytes);
        phys_write_bytes(mmu->phys, c.second, bytes + c.first_bytes, width - c.first_bytes);
        return;
    }
    const struct tlb_entry *e = entry_for_write(mmu, address, view);
    note_in_journal(mmu, e->write_tag, phys_of(e, address), width, true);
    if (e->write_tag & TLB_DEBUG)
        note_debug_access(mmu, address, width, true);
    if (e->write_tag & TLB_MMIO) {
        phys_write(mmu->phys, phys_of(e, address), value, width);
        return;
    }
    store_host(host_of(e, address), value, width);
    if (e->write_tag & TLB_WATCHED)
        phys_note_write(mmu->phys, phys_of(e, address), width);
}

/* Calls for each page of [address, address + len_bytes): the first faulting byte's address reaches page_fault. */
static void check_range(struct mmu *mmu, lin_addr address, uint32_t len_bytes, enum mmu_view view, bool is_write)
{
    while (len_bytes > 0) {
        if (is_write)
            entry_for_write(mmu, address, view);
        else
            entry_for_read(mmu, address, view);
        uint32_t n = room_in_page(address);
        if (n >= len_bytes)
            return;
        address += n;
        len_bytes -= n;
    }
}

void mmu_check_write(struct mmu *mmu, lin_addr address, unsigned width, enum mmu_view view)
{
    check_range(mmu, address, width, view, true);
}

void mmu_check_read(struct mmu *mmu, lin_addr address, unsigned width, enum mmu_view view)
{
    check_range(mmu, address, width, view, false);
}

void mmu_load_bytes(struct mmu *mmu, lin_addr address, void *buffer, uint32_t len_bytes, enum mmu_view view)
{
    uint8_t *out = buffer;
    if (len_bytes > room_in_page(address))
        check_range(mmu, address, len_bytes, view, false);
    while (len_bytes > 0) {
        uint32_t n = room_in_page(address) < len_bytes ? room_in_page(address) : len_bytes;
        const struct tlb_entry *e = entry_for_read(mmu, address, view);
        note_in_journal(mmu, e->read_tag, phys_of(e, address), n, false);
        if (e->read_tag & TLB_DEBUG)
            note_debug_access(mmu, address, n, false);
        if (e->read_tag & TLB_MMIO)
            phys_read_bytes(mmu->phys, phys_of(e, address), out, n);
        else
            memcpy(out, host_of(e, address), n);
        address += n;
        out += n;
        len_bytes -= n;
    }
}

void mmu_store_bytes(struct mmu *mmu, lin_addr address, const void *buffer, uint32_t len_bytes, enum mmu_view view)
{
    const uint8_t *in = buffer;
    if (len_bytes > room_in_page(address))
        check_range(mmu, address, len_bytes, view, true);
    while (len_bytes > 0) {
        uint32_t n = room_in_page(address) < len_bytes ? room_in_page(address) : len_bytes;
        const struct tlb_entry *e = entry_for_write(mmu, address, view);
        note_in_journal(mmu, e->write_tag, phys_of(e, address), n, true);
        if (e->write_tag & TLB_DEBUG)
            note_debug_access(mmu, address, n, true);
        phys_write_bytes(mmu->phys, phys_of(e, address), in, n);
        address += n;
        in += n;
        len_bytes -= n;
    }
}

/* ---- host pointers ---- */

uint8_t *mmu_host_for_read(struct mmu *mmu, lin_addr address, enum mmu_view view)
{
    const struct tlb_entry *e = entry_for_read(mmu, address, view);
    return e->read_tag & (TLB_MMIO | TLB_DEBUG) ? NULL : host_of(e, address);
}

uint8_t *mmu_host_for_write(struct mmu *mmu, lin_addr address, enum mmu_view view)
{
    const struct tlb_entry *e = entry_for_write(mmu, address, view);
    return e->write_tag & TAG_NOTES ? NULL : host_of(e, address);
}

phys_addr mmu_fetch_slow(struct mmu *mmu, lin_addr address, enum mmu_view view, uint8_t **host)
{
    const struct tlb_entry *e = tlb_slot(mmu, address, view);
    if (!tag_translates(e->exec_tag, address))
        e = fill(mmu, address, WALK_FETCH, view);
    *host = e->exec_tag & TLB_MMIO ? NULL : host_of(e, address);
    return phys_of(e, address);
}

bool mmu_debug_translate(struct mmu *mmu, lin_addr address, phys_addr *out)
{
    return walk_peek(mmu->phys, &mmu->paging, address, out);
}
