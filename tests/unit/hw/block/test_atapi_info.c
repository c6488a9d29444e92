/* ATAPI CD-ROM drive: what it tells about itself and its disc, and the mode pages. */
#include "tests/unit/hw/block/atapi_rig.h"

static void inquiry_names_the_drive(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(PACKET(rig, 0x12, 0, 0, 0, 96), READY);
    assert_int_equal(rig->n_reply, 36);
    assert_int_equal(rig->reply[0], 0x05);
    assert_int_equal(rig->reply[1], 0x80);
    assert_int_equal(rig->reply[4], 31);
    assert_memory_equal(rig->reply + 8, "MORPH86 CD-ROM          1.0 ", 28);
    assert_int_equal(PACKET(rig, 0x12, 0, 0, 0, 5), READY); /* no more than is allocated; odd lengths, too */
    assert_int_equal(rig->n_reply, 5);
    EXPECT_CHECK(rig, ILLEGAL_REQUEST, 0x24, 0, 0x12, 1, 0x80, 0, 96);
}

static void replies_are_byte_exact(void **state)
{
    static const struct {
        uint8_t packet[12];
        uint8_t n;
        uint8_t reply[64];
    } cases[] = {
        /* GET CONFIGURATION: profiles, core, morphing, removable, random readable, CD read, DVD read, power */
        {{0x46, 0, 0, 0, 0, 0, 0, 1, 0},
         64,
         {0, 0, 0, 72, 0, 0, 0, 8, 0, 0, 3, 8, 0,    0x10, 0, 0, 0, 8,    1, 0, 0, 1, 7, 8, 0, 0, 0, 2, 0, 0,    0, 0,
          0, 2, 7, 4,  2, 0, 0, 0, 0, 3, 3, 4, 0x29, 0,    0, 0, 0, 0x10, 1, 8, 0, 0, 8, 0, 0, 1, 0, 0, 0, 0x1e, 1, 4}},
        /* MODE SENSE, all pages */
        {{0x5a, 0, 0x3f, 0, 0, 0, 0, 1, 0}, 52, {0, 50,   1,    0,    0,  0, 0,    0,    0x01, 6, 0,    5, 0,
                                                 0, 0,    0,    0x0e, 14, 4, 0,    0,    0,    0, 0,    1, 0xff,
                                                 2, 0xff, 0,    0,    0,  0, 0x2a, 18,   8,    0, 0x30, 0, 0x29,
                                                 0, 0x10, 0x80, 0,    2,  2, 0,    0x10, 0x80, 0, 0,    0, 0}},
        /* READ DISC INFORMATION, READ TRACK INFORMATION */
        {{0x51, 0, 0, 0, 0, 0, 0, 0, 64}, 34, {0, 32, 0x0e, 1, 1,    1,    1,    0x20, 0,    0,    0,    0,
                                               0, 0,  0,    0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                               0, 0,  0,    0, 0,    0,    0,    0,    0,    0}},
        {{0x52, 2, 0, 0, 0, 1, 0, 0, 64}, 36, {0, 34, 1, 1, 0, 4, 1, 0, 0, 0, 0, 0, 0, 0,
                                               0, 0,  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0}},
        /* READ TOC, sessions and raw */
        {{0x43, 0, 1, 0, 0, 0, 0, 0, 64}, 12, {0, 10, 1, 1, 0, 0x14, 1}},
        {{0x43, 0, 2, 0, 0, 0, 0, 0, 64}, 48, {0,    46, 1,    1,  1,  0x14, 0,    0xa0, 0, 0, 0, 0,    1, 0,    0, 1,
                                               0x14, 0,  0xa1, 0,  0,  0,    0,    1,    0, 0, 1, 0x14, 0, 0xa2, 0, 0,
                                               0,    0,  0,    15, 49, 1,    0x14, 0,    1, 0, 0, 0,    0, 0,    2, 0}},
        /* MECHANISM STATUS, REQUEST SENSE */
        {{0xbd, 0, 0, 0, 0, 0, 0, 0, 0, 8}, 8, {0}},
        {{0x03, 0, 0, 0, 18}, 18, {0x70, 0, 0, 0, 0, 0, 0, 10}},
    };
    struct rig *rig = *state;

    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        PACKET(rig, 0x28, 0, 0, 0, 0, 9, 0, 0, 1); /* something else in the buffer */
        assert_int_equal(run_packet(rig, cases[i].packet), READY);
        if (cases[i].n < 64)
            assert_int_equal(rig->n_reply, cases[i].n);
        assert_memory_equal(rig->reply, cases[i].reply, cases[i].n);
    }
}

