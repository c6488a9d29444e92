/*
 * The body of struct phys, for softmmu's own files: a two-level table of pages over the 36-bit physical space.
 *
 * A page that is one thing throughout is described by its slot alone. A page shared by several mappings (small PCI
 * ranges) points to a sorted list of pieces that covers it without gaps.
 */
#ifndef SOFTMMU_PHYS_MAP_H
#define SOFTMMU_PHYS_MAP_H

#include "softmmu/phys.h"

#define PHYS_LIMIT       ((phys_addr)1 << PHYS_ADDR_BITS)
#define PHYS_TABLE_SHIFT 12 /* pages per second-level table: 16 MiB of address space */
#define PHYS_TABLE_SLOTS (1u << PHYS_TABLE_SHIFT)
#define PHYS_TABLES      (1u << (PHYS_ADDR_BITS - PHYS_PAGE_SHIFT - PHYS_TABLE_SHIFT))

enum slot_kind {
    SLOT_UNMAPPED, /* 0, so that a cleared table is an empty one */
    SLOT_MMIO,
    SLOT_SPLIT, /* several pieces */
    SLOT_ROM,   /* from here on `host` is valid */
    SLOT_RAM_READONLY,
    SLOT_RAM,
};
_Static_assert(SLOT_ROM > SLOT_SPLIT && SLOT_RAM_READONLY > SLOT_ROM && SLOT_RAM > SLOT_ROM, "slot_has_host()");

struct mmio_range {
    const struct bus_ops *ops;
    void *self;
    phys_addr base;
    uint64_t refs; /* slots and pieces that point here */
};

struct phys_split;

struct phys_slot {
    union {
        uint8_t *host; /* of the page's byte 0 */
        struct mmio_range *mmio;
        struct phys_split *split;
    };
    uint8_t kind; /* enum slot_kind */
    bool is_watched;
};

struct phys_piece {
    uint16_t start, end; /* offsets in the page, end exclusive */
    struct phys_slot content;
};

struct phys_split {
    unsigned n_pieces;
    struct phys_piece piece[];
};

struct phys {
    phys_addr gate_mask;
    struct phys_slot *table[PHYS_TABLES]; /* never NULL: `empty` where nothing is mapped */
    struct phys_slot *empty;
    uint8_t *ram;
    uint64_t ram_bytes;
    int ram_fd;
    bool a20;
    uint8_t *unmapped_logged; /* one bit per page */
    bool out_of_memory_said;
    void (*remapped)(void *opaque, bool was_memory);
    void *remapped_opaque;
    void (*written)(void *opaque, phys_addr address, unsigned len_bytes);
    void *written_opaque;
};

/* `address` below PHYS_LIMIT. */
static inline struct phys_slot *phys_slot_at(const struct phys *phys, phys_addr address)
{
    uint64_t page = address >> PHYS_PAGE_SHIFT;
    return &phys->table[page >> PHYS_TABLE_SHIFT][page & (PHYS_TABLE_SLOTS - 1)];
}

static inline bool slot_has_host(const struct phys_slot *slot)
{
    return slot->kind >= SLOT_ROM;
}

#endif
