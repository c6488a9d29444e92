/* Firmware configuration device: data port, directory and DMA. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "hw/pc/fw_cfg.h"
#include "tests/unit/hw/pci/fake_board.h"

struct rig {
    struct fake_board *board;
    struct fw_cfg *fw;
};

static int setup(void **state)
{
    struct rig *rig = calloc(1, sizeof *rig);

    rig->board = fake_board_create();
    rig->fw = fw_cfg_create(rig->board->bus);
    bus_map_ports(rig->board->bus, 0x510, 12, &fw_cfg_ports, rig->fw);
    *state = rig;
    return 0;
}

static int teardown(void **state)
{
    struct rig *rig = *state;

    fw_cfg_destroy(rig->fw);
    fake_board_destroy(rig->board);
    free(rig);
    return 0;
}

static void select_key(struct rig *rig, uint16_t key)
{
    bus_out(rig->board->bus, 0x510, key, 2);
}

static uint8_t next_byte(struct rig *rig)
{
    return (uint8_t)bus_in(rig->board->bus, 0x511, 1);
}

static uint64_t next_le(struct rig *rig, unsigned n)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < n; i++)
        value |= (uint64_t)next_byte(rig) << 8 * i;
    return value;
}

static uint32_t next_be32(struct rig *rig)
{
    return __builtin_bswap32((uint32_t)next_le(rig, 4));
}

static void put_be32(uint8_t *at, uint32_t value)
{
    value = __builtin_bswap32(value);
    memcpy(at, &value, 4);
}

static uint32_t get_be32(const uint8_t *at)
{
    uint32_t value;

    memcpy(&value, at, 4);
    return __builtin_bswap32(value);
}

/* Runs one DMA access whose descriptor lies at 100 in RAM; returns the control word afterwards. */
static uint32_t dma(struct rig *rig, uint32_t control, uint32_t length, uint64_t address)
{
    uint8_t *access = rig->board->ram + 0x100;

    put_be32(access, control);
    put_be32(access + 4, length);
    put_be32(access + 8, (uint32_t)(address >> 32));
    put_be32(access + 12, (uint32_t)address);
    bus_out(rig->board->bus, 0x514, 0, 4);
    bus_out(rig->board->bus, 0x518, __builtin_bswap32(0x100), 4);
    return get_be32(access);
}

static void signature_and_id_are_there(void **state)
{
    struct rig *rig = *state;

    select_key(rig, FW_CFG_SIGNATURE);
    assert_int_equal(next_le(rig, 4), 0x554d4551); /* QEMU */
    select_key(rig, FW_CFG_ID);
    assert_int_equal(next_le(rig, 4), 3);
    assert_int_equal(bus_in(rig->board->bus, 0x514, 4), 0x554d4551);
    assert_int_equal(bus_in(rig->board->bus, 0x518, 4), 0x47464320); /* CFG */
}

static void integers_are_little_endian_and_replaceable(void **state)
{
    struct rig *rig = *state;

    assert_true(fw_cfg_add_i16(rig->fw, FW_CFG_NB_CPUS, 2));
    assert_true(fw_cfg_add_i64(rig->fw, FW_CFG_RAM_SIZE, 0x123456789aull));
    assert_true(fw_cfg_add_i32(rig->fw, FW_CFG_IRQ0_OVERRIDE, 1));
    assert_true(fw_cfg_add_i16(rig->fw, FW_CFG_NB_CPUS, 1));
    select_key(rig, FW_CFG_NB_CPUS);
    assert_int_equal(next_le(rig, 2), 1);
    select_key(rig, FW_CFG_RAM_SIZE);
    assert_int_equal(next_le(rig, 8), 0x123456789aull);
    select_key(rig, FW_CFG_IRQ0_OVERRIDE);
    assert_int_equal(next_le(rig, 4), 1);
    select_key(rig, 0x02); /* the generic half is another item */
    assert_int_equal(next_le(rig, 4), 0);
}

