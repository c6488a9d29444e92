/* Shared by fdc82078.c (registers and phases), fdc82078_data.c (data transfer) and fdc82078_media.c (drives, disks). */
#ifndef HW_BLOCK_FDC82078_INTERNAL_H
#define HW_BLOCK_FDC82078_INTERNAL_H

#include "hw/block/fdc82078.h"

#define FDC_SECTOR      HOST_BLOCK_SECTOR
#define FDC_SECTOR_N    2 /* sector size code: 128 << 2 bytes */
#define FDC_MAX_SECTORS 5760u
#define FDC_UNITS       4  /* that a command can name */
#define FDC_SPEED_UP    20 /* drives are that much faster than real ones */

enum fdc_st0 {
    FDC_ST0_HEAD = 0x04,
    FDC_ST0_EC = 0x10, /* equipment check: no track 0 */
    FDC_ST0_SE = 0x20, /* seek end */
    FDC_ST0_ABNORMAL = 0x40,
    FDC_ST0_INVALID = 0x80,
    FDC_ST0_POLLING = 0xc0,
};
enum fdc_st1 {
    FDC_ST1_MA = 0x01, /* missing address mark */
    FDC_ST1_NW = 0x02, /* not writable */
    FDC_ST1_ND = 0x04, /* no data: no such sector */
    FDC_ST1_OR = 0x10, /* overrun */
    FDC_ST1_DE = 0x20, /* data error */
    FDC_ST1_EN = 0x80, /* end of cylinder */
};
enum fdc_st2 {
    FDC_ST2_MD = 0x01, /* missing data address mark */
    FDC_ST2_SN = 0x04, /* scan not satisfied */
    FDC_ST2_SH = 0x08, /* scan equal hit */
    FDC_ST2_WC = 0x10, /* wrong cylinder */
    FDC_ST2_DD = 0x20, /* data error in the data field */
    FDC_ST2_CM = 0x40, /* control mark */
};

/* Low five bits of the data transfer commands. */
enum fdc_data_command {
    FDC_READ_TRACK = 0x02,
    FDC_WRITE = 0x05,
    FDC_READ = 0x06,
    FDC_WRITE_DELETED = 0x09,
    FDC_READ_ID = 0x0a,
    FDC_READ_DELETED = 0x0c,
    FDC_FORMAT = 0x0d,
    FDC_SCAN_EQUAL = 0x11,
    FDC_VERIFY = 0x16,
    FDC_SCAN_LOW = 0x19,
    FDC_SCAN_HIGH = 0x1d,
};

#define FDC_MT  0x80
#define FDC_MFM 0x40
#define FDC_SK  0x20

enum fdc_phase { FDC_COMMAND_PHASE, FDC_EXECUTION_PHASE, FDC_RESULT_PHASE };

/* Where a data transfer command stands. */
enum fdc_stage {
    FDC_SEARCH,   /* waiting for the next sector to come round */
    FDC_TO_HOST,  /* buffer[position, length) is to be taken */
    FDC_FROM_HOST /* ... to be filled */
};

struct floppy_format {
    uint16_t n_sectors; /* of the image */
    uint8_t cylinders, heads, sectors;
    uint8_t drive; /* enum fdc82078_drive_type that it is made for */
    uint8_t rate;  /* data rate code in that drive */
};

struct fdc_drive {
    uint8_t type;
    uint8_t position;                     /* physical cylinder under the heads */
    bool is_changed;                      /* DSKCHG# */
    uint8_t deleted[FDC_MAX_SECTORS / 8]; /* sectors that were written with a deleted data mark */

    struct host_block *block; /* NULL: empty */
    struct floppy_format format;
};

struct fdc82078 {
    uint8_t dor, tdr, dsr, rate;
    uint8_t srt_hut, hlt_nd;
    uint8_t config, pretrk, perpendicular, power, option;
    bool is_locked;
    uint8_t drive_spec[FDC_UNITS];
    uint8_t sc_eot; /* of the last data command, for DUMPREG */
    uint8_t pcn[FDC_UNITS];

    uint8_t phase;
    uint8_t fifo[17]; /* command or result bytes */
    uint8_t fifo_length, fifo_position;

