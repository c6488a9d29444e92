/*
 * ATA channel: registers, data port, PIO and DMA hand-over. Source: T13 ATA/ATAPI-6 (1410D), "Interface register
 * definitions" and "Command protocol".
 * Deviates: a command is done when the write to the Command register returns; BSY shows only while SRST is set.
 * Deviates: an absent drive reads as zeros whether or not the other drive is there to answer for it.
 */
#include "hw/block/ide_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum ide_command_register {
    IDE_DATA,
    IDE_ERROR_FEATURES,
    IDE_SECTOR_COUNT,
    IDE_LBA_LOW,
    IDE_LBA_MID,
    IDE_LBA_HIGH,
    IDE_DEVICE,
    IDE_STATUS_COMMAND
};

#define IDE_CONTROL_NIEN 0x02
#define IDE_CONTROL_SRST 0x04
#define IDE_CONTROL_HOB  0x80

#define DIAGNOSTIC_PASSED 0x01

#define ATAPI_SIGNATURE_MID  0x14
#define ATAPI_SIGNATURE_HIGH 0xeb

#define DRIVE_REG(member, reset_value, doc) STATE_EACH(struct ide_channel, drive, member, reset_value, doc)

static const struct state_field ide_fields[] = {
    DRIVE_REG(features, 0, "Features, previous above"),
    DRIVE_REG(sector_count, 1, "Sector Count, previous above"),
    DRIVE_REG(lba_low, 1, "LBA Low, previous above"),
    DRIVE_REG(lba_mid, 0, "LBA Mid, previous above"),
    DRIVE_REG(lba_high, 0, "LBA High, previous above"),
    DRIVE_REG(device, ATA_DEVICE_OBSOLETE, "Device"),
    DRIVE_REG(error, DIAGNOSTIC_PASSED, "Error"),
    DRIVE_REG(status, ATA_STATUS_DRDY | ATA_STATUS_DSC, "Status"),
    DRIVE_REG(command, 0, "Command"),
    DRIVE_REG(intrq, 0, "INTRQ pending"),
    DRIVE_REG(multiple, IDE_MAX_MULTIPLE, "sectors per block of READ/WRITE MULTIPLE"),
    DRIVE_REG(dma_mode, 0, "transfer mode set by SET FEATURES"),
    DRIVE_REG(heads, 0, "current heads"),
    DRIVE_REG(sectors, 0, "current sectors per track"),
    DRIVE_REG(cylinders, 0, "current cylinders"),
    DRIVE_REG(power, IDE_ACTIVE, "power mode as CHECK POWER MODE reports it"),
    DRIVE_REG(has_write_cache, 1, "write cache enabled"),
    DRIVE_REG(has_look_ahead, 1, "read look-ahead enabled"),
    DRIVE_REG(transfer, IDE_IDLE, "what the data port or DMA moves"),
    DRIVE_REG(is_ext, 0, "command uses LBA48"),
    DRIVE_REG(lba, 0, "next sector on the disk"),
    DRIVE_REG(remaining, 0, "sectors still to fetch or store"),
    DRIVE_REG(block_sectors, 1, "sectors per DRQ block"),
    DRIVE_REG(position, 0, "next byte in the buffer"),
    DRIVE_REG(block_end, 0, "end of the DRQ block"),
    DRIVE_REG(filled, 0, "bytes in the buffer"),
    DRIVE_REG(atapi.sense_key, 0, "ATAPI: sense key"),
    DRIVE_REG(atapi.asc, 0, "ATAPI: additional sense code"),
    DRIVE_REG(atapi.ascq, 0, "ATAPI: its qualifier"),
    DRIVE_REG(atapi.attention, 0, "ATAPI: unit attention to report"),
    DRIVE_REG(atapi.event, 0, "ATAPI: media event to report"),
    DRIVE_REG(atapi.is_locked, 0, "ATAPI: medium removal prevented"),
    DRIVE_REG(atapi.is_open, 0, "ATAPI: tray open"),
    DRIVE_REG(atapi.uses_dma, 0, "ATAPI: data by DMA"),
    DRIVE_REG(atapi.byte_limit, 0, "ATAPI: bytes per DRQ block"),
    DRIVE_REG(atapi.sector_parts, 0, "ATAPI: parts of a sector to return"),
    DRIVE_REG(atapi.read_retries, 5, "ATAPI: read retry count"),
    DRIVE_REG(atapi.error_recovery, 0, "ATAPI: error recovery parameter"),
    {"drive.atapi.packet", STATE_BYTES, offsetof(struct ide_channel, drive[0].atapi.packet), ATAPI_PACKET_BYTES, 2,
     sizeof(struct ide_drive), 0, "ATAPI: command packet"},
    {"drive.atapi.audio_ports", STATE_BYTES, offsetof(struct ide_channel, drive[0].atapi.audio_ports), 8, 2,
     sizeof(struct ide_drive), 0, "ATAPI: CD audio control"},
    {"drive.buffer", STATE_BYTES, offsetof(struct ide_channel, drive[0].buffer), IDE_BUFFER_SECTORS *IDE_SECTOR, 2,
     sizeof(struct ide_drive), 0, "sector buffer"},
    STATE_REG(struct ide_channel, selected, 0, "DEV"),
    STATE_REG(struct ide_channel, control, 0, "Device Control"),
};
static const struct state_desc ide_desc = STATE_DESC("ide", ide_fields);