static void reading_past_the_end_gives_zeros(void **state)
{
    struct rig *rig = *state;
    uint8_t bytes[8];

    fw_cfg_add_bytes(rig->fw, FW_CFG_KERNEL_DATA, "abc", 3);
    select_key(rig, FW_CFG_KERNEL_DATA);
    assert_int_equal(bus_in_block(rig->board->bus, 0x511, bytes, 1, 8), 8);
    assert_memory_equal(bytes, "abc\0\0\0\0\0", 8);
    assert_int_equal(next_byte(rig), 0);
    select_key(rig, 0x1234);
    assert_int_equal(next_byte(rig), 0);
    select_key(rig, 0xffff);
    assert_int_equal(next_byte(rig), 0);
}

static void selecting_starts_the_item_again(void **state)
{
    struct rig *rig = *state;

    select_key(rig, FW_CFG_SIGNATURE);
    next_byte(rig);
    select_key(rig, FW_CFG_SIGNATURE);
    assert_int_equal(next_byte(rig), 'Q');
}

static void directory_lists_every_file(void **state)
{
    struct rig *rig = *state;
    char name[56];
    uint16_t key;

    assert_true(fw_cfg_add_file(rig->fw, "etc/e820", "0123456789", 10));
    assert_true(fw_cfg_add_file(rig->fw, "bootorder", "xyz", 3));
    assert_true(fw_cfg_add_file(rig->fw, "bootorder", "wxyz", 4));
    select_key(rig, FW_CFG_FILE_DIR);
    assert_int_equal(next_be32(rig), 2);
    assert_int_equal(next_be32(rig), 10);
    next_le(rig, 4);
    for (unsigned i = 0; i < 56; i++)
        name[i] = (char)next_byte(rig);
    assert_string_equal(name, "etc/e820");
    assert_int_equal(next_be32(rig), 4);
    key = (uint16_t)(next_byte(rig) << 8);
    key |= next_byte(rig);
    select_key(rig, key);
    assert_int_equal(next_be32(rig), 0x7778797a); /* wxyz */
}

static void a_full_or_odd_directory_is_refused(void **state)
{
    struct rig *rig = *state;
    char name[80];

    memset(name, 'n', 79);
    name[79] = '\0';
    assert_false(fw_cfg_add_file(rig->fw, name, "x", 1));
    for (unsigned i = 0; i < FW_CFG_FILE_SLOTS; i++) {
        snprintf(name, sizeof name, "file%u", i);
        assert_true(fw_cfg_add_file(rig->fw, name, "x", 1));
    }
    assert_false(fw_cfg_add_file(rig->fw, "one-more", "x", 1));
    assert_false(fw_cfg_add_bytes(rig->fw, 0x3fff, "x", 1));
}

static void dma_reads_select_and_fill_with_zeros(void **state)
{
    struct rig *rig = *state;

    memset(rig->board->ram + 0x1000, 0xcc, 16);
    fw_cfg_add_bytes(rig->fw, FW_CFG_INITRD_DATA, "initrd", 6);
    assert_int_equal(dma(rig, (uint32_t)FW_CFG_INITRD_DATA << 16 | 0x0a, 8, 0x1000), 0);
    assert_memory_equal(rig->board->ram + 0x1000, "initrd\0\0\xcc", 9);
}

static void dma_goes_on_where_the_last_one_stopped(void **state)
{
    struct rig *rig = *state;

    fw_cfg_add_bytes(rig->fw, FW_CFG_INITRD_DATA, "0123456789", 10);
    assert_int_equal(dma(rig, (uint32_t)FW_CFG_INITRD_DATA << 16 | 0x08, 0, 0), 0);
    assert_int_equal(dma(rig, 0x02, 3, 0x1000), 0);
    assert_int_equal(dma(rig, 0x04, 2, 0), 0);
    assert_int_equal(dma(rig, 0x02, 3, 0x1003), 0);
    assert_memory_equal(rig->board->ram + 0x1000, "012567", 6);
    assert_int_equal(next_byte(rig), '8');
}

