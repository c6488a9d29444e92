/* A bus over 1 MiB of plain RAM for device tests; MMIO mappings are remembered and can be accessed. */
#ifndef TESTS_UNIT_HW_FAKE_BOARD_H
#define TESTS_UNIT_HW_FAKE_BOARD_H

#include <stdlib.h>
#include <string.h>

#include "hw/core/bus.h"

#define FAKE_RAM_BYTES (1u << 20)
#define FAKE_MMIO_MAX  16

struct fake_board {
    struct bus *bus;
    struct fake_mmio {
        phys_addr base;
        uint64_t size; /* 0: free */
        const struct bus_ops *ops;
        void *self;
    } mmio[FAKE_MMIO_MAX];
    uint8_t ram[FAKE_RAM_BYTES];
};

static void fake_unmap(void *memory, phys_addr base, uint64_t size)
{
    struct fake_board *board = memory;

    for (unsigned i = 0; i < FAKE_MMIO_MAX; i++) {
        struct fake_mmio *m = &board->mmio[i];

        if (m->size && m->base < base + size && base < m->base + m->size)
            m->size = 0; /* coarse: a hole in a mapping takes all of it */
    }
}

static void fake_map_mmio(void *memory, phys_addr base, uint64_t size, const struct bus_ops *ops, void *self)
{
    struct fake_board *board = memory;
    unsigned i = 0;

    fake_unmap(memory, base, size);
    while (i < FAKE_MMIO_MAX - 1 && board->mmio[i].size)
        i++;
    board->mmio[i] = (struct fake_mmio){.base = base, .size = size, .ops = ops, .self = self};
}

static bool fake_dma_read(void *memory, phys_addr address, void *buffer, size_t len_bytes)
{
    struct fake_board *board = memory;

    if (address > FAKE_RAM_BYTES || len_bytes > FAKE_RAM_BYTES - address)
        return false;
    memcpy(buffer, board->ram + address, len_bytes);
    return true;
}

static bool fake_dma_write(void *memory, phys_addr address, const void *buffer, size_t len_bytes)
{
    struct fake_board *board = memory;

    if (address > FAKE_RAM_BYTES || len_bytes > FAKE_RAM_BYTES - address)
        return false;
    memcpy(board->ram + address, buffer, len_bytes);
    return true;
}

static inline struct fake_board *fake_board_create(void)
{
    static const struct bus_memory calls = {
        .map_mmio = fake_map_mmio, .unmap = fake_unmap, .dma_read = fake_dma_read, .dma_write = fake_dma_write};
    struct fake_board *board = calloc(1, sizeof *board);

    board->bus = bus_create(&calls, board);
    return board;
}

static inline void fake_board_destroy(struct fake_board *board)
{
    bus_destroy(board->bus);
    free(board);
}

/* What is mapped at an address, or NULL. */
static inline const struct fake_mmio *fake_mmio_at(const struct fake_board *board, phys_addr address)
{
    for (unsigned i = 0; i < FAKE_MMIO_MAX; i++) {
        const struct fake_mmio *m = &board->mmio[i];

        if (m->size && address >= m->base && address - m->base < m->size)
            return m;
    }
    return NULL;
}

static inline uint32_t fake_mmio_read(const struct fake_board *board, phys_addr address, unsigned width)
{
    const struct fake_mmio *m = fake_mmio_at(board, address);

    return m ? m->ops->read(m->self, (uint32_t)(address - m->base), width) : UINT32_MAX >> (32 - 8 * width);
}

static inline void fake_mmio_write(const struct fake_board *board, phys_addr address, uint32_t value, unsigned width)
{
    const struct fake_mmio *m = fake_mmio_at(board, address);

    if (m)
        m->ops->write(m->self, (uint32_t)(address - m->base), value, width);
}

#endif
