/* The aperture at A0000: windows, planes, latches, write and read modes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/hw/display/vga_rig.h"

static void map_mask(struct rig *rig, uint8_t planes)
{
    out_indexed(rig, 0x3c4, 2, planes);
}

static void read_map(struct rig *rig, uint8_t plane)
{
    out_indexed(rig, 0x3ce, 4, plane);
}

static void write_mode(struct rig *rig, uint8_t mode)
{
    out_indexed(rig, 0x3ce, 5, mode);
}

/* Four plane bytes at an address of a planar mode, plane 0 in the low byte. */
static uint32_t planes_at(struct rig *rig, uint32_t address)
{
    uint32_t value = 0;

    write_mode(rig, 0);
    for (uint8_t plane = 0; plane < 4; plane++) {
        read_map(rig, plane);
        value |= peek(rig, address, 1) << 8 * plane;
    }
    return value;
}

static void text_window_answers_only_at_b8000(void **state)
{
    struct rig *rig = *state;

    set_mode(rig, &mode_03h);
    poke(rig, 0xb8000, 0x1f41, 2);
    poke(rig, 0xb0000, 0x1111, 2);
    poke(rig, 0xa0000, 0x1111, 2);
    assert_int_equal(peek(rig, 0xb8000, 2), 0x1f41);
    assert_int_equal(peek(rig, 0xb0000, 2), 0xffff);
    assert_int_equal(peek(rig, 0xa0000, 1), 0xff);
    out(rig, 0x3c2, 0x65); /* RAM off */
    assert_int_equal(peek(rig, 0xb8000, 2), 0xffff);
}

static void text_accepts_every_width_and_alignment(void **state)
{
    struct rig *rig = *state;

    set_mode(rig, &mode_03h);
    poke(rig, 0xb8000, 0x07420741, 4);
    poke(rig, 0xb8004, 0x43, 1);
    poke(rig, 0xb8005, 0x4407, 2);
    assert_int_equal(peek(rig, 0xb8000, 4), 0x07420741);
    assert_int_equal(peek(rig, 0xb8003, 4), 0x44074307);
    poke(rig, 0xbfffe, 0x1234, 2);
    assert_int_equal(peek(rig, 0xbfffe, 2), 0x1234);
}

static void fonts_load_into_plane_2_beside_the_text(void **state)
{
    struct rig *rig = *state;

    set_mode(rig, &mode_03h);
    poke(rig, 0xb8000, 0x0741, 2);
    out_indexed(rig, 0x3c4, 2, 0x04);
    out_indexed(rig, 0x3c4, 4, 0x07);
    out_indexed(rig, 0x3ce, 4, 0x02);
    out_indexed(rig, 0x3ce, 5, 0x00);
    out_indexed(rig, 0x3ce, 6, 0x04);
    poke(rig, 0xa0000, 0x81, 1);
    assert_int_equal(peek(rig, 0xa0000, 1), 0x81);
    set_mode(rig, &mode_03h);
    assert_int_equal(peek(rig, 0xb8000, 2), 0x0741);
}

static void map_mask_selects_planes(void **state)
{
    struct rig *rig = *state;

    set_mode(rig, &mode_12h);
    poke(rig, 0xa0010, 0xff, 1);
    map_mask(rig, 0x5);
    poke(rig, 0xa0010, 0x12, 1);
    assert_int_equal(planes_at(rig, 0xa0010), 0xff12ff12);
}

static void write_mode_0_rotates_sets_and_masks(void **state)
{
    struct rig *rig = *state;

    set_mode(rig, &mode_12h);
    poke(rig, 0xa0000, 0x0f, 1);
    peek(rig, 0xa0000, 1);
    out_indexed(rig, 0x3ce, 0, 0x02); /* set/reset: plane 1 */
    out_indexed(rig, 0x3ce, 1, 0x06); /* planes 1 and 2 take it */
    out_indexed(rig, 0x3ce, 3, 0x04); /* rotate by 4 */
    out_indexed(rig, 0x3ce, 8, 0xf0);
    poke(rig, 0xa0000, 0x5a, 1); /* rotated: a5 */
    assert_int_equal(planes_at(rig, 0xa0000), 0xaf0fffaf);
}

static void logical_functions_combine_with_the_latch(void **state)
{
    struct rig *rig = *state;
    static const uint8_t expected[4] = {0x3c, 0x3c & 0x0f, 0x3c | 0x0f, 0x3c ^ 0x0f};

    set_mode(rig, &mode_12h);
    for (uint8_t function = 0; function < 4; function++) {
        out_indexed(rig, 0x3ce, 3, 0);
        poke(rig, 0xa0000, 0x0f, 1);
        peek(rig, 0xa0000, 1);
        out_indexed(rig, 0x3ce, 3, (uint8_t)(function << 3));
        poke(rig, 0xa0001, 0x3c, 1);
        assert_int_equal(planes_at(rig, 0xa0001), expected[function] * 0x01010101u);
    }
}

