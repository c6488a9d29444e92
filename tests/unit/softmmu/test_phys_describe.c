/* The physical map in words: where each thing begins and ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "softmmu/phys.h"

#define RAM_BYTES (4u << 20)

static const struct bus_ops card = {.name = "card"};

struct map {
    struct phys *phys;
    _Alignas(4096) uint8_t rom[8192];
};

static struct map map;

static int setup(void **state)
{
    map.phys = phys_create(RAM_BYTES);
    phys_map_ram(map.phys, 0, 0xa0000, 0);
    phys_map_mmio(map.phys, 0xa0000, 0x20000, &card, NULL);
    phys_map_ram_readonly(map.phys, 0xc0000, 0x40000, 0xc0000);
    phys_map_ram(map.phys, 0x100000, RAM_BYTES - 0x100000, 0x100000);
    phys_map_mmio(map.phys, 0xfe000010, 0x20, &card, NULL);
    phys_map_mmio(map.phys, 0xfe002000, 0x1000, &card, NULL);
    phys_map_mmio(map.phys, 0xfe003000, 0x1000, &card, NULL);
    phys_map_rom(map.phys, 0xffffe000, sizeof map.rom, map.rom);
    return 0;
}

static int teardown(void **state)
{
    phys_destroy(map.phys);
    return 0;
}

static void check(phys_addr address, uint64_t len_bytes, enum phys_kind kind, const char *name, uint64_t offset)
{
    struct phys_region r = phys_describe(map.phys, address);

    assert_true(r.first == address);
    assert_true(r.len_bytes == len_bytes);
    assert_int_equal(r.kind, kind);
    if (name)
        assert_string_equal(r.name, name);
    else
        assert_null(r.name);
    assert_true(r.offset == offset);
}

static void each_stretch_ends_where_another_thing_begins(void **state)
{
    check(0, 0xa0000, PHYS_RAM, "ram", 0);
    check(0xa0000, 0x20000, PHYS_MMIO, "card", 0);
    check(0xc0000, 0x40000, PHYS_ROM, "ram", 0xc0000);
    check(0x100000, RAM_BYTES - 0x100000, PHYS_RAM, "ram", 0x100000);
    check(RAM_BYTES, 0xfe000010 - RAM_BYTES, PHYS_UNMAPPED, NULL, 0);
    check(0xffffe000, 0x2000, PHYS_ROM, "rom", 0);
    check(0x100000000, (1ull << 36) - 0x100000000, PHYS_UNMAPPED, NULL, 0);
}

static void ranges_inside_a_page_are_seen(void **state)
{
    check(0xfe000010, 0x20, PHYS_MMIO, "card", 0);
    check(0xfe000018, 0x18, PHYS_MMIO, "card", 8);
    check(0xfe000030, 0xfe002000 - 0xfe000030ull, PHYS_UNMAPPED, NULL, 0);
}

static void a_start_inside_a_stretch_gives_the_rest_of_it(void **state)
{
    check(0xa1234, 0x20000 - 0x1234, PHYS_MMIO, "card", 0x1234);
    check(0x101010, RAM_BYTES - 0x101010, PHYS_RAM, "ram", 0x101010);
}

static void neighbours_of_one_kind_are_two_stretches(void **state)
{
    check(0xfe002000, 0x1000, PHYS_MMIO, "card", 0);
    check(0xfe003000, 0x1000, PHYS_MMIO, "card", 0);
}

static void ram_that_jumps_is_two_stretches(void **state)
{
    phys_map_ram(map.phys, 0x200000, 0x1000, 0);
    check(0x1ff000, 0x1000, PHYS_RAM, "ram", 0x1ff000);
    check(0x200000, 0x1000, PHYS_RAM, "ram", 0);
}

static void beyond_the_bus_there_is_nothing(void **state)
{
    assert_true(phys_describe(map.phys, 1ull << 36).len_bytes == 0);
    assert_true(phys_describe(map.phys, UINT64_MAX).len_bytes == 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(each_stretch_ends_where_another_thing_begins),
        TEST(ranges_inside_a_page_are_seen),
        TEST(a_start_inside_a_stretch_gives_the_rest_of_it),
        TEST(neighbours_of_one_kind_are_two_stretches),
        TEST(ram_that_jumps_is_two_stretches),
        TEST(beyond_the_bus_there_is_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
