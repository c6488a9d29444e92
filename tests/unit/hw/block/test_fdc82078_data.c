/* 82078: reading, writing, formatting, scanning, with DMA and without. */
#include "tests/unit/hw/block/fdc_rig.h"

/* Sector number in the image of a 1.44 MB disk. */
static unsigned lba(unsigned c, unsigned h, unsigned r)
{
    return (c * 2 + h) * 18 + r - 1;
}

static const uint8_t *on_disk(struct fdc_rig *rig, unsigned sector)
{
    return rig->disk->data + sector * 512;
}

static const uint8_t *in_memory(struct fdc_rig *rig, unsigned sector)
{
    return rig->board->ram + BUFFER + sector * 512;
}

static void fill_memory(struct fdc_rig *rig, unsigned n_sectors, uint8_t seed)
{
    for (unsigned i = 0; i < n_sectors * 512; i++)
        rig->board->ram[BUFFER + i] = (uint8_t)(seed + i + i / 512);
}

/* Reads `count` bytes from the data register as the interrupt offers them. */
static void pio_read(struct fdc_rig *rig, uint8_t *out, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        fdc_wait_irq(rig);
        assert_int_equal(fdc_in(rig, MSR), RQM | DIO | NDMA | CB);
        out[i] = fdc_in(rig, FIFO);
    }
}

static void pio_write(struct fdc_rig *rig, const uint8_t *in, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        fdc_wait_irq(rig);
        assert_int_equal(fdc_in(rig, MSR), RQM | NDMA | CB);
        fdc_out(rig, FIFO, in[i]);
    }
}

static void read_by_dma_ends_with_terminal_count(void **state)
{
    struct fdc_rig *rig = *state;

    fdc_program_dma(rig, DMA_FROM_DISK, 3 * 512);
    FDC_COMMAND(rig, MFM | 0x06, 0, 0, 0, 2, 2, 18, 0x1b, 2);
    assert_int_equal(fdc_in(rig, MSR), CB);
    fdc_wait_irq(rig);
    FDC_EXPECT(rig, 0, 0, 0, 0, 0, 5, 2);
    assert_false(rig->irq.level);
    assert_memory_equal(in_memory(rig, 0), on_disk(rig, 1), 3 * 512);
    assert_int_equal(in_memory(rig, 3)[0], 0);
    assert_int_equal(clock_now_ns(rig->clock) < 20 * NS_PER_MS, 1);
}

static void multitrack_goes_on_with_the_other_head(void **state)
{
    struct fdc_rig *rig = *state;

    fdc_seek(rig, 0, 5);
    fdc_program_dma(rig, DMA_FROM_DISK, 4 * 512);
    FDC_COMMAND(rig, MT | MFM | 0x06, 0, 5, 0, 17, 2, 18, 0x1b, 0xff);
    fdc_wait_irq(rig);
    FDC_EXPECT(rig, 0x04, 0, 0, 5, 1, 3, 2);
    assert_memory_equal(in_memory(rig, 0), on_disk(rig, lba(5, 0, 17)), 4 * 512);
}

static void last_sector_leads_to_the_next_cylinder(void **state)
{
    struct fdc_rig *rig = *state;

    fdc_program_dma(rig, DMA_FROM_DISK, 512);
    FDC_COMMAND(rig, MT | MFM | 0x06, 4, 0, 1, 18, 2, 18, 0x1b, 0xff);
    fdc_wait_irq(rig);
    FDC_EXPECT(rig, 0, 0, 0, 1, 0, 1, 2);
    fdc_program_dma(rig, DMA_FROM_DISK, 512);
    FDC_COMMAND(rig, MFM | 0x06, 4, 0, 1, 18, 2, 18, 0x1b, 0xff);
    fdc_wait_irq(rig);
    FDC_EXPECT(rig, 4, 0, 0, 1, 1, 1, 2);
}

static void transfer_beyond_eot_is_an_end_of_cylinder(void **state)
{
    struct fdc_rig *rig = *state;

    fdc_program_dma(rig, DMA_FROM_DISK, 4 * 512);
    FDC_COMMAND(rig, MFM | 0x06, 0, 0, 0, 17, 2, 18, 0x1b, 0xff);
    fdc_wait_irq(rig);
    FDC_EXPECT(rig, ABNORMAL, EN, 0, 1, 0, 1, 2);
    assert_memory_equal(in_memory(rig, 0), on_disk(rig, 16), 2 * 512);
}

static void short_transfer_ends_within_the_sector(void **state)
{
    struct fdc_rig *rig = *state;

    fdc_program_dma(rig, DMA_FROM_DISK, 100);
    FDC_COMMAND(rig, MFM | 0x06, 0, 0, 0, 1, 2, 18, 0x1b, 0xff);
    fdc_wait_irq(rig);
    FDC_EXPECT(rig, 0, 0, 0, 0, 0, 2, 2);
    assert_memory_equal(in_memory(rig, 0), on_disk(rig, 0), 100);
    assert_int_equal(rig->board->ram[BUFFER + 100], 0);
}

static void dma_verify_reads_without_memory(void **state)
{
    struct fdc_rig *rig = *state;

    fdc_program_dma(rig, DMA_VERIFY, 512);
    FDC_COMMAND(rig, MFM | 0x06, 0, 0, 0, 3, 2, 18, 0x1b, 0xff);
    fdc_wait_irq(rig);
    FDC_EXPECT(rig, 0, 0, 0, 0, 0, 4, 2);
    assert_int_equal(rig->board->ram[BUFFER + 4], 0);
}

