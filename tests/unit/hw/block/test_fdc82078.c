/* 82078: registers, reset, seeks, interrupts, commands without data, drives and disks. */
#include "tests/unit/hw/block/fdc_rig.h"
#include "tests/unit/hw/nonsense.h"

static void reset_holds_the_chip_until_dor_releases_it(void **state)
{
    struct fdc_rig *rig = *state;

    assert_int_equal(fdc_in(rig, MSR), 0);
    fdc_out(rig, FIFO, 0x10); /* goes nowhere */
    fdc_out(rig, DOR, 0x0c);
    assert_int_equal(fdc_in(rig, DOR), 0x0c);
    assert_int_equal(fdc_in(rig, MSR), RQM);
    assert_false(rig->irq.level);
    fdc_wait_irq(rig);
    assert_int_equal(rig->irq.rises, 1);
}

static void each_drive_reports_once_after_reset(void **state)
{
    struct fdc_rig *rig = *state;

    fdc_out(rig, DOR, 0x0c);
    fdc_wait_irq(rig);
    for (uint8_t i = 0; i < 4; i++) {
        FDC_COMMAND(rig, 0x08);
        FDC_EXPECT(rig, (uint8_t)(0xc0 | i), 0);
        assert_false(rig->irq.level);
    }
    FDC_COMMAND(rig, 0x08);
    FDC_EXPECT(rig, 0x80);
}

static void sensing_early_takes_the_reset_interrupt_away(void **state)
{
    struct fdc_rig *rig = *state;

    fdc_out(rig, DOR, 0x0c);
    FDC_COMMAND(rig, 0x08);
    FDC_EXPECT(rig, 0xc0, 0);
    fdc_run(rig, NS_PER_SECOND);
    assert_false(rig->irq.level);
}

static void dma_gate_silences_the_interrupt(void **state)
{
    struct fdc_rig *rig = *state;

    fdc_out(rig, DOR, 0x04);
    fdc_run(rig, 10 * NS_PER_MS);
    assert_false(rig->irq.level);
    fdc_out(rig, DOR, 0x0c);
    assert_true(rig->irq.level);
}

static void dsr_reset_clears_itself(void **state)
{
    struct fdc_rig *rig = *state;

    FDC_COMMAND(rig, 0x0f, 0); /* half a command */
    assert_int_equal(fdc_in(rig, MSR), RQM | CB);
    fdc_out(rig, DSR, 0x80);
    assert_int_equal(fdc_in(rig, MSR), RQM);
    fdc_wait_irq(rig);
    FDC_COMMAND(rig, 0x08);
    FDC_EXPECT(rig, 0xc0, 0);
}

static void data_rate_alone_resets_nothing(void **state)
{
    struct fdc_rig *rig = *state;

    FDC_COMMAND(rig, 0x0f, 0);
    fdc_out(rig, DSR, 0x02);
    assert_int_equal(fdc_in(rig, MSR), RQM | CB);
    fdc_out(rig, DOR, 0x38);
    fdc_out(rig, DSR, 0x80); /* in reset already: not released by this */
    assert_int_equal(fdc_in(rig, MSR), 0);
}

static void reset_forgets_seeks_and_interrupts(void **state)
{
    struct fdc_rig *rig = *state;

    FDC_COMMAND(rig, 0x0f, 0x00, 40);
    FDC_COMMAND(rig, 0x0f, 0x03, 40);
    fdc_out(rig, DSR, 0x80);
    assert_int_equal(fdc_in(rig, MSR), RQM);
    fdc_wait_irq(rig);
    fdc_out(rig, DOR, 0x38);
    assert_false(rig->irq.level);
    fdc_out(rig, DOR, 0x3c);
    for (uint8_t i = 0; i < 4; i++) {
        FDC_COMMAND(rig, 0x08);
        FDC_EXPECT(rig, (uint8_t)(0xc0 | i), 0);
    }
    fdc_run(rig, NS_PER_SECOND);
    assert_false(rig->irq.level);
    fdc_seek(rig, 0, 7);
    fdc_out(rig, DSR, 0x80);
    fdc_wait_irq(rig);
    FDC_COMMAND(rig, 0x08);
    FDC_EXPECT(rig, 0xc0, 7); /* where the head is, is still known */
}

