/* Exceptions, interrupts, INT n and IRET, EFLAGS instructions. */
#include "tests/unit/frontend/sys_fixture.h"

#define UD2 0x0f, 0x0b

static uint32_t top(struct machine *m, unsigned item)
{
    return get32(m, m->cpu->seg[SS].base + m->cpu->gpr[ESP] + 4 * item);
}

/* ---- real mode ---- */

static void real_mode_int_pushes_flags_cs_ip(void **state)
{
    struct machine *m = *state;

    enter_real(m);
    put32(m, 0x21 * 4, 0x12345678);
    cpu_set_eflags(m->cpu, EFLAGS_IF | EFLAGS_CF | EFLAGS_AC, ~0u);
    EXEC(m, 0xcd, 0x21);
    assert_int_equal(m->cpu->seg[CS].selector, 0x1234);
    assert_int_equal(m->cpu->seg[CS].base, 0x12340);
    assert_int_equal(m->cpu->eip, 0x5678);
    assert_int_equal(m->cpu->gpr[ESP], 0xffa);
    assert_int_equal(get16(m, STACK0 + 0xffa), CODE + 2);
    assert_int_equal(get16(m, STACK0 + 0xffc), 0);
    assert_int_equal(get16(m, STACK0 + 0xffe), EFLAGS_IF | EFLAGS_CF | EFLAGS_FIXED);
    assert_int_equal(cpu_get_eflags(m->cpu), EFLAGS_CF | EFLAGS_FIXED);

    put_code(m, (uint8_t[]){0xcf}, 1);
    cpu_step(m->cpu); /* iret */
    assert_int_equal(m->cpu->eip, CODE + 2);
    assert_int_equal(m->cpu->seg[CS].selector, 0);
    assert_int_equal(cpu_get_eflags(m->cpu), EFLAGS_CF | EFLAGS_IF | EFLAGS_FIXED);
    assert_int_equal(m->cpu->gpr[ESP], 0x1000);
}

static void real_mode_iretd_loads_the_high_flags(void **state)
{
    struct machine *m = *state;

    enter_real(m);
    put32(m, STACK0 + 0x1000, 0x1234);
    put32(m, STACK0 + 0x1004, 0xabcd0100);
    put32(m, STACK0 + 0x1008, 0xffffffff & ~EFLAGS_TF);
    EXEC(m, 0x66, 0xcf);
    assert_int_equal(m->cpu->eip, 0x1234);
    assert_int_equal(m->cpu->seg[CS].selector, 0x100);
    assert_int_equal(m->cpu->eflags & (EFLAGS_VM | EFLAGS_VIF | EFLAGS_VIP), 0);
    assert_int_equal(m->cpu->eflags & (EFLAGS_ID | EFLAGS_AC), EFLAGS_ID | EFLAGS_AC);
    assert_int_equal(cpu_iopl(m->cpu), 3);

    enter_real(m);
    put16(m, VEC_GP * 4, 0x7000);
    put32(m, STACK0 + 0x1000, 0x10000); /* beyond the limit */
    EXEC(m, 0x66, 0xcf);
    assert_int_equal(m->cpu->eip, 0x7000);
}

static void real_mode_vector_beyond_idt_shuts_down(void **state)
{
    struct machine *m = *state;

    enter_real(m);
    m->cpu->idtr.limit = 0x21 * 4 + 3;
    put32(m, 0x21 * 4, 0x5678);
    EXEC(m, 0xcd, 0x21); /* the last one that fits */
    assert_int_equal(m->cpu->eip, 0x5678);
    enter_real(m);
    put16(m, VEC_GP * 4, 0x7000);
    m->cpu->idtr.limit = 0x21 * 4 + 2;
    EXEC(m, 0xcd, 0x21);
    assert_int_equal(m->cpu->eip, 0x7000);
    enter_real(m);
    m->cpu->idtr.limit = 3;
    EXEC(m, 0xcd, 0x21); /* #GP, then #DF, then nothing */
    assert_int_equal(m->shutdowns, 1);
    assert_int_equal(m->cpu->halt, CPU_SHUTDOWN);
    assert_int_equal(m->cpu->eip, CODE);
}

static void real_mode_stack_of_one_byte_faults(void **state)
{
    struct machine *m = *state;

    enter_real(m);
    m->cpu->gpr[ESP] = 1;
    EXEC(m, 0xcd, 0x21); /* #SS, and its delivery faults too */
    assert_int_equal(m->shutdowns, 1);
    enter_real(m);
    m->shutdowns = 0;
    m->cpu->halt = CPU_RUNNING;
    put32(m, 0x21 * 4, 0x5678);
    m->cpu->gpr[ESP] = 0xaaaa0002; /* wraps item by item, upper half stays */
    EXEC(m, 0xcd, 0x21);
    assert_int_equal(m->cpu->eip, 0x5678);
    assert_int_equal(m->cpu->gpr[ESP], 0xaaaafffc);
    assert_int_equal(get16(m, STACK0 + 0xfffc), CODE + 2);
}

/* ---- protected mode: gates ---- */

static void same_level_interrupt_gate_clears_if_trap_gate_keeps_it(void **state)
{
    struct machine *m = *state;

    enter_protected(m, 0);
    m->cpu->eflags = EFLAGS_IF | EFLAGS_NT;
    put_idt(m, 0x40, SEL_CODE0, 0x60000, AR_P | TYPE_INT32);
    EXEC(m, 0xcd, 0x40);
    assert_int_equal(m->cpu->eip, 0x60000);
    assert_int_equal(m->cpu->eflags & (EFLAGS_IF | EFLAGS_NT), 0);
    assert_int_equal(top(m, 0), CODE + 2);
    assert_int_equal(top(m, 1), SEL_CODE0);
    assert_int_equal(top(m, 2), EFLAGS_IF | EFLAGS_NT | cpu_get_eflags(m->cpu));
    assert_int_equal(m->cpu->gpr[ESP], STACK0 - 12);

    enter_protected(m, 0);
    m->cpu->eflags = EFLAGS_IF;
    put_idt(m, 0x40, SEL_CODE0, 0x60000, AR_P | TYPE_TRAP32);
    EXEC(m, 0xcd, 0x40);
    assert_true(m->cpu->eflags & EFLAGS_IF);
}

static void gate_16_pushes_words_and_cuts_the_offset(void **state)
{
    struct machine *m = *state;

    enter_protected(m, 0);
    put_idt(m, 0x40, SEL_CODE0, 0x66660000 | 0x9000, AR_P | TYPE_INT16);
    EXEC(m, 0xcd, 0x40);
    assert_int_equal(m->cpu->eip, 0x9000);
    assert_int_equal(m->cpu->gpr[ESP], STACK0 - 6);
    assert_int_equal(get16(m, STACK0 - 6), CODE + 2);
    assert_int_equal(get16(m, STACK0 - 4), SEL_CODE0);
}

