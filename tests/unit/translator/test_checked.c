/*
 * Checked stores: a page that holds translated code takes stores beside it without leaving translated code, which asks
 * a map of the page's code bytes (softmmu/flat.h). By every engine, against the interpreter: what is stored, what the
 * stored code does when it runs next, which translations die, and how often translated code is left.
 *
 * MORPH86_SEED sets where the random test begins.
 */
#include "tests/unit/translator/checked_fixture.h"

/* A program whose translation expects aligned stores into the page, which holds code. */
static uint32_t put_warm_program(struct pair *p, const struct form *f)
{
    const uint32_t program = put_program_both(p, f);

    run_function(p, KEPT, "kept");
    run_both(p, program, ASIDE, WARM, "aside");
    return program;
}

/* ---- in one page ---- */

static void stores_beside_code_stay_in_translated_code(void **state)
{
    struct pair *p = pair_create(*state);
    static const uint8_t places[] = {16, 32, 48, 17, 18, 19, 21, 30};
    const uint32_t code = PAGE + 0x400;

    put_function(p, code, 12);
    run_function(p, code, "function");
    for (unsigned f = 0; f < N_FORMS; f++)
        for (unsigned i = 0; i < sizeof places; i++) {
            const uint32_t program = CODE + (2 * f + (places[i] % 16 != 0)) * SLOT_BYTES, at = code + places[i];
            int64_t once, often;
            uint64_t kills;

            if (!fits(&forms[f], at))
                continue;
            if (i == 0) {
                BOTH(p, m)
                {
                    put_program(m, 2 * f, &forms[f], false);
                    put_program(m, 2 * f + 1, &forms[f], false);
                }
            }
            run_both(p, program, at, WARM, forms[f].text);
            kills = killed(p);
            once = run_and_count(p, program, at, 1, forms[f].text);
            often = run_and_count(p, program, at, WARM, forms[f].text);
            if (forms[f].may_stay && once >= 0 && often >= 0 && once != often)
                fail_msg("%s, %x: %d callouts and not %d", forms[f].text, at, (int)often, (int)once);
            assert_int_equal(killed(p), kills);
            run_function(p, code, forms[f].text);
        }
    pair_destroy(p);
}

static bool is_aligned(const struct form *f, uint32_t address)
{
    return !(f->width & (f->width - 1)) && address % f->width == 0;
}

/* At each address about a function of `n` bytes, which is reached through `shift` as well; by code that has met only
 * aligned addresses, or any. */
static void store_by(struct pair *p, unsigned slot, const struct form *f, bool aligned, uint32_t code, unsigned n,
                     uint32_t shift)
{
    const uint32_t width = f->width;
    uint32_t program = 0;

    BOTH(p, m)
    program = put_program(m, slot, f, false);
    run_function(p, KEPT, "kept");
    run_both(p, program, ASIDE + shift, WARM, f->text);
    if (!aligned && fits(f, 1))
        run_both(p, program, ASIDE + 1 + shift, WARM, f->text);
    for (uint32_t at = code - width - 1; at <= code + n + 1; at++) {
        const bool hits = at < code + n && code < at + width;
        int64_t aside, here;
        uint64_t kills;

        if (!fits(f, at) || (aligned && !is_aligned(f, at)))
            continue;
        put_filler(p, code - 32, code + 128);
        put_function(p, code, n);
        run_function(p, code, "function");
        run_both(p, program, ASIDE + at % 16 + shift, 1, f->text);
        aside = run_and_count(p, program, ASIDE + at % 16 + shift, 1, f->text);
        kills = killed(p);
        here = run_and_count(p, program, at + shift, 1, f->text);
        if (f->may_stay && aside >= 0 && here >= 0 && here != aside + hits)
            fail_msg("%s, %x beside %x: %d callouts and not %d", f->text, at, code, (int)here, (int)aside + hits);
        if (here >= 0 || !p->m[0]->cpu->translator)
            assert_int_equal(killed(p) != kills, hits);
        run_function(p, code, f->text);
        run_function(p, code + shift, f->text);
    }
}

