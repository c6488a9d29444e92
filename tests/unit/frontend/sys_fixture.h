/*
 * A machine for the tests of the system side: a cpu with RAM, a GDT, an IDT and two rings, set up by hand and driven by
 * cpu_step().
 *
 * Protected mode: vector n is handled at HANDLER(n) by a 32-bit interrupt gate of DPL 0 unless a test replaces it, so a
 * fault shows as EIP == HANDLER(n) with its error code on top of the ring-0 stack.
 */
#ifndef TESTS_UNIT_FRONTEND_SYS_FIXTURE_H
#define TESTS_UNIT_FRONTEND_SYS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "frontend/x86/cpuid.h"
#include "frontend/x86/interp.h"
#include "frontend/x86/insn.h"
#include "frontend/x86/sys_internal.h"
#include "hw/core/bus.h"

enum {
    RAM_BYTES = 2 << 20,
    GDT = 0x1000,
    IDT = 0x2000,
    LDT = 0x2800,
    TSS = 0x3000,   /* current, 32-bit, with an I/O map at 68 (2000h ports) and a redirection map before it */
    TSS_B = 0x4000, /* available, 32-bit */
    TSS_16 = 0x4800,
    CODE = 0x8000, /* within reach of real mode */
    STACK0 = 0x20000,
    STACK3 = 0x30000,
    DATA = 0x50000,
    PAGE_DIRECTORY = 0x100000,
    PAGE_TABLE = 0x101000,
    IO_MAP = 0x88,
    TSS_LIMIT = IO_MAP + 0x400,
};
#define HANDLER(vector) (0x40000u + 16u * (vector))
#define TASK_B_EIP      0x9000u

enum {
    SEL_CODE0 = 0x08,
    SEL_DATA0 = 0x10,
    SEL_CODE3 = 0x1b,
    SEL_DATA3 = 0x23,
    SEL_CONFORMING = 0x28, /* DPL 0 */
    SEL_CODE16 = 0x30,
    SEL_TSS = 0x38,
    SEL_TSS_B = 0x40,
    SEL_TSS_16 = 0x48,
    SEL_LDT = 0x50,
    SEL_STACK16 = 0x58, /* B = 0 */
    SEL_TEST = 0x60,    /* for the test to fill, and 68, 70, 78 */
    SEL_TEST2 = 0x68,
    GDT_LIMIT = 0xff,
};

enum {
    TEST_CODE = AR_P | AR_S | AR_CODE | AR_READABLE | AR_ACCESSED | AR_DB,
    TEST_DATA = AR_P | AR_S | AR_WRITABLE | AR_ACCESSED | AR_DB,
    DPL3 = 3 << AR_DPL_SHIFT,
};

struct machine {
    struct phys *phys;
    struct bus *bus;
    struct cpu *cpu;
    struct cpu_model model;
    struct cpu_board board;
    uint8_t irq_vector;
    unsigned shutdowns, intacks, idles;
    uint64_t tsc;
};

static uint8_t machine_intack(void *opaque)
{
    struct machine *m = opaque;

    m->intacks++;
    cpu_set_intr(m->cpu, false);
    return m->irq_vector;
}
static void machine_nothing(void *opaque)
{
    (void)opaque;
}
static void machine_idle(void *opaque)
{
    ((struct machine *)opaque)->idles++;
}
static void machine_ferr(void *opaque, bool level)
{
    (void)opaque;
    (void)level;
}
static void machine_shutdown(void *opaque)
{
    ((struct machine *)opaque)->shutdowns++;
}
static uint64_t machine_tsc(void *opaque)
{
    return ((struct machine *)opaque)->tsc;
}

/* ---- memory ---- */

static inline void put8(struct machine *m, uint32_t address, uint8_t value)
{
    phys_ram_host(m->phys, 0)[address] = value;
}
static inline void put16(struct machine *m, uint32_t address, uint16_t value)
{
    memcpy(phys_ram_host(m->phys, address), &value, 2);
}
static inline void put32(struct machine *m, uint32_t address, uint32_t value)
{
    memcpy(phys_ram_host(m->phys, address), &value, 4);
}
static inline uint8_t get8(struct machine *m, uint32_t address)
{
    return *phys_ram_host(m->phys, address);
}
static inline uint16_t get16(struct machine *m, uint32_t address)
{
    uint16_t value;

    memcpy(&value, phys_ram_host(m->phys, address), 2);
    return value;
}
static inline uint32_t get32(struct machine *m, uint32_t address)
{
    uint32_t value;

    memcpy(&value, phys_ram_host(m->phys, address), 4);
    return value;
}

/* ---- tables ---- */

