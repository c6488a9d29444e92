/* Control and debug registers, MSRs, the time-stamp counter, CPUID and CPU models. */
#include "tests/unit/frontend/sys_fixture.h"

static void write_cr(struct machine *m, unsigned n, uint32_t value)
{
    m->cpu->gpr[EAX] = value;
    EXEC(m, 0x0f, 0x22, (uint8_t)(0xc0 | n << 3));
}

/* ---- control registers ---- */

static void cr0_refuses_contradictions(void **state)
{
    struct machine *m = *state;

    enter_protected(m, 0);
    write_cr(m, 0, CR0_PG);
    assert_fault(m, VEC_GP, 0);
    enter_protected(m, 0);
    write_cr(m, 0, CR0_PE | CR0_NW);
    assert_fault(m, VEC_GP, 0);
    enter_protected(m, 0);
    write_cr(m, 0, 0x1ffaffc0 | CR0_PE); /* reserved bits are ignored, ET stays */
    assert_int_equal(m->cpu->cr0, CR0_PE | CR0_ET);
    EXEC(m, 0x0f, 0x20, 0xc1); /* mov ecx, cr0 */
    assert_int_equal(m->cpu->gpr[ECX], m->cpu->cr0);
    enter_protected(m, 3);
    write_cr(m, 0, CR0_PE);
    assert_fault(m, VEC_GP, 0);
    enter_protected(m, 3);
    EXEC(m, 0x0f, 0x20, 0xc0);
    assert_fault(m, VEC_GP, 0);
}

static void leaving_and_entering_protected_mode_changes_rights(void **state)
{
    struct machine *m = *state;

    enter_protected(m, 0);
    write_cr(m, 0, 0);
    EXEC(m, 0x2e, 0xa3, 0, 0, 5, 0); /* real mode writes through CS */
    assert_int_equal(m->cpu->eip, CODE + 3 + 6);
    write_cr(m, 0, CR0_PE);
    EXEC(m, 0x2e, 0xa3, 0, 0, 5, 0);
    assert_fault(m, VEC_GP, 0);
}

static void paging_takes_effect_at_once(void **state)
{
    struct machine *m = *state;

    enter_protected(m, 0);
    enable_paging(m);
    m->cpu->cr0 &= ~CR0_PG;
    cpu_derive_paging(m->cpu);
    put32(m, PAGE_TABLE + (DATA >> 12) * 4, (DATA + 0x1000) | 7);
    put32(m, DATA + 0x1000, 0x600dcafe);
    write_cr(m, 0, CR0_PE | CR0_PG);
    EXEC(m, 0xa1, 0, 0, 5, 0);
    assert_int_equal(m->cpu->gpr[EAX], 0x600dcafe);
    put32(m, PAGE_TABLE + (DATA >> 12) * 4, DATA | 7);
    put32(m, DATA, 0x0bad0bad);
    m->cpu->gpr[EBX] = DATA;
    EXEC(m, 0x0f, 0x01, 0x3b); /* invlpg [ebx] */
    EXEC(m, 0xa1, 0, 0, 5, 0);
    assert_int_equal(m->cpu->gpr[EAX], 0x0bad0bad);
    put32(m, PAGE_TABLE + (DATA >> 12) * 4, (DATA + 0x1000) | 7);
    write_cr(m, 3, PAGE_DIRECTORY);
    EXEC(m, 0xa1, 0, 0, 5, 0);
    assert_int_equal(m->cpu->gpr[EAX], 0x600dcafe);
    EXEC(m, 0x0f, 0x20, 0xda);
    assert_int_equal(m->cpu->gpr[EDX], PAGE_DIRECTORY);
}

