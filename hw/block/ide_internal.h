/* Shared by ide.c (registers and transfers), ide_command.c (what the commands mean) and atapi*.c (CD-ROM drives). */
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
    IDE_PACKET,    /* ATAPI: the command packet */
    IDE_PACKET_IN, /* ... and the data it asks for */
    IDE_PACKET_OUT,
    IDE_PACKET_DMA_IN,
    IDE_PACKET_DMA_OUT,
};

enum ide_power { IDE_STANDBY = 0x00, IDE_POWER_IDLE = 0x80, IDE_ACTIVE = 0xff }; /* as CHECK POWER MODE reports them */

#define ATAPI_PACKET_BYTES 12

/* A CD-ROM drive. */
struct atapi {
    uint8_t packet[ATAPI_PACKET_BYTES];
    uint8_t sense_key, asc, ascq; /* of the last command */
    uint8_t attention;            /* ASC of a unit attention that no command has reported yet; 0: none */
    uint8_t event;                /* media event that GET EVENT STATUS NOTIFICATION has yet to report */
    bool is_locked;               /* PREVENT MEDIUM REMOVAL */
    bool is_open;                 /* the tray; a disc in it is not accessible */
    bool uses_dma;
    uint16_t byte_limit;  /* per DRQ block */
    uint8_t sector_parts; /* READ CD: which parts of a sector, as in byte 9 of the packet */
    uint8_t read_retries, error_recovery;
    uint8_t audio_ports[8]; /* CD audio control page */
};

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

    struct atapi atapi;

    struct ide_channel *channel;
    bool is_cdrom;
    struct host_block *block; /* NULL: no drive, or a CD-ROM drive without a disc */
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

static inline bool ide_is_present(const struct ide_drive *drive)
{
    return drive->block || drive->is_cdrom;
}

/* ---- ide.c ---- */
void ide_set_intrq(struct ide_drive *drive, bool level);
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

/* For the answers to IDENTIFY DEVICE and IDENTIFY PACKET DEVICE. */
void ide_put_word(uint8_t *data, unsigned word, uint32_t value);
void ide_put_string(uint8_t *data, unsigned word, unsigned n_words, const char *text);
/* Serial number, transfer modes and cable. */
void ide_put_common_identity(const struct ide_drive *drive, uint8_t *data);

/* ---- atapi.c ---- */
#define ATAPI_DEVICE_RESET 0x08
/* Hardware reset. */
void atapi_reset(struct ide_drive *drive);
/* The PACKET command, and IDENTIFY PACKET DEVICE. */
void atapi_start_packet(struct ide_drive *drive);
void atapi_identify(struct ide_drive *drive);
/* The guest has moved a whole DRQ block. */
void atapi_end_block(struct ide_drive *drive);
/* DMA: fills the empty buffer (false: the command has ended) and takes note of a buffer that has been moved. */
bool atapi_dma_fetch(struct ide_drive *drive);
void atapi_dma_moved(struct ide_drive *drive);
/* For atapi_info.c: ends the packet command with CHECK CONDITION; sense is key << 16 | ASC << 8 | ASCQ. */
void atapi_check(struct ide_drive *drive, uint32_t sense);
/* Returns buffer[0, len_bytes), no more than the guest has allowed for. */
void atapi_reply(struct ide_drive *drive, uint32_t len_bytes, uint32_t allocated);
/* Blocks on the disc; 0: no disc that can be read. */
uint32_t atapi_blocks(const struct ide_drive *drive);

#define ATAPI_BLOCK 2048u

enum atapi_sense {
    ATAPI_NO_MEDIUM = 0x023a01,
    ATAPI_TRAY_OPEN = 0x023a02,
    ATAPI_READ_ERROR = 0x031100,
    ATAPI_PARAMETER_LENGTH = 0x051a00,
    ATAPI_INVALID_OPCODE = 0x052000,
    ATAPI_OUT_OF_RANGE = 0x052100,
    ATAPI_INVALID_FIELD = 0x052400,
    ATAPI_INVALID_PARAMETER = 0x052600,
    ATAPI_NO_SAVED_PAGES = 0x053900,
    ATAPI_REMOVAL_PREVENTED = 0x055302,
    ATAPI_WRONG_MODE = 0x056400,
};
#define ATAPI_ATTENTION_CHANGED 0x28
#define ATAPI_ATTENTION_RESET   0x29

/* ---- atapi_info.c: what tells about drive and disc; each ends the packet command ---- */
void atapi_inquiry(struct ide_drive *drive);
void atapi_read_toc(struct ide_drive *drive);
void atapi_get_configuration(struct ide_drive *drive);
void atapi_get_event_status(struct ide_drive *drive);
void atapi_read_disc_information(struct ide_drive *drive);
void atapi_read_track_information(struct ide_drive *drive);
void atapi_read_disc_structure(struct ide_drive *drive);
void atapi_mechanism_status(struct ide_drive *drive);
void atapi_mode_sense(struct ide_drive *drive);
/* The parameter list of MODE SELECT in buffer[0, len_bytes). */
void atapi_take_mode_parameters(struct ide_drive *drive, uint32_t len_bytes);

/* ---- cd_sector.c ---- */
#define CD_RAW_SECTOR 2352u
/* The address of a block as minute, second, frame; binary. */
void cd_put_msf(uint8_t msf[3], uint32_t lba);
/* A mode 1 sector around the 2048 bytes at raw + 16. */
void cd_complete_sector(uint8_t raw[CD_RAW_SECTOR], uint32_t lba);

#endif
