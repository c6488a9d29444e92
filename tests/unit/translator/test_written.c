/* Stores into pages with code: which blocks they kill, by every engine, and what the translator learns from it. */
#include "frontend/x86/code.h"
#include "tests/unit/translator/block_fixture.h"

enum { PAGE = 0x30000, HERE = PAGE + 0x800, FUNCTION = 0x32000, N_ADDS = 60 };

static uint64_t killed(const struct machine *m)
{
    return m->cpu->code->killed + (m->cpu->translator ? m->cpu->translator->count.killed : 0);
}

/* EAX = value + 0 + 1 + ... + 19; hlt. Returns the address behind it. */
static uint32_t put_long_block(struct machine *m, uint32_t at, uint32_t value)
{
    at = PUT(m, at, 0xb8, LE32(value));
    for (unsigned i = 0; i < 20; i++)
        at = PUT(m, at, 0x05, LE32(i)); /* add eax, i */
    return PUT(m, at, 0xf4);
}

static void expect_eax(struct machine *m, uint32_t at, uint32_t value)
{
    run(m, at);
    assert_int_equal(m->cpu->gpr[EAX], value);
}

static void stores_beside_code_kill_nothing(void **state)
{
    struct machine *m = *state;
    const uint32_t end = put_long_block(m, HERE, 7);

    expect_eax(m, HERE, 7 + 190);
    for (unsigned i = 0; i < 3; i++) {
        PUT(m, HERE - 1, 1);
        PUT(m, end, 2);
        PUT(m, HERE - 8, LE32(1), LE32(2));
        PUT(m, end + 100, LE32(3));
    }
    assert_int_equal(killed(m), 0);
    expect_eax(m, HERE, 7 + 190);
    assert_true(phys_is_watched(m->phys, PAGE));
}

/* Far behind the block's first byte: other lines of the page than the one it begins in. */
static void stores_into_any_byte_of_a_long_block_take_effect(void **state)
{
    struct machine *m = *state;

    put_long_block(m, HERE, 7);
    expect_eax(m, HERE, 7 + 190);
    for (unsigned i = 20; i-- > 0;) {
        const uint64_t before = killed(m);

        PUT(m, HERE + 5 + 5 * i + 1, (uint8_t)(i + 1));
        assert_true(killed(m) > before);
        expect_eax(m, HERE, 7 + 190 + 20 - i);
    }
    PUT(m, HERE + 1, 8);
    expect_eax(m, HERE, 8 + 190 + 20);
}

static void a_store_over_everything_ends_the_watch(void **state)
{
    static uint8_t zeros[0x1000];
    struct machine *m = *state;

    for (uint32_t at = PAGE; at < PAGE + 0x1000; at += 0x100) {
        put_long_block(m, at, at);
        expect_eax(m, at, at + 190);
    }
    assert_true(phys_is_watched(m->phys, PAGE));
    put(m, PAGE, zeros, sizeof zeros);
    assert_false(phys_is_watched(m->phys, PAGE));
    put_long_block(m, HERE, 9);
    expect_eax(m, HERE, 9 + 190);
    assert_true(phys_is_watched(m->phys, PAGE));
    PUT(m, HERE + 1, 10);
    expect_eax(m, HERE, 10 + 190);
}

/* The same bytes are code, are written, and are code again, while the block before them lives. */
static void written_bytes_that_are_code_again_are_guarded_again(void **state)
{
    struct machine *m = *state;
    const uint32_t second = put_long_block(m, HERE, 1);

    expect_eax(m, HERE, 191);
    for (uint32_t i = 0; i < 5; i++) {
        put_long_block(m, second, i);
        expect_eax(m, second, i + 190);
        PUT(m, second + 1, (uint8_t)(i + 100));
        expect_eax(m, second, i + 290);
    }
    expect_eax(m, HERE, 191);
}

static void an_instruction_in_two_pages_dies_by_either(void **state)
{
    struct machine *m = *state;
    const uint32_t at = PAGE + 0x1000 - 2;

    PUT(m, at, 0xb8, LE32(0x01020304), 0xf4);
    expect_eax(m, at, 0x01020304);
    PUT(m, PAGE + 0x1000, 0x13);
    expect_eax(m, at, 0x01021304);
    PUT(m, PAGE + 0x1002, 0x11);
    expect_eax(m, at, 0x11021304);
    PUT(m, at + 1, 0x14);
    expect_eax(m, at, 0x11021314);
    PUT(m, PAGE + 0x1000, 0x23);
    expect_eax(m, at, 0x11022314);
}