static void cr4_accepts_the_features_of_the_model(void **state)
{
    struct machine *m = *state;

    enter_protected(m, 0);
    write_cr(m, 4, 0x7ff);
    assert_int_equal(m->cpu->cr4, 0x7ff);
    EXEC(m, 0x0f, 0x20, 0xe0);
    assert_int_equal(m->cpu->gpr[EAX], 0x7ff);
    write_cr(m, 4, 0x800);
    assert_fault(m, VEC_GP, 0);
    assert_int_equal(m->cpu->cr4, 0x7ff);
    write_cr(m, 2, 0x1234);
    EXEC(m, 0x0f, 0x20, 0xd0);
    assert_int_equal(m->cpu->gpr[EAX], 0x1234);
    enter_protected(m, 0);
    EXEC(m, 0x0f, 0x20, 0xc8); /* CR1 */
    assert_trap(m, VEC_UD, CODE);
}

static void mod_bits_of_control_moves_are_ignored(void **state)
{
    struct machine *m = *state;

    enter_protected(m, 0);
    m->cpu->cr2 = 0x777;
    EXEC(m, 0x0f, 0x20, 0x11); /* mod 0: still mov ecx, cr2 */
    assert_int_equal(m->cpu->gpr[ECX], 0x777);
    assert_int_equal(m->cpu->eip, CODE + 3);
}

static void bad_pdptes_stop_the_move_to_cr3(void **state)
{
    struct machine *m = *state;
    const uint32_t pdpt = 0x120000;

    enter_protected(m, 0);
    for (uint32_t i = 0; i < 8; i++)
        put32(m, pdpt + 4 * i, 0);
    put32(m, pdpt, 0x121000 | 1);
    put32(m, 0x121000, 0x83);
    write_cr(m, 4, CR4_PAE);
    write_cr(m, 3, pdpt);
    write_cr(m, 0, CR0_PE | CR0_PG);
    assert_true(m->cpu->cr0 & CR0_PG);
    assert_int_equal(m->cpu->mmu.paging.pdpte[0], 0x121001);
    put32(m, 0x122000, 0x121000 | 1 | 0x20);
    write_cr(m, 3, 0x122000);
    assert_fault(m, VEC_GP, 0);
    assert_int_equal(m->cpu->cr3, pdpt);
    put32(m, pdpt + 8, 0x121000 | 1 | 2);
    enter_protected(m, 0);
    m->cpu->cr0 |= CR0_PG;
    write_cr(m, 4, CR4_PAE | CR4_PGE); /* reloads them too */
    assert_fault(m, VEC_GP, 0);
    assert_int_equal(m->cpu->cr4, CR4_PAE);
    cpu_derive_paging(m->cpu); /* never raises */
}

static void machine_status_word_instructions(void **state)
{
    struct machine *m = *state;

    enter_protected(m, 0);
    m->cpu->gpr[EAX] = CR0_MP | CR0_TS | 0xfff0;
    EXEC(m, 0x0f, 0x01, 0xf0); /* lmsw ax: cannot clear PE */
    assert_int_equal(m->cpu->cr0, CR0_PE | CR0_MP | CR0_TS | CR0_ET);
    EXEC(m, 0x0f, 0x01, 0xe1); /* smsw ecx */
    assert_int_equal(m->cpu->gpr[ECX], m->cpu->cr0);
    m->cpu->gpr[EBX] = DATA;
    put32(m, DATA, 0xffffffff);
    EXEC(m, 0x0f, 0x01, 0x23); /* smsw [ebx] */
    assert_int_equal(get32(m, DATA), 0xffff0000u | m->cpu->cr0);
    EXEC(m, 0x0f, 0x06); /* clts */
    assert_int_equal(m->cpu->cr0 & CR0_TS, 0);
    static const uint8_t privileged[][3] = {
        {0x0f, 0x01, 0xf0}, {0x0f, 0x06, 0}, {0x0f, 0x08, 0},    {0x0f, 0x09, 0},    {0x0f, 0x01, 0x3b},
        {0x0f, 0x30, 0},    {0x0f, 0x32, 0}, {0x0f, 0x21, 0xc0}, {0x0f, 0x23, 0xc0},
    };
    for (size_t i = 0; i < sizeof privileged / 3; i++) {
        enter_protected(m, 3);
        put_code(m, privileged[i], 3);
        cpu_step(m->cpu);
        assert_fault(m, VEC_GP, 0);
    }
    enter_protected(m, 0);
    EXEC(m, 0x0f, 0x09);
    EXEC(m, 0x0f, 0x08);
    assert_int_equal(m->cpu->eip, CODE + 4);
}

