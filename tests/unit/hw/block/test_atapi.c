/* ATAPI CD-ROM drive: packet protocol by PIO and DMA, reading, tray, saved state. */
#include "tests/unit/hw/block/atapi_rig.h"
#include "tests/unit/hw/nonsense.h"

/* ---- the ATA side ---- */

static void reset_shows_the_packet_signature(void **state)
{
    struct rig *rig = *state;

    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(in(rig, STATUS), 0);
        assert_int_equal(in(rig, ERROR), 1);
        assert_int_equal(in(rig, REASON), 1);
        assert_int_equal(in(rig, LOW), 1);
        assert_int_equal(in(rig, MID), 0x14);
        assert_int_equal(in(rig, HIGH), 0xeb);
        PACKET(rig, 0x12, 0, 0, 0, 36);
        out(rig, CONTROL, 0x04);
        assert_int_equal(in(rig, CONTROL), BSY);
        out(rig, CONTROL, 0x00);
    }
}

static void first_command_after_reset_is_told_of_it(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(PACKET(rig, 0x12, 0, 0, 0, 36), READY); /* INQUIRY does not care */
    EXPECT_CHECK(rig, UNIT_ATTENTION, 0x29, 0, 0x00);
    assert_int_equal(PACKET(rig, 0x00), READY);
    out(rig, CONTROL, 0x04); /* a soft reset is none that the host would not know of */
    out(rig, CONTROL, 0x00);
    assert_int_equal(PACKET(rig, 0x00), READY);
}

static void identify_device_is_refused_with_the_signature(void **state)
{
    static const uint8_t commands[] = {0xec, 0x20};
    struct rig *rig = *state;

    for (unsigned i = 0; i < sizeof commands; i++) {
        out(rig, MID, 0);
        out(rig, HIGH, 0);
        out(rig, COMMAND, commands[i]);
        assert_true(rig->irq.level);
        assert_int_equal(in(rig, STATUS), READY | ERR);
        assert_int_equal(in(rig, ERROR), ABRT);
        assert_int_equal(in(rig, MID), 0x14);
        assert_int_equal(in(rig, HIGH), 0xeb);
    }
    out(rig, COMMAND, 0xc8); /* READ DMA */
    assert_int_equal(in(rig, STATUS), READY | ERR);
    out(rig, COMMAND, 0xe7); /* FLUSH CACHE */
    assert_int_equal(in(rig, STATUS), READY | ERR);
}

static void identify_packet_device_describes_the_drive(void **state)
{
    struct rig *rig = *state;
    uint16_t words[256];

    out(rig, COMMAND, 0xa1);
    assert_int_equal(in(rig, STATUS), READY | DRQ);
    assert_int_equal(bus_in_block(rig->bus, DATA, words, 2, 256), 256);
    assert_int_equal(in(rig, STATUS), READY);
    assert_int_equal(words[0], 0x85c0);
    assert_int_equal(words[10], 'M' << 8 | '8');
    assert_int_equal(words[27], 'M' << 8 | 'O');
    assert_int_equal(words[49], 0x0b00);
    assert_int_equal(words[63], 0x0007);
    assert_int_equal(words[82], 0x0218);
    assert_int_equal(words[88], 0x003f);
}

static void transfer_mode_set_by_features_shows_in_identify(void **state)
{
    struct rig *rig = *state;
    uint16_t words[256];

    out(rig, FEATURES, 0x03);
    out(rig, REASON, 0x42);
    out(rig, COMMAND, 0xef);
    assert_int_equal(in(rig, STATUS), READY);
    out(rig, FEATURES, 0x82); /* write cache off: nothing to flush */
    out(rig, COMMAND, 0xef);
    assert_int_equal(in(rig, STATUS), READY);
    out(rig, COMMAND, 0xa1);
    bus_in_block(rig->bus, DATA, words, 2, 256);
    assert_int_equal(words[88], 0x043f);
}

