/*
 * Short sequences that random accesses alone would hardly find: a disk command with its data, a floppy command with all
 * its bytes, a DMA table in memory and the write that starts it. Parameters are random, so most of them are wrong.
 */
#include <string.h>

#include "frontend/x86/cpu.h"
#include "hw/net/e1000_internal.h"
#include "hw/pci/pci.h"
#include "softmmu/phys.h"
#include "tests/fuzz/board.h"

struct play { /* one scenario */
    struct board *board;
    struct fuzz *f;
    const struct board_range *range;
    unsigned n; /* accesses so far */
};

static void out(struct play *p, unsigned offset, uint32_t value, unsigned width)
{
    p->n++;
    bus_out(p->board->parts.bus, (uint16_t)(p->range->base + offset), value, width);
}

static uint32_t in(struct play *p, unsigned offset, unsigned width)
{
    p->n++;
    return bus_in(p->board->parts.bus, (uint16_t)(p->range->base + offset), width);
}

static void write32(struct play *p, uint32_t offset, uint32_t value)
{
    p->n++;
    phys_write(p->board->parts.phys, p->range->base + offset, value, 4);
}

static void poke(struct play *p, phys_addr address, const void *bytes, size_t len)
{
    phys_write_bytes(p->board->parts.phys, address, bytes, len);
}

static uint8_t pick(struct fuzz *f, const uint8_t *from, size_t n)
{
    return fuzz_one_in(f, 8) ? (uint8_t)fuzz_next(f) : from[fuzz_below(f, n)];
}
#define PICK(f, table) pick(f, table, sizeof(table))

static void pass_time(struct play *p, uint64_t max_ns)
{
    board_pass_time(p->board, (int64_t)fuzz_below(p->f, max_ns) + 1);
}

/* A place for tables: sometimes not in RAM, sometimes across its end. */
static uint32_t table_address(struct fuzz *f)
{
    static const uint32_t odd[] = {0x9fff0, 0xfffff0, BOARD_RAM_BYTES - 8, 0xfffffff0, 0xe0000000, 0xfec00000, 0xa0000};

    return fuzz_one_in(f, 16) ? odd[fuzz_below(f, sizeof odd / sizeof odd[0])] : (uint32_t)fuzz_below(f, 0x90000) & ~3u;
}

/* ---- disks ---- */

static void move_data(struct play *p, unsigned n)
{
    uint8_t buffer[4096];

    for (unsigned i = 0; i < n; i++) {
        unsigned width = 1u << fuzz_below(p->f, 3);
        uint32_t count = (uint32_t)fuzz_below(p->f, sizeof buffer / width);
        uint16_t port = (uint16_t)p->range->base;

        p->n++;
        switch (fuzz_below(p->f, 4)) {
        case 0:
            bus_in_block(p->board->parts.bus, port, buffer, width, count);
            break;
        case 1:
            fuzz_bytes(p->f, buffer, sizeof buffer);
            bus_out_block(p->board->parts.bus, port, buffer, width, count);
            break;
        case 2:
            bus_in(p->board->parts.bus, port, width);
            break;
        default:
            bus_out(p->board->parts.bus, port, fuzz_value(p->f), width);
            break;
        }
    }
}

static void play_packet(struct play *p)
{
    static const uint8_t opcodes[] = {0x00, 0x03, 0x12, 0x15, 0x1a, 0x1b, 0x1d, 0x1e, 0x23, 0x25, 0x28, 0x2b, 0x35,
                                      0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x4a, 0x4b, 0x4e, 0x51, 0x52, 0x55, 0x5a,
                                      0xa1, 0xa4, 0xa8, 0xac, 0xad, 0xb9, 0xbb, 0xbd, 0xbe, 0xad, 0xb6};
    uint8_t packet[12];

    fuzz_bytes(p->f, packet, sizeof packet);
    packet[0] = PICK(p->f, opcodes);
    if (fuzz_one_in(p->f, 2))
        packet[1] = packet[2] = packet[3] = 0; /* a low address */
    if (fuzz_one_in(p->f, 2))
        packet[6] = packet[7] = 0; /* few blocks */
    for (unsigned i = 0; i < 12; i += 2)
        out(p, 0, packet[i] | (uint32_t)packet[i + 1] << 8, 2);
}

