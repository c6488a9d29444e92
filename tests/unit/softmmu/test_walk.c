/*
 * softmmu/walk against an independent statement of the rules: SDM vol. 3 "Paging", restated below as one predicate per
 * sentence. The matrix runs every combination of entry bits, mode, view and kind of access.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "softmmu/walk.h"

#define MIB    ((uint64_t)1 << 20)
#define BIT(n) ((uint64_t)1 << (n))

enum { P = 1 << 0, RW = 1 << 1, US = 1 << 2, A = 1 << 5, D = 1 << 6, PS = 1 << 7, G = 1 << 8 };
#define XD BIT(63)

/* Where the tables lie, and one linear address whose indices are all different from 0. */
enum { DIRECTORY = 0x10000, TABLE = 0x11000, FRAME = 0x155000 };
#define LINEAR ((lin_addr)0x40c03abc)

struct fixture {
    struct phys *phys;
    struct mmu_paging paging;
};

static int setup(void **state)
{
    static struct fixture fixture;
    fixture = (struct fixture){.phys = phys_create(8 * MIB)};
    if (!fixture.phys)
        return -1;
    phys_map_ram(fixture.phys, 0, 8 * MIB, 0);
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    phys_destroy(((struct fixture *)*state)->phys);
    return 0;
}

static void set_mode(struct fixture *f, bool pae, bool pse, bool nxe, bool wp)
{
    f->paging = (struct mmu_paging){.paging = true, .pae = pae, .pse = pse, .nxe = nxe, .wp = wp, .pge = true};
    if (pae)
        f->paging.pdpte[LINEAR >> 30] = DIRECTORY | P;
    else
        f->paging.cr3 = DIRECTORY;
}

static phys_addr pde_address(const struct fixture *f)
{
    return DIRECTORY + (f->paging.pae ? (LINEAR >> 21 & 511) * 8 : (LINEAR >> 22) * 4);
}

static phys_addr pte_address(const struct fixture *f)
{
    return TABLE + (f->paging.pae ? (LINEAR >> 12 & 511) * 8 : (LINEAR >> 12 & 1023) * 4);
}

static unsigned entry_width(const struct fixture *f)
{
    return f->paging.pae ? 8 : 4;
}

static uint64_t get(const struct fixture *f, phys_addr address)
{
    uint64_t value = 0;
    memcpy(&value, phys_ram_host(f->phys, address), entry_width(f));
    return value;
}

static void put(const struct fixture *f, phys_addr address, uint64_t value)
{
    memcpy(phys_ram_host(f->phys, address), &value, entry_width(f));
}

/* ---- the rules, restated ---- */

struct expectation {
    bool ok;
    uint32_t error_code;
    uint64_t pde, pte; /* afterwards */
    bool writable, executable, dirty, large, global;
};

/* "Reserved bits": tables of the formats of the entries, with M = 36. */
static bool pde_has_reserved(const struct mmu_paging *p, uint64_t pde)
{
    if (!p->pae)
        return p->pse && (pde & PS) && (pde & (BIT(17) | BIT(18) | BIT(19) | BIT(20) | BIT(21)));
    if ((pde & XD) && !p->nxe)
        return true;
    for (unsigned bit = 36; bit <= 62; bit++) {
        if (pde & BIT(bit))
            return true;
    }
    for (unsigned bit = 13; bit <= 20; bit++) {
        if ((pde & PS) && (pde & BIT(bit)))
            return true;
    }
    return false;
}

static bool pte_has_reserved(const struct mmu_paging *p, uint64_t pte)
{
    if (!p->pae)
        return false;
    return ((pte & XD) && !p->nxe) || (pte << 1 >> 37) != 0;
}