static void reset_interrupts_even_if_polling_was_off(void **state)
{
    struct fdc_rig *rig = *state;

    FDC_COMMAND(rig, 0x13, 0, 0x17, 5);
    fdc_out(rig, DSR, 0x80);
    fdc_wait_irq(rig);
    FDC_COMMAND(rig, 0x08);
    FDC_EXPECT(rig, 0xc0, 0);
    FDC_COMMAND(rig, 0x0e);
    fdc_results(rig);
    assert_int_equal(rig->result[8], 0x20);
}

static void lock_keeps_fifo_settings_over_software_reset(void **state)
{
    struct fdc_rig *rig = *state;

    FDC_COMMAND(rig, 0x13, 0, 0x58, 0x20); /* implied seek, polling off, threshold 8, precompensation from 32 */
    FDC_COMMAND(rig, 0x94);
    FDC_EXPECT(rig, 0x10);
    fdc_out(rig, DSR, 0x80);
    FDC_COMMAND(rig, 0x0e);
    fdc_results(rig);
    assert_int_equal(rig->n_results, 10);
    assert_int_equal(rig->result[7], 0x80);
    assert_int_equal(rig->result[8], 0x08); /* the rest is not protected */
    assert_int_equal(rig->result[9], 0x20);
    FDC_COMMAND(rig, 0x14);
    FDC_EXPECT(rig, 0x00);
    fdc_out(rig, DSR, 0x80);
    FDC_COMMAND(rig, 0x0e);
    fdc_results(rig);
    assert_int_equal(rig->result[8], 0x20); /* FIFO off, threshold 1 */
    assert_int_equal(rig->result[9], 0);
}

static void version_part_and_invalid_codes_answer_at_once(void **state)
{
    struct fdc_rig *rig = *state;

    FDC_COMMAND(rig, 0x10);
    assert_int_equal(fdc_in(rig, MSR), RQM | DIO | CB);
    FDC_EXPECT(rig, 0x90);
    assert_int_equal(fdc_in(rig, MSR), RQM);
    FDC_COMMAND(rig, 0x18);
    FDC_EXPECT(rig, 0x01);
    FDC_COMMAND(rig, 0x1f);
    FDC_EXPECT(rig, 0x80);
    FDC_COMMAND(rig, 0x00);
    FDC_EXPECT(rig, 0x80);
    assert_int_equal(rig->irq.rises, 1); /* the one after reset */
}

static void dumpreg_shows_what_was_set(void **state)
{
    struct fdc_rig *rig = *state;

    fdc_seek(rig, 0, 7);
    fdc_seek(rig, 1, 9);
    FDC_COMMAND(rig, 0x03, 0xa1, 0x35);
    FDC_COMMAND(rig, 0x12, 0x86); /* OW, drive 0 perpendicular, GAP */
    FDC_COMMAND(rig, 0x12, 0x3d); /* without OW the drive bits do not count */
    FDC_COMMAND(rig, 0x0e);
    FDC_EXPECT(rig, 7, 9, 0, 0, 0xa1, 0x35, 0, 0x05, 0x20, 0);
    fdc_out(rig, DSR, 0x80);
    FDC_COMMAND(rig, 0x0e);
    fdc_results(rig);
    assert_int_equal(rig->result[7], 0x04); /* reset clears GAP and WGATE */
}

static void save_and_restore_bring_everything_back(void **state)
{
    struct fdc_rig *rig = *state;
    uint8_t saved[17] = {0x4e};

    FDC_COMMAND(rig, 0x16 | MFM, 0, 0, 0, 1, 2, 9, 0x1b, 0xff);
    fdc_wait_irq(rig);
    fdc_results(rig);
    fdc_seek(rig, 0, 12);
    fdc_out(rig, DSR, 0x0a);
    FDC_COMMAND(rig, 0x03, 0xa1, 0x35);
    FDC_COMMAND(rig, 0x13, 0, 0x58, 0x20);
    FDC_COMMAND(rig, 0x12, 0x8a);
    FDC_COMMAND(rig, 0x94);
    FDC_EXPECT(rig, 0x10);
    FDC_COMMAND(rig, 0x17, 0x03);
    FDC_EXPECT(rig, 0x03);
    FDC_COMMAND(rig, 0x2e);
    fdc_results(rig);
    assert_int_equal(rig->n_results, 16);
    memcpy(saved + 1, rig->result, 16);
    assert_int_equal(saved[1], 0x0a);
    assert_int_equal(saved[3], 12);
    assert_int_equal(saved[9], 9);
    assert_int_equal(saved[13], 0x03);
    fdc82078_reset(rig->fdc);
    fdc_out(rig, DOR, 0x3c);
    FDC_COMMAND(rig, 0x08);
    FDC_EXPECT(rig, 0xc0, 0);
    fdc_send(rig, saved, 17);
    FDC_COMMAND(rig, 0x2e);
    fdc_results(rig);
    assert_memory_equal(rig->result, saved + 1, 16);
    FDC_COMMAND(rig, 0x0e);
    FDC_EXPECT(rig, 12, 0, 0, 0, 0xa1, 0x35, 9, 0x8a, 0x58, 0x20);
    saved[10] &= 0x7f; /* not locked */
    fdc_send(rig, saved, 17);
    FDC_COMMAND(rig, 0x0e);
    fdc_results(rig);
    assert_int_equal(rig->result[7], 0x0a);
    FDC_COMMAND(rig, 0x03, 0xd1, 0x03);
    FDC_COMMAND(rig, 0x0f, 0x00, 13); /* the data rate is back, too: a step takes 3 units of 2 ms */
    fdc_run(rig, 6 * NS_PER_MS / 20 - 1);
    assert_false(rig->irq.level);
    fdc_run(rig, 1);
    assert_true(rig->irq.level);
}