static void store_about(struct pair *p, uint32_t code, unsigned n, uint32_t shift)
{
    for (unsigned f = 0; f < N_FORMS; f++) {
        store_by(p, 2 * f, &forms[f], true, code, n, shift);
        store_by(p, 2 * f + 1, &forms[f], false, code, n, shift);
    }
}

static void stores_about_the_borders_of_code_are_seen_if_they_hit_it(void **state)
{
    struct pair *p = pair_create(*state);

    store_about(p, PAGE + 0x400, 12, 0);
    store_about(p, PAGE + 0x4fb, 2, 0);
    store_about(p, PAGE + 0x57b, 12, 0);
    pair_destroy(p);
}

static void stores_through_a_second_address_of_the_page_are_seen(void **state)
{
    struct pair *p = pair_create(*state);

    page_both(p);
    store_about(p, PAGE + 0x403, 7, ALIAS - PAGE);
    p->cpl = 3;
    store_about(p, PAGE + 0x43e, 5, ALIAS - PAGE);
    pair_destroy(p);
}

/* Both addresses are checked when code is added or dies through either. */
static void both_addresses_of_a_page_see_its_code_change(void **state)
{
    struct pair *p = pair_create(*state);
    uint32_t program = 0;

    page_both(p);
    program = put_program_both(p, &forms[MOV_EAX]);
    run_function(p, KEPT, "kept");
    for (unsigned round = 0; round < 16; round++) {
        const uint32_t shift = round & 1 ? ALIAS - PAGE : 0, other = ALIAS - PAGE - shift, code = PAGE + 0x400;

        run_both(p, program, ASIDE, WARM, "at its own");
        run_both(p, program, ASIDE + ALIAS - PAGE, WARM, "at the other");
        put_function(p, code, 12);
        run_function(p, code + (round & 2 ? shift : other), "added");
        run_both(p, program, code + 4 + shift, 1, "hit");
        run_function(p, code + (round & 4 ? shift : other), "changed");
        run_both(p, program, code + 8 + other, 1, "hit by the other");
        run_function(p, code + shift, "changed again");
    }
    pair_destroy(p);
}

/* What is found of an unaligned store's page in the TLB may be another page's. */
static void pages_that_displace_each_other_in_the_tlb_are_told_apart(void **state)
{
    enum { AWAY = TLB_ENTRIES * PHYS_PAGE_SIZE, TABLE = 0x102000 };
    struct pair *p = pair_create(*state);
    const uint32_t code = PAGE + 0x400, far = PAGE + AWAY, directory = PAGE_DIRECTORY + (far >> 22) * 4;
    uint32_t program = 0, another = 0;

    page_both(p);
    BOTH(p, m)
    {
        put32(m, directory, TABLE | ALL_RIGHTS);
        put32(m, TABLE + (far >> 12) % 1024 * 4, NEXT | ALL_RIGHTS);
        program = put_program(m, 0, &forms[MOV_EAX], false);
    }
    for (unsigned i = 0; i < 16; i++) {
        put_function(p, code, 12);
        put_function(p, NEXT + 0x400, 12);
        flush_both(p);
        run_function(p, code, "here");
        run_function(p, far + 0x400, "far away");
        run_both(p, program, far + 0x300, WARM, "beside it");
        BOTH(p, m)
        another = put_program(m, 1 + i, &forms[MOV_EAX], false); /* expects to be aligned */
        run_both(p, another, ASIDE + 1, 1, "unaligned");
        run_both(p, program, ASIDE, 2, "aligned");
        run_both(p, program, code + 4, 1, "hit");
        run_function(p, code, "here");
        run_both(p, program, far + 0x404, 1, "hit far away");
        run_function(p, far + 0x400, "far away");
    }
    pair_destroy(p);
}

static void code_that_is_added_to_a_checked_page_is_seen(void **state)
{
    struct pair *p = pair_create(*state);
    const uint32_t program = put_warm_program(p, &forms[MOV_EAX]);

    for (uint32_t code = PAGE + 0x400; code < PAGE + 0xfc0; code += 37) {
        put_function(p, code, 9);
        run_both(p, program, code - 4, 1, "beside what is to be code");
        run_function(p, code, "added");
        run_both(p, program, code + 5, 1, "its end");
        run_function(p, code, "changed");
        run_both(p, program, code - 3, 1, "its start");
        run_function(p, code, "changed again");
    }
    pair_destroy(p);
}