static void raising_am_turns_alignment_checks_on(void **state)
{
    struct machine *m = *state;

    enter_protected(m, 3);
    m->cpu->eflags = EFLAGS_AC;
    cpu_write_cr(m->cpu, 0, m->cpu->cr0 | CR0_AM);
    EXEC(m, 0xa1, 2, 0, 5, 0);
    assert_fault(m, VEC_AC, 0);
}

/* ---- debug registers ---- */

static void debug_registers_keep_their_fixed_bits(void **state)
{
    struct machine *m = *state;

    enter_protected(m, 0);
    m->cpu->gpr[EAX] = 0;
    EXEC(m, 0x0f, 0x23, 0xf0); /* mov dr6, eax */
    assert_int_equal(m->cpu->dr[6], DR6_FIXED);
    m->cpu->gpr[EAX] = 0xffffdfff;
    EXEC(m, 0x0f, 0x23, 0xf0);
    assert_int_equal(m->cpu->dr[6], DR6_FIXED | (DR6_VALID & ~DR6_BD));
    m->cpu->gpr[EAX] = 0xd800; /* reserved bits and no enable */
    EXEC(m, 0x0f, 0x23, 0xf8);
    assert_int_equal(m->cpu->dr[7], DR7_FIXED);
    m->cpu->gpr[EAX] = 0x12345678;
    EXEC(m, 0x0f, 0x23, 0xd8); /* dr3 */
    EXEC(m, 0x0f, 0x21, 0xdb); /* mov ebx, dr3 */
    assert_int_equal(m->cpu->gpr[EBX], 0x12345678);
    EXEC(m, 0x0f, 0x21, 0xe3); /* dr4 is dr6 */
    assert_int_equal(m->cpu->gpr[EBX], m->cpu->dr[6]);
    m->cpu->cr4 = CR4_DE;
    EXEC(m, 0x0f, 0x21, 0xe3);
    assert_int_equal(m->cpu->eip, HANDLER(VEC_UD));
}

static void breakpoints_put_the_run_loop_in_stepping_mode(void **state)
{
    struct machine *m = *state;
    struct cpu *cpu = m->cpu;

    enter_protected(m, 0);
    assert_false(cpu_must_step(cpu));
    cpu->eflags |= EFLAGS_TF;
    assert_true(cpu_must_step(cpu));
    cpu->eflags = 0;
    m->cpu->gpr[EAX] = 1 << 2;
    EXEC(m, 0x0f, 0x23, 0xf8);
    assert_true(cpu_must_step(cpu));
    cpu->dr[1] = 0x4000;
    assert_int_equal(debug_exec_match(cpu, 0x4000), 2);
    assert_int_equal(debug_exec_match(cpu, 0x4001), 0);
    m->cpu->gpr[EAX] = 1 << 2 | 2u << 20; /* I/O: no stepping */
    EXEC(m, 0x0f, 0x23, 0xf8);
    assert_false(cpu_must_step(cpu));
}

/* ---- MSRs ---- */

static bool wrmsr_faults(struct machine *m, uint32_t index, uint64_t value)
{
    uint32_t eip;

    enter_protected(m, 0);
    m->cpu->gpr[ECX] = index;
    m->cpu->gpr[EAX] = (uint32_t)value;
    m->cpu->gpr[EDX] = (uint32_t)(value >> 32);
    EXEC(m, 0x0f, 0x30);
    eip = m->cpu->eip;
    assert_true(eip == CODE + 2 || eip == HANDLER(VEC_GP));
    return eip != CODE + 2;
}
static bool rdmsr_faults(struct machine *m, uint32_t index, uint64_t *value)
{
    enter_protected(m, 0);
    m->cpu->gpr[ECX] = index;
    EXEC(m, 0x0f, 0x32);
    *value = (uint64_t)m->cpu->gpr[EDX] << 32 | m->cpu->gpr[EAX];
    return m->cpu->eip != CODE + 2;
}

