/*
 * Floppy disk controller: registers, command and result phase, seeks, interrupts. Source: Intel 290475 "82078 64 Pin
 * CHMOS Single-Chip Floppy Disk Controller", AT mode.
 * Deviates: drives are FDC_SPEED_UP times faster than real ones and need no time for spin-up and head load.
 * Deviates: power-down, precompensation, tape drives and the data rate tables of DRIVE SPECIFICATION are remembered
 * but change nothing; Status Registers A and B, which AT mode does not have, read as ones.
 */
#include "hw/block/fdc82078_internal.h"

#include <stdlib.h>
#include <string.h>

enum { FDC_SRA, FDC_SRB, FDC_DOR, FDC_TDR, FDC_MSR_DSR, FDC_FIFO };

#define DOR_DRIVE   0x03
#define DOR_NRESET  0x04
#define DOR_DMAGATE 0x08
#define DOR_MOTOR0  0x10
#define MSR_CB      0x10
#define MSR_NDMA    0x20
#define MSR_DIO     0x40
#define MSR_RQM     0x80
#define DSR_RATE    0x03
#define DSR_RESET   0x80
#define DIR_CHANGED 0x80

#define CONFIG_EIS     0x40
#define CONFIG_EFIFO   0x20 /* FIFO off */
#define CONFIG_DEFAULT CONFIG_EFIFO
#define CONFIG_LOCKED  0x2f /* what LOCK protects: EFIFO, FIFOTHR */

#define PERPENDICULAR_DRIVES 0x3c

#define FDC_VERSION       0x90
#define FDC_PART_ID       0x01 /* 64 pins, stepping 1 */
#define RESET_NS          (100 * NS_PER_US)
#define SHORTEST_SEEK_NS  (50 * NS_PER_US)
#define RECALIBRATE_STEPS 80

#define SEEK_REG(member, reset_value, doc) STATE_EACH(struct fdc82078, seek, member, reset_value, doc)
#define EXEC_REG(member, reset_value, doc) STATE_REG(struct fdc82078, exec.member, reset_value, doc)