/* A store beside the first byte of a dead block, within what it had, and over what follows. */
static void dead_code_is_stored_to_as_data(void **state)
{
    struct pair *p = pair_create(*state);
    const uint32_t program = put_warm_program(p, &forms[MOV_EAX]);

    for (unsigned n = 12; n < 56; n += 4)
        for (unsigned hit = 0; hit + 4 <= n; hit += 4) {
            const uint32_t code = PAGE + 0x408;
            int64_t aside;

            put_filler(p, code - 32, code + 128);
            put_function(p, code, n);
            run_function(p, code, "function");
            run_both(p, program, code + hit, 2, "hit");
            aside = run_and_count(p, program, ASIDE, 1, "aside");
            for (unsigned i = 0; i + 4 <= n; i += 4) {
                int64_t here = run_and_count(p, program, code + i, WARM, "dead");

                /* One block for each instruction: the others live on. */
                if (p->m[0]->cpu->translator && p->m[0]->cpu->translator->options.block_insns != 1 && aside >= 0 &&
                    here >= 0)
                    assert_int_equal(here, aside);
            }
            run_function(p, code, "changed");
            run_function(p, KEPT, "kept");
        }
    pair_destroy(p);
}

/* A block that dies since its access turned out to be unaligned, not by a store. */
static void code_that_is_to_be_translated_anew_is_stored_to_as_data(void **state)
{
    struct pair *p = pair_create(*state);
    const struct translator *t = p->m[0]->cpu->translator;
    uint32_t program = 0;
    unsigned died = 0;

    program = put_program_both(p, &forms[MOV_EAX]);
    run_function(p, KEPT, "kept");
    for (unsigned i = 0; i < 2 * WARM; i++)
        run_both(p, program, ASIDE + i % 2, 1, "aside");
    for (uint32_t code = PAGE + 0x400; code < PAGE + 0xf00; code += 52) {
        int64_t aside, here;

        put_function(p, code, 24);
        PUT_BOTH(p, code, 0xa1, LE32(VALUES + 1)); /* mov eax, [VALUES + 1] */
        run_function(p, code, "function");
        if (!is_jit(p) || block_exists(p->m[0]->cpu->translator, code))
            continue;
        died++;
        flush_both(p);
        run_both(p, program, ASIDE, WARM, "aside");
        aside = run_and_count(p, program, ASIDE, 1, "aside");
        here = run_and_count(p, program, code + 1, 1, "dead");
        if (aside >= 0 && here >= 0)
            assert_int_equal(here, aside);
        run_function(p, code, "changed");
    }
    assert_true(!is_jit(p) || t->options.windows == WINDOW_ALWAYS ||
                died > 10); /* a window is not asked for alignment */
    pair_destroy(p);
}

/* Two blocks of which one begins in the other's last byte; what hits that one alone leaves the other in the map. */
static void blocks_that_overlap_are_seen_one_without_the_other(void **state)
{
    struct pair *p = pair_create(*state);
    const uint32_t program = put_warm_program(p, &forms[MOV_AL]);

    for (uint32_t first = PAGE + 0x400; first < PAGE + 0x480; first += 7) {
        const uint32_t second = first + 0x11, target = second + 1 + 0x40;
        uint64_t kills[2];

        put_function(p, second, 30);
        put_function(p, target, 0x20);
        put_function(p, first, 0x12);
        PUT_BOTH(p, second - 1, 0xeb, 0x47); /* jmp behind + 47h; also inc edi */
        run_function(p, first, "first");
        run_function(p, second, "second");
        run_both(p, program, second + 20, 1, "second");
        run_function(p, first, "first lives");
        kills[0] = killed(p);
        kills[1] = p->m[1]->cpu->code->killed;
        run_both(p, program, second, 1, "first");
        assert_true(killed(p) > kills[0]);
        assert_true(p->m[1]->cpu->code->killed > kills[1]);
        run_function(p, first, "first changed");
    }
    pair_destroy(p);
}

static bool is_code(struct machine *m, uint32_t address)
{
    struct code_bytes map = {0};

    code_page_add_bytes(m->cpu, address & ~0xfffu, &map);
    return map.line[address % PHYS_PAGE_SIZE / CODE_LINE_BYTES] >> address % CODE_LINE_BYTES & 1;
}

