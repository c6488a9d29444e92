/* Windows, which show the host's MMU what the flat tables hold: what is shown, with which rights, and everything that
 * must end that. */
#define _GNU_SOURCE
#include "tests/unit/softmmu/mmu_fixture.h"

#include <errno.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "softmmu/flat.h"
#include "softmmu/window.h"

enum { LIN = 0x10000, NEXT = LIN + 0x1000, FILLS_MAX = 65536, RUNS_MAX = 16384 };

struct windows {
    struct fixture f;        /* first: it is the state of the tests */
    int probe[2];            /* a pipe, by which the kernel tells what can be read and written */
    struct window_time time; /* the guest's */
    bool is_idle;
};

static struct window *window_of(struct fixture *f, enum mmu_view view)
{
    return flat_window(f->mmu.flat, view);
}

static uint8_t *in_window(struct fixture *f, enum mmu_view view, lin_addr address)
{
    return window_base(window_of(f, view)) + address;
}

static enum window_state probe(struct fixture *f, uint8_t *byte)
{
    const int *fd = ((struct windows *)(void *)f)->probe;
    uint8_t unused;

    if (write(fd[1], byte, 1) != 1) {
        assert_int_equal(errno, EFAULT);
        return WINDOW_NONE;
    }
    if (read(fd[0], byte, 1) == 1)
        return WINDOW_WRITE;
    assert_int_equal(errno, EFAULT);
    assert_int_equal(read(fd[0], &unused, 1), 1);
    return WINDOW_READ;
}

static uint64_t entry(struct fixture *f, enum mmu_view view, uint32_t table, lin_addr address)
{
    uint64_t value;

    memcpy(&value, flat_base(f->mmu.flat, view) + table + 8 * (uint64_t)(address >> 12), 8);
    return value;
}

/* What the window shows of the page: what it says, what the host says, and no more than the tables for bytes. */
static enum window_state shown(struct fixture *f, enum mmu_view view, lin_addr address)
{
    const enum window_state state = window_state(window_of(f, view), address >> 12);

    assert_int_equal(probe(f, in_window(f, view, address)), state);
    assert_true(state == WINDOW_NONE || entry(f, view, FLAT_OFFSET_READ1, address));
    assert_true(state != WINDOW_WRITE || entry(f, view, FLAT_OFFSET_WRITE1, address));
    return state;
}
#define ASSERT_SHOWN(f, address, view, state) assert_int_equal(shown((f), (view), (address)), (state))

static uint8_t *host_of(struct fixture *f, phys_addr address)
{
    return phys_ram_host(f->phys, address);
}

/* What an access that the window did not show leads to. */
static enum flat_window_fill touch(struct fixture *f, lin_addr address, enum mmu_view view, bool is_write)
{
    if (is_write)
        mmu_check_write(&f->mmu, address, 1, view);
    else
        mmu_check_read(&f->mmu, address, 1, view);
    return flat_fill_window(&f->mmu, address, is_write, view);
}

static void show(struct fixture *f, lin_addr address, enum mmu_view view)
{
    assert_int_equal(touch(f, address, view, true), FLAT_WINDOW_FILLED);
    ASSERT_SHOWN(f, address, view, WINDOW_WRITE);
}

/* Enters pages into the tables, as code that does not use the window does. */
static void enter(struct fixture *f, lin_addr address, enum mmu_view view, bool is_write)
{
    if (is_write)
        mmu_check_write(&f->mmu, address, 4, view);
    else
        mmu_check_read(&f->mmu, address, 4, view);
    assert_true(flat_fill(&f->mmu, address, 4, is_write, view));
}

static void watch(struct fixture *f, phys_addr page, bool on)
{
    phys_watch(f->phys, page, on);
    mmu_rewatch(&f->mmu, page);
}

/* What translated code does between two blocks; the guest has been busy for 10 ms since the last time. */
static bool try_open(struct fixture *f, enum mmu_view view)
{
    struct windows *w = (struct windows *)(void *)f;
    struct window *window = window_of(f, view);

    if (!window)
        return false;
    w->time.busy_ns += w->is_idle ? 0 : 10000000;
    return window_is_open(window) || flat_open_window(&f->mmu, view, w->time);
}

static void open_windows(struct fixture *f)
{
    for (unsigned view = 0; view < MMU_VIEWS; view++)
        assert_true(try_open(f, view));
}

/* Virtual machines may stand for a while, but time does pass. */
static void sleep_ms(unsigned ms)
{
    nanosleep(&(struct timespec){.tv_nsec = ms * 1000000L}, NULL);
}

static int setup_policy(void **state, enum window_policy policy)
{
    struct windows *w = calloc(1, sizeof *w);

    assert_non_null(w);
    assert_int_equal(pipe(w->probe), 0);
    setup_machine(&w->f);
    assert_non_null(flat_create(&w->f.mmu));
    assert_true(flat_add_windows(&w->f.mmu, policy));
    map(&w->f, LIN, FRAMES, URW);
    map(&w->f, NEXT, FRAMES + 0x1000, URW);
    *state = &w->f;
    return 0;
}

