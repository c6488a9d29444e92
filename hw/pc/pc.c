/*
 * The i440FX PC ("pc"): every chip, where it answers and what its wires end at, top to bottom.
 *
 * Memory: RAM from 0; A0000-BFFFF display card; C0000-FFFFF by the host bridge's PAM registers RAM or firmware; RAM
 * from 1 MiB; the firmware image ends at 4 GiB.
 */
#include "hw/pc/pc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "frontend/x86/cpu.h"
#include "hw/block/fdc82078.h"
#include "hw/block/ide.h"
#include "hw/block/piix3_ide.h"
#include "hw/char/debug_exit.h"
#include "hw/char/debugcon.h"
#include "hw/char/parallel.h"
#include "hw/char/uart16550.h"
#include "hw/core/log.h"
#include "hw/display/vga.h"
#include "hw/dma/dma8237.h"
#include "hw/input/kbc8042.h"
#include "hw/input/port92.h"
#include "hw/input/vmmouse.h"
#include "hw/input/vmport.h"
#include "hw/intc/apic.h"
#include "hw/intc/fpu_error.h"
#include "hw/intc/ioapic.h"
#include "hw/intc/pic8259.h"
#include "hw/net/e1000.h"
#include "hw/pc/fw_cfg.h"
#include "hw/pc/kernel_loader.h"
#include "hw/pci/i440fx.h"
#include "hw/pci/pci_testdev.h"
#include "hw/pci/piix3.h"
#include "hw/pci/piix4_pm.h"
#include "hw/timer/hpet.h"
#include "hw/timer/pit8254.h"
#include "hw/timer/port61.h"
#include "hw/timer/rtc146818.h"
#include "softmmu/phys.h"

#define FIRMWARE_PATH     "/usr/share/seabios/bios-256k.bin"
#define VGA_FIRMWARE_PATH "/usr/share/seabios/vgabios-stdvga.bin"
#define NIC_FIRMWARE_PATH "/usr/lib/ipxe/qemu/pxe-e1000.rom"
#define FIRMWARE_MIN      0x10000u
#define FIRMWARE_MAX      0x80000u
#define FIRMWARE_LOW      0x20000u /* as much of its end as also appears below 1 MiB */
#define TSC_HZ            NS_PER_SECOND

enum isa_irq {
    IRQ_PIT = 0,
    IRQ_KEYBOARD = 1,
    IRQ_COM2 = 3,
    IRQ_COM1 = 4,
    IRQ_FDC = 6,
    IRQ_LPT1 = 7,
    IRQ_RTC = 8,
    IRQ_SCI = 9,
    IRQ_MOUSE = 12,
    IRQ_FPU = 13,
    IRQ_IDE0 = 14,
    IRQ_IDE1 = 15
};

enum isa_source { FROM_CHIP, FROM_COM3_COM4, FROM_PCI }; /* who may share an ISA interrupt: inputs of its OR gate */

/* AT shutdown status, with the value that tells firmware to go on where the guest entered S3. */
#define CMOS_SHUTDOWN_STATUS 0x0f
#define CMOS_SHUTDOWN_RESUME 0xfe

#define CMOS_FLOPPY_TYPES 0x10
#define CMOS_EQUIPMENT    0x14
#define CMOS_BOOT_THIRD   0x38
#define CMOS_BOOT_FIRST   0x3d

#define DMA_FDC 2

#define IOAPIC_BASE     0xfec00000u
#define IOAPIC_PIN_IRQ0 2 /* the 8254; the other ISA interrupts have the pins of their numbers */
#define HPET_BASE       0xfed00000u
#define HPET_ROUTES     (1u << IOAPIC_PIN_IRQ0)
#define APIC_FIRST      0xfee00000u /* where a guest may move its local APIC: nothing else answers here */
#define APIC_LAST       0xfeefffffu
#define APIC_BASE_PAGE  0xffffff000ull /* IA32_APIC_BASE */
#define APIC_BASE_ON    (1u << 11)

#define PIIX3_SLOT 1
#define VGA_SLOT   2
#define NIC_SLOT   3
#define TEST_SLOT  4

#define SMRAM_BASE  0xa0000u
#define SMRAM_BYTES 0x20000u

#define SHADOW_BASE  0xc0000u
#define SHADOW_UNIT  0x4000u
#define SHADOW_UNITS 16u

struct pc;
struct shadow { /* a PAM segment in write-only mode */
    struct pc *pc;
    phys_addr base;
};

struct pc {
    struct pc_config config;
    struct cpu *cpu;
    struct cpu_board board;
    struct phys *phys;
    struct bus *bus;

    struct apic *apic;     /* NULL: the processor has none, and then there is no I/O APIC either */
    uint64_t apic_base;    /* IA32_APIC_BASE */
    phys_addr apic_mapped; /* 0: nowhere */
    struct ioapic *ioapic;
    struct hpet *hpet;
    bool hpet_replaces, pit_level, rtc_level; /* legacy replacement, and the wires that it cuts */
    struct pic8259_pair *pic;
    struct irq_or isa_irq[16];
    struct fpu_error *fpu_error;
    struct dma8237 *dma;
    struct pit8254 *pit;
    struct port61 *port61;
    struct rtc146818 *rtc;
    struct kbc8042 *kbc;
    struct port92 *port92;
    struct vmport *vmport;
    struct vmmouse *vmmouse;
    struct uart16550 *uart[PC_SERIAL_LINES];
    struct parallel *parallel;
    struct debugcon *debugcon;
    struct debug_exit *debug_exit;
    struct pci_bus *pci;
    struct i440fx *i440fx;
    struct piix3 *piix3;
    struct piix4_pm *pm;
    struct fdc82078 *fdc;
    struct ide_channel *ide[2];
    struct piix3_ide *piix3_ide;
    struct vga *vga;
    struct e1000 *nic;
    struct pci_testdev *testdev;
    struct fw_cfg *fw_cfg;
    struct kernel_image kernel; /* what fw_cfg reads the pieces of -kernel from */

