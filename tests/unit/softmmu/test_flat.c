/* The flat tables for translated code: what enters them, and everything that must take it out again. */
#include "tests/unit/softmmu/mmu_fixture.h"

#include "softmmu/flat.h"

enum { LIN = 0x10000, NEXT = LIN + 0x1000, FILLS_MAX = 65536 };

struct table {
    uint32_t offset;
    unsigned width; /* that fills it */
    bool is_write;
    unsigned entries; /* per page */
};
static const struct table tables[] = {
    {FLAT_OFFSET_READ1, 1, false, 1},    {FLAT_OFFSET_READ2, 2, false, 2},    {FLAT_OFFSET_READ4, 4, false, 4},
    {FLAT_OFFSET_READ16, 16, false, 16}, {FLAT_OFFSET_WRITE1, 1, true, 1},    {FLAT_OFFSET_WRITE2, 2, true, 2},
    {FLAT_OFFSET_WRITE4, 4, true, 4},    {FLAT_OFFSET_WRITE16, 16, true, 16},
};
enum { TABLES = sizeof tables / sizeof tables[0] };
static const struct table exec_table = {FLAT_OFFSET_EXEC, 0, false, 1};

/* What translated code would read for an access at `address`: the residue picks one of the page's entries. */
static uint64_t entry(struct fixture *f, enum mmu_view view, const struct table *t, lin_addr address)
{
    const uint64_t index = (uint64_t)(address >> 12) * t->entries + address % t->entries;
    uint64_t value;

    memcpy(&value, flat_base(f->mmu.flat, view) + t->offset + 8 * index, 8);
    return value;
}

static uint8_t *host_of(struct fixture *f, phys_addr address)
{
    return phys_ram_host(f->phys, address);
}

static uint64_t addend_of(struct fixture *f, lin_addr address, phys_addr frame)
{
    return (uint64_t)(uintptr_t)host_of(f, frame) - (address & ~0xfffu);
}

/* Fills every table that the page allows, as translated code does after the slow path has made the access. */
static void fill_all(struct fixture *f, lin_addr address, enum mmu_view view)
{
    for (unsigned i = 0; i < TABLES; i++)
        flat_fill(&f->mmu, address, tables[i].width, tables[i].is_write, view);
}

static void touch_and_fill(struct fixture *f, lin_addr address, enum mmu_view view)
{
    mmu_st8(&f->mmu, address, mmu_ld8(&f->mmu, address, view), view);
    fill_all(f, address, view);
}

static unsigned count_entries(struct fixture *f, lin_addr address, enum mmu_view view, bool is_write)
{
    unsigned n = 0;

    for (unsigned i = 0; i < TABLES; i++)
        n += tables[i].is_write == is_write && entry(f, view, &tables[i], address & ~0xfffu) != 0;
    return n;
}
#define ASSERT_ENTRIES(f, address, view, reads, writes)                                                                \
    do {                                                                                                               \
        assert_int_equal(count_entries((f), (address), (view), false), (reads));                                       \
        assert_int_equal(count_entries((f), (address), (view), true), (writes));                                       \
    } while (0)

/* A page that has LIN's slot in the tagged TLB. */
static lin_addr map_rival(struct fixture *f)
{
    const lin_addr rival = LIN + (TLB_ENTRIES << 12);

    *ram32(f, DIRECTORY + (rival >> 22) * 4) = TOP_TABLE | URW;
    *ram32(f, TOP_TABLE + (rival >> 12 & 1023) * 4) = (FRAMES + 0x3000) | URW;
    return rival;
}

static int setup_flat(void **state)
{
    struct fixture *f;

    if (setup(state) != 0)
        return -1;
    f = *state;
    assert_non_null(flat_create(&f->mmu));
    map(f, LIN, FRAMES, URW);
    map(f, NEXT, FRAMES + 0x1000, URW);
    return 0;
}

static int teardown_flat(void **state)
{
    flat_destroy(&((struct fixture *)*state)->mmu);
    assert_null(((struct fixture *)*state)->mmu.flat);
    return teardown(state);
}

/* ---- fills ---- */

static void the_tables_follow_each_other_without_overlap(void **state)
{
    for (unsigned i = 0; i < TABLES; i++)
        for (unsigned k = 0; k < TABLES; k++)
            assert_true(i == k || tables[k].offset >= tables[i].offset + 8 * FLAT_PAGES * tables[i].entries ||
                        tables[k].offset < tables[i].offset);
    assert_true(FLAT_OFFSET_WRITE16 + 8 * 16 * FLAT_PAGES <= FLAT_OFFSET_FITS8);
    assert_true(FLAT_OFFSET_PRESENT + 2 * FLAT_PAGES <= FLAT_BYTES);
    assert_true(FLAT_BYTES <= INT32_MAX); /* displacements are signed */
}