static int setup_always(void **state)
{
    setup_policy(state, WINDOW_ALWAYS);
    open_windows(*state);
    return 0;
}

static int setup_closed(void **state)
{
    return setup_policy(state, WINDOW_ALWAYS);
}

static int setup_earned(void **state)
{
    return setup_policy(state, WINDOW_EARNED);
}

static int setup_never(void **state)
{
    return setup_policy(state, WINDOW_NEVER);
}

static int teardown_windows(void **state)
{
    struct windows *w = *state;

    flat_destroy(&w->f.mmu);
    phys_destroy(w->f.phys);
    close(w->probe[0]);
    close(w->probe[1]);
    free(w);
    return 0;
}

/* ---- what is shown ---- */

static void a_page_in_the_window_is_the_memory_itself(void **state)
{
    struct fixture *f = *state;
    uint32_t value = 0x12345678;

    show(f, LIN, MMU_USER);
    ASSERT_SHOWN(f, NEXT, MMU_USER, WINDOW_NONE);
    mmu_st32(&f->mmu, LIN + 0x120, value, MMU_USER);
    assert_memory_equal(in_window(f, MMU_USER, LIN + 0x120), &value, 4);
    value = 0xcafef00d;
    memcpy(in_window(f, MMU_USER, LIN + 0xffc), &value, 4);
    assert_int_equal(*ram32(f, FRAMES + 0xffc), value);
    assert_int_equal(mmu_ld32(&f->mmu, LIN + 0xffc, MMU_SUPERVISOR), value);
}

static void a_page_is_shown_with_the_rights_that_it_has(void **state)
{
    struct fixture *f = *state;

    map(f, LIN, FRAMES, P | US);
    assert_int_equal(touch(f, LIN, MMU_USER, false), FLAT_WINDOW_FILLED);
    ASSERT_SHOWN(f, LIN, MMU_USER, WINDOW_READ);
    ASSERT_FAULTS(f, LIN, PF_PRESENT | PF_WRITE | PF_USER, touch(f, LIN, MMU_USER, true));
    ASSERT_SHOWN(f, LIN, MMU_USER, WINDOW_NONE); /* a fault forgets the page */
    f->paging.wp = false;
    mmu_set_paging(&f->mmu, &f->paging);
    open_windows(f);
    show(f, LIN, MMU_SUPERVISOR); /* which may write to it now */
    ASSERT_SHOWN(f, LIN, MMU_USER, WINDOW_NONE);
}

/* The first write sets the dirty bit. */
static void a_clean_page_is_shown_for_reading_until_it_is_written(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(touch(f, LIN, MMU_USER, false), FLAT_WINDOW_FILLED);
    ASSERT_SHOWN(f, LIN, MMU_USER, WINDOW_READ);
    assert_int_equal(*pte_of(f, LIN) & D, 0);
    show(f, LIN, MMU_USER);
    assert_int_equal(*pte_of(f, LIN) & D, D);
    show(f, NEXT, MMU_USER);
    mmu_flush(&f->mmu);
    open_windows(f);
    assert_int_equal(touch(f, LIN, MMU_USER, false), FLAT_WINDOW_FILLED); /* a dirty one at once for both */
    ASSERT_SHOWN(f, LIN, MMU_USER, WINDOW_WRITE);
}

static void what_is_not_ram_is_refused(void **state)
{
    struct fixture *f = *state;

    map(f, LIN, DEVICE, URW);
    map(f, NEXT, ROM, URW);
    map(f, LIN + 0x2000, 0x80000000, URW); /* nothing there */
    for (lin_addr address = LIN; address <= LIN + 0x2000; address += 0x1000)
        for (unsigned is_write = 0; is_write < 2; is_write++) {
            assert_int_equal(touch(f, address, MMU_USER, is_write), FLAT_WINDOW_REFUSED);
            ASSERT_SHOWN(f, address, MMU_USER, WINDOW_NONE);
        }
}

static void memory_that_only_reads_as_ram_is_shown_for_reading(void **state)
{
    struct fixture *f = *state;

    phys_map_ram_readonly(f->phys, FRAMES, 0x1000, FRAMES);
    open_windows(f);
    assert_int_equal(touch(f, LIN, MMU_SUPERVISOR, true), FLAT_WINDOW_REFUSED);
    assert_int_equal(touch(f, LIN, MMU_SUPERVISOR, false), FLAT_WINDOW_FILLED);
    ASSERT_SHOWN(f, LIN, MMU_SUPERVISOR, WINDOW_READ);
}

static void what_is_shown_already_cannot_have_faulted(void **state)
{
    struct fixture *f = *state;

    show(f, LIN, MMU_USER);
    assert_int_equal(touch(f, LIN, MMU_USER, true), FLAT_WINDOW_REFUSED);
    assert_int_equal(touch(f, LIN, MMU_USER, false), FLAT_WINDOW_REFUSED);
}

