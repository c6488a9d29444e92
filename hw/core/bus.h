/*
 * The bus as a device sees it: I/O ports, memory-mapped registers and DMA into RAM.
 *
 * A device hands in a struct bus_ops; offsets given to it are local to the mapped range. Accesses wider than
 * max_width, or that straddle two ranges, are split by the bus into little-endian pieces, lowest address first;
 * accesses narrower than min_width are widened on read and merged by the device. Unmapped ports and addresses read
 * as all ones and ignore writes; the first access to each is logged.
 */
#ifndef HW_CORE_BUS_H
#define HW_CORE_BUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint64_t phys_addr; /* guest physical address */

struct bus;

struct bus_ops {
    const char *name; /* for logs and the monitor: "pit8254" */
    uint32_t (*read)(void *self, uint32_t offset, unsigned width); /* width 1, 2 or 4 bytes */
    void (*write)(void *self, uint32_t offset, uint32_t value, unsigned width);
    uint8_t max_width; /* widest access the device takes, 1, 2 or 4; 0 means 1 */
    /* Optional block transfer for REP INS/OUTS on a data port (IDE, fw_cfg): `count` items of `width` bytes.
     * Returns how many items were moved; the caller does the rest one by one. May be NULL. */
    uint32_t (*read_block)(void *self, uint32_t offset, void *buffer, unsigned width, uint32_t count);
    uint32_t (*write_block)(void *self, uint32_t offset, const void *buffer, unsigned width, uint32_t count);
};

/* What the bus needs from the physical memory map; softmmu/phys provides it. */
struct bus_memory {
    void (*map_mmio)(void *memory, phys_addr base, uint64_t size, const struct bus_ops *ops, void *self);
    void (*unmap)(void *memory, phys_addr base, uint64_t size);
    /* RAM only: bytes outside RAM read as ones / are dropped. Returns false if any byte was outside RAM. */
    bool (*dma_read)(void *memory, phys_addr address, void *buffer, size_t len_bytes);
    bool (*dma_write)(void *memory, phys_addr address, const void *buffer, size_t len_bytes);
};

/* `memory` is passed back to the callbacks; `calls` may be NULL in tests of port-only devices. NULL when out of memory. */
struct bus *bus_create(const struct bus_memory *calls, void *memory);
void bus_destroy(struct bus *bus);

/* Maps `count` ports from `base`. A later mapping covers an earlier one; unmapping uncovers nothing. */
void bus_map_ports(struct bus *bus, uint16_t base, uint32_t count, const struct bus_ops *ops, void *self);
void bus_unmap_ports(struct bus *bus, uint16_t base, uint32_t count);
void bus_map_mmio(struct bus *bus, phys_addr base, uint64_t size, const struct bus_ops *ops, void *self);
void bus_unmap_mmio(struct bus *bus, phys_addr base, uint64_t size);

/* CPU side. `width` is 1, 2 or 4. A port access that runs past FFFF wraps to 0. */
uint32_t bus_in(struct bus *bus, uint16_t port, unsigned width);
void bus_out(struct bus *bus, uint16_t port, uint32_t value, unsigned width);
/* Moves up to `count` items; returns how many were moved (0: no block path at this port, do one with bus_in/out). */
uint32_t bus_in_block(struct bus *bus, uint16_t port, void *buffer, unsigned width, uint32_t count);
uint32_t bus_out_block(struct bus *bus, uint16_t port, const void *buffer, unsigned width, uint32_t count);

/* For people: which device answers at `port` (NULL: none), and to how many ports from there on. */
const char *bus_port_device(const struct bus *bus, uint16_t port, uint32_t *n_ports);

/* Device side. See struct bus_memory. */
bool bus_dma_read(struct bus *bus, phys_addr address, void *buffer, size_t len_bytes);
bool bus_dma_write(struct bus *bus, phys_addr address, const void *buffer, size_t len_bytes);

#endif
