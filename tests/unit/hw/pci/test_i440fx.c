/* 82441FX: PAM and SMRAM. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "hw/pci/i440fx.h"
#include "tests/unit/hw/pci/fake_board.h"

struct rig {
    struct fake_board *board;
    struct pci_bus *pci;
    struct i440fx *bridge;
    uint8_t attributes[64]; /* per 16 KiB page of the first MiB: bit 0 reads RAM, bit 1 writes RAM */
    bool smram_open, smram_enabled;
};

static void pam_changed(void *opaque, phys_addr base, uint32_t size, bool reads_ram, bool writes_ram)
{
    struct rig *rig = opaque;

    assert_in_range(base, 0xc0000, 0xf0000);
    for (uint32_t page = 0; page < size / 0x4000; page++)
        rig->attributes[base / 0x4000 + page] = (uint8_t)(reads_ram | writes_ram << 1);
}

static void smram_changed(void *opaque, bool is_open, bool is_enabled)
{
    struct rig *rig = opaque;

    rig->smram_open = is_open;
    rig->smram_enabled = is_enabled;
}

static int setup(void **state)
{
    struct rig *rig = calloc(1, sizeof *rig);
    const struct i440fx_board board = {.pam_changed = pam_changed, .smram_changed = smram_changed, .opaque = rig};

    rig->board = fake_board_create();
    rig->pci = pci_bus_create(rig->board->bus);
    bus_map_ports(rig->board->bus, 0xcf8, 4, &pci_address_ports, rig->pci);
    bus_map_ports(rig->board->bus, 0xcfc, 4, &pci_data_ports, rig->pci);
    rig->bridge = i440fx_create(rig->pci, &board);
    memset(rig->attributes, 0xee, sizeof rig->attributes);
    i440fx_reset(rig->bridge);
    *state = rig;
    return 0;
}

static int teardown(void **state)
{
    struct rig *rig = *state;

    i440fx_destroy(rig->bridge);
    pci_bus_destroy(rig->pci);
    fake_board_destroy(rig->board);
    free(rig);
    return 0;
}

static uint32_t config_in(struct rig *rig, unsigned reg, unsigned width)
{
    bus_out(rig->board->bus, 0xcf8, 0x80000000u | (reg & 0xfc), 4);
    return bus_in(rig->board->bus, (uint16_t)(0xcfc + (reg & 3)), width);
}

static void config_out(struct rig *rig, unsigned reg, uint32_t value, unsigned width)
{
    bus_out(rig->board->bus, 0xcf8, 0x80000000u | (reg & 0xfc), 4);
    bus_out(rig->board->bus, (uint16_t)(0xcfc + (reg & 3)), value, width);
}

static void reset_shows_the_identity_and_rom_everywhere(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(config_in(rig, 0x00, 4), 0x12378086);
    assert_int_equal(config_in(rig, 0x08, 4), 0x06000002);
    assert_int_equal(config_in(rig, 0x2c, 4), 0x11001af4);
    assert_int_equal(config_in(rig, 0x72, 1), 0x02);
    for (unsigned page = 0xc0000 / 0x4000; page < 64; page++)
        assert_int_equal(rig->attributes[page], 0);
}

static void pam0_covers_64_kib_of_bios(void **state)
{
    struct rig *rig = *state;

    config_out(rig, 0x59, 0xff, 1);
    assert_int_equal(config_in(rig, 0x59, 1), 0x30);
    for (unsigned page = 0xf0000 / 0x4000; page < 64; page++)
        assert_int_equal(rig->attributes[page], 3);
    assert_int_equal(rig->attributes[0xec000 / 0x4000], 0);
}

static void each_pam_nibble_covers_its_16_kib(void **state)
{
    struct rig *rig = *state;

    for (unsigned i = 0; i < 6; i++) {
        config_out(rig, 0x5a + i, 0x21, 1); /* low: read RAM, high: write RAM */
        assert_int_equal(rig->attributes[(0xc0000 + i * 0x8000) / 0x4000], 1);
        assert_int_equal(rig->attributes[(0xc4000 + i * 0x8000) / 0x4000], 2);
    }
    assert_int_equal(rig->attributes[0xf0000 / 0x4000], 0);
}

static void a_dword_write_updates_every_pam_it_covers(void **state)
{
    struct rig *rig = *state;

    config_out(rig, 0x5c, 0x33333333, 4);
    assert_int_equal(rig->attributes[0xd0000 / 0x4000], 3);
    assert_int_equal(rig->attributes[0xec000 / 0x4000], 3);
    assert_int_equal(rig->attributes[0xcc000 / 0x4000], 0);
}

static void smram_lock_closes_and_freezes(void **state)
{
    struct rig *rig = *state;

    config_out(rig, 0x72, 0x4a, 1);
    assert_true(rig->smram_open);
    assert_true(rig->smram_enabled);
    config_out(rig, 0x72, 0x5a, 1);
    assert_false(rig->smram_open);
    assert_int_equal(config_in(rig, 0x72, 1), 0x1a);
    config_out(rig, 0x72, 0x4a, 1);
    assert_int_equal(config_in(rig, 0x72, 1), 0x1a);
    i440fx_reset(rig->bridge);
    config_out(rig, 0x72, 0x4a, 1);
    assert_true(rig->smram_open);
}

static void loaded_state_is_reported_to_the_board(void **state)
{
    struct rig *rig = *state;
    const struct state_desc *desc = i440fx_state();
    uint8_t *saved = malloc(state_size(desc));

    config_out(rig, 0x5a, 0x33, 1);
    state_save(desc, rig->bridge, saved);
    i440fx_reset(rig->bridge);
    assert_int_equal(rig->attributes[0xc0000 / 0x4000], 0);
    assert_true(state_load(desc, rig->bridge, saved, state_size(desc)));
    i440fx_after_load(rig->bridge);
    assert_int_equal(rig->attributes[0xc0000 / 0x4000], 3);
    free(saved);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(reset_shows_the_identity_and_rom_everywhere),
        T(pam0_covers_64_kib_of_bios),
        T(each_pam_nibble_covers_its_16_kib),
        T(a_dword_write_updates_every_pam_it_covers),
        T(smram_lock_closes_and_freezes),
        T(loaded_state_is_reported_to_the_board),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