static void sense_belongs_to_the_last_command(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(PACKET(rig, 0xff), READY | ERR);
    assert_int_equal(PACKET(rig, 0x00), READY);
    assert_int_equal(PACKET(rig, 0x03, 0, 0, 0, 18), READY);
    assert_int_equal(rig->reply[2], 0);
    assert_int_equal(rig->reply[12], 0);
}

static void toc_lists_track_and_lead_out(void **state)
{
    static const uint8_t lba[20] = {0, 18, 1, 1, 0, 0x14, 1, 0, 0, 0, 0, 0, 0, 0x14, 0xaa, 0, 0, 0, 4, 0};
    static const uint8_t msf[20] = {0, 18, 1, 1, 0, 0x14, 1, 0, 0, 0, 2, 0, 0, 0x14, 0xaa, 0, 0, 0, 15, 49};
    struct rig *rig = *state;

    assert_int_equal(PACKET(rig, 0x43, 0, 0, 0, 0, 0, 0, 0, 64), READY);
    assert_int_equal(rig->n_reply, 20);
    assert_memory_equal(rig->reply, lba, 20);
    assert_int_equal(PACKET(rig, 0x43, 2, 0, 0, 0, 0, 1, 0, 64), READY);
    assert_int_equal(rig->n_reply, 20);
    assert_memory_equal(rig->reply, msf, 20);
    assert_int_equal(PACKET(rig, 0x43, 0, 0, 0, 0, 0, 0xaa, 0, 64), READY);
    assert_int_equal(rig->n_reply, 12);
    assert_memory_equal(rig->reply + 4, lba + 12, 8);
    assert_int_equal(PACKET(rig, 0x43, 0, 0, 0, 0, 0, 0, 0, 4), READY);
    assert_int_equal(rig->n_reply, 4);
    assert_int_equal(rig->reply[1], 18);
    EXPECT_CHECK(rig, ILLEGAL_REQUEST, 0x24, 0, 0x43, 0, 0, 0, 0, 0, 2, 0, 64);
    EXPECT_CHECK(rig, ILLEGAL_REQUEST, 0x24, 0, 0x43, 0, 3, 0, 0, 0, 0, 0, 64);
}

static void toc_formats_1_and_2_describe_the_session(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(PACKET(rig, 0x43, 0, 1, 0, 0, 0, 0, 0, 64), READY);
    assert_int_equal(rig->n_reply, 12);
    assert_int_equal(rig->reply[1], 10);
    assert_int_equal(rig->reply[6], 1);
    assert_int_equal(PACKET(rig, 0x43, 0, 0, 0, 0, 0, 0, 0, 64, 0x40), READY); /* the old place of the format */
    assert_int_equal(rig->n_reply, 12);
    assert_int_equal(PACKET(rig, 0x43, 2, 2, 0, 0, 0, 0, 0, 64), READY);
    assert_int_equal(rig->n_reply, 48);
    assert_int_equal(rig->reply[1], 46);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(rig->reply[4 + 11 * i + 3], i < 3 ? 0xa0 + i : 1);
    assert_int_equal(rig->reply[4 + 8], 1);
    assert_int_equal(rig->reply[4 + 22 + 9], 15); /* lead-out at 00:15:49 */
    assert_int_equal(rig->reply[4 + 22 + 10], 49);
    assert_int_equal(rig->reply[4 + 33 + 9], 2); /* track 1 at 00:02:00 */
}

static void disc_and_track_information_describe_a_closed_disc(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(PACKET(rig, 0x51, 0, 0, 0, 0, 0, 0, 0, 64), READY);
    assert_int_equal(rig->n_reply, 34);
    assert_int_equal(rig->reply[1], 32);
    assert_int_equal(rig->reply[2], 0x0e);
    assert_int_equal(PACKET(rig, 0x52, 1, 0, 0, 0, 1, 0, 0, 64), READY);
    assert_int_equal(rig->n_reply, 36);
    assert_int_equal(rig->reply[2], 1);
    assert_int_equal(rig->reply[26], 4);
    assert_int_equal(PACKET(rig, 0x52, 0, 0, 0, 3, 0xff, 0, 0, 64), READY);
    EXPECT_CHECK(rig, ILLEGAL_REQUEST, 0x24, 0, 0x52, 0, 0, 0, 4, 0, 0, 0, 64);
    EXPECT_CHECK(rig, ILLEGAL_REQUEST, 0x24, 0, 0x52, 1, 0, 0, 0, 2, 0, 0, 64);
    EXPECT_CHECK(rig, ILLEGAL_REQUEST, 0x24, 0, 0x52, 3, 0, 0, 0, 1, 0, 0, 64);
}

