/* A disk in memory whose sectors name themselves, with a sector that can be made bad. */
#ifndef TESTS_UNIT_HW_FAKE_DISK_H
#define TESTS_UNIT_HW_FAKE_DISK_H

#include <stdlib.h>
#include <string.h>

#include "hw/core/host.h"

#define FAKE_DISK_SECTORS 4096u

struct fake_disk {
    struct host_block block;
    uint64_t bad_sector; /* UINT64_MAX: none */
    bool flush_fails;
    unsigned n_reads, n_writes, n_flushes;
    uint8_t data[FAKE_DISK_SECTORS * HOST_BLOCK_SECTOR];
};

static bool fake_disk_covers(const struct fake_disk *disk, uint64_t sector, uint32_t n)
{
    return disk->bad_sector >= sector && disk->bad_sector - sector < n;
}

static bool fake_disk_read(struct host_block *self, uint64_t sector, void *buffer, uint32_t n_sectors)
{
    struct fake_disk *disk = (struct fake_disk *)self;

    disk->n_reads++;
    if (sector + n_sectors > self->n_sectors)
        abort(); /* the device must never ask for this */
    if (fake_disk_covers(disk, sector, n_sectors))
        return false;
    if (sector + n_sectors <= FAKE_DISK_SECTORS)
        memcpy(buffer, disk->data + sector * HOST_BLOCK_SECTOR, (size_t)n_sectors * HOST_BLOCK_SECTOR);
    else
        memset(buffer, 0xa5, (size_t)n_sectors * HOST_BLOCK_SECTOR);
    return true;
}

static bool fake_disk_write(struct host_block *self, uint64_t sector, const void *buffer, uint32_t n_sectors)
{
    struct fake_disk *disk = (struct fake_disk *)self;

    disk->n_writes++;
    if (self->is_readonly || sector + n_sectors > self->n_sectors)
        abort();
    if (fake_disk_covers(disk, sector, n_sectors))
        return false;
    if (sector + n_sectors <= FAKE_DISK_SECTORS)
        memcpy(disk->data + sector * HOST_BLOCK_SECTOR, buffer, (size_t)n_sectors * HOST_BLOCK_SECTOR);
    return true;
}

static bool fake_disk_flush(struct host_block *self)
{
    struct fake_disk *disk = (struct fake_disk *)self;

    disk->n_flushes++;
    return !disk->flush_fails;
}

static inline struct fake_disk *fake_disk_create(uint64_t n_sectors)
{
    struct fake_disk *disk = calloc(1, sizeof *disk);

    disk->block = (struct host_block){
        .n_sectors = n_sectors, .read = fake_disk_read, .write = fake_disk_write, .flush = fake_disk_flush};
    disk->bad_sector = UINT64_MAX;
    for (uint32_t sector = 0; sector < FAKE_DISK_SECTORS; sector++) {
        for (unsigned i = 0; i < HOST_BLOCK_SECTOR; i += 4)
            memcpy(disk->data + sector * HOST_BLOCK_SECTOR + i, &(uint32_t){sector << 8 | i / 4}, 4);
    }
    return disk;
}

#endif
