/*
 * Integer instructions by hand-picked cases: what a comparison with the host CPU in user mode cannot show (page faults
 * in the middle, 16-bit stacks, interrupted repetition, code watches), and one case per family that is easy to read.
 *
 * Each case decodes a few bytes and calls the handler, without the run loop.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "frontend/x86/code.h"
#include "frontend/x86/interp.h"
#include "softmmu/mmu.h"

enum {
    RAM_BYTES = 4 << 20,
    PAGE_DIRECTORY = 0x300000,
    PAGE_TABLE = 0x301000,
    DATA = 0x10000,
    STACK = 0x20000,
    EIP = 0x1000,
    PTE_PRESENT = 1,
    PTE_WRITABLE = 2,
    PTE_USER = 4,
    NO_FAULT = 0xff,
};

static const uint32_t all_features = ~0u;

struct machine {
    struct phys *phys;
    struct cpu *cpu;
    bool code32;
};

static void page_fault(void *opaque, lin_addr address, uint32_t error) __attribute__((noreturn));
static void page_fault(void *opaque, lin_addr address, uint32_t error)
{
    struct cpu *cpu = opaque;

    cpu->cr2 = address;
    cpu_raise_error(cpu, VEC_PF, error);
}

static void set_pte(struct machine *m, lin_addr address, uint32_t flags)
{
    uint32_t pte = (address & ~0xfffu) | flags;

    memcpy(phys_ram_host(m->phys, PAGE_TABLE + (address >> 12) * 4), &pte, 4);
    mmu_flush(&m->cpu->mmu);
}

/* CPL 3, paging on, every linear address below 4 MiB mapped to itself, segments flat. */
static int create(void **state)
{
    struct machine *m = calloc(1, sizeof *m);
    struct mmu_paging paging = {.cr3 = PAGE_DIRECTORY, .paging = true, .wp = true};
    uint32_t pde = PAGE_TABLE | PTE_PRESENT | PTE_WRITABLE | PTE_USER;
    struct cpu *cpu = aligned_alloc(64, (sizeof *cpu + 63) & ~(size_t)63);

    assert_non_null(m);
    assert_non_null(cpu);
    decode_init();
    memset(cpu, 0, sizeof *cpu);
    m->cpu = cpu;
    m->phys = cpu->phys = phys_create(RAM_BYTES);
    assert_non_null(m->phys);
    phys_map_ram(m->phys, 0, RAM_BYTES, 0);
    cpu->code = calloc(1, sizeof *cpu->code);
    assert_non_null(cpu->code);
    mmu_init(&cpu->mmu, m->phys);
    cpu->mmu.opaque = cpu;
    cpu->mmu.page_fault = page_fault;
    memcpy(phys_ram_host(m->phys, PAGE_DIRECTORY), &pde, 4);
    for (lin_addr page = 0; page < RAM_BYTES; page += 0x1000)
        set_pte(m, page, PTE_PRESENT | PTE_WRITABLE | PTE_USER);
    mmu_set_paging(&cpu->mmu, &paging);

    cpu->cr0 = CR0_PE | CR0_PG;
    cpu->cpl = 3;
    cpu->view = MMU_USER;
    for (unsigned s = 0; s < SREGS; s++) {
        cpu->seg[s] =
            (struct segment){.selector = 0x23, .ar = AR_G | AR_DB | AR_P | AR_DPL | AR_S, .limit = 0xffffffff};
        cpu->seg[s].ar |= s == CS ? AR_CODE | AR_READABLE : AR_WRITABLE;
        segment_derive(cpu, s);
    }
    cpu_set_eflags(cpu, 0, EFLAGS_OSZAPC);
    cpu->eip = EIP;
    cpu->gpr[ESP] = STACK;
    m->code32 = true;
    *state = m;
    return 0;
}

static int destroy(void **state)
{
    struct machine *m = *state;

    phys_destroy(m->phys);
    free(m->cpu->code);
    free(m->cpu);
    free(m);
    return 0;
}

static void make_stack16(struct machine *m)
{
    m->cpu->seg[SS].ar &= (uint16_t)~AR_DB;
    m->cpu->seg[SS].limit = 0xffff;
    segment_derive(m->cpu, SS);
}

