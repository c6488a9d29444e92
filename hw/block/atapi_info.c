/*
 * ATAPI CD-ROM drive: what it tells about itself and the disc. Source: T10 MMC-3 (1363D), "Commands for MM devices",
 * "Features and profiles", "Mode parameters"; SFF-8020i rev. 2.6 for the audio and error recovery pages.
 */
#include "hw/block/ide_internal.h"

#include <string.h>

#define CD_MAX_BLOCKS  (80u * 60u * 75u) /* a larger image is shown as a DVD */
#define LEAD_OUT       0xaa
#define DATA_TRACK     0x14       /* ADR 1, control 4: data, no copy */
#define CD_SPEED       (24 * 176) /* kB/s */
#define DISC_IS_CD     0x0008
#define DISC_IS_DVD    0x0010
#define EVENT_HEADER   4u
#define EVENT_NO_CLASS 0x80
#define EVENT_MEDIA    4

static uint32_t get_be16(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 8 | bytes[1];
}

static uint32_t get_be32(const uint8_t *bytes)
{
    return get_be16(bytes) << 16 | get_be16(bytes + 2);
}

static void put_be16(uint8_t *bytes, uint32_t value)
{
    bytes[0] = (uint8_t)(value >> 8);
    bytes[1] = (uint8_t)value;
}

static void put_be32(uint8_t *bytes, uint32_t value)
{
    put_be16(bytes, value >> 16);
    put_be16(bytes + 2, value);
}

/* Starts a reply of `count` zero bytes. */
static uint8_t *clear_reply(struct ide_drive *drive, unsigned count)
{
    memset(drive->buffer, 0, count);
    return drive->buffer;
}

/* The allocation length where the ten-byte packets have it. */
static uint32_t allocated_10(const struct ide_drive *drive)
{
    return get_be16(drive->atapi.packet + 7);
}

void atapi_inquiry(struct ide_drive *drive)
{
    uint8_t *data = clear_reply(drive, 36);

    if ((drive->atapi.packet[1] & 3) || drive->atapi.packet[2]) { /* vital product data: none */
        atapi_check(drive, ATAPI_INVALID_FIELD);
        return;
    }
    data[0] = 0x05; /* CD-ROM */
    data[1] = 0x80; /* removable */
    data[3] = 0x21; /* ATAPI, response format */
    data[4] = 31;
    memcpy(data + 8, "MORPH86 CD-ROM          1.0 ", 28);
    atapi_reply(drive, 36, get_be16(drive->atapi.packet + 3));
}

/* ---- the disc: one session, one track ---- */

/* Four bytes: MSF with a leading zero, or LBA. */
static void put_address(uint8_t *out, uint32_t lba, bool as_msf)
{
    put_be32(out, lba);
    if (as_msf) {
        out[0] = 0;
        cd_put_msf(out + 1, lba);
    }
}

static unsigned put_toc_track(uint8_t *out, uint8_t track, uint32_t lba, bool as_msf)
{
    out[1] = DATA_TRACK;
    out[2] = track;
    put_address(out + 4, lba, as_msf);
    return 8;
}

static unsigned put_toc(const struct ide_drive *drive, uint8_t *data, bool as_msf)
{
    uint8_t first = drive->atapi.packet[6];
    unsigned length = 4;

    data[2] = data[3] = 1; /* first and last track */
    if (first <= 1)
        length += put_toc_track(data + length, 1, 0, as_msf);
    return length + put_toc_track(data + length, LEAD_OUT, atapi_blocks(drive), as_msf);
}

static unsigned put_session_info(uint8_t *data, bool as_msf)
{
    data[2] = data[3] = 1; /* first and last session */
    return 4 + put_toc_track(data + 4, 1, 0, as_msf);
}

/* The entries of the lead-in: first track, last track, start of the lead-out, start of track 1. */
static unsigned put_raw_toc(const struct ide_drive *drive, uint8_t *data)
{
    static const uint8_t points[] = {0xa0, 0xa1, 0xa2, 1};

    data[2] = data[3] = 1;
    for (unsigned i = 0; i < sizeof points; i++) {
        uint8_t *entry = data + 4 + 11 * i;

        entry[0] = 1; /* session */
        entry[1] = DATA_TRACK;
        entry[3] = points[i];
        if (points[i] == 0xa0 || points[i] == 0xa1)
            entry[8] = 1; /* track number; the disc type CD-ROM is 0 in the next byte */
        else
            cd_put_msf(entry + 8, points[i] == 0xa2 ? atapi_blocks(drive) : 0);
    }
    return 4 + 11 * sizeof points;
}