static void msrs_keep_valid_values_and_refuse_others(void **state)
{
    struct machine *m = *state;
    static const struct {
        uint32_t index;
        uint64_t good, back, bad;
        bool has_bad;
    } cases[] = {
        {0x174, 0x1234, 0x1234, 0, false},
        {0x175, 0x1122334455667788, 0x55667788, 0, false},
        {0x176, 0x80001000, 0x80001000, 0, false},
        {0x277, 0x0001040506070007, 0x0001040506070007, 0x2, true},
        {0x2ff, 0xc06, 0xc06, 0x1000, true},
        {0x2ff, 0x806, 0x806, 0x2, true},
        {0x250, 0x0606060606060606, 0x0606060606060606, 0x0206060606060606, true},
        {0x259, 0x0101010101010101, 0x0101010101010101, 0xff, true},
        {0x26f, 0x0505050505050505, 0x0505050505050505, 0x3, true},
        {0x200, 0xf00000006, 0xf00000006, 0x1000000000, true},
        {0x20f, 0xffc000800, 0xffc000800, 0x400, true},
        {0x20e, 0x40000001, 0x40000001, 0x40000007, true},
        {0x17a, 5, 5, 8, true},
        {0x17b, UINT64_MAX, UINT64_MAX, 1, true},
        {0x400, UINT64_MAX, UINT64_MAX, 5, true},
        {0x401, 0, 0, 1, true},
        {0x1b, 0xfee00100, 0xfee00100, 0x1, true},
        {0x1b, 0xfee00900, 0xfee00900, 0x1000000000, true},
        {0xc0000080, 0x800, 0x800, 0x1, true},
        {0x8b, 0x1234, 0x1234, 0, false},
        {0xc1, 0x80000000, 0xff80000000, 0, false},
        {0x187, 0x530000, 0x530000, 0, false},
        {0x1a0, 0x8, 0x9, 0, false},
        {0x1d9, 0xff, 0x7f, 0, false},
        {0x2a, 5, 0, 0, false},
        {0x1, 5, 0, 0, false},
    };
    uint64_t value;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_false(wrmsr_faults(m, cases[i].index, cases[i].good));
        assert_false(rdmsr_faults(m, cases[i].index, &value));
        assert_int_equal(value, cases[i].back);
        if (cases[i].has_bad) {
            assert_true(wrmsr_faults(m, cases[i].index, cases[i].bad));
            assert_false(rdmsr_faults(m, cases[i].index, &value));
            assert_int_equal(value, cases[i].back);
        }
    }
}

static void read_only_and_unknown_msrs(void **state)
{
    struct machine *m = *state;
    static const struct {
        uint32_t index;
        uint64_t value;
    } fixed[] = {{0xfe, 0x508}, {0x179, 0x104}, {0x17, 0}, {0x1dc, 0}};
    uint64_t value;

    for (size_t i = 0; i < 4; i++) {
        assert_false(rdmsr_faults(m, fixed[i].index, &value));
        assert_int_equal(value, fixed[i].value);
        assert_true(wrmsr_faults(m, fixed[i].index, 0));
    }
    assert_false(wrmsr_faults(m, 0x79, 0x1000)); /* write-only */
    assert_true(rdmsr_faults(m, 0x79, &value));
    assert_true(rdmsr_faults(m, 0x12345, &value));
    assert_true(wrmsr_faults(m, 0x12345, 0));
    assert_true(rdmsr_faults(m, 0x1f0, &value));
}

static void efer_nxe_reaches_the_page_walk(void **state)
{
    struct machine *m = *state;

    assert_false(wrmsr_faults(m, 0xc0000080, EFER_NXE));
    assert_true(m->cpu->mmu.paging.nxe);
    assert_false(wrmsr_faults(m, 0xc0000080, 0));
    assert_false(m->cpu->mmu.paging.nxe);
}