static void each_view_has_its_own_window(void **state)
{
    struct fixture *f = *state;

    map(f, NEXT, FRAMES + 0x1000, P | RW);
    show(f, LIN, MMU_USER);
    ASSERT_SHOWN(f, LIN, MMU_SUPERVISOR, WINDOW_NONE);
    show(f, NEXT, MMU_SUPERVISOR);
    ASSERT_FAULTS(f, NEXT, PF_PRESENT | PF_USER, touch(f, NEXT, MMU_USER, false));
    ASSERT_SHOWN(f, NEXT, MMU_USER, WINDOW_NONE);
}

static void the_last_page_is_followed_by_a_guard(void **state)
{
    struct fixture *f = *state;

    map(f, 0xfffff000, FRAMES + 0x2000, URW);
    map(f, 0, FRAMES + 0x3000, URW);
    for (unsigned view = 0; view < MMU_VIEWS; view++) {
        show(f, 0xfffff000, view);
        show(f, 0, view);
        assert_int_equal(*in_window(f, view, 0xfffff000), 2);
    }
    for (unsigned view = 0; view < MMU_VIEWS; view++) { /* whatever lies behind it */
        uint8_t *behind = in_window(f, view, 0xfffff000) + 0x1000;

        assert_int_equal(probe(f, behind), WINDOW_NONE);
        assert_ptr_equal(mmap(behind, 0x1000, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0),
                         MAP_FAILED);
    }
    mmu_flush(&f->mmu);
    ASSERT_SHOWN(f, 0xfffff000, MMU_USER, WINDOW_NONE);
}

static void a_journal_sees_the_first_write_to_each_page(void **state)
{
    struct fixture *f = *state;
    struct mmu_journal journal = {0};

    f->mmu.journal = &journal;
    mmu_flush(&f->mmu);
    enter(f, NEXT, MMU_USER, true);
    open_windows(f);
    ASSERT_SHOWN(f, NEXT, MMU_USER, WINDOW_NONE);
    mmu_check_write(&f->mmu, LIN, 1, MMU_USER); /* it is dirty */
    assert_int_equal(touch(f, LIN, MMU_USER, false), FLAT_WINDOW_FILLED);
    ASSERT_SHOWN(f, LIN, MMU_USER, WINDOW_READ);
    show(f, LIN, MMU_USER);
    flat_drop_page(f->mmu.flat, LIN);
    ASSERT_SHOWN(f, LIN, MMU_USER, WINDOW_NONE);
}

/* ---- what ends that ---- */

static void invlpg_takes_the_page_out_of_both_windows_and_no_other(void **state)
{
    struct fixture *f = *state;

    for (unsigned view = 0; view < MMU_VIEWS; view++) {
        show(f, LIN, view);
        show(f, NEXT, view);
    }
    mmu_flush_page(&f->mmu, LIN + 0xabc);
    for (unsigned view = 0; view < MMU_VIEWS; view++) {
        ASSERT_SHOWN(f, LIN, view, WINDOW_NONE);
        ASSERT_SHOWN(f, NEXT, view, WINDOW_WRITE);
        assert_true(window_is_open(window_of(f, view)));
        assert_int_equal(window_counters(window_of(f, view))->dropped, 1);
    }
    map(f, LIN, FRAMES + 0x2000, URW);
    show(f, LIN, MMU_USER);
    assert_int_equal(*in_window(f, MMU_USER, LIN), 2);
}

static void invlpg_of_one_piece_takes_out_the_whole_large_page(void **state)
{
    struct fixture *f = *state;

    *ram32(f, DIRECTORY + 4) = 0 | URW | PS; /* 4 MiB at 400000 */
    show(f, 0x00500000, MMU_USER);
    show(f, 0x00501000, MMU_USER);
    mmu_flush_page(&f->mmu, 0x007ff000);
    ASSERT_SHOWN(f, 0x00500000, MMU_USER, WINDOW_NONE);
    ASSERT_SHOWN(f, 0x00501000, MMU_USER, WINDOW_NONE);
}

static void a_flush_empties_and_closes(void **state)
{
    struct fixture *f = *state;

    map(f, 0xfffff000, FRAMES + 0x2000, URW);
    map(f, 0xffc00000, FRAMES + 0x3000, URW);
    for (unsigned view = 0; view < MMU_VIEWS; view++) {
        show(f, LIN, view);
        show(f, 0xfffff000 - 0x3ff000 * view, view);
    }
    mmu_flush(&f->mmu);
    for (unsigned view = 0; view < MMU_VIEWS; view++) {
        ASSERT_SHOWN(f, LIN, view, WINDOW_NONE);
        ASSERT_SHOWN(f, 0xfffff000 - 0x3ff000 * view, view, WINDOW_NONE);
        assert_false(window_is_open(window_of(f, view)));
        assert_int_equal(flat_fill_window(&f->mmu, LIN, false, view), FLAT_WINDOW_CLOSED);
    }
}

