/*
 * Intel 82441FX PCI and memory controller. Source: Intel 290549, "82441FX (PMC) Register Description": PAM, SMRAM.
 * Deviates: DRAM timing, row boundaries and error registers hold what is written and have no effect. The status
 * register and the subsystem IDs are those of the common virtual PC, which guests recognise.
 */
#include "hw/pci/i440fx.h"

#include <stdlib.h>

#define I440FX_PAM0      0x59
#define I440FX_PAM6      0x5f
#define I440FX_PAM_RE    0x1
#define I440FX_PAM_WE    0x2
#define I440FX_SMRAM     0x72
#define SMRAM_C_BASE_SEG 0x02 /* hardwired: A0000 */
#define SMRAM_G_SMRAME   0x08
#define SMRAM_D_LCK      0x10
#define SMRAM_D_CLS      0x20
#define SMRAM_D_OPEN     0x40
#define I440FX_SEGMENTS  13

struct i440fx {
    struct pci_device pci;
    struct i440fx_board board;
};

static const struct state_field i440fx_fields[] = {
    PCI_STATE(struct i440fx, pci),
};
static const struct state_desc i440fx_desc = STATE_DESC("i440fx", i440fx_fields);

/* Segment 0 is F0000-FFFFF in PAM0's high nibble; 1-12 are 16 KiB each from C0000, low nibble of PAM1 first. */
static void report_pam(const struct i440fx *bridge, unsigned segment)
{
    unsigned nibble = segment + 1;
    uint8_t attributes = (uint8_t)(bridge->pci.config[I440FX_PAM0 + nibble / 2] >> 4 * (nibble % 2));
    phys_addr base = segment == 0 ? 0xf0000 : 0xc0000 + (segment - 1) * 0x4000u;

    bridge->board.pam_changed(bridge->board.opaque, base, segment == 0 ? 0x10000 : 0x4000, attributes & I440FX_PAM_RE,
                              attributes & I440FX_PAM_WE);
}

/* D_LCK closes SMRAM and freezes both bits until reset. */
static void update_smram(struct i440fx *bridge)
{
    uint8_t *smram = &bridge->pci.config[I440FX_SMRAM];

    if (*smram & SMRAM_D_LCK)
        *smram &= (uint8_t)~SMRAM_D_OPEN;
    bridge->pci.write_mask[I440FX_SMRAM] =
        SMRAM_D_CLS | SMRAM_G_SMRAME | (*smram & SMRAM_D_LCK ? 0 : SMRAM_D_LCK | SMRAM_D_OPEN);
    if (bridge->board.smram_changed)
        bridge->board.smram_changed(bridge->board.opaque, *smram & SMRAM_D_OPEN, *smram & SMRAM_G_SMRAME);
}

static void report_all(struct i440fx *bridge)
{
    for (unsigned segment = 0; segment < I440FX_SEGMENTS; segment++)
        report_pam(bridge, segment);
    update_smram(bridge);
}

static void config_written(void *self, unsigned offset, unsigned len_bytes)
{
    struct i440fx *bridge = self;

    for (unsigned i = offset; i < offset + len_bytes; i++) {
        if (i == I440FX_PAM0) {
            report_pam(bridge, 0);
        } else if (i > I440FX_PAM0 && i <= I440FX_PAM6) {
            report_pam(bridge, 2 * (i - I440FX_PAM0) - 1);
            report_pam(bridge, 2 * (i - I440FX_PAM0));
        } else if (i == I440FX_SMRAM) {
            update_smram(bridge);
        }
    }
}

struct i440fx *i440fx_create(struct pci_bus *pci, const struct i440fx_board *board)
{
    static const struct pci_identity identity = {.vendor_id = 0x8086,
                                                 .device_id = 0x1237,
                                                 .revision = 0x02,
                                                 .class_code = 0x06,
                                                 .subsystem_vendor_id = 0x1af4,
                                                 .subsystem_id = 0x1100};
    struct i440fx *bridge = calloc(1, sizeof *bridge);

    if (!bridge)
        return NULL;
    bridge->board = *board;
    pci_device_init(&bridge->pci, &identity, bridge);
    bridge->pci.config_written = config_written;
    for (unsigned i = 0x50; i < 0xa0; i++)
        bridge->pci.write_mask[i] = 0xff;
    bridge->pci.write_mask[I440FX_PAM0] = 0x30;
    for (unsigned i = I440FX_PAM0 + 1; i <= I440FX_PAM6; i++)
        bridge->pci.write_mask[i] = 0x33;
    bridge->pci.reset_config[I440FX_SMRAM] = SMRAM_C_BASE_SEG;
    if (!pci_device_attach(&bridge->pci, pci, 0, 0)) {
        free(bridge);
        return NULL;
    }
    return bridge;
}

void i440fx_destroy(struct i440fx *bridge)
{
    free(bridge);
}

void i440fx_reset(struct i440fx *bridge)
{
    pci_device_reset(&bridge->pci);
    report_all(bridge);
}

const struct state_desc *i440fx_state(void)
{
    return &i440fx_desc;
}

void i440fx_after_load(struct i440fx *bridge)
{
    pci_device_after_load(&bridge->pci);
    report_all(bridge);
}