static void an_aligned_access_hits_what_one_of_its_width_has_filled(void **state)
{
    struct fixture *f = *state;

    for (unsigned i = 0; i < TABLES; i++) {
        const struct table *t = &tables[i];

        mmu_st8(&f->mmu, LIN, 1, MMU_SUPERVISOR);
        assert_true(flat_fill(&f->mmu, LIN + 0x120, t->width, t->is_write, MMU_SUPERVISOR));
        for (unsigned k = 0; k < TABLES; k++)
            assert_true(entry(f, MMU_SUPERVISOR, &tables[k], LIN + 0x340) == (k == i ? addend_of(f, LIN, FRAMES) : 0));
        assert_true((uint8_t *)(uintptr_t)(LIN + 0x340 + entry(f, MMU_SUPERVISOR, t, LIN + 0x340)) ==
                    host_of(f, FRAMES + 0x340));
        mmu_flush(&f->mmu);
    }
}

static void an_unaligned_access_always_misses(void **state)
{
    struct fixture *f = *state;

    touch_and_fill(f, LIN, MMU_SUPERVISOR);
    touch_and_fill(f, LIN + 3, MMU_SUPERVISOR); /* an unaligned one enters the page, not its own residue */
    for (unsigned i = 0; i < TABLES; i++)
        for (unsigned residue = 1; residue < tables[i].width; residue++)
            assert_true(entry(f, MMU_SUPERVISOR, &tables[i], LIN + 0x100 + residue) == 0);
    ASSERT_ENTRIES(f, LIN, MMU_SUPERVISOR, 4, 4);
    ASSERT_ENTRIES(f, NEXT, MMU_SUPERVISOR, 0, 0);
    ASSERT_ENTRIES(f, LIN - 0x1000, MMU_SUPERVISOR, 0, 0);
}

static void eight_and_ten_bytes_share_the_table_for_bytes(void **state)
{
    static const unsigned widths[] = {8, 10};
    struct fixture *f = *state;

    for (unsigned i = 0; i < 2; i++) {
        mmu_st8(&f->mmu, LIN, 1, MMU_SUPERVISOR);
        assert_true(flat_fill(&f->mmu, LIN + 5, widths[i], false, MMU_SUPERVISOR));
        ASSERT_ENTRIES(f, LIN, MMU_SUPERVISOR, 1, 0);
        assert_true(entry(f, MMU_SUPERVISOR, &tables[0], LIN) != 0);
        assert_true(flat_fill(&f->mmu, LIN + 5, widths[i], true, MMU_SUPERVISOR));
        ASSERT_ENTRIES(f, LIN, MMU_SUPERVISOR, 1, 1);
        mmu_flush(&f->mmu);
    }
}

static void the_fits_tables_tell_what_crosses_a_page(void **state)
{
    struct fixture *f = *state;

    for (unsigned view = 0; view < MMU_VIEWS; view++)
        for (unsigned offset = 0; offset < 4096; offset++) {
            assert_int_equal(flat_base(f->mmu.flat, view)[FLAT_OFFSET_FITS8 + offset], offset + 8 <= 4096);
            assert_int_equal(flat_base(f->mmu.flat, view)[FLAT_OFFSET_FITS16 + offset], offset + 16 <= 4096);
        }
}

static void what_the_tlb_does_not_hold_is_not_entered(void **state)
{
    struct fixture *f = *state;

    fill_all(f, LIN, MMU_SUPERVISOR);
    assert_false(flat_fill_exec(&f->mmu, LIN, MMU_SUPERVISOR));
    ASSERT_ENTRIES(f, LIN, MMU_SUPERVISOR, 0, 0);
    mmu_ld8(&f->mmu, map_rival(f), MMU_SUPERVISOR); /* nor while its slot holds another page */
    fill_all(f, LIN, MMU_SUPERVISOR);
    ASSERT_ENTRIES(f, LIN, MMU_SUPERVISOR, 0, 0);
}

