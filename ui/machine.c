/* The running machine as its consoles see it. See machine.h. */
#include "ui/machine.h"

#include <stdlib.h>
#include <string.h>

#include "frontend/x86/cpu.h"
#include "hw/block/fdc82078.h"
#include "hw/block/ide.h"
#include "hw/display/vga.h"
#include "hw/input/kbc8042.h"
#include "hw/input/vmmouse.h"
#include "softmmu/phys.h"
#include "ui/blockdev.h"

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

/* ---- media ---- */

void machine_mouse(struct machine *machine, int dx, int dy, int dz, uint8_t buttons)
{
    struct pc_parts parts = pc_parts(machine->pc);

    if (parts.vmmouse && vmmouse_mode(parts.vmmouse) != VMMOUSE_OFF)
        vmmouse_move(parts.vmmouse, dx, dy, dz, buttons);
    else
        kbc8042_mouse(parts.kbc, dx, dy, dz, buttons);
}

bool machine_eject(struct machine *machine, struct machine_drive *drive, bool force, char *error, size_t error_size)
{
    struct pc_parts parts = pc_parts(machine->pc);
    struct host_block *block = *drive->block;

    if (drive->kind == DRIVE_DISK) {
        snprintf(error, error_size, "Device '%s' is not removable", drive->name);
        return false;
    }
    if (drive->kind == DRIVE_FLOPPY) {
        fdc82078_eject(parts.fdc, drive->unit);
    } else if (!ide_cd_eject(parts.ide[drive->unit / 2], drive->unit % 2, force)) {
        snprintf(error, error_size,
                 "Device '%s' is locked and force was not specified, wait for tray to open and try again", drive->name);
        return false;
    }
    *drive->block = NULL;
    drive->path[0] = '\0';
    if (block && !block->is_readonly)
        block->flush(block);
    if (block)
        block->destroy(block);
    return true;
}

bool machine_insert(struct machine *machine, struct machine_drive *drive, const char *path, char *error,
                    size_t error_size)
{
    struct pc_parts parts = pc_parts(machine->pc);
    struct host_block *block = NULL;
    bool fits;

    /* The same file again: ours must be closed first, or it would be in use. */
    if (strcmp(path, drive->path) == 0 && !machine_eject(machine, drive, false, error, error_size))
        return false;
    if (drive->kind != DRIVE_DISK && !(block = blockdev_open_raw(path, drive->kind == DRIVE_CDROM, error, error_size)))
        return false;
    if (!machine_eject(machine, drive, false, error, error_size)) {
        if (block)
            block->destroy(block);
        return false;
    }
    fits = drive->kind == DRIVE_FLOPPY ? fdc82078_insert(parts.fdc, drive->unit, block)
                                       : ide_cd_insert(parts.ide[drive->unit / 2], drive->unit % 2, block);
    if (!fits) {
        snprintf(error, error_size, "'%s' does not fit into '%s'", path, drive->name);
        block->destroy(block);
        return false;
    }
    *drive->block = block;
    snprintf(drive->path, sizeof drive->path, "%s", path);
    return true;
}

/* ---- memory ---- */

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
