/* translator_options.count: what translated code and the interpreter have executed together is what there was to do. */
#include "tests/unit/translator/block_fixture.h"

static const struct translator_options counting[] = {
    {.accel = ACCEL_JIT, .count = true},
    {.accel = ACCEL_JIT, .count = true, .no_chain = true},
    {.accel = ACCEL_JIT, .count = true, .block_insns = 3},
    {.accel = ACCEL_IR, .count = true},
};

static uint64_t executed_by(const struct translator_options *options, uint64_t *translated)
{
    struct machine *m;
    void *state;
    uint64_t executed;

    assert_int_equal(machine_create(&state), 0);
    m = state;
    attach(m, options);
    enter_protected(m, 0);
    PUT(m, CODE, 0xb9, LE32(1000),           /*       mov ecx, 1000 */
        0x01, 0xc8, 0xa8, 0x03, 0x74, 0x04,  /* next: add eax, ecx; test al, 3; jz over */
        0x42, 0x90, 0x90, 0x43,              /*       inc edx; nop; nop; inc ebx */
        0x89, 0x05, LE32(DATA + 0xffe),      /* over: mov [across pages], eax */
        0x9c, 0x9d,                          /*       pushf; popf */
        0xe3, 0x08, 0x49, 0x90, 0x0f, 0x85); /*       jecxz out; dec ecx; nop; jnz next */
    PUT(m, CODE + 0x1d, LE32(5 - 0x21), 0x90, 0xf4);
    alarm(TEST_SECONDS);
    run(m, CODE);
    alarm(0);
    executed = m->cpu->executed;
    *translated = m->cpu->translated.counted;
    translator_destroy(m->cpu);
    machine_destroy(&state);
    return executed + *translated;
}

static void every_instruction_is_counted_once(void **state)
{
    const bool has_jit = !translator_missing_feature();
    uint64_t translated, expected = executed_by(&(const struct translator_options){.accel = ACCEL_INTERP}, &translated);

    (void)state;
    assert_int_equal(translated, 0);
    assert_true(expected > 10000);
    for (unsigned i = 0; i < sizeof counting / sizeof counting[0]; i++) {
        if (counting[i].accel == ACCEL_JIT && !has_jit)
            continue;
        assert_int_equal(executed_by(&counting[i], &translated), expected);
        /* In each round the store that crosses is the interpreter's. */
        assert_in_range(expected - translated, 1000, 1100);
    }
}

static struct machine *begin(void)
{
    void *state;

    if (translator_missing_feature())
        skip();
    assert_int_equal(machine_create(&state), 0);
    attach(state, &counting[0]);
    enter_protected(state, 0);
    return state;
}

/* Runs the code, whose `insns` instructions and HLT the interpreter has no part in but for HLT. */
static void run_without_interpreter(struct machine *m, uint64_t insns)
{
    const uint64_t counted = m->cpu->translated.counted, executed = m->cpu->executed;

    run(m, CODE);
    assert_int_equal(m->cpu->translated.counted - counted, insns);
    assert_int_equal(m->cpu->executed - executed, 1);
}

static void end(struct machine *m)
{
    void *state = m;

    translator_destroy(m->cpu);
    machine_destroy(&state);
}

/* A copy of four bytes at a time, then of what is left, often has nothing left. */
static void strings_without_elements_need_no_interpreter(void **state)
{
    struct machine *m = begin();

    (void)state;
    PUT(m, CODE, 0xf3, 0xa4, 0xf3, 0xa5, 0xf3, 0xaa, 0xf3, 0xab, /* rep movsb; movsd; stosb; stosd */
        0xf3, 0xa6, 0xf2, 0xa7, 0xf2, 0xae, 0xf3, 0xaf, 0xf4);   /* repe cmpsb; repne cmpsd; scasb; repe scasd; hlt */
    m->cpu->gpr[ECX] = 0;
    m->cpu->gpr[ESI] = 0xffffffff; /* nothing is touched there */
    m->cpu->eflags |= EFLAGS_ZF;
    run_without_interpreter(m, 8);
    assert_int_equal(m->cpu->gpr[ESI], 0xffffffff);
    assert_true(m->cpu->eflags & EFLAGS_ZF);
    end(m);
}

/* As memmove does where the ranges overlap. */
static void nor_do_strings_between_std_and_cld(void **state)
{
    struct machine *m = begin();

    (void)state;
    PUT(m, CODE, 0xfd, 0xf3, 0xa4, 0xac, 0xaa, 0xb9, LE32(0), 0xf3,
        0xa5,        /* std; rep movsb; lodsb; stosb; mov ecx, 0; */
        0xfc, 0xf4); /* rep movsd; cld; hlt */
    for (unsigned pass = 0; pass < 2; pass++) {
        for (unsigned i = 0; i < 9; i++)
            phys_write(m->phys, DATA + i, 0x10 + i, 1);
        m->cpu->gpr[ECX] = 7;
        m->cpu->gpr[ESI] = DATA + 7;
        m->cpu->gpr[EDI] = DATA + 8;
        if (pass == 0) /* the tables learn of the page */
            run(m, CODE);
        else
            run_without_interpreter(m, 7);
        for (unsigned i = 0; i < 8; i++)
            assert_int_equal(phys_read(m->phys, DATA + 1 + i, 1), 0x10 + i);
        assert_int_equal(m->cpu->gpr[ESI], DATA - 1);
        assert_int_equal(m->cpu->gpr[EDI], DATA);
        assert_false(m->cpu->eflags & EFLAGS_DF);
    }
    end(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_instruction_is_counted_once),
                                       cmocka_unit_test(strings_without_elements_need_no_interpreter),
                                       cmocka_unit_test(nor_do_strings_between_std_and_cld)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
