/* Mode X, planar modes with every write mode, split screen, panning; VBE modes. */
#include "dos.h"

#define MODE_X_PITCH 80u

/* ---- mode X: mode 13h unchained, 240 lines ---- */

static void set_mode_x(void)
{
    static const uint8_t values[][2] = {{0x06, 0x0d}, {0x07, 0x3e}, {0x09, 0x41}, {0x10, 0xea}, {0x12, 0xdf},
                                        {0x14, 0x00}, {0x15, 0xe7}, {0x16, 0x06}, {0x17, 0xe3}};

    set_mode(0x13);
    sequencer(4, 0x06);
    sequencer(0, 0x01);
    outb(0x3c2, 0xe3);
    sequencer(0, 0x03);
    crtc(0x11, read_crtc(0x11) & 0x7f);
    for (unsigned i = 0; i < sizeof values / 2; i++)
        crtc(values[i][0], values[i][1]);
    sequencer(2, 0x0f);
    for (uint32_t at = 0; at < 0x10000; at += 2)
        poke_word(0xa000, (uint16_t)at, 0);
}

static void pixel_x(uint16_t page, unsigned x, unsigned y, uint8_t colour)
{
    sequencer(2, (uint8_t)(1 << (x & 3)));
    poke(0xa000, (uint16_t)(page + y * MODE_X_PITCH + x / 4), colour);
}

static void start_at(uint16_t address)
{
    wait_for_retraces(1);
    crtc(0x0c, (uint8_t)(address >> 8));
    crtc(0x0d, (uint8_t)address);
}

static void show_mode_x(void)
{
    uint16_t page = 240 * MODE_X_PITCH, spare = 2 * 240 * MODE_X_PITCH;
    uint8_t seen;

    set_mode_x();
    for (unsigned y = 0; y < 240; y++) {
        for (unsigned x = 0; x < 320; x++)
            pixel_x(0, x, y, (uint8_t)(x + y * y / 64));
    }
    graphics(4, 2);
    seen = peek(0xa000, 5 * MODE_X_PITCH + 10);
    check(seen == (uint8_t)(42 + 25 / 64), "the_read_map_selects_a_plane", seen);
    scene("modex");

    /* A page of bars four pixels wide, one plane mask at a time; then flips, the last one to that page. */
    for (unsigned mask = 1; mask < 16; mask++) {
        sequencer(2, (uint8_t)mask);
        for (unsigned y = 16 * mask - 16; y < 16 * mask; y++) {
            for (unsigned x = 0; x < MODE_X_PITCH; x++)
                poke(0xa000, (uint16_t)(page + y * MODE_X_PITCH + x), (uint8_t)(32 + mask * 8 + x % 8));
        }
    }
    for (unsigned i = 0; i < 5; i++)
        start_at(i & 1 ? 0 : page);
    scene("modex-flip");

    /* Latch copies: 64x64 pixels of page 0 into a grid on the spare page, four pixels per byte moved. */
    sequencer(2, 0x0f);
    graphics(5, 0x41); /* 256 colours, write mode 1 */
    for (unsigned tile = 0; tile < 12; tile++) {
        for (unsigned y = 0; y < 64; y++) {
            for (unsigned x = 0; x < 16; x++)
                poke(0xa000, (uint16_t)(spare + (tile / 4 * 72 + y) * MODE_X_PITCH + tile % 4 * 20 + x),
                     peek(0xa000, (uint16_t)((y + tile * 10) * MODE_X_PITCH + x + tile)));
        }
    }
    graphics(5, 0x40);
    start_at(spare);
    scene("modex-latch");

    /* Split screen: from line 160 (of 240) on, memory from 0. */
    start_at(page);
    crtc(0x18, 319 & 0xff);
    crtc(0x07, 0x3e | 0x10);
    crtc(0x09, 0x41 & ~0x40);
    scene("modex-split");
}

/* ---- mode 12h ---- */

static void poke_latched(uint16_t at, uint8_t value)
{
    (void)peek(0xa000, at); /* fills the latches */
    poke(0xa000, at, value);
}

