/* PCI configuration mechanism #1, base address registers and INTx. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "hw/pci/pci.h"
#include "tests/unit/hw/pci/fake_board.h"

struct probe { /* a function with an I/O BAR, a memory BAR and a ROM */
    struct pci_device pci;
    uint32_t last_offset;
    unsigned n_config_writes;
};

struct rig {
    struct fake_board *board;
    struct pci_bus *pci;
    struct probe probe, other;
    unsigned routed_devfn, routed_pin;
    bool routed_level;
    uint8_t cf9;
    uint8_t rom[3000];
};

static uint32_t probe_read(void *self, uint32_t offset, unsigned width)
{
    struct probe *probe = self;

    probe->last_offset = offset;
    return 0x12345678u & (UINT32_MAX >> (32 - 8 * width));
}

static void probe_write(void *self, uint32_t offset, uint32_t value, unsigned width) {}

static const struct bus_ops probe_ops = {.name = "probe", .read = probe_read, .write = probe_write, .max_width = 4};

static void probe_config_written(void *self, unsigned offset, unsigned len_bytes)
{
    ((struct probe *)self)->n_config_writes++;
}

static void route(void *opaque, unsigned devfn, unsigned pin, bool level)
{
    struct rig *rig = opaque;

    rig->routed_devfn = devfn;
    rig->routed_pin = pin;
    rig->routed_level = level;
}

static uint32_t cf9_read(void *self, uint32_t offset, unsigned width)
{
    return ((struct rig *)self)->cf9;
}

static void cf9_write(void *self, uint32_t offset, uint32_t value, unsigned width)
{
    ((struct rig *)self)->cf9 = (uint8_t)value;
}

static const struct bus_ops cf9_ops = {.name = "cf9", .read = cf9_read, .write = cf9_write};

static void add_probe(struct rig *rig, struct probe *probe, unsigned slot)
{
    static const struct pci_identity identity = {
        .vendor_id = 0x1234, .device_id = 0x5678, .class_code = 2, .revision = 7, .interrupt_pin = 2};

    pci_device_init(&probe->pci, &identity, probe);
    probe->pci.config_written = probe_config_written;
    pci_device_add_bar(&probe->pci, 0, PCI_BAR_IO, 0x20, &probe_ops, probe);
    pci_device_add_bar(&probe->pci, 1, PCI_BAR_MEMORY, 0x1000, &probe_ops, probe);
    pci_device_add_rom(&probe->pci, rig->rom, sizeof rig->rom);
    assert_true(pci_device_attach(&probe->pci, rig->pci, slot, 0));
    pci_device_reset(&probe->pci);
}

static int setup(void **state)
{
    struct rig *rig = calloc(1, sizeof *rig);

    rig->board = fake_board_create();
    rig->pci = pci_bus_create(rig->board->bus);
    bus_map_ports(rig->board->bus, 0xcf8, 4, &pci_address_ports, rig->pci);
    bus_map_ports(rig->board->bus, 0xcfc, 4, &pci_data_ports, rig->pci);
    pci_bus_connect_intx(rig->pci, route, rig);
    pci_bus_connect_cf9(rig->pci, &cf9_ops, rig);
    memset(rig->rom, 0x5a, sizeof rig->rom);
    add_probe(rig, &rig->probe, 3);
    add_probe(rig, &rig->other, 4);
    *state = rig;
    return 0;
}

static int teardown(void **state)
{
    struct rig *rig = *state;

    pci_bus_destroy(rig->pci);
    fake_board_destroy(rig->board);
    free(rig);
    return 0;
}

static uint32_t config_in(struct rig *rig, unsigned slot, unsigned reg, unsigned width)
{
    bus_out(rig->board->bus, 0xcf8, 0x80000000u | slot << 11 | (reg & 0xfc), 4);
    return bus_in(rig->board->bus, (uint16_t)(0xcfc + (reg & 3)), width);
}

static void config_out(struct rig *rig, unsigned slot, unsigned reg, uint32_t value, unsigned width)
{
    bus_out(rig->board->bus, 0xcf8, 0x80000000u | slot << 11 | (reg & 0xfc), 4);
    bus_out(rig->board->bus, (uint16_t)(0xcfc + (reg & 3)), value, width);
}

static void identity_is_read_at_every_width(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(config_in(rig, 3, PCI_VENDOR_ID, 4), 0x56781234);
    assert_int_equal(config_in(rig, 3, PCI_DEVICE_ID, 2), 0x5678);
    assert_int_equal(config_in(rig, 3, PCI_DEVICE_ID + 1, 1), 0x56);
    assert_int_equal(config_in(rig, 3, PCI_REVISION_ID, 1), 7);
    config_out(rig, 3, PCI_VENDOR_ID, 0, 4);
    assert_int_equal(config_in(rig, 3, PCI_VENDOR_ID, 4), 0x56781234);
}