static void write_by_dma_fills_up_the_last_sector_with_zeros(void **state)
{
    struct fdc_rig *rig = *state;
    static const uint8_t zeros[412];

    fdc_seek(rig, 0, 79);
    fill_memory(rig, 2, 3);
    fdc_program_dma(rig, DMA_TO_DISK, 512 + 100);
    FDC_COMMAND(rig, MFM | 0x05, 4, 79, 1, 17, 2, 18, 0x1b, 0xff);
    fdc_wait_irq(rig);
    FDC_EXPECT(rig, 4, 0, 0, 80, 1, 1, 2);
    assert_memory_equal(on_disk(rig, lba(79, 1, 17)), in_memory(rig, 0), 612);
    assert_memory_equal(on_disk(rig, lba(79, 1, 18)) + 100, zeros, 412);
    assert_int_equal(rig->disk->n_writes, 2);
}

static void dma_may_be_unmasked_after_the_command(void **state)
{
    struct fdc_rig *rig = *state;

    FDC_COMMAND(rig, MFM | 0x06, 0, 0, 0, 1, 2, 18, 0x1b, 0xff);
    fdc_run(rig, 100 * NS_PER_MS);
    assert_false(rig->irq.level);
    fdc_program_dma(rig, DMA_FROM_DISK, 512);
    assert_true(rig->irq.level);
    FDC_EXPECT(rig, 0, 0, 0, 0, 0, 2, 2);
    assert_memory_equal(in_memory(rig, 0), on_disk(rig, 0), 512);
}

static void dma_that_never_comes_is_an_overrun(void **state)
{
    struct fdc_rig *rig = *state;

    FDC_COMMAND(rig, MFM | 0x06, 0, 0, 0, 1, 2, 18, 0x1b, 0xff);
    fdc_wait_irq(rig);
    FDC_EXPECT(rig, ABNORMAL, OR, 0, 0, 0, 1, 2);
    assert_true(clock_now_ns(rig->clock) >= NS_PER_SECOND);
    assert_int_equal(fdc_in(rig, 0x08) & 0x40, 0); /* DREQ is down again */
}

static void reset_stops_a_transfer(void **state)
{
    struct fdc_rig *rig = *state;

    FDC_COMMAND(rig, MFM | 0x06, 0, 0, 0, 1, 2, 18, 0x1b, 0xff);
    fdc_run(rig, 100 * NS_PER_MS);
    assert_int_equal(fdc_in(rig, 0x08) & 0x40, 0x40);
    fdc_out(rig, DOR, 0x18);
    assert_int_equal(fdc_in(rig, 0x08) & 0x40, 0);
    fdc_run(rig, 2 * NS_PER_SECOND);
    assert_false(rig->irq.level);
}

static void non_dma_read_offers_bytes_and_ends_without_terminal_count(void **state)
{
    struct fdc_rig *rig = *state;
    uint8_t data[1024];

    FDC_COMMAND(rig, 0x03, 0xdf, 0x03);
    FDC_COMMAND(rig, MFM | 0x06, 0, 0, 0, 1, 2, 2, 0x1b, 0xff);
    assert_int_equal(fdc_in(rig, MSR), NDMA | CB);
    pio_read(rig, data, 1024);
    fdc_wait_irq(rig);
    FDC_EXPECT(rig, ABNORMAL, EN, 0, 1, 0, 1, 2);
    assert_memory_equal(data, on_disk(rig, 0), 1024);
}

static void non_dma_write_takes_bytes(void **state)
{
    struct fdc_rig *rig = *state;

    fill_memory(rig, 1, 0x77);
    FDC_COMMAND(rig, 0x03, 0xdf, 0x03);
    FDC_COMMAND(rig, MFM | 0x05, 4, 0, 1, 9, 2, 9, 0x1b, 0xff);
    pio_write(rig, in_memory(rig, 0), 512);
    fdc_wait_irq(rig);
    FDC_EXPECT(rig, ABNORMAL | 4, EN, 0, 1, 1, 1, 2);
    assert_memory_equal(on_disk(rig, lba(0, 1, 9)), in_memory(rig, 0), 512);
}

static void sectors_that_are_not_there_are_not_found(void **state)
{
    static const struct {
        uint8_t select, c, h, r, n, st1, st2;
    } cases[] = {
        {0, 0, 0, 19, 2, ND, 0}, {0, 0, 0, 0, 2, ND, 0}, {0, 3, 0, 1, 2, ND, WC},
        {0, 0, 1, 1, 2, ND, 0},  {0, 0, 0, 1, 3, ND, 0}, {4, 0, 0, 1, 2, ND, 0},
    };
    struct fdc_rig *rig = *state;

    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        fdc_program_dma(rig, DMA_FROM_DISK, 512);
        FDC_COMMAND(rig, MFM | 0x06, cases[i].select, cases[i].c, cases[i].h, cases[i].r, cases[i].n, 20, 0x1b, 0xff);
        fdc_wait_irq(rig);
        FDC_EXPECT(rig, ABNORMAL | cases[i].select, cases[i].st1, cases[i].st2, cases[i].c, cases[i].h, cases[i].r,
                   cases[i].n);
    }
}

static void expect_no_address_mark(struct fdc_rig *rig, uint8_t command, uint8_t unit)
{
    FDC_COMMAND(rig, command, unit, 0, 0, 1, 2, 18, 0x1b, 0xff);
    fdc_wait_irq(rig);
    FDC_EXPECT(rig, ABNORMAL | unit, MA, 0, 0, 0, 1, 2);
}