static void bar(unsigned row, void (*put)(uint16_t, uint8_t), uint8_t value)
{
    for (unsigned y = row * 40; y < row * 40 + 32; y++) {
        for (unsigned x = 4; x < 76; x++)
            put((uint16_t)(y * 80 + x), (uint8_t)(value + x * (y & 7)));
    }
}

static void show_write_modes(void)
{
    uint8_t seen;

    set_mode(0x12);
    for (unsigned plane = 0; plane < 4; plane++) { /* a background of diagonal stripes */
        sequencer(2, (uint8_t)(1 << plane));
        for (unsigned y = 0; y < 480; y++) {
            for (unsigned x = 0; x < 80; x++)
                poke(0xa000, (uint16_t)(y * 80 + x), (uint8_t)((0xf0f0 >> ((y + 2 * plane * x) & 7)) & 0xff));
        }
    }
    sequencer(2, 0x0f);
    bar(0, poke_latched, 0x35); /* write mode 0, plain */
    graphics(3, 3);             /* rotated */
    bar(1, poke_latched, 0x35);
    graphics(3, 0x08); /* AND, OR, XOR with the latches */
    bar(2, poke_latched, 0x55);
    graphics(3, 0x10);
    bar(3, poke_latched, 0x11);
    graphics(3, 0x18);
    bar(4, poke_latched, 0xff);
    graphics(3, 0);
    graphics(0, 0x06); /* set/reset on planes 0 to 2 */
    graphics(1, 0x07);
    graphics(8, 0x3c); /* bit mask */
    bar(5, poke_latched, 0xa0);
    graphics(1, 0);
    graphics(8, 0xff);
    graphics(5, 1); /* write mode 1: the latches as they are */
    for (unsigned i = 0; i < 32 * 80; i++)
        poke(0xa000, (uint16_t)(6 * 40 * 80 + i), peek(0xa000, (uint16_t)(40 * 80 + i)));
    graphics(5, 2); /* write mode 2: a colour per byte, through the bit mask */
    for (unsigned bit = 0; bit < 8; bit++) {
        graphics(8, (uint8_t)(0x80 >> bit));
        bar(7, poke_latched, (uint8_t)(bit * 3));
    }
    graphics(5, 3); /* write mode 3: the byte is a mask for set/reset */
    graphics(8, 0x7e);
    graphics(0, 0x0d);
    bar(8, poke_latched, 0x5a);
    graphics(8, 0xff);
    graphics(5, 0x08); /* read mode 1: where is colour 5, planes 0 and 2 compared */
    sequencer(2, 0x0f);
    graphics(0, 0x05);
    graphics(1, 0x0f);
    graphics(8, 0xc3);
    poke_latched(479 * 80, 0);
    graphics(0, 0x0a);
    graphics(8, 0x3c);
    poke_latched(479 * 80, 0);
    graphics(8, 0xff);
    graphics(2, 0x05);
    graphics(7, 0x0f);
    seen = peek(0xa000, 479 * 80);
    check(seen == 0xc3, "read_mode_1_finds_a_colour", seen);
    graphics(2, 0x00);
    graphics(7, 0x01);
    seen = peek(0xa000, 479 * 80);
    check(seen == 0x3c, "read_mode_1_compares_the_planes_that_care", seen);
    graphics(7, 0x00);
    seen = peek(0xa000, 479 * 80);
    check(seen == 0xff, "read_mode_1_matches_all_if_none_cares", seen);
    graphics(5, 0);
    graphics(1, 0);
    attribute(0x05, 0x3c); /* the palette of 16 among 64 */
    attribute(0x0a, 0x17);
    scene("mode12");
    attribute(0x12, 0x0b); /* plane 2 is not shown */
    scene("mode12-planes");
}

/* ---- scrolling ---- */

/* A picture of 16 colours wider than the screen; `left`: which of its pixels is the first in a row. */
static void wide_picture(unsigned left, unsigned pitch)
{
    for (unsigned plane = 0; plane < 4; plane++) {
        sequencer(2, (uint8_t)(1 << plane));
        for (unsigned y = 0; y < 220; y++) {
            for (unsigned x = 0; x < pitch; x++) {
                uint8_t byte = 0;

                for (unsigned bit = 0; bit < 8; bit++) {
                    unsigned at = left + x * 8 + bit;

                    byte = (uint8_t)(byte << 1 | (((at / 5 + y / 3) ^ (at * y >> 7)) >> plane & 1));
                }
                poke(0xa000, (uint16_t)(y * pitch + x), byte);
            }
        }
    }
    sequencer(2, 0x0f);
}