static void drive_specification_takes_as_many_bytes_as_are_sent(void **state)
{
    struct fdc_rig *rig = *state;

    FDC_COMMAND(rig, 0x8e, 0x0a, 0x35, 0xc0); /* drives 0 and 1, done without a result */
    assert_int_equal(fdc_in(rig, MSR), RQM);
    FDC_COMMAND(rig, 0x8e, 0x80);
    FDC_EXPECT(rig, 0x0a, 0x15, 0x00, 0x00);
    FDC_COMMAND(rig, 0x33, 0x01); /* OPTION: no result */
    assert_int_equal(fdc_in(rig, MSR), RQM);
}

static void seek_takes_time_and_shows_the_drive_busy(void **state)
{
    struct fdc_rig *rig = *state;

    FDC_COMMAND(rig, 0x0f, 0x04, 40);
    assert_int_equal(fdc_in(rig, MSR), RQM | 0x01);
    assert_false(rig->irq.level);
    fdc_run(rig, 40 * 3 * NS_PER_MS / 20 - 1); /* SRT d: 3 ms, and the drive is 20 times as fast */
    assert_false(rig->irq.level);
    fdc_run(rig, 1);
    assert_true(rig->irq.level);
    assert_int_equal(fdc_in(rig, MSR), RQM | 0x01);
    FDC_COMMAND(rig, 0x08);
    FDC_EXPECT(rig, SE | 0x04, 40);
    assert_int_equal(fdc_in(rig, MSR), RQM);
}

static void step_rate_grows_as_the_data_rate_falls(void **state)
{
    struct fdc_rig *rig = *state;

    fdc_out(rig, CCR, 2); /* 250 kbit/s */
    FDC_COMMAND(rig, 0x0f, 0x00, 40);
    fdc_run(rig, 40 * 6 * NS_PER_MS / 20 - 1);
    assert_false(rig->irq.level);
    fdc_run(rig, 1);
    assert_true(rig->irq.level);
}

static void two_drives_seek_at_the_same_time(void **state)
{
    struct fdc_rig *rig = *state;

    FDC_COMMAND(rig, 0x0f, 0x01, 60);
    FDC_COMMAND(rig, 0x0f, 0x00, 20);
    assert_int_equal(fdc_in(rig, MSR), RQM | 0x03);
    fdc_wait_irq(rig);
    FDC_COMMAND(rig, 0x08);
    FDC_EXPECT(rig, SE | 0, 20);
    assert_false(rig->irq.level);
    fdc_sense_seek(rig, SE | 1, 60);
}

static void recalibrate_finds_track_0(void **state)
{
    struct fdc_rig *rig = *state;

    fdc_seek(rig, 0, 79);
    FDC_COMMAND(rig, 0x04, 0x00);
    FDC_EXPECT(rig, 0x28);
    FDC_COMMAND(rig, 0x07, 0x00);
    fdc_sense_seek(rig, SE, 0);
    FDC_COMMAND(rig, 0x04, 0x04);
    FDC_EXPECT(rig, 0x28 | 0x10 | 0x04);
}

static void recalibrate_gives_up_after_80_steps(void **state)
{
    struct fdc_rig *rig = *state;

    fdc_seek(rig, 0, 83);
    FDC_COMMAND(rig, 0x07, 0x00);
    fdc_sense_seek(rig, ABNORMAL | SE | EC, 0);
    FDC_COMMAND(rig, 0x07, 0x00);
    fdc_sense_seek(rig, SE, 0);
}

