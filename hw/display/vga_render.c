/*
 * VGA pictures: what a monitor would show for the registers and memory as they are now. Source: IBM PS/2 Hardware
 * Interface Technical Reference, "Video Subsystem": CRT controller addressing, attribute controller, character
 * generator. Deviates: drawn at one instant, so changes between scan lines (split palettes, raster bars) do not show;
 * overscan is not drawn; lines that only repeat the one above are drawn once.
 */
#include "hw/display/vga_internal.h"

#include <string.h>

#define BLANK_WIDTH  640
#define BLANK_HEIGHT 480

struct canvas {
    uint32_t *xrgb;
    unsigned width, height, stride;
};

/* ---- palette ---- */

static uint32_t dac_colour(const struct vga *vga, uint8_t index)
{
    const uint8_t *c = vga->dac + 3 * (index & vga->dac_mask);
    uint8_t rgb[3];

    for (unsigned i = 0; i < 3; i++)
        rgb[i] = vga->dispi[DISPI_ENABLE] & DISPI_ENABLE_8BIT_DAC
                     ? c[i]
                     : (uint8_t)((c[i] & 0x3f) << 2 | (c[i] & 0x3f) >> 4); /* 63 becomes 255 */
    return (uint32_t)rgb[0] << 16 | (uint32_t)rgb[1] << 8 | rgb[2];
}

/* The sixteen colours behind the attribute controller's palette. */
static void load_palette_16(const struct vga *vga, uint32_t colour[16])
{
    for (unsigned i = 0; i < 16; i++) {
        unsigned index = vga->attr[i] & 0x3f, select = vga->attr[ATTR_COLOR_SELECT];

        if (vga->attr[ATTR_MODE] & ATTR_MODE_P54_SELECT)
            index = (index & 0x0f) | (select & 0x3) << 4;
        colour[i] = dac_colour(vga, (uint8_t)(index | (select & 0xc) << 4));
    }
}

static void load_palette_256(const struct vga *vga, uint32_t colour[256])
{
    for (unsigned i = 0; i < 256; i++)
        colour[i] = dac_colour(vga, (uint8_t)i);
}

/* ---- what is on the screen ---- */

static unsigned row_scans(const struct vga *vga)
{
    return (vga->crtc[CRTC_MAXIMUM_SCAN_LINE] & 0x1f) + 1u;
}

static bool is_double_scan(const struct vga *vga)
{
    return vga->crtc[CRTC_MAXIMUM_SCAN_LINE] & CRTC_MAXIMUM_DOUBLE_SCAN;
}

/* Do row scans address memory (CGA and Hercules layouts), so that each scan line of a row differs? */
static bool row_scan_addresses(const struct vga *vga)
{
    unsigned both = CRTC_MODE_ROW_SCAN_0 | CRTC_MODE_ROW_SCAN_1;

    return (vga->crtc[CRTC_MODE] & both) != both;
}

/* How many scan lines show the same picture line. */
static unsigned scan_repeat(const struct vga *vga)
{
    unsigned repeat = is_double_scan(vga) ? 2 : 1;

    if ((vga->gc[GC_MISC] & GC_MISC_GRAPHICS) && !row_scan_addresses(vga))
        repeat *= row_scans(vga);
    return repeat;
}

static uint32_t start_address(const struct vga *vga)
{
    return (uint32_t)vga->crtc[CRTC_START_HIGH] << 8 | vga->crtc[CRTC_START_LOW];
}

/* The offset register counts two characters (of whatever size the addressing has). */
static uint32_t row_pitch(const struct vga *vga)
{
    return 2u * vga->crtc[CRTC_OFFSET];
}

static bool is_blank(const struct vga *vga)
{
    return !(vga->attr_index & ATTR_INDEX_PAS) || (vga->seq[SEQ_CLOCKING_MODE] & SEQ_CLOCKING_SCREEN_OFF) ||
           vga->crtc[CRTC_HORIZONTAL_DISPLAY_END] == 0;
}

static unsigned max_unsigned(unsigned a, unsigned b)
{
    return a > b ? a : b;
}

struct vga_picture vga_picture(const struct vga *vga)
{
    struct vga_picture p = {.kind = VGA_GRAPHICS};
    unsigned characters = vga->crtc[CRTC_HORIZONTAL_DISPLAY_END] + 1u;
    unsigned lines = max_unsigned(vga_display_lines(vga) / scan_repeat(vga), 1);

