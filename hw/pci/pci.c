/*
 * PCI bus 0 and configuration mechanism #1. Source: PCI Local Bus Specification 2.1, chapter 6 "Configuration Space"
 * and section 3.7.4 "Software Generation of Configuration Transactions".
 * Deviates: I/O BARs below 400 or over CF8-CFF do not decode, so that a guest cannot bury the board's own ports.
 * Deviates: no master abort status; only bus 0 exists.
 */
#include "hw/pci/pci.h"

#include <stdlib.h>
#include <string.h>

#define PCI_CONFADD_ENABLE   0x80000000u
#define PCI_CONFADD_WRITABLE 0x80fffffcu

#define PCI_IO_FIRST         0x400u
#define PCI_HOST_PORTS_FIRST 0xcf8u
#define PCI_HOST_PORTS_LAST  0xcffu

struct pci_bus {
    uint32_t confadd;

    struct bus *bus;
    struct pci_device *device[PCI_SLOTS * PCI_FUNCTIONS];
    void (*route)(void *opaque, unsigned devfn, unsigned pin, bool level);
    void *route_opaque;
    const struct bus_ops *cf9_ops;
    void *cf9_self;
    uint32_t window_first, window_last;
};

static const struct state_field pci_bus_fields[] = {
    STATE_REG(struct pci_bus, confadd, 0, "CONFADD"),
};
static const struct state_desc pci_bus_desc = STATE_DESC("pci", pci_bus_fields);

const struct state_desc *pci_bus_state(void)
{
    return &pci_bus_desc;
}

/* ---- base address registers ---- */

static unsigned bar_offset(const struct pci_device *dev, const struct pci_bar *bar)
{
    return bar == &dev->rom ? (unsigned)PCI_ROM_ADDRESS : PCI_BASE_ADDRESS_0 + 4 * (unsigned)(bar - dev->bar);
}

static bool ranges_overlap(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size)
{
    return a < b + b_size && b < a + a_size;
}

/* Where configuration space says the BAR decodes; false: nowhere. */
static bool bar_wanted(const struct pci_device *dev, const struct pci_bar *bar, uint32_t *base)
{
    uint16_t command = pci_get16(dev->config, PCI_COMMAND);
    uint32_t reg = pci_get32(dev->config, bar_offset(dev, bar));
    uint64_t last;

    *base = reg & ~(bar->size - 1);
    last = (uint64_t)*base + bar->size - 1;
    if (bar->kind == PCI_BAR_IO)
        return (command & PCI_COMMAND_IO) && *base >= PCI_IO_FIRST && last <= 0xffff &&
               !ranges_overlap(*base, bar->size, PCI_HOST_PORTS_FIRST, 8);
    if (!(command & PCI_COMMAND_MEMORY) || (bar == &dev->rom && !(reg & PCI_ROM_ADDRESS_ENABLE)))
        return false;
    /* All ones is what sizing writes; a guest may do that with decoding on. */
    return *base != 0 && last < UINT32_MAX && *base >= dev->pci->window_first && last <= dev->pci->window_last;
}

static void bar_map(struct pci_bus *pci, const struct pci_bar *bar)
{
    if (bar->kind == PCI_BAR_IO)
        bus_map_ports(pci->bus, (uint16_t)bar->base, bar->size, bar->ops, bar->self);
    else
        bus_map_mmio(pci->bus, bar->base, bar->size, bar->ops, bar->self);
}

static struct pci_bar *bar_at(struct pci_device *dev, unsigned index)
{
    return index < PCI_BARS ? &dev->bar[index] : &dev->rom;
}

/* Unmapping leaves a hole, so whatever else lay there is mapped again. */
static void bar_unmap(struct pci_bus *pci, struct pci_bar *bar)
{
    bool is_io = bar->kind == PCI_BAR_IO;

    bar->is_mapped = false;
    if (is_io)
        bus_unmap_ports(pci->bus, (uint16_t)bar->base, bar->size);
    else
        bus_unmap_mmio(pci->bus, bar->base, bar->size);
    for (unsigned devfn = 0; devfn < PCI_SLOTS * PCI_FUNCTIONS; devfn++) {
        struct pci_device *dev = pci->device[devfn];

        for (unsigned i = 0; dev && i <= PCI_BARS; i++) {
            const struct pci_bar *other = bar_at(dev, i);

            if (other->is_mapped && (other->kind == PCI_BAR_IO) == is_io &&
                ranges_overlap(other->base, other->size, bar->base, bar->size))
                bar_map(pci, other);
        }
    }
}

static void update_mappings(struct pci_device *dev)
{
    if (!dev->pci)
        return;
    for (unsigned i = 0; i <= PCI_BARS; i++) {
        struct pci_bar *bar = bar_at(dev, i);
        bool wanted;
        uint32_t base;

        if (bar->kind == PCI_BAR_NONE)
            continue;
        wanted = bar_wanted(dev, bar, &base);
        if (wanted == bar->is_mapped && (!wanted || base == bar->base))
            continue;
        if (bar->is_mapped)
            bar_unmap(dev->pci, bar);
        if (wanted) {
            bar->base = base;
            bar->is_mapped = true;
            bar_map(dev->pci, bar);
        }
    }
}

