/* Shared by vga.c (registers), vga_memory.c (aperture), vga_render.c (pictures) and vbe.c (dispi, PCI). */
#ifndef HW_DISPLAY_VGA_INTERNAL_H
#define HW_DISPLAY_VGA_INTERNAL_H

#include "hw/display/vga.h"

/* Registers as the IBM VGA and its successors' manuals name them; each bit below its register. */
enum vga_sequencer {
    SEQ_RESET = 0,
    SEQ_CLOCKING_MODE = 1,
    SEQ_CLOCKING_8_DOTS = 0x01,
    SEQ_CLOCKING_HALF = 0x08,
    SEQ_CLOCKING_SCREEN_OFF = 0x20,
    SEQ_MAP_MASK = 2,
    SEQ_CHARACTER_MAP = 3,
    SEQ_MEMORY_MODE = 4,
    SEQ_MEMORY_NOT_ODD_EVEN = 0x04,
    SEQ_MEMORY_CHAIN_4 = 0x08,
    SEQ_REGISTERS = 8,
};

enum vga_graphics {
    GC_SET_RESET = 0,
    GC_ENABLE_SET_RESET = 1,
    GC_COLOR_COMPARE = 2,
    GC_DATA_ROTATE = 3,
    GC_READ_MAP = 4,
    GC_MODE = 5,
    GC_MODE_READ_COMPARE = 0x08,
    GC_MODE_ODD_EVEN = 0x10,
    GC_MODE_SHIFT_INTERLEAVED = 0x20,
    GC_MODE_SHIFT_256 = 0x40,
    GC_MISC = 6,
    GC_MISC_GRAPHICS = 0x01,
    GC_COLOR_DONT_CARE = 7,
    GC_BIT_MASK = 8,
    GC_REGISTERS = 16,
};

enum vga_crtc {
    CRTC_HORIZONTAL_TOTAL = 0x00,
    CRTC_HORIZONTAL_DISPLAY_END = 0x01,
    CRTC_VERTICAL_TOTAL = 0x06,
    CRTC_OVERFLOW = 0x07,
    CRTC_OVERFLOW_LINE_COMPARE = 0x10,
    CRTC_PRESET_ROW_SCAN = 0x08,
    CRTC_MAXIMUM_SCAN_LINE = 0x09,
    CRTC_MAXIMUM_LINE_COMPARE = 0x40,
    CRTC_MAXIMUM_DOUBLE_SCAN = 0x80,
    CRTC_CURSOR_START = 0x0a,
    CRTC_CURSOR_START_OFF = 0x20,
    CRTC_CURSOR_END = 0x0b,
    CRTC_START_HIGH = 0x0c,
    CRTC_START_LOW = 0x0d,
    CRTC_CURSOR_HIGH = 0x0e,
    CRTC_CURSOR_LOW = 0x0f,
    CRTC_VERTICAL_RETRACE_START = 0x10,
    CRTC_VERTICAL_RETRACE_END = 0x11,
    CRTC_RETRACE_END_PROTECT = 0x80,
    CRTC_VERTICAL_DISPLAY_END = 0x12,
    CRTC_OFFSET = 0x13,
    CRTC_UNDERLINE = 0x14,
    CRTC_MODE = 0x17,
    CRTC_MODE_ROW_SCAN_0 = 0x01, /* clear: row scan bit 0 replaces address bit 13 */
    CRTC_MODE_ROW_SCAN_1 = 0x02,
    CRTC_MODE_BYTE = 0x40,
    CRTC_LINE_COMPARE = 0x18,
    CRTC_REGISTERS = 0x19,
};

enum vga_attribute {
    ATTR_MODE = 0x10,
    ATTR_MODE_LINE_GRAPHICS = 0x04,
    ATTR_MODE_BLINK = 0x08,
    ATTR_MODE_PANNING_SPLIT = 0x20,
    ATTR_MODE_256 = 0x40,
    ATTR_MODE_P54_SELECT = 0x80,
    ATTR_OVERSCAN = 0x11,
    ATTR_PLANE_ENABLE = 0x12,
    ATTR_PANNING = 0x13,
    ATTR_COLOR_SELECT = 0x14,
    ATTR_REGISTERS = 0x15,
    ATTR_INDEX_PAS = 0x20, /* palette address source: the screen is on, the palette locked */
};