void atapi_read_toc(struct ide_drive *drive)
{
    const uint8_t *packet = drive->atapi.packet;
    uint8_t *data = clear_reply(drive, 64);
    bool as_msf = packet[1] & 2;
    uint8_t format = packet[2] & 0xf;
    unsigned length;

    if (format == 0)
        format = packet[9] >> 6; /* where SFF-8020i has it */
    if ((format == 0 && packet[6] > 1 && packet[6] != LEAD_OUT) || format > 2) {
        atapi_check(drive, ATAPI_INVALID_FIELD);
        return;
    }
    if (format == 0)
        length = put_toc(drive, data, as_msf);
    else if (format == 1)
        length = put_session_info(data, as_msf);
    else
        length = put_raw_toc(drive, data);
    put_be16(data, length - 2);
    atapi_reply(drive, length, allocated_10(drive));
}

void atapi_read_disc_information(struct ide_drive *drive)
{
    uint8_t *data = clear_reply(drive, 34);

    put_be16(data, 32);
    data[2] = 0x0e; /* complete, as is its last session */
    data[3] = 1;    /* first track of the disc */
    data[4] = 1;    /* sessions */
    data[5] = 1;    /* first and last track of the last session */
    data[6] = 1;
    data[7] = 0x20;             /* unrestricted use */
    memset(data + 16, 0xff, 8); /* where a next session would begin: nowhere */
    atapi_reply(drive, 34, allocated_10(drive));
}

void atapi_read_track_information(struct ide_drive *drive)
{
    const uint8_t *packet = drive->atapi.packet;
    uint8_t *data = clear_reply(drive, 36);
    uint32_t address = get_be32(packet + 2), blocks = atapi_blocks(drive);
    bool exists;

    switch (packet[1] & 3) { /* the address is a block, a track, a session */
    case 0:
        exists = address < blocks;
        break;
    case 1:
    case 2:
        exists = address == 1;
        break;
    default:
        exists = false;
        break;
    }
    if (!exists) {
        atapi_check(drive, ATAPI_INVALID_FIELD);
        return;
    }
    put_be16(data, 34);
    data[2] = data[3] = 1; /* track, session */
    data[5] = DATA_TRACK & 0xf;
    data[6] = 1; /* data mode */
    put_be32(data + 24, blocks);
    atapi_reply(drive, 36, allocated_10(drive));
}

static bool is_dvd(const struct ide_drive *drive)
{
    return atapi_blocks(drive) > CD_MAX_BLOCKS;
}

/* Physical format and copyright: a single-layer, read-only DVD without protection. */
void atapi_read_disc_structure(struct ide_drive *drive)
{
    const uint8_t *packet = drive->atapi.packet;
    uint8_t *data = clear_reply(drive, 4 + 2048);
    unsigned length;

    if (!is_dvd(drive) || packet[6] || packet[7] > 1) {
        atapi_check(drive, is_dvd(drive) ? ATAPI_INVALID_FIELD : 0x053002); /* cannot read medium: incompatible */
        return;
    }
    if (packet[7] == 0) {
        length = 4 + 2048;
        data[4] = 0x01;                 /* DVD-ROM, part version 1 */
        data[5] = 0x0f;                 /* 120 mm, no maximum rate */
        data[6] = 0x01;                 /* one layer, embossed */
        put_be32(data + 8, 0x00030000); /* first and last physical sector */
        put_be32(data + 12, 0x00030000 + atapi_blocks(drive) - 1);
    } else {
        length = 4 + 4;
    }
    put_be16(data, length - 2);
    atapi_reply(drive, length, get_be16(packet + 8));
}

/* ---- the drive ---- */

static unsigned put_feature(uint8_t *out, uint16_t code, uint8_t flags, const uint8_t *bytes, uint8_t n_bytes)
{
    put_be16(out, code);
    out[2] = flags; /* version, persistent, current */
    out[3] = n_bytes;
    if (n_bytes)
        memcpy(out + 4, bytes, n_bytes);
    return 4u + n_bytes;
}