static struct ide_drive *selected_drive(struct ide_channel *channel)
{
    return &channel->drive[channel->selected & 1];
}

/* The only place that drives INTRQ: the selected drive drives it unless nIEN has it let go. */
static void update_irq(struct ide_channel *channel)
{
    const struct ide_drive *drive = selected_drive(channel);

    irq_set(&channel->irq, ide_is_present(drive) && drive->intrq && !(channel->control & IDE_CONTROL_NIEN));
}

void ide_set_intrq(struct ide_drive *drive, bool level)
{
    drive->intrq = level;
    update_irq(drive->channel);
}

/* ---- ends of commands ---- */

void ide_complete(struct ide_drive *drive)
{
    drive->transfer = IDE_IDLE;
    drive->status = ATA_STATUS_DRDY | ATA_STATUS_DSC;
    ide_set_intrq(drive, true);
}

void ide_fail(struct ide_drive *drive, uint8_t error)
{
    drive->transfer = IDE_IDLE;
    drive->error = error;
    drive->status = ATA_STATUS_DRDY | ATA_STATUS_DSC | ATA_STATUS_ERR;
    ide_set_intrq(drive, true);
}

void ide_show_signature(struct ide_drive *drive)
{
    drive->transfer = IDE_IDLE;
    drive->sector_count = 1;
    drive->lba_low = 1;
    drive->lba_mid = drive->is_cdrom ? ATAPI_SIGNATURE_MID : 0;
    drive->lba_high = drive->is_cdrom ? ATAPI_SIGNATURE_HIGH : 0;
    drive->device = ATA_DEVICE_OBSOLETE;
    drive->error = DIAGNOSTIC_PASSED;
    drive->status = drive->is_cdrom ? 0 : ATA_STATUS_DRDY | ATA_STATUS_DSC; /* packet devices wait for a packet */
    drive->intrq = false;
}

void ide_show_address(struct ide_drive *drive, uint64_t lba)
{
    if (drive->is_ext) {
        drive->lba_low = (uint16_t)((lba & 0xff) | (lba >> 24 & 0xff) << 8);
        drive->lba_mid = (uint16_t)((lba >> 8 & 0xff) | (lba >> 32 & 0xff) << 8);
        drive->lba_high = (uint16_t)((lba >> 16 & 0xff) | (lba >> 40 & 0xff) << 8);
    } else if (drive->device & ATA_DEVICE_LBA) {
        drive->lba_low = lba & 0xff;
        drive->lba_mid = lba >> 8 & 0xff;
        drive->lba_high = lba >> 16 & 0xff;
        drive->device = (uint8_t)((drive->device & ~ATA_DEVICE_HEAD) | (lba >> 24 & ATA_DEVICE_HEAD));
    } else if (drive->heads && drive->sectors) {
        uint64_t track = lba / drive->sectors;

        drive->lba_low = (uint8_t)(lba % drive->sectors + 1);
        drive->lba_mid = track / drive->heads & 0xff;
        drive->lba_high = track / drive->heads >> 8 & 0xff;
        drive->device = (uint8_t)((drive->device & ~ATA_DEVICE_HEAD) | (track % drive->heads & ATA_DEVICE_HEAD));
    }
}

