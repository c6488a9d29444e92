/* System management mode: what SMI# saves and sets up, and what RSM brings back. */
#include "tests/unit/frontend/sys_fixture.h"

enum {
    BASE = 0x30000,
    MAP = BASE + 0x8000, /* offsets of the SDM's save map count from here */
    OTHER_BASE = 0xa0000,
};

static void smi(struct machine *m)
{
    cpu_set_event(m->cpu, CPU_EVENT_SMI);
    cpu_step(m->cpu);
}

/* One RSM where the processor is in SMM. */
static void rsm(struct machine *m)
{
    EXEC(m, 0x0f, 0xaa);
}

static void smi_enters_a_real_mode_with_flat_limits(void **state)
{
    struct machine *m = *state;
    struct cpu *cpu = m->cpu;

    enter_protected(m, 3);
    enable_paging(m);
    unmap(m, 0x150000);
    cpu->dr[7] = DR7_FIXED | 2;
    debug_derive(cpu);
    cpu->cr0 |= CR0_TS | CR0_NE | CR0_WP | CR0_EM;
    cpu->cr4 = CR4_DE;
    cpu->eflags = EFLAGS_IF | EFLAGS_DF;
    cpu->gpr[EBX] = 0x12345678;
    smi(m);
    assert_true(cpu->smm.active);
    assert_int_equal(cpu->eip, 0x8000);
    assert_int_equal(cpu->seg[CS].selector, BASE >> 4);
    assert_int_equal(cpu->seg[CS].base, BASE);
    assert_int_equal(cpu->seg[CS].limit, 0xffffffff);
    assert_false(cpu_code32(cpu));
    for (unsigned seg = 0; seg < SREGS; seg++) {
        if (seg == CS)
            continue;
        assert_int_equal(cpu->seg[seg].selector, 0);
        assert_int_equal(cpu->seg[seg].base, 0);
        assert_int_equal(cpu->seg[seg].limit, 0xffffffff);
    }
    assert_int_equal(cpu->cr0, CR0_NE | CR0_WP | CR0_ET);
    assert_int_equal(cpu->cr4, 0);
    assert_int_equal(cpu->dr[7], 0x400);
    assert_int_equal(cpu->stepping, 0);
    assert_int_equal(cpu_get_eflags(cpu), 2);
    assert_int_equal(cpu->cpl, 0);
    assert_int_equal(cpu->gpr[EBX], 0x12345678);
    /* It reads above 64 KiB and above what the guest's paging allowed. */
    cpu->gpr[EBX] = 0x150000;
    put32(m, 0x150000, 0xfeedface);
    EXEC(m, 0x67, 0x66, 0x8b, 0x03); /* mov eax, [ebx] */
    assert_int_equal(cpu->gpr[EAX], 0xfeedface);
}

static void save_map_is_the_p6_familys(void **state)
{
    struct machine *m = *state;
    struct cpu *cpu = m->cpu;

    enter_protected(m, 0);
    for (unsigned i = EAX; i <= EDI; i++)
        cpu->gpr[i] = 0x11111111 * (i + 1);
    cpu->cr3 = 0x5000;
    cpu->cr4 = CR4_PSE;
    cpu->dr[7] = 0x455;
    cpu->dr[6] = DR6_FIXED | DR6_B0;
    cpu->ldtr = (struct segment){.selector = SEL_LDT, .base = LDT, .limit = 0x3f, .ar = AR_P | TYPE_LDT};
    cpu_set_eflags(cpu, EFLAGS_IF | EFLAGS_CF, UINT32_MAX);
    smi(m);
    assert_int_equal(get32(m, MAP + 0x7ffc), CR0_PE | CR0_ET);
    assert_int_equal(get32(m, MAP + 0x7ff8), 0x5000);
    assert_int_equal(get32(m, MAP + 0x7ff4), EFLAGS_IF | EFLAGS_CF | 2);
    assert_int_equal(get32(m, MAP + 0x7ff0), CODE);
    assert_int_equal(get32(m, MAP + 0x7fec), 0x88888888); /* EDI */
    assert_int_equal(get32(m, MAP + 0x7fe8), 0x77777777);
    assert_int_equal(get32(m, MAP + 0x7fe4), 0x66666666);
    assert_int_equal(get32(m, MAP + 0x7fe0), 0x55555555);
    assert_int_equal(get32(m, MAP + 0x7fdc), 0x44444444); /* EBX */
    assert_int_equal(get32(m, MAP + 0x7fd8), 0x33333333);
    assert_int_equal(get32(m, MAP + 0x7fd4), 0x22222222);
    assert_int_equal(get32(m, MAP + 0x7fd0), 0x11111111);
    assert_int_equal(get32(m, MAP + 0x7fcc), DR6_FIXED | DR6_B0);
    assert_int_equal(get32(m, MAP + 0x7fc8), 0x455);
    assert_int_equal(get32(m, MAP + 0x7fc4), SEL_TSS);
    assert_int_equal(get32(m, MAP + 0x7fc0), SEL_LDT);
    assert_int_equal(get32(m, MAP + 0x7fac), SEL_CODE0);
    assert_int_equal(get32(m, MAP + 0x7fb0), SEL_DATA0); /* SS */
    assert_int_equal(get32(m, MAP + 0x7fbc), SEL_DATA0); /* GS */
    assert_int_equal(get16(m, MAP + 0x7f02), 0);
    assert_int_equal(get32(m, MAP + 0x7efc), 0x20000);
    assert_int_equal(get32(m, MAP + 0x7ef8), BASE);
    /* The reserved part: where firmware's own save and restore copies it. */
    assert_int_equal(get32(m, MAP + 0x7f14), CR4_PSE);
    assert_int_equal(get32(m, MAP + 0x7f58), IDT);
    assert_int_equal(get32(m, MAP + 0x7f54), 0x7ff);
    assert_int_equal(get32(m, MAP + 0x7f74), GDT);
    assert_int_equal(get32(m, MAP + 0x7f70), GDT_LIMIT);
    assert_int_equal(get32(m, MAP + 0x7f80), LDT);
    assert_int_equal(get32(m, MAP + 0x7f64), TSS);
    assert_int_equal(get32(m, MAP + 0x7f60), TSS_LIMIT);
    assert_int_equal(get32(m, MAP + 0x7f94), 0xffffffff); /* CS limit */
    assert_int_equal(get32(m, MAP + 0x7f90), TEST_CODE | AR_G);
}