/* The first write sets the dirty bit: until then reads alone are plain. */
static void a_page_that_was_only_read_is_entered_for_reading_only(void **state)
{
    struct fixture *f = *state;

    mmu_ld8(&f->mmu, LIN, MMU_SUPERVISOR);
    fill_all(f, LIN, MMU_SUPERVISOR);
    ASSERT_ENTRIES(f, LIN, MMU_SUPERVISOR, 4, 0);
    mmu_st8(&f->mmu, LIN, 1, MMU_SUPERVISOR);
    fill_all(f, LIN, MMU_SUPERVISOR);
    ASSERT_ENTRIES(f, LIN, MMU_SUPERVISOR, 4, 4);
}

static void a_page_without_a_right_to_write_is_entered_for_reading_only(void **state)
{
    struct fixture *f = *state;

    map(f, LIN, FRAMES, P | US);
    mmu_ld8(&f->mmu, LIN, MMU_USER);
    fill_all(f, LIN, MMU_USER);
    ASSERT_ENTRIES(f, LIN, MMU_USER, 4, 0);
}

static void what_is_not_plain_memory_is_not_entered(void **state)
{
    struct fixture *f = *state;

    map(f, LIN, DEVICE, URW);
    mmu_st8(&f->mmu, LIN, 1, MMU_SUPERVISOR);
    fill_all(f, LIN, MMU_SUPERVISOR);
    ASSERT_ENTRIES(f, LIN, MMU_SUPERVISOR, 0, 0);
    map(f, NEXT, ROM, URW);
    mmu_st8(&f->mmu, NEXT, 1, MMU_SUPERVISOR);
    fill_all(f, NEXT, MMU_SUPERVISOR);
    ASSERT_ENTRIES(f, NEXT, MMU_SUPERVISOR, 4, 0);
    map(f, LIN + 0x2000, 0x80000000, URW); /* nothing there */
    mmu_st8(&f->mmu, LIN + 0x2000, 1, MMU_SUPERVISOR);
    fill_all(f, LIN + 0x2000, MMU_SUPERVISOR);
    ASSERT_ENTRIES(f, LIN + 0x2000, MMU_SUPERVISOR, 0, 0);
}

static void a_page_with_a_breakpoint_is_not_entered_and_leaves(void **state)
{
    struct fixture *f = *state;

    touch_and_fill(f, LIN, MMU_SUPERVISOR);
    mmu_set_debug_page(&f->mmu, 2, true, LIN + 0x10);
    ASSERT_ENTRIES(f, LIN, MMU_SUPERVISOR, 0, 0);
    touch_and_fill(f, LIN, MMU_SUPERVISOR);
    ASSERT_ENTRIES(f, LIN, MMU_SUPERVISOR, 0, 0);
    mmu_set_debug_page(&f->mmu, 2, false, LIN);
    touch_and_fill(f, LIN, MMU_SUPERVISOR);
    ASSERT_ENTRIES(f, LIN, MMU_SUPERVISOR, 4, 4);
}

static void each_view_has_its_own_tables(void **state)
{
    struct fixture *f = *state;

    touch_and_fill(f, LIN, MMU_SUPERVISOR);
    ASSERT_ENTRIES(f, LIN, MMU_USER, 0, 0);
    touch_and_fill(f, NEXT, MMU_USER);
    ASSERT_ENTRIES(f, NEXT, MMU_SUPERVISOR, 0, 0);
    ASSERT_ENTRIES(f, NEXT, MMU_USER, 4, 4);
    assert_ptr_not_equal(flat_base(f->mmu.flat, MMU_USER), flat_base(f->mmu.flat, MMU_SUPERVISOR));
    mmu_flush(&f->mmu); /* empties both */
    ASSERT_ENTRIES(f, LIN, MMU_SUPERVISOR, 0, 0);
    ASSERT_ENTRIES(f, NEXT, MMU_USER, 0, 0);
}

