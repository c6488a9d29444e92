/*
 * Page walkers: no paging, 32-bit paging with 4 MiB pages (PSE, PSE-36), PAE with 2 MiB pages and execute-disable.
 * Source: SDM vol. 3 "Paging": "32-Bit Paging", "PAE Paging", "Access Rights", "Page-Fault Exceptions", "Accessed and
 * Dirty Flags". MAXPHYADDR is 36.
 *
 * An entry that leads to a page table is marked accessed as soon as it is followed, as processors do it; the entry that
 * maps the page only once the access is known to be allowed. With one processor the updates need no lock.
 */
#include "softmmu/walk.h"

#include <string.h>

#include "softmmu/phys_map.h"

enum {
    ENTRY_P = 1 << 0,
    ENTRY_RW = 1 << 1,
    ENTRY_US = 1 << 2,
    ENTRY_A = 1 << 5,
    ENTRY_D = 1 << 6,
    ENTRY_PS = 1 << 7, /* in a page-directory entry */
    ENTRY_G = 1 << 8,
};

#define ENTRY_XD            ((uint64_t)1 << 63)
#define ENTRY_ADDRESS       (PHYS_PAGE_MASK & (PHYS_LIMIT - 1))
#define PDE_4M_RESERVED     0x003e0000u                     /* bits 21:17: address bits above 35 */
#define PAE_RESERVED        (~ENTRY_XD & ~(PHYS_LIMIT - 1)) /* bits 62:36 */
#define PAE_PDE_2M_RESERVED 0x001fe000u                     /* bits 20:13 */
#define PAE_PDPTE_RESERVED  (~(PHYS_LIMIT - 1) | 0x1e6u)    /* bits 63:36, 8:5, 2:1 */

/* An entry as found in memory, and where to put it back. */
struct entry {
    uint64_t value;
    phys_addr address;
    uint8_t *host; /* plain RAM that nobody watches; NULL: through phys */
};

static inline struct entry read_entry(struct phys *phys, phys_addr address, unsigned width)
{
    struct entry entry = {.value = 0, .address = address & phys->gate_mask};
    const struct phys_slot *slot = phys_slot_at(phys, entry.address);
    if (slot_has_host(slot)) {
        uint8_t *host = slot->host + (entry.address & ~PHYS_PAGE_MASK);
        if (width == 4) {
            uint32_t value;
            memcpy(&value, host, sizeof value);
            entry.value = value;
        } else {
            memcpy(&entry.value, host, sizeof entry.value);
        }
        if (slot->kind == SLOT_RAM && !slot->is_watched)
            entry.host = host;
    } else {
        entry.value = phys_read(phys, entry.address, width);
    }
    return entry;
}

/* Accessed and dirty bits all lie in the entry's low 32 bits, and only those are written: the other half cannot have
 * changed. */
static inline void set_in_entry(struct phys *phys, struct entry *entry, uint32_t bits)
{
    if ((entry->value & bits) == bits)
        return;
    entry->value |= bits;
    uint32_t low = (uint32_t)entry->value;
    if (entry->host)
        memcpy(entry->host, &low, sizeof low);
    else
        phys_write(phys, entry->address, low, sizeof low);
}

static inline bool fail(struct walk *out, uint32_t cause, uint32_t access_bits)
{
    out->error_code = cause | access_bits;
    return false;
}

/* One walker for both formats; `is_pae` is constant in each copy. */
static inline __attribute__((always_inline)) bool walk_tables(struct phys *phys, const struct mmu_paging *paging,
                                                              lin_addr address, enum walk_access access,
                                                              enum mmu_view view, struct walk *out, bool is_pae)
{
    const unsigned width = is_pae ? 8 : 4;
    const uint64_t reserved = is_pae ? PAE_RESERVED | (paging->nxe ? 0 : ENTRY_XD) : 0;
    const bool has_xd = is_pae && paging->nxe;
    uint32_t access_bits = (access == WALK_WRITE ? PF_WRITE : 0) | (view == MMU_USER ? PF_USER : 0) |
                           (access == WALK_FETCH && has_xd ? PF_FETCH : 0);
    phys_addr directory = is_pae ? paging->pdpte[address >> 30] : paging->cr3;
    if (is_pae && !(directory & ENTRY_P))
        return fail(out, 0, access_bits);

    phys_addr index = is_pae ? address >> 21 & 0x1ff : address >> 22;
    struct entry leaf = read_entry(phys, (directory & ENTRY_ADDRESS) + index * width, width);
    if (!(leaf.value & ENTRY_P))
        return fail(out, 0, access_bits);
    if (leaf.value & reserved)
        return fail(out, PF_PRESENT | PF_RESERVED, access_bits);

