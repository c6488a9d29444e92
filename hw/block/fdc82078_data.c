/*
 * Floppy disk controller: the commands that move data. Source: Intel 290475 "82078 64 Pin CHMOS Single-Chip Floppy Disk
 * Controller", "Command set" and "Data transfer commands".
 * Deviates: where the chip would wait for an index pulse that never comes (no drive, no disk, motor off), the command
 * ends as on an unformatted track.
 * Deviates: in non-DMA mode the host takes its time; with DMA an overrun needs DMA_PATIENCE_NS without service.
 * Deviates: FORMAT TRACK fills those sectors that the disk's format has; sector IDs cannot be changed.
 */
#include "hw/block/fdc82078_internal.h"

#include <string.h>

#include "hw/core/log.h"

#define DMA_PATIENCE_NS NS_PER_SECOND
#define NO_TRACK_NS     (400 * NS_PER_MS / FDC_SPEED_UP) /* two turns */
#define ID_BYTES        4

bool fdc_is_pio(const struct fdc82078 *fdc)
{
    return (fdc->hlt_nd & 1) || !fdc->dma;
}

static void request_dma(struct fdc82078 *fdc, bool level)
{
    if (fdc->dma)
        dma8237_request(fdc->dma, level && fdc_dma_gate_is_open(fdc));
}

void fdc_abort(struct fdc82078 *fdc)
{
    fdc->exec.due_ns = CLOCK_NEVER;
    fdc->exec.stage = FDC_SEARCH;
    request_dma(fdc, false);
}

static void finish(struct fdc82078 *fdc, uint8_t st0, uint8_t st1, uint8_t st2)
{
    struct fdc_execution *exec = &fdc->exec;

    fdc_abort(fdc);
    st0 |= exec->has_sought ? FDC_ST0_SE : 0;
    fdc->fifo[0] = (uint8_t)(st0 | exec->head << 2 | exec->unit);
    fdc->fifo[1] = exec->st1 | st1;
    fdc->fifo[2] = exec->st2 | st2;
    fdc->fifo[3] = exec->c;
    fdc->fifo[4] = exec->h;
    fdc->fifo[5] = exec->r;
    fdc->fifo[6] = exec->n;
    fdc_enter_result(fdc, 7);
}

static void finish_abnormally(struct fdc82078 *fdc, uint8_t st1, uint8_t st2)
{
    finish(fdc, FDC_ST0_ABNORMAL, st1, st2);
}

/* ---- which sector ---- */

static bool is_scan(uint8_t command)
{
    return command == FDC_SCAN_EQUAL || command == FDC_SCAN_LOW || command == FDC_SCAN_HIGH;
}

static bool is_write(uint8_t command)
{
    return command == FDC_WRITE || command == FDC_WRITE_DELETED || command == FDC_FORMAT;
}

/* The drive, if the heads are over a track of it that can be read; *cylinder: as its IDs have it. */
static struct fdc_drive *drive_on_track(struct fdc82078 *fdc, uint8_t *cylinder)
{
    const struct fdc_execution *exec = &fdc->exec;
    struct fdc_drive *drive = fdc_drive(fdc, exec->unit);

    if (!drive || !fdc_motor_is_on(fdc, exec->unit) || !exec->is_mfm ||
        !fdc_drive_find_track(drive, fdc->rate, exec->head, cylinder))
        return NULL;
    return drive;
}

/* Has the track the sector that the command names? Otherwise *st2 may say more. */
static bool has_sector(const struct fdc_execution *exec, const struct fdc_drive *drive, uint8_t cylinder, uint8_t *st2)
{
    *st2 = exec->c != cylinder ? FDC_ST2_WC : 0;
    return exec->c == cylinder && exec->h == exec->head && exec->n == FDC_SECTOR_N && exec->r >= 1 &&
           exec->r <= drive->format.sectors;
}

