/* A VGA card on a bus with a fake clock, and register values of the classic modes. */
#ifndef TESTS_UNIT_HW_VGA_RIG_H
#define TESTS_UNIT_HW_VGA_RIG_H

#include "hw/display/vga.h"
#include "tests/unit/hw/pci/fake_board.h"

struct rig {
    struct fake_board *board;
    struct pci_bus *pci;
    struct clock *clock;
    struct vga *vga;
    uint8_t rom[4096];
};

struct vga_mode_registers {
    uint8_t misc, seq[5], crtc[25], attr[21], gc[9];
};

/* The values that IBM's tables give. */
static const struct vga_mode_registers mode_03h = {
    .misc = 0x67,
    .seq = {0x03, 0x00, 0x03, 0x00, 0x02},
    .crtc = {0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81, 0xbf, 0x1f, 0x00, 0x4f, 0x0d, 0x0e, 0x00,
             0x00, 0x00, 0x00, 0x9c, 0x8e, 0x8f, 0x28, 0x1f, 0x96, 0xb9, 0xa3, 0xff},
    .attr = {0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x14, 0x07, 0x38, 0x39, 0x3a,
             0x3b, 0x3c, 0x3d, 0x3e, 0x3f, 0x0c, 0x00, 0x0f, 0x08, 0x00},
    .gc = {0x00, 0x00, 0x00, 0x00, 0x00, 0x10, 0x0e, 0x00, 0xff},
};
static const struct vga_mode_registers mode_04h = {
    .misc = 0x63,
    .seq = {0x03, 0x09, 0x03, 0x00, 0x02},
    .crtc = {0x2d, 0x27, 0x28, 0x90, 0x2b, 0x80, 0xbf, 0x1f, 0x00, 0xc1, 0x00, 0x00, 0x00,
             0x00, 0x00, 0x00, 0x9c, 0x8e, 0x8f, 0x14, 0x00, 0x96, 0xb9, 0xa2, 0xff},
    .attr = {0x00, 0x13, 0x15, 0x17, 0x02, 0x04, 0x06, 0x07, 0x10, 0x11, 0x12,
             0x13, 0x14, 0x15, 0x16, 0x17, 0x01, 0x00, 0x03, 0x00, 0x00},
    .gc = {0x00, 0x00, 0x00, 0x00, 0x00, 0x30, 0x0f, 0x0f, 0xff},
};
static const struct vga_mode_registers mode_12h = {
    .misc = 0xe3,
    .seq = {0x03, 0x01, 0x0f, 0x00, 0x06},
    .crtc = {0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0x0b, 0x3e, 0x00, 0x40, 0x00, 0x00, 0x00,
             0x00, 0x00, 0x00, 0xea, 0x8c, 0xdf, 0x28, 0x00, 0xe7, 0x04, 0xe3, 0xff},
    .attr = {0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x14, 0x07, 0x38, 0x39, 0x3a,
             0x3b, 0x3c, 0x3d, 0x3e, 0x3f, 0x01, 0x00, 0x0f, 0x00, 0x00},
    .gc = {0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x05, 0x0f, 0xff},
};
static const struct vga_mode_registers mode_13h = {
    .misc = 0x63,
    .seq = {0x03, 0x01, 0x0f, 0x00, 0x0e},
    .crtc = {0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0xbf, 0x1f, 0x00, 0x41, 0x00, 0x00, 0x00,
             0x00, 0x00, 0x00, 0x9c, 0x8e, 0x8f, 0x28, 0x40, 0x96, 0xb9, 0xa3, 0xff},
    .attr = {0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a,
             0x0b, 0x0c, 0x0d, 0x0e, 0x0f, 0x41, 0x00, 0x0f, 0x00, 0x00},
    .gc = {0x00, 0x00, 0x00, 0x00, 0x00, 0x40, 0x05, 0x0f, 0xff},
};

static inline void out(struct rig *rig, uint16_t port, uint8_t value)
{
    bus_out(rig->board->bus, port, value, 1);
}