static void dma_outside_ram_and_writes_report_an_error(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(dma(rig, 0x02, 4, 0xfffffffff000ull), 1);
    assert_int_equal(dma(rig, 0x02, 0xffffffff, 0x2000), 1);
    assert_int_equal(dma(rig, (uint32_t)FW_CFG_SIGNATURE << 16 | 0x18, 4, 0x1000), 1);
    bus_out(rig->board->bus, 0x514, 0xffffffff, 4); /* a descriptor that is nowhere */
    bus_out(rig->board->bus, 0x518, 0xffffffff, 4);
}

static void position_survives_save_and_load(void **state)
{
    struct rig *rig = *state;
    const struct state_desc *desc = fw_cfg_state();
    uint8_t saved[64];

    assert_in_range(state_size(desc), 1, sizeof saved);
    select_key(rig, FW_CFG_SIGNATURE);
    next_byte(rig);
    state_save(desc, rig->fw, saved);
    fw_cfg_reset(rig->fw);
    assert_int_equal(next_byte(rig), 0);
    select_key(rig, FW_CFG_ID);
    next_le(rig, 3);
    assert_true(state_load(desc, rig->fw, saved, state_size(desc)));
    fw_cfg_after_load(rig->fw);
    assert_int_equal(next_byte(rig), 'E');
}

/* A source whose byte at n is derived from n; counts its calls, and fails beyond `readable`. */
struct pattern {
    unsigned calls;
    uint32_t readable;
};

static uint8_t pattern_byte(uint32_t n)
{
    return (uint8_t)(n * 7 + (n >> 8));
}

static bool read_pattern(void *opaque, uint32_t offset, void *out, uint32_t len_bytes)
{
    struct pattern *pattern = opaque;

    pattern->calls++;
    if (offset + len_bytes > pattern->readable)
        return false;
    for (uint32_t i = 0; i < len_bytes; i++)
        ((uint8_t *)out)[i] = pattern_byte(offset + i);
    return true;
}

static void a_source_is_read_in_pieces_and_again_after_selecting(void **state)
{
    struct rig *rig = *state;
    struct pattern pattern = {.readable = UINT32_MAX};

    assert_true(fw_cfg_add_source(rig->fw, FW_CFG_KERNEL_DATA, (struct fw_cfg_source){.read = read_pattern, .opaque = &pattern}, 50000));
    for (unsigned pass = 0; pass < 2; pass++) {
        select_key(rig, FW_CFG_KERNEL_DATA);
        for (uint32_t n = 0; n < 50000; n++)
            assert_int_equal(next_byte(rig), pattern_byte(n));
        assert_int_equal(next_byte(rig), 0);
    }
    assert_true(pattern.calls < 20);
    assert_true(fw_cfg_add_bytes(rig->fw, FW_CFG_KERNEL_DATA, "x", 1));
    select_key(rig, FW_CFG_KERNEL_DATA);
    assert_int_equal(next_byte(rig), 'x');
}

static void a_source_that_cannot_be_read_gives_zeros(void **state)
{
    struct rig *rig = *state;
    struct pattern pattern = {.readable = 16384};

    assert_true(fw_cfg_add_source(rig->fw, FW_CFG_KERNEL_DATA, (struct fw_cfg_source){.read = read_pattern, .opaque = &pattern}, 20000));
    select_key(rig, FW_CFG_KERNEL_DATA);
    for (uint32_t n = 0; n < 20000; n++)
        assert_int_equal(next_byte(rig), n < 16384 ? pattern_byte(n) : 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(signature_and_id_are_there),
        T(integers_are_little_endian_and_replaceable),
        T(reading_past_the_end_gives_zeros),
        T(selecting_starts_the_item_again),
        T(directory_lists_every_file),
        T(a_full_or_odd_directory_is_refused),
        T(dma_reads_select_and_fill_with_zeros),
        T(dma_goes_on_where_the_last_one_stopped),
        T(dma_outside_ram_and_writes_report_an_error),
        T(position_survives_save_and_load),
        T(a_source_is_read_in_pieces_and_again_after_selecting),
        T(a_source_that_cannot_be_read_gives_zeros),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
