/*
 * VMware backdoor port. Source: VMware, "Mechanisms to determine if software is running in a VMware virtual machine"
 * (knowledge base 1009458); open-vm-tools, backdoor_def.h; QEMU documentation, "vmport".
 * A dword access with 564D5868 in EAX runs the command in CX; anything else meets no device.
 * Deviates: a guest needs the right to access the port like any other; VMware lets in every privilege level. No second,
 * high-bandwidth port. What only VMware's tools ask for (clipboard, time, remote calls) is not there.
 */
#include "hw/input/vmport.h"

#include <stdlib.h>

#include "hw/core/log.h"

#define VMPORT_MAGIC 0x564d5868u

enum vmport_command {
    VMPORT_GET_VERSION = 0x0a,
    VMPORT_GET_RAM_SIZE = 0x14,
};

#define VMPORT_VERSION         6
#define VMPORT_TYPE            2 /* a server product */
#define VMPORT_RAM_SIZE_MARKER 0x1177

struct vmport {
    struct vmport_cpu cpu;
    uint64_t ram_bytes;
    struct {
        void (*run)(void *device, struct vmport_registers *registers);
        void *device;
    } command[VMPORT_COMMANDS];
};

static void get_version(void *device, struct vmport_registers *r)
{
    r->eax = VMPORT_VERSION;
    r->ebx = VMPORT_MAGIC;
    r->ecx = VMPORT_TYPE;
}

static void get_ram_size(void *device, struct vmport_registers *r)
{
    const struct vmport *port = device;

    r->eax = (uint32_t)port->ram_bytes; /* the board has less than 4 GiB */
    r->ebx = VMPORT_RAM_SIZE_MARKER;
}

/* Returns what EAX becomes. */
static uint32_t run_command(struct vmport *port)
{
    static bool said;
    struct vmport_registers r;
    uint16_t command;

    port->cpu.get(port->cpu.opaque, &r);
    if (r.eax != VMPORT_MAGIC)
        return UINT32_MAX;
    command = (uint16_t)r.ecx; /* above it, a channel that none of our commands has */
    if (command >= VMPORT_COMMANDS || !port->command[command].run) {
        log_once(&said, "vmport: command %x is not there\n", command);
        return UINT32_MAX;
    }
    port->command[command].run(port->command[command].device, &r);
    port->cpu.set(port->cpu.opaque, &r);
    return r.eax;
}

static uint32_t vmport_read(void *self, uint32_t offset, unsigned width)
{
    return offset == 0 && width == 4 ? run_command(self) : UINT32_MAX;
}

static void vmport_write(void *self, uint32_t offset, uint32_t value, unsigned width)
{
    if (offset == 0 && width == 4)
        run_command(self);
}

const struct bus_ops vmport_ops = {.name = "vmport", .read = vmport_read, .write = vmport_write, .max_width = 4};

void vmport_connect(struct vmport *port, unsigned command,
                    void (*run)(void *device, struct vmport_registers *registers), void *device)
{
    if (command >= VMPORT_COMMANDS)
        return;
    port->command[command].run = run;
    port->command[command].device = device;
}

struct vmport *vmport_create(const struct vmport_cpu *cpu, uint64_t ram_bytes)
{
    struct vmport *port = calloc(1, sizeof *port);

    if (!port)
        return NULL;
    port->cpu = *cpu;
    port->ram_bytes = ram_bytes;
    vmport_connect(port, VMPORT_GET_VERSION, get_version, port);
    vmport_connect(port, VMPORT_GET_RAM_SIZE, get_ram_size, port);
    return port;
}

void vmport_destroy(struct vmport *port)
{
    free(port);
}
