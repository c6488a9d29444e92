/*
 * Sensitive instructions in blocks: what they do to the virtual processor inline must be what they do in the
 * interpreter, which runs these guests as well. test_block_random.c has the rest.
 */
#include "tests/unit/translator/block_fixture.h"

#include <pthread.h>

/* Instructions; EAX, ES and the like as in 32-bit code. */
#define MOV_EAX(value)           0xb8, LE32(value)
#define MOV_EBX(value)           0xbb, LE32(value)
#define MOV_ES_AX                0x8e, 0xc0
#define ADD_EBX_ES(address)      0x26, 0x03, 0x1d, LE32(address)
#define MOV_BYTE(address, value) 0xc6, 0x05, LE32(address), (value)
#define LGDT(address)            0x0f, 0x01, 0x15, LE32(address)
#define PUSH(value)              0x68, LE32(value)
#define PUSHF                    0x9c
#define POPF                     0x9d
#define IRET                     0xcf
#define INT3                     0xcc
#define CLI                      0xfa
#define STI                      0xfb
#define HLT                      0xf4
#define NOP                      0x90
#define RDTSC                    0x0f, 0x31

/* ---- interrupts ---- */

static void prepare_interrupt(struct machine *m)
{
    m->irq_vector = 0x20;
    put_idt(m, 0x20, SEL_CODE0, HANDLER(0x20), AR_P | TYPE_INT32);
    put32(m, 4 * 0x20, HANDLER(0x20) >> 4 << 16); /* in real mode */
    PUT(m, HANDLER(0x20), HLT);
}

static void a_pending_interrupt_comes_right_behind_popf(void **state)
{
    struct machine *m = *state;

    prepare_interrupt(m);
    PUT(m, CODE, PUSH(0x202), POPF, MOV_EAX(1), HLT);
    for (unsigned i = 0; i < 6; i++) {
        const bool is_pending = i & 1;

        enter_protected(m, 0);
        m->cpu->gpr[EAX] = 0;
        cpu_set_intr(m->cpu, is_pending);
        run(m, CODE);
        assert_int_equal(m->cpu->eip, is_pending ? HANDLER(0x20) + 1 : CODE + 12);
        assert_int_equal(m->cpu->gpr[EAX], !is_pending);
        if (is_pending)
            assert_int_equal(get32(m, STACK0 - 12), CODE + 6);
    }
}

/* CLI and POPF without IF leave it waiting. */
static void a_pending_interrupt_waits_where_flags_do_not_let_it_in(void **state)
{
    struct machine *m = *state;

    prepare_interrupt(m);
    PUT(m, CODE, PUSH(0xc7), POPF, CLI, MOV_EAX(1), PUSHF, 0x5b /* pop ebx */, HLT);
    for (unsigned i = 0; i < 3; i++) {
        enter_protected(m, 0);
        cpu_set_intr(m->cpu, true);
        run(m, CODE);
        assert_int_equal(m->intacks, 0);
        assert_int_equal(m->cpu->gpr[EAX], 1);
        assert_int_equal(m->cpu->gpr[EBX], 0xc7);
    }
}

static void *event_soon(void *opaque)
{
    usleep(1000);
    cpu_set_event(((struct machine *)opaque)->cpu, CPU_EVENT_POLL);
    return NULL;
}

/* Real-mode code that goes round until an interrupt comes, whose handler halts. Where did it come? */
static uint32_t interrupted_at(struct machine *m, uint32_t eip, uint32_t eflags)
{
    pthread_t thread;

    enter_real(m);
    m->cpu->eflags = eflags;
    m->cpu->gpr[EAX] = STACK0 >> 4;
    assert_int_equal(pthread_create(&thread, NULL, event_soon, m), 0);
    run(m, eip);
    pthread_join(thread, NULL);
    assert_int_equal(m->cpu->seg[CS].selector, HANDLER(0x20) >> 4);
    return get16(m, STACK0 + 0x1000 - 6);
}

