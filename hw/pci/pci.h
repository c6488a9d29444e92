/*
 * PCI bus 0: configuration mechanism #1, base address registers, expansion ROMs and INTx wires.
 *
 * A PCI function embeds a struct pci_device and describes its configuration space by values and masks; this code does
 * the rest: sizing, mapping and unmapping through struct bus, write-1-to-clear bits, interrupt status.
 */
#ifndef HW_PCI_PCI_H
#define HW_PCI_PCI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hw/core/bus.h"
#include "hw/core/state.h"

#define PCI_SLOTS       32
#define PCI_FUNCTIONS   8
#define PCI_CONFIG_SIZE 256
#define PCI_BARS        6

enum pci_register { /* type 0 header, offsets in configuration space */
                    PCI_VENDOR_ID = 0x00,
                    PCI_DEVICE_ID = 0x02,
                    PCI_COMMAND = 0x04,
                    PCI_COMMAND_IO = 1 << 0,
                    PCI_COMMAND_MEMORY = 1 << 1,
                    PCI_COMMAND_MASTER = 1 << 2,
                    PCI_COMMAND_SERR = 1 << 8,
                    PCI_COMMAND_INTX_DISABLE = 1 << 10,
                    PCI_STATUS = 0x06,
                    PCI_STATUS_INTERRUPT = 1 << 3,
                    PCI_STATUS_FAST_BACK = 1 << 7,
                    PCI_STATUS_DEVSEL_MEDIUM = 1 << 9,
                    PCI_REVISION_ID = 0x08,
                    PCI_CLASS_PROG = 0x09,
                    PCI_CLASS_DEVICE = 0x0a,
                    PCI_CACHE_LINE_SIZE = 0x0c,
                    PCI_LATENCY_TIMER = 0x0d,
                    PCI_HEADER_TYPE = 0x0e,
                    PCI_HEADER_MULTIFUNCTION = 0x80,
                    PCI_BASE_ADDRESS_0 = 0x10,
                    PCI_SUBSYSTEM_VENDOR_ID = 0x2c,
                    PCI_SUBSYSTEM_ID = 0x2e,
                    PCI_ROM_ADDRESS = 0x30,
                    PCI_ROM_ADDRESS_ENABLE = 1 << 0,
                    PCI_INTERRUPT_LINE = 0x3c,
                    PCI_INTERRUPT_PIN = 0x3d,
};

enum pci_bar_kind { PCI_BAR_NONE, PCI_BAR_IO, PCI_BAR_MEMORY, PCI_BAR_MEMORY_PREFETCH };

struct pci_bus;

struct pci_bar {
    enum pci_bar_kind kind;
    uint32_t size; /* bytes, a power of two */
    const struct bus_ops *ops;
    void *self;
    bool is_mapped; /* where it is mapped right now: derived from configuration space, never saved */
    uint32_t base;
};

struct pci_identity {
    uint16_t vendor_id, device_id;
    uint8_t revision;
    uint8_t class_code, subclass, prog_if;
    uint16_t subsystem_vendor_id, subsystem_id;
    uint8_t interrupt_pin; /* 0: none, 1-4: INTA#-INTD# */
};

struct pci_device {
    uint8_t config[PCI_CONFIG_SIZE];
    uint8_t intx_level; /* the function drives its INTx# pin */

    uint8_t reset_config[PCI_CONFIG_SIZE]; /* values after reset */
    uint8_t write_mask[PCI_CONFIG_SIZE];   /* bits that a configuration write changes */
    uint8_t clear_mask[PCI_CONFIG_SIZE];   /* bits that writing 1 clears */
    struct pci_bar bar[PCI_BARS];
    struct pci_bar rom; /* size 0: no ROM */
    const uint8_t *rom_bytes;
    uint32_t rom_len_bytes;
    uint8_t devfn; /* slot * 8 + function */
    struct pci_bus *pci;
    /* Called after a configuration write has changed config[offset, offset + len). May be NULL. */
    void (*config_written)(void *self, unsigned offset, unsigned len_bytes);
    void *self;
};

