/* -option-rom: what firmware finds in fw_cfg. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "hw/pc/option_rom.h"
#include "tests/unit/hw/pci/fake_board.h"

struct rig {
    struct fake_board *board;
    struct fw_cfg *fw;
    char folder[64], path[4][160];
    char error[300];
};

static void write_file(const char *path, unsigned first_byte, size_t len)
{
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    for (size_t i = 0; i < len; i++)
        fputc((int)(first_byte + i) & 0xff, file);
    fclose(file);
}

static int setup(void **state)
{
    static const char *const name[4] = {"a.rom", "b.rom", "c.rom", "sub/a.rom"};
    struct rig *rig = calloc(1, sizeof *rig);
    char sub[80];

    strcpy(rig->folder, "/tmp/morph86-test-XXXXXX");
    assert_non_null(mkdtemp(rig->folder));
    snprintf(sub, sizeof sub, "%s/sub", rig->folder);
    assert_int_equal(mkdir(sub, 0700), 0);
    for (unsigned i = 0; i < 4; i++) {
        snprintf(rig->path[i], sizeof rig->path[i], "%s/%s", rig->folder, name[i]);
        write_file(rig->path[i], i + 1, 512);
    }
    rig->board = fake_board_create();
    rig->fw = fw_cfg_create(rig->board->bus);
    bus_map_ports(rig->board->bus, 0x510, 12, &fw_cfg_ports, rig->fw);
    *state = rig;
    return 0;
}

static int teardown(void **state)
{
    struct rig *rig = *state;
    char sub[80];

    for (unsigned i = 0; i < 4; i++)
        unlink(rig->path[i]);
    snprintf(sub, sizeof sub, "%s/sub", rig->folder);
    rmdir(sub);
    rmdir(rig->folder);
    fw_cfg_destroy(rig->fw);
    fake_board_destroy(rig->board);
    free(rig);
    return 0;
}

/* Reads up to `size` bytes of the file `name` as firmware does; returns its length, or -1 if it is not there. */
static long read_file(struct rig *rig, const char *name, uint8_t *bytes, size_t size)
{
    struct bus *bus = rig->board->bus;
    uint8_t entry[64];
    uint32_t n = 0, len, key;

    bus_out(bus, 0x510, FW_CFG_FILE_DIR, 2);
    for (unsigned i = 0; i < 4; i++)
        n = n << 8 | bus_in(bus, 0x511, 1);
    while (n--) {
        for (unsigned i = 0; i < sizeof entry; i++)
            entry[i] = (uint8_t)bus_in(bus, 0x511, 1);
        if (strcmp((char *)entry + 8, name) != 0)
            continue;
        len = (uint32_t)entry[2] << 8 | entry[3];
        key = (uint32_t)entry[4] << 8 | entry[5];
        bus_out(bus, 0x510, key, 2);
        for (size_t i = 0; i < size; i++)
            bytes[i] = (uint8_t)bus_in(bus, 0x511, 1);
        return (long)len;
    }
    return -1;
}

static bool add(struct rig *rig, const struct option_rom *roms, unsigned n)
{
    rig->error[0] = '\0';
    return option_roms_add(rig->fw, roms, n, NULL, rig->error, sizeof rig->error);
}

static void files_keep_their_names_and_bytes(void **state)
{
    struct rig *rig = *state;
    const struct option_rom roms[] = {{rig->path[0], -1}, {rig->path[1], -1}};
    uint8_t bytes[2];

    assert_true(add(rig, roms, 2));
    assert_int_equal(read_file(rig, "genroms/a.rom", bytes, 2), 512);
    assert_int_equal(bytes[1], 2);
    assert_int_equal(read_file(rig, "genroms/b.rom", bytes, 2), 512);
    assert_int_equal(bytes[1], 3);
    assert_int_equal(read_file(rig, "bootorder", bytes, 0), -1);
}

