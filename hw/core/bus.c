/*
 * The bus: 64K I/O ports looked up through one table, MMIO and DMA handed on to the physical memory map.
 */
#include "hw/core/bus.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "hw/core/log.h"

#define N_PORTS    0x10000u
#define UNMAPPED   0 /* index of the range that stands for "nothing here" */
#define MAX_RANGES 0xffffu

struct port_range {
    const struct bus_ops *ops;
    void *self;
    uint16_t base;
    uint32_t n_ports; /* how many ports still lead here; 0: the slot is free */
};

struct bus {
    const struct bus_memory *calls;
    void *memory;
    uint16_t port[N_PORTS]; /* port -> index into ranges */
    uint8_t was_logged[N_PORTS / 8];
    struct port_range *ranges;
    uint32_t n_ranges, capacity;
};

struct bus *bus_create(const struct bus_memory *calls, void *memory)
{
    struct bus *bus = calloc(1, sizeof *bus);
    if (!bus)
        return NULL;
    bus->capacity = 64;
    bus->ranges = calloc(bus->capacity, sizeof *bus->ranges);
    if (!bus->ranges) {
        free(bus);
        return NULL;
    }
    bus->n_ranges = 1; /* UNMAPPED */
    bus->calls = calls;
    bus->memory = memory;
    return bus;
}

void bus_destroy(struct bus *bus)
{
    if (!bus)
        return;
    free(bus->ranges);
    free(bus);
}

/* ---- mapping ---- */

/* A free slot, or UNMAPPED when there is none. */
static uint32_t allocate_range(struct bus *bus)
{
    for (uint32_t i = 1; i < bus->n_ranges; i++)
        if (bus->ranges[i].n_ports == 0)
            return i;
    if (bus->n_ranges == MAX_RANGES)
        return UNMAPPED;
    if (bus->n_ranges == bus->capacity) {
        struct port_range *bigger = realloc(bus->ranges, 2ul * bus->capacity * sizeof *bigger);
        if (!bigger)
            return UNMAPPED;
        bus->ranges = bigger;
        bus->capacity *= 2;
    }
    return bus->n_ranges++;
}

static void point_ports(struct bus *bus, uint16_t base, uint32_t count, uint32_t range)
{
    for (uint32_t port = base; port < N_PORTS && port - base < count; port++) {
        bus->ranges[bus->port[port]].n_ports--; /* of UNMAPPED too, where nobody looks */
        bus->port[port] = (uint16_t)range;
        bus->ranges[range].n_ports++;
    }
}

void bus_map_ports(struct bus *bus, uint16_t base, uint32_t count, const struct bus_ops *ops, void *self)
{
    static bool said;
    if (count == 0)
        return;
    uint32_t range = allocate_range(bus);
    if (range == UNMAPPED) {
        log_once(&said, "bus: no room to map %s at port %04x\n", ops->name, base);
        return;
    }
    bus->ranges[range] = (struct port_range){.ops = ops, .self = self, .base = base};
    point_ports(bus, base, count, range);
}

void bus_unmap_ports(struct bus *bus, uint16_t base, uint32_t count)
{
    point_ports(bus, base, count, UNMAPPED);
}

void bus_map_mmio(struct bus *bus, phys_addr base, uint64_t size, const struct bus_ops *ops, void *self)
{
    if (bus->calls)
        bus->calls->map_mmio(bus->memory, base, size, ops, self);
}

void bus_unmap_mmio(struct bus *bus, phys_addr base, uint64_t size)
{
    if (bus->calls)
        bus->calls->unmap(bus->memory, base, size);
}

const char *bus_port_device(const struct bus *bus, uint16_t port, uint32_t *n_ports)
{
    uint32_t range = bus->port[port], end = port;

    while (end < N_PORTS && bus->port[end] == range)
        end++;
    *n_ports = end - port;
    return range == UNMAPPED ? NULL : bus->ranges[range].ops->name;
}

/* ---- CPU accesses ---- */

static unsigned max_width(const struct bus_ops *ops)
{
    return ops && ops->max_width ? ops->max_width : 1;
}

/* The widest piece of [port, port + width) that one device takes in one access. */
static unsigned piece_width(const struct bus *bus, uint16_t port, unsigned width)
{
    uint32_t range = bus->port[port];
    unsigned piece = max_width(bus->ranges[range].ops);
    while (piece > width)
        piece /= 2;
    for (; piece > 1; piece /= 2) {
        bool is_whole = port + piece <= N_PORTS;
        for (unsigned i = 1; is_whole && i < piece; i++)
            is_whole = bus->port[port + i] == range;
        if (is_whole)
            break;
    }
    return piece;
}

