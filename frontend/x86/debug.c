/*
 * Debug registers: execution, data and I/O breakpoints, and when the run loop must go step by step.
 *
 * Source: SDM vol. 3 "Debug Registers", "Debug Exceptions".
 *
 * While any execution or data breakpoint is armed the run loop executes one instruction at a time, so that a
 * data breakpoint's trap comes right after its instruction; processors since the P6 promise the same.
 */
#include "frontend/x86/sys_internal.h"

enum breakpoint_kind { BP_EXEC, BP_WRITE, BP_IO, BP_ACCESS };

struct breakpoint {
    bool is_on;
    enum breakpoint_kind kind;
    uint32_t address; /* aligned to len_bytes */
    uint32_t len_bytes;
};

static struct breakpoint breakpoint(const struct cpu *cpu, unsigned i)
{
    static const uint8_t length[4] = {1, 2, 8, 4};
    uint32_t dr7 = cpu->dr[7];
    struct breakpoint b = {
        .is_on = dr7 >> (2 * i) & 3,
        .kind = dr7 >> (16 + 4 * i) & 3,
        .len_bytes = length[dr7 >> (18 + 4 * i) & 3],
    };

    b.address = cpu->dr[i] & ~(b.len_bytes - 1);
    return b;
}

static bool breakpoint_overlaps(const struct breakpoint *b, uint32_t address, uint32_t width)
{
    /* Neither range may be compared by its end: both may run past FFFFFFFF. */
    return b->address - address < width || address - b->address < b->len_bytes;
}

void debug_derive(struct cpu *cpu)
{
    cpu->stepping &= (uint8_t)~STEPPING_BREAKPOINTS;
    for (unsigned i = 0; i < 4; i++) {
        struct breakpoint b = breakpoint(cpu, i);
        bool is_data = b.kind == BP_WRITE || b.kind == BP_ACCESS;

        mmu_set_debug_page(&cpu->mmu, i, b.is_on && is_data, b.address);
        if (b.is_on && b.kind != BP_IO)
            cpu->stepping |= STEPPING_BREAKPOINTS;
    }
}

bool cpu_must_step(const struct cpu *cpu)
{
    return (cpu->stepping & STEPPING_BREAKPOINTS) || (cpu->eflags & (EFLAGS_TF | EFLAGS_RF));
}

/* DR6 bits of the enabled breakpoints of the given kinds that match (disabled ones the SDM lets us leave out). */
static uint32_t match(const struct cpu *cpu, uint32_t address, uint32_t width, unsigned kinds)
{
    uint32_t bits = 0;

    for (unsigned i = 0; i < 4; i++) {
        struct breakpoint b = breakpoint(cpu, i);

        if (b.is_on && (kinds >> b.kind & 1) && breakpoint_overlaps(&b, address, width))
            bits |= (uint32_t)DR6_B0 << i;
    }
    return bits;
}

uint32_t debug_exec_match(const struct cpu *cpu, lin_addr address)
{
    return match(cpu, address, 1, 1 << BP_EXEC);
}

void debug_io_access(struct cpu *cpu, uint16_t port, unsigned width)
{
    if (cpu->cr4 & CR4_DE)
        cpu->pending_db |= match(cpu, port, width, 1 << BP_IO);
}

void debug_data_access(void *opaque, lin_addr address, unsigned width, bool is_write)
{
    struct cpu *cpu = opaque;

    cpu->pending_db |= match(cpu, address, width, is_write ? 1 << BP_WRITE | 1 << BP_ACCESS : 1 << BP_ACCESS);
}
