/* A vCPU without decoder or run loop, for tests of x87 handlers: they are called one at a time. */
#ifndef TESTS_UNIT_FRONTEND_X87_FIXTURE_H
#define TESTS_UNIT_FRONTEND_X87_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "frontend/x86/code.h"
#include "frontend/x86/cpuid.h"
#include "frontend/x86/interp_x87.h"
#include "frontend/x86/simd.h"
#include "softmmu/phys.h"

#define INSN(map_, opcode_, prefix_, modrm_, name_, operands_, reads_, writes_, undef_, ends_, checks_, sensitive_,    \
             feature_, handler_, source_)                                                                              \
    extern const struct interp_handlers interp_##handler_;
#include "frontend/x86/isa_x87.def"
#undef INSN

/* Linear = physical below 4 MiB, nothing above. */
enum {
    PAGE_DIRECTORY = 0x1000,
    DATA = 0x2000,
    RAM_BYTES = 0x400000,
    MAPPED_END = RAM_BYTES,
    INSN_EIP = 0x1234,
};

struct machine {
    struct cpu cpu;
    struct phys *phys;
    struct cpu_model model;
    struct cpu_board board;
    int ferr_raised, ferr_lowered;
    bool ferr_sets_intr;
};

enum { NO_FAULT = -1 };

static inline __attribute__((noreturn)) void on_page_fault(void *opaque, lin_addr address, uint32_t error)
{
    struct cpu *cpu = opaque;

    cpu->cr2 = address;
    cpu_raise_error(cpu, VEC_PF, error);
}

static inline void on_ferr(void *opaque, bool level)
{
    struct machine *m = opaque;

    if (level)
        m->ferr_raised++;
    else
        m->ferr_lowered++;
    if (m->ferr_sets_intr)
        m->cpu.intr_line = level;
}

static inline struct segment flat_segment(uint16_t type)
{
    return (struct segment){
        .selector = 0x10,
        .ar = (uint16_t)(AR_P | AR_S | AR_DB | AR_G | type),
        .limit = 0xffffffff,
    };
}

static inline int set_up(void **state)
{
    struct machine *m = aligned_alloc(_Alignof(struct machine), sizeof *m);
    struct cpu *cpu = &m->cpu;

    memset(m, 0, sizeof *m);
    m->phys = phys_create(RAM_BYTES);
    phys_map_ram(m->phys, 0, RAM_BYTES, 0);
    mmu_init(&cpu->mmu, m->phys);
    cpu->mmu.page_fault = on_page_fault;
    cpu->mmu.opaque = cpu;
    cpu->phys = m->phys;
    memcpy(phys_ram_host(m->phys, PAGE_DIRECTORY), &(uint32_t){0x87}, 4); /* 4 MiB, present, writable, user */
    mmu_set_paging(&cpu->mmu, &(struct mmu_paging){.cr3 = PAGE_DIRECTORY, .paging = true, .pse = true, .wp = true});

    for (unsigned i = 0; i < SREGS; i++)
        cpu->seg[i] = flat_segment(AR_WRITABLE);
    cpu->seg[CS] = flat_segment(AR_CODE | AR_READABLE);
    cpu->seg[CS].selector = 0x08;
    cpu->cr0 = CR0_PE | CR0_PG | CR0_NE;
    cpu->cr4 = CR4_PSE | CR4_OSFXSR | CR4_OSXMMEXCPT;
    cpu->eflags = EFLAGS_FIXED;
    cpu->eip = INSN_EIP;
    segment_derive_all(cpu);
    m->model.isa_features = ~0u;
    m->board = (struct cpu_board){.opaque = m, .ferr = on_ferr};
    cpu->model = &m->model;
    cpu->board = &m->board;
    cpu->fpu.mxcsr = MXCSR_RESET;
    fpu_init(cpu);
    simd_enter(cpu);
    fpu_enter(cpu);
    *state = m;
    return 0;
}

