/* softmmu/mmu: what the TLB may keep and must forget, and every way an access leaves the fast path. */
#include "mmu_fixture.h"

/* ---- hits, misses, rights ---- */

static void second_access_to_a_page_needs_no_walk(void **state)
{
    struct fixture *f = *state;
    map(f, 0x10000, FRAMES, URW | D);
    mmu_st32(&f->mmu, 0x10010, 0x11223344, MMU_USER);
    assert_int_equal(*ram32(f, FRAMES + 0x10), 0x11223344);
    const uint64_t walks = f->mmu.walks;
    assert_int_equal(mmu_ld8(&f->mmu, 0x10010, MMU_USER), 0x44);
    assert_int_equal(mmu_ld16(&f->mmu, 0x10011, MMU_USER), 0x2233);
    mmu_st64(&f->mmu, 0x10ff8, 0x8877665544332211, MMU_USER);
    mmu_st8(&f->mmu, 0x10fff, 0x99, MMU_USER);
    mmu_st16(&f->mmu, 0x10ffd, 0xabcd, MMU_USER);
    assert_true(mmu_ld64(&f->mmu, 0x10ff8, MMU_USER) == 0x99abcd5544332211);
    assert_int_equal(mmu_ld32_update(&f->mmu, 0x10010, MMU_USER), 0x11223344);
    assert_int_equal(f->mmu.walks, walks);
}

static void faults_carry_address_and_code(void **state)
{
    struct fixture *f = *state;
    map(f, 0x10000, FRAMES, P);
    map(f, 0x11000, FRAMES, P | US);
    map(f, 0x12000, FRAMES, 0);
    ASSERT_FAULTS(f, 0x10123, PF_PRESENT | PF_USER, mmu_ld8(&f->mmu, 0x10123, MMU_USER));
    ASSERT_FAULTS(f, 0x10123, PF_PRESENT | PF_USER | PF_WRITE, mmu_st16(&f->mmu, 0x10123, 0, MMU_USER));
    ASSERT_FAULTS(f, 0x11ffc, PF_PRESENT | PF_WRITE | PF_USER, mmu_st32(&f->mmu, 0x11ffc, 0, MMU_USER));
    ASSERT_FAULTS(f, 0x11ffc, PF_PRESENT | PF_WRITE | PF_USER, mmu_ld32_update(&f->mmu, 0x11ffc, MMU_USER));
    ASSERT_FAULTS(f, 0x12008, 0, mmu_ld64(&f->mmu, 0x12008, MMU_SUPERVISOR));
    ASSERT_FAULTS(f, 0x12008, PF_WRITE, mmu_check_write(&f->mmu, 0x12008, 4, MMU_SUPERVISOR));
    ASSERT_FAULTS(f, 0x12008, PF_USER, mmu_check_read(&f->mmu, 0x12008, 4, MMU_USER));
    ASSERT_FAULTS(f, 0x800000, PF_USER, mmu_ld8(&f->mmu, 0x800000, MMU_USER));
    uint8_t *host;
    ASSERT_FAULTS(f, 0x10123, PF_PRESENT | PF_USER, mmu_fetch(&f->mmu, 0x10123, MMU_USER, &host));
    assert_int_equal(*ram32(f, FRAMES), 0xf0f00000);
}

static void each_view_has_its_own_rights(void **state)
{
    struct fixture *f = *state;
    map(f, 0x10000, FRAMES, P | RW | D);
    assert_int_equal(mmu_ld32(&f->mmu, 0x10000, MMU_SUPERVISOR), 0xf0f00000);
    mmu_st32(&f->mmu, 0x10000, 5, MMU_SUPERVISOR);
    ASSERT_FAULTS(f, 0x10000, PF_PRESENT | PF_USER, mmu_ld32(&f->mmu, 0x10000, MMU_USER));
    assert_int_equal(mmu_ld32(&f->mmu, 0x10000, MMU_SUPERVISOR), 5);
}

static void supervisor_writes_obey_wp(void **state)
{
    struct fixture *f = *state;
    map(f, 0x10000, FRAMES, P | US | D);
    assert_int_equal(mmu_ld32(&f->mmu, 0x10000, MMU_SUPERVISOR), 0xf0f00000);
    ASSERT_FAULTS(f, 0x10000, PF_PRESENT | PF_WRITE, mmu_st32(&f->mmu, 0x10000, 1, MMU_SUPERVISOR));
    f->paging.wp = false;
    mmu_set_paging(&f->mmu, &f->paging);
    mmu_st32(&f->mmu, 0x10000, 1, MMU_SUPERVISOR);
    ASSERT_FAULTS(f, 0x10000, PF_PRESENT | PF_WRITE | PF_USER, mmu_st32(&f->mmu, 0x10000, 2, MMU_USER));
    f->paging.wp = true;
    mmu_set_paging(&f->mmu, &f->paging); /* the cached right to write goes with it */
    ASSERT_FAULTS(f, 0x10000, PF_PRESENT | PF_WRITE, mmu_st32(&f->mmu, 0x10000, 3, MMU_SUPERVISOR));
    assert_int_equal(*ram32(f, FRAMES), 1);
}

