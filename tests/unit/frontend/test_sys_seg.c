/* Segment loads and checks, descriptor tables, LAR and its kin. */
#include "tests/unit/frontend/sys_fixture.h"

#define MOV_DS_AX 0x8e, 0xd8
#define MOV_ES_AX 0x8e, 0xc0
#define MOV_SS_AX 0x8e, 0xd0
#define LOAD_DS   0xa1, 0x00, 0x00, 0x00, 0x00 /* mov eax, [0] */

static void load_ds(struct machine *m, uint16_t selector)
{
    m->cpu->gpr[EAX] = selector;
    EXEC(m, MOV_DS_AX);
}

/* ---- loads ---- */

static void data_segment_load_sets_cache_and_accessed_bit(void **state)
{
    struct machine *m = *state;

    enter_protected(m, 0);
    put_gdt(m, SEL_TEST, 0x12345678, 0x54321, (TEST_DATA & ~AR_ACCESSED) | AR_AVL);
    load_ds(m, SEL_TEST);
    assert_int_equal(m->cpu->eip, CODE + 2);
    assert_int_equal(m->cpu->seg[DS].selector, SEL_TEST);
    assert_int_equal(m->cpu->seg[DS].base, 0x12345678);
    assert_int_equal(m->cpu->seg[DS].limit, 0x54321);
    assert_int_equal(m->cpu->seg[DS].ar, TEST_DATA | AR_AVL);
    assert_int_equal(get8(m, GDT + SEL_TEST + 5), TEST_DATA & 0xff);

    put_gdt(m, SEL_TEST, 0, 0x12345, TEST_DATA | AR_G);
    load_ds(m, SEL_TEST);
    assert_int_equal(m->cpu->seg[DS].limit, 0x12345fff);
}

static void data_segment_load_checks_in_order(void **state)
{
    struct machine *m = *state;
    static const struct {
        uint16_t selector, ar;
        uint8_t cpl, vector, rpl;
    } cases[] = {
        {SEL_TEST, AR_P | AR_S | AR_CODE, 0, VEC_GP, 0}, /* execute-only code */
        {SEL_TEST, AR_P | TYPE_LDT, 0, VEC_GP, 0},       /* system */
        {SEL_TEST, TEST_DATA, 3, VEC_GP, 3},             /* CPL > DPL */
        {SEL_TEST, TEST_DATA, 3, VEC_GP, 0},             /* CPL > DPL even with RPL 0 */
        {SEL_TEST, TEST_DATA, 0, VEC_GP, 3},             /* RPL > DPL */
        {SEL_TEST, TEST_CODE, 0, VEC_GP, 3},             /* non-conforming code as data */
        {SEL_TEST, TEST_DATA & ~AR_P, 0, VEC_NP, 0},
        {SEL_TEST, (TEST_DATA & ~AR_P) | DPL3, 3, VEC_NP, 3},
        {0x100, 0, 0, VEC_GP, 0},                  /* beyond the table */
        {SEL_TEST | SELECTOR_TI, 0, 0, VEC_GP, 0}, /* LDTR is null */
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint16_t selector = cases[i].selector | cases[i].rpl;

        enter_protected(m, cases[i].cpl);
        put_gdt(m, SEL_TEST, 0, 0xfffff, cases[i].ar);
        load_ds(m, selector);
        assert_fault(m, cases[i].vector, selector & ~3u);
        assert_int_equal(get32(m, m->cpu->gpr[ESP] + 4), CODE);
        assert_int_equal(m->cpu->seg[DS].selector, cases[i].cpl ? SEL_DATA3 : SEL_DATA0);
    }
}

static void conforming_code_loads_as_data_at_any_level(void **state)
{
    struct machine *m = *state;

    enter_protected(m, 3);
    load_ds(m, SEL_CONFORMING | 3);
    assert_int_equal(m->cpu->eip, CODE + 2);
    assert_int_equal(m->cpu->seg[DS].selector, SEL_CONFORMING | 3);
}

