/*
 * Intel 82371SB PCI ISA bridge. Source: Intel 290550, "82371FB (PIIX) and 82371SB (PIIX3)": PIRQRC[A:D], RC.
 * The IDE function is hw/block/piix3_ide.c. Slot wiring: INTA# of slot n is PIRQ (n - 1) mod 4, then rotating, as
 * firmware for this board expects.
 * Deviates: chip-select, DMA and SMI registers hold what is written and have no effect.
 */
#include "hw/pci/piix3.h"

#include <stdlib.h>
#include <string.h>

#define PIIX3_PIRQRC          0x60
#define PIIX3_PIRQS           4
#define PIIX3_PIRQ_NOT_ROUTED 0x80
/* IRQs that a PIRQ may reach: not 0, 1, 2, 8 and 13. */
#define PIIX3_ROUTABLE 0xdef8u

#define PIIX3_RC_SRST 0x02 /* reset is hard */
#define PIIX3_RC_RCPU 0x04 /* rising: reset now */

struct piix3 {
    struct pci_device pci;
    uint8_t rc;                              /* reset control, port CF9 */
    uint8_t intx[PCI_SLOTS * PCI_FUNCTIONS]; /* pins driven, bit per INTx#, by devfn */

    struct irq isa_irq[PIIX3_ISA_IRQS];
    uint16_t driven; /* the wires that are up; not saved: after a load they follow the pins */
    void (*reset)(void *opaque, bool is_hard);
    void *opaque;
};

static const struct state_field piix3_fields[] = {
    PCI_STATE(struct piix3, pci),
    STATE_REG(struct piix3, rc, 0, "RC"),
    STATE_BLOB(struct piix3, intx, 0, "INTx# pins driven, by function"),
};
static const struct state_desc piix3_desc = STATE_DESC("piix3", piix3_fields);

/* Which of PIRQA-D are asserted, bit 0 = A. */
static unsigned pirqs_asserted(const struct piix3 *piix3)
{
    unsigned asserted = 0;

    for (unsigned devfn = 0; devfn < PCI_SLOTS * PCI_FUNCTIONS; devfn++) {
        for (unsigned pin = 0; piix3->intx[devfn] >> pin; pin++) {
            if (piix3->intx[devfn] >> pin & 1)
                asserted |= 1u << ((devfn / PCI_FUNCTIONS + pin + 3) % PIIX3_PIRQS);
        }
    }
    return asserted;
}

/* The only place that drives the wires. */
static void update(struct piix3 *piix3)
{
    unsigned asserted = pirqs_asserted(piix3), raised = 0, changed;

    for (unsigned pirq = 0; pirq < PIIX3_PIRQS; pirq++) {
        uint8_t route = piix3->pci.config[PIIX3_PIRQRC + pirq];

        if ((asserted >> pirq & 1) && !(route & PIIX3_PIRQ_NOT_ROUTED))
            raised |= 1u << (route & 0xf) & PIIX3_ROUTABLE;
    }
    changed = raised ^ piix3->driven;
    piix3->driven = (uint16_t)raised;
    for (unsigned irq = 0; irq < PIIX3_ISA_IRQS; irq++) {
        if (changed >> irq & 1)
            irq_set(&piix3->isa_irq[irq], raised >> irq & 1);
    }
}

static void route_intx(void *opaque, unsigned devfn, unsigned pin, bool level)
{
    struct piix3 *piix3 = opaque;
    uint8_t pins = piix3->intx[devfn];

    piix3->intx[devfn] = (uint8_t)(level ? pins | 1u << pin : pins & ~(1u << pin));
    if (piix3->intx[devfn] != pins)
        update(piix3);
}

static void config_written(void *self, unsigned offset, unsigned len_bytes)
{
    if (offset < PIIX3_PIRQRC + PIIX3_PIRQS && offset + len_bytes > PIIX3_PIRQRC)
        update(self);
}

static uint32_t cf9_read(void *self, uint32_t offset, unsigned width)
{
    const struct piix3 *piix3 = self;

    return piix3->rc;
}

static void cf9_write(void *self, uint32_t offset, uint32_t value, unsigned width)
{
    struct piix3 *piix3 = self;
    bool is_rising = (value & PIIX3_RC_RCPU) && !(piix3->rc & PIIX3_RC_RCPU);

    piix3->rc = value & (PIIX3_RC_SRST | PIIX3_RC_RCPU);
    if (is_rising)
        piix3->reset(piix3->opaque, value & PIIX3_RC_SRST);
}

static const struct bus_ops cf9_ops = {.name = "piix3-rc", .read = cf9_read, .write = cf9_write, .max_width = 1};

struct piix3 *piix3_create(struct pci_bus *pci, unsigned slot, const struct irq isa_irq[PIIX3_ISA_IRQS],
                           void (*reset)(void *opaque, bool is_hard), void *opaque)
{
    static const struct pci_identity identity = {.vendor_id = 0x8086,
                                                 .device_id = 0x7000,
                                                 .class_code = 0x06,
                                                 .subclass = 0x01,
                                                 .subsystem_vendor_id = 0x1af4,
                                                 .subsystem_id = 0x1100};
    struct piix3 *piix3 = calloc(1, sizeof *piix3);
    uint8_t *c;

    if (!piix3)
        return NULL;
    memcpy(piix3->isa_irq, isa_irq, sizeof piix3->isa_irq);
    piix3->reset = reset;
    piix3->opaque = opaque;
    pci_device_init(&piix3->pci, &identity, piix3);
    piix3->pci.config_written = config_written;
    c = piix3->pci.reset_config;
    c[PCI_COMMAND] = PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER; /* hardwired */
    pci_set16(c, PCI_STATUS, PCI_STATUS_DEVSEL_MEDIUM);
    c[PCI_HEADER_TYPE] = PCI_HEADER_MULTIFUNCTION;
    c[0x4c] = 0x4d; /* IORT: ISA recovery times */
    c[0x4e] = 0x03; /* XBCS: BIOS and keyboard selects */
    memset(c + PIIX3_PIRQRC, PIIX3_PIRQ_NOT_ROUTED, PIIX3_PIRQS);
    c[0x69] = 0x02; /* TOM */
    c[0x70] = 0x80; /* MBIRQ0 */
    c[0x76] = 0x0c; /* MBDMA0, 1 */
    c[0x77] = 0x0c;
    c[0x78] = 0x02; /* PCSC */
    c[0xa0] = 0x08; /* SMICNTL */
    c[0xa8] = 0x0f; /* CTLTMR */
    memset(piix3->pci.write_mask + 0x40, 0xff, 0x100 - 0x40);
    memset(piix3->pci.write_mask + PIIX3_PIRQRC, 0x8f, PIIX3_PIRQS);
    piix3->pci.write_mask[PCI_COMMAND] = 0;
    if (!pci_device_attach(&piix3->pci, pci, slot, 0)) {
        free(piix3);
        return NULL;
    }
    pci_bus_connect_intx(pci, route_intx, piix3);
    pci_bus_connect_cf9(pci, &cf9_ops, piix3);
    return piix3;
}

void piix3_destroy(struct piix3 *piix3)
{
    free(piix3);
}

void piix3_reset(struct piix3 *piix3)
{
    state_reset(&piix3_desc, piix3);
    pci_device_reset(&piix3->pci);
    update(piix3);
}

const struct state_desc *piix3_state(void)
{
    return &piix3_desc;
}

void piix3_after_load(struct piix3 *piix3)
{
    pci_device_after_load(&piix3->pci);
    update(piix3);
}