/* What the interpreter says of a page. */
static void the_interpreter_names_the_bytes_of_living_blocks(void **state)
{
    struct pair *p = pair_create(*state);
    struct machine *m = p->m[1];
    enum { LENGTH = 30, DISTANCE = 84 };

    for (uint32_t code = PAGE + 0x400; code < NEXT - DISTANCE; code += DISTANCE) {
        put_function(p, code, LENGTH);
        run_function(p, code, "function");
    }
    for (uint32_t code = PAGE + 0x400; code < NEXT - DISTANCE; code += DISTANCE)
        for (uint32_t i = 0; i < DISTANCE; i++)
            assert_int_equal(is_code(m, code + i), i < LENGTH);
    for (uint32_t code = PAGE + 0x400; code < NEXT - 2 * DISTANCE; code += 2 * DISTANCE)
        put_filler(p, code + code % LENGTH, code + code % LENGTH + 1);
    for (uint32_t code = PAGE + 0x400; code < NEXT - 2 * DISTANCE; code += 2 * DISTANCE)
        for (uint32_t i = 0; i < 2 * DISTANCE; i++)
            assert_int_equal(is_code(m, code + i), i >= DISTANCE && i < DISTANCE + LENGTH);
    pair_destroy(p);
}

/* Each a device's, of one byte to a page. */
static void writes_of_devices_to_checked_code_are_seen(void **state)
{
    static const uint8_t bytes[64] = {0x45, 0x41, 0x42, 0x43, 0x46, HALT, 0x47};
    struct pair *p = pair_create(*state);
    const uint32_t code = PAGE + 0x43a;
    const uint32_t program = put_program_both(p, &forms[MOV_EAX]);

    for (uint32_t n = 1; n < 40; n++)
        for (uint32_t at = code - n; at <= code + 12; at += 5) {
            put_filler(p, code - 64, code + 192);
            put_function(p, code, 12);
            run_function(p, code, "function");
            run_function(p, KEPT, "kept");
            run_both(p, program, ASIDE, 2, "aside");
            if (at + n > code) {
                put_both(p, at, bytes, n < 7 ? n : 7);
                put_filler(p, at + 7, at + n);
            }
            run_function(p, code, "written by a device");
            run_both(p, program, code + 4, 1, "written by the guest");
            run_function(p, code, "written by the guest");
        }
    pair_destroy(p);
}

/* The page ends to be watched, and begins to be again, while it is in the tables. */
static void a_page_that_lost_all_its_code_is_stored_to_and_gets_new_code(void **state)
{
    struct pair *p = pair_create(*state);
    const uint32_t program = put_program_both(p, &forms[MOV_EAX]);

    put_filler(p, PAGE, NEXT);
    for (uint32_t i = 0; i < 20; i++) {
        const uint32_t code = PAGE + 0x400 + 12 * i;

        put_function(p, code, 12);
        run_function(p, code, "function");
        run_both(p, program, ASIDE, WARM, "aside");
        run_both(p, program, code, 1, "hit");
        assert_int_equal(phys_is_watched(p->m[1]->phys, PAGE), false);
        run_both(p, program, ASIDE, WARM, "without code");
        run_both(p, program, code + 4, 1, "where it was");
        run_function(p, code, "changed");
        run_both(p, program, code + 8, 1, "hit again");
        run_function(p, code, "changed again");
        put_filler(p, PAGE, NEXT);
    }
    pair_destroy(p);
}

/* ---- code that the interpreter has ---- */

enum { THRESHOLD = 6 };

static int setup_threshold(void **state)
{
    static const struct translator_options options = {
        .accel = ACCEL_JIT, .threshold = THRESHOLD, .killed_threshold = 1000};

    alarm(TEST_SECONDS);
    if (machine_create(state) != 0)
        return -1;
    enter_protected(*state, 0);
    return attach(*state, &options);
}

/* With a function that is interpreted, built before the page is checked or after it, beside one that is translated or
 * that was. */