static unsigned current_profile(struct rig *rig)
{
    assert_int_equal(PACKET(rig, 0x46, 0, 0, 0, 0, 0, 0, 1, 0), READY);
    assert_int_equal(rig->reply[3], rig->n_reply - 4);
    return (unsigned)rig->reply[6] << 8 | rig->reply[7];
}

static void configuration_lists_features_and_profile(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(current_profile(rig), 0x0008);
    assert_int_equal(rig->reply[8] << 8 | rig->reply[9], 0); /* the profile list comes first */
    assert_int_equal(rig->reply[10] & 1, 1);
    assert_int_equal(rig->reply[11], 8);
    assert_int_equal(PACKET(rig, 0x46, 2, 0, 3, 0, 0, 0, 1, 0), READY); /* one feature: removable medium */
    assert_int_equal(rig->n_reply, 16);
    assert_int_equal(rig->reply[9], 3);
    assert_int_equal(rig->reply[12], 0x29);
    assert_int_equal(PACKET(rig, 0x46, 2, 0x77, 0, 0, 0, 0, 1, 0), READY);
    assert_int_equal(rig->n_reply, 8);
    assert_int_equal(PACKET(rig, 0x46, 1, 0, 0x1e, 0, 0, 0, 1, 0), READY); /* current ones: no DVD read */
    assert_int_equal(rig->n_reply, 8 + 8 + 4);
    EXPECT_CHECK(rig, ILLEGAL_REQUEST, 0x24, 0, 0x46, 3, 0, 0, 0, 0, 0, 1, 0);
    ide_cd_eject(rig->ide, 0, true);
    assert_int_equal(current_profile(rig), 0);
}

static void large_images_are_dvds(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(PACKET(rig, 0xad, 0, 0, 0, 0, 0, 0, 0, 0x10), READY | ERR); /* a CD has no such structure */
    rig->disc->block.n_sectors = 4ull * 2000000;
    assert_int_equal(current_profile(rig), 0x0010);
    assert_int_equal(PACKET(rig, 0xad, 0, 0, 0, 0, 0, 0, 0, 0x08, 0x04), READY);
    assert_int_equal(rig->n_reply, 2052);
    assert_int_equal(rig->reply[9], 0x03);
    assert_int_equal(rig->reply[13] << 16 | rig->reply[14] << 8 | rig->reply[15], 0x30000 + 2000000 - 1);
    assert_int_equal(PACKET(rig, 0xad, 0, 0, 0, 0, 0, 0, 1, 0x08, 0x04), READY);
    assert_int_equal(rig->n_reply, 8);
    EXPECT_CHECK(rig, ILLEGAL_REQUEST, 0x24, 0, 0xad, 0, 0, 0, 0, 0, 0, 4, 0x08, 0x04);
}

static void mode_pages_can_be_read_and_some_changed(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(PACKET(rig, 0x5a, 0, 0x3f, 0, 0, 0, 0, 1, 0), READY);
    assert_int_equal(rig->n_reply, 8 + 8 + 16 + 20);
    assert_int_equal(rig->reply[1], rig->n_reply - 2);
    assert_int_equal(rig->reply[2], 0x01); /* data disc */
    assert_int_equal(rig->reply[8], 0x01);
    assert_int_equal(rig->reply[16], 0x0e);
    assert_int_equal(rig->reply[32], 0x2a);
    assert_int_equal(PACKET(rig, 0x5a, 0, 0x41, 0, 0, 0, 0, 1, 0), READY); /* changeable bits */
    assert_int_equal(rig->reply[11], 0xff);
    assert_int_equal(PACKET(rig, 0x5a, 0, 0x6a, 0, 0, 0, 0, 1, 0), READY);
    assert_int_equal(rig->reply[14], 0);
    assert_int_equal(PACKET(rig, 0x5a, 0, 0x4e, 0, 0, 0, 0, 1, 0), READY);
    assert_int_equal(rig->reply[17], 0xff);
    EXPECT_CHECK(rig, ILLEGAL_REQUEST, 0x39, 0, 0x5a, 0, 0xc1, 0, 0, 0, 0, 1, 0);
    EXPECT_CHECK(rig, ILLEGAL_REQUEST, 0x24, 0, 0x5a, 0, 0x05, 0, 0, 0, 0, 1, 0);
}