static inline int tear_down(void **state)
{
    struct machine *m = *state;

    fpu_leave(&m->cpu);
    simd_leave(&m->cpu);
    phys_destroy(m->phys);
    free(m);
    return 0;
}

/* ---- running one instruction ---- */

static inline void next(struct cpu *cpu, const struct insn *in)
{
    cpu->executed++;
}

/* The vector raised, or NO_FAULT. cpu->executed counts instructions that went on to the next. */
static inline int run(struct cpu *cpu, const struct interp_handlers *handlers, struct insn in)
{
    struct insn block[2] = {in, {.fn = next}};

    cpu->insn = block;
    if (setjmp(cpu->unwind))
        return cpu->fault.vector;
    handlers->fn[WIDTH_32][in.is_mem](cpu, block);
    return NO_FAULT;
}

static inline struct insn sti(unsigned i)
{
    return (struct insn){
        .opsize32 = true, .rm = (uint8_t)i, .seg = DS, .base = GPR_NONE, .index = GPR_NONE, .addr_mask = 0xffffffff};
}
static inline struct insn memory(uint32_t address)
{
    struct insn in = sti(0);

    in.is_mem = true;
    in.disp = address;
    return in;
}
/* `name` is the handler's column of the ISA table. */
#define RUN_STI(name, i)       run(cpu, &interp_##name, sti(i))
#define RUN_MEM(name, address) run(cpu, &interp_##name, memory(address))
#define DO_STI(name, i)        assert_int_equal(RUN_STI(name, i), NO_FAULT)
#define DO_MEM(name, address)  assert_int_equal(RUN_MEM(name, address), NO_FAULT)

static inline void poke(struct cpu *cpu, uint32_t address, const void *bytes, unsigned len)
{
    memcpy(phys_ram_host(cpu->phys, address), bytes, len);
}
static inline uint8_t *peek(struct cpu *cpu, uint32_t address)
{
    return phys_ram_host(cpu->phys, address);
}
static inline uint16_t peek16(struct cpu *cpu, uint32_t address)
{
    uint16_t value;

    memcpy(&value, peek(cpu, address), 2);
    return value;
}
static inline uint32_t peek32(struct cpu *cpu, uint32_t address)
{
    uint32_t value;

    memcpy(&value, peek(cpu, address), 4);
    return value;
}
static inline uint64_t peek64(struct cpu *cpu, uint32_t address)
{
    uint64_t value;

    memcpy(&value, peek(cpu, address), 8);
    return value;
}

static inline void load_double(struct cpu *cpu, double value)
{
    poke(cpu, DATA, &value, 8);
    DO_MEM(fld_f64, DATA);
}
static inline void load_f80(struct cpu *cpu, uint64_t mantissa, uint16_t sign_exponent)
{
    poke(cpu, DATA, &mantissa, 8);
    poke(cpu, DATA + 8, &sign_exponent, 2);
    DO_MEM(fld_f80, DATA);
}
static inline void set_control(struct cpu *cpu, uint16_t control)
{
    poke(cpu, DATA, &control, 2);
    DO_MEM(fldcw, DATA);
}

static inline void check_st(struct cpu *cpu, unsigned i, uint64_t mantissa, unsigned sign_exponent)
{
    assert_false(fpu_is_empty(&cpu->fpu, i));
    assert_int_equal(fpu_st(&cpu->fpu, i)->mantissa, mantissa);
    assert_int_equal(fpu_st(&cpu->fpu, i)->sign_exponent, sign_exponent);
}
static inline void check_indefinite(struct cpu *cpu, unsigned i)
{
    check_st(cpu, i, F80_INDEFINITE_MANTISSA, F80_INDEFINITE_EXPONENT);
}

enum {
    ONE_EXPONENT = 0x3fff,
    UNMASKED = FPU_CW_INIT & ~FPU_CW_MASKS,
    PENDING = FPU_SW_ES | FPU_SW_B,
};
#define ONE F80_ONE_MANTISSA

static inline struct cpu *cpu_of(void **state)
{
    return &((struct machine *)*state)->cpu;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