static void fetches_have_a_table_and_rights_of_their_own(void **state)
{
    struct fixture *f = *state;
    uint8_t *host;

    use_pae(f);
    map_pae(f, LIN, FRAMES, URW | XD);
    map_pae(f, NEXT, FRAMES + 0x1000, URW);
    touch_and_fill(f, LIN, MMU_SUPERVISOR);
    touch_and_fill(f, NEXT, MMU_SUPERVISOR);
    assert_false(flat_fill_exec(&f->mmu, LIN, MMU_SUPERVISOR)); /* not executable */
    mmu_fetch(&f->mmu, NEXT, MMU_SUPERVISOR, &host);
    assert_true(entry(f, MMU_SUPERVISOR, &exec_table, NEXT) == 0);
    host = (uint8_t *)(addend_of(f, NEXT, FRAMES + 0x1000) + NEXT);
    assert_int_equal(flat_code_at(flat_base(f->mmu.flat, MMU_SUPERVISOR), NEXT + 0x123), 0);
    assert_true(flat_fill_exec(&f->mmu, NEXT + 0x123, MMU_SUPERVISOR));
    assert_true(entry(f, MMU_SUPERVISOR, &exec_table, NEXT) == flat_code_address(f->mmu.flat, host) - NEXT);
    assert_true(flat_code_at(flat_base(f->mmu.flat, MMU_SUPERVISOR), NEXT + 0x123) ==
                flat_code_address(f->mmu.flat, host + 0x123));
    assert_true((int64_t)flat_code_address(f->mmu.flat, host) < 0);
    assert_true(entry(f, MMU_SUPERVISOR, &exec_table, LIN) == 0);
    mmu_flush_page(&f->mmu, NEXT);
    assert_true(entry(f, MMU_SUPERVISOR, &exec_table, NEXT) == 0);
}

/* ---- drops ---- */

static void invlpg_drops_the_page_in_both_views_and_no_other(void **state)
{
    struct fixture *f = *state;

    for (unsigned view = 0; view < MMU_VIEWS; view++) {
        touch_and_fill(f, LIN, view);
        touch_and_fill(f, NEXT, view);
    }
    mmu_flush_page(&f->mmu, LIN + 0xabc);
    for (unsigned view = 0; view < MMU_VIEWS; view++) {
        ASSERT_ENTRIES(f, LIN, view, 0, 0);
        ASSERT_ENTRIES(f, NEXT, view, 4, 4);
    }
    touch_and_fill(f, LIN, MMU_USER); /* and again */
    ASSERT_ENTRIES(f, LIN, MMU_USER, 4, 4);
    mmu_flush_page(&f->mmu, LIN);
    ASSERT_ENTRIES(f, LIN, MMU_USER, 0, 0);
}

/* The tagged TLB holds one page per slot; the tables keep both, and INVLPG of one that the TLB has lost still counts.
 */
static void invlpg_drops_a_page_that_the_tlb_has_lost(void **state)
{
    struct fixture *f = *state;
    const lin_addr rival = map_rival(f);

    touch_and_fill(f, LIN, MMU_SUPERVISOR);
    touch_and_fill(f, rival, MMU_SUPERVISOR);
    ASSERT_ENTRIES(f, LIN, MMU_SUPERVISOR, 4, 4);
    ASSERT_ENTRIES(f, rival, MMU_SUPERVISOR, 4, 4);
    mmu_flush_page(&f->mmu, LIN);
    ASSERT_ENTRIES(f, LIN, MMU_SUPERVISOR, 0, 0);
    ASSERT_ENTRIES(f, rival, MMU_SUPERVISOR, 4, 4);
}

static void invlpg_drops_every_piece_of_a_large_page(void **state)
{
    struct fixture *f = *state;

    *ram32(f, DIRECTORY + 4) = 0 | URW | PS; /* 4 MiB at 400000 */
    touch_and_fill(f, 0x00400000, MMU_SUPERVISOR);
    touch_and_fill(f, 0x00455000, MMU_SUPERVISOR);
    ASSERT_ENTRIES(f, 0x00455000, MMU_SUPERVISOR, 4, 4);
    mmu_flush_page(&f->mmu, 0x007ff000);
    ASSERT_ENTRIES(f, 0x00400000, MMU_SUPERVISOR, 0, 0);
    ASSERT_ENTRIES(f, 0x00455000, MMU_SUPERVISOR, 0, 0);
}

static void a_cr3_load_drops_all_but_global_pages(void **state)
{
    struct fixture *f = *state;

    map(f, NEXT, FRAMES + 0x1000, URW | G);
    for (unsigned view = 0; view < MMU_VIEWS; view++) {
        touch_and_fill(f, LIN, view);
        touch_and_fill(f, NEXT, view);
    }
    reload_cr3(f);
    for (unsigned view = 0; view < MMU_VIEWS; view++) {
        ASSERT_ENTRIES(f, LIN, view, 0, 0);
        ASSERT_ENTRIES(f, NEXT, view, 4, 4);
    }
    mmu_flush(&f->mmu);
    for (unsigned view = 0; view < MMU_VIEWS; view++)
        ASSERT_ENTRIES(f, NEXT, view, 0, 0);
}

