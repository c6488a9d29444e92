/* See board.h. */
#include "tests/fuzz/board.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/x86/cpu.h"
#include "hw/core/log.h"
#include "hw/input/kbc8042.h"
#include "hw/input/vmmouse.h"
#include "hw/pci/pci.h"
#include "hw/pci/piix4_pm.h"
#include "softmmu/phys.h"

#define DISK_SECTORS   4096u
#define FLOPPY_SECTORS 2880u
#define PM_DEVFN       (1 << 3 | 3)

/* ---- host services ---- */

/* Now and then the far end is busy. */
static size_t char_write(struct host_char *self, const uint8_t *bytes, size_t count)
{
    uint8_t first = count ? bytes[0] : 0;

    return first % 16 ? count : count / 2;
}

static bool block_read(struct host_block *self, uint64_t sector, void *buffer, uint32_t n_sectors)
{
    struct board_disk *disk = (struct board_disk *)self;

    if (sector > self->n_sectors || n_sectors > self->n_sectors - sector)
        abort(); /* the device must not ask for that */
    if (fuzz_one_in(disk->board->fuzz, 200))
        return false;
    memcpy(buffer, disk->bytes + sector * HOST_BLOCK_SECTOR, (size_t)n_sectors * HOST_BLOCK_SECTOR);
    return true;
}

static bool block_write(struct host_block *self, uint64_t sector, const void *buffer, uint32_t n_sectors)
{
    struct board_disk *disk = (struct board_disk *)self;

    if (self->is_readonly || sector > self->n_sectors || n_sectors > self->n_sectors - sector)
        abort();
    if (fuzz_one_in(disk->board->fuzz, 200))
        return false;
    memcpy(disk->bytes + sector * HOST_BLOCK_SECTOR, buffer, (size_t)n_sectors * HOST_BLOCK_SECTOR);
    return true;
}

static bool block_flush(struct host_block *self)
{
    return !fuzz_one_in(((struct board_disk *)self)->board->fuzz, 50);
}

static void net_send(struct host_net *self, const uint8_t *frame, size_t len_bytes)
{
    uint32_t sum = 0;

    if (len_bytes > HOST_NET_FRAME_MAX)
        abort();
    for (size_t i = 0; i < len_bytes; i++) /* every byte is readable */
        sum += frame[i];
    if (sum == UINT32_MAX)
        abort();
}

static void plug_disk(struct board *board, struct board_disk *disk, uint32_t n_sectors, bool is_readonly)
{
    disk->board = board;
    disk->bytes = calloc(n_sectors, HOST_BLOCK_SECTOR);
    disk->block = (struct host_block){.n_sectors = n_sectors,
                                      .is_readonly = is_readonly,
                                      .read = block_read,
                                      .write = block_write,
                                      .flush = block_flush};
    fuzz_bytes(board->fuzz, disk->bytes, 65536);
}

/* ---- life ---- */

static void poll_host(void *opaque) {}

/* The board sleeps: only this can wake it. */
static void idle_host(void *opaque)
{
    struct board *board = opaque;

    pc_power_button(board->pc);
}

struct board *board_create(struct fuzz *f)
{
    struct board *board = calloc(1, sizeof *board);
    struct pc_config config = {.ram_bytes = BOARD_RAM_BYTES,
                               .has_vga = !fuzz_one_in(f, 8),
                               .has_vmport = !fuzz_one_in(f, 8),
                               .has_testdev = !fuzz_one_in(f, 8),
                               .mac = {2, 0, 0, 0, 0, 1},
                               .has_debug_exit = !fuzz_one_in(f, 4),
                               .debug_exit_port = 0x501,
                               .rtc_seconds = (int64_t)fuzz_below(f, 4000000000),
                               .boot_order = "cd",
                               .poll = poll_host,
                               .idle = idle_host,
                               .opaque = board};
    char error[600];

