/* Far JMP, CALL and RET; call gates; SYSENTER and SYSEXIT. */
#include "tests/unit/frontend/sys_fixture.h"

#define TARGET 0x9000u

static void put_far(struct machine *m, uint8_t opcode, uint16_t selector, uint32_t offset)
{
    uint8_t bytes[7] = {opcode};

    memcpy(bytes + 1, &offset, 4);
    memcpy(bytes + 5, &selector, 2);
    put_code(m, bytes, 7);
}
static void jmp_far(struct machine *m, uint16_t selector, uint32_t offset)
{
    put_far(m, 0xea, selector, offset);
    cpu_step(m->cpu);
}
static void call_far(struct machine *m, uint16_t selector, uint32_t offset)
{
    put_far(m, 0x9a, selector, offset);
    cpu_step(m->cpu);
}
static void put_call_gate(struct machine *m, uint16_t selector, uint32_t offset, uint8_t ar, uint8_t params)
{
    put_gate(m, GDT + SEL_TEST, selector, offset, ar, params);
}

/* ---- real mode ---- */

static void real_mode_far_transfers_load_base_from_selector(void **state)
{
    struct machine *m = *state;

    enter_real(m);
    EXEC(m, 0xea, 0x34, 0x12, 0x00, 0x10); /* jmp 1000:1234 */
    assert_int_equal(m->cpu->seg[CS].base, 0x10000);
    assert_int_equal(m->cpu->eip, 0x1234);
    EXEC(m, 0x9a, 0x00, 0x90, 0x00, 0x00); /* call 0:9000 */
    assert_int_equal(m->cpu->eip, 0x9000);
    assert_int_equal(get16(m, STACK0 + 0xffc), 0x1239);
    assert_int_equal(get16(m, STACK0 + 0xffe), 0x1000);
    EXEC(m, 0xca, 0x02, 0x00); /* retf 2 */
    assert_int_equal(m->cpu->eip, 0x1239);
    assert_int_equal(m->cpu->gpr[ESP], 0x1002);
    EXEC(m, 0x66, 0x9a, 0x00, 0x90, 0x00, 0x00, 0x00, 0x00);
    assert_int_equal(m->cpu->gpr[ESP], 0x1002 - 8);
    assert_int_equal(get32(m, STACK0 + 0x1002 - 4), 0x1000);
    EXEC(m, 0x66, 0xcb);
    assert_int_equal(m->cpu->seg[CS].selector, 0x1000);

    enter_real(m);
    put16(m, VEC_GP * 4, 0x7000);
    EXEC(m, 0x66, 0xea, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00); /* beyond FFFF */
    assert_int_equal(m->cpu->eip, 0x7000);
    enter_real(m);
    EXEC(m, 0x66, 0x9a, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00);
    assert_int_equal(m->cpu->eip, 0x7000);
    assert_int_equal(m->cpu->gpr[ESP], 0x1000 - 6);
}

static void far_pointers_in_memory(void **state)
{
    struct machine *m = *state;

    enter_protected(m, 0);
    put32(m, DATA, TARGET);
    put16(m, DATA + 4, SEL_CODE0);
    m->cpu->gpr[EBX] = DATA;
    EXEC(m, 0xff, 0x2b); /* jmp far [ebx] */
    assert_int_equal(m->cpu->eip, TARGET);
    EXEC(m, 0xff, 0x1b); /* call far [ebx] */
    assert_int_equal(m->cpu->eip, TARGET);
    assert_int_equal(get32(m, STACK0 - 8), TARGET + 2);
    assert_int_equal(get32(m, STACK0 - 4), SEL_CODE0);
    EXEC(m, 0xff, 0xd8 | 3); /* register form of /3 */
    assert_trap(m, VEC_UD, TARGET);
}

/* ---- code segments ---- */

