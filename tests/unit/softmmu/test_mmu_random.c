/* softmmu/mmu against its definition: a walk and a one-byte access for every byte. */
#include "mmu_fixture.h"
#include "softmmu/walk.h"

/* What mmu must amount to, without a TLB: every page is walked at every access, every byte moved alone. */
static bool reference_access(struct fixture *f, lin_addr address, uint8_t *bytes, unsigned width, enum mmu_view view,
                             bool is_write)
{
    phys_addr at[16];
    for (unsigned i = 0; i < width; i++) {
        struct walk walk;
        const lin_addr byte = address + i;
        if (!walk_page(f->phys, &f->paging, byte, is_write ? WALK_WRITE : WALK_READ, view, &walk)) {
            f->fault_address = byte;
            f->fault_code = walk.error_code;
            return false;
        }
        at[i] = walk.page | (byte & 0xfff);
    }
    for (unsigned i = 0; i < width; i++) {
        if (is_write)
            phys_write(f->phys, at[i], bytes[i], 1);
        else
            bytes[i] = (uint8_t)phys_read(f->phys, at[i], 1);
    }
    return true;
}

static bool mmu_access(struct fixture *f, lin_addr address, uint8_t *bytes, unsigned width, enum mmu_view view,
                       bool is_write)
{
    uint64_t value = 0;
    f->expects_fault = true;
    if (setjmp(f->faulted))
        return false;
    if (width > 8 || (width & (width - 1))) {
        if (is_write)
            mmu_store_bytes(&f->mmu, address, bytes, width, view);
        else
            mmu_load_bytes(&f->mmu, address, bytes, width, view);
        return true;
    }
    memcpy(&value, bytes, width);
    switch (width | (is_write ? 16u : 0)) {
    case 1:
        value = mmu_ld8(&f->mmu, address, view);
        break;
    case 2:
        value = mmu_ld16(&f->mmu, address, view);
        break;
    case 4:
        value = mmu_ld32(&f->mmu, address, view);
        break;
    case 8:
        value = mmu_ld64(&f->mmu, address, view);
        break;
    case 17:
        mmu_st8(&f->mmu, address, (uint8_t)value, view);
        break;
    case 18:
        mmu_st16(&f->mmu, address, (uint16_t)value, view);
        break;
    case 20:
        mmu_st32(&f->mmu, address, (uint32_t)value, view);
        break;
    case 24:
        mmu_st64(&f->mmu, address, value, view);
        break;
    }
    memcpy(bytes, &value, width);
    return true;
}

static uint32_t random_bits(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005 + 1442695040888963407;
    return (uint32_t)(*seed >> 32);
}

enum { FUZZ_PAGES = 24 };

/* The pages lie around 0, so that runs wrap; some in a second directory entry, which may be a large page at physical 0
 * and then shows FRAMES. */
static lin_addr fuzz_page(unsigned i)
{
    return i < 8 ? i << 12 : i < 16 ? (lin_addr)0 - ((i - 7) << 12) : 0x400000 + FRAMES + ((i - 16) << 12);
}

static void fuzz_change_tables(struct fixture *f[2], uint64_t *seed)
{
    const unsigned kind = random_bits(seed) % 8;
    const lin_addr address = fuzz_page(random_bits(seed) % FUZZ_PAGES);
    if (kind == 0) {
        uint32_t directory_entry = random_bits(seed) % 2 ? TABLE | URW : PS | G | URW;
        directory_entry &= random_bits(seed) | ~(uint32_t)(RW | US);
        for (unsigned i = 0; i < 2; i++) {
            *ram32(f[i], DIRECTORY + 4) = directory_entry;
            mmu_flush(&f[i]->mmu);
        }
        return;
    }
    uint32_t r = random_bits(seed);
    uint32_t pte = FRAMES + (r >> 8) % 8 * 0x1000;
    if ((r >> 16) % 16 == 0)
        pte = (uint32_t)DEVICE;
    else if ((r >> 16) % 16 == 1)
        pte = (uint32_t)ROM;
    else if ((r >> 16) % 16 == 2)
        pte = 0x80000000;
    pte |= r & (P | RW | US | A | D | G);
    if (r >> 24 & 3)
        pte |= P;
    for (unsigned i = 0; i < 2; i++) {
        *ram32(f[i], (address >> 31 ? TOP_TABLE : TABLE) + (address >> 12 & 1023) * 4) = pte;
        mmu_flush_page(&f[i]->mmu, address);
        if (address < 0x400000)
            mmu_flush_page(&f[i]->mmu, address + 0x400000); /* TABLE serves both directory entries */
        else
            mmu_flush_page(&f[i]->mmu, address - 0x400000);
        if (kind == 1)
            reload_cr3(f[i]);
    }
}

