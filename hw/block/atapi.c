/*
 * ATAPI CD-ROM drive: packet protocol, data, tray. Source: T13 ATA/ATAPI-6 (1410D), "PACKET command protocols";
 * SFF-8020i rev. 2.6; T10 MMC-3 (1363D) and SPC-2. Deviates: a packet command is done when its last byte is written.
 * There are no audio tracks and no multi-session discs: an image is one data track. Overlap and command queuing are not
 * offered.
 */
#include "hw/block/ide_internal.h"

#include <string.h>

#define REASON_CD 0x01 /* Interrupt Reason, in the Sector Count register: command packet, not data */
#define REASON_IO 0x02 /* towards the host */

#define FEATURE_DMA 0x01
#define FEATURE_OVL 0x02

#define SENSE_ATTENTION 0x06

enum { EVENT_NONE, EVENT_EJECT_REQUEST, EVENT_NEW_MEDIA, EVENT_MEDIA_REMOVAL };

/* READ CD: parts of a sector. */
#define PART_SYNC   0x80
#define PART_HEADER 0x20 /* of the two header bits the one that a mode 1 sector has */
#define PART_DATA   0x10
#define PART_EDC    0x08

static uint32_t get_be16(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 8 | bytes[1];
}

static uint32_t get_be32(const uint8_t *bytes)
{
    return get_be16(bytes) << 16 | get_be16(bytes + 2);
}

static void put_be32(uint8_t *bytes, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++)
        bytes[i] = (uint8_t)(value >> (24 - 8 * i));
}

uint32_t atapi_blocks(const struct ide_drive *drive)
{
    uint64_t blocks = drive->block && !drive->atapi.is_open ? (drive->block->n_sectors + 3) / 4 : 0;

    return blocks < UINT32_MAX ? (uint32_t)blocks : UINT32_MAX;
}

/* ---- ends of commands ---- */

static void set_sense(struct ide_drive *drive, uint32_t sense)
{
    drive->atapi.sense_key = sense >> 16 & 0xf;
    drive->atapi.asc = sense >> 8 & 0xff;
    drive->atapi.ascq = sense & 0xff;
}

static void complete(struct ide_drive *drive)
{
    drive->sector_count = REASON_CD | REASON_IO;
    ide_complete(drive);
}

void atapi_check(struct ide_drive *drive, uint32_t sense)
{
    set_sense(drive, sense);
    drive->sector_count = REASON_CD | REASON_IO;
    ide_fail(drive, (uint8_t)(drive->atapi.sense_key << 4 | ATA_ERROR_ABRT));
}

/* ---- data towards the guest ---- */

static unsigned raw_bytes(const struct ide_drive *drive)
{
    uint8_t parts = drive->atapi.sector_parts;

    return (parts & PART_SYNC ? 12 : 0) + (parts & PART_HEADER ? 4 : 0) + (parts & PART_DATA ? 2048 : 0) +
           (parts & PART_EDC ? 288 : 0);
}

/* n blocks of plain data, the last one filled up with zeros if the image ends within it. */
static bool read_blocks(struct ide_drive *drive, uint32_t lba, uint8_t *out, uint32_t n)
{
    uint64_t first = (uint64_t)lba * 4, n_sectors = drive->block->n_sectors;
    uint32_t wanted = n * 4;

    if (first + wanted > n_sectors) {
        wanted = (uint32_t)(n_sectors - first);
        memset(out + (size_t)wanted * IDE_SECTOR, 0, (size_t)(n * 4 - wanted) * IDE_SECTOR);
    }
    return drive->block->read(drive->block, first, out, wanted);
}

/* One sector in the parts that READ CD asks for; returns their length, 0 on a host I/O error. */
static unsigned read_raw(struct ide_drive *drive, uint32_t lba, uint8_t *out)
{
    static const struct {
        uint8_t part;
        uint16_t at, length;
    } part[] = {{PART_SYNC, 0, 12}, {PART_HEADER, 12, 4}, {PART_DATA, 16, 2048}, {PART_EDC, 2064, 288}};
    uint8_t raw[CD_RAW_SECTOR];
    unsigned length = 0;

    if (!read_blocks(drive, lba, raw + 16, 1))
        return 0;
    cd_complete_sector(raw, lba);
    for (unsigned i = 0; i < sizeof part / sizeof part[0]; i++) {
        if (!(drive->atapi.sector_parts & part[i].part))
            continue;
        memcpy(out + length, raw + part[i].at, part[i].length);
        length += part[i].length;
    }
    return length;
}