static void null_selector_loads_but_does_not_serve(void **state)
{
    struct machine *m = *state;

    enter_protected(m, 0);
    load_ds(m, 3);
    assert_int_equal(m->cpu->eip, CODE + 2);
    assert_int_equal(m->cpu->seg[DS].selector, 3);
    EXEC(m, LOAD_DS);
    assert_fault(m, VEC_GP, 0);
}

static void ldt_descriptors_are_found_through_ldtr(void **state)
{
    struct machine *m = *state;

    enter_protected(m, 0);
    put_descriptor(m, LDT + 8, 0x777000, 0xfff, TEST_DATA);
    m->cpu->gpr[EAX] = SEL_LDT;
    EXEC(m, 0x0f, 0x00, 0xd0); /* lldt ax */
    load_ds(m, 8 | SELECTOR_TI);
    assert_int_equal(m->cpu->seg[DS].base, 0x777000);
    load_ds(m, 0x40 | SELECTOR_TI); /* LDT limit is 3f */
    assert_fault(m, VEC_GP, 0x44);
}

static void stack_segment_load_checks_in_order(void **state)
{
    struct machine *m = *state;
    static const struct {
        uint16_t selector, ar;
        uint8_t cpl, vector;
        uint16_t error;
    } cases[] = {
        {0, 0, 0, VEC_GP, 0},
        {SEL_TEST | 3, TEST_DATA, 0, VEC_GP, SEL_TEST},    /* RPL != CPL */
        {SEL_TEST, TEST_DATA | DPL3, 0, VEC_GP, SEL_TEST}, /* DPL != CPL */
        {SEL_TEST, TEST_DATA & ~AR_WRITABLE, 0, VEC_GP, SEL_TEST},
        {SEL_TEST, TEST_CODE, 0, VEC_GP, SEL_TEST},
        {SEL_TEST, TEST_DATA & ~AR_P, 0, VEC_SS, SEL_TEST},
        {SEL_TEST | 3, (TEST_DATA | DPL3) & ~AR_P, 3, VEC_SS, SEL_TEST},
        {0x108, 0, 0, VEC_GP, 0x108},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        enter_protected(m, cases[i].cpl);
        put_gdt(m, SEL_TEST, 0, 0xfffff, cases[i].ar);
        m->cpu->gpr[EAX] = cases[i].selector;
        EXEC(m, MOV_SS_AX);
        assert_fault(m, cases[i].vector, cases[i].error);
    }
    enter_protected(m, 0);
    put_gdt(m, SEL_TEST, 0, 0xfffff, TEST_DATA & ~AR_DB & ~AR_ACCESSED);
    m->cpu->gpr[EAX] = SEL_TEST;
    EXEC(m, MOV_SS_AX);
    assert_int_equal(m->cpu->seg[SS].selector, SEL_TEST);
    assert_false(cpu_stack32(m->cpu));
}

static void fault_on_accessed_bit_leaves_register_alone(void **state)
{
    struct machine *m = *state;

    enter_protected(m, 0);
    enable_paging(m);
    m->cpu->cr0 |= CR0_WP;
    cpu_derive_paging(m->cpu);
    put_gdt(m, SEL_TEST, 0x1000, 0xfff, TEST_DATA & ~AR_ACCESSED);
    put32(m, PAGE_TABLE + (GDT >> 12) * 4, GDT | 5); /* read-only */
    mmu_flush(&m->cpu->mmu);
    load_ds(m, SEL_TEST);
    assert_fault(m, VEC_PF, PF_PRESENT | PF_WRITE); /* a supervisor access */
    assert_int_equal(m->cpu->cr2, GDT + SEL_TEST + 5);
    assert_int_equal(m->cpu->seg[DS].selector, SEL_DATA0);
}

static void table_reads_are_supervisor_accesses(void **state)
{
    struct machine *m = *state;

    enter_protected(m, 3);
    enable_paging(m);
    put32(m, PAGE_TABLE + (GDT >> 12) * 4, GDT | 3); /* not for users */
    mmu_flush(&m->cpu->mmu);
    load_ds(m, SEL_DATA3);
    assert_int_equal(m->cpu->eip, CODE + 2);
}