static struct expectation expect(const struct mmu_paging *p, uint64_t pde, uint64_t pte, enum walk_access access,
                                 bool user_mode)
{
    struct expectation e = {.pde = pde, .pte = pte};
    bool is_fetch = access == WALK_FETCH, is_write = access == WALK_WRITE;
    if (is_write)
        e.error_code |= 2; /* "The access causing the fault was a write" */
    if (user_mode)
        e.error_code |= 4;
    if (is_fetch && p->pae && p->nxe)
        e.error_code |= 16; /* I/D flag: only with CR4.PAE = 1 and IA32_EFER.NXE = 1 */

    e.large = (pde & PS) && (p->pae || p->pse);
    if (!(pde & P))
        return e; /* "There is no translation ... P flag was 0" */
    if (pde_has_reserved(p, pde)) {
        e.error_code |= 8 | 1; /* "bit 3 can be set only if bit 0 is also set" */
        return e;
    }
    if (!e.large) {
        e.pde |= A; /* used for the translation of the address */
        if (!(pte & P))
            return e;
        if (pte_has_reserved(p, pte)) {
            e.error_code |= 8 | 1;
            return e;
        }
    }
    /* "Access rights": a right holds if it holds in every entry. */
    bool user_address = (pde & US) && (e.large || (pte & US));
    bool read_write = (pde & RW) && (e.large || (pte & RW));
    bool no_execute = p->pae && p->nxe && ((pde & XD) || (!e.large && (pte & XD)));
    bool allowed;
    if (!user_mode) {
        /* "Data may be read (implicitly or explicitly) from any supervisor-mode (and, without SMAP, user-mode) address"
         */
        e.writable = p->wp ? read_write : true;
        allowed = is_write ? e.writable : is_fetch ? !no_execute : true;
    } else {
        e.writable = read_write;
        allowed = user_address && (is_write ? read_write : is_fetch ? !no_execute : true);
    }
    if (!allowed) {
        e.error_code |= 1;
        return e;
    }
    e.ok = true;
    e.executable = !no_execute;
    uint64_t *leaf = e.large ? &e.pde : &e.pte;
    *leaf |= A;
    if (is_write)
        *leaf |= D;
    e.dirty = *leaf & D;
    e.global = *leaf & G;
    return e;
}

static void run_one(struct fixture *f, uint64_t pde, uint64_t pte)
{
    for (enum walk_access access = WALK_READ; access <= WALK_FETCH; access++) {
        for (enum mmu_view view = MMU_SUPERVISOR; view <= MMU_USER; view++) {
            put(f, pde_address(f), pde);
            put(f, pte_address(f), pte);
            const struct expectation e = expect(&f->paging, pde, pte, access, view == MMU_USER);

            phys_addr peeked = 0;
            bool peek_ok = walk_peek(f->phys, &f->paging, LINEAR, &peeked);
            if (get(f, pde_address(f)) != pde || get(f, pte_address(f)) != pte)
                fail_msg("peek changed an entry");

            struct walk walk;
            bool ok = walk_page(f->phys, &f->paging, LINEAR, access, view, &walk);
            bool same = ok == e.ok && get(f, pde_address(f)) == e.pde && get(f, pte_address(f)) == e.pte;
            if (ok)
                same = same && walk.is_writable == e.writable && walk.is_executable == e.executable &&
                       walk.is_dirty == e.dirty && walk.is_large == e.large && walk.is_global == e.global && peek_ok &&
                       peeked == (walk.page | (LINEAR & 0xfff));
            else
                same =
                    same && walk.error_code == e.error_code && peek_ok == ((e.error_code & 1) && !(e.error_code & 8));
            if (!same)
                fail_msg("pae %d pse %d nxe %d wp %d access %d view %d pde %llx pte %llx: ok %d/%d error %x/%x, "
                         "pde now %llx/%llx, pte now %llx/%llx",
                         f->paging.pae, f->paging.pse, f->paging.nxe, f->paging.wp, access, view,
                         (unsigned long long)pde, (unsigned long long)pte, ok, e.ok, walk.error_code, e.error_code,
                         (unsigned long long)get(f, pde_address(f)), (unsigned long long)e.pde,
                         (unsigned long long)get(f, pte_address(f)), (unsigned long long)e.pte);
        }
    }
}

/* Spreads the bits of `index` over `bits`, least significant first. */
static uint64_t pick(uint64_t index, const uint64_t *bits, unsigned n)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < n; i++)
        value |= index >> i & 1 ? bits[i] : 0;
    return value;
}

static void matrix(struct fixture *f, bool pae, bool pse, bool nxe)
{
    /* With PS set, TABLE's address bits would be reserved or address bits: the large page lies at 4 MiB. */
    static const uint64_t pde_bits[] = {P, RW, US, A, D, PS, G, XD};
    static const uint64_t pte_bits[] = {P, RW, US, A, D, PS, G, XD};
    const unsigned n = pae ? 8 : 7;
    for (unsigned wp = 0; wp < 2; wp++) {
        set_mode(f, pae, pse, nxe, wp);
        for (unsigned i = 0; i < 1u << n; i++) {
            uint64_t pde = pick(i, pde_bits, n);
            pde |= (pde & PS) && (pae || pse) ? 4 * MIB : TABLE;
            for (unsigned j = 0; j < 1u << n; j++)
                run_one(f, pde, FRAME | pick(j, pte_bits, n));
        }
    }
}