static void a_cr3_load_empties_and_closes(void **state)
{
    struct fixture *f = *state;

    map(f, NEXT, FRAMES + 0x1000, URW | G);
    show(f, LIN, MMU_USER);
    show(f, NEXT, MMU_USER);
    map(f, LIN, FRAMES + 0x3000, URW);
    reload_cr3(f);
    ASSERT_SHOWN(f, LIN, MMU_USER, WINDOW_NONE);
    ASSERT_SHOWN(f, NEXT, MMU_USER, WINDOW_NONE);
    assert_false(window_is_open(window_of(f, MMU_USER)));
    open_windows(f);
    ASSERT_SHOWN(f, LIN, MMU_USER, WINDOW_NONE);
    ASSERT_SHOWN(f, NEXT, MMU_USER, WINDOW_WRITE); /* a global page is still in the tables */
}

static void a_page_that_becomes_watched_can_only_be_read(void **state)
{
    struct fixture *f = *state;

    map(f, LIN + 0x2000, FRAMES, URW | G); /* another way to the same page */
    for (unsigned view = 0; view < MMU_VIEWS; view++) {
        show(f, LIN, view);
        show(f, LIN + 0x2000, view);
        show(f, NEXT, view);
    }
    watch(f, FRAMES, true);
    for (unsigned view = 0; view < MMU_VIEWS; view++) {
        ASSERT_SHOWN(f, LIN, view, WINDOW_READ);
        ASSERT_SHOWN(f, LIN + 0x2000, view, WINDOW_READ);
        ASSERT_SHOWN(f, NEXT, view, WINDOW_WRITE);
        assert_int_equal(touch(f, LIN, view, true), FLAT_WINDOW_REFUSED);
        ASSERT_SHOWN(f, LIN, view, WINDOW_READ);
    }
    watch(f, FRAMES, false);
    show(f, LIN, MMU_USER);
}

static void a_page_with_a_breakpoint_leaves_and_is_refused(void **state)
{
    struct fixture *f = *state;

    show(f, LIN, MMU_USER);
    mmu_set_debug_page(&f->mmu, 2, true, LIN + 0x10);
    ASSERT_SHOWN(f, LIN, MMU_USER, WINDOW_NONE);
    assert_int_equal(touch(f, LIN, MMU_USER, false), FLAT_WINDOW_REFUSED);
    assert_int_equal(touch(f, LIN, MMU_USER, true), FLAT_WINDOW_REFUSED);
    ASSERT_SHOWN(f, LIN, MMU_USER, WINDOW_NONE);
    mmu_set_debug_page(&f->mmu, 2, false, LIN);
    show(f, LIN, MMU_USER);
}

static void memory_that_is_mapped_anew_empties_and_closes(void **state)
{
    struct fixture *f = *state;

    show(f, LIN, MMU_SUPERVISOR);
    phys_map_rom(f->phys, FRAMES, 0x1000, f->rom);
    ASSERT_SHOWN(f, LIN, MMU_SUPERVISOR, WINDOW_NONE);
    open_windows(f);
    assert_int_equal(touch(f, LIN, MMU_SUPERVISOR, false), FLAT_WINDOW_REFUSED);
}

/* A guest that changes an entry without INVLPG may be given either page, whole. */
static void a_translation_that_replaces_another_replaces_what_is_shown(void **state)
{
    struct fixture *f = *state;

    show(f, LIN, MMU_USER);
    map(f, LIN, FRAMES + 0x2000, URW | A | D);
    f->mmu.tlb[MMU_USER][LIN >> 12 & (TLB_ENTRIES - 1)].read_tag = TLB_INVALID; /* as if evicted */
    mmu_check_read(&f->mmu, LIN, 1, MMU_USER);
    assert_true(flat_fill(&f->mmu, LIN, 1, false, MMU_USER));
    ASSERT_SHOWN(f, LIN, MMU_USER, WINDOW_NONE);
    assert_int_equal(touch(f, LIN, MMU_USER, false), FLAT_WINDOW_FILLED);
    assert_int_equal(*in_window(f, MMU_USER, LIN), 2);
}

/* ---- opening ---- */