/* Two linear pages show the same memory, so that the instruction's end lies before its start. */
static void an_instruction_in_a_page_mapped_behind_itself_dies_by_its_end(void **state)
{
    struct machine *m = *state;
    const uint32_t at = PAGE + 0x1000 - 2;

    enable_paging(m);
    put32(m, PAGE_TABLE + ((PAGE >> 12) + 1) * 4, PAGE | 7);
    PUT(m, PAGE, 0x03, 0x02, 0x01, 0xf4);
    PUT(m, at, 0xb8, 0x04); /* mov eax, 0x01020304; hlt */
    expect_eax(m, at, 0x01020304);
    PUT(m, PAGE + 2, 0x11);
    expect_eax(m, at, 0x11020304);
    PUT(m, at + 1, 0x14);
    expect_eax(m, at, 0x11020314);
    PUT(m, PAGE, 0x13);
    expect_eax(m, at, 0x11021314);
}

/* Stores of the guest into the block that runs, and into the byte behind it. */
static void a_store_into_the_rest_of_its_block_takes_effect_at_once(void **state)
{
    struct machine *m = *state;

    for (uint32_t i = 0; i < 10; i++) {
        uint32_t at = PUT(m, HERE, 0xc6, 0x05, LE32(HERE + 15), (uint8_t)i, /* mov byte [HERE + 15], i */
                          0xc6, 0x05, LE32(HERE + 19), 0xf4);               /* mov byte [HERE + 19], 0xf4 */
        PUT(m, at, 0xb8, LE32(0x55), 0xf4);                                 /* mov eax, 0x55; hlt */
        expect_eax(m, HERE, i);
    }
}

/* ---- which bytes are code ---- */

enum { MODEL_BLOCKS = 64, MODEL_SPAN = 600 };

/* Against a plain list of blocks. */
static void the_bytes_of_living_blocks_are_never_missed(void **state)
{
    struct code_bytes code = {0};
    struct {
        unsigned first, last;
        bool alive;
    } block[MODEL_BLOCKS] = {0};
    uint32_t random = 12345;

    (void)state;
    for (unsigned step = 0; step < 20000; step++) {
        random = random * 1664525 + 1013904223;
        const unsigned first = random >> 20, long_span = (random >> 8) % MODEL_SPAN;
        const unsigned span = random & 0x80 ? long_span : long_span % 16;
        const unsigned last = first + span < 0x1000 ? first + span : 0xfff, i = step % MODEL_BLOCKS;
        bool hit = false;

        if (random & 0x40 && !block[i].alive) {
            code_bytes_add(&code, first, last);
            block[i].first = first, block[i].last = last, block[i].alive = true;
            continue;
        }
        for (unsigned b = 0; b < MODEL_BLOCKS; b++)
            if (block[b].alive && block[b].first <= last && block[b].last >= first) {
                assert_true(block[b].first / CODE_LINE_BYTES >= code_bytes_first_line(&code, first));
                block[b].alive = false;
                hit = true;
            }
        if (hit)
            assert_true(code_bytes_take(&code, first, last));
        else
            code_bytes_take(&code, first, last);
        assert_false(code_bytes_take(&code, first, last));
    }
}

/* A byte is no code before it is part of a block, nor are its neighbours. */
static void bytes_beside_a_block_are_none_of_it(void **state)
{
    (void)state;
    for (unsigned first = 1; first < 0xf00; first += 7)
        for (unsigned span = 1; span < 200; span += 9) {
            struct code_bytes code = {0};

            code_bytes_add(&code, first, first + span - 1);
            assert_false(code_bytes_take(&code, 0, first - 1));
            assert_false(code_bytes_take(&code, first + span, 0xfff));
            assert_true(code_bytes_take(&code, first, first));
            assert_int_equal(code_bytes_take(&code, first + span - 1, 0xfff), span > 1);
        }
}

/* ---- what is worth a translation ---- */

enum { KILLED_THRESHOLD = 4, MOST_RUNS = KILLED_THRESHOLD << 4 };

static int setup_thresholds(void **state)
{
    static const struct translator_options options = {.accel = ACCEL_JIT, .killed_threshold = KILLED_THRESHOLD};

    alarm(TEST_SECONDS);
    if (machine_create(state) != 0)
        return -1;
    enter_protected(*state, 0);
    return attach(*state, &options);
}

