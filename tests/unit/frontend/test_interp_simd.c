/*
 * MMX and SSE handlers: what the host's instructions do not decide. Order of checks, alignment, transition to MMX,
 * MXCSR and unmasked exceptions. Expected flags of unmasked exceptions are those that a processor shows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "frontend/x86/interp_simd.h"
#include "softmmu/phys.h"

#define INSN(map_, opcode_, prefix_, modrm_, name_, operands_, reads_, writes_, undef_, ends_, checks_, sensitive_,    \
             feature_, handler_, source_)                                                                              \
    extern const struct interp_handlers interp_##handler_;
#include "frontend/x86/isa_simd.def"
#undef INSN

/* Linear = physical below 4 MiB, nothing above. */
enum {
    PAGE_DIRECTORY = 0x1000,
    DATA = 0x2000,
    RAM_BYTES = 0x400000,
    MAPPED_END = RAM_BYTES,
};

struct machine {
    struct cpu cpu;
    struct phys *phys;
};

enum { NO_FAULT = -1 };

static __attribute__((noreturn)) void on_page_fault(void *opaque, lin_addr address, uint32_t error)
{
    struct cpu *cpu = opaque;

    cpu->cr2 = address;
    cpu_raise_error(cpu, VEC_PF, error);
}

static struct segment flat_segment(uint16_t type)
{
    return (struct segment){
        .selector = 0x10,
        .ar = (uint16_t)(AR_P | AR_S | AR_DB | AR_G | type),
        .limit = 0xffffffff,
    };
}

static int set_up(void **state)
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
    cpu->cr0 = CR0_PE | CR0_PG | CR0_NE;
    cpu->cr4 = CR4_PSE | CR4_OSFXSR | CR4_OSXMMEXCPT;
    cpu->eflags = EFLAGS_FIXED;
    segment_derive_all(cpu);
    cpu->fpu.control = FPU_CW_INIT;
    cpu->fpu.empty = 0xff;
    cpu->fpu.mxcsr = MXCSR_RESET;
    simd_enter(cpu);
    *state = m;
    return 0;
}

static int tear_down(void **state)
{
    struct machine *m = *state;

    simd_leave(&m->cpu);
    phys_destroy(m->phys);
    free(m);
    return 0;
}

/* ---- running one instruction ---- */

static void stop(struct cpu *cpu, const struct insn *in) {}

/* The vector raised, or NO_FAULT. */
static int run(struct cpu *cpu, const struct interp_handlers *handlers, struct insn in)
{
    struct insn block[2] = {in, {.fn = stop}};

    cpu->insn = block;
    if (setjmp(cpu->unwind))
        return cpu->fault.vector;
    handlers->fn[WIDTH_32][in.is_mem](cpu, block);
    return NO_FAULT;
}

static struct insn registers(unsigned reg, unsigned rm)
{
    return (struct insn){.reg = (uint8_t)reg,
                         .rm = (uint8_t)rm,
                         .seg = DS,
                         .base = GPR_NONE,
                         .index = GPR_NONE,
                         .addr_mask = 0xffffffff};
}
static struct insn memory(unsigned reg, uint32_t address)
{
    struct insn in = registers(reg, 0);

    in.is_mem = 1;
    in.disp = address;
    return in;
}
static struct insn with_imm(struct insn in, uint32_t imm)
{
    in.imm = imm;
    return in;
}

static uint8_t *ram(struct machine *m, uint32_t address)
{
    return phys_ram_host(m->phys, address);
}
static void set_xmm32(struct cpu *cpu, unsigned n, uint32_t d0, uint32_t d1, uint32_t d2, uint32_t d3)
{
    cpu->fpu.xmm[n] = (union xmm){.d = {d0, d1, d2, d3}};
}
static void assert_xmm32(const struct cpu *cpu, unsigned n, uint32_t d0, uint32_t d1, uint32_t d2, uint32_t d3)
{
    assert_int_equal(cpu->fpu.xmm[n].d[0], d0);
    assert_int_equal(cpu->fpu.xmm[n].d[1], d1);
    assert_int_equal(cpu->fpu.xmm[n].d[2], d2);
    assert_int_equal(cpu->fpu.xmm[n].d[3], d3);
}
static uint32_t folded_mxcsr(struct cpu *cpu)
{
    simd_fold_mxcsr(cpu);
    return cpu->fpu.mxcsr;
}
static void load_mxcsr(struct cpu *cpu, uint32_t value)
{
    cpu->fpu.mxcsr = value;
    simd_load_mxcsr(cpu);
}

/* ---- the rows ---- */

struct row {
    const char *name;
    unsigned modrm_kind, checks;
    const struct interp_handlers *handlers;
};

