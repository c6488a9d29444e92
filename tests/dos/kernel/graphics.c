/* Mode 13h and its animation, palette, CGA modes. */
#include "dos.h"

static uint8_t pattern(unsigned x, unsigned y)
{
    return (uint8_t)((x ^ y) + (x * y >> 6));
}

static void fill_13h(void)
{
    for (unsigned y = 0; y < 200; y++) {
        for (unsigned x = 0; x < 320; x++)
            poke(0xa000, (uint16_t)(y * 320 + x), pattern(x, y));
    }
}

static void set_colour(uint8_t index, uint8_t red, uint8_t green, uint8_t blue)
{
    outb(0x3c8, index);
    outb(0x3c9, red);
    outb(0x3c9, green);
    outb(0x3c9, blue);
}

/* A ball drawn from a shape table; what it covers is kept and put back, frame by frame in the retrace. */
#define BALL 24

static void animate(unsigned n_frames)
{
    static uint8_t under[BALL * BALL];
    int x = 10, y = 20, dx = 5, dy = 3;

    for (unsigned frame = 0; frame < n_frames; frame++) {
        if (frame) {
            for (int i = 0; i < BALL * BALL; i++)
                poke(0xa000, (uint16_t)((y + i / BALL) * 320 + x + i % BALL), under[i]);
        }
        x += dx;
        y += dy;
        if (x < 0 || x > 320 - BALL) {
            dx = -dx;
            x += 2 * dx;
        }
        if (y < 0 || y > 200 - BALL) {
            dy = -dy;
            y += 2 * dy;
        }
        for (int i = 0; i < BALL * BALL; i++) {
            int u = i % BALL * 2 - BALL + 1, v = i / BALL * 2 - BALL + 1;
            uint16_t at = (uint16_t)((y + i / BALL) * 320 + x + i % BALL);

            under[i] = peek(0xa000, at);
            if (u * u + v * v < BALL * BALL)
                poke(0xa000, at, (uint8_t)(32 + (u * u + v * v) * 23 / (BALL * BALL)));
        }
        wait_for_retraces(1);
    }
}

static void fade(unsigned n_steps)
{
    for (unsigned step = 1; step <= n_steps; step++) {
        wait_for_retraces(1);
        for (unsigned i = 0; i < 256; i++) {
            uint8_t rgb[3];

            outb(0x3c7, (uint8_t)i);
            for (unsigned j = 0; j < 3; j++)
                rgb[j] = inb(0x3c9);
            set_colour((uint8_t)i, rgb[0] - (rgb[0] != 0), rgb[1] - (rgb[1] != 0), rgb[2] + (rgb[2] < 63));
        }
    }
}

/* Colours 0 to 1F again and again. */
static void repeat_colours(void)
{
    uint8_t rgb[3];

    for (unsigned i = 32; i < 256; i++) {
        outb(0x3c7, i & 31);
        for (unsigned j = 0; j < 3; j++)
            rgb[j] = inb(0x3c9);
        set_colour((uint8_t)i, rgb[0], rgb[1], rgb[2]);
    }
}

static void check_palette(void)
{
    uint8_t red, green, blue;
    struct bios_regs r;

    set_colour(200, 1, 2, 0x3f);
    outb(0x3c7, 200);
    red = inb(0x3c9);
    green = inb(0x3c9);
    blue = inb(0x3c9);
    check(red == 1 && green == 2 && blue == 63, "a_colour_reads_back",
          (uint32_t)red << 16 | (uint32_t)green << 8 | blue);
    r = (struct bios_regs){.eax = 0x1015, .ebx = 200};
    bios(0x10, &r);
    check((r.edx >> 8 & 0xff) == 1 && (r.ecx & 0xffff) == 0x023f, "int10_1015_reads_the_colour", r.ecx);
    check(inb(0x3c7) == 3, "the_dac_says_it_is_read", inb(0x3c7));
    outb(0x3c8, 0);
    check(inb(0x3c7) == 0, "the_dac_says_it_is_written", inb(0x3c7));
}

static void show_cga(void)
{
    set_mode(4);
    for (unsigned y = 0; y < 200; y++) {
        for (unsigned x = 0; x < 80; x++)
            poke(0xb800, (uint16_t)((y & 1) * 0x2000 + y / 2 * 80 + x), (uint8_t)(x * y / 9 + x));
    }
    scene("cga4");
    set_mode(6);
    for (unsigned y = 0; y < 200; y++) {
        for (unsigned x = 0; x < 80; x++)
            poke(0xb800, (uint16_t)((y & 1) * 0x2000 + y / 2 * 80 + x), (uint8_t)(x * 3 ^ y * 5));
    }
    scene("cga2");
}

void show_graphics(void)
{
    set_mode(0x13);
    fill_13h();
    for (unsigned i = 0; i < 16; i++) /* the BIOS draws into the same screen */
        video((uint16_t)(0x0c00 | (i + 16)), 0, (uint16_t)(100 + i), 100);
    video(0x0200, 0, 0, 5 << 8 | 10);
    video(0x0900 | 'M', 0x0f, 3, 0);
    check((video(0x0d00, 0, 101, 100) & 0xff) == 17, "int10_0d_reads_a_pixel", video(0x0d00, 0, 101, 100));
    check_palette();
    scene("mode13");
    animate(90);
    scene("mode13-animation");
    fade(24);
    scene("mode13-fade");
    outb(0x3c6, 0x1f); /* the PEL mask leaves 32 colours */
    scene("mode13-mask");
    outb(0x3c6, 0xff);
    repeat_colours(); /* the same by way of the palette */
    scene("mode13-mask-drawn");
    say("same mode13-mask mode13-mask-drawn\n");
    set_mode(0x13);
    for (unsigned i = 0; i < 256; i++) /* a palette of our own */
        set_colour((uint8_t)i, (uint8_t)(i >> 2), (uint8_t)(63 - (i >> 2)), (uint8_t)(i & 63));
    fill_13h();
    crtc(0x0c, 0x05); /* the picture starts in line 16 */
    crtc(0x0d, 0x00);
    scene("mode13-scrolled");
    show_cga();
}