static void mov_to_cs_and_unknown_sregs_are_undefined(void **state)
{
    struct machine *m = *state;
    static const uint8_t modrm[] = {0xc8, 0xf0, 0xf8}; /* CS, 6, 7 */

    for (size_t i = 0; i < 3; i++) {
        enter_protected(m, 0);
        EXEC(m, 0x8e, modrm[i]);
        assert_trap(m, VEC_UD, CODE);
    }
    for (size_t i = 1; i < 3; i++) {
        enter_protected(m, 0);
        EXEC(m, 0x8c, modrm[i]);
        assert_trap(m, VEC_UD, CODE);
    }
}

static void reads_of_sregs_zero_extend_registers_and_store_words(void **state)
{
    struct machine *m = *state;

    enter_protected(m, 0);
    m->cpu->gpr[EAX] = 0xffffffff;
    EXEC(m, 0x8c, 0xd8); /* mov eax, ds */
    assert_int_equal(m->cpu->gpr[EAX], SEL_DATA0);
    m->cpu->gpr[EAX] = 0xffffffff;
    EXEC(m, 0x66, 0x8c, 0xd8); /* mov ax, ds */
    assert_int_equal(m->cpu->gpr[EAX], 0xffff0000u | SEL_DATA0);
    put32(m, DATA, 0xffffffff);
    m->cpu->gpr[EBX] = DATA;
    EXEC(m, 0x8c, 0x0b); /* mov [ebx], cs */
    assert_int_equal(get32(m, DATA), 0xffff0000u | SEL_CODE0);
}

static void push_and_pop_sregs_follow_operand_size(void **state)
{
    struct machine *m = *state;

    enter_protected(m, 0);
    EXEC(m, 0x0f, 0xa8); /* push gs */
    assert_int_equal(m->cpu->gpr[ESP], STACK0 - 4);
    assert_int_equal(get32(m, STACK0 - 4), SEL_DATA0);
    EXEC(m, 0x66, 0x0e); /* push cs, 16 bits */
    assert_int_equal(m->cpu->gpr[ESP], STACK0 - 6);
    assert_int_equal(get16(m, STACK0 - 6), SEL_CODE0);
    put16(m, STACK0 - 6, 0);
    EXEC(m, 0x66, 0x07); /* pop es, 16 bits */
    assert_int_equal(m->cpu->seg[ES].selector, 0);
    EXEC(m, 0x0f, 0xa1); /* pop fs */
    assert_int_equal(m->cpu->seg[FS].selector, SEL_DATA0);
    assert_int_equal(m->cpu->gpr[ESP], STACK0);
    m->cpu->gpr[ESP] = STACK0 - 4;
    put32(m, STACK0 - 4, 0x104);
    EXEC(m, 0x1f); /* pop ds */
    assert_fault(m, VEC_GP, 0x104);
}

static void pop_ss_counts_on_the_old_stack_and_shadows(void **state)
{
    struct machine *m = *state;

    enter_protected(m, 0);
    m->cpu->gpr[ESP] = STACK0 - 4;
    put32(m, STACK0 - 4, SEL_STACK16);
    EXEC(m, 0x17);
    assert_int_equal(m->cpu->seg[SS].selector, SEL_STACK16);
    assert_int_equal(m->cpu->gpr[ESP], STACK0);
    assert_int_equal(m->cpu->shadow_next, SHADOW_MOV_SS);
}