static void device_reset_ends_a_command(void **state)
{
    struct rig *rig = *state;

    begin_packet(rig, 0, 0xfffe, (const uint8_t[12]){0x28, 0, 0, 0, 0, 1, 0, 0, 1});
    assert_int_equal(in(rig, CONTROL), READY | DRQ);
    out(rig, COMMAND, 0xa1); /* ignored: the drive is in mid transfer */
    assert_int_equal(in(rig, CONTROL), READY | DRQ);
    out(rig, COMMAND, 0x08);
    assert_int_equal(in(rig, STATUS), 0);
    assert_int_equal(in(rig, HIGH), 0xeb);
    assert_false(rig->irq.level);
    assert_int_equal(PACKET(rig, 0x00), READY);
}

static void disks_know_no_packet_commands(void **state)
{
    struct rig *rig = *state;
    struct fake_disk *disk = fake_disk_create(FAKE_DISK_SECTORS);
    static const uint8_t commands[] = {0xa0, 0xa1, 0x08};

    ide_attach_disk(rig->ide, 1, &disk->block, "1");
    out(rig, DEVICE, 0xb0);
    for (unsigned i = 0; i < sizeof commands; i++) {
        out(rig, COMMAND, commands[i]);
        assert_int_equal(in(rig, STATUS), READY | ERR);
        assert_int_equal(in(rig, ERROR), ABRT);
    }
    assert_false(ide_cd_insert(rig->ide, 1, &disk->block));
    assert_false(ide_cd_eject(rig->ide, 1, true));
    out(rig, DEVICE, 0xa0);
    assert_int_equal(in(rig, HIGH), 0xeb);
    free(disk);
}

static void overlap_and_dma_without_a_bus_master_are_refused(void **state)
{
    struct rig *rig = *state;

    out(rig, FEATURES, 0x02);
    out(rig, COMMAND, 0xa0);
    assert_int_equal(in(rig, STATUS), READY | ERR);
    ide_connect_dma(rig->ide, NULL, NULL);
    out(rig, FEATURES, 0x01);
    out(rig, COMMAND, 0xa0);
    assert_int_equal(in(rig, STATUS), READY | ERR);
    assert_int_equal(in(rig, ERROR), ABRT);
}

static void power_commands_work_as_on_disks(void **state)
{
    struct rig *rig = *state;

    out(rig, COMMAND, 0xe0);
    assert_int_equal(in(rig, STATUS), READY);
    out(rig, COMMAND, 0xe5);
    assert_int_equal(in(rig, STATUS), READY);
    assert_int_equal(in(rig, REASON), 0x00);
}

/* ---- reading ---- */

static void read_10_delivers_blocks(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(PACKET(rig, 0x28, 0, 0, 0, 0x01, 0x02, 0, 0, 3), READY);
    assert_int_equal(rig->n_reply, 3 * 2048);
    assert_int_equal(rig->n_blocks, 1);
    assert_memory_equal(rig->reply, rig->disc->data + 0x102 * 2048, 3 * 2048);
}

static void byte_count_limit_cuts_data_into_even_blocks(void **state)
{
    struct rig *rig = *state;
    static const uint8_t read_2[12] = {0x28, 0, 0, 0, 0, 9, 0, 0, 2};

    begin_packet(rig, 0, 2048, read_2);
    assert_int_equal(take_reply(rig), READY);
    assert_int_equal(rig->n_blocks, 2);
    begin_packet(rig, 0, 1001, read_2);
    assert_int_equal(take_reply(rig), READY);
    assert_int_equal(rig->n_blocks, 5);
    assert_memory_equal(rig->reply, rig->disc->data + 9 * 2048, 2 * 2048);
    begin_packet(rig, 0, 0, read_2); /* no limit that makes sense */
    assert_int_equal(take_reply(rig), READY);
    assert_int_equal(rig->n_blocks, 1);
    begin_packet(rig, 0, 0xffff, read_2);
    assert_int_equal(take_reply(rig), READY);
    assert_int_equal(rig->n_blocks, 1);
}

static void long_reads_refill_the_buffer(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(PACKET(rig, 0xa8, 0, 0, 0, 0, 0, 0, 0, 0, 34), READY);
    assert_int_equal(rig->n_reply, 34 * 2048);
    assert_memory_equal(rig->reply, rig->disc->data, 34 * 2048);
}

