/*
 * IN, OUT, INS, OUTS.
 *
 * Source: SDM vol. 2 "IN", "OUT", "INS/INSB/INSW/INSD", "OUTS/OUTSB/OUTSW/OUTSD"; vol. 1 "Input/Output" (protection).
 *
 * A port access may change anything (memory map, interrupt lines, reset): when it left an event behind, the block ends
 * after it. A REP run moves as many items as the device and the page allow in one go and can stop after any item with
 * ECX, ESI and EDI at the next one.
 */
#include "frontend/x86/interp.h"
#include "frontend/x86/sys_internal.h"

static unsigned item_bytes(const struct insn *in) /* even opcodes are the byte forms */
{
    return !(in->opcode & 1) ? 1 : in->opsize32 ? 4 : 2;
}

static void check_port(struct cpu *cpu, uint16_t port, unsigned width) /* IOPL_IO */
{
    if (cpu_is_pm(cpu) && !io_is_permitted(cpu, port, width))
        cpu_raise_error(cpu, VEC_GP, 0);
}

static void note_port(struct cpu *cpu, uint16_t port, unsigned width)
{
    if (unlikely(cpu->cr4 & CR4_DE))
        debug_io_access(cpu, port, width);
}

/* ---- IN, OUT ---- */

static void port_in(struct cpu *cpu, const struct insn *in, uint16_t port)
{
    unsigned width = item_bytes(in);

    check_port(cpu, port, width);
    reg_write(cpu, EAX, bus_in(cpu->bus, port, width), width * 8);
    note_port(cpu, port, width);
}

static void port_out(struct cpu *cpu, const struct insn *in, uint16_t port)
{
    unsigned width = item_bytes(in);

    check_port(cpu, port, width);
    bus_out(cpu->bus, port, reg_read(cpu, EAX, width * 8), width);
    note_port(cpu, port, width);
}

#define PORT_HANDLER(name, access, port)                                                                               \
    static void name(struct cpu *cpu, const struct insn *in)                                                           \
    {                                                                                                                  \
        access(cpu, in, (uint16_t)(port));                                                                             \
        if (unlikely(cpu_wants_attention(cpu))) {                                                                      \
            interp_block_end(cpu, in + 1);                                                                             \
            return;                                                                                                    \
        }                                                                                                              \
        NEXT(cpu, in);                                                                                                 \
    }                                                                                                                  \
    INTERP_ONE(name)
PORT_HANDLER(in_imm, port_in, in->imm & 0xff)
PORT_HANDLER(in_dx, port_in, cpu->gpr[EDX])
PORT_HANDLER(out_imm, port_out, in->imm & 0xff)
PORT_HANDLER(out_dx, port_out, cpu->gpr[EDX])

/* ---- INS, OUTS ---- */

struct string_io {
    uint16_t port;
    unsigned width;
    unsigned seg, pointer; /* where in memory: ES:EDI or the data segment and ESI */
    uint32_t mask;         /* of the address size */
    uint32_t step;
};

static void advance(struct cpu *cpu, unsigned reg, uint32_t mask, uint32_t delta)
{
    cpu->gpr[reg] = (cpu->gpr[reg] & ~mask) | ((cpu->gpr[reg] + delta) & mask);
}

/* One item; memory is checked first, so that a fault comes before the device sees anything. */
static void ins_item(struct cpu *cpu, const struct string_io *io, uint32_t offset)
{
    lin_addr address = seg_write_linear(cpu, io->seg, offset, io->width);

    mmu_check_write(&cpu->mmu, address, io->width, cpu->view);
    mem_write(cpu, io->seg, offset, bus_in(cpu->bus, io->port, io->width), io->width * 8);
}

static void outs_item(struct cpu *cpu, const struct string_io *io, uint32_t offset)
{
    bus_out(cpu->bus, io->port, mem_read(cpu, io->seg, offset, io->width * 8), io->width);
}

/* How many of `count` items from `offset` up lie in the segment and in one page, without wrapping; at least 0. */
static uint32_t run_length(struct cpu *cpu, const struct string_io *io, uint32_t offset, uint32_t count, bool is_write)
{
    const struct segment *s = &cpu->seg[io->seg];
    uint32_t end = is_write ? s->fast_write_end : s->fast_read_end;
    uint32_t in_page = PHYS_PAGE_SIZE - ((s->base + offset) & (PHYS_PAGE_SIZE - 1));
    uint32_t room = offset < end ? end - offset : 0;

    if (room > in_page)
        room = in_page;
    if (room > io->mask - offset)
        room = io->mask - offset;
    return count < room / io->width ? count : room / io->width;
}