/* Fills the buffer with the next blocks from drive->lba. False: the command has ended. */
static bool fetch(struct ide_drive *drive)
{
    unsigned block_bytes = raw_bytes(drive);
    uint32_t n = drive->remaining, blocks = atapi_blocks(drive);
    bool ok = true;

    if (n == 0 || block_bytes == 0) {
        complete(drive);
        return false;
    }
    n = n < sizeof drive->buffer / block_bytes ? n : (uint32_t)(sizeof drive->buffer / block_bytes);
    if (drive->lba >= blocks) { /* also when the disc has been taken out meanwhile */
        atapi_check(drive, blocks ? ATAPI_OUT_OF_RANGE : ATAPI_NO_MEDIUM);
        return false;
    }
    n = n < blocks - drive->lba ? n : blocks - (uint32_t)drive->lba;
    if (block_bytes == ATAPI_BLOCK) {
        ok = read_blocks(drive, (uint32_t)drive->lba, drive->buffer, n);
    } else {
        for (uint32_t i = 0; i < n && ok; i++)
            ok = read_raw(drive, (uint32_t)drive->lba + i, drive->buffer + (size_t)i * block_bytes);
    }
    if (!ok) {
        atapi_check(drive, ATAPI_READ_ERROR);
        return false;
    }
    drive->position = 0;
    drive->filled = n * block_bytes;
    drive->lba += n;
    drive->remaining -= n;
    return true;
}

/* Offers the next DRQ block: as much as the guest takes at once, and even unless it is the last. */
static void present(struct ide_drive *drive, uint8_t reason)
{
    uint32_t n = drive->filled - drive->position;

    if (n > drive->atapi.byte_limit)
        n = drive->atapi.byte_limit & ~1u;
    drive->block_end = drive->position + n;
    drive->sector_count = reason;
    drive->lba_mid = n & 0xff;
    drive->lba_high = (uint16_t)(n >> 8);
    drive->status = ATA_STATUS_DRDY | ATA_STATUS_DSC | ATA_STATUS_DRQ;
    ide_set_intrq(drive, true);
}

static void present_in(struct ide_drive *drive)
{
    if (drive->position == drive->filled && !fetch(drive))
        return;
    present(drive, REASON_IO);
}

/* The buffer and drive->remaining say what there is to move. */
static void start_data(struct ide_drive *drive, bool is_input)
{
    struct ide_channel *channel = drive->channel;

    if (drive->atapi.uses_dma) {
        drive->transfer = is_input ? IDE_PACKET_DMA_IN : IDE_PACKET_DMA_OUT;
        drive->sector_count = is_input ? REASON_IO : 0;
        drive->status = ATA_STATUS_DRDY | ATA_STATUS_DSC | ATA_STATUS_DRQ;
        channel->dma_request(channel->dma_opaque);
    } else if (is_input) {
        drive->transfer = IDE_PACKET_IN;
        present_in(drive);
    } else {
        drive->transfer = IDE_PACKET_OUT;
        present(drive, 0);
    }
}

void atapi_reply(struct ide_drive *drive, uint32_t len_bytes, uint32_t allocated)
{
    drive->remaining = 0;
    drive->position = 0;
    drive->filled = len_bytes < allocated ? len_bytes : allocated;
    if (drive->filled == 0)
        complete(drive);
    else
        start_data(drive, true);
}

static void end_output(struct ide_drive *drive)
{
    atapi_take_mode_parameters(drive, drive->filled);
}

bool atapi_dma_fetch(struct ide_drive *drive)
{
    return drive->transfer == IDE_PACKET_DMA_IN && fetch(drive);
}

void atapi_dma_moved(struct ide_drive *drive)
{
    if (drive->transfer == IDE_PACKET_DMA_OUT)
        end_output(drive);
    else if (drive->remaining == 0)
        complete(drive);
}

/* ---- packet commands: reading ---- */

static void start_read(struct ide_drive *drive, uint32_t lba, uint32_t n, uint8_t parts)
{
    uint32_t blocks = atapi_blocks(drive);

    if (lba > blocks || n > blocks - lba) {
        atapi_check(drive, ATAPI_OUT_OF_RANGE);
        return;
    }
    drive->lba = lba;
    drive->remaining = n;
    drive->position = drive->filled = 0;
    drive->atapi.sector_parts = parts;
    if (n == 0 || raw_bytes(drive) == 0)
        complete(drive);
    else
        start_data(drive, true);
}