static void a_window_opens_with_what_the_tables_hold(void **state)
{
    struct fixture *f = *state;

    map(f, LIN + 0x2000, DEVICE, URW);
    map(f, LIN + 0x3000, ROM, URW);
    map(f, LIN + 0x4000, FRAMES + 0x4000, URW | G);
    enter(f, LIN, MMU_USER, false);
    enter(f, NEXT, MMU_USER, true);
    mmu_check_read(&f->mmu, LIN + 0x3000, 1, MMU_USER);
    flat_fill(&f->mmu, LIN + 0x3000, 1, false, MMU_USER);
    enter(f, LIN + 0x4000, MMU_USER, true);
    open_windows(f);
    ASSERT_SHOWN(f, LIN, MMU_USER, WINDOW_READ);
    ASSERT_SHOWN(f, NEXT, MMU_USER, WINDOW_WRITE);
    ASSERT_SHOWN(f, LIN + 0x2000, MMU_USER, WINDOW_NONE);
    ASSERT_SHOWN(f, LIN + 0x3000, MMU_USER, WINDOW_NONE);
    ASSERT_SHOWN(f, LIN + 0x4000, MMU_USER, WINDOW_WRITE);
    ASSERT_SHOWN(f, LIN, MMU_SUPERVISOR, WINDOW_NONE);
    *in_window(f, MMU_USER, NEXT + 7) = 0x77;
    assert_int_equal(*host_of(f, FRAMES + 0x1007), 0x77);
    mmu_flush_page(&f->mmu, LIN);
    mmu_flush_page(&f->mmu, LIN + 0x4000);
    watch(f, FRAMES + 0x1000, true);
    ASSERT_SHOWN(f, LIN, MMU_USER, WINDOW_NONE);
    ASSERT_SHOWN(f, LIN + 0x4000, MMU_USER, WINDOW_NONE);
    ASSERT_SHOWN(f, NEXT, MMU_USER, WINDOW_READ);
}

static void neighbours_that_lie_together_in_memory_are_mapped_by_one_call(void **state)
{
    struct fixture *f = *state;
    const struct window_counters *c = window_counters(window_of(f, MMU_USER));

    for (unsigned i = 0; i < 8; i++) /* in any order */
        map(f, LIN + (i * 3 % 8) * 0x1000, FRAMES + (i * 3 % 8) * 0x1000, URW);
    for (unsigned i = 0; i < 8; i++)
        enter(f, LIN + (i * 5 % 8) * 0x1000, MMU_USER, true);
    open_windows(f);
    assert_int_equal(c->pages, 8);
    assert_int_equal(c->runs, 1);
    for (unsigned i = 0; i < 8; i++) {
        ASSERT_SHOWN(f, LIN + i * 0x1000, MMU_USER, WINDOW_WRITE);
        assert_int_equal(*in_window(f, MMU_USER, LIN + i * 0x1000), i);
    }
    mmu_flush_page(&f->mmu, LIN + 0x3000); /* in the middle of the run */
    for (unsigned i = 0; i < 8; i++)
        ASSERT_SHOWN(f, LIN + i * 0x1000, MMU_USER, i == 3 ? WINDOW_NONE : WINDOW_WRITE);
}

static void other_rights_and_gaps_begin_a_new_run(void **state)
{
    struct fixture *f = *state;
    const struct window_counters *c = window_counters(window_of(f, MMU_USER));
    static const uint32_t frame[] = {0, 1, 2, 4, 5, 9}; /* one run, a hole in RAM, one that is only read */

    for (unsigned i = 0; i < 6; i++) {
        map(f, LIN + i * 0x1000, FRAMES + frame[i] * 0x1000, URW);
        enter(f, LIN + i * 0x1000, MMU_USER, i != 1);
    }
    open_windows(f);
    assert_int_equal(c->pages, 6);
    assert_int_equal(c->runs, 5); /* 0, 1, 2, 3 to 4, 5 */
    for (unsigned i = 0; i < 6; i++) {
        ASSERT_SHOWN(f, LIN + i * 0x1000, MMU_USER, i == 1 ? WINDOW_READ : WINDOW_WRITE);
        assert_int_equal(*in_window(f, MMU_USER, LIN + i * 0x1000), frame[i]);
    }
}

/* The lists name pages that have been dropped and filled again, for other memory, and only the last name is right. */
static void a_page_that_was_mapped_anew_before_is_taken_for_what_it_is_when_watched(void **state)
{
    struct fixture *f = *state;

    for (unsigned i = 0; i < 20; i++) {
        map(f, LIN, FRAMES + i * 0x1000, URW);
        mmu_flush_page(&f->mmu, LIN);
        enter(f, LIN, MMU_USER, true);
    }
    open_windows(f);
    ASSERT_SHOWN(f, LIN, MMU_USER, WINDOW_WRITE);
    assert_int_equal(*in_window(f, MMU_USER, LIN), 19);
    watch(f, FRAMES + 19 * 0x1000, true);
    ASSERT_SHOWN(f, LIN, MMU_USER, WINDOW_READ);
}

/* Two translations of a page may be in the tables when the guest does no INVLPG; the right to write belongs to one. */
static void a_right_to_write_is_not_given_to_another_page(void **state)
{
    struct fixture *f = *state;

    for (unsigned order = 0; order < 2; order++) {
        map(f, LIN, FRAMES, order ? URW : P | US);
        mmu_flush(&f->mmu);
        enter(f, LIN, MMU_USER, order);
        map(f, LIN, FRAMES + 0x1000, (order ? P | US : URW) | A | D);
        f->mmu.tlb[MMU_USER][LIN >> 12 & (TLB_ENTRIES - 1)].read_tag = TLB_INVALID; /* as if evicted */
        f->mmu.tlb[MMU_USER][LIN >> 12 & (TLB_ENTRIES - 1)].write_tag = TLB_INVALID;
        enter(f, LIN, MMU_USER, !order);
        open_windows(f);
        if (shown(f, MMU_USER, LIN) == WINDOW_WRITE)
            assert_int_equal(*in_window(f, MMU_USER, LIN), order ? 0 : 1);
    }
}