#define NO_MODRM   MODRM_NONE
#define RM         MODRM_RM
#define RM_MEM     MODRM_RM_MEM
#define RM_REG     MODRM_RM_REG
#define EXT_MEM(n) MODRM_EXT_MEM
#define EXT_REG(n) MODRM_EXT_REG
#define INSN(map_, opcode_, prefix_, modrm_, name_, operands_, reads_, writes_, undef_, ends_, checks_, sensitive_,    \
             feature_, handler_, source_)                                                                              \
    {#name_, modrm_, checks_, &interp_##handler_},
static const struct row rows[] = {
#include "frontend/x86/isa_simd.def"
};
#undef INSN

static bool row_has_form(const struct row *row, bool is_mem)
{
    if (row->modrm_kind == MODRM_RM)
        return true;
    return (row->modrm_kind == MODRM_RM_MEM || row->modrm_kind == MODRM_EXT_MEM) == is_mem;
}

/* Runs each form of each row, memory operands at `address`, and compares with the vector that `expected` tells. */
static void check_rows(struct cpu *cpu, uint32_t address, int (*expected)(const struct row *row, bool is_mem))
{
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (unsigned is_mem = 0; is_mem < 2; is_mem++) {
            int vector;

            if (!row_has_form(&rows[i], is_mem))
                continue;
            assert_non_null(rows[i].handlers->fn[WIDTH_32][is_mem]);
            cpu->fpu.xmm[1] = cpu->fpu.xmm[2] = (union xmm){0};
            cpu->gpr[EDI] = DATA; /* MASKMOVQ */
            vector = run(cpu, rows[i].handlers, is_mem ? memory(1, address) : registers(1, 2));
            if (vector != expected(&rows[i], is_mem))
                print_error("%s, %s form\n", rows[i].name, is_mem ? "memory" : "register");
            assert_int_equal(vector, expected(&rows[i], is_mem));
        }
    }
}

static int expect_nothing(const struct row *row, bool is_mem)
{
    return NO_FAULT;
}
static int expect_ud_if_fp_state(const struct row *row, bool is_mem)
{
    return row->checks & (SSE_NM | MMX_NM) ? VEC_UD : NO_FAULT;
}
static int expect_nm_if_fp_state(const struct row *row, bool is_mem)
{
    return row->checks & (SSE_NM | MMX_NM) ? VEC_NM : NO_FAULT;
}
static int expect_ud_if_sse(const struct row *row, bool is_mem)
{
    return row->checks & SSE_NM ? VEC_UD : NO_FAULT;
}
static int expect_mf_if_mmx(const struct row *row, bool is_mem)
{
    return row->checks & MMX_NM ? VEC_MF : NO_FAULT;
}
static int expect_gp_if_aligned(const struct row *row, bool is_mem)
{
    return is_mem && row->checks & ALIGN16 ? VEC_GP : NO_FAULT;
}

static void every_form_runs_when_nothing_forbids_it(void **state)
{
    struct machine *m = *state;

    check_rows(&m->cpu, DATA, expect_nothing);
}

static void every_row_raises_ud_under_em_as_its_checks_say(void **state)
{
    struct machine *m = *state;

    m->cpu.cr0 |= CR0_EM | CR0_TS; /* EM is looked at first */
    m->cpu.fpu.status |= FPU_SW_ES;
    check_rows(&m->cpu, DATA, expect_ud_if_fp_state);
}

static void every_row_raises_nm_under_ts_as_its_checks_say(void **state)
{
    struct machine *m = *state;

    m->cpu.cr0 |= CR0_TS;
    m->cpu.fpu.status |= FPU_SW_ES;
    check_rows(&m->cpu, DATA, expect_nm_if_fp_state);
}

static void every_sse_row_needs_osfxsr(void **state)
{
    struct machine *m = *state;

    m->cpu.cr4 &= ~(uint32_t)CR4_OSFXSR;
    check_rows(&m->cpu, DATA, expect_ud_if_sse);
}

static void every_mmx_row_reports_the_pending_x87_exception(void **state)
{
    struct machine *m = *state;

    m->cpu.fpu.status |= FPU_SW_ES;
    check_rows(&m->cpu, DATA, expect_mf_if_mmx);
}

static void every_aligned_row_refuses_a_misaligned_operand(void **state)
{
    struct machine *m = *state;

    check_rows(&m->cpu, DATA + 4, expect_gp_if_aligned);
}

static void sse_without_osfxsr_is_ud_even_under_ts(void **state)
{
    struct machine *m = *state;

    m->cpu.cr0 |= CR0_TS;
    m->cpu.cr4 &= ~(uint32_t)CR4_OSFXSR;
    assert_int_equal(run(&m->cpu, &interp_sse_addps, registers(0, 1)), VEC_UD);
}

static void pending_x87_exception_comes_before_the_page_fault(void **state)
{
    struct machine *m = *state;

    m->cpu.fpu.status |= FPU_SW_ES;
    assert_int_equal(run(&m->cpu, &interp_mmx_paddb, memory(0, MAPPED_END)), VEC_MF);
}

/* ---- memory operands ---- */

static void misalignment_comes_before_the_page_fault(void **state)
{
    struct machine *m = *state;

    assert_int_equal(run(&m->cpu, &interp_sse_addps, memory(0, MAPPED_END + 8)), VEC_GP);
    assert_int_equal(m->cpu.fault.error, 0);
    assert_int_equal(run(&m->cpu, &interp_sse_addps, memory(0, MAPPED_END)), VEC_PF);
    assert_int_equal(m->cpu.cr2, MAPPED_END);
}

static void misalignment_comes_before_the_segment_limit(void **state)
{
    struct machine *m = *state;
    struct insn in = memory(0, DATA + 8);

    in.seg = SS;
    assert_int_equal(run(&m->cpu, &interp_sse_addps, in), VEC_GP);
    m->cpu.seg[SS].limit = DATA + 8 + 14;
    segment_derive(&m->cpu, SS);
    assert_int_equal(run(&m->cpu, &interp_sse_addps, in), VEC_GP);
    in.disp = DATA;
    m->cpu.seg[SS].limit = DATA + 14;
    segment_derive(&m->cpu, SS);
    assert_int_equal(run(&m->cpu, &interp_sse_addps, in), VEC_SS);
}