    uint8_t *firmware; /* page-aligned */
    uint32_t firmware_len;
    uint8_t *vga_firmware;
    uint32_t vga_firmware_len;
    uint8_t *nic_firmware; /* NULL: none */
    uint32_t nic_firmware_len;
    struct shadow shadow[SHADOW_UNITS];
    bool a20;
    bool in_smm, smram_open, smram_enabled, smram_mapped;
    bool boots_once; /* the boot order for one boot is in force */
    bool reset_pending;
    bool is_stopped;                 /* by the monitor */
    bool is_suspended, wake_pending; /* S3: nothing runs until something wakes the board */
    enum piix4_pm_wake_source wake_source;
    bool is_over; /* leave pc_run */
    int status;
};

/* ---- wires ---- */

static void set_intr(void *opaque, int line, bool level)
{
    struct pc *pc = opaque;

    cpu_set_intr(pc->cpu, level);
}

static uint8_t acknowledge(void *opaque)
{
    struct pc *pc = opaque;
    int vector = pc->apic ? apic_acknowledge(pc->apic) : APIC_EXTINT;

    if (vector != APIC_EXTINT)
        return (uint8_t)vector;
    return pic8259_acknowledge(pc->pic);
}

/* An ISA interrupt ends at the 8259s and at the I/O APIC; the guest listens to one of them. */
static void set_isa_irq(void *opaque, int line, bool level)
{
    struct pc *pc = opaque;
    struct irq pic = pic8259_input(pc->pic, (unsigned)line);

    irq_set(&pic, level);
    if (pc->ioapic) {
        struct irq pin = ioapic_input(pc->ioapic, line == IRQ_PIT ? IOAPIC_PIN_IRQ0 : (unsigned)line);

        irq_set(&pin, level);
    }
}

static void set_pit_irq(void *opaque, int line, bool level)
{
    struct pc *pc = opaque;

    pc->pit_level = level;
    if (!pc->hpet_replaces)
        set_isa_irq(pc, IRQ_PIT, level);
}

static void set_hpet_pin(void *opaque, int pin, bool level)
{
    struct pc *pc = opaque;

    if (pc->ioapic) {
        struct irq input = ioapic_input(pc->ioapic, (unsigned)pin);

        irq_set(&input, level);
    }
}

static void set_hpet_replaces(void *opaque, bool replaces)
{
    struct pc *pc = opaque;

    pc->hpet_replaces = replaces;
    set_isa_irq(pc, IRQ_PIT, !replaces && pc->pit_level);
    set_isa_irq(pc, IRQ_RTC, !replaces && pc->rtc_level);
}

static void set_nmi(void *opaque)
{
    struct pc *pc = opaque;

    cpu_set_event(pc->cpu, CPU_EVENT_NMI);
}

static void set_init(void *opaque)
{
    struct pc *pc = opaque;

    apic_init_reset(pc->apic);
    cpu_set_event(pc->cpu, CPU_EVENT_RESET);
}

static bool send_to_apic(void *opaque, const struct apic_message *message)
{
    struct pc *pc = opaque;

    return apic_receive(pc->apic, message);
}

static void apic_is_ready(void *opaque)
{
    struct pc *pc = opaque;

    if (pc->ioapic)
        ioapic_retry(pc->ioapic);
}

static void end_at_ioapic(void *opaque, uint8_t vector)
{
    struct pc *pc = opaque;

    if (pc->ioapic)
        ioapic_eoi(pc->ioapic, vector);
}

/* IA32_APIC_BASE was written. The first time is before there is an APIC. */
static void set_apic_base(void *opaque, uint64_t value)
{
    static bool said;
    struct pc *pc = opaque;
    phys_addr base = value & APIC_BASE_PAGE;

    pc->apic_base = value;
    if (!pc->apic)
        return;
    if (base < APIC_FIRST || base > APIC_LAST) {
        log_once(&said, "the local APIC cannot move to %llx; it is nowhere now\n", (unsigned long long)base);
        base = 0;
    }
    if (!(value & APIC_BASE_ON))
        base = 0;
    if (base != pc->apic_mapped) {
        if (pc->apic_mapped)
            bus_unmap_mmio(pc->bus, pc->apic_mapped, APIC_PAGE_BYTES);
        if (base)
            bus_map_mmio(pc->bus, base, APIC_PAGE_BYTES, &apic_ops, pc->apic);
        pc->apic_mapped = base;
    }
    apic_set_enabled(pc->apic, value & APIC_BASE_ON);
}

static void set_ferr(void *opaque, bool level)
{
    struct pc *pc = opaque;

    fpu_error_set_ferr(pc->fpu_error, level);
}

static uint64_t read_tsc(void *opaque)
{
    struct pc *pc = opaque;

    return (uint64_t)clock_now_ns(pc->config.clock); /* TSC_HZ is 1 GHz */
}
_Static_assert(TSC_HZ == NS_PER_SECOND, "read_tsc counts nanoseconds");

/* Both of its sources, keyboard controller and port 92, drive the gate when they are written; the last one holds. The
 * processor does not mask A20 in system management mode. */
static void set_a20(void *opaque, int line, bool level)
{
    struct pc *pc = opaque;

    pc->a20 = level;
    phys_set_a20(pc->phys, pc->a20 || pc->in_smm);
}

static void set_smi(void *opaque)
{
    struct pc *pc = opaque;

    cpu_set_event(pc->cpu, CPU_EVENT_SMI);
}

/* A0000-BFFFF is RAM or the display card's, by the host bridge's SMRAM register and the processor's mode. */
static void map_smram(struct pc *pc)
{
    bool is_ram = pc->smram_open || (pc->smram_enabled && pc->in_smm);

    if (is_ram == pc->smram_mapped)
        return;
    pc->smram_mapped = is_ram;
    if (is_ram)
        phys_map_ram(pc->phys, SMRAM_BASE, SMRAM_BYTES, SMRAM_BASE);
    else if (pc->vga)
        bus_map_mmio(pc->bus, SMRAM_BASE, SMRAM_BYTES, &vga_aperture, pc->vga);
    else
        phys_unmap(pc->phys, SMRAM_BASE, SMRAM_BYTES);
}