static void play_ide(struct play *p)
{
    static const uint8_t commands[] = {0x00, 0x08, 0x10, 0x20, 0x21, 0x24, 0x25, 0x29, 0x30, 0x31, 0x34,
                                       0x35, 0x39, 0x40, 0x42, 0x50, 0x70, 0x90, 0x91, 0xa0, 0xa1, 0xb0,
                                       0xc4, 0xc5, 0xc6, 0xc8, 0xca, 0xda, 0xe0, 0xe1, 0xe3, 0xe5, 0xe6,
                                       0xe7, 0xea, 0xec, 0xef, 0xf5, 0xf8, 0xf9, 0x27, 0x37};
    uint8_t command = PICK(p->f, commands);

    if (p->range->len < 8)
        return;
    out(p, 6, 0xa0 | (uint32_t)(fuzz_next(p->f) & 0x5f), 1);
    for (unsigned i = 0; i < 8; i++)
        out(p, 1 + i % 5, fuzz_one_in(p->f, 2) ? 0 : fuzz_value(p->f), 1);
    out(p, 7, command, 1);
    if (command == 0xa0)
        play_packet(p);
    move_data(p, (unsigned)fuzz_below(p->f, 12));
    in(p, 7, 1);
}

static void play_piix3_ide(struct play *p)
{
    uint32_t table = table_address(p->f), n = 1 + (uint32_t)fuzz_below(p->f, 8);
    unsigned channel = (unsigned)fuzz_below(p->f, 2) * 8;

    for (uint32_t i = 0; i < n; i++) {
        uint32_t entry[2] = {table_address(p->f), (uint32_t)fuzz_next(p->f) & 0xfffe};

        if (i + 1 == n && !fuzz_one_in(p->f, 8))
            entry[1] |= 0x80000000u; /* the end */
        poke(p, table + i * 8, entry, sizeof entry);
    }
    out(p, channel + 4, table, 4);
    out(p, channel + 2, fuzz_value(p->f), 1);
    out(p, channel, fuzz_one_in(p->f, 8) ? fuzz_value(p->f) : (uint32_t)(fuzz_next(p->f) & 8) | 1, 1);
    { /* a command that uses it */
        static const uint8_t commands[] = {0xc8, 0xca, 0x25, 0x35, 0xa0, 0xc9, 0xcb};
        uint16_t base = channel ? 0x170 : 0x1f0;
        struct bus *bus = p->board->parts.bus;
        uint8_t command = PICK(p->f, commands);

        bus_out(bus, base + 6, 0xe0 | (uint32_t)(fuzz_next(p->f) & 0x10), 1);
        bus_out(bus, base + 1, (uint32_t)(fuzz_next(p->f) & 1), 1);
        bus_out(bus, base + 2, (uint32_t)fuzz_next(p->f), 1);
        for (unsigned i = 3; i < 6; i++)
            bus_out(bus, (uint16_t)(base + i), fuzz_one_in(p->f, 2) ? 0 : fuzz_value(p->f), 1);
        bus_out(bus, base + 7, command, 1);
        if (command == 0xa0) {
            static const uint8_t read_10[6][2] = {{0x28, 0}, {0, 0}, {0, 0}, {0, 0}, {4, 0}, {0, 0}};

            for (unsigned i = 0; i < 6; i++)
                bus_out(bus, base, read_10[i][0] | (uint32_t)read_10[i][1] << 8, 2);
        }
    }
    pass_time(p, NS_PER_MS);
    in(p, channel + 2, 1);
    if (fuzz_one_in(p->f, 2))
        out(p, channel, 0, 1);
}

