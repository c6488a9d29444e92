/*
 * Floppy drives and disks: which image is which format, head position, sectors.
 * Source: ECMA-66, -70, -78, -100, -125 and ISO 10994 for the formats; the drive types as AT firmware numbers them.
 * Deviates: a raw image holds the data of standard formats with 512-byte sectors alone. Deleted data marks are kept
 * while the disk stays in the drive. An image that is no standard size is the end of a disk short: what is missing
 * reads as zeros and cannot be written.
 */
#include "hw/block/fdc82078_internal.h"

#include <string.h>

enum { RATE_500K, RATE_300K, RATE_250K, RATE_1M };

#define MAX_POSITION 83

static const struct floppy_format formats[] = {
    {320, 40, 1, 8, FDC82078_360K, RATE_250K},    {360, 40, 1, 9, FDC82078_360K, RATE_250K},
    {640, 40, 2, 8, FDC82078_360K, RATE_250K},    {720, 40, 2, 9, FDC82078_360K, RATE_250K},
    {1440, 80, 2, 9, FDC82078_720K, RATE_250K},   {2400, 80, 2, 15, FDC82078_1200K, RATE_500K},
    {2880, 80, 2, 18, FDC82078_1440K, RATE_500K}, {3200, 80, 2, 20, FDC82078_1440K, RATE_500K},
    {3360, 80, 2, 21, FDC82078_1440K, RATE_500K}, {3444, 82, 2, 21, FDC82078_1440K, RATE_500K},
    {5760, 80, 2, 36, FDC82078_2880K, RATE_1M},
};

static const struct floppy_format *format_for(uint64_t n_sectors)
{
    static const uint16_t roomy[] = {1440, 2880, 5760}; /* the 3.5 inch formats, for what is no standard size */
    uint64_t wanted = n_sectors;

    for (unsigned i = 0; i < sizeof formats / sizeof formats[0]; i++)
        if (formats[i].n_sectors == n_sectors)
            return &formats[i];
    for (unsigned i = 0; i < sizeof roomy / sizeof roomy[0]; i++)
        if (n_sectors <= roomy[i]) {
            wanted = roomy[i];
            break;
        }
    for (unsigned i = 0; i < sizeof formats / sizeof formats[0]; i++)
        if (formats[i].n_sectors == wanted)
            return &formats[i];
    return NULL;
}

/* Does a disk made for one type of drive work in another? */
static bool disk_fits(enum fdc82078_drive_type made_for, enum fdc82078_drive_type drive)
{
    switch (drive) {
    case FDC82078_360K:
    case FDC82078_720K:
        return made_for == drive;
    case FDC82078_1200K:
        return made_for == FDC82078_360K || made_for == FDC82078_1200K;
    case FDC82078_1440K:
        return made_for == FDC82078_720K || made_for == FDC82078_1440K;
    case FDC82078_2880K:
        return made_for == FDC82078_720K || made_for == FDC82078_1440K || made_for == FDC82078_2880K;
    default:
        return false;
    }
}

enum fdc82078_drive_type fdc82078_type_for(uint64_t n_sectors)
{
    const struct floppy_format *format = format_for(n_sectors);

    return format ? (enum fdc82078_drive_type)format->drive : FDC82078_NO_DRIVE;
}

struct fdc_drive *fdc_drive(struct fdc82078 *fdc, unsigned unit)
{
    return unit < FDC82078_DRIVES && fdc->drive[unit].type != FDC82078_NO_DRIVE ? &fdc->drive[unit] : NULL;
}

void fdc82078_add_drive(struct fdc82078 *fdc, unsigned unit, enum fdc82078_drive_type type)
{
    if (unit >= FDC82078_DRIVES)
        return;
    fdc82078_eject(fdc, unit);
    fdc->drive[unit].type = (uint8_t)type;
    fdc->drive[unit].is_changed = true;
}