static void nothing_to_read_is_a_missing_address_mark(void **state)
{
    struct fdc_rig *rig = *state;

    fdc_out(rig, CCR, 2);
    expect_no_address_mark(rig, MFM | 0x06, 0); /* wrong data rate */
    fdc_out(rig, CCR, 0);
    expect_no_address_mark(rig, 0x06, 0);       /* FM */
    expect_no_address_mark(rig, MFM | 0x06, 1); /* no disk */
    expect_no_address_mark(rig, MFM | 0x06, 3); /* no drive */
    fdc_out(rig, DOR, 0x0c);
    expect_no_address_mark(rig, MFM | 0x06, 0); /* motor off */
    fdc_out(rig, DOR, 0x1c);
    fdc_seek(rig, 0, 80);
    expect_no_address_mark(rig, MFM | 0x06, 0); /* beyond the formatted tracks */
}

static void host_errors_are_data_errors(void **state)
{
    struct fdc_rig *rig = *state;

    rig->disk->bad_sector = 1;
    fdc_program_dma(rig, DMA_FROM_DISK, 1024);
    FDC_COMMAND(rig, MFM | 0x06, 0, 0, 0, 1, 2, 18, 0x1b, 0xff);
    fdc_wait_irq(rig);
    FDC_EXPECT(rig, ABNORMAL, DE, DD, 0, 0, 2, 2);
    fdc_program_dma(rig, DMA_TO_DISK, 1024);
    FDC_COMMAND(rig, MFM | 0x05, 0, 0, 0, 2, 2, 18, 0x1b, 0xff);
    fdc_wait_irq(rig);
    FDC_EXPECT(rig, ABNORMAL, DE, DD, 0, 0, 2, 2);
    fdc_program_dma(rig, DMA_FROM_DISK, 1024);
    FDC_COMMAND(rig, MFM | 0x02, 0, 0, 0, 1, 2, 18, 0x1b, 0xff);
    fdc_wait_irq(rig);
    FDC_EXPECT(rig, ABNORMAL, DE, DD, 0, 0, 2, 2);
    FDC_COMMAND(rig, MFM | 0x16, 0, 0, 0, 1, 2, 18, 0x1b, 0xff);
    fdc_wait_irq(rig);
    FDC_EXPECT(rig, ABNORMAL, DE, DD, 0, 0, 2, 2);
    fdc_program_dma(rig, DMA_TO_DISK, 1024);
    FDC_COMMAND(rig, MFM | 0x11, 0, 0, 0, 2, 2, 18, 0x1b, 1);
    fdc_wait_irq(rig);
    FDC_EXPECT(rig, ABNORMAL, DE, DD, 0, 0, 2, 2);
}

static void protected_disks_are_not_written(void **state)
{
    struct fdc_rig *rig = *state;

    rig->disk->block.is_readonly = true;
    fdc_program_dma(rig, DMA_TO_DISK, 512);
    FDC_COMMAND(rig, MFM | 0x05, 0, 0, 0, 1, 2, 18, 0x1b, 0xff);
    fdc_wait_irq(rig);
    FDC_EXPECT(rig, ABNORMAL, NW, 0, 0, 0, 1, 2);
    FDC_COMMAND(rig, MFM | 0x0d, 0, 2, 18, 0x54, 0xf6);
    fdc_wait_irq(rig);
    fdc_results(rig);
    assert_int_equal(rig->result[0], ABNORMAL);
    assert_int_equal(rig->result[1], NW);
    assert_int_equal(rig->disk->n_writes, 0);
}

static void implied_seek_goes_to_the_cylinder(void **state)
{
    struct fdc_rig *rig = *state;

    FDC_COMMAND(rig, 0x13, 0, 0x57, 0);
    fdc_program_dma(rig, DMA_FROM_DISK, 512);
    FDC_COMMAND(rig, MFM | 0x06, 4, 33, 1, 4, 2, 18, 0x1b, 0xff);
    fdc_wait_irq(rig);
    FDC_EXPECT(rig, SE | 4, 0, 0, 33, 1, 5, 2);
    assert_memory_equal(in_memory(rig, 0), on_disk(rig, lba(33, 1, 4)), 512);
    FDC_COMMAND(rig, 0x0e);
    fdc_results(rig);
    assert_int_equal(rig->result[0], 33);
    assert_int_equal(rig->result[6], 18); /* EOT */
}

static void implied_seek_takes_the_time_of_its_steps(void **state)
{
    struct fdc_rig *rig = *state;

    FDC_COMMAND(rig, 0x13, 0, 0x57, 0);
    fdc_seek(rig, 0, 50);
    fdc_program_dma(rig, DMA_FROM_DISK, 512);
    FDC_COMMAND(rig, MFM | 0x06, 0, 30, 0, 4, 2, 18, 0x1b, 0xff);
    fdc_run(rig, 20 * 3 * NS_PER_MS / 20 + 200 * NS_PER_MS / 18 / 20 - 1);
    assert_false(rig->irq.level);
    fdc_run(rig, 1);
    FDC_EXPECT(rig, SE, 0, 0, 30, 0, 5, 2);
    assert_memory_equal(in_memory(rig, 0), on_disk(rig, lba(30, 0, 4)), 512);
}