/* Steps C, H, R on; false after the last sector of the command. */
static bool next_sector(struct fdc_execution *exec)
{
    unsigned step = is_scan(exec->command) && exec->step == 2 ? 2 : 1;

    if (exec->r != exec->eot && (step == 1 || exec->r + step <= exec->eot)) {
        exec->r = (uint8_t)(exec->r + step);
        return true;
    }
    exec->r = 1;
    if (!exec->is_multitrack) {
        exec->c++;
        return false;
    }
    exec->h ^= 1;
    exec->head ^= 1;
    if (exec->head == 0)
        exec->c++;
    return exec->head == 1;
}

static void wait_for_sector(struct fdc82078 *fdc, int64_t more_ns)
{
    const struct fdc_drive *drive = fdc_drive(fdc, fdc->exec.unit);

    fdc->exec.stage = FDC_SEARCH;
    fdc->exec.due_ns =
        clock_now_ns(fdc->clock) + more_ns + (drive && drive->block ? fdc_drive_sector_ns(drive) : NO_TRACK_NS);
}

/* After a sector: the end of the command, or on to the next one. Without TC a command ends abnormally. */
static void go_on(struct fdc82078 *fdc, bool is_terminal)
{
    bool has_more = next_sector(&fdc->exec);

    if (is_terminal)
        finish(fdc, 0, 0, 0);
    else if (!has_more)
        finish_abnormally(fdc, FDC_ST1_EN, 0);
    else
        wait_for_sector(fdc, 0);
}

/* ---- data between buffer and host ---- */

static void begin_data(struct fdc82078 *fdc, enum fdc_stage stage, unsigned length)
{
    fdc->exec.stage = (uint8_t)stage;
    fdc->exec.position = 0;
    fdc->exec.length = (uint16_t)length;
    if (fdc_is_pio(fdc))
        return;
    fdc->exec.due_ns = clock_now_ns(fdc->clock) + DMA_PATIENCE_NS;
    request_dma(fdc, true);
}

static void begin_input(struct fdc82078 *fdc, unsigned length)
{
    memset(fdc->buffer, 0, sizeof fdc->buffer); /* after a short transfer the rest of a sector is zeros */
    begin_data(fdc, FDC_FROM_HOST, length);
}

/* ---- a sector has come round ---- */

static void verify_sector(struct fdc82078 *fdc)
{
    struct fdc_execution *exec = &fdc->exec;
    bool has_more;

    if (exec->is_marked) {
        finish(fdc, 0, 0, FDC_ST2_CM);
        return;
    }
    has_more = next_sector(exec);
    if (exec->has_count && --exec->left == 0)
        finish(fdc, 0, 0, 0);
    else if (has_more)
        wait_for_sector(fdc, 0);
    else if (exec->has_count)
        finish_abnormally(fdc, FDC_ST1_EN, 0);
    else
        finish(fdc, 0, 0, 0);
}

static void start_sector(struct fdc82078 *fdc, struct fdc_drive *drive, uint8_t cylinder)
{
    struct fdc_execution *exec = &fdc->exec;
    uint8_t st2;

    if (!has_sector(exec, drive, cylinder, &st2)) {
        finish_abnormally(fdc, FDC_ST1_ND, st2);
        return;
    }
    if (is_write(exec->command)) {
        begin_input(fdc, FDC_SECTOR);
        return;
    }
    exec->is_marked = fdc_drive_is_deleted(drive, cylinder, exec->head, exec->r) != (exec->command == FDC_READ_DELETED);
    if (exec->is_marked && exec->skips) {
        exec->st2 |= FDC_ST2_CM;
        go_on(fdc, false);
        return;
    }
    if (is_scan(exec->command)) {
        begin_input(fdc, FDC_SECTOR);
    } else if (!fdc_drive_read(drive, cylinder, exec->head, exec->r, fdc->buffer)) {
        finish_abnormally(fdc, FDC_ST1_DE, FDC_ST2_DD);
    } else if (exec->command == FDC_VERIFY) {
        verify_sector(fdc);
    } else {
        begin_data(fdc, FDC_TO_HOST, FDC_SECTOR);
    }
}

