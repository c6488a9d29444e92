/* The running machine as its consoles see it: monitors, displays and signals all act through this. Machine thread. */
#ifndef UI_MACHINE_H
#define UI_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hw/pc/pc.h"
#include "ui/eventloop.h"
#include "ui/typist.h"

enum machine_drive_kind { DRIVE_DISK, DRIVE_CDROM, DRIVE_FLOPPY };

struct machine_drive {
    const char *name; /* "ide0-hd0", as QEMU calls it */
    enum machine_drive_kind kind;
    unsigned unit;             /* 0-3: primary master and slave, secondary master and slave; floppies 0 and 1 */
    struct host_block **block; /* what is in it; whoever made the machine closes that at the end */
    char path[1024];           /* empty: nothing is in it */
};

#define MACHINE_MAX_DRIVES 8

struct machine {
    const char *name; /* -name, or NULL */
    struct pc *pc;
    struct event_loop *loop; /* NULL in tests */
    struct typist *typist;
    struct machine_drive drive[MACHINE_MAX_DRIVES];
    unsigned n_drives;
    uint8_t mouse_buttons; /* held by the monitor */
};

/* Stops and continues processor, clock and timers together. */
void machine_stop(struct machine *machine);
void machine_continue(struct machine *machine);
/* Ends the process with status 0, soon. */
void machine_quit(struct machine *machine);

/* The mouse that the guest listens to moves, as kbc8042_mouse(). */
void machine_mouse(struct machine *machine, int dx, int dy, int dz, uint8_t buttons);

/* Takes the medium out and closes its file. False: `error` says why not; without `force` a CD may be locked. */
bool machine_eject(struct machine *machine, struct machine_drive *drive, bool force, char *error, size_t error_size);
/* Puts the image `path` in, in place of what is there. False: `error` says why not. */
bool machine_insert(struct machine *machine, struct machine_drive *drive, const char *path, char *error,
                    size_t error_size);

/* Guest-physical bytes as a processor would read them, but without touching the state of the display card. Other device
 * registers are read as by a guest. What is not there reads as ff. */
void machine_read_physical(struct machine *machine, uint64_t address, void *buffer, size_t len);
/* Through the processor's page tables; false if a page is not mapped. */
bool machine_read_linear(struct machine *machine, uint32_t address, void *buffer, size_t len);

#endif