static void sectors_come_round_at_the_speed_of_the_drive(void **state)
{
    static const struct {
        uint8_t drive, r;
        uint16_t n_sectors;
        int64_t ns;
    } cases[] = {
        {FDC82078_1200K, 15, 2400, 166666666 / 15 / 20}, /* 360 rpm */
        {FDC82078_1440K, 18, 2880, 200000000 / 18 / 20}, /* 300 rpm */
    };
    struct fdc_rig *rig = *state;

    for (unsigned i = 0; i < 2; i++) {
        fdc82078_add_drive(rig->fdc, 1, cases[i].drive);
        rig->disk->block.n_sectors = cases[i].n_sectors;
        fdc82078_insert(rig->fdc, 1, &rig->disk->block);
        fdc_program_dma(rig, DMA_FROM_DISK, 1024);
        FDC_COMMAND(rig, MFM | 0x06, 1, 0, 0, 1, 2, cases[i].r, 0x1b, 0xff);
        fdc_run(rig, 2 * cases[i].ns - 1);
        assert_false(rig->irq.level);
        fdc_run(rig, 1);
        FDC_EXPECT(rig, 1, 0, 0, 0, 0, 3, 2);
    }
}

static void write_deleted_and_read_each_kind(struct fdc_rig *rig)
{
    fill_memory(rig, 1, 9);
    fdc_program_dma(rig, DMA_TO_DISK, 512);
    FDC_COMMAND(rig, MFM | 0x09, 0, 0, 0, 2, 2, 18, 0x1b, 0xff);
    fdc_wait_irq(rig);
    FDC_EXPECT(rig, 0, 0, 0, 0, 0, 3, 2);
    fdc_program_dma(rig, DMA_FROM_DISK, 3 * 512);
}

static void deleted_sector_is_read_and_ends_the_command(void **state)
{
    struct fdc_rig *rig = *state;

    write_deleted_and_read_each_kind(rig);
    FDC_COMMAND(rig, MFM | 0x06, 0, 0, 0, 1, 2, 18, 0x1b, 0xff);
    fdc_wait_irq(rig);
    FDC_EXPECT(rig, 0, 0, CM, 0, 0, 2, 2);
    assert_memory_equal(in_memory(rig, 0), on_disk(rig, 0), 2 * 512);
}

static void deleted_sector_is_skipped_with_sk(void **state)
{
    struct fdc_rig *rig = *state;

    write_deleted_and_read_each_kind(rig);
    FDC_COMMAND(rig, SK | MFM | 0x06, 0, 0, 0, 1, 2, 18, 0x1b, 0xff);
    fdc_wait_irq(rig);
    FDC_EXPECT(rig, 0, 0, CM, 0, 0, 5, 2);
    assert_memory_equal(in_memory(rig, 0), on_disk(rig, 0), 512);
    assert_memory_equal(in_memory(rig, 1), on_disk(rig, 2), 2 * 512);
}

static void read_deleted_wants_the_deleted_ones(void **state)
{
    struct fdc_rig *rig = *state;

    write_deleted_and_read_each_kind(rig);
    FDC_COMMAND(rig, SK | MFM | 0x0c, 0, 0, 0, 1, 2, 3, 0x1b, 0xff);
    fdc_wait_irq(rig);
    FDC_EXPECT(rig, ABNORMAL, EN, CM, 1, 0, 1, 2);
    assert_memory_equal(in_memory(rig, 0), on_disk(rig, 1), 512);
    assert_int_equal(in_memory(rig, 1)[2], 0); /* neither sector 1 nor 3 */
    fdc_program_dma(rig, DMA_TO_DISK, 512);
    FDC_COMMAND(rig, MFM | 0x05, 0, 0, 0, 2, 2, 18, 0x1b, 0xff); /* an ordinary write ends it */
    fdc_wait_irq(rig);
    FDC_EXPECT(rig, 0, 0, 0, 0, 0, 3, 2);
    FDC_COMMAND(rig, MFM | 0x16, 0, 0, 0, 2, 2, 18, 0x1b, 0xff);
    fdc_wait_irq(rig);
    FDC_EXPECT(rig, 0, 0, 0, 1, 0, 1, 2);
}

static void deleted_marks_go_with_the_disk(void **state)
{
    struct fdc_rig *rig = *state;

    write_deleted_and_read_each_kind(rig);
    fdc82078_insert(rig->fdc, 0, fdc82078_eject(rig->fdc, 0));
    FDC_COMMAND(rig, MFM | 0x06, 0, 0, 0, 1, 2, 18, 0x1b, 0xff);
    fdc_wait_irq(rig);
    FDC_EXPECT(rig, 0, 0, 0, 0, 0, 4, 2);
}

static void read_track_starts_at_the_index_hole(void **state)
{
    struct fdc_rig *rig = *state;

    fdc_program_dma(rig, DMA_FROM_DISK, 18 * 512);
    FDC_COMMAND(rig, MFM | 0x02, 0, 0, 0, 1, 2, 18, 0x1b, 0xff);
    fdc_wait_irq(rig);
    FDC_EXPECT(rig, 0, 0, 0, 0, 0, 19, 2);
    assert_memory_equal(in_memory(rig, 0), on_disk(rig, 0), 18 * 512);
}

static void read_track_notes_other_ids_and_reads_on(void **state)
{
    struct fdc_rig *rig = *state;

    fdc_program_dma(rig, DMA_FROM_DISK, 4 * 512);
    FDC_COMMAND(rig, MFM | 0x02, 4, 7, 1, 1, 2, 2, 0x1b, 0xff);
    fdc_wait_irq(rig);
    FDC_EXPECT(rig, ABNORMAL | 4, EN | ND, WC, 7, 1, 3, 2);
    assert_memory_equal(in_memory(rig, 0), on_disk(rig, lba(0, 1, 1)), 2 * 512);
    FDC_COMMAND(rig, MFM | 0x02, 0, 0, 0, 1, 2, 0, 0x1b, 0xff);
    fdc_wait_irq(rig);
    fdc_results(rig);
    assert_int_equal(rig->result[1], MA);
}