static void read_by_dma_ends_with_one_interrupt(void **state)
{
    struct rig *rig = *state;
    unsigned rises = rig->irq.rises;

    rig->dma_limit = 1000;
    begin_packet(rig, 1, 0, (const uint8_t[12]){0x28, 0, 0, 0, 0, 5, 0, 0, 34});
    assert_int_equal(rig->n_reply, 34 * 2048);
    assert_int_equal(rig->irq.rises, rises + 1);
    assert_int_equal(in(rig, REASON), 0x03);
    assert_int_equal(in(rig, STATUS), READY);
    assert_memory_equal(rig->reply, rig->disc->data + 5 * 2048, 34 * 2048);
    begin_packet(rig, 1, 0, (const uint8_t[12]){0x12, 0, 0, 0, 36});
    assert_int_equal(rig->n_reply, 36);
    assert_int_equal(rig->reply[0], 0x05);
    begin_packet(rig, 1, 0, (const uint8_t[12]){0x00});
    assert_int_equal(in(rig, STATUS), READY);
}

static void reading_nothing_succeeds(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(PACKET(rig, 0x28, 0, 0, 0, 0, 5, 0, 0, 0), READY);
    assert_int_equal(PACKET(rig, 0xbe, 0, 0, 0, 0, 5, 0, 0, 1, 0), READY); /* no part of the sector */
    assert_int_equal(rig->n_reply, 0);
}

static void blocks_beyond_the_end_are_out_of_range(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(PACKET(rig, 0x28, 0, 0, 0, 0x03, 0xff, 0, 0, 1), READY);
    EXPECT_CHECK(rig, ILLEGAL_REQUEST, 0x21, 0, 0x28, 0, 0, 0, 0x03, 0xff, 0, 0, 2);
    EXPECT_CHECK(rig, ILLEGAL_REQUEST, 0x21, 0, 0x28, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 1);
    EXPECT_CHECK(rig, ILLEGAL_REQUEST, 0x21, 0, 0xa8, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff);
    EXPECT_CHECK(rig, ILLEGAL_REQUEST, 0x21, 0, 0x2b, 0, 0, 0, 0x04, 0x00);
    assert_int_equal(PACKET(rig, 0x2b, 0, 0, 0, 0x03, 0xff), READY);
}

static void host_errors_are_medium_errors(void **state)
{
    struct rig *rig = *state;

    rig->disc->bad_sector = 41;
    EXPECT_CHECK(rig, MEDIUM_ERROR, 0x11, 0, 0x28, 0, 0, 0, 0, 10, 0, 0, 1);
    EXPECT_CHECK(rig, MEDIUM_ERROR, 0x11, 0, 0xbe, 0, 0, 0, 0, 10, 0, 0, 1, 0xf8);
    begin_packet(rig, 1, 0, (const uint8_t[12]){0x28, 0, 0, 0, 0, 10, 0, 0, 1});
    assert_int_equal(rig->n_reply, 0);
    assert_int_equal(in(rig, STATUS), READY | ERR);
}

static void image_may_end_within_a_block(void **state)
{
    struct rig *rig = *state;

    rig->disc->block.n_sectors = 4 * 100 + 1;
    assert_int_equal(PACKET(rig, 0x25), READY);
    assert_int_equal(rig->reply[3], 100);
    assert_int_equal(PACKET(rig, 0x28, 0, 0, 0, 0, 99, 0, 0, 2), READY);
    assert_memory_equal(rig->reply, rig->disc->data + 99 * 2048, 2048 + 512);
    assert_int_equal(rig->reply[2048 + 512], 0);
    assert_int_equal(rig->reply[4095], 0);
}

static void capacity_is_the_last_block_and_its_size(void **state)
{
    struct rig *rig = *state;
    static const uint8_t expected[] = {0, 0, 0x03, 0xff, 0, 0, 0x08, 0};

    assert_int_equal(PACKET(rig, 0x25), READY);
    assert_int_equal(rig->n_reply, 8);
    assert_memory_equal(rig->reply, expected, 8);
}

/* GF(2^8) by a table of powers, to have a second opinion. */
static uint8_t times_power(uint8_t a, unsigned power)
{
    for (; power; power--)
        a = (uint8_t)(a >= 0x80 ? (a - 0x80) * 2 ^ 0x1d : a * 2);
    return a;
}