/* Programs channel 2 as well: its registers are where every PC has them. */
static void play_fdc(struct play *p)
{
    static const uint8_t commands[] = {0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0c, 0x0d, 0x0e,
                                       0x0f, 0x10, 0x11, 0x12, 0x13, 0x14, 0x16, 0x18, 0x19, 0x1d, 0x45, 0x46,
                                       0x4a, 0x4d, 0x66, 0xc5, 0xc6, 0xe6, 0x8f, 0xcf, 0x33, 0x34};
    struct bus *bus = p->board->parts.bus;
    uint8_t dma_mode = (uint8_t)((fuzz_next(p->f) & 0xfc) | 2);

    if (p->range->len < 6)
        return;
    bus_out(bus, 0x0b, dma_mode, 1);
    for (unsigned i = 0; i < 2; i++) {
        bus_out(bus, 0x04, (uint32_t)fuzz_next(p->f), 1);
        bus_out(bus, 0x05, (uint32_t)fuzz_next(p->f), 1);
    }
    bus_out(bus, 0x81, (uint32_t)fuzz_below(p->f, 16), 1);
    bus_out(bus, 0x0a, 2, 1);
    if (!fuzz_one_in(p->f, 4))
        out(p, 2, 0x1c | (uint32_t)fuzz_below(p->f, 2), 1);
    out(p, 5, PICK(p->f, commands), 1);
    for (unsigned i = 0, n = (unsigned)fuzz_below(p->f, 12); i < n; i++)
        out(p, 5, fuzz_one_in(p->f, 2) ? (uint32_t)fuzz_below(p->f, 20) : fuzz_value(p->f), 1);
    pass_time(p, 300 * NS_PER_MS);
    for (unsigned i = 0, n = (unsigned)fuzz_below(p->f, 10); i < n; i++)
        in(p, fuzz_one_in(p->f, 3) ? 4 : 5, 1);
}

static void play_dma(struct play *p)
{
    for (unsigned i = 0, n = (unsigned)fuzz_below(p->f, 20); i < n; i++)
        out(p, (unsigned)fuzz_below(p->f, p->range->len), fuzz_value(p->f), 1);
}

/* ---- firmware configuration ---- */

static void put_be(uint8_t *p, uint64_t value, unsigned n)
{
    while (n--) {
        p[n] = (uint8_t)value;
        value >>= 8;
    }
}

static void play_fw_cfg(struct play *p)
{
    uint32_t at = table_address(p->f);
    uint8_t control[16];

    put_be(control, fuzz_below(p->f, 64) | (fuzz_next(p->f) & 0x8060) << 16, 4);
    put_be(control + 4, fuzz_one_in(p->f, 8) ? fuzz_value(p->f) : fuzz_below(p->f, 8192), 4);
    put_be(control + 8, fuzz_one_in(p->f, 16) ? fuzz_next(p->f) : table_address(p->f), 8);
    poke(p, at, control, sizeof control);
    if (fuzz_one_in(p->f, 8))
        out(p, 4, fuzz_value(p->f), 4);
    out(p, 8, __builtin_bswap32(at), 4);
    out(p, 0, (uint32_t)fuzz_below(p->f, 64), 2);
    for (unsigned i = 0; i < 8; i++)
        in(p, 1, 1);
}

/* ---- network ---- */

static void play_e1000(struct play *p)
{
    uint32_t ring = table_address(p->f) & ~15u, n = 8u << fuzz_below(p->f, 6);
    uint8_t descriptor[16];
    bool is_rx = fuzz_one_in(p->f, 3);

    if (p->range->kind != RANGE_MMIO)
        return;
    for (uint32_t i = 0; i < n && i < 64; i++) {
        fuzz_bytes(p->f, descriptor, sizeof descriptor);
        put_be(descriptor, __builtin_bswap32(table_address(p->f)), 4);
        memset(descriptor + 4, 0, 4);
        if (!is_rx) {
            descriptor[10] &= 0x1f;
            if (!fuzz_one_in(p->f, 4))
                descriptor[9] &= 7; /* frames of usual size */
        }
        poke(p, ring + i * 16, descriptor, sizeof descriptor);
    }
    if (is_rx) {
        write32(p, E1000_RDBAL, ring);
        write32(p, E1000_RDBAH, 0);
        write32(p, E1000_RDLEN, n * 16);
        write32(p, E1000_RDH, (uint32_t)fuzz_below(p->f, n + 2));
        write32(p, E1000_RCTL, RCTL_EN | (uint32_t)fuzz_next(p->f));
        write32(p, E1000_RDT, (uint32_t)fuzz_below(p->f, n + 2));
        for (unsigned i = 0; i < 8; i++)
            board_host_event(p->board);
    } else {
        write32(p, E1000_TDBAL, ring);
        write32(p, E1000_TDBAH, 0);
        write32(p, E1000_TDLEN, n * 16);
        write32(p, E1000_TDH, (uint32_t)fuzz_below(p->f, n + 2));
        write32(p, E1000_TCTL, TCTL_EN);
        write32(p, E1000_TDT, (uint32_t)fuzz_below(p->f, n + 2));
    }
    pass_time(p, 5 * NS_PER_MS);
}

