/*
 * Intel 82371AB power management and SMBus. Source: Intel 290562, "82371AB (PIIX4)", chapters "Power Management
 * Register Descriptions" and "Power Management I/O Space Registers"; ACPI 1.0b, "ACPI Hardware Specification", for what
 * an event register does.
 * Deviates: the general purpose events lie at ports of their own and have no source, commands F1 and F0 at APMC turn
 * SCI_EN on and off without SMM's help, and GLBCTL's SMI_EN holds nothing back, all as firmware for this board expects
 * (it resumes from S3 with SMM before it maps these ports). Device monitors, clock control and GPIO are absent: their
 * ports read as 0. Only APMC raises SMI#, whatever EOS says. A 4 second press of the button is one press. The SMBus has
 * no devices, and a transaction takes no time.
 */
#include "hw/pci/piix4_pm.h"

#include <stdlib.h>
#include <string.h>

#include "hw/core/log.h"

enum { /* configuration space */
       PM_PMBA = 0x40,
       PM_DEVACTB = 0x58,
       PM_DEVACTB_APMC_BYTE = PM_DEVACTB + 3,
       PM_APMC_EN = 1 << 1, /* bit 25 */
       PM_DEVRESA_LPT_BYTE = 0x5f,
       PM_DEVRESB_BYTE = 0x63,
       PM_DEVRESC_COM_BYTE = 0x67,
       PM_PMREGMISC = 0x80,
       PM_PMIOSE = 1 << 0,
       PM_SMBBA = 0x90,
       PM_SMBHSTCFG = 0xd2,
       PM_SMB_HST_EN = 1 << 0,
       PM_SMB_INTRSEL = 7 << 1,
       PM_SMB_INTRSEL_IRQ9 = 4 << 1,
};

enum {                  /* PM I/O space, dwords */
       PM_PMSTS = 0x00, /* and PMEN in the upper half */
       PM_PMCNTRL = 0x04,
       PM_PMTMR = 0x08,
       PM_GLBSTS = 0x18,
       PM_GLBCTL = 0x28,
       PM_PORTS = 64,
};
#define PM_TMROF  (1u << 0)
#define PM_GBL    (1u << 5)
#define PM_PWRBTN (1u << 8)
#define PM_RTC    (1u << 10)
#define PM_WAK    (1u << 15)
#define PM_EN_ALL (PM_TMROF | PM_GBL | PM_PWRBTN | PM_RTC)

#define PM_CNT_SCI_EN        (1u << 0)
#define PM_CNT_SUS_TYP_SHIFT 10
#define PM_CNT_SUS_EN        (1u << 13)
#define PM_CNT_KEPT          (7u << PM_CNT_SUS_TYP_SHIFT | 1u << 1 | PM_CNT_SCI_EN)
enum { SUS_TYP_S5 = 0, SUS_TYP_S3 = 1, SUS_TYP_S4 = 2 }; /* by the firmware's tables, not by the chip's own numbers */

#define PM_GLBSTS_APM    (1u << 5)
#define PM_TIMER_MASK    0xffffffu
#define PM_TIMER_TOP_BIT 23 /* its every change sets TMROF_STS */

enum { APM_CONTROL, APM_STATUS };
#define APM_ACPI_ENABLE  0xf1
#define APM_ACPI_DISABLE 0xf0

enum {
    SMB_HSTSTS,
    SMB_SLVSTS,
    SMB_HSTCNT,
    SMB_HSTCMD,
    SMB_HSTADD,
    SMB_HSTDAT0,
    SMB_HSTDAT1,
    SMB_BLKDAT,
    SMB_PORTS = 16
};
#define SMB_STS_HOST_BUSY (1u << 0)
#define SMB_STS_INTR      (1u << 1)
#define SMB_STS_DEV_ERR   (1u << 2)
#define SMB_STS_BUS_ERR   (1u << 3)
#define SMB_STS_FAILED    (1u << 4)
#define SMB_STS_EVENTS    (SMB_STS_INTR | SMB_STS_DEV_ERR | SMB_STS_BUS_ERR | SMB_STS_FAILED)
#define SMB_CNT_INTEREN   (1u << 0)
#define SMB_CNT_KILL      (1u << 1)
#define SMB_CNT_PROT      (7u << 2)
#define SMB_CNT_START     (1u << 6)
#define SMB_BLOCK_BYTES   32