static void expect_code_word(const uint8_t *bytes, const unsigned *position, unsigned n)
{
    uint8_t sum = 0, weighted = 0;

    for (unsigned i = 0; i < n; i++) {
        sum ^= bytes[position[i]];
        weighted ^= times_power(bytes[position[i]], n - 1 - i);
    }
    assert_int_equal(sum, 0);
    assert_int_equal(weighted, 0);
}

static void raw_sectors_are_complete(void **state)
{
    static const uint8_t sync[12] = {0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 0};
    static const uint8_t header[4] = {0x00, 0x02, 0x16, 0x01}; /* block 16 in BCD */
    struct rig *rig = *state;
    const uint8_t *raw = rig->reply;
    uint32_t edc = 0;

    assert_int_equal(PACKET(rig, 0xbe, 0x08, 0, 0, 0, 16, 0, 0, 2, 0xf8), READY);
    assert_int_equal(rig->n_reply, 2 * 2352);
    assert_memory_equal(raw, sync, 12);
    assert_memory_equal(raw + 12, header, 4);
    assert_memory_equal(raw + 16, rig->disc->data + 16 * 2048, 2048);
    for (unsigned bit = 0; bit < 2068 * 8; bit++) { /* the sum over data and its own EDC leaves nothing */
        edc ^= raw[bit / 8] >> bit % 8 & 1;
        edc = edc & 1 ? edc >> 1 ^ 0xd8018001u : edc >> 1;
    }
    assert_int_equal(edc, 0);
    for (unsigned column = 0; column < 86; column++) {
        unsigned position[26];

        for (unsigned i = 0; i < 26; i++)
            position[i] = 12 + column + 86 * i;
        expect_code_word(raw, position, 26);
    }
    for (unsigned diagonal = 0; diagonal < 52; diagonal++) {
        unsigned position[45];

        for (unsigned i = 0; i < 43; i++)
            position[i] = 12 + (86 * (diagonal / 2) + 88 * i) % 2236 + diagonal % 2;
        position[43] = 2248 + diagonal;
        position[44] = 2248 + 52 + diagonal;
        expect_code_word(raw, position, 45);
    }
    assert_int_equal(raw[2352 + 14], 0x17);
}

static void read_cd_returns_the_parts_asked_for(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(PACKET(rig, 0xbe, 0, 0, 0, 0, 20, 0, 0, 2, 0x10), READY);
    assert_int_equal(rig->n_reply, 4096);
    assert_memory_equal(rig->reply, rig->disc->data + 20 * 2048, 4096);
    assert_int_equal(PACKET(rig, 0xbe, 0, 0, 0, 0, 20, 0, 0, 1, 0x30), READY);
    assert_int_equal(rig->n_reply, 2052);
    assert_memory_equal(rig->reply + 4, rig->disc->data + 20 * 2048, 2048);
    assert_int_equal(PACKET(rig, 0xbe, 0, 0, 0, 0, 20, 0, 0, 1, 0x08), READY);
    assert_int_equal(rig->n_reply, 288);
    assert_int_equal(PACKET(rig, 0xb9, 0, 0, 0, 2, 20, 0, 2, 22, 0x10), READY); /* 00:02:20 to 00:02:22 */
    assert_int_equal(rig->n_reply, 4096);
    assert_memory_equal(rig->reply, rig->disc->data + 20 * 2048, 4096);
}

static void read_cd_refuses_what_the_disc_has_not(void **state)
{
    struct rig *rig = *state;

    EXPECT_CHECK(rig, ILLEGAL_REQUEST, 0x64, 0, 0xbe, 0x04, 0, 0, 0, 20, 0, 0, 1, 0x10); /* audio */
    EXPECT_CHECK(rig, ILLEGAL_REQUEST, 0x24, 0, 0xbe, 0, 0, 0, 0, 20, 0, 0, 1, 0x12);    /* C2 errors */
    EXPECT_CHECK(rig, ILLEGAL_REQUEST, 0x24, 0, 0xbe, 0, 0, 0, 0, 20, 0, 0, 1, 0x10, 1); /* sub-channel */
    EXPECT_CHECK(rig, ILLEGAL_REQUEST, 0x24, 0, 0xb9, 0, 0, 0, 1, 20, 0, 2, 22, 0x10);   /* lead-in */
    EXPECT_CHECK(rig, ILLEGAL_REQUEST, 0x24, 0, 0xb9, 0, 0, 0, 3, 20, 0, 2, 22, 0x10);
    EXPECT_CHECK(rig, ILLEGAL_REQUEST, 0x21, 0, 0xbe, 0, 0, 0, 4, 0, 0, 0, 1, 0x10);
}