static void far_pointer_loads_set_both_halves_or_none(void **state)
{
    struct machine *m = *state;
    static const struct {
        uint8_t prefix, opcode;
        unsigned seg;
    } cases[] = {{0x90, 0xc4, ES}, {0x90, 0xc5, DS}, {0x0f, 0xb2, SS}, {0x0f, 0xb4, FS}, {0x0f, 0xb5, GS}};

    for (size_t i = 0; i < 5; i++) {
        enter_protected(m, 0);
        put_gdt(m, SEL_TEST, 0, 0xfffff, TEST_DATA | AR_G);
        put32(m, DATA, 0xdeadbeef);
        put16(m, DATA + 4, SEL_TEST);
        m->cpu->gpr[EBX] = DATA;
        CODE_BYTES(m, cases[i].prefix, cases[i].opcode, 0x13); /* Lxx edx, [ebx] */
        if (cases[i].prefix == 0x90)
            cpu_step(m->cpu);
        cpu_step(m->cpu);
        assert_int_equal(m->cpu->gpr[EDX], 0xdeadbeef);
        assert_int_equal(m->cpu->seg[cases[i].seg].selector, SEL_TEST);
    }
    enter_protected(m, 0);
    put16(m, DATA + 4, 0x200);
    m->cpu->gpr[EDX] = 5;
    EXEC(m, 0xc4, 0x13);
    assert_fault(m, VEC_GP, 0x200);
    assert_int_equal(m->cpu->gpr[EDX], 5);

    enter_protected(m, 0);
    put32(m, DATA, 0x00085678); /* 16-bit form: offset 5678, selector 0008 */
    EXEC(m, 0x66, 0xc5, 0x13);
    assert_int_equal(m->cpu->gpr[EDX], 0x5678);
    assert_int_equal(m->cpu->seg[DS].selector, SEL_CODE0);
}

/* ---- checks ---- */

static void limit_counts_the_last_byte(void **state)
{
    struct machine *m = *state;

    enter_protected(m, 0);
    put_gdt(m, SEL_TEST, DATA, 0x1003, TEST_DATA);
    load_ds(m, SEL_TEST);
    EXEC(m, 0xa1, 0x00, 0x10, 0x00, 0x00); /* mov eax, [1000] */
    assert_int_equal(m->cpu->eip, CODE + 7);
    EXEC(m, 0xa1, 0x01, 0x10, 0x00, 0x00);
    assert_fault(m, VEC_GP, 0);

    enter_protected(m, 0);
    put_gdt(m, SEL_TEST, DATA, 2, TEST_DATA); /* below the 16 bytes of the fast check */
    load_ds(m, SEL_TEST);
    EXEC(m, 0xa0, 0x02, 0x00, 0x00, 0x00); /* mov al, [2] */
    assert_int_equal(m->cpu->eip, CODE + 7);
    EXEC(m, 0x66, 0xa1, 0x02, 0x00, 0x00, 0x00);
    assert_fault(m, VEC_GP, 0);
}

static void expand_down_segments_are_valid_above_the_limit(void **state)
{
    struct machine *m = *state;

    enter_protected(m, 0);
    put_gdt(m, SEL_TEST, 0, 0xfff, (TEST_DATA | AR_EXPAND_DOWN) & ~AR_DB);
    load_ds(m, SEL_TEST);
    EXEC(m, 0xa1, 0x00, 0x10, 0x00, 0x00);
    assert_int_equal(m->cpu->eip, CODE + 7);
    EXEC(m, 0xa0, 0xff, 0xff, 0x00, 0x00); /* al, [ffff]: the last byte with B = 0 */
    assert_int_equal(m->cpu->eip, CODE + 12);
    EXEC(m, 0xa1, 0xfd, 0xff, 0x00, 0x00);
    assert_fault(m, VEC_GP, 0);

    enter_protected(m, 0);
    put_gdt(m, SEL_TEST, 0, 0xfff, TEST_DATA | AR_EXPAND_DOWN);
    load_ds(m, SEL_TEST);
    EXEC(m, 0xa1, 0xfd, 0xff, 0x00, 0x00); /* B = 1: up to 4 GiB */
    assert_int_equal(m->cpu->eip, CODE + 7);
    EXEC(m, 0xa1, 0xff, 0x0f, 0x00, 0x00);
    assert_fault(m, VEC_GP, 0);
}

static void writes_need_writable_data(void **state)
{
    struct machine *m = *state;

    enter_protected(m, 0);
    put_gdt(m, SEL_TEST, DATA, 0xffff, TEST_DATA & ~AR_WRITABLE);
    load_ds(m, SEL_TEST);
    EXEC(m, LOAD_DS);
    assert_int_equal(m->cpu->eip, CODE + 7);
    EXEC(m, 0xa3, 0, 0, 0, 0); /* mov [0], eax */
    assert_fault(m, VEC_GP, 0);

    enter_protected(m, 0);
    EXEC(m, 0x2e, 0xa3, 0, 0, 5, 0); /* mov cs:[50000], eax */
    assert_fault(m, VEC_GP, 0);
}