static void read_id_takes_the_next_sector_that_comes_round(void **state)
{
    struct fdc_rig *rig = *state;
    uint32_t seen = 0;

    fdc_seek(rig, 0, 22);
    for (unsigned i = 0; i < 18; i++) {
        FDC_COMMAND(rig, MFM | 0x0a, 4);
        fdc_wait_irq(rig);
        fdc_results(rig);
        assert_int_equal(rig->result[0], 4);
        assert_int_equal(rig->result[1], 0);
        assert_int_equal(rig->result[3], 22);
        assert_int_equal(rig->result[4], 1);
        assert_in_range(rig->result[5], 1, 18);
        assert_int_equal(rig->result[6], 2);
        seen |= 1u << rig->result[5];
        fdc_run(rig, 250 * NS_PER_US);
    }
    assert_true(__builtin_popcount(seen) > 4);
    FDC_COMMAND(rig, MFM | 0x0a, 1);
    fdc_wait_irq(rig);
    fdc_results(rig);
    assert_int_equal(rig->result[0], ABNORMAL | 1);
    assert_int_equal(rig->result[1], MA);
}

static void put_ids(struct fdc_rig *rig, unsigned c, unsigned h, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        uint8_t *id = rig->board->ram + BUFFER + 4 * i;

        id[0] = (uint8_t)c;
        id[1] = (uint8_t)h;
        id[2] = (uint8_t)(i + 1);
        id[3] = 2;
    }
}

static void format_fills_the_track(void **state)
{
    struct fdc_rig *rig = *state;
    uint8_t after[16];

    fdc_seek(rig, 0, 3);
    memcpy(after, on_disk(rig, lba(3, 1, 1)), sizeof after);
    put_ids(rig, 3, 0, 18);
    fdc_program_dma(rig, DMA_TO_DISK, 18 * 4);
    FDC_COMMAND(rig, MFM | 0x0d, 0, 2, 18, 0x54, 0xf6);
    fdc_wait_irq(rig);
    FDC_EXPECT(rig, 0, 0, 0, 3, 0, 18, 2);
    for (unsigned i = 0; i < 18 * 512; i++)
        assert_int_equal(on_disk(rig, lba(3, 0, 1))[i], 0xf6);
    assert_memory_equal(on_disk(rig, lba(3, 1, 1)), after, sizeof after);
    FDC_COMMAND(rig, 0x0e);
    fdc_results(rig);
    assert_int_equal(rig->result[6], 18); /* SC */
}

static void format_leaves_ids_alone_that_the_image_cannot_hold(void **state)
{
    struct fdc_rig *rig = *state;

    put_ids(rig, 0, 0, 3);
    rig->board->ram[BUFFER + 4 + 2] = 99;
    fdc_program_dma(rig, DMA_TO_DISK, 3 * 4);
    FDC_COMMAND(rig, MFM | 0x0d, 0, 2, 3, 0x54, 0xf6);
    fdc_wait_irq(rig);
    FDC_EXPECT(rig, 0, 0, 0, 0, 0, 3, 2);
    assert_int_equal(on_disk(rig, 0)[0], 0xf6);
    assert_int_equal(on_disk(rig, 1)[1], 0x01); /* as it was */
    assert_int_equal(on_disk(rig, 2)[0], 0xf6);
}

static void format_of_no_sectors_ends(void **state)
{
    struct fdc_rig *rig = *state;

    FDC_COMMAND(rig, MFM | 0x0d, 0, 2, 0, 0x54, 0xf6);
    fdc_wait_irq(rig);
    fdc_results(rig);
    assert_int_equal(rig->result[0], 0);
    assert_int_equal(rig->disk->n_writes, 0);
}

static void format_reports_host_errors_and_lost_disks(void **state)
{
    struct fdc_rig *rig = *state;

    put_ids(rig, 0, 0, 2);
    rig->disk->bad_sector = 1;
    fdc_program_dma(rig, DMA_TO_DISK, 2 * 4);
    FDC_COMMAND(rig, MFM | 0x0d, 0, 2, 2, 0x54, 0xf6);
    fdc_wait_irq(rig);
    fdc_results(rig);
    assert_int_equal(rig->result[1], DE);
    FDC_COMMAND(rig, MFM | 0x0d, 0, 2, 2, 0x54, 0xf6);
    fdc_run(rig, 10 * NS_PER_MS); /* waits for DMA */
    fdc82078_eject(rig->fdc, 0);
    fdc_program_dma(rig, DMA_TO_DISK, 2 * 4);
    fdc_wait_irq(rig);
    fdc_results(rig);
    assert_int_equal(rig->result[1], MA);
}

static void format_and_write_takes_id_and_data_by_turns(void **state)
{
    struct fdc_rig *rig = *state;
    uint8_t *at = rig->board->ram + BUFFER;

    for (unsigned i = 0; i < 2; i++, at += 516) {
        memcpy(at, (const uint8_t[]){0, 0, (uint8_t)(i + 4), 2}, 4);
        memset(at + 4, 0x61 + (int)i, 512);
    }
    fdc_program_dma(rig, DMA_TO_DISK, 2 * 516);
    FDC_COMMAND(rig, 0xed, 0, 2, 2, 0x54, 0xf6);
    fdc_wait_irq(rig);
    FDC_EXPECT(rig, 0, 0, 0, 0, 0, 5, 2);
    assert_int_equal(on_disk(rig, 3)[511], 0x61);
    assert_int_equal(on_disk(rig, 4)[0], 0x62);
}

