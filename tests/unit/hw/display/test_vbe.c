/* Bochs VBE registers, frame buffer and PCI side. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/hw/display/vga_rig.h"

enum { ID, XRES, YRES, BPP, ENABLE, BANK, VIRT_WIDTH, VIRT_HEIGHT, X_OFFSET, Y_OFFSET, MEMORY_64K };
enum { ON = 0x01, GETCAPS = 0x02, DAC_8BIT = 0x20, LFB = 0x40, NO_CLEAR = 0x80 };

#define FRAME_BUFFER 0xe0000000u
#define MMIO         0xfebf0000u

static uint32_t picture[1024 * 16];

static void dispi_out(struct rig *rig, uint16_t index, uint16_t value)
{
    bus_out(rig->board->bus, 0x1ce, index, 2);
    bus_out(rig->board->bus, 0x1d0, value, 2);
}

static uint16_t dispi_in(struct rig *rig, uint16_t index)
{
    bus_out(rig->board->bus, 0x1ce, index, 2);
    return (uint16_t)bus_in(rig->board->bus, 0x1cf, 2);
}

static void config_out(struct rig *rig, unsigned reg, uint32_t value)
{
    bus_out(rig->board->bus, 0xcf8, 0x80001000u | reg, 4);
    bus_out(rig->board->bus, 0xcfc, value, 4);
}

static uint32_t config_in(struct rig *rig, unsigned reg)
{
    bus_out(rig->board->bus, 0xcf8, 0x80001000u | reg, 4);
    return bus_in(rig->board->bus, 0xcfc, 4);
}

static int setup_mapped(void **state)
{
    struct rig *rig;

    setup(state);
    rig = *state;
    config_out(rig, 0x10, FRAME_BUFFER);
    config_out(rig, 0x18, MMIO);
    config_out(rig, PCI_COMMAND, PCI_COMMAND_MEMORY);
    set_mode(rig, &mode_03h);
    return 0;
}

static void set_vbe(struct rig *rig, uint16_t width, uint16_t height, uint16_t bpp, uint16_t flags)
{
    dispi_out(rig, ENABLE, 0);
    dispi_out(rig, XRES, width);
    dispi_out(rig, YRES, height);
    dispi_out(rig, BPP, bpp);
    dispi_out(rig, ENABLE, (uint16_t)(ON | flags));
}

static uint32_t rendered_pixel(struct rig *rig, unsigned x, unsigned y)
{
    vga_render(rig->vga, picture, 1024, 16, 1024);
    return picture[y * 1024 + x];
}

static void identity_is_the_standard_vga(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(config_in(rig, 0x00), 0x11111234);
    assert_int_equal(config_in(rig, 0x08), 0x03000002);
    config_out(rig, 0x10, 0xffffffff);
    assert_int_equal(config_in(rig, 0x10), 0xff000008);
    config_out(rig, 0x18, 0xffffffff);
    assert_int_equal(config_in(rig, 0x18), 0xfffff000);
    config_out(rig, 0x30, 0xfffffffe);
    assert_int_equal(config_in(rig, 0x30), 0xfffff000);
}

static void registers_report_identity_memory_and_limits(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(dispi_in(rig, ID), 0xb0c5);
    dispi_out(rig, ID, 0xb0c0);
    assert_int_equal(dispi_in(rig, ID), 0xb0c0);
    dispi_out(rig, ID, 0x1234);
    assert_int_equal(dispi_in(rig, ID), 0xb0c0);
    assert_int_equal(dispi_in(rig, MEMORY_64K), 256);
    dispi_out(rig, ENABLE, GETCAPS);
    assert_int_equal(dispi_in(rig, BPP), 32);
    assert_int_equal(dispi_in(rig, XRES), 16000);
    assert_int_equal(dispi_in(rig, 0x55), 0);
}

static void enabling_clears_memory_unless_told_not_to(void **state)
{
    struct rig *rig = *state;

    poke(rig, FRAME_BUFFER + 0x1000, 0x11223344, 4);
    set_vbe(rig, 640, 480, 8, NO_CLEAR);
    assert_int_equal(peek(rig, FRAME_BUFFER + 0x1000, 4), 0x11223344);
    set_vbe(rig, 640, 480, 8, 0);
    assert_int_equal(peek(rig, FRAME_BUFFER + 0x1000, 4), 0);
}

static void geometry_stays_inside_memory(void **state)
{
    struct rig *rig = *state;

    set_vbe(rig, 65535, 65535, 99, 0);
    assert_int_equal(dispi_in(rig, BPP), 8);
    assert_int_equal(dispi_in(rig, XRES), 16000);
    assert_int_equal(dispi_in(rig, YRES), (16 << 20) / 16000);
    set_vbe(rig, 0, 0, 32, 0);
    assert_int_equal(dispi_in(rig, XRES), 8);
    assert_int_equal(dispi_in(rig, YRES), 1);
    set_vbe(rig, 1024, 768, 32, 0);
    dispi_out(rig, VIRT_WIDTH, 2048);
    dispi_out(rig, Y_OFFSET, 65535);
    assert_int_equal(dispi_in(rig, VIRT_HEIGHT), 2048);
    assert_int_equal(dispi_in(rig, Y_OFFSET), 2048 - 768);
    dispi_out(rig, X_OFFSET, 5000);
    assert_int_equal(dispi_in(rig, X_OFFSET), 1024);
    rendered_pixel(rig, 0, 0);
}

static void banks_and_frame_buffer_show_the_same_bytes(void **state)
{
    struct rig *rig = *state;

    out_indexed(rig, 0x3ce, 6, 0x05);
    set_vbe(rig, 800, 600, 8, 0);
    dispi_out(rig, BANK, 5);
    out_indexed(rig, 0x3c4, 2, 0x0f);
    poke(rig, 0xa0123, 0xcafe, 2);
    assert_int_equal(peek(rig, FRAME_BUFFER + 0x50123, 2), 0xcafe);
    poke(rig, FRAME_BUFFER + 0x50124, 0x77, 1);
    assert_int_equal(peek(rig, 0xa0123, 2), 0x77fe);
    assert_int_equal(peek(rig, FRAME_BUFFER + 0x00123, 2), 0);
    dispi_out(rig, BANK, 0x105); /* 256 banks are all there is */
    assert_int_equal(dispi_in(rig, BANK), 5);
}