static void direct_targets_are_checked(void **state)
{
    struct machine *m = *state;
    static const struct {
        uint16_t selector, ar;
        uint8_t cpl, vector;
        uint16_t error;
        uint32_t offset;
    } cases[] = {
        {0, 0, 0, VEC_GP, 0, 0},
        {0x200, 0, 0, VEC_GP, 0x200, 0},
        {SEL_TEST, TEST_DATA, 0, VEC_GP, SEL_TEST, 0},
        {SEL_TEST, AR_P | TYPE_LDT, 0, VEC_GP, SEL_TEST, 0},
        {SEL_TEST | 3, TEST_CODE, 0, VEC_GP, SEL_TEST, 0},    /* RPL > CPL */
        {SEL_TEST, TEST_CODE | DPL3, 0, VEC_GP, SEL_TEST, 0}, /* DPL != CPL */
        {SEL_TEST, TEST_CODE, 3, VEC_GP, SEL_TEST, 0},
        {SEL_TEST, TEST_CODE | AR_CONFORMING | DPL3, 0, VEC_GP, SEL_TEST, 0}, /* conforming, DPL > CPL */
        {SEL_TEST, TEST_CODE & ~AR_P, 0, VEC_NP, SEL_TEST, 0},
        {SEL_TEST, TEST_CODE, 0, VEC_GP, 0, 0x100000}, /* beyond the limit */
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (int is_call = 0; is_call < 2; is_call++) {
            enter_protected(m, cases[i].cpl);
            put_gdt(m, SEL_TEST, 0, 0xfffff, cases[i].ar);
            (is_call ? call_far : jmp_far)(m, cases[i].selector, cases[i].offset);
            assert_fault(m, cases[i].vector, cases[i].error);
        }
    }
}

static void conforming_targets_keep_the_level(void **state)
{
    struct machine *m = *state;

    enter_protected(m, 3);
    jmp_far(m, SEL_CONFORMING, TARGET);
    assert_int_equal(m->cpu->eip, TARGET);
    assert_int_equal(m->cpu->cpl, 3);
    assert_int_equal(m->cpu->seg[CS].selector, SEL_CONFORMING | 3);
}

static void operand_size_cuts_the_offset_and_the_pushes(void **state)
{
    struct machine *m = *state;

    enter_protected(m, 0);
    EXEC(m, 0x66, 0x9a, 0x00, 0x90, SEL_CODE16, 0x00);
    assert_int_equal(m->cpu->eip, 0x9000);
    assert_false(cpu_code32(m->cpu));
    assert_int_equal(m->cpu->gpr[ESP], STACK0 - 4);
    EXEC(m, 0xcb);
    assert_int_equal(m->cpu->eip, CODE + 6);
    assert_true(cpu_code32(m->cpu));
}

static void call_without_room_is_a_stack_fault(void **state)
{
    struct machine *m = *state;

    enter_protected(m, 3);
    put_gdt(m, SEL_TEST, 0, 0x1fff, TEST_DATA | DPL3);
    load_segment(m, SS, SEL_TEST | 3);
    m->cpu->gpr[ESP] = 0x2004;
    call_far(m, SEL_CODE3, TARGET);
    assert_fault(m, VEC_SS, 0);
    assert_int_equal(get32(m, m->cpu->gpr[ESP] + 4), CODE);
}

static void misaligned_far_call_checks_alignment(void **state)
{
    struct machine *m = *state;

    enter_protected(m, 3);
    m->cpu->cr0 |= CR0_AM;
    cpu_commit_eflags(m->cpu, EFLAGS_AC, EFLAGS_AC);
    m->cpu->gpr[ESP] = STACK3 + 2;
    call_far(m, SEL_CODE3, TARGET);
    assert_fault(m, VEC_AC, 0);
}

/* ---- call gates ---- */

static void call_gate_to_the_same_level(void **state)
{
    struct machine *m = *state;

    enter_protected(m, 0);
    put_call_gate(m, SEL_CODE0, TARGET, AR_P | TYPE_CALL32, 5);
    call_far(m, SEL_TEST, 0xdeadbeef);
    assert_int_equal(m->cpu->eip, TARGET);
    assert_int_equal(m->cpu->gpr[ESP], STACK0 - 8); /* no parameters are copied */
    enter_protected(m, 0);
    jmp_far(m, SEL_TEST, 0);
    assert_int_equal(m->cpu->eip, TARGET);
    assert_int_equal(m->cpu->gpr[ESP], STACK0);
    enter_protected(m, 0);
    put_call_gate(m, SEL_CODE0, 0x12340000 | TARGET, AR_P | TYPE_CALL16, 0);
    call_far(m, SEL_TEST, 0);
    assert_int_equal(m->cpu->eip, TARGET);
    assert_int_equal(m->cpu->gpr[ESP], STACK0 - 4);
}

