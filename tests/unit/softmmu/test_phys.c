/* softmmu/phys: mappings, splitting, watches, the A20 gate and DMA. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "hw/core/log.h"
#include "softmmu/phys.h"

#define MIB ((uint64_t)1 << 20)

/* A device that notes each access and answers with a value that tells offset and width. */
struct probe {
    struct phys *phys;
    unsigned n;
    struct {
        bool is_write;
        uint32_t offset, value;
        unsigned width;
    } seen[64];
    phys_addr unmap_base; /* when not 0: unmaps 16 bytes there as soon as it is touched */
};

static uint32_t probe_answer(uint32_t offset, unsigned width)
{
    uint32_t value = 0;
    for (unsigned i = 0; i < width; i++)
        value |= ((0x40 + offset + i) & 0xff) << (8 * i);
    return value;
}

static void probe_note(struct probe *probe, bool is_write, uint32_t offset, uint32_t value, unsigned width)
{
    assert_true(probe->n < 64);
    probe->seen[probe->n].is_write = is_write;
    probe->seen[probe->n].offset = offset;
    probe->seen[probe->n].value = value;
    probe->seen[probe->n].width = width;
    probe->n++;
    if (probe->unmap_base)
        phys_unmap(probe->phys, probe->unmap_base, 16);
}

static uint32_t probe_read(void *self, uint32_t offset, unsigned width)
{
    probe_note(self, false, offset, 0, width);
    return probe_answer(offset, width);
}

static void probe_write(void *self, uint32_t offset, uint32_t value, unsigned width)
{
    probe_note(self, true, offset, value, width);
}

static const struct bus_ops probe8 = {.name = "probe8", .read = probe_read, .write = probe_write};
static const struct bus_ops probe16 = {.name = "probe16", .read = probe_read, .write = probe_write, .max_width = 2};
static const struct bus_ops probe32 = {.name = "probe32", .read = probe_read, .write = probe_write, .max_width = 4};

static void assert_seen(const struct probe *probe, unsigned i, bool is_write, uint32_t offset, unsigned width)
{
    assert_true(i < probe->n);
    assert_int_equal(probe->seen[i].is_write, is_write);
    assert_int_equal(probe->seen[i].offset, offset);
    assert_int_equal(probe->seen[i].width, width);
}

struct remaps {
    unsigned n, of_memory;
};

static void count_call(void *opaque, bool was_memory)
{
    struct remaps *remaps = opaque;

    remaps->n++;
    remaps->of_memory += was_memory;
}

struct writes {
    unsigned n;
    phys_addr address[16];
    unsigned len_bytes[16];
};

static void note_write(void *opaque, phys_addr address, unsigned len_bytes)
{
    struct writes *writes = opaque;
    assert_true(writes->n < 16);
    writes->address[writes->n] = address;
    writes->len_bytes[writes->n++] = len_bytes;
}

static int setup(void **state)
{
    *state = phys_create(4 * MIB);
    return *state ? 0 : -1;
}

static int teardown(void **state)
{
    phys_destroy(*state);
    return 0;
}

static void odd_ram_sizes_are_refused(void **state)
{
    static const uint64_t bad[] = {0, 1, 4095, 4097, (uint64_t)1 << 37};
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        errno = 0;
        assert_null(phys_create(bad[i]));
        assert_int_equal(errno, EINVAL);
    }
}

static void ram_starts_as_zero_and_is_mapped_nowhere(void **state)
{
    struct phys *phys = *state;
    assert_int_equal(phys_ram_bytes(phys), 4 * MIB);
    assert_int_equal(*phys_ram_host(phys, 4 * MIB - 1), 0);
    assert_null(phys_ram_host(phys, 4 * MIB));
    assert_int_equal(phys_lookup(phys, 0).kind, PHYS_UNMAPPED);
    assert_true(phys_read(phys, 0x1234, 8) == UINT64_MAX);
    phys_map_ram(phys, 0, 4 * MIB, 0);
    assert_int_equal(phys_lookup(phys, 4 * MIB - 1).kind, PHYS_RAM);
    assert_ptr_equal(phys_lookup(phys, 0x1fff).host, phys_ram_host(phys, 0x1000));
    assert_int_equal(phys_read(phys, 0x1234, 8), 0);
    assert_int_equal(phys_lookup(phys, 4 * MIB).kind, PHYS_UNMAPPED);
}

