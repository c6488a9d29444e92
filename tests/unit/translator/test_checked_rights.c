/*
 * Checked stores (test_checked.c) that a page, a segment or a breakpoint may forbid: page faults, accessed and dirty
 * bits, limits.
 */
#include "tests/unit/translator/checked_fixture.h"

/* ---- across the border of a page ---- */

enum neighbour { PLAIN, CHECKED, ABSENT, READ_ONLY, SUPERVISOR, IN_DEVICE, IN_ROM, NEIGHBOURS };

static uint32_t entry_of(enum neighbour neighbour, uint32_t page)
{
    switch (neighbour) {
    case ABSENT:
        return 0;
    case READ_ONLY:
        return page | PRESENT_USER;
    case SUPERVISOR:
        return page | (ALL_RIGHTS & ~4u);
    case IN_DEVICE:
        return DEVICE | ALL_RIGHTS;
    case IN_ROM:
        return ROM | ALL_RIGHTS;
    default:
        return page | ALL_RIGHTS;
    }
}

/* From the page before `border` into the one behind it. One is PAGE, the other `neighbour`. */
static void store_across(struct pair *p, uint32_t border, enum neighbour neighbour)
{
    const uint32_t other = border == PAGE ? PREVIOUS : NEXT, code = border == PAGE ? PAGE : NEXT - 6;
    const uint32_t others_code = border == PAGE ? PAGE - 4 : NEXT;

    for (unsigned f = 0; f < N_FORMS; f++) {
        uint32_t program = 0;

        if (f == BY_ESP && !p->cpl) /* a fault finds no stack */
            continue;
        BOTH(p, m)
        program = put_program(m, f, &forms[f], false);
        for (uint32_t at = border - forms[f].width - 1; at <= border + 1; at++) {
            if (!fits(&forms[f], at))
                continue;
            map_both(p, other, other | ALL_RIGHTS);
            flush_both(p);
            put_filler(p, border - 64, border + 64);
            if (neighbour == CHECKED) {
                put_function(p, others_code, 4);
                run_function(p, others_code, "other");
            }
            put_function(p, code, 6);
            run_function(p, code, "function");
            map_both(p, other, entry_of(neighbour, other));
            flush_both(p);
            run_both(p, program, ASIDE, 2, forms[f].text);
            if (neighbour == CHECKED)
                run_both(p, program, ASIDE + other - PAGE, 2, forms[f].text);
            run_both(p, program, at, 1, forms[f].text);
            if (neighbour == PLAIN || neighbour == CHECKED)
                run_function(p, others_code, forms[f].text);
            run_function(p, code, forms[f].text);
        }
    }
}

static void stores_across_the_border_of_a_checked_page_fault_and_hit(void **state)
{
    struct pair *p = pair_create(*state);

    page_both(p);
    for (enum neighbour neighbour = PLAIN; neighbour < NEIGHBOURS; neighbour++)
        for (p->cpl = 0; p->cpl <= 3; p->cpl += 3) {
            store_across(p, PAGE, neighbour);
            store_across(p, NEXT, neighbour);
        }
    pair_destroy(p);
}

/* ---- a page's rights ---- */

/* The store raises #PF with `error`; what it would have hit is as before. */
static void expect_page_fault(struct pair *p, uint32_t at, uint32_t error)
{
    BOTH(p, m)
    {
        assert_int_equal(m->cpu->eip, HANDLER(VEC_PF) + 1);
        assert_int_equal(m->cpu->cr2, at);
        assert_int_equal(get32(m, m->cpu->gpr[ESP]), error);
    }
}

static void expect_debug_trap(struct pair *p)
{
    BOTH(p, m)
    assert_int_equal(m->cpu->eip, HANDLER(VEC_DB) + 1);
}

static void expect_end(struct pair *p)
{
    BOTH(p, m)
    assert_int_equal(m->cpu->eip, (p->cpl ? HANDLER(VEC_GP) : m->cpu->eip - 1) + 1); /* HLT */
}