static void matrix_of_32_bit_paging_without_pse(void **state)
{
    matrix(*state, false, false, false);
}

static void matrix_of_32_bit_paging_with_pse(void **state)
{
    matrix(*state, false, true, false);
    matrix(*state, false, true, true); /* NXE means nothing here */
}

static void matrix_of_pae_paging_without_nxe(void **state)
{
    matrix(*state, true, false, false);
    matrix(*state, true, true, false); /* PSE means nothing here */
}

static void matrix_of_pae_paging_with_nxe(void **state)
{
    matrix(*state, true, false, true);
}

static void each_single_bit_is_reserved_or_not_as_the_tables_say(void **state)
{
    struct fixture *f = *state;
    for (unsigned mode = 0; mode < 8; mode++) {
        const bool pae = mode & 1, pse = mode & 2, nxe = mode & 4;
        set_mode(f, pae, pse, nxe, true);
        for (unsigned bit = 9; bit < (pae ? 64u : 32u); bit++) {
            const uint64_t rights = P | RW | US;
            const bool is_address = bit >= 12 && bit < 36;
            if (pae || pse)
                run_one(f, BIT(bit) | rights | PS | 4 * MIB, FRAME | rights);
            run_one(f, TABLE | rights, BIT(bit) | rights | FRAME);
            if (!is_address) /* else the table would lie elsewhere */
                run_one(f, BIT(bit) | TABLE | rights, FRAME | rights);
        }
    }
}

static struct walk must_walk(const struct fixture *f, lin_addr address, enum walk_access access, enum mmu_view view)
{
    struct walk walk = {0};
    assert_true(walk_page(f->phys, &f->paging, address, access, view, &walk));
    return walk;
}

static void without_paging_linear_is_physical_through_the_gate(void **state)
{
    struct fixture *f = *state;
    struct walk walk = must_walk(f, 0xfff12345, WALK_WRITE, MMU_USER);
    assert_true(walk.page == 0xfff12000);
    assert_true(walk.is_writable && walk.is_dirty && walk.is_executable);
    assert_false(walk.is_global || walk.is_large);
    phys_set_a20(f->phys, false);
    assert_true(must_walk(f, 0xfff12345, WALK_READ, MMU_SUPERVISOR).page == 0xffe12000);
    phys_addr out;
    assert_true(walk_peek(f->phys, &f->paging, 0xfff12345, &out));
    assert_true(out == 0xffe12345);
}

static void pages_are_where_the_entries_say(void **state)
{
    struct fixture *f = *state;
    set_mode(f, false, true, false, true);
    put(f, pde_address(f), TABLE | P);
    put(f, pte_address(f), 0xfedcb000 | P);
    assert_true(must_walk(f, LINEAR, WALK_READ, MMU_SUPERVISOR).page == 0xfedcb000);
    put(f, pde_address(f), 0x12400000 | PS | P | BIT(13) | BIT(16)); /* PSE-36: bits 16:13 are address bits 35:32 */
    assert_true(must_walk(f, LINEAR, WALK_READ, MMU_SUPERVISOR).page == 0x912400000 + (LINEAR & 0x3ff000));
    put(f, pde_address(f), 0x12400000 | PS | P | BIT(12)); /* PAT */
    assert_true(must_walk(f, LINEAR, WALK_READ, MMU_SUPERVISOR).page == 0x12400000 + (LINEAR & 0x3ff000));

    set_mode(f, true, false, false, true);
    put(f, pde_address(f), TABLE | P);
    put(f, pte_address(f), 0xcfedcb000 | P);
    assert_true(must_walk(f, LINEAR, WALK_READ, MMU_SUPERVISOR).page == 0xcfedcb000);
    put(f, pde_address(f), 0xc12600000 | PS | P | BIT(12));
    assert_true(must_walk(f, LINEAR, WALK_READ, MMU_SUPERVISOR).page == 0xc12600000 + (LINEAR & 0x1ff000));
}

static void low_bits_of_cr3_and_pdptes_are_no_address(void **state)
{
    struct fixture *f = *state;
    set_mode(f, false, true, false, true);
    f->paging.cr3 |= 0xfff; /* PWT, PCD and ignored bits */
    put(f, pde_address(f), TABLE | P | 0xe18);
    put(f, pte_address(f), FRAME | P | 0xe98);
    assert_true(must_walk(f, LINEAR, WALK_READ, MMU_SUPERVISOR).page == FRAME);
    set_mode(f, true, true, false, true);
    f->paging.pdpte[1] |= 0xe18;
    put(f, pde_address(f), TABLE | P | 0xe18);
    put(f, pte_address(f), FRAME | P | 0xe98);
    assert_true(must_walk(f, LINEAR, WALK_READ, MMU_SUPERVISOR).page == FRAME);
}

