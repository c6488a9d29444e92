/* Pictures: text, planar, CGA, 256 colours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/hw/display/vga_rig.h"

#define WIDTH  720
#define HEIGHT 480

static uint32_t picture[WIDTH * HEIGHT];

static uint32_t pixel(unsigned x, unsigned y)
{
    return picture[y * WIDTH + x];
}

static void render(struct rig *rig)
{
    memset(picture, 0xee, sizeof picture);
    vga_render(rig->vga, picture, WIDTH, HEIGHT, WIDTH);
}

/* Glyph rows of `character`: all of them `bits`. */
static void load_glyph(struct rig *rig, uint8_t character, uint8_t bits)
{
    set_mode(rig, &mode_03h);
    out_indexed(rig, 0x3c4, 2, 0x04);
    out_indexed(rig, 0x3c4, 4, 0x07);
    out_indexed(rig, 0x3ce, 5, 0x00);
    out_indexed(rig, 0x3ce, 6, 0x04);
    for (unsigned i = 0; i < 16; i++)
        poke(rig, 0xa0000u + character * 32u + i, bits, 1);
    set_mode(rig, &mode_03h);
}

static void put_text(struct rig *rig, unsigned row, unsigned column, const char *text)
{
    for (; *text; text++, column++)
        poke(rig, 0xb8000 + (row * 80 + column) * 2, 0x0700u | (uint8_t)*text, 2);
}

static void text_screen_is_80_by_25(void **state)
{
    struct rig *rig = *state;
    struct vga_picture p;
    uint16_t cells[2000];

    set_mode(rig, &mode_03h);
    put_text(rig, 24, 79, "Z");
    p = vga_picture(rig->vga);
    assert_int_equal(p.kind, VGA_TEXT);
    assert_int_equal(p.columns, 80);
    assert_int_equal(p.rows, 25);
    assert_int_equal(p.width, 720);
    assert_int_equal(p.height, 400);
    assert_int_equal(vga_text(rig->vga, cells, 2000), 2000);
    assert_int_equal(cells[1999], 0x075a);
    out_indexed(rig, 0x3d4, 0x0e, (80 * 3 + 5) >> 8);
    out_indexed(rig, 0x3d4, 0x0f, (80 * 3 + 5) & 0xff);
    p = vga_picture(rig->vga);
    assert_int_equal(p.cursor_column, 5);
    assert_int_equal(p.cursor_row, 3);
    assert_int_equal(p.cursor_first_line, 13);
    assert_true(p.cursor_is_enabled);
}

static void text_lines_follow_the_start_address(void **state)
{
    struct rig *rig = *state;
    char lines[2200], small[4];

    set_mode(rig, &mode_03h);
    put_text(rig, 0, 0, "gone");
    put_text(rig, 1, 2, "first");
    put_text(rig, 2, 0, "second");
    out_indexed(rig, 0x3d4, 0x0d, 80);
    vga_text_lines(rig->vga, lines, sizeof lines);
    lines[15] = '\0';
    assert_string_equal(lines, "  first\nsecond\n");
    vga_text_lines(rig->vga, small, sizeof small);
    assert_string_equal(small, "  f");
}

static void a_screen_that_is_off_is_blank(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(vga_picture(rig->vga).kind, VGA_BLANK);
    set_mode(rig, &mode_03h);
    out_indexed(rig, 0x3c4, 1, 0x20);
    assert_int_equal(vga_picture(rig->vga).kind, VGA_BLANK);
    assert_int_equal(vga_text(rig->vga, NULL, 0), 0);
    render(rig);
    assert_int_equal(pixel(100, 100), 0);
}

static void glyphs_are_drawn_in_their_colours(void **state)
{
    struct rig *rig = *state;

    load_glyph(rig, 'A', 0xa1);
    poke(rig, 0xb8000 + 2, 0x1e41, 2); /* yellow on blue at column 1 */
    render(rig);
    assert_int_equal(pixel(9, 0), grey(0x3e));
    assert_int_equal(pixel(10, 15), grey(0x01));
    assert_int_equal(pixel(11, 15), grey(0x3e));
    assert_int_equal(pixel(14, 15), grey(0x01));
    assert_int_equal(pixel(16, 15), grey(0x3e));
    assert_int_equal(pixel(17, 0), grey(0x01)); /* ninth dot: background */
    assert_int_equal(pixel(9, 16), grey(0x00)); /* next row: black on black */
    assert_int_equal(pixel(0, 450), 0);         /* below the picture */
}

static void line_graphics_extend_into_the_ninth_dot(void **state)
{
    struct rig *rig = *state;

    load_glyph(rig, 0xc4, 0xff);
    load_glyph(rig, 'A', 0xff);
    poke(rig, 0xb8000, 0x07c4, 2);
    poke(rig, 0xb8002, 0x0741, 2);
    render(rig);
    assert_int_equal(pixel(8, 3), grey(7));
    assert_int_equal(pixel(16, 3), grey(7));
    assert_int_equal(pixel(17, 3), grey(0));
}

static void cursor_and_blinking_text_alternate(void **state)
{
    struct rig *rig = *state;
    unsigned cursor_on = 0, text_on = 0, n = 0;

    load_glyph(rig, 'A', 0xff);
    poke(rig, 0xb8000, 0x0720, 2);
    poke(rig, 0xb8002, 0x8741, 2);
    for (; n < 200; n++) {
        render(rig);
        cursor_on += pixel(0, 13) == grey(7);
        assert_int_equal(pixel(0, 12), grey(0));
        text_on += pixel(9, 2) == grey(7);
        clock_advance(rig->clock, 11 * NS_PER_MS);
    }
    assert_in_range(cursor_on, 80, 120);
    assert_in_range(text_on, 80, 120);
    out_indexed(rig, 0x3d4, 0x0a, 0x2d);
    render(rig);
    assert_int_equal(pixel(0, 13), grey(0));
    clock_advance(rig->clock, 8 * NS_PER_SECOND / 70);
    render(rig);
    assert_int_equal(pixel(0, 13), grey(0));
}

