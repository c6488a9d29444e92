/* Hardware task switches and the I/O permission map. */
#include "tests/unit/frontend/sys_fixture.h"

/* Task B: CPL 0, runs at TASK_B_EIP. */
static void put_task_b(struct machine *m)
{
    memset(phys_ram_host(m->phys, TSS_B), 0, 0x68);
    put32(m, TSS_B + 0x1c, PAGE_DIRECTORY);
    put32(m, TSS_B + 0x20, TASK_B_EIP);
    put32(m, TSS_B + 0x24, EFLAGS_FIXED | EFLAGS_CF);
    for (uint32_t i = 0; i < 8; i++)
        put32(m, TSS_B + 0x28 + 4 * i, 0xb0000000 + i);
    put32(m, TSS_B + 0x28 + 4 * ESP, 0x70000);
    put32(m, TSS_B + 0x48, SEL_DATA0);
    put32(m, TSS_B + 0x4c, SEL_CODE0);
    put32(m, TSS_B + 0x50, SEL_DATA0);
    put32(m, TSS_B + 0x54, SEL_DATA0);
    put32(m, TSS_B + 0x58, 0);
    put32(m, TSS_B + 0x5c, SEL_CONFORMING);
    put32(m, TSS_B + 0x60, SEL_LDT);
}

static void enter(struct machine *m)
{
    enter_protected(m, 0);
    put_gdt(m, SEL_TSS, TSS, TSS_LIMIT, AR_P | TYPE_TSS32_BUSY);
    put_task_b(m);
    m->cpu->cr0 &= ~(uint32_t)CR0_TS;
}

static void far(struct machine *m, uint8_t opcode, uint16_t selector)
{
    EXEC(m, opcode, 0, 0, 0, 0, (uint8_t)selector, (uint8_t)(selector >> 8));
}

static bool is_busy(struct machine *m, uint16_t selector)
{
    return get8(m, GDT + selector + 5) & TYPE_TSS_BUSY;
}

static void assert_in_task_b(struct machine *m)
{
    assert_int_equal(m->cpu->eip, TASK_B_EIP);
    assert_int_equal(m->cpu->tr.selector, SEL_TSS_B);
    assert_int_equal(m->cpu->tr.base, TSS_B);
    assert_int_equal(m->cpu->tr.ar & 0xf, TYPE_TSS32_BUSY);
    assert_int_equal(m->cpu->gpr[EDI], 0xb0000007);
    assert_int_equal(m->cpu->seg[GS].selector, SEL_CONFORMING);
    assert_int_equal(m->cpu->seg[FS].ar, 0);
    assert_int_equal(m->cpu->ldtr.base, LDT);
    assert_true(m->cpu->cr0 & CR0_TS);
    assert_true(is_busy(m, SEL_TSS_B));
}

static void jmp_to_a_tss_saves_one_task_and_loads_the_other(void **state)
{
    struct machine *m = *state;

    enter(m);
    m->cpu->gpr[EAX] = 0xa0;
    m->cpu->gpr[EDI] = 0xa7;
    m->cpu->eflags = EFLAGS_NT;
    m->cpu->dr[7] = DR7_FIXED | 0x3ff;
    far(m, 0xea, SEL_TSS_B);
    assert_in_task_b(m);
    assert_int_equal(m->cpu->cr3, 0); /* no paging, no CR3 */
    assert_int_equal(cpu_get_eflags(m->cpu), EFLAGS_FIXED | EFLAGS_CF);
    assert_false(is_busy(m, SEL_TSS));
    assert_int_equal(m->cpu->dr[7], DR7_FIXED | 0x2aa); /* local enables go */
    assert_int_equal(get32(m, TSS + 0x20), CODE + 7);
    assert_int_equal(get32(m, TSS + 0x24) & EFLAGS_NT, EFLAGS_NT);
    assert_int_equal(get32(m, TSS + 0x28), 0xa0);
    assert_int_equal(get32(m, TSS + 0x28 + 4 * EDI), 0xa7);
    assert_int_equal(get16(m, TSS + 0x4c), SEL_CODE0);
    assert_int_equal(get16(m, TSS_B), 0); /* no link */
}

