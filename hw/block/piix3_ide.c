/*
 * PIIX3 IDE controller. Source: Intel 290550, "82371FB (PIIX) and 82371SB (PIIX3)": BMICX, BMISX, BMIDTPX; SFF-8038i
 * "Programming Interface for Bus Master IDE Controller".
 * Deviates: IDETIM holds what is written; the channels decode their ports whatever its enable bits say.
 * Deviates: a transfer runs to its end when both the drive and the start bit are there.
 */
#include "hw/block/piix3_ide.h"

#include <stdlib.h>

enum { BMIC = 0, BMIS = 2, BMIDTP = 4, BM_CHANNEL_PORTS = 8, BM_PORTS = 16 };

#define BMIC_SSBM          0x01 /* start */
#define BMIC_RWCON         0x08 /* the bus master writes memory */
#define BMIS_BMIDEA        0x01 /* active */
#define BMIS_ERROR         0x02
#define BMIS_INTERRUPT     0x04
#define BMIS_DRIVE_CAPABLE 0x60

#define PRD_EOT         0x80000000u
#define PRD_TABLE_BYTES 0x10000u /* a table does not cross 64 KiB: also the budget of one start */
#define PRD_BYTES       8u

struct bus_master {
    uint8_t command, status;
    bool has_intrq; /* level of the drive's wire, to see it rise */
    bool is_last;   /* the current descriptor has EOT */
    uint32_t table;
    uint32_t next;    /* offset of the next descriptor in the table */
    uint32_t address; /* rest of the current descriptor */
    uint32_t left;
};

struct piix3_ide {
    struct pci_device pci;
    struct bus_master master[2];

    struct ide_channel *channel[2];
    struct irq irq[2];
    bool is_running[2]; /* the drive asks again while it is being served */
    struct master_end { /* what a channel's callbacks get */
        struct piix3_ide *ide;
        unsigned index;
    } end[2];
};

static const struct state_field piix3_ide_fields[] = {
    PCI_STATE(struct piix3_ide, pci),
    STATE_EACH(struct piix3_ide, master, command, 0, "BMIC"),
    STATE_EACH(struct piix3_ide, master, status, 0, "BMIS"),
    STATE_EACH(struct piix3_ide, master, has_intrq, 0, "INTRQ seen"),
    STATE_EACH(struct piix3_ide, master, is_last, 0, "descriptor has EOT"),
    STATE_EACH(struct piix3_ide, master, table, 0, "BMIDTP"),
    STATE_EACH(struct piix3_ide, master, next, 0, "next descriptor, offset"),
    STATE_EACH(struct piix3_ide, master, address, 0, "memory address"),
    STATE_EACH(struct piix3_ide, master, left, 0, "bytes left in the descriptor"),
};
static const struct state_desc piix3_ide_desc = STATE_DESC("piix3-ide", piix3_ide_fields);

static void stop(struct bus_master *master, uint8_t status)
{
    master->status = (uint8_t)((master->status & ~BMIS_BMIDEA) | status);
}

/* Reads the next physical region descriptor; false if there is none to read. */
static bool next_descriptor(struct piix3_ide *ide, struct bus_master *master)
{
    uint8_t prd[PRD_BYTES];
    uint32_t count;

    if (master->next >= PRD_TABLE_BYTES ||
        !pci_dma_read(&ide->pci, (phys_addr)master->table + master->next, prd, sizeof prd))
        return false;
    master->next += PRD_BYTES;
    master->address = pci_get32(prd, 0) & ~1u;
    count = pci_get32(prd, 4);
    master->left = count & 0xfffe ? count & 0xfffe : 0x10000;
    master->is_last = count & PRD_EOT;
    return true;
}

/* Moves the next piece; false when nothing more can be done now. */
static bool run_step(struct piix3_ide *ide, unsigned index)
{
    struct bus_master *master = &ide->master[index];
    enum ide_dma_direction wanted = master->command & BMIC_RWCON ? IDE_DMA_TO_MEMORY : IDE_DMA_FROM_MEMORY;
    enum ide_dma_direction pending = ide_dma_pending(ide->channel[index]);
    uint32_t n;
    uint8_t *window;
    bool ok;

    if (!(master->status & BMIS_BMIDEA) || pending == IDE_DMA_NONE)
        return false;
    if (pending != wanted || (master->left == 0 && !next_descriptor(ide, master))) {
        stop(master, BMIS_ERROR);
        return false;
    }
    window = ide_dma_window(ide->channel[index], &n);
    if (!window)
        return false; /* the drive has ended the command with an error */
    if (n > master->left)
        n = master->left;
    ok = pending == IDE_DMA_TO_MEMORY ? pci_dma_write(&ide->pci, master->address, window, n)
                                      : pci_dma_read(&ide->pci, master->address, window, n);
    if (!ok) {
        stop(master, BMIS_ERROR);
        return false;
    }
    master->address += n;
    master->left -= n;
    if (master->left == 0 && master->is_last)
        stop(master, 0);
    ide_dma_advance(ide->channel[index], n);
    return true;
}

static void run(struct piix3_ide *ide, unsigned index)
{
    if (ide->is_running[index])
        return;
    ide->is_running[index] = true;
    while (run_step(ide, index))
        ;
    ide->is_running[index] = false;
}