static void code_reads_need_readable_code(void **state)
{
    struct machine *m = *state;

    enter_protected(m, 0);
    put_gdt(m, SEL_TEST, 0, 0xfffff, TEST_CODE & ~AR_READABLE);
    load_segment(m, CS, SEL_TEST);
    EXEC(m, 0x2e, 0xa1, 0, 0, 5, 0);
    assert_fault(m, VEC_GP, 0);
}

static void stack_violations_are_stack_faults(void **state)
{
    struct machine *m = *state;

    enter_protected(m, 0);
    put_gdt(m, SEL_TEST, 0, 0x1fff, TEST_DATA | DPL3);
    enter_protected(m, 3);
    load_segment(m, SS, SEL_TEST | 3);
    m->cpu->gpr[ESP] = 0x3000;
    EXEC(m, 0x50); /* push eax */
    assert_fault(m, VEC_SS, 0);
}

static void real_mode_word_at_ffff_is_a_fault(void **state)
{
    struct machine *m = *state;

    enter_real(m);
    put16(m, VEC_GP * 4, 0x7000);
    EXEC(m, 0xa1, 0xff, 0xff); /* mov ax, [ffff] */
    assert_int_equal(m->cpu->eip, 0x7000);
    assert_int_equal(m->cpu->gpr[ESP], 0x1000 - 6); /* no error code in real mode */
    assert_int_equal(get16(m, STACK0 + 0x1000 - 6), CODE);
}

static void real_mode_writes_through_cs(void **state)
{
    struct machine *m = *state;

    enter_real(m);
    m->cpu->gpr[EAX] = 0x1234;
    EXEC(m, 0x2e, 0xa3, 0x00, 0x60); /* mov cs:[6000], ax */
    assert_int_equal(get16(m, 0x6000), 0x1234);
}

static void unreal_limit_survives_real_mode_loads(void **state)
{
    struct machine *m = *state;

    enter_real(m);
    m->cpu->seg[DS].limit = 0xffffffff;
    m->cpu->seg[DS].ar |= AR_G;
    m->cpu->gpr[EAX] = 0x100;
    EXEC(m, MOV_DS_AX);
    assert_int_equal(m->cpu->seg[DS].base, 0x1000);
    assert_int_equal(m->cpu->seg[DS].limit, 0xffffffff);
    put32(m, 0x101000, 0xcafef00d);
    m->cpu->gpr[EBX] = 0x100000;
    EXEC(m, 0x67, 0x66, 0x8b, 0x03); /* mov eax, [ebx] */
    assert_int_equal(m->cpu->gpr[EAX], 0xcafef00d);
}

static void real_mode_load_revives_a_null_segment(void **state)
{
    struct machine *m = *state;

    enter_real(m);
    segment_set_null(m->cpu, DS, 0);
    m->cpu->gpr[EAX] = 0x10;
    EXEC(m, MOV_DS_AX);
    assert_int_equal(m->cpu->seg[DS].base, 0x100);
    assert_int_equal(m->cpu->seg[DS].limit, 0xffff);
}

static void accesses_past_4_gib_wrap(void **state)
{
    struct machine *m = *state;

    enter_protected(m, 0);
    EXEC(m, 0xa1, 0xfe, 0xff, 0xff, 0xff); /* mov eax, [fffffffe] */
    assert_int_equal(m->cpu->eip, CODE + 5);
    assert_int_equal(m->cpu->gpr[EAX] >> 16, get16(m, 0));
}

static void alignment_is_checked_for_users_who_ask(void **state)
{
    struct machine *m = *state;

    enter_protected(m, 3);
    m->cpu->cr0 |= CR0_AM;
    cpu_commit_eflags(m->cpu, EFLAGS_AC, EFLAGS_AC);
    EXEC(m, 0xa1, 4, 0, 5, 0);
    assert_int_equal(m->cpu->eip, CODE + 5);
    EXEC(m, 0xa0, 5, 0, 5, 0); /* a byte is always aligned */
    assert_int_equal(m->cpu->eip, CODE + 10);
    EXEC(m, 0xa1, 2, 0, 5, 0);
    assert_fault(m, VEC_AC, 0);
    EXEC(m, 0xa1, 2, 0, 5, 0); /* the handler, at CPL 0, is not checked */
    assert_int_equal(m->cpu->eip, HANDLER(VEC_AC) + 5);

    enter_protected(m, 3);
    EXEC(m, 0xa1, 2, 0, 5, 0); /* AC is off again */
    assert_int_equal(m->cpu->eip, CODE + 5);
}