static void call_links_and_iret_returns(void **state)
{
    struct machine *m = *state;

    enter(m);
    m->cpu->gpr[ESI] = 0x1234;
    far(m, 0x9a, SEL_TSS_B);
    assert_in_task_b(m);
    assert_int_equal(get16(m, TSS_B), SEL_TSS);
    assert_true(m->cpu->eflags & EFLAGS_NT);
    assert_true(is_busy(m, SEL_TSS));
    assert_int_equal(m->cpu->gpr[ESP], 0x70000); /* nothing is pushed */

    EXEC(m, 0xcf);
    assert_int_equal(m->cpu->eip, CODE + 7);
    assert_int_equal(m->cpu->tr.selector, SEL_TSS);
    assert_int_equal(m->cpu->gpr[ESI], 0x1234);
    assert_false(is_busy(m, SEL_TSS_B));
    assert_true(is_busy(m, SEL_TSS));
    assert_int_equal(get32(m, TSS_B + 0x24) & EFLAGS_NT, 0);
    assert_int_equal(get32(m, TSS_B + 0x20), TASK_B_EIP + 1);
    assert_false(m->cpu->eflags & EFLAGS_NT);
}

static void task_gates_lead_to_their_tss(void **state)
{
    struct machine *m = *state;

    enter(m);
    put_gate(m, GDT + SEL_TEST, SEL_TSS_B, 0, AR_P | TYPE_TASK_GATE, 0);
    far(m, 0x9a, SEL_TEST);
    assert_in_task_b(m);
    enter(m);
    put_gate(m, GDT + SEL_TEST, SEL_TSS_B, 0, TYPE_TASK_GATE, 0);
    far(m, 0xea, SEL_TEST);
    assert_fault(m, VEC_NP, SEL_TEST);
    enter(m);
    put_gate(m, GDT + SEL_TEST, SEL_TSS_B, 0, AR_P | TYPE_TASK_GATE, 0);
    far(m, 0xea, SEL_TEST | 3); /* DPL < RPL */
    assert_fault(m, VEC_GP, SEL_TEST);
}

static void exception_through_a_task_gate_pushes_its_error(void **state)
{
    struct machine *m = *state;

    enter(m);
    put_idt(m, VEC_GP, SEL_TSS_B, 0, AR_P | TYPE_TASK_GATE);
    m->cpu->gpr[EAX] = 0x200;
    EXEC(m, 0x8e, 0xd8);
    assert_in_task_b(m);
    assert_int_equal(m->cpu->gpr[ESP], 0x70000 - 4);
    assert_int_equal(get32(m, 0x70000 - 4), 0x200);
    assert_int_equal(get32(m, TSS + 0x20), CODE);
    assert_true(get32(m, TSS + 0x24) & EFLAGS_RF);
    assert_int_equal(get16(m, TSS_B), SEL_TSS);
}

static void new_tss_is_checked_in_the_old_context(void **state)
{
    struct machine *m = *state;
    static const struct {
        uint16_t selector, ar;
        uint32_t limit;
        uint8_t vector;
    } cases[] = {
        {SEL_TEST, TYPE_TSS32, 0x67, VEC_NP},
        {SEL_TEST, AR_P | TYPE_TSS32_BUSY, 0x67, VEC_GP},
        {SEL_TEST, AR_P | TYPE_TSS32, 0x66, VEC_TS},
        {SEL_TEST, AR_P | TYPE_TSS16, 0x2a, VEC_TS},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        enter(m);
        put_gdt(m, SEL_TEST, TSS_B, cases[i].limit, cases[i].ar);
        far(m, 0xea, cases[i].selector);
        assert_fault(m, cases[i].vector, cases[i].selector);
        assert_int_equal(get32(m, m->cpu->gpr[ESP] + 4), CODE);
        assert_int_equal(m->cpu->tr.selector, SEL_TSS);
        assert_false(m->cpu->cr0 & CR0_TS);
    }
    enter_protected(m, 3);
    put_task_b(m);
    far(m, 0xea, SEL_TSS_B); /* DPL < CPL */
    assert_fault(m, VEC_GP, SEL_TSS_B);

    enter(m);
    put_idt(m, 0x40, SEL_CODE0, 0, AR_P | TYPE_TASK_GATE);
    EXEC(m, 0xcd, 0x40); /* the gate names no TSS */
    assert_fault(m, VEC_GP, SEL_CODE0);
    enter(m);
    put_idt(m, VEC_UD, SEL_CODE0, 0, AR_P | TYPE_TASK_GATE);
    EXEC(m, 0x0f, 0x0b);
    assert_fault(m, VEC_GP, SEL_CODE0 | 1);

    enter(m);
    m->cpu->eflags = EFLAGS_NT;
    put16(m, TSS, SEL_TSS_B); /* not busy */
    EXEC(m, 0xcf);
    assert_fault(m, VEC_TS, SEL_TSS_B);
    enter(m);
    m->cpu->eflags = EFLAGS_NT;
    put16(m, TSS, SEL_TEST | SELECTOR_TI);
    EXEC(m, 0xcf);
    assert_fault(m, VEC_TS, SEL_TEST | SELECTOR_TI);
    put16(m, TSS, 0);

    enter(m);
    m->cpu->tr.limit = 0x5e; /* the old one has no room to be saved */
    far(m, 0xea, SEL_TSS_B);
    assert_fault(m, VEC_TS, SEL_TSS);
    enter(m);
    m->cpu->tr.limit = 0x5f;
    far(m, 0xea, SEL_TSS_B);
    assert_in_task_b(m);
}

