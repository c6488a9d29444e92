/* The monitor's `info` topics. Layouts are QEMU's where programs read them. */
#define _GNU_SOURCE
#include "ui/monitor_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "frontend/x86/code.h"
#include "frontend/x86/cpu.h"
#include "hw/core/bus.h"
#include "hw/display/vga.h"
#include "hw/input/vmmouse.h"
#include "hw/intc/apic.h"
#include "hw/intc/ioapic.h"
#include "hw/intc/pic8259.h"
#include "hw/pci/pci.h"
#include "softmmu/phys.h"
#include "translator/translator.h"
#include "ui/version.h"

static void info_version(struct monitor_call *call)
{
    fprintf(call->out, MORPH86_VERSION " (morph86 " MORPH86_COMMIT ")\n");
}

static void info_status(struct monitor_call *call)
{
    fprintf(call->out, "VM status: %s\n", pc_is_stopped(call->machine->pc) ? "paused" : "running");
}

static void info_name(struct monitor_call *call)
{
    if (call->machine->name)
        fprintf(call->out, "%s\n", call->machine->name);
}

static void info_registers(struct monitor_call *call)
{
    fputs("\nCPU#0\n", call->out);
    pc_print_registers(call->machine->pc, call->out);
}

static void info_cpus(struct monitor_call *call)
{
    fprintf(call->out, "* CPU #0: thread_id=%ld\n", (long)gettid());
}

static void info_pic(struct monitor_call *call)
{
    struct pc_parts parts = pc_parts(call->machine->pc);

    if (parts.ioapic)
        state_print(ioapic_state(), parts.ioapic, call->out);
    pic8259_print(parts.pic, call->out);
}

static void info_lapic(struct monitor_call *call)
{
    struct pc_parts parts = pc_parts(call->machine->pc);

    if (parts.apic)
        state_print(apic_state(), parts.apic, call->out);
    else
        fputs("this processor has no local APIC\n", call->out);
}

static void info_irq(struct monitor_call *call)
{
    struct pc_parts parts = pc_parts(call->machine->pc);

    if (parts.ioapic) {
        fputs("IRQ statistics for ioapic:\n", call->out);
        ioapic_print_counts(parts.ioapic, call->out);
    }
    fputs("IRQ statistics for isa-i8259:\n", call->out);
    pic8259_print_counts(parts.pic, call->out);
}

static void info_mem(struct monitor_call *call)
{
    monitor_print_mappings(call->out, &pc_parts(call->machine->pc).cpu->mmu);
}

static void info_tlb(struct monitor_call *call)
{
    monitor_print_pages(call->out, &pc_parts(call->machine->pc).cpu->mmu);
}

static void info_mice(struct monitor_call *call)
{
    const struct vmmouse *vmmouse = pc_parts(call->machine->pc).vmmouse;
    enum vmmouse_mode mode = vmmouse ? vmmouse_mode(vmmouse) : VMMOUSE_OFF;

    fprintf(call->out, "%c Mouse #0: PS/2 Mouse\n", mode == VMMOUSE_OFF ? '*' : ' ');
    if (mode != VMMOUSE_OFF)
        fprintf(call->out, "* Mouse #1: vmmouse%s\n", mode == VMMOUSE_ABSOLUTE ? " (absolute)" : "");
}

/* ---- pci ---- */

/* Class codes of the PCI specification, appendix D, that boards of this age carry. */
static const char *class_name(unsigned class_code)
{
    static const struct {
        uint16_t code;
        const char *name;
    } names[] = {
        {0x0001, "VGA controller"},
        {0x0100, "SCSI controller"},
        {0x0101, "IDE controller"},
        {0x0200, "Ethernet controller"},
        {0x0300, "VGA controller"},
        {0x0380, "Display controller"},
        {0x0401, "Audio controller"},
        {0x0403, "Audio controller"},
        {0x0500, "RAM controller"},
        {0x0600, "Host bridge"},
        {0x0601, "ISA bridge"},
        {0x0604, "PCI bridge"},
        {0x0680, "Bridge"},
        {0x0c03, "USB controller"},
        {0x0c05, "SMBus"},
    };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (names[i].code == class_code)
            return names[i].name;
    return NULL;
}