static void fuzz_change_watch(struct fixture *f[2], uint64_t *seed)
{
    const phys_addr page = FRAMES + random_bits(seed) % 8 * 0x1000;
    for (unsigned i = 0; i < 2; i++)
        phys_watch(f[i]->phys, page, !phys_is_watched(f[i]->phys, page));
    mmu_rewatch(&f[0]->mmu, page);
}

static unsigned bytes_reported(const struct fixture *f)
{
    unsigned sum = 0;
    for (unsigned i = 0; i < f->n_written; i++)
        sum += f->written[i].len_bytes;
    return sum;
}

static void random_accesses_match_a_walk_for_every_byte(void **state)
{
    struct fixture *f[2] = {*state, NULL};
    f[1] = calloc(1, sizeof *f[1]);
    assert_non_null(f[1]);
    setup_machine(f[1]);
    uint64_t seed = 1, faults = 0;
    for (unsigned round = 0; round < 60000; round++) {
        if (random_bits(&seed) % 8 == 0)
            fuzz_change_tables(f, &seed);
        if (random_bits(&seed) % 32 == 0)
            fuzz_change_watch(f, &seed);
        if (random_bits(&seed) % 256 == 0) {
            for (unsigned i = 0; i < 2; i++) {
                f[i]->paging.wp ^= true;
                mmu_set_paging(&f[i]->mmu, &f[i]->paging);
            }
        }
        static const unsigned widths[] = {1, 2, 4, 8, 4, 8, 10, 16};
        const unsigned width = widths[random_bits(&seed) % 8];
        const bool is_write = random_bits(&seed) % 2;
        const enum mmu_view view = random_bits(&seed) % 2 ? MMU_USER : MMU_SUPERVISOR;
        const uint32_t r = random_bits(&seed);
        const uint32_t offset = r % 4 ? 0xff0 + r / 4 % 24 : r / 4 % 0x1000;
        const lin_addr address = fuzz_page(random_bits(&seed) % FUZZ_PAGES) + offset;
        uint8_t bytes[2][16];
        for (unsigned i = 0; i < 16; i++)
            bytes[0][i] = bytes[1][i] = (uint8_t)random_bits(&seed);
        f[0]->n_written = f[1]->n_written = 0;
        bool ok = mmu_access(f[0], address, bytes[0], width, view, is_write);
        assert_int_equal(ok, reference_access(f[1], address, bytes[1], width, view, is_write));
        if (ok) {
            assert_memory_equal(bytes[0], bytes[1], sizeof bytes[0]);
            assert_int_equal(bytes_reported(f[0]), bytes_reported(f[1]));
        } else {
            faults++;
            assert_int_equal(f[0]->fault_address, f[1]->fault_address);
            assert_int_equal(f[0]->fault_code, f[1]->fault_code);
        }
        if (round % 500 == 0) {
            assert_memory_equal(phys_ram_host(f[0]->phys, 0), phys_ram_host(f[1]->phys, 0), FRAMES + 0x8000);
            assert_memory_equal(f[0]->device.bytes, f[1]->device.bytes, sizeof f[0]->device.bytes);
            assert_memory_equal(f[0]->rom, f[1]->rom, sizeof f[0]->rom);
        }
    }
    assert_in_range(faults, 6000, 50000); /* the dice are not loaded */
    phys_destroy(f[1]->phys);
    free(f[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(random_accesses_match_a_walk_for_every_byte, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