static void recalibrate_of_an_absent_drive_reports_equipment_check(void **state)
{
    struct fdc_rig *rig = *state;

    FDC_COMMAND(rig, 0x07, 0x02);
    fdc_sense_seek(rig, ABNORMAL | SE | EC | 2, 0);
    FDC_COMMAND(rig, 0x04, 0x02);
    FDC_EXPECT(rig, 0x28 | 2);
}

static void relative_seek_goes_both_ways(void **state)
{
    struct fdc_rig *rig = *state;

    fdc_seek(rig, 0, 10);
    FDC_COMMAND(rig, 0xcf, 0x00, 5);
    fdc_sense_seek(rig, SE, 15);
    FDC_COMMAND(rig, 0x8f, 0x00, 15);
    fdc_sense_seek(rig, SE, 0);
    FDC_COMMAND(rig, 0x04, 0x00);
    FDC_EXPECT(rig, 0x28 | 0x10);
}

static void disk_change_clears_with_a_step_and_a_disk(void **state)
{
    struct fdc_rig *rig = *state;

    assert_int_equal(fdc_in(rig, DIR), 0x80);
    fdc_out(rig, DOR, 0x0c); /* motor off: the drive is not selected */
    assert_int_equal(fdc_in(rig, DIR), 0);
    fdc_out(rig, DOR, 0x1c);
    FDC_COMMAND(rig, 0x07, 0x00); /* already at track 0: no step */
    fdc_sense_seek(rig, SE, 0);
    assert_int_equal(fdc_in(rig, DIR), 0x80);
    fdc_seek(rig, 0, 1);
    assert_int_equal(fdc_in(rig, DIR), 0);
    assert_ptr_equal(fdc82078_eject(rig->fdc, 0), &rig->disk->block);
    assert_int_equal(fdc_in(rig, DIR), 0x80);
    fdc_seek(rig, 0, 2);
    assert_int_equal(fdc_in(rig, DIR), 0x80); /* no disk */
    fdc82078_insert(rig->fdc, 0, &rig->disk->block);
    fdc_seek(rig, 0, 3);
    assert_int_equal(fdc_in(rig, DIR), 0);
    fdc_out(rig, DOR, 0x3d);
    assert_int_equal(fdc_in(rig, DIR), 0x80); /* drive 1 */
    fdc_out(rig, DOR, 0x8f);
    assert_int_equal(fdc_in(rig, DIR), 0); /* there is no drive 3 */
    fdc82078_add_drive(rig->fdc, 1, FDC82078_360K);
    fdc_out(rig, DOR, 0x3d);
    assert_int_equal(fdc_in(rig, DIR), 0); /* these drives do not have the line */
}

static void write_protection_shows_in_status_3(void **state)
{
    struct fdc_rig *rig = *state;

    rig->disk->block.is_readonly = true;
    FDC_COMMAND(rig, 0x04, 0x00);
    FDC_EXPECT(rig, 0x28 | 0x10 | 0x40);
}

static void status_registers_a_and_b_are_not_there_in_at_mode(void **state)
{
    struct fdc_rig *rig = *state;

    assert_int_equal(fdc_in(rig, 0x3f0), 0xff);
    assert_int_equal(fdc_in(rig, 0x3f1), 0xff);
    fdc_out(rig, 0x3f0, 0x55);
    fdc_out(rig, TDR, 0xff);
    assert_int_equal(fdc_in(rig, TDR), 0x03);
    assert_int_equal(fdc_in(rig, FIFO), 0xff); /* nothing to read */
}

static void image_size_decides_the_drive(void **state)
{
    assert_int_equal(fdc82078_type_for(320), FDC82078_360K);
    assert_int_equal(fdc82078_type_for(360), FDC82078_360K);
    assert_int_equal(fdc82078_type_for(640), FDC82078_360K);
    assert_int_equal(fdc82078_type_for(720), FDC82078_360K);
    assert_int_equal(fdc82078_type_for(1440), FDC82078_720K);
    assert_int_equal(fdc82078_type_for(2400), FDC82078_1200K);
    assert_int_equal(fdc82078_type_for(2880), FDC82078_1440K);
    assert_int_equal(fdc82078_type_for(3360), FDC82078_1440K);
    assert_int_equal(fdc82078_type_for(5760), FDC82078_2880K);
    assert_int_equal(fdc82078_type_for(5761), FDC82078_NO_DRIVE);
    assert_int_equal(fdc82078_type_for(1), FDC82078_720K); /* the start of a disk */
    assert_int_equal(fdc82078_type_for(1500), FDC82078_1440K);
    assert_int_equal(fdc82078_type_for(4000), FDC82078_2880K);
}