static void a_first_store_to_a_clean_page_sets_dirty(void **state)
{
    struct fixture *f = *state;
    map(f, 0x10000, FRAMES, URW);
    mmu_ld8(&f->mmu, 0x10000, MMU_USER);
    assert_int_equal(*pte_of(f, 0x10000), FRAMES | URW | A);
    assert_int_equal(*ram32(f, DIRECTORY), TABLE | URW | A);
    mmu_st8(&f->mmu, 0x10000, 1, MMU_USER); /* though the page is in the TLB for reading */
    assert_int_equal(*pte_of(f, 0x10000), FRAMES | URW | A | D);

    map(f, 0x11000, FRAMES, URW);
    mmu_ld8(&f->mmu, 0x11000, MMU_USER);
    mmu_ld8_update(&f->mmu, 0x11000, MMU_USER);
    assert_int_equal(*pte_of(f, 0x11000), FRAMES | URW | A | D);

    map(f, 0x12000, FRAMES, URW);
    assert_non_null(mmu_host_for_read(&f->mmu, 0x12000, MMU_USER));
    assert_int_equal(*pte_of(f, 0x12000), FRAMES | URW | A);
    assert_non_null(mmu_host_for_write(&f->mmu, 0x12000, MMU_USER));
    assert_int_equal(*pte_of(f, 0x12000), FRAMES | URW | A | D);
}

static void pages_that_share_a_slot_do_not_mix(void **state)
{
    struct fixture *f = *state;
    *ram32(f, DIRECTORY + 4) = TABLE | URW; /* 4 MiB higher: the same index, other tag */
    map(f, 0x10000, FRAMES, URW);
    for (unsigned i = 0; i < 4 * TLB_ENTRIES; i++) {
        assert_int_equal(mmu_ld32(&f->mmu, 0x10000, MMU_USER), 0xf0f00000);
        assert_int_equal(mmu_ld32(&f->mmu, 0x410000, MMU_USER), 0xf0f00000);
    }
    assert_int_equal(f->mmu.walks, 8 * TLB_ENTRIES);
    assert_int_equal(f->mmu.filled[TLB_LIST_LOCAL].count, 1); /* one slot, however often it is filled */
    *ram32(f, DIRECTORY + 4) = 0;
    mmu_flush(&f->mmu);
    mmu_ld32(&f->mmu, 0x10000, MMU_USER);
    ASSERT_FAULTS(f, 0x410000, PF_USER, mmu_ld32(&f->mmu, 0x410000, MMU_USER));
}

/* ---- what is forgotten when ---- */

static void a_translation_may_be_stale_until_invlpg(void **state)
{
    struct fixture *f = *state;
    for (enum mmu_view view = 0; view < MMU_VIEWS; view++) {
        map(f, 0x10000, FRAMES, URW);
        mmu_flush(&f->mmu);
        assert_int_equal(mmu_ld32(&f->mmu, 0x10000, view), 0xf0f00000);
        map(f, 0x10000, FRAMES + 0x1000, URW);
        assert_int_equal(mmu_ld32(&f->mmu, 0x10000, view), 0xf0f00000);
        mmu_flush_page(&f->mmu, 0x11000); /* another page */
        assert_int_equal(mmu_ld32(&f->mmu, 0x10000, view), 0xf0f00000);
        mmu_flush_page(&f->mmu, 0x10fff);
        assert_int_equal(mmu_ld32(&f->mmu, 0x10000, view), 0xf0f00001);
    }
}

static void not_present_entries_are_not_cached(void **state)
{
    struct fixture *f = *state;
    ASSERT_FAULTS(f, 0x10000, PF_USER, mmu_ld32(&f->mmu, 0x10000, MMU_USER));
    map(f, 0x10000, FRAMES, P | US);
    assert_int_equal(mmu_ld32(&f->mmu, 0x10000, MMU_USER), 0xf0f00000);
    ASSERT_FAULTS(f, 0x10000, PF_USER | PF_WRITE | PF_PRESENT, mmu_st32(&f->mmu, 0x10000, 1, MMU_USER));
    map(f, 0x10000, FRAMES, URW); /* more rights need no INVLPG */
    mmu_st32(&f->mmu, 0x10000, 1, MMU_USER);
}

static void a_fault_forgets_the_page(void **state)
{
    struct fixture *f = *state;
    map(f, 0x10000, FRAMES, P | US);
    assert_int_equal(mmu_ld32(&f->mmu, 0x10000, MMU_USER), 0xf0f00000);
    mmu_ld32(&f->mmu, 0x10000, MMU_SUPERVISOR);
    map(f, 0x10000, FRAMES + 0x1000, P | US);
    ASSERT_FAULTS(f, 0x10000, PF_USER | PF_WRITE | PF_PRESENT, mmu_st32(&f->mmu, 0x10000, 1, MMU_USER));
    assert_int_equal(mmu_ld32(&f->mmu, 0x10000, MMU_USER), 0xf0f00001);
    assert_int_equal(mmu_ld32(&f->mmu, 0x10000, MMU_SUPERVISOR), 0xf0f00001);
}