static const struct state_field fdc_fields[] = {
    STATE_REG(struct fdc82078, dor, 0, "DOR"),
    STATE_REG(struct fdc82078, tdr, 0, "TDR"),
    STATE_REG(struct fdc82078, dsr, 2, "DSR"),
    STATE_REG(struct fdc82078, rate, 2, "data rate, DSR or CCR"),
    STATE_REG(struct fdc82078, srt_hut, 0, "SPECIFY: step rate, head unload"),
    STATE_REG(struct fdc82078, hlt_nd, 0, "SPECIFY: head load, non-DMA"),
    STATE_REG(struct fdc82078, config, CONFIG_DEFAULT, "CONFIGURE"),
    STATE_REG(struct fdc82078, pretrk, 0, "CONFIGURE: precompensation track"),
    STATE_REG(struct fdc82078, perpendicular, 0, "PERPENDICULAR MODE"),
    STATE_REG(struct fdc82078, power, 0, "POWERDOWN MODE"),
    STATE_REG(struct fdc82078, option, 0, "OPTION"),
    STATE_REG(struct fdc82078, is_locked, 0, "LOCK"),
    STATE_ARRAY(struct fdc82078, drive_spec, 0, "DRIVE SPECIFICATION"),
    STATE_REG(struct fdc82078, sc_eot, 0, "SC or EOT of the last command"),
    STATE_ARRAY(struct fdc82078, pcn, 0, "present cylinder number"),
    STATE_REG(struct fdc82078, phase, FDC_COMMAND_PHASE, "phase"),
    STATE_BLOB(struct fdc82078, fifo, 0, "command or result bytes"),
    STATE_REG(struct fdc82078, fifo_length, 0, "their number"),
    STATE_REG(struct fdc82078, fifo_position, 0, "the next one"),
    STATE_REG(struct fdc82078, has_result_int, 0, "interrupt: result"),
    STATE_REG(struct fdc82078, has_reset_int, 0, "interrupt: reset"),
    STATE_REG(struct fdc82078, reset_senses, 0, "drives that reset has yet to report"),
    STATE_REG(struct fdc82078, reset_ns, CLOCK_NEVER, "when the reset interrupt comes"),
    SEEK_REG(is_busy, 0, "seek under way or not yet sensed"),
    SEEK_REG(is_done, 0, "interrupt: seek end"),
    SEEK_REG(st0, 0, "ST0 of the seek"),
    SEEK_REG(target, 0, "cylinder at its end"),
    SEEK_REG(done_ns, CLOCK_NEVER, "its end"),
    EXEC_REG(command, 0, "data transfer command"),
    EXEC_REG(unit, 0, "drive"),
    EXEC_REG(head, 0, "head"),
    EXEC_REG(is_multitrack, 0, "MT"),
    EXEC_REG(is_mfm, 0, "MFM"),
    EXEC_REG(skips, 0, "SK"),
    EXEC_REG(has_sought, 0, "implied seek done"),
    EXEC_REG(c, 0, "C"),
    EXEC_REG(h, 0, "H"),
    EXEC_REG(r, 0, "R"),
    EXEC_REG(n, 0, "N"),
    EXEC_REG(eot, 0, "EOT"),
    EXEC_REG(step, 0, "STP"),
    EXEC_REG(fill, 0, "D"),
    EXEC_REG(st1, 0, "ST1 so far"),
    EXEC_REG(st2, 0, "ST2 so far"),
    EXEC_REG(left, 0, "sectors left"),
    EXEC_REG(has_count, 0, "EC"),
    EXEC_REG(is_marked, 0, "other data mark"),
    EXEC_REG(is_filling, 0, "data after an ID"),
    EXEC_REG(stage, FDC_SEARCH, "stage"),
    EXEC_REG(position, 0, "next byte of the buffer"),
    EXEC_REG(length, 0, "end of the buffer"),
    EXEC_REG(due_ns, CLOCK_NEVER, "when it goes on"),
    STATE_BLOB(struct fdc82078, buffer, 0, "sector buffer"),
    STATE_EACH(struct fdc82078, drive, type, 0, "drive type"),
    STATE_EACH(struct fdc82078, drive, position, 0, "head position"),
    STATE_EACH(struct fdc82078, drive, is_changed, 0, "DSKCHG"),
    {"drive.deleted", STATE_BYTES, offsetof(struct fdc82078, drive[0].deleted), FDC_MAX_SECTORS / 8, FDC82078_DRIVES,
     sizeof(struct fdc_drive), 0, "deleted data marks"},
};
static const struct state_desc fdc_desc = STATE_DESC("fdc82078", fdc_fields);

/* ---- interrupt and time ---- */

static bool int_is_pending(const struct fdc82078 *fdc)
{
    bool pending = fdc->has_result_int || fdc->has_reset_int;

    for (unsigned i = 0; i < FDC_UNITS; i++)
        pending |= fdc->seek[i].is_done;
    return pending || (fdc->phase == FDC_EXECUTION_PHASE && fdc_is_pio(fdc) && fdc->exec.stage != FDC_SEARCH);
}

void fdc_update(struct fdc82078 *fdc)
{
    int64_t next = fdc->reset_ns < fdc->exec.due_ns ? fdc->reset_ns : fdc->exec.due_ns;

    for (unsigned i = 0; i < FDC_UNITS; i++)
        next = fdc->seek[i].done_ns < next ? fdc->seek[i].done_ns : next;
    timer_set(&fdc->timer, next);
    irq_set(&fdc->irq, fdc_dma_gate_is_open(fdc) && int_is_pending(fdc));
}

static void end_seek(struct fdc82078 *fdc, unsigned unit)
{
    struct fdc_seek *seek = &fdc->seek[unit];

    seek->done_ns = CLOCK_NEVER;
    seek->is_done = true;
    fdc->pcn[unit] = seek->target;
}

static void timer_fires(void *opaque)
{
    struct fdc82078 *fdc = opaque;
    int64_t now = clock_now_ns(fdc->clock);

    if (fdc->reset_ns <= now) {
        fdc->reset_ns = CLOCK_NEVER;
        fdc->has_reset_int = true;
    }
    for (unsigned i = 0; i < FDC_UNITS; i++)
        if (fdc->seek[i].done_ns <= now)
            end_seek(fdc, i);
    if (fdc->exec.due_ns <= now) {
        fdc->exec.due_ns = CLOCK_NEVER;
        fdc_execution_due(fdc);
    }
    fdc_update(fdc);
}