static void scan_compares_until_a_sector_matches(void **state)
{
    struct fdc_rig *rig = *state;

    memcpy(rig->board->ram + BUFFER, on_disk(rig, 2), 512);
    memcpy(rig->board->ram + BUFFER + 512, on_disk(rig, 2), 512);
    memcpy(rig->board->ram + BUFFER + 1024, on_disk(rig, 2), 512);
    fdc_program_dma(rig, DMA_TO_DISK, 4 * 512);
    FDC_COMMAND(rig, MFM | 0x11, 0, 0, 0, 1, 2, 18, 0x1b, 1);
    fdc_wait_irq(rig);
    FDC_EXPECT(rig, 0, 0, SH, 0, 0, 3, 2);
}

static void scan_takes_ff_for_anything(void **state)
{
    struct fdc_rig *rig = *state;

    memset(rig->board->ram + BUFFER, 0xff, 512);
    fdc_program_dma(rig, DMA_TO_DISK, 512);
    FDC_COMMAND(rig, MFM | 0x11, 0, 0, 0, 5, 2, 18, 0x1b, 1);
    fdc_wait_irq(rig);
    FDC_EXPECT(rig, 0, 0, SH, 0, 0, 5, 2);
}

static void scan_low_and_high_take_inequality(void **state)
{
    struct fdc_rig *rig = *state;

    memset(rig->disk->data, 0x40, 512);
    memset(rig->board->ram + BUFFER, 0x50, 512);
    fdc_program_dma(rig, DMA_TO_DISK, 512);
    FDC_COMMAND(rig, MFM | 0x19, 0, 0, 0, 1, 2, 1, 0x1b, 1);
    fdc_wait_irq(rig);
    FDC_EXPECT(rig, 0, 0, 0, 0, 0, 1, 2); /* the disk is lower */
    fdc_program_dma(rig, DMA_TO_DISK, 512);
    FDC_COMMAND(rig, MFM | 0x1d, 0, 0, 0, 1, 2, 1, 0x1b, 1);
    fdc_wait_irq(rig);
    FDC_EXPECT(rig, 0, 0, SN, 1, 0, 1, 2); /* and not higher */
    rig->board->ram[BUFFER + 5] = 0x30;
    fdc_program_dma(rig, DMA_TO_DISK, 512);
    FDC_COMMAND(rig, MFM | 0x19, 0, 0, 0, 1, 2, 1, 0x1b, 1);
    fdc_wait_irq(rig);
    FDC_EXPECT(rig, 0, 0, SN, 1, 0, 1, 2);
}

static void scan_may_take_every_second_sector(void **state)
{
    struct fdc_rig *rig = *state;

    for (unsigned i = 0; i < 4; i++)
        memcpy(rig->board->ram + BUFFER + i * 512, on_disk(rig, 1), 512); /* sector 2 is not looked at */
    fdc_program_dma(rig, DMA_TO_DISK, 4 * 512);
    FDC_COMMAND(rig, MFM | 0x11, 0, 0, 0, 1, 2, 6, 0x1b, 2);
    fdc_wait_irq(rig);
    FDC_EXPECT(rig, 0, 0, SN, 1, 0, 1, 2);
    assert_int_equal(rig->disk->n_reads, 3);
}

static void scan_reports_a_deleted_sector(void **state)
{
    struct fdc_rig *rig = *state;

    write_deleted_and_read_each_kind(rig);
    memset(rig->board->ram + BUFFER, 0, 512);
    fdc_program_dma(rig, DMA_TO_DISK, 512);
    FDC_COMMAND(rig, MFM | 0x11, 0, 0, 0, 2, 2, 18, 0x1b, 1);
    fdc_wait_irq(rig);
    FDC_EXPECT(rig, 0, 0, SN | CM, 0, 0, 2, 2);
    FDC_COMMAND(rig, MFM | 0x16, 0, 0, 0, 2, 2, 18, 0x1b, 1);
    fdc_wait_irq(rig);
    FDC_EXPECT(rig, 0, 0, CM, 0, 0, 2, 2);
}

static void verify_needs_no_data(void **state)
{
    struct fdc_rig *rig = *state;

    FDC_COMMAND(rig, MT | MFM | 0x16, 0, 0, 0, 17, 2, 18, 0x1b, 0xff); /* to EOT of the second head */
    fdc_wait_irq(rig);
    FDC_EXPECT(rig, 0, 0, 0, 1, 0, 1, 2);
    assert_int_equal(rig->disk->n_reads, 20);
    FDC_COMMAND(rig, MFM | 0x16, 0x80, 0, 0, 1, 2, 18, 0x1b, 3); /* EC: three sectors */
    fdc_wait_irq(rig);
    FDC_EXPECT(rig, 0, 0, 0, 0, 0, 4, 2);
    FDC_COMMAND(rig, MFM | 0x16, 0x80, 0, 0, 17, 2, 18, 0x1b, 3); /* more than there are */
    fdc_wait_irq(rig);
    FDC_EXPECT(rig, ABNORMAL, EN, 0, 1, 0, 1, 2);
}

