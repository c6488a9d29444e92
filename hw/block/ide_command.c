/*
 * What the ATA commands of a disk mean. Source: T13 ATA/ATAPI-6 (1410D), "Command descriptions"; the retired
 * commands as ATA-3 has them.
 * Deviates: SLEEP is left by the next command, not only by a reset. SMART, security, HPA setting and power-up in
 * standby are not offered; their commands are aborted.
 */
#include "hw/block/ide_internal.h"

#include <string.h>

enum {
    ATA_STANDBY_IMMEDIATE_OLD = 0x94,
    ATA_STANDBY_OLD = 0x96,
    ATA_SLEEP_OLD = 0x99,
    ATA_STANDBY_IMMEDIATE = 0xe0,
    ATA_STANDBY = 0xe2,
    ATA_SLEEP = 0xe6,
};

enum ide_command_flag {
    IDE_CMD_EXT = 1 << 0,      /* LBA48: both levels of the address and count registers */
    IDE_CMD_MULTIPLE = 1 << 1, /* DRQ blocks of `multiple` sectors */
    IDE_CMD_WRITE = 1 << 2,
    IDE_CMD_DMA = 1 << 3,
    IDE_CMD_CDROM = 1 << 4, /* packet devices have it, too */
    IDE_CMD_CD_ONLY = 1 << 5,
};

struct ide_command {
    void (*run)(struct ide_drive *drive, unsigned flags); /* NULL: aborted */
    unsigned flags;
};

#define LBA28_MAX_SECTORS 0x0fffffffu

/* ---- addresses ---- */

static uint32_t sector_count(const struct ide_drive *drive)
{
    if (drive->is_ext)
        return drive->sector_count ? drive->sector_count : 0x10000;
    return drive->sector_count & 0xff ? drive->sector_count & 0xff : 0x100;
}

/* Takes the start address into drive->lba; false if there is no such sector. */
static bool take_address(struct ide_drive *drive)
{
    uint32_t low = drive->lba_low & 0xff, mid = drive->lba_mid & 0xff, high = drive->lba_high & 0xff;
    uint32_t head = drive->device & ATA_DEVICE_HEAD;

    if (drive->is_ext) {
        drive->lba = (uint64_t)low | mid << 8 | high << 16 | (uint64_t)(drive->lba_low >> 8) << 24 |
                     (uint64_t)(drive->lba_mid >> 8) << 32 | (uint64_t)(drive->lba_high >> 8) << 40;
    } else if (drive->device & ATA_DEVICE_LBA) {
        drive->lba = low | mid << 8 | high << 16 | head << 24;
    } else {
        if (low == 0 || low > drive->sectors || head >= drive->heads)
            return false;
        drive->lba = ((uint64_t)(mid | high << 8) * drive->heads + head) * drive->sectors + low - 1;
    }
    return drive->lba < drive->block->n_sectors;
}

/* ---- sectors ---- */

static void run_transfer(struct ide_drive *drive, unsigned flags)
{
    drive->is_ext = flags & IDE_CMD_EXT;
    drive->power = IDE_ACTIVE;
    if (((flags & IDE_CMD_MULTIPLE) && drive->multiple == 0) ||
        ((flags & IDE_CMD_WRITE) && drive->block->is_readonly) ||
        ((flags & IDE_CMD_DMA) && !drive->channel->dma_request)) {
        ide_fail(drive, ATA_ERROR_ABRT);
        return;
    }
    if (!take_address(drive)) {
        ide_fail(drive, ATA_ERROR_IDNF);
        return;
    }
    drive->remaining = sector_count(drive);
    drive->block_sectors = flags & IDE_CMD_MULTIPLE ? drive->multiple : 1;
    if (flags & IDE_CMD_DMA)
        ide_start_dma(drive, flags & IDE_CMD_WRITE ? IDE_DMA_OUT : IDE_DMA_IN);
    else if (flags & IDE_CMD_WRITE)
        ide_start_write(drive);
    else
        ide_start_read(drive);
}

