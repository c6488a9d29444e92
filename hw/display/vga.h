/* VGA with the Bochs VBE extensions (PCI 1234:1111): registers, memory aperture, linear frame buffer, pictures. */
#ifndef HW_DISPLAY_VGA_H
#define HW_DISPLAY_VGA_H

#include <stdbool.h>
#include <stdint.h>

#include "hw/core/bus.h"
#include "hw/core/clock.h"
#include "hw/core/state.h"
#include "hw/pci/pci.h"

#define VGA_MEMORY_BYTES (16u << 20)

struct vga;

extern const struct bus_ops vga_ports;       /* 48 ports at 3B0 */
extern const struct bus_ops vga_dispi_ports; /* 4 ports at 1CE */
extern const struct bus_ops vga_aperture;    /* 128 KiB of memory at A0000 */

/* NULL when out of memory. Retrace and blinking follow `clock`. */
struct vga *vga_create(struct clock *clock);
void vga_destroy(struct vga *vga);
void vga_reset(struct vga *vga);
const struct state_desc *vga_state(void);
void vga_after_load(struct vga *vga);

/* Gives the card its PCI side: frame buffer BAR 0, register BAR 2 and the option ROM, whose bytes stay the caller's.
 * False if the slot is taken. Reset the card afterwards. */
bool vga_attach_pci(struct vga *vga, struct pci_bus *pci, unsigned slot, const uint8_t *rom, uint32_t rom_len_bytes);

/* What a guest would read at `offset` of the memory aperture, without filling the latches. For the monitor. */
uint8_t vga_peek(struct vga *vga, uint32_t offset);

/* ---- pictures ---- */

enum vga_picture_kind { VGA_BLANK, VGA_TEXT, VGA_GRAPHICS };

struct vga_picture {
    enum vga_picture_kind kind;
    unsigned width, height;                       /* pixels; never 0 */
    unsigned columns, rows;                       /* text: characters */
    unsigned cell_width, cell_height;             /* text: pixels */
    unsigned cursor_column, cursor_row;           /* text: beyond columns, rows when not on the screen */
    bool cursor_is_enabled;                       /* not counting the blinking */
    unsigned cursor_first_line, cursor_last_line; /* of the cell */
};

/* What the registers say is on the screen now. */
struct vga_picture vga_picture(const struct vga *vga);
/* True if the picture may have changed since the last call (memory, registers, a blink). */
bool vga_take_changes(struct vga *vga);
/* The text screen, row after row: characters in the low bytes, attributes in the high bytes. Writes at most `n_cells`
 * cells; returns how many there are, 0 when the screen is not in text mode. */
unsigned vga_text(const struct vga *vga, uint16_t *cells, unsigned n_cells);
/* The same as lines of CP437 text, trailing spaces removed, for tests: zero-terminated, at most `size` bytes with the
 * zero. */
void vga_text_lines(const struct vga *vga, char *out, unsigned size);
/* Draws the picture, 00RRGGBB per pixel, clipped to width x height; rows are `stride` pixels apart. Parts of the area
 * that the picture does not cover become black. */
void vga_render(const struct vga *vga, uint32_t *xrgb, unsigned width, unsigned height, unsigned stride);

#endif