    if (vbe_is_on(vga)) {
        p.width = vga->dispi[DISPI_XRES];
        p.height = vga->dispi[DISPI_YRES];
        if (!(vga->attr_index & ATTR_INDEX_PAS))
            p.kind = VGA_BLANK;
    } else if (is_blank(vga)) {
        p.kind = VGA_BLANK;
        p.width = BLANK_WIDTH;
        p.height = BLANK_HEIGHT;
    } else if (vga->gc[GC_MISC] & GC_MISC_GRAPHICS) {
        p.width = characters * (vga->gc[GC_MODE] & GC_MODE_SHIFT_256 ? 4 : 8);
        p.height = lines;
    } else {
        uint32_t cursor = (uint32_t)vga->crtc[CRTC_CURSOR_HIGH] << 8 | vga->crtc[CRTC_CURSOR_LOW];
        uint32_t from_start = (cursor - start_address(vga)) & 0xffff, pitch = max_unsigned(row_pitch(vga), 1);

        p.kind = VGA_TEXT;
        p.cell_width = vga->seq[SEQ_CLOCKING_MODE] & SEQ_CLOCKING_8_DOTS ? 8 : 9;
        p.cell_height = row_scans(vga);
        p.columns = characters;
        p.rows = max_unsigned(lines / p.cell_height, 1);
        p.width = p.columns * p.cell_width;
        p.height = lines;
        p.cursor_column = from_start % pitch;
        p.cursor_row = from_start / pitch;
        p.cursor_is_enabled = !(vga->crtc[CRTC_CURSOR_START] & CRTC_CURSOR_START_OFF);
        p.cursor_first_line = vga->crtc[CRTC_CURSOR_START] & 0x1f;
        p.cursor_last_line = vga->crtc[CRTC_CURSOR_END] & 0x1f;
    }
    return p;
}

/* The cursor changes every 8 frames, characters every 16. */
int64_t vga_blink_phase(const struct vga *vga)
{
    return clock_now_ns(vga->clock) / (8 * vga_timing(vga).frame_ns);
}

bool vga_take_changes(struct vga *vga)
{
    bool has_changed = vga->has_changed;
    bool blinks = !vbe_is_on(vga) && !(vga->gc[GC_MISC] & GC_MISC_GRAPHICS);
    int64_t phase = blinks ? vga_blink_phase(vga) : 0;

    if (phase != vga->shown_blink)
        has_changed = true;
    vga->shown_blink = phase;
    vga->has_changed = false;
    return has_changed;
}

/* ---- text ---- */

static const uint8_t *cell_at(const struct vga *vga, uint32_t address)
{
    return vga->memory + 4 * (address & 0xffff);
}

unsigned vga_text(const struct vga *vga, uint16_t *cells, unsigned n_cells)
{
    struct vga_picture p = vga_picture(vga);
    unsigned n = 0;

    if (p.kind != VGA_TEXT)
        return 0;
    for (unsigned row = 0; row < p.rows; row++) {
        for (unsigned column = 0; column < p.columns; column++, n++) {
            const uint8_t *cell = cell_at(vga, start_address(vga) + row * row_pitch(vga) + column);

            if (n < n_cells)
                cells[n] = (uint16_t)(cell[0] | cell[1] << 8);
        }
    }
    return n;
}

void vga_text_lines(const struct vga *vga, char *out, unsigned size)
{
    struct vga_picture p = vga_picture(vga);
    unsigned n = 0;

    if (size == 0)
        return;
    for (unsigned row = 0; p.kind == VGA_TEXT && row < p.rows; row++) {
        unsigned line = n;

        for (unsigned column = 0; column < p.columns; column++) {
            char c = (char)*cell_at(vga, start_address(vga) + row * row_pitch(vga) + column);

            if (n + 1 < size)
                out[n++] = c ? c : ' ';
        }
        while (n > line && out[n - 1] == ' ')
            n--;
        if (n + 1 < size)
            out[n++] = '\n';
    }
    out[n] = '\0';
}

struct text_style {
    uint32_t colour[16];
    uint32_t font[2]; /* byte offset in plane 2, by attribute bit 3 */
    bool blinks, is_blink_off, extends_graphics, cursor_shows;
    unsigned underline;
};

/* Character map select: bits scattered by history; each map is 8 KiB, the odd ones lie between. */
static uint32_t font_offset(unsigned select)
{
    return (select & 3) * 0x4000 + (select & 4 ? 0x2000 : 0);
}

