/* Intel 82540EM Gigabit Ethernet controller ("e1000"), PCI 8086:100E. */
#ifndef HW_NET_E1000_H
#define HW_NET_E1000_H

#include <stdbool.h>
#include <stdint.h>

#include "hw/core/clock.h"
#include "hw/core/host.h"
#include "hw/pci/pci.h"

struct e1000;

/* Slot `slot` of `pci`, plugged into `host` (which it does not own; NULL: no cable). `mac` is the address in its
 * EEPROM. `rom` is the option ROM or NULL; its bytes stay the caller's. NULL when out of memory or the slot is taken.
 * Reset it afterwards. */
struct e1000 *e1000_create(struct pci_bus *pci, unsigned slot, struct clock *clock, struct host_net *host,
                           const uint8_t mac[6], const uint8_t *rom, uint32_t rom_len_bytes);
void e1000_destroy(struct e1000 *nic);
void e1000_reset(struct e1000 *nic);
const struct state_desc *e1000_state(void);
void e1000_after_load(struct e1000 *nic);

#endif