static void run_read_10(struct ide_drive *drive)
{
    start_read(drive, get_be32(drive->atapi.packet + 2), get_be16(drive->atapi.packet + 7), PART_DATA);
}

static void run_read_12(struct ide_drive *drive)
{
    start_read(drive, get_be32(drive->atapi.packet + 2), get_be32(drive->atapi.packet + 6), PART_DATA);
}

/* READ CD and READ CD MSF differ in how they name the blocks. */
static void read_cd(struct ide_drive *drive, uint32_t lba, uint32_t n)
{
    const uint8_t *packet = drive->atapi.packet;
    uint8_t type = packet[1] >> 2 & 7, parts = packet[9] & 0xf8;

    if (type != 0 && type != 2) { /* any, or mode 1: nothing else is on the disc */
        atapi_check(drive, ATAPI_WRONG_MODE);
        return;
    }
    if ((packet[9] & 0x06) || (packet[10] & 0x07)) { /* C2 errors, sub-channels */
        atapi_check(drive, ATAPI_INVALID_FIELD);
        return;
    }
    start_read(drive, lba, n, parts & (PART_SYNC | PART_HEADER | PART_DATA | PART_EDC));
}

static void run_read_cd(struct ide_drive *drive)
{
    const uint8_t *packet = drive->atapi.packet;

    read_cd(drive, get_be32(packet + 2), (uint32_t)packet[6] << 16 | get_be16(packet + 7));
}

static void run_read_cd_msf(struct ide_drive *drive)
{
    const uint8_t *p = drive->atapi.packet;
    uint32_t start = (p[3] * 60u + p[4]) * 75u + p[5], end = (p[6] * 60u + p[7]) * 75u + p[8];

    if (start < 150 || end < start) {
        atapi_check(drive, ATAPI_INVALID_FIELD);
        return;
    }
    read_cd(drive, start - 150, end - start);
}

static void run_read_capacity(struct ide_drive *drive)
{
    put_be32(drive->buffer, atapi_blocks(drive) - 1);
    put_be32(drive->buffer + 4, ATAPI_BLOCK);
    atapi_reply(drive, 8, 8);
}

static void run_seek(struct ide_drive *drive)
{
    if (get_be32(drive->atapi.packet + 2) >= atapi_blocks(drive))
        atapi_check(drive, ATAPI_OUT_OF_RANGE);
    else
        complete(drive);
}

static void run_read_header(struct ide_drive *drive)
{
    uint32_t lba = get_be32(drive->atapi.packet + 2);

    if (lba >= atapi_blocks(drive)) {
        atapi_check(drive, ATAPI_OUT_OF_RANGE);
        return;
    }
    memset(drive->buffer, 0, 8);
    drive->buffer[0] = 1; /* data mode */
    if (drive->atapi.packet[1] & 2)
        cd_put_msf(drive->buffer + 5, lba);
    else
        put_be32(drive->buffer + 4, lba);
    atapi_reply(drive, 8, get_be16(drive->atapi.packet + 7));
}

/* The current position; there is no audio to have one. */
static void run_read_subchannel(struct ide_drive *drive)
{
    const uint8_t *packet = drive->atapi.packet;
    uint8_t *data = drive->buffer;
    uint32_t length = 4;

    memset(data, 0, 24);
    data[1] = 0x15; /* no current audio status to return */
    if (packet[2] & 0x40) {
        data[4] = packet[3];
        if (packet[3] == 1) {
            data[5] = 0x14; /* position; data track */
            data[6] = data[7] = 1;
            length = 16;
        } else if (packet[3] == 2 || packet[3] == 3) { /* catalogue number, ISRC: none */
            length = 24;
        } else {
            atapi_check(drive, ATAPI_INVALID_FIELD);
            return;
        }
        data[3] = (uint8_t)(length - 4);
    }
    atapi_reply(drive, length, get_be16(packet + 7));
}

/* ---- packet commands: drive and tray ---- */

static void run_nothing(struct ide_drive *drive)
{
    complete(drive);
}

