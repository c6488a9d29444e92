/*
 * Plays a hostile guest against every device of the board, without a processor in between: reads and writes of every
 * width, aligned and straddling, at every port, memory-mapped range and configuration register, with time, interrupts,
 * DMA, host input and resets going on. A reset or power-off that the guest causes is carried out, and the run goes on.
 *
 * Each run looks at a few devices closely, so that they get far enough into their protocols. It goes on until there
 * have been --count accesses, and --min to each device; a device that gets none for very long fails the program.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hw/display/vga.h"
#include "hw/pci/pci.h"
#include "softmmu/phys.h"
#include "tests/fuzz/board.h"

#define MAX_DEVICES 64
#define MAX_FOCUS   4
#define RUN_MAX     50000
#define MAX_EXCESS  400 /* times --min that all devices together may get: each is in focus in one run of a few dozen */
#define STEP_MS     100 /* what the issue of a responsive monitor allows one access */
#define SCREEN_MAX  (1920u * 1200u)

struct device {
    const char *name;
    uint64_t n_accesses;
};

struct tally {
    struct device device[MAX_DEVICES];
    unsigned n_devices;
    uint64_t total, n_runs, n_resets, n_frames, n_pictures;
    uint32_t *screen;
};

static struct device *device_named(struct tally *tally, const char *name)
{
    for (unsigned i = 0; i < tally->n_devices; i++)
        if (strcmp(tally->device[i].name, name) == 0)
            return &tally->device[i];
    if (tally->n_devices == MAX_DEVICES)
        abort();
    tally->device[tally->n_devices] = (struct device){.name = name};
    return &tally->device[tally->n_devices++];
}

static void count(struct tally *tally, const char *name, uint64_t n)
{
    device_named(tally, name)->n_accesses += n;
    tally->total += n;
}

/* The first one by turns, so that every device gets its share and a seed says everything about its run. */
static void choose_focus(const struct board *board, struct fuzz *f, uint64_t seed, const char *focus[MAX_FOCUS])
{
    focus[0] = board->device[seed % board->n_devices];
    for (unsigned k = 1; k < MAX_FOCUS; k++)
        focus[k] = board->device[fuzz_below(f, board->n_devices)];
}

/* A range of the device; its ranges may have moved, then any. */
static const struct board_range *range_of(const struct board *board, struct fuzz *f, const char *device)
{
    unsigned first = (unsigned)fuzz_below(f, board->n_ranges);

    for (unsigned k = 0; k < board->n_ranges; k++) {
        const struct board_range *range = &board->range[(first + k) % board->n_ranges];

        if (strcmp(range->device, device) == 0)
            return range;
    }
    return &board->range[first];
}

static void access_ports(struct board *board, struct fuzz *f, const struct board_range *range)
{
    uint16_t port = (uint16_t)(range->base + fuzz_below(f, range->len) - (fuzz_one_in(f, 16) ? fuzz_below(f, 4) : 0));
    unsigned width = 1u << fuzz_below(f, 3);
    struct bus *bus = board->parts.bus;

    fuzz_note(range->device, port, width);
    if (fuzz_one_in(f, 256)) {
        uint8_t buffer[2048];
        uint32_t n = (uint32_t)fuzz_below(f, sizeof buffer / width + 1);

        if (fuzz_one_in(f, 2))
            bus_in_block(bus, port, buffer, width, n);
        fuzz_bytes(f, buffer, sizeof buffer);
        bus_out_block(bus, port, buffer, width, n);
    } else if (fuzz_one_in(f, 2)) {
        bus_in(bus, port, width);
    } else {
        bus_out(bus, port, fuzz_value(f), width);
    }
}

static void access_memory(struct board *board, struct fuzz *f, const struct board_range *range)
{
    uint64_t len = fuzz_one_in(f, 2) && range->len > 0x6000 ? 0x6000 : range->len; /* registers come first */
    phys_addr at = range->base + fuzz_below(f, len);
    unsigned width = 1u << fuzz_below(f, 4);

    if (fuzz_one_in(f, 2))
        at &= ~(phys_addr)3;
    else if (fuzz_one_in(f, 16))
        at -= fuzz_below(f, 8);
    fuzz_note(range->device, at, width);
    if (fuzz_one_in(f, 2))
        phys_read(board->parts.phys, at, width);
    else
        phys_write(board->parts.phys, at, fuzz_value(f) | (uint64_t)fuzz_value(f) << 32, width);
}

static void access_config(struct board *board, struct fuzz *f, const struct board_range *range)
{
    unsigned devfn = (unsigned)range->base, offset = (unsigned)fuzz_below(f, 256), width = 1u << fuzz_below(f, 3);
    struct bus *bus = board->parts.bus;

    fuzz_note(range->device, devfn << 8 | offset, width);
    if (fuzz_one_in(f, 2))
        offset &= 0x7f;
    bus_out(bus, 0xcf8, 0x80000000u | devfn << 8 | (offset & 0xfc), 4);
    if (fuzz_one_in(f, 2))
        bus_in(bus, (uint16_t)(0xcfc + (offset & 3)), width);
    else
        bus_out(bus, (uint16_t)(0xcfc + (offset & 3)), fuzz_value(f), width);
}

