/* Monitor commands that look at memory and compute: x, xp, print, memsave, pmemsave, sum, gva2gpa. */
#include "ui/monitor_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/x86/cpu.h"

#define MAX_ITEMS  (1u << 20) /* of one x: the answer is built in memory */
#define SAVE_CHUNK 65536u

/* ---- registers ---- */

static bool general_register(const struct cpu *cpu, const char *name, int64_t *value)
{
    static const char names[8][4] = {"eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"};

    for (unsigned i = 0; i < 8; i++) {
        if (strcmp(name, names[i]) == 0) {
            *value = cpu->gpr[i];
            return true;
        }
        if (strcmp(name, names[i] + 1) == 0) {
            *value = (uint16_t)cpu->gpr[i];
            return true;
        }
    }
    return false;
}

static bool segment_register(const struct cpu *cpu, const char *name, int64_t *value)
{
    static const char names[SREGS][3] = {"es", "cs", "ss", "ds", "fs", "gs"};

    for (unsigned i = 0; i < SREGS; i++) {
        const struct segment *seg = &cpu->seg[i];

        if (strncmp(name, names[i], 2) != 0)
            continue;
        if (!name[2])
            *value = seg->selector;
        else if (strcmp(name + 2, ".base") == 0)
            *value = seg->base;
        else if (strcmp(name + 2, ".limit") == 0)
            *value = seg->limit;
        else
            return false;
        return true;
    }
    return false;
}

bool monitor_register(void *opaque, const char *name, int64_t *value)
{
    struct machine *machine = opaque;
    struct cpu *cpu = pc_parts(machine->pc).cpu;
    const struct {
        const char *name;
        uint32_t value;
    } others[] = {
        {"eip", cpu->eip},
        {"pc", cpu->eip + cpu->seg[CS].base}, /* linear, as QEMU has it: x/i $pc */
        {"eflags", cpu_get_eflags(cpu)},
        {"cr0", cpu->cr0},
        {"cr2", cpu->cr2},
        {"cr3", cpu->cr3},
        {"cr4", cpu->cr4},
        {"gdtr", cpu->gdtr.base},
        {"idtr", cpu->idtr.base},
        {"ldtr", cpu->ldtr.base},
        {"tr", cpu->tr.base},
    };

    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (strcmp(name, others[i].name) == 0) {
            *value = others[i].value;
            return true;
        }
    return general_register(cpu, name, value) || segment_register(cpu, name, value);
}

/* ---- x, xp, print ---- */

static bool read_linear(void *opaque, uint64_t address, void *buffer, size_t len)
{
    return machine_read_linear(opaque, (uint32_t)address, buffer, len);
}

static bool read_physical(void *opaque, uint64_t address, void *buffer, size_t len)
{
    machine_read_physical(opaque, address, buffer, len);
    return true;
}

static void examine(struct monitor_call *call, memdump_read *read, unsigned address_digits)
{
    struct memdump_format *f = &call->format;
    uint64_t address = (uint64_t)call->arg[1].number;
    bool code32 = f->width ? f->width == 4 : cpu_code32(pc_parts(call->machine->pc).cpu);

    if (f->count > MAX_ITEMS) {
        fprintf(call->out, "at most %u items at once; pmemsave and memsave write files\n", MAX_ITEMS);
        return;
    }
    if (address_digits == 8)
        address = (uint32_t)address;
    if (f->letter == 'i')
        memdump_print_code(call->out, f->count, code32, address, (uint32_t)address, read, call->machine);
    else
        memdump_print(call->out, f, address, address_digits, read, call->machine);
}

static void do_x(struct monitor_call *call)
{
    examine(call, read_linear, 8);
}

static void do_xp(struct monitor_call *call)
{
    examine(call, read_physical, 16);
}

static void do_print(struct monitor_call *call)
{
    memdump_print_value(call->out, call->format.letter, call->arg[1].number);
    fputc('\n', call->out);
}

/* ---- files ---- */

static void save(struct monitor_call *call, memdump_read *read)
{
    uint64_t address = (uint64_t)call->arg[0].number, left = (uint64_t)call->arg[1].number;
    const char *path = call->arg[2].text;
    uint8_t *chunk = malloc(SAVE_CHUNK);
    FILE *file = chunk ? fopen(path, "wb") : NULL;
    bool is_done = file;

    while (file && left) {
        size_t n = left < SAVE_CHUNK ? (size_t)left : SAVE_CHUNK;

        if (!read(call->machine, address, chunk, n)) {
            fprintf(call->out, "Error: Invalid addr 0x%016" PRIx64 "/size %" PRIu64 " specified\n", address, left);
            break;
        }
        if (fwrite(chunk, 1, n, file) != n) {
            is_done = false;
            break;
        }
        address += n;
        left -= n;
    }
    if (file && fclose(file) != 0)
        is_done = false;
    if (!is_done)
        fprintf(call->out, "Error: cannot write '%s': %s\n", path, strerror(errno));
    free(chunk);
}

static void do_memsave(struct monitor_call *call)
{
    save(call, read_linear);
}

static void do_pmemsave(struct monitor_call *call)
{
    save(call, read_physical);
}

/* The BSD checksum, which QEMU prints too. */
static void do_sum(struct monitor_call *call)
{
    uint64_t address = (uint64_t)call->arg[0].number, left = (uint32_t)call->arg[1].number;
    uint16_t sum = 0;

    for (; left; left--, address++) {
        uint8_t byte;

        machine_read_physical(call->machine, address, &byte, 1);
        sum = (uint16_t)((sum >> 1 | sum << 15) + byte);
    }
    fprintf(call->out, "%05d\n", sum);
}

static void do_translate(struct monitor_call *call)
{
    struct cpu *cpu = pc_parts(call->machine->pc).cpu;
    phys_addr physical;

    if (mmu_debug_translate(&cpu->mmu, (lin_addr)call->arg[0].number, &physical))
        fprintf(call->out, "gpa: %#" PRIx64 "\n", physical);
    else
        fprintf(call->out, "Unmapped\n");
}

const struct monitor_command monitor_memory_commands[] = {
    {"x", "/l", "/fmt addr", "memory at a linear address; fmt is [count][o|x|d|u|c|i][b|h|w|g]", do_x},
    {"xp", "/l", "/fmt addr", "memory at a physical address", do_xp},
    {"print|p", "/l", "/fmt expr", "the value of an expression; $eax and others are registers", do_print},
    {"memsave", "llF", "addr size file", "save memory from a linear address", do_memsave},
    {"pmemsave", "llF", "addr size file", "save memory from a physical address", do_pmemsave},
    {"sum", "ll", "addr size", "checksum of physical memory", do_sum},
    {"gva2gpa", "l", "addr", "the physical address behind a linear one", do_translate},
    {NULL, NULL, NULL, NULL, NULL},
};