/* Reads without handing over. Bounded by the largest count, 65536 sectors. */
static void run_verify(struct ide_drive *drive, unsigned flags)
{
    uint32_t left, n;

    drive->is_ext = flags & IDE_CMD_EXT;
    drive->power = IDE_ACTIVE;
    if (!take_address(drive)) {
        ide_fail(drive, ATA_ERROR_IDNF);
        return;
    }
    for (left = sector_count(drive); left; left -= n, drive->lba += n) {
        uint64_t available = drive->block->n_sectors - drive->lba;
        bool ok;

        n = left < IDE_BUFFER_SECTORS ? left : IDE_BUFFER_SECTORS;
        n = n < available ? n : (uint32_t)available;
        ok = n && drive->block->read(drive->block, drive->lba, drive->buffer, n);
        if (!ok) {
            ide_show_address(drive, drive->lba);
            drive->sector_count = (uint16_t)left;
            ide_fail(drive, n ? ATA_ERROR_UNC : ATA_ERROR_IDNF);
            return;
        }
    }
    ide_show_address(drive, drive->lba - 1);
    drive->sector_count = 0;
    ide_complete(drive);
}

static void run_seek(struct ide_drive *drive, unsigned flags)
{
    drive->is_ext = false;
    drive->power = IDE_ACTIVE;
    if (take_address(drive))
        ide_complete(drive);
    else
        ide_fail(drive, ATA_ERROR_IDNF);
}

static void run_recalibrate(struct ide_drive *drive, unsigned flags)
{
    drive->is_ext = false;
    if (drive->device & ATA_DEVICE_LBA) {
        ide_show_address(drive, 0);
    } else {
        drive->lba_mid = 0;
        drive->lba_high = 0;
    }
    ide_complete(drive);
}

static void run_flush(struct ide_drive *drive, unsigned flags)
{
    if (drive->block->is_readonly || drive->block->flush(drive->block))
        ide_complete(drive);
    else
        ide_fail(drive, ATA_ERROR_ABRT);
}

static void run_read_buffer(struct ide_drive *drive, unsigned flags)
{
    ide_start_buffer_in(drive);
}

static void run_write_buffer(struct ide_drive *drive, unsigned flags)
{
    ide_start_buffer_out(drive);
}

static void run_read_native_max(struct ide_drive *drive, unsigned flags)
{
    uint64_t last = drive->block->n_sectors - 1;

    if (drive->block->n_sectors == 0) {
        ide_fail(drive, ATA_ERROR_ABRT);
        return;
    }
    drive->is_ext = flags & IDE_CMD_EXT;
    if (!drive->is_ext && last >= LBA28_MAX_SECTORS)
        last = LBA28_MAX_SECTORS - 1;
    drive->device |= ATA_DEVICE_LBA; /* the answer is an LBA whatever was asked */
    ide_show_address(drive, last);
    ide_complete(drive);
}

/* ---- settings ---- */

static void run_initialize_parameters(struct ide_drive *drive, unsigned flags)
{
    uint8_t sectors = (uint8_t)drive->sector_count, heads = (uint8_t)((drive->device & ATA_DEVICE_HEAD) + 1);
    uint64_t cylinders;

    if (sectors == 0) {
        ide_fail(drive, ATA_ERROR_ABRT);
        return;
    }
    cylinders = drive->block->n_sectors / ((uint32_t)heads * sectors);
    drive->heads = heads;
    drive->sectors = sectors;
    drive->cylinders = (uint16_t)(cylinders > 16383 ? 16383 : cylinders);
    ide_complete(drive);
}

static void run_set_multiple(struct ide_drive *drive, unsigned flags)
{
    uint8_t count = (uint8_t)drive->sector_count;

    if (count > IDE_MAX_MULTIPLE || (count & (count - 1))) {
        ide_fail(drive, ATA_ERROR_ABRT);
        return;
    }
    drive->multiple = count;
    ide_complete(drive);
}