static void a_full_list_loses_no_page(void **state)
{
    struct fixture *f = *state;

    for (unsigned spare = 0; spare < 8; spare++) {
        mmu_flush(&f->mmu);
        open_windows(f);
        for (unsigned i = 0; i < FILLS_MAX - spare; i++) {
            flat_drop_page(f->mmu.flat, NEXT);
            mmu_check_read(&f->mmu, NEXT, 1, MMU_USER);
            assert_true(flat_fill(&f->mmu, NEXT, 2, false, MMU_USER));
        }
        for (unsigned i = 0; i < 4; i++) {
            const enum flat_window_fill filled = touch(f, LIN, MMU_USER, true);

            shown(f, MMU_USER, LIN);
            assert_int_equal(filled == FLAT_WINDOW_CLOSED, !window_is_open(window_of(f, MMU_USER)));
            assert_int_equal(filled == FLAT_WINDOW_FILLED, shown(f, MMU_USER, LIN) == WINDOW_WRITE);
            assert_true(try_open(f, MMU_USER));
            mmu_flush_page(&f->mmu, LIN);
            ASSERT_SHOWN(f, LIN, MMU_USER, WINDOW_NONE);
        }
    }
}

static void a_window_of_too_many_pieces_begins_again(void **state)
{
    struct fixture *f = *state;

    for (unsigned i = 0; i < RUNS_MAX; i++) {
        flat_drop_page(f->mmu.flat, LIN);
        assert_int_equal(touch(f, LIN, MMU_USER, true), FLAT_WINDOW_FILLED);
    }
    ASSERT_SHOWN(f, LIN, MMU_USER, WINDOW_WRITE);
    assert_int_equal(touch(f, NEXT, MMU_USER, true), FLAT_WINDOW_CLOSED);
    ASSERT_SHOWN(f, LIN, MMU_USER, WINDOW_NONE);
    open_windows(f);
    show(f, NEXT, MMU_USER);
}

/* ---- policies ---- */

static void without_windows_none_opens(void **state)
{
    struct fixture *f = *state;

    for (unsigned i = 0; i < 3; i++) {
        enter(f, LIN, MMU_USER, true);
        for (unsigned view = 0; view < MMU_VIEWS; view++)
            assert_false(try_open(f, view));
        assert_int_equal(touch(f, LIN, MMU_USER, true), FLAT_WINDOW_CLOSED);
        sleep_ms(10);
    }
}

static void windows_for_all_open_at_once_and_again(void **state)
{
    struct fixture *f = *state;

    for (unsigned i = 0; i < 3; i++) {
        open_windows(f);
        open_windows(f);
        assert_int_equal(window_counters(window_of(f, MMU_USER))->opened, i + 1);
        show(f, LIN, MMU_USER);
        mmu_flush(&f->mmu);
    }
}

static void a_window_is_earned_by_time_without_a_flush(void **state)
{
    struct fixture *f = *state;
    unsigned ms = 0;

    assert_null(window_of(f, MMU_SUPERVISOR)); /* a kernel's pages come and go */
    assert_false(try_open(f, MMU_SUPERVISOR));
    enter(f, LIN, MMU_USER, true);
    assert_false(try_open(f, MMU_USER)); /* time begins here */
    for (; ms < 1000 && !try_open(f, MMU_USER); ms++)
        sleep_ms(1);
    assert_true(try_open(f, MMU_USER));
    ASSERT_SHOWN(f, LIN, MMU_USER, WINDOW_WRITE);
    reload_cr3(f);
    ASSERT_SHOWN(f, LIN, MMU_USER, WINDOW_NONE);
    assert_false(try_open(f, MMU_USER)); /* and again */
    assert_int_equal(window_counters(window_of(f, MMU_USER))->opened, 1);
}

static void an_idle_program_earns_none(void **state)
{
    struct fixture *f = *state;

    ((struct windows *)(void *)f)->is_idle = true;
    for (unsigned ms = 0; ms < 60; ms++) {
        assert_false(try_open(f, MMU_USER));
        sleep_ms(1);
    }
}

/* Each has its own account, which a flush leaves alone. */
static void an_address_space_earns_for_itself(void **state)
{
    struct fixture *f = *state;
    struct windows *w = (struct windows *)(void *)f;
    struct window *window = window_of(f, MMU_USER);
    const uint32_t cr3 = f->mmu.paging.cr3, others[] = {cr3 + 0x1000, cr3 + 0x40000}; /* the latter has cr3's place */
    unsigned ms = 0;

    for (; ms < 1000 && !try_open(f, MMU_USER); ms++)
        sleep_ms(1);
    for (unsigned n = 0; n < 2; n++) {
        enter(f, LIN, MMU_USER, true);
        reload_cr3(f);
        for (unsigned i = 0; i < 3; i++) { /* 30 of 40 ms */
            w->time.busy_ns += 10000000;
            assert_false(window_open(window, others[n], w->time));
            sleep_ms(10);
        }
        assert_int_equal(try_open(f, MMU_USER), n == 0);
    }
}