/* The instruction that holds interrupts back is the last of its page, the next one begins another block. */
static void what_holds_interrupts_back_does_so_across_blocks(void **state)
{
    struct machine *m = *state;
    const uint32_t start = 0x8ffe, behind = 0x9000;

    prepare_interrupt(m);
    m->board.poll = raise_interrupt;
    PUT(m, behind, 0x43, 0xeb, 0xfb); /* inc bx; jmp start */
    PUT(m, start, CLI, STI);
    for (unsigned i = 0; i < 10; i++)
        assert_int_not_equal(interrupted_at(m, start, 0), behind);
    PUT(m, start, 0x8e, 0xd0); /* mov ss, ax */
    for (unsigned i = 0; i < 10; i++)
        assert_int_not_equal(interrupted_at(m, start, EFLAGS_IF), behind);
}

static void iret_lets_the_next_nmi_in(void **state)
{
    struct machine *m = *state;

    PUT(m, CODE, PUSHF, 0x0e, 0x68, 0x07, 0x80, IRET, HLT, HLT); /* pushf; push cs; push 8007; iret */
    for (unsigned i = 0; i < 3; i++) {
        enter_real(m);
        m->cpu->nmi_blocked = true;
        run(m, CODE);
        assert_int_equal(m->cpu->eip, CODE + 8);
        assert_int_equal(m->cpu->gpr[ESP], 0x1000);
        assert_false(m->cpu->nmi_blocked);
    }
}

/* RF as IRETD loads it is gone when the next instruction has begun. */
static void the_resume_flag_lasts_for_one_instruction(void **state)
{
    struct machine *m = *state;

    PUT(m, HANDLER(VEC_BP), HLT);
    PUT(m, CODE, PUSH(EFLAGS_RF | 2), PUSH(SEL_CODE0), PUSH(CODE + 0x100), IRET);
    for (unsigned i = 0; i < 4; i++) {
        PUT(m, CODE + 0x100, i & 1 ? NOP : INT3, INT3);
        enter_protected(m, 0);
        run(m, CODE);
        assert_int_equal(m->cpu->eip, HANDLER(VEC_BP) + 1);
        assert_int_equal(get32(m, STACK0 - 12), CODE + 0x101 + (i & 1));
        assert_int_equal(get32(m, STACK0 - 4), 2);
    }
}

/* ---- descriptors ---- */

/* What a load of SEL_TEST finds at 100 in the segment. */
static void put_segments(struct machine *m)
{
    put32(m, 0x1100, 1); /* GDT, IDT and TSS leave these free */
    put32(m, 0x2100, 0x100);
    put32(m, 0x3100, 0x10000);
}

static void a_changed_descriptor_counts_from_the_next_load_on(void **state)
{
    struct machine *m = *state;
    const uint32_t base_high = GDT + SEL_TEST + 3; /* bits 8 to 15 */

    put_segments(m);
    PUT(m, CODE, MOV_EAX(SEL_TEST), MOV_EBX(0), MOV_ES_AX, ADD_EBX_ES(0x100), MOV_BYTE(base_high, 0x20),
        ADD_EBX_ES(0x100), MOV_ES_AX, ADD_EBX_ES(0x100), MOV_BYTE(base_high, 0x30), MOV_ES_AX, ADD_EBX_ES(0x100),
        MOV_BYTE(base_high, 0x10), HLT);
    for (unsigned kind = 0; kind < 3; kind++) { /* based, 64 KiB, short */
        enter_protected(m, 0);
        put_gdt(m, SEL_TEST, 0x1000, kind == 0 ? 0xfffff : kind == 1 ? 0xffff : 0x1ff, TEST_DATA | (kind ? 0 : AR_G));
        for (unsigned i = 0; i < 5; i++) {
            run(m, CODE);
            assert_int_equal(m->cpu->gpr[EBX], 0x10102);
        }
    }
}