static void every_width_and_alignment_reads_back(void **state)
{
    struct phys *phys = *state;
    phys_map_ram(phys, 0, 0x1000, 0x5000); /* two neighbours that are none in host memory */
    phys_map_ram(phys, 0x1000, 0x1000, 0x2000);
    uint8_t model[0x2000] = {0};
    for (unsigned width = 1; width <= 8; width *= 2) {
        for (phys_addr address = 0xff0; address < 0x1010; address++) {
            uint64_t value = 0x0123456789abcdef * (address + width);
            phys_write(phys, address, value, width);
            memcpy(model + address, &value, width);
            uint64_t expected = 0;
            memcpy(&expected, model + address, width);
            assert_true(phys_read(phys, address, width) == expected);
        }
    }
    assert_memory_equal(model, phys_ram_host(phys, 0x5000), 0x1000);
    assert_memory_equal(model + 0x1000, phys_ram_host(phys, 0x2000), 0x1000);
}

static void rom_ignores_guest_writes_and_takes_pokes(void **state)
{
    struct phys *phys = *state;
    uint8_t rom[0x2000];
    memset(rom, 0xc3, sizeof rom);
    phys_map_rom(phys, 0xfffe0000, sizeof rom, rom);
    assert_int_equal(phys_lookup(phys, 0xfffe1004).kind, PHYS_ROM);
    assert_ptr_equal(phys_lookup(phys, 0xfffe1004).host, rom + 0x1000);
    phys_write(phys, 0xfffe0ffe, 0, 4);
    assert_int_equal(phys_read(phys, 0xfffe0ffe, 4), 0xc3c3c3c3);
    uint32_t poked = 0x11223344;
    phys_poke(phys, 0xfffe0ffe, &poked, sizeof poked);
    assert_int_equal(phys_read(phys, 0xfffe0ffe, 4), 0x11223344);
}

static void readonly_ram_reads_ram_and_ignores_guest_writes(void **state)
{
    struct phys *phys = *state;
    phys_map_ram(phys, 0, MIB, 0);
    phys_write(phys, 0xf0000, 0x55, 1);
    phys_map_ram_readonly(phys, 0xf0000, 0x10000, 0xf0000);
    assert_int_equal(phys_lookup(phys, 0xf0000).kind, PHYS_ROM);
    phys_write(phys, 0xf0000, 0xaa, 1);
    assert_int_equal(phys_read(phys, 0xf0000, 1), 0x55);
    phys_map_ram(phys, 0xf0000, 0x10000, 0xf0000);
    phys_write(phys, 0xf0000, 0xaa, 1);
    assert_int_equal(phys_read(phys, 0xf0000, 1), 0xaa);
}

static void ram_mappings_are_clipped_to_ram_and_to_the_bus(void **state)
{
    struct phys *phys = *state;
    phys_map_ram(phys, 0, 64 * MIB, 3 * MIB);
    assert_int_equal(phys_lookup(phys, MIB - 1).kind, PHYS_RAM);
    assert_int_equal(phys_lookup(phys, MIB).kind, PHYS_UNMAPPED);
    phys_map_ram(phys, 2 * MIB, MIB, 4 * MIB);
    assert_int_equal(phys_lookup(phys, 2 * MIB).kind, PHYS_UNMAPPED);
    phys_map_ram(phys, 0xffffff000, 0x2000, 0);
    assert_int_equal(phys_lookup(phys, 0xfffffffff).kind, PHYS_RAM);
    assert_int_equal(phys_lookup(phys, 0x1000000000).kind, PHYS_UNMAPPED);
    phys_map_ram(phys, UINT64_MAX, UINT64_MAX, 0);
    phys_unmap(phys, 0x1000, UINT64_MAX);
    assert_int_equal(phys_lookup(phys, 0).kind, PHYS_RAM);
    assert_int_equal(phys_lookup(phys, 0x1000).kind, PHYS_UNMAPPED);
    assert_int_equal(phys_lookup(phys, 0xfffffffff).kind, PHYS_UNMAPPED);
}

