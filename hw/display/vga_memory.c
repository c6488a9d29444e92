/*
 * VGA memory as the CPU sees it at A0000-BFFFF: latches, write modes, plane selection. Source: IBM PS/2 Hardware
 * Interface Technical Reference, "Video Subsystem", graphics controller and sequencer. Deviates: odd/even and chain-4
 * addresses are packed inside a plane (real planes keep every second or fourth byte), and the CRT side counts the same
 * way; only a program that changes the addressing over live contents can tell.
 */
#include "hw/display/vga_internal.h"

#include <string.h>

/* Four plane bits to four bytes of ones. */
static uint32_t expand(unsigned planes)
{
    static const uint32_t table[16] = {
        0x00000000, 0x000000ff, 0x0000ff00, 0x0000ffff, 0x00ff0000, 0x00ff00ff, 0x00ffff00, 0x00ffffff,
        0xff000000, 0xff0000ff, 0xff00ff00, 0xff00ffff, 0xffff0000, 0xffff00ff, 0xffffff00, 0xffffffff,
    };

    return table[planes & 0xf];
}

static uint32_t load_planes(const struct vga *vga, uint32_t address)
{
    uint32_t value;

    memcpy(&value, vga->memory + 4 * (address & vga->aperture.plane_wrap), 4);
    return value;
}

void vga_update_aperture(struct vga *vga)
{
    static const struct {
        uint32_t base, size;
    } memory_map[4] = {{0x00000, 0x20000}, {0x00000, 0x10000}, {0x10000, 0x08000}, {0x18000, 0x08000}};
    unsigned map = vga->gc[GC_MISC] >> 2 & 3;
    bool is_vbe = vbe_is_on(vga);

    vga->aperture.base = memory_map[map].base;
    vga->aperture.size = vga->misc & MISC_RAM_ENABLE ? memory_map[map].size : 0;
    vga->aperture.bank = is_vbe ? (uint32_t)vga->dispi[DISPI_BANK] << 16 : 0;
    vga->aperture.plane_wrap = is_vbe ? VGA_MEMORY_BYTES / 4 - 1 : 0xffff;
    if ((vga->seq[SEQ_MEMORY_MODE] & SEQ_MEMORY_CHAIN_4) || (is_vbe && vga->dispi[DISPI_BPP] >= 8))
        vga->aperture.access = VGA_CHAIN_4;
    else if (!(vga->seq[SEQ_MEMORY_MODE] & SEQ_MEMORY_NOT_ODD_EVEN))
        vga->aperture.access = VGA_ODD_EVEN;
    else
        vga->aperture.access = VGA_PLANAR;
    vga->aperture.is_plain = (vga->gc[GC_MODE] & 3) == 0 && vga->gc[GC_DATA_ROTATE] == 0 &&
                             (vga->gc[GC_ENABLE_SET_RESET] & 0xf) == 0 && vga->gc[GC_BIT_MASK] == 0xff;
    vga->aperture.is_linear = vga->aperture.access == VGA_CHAIN_4 && vga->aperture.is_plain &&
                              (vga->seq[SEQ_MAP_MASK] & 0xf) == 0xf && !(vga->gc[GC_MODE] & GC_MODE_READ_COMPARE);
    vga->has_changed = true;
}

/* ---- write ---- */

static uint8_t rotate_right(uint8_t value, unsigned count)
{
    return (uint8_t)(value >> count | value << (8 - count));
}

/* The graphics controller's way from a CPU byte to the four planes; `planes` are the ones that take it. */
static void write_planes(struct vga *vga, uint32_t address, uint8_t byte, unsigned planes)
{
    const uint8_t *gc = vga->gc;
    uint32_t value, bit_mask = gc[GC_BIT_MASK] * 0x01010101u, plane_mask = expand(planes), old;
    uint8_t rotated = rotate_right(byte, gc[GC_DATA_ROTATE] & 7);
    uint8_t *at = vga->memory + 4 * (address & vga->aperture.plane_wrap);
    bool is_logical = true;

    switch (gc[GC_MODE] & 3) {
    case 0: {
        uint32_t set_reset = expand(gc[GC_ENABLE_SET_RESET]);

        value = (rotated * 0x01010101u & ~set_reset) | (expand(gc[GC_SET_RESET]) & set_reset);
        break;
    }
    case 1:
        value = vga->latch;
        is_logical = false;
        break;
    case 2:
        value = expand(byte);
        break;
    default:
        value = expand(gc[GC_SET_RESET]);
        bit_mask &= rotated * 0x01010101u;
        break;
    }
    if (is_logical) {
        switch (gc[GC_DATA_ROTATE] >> 3 & 3) {
        case 1:
            value &= vga->latch;
            break;
        case 2:
            value |= vga->latch;
            break;
        case 3:
            value ^= vga->latch;
            break;
        default:
            break;
        }
        value = (value & bit_mask) | (vga->latch & ~bit_mask);
    }
    memcpy(&old, at, 4);
    value = (value & plane_mask) | (old & ~plane_mask);
    memcpy(at, &value, 4);
}