static void drive_requests(void *opaque)
{
    const struct master_end *end = opaque;

    run(end->ide, end->index);
}

static void drive_interrupts(void *opaque, int line, bool level)
{
    struct piix3_ide *ide = opaque;
    struct bus_master *master = &ide->master[line];

    if (level && !master->has_intrq)
        master->status |= BMIS_INTERRUPT;
    master->has_intrq = level;
    irq_set(&ide->irq[line], level);
}

static void write_command(struct piix3_ide *ide, unsigned index, uint8_t value)
{
    struct bus_master *master = &ide->master[index];
    bool starts = (value & BMIC_SSBM) && !(master->command & BMIC_SSBM);

    master->command = value & (BMIC_SSBM | BMIC_RWCON);
    if (!(value & BMIC_SSBM))
        stop(master, 0);
    if (starts) {
        master->status |= BMIS_BMIDEA;
        master->next = 0;
        master->left = 0;
        master->is_last = false;
        run(ide, index);
    }
}

static uint32_t ports_read(void *self, uint32_t offset, unsigned width)
{
    const struct piix3_ide *ide = self;
    uint32_t value = 0;

    for (unsigned i = 0; i < width && offset + i < BM_PORTS; i++) {
        const struct bus_master *master = &ide->master[(offset + i) / BM_CHANNEL_PORTS];
        unsigned reg = (offset + i) % BM_CHANNEL_PORTS;
        uint32_t byte = 0;

        if (reg == BMIC)
            byte = master->command;
        else if (reg == BMIS)
            byte = master->status;
        else if (reg >= BMIDTP)
            byte = master->table >> 8 * (reg - BMIDTP) & 0xff;
        value |= byte << 8 * i;
    }
    return value;
}

static void ports_write(void *self, uint32_t offset, uint32_t value, unsigned width)
{
    struct piix3_ide *ide = self;

    for (unsigned i = 0; i < width && offset + i < BM_PORTS; i++, value >>= 8) {
        unsigned index = (offset + i) / BM_CHANNEL_PORTS, reg = (offset + i) % BM_CHANNEL_PORTS;
        struct bus_master *master = &ide->master[index];

        if (reg == BMIC) {
            write_command(ide, index, (uint8_t)value);
        } else if (reg == BMIS) {
            uint8_t cleared = (uint8_t)value & (BMIS_ERROR | BMIS_INTERRUPT);

            master->status =
                (uint8_t)((master->status & ~(cleared | BMIS_DRIVE_CAPABLE)) | (value & BMIS_DRIVE_CAPABLE));
        } else if (reg >= BMIDTP) {
            unsigned shift = 8 * (reg - BMIDTP);

            master->table = ((master->table & ~(0xffu << shift)) | (value & 0xff) << shift) & ~3u;
        }
    }
}

static const struct bus_ops bus_master_ports = {
    .name = "piix3-ide", .read = ports_read, .write = ports_write, .max_width = 4};

struct piix3_ide *piix3_ide_create(struct pci_bus *pci, unsigned slot, struct ide_channel *const channel[2],
                                   const struct irq irq[2])
{
    static const struct pci_identity identity = {.vendor_id = 0x8086,
                                                 .device_id = 0x7010,
                                                 .class_code = 0x01,
                                                 .subclass = 0x01,
                                                 .prog_if = 0x80, /* bus master; both channels in legacy mode */
                                                 .subsystem_vendor_id = 0x1af4,
                                                 .subsystem_id = 0x1100};
    struct piix3_ide *ide = calloc(1, sizeof *ide);

    if (!ide)
        return NULL;
    pci_device_init(&ide->pci, &identity, ide);
    pci_set16(ide->pci.write_mask, PCI_COMMAND, PCI_COMMAND_IO | PCI_COMMAND_MASTER);
    pci_set16(ide->pci.reset_config, PCI_STATUS, PCI_STATUS_DEVSEL_MEDIUM | PCI_STATUS_FAST_BACK);
    for (unsigned i = 0x40; i < 0x45; i++) /* IDETIM, SIDETIM */
        ide->pci.write_mask[i] = 0xff;
    pci_device_add_bar(&ide->pci, 4, PCI_BAR_IO, BM_PORTS, &bus_master_ports, ide);
    if (!pci_device_attach(&ide->pci, pci, slot, 1)) {
        free(ide);
        return NULL;
    }
    for (unsigned i = 0; i < 2; i++) {
        const struct irq intrq = {.set = drive_interrupts, .opaque = ide, .line = (int)i};

        ide->channel[i] = channel[i];
        ide->irq[i] = irq[i];
        ide->end[i] = (struct master_end){.ide = ide, .index = i};
        ide_connect_irq(channel[i], &intrq);
        ide_connect_dma(channel[i], drive_requests, &ide->end[i]);
    }
    piix3_ide_reset(ide);
    return ide;
}

void piix3_ide_destroy(struct piix3_ide *ide)
{
    free(ide);
}

void piix3_ide_reset(struct piix3_ide *ide)
{
    state_reset(&piix3_ide_desc, ide);
    pci_device_reset(&ide->pci);
}

const struct state_desc *piix3_ide_state(void)
{
    return &piix3_ide_desc;
}

void piix3_ide_after_load(struct piix3_ide *ide)
{
    pci_device_after_load(&ide->pci);
}