/* Runs the instruction at cpu->eip; returns the vector it raised or NO_FAULT. */
static unsigned run_bytes(struct machine *m, const uint8_t *bytes, size_t len)
{
    struct cpu *cpu = m->cpu;
    uint8_t padded[16] = {0};
    struct insn in[2];

    memcpy(padded, bytes, len);
    assert_int_equal(decode_insn(&in[0], padded, 15, m->code32, all_features), DECODE_OK);
    assert_int_equal(in[0].len, len);
    in[1] = (struct insn){.fn = interp_block_end, .offset = in[0].len, .row = ISA_ROW_UD};
    cpu->insn = &in[0];
    if (setjmp(cpu->unwind))
        return cpu->fault.vector;
    in[0].fn(cpu, &in[0]);
    return NO_FAULT;
}
#define RUN(m, ...) run_bytes(m, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static uint32_t peek(struct machine *m, uint32_t address, unsigned width)
{
    uint32_t value = 0;

    memcpy(&value, phys_ram_host(m->phys, address), width);
    return value;
}
static void poke(struct machine *m, uint32_t address, uint32_t value, unsigned width)
{
    memcpy(phys_ram_host(m->phys, address), &value, width);
}
static uint32_t flags(struct machine *m)
{
    return cpu_get_eflags(m->cpu) & (EFLAGS_OSZAPC | EFLAGS_DF);
}

/* ---- arithmetic ---- */

static void additions_set_all_six_flags(void **state)
{
    static const struct {
        uint8_t a, b, sum;
        uint32_t flags;
    } cases[] = {
        {0x7f, 0x01, 0x80, EFLAGS_OF | EFLAGS_SF | EFLAGS_AF},
        {0xff, 0x01, 0x00, EFLAGS_ZF | EFLAGS_AF | EFLAGS_PF | EFLAGS_CF},
        {0x80, 0x80, 0x00, EFLAGS_OF | EFLAGS_ZF | EFLAGS_PF | EFLAGS_CF},
        {0x12, 0x21, 0x33, EFLAGS_PF},
    };
    struct machine *m = *state;

    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        m->cpu->gpr[EAX] = 0x11223300 | cases[i].a;
        m->cpu->gpr[EBX] = cases[i].b;
        assert_int_equal(RUN(m, 0x00, 0xd8), NO_FAULT); /* ADD AL, BL */
        assert_int_equal(m->cpu->gpr[EAX], 0x11223300u | cases[i].sum);
        assert_int_equal(flags(m), cases[i].flags);
    }
}

static void borrow_travels_through_sbb(void **state)
{
    struct machine *m = *state;

    m->cpu->gpr[EAX] = 0;
    m->cpu->gpr[EDX] = 5;
    RUN(m, 0x83, 0xe8, 0x01); /* SUB EAX, 1 */
    RUN(m, 0x83, 0xda, 0x00); /* SBB EDX, 0 */
    assert_int_equal(m->cpu->gpr[EAX], 0xffffffff);
    assert_int_equal(m->cpu->gpr[EDX], 4);
    assert_int_equal(flags(m), 0);
}

static void inc_and_dec_keep_carry(void **state)
{
    struct machine *m = *state;

    m->cpu->gpr[ECX] = 0x7fffffff;
    RUN(m, 0xf9); /* STC */
    RUN(m, 0x41); /* INC ECX */
    assert_int_equal(flags(m), EFLAGS_OF | EFLAGS_SF | EFLAGS_AF | EFLAGS_PF | EFLAGS_CF);
    RUN(m, 0xf8); /* CLC */
    m->cpu->gpr[ECX] = 0;
    RUN(m, 0x49); /* DEC ECX */
    assert_int_equal(flags(m), EFLAGS_SF | EFLAGS_AF | EFLAGS_PF);
}

static void high_byte_registers_are_ah_to_bh(void **state)
{
    struct machine *m = *state;

    m->cpu->gpr[EAX] = 0x00001234;
    m->cpu->gpr[EBX] = 0x0000aa00;
    RUN(m, 0x88, 0xfc); /* MOV AH, BH */
    assert_int_equal(m->cpu->gpr[EAX], 0xaa34);
}

static void a_read_modify_write_faults_as_a_write_and_changes_nothing(void **state)
{
    struct machine *m = *state;
    uint32_t before = flags(m);

    set_pte(m, DATA, PTE_PRESENT | PTE_USER);
    poke(m, DATA, 41, 4);
    m->cpu->gpr[EBX] = DATA;
    assert_int_equal(RUN(m, 0x83, 0x03, 0xff), VEC_PF); /* ADD [EBX], -1 */
    assert_int_equal(m->cpu->fault.error, PF_PRESENT | PF_WRITE | PF_USER);
    assert_int_equal(m->cpu->cr2, DATA);
    assert_int_equal(flags(m), before);
    assert_int_equal(peek(m, DATA, 4), 41);
    assert_int_equal(RUN(m, 0x83, 0x3b, 0x29), NO_FAULT); /* CMP [EBX], 41 only reads */
    assert_int_equal(flags(m), EFLAGS_ZF | EFLAGS_PF);

    m->cpu->gpr[ECX] = 0;
    assert_int_equal(RUN(m, 0xd3, 0x23), VEC_PF); /* SHL [EBX], CL by 0: nothing to write, still a write */
    set_pte(m, DATA, 0);
    assert_int_equal(RUN(m, 0xff, 0x03), VEC_PF); /* INC [EBX]: reported as a write, not as the read before it */
    assert_int_equal(m->cpu->fault.error, PF_WRITE | PF_USER);
}