struct piix4_pm {
    struct pci_device pci;
    uint16_t pm1_sts, pm1_en, pm1_cnt;
    uint64_t timer_seen; /* TMROF_STS is current up to this count of the timer */
    uint16_t glbsts;
    uint32_t glbctl;
    uint16_t gpe_sts, gpe_en;
    uint8_t apm_control, apm_status;
    uint8_t smb[SMB_PORTS]; /* by offset, all but BLKDAT */
    uint8_t smb_block[SMB_BLOCK_BYTES];
    uint8_t smb_block_next;

    struct piix4_pm_board board;
    struct bus *bus;
    struct clock *clock;
    struct timer timer;         /* the next overflow that interrupts */
    uint16_t pm_base, smb_base; /* where the ports are mapped right now, 0: nowhere. Derived from configuration space */
};

static const struct state_field piix4_pm_fields[] = {
    PCI_STATE(struct piix4_pm, pci),
    STATE_REG(struct piix4_pm, pm1_sts, 0, "PMSTS"),
    STATE_REG(struct piix4_pm, pm1_en, 0, "PMEN"),
    STATE_REG(struct piix4_pm, pm1_cnt, 0, "PMCNTRL"),
    STATE_REG(struct piix4_pm, timer_seen, 0, "PMTMR count up to which TMROF_STS is current"),
    STATE_REG(struct piix4_pm, glbsts, 0, "GLBSTS"),
    STATE_REG(struct piix4_pm, glbctl, 0, "GLBCTL"),
    STATE_REG(struct piix4_pm, gpe_sts, 0, "GPSTS"),
    STATE_REG(struct piix4_pm, gpe_en, 0, "GPEN"),
    STATE_REG(struct piix4_pm, apm_control, 0, "APMC"),
    STATE_REG(struct piix4_pm, apm_status, 0, "APMS"),
    STATE_ARRAY(struct piix4_pm, smb, 0, "SMBus host registers, by offset"),
    STATE_BLOB(struct piix4_pm, smb_block, 0, "SMBBLKDAT"),
    STATE_REG(struct piix4_pm, smb_block_next, 0, "next byte of SMBBLKDAT"),
};
static const struct state_desc piix4_pm_desc = STATE_DESC("piix4-pm", piix4_pm_fields);

const struct state_desc *piix4_pm_state(void)
{
    return &piix4_pm_desc;
}

/* ---- the timer and the SCI ---- */

/* Unbounded; the guest sees its low 24 bits. */
static uint64_t timer_count(const struct piix4_pm *pm)
{
    return (uint64_t)muldiv64(clock_now_ns(pm->clock), PIIX4_PM_TIMER_HZ, NS_PER_SECOND);
}

/* The first moment at which the timer shows `count`. */
static int64_t timer_reaches_ns(uint64_t count)
{
    return muldiv64((int64_t)count, NS_PER_SECOND, PIIX4_PM_TIMER_HZ) + 1;
}

static void note_overflows(struct piix4_pm *pm)
{
    uint64_t count = timer_count(pm);

    if (count >> PM_TIMER_TOP_BIT != pm->timer_seen >> PM_TIMER_TOP_BIT)
        pm->pm1_sts |= PM_TMROF;
    pm->timer_seen = count;
}

/* The only place that drives the SCI and arms the timer. */
static void update(struct piix4_pm *pm)
{
    const uint8_t *config = pm->pci.config;
    bool smb_interrupts = (pm->smb[SMB_HSTSTS] & SMB_STS_EVENTS) && (pm->smb[SMB_HSTCNT] & SMB_CNT_INTEREN) &&
                          (config[PM_SMBHSTCFG] & PM_SMB_INTRSEL) == PM_SMB_INTRSEL_IRQ9;
    bool has_event, awaits_overflow;

    note_overflows(pm);
    has_event = (pm->pm1_sts & pm->pm1_en & PM_EN_ALL) || (pm->gpe_sts & pm->gpe_en);
    irq_set(&pm->board.sci, (has_event && (pm->pm1_cnt & PM_CNT_SCI_EN)) || smb_interrupts);
    awaits_overflow = (pm->pm1_cnt & PM_CNT_SCI_EN) && (pm->pm1_en & ~pm->pm1_sts & PM_TMROF);
    timer_set(&pm->timer, awaits_overflow
                              ? timer_reaches_ns(((pm->timer_seen >> PM_TIMER_TOP_BIT) + 1) << PM_TIMER_TOP_BIT)
                              : CLOCK_NEVER);
}