static void mmio_is_split_to_the_widest_piece_the_device_takes(void **state)
{
    struct phys *phys = *state;
    struct probe probe = {.phys = phys};
    static const struct bus_ops *const ops[] = {&probe8, &probe16, &probe32};
    for (unsigned kind = 0; kind < 3; kind++) {
        const unsigned max = 1u << kind;
        phys_map_mmio(phys, 0xe0000000, 0x1000, ops[kind], &probe);
        for (unsigned width = 1; width <= 8; width *= 2) {
            const unsigned step = width < max ? width : max;
            probe.n = 0;
            uint64_t value = phys_read(phys, 0xe0000003, width);
            assert_int_equal(probe.n, width / step);
            for (unsigned i = 0; i < probe.n; i++)
                assert_seen(&probe, i, false, 3 + i * step, step);
            for (unsigned i = 0; i < width; i++)
                assert_int_equal((uint8_t)(value >> (8 * i)), 0x43 + i);
            probe.n = 0;
            phys_write(phys, 0xe0000010, 0x8877665544332211, width);
            assert_int_equal(probe.n, width / step);
            for (unsigned i = 0; i < probe.n; i++) {
                assert_seen(&probe, i, true, 0x10 + i * step, step);
                uint32_t mask = step == 4 ? UINT32_MAX : (1u << (8 * step)) - 1;
                assert_int_equal(probe.seen[i].value, (uint32_t)(0x8877665544332211 >> (8 * i * step)) & mask);
            }
        }
    }
}

static void an_access_that_straddles_ranges_goes_to_each_its_part(void **state)
{
    struct phys *phys = *state;
    struct probe low = {.phys = phys}, high = {.phys = phys};
    phys_map_ram(phys, 0, MIB, 0);
    phys_map_mmio(phys, 0x8010, 0x10, &probe32, &low);
    phys_map_mmio(phys, 0x8020, 0x10, &probe16, &high);
    memset(phys_ram_host(phys, 0x8000), 0x77, 0x1000);
    assert_int_equal(phys_lookup(phys, 0x8000).kind, PHYS_MMIO);

    assert_true(phys_read(phys, 0x801d, 8) == 0x44434241404f4e4d);
    assert_int_equal(low.n, 2); /* three bytes: a word and a byte */
    assert_seen(&low, 0, false, 0xd, 2);
    assert_seen(&low, 1, false, 0xf, 1);
    assert_int_equal(high.n, 3);
    assert_seen(&high, 0, false, 0, 2);
    assert_seen(&high, 1, false, 2, 2);
    assert_seen(&high, 2, false, 4, 1);

    low.n = high.n = 0;
    phys_write(phys, 0x800e, 0xddccbbaa, 4); /* two bytes of RAM, two of the device */
    assert_int_equal(*phys_ram_host(phys, 0x800e), 0xaa);
    assert_int_equal(*phys_ram_host(phys, 0x800f), 0xbb);
    assert_int_equal(*phys_ram_host(phys, 0x8010), 0x77);
    assert_int_equal(low.n, 1);
    assert_seen(&low, 0, true, 0, 2);
    assert_int_equal(low.seen[0].value, 0xddcc);
    assert_int_equal(phys_read(phys, 0x802f, 2) >> 8, 0x77); /* RAM goes on behind the second range */
}

static void partial_pages_come_together_again(void **state)
{
    struct phys *phys = *state;
    struct probe probe = {.phys = phys};
    phys_map_ram(phys, 0, MIB, 0);
    phys_map_mmio(phys, 0x8100, 0x100, &probe8, &probe);
    assert_int_equal(phys_lookup(phys, 0x8000).kind, PHYS_MMIO);
    phys_unmap(phys, 0x8100, 0x100); /* uncovers nothing */
    assert_int_equal(phys_read(phys, 0x8100, 1), 0xff);
    assert_int_equal(phys_read(phys, 0x80ff, 1), 0);
    phys_map_ram(phys, 0x8100, 0x80, 0x8100);
    phys_map_ram(phys, 0x8180, 0x80, 0x8180);
    assert_int_equal(phys_lookup(phys, 0x8000).kind, PHYS_RAM);
    assert_int_equal(probe.n, 0);
}