static struct text_style text_style(const struct vga *vga)
{
    uint8_t maps = vga->seq[SEQ_CHARACTER_MAP];
    int64_t phase = vga_blink_phase(vga);
    struct text_style s = {
        .font = {font_offset((maps & 3) | (maps >> 4 & 1) << 2), font_offset((maps >> 2 & 3) | (maps >> 5 & 1) << 2)},
        .blinks = vga->attr[ATTR_MODE] & ATTR_MODE_BLINK,
        .is_blink_off = phase & 2,
        .extends_graphics = vga->attr[ATTR_MODE] & ATTR_MODE_LINE_GRAPHICS,
        .cursor_shows = !(phase & 1),
        .underline = vga->crtc[CRTC_UNDERLINE] & 0x1f,
    };

    load_palette_16(vga, s.colour);
    return s;
}

/* One scan line of one character cell, leftmost dot first, cell_width dots. */
static void draw_cell_line(const struct vga *vga, const struct text_style *s, const uint8_t *cell, unsigned scan,
                           unsigned cell_width, bool is_cursor, uint32_t dots[9])
{
    uint8_t character = cell[0], attribute = cell[1];
    uint32_t glyph_at = s->font[attribute >> 3 & 1] + character * 32u + (scan & 31);
    uint8_t glyph = vga->memory[4 * (glyph_at & 0xffff) + 2];
    unsigned foreground = attribute & 0xf, background = attribute >> 4;
    uint32_t on, off;

    if (s->blinks) {
        if ((background & 8) && s->is_blink_off)
            glyph = 0;
        background &= 7;
    }
    if (scan == s->underline && (attribute & 0x07) == 1 && (attribute & 0x70) == 0)
        glyph = 0xff; /* a monochrome attribute that shows as underlined; colour text sets the line out of reach */
    if (is_cursor)
        glyph = 0xff;
    on = s->colour[foreground];
    off = s->colour[background];
    for (unsigned i = 0; i < 8; i++)
        dots[i] = glyph >> (7 - i) & 1 ? on : off;
    if (cell_width == 9) {
        bool extends = is_cursor || (s->extends_graphics && character >= 0xc0 && character <= 0xdf);

        dots[8] = extends ? dots[7] : off;
    }
}

/* The CRT side of a picture line: which row and row scan it shows, from which address on. */
struct raster {
    uint32_t address; /* of the row's first character */
    unsigned scan;    /* row scan counter */
    unsigned panning; /* pixels dropped on the left */
};

static unsigned line_compare(const struct vga *vga)
{
    return vga->crtc[CRTC_LINE_COMPARE] | (vga->crtc[CRTC_OVERFLOW] & CRTC_OVERFLOW_LINE_COMPARE ? 0x100u : 0) |
           (vga->crtc[CRTC_MAXIMUM_SCAN_LINE] & CRTC_MAXIMUM_LINE_COMPARE ? 0x200u : 0);
}

/* `line` counts real scan lines. After the line compare the counters start again from address 0. */
static struct raster raster_at(const struct vga *vga, unsigned line)
{
    unsigned compare = line_compare(vga), scans = row_scans(vga);
    bool is_split = line > compare;
    unsigned count = is_split ? line - compare - 1 : line;
    struct raster r = {.panning = vga->attr[ATTR_PANNING]};

    if (is_double_scan(vga))
        count /= 2;
    if (is_split) {
        if (vga->attr[ATTR_MODE] & ATTR_MODE_PANNING_SPLIT)
            r.panning = 0;
    } else {
        count += vga->crtc[CRTC_PRESET_ROW_SCAN] & 0x1f;
        r.address = start_address(vga) + (vga->crtc[CRTC_PRESET_ROW_SCAN] >> 5 & 3);
    }
    r.address += count / scans * row_pitch(vga);
    r.scan = count % scans;
    return r;
}

/* Panning in text: 8 means none with 9-dot cells, else the value counts dots (plus one with 9-dot cells). */
static unsigned text_panning(unsigned panning, unsigned cell_width)
{
    if (cell_width == 9)
        return panning >= 8 ? 0 : panning + 1;
    return panning & 7;
}