static void print_bar(FILE *out, const struct pci_device *dev, unsigned index, const struct pci_bar *bar)
{
    /* What decoding has made of the register; all ones while the function does not answer there. */
    uint64_t base = bar->is_mapped ? bar->base : UINT64_MAX, last = base + bar->size - 1;

    (void)dev;
    if (bar->size == 0)
        return;
    if (bar->kind == PCI_BAR_IO)
        fprintf(out, "      BAR%u: I/O at 0x%04" PRIx64 " [0x%04" PRIx64 "].\n", index, base, last);
    else
        fprintf(out, "      BAR%u: 32 bit%s memory at 0x%08" PRIx64 " [0x%08" PRIx64 "].\n", index,
                bar->kind == PCI_BAR_MEMORY_PREFETCH ? " prefetchable" : "", base, last);
}

static void print_function(FILE *out, const struct pci_device *dev)
{
    unsigned class_code = pci_get16(dev->config, PCI_CLASS_DEVICE);
    const char *name = class_name(class_code);

    fprintf(out, "  Bus  0, device %3u, function %u:\n", dev->devfn / 8u, dev->devfn % 8u);
    if (name)
        fprintf(out, "    %s", name);
    else
        fprintf(out, "    Class %04x", class_code);
    fprintf(out, ": PCI device %04x:%04x\n", pci_get16(dev->config, PCI_VENDOR_ID),
            pci_get16(dev->config, PCI_DEVICE_ID));
    if (pci_get16(dev->config, PCI_SUBSYSTEM_VENDOR_ID))
        fprintf(out, "      PCI subsystem %04x:%04x\n", pci_get16(dev->config, PCI_SUBSYSTEM_VENDOR_ID),
                pci_get16(dev->config, PCI_SUBSYSTEM_ID));
    if (dev->config[PCI_INTERRUPT_PIN])
        fprintf(out, "      IRQ %u, pin %c\n", dev->config[PCI_INTERRUPT_LINE],
                'A' + dev->config[PCI_INTERRUPT_PIN] - 1);
    for (unsigned i = 0; i < PCI_BARS; i++)
        print_bar(out, dev, i, &dev->bar[i]);
    print_bar(out, dev, PCI_BARS, &dev->rom);
    fprintf(out, "      id \"\"\n");
}

static void info_pci(struct monitor_call *call)
{
    struct pci_bus *pci = pc_parts(call->machine->pc).pci;

    for (unsigned devfn = 0; devfn < PCI_SLOTS * PCI_FUNCTIONS; devfn++) {
        const struct pci_device *dev = pci_bus_device(pci, devfn);

        if (dev)
            print_function(call->out, dev);
    }
}

/* ---- mtree ---- */

static void info_mtree(struct monitor_call *call)
{
    static const char *const kind_name[] = {"", "ram", "rom", "i/o"};
    struct pc_parts parts = pc_parts(call->machine->pc);
    uint32_t n_ports;

    fprintf(call->out, "address-space: memory\n  %016" PRIx64 "-%016" PRIx64 " (prio 0, i/o): system\n", (uint64_t)0,
            UINT64_MAX);
    for (phys_addr at = 0;;) {
        struct phys_region r = phys_describe(parts.phys, at);

        if (r.len_bytes == 0)
            break;
        if (r.kind != PHYS_UNMAPPED) {
            fprintf(call->out, "    %016" PRIx64 "-%016" PRIx64 " (prio 0, %s): %s", r.first, r.first + r.len_bytes - 1,
                    kind_name[r.kind], r.name);
            if (r.offset)
                fprintf(call->out, " @%016" PRIx64, r.offset);
            fputc('\n', call->out);
        }
        at = r.first + r.len_bytes;
    }
    fprintf(call->out, "\naddress-space: I/O\n  %016x-%016x (prio 0, i/o): io\n", 0, 0xffff);
    for (uint32_t port = 0; port < 0x10000; port += n_ports) {
        const char *name = bus_port_device(parts.bus, (uint16_t)port, &n_ports);

        if (name)
            fprintf(call->out, "    %016x-%016x (prio 0, i/o): %s\n", port, port + n_ports - 1, name);
    }
}