static inline uint8_t in(struct rig *rig, uint16_t port)
{
    return (uint8_t)bus_in(rig->board->bus, port, 1);
}

static inline void out_indexed(struct rig *rig, uint16_t port, uint8_t index, uint8_t value)
{
    bus_out(rig->board->bus, port, (uint32_t)(index | value << 8), 2);
}

static inline uint8_t in_indexed(struct rig *rig, uint16_t port, uint8_t index)
{
    out(rig, port, index);
    return in(rig, (uint16_t)(port + 1));
}

static inline void set_attribute(struct rig *rig, uint8_t index, uint8_t value)
{
    in(rig, 0x3da);
    out(rig, 0x3c0, index);
    out(rig, 0x3c0, value);
    out(rig, 0x3c0, 0x20);
}

/* As a BIOS does it, with a grey DAC: entry i is (i, i / 2, i / 4). */
static inline void set_mode(struct rig *rig, const struct vga_mode_registers *mode)
{
    out(rig, 0x3c2, mode->misc);
    for (uint8_t i = 0; i < 5; i++)
        out_indexed(rig, 0x3c4, i, mode->seq[i]);
    out_indexed(rig, 0x3d4, 0x11, 0x00);
    for (uint8_t i = 0; i < 25; i++)
        out_indexed(rig, 0x3d4, i, mode->crtc[i]);
    for (uint8_t i = 0; i < 9; i++)
        out_indexed(rig, 0x3ce, i, mode->gc[i]);
    in(rig, 0x3da);
    for (uint8_t i = 0; i < 21; i++) {
        out(rig, 0x3c0, i);
        out(rig, 0x3c0, mode->attr[i]);
    }
    out(rig, 0x3c0, 0x20);
    out(rig, 0x3c6, 0xff);
    out(rig, 0x3c8, 0);
    for (unsigned i = 0; i < 256; i++) {
        out(rig, 0x3c9, (uint8_t)i);
        out(rig, 0x3c9, (uint8_t)(i / 2));
        out(rig, 0x3c9, (uint8_t)(i / 4));
    }
}

static inline uint32_t widen(unsigned six_bits)
{
    six_bits &= 0x3f;
    return six_bits << 2 | six_bits >> 4;
}

/* The colour that set_mode's DAC gives an index. */
static inline uint32_t grey(unsigned index)
{
    return widen(index) << 16 | widen(index / 2) << 8 | widen(index / 4);
}

static inline void poke(struct rig *rig, uint32_t address, uint32_t value, unsigned width)
{
    fake_mmio_write(rig->board, address, value, width);
}

static inline uint32_t peek(struct rig *rig, uint32_t address, unsigned width)
{
    return fake_mmio_read(rig->board, address, width);
}

static inline int setup(void **state)
{
    struct rig *rig = calloc(1, sizeof *rig);

    rig->board = fake_board_create();
    rig->clock = clock_create_fake();
    rig->pci = pci_bus_create(rig->board->bus);
    rig->vga = vga_create(rig->clock);
    memset(rig->rom, 0xaa, sizeof rig->rom);
    vga_attach_pci(rig->vga, rig->pci, 2, rig->rom, sizeof rig->rom);
    vga_reset(rig->vga);
    bus_map_ports(rig->board->bus, 0xcf8, 4, &pci_address_ports, rig->pci);
    bus_map_ports(rig->board->bus, 0xcfc, 4, &pci_data_ports, rig->pci);
    bus_map_ports(rig->board->bus, 0x3b0, 48, &vga_ports, rig->vga);
    bus_map_ports(rig->board->bus, 0x1ce, 4, &vga_dispi_ports, rig->vga);
    bus_map_mmio(rig->board->bus, 0xa0000, 0x20000, &vga_aperture, rig->vga);
    *state = rig;
    return 0;
}

static inline int teardown(void **state)
{
    struct rig *rig = *state;

    vga_destroy(rig->vga);
    pci_bus_destroy(rig->pci);
    clock_destroy(rig->clock);
    fake_board_destroy(rig->board);
    free(rig);
    return 0;
}

#endif