/* READ TRACK takes the sectors as they come, from the index hole on, and only notes whether their IDs are as named. */
static void start_track_sector(struct fdc82078 *fdc, struct fdc_drive *drive, uint8_t cylinder)
{
    struct fdc_execution *exec = &fdc->exec;
    unsigned r = exec->eot - exec->left + 1u;
    uint8_t st2;

    if (exec->left == 0 || r > drive->format.sectors) {
        finish_abnormally(fdc, FDC_ST1_MA, 0);
        return;
    }
    if (!has_sector(exec, drive, cylinder, &st2) || exec->r != r) {
        exec->st1 |= FDC_ST1_ND;
        exec->st2 |= st2;
    }
    if (fdc_drive_read(drive, cylinder, exec->head, (uint8_t)r, fdc->buffer)) {
        begin_data(fdc, FDC_TO_HOST, FDC_SECTOR);
    } else {
        finish_abnormally(fdc, FDC_ST1_DE, FDC_ST2_DD);
    }
}

static void read_id(struct fdc82078 *fdc, const struct fdc_drive *drive, uint8_t cylinder)
{
    struct fdc_execution *exec = &fdc->exec;

    exec->c = cylinder;
    exec->h = exec->head;
    exec->r = (uint8_t)(clock_now_ns(fdc->clock) / fdc_drive_sector_ns(drive) % drive->format.sectors + 1);
    exec->n = FDC_SECTOR_N;
    finish(fdc, 0, 0, 0);
}

void fdc_execution_due(struct fdc82078 *fdc)
{
    struct fdc_execution *exec = &fdc->exec;
    struct fdc_drive *drive;
    uint8_t cylinder;

    if (fdc->phase != FDC_EXECUTION_PHASE)
        return;
    if (exec->stage != FDC_SEARCH) {
        finish_abnormally(fdc, FDC_ST1_OR, 0);
        return;
    }
    drive = drive_on_track(fdc, &cylinder);
    if (!drive)
        finish_abnormally(fdc, FDC_ST1_MA, 0);
    else if (is_write(exec->command) && drive->block->is_readonly)
        finish_abnormally(fdc, FDC_ST1_NW, 0);
    else if (exec->command == FDC_READ_ID)
        read_id(fdc, drive, cylinder);
    else if (exec->command == FDC_READ_TRACK)
        start_track_sector(fdc, drive, cylinder);
    else if (exec->command == FDC_FORMAT && exec->left == 0)
        finish(fdc, 0, 0, 0);
    else if (exec->command == FDC_FORMAT)
        begin_input(fdc, ID_BYTES);
    else
        start_sector(fdc, drive, cylinder);
}

/* ---- the host has moved the sector, or TC has cut it short ---- */

static void end_write(struct fdc82078 *fdc, bool is_terminal)
{
    const struct fdc_execution *exec = &fdc->exec;
    uint8_t cylinder, st2;
    struct fdc_drive *drive = drive_on_track(fdc, &cylinder); /* the disk may have gone meanwhile */

    if (!drive || drive->block->is_readonly || !has_sector(exec, drive, cylinder, &st2))
        finish_abnormally(fdc, FDC_ST1_MA, 0);
    else if (!fdc_drive_write(drive, cylinder, exec->head, exec->r, fdc->buffer, exec->command == FDC_WRITE_DELETED))
        finish_abnormally(fdc, FDC_ST1_DE, FDC_ST2_DD);
    else
        go_on(fdc, is_terminal);
}

static void end_read(struct fdc82078 *fdc, bool is_terminal)
{
    if (fdc->exec.is_marked)
        finish(fdc, 0, 0, FDC_ST2_CM);
    else
        go_on(fdc, is_terminal);
}

static void end_track_sector(struct fdc82078 *fdc, bool is_terminal)
{
    struct fdc_execution *exec = &fdc->exec;

    exec->r++;
    exec->left--;
    if (is_terminal)
        finish(fdc, 0, 0, 0);
    else if (exec->left == 0)
        finish_abnormally(fdc, FDC_ST1_EN, 0);
    else
        wait_for_sector(fdc, 0);
}