/* A step takes 16 - SRT units: half a millisecond at 1 Mbit/s, more at lower rates. */
int64_t fdc_step_ns(const struct fdc82078 *fdc, unsigned steps)
{
    static const int64_t unit_ns[4] = {1000000, 1666667, 2000000, 500000}; /* by data rate code */
    int64_t ns = steps * (16 - (fdc->srt_hut >> 4)) * unit_ns[fdc->rate & 3] / FDC_SPEED_UP;

    return ns > SHORTEST_SEEK_NS ? ns : SHORTEST_SEEK_NS;
}

bool fdc_has_implied_seek(const struct fdc82078 *fdc)
{
    return fdc->config & CONFIG_EIS;
}

bool fdc_dma_gate_is_open(const struct fdc82078 *fdc)
{
    return fdc->dor & DOR_DMAGATE;
}

bool fdc_motor_is_on(const struct fdc82078 *fdc, unsigned unit)
{
    return fdc->dor & DOR_MOTOR0 << unit;
}

/* ---- phases ---- */

static void enter_command(struct fdc82078 *fdc)
{
    fdc->phase = FDC_COMMAND_PHASE;
    fdc->fifo_length = fdc->fifo_position = 0;
}

/* The result of a command without an execution phase comes without an interrupt. */
static void enter_quiet_result(struct fdc82078 *fdc, unsigned count)
{
    fdc->phase = FDC_RESULT_PHASE;
    fdc->fifo_length = (uint8_t)count;
    fdc->fifo_position = 0;
}

void fdc_enter_result(struct fdc82078 *fdc, unsigned count)
{
    enter_quiet_result(fdc, count);
    fdc->has_result_int = true;
}

static void answer(struct fdc82078 *fdc, uint8_t value)
{
    fdc->fifo[0] = value;
    enter_quiet_result(fdc, 1);
}

/* What DOR, DSR and the RESET pin have in common. */
static void software_reset(struct fdc82078 *fdc)
{
    fdc_abort(fdc);
    enter_command(fdc);
    fdc->has_result_int = false;
    fdc->has_reset_int = false;
    fdc->reset_ns = CLOCK_NEVER;
    fdc->reset_senses = 0;
    for (unsigned i = 0; i < FDC_UNITS; i++)
        fdc->seek[i] = (struct fdc_seek){.done_ns = CLOCK_NEVER};
    if (fdc->is_locked) {
        fdc->config &= CONFIG_LOCKED; /* implied seeks go, and polling comes back */
    } else {
        fdc->config = CONFIG_DEFAULT;
        fdc->pretrk = 0;
    }
    fdc->perpendicular &= PERPENDICULAR_DRIVES;
}

/* Polling finds that the ready line of each drive has changed, and says so once per drive. */
static void leave_reset(struct fdc82078 *fdc)
{
    fdc->reset_senses = FDC_UNITS;
    fdc->reset_ns = clock_now_ns(fdc->clock) + RESET_NS;
}

/* ---- commands without data; parameters in fifo[1...] ---- */

static void run_specify(struct fdc82078 *fdc)
{
    fdc->srt_hut = fdc->fifo[1];
    fdc->hlt_nd = fdc->fifo[2];
    enter_command(fdc);
}

static void run_sense_drive(struct fdc82078 *fdc)
{
    struct fdc_drive *drive = fdc_drive(fdc, fdc->fifo[1] & 3);
    uint8_t st3 = 0x28 | (fdc->fifo[1] & 7);

    if (drive && drive->position == 0)
        st3 |= 0x10;
    if (drive && drive->block && drive->block->is_readonly)
        st3 |= 0x40;
    answer(fdc, st3);
}

static void start_seek(struct fdc82078 *fdc, unsigned unit, uint8_t st0, uint8_t target, unsigned steps)
{
    fdc->seek[unit] = (struct fdc_seek){
        .is_busy = true, .st0 = st0, .target = target, .done_ns = clock_now_ns(fdc->clock) + fdc_step_ns(fdc, steps)};
    enter_command(fdc);
}