/* ---- block ---- */

static void info_block(struct monitor_call *call)
{
    for (unsigned i = 0; i < call->machine->n_drives; i++) {
        const struct machine_drive *drive = &call->machine->drive[i];

        if (drive->path[0])
            fprintf(call->out, "%s%s (#block%u): %s (raw%s)\n", i ? "\n" : "", drive->name, i, drive->path,
                    *drive->block && (*drive->block)->is_readonly ? ", read-only" : "");
        else
            fprintf(call->out, "%s%s: [not inserted]\n", i ? "\n" : "", drive->name);
        fprintf(call->out, "    Attached to:      %s\n", drive->name);
        if (drive->kind != DRIVE_DISK)
            fprintf(call->out, "    Removable device\n");
        if (drive->path[0])
            fprintf(call->out, "    Cache mode:       writeback\n");
    }
}

/* ---- ours ---- */

static void info_jit(struct monitor_call *call)
{
    translator_print_info(pc_parts(call->machine->pc).cpu, call->out);
}

static void info_screen(struct monitor_call *call)
{
    static const char *const kind_name[] = {"blank", "text", "graphics"};
    struct vga *vga = pc_parts(call->machine->pc).vga;
    struct vga_picture p;
    char *lines;

    if (!vga) {
        fputs("no display card\n", call->out);
        return;
    }
    p = vga_picture(vga);
    fprintf(call->out, "%s, %u x %u pixels", kind_name[p.kind], p.width, p.height);
    if (p.kind == VGA_TEXT)
        fprintf(call->out, ", %u x %u characters, cursor at %u, %u", p.columns, p.rows, p.cursor_column, p.cursor_row);
    fputc('\n', call->out);
    if (p.kind != VGA_TEXT)
        return;
    lines = malloc(65536);
    if (!lines)
        return;
    vga_text_lines(vga, lines, 65536);
    for (char *c = lines; *c; c++)
        fputc((unsigned char)*c == '\n' || ((unsigned char)*c >= 32 && (unsigned char)*c < 127) ? *c : '.', call->out);
    free(lines);
}

static void info_speed(struct monitor_call *call)
{
    struct pc_parts parts = pc_parts(call->machine->pc);
    const struct cpu *cpu = parts.cpu;

    fprintf(call->out, "instructions executed: %" PRIu64 "\nguest time:            %.3f s\n", cpu->executed,
            (double)clock_now_ns(parts.clock) / NS_PER_SECOND);
    fprintf(call->out, "page walks:            %" PRIu64 "\nTLB flushes:           %" PRIu64 "\n", cpu->mmu.walks,
            cpu->mmu.flushes);
    fprintf(call->out, "blocks decoded:        %" PRIu64 "\nblocks overwritten:    %" PRIu64 "\n", cpu->code->built,
            cpu->code->killed);
}

const struct monitor_command monitor_info_topics[] = {
    {"block", "", "", "disks and other media", info_block},
    {"cpus", "", "", "processors", info_cpus},
    {"irq", "", "", "how often each interrupt was delivered", info_irq},
    {"jit", "", "", "what has been translated, and how often translated code is left", info_jit},
    {"lapic", "", "", "the processor's local interrupt controller", info_lapic},
    {"mem", "", "", "what the page tables map, as ranges", info_mem},
    {"mice", "", "", "which mouse receives events", info_mice},
    {"mtree", "-fb", "[-f]", "what answers where in memory and port space", info_mtree},
    {"name", "", "", "the name given by -name", info_name},
    {"pci", "", "", "PCI functions and their addresses", info_pci},
    {"pic", "", "", "interrupt controllers", info_pic},
    {"registers", "-abs?", "[-a]", "processor registers", info_registers},
    {"screen", "", "", "what is on the display; the text of text modes", info_screen},
    {"speed", "", "", "what the processor has done so far", info_speed},
    {"status", "", "", "running or paused", info_status},
    {"tlb", "", "", "what the page tables map, page by page", info_tlb},
    {"version", "", "", "version and commit", info_version},
    {NULL, NULL, NULL, NULL, NULL},
};