static void inner_level_switches_stacks_and_iret_comes_back(void **state)
{
    struct machine *m = *state;

    enter_protected(m, 3);
    m->cpu->eflags = EFLAGS_IF;
    put_idt(m, 0x40, SEL_CODE0, 0x60000, AR_P | TYPE_INT32 | DPL3);
    EXEC(m, 0xcd, 0x40);
    assert_int_equal(m->cpu->eip, 0x60000);
    assert_int_equal(m->cpu->cpl, 0);
    assert_int_equal(m->cpu->view, MMU_SUPERVISOR);
    assert_int_equal(m->cpu->seg[CS].selector, SEL_CODE0);
    assert_int_equal(m->cpu->seg[SS].selector, SEL_DATA0);
    assert_int_equal(m->cpu->gpr[ESP], STACK0 - 20);
    assert_int_equal(top(m, 0), CODE + 2);
    assert_int_equal(top(m, 1), SEL_CODE3);
    assert_int_equal(top(m, 2) & EFLAGS_IF, EFLAGS_IF);
    assert_int_equal(top(m, 3), STACK3);
    assert_int_equal(top(m, 4), SEL_DATA3);

    load_segment(m, ES, SEL_DATA0);
    load_segment(m, FS, SEL_CONFORMING);
    EXEC(m, 0xcf);
    assert_int_equal(m->cpu->eip, CODE + 2);
    assert_int_equal(m->cpu->cpl, 3);
    assert_int_equal(m->cpu->view, MMU_USER);
    assert_int_equal(m->cpu->gpr[ESP], STACK3);
    assert_int_equal(m->cpu->seg[SS].selector, SEL_DATA3);
    assert_int_equal(m->cpu->seg[ES].selector, 0); /* DPL 0 must not leak out */
    assert_int_equal(m->cpu->seg[ES].ar, 0);
    assert_int_equal(m->cpu->seg[FS].selector, SEL_CONFORMING);
    assert_int_equal(m->cpu->seg[DS].selector, SEL_DATA3);
}

static void inner_level_through_a_16_bit_tss(void **state)
{
    struct machine *m = *state;

    enter_protected(m, 3);
    m->cpu->tr = (struct segment){.selector = SEL_TSS_16, .base = TSS_16, .limit = 0x2b, .ar = AR_P | TYPE_TSS16_BUSY};
    put16(m, TSS_16 + 2, 0xf000);
    put16(m, TSS_16 + 4, SEL_STACK16);
    put_idt(m, 0x40, SEL_CODE0, 0x9000, AR_P | TYPE_INT16 | DPL3);
    EXEC(m, 0xcd, 0x40);
    assert_int_equal(m->cpu->eip, 0x9000);
    assert_int_equal(m->cpu->gpr[ESP], 0xf000 - 10);
    assert_int_equal(m->cpu->seg[SS].selector, SEL_STACK16);
    assert_int_equal(get16(m, 0xf000 - 2), SEL_DATA3);
}

static void conforming_handler_runs_at_the_same_level(void **state)
{
    struct machine *m = *state;

    enter_protected(m, 3);
    put_idt(m, 0x40, SEL_CONFORMING, 0x60000, AR_P | TYPE_INT32 | DPL3);
    EXEC(m, 0xcd, 0x40);
    assert_int_equal(m->cpu->eip, 0x60000);
    assert_int_equal(m->cpu->cpl, 3);
    assert_int_equal(m->cpu->seg[CS].selector, SEL_CONFORMING | 3);
    assert_int_equal(m->cpu->gpr[ESP], STACK3 - 12);
}

static void idt_errors_name_the_vector(void **state)
{
    struct machine *m = *state;

    enter_protected(m, 3);
    EXEC(m, 0xcd, 0x20); /* an entry of zeros */
    assert_fault(m, VEC_GP, 0x20 * 8 + 2);
    enter_protected(m, 3);
    EXEC(m, 0xcd, VEC_PF); /* gate DPL 0 */
    assert_fault(m, VEC_GP, VEC_PF * 8 + 2);
    enter_protected(m, 0);
    put_idt(m, 0x40, SEL_CODE0, 0, TYPE_INT32);
    EXEC(m, 0xcd, 0x40);
    assert_fault(m, VEC_NP, 0x40 * 8 + 2);
    enter_protected(m, 0);
    put_idt(m, 0x40, SEL_CODE0, 0, AR_P | TYPE_CALL32);
    EXEC(m, 0xcd, 0x40);
    assert_fault(m, VEC_GP, 0x40 * 8 + 2);
    enter_protected(m, 0);
    put_idt(m, 0x40, SEL_CODE0, 0, TEST_DATA & 0xff);
    EXEC(m, 0xcd, 0x40);
    assert_fault(m, VEC_GP, 0x40 * 8 + 2);
    enter_protected(m, 0);
    m->cpu->idtr.limit = 0x41 * 8 - 2;
    EXEC(m, 0xcd, 0x40);
    assert_fault(m, VEC_GP, 0x40 * 8 + 2);
    assert_int_equal(top(m, 1), CODE);
}

static void handler_code_segment_is_checked(void **state)
{
    struct machine *m = *state;
    static const struct {
        uint16_t selector, ar;
        uint8_t vector;
        uint16_t error;
    } cases[] = {
        {0, 0, VEC_GP, 0},
        {SEL_TEST, TEST_DATA, VEC_GP, SEL_TEST},
        {SEL_TEST, TEST_CODE | DPL3, VEC_GP, SEL_TEST}, /* outer */
        {SEL_TEST, TEST_CODE & ~AR_P, VEC_NP, SEL_TEST},
        {0x200, 0, VEC_GP, 0x200},
        {SEL_TEST2, 0, VEC_GP, 0}, /* offset beyond the limit */
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        enter_protected(m, 0);
        put_gdt(m, SEL_TEST, 0, 0xfffff, cases[i].ar);
        put_gdt(m, SEL_TEST2, 0, 0xffff, TEST_CODE);
        put_idt(m, 0x40, cases[i].selector, 0x60000, AR_P | TYPE_INT32);
        EXEC(m, 0xcd, 0x40);
        assert_fault(m, cases[i].vector, cases[i].error);
    }
}