    uint64_t rights = leaf.value, xd = leaf.value & ENTRY_XD;
    phys_addr page;
    out->is_large = leaf.value & ENTRY_PS && (is_pae || paging->pse);
    if (out->is_large && is_pae) {
        if (leaf.value & PAE_PDE_2M_RESERVED)
            return fail(out, PF_PRESENT | PF_RESERVED, access_bits);
        page = (leaf.value & ENTRY_ADDRESS & ~(phys_addr)0x1fffff) | (address & 0x1ff000);
    } else if (out->is_large) {
        if (leaf.value & PDE_4M_RESERVED)
            return fail(out, PF_PRESENT | PF_RESERVED, access_bits);
        page = (leaf.value & 0xffc00000) | (leaf.value >> 13 & 0xf) << 32 | (address & 0x3ff000);
    } else {
        set_in_entry(phys, &leaf, ENTRY_A);
        index = address >> PHYS_PAGE_SHIFT & (is_pae ? 0x1ff : 0x3ff);
        leaf = read_entry(phys, (leaf.value & ENTRY_ADDRESS) + index * width, width);
        if (!(leaf.value & ENTRY_P))
            return fail(out, 0, access_bits);
        if (leaf.value & reserved)
            return fail(out, PF_PRESENT | PF_RESERVED, access_bits);
        rights &= leaf.value;
        xd |= leaf.value & ENTRY_XD;
        page = leaf.value & ENTRY_ADDRESS;
    }

    out->is_writable = rights & ENTRY_RW || (view == MMU_SUPERVISOR && !paging->wp);
    out->is_executable = !xd; /* without NXE the bit is reserved, and is clear here */
    if ((view == MMU_USER && !(rights & ENTRY_US)) || (access == WALK_WRITE && !out->is_writable) ||
        (access == WALK_FETCH && !out->is_executable))
        return fail(out, PF_PRESENT, access_bits);

    set_in_entry(phys, &leaf, access == WALK_WRITE ? ENTRY_A | ENTRY_D : ENTRY_A);
    out->page = page & phys->gate_mask;
    out->is_dirty = leaf.value & ENTRY_D;
    out->is_global = leaf.value & ENTRY_G && paging->pge;
    return true;
}

bool walk_page(struct phys *phys, const struct mmu_paging *paging, lin_addr address, enum walk_access access,
               enum mmu_view view, struct walk *out)
{
    if (!paging->paging) {
        *out = (struct walk){.page = address & PHYS_PAGE_MASK & phys->gate_mask,
                             .is_writable = true,
                             .is_executable = true,
                             .is_dirty = true};
        return true;
    }
    if (paging->pae)
        return walk_tables(phys, paging, address, access, view, out, true);
    return walk_tables(phys, paging, address, access, view, out, false);
}

static uint64_t peek_entry(struct phys *phys, phys_addr address, unsigned width)
{
    uint64_t value = 0;
    phys_peek(phys, phys_gate(phys, address), &value, width);
    return value;
}

bool walk_peek(struct phys *phys, const struct mmu_paging *paging, lin_addr address, phys_addr *out)
{
    phys_addr page_size = PHYS_PAGE_SIZE, page = address & PHYS_PAGE_MASK;
    if (paging->paging) {
        const unsigned width = paging->pae ? 8 : 4;
        const uint64_t reserved = paging->pae ? PAE_RESERVED | (paging->nxe ? 0 : ENTRY_XD) : 0;
        phys_addr table = paging->pae ? paging->pdpte[address >> 30] : paging->cr3;
        if (paging->pae && !(table & ENTRY_P))
            return false;
        phys_addr index = paging->pae ? address >> 21 & 0x1ff : address >> 22;
        uint64_t entry = peek_entry(phys, (table & ENTRY_ADDRESS) + index * width, width);
        if (!(entry & ENTRY_P) || entry & reserved)
            return false;
        if (entry & ENTRY_PS && (paging->pae || paging->pse)) {
            if (entry & (paging->pae ? PAE_PDE_2M_RESERVED : PDE_4M_RESERVED))
                return false;
            page_size = paging->pae ? 1u << 21 : 1u << 22;
            page = entry & ENTRY_ADDRESS & ~(page_size - 1);
            if (!paging->pae)
                page |= (entry >> 13 & 0xf) << 32;
        } else {
            index = address >> PHYS_PAGE_SHIFT & (paging->pae ? 0x1ff : 0x3ff);
            entry = peek_entry(phys, (entry & ENTRY_ADDRESS) + index * width, width);
            if (!(entry & ENTRY_P) || entry & reserved)
                return false;
            page = entry & ENTRY_ADDRESS;
        }
    }
    *out = phys_gate(phys, page | (address & (page_size - 1)));
    return true;
}

bool walk_pdpte_is_bad(uint64_t pdpte)
{
    return pdpte & ENTRY_P && pdpte & PAE_PDPTE_RESERVED;
}