/* Every byte of a page and of its neighbours is compared with a list of what was mapped last. */
static void random_small_mappings_match_a_byte_map(void **state)
{
    struct phys *phys = *state;
    enum { BYTES = 3 * 4096 };
    static uint8_t owner[BYTES]; /* 0 nothing, 1 RAM, 2.. a probe */
    static uint16_t offset[BYTES];
    struct probe probe[4] = {0};
    memset(owner, 0, sizeof owner);
    memset(phys_ram_host(phys, 0), 0x99, BYTES);
    srand(7);
    for (unsigned round = 0; round < 300; round++) {
        unsigned base = (unsigned)rand() % BYTES, size = 1 + (unsigned)rand() % (round % 2 ? 64 : 6000);
        if (size > BYTES - base)
            size = BYTES - base;
        unsigned kind = (unsigned)rand() % 6;
        if (kind == 0)
            phys_unmap(phys, 0x10000 + base, size);
        else if (kind == 1)
            phys_map_ram(phys, 0x10000 + base, size, base);
        else
            phys_map_mmio(phys, 0x10000 + base, size, &probe8, &probe[kind - 2]);
        for (unsigned i = 0; i < size; i++) {
            owner[base + i] = (uint8_t)kind;
            offset[base + i] = (uint16_t)i;
        }
        for (unsigned i = 0; i < BYTES; i += 1 + (unsigned)rand() % 5) {
            for (unsigned k = 0; k < 4; k++)
                probe[k].n = 0;
            uint8_t value = (uint8_t)phys_read(phys, 0x10000 + i, 1);
            if (owner[i] < 2) {
                assert_int_equal(value, owner[i] ? 0x99 : 0xff);
            } else {
                assert_int_equal(probe[owner[i] - 2].n, 1);
                assert_seen(&probe[owner[i] - 2], 0, false, offset[i], 1);
            }
        }
    }
}

static void a_device_may_unmap_itself_while_it_is_accessed(void **state)
{
    struct phys *phys = *state;
    struct probe probe = {.phys = phys, .unmap_base = 0xe0000000};
    phys_map_mmio(phys, 0xe0000000, 16, &probe8, &probe);
    assert_int_equal(phys_read(phys, 0xe0000000, 4), 0x43424140);
    assert_int_equal(probe.n, 4);
    assert_int_equal(phys_read(phys, 0xe0000000, 4), 0xffffffff);
    assert_int_equal(probe.n, 4);
}

static void each_remap_calls_back(void **state)
{
    struct phys *phys = *state;
    struct probe probe = {0};
    uint8_t rom[16] = {0};
    struct remaps calls = {0};
    phys_on_remap(phys, count_call, &calls);
    phys_map_ram(phys, 0, MIB, 0);
    phys_map_ram_readonly(phys, 0, 0x1000, 0);
    phys_map_rom(phys, 0x2000, sizeof rom, rom);
    phys_map_mmio(phys, 0x3000, 4, &probe8, &probe);
    phys_unmap(phys, 0x3000, 4);
    assert_int_equal(calls.n, 5);
    phys_set_a20(phys, true); /* already on */
    assert_int_equal(calls.n, 5);
    phys_set_a20(phys, false);
    assert_int_equal(calls.n, 6);
    phys_unmap(phys, 0x5000, 0);
    assert_int_equal(calls.n, 6);
}

static void a_remap_tells_whether_memory_was_there(void **state)
{
    struct phys *phys = *state;
    struct probe probe = {0};
    uint8_t rom[16] = {0};
    struct remaps calls = {0};
    phys_map_ram(phys, 0, MIB, 0);
    phys_on_remap(phys, count_call, &calls);
    phys_map_mmio(phys, 0xe0000000, 0x3000, &probe8, &probe); /* over nothing */
    phys_unmap(phys, 0xe0001000, 0x1000);                      /* a device */
    phys_map_rom(phys, 0xe0001000, sizeof rom, rom);           /* over nothing */
    phys_map_mmio(phys, MIB, 0x1000, &probe8, &probe);
    assert_int_equal(calls.of_memory, 0);
    phys_map_mmio(phys, MIB - 0x1000, 0x2000, &probe8, &probe); /* the first of two pages */
    assert_int_equal(calls.of_memory, 1);
    phys_map_ram_readonly(phys, 0x1000, 0x1000, 0x1000);
    phys_map_ram(phys, 0x1000, 0x1000, 0x1000);
    phys_unmap(phys, 0xe0001000, sizeof rom);
    phys_unmap(phys, 0x2000, 16);
    assert_int_equal(calls.of_memory, 4); /* a page shared by several is none */
    phys_set_a20(phys, false);
    assert_int_equal(calls.of_memory, 5);
    assert_int_equal(calls.n, 10);
}