/* Busy for 40 ms, from one moment to the next as this test has it. False: the window was open at once. */
static bool earn(struct fixture *f)
{
    unsigned ms = 0;

    if (try_open(f, MMU_USER))
        return false;
    for (; ms < 1000 && !try_open(f, MMU_USER); ms++)
        sleep_ms(1);
    return true;
}

/* 30 of 40 ms. */
static void nearly_earn(struct fixture *f)
{
    enter(f, LIN, MMU_USER, true);
    for (unsigned i = 0; i < 3; i++) {
        assert_false(try_open(f, MMU_USER));
        sleep_ms(10);
    }
}

static void what_was_earned_is_lost_while_nothing_runs(void **state)
{
    struct fixture *f = *state;
    struct windows *w = (struct windows *)(void *)f;

    nearly_earn(f);
    w->time.idle_ns += 300000000;
    const uint64_t before_ns = w->time.busy_ns;
    assert_true(earn(f));
    assert_in_range(w->time.busy_ns - before_ns, 40000000, 1000000000);
}

static void so_it_is_while_another_runs(void **state)
{
    struct fixture *f = *state;
    struct windows *w = (struct windows *)(void *)f;

    nearly_earn(f);
    for (unsigned i = 0; i < 3; i++) { /* not enough for a window either */
        w->time.busy_ns += 60000000;
        assert_false(window_open(window_of(f, MMU_USER), f->mmu.paging.cr3 + 0x1000, w->time));
    }
    assert_false(try_open(f, MMU_USER));
}

/* A host that runs others meanwhile takes nothing from the guest. */
static void nothing_is_lost_while_the_host_is_elsewhere(void **state)
{
    struct fixture *f = *state;

    nearly_earn(f);
    sleep_ms(400);
    assert_true(try_open(f, MMU_USER));
}

static void nothing_is_lost_while_the_window_is_open(void **state)
{
    struct fixture *f = *state;
    struct windows *w = (struct windows *)(void *)f;

    enter(f, LIN, MMU_USER, true);
    assert_true(earn(f));
    w->time.idle_ns += 900000000;
    reload_cr3(f);
    const uint64_t before_ns = w->time.busy_ns;
    assert_false(try_open(f, MMU_USER));
    sleep_ms(20);
    assert_true(try_open(f, MMU_USER));
    assert_int_equal(w->time.busy_ns - before_ns, 20000000);
}

static void the_clock_is_asked_once_a_tick(void **state)
{
    struct window *window = window_of(*state, MMU_USER);
    unsigned due = 0;

    for (unsigned i = 0; i < 1000; i++)
        due += window_is_due(window);
    assert_in_range(due, 1, 10);
    sleep_ms(20);
    assert_true(window_is_due(window));
}

static void flushes_keep_a_window_from_being_earned(void **state)
{
    struct fixture *f = *state;

    for (unsigned i = 0; i < 20; i++) {
        enter(f, LIN, MMU_USER, true);
        assert_false(try_open(f, MMU_USER));
        sleep_ms(5);
        reload_cr3(f);
    }
}

static void a_window_that_costs_too_much_closes(void **state)
{
    struct fixture *f = *state;
    enum flat_window_fill filled = FLAT_WINDOW_FILLED;
    unsigned n = 0;

    for (unsigned ms = 0; ms < 1000 && !try_open(f, MMU_USER); ms++)
        sleep_ms(1);
    show(f, NEXT, MMU_USER);
    for (; n < 20000 && filled == FLAT_WINDOW_FILLED; n++) {
        mmu_flush_page(&f->mmu, LIN);
        filled = touch(f, LIN, MMU_USER, true);
    }
    assert_int_equal(filled, FLAT_WINDOW_CLOSED);
    assert_in_range(n, 50, RUNS_MAX / 2); /* something may be spent at any rate */
    assert_int_equal(window_counters(window_of(f, MMU_USER))->closed, 1);
    assert_false(window_is_open(window_of(f, MMU_USER)));
    ASSERT_SHOWN(f, LIN, MMU_USER, WINDOW_NONE);
    ASSERT_SHOWN(f, NEXT, MMU_USER, WINDOW_NONE);
    assert_false(try_open(f, MMU_USER));
}

/* ---- at random ---- */

enum { OPERATIONS = 30000 };