/* ---- tables ---- */

static void table_registers_load_and_store(void **state)
{
    struct machine *m = *state;

    enter_protected(m, 0);
    m->cpu->gpr[EBX] = DATA;
    put16(m, DATA, 0x1234);
    put32(m, DATA + 2, 0x89abcdef);
    EXEC(m, 0x0f, 0x01, 0x13); /* lgdt [ebx] */
    assert_int_equal(m->cpu->gdtr.limit, 0x1234);
    assert_int_equal(m->cpu->gdtr.base, 0x89abcdef);
    EXEC(m, 0x66, 0x0f, 0x01, 0x1b); /* lidt, 24-bit base */
    assert_int_equal(m->cpu->idtr.base, 0xabcdef);
    put32(m, DATA, 0);
    put32(m, DATA + 4, 0x5a5a0000);
    EXEC(m, 0x0f, 0x01, 0x03); /* sgdt */
    assert_int_equal(get32(m, DATA), 0xcdef1234);
    assert_int_equal(get32(m, DATA + 4), 0x5a5a89ab);
    EXEC(m, 0x0f, 0x01, 0x0b); /* sidt */
    assert_int_equal(get32(m, DATA + 2), 0xabcdef);

    enter_protected(m, 3);
    m->cpu->gpr[EBX] = DATA;
    EXEC(m, 0x0f, 0x01, 0x13);
    assert_fault(m, VEC_GP, 0);
    enter_protected(m, 3);
    EXEC(m, 0x0f, 0x01, 0x1b);
    assert_fault(m, VEC_GP, 0);
}

static void sgdt_across_a_missing_page_stores_nothing(void **state)
{
    struct machine *m = *state;

    enter_protected(m, 0);
    enable_paging(m);
    unmap(m, DATA + 0x1000);
    put32(m, DATA + 0xffc, 0x11111111);
    m->cpu->gpr[EBX] = DATA + 0xffc;
    EXEC(m, 0x0f, 0x01, 0x03);
    assert_fault(m, VEC_PF, PF_WRITE);
    assert_int_equal(m->cpu->cr2, DATA + 0x1000);
    assert_int_equal(get32(m, DATA + 0xffc), 0x11111111);
}

static void lldt_checks_its_descriptor(void **state)
{
    struct machine *m = *state;

    enter_protected(m, 0);
    m->cpu->gpr[EAX] = SEL_DATA0;
    EXEC(m, 0x0f, 0x00, 0xd0);
    assert_fault(m, VEC_GP, SEL_DATA0);
    enter_protected(m, 0);
    m->cpu->gpr[EAX] = SEL_LDT | SELECTOR_TI;
    EXEC(m, 0x0f, 0x00, 0xd0);
    assert_fault(m, VEC_GP, SEL_LDT | SELECTOR_TI);
    enter_protected(m, 0);
    put_gdt(m, SEL_TEST, 0, 0, TYPE_LDT);
    m->cpu->gpr[EAX] = SEL_TEST;
    EXEC(m, 0x0f, 0x00, 0xd0);
    assert_fault(m, VEC_NP, SEL_TEST);
    enter_protected(m, 0);
    m->cpu->ldtr.ar = AR_P | TYPE_LDT;
    m->cpu->gpr[EAX] = 2;
    EXEC(m, 0x0f, 0x00, 0xd0); /* null: no LDT */
    assert_int_equal(m->cpu->ldtr.ar, 0);
    EXEC(m, 0x0f, 0x00, 0xc1); /* sldt ecx */
    assert_int_equal(m->cpu->gpr[ECX], 2);
    enter_protected(m, 3);
    EXEC(m, 0x0f, 0x00, 0xd0);
    assert_fault(m, VEC_GP, 0);
    enter_real(m);
    put16(m, VEC_UD * 4, 0x7000);
    EXEC(m, 0x0f, 0x00, 0xd0);
    assert_int_equal(m->cpu->eip, 0x7000);
}