static void an_unequal_cmpxchg_loads_the_accumulator_but_still_writes(void **state)
{
    struct machine *m = *state;

    poke(m, DATA, 7, 4);
    m->cpu->gpr[EBX] = DATA;
    m->cpu->gpr[ECX] = 9;
    m->cpu->gpr[EAX] = 8;
    assert_int_equal(RUN(m, 0x0f, 0xb1, 0x0b), NO_FAULT);
    assert_int_equal(m->cpu->gpr[EAX], 7);
    assert_int_equal(peek(m, DATA, 4), 7);
    assert_false(flags(m) & EFLAGS_ZF);
    assert_int_equal(RUN(m, 0x0f, 0xb1, 0x0b), NO_FAULT);
    assert_int_equal(peek(m, DATA, 4), 9);
    assert_true(flags(m) & EFLAGS_ZF);

    set_pte(m, DATA, PTE_PRESENT | PTE_USER);
    m->cpu->gpr[EAX] = 1;
    assert_int_equal(RUN(m, 0x0f, 0xb1, 0x0b), VEC_PF);
    assert_int_equal(m->cpu->gpr[EAX], 1);
}

static void cmpxchg8b_changes_only_the_zero_flag(void **state)
{
    struct machine *m = *state;
    uint32_t all = EFLAGS_OSZAPC & ~(uint32_t)EFLAGS_ZF;

    poke(m, DATA, 1, 4);
    poke(m, DATA + 4, 2, 4);
    cpu_set_eflags(m->cpu, all, EFLAGS_OSZAPC);
    memcpy(m->cpu->gpr, (const uint32_t[]){[EAX] = 1, [EDX] = 2, [ECX] = 4, [EBX] = 3, [ESI] = DATA}, 7 * 4);
    RUN(m, 0x0f, 0xc7, 0x0e); /* CMPXCHG8B [ESI] */
    assert_int_equal(peek(m, DATA, 4), 3);
    assert_int_equal(peek(m, DATA + 4, 4), 4);
    assert_int_equal(flags(m), EFLAGS_OSZAPC);
    RUN(m, 0x0f, 0xc7, 0x0e);
    assert_int_equal(m->cpu->gpr[EAX], 3);
    assert_int_equal(m->cpu->gpr[EDX], 4);
    assert_int_equal(flags(m), all);
}

static void shifts_by_zero_leave_every_flag(void **state)
{
    struct machine *m = *state;

    cpu_set_eflags(m->cpu, EFLAGS_OF | EFLAGS_AF | EFLAGS_PF, EFLAGS_OSZAPC);
    m->cpu->gpr[ECX] = 32; /* masked to 0 */
    m->cpu->gpr[EAX] = 0x80000001;
    RUN(m, 0xd3, 0xe0);       /* SHL EAX, CL */
    RUN(m, 0xd3, 0xd8);       /* RCR EAX, CL */
    RUN(m, 0x0f, 0xa5, 0xd8); /* SHLD EAX, EBX, CL */
    RUN(m, 0xc1, 0xc0, 0x20); /* ROL EAX, 32 */
    assert_int_equal(flags(m), EFLAGS_OF | EFLAGS_AF | EFLAGS_PF);
    assert_int_equal(m->cpu->gpr[EAX], 0x80000001);
}

static void byte_rotates_through_carry_have_nine_positions(void **state)
{
    struct machine *m = *state;

    m->cpu->gpr[EAX] = 0x81;
    RUN(m, 0xf8);             /* CLC */
    RUN(m, 0xc0, 0xd0, 0x09); /* RCL AL, 9 */
    assert_int_equal(m->cpu->gpr[EAX], 0x81);
    assert_false(flags(m) & EFLAGS_CF);
    RUN(m, 0xd0, 0xd0); /* RCL AL, 1 */
    assert_int_equal(m->cpu->gpr[EAX], 0x02);
    assert_int_equal(flags(m) & (EFLAGS_CF | EFLAGS_OF), EFLAGS_CF | EFLAGS_OF);
}