static void invlpg_drops_every_piece_of_a_large_page(void **state)
{
    struct fixture *f = *state;
    for (unsigned pae = 0; pae < 2; pae++) {
        const lin_addr size = pae ? 0x200000 : 0x400000, base = 0x40000000 - 2 * size;
        if (pae)
            use_pae(f);
        for (unsigned i = 0; i < 2; i++) { /* this large page and the next one */
            if (pae)
                *ram64(f, PAE_DIRECTORY + ((base >> 21) + i) * 8) = URW | PS | G;
            else
                *ram32(f, DIRECTORY + ((base >> 22) + i) * 4) = URW | PS | G;
        }
        mmu_flush(&f->mmu);
        const lin_addr at[] = {0, 0x101000, size - 0x1000, size, size + 0x101000};
        for (unsigned i = 0; i < 5; i++) {
            mmu_ld32(&f->mmu, base + at[i], MMU_USER);
            mmu_ld32(&f->mmu, base + at[i], MMU_SUPERVISOR);
        }
        uint64_t walks = f->mmu.walks;
        mmu_flush_page(&f->mmu, base + 0x5000); /* a piece that was never touched */
        for (unsigned i = 3; i < 5; i++) {
            mmu_ld32(&f->mmu, base + at[i], MMU_USER);
            mmu_ld32(&f->mmu, base + at[i], MMU_SUPERVISOR);
        }
        assert_int_equal(f->mmu.walks, walks); /* the neighbour is untouched */
        for (unsigned i = 0; i < 3; i++) {
            mmu_ld32(&f->mmu, base + at[i], MMU_USER);
            mmu_ld32(&f->mmu, base + at[i], MMU_SUPERVISOR);
        }
        assert_int_equal(f->mmu.walks, walks + 6);
    }
}

static void cr3_load_keeps_global_pages_only(void **state)
{
    struct fixture *f = *state;
    map(f, 0x10000, FRAMES, URW);
    map(f, 0x11000, FRAMES, URW | G);
    mmu_ld32(&f->mmu, 0x10000, MMU_USER);
    mmu_ld32(&f->mmu, 0x11000, MMU_USER);
    map(f, 0x10000, FRAMES + 0x1000, URW);
    map(f, 0x11000, FRAMES + 0x1000, URW | G);
    reload_cr3(f);
    assert_int_equal(mmu_ld32(&f->mmu, 0x10000, MMU_USER), 0xf0f00001);
    assert_int_equal(mmu_ld32(&f->mmu, 0x11000, MMU_USER), 0xf0f00000);
    mmu_flush_page(&f->mmu, 0x11000); /* INVLPG drops global ones too */
    assert_int_equal(mmu_ld32(&f->mmu, 0x11000, MMU_USER), 0xf0f00001);
    map(f, 0x11000, FRAMES, URW | G);
    mmu_flush(&f->mmu);
    assert_int_equal(mmu_ld32(&f->mmu, 0x11000, MMU_USER), 0xf0f00000);
}

static void nothing_is_global_without_pge(void **state)
{
    struct fixture *f = *state;
    f->paging.pge = false;
    mmu_set_paging(&f->mmu, &f->paging);
    map(f, 0x11000, FRAMES, URW | G);
    mmu_ld32(&f->mmu, 0x11000, MMU_USER);
    map(f, 0x11000, FRAMES + 0x1000, URW | G);
    reload_cr3(f);
    assert_int_equal(mmu_ld32(&f->mmu, 0x11000, MMU_USER), 0xf0f00001);
}

static void every_change_of_mode_drops_global_pages(void **state)
{
    struct fixture *f = *state;
    for (unsigned which = 0; which < 5; which++) {
        use_32_bit(f);
        map(f, 0x11000, FRAMES, URW | G);
        mmu_flush(&f->mmu);
        mmu_ld32(&f->mmu, 0x11000, MMU_USER);
        map(f, 0x11000, FRAMES + 0x1000, URW | G);
        bool *const bit[] = {&f->paging.paging, &f->paging.pge, &f->paging.pse, &f->paging.pae, &f->paging.nxe};
        *bit[which] ^= true;
        mmu_set_paging(&f->mmu, &f->paging);
        *bit[which] ^= true;
        mmu_set_paging(&f->mmu, &f->paging);
        assert_int_equal(mmu_ld32(&f->mmu, 0x11000, MMU_USER), 0xf0f00001);
    }
}

static void a_slot_that_changes_between_local_and_global_is_flushed_as_what_it_is(void **state)
{
    struct fixture *f = *state;
    *ram32(f, DIRECTORY + 4) = TABLE | URW;
    for (unsigned round = 0; round < 3; round++) {
        map(f, 0x10000, FRAMES, URW | G);
        mmu_flush_page(&f->mmu, 0x10000);
        mmu_ld32(&f->mmu, 0x10000, MMU_USER); /* filled as global */
        map(f, 0x10000, FRAMES, URW);
        mmu_ld32(&f->mmu, 0x410000, MMU_USER); /* the same slot, now local */
        map(f, 0x10000, FRAMES + 0x1000, URW);
        reload_cr3(f);
        assert_int_equal(mmu_ld32(&f->mmu, 0x410000, MMU_USER), 0xf0f00001);
        map(f, 0x10000, FRAMES + 0x2000, URW | G);
        mmu_ld32(&f->mmu, 0x10000, MMU_USER); /* and global again */
        map(f, 0x10000, FRAMES + 0x3000, URW | G);
        reload_cr3(f);
        assert_int_equal(mmu_ld32(&f->mmu, 0x10000, MMU_USER), 0xf0f00002);
        mmu_flush(&f->mmu);
        assert_int_equal(mmu_ld32(&f->mmu, 0x10000, MMU_USER), 0xf0f00003);
    }
}