static void overflowed(void *opaque)
{
    update(opaque);
}

void piix4_pm_power_button(struct piix4_pm *pm)
{
    pm->pm1_sts |= PM_PWRBTN;
    update(pm);
}

void piix4_pm_wake(struct piix4_pm *pm, enum piix4_pm_wake_source source)
{
    static const uint16_t reason[] = {
        [PIIX4_PM_WAKE_OTHER] = 0, [PIIX4_PM_WAKE_BUTTON] = PM_PWRBTN, [PIIX4_PM_WAKE_RTC] = PM_RTC};

    pm->pm1_sts |= PM_WAK | reason[source];
    update(pm);
}

/* ---- PM I/O space ---- */

static void sleep_now(struct piix4_pm *pm, unsigned type)
{
    static bool said;

    switch (type) {
    case SUS_TYP_S5:
    case SUS_TYP_S4: /* the guest has saved itself; the next power-on resumes it */
        pm->board.power_off(pm->board.opaque);
        break;
    case SUS_TYP_S3:
        pm->board.suspend(pm->board.opaque);
        break;
    default:
        log_once(&said, "piix4-pm: sleep type %u is not one of the firmware's; ignored\n", type);
    }
}

static uint32_t read_dword(struct piix4_pm *pm, uint32_t reg)
{
    switch (reg) {
    case PM_PMSTS:
        note_overflows(pm);
        return pm->pm1_sts | (uint32_t)pm->pm1_en << 16;
    case PM_PMCNTRL:
        return pm->pm1_cnt;
    case PM_PMTMR:
        return (uint32_t)timer_count(pm) & PM_TIMER_MASK;
    case PM_GLBSTS:
        return pm->glbsts;
    case PM_GLBCTL:
        return pm->glbctl;
    default:
        return 0;
    }
}

/* Stores the bits of `value` selected by `mask`: the bytes that the guest's access covers. */
static void write_dword(struct piix4_pm *pm, uint32_t reg, uint32_t value, uint32_t mask)
{
    value &= mask;
    switch (reg) {
    case PM_PMSTS:
        note_overflows(pm); /* what happened before this write is what it clears */
        pm->pm1_sts &= (uint16_t)~value;
        pm->pm1_en = (uint16_t)((pm->pm1_en & ~(mask >> 16)) | (value >> 16 & PM_EN_ALL));
        update(pm);
        break;
    case PM_PMCNTRL:
        pm->pm1_cnt = (uint16_t)((pm->pm1_cnt & ~mask) | (value & PM_CNT_KEPT));
        update(pm);
        if (value & PM_CNT_SUS_EN)
            sleep_now(pm, pm->pm1_cnt >> PM_CNT_SUS_TYP_SHIFT & 7);
        break;
    case PM_GLBSTS:
        pm->glbsts &= (uint16_t)~value;
        break;
    case PM_GLBCTL:
        pm->glbctl = (pm->glbctl & ~mask) | value;
        break;
    default:
        break;
    }
}

/* An access may straddle two dwords. */
static uint32_t pm_read(void *self, uint32_t offset, unsigned width)
{
    uint32_t reg = offset & ~3u;
    uint64_t value = read_dword(self, reg);

    if (offset + width > reg + 4)
        value |= (uint64_t)read_dword(self, reg + 4) << 32;
    return (uint32_t)(value >> 8 * (offset - reg)) & UINT32_MAX >> (32 - 8 * width);
}

static void pm_write(void *self, uint32_t offset, uint32_t value, unsigned width)
{
    uint32_t reg = offset & ~3u;
    unsigned shift = 8 * (offset - reg);
    uint64_t mask = (uint64_t)(UINT32_MAX >> (32 - 8 * width)) << shift, wide = (uint64_t)value << shift;

    write_dword(self, reg, (uint32_t)wide, (uint32_t)mask);
    if (mask >> 32)
        write_dword(self, reg + 4, (uint32_t)(wide >> 32), (uint32_t)(mask >> 32));
}

static const struct bus_ops pm_ops = {.name = "piix4-pm", .read = pm_read, .write = pm_write, .max_width = 4};