static void disks_go_only_into_drives_that_take_them(void **state)
{
    static const struct {
        uint8_t drive;
        uint16_t n_sectors;
        bool fits;
    } cases[] = {
        {FDC82078_360K, 720, true},       {FDC82078_360K, 2400, false},  {FDC82078_1200K, 720, true},
        {FDC82078_1200K, 2400, true},     {FDC82078_1200K, 2880, false}, {FDC82078_720K, 1440, true},
        {FDC82078_720K, 2880, false},     {FDC82078_1440K, 1440, true},  {FDC82078_1440K, 3360, true},
        {FDC82078_1440K, 5760, false},    {FDC82078_2880K, 1440, true},  {FDC82078_2880K, 2880, true},
        {FDC82078_2880K, 5760, true},     {FDC82078_2880K, 2400, false}, {FDC82078_2880K, 6000, false},
        {FDC82078_NO_DRIVE, 2880, false},
    };
    struct fdc_rig *rig = *state;

    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct host_block block = {.n_sectors = cases[i].n_sectors};

        fdc82078_add_drive(rig->fdc, 1, cases[i].drive);
        assert_int_equal(fdc82078_drive_type(rig->fdc, 1), cases[i].drive);
        assert_int_equal(fdc82078_insert(rig->fdc, 1, &block), cases[i].fits);
    }
    assert_null(fdc82078_eject(rig->fdc, 1));
    assert_false(fdc82078_insert(rig->fdc, 2, &rig->disk->block));
    assert_null(fdc82078_eject(rig->fdc, 2));
    fdc82078_add_drive(rig->fdc, 2, FDC82078_1440K); /* there is no such place */
    assert_int_equal(fdc82078_drive_type(rig->fdc, 2), FDC82078_NO_DRIVE);
}

static void inserting_takes_the_old_disk_out(void **state)
{
    struct fdc_rig *rig = *state;
    struct host_block other = {.n_sectors = 1440};

    fdc_seek(rig, 0, 1);
    assert_int_equal(fdc_in(rig, DIR), 0);
    assert_true(fdc82078_insert(rig->fdc, 0, &other));
    assert_int_equal(fdc_in(rig, DIR), 0x80);
    assert_ptr_equal(fdc82078_eject(rig->fdc, 0), &other);
    assert_null(fdc82078_eject(rig->fdc, 0));
}

static void hardware_reset_keeps_disks_and_heads(void **state)
{
    struct fdc_rig *rig = *state;

    fdc_seek(rig, 0, 10);
    FDC_COMMAND(rig, 0x06 | MFM, 0, 10, 0, 1, 2, 9, 0x1b, 0xff);
    fdc_run(rig, 10 * NS_PER_MS);
    assert_int_equal(fdc_in(rig, 0x08) & 0x40, 0x40); /* DREQ 2 */
    fdc82078_reset(rig->fdc);
    assert_int_equal(fdc_in(rig, 0x08) & 0x40, 0);
    fdc_run(rig, 2 * NS_PER_SECOND);
    assert_false(rig->irq.level);
    assert_int_equal(fdc_in(rig, DOR), 0);
    fdc_enable(rig);
    FDC_COMMAND(rig, 0x04, 0x00);
    FDC_EXPECT(rig, 0x28); /* not at track 0 */
    FDC_COMMAND(rig, 0x07, 0x00);
    fdc_sense_seek(rig, SE, 0);
    assert_ptr_equal(fdc82078_eject(rig->fdc, 0), &rig->disk->block);
}

static void saved_seek_ends_in_another_machine(void **state)
{
    struct fdc_rig *rig = *state;
    void *second;
    struct fdc_rig *other;

    fdc_rig_setup(&second);
    other = second;
    FDC_COMMAND(rig, 0x0f, 0x00, 40);
    fdc_run(other, clock_now_ns(rig->clock));
    copy_state(fdc82078_state_desc(), rig->fdc, other->fdc);
    fdc82078_after_load(other->fdc);
    fdc_sense_seek(other, SE, 40);
    fdc_rig_teardown(&second);
}