static void changes_are_reported_once(void **state)
{
    struct rig *rig = *state;

    set_mode(rig, &mode_12h);
    assert_true(vga_take_changes(rig->vga));
    assert_false(vga_take_changes(rig->vga));
    poke(rig, 0xa0000, 1, 1);
    assert_true(vga_take_changes(rig->vga));
    clock_advance(rig->clock, NS_PER_SECOND);
    assert_false(vga_take_changes(rig->vga)); /* nothing blinks in graphics */
    set_mode(rig, &mode_03h);
    vga_take_changes(rig->vga);
    clock_advance(rig->clock, NS_PER_SECOND / 7);
    assert_true(vga_take_changes(rig->vga));
}

static void planar_pixels_combine_four_planes(void **state)
{
    struct rig *rig = *state;
    struct vga_picture p;

    set_mode(rig, &mode_12h);
    p = vga_picture(rig->vga);
    assert_int_equal(p.width, 640);
    assert_int_equal(p.height, 480);
    out_indexed(rig, 0x3c4, 2, 0x09);
    poke(rig, 0xa0000 + 80 * 479 + 79, 0x01, 1); /* last pixel: colour 9 */
    render(rig);
    assert_int_equal(pixel(639, 479), grey(0x39));
    assert_int_equal(pixel(638, 479), grey(0));
    set_attribute(rig, 0x12, 0x01); /* only plane 0 shows */
    render(rig);
    assert_int_equal(pixel(639, 479), grey(0x01));
}

static void mode_13h_doubles_its_lines(void **state)
{
    struct rig *rig = *state;
    struct vga_picture p;

    set_mode(rig, &mode_13h);
    p = vga_picture(rig->vga);
    assert_int_equal(p.width, 320);
    assert_int_equal(p.height, 200);
    poke(rig, 0xa0000 + 320 * 199 + 319, 0x37, 1);
    poke(rig, 0xa0000 + 320 * 7 + 2, 0x21, 1);
    render(rig);
    assert_int_equal(pixel(319, 199), grey(0x37));
    assert_int_equal(pixel(2, 7), grey(0x21));
    assert_int_equal(pixel(3, 7), grey(0));
}

static void line_compare_splits_the_screen(void **state)
{
    struct rig *rig = *state;

    set_mode(rig, &mode_13h);
    poke(rig, 0xa0000, 0x15, 1);            /* first pixel of memory */
    poke(rig, 0xa0000 + 320 * 50, 0x2a, 1); /* first pixel of the scrolled part */
    out_indexed(rig, 0x3d4, 0x0c, (80 * 50) >> 8);
    out_indexed(rig, 0x3d4, 0x0d, (80 * 50) & 0xff);
    out_indexed(rig, 0x3d4, 0x18, 199); /* split after 100 picture lines */
    out_indexed(rig, 0x3d4, 0x09, 0x01);
    out_indexed(rig, 0x3d4, 0x11, 0x0e);
    out_indexed(rig, 0x3d4, 0x07, 0x0f);
    render(rig);
    assert_int_equal(pixel(0, 0), grey(0x2a));
    assert_int_equal(pixel(0, 100), grey(0x15));
    assert_int_equal(pixel(0, 99), grey(0));
}

static void cga_lines_alternate_between_two_banks(void **state)
{
    struct rig *rig = *state;
    struct vga_picture p;

    set_mode(rig, &mode_04h);
    p = vga_picture(rig->vga);
    assert_int_equal(p.width, 320);
    assert_int_equal(p.height, 200);
    poke(rig, 0xb8000, 0x1b, 1); /* pixels 0 1 2 3 */
    poke(rig, 0xb8001, 0xe4, 1); /* pixels 3 2 1 0 */
    poke(rig, 0xba000, 0xc0, 1); /* line 1 */
    poke(rig, 0xb8000 + 80 * 99 + 79, 0x03, 1);
    render(rig);
    assert_int_equal(pixel(1, 0), grey(0x13));
    assert_int_equal(pixel(2, 0), grey(0x15));
    assert_int_equal(pixel(3, 0), grey(0x17));
    assert_int_equal(pixel(4, 0), grey(0x17));
    assert_int_equal(pixel(7, 0), grey(0x00));
    assert_int_equal(pixel(0, 1), grey(0x17));
    assert_int_equal(pixel(1, 1), grey(0x00));
    assert_int_equal(pixel(319, 198), grey(0x17));
}

static void panning_shifts_pixels_to_the_left(void **state)
{
    struct rig *rig = *state;

    set_mode(rig, &mode_12h);
    poke(rig, 0xa0001, 0x80, 1); /* pixel 8 */
    set_attribute(rig, 0x13, 3);
    render(rig);
    assert_int_equal(pixel(5, 0), grey(0x3f));
    assert_int_equal(pixel(8, 0), grey(0));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(text_screen_is_80_by_25),
        T(text_lines_follow_the_start_address),
        T(a_screen_that_is_off_is_blank),
        T(glyphs_are_drawn_in_their_colours),
        T(line_graphics_extend_into_the_ninth_dot),
        T(cursor_and_blinking_text_alternate),
        T(changes_are_reported_once),
        T(planar_pixels_combine_four_planes),
        T(mode_13h_doubles_its_lines),
        T(line_compare_splits_the_screen),
        T(cga_lines_alternate_between_two_banks),
        T(panning_shifts_pixels_to_the_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