static void misaligned_operand_is_gp_not_ac_when_alignment_is_checked(void **state)
{
    struct machine *m = *state;

    m->cpu.cr0 |= CR0_AM;
    m->cpu.eflags |= EFLAGS_AC;
    m->cpu.cpl = 3;
    m->cpu.view = MMU_USER;
    segment_derive_all(&m->cpu);
    assert_int_equal(run(&m->cpu, &interp_sse_mova_load, memory(0, DATA + 2)), VEC_GP);
    assert_int_equal(run(&m->cpu, &interp_sse_mova_store, memory(0, DATA + 2)), VEC_GP);
    assert_int_equal(run(&m->cpu, &interp_mmx_movq_load, memory(0, DATA + 2)), VEC_AC);
    assert_int_equal(run(&m->cpu, &interp_sse_mova_load, memory(0, DATA)), NO_FAULT);
}

static void alignment_is_that_of_the_linear_address(void **state)
{
    struct machine *m = *state;

    m->cpu.seg[DS].base = 8;
    assert_int_equal(run(&m->cpu, &interp_sse_mova_load, memory(0, DATA + 8)), NO_FAULT);
    assert_int_equal(run(&m->cpu, &interp_sse_mova_load, memory(0, DATA)), VEC_GP);
}

static void unaligned_moves_cross_pages(void **state)
{
    struct machine *m = *state;

    for (unsigned i = 0; i < 16; i++)
        *ram(m, 0x3000 - 7 + i) = (uint8_t)(i + 1);
    assert_int_equal(run(&m->cpu, &interp_sse_movu_load, memory(3, 0x3000 - 7)), NO_FAULT);
    assert_xmm32(&m->cpu, 3, 0x04030201, 0x08070605, 0x0c0b0a09, 0x100f0e0d);
    assert_int_equal(run(&m->cpu, &interp_sse_movu_store, memory(3, 0x5000 - 3)), NO_FAULT);
    assert_memory_equal(ram(m, 0x5000 - 3), ram(m, 0x3000 - 7), 16);
}

static void store_into_a_missing_page_changes_nothing(void **state)
{
    struct machine *m = *state;

    set_xmm32(&m->cpu, 0, 1, 2, 3, 4);
    assert_int_equal(run(&m->cpu, &interp_sse_movu_store, memory(0, MAPPED_END - 12)), VEC_PF);
    assert_int_equal(m->cpu.cr2, MAPPED_END);
    assert_memory_equal(ram(m, MAPPED_END - 12), "\0\0\0\0\0\0\0\0\0\0\0", 12);
    assert_int_equal(run(&m->cpu, &interp_sse_movu_load, memory(0, MAPPED_END - 4)), VEC_PF);
    assert_xmm32(&m->cpu, 0, 1, 2, 3, 4);
}

static void masked_store_writes_selected_bytes_through_the_given_segment(void **state)
{
    struct machine *m = *state;
    struct insn in = registers(1, 2);

    memset(ram(m, DATA), 0xee, 32);
    set_xmm32(&m->cpu, 1, 0x04030201, 0x08070605, 0x0c0b0a09, 0x100f0e0d);
    set_xmm32(&m->cpu, 2, 0x80007fff, 0, 0, 0x80000000);
    m->cpu.gpr[EDI] = DATA - 0x100;
    m->cpu.seg[ES].base = 0x101;
    in.seg = ES;
    assert_int_equal(run(&m->cpu, &interp_sse_maskmovdqu, in), NO_FAULT);
    assert_memory_equal(ram(m, DATA), "\xee\x01\xee\xee\x04\xee\xee\xee\xee\xee\xee\xee\xee\xee\xee\xee\x10\xee", 18);
}

static void masked_store_wraps_edi_to_the_address_size(void **state)
{
    struct machine *m = *state;
    struct insn in = registers(1, 2);

    m->cpu.fpu.reg[1].mantissa = 0x55;
    m->cpu.fpu.reg[2].mantissa = 0x80;
    m->cpu.gpr[EDI] = 0x770000 + DATA;
    in.addr_mask = 0xffff;
    assert_int_equal(run(&m->cpu, &interp_mmx_maskmovq, in), NO_FAULT);
    assert_int_equal(*ram(m, DATA), 0x55);
}

static void masked_store_that_faults_stores_nothing(void **state)
{
    struct machine *m = *state;

    m->cpu.seg[DS].limit = DATA + 7;
    segment_derive(&m->cpu, DS);
    *ram(m, DATA) = 0xee;
    set_xmm32(&m->cpu, 2, 0x80, 0, 0x80, 0);
    m->cpu.gpr[EDI] = DATA;
    assert_int_equal(run(&m->cpu, &interp_sse_maskmovdqu, registers(1, 2)), VEC_GP);
    assert_int_equal(*ram(m, DATA), 0xee);
    set_xmm32(&m->cpu, 2, 0x80, 0x7f, 0, 0); /* bytes that are not selected count */
    assert_int_equal(run(&m->cpu, &interp_sse_maskmovdqu, registers(1, 2)), VEC_GP);
    assert_int_equal(*ram(m, DATA), 0xee);
}

static void clflush_checks_its_address_like_a_load(void **state)
{
    struct machine *m = *state;

    assert_int_equal(run(&m->cpu, &interp_sse_clflush, memory(0, MAPPED_END)), VEC_PF);
    assert_int_equal(m->cpu.fault.error & PF_WRITE, 0);
    assert_int_equal(run(&m->cpu, &interp_sse_nothing, memory(0, MAPPED_END)), NO_FAULT); /* PREFETCHh */
}