/* The loads that follow set it again. */
static void a_cleared_accessed_bit_is_set_again(void **state)
{
    struct machine *m = *state;
    const uint32_t rights = GDT + SEL_TEST + 5;

    PUT(m, CODE, MOV_EAX(SEL_TEST), MOV_ES_AX, MOV_ES_AX, MOV_BYTE(rights, 0x92), MOV_ES_AX, HLT);
    put_gdt(m, SEL_TEST, 0x1000, 0xffff, TEST_DATA);
    for (unsigned i = 0; i < 5; i++) {
        put8(m, rights, 0x92);
        run(m, CODE);
        assert_int_equal(get8(m, rights), 0x93);
    }
}

/* The selector lies across two pages, so the interpreter loads it: what follows is for another kind of segment. */
static void a_load_that_was_interpreted_ends_its_block_if_the_kind_changes(void **state)
{
    struct machine *m = *state;
    const uint32_t across = DATA + 0xfff;

    put_segments(m);
    put_gdt(m, SEL_TEST, 0x1000, 0xfffff, TEST_DATA | AR_G);
    put16(m, across, SEL_TEST);
    PUT(m, CODE, MOV_EBX(0), 0x8e, 0x05, LE32(across), ADD_EBX_ES(0x100), HLT); /* mov es, [across] */
    for (unsigned i = 0; i < 5; i++) {
        enter_protected(m, 0);
        run(m, CODE);
        assert_int_equal(m->cpu->gpr[EBX], 1);
    }
}

/* In real mode a load makes any segment a writable one. */
static void a_real_mode_load_leaves_rights_as_the_interpreter_does(void **state)
{
    struct machine *m = *state;
    static const uint16_t rights[] = {0x93, 0x91, 0x9b, 0x92, 0x4093, 0x4091};

    PUT(m, CODE, 0x8e, 0xd8, HLT); /* mov ds, ax */
    for (unsigned i = 0; i < sizeof rights / sizeof rights[0]; i++) {
        enter_real(m);
        m->cpu->seg[DS] = (struct segment){.ar = rights[i], .limit = 0xffff};
        segment_derive(m->cpu, DS);
        m->cpu->gpr[EAX] = DATA >> 4;
        run(m, CODE);
        assert_int_equal(m->cpu->seg[DS].selector, DATA >> 4);
        assert_int_equal(m->cpu->seg[DS].base, DATA);
        assert_int_equal(m->cpu->seg[DS].ar, (rights[i] & AR_DB) | 0x93);
    }
}

/* Blocks that have come to expect unaligned accesses, at the end of a segment in the middle of a page. */
static void no_unaligned_access_wraps_at_64_kib(void **state)
{
    struct machine *m = *state;
    static const uint16_t offsets[] = {1, 3, 0x101, 5, 0xffff, 7, 0xfffd};

    put32(m, 4 * VEC_GP, 0x40000000u | (HANDLER(VEC_GP) & 0xffff));
    PUT(m, HANDLER(VEC_GP), HLT);
    PUT(m, CODE, 0x8b, 0x07, HLT);              /* mov ax, [bx] */
    PUT(m, CODE + 0x10, 0x66, 0x8b, 0x07, HLT); /* mov eax, [bx] */
    for (unsigned width = 2; width <= 4; width += 2)
        for (unsigned i = 0; i < sizeof offsets / sizeof offsets[0]; i++) {
            const bool wraps = offsets[i] + width > 0x10000u;

            enter_real(m);
            segment_load_real(m->cpu, DS, (DATA >> 4) + 0x34);
            put32(m, DATA + 0x340 + offsets[i], 0x12345678);
            m->cpu->gpr[EBX] = offsets[i];
            m->cpu->gpr[EAX] = 0;
            run(m, width == 2 ? CODE : CODE + 0x10);
            assert_int_equal(m->cpu->gpr[EAX], wraps ? 0 : width == 2 ? 0x5678 : 0x12345678);
            assert_int_equal(m->cpu->seg[CS].selector, wraps ? 0x4000 : 0);
        }
}