static void a20_off_clears_bit_20_of_cpu_addresses_only(void **state)
{
    struct phys *phys = *state;
    const struct bus_memory *bus = phys_bus_memory();
    phys_map_ram(phys, 0, 4 * MIB, 0);
    *phys_ram_host(phys, 0) = 0x11;
    *phys_ram_host(phys, MIB) = 0x22;
    *phys_ram_host(phys, 2 * MIB) = 0x33;
    assert_true(phys_a20(phys));
    assert_int_equal(phys_gate(phys, MIB), MIB);
    assert_int_equal(phys_read(phys, MIB, 1), 0x22);
    phys_set_a20(phys, false);
    assert_false(phys_a20(phys));
    assert_int_equal(phys_gate(phys, 0x7fffff), 0x6fffff);
    assert_int_equal(phys_gate(phys, 0x5fffffffff), 0xfffefffff);
    assert_int_equal(phys_read(phys, MIB, 1), 0x11);
    assert_int_equal(phys_read(phys, MIB - 1, 2), 0x1100); /* runs into bit 20 */
    assert_int_equal(phys_read(phys, 3 * MIB, 1), 0x33);
    uint8_t byte = 0;
    assert_true(bus->dma_read(phys, MIB, &byte, 1));
    assert_int_equal(byte, 0x22);
    phys_peek(phys, MIB, &byte, 1);
    assert_int_equal(byte, 0x22);
    phys_write(phys, MIB, 0x44, 1);
    assert_int_equal(*phys_ram_host(phys, 0), 0x44);
    phys_set_a20(phys, true);
    assert_int_equal(phys_read(phys, MIB, 1), 0x22);
}

static void unmapped_reads_are_ones_and_logged_once_per_page(void **state)
{
    struct phys *phys = *state;
    char path[] = "test_phys_log_XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_true(log_open(path));
    uint32_t saved = log_mask;
    log_mask = LOG_UNIMP;
    for (unsigned i = 0; i < 3; i++) {
        assert_true(phys_read(phys, 0xd0000000, 8) == UINT64_MAX);
        assert_int_equal(phys_read(phys, 0xd0000ffc, 4), UINT32_MAX);
        phys_write(phys, 0xd0000ffe, 0, 4); /* runs into the next page: the second line */
    }
    log_mask = 0;
    phys_read(phys, 0xd0007000, 1);
    log_mask = saved;
    fflush(NULL);
    char text[4096];
    ssize_t got = read(fd, text, sizeof text);
    unsigned lines = 0;
    for (ssize_t i = 0; i < got; i++)
        lines += text[i] == '\n';
    close(fd);
    unlink(path);
    assert_int_equal(lines, 2);
}