static void render_text(const struct vga *vga, const struct vga_picture *p, const struct canvas *canvas)
{
    struct text_style style = text_style(vga);
    uint32_t cursor = (uint32_t)vga->crtc[CRTC_CURSOR_HIGH] << 8 | vga->crtc[CRTC_CURSOR_LOW];
    unsigned repeat = scan_repeat(vga);

    for (unsigned y = 0; y < canvas->height && y < p->height; y++) {
        struct raster r = raster_at(vga, y * repeat);
        uint32_t *out = canvas->xrgb + (size_t)y * canvas->stride;
        unsigned skip = text_panning(r.panning, p->cell_width), x = 0;
        bool cursor_line = p->cursor_is_enabled && style.cursor_shows && r.scan >= p->cursor_first_line &&
                           r.scan <= p->cursor_last_line;

        for (unsigned column = 0; column <= p->columns; column++) {
            uint32_t address = (r.address + column) & 0xffff, dots[9];

            draw_cell_line(vga, &style, cell_at(vga, address), r.scan, p->cell_width, cursor_line && address == cursor,
                           dots);
            for (unsigned i = column == 0 ? skip : 0; i < p->cell_width; i++, x++) {
                if (x < canvas->width && x < p->width)
                    out[x] = dots[i];
            }
        }
    }
}

/* ---- VGA graphics ---- */

/* The four plane bytes that the CRTC's counter fetches in a row scan. */
static const uint8_t *fetch(const struct vga *vga, uint32_t counter, unsigned scan)
{
    uint8_t mode = vga->crtc[CRTC_MODE];
    unsigned bit = mode & CRTC_MODE_BYTE ? 13 : 12; /* address bit 13 is counter bit 12 once words are counted */

    if (!(mode & CRTC_MODE_ROW_SCAN_0))
        counter = (counter & ~(1u << bit)) | (scan & 1) << bit;
    if (!(mode & CRTC_MODE_ROW_SCAN_1))
        counter = (counter & ~(2u << bit)) | (scan >> 1 & 1) << (bit + 1);
    return vga->memory + 4 * (counter & 0xffff);
}

static void expand_planar(const uint8_t planes[4], uint8_t pixels[8])
{
    for (unsigned i = 0; i < 8; i++) {
        unsigned bit = 7 - i;

        pixels[i] = (uint8_t)((planes[0] >> bit & 1) | (planes[1] >> bit & 1) << 1 | (planes[2] >> bit & 1) << 2 |
                              (planes[3] >> bit & 1) << 3);
    }
}

/* CGA: two bits per pixel, even planes first; planes 2 and 3 supply the upper bits. */
static void expand_interleaved(const uint8_t planes[4], uint8_t pixels[8])
{
    for (unsigned i = 0; i < 8; i++) {
        unsigned plane = i / 4, shift = 6 - 2 * (i % 4);

        pixels[i] = (uint8_t)((planes[plane] >> shift & 3) | (planes[plane + 2] >> shift & 3) << 2);
    }
}

static void render_16(const struct vga *vga, const struct vga_picture *p, const struct canvas *canvas)
{
    bool is_interleaved = vga->gc[GC_MODE] & GC_MODE_SHIFT_INTERLEAVED;
    unsigned repeat = scan_repeat(vga), enable = vga->attr[ATTR_PLANE_ENABLE] & 0xf;
    uint32_t colour[16];

    load_palette_16(vga, colour);
    for (unsigned y = 0; y < canvas->height && y < p->height; y++) {
        struct raster r = raster_at(vga, y * repeat);
        uint32_t *out = canvas->xrgb + (size_t)y * canvas->stride;
        unsigned skip = r.panning & 7, x = 0;

        for (unsigned column = 0; column <= p->width / 8; column++) {
            const uint8_t *planes = fetch(vga, r.address + column, r.scan);
            uint8_t pixels[8];

            if (is_interleaved)
                expand_interleaved(planes, pixels);
            else
                expand_planar(planes, pixels);
            for (unsigned i = column == 0 ? skip : 0; i < 8; i++, x++) {
                if (x < canvas->width && x < p->width)
                    out[x] = colour[pixels[i] & enable];
            }
        }
    }
}

static void render_256(const struct vga *vga, const struct vga_picture *p, const struct canvas *canvas)
{
    unsigned repeat = scan_repeat(vga);
    uint32_t colour[256];

    load_palette_256(vga, colour);
    for (unsigned y = 0; y < canvas->height && y < p->height; y++) {
        struct raster r = raster_at(vga, y * repeat);
        uint32_t *out = canvas->xrgb + (size_t)y * canvas->stride;
        unsigned skip = (r.panning & 7) / 2;

        for (unsigned x = 0; x < canvas->width && x < p->width; x++) {
            unsigned at = x + skip;

            out[x] = colour[fetch(vga, r.address + at / 4, r.scan)[at % 4]];
        }
    }
}

