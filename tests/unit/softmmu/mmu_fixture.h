/* A small machine for the tests of softmmu/mmu: RAM, a device, a ROM, page tables of both formats, and callbacks that
 * note what they were told. */
#ifndef TESTS_UNIT_SOFTMMU_MMU_FIXTURE_H
#define TESTS_UNIT_SOFTMMU_MMU_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "softmmu/mmu.h"

#define MIB ((uint64_t)1 << 20)

enum { P = 1 << 0, RW = 1 << 1, US = 1 << 2, A = 1 << 5, D = 1 << 6, PS = 1 << 7, G = 1 << 8 };
#define XD  ((uint64_t)1 << 63)
#define URW (P | RW | US)

/* Physical layout: RAM below RAM_BYTES, a device, a ROM. 32-bit paging: directory and tables for the first 4 MiB and
 * the last; PAE: the same through one directory. */
enum {
    RAM_BYTES = 4 << 20,
    DIRECTORY = 0x1000,
    TABLE = 0x2000,
    TOP_TABLE = 0x3000,
    PAE_DIRECTORY = 0x4000,
    PAE_TABLE = 0x5000,
    PDPT = 0x6000,
    FRAMES = 0x100000, /* pages for data */
};
#define DEVICE ((phys_addr)0xe0000000)
#define ROM    ((phys_addr)0xfffc0000)

struct device {
    uint8_t bytes[0x1000];
    unsigned n;
    uint32_t offset[32];
    unsigned width[32];
};

struct fixture {
    struct phys *phys;
    struct mmu mmu;
    struct mmu_paging paging;
    struct device device;
    uint8_t rom[0x1000];
    jmp_buf faulted;
    bool expects_fault;
    lin_addr fault_address;
    uint32_t fault_code;
    unsigned n_debug, n_written;
    struct {
        lin_addr address;
        unsigned width;
        bool is_write;
        uint32_t before; /* the dword at `watched_dword` when the callback came */
    } debug[16];
    uint32_t *watched_dword;
    struct {
        phys_addr address;
        unsigned len_bytes;
    } written[16];
};

static inline void __attribute__((noreturn)) on_page_fault(void *opaque, lin_addr address, uint32_t error_code)
{
    struct fixture *f = opaque;
    if (!f->expects_fault)
        fail_msg("unexpected page fault at %08x, error code %x", address, error_code);
    f->fault_address = address;
    f->fault_code = error_code;
    longjmp(f->faulted, 1);
}

static inline void on_debug_access(void *opaque, lin_addr address, unsigned width, bool is_write)
{
    struct fixture *f = opaque;
    assert_true(f->n_debug < 16);
    f->debug[f->n_debug].address = address;
    f->debug[f->n_debug].width = width;
    f->debug[f->n_debug].is_write = is_write;
    f->debug[f->n_debug].before = f->watched_dword ? *f->watched_dword : 0;
    f->n_debug++;
}

static inline void on_written(void *opaque, phys_addr address, unsigned len_bytes)
{
    struct fixture *f = opaque;
    assert_true(f->n_written < 16);
    f->written[f->n_written].address = address;
    f->written[f->n_written++].len_bytes = len_bytes;
}

static inline void on_remap(void *opaque, bool was_memory)
{
    (void)was_memory;
    mmu_flush(&((struct fixture *)opaque)->mmu);
}

static inline uint32_t device_read(void *self, uint32_t offset, unsigned width)
{
    struct device *device = self;
    uint32_t value = 0;
    memcpy(&value, device->bytes + offset, width);
    if (device->n < 32) {
        device->offset[device->n] = offset;
        device->width[device->n] = width;
    }
    device->n++;
    return value;
}

static inline void device_write(void *self, uint32_t offset, uint32_t value, unsigned width)
{
    struct device *device = self;
    device_read(self, offset, width);
    memcpy(device->bytes + offset, &value, width);
}

static const struct bus_ops device_ops = {.name = "device", .read = device_read, .write = device_write, .max_width = 4};

/* Expects `statement` to raise #PF at `address` with `code`. */
#define ASSERT_FAULTS(f, address, code, statement)                                                                     \
    do {                                                                                                               \
        (f)->expects_fault = true;                                                                                     \
        if (setjmp((f)->faulted) == 0) {                                                                               \
            statement;                                                                                                 \
            fail_msg("no page fault");                                                                                 \
        }                                                                                                              \
        (f)->expects_fault = false;                                                                                    \
        assert_int_equal((f)->fault_address, address);                                                                 \
        assert_int_equal((f)->fault_code, code);                                                                       \
    } while (0)

static inline uint32_t *ram32(struct fixture *f, phys_addr address)
{
    return (uint32_t *)(void *)phys_ram_host(f->phys, address);
}

static inline uint64_t *ram64(struct fixture *f, phys_addr address)
{
    return (uint64_t *)(void *)phys_ram_host(f->phys, address);
}

