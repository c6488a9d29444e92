/*
 * Intel 82078 floppy disk controller with up to two drives.
 *
 * The board maps fdc82078_ops at 3F0h (6 ports) and fdc82078_dir_ops at 3F7h (1 port); 3F6h belongs to the IDE channel.
 */
#ifndef HW_BLOCK_FDC82078_H
#define HW_BLOCK_FDC82078_H

#include <stdbool.h>
#include <stdint.h>

#include "hw/core/bus.h"
#include "hw/core/clock.h"
#include "hw/core/host.h"
#include "hw/core/irq.h"
#include "hw/core/state.h"
#include "hw/dma/dma8237.h"

#define FDC82078_DRIVES 2

struct fdc82078;

/* As CMOS byte 10h names them. */
enum fdc82078_drive_type {
    FDC82078_NO_DRIVE = 0,
    FDC82078_360K = 1,
    FDC82078_1200K = 2,
    FDC82078_720K = 3,
    FDC82078_1440K = 4,
    FDC82078_2880K = 5,
};

extern const struct bus_ops fdc82078_ops;
extern const struct bus_ops fdc82078_dir_ops;

/* Without drives. `dma` may be NULL: then there is only non-DMA mode. NULL when out of memory. */
struct fdc82078 *fdc82078_create(struct clock *clock, struct irq irq, struct dma8237_channel *dma);
void fdc82078_destroy(struct fdc82078 *fdc);
/* The RESET pin. Drives keep their disks and head positions. */
void fdc82078_reset(struct fdc82078 *fdc);

void fdc82078_add_drive(struct fdc82078 *fdc, unsigned unit, enum fdc82078_drive_type type);
enum fdc82078_drive_type fdc82078_drive_type(const struct fdc82078 *fdc, unsigned unit);
/* The drive that an image of so many sectors is made for; FDC82078_NO_DRIVE if it is too large for a floppy disk. */
enum fdc82078_drive_type fdc82078_type_for(uint64_t n_sectors);

/* At any time. `block` stays the caller's. False (and nothing happens) if there is no drive or the disk does not go
 * into it. A disk that is in the drive is taken out first. */
bool fdc82078_insert(struct fdc82078 *fdc, unsigned unit, struct host_block *block);
/* Returns what was in the drive, or NULL. */
struct host_block *fdc82078_eject(struct fdc82078 *fdc, unsigned unit);

const struct state_desc *fdc82078_state_desc(void);
void fdc82078_after_load(struct fdc82078 *fdc);

#endif