static void a_full_tlb_is_flushed_completely(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i < 1024; i++)
        map(f, i << 12, FRAMES, URW | (i & 1 ? G : 0));
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 1024; i++) {
            mmu_ld8(&f->mmu, i << 12, MMU_USER);
            mmu_ld8(&f->mmu, i << 12, MMU_SUPERVISOR);
        }
        uint64_t walks = f->mmu.walks;
        for (unsigned i = 0; i < 1024; i++)
            mmu_ld8(&f->mmu, i << 12, MMU_USER);
        assert_int_equal(f->mmu.walks, walks);
        reload_cr3(f);
        for (unsigned i = 0; i < 1024; i++)
            mmu_ld8(&f->mmu, i << 12, MMU_SUPERVISOR);
        assert_int_equal(f->mmu.walks, walks + 512);
        mmu_flush(&f->mmu);
        for (unsigned i = 0; i < 1024; i++)
            mmu_ld8(&f->mmu, i << 12, MMU_SUPERVISOR);
        assert_int_equal(f->mmu.walks, walks + 512 + 1024);
    }
}

static void a_remap_is_seen_after_the_flush(void **state)
{
    struct fixture *f = *state;
    map(f, 0x10000, FRAMES, URW | G);
    mmu_st32(&f->mmu, 0x10000, 1, MMU_USER);
    phys_map_ram_readonly(f->phys, FRAMES, 0x1000, FRAMES);
    mmu_st32(&f->mmu, 0x10000, 2, MMU_USER);
    assert_int_equal(mmu_ld32(&f->mmu, 0x10000, MMU_USER), 1);
    phys_unmap(f->phys, FRAMES, 0x1000);
    assert_int_equal(mmu_ld32(&f->mmu, 0x10000, MMU_USER), UINT32_MAX);
    assert_null(mmu_host_for_read(&f->mmu, 0x10000, MMU_USER));
}

/* ---- crossings ---- */

static void loads_and_stores_cross_into_pages_that_lie_elsewhere(void **state)
{
    struct fixture *f = *state;
    map(f, 0x10000, FRAMES + 0x5000, URW);
    map(f, 0x11000, FRAMES + 0x2000, URW);
    uint8_t *low = phys_ram_host(f->phys, FRAMES + 0x5000), *high = phys_ram_host(f->phys, FRAMES + 0x2000);
    for (unsigned n = 1; n < 8; n++) {
        memset(low, 0, 0x1000);
        memset(high, 0, 0x1000);
        mmu_st64(&f->mmu, 0x11000 - n, 0x8877665544332211, MMU_USER);
        uint64_t value = 0;
        memcpy(&value, low + 0x1000 - n, n);
        memcpy((uint8_t *)&value + n, high, 8 - n);
        assert_true(value == 0x8877665544332211);
        assert_int_equal(high[8 - n], 0);
        assert_true(mmu_ld64(&f->mmu, 0x11000 - n, MMU_USER) == 0x8877665544332211);
        assert_true(mmu_ld64_update(&f->mmu, 0x11000 - n, MMU_USER) == 0x8877665544332211);
    }
    mmu_st16(&f->mmu, 0x10fff, 0xbeef, MMU_USER);
    assert_int_equal(low[0xfff], 0xef);
    assert_int_equal(high[0], 0xbe);
    assert_int_equal(mmu_ld16(&f->mmu, 0x10fff, MMU_USER), 0xbeef);
    assert_int_equal(*pte_of(f, 0x11000) & (A | D), A | D);
}

static void a_crossing_store_that_faults_writes_nothing(void **state)
{
    struct fixture *f = *state;
    map(f, 0x10000, FRAMES, URW);
    map(f, 0x11000, FRAMES + 0x1000, P | US);
    *ram32(f, FRAMES + 0xffc) = 0x55555555;
    ASSERT_FAULTS(f, 0x11000, PF_PRESENT | PF_WRITE | PF_USER, mmu_st32(&f->mmu, 0x10ffe, 0, MMU_USER));
    ASSERT_FAULTS(f, 0x11000, PF_PRESENT | PF_WRITE | PF_USER, mmu_check_write(&f->mmu, 0x10ffe, 4, MMU_USER));
    ASSERT_FAULTS(f, 0x11000, PF_PRESENT | PF_WRITE | PF_USER, mmu_ld32_update(&f->mmu, 0x10ffe, MMU_USER));
    assert_int_equal(*ram32(f, FRAMES + 0xffc), 0x55555555);
    map(f, 0x10000, 0, 0);
    mmu_flush(&f->mmu);
    map(f, 0x11000, 0, 0);
    ASSERT_FAULTS(f, 0x10ffe, PF_WRITE | PF_USER, mmu_st32(&f->mmu, 0x10ffe, 0, MMU_USER)); /* the first page first */
    ASSERT_FAULTS(f, 0x10fff, PF_USER, mmu_ld16(&f->mmu, 0x10fff, MMU_USER));
    map(f, 0x10000, FRAMES, URW);
    ASSERT_FAULTS(f, 0x11000, PF_USER, mmu_ld64(&f->mmu, 0x10ff9, MMU_USER));
}

static void linear_addresses_wrap_at_4_gib(void **state)
{
    struct fixture *f = *state;
    map(f, 0xfffff000, FRAMES, URW);
    map(f, 0, FRAMES + 0x1000, URW);
    mmu_st32(&f->mmu, 0xfffffffe, 0x11223344, MMU_USER);
    assert_int_equal(*ram32(f, FRAMES + 0xffc) >> 16, 0x3344);
    assert_int_equal(*ram32(f, FRAMES + 0x1000) & 0xffff, 0x1122);
    assert_int_equal(mmu_ld32(&f->mmu, 0xfffffffe, MMU_USER), 0x11223344);
    uint8_t bytes[16];
    mmu_load_bytes(&f->mmu, 0xfffffffe, bytes, sizeof bytes, MMU_USER);
    assert_memory_equal(bytes, "\x44\x33\x22\x11", 4);
    map(f, 0, 0, 0);
    mmu_flush(&f->mmu);
    ASSERT_FAULTS(f, 0, PF_USER, mmu_ld32(&f->mmu, 0xfffffffd, MMU_USER));
}