static void ltr_marks_the_tss_busy(void **state)
{
    struct machine *m = *state;

    enter_protected(m, 0);
    m->cpu->gpr[EAX] = SEL_TSS_B;
    EXEC(m, 0x0f, 0x00, 0xd8); /* ltr ax */
    assert_int_equal(m->cpu->tr.base, TSS_B);
    assert_int_equal(m->cpu->tr.ar & 0xf, TYPE_TSS32_BUSY);
    assert_int_equal(get8(m, GDT + SEL_TSS_B + 5), AR_P | TYPE_TSS32_BUSY);
    EXEC(m, 0x0f, 0x00, 0xca); /* str edx */
    assert_int_equal(m->cpu->gpr[EDX], SEL_TSS_B);
    EXEC(m, 0x0f, 0x00, 0xd8); /* busy now */
    assert_fault(m, VEC_GP, SEL_TSS_B);

    enter_protected(m, 0);
    m->cpu->gpr[EAX] = 0;
    EXEC(m, 0x0f, 0x00, 0xd8);
    assert_fault(m, VEC_GP, 0);
    enter_protected(m, 0);
    put_gdt(m, SEL_TEST, 0, 0x67, TYPE_TSS16);
    m->cpu->gpr[EAX] = SEL_TEST;
    EXEC(m, 0x0f, 0x00, 0xd8);
    assert_fault(m, VEC_NP, SEL_TEST);
}

/* ---- LAR and its kin ---- */

static void lar_and_lsl_report_what_is_visible(void **state)
{
    struct machine *m = *state;
    static const struct {
        uint16_t ar;
        uint8_t rpl, cpl;
        bool lar, lsl;
    } cases[] = {
        {TEST_DATA | DPL3, 3, 3, true, true},
        {TEST_DATA, 0, 3, false, false},
        {TEST_DATA, 3, 0, false, false},
        {TEST_CODE | AR_CONFORMING, 3, 3, true, true},
        {TEST_DATA & ~AR_P, 0, 0, true, true},
        {AR_P | TYPE_CALL32, 0, 0, true, false},
        {AR_P | TYPE_INT32, 0, 0, false, false},
        {AR_P | TYPE_TSS32, 0, 0, true, true},
        {AR_P | TYPE_LDT, 0, 0, true, true},
        {AR_P | TYPE_TASK_GATE, 0, 0, true, false},
        {AR_P | TYPE_TSS16_BUSY, 0, 0, true, true},
        {AR_P | 0, 0, 0, false, false},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        enter_protected(m, cases[i].cpl);
        put_gdt(m, SEL_TEST, 0xaa000000, 0x12345, cases[i].ar);
        m->cpu->gpr[EAX] = SEL_TEST | cases[i].rpl;
        m->cpu->gpr[ECX] = 0x55555555;
        EXEC(m, 0x0f, 0x02, 0xc8); /* lar ecx, ax */
        assert_int_equal(flag_zf(m->cpu), cases[i].lar);
        assert_int_equal(m->cpu->gpr[ECX], cases[i].lar ? (uint32_t)cases[i].ar << 8 | 0x10000 : 0x55555555u);
        m->cpu->gpr[ECX] = 0x55555555;
        EXEC(m, 0x0f, 0x03, 0xc8); /* lsl ecx, ax */
        assert_int_equal(flag_zf(m->cpu), cases[i].lsl);
        assert_int_equal(m->cpu->gpr[ECX], cases[i].lsl ? 0x12345u : 0x55555555u);
    }
    m->cpu->gpr[EAX] = 0;
    EXEC(m, 0x0f, 0x02, 0xc8);
    assert_false(flag_zf(m->cpu));
    m->cpu->gpr[EAX] = 0x200;
    EXEC(m, 0x0f, 0x02, 0xc8);
    assert_false(flag_zf(m->cpu));
}

