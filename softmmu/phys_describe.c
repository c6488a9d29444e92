/* The physical map as text-minded readers want it: stretches of one thing. For the monitor's `info mtree`. */
#include "softmmu/phys_map.h"

/* What lies at `address`, and where that piece of its page ends. */
static const struct phys_slot *content_at(const struct phys *phys, phys_addr address, phys_addr *end)
{
    const struct phys_slot *slot = phys_slot_at(phys, address);
    phys_addr page = address & PHYS_PAGE_MASK;

    *end = page + PHYS_PAGE_SIZE;
    if (slot->kind != SLOT_SPLIT)
        return slot;
    for (unsigned i = 0; i < slot->split->n_pieces; i++) {
        const struct phys_piece *piece = &slot->split->piece[i];

        if (address - page < piece->end) {
            *end = page + piece->end;
            return &piece->content;
        }
    }
    return slot; /* not reached: pieces cover their page */
}

static bool continues(const struct phys_slot *first, const struct phys_slot *next, uint64_t distance_pages)
{
    if (first->kind != next->kind)
        return false;
    if (first->kind == SLOT_UNMAPPED)
        return true;
    if (first->kind == SLOT_MMIO)
        return first->mmio == next->mmio;
    return (uintptr_t)next->host - (uintptr_t)first->host == distance_pages * PHYS_PAGE_SIZE;
}

struct phys_region phys_describe(const struct phys *phys, phys_addr address)
{
    struct phys_region region = {.first = address};
    const struct phys_slot *first, *next;
    phys_addr end;

    if (address >= PHYS_LIMIT)
        return region;
    first = next = content_at(phys, address, &end);
    while (end < PHYS_LIMIT) {
        phys_addr at = end;

        next = content_at(phys, at, &end);
        if (!continues(first, next, (at >> PHYS_PAGE_SHIFT) - (address >> PHYS_PAGE_SHIFT))) {
            end = at;
            break;
        }
        if (next->kind == SLOT_UNMAPPED && phys->table[at >> (PHYS_PAGE_SHIFT + PHYS_TABLE_SHIFT)] == phys->empty)
            end = ((at >> (PHYS_PAGE_SHIFT + PHYS_TABLE_SHIFT)) + 1) << (PHYS_PAGE_SHIFT + PHYS_TABLE_SHIFT);
    }
    region.len_bytes = end - address;
    switch (first->kind) {
    case SLOT_MMIO:
        region.kind = PHYS_MMIO;
        region.name = first->mmio->ops->name;
        region.offset = address - first->mmio->base;
        break;
    case SLOT_ROM:
        region.kind = PHYS_ROM;
        region.name = "rom";
        break;
    case SLOT_RAM:
    case SLOT_RAM_READONLY:
        region.kind = first->kind == SLOT_RAM ? PHYS_RAM : PHYS_ROM;
        region.name = "ram";
        region.offset = (uint64_t)(first->host - phys->ram) + (address & ~PHYS_PAGE_MASK);
        break;
    default:
        break;
    }
    return region;
}