static void disk_pulled_out_in_mid_command_ends_it(void **state)
{
    struct fdc_rig *rig = *state;

    FDC_COMMAND(rig, 0x03, 0xdf, 0x03);
    for (unsigned i = 0; i < 2; i++) { /* WRITE, SCAN */
        fdc82078_insert(rig->fdc, 0, &rig->disk->block);
        FDC_COMMAND(rig, i ? MFM | 0x11 : MFM | 0x05, 0, 0, 0, 1, 2, 2, 0x1b, 1);
        pio_write(rig, in_memory(rig, 0), 511);
        fdc82078_eject(rig->fdc, 0);
        pio_write(rig, in_memory(rig, 0), 1);
        fdc_wait_irq(rig);
        fdc_results(rig);
        assert_int_equal(rig->result[0], ABNORMAL);
        assert_int_equal(rig->result[1], MA);
    }
    assert_int_equal(rig->disk->n_writes, 0);
}

static void protected_disk_put_in_during_a_write_stays_as_it_is(void **state)
{
    struct fdc_rig *rig = *state;

    FDC_COMMAND(rig, 0x03, 0xdf, 0x03);
    FDC_COMMAND(rig, MFM | 0x05, 0, 0, 0, 1, 2, 2, 0x1b, 1);
    pio_write(rig, in_memory(rig, 0), 511);
    rig->disk->block.is_readonly = true;
    pio_write(rig, in_memory(rig, 0), 1);
    fdc_wait_irq(rig);
    fdc_results(rig);
    assert_int_equal(rig->result[0], ABNORMAL);
    assert_int_equal(rig->disk->n_writes, 0);
}

static void short_image_reads_as_zeros_beyond_its_end(void **state)
{
    struct fdc_rig *rig = *state;

    rig->disk->block.n_sectors = 1500;
    fdc82078_insert(rig->fdc, 0, &rig->disk->block);
    fdc_seek(rig, 0, 41); /* sectors 1476 to 1511 */
    memset(rig->board->ram + BUFFER, 0x11, 1024);
    fdc_program_dma(rig, DMA_FROM_DISK, 1024);
    FDC_COMMAND(rig, MFM | 0x06, 4, 41, 1, 6, 2, 18, 0x1b, 0xff);
    fdc_wait_irq(rig);
    FDC_EXPECT(rig, 4, 0, 0, 41, 1, 8, 2);
    assert_memory_equal(in_memory(rig, 0), on_disk(rig, 1499), 512);
    assert_int_equal(in_memory(rig, 1)[0], 0);
    assert_int_equal(in_memory(rig, 1)[511], 0);
    fdc_program_dma(rig, DMA_TO_DISK, 512);
    FDC_COMMAND(rig, MFM | 0x05, 4, 41, 1, 7, 2, 18, 0x1b, 0xff);
    fdc_wait_irq(rig);
    FDC_EXPECT(rig, ABNORMAL | 4, DE, DD, 41, 1, 7, 2);
}

/* Reads the last sector of each format and the one before it, at the rate that the drive needs for it. */
static void every_format_has_its_geometry_and_rate(void **state)
{
    static const struct {
        uint16_t n_sectors;
        uint8_t drive, rate, c, h, r, physical;
    } cases[] = {
        {320, FDC82078_360K, 2, 39, 0, 8, 39},    {360, FDC82078_360K, 2, 39, 0, 9, 39},
        {640, FDC82078_360K, 2, 39, 1, 8, 39},    {720, FDC82078_360K, 2, 39, 1, 9, 39},
        {720, FDC82078_1200K, 1, 39, 1, 9, 78},   {2400, FDC82078_1200K, 0, 79, 1, 15, 79},
        {1440, FDC82078_720K, 2, 79, 1, 9, 79},   {1440, FDC82078_1440K, 2, 79, 1, 9, 79},
        {3200, FDC82078_1440K, 0, 79, 1, 20, 79}, {3360, FDC82078_1440K, 0, 79, 1, 21, 79},
        {3444, FDC82078_1440K, 0, 81, 1, 21, 81}, {5760, FDC82078_2880K, 3, 79, 1, 36, 79},
    };
    struct fdc_rig *rig = *state;

    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t h = cases[i].h, drive_and_head = (uint8_t)(1 | h << 2);

        fdc82078_add_drive(rig->fdc, 1, cases[i].drive);
        rig->disk->block.n_sectors = cases[i].n_sectors;
        assert_true(fdc82078_insert(rig->fdc, 1, &rig->disk->block));
        fdc_out(rig, CCR, cases[i].rate);
        fdc_seek(rig, 1, cases[i].physical);
        fdc_program_dma(rig, DMA_FROM_DISK, 1024);
        FDC_COMMAND(rig, MFM | 0x06, drive_and_head, cases[i].c, h, cases[i].r - 1, 2, cases[i].r, 0x1b, 0xff);
        fdc_wait_irq(rig);
        FDC_EXPECT(rig, drive_and_head, 0, 0, cases[i].c + 1, h, 1, 2);
        if (cases[i].n_sectors <= FAKE_DISK_SECTORS)
            assert_memory_equal(in_memory(rig, 0), on_disk(rig, cases[i].n_sectors - 2u), 1024);
    }
}

static void forty_tracks_in_an_eighty_track_drive_lie_two_steps_apart(void **state)
{
    struct fdc_rig *rig = *state;

    rig->disk->block.n_sectors = 720;
    assert_true(fdc82078_insert(rig->fdc, 1, &rig->disk->block));
    fdc_out(rig, CCR, 1);
    fdc_seek(rig, 1, 21);
    FDC_COMMAND(rig, MFM | 0x0a, 1);
    fdc_wait_irq(rig);
    fdc_results(rig);
    assert_int_equal(rig->result[1], MA);
    fdc_seek(rig, 1, 20);
    FDC_COMMAND(rig, MFM | 0x0a, 1);
    fdc_wait_irq(rig);
    fdc_results(rig);
    assert_int_equal(rig->result[1], 0);
    assert_int_equal(rig->result[3], 10);
}