static uint32_t rom_read(void *self, uint32_t offset, unsigned width)
{
    const struct pci_device *dev = self;
    uint32_t value = 0;

    for (unsigned i = 0; i < width; i++) {
        uint32_t byte = offset + i < dev->rom_len_bytes ? dev->rom_bytes[offset + i] : 0xff;

        value |= byte << 8 * i;
    }
    return value;
}

static void rom_write(void *self, uint32_t offset, uint32_t value, unsigned width) {}

static const struct bus_ops rom_ops = {.name = "pci-rom", .read = rom_read, .write = rom_write, .max_width = 4};

/* ---- INTx ---- */

static void update_intx(struct pci_device *dev)
{
    uint8_t pin = dev->config[PCI_INTERRUPT_PIN];
    bool disabled = pci_get16(dev->config, PCI_COMMAND) & PCI_COMMAND_INTX_DISABLE;

    if (dev->intx_level)
        dev->config[PCI_STATUS] |= PCI_STATUS_INTERRUPT;
    else
        dev->config[PCI_STATUS] &= (uint8_t)~PCI_STATUS_INTERRUPT;
    if (dev->pci && dev->pci->route && pin >= 1 && pin <= 4)
        dev->pci->route(dev->pci->route_opaque, dev->devfn, pin - 1u, dev->intx_level && !disabled);
}

void pci_device_set_intx(struct pci_device *dev, bool level)
{
    dev->intx_level = level;
    update_intx(dev);
}

/* ---- configuration space ---- */

uint32_t pci_config_read(const struct pci_device *dev, unsigned offset, unsigned width)
{
    uint32_t value = 0;

    for (unsigned i = 0; i < width; i++)
        value |= (uint32_t)(offset + i < PCI_CONFIG_SIZE ? dev->config[offset + i] : 0xff) << 8 * i;
    return value;
}

void pci_config_write(struct pci_device *dev, unsigned offset, uint32_t value, unsigned width)
{
    if (offset >= PCI_CONFIG_SIZE)
        return;
    if (width > PCI_CONFIG_SIZE - offset)
        width = PCI_CONFIG_SIZE - offset;
    for (unsigned i = offset; i < offset + width; i++, value >>= 8) {
        uint8_t mask = dev->write_mask[i], byte = (uint8_t)value;

        dev->config[i] = (uint8_t)((dev->config[i] & ~mask) | (byte & mask));
        dev->config[i] &= (uint8_t) ~(byte & dev->clear_mask[i]);
    }
    update_mappings(dev);
    if (offset < PCI_COMMAND + 2 && offset + width > PCI_COMMAND)
        update_intx(dev);
    if (dev->config_written)
        dev->config_written(dev->self, offset, width);
}

void pci_device_init(struct pci_device *dev, const struct pci_identity *identity, void *self)
{
    uint8_t *c = dev->reset_config;

    dev->self = self;
    pci_set16(c, PCI_VENDOR_ID, identity->vendor_id);
    pci_set16(c, PCI_DEVICE_ID, identity->device_id);
    c[PCI_REVISION_ID] = identity->revision;
    c[PCI_CLASS_PROG] = identity->prog_if;
    c[PCI_CLASS_DEVICE] = identity->subclass;
    c[PCI_CLASS_DEVICE + 1] = identity->class_code;
    pci_set16(c, PCI_SUBSYSTEM_VENDOR_ID, identity->subsystem_vendor_id);
    pci_set16(c, PCI_SUBSYSTEM_ID, identity->subsystem_id);
    c[PCI_INTERRUPT_PIN] = identity->interrupt_pin;
    pci_set16(dev->write_mask, PCI_COMMAND,
              PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE);
    dev->write_mask[PCI_CACHE_LINE_SIZE] = 0xff;
    dev->write_mask[PCI_INTERRUPT_LINE] = 0xff;
    pci_set16(dev->clear_mask, PCI_STATUS, 0xf900);
    memcpy(dev->config, c, sizeof dev->config);
}

void pci_device_add_bar(struct pci_device *dev, unsigned index, enum pci_bar_kind kind, uint32_t size,
                        const struct bus_ops *ops, void *self)
{
    unsigned offset = PCI_BASE_ADDRESS_0 + 4 * index;
    static const uint8_t type_bits[] = {[PCI_BAR_IO] = 0x01, [PCI_BAR_MEMORY] = 0x00, [PCI_BAR_MEMORY_PREFETCH] = 0x08};

    dev->bar[index] = (struct pci_bar){.kind = kind, .size = size, .ops = ops, .self = self};
    dev->reset_config[offset] = type_bits[kind];
    pci_set32(dev->write_mask, offset, ~(size - 1));
}