static void code_that_is_interpreted_in_a_checked_page_is_seen(void **state)
{
    struct pair *p = pair_create(*state);
    const uint32_t program = put_program_both(p, &forms[MOV_EAX]);

    for (unsigned i = 0; i < THRESHOLD + 2; i++)
        run_both(p, program, ASIDE + i % 2, WARM, "aside");
    for (unsigned round = 0; round < 32; round++) {
        const bool before = round & 1, loses_translation = round & 2;
        const uint32_t code = PAGE + 0x400 + 24 * round, kept = PAGE + 0x800 + 24 * round;

        put_function(p, code, 12);
        put_function(p, kept, 12);
        for (unsigned i = 0; i < THRESHOLD + 2; i++)
            run_function(p, kept, "kept");
        assert_true(block_exists(p->m[0]->cpu->translator, kept));
        if (before)
            run_function(p, code, "built before");
        run_both(p, program, ASIDE, WARM, "aside");
        if (!before)
            run_function(p, code, "built after");
        if (loses_translation)
            run_both(p, program, kept + 4, 1, "kept no longer");
        run_both(p, program, ASIDE, WARM, "checked");
        assert_in_range(run_and_count(p, program, code - 4, WARM, "before it"), 0, WARM / 10);
        assert_in_range(run_and_count(p, program, code + 12, WARM, "behind it"), 0, WARM / 10);
        run_both(p, program, code + 8, 1, "its end");
        run_function(p, code, "changed");
        run_both(p, program, code, 1, "its start");
        run_function(p, code, "changed again");
        run_both(p, program, code + 3, 1, "its middle");
        run_function(p, code, "changed a third time");
        assert_false(block_exists(p->m[0]->cpu->translator, code));
    }
    pair_destroy(p);
}

/* ---- flushes of the cache of translations ---- */

static void flush_translations(struct pair *p)
{
    if (p->m[0]->cpu->translator)
        block_flush_all(p->m[0]->cpu->translator);
}

/* Whatever takes the memory of the page's map next. */
static void fill_with_translations(struct pair *p, uint32_t first, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        put_function(p, first + 40 * i, 3 + i % 20);
        run_function(p, first + 40 * i, "filler");
    }
}

static void flushes_of_translations_leave_no_map_behind(void **state)
{
    struct pair *p = pair_create(*state);
    const uint32_t program = put_program_both(p, &forms[MOV_EAX]);

    for (unsigned round = 0; round < 24; round++) {
        const uint32_t code = PAGE + 0x400 + 40 * round;

        put_function(p, code, 12);
        run_function(p, code, "function");
        run_function(p, KEPT, "kept");
        run_both(p, program, ASIDE, WARM, "aside");
        flush_translations(p);
        fill_with_translations(p, DATA + 0x5000, round);
        run_both(p, program, code + 4, 1, "hit after a flush");
        run_function(p, code, "changed");
        run_both(p, program, ASIDE, WARM, "aside");
        flush_translations(p);
        run_function(p, code, "unchanged");
        run_both(p, program, code + 8, 1, "hit");
        run_function(p, code, "changed again");
    }
    pair_destroy(p);
}

static void a_cache_that_overflows_leaves_no_map_behind(void **state)
{
    struct pair *p = pair_create(*state);
    const struct translator *t = p->m[0]->cpu->translator;
    const bool is_tiny = is_jit(p) && t->options.cache_bytes == variants[JIT_TINY].options.cache_bytes;
    const uint32_t program = put_program_both(p, &forms[MOV_EAX]);

    for (unsigned round = 0; round < (is_tiny ? 300 : 3); round++) {
        const uint32_t code = PAGE + 0x400 + 40 * (round % 64);

        put_function(p, code, 12);
        run_function(p, code, "function");
        run_function(p, KEPT, "kept");
        run_both(p, program, ASIDE, WARM, "aside");
        fill_with_translations(p, DATA + 0x5000, 20);
        run_both(p, program, code + 4, 1, "hit");
        run_function(p, code, "changed");
    }
    assert_true(!is_tiny || t->count.flushes > 2);
    pair_destroy(p);
}