/* Sends MODE SELECT with `count` bytes of parameters, in DRQ blocks of at most `limit`. */
static uint8_t mode_select(struct rig *rig, const uint8_t *data, uint8_t count, uint16_t limit)
{
    unsigned sent = 0;

    begin_packet(rig, 0, limit, (const uint8_t[12]){0x55, 0x10, 0, 0, 0, 0, 0, 0, count});
    while (in(rig, CONTROL) & DRQ) {
        unsigned n = in(rig, MID) | in(rig, HIGH) << 8;

        assert_true(rig->irq.level);
        assert_int_equal(in(rig, STATUS), READY | DRQ);
        assert_int_equal(in(rig, REASON), 0x00);
        assert_int_equal(bus_out_block(rig->bus, DATA, data + sent, 2, n / 2), n / 2);
        sent += n;
    }
    assert_int_equal(in(rig, REASON), 0x03);
    return in(rig, STATUS);
}

static void mode_select_sets_recovery_and_volume(void **state)
{
    struct rig *rig = *state;
    uint8_t list[32] = {0, 0, 0,    0,  0, 0, 0, 0, 0x01, 6, 0x20, 9,    0, 0,
                        0, 0, 0x0e, 14, 4, 0, 0, 0, 0,    0, 1,    0x80, 2, 0x40};

    assert_int_equal(mode_select(rig, list, 32, 0xfffe), READY);
    assert_int_equal(PACKET(rig, 0x5a, 0, 0x3f, 0, 0, 0, 0, 1, 0), READY);
    assert_memory_equal(rig->reply + 8, list + 8, 24);
    assert_int_equal(PACKET(rig, 0x5a, 0, 0x81, 0, 0, 0, 0, 1, 0), READY); /* the defaults stay */
    assert_int_equal(rig->reply[11], 5);
    list[11] = 3;
    assert_int_equal(mode_select(rig, list, 32, 10), READY);
    assert_int_equal(PACKET(rig, 0x5a, 0, 0x01, 0, 0, 0, 0, 1, 0), READY);
    assert_int_equal(rig->reply[11], 3);
    list[11] = 7;
    memcpy(rig->reply, list, 16);
    begin_packet(rig, 1, 0, (const uint8_t[12]){0x55, 0x10, 0, 0, 0, 0, 0, 0, 16}); /* by DMA */
    assert_int_equal(in(rig, STATUS), READY);
    assert_int_equal(PACKET(rig, 0x5a, 0, 0x01, 0, 0, 0, 0, 1, 0), READY);
    assert_int_equal(rig->reply[11], 7);
    assert_int_equal(PACKET(rig, 0x55, 0x10), READY); /* no parameters */
}

static void mode_select_refuses_bad_lists(void **state)
{
    struct rig *rig = *state;
    uint8_t list[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0x2a, 6};

    assert_int_equal(mode_select(rig, list, 16, 0xfffe), READY | ERR);
    expect_sense(rig, ILLEGAL_REQUEST, 0x26, 0);
    list[8] = 0x01;
    list[9] = 20; /* longer than what was sent */
    assert_int_equal(mode_select(rig, list, 16, 0xfffe), READY | ERR);
    expect_sense(rig, ILLEGAL_REQUEST, 0x1a, 0);
}

static void unknown_packets_are_refused(void **state)
{
    struct rig *rig = *state;

    EXPECT_CHECK(rig, ILLEGAL_REQUEST, 0x20, 0, 0x2a);
    EXPECT_CHECK(rig, ILLEGAL_REQUEST, 0x20, 0, 0xff);
    assert_int_equal(PACKET(rig, 0x03, 0, 0, 0, 18), READY); /* sense is reported once */
    assert_int_equal(rig->reply[2], 0);
    assert_int_equal(PACKET(rig, 0xbb, 0, 0xff, 0xff), READY); /* SET CD SPEED */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(inquiry_names_the_drive),
        TEST(replies_are_byte_exact),
        TEST(sense_belongs_to_the_last_command),
        TEST(toc_lists_track_and_lead_out),
        TEST(toc_formats_1_and_2_describe_the_session),
        TEST(disc_and_track_information_describe_a_closed_disc),
        TEST(configuration_lists_features_and_profile),
        TEST(large_images_are_dvds),
        TEST(mode_pages_can_be_read_and_some_changed),
        TEST(mode_select_sets_recovery_and_volume),
        TEST(mode_select_refuses_bad_lists),
        TEST(unknown_packets_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
