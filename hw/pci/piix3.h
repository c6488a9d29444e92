/* Intel 82371SB (PIIX3), function 0: PCI-to-ISA bridge. Routes PCI interrupts to ISA IRQs and resets the machine. */
#ifndef HW_PCI_PIIX3_H
#define HW_PCI_PIIX3_H

#include "hw/core/irq.h"
#include "hw/pci/pci.h"

#define PIIX3_ISA_IRQS 16

struct piix3;

/* Slot `slot` function 0. Takes over the INTx routing and port CF9 of `pci`. `isa_irq` are 16 level wires, copied:
 * each is the OR of the PIRQs routed to it. `reset` is called for CF9 writes that reset: `is_hard` resets the whole
 * board, else only the CPU (INIT). NULL when out of memory or the slot is taken. */
struct piix3 *piix3_create(struct pci_bus *pci, unsigned slot, const struct irq isa_irq[PIIX3_ISA_IRQS],
                           void (*reset)(void *opaque, bool is_hard), void *opaque);
void piix3_destroy(struct piix3 *piix3);
void piix3_reset(struct piix3 *piix3);
const struct state_desc *piix3_state(void);
void piix3_after_load(struct piix3 *piix3);

#endif