static void a_watched_page_reports_every_writer(void **state)
{
    struct phys *phys = *state;
    struct writes writes = {0};
    phys_map_ram(phys, 0, MIB, 0);
    phys_on_watched_write(phys, note_write, &writes);
    phys_watch(phys, 0x5678, true);
    assert_true(phys_is_watched(phys, 0x5000));
    assert_true(phys_is_watched(phys, 0x5fff));
    assert_false(phys_is_watched(phys, 0x6000));

    phys_write(phys, 0x4ffc, 0, 4);
    phys_write(phys, 0x6000, 0, 4);
    phys_read(phys, 0x5000, 8);
    assert_int_equal(writes.n, 0);
    phys_write(phys, 0x4ffe, 0x11223344, 4);
    assert_int_equal(writes.n, 1);
    assert_int_equal(writes.address[0], 0x5000);
    assert_int_equal(writes.len_bytes[0], 2);
    assert_int_equal(*phys_ram_host(phys, 0x5000), 0x22);
    uint8_t bytes[0x3000] = {0};
    phys_poke(phys, 0x4000, bytes, sizeof bytes);
    assert_true(phys_bus_memory()->dma_write(phys, 0x5ffe, bytes, 4));
    phys_note_write(phys, 0x4ff0, 0x20);
    assert_int_equal(writes.n, 4);
    assert_int_equal(writes.address[1], 0x5000);
    assert_int_equal(writes.len_bytes[1], 0x1000);
    assert_int_equal(writes.address[2], 0x5ffe);
    assert_int_equal(writes.len_bytes[2], 2);
    assert_int_equal(writes.address[3], 0x5000);
    assert_int_equal(writes.len_bytes[3], 0x10);
    phys_watch(phys, 0x5000, false);
    phys_write(phys, 0x5000, 0, 8);
    assert_int_equal(writes.n, 4);
}

static void a_watch_survives_a_remap_of_its_page(void **state)
{
    struct phys *phys = *state;
    struct writes writes = {0};
    phys_map_ram(phys, 0, MIB, 0);
    phys_on_watched_write(phys, note_write, &writes);
    phys_watch(phys, 0xf0000, true);
    phys_map_ram_readonly(phys, 0xf0000, 0x10000, 0xf0000);
    phys_write(phys, 0xf0000, 1, 1); /* changes nothing, so there is nothing to report */
    assert_int_equal(writes.n, 0);
    phys_map_ram(phys, 0xf0000, 0x10000, 0xf0000);
    phys_write(phys, 0xf0000, 1, 1);
    assert_int_equal(writes.n, 1);
}

static void watching_nothing_is_harmless(void **state)
{
    struct phys *phys = *state;
    phys_watch(phys, 0x5000, true);
    phys_watch(phys, UINT64_MAX, true);
    assert_false(phys_is_watched(phys, 0x5000));
    assert_false(phys_is_watched(phys, UINT64_MAX));
    phys_note_write(phys, UINT64_MAX - 2, 8);
}

static void dma_reaches_ram_alone(void **state)
{
    struct phys *phys = *state;
    const struct bus_memory *bus = phys_bus_memory();
    struct probe probe = {0};
    uint8_t rom[0x1000] = {0};
    phys_map_ram(phys, 0, 0x1000, 0);
    phys_map_ram_readonly(phys, 0x1000, 0x1000, 0x1000);
    bus->map_mmio(phys, 0x2000, 0x1000, &probe32, &probe);
    phys_map_rom(phys, 0x3000, 0x1000, rom);
    *phys_ram_host(phys, 0xfff) = 0x12;
    *phys_ram_host(phys, 0x1000) = 0x34;

    uint8_t got[4];
    assert_true(bus->dma_read(phys, 0xffe, got, 4));
    assert_int_equal(got[1], 0x12);
    assert_int_equal(got[2], 0x34);
    assert_false(bus->dma_read(phys, 0x1ffe, got, 4));
    assert_int_equal(got[1], 0);
    assert_int_equal(got[2], 0xff);
    assert_false(bus->dma_read(phys, 0x3000, got, 1));
    assert_int_equal(got[0], 0xff);
    assert_false(bus->dma_write(phys, 0xffe, "abcd", 4)); /* half of it lies in read-only RAM */
    assert_memory_equal(phys_ram_host(phys, 0xffe), "ab\x34", 3);
    assert_false(bus->dma_write(phys, 0x2ffe, "abcd", 4));
    assert_int_equal(rom[0], 0);
    assert_int_equal(probe.n, 0);
    bus->unmap(phys, 0, 0x1000);
    assert_false(bus->dma_read(phys, 0, got, 1));
}