void pci_device_add_rom(struct pci_device *dev, const uint8_t *bytes, uint32_t len_bytes)
{
    uint32_t size = 2048; /* the register has no bits below 2 KiB */

    while (size < len_bytes)
        size *= 2;
    dev->rom = (struct pci_bar){.kind = PCI_BAR_MEMORY, .size = size, .ops = &rom_ops, .self = dev};
    dev->rom_bytes = bytes;
    dev->rom_len_bytes = len_bytes;
    pci_set32(dev->write_mask, PCI_ROM_ADDRESS, ~(size - 1) | PCI_ROM_ADDRESS_ENABLE);
}

bool pci_device_attach(struct pci_device *dev, struct pci_bus *pci, unsigned slot, unsigned function)
{
    unsigned devfn = slot * PCI_FUNCTIONS + function;

    if (slot >= PCI_SLOTS || function >= PCI_FUNCTIONS || pci->device[devfn])
        return false;
    dev->devfn = (uint8_t)devfn;
    dev->pci = pci;
    pci->device[devfn] = dev;
    return true;
}

void pci_device_reset(struct pci_device *dev)
{
    memcpy(dev->config, dev->reset_config, sizeof dev->config);
    update_mappings(dev);
    pci_device_set_intx(dev, false);
}

void pci_device_after_load(struct pci_device *dev)
{
    update_mappings(dev);
    update_intx(dev);
}

static bool may_master(const struct pci_device *dev)
{
    return dev->pci && (dev->config[PCI_COMMAND] & PCI_COMMAND_MASTER);
}

bool pci_dma_read(struct pci_device *dev, phys_addr address, void *buffer, size_t len_bytes)
{
    return may_master(dev) && bus_dma_read(dev->pci->bus, address, buffer, len_bytes);
}

bool pci_dma_write(struct pci_device *dev, phys_addr address, const void *buffer, size_t len_bytes)
{
    return may_master(dev) && bus_dma_write(dev->pci->bus, address, buffer, len_bytes);
}

/* ---- configuration mechanism #1 ---- */

struct pci_device *pci_bus_device(struct pci_bus *pci, unsigned devfn)
{
    return devfn < PCI_SLOTS * PCI_FUNCTIONS ? pci->device[devfn] : NULL;
}

static struct pci_device *addressed_device(struct pci_bus *pci)
{
    if (!(pci->confadd & PCI_CONFADD_ENABLE) || (pci->confadd >> 16 & 0xff) != 0)
        return NULL;
    return pci->device[pci->confadd >> 8 & 0xff];
}

/* Only a dword access at CF8 is CONFADD; anything else there passes on to the ISA side, where CF9 alone answers. */
static uint32_t address_read(void *self, uint32_t offset, unsigned width)
{
    struct pci_bus *pci = self;

    if (offset == 0 && width == 4)
        return pci->confadd;
    if (offset == 1 && width == 1 && pci->cf9_ops)
        return pci->cf9_ops->read(pci->cf9_self, 0, 1);
    return UINT32_MAX >> (32 - 8 * width);
}

static void address_write(void *self, uint32_t offset, uint32_t value, unsigned width)
{
    struct pci_bus *pci = self;

    if (offset == 0 && width == 4)
        pci->confadd = value & PCI_CONFADD_WRITABLE;
    else if (offset == 1 && width == 1 && pci->cf9_ops)
        pci->cf9_ops->write(pci->cf9_self, 0, value, 1);
}

static uint32_t data_read(void *self, uint32_t offset, unsigned width)
{
    struct pci_bus *pci = self;
    const struct pci_device *dev = addressed_device(pci);

    return dev ? pci_config_read(dev, (pci->confadd & 0xfc) + offset, width) : UINT32_MAX >> (32 - 8 * width);
}

static void data_write(void *self, uint32_t offset, uint32_t value, unsigned width)
{
    struct pci_bus *pci = self;
    struct pci_device *dev = addressed_device(pci);

    if (dev)
        pci_config_write(dev, (pci->confadd & 0xfc) + offset, value, width);
}

const struct bus_ops pci_address_ports = {
    .name = "pci-address", .read = address_read, .write = address_write, .max_width = 4};
const struct bus_ops pci_data_ports = {.name = "pci-data", .read = data_read, .write = data_write, .max_width = 4};

struct pci_bus *pci_bus_create(struct bus *bus)
{
    struct pci_bus *pci = calloc(1, sizeof *pci);

    if (pci) {
        pci->bus = bus;
        pci->window_last = UINT32_MAX;
    }
    return pci;
}

void pci_bus_destroy(struct pci_bus *pci)
{
    free(pci);
}

void pci_bus_connect_intx(struct pci_bus *pci, void (*route)(void *opaque, unsigned devfn, unsigned pin, bool level),
                          void *opaque)
{
    pci->route = route;
    pci->route_opaque = opaque;
}

void pci_bus_connect_cf9(struct pci_bus *pci, const struct bus_ops *ops, void *self)
{
    pci->cf9_ops = ops;
    pci->cf9_self = self;
}

void pci_bus_set_memory_window(struct pci_bus *pci, uint32_t first, uint32_t last)
{
    pci->window_first = first;
    pci->window_last = last;
}

void pci_bus_reset(struct pci_bus *pci)
{
    state_reset(&pci_bus_desc, pci);
}