/* ---- MMX and the x87 state ---- */

static void mmx_write_makes_the_transition(void **state)
{
    struct machine *m = *state;
    struct fpu *fpu = &m->cpu.fpu;

    fpu->top = 5;
    fpu->reg[3].sign_exponent = fpu->reg[4].sign_exponent = 0x3fff;
    fpu->reg[3].mantissa = 0x0102030405060708;
    fpu->reg[4].mantissa = 0x1010101010101010;
    assert_int_equal(run(&m->cpu, &interp_mmx_paddb, registers(3, 4)), NO_FAULT);
    assert_true(fpu->reg[3].mantissa == 0x1112131415161718);
    assert_int_equal(fpu->reg[3].sign_exponent, 0xffff);
    assert_int_equal(fpu->reg[4].sign_exponent, 0x3fff);
    assert_int_equal(fpu->top, 0);
    assert_int_equal(fpu->empty, 0);
}

static void mmx_read_makes_the_transition_but_keeps_exponents(void **state)
{
    struct machine *m = *state;
    static const struct interp_handlers *const readers[] = {&interp_mmx_movd_store, &interp_mmx_pmovmskb,
                                                            &interp_mmx_pextrw,     &interp_sse_movq2dq,
                                                            &interp_sse_cvtpi2ps,   &interp_sse_cvtpi2pd};

    for (unsigned i = 0; i < sizeof readers / sizeof readers[0]; i++) {
        m->cpu.fpu.top = 3;
        m->cpu.fpu.empty = 0xff;
        assert_int_equal(run(&m->cpu, readers[i], registers(1, 1)), NO_FAULT);
        assert_int_equal(m->cpu.fpu.top, 0);
        assert_int_equal(m->cpu.fpu.empty, 0);
        assert_int_equal(m->cpu.fpu.reg[1].sign_exponent, 0);
    }
}

static void emms_empties_all_registers(void **state)
{
    struct machine *m = *state;

    m->cpu.fpu.top = 3;
    m->cpu.fpu.empty = 0;
    assert_int_equal(run(&m->cpu, &interp_mmx_emms, registers(0, 0)), NO_FAULT);
    assert_int_equal(m->cpu.fpu.empty, 0xff);
    assert_int_equal(m->cpu.fpu.top, 0);
}

static void faulting_mmx_instruction_leaves_the_x87_state_alone(void **state)
{
    struct machine *m = *state;

    m->cpu.fpu.top = 5;
    assert_int_equal(run(&m->cpu, &interp_mmx_paddb, memory(0, MAPPED_END)), VEC_PF);
    assert_int_equal(run(&m->cpu, &interp_mmx_movq_store, memory(0, MAPPED_END)), VEC_PF);
    assert_int_equal(m->cpu.fpu.top, 5);
    assert_int_equal(m->cpu.fpu.empty, 0xff);
}

static void cvtpi2pd_from_memory_is_no_mmx_instruction(void **state)
{
    struct machine *m = *state;

    m->cpu.fpu.top = 5;
    m->cpu.fpu.status |= FPU_SW_ES;
    memcpy(ram(m, DATA), (uint32_t[]){3, 0xfffffffe}, 8);
    assert_int_equal(run(&m->cpu, &interp_sse_cvtpi2pd, memory(0, DATA)), NO_FAULT);
    assert_int_equal(m->cpu.fpu.top, 5);
    assert_true(m->cpu.fpu.xmm[0].q[0] == 0x4008000000000000 && m->cpu.fpu.xmm[0].q[1] == 0xc000000000000000);
}

/* ---- operations whose shape is ours ---- */

static void scalar_loads_clear_and_scalar_moves_keep_the_rest(void **state)
{
    struct machine *m = *state;
    struct cpu *cpu = &m->cpu;

    memset(ram(m, DATA), 0x77, 16);
    set_xmm32(cpu, 1, 1, 2, 3, 4);
    set_xmm32(cpu, 2, 5, 6, 7, 8);
    run(cpu, &interp_sse_movss_load, registers(1, 2));
    assert_xmm32(cpu, 1, 5, 2, 3, 4);
    run(cpu, &interp_sse_movsd_store, registers(2, 1));
    assert_xmm32(cpu, 1, 5, 6, 3, 4);
    run(cpu, &interp_sse_movss_load, memory(1, DATA));
    assert_xmm32(cpu, 1, 0x77777777, 0, 0, 0);
    set_xmm32(cpu, 1, 1, 2, 3, 4);
    run(cpu, &interp_sse_movq_store, registers(2, 1));
    assert_xmm32(cpu, 1, 5, 6, 0, 0);
    run(cpu, &interp_sse_movhp_load, memory(1, DATA));
    assert_xmm32(cpu, 1, 5, 6, 0x77777777, 0x77777777);
    run(cpu, &interp_sse_movhlps, registers(2, 1));
    assert_xmm32(cpu, 2, 0x77777777, 0x77777777, 7, 8);
}

