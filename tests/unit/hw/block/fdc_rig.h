/* A floppy controller with DMA channel 2, fake time and a 1.44 MB disk in memory, for its tests. */
#ifndef TESTS_UNIT_HW_FDC_RIG_H
#define TESTS_UNIT_HW_FDC_RIG_H

#include "tests/unit/hw/probe.h"

#include "hw/block/fdc82078.h"
#include "tests/unit/hw/block/fake_disk.h"
#include "tests/unit/hw/pci/fake_board.h"

enum { DOR = 0x3f2, TDR, MSR, DSR = MSR, FIFO, DIR = 0x3f7, CCR = DIR };
enum { RQM = 0x80, DIO = 0x40, NDMA = 0x20, CB = 0x10 };
enum { MT = 0x80, MFM = 0x40, SK = 0x20 };
enum { ABNORMAL = 0x40, SE = 0x20, EC = 0x10 };
enum { EN = 0x80, DE = 0x20, OR = 0x10, ND = 0x04, NW = 0x02, MA = 0x01 };
enum { CM = 0x40, DD = 0x20, WC = 0x10, SH = 0x08, SN = 0x04 };
enum { BUFFER = 0x20000 };
enum { DMA_VERIFY = 0x42, DMA_FROM_DISK = 0x46, DMA_TO_DISK = 0x4a };

struct fdc_rig {
    struct fake_board *board;
    struct clock *clock;
    struct dma8237 *dma;
    struct fdc82078 *fdc;
    struct probe irq;
    struct fake_disk *disk;
    uint8_t result[16];
    unsigned n_results;
};

static inline void fdc_out(struct fdc_rig *rig, uint16_t port, uint8_t value)
{
    bus_out(rig->board->bus, port, value, 1);
}

static inline uint8_t fdc_in(struct fdc_rig *rig, uint16_t port)
{
    return (uint8_t)bus_in(rig->board->bus, port, 1);
}

static inline void fdc_run(struct fdc_rig *rig, int64_t ns)
{
    clock_advance(rig->clock, ns);
}

/* Lets time pass until the interrupt comes. */
static inline void fdc_wait_irq(struct fdc_rig *rig)
{
    for (unsigned i = 0; i < 100000 && !rig->irq.level; i++)
        fdc_run(rig, 100 * NS_PER_US);
    assert_true(rig->irq.level);
}

static inline void fdc_send(struct fdc_rig *rig, const uint8_t *bytes, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(fdc_in(rig, MSR) & (RQM | DIO), RQM);
        fdc_out(rig, FIFO, bytes[i]);
    }
}
#define FDC_COMMAND(rig, ...) fdc_send(rig, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static inline void fdc_results(struct fdc_rig *rig)
{
    rig->n_results = 0;
    while ((fdc_in(rig, MSR) & (RQM | DIO)) == (RQM | DIO) && rig->n_results < sizeof rig->result)
        rig->result[rig->n_results++] = fdc_in(rig, FIFO);
}

static inline void fdc_expect(struct fdc_rig *rig, const uint8_t *bytes, unsigned count)
{
    fdc_results(rig);
    assert_int_equal(rig->n_results, count);
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(rig->result[i], bytes[i]);
}
#define FDC_EXPECT(rig, ...) fdc_expect(rig, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

/* DMA channel 2 at BUFFER for `count` bytes. */
static inline void fdc_program_dma(struct fdc_rig *rig, uint8_t mode, uint32_t count)
{
    fdc_out(rig, 0x0a, 0x06);
    fdc_out(rig, 0x0b, mode);
    fdc_out(rig, 0x0c, 0);
    fdc_out(rig, 0x04, (uint8_t)BUFFER);
    fdc_out(rig, 0x04, (uint8_t)(BUFFER >> 8));
    fdc_out(rig, 0x81, (uint8_t)(BUFFER >> 16));
    fdc_out(rig, 0x05, (uint8_t)(count - 1));
    fdc_out(rig, 0x05, (uint8_t)((count - 1) >> 8));
    fdc_out(rig, 0x0a, 0x02);
}

static inline void fdc_sense_seek(struct fdc_rig *rig, uint8_t st0, uint8_t cylinder)
{
    fdc_wait_irq(rig);
    FDC_COMMAND(rig, 0x08);
    FDC_EXPECT(rig, st0, cylinder);
    assert_false(rig->irq.level);
}

static inline void fdc_seek(struct fdc_rig *rig, uint8_t unit, uint8_t cylinder)
{
    FDC_COMMAND(rig, 0x0f, unit, cylinder);
    fdc_sense_seek(rig, (uint8_t)(SE | (unit & 7)), cylinder);
}

/* Out of reset with both motors on, and the four interrupt answers taken. */
static inline void fdc_enable(struct fdc_rig *rig)
{
    fdc_out(rig, DOR, 0x00);
    fdc_out(rig, DOR, 0x3c);
    fdc_wait_irq(rig);
    for (uint8_t i = 0; i < 4; i++) {
        FDC_COMMAND(rig, 0x08);
        FDC_EXPECT(rig, (uint8_t)(0xc0 | i), 0);
    }
    FDC_COMMAND(rig, 0x03, 0xdf, 0x02);
    fdc_out(rig, CCR, 0);
}

static inline int fdc_rig_setup(void **state)
{
    struct fdc_rig *rig = calloc(1, sizeof *rig);

    rig->board = fake_board_create();
    rig->clock = clock_create_fake();
    rig->dma = dma8237_create(rig->board->bus);
    bus_map_ports(rig->board->bus, 0x00, 16, &dma8237_low_ops, rig->dma);
    bus_map_ports(rig->board->bus, 0xc0, 32, &dma8237_high_ops, rig->dma);
    bus_map_ports(rig->board->bus, 0x80, 16, &dma8237_page_ops, rig->dma);
    fdc_out(rig, 0xd6, 0xc0);
    fdc_out(rig, 0xd4, 0x00);
    rig->fdc = fdc82078_create(rig->clock, probe_wire(&rig->irq), dma8237_channel(rig->dma, 2));
    bus_map_ports(rig->board->bus, 0x3f0, 6, &fdc82078_ops, rig->fdc);
    bus_map_ports(rig->board->bus, 0x3f7, 1, &fdc82078_dir_ops, rig->fdc);
    rig->disk = fake_disk_create(2880);
    fdc82078_add_drive(rig->fdc, 0, FDC82078_1440K);
    fdc82078_add_drive(rig->fdc, 1, FDC82078_1200K);
    assert_true(fdc82078_insert(rig->fdc, 0, &rig->disk->block));
    *state = rig;
    return 0;
}

static inline int fdc_rig_setup_enabled(void **state)
{
    fdc_rig_setup(state);
    fdc_enable(*state);
    return 0;
}

static inline int fdc_rig_teardown(void **state)
{
    struct fdc_rig *rig = *state;

    fdc82078_destroy(rig->fdc);
    dma8237_destroy(rig->dma);
    clock_destroy(rig->clock);
    fake_board_destroy(rig->board);
    free(rig->disk);
    free(rig);
    return 0;
}

#endif