/* Byte by byte; FF on either side matches anything. */
static bool scan_is_met(uint8_t command, const uint8_t *disk, const uint8_t *host, bool *is_equal)
{
    *is_equal = true;
    for (unsigned i = 0; i < FDC_SECTOR; i++) {
        if (disk[i] == host[i] || disk[i] == 0xff || host[i] == 0xff)
            continue;
        *is_equal = false;
        if (command == FDC_SCAN_EQUAL || (command == FDC_SCAN_LOW && disk[i] > host[i]) ||
            (command == FDC_SCAN_HIGH && disk[i] < host[i]))
            return false;
    }
    return true;
}

static void end_scan(struct fdc82078 *fdc, bool is_terminal)
{
    struct fdc_execution *exec = &fdc->exec;
    uint8_t disk[FDC_SECTOR], cylinder, st2;
    struct fdc_drive *drive = drive_on_track(fdc, &cylinder);
    bool is_equal;

    if (!drive || !has_sector(exec, drive, cylinder, &st2)) {
        finish_abnormally(fdc, FDC_ST1_MA, 0);
    } else if (!fdc_drive_read(drive, cylinder, exec->head, exec->r, disk)) {
        finish_abnormally(fdc, FDC_ST1_DE, FDC_ST2_DD);
    } else if (scan_is_met(exec->command, disk, fdc->buffer, &is_equal)) {
        finish(fdc, 0, 0, is_equal ? FDC_ST2_SH : 0);
    } else if (exec->is_marked) {
        finish(fdc, 0, 0, FDC_ST2_SN | FDC_ST2_CM);
    } else if (!next_sector(exec) || is_terminal) {
        finish(fdc, 0, 0, FDC_ST2_SN);
    } else {
        wait_for_sector(fdc, 0);
    }
}

/* buffer[] has been filled with one ID, C H R N, or with the data that FORMAT AND WRITE puts behind it. */
static void end_format(struct fdc82078 *fdc, bool is_terminal)
{
    static bool said;
    struct fdc_execution *exec = &fdc->exec;
    uint8_t cylinder, st2;
    struct fdc_drive *drive = drive_on_track(fdc, &cylinder);

    if (!drive || drive->block->is_readonly) {
        finish_abnormally(fdc, FDC_ST1_MA, 0);
        return;
    }
    if (!exec->is_filling) {
        exec->c = fdc->buffer[0];
        exec->h = fdc->buffer[1];
        exec->r = fdc->buffer[2];
        exec->n = fdc->buffer[3];
        if (exec->skips && !is_terminal && exec->n == FDC_SECTOR_N) { /* here: FORMAT AND WRITE */
            exec->is_filling = true;
            begin_input(fdc, FDC_SECTOR);
            return;
        }
        memset(fdc->buffer, exec->fill, sizeof fdc->buffer);
    }
    exec->is_filling = false;
    if (!has_sector(exec, drive, cylinder, &st2)) {
        log_once(&said, "fdc82078: a sector %u/%u/%u of size %u cannot be formatted: it is not in the image's format\n",
                 exec->c, exec->h, exec->r, exec->n);
    } else if (!fdc_drive_write(drive, cylinder, exec->head, exec->r, fdc->buffer, false)) {
        finish_abnormally(fdc, FDC_ST1_DE, FDC_ST2_DD);
        return;
    }
    exec->left--;
    if (exec->left == 0 || is_terminal)
        finish(fdc, 0, 0, 0);
    else
        wait_for_sector(fdc, 0);
}

static void end_data(struct fdc82078 *fdc, bool is_terminal)
{
    uint8_t command = fdc->exec.command;

    fdc->exec.due_ns = CLOCK_NEVER;
    fdc->exec.stage = FDC_SEARCH;
    request_dma(fdc, false);
    if (command == FDC_FORMAT)
        end_format(fdc, is_terminal);
    else if (is_write(command))
        end_write(fdc, is_terminal);
    else if (is_scan(command))
        end_scan(fdc, is_terminal);
    else if (command == FDC_READ_TRACK)
        end_track_sector(fdc, is_terminal);
    else
        end_read(fdc, is_terminal);
}