static void immediates_steer_shuffles_and_shifts(void **state)
{
    struct machine *m = *state;
    struct cpu *cpu = &m->cpu;

    set_xmm32(cpu, 1, 1, 2, 3, 4);
    set_xmm32(cpu, 2, 5, 6, 7, 8);
    run(cpu, &interp_sse_shufps, with_imm(registers(1, 2), 0x1b));
    assert_xmm32(cpu, 1, 4, 3, 6, 5);
    run(cpu, &interp_sse_pshufd, with_imm(registers(1, 2), 0x39));
    assert_xmm32(cpu, 1, 6, 7, 8, 5);
    run(cpu, &interp_sse_shufpd, with_imm(registers(1, 2), 1));
    assert_xmm32(cpu, 1, 8, 5, 5, 6);
    set_xmm32(cpu, 2, 0x00020001, 0x00040003, 0x00060005, 0x00080007);
    run(cpu, &interp_sse_pshuflw, with_imm(registers(1, 2), 0x1b));
    assert_xmm32(cpu, 1, 0x00030004, 0x00010002, 0x00060005, 0x00080007);
    run(cpu, &interp_sse_pshufhw, with_imm(registers(1, 2), 0x1b));
    assert_xmm32(cpu, 1, 0x00020001, 0x00040003, 0x00070008, 0x00050006);
    run(cpu, &interp_sse_psrldq, with_imm(registers(3, 1), 6));
    assert_xmm32(cpu, 1, 0x00080004, 0x00060007, 0x00000005, 0);
    run(cpu, &interp_sse_pslldq, with_imm(registers(7, 1), 15));
    assert_xmm32(cpu, 1, 0, 0, 0, 0x04000000);
    run(cpu, &interp_sse_pslldq, with_imm(registers(7, 1), 16));
    assert_xmm32(cpu, 1, 0, 0, 0, 0);
    set_xmm32(cpu, 1, 1, 2, 3, 4);
    run(cpu, &interp_sse_psrldq, with_imm(registers(3, 1), 255));
    assert_xmm32(cpu, 1, 0, 0, 0, 0);
}

static void compare_sets_zf_pf_cf_and_clears_the_others(void **state)
{
    struct machine *m = *state;
    struct cpu *cpu = &m->cpu;
    static const struct {
        uint32_t a, b, flags;
    } cases[] = {
        {0x40000000, 0x3f800000, 0},
        {0x3f800000, 0x40000000, EFLAGS_CF},
        {0x3f800000, 0x3f800000, EFLAGS_ZF},
        {0x3f800000, 0x7fc00000, EFLAGS_ZF | EFLAGS_PF | EFLAGS_CF},
    };

    for (unsigned i = 0; i < 4; i++) {
        cpu->flag_zero = 0;
        cpu->flag_sign = 0x80000001;
        cpu->flag_carry = FLAG_CARRY_CF | FLAG_CARRY_AF;
        set_xmm32(cpu, 1, cases[i].a, 0, 0, 0);
        set_xmm32(cpu, 2, cases[i].b, 0, 0, 0);
        assert_int_equal(run(cpu, &interp_sse_ucomiss, registers(1, 2)), NO_FAULT);
        assert_int_equal(flag_zf(cpu), !!(cases[i].flags & EFLAGS_ZF));
        assert_int_equal(flag_pf(cpu), !!(cases[i].flags & EFLAGS_PF));
        assert_int_equal(flag_cf(cpu), !!(cases[i].flags & EFLAGS_CF));
        assert_false(flag_of(cpu) || flag_sf(cpu) || flag_af(cpu));
    }
    assert_int_equal(folded_mxcsr(cpu) & MXCSR_FLAGS, 0); /* a quiet NaN is no exception to UCOMISS */
    assert_int_equal(run(cpu, &interp_sse_comiss, registers(1, 2)), NO_FAULT);
    assert_int_equal(folded_mxcsr(cpu) & MXCSR_FLAGS, MXCSR_IE);
}

static void of_two_nans_the_destination_survives(void **state)
{
    struct machine *m = *state;

    set_xmm32(&m->cpu, 1, 0x7fc00001, 0x3f800000, 0xff800001, 0);
    set_xmm32(&m->cpu, 2, 0x7fc00002, 0x7fc00003, 0x7fc00004, 0);
    run(&m->cpu, &interp_sse_addps, registers(1, 2));
    assert_xmm32(&m->cpu, 1, 0x7fc00001, 0x7fc00003, 0xffc00001, 0);
}

static void compare_ignores_the_high_bits_of_its_predicate(void **state)
{
    struct machine *m = *state;

    set_xmm32(&m->cpu, 1, 0x3f800000, 0x3f800000, 0x7fc00000, 0);
    set_xmm32(&m->cpu, 2, 0x3f800000, 0x40000000, 0x7fc00000, 0);
    run(&m->cpu, &interp_sse_cmpps, with_imm(registers(1, 2), 0xf9)); /* less than */
    assert_xmm32(&m->cpu, 1, 0, 0xffffffff, 0, 0);
}

/* ---- MXCSR ---- */

static void reserved_mxcsr_bits_are_gp_and_change_nothing(void **state)
{
    struct machine *m = *state;

    memcpy(ram(m, DATA), &(uint32_t){0x11f80}, 4);
    assert_int_equal(run(&m->cpu, &interp_sse_ldmxcsr, memory(0, DATA)), VEC_GP);
    assert_int_equal(m->cpu.fault.error, 0);
    assert_int_equal(m->cpu.fpu.mxcsr, MXCSR_RESET);
    memcpy(ram(m, DATA), &(uint32_t){0xffff}, 4);
    assert_int_equal(run(&m->cpu, &interp_sse_ldmxcsr, memory(0, DATA)), NO_FAULT);
    assert_int_equal(m->cpu.fpu.mxcsr, 0xffff);
}

