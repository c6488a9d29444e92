/* Intel 82371SB (PIIX3), function 1: the bus-master IDE controller over two legacy ATA channels. */
#ifndef HW_BLOCK_PIIX3_IDE_H
#define HW_BLOCK_PIIX3_IDE_H

#include "hw/block/ide.h"
#include "hw/pci/pci.h"

struct piix3_ide;

/* Slot `slot` function 1. Takes over the channels' INTRQ, which it passes on to `irq` (IRQ 14 and 15, copied), and
 * their DMA requests; create it before the disks are attached, since they offer DMA only with it. NULL when out of
 * memory or the slot is taken. */
struct piix3_ide *piix3_ide_create(struct pci_bus *pci, unsigned slot, struct ide_channel *const channel[2],
                                   const struct irq irq[2]);
void piix3_ide_destroy(struct piix3_ide *ide);
/* Resets the function, not the channels. */
void piix3_ide_reset(struct piix3_ide *ide);
const struct state_desc *piix3_ide_state(void);
void piix3_ide_after_load(struct piix3_ide *ide);

#endif
