/* Repeated strings across pages that do not lie side by side in memory (backend/x86_64/entry_string.c). */
#include "tests/unit/translator/block_fixture.h"

enum { PAGE = 0x1000, SOURCE = 0x40000, TARGET = 0x50000, PAGES = 4, FRAMES = 0x60000, ROOM = PAGES * PAGE };

/* Each second frame, the last page's first. */
static void map_backwards(struct machine *m, uint32_t linear, uint32_t frames)
{
    for (uint32_t i = 0; i < PAGES; i++)
        put32(m, PAGE_TABLE + (linear / PAGE + i) * 4, (frames + 2 * PAGE * (PAGES - 1 - i)) | 7);
}

static uint32_t frame_of(const struct machine *m, uint32_t linear)
{
    return (uint32_t)phys_read(m->phys, PAGE_TABLE + linear / PAGE * 4, 4) & ~(uint32_t)(PAGE - 1);
}

static uint8_t byte_at(const struct machine *m, uint32_t linear)
{
    return (uint8_t)phys_read(m->phys, frame_of(m, linear) + linear % PAGE, 1);
}

struct copy {
    uint32_t source, target, count; /* offsets in SOURCE and TARGET of the first element */
    uint8_t width;
};

/* Elements that cross from page to page, and runs that end at the one's page or the other's. */
static const struct copy copies[] = {
    {0x0ffd, 0x0ffe, 9, 4}, {0x1ff0, 0x1003, 64, 4}, {0x0001, 0x0002, 3000, 4}, {0x1fff, 0x0fff, 5, 2},
    {0x0800, 0x0ffc, 1, 4}, {0x0ffc, 0x0ffd, 1, 4},  {0x0fff, 0x1000, 2, 2},    {0x0010, 0x0fe0, 5000, 1},
};

static void copy(struct machine *m, const struct copy *c, bool is_down)
{
    const uint32_t bytes = c->count * c->width, last = is_down ? bytes - c->width : 0;

    for (uint32_t i = 0; i < ROOM; i++) {
        phys_write(m->phys, frame_of(m, SOURCE + i) + (SOURCE + i) % PAGE, (i * 7 + i / 256) & 0xff, 1);
        phys_write(m->phys, frame_of(m, TARGET + i) + (TARGET + i) % PAGE, 0xee, 1);
    }
    m->cpu->gpr[ESI] = SOURCE + c->source + last;
    m->cpu->gpr[EDI] = TARGET + c->target + last;
    m->cpu->gpr[ECX] = c->count;
    run(m, CODE);
    assert_int_equal(m->cpu->gpr[ECX], 0);
    assert_int_equal(m->cpu->gpr[ESI], SOURCE + c->source + (is_down ? 0u - c->width : bytes));
    assert_int_equal(m->cpu->gpr[EDI], TARGET + c->target + (is_down ? 0u - c->width : bytes));
    for (uint32_t i = 0; i < ROOM; i++) {
        const uint32_t from = i - c->target;

        assert_int_equal(byte_at(m, TARGET + i), from < bytes ? byte_at(m, SOURCE + c->source + from) : 0xee);
    }
}

static void copy_all(struct machine *m, bool is_down)
{
    enable_paging(m);
    map_backwards(m, SOURCE, FRAMES);
    map_backwards(m, TARGET, FRAMES + PAGE);
    mmu_flush(&m->cpu->mmu);
    for (unsigned i = 0; i < sizeof copies / sizeof copies[0]; i++) {
        const uint8_t prefix = copies[i].width == 2 ? 0x66 : 0x90;

        /* cld or std; rep movs; cld; hlt */
        PUT(m, CODE, is_down ? 0xfd : 0xfc, prefix, 0xf3, copies[i].width == 1 ? 0xa4 : 0xa5, 0xfc, 0xf4);
        for (unsigned pass = 0; pass < 2; pass++) /* the second finds the pages in the tables */
            copy(m, &copies[i], is_down);
    }
}

static void copies_upward_go_from_page_to_page(void **state)
{
    copy_all(*state, false);
}

static void copies_downward_go_from_page_to_page(void **state)
{
    copy_all(*state, true);
}

int main(void)
{
    static const struct engine_test tests[] = {
        TEST(copies_upward_go_from_page_to_page),
        TEST(copies_downward_go_from_page_to_page),
    };

    return run_by_each_engine("strings", tests, sizeof tests / sizeof tests[0]);
}