static void divide_errors_leave_the_registers(void **state)
{
    struct machine *m = *state;

    m->cpu->gpr[EAX] = 0;
    m->cpu->gpr[EDX] = 0x80000000;
    m->cpu->gpr[EBX] = 0xffffffff;
    assert_int_equal(RUN(m, 0xf7, 0xfb), VEC_DE); /* IDIV EBX: -2^63 / -1 */
    assert_int_equal(m->cpu->gpr[EDX], 0x80000000);
    m->cpu->gpr[EDX] = 0;
    m->cpu->gpr[EBX] = 0;
    assert_int_equal(RUN(m, 0xf7, 0xf3), VEC_DE); /* DIV EBX */
    assert_int_equal(RUN(m, 0xd4, 0x00), VEC_DE); /* AAM 0 */
    assert_int_equal(m->cpu->gpr[EAX], 0);
    m->cpu->gpr[EAX] = 0xff80; /* -128 / 1 still fits */
    m->cpu->gpr[EBX] = 1;
    assert_int_equal(RUN(m, 0xf6, 0xfb), NO_FAULT); /* IDIV BL */
    assert_int_equal(m->cpu->gpr[EAX], 0x0080);
}

static void bit_strings_reach_below_their_address(void **state)
{
    struct machine *m = *state;

    m->cpu->gpr[EBX] = DATA;
    m->cpu->gpr[EAX] = 0u - 33; /* bit 31 of the doubleword at DATA - 8 */
    poke(m, DATA - 8, 0, 4);
    RUN(m, 0x0f, 0xab, 0x03); /* BTS [EBX], EAX */
    assert_int_equal(peek(m, DATA - 8, 4), 0x80000000);
    assert_false(flags(m) & EFLAGS_CF);
    RUN(m, 0x0f, 0xa3, 0x03); /* BT [EBX], EAX */
    assert_true(flags(m) & EFLAGS_CF);
}

static void packed_decimal_addition_carries(void **state)
{
    struct machine *m = *state;

    m->cpu->gpr[EAX] = 0x79;
    RUN(m, 0x04, 0x35); /* ADD AL, 35h */
    RUN(m, 0x27);       /* DAA */
    assert_int_equal(m->cpu->gpr[EAX], 0x14);
    assert_int_equal(flags(m) & ~(uint32_t)EFLAGS_OF, EFLAGS_CF | EFLAGS_AF | EFLAGS_PF);
}

/* ---- stack ---- */

static void a_push_that_faults_leaves_esp(void **state)
{
    struct machine *m = *state;

    set_pte(m, STACK - 0x1000, 0);
    assert_int_equal(RUN(m, 0x50), VEC_PF);
    assert_int_equal(m->cpu->fault.error, PF_WRITE | PF_USER);
    assert_int_equal(m->cpu->cr2, STACK - 4);
    assert_int_equal(RUN(m, 0x60), VEC_PF); /* PUSHA */
    assert_int_equal(RUN(m, 0xe8, 0, 0, 0, 0), VEC_PF);
    assert_int_equal(m->cpu->gpr[ESP], STACK);
    assert_int_equal(m->cpu->eip, EIP);
}

static void push_esp_stores_the_old_value_and_pop_esp_keeps_the_new_one(void **state)
{
    struct machine *m = *state;

    RUN(m, 0x54); /* PUSH ESP */
    assert_int_equal(peek(m, STACK - 4, 4), STACK);
    poke(m, STACK - 4, 0x12345678, 4);
    RUN(m, 0x5c); /* POP ESP */
    assert_int_equal(m->cpu->gpr[ESP], 0x12345678);
}

static void pop_to_memory_is_addressed_with_the_incremented_esp(void **state)
{
    struct machine *m = *state;

    poke(m, STACK, 0xcafe, 4);
    poke(m, STACK + 4, 0, 4);
    RUN(m, 0x8f, 0x04, 0x24); /* POP [ESP] */
    assert_int_equal(peek(m, STACK + 4, 4), 0xcafe);
    assert_int_equal(m->cpu->gpr[ESP], STACK + 4);

    set_pte(m, DATA, PTE_PRESENT | PTE_USER);
    m->cpu->gpr[EBX] = DATA;
    assert_int_equal(RUN(m, 0x8f, 0x03), VEC_PF); /* POP [EBX] */
    assert_int_equal(m->cpu->gpr[ESP], STACK + 4);
}

static void a_16_bit_stack_wraps_and_keeps_the_upper_half_of_esp(void **state)
{
    struct machine *m = *state;

    make_stack16(m);
    m->cpu->gpr[ESP] = 0xabcd0002;
    m->cpu->gpr[EAX] = 0x1111;
    RUN(m, 0x66, 0x50); /* PUSH AX */
    RUN(m, 0x66, 0x50);
    assert_int_equal(m->cpu->gpr[ESP], 0xabcdfffe);
    assert_int_equal(peek(m, 0xfffe, 2), 0x1111);
    RUN(m, 0x66, 0x5b); /* POP BX */
    assert_int_equal(m->cpu->gpr[ESP], 0xabcd0000);
    assert_int_equal(m->cpu->gpr[EBX], 0x1111);
}