/* ---- general purpose events: two bytes of status, two of enables ---- */

static uint32_t gpe_read(void *self, uint32_t offset, unsigned width)
{
    const struct piix4_pm *pm = self;

    return (pm->gpe_sts | (uint32_t)pm->gpe_en << 16) >> 8 * offset & 0xff;
}

static void gpe_write(void *self, uint32_t offset, uint32_t value, unsigned width)
{
    struct piix4_pm *pm = self;
    unsigned shift = 8 * (offset & 1);

    if (offset < 2)
        pm->gpe_sts &= (uint16_t) ~(value << shift);
    else
        pm->gpe_en = (uint16_t)((pm->gpe_en & ~(0xffu << shift)) | (value & 0xff) << shift);
    update(pm);
}

const struct bus_ops piix4_pm_gpe_ops = {.name = "piix4-gpe", .read = gpe_read, .write = gpe_write, .max_width = 1};

/* ---- APM: a command byte that raises SMI#, and a byte to pass along ---- */

static uint32_t apm_read(void *self, uint32_t offset, unsigned width)
{
    const struct piix4_pm *pm = self;

    return offset == APM_CONTROL ? pm->apm_control : pm->apm_status;
}

static void apm_write(void *self, uint32_t offset, uint32_t value, unsigned width)
{
    struct piix4_pm *pm = self;

    if (offset == APM_STATUS) {
        pm->apm_status = (uint8_t)value;
        return;
    }
    pm->apm_control = (uint8_t)value;
    if (value == APM_ACPI_ENABLE || value == APM_ACPI_DISABLE) {
        if (value == APM_ACPI_ENABLE)
            pm->pm1_cnt |= PM_CNT_SCI_EN;
        else
            pm->pm1_cnt &= (uint16_t)~PM_CNT_SCI_EN;
        update(pm);
    } else if (pm->board.has_smm && (pm->pci.config[PM_DEVACTB_APMC_BYTE] & PM_APMC_EN)) {
        pm->glbsts |= PM_GLBSTS_APM;
        pm->board.smi(pm->board.opaque);
    }
}

const struct bus_ops piix4_pm_apm_ops = {.name = "piix4-apm", .read = apm_read, .write = apm_write, .max_width = 1};

/* ---- SMBus host ---- */

static uint32_t smb_read(void *self, uint32_t offset, unsigned width)
{
    struct piix4_pm *pm = self;
    uint8_t value;

    if (offset == SMB_HSTCNT)
        pm->smb_block_next = 0; /* reading it rewinds the block buffer */
    if (offset != SMB_BLKDAT)
        return pm->smb[offset];
    value = pm->smb_block[pm->smb_block_next % SMB_BLOCK_BYTES];
    pm->smb_block_next = (uint8_t)((pm->smb_block_next + 1) % SMB_BLOCK_BYTES);
    return value;
}

static void smb_write(void *self, uint32_t offset, uint32_t value, unsigned width)
{
    struct piix4_pm *pm = self;

    switch (offset) {
    case SMB_HSTSTS:
        pm->smb[SMB_HSTSTS] &= (uint8_t) ~(value & SMB_STS_EVENTS);
        break;
    case SMB_SLVSTS:
        break; /* nothing to clear: no slave event ever comes */
    case SMB_HSTCNT:
        pm->smb[SMB_HSTCNT] = value & (SMB_CNT_INTEREN | SMB_CNT_KILL | SMB_CNT_PROT);
        if (value & SMB_CNT_KILL)
            pm->smb[SMB_HSTSTS] |= SMB_STS_FAILED;
        else if (value & SMB_CNT_START)
            pm->smb[SMB_HSTSTS] |= SMB_STS_DEV_ERR; /* nobody acknowledges the address */
        break;
    case SMB_BLKDAT:
        pm->smb_block[pm->smb_block_next % SMB_BLOCK_BYTES] = (uint8_t)value;
        pm->smb_block_next = (uint8_t)((pm->smb_block_next + 1) % SMB_BLOCK_BYTES);
        break;
    default:
        pm->smb[offset] = (uint8_t)value;
        break;
    }
    update(pm);
}

static const struct bus_ops smb_ops = {.name = "piix4-smbus", .read = smb_read, .write = smb_write, .max_width = 1};

/* ---- configuration space ---- */