static void show_progress(struct ide_drive *drive, uint64_t last_lba, uint32_t sectors_left)
{
    ide_show_address(drive, last_lba);
    drive->sector_count = drive->is_ext ? (uint16_t)sectors_left : (uint8_t)sectors_left;
}

static void fail_at(struct ide_drive *drive, uint64_t lba, uint32_t sectors_left, uint8_t error)
{
    show_progress(drive, lba, sectors_left);
    ide_fail(drive, error);
}

/* ---- transfers ---- */

static uint32_t min_u32(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* Sectors of [lba, lba + n) that the disk has. */
static uint32_t clip_to_disk(const struct ide_drive *drive, uint32_t n)
{
    uint64_t n_sectors = drive->block->n_sectors;

    if (drive->lba >= n_sectors)
        return 0;
    return n_sectors - drive->lba < n ? (uint32_t)(n_sectors - drive->lba) : n;
}

/* Fills the buffer from the disk. On failure the command has ended. */
static bool fetch(struct ide_drive *drive)
{
    uint32_t n = clip_to_disk(drive, min_u32(drive->remaining, IDE_BUFFER_SECTORS));
    bool ok;

    if (n == 0) {
        fail_at(drive, drive->lba, drive->remaining, ATA_ERROR_IDNF);
        return false;
    }
    ok = drive->block->read(drive->block, drive->lba, drive->buffer, n);
    if (!ok && n > 1) { /* the bad sector may lie beyond what the guest will get to see first */
        n = 1;
        ok = drive->block->read(drive->block, drive->lba, drive->buffer, n);
    }
    if (!ok) {
        fail_at(drive, drive->lba, drive->remaining, ATA_ERROR_UNC);
        return false;
    }
    drive->position = 0;
    drive->filled = n * IDE_SECTOR;
    drive->lba += n;
    drive->remaining -= n;
    return true;
}

/* Writes buffer[0, filled) to the disk. On failure the command has ended. */
static bool store(struct ide_drive *drive)
{
    uint32_t n = drive->filled / IDE_SECTOR, fits = clip_to_disk(drive, n);

    if (fits && !drive->block->write(drive->block, drive->lba, drive->buffer, fits)) {
        fail_at(drive, drive->lba, drive->remaining, ATA_ERROR_ABRT);
        return false;
    }
    drive->lba += fits;
    drive->remaining -= fits;
    if (fits < n) {
        fail_at(drive, drive->lba, drive->remaining, ATA_ERROR_IDNF);
        return false;
    }
    if (!drive->has_write_cache && !drive->block->flush(drive->block)) {
        fail_at(drive, drive->lba - n, drive->remaining + n, ATA_ERROR_ABRT);
        return false;
    }
    return true;
}

/* Offers the next DRQ block of a read, with an interrupt. */
static void present_read_block(struct ide_drive *drive)
{
    uint32_t behind;

    if (drive->position == drive->filled && !fetch(drive))
        return;
    drive->block_end = min_u32(drive->position + drive->block_sectors * IDE_SECTOR, drive->filled);
    behind = (drive->filled - drive->block_end) / IDE_SECTOR;
    show_progress(drive, drive->lba - behind - 1, drive->remaining + behind);
    drive->status = ATA_STATUS_DRDY | ATA_STATUS_DSC | ATA_STATUS_DRQ;
    ide_set_intrq(drive, true);
}

static void present_write_block(struct ide_drive *drive)
{
    drive->position = 0;
    drive->filled = min_u32(drive->block_sectors, drive->remaining) * IDE_SECTOR;
    drive->block_end = drive->filled;
    drive->status = ATA_STATUS_DRDY | ATA_STATUS_DSC | ATA_STATUS_DRQ;
}

void ide_start_read(struct ide_drive *drive)
{
    drive->transfer = IDE_PIO_IN;
    drive->position = drive->filled = 0;
    present_read_block(drive);
}

void ide_start_write(struct ide_drive *drive)
{
    if (clip_to_disk(drive, 1) == 0) {
        fail_at(drive, drive->lba, drive->remaining, ATA_ERROR_IDNF);
        return;
    }
    drive->transfer = IDE_PIO_OUT;
    present_write_block(drive); /* the first block of a write comes without an interrupt */
}

void ide_start_buffer_in(struct ide_drive *drive)
{
    drive->transfer = IDE_PIO_IN;
    drive->remaining = 0;
    drive->position = 0;
    drive->filled = drive->block_end = IDE_SECTOR;
    drive->status = ATA_STATUS_DRDY | ATA_STATUS_DSC | ATA_STATUS_DRQ;
    ide_set_intrq(drive, true);
}

void ide_start_buffer_out(struct ide_drive *drive)
{
    drive->transfer = IDE_BUFFER_OUT;
    drive->remaining = 0;
    drive->position = 0;
    drive->filled = drive->block_end = IDE_SECTOR;
    drive->status = ATA_STATUS_DRDY | ATA_STATUS_DSC | ATA_STATUS_DRQ;
}

/* The guest has moved the whole DRQ block. */
static void end_block(struct ide_drive *drive)
{
    switch (drive->transfer) {
    case IDE_PIO_IN:
        if (drive->position == drive->filled && drive->remaining == 0) {
            drive->transfer = IDE_IDLE;
            drive->status = ATA_STATUS_DRDY | ATA_STATUS_DSC;
        } else {
            present_read_block(drive);
        }
        break;
    case IDE_PIO_OUT:
        if (!store(drive))
            break;
        show_progress(drive, drive->lba - 1, drive->remaining);
        if (drive->remaining == 0) {
            ide_complete(drive);
        } else {
            present_write_block(drive);
            ide_set_intrq(drive, true);
        }
        break;
    case IDE_BUFFER_OUT:
        ide_complete(drive);
        break;
    case IDE_PACKET:
    case IDE_PACKET_IN:
    case IDE_PACKET_OUT:
        atapi_end_block(drive);
        break;
    default:
        break;
    }
}

/* ---- DMA ---- */

void ide_start_dma(struct ide_drive *drive, enum ide_transfer direction)
{
    struct ide_channel *channel = drive->channel;

    if (clip_to_disk(drive, 1) == 0) {
        fail_at(drive, drive->lba, drive->remaining, ATA_ERROR_IDNF);
        return;
    }
    drive->transfer = (uint8_t)direction;
    drive->position = drive->filled = 0;
    drive->status = ATA_STATUS_DRDY | ATA_STATUS_DSC | ATA_STATUS_DRQ;
    channel->dma_request(channel->dma_opaque);
}

enum ide_dma_direction ide_dma_pending(const struct ide_channel *channel)
{
    switch (channel->drive[channel->selected & 1].transfer) {
    case IDE_DMA_IN:
    case IDE_PACKET_DMA_IN:
        return IDE_DMA_TO_MEMORY;
    case IDE_DMA_OUT:
    case IDE_PACKET_DMA_OUT:
        return IDE_DMA_FROM_MEMORY;
    default:
        return IDE_DMA_NONE;
    }
}

uint8_t *ide_dma_window(struct ide_channel *channel, uint32_t *len_bytes)
{
    struct ide_drive *drive = selected_drive(channel);

    *len_bytes = 0;
    if (!ide_is_present(drive) || ide_dma_pending(channel) == IDE_DMA_NONE)
        return NULL;
    if (drive->position == drive->filled) {
        if (drive->is_cdrom) {
            if (!atapi_dma_fetch(drive))
                return NULL;
        } else if (drive->transfer == IDE_DMA_IN) {
            if (!fetch(drive))
                return NULL;
        } else {
            drive->position = 0;
            drive->filled = min_u32(drive->remaining, IDE_BUFFER_SECTORS) * IDE_SECTOR;
        }
    }
    *len_bytes = drive->filled - drive->position;
    return drive->buffer + drive->position;
}

void ide_dma_advance(struct ide_channel *channel, uint32_t len_bytes)
{
    struct ide_drive *drive = selected_drive(channel);

    drive->position += min_u32(len_bytes, drive->filled - drive->position);
    if (drive->position < drive->filled)
        return;
    if (drive->is_cdrom) {
        atapi_dma_moved(drive);
        return;
    }
    if (drive->transfer == IDE_DMA_OUT && !store(drive))
        return;
    if (drive->remaining == 0) {
        show_progress(drive, drive->lba - 1, 0);
        ide_complete(drive);
    }
}

/* ---- the data port ---- */

static bool has_data(const struct ide_drive *drive, bool is_read)
{
    if (!ide_is_present(drive) || !(drive->status & ATA_STATUS_DRQ))
        return false;
    switch (drive->transfer) {
    case IDE_PIO_IN:
    case IDE_PACKET_IN:
        return is_read;
    case IDE_PIO_OUT:
    case IDE_BUFFER_OUT:
    case IDE_PACKET:
    case IDE_PACKET_OUT:
        return !is_read;
    default:
        return false;
    }
}

/* Up to `len_bytes` of the current DRQ block; ends the block with its last byte. */
static uint32_t take_data(struct ide_drive *drive, void *out, uint32_t len_bytes)
{
    uint32_t n = min_u32(len_bytes, drive->block_end - drive->position);

    memcpy(out, drive->buffer + drive->position, n);
    drive->position += n;
    if (drive->position == drive->block_end)
        end_block(drive);
    return n;
}

static uint32_t give_data(struct ide_drive *drive, const void *in, uint32_t len_bytes)
{
    uint32_t n = min_u32(len_bytes, drive->block_end - drive->position);

    memcpy(drive->buffer + drive->position, in, n);
    drive->position += n;
    if (drive->position == drive->block_end)
        end_block(drive);
    return n;
}

/* The port is 16 bits wide: a byte access moves a word, a dword access two. */
static uint32_t read_data(struct ide_drive *drive, unsigned width)
{
    uint8_t bytes[4] = {0};
    uint32_t n;

    if (!has_data(drive, true))
        return UINT32_MAX >> (32 - 8 * width);
    n = take_data(drive, bytes, width == 4 ? 4 : 2);
    if (n < width)
        memset(bytes + n, 0xff, width - n);
    return (uint32_t)bytes[0] | (width > 1 ? (uint32_t)bytes[1] << 8 : 0) |
           (width > 2 ? (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24 : 0);
}

static void write_data(struct ide_drive *drive, uint32_t value, unsigned width)
{
    uint8_t bytes[4] = {(uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16), (uint8_t)(value >> 24)};

    if (has_data(drive, false))
        give_data(drive, bytes, width == 4 ? 4 : 2);
}

/* Whole items of the current DRQ block; the caller comes back for the next one. */
static uint32_t read_block(void *self, uint32_t offset, void *buffer, unsigned width, uint32_t count)
{
    struct ide_drive *drive = selected_drive(self);
    uint8_t *out = buffer;
    uint32_t items = 0;

    if (offset != IDE_DATA || width < 2 || !has_data(drive, true))
        return 0;
    items = min_u32(count, (drive->block_end - drive->position) / width);
    if (items)
        take_data(drive, out, items * width);
    return items;
}

static uint32_t write_block(void *self, uint32_t offset, const void *buffer, unsigned width, uint32_t count)
{
    struct ide_drive *drive = selected_drive(self);
    uint32_t items = 0;

    if (offset != IDE_DATA || width < 2 || !has_data(drive, false))
        return 0;
    items = min_u32(count, (drive->block_end - drive->position) / width);
    if (items)
        give_data(drive, buffer, items * width);
    return items;
}

/* ---- command block ---- */

static void write_command(struct ide_channel *channel, uint8_t value)
{
    struct ide_drive *drive = selected_drive(channel);

    if (value == ATA_EXECUTE_DEVICE_DIAGNOSTIC) {
        for (unsigned unit = 0; unit < 2; unit++)
            ide_show_signature(&channel->drive[unit]);
        channel->selected = 0;
        ide_set_intrq(&channel->drive[0], true);
        return;
    }
    if (!ide_is_present(drive))
        return;
    if (value == ATAPI_DEVICE_RESET && drive->is_cdrom) {
        ide_show_signature(drive);
        update_irq(channel);
        return;
    }
    if (drive->status & (ATA_STATUS_BSY | ATA_STATUS_DRQ))
        return;
    ide_set_intrq(drive, false);
    drive->command = value;
    drive->error = 0;
    drive->status = ATA_STATUS_DRDY | ATA_STATUS_DSC;
    ide_run_command(drive);
}

static void push(uint16_t *reg, uint8_t value)
{
    *reg = (uint16_t)(*reg << 8 | value);
}

/* Both drives see every write; only the selected one obeys commands. */
static void write_register(struct ide_channel *channel, uint32_t offset, uint8_t value)
{
    if (channel->control & IDE_CONTROL_SRST)
        return;
    if (offset == IDE_STATUS_COMMAND) {
        channel->control &= (uint8_t)~IDE_CONTROL_HOB;
        write_command(channel, value);
        return;
    }
    if (selected_drive(channel)->status & (ATA_STATUS_BSY | ATA_STATUS_DRQ))
        return;
    channel->control &= (uint8_t)~IDE_CONTROL_HOB;
    for (unsigned unit = 0; unit < 2; unit++) {
        struct ide_drive *drive = &channel->drive[unit];

        switch (offset) {
        case IDE_ERROR_FEATURES:
            push(&drive->features, value);
            break;
        case IDE_SECTOR_COUNT:
            push(&drive->sector_count, value);
            break;
        case IDE_LBA_LOW:
            push(&drive->lba_low, value);
            break;
        case IDE_LBA_MID:
            push(&drive->lba_mid, value);
            break;
        case IDE_LBA_HIGH:
            push(&drive->lba_high, value);
            break;
        case IDE_DEVICE:
            drive->device = value | ATA_DEVICE_OBSOLETE;
            break;
        default:
            break;
        }
    }
    if (offset == IDE_DEVICE) {
        channel->selected = value & ATA_DEVICE_DEV ? 1 : 0;
        update_irq(channel);
    }
}

static uint8_t read_register(struct ide_channel *channel, uint32_t offset)
{
    struct ide_drive *drive = selected_drive(channel);
    unsigned shift = channel->control & IDE_CONTROL_HOB ? 8 : 0;

    if (!ide_is_present(&channel->drive[0]) && !ide_is_present(&channel->drive[1]))
        return 0;
    if (offset == IDE_DEVICE)
        return drive->device;
    if (!ide_is_present(drive))
        return 0;
    switch (offset) {
    case IDE_ERROR_FEATURES:
        return drive->error;
    case IDE_SECTOR_COUNT:
        return (uint8_t)(drive->sector_count >> shift);
    case IDE_LBA_LOW:
        return (uint8_t)(drive->lba_low >> shift);
    case IDE_LBA_MID:
        return (uint8_t)(drive->lba_mid >> shift);
    case IDE_LBA_HIGH:
        return (uint8_t)(drive->lba_high >> shift);
    case IDE_STATUS_COMMAND:
        ide_set_intrq(drive, false);
        return drive->status;
    default:
        return 0xff;
    }
}

/* Wide accesses beside the data port are byte accesses to neighbouring registers. */
static uint32_t command_read(void *self, uint32_t offset, unsigned width)
{
    struct ide_channel *channel = self;
    uint32_t value = 0;

    if (offset == IDE_DATA)
        return read_data(selected_drive(channel), width);
    for (unsigned i = 0; i < width; i++)
        value |= (uint32_t)read_register(channel, offset + i) << 8 * i;
    return value;
}

static void command_write(void *self, uint32_t offset, uint32_t value, unsigned width)
{
    struct ide_channel *channel = self;

    if (offset == IDE_DATA) {
        write_data(selected_drive(channel), value, width);
        return;
    }
    for (unsigned i = 0; i < width; i++)
        write_register(channel, offset + i, (uint8_t)(value >> 8 * i));
}

/* ---- control block ---- */

static uint32_t control_read(void *self, uint32_t offset, unsigned width)
{
    const struct ide_drive *drive = selected_drive(self);

    return ide_is_present(drive) ? drive->status : 0;
}

/* Drives are busy while SRST is set and show their signature when it is cleared; settings survive. */
static void control_write(void *self, uint32_t offset, uint32_t value, unsigned width)
{
    struct ide_channel *channel = self;
    uint8_t changed = channel->control ^ (uint8_t)value;

    channel->control = (uint8_t)value & (IDE_CONTROL_HOB | IDE_CONTROL_SRST | IDE_CONTROL_NIEN);
    if (changed & IDE_CONTROL_SRST) {
        for (unsigned unit = 0; unit < 2; unit++) {
            struct ide_drive *drive = &channel->drive[unit];

            ide_show_signature(drive);
            if (value & IDE_CONTROL_SRST)
                drive->status = ATA_STATUS_BSY;
        }
        channel->selected = 0;
    }
    update_irq(channel);
}

const struct bus_ops ide_command_ports = {.name = "ide",
                                          .read = command_read,
                                          .write = command_write,
                                          .max_width = 4,
                                          .read_block = read_block,
                                          .write_block = write_block};
const struct bus_ops ide_control_ports = {
    .name = "ide-control", .read = control_read, .write = control_write, .max_width = 1};

/* ---- creation ---- */

struct ide_geometry ide_default_geometry(uint64_t n_sectors)
{
    uint64_t cylinders = n_sectors / (16 * 63);

    return (struct ide_geometry){.cylinders = (uint16_t)(cylinders > 16383 ? 16383
                                                         : cylinders       ? cylinders
                                                                           : 1),
                                 .heads = 16,
                                 .sectors = 63};
}

struct ide_channel *ide_create(const struct irq *irq)
{
    struct ide_channel *channel = calloc(1, sizeof *channel);

    if (!channel)
        return NULL;
    channel->irq = *irq;
    for (unsigned unit = 0; unit < 2; unit++) {
        channel->drive[unit].channel = channel;
        channel->drive[unit].unit = (uint8_t)unit;
    }
    ide_reset(channel);
    return channel;
}

void ide_destroy(struct ide_channel *channel)
{
    free(channel);
}

void ide_attach_disk(struct ide_channel *channel, unsigned unit, struct host_block *block, const char *serial)
{
    struct ide_drive *drive = &channel->drive[unit & 1];

    snprintf(drive->serial, sizeof drive->serial, "%s", serial);
    drive->block = block;
    drive->native = ide_default_geometry(block->n_sectors);
    ide_reset(channel);
}

void ide_attach_cdrom(struct ide_channel *channel, unsigned unit, struct host_block *block, const char *serial)
{
    struct ide_drive *drive = &channel->drive[unit & 1];

    snprintf(drive->serial, sizeof drive->serial, "%s", serial);
    drive->is_cdrom = true;
    drive->block = block;
    ide_reset(channel);
}

void ide_connect_dma(struct ide_channel *channel, void (*request)(void *opaque), void *opaque)
{
    channel->dma_request = request;
    channel->dma_opaque = opaque;
}

void ide_connect_irq(struct ide_channel *channel, const struct irq *irq)
{
    channel->irq = *irq;
}

void ide_reset(struct ide_channel *channel)
{
    state_reset(&ide_desc, channel);
    for (unsigned unit = 0; unit < 2; unit++) {
        struct ide_drive *drive = &channel->drive[unit];

        drive->cylinders = drive->native.cylinders;
        drive->heads = drive->native.heads;
        drive->sectors = drive->native.sectors;
        if (drive->is_cdrom)
            atapi_reset(drive);
    }
    update_irq(channel);
}

const struct state_desc *ide_state(void)
{
    return &ide_desc;
}

void ide_after_load(struct ide_channel *channel)
{
    for (unsigned unit = 0; unit < 2; unit++) { /* a saved state may come from anywhere */
        struct ide_drive *drive = &channel->drive[unit];

        drive->filled = min_u32(drive->filled, sizeof drive->buffer);
        drive->position = min_u32(drive->position, drive->filled);
        drive->block_end = min_u32(drive->block_end, drive->filled);
        if (drive->block_end < drive->position)
            drive->block_end = drive->position;
        if (drive->is_cdrom != (drive->transfer >= IDE_PACKET) && drive->transfer != IDE_PIO_IN)
            drive->transfer = IDE_IDLE;
        if (drive->is_cdrom && drive->transfer == IDE_PIO_IN)
            drive->remaining = 0; /* IDENTIFY PACKET DEVICE is the only one */
        drive->atapi.uses_dma = drive->atapi.uses_dma && channel->dma_request;
    }
    update_irq(channel);
}