static void read_header_names_mode_and_address(void **state)
{
    struct rig *rig = *state;
    static const uint8_t as_lba[8] = {1, 0, 0, 0, 0, 0, 0x01, 0x00}, as_msf[8] = {1, 0, 0, 0, 0, 0, 5, 31};

    assert_int_equal(PACKET(rig, 0x44, 0, 0, 0, 1, 0, 0, 0, 8), READY);
    assert_memory_equal(rig->reply, as_lba, 8);
    assert_int_equal(PACKET(rig, 0x44, 2, 0, 0, 1, 0, 0, 0, 8), READY);
    assert_memory_equal(rig->reply, as_msf, 8);
    EXPECT_CHECK(rig, ILLEGAL_REQUEST, 0x21, 0, 0x44, 0, 0, 0, 4, 0, 0, 0, 8);
}

static void subchannel_says_that_nothing_plays(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(PACKET(rig, 0x42, 0, 0, 0, 0, 0, 0, 0, 64), READY);
    assert_int_equal(rig->n_reply, 4);
    assert_int_equal(rig->reply[1], 0x15);
    assert_int_equal(PACKET(rig, 0x42, 0, 0x40, 1, 0, 0, 0, 0, 64), READY);
    assert_int_equal(rig->n_reply, 16);
    assert_int_equal(rig->reply[3], 12);
    assert_int_equal(rig->reply[6], 1);
    assert_int_equal(PACKET(rig, 0x42, 0, 0x40, 2, 0, 0, 0, 0, 64), READY);
    assert_int_equal(rig->n_reply, 24);
    EXPECT_CHECK(rig, ILLEGAL_REQUEST, 0x24, 0, 0x42, 0, 0x40, 9, 0, 0, 0, 0, 64);
}

/* ---- the tray ---- */

static void empty_drive_is_not_ready(void **state)
{
    struct rig *rig = *state;
    static const uint8_t commands[] = {0x00, 0x25, 0x28, 0x43, 0xbe, 0x51};

    EXPECT_CHECK(rig, UNIT_ATTENTION, 0x29, 0, 0x00);
    for (unsigned i = 0; i < sizeof commands; i++)
        EXPECT_CHECK(rig, NOT_READY, 0x3a, 1, commands[i]);
    assert_int_equal(PACKET(rig, 0x5a, 0, 0x2a, 0, 0, 0, 0, 1, 0), READY);
    assert_int_equal(rig->reply[2], 0x70);
    assert_int_equal(PACKET(rig, 0x12, 0, 0, 0, 36), READY);
    assert_true(ide_cd_eject(rig->ide, 0, false));
    EXPECT_CHECK(rig, NOT_READY, 0x3a, 2, 0x00);
}

static void inserted_disc_is_announced_once(void **state)
{
    struct rig *rig = *state;
    struct fake_disk *disc = fake_disk_create(400);

    assert_true(ide_cd_eject(rig->ide, 0, false));
    EXPECT_CHECK(rig, NOT_READY, 0x3a, 2, 0x00);
    assert_true(ide_cd_insert(rig->ide, 0, &disc->block));
    EXPECT_CHECK(rig, UNIT_ATTENTION, 0x28, 0, 0x00);
    assert_int_equal(PACKET(rig, 0x00), READY);
    assert_int_equal(PACKET(rig, 0x25), READY);
    assert_int_equal(rig->reply[3], 99);
    assert_true(ide_cd_insert(rig->ide, 0, &rig->disc->block)); /* a change without an eject between */
    assert_int_equal(PACKET(rig, 0x03, 0, 0, 0, 18), READY);    /* REQUEST SENSE may be the one to hear of it */
    assert_int_equal(rig->reply[2], UNIT_ATTENTION);
    assert_int_equal(rig->reply[12], 0x28);
    assert_int_equal(PACKET(rig, 0x00), READY);
    free(disc);
}