static void a_checked_page_that_loses_its_rights_faults(void **state)
{
    static const struct {
        uint32_t rights;
        bool wp;
        uint32_t error, user_error; /* 0: none */
    } cases[] = {
        {0, false, 2, 6},       {0, true, 2, 6},       {PRESENT_USER, false, 0, 7}, {PRESENT_USER, true, 3, 7},
        {PRESENT, false, 0, 7}, {PRESENT, true, 3, 7}, {PRESENT | 2, false, 0, 7},  {PRESENT | 2, true, 0, 7},
    };
    struct pair *p = pair_create(*state);
    uint32_t program = 0;

    page_both(p);
    BOTH(p, m)
    program = put_program(m, 0, &forms[MOV_EAX], false);
    for (unsigned i = 0; i < 4 * sizeof cases / sizeof cases[0]; i++) {
        const uint32_t rights = cases[i / 4].rights, code = PAGE + 0x400, at = i & 1 ? code + 2 : code + 20;
        uint32_t error, another = 0;

        p->cpl = i & 2 ? 3 : 0;
        error = p->cpl ? cases[i / 4].user_error : cases[i / 4].error;
        map_both(p, PAGE, PAGE | ALL_RIGHTS);
        BOTH(p, m)
        {
            m->cpu->cr0 = (m->cpu->cr0 & ~(uint32_t)CR0_WP) | (cases[i / 4].wp ? CR0_WP : 0);
            cpu_derive_paging(m->cpu);
            mmu_flush(&m->cpu->mmu);
        }
        put_filler(p, code - 32, code + 64);
        put_function(p, code, 12);
        run_function(p, code, "function");
        run_both(p, program, ASIDE, WARM, "aside");
        map_both(p, PAGE, rights ? PAGE | rights : 0);
        flush_both(p);
        run_function(p, KEPT, "kept, if it can be read");
        BOTH(p, m)
        another = put_program(m, 1 + i, &forms[MOV_EAX], false); /* expects to be aligned */
        run_both(p, another, at, 1, "without rights");
        if (error)
            expect_page_fault(p, at, error);
        else
            expect_end(p);
        run_both(p, program, ASIDE, 1, "aside without rights");
        if (error)
            expect_page_fault(p, ASIDE, error);
        else
            expect_end(p);
        map_both(p, PAGE, PAGE | ALL_RIGHTS);
        flush_both(p);
        run_function(p, code, "changed");
        run_both(p, program, at, 1, "with rights again");
        expect_end(p);
        run_function(p, code, "changed again");
    }
    pair_destroy(p);
}

/* The guest itself takes the right away between two stores, and the translation with INVLPG or CR3. */
static void a_right_that_the_guest_takes_away_is_gone_at_the_next_store(void **state)
{
    struct pair *p = pair_create(*state);
    const uint32_t entry = PAGE_TABLE + (PAGE >> 12) * 4;

    page_both(p);
    BOTH(p, m)
    {
        m->cpu->cr0 |= CR0_WP;
        cpu_derive_paging(m->cpu);
    }
    for (unsigned i = 0; i < 12; i++) {
        const uint32_t rights = i & 1 ? PAGE | PRESENT_USER : 0, code = PAGE + 0x400, at = i & 4 ? code + 2 : code + 16;
        uint32_t start = 0;

        BOTH(p, m)
        {
            /* 5 times mov [edi], eax; mov [entry], rights; invlpg [edi] or mov ecx, cr3; mov cr3, ecx; mov [edi], edx
             */
            uint32_t end = start = CODE + 0x1000 + 0x80 * i;

            for (unsigned n = 0; n < 5; n++)
                end = PUT(m, end, 0x89, 0x07);
            end = PUT(m, end, 0xc7, 0x05, LE32(entry), LE32(rights));
            end = i & 2 ? PUT(m, end, 0x0f, 0x01, 0x3f) : PUT(m, end, 0x0f, 0x20, 0xd9, 0x0f, 0x22, 0xd9);
            PUT(m, end, 0x89, 0x17, HALT);
        }
        map_both(p, PAGE, PAGE | ALL_RIGHTS);
        flush_both(p);
        put_filler(p, code - 32, code + 64);
        put_function(p, code, 12);
        run_function(p, code, "function");
        run_both(p, start, at, 0, "taken away");
        expect_page_fault(p, at, rights ? 3 : 2);
        map_both(p, PAGE, PAGE | ALL_RIGHTS);
        flush_both(p);
        run_function(p, code, "changed");
    }
    pair_destroy(p);
}