/* Count register of SET FEATURES 03: mode type in bits 7-3, mode number in bits 2-0. */
static bool set_transfer_mode(struct ide_drive *drive, uint8_t mode)
{
    uint8_t number = mode & 7;
    bool has_dma = drive->channel->dma_request;

    switch (mode >> 3) {
    case 0: /* PIO default, with or without IORDY */
        if (number > 1)
            return false;
        break;
    case 1: /* PIO flow control */
        if (number > 4)
            return false;
        break;
    case 4: /* multiword DMA */
        if (!has_dma || number > 2)
            return false;
        drive->dma_mode = mode;
        break;
    case 8: /* Ultra DMA */
        if (!has_dma || number > 5)
            return false;
        drive->dma_mode = mode;
        break;
    default:
        return false;
    }
    return true;
}

static void run_set_features(struct ide_drive *drive, unsigned flags)
{
    bool ok = true;

    switch (drive->features & 0xff) {
    case 0x02:
        drive->has_write_cache = true;
        break;
    case 0x82:
        drive->has_write_cache = false;
        ok = drive->is_cdrom || drive->block->is_readonly || drive->block->flush(drive->block);
        break;
    case 0x03:
        ok = set_transfer_mode(drive, (uint8_t)drive->sector_count);
        break;
    case 0x55:
        drive->has_look_ahead = false;
        break;
    case 0xaa:
        drive->has_look_ahead = true;
        break;
    case 0x66: /* keep settings over soft reset: they are always kept */
    case 0xcc: /* revert to power-on defaults at soft reset */
        break;
    default:
        ok = false;
        break;
    }
    if (ok)
        ide_complete(drive);
    else
        ide_fail(drive, ATA_ERROR_ABRT);
}

static void run_power(struct ide_drive *drive, unsigned flags)
{
    switch (drive->command) {
    case ATA_STANDBY_IMMEDIATE_OLD:
    case ATA_STANDBY_OLD:
    case ATA_SLEEP_OLD:
    case ATA_STANDBY_IMMEDIATE:
    case ATA_STANDBY:
    case ATA_SLEEP:
        drive->power = IDE_STANDBY;
        break;
    default: /* IDLE, IDLE IMMEDIATE */
        drive->power = IDE_POWER_IDLE;
        break;
    }
    ide_complete(drive);
}

static void run_check_power(struct ide_drive *drive, unsigned flags)
{
    drive->sector_count = drive->power;
    ide_complete(drive);
}

/* ---- IDENTIFY DEVICE ---- */

void ide_put_word(uint8_t *data, unsigned word, uint32_t value)
{
    data[2 * word] = (uint8_t)value;
    data[2 * word + 1] = (uint8_t)(value >> 8);
}

static void put_dword(uint8_t *data, unsigned word, uint32_t value)
{
    ide_put_word(data, word, value);
    ide_put_word(data, word + 1, value >> 16);
}

/* ATA strings: padded with spaces, the first character in the high byte of the word. */
void ide_put_string(uint8_t *data, unsigned word, unsigned n_words, const char *text)
{
    size_t length = strlen(text);

    for (unsigned i = 0; i < 2 * n_words; i++)
        data[2 * word + (i ^ 1)] = i < length ? (uint8_t)text[i] : ' ';
}

void ide_put_common_identity(const struct ide_drive *drive, uint8_t *data)
{
    bool has_dma = drive->channel->dma_request;
    unsigned selected = drive->dma_mode ? 0x100u << (drive->dma_mode & 7) : 0;
    bool is_ultra = drive->dma_mode >> 3 == 8;

    ide_put_string(data, 10, 10, drive->serial);
    ide_put_string(data, 23, 4, "1.0");
    ide_put_word(data, 53, 0x0003 | (has_dma ? 0x0004 : 0)); /* words 54-58, 64-70 and 88 are valid */
    ide_put_word(data, 63, has_dma ? 0x0007 | (is_ultra ? 0 : selected) : 0);
    ide_put_word(data, 64, 0x0003); /* PIO modes 3 and 4 */
    for (unsigned word = 65; word <= 68; word++)
        ide_put_word(data, word, 120); /* cycle times in ns */
    ide_put_word(data, 80, 0x007e);    /* ATA-1 to ATA/ATAPI-6 */
    ide_put_word(data, 88, has_dma ? 0x003f | (is_ultra ? selected : 0) : 0);
    ide_put_word(data, 93, drive->unit == 0 ? 0x6001 : 0x6100); /* 80-wire cable; how the unit number was found */
}