/* One byte; `address` is what the guest counts from the start of the window, bank included. */
static void write_byte(struct vga *vga, uint32_t address, uint8_t value)
{
    unsigned planes = vga->seq[SEQ_MAP_MASK] & 0xf;

    switch (vga->aperture.access) {
    case VGA_CHAIN_4:
        write_planes(vga, address >> 2, value, planes & 1u << (address & 3));
        break;
    case VGA_ODD_EVEN:
        write_planes(vga, address >> 1, value, planes & 5u << (address & 1));
        break;
    default:
        write_planes(vga, address, value, planes);
        break;
    }
}

static void aperture_write(void *self, uint32_t offset, uint32_t value, unsigned width)
{
    struct vga *vga = self;
    uint32_t local = offset - vga->aperture.base;

    vga->has_changed = true;
    if (local < vga->aperture.size && local + width <= vga->aperture.size) {
        uint32_t address = local + vga->aperture.bank;

        if (vga->aperture.is_linear) {
            uint32_t wrap = 4 * vga->aperture.plane_wrap + 3;

            if ((address & wrap) + width <= wrap + 1) {
                memcpy(vga->memory + (address & wrap), &value, width);
                return;
            }
        }
        /* Text: a character and its attribute lie side by side in planes 0 and 1. */
        if (vga->aperture.access == VGA_ODD_EVEN && vga->aperture.is_plain && width == 2 && !(address & 1) &&
            (vga->seq[SEQ_MAP_MASK] & 0xf) == 3) {
            memcpy(vga->memory + 4 * (address >> 1 & vga->aperture.plane_wrap), &value, 2);
            return;
        }
    }
    for (unsigned i = 0; i < width; i++, local++) {
        if (local < vga->aperture.size)
            write_byte(vga, local + vga->aperture.bank, (uint8_t)(value >> 8 * i));
    }
}

/* ---- read ---- */

/* Every read fills the latches. */
static uint8_t read_byte(struct vga *vga, uint32_t address)
{
    unsigned plane = vga->gc[GC_READ_MAP] & 3;

    switch (vga->aperture.access) {
    case VGA_CHAIN_4:
        plane = address & 3;
        address >>= 2;
        break;
    case VGA_ODD_EVEN:
        plane = (plane & 2) | (address & 1);
        address >>= 1;
        break;
    default:
        break;
    }
    vga->latch = load_planes(vga, address);
    if (vga->gc[GC_MODE] & GC_MODE_READ_COMPARE) {
        uint32_t differs = (vga->latch ^ expand(vga->gc[GC_COLOR_COMPARE])) & expand(vga->gc[GC_COLOR_DONT_CARE]);

        differs |= differs >> 16;
        return (uint8_t) ~(differs | differs >> 8);
    }
    return (uint8_t)(vga->latch >> 8 * plane);
}

static uint32_t aperture_read(void *self, uint32_t offset, unsigned width)
{
    struct vga *vga = self;
    uint32_t local = offset - vga->aperture.base, value = 0;

    for (unsigned i = 0; i < width; i++, local++) {
        uint32_t byte = local < vga->aperture.size ? read_byte(vga, local + vga->aperture.bank) : 0xff;

        value |= byte << 8 * i;
    }
    return value;
}

uint8_t vga_peek(struct vga *vga, uint32_t offset)
{
    uint32_t latch = vga->latch;
    uint8_t value = (uint8_t)aperture_read(vga, offset, 1);

    vga->latch = latch;
    return value;
}

const struct bus_ops vga_aperture = {
    .name = "vga-aperture", .read = aperture_read, .write = aperture_write, .max_width = 4};