static void set_smram(void *opaque, bool is_open, bool is_enabled)
{
    struct pc *pc = opaque;

    pc->smram_open = is_open;
    pc->smram_enabled = is_enabled;
    map_smram(pc);
}

static void set_smm(void *opaque, bool active)
{
    struct pc *pc = opaque;

    pc->in_smm = active;
    map_smram(pc);
    phys_set_a20(pc->phys, pc->a20 || pc->in_smm);
}

/* The guest talks to VMware's port through the registers of its processor. */
static void get_vmport_registers(void *opaque, struct vmport_registers *r)
{
    const uint32_t *gpr = ((const struct pc *)opaque)->cpu->gpr;

    *r = (struct vmport_registers){
        .eax = gpr[EAX], .ebx = gpr[EBX], .ecx = gpr[ECX], .edx = gpr[EDX], .esi = gpr[ESI], .edi = gpr[EDI]};
}

static void set_vmport_registers(void *opaque, const struct vmport_registers *r)
{
    uint32_t *gpr = ((struct pc *)opaque)->cpu->gpr;

    gpr[EAX] = r->eax;
    gpr[EBX] = r->ebx;
    gpr[ECX] = r->ecx;
    gpr[EDX] = r->edx;
    gpr[ESI] = r->esi;
    gpr[EDI] = r->edi;
}

/* Its driver hangs on the PS/2 mouse's interrupt and throws away what that mouse says. */
static void announce_vmmouse(void *opaque)
{
    struct pc *pc = opaque;

    kbc8042_mouse(pc->kbc, 1, 0, 0, 0);
}

/* ---- reset, sleep and the end ---- */

/* The host bridge keeps what it shadows: in S3 it refreshes the memory, and firmware resumes from its shadow. */
static void reset_all_but_memory(struct pc *pc)
{
    if (pc->apic) {
        apic_reset(pc->apic);
        ioapic_reset(pc->ioapic);
    }
    hpet_reset(pc->hpet);
    pic8259_pair_reset(pc->pic);
    fpu_error_reset(pc->fpu_error);
    dma8237_reset(pc->dma);
    pit8254_reset(pc->pit);
    port61_reset(pc->port61);
    rtc146818_reset(pc->rtc);
    kbc8042_reset(pc->kbc);
    port92_reset(pc->port92);
    if (pc->vmmouse)
        vmmouse_reset(pc->vmmouse);
    for (unsigned i = 0; i < PC_SERIAL_LINES; i++)
        if (pc->uart[i])
            uart16550_reset(pc->uart[i]);
    if (pc->parallel)
        parallel_reset(pc->parallel);
    pci_bus_reset(pc->pci);
    piix3_reset(pc->piix3);
    piix4_pm_reset(pc->pm);
    fdc82078_reset(pc->fdc);
    for (unsigned i = 0; i < 2; i++)
        ide_reset(pc->ide[i]);
    piix3_ide_reset(pc->piix3_ide);
    if (pc->vga)
        vga_reset(pc->vga);
    if (pc->nic)
        e1000_reset(pc->nic);
    if (pc->testdev)
        pci_testdev_reset(pc->testdev);
    fw_cfg_reset(pc->fw_cfg);
    cpu_reset(pc->cpu);
}

/* SeaBIOS takes three devices from two bytes: 1 floppy, 2 hard disk, 3 CD, 4 network. */
static void fill_cmos_boot_order(struct pc *pc, const char *letters)
{
    uint8_t device[3] = {0};

    for (unsigned i = 0; i < sizeof device && letters[i]; i++)
        device[i] = letters[i] <= 'b' ? 1 : letters[i] == 'c' ? 2 : letters[i] == 'd' ? 3 : 4;
    /* Bit 0 of the first byte: boot floppies whatever their first sector looks like. */
    rtc146818_set_cmos(pc->rtc, CMOS_BOOT_THIRD, (uint8_t)(device[2] << 4 | 1));
    rtc146818_set_cmos(pc->rtc, CMOS_BOOT_FIRST, (uint8_t)(device[1] << 4 | device[0]));
}

static void board_reset(struct pc *pc)
{
    i440fx_reset(pc->i440fx);
    reset_all_but_memory(pc);
    fill_cmos_boot_order(pc, pc->boots_once ? pc->config.boot_once : pc->config.boot_order);
    pc->boots_once = false;
}

void pc_quit(struct pc *pc, int status)
{
    pc->status = status;
    pc->is_over = true;
    cpu_set_event(pc->cpu, CPU_EVENT_STOP);
}

void pc_wake(struct pc *pc)
{
    cpu_set_event(pc->cpu, CPU_EVENT_POLL);
}

/* Takes effect at the next block boundary: the device that asks is in the middle of an instruction. */
void pc_request_reset(struct pc *pc)
{
    if (pc->config.no_reboot) {
        pc_quit(pc, EXIT_SUCCESS);
        return;
    }
    pc->reset_pending = true;
    cpu_set_event(pc->cpu, CPU_EVENT_POLL);
}

static void reset_line(void *opaque, int line, bool level)
{
    if (level)
        pc_request_reset(opaque);
}

static void reset_from_chipset(void *opaque, bool is_hard)
{
    struct pc *pc = opaque;

    /* Both kinds restart the firmware; a soft one keeps the chips, which a PC's firmware then sets up again anyway. */
    (void)is_hard;
    pc_request_reset(pc);
}

static void guest_exit(void *opaque, int status)
{
    pc_quit(opaque, status);
}

static void triple_fault(void *opaque)
{
    log_printf(LOG_CPU_RESET, "triple fault: the processor shuts down and the board resets it\n");
    pc_request_reset(opaque);
}