static void run_recalibrate(struct fdc82078 *fdc)
{
    unsigned unit = fdc->fifo[1] & 3, steps = RECALIBRATE_STEPS;
    struct fdc_drive *drive = fdc_drive(fdc, unit);
    uint8_t st0 = (uint8_t)(FDC_ST0_SE | unit);

    if (drive && drive->position <= RECALIBRATE_STEPS) {
        steps = drive->position;
        fdc_drive_step_to(drive, 0);
    } else {
        st0 |= FDC_ST0_ABNORMAL | FDC_ST0_EC;
        if (drive)
            fdc_drive_step_to(drive, drive->position - RECALIBRATE_STEPS);
    }
    start_seek(fdc, unit, st0, 0, steps);
}

static void seek_by(struct fdc82078 *fdc, int steps)
{
    unsigned unit = fdc->fifo[1] & 3;
    struct fdc_drive *drive = fdc_drive(fdc, unit);

    if (drive)
        fdc_drive_step_to(drive, drive->position + steps);
    start_seek(fdc, unit, (uint8_t)(FDC_ST0_SE | (fdc->fifo[1] & 7)), (uint8_t)(fdc->pcn[unit] + steps),
               (unsigned)abs(steps));
}

static void run_seek(struct fdc82078 *fdc)
{
    seek_by(fdc, fdc->fifo[2] - fdc->pcn[fdc->fifo[1] & 3]);
}

static void run_relative_seek(struct fdc82078 *fdc)
{
    seek_by(fdc, fdc->fifo[0] & 0x40 ? fdc->fifo[2] : -fdc->fifo[2]);
}

static void run_sense_interrupt(struct fdc82078 *fdc)
{
    fdc->has_reset_int = false;
    fdc->reset_ns = CLOCK_NEVER;
    for (unsigned i = 0; i < FDC_UNITS; i++) {
        struct fdc_seek *seek = &fdc->seek[i];

        if (!seek->is_done)
            continue;
        seek->is_done = seek->is_busy = false;
        fdc->fifo[0] = seek->st0;
        fdc->fifo[1] = fdc->pcn[i];
        enter_quiet_result(fdc, 2);
        return;
    }
    if (fdc->reset_senses == 0) {
        answer(fdc, FDC_ST0_INVALID);
        return;
    }
    fdc->fifo[0] = (uint8_t)(FDC_ST0_POLLING | (FDC_UNITS - fdc->reset_senses));
    fdc->fifo[1] = fdc->pcn[FDC_UNITS - fdc->reset_senses];
    fdc->reset_senses--;
    enter_quiet_result(fdc, 2);
}

static uint8_t lock_and_perpendicular(const struct fdc82078 *fdc)
{
    return (uint8_t)(fdc->is_locked << 7 | (fdc->perpendicular & 0x3f));
}

static void run_dumpreg(struct fdc82078 *fdc)
{
    memcpy(fdc->fifo, fdc->pcn, FDC_UNITS);
    fdc->fifo[4] = fdc->srt_hut;
    fdc->fifo[5] = fdc->hlt_nd;
    fdc->fifo[6] = fdc->sc_eot;
    fdc->fifo[7] = lock_and_perpendicular(fdc);
    fdc->fifo[8] = fdc->config;
    fdc->fifo[9] = fdc->pretrk;
    enter_quiet_result(fdc, 10);
}

/* RESTORE takes back what SAVE has given. */
static void run_save(struct fdc82078 *fdc)
{
    memset(fdc->fifo, 0, 16);
    fdc->fifo[0] = fdc->dsr & 0x1f;
    memcpy(fdc->fifo + 2, fdc->pcn, FDC_UNITS);
    fdc->fifo[6] = fdc->srt_hut;
    fdc->fifo[7] = fdc->hlt_nd;
    fdc->fifo[8] = fdc->sc_eot;
    fdc->fifo[9] = lock_and_perpendicular(fdc);
    fdc->fifo[10] = fdc->config;
    fdc->fifo[11] = fdc->pretrk;
    fdc->fifo[12] = fdc->power;
    enter_quiet_result(fdc, 16);
}