static void call_gate_inwards_copies_parameters_and_ret_comes_back(void **state)
{
    struct machine *m = *state;

    enter_protected(m, 3);
    put_call_gate(m, SEL_CODE0, TARGET, AR_P | TYPE_CALL32 | DPL3, 2);
    put32(m, STACK3, 0x11111111);
    put32(m, STACK3 + 4, 0x22222222);
    call_far(m, SEL_TEST, 0);
    assert_int_equal(m->cpu->eip, TARGET);
    assert_int_equal(m->cpu->cpl, 0);
    assert_int_equal(m->cpu->gpr[ESP], STACK0 - 24);
    assert_int_equal(get32(m, STACK0 - 24), CODE + 7);
    assert_int_equal(get32(m, STACK0 - 20), SEL_CODE3);
    assert_int_equal(get32(m, STACK0 - 16), 0x11111111);
    assert_int_equal(get32(m, STACK0 - 12), 0x22222222);
    assert_int_equal(get32(m, STACK0 - 8), STACK3);
    assert_int_equal(get32(m, STACK0 - 4), SEL_DATA3);

    load_segment(m, GS, SEL_DATA0);
    EXEC(m, 0xca, 0x08, 0x00);
    assert_int_equal(m->cpu->cpl, 3);
    assert_int_equal(m->cpu->eip, CODE + 7);
    assert_int_equal(m->cpu->gpr[ESP], STACK3 + 8);
    assert_int_equal(m->cpu->seg[GS].selector, 0);
}

static void call_gate_16_inwards_copies_words(void **state)
{
    struct machine *m = *state;

    enter_protected(m, 3);
    put_call_gate(m, SEL_CODE0, TARGET, AR_P | TYPE_CALL16 | DPL3, 1);
    put16(m, STACK3, 0x1111);
    call_far(m, SEL_TEST, 0);
    assert_int_equal(m->cpu->gpr[ESP], STACK0 - 10);
    assert_int_equal(get16(m, STACK0 - 6), 0x1111);
}

static void call_gates_are_checked(void **state)
{
    struct machine *m = *state;
    static const struct {
        uint16_t code_selector, code_ar;
        uint8_t gate_ar, rpl, cpl, vector;
        uint16_t error;
        bool jmp_only, call_only;
    } cases[] = {
        {SEL_CODE0, 0, AR_P | TYPE_CALL32, 0, 3, VEC_GP, SEL_TEST, false, false}, /* DPL < CPL */
        {SEL_CODE0, 0, AR_P | TYPE_CALL32, 3, 0, VEC_GP, SEL_TEST, false, false}, /* DPL < RPL */
        {SEL_CODE0, 0, TYPE_CALL32, 0, 0, VEC_NP, SEL_TEST, false, false},
        {0, 0, AR_P | TYPE_CALL32, 0, 0, VEC_GP, 0, false, false},
        {0x200, 0, AR_P | TYPE_CALL32, 0, 0, VEC_GP, 0x200, false, false},
        {SEL_TEST2, TEST_DATA, AR_P | TYPE_CALL32, 0, 0, VEC_GP, SEL_TEST2, false, false},
        {SEL_TEST2, TEST_CODE | DPL3, AR_P | TYPE_CALL32, 0, 0, VEC_GP, SEL_TEST2, false, false}, /* outwards */
        {SEL_TEST2, TEST_CODE & ~AR_P, AR_P | TYPE_CALL32, 0, 0, VEC_NP, SEL_TEST2, false, false},
        {SEL_CODE0, 0, AR_P | TYPE_CALL32 | DPL3, 3, 3, VEC_GP, SEL_CODE0, true, false}, /* JMP must not go inwards */
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (int is_call = 0; is_call < 2; is_call++) {
            if (is_call && cases[i].jmp_only)
                continue;
            enter_protected(m, cases[i].cpl);
            put_gdt(m, SEL_TEST2, 0, 0xfffff, cases[i].code_ar);
            put_call_gate(m, cases[i].code_selector, TARGET, cases[i].gate_ar, 0);
            (is_call ? call_far : jmp_far)(m, SEL_TEST | cases[i].rpl, 0);
            assert_fault(m, cases[i].vector, cases[i].error);
        }
    }
    enter_protected(m, 3);
    put_gdt(m, SEL_TEST2, 0, 0x7fff, TEST_CODE);
    put_call_gate(m, SEL_TEST2, TARGET, AR_P | TYPE_CALL32 | DPL3, 0);
    call_far(m, SEL_TEST, 0); /* beyond the inner limit */
    assert_fault(m, VEC_GP, 0);

    enter_protected(m, 3);
    put_call_gate(m, SEL_CODE0, TARGET, AR_P | TYPE_CALL32 | DPL3, 31);
    put_gdt(m, SEL_TEST2, 0, 0xffff, TEST_DATA);
    put16(m, TSS + 8, SEL_TEST2);
    put32(m, TSS + 4, 31 * 4 + 16 - 4); /* one item short */
    put_idt(m, VEC_SS, SEL_CONFORMING, HANDLER(VEC_SS), AR_P | TYPE_INT32);
    call_far(m, SEL_TEST, 0);
    assert_int_equal(m->cpu->eip, HANDLER(VEC_SS));
    assert_int_equal(get32(m, m->cpu->gpr[ESP]), SEL_TEST2);
}

