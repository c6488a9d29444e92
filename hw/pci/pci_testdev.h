/* pci-testdev: a PCI function whose memory and I/O registers count the writes that a guest's test makes. */
#ifndef HW_PCI_PCI_TESTDEV_H
#define HW_PCI_PCI_TESTDEV_H

#include "hw/pci/pci.h"

struct pci_testdev;

/* NULL when out of memory or if the slot is taken. */
struct pci_testdev *pci_testdev_create(struct pci_bus *pci, unsigned slot);
void pci_testdev_destroy(struct pci_testdev *dev);
void pci_testdev_reset(struct pci_testdev *dev);

const struct state_desc *pci_testdev_state(void);
void pci_testdev_after_load(struct pci_testdev *dev);

#endif
