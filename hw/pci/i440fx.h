/* Intel 82441FX host bridge (i440FX): who answers in C0000-FFFFF and A0000-BFFFF. */
#ifndef HW_PCI_I440FX_H
#define HW_PCI_I440FX_H

#include "hw/pci/pci.h"

struct i440fx;

struct i440fx_board {
    /* One PAM segment changed: reads come from RAM (else from the bus: ROM), writes go to RAM (else to the bus). */
    void (*pam_changed)(void *opaque, phys_addr base, uint32_t size, bool reads_ram, bool writes_ram);
    /* SMRAM changed: with `is_open` A0000-BFFFF is RAM for everybody, with `is_enabled` for SMM only. May be NULL. */
    void (*smram_changed)(void *opaque, bool is_open, bool is_enabled);
    void *opaque;
};

/* Slot 0 of `pci`. `board` is copied; its callbacks first run at reset. NULL when out of memory or the slot is taken.
 */
struct i440fx *i440fx_create(struct pci_bus *pci, const struct i440fx_board *board);
void i440fx_destroy(struct i440fx *bridge);
/* PAM all off (firmware ROM visible), SMRAM closed and unlocked; reports every segment to the board. */
void i440fx_reset(struct i440fx *bridge);
const struct state_desc *i440fx_state(void);
void i440fx_after_load(struct i440fx *bridge);

#endif