static void run_restore(struct fdc82078 *fdc)
{
    const uint8_t *saved = fdc->fifo + 1;

    fdc->dsr = saved[0] & 0x1f;
    fdc->rate = fdc->dsr & DSR_RATE;
    memcpy(fdc->pcn, saved + 2, FDC_UNITS);
    fdc->srt_hut = saved[6];
    fdc->hlt_nd = saved[7];
    fdc->sc_eot = saved[8];
    fdc->is_locked = saved[9] & 0x80;
    fdc->perpendicular = saved[9] & 0x3f;
    fdc->config = saved[10] & 0x7f;
    fdc->pretrk = saved[11];
    fdc->power = saved[12];
    enter_command(fdc);
}

static void run_version(struct fdc82078 *fdc)
{
    answer(fdc, FDC_VERSION);
}

static void run_part_id(struct fdc82078 *fdc)
{
    answer(fdc, FDC_PART_ID);
}

/* OW: the drive bits count only if it is set. */
static void run_perpendicular(struct fdc82078 *fdc)
{
    uint8_t value = fdc->fifo[1];
    uint8_t drives = value & 0x80 ? value & PERPENDICULAR_DRIVES : fdc->perpendicular & PERPENDICULAR_DRIVES;

    fdc->perpendicular = (uint8_t)(drives | (value & 3));
    enter_command(fdc);
}

static void run_configure(struct fdc82078 *fdc)
{
    fdc->config = fdc->fifo[2] & 0x7f;
    fdc->pretrk = fdc->fifo[3];
    enter_command(fdc);
}

static void run_lock(struct fdc82078 *fdc)
{
    fdc->is_locked = fdc->fifo[0] & 0x80;
    answer(fdc, fdc->is_locked ? 0x10 : 0x00);
}

static void run_powerdown(struct fdc82078 *fdc)
{
    fdc->power = fdc->fifo[1];
    answer(fdc, fdc->power);
}

static void run_option(struct fdc82078 *fdc)
{
    fdc->option = fdc->fifo[1];
    enter_command(fdc);
}

/* One byte per drive, until one says that it is the last (DN). NRP: no result. */
static void run_drive_specification(struct fdc82078 *fdc)
{
    uint8_t value = fdc->fifo[1];

    if (!(value & 0x80)) {
        fdc->drive_spec[value >> 5 & 3] = value & 0x1f;
        fdc->fifo_position = 1;
        return;
    }
    if (value & 0x40) {
        enter_command(fdc);
        return;
    }
    memcpy(fdc->fifo, fdc->drive_spec, FDC_UNITS);
    enter_quiet_result(fdc, FDC_UNITS);
}

static void run_invalid(struct fdc82078 *fdc)
{
    answer(fdc, FDC_ST0_INVALID);
}

static const struct fdc_command {
    uint8_t mask, code, length; /* length: bytes of the command phase */
    void (*run)(struct fdc82078 *fdc);
} commands[] = {
    {0x9f, FDC_READ_TRACK, 9, fdc_start_data_command},
    {0x3f, FDC_WRITE, 9, fdc_start_data_command},
    {0x1f, FDC_READ, 9, fdc_start_data_command},
    {0x3f, FDC_WRITE_DELETED, 9, fdc_start_data_command},
    {0xbf, FDC_READ_ID, 2, fdc_start_read_id},
    {0x1f, FDC_READ_DELETED, 9, fdc_start_data_command},
    {0xbf, FDC_FORMAT, 6, fdc_start_format},
    {0xbf, FDC_FORMAT | 0xa0, 6, fdc_start_format}, /* FORMAT AND WRITE */
    {0x1f, FDC_SCAN_EQUAL, 9, fdc_start_data_command},
    {0x1f, FDC_VERIFY, 9, fdc_start_data_command},
    {0x1f, FDC_SCAN_LOW, 9, fdc_start_data_command},
    {0x1f, FDC_SCAN_HIGH, 9, fdc_start_data_command},
    {0xff, 0x03, 3, run_specify},
    {0xff, 0x04, 2, run_sense_drive},
    {0xff, 0x07, 2, run_recalibrate},
    {0xff, 0x08, 1, run_sense_interrupt},
    {0xff, 0x0e, 1, run_dumpreg},
    {0xff, 0x0f, 3, run_seek},
    {0xbf, 0x8f, 3, run_relative_seek},
    {0xff, 0x10, 1, run_version},
    {0xff, 0x12, 2, run_perpendicular},
    {0xff, 0x13, 4, run_configure},
    {0x7f, 0x14, 1, run_lock},
    {0xff, 0x17, 2, run_powerdown},
    {0xff, 0x18, 1, run_part_id},
    {0xff, 0x2e, 1, run_save},
    {0xff, 0x33, 2, run_option},
    {0xff, 0x4e, 17, run_restore},
    {0xff, 0x8e, 2, run_drive_specification},
};
static const struct fdc_command invalid_command = {0, 0, 1, run_invalid};

