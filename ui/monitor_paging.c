/*
 * The monitor's `info mem` and `info tlb`: the guest's page tables, entry by entry. Source: SDM vol. 3 "Paging". Tables
 * are read without side effects.
 */
#include "ui/monitor_internal.h"

#include <inttypes.h>

#include "softmmu/mmu.h"
#include "softmmu/phys.h"

enum page_entry {
    PTE_P = 1 << 0,
    PTE_W = 1 << 1,
    PTE_U = 1 << 2,
    PTE_PWT = 1 << 3,
    PTE_PCD = 1 << 4,
    PTE_A = 1 << 5,
    PTE_D = 1 << 6,
    PTE_PS = 1 << 7,
    PTE_G = 1 << 8,
};
#define PTE_NX       (UINT64_C(1) << 63)
#define ADDRESS_MASK UINT64_C(0x000ffffffffff000)

#define LINEAR_END UINT64_C(0x100000000)

/* Called for each page in order: `entry` maps it, `rights` are what all levels together grant. A size without a mapping
 * has the entry 0. */
typedef void visit_page(void *opaque, uint64_t linear, uint64_t size, uint64_t entry, unsigned rights);

struct tables {
    struct phys *phys;
    struct mmu_paging paging;
    visit_page *visit;
    void *opaque;
};

static uint64_t read_entry(const struct tables *t, uint64_t table, unsigned index)
{
    uint32_t low = 0;
    uint64_t entry = 0;

    if (t->paging.pae) {
        phys_peek(t->phys, phys_gate(t->phys, table + 8 * index), &entry, 8);
        return entry;
    }
    phys_peek(t->phys, phys_gate(t->phys, table + 4 * index), &low, 4);
    return low;
}

static void walk_table(const struct tables *t, uint64_t pde, uint64_t linear)
{
    unsigned n = t->paging.pae ? 512 : 1024;

    for (unsigned i = 0; i < n; i++, linear += PHYS_PAGE_SIZE) {
        uint64_t pte = read_entry(t, pde & ADDRESS_MASK, i);

        t->visit(t->opaque, linear, PHYS_PAGE_SIZE, pte & PTE_P ? pte & ~(uint64_t)PTE_PS : 0,
                 (unsigned)(pte & pde) & (PTE_P | PTE_W | PTE_U));
    }
}

static void walk_directory(const struct tables *t, uint64_t directory, uint64_t linear)
{
    unsigned n = t->paging.pae ? 512 : 1024;
    uint64_t size = t->paging.pae ? 2u << 20 : 4u << 20;

    for (unsigned i = 0; i < n; i++, linear += size) {
        uint64_t pde = read_entry(t, directory, i);

        if (!(pde & PTE_P))
            t->visit(t->opaque, linear, size, 0, 0);
        else if ((pde & PTE_PS) && (t->paging.pae || t->paging.pse))
            t->visit(t->opaque, linear, size, pde, (unsigned)pde & (PTE_P | PTE_W | PTE_U));
        else
            walk_table(t, pde, linear);
    }
}

static void walk_all(const struct tables *t)
{
    if (!t->paging.pae) {
        walk_directory(t, t->paging.cr3 & ADDRESS_MASK, 0);
        return;
    }
    for (unsigned i = 0; i < 4; i++) {
        if (t->paging.pdpte[i] & PTE_P)
            walk_directory(t, t->paging.pdpte[i] & ADDRESS_MASK, (uint64_t)i << 30);
        else
            t->visit(t->opaque, (uint64_t)i << 30, 1u << 30, 0, 0);
    }
}

/* ---- info tlb ---- */

static void print_page(void *opaque, uint64_t linear, uint64_t size, uint64_t entry, unsigned rights)
{
    FILE *out = opaque;

    if (!(entry & PTE_P))
        return;
    fprintf(out, "%016" PRIx64 ": %016" PRIx64 " %c%c%c%c%c%c%c%c%c\n", linear,
            entry & ADDRESS_MASK & ~(uint64_t)(size > PHYS_PAGE_SIZE ? 0xfffff : 0), entry & PTE_NX ? 'X' : '-',
            entry & PTE_G ? 'G' : '-', entry & PTE_PS ? 'P' : '-', entry & PTE_D ? 'D' : '-', entry & PTE_A ? 'A' : '-',
            entry & PTE_PCD ? 'C' : '-', entry & PTE_PWT ? 'T' : '-', entry & PTE_U ? 'U' : '-',
            entry & PTE_W ? 'W' : '-');
}

void monitor_print_pages(FILE *out, struct mmu *mmu)
{
    const struct tables t = {.phys = mmu->phys, .paging = mmu->paging, .visit = print_page, .opaque = out};

    if (mmu->paging.paging)
        walk_all(&t);
    else
        fputs("PG disabled\n", out);
}

/* ---- info mem ---- */

struct range {
    FILE *out;
    uint64_t start;
    unsigned rights; /* 0: nothing is mapped */
};

static void end_range(struct range *r, uint64_t end)
{
    if (r->rights)
        fprintf(r->out, "%016" PRIx64 "-%016" PRIx64 " %016" PRIx64 " %cr%c\n", r->start, end, end - r->start,
                r->rights & PTE_U ? 'u' : '-', r->rights & PTE_W ? 'w' : '-');
}

static void extend_range(void *opaque, uint64_t linear, uint64_t size, uint64_t entry, unsigned rights)
{
    struct range *r = opaque;

    if (!(entry & PTE_P))
        rights = 0;
    if (rights == r->rights)
        return;
    end_range(r, linear);
    r->start = linear;
    r->rights = rights;
}

void monitor_print_mappings(FILE *out, struct mmu *mmu)
{
    struct range range = {.out = out};
    const struct tables t = {.phys = mmu->phys, .paging = mmu->paging, .visit = extend_range, .opaque = &range};

    if (!mmu->paging.paging) {
        fputs("PG disabled\n", out);
        return;
    }
    walk_all(&t);
    end_range(&range, LINEAR_END);
}