static void power_off(void *opaque)
{
    pc_quit(opaque, EXIT_SUCCESS);
}

static void suspend(void *opaque)
{
    struct pc *pc = opaque;

    pc->is_suspended = true;
    cpu_set_event(pc->cpu, CPU_EVENT_POLL);
}

/* Takes effect where the board sleeps: the chip that asks is in the middle of something. */
static void request_wake(struct pc *pc, enum piix4_pm_wake_source source)
{
    pc->wake_pending = true;
    pc->wake_source = source;
}

void pc_power_button(struct pc *pc)
{
    if (pc->is_suspended)
        request_wake(pc, PIIX4_PM_WAKE_BUTTON);
    else
        piix4_pm_power_button(pc->pm);
}

/* IRQ 8: an alarm ends S3. */
static void set_rtc_irq(void *opaque, int line, bool level)
{
    struct pc *pc = opaque;

    pc->rtc_level = level;
    if (!pc->hpet_replaces)
        set_isa_irq(pc, line, level);
    if (level && pc->is_suspended)
        request_wake(pc, PIIX4_PM_WAKE_RTC);
}

static void sleep_and_wake(struct pc *pc)
{
    pc->wake_pending = false;
    while (!pc->wake_pending && !pc->reset_pending && !pc->is_over)
        pc->config.idle(pc->config.opaque);
    pc->is_suspended = false;
    if (!pc->wake_pending || pc->reset_pending)
        return;
    rtc146818_set_cmos(pc->rtc, CMOS_SHUTDOWN_STATUS, CMOS_SHUTDOWN_RESUME);
    reset_all_but_memory(pc);
    piix4_pm_wake(pc->pm, pc->wake_source);
}

static void serve_pending(struct pc *pc)
{
    if (pc->is_suspended)
        sleep_and_wake(pc);
    if (pc->reset_pending) {
        pc->reset_pending = false;
        board_reset(pc);
    }
}

/* Between two blocks, so the state that the monitor shows is precise. */
static void rest_while_stopped(struct pc *pc)
{
    while (pc->is_stopped && !pc->is_over) {
        pc->config.idle(pc->config.opaque);
        serve_pending(pc);
    }
}

static void board_poll(void *opaque)
{
    struct pc *pc = opaque;

    pc->config.poll(pc->config.opaque);
    serve_pending(pc);
    rest_while_stopped(pc);
}

static void board_idle(void *opaque)
{
    struct pc *pc = opaque;

    /* Whatever was asked for since the last poll comes first: it may be what ends the wait. */
    if (!pc->reset_pending && !pc->is_over)
        pc->config.idle(pc->config.opaque);
    serve_pending(pc);
    rest_while_stopped(pc);
}

/* ---- memory ---- */

/* PAM with writes to RAM but reads from firmware: the guest copies firmware onto its own shadow. */
static const uint8_t *firmware_byte(const struct pc *pc, phys_addr address)
{
    uint32_t low = pc->firmware_len < FIRMWARE_LOW ? pc->firmware_len : FIRMWARE_LOW;

    return address >= 0x100000 - low ? pc->firmware + pc->firmware_len - (0x100000 - address) : NULL;
}

static uint32_t shadow_read(void *self, uint32_t offset, unsigned width)
{
    const struct shadow *shadow = self;
    const uint8_t *byte = firmware_byte(shadow->pc, shadow->base + offset);

    return byte ? *byte : 0xff;
}

static void shadow_write(void *self, uint32_t offset, uint32_t value, unsigned width)
{
    const struct shadow *shadow = self;

    *phys_ram_host(shadow->pc->phys, shadow->base + offset) = (uint8_t)value;
}

static const struct bus_ops shadow_ops = {.name = "shadow", .read = shadow_read, .write = shadow_write, .max_width = 1};

static void map_pam_segment(void *opaque, phys_addr base, uint32_t size, bool reads_ram, bool writes_ram)
{
    struct pc *pc = opaque;
    const uint8_t *rom;

    if (reads_ram && writes_ram) {
        phys_map_ram(pc->phys, base, size, base);
        return;
    }
    if (reads_ram) {
        phys_map_ram_readonly(pc->phys, base, size, base);
        return;
    }
    if (writes_ram) {
        struct shadow *shadow = &pc->shadow[(base - SHADOW_BASE) / SHADOW_UNIT];

        *shadow = (struct shadow){.pc = pc, .base = base};
        phys_map_mmio(pc->phys, base, size, &shadow_ops, shadow);
        return;
    }
    phys_unmap(pc->phys, base, size);
    for (uint32_t at = 0; at < size; at += PHYS_PAGE_SIZE)
        if ((rom = firmware_byte(pc, base + at)))
            phys_map_rom(pc->phys, base + at, PHYS_PAGE_SIZE, (uint8_t *)rom);
}

static void map_memory(struct pc *pc)
{
    uint64_t ram = pc->config.ram_bytes;

    phys_map_ram(pc->phys, 0, ram < 0xa0000 ? ram : 0xa0000, 0);
    if (ram > 0x100000)
        phys_map_ram(pc->phys, 0x100000, ram - 0x100000, 0x100000);
    phys_map_rom(pc->phys, 0x100000000ull - pc->firmware_len, pc->firmware_len, pc->firmware);
    /* C0000-FFFFF: i440fx_reset reports each segment to map_pam_segment. */
}

/* ---- firmware ---- */