/* It begins in the middle of 8 aligned bytes, and ends there. */
static void a_segment_of_4_gib_goes_on_with_its_beginning(void **state)
{
    struct machine *m = *state;
    static const uint32_t offsets[] = {4, 12, 0xfffffffc, 20, 0xfffffff4, 0xfffffffc, 7, 0xfffffffe};

    put_gdt(m, SEL_TEST, DATA + 0x204, 0xfffff, TEST_DATA | AR_G);
    PUT(m, CODE, MOV_EAX(SEL_TEST), MOV_ES_AX, 0x26, 0x0f, 0xc7, 0x0b, HLT); /* cmpxchg8b es:[ebx] */
    for (unsigned i = 0; i < sizeof offsets / sizeof offsets[0]; i++) {
        put32(m, DATA + 0x204 + offsets[i], 0x1234 + i);
        put32(m, DATA + 0x208 + offsets[i], 0x5678 + i);
        m->cpu->gpr[EBX] = offsets[i];
        m->cpu->gpr[EDX] = 0;
        run(m, CODE);
        assert_int_equal(m->cpu->gpr[EAX], 0x1234 + i);
        assert_int_equal(m->cpu->gpr[EDX], 0x5678 + i);
    }
}

enum { OTHER_GDT = 0x60000 };

static void another_table_has_other_descriptors(void **state)
{
    struct machine *m = *state;

    put_segments(m);
    put_gdt(m, SEL_TEST, 0x1000, 0xffff, TEST_DATA);
    memcpy(phys_ram_host(m->phys, OTHER_GDT), phys_ram_host(m->phys, GDT), GDT_LIMIT + 1u);
    put_descriptor(m, OTHER_GDT + SEL_TEST, 0x2000, 0xffff, TEST_DATA);
    put16(m, DATA, GDT_LIMIT);
    put32(m, DATA + 2, GDT);
    put16(m, DATA + 8, GDT_LIMIT);
    put32(m, DATA + 10, OTHER_GDT);
    PUT(m, CODE, MOV_EAX(SEL_TEST), MOV_EBX(0), MOV_ES_AX, ADD_EBX_ES(0x100), LGDT(DATA + 8), MOV_ES_AX,
        ADD_EBX_ES(0x100), LGDT(DATA), MOV_ES_AX, ADD_EBX_ES(0x100), HLT);
    for (unsigned i = 0; i < 5; i++) {
        run(m, CODE);
        assert_int_equal(m->cpu->gpr[EBX], 0x102);
    }
}

static void a_shorter_table_ends_before_its_descriptors(void **state)
{
    struct machine *m = *state;

    PUT(m, HANDLER(VEC_GP), HLT);
    put_gdt(m, SEL_TEST, 0x1000, 0xffff, TEST_DATA);
    put16(m, DATA, SEL_TEST - 1);
    put32(m, DATA + 2, GDT);
    PUT(m, CODE, MOV_EAX(SEL_TEST), MOV_ES_AX, MOV_ES_AX, LGDT(DATA), MOV_ES_AX, HLT);
    for (unsigned i = 0; i < 5; i++) {
        enter_protected(m, 0);
        run(m, CODE);
        assert_int_equal(m->cpu->eip, HANDLER(VEC_GP) + 1);
        assert_int_equal(get32(m, STACK0 - 16), SEL_TEST);
    }
}