static void guest_opens_and_closes_the_tray(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(PACKET(rig, 0x1b, 0, 0, 0, 2), READY);
    EXPECT_CHECK(rig, NOT_READY, 0x3a, 2, 0x00);
    assert_int_equal(PACKET(rig, 0xbd, 0, 0, 0, 0, 0, 0, 0, 0, 8), READY);
    assert_int_equal(rig->reply[1], 0x10);
    assert_int_equal(PACKET(rig, 0x5a, 0, 0x2a, 0, 0, 0, 0, 1, 0), READY);
    assert_int_equal(rig->reply[2], 0x71);
    assert_int_equal(PACKET(rig, 0x1b, 0, 0, 0, 3), READY);
    EXPECT_CHECK(rig, UNIT_ATTENTION, 0x28, 0, 0x00);
    assert_int_equal(PACKET(rig, 0x00), READY);
    assert_int_equal(PACKET(rig, 0xbd, 0, 0, 0, 0, 0, 0, 0, 0, 8), READY);
    assert_int_equal(rig->reply[1], 0);
    assert_int_equal(PACKET(rig, 0x1b, 0, 0, 0, 0), READY); /* the motor alone */
    assert_int_equal(PACKET(rig, 0x1b, 0, 0, 0, 1), READY);
    assert_int_equal(PACKET(rig, 0x00), READY);
}

static void locked_tray_stays_closed(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(PACKET(rig, 0x1e, 0, 0, 0, 1), READY);
    EXPECT_CHECK(rig, ILLEGAL_REQUEST, 0x53, 2, 0x1b, 0, 0, 0, 2);
    assert_int_equal(PACKET(rig, 0x5a, 0, 0x2a, 0, 0, 0, 0, 1, 0), READY);
    assert_int_equal(rig->reply[14], 0x2b);
    assert_false(ide_cd_eject(rig->ide, 0, false));
    assert_int_equal(PACKET(rig, 0x00), READY);
    assert_int_equal(PACKET(rig, 0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8), READY); /* the guest is asked to eject */
    assert_int_equal(rig->reply[4], 1);
    assert_int_equal(rig->reply[5], 2);
    assert_int_equal(PACKET(rig, 0x1e, 0, 0, 0, 0), READY);
    assert_true(ide_cd_eject(rig->ide, 0, false));
    EXPECT_CHECK(rig, NOT_READY, 0x3a, 2, 0x00);
    PACKET(rig, 0x1e, 0, 0, 0, 1);
    assert_true(ide_cd_insert(rig->ide, 0, &rig->disc->block));
    assert_true(ide_cd_eject(rig->ide, 0, true)); /* by force */
}

static void events_tell_of_changes_once(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(PACKET(rig, 0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8), READY);
    assert_int_equal(rig->n_reply, 8);
    assert_int_equal(rig->reply[1], 6);
    assert_int_equal(rig->reply[2], 4);
    assert_int_equal(rig->reply[3], 0x10);
    assert_int_equal(rig->reply[4], 0);
    assert_int_equal(rig->reply[5], 2);
    ide_cd_eject(rig->ide, 0, false);
    assert_int_equal(PACKET(rig, 0x4a, 1, 0, 0, 0x10, 0, 0, 0, 4), READY); /* the header alone takes no event */
    assert_int_equal(rig->n_reply, 4);
    assert_int_equal(PACKET(rig, 0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8), READY);
    assert_int_equal(rig->reply[4], 3);
    assert_int_equal(rig->reply[5], 1);
    ide_cd_insert(rig->ide, 0, &rig->disc->block);
    assert_int_equal(PACKET(rig, 0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8), READY);
    assert_int_equal(rig->reply[4], 2);
    assert_int_equal(PACKET(rig, 0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8), READY);
    assert_int_equal(rig->reply[4], 0);
    assert_int_equal(PACKET(rig, 0x4a, 1, 0, 0, 0x02, 0, 0, 0, 8), READY); /* a class that it does not have */
    assert_int_equal(rig->n_reply, 4);
    assert_int_equal(rig->reply[2], 0x80);
    assert_int_equal(PACKET(rig, 0x4a, 0, 0, 0, 0x10, 0, 0, 0, 8), READY | ERR); /* asynchronous */
}