static void stmxcsr_shows_the_flags_that_arithmetic_raised(void **state)
{
    struct machine *m = *state;
    uint32_t stored;

    set_xmm32(&m->cpu, 1, 0x3f800000, 0, 0, 0);
    set_xmm32(&m->cpu, 2, 0x40400000, 0, 0, 0);
    run(&m->cpu, &interp_sse_divss, registers(1, 2));
    assert_int_equal(run(&m->cpu, &interp_sse_stmxcsr, memory(0, DATA)), NO_FAULT);
    memcpy(&stored, ram(m, DATA), 4);
    assert_int_equal(stored, MXCSR_RESET | MXCSR_PE);
    memcpy(ram(m, DATA), &(uint32_t){MXCSR_RESET}, 4);
    run(&m->cpu, &interp_sse_ldmxcsr, memory(0, DATA)); /* and LDMXCSR takes them back */
    assert_int_equal(folded_mxcsr(&m->cpu), MXCSR_RESET);
}

static void rounding_daz_and_ftz_are_the_guests(void **state)
{
    struct machine *m = *state;
    struct cpu *cpu = &m->cpu;

    load_mxcsr(cpu, MXCSR_RESET | 2 << 13); /* up */
    set_xmm32(cpu, 1, 0x3f800000, 0, 0, 0);
    set_xmm32(cpu, 2, 0x40400000, 0, 0, 0);
    run(cpu, &interp_sse_divss, registers(1, 2));
    assert_int_equal(cpu->fpu.xmm[1].d[0], 0x3eaaaaab);
    load_mxcsr(cpu, MXCSR_RESET | 3 << 13); /* towards zero */
    set_xmm32(cpu, 1, 0x3f800000, 0, 0, 0);
    run(cpu, &interp_sse_divss, registers(1, 2));
    assert_int_equal(cpu->fpu.xmm[1].d[0], 0x3eaaaaaa);
    load_mxcsr(cpu, MXCSR_RESET | MXCSR_DAZ);
    set_xmm32(cpu, 1, 0x00000001, 0, 0, 0);
    run(cpu, &interp_sse_addss, registers(1, 1));
    assert_int_equal(cpu->fpu.xmm[1].d[0], 0);
    assert_int_equal(folded_mxcsr(cpu) & MXCSR_FLAGS, 0);
}

static void leaving_gives_the_host_its_mxcsr_back(void **state)
{
    struct machine *m = *state;

    load_mxcsr(&m->cpu, MXCSR_RESET | MXCSR_RC | MXCSR_FTZ);
    assert_int_equal(_mm_getcsr(), MXCSR_RESET | MXCSR_RC | MXCSR_FTZ);
    simd_leave(&m->cpu);
    assert_int_equal(_mm_getcsr(), MXCSR_RESET);
    simd_enter(&m->cpu);
}

/* ---- unmasked exceptions ---- */

enum {
    I = MXCSR_IE,
    D = MXCSR_DE,
    Z = MXCSR_ZE,
    O = MXCSR_OE,
    U = MXCSR_UE,
    P = MXCSR_PE,
};

#define MAX      0x7f7fffffu /* largest single */
#define MIN      0x00800000u /* smallest normal single */
#define DENORMAL 0x00012345u
#define SNAN     0x7f800001u
#define QNAN     0x7fc00001u
#define ONE      0x3f800000u
#define TWO      0x40000000u
#define THREE    0x40400000u
#define HALF     0x3f000000u

struct unmasked_case {
    const struct interp_handlers *handlers;
    uint32_t a[4], b[4];
    uint32_t unmasked, control; /* control: further MXCSR bits */
    bool raises;
    uint32_t flags;
};