static void write_mode_1_copies_the_latches(void **state)
{
    struct rig *rig = *state;

    set_mode(rig, &mode_12h);
    for (uint8_t plane = 0; plane < 4; plane++) {
        map_mask(rig, (uint8_t)(1 << plane));
        poke(rig, 0xa0000, 0x10u + plane, 1);
    }
    map_mask(rig, 0xf);
    write_mode(rig, 1);
    peek(rig, 0xa0000, 1);
    poke(rig, 0xa1234, 0xff, 1);
    assert_int_equal(planes_at(rig, 0xa1234), 0x13121110);
}

static void write_mode_2_expands_a_colour(void **state)
{
    struct rig *rig = *state;

    set_mode(rig, &mode_12h);
    poke(rig, 0xa0000, 0x00, 1);
    write_mode(rig, 2);
    out_indexed(rig, 0x3ce, 8, 0x80);
    peek(rig, 0xa0000, 1);
    poke(rig, 0xa0000, 0x0a, 1);
    assert_int_equal(planes_at(rig, 0xa0000), 0x80008000);
}

static void write_mode_3_uses_the_byte_as_a_mask(void **state)
{
    struct rig *rig = *state;

    set_mode(rig, &mode_12h);
    poke(rig, 0xa0000, 0xff, 1);
    write_mode(rig, 3);
    out_indexed(rig, 0x3ce, 0, 0x05);
    out_indexed(rig, 0x3ce, 8, 0x3c);
    peek(rig, 0xa0000, 1);
    poke(rig, 0xa0000, 0xf0, 1); /* mask 30 */
    assert_int_equal(planes_at(rig, 0xa0000), 0xcfffcfff);
}

static void read_mode_1_compares_colours(void **state)
{
    struct rig *rig = *state;

    set_mode(rig, &mode_12h);
    poke(rig, 0xa0000, 0, 1);
    map_mask(rig, 0x5);
    poke(rig, 0xa0000, 0x0f, 1); /* low four pixels: colour 5 */
    out_indexed(rig, 0x3ce, 2, 0x05);
    write_mode(rig, 0x08);
    assert_int_equal(peek(rig, 0xa0000, 1), 0x0f);
    out_indexed(rig, 0x3ce, 2, 0x07);
    assert_int_equal(peek(rig, 0xa0000, 1), 0x00);
    out_indexed(rig, 0x3ce, 7, 0x0d); /* plane 1 does not matter */
    assert_int_equal(peek(rig, 0xa0000, 1), 0x0f);
}

static void chain_4_is_linear_and_honours_the_mask(void **state)
{
    struct rig *rig = *state;

    set_mode(rig, &mode_13h);
    poke(rig, 0xa0001, 0x04030201, 4);
    assert_int_equal(peek(rig, 0xa0000, 4), 0x03020100);
    assert_int_equal(peek(rig, 0xa0004, 1), 0x04);
    map_mask(rig, 0x2);
    poke(rig, 0xa0000, 0x44556677, 4);
    map_mask(rig, 0xf);
    assert_int_equal(peek(rig, 0xa0000, 4), 0x03026600);
    poke(rig, 0xaffff, 0xbbaa, 2); /* leaves the window with its second byte */
    assert_int_equal(peek(rig, 0xaffff, 1), 0xaa);
    assert_int_equal(peek(rig, 0xb0000, 1), 0xff);
    out_indexed(rig, 0x3ce, 6, 0x01); /* 128 KiB: nothing came through */
    assert_int_equal(peek(rig, 0xb0000, 1), 0x00);
}

static void unchained_planes_hold_every_fourth_pixel(void **state)
{
    struct rig *rig = *state;

    set_mode(rig, &mode_13h);
    poke(rig, 0xa0004, 0x44332211, 4);
    out_indexed(rig, 0x3c4, 4, 0x06); /* mode X */
    read_map(rig, 2);
    assert_int_equal(peek(rig, 0xa0001, 1), 0x33);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(text_window_answers_only_at_b8000),       T(text_accepts_every_width_and_alignment),
        T(fonts_load_into_plane_2_beside_the_text), T(map_mask_selects_planes),
        T(write_mode_0_rotates_sets_and_masks),     T(logical_functions_combine_with_the_latch),
        T(write_mode_1_copies_the_latches),         T(write_mode_2_expands_a_colour),
        T(write_mode_3_uses_the_byte_as_a_mask),    T(read_mode_1_compares_colours),
        T(chain_4_is_linear_and_honours_the_mask),  T(unchained_planes_hold_every_fourth_pixel),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