/* Moves a run through the device's block path; 0: there is none here. Ascending only. */
static uint32_t ins_run(struct cpu *cpu, const struct string_io *io, uint32_t offset, uint32_t count)
{
    uint32_t n = run_length(cpu, io, offset, count, true);
    uint8_t *host;

    if (n < 2)
        return 0;
    host = mmu_host_for_write(&cpu->mmu, cpu->seg[io->seg].base + offset, cpu->view);
    return host ? bus_in_block(cpu->bus, io->port, host, io->width, n) : 0;
}

static uint32_t outs_run(struct cpu *cpu, const struct string_io *io, uint32_t offset, uint32_t count)
{
    uint32_t n = run_length(cpu, io, offset, count, false);
    uint8_t *host;

    if (n < 2)
        return 0;
    host = mmu_host_for_read(&cpu->mmu, cpu->seg[io->seg].base + offset, cpu->view);
    return host ? bus_out_block(cpu->bus, io->port, host, io->width, n) : 0;
}

static struct string_io string_io(struct cpu *cpu, const struct insn *in, unsigned seg, unsigned pointer)
{
    unsigned width = item_bytes(in);

    return (struct string_io){.port = (uint16_t)cpu->gpr[EDX],
                              .width = width,
                              .seg = seg,
                              .pointer = pointer,
                              .mask = in->addr_mask,
                              .step = cpu->eflags & EFLAGS_DF ? 0u - width : width};
}

/* Moves one item, or a run of at most `count`; commits the pointer. Returns how many. */
static uint32_t move_some(struct cpu *cpu, const struct string_io *io, uint32_t count, bool is_ins)
{
    uint32_t offset = cpu->gpr[io->pointer] & io->mask, done = 0;

    if (count > 1 && io->step == io->width)
        done = is_ins ? ins_run(cpu, io, offset, count) : outs_run(cpu, io, offset, count);
    if (!done) {
        if (is_ins)
            ins_item(cpu, io, offset);
        else
            outs_item(cpu, io, offset);
        done = 1;
    }
    note_port(cpu, io->port, io->width);
    advance(cpu, io->pointer, io->mask, done * io->step);
    return done;
}

/* False: the instruction has to be executed again for the rest of its items. */
static bool move_items(struct cpu *cpu, const struct insn *in, const struct string_io *io, bool is_ins)
{
    check_port(cpu, io->port, io->width);
    if (!in->rep) {
        move_some(cpu, io, 1, is_ins);
        return true;
    }
    while (cpu->gpr[ECX] & io->mask) {
        /* Single-stepping and port breakpoints trap after every item. */
        bool one_by_one = cpu->pending_db || (cpu->cr4 & CR4_DE);
        uint32_t done = move_some(cpu, io, one_by_one ? 1 : cpu->gpr[ECX] & io->mask, is_ins);

        advance(cpu, ECX, io->mask, 0u - done);
        if (cpu_wants_attention(cpu))
            return !(cpu->gpr[ECX] & io->mask);
    }
    return true;
}

ALWAYS_INLINE void string_io_body(struct cpu *cpu, const struct insn *in, const struct string_io *io, bool is_ins)
{
    bool is_done = move_items(cpu, in, io, is_ins);

    if (!is_done) {
        cpu->eflags |= EFLAGS_RF; /* SDM vol. 3 "Instruction-Breakpoint Exception Condition": once per REP */
        interp_block_end(cpu, in);
        return;
    }
    if (unlikely(cpu_wants_attention(cpu))) {
        interp_block_end(cpu, in + 1);
        return;
    }
    NEXT(cpu, in);
}

static void ins(struct cpu *cpu, const struct insn *in)
{
    struct string_io io = string_io(cpu, in, ES, EDI);

    string_io_body(cpu, in, &io, true);
}
INTERP_ONE(ins)

static void outs(struct cpu *cpu, const struct insn *in)
{
    struct string_io io = string_io(cpu, in, in->seg, ESI);

    string_io_body(cpu, in, &io, false);
}
INTERP_ONE(outs)
