/* The running machine as its consoles see it. See machine.h. */
#include "ui/machine.h"

#include <stdlib.h>
#include <string.h>

#include "frontend/x86/cpu.h"
#include "hw/display/vga.h"
#include "softmmu/phys.h"

#define VGA_WINDOW_FIRST 0xa0000u
#define VGA_WINDOW_END   0xc0000u

void machine_stop(struct machine *machine)
{
    pc_stop(machine->pc);
    if (machine->loop)
        event_loop_set_paused(machine->loop, true);
}

void machine_continue(struct machine *machine)
{
    pc_continue(machine->pc);
    if (machine->loop)
        event_loop_set_paused(machine->loop, false);
}

void machine_quit(struct machine *machine)
{
    pc_quit(machine->pc, EXIT_SUCCESS);
}

/* As wide as an aligned register may be: some devices answer only to their own width. Returns how many bytes it was. */
static size_t read_device(const struct pc_parts *parts, uint64_t address, uint8_t *to, size_t len)
{
    uint32_t value;

    if (parts->vga && address >= VGA_WINDOW_FIRST && address < VGA_WINDOW_END) {
        *to = vga_peek(parts->vga, (uint32_t)(address - VGA_WINDOW_FIRST));
        return 1;
    }
    if (len < 4 || address % 4) {
        *to = (uint8_t)phys_read(parts->phys, address, 1);
        return 1;
    }
    value = (uint32_t)phys_read(parts->phys, address, 4);
    memcpy(to, &value, 4);
    return 4;
}

void machine_read_physical(struct machine *machine, uint64_t address, void *buffer, size_t len)
{
    struct pc_parts parts = pc_parts(machine->pc);
    uint8_t *to = buffer;

    while (len) {
        size_t n = PHYS_PAGE_SIZE - address % PHYS_PAGE_SIZE;

        if (n > len)
            n = len;
        if (phys_lookup(parts.phys, address).kind == PHYS_MMIO)
            n = read_device(&parts, address, to, n);
        else
            phys_peek(parts.phys, address, to, n);
        address += n;
        to += n;
        len -= n;
    }
}

bool machine_read_linear(struct machine *machine, uint32_t address, void *buffer, size_t len)
{
    struct cpu *cpu = pc_parts(machine->pc).cpu;
    uint8_t *to = buffer;

    while (len) {
        size_t n = PHYS_PAGE_SIZE - address % PHYS_PAGE_SIZE;
        phys_addr physical;

        if (n > len)
            n = len;
        if (!mmu_debug_translate(&cpu->mmu, address, &physical))
            return false;
        machine_read_physical(machine, physical, to, n);
        address += (uint32_t)n;
        to += n;
        len -= n;
    }
    return true;
}