static void every_depth_renders_its_colours(void **state)
{
    struct rig *rig = *state;

    set_vbe(rig, 640, 480, 8, LFB);
    poke(rig, FRAME_BUFFER + 640 * 2 + 3, 0x2b, 1);
    assert_int_equal(rendered_pixel(rig, 3, 2), grey(0x2b));
    set_vbe(rig, 640, 480, 15, LFB);
    poke(rig, FRAME_BUFFER + (640 * 2 + 3) * 2, 0x7c1f, 2);
    assert_int_equal(rendered_pixel(rig, 3, 2), 0xff00ff);
    set_vbe(rig, 640, 480, 16, LFB);
    poke(rig, FRAME_BUFFER + (640 * 2 + 3) * 2, 0x07e0, 2);
    assert_int_equal(rendered_pixel(rig, 3, 2), 0x00ff00);
    set_vbe(rig, 640, 480, 24, LFB);
    poke(rig, FRAME_BUFFER + (640 * 2 + 3) * 3, 0x563412, 4);
    assert_int_equal(rendered_pixel(rig, 3, 2), 0x563412);
    set_vbe(rig, 640, 480, 32, LFB);
    poke(rig, FRAME_BUFFER + (640 * 2 + 3) * 4, 0xff123456, 4);
    assert_int_equal(rendered_pixel(rig, 3, 2), 0x123456);
    assert_int_equal(vga_picture(rig->vga).width, 640);
    assert_int_equal(vga_picture(rig->vga).kind, VGA_GRAPHICS);
    assert_int_equal(rendered_pixel(rig, 700, 2), 0);
}

static void sixteen_colours_use_planes_at_any_size(void **state)
{
    struct rig *rig = *state;

    set_mode(rig, &mode_12h);
    set_vbe(rig, 800, 600, 4, 0);
    out_indexed(rig, 0x3c4, 2, 0x0f);
    poke(rig, 0xa0000 + 100 * 3 + 99, 0x01, 1);
    assert_int_equal(rendered_pixel(rig, 799, 3), grey(0x3f));
    dispi_out(rig, Y_OFFSET, 3);
    assert_int_equal(rendered_pixel(rig, 799, 0), grey(0x3f));
}

static void offsets_scroll_the_picture(void **state)
{
    struct rig *rig = *state;

    set_vbe(rig, 640, 480, 32, LFB);
    dispi_out(rig, VIRT_WIDTH, 1000);
    poke(rig, FRAME_BUFFER + (1000 * 10 + 20) * 4, 0x00abcdef, 4);
    dispi_out(rig, X_OFFSET, 20);
    dispi_out(rig, Y_OFFSET, 10);
    assert_int_equal(rendered_pixel(rig, 0, 0), 0xabcdef);
}

static void the_dac_widens_to_eight_bits(void **state)
{
    struct rig *rig = *state;

    set_vbe(rig, 640, 480, 8, DAC_8BIT);
    out(rig, 0x3c8, 1);
    out(rig, 0x3c9, 0xff);
    out(rig, 0x3c9, 0x81);
    out(rig, 0x3c9, 0x02);
    poke(rig, FRAME_BUFFER, 1, 1);
    assert_int_equal(rendered_pixel(rig, 0, 0), 0xff8102);
}

static void register_bar_mirrors_ports_and_dispi(void **state)
{
    struct rig *rig = *state;

    poke(rig, MMIO + 0x500 + 2 * XRES, 800, 2);
    assert_int_equal(dispi_in(rig, XRES), 800);
    assert_int_equal(peek(rig, MMIO + 0x500, 2), 0xb0c5);
    poke(rig, MMIO + 0x404, 0x0a02, 2); /* 3C4: sequencer 2 */
    assert_int_equal(in_indexed(rig, 0x3c4, 2), 0x0a);
    assert_int_equal(peek(rig, MMIO + 0x600, 4), 8);
    assert_int_equal(peek(rig, MMIO + 0x604, 4), 0x1e1e1e1e);
    assert_int_equal(peek(rig, MMIO + 0x000, 4), 0);
    assert_int_equal(peek(rig, MMIO + 0xffc, 4), 0);
}

static void switching_off_shows_text_again(void **state)
{
    struct rig *rig = *state;

    set_vbe(rig, 640, 480, 8, NO_CLEAR);
    assert_int_equal(vga_text(rig->vga, NULL, 0), 0);
    dispi_out(rig, ENABLE, 0);
    assert_int_equal(vga_text(rig->vga, NULL, 0), 2000);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup_mapped, teardown)
    const struct CMUnitTest tests[] = {
        T(identity_is_the_standard_vga),
        T(registers_report_identity_memory_and_limits),
        T(enabling_clears_memory_unless_told_not_to),
        T(geometry_stays_inside_memory),
        T(banks_and_frame_buffer_show_the_same_bytes),
        T(every_depth_renders_its_colours),
        T(sixteen_colours_use_planes_at_any_size),
        T(offsets_scroll_the_picture),
        T(the_dac_widens_to_eight_bits),
        T(register_bar_mirrors_ports_and_dispi),
        T(switching_off_shows_text_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