static void pusha_and_popa_are_inverse_except_for_esp(void **state)
{
    static const uint32_t values[8] = {1, 2, 3, 4, STACK, 6, 7, 8};
    struct machine *m = *state;

    memcpy(m->cpu->gpr, values, sizeof values);
    RUN(m, 0x60);
    assert_int_equal(m->cpu->gpr[ESP], STACK - 32);
    assert_int_equal(peek(m, STACK - 20, 4), STACK);
    assert_int_equal(peek(m, STACK - 4, 4), 1);
    poke(m, STACK - 20, 0xdead, 4);
    memset(m->cpu->gpr, 0, sizeof values);
    m->cpu->gpr[ESP] = STACK - 32;
    RUN(m, 0x61);
    assert_memory_equal(m->cpu->gpr, values, sizeof values);
}

static void popa_that_faults_halfway_changes_no_register(void **state)
{
    struct machine *m = *state;

    set_pte(m, STACK, 0);
    m->cpu->gpr[ESP] = STACK - 8;
    m->cpu->gpr[EDI] = 77;
    assert_int_equal(RUN(m, 0x61), VEC_PF);
    assert_int_equal(m->cpu->cr2, STACK);
    assert_int_equal(m->cpu->gpr[EDI], 77);
    assert_int_equal(m->cpu->gpr[ESP], STACK - 8);
}

static void enter_copies_the_outer_frame_pointers(void **state)
{
    struct machine *m = *state;

    m->cpu->gpr[EBP] = DATA + 0x100;
    poke(m, DATA + 0xfc, 0xaaaa, 4);
    poke(m, DATA + 0xf8, 0xbbbb, 4);
    RUN(m, 0xc8, 0x10, 0x00, 0x03); /* ENTER 16, 3 */
    assert_int_equal(peek(m, STACK - 4, 4), DATA + 0x100);
    assert_int_equal(peek(m, STACK - 8, 4), 0xaaaa);
    assert_int_equal(peek(m, STACK - 12, 4), 0xbbbb);
    assert_int_equal(peek(m, STACK - 16, 4), STACK - 4);
    assert_int_equal(m->cpu->gpr[EBP], STACK - 4);
    assert_int_equal(m->cpu->gpr[ESP], STACK - 32);
    RUN(m, 0xc9); /* LEAVE */
    assert_int_equal(m->cpu->gpr[EBP], DATA + 0x100);
    assert_int_equal(m->cpu->gpr[ESP], STACK);
}

static void enter_tests_the_final_stack_top(void **state)
{
    struct machine *m = *state;

    set_pte(m, STACK - 0x2000, PTE_PRESENT | PTE_USER);
    poke(m, STACK - 4, 0x5555, 4);
    assert_int_equal(RUN(m, 0xc8, 0x00, 0x18, 0x00), VEC_PF); /* ENTER 1800h, 0 */
    assert_int_equal(m->cpu->fault.error, PF_PRESENT | PF_WRITE | PF_USER);
    assert_int_equal(peek(m, STACK - 4, 4), 0x5555);
    assert_int_equal(m->cpu->gpr[ESP], STACK);
}

/* ---- control flow ---- */

static void a_taken_branch_with_16_bit_operands_truncates_eip(void **state)
{
    struct machine *m = *state;

    m->cpu->eip = 0xfffe;
    RUN(m, 0x66, 0xeb, 0x10); /* JMP +16 */
    assert_int_equal(m->cpu->eip, 0x0011);
    m->cpu->eip = 0x12340;
    RUN(m, 0x66, 0x75, 0x10); /* JNE, taken: ZF is clear */
    assert_int_equal(m->cpu->eip, 0x2353);
    m->cpu->eip = 0x12340;
    RUN(m, 0x66, 0x74, 0x10); /* JE, not taken: EIP is not truncated */
    assert_int_equal(m->cpu->eip, 0x12343);
}

static void a_target_beyond_the_limit_faults_before_anything_changes(void **state)
{
    struct machine *m = *state;

    m->cpu->seg[CS].limit = 0x1fff;
    segment_derive(m->cpu, CS);
    m->cpu->gpr[ECX] = 5;
    assert_int_equal(RUN(m, 0xe8, 0x00, 0x10, 0x00, 0x00), VEC_GP); /* CALL */
    assert_int_equal(m->cpu->gpr[ESP], STACK);
    m->cpu->eip = 0x1fc0;
    assert_int_equal(RUN(m, 0xe2, 0x7f), VEC_GP); /* LOOP */
    assert_int_equal(m->cpu->gpr[ECX], 5);
    poke(m, STACK, 0x2000, 4);
    assert_int_equal(RUN(m, 0xc3), VEC_GP); /* RET */
    assert_int_equal(m->cpu->gpr[ESP], STACK);
    assert_int_equal(m->cpu->eip, 0x1fc0);
    assert_int_equal(m->cpu->fault.error, 0);
}