    board->fuzz = f;
    board->clock = config.clock = clock_create_fake();
    if (!cpu_model_parse(&board->model, "qemu32", error, sizeof error))
        abort();
    config.model = &board->model;
    for (unsigned i = 0; i < PC_SERIAL_LINES; i++) {
        board->serial[i].write = char_write;
        if (i == 0 || fuzz_one_in(f, 2))
            config.serial[i] = &board->serial[i];
    }
    board->printer.write = char_write;
    config.has_parallel = !fuzz_one_in(f, 8);
    config.parallel = fuzz_one_in(f, 4) ? NULL : &board->printer;
    board->debugcon.write = char_write;
    config.debugcon = &board->debugcon;
    for (unsigned i = 0; i < PC_IDE_DISKS; i++) {
        bool is_cdrom = i == 2 || fuzz_one_in(f, 4);

        config.is_cdrom[i] = is_cdrom;
        if (i && !is_cdrom && fuzz_one_in(f, 2))
            continue; /* no drive */
        if (is_cdrom && fuzz_one_in(f, 4))
            continue; /* no disc */
        plug_disk(board, &board->disk[i], DISK_SECTORS, is_cdrom);
        config.disk[i] = &board->disk[i].block;
    }
    for (unsigned i = 0; i < PC_FLOPPIES; i++) {
        config.has_floppy[i] = i == 0 || fuzz_one_in(f, 2);
        if (!config.has_floppy[i] || fuzz_one_in(f, 4))
            continue;
        plug_disk(board, &board->floppy[i], FLOPPY_SECTORS, fuzz_one_in(f, 4));
        config.floppy[i] = &board->floppy[i].block;
    }
    board->cable.send = net_send;
    config.nic = &board->cable;
    log_open("/dev/null");
    board->pc = pc_create(&config, error, sizeof error);
    if (!board->pc) {
        fprintf(stderr, "fuzz: %s\n", error);
        exit(EXIT_FAILURE);
    }
    board->parts = pc_parts(board->pc);
    fuzz_bytes(f, phys_ram_host(board->parts.phys, 0), 0xa0000);
    board_set_up(board);
    return board;
}

void board_destroy(struct board *board)
{
    pc_destroy(board->pc);
    for (unsigned i = 0; i < PC_IDE_DISKS; i++)
        free(board->disk[i].bytes);
    for (unsigned i = 0; i < PC_FLOPPIES; i++)
        free(board->floppy[i].bytes);
    clock_destroy(board->clock);
    free(board);
}

/* ---- PCI as firmware sets it up ---- */

uint32_t board_config_read(struct board *board, unsigned devfn, unsigned offset)
{
    bus_out(board->parts.bus, 0xcf8, 0x80000000u | devfn << 8 | (offset & 0xfc), 4);
    return bus_in(board->parts.bus, 0xcfc, 4);
}

void board_config_write(struct board *board, unsigned devfn, unsigned offset, uint32_t value)
{
    bus_out(board->parts.bus, 0xcf8, 0x80000000u | devfn << 8 | (offset & 0xfc), 4);
    bus_out(board->parts.bus, 0xcfc, value, 4);
}

static void place_bars(struct board *board, unsigned devfn, uint32_t *next_port, uint32_t *next_memory)
{
    for (unsigned offset = PCI_BASE_ADDRESS_0; offset < PCI_BASE_ADDRESS_0 + 4 * PCI_BARS; offset += 4) {
        uint32_t size, *next;

        board_config_write(board, devfn, offset, UINT32_MAX);
        size = board_config_read(board, devfn, offset);
        if (!size)
            continue;
        next = size & 1 ? next_port : next_memory;
        size = ~(size & (size & 1 ? 0xfffffffcu : 0xfffffff0u)) + 1;
        if (size & 0xffff0000 && next == next_port)
            size &= 0xffff;
        *next = (*next + size - 1) & ~(size - 1);
        board_config_write(board, devfn, offset, *next);
        *next += size;
    }
}

static void add_range(struct board *board, const char *device, enum board_range_kind kind, uint64_t base, uint64_t len)
{
    unsigned i = 0;

    if (board->n_ranges == BOARD_MAX_RANGES || len == 0)
        return;
    board->range[board->n_ranges++] = (struct board_range){.device = device, .kind = kind, .base = base, .len = len};
    while (i < board->n_devices && strcmp(board->device[i], device) != 0)
        i++;
    if (i == board->n_devices)
        board->device[board->n_devices++] = device;
}

static void find_ranges(struct board *board)
{
    static const char *const config_name[32] = {"pci config 0", "pci config 1", "pci config 2", "pci config 3",
                                                "pci config 4", "pci config 5", "pci config 6", "pci config 7"};
    uint32_t n = 0;

    board->n_ranges = board->n_devices = 0;
    for (uint32_t port = 0; port < 0x10000; port += n) {
        const char *name = bus_port_device(board->parts.bus, (uint16_t)port, &n);

        if (name)
            add_range(board, name, RANGE_PORTS, port, n);
    }
    for (phys_addr at = 0xa0000; at < 0x100000000ull;) {
        struct phys_region region = phys_describe(board->parts.phys, at);

        if (region.kind == PHYS_MMIO && region.name)
            add_range(board, region.name, RANGE_MMIO, at, region.len_bytes);
        at += region.len_bytes;
    }
    for (unsigned slot = 0; slot < 8; slot++)
        for (unsigned function = 0; function < 8; function++)
            if (pci_bus_device(board->parts.pci, slot << 3 | function))
                add_range(board, config_name[slot], RANGE_CONFIG, slot << 3 | function, 256);
    add_range(board, "(any port)", RANGE_PORTS, 0, 0x10000);
    add_range(board, "(any memory)", RANGE_MMIO, 0, 0x100000000);
}