static void the_first_store_to_a_checked_page_sets_its_bits(void **state)
{
    struct pair *p = pair_create(*state);
    const uint32_t entry = PAGE_TABLE + (PAGE >> 12) * 4, alias = PAGE_TABLE + (ALIAS >> 12) * 4;
    uint32_t program = 0;

    page_both(p);
    BOTH(p, m)
    program = put_program(m, 0, &forms[MOV_EAX], false);
    for (unsigned i = 0; i < 16; i++) {
        const uint32_t code = PAGE + 0x400, at = i & 1 ? code + 2 : ASIDE;

        p->cpl = i & 2 ? 3 : 0;
        map_both(p, PAGE, PAGE | ALL_RIGHTS);
        flush_both(p);
        put_filler(p, code - 32, code + 64);
        put_function(p, code, 12);
        run_function(p, code, "function");
        run_both(p, program, ASIDE, WARM, "aside");
        run_both(p, program, ASIDE + ALIAS - PAGE, WARM, "aside at the other address");
        map_both(p, PAGE, PAGE | ALL_RIGHTS);
        map_both(p, ALIAS, PAGE | ALL_RIGHTS);
        if (i & 4)
            flush_both(p);
        else
            BOTH(p, m)
        mmu_flush_page(&m->cpu->mmu, PAGE), mmu_flush_page(&m->cpu->mmu, ALIAS);
        if (i & 8) { /* what only reads or executes */
            run_function(p, KEPT, "kept");
            BOTH(p, m)
            assert_int_equal(get32(m, entry) & ACCESSED_DIRTY, 0x20);
        }
        run_both(p, program, at, 1, "with clear bits");
        BOTH(p, m)
        {
            assert_int_equal(get32(m, entry), PAGE | ALL_RIGHTS | ACCESSED_DIRTY);
            assert_int_equal(get32(m, alias), PAGE | ALL_RIGHTS);
        }
        run_both(p, program, at + ALIAS - PAGE, 1, "at the other address");
        BOTH(p, m)
        assert_int_equal(get32(m, alias), PAGE | ALL_RIGHTS | ACCESSED_DIRTY);
        run_function(p, code, "changed");
    }
    pair_destroy(p);
}

/* ---- breakpoints ---- */

static void a_breakpoint_on_data_of_a_checked_page_traps(void **state)
{
    struct pair *p = pair_create(*state);
    const uint32_t watched = ASIDE + 0x20;
    uint32_t program = 0, off = CODE + 0x1000;

    BOTH(p, m)
    program = put_program(m, 0, &forms[MOV_EAX], false);
    run_function(p, KEPT, "kept");
    for (unsigned i = 0; i < 8; i++) {
        const uint32_t on = off + 0x40 * (i + 1);

        if (i & 1)
            run_both(p, program, watched, WARM, "before");
        PUT_BOTH(p, on, 0xb8, LE32(watched), 0x0f, 0x23, 0xc0, 0xb8, LE32(0xd0001), 0x0f, 0x23, 0xf8,
                 HALT); /* mov dr0, watched; mov dr7, enabled for writes of 4 bytes; hlt */
        PUT_BOTH(p, off, 0x31, 0xc0, 0x0f, 0x23, 0xf8, HALT); /* mov dr7, 0; hlt */
        run_both(p, on, 0, 0, "on");
        run_both(p, program, ASIDE + i % 4, WARM, "aside");
        run_both(p, program, watched - 4, WARM, "before it");
        run_both(p, program, watched + 3, 2, "its last byte");
        expect_debug_trap(p);
        run_both(p, program, watched, 2, "all of it");
        expect_debug_trap(p);
        run_both(p, off, 0, 0, "off");
        run_both(p, program, watched, WARM, "behind");
        expect_end(p);
    }
    pair_destroy(p);
}