/* The same selector at CPL 0 and at CPL 3. */
static void a_descriptor_is_for_those_who_may_load_it(void **state)
{
    struct machine *m = *state;

    PUT(m, HANDLER(VEC_GP), HLT);
    put_gdt(m, SEL_TEST, 0x1000, 0xffff, TEST_DATA);
    PUT(m, CODE, MOV_EAX(SEL_TEST), MOV_ES_AX, MOV_ES_AX, HLT);
    for (unsigned i = 0; i < 6; i++) {
        const unsigned cpl = i & 1 ? 3 : 0;

        enter_protected(m, cpl);
        m->cpu->seg[ES].access = SEG_CLASS_64K; /* as if one like it were loaded already */
        m->cpu->seg[ES].limit = 0xffff;
        run(m, CODE);
        assert_int_equal(m->cpu->eip, cpl ? HANDLER(VEC_GP) + 1 : CODE + 10);
        if (cpl)
            assert_int_equal(get32(m, STACK0 - 24), SEL_TEST); /* not of HLT */
    }
}

/* ---- x87's pointers ---- */

static void they_name_the_data_segment_of_their_time(void **state)
{
    struct machine *m = *state;

    put_gdt(m, SEL_TEST, 0x1000, 0xfffff, TEST_DATA | AR_G);
    put_gdt(m, SEL_TEST2, 0x2000, 0xfffff, TEST_DATA | AR_G);
    PUT(m, CODE, MOV_EAX(SEL_TEST), MOV_ES_AX, 0xdb, 0xe3, 0x26, 0xd9, 0x05, LE32(0x100), MOV_EAX(SEL_TEST2), MOV_ES_AX,
        HLT); /* fninit; fld dword es:[100] */
    for (unsigned i = 0; i < 5; i++) {
        run(m, CODE);
        assert_int_equal(m->cpu->seg[ES].selector, SEL_TEST2);
        assert_int_equal(m->cpu->fpu.dp_selector, SEL_TEST);
    }
}

static void they_name_the_code_segment_of_their_time(void **state)
{
    struct machine *m = *state;

    /* fninit; fld dword [1000]; mov ax, cs; jmp 0100:700d, which is what follows */
    PUT(m, CODE, 0xdb, 0xe3, 0xd9, 0x06, 0x00, 0x10, 0x8c, 0xc8, 0xea, 0x0d, 0x70, 0x00, 0x01, HLT);
    for (unsigned i = 0; i < 5; i++) {
        enter_real(m);
        run(m, CODE);
        assert_int_equal(m->cpu->seg[CS].selector, 0x100);
        assert_int_equal(m->cpu->eip, 0x700e);
        assert_int_equal(m->cpu->fpu.ip_selector, 0);
        assert_int_equal(m->cpu->fpu.ip_offset & 0xffff, CODE + 2);
    }
}

/* ---- time ---- */