static void crossing_works_without_paging(void **state)
{
    struct fixture *f = *state;
    f->paging.paging = false;
    mmu_set_paging(&f->mmu, &f->paging);
    mmu_st32(&f->mmu, 0x10ffe, 0x11223344, MMU_SUPERVISOR);
    assert_int_equal(mmu_ld32(&f->mmu, 0x10ffe, MMU_USER), 0x11223344);
    assert_int_equal(*ram32(f, 0x10ffc) >> 16, 0x3344);
    *ram32(f, 0) = 0xaaaaaaaa;
    phys_set_a20(f->phys, false);
    assert_int_equal(mmu_ld16(&f->mmu, 0x100000, MMU_SUPERVISOR), 0xaaaa);
    mmu_st32(&f->mmu, 0x0ffffe, 0x55667788, MMU_SUPERVISOR);
    assert_int_equal(*ram32(f, 0), 0xaaaa5566);
    phys_set_a20(f->phys, true);
    assert_int_equal(mmu_ld32(&f->mmu, 0x100000, MMU_SUPERVISOR), 0xf0f00000);
    uint64_t flushes = f->mmu.flushes;
    f->paging.cr3 += 0x1000; /* means nothing now */
    mmu_set_paging(&f->mmu, &f->paging);
    assert_int_equal(f->mmu.flushes, flushes);
}

/* ---- devices, ROM ---- */

static void mmio_goes_to_the_device_in_its_widths(void **state)
{
    struct fixture *f = *state;
    map(f, 0x10000, DEVICE, URW);
    mmu_st64(&f->mmu, 0x10010, 0x8877665544332211, MMU_USER);
    assert_int_equal(f->device.n, 2);
    const uint64_t walks = f->mmu.walks;
    assert_int_equal(f->device.offset[1], 0x14);
    assert_int_equal(f->device.width[1], 4);
    assert_true(mmu_ld64(&f->mmu, 0x10010, MMU_USER) == 0x8877665544332211);
    assert_int_equal(f->device.n, 4);
    assert_int_equal(mmu_ld16(&f->mmu, 0x10013, MMU_USER), 0x5544);
    assert_int_equal(f->device.n, 5);
    assert_int_equal(f->device.width[4], 2);
    mmu_ld8_update(&f->mmu, 0x10013, MMU_USER);
    assert_int_equal(f->device.n, 6);      /* the check reads nothing */
    assert_int_equal(f->mmu.walks, walks); /* translations of devices are cached too */
    assert_null(mmu_host_for_read(&f->mmu, 0x10010, MMU_USER));
    assert_null(mmu_host_for_write(&f->mmu, 0x10010, MMU_USER));
    uint8_t *host = f->rom;
    assert_true(mmu_fetch(&f->mmu, 0x10010, MMU_USER, &host) == DEVICE + 0x10);
    assert_null(host);
}

static void an_access_may_cross_from_ram_into_a_device(void **state)
{
    struct fixture *f = *state;
    map(f, 0x10000, FRAMES, URW);
    map(f, 0x11000, DEVICE, URW);
    mmu_st32(&f->mmu, 0x10ffd, 0x44332211, MMU_USER);
    assert_int_equal(*ram32(f, FRAMES + 0xffc) >> 8, 0x332211);
    assert_int_equal(f->device.n, 1);
    assert_int_equal(f->device.bytes[0], 0x44);
    assert_int_equal(mmu_ld32(&f->mmu, 0x10ffd, MMU_USER), 0x44332211);
    map(f, 0x11000, DEVICE, P | US);
    mmu_flush(&f->mmu);
    f->device.n = 0;
    ASSERT_FAULTS(f, 0x11000, PF_PRESENT | PF_WRITE | PF_USER, mmu_st32(&f->mmu, 0x10ffd, 0, MMU_USER));
    assert_int_equal(f->device.n, 0);
}

static void stores_to_rom_are_ignored(void **state)
{
    struct fixture *f = *state;
    map(f, 0x10000, ROM, URW);
    for (unsigned i = 0; i < 2; i++) {
        mmu_st32(&f->mmu, 0x10000, 0, MMU_USER);
        assert_int_equal(mmu_ld32(&f->mmu, 0x10000, MMU_USER), 0xc3c3c3c3);
    }
    assert_ptr_equal(mmu_host_for_read(&f->mmu, 0x10004, MMU_USER), f->rom + 4);
    assert_null(mmu_host_for_write(&f->mmu, 0x10004, MMU_USER));
    uint8_t *host;
    assert_true(mmu_fetch(&f->mmu, 0x10004, MMU_USER, &host) == ROM + 4);
    assert_ptr_equal(host, f->rom + 4);
}

/* ---- watches and breakpoints ---- */