static void missing_tss_page_faults_before_anything_changes(void **state)
{
    struct machine *m = *state;

    enter(m);
    enable_paging(m);
    unmap(m, TSS_B);
    far(m, 0x9a, SEL_TSS_B);
    assert_fault(m, VEC_PF, 0);
    assert_int_equal(m->cpu->tr.selector, SEL_TSS);
    assert_false(is_busy(m, SEL_TSS_B));
    assert_int_equal(get32(m, TSS + 0x20), 0);
}

static void new_segments_are_checked_in_the_new_context(void **state)
{
    struct machine *m = *state;
    static const struct {
        uint8_t field;
        uint16_t selector, ar;
        uint8_t vector;
    } cases[] = {
        {0x60, SEL_DATA0, 0, VEC_TS},       /* LDT: not one */
        {0x60, SEL_TEST, TYPE_LDT, VEC_TS}, /* not present */
        {0x60, SEL_TEST | SELECTOR_TI, 0, VEC_TS},
        {0x4c, SEL_TEST, TEST_DATA, VEC_TS}, /* CS */
        {0x4c, 0, 0, VEC_TS},
        {0x4c, SEL_TEST, TEST_CODE | DPL3, VEC_TS},
        {0x4c, SEL_TEST, TEST_CODE & ~AR_P, VEC_NP},
        {0x50, SEL_TEST, TEST_CODE, VEC_TS}, /* SS */
        {0x50, 0, 0, VEC_TS},
        {0x50, SEL_TEST, TEST_DATA | DPL3, VEC_TS},
        {0x50, SEL_TEST | 3, TEST_DATA, VEC_TS},
        {0x50, SEL_TEST, TEST_DATA & ~AR_P, VEC_SS},
        {0x54, SEL_TEST, TEST_CODE & ~AR_READABLE, VEC_TS}, /* DS */
        {0x54, SEL_TEST | 3, TEST_DATA, VEC_TS},
        {0x54, SEL_TEST, TEST_DATA & ~AR_P, VEC_NP},
        {0x5c, 0x200, 0, VEC_TS}, /* GS */
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        enter(m);
        put_gdt(m, SEL_TEST, 0, 0xfffff, cases[i].ar);
        put16(m, TSS_B + cases[i].field, cases[i].selector);
        put32(m, TSS_B + 4, 0x71000); /* SS0:ESP0 */
        put16(m, TSS_B + 8, SEL_DATA0);
        far(m, 0x9a, SEL_TSS_B);
        assert_int_equal(m->cpu->eip, HANDLER(cases[i].vector));
        assert_int_equal(m->cpu->tr.selector, SEL_TSS_B);
        assert_int_equal(get32(m, m->cpu->gpr[ESP]), cases[i].selector & ~3u);
        assert_int_equal(get32(m, m->cpu->gpr[ESP] + 4), TASK_B_EIP);
        assert_int_equal(m->shutdowns, 0);
    }
    enter(m);
    put_gdt(m, SEL_TEST, 0, TASK_B_EIP, TEST_CODE & ~AR_ACCESSED);
    put32(m, TSS_B + 0x4c, SEL_TEST);
    far(m, 0x9a, SEL_TSS_B); /* the last byte of CS */
    assert_in_task_b(m);
    assert_int_equal(get8(m, GDT + SEL_TEST + 5) & AR_ACCESSED, AR_ACCESSED);
    enter(m);
    put32(m, TSS_B + 0x4c, SEL_CODE16);
    put32(m, TSS_B + 0x20, 0x10000); /* beyond the limit of CS */
    far(m, 0x9a, SEL_TSS_B);
    assert_fault(m, VEC_GP, 0);
    assert_int_equal(m->cpu->tr.selector, SEL_TSS_B);
}