/* Everything that a guest can see, in SMM's absence. */
static void assert_same_state(const struct cpu *a, const struct cpu *b)
{
    assert_memory_equal(a->gpr, b->gpr, sizeof a->gpr);
    assert_int_equal(a->eip, b->eip);
    assert_int_equal(cpu_get_eflags(a), cpu_get_eflags(b));
    assert_int_equal(a->cpl, b->cpl);
    assert_int_equal(a->view, b->view);
    assert_int_equal(a->cr0, b->cr0);
    assert_int_equal(a->cr3, b->cr3);
    assert_int_equal(a->cr4, b->cr4);
    assert_int_equal(a->dr[6], b->dr[6]);
    assert_int_equal(a->dr[7], b->dr[7]);
    assert_int_equal(a->stepping, b->stepping);
    assert_memory_equal(a->seg, b->seg, sizeof a->seg);
    assert_int_equal(a->tr.selector, b->tr.selector);
    assert_int_equal(a->tr.base, b->tr.base);
    assert_int_equal(a->tr.limit, b->tr.limit);
    assert_int_equal(a->tr.ar, b->tr.ar);
    assert_int_equal(a->ldtr.selector, b->ldtr.selector);
    assert_int_equal(a->ldtr.base, b->ldtr.base);
    assert_int_equal(a->ldtr.limit, b->ldtr.limit);
    assert_int_equal(a->ldtr.ar, b->ldtr.ar);
    assert_int_equal(a->gdtr.base, b->gdtr.base);
    assert_int_equal(a->gdtr.limit, b->gdtr.limit);
    assert_int_equal(a->idtr.base, b->idtr.base);
    assert_int_equal(a->idtr.limit, b->idtr.limit);
    assert_int_equal(a->nmi_blocked, b->nmi_blocked);
    assert_int_equal(a->halt, b->halt);
}

static void round_trip(struct machine *m)
{
    struct cpu *before = malloc(sizeof *before);

    memcpy(before, m->cpu, sizeof *before);
    smi(m);
    assert_int_equal(m->cpu->eip, 0x8000);
    EXEC(m, 0x66, 0xb8, 1, 2, 3, 4); /* mov eax, 4030201h */
    m->cpu->ldtr = m->cpu->tr = (struct segment){.selector = 0x1230};
    m->cpu->gdtr = m->cpu->idtr = (struct table_register){.base = 0x4560, .limit = 0x789};
    rsm(m);
    assert_false(m->cpu->smm.active);
    assert_same_state(before, m->cpu);
    free(before);
}