static void tsc_counts_from_what_was_written(void **state)
{
    struct machine *m = *state;

    m->tsc = 1000;
    assert_false(wrmsr_faults(m, 0x10, 0x500000000));
    m->tsc += 7;
    enter_protected(m, 3);
    EXEC(m, 0x0f, 0x31);
    assert_int_equal(m->cpu->gpr[EDX], 5);
    assert_int_equal(m->cpu->gpr[EAX], 7);
    uint64_t value;
    assert_false(rdmsr_faults(m, 0x10, &value));
    assert_int_equal(value, 0x500000007);
    enter_protected(m, 3);
    m->cpu->cr4 = CR4_TSD;
    EXEC(m, 0x0f, 0x31);
    assert_fault(m, VEC_GP, 0);
}

static void rdpmc_obeys_pce_and_its_index(void **state)
{
    struct machine *m = *state;

    enter_protected(m, 0);
    m->cpu->msr.perf_ctr[1] = 0x1122334455;
    m->cpu->gpr[ECX] = 1;
    EXEC(m, 0x0f, 0x33);
    assert_int_equal(m->cpu->gpr[EAX], 0x22334455);
    assert_int_equal(m->cpu->gpr[EDX], 0x11);
    m->cpu->gpr[ECX] = 2;
    EXEC(m, 0x0f, 0x33);
    assert_fault(m, VEC_GP, 0);
    enter_protected(m, 3);
    m->cpu->gpr[ECX] = 0;
    EXEC(m, 0x0f, 0x33);
    assert_fault(m, VEC_GP, 0);
    enter_protected(m, 3);
    m->cpu->cr4 = CR4_PCE;
    EXEC(m, 0x0f, 0x33);
    assert_int_equal(m->cpu->eip, CODE + 2);
}

/* ---- CPUID and models ---- */

static struct cpuid_leaf query(struct machine *m, uint32_t leaf)
{
    enter_protected(m, 3);
    m->cpu->gpr[EAX] = leaf;
    m->cpu->gpr[ECX] = 0;
    EXEC(m, 0x0f, 0xa2);
    return (struct cpuid_leaf){m->cpu->gpr[EAX], m->cpu->gpr[EBX], m->cpu->gpr[ECX], m->cpu->gpr[EDX]};
}

static void cpuid_describes_qemu32(void **state)
{
    struct machine *m = *state;
    struct cpuid_leaf leaf = query(m, 0);
    char text[49] = {0};

    assert_int_equal(leaf.eax, 2);
    memcpy(text, &leaf.ebx, 4);
    memcpy(text + 4, &leaf.edx, 4);
    memcpy(text + 8, &leaf.ecx, 4);
    assert_string_equal(text, "GenuineIntel");
    leaf = query(m, 1);
    assert_int_equal(leaf.eax, 0x663);
    assert_int_equal(leaf.edx, 0x078bfbff);
    assert_int_equal(leaf.ebx, 0x0800);
    leaf = query(m, 2);
    assert_int_equal(leaf.eax & 0xff, 1);
    assert_int_equal(query(m, 77).eax, leaf.eax);
    assert_int_equal(query(m, 0x40000000).eax, leaf.eax);
    assert_int_equal(query(m, 0x80000000).eax, 0x80000008);
    assert_int_equal(query(m, 0x80000001).edx, CPUID_EXT_EDX_NX);
    for (uint32_t i = 0; i < 3; i++) {
        leaf = query(m, 0x80000002 + i);
        memcpy(text + 16 * i, &leaf, 16);
    }
    assert_string_equal(text, "morph86 Virtual CPU");
    assert_int_equal(query(m, 0x80000005).eax, 0);
    assert_int_equal(query(m, 0x80000008).eax, 0x2024);
    assert_int_equal(query(m, 0x80000009).eax, query(m, 2).eax);
}

static void note_apic_base(void *opaque, uint64_t value)
{
    ((struct machine *)opaque)->tsc = value;
}