static void inner_stack_errors_are_ts_and_ss(void **state)
{
    struct machine *m = *state;
    static const struct {
        uint16_t selector, ar;
        uint8_t vector;
        uint16_t error;
    } cases[] = {
        {0, 0, VEC_TS, 0},
        {SEL_TEST | 1, TEST_DATA | 1 << AR_DPL_SHIFT, VEC_TS, SEL_TEST},
        {SEL_TEST, TEST_DATA | DPL3, VEC_TS, SEL_TEST},
        {SEL_TEST, TEST_DATA & ~AR_WRITABLE, VEC_TS, SEL_TEST},
        {SEL_TEST, TEST_CODE, VEC_TS, SEL_TEST},
        {SEL_TEST, TEST_DATA & ~AR_P, VEC_SS, SEL_TEST},
        {SEL_TEST, TEST_DATA, VEC_SS, SEL_TEST}, /* limit too small for the frame */
        {0x204, 0, VEC_TS, 0x204},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        enter_protected(m, 3);
        put_gdt(m, SEL_TEST, 0, 0xff, cases[i].ar);
        /* #TS and #SS through a task-free path of their own: conforming handlers at CPL 3. */
        put_idt(m, VEC_TS, SEL_CONFORMING, HANDLER(VEC_TS), AR_P | TYPE_INT32);
        put_idt(m, VEC_SS, SEL_CONFORMING, HANDLER(VEC_SS), AR_P | TYPE_INT32);
        put_idt(m, 0x40, SEL_CODE0, 0x60000, AR_P | TYPE_INT32 | DPL3);
        put16(m, TSS + 8, cases[i].selector);
        EXEC(m, 0xcd, 0x40);
        assert_int_equal(m->cpu->eip, HANDLER(cases[i].vector));
        assert_int_equal(m->cpu->cpl, 3);
        assert_int_equal(top(m, 0), cases[i].error);
        assert_int_equal(m->cpu->gpr[ESP], STACK3 - 16);
    }
    enter_protected(m, 3);
    put_idt(m, VEC_TS, SEL_CONFORMING, HANDLER(VEC_TS), AR_P | TYPE_INT32);
    put_idt(m, 0x40, SEL_CODE0, 0x60000, AR_P | TYPE_INT32 | DPL3);
    m->cpu->tr.limit = 8; /* SS0 ends at 9 */
    EXEC(m, 0xcd, 0x40);
    assert_int_equal(m->cpu->eip, HANDLER(VEC_TS));
    assert_int_equal(top(m, 0), SEL_TSS);

    enter_protected(m, 3);
    put_idt(m, VEC_GP, SEL_CONFORMING, HANDLER(VEC_GP), AR_P | TYPE_INT32);
    put_gdt(m, SEL_TEST, 0, 0xffff, TEST_CODE);
    put_idt(m, 0x40, SEL_TEST, 0x60000, AR_P | TYPE_INT32 | DPL3); /* EIP beyond the inner CS */
    EXEC(m, 0xcd, 0x40);
    assert_int_equal(m->cpu->eip, HANDLER(VEC_GP));
    assert_int_equal(top(m, 0), 0);
}

static void exceptions_set_ext_in_errors_of_their_delivery(void **state)
{
    struct machine *m = *state;

    enter_protected(m, 0);
    put_idt(m, VEC_UD, SEL_DATA0, 0, AR_P | TYPE_INT32);
    EXEC(m, UD2);
    assert_fault(m, VEC_GP, SEL_DATA0 | 1);
    assert_int_equal(top(m, 1), CODE);

    enter_protected(m, 0);
    put_idt(m, VEC_DB, SEL_CODE0, 0, TYPE_INT32);
    EXEC(m, 0xf1); /* INT1 counts as external */
    assert_fault(m, VEC_NP, VEC_DB * 8 + 3);
}

static void int3_into_int1_deliver_past_themselves(void **state)
{
    struct machine *m = *state;

    enter_protected(m, 3);
    EXEC(m, 0xcc);
    assert_fault(m, VEC_GP, VEC_BP * 8 + 2); /* DPL is checked */
    enter_protected(m, 3);
    put_idt(m, VEC_BP, SEL_CODE0, HANDLER(VEC_BP), AR_P | TYPE_INT32 | DPL3);
    EXEC(m, 0xcc);
    assert_trap(m, VEC_BP, CODE + 1);
    enter_protected(m, 3);
    EXEC(m, 0xf1);
    assert_trap(m, VEC_DB, CODE + 1); /* DPL is not checked */
    enter_protected(m, 0);
    cpu_set_eflags(m->cpu, EFLAGS_OF, EFLAGS_OF);
    EXEC(m, 0xce);
    assert_trap(m, VEC_OF, CODE + 1);
    enter_protected(m, 0);
    cpu_set_eflags(m->cpu, 0, EFLAGS_OF);
    EXEC(m, 0xce);
    assert_int_equal(m->cpu->eip, CODE + 1);
}

static void faults_push_rf(void **state)
{
    struct machine *m = *state;

    enter_protected(m, 0);
    EXEC(m, UD2);
    assert_trap(m, VEC_UD, CODE);
    assert_true(top(m, 2) & EFLAGS_RF);
    assert_false(m->cpu->eflags & EFLAGS_RF);
    EXEC(m, 0xcf);
    assert_true(m->cpu->eflags & EFLAGS_RF);
    EXEC(m, 0xcc);
    assert_false(top(m, 2) & EFLAGS_RF);
}

static void page_fault_in_the_middle_of_a_frame_changes_nothing(void **state)
{
    struct machine *m = *state;

    enter_protected(m, 3);
    enable_paging(m);
    unmap(m, STACK0 - 0x1000);
    put_idt(m, VEC_PF, SEL_CONFORMING, HANDLER(VEC_PF), AR_P | TYPE_INT32);
    put32(m, TSS + 4, STACK0 + 8); /* the frame crosses into the missing page */
    put_idt(m, 0x40, SEL_CODE0, 0x60000, AR_P | TYPE_INT32 | DPL3);
    EXEC(m, 0xcd, 0x40);
    assert_int_equal(m->cpu->eip, HANDLER(VEC_PF));
    assert_int_equal(m->cpu->cpl, 3);
    assert_int_equal(top(m, 0), PF_WRITE);     /* with the new CPL's rights: supervisor */
    assert_int_equal(m->cpu->cr2, STACK0 - 4); /* the first item pushed there */
    assert_int_equal(get32(m, STACK0 + 4), 0);
}

/* ---- double fault, shutdown ---- */

static void contributory_faults_make_a_double_fault(void **state)
{
    struct machine *m = *state;

    enter_protected(m, 0);
    put_idt(m, VEC_GP, SEL_CODE0, 0, TYPE_INT32); /* not present */
    m->cpu->gpr[EAX] = 0x200;
    EXEC(m, 0x8e, 0xd8);
    assert_fault(m, VEC_DF, 0);
    assert_int_equal(top(m, 1), CODE);
}

static void page_fault_then_contributory_makes_a_double_fault(void **state)
{
    struct machine *m = *state;

    enter_protected(m, 0);
    enable_paging(m);
    unmap(m, DATA);
    put_idt(m, VEC_PF, SEL_CODE0, 0, TYPE_INT32);
    EXEC(m, 0xa1, 0, 0, 5, 0);
    assert_fault(m, VEC_DF, 0);
    assert_int_equal(m->cpu->cr2, DATA);
}

static void benign_and_mixed_faults_are_delivered_in_turn(void **state)
{
    struct machine *m = *state;

    enter_protected(m, 0);
    put_idt(m, VEC_UD, SEL_CODE0, 0, TYPE_INT32);
    EXEC(m, UD2);
    assert_fault(m, VEC_NP, VEC_UD * 8 + 3);

    enter_protected(m, 3); /* #GP whose delivery page-faults: #PF alone */
    enable_paging(m);
    unmap(m, STACK0 - 0x1000);
    put_idt(m, VEC_PF, SEL_CONFORMING, HANDLER(VEC_PF), AR_P | TYPE_INT32);
    m->cpu->gpr[EAX] = 0x200;
    EXEC(m, 0x8e, 0xd8);
    assert_int_equal(m->cpu->eip, HANDLER(VEC_PF));
    assert_int_equal(top(m, 0), PF_WRITE);
    assert_int_equal(top(m, 1), CODE);
}