static void run_request_sense(struct ide_drive *drive)
{
    uint8_t *data = drive->buffer;

    if (drive->atapi.attention && drive->atapi.sense_key == 0) {
        set_sense(drive, SENSE_ATTENTION << 16 | (uint32_t)drive->atapi.attention << 8);
        drive->atapi.attention = 0;
    }
    memset(data, 0, 18);
    data[0] = 0x70;
    data[2] = drive->atapi.sense_key;
    data[7] = 10;
    data[12] = drive->atapi.asc;
    data[13] = drive->atapi.ascq;
    set_sense(drive, 0);
    atapi_reply(drive, 18, drive->atapi.packet[4]);
}

static void close_tray(struct ide_drive *drive)
{
    if (drive->block && drive->atapi.is_open) {
        drive->atapi.attention = ATAPI_ATTENTION_CHANGED;
        drive->atapi.event = EVENT_NEW_MEDIA;
    }
    drive->atapi.is_open = false;
}

static void open_tray(struct ide_drive *drive)
{
    if (drive->block && !drive->atapi.is_open)
        drive->atapi.event = EVENT_MEDIA_REMOVAL;
    drive->atapi.is_open = true;
}

static void run_start_stop(struct ide_drive *drive)
{
    bool loads_or_ejects = drive->atapi.packet[4] & 2, starts = drive->atapi.packet[4] & 1;

    if (loads_or_ejects && !starts && drive->atapi.is_locked && !drive->atapi.is_open) {
        atapi_check(drive, ATAPI_REMOVAL_PREVENTED);
        return;
    }
    if (loads_or_ejects && starts)
        close_tray(drive);
    else if (loads_or_ejects)
        open_tray(drive);
    complete(drive);
}

static void run_prevent_allow(struct ide_drive *drive)
{
    drive->atapi.is_locked = drive->atapi.packet[4] & 1;
    complete(drive);
}

static void run_mode_select(struct ide_drive *drive)
{
    uint32_t length = get_be16(drive->atapi.packet + 7);

    if (length == 0) {
        complete(drive);
        return;
    }
    drive->remaining = 0;
    drive->position = 0;
    drive->filled = length;
    start_data(drive, false);
}

enum packet_flag {
    NEEDS_DISC = 1 << 0,
    IGNORES_ATTENTION = 1 << 1, /* neither reports nor clears a unit attention */
    KEEPS_SENSE = 1 << 2,
};

static const struct packet_command {
    void (*run)(struct ide_drive *drive); /* NULL: no such command */
    unsigned flags;
} packet_commands[256] = {
    [0x00] = {run_nothing, NEEDS_DISC}, /* TEST UNIT READY */
    [0x03] = {run_request_sense, IGNORES_ATTENTION | KEEPS_SENSE},
    [0x12] = {atapi_inquiry, IGNORES_ATTENTION},
    [0x1b] = {run_start_stop, 0},
    [0x1e] = {run_prevent_allow, 0},
    [0x25] = {run_read_capacity, NEEDS_DISC},
    [0x28] = {run_read_10, NEEDS_DISC},
    [0x2b] = {run_seek, NEEDS_DISC},
    [0x42] = {run_read_subchannel, NEEDS_DISC},
    [0x43] = {atapi_read_toc, NEEDS_DISC},
    [0x44] = {run_read_header, NEEDS_DISC},
    [0x46] = {atapi_get_configuration, IGNORES_ATTENTION},
    [0x4a] = {atapi_get_event_status, IGNORES_ATTENTION},
    [0x51] = {atapi_read_disc_information, NEEDS_DISC},
    [0x52] = {atapi_read_track_information, NEEDS_DISC},
    [0x55] = {run_mode_select, 0},
    [0x5a] = {atapi_mode_sense, 0},
    [0xa8] = {run_read_12, NEEDS_DISC},
    [0xad] = {atapi_read_disc_structure, NEEDS_DISC},
    [0xb9] = {run_read_cd_msf, NEEDS_DISC},
    [0xbb] = {run_nothing, 0}, /* SET CD SPEED */
    [0xbd] = {atapi_mechanism_status, 0},
    [0xbe] = {run_read_cd, NEEDS_DISC},
};