static void stores_to_a_watched_page_are_done_and_reported(void **state)
{
    struct fixture *f = *state;
    map(f, 0x10000, FRAMES, URW);
    phys_watch(f->phys, FRAMES, true);
    for (unsigned i = 0; i < 3; i++) {
        mmu_st16(&f->mmu, 0x10010, (uint16_t)(0x1230 + i), MMU_USER);
        assert_int_equal(f->n_written, i + 1);
        assert_true(f->written[i].address == FRAMES + 0x10);
        assert_int_equal(f->written[i].len_bytes, 2);
        assert_int_equal(*ram32(f, FRAMES + 0x10), 0x1230 + i);
    }
    assert_int_equal(mmu_ld16(&f->mmu, 0x10010, MMU_USER), 0x1232);
    assert_null(mmu_host_for_write(&f->mmu, 0x10010, MMU_USER));
    assert_non_null(mmu_host_for_read(&f->mmu, 0x10010, MMU_USER));
    uint8_t bytes[4] = {1, 2, 3, 4};
    mmu_store_bytes(&f->mmu, 0x10020, bytes, 4, MMU_USER);
    assert_int_equal(f->n_written, 4);
    assert_int_equal(f->written[3].len_bytes, 4);
}

static void rewatch_changes_what_is_already_cached(void **state)
{
    struct fixture *f = *state;
    map(f, 0x10000, FRAMES, URW);
    map(f, 0x11000, FRAMES, URW | G); /* a second view of the same page */
    map(f, 0x12000, FRAMES + 0x1000, URW);
    for (lin_addr page = 0x10000; page <= 0x12000; page += 0x1000)
        mmu_st8(&f->mmu, page, 1, MMU_USER);
    mmu_st8(&f->mmu, 0x10000, 1, MMU_SUPERVISOR);
    const uint64_t walks = f->mmu.walks;
    phys_watch(f->phys, FRAMES, true);
    mmu_rewatch(&f->mmu, FRAMES);
    mmu_st8(&f->mmu, 0x10000, 1, MMU_USER);
    mmu_st8(&f->mmu, 0x10000, 1, MMU_SUPERVISOR);
    mmu_st8(&f->mmu, 0x11000, 1, MMU_USER);
    mmu_st8(&f->mmu, 0x12000, 1, MMU_USER);
    assert_int_equal(f->n_written, 3);
    phys_watch(f->phys, FRAMES, false);
    mmu_rewatch(&f->mmu, FRAMES);
    mmu_st8(&f->mmu, 0x10000, 1, MMU_USER);
    mmu_st8(&f->mmu, 0x10000, 1, MMU_SUPERVISOR);
    mmu_st8(&f->mmu, 0x11000, 1, MMU_USER);
    assert_int_equal(f->n_written, 3);
    assert_non_null(mmu_host_for_write(&f->mmu, 0x10000, MMU_USER));
    assert_int_equal(f->mmu.walks, walks);
}

static void rewatch_gives_no_right_to_write(void **state)
{
    struct fixture *f = *state;
    map(f, 0x10000, FRAMES, P | US | D);
    map(f, 0x11000, FRAMES, URW); /* clean */
    mmu_ld8(&f->mmu, 0x10000, MMU_USER);
    mmu_ld8(&f->mmu, 0x11000, MMU_USER);
    for (unsigned i = 0; i < 2; i++) {
        phys_watch(f->phys, FRAMES, i == 0);
        mmu_rewatch(&f->mmu, FRAMES);
    }
    ASSERT_FAULTS(f, 0x10000, PF_PRESENT | PF_WRITE | PF_USER, mmu_st8(&f->mmu, 0x10000, 1, MMU_USER));
    mmu_st8(&f->mmu, 0x11000, 1, MMU_USER);
    assert_int_equal(*pte_of(f, 0x11000) & D, D);
}

static void a_crossing_store_reports_each_watched_part(void **state)
{
    struct fixture *f = *state;
    map(f, 0x10000, FRAMES, URW);
    map(f, 0x11000, FRAMES + 0x5000, URW);
    phys_watch(f->phys, FRAMES + 0x5000, true);
    mmu_st32(&f->mmu, 0x10fff, 0x44332211, MMU_USER);
    assert_int_equal(f->n_written, 1);
    assert_true(f->written[0].address == FRAMES + 0x5000);
    assert_int_equal(f->written[0].len_bytes, 3);
    assert_int_equal(mmu_ld32(&f->mmu, 0x10fff, MMU_USER), 0x44332211);
    phys_watch(f->phys, FRAMES, true);
    mmu_rewatch(&f->mmu, FRAMES);
    mmu_st32(&f->mmu, 0x10fff, 0, MMU_USER);
    assert_int_equal(f->n_written, 3);
    assert_true(f->written[1].address == FRAMES + 0xfff);
}

static void setting_dirty_in_a_watched_table_is_reported(void **state)
{
    struct fixture *f = *state;
    map(f, 0x10000, FRAMES, URW);
    phys_watch(f->phys, TABLE, true);
    mmu_ld8(&f->mmu, 0x10000, MMU_USER);
    mmu_st8(&f->mmu, 0x10000, 1, MMU_USER);
    assert_int_equal(f->n_written, 2);
    assert_true(f->written[1].address == TABLE + 0x10 * 4);
}