void board_set_up(struct board *board)
{
    uint32_t next_port = 0xc000, next_memory = 0xe0000000;

    for (unsigned devfn = 0; devfn < 256; devfn++) {
        if (!pci_bus_device(board->parts.pci, devfn))
            continue;
        place_bars(board, devfn, &next_port, &next_memory);
        board_config_write(board, devfn, PCI_COMMAND, PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    }
    board_config_write(board, 0, 0x5c, 0x22312022);    /* PAM: write-only, read-only and plain segments */
    board_config_write(board, PM_DEVFN, 0x40, 0xb001); /* PMBA and its enable */
    board_config_write(board, PM_DEVFN, 0x80, 1);
    board_config_write(board, PM_DEVFN, 0x90, 0xb101); /* SMBus */
    board_config_write(board, PM_DEVFN, 0xd0, 9 << 16 | 1 << 16);
    find_ranges(board);
}

/* ---- the machine's own life ---- */

bool board_serve(struct board *board)
{
    struct cpu *cpu = board->parts.cpu;
    uint32_t events = cpu->events;

    if (!(events & ~(uint32_t)CPU_EVENT_INTR))
        return false;
    cpu->events = events & CPU_EVENT_INTR;
    if (events & CPU_EVENT_INTR && fuzz_one_in(board->fuzz, 4))
        cpu->board->intack(cpu->board->opaque);
    if (events & CPU_EVENT_SMI && cpu->board->smm) {
        cpu->board->smm(cpu->board->opaque, true);
        cpu->board->smm(cpu->board->opaque, false);
    }
    if (events & CPU_EVENT_STOP)
        return true;
    if (events & CPU_EVENT_POLL) {
        uint32_t before = board_config_read(board, PM_DEVFN, 0x40);

        cpu->board->poll(cpu->board->opaque);
        if (board_config_read(board, PM_DEVFN, 0x40) != before) { /* it was reset */
            board->n_resets++;
            board_set_up(board);
        }
    }
    return false;
}

void board_pass_time(struct board *board, int64_t ns)
{
    while (ns > 0) {
        int64_t n = ns < 10 * NS_PER_MS ? ns : 10 * NS_PER_MS;

        clock_advance(board->clock, n);
        fuzz_step();
        ns -= n;
    }
}

static void char_input(struct board *board, struct host_char *line)
{
    uint8_t bytes[64];
    size_t n;

    if (!line->receive || !line->can_receive)
        return;
    n = line->can_receive(line->receiver);
    n = n < sizeof bytes ? n : sizeof bytes;
    fuzz_bytes(board->fuzz, bytes, n);
    if (n)
        line->receive(line->receiver, bytes, n);
    if (line->drained)
        line->drained(line->receiver);
}

static void frame_input(struct board *board)
{
    uint8_t frame[2048];
    size_t len = fuzz_below(board->fuzz, sizeof frame);

    fuzz_bytes(board->fuzz, frame, sizeof frame);
    if (fuzz_one_in(board->fuzz, 2))
        memset(frame, 0xff, 6);
    if (fuzz_one_in(board->fuzz, 4))
        memcpy(frame + 12, "\x81\x00", 2);
    if (board->cable.receive && board->cable.can_receive(board->cable.receiver)) {
        board->cable.receive(board->cable.receiver, frame, len);
        board->n_frames++;
    }
}

void board_host_event(struct board *board)
{
    struct fuzz *f = board->fuzz;

    switch (fuzz_below(f, 8)) {
    case 0:
        char_input(board, &board->serial[fuzz_below(f, PC_SERIAL_LINES)]);
        break;
    case 1:
        kbc8042_key(board->parts.kbc, (uint8_t)fuzz_next(f), fuzz_one_in(f, 2));
        break;
    case 2:
        kbc8042_mouse(board->parts.kbc, (int)fuzz_value(f), (int)fuzz_value(f), (int)fuzz_value(f),
                      (uint8_t)fuzz_next(f));
        break;
    case 3:
        if (!board->parts.vmmouse)
            break;
        if (fuzz_one_in(f, 2))
            vmmouse_move(board->parts.vmmouse, (int)fuzz_value(f), (int)fuzz_value(f), (int)fuzz_value(f),
                         (uint8_t)fuzz_next(f));
        else
            vmmouse_point(board->parts.vmmouse, fuzz_value(f), fuzz_value(f), (int)fuzz_value(f),
                          (uint8_t)fuzz_next(f));
        break;
    case 4:
        char_input(board, &board->printer);
        break;
    case 5:
        if (fuzz_one_in(f, 100))
            pc_power_button(board->pc);
        break;
    default:
        frame_input(board);
        break;
    }
}