/* Each of `rounds` rounds changes FUNCTION, whose run takes long to translate, and calls it `calls` times. Returns how
 * many blocks that has translated. */
static uint64_t run_rounds(struct machine *m, uint32_t rounds, uint32_t calls)
{
    const uint64_t before = m->cpu->translator->count.blocks;
    uint32_t at =
        PUT(m, HERE, 0x89, 0x0d, LE32(FUNCTION + 1), 0xba, LE32(calls)); /* mov [F + 1], ecx; mov edx, calls */
    uint32_t sum = 0;

    at = PUT(m, at, 0xe8, LE32(FUNCTION - (at + 5)), 0x4a, 0x75, 0xf8); /* call F; dec edx; jnz to the call */
    PUT(m, at, 0x49, 0x75, (uint8_t)(HERE - (at + 3)), 0xf4);           /* dec ecx; jnz HERE; hlt */
    at = PUT(m, FUNCTION, 0x05, LE32(0));                               /* add eax, ... */
    for (unsigned i = 0; i < N_ADDS; i++)
        at = PUT(m, at, 0x83, 0xc3, 0x01); /* add ebx, 1 */
    PUT(m, at, 0xc3);
    m->cpu->gpr[EAX] = m->cpu->gpr[EBX] = 0;
    m->cpu->gpr[ECX] = rounds;
    run(m, HERE);
    for (uint32_t i = rounds; i; i--)
        sum += i * calls;
    assert_int_equal(m->cpu->gpr[EAX], sum);
    assert_int_equal(m->cpu->gpr[EBX], rounds * calls * N_ADDS);
    return m->cpu->translator->count.blocks - before;
}

static void code_that_is_written_before_each_run_is_not_translated(void **state)
{
    assert_in_range(run_rounds(*state, 4000, 1), 0, 30);
}

static void code_that_lives_long_is_translated_each_time(void **state)
{
    struct machine *m = *state;
    const uint64_t blocks = run_rounds(m, 200, 2000);

    assert_in_range(blocks, 195, 215);
    assert_in_range(m->cpu->translator->count.cold, 0, 5 * MOST_RUNS);
}

static void code_in_doubt_is_translated_when_it_lives_long_after_all(void **state)
{
    struct machine *m = *state;
    const uint64_t short_lives = run_rounds(m, 100, 1);
    uint64_t cold;

    assert_in_range(short_lives, 0, 30);
    cold = m->cpu->translator->count.cold;
    assert_in_range(run_rounds(m, 200, 2000), 195, 215);
    assert_in_range(m->cpu->translator->count.cold - cold, MOST_RUNS, 10 * MOST_RUNS);
    assert_in_range(run_rounds(m, 4000, 1), 0, 30);
}

int main(void)
{
    static const struct engine_test tests[] = {
        TEST(stores_beside_code_kill_nothing),
        TEST(stores_into_any_byte_of_a_long_block_take_effect),
        TEST(a_store_over_everything_ends_the_watch),
        TEST(written_bytes_that_are_code_again_are_guarded_again),
        TEST(an_instruction_in_two_pages_dies_by_either),
        TEST(an_instruction_in_a_page_mapped_behind_itself_dies_by_its_end),
        TEST(a_store_into_the_rest_of_its_block_takes_effect_at_once),
    };
    static const struct CMUnitTest of_bytes[] = {
        cmocka_unit_test(the_bytes_of_living_blocks_are_never_missed),
        cmocka_unit_test(bytes_beside_a_block_are_none_of_it),
    };
    const struct CMUnitTest of_worth[] = {
        cmocka_unit_test_setup_teardown(code_that_is_written_before_each_run_is_not_translated, setup_thresholds,
                                        teardown_engine),
        cmocka_unit_test_setup_teardown(code_that_lives_long_is_translated_each_time, setup_thresholds,
                                        teardown_engine),
        cmocka_unit_test_setup_teardown(code_in_doubt_is_translated_when_it_lives_long_after_all, setup_thresholds,
                                        teardown_engine),
    };
    int failed = cmocka_run_group_tests_name("code bytes", of_bytes, NULL, NULL);

    if (!translator_missing_feature())
        failed += cmocka_run_group_tests_name("worth", of_worth, NULL, NULL);
    return failed + run_by_each_engine("written", tests, sizeof tests / sizeof tests[0]);
}