enum fdc82078_drive_type fdc82078_drive_type(const struct fdc82078 *fdc, unsigned unit)
{
    return unit < FDC82078_DRIVES ? (enum fdc82078_drive_type)fdc->drive[unit].type : FDC82078_NO_DRIVE;
}

bool fdc82078_insert(struct fdc82078 *fdc, unsigned unit, struct host_block *block)
{
    struct fdc_drive *drive = fdc_drive(fdc, unit);
    const struct floppy_format *format = format_for(block->n_sectors);

    if (!drive || !format || !disk_fits(format->drive, drive->type))
        return false;
    fdc82078_eject(fdc, unit);
    drive->block = block;
    drive->format = *format;
    return true;
}

struct host_block *fdc82078_eject(struct fdc82078 *fdc, unsigned unit)
{
    struct fdc_drive *drive = fdc_drive(fdc, unit);
    struct host_block *block;

    if (!drive)
        return NULL;
    block = drive->block;
    drive->block = NULL;
    drive->is_changed = true;
    memset(drive->deleted, 0, sizeof drive->deleted);
    return block;
}

void fdc_drive_step_to(struct fdc_drive *drive, int position)
{
    if (position < 0)
        position = 0;
    if (position > MAX_POSITION)
        position = MAX_POSITION;
    if (position != drive->position && drive->block)
        drive->is_changed = false;
    drive->position = (uint8_t)position;
}

unsigned fdc_drive_rate(const struct fdc_drive *drive)
{
    /* A 1.2M drive turns at 360 rpm for all its disks. */
    if (drive->type == FDC82078_1200K && drive->format.rate == RATE_250K)
        return RATE_300K;
    return drive->format.rate;
}

bool fdc_drive_find_track(const struct fdc_drive *drive, unsigned rate, unsigned head, uint8_t *cylinder)
{
    /* 48 tracks per inch in a drive for 96: every second step finds a track. */
    unsigned pitch = drive->type == FDC82078_1200K && drive->format.cylinders == 40 ? 2 : 1;

    if (!drive->block || rate != fdc_drive_rate(drive) || drive->position % pitch || head >= drive->format.heads)
        return false;
    *cylinder = (uint8_t)(drive->position / pitch);
    return *cylinder < drive->format.cylinders;
}

int64_t fdc_drive_sector_ns(const struct fdc_drive *drive)
{
    int64_t turn_ns = drive->type == FDC82078_1200K ? 60 * NS_PER_SECOND / 360 : 60 * NS_PER_SECOND / 300;

    return turn_ns / (drive->block ? drive->format.sectors : 18) / FDC_SPEED_UP;
}

static uint32_t sector_at(const struct fdc_drive *drive, uint8_t cylinder, uint8_t head, uint8_t r)
{
    return ((uint32_t)cylinder * drive->format.heads + head) * drive->format.sectors + r - 1;
}

bool fdc_drive_read(struct fdc_drive *drive, uint8_t cylinder, uint8_t head, uint8_t r, uint8_t *buffer)
{
    uint32_t sector = sector_at(drive, cylinder, head, r);

    if (sector < drive->block->n_sectors)
        return drive->block->read(drive->block, sector, buffer, 1);
    memset(buffer, 0, FDC_SECTOR);
    return true;
}

bool fdc_drive_write(struct fdc_drive *drive, uint8_t cylinder, uint8_t head, uint8_t r, const uint8_t *buffer,
                     bool is_deleted)
{
    uint32_t sector = sector_at(drive, cylinder, head, r);

    if (sector >= drive->block->n_sectors || !drive->block->write(drive->block, sector, buffer, 1))
        return false;
    drive->deleted[sector / 8] &= (uint8_t) ~(1u << sector % 8);
    drive->deleted[sector / 8] |= (uint8_t)(is_deleted << sector % 8);
    return true;
}

bool fdc_drive_is_deleted(const struct fdc_drive *drive, uint8_t cylinder, uint8_t head, uint8_t r)
{
    uint32_t sector = sector_at(drive, cylinder, head, r);

    return drive->deleted[sector / 8] >> sector % 8 & 1;
}