static void task_in_v86_mode_loads_real_segments(void **state)
{
    struct machine *m = *state;

    enter(m);
    put32(m, TSS_B + 0x24, EFLAGS_VM | EFLAGS_IOPL);
    put16(m, TSS_B + 0x54, 0x1234);
    far(m, 0xea, SEL_TSS_B);
    assert_true(cpu_is_v86(m->cpu));
    assert_int_equal(m->cpu->cpl, 3);
    assert_int_equal(m->cpu->seg[DS].base, 0x12340);
}

static void task_at_cpl_3_and_its_trap_bit(void **state)
{
    struct machine *m = *state;

    enter(m);
    put16(m, TSS_B + 0x4c, SEL_CODE3);
    put16(m, TSS_B + 0x50, SEL_DATA3);
    put16(m, TSS_B + 0x54, SEL_DATA3);
    put16(m, TSS_B + 0x48, SEL_DATA3);
    put16(m, TSS_B + 0x5c, 0);
    put16(m, TSS_B + 0x64, 1);
    put32(m, TSS_B + 4, STACK0);
    put16(m, TSS_B + 8, SEL_DATA0);
    far(m, 0xea, SEL_TSS_B);
    assert_int_equal(m->cpu->cpl, 3);
    assert_int_equal(m->cpu->view, MMU_USER);
    cpu_step(m->cpu);
    assert_trap(m, VEC_DB, TASK_B_EIP);
    assert_int_equal(m->cpu->dr[6] & DR6_VALID, DR6_BT);
}

static void sixteen_bit_tasks_switch_both_ways(void **state)
{
    struct machine *m = *state;

    enter(m);
    memset(phys_ram_host(m->phys, TSS_16), 0, 0x2c);
    put16(m, TSS_16 + 0x0e, TASK_B_EIP);
    put16(m, TSS_16 + 0x10, EFLAGS_ZF);
    put16(m, TSS_16 + 0x12, 0x1616);
    put16(m, TSS_16 + 0x12 + 2 * ESP, 0xe000);
    put16(m, TSS_16 + 0x22, SEL_DATA0);
    put16(m, TSS_16 + 0x24, SEL_CODE0);
    put16(m, TSS_16 + 0x26, SEL_STACK16);
    put16(m, TSS_16 + 0x28, SEL_DATA0);
    put_idt(m, VEC_GP, SEL_TSS_16, 0, AR_P | TYPE_TASK_GATE);
    m->cpu->gpr[EAX] = 0x200;
    EXEC(m, 0x8e, 0xd8);
    assert_int_equal(m->cpu->eip, TASK_B_EIP);
    assert_int_equal(reg16(m->cpu, EAX), 0x1616);
    assert_true(flag_zf(m->cpu));
    assert_int_equal(m->cpu->seg[FS].selector, 0);
    assert_int_equal(reg16(m->cpu, ESP), 0xe000 - 2);
    assert_int_equal(get16(m, 0xe000 - 2), 0x200);

    m->cpu->gpr[EAX] = 0x7777;
    EXEC(m, 0xcf);
    assert_int_equal(m->cpu->eip, CODE);
    assert_int_equal(m->cpu->tr.selector, SEL_TSS);
    assert_int_equal(get16(m, TSS_16 + 0x12), 0x7777);
    assert_int_equal(get16(m, TSS_16 + 0x0e), TASK_B_EIP + 1);
}

static void task_switch_loads_cr3_with_paging(void **state)
{
    struct machine *m = *state;
    const uint32_t other = 0x110000;

    enter(m);
    enable_paging(m);
    put32(m, other, PAGE_TABLE | 7);
    put32(m, TSS_B + 0x1c, other);
    far(m, 0xea, SEL_TSS_B);
    assert_in_task_b(m);
    assert_int_equal(m->cpu->cr3, other);
    assert_int_equal(m->cpu->mmu.paging.cr3, other);
}