static void rsm_brings_every_mode_back(void **state)
{
    struct machine *m = *state;

    enter_real(m);
    segment_load_real(m->cpu, FS, 0x1234);
    round_trip(m);

    enter_protected(m, 0);
    m->cpu->ldtr = (struct segment){.selector = SEL_LDT, .base = LDT, .limit = 0x3f, .ar = AR_P | TYPE_LDT};
    load_segment(m, SS, SEL_STACK16);
    round_trip(m);

    enter_protected(m, 3);
    enable_paging(m);
    cpu_set_eflags(m->cpu, EFLAGS_IF | EFLAGS_OF | EFLAGS_ID, UINT32_MAX);
    m->cpu->dr[0] = 0x77777777;
    m->cpu->dr[7] = DR7_FIXED | 2;
    debug_derive(m->cpu);
    m->cpu->nmi_blocked = true;
    round_trip(m);
    m->cpu->nmi_blocked = false;
    m->cpu->dr[7] = DR7_FIXED;
    debug_derive(m->cpu);
    /* Paging is alive again: an address that is not mapped faults. */
    unmap(m, DATA);
    m->cpu->gpr[EBX] = DATA;
    EXEC(m, 0x8b, 0x03);
    assert_fault(m, VEC_PF, 4);

    m->cpu->cr0 = CR0_ET;
    cpu_derive_paging(m->cpu);
    enter_v86(m, 0);
    cpu_derive_paging(m->cpu);
    round_trip(m);
}

static void rsm_loads_what_the_handler_left_in_the_map(void **state)
{
    struct machine *m = *state;

    enter_protected(m, 0);
    smi(m);
    put32(m, MAP + 0x7fd0, 0xcafe); /* EAX */
    put32(m, MAP + 0x7ff0, 0x9100); /* EIP */
    put32(m, MAP + 0x7fcc, 0x1234); /* DR6: bits that do not exist stay */
    put32(m, MAP + 0x7f94, 0x9fff); /* CS limit */
    rsm(m);
    assert_int_equal(m->cpu->gpr[EAX], 0xcafe);
    assert_int_equal(m->cpu->eip, 0x9100);
    assert_int_equal(m->cpu->dr[6], DR6_FIXED | 4);
    assert_int_equal(m->cpu->seg[CS].limit, 0x9fff);
}

static void smbase_moves_with_the_next_smi(void **state)
{
    struct machine *m = *state;

    enter_real(m);
    smi(m);
    put32(m, MAP + 0x7ef8, OTHER_BASE);
    assert_int_equal(m->cpu->smm.smbase, BASE);
    rsm(m);
    smi(m);
    assert_int_equal(m->cpu->seg[CS].base, OTHER_BASE);
    assert_int_equal(get32(m, OTHER_BASE + 0x8000 + 0x7ef8), OTHER_BASE);
    assert_int_equal(get32(m, OTHER_BASE + 0x8000 + 0x7ff0), CODE);
    cpu_reset(m->cpu);
    assert_int_equal(m->cpu->smm.smbase, BASE);
    assert_false(m->cpu->smm.active);
}

static void rsm_outside_smm_is_an_invalid_opcode(void **state)
{
    struct machine *m = *state;

    enter_protected(m, 0);
    EXEC(m, 0x0f, 0xaa);
    assert_trap(m, VEC_UD, CODE);
}

static void halt_goes_on_unless_the_handler_ends_it(void **state)
{
    struct machine *m = *state;

    enter_real(m);
    EXEC(m, 0xf4);
    assert_int_equal(m->cpu->halt, CPU_HALTED);
    smi(m);
    assert_int_equal(m->cpu->halt, CPU_RUNNING);
    assert_int_equal(get16(m, MAP + 0x7f02), 1);
    assert_int_equal(get32(m, MAP + 0x7ff0), CODE + 1);
    rsm(m);
    assert_int_equal(m->cpu->halt, CPU_HALTED);
    assert_int_equal(m->cpu->eip, CODE + 1);
    smi(m);
    put16(m, MAP + 0x7f02, 0);
    rsm(m);
    assert_int_equal(m->cpu->halt, CPU_RUNNING);
    assert_int_equal(m->cpu->eip, CODE + 1);
}

static void smm_holds_back_nmi_and_another_smi(void **state)
{
    struct machine *m = *state;

    enter_protected(m, 0);
    m->cpu->eflags = EFLAGS_IF;
    smi(m);
    cpu_set_event(m->cpu, CPU_EVENT_NMI | CPU_EVENT_SMI);
    cpu_set_intr(m->cpu, true);
    EXEC(m, 0x90);
    assert_int_equal(m->cpu->eip, 0x8001);
    rsm(m);
    assert_int_equal(m->cpu->eip, CODE);
    cpu_step(m->cpu); /* SMI comes before NMI */
    assert_true(m->cpu->smm.active);
    rsm(m);
    cpu_step(m->cpu);
    assert_trap(m, VEC_NMI, CODE);
    assert_int_equal(m->intacks, 0);
}