static void a_pdpte_that_is_absent_faults_as_not_present(void **state)
{
    struct fixture *f = *state;
    set_mode(f, true, true, true, true);
    put(f, pde_address(f), TABLE | P | US); /* what follows would allow it */
    put(f, pte_address(f), FRAME | P | US);
    must_walk(f, LINEAR, WALK_FETCH, MMU_USER);
    f->paging.pdpte[1] = DIRECTORY;
    f->paging.pdpte[0] = DIRECTORY | P;
    struct walk walk;
    assert_false(walk_page(f->phys, &f->paging, LINEAR, WALK_FETCH, MMU_USER, &walk));
    assert_int_equal(walk.error_code, PF_USER | PF_FETCH);
    phys_addr out;
    assert_false(walk_peek(f->phys, &f->paging, LINEAR, &out));
}

static void pdpte_reserved_bits_are_those_of_the_table(void **state)
{
    for (unsigned bit = 1; bit < 64; bit++) {
        bool reserved = bit == 1 || bit == 2 || (bit >= 5 && bit <= 8) || bit >= 36;
        assert_int_equal(walk_pdpte_is_bad(BIT(bit) | P), reserved);
        assert_false(walk_pdpte_is_bad(BIT(bit))); /* not present: nothing is reserved */
    }
}

static void global_needs_pge(void **state)
{
    struct fixture *f = *state;
    set_mode(f, false, true, false, true);
    put(f, pde_address(f), TABLE | P | G);
    put(f, pte_address(f), FRAME | P);
    assert_false(must_walk(f, LINEAR, WALK_READ, MMU_SUPERVISOR).is_global); /* G of a directory entry is ignored */
    put(f, pte_address(f), FRAME | P | G);
    assert_true(must_walk(f, LINEAR, WALK_READ, MMU_SUPERVISOR).is_global);
    f->paging.pge = false;
    assert_false(must_walk(f, LINEAR, WALK_READ, MMU_SUPERVISOR).is_global);
}

static void a20_gates_tables_and_pages(void **state)
{
    struct fixture *f = *state;
    set_mode(f, false, true, false, false);
    put(f, pde_address(f), (TABLE + MIB) | P);
    put(f, pte_address(f), 0x7ab000 | P);
    f->paging.cr3 += MIB;
    phys_set_a20(f->phys, false);
    assert_true(must_walk(f, LINEAR, WALK_WRITE, MMU_SUPERVISOR).page == 0x6ab000);
    assert_true(get(f, pte_address(f)) & D);
    phys_addr out;
    assert_true(walk_peek(f->phys, &f->paging, LINEAR, &out));
    assert_true(out == 0x6ababc);
}

static void tables_in_rom_translate_and_stay_as_they_are(void **state)
{
    struct fixture *f = *state;
    set_mode(f, true, true, true, true);
    put(f, pde_address(f), TABLE | P | RW);
    put(f, pte_address(f), FRAME | P | RW);
    phys_map_ram_readonly(f->phys, DIRECTORY, 0x1000, DIRECTORY);
    phys_map_rom(f->phys, TABLE, 0x1000, phys_ram_host(f->phys, TABLE));
    assert_true(must_walk(f, LINEAR, WALK_WRITE, MMU_SUPERVISOR).page == FRAME);
    assert_true(get(f, pde_address(f)) == (TABLE | P | RW));
    assert_true(get(f, pte_address(f)) == (FRAME | P | RW));
}

/* A table behind a device that is nothing but memory. */
struct mmio_table {
    uint8_t bytes[0x1000];
    unsigned reads, writes;
};

static uint32_t table_read(void *self, uint32_t offset, unsigned width)
{
    struct mmio_table *table = self;
    uint32_t value = 0;
    memcpy(&value, table->bytes + offset, width);
    table->reads++;
    return value;
}

static void table_write(void *self, uint32_t offset, uint32_t value, unsigned width)
{
    struct mmio_table *table = self;
    memcpy(table->bytes + offset, &value, width);
    table->writes++;
}