static void breakpoint_pages_call_back_before_the_access(void **state)
{
    struct fixture *f = *state;
    map(f, 0x10000, FRAMES, URW);
    map(f, 0x11000, FRAMES + 0x1000, URW);
    mmu_st32(&f->mmu, 0x10010, 1, MMU_USER); /* cached before the breakpoint is set */
    f->watched_dword = ram32(f, FRAMES + 0x10);
    mmu_set_debug_page(&f->mmu, 2, true, 0x10010);
    mmu_st32(&f->mmu, 0x10010, 2, MMU_USER);
    assert_int_equal(f->n_debug, 1);
    assert_int_equal(f->debug[0].address, 0x10010);
    assert_int_equal(f->debug[0].width, 4);
    assert_true(f->debug[0].is_write);
    assert_int_equal(f->debug[0].before, 1);
    assert_int_equal(*f->watched_dword, 2);
    assert_int_equal(mmu_ld16(&f->mmu, 0x10ffe, MMU_SUPERVISOR), 0);
    assert_int_equal(f->n_debug, 2);
    assert_false(f->debug[1].is_write);
    mmu_st8(&f->mmu, 0x11000, 1, MMU_USER); /* another page */
    mmu_check_write(&f->mmu, 0x10010, 4, MMU_USER);
    assert_int_equal(f->n_debug, 2);
    assert_null(mmu_host_for_read(&f->mmu, 0x10010, MMU_USER));
    assert_null(mmu_host_for_write(&f->mmu, 0x10010, MMU_USER));
    mmu_st32(&f->mmu, 0x10ffe, 0x11223344, MMU_USER); /* crosses out of it: once, as a whole */
    assert_int_equal(f->n_debug, 3);
    assert_int_equal(f->debug[2].address, 0x10ffe);
    assert_int_equal(f->debug[2].width, 4);
    mmu_ld16(&f->mmu, 0x0ffff + 0x1000, MMU_USER); /* and into it, from below */
    uint8_t bytes[8];
    mmu_load_bytes(&f->mmu, 0x10000, bytes, 8, MMU_USER);
    assert_int_equal(f->n_debug, 5);
    assert_int_equal(f->debug[4].width, 8);
    uint8_t *host;
    mmu_fetch(&f->mmu, 0x10000, MMU_USER, &host); /* fetches are not data accesses */
    assert_non_null(host);
    assert_int_equal(f->n_debug, 5);
    mmu_set_debug_page(&f->mmu, 2, false, 0);
    mmu_st32(&f->mmu, 0x10010, 3, MMU_USER);
    assert_int_equal(f->n_debug, 5);
}

static void a_breakpoint_that_moves_leaves_its_old_page(void **state)
{
    struct fixture *f = *state;
    map(f, 0x10000, FRAMES, URW);
    map(f, 0x11000, FRAMES + 0x1000, URW);
    mmu_set_debug_page(&f->mmu, 0, true, 0x10010);
    mmu_set_debug_page(&f->mmu, 1, true, 0x10020);
    mmu_ld8(&f->mmu, 0x10000, MMU_USER);
    mmu_ld8(&f->mmu, 0x11000, MMU_USER);
    assert_int_equal(f->n_debug, 1);
    mmu_set_debug_page(&f->mmu, 0, true, 0x11010);
    mmu_ld8(&f->mmu, 0x10000, MMU_USER); /* still in breakpoint 1's page */
    mmu_ld8(&f->mmu, 0x11000, MMU_USER);
    assert_int_equal(f->n_debug, 3);
    mmu_set_debug_page(&f->mmu, 1, false, 0);
    mmu_ld8(&f->mmu, 0x10000, MMU_USER);
    assert_int_equal(f->n_debug, 3);
}

static void a_fault_comes_before_a_breakpoint(void **state)
{
    struct fixture *f = *state;
    map(f, 0x10000, FRAMES, URW);
    mmu_set_debug_page(&f->mmu, 0, true, 0x10ffc);
    ASSERT_FAULTS(f, 0x11000, PF_WRITE | PF_USER, mmu_st32(&f->mmu, 0x10ffe, 1, MMU_USER));
    assert_int_equal(f->n_debug, 0);
}

/* ---- fetch, PAE, bytes, the monitor ---- */

static void fetch_obeys_execute_disable(void **state)
{
    struct fixture *f = *state;
    uint8_t *host = NULL;
    use_pae(f);
    map_pae(f, 0x10000, FRAMES, URW | XD);
    map_pae(f, 0x11000, FRAMES + 0x1000, URW);
    assert_int_equal(mmu_ld32(&f->mmu, 0x10000, MMU_USER), 0xf0f00000);
    ASSERT_FAULTS(f, 0x10004, PF_PRESENT | PF_USER | PF_FETCH, mmu_fetch(&f->mmu, 0x10004, MMU_USER, &host));
    ASSERT_FAULTS(f, 0x12004, PF_FETCH, mmu_fetch(&f->mmu, 0x12004, MMU_SUPERVISOR, &host));
    for (unsigned i = 0; i < 2; i++) {
        assert_true(mmu_fetch(&f->mmu, 0x11abc, MMU_USER, &host) == FRAMES + 0x1abc);
        assert_ptr_equal(host, phys_ram_host(f->phys, FRAMES + 0x1abc));
    }
    f->paging.nxe = false;
    mmu_set_paging(&f->mmu, &f->paging);
    ASSERT_FAULTS(f, 0x10004, PF_PRESENT | PF_USER | PF_RESERVED, mmu_fetch(&f->mmu, 0x10004, MMU_USER, &host));
    ASSERT_FAULTS(f, 0x12004, 0, mmu_fetch(&f->mmu, 0x12004, MMU_SUPERVISOR, &host));
}