static const struct unmasked_case unmasked_cases[] = {
    /* inexact beside overflow and underflow: as if the exponent had no bounds */
    {&interp_sse_addss, {MAX}, {MAX}, O, 0, true, O},
    {&interp_sse_addss, {MAX}, {0x7ec89cf8}, O, 0, true, O | P},
    {&interp_sse_subss, {MAX}, {MAX | 0x80000000}, O, 0, true, O},
    {&interp_sse_subss, {MAX}, {0xfec89cf8}, O, 0, true, O | P},
    {&interp_sse_mulss, {MAX}, {TWO}, O, 0, true, O},
    {&interp_sse_mulss, {MAX}, {0x40533333}, O, 0, true, O | P},
    {&interp_sse_mulss, {MAX}, {TWO}, P, 0, true, O | P},
    {&interp_sse_mulss, {MAX}, {TWO}, O | P, 0, true, O},
    {&interp_sse_divss, {MAX}, {HALF}, O, 0, true, O},
    {&interp_sse_divss, {MIN}, {THREE}, U, 0, true, U | P},
    {&interp_sse_divss, {MIN + 1}, {TWO}, U, 0, true, U},
    {&interp_sse_mulss, {MIN + 1}, {HALF}, U, 0, true, U},
    {&interp_sse_mulss, {MIN + 1}, {HALF}, U | P, 0, true, U},
    {&interp_sse_mulss, {MIN + 1}, {HALF}, P, 0, true, U | P},
    {&interp_sse_mulss, {MIN + 1}, {0x3e99999a}, U, 0, true, U | P},
    /* unmasked underflow: tiny is enough */
    {&interp_sse_mulss, {MIN}, {HALF}, U, 0, true, U},
    {&interp_sse_mulss, {MIN}, {HALF}, P, 0, false, 0},
    {&interp_sse_addss, {DENORMAL}, {DENORMAL}, U, 0, true, D | U},
    {&interp_sse_subss, {DENORMAL}, {DENORMAL}, U, 0, false, D},
    {&interp_sse_mulss, {DENORMAL}, {DENORMAL}, U, 0, true, D | U | P},
    /* FTZ counts while underflow is masked */
    {&interp_sse_mulss, {MIN}, {HALF}, P, MXCSR_FTZ, true, U | P},
    {&interp_sse_mulss, {MIN}, {HALF}, U, MXCSR_FTZ, true, U},
    /* unmasked pre-computation exceptions keep post-computation flags away */
    {&interp_sse_divps, {0, ONE, ONE, ONE}, {0, THREE, ONE, ONE}, I, 0, true, I},
    {&interp_sse_divps, {0, ONE, ONE, ONE}, {0, 0, THREE, ONE}, Z, 0, true, I | Z},
    {&interp_sse_divps, {0, ONE, ONE, ONE}, {0, 0, THREE, ONE}, P, 0, true, I | Z | P},
    {&interp_sse_divps, {0, ONE, ONE, DENORMAL}, {0, 0, THREE, ONE}, D, 0, true, I | D | Z},
    {&interp_sse_divps, {0, ONE, ONE, DENORMAL}, {0, 0, THREE, ONE}, U, 0, true, I | D | Z | U | P},
    {&interp_sse_mulss, {DENORMAL}, {DENORMAL}, D, 0, true, D},
    /* within one element: zero divide and NaNs hide the denormal */
    {&interp_sse_divss, {DENORMAL}, {0}, D, 0, false, Z},
    {&interp_sse_addss, {SNAN}, {DENORMAL}, D, 0, false, I},
    {&interp_sse_addss, {QNAN}, {DENORMAL}, D, 0, false, 0},
    {&interp_sse_addss, {DENORMAL}, {ONE}, D, MXCSR_DAZ, false, 0},
    /* several elements */
    {&interp_sse_mulps, {MAX, MIN + 1}, {TWO, HALF}, O, 0, true, O | U | P},
    {&interp_sse_mulps, {MAX, MIN}, {TWO, HALF}, O, 0, true, O},
    {&interp_sse_mulps, {MAX, MIN}, {TWO, HALF}, U, 0, true, O | U | P},
    {&interp_sse_mulps, {MAX, MIN}, {TWO, HALF}, P, 0, true, O | P},
    {&interp_sse_mulps, {MAX, SNAN}, {TWO, HALF}, O, 0, true, I | O},
    /* doubles: max * 2, 2^-1022 / 3 */
    {&interp_sse_mulpd, {~0u, 0x7fefffff}, {0, 0x40000000}, O, 0, true, O},
    {&interp_sse_divpd, {0, 0x00100000, 0, 0}, {0, 0x40080000, 0, 0x3ff00000}, U, 0, true, U | P},
    /* narrowing 2^300; 1.0000001p-127 with and without bits to spare */
    {&interp_sse_cvtpd2ps, {0}, {0, 0x52b00000}, O, 0, true, O},
    {&interp_sse_cvtsd2ss, {0}, {0, 0x3800000f}, U, 0, true, U},
    {&interp_sse_cvtsd2ss, {0}, {1, 0x38000000}, U, 0, true, U | P},
    /* others */
    {&interp_sse_sqrtss, {0}, {ONE | 0x80000000}, I, 0, true, I},
    {&interp_sse_maxps, {ONE, QNAN}, {ONE, ONE}, I, 0, true, I},
    {&interp_sse_cvtps2dq, {0}, {0x60000000, HALF}, I, 0, true, I},
    {&interp_sse_cvtps2dq, {0}, {0x60000000, HALF}, P, 0, true, I | P},
    {&interp_sse_cmpps, {SNAN}, {ONE}, I, 0, true, I},
    {&interp_sse_ucomiss, {QNAN}, {ONE}, I, 0, false, 0},
    {&interp_sse_comiss, {QNAN}, {ONE}, I, 0, true, I},
    {&interp_sse_cvttps2pi, {0}, {HALF}, P, 0, true, P},
    {&interp_sse_cvtsd2si, {0}, {0, 0x3fe00000}, P, 0, true, P},
};

static void unmasked_exceptions_are_raised_with_the_processors_flags(void **state)
{
    struct machine *m = *state;
    struct cpu *cpu = &m->cpu;

    for (unsigned i = 0; i < sizeof unmasked_cases / sizeof unmasked_cases[0]; i++) {
        const struct unmasked_case *c = &unmasked_cases[i];
        uint32_t mxcsr = (MXCSR_RESET & ~(c->unmasked << MXCSR_MASK_SHIFT)) | c->control;
        int vector;

        memcpy(cpu->fpu.xmm[1].d, c->a, 16);
        memcpy(cpu->fpu.xmm[2].d, c->b, 16);
        cpu->gpr[1] = 0x1234;
        load_mxcsr(cpu, mxcsr);
        vector = run(cpu, c->handlers, registers(1, 2));
        if (vector != (c->raises ? VEC_XM : NO_FAULT) || folded_mxcsr(cpu) != (mxcsr | c->flags))
            print_error("case %u\n", i);
        assert_int_equal(vector, c->raises ? VEC_XM : NO_FAULT);
        assert_int_equal(folded_mxcsr(cpu), mxcsr | c->flags);
        if (c->raises) {
            assert_memory_equal(cpu->fpu.xmm[1].d, c->a, 16);
            assert_int_equal(cpu->gpr[1], 0x1234);
        }
    }
}