void atapi_get_configuration(struct ide_drive *drive)
{
    enum { PERSISTENT = 2, CURRENT = 1 };
    bool has_disc = atapi_blocks(drive) > 0, dvd = is_dvd(drive);
    uint8_t cd_now = has_disc && !dvd, dvd_now = has_disc && dvd;
    const struct {
        uint16_t code;
        uint8_t flags, n_bytes;
        uint8_t bytes[8];
    } features[] = {
        {0x0000, PERSISTENT | CURRENT, 8, {0, DISC_IS_DVD, dvd_now, 0, 0, DISC_IS_CD, cd_now, 0}}, /* profiles */
        {0x0001, 0x04 | PERSISTENT | CURRENT, 8, {0, 0, 0, 2, 0, 0, 0, 0}},                        /* core: ATAPI */
        {0x0002, 0x04 | PERSISTENT | CURRENT, 4, {2, 0, 0, 0}},                                    /* morphing */
        {0x0003, PERSISTENT | CURRENT, 4, {0x29, 0, 0, 0}}, /* removable: tray, eject, lock */
        {0x0010, has_disc, 8, {0, 0, 8, 0, 0, 1, 0, 0}},    /* random readable: 2048-byte blocks */
        {0x001e, cd_now, 4, {0, 0, 0, 0}},                  /* CD read */
        {0x001f, dvd_now, 0, {0}},                          /* DVD read */
        {0x0100, PERSISTENT | CURRENT, 0, {0}},             /* power management */
    };
    const uint8_t *packet = drive->atapi.packet;
    uint16_t first = (uint16_t)get_be16(packet + 2);
    uint8_t type = packet[1] & 3; /* from `first` on: 0 all, 1 the current ones, 2 `first` alone */
    uint8_t *data = clear_reply(drive, 256);
    unsigned length = 8;

    if (type == 3) {
        atapi_check(drive, ATAPI_INVALID_FIELD);
        return;
    }
    for (unsigned i = 0; i < sizeof features / sizeof features[0]; i++) {
        bool wanted = type == 2 ? features[i].code == first : features[i].code >= first;

        if (wanted && (type != 1 || (features[i].flags & CURRENT)))
            length +=
                put_feature(data + length, features[i].code, features[i].flags, features[i].bytes, features[i].n_bytes);
    }
    put_be32(data, length - 4);
    put_be16(data + 6, !has_disc ? 0 : dvd ? DISC_IS_DVD : DISC_IS_CD);
    atapi_reply(drive, length, allocated_10(drive));
}

/* Polled only; the media class alone. */
void atapi_get_event_status(struct ide_drive *drive)
{
    const uint8_t *packet = drive->atapi.packet;
    uint8_t *data = clear_reply(drive, 8);
    uint32_t allocated = allocated_10(drive);
    bool has_media_class = packet[4] & 1 << EVENT_MEDIA;

    if (!(packet[1] & 1)) {
        atapi_check(drive, ATAPI_INVALID_FIELD);
        return;
    }
    data[2] = has_media_class ? EVENT_MEDIA : EVENT_NO_CLASS;
    data[3] = 1 << EVENT_MEDIA; /* classes that it has */
    if (!has_media_class) {
        put_be16(data, EVENT_HEADER - 2);
        atapi_reply(drive, EVENT_HEADER, allocated);
        return;
    }
    put_be16(data, EVENT_HEADER + 4 - 2);
    data[4] = drive->atapi.event;
    data[5] = (uint8_t)((drive->atapi.is_open ? 1 : 0) | (atapi_blocks(drive) ? 2 : 0));
    if (allocated > EVENT_HEADER) /* it has been told */
        drive->atapi.event = 0;
    atapi_reply(drive, 8, allocated);
}

void atapi_mechanism_status(struct ide_drive *drive)
{
    uint8_t *data = clear_reply(drive, 8);

    data[1] = drive->atapi.is_open ? 0x10 : 0;
    atapi_reply(drive, 8, get_be16(drive->atapi.packet + 8));
}

/* ---- mode pages ---- */

enum { PAGE_ERROR_RECOVERY = 0x01, PAGE_CD_AUDIO = 0x0e, PAGE_CAPABILITIES = 0x2a, PAGE_ALL = 0x3f };
enum { PAGES_CURRENT, PAGES_CHANGEABLE, PAGES_DEFAULT, PAGES_SAVED };

#define MODE_HEADER 8u