/* `ar` as enum segment_ar; with AR_G the limit is in pages. */
static inline void put_descriptor(struct machine *m, uint32_t at, uint32_t base, uint32_t limit, uint16_t ar)
{
    put32(m, at, base << 16 | (limit & 0xffff));
    put32(m, at + 4, (base & 0xff000000u) | (uint32_t)ar << 8 | (limit & 0xf0000) | (base >> 16 & 0xff));
}
static inline void put_gdt(struct machine *m, uint16_t selector, uint32_t base, uint32_t limit, uint16_t ar)
{
    put_descriptor(m, GDT + (selector & ~7u), base, limit, ar);
}
static inline void put_gate(struct machine *m, uint32_t at, uint16_t selector, uint32_t offset, uint8_t ar,
                            uint8_t params)
{
    put32(m, at, (uint32_t)selector << 16 | (offset & 0xffff));
    put32(m, at + 4, (offset & 0xffff0000u) | (uint32_t)ar << 8 | params);
}
static inline void put_idt(struct machine *m, uint8_t vector, uint16_t selector, uint32_t offset, uint8_t ar)
{
    put_gate(m, IDT + vector * 8u, selector, offset, ar, 0);
}

static inline void load_segment(struct machine *m, unsigned seg, uint16_t selector)
{
    struct descriptor d;

    assert_true(descriptor_read(m->cpu, selector, &d));
    segment_set(m->cpu, seg, selector, &d);
}

static inline void put_code(struct machine *m, const void *bytes, size_t n)
{
    memcpy(phys_ram_host(m->phys, m->cpu->seg[CS].base + m->cpu->eip), bytes, n);
}
#define CODE_BYTES(m, ...)                                                                                             \
    do {                                                                                                               \
        const uint8_t bytes_[] = {__VA_ARGS__};                                                                        \
        put_code((m), bytes_, sizeof bytes_);                                                                          \
    } while (0)
/* Places an instruction at CS:EIP and executes it. */
#define EXEC(m, ...)                                                                                                   \
    do {                                                                                                               \
        CODE_BYTES(m, __VA_ARGS__);                                                                                    \
        cpu_step((m)->cpu);                                                                                            \
    } while (0)

/* ---- modes ---- */

static inline void enter_real(struct machine *m)
{
    struct cpu *cpu = m->cpu;

    cpu->cr0 = CR0_ET;
    cpu->eflags = 0;
    cpu_set_cpl(cpu, 0);
    for (unsigned i = 0; i < SREGS; i++) {
        cpu->seg[i] = (struct segment){.ar = 0x93, .limit = 0xffff};
        segment_derive(cpu, i);
    }
    cpu->idtr = (struct table_register){.base = 0, .limit = 0x3ff};
    segment_load_real(cpu, SS, STACK0 >> 4);
    cpu->gpr[ESP] = 0x1000;
    cpu->eip = CODE;
}

static inline void enter_protected(struct machine *m, unsigned cpl)
{
    struct cpu *cpu = m->cpu;
    uint16_t data = cpl ? SEL_DATA3 : SEL_DATA0;

    put_gdt(m, SEL_CODE0, 0, 0xfffff, TEST_CODE | AR_G);
    put_gdt(m, SEL_DATA0, 0, 0xfffff, TEST_DATA | AR_G);
    put_gdt(m, SEL_CODE3, 0, 0xfffff, TEST_CODE | AR_G | DPL3);
    put_gdt(m, SEL_DATA3, 0, 0xfffff, TEST_DATA | AR_G | DPL3);
    put_gdt(m, SEL_CONFORMING, 0, 0xfffff, TEST_CODE | AR_G | AR_CONFORMING);
    put_gdt(m, SEL_CODE16, 0, 0xffff, TEST_CODE & ~AR_DB);
    put_gdt(m, SEL_TSS, TSS, TSS_LIMIT, AR_P | TYPE_TSS32_BUSY);
    put_gdt(m, SEL_TSS_B, TSS_B, 0x67, AR_P | TYPE_TSS32);
    put_gdt(m, SEL_TSS_16, TSS_16, 0x2b, AR_P | TYPE_TSS16);
    put_gdt(m, SEL_LDT, LDT, 0x3f, AR_P | TYPE_LDT);
    put_gdt(m, SEL_STACK16, 0, 0xffff, TEST_DATA & ~AR_DB);
    for (unsigned v = 0; v < 32; v++)
        put_idt(m, (uint8_t)v, SEL_CODE0, HANDLER(v), AR_P | TYPE_INT32);
    put32(m, TSS + 4, STACK0);
    put16(m, TSS + 8, SEL_DATA0);
    put16(m, TSS + 0x66, IO_MAP);

    cpu->gdtr = (struct table_register){.base = GDT, .limit = GDT_LIMIT};
    cpu->idtr = (struct table_register){.base = IDT, .limit = 0x7ff};
    cpu->cr0 = CR0_PE | CR0_ET;
    cpu->eflags = 0;
    cpu_set_cpl(cpu, cpl);
    load_segment(m, CS, cpl ? SEL_CODE3 : SEL_CODE0);
    load_segment(m, SS, data);
    load_segment(m, DS, data);
    load_segment(m, ES, data);
    load_segment(m, FS, data);
    load_segment(m, GS, data);
    cpu->tr = (struct segment){.selector = SEL_TSS, .base = TSS, .limit = TSS_LIMIT, .ar = AR_P | TYPE_TSS32_BUSY};
    cpu->ldtr = (struct segment){0};
    cpu->gpr[ESP] = cpl ? STACK3 : STACK0;
    cpu->eip = CODE;
}