/* A firmware file in page-aligned memory. NULL with `error` set. */
static uint8_t *load_firmware(const char *path, uint32_t min, uint32_t max, uint32_t *len_bytes, char *error,
                              size_t error_size)
{
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = NULL;
    long size = -1;

    if (!file) {
        snprintf(error, error_size, "cannot read firmware '%s': %s; install the package seabios or name another file",
                 path, strerror(errno));
        return NULL;
    }
    if (fseek(file, 0, SEEK_END) == 0)
        size = ftell(file);
    rewind(file);
    if (size < (long)min || size > (long)max || size % 512)
        snprintf(error, error_size, "firmware '%s' has %ld bytes; an image has %u to %u KiB", path, size, min >> 10,
                 max >> 10);
    else if (!(bytes = aligned_alloc(PHYS_PAGE_SIZE, ((size_t)size + 0xfff) & ~(size_t)0xfff)))
        snprintf(error, error_size, "out of memory for firmware '%s'; close other programs", path);
    else if (fread(bytes, 1, (size_t)size, file) != (size_t)size) {
        snprintf(error, error_size, "firmware '%s' cannot be read whole: %s; check the file", path, strerror(errno));
        free(bytes);
        bytes = NULL;
    }
    fclose(file);
    *len_bytes = (uint32_t)size;
    return bytes;
}

/* What the firmware wants to know of the board, by QEMU's keys and file names. */
static bool describe_board(struct pc *pc)
{
    struct {
        uint64_t address, len_bytes;
        uint32_t type;
    } __attribute__((packed)) e820 = {0, pc->config.ram_bytes, 1};
    /* S0 to S5: bit 7 the board has it, below it the sleep type; S3 and S4 as hw/pci/piix4_pm.c takes them. */
    static const uint8_t system_states[6] = {0x80, 0, 0, 0x80 | 1, 0x80 | 2, 0x80};
    const uint8_t menu_wait[2] = {(uint8_t)pc->config.boot_menu_ms, (uint8_t)(pc->config.boot_menu_ms >> 8)};
    const uint8_t fail_wait[4] = {(uint8_t)pc->config.boot_retry_ms, (uint8_t)(pc->config.boot_retry_ms >> 8),
                                  (uint8_t)(pc->config.boot_retry_ms >> 16), (uint8_t)(pc->config.boot_retry_ms >> 24)};
    struct fw_cfg *fw = pc->fw_cfg;

    return fw_cfg_add_i64(fw, FW_CFG_RAM_SIZE, pc->config.ram_bytes) && fw_cfg_add_i16(fw, FW_CFG_NB_CPUS, 1) &&
           fw_cfg_add_i16(fw, FW_CFG_MAX_CPUS, 1) && fw_cfg_add_i16(fw, FW_CFG_NOGRAPHIC, !pc->config.has_vga) &&
           fw_cfg_add_i16(fw, FW_CFG_BOOT_MENU, pc->config.has_boot_menu) &&
           fw_cfg_add_i32(fw, FW_CFG_IRQ0_OVERRIDE, 1) && fw_cfg_add_file(fw, "etc/e820", &e820, sizeof e820) &&
           fw_cfg_add_file(fw, "etc/system-states", system_states, sizeof system_states) &&
           (pc->config.boot_menu_ms == 0 || fw_cfg_add_file(fw, "etc/boot-menu-wait", menu_wait, sizeof menu_wait)) &&
           (pc->config.boot_retry_ms == 0 || fw_cfg_add_file(fw, "etc/boot-fail-wait", fail_wait, sizeof fail_wait));
}

/* CMOS as AT firmware defines it; sizes in KiB or 64 KiB. */
static void fill_cmos(struct pc *pc)
{
    uint64_t ram = pc->config.ram_bytes;
    uint64_t above_1m = ram > 0x100000 ? (ram - 0x100000) >> 10 : 0,
             above_16m = ram > 0x1000000 ? (ram - 0x1000000) >> 16 : 0;
    uint16_t extended = (uint16_t)(above_1m > 0xffff ? 0xffff : above_1m), high = (uint16_t)above_16m;
    const uint8_t bytes[][2] = {
        {0x14, 0x06}, /* equipment: coprocessor, pointing device */
        {0x15, 0x80},
        {0x16, 0x02}, /* 640 KiB base memory */
        {0x17, (uint8_t)extended},
        {0x18, (uint8_t)(extended >> 8)},
        {0x30, (uint8_t)extended},
        {0x31, (uint8_t)(extended >> 8)},
        {0x34, (uint8_t)high},
        {0x35, (uint8_t)(high >> 8)},
        {0x5f, 0}, /* further processors */
    };

    for (unsigned i = 0; i < sizeof bytes / sizeof bytes[0]; i++)
        rtc146818_set_cmos(pc->rtc, bytes[i][0], bytes[i][1]);
}

/* Floppy drives: types, and how many. Before the drives are known there are none. */
static void fill_cmos_floppies(struct pc *pc)
{
    unsigned a = fdc82078_drive_type(pc->fdc, 0), b = fdc82078_drive_type(pc->fdc, 1);
    uint8_t equipment = rtc146818_get_cmos(pc->rtc, CMOS_EQUIPMENT);

    if (a || b)
        equipment |= 0x01;
    if (a && b)
        equipment |= 0x40;
    rtc146818_set_cmos(pc->rtc, CMOS_FLOPPY_TYPES, (uint8_t)(a << 4 | b));
    rtc146818_set_cmos(pc->rtc, CMOS_EQUIPMENT, equipment);
}

/* fw_cfg keys of the kernel's pieces: board-specific, clear of those that QEMU uses. */
#define KERNEL_FIRST_KEY 0x8040
#define KERNEL_ROM       "genroms/morph86-kernel.rom"

static bool add_kernel(struct pc *pc, char *error, size_t error_size)
{
    struct kernel_image *image = &pc->kernel;
    uint8_t rom[KERNEL_ROM_MAX];
    size_t rom_len;
    bool added = true;

    if (!kernel_image_load(image, pc->config.kernel_path, pc->config.initrd_path, pc->config.append,
                           pc->config.ram_bytes, error, error_size))
        return false;
    rom_len = kernel_rom_build(image, KERNEL_FIRST_KEY, rom);
    for (unsigned i = 0; i < image->n_pieces && added; i++)
        added = fw_cfg_add_source(pc->fw_cfg, (uint16_t)(KERNEL_FIRST_KEY + i),
                                  (struct fw_cfg_source){.read = kernel_piece_read, .opaque = &image->piece[i]},
                                  (uint32_t)image->piece[i].len_bytes);
    added = added && fw_cfg_add_file(pc->fw_cfg, KERNEL_ROM, rom, rom_len);
    if (!added)
        snprintf(error, error_size, "out of memory for '%s'; close other programs", pc->config.kernel_path);
    return added;
}