static void dma_beyond_the_bus_ends_quietly(void **state)
{
    struct phys *phys = *state;
    const struct bus_memory *bus = phys_bus_memory();
    static uint8_t buffer[0x10000];
    phys_map_ram(phys, 0, MIB, 0);
    *phys_ram_host(phys, 0) = 0x12;
    memset(buffer, 0, sizeof buffer);
    assert_false(bus->dma_read(phys, 0xffffff000, buffer, sizeof buffer));
    assert_int_equal(buffer[0], 0xff);
    assert_int_equal(buffer[sizeof buffer - 1], 0xff);
    assert_false(bus->dma_read(phys, UINT64_MAX - 1, buffer, 16)); /* no wrap to address 0 */
    assert_int_equal(buffer[2], 0xff);
    assert_false(bus->dma_write(phys, UINT64_MAX - 1, buffer, 16));
    assert_int_equal(*phys_ram_host(phys, 0), 0x12);
}

static void peek_has_no_side_effects(void **state)
{
    struct phys *phys = *state;
    struct probe probe = {0};
    phys_map_ram(phys, 0, 0x1000, 0);
    phys_map_mmio(phys, 0x1000, 0x1000, &probe32, &probe);
    uint8_t got[4] = {0};
    phys_peek(phys, 0xffe, got, 4);
    assert_memory_equal(got, "\0\0\xff\xff", 4);
    phys_poke(phys, 0xffe, "abcd", 4);
    assert_memory_equal(phys_ram_host(phys, 0xffe), "ab", 2);
    assert_int_equal(probe.n, 0);
}

static void mappings_can_be_moved_forever(void **state)
{
    struct phys *phys = *state;
    struct probe probe = {0};
    for (unsigned i = 0; i < 20000; i++) {
        phys_addr base = 0xe0000000 + (phys_addr)(i % 7) * 0x18;
        phys_map_mmio(phys, base, 0x20, &probe8, &probe);
        if (i % 3 == 0)
            phys_unmap(phys, base + 8, 0x40);
    }
    phys_unmap(phys, 0xe0000000, 0x1000);
    assert_int_equal(phys_lookup(phys, 0xe0000000).kind, PHYS_UNMAPPED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(odd_ram_sizes_are_refused),
        cmocka_unit_test_setup_teardown(ram_starts_as_zero_and_is_mapped_nowhere, setup, teardown),
        cmocka_unit_test_setup_teardown(every_width_and_alignment_reads_back, setup, teardown),
        cmocka_unit_test_setup_teardown(rom_ignores_guest_writes_and_takes_pokes, setup, teardown),
        cmocka_unit_test_setup_teardown(readonly_ram_reads_ram_and_ignores_guest_writes, setup, teardown),
        cmocka_unit_test_setup_teardown(ram_mappings_are_clipped_to_ram_and_to_the_bus, setup, teardown),
        cmocka_unit_test_setup_teardown(mmio_is_split_to_the_widest_piece_the_device_takes, setup, teardown),
        cmocka_unit_test_setup_teardown(an_access_that_straddles_ranges_goes_to_each_its_part, setup, teardown),
        cmocka_unit_test_setup_teardown(partial_pages_come_together_again, setup, teardown),
        cmocka_unit_test_setup_teardown(random_small_mappings_match_a_byte_map, setup, teardown),
        cmocka_unit_test_setup_teardown(a_device_may_unmap_itself_while_it_is_accessed, setup, teardown),
        cmocka_unit_test_setup_teardown(each_remap_calls_back, setup, teardown),
        cmocka_unit_test_setup_teardown(a_remap_tells_whether_memory_was_there, setup, teardown),
        cmocka_unit_test_setup_teardown(a20_off_clears_bit_20_of_cpu_addresses_only, setup, teardown),
        cmocka_unit_test_setup_teardown(unmapped_reads_are_ones_and_logged_once_per_page, setup, teardown),
        cmocka_unit_test_setup_teardown(a_watched_page_reports_every_writer, setup, teardown),
        cmocka_unit_test_setup_teardown(a_watch_survives_a_remap_of_its_page, setup, teardown),
        cmocka_unit_test_setup_teardown(watching_nothing_is_harmless, setup, teardown),
        cmocka_unit_test_setup_teardown(dma_reaches_ram_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(dma_beyond_the_bus_ends_quietly, setup, teardown),
        cmocka_unit_test_setup_teardown(peek_has_no_side_effects, setup, teardown),
        cmocka_unit_test_setup_teardown(mappings_can_be_moved_forever, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