/* What C code may leave behind: nothing of it is to reach the guest. */
static uint64_t spoiling_tsc(void *opaque)
{
    __asm__ volatile("xorl %%eax, %%eax\n\tmovl %%eax, %%ecx\n\tmovl %%eax, %%edx\n\tmovl %%eax, %%esi\n\t"
                     "movl %%eax, %%r8d\n\tmovl %%eax, %%r9d\n\tmovl %%eax, %%r10d\n\tmovl %%eax, %%r11d\n\t"
                     "pxor %%xmm0, %%xmm0\n\tpxor %%xmm7, %%xmm7" ::
                         : "rax", "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "xmm0", "xmm7", "cc");
    return ((struct machine *)opaque)->tsc++;
}

static void rdtsc_brings_the_counter_to_edx_and_eax_and_changes_nothing_else(void **state)
{
    struct machine *m = *state;

    m->board.tsc = spoiling_tsc;
    m->cpu->msr.tsc_offset = (uint64_t)(DATA + 8) << 32;
    /* mov [ebp], esi; stc; rdtsc; adc [ebp + 4], edi; mov [edx], ebx: the first two by one look-up */
    PUT(m, CODE, 0x89, 0x75, 0x00, 0xf9, RDTSC, 0x11, 0x7d, 0x04, 0x89, 0x1a, HLT);
    for (unsigned i = 0; i < 5; i++) {
        m->tsc = 0x80000000 + i;
        for (unsigned reg = 0; reg < 8; reg++)
            m->cpu->gpr[reg] = 0x11111111u * (reg + 1);
        m->cpu->gpr[EBP] = DATA;
        put32(m, DATA + 4, 1);
        run(m, CODE);
        for (unsigned reg = 0; reg < 8; reg++)
            assert_int_equal(m->cpu->gpr[reg], reg == EAX   ? 0x80000000 + i
                                               : reg == EDX ? DATA + 8
                                               : reg == EBP ? DATA
                                                            : 0x11111111u * (reg + 1));
        assert_int_equal(get32(m, DATA), 0x77777777);
        assert_int_equal(get32(m, DATA + 4), 0x88888888u + 2);
        assert_int_equal(get32(m, DATA + 8), 0x44444444);
    }
}

static void rdtsc_leaves_the_units_registers_alone(void **state)
{
    struct machine *m = *state;

    m->board.tsc = spoiling_tsc;
    m->cpu->cr4 |= CR4_OSFXSR;
    m->cpu->fpu.mxcsr = 0x1f80;
    /* fninit; jmp to the next; fld1; movaps xmm0, xmm1; movaps xmm7, xmm1; rdtsc; addps xmm0, xmm7; fadd st0, st0;
     * fistp dword [DATA]; movaps [DATA + 16], xmm0 */
    PUT(m, CODE, 0xdb, 0xe3, 0xeb, 0x00, 0xd9, 0xe8, 0x0f, 0x28, 0xc1, 0x0f, 0x28, 0xf9, RDTSC, 0x0f, 0x58, 0xc7, 0xd8,
        0xc0, 0xdb, 0x1d, LE32(DATA), 0x0f, 0x29, 0x05, LE32(DATA + 16), HLT);
    for (unsigned i = 0; i < 5; i++) {
        for (unsigned n = 0; n < 4; n++)
            m->cpu->fpu.xmm[1].d[n] = 0x3f800000; /* 1.0 */
        run(m, CODE);
        assert_int_equal(get32(m, DATA), 2);
        for (unsigned n = 0; n < 4; n++)
            assert_int_equal(get32(m, DATA + 16 + 4 * n), 0x40000000);
    }
}

/* In code that was translated while it was allowed too. HLT faults as well, at CPL 3. */
static void cr4_tsd_keeps_the_counter_from_programs(void **state)
{
    struct machine *m = *state;

    PUT(m, HANDLER(VEC_GP), HLT);
    PUT(m, CODE, RDTSC, HLT);
    m->tsc = 1;
    for (unsigned i = 0; i < 8; i++) {
        const bool is_forbidden = i & 1;
        const unsigned cpl = i & 2 ? 0 : 3;

        enter_protected(m, cpl);
        m->cpu->cr4 = is_forbidden ? CR4_TSD : 0;
        m->cpu->gpr[EAX] = m->cpu->gpr[EDX] = 0x55;
        run(m, CODE);
        assert_int_equal(m->cpu->gpr[EAX], is_forbidden && cpl ? 0x55 : 1);
        assert_int_equal(m->cpu->gpr[EDX], is_forbidden && cpl ? 0x55 : 0);
        if (cpl)
            assert_int_equal(get32(m, STACK0 - 20), is_forbidden ? CODE : CODE + 2);
    }
}

/* ---- PUSHA and POPA ---- */

/* At the end of a page, and where SP wraps. */
static void all_registers_come_back_from_wherever_they_were_pushed(void **state)
{
    struct machine *m = *state;
    static const uint32_t stacks[] = {0x2000, 0x2010, 0x200e, 0x2020, 0x1ff0, 0x10, 0x0e, 0, 2, 0xffff};

    PUT(m, CODE, 0x60, 0x31, 0xc0, 0x31, 0xdb, 0x31, 0xff, 0x61, HLT); /* pusha; xor of three registers; popa */
    for (unsigned bits = 16; bits <= 32; bits += 16)
        for (unsigned i = 0; i < sizeof stacks / sizeof stacks[0]; i++) {
            if (bits == 32) {
                enter_protected(m, 0);
            } else {
                enter_real(m);
                segment_load_real(m->cpu, SS, (STACK3 >> 4) + 0x34);
            }
            for (unsigned n = 0; n < 4; n++) {
                for (unsigned reg = 0; reg < 8; reg++)
                    m->cpu->gpr[reg] = 0x11111111u * (reg + 1) + n;
                m->cpu->gpr[ESP] = stacks[i] + (bits == 32 ? STACK3 : 0);
                run(m, CODE);
                assert_int_equal(m->cpu->eip, CODE + 9);
                for (unsigned reg = 0; reg < 8; reg++)
                    assert_int_equal(m->cpu->gpr[reg],
                                     reg == ESP ? stacks[i] + (bits == 32 ? STACK3 : 0) : 0x11111111u * (reg + 1) + n);
            }
        }
}

/* Two pages that follow each other are elsewhere in memory. */
static void all_registers_are_pushed_across_pages(void **state)
{
    struct machine *m = *state;
    const uint32_t upper = 0x31000, frame = 0x36000;

    PUT(m, CODE, 0x60, 0x61, 0x60, HLT); /* pusha; popa; pusha */
    for (unsigned i = 0; i < 3; i++) {
        enter_protected(m, 0);
        enable_paging(m);
        put32(m, PAGE_TABLE + (upper >> 12) * 4, frame | 7);
        mmu_flush(&m->cpu->mmu);
        for (unsigned reg = 0; reg < 8; reg++)
            m->cpu->gpr[reg] = 0x100 * i + reg;
        m->cpu->gpr[ESP] = upper + 12;
        run(m, CODE);
        for (unsigned reg = 0; reg < 8; reg++) {
            const uint32_t at = upper + 12 - 4 * (reg + 1);

            assert_int_equal(get32(m, at < upper ? at : at - upper + frame), reg == ESP ? upper + 12 : 0x100 * i + reg);
        }
    }
}

/* ---- all tests for all engines ---- */

static const struct engine_test tests[] = {
    TEST(a_pending_interrupt_comes_right_behind_popf),
    TEST(a_pending_interrupt_waits_where_flags_do_not_let_it_in),
    TEST(what_holds_interrupts_back_does_so_across_blocks),
    TEST(iret_lets_the_next_nmi_in),
    TEST(the_resume_flag_lasts_for_one_instruction),
    TEST(a_changed_descriptor_counts_from_the_next_load_on),
    TEST(a_cleared_accessed_bit_is_set_again),
    TEST(a_load_that_was_interpreted_ends_its_block_if_the_kind_changes),
    TEST(a_real_mode_load_leaves_rights_as_the_interpreter_does),
    TEST(no_unaligned_access_wraps_at_64_kib),
    TEST(a_segment_of_4_gib_goes_on_with_its_beginning),
    TEST(another_table_has_other_descriptors),
    TEST(a_shorter_table_ends_before_its_descriptors),
    TEST(a_descriptor_is_for_those_who_may_load_it),
    TEST(they_name_the_data_segment_of_their_time),
    TEST(they_name_the_code_segment_of_their_time),
    TEST(rdtsc_brings_the_counter_to_edx_and_eax_and_changes_nothing_else),
    TEST(rdtsc_leaves_the_units_registers_alone),
    TEST(cr4_tsd_keeps_the_counter_from_programs),
    TEST(all_registers_come_back_from_wherever_they_were_pushed),
    TEST(all_registers_are_pushed_across_pages),
};

int main(void)
{
    return run_by_each_engine("sensitive instructions in blocks", tests, sizeof tests / sizeof tests[0]);
}