/* ---- RET ---- */

static void ret_checks_code_and_stack(void **state)
{
    struct machine *m = *state;
    static const struct {
        uint16_t cs, cs_ar, ss, ss_ar;
        uint32_t eip;
        uint8_t vector;
        uint16_t error;
    } cases[] = {
        {0, 0, 0, 0, 0, VEC_GP, 0},
        {0x200, 0, 0, 0, 0, VEC_GP, 0x200},
        {SEL_TEST, TEST_DATA, 0, 0, 0, VEC_GP, SEL_TEST},
        {SEL_TEST, TEST_CODE | DPL3, 0, 0, 0, VEC_GP, SEL_TEST},
        {SEL_TEST, TEST_CODE | AR_CONFORMING | DPL3, 0, 0, 0, VEC_GP, SEL_TEST},
        {SEL_TEST, TEST_CODE & ~AR_P, 0, 0, 0, VEC_NP, SEL_TEST},
        {SEL_TEST, TEST_CODE, 0, 0, 0x100000, VEC_GP, 0},
        {SEL_CODE3, 0, 0, 0, 0, VEC_GP, 0},
        {SEL_CODE3, 0, SEL_TEST2, TEST_DATA | DPL3, 0, VEC_GP, SEL_TEST2},
        {SEL_CODE3, 0, SEL_TEST2 | 3, TEST_DATA, 0, VEC_GP, SEL_TEST2},
        {SEL_CODE3, 0, SEL_TEST2 | 3, TEST_CODE | DPL3, 0, VEC_GP, SEL_TEST2},
        {SEL_CODE3, 0, SEL_TEST2 | 3, (TEST_DATA | DPL3) & ~AR_P, 0, VEC_SS, SEL_TEST2},
        {SEL_TEST | 3, TEST_CODE | DPL3, SEL_DATA3, 0, 0x100000, VEC_GP, 0},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        enter_protected(m, 0);
        put_gdt(m, SEL_TEST, 0, 0xfffff, cases[i].cs_ar);
        put_gdt(m, SEL_TEST2, 0, 0xfffff, cases[i].ss_ar);
        m->cpu->gpr[ESP] = STACK0 - 16;
        put32(m, STACK0 - 16, cases[i].eip);
        put32(m, STACK0 - 12, cases[i].cs);
        put32(m, STACK0 - 8, STACK3);
        put32(m, STACK0 - 4, cases[i].ss);
        EXEC(m, 0xcb);
        assert_fault(m, cases[i].vector, cases[i].error);
        assert_int_equal(m->cpu->gpr[ESP], STACK0 - 32);
    }
    enter_protected(m, 3);
    put32(m, STACK3, TARGET);
    put32(m, STACK3 + 4, SEL_CODE0); /* inwards */
    EXEC(m, 0xcb);
    assert_fault(m, VEC_GP, SEL_CODE0);

    enter_protected(m, 0); /* a 16-bit outer stack takes SP only */
    put_gdt(m, SEL_TEST, 0, 0xffff, (TEST_DATA | DPL3) & ~AR_DB);
    m->cpu->gpr[ESP] = STACK0 - 16;
    put32(m, STACK0 - 16, TARGET);
    put32(m, STACK0 - 12, SEL_CODE3);
    put32(m, STACK0 - 8, 0xffff1234);
    put32(m, STACK0 - 4, SEL_TEST | 3);
    EXEC(m, 0xcb);
    assert_int_equal(m->cpu->eip, TARGET);
    assert_int_equal(m->cpu->gpr[ESP], ((STACK0 - 16) & 0xffff0000u) | 0x1234);
}