static void saved_result_is_read_in_another_machine(void **state)
{
    struct fdc_rig *rig = *state;
    void *second;
    struct fdc_rig *other;

    fdc_rig_setup(&second);
    other = second;
    FDC_COMMAND(rig, 0x0f, 0x00, 9);
    fdc_wait_irq(rig);
    FDC_COMMAND(rig, 0x08);
    copy_state(fdc82078_state_desc(), rig->fdc, other->fdc);
    fdc82078_after_load(other->fdc);
    FDC_EXPECT(other, SE, 9);
    fdc_rig_teardown(&second);
}

static void hardware_reset_takes_the_interrupt_back(void **state)
{
    struct fdc_rig *rig = *state;

    FDC_COMMAND(rig, 0x0f, 0x00, 9);
    fdc_wait_irq(rig);
    fdc82078_reset(rig->fdc);
    assert_false(rig->irq.level);
}

static void data_register_is_idle_while_dma_moves_data(void **state)
{
    struct fdc_rig *rig = *state;

    for (unsigned i = 0; i < 2; i++) { /* READ, WRITE */
        fdc_program_dma(rig, i ? DMA_TO_DISK : DMA_FROM_DISK, 512);
        fdc_out(rig, 0x0a, 0x06);
        FDC_COMMAND(rig, MFM | (i ? 0x05 : 0x06), 0, 0, 0, 1, 2, 9, 0x1b, 0xff);
        fdc_run(rig, 10 * NS_PER_MS);
        assert_int_equal(fdc_in(rig, FIFO), 0xff);
        fdc_out(rig, FIFO, 0x08);
        fdc_out(rig, 0x0a, 0x02);
        FDC_EXPECT(rig, 0, 0, 0, 0, 0, 2, 2);
        assert_memory_equal(rig->board->ram + BUFFER, rig->disk->data, 512);
    }
}

/* Whatever a file says, the controller goes on within its bounds. */
static void nonsense_in_a_saved_state_does_no_harm(void **state)
{
    struct fdc_rig *rig = *state;

    for (uint32_t seed = 1; seed < 200; seed++) {
        nonsense_load(fdc82078_state_desc(), rig->fdc, seed);
        fdc82078_after_load(rig->fdc);
        for (unsigned i = 0; i < 600; i++) {
            fdc_in(rig, FIFO);
            fdc_out(rig, FIFO, (uint8_t)(seed + i));
        }
        fdc_run(rig, NS_PER_SECOND);
        fdc_in(rig, MSR);
        fdc_in(rig, DIR);
    }
}

#define TEST(name)          cmocka_unit_test_setup_teardown(name, fdc_rig_setup_enabled, fdc_rig_teardown)
#define TEST_IN_RESET(name) cmocka_unit_test_setup_teardown(name, fdc_rig_setup, fdc_rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_IN_RESET(reset_holds_the_chip_until_dor_releases_it),
        TEST_IN_RESET(each_drive_reports_once_after_reset),
        TEST_IN_RESET(sensing_early_takes_the_reset_interrupt_away),
        TEST_IN_RESET(dma_gate_silences_the_interrupt),
        TEST(dsr_reset_clears_itself),
        TEST(data_rate_alone_resets_nothing),
        TEST(reset_forgets_seeks_and_interrupts),
        TEST(reset_interrupts_even_if_polling_was_off),
        TEST(lock_keeps_fifo_settings_over_software_reset),
        TEST(version_part_and_invalid_codes_answer_at_once),
        TEST(dumpreg_shows_what_was_set),
        TEST(save_and_restore_bring_everything_back),
        TEST(drive_specification_takes_as_many_bytes_as_are_sent),
        TEST(seek_takes_time_and_shows_the_drive_busy),
        TEST(step_rate_grows_as_the_data_rate_falls),
        TEST(two_drives_seek_at_the_same_time),
        TEST(recalibrate_finds_track_0),
        TEST(recalibrate_gives_up_after_80_steps),
        TEST(recalibrate_of_an_absent_drive_reports_equipment_check),
        TEST(relative_seek_goes_both_ways),
        TEST(disk_change_clears_with_a_step_and_a_disk),
        TEST(write_protection_shows_in_status_3),
        TEST(status_registers_a_and_b_are_not_there_in_at_mode),
        TEST(image_size_decides_the_drive),
        TEST(disks_go_only_into_drives_that_take_them),
        TEST(inserting_takes_the_old_disk_out),
        TEST(hardware_reset_keeps_disks_and_heads),
        TEST(saved_seek_ends_in_another_machine),
        TEST(saved_result_is_read_in_another_machine),
        TEST(hardware_reset_takes_the_interrupt_back),
        TEST(data_register_is_idle_while_dma_moves_data),
        TEST(nonsense_in_a_saved_state_does_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
