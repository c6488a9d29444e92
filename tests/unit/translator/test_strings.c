/* Repeated strings across pages that do not lie side by side in memory (backend/x86_64/entry_string.c). */
#include "tests/unit/translator/compare.h"

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

/* ---- every length, as the interpreter has it ---- */

enum { BORDER = DATA + 0x2000, VALUE = 0x5a3c7e81, LENGTHS = 70, MANY = 200 };

/* A buffer in which elements do not repeat soon, up to and over a page's end. */
static void fill(struct machine *m)
{
    for (uint32_t at = BORDER - 0x400; at < BORDER + 0x400; at += 4)
        put32(m, at, at * 0x9e3779b1u);
    enter_protected(m, 0);
    m->cpu->gpr[EAX] = VALUE;
    m->cpu->gpr[EDX] = 0x11111111;
    m->cpu->gpr[EBX] = 0x22222222;
    m->cpu->gpr[EBP] = 0x33333333;
    cpu_set_eflags(m->cpu, EFLAGS_CF | EFLAGS_OF | EFLAGS_AF, EFLAGS_OSZAPC);
}

struct both {
    struct machine *m[2]; /* the engine's, the interpreter's */
};

static void run_string(const struct both *b, const char *what, uint32_t esi, uint32_t edi, uint32_t ecx)
{
    struct difference d;

    for (unsigned i = 0; i < 2; i++) {
        b->m[i]->cpu->gpr[ESI] = esi;
        b->m[i]->cpu->gpr[EDI] = edi;
        b->m[i]->cpu->gpr[ECX] = ecx;
        run(b->m[i], CODE);
    }
    if (!compare(b->m[0], b->m[1], &d))
        fail_msg("%s, ESI %x, EDI %x, ECX %u: %s %llx and not %llx", what, esi, edi, ecx, d.what,
                 (unsigned long long)d.ours, (unsigned long long)d.reference);
}

static void put_string(const struct both *b, uint8_t prefix, uint8_t opcode, unsigned width)
{
    const uint8_t wide = width == 1 ? 0 : 1;

    for (unsigned i = 0; i < 2; i++) {
        if (width == 2)
            PUT(b->m[i], CODE, 0x66, prefix, opcode | wide, 0xf4);
        else
            PUT(b->m[i], CODE, prefix, opcode | wide, 0xf4);
    }
}

static void fill_both(const struct both *b)
{
    fill(b->m[0]);
    fill(b->m[1]);
}

static void copy_every_length(const struct both *b)
{
    static const int32_t distance[] = {-100, -17, -16, -9, -8, -7, -5, -4, -3, -2, -1, 0,  1,
                                       2,    3,   4,   5,  7,  8,  9,  15, 16, 17, 64, 100};

    for (unsigned width = 1; width <= 4; width *= 2) {
        put_string(b, 0xf3, 0xa4, width);
        for (uint32_t n = 0; n <= LENGTHS; n += n < 20 ? 1 : 7)
            for (unsigned i = 0; i < sizeof distance / sizeof distance[0]; i++) {
                fill_both(b);
                run_string(b, "rep movs", BORDER - 300, BORDER - 300 + (uint32_t)distance[i], n);
                run_string(b, "rep movs", BORDER - 3 * width, BORDER - 5 * width + (uint32_t)distance[i], n);
            }
        put_string(b, 0xf3, 0xaa, width);
        fill_both(b);
        for (uint32_t n = 0; n <= LENGTHS; n++)
            run_string(b, "rep stos", BORDER, BORDER - 150 + n, n);
    }
}

/* `before` elements do not end it, the next one does, by its last byte. */
static void compare_length(const struct both *b, unsigned width, bool is_cmps, bool while_equal, uint32_t before,
                           uint32_t n)
{
    const uint32_t source = BORDER - 200, target = BORDER - 100 + 3 * width;

    fill_both(b);
    for (uint32_t at = 0; at < (before + 1) * width; at++) {
        const bool ends = at / width == before, is_last = at % width == width - 1;

        for (unsigned i = 0; i < 2; i++) {
            const uint8_t value = is_cmps ? get8(b->m[i], source + at) : (uint8_t)((uint32_t)VALUE >> 8 * (at % width));

            put8(b->m[i], target + at, ends == while_equal && is_last ? value ^ 0x81 : value);
        }
    }
    run_string(b, is_cmps ? "rep cmps" : "rep scas", source, target, n);
    run_string(b, is_cmps ? "rep cmps" : "rep scas", target, source, n);
}

static void compare_every_length(const struct both *b)
{
    for (unsigned width = 1; width <= 4; width *= 2)
        for (unsigned kind = 0; kind < 4; kind++) {
            const bool is_cmps = kind & 1, while_equal = kind & 2;

            put_string(b, while_equal ? 0xf3 : 0xf2, is_cmps ? 0xa6 : 0xae, width);
            for (uint32_t n = 0; n <= MANY / width; n += n < 20 ? 1 : 9)
                for (uint32_t before = 0; before <= n + 1; before += before < 10 ? 1 : 5)
                    compare_length(b, width, is_cmps, while_equal, before, n);
        }
}

static void strings_of_every_length_do_what_they_do_interpreted(void **state)
{
    struct both b = {{*state, NULL}};
    void *other;

    assert_int_equal(machine_create(&other), 0);
    enter_protected(other, 0);
    attach(other, &variants[INTERP].options);
    b.m[1] = other;
    copy_every_length(&b);
    compare_every_length(&b);
    machine_destroy(&other);
}

int main(void)
{
    static const struct engine_test tests[] = {
        TEST(copies_upward_go_from_page_to_page),
        TEST(copies_downward_go_from_page_to_page),
        TEST(strings_of_every_length_do_what_they_do_interpreted),
    };

    return run_by_each_engine("strings", tests, sizeof tests / sizeof tests[0]);
}