/* The ports below 400 and CF8-CFF belong to the board; a guest cannot bury them. */
static uint16_t base_wanted(uint32_t base, unsigned n_ports, bool is_enabled)
{
    bool is_free = base >= 0x400 && (base > 0xcff || base + n_ports <= 0xcf8);

    return is_enabled && is_free ? (uint16_t)base : 0;
}

static void move_ports(struct piix4_pm *pm, uint16_t *now, uint16_t wanted, unsigned n_ports, const struct bus_ops *ops)
{
    if (*now == wanted)
        return;
    if (*now)
        bus_unmap_ports(pm->bus, *now, n_ports);
    if (wanted)
        bus_map_ports(pm->bus, wanted, n_ports, ops, pm);
    *now = wanted;
}

static void update_mappings(struct piix4_pm *pm)
{
    const uint8_t *c = pm->pci.config;

    move_ports(pm, &pm->pm_base, base_wanted(pci_get16(c, PM_PMBA) & ~1u, PM_PORTS, c[PM_PMREGMISC] & PM_PMIOSE),
               PM_PORTS, &pm_ops);
    move_ports(pm, &pm->smb_base, base_wanted(pci_get16(c, PM_SMBBA) & ~1u, SMB_PORTS, c[PM_SMBHSTCFG] & PM_SMB_HST_EN),
               SMB_PORTS, &smb_ops);
}

static void config_written(void *self, unsigned offset, unsigned len_bytes)
{
    update_mappings(self);
    update(self);
}

struct piix4_pm *piix4_pm_create(struct pci_bus *pci, unsigned slot, struct bus *bus, struct clock *clock,
                                 const struct piix4_pm_board *board)
{
    static const struct pci_identity identity = {.vendor_id = 0x8086,
                                                 .device_id = 0x7113,
                                                 .revision = 0x03,
                                                 .class_code = 0x06,
                                                 .subclass = 0x80,
                                                 .subsystem_vendor_id = 0x1af4,
                                                 .subsystem_id = 0x1100,
                                                 .interrupt_pin = 1};
    struct piix4_pm *pm = calloc(1, sizeof *pm);
    uint8_t *c;

    if (!pm)
        return NULL;
    pm->board = *board;
    pm->bus = bus;
    pm->clock = clock;
    timer_init(&pm->timer, clock, overflowed, pm);
    pci_device_init(&pm->pci, &identity, pm);
    pm->pci.config_written = config_written;
    c = pm->pci.reset_config;
    pci_set16(c, PCI_STATUS, PCI_STATUS_DEVSEL_MEDIUM | PCI_STATUS_FAST_BACK);
    memset(pm->pci.write_mask + 0x40, 0xff, PCI_CONFIG_SIZE - 0x40);
    pci_set32(c, PM_PMBA, 1); /* hardwired: I/O space */
    pci_set32(pm->pci.write_mask, PM_PMBA, 0xffc0);
    pci_set32(c, PM_SMBBA, 1);
    pci_set32(pm->pci.write_mask, PM_SMBBA, 0xfff0);
    /* What firmware's tables look at to describe the legacy ports. */
    c[PM_DEVRESA_LPT_BYTE] = board->has_lpt ? 0x80 : 0;
    c[PM_DEVRESB_BYTE] = 0x60;
    c[PM_DEVRESC_COM_BYTE] = (uint8_t)((board->has_com1 ? 0x08 : 0) | (board->has_com2 ? 0x90 : 0));
    c[PM_DEVACTB_APMC_BYTE] = board->has_smm ? 0 : PM_APMC_EN;
    if (!pci_device_attach(&pm->pci, pci, slot, 3)) {
        free(pm);
        return NULL;
    }
    piix4_pm_reset(pm);
    return pm;
}

void piix4_pm_destroy(struct piix4_pm *pm)
{
    if (!pm)
        return;
    timer_cancel(&pm->timer);
    free(pm);
}

void piix4_pm_reset(struct piix4_pm *pm)
{
    state_reset(&piix4_pm_desc, pm);
    pci_device_reset(&pm->pci);
    pm->timer_seen = timer_count(pm);
    update_mappings(pm);
    update(pm);
}

void piix4_pm_after_load(struct piix4_pm *pm)
{
    pci_device_after_load(&pm->pci);
    update_mappings(pm);
    update(pm);
}