static void page_fault_in_page_fault_makes_a_double_fault(void **state)
{
    struct machine *m = *state;

    enter_protected(m, 3);
    enable_paging(m);
    unmap(m, STACK0 - 0x1000);
    unmap(m, DATA);
    put_idt(m, VEC_DF, SEL_CONFORMING, HANDLER(VEC_DF), AR_P | TYPE_INT32);
    EXEC(m, 0xa1, 0, 0, 5, 0);
    assert_int_equal(m->cpu->eip, HANDLER(VEC_DF));
    assert_int_equal(top(m, 0), 0);
    assert_int_equal(m->cpu->cr2, STACK0 - 4);
}

static void fault_in_double_fault_shuts_down(void **state)
{
    struct machine *m = *state;

    enter_protected(m, 0);
    m->cpu->idtr.limit = 7;
    EXEC(m, UD2);
    assert_int_equal(m->shutdowns, 1);
    assert_int_equal(m->cpu->halt, CPU_SHUTDOWN);
    assert_int_equal(m->cpu->eip, CODE);
    assert_int_equal(m->cpu->gpr[ESP], STACK0);
    cpu_set_intr(m->cpu, true);
    m->cpu->eflags |= EFLAGS_IF;
    cpu_step(m->cpu); /* INTR does not end it */
    assert_int_equal(m->intacks, 0);
    m->cpu->idtr.limit = 0x7ff;
    cpu_set_event(m->cpu, CPU_EVENT_NMI);
    cpu_step(m->cpu); /* NMI does */
    assert_trap(m, VEC_NMI, CODE);
    assert_int_equal(m->cpu->halt, CPU_RUNNING);
}

/* ---- between instructions ---- */

static void intr_waits_for_if(void **state)
{
    struct machine *m = *state;

    enter_protected(m, 0);
    put_idt(m, 0x30, SEL_CODE0, 0x60000, AR_P | TYPE_INT32);
    m->irq_vector = 0x30;
    cpu_set_intr(m->cpu, true);
    EXEC(m, 0x90);
    assert_int_equal(m->cpu->eip, CODE + 1);
    m->cpu->eflags |= EFLAGS_IF;
    cpu_step(m->cpu);
    assert_int_equal(m->cpu->eip, 0x60000);
    assert_int_equal(top(m, 0), CODE + 1);
    assert_int_equal(m->intacks, 1);
}

static void sti_holds_interrupts_for_one_instruction(void **state)
{
    struct machine *m = *state;

    enter_protected(m, 0);
    put_idt(m, 0x30, SEL_CODE0, 0x60000, AR_P | TYPE_INT32);
    m->irq_vector = 0x30;
    cpu_set_intr(m->cpu, true);
    CODE_BYTES(m, 0xfb, 0x90, 0x90);
    cpu_step(m->cpu);
    cpu_step(m->cpu);
    assert_int_equal(m->cpu->eip, CODE + 2);
    cpu_step(m->cpu);
    assert_int_equal(m->cpu->eip, 0x60000);
    assert_int_equal(top(m, 0), CODE + 2);

    enter_protected(m, 0);
    m->cpu->eflags |= EFLAGS_IF;
    EXEC(m, 0xfb); /* IF was set already: nothing is held back */
    assert_int_equal(m->cpu->shadow_next, 0);
}

static void mov_ss_holds_even_nmi_but_only_once(void **state)
{
    struct machine *m = *state;

    enter_protected(m, 0);
    m->cpu->gpr[EAX] = SEL_DATA0;
    CODE_BYTES(m, 0x8e, 0xd0, 0x8e, 0xd0, 0x90);
    cpu_step(m->cpu);
    cpu_set_event(m->cpu, CPU_EVENT_NMI);
    cpu_step(m->cpu);
    assert_int_equal(m->cpu->eip, CODE + 4);
    cpu_step(m->cpu);
    assert_trap(m, VEC_NMI, CODE + 4);
}

static void nmi_is_blocked_until_iret(void **state)
{
    struct machine *m = *state;

    enter_protected(m, 0);
    cpu_set_event(m->cpu, CPU_EVENT_NMI);
    cpu_step(m->cpu);
    assert_trap(m, VEC_NMI, CODE);
    assert_int_equal(m->cpu->events & CPU_EVENT_NMI, 0); /* an edge, taken */
    cpu_set_event(m->cpu, CPU_EVENT_NMI);
    EXEC(m, 0xcf);
    assert_int_equal(m->cpu->eip, CODE);
    cpu_step(m->cpu);
    assert_trap(m, VEC_NMI, CODE);
    cpu_set_event(m->cpu, CPU_EVENT_NMI);
    EXEC(m, 0x90);
    assert_int_equal(m->cpu->eip, HANDLER(VEC_NMI) + 1);
}

static void hlt_sleeps_until_an_interrupt(void **state)
{
    struct machine *m = *state;

    enter_protected(m, 0);
    put_idt(m, 0x30, SEL_CODE0, 0x60000, AR_P | TYPE_INT32);
    m->irq_vector = 0x30;
    m->cpu->eflags |= EFLAGS_IF;
    EXEC(m, 0xf4);
    assert_int_equal(m->cpu->halt, CPU_HALTED);
    cpu_step(m->cpu);
    assert_int_equal(m->idles, 1);
    cpu_set_intr(m->cpu, true);
    cpu_step(m->cpu);
    assert_int_equal(m->cpu->eip, 0x60000);
    assert_int_equal(top(m, 0), CODE + 1);
    assert_int_equal(m->cpu->halt, CPU_RUNNING);
    enter_protected(m, 3);
    EXEC(m, 0xf4);
    assert_fault(m, VEC_GP, 0);
}

static void fault_while_delivering_an_interrupt_is_its_own_exception(void **state)
{
    struct machine *m = *state;

    enter_protected(m, 0);
    m->irq_vector = 0x30; /* no such gate */
    m->cpu->eflags |= EFLAGS_IF;
    cpu_set_intr(m->cpu, true);
    cpu_step(m->cpu);
    assert_fault(m, VEC_GP, 0x30 * 8 + 3);
    assert_int_equal(top(m, 1), CODE);
}

static void rsm_is_undefined_outside_smm(void **state)
{
    struct machine *m = *state;

    enter_protected(m, 0);
    EXEC(m, 0x0f, 0xaa);
    assert_trap(m, VEC_UD, CODE);
}

/* ---- virtual-8086 mode ---- */