static void unmasked_exception_without_osxmmexcpt_is_ud(void **state)
{
    struct machine *m = *state;

    m->cpu.cr4 &= ~(uint32_t)CR4_OSXMMEXCPT;
    load_mxcsr(&m->cpu, MXCSR_RESET & ~(uint32_t)(I << MXCSR_MASK_SHIFT));
    assert_int_equal(run(&m->cpu, &interp_sse_divss, registers(1, 2)), VEC_UD);
    assert_int_equal(folded_mxcsr(&m->cpu) & MXCSR_FLAGS, I);
}

static void memory_fault_comes_before_the_simd_exception(void **state)
{
    struct machine *m = *state;

    load_mxcsr(&m->cpu, 0);
    set_xmm32(&m->cpu, 1, SNAN, 0, 0, 0);
    assert_int_equal(run(&m->cpu, &interp_sse_addps, memory(1, MAPPED_END)), VEC_PF);
    assert_int_equal(folded_mxcsr(&m->cpu), 0);
}

static void flags_collected_before_an_unmasked_operation_are_kept(void **state)
{
    struct machine *m = *state;

    set_xmm32(&m->cpu, 1, ONE, 0, 0, 0);
    set_xmm32(&m->cpu, 2, THREE, 0, 0, 0);
    run(&m->cpu, &interp_sse_divss, registers(1, 2));
    simd_fold_mxcsr(&m->cpu);
    m->cpu.fpu.mxcsr &= ~(uint32_t)(I << MXCSR_MASK_SHIFT);
    set_xmm32(&m->cpu, 1, ONE, 0, 0, 0);
    set_xmm32(&m->cpu, 2, 0, 0, 0, 0);
    assert_int_equal(run(&m->cpu, &interp_sse_divss, registers(1, 2)), NO_FAULT); /* Z is masked */
    assert_int_equal(m->cpu.fpu.xmm[1].d[0], 0x7f800000);
    assert_int_equal(folded_mxcsr(&m->cpu) & MXCSR_FLAGS, Z | P);
}

static void sticky_flag_of_an_unmasked_exception_raises_nothing_by_itself(void **state)
{
    struct machine *m = *state;

    load_mxcsr(&m->cpu, (MXCSR_RESET & ~(uint32_t)(I << MXCSR_MASK_SHIFT)) | I);
    set_xmm32(&m->cpu, 1, ONE, 0, 0, 0);
    set_xmm32(&m->cpu, 2, ONE, 0, 0, 0);
    assert_int_equal(run(&m->cpu, &interp_sse_addss, registers(1, 2)), NO_FAULT);
    assert_int_equal(m->cpu.fpu.xmm[1].d[0], TWO);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_form_runs_when_nothing_forbids_it),
        TEST(every_row_raises_ud_under_em_as_its_checks_say),
        TEST(every_row_raises_nm_under_ts_as_its_checks_say),
        TEST(every_sse_row_needs_osfxsr),
        TEST(every_mmx_row_reports_the_pending_x87_exception),
        TEST(every_aligned_row_refuses_a_misaligned_operand),
        TEST(sse_without_osfxsr_is_ud_even_under_ts),
        TEST(pending_x87_exception_comes_before_the_page_fault),
        TEST(misalignment_comes_before_the_page_fault),
        TEST(misalignment_comes_before_the_segment_limit),
        TEST(misaligned_operand_is_gp_not_ac_when_alignment_is_checked),
        TEST(alignment_is_that_of_the_linear_address),
        TEST(unaligned_moves_cross_pages),
        TEST(store_into_a_missing_page_changes_nothing),
        TEST(masked_store_writes_selected_bytes_through_the_given_segment),
        TEST(masked_store_wraps_edi_to_the_address_size),
        TEST(masked_store_that_faults_stores_nothing),
        TEST(clflush_checks_its_address_like_a_load),
        TEST(mmx_write_makes_the_transition),
        TEST(mmx_read_makes_the_transition_but_keeps_exponents),
        TEST(emms_empties_all_registers),
        TEST(faulting_mmx_instruction_leaves_the_x87_state_alone),
        TEST(cvtpi2pd_from_memory_is_no_mmx_instruction),
        TEST(scalar_loads_clear_and_scalar_moves_keep_the_rest),
        TEST(immediates_steer_shuffles_and_shifts),
        TEST(compare_sets_zf_pf_cf_and_clears_the_others),
        TEST(of_two_nans_the_destination_survives),
        TEST(compare_ignores_the_high_bits_of_its_predicate),
        TEST(reserved_mxcsr_bits_are_gp_and_change_nothing),
        TEST(stmxcsr_shows_the_flags_that_arithmetic_raised),
        TEST(rounding_daz_and_ftz_are_the_guests),
        TEST(leaving_gives_the_host_its_mxcsr_back),
        TEST(unmasked_exceptions_are_raised_with_the_processors_flags),
        TEST(unmasked_exception_without_osxmmexcpt_is_ud),
        TEST(memory_fault_comes_before_the_simd_exception),
        TEST(flags_collected_before_an_unmasked_operation_are_kept),
        TEST(sticky_flag_of_an_unmasked_exception_raises_nothing_by_itself),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