static void absent_functions_and_buses_read_as_ones(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(config_in(rig, 9, 0, 4), 0xffffffff);
    bus_out(rig->board->bus, 0xcf8, 0x80011800, 4); /* bus 1 */
    assert_int_equal(bus_in(rig->board->bus, 0xcfc, 4), 0xffffffff);
    bus_out(rig->board->bus, 0xcf8, 0x00001800, 4); /* enable bit clear */
    assert_int_equal(bus_in(rig->board->bus, 0xcfc, 2), 0xffff);
}

static void only_a_dword_write_reaches_the_address_register(void **state)
{
    struct rig *rig = *state;

    bus_out(rig->board->bus, 0xcf8, 0x80001803, 4);
    assert_int_equal(bus_in(rig->board->bus, 0xcf8, 4), 0x80001800);
    bus_out(rig->board->bus, 0xcfb, 0x01, 1);
    bus_out(rig->board->bus, 0xcf8, 0, 1);
    assert_int_equal(bus_in(rig->board->bus, 0xcf8, 4), 0x80001800);
    bus_out(rig->board->bus, 0xcf9, 0x02, 1);
    assert_int_equal(rig->cf9, 0x02);
    assert_int_equal(bus_in(rig->board->bus, 0xcf9, 1), 0x02);
}

static void bar_sizing_answers_with_size_and_type(void **state)
{
    struct rig *rig = *state;

    config_out(rig, 3, 0x10, 0xffffffff, 4);
    assert_int_equal(config_in(rig, 3, 0x10, 4), 0xffffffe1);
    config_out(rig, 3, 0x14, 0xffffffff, 4);
    assert_int_equal(config_in(rig, 3, 0x14, 4), 0xfffff000);
    config_out(rig, 3, 0x18, 0xffffffff, 4);
    assert_int_equal(config_in(rig, 3, 0x18, 4), 0);
    config_out(rig, 3, PCI_ROM_ADDRESS, 0xfffffffe, 4);
    assert_int_equal(config_in(rig, 3, PCI_ROM_ADDRESS, 4), 0xfffff000);
}

static void bars_decode_only_while_enabled(void **state)
{
    struct rig *rig = *state;

    config_out(rig, 3, 0x10, 0xc000, 4);
    config_out(rig, 3, 0x14, 0xfebf0000, 4);
    assert_int_equal(bus_in(rig->board->bus, 0xc004, 4), 0xffffffff);
    config_out(rig, 3, PCI_COMMAND, PCI_COMMAND_IO | PCI_COMMAND_MEMORY, 2);
    assert_int_equal(bus_in(rig->board->bus, 0xc004, 4), 0x12345678);
    assert_int_equal(rig->probe.last_offset, 4);
    assert_int_equal(fake_mmio_read(rig->board, 0xfebf0ffc, 4), 0x12345678);
    assert_int_equal(rig->probe.last_offset, 0xffc);
    config_out(rig, 3, 0x10, 0xd000, 4);
    assert_int_equal(bus_in(rig->board->bus, 0xc004, 1), 0xff);
    assert_int_equal(bus_in(rig->board->bus, 0xd01f, 1), 0x78);
    config_out(rig, 3, PCI_COMMAND, 0, 2);
    assert_int_equal(bus_in(rig->board->bus, 0xd01f, 1), 0xff);
    assert_null(fake_mmio_at(rig->board, 0xfebf0000));
}

static void a_bar_that_moves_away_uncovers_its_neighbour(void **state)
{
    struct rig *rig = *state;

    config_out(rig, 3, PCI_COMMAND, PCI_COMMAND_IO, 2);
    config_out(rig, 4, PCI_COMMAND, PCI_COMMAND_IO, 2);
    config_out(rig, 3, 0x10, 0xc000, 4);
    config_out(rig, 4, 0x10, 0xc000, 4);
    config_out(rig, 4, 0x10, 0xc020, 4);
    assert_int_equal(bus_in(rig->board->bus, 0xc008, 1), 0x78);
    assert_int_equal(rig->probe.last_offset, 8);
}

static void bars_never_cover_board_ports_or_ram(void **state)
{
    struct rig *rig = *state;

    pci_bus_set_memory_window(rig->pci, 0x80000000, 0xfebfffff);
    config_out(rig, 3, PCI_COMMAND, PCI_COMMAND_IO | PCI_COMMAND_MEMORY, 2);
    config_out(rig, 3, 0x10, 0x20, 4);
    assert_int_equal(bus_in(rig->board->bus, 0x21, 1), 0xff);
    config_out(rig, 3, 0x10, 0xce0, 4);
    config_out(rig, 3, 0x14, 0x00100000, 4);
    assert_null(fake_mmio_at(rig->board, 0x00100000));
    config_out(rig, 3, 0x14, 0xfec00000, 4);
    assert_null(fake_mmio_at(rig->board, 0xfec00000));
    config_out(rig, 3, 0x14, 0xffffffff, 4);
    assert_null(fake_mmio_at(rig->board, 0xfffff000));
    assert_int_equal(config_in(rig, 3, PCI_VENDOR_ID, 2), 0x1234); /* CFC still there */
}