static void v86_exit_saves_and_nulls_data_segments(void **state)
{
    struct machine *m = *state;
    struct cpu *cpu = m->cpu;

    enter_v86(m, 3);
    segment_load_real(cpu, GS, 0x1111);
    segment_load_real(cpu, FS, 0x2222);
    segment_load_real(cpu, DS, 0x3333);
    segment_load_real(cpu, ES, 0x4444);
    EXEC(m, UD2);
    assert_trap(m, VEC_UD, CODE);
    assert_int_equal(cpu->gpr[ESP], STACK0 - 36);
    assert_int_equal(top(m, 1), 0);
    assert_true(top(m, 2) & EFLAGS_VM);
    assert_int_equal(top(m, 3), 0x1000);
    assert_int_equal(top(m, 4), STACK3 >> 4);
    assert_int_equal(top(m, 5), 0x4444);
    assert_int_equal(top(m, 6), 0x3333);
    assert_int_equal(top(m, 7), 0x2222);
    assert_int_equal(top(m, 8), 0x1111);
    assert_false(cpu_is_v86(cpu));
    assert_int_equal(cpu->seg[DS].selector, 0);
    assert_int_equal(cpu->seg[DS].ar, 0);

    EXEC(m, 0xcf);
    assert_true(cpu_is_v86(cpu));
    assert_int_equal(cpu->cpl, 3);
    assert_int_equal(cpu->eip, CODE);
    assert_int_equal(cpu->gpr[ESP], 0x1000);
    assert_int_equal(cpu->seg[GS].base, 0x11110);
    assert_int_equal(cpu->seg[FS].base, 0x22220);
    assert_int_equal(cpu->seg[DS].base, 0x33330);
    assert_int_equal(cpu->seg[ES].base, 0x44440);
    assert_int_equal(cpu->seg[SS].base, STACK3);
    assert_int_equal(cpu->seg[DS].limit, 0xffff);
    assert_int_equal(cpu->seg[DS].ar, 0xf3);
}

static void v86_exit_needs_a_dpl_0_handler(void **state)
{
    struct machine *m = *state;

    enter_v86(m, 3);
    put_gdt(m, SEL_TEST, 0, 0xfffff, TEST_CODE | AR_G | 1 << AR_DPL_SHIFT);
    put_idt(m, VEC_UD, SEL_TEST, 0, AR_P | TYPE_INT32);
    EXEC(m, UD2);
    assert_fault(m, VEC_GP, SEL_TEST | 1);
    enter_v86(m, 3);
    put_idt(m, VEC_UD, SEL_CONFORMING, 0, AR_P | TYPE_INT32);
    EXEC(m, UD2);
    assert_fault(m, VEC_GP, SEL_CONFORMING | 1);
}

static void v86_iopl_guards_the_sensitive_instructions(void **state)
{
    struct machine *m = *state;
    static const uint8_t opcodes[][2] = {{0x9c, 0}, {0x9d, 0}, {0xcf, 0}, {0xcd, 0x40}, {0xfa, 0}, {0xfb, 0}};

    for (size_t i = 0; i < 6; i++) {
        enter_v86(m, 0);
        EXEC(m, opcodes[i][0], opcodes[i][1]);
        assert_fault(m, VEC_GP, 0);
        enter_v86(m, 0);
        m->cpu->cr4 = CR4_VME;
        EXEC(m, 0x66, 0x9c); /* 32-bit forms stay forbidden */
        assert_fault(m, VEC_GP, 0);
        m->cpu->cr4 = 0;
    }
    enter_v86(m, 0);
    m->cpu->cr4 = CR4_VME;
    EXEC(m, 0x66, 0x9d);
    assert_fault(m, VEC_GP, 0);
    enter_v86(m, 0);
    EXEC(m, 0x66, 0xcf);
    assert_fault(m, VEC_GP, 0);
    m->cpu->cr4 = 0;

    enter_v86(m, 3);
    EXEC(m, 0xfb);
    assert_true(m->cpu->eflags & EFLAGS_IF);
    EXEC(m, 0x9c);
    assert_int_equal(get16(m, STACK3 + 0xffe), cpu_get_eflags(m->cpu) & 0xffff);
    put16(m, STACK3 + 0xffe, EFLAGS_CF); /* IOPL is not popped */
    EXEC(m, 0x9d);
    assert_int_equal(cpu_get_eflags(m->cpu) & 0xffff, EFLAGS_IOPL | EFLAGS_CF | EFLAGS_FIXED);
    put16(m, STACK3 + 0x1000, 0x1234);
    put16(m, STACK3 + 0x1002, 0x100);
    put16(m, STACK3 + 0x1004, EFLAGS_IF);
    EXEC(m, 0xcf);
    assert_int_equal(m->cpu->eip, 0x1234);
    assert_int_equal(m->cpu->seg[CS].base, 0x1000);
    assert_int_equal(cpu_get_eflags(m->cpu), EFLAGS_VM | EFLAGS_IOPL | EFLAGS_IF | EFLAGS_FIXED);
}

static void vme_virtualises_if(void **state)
{
    struct machine *m = *state;
    struct cpu *cpu = m->cpu;

    enter_v86(m, 0);
    cpu->cr4 = CR4_VME;
    EXEC(m, 0xfb);
    assert_int_equal(cpu->eflags & (EFLAGS_IF | EFLAGS_VIF), EFLAGS_VIF);
    EXEC(m, 0x9c);
    assert_int_equal(get16(m, STACK3 + 0xffe), EFLAGS_IF | EFLAGS_IOPL | EFLAGS_FIXED);
    EXEC(m, 0xfa);
    assert_int_equal(cpu->eflags & EFLAGS_VIF, 0);
    EXEC(m, 0x9d); /* pops IF = 1 */
    assert_int_equal(cpu->eflags & (EFLAGS_IF | EFLAGS_VIF | EFLAGS_IOPL), EFLAGS_VIF);
    cpu->gpr[ESP] = 0x1000;
    put16(m, STACK3 + 0x1000, 0x1234);
    put16(m, STACK3 + 0x1002, 0);
    put16(m, STACK3 + 0x1004, EFLAGS_CF);
    EXEC(m, 0xcf);
    assert_int_equal(cpu->eip, 0x1234);
    assert_int_equal(cpu->eflags & EFLAGS_VIF, 0);
    assert_true(flag_cf(cpu));
    cpu->gpr[ESP] = 0x1000;
    put16(m, STACK3 + 0x1004, EFLAGS_IF); /* nothing is pending: allowed */
    EXEC(m, 0xcf);
    assert_true(cpu_is_v86(cpu));
    assert_int_equal(cpu->eflags & EFLAGS_VIF, EFLAGS_VIF);

    static const uint8_t faulting[] = {0xfb, 0x9d, 0xcf};
    for (size_t i = 0; i < 3; i++) { /* enabling with an interrupt pending is #GP(0) */
        enter_v86(m, 0);
        cpu->eflags |= EFLAGS_VIP;
        put16(m, STACK3 + 0x1000, EFLAGS_IF);
        put16(m, STACK3 + 0x1004, EFLAGS_IF);
        EXEC(m, faulting[i]);
        assert_fault(m, VEC_GP, 0);
    }
    enter_v86(m, 0);
    put16(m, STACK3 + 0x1000, EFLAGS_TF);
    EXEC(m, 0x9d);
    assert_fault(m, VEC_GP, 0);
}