static void apic_bit_follows_the_model_and_its_msr(void **state)
{
    struct machine *m = *state;

    m->tsc = 0; /* where the board notes IA32_APIC_BASE */
    m->board.apic_base = note_apic_base;
    cpu_reset(m->cpu);
    assert_int_equal(m->tsc, 0xfee00900);
    assert_int_equal(query(m, 1).edx & CPUID_APIC, CPUID_APIC);
    assert_false(wrmsr_faults(m, 0x1b, 0xfee00100));
    assert_int_equal(m->tsc, 0xfee00100);
    assert_int_equal(query(m, 1).edx & CPUID_APIC, 0);
    assert_false(wrmsr_faults(m, 0x1b, 0xfee00900));
    assert_int_equal(query(m, 1).edx & CPUID_APIC, CPUID_APIC);

    m->model.cpuid_1_edx &= ~(uint32_t)CPUID_APIC;
    cpu_reset(m->cpu);
    assert_int_equal(m->tsc, 0xfee00100);
    assert_false(wrmsr_faults(m, 0x1b, 0xfee00900)); /* no APIC to enable */
    assert_int_equal(m->tsc, 0xfee00100);
    assert_int_equal(query(m, 1).edx & CPUID_APIC, 0);
}

static bool parse(struct cpu_model *model, const char *text, char *error)
{
    error[0] = 0;
    return cpu_model_parse(model, text, error, 120);
}

static void models_parse_with_features(void **state)
{
    struct cpu_model model;
    char error[120];
    (void)state;

    assert_true(parse(&model, "", error));
    assert_string_equal(model.name, "qemu32");
    assert_true(parse(&model, "qemu32,-sse2,+popcnt,-nx,-hypervisor", error));
    assert_false(isa_feature_has(model.isa_features, FEAT_SSE2));
    assert_true(isa_feature_has(model.isa_features, FEAT_SSE));
    assert_true(isa_feature_has(model.isa_features, FEAT_POPCNT));
    assert_int_equal(model.cpuid_80000001_edx, 0);
    assert_true(parse(&model, "pentium,+clfsh", error));
    assert_int_equal(model.family, 5);
    assert_true(isa_feature_has(model.isa_features, FEAT_CLFLUSH));
    assert_false(isa_feature_has(model.isa_features, FEAT_CMOV));
    assert_false(isa_feature_has(model.isa_features, FEAT_NOPL));
    assert_true(parse(&model, "486", error));
    assert_false(isa_feature_has(model.isa_features, FEAT_TSC));
    assert_true(isa_feature_has(model.isa_features, FEAT_X87));
    assert_true(isa_feature_has(model.isa_features, FEAT_RSM)); /* it reports CPUID, so it is an SL-enhanced one */
    assert_true(parse(&model, "pentium2,+nx", error));
    assert_int_equal(model.max_extended_leaf, 0x80000001);
    assert_true(isa_feature_has(model.isa_features, FEAT_PMC));
    assert_true(parse(&model, "pentium3", error));
    assert_true(parse(&model, "max", error));
    assert_true(isa_feature_has(model.isa_features, FEAT_POPCNT));
}

static void bad_models_name_the_word_and_the_remedy(void **state)
{
    struct cpu_model model;
    char error[120];
    (void)state;

    assert_false(parse(&model, "k6", error));
    assert_non_null(strstr(error, "'k6'"));
    assert_non_null(strstr(error, "-cpu help"));
    assert_false(parse(&model, "qemu32,+frob", error));
    assert_non_null(strstr(error, "'frob'"));
    assert_false(parse(&model, "qemu32,+avx", error));
    assert_non_null(strstr(error, "not modelled"));
    assert_false(parse(&model, "qemu32,sse2", error));
    assert_non_null(strstr(error, "'sse2'"));
    assert_false(parse(&model, "a-name-that-is-much-longer-than-any-that-could-be-known,+x", error));
    assert_false(parse(&model, "qemu32,,", error));
}

static void model_list_names_every_model(void **state)
{
    static const char *const names[] = {"486", "pentium", "pentium2", "pentium3", "qemu32", "max", "sse2"};
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    (void)state;

    cpu_model_list(out);
    fclose(out);
    for (size_t i = 0; i < 7; i++)
        assert_non_null(strstr(text, names[i]));
    free(text);
}

static int create_486(void **state)
{
    return machine_create_model(state, "486");
}
static int create_386(void **state)
{
    return machine_create_model(state, "486,-vme,-pse");
}