static void call_and_ret_release_the_arguments(void **state)
{
    struct machine *m = *state;

    RUN(m, 0xe8, 0x00, 0x01, 0x00, 0x00);
    assert_int_equal(m->cpu->eip, EIP + 5 + 0x100);
    assert_int_equal(peek(m, STACK - 4, 4), EIP + 5);
    RUN(m, 0xc2, 0x08, 0x00); /* RET 8 */
    assert_int_equal(m->cpu->eip, EIP + 5);
    assert_int_equal(m->cpu->gpr[ESP], STACK + 8);
}

static void call_through_the_stack_reads_its_target_before_the_push(void **state)
{
    struct machine *m = *state;

    poke(m, STACK, 0x4444, 4);
    RUN(m, 0xff, 0x14, 0x24); /* CALL [ESP] */
    assert_int_equal(m->cpu->eip, 0x4444);
    assert_int_equal(peek(m, STACK - 4, 4), EIP + 3);
}

static void loop_counts_in_cx_with_16_bit_addresses(void **state)
{
    struct machine *m = *state;

    m->cpu->gpr[ECX] = 0x00010001;
    RUN(m, 0x67, 0xe2, 0x20);
    assert_int_equal(m->cpu->gpr[ECX], 0x00010000);
    assert_int_equal(m->cpu->eip, EIP + 3);
    RUN(m, 0x67, 0xe3, 0x20); /* JCXZ */
    assert_int_equal(m->cpu->eip, EIP + 6 + 0x20);
}

static void bound_is_inclusive_and_signed(void **state)
{
    struct machine *m = *state;

    poke(m, DATA, 0u - 2, 4);
    poke(m, DATA + 4, 3, 4);
    m->cpu->gpr[EBX] = DATA;
    m->cpu->gpr[EAX] = 3;
    assert_int_equal(RUN(m, 0x62, 0x03), NO_FAULT);
    m->cpu->gpr[EAX] = 0u - 2;
    assert_int_equal(RUN(m, 0x62, 0x03), NO_FAULT);
    m->cpu->gpr[EAX] = 4;
    assert_int_equal(RUN(m, 0x62, 0x03), VEC_BR);
}

/* ---- strings ---- */

static void setup_string(struct machine *m, uint32_t esi, uint32_t edi, uint32_t ecx)
{
    m->cpu->gpr[ESI] = esi;
    m->cpu->gpr[EDI] = edi;
    m->cpu->gpr[ECX] = ecx;
}
static void assert_string(struct machine *m, uint32_t esi, uint32_t edi, uint32_t ecx)
{
    assert_int_equal(m->cpu->gpr[ESI], esi);
    assert_int_equal(m->cpu->gpr[EDI], edi);
    assert_int_equal(m->cpu->gpr[ECX], ecx);
}

static void an_overlapping_copy_repeats_its_beginning(void **state)
{
    struct machine *m = *state;

    memcpy(phys_ram_host(m->phys, DATA), "abcdefgh", 8);
    setup_string(m, DATA, DATA + 2, 6);
    RUN(m, 0xf3, 0xa4); /* REP MOVSB */
    assert_memory_equal(phys_ram_host(m->phys, DATA), "abababab", 8);
    assert_string(m, DATA + 6, DATA + 8, 0);

    memcpy(phys_ram_host(m->phys, DATA), "abcdefgh", 8);
    setup_string(m, DATA + 2, DATA, 6);
    RUN(m, 0xf3, 0xa4);
    assert_memory_equal(phys_ram_host(m->phys, DATA), "cdefghgh", 8);

    /* Doublewords that overlap by three bytes see what the last one wrote. */
    memcpy(phys_ram_host(m->phys, DATA), "abcdefghijkl", 12);
    setup_string(m, DATA, DATA + 1, 2);
    RUN(m, 0xf3, 0xa5);
    assert_memory_equal(phys_ram_host(m->phys, DATA), "aabcddfghjkl", 12);
}

static void copying_downwards_starts_at_the_end(void **state)
{
    struct machine *m = *state;

    memcpy(phys_ram_host(m->phys, DATA), "abcdefgh", 8);
    RUN(m, 0xfd); /* STD */
    setup_string(m, DATA + 5, DATA + 7, 6);
    RUN(m, 0xf3, 0xa4);
    assert_memory_equal(phys_ram_host(m->phys, DATA), "ababcdef", 8);
    assert_string(m, DATA - 1, DATA + 1, 0);
}