static inline uint32_t *pte_of(struct fixture *f, lin_addr address)
{
    return ram32(f, (address >> 22 ? TOP_TABLE : TABLE) + (address >> 12 & 1023) * 4);
}

static inline void map(struct fixture *f, lin_addr address, phys_addr page, uint32_t bits)
{
    *pte_of(f, address) = (uint32_t)page | bits;
}

static inline void map_pae(struct fixture *f, lin_addr address, phys_addr page, uint64_t bits)
{
    *ram64(f, PAE_TABLE + (address >> 12 & 511) * 8) = page | bits;
}

static inline void use_32_bit(struct fixture *f)
{
    f->paging = (struct mmu_paging){.paging = true, .pse = true, .pge = true, .wp = true, .cr3 = DIRECTORY};
    mmu_set_paging(&f->mmu, &f->paging);
}

static inline void use_pae(struct fixture *f)
{
    f->paging = (struct mmu_paging){.paging = true, .pae = true, .pge = true, .wp = true, .nxe = true, .cr3 = PDPT};
    assert_true(mmu_load_pdptes(&f->mmu, PDPT, f->paging.pdpte));
    mmu_set_paging(&f->mmu, &f->paging);
}

static inline void reload_cr3(struct fixture *f)
{
    mmu_set_paging(&f->mmu, &f->paging);
}

static inline void setup_machine(struct fixture *f)
{
    f->phys = phys_create(RAM_BYTES);
    assert_non_null(f->phys);
    memset(f->rom, 0xc3, sizeof f->rom);
    phys_map_ram(f->phys, 0, RAM_BYTES, 0);
    phys_map_mmio(f->phys, DEVICE, 0x1000, &device_ops, &f->device);
    phys_map_rom(f->phys, ROM, sizeof f->rom, f->rom);
    mmu_init(&f->mmu, f->phys);
    f->mmu.page_fault = on_page_fault;
    f->mmu.debug_access = on_debug_access;
    f->mmu.opaque = f;
    phys_on_remap(f->phys, on_remap, f);
    phys_on_watched_write(f->phys, on_written, f);
    *ram32(f, DIRECTORY) = TABLE | URW;
    *ram32(f, DIRECTORY + 1023 * 4) = TOP_TABLE | URW;
    *ram64(f, PAE_DIRECTORY) = PAE_TABLE | URW;
    *ram64(f, PDPT) = PAE_DIRECTORY | P;
    for (unsigned i = 0; i < 0x40; i++)
        *ram32(f, FRAMES + i * 0x1000) = 0xf0f00000 + i;
    use_32_bit(f);
}

static inline int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    if (!f)
        return -1;
    setup_machine(f);
    *state = f;
    return 0;
}

static inline int teardown(void **state)
{
    struct fixture *f = *state;
    phys_destroy(f->phys);
    free(f);
    return 0;
}

/* ---- a guest at random ---- */

enum { RANDOM_PAGES = 12, RANDOM_FIRST = 0x10000 };

/* It maps its pages anew, always with INVLPG; pages become watched, and everything is flushed. */
struct random_guest {
    uint32_t seed;
    uint32_t bits[RANDOM_PAGES], frame[RANDOM_PAGES];
    unsigned page, view, what; /* of this step; `what` below 16 */
};

static inline uint32_t next_random(struct random_guest *g)
{
    g->seed = g->seed * 1664525 + 1013904223;
    return g->seed >> 8;
}

static inline lin_addr random_address(unsigned page)
{
    return RANDOM_FIRST + page * 0x1000;
}

/* True if the step is an access, to g->page in g->view, that will not fault. */
static inline bool random_step(struct fixture *f, struct random_guest *g)
{
    const unsigned i = g->page = next_random(g) % RANDOM_PAGES;

    g->view = next_random(g) & 1;
    g->what = next_random(g) % 16;
    if (g->what == 0) {
        g->bits[i] = next_random(g) % 8 ? P | (next_random(g) & (RW | US | G)) : 0;
        g->frame[i] = FRAMES + next_random(g) % 6 * 0x1000;
        map(f, random_address(i), g->frame[i], g->bits[i]);
        mmu_flush_page(&f->mmu, random_address(i));
    } else if (g->what == 1) {
        const phys_addr page = FRAMES + next_random(g) % 6 * 0x1000;

        phys_watch(f->phys, page, !phys_is_watched(f->phys, page));
        mmu_rewatch(&f->mmu, page);
    } else if (g->what == 2 && next_random(g) % 16 == 0) {
        reload_cr3(f);
    } else if (g->what == 3 && next_random(g) % 16 == 0) {
        mmu_flush(&f->mmu);
    } else {
        return (g->bits[i] & P) && (g->view == MMU_SUPERVISOR || (g->bits[i] & US));
    }
    return false;
}

#endif
