/*
 * Bochs VBE extensions ("dispi") and the PCI side of the card. Source: Bochs VBE display interface document
 * (vbe_dispi), QEMU docs/specs/standard-vga: BARs, register BAR layout. Deviates: no EDID block (reads as zeros,
 * drivers fall back to the resolution limits) and no big-endian frame buffer.
 */
#include "hw/display/vga_internal.h"

#include <string.h>

#include "hw/core/log.h"

#define DISPI_ID0 0xb0c0
#define DISPI_ID5 0xb0c5

enum vga_mmio {                         /* offsets in BAR 2 */
                MMIO_VGA_PORTS = 0x400, /* ports 3C0-3DF */
                MMIO_DISPI = 0x500,     /* dispi registers, 16 bits each */
                MMIO_EXTENSION_SIZE = 0x600,
                MMIO_EXTENSION_ENDIAN = 0x604,
                MMIO_EXTENSION_END = 0x608,
                MMIO_BYTES = 0x1000,
};
#define MMIO_LITTLE_ENDIAN 0x1e1e1e1eu

/* ---- geometry ---- */

static unsigned bits_per_pixel(const struct vga *vga)
{
    return vga->dispi[DISPI_BPP] == 15 ? 16 : vga->dispi[DISPI_BPP];
}

uint32_t vbe_line_bytes(const struct vga *vga)
{
    return (uint32_t)vga->dispi[DISPI_VIRT_WIDTH] * bits_per_pixel(vga) / 8;
}

uint32_t vbe_start(const struct vga *vga)
{
    return (uint32_t)vga->dispi[DISPI_Y_OFFSET] * vbe_line_bytes(vga) +
           (uint32_t)vga->dispi[DISPI_X_OFFSET] * bits_per_pixel(vga) / 8;
}

static uint16_t clamp(uint32_t value, uint32_t low, uint32_t high)
{
    return (uint16_t)(value > high ? high : value < low ? low : value);
}

/* Keeps the picture inside memory whatever the guest asked for. */
static void fix_geometry(struct vga *vga)
{
    uint16_t *r = vga->dispi;
    uint32_t max_lines;

    switch (r[DISPI_BPP]) {
    case 4:
    case 8:
    case 15:
    case 16:
    case 24:
    case 32:
        break;
    default:
        r[DISPI_BPP] = 8;
        break;
    }
    r[DISPI_XRES] = clamp(r[DISPI_XRES] & ~7u, 8, DISPI_MAX_XRES);
    r[DISPI_VIRT_WIDTH] = clamp(r[DISPI_VIRT_WIDTH] & ~7u, r[DISPI_XRES], DISPI_MAX_XRES);
    max_lines = VGA_MEMORY_BYTES / vbe_line_bytes(vga);
    if (max_lines > UINT16_MAX)
        max_lines = UINT16_MAX;
    r[DISPI_YRES] = clamp(r[DISPI_YRES], 1, max_lines < DISPI_MAX_YRES ? max_lines : DISPI_MAX_YRES);
    r[DISPI_VIRT_HEIGHT] = (uint16_t)max_lines;
    r[DISPI_X_OFFSET] = clamp(r[DISPI_X_OFFSET], 0, r[DISPI_VIRT_WIDTH] - r[DISPI_XRES]);
    r[DISPI_Y_OFFSET] = clamp(r[DISPI_Y_OFFSET], 0, max_lines - r[DISPI_YRES]);
}

/* ---- registers ---- */

static void write_enable(struct vga *vga, uint16_t value)
{
    bool was_on = vbe_is_on(vga);

    vga->dispi[DISPI_ENABLE] = value;
    if (vbe_is_on(vga) && !was_on) {
        vga->dispi[DISPI_VIRT_WIDTH] = vga->dispi[DISPI_XRES];
        vga->dispi[DISPI_X_OFFSET] = 0;
        vga->dispi[DISPI_Y_OFFSET] = 0;
        vga->dispi[DISPI_BANK] = 0;
        fix_geometry(vga);
        if (!(value & DISPI_ENABLE_NO_CLEAR))
            memset(vga->memory, 0, (size_t)vga->dispi[DISPI_YRES] * vbe_line_bytes(vga));
    } else if (!vbe_is_on(vga)) {
        vga->dispi[DISPI_BANK] = 0;
    }
}

static void dispi_write(struct vga *vga, unsigned index, uint16_t value)
{
    switch (index) {
    case DISPI_ID:
        if (value >= DISPI_ID0 && value <= DISPI_ID5)
            vga->dispi[DISPI_ID] = value;
        break;
    case DISPI_ENABLE:
        write_enable(vga, value);
        break;
    case DISPI_BANK:
        vga->dispi[DISPI_BANK] = value & ((VGA_MEMORY_BYTES >> 16) - 1);
        break;
    case DISPI_XRES:
    case DISPI_YRES:
    case DISPI_BPP:
    case DISPI_VIRT_WIDTH:
    case DISPI_X_OFFSET:
    case DISPI_Y_OFFSET:
        vga->dispi[index] = value;
        if (vbe_is_on(vga))
            fix_geometry(vga);
        break;
    default: /* VIRT_HEIGHT follows from the memory; the rest is read-only or not there */
        break;
    }
    vga_update_aperture(vga);
}

static uint16_t dispi_read(const struct vga *vga, unsigned index)
{
    if (index >= DISPI_REGISTERS)
        return 0;
    if (vga->dispi[DISPI_ENABLE] & DISPI_ENABLE_GETCAPS) {
        switch (index) {
        case DISPI_XRES:
            return DISPI_MAX_XRES;
        case DISPI_YRES:
            return DISPI_MAX_YRES;
        case DISPI_BPP:
            return DISPI_MAX_BPP;
        default:
            break;
        }
    }
    return index == DISPI_VIDEO_MEMORY_64K ? VGA_MEMORY_BYTES >> 16 : vga->dispi[index];
}