void fdc_dma_granted(void *opaque)
{
    struct fdc82078 *fdc = opaque;
    struct fdc_execution *exec = &fdc->exec;
    bool is_terminal;

    if (fdc->phase != FDC_EXECUTION_PHASE || exec->stage == FDC_SEARCH || fdc_is_pio(fdc))
        return;
    exec->position += (uint16_t)dma8237_transfer(fdc->dma, fdc->buffer + exec->position,
                                                 (size_t)(exec->length - exec->position), &is_terminal);
    if (is_terminal || exec->position == exec->length)
        end_data(fdc, is_terminal);
    fdc_update(fdc);
}

uint8_t fdc_take_byte(struct fdc82078 *fdc)
{
    uint8_t value = fdc->buffer[fdc->exec.position++];

    if (fdc->exec.position == fdc->exec.length)
        end_data(fdc, false);
    return value;
}

void fdc_give_byte(struct fdc82078 *fdc, uint8_t value)
{
    fdc->buffer[fdc->exec.position++] = value;
    if (fdc->exec.position == fdc->exec.length)
        end_data(fdc, false);
}

/* ---- commands ---- */

static struct fdc_execution *begin_execution(struct fdc82078 *fdc)
{
    fdc->exec = (struct fdc_execution){
        .command = fdc->fifo[0] & 0x1f,
        .is_multitrack = fdc->fifo[0] & FDC_MT,
        .is_mfm = fdc->fifo[0] & FDC_MFM,
        .skips = fdc->fifo[0] & FDC_SK,
        .unit = fdc->fifo[1] & 3,
        .head = fdc->fifo[1] >> 2 & 1,
        .due_ns = CLOCK_NEVER,
    };
    fdc->phase = FDC_EXECUTION_PHASE;
    return &fdc->exec;
}

void fdc_start_data_command(struct fdc82078 *fdc)
{
    struct fdc_execution *exec = begin_execution(fdc);
    struct fdc_drive *drive = fdc_drive(fdc, exec->unit);
    int64_t seek_ns = 0;

    exec->c = fdc->fifo[2];
    exec->h = fdc->fifo[3];
    exec->r = fdc->fifo[4];
    exec->n = fdc->fifo[5];
    exec->eot = fdc->fifo[6];
    exec->step = fdc->fifo[8];
    fdc->sc_eot = exec->eot;
    if (exec->command == FDC_READ_TRACK) {
        exec->left = exec->eot;
        exec->is_multitrack = false;
    } else if (exec->command == FDC_VERIFY) {
        exec->has_count = fdc->fifo[1] & 0x80;
        exec->left = fdc->fifo[8] ? fdc->fifo[8] : 256;
    }
    if (fdc_has_implied_seek(fdc)) {
        int steps = exec->c - fdc->pcn[exec->unit];

        exec->has_sought = true;
        if (drive)
            fdc_drive_step_to(drive, drive->position + steps);
        fdc->pcn[exec->unit] = exec->c;
        seek_ns = steps ? fdc_step_ns(fdc, (unsigned)(steps < 0 ? -steps : steps)) : 0;
    }
    wait_for_sector(fdc, seek_ns);
}

void fdc_start_read_id(struct fdc82078 *fdc)
{
    begin_execution(fdc)->n = 0;
    wait_for_sector(fdc, 0);
}

/* The bit that is SK elsewhere tells FORMAT AND WRITE from FORMAT TRACK. */
void fdc_start_format(struct fdc82078 *fdc)
{
    struct fdc_execution *exec = begin_execution(fdc);

    exec->is_multitrack = false;
    exec->n = fdc->fifo[2];
    exec->left = fdc->fifo[3];
    exec->fill = fdc->fifo[5];
    fdc->sc_eot = fdc->fifo[3];
    wait_for_sector(fdc, 0);
}