enum vga_misc { MISC_COLOR = 0x01, MISC_RAM_ENABLE = 0x02, MISC_CLOCK = 0x0c };

enum vga_dispi {
    DISPI_ID,
    DISPI_XRES,
    DISPI_YRES,
    DISPI_BPP,
    DISPI_ENABLE,
    DISPI_ENABLE_ON = 0x01,
    DISPI_ENABLE_GETCAPS = 0x02,
    DISPI_ENABLE_8BIT_DAC = 0x20,
    DISPI_ENABLE_LFB = 0x40,
    DISPI_ENABLE_NO_CLEAR = 0x80,
    DISPI_BANK = 5,
    DISPI_VIRT_WIDTH,
    DISPI_VIRT_HEIGHT,
    DISPI_X_OFFSET,
    DISPI_Y_OFFSET,
    DISPI_VIDEO_MEMORY_64K,
    DISPI_REGISTERS,
    DISPI_MAX_XRES = 16000,
    DISPI_MAX_YRES = 12000,
    DISPI_MAX_BPP = 32,
};

enum vga_access { VGA_CHAIN_4, VGA_ODD_EVEN, VGA_PLANAR };

struct vga {
    /* Registers */
    uint8_t misc, feature;
    uint8_t seq_index, seq[SEQ_REGISTERS];
    uint8_t gc_index, gc[GC_REGISTERS];
    uint8_t crtc_index, crtc[CRTC_REGISTERS];
    uint8_t attr_index, attr[ATTR_REGISTERS];
    bool attr_expects_data;
    uint8_t dac_mask, dac_state, dac_read_index, dac_write_index, dac_component, dac_pending[2];
    uint8_t dac[256 * 3];
    uint32_t latch; /* plane 0 in the low byte */
    uint16_t dispi_index, dispi[DISPI_REGISTERS];
    struct pci_device pci;

    /* Derived from the registers by vga_update_aperture() */
    struct {
        enum vga_access access;
        uint32_t base, size; /* within A0000-BFFFF */
        uint32_t bank;       /* added to the offset, in bytes as the guest counts */
        uint32_t plane_wrap; /* mask for an address inside a plane */
        bool is_plain;       /* a written byte goes to memory as it is */
        bool is_linear;      /* and all planes are enabled, in chain-4: memory as the guest sees it */
    } aperture;
    bool has_changed;
    int64_t shown_blink; /* phase at the last vga_take_changes() */
    struct clock *clock;

    /* Byte `plane` of dword n is byte n of that plane; chain-4 and the frame buffer see the bytes in this order. */
    _Alignas(4096) uint8_t memory[VGA_MEMORY_BYTES];
};

/* ---- vga.c ---- */
/* Frame and display timing, from the CRTC or a plausible 60 Hz. */
struct vga_timing {
    int64_t frame_ns;
    unsigned lines, display_lines, retrace_start, retrace_end; /* scan lines */
    unsigned characters, display_characters;
};
struct vga_timing vga_timing(const struct vga *vga);
unsigned vga_display_lines(const struct vga *vga);
/* Registers at 3B0 + offset, for the register BAR too. */
uint8_t vga_read_port(struct vga *vga, uint32_t offset);
void vga_write_port(struct vga *vga, uint32_t offset, uint8_t value);

/* ---- vga_memory.c ---- */
void vga_update_aperture(struct vga *vga);

/* ---- vbe.c ---- */
extern const struct bus_ops vga_frame_buffer;
void vbe_reset(struct vga *vga);
void vbe_after_load(struct vga *vga);
static inline bool vbe_is_on(const struct vga *vga)
{
    return vga->dispi[DISPI_ENABLE] & DISPI_ENABLE_ON;
}
/* Bytes of memory from one scan line to the next (for 4 bits per pixel: over all planes). */
uint32_t vbe_line_bytes(const struct vga *vga);
/* Where the picture starts in memory, in bytes. */
uint32_t vbe_start(const struct vga *vga);

/* ---- vga_render.c ---- */
/* Counts the changes of the cursor's and the characters' blinking. */
int64_t vga_blink_phase(const struct vga *vga);

#endif