static void bad_pdptes_of_a_task_fault_before_the_switch(void **state)
{
    struct machine *m = *state;
    const uint32_t pdpt = 0x120000;

    enter(m);
    put32(m, pdpt, 0x121000 | 1);
    for (uint32_t i = 1; i < 8; i++)
        put32(m, pdpt + 4 * i, 0);
    put32(m, 0x121000, 0x83); /* 2 MiB, identity */
    put32(m, 0x121004, 0);
    m->cpu->cr3 = pdpt;
    m->cpu->cr4 = CR4_PAE;
    m->cpu->cr0 |= CR0_PG;
    cpu_derive_paging(m->cpu);
    put32(m, 0x122000, 0x121000 | 1 | 2); /* reserved bit 1 */
    put32(m, TSS_B + 0x1c, 0x122000);
    far(m, 0xea, SEL_TSS_B);
    assert_fault(m, VEC_GP, 0);
    assert_int_equal(m->cpu->tr.selector, SEL_TSS);
    assert_int_equal(m->cpu->cr3, pdpt);
}

static void public_calls_work_at_a_boundary(void **state)
{
    struct machine *m = *state;
    uint32_t esp;
    uint16_t ss;

    enter(m);
    tss_stack(m->cpu, 0, &ss, &esp);
    assert_int_equal(esp, STACK0);
    assert_int_equal(ss, SEL_DATA0);
    task_switch(m->cpu, SEL_TSS_B, TASK_JMP, false, 0);
    assert_in_task_b(m);
    assert_int_equal(get32(m, TSS + 0x20), CODE);
    put_idt(m, 0x40, SEL_CODE0, 0x60000, AR_P | TYPE_INT32);
    interrupt_deliver(m->cpu, 0x40, INTERRUPT_SOFTWARE, false, 0);
    assert_int_equal(m->cpu->eip, 0x60000);
}

/* ---- I/O permission ---- */

static void io_map_permits_port_by_port(void **state)
{
    struct machine *m = *state;
    struct cpu *cpu = m->cpu;

    enter_protected(m, 3);
    memset(phys_ram_host(m->phys, TSS + IO_MAP), 0, 0x400);
    put8(m, TSS + IO_MAP + 0x60 / 8, 1 << 1); /* port 61 */
    assert_true(io_is_permitted(cpu, 0x60, 1));
    assert_false(io_is_permitted(cpu, 0x61, 1));
    assert_false(io_is_permitted(cpu, 0x60, 2));
    assert_false(io_is_permitted(cpu, 0x5e, 4));
    assert_true(io_is_permitted(cpu, 0x5d, 4));
    assert_true(io_is_permitted(cpu, 0x1ff7, 1));
    assert_true(io_is_permitted(cpu, 0x1ff8, 1));
    assert_false(io_is_permitted(cpu, 0x2000, 1)); /* the two bytes read go beyond the limit */
    cpu->eflags = EFLAGS_IOPL;
    assert_true(io_is_permitted(cpu, 0x61, 1));
    cpu->eflags |= EFLAGS_VM; /* IOPL does not count in V86 */
    assert_false(io_is_permitted(cpu, 0x61, 1));
    assert_true(io_is_permitted(cpu, 0x60, 1));
    cpu->eflags = 0;
    cpu->tr.ar = AR_P | TYPE_TSS16_BUSY;
    assert_false(io_is_permitted(cpu, 0x60, 1));
    cpu->tr.ar = AR_P | TYPE_TSS32_BUSY;
    cpu->tr.limit = 0x66;
    assert_false(io_is_permitted(cpu, 0x60, 1));
    cpu->cr0 = 0;
    assert_true(io_is_permitted(cpu, 0x60, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MACHINE_TEST(jmp_to_a_tss_saves_one_task_and_loads_the_other),
        MACHINE_TEST(call_links_and_iret_returns),
        MACHINE_TEST(task_gates_lead_to_their_tss),
        MACHINE_TEST(exception_through_a_task_gate_pushes_its_error),
        MACHINE_TEST(new_tss_is_checked_in_the_old_context),
        MACHINE_TEST(missing_tss_page_faults_before_anything_changes),
        MACHINE_TEST(new_segments_are_checked_in_the_new_context),
        MACHINE_TEST(task_in_v86_mode_loads_real_segments),
        MACHINE_TEST(task_at_cpl_3_and_its_trap_bit),
        MACHINE_TEST(sixteen_bit_tasks_switch_both_ways),
        MACHINE_TEST(task_switch_loads_cr3_with_paging),
        MACHINE_TEST(bad_pdptes_of_a_task_fault_before_the_switch),
        MACHINE_TEST(public_calls_work_at_a_boundary),
        MACHINE_TEST(io_map_permits_port_by_port),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