static void put_identity(const struct ide_drive *drive, uint8_t *data)
{
    uint64_t n_sectors = drive->block->n_sectors;
    uint32_t current = (uint32_t)drive->cylinders * drive->heads * drive->sectors;
    uint32_t lba28 = n_sectors < LBA28_MAX_SECTORS ? (uint32_t)n_sectors : LBA28_MAX_SECTORS;
    bool has_dma = drive->channel->dma_request;

    memset(data, 0, IDE_SECTOR);
    ide_put_common_identity(drive, data);
    ide_put_word(data, 0, 0x0040); /* ATA, fixed */
    ide_put_word(data, 1, drive->native.cylinders);
    ide_put_word(data, 3, drive->native.heads);
    ide_put_word(data, 4, IDE_SECTOR * drive->native.sectors); /* unformatted bytes per track, retired */
    ide_put_word(data, 5, IDE_SECTOR);
    ide_put_word(data, 6, drive->native.sectors);
    ide_put_word(data, 20, 3);   /* dual-ported buffer with caching, retired */
    ide_put_word(data, 21, 512); /* buffer size in sectors, retired */
    ide_put_word(data, 22, 4);   /* ECC bytes, retired */
    ide_put_string(data, 27, 20, "MORPH86 HARDDISK");
    ide_put_word(data, 47, 0x8000 | IDE_MAX_MULTIPLE);
    ide_put_word(data, 48, 1);                               /* dword I/O works */
    ide_put_word(data, 49, 0x0a00 | (has_dma ? 0x0100 : 0)); /* IORDY, LBA, DMA */
    ide_put_word(data, 50, 0x4000);
    ide_put_word(data, 51, 0x0200); /* PIO timing mode */
    ide_put_word(data, 52, has_dma ? 0x0200 : 0);
    ide_put_word(data, 54, drive->cylinders);
    ide_put_word(data, 55, drive->heads);
    ide_put_word(data, 56, drive->sectors);
    put_dword(data, 57, current);
    ide_put_word(data, 59, drive->multiple ? 0x0100u | drive->multiple : 0);
    put_dword(data, 60, lba28);
    ide_put_word(data, 82, 0x7068); /* NOP, READ/WRITE BUFFER, look-ahead, write cache, power management */
    ide_put_word(data, 83, 0x7400); /* FLUSH CACHE (EXT), LBA48 */
    ide_put_word(data, 84, 0x4000);
    ide_put_word(data, 85, 0x7008 | (drive->has_look_ahead ? 0x0040 : 0) | (drive->has_write_cache ? 0x0020 : 0));
    ide_put_word(data, 86, 0x3400);
    ide_put_word(data, 87, 0x4000);
    put_dword(data, 100, (uint32_t)n_sectors);
    put_dword(data, 102, (uint32_t)(n_sectors >> 32));
}

static void run_identify(struct ide_drive *drive, unsigned flags)
{
    put_identity(drive, drive->buffer);
    ide_start_buffer_in(drive);
}

static void run_packet(struct ide_drive *drive, unsigned flags)
{
    atapi_start_packet(drive);
}

static void run_identify_packet(struct ide_drive *drive, unsigned flags)
{
    atapi_identify(drive);
}

/* ---- the command codes ---- */

