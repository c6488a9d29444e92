/*
 * The backdoor port of VMware's machines: a guest that knows of it puts a command into its registers, reads the port,
 * and finds the answer in its registers. Which commands there are is up to the devices behind it.
 */
#ifndef HW_INPUT_VMPORT_H
#define HW_INPUT_VMPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "hw/core/bus.h"

#define VMPORT_PORT  0x5658
#define VMPORT_PORTS 4 /* the bus asks for as many to pass on a dword in one piece */

struct vmport;

struct vmport_registers {
    uint32_t eax, ebx, ecx, edx, esi, edi;
};

/* The processor that does the access, as far as a command may see and change it. */
struct vmport_cpu {
    void (*get)(void *opaque, struct vmport_registers *registers);
    void (*set)(void *opaque, const struct vmport_registers *registers);
    void *opaque;
};

extern const struct bus_ops vmport_ops;

/* `ram_bytes` is what the memory size command answers. NULL when out of memory. */
struct vmport *vmport_create(const struct vmport_cpu *cpu, uint64_t ram_bytes);
void vmport_destroy(struct vmport *port);
/* Puts a device behind `command` (below VMPORT_COMMANDS), in place of what was there. `run` changes the registers that
 * hold the answer. The device must outlive the port's use. */
#define VMPORT_COMMANDS 64
void vmport_connect(struct vmport *port, unsigned command,
                    void (*run)(void *device, struct vmport_registers *registers), void *device);

#endif