static void single_sided_disk_has_no_second_head(void **state)
{
    struct fdc_rig *rig = *state;

    fdc82078_add_drive(rig->fdc, 1, FDC82078_360K);
    rig->disk->block.n_sectors = 360;
    assert_true(fdc82078_insert(rig->fdc, 1, &rig->disk->block));
    fdc_out(rig, CCR, 2);
    FDC_COMMAND(rig, MFM | 0x0a, 5);
    fdc_wait_irq(rig);
    fdc_results(rig);
    assert_int_equal(rig->result[1], MA);
}

static void transfer_goes_on_in_another_machine(void **state)
{
    struct fdc_rig *rig = *state;
    void *second;
    struct fdc_rig *other;
    uint8_t data[1024];

    fdc_rig_setup_enabled(&second);
    other = second;
    FDC_COMMAND(rig, 0x03, 0xdf, 0x03);
    FDC_COMMAND(rig, MFM | 0x06, 0, 0, 0, 1, 2, 2, 0x1b, 0xff);
    pio_read(rig, data, 300);
    fdc_run(other, clock_now_ns(rig->clock) - clock_now_ns(other->clock));
    copy_state(fdc82078_state_desc(), rig->fdc, other->fdc);
    fdc82078_after_load(other->fdc);
    pio_read(other, data + 300, 724);
    assert_memory_equal(data, on_disk(other, 0), 1024);
    fdc_wait_irq(other);
    FDC_EXPECT(other, ABNORMAL, EN, 0, 1, 0, 1, 2);
    fdc_rig_teardown(&second);
}

static void without_a_dma_channel_transfers_are_by_hand(void **state)
{
    struct fdc_rig *rig = *state;
    uint8_t data[512];

    fdc82078_destroy(rig->fdc);
    rig->irq = (struct probe){0};
    rig->fdc = fdc82078_create(rig->clock, probe_wire(&rig->irq), NULL);
    bus_map_ports(rig->board->bus, 0x3f0, 6, &fdc82078_ops, rig->fdc);
    bus_map_ports(rig->board->bus, 0x3f7, 1, &fdc82078_dir_ops, rig->fdc);
    fdc82078_add_drive(rig->fdc, 0, FDC82078_1440K);
    fdc82078_insert(rig->fdc, 0, &rig->disk->block);
    fdc_enable(rig);
    FDC_COMMAND(rig, MFM | 0x06, 0, 0, 0, 1, 2, 1, 0x1b, 0xff);
    pio_read(rig, data, 512);
    assert_memory_equal(data, on_disk(rig, 0), 512);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fdc_rig_setup_enabled, fdc_rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(read_by_dma_ends_with_terminal_count),
        TEST(multitrack_goes_on_with_the_other_head),
        TEST(last_sector_leads_to_the_next_cylinder),
        TEST(transfer_beyond_eot_is_an_end_of_cylinder),
        TEST(short_transfer_ends_within_the_sector),
        TEST(dma_verify_reads_without_memory),
        TEST(write_by_dma_fills_up_the_last_sector_with_zeros),
        TEST(dma_may_be_unmasked_after_the_command),
        TEST(dma_that_never_comes_is_an_overrun),
        TEST(reset_stops_a_transfer),
        TEST(non_dma_read_offers_bytes_and_ends_without_terminal_count),
        TEST(non_dma_write_takes_bytes),
        TEST(sectors_that_are_not_there_are_not_found),
        TEST(nothing_to_read_is_a_missing_address_mark),
        TEST(host_errors_are_data_errors),
        TEST(protected_disks_are_not_written),
        TEST(implied_seek_goes_to_the_cylinder),
        TEST(implied_seek_takes_the_time_of_its_steps),
        TEST(sectors_come_round_at_the_speed_of_the_drive),
        TEST(deleted_sector_is_read_and_ends_the_command),
        TEST(deleted_sector_is_skipped_with_sk),
        TEST(read_deleted_wants_the_deleted_ones),
        TEST(deleted_marks_go_with_the_disk),
        TEST(read_track_starts_at_the_index_hole),
        TEST(read_track_notes_other_ids_and_reads_on),
        TEST(read_id_takes_the_next_sector_that_comes_round),
        TEST(format_fills_the_track),
        TEST(format_leaves_ids_alone_that_the_image_cannot_hold),
        TEST(format_of_no_sectors_ends),
        TEST(format_reports_host_errors_and_lost_disks),
        TEST(format_and_write_takes_id_and_data_by_turns),
        TEST(scan_compares_until_a_sector_matches),
        TEST(scan_takes_ff_for_anything),
        TEST(scan_low_and_high_take_inequality),
        TEST(scan_may_take_every_second_sector),
        TEST(scan_reports_a_deleted_sector),
        TEST(verify_needs_no_data),
        TEST(disk_pulled_out_in_mid_command_ends_it),
        TEST(protected_disk_put_in_during_a_write_stays_as_it_is),
        TEST(short_image_reads_as_zeros_beyond_its_end),
        TEST(every_format_has_its_geometry_and_rate),
        TEST(forty_tracks_in_an_eighty_track_drive_lie_two_steps_apart),
        TEST(single_sided_disk_has_no_second_head),
        TEST(transfer_goes_on_in_another_machine),
        TEST(without_a_dma_channel_transfers_are_by_hand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