static void pvi_virtualises_if_at_cpl_3(void **state)
{
    struct machine *m = *state;

    enter_protected(m, 3);
    m->cpu->cr4 = CR4_PVI;
    EXEC(m, 0xfb);
    assert_int_equal(m->cpu->eflags & (EFLAGS_IF | EFLAGS_VIF), EFLAGS_VIF);
    EXEC(m, 0xfa);
    assert_int_equal(m->cpu->eflags & EFLAGS_VIF, 0);
    m->cpu->cr4 = 0;
    EXEC(m, 0xfa);
    assert_fault(m, VEC_GP, 0);
}

static void vme_redirects_int_n_by_the_map(void **state)
{
    struct machine *m = *state;
    struct cpu *cpu = m->cpu;

    enter_v86(m, 0);
    cpu->cr4 = CR4_VME;
    put32(m, 0x21 * 4, 0x01005678);
    cpu->eflags |= EFLAGS_VIF;
    EXEC(m, 0xcd, 0x21); /* method 6 */
    assert_true(cpu_is_v86(cpu));
    assert_int_equal(cpu->seg[CS].selector, 0x100);
    assert_int_equal(cpu->eip, 0x5678);
    assert_int_equal(get16(m, STACK3 + 0xffe), EFLAGS_IF | EFLAGS_IOPL | EFLAGS_FIXED);
    assert_int_equal(get16(m, STACK3 + 0xffa), CODE + 2);
    assert_int_equal(cpu->eflags & EFLAGS_VIF, 0);

    enter_v86(m, 3);
    cpu->eflags |= EFLAGS_IF;
    EXEC(m, 0xcd, 0x21); /* method 5 */
    assert_int_equal(cpu->eip, 0x5678);
    assert_int_equal(cpu->eflags & EFLAGS_IF, 0);

    put8(m, TSS + IO_MAP - 32 + 4, 1 << 1); /* vector 21h to the monitor */
    enter_v86(m, 0);
    EXEC(m, 0xcd, 0x21); /* method 3 */
    assert_fault(m, VEC_GP, 0);
    enter_v86(m, 3);
    put_idt(m, 0x21, SEL_CODE0, 0x60000, AR_P | TYPE_INT32 | DPL3);
    EXEC(m, 0xcd, 0x21); /* method 4 */
    assert_int_equal(cpu->eip, 0x60000);
    assert_int_equal(cpu->cpl, 0);

    enter_v86(m, 0);
    cpu->tr.limit = IO_MAP - 32;
    EXEC(m, 0xcd, 0x21); /* map out of the TSS */
    assert_fault(m, VEC_GP, 0);
    enter_v86(m, 0);
    cpu->tr.limit = 0x66;
    EXEC(m, 0xcd, 0x21);
    assert_fault(m, VEC_GP, 0);
    enter_v86(m, 0);
    put_idt(m, VEC_BP, SEL_CODE0, HANDLER(VEC_BP), AR_P | TYPE_INT32 | DPL3);
    EXEC(m, 0xcc); /* INT3 is not redirected */
    assert_trap(m, VEC_BP, CODE + 1);
}

/* ---- EFLAGS ---- */

static void popf_changes_what_the_level_allows(void **state)
{
    struct machine *m = *state;
    struct cpu *cpu = m->cpu;
    const uint32_t all = 0xffffffff & ~EFLAGS_TF;

    enter_protected(m, 0);
    cpu->gpr[ESP] -= 4;
    put32(m, STACK0 - 4, all);
    EXEC(m, 0x9d);
    assert_int_equal(cpu->eip, CODE + 1);
    assert_int_equal(cpu_get_eflags(cpu), 0x3f7fd7 & ~(EFLAGS_TF | EFLAGS_VM | EFLAGS_VIF | EFLAGS_VIP | EFLAGS_RF));
    assert_int_equal(cpu->gpr[ESP], STACK0);

    enter_protected(m, 3);
    put32(m, STACK3, all);
    EXEC(m, 0x9d);
    assert_int_equal(cpu->eflags & (EFLAGS_IF | EFLAGS_IOPL), 0);
    enter_protected(m, 3);
    cpu->eflags = EFLAGS_IOPL;
    EXEC(m, 0x66, 0x9d);
    assert_int_equal(cpu->eflags & (EFLAGS_IF | EFLAGS_IOPL), EFLAGS_IF | EFLAGS_IOPL);
    assert_int_equal(cpu->gpr[ESP], STACK3 + 2);
}

static void pushf_hides_vm_and_rf(void **state)
{
    struct machine *m = *state;

    enter_protected(m, 0);
    m->cpu->eflags = EFLAGS_RF | EFLAGS_ID;
    EXEC(m, 0x9c);
    assert_int_equal(get32(m, STACK0 - 4) & ~(uint32_t)EFLAGS_OSZAPC, EFLAGS_ID | EFLAGS_FIXED);
}

static void cli_and_sti_need_iopl(void **state)
{
    struct machine *m = *state;

    enter_protected(m, 3);
    EXEC(m, 0xfa);
    assert_fault(m, VEC_GP, 0);
    enter_protected(m, 3);
    m->cpu->eflags = EFLAGS_IOPL | EFLAGS_IF;
    EXEC(m, 0xfa);
    assert_int_equal(m->cpu->eflags & EFLAGS_IF, 0);
}

static void tables_and_limits_admit_their_last_entry(void **state)
{
    struct machine *m = *state;

    enter_protected(m, 0);
    put_gdt(m, SEL_TEST, 0, 0x60000, TEST_CODE & ~AR_ACCESSED);
    put_idt(m, 0x40, SEL_TEST, 0x60000, AR_P | TYPE_INT32);
    m->cpu->idtr.limit = 0x41 * 8 - 1;
    EXEC(m, 0xcd, 0x40);
    assert_int_equal(m->cpu->eip, 0x60000);
    assert_int_equal(get8(m, GDT + SEL_TEST + 5) & AR_ACCESSED, AR_ACCESSED);
    EXEC(m, 0xcf);
    assert_int_equal(m->cpu->eip, CODE + 2);

    enter_protected(m, 3);
    put_gdt(m, SEL_TEST, 0, 0x60000, TEST_CODE & ~AR_ACCESSED);
    put_gdt(m, SEL_DATA0, 0, 0xfffff, (TEST_DATA & ~AR_ACCESSED) | AR_G);
    put_idt(m, 0x40, SEL_TEST, 0x60000, AR_P | TYPE_INT32 | DPL3);
    m->cpu->tr.limit = 9; /* SS0 just fits */
    EXEC(m, 0xcd, 0x40);
    assert_int_equal(m->cpu->eip, 0x60000);
    assert_int_equal(get8(m, GDT + SEL_TEST + 5) & AR_ACCESSED, AR_ACCESSED);
    assert_int_equal(get8(m, GDT + SEL_DATA0 + 5) & AR_ACCESSED, AR_ACCESSED);
}