/* ---- display ---- */

static void play_dispi(struct play *p)
{
    static const uint16_t depths[] = {4, 8, 15, 16, 24, 32};
    uint32_t value[10];

    for (unsigned i = 0; i < 10; i++)
        value[i] = fuzz_value(p->f);
    if (!fuzz_one_in(p->f, 4)) { /* something that can be shown */
        value[1] = (uint32_t)fuzz_below(p->f, 2000);
        value[2] = (uint32_t)fuzz_below(p->f, 1300);
        value[3] = depths[fuzz_below(p->f, 6)];
        value[4] = 1 | (uint32_t)(fuzz_next(p->f) & 0xe0);
    }
    out(p, 0, 4, 2);
    out(p, 2, 0, 2);
    for (unsigned i = 1; i < 10; i++) {
        unsigned index = i == 9 ? 4 : i == 4 ? 9 : i; /* enable last */

        out(p, 0, index, 2);
        out(p, 2, value[index], 2);
    }
    in(p, 2, 2);
}

/* Whole registers files, as a mode switch loads them. */
static void play_vga(struct play *p)
{
    static const struct {
        unsigned index, data, n;
    } files[] = {{0x14, 0x15, 9}, {0x1e, 0x1f, 9}, {0x24, 0x25, 0x19}, {0x24, 0x25, 0x40}};

    for (unsigned k = 0; k < 4; k++)
        for (unsigned i = 0; i < files[k].n; i++) {
            out(p, files[k].index, i, 1);
            out(p, files[k].data, fuzz_value(p->f), 1);
        }
    out(p, 0x12, fuzz_value(p->f), 1); /* 3C2: miscellaneous output */
    for (unsigned i = 0; i < 0x15; i++) {
        in(p, 0x2a, 1); /* 3DA: the next write is an index */
        out(p, 0x10, i, 1);
        out(p, 0x10, fuzz_value(p->f), 1);
    }
    in(p, 0x2a, 1);
    out(p, 0x10, 0x20, 1);
}

/* ---- timers and the rest ---- */

static void play_pit(struct play *p)
{
    unsigned counter = (unsigned)fuzz_below(p->f, 3);
    uint32_t count = fuzz_one_in(p->f, 2) ? (uint32_t)fuzz_below(p->f, 4) : fuzz_value(p->f);

    if (p->range->len < 4)
        return;
    out(p, 3, counter << 6 | 0x30 | (uint32_t)fuzz_below(p->f, 16), 1);
    out(p, counter, count, 1);
    out(p, counter, count >> 8, 1);
    pass_time(p, NS_PER_MS);
    out(p, 3, 0xc0 | (uint32_t)(fuzz_next(p->f) & 0x3e), 1);
    for (unsigned i = 0; i < 6; i++)
        in(p, i % 3, 1);
}

static void play_rtc(struct play *p)
{
    for (unsigned i = 0; i < 14; i++) {
        out(p, 0, i, 1);
        out(p, 1, fuzz_one_in(p->f, 2) ? (uint32_t)fuzz_below(p->f, 60) : fuzz_value(p->f), 1);
    }
    pass_time(p, 3 * NS_PER_SECOND);
    out(p, 0, 0x0c, 1);
    in(p, 1, 1);
}

static void play_kbc(struct play *p)
{
    static const uint8_t to_controller[] = {0x20, 0x60, 0xa7, 0xa8, 0xa9, 0xaa, 0xab, 0xad,
                                            0xae, 0xc0, 0xd0, 0xd1, 0xd2, 0xd3, 0xd4, 0xf0};
    static const uint8_t to_device[] = {0xed, 0xee, 0xf0, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xff, 0xe6, 0xe7,
                                        0xe8, 0xe9, 0xea, 0xeb, 0xec, 0xee, 0xf0, 0xfe, 0xc8, 0x64, 0x50};
    struct bus *bus = p->board->parts.bus;

    for (unsigned i = 0; i < 8; i++) {
        p->n++;
        switch (fuzz_below(p->f, 4)) {
        case 0:
            bus_out(bus, 0x64, to_controller[fuzz_below(p->f, sizeof to_controller)], 1);
            break;
        case 1:
            bus_in(bus, 0x60, 1);
            break;
        case 2:
            board_host_event(p->board);
            break;
        default:
            bus_out(bus, 0x60, PICK(p->f, to_device), 1);
            break;
        }
    }
    pass_time(p, 20 * NS_PER_MS);
}