static const struct fdc_command *find_command(uint8_t code)
{
    for (unsigned i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if ((code & commands[i].mask) == commands[i].code)
            return &commands[i];
    return &invalid_command;
}

/* ---- registers ---- */

static uint8_t read_msr(const struct fdc82078 *fdc)
{
    uint8_t msr = 0;

    if (!(fdc->dor & DOR_NRESET))
        return 0;
    for (unsigned i = 0; i < FDC_UNITS; i++)
        msr |= (uint8_t)(fdc->seek[i].is_busy << i);
    switch ((enum fdc_phase)fdc->phase) {
    case FDC_COMMAND_PHASE:
        return msr | MSR_RQM | (fdc->fifo_position ? MSR_CB : 0);
    case FDC_RESULT_PHASE:
        return msr | MSR_RQM | MSR_DIO | MSR_CB;
    case FDC_EXECUTION_PHASE:
        msr |= MSR_CB;
        if (fdc_is_pio(fdc))
            msr |= MSR_NDMA;
        if (fdc_is_pio(fdc) && fdc->exec.stage != FDC_SEARCH)
            msr |= MSR_RQM | (fdc->exec.stage == FDC_TO_HOST ? MSR_DIO : 0);
        return msr;
    }
    return msr;
}

static uint8_t read_fifo(struct fdc82078 *fdc)
{
    uint8_t value;

    if (fdc->phase == FDC_EXECUTION_PHASE && fdc_is_pio(fdc) && fdc->exec.stage == FDC_TO_HOST)
        return fdc_take_byte(fdc);
    if (fdc->phase != FDC_RESULT_PHASE)
        return 0xff;
    fdc->has_result_int = false;
    value = fdc->fifo[fdc->fifo_position++];
    if (fdc->fifo_position >= fdc->fifo_length)
        enter_command(fdc);
    return value;
}

static void write_fifo(struct fdc82078 *fdc, uint8_t value)
{
    if (!(fdc->dor & DOR_NRESET))
        return;
    if (fdc->phase == FDC_EXECUTION_PHASE && fdc_is_pio(fdc) && fdc->exec.stage == FDC_FROM_HOST) {
        fdc_give_byte(fdc, value);
        return;
    }
    if (fdc->phase != FDC_COMMAND_PHASE)
        return;
    if (fdc->fifo_position == 0)
        fdc->fifo_length = find_command(value)->length;
    fdc->fifo[fdc->fifo_position++] = value;
    if (fdc->fifo_position == fdc->fifo_length)
        find_command(fdc->fifo[0])->run(fdc);
}

static void write_dor(struct fdc82078 *fdc, uint8_t value)
{
    uint8_t changed = fdc->dor ^ value;

    fdc->dor = value;
    if (!(changed & DOR_NRESET))
        return;
    if (value & DOR_NRESET)
        leave_reset(fdc);
    else
        software_reset(fdc);
}

static void write_dsr(struct fdc82078 *fdc, uint8_t value)
{
    fdc->dsr = value & (uint8_t)~DSR_RESET;
    fdc->rate = value & DSR_RATE;
    if ((value & DSR_RESET) && (fdc->dor & DOR_NRESET)) {
        software_reset(fdc);
        leave_reset(fdc);
    }
}

static uint32_t ports_read(void *self, uint32_t offset, unsigned width)
{
    struct fdc82078 *fdc = self;
    uint8_t value = 0xff;

    switch (offset) {
    case FDC_DOR:
        value = fdc->dor;
        break;
    case FDC_TDR:
        value = fdc->tdr;
        break;
    case FDC_MSR_DSR:
        value = read_msr(fdc);
        break;
    case FDC_FIFO:
        value = read_fifo(fdc);
        fdc_update(fdc);
        break;
    default:
        break;
    }
    return value;
}

static void ports_write(void *self, uint32_t offset, uint32_t value, unsigned width)
{
    struct fdc82078 *fdc = self;

    switch (offset) {
    case FDC_DOR:
        write_dor(fdc, (uint8_t)value);
        break;
    case FDC_TDR:
        fdc->tdr = value & 3;
        break;
    case FDC_MSR_DSR:
        write_dsr(fdc, (uint8_t)value);
        break;
    case FDC_FIFO:
        write_fifo(fdc, (uint8_t)value);
        break;
    default:
        break;
    }
    fdc_update(fdc);
}

/* DSKCHG# comes from the drive that is selected, and selected is only a drive whose motor is on. 360K drives do not
 * have it. */
static uint32_t dir_read(void *self, uint32_t offset, unsigned width)
{
    struct fdc82078 *fdc = self;
    unsigned unit = fdc->dor & DOR_DRIVE;
    const struct fdc_drive *drive = fdc_drive(fdc, unit);
    bool is_selected = drive && fdc_motor_is_on(fdc, unit);

    return is_selected && drive->is_changed && drive->type != FDC82078_360K ? DIR_CHANGED : 0;
}

static void ccr_write(void *self, uint32_t offset, uint32_t value, unsigned width)
{
    struct fdc82078 *fdc = self;

    fdc->rate = value & DSR_RATE;
}

const struct bus_ops fdc82078_ops = {.name = "fdc82078", .read = ports_read, .write = ports_write, .max_width = 1};
const struct bus_ops fdc82078_dir_ops = {.name = "fdc82078-dir", .read = dir_read, .write = ccr_write, .max_width = 1};

/* ---- creation ---- */

struct fdc82078 *fdc82078_create(struct clock *clock, struct irq irq, struct dma8237_channel *dma)
{
    struct fdc82078 *fdc = calloc(1, sizeof *fdc);

    if (!fdc)
        return NULL;
    fdc->clock = clock;
    fdc->irq = irq;
    fdc->dma = dma;
    timer_init(&fdc->timer, clock, timer_fires, fdc);
    if (dma)
        dma8237_connect(dma, fdc_dma_granted, fdc);
    state_reset(&fdc_desc, fdc);
    return fdc;
}

void fdc82078_destroy(struct fdc82078 *fdc)
{
    if (fdc)
        timer_cancel(&fdc->timer);
    free(fdc);
}

void fdc82078_reset(struct fdc82078 *fdc)
{
    struct fdc_drive drive[FDC82078_DRIVES];

    fdc_abort(fdc);
    memcpy(drive, fdc->drive, sizeof drive);
    state_reset(&fdc_desc, fdc);
    memcpy(fdc->drive, drive, sizeof drive);
    fdc_update(fdc);
}

const struct state_desc *fdc82078_state_desc(void)
{
    return &fdc_desc;
}

/* A saved state may come from anywhere. */
void fdc82078_after_load(struct fdc82078 *fdc)
{
    struct fdc_execution *exec = &fdc->exec;

    if (fdc->phase > FDC_RESULT_PHASE)
        fdc->phase = FDC_COMMAND_PHASE;
    if (fdc->fifo_length > sizeof fdc->fifo)
        fdc->fifo_length = sizeof fdc->fifo;
    if (fdc->fifo_position >= fdc->fifo_length && fdc->phase != FDC_EXECUTION_PHASE)
        enter_command(fdc);
    if (fdc->reset_senses > FDC_UNITS)
        fdc->reset_senses = FDC_UNITS;
    exec->unit &= 3;
    exec->head &= 1;
    if (exec->length > sizeof fdc->buffer)
        exec->length = sizeof fdc->buffer;
    if (exec->stage > FDC_FROM_HOST || exec->position >= exec->length)
        exec->stage = FDC_SEARCH;
    fdc_update(fdc);
}