/* Rows for the state table of the device that embeds `member`. */
#define PCI_STATE(type, member)                                                                                        \
    {#member ".config", STATE_BYTES, offsetof(type, member.config), PCI_CONFIG_SIZE, 1, 0, 0, "configuration space"},  \
    {                                                                                                                  \
#member ".intx_level", STATE_UINT, offsetof(type, member.intx_level), 1, 1, 0, 0, "INTx# driven"               \
    }

/* The host bridge's two registers: map 4 ports at CF8 and 4 at CFC, with the struct pci_bus as `self`. */
extern const struct bus_ops pci_address_ports;
extern const struct bus_ops pci_data_ports;

/* An empty bus 0 whose devices map themselves into `bus`. NULL when out of memory. Devices are not owned. */
struct pci_bus *pci_bus_create(struct bus *bus);
void pci_bus_destroy(struct pci_bus *pci);
/* The chipset's interrupt router: function `devfn` drives pin 0-3 (INTA#-INTD#). */
void pci_bus_connect_intx(struct pci_bus *pci, void (*route)(void *opaque, unsigned devfn, unsigned pin, bool level),
                          void *opaque);
/* Port CF9 lies inside CF8-CFB; byte accesses to it go to offset 0 of `ops`. */
void pci_bus_connect_cf9(struct pci_bus *pci, const struct bus_ops *ops, void *self);
/* Memory BARs decode only inside [first, last]; elsewhere RAM or firmware claims the cycle first. */
void pci_bus_set_memory_window(struct pci_bus *pci, uint32_t first, uint32_t last);
/* Resets CONFADD. Devices are reset by whoever created them. */
void pci_bus_reset(struct pci_bus *pci);
const struct state_desc *pci_bus_state(void);

/* Fills `dev`, which must be zeroed, with a type 0 header. `self` goes to config_written. */
void pci_device_init(struct pci_device *dev, const struct pci_identity *identity, void *self);
/* Declares a base address register or the expansion ROM; before pci_device_attach. ROM bytes must outlive the device.
 */
void pci_device_add_bar(struct pci_device *dev, unsigned index, enum pci_bar_kind kind, uint32_t size,
                        const struct bus_ops *ops, void *self);
void pci_device_add_rom(struct pci_device *dev, const uint8_t *bytes, uint32_t len_bytes);
/* Puts the function on the bus; false if the place is taken. The device then must be reset once. */
bool pci_device_attach(struct pci_device *dev, struct pci_bus *pci, unsigned slot, unsigned function);
/* Loads reset_config, lowers INTx# and unmaps the BARs. */
void pci_device_reset(struct pci_device *dev);
/* Configuration space was replaced: maps what it says and drives INTx# again. */
void pci_device_after_load(struct pci_device *dev);
void pci_device_set_intx(struct pci_device *dev, bool level);

uint32_t pci_config_read(const struct pci_device *dev, unsigned offset, unsigned width);
/* As the guest does it: through the masks. */
void pci_config_write(struct pci_device *dev, unsigned offset, uint32_t value, unsigned width);
/* The function on the bus, or NULL. For the monitor's `info pci`. */
struct pci_device *pci_bus_device(struct pci_bus *pci, unsigned devfn);

/* Bus-master transfers: RAM only; false if the function is not enabled as a master or an address is not RAM. */
bool pci_dma_read(struct pci_device *dev, phys_addr address, void *buffer, size_t len_bytes);
bool pci_dma_write(struct pci_device *dev, phys_addr address, const void *buffer, size_t len_bytes);

/* Little-endian access to a configuration array, for device code. */
static inline uint16_t pci_get16(const uint8_t *config, unsigned offset)
{
    return (uint16_t)(config[offset] | config[offset + 1] << 8);
}

static inline uint32_t pci_get32(const uint8_t *config, unsigned offset)
{
    return pci_get16(config, offset) | (uint32_t)pci_get16(config, offset + 2) << 16;
}

static inline void pci_set16(uint8_t *config, unsigned offset, uint16_t value)
{
    config[offset] = (uint8_t)value;
    config[offset + 1] = (uint8_t)(value >> 8);
}

static inline void pci_set32(uint8_t *config, unsigned offset, uint32_t value)
{
    pci_set16(config, offset, (uint16_t)value);
    pci_set16(config, offset + 2, (uint16_t)(value >> 16));
}

#endif