static void tables_in_mmio_are_read_and_updated_through_the_device(void **state)
{
    static const struct bus_ops ops = {.name = "table", .read = table_read, .write = table_write, .max_width = 4};
    struct fixture *f = *state;
    struct mmio_table table = {0};
    set_mode(f, true, true, true, true);
    put(f, pde_address(f), TABLE | P | RW);
    uint64_t pte = FRAME | P | RW | XD;
    memcpy(table.bytes + (pte_address(f) - TABLE), &pte, sizeof pte);
    phys_map_mmio(f->phys, TABLE, 0x1000, &ops, &table);
    phys_addr out;
    walk_peek(f->phys, &f->paging, LINEAR, &out);
    assert_int_equal(table.reads, 0); /* the monitor touches no device */
    assert_true(must_walk(f, LINEAR, WALK_WRITE, MMU_SUPERVISOR).page == FRAME);
    memcpy(&pte, table.bytes + (pte_address(f) - TABLE), sizeof pte);
    assert_true(pte == (FRAME | P | RW | XD | A | D));
    assert_int_equal(table.reads, 2);
    assert_int_equal(table.writes, 1);
    must_walk(f, LINEAR, WALK_WRITE, MMU_SUPERVISOR); /* nothing left to set */
    assert_int_equal(table.writes, 1);
}

static void tables_nowhere_read_as_ones(void **state)
{
    struct fixture *f = *state;
    set_mode(f, false, false, false, true);
    f->paging.cr3 = 0x40000000;
    assert_true(must_walk(f, LINEAR, WALK_WRITE, MMU_USER).page == 0xfffff000);
    set_mode(f, true, true, false, true);
    f->paging.pdpte[1] = 0x40000000 | P;
    struct walk walk;
    assert_false(walk_page(f->phys, &f->paging, LINEAR, WALK_WRITE, MMU_USER, &walk));
    assert_int_equal(walk.error_code, PF_PRESENT | PF_WRITE | PF_USER | PF_RESERVED);
}

static void note_write(void *opaque, phys_addr address, unsigned len_bytes)
{
    phys_addr *last = opaque;
    *last = address;
}

static void updates_of_watched_tables_are_reported(void **state)
{
    struct fixture *f = *state;
    phys_addr last = 0;
    set_mode(f, false, false, false, true);
    put(f, pde_address(f), TABLE | P | RW);
    put(f, pte_address(f), FRAME | P | RW);
    phys_on_watched_write(f->phys, note_write, &last);
    phys_watch(f->phys, TABLE, true);
    must_walk(f, LINEAR, WALK_READ, MMU_SUPERVISOR);
    assert_true(last == pte_address(f));
    assert_true(get(f, pte_address(f)) == (FRAME | P | RW | A));
    last = 0;
    must_walk(f, LINEAR, WALK_READ, MMU_SUPERVISOR);
    assert_true(last == 0);
    must_walk(f, LINEAR, WALK_WRITE, MMU_SUPERVISOR);
    assert_true(last == pte_address(f));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(matrix_of_32_bit_paging_without_pse, setup, teardown),
        cmocka_unit_test_setup_teardown(matrix_of_32_bit_paging_with_pse, setup, teardown),
        cmocka_unit_test_setup_teardown(matrix_of_pae_paging_without_nxe, setup, teardown),
        cmocka_unit_test_setup_teardown(matrix_of_pae_paging_with_nxe, setup, teardown),
        cmocka_unit_test_setup_teardown(each_single_bit_is_reserved_or_not_as_the_tables_say, setup, teardown),
        cmocka_unit_test_setup_teardown(without_paging_linear_is_physical_through_the_gate, setup, teardown),
        cmocka_unit_test_setup_teardown(pages_are_where_the_entries_say, setup, teardown),
        cmocka_unit_test_setup_teardown(low_bits_of_cr3_and_pdptes_are_no_address, setup, teardown),
        cmocka_unit_test_setup_teardown(a_pdpte_that_is_absent_faults_as_not_present, setup, teardown),
        cmocka_unit_test_setup_teardown(pdpte_reserved_bits_are_those_of_the_table, setup, teardown),
        cmocka_unit_test_setup_teardown(global_needs_pge, setup, teardown),
        cmocka_unit_test_setup_teardown(a20_gates_tables_and_pages, setup, teardown),
        cmocka_unit_test_setup_teardown(tables_in_rom_translate_and_stay_as_they_are, setup, teardown),
        cmocka_unit_test_setup_teardown(tables_in_mmio_are_read_and_updated_through_the_device, setup, teardown),
        cmocka_unit_test_setup_teardown(tables_nowhere_read_as_ones, setup, teardown),
        cmocka_unit_test_setup_teardown(updates_of_watched_tables_are_reported, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