static void pdptes_are_read_and_checked(void **state)
{
    struct fixture *f = *state;
    uint64_t pdpte[4];
    *ram64(f, PDPT + 0x20) = 0x1000 | P;
    *ram64(f, PDPT + 0x28) = 0x2;
    *ram64(f, PDPT + 0x38) = 0x3000;
    assert_true(mmu_load_pdptes(&f->mmu, PDPT + 0x3f, pdpte)); /* bits 4:0 of CR3 are no address */
    assert_true(pdpte[0] == (0x1000 | P) && pdpte[1] == 2 && pdpte[2] == 0 && pdpte[3] == 0x3000);
    *ram64(f, PDPT + 0x38) = 0x3003;
    assert_false(mmu_load_pdptes(&f->mmu, PDPT + 0x20, pdpte));
    assert_true(pdpte[0] == (0x1000 | P) && pdpte[3] == 0);
}

static void byte_runs_cross_pages_and_check_them_first(void **state)
{
    struct fixture *f = *state;
    static uint8_t in[0x3000], out[0x3000];
    for (unsigned i = 0; i < sizeof in; i++)
        in[i] = (uint8_t)(i * 7 + i / 256);
    map(f, 0x10000, FRAMES + 0x5000, URW);
    map(f, 0x11000, DEVICE, URW);
    map(f, 0x12000, FRAMES + 0x2000, URW);
    map(f, 0x13000, FRAMES + 0x9000, URW);
    mmu_store_bytes(&f->mmu, 0x10800, in, sizeof in, MMU_USER);
    assert_memory_equal(phys_ram_host(f->phys, FRAMES + 0x5800), in, 0x800);
    assert_memory_equal(f->device.bytes, in + 0x800, 0x1000);
    assert_memory_equal(phys_ram_host(f->phys, FRAMES + 0x9000), in + 0x2800, 0x800);
    mmu_load_bytes(&f->mmu, 0x10800, out, sizeof out, MMU_USER);
    assert_memory_equal(in, out, sizeof in);

    map(f, 0x13000, FRAMES + 0x9000, P | US);
    mmu_flush_page(&f->mmu, 0x13000);
    uint8_t *first = phys_ram_host(f->phys, FRAMES + 0x5800);
    *first = 0x5a;
    f->device.n = 0;
    ASSERT_FAULTS(f, 0x13000, PF_PRESENT | PF_WRITE | PF_USER,
                  mmu_store_bytes(&f->mmu, 0x10800, in, sizeof in, MMU_USER));
    assert_int_equal(*first, 0x5a);
    map(f, 0x13000, 0, 0);
    mmu_flush_page(&f->mmu, 0x13000);
    ASSERT_FAULTS(f, 0x13000, PF_USER, mmu_load_bytes(&f->mmu, 0x10800, out, sizeof out, MMU_USER));
    assert_int_equal(f->device.n, 0);
    mmu_load_bytes(&f->mmu, 0x13000, out, 0, MMU_USER); /* nothing touches nothing */
    mmu_store_bytes(&f->mmu, 0x13000, in, 0, MMU_USER);
    mmu_load_bytes(&f->mmu, 0x12ff0, out, 0x10, MMU_USER);
}

static void the_monitor_translates_without_a_trace(void **state)
{
    struct fixture *f = *state;
    phys_addr out = 0;
    map(f, 0x10000, FRAMES, URW);
    assert_true(mmu_debug_translate(&f->mmu, 0x10abc, &out));
    assert_true(out == FRAMES + 0xabc);
    assert_int_equal(*pte_of(f, 0x10000), FRAMES | URW);
    assert_int_equal(*ram32(f, DIRECTORY), TABLE | URW);
    assert_false(mmu_debug_translate(&f->mmu, 0x20000, &out));
    assert_false(mmu_debug_translate(&f->mmu, 0x80000000, &out));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(second_access_to_a_page_needs_no_walk),
        TEST(faults_carry_address_and_code),
        TEST(each_view_has_its_own_rights),
        TEST(supervisor_writes_obey_wp),
        TEST(a_first_store_to_a_clean_page_sets_dirty),
        TEST(pages_that_share_a_slot_do_not_mix),
        TEST(a_translation_may_be_stale_until_invlpg),
        TEST(not_present_entries_are_not_cached),
        TEST(a_fault_forgets_the_page),
        TEST(invlpg_drops_every_piece_of_a_large_page),
        TEST(cr3_load_keeps_global_pages_only),
        TEST(nothing_is_global_without_pge),
        TEST(every_change_of_mode_drops_global_pages),
        TEST(a_slot_that_changes_between_local_and_global_is_flushed_as_what_it_is),
        TEST(a_full_tlb_is_flushed_completely),
        TEST(a_remap_is_seen_after_the_flush),
        TEST(loads_and_stores_cross_into_pages_that_lie_elsewhere),
        TEST(a_crossing_store_that_faults_writes_nothing),
        TEST(linear_addresses_wrap_at_4_gib),
        TEST(crossing_works_without_paging),
        TEST(mmio_goes_to_the_device_in_its_widths),
        TEST(an_access_may_cross_from_ram_into_a_device),
        TEST(stores_to_rom_are_ignored),
        TEST(stores_to_a_watched_page_are_done_and_reported),
        TEST(rewatch_changes_what_is_already_cached),
        TEST(rewatch_gives_no_right_to_write),
        TEST(a_crossing_store_reports_each_watched_part),
        TEST(setting_dirty_in_a_watched_table_is_reported),
        TEST(breakpoint_pages_call_back_before_the_access),
        TEST(a_breakpoint_that_moves_leaves_its_old_page),
        TEST(a_fault_comes_before_a_breakpoint),
        TEST(fetch_obeys_execute_disable),
        TEST(pdptes_are_read_and_checked),
        TEST(byte_runs_cross_pages_and_check_them_first),
        TEST(the_monitor_translates_without_a_trace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