/* ---- creation: the machine, top to bottom ---- */

static bool create_chips(struct pc *pc)
{
    static const struct {
        uint16_t port;
        uint8_t irq;
    } serial[PC_SERIAL_LINES] = {{0x3f8, IRQ_COM1}, {0x2f8, IRQ_COM2}, {0x3e8, IRQ_COM1}, {0x2e8, IRQ_COM2}};
    static const struct {
        uint16_t command, control;
        uint8_t irq;
    } ide[2] = {{0x1f0, 0x3f6, IRQ_IDE0}, {0x170, 0x376, IRQ_IDE1}};
    struct clock *clock = pc->config.clock;
    const struct irq a20 = {.set = set_a20, .opaque = pc}, reset = {.set = reset_line, .opaque = pc};
    struct irq intr = {.set = set_intr, .opaque = pc}, isa_irq[16], pci_irq[16], pit_out[3] = {0};
    struct bus *bus = pc->bus;

    if (cpu_model_has_apic(pc->config.model)) {
        const struct apic_wires wires = {.intr = intr,
                                         .nmi = set_nmi,
                                         .smi = set_smi,
                                         .init = set_init,
                                         .eoi = end_at_ioapic,
                                         .ready = apic_is_ready,
                                         .opaque = pc};

        if (!(pc->apic = apic_create(clock, 0, &wires)) || !(pc->ioapic = ioapic_create(send_to_apic, pc)))
            return false;
        bus_map_mmio(bus, IOAPIC_BASE, IOAPIC_BYTES, &ioapic_ops, pc->ioapic);
        set_apic_base(pc, pc->apic_base);
        intr = apic_lint(pc->apic, 0); /* where the 8259s' output goes: virtual wire mode */
    }
    if (!(pc->hpet =
              hpet_create(clock, &(struct hpet_wires){.set_pin = set_hpet_pin,
                                                      .routes = HPET_ROUTES,
                                                      .legacy = {{.set = set_isa_irq, .opaque = pc, .line = IRQ_PIT},
                                                                 {.set = set_isa_irq, .opaque = pc, .line = IRQ_RTC}},
                                                      .legacy_changed = set_hpet_replaces,
                                                      .opaque = pc})))
        return false;
    bus_map_mmio(bus, HPET_BASE, HPET_BYTES, &hpet_ops, pc->hpet);

    if (!(pc->pic = pic8259_pair_create(intr)))
        return false;
    for (unsigned i = 0; i < 16; i++) {
        pc->isa_irq[i].out = (struct irq){.set = set_isa_irq, .opaque = pc, .line = (int)i};
        isa_irq[i] = irq_or_input(&pc->isa_irq[i], FROM_CHIP);
        pci_irq[i] = irq_or_input(&pc->isa_irq[i], FROM_PCI);
    }
    bus_map_ports(bus, 0x20, 2, &pic8259_ops, pic8259_chip(pc->pic, 0));
    bus_map_ports(bus, 0xa0, 2, &pic8259_ops, pic8259_chip(pc->pic, 1));
    bus_map_ports(bus, 0x4d0, 2, &pic8259_elcr_ops, pc->pic);

    if (!(pc->fpu_error = fpu_error_create(isa_irq[IRQ_FPU])))
        return false;
    bus_map_ports(bus, 0xf0, 2, &fpu_error_ops, pc->fpu_error);

    if (!(pc->dma = dma8237_create(bus)))
        return false;
    bus_map_ports(bus, 0x00, 16, &dma8237_low_ops, pc->dma);
    bus_map_ports(bus, 0xc0, 32, &dma8237_high_ops, pc->dma);
    bus_map_ports(bus, 0x80, 16, &dma8237_page_ops, pc->dma);

    pit_out[0] = (struct irq){.set = set_pit_irq, .opaque = pc};
    if (!(pc->pit = pit8254_create(clock, pit_out)) || !(pc->port61 = port61_create(clock, pc->pit)))
        return false;
    bus_map_ports(bus, 0x40, 4, &pit8254_ops, pc->pit);
    bus_map_ports(bus, 0x61, 1, &port61_ops, pc->port61);

    if (!(pc->rtc = rtc146818_create(clock, pc->config.rtc_seconds,
                                     (struct irq){.set = set_rtc_irq, .opaque = pc, .line = IRQ_RTC})))
        return false;
    rtc146818_follow(pc->rtc, pc->config.rtc_now_ns, pc->config.opaque);
    bus_map_ports(bus, 0x70, 2, &rtc146818_ops, pc->rtc);
    fill_cmos(pc);

    if (!(pc->kbc = kbc8042_create(clock, (struct kbc8042_wires){.keyboard = isa_irq[IRQ_KEYBOARD],
                                                                 .mouse = isa_irq[IRQ_MOUSE],
                                                                 .a20 = a20,
                                                                 .reset = reset})) ||
        !(pc->port92 = port92_create(a20, reset)))
        return false;
    bus_map_ports(bus, 0x60, 1, &kbc8042_data_ops, pc->kbc);
    bus_map_ports(bus, 0x64, 1, &kbc8042_command_ops, pc->kbc);
    bus_map_ports(bus, 0x92, 1, &port92_ops, pc->port92);

    if (pc->config.has_vmport) {
        const struct vmport_cpu cpu = {.get = get_vmport_registers, .set = set_vmport_registers, .opaque = pc};

        if (!(pc->vmport = vmport_create(&cpu, pc->config.ram_bytes)) ||
            !(pc->vmmouse = vmmouse_create(pc->vmport, announce_vmmouse, pc)))
            return false;
        bus_map_ports(bus, VMPORT_PORT, VMPORT_PORTS, &vmport_ops, pc->vmport);
    }

    for (unsigned i = 0; i < PC_SERIAL_LINES; i++) {
        struct irq irq = irq_or_input(&pc->isa_irq[serial[i].irq], i < 2 ? FROM_CHIP : FROM_COM3_COM4);

        if (!pc->config.serial[i])
            continue;
        if (!(pc->uart[i] = uart16550_create(clock, irq, pc->config.serial[i])))
            return false;
        bus_map_ports(bus, serial[i].port, 8, &uart16550_ops, pc->uart[i]);
    }
    if (pc->config.has_parallel) {
        if (!(pc->parallel = parallel_create(clock, isa_irq[IRQ_LPT1], pc->config.parallel)))
            return false;
        bus_map_ports(bus, 0x378, 3, &parallel_ops, pc->parallel);
    }
    if (pc->config.debugcon) {
        if (!(pc->debugcon = debugcon_create(pc->config.debugcon)))
            return false;
        bus_map_ports(bus, 0xe9, 1, &debugcon_ops, pc->debugcon);
        bus_map_ports(bus, 0x402, 1, &debugcon_ops, pc->debugcon);
    }
    if (pc->config.has_debug_exit) {
        if (!(pc->debug_exit = debug_exit_create(guest_exit, pc)))
            return false;
        bus_map_ports(bus, pc->config.debug_exit_port, 4, &debug_exit_ops, pc->debug_exit);
    }

    if (!(pc->pci = pci_bus_create(bus)))
        return false;
    bus_map_ports(bus, 0xcf8, 4, &pci_address_ports, pc->pci);
    bus_map_ports(bus, 0xcfc, 4, &pci_data_ports, pc->pci);
    pci_bus_set_memory_window(pc->pci, (uint32_t)pc->config.ram_bytes, 0xfebfffff);
    if (!(pc->i440fx = i440fx_create(
              pc->pci,
              &(struct i440fx_board){.pam_changed = map_pam_segment, .smram_changed = set_smram, .opaque = pc})) ||
        !(pc->piix3 = piix3_create(pc->pci, PIIX3_SLOT, pci_irq, reset_from_chipset, pc)) ||
        !(pc->pm = piix4_pm_create(pc->pci, PIIX3_SLOT, bus, clock,
                                   &(struct piix4_pm_board){.sci = isa_irq[IRQ_SCI],
                                                            .has_com1 = pc->uart[0],
                                                            .has_com2 = pc->uart[1],
                                                            .has_lpt = pc->parallel,
                                                            .has_smm = true,
                                                            .smi = set_smi,
                                                            .power_off = power_off,
                                                            .suspend = suspend,
                                                            .opaque = pc})))
        return false;
    bus_map_ports(bus, 0xb2, 2, &piix4_pm_apm_ops, pc->pm);
    bus_map_ports(bus, 0xafe0, 4, &piix4_pm_gpe_ops, pc->pm);

    if (!(pc->fdc = fdc82078_create(clock, isa_irq[IRQ_FDC], dma8237_channel(pc->dma, DMA_FDC))))
        return false;
    bus_map_ports(bus, 0x3f0, 6, &fdc82078_ops, pc->fdc);
    bus_map_ports(bus, 0x3f7, 1, &fdc82078_dir_ops, pc->fdc);
    for (unsigned i = 0; i < PC_FLOPPIES; i++) {
        struct host_block *floppy = pc->config.floppy[i];

        if (!pc->config.has_floppy[i])
            continue;
        fdc82078_add_drive(pc->fdc, i, floppy ? fdc82078_type_for(floppy->n_sectors) : FDC82078_1440K);
        if (floppy)
            fdc82078_insert(pc->fdc, i, floppy);
    }
    fill_cmos_floppies(pc);

    for (unsigned i = 0; i < 2; i++) {
        if (!(pc->ide[i] = ide_create(&isa_irq[ide[i].irq])))
            return false;
        bus_map_ports(bus, ide[i].command, 8, &ide_command_ports, pc->ide[i]);
        bus_map_ports(bus, ide[i].control, 1, &ide_control_ports, pc->ide[i]);
    }
    /* Before the disks: drives offer DMA only where there is a bus master. */
    if (!(pc->piix3_ide = piix3_ide_create(pc->pci, PIIX3_SLOT, pc->ide,
                                           (struct irq[2]){isa_irq[ide[0].irq], isa_irq[ide[1].irq]})))
        return false;
    for (unsigned i = 0; i < PC_IDE_DISKS; i++) {
        char serial_number[] = "MORPH86-0";

        serial_number[sizeof serial_number - 2] = (char)('0' + i);
        if (pc->config.is_cdrom[i])
            ide_attach_cdrom(pc->ide[i / 2], i % 2, pc->config.disk[i], serial_number);
        else if (pc->config.disk[i])
            ide_attach_disk(pc->ide[i / 2], i % 2, pc->config.disk[i], serial_number);
    }

    if (pc->config.has_vga) {
        if (!(pc->vga = vga_create(clock)) ||
            !vga_attach_pci(pc->vga, pc->pci, VGA_SLOT, pc->vga_firmware, pc->vga_firmware_len))
            return false;
        bus_map_ports(bus, 0x3b0, 48, &vga_ports, pc->vga);
        bus_map_ports(bus, 0x1ce, 4, &vga_dispi_ports, pc->vga);
        bus_map_mmio(bus, 0xa0000, 0x20000, &vga_aperture, pc->vga);
    }

    if (pc->config.nic && !(pc->nic = e1000_create(pc->pci, NIC_SLOT, clock, pc->config.nic, pc->config.mac,
                                                   pc->nic_firmware, pc->nic_firmware_len)))
        return false;

    if (pc->config.has_testdev && !(pc->testdev = pci_testdev_create(pc->pci, TEST_SLOT)))
        return false;

    if (!(pc->fw_cfg = fw_cfg_create(bus)) || !describe_board(pc))
        return false;
    bus_map_ports(bus, 0x510, 12, &fw_cfg_ports, pc->fw_cfg);
    return true;
}