static void show_scrolling(void)
{
    set_mode(0x0d); /* 320x200, 16 colours, in a virtual screen of 512 */
    crtc(0x13, 32);
    wide_picture(0, 64);
    start_at(10 * 64 + 3);
    scene("scrolled");
    attribute(0x13, 5); /* and five pixels more */
    scene("panned");
    set_mode(0x0d); /* the same picture, drawn where panning showed it */
    crtc(0x13, 32);
    wide_picture(29, 64);
    start_at(10 * 64);
    scene("panned-drawn");
    say("same panned panned-drawn\n");
}

void show_planes(void)
{
    show_mode_x();
    show_write_modes();
    show_scrolling();
}

/* ---- VBE ---- */

static uint8_t vbe_info[512], vbe_mode[256]; /* what AX=4F00h and AX=4F01h fill in */

static uint16_t vbe(uint16_t ax, uint16_t bx, uint16_t cx, uint16_t dx)
{
    struct bios_regs r = {
        .eax = ax, .ebx = bx, .ecx = cx, .edx = dx, .edi = (uint32_t)(ax == 0x4f00 ? vbe_info : vbe_mode)};

    bios(0x10, &r);
    return (uint16_t)r.eax;
}

static uint16_t word_at(const uint8_t *at)
{
    return (uint16_t)(at[0] | at[1] << 8);
}

/* A mode's number by size and depth, or FFFF; its description is in vbe_mode. */
static uint16_t find_mode(unsigned width, unsigned height, unsigned depth)
{
    uint16_t offset, segment;

    vbe(0x4f00, 0, 0, 0);
    offset = word_at(vbe_info + 14);
    segment = word_at(vbe_info + 16);
    for (;; offset += 2) {
        uint16_t mode = peek_word(segment, offset);

        if (mode == 0xffff)
            return mode;
        if (vbe(0x4f01, 0, mode, 0) == 0x004f && word_at(vbe_mode + 18) == width && word_at(vbe_mode + 20) == height &&
            vbe_mode[25] == depth && (vbe_mode[0] & 1))
            return mode;
    }
}

static void show_banked(void)
{
    uint16_t mode = find_mode(640, 480, 8), bank = 0xffff;

    check(mode != 0xffff && vbe(0x4f02, mode, 0, 0) == 0x004f, "vbe_sets_640x480x8", mode);
    for (uint32_t at = 0; at < 640 * 480; at++) {
        if (bank != at >> 16) {
            bank = (uint16_t)(at >> 16);
            vbe(0x4f05, 0, 0, bank);
        }
        poke(0xa000, (uint16_t)at, (uint8_t)(at % 640 / 5 + at / 640));
    }
    scene("vbe8");
}

static void show_linear(void)
{
    uint16_t mode = find_mode(640, 480, 32);
    uint32_t frame = (uint32_t)word_at(vbe_mode + 42) << 16 | word_at(vbe_mode + 40);

    check(mode != 0xffff && vbe(0x4f02, mode | 0x4000, 0, 0) == 0x004f, "vbe_sets_640x480x32", mode);
    for (uint32_t y = 0; y < 600; y++) {
        cli();
        load_flat_fs();
        for (uint32_t x = 0; x < 640; x++)
            flat_write(frame + 4 * (y * 640 + x), (x * 255 / 639) << 16 | (y * 255 / 599) << 8 | ((x ^ y) & 255));
        sti();
    }
    scene("vbe32 direct");
    check(vbe(0x4f07, 0, 0, 100) == 0x004f, "vbe_moves_the_start", 0);
    scene("vbe32-scrolled direct");
    set_mode(3);
}

void show_vbe(void)
{
    check(vbe(0x4f00, 0, 0, 0) == 0x004f && vbe_info[0] == 'V' && vbe_info[3] == 'A', "vbe_is_there", vbe_info[0]);
    show_banked();
    show_linear();
}
