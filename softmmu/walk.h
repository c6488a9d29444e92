/*
 * Page walks: linear to physical through the guest's page tables, with the rights of the entries on the way.
 */
#ifndef SOFTMMU_WALK_H
#define SOFTMMU_WALK_H

#include <stdbool.h>
#include <stdint.h>

#include "softmmu/mmu.h"
#include "softmmu/phys.h"

enum walk_access { WALK_READ, WALK_WRITE, WALK_FETCH };

struct walk {
    phys_addr page;   /* of 4 KiB, through the A20 gate; of a large page, the piece asked for */
    bool is_writable; /* by the view that asked */
    bool is_executable;
    bool is_dirty;       /* after this access */
    bool is_global;      /* and CR4.PGE is on */
    bool is_large;       /* a piece of a 2 MiB or 4 MiB page */
    uint32_t error_code; /* when the walk failed */
};

/* Translates `address` for one access: checks rights and sets accessed and dirty bits. False: page fault with
 * out->error_code, all else in *out is undefined. */
bool walk_page(struct phys *phys, const struct mmu_paging *paging, lin_addr address, enum walk_access access,
               enum mmu_view view, struct walk *out);
/* Translates without side effects or rights, reading page tables in RAM and ROM alone; *out is the address after the
 * gate. False if not mapped. */
bool walk_peek(struct phys *phys, const struct mmu_paging *paging, lin_addr address, phys_addr *out);
/* True if a PDPTE that is present has a reserved bit set. */
bool walk_pdpte_is_bad(uint64_t pdpte);

#endif