struct pc *pc_create(const struct pc_config *config, char *error, size_t error_size)
{
    struct pc *pc = calloc(1, sizeof *pc);

    if (!pc) {
        snprintf(error, error_size, "out of memory");
        return NULL;
    }
    pc->config = *config;
    pc->firmware = load_firmware(config->bios_path ? config->bios_path : FIRMWARE_PATH, FIRMWARE_MIN, FIRMWARE_MAX,
                                 &pc->firmware_len, error, error_size);
    if (!pc->firmware)
        goto fail;
    if (config->has_vga) {
        pc->vga_firmware = load_firmware(config->vga_bios_path ? config->vga_bios_path : VGA_FIRMWARE_PATH, 512,
                                         FIRMWARE_MIN, &pc->vga_firmware_len, error, error_size);
        if (!pc->vga_firmware)
            goto fail;
    }
    if (config->nic && (config->nic_rom_path || access(NIC_FIRMWARE_PATH, R_OK) == 0)) {
        pc->nic_firmware = load_firmware(config->nic_rom_path ? config->nic_rom_path : NIC_FIRMWARE_PATH, 512,
                                         FIRMWARE_MAX, &pc->nic_firmware_len, error, error_size);
        if (!pc->nic_firmware)
            goto fail;
    }
    pc->phys = phys_create(config->ram_bytes);
    if (!pc->phys) {
        snprintf(error, error_size, "cannot get %llu MiB for the guest: %s; lower -m",
                 (unsigned long long)config->ram_bytes >> 20, strerror(errno));
        goto fail;
    }
    map_memory(pc);
    snprintf(error, error_size, "out of memory");
    if (!(pc->bus = bus_create(phys_bus_memory(), pc->phys)))
        goto fail;
    pc->board = (struct cpu_board){.opaque = pc,
                                   .intack = acknowledge,
                                   .ferr = set_ferr,
                                   .poll = board_poll,
                                   .idle = board_idle,
                                   .shutdown = triple_fault,
                                   .tsc = read_tsc,
                                   .smm = set_smm,
                                   .apic_base = set_apic_base};
    pc->cpu = cpu_create(pc->bus, pc->phys, &pc->board, config->model);
    /* The processor first: chips drive its pins as soon as they exist. */
    if (!pc->cpu || !create_chips(pc) || (config->kernel_path && !add_kernel(pc, error, error_size)) ||
        !option_roms_add(pc->fw_cfg, config->option_rom, config->n_option_roms, config->kernel_path ? KERNEL_ROM : NULL,
                         error, error_size))
        goto fail;
    pc->boots_once = config->boot_once[0];
    board_reset(pc);
    return pc;
fail:
    pc_destroy(pc);
    return NULL;
}