static const struct ide_command commands[256] = {
    [0x10 ... 0x1f] = {run_recalibrate, 0},
    [0x20 ... 0x21] = {run_transfer, 0},                     /* READ SECTORS */
    [0x24] = {run_transfer, IDE_CMD_EXT},                    /* READ SECTORS EXT */
    [0x25] = {run_transfer, IDE_CMD_EXT | IDE_CMD_DMA},      /* READ DMA EXT */
    [0x27] = {run_read_native_max, IDE_CMD_EXT},             /* READ NATIVE MAX ADDRESS EXT */
    [0x29] = {run_transfer, IDE_CMD_EXT | IDE_CMD_MULTIPLE}, /* READ MULTIPLE EXT */
    [0x30 ... 0x31] = {run_transfer, IDE_CMD_WRITE},         /* WRITE SECTORS */
    [0x34] = {run_transfer, IDE_CMD_EXT | IDE_CMD_WRITE},
    [0x35] = {run_transfer, IDE_CMD_EXT | IDE_CMD_DMA | IDE_CMD_WRITE},
    [0x39] = {run_transfer, IDE_CMD_EXT | IDE_CMD_MULTIPLE | IDE_CMD_WRITE},
    [0x3c] = {run_transfer, IDE_CMD_WRITE}, /* WRITE VERIFY */
    [0x40 ... 0x41] = {run_verify, 0},      /* READ VERIFY SECTORS */
    [0x42] = {run_verify, IDE_CMD_EXT},     /* READ VERIFY SECTORS EXT */
    [0x70 ... 0x7f] = {run_seek, 0},
    [0x91] = {run_initialize_parameters, 0}, /* INITIALIZE DEVICE PARAMETERS */
    [0x94 ... 0x97] = {run_power, IDE_CMD_CDROM},
    [0x98] = {run_check_power, IDE_CMD_CDROM},
    [0x99] = {run_power, IDE_CMD_CDROM},
    [0xa0] = {run_packet, IDE_CMD_CDROM | IDE_CMD_CD_ONLY},
    [0xa1] = {run_identify_packet, IDE_CMD_CDROM | IDE_CMD_CD_ONLY},
    [0xc4] = {run_transfer, IDE_CMD_MULTIPLE}, /* READ MULTIPLE */
    [0xc5] = {run_transfer, IDE_CMD_MULTIPLE | IDE_CMD_WRITE},
    [0xc6] = {run_set_multiple, 0},
    [0xc8 ... 0xc9] = {run_transfer, IDE_CMD_DMA}, /* READ DMA */
    [0xca ... 0xcb] = {run_transfer, IDE_CMD_DMA | IDE_CMD_WRITE},
    [0xe0 ... 0xe3] = {run_power, IDE_CMD_CDROM}, /* STANDBY IMMEDIATE, IDLE IMMEDIATE, STANDBY, IDLE */
    [0xe4] = {run_read_buffer, 0},
    [0xe5] = {run_check_power, IDE_CMD_CDROM},
    [0xe6] = {run_power, IDE_CMD_CDROM}, /* SLEEP */
    [0xe7] = {run_flush, 0},
    [0xe8] = {run_write_buffer, 0},
    [0xea] = {run_flush, IDE_CMD_EXT},
    [0xec] = {run_identify, 0},
    [0xef] = {run_set_features, IDE_CMD_CDROM},
    [0xf8] = {run_read_native_max, 0},
};

#define ATA_READ_SECTORS    0x20
#define ATA_IDENTIFY_DEVICE 0xec

/* NOP (00) is not in the table: it always ends as an unknown command does. */
void ide_run_command(struct ide_drive *drive)
{
    const struct ide_command *command = &commands[drive->command];

    if (command->run && (drive->is_cdrom ? command->flags & IDE_CMD_CDROM : !(command->flags & IDE_CMD_CD_ONLY))) {
        command->run(drive, command->flags);
        return;
    }
    /* What a packet device answers to the first commands of a driver that takes it for a disk. */
    if (drive->is_cdrom && (drive->command == ATA_IDENTIFY_DEVICE || drive->command == ATA_READ_SECTORS))
        ide_show_signature(drive);
    ide_fail(drive, ATA_ERROR_ABRT);
}