static void access_device(struct tally *tally, struct board *board, struct fuzz *f, const char *device)
{
    const struct board_range *range = range_of(board, f, device);

    count(tally, range->device, 1);
    switch (range->kind) {
    case RANGE_PORTS:
        access_ports(board, f, range);
        break;
    case RANGE_MMIO:
        access_memory(board, f, range);
        break;
    case RANGE_CONFIG:
        access_config(board, f, range);
        break;
    }
}

static void look_at_the_screen(struct tally *tally, struct board *board, struct fuzz *f)
{
    struct vga *vga = board->parts.vga;
    struct vga_picture picture;
    uint16_t cells[4096];
    char text[8192];
    unsigned width, height;

    if (!vga)
        return;
    tally->n_pictures++;
    picture = vga_picture(vga);
    if (!picture.width || !picture.height)
        abort();
    width = fuzz_one_in(f, 4) ? 1 + (unsigned)fuzz_below(f, 1920) : picture.width;
    height = fuzz_one_in(f, 4) ? 1 + (unsigned)fuzz_below(f, 1200) : picture.height;
    vga_take_changes(vga);
    vga_text(vga, cells, (unsigned)fuzz_below(f, sizeof cells / sizeof cells[0]));
    vga_text_lines(vga, text, 1 + (unsigned)fuzz_below(f, sizeof text));
    vga_peek(vga, (uint32_t)fuzz_below(f, 0x20000));
    if ((uint64_t)width * height <= SCREEN_MAX)
        vga_render(vga, tally->screen, width, height, width);
}

static void run(struct tally *tally, uint64_t seed)
{
    struct fuzz f = fuzz_start(seed);
    struct board *board = board_create(&f);
    uint64_t n = 1000 + fuzz_below(&f, RUN_MAX), end = tally->total + n;
    const char *focus[MAX_FOCUS];

    for (unsigned i = 0; i < board->n_devices; i++)
        count(tally, board->device[i], 0); /* it is there to be counted */
    choose_focus(board, &f, seed, focus);
    while (tally->total < end) {
        uint64_t r = fuzz_below(&f, 4096);
        const char *device = focus[fuzz_one_in(&f, 2) ? 0 : fuzz_below(&f, MAX_FOCUS)];

        fuzz_step();
        if (r < 8) {
            fuzz_note("screen", 0, 0);
            if (fuzz_one_in(&f, 8))
                look_at_the_screen(tally, board, &f);
        } else if (r < 200) {
            fuzz_note("clock", 0, 0);
            board_pass_time(board, (int64_t)fuzz_below(&f, fuzz_one_in(&f, 32) ? 20 * NS_PER_MS : 20 * NS_PER_US));
        } else if (r < 300) {
            fuzz_note("host event", 0, 0);
            board_host_event(board);
        } else if (r < 400) {
            fuzz_note("scenario", 0, 0);
            count(tally, device, board_scenario(board, device));
        } else if (r < 500) {
            access_device(tally, board, &f, board->range[fuzz_below(&f, board->n_ranges)].device);
        } else {
            access_device(tally, board, &f, device);
        }
        if (board_serve(board) && fuzz_one_in(&f, 65536))
            break; /* mostly the machine plays on after its end: nothing stops the guest before the next block */
    }
    tally->n_runs++;
    tally->n_resets += board->n_resets;
    tally->n_frames += board->n_frames;
    board_destroy(board);
}

/* Has a device had too little, and can that still change? */
static bool is_wanting(const struct tally *tally, uint64_t min)
{
    for (unsigned i = 0; i < tally->n_devices; i++)
        if (tally->device[i].n_accesses < min)
            return tally->total / MAX_EXCESS < min;
    return false;
}

int main(int argc, char **argv)
{
    struct fuzz_args args = fuzz_parse_args(argc, argv, (struct fuzz_args){.seed = 1, .count = 1000000});
    struct tally tally = {.screen = calloc(SCREEN_MAX, sizeof *tally.screen)};
    unsigned n_short = 0;

    if (!tally.screen)
        return EXIT_FAILURE;
    fuzz_watch(STEP_MS);
    for (uint64_t seed = args.seed; tally.total < args.count || is_wanting(&tally, args.min); seed++)
        run(&tally, seed);
    for (unsigned i = 0; i < tally.n_devices; i++) {
        const struct device *d = &tally.device[i];

        n_short += d->n_accesses < args.min;
        if (args.is_verbose || d->n_accesses < args.min)
            printf("%-18s %12" PRIu64 " accesses\n", d->name, d->n_accesses);
    }
    printf("fuzz_devices: %" PRIu64 " accesses to %u devices in %" PRIu64 " runs from seed %" PRIu64 ", %" PRIu64
           " resets, %" PRIu64 " frames, %" PRIu64 " pictures\n",
           tally.total, tally.n_devices, tally.n_runs, args.seed, tally.n_resets, tally.n_frames, tally.n_pictures);
    free(tally.screen);
    if (n_short)
        printf("FAILED: %u devices had fewer than %" PRIu64 " accesses\n", n_short, args.min);
    return n_short ? EXIT_FAILURE : EXIT_SUCCESS;
}