void pc_destroy(struct pc *pc)
{
    if (!pc)
        return;
    cpu_destroy(pc->cpu);
    fw_cfg_destroy(pc->fw_cfg);
    pci_testdev_destroy(pc->testdev);
    e1000_destroy(pc->nic);
    vga_destroy(pc->vga);
    piix3_ide_destroy(pc->piix3_ide);
    for (unsigned i = 0; i < 2; i++)
        ide_destroy(pc->ide[i]);
    fdc82078_destroy(pc->fdc);
    piix4_pm_destroy(pc->pm);
    piix3_destroy(pc->piix3);
    i440fx_destroy(pc->i440fx);
    pci_bus_destroy(pc->pci);
    debug_exit_destroy(pc->debug_exit);
    debugcon_destroy(pc->debugcon);
    for (unsigned i = 0; i < PC_SERIAL_LINES; i++)
        uart16550_destroy(pc->uart[i]);
    parallel_destroy(pc->parallel);
    vmmouse_destroy(pc->vmmouse);
    vmport_destroy(pc->vmport);
    port92_destroy(pc->port92);
    kbc8042_destroy(pc->kbc);
    rtc146818_destroy(pc->rtc);
    port61_destroy(pc->port61);
    pit8254_destroy(pc->pit);
    dma8237_destroy(pc->dma);
    fpu_error_destroy(pc->fpu_error);
    pic8259_pair_destroy(pc->pic);
    hpet_destroy(pc->hpet);
    ioapic_destroy(pc->ioapic);
    apic_destroy(pc->apic);
    bus_destroy(pc->bus);
    phys_destroy(pc->phys);
    free(pc->nic_firmware);
    kernel_image_release(&pc->kernel);
    free(pc->vga_firmware);
    free(pc->firmware);
    free(pc);
}

int pc_run(struct pc *pc)
{
    while (!pc->is_over)
        cpu_run(pc->cpu);
    return pc->status;
}

void pc_stop(struct pc *pc)
{
    clock_pause(pc->config.clock);
    pc->is_stopped = true;
    cpu_set_event(pc->cpu, CPU_EVENT_POLL);
}

void pc_continue(struct pc *pc)
{
    pc->is_stopped = false;
    clock_resume(pc->config.clock);
}

bool pc_is_stopped(const struct pc *pc)
{
    return pc->is_stopped;
}

struct pc_parts pc_parts(const struct pc *pc)
{
    return (struct pc_parts){.cpu = pc->cpu,
                             .phys = pc->phys,
                             .bus = pc->bus,
                             .clock = pc->config.clock,
                             .pic = pc->pic,
                             .apic = pc->apic,
                             .ioapic = pc->ioapic,
                             .kbc = pc->kbc,
                             .vmmouse = pc->vmmouse,
                             .pci = pc->pci,
                             .dma = pc->dma,
                             .fdc = pc->fdc,
                             .ide = {pc->ide[0], pc->ide[1]},
                             .vga = pc->vga};
}

void pc_print_registers(struct pc *pc, FILE *out)
{
    cpu_print_registers(pc->cpu, out);
}