/* Offset 0 is the index; the data port is both 1CF (as on ISA, unaligned) and 1D0. */
static uint32_t dispi_ports_read(void *self, uint32_t offset, unsigned width)
{
    struct vga *vga = self;

    if (offset > 2)
        return 0xff;
    return (offset == 0 ? vga->dispi_index : dispi_read(vga, vga->dispi_index)) & (UINT32_MAX >> (32 - 8 * width));
}

static void dispi_ports_write(void *self, uint32_t offset, uint32_t value, unsigned width)
{
    struct vga *vga = self;

    if (offset == 0)
        vga->dispi_index = (uint16_t)value;
    else if (offset <= 2)
        dispi_write(vga, vga->dispi_index, (uint16_t)value);
}

const struct bus_ops vga_dispi_ports = {
    .name = "vga-dispi", .read = dispi_ports_read, .write = dispi_ports_write, .max_width = 2};

/* ---- BAR 0: the frame buffer ---- */

static uint32_t frame_buffer_read(void *self, uint32_t offset, unsigned width)
{
    const struct vga *vga = self;
    uint32_t value = 0;

    if (offset <= VGA_MEMORY_BYTES - width)
        memcpy(&value, vga->memory + offset, width);
    return value;
}

static void frame_buffer_write(void *self, uint32_t offset, uint32_t value, unsigned width)
{
    struct vga *vga = self;

    vga->has_changed = true;
    if (offset <= VGA_MEMORY_BYTES - width)
        memcpy(vga->memory + offset, &value, width);
}

const struct bus_ops vga_frame_buffer = {
    .name = "vga-frame-buffer", .read = frame_buffer_read, .write = frame_buffer_write, .max_width = 4};

/* ---- BAR 2: the registers again, for drivers that prefer memory ---- */

static uint32_t mmio_read(void *self, uint32_t offset, unsigned width)
{
    struct vga *vga = self;
    uint32_t value = 0;

    if (offset >= MMIO_VGA_PORTS && offset < MMIO_VGA_PORTS + 0x20) {
        for (unsigned i = 0; i < width && offset + i < MMIO_VGA_PORTS + 0x20; i++)
            value |= (uint32_t)vga_read_port(vga, offset + i - MMIO_VGA_PORTS + 0x10) << 8 * i;
    } else if (offset >= MMIO_DISPI && offset < MMIO_DISPI + 2 * DISPI_REGISTERS) {
        value = (uint32_t)dispi_read(vga, (offset - MMIO_DISPI) / 2) >> 8 * (offset & 1);
    } else if (offset >= MMIO_EXTENSION_SIZE && offset < MMIO_EXTENSION_ENDIAN) {
        value = (MMIO_EXTENSION_END - MMIO_EXTENSION_SIZE) >> 8 * (offset & 3);
    } else if (offset >= MMIO_EXTENSION_ENDIAN && offset < MMIO_EXTENSION_END) {
        value = MMIO_LITTLE_ENDIAN;
    }
    return value & (UINT32_MAX >> (32 - 8 * width));
}

static void mmio_write(void *self, uint32_t offset, uint32_t value, unsigned width)
{
    static bool said;
    struct vga *vga = self;

    if (offset >= MMIO_VGA_PORTS && offset < MMIO_VGA_PORTS + 0x20) {
        for (unsigned i = 0; i < width && offset + i < MMIO_VGA_PORTS + 0x20; i++)
            vga_write_port(vga, offset + i - MMIO_VGA_PORTS + 0x10, (uint8_t)(value >> 8 * i));
    } else if (offset >= MMIO_DISPI && offset < MMIO_DISPI + 2 * DISPI_REGISTERS && width == 2 && !(offset & 1)) {
        dispi_write(vga, (offset - MMIO_DISPI) / 2, (uint16_t)value);
    } else if (offset == MMIO_EXTENSION_ENDIAN && width == 4 && value != MMIO_LITTLE_ENDIAN) {
        log_once(&said, "vga: big-endian frame buffer is not modelled\n");
    }
}

static const struct bus_ops mmio_ops = {.name = "vga-mmio", .read = mmio_read, .write = mmio_write, .max_width = 4};

/* ---- creation ---- */

void vbe_reset(struct vga *vga)
{
    vga->dispi[DISPI_ID] = DISPI_ID5;
    vga->dispi[DISPI_BPP] = 8;
}

void vbe_after_load(struct vga *vga)
{
    vga->dispi[DISPI_BANK] &= (VGA_MEMORY_BYTES >> 16) - 1;
    if (vbe_is_on(vga))
        fix_geometry(vga);
}

bool vga_attach_pci(struct vga *vga, struct pci_bus *pci, unsigned slot, const uint8_t *rom, uint32_t rom_len_bytes)
{
    static const struct pci_identity identity = {.vendor_id = 0x1234,
                                                 .device_id = 0x1111,
                                                 .revision = 0x02,
                                                 .class_code = 0x03,
                                                 .subsystem_vendor_id = 0x1af4,
                                                 .subsystem_id = 0x1100};

    pci_device_init(&vga->pci, &identity, vga);
    pci_device_add_bar(&vga->pci, 0, PCI_BAR_MEMORY_PREFETCH, VGA_MEMORY_BYTES, &vga_frame_buffer, vga);
    pci_device_add_bar(&vga->pci, 2, PCI_BAR_MEMORY, MMIO_BYTES, &mmio_ops, vga);
    if (rom_len_bytes)
        pci_device_add_rom(&vga->pci, rom, rom_len_bytes);
    return pci_device_attach(&vga->pci, pci, slot, 0);
}
