/* Computed jumps whose targets come to one place of the table that leads to them (translator/jump.c). */
#include "tests/unit/translator/block_fixture.h"

enum { LIST = 0x20000, TARGET = 0x30100, APART = 0xfff0, CALLS = 600 };

/* Target `k` adds 1 << k to EBX. */
static uint32_t target(unsigned k)
{
    return TARGET + k * APART;
}

static void put_target(struct machine *m, uint32_t at, uint32_t value)
{
    PUT(m, at, 0x81, 0xc3, LE32(value), 0xc3); /* add ebx, value; ret */
}

static void put_caller(struct machine *m)
{
    PUT(m, CODE, 0xad, 0xff, 0xd0, 0x49, 0x75, 0xfa, 0xf4); /* next: lodsd; call eax; dec ecx; jnz next; hlt */
}

/* Calls CALLS times what the list says, whose first `n` entries are repeated. Returns how often C code was asked. */
static uint64_t call_in_turn(struct machine *m, const uint32_t *list, unsigned n)
{
    const struct translator *t = m->cpu->translator;
    const uint64_t before = t ? t->count.lookups : 0;

    for (unsigned i = 0; i < CALLS; i++)
        put32(m, LIST + 4 * i, list[i % n]);
    m->cpu->gpr[ESI] = LIST;
    m->cpu->gpr[ECX] = CALLS;
    m->cpu->gpr[EBX] = 0;
    m->cpu->gpr[ESP] = STACK0 - 4;
    run(m, CODE);
    return t ? t->count.lookups - before : 0;
}

static bool keeps_blocks(const struct machine *m)
{
    return m->cpu->translator && m->cpu->translator->options.accel == ACCEL_JIT &&
           !m->cpu->translator->options.no_chain;
}

/* Three targets in one place, each of which adds 1 to a byte of EBX; they have been called. */
static void begin(struct machine *m, uint32_t list[3])
{
    put_caller(m);
    for (unsigned k = 0; k < 3; k++) {
        list[k] = target(k);
        put_target(m, list[k], 1u << 8 * k);
        assert_int_equal(x64_jump_table_index(list[k]), x64_jump_table_index(list[0]));
    }
    call_in_turn(m, list, 3);
    assert_int_equal(m->cpu->gpr[EBX], (uint32_t)(0x010101ull * (CALLS / 3)));
}

static void expect_lookups(struct machine *m, uint64_t lookups, uint64_t expected)
{
    if (keeps_blocks(m))
        assert_int_equal(lookups, expected);
}

static void targets_in_one_place_are_all_found(void **state)
{
    uint32_t list[3];

    begin(*state, list);
    expect_lookups(*state, call_in_turn(*state, list, 3), 0);
}

/* Where the table of pages does not lead to its code, C code puts it there and it in front. */
static void a_target_comes_to_the_front_and_the_others_stay(void **state)
{
    struct machine *m = *state;
    uint32_t list[3];

    enable_paging(m);
    begin(m, list);
    for (unsigned pass = 0; pass < 7; pass++) {
        mmu_flush_page(&m->cpu->mmu, list[pass % 3]);
        expect_lookups(m, call_in_turn(m, list, 3), 1);
        assert_int_equal(m->cpu->gpr[EBX], (uint32_t)(0x010101ull * (CALLS / 3)));
    }
}

/* Its translations die one after the other, and do not push the others out. */
static void a_target_that_is_written_again_and_again_takes_one_place(void **state)
{
    struct machine *m = *state;
    uint32_t list[3];

    begin(m, list);
    for (unsigned pass = 0; pass < 12; pass++) {
        put_target(m, list[0], 1);
        call_in_turn(m, list, 1);
    }
    expect_lookups(m, call_in_turn(m, list, 3), 0);
}

/* The first, one in between, and the last of those in a place are written, and found as they are then. */
static void a_target_that_changes_hides_none_behind_it(void **state)
{
    struct machine *m = *state;
    uint32_t list[3];

    begin(m, list);
    for (unsigned k = 0; k < 3; k++) {
        put_target(m, list[k], 3u << 8 * k);
        call_in_turn(m, list, 3);
        assert_int_equal(m->cpu->gpr[EBX],
                         (uint32_t)((0x010101u + (0x020202u & ((1u << 8 * (k + 1)) - 1))) * (CALLS / 3ull)));
    }
    expect_lookups(m, call_in_turn(m, list, 3), 0);
}

static void so_are_more_than_one_place_can_have(void **state)
{
    struct machine *m = *state;
    uint32_t list[20];

    put_caller(m);
    for (unsigned k = 0; k < 20; k++) {
        list[k] = target(k);
        put_target(m, list[k], 1u << k);
    }
    for (unsigned pass = 0; pass < 3; pass++) {
        call_in_turn(m, list, 20);
        assert_int_equal(m->cpu->gpr[EBX], 0xfffffu * (CALLS / 20));
    }
}

static void a_target_across_two_pages_is_found(void **state)
{
    struct machine *m = *state;
    const uint32_t list[] = {0x30fff, 0x40ffe};

    put_caller(m);
    for (unsigned k = 0; k < 2; k++)
        put_target(m, list[k], 1u << 8 * k);
    call_in_turn(m, list, 2);
    assert_int_equal(m->cpu->gpr[EBX], 0x0101u * (CALLS / 2));
    expect_lookups(m, call_in_turn(m, list, 2), 0);
}

/* Where the second page leads elsewhere, the instruction is another. */
static void its_second_page_may_be_mapped_anew(void **state)
{
    enum { FRAME = 0x60000 };
    struct machine *m = *state;
    const uint32_t list[] = {0x30ffe};

    enable_paging(m);
    put_caller(m);
    put_target(m, list[0], 0x11223344);
    PUT(m, FRAME, LE32(0x55667788), 0xc3);
    for (unsigned pass = 0; pass < 4; pass++) {
        put32(m, PAGE_TABLE + 0x31 * 4, (pass & 1 ? FRAME : 0x31000) | 7);
        mmu_flush_page(&m->cpu->mmu, 0x31000);
        call_in_turn(m, list, 1);
        assert_int_equal(m->cpu->gpr[EBX], (pass & 1 ? 0x55667788u : 0x11223344u) * CALLS);
    }
}

int main(void)
{
    static const struct engine_test tests[] = {
        TEST(targets_in_one_place_are_all_found),
        TEST(a_target_comes_to_the_front_and_the_others_stay),
        TEST(a_target_that_is_written_again_and_again_takes_one_place),
        TEST(a_target_that_changes_hides_none_behind_it),
        TEST(so_are_more_than_one_place_can_have),
        TEST(a_target_across_two_pages_is_found),
        TEST(its_second_page_may_be_mapped_anew),
    };

    return run_by_each_engine("computed jumps", tests, sizeof tests / sizeof tests[0]);
}