/* ---- segments ---- */

struct segment_case {
    const char *text;
    uint32_t base, limit, end; /* first offset behind what may be stored to, or that may be stored to */
    uint16_t ar;
    bool addr16;
};

static void store_by_segment(struct pair *p, unsigned slot, const struct form *f, const struct segment_case *c,
                             uint32_t code)
{
    uint32_t program = 0;

    BOTH(p, m)
    {
        program = put_program(m, slot, f, c->addr16);
        put_gdt(m, SEL_TEST, c->base, c->limit, c->ar | DPL3);
    }
    for (uint32_t at = c->end - f->width - 7; at != c->end + 8; at++) {
        if (!fits(f, c->base + at))
            continue;
        put_filler(p, code - 64, code + 64);
        put_function(p, code, 12);
        run_function(p, code, "function");
        run_function(p, KEPT, "kept");
        run_both(p, program, ASIDE - c->base, 2, c->text);
        run_both(p, program, c->addr16 ? 0x7fff0000 | (at & 0xffff) : at, 1, c->text);
        run_function(p, code, c->text);
    }
}

static void stores_at_the_end_of_a_segment_fault_and_hit(void **state)
{
    static const struct segment_case cases[] = {
        {"64 KiB that end in the page", PAGE + 0x800 - 0x10000, 0xffff, 0x10000, TEST_DATA & ~AR_DB, true},
        {"64 KiB that end at an odd byte", PAGE + 0x7fd - 0x10000, 0xffff, 0x10000, TEST_DATA & ~AR_DB, true},
        {"64 KiB that end where the page does", NEXT - 0x10000, 0xffff, 0x10000, TEST_DATA & ~AR_DB, true},
        {"64 KiB and 32-bit addresses", PAGE + 0x800 - 0x10000, 0xffff, 0x10000, TEST_DATA & ~AR_DB, false},
        {"a limit in the page, 16-bit addresses", PAGE - 0x1000, 0x17ff, 0x1800, TEST_DATA, true},
        {"a limit in the page", PAGE, 0x7ff, 0x800, TEST_DATA, false},
        {"an odd limit and base", PAGE + 3, 0x6fe, 0x6ff, TEST_DATA, false},
        {"an end at 4 GiB", PAGE + 0x800, 0xfffff, 0, TEST_DATA | AR_G, false},
        {"begins in the page", PAGE - 0x800, 0xfff, 0x1000, TEST_DATA | AR_EXPAND_DOWN, false},
        {"begins in the page, 16-bit addresses", PAGE - 0x800, 0xfff, 0x1000, (TEST_DATA & ~AR_DB) | AR_EXPAND_DOWN,
         true},
    };
    struct pair *p = pair_create(*state);

    p->data = SEL_TEST | 3;
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (unsigned f = 0; f < 2 * N_FORMS; f++)
            if (forms[f / 2].reg < 8) /* by DS */
                store_by_segment(p, 2 * N_FORMS * i + f, &forms[f / 2], &cases[i],
                                 cases[i].base + cases[i].end + (f % 2 ? 32 : -6u));
    pair_destroy(p);
}

int main(void)
{
    static const struct engine_test tests[] = {
        TEST(stores_across_the_border_of_a_checked_page_fault_and_hit),
        TEST(a_checked_page_that_loses_its_rights_faults),
        TEST(a_right_that_the_guest_takes_away_is_gone_at_the_next_store),
        TEST(the_first_store_to_a_checked_page_sets_its_bits),
        TEST(a_breakpoint_on_data_of_a_checked_page_traps),
        TEST(stores_at_the_end_of_a_segment_fault_and_hit),
    };

    return run_by_each_engine("rights of checked stores", tests, sizeof tests / sizeof tests[0]);
}