static void delivery_leaves_the_way_out_as_it_was(void **state)
{
    struct machine *m = *state;
    volatile bool came_back = false;

    enter_protected(m, 0);
    m->cpu->fault.vector = VEC_UD;
    m->cpu->fault.has_error = false;
    m->cpu->fault.error = 0;
    if (setjmp(m->cpu->unwind) == 0) {
        exception_deliver(m->cpu);
        assert_trap(m, VEC_UD, CODE);
        cpu_raise(m->cpu, VEC_GP);
    }
    came_back = true;
    assert_true(came_back);
    assert_int_equal(m->cpu->fault.vector, VEC_GP);

    enter_protected(m, 0);
    m->cpu->idtr.limit = 0;
    if (setjmp(m->cpu->unwind) == 0) {
        exception_deliver(m->cpu);
        assert_int_equal(m->shutdowns, 1);
        cpu_raise(m->cpu, VEC_NM);
    }
    assert_int_equal(m->cpu->fault.vector, VEC_NM);
}

/* ---- IRET ---- */

static void put_iret(struct machine *m, uint32_t eip, uint32_t cs, uint32_t eflags, uint32_t esp, uint32_t ss)
{
    const uint32_t frame[] = {eip, cs, eflags, esp, ss};

    m->cpu->gpr[ESP] = STACK0 - sizeof frame;
    memcpy(phys_ram_host(m->phys, STACK0 - sizeof frame), frame, sizeof frame);
}

static void iret_checks_its_code_segment(void **state)
{
    struct machine *m = *state;
    static const struct {
        uint16_t selector, ar;
        uint32_t eip;
        uint8_t vector;
        uint16_t error;
    } cases[] = {
        {0, 0, 0, VEC_GP, 0},
        {0x200, 0, 0, VEC_GP, 0x200},
        {SEL_TEST, TEST_DATA, 0, VEC_GP, SEL_TEST},
        {SEL_TEST, TEST_CODE | DPL3, 0, VEC_GP, SEL_TEST},
        {SEL_TEST | 3, TEST_CODE, 0, VEC_GP, SEL_TEST},
        {SEL_TEST, TEST_CODE | AR_CONFORMING | DPL3, 0, VEC_GP, SEL_TEST},
        {SEL_TEST, TEST_CODE & ~AR_P, 0, VEC_NP, SEL_TEST},
        {SEL_TEST, TEST_CODE, 0x100000, VEC_GP, 0},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        enter_protected(m, 0);
        put_gdt(m, SEL_TEST, 0, 0xfffff, cases[i].ar);
        put_iret(m, cases[i].eip, cases[i].selector, 0, 0, 0);
        EXEC(m, 0xcf);
        assert_fault(m, cases[i].vector, cases[i].error);
    }
    enter_protected(m, 3); /* inwards */
    put32(m, STACK3, 0);
    put32(m, STACK3 + 4, SEL_CODE0);
    EXEC(m, 0xcf);
    assert_fault(m, VEC_GP, SEL_CODE0);
}

static void iret_outwards_checks_its_stack_segment(void **state)
{
    struct machine *m = *state;
    static const struct {
        uint16_t selector, ar;
        uint8_t vector;
        uint16_t error;
    } cases[] = {
        {0, 0, VEC_GP, 0},
        {0x203, 0, VEC_GP, 0x200},
        {SEL_TEST, TEST_DATA | DPL3, VEC_GP, SEL_TEST},
        {SEL_TEST | 3, TEST_DATA, VEC_GP, SEL_TEST},
        {SEL_TEST | 3, (TEST_DATA | DPL3) & ~AR_WRITABLE, VEC_GP, SEL_TEST},
        {SEL_TEST | 3, (TEST_DATA | DPL3) & ~AR_P, VEC_SS, SEL_TEST},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        enter_protected(m, 0);
        put_gdt(m, SEL_TEST, 0, 0xfffff, cases[i].ar);
        put_iret(m, CODE, SEL_CODE3, 0, STACK3, cases[i].selector);
        EXEC(m, 0xcf);
        assert_fault(m, cases[i].vector, cases[i].error);
    }
    enter_protected(m, 0); /* a 16-bit stack takes SP only */
    put_gdt(m, SEL_TEST, 0, 0xffff, (TEST_DATA | DPL3) & ~AR_DB);
    put_iret(m, CODE, SEL_CODE3, 0, 0xdead1234, SEL_TEST | 3);
    EXEC(m, 0xcf);
    assert_int_equal(m->cpu->cpl, 3);
    assert_int_equal(m->cpu->gpr[ESP], ((STACK0 - 20) & 0xffff0000u) | 0x1234);
}

static void iret_flags_follow_the_old_level(void **state)
{
    struct machine *m = *state;

    enter_protected(m, 0);
    put_iret(m, CODE, SEL_CODE3, EFLAGS_IF | EFLAGS_IOPL | EFLAGS_VIF | EFLAGS_VIP | EFLAGS_ID, STACK3, SEL_DATA3);
    EXEC(m, 0xcf);
    assert_int_equal(m->cpu->cpl, 3);
    assert_int_equal(m->cpu->eflags, EFLAGS_IF | EFLAGS_IOPL | EFLAGS_VIF | EFLAGS_VIP | EFLAGS_ID);

    enter_protected(m, 3);
    put32(m, STACK3, CODE);
    put32(m, STACK3 + 4, SEL_CODE3);
    put32(m, STACK3 + 8, EFLAGS_IF | EFLAGS_IOPL | EFLAGS_VM | EFLAGS_VIP);
    EXEC(m, 0xcf);
    assert_int_equal(m->cpu->eip, CODE);
    assert_int_equal(m->cpu->eflags, 0);
}

static void iret_to_v86_needs_a_16_bit_eip(void **state)
{
    struct machine *m = *state;

    enter_protected(m, 0);
    put32(m, STACK0 - 36, 0x10000);
    put32(m, STACK0 - 28, EFLAGS_VM);
    m->cpu->gpr[ESP] = STACK0 - 36;
    EXEC(m, 0xcf);
    assert_fault(m, VEC_GP, 0);
}

static void iret_16_returns_with_words(void **state)
{
    struct machine *m = *state;

    enter_protected(m, 0);
    m->cpu->gpr[ESP] = STACK0 - 6;
    put16(m, STACK0 - 6, 0x9000);
    put16(m, STACK0 - 4, SEL_CODE0);
    put16(m, STACK0 - 2, EFLAGS_ZF);
    EXEC(m, 0x66, 0xcf);
    assert_int_equal(m->cpu->eip, 0x9000);
    assert_int_equal(m->cpu->gpr[ESP], STACK0);
    assert_true(flag_zf(m->cpu));
}

/* ---- debug ---- */

static void single_step_traps_after_each_instruction(void **state)
{
    struct machine *m = *state;

    enter_protected(m, 0);
    m->cpu->eflags |= EFLAGS_TF;
    EXEC(m, 0x90);
    cpu_step(m->cpu);
    assert_trap(m, VEC_DB, CODE + 1);
    assert_int_equal(m->cpu->dr[6], DR6_FIXED | DR6_BS);
    assert_true(top(m, 2) & EFLAGS_TF);
    assert_false(m->cpu->eflags & EFLAGS_TF);
    assert_false(top(m, 2) & EFLAGS_RF);
}