/* Code of the interpreter that stays while all translations go. */
static void flushes_leave_no_map_of_a_page_that_the_interpreter_has(void **state)
{
    enum { FILLERS = 60 };
    struct pair *p = pair_create(*state);
    const uint32_t filler = DATA + 0x5000;
    const uint32_t program = put_program_both(p, &forms[MOV_EAX]);

    for (unsigned i = 0; i < THRESHOLD + 2; i++) {
        run_both(p, program, ASIDE + i % 2, WARM, "aside");
        run_function(p, KEPT, "kept");
    }
    for (unsigned i = 0; i < THRESHOLD + 2; i++)
        for (uint32_t n = 0; n < FILLERS; n++) {
            if (i == 0)
                put_function(p, filler + 40 * n, 5 + n % 20);
            run_function(p, filler + 40 * n, "filler");
        }
    for (unsigned round = 0; round < 24; round++) {
        const uint32_t code = PAGE + 0x400 + 0x60 * round;

        put_function(p, code, 30);
        run_function(p, code, "function");
        run_function(p, KEPT, "kept");
        run_both(p, program, ASIDE, WARM, "aside");
        flush_translations(p);
        for (uint32_t n = round & 1 ? 0 : FILLERS - 12; n < FILLERS; n++) /* where the map was another time */
            run_function(p, filler + 40 * n, "filler");
        for (uint32_t at = code; at < code + 30; at += 8) {
            run_both(p, program, at, 1, "hit after a flush");
            run_function(p, code, "changed");
        }
        assert_false(block_exists(p->m[0]->cpu->translator, code));
    }
    pair_destroy(p);
}

/* No translation is left that could be hit, but what the interpreter has. */
static void interpreted_code_that_died_is_stored_to_as_data(void **state)
{
    struct pair *p = pair_create(*state);
    const uint32_t code = PAGE + 0x400, other = PAGE + 0x500;
    const uint32_t program = put_program_both(p, &forms[MOV_EAX]);

    for (unsigned i = 0; i < THRESHOLD + 2; i++) {
        run_both(p, program, ASIDE + i % 2, WARM, "aside");
        run_function(p, KEPT, "kept");
    }
    assert_true(block_exists(p->m[0]->cpu->translator, KEPT));
    run_both(p, program, KEPT, 1, "kept no longer");
    put_function(p, code, 40);
    put_function(p, other, 40);
    run_function(p, code, "function");
    run_function(p, other, "function");
    run_both(p, program, ASIDE, WARM, "aside");
    assert_in_range(run_and_count(p, program, code + 4, WARM, "hit"), 0, WARM / 10);
    assert_false(block_page_has_code(p->m[0]->cpu->translator, PAGE));
    assert_true(code_page_has_blocks(p->m[0]->cpu, PAGE));
    for (uint32_t i = 0; i < 40; i += 4)
        assert_in_range(run_and_count(p, program, code + i, WARM, "dead"), 0, WARM / 10);
    run_both(p, program, other + 4, 1, "the other");
    run_function(p, code, "changed");
    run_function(p, other, "changed");
    pair_destroy(p);
}

/* ---- everything at random ---- */

enum { STEPS = 2500, FUNCTIONS = 24 };

static uint32_t next_random(uint32_t *random, uint32_t below)
{
    *random = *random * 1664525 + 1013904223;
    return (*random >> 8) % below;
}

/* After additions something may stand there that should not run. */
static void tame(struct pair *p, uint32_t first, uint32_t end)
{
    for (; first < end; first++) {
        const uint8_t byte = get8(p->m[1], first);

        if ((byte & 0xf0) != 0x40 && byte != NOP && byte != NOP + 1 && byte != HALT && byte != HALT + 1)
            PUT_BOTH(p, first, first % 64 == 63 ? HALT : NOP);
    }
}