static void an_smi_waits_for_the_stack_switch_to_be_whole(void **state)
{
    struct machine *m = *state;

    enter_real(m);
    CODE_BYTES(m, 0x8e, 0xd0, 0xfb, 0x90, 0x90); /* mov ss, ax; sti; nop; nop */
    cpu_step(m->cpu);
    cpu_set_event(m->cpu, CPU_EVENT_SMI);
    cpu_step(m->cpu); /* STI */
    assert_false(m->cpu->smm.active);
    cpu_step(m->cpu); /* NOP */
    assert_false(m->cpu->smm.active);
    cpu_step(m->cpu);
    assert_true(m->cpu->smm.active);
    assert_int_equal(get32(m, MAP + 0x7ff0), CODE + 4);
}

static void a_single_step_trap_waits_until_rsm(void **state)
{
    struct machine *m = *state;

    enter_protected(m, 0);
    m->cpu->eflags = EFLAGS_TF;
    EXEC(m, 0x90); /* its trap is pending now */
    smi(m);
    assert_true(m->cpu->smm.active);
    EXEC(m, 0x90);
    assert_int_equal(m->cpu->eip, 0x8001);
    rsm(m);
    cpu_step(m->cpu);
    assert_trap(m, VEC_DB, CODE + 1);
    assert_true(m->cpu->dr[6] & DR6_BS);
}

static void a_map_that_makes_no_sense_shuts_down(void **state)
{
    struct machine *m = *state;
    static const struct {
        uint32_t offset, value;
    } bad[] = {
        {0x7ffc, CR0_PG},          /* paging without protection */
        {0x7ffc, CR0_NW | CR0_PE}, /* NW without CD */
        {0x7f14, 0x80000000u},     /* no such bit in CR4 */
    };

    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cpu_reset(m->cpu);
        m->shutdowns = 0;
        enter_protected(m, 0);
        smi(m);
        put32(m, MAP + bad[i].offset, bad[i].value);
        rsm(m);
        assert_int_equal(m->shutdowns, 1);
        assert_int_equal(m->cpu->halt, CPU_SHUTDOWN);
        cpu_set_event(m->cpu, CPU_EVENT_SMI);
        cpu_step(m->cpu);
        assert_int_equal(m->cpu->halt, CPU_SHUTDOWN);
    }
}

static void note_smm(void *opaque, bool active)
{
    struct machine *m = opaque;

    m->idles += active ? 1 : 0x100;
    phys_unmap(m->phys, OTHER_BASE, 0x20000);
    if (active)
        phys_map_ram(m->phys, OTHER_BASE, 0x20000, 0x1c0000);
}

static void the_board_shows_smram_for_as_long_as_smm_lasts(void **state)
{
    struct machine *m = *state;

    m->board.smm = note_smm;
    m->cpu->smm.smbase = OTHER_BASE;
    phys_unmap(m->phys, OTHER_BASE, 0x20000);
    enter_real(m);
    m->cpu->gpr[EAX] = 0x600d;
    put8(m, 0x1c8000, 0x0f); /* RSM */
    put8(m, 0x1c8001, 0xaa);
    smi(m);
    assert_int_equal(m->idles, 1);
    assert_int_equal(get32(m, 0x1c0000 + 0xffd0), 0x600d); /* saved into what the board showed */
    cpu_step(m->cpu);
    assert_int_equal(m->idles, 0x101);
    assert_int_equal(m->cpu->eip, CODE);
    assert_int_equal(phys_read(m->phys, OTHER_BASE, 1), 0xff);
    smi(m);
    cpu_reset(m->cpu);
    assert_int_equal(m->idles, 0x202);
}

static void reset_forgets_a_pending_smi(void **state)
{
    struct machine *m = *state;

    cpu_set_event(m->cpu, CPU_EVENT_SMI);
    cpu_reset(m->cpu);
    enter_real(m);
    EXEC(m, 0x90);
    assert_false(m->cpu->smm.active);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MACHINE_TEST(smi_enters_a_real_mode_with_flat_limits),
        MACHINE_TEST(save_map_is_the_p6_familys),
        MACHINE_TEST(rsm_brings_every_mode_back),
        MACHINE_TEST(rsm_loads_what_the_handler_left_in_the_map),
        MACHINE_TEST(smbase_moves_with_the_next_smi),
        MACHINE_TEST(rsm_outside_smm_is_an_invalid_opcode),
        MACHINE_TEST(halt_goes_on_unless_the_handler_ends_it),
        MACHINE_TEST(smm_holds_back_nmi_and_another_smi),
        MACHINE_TEST(an_smi_waits_for_the_stack_switch_to_be_whole),
        MACHINE_TEST(a_single_step_trap_waits_until_rsm),
        MACHINE_TEST(a_map_that_makes_no_sense_shuts_down),
        MACHINE_TEST(the_board_shows_smram_for_as_long_as_smm_lasts),
        MACHINE_TEST(reset_forgets_a_pending_smi),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