static void run_packet(struct ide_drive *drive)
{
    const struct packet_command *command = &packet_commands[drive->atapi.packet[0]];

    if (!(command->flags & KEEPS_SENSE))
        set_sense(drive, 0);
    if (drive->atapi.attention && !(command->flags & IGNORES_ATTENTION)) {
        uint32_t sense = SENSE_ATTENTION << 16 | (uint32_t)drive->atapi.attention << 8;

        drive->atapi.attention = 0;
        atapi_check(drive, sense);
    } else if (!command->run) {
        atapi_check(drive, ATAPI_INVALID_OPCODE);
    } else if ((command->flags & NEEDS_DISC) && atapi_blocks(drive) == 0) {
        atapi_check(drive, drive->atapi.is_open ? ATAPI_TRAY_OPEN : ATAPI_NO_MEDIUM);
    } else {
        command->run(drive);
    }
}

/* ---- the ATA side ---- */

void atapi_end_block(struct ide_drive *drive)
{
    if (drive->transfer == IDE_PACKET) {
        memcpy(drive->atapi.packet, drive->buffer, ATAPI_PACKET_BYTES);
        run_packet(drive);
    } else if (drive->transfer == IDE_PACKET_OUT) {
        if (drive->position == drive->filled)
            end_output(drive);
        else
            present(drive, 0);
    } else if (drive->position == drive->filled && drive->remaining == 0) {
        complete(drive);
    } else {
        present_in(drive);
    }
}

void atapi_start_packet(struct ide_drive *drive)
{
    uint32_t limit = (drive->lba_mid & 0xff) | (drive->lba_high & 0xffu) << 8;

    drive->atapi.uses_dma = drive->features & FEATURE_DMA;
    if ((drive->features & FEATURE_OVL) || (drive->atapi.uses_dma && !drive->channel->dma_request)) {
        ide_fail(drive, ATA_ERROR_ABRT);
        return;
    }
    drive->atapi.byte_limit = limit < 2 || limit == 0xffff ? 0xfffe : (uint16_t)limit;
    drive->transfer = IDE_PACKET;
    drive->position = 0;
    drive->filled = drive->block_end = ATAPI_PACKET_BYTES;
    drive->sector_count = REASON_CD;
    drive->status = ATA_STATUS_DRDY | ATA_STATUS_DSC | ATA_STATUS_DRQ; /* without an interrupt, as IDENTIFY says */
}

void atapi_identify(struct ide_drive *drive)
{
    uint8_t *data = drive->buffer;
    bool has_dma = drive->channel->dma_request;

    memset(data, 0, IDE_SECTOR);
    ide_put_common_identity(drive, data);
    ide_put_word(data, 0, 0x85c0); /* ATAPI, CD-ROM, removable, DRQ for the packet within 50 us, 12 bytes */
    ide_put_string(data, 27, 20, "MORPH86 CD-ROM");
    ide_put_word(data, 49, 0x0a00 | (has_dma ? 0x0100 : 0)); /* IORDY, LBA, DMA */
    ide_put_word(data, 50, 0x4000);
    ide_put_word(data, 71, 30); /* ns from packet to bus release, from SERVICE to not BSY */
    ide_put_word(data, 72, 30);
    ide_put_word(data, 82, 0x0218); /* DEVICE RESET, PACKET, power management */
    ide_put_word(data, 83, 0x4000);
    ide_put_word(data, 84, 0x4000);
    ide_put_word(data, 85, 0x0218);
    ide_put_word(data, 87, 0x4000);
    ide_start_buffer_in(drive);
}

void atapi_reset(struct ide_drive *drive)
{
    ide_show_signature(drive);
    drive->atapi.attention = ATAPI_ATTENTION_RESET;
    memcpy(drive->atapi.audio_ports, (const uint8_t[8]){1, 0xff, 2, 0xff}, 8); /* port 0 left, port 1 right */
}

static struct ide_drive *cd_drive(struct ide_channel *channel, unsigned unit)
{
    struct ide_drive *drive = &channel->drive[unit & 1];

    return drive->is_cdrom ? drive : NULL;
}

bool ide_cd_insert(struct ide_channel *channel, unsigned unit, struct host_block *block)
{
    struct ide_drive *drive = cd_drive(channel, unit);

    if (!drive)
        return false;
    drive->block = block;
    drive->atapi.is_open = true;
    close_tray(drive);
    return true;
}

bool ide_cd_eject(struct ide_channel *channel, unsigned unit, bool force)
{
    struct ide_drive *drive = cd_drive(channel, unit);

    if (!drive)
        return false;
    if (drive->atapi.is_locked && !force) {
        drive->atapi.event = EVENT_EJECT_REQUEST;
        return false;
    }
    open_tray(drive);
    drive->block = NULL;
    return true;
}