static void a_486_lacks_what_came_later(void **state)
{
    struct machine *m = *state;
    uint64_t value;

    enter_protected(m, 0);
    write_cr(m, 4, CR4_VME | CR4_PVI | CR4_PSE);
    assert_int_equal(m->cpu->cr4, CR4_VME | CR4_PVI | CR4_PSE);
    write_cr(m, 4, CR4_PAE);
    assert_fault(m, VEC_GP, 0);
    enter_protected(m, 0);
    EXEC(m, 0x0f, 0x31);
    assert_trap(m, VEC_UD, CODE);
    /* The MSRs themselves, as if there were a way to name them. */
    static const uint32_t indices[] = {0x0, 0x10, 0x1b, 0xfe, 0x174, 0x179, 0x277, 0xc0000080};
    for (size_t i = 0; i < 8; i++) {
        enter_protected(m, 0);
        if (setjmp(m->cpu->unwind) == 0) {
            value = cpu_rdmsr(m->cpu, indices[i]);
            fail_msg("MSR %x reads as %llx", indices[i], (unsigned long long)value);
        }
        if (setjmp(m->cpu->unwind) == 0) {
            cpu_wrmsr(m->cpu, indices[i], 0);
            fail_msg("MSR %x can be written", indices[i]);
        }
    }
    assert_int_equal(query(m, 0).eax, 1);
    assert_int_equal(query(m, 0x80000000).eax, 0x480);
}

static void without_cr4_features_there_is_no_cr4(void **state)
{
    struct machine *m = *state;

    enter_protected(m, 0);
    EXEC(m, 0x0f, 0x20, 0xe0);
    assert_trap(m, VEC_UD, CODE);
    enter_protected(m, 0);
    write_cr(m, 4, 0);
    assert_trap(m, VEC_UD, CODE);
}

static void unknown_control_registers_are_undefined(void **state)
{
    struct machine *m = *state;

    if (setjmp(m->cpu->unwind) == 0) {
        (void)cpu_read_cr(m->cpu, 1);
        fail();
    }
    assert_int_equal(m->cpu->fault.vector, VEC_UD);
    m->cpu->fault.vector = 0;
    if (setjmp(m->cpu->unwind) == 0) {
        cpu_write_cr(m->cpu, 5, 0);
        fail();
    }
    assert_int_equal(m->cpu->fault.vector, VEC_UD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MACHINE_TEST(cr0_refuses_contradictions),
        MACHINE_TEST(leaving_and_entering_protected_mode_changes_rights),
        MACHINE_TEST(paging_takes_effect_at_once),
        MACHINE_TEST(cr4_accepts_the_features_of_the_model),
        MACHINE_TEST(mod_bits_of_control_moves_are_ignored),
        MACHINE_TEST(bad_pdptes_stop_the_move_to_cr3),
        MACHINE_TEST(machine_status_word_instructions),
        MACHINE_TEST(raising_am_turns_alignment_checks_on),
        MACHINE_TEST(debug_registers_keep_their_fixed_bits),
        MACHINE_TEST(breakpoints_put_the_run_loop_in_stepping_mode),
        MACHINE_TEST(msrs_keep_valid_values_and_refuse_others),
        MACHINE_TEST(read_only_and_unknown_msrs),
        MACHINE_TEST(efer_nxe_reaches_the_page_walk),
        MACHINE_TEST(tsc_counts_from_what_was_written),
        MACHINE_TEST(rdpmc_obeys_pce_and_its_index),
        MACHINE_TEST(cpuid_describes_qemu32),
        MACHINE_TEST(apic_bit_follows_the_model_and_its_msr),
        cmocka_unit_test(models_parse_with_features),
        cmocka_unit_test(bad_models_name_the_word_and_the_remedy),
        cmocka_unit_test(model_list_names_every_model),
        cmocka_unit_test_setup_teardown(a_486_lacks_what_came_later, create_486, machine_destroy),
        cmocka_unit_test_setup_teardown(without_cr4_features_there_is_no_cr4, create_386, machine_destroy),
        MACHINE_TEST(unknown_control_registers_are_undefined),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