static void play_pic(struct play *p)
{
    if (p->range->len != 2)
        return;
    out(p, 0, 0x10 | (uint32_t)(fuzz_next(p->f) & 0x0f), 1);
    for (unsigned i = 0; i < 3; i++)
        out(p, 1, fuzz_value(p->f), 1);
    for (unsigned i = 0; i < 4; i++)
        out(p, 0, fuzz_value(p->f) & ~0x10u, 1);
    in(p, 0, 1);
}

static void play_pm(struct play *p)
{
    static const uint16_t sleep[] = {0x2000, 0x2400, 0x2800, 0x2c00, 0x3400, 0x3c00};

    if (p->range->len < 8)
        return;
    out(p, 2, fuzz_value(p->f), 2);
    out(p, 0, fuzz_value(p->f), 2);
    pass_time(p, 5 * NS_PER_SECOND);
    if (fuzz_one_in(p->f, 16))
        out(p, 4, sleep[fuzz_below(p->f, 6)], 2);
}

/* A driver that starts, and then takes what there is. */
static void play_vmport(struct play *p)
{
    static const uint32_t commands[] = {0x27, 0x28, 0x29, 0x0a, 0x14},
                          parameters[] = {0x45414552, 0xf5, 0x4c455252, 0x53424152};
    uint32_t *gpr = p->board->parts.cpu->gpr;

    for (unsigned i = 0; i < 8; i++) {
        gpr[EAX] = fuzz_one_in(p->f, 16) ? fuzz_value(p->f) : 0x564d5868;
        gpr[ECX] = fuzz_one_in(p->f, 16) ? fuzz_value(p->f) : commands[fuzz_below(p->f, 5)];
        gpr[EBX] = gpr[ECX] == 0x27 ? (uint32_t)fuzz_below(p->f, 8) : parameters[fuzz_below(p->f, 4)];
        if (fuzz_one_in(p->f, 4))
            out(p, 0, fuzz_value(p->f), 4);
        else
            in(p, 0, 4);
    }
}

static void play_testdev(struct play *p)
{
    uint32_t at = p->range->kind == RANGE_PORTS ? 0x83 : 0x800;

    if (p->range->kind == RANGE_PORTS) {
        out(p, 0, (uint32_t)fuzz_below(p->f, 4), 1);
        out(p, at + (uint32_t)fuzz_below(p->f, 3), fuzz_one_in(p->f, 2) ? 0xfa : fuzz_value(p->f), 1);
        in(p, (uint32_t)fuzz_below(p->f, 64), 4);
    } else {
        write32(p, 0, (uint32_t)fuzz_below(p->f, 4));
        write32(p, at, 0xfafafafa);
    }
}

static const struct {
    const char *device;
    void (*play)(struct play *p);
} plays[] = {
    {"ide", play_ide},       {"piix3-ide", play_piix3_ide}, {"fdc82078", play_fdc},
    {"dma8237", play_dma},   {"dma8237-high", play_dma},    {"dma-page", play_dma},
    {"fw_cfg", play_fw_cfg}, {"e1000", play_e1000},         {"vga-dispi", play_dispi},
    {"vga", play_vga},       {"pit8254", play_pit},         {"rtc146818", play_rtc},
    {"kbc8042", play_kbc},   {"pic8259", play_pic},         {"piix4-pm", play_pm},
    {"vmport", play_vmport}, {"pci-testdev", play_testdev},
};

unsigned board_scenario(struct board *board, const char *device)
{
    struct play play = {.board = board, .f = board->fuzz};

    for (unsigned i = 0; i < sizeof plays / sizeof plays[0]; i++) {
        unsigned first;

        if (strcmp(device, plays[i].device) != 0)
            continue;
        first = (unsigned)fuzz_below(board->fuzz, board->n_ranges);
        for (unsigned k = 0; k < board->n_ranges; k++) {
            play.range = &board->range[(first + k) % board->n_ranges];
            if (strcmp(play.range->device, device) == 0) {
                plays[i].play(&play);
                return play.n;
            }
        }
    }
    return 0;
}