static void verr_and_verw_test_rights(void **state)
{
    struct machine *m = *state;
    static const struct {
        uint16_t ar;
        bool verr, verw;
    } cases[] = {
        {TEST_DATA, true, true},         {TEST_DATA & ~AR_WRITABLE, true, false},
        {TEST_CODE, true, false},        {TEST_CODE & ~AR_READABLE, false, false},
        {AR_P | TYPE_LDT, false, false},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        enter_protected(m, 0);
        put_gdt(m, SEL_TEST, 0, 0, cases[i].ar);
        m->cpu->gpr[EAX] = SEL_TEST;
        EXEC(m, 0x0f, 0x00, 0xe0);
        assert_int_equal(flag_zf(m->cpu), cases[i].verr);
        EXEC(m, 0x0f, 0x00, 0xe8);
        assert_int_equal(flag_zf(m->cpu), cases[i].verw);
    }
}

static void arpl_raises_rpl_and_says_so(void **state)
{
    struct machine *m = *state;

    enter_protected(m, 3);
    m->cpu->gpr[EAX] = 0xffff0010;
    m->cpu->gpr[ECX] = 3;
    EXEC(m, 0x63, 0xc8); /* arpl ax, cx */
    assert_int_equal(m->cpu->gpr[EAX], 0xffff0013);
    assert_true(flag_zf(m->cpu));
    EXEC(m, 0x63, 0xc8);
    assert_false(flag_zf(m->cpu));
    put16(m, DATA, 0x20);
    m->cpu->gpr[EBX] = DATA;
    EXEC(m, 0x63, 0x0b); /* arpl [ebx], cx */
    assert_int_equal(get16(m, DATA), 0x23);
    enter_v86(m, 3);
    EXEC(m, 0x63, 0xc8);
    assert_trap(m, VEC_UD, CODE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MACHINE_TEST(data_segment_load_sets_cache_and_accessed_bit),
        MACHINE_TEST(data_segment_load_checks_in_order),
        MACHINE_TEST(conforming_code_loads_as_data_at_any_level),
        MACHINE_TEST(null_selector_loads_but_does_not_serve),
        MACHINE_TEST(ldt_descriptors_are_found_through_ldtr),
        MACHINE_TEST(stack_segment_load_checks_in_order),
        MACHINE_TEST(fault_on_accessed_bit_leaves_register_alone),
        MACHINE_TEST(table_reads_are_supervisor_accesses),
        MACHINE_TEST(mov_to_cs_and_unknown_sregs_are_undefined),
        MACHINE_TEST(reads_of_sregs_zero_extend_registers_and_store_words),
        MACHINE_TEST(push_and_pop_sregs_follow_operand_size),
        MACHINE_TEST(pop_ss_counts_on_the_old_stack_and_shadows),
        MACHINE_TEST(far_pointer_loads_set_both_halves_or_none),
        MACHINE_TEST(limit_counts_the_last_byte),
        MACHINE_TEST(expand_down_segments_are_valid_above_the_limit),
        MACHINE_TEST(writes_need_writable_data),
        MACHINE_TEST(code_reads_need_readable_code),
        MACHINE_TEST(stack_violations_are_stack_faults),
        MACHINE_TEST(real_mode_word_at_ffff_is_a_fault),
        MACHINE_TEST(real_mode_writes_through_cs),
        MACHINE_TEST(unreal_limit_survives_real_mode_loads),
        MACHINE_TEST(real_mode_load_revives_a_null_segment),
        MACHINE_TEST(accesses_past_4_gib_wrap),
        MACHINE_TEST(alignment_is_checked_for_users_who_ask),
        MACHINE_TEST(table_registers_load_and_store),
        MACHINE_TEST(sgdt_across_a_missing_page_stores_nothing),
        MACHINE_TEST(lldt_checks_its_descriptor),
        MACHINE_TEST(ltr_marks_the_tss_busy),
        MACHINE_TEST(lar_and_lsl_report_what_is_visible),
        MACHINE_TEST(verr_and_verw_test_rights),
        MACHINE_TEST(arpl_raises_rpl_and_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