static void int_n_swallows_the_single_step(void **state)
{
    struct machine *m = *state;

    enter_protected(m, 0);
    m->cpu->eflags |= EFLAGS_TF;
    put_idt(m, 0x40, SEL_CODE0, 0x60000, AR_P | TYPE_INT32);
    EXEC(m, 0xcd, 0x40);
    put_code(m, (uint8_t[]){0x90}, 1);
    cpu_step(m->cpu);
    assert_int_equal(m->cpu->eip, 0x60001);
}

static void instruction_breakpoint_faults_once(void **state)
{
    struct machine *m = *state;

    enter_protected(m, 0);
    m->cpu->dr[1] = CODE + 1;
    m->cpu->dr[7] = DR7_FIXED | 2 << 2; /* G1, execute */
    debug_derive(m->cpu);
    CODE_BYTES(m, 0x90, 0x90);
    cpu_step(m->cpu);
    cpu_step(m->cpu);
    assert_trap(m, VEC_DB, CODE + 1);
    assert_int_equal(m->cpu->dr[6], DR6_FIXED | DR6_B0 << 1);
    assert_false(top(m, 2) & EFLAGS_RF);
    put32(m, m->cpu->gpr[ESP] + 8, top(m, 2) | EFLAGS_RF);
    EXEC(m, 0xcf);
    cpu_step(m->cpu);
    assert_int_equal(m->cpu->eip, CODE + 2);
}

static void data_breakpoints_trap_after_the_access(void **state)
{
    struct machine *m = *state;

    enter_protected(m, 0);
    m->cpu->dr[0] = DATA + 2;
    m->cpu->dr[7] = DR7_FIXED | 1 | 1u << 16 | 1u << 18; /* L0, write, 2 bytes */
    debug_derive(m->cpu);
    EXEC(m, 0xa1, 0, 0, 5, 0); /* a read */
    assert_int_equal(m->cpu->pending_db, 0);
    EXEC(m, 0xa2, 1, 0, 5, 0); /* a neighbour */
    assert_int_equal(m->cpu->pending_db, 0);
    EXEC(m, 0xa3, 0, 0, 5, 0);
    cpu_step(m->cpu);
    assert_trap(m, VEC_DB, CODE + 15);
    assert_int_equal(m->cpu->dr[6] & 0xf, 1);

    enter_protected(m, 0);
    m->cpu->dr[7] = DR7_FIXED | 1 | 3u << 16 | 3u << 18; /* read or write, 4 bytes */
    debug_derive(m->cpu);
    EXEC(m, 0xa0, 3, 0, 5, 0);
    assert_int_equal(m->cpu->pending_db, 1);
}

static void general_detect_guards_the_debug_registers(void **state)
{
    struct machine *m = *state;

    enter_protected(m, 0);
    m->cpu->dr[7] = DR7_FIXED | DR7_GD;
    EXEC(m, 0x0f, 0x21, 0xc0); /* mov eax, dr0 */
    assert_trap(m, VEC_DB, CODE);
    assert_int_equal(m->cpu->dr[6] & DR6_VALID, DR6_BD);
    assert_int_equal(m->cpu->dr[7], DR7_FIXED); /* so that the handler may look */
    assert_true(top(m, 2) & EFLAGS_RF);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MACHINE_TEST(real_mode_int_pushes_flags_cs_ip),
        MACHINE_TEST(real_mode_iretd_loads_the_high_flags),
        MACHINE_TEST(real_mode_vector_beyond_idt_shuts_down),
        MACHINE_TEST(real_mode_stack_of_one_byte_faults),
        MACHINE_TEST(same_level_interrupt_gate_clears_if_trap_gate_keeps_it),
        MACHINE_TEST(gate_16_pushes_words_and_cuts_the_offset),
        MACHINE_TEST(inner_level_switches_stacks_and_iret_comes_back),
        MACHINE_TEST(inner_level_through_a_16_bit_tss),
        MACHINE_TEST(conforming_handler_runs_at_the_same_level),
        MACHINE_TEST(idt_errors_name_the_vector),
        MACHINE_TEST(handler_code_segment_is_checked),
        MACHINE_TEST(inner_stack_errors_are_ts_and_ss),
        MACHINE_TEST(exceptions_set_ext_in_errors_of_their_delivery),
        MACHINE_TEST(int3_into_int1_deliver_past_themselves),
        MACHINE_TEST(faults_push_rf),
        MACHINE_TEST(page_fault_in_the_middle_of_a_frame_changes_nothing),
        MACHINE_TEST(contributory_faults_make_a_double_fault),
        MACHINE_TEST(page_fault_then_contributory_makes_a_double_fault),
        MACHINE_TEST(benign_and_mixed_faults_are_delivered_in_turn),
        MACHINE_TEST(page_fault_in_page_fault_makes_a_double_fault),
        MACHINE_TEST(fault_in_double_fault_shuts_down),
        MACHINE_TEST(intr_waits_for_if),
        MACHINE_TEST(sti_holds_interrupts_for_one_instruction),
        MACHINE_TEST(mov_ss_holds_even_nmi_but_only_once),
        MACHINE_TEST(nmi_is_blocked_until_iret),
        MACHINE_TEST(hlt_sleeps_until_an_interrupt),
        MACHINE_TEST(fault_while_delivering_an_interrupt_is_its_own_exception),
        MACHINE_TEST(rsm_is_undefined_outside_smm),
        MACHINE_TEST(v86_exit_saves_and_nulls_data_segments),
        MACHINE_TEST(v86_exit_needs_a_dpl_0_handler),
        MACHINE_TEST(v86_iopl_guards_the_sensitive_instructions),
        MACHINE_TEST(vme_virtualises_if),
        MACHINE_TEST(pvi_virtualises_if_at_cpl_3),
        MACHINE_TEST(vme_redirects_int_n_by_the_map),
        MACHINE_TEST(popf_changes_what_the_level_allows),
        MACHINE_TEST(pushf_hides_vm_and_rf),
        MACHINE_TEST(cli_and_sti_need_iopl),
        MACHINE_TEST(tables_and_limits_admit_their_last_entry),
        MACHINE_TEST(delivery_leaves_the_way_out_as_it_was),
        MACHINE_TEST(iret_checks_its_code_segment),
        MACHINE_TEST(iret_outwards_checks_its_stack_segment),
        MACHINE_TEST(iret_flags_follow_the_old_level),
        MACHINE_TEST(iret_to_v86_needs_a_16_bit_eip),
        MACHINE_TEST(iret_16_returns_with_words),
        MACHINE_TEST(single_step_traps_after_each_instruction),
        MACHINE_TEST(int_n_swallows_the_single_step),
        MACHINE_TEST(instruction_breakpoint_faults_once),
        MACHINE_TEST(data_breakpoints_trap_after_the_access),
        MACHINE_TEST(general_detect_guards_the_debug_registers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