static void limits_admit_their_last_byte(void **state)
{
    struct machine *m = *state;

    enter_protected(m, 0);
    put_gdt(m, SEL_TEST, 0, TARGET, TEST_CODE & ~AR_ACCESSED);
    call_far(m, SEL_TEST, TARGET);
    assert_int_equal(m->cpu->eip, TARGET);
    assert_int_equal(get8(m, GDT + SEL_TEST + 5) & AR_ACCESSED, AR_ACCESSED);
    EXEC(m, 0xcb); /* one byte fits */
    assert_int_equal(m->cpu->eip, CODE + 7);
    assert_int_equal(m->cpu->gpr[ESP], STACK0);
    jmp_far(m, SEL_TEST, TARGET);
    assert_int_equal(m->cpu->eip, TARGET);

    enter_protected(m, 3);
    put_gdt(m, SEL_TEST2, 0, TARGET, TEST_CODE & ~AR_ACCESSED);
    put_call_gate(m, SEL_TEST2, TARGET, AR_P | TYPE_CALL32 | DPL3, 0);
    call_far(m, SEL_TEST, 0);
    assert_int_equal(m->cpu->eip, TARGET);
    assert_int_equal(get8(m, GDT + SEL_TEST2 + 5) & AR_ACCESSED, AR_ACCESSED);
}

/* ---- SYSENTER, SYSEXIT ---- */

static void sysenter_and_sysexit_make_flat_segments(void **state)
{
    struct machine *m = *state;

    enter_protected(m, 3);
    m->cpu->msr.sysenter_cs = SEL_CODE0 | 3;
    m->cpu->msr.sysenter_esp = 0x70000;
    m->cpu->msr.sysenter_eip = TARGET;
    m->cpu->eflags = EFLAGS_IF | EFLAGS_IOPL;
    EXEC(m, 0x0f, 0x34);
    assert_int_equal(m->cpu->cpl, 0);
    assert_int_equal(m->cpu->eip, TARGET);
    assert_int_equal(m->cpu->gpr[ESP], 0x70000);
    assert_int_equal(m->cpu->seg[CS].selector, SEL_CODE0);
    assert_int_equal(m->cpu->seg[SS].selector, SEL_CODE0 + 8);
    assert_int_equal(m->cpu->seg[SS].limit, 0xffffffff);
    assert_int_equal(m->cpu->seg[CS].ar, 0xc09b);
    assert_int_equal(m->cpu->seg[SS].ar, 0xc093);
    assert_int_equal(m->cpu->eflags, EFLAGS_IOPL);

    m->cpu->gpr[ECX] = STACK3;
    m->cpu->gpr[EDX] = CODE;
    EXEC(m, 0x0f, 0x35);
    assert_int_equal(m->cpu->cpl, 3);
    assert_int_equal(m->cpu->eip, CODE);
    assert_int_equal(m->cpu->gpr[ESP], STACK3);
    assert_int_equal(m->cpu->seg[CS].selector, SEL_CODE0 + 16 + 3);
    assert_int_equal(m->cpu->seg[SS].selector, SEL_CODE0 + 24 + 3);
    assert_int_equal(m->cpu->seg[CS].ar, 0xc0fb);
    EXEC(m, 0x0f, 0x35); /* not from CPL 3 */
    assert_fault(m, VEC_GP, 0);

    enter_protected(m, 0);
    m->cpu->msr.sysenter_cs = 3;
    EXEC(m, 0x0f, 0x34);
    assert_fault(m, VEC_GP, 0);
    enter_protected(m, 0);
    EXEC(m, 0x0f, 0x35);
    assert_fault(m, VEC_GP, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MACHINE_TEST(real_mode_far_transfers_load_base_from_selector),
        MACHINE_TEST(far_pointers_in_memory),
        MACHINE_TEST(direct_targets_are_checked),
        MACHINE_TEST(conforming_targets_keep_the_level),
        MACHINE_TEST(operand_size_cuts_the_offset_and_the_pushes),
        MACHINE_TEST(call_without_room_is_a_stack_fault),
        MACHINE_TEST(misaligned_far_call_checks_alignment),
        MACHINE_TEST(call_gate_to_the_same_level),
        MACHINE_TEST(call_gate_inwards_copies_parameters_and_ret_comes_back),
        MACHINE_TEST(call_gate_16_inwards_copies_words),
        MACHINE_TEST(call_gates_are_checked),
        MACHINE_TEST(ret_checks_code_and_stack),
        MACHINE_TEST(limits_admit_their_last_byte),
        MACHINE_TEST(sysenter_and_sysexit_make_flat_segments),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
