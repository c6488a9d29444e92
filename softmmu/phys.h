/*
 * The guest's physical address space: RAM, ROM and MMIO, in pages of 4 KiB.
 *
 * RAM is one memfd mapped read-write. Every writer (CPU slow path, DMA, loaders) goes through phys_write* or marks the
 * page itself with phys_note_write(), so that code watches see every store.
 */
#ifndef SOFTMMU_PHYS_H
#define SOFTMMU_PHYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hw/core/bus.h"

#define PHYS_PAGE_SIZE  4096u
#define PHYS_PAGE_SHIFT 12
#define PHYS_PAGE_MASK  (~(phys_addr)0xfff)
#define PHYS_ADDR_BITS  36 /* PSE-36 and PAE width of this CPU class */

enum phys_kind { PHYS_UNMAPPED, PHYS_RAM, PHYS_ROM, PHYS_MMIO };

struct phys;

struct phys_page {
    enum phys_kind kind;
    uint8_t *host; /* RAM, ROM: the page's first byte in host memory; else NULL */
};

/* RAM of `ram_bytes` (multiple of 4 KiB), initially zero, mapped nowhere. NULL with errno set on failure. */
struct phys *phys_create(uint64_t ram_bytes);
void phys_destroy(struct phys *phys);
uint64_t phys_ram_bytes(const struct phys *phys);
/* Host address of RAM byte `offset`, for loaders that run before the guest does. */
uint8_t *phys_ram_host(struct phys *phys, uint64_t offset);

/* Any base and size: a page may be shared by several mappings (small PCI ranges), and is then handled as MMIO. A later
 * mapping replaces an earlier one, unmapping uncovers nothing; what lies above 36 bits or beyond RAM is clipped. Each
 * call calls the on_remap callback once. Watches stay. Read-only RAM (PAM shadow) is mapped with phys_map_ram_readonly.
 */
void phys_map_ram(struct phys *phys, phys_addr base, uint64_t size, uint64_t ram_offset);
void phys_map_ram_readonly(struct phys *phys, phys_addr base, uint64_t size, uint64_t ram_offset);
/* `host` stays owned by the caller and must outlive the mapping. Guest writes are ignored, phys_poke() writes. */
void phys_map_rom(struct phys *phys, phys_addr base, uint64_t size, uint8_t *host);
void phys_map_mmio(struct phys *phys, phys_addr base, uint64_t size, const struct bus_ops *ops, void *self);
void phys_unmap(struct phys *phys, phys_addr base, uint64_t size);
/* Called after any mapping changes; the CPU flushes its TLB, and its code if `was_memory`: RAM or ROM lay there, so
 * that somebody may have their host address. */
void phys_on_remap(struct phys *phys, void (*remapped)(void *opaque, bool was_memory), void *opaque);

/* A20 gate: while off, bit 20 of every CPU address is forced to 0 (DMA is unaffected). Calls on_remap when it moves. */
void phys_set_a20(struct phys *phys, bool enabled);
bool phys_a20(const struct phys *phys);
/* The address after the A20 gate and the 36-bit bus. */
phys_addr phys_gate(const struct phys *phys, phys_addr address);

/* What lies at `address` (gate it first for CPU accesses). Read-only RAM counts as ROM, a page of several mappings as
 * MMIO. */
struct phys_page phys_lookup(const struct phys *phys, phys_addr address);

/* CPU accesses of any alignment, crossing pages and kinds as needed; each page's address goes through the gate. Reads
 * of nothing give ones. A device may remap or unmap memory, itself included, while it is being accessed. */
uint64_t phys_read(struct phys *phys, phys_addr address, unsigned width); /* 1, 2, 4, 8 */
void phys_write(struct phys *phys, phys_addr address, uint64_t value, unsigned width);
/* The same for any length. */
void phys_read_bytes(struct phys *phys, phys_addr address, void *buffer, size_t len_bytes);
void phys_write_bytes(struct phys *phys, phys_addr address, const void *buffer, size_t len_bytes);
/* Monitor and loaders: RAM and ROM only, no MMIO side effects; bytes elsewhere read as ff / are dropped. */
void phys_peek(struct phys *phys, phys_addr address, void *buffer, size_t len_bytes);
void phys_poke(struct phys *phys, phys_addr address, const void *buffer, size_t len_bytes);

/* Code watch. A watched page reports every write into it through the one callback, after the bytes have changed. `page`
 * is any address in the page. The watch is on the physical address: RAM that is mapped twice is watched where it is
 * written, not at its other address. The watch of a page that nothing is mapped to is not kept. */
void phys_on_watched_write(struct phys *phys, void (*written)(void *opaque, phys_addr address, unsigned len_bytes),
                           void *opaque);
void phys_watch(struct phys *phys, phys_addr page, bool watched);
bool phys_is_watched(const struct phys *phys, phys_addr page);
/* For writers that store through a host pointer: reports to the watch if the page is watched. */
void phys_note_write(struct phys *phys, phys_addr address, unsigned len_bytes);

/* For people: what lies at `address`, and how far it goes on from there. RAM that the guest cannot write is PHYS_ROM.
 */
struct phys_region {
    phys_addr first;
    uint64_t len_bytes; /* 0: `address` is beyond the bus */
    enum phys_kind kind;
    const char *name; /* "ram", "rom" or the device's; NULL when unmapped */
    uint64_t offset;  /* of `first` in RAM or in the device's range */
};
struct phys_region phys_describe(const struct phys *phys, phys_addr address);

/* The bus's view of this memory (maps MMIO, does DMA). */
const struct bus_memory *phys_bus_memory(void);

#endif