static void a_change_of_the_paging_mode_drops_all(void **state)
{
    struct fixture *f = *state;

    map(f, NEXT, FRAMES + 0x1000, URW | G);
    touch_and_fill(f, LIN, MMU_SUPERVISOR);
    touch_and_fill(f, NEXT, MMU_SUPERVISOR);
    f->paging.wp = false;
    mmu_set_paging(&f->mmu, &f->paging);
    ASSERT_ENTRIES(f, LIN, MMU_SUPERVISOR, 0, 0);
    ASSERT_ENTRIES(f, NEXT, MMU_SUPERVISOR, 0, 0);
}

static void a_page_fault_drops_the_page(void **state)
{
    struct fixture *f = *state;

    mmu_ld8(&f->mmu, LIN, MMU_USER);
    fill_all(f, LIN, MMU_USER);
    map(f, LIN, FRAMES, P | US);
    ASSERT_FAULTS(f, LIN, PF_PRESENT | PF_WRITE | PF_USER, mmu_st8(&f->mmu, LIN, 1, MMU_USER));
    ASSERT_ENTRIES(f, LIN, MMU_USER, 0, 0);
}

static void memory_that_is_mapped_anew_drops_all(void **state)
{
    struct fixture *f = *state;

    touch_and_fill(f, LIN, MMU_SUPERVISOR);
    phys_map_rom(f->phys, FRAMES, 0x1000, f->rom);
    ASSERT_ENTRIES(f, LIN, MMU_SUPERVISOR, 0, 0);
    touch_and_fill(f, LIN, MMU_SUPERVISOR);
    ASSERT_ENTRIES(f, LIN, MMU_SUPERVISOR, 4, 0);
}

/* ---- watched pages ---- */

static void a_watched_page_is_entered_for_reading_only(void **state)
{
    struct fixture *f = *state;

    phys_watch(f->phys, FRAMES, true);
    mmu_rewatch(&f->mmu, FRAMES);
    touch_and_fill(f, LIN, MMU_SUPERVISOR);
    ASSERT_ENTRIES(f, LIN, MMU_SUPERVISOR, 4, 0);
    phys_watch(f->phys, FRAMES, false);
    mmu_rewatch(&f->mmu, FRAMES);
    touch_and_fill(f, LIN, MMU_SUPERVISOR);
    ASSERT_ENTRIES(f, LIN, MMU_SUPERVISOR, 4, 4);
}

/* Through every linear page that leads there, local or global, in both views, whether the TLB still has it or not. */
static void a_page_that_becomes_watched_is_no_longer_written_plainly(void **state)
{
    struct fixture *f = *state;

    map(f, LIN + 0x2000, FRAMES, URW | G);
    for (unsigned view = 0; view < MMU_VIEWS; view++) {
        touch_and_fill(f, LIN, view);
        touch_and_fill(f, NEXT, view);
        touch_and_fill(f, LIN + 0x2000, view);
    }
    for (unsigned i = 0; i < TLB_ENTRIES * MMU_VIEWS; i++) /* as if evicted */
        (&f->mmu.tlb[0][0] + i)->read_tag = (&f->mmu.tlb[0][0] + i)->write_tag = TLB_INVALID;
    phys_watch(f->phys, FRAMES, true);
    mmu_rewatch(&f->mmu, FRAMES);
    for (unsigned view = 0; view < MMU_VIEWS; view++) {
        ASSERT_ENTRIES(f, LIN, view, 4, 0);
        ASSERT_ENTRIES(f, LIN + 0x2000, view, 4, 0);
        ASSERT_ENTRIES(f, NEXT, view, 4, 4);
    }
}

/* ---- the lists ---- */

/* Filling and dropping one page again and again names it each time; the list is emptied before it is full of that, and
 * whatever it named leaves with it. */
static void a_full_list_loses_no_entry(void **state)
{
    struct fixture *f = *state;

    for (unsigned global = 0; global < 2; global++) {
        map(f, LIN, FRAMES, URW | (global ? G : 0));
        map(f, NEXT, FRAMES + 0x1000, URW | (global ? G : 0));
        mmu_flush(&f->mmu);
        touch_and_fill(f, NEXT, MMU_SUPERVISOR);
        for (unsigned i = 0; i < FILLS_MAX / 8 + 10; i++) {
            mmu_flush_page(&f->mmu, LIN);
            touch_and_fill(f, LIN, MMU_SUPERVISOR);
        }
        ASSERT_ENTRIES(f, NEXT, MMU_SUPERVISOR, 0, 0); /* the list was full once */
        assert_true(count_entries(f, LIN, MMU_SUPERVISOR, false) > 0);
        touch_and_fill(f, NEXT, MMU_SUPERVISOR);
        mmu_flush(&f->mmu);
        ASSERT_ENTRIES(f, LIN, MMU_SUPERVISOR, 0, 0);
        ASSERT_ENTRIES(f, NEXT, MMU_SUPERVISOR, 0, 0);
    }
}