static void log_unmapped(struct bus *bus, uint16_t port, const char *verb)
{
    if (!log_is_on(LOG_UNIMP) || bus->was_logged[port / 8] & 1 << port % 8)
        return;
    bus->was_logged[port / 8] |= (uint8_t)(1 << port % 8);
    log_printf(LOG_UNIMP, "bus: %s unmapped port %04x\n", verb, port);
}

static uint32_t ones(unsigned width)
{
    return width >= 4 ? 0xffffffffu : (1u << 8 * width) - 1;
}

uint32_t bus_in(struct bus *bus, uint16_t port, unsigned width)
{
    uint32_t value = 0;
    const char *name = "-";
    for (unsigned done = 0, piece; done < width; done += piece) {
        uint16_t at = (uint16_t)(port + done);
        piece = piece_width(bus, at, width - done);
        struct port_range range = bus->ranges[bus->port[at]]; /* a copy: the device may remap ports */
        uint32_t part = 0xffffffffu;
        if (!range.ops)
            log_unmapped(bus, at, "read of");
        else if (range.ops->read)
            part = range.ops->read(range.self, (uint32_t)(at - range.base), piece);
        if (range.ops && done == 0)
            name = range.ops->name;
        value |= (part & ones(piece)) << 8 * done;
    }
    if (log_is_on(LOG_IO))
        log_printf(LOG_IO, "in  %04x.%u -> %0*" PRIx32 " %s\n", port, width, (int)width * 2, value, name);
    return value;
}

void bus_out(struct bus *bus, uint16_t port, uint32_t value, unsigned width)
{
    if (log_is_on(LOG_IO)) {
        const struct bus_ops *ops = bus->ranges[bus->port[port]].ops;
        log_printf(LOG_IO, "out %04x.%u <- %0*" PRIx32 " %s\n", port, width, (int)width * 2, value & ones(width),
                   ops ? ops->name : "-");
    }
    for (unsigned done = 0, piece; done < width; done += piece) {
        uint16_t at = (uint16_t)(port + done);
        piece = piece_width(bus, at, width - done);
        struct port_range range = bus->ranges[bus->port[at]];
        if (!range.ops)
            log_unmapped(bus, at, "write to");
        else if (range.ops->write)
            range.ops->write(range.self, (uint32_t)(at - range.base), value >> 8 * done & ones(piece), piece);
    }
}

uint32_t bus_in_block(struct bus *bus, uint16_t port, void *buffer, unsigned width, uint32_t count)
{
    struct port_range range = bus->ranges[bus->port[port]];
    if (!range.ops || !range.ops->read_block || piece_width(bus, port, width) != width)
        return 0;
    uint32_t moved = range.ops->read_block(range.self, (uint32_t)(port - range.base), buffer, width, count);
    if (log_is_on(LOG_IO))
        log_printf(LOG_IO, "in  %04x.%u -> block of %" PRIu32 " %s\n", port, width, moved, range.ops->name);
    return moved;
}

uint32_t bus_out_block(struct bus *bus, uint16_t port, const void *buffer, unsigned width, uint32_t count)
{
    struct port_range range = bus->ranges[bus->port[port]];
    if (!range.ops || !range.ops->write_block || piece_width(bus, port, width) != width)
        return 0;
    uint32_t moved = range.ops->write_block(range.self, (uint32_t)(port - range.base), buffer, width, count);
    if (log_is_on(LOG_IO))
        log_printf(LOG_IO, "out %04x.%u <- block of %" PRIu32 " %s\n", port, width, moved, range.ops->name);
    return moved;
}

/* ---- DMA ---- */

bool bus_dma_read(struct bus *bus, phys_addr address, void *buffer, size_t len_bytes)
{
    if (bus->calls)
        return bus->calls->dma_read(bus->memory, address, buffer, len_bytes);
    memset(buffer, 0xff, len_bytes);
    return len_bytes == 0;
}

bool bus_dma_write(struct bus *bus, phys_addr address, const void *buffer, size_t len_bytes)
{
    if (bus->calls)
        return bus->calls->dma_write(bus->memory, address, buffer, len_bytes);
    return len_bytes == 0;
}