static void a_copy_that_faults_stops_at_the_very_element(void **state)
{
    struct machine *m = *state;

    memset(phys_ram_host(m->phys, DATA), 0x5a, 0x1000);
    memset(phys_ram_host(m->phys, DATA + 0x1000), 0, 0x2000);
    set_pte(m, DATA + 0x2000, 0);
    setup_string(m, DATA, DATA + 0x1ffa, 4); /* doublewords: the second one crosses into the missing page */
    assert_int_equal(RUN(m, 0xf3, 0xa5), VEC_PF);
    assert_int_equal(m->cpu->cr2, DATA + 0x2000);
    assert_string(m, DATA + 4, DATA + 0x1ffe, 3);
    assert_int_equal(peek(m, DATA + 0x1ffa, 4), 0x5a5a5a5a);
    assert_int_equal(peek(m, DATA + 0x1ffe, 2), 0);
    assert_int_equal(m->cpu->eip, EIP);
    set_pte(m, DATA + 0x2000, PTE_PRESENT | PTE_WRITABLE | PTE_USER);
    assert_int_equal(RUN(m, 0xf3, 0xa5), NO_FAULT);
    assert_string(m, DATA + 16, DATA + 0x200a, 0);
    assert_int_equal(peek(m, DATA + 0x2006, 4), 0x5a5a5a5a);
    assert_int_equal(peek(m, DATA + 0x200a, 4), 0);
}

static void stores_cross_pages_in_both_directions(void **state)
{
    struct machine *m = *state;

    m->cpu->gpr[EAX] = 0x11223344;
    setup_string(m, 0, DATA + 0xffe, 0x800);
    RUN(m, 0xf3, 0xab); /* REP STOSD */
    for (uint32_t i = 0; i < 0x800; i++)
        assert_int_equal(peek(m, DATA + 0xffe + i * 4, 4), 0x11223344);
    assert_int_equal(peek(m, DATA + 0xffc, 2), 0);
    assert_int_equal(peek(m, DATA + 0x2ffe, 4), 0);
    assert_string(m, 0, DATA + 0x2ffe, 0);

    m->cpu->gpr[EAX] = 0x5566;
    RUN(m, 0xfd);
    setup_string(m, 0, DATA + 0x2ffc, 0x1000);
    RUN(m, 0xf3, 0x66, 0xab); /* REP STOSW */
    for (uint32_t i = 0; i < 0x1000; i++)
        assert_int_equal(peek(m, DATA + 0x2ffc - i * 2, 2), 0x5566);
    assert_int_equal(peek(m, DATA + 0xffc, 2), 0);
    assert_string(m, 0, DATA + 0xffc, 0);
}

static void sixteen_bit_strings_wrap_and_leave_the_upper_halves(void **state)
{
    struct machine *m = *state;

    m->cpu->gpr[EAX] = 0x77;
    setup_string(m, 0, 0xbeeffffe, 0xbeef0004);
    RUN(m, 0xf3, 0x67, 0xaa); /* REP STOSB with DI, CX */
    assert_string(m, 0, 0xbeef0002, 0xbeef0000);
    assert_int_equal(peek(m, 0xfffe, 2), 0x7777);
    assert_int_equal(peek(m, 0, 2), 0x7777);
}

static void scas_stops_behind_the_match(void **state)
{
    struct machine *m = *state;

    memset(phys_ram_host(m->phys, DATA), 1, 0x2000);
    poke(m, DATA + 0x1803, 9, 1);
    m->cpu->gpr[EAX] = 9;
    setup_string(m, 0, DATA, 0xffffffff);
    RUN(m, 0xf2, 0xae); /* REPNE SCASB */
    assert_string(m, 0, DATA + 0x1804, 0xffffffff - 0x1804);
    assert_int_equal(flags(m), EFLAGS_ZF | EFLAGS_PF);
    cpu_set_eflags(m->cpu, EFLAGS_OSZAPC, EFLAGS_OSZAPC);
    setup_string(m, 0, DATA, 0);
    RUN(m, 0xf2, 0xae);
    assert_int_equal(flags(m), EFLAGS_OSZAPC); /* nothing compared */
}

static void cmps_that_faults_leaves_the_flags_but_not_the_counters(void **state)
{
    struct machine *m = *state;

    memset(phys_ram_host(m->phys, DATA), 1, 0x3000);
    cpu_set_eflags(m->cpu, EFLAGS_OF | EFLAGS_CF, EFLAGS_OSZAPC);
    set_pte(m, DATA + 0x1000, 0);
    setup_string(m, DATA + 0xf00, DATA + 0x2000, 0x200);
    assert_int_equal(RUN(m, 0xf3, 0xa6), VEC_PF); /* REPE CMPSB */
    assert_string(m, DATA + 0x1000, DATA + 0x2100, 0x100);
    assert_int_equal(flags(m), EFLAGS_OF | EFLAGS_CF);
}