static void the_boot_order_follows_the_indices(void **state)
{
    struct rig *rig = *state;
    const struct option_rom roms[] = {{rig->path[0], 7}, {rig->path[1], -1}, {rig->path[2], 0}};
    static const char expected[] = "/rom@genroms/first\n/rom@genroms/c.rom\n/rom@genroms/a.rom\n";
    uint8_t bytes[sizeof expected];

    assert_true(option_roms_add(rig->fw, roms, 3, "genroms/first", rig->error, sizeof rig->error));
    assert_int_equal(read_file(rig, "bootorder", bytes, sizeof bytes), sizeof expected);
    assert_string_equal((char *)bytes, expected);
}

/* Firmware runs them as the directory lists them. */
static void files_lie_in_the_order_of_their_names(void **state)
{
    struct rig *rig = *state;
    const struct option_rom roms[] = {{rig->path[2], -1}, {rig->path[0], -1}, {rig->path[1], -1}};
    uint8_t entry[64];

    assert_true(add(rig, roms, 3));
    bus_out(rig->board->bus, 0x510, FW_CFG_FILE_DIR, 2);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(bus_in(rig->board->bus, 0x511, 1), i < 3 ? 0 : 3);
    for (unsigned n = 0; n < 3; n++) {
        for (unsigned i = 0; i < sizeof entry; i++)
            entry[i] = (uint8_t)bus_in(rig->board->bus, 0x511, 1);
        assert_int_equal(entry[16], 'a' + n);
    }
}

static void without_roms_nothing_is_there(void **state)
{
    assert_true(add(*state, NULL, 0));
    assert_int_equal(read_file(*state, "bootorder", NULL, 0), -1);
}

static void what_cannot_be_read_is_named(void **state)
{
    struct rig *rig = *state;
    char missing[160];

    snprintf(missing, sizeof missing, "%s/missing", rig->folder);
    assert_false(add(rig, &(struct option_rom){missing, -1}, 1));
    assert_non_null(strstr(rig->error, "missing'"));
    assert_false(add(rig, &(struct option_rom){rig->folder, -1}, 1));
    assert_non_null(strstr(rig->error, rig->folder));
}

static void sizes_have_limits(void **state)
{
    struct rig *rig = *state;
    const struct option_rom rom = {rig->path[0], -1};

    write_file(rig->path[0], 0, 0);
    assert_false(add(rig, &rom, 1));
    assert_non_null(strstr(rig->error, "empty"));
    write_file(rig->path[0], 0, 0x30001);
    assert_false(add(rig, &rom, 1));
    assert_non_null(strstr(rig->error, "too large"));
    write_file(rig->path[0], 0, 0x30000);
    assert_true(add(rig, &rom, 1));
}

static void names_and_indices_are_unique(void **state)
{
    struct rig *rig = *state;

    assert_false(add(rig, (struct option_rom[]){{rig->path[0], -1}, {rig->path[3], -1}}, 2));
    assert_non_null(strstr(rig->error, "sub/a.rom"));
    assert_false(add(rig, (struct option_rom[]){{rig->path[0], 3}, {rig->path[1], 3}}, 2));
    assert_non_null(strstr(rig->error, "bootindex 3"));
}

static void names_fit_the_firmware(void **state)
{
    struct rig *rig = *state;
    char name[64], path[160];

    for (size_t len = 47; len <= 48; len++) {
        memset(name, 'n', len);
        name[len] = '\0';
        snprintf(path, sizeof path, "%s/%s", rig->folder, name);
        write_file(path, 0, 512);
        assert_int_equal(add(rig, &(struct option_rom){path, 1}, 1), len == 47);
        unlink(path);
    }
    assert_non_null(strstr(rig->error, "too long"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(files_keep_their_names_and_bytes, setup, teardown),
        cmocka_unit_test_setup_teardown(the_boot_order_follows_the_indices, setup, teardown),
        cmocka_unit_test_setup_teardown(files_lie_in_the_order_of_their_names, setup, teardown),
        cmocka_unit_test_setup_teardown(without_roms_nothing_is_there, setup, teardown),
        cmocka_unit_test_setup_teardown(what_cannot_be_read_is_named, setup, teardown),
        cmocka_unit_test_setup_teardown(sizes_have_limits, setup, teardown),
        cmocka_unit_test_setup_teardown(names_and_indices_are_unique, setup, teardown),
        cmocka_unit_test_setup_teardown(names_fit_the_firmware, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