static void disc_taken_out_in_mid_read_ends_it(void **state)
{
    struct rig *rig = *state;

    begin_packet(rig, 0, 0xfffe, (const uint8_t[12]){0x28, 0, 0, 0, 0, 0, 0, 0, 40});
    ide_cd_eject(rig->ide, 0, true);
    assert_int_equal(take_reply(rig), READY | ERR); /* what was in the buffer still came */
    assert_int_equal(rig->n_reply, 32 * 2048);
    assert_int_equal(in(rig, ERROR) >> 4, NOT_READY);
    ide_cd_insert(rig->ide, 0, &rig->disc->block);
    PACKET(rig, 0x00);
    begin_packet(rig, 0, 0xfffe, (const uint8_t[12]){0x28, 0, 0, 0, 0x03, 0, 0, 0, 40});
    rig->disc->block.n_sectors = 4 * 100;
    assert_int_equal(take_reply(rig), READY | ERR); /* a smaller disc */
    assert_int_equal(in(rig, ERROR) >> 4, ILLEGAL_REQUEST);
}

/* ---- state ---- */

static void transfer_goes_on_in_another_machine(void **state)
{
    struct rig *rig = *state, *other = create(&rig->disc->block, true);

    begin_packet(rig, 0, 2048, (const uint8_t[12]){0x28, 0, 0, 0, 0, 7, 0, 0, 2});
    for (unsigned i = 0; i < 100; i++)
        bus_in(rig->bus, DATA, 2);
    copy_state(ide_state(), rig->ide, other->ide);
    ide_after_load(other->ide);
    for (unsigned i = 100; i < 2048; i++) {
        uint16_t word;

        if (i == 1024)
            assert_int_equal(in(other, STATUS), READY | DRQ);
        word = (uint16_t)bus_in(other->bus, DATA, 2);
        assert_memory_equal(&word, rig->disc->data + 7 * 2048 + 2 * i, 2);
    }
    assert_int_equal(in(other, STATUS), READY);
    ide_destroy(other->ide);
    bus_destroy(other->bus);
    free(other);
}

static void nonsense_in_a_saved_state_does_no_harm(void **state)
{
    struct rig *rig = *state;

    for (uint32_t seed = 1; seed < 200; seed++) {
        nonsense_load(ide_state(), rig->ide, seed);
        ide_after_load(rig->ide);
        out(rig, CONTROL, 0);
        rig->n_reply = 0;
        for (unsigned i = 0; i < 300; i++) {
            bus_in(rig->bus, DATA, 2);
            bus_out(rig->bus, DATA, i, 4);
        }
        rig->n_reply = 0;
        run_dma(rig);
        in(rig, STATUS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_AFTER_RESET(reset_shows_the_packet_signature),
        TEST_AFTER_RESET(first_command_after_reset_is_told_of_it),
        TEST(identify_device_is_refused_with_the_signature),
        TEST(identify_packet_device_describes_the_drive),
        TEST(transfer_mode_set_by_features_shows_in_identify),
        TEST(device_reset_ends_a_command),
        TEST(disks_know_no_packet_commands),
        TEST(overlap_and_dma_without_a_bus_master_are_refused),
        TEST(power_commands_work_as_on_disks),
        TEST(read_10_delivers_blocks),
        TEST(byte_count_limit_cuts_data_into_even_blocks),
        TEST(long_reads_refill_the_buffer),
        TEST(read_by_dma_ends_with_one_interrupt),
        TEST(reading_nothing_succeeds),
        TEST(blocks_beyond_the_end_are_out_of_range),
        TEST(host_errors_are_medium_errors),
        TEST(image_may_end_within_a_block),
        TEST(capacity_is_the_last_block_and_its_size),
        TEST(raw_sectors_are_complete),
        TEST(read_cd_returns_the_parts_asked_for),
        TEST(read_cd_refuses_what_the_disc_has_not),
        TEST(read_header_names_mode_and_address),
        TEST(subchannel_says_that_nothing_plays),
        cmocka_unit_test_setup_teardown(empty_drive_is_not_ready, setup_empty, teardown),
        TEST(inserted_disc_is_announced_once),
        TEST(guest_opens_and_closes_the_tray),
        TEST(locked_tray_stays_closed),
        TEST(events_tell_of_changes_once),
        TEST(disc_taken_out_in_mid_read_ends_it),
        TEST(transfer_goes_on_in_another_machine),
        TEST(nonsense_in_a_saved_state_does_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