    bool has_result_int; /* until the first result byte is read */
    bool has_reset_int;
    uint8_t reset_senses; /* SENSE INTERRUPT STATUS answers left after a reset */
    int64_t reset_ns;     /* when the reset interrupt comes */
    struct fdc_seek {
        bool is_busy, is_done;
        uint8_t st0, target;
        int64_t done_ns;
    } seek[FDC_UNITS];

    struct fdc_execution {
        uint8_t command, unit, head;
        bool is_multitrack, is_mfm, skips, has_sought;
        uint8_t c, h, r, n, eot, step, fill;
        uint8_t st1, st2; /* what a command that goes on has met */
        uint16_t left;    /* sectors of READ TRACK, FORMAT, VERIFY with EC */
        bool has_count;
        bool is_marked;  /* the sector's data mark is not the one asked for */
        bool is_filling; /* FORMAT AND WRITE: the data after an ID */
        uint8_t stage;
        uint16_t position, length;
        int64_t due_ns;
    } exec;
    uint8_t buffer[FDC_SECTOR];

    struct fdc_drive drive[FDC82078_DRIVES];

    struct clock *clock;
    struct timer timer;
    struct irq irq;
    struct dma8237_channel *dma;
};

/* ---- fdc82078.c ---- */
/* Leaves the execution phase with `count` bytes in fifo[] and an interrupt. */
void fdc_enter_result(struct fdc82078 *fdc, unsigned count);
/* The only place that drives the interrupt line and arms the timer. */
void fdc_update(struct fdc82078 *fdc);
/* How long the head needs. */
int64_t fdc_step_ns(const struct fdc82078 *fdc, unsigned steps);
/* CONFIGURE: EIS. */
bool fdc_has_implied_seek(const struct fdc82078 *fdc);
/* DOR: DMAGATE#, without which the chip drives neither INT nor DRQ. */
bool fdc_dma_gate_is_open(const struct fdc82078 *fdc);
/* Is the motor of this drive on? */
bool fdc_motor_is_on(const struct fdc82078 *fdc, unsigned unit);

/* ---- fdc82078_data.c ---- */
/* fifo[] holds a complete command. */
void fdc_start_data_command(struct fdc82078 *fdc);
void fdc_start_read_id(struct fdc82078 *fdc);
void fdc_start_format(struct fdc82078 *fdc);
/* exec.due_ns has been reached. */
void fdc_execution_due(struct fdc82078 *fdc);
bool fdc_is_pio(const struct fdc82078 *fdc);
/* Non-DMA mode: the data register during execution. */
uint8_t fdc_take_byte(struct fdc82078 *fdc);
void fdc_give_byte(struct fdc82078 *fdc, uint8_t value);
/* The DMA channel is granted. */
void fdc_dma_granted(void *opaque);
/* Stops whatever runs. */
void fdc_abort(struct fdc82078 *fdc);

/* ---- fdc82078_media.c ---- */
/* NULL: no such drive. */
struct fdc_drive *fdc_drive(struct fdc82078 *fdc, unsigned unit);
/* Steps the head; with a disk in the drive that ends DSKCHG#. */
void fdc_drive_step_to(struct fdc_drive *drive, int position);
/* Does the track under head `head` hold sectors that can be read at this data rate? *cylinder: as their IDs have it. */
bool fdc_drive_find_track(const struct fdc_drive *drive, unsigned rate, unsigned head, uint8_t *cylinder);
/* The data rate code at which the drive reads its disk. */
unsigned fdc_drive_rate(const struct fdc_drive *drive);
/* How long one sector is under the head. */
int64_t fdc_drive_sector_ns(const struct fdc_drive *drive);
/* Sector r (from 1) of a track that fdc_drive_find_track has found. False: host I/O error. */
bool fdc_drive_read(struct fdc_drive *drive, uint8_t cylinder, uint8_t head, uint8_t r, uint8_t *buffer);
bool fdc_drive_write(struct fdc_drive *drive, uint8_t cylinder, uint8_t head, uint8_t r, const uint8_t *buffer,
                     bool is_deleted);
bool fdc_drive_is_deleted(const struct fdc_drive *drive, uint8_t cylinder, uint8_t head, uint8_t r);

#endif