static void rom_shows_its_bytes_and_ones_behind(void **state)
{
    struct rig *rig = *state;

    config_out(rig, 3, PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
    config_out(rig, 3, PCI_ROM_ADDRESS, 0xfe000000, 4);
    assert_null(fake_mmio_at(rig->board, 0xfe000000));
    config_out(rig, 3, PCI_ROM_ADDRESS, 0xfe000001, 4);
    assert_int_equal(fake_mmio_read(rig->board, 0xfe000000, 4), 0x5a5a5a5a);
    assert_int_equal(fake_mmio_read(rig->board, 0xfe000000 + 2998, 4), 0xffff5a5a);
    assert_int_equal(fake_mmio_read(rig->board, 0xfe000fff, 1), 0xff);
}

static void status_bits_clear_by_writing_one(void **state)
{
    struct rig *rig = *state;

    rig->probe.pci.config[PCI_STATUS + 1] = 0x30;
    config_out(rig, 3, PCI_STATUS, 0x1000, 2);
    assert_int_equal(config_in(rig, 3, PCI_STATUS, 2), 0x2000);
}

static void intx_is_reported_routed_and_can_be_disabled(void **state)
{
    struct rig *rig = *state;

    pci_device_set_intx(&rig->probe.pci, true);
    assert_int_equal(rig->routed_devfn, 3 * 8);
    assert_int_equal(rig->routed_pin, 1);
    assert_true(rig->routed_level);
    assert_int_equal(config_in(rig, 3, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT, PCI_STATUS_INTERRUPT);
    config_out(rig, 3, PCI_COMMAND, PCI_COMMAND_INTX_DISABLE, 2);
    assert_false(rig->routed_level);
    config_out(rig, 3, PCI_COMMAND, 0, 2);
    assert_true(rig->routed_level);
    pci_device_set_intx(&rig->probe.pci, false);
    assert_false(rig->routed_level);
    assert_int_equal(config_in(rig, 3, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT, 0);
}

static void only_an_enabled_master_reaches_memory(void **state)
{
    struct rig *rig = *state;
    uint32_t word = 0xdeadbeef;

    assert_false(pci_dma_write(&rig->probe.pci, 0x100, &word, 4));
    config_out(rig, 3, PCI_COMMAND, PCI_COMMAND_MASTER, 2);
    assert_true(pci_dma_write(&rig->probe.pci, 0x100, &word, 4));
    assert_int_equal(rig->board->ram[0x100], 0xef);
    assert_false(pci_dma_read(&rig->probe.pci, 0xfffff, &word, 4));
}

static void reset_and_load_follow_configuration_space(void **state)
{
    struct rig *rig = *state;
    uint8_t saved[PCI_CONFIG_SIZE];

    config_out(rig, 3, 0x10, 0xc000, 4);
    config_out(rig, 3, PCI_COMMAND, PCI_COMMAND_IO, 2);
    memcpy(saved, rig->probe.pci.config, sizeof saved);
    pci_device_reset(&rig->probe.pci);
    assert_int_equal(bus_in(rig->board->bus, 0xc000, 1), 0xff);
    assert_int_equal(config_in(rig, 3, 0x10, 4), 1);
    memcpy(rig->probe.pci.config, saved, sizeof saved);
    pci_device_after_load(&rig->probe.pci);
    assert_int_equal(bus_in(rig->board->bus, 0xc000, 1), 0x78);
}

static void a_saved_address_selects_the_same_register(void **state)
{
    struct rig *rig = *state;
    struct pci_bus *other = pci_bus_create(rig->board->bus);
    uint8_t saved[8];

    assert_int_equal(state_size(pci_bus_state()), 4);
    bus_out(rig->board->bus, 0xcf8, 0x80001804, 4);
    state_save(pci_bus_state(), rig->pci, saved);
    assert_true(state_load(pci_bus_state(), other, saved, 4));
    assert_int_equal(pci_address_ports.read(other, 0, 4), 0x80001804);
    pci_bus_destroy(other);
}

static void a_taken_place_is_refused(void **state)
{
    struct rig *rig = *state;

    assert_false(pci_device_attach(&rig->other.pci, rig->pci, 3, 0));
    assert_false(pci_device_attach(&rig->other.pci, rig->pci, 32, 0));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(identity_is_read_at_every_width),
        T(absent_functions_and_buses_read_as_ones),
        T(only_a_dword_write_reaches_the_address_register),
        T(bar_sizing_answers_with_size_and_type),
        T(bars_decode_only_while_enabled),
        T(a_bar_that_moves_away_uncovers_its_neighbour),
        T(bars_never_cover_board_ports_or_ram),
        T(rom_shows_its_bytes_and_ones_behind),
        T(status_bits_clear_by_writing_one),
        T(intx_is_reported_routed_and_can_be_disabled),
        T(only_an_enabled_master_reaches_memory),
        T(reset_and_load_follow_configuration_space),
        T(a_saved_address_selects_the_same_register),
        T(a_taken_place_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
