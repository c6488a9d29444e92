/* Text modes through INT 10h and through B800. The cursor is off and bit 7 means bright: nothing blinks in a picture.
 */
#include "dos.h"

static void still_mode(uint16_t mode)
{
    set_mode(mode);
    video(0x1003, 0, 0, 0);
    video(0x0100, 0, 0x2000, 0);
}

static void cell(unsigned columns, unsigned row, unsigned column, uint8_t character, uint8_t colour)
{
    poke_word(0xb800, (uint16_t)(2 * (row * columns + column)), (uint16_t)(colour << 8 | character));
}

static void text_at(unsigned columns, unsigned row, unsigned column, const char *text, uint8_t colour)
{
    while (*text)
        cell(columns, row, column++, (uint8_t)*text++, colour);
}

static void print(const char *text)
{
    for (; *text; text++)
        video((uint16_t)(0x0e00 | (uint8_t)*text), 7, 0, 0);
}

static uint16_t cursor(void)
{
    struct bios_regs r = {.eax = 0x0300};

    bios(0x10, &r);
    return (uint16_t)r.edx;
}

static void check_teletype(void)
{
    uint16_t crtc_cursor;

    still_mode(3);
    for (unsigned i = 0; i < 30; i++) {
        char number[] = {(char)('0' + i / 10), (char)('0' + i % 10), ' ', '\0'};

        print(number);
        print(i % 3 ? "teletype output scrolls\r\n"
                    : "a line that is longer than the screen is wide goes on in the next "
                      "row, and that counts too\r\n");
    }
    check(cursor() == 0x1800, "teletype_output_ends_in_the_last_row", cursor());
    check(peek(0xb800, 160 * 23) == '2' && peek(0xb800, 160 * 23 + 2) == '9', "the_screen_has_scrolled",
          peek(0xb800, 160 * 23));
    video(0x0600 | 3, 0x1f00, 10 << 8 | 20, 20 << 8 | 60); /* scroll a window up, fill it in blue */
    video(0x0700 | 2, 0x2e00, 2 << 8 | 5, 8 << 8 | 30);    /* and another one down */
    video(0x0200, 0, 0, 12 << 8 | 30);
    video(0x0900 | 'X', 0x4e, 10, 0);
    video(0x0200, 0, 0, 24 << 8 | 70);
    video(0x0a00 | 0xdb, 0, 10, 0);
    crtc_cursor = (uint16_t)(read_crtc(0x0e) << 8 | read_crtc(0x0f));
    check(crtc_cursor == 24 * 80 + 70, "the_crtc_knows_the_cursor", crtc_cursor);
    scene("teletype");
}

static void check_cells(void)
{
    static const char sentence[] = "written by INT 10h, AH=13h";
    struct bios_regs r = {
        .eax = 0x1301, .ebx = 0x0a, .ecx = sizeof sentence - 1, .edx = 2 << 8 | 4, .ebp = (uint32_t)sentence};
    uint16_t seen;

    still_mode(3);
    bios(0x10, &r);
    check(cursor() == (2 << 8 | (4 + sizeof sentence - 1)), "int10_13_moves_the_cursor", cursor());
    check(peek_word(0xb800, 2 * (2 * 80 + 4)) == (0x0a00 | 'w'), "int10_13_writes_cells",
          peek_word(0xb800, 2 * (2 * 80 + 4)));
    video(0x0200, 0, 0, 2 << 8 | 5);
    seen = video(0x0800, 0, 0, 0);
    check(seen == (0x0a00 | 'r'), "int10_08_reads_a_cell", seen);
    check((video(0x0f00, 0, 0, 0) & 0xff7f) == (80 << 8 | 3), "int10_0f_tells_the_mode", video(0x0f00, 0, 0, 0));
}

/* 8x16 glyphs of our own for two characters, by INT 10h AX=1100h. */
static void load_glyphs(void)
{
    static const uint8_t glyphs[32] = {
        0x00, 0x3c, 0x42, 0x81, 0xa5, 0x81, 0x81, 0xa5, 0x99, 0x81, 0x42, 0x3c, 0x00, 0x00, 0xff, 0x00,
        0xaa, 0x55, 0xaa, 0x55, 0xaa, 0x55, 0xaa, 0x55, 0xff, 0x81, 0x81, 0x81, 0x81, 0x81, 0xff, 0x00,
    };
    struct bios_regs r = {.eax = 0x1100, .ebx = 0x1000, .ecx = 2, .edx = 'A', .ebp = (uint32_t)glyphs};

    bios(0x10, &r);
}

/* Every character but B0-BF, whose ninth dot show_ninth_dot() is about. */
static uint8_t shape(unsigned number)
{
    uint8_t character = (uint8_t)number;

    return (character & 0xf0) == 0xb0 ? character ^ 0x60 : character;
}

/* Line graphics (C0-DF) alone repeat their eighth dot; for others the attribute controller's bit changes nothing. */
static void show_ninth_dot(void)
{
    still_mode(3);
    for (unsigned i = 0; i < 80 * 25; i++)
        cell(80, i / 80, i % 80, (uint8_t)(0xb0 + i % 16), 0x1e);
    attribute(0x10, 0x00);
    scene("ninth-dot-blank");
    attribute(0x10, 0x04);
    scene("ninth-dot");
    say("same ninth-dot ninth-dot-blank\n");
}

void show_text(void)
{
    still_mode(3);
    for (unsigned row = 0; row < 25; row++) {
        for (unsigned column = 0; column < 80; column++)
            cell(80, row, column, shape(row * 80 + column), (uint8_t)(row * 11 + column * 3));
    }
    text_at(80, 12, 20, " 80 by 25, all characters, all colours ", 0x1f);
    scene("text80");

    still_mode(1);
    sequencer(1, 0x09); /* 8 dots per character, dot clock halved */
    for (unsigned row = 0; row < 25; row++) {
        for (unsigned column = 0; column < 40; column++)
            cell(40, row, column, (uint8_t)(row * 40 + column), (uint8_t)(column * 7 + row));
    }
    text_at(40, 3, 10, " 40 by 25 ", 0x4e);
    scene("text40");

    show_ninth_dot();
    check_cells();
    check_teletype();

    still_mode(3);
    video(0x1112, 0, 0, 0); /* the 8x8 font: 50 rows */
    video(0x0100, 0, 0x2000, 0);
    for (unsigned row = 0; row < 50; row++) {
        for (unsigned column = 0; column < 80; column++)
            cell(80, row, column, (uint8_t)('!' + (row + column) % 90), (uint8_t)(1 + row % 15));
    }
    check(peek(0x40, 0x84) == 49, "the_bios_counts_50_rows", peek(0x40, 0x84));
    scene("text50");

    still_mode(3);
    load_glyphs();
    for (unsigned i = 0; i < 80 * 25; i++)
        cell(80, i / 80, i % 80, i % 3 == 0 ? 'A' : i % 3 == 1 ? 'B' : 'C', (uint8_t)(i / 80 + 1));
    crtc(0x0c, (3 * 80 + 40) >> 8); /* shown from the fourth row on, 40 columns in */
    crtc(0x0d, (3 * 80 + 40) & 0xff);
    scene("glyphs");
}