static inline void enter_v86(struct machine *m, unsigned iopl)
{
    struct cpu *cpu = m->cpu;

    enter_protected(m, 3);
    cpu->eflags = EFLAGS_VM | iopl << EFLAGS_IOPL_SHIFT;
    for (unsigned i = 0; i < SREGS; i++)
        segment_load_real(cpu, i, 0);
    segment_load_real(cpu, SS, STACK3 >> 4);
    cpu->gpr[ESP] = 0x1000;
}

/* Maps the 2 MiB of RAM to themselves, all user and writable, and turns paging on. */
static inline void enable_paging(struct machine *m)
{
    for (uint32_t page = 0; page < RAM_BYTES / 4096; page++)
        put32(m, PAGE_TABLE + page * 4, page << 12 | 7);
    put32(m, PAGE_DIRECTORY, PAGE_TABLE | 7);
    m->cpu->cr3 = PAGE_DIRECTORY;
    m->cpu->cr0 |= CR0_PG;
    cpu_derive_paging(m->cpu);
}
static inline void unmap(struct machine *m, uint32_t page_address)
{
    put32(m, PAGE_TABLE + (page_address >> 12) * 4, 0);
    mmu_flush(&m->cpu->mmu);
}

/* ---- expectations ---- */

/* The handler of `vector` has been entered through its default gate, with this error code. */
static inline void assert_fault(struct machine *m, uint8_t vector, uint32_t error)
{
    assert_int_equal(m->cpu->eip, HANDLER(vector));
    assert_int_equal(m->cpu->cpl, 0);
    assert_int_equal(get32(m, m->cpu->gpr[ESP]), error);
    assert_int_equal(m->shutdowns, 0);
}
/* The same for vectors without an error code: the return EIP is on top. */
static inline void assert_trap(struct machine *m, uint8_t vector, uint32_t return_eip)
{
    assert_int_equal(m->cpu->eip, HANDLER(vector));
    assert_int_equal(get32(m, m->cpu->gpr[ESP]), return_eip);
}
/* Back to the instruction under test after a fault, at the same privilege level. */
#define AGAIN(m, cpl) enter_protected((m), (cpl))

/* ---- life ---- */

static inline int machine_create_model(void **state, const char *model)
{
    struct machine *m = calloc(1, sizeof *m);
    char error[120];

    assert_non_null(m);
    assert_true(cpu_model_parse(&m->model, model, error, sizeof error));
    decode_init();
    m->phys = phys_create(RAM_BYTES);
    assert_non_null(m->phys);
    phys_map_ram(m->phys, 0, RAM_BYTES, 0);
    m->bus = bus_create(phys_bus_memory(), m->phys);
    assert_non_null(m->bus);
    m->board = (struct cpu_board){.opaque = m,
                                  .intack = machine_intack,
                                  .ferr = machine_ferr,
                                  .poll = machine_nothing,
                                  .idle = machine_idle,
                                  .shutdown = machine_shutdown,
                                  .tsc = machine_tsc};
    m->cpu = cpu_create(m->bus, m->phys, &m->board, &m->model);
    assert_non_null(m->cpu);
    *state = m;
    return 0;
}

static inline int machine_create(void **state)
{
    return machine_create_model(state, "qemu32");
}

static inline int machine_destroy(void **state)
{
    struct machine *m = *state;

    cpu_destroy(m->cpu);
    bus_destroy(m->bus);
    phys_destroy(m->phys);
    free(m);
    return 0;
}

#define MACHINE_TEST(name) cmocka_unit_test_setup_teardown(name, machine_create, machine_destroy)

#endif