static void an_event_interrupts_a_long_copy_with_eip_at_it(void **state)
{
    struct machine *m = *state;
    unsigned rounds = 0;

    memset(phys_ram_host(m->phys, 0x100000), 0x33, 0x100000);
    setup_string(m, 0x100000, 0x200000, 0x80000);
    cpu_set_event(m->cpu, CPU_EVENT_POLL);
    do {
        assert_int_equal(RUN(m, 0xf3, 0xa4), NO_FAULT);
        assert_int_equal(m->cpu->gpr[ESI] - 0x100000, m->cpu->gpr[EDI] - 0x200000);
        assert_int_equal(m->cpu->gpr[ESI] - 0x100000 + m->cpu->gpr[ECX], 0x80000);
        rounds++;
    } while (m->cpu->eip == EIP);
    assert_true(rounds > 16);
    assert_int_equal(m->cpu->eip, EIP + 2);
    assert_string(m, 0x180000, 0x280000, 0);
    assert_int_equal(peek(m, 0x27fffc, 4), 0x33333333);
    assert_int_equal(peek(m, 0x280000, 4), 0);
}

static void a_single_step_is_one_iteration(void **state)
{
    struct machine *m = *state;

    m->cpu->eflags |= EFLAGS_TF;
    setup_string(m, DATA, DATA + 0x1000, 3);
    RUN(m, 0xf3, 0xa4);
    assert_string(m, DATA + 1, DATA + 0x1001, 2);
    assert_int_equal(m->cpu->eip, EIP);
    assert_true(m->cpu->eflags & EFLAGS_RF);
    RUN(m, 0xf3, 0xa4);
    RUN(m, 0xf3, 0xa4);
    assert_int_equal(m->cpu->eip, EIP + 2);
}

static unsigned watched_writes;

static void note_watched_write(void *opaque, phys_addr address, unsigned len_bytes)
{
    watched_writes += len_bytes;
}

static void copies_into_watched_pages_are_seen(void **state)
{
    struct machine *m = *state;

    watched_writes = 0;
    phys_on_watched_write(m->phys, note_watched_write, NULL);
    phys_watch(m->phys, DATA + 0x1000, true);
    mmu_rewatch(&m->cpu->mmu, DATA + 0x1000);
    setup_string(m, DATA + 0x8000, DATA + 0xff0, 0x20);
    RUN(m, 0xf3, 0xa4);
    assert_int_equal(watched_writes, 0x10);
    setup_string(m, 0, DATA + 0x1010, 4);
    RUN(m, 0xf3, 0xab);
    assert_int_equal(watched_writes, 0x20);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, create, destroy)
    const struct CMUnitTest tests[] = {
        TEST(additions_set_all_six_flags),
        TEST(borrow_travels_through_sbb),
        TEST(inc_and_dec_keep_carry),
        TEST(high_byte_registers_are_ah_to_bh),
        TEST(a_read_modify_write_faults_as_a_write_and_changes_nothing),
        TEST(an_unequal_cmpxchg_loads_the_accumulator_but_still_writes),
        TEST(cmpxchg8b_changes_only_the_zero_flag),
        TEST(shifts_by_zero_leave_every_flag),
        TEST(byte_rotates_through_carry_have_nine_positions),
        TEST(divide_errors_leave_the_registers),
        TEST(bit_strings_reach_below_their_address),
        TEST(packed_decimal_addition_carries),
        TEST(a_push_that_faults_leaves_esp),
        TEST(push_esp_stores_the_old_value_and_pop_esp_keeps_the_new_one),
        TEST(pop_to_memory_is_addressed_with_the_incremented_esp),
        TEST(a_16_bit_stack_wraps_and_keeps_the_upper_half_of_esp),
        TEST(pusha_and_popa_are_inverse_except_for_esp),
        TEST(popa_that_faults_halfway_changes_no_register),
        TEST(enter_copies_the_outer_frame_pointers),
        TEST(enter_tests_the_final_stack_top),
        TEST(a_taken_branch_with_16_bit_operands_truncates_eip),
        TEST(a_target_beyond_the_limit_faults_before_anything_changes),
        TEST(call_and_ret_release_the_arguments),
        TEST(call_through_the_stack_reads_its_target_before_the_push),
        TEST(loop_counts_in_cx_with_16_bit_addresses),
        TEST(bound_is_inclusive_and_signed),
        TEST(an_overlapping_copy_repeats_its_beginning),
        TEST(copying_downwards_starts_at_the_end),
        TEST(a_copy_that_faults_stops_at_the_very_element),
        TEST(stores_cross_pages_in_both_directions),
        TEST(sixteen_bit_strings_wrap_and_leave_the_upper_halves),
        TEST(scas_stops_behind_the_match),
        TEST(cmps_that_faults_leaves_the_flags_but_not_the_counters),
        TEST(an_event_interrupts_a_long_copy_with_eip_at_it),
        TEST(a_single_step_is_one_iteration),
        TEST(copies_into_watched_pages_are_seen),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