static unsigned put_error_recovery(const struct ide_drive *drive, uint8_t *page, unsigned control)
{
    page[0] = PAGE_ERROR_RECOVERY;
    page[1] = 6;
    page[2] = control == PAGES_CHANGEABLE ? 0xff : control == PAGES_CURRENT ? drive->atapi.error_recovery : 0;
    page[3] = control == PAGES_CHANGEABLE ? 0xff : control == PAGES_CURRENT ? drive->atapi.read_retries : 5;
    return 8;
}

static unsigned put_cd_audio(const struct ide_drive *drive, uint8_t *page, unsigned control)
{
    static const uint8_t defaults[8] = {1, 0xff, 2, 0xff};

    page[0] = PAGE_CD_AUDIO;
    page[1] = 14;
    page[2] = control == PAGES_CHANGEABLE ? 0 : 0x04; /* immediate */
    if (control == PAGES_CHANGEABLE)
        memset(page + 8, 0xff, 8);
    else
        memcpy(page + 8, control == PAGES_CURRENT ? drive->atapi.audio_ports : defaults, 8);
    return 16;
}

static unsigned put_capabilities(const struct ide_drive *drive, uint8_t *page, unsigned control)
{
    page[0] = PAGE_CAPABILITIES;
    page[1] = 18;
    if (control == PAGES_CHANGEABLE)
        return 20;
    page[2] = 0x08; /* reads DVD-ROM */
    page[4] = 0x30; /* mode 2 forms 1 and 2 */
    page[6] = 0x29; /* tray; ejects by command; can be locked */
    if (drive->atapi.is_locked && control == PAGES_CURRENT)
        page[6] |= 0x02;
    put_be16(page + 8, CD_SPEED);
    put_be16(page + 10, 2);   /* volume levels */
    put_be16(page + 12, 512); /* KiB of buffer */
    put_be16(page + 14, CD_SPEED);
    return 20;
}

static uint8_t medium_type(const struct ide_drive *drive)
{
    if (drive->atapi.is_open)
        return 0x71;
    return atapi_blocks(drive) ? 0x01 : 0x70; /* 120 mm data disc; none */
}

void atapi_mode_sense(struct ide_drive *drive)
{
    static const struct {
        uint8_t code;
        unsigned (*put)(const struct ide_drive *drive, uint8_t *page, unsigned control);
    } pages[] = {{PAGE_ERROR_RECOVERY, put_error_recovery},
                 {PAGE_CD_AUDIO, put_cd_audio},
                 {PAGE_CAPABILITIES, put_capabilities}};
    uint8_t code = drive->atapi.packet[2] & 0x3f, control = drive->atapi.packet[2] >> 6;
    uint8_t *data = clear_reply(drive, 64);
    unsigned length = MODE_HEADER;

    if (control == PAGES_SAVED) {
        atapi_check(drive, ATAPI_NO_SAVED_PAGES);
        return;
    }
    for (unsigned i = 0; i < sizeof pages / sizeof pages[0]; i++)
        if (code == pages[i].code || code == PAGE_ALL)
            length += pages[i].put(drive, data + length, control);
    if (length == MODE_HEADER) {
        atapi_check(drive, ATAPI_INVALID_FIELD);
        return;
    }
    put_be16(data, length - 2);
    data[2] = medium_type(drive);
    atapi_reply(drive, length, allocated_10(drive));
}

void atapi_take_mode_parameters(struct ide_drive *drive, uint32_t len_bytes)
{
    const uint8_t *data = drive->buffer;
    uint32_t at = MODE_HEADER;

    while (at + 2 <= len_bytes) {
        const uint8_t *page = data + at;
        uint32_t page_bytes = 2u + page[1];

        if (page_bytes > len_bytes - at) {
            atapi_check(drive, ATAPI_PARAMETER_LENGTH);
            return;
        }
        if ((page[0] & 0x3f) == PAGE_ERROR_RECOVERY && page_bytes >= 8) {
            drive->atapi.error_recovery = page[2];
            drive->atapi.read_retries = page[3];
        } else if ((page[0] & 0x3f) == PAGE_CD_AUDIO && page_bytes >= 16) {
            memcpy(drive->atapi.audio_ports, page + 8, 8);
        } else {
            atapi_check(drive, ATAPI_INVALID_PARAMETER);
            return;
        }
        at += page_bytes;
    }
    atapi_reply(drive, 0, 0);
}
