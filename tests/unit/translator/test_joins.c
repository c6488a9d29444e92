/* A block that comes to code which has been translated for long ends there (block_has_settled()). */
#include "tests/unit/translator/block_fixture.h"

enum { OTHERS = CODE + 0x4000, PAGE = 0x30000, HERE = PAGE + 0x800, N_OTHERS = 2100 };

static uint64_t translated_bytes(const struct machine *m)
{
    return m->cpu->translator ? m->cpu->translator->count.guest_bytes : 0;
}

static bool has_blocks(const struct machine *m)
{
    return m->cpu->translator && m->cpu->translator->options.block_insns > 1;
}

/* mov ebx, 5; here: inc eax; inc eax; inc eax; hlt */
static void put_example(struct machine *m)
{
    PUT(m, HERE - 5, 0xbb, LE32(5), 0x40, 0x40, 0x40, 0xf4);
}

/* Runs a jump to the next instruction N_OTHERS times over, each a block. False if that has flushed the others. */
static bool run_others(struct machine *m)
{
    const uint64_t flushes = m->cpu->translator ? m->cpu->translator->count.flushes : 0;
    uint32_t at = OTHERS;

    for (unsigned i = 0; i < N_OTHERS; i++)
        at = PUT(m, at, 0xeb, 0x00);
    PUT(m, at, 0xf4);
    run(m, OTHERS);
    return !m->cpu->translator || m->cpu->translator->count.flushes == flushes;
}

/* Runs it from its start; returns how many bytes were translated for that. */
static uint64_t run_whole(struct machine *m)
{
    const uint64_t before = translated_bytes(m);

    m->cpu->gpr[EAX] = 10;
    m->cpu->gpr[EBX] = 0;
    run(m, HERE - 5);
    assert_int_equal(m->cpu->gpr[EAX], 13);
    assert_int_equal(m->cpu->gpr[EBX], 5);
    return translated_bytes(m) - before;
}

/* Runs its end, which grows old, and after `meanwhile` all of it: `bytes` are translated for that. */
static void expect_translated(struct machine *m, void (*meanwhile)(struct machine *m), uint64_t bytes)
{
    put_example(m);
    run(m, HERE);
    if (!run_others(m) || !has_blocks(m))
        return;
    meanwhile(m);
    assert_int_equal(run_whole(m), bytes);
}

static void nothing(struct machine *m)
{
    (void)m;
}

static void set_df(struct machine *m)
{
    m->cpu->eflags |= EFLAGS_DF;
}

static void a_block_ends_where_old_code_begins(void **state)
{
    expect_translated(*state, nothing, 5);
}

static void old_code_that_was_written_is_none(void **state)
{
    expect_translated(*state, put_example, 9);
}

static void old_code_of_another_mode_is_none(void **state)
{
    expect_translated(*state, set_df, 9);
}

static void young_code_is_translated_as_part_of_the_block(void **state)
{
    struct machine *m = *state;

    put_example(m);
    run(m, HERE);
    if (has_blocks(m))
        assert_int_equal(run_whole(m), 9);
}

/* Guest bytes of the block without groups, 0 if there is none. */
static uint32_t plain_bytes(const struct translator *t)
{
    for (uint32_t i = 0; i < t->n_blocks; i++)
        if (t->block[i]->plain)
            return t->block[i]->span_bytes;
    return 0;
}

/* It has the code's page for data: a block without groups serves that, to its end. */
static void blocks_without_groups_go_on(void **state)
{
    struct machine *m = *state;
    uint32_t bytes = 0;

    /* mov [esi], ecx; mov [esi + 4], edx; here: inc eax; inc eax; inc eax; hlt */
    PUT(m, HERE - 5, 0x89, 0x0e, 0x89, 0x56, 0x04, 0x40, 0x40, 0x40, 0xf4);
    run(m, HERE);
    if (!run_others(m) || !has_blocks(m))
        return;
    for (unsigned i = 0; i < 1000; i++) {
        m->cpu->gpr[EAX] = i;
        m->cpu->gpr[ESI] = PAGE + 0x200;
        m->cpu->gpr[ECX] = m->cpu->gpr[EDX] = i;
        run(m, HERE - 5);
        assert_int_equal(m->cpu->gpr[EAX], i + 3);
        assert_int_equal(phys_read(m->phys, PAGE + 0x204, 4), i);
        bytes = bytes ? bytes : plain_bytes(m->cpu->translator);
    }
    if (m->cpu->translator->options.accel == ACCEL_JIT && m->cpu->translator->options.windows == WINDOW_NEVER)
        assert_int_equal(bytes, 9);
}

int main(void)
{
    static const struct engine_test tests[] = {
        TEST(a_block_ends_where_old_code_begins), TEST(young_code_is_translated_as_part_of_the_block),
        TEST(old_code_that_was_written_is_none),  TEST(old_code_of_another_mode_is_none),
        TEST(blocks_without_groups_go_on),
    };

    return run_by_each_engine("joins", tests, sizeof tests / sizeof tests[0]);
}