static void an_access_that_fills_again_what_is_there_costs_nothing(void **state)
{
    struct fixture *f = *state;

    touch_and_fill(f, NEXT, MMU_SUPERVISOR);
    for (unsigned i = 0; i < FILLS_MAX + 10; i++)
        touch_and_fill(f, LIN, MMU_SUPERVISOR);
    ASSERT_ENTRIES(f, NEXT, MMU_SUPERVISOR, 4, 4); /* no list was full */
}

/* ---- at random ---- */

enum { OPERATIONS = 60000 };

/* A guest that does INVLPG after each change of an entry never sees a translation that its tables do not allow. */
static void no_entry_allows_more_than_the_page_tables_and_the_watches(void **state)
{
    struct fixture *f = *state;
    struct random_guest g = {.seed = 12345};
    unsigned long hits = 0;

    for (unsigned n = 0; n < OPERATIONS; n++) {
        if (random_step(f, &g)) {
            const lin_addr address = random_address(g.page);

            mmu_ld8(&f->mmu, address, g.view);
            if ((g.bits[g.page] & RW) && (g.what & 1)) {
                f->n_written = 0;
                mmu_st8(&f->mmu, address, (uint8_t)n, g.view);
            }
            flat_fill(&f->mmu, address, tables[g.what % TABLES].width, tables[g.what % TABLES].is_write, g.view);
        }
        for (unsigned k = 0; k < RANDOM_PAGES; k++)
            for (unsigned v = 0; v < MMU_VIEWS; v++)
                for (unsigned t = 0; t < TABLES; t++) {
                    const uint64_t value = entry(f, v, &tables[t], random_address(k));

                    if (!value)
                        continue;
                    hits++;
                    assert_true(g.bits[k] & P);
                    assert_true(v == MMU_SUPERVISOR || (g.bits[k] & US));
                    assert_true(value == addend_of(f, random_address(k), g.frame[k]));
                    assert_true(!tables[t].is_write || ((g.bits[k] & RW) && !phys_is_watched(f->phys, g.frame[k])));
                }
    }
    assert_true(hits > OPERATIONS);
}

#define FLAT_TEST(name) cmocka_unit_test_setup_teardown(name, setup_flat, teardown_flat)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_tables_follow_each_other_without_overlap),
        FLAT_TEST(an_aligned_access_hits_what_one_of_its_width_has_filled),
        FLAT_TEST(an_unaligned_access_always_misses),
        FLAT_TEST(eight_and_ten_bytes_share_the_table_for_bytes),
        FLAT_TEST(the_fits_tables_tell_what_crosses_a_page),
        FLAT_TEST(what_the_tlb_does_not_hold_is_not_entered),
        FLAT_TEST(a_page_that_was_only_read_is_entered_for_reading_only),
        FLAT_TEST(a_page_without_a_right_to_write_is_entered_for_reading_only),
        FLAT_TEST(what_is_not_plain_memory_is_not_entered),
        FLAT_TEST(a_page_with_a_breakpoint_is_not_entered_and_leaves),
        FLAT_TEST(each_view_has_its_own_tables),
        FLAT_TEST(fetches_have_a_table_and_rights_of_their_own),
        FLAT_TEST(invlpg_drops_the_page_in_both_views_and_no_other),
        FLAT_TEST(invlpg_drops_a_page_that_the_tlb_has_lost),
        FLAT_TEST(invlpg_drops_every_piece_of_a_large_page),
        FLAT_TEST(a_cr3_load_drops_all_but_global_pages),
        FLAT_TEST(a_change_of_the_paging_mode_drops_all),
        FLAT_TEST(a_page_fault_drops_the_page),
        FLAT_TEST(memory_that_is_mapped_anew_drops_all),
        FLAT_TEST(a_watched_page_is_entered_for_reading_only),
        FLAT_TEST(a_page_that_becomes_watched_is_no_longer_written_plainly),
        FLAT_TEST(a_full_list_loses_no_entry),
        FLAT_TEST(an_access_that_fills_again_what_is_there_costs_nothing),
        FLAT_TEST(no_entry_allows_more_than_the_page_tables_and_the_watches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