/* A guest that does INVLPG after each change of an entry is shown nothing that its tables do not allow. */
static void no_window_shows_more_than_the_page_tables_and_the_watches_allow(void **state)
{
    struct fixture *f = *state;
    struct random_guest g = {.seed = 4711};
    unsigned long n_shown = 0;

    for (unsigned n = 0; n < OPERATIONS; n++) {
        if (random_step(f, &g)) {
            const lin_addr address = random_address(g.page);
            const bool is_write = (g.bits[g.page] & RW) && (g.what & 1);

            if (g.what == 4) {
                try_open(f, g.view);
            } else if (g.what < 12) {
                touch(f, address, g.view, is_write);
            } else {
                mmu_check_read(&f->mmu, address, 4, g.view);
                flat_fill(&f->mmu, address, g.what & 2 ? 4 : 1, is_write, g.view);
            }
        }
        for (unsigned k = 0; k < RANDOM_PAGES; k++)
            for (unsigned v = 0; v < MMU_VIEWS; v++) {
                const enum window_state s =
                    n % 64 ? window_state(window_of(f, v), random_address(k) >> 12) : shown(f, v, random_address(k));

                if (s == WINDOW_NONE)
                    continue;
                n_shown++;
                assert_true(g.bits[k] & P);
                assert_true(v == MMU_SUPERVISOR || (g.bits[k] & US));
                assert_true(s == WINDOW_READ || ((g.bits[k] & RW) && !phys_is_watched(f->phys, g.frame[k])));
                assert_int_equal(*in_window(f, v, random_address(k)), (g.frame[k] - FRAMES) >> 12);
            }
    }
    assert_true(n_shown > OPERATIONS);
}

#define WINDOW_TEST(name, setup) cmocka_unit_test_setup_teardown(name, setup, teardown_windows)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WINDOW_TEST(a_page_in_the_window_is_the_memory_itself, setup_always),
        WINDOW_TEST(a_page_is_shown_with_the_rights_that_it_has, setup_always),
        WINDOW_TEST(a_clean_page_is_shown_for_reading_until_it_is_written, setup_always),
        WINDOW_TEST(what_is_not_ram_is_refused, setup_always),
        WINDOW_TEST(memory_that_only_reads_as_ram_is_shown_for_reading, setup_closed),
        WINDOW_TEST(what_is_shown_already_cannot_have_faulted, setup_always),
        WINDOW_TEST(each_view_has_its_own_window, setup_always),
        WINDOW_TEST(the_last_page_is_followed_by_a_guard, setup_always),
        WINDOW_TEST(a_journal_sees_the_first_write_to_each_page, setup_closed),
        WINDOW_TEST(invlpg_takes_the_page_out_of_both_windows_and_no_other, setup_always),
        WINDOW_TEST(invlpg_of_one_piece_takes_out_the_whole_large_page, setup_always),
        WINDOW_TEST(a_flush_empties_and_closes, setup_always),
        WINDOW_TEST(a_cr3_load_empties_and_closes, setup_always),
        WINDOW_TEST(a_page_that_becomes_watched_can_only_be_read, setup_always),
        WINDOW_TEST(a_page_with_a_breakpoint_leaves_and_is_refused, setup_always),
        WINDOW_TEST(memory_that_is_mapped_anew_empties_and_closes, setup_always),
        WINDOW_TEST(a_translation_that_replaces_another_replaces_what_is_shown, setup_always),
        WINDOW_TEST(a_window_opens_with_what_the_tables_hold, setup_closed),
        WINDOW_TEST(neighbours_that_lie_together_in_memory_are_mapped_by_one_call, setup_closed),
        WINDOW_TEST(other_rights_and_gaps_begin_a_new_run, setup_closed),
        WINDOW_TEST(a_page_that_was_mapped_anew_before_is_taken_for_what_it_is_when_watched, setup_closed),
        WINDOW_TEST(a_right_to_write_is_not_given_to_another_page, setup_closed),
        WINDOW_TEST(a_full_list_loses_no_page, setup_always),
        WINDOW_TEST(a_window_of_too_many_pieces_begins_again, setup_always),
        WINDOW_TEST(without_windows_none_opens, setup_never),
        WINDOW_TEST(windows_for_all_open_at_once_and_again, setup_closed),
        WINDOW_TEST(a_window_is_earned_by_time_without_a_flush, setup_earned),
        WINDOW_TEST(an_idle_program_earns_none, setup_earned),
        WINDOW_TEST(an_address_space_earns_for_itself, setup_earned),
        WINDOW_TEST(what_was_earned_is_lost_while_nothing_runs, setup_earned),
        WINDOW_TEST(so_it_is_while_another_runs, setup_earned),
        WINDOW_TEST(nothing_is_lost_while_the_host_is_elsewhere, setup_earned),
        WINDOW_TEST(nothing_is_lost_while_the_window_is_open, setup_earned),
        WINDOW_TEST(the_clock_is_asked_once_a_tick, setup_earned),
        WINDOW_TEST(flushes_keep_a_window_from_being_earned, setup_earned),
        WINDOW_TEST(a_window_that_costs_too_much_closes, setup_earned),
        WINDOW_TEST(no_window_shows_more_than_the_page_tables_and_the_watches_allow, setup_always),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
