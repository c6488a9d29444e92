/* One ATA channel: command block, control block, an interrupt line and up to two disks. */
#ifndef HW_BLOCK_IDE_H
#define HW_BLOCK_IDE_H

#include <stdbool.h>
#include <stdint.h>

#include "hw/core/bus.h"
#include "hw/core/host.h"
#include "hw/core/irq.h"
#include "hw/core/state.h"

struct ide_channel;

/* Map 8 ports at 1F0 / 170 and one port at 3F6 / 376. */
extern const struct bus_ops ide_command_ports;
extern const struct bus_ops ide_control_ports;

/* `irq` is copied. NULL when out of memory. */
struct ide_channel *ide_create(const struct irq *irq);
void ide_destroy(struct ide_channel *channel);
/* Connects a disk as drive `unit`, 0 or 1; `serial` (up to 20 characters) is copied. `block` stays the caller's. */
void ide_attach_disk(struct ide_channel *channel, unsigned unit, struct host_block *block, const char *serial);
/* Connects a CD-ROM drive; `block` (ISO image, 4 sectors to a block) may be NULL: no disc. */
void ide_attach_cdrom(struct ide_channel *channel, unsigned unit, struct host_block *block, const char *serial);
/* At any time: puts a disc in, in place of the one that is there, and closes the tray. False if this is no CD-ROM
 * drive. `block` stays the caller's. */
bool ide_cd_insert(struct ide_channel *channel, unsigned unit, struct host_block *block);
/* Opens the tray and takes the disc out. If the guest has locked it and `force` is not set, the guest is only asked to
 * eject: false. */
bool ide_cd_eject(struct ide_channel *channel, unsigned unit, bool force);
/* The hardware reset line: drives run their diagnostics and show their signature. */
void ide_reset(struct ide_channel *channel);
const struct state_desc *ide_state(void);
void ide_after_load(struct ide_channel *channel);

struct ide_geometry {
    uint16_t cylinders;
    uint8_t heads, sectors;
};
/* The default translation of a disk, as IDENTIFY reports it and the firmware expects it. */
struct ide_geometry ide_default_geometry(uint64_t n_sectors);

/* ---- the far end of DMARQ/DMACK: a bus master ---- */

enum ide_dma_direction { IDE_DMA_NONE, IDE_DMA_TO_MEMORY, IDE_DMA_FROM_MEMORY };

/* Without a bus master the drives offer no DMA. `request` is called when a drive begins to wait for a transfer. */
void ide_connect_dma(struct ide_channel *channel, void (*request)(void *opaque), void *opaque);
void ide_connect_irq(struct ide_channel *channel, const struct irq *irq);
/* What the selected drive is waiting for. */
enum ide_dma_direction ide_dma_pending(const struct ide_channel *channel);
/* The next *len_bytes that the drive has for memory, or has room for; NULL when nothing is pending (any more). Then say
 * how many were moved: the last byte completes the command and raises INTRQ. */
uint8_t *ide_dma_window(struct ide_channel *channel, uint32_t *len_bytes);
void ide_dma_advance(struct ide_channel *channel, uint32_t len_bytes);

#endif