/* ---- VBE ---- */

static uint32_t scale_5(unsigned value)
{
    return value << 3 | value >> 2;
}

static uint32_t scale_6(unsigned value)
{
    return value << 2 | value >> 4;
}

/* One pixel of a direct-colour or 8-bit mode. */
static uint32_t vbe_pixel(const uint8_t *at, unsigned bpp, const uint32_t colour[256])
{
    unsigned word;

    switch (bpp) {
    case 15:
        word = at[0] | at[1] << 8;
        return scale_5(word >> 10 & 0x1f) << 16 | scale_5(word >> 5 & 0x1f) << 8 | scale_5(word & 0x1f);
    case 16:
        word = at[0] | at[1] << 8;
        return scale_5(word >> 11 & 0x1f) << 16 | scale_6(word >> 5 & 0x3f) << 8 | scale_5(word & 0x1f);
    case 24:
    case 32:
        return (uint32_t)at[2] << 16 | (uint32_t)at[1] << 8 | at[0];
    default:
        return colour[at[0]];
    }
}

static void render_vbe(const struct vga *vga, const struct vga_picture *p, const struct canvas *canvas)
{
    unsigned bpp = vga->dispi[DISPI_BPP], pixel_bytes = (bpp + 7) / 8;
    uint32_t line_bytes = vbe_line_bytes(vga), start = vbe_start(vga), colour[256];
    unsigned width = canvas->width < p->width ? canvas->width : p->width;

    load_palette_256(vga, colour);
    for (unsigned y = 0; y < canvas->height && y < p->height; y++) {
        uint64_t line = start + (uint64_t)y * line_bytes;
        uint32_t *out = canvas->xrgb + (size_t)y * canvas->stride;

        for (unsigned x = 0; x < width && line + (x + 1ull) * pixel_bytes <= VGA_MEMORY_BYTES; x++)
            out[x] = vbe_pixel(vga->memory + line + (size_t)x * pixel_bytes, bpp, colour);
    }
}

static void render_vbe_16(const struct vga *vga, const struct vga_picture *p, const struct canvas *canvas)
{
    uint32_t line_bytes = vbe_line_bytes(vga), colour[16];
    unsigned first = vga->dispi[DISPI_X_OFFSET];
    uint32_t start = vga->dispi[DISPI_Y_OFFSET] * line_bytes;

    load_palette_16(vga, colour);
    for (unsigned y = 0; y < canvas->height && y < p->height; y++) {
        uint32_t *out = canvas->xrgb + (size_t)y * canvas->stride;

        for (unsigned x = 0; x < canvas->width && x < p->width; x++) {
            uint32_t at = start + y * line_bytes + (first + x) / 8 * 4;
            uint8_t pixels[8];

            if (at > VGA_MEMORY_BYTES - 4)
                break;
            expand_planar(vga->memory + at, pixels);
            out[x] = colour[pixels[(first + x) % 8] & vga->attr[ATTR_PLANE_ENABLE] & 0xf];
        }
    }
}

void vga_render(const struct vga *vga, uint32_t *xrgb, unsigned width, unsigned height, unsigned stride)
{
    struct vga_picture p = vga_picture(vga);
    struct canvas canvas = {.xrgb = xrgb, .width = width, .height = height, .stride = stride};

    if (p.kind == VGA_BLANK || p.width < width || p.height < height) {
        for (unsigned y = 0; y < height; y++)
            memset(xrgb + (size_t)y * stride, 0, width * sizeof *xrgb);
    }
    if (p.kind == VGA_BLANK)
        return;
    if (vbe_is_on(vga) && vga->dispi[DISPI_BPP] == 4)
        render_vbe_16(vga, &p, &canvas);
    else if (vbe_is_on(vga))
        render_vbe(vga, &p, &canvas);
    else if (p.kind == VGA_TEXT)
        render_text(vga, &p, &canvas);
    else if (vga->gc[GC_MODE] & GC_MODE_SHIFT_256)
        render_256(vga, &p, &canvas);
    else
        render_16(vga, &p, &canvas);
}
