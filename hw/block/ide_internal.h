/* Shared by ide.c (registers and transfers) and ide_command.c (what the commands mean). */
#ifndef HW_BLOCK_IDE_INTERNAL_H
#define HW_BLOCK_IDE_INTERNAL_H

#include "hw/block/ide.h"

enum ide_status {
    ATA_STATUS_ERR = 0x01,
    ATA_STATUS_DRQ = 0x08,
    ATA_STATUS_DSC = 0x10,
    ATA_STATUS_DF = 0x20,
    ATA_STATUS_DRDY = 0x40,
    ATA_STATUS_BSY = 0x80,
};

enum ide_error {
    ATA_ERROR_ABRT = 0x04,
    ATA_ERROR_IDNF = 0x10,
    ATA_ERROR_UNC = 0x40,
};

enum ide_device_bits {
    ATA_DEVICE_HEAD = 0x0f,
    ATA_DEVICE_DEV = 0x10,
    ATA_DEVICE_OBSOLETE = 0xa0,
    ATA_DEVICE_LBA = 0x40
};

#define IDE_SECTOR         HOST_BLOCK_SECTOR
#define IDE_BUFFER_SECTORS 128u /* how much is fetched from the host at once */
#define IDE_MAX_MULTIPLE   16u

enum ide_transfer {
    IDE_IDLE,
    IDE_PIO_IN,
    IDE_PIO_OUT,    /* sectors to the disk */
    IDE_BUFFER_OUT, /* WRITE BUFFER: to nowhere */
    IDE_DMA_IN,
    IDE_DMA_OUT,
};

enum ide_power { IDE_STANDBY = 0x00, IDE_POWER_IDLE = 0x80, IDE_ACTIVE = 0xff }; /* as CHECK POWER MODE reports them */

struct ide_drive {
    /* Command block. Two-deep registers: the most recently written byte is the low one, the previous the high one. */
    uint16_t features, sector_count, lba_low, lba_mid, lba_high;
    uint8_t device, error, status, command;
    bool intrq;

    /* Settings */
    uint8_t multiple; /* sectors per DRQ block of READ/WRITE MULTIPLE; 0: not set */
    uint8_t dma_mode; /* SET FEATURES 03: count register, 0: PIO */
    uint8_t heads, sectors;
    uint16_t cylinders; /* current translation */
    uint8_t power;
    bool has_write_cache, has_look_ahead;

    /* Transfer. buffer[position, block_end) is the current DRQ block, [0, filled) what the buffer holds. */
    uint8_t transfer;
    bool is_ext;        /* addressed by LBA48 */
    uint64_t lba;       /* next sector to fetch from or store to the disk */
    uint32_t remaining; /* sectors not yet fetched or stored */
    uint32_t block_sectors;
    uint32_t position, block_end, filled;
    uint8_t buffer[IDE_BUFFER_SECTORS * IDE_SECTOR];

    struct ide_channel *channel;
    struct host_block *block; /* NULL: no drive */
    struct ide_geometry native;
    char serial[21];
    uint8_t unit;
};

struct ide_channel {
    struct ide_drive drive[2];
    uint8_t selected;
    uint8_t control; /* device control: HOB SRST nIEN */

    struct irq irq;
    void (*dma_request)(void *opaque);
    void *dma_opaque;
};

/* ---- ide.c ---- */
/* Ends the command without and with an error; raises INTRQ. */
void ide_complete(struct ide_drive *drive);
void ide_fail(struct ide_drive *drive, uint8_t error);
/* Begins to move `remaining` sectors from `lba`. */
void ide_start_read(struct ide_drive *drive);
void ide_start_write(struct ide_drive *drive);
void ide_start_dma(struct ide_drive *drive, enum ide_transfer direction);
/* One sector of data that is not the disk's: already in the buffer, or towards it. */
void ide_start_buffer_in(struct ide_drive *drive);
void ide_start_buffer_out(struct ide_drive *drive);
/* Puts the address of a sector into the command block, in the form the command used. */
void ide_show_address(struct ide_drive *drive, uint64_t lba);
/* The signature of an ATA disk and the diagnostic code, after reset and EXECUTE DEVICE DIAGNOSTIC. */
void ide_show_signature(struct ide_drive *drive);

/* ---- ide_command.c ---- */
/* EXECUTE DEVICE DIAGNOSTIC goes to both drives. */
#define ATA_EXECUTE_DEVICE_DIAGNOSTIC 0x90
void ide_run_command(struct ide_drive *drive);

#endif