static void random_step(struct pair *p, uint32_t *random, uint32_t *function, const uint32_t *program)
{
    const unsigned i = next_random(random, FUNCTIONS), f = next_random(random, N_FORMS);
    uint32_t at = function[i] + next_random(random, 64) - 24, shift = 0;

    p->cpl = next_random(random, 2) ? 3 : 0;
    if (at < PREVIOUS + 0x20 || at > NEXT + 0xfc0)
        at = ASIDE;
    switch (next_random(random, 12)) {
    case 0:
        function[i] = PREVIOUS + 0x100 + next_random(random, 0x2e00);
        put_function(p, function[i], 2 + next_random(random, 40));
        break;
    case 1:
        put_filler(p, at, at + 1 + next_random(random, 20));
        break;
    case 2:
        if (next_random(random, 8) == 0)
            flush_both(p);
        if (next_random(random, 16) == 0)
            flush_translations(p);
        break;
    case 3:
    case 4:
    case 5:
    case 6:
        if (at >= PAGE && at < NEXT && next_random(random, 4) == 0)
            shift = ALIAS - PAGE;
        run_function(p, function[i], "function");
        break;
    default:
        for (unsigned n = 0; n < 16; n++)
            p->values[n] = n == 7 ? NOP : n == 15 ? 0x41 : (uint8_t)(0x40 + next_random(random, 16));
        if (next_random(random, 4) == 0)
            p->values[next_random(random, 7)] = HALT;
        if (at >= PAGE && at < NEXT - 16 && next_random(random, 4) == 0)
            shift = ALIAS - PAGE;
        if (!fits(&forms[f], at))
            at &= ~15u;
        run_both(p, program[f], at + shift, 1 + (next_random(random, 8) == 0), forms[f].text);
        tame(p, at, at + 16);
    }
}

static void random_code_and_stores_run_as_they_do_interpreted(void **state)
{
    struct pair *p = pair_create(*state);
    const char *seed = getenv("MORPH86_SEED");
    uint32_t random = seed ? (uint32_t)strtoul(seed, NULL, 0) : 20031, function[FUNCTIONS], program[N_FORMS];

    page_both(p);
    for (unsigned f = 0; f < N_FORMS; f++)
        BOTH(p, m)
    program[f] = put_program(m, f, &forms[f], false);
    for (unsigned i = 0; i < FUNCTIONS; i++) {
        function[i] = PAGE + 0x80 + 80 * i;
        put_function(p, function[i], 12);
    }
    for (unsigned step = 0; step < STEPS; step++)
        random_step(p, &random, function, program);
    for (unsigned i = 0; i < FUNCTIONS; i++)
        run_function(p, function[i], "at the end");
    pair_destroy(p);
}

int main(void)
{
    static const struct engine_test tests[] = {
        TEST(stores_beside_code_stay_in_translated_code),
        TEST(stores_about_the_borders_of_code_are_seen_if_they_hit_it),
        TEST(stores_through_a_second_address_of_the_page_are_seen),
        TEST(both_addresses_of_a_page_see_its_code_change),
        TEST(pages_that_displace_each_other_in_the_tlb_are_told_apart),
        TEST(code_that_is_added_to_a_checked_page_is_seen),
        TEST(dead_code_is_stored_to_as_data),
        TEST(code_that_is_to_be_translated_anew_is_stored_to_as_data),
        TEST(blocks_that_overlap_are_seen_one_without_the_other),
        TEST(the_interpreter_names_the_bytes_of_living_blocks),
        TEST(writes_of_devices_to_checked_code_are_seen),
        TEST(a_page_that_lost_all_its_code_is_stored_to_and_gets_new_code),
        TEST(flushes_of_translations_leave_no_map_behind),
        TEST(a_cache_that_overflows_leaves_no_map_behind),
        TEST(random_code_and_stores_run_as_they_do_interpreted),
    };
    const struct CMUnitTest of_threshold[] = {
        cmocka_unit_test_setup_teardown(code_that_is_interpreted_in_a_checked_page_is_seen, setup_threshold,
                                        teardown_engine),
        cmocka_unit_test_setup_teardown(flushes_leave_no_map_of_a_page_that_the_interpreter_has, setup_threshold,
                                        teardown_engine),
        cmocka_unit_test_setup_teardown(interpreted_code_that_died_is_stored_to_as_data, setup_threshold,
                                        teardown_engine),
        cmocka_unit_test_setup_teardown(random_code_and_stores_run_as_they_do_interpreted, setup_threshold,
                                        teardown_engine),
    };
    int failed = 0;

    if (!translator_missing_feature())
        failed += cmocka_run_group_tests_name("checked beside interpreted code", of_threshold, NULL, NULL);
    return failed + run_by_each_engine("checked", tests, sizeof tests / sizeof tests[0]);
}
