/* A whole PC without its processor, for fuzzers that play the guest: fake host services, a clock that the fuzzer moves,
 * and the ranges where devices answer. */
#ifndef TESTS_FUZZ_BOARD_H
#define TESTS_FUZZ_BOARD_H

#include "hw/pc/pc.h"
#include "tests/fuzz/fuzz.h"

#define BOARD_RAM_BYTES  (8u << 20)
#define BOARD_MAX_RANGES 256

struct board_disk {
    struct host_block block;
    struct board *board;
    uint8_t *bytes;
};

struct board_range {
    const char *device;
    enum board_range_kind { RANGE_PORTS, RANGE_MMIO, RANGE_CONFIG } kind;
    uint64_t base, len;
};

struct board {
    struct fuzz *fuzz;
    struct cpu_model model; /* the processor keeps the pointer to it */
    struct pc *pc;
    struct pc_parts parts;
    struct clock *clock;
    struct host_char serial[PC_SERIAL_LINES], printer, debugcon;
    struct board_disk disk[PC_IDE_DISKS], floppy[PC_FLOPPIES];
    struct host_net cable;
    struct board_range range[BOARD_MAX_RANGES];
    unsigned n_ranges;
    const char *device[BOARD_MAX_RANGES]; /* each name in range[] once */
    unsigned n_devices;
    uint64_t n_resets, n_frames;
};

/* Built from its seed: which disks, lines and cards there are differs. Exits on failure. */
struct board *board_create(struct fuzz *f);
void board_destroy(struct board *board);

/* As firmware does: gives every PCI function addresses and enables it, turns on what hides behind configuration bits,
 * and looks where everything is. */
void board_set_up(struct board *board);
/* What the guest has asked the machine for: a reset or sleep is carried out, and true is returned at the end of the
 * machine's life. */
bool board_serve(struct board *board);
/* Guest time goes on, in steps that a running machine would take too. */
void board_pass_time(struct board *board, int64_t ns);
/* Something happens outside: input on a line, a key, the mouse, a frame, the power button. */
void board_host_event(struct board *board);
/* A few accesses that make sense together, with random parameters; they count as accesses to `device`. Returns how many
 * there were; 0 if there is nothing for this device. */
unsigned board_scenario(struct board *board, const char *device);

uint32_t board_config_read(struct board *board, unsigned devfn, unsigned offset);
void board_config_write(struct board *board, unsigned devfn, unsigned offset, uint32_t value);

#endif
