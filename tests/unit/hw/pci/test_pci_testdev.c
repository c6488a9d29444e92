/* pci-testdev, as a guest's test program walks through it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "hw/pci/pci_testdev.h"
#include "tests/unit/hw/nonsense.h"
#include "tests/unit/hw/pci/fake_board.h"

#define SLOT   4
#define MEMORY 0xe0000000u
#define PORTS  0xc000u

enum { TEST = 0, WIDTH = 1, OFFSET = 4, DATA = 8, COUNT = 12, NAME = 16 };

struct rig {
    struct fake_board *board;
    struct pci_bus *pci;
    struct pci_testdev *dev;
};

static void config_out(struct rig *rig, unsigned reg, uint32_t value)
{
    bus_out(rig->board->bus, 0xcf8, 0x80000000u | SLOT << 11 | reg, 4);
    bus_out(rig->board->bus, 0xcfc, value, 4);
}

static uint32_t config_in(struct rig *rig, unsigned reg)
{
    bus_out(rig->board->bus, 0xcf8, 0x80000000u | SLOT << 11 | reg, 4);
    return bus_in(rig->board->bus, 0xcfc, 4);
}

static int setup(void **state)
{
    struct rig *rig = calloc(1, sizeof *rig);

    rig->board = fake_board_create();
    rig->pci = pci_bus_create(rig->board->bus);
    bus_map_ports(rig->board->bus, 0xcf8, 4, &pci_address_ports, rig->pci);
    bus_map_ports(rig->board->bus, 0xcfc, 4, &pci_data_ports, rig->pci);
    rig->dev = pci_testdev_create(rig->pci, SLOT);
    config_out(rig, PCI_BASE_ADDRESS_0, MEMORY);
    config_out(rig, PCI_BASE_ADDRESS_0 + 4, PORTS);
    config_out(rig, PCI_COMMAND, PCI_COMMAND_IO | PCI_COMMAND_MEMORY);
    *state = rig;
    return 0;
}

static int teardown(void **state)
{
    struct rig *rig = *state;

    pci_testdev_destroy(rig->dev);
    pci_bus_destroy(rig->pci);
    fake_board_destroy(rig->board);
    free(rig);
    return 0;
}

/* One byte of BAR 0 or 1. */
static uint8_t in(struct rig *rig, unsigned bar, uint32_t offset)
{
    return (uint8_t)(bar ? bus_in(rig->board->bus, (uint16_t)(PORTS + offset), 1)
                         : fake_mmio_read(rig->board, MEMORY + offset, 1));
}

static void out(struct rig *rig, unsigned bar, uint32_t offset, uint8_t value)
{
    if (bar)
        bus_out(rig->board->bus, (uint16_t)(PORTS + offset), value, 1);
    else
        fake_mmio_write(rig->board, MEMORY + offset, value, 1);
}

static uint32_t in32(struct rig *rig, unsigned bar, uint32_t offset)
{
    uint32_t value = 0;

    for (unsigned i = 4; i-- > 0;)
        value = value << 8 | in(rig, bar, offset + i);
    return value;
}

static void assert_name(struct rig *rig, unsigned bar, const char *name)
{
    char text[32];

    for (unsigned i = 0; i < sizeof text; i++)
        text[i] = (char)in(rig, bar, NAME + i);
    assert_string_equal(text, name);
}

static void it_is_the_device_that_guests_look_for(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(config_in(rig, 0), 0x00051b36);
    assert_int_equal(config_in(rig, 8), 0xff000000);
    assert_int_equal(config_in(rig, 0x2c), 0x11001af4);
    config_out(rig, PCI_BASE_ADDRESS_0, UINT32_MAX);
    config_out(rig, PCI_BASE_ADDRESS_0 + 4, UINT32_MAX);
    assert_int_equal(config_in(rig, PCI_BASE_ADDRESS_0), 0xfffff000);
    assert_int_equal(config_in(rig, PCI_BASE_ADDRESS_0 + 4), 0xffffff01);
    assert_int_equal(config_in(rig, PCI_BASE_ADDRESS_0 + 8), 0);
}

static void a_slot_that_is_taken_gives_no_device(void **state)
{
    struct rig *rig = *state;

    assert_null(pci_testdev_create(rig->pci, SLOT));
}

static void nothing_reads_as_zero_until_a_test_begins(void **state)
{
    struct rig *rig = *state;

    for (unsigned bar = 0; bar < 2; bar++)
        for (uint32_t offset = 0; offset < 256; offset++)
            assert_int_equal(in(rig, bar, offset), 0);
    out(rig, 0, 0x800, 0xfa);
    out(rig, 0, TEST, 0);
    assert_int_equal(in32(rig, 0, COUNT), 0);
}

static void every_test_describes_itself_and_counts(void **state)
{
    static const char *const name[2][3] = {
        {"mmio-no-eventfd", "mmio-wildcard-eventfd", "mmio-datamatch-eventfd"},
        {"portio-no-eventfd", "portio-wildcard-eventfd", "portio-datamatch-eventfd"},
    };
    struct rig *rig = *state;

    for (unsigned bar = 0; bar < 2; bar++)
        for (uint8_t test = 0; test < 3; test++) {
            uint32_t offset;
            uint8_t data;

            out(rig, bar, TEST, test);
            assert_int_equal(in(rig, bar, TEST), test);
            assert_int_equal(in(rig, bar, WIDTH), 1);
            assert_name(rig, bar, name[bar][test]);
            offset = in32(rig, bar, OFFSET);
            data = (uint8_t)in32(rig, bar, DATA);
            assert_int_equal(data, test == 1 ? 0xce : 0xfa);
            assert_true(offset > 44 && offset < (bar ? 256 : 4096));
            for (uint32_t n = 1; n <= 300; n++) {
                out(rig, bar, offset, data);
                assert_int_equal(in32(rig, bar, COUNT), n);
            }
            /* Another value counts only where every value does; another place, and the other BAR, never. */
            out(rig, bar, offset, (uint8_t)~data);
            assert_int_equal(in32(rig, bar, COUNT), test == 1 ? 301 : 300);
            out(rig, bar, offset - 1, data);
            out(rig, bar, offset + 1, data);
            out(rig, !bar, (bar ? 0x800u : 0x83u) + test, data);
            if (bar)
                out(rig, 0, offset, data);
            assert_int_equal(in32(rig, bar, COUNT), test == 1 ? 301 : 300);
            out(rig, bar, TEST, test);
            assert_int_equal(in32(rig, bar, COUNT), 0);
        }
}

static void the_header_is_read_only_but_for_the_test(void **state)
{
    struct rig *rig = *state;

    out(rig, 0, TEST, 2);
    for (uint32_t offset = 1; offset < 64; offset++)
        out(rig, 0, offset, 0x55);
    assert_int_equal(in32(rig, 0, TEST), 0x00000102);
    assert_int_equal(in32(rig, 0, OFFSET), 0x802);
    assert_int_equal(in32(rig, 0, DATA), 0xfa);
    assert_int_equal(in32(rig, 0, COUNT), 0);
}

static void a_scan_ends_at_the_first_test_without_a_width(void **state)
{
    struct rig *rig = *state;

    for (unsigned bar = 0; bar < 2; bar++) {
        out(rig, bar, TEST, 2);
        assert_int_equal(in(rig, bar, WIDTH), 1);
        out(rig, bar, TEST, 3);
        assert_int_equal(in(rig, bar, WIDTH), 0);
        out(rig, bar, TEST, 0xff);
        assert_int_equal(in(rig, bar, WIDTH), 0);
    }
}

static void reset_ends_the_test_and_unmaps(void **state)
{
    struct rig *rig = *state;

    out(rig, 1, TEST, 1);
    pci_testdev_reset(rig->dev);
    assert_null(fake_mmio_at(rig->board, MEMORY));
    assert_int_equal(in(rig, 1, WIDTH), 0xff);
    config_out(rig, PCI_BASE_ADDRESS_0 + 4, PORTS);
    config_out(rig, PCI_COMMAND, PCI_COMMAND_IO);
    assert_int_equal(in(rig, 1, WIDTH), 0);
}

static void state_survives_a_save(void **state)
{
    size_t size = state_size(pci_testdev_state());
    uint8_t *saved = malloc(size);
    struct rig *rig = *state;

    out(rig, 1, TEST, 1);
    out(rig, 1, 0x84, 9);
    state_save(pci_testdev_state(), rig->dev, saved);
    pci_testdev_reset(rig->dev);
    assert_true(state_load(pci_testdev_state(), rig->dev, saved, size));
    pci_testdev_after_load(rig->dev);
    assert_int_equal(in32(rig, 1, COUNT), 1);
    assert_name(rig, 0, "portio-wildcard-eventfd");
    free(saved);
}

static void a_saved_test_that_is_not_there_does_not_run(void **state)
{
    enum { CURRENT = PCI_CONFIG_SIZE + 1 }; /* in the saved bytes: behind configuration space and INTx# */
    size_t size = state_size(pci_testdev_state());
    uint8_t *saved = malloc(size);
    struct rig *rig = *state;

    out(rig, 0, TEST, 2);
    state_save(pci_testdev_state(), rig->dev, saved);
    assert_int_equal(saved[CURRENT], 2);
    saved[CURRENT] = 6;
    assert_true(state_load(pci_testdev_state(), rig->dev, saved, size));
    pci_testdev_after_load(rig->dev);
    assert_int_equal(in(rig, 0, WIDTH), 0);
    free(saved);
}

static void any_saved_state_can_be_used(void **state)
{
    struct rig *rig = *state;

    for (uint32_t seed = 1; seed <= 600; seed++) {
        nonsense_load(pci_testdev_state(), rig->dev, seed);
        pci_testdev_after_load(rig->dev);
        config_out(rig, PCI_BASE_ADDRESS_0, MEMORY);
        config_out(rig, PCI_COMMAND, PCI_COMMAND_IO | PCI_COMMAND_MEMORY);
        assert_true(in(rig, 0, WIDTH) <= 1);
        out(rig, 0, 0x801, 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_is_the_device_that_guests_look_for, setup, teardown),
        cmocka_unit_test_setup_teardown(a_slot_that_is_taken_gives_no_device, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_reads_as_zero_until_a_test_begins, setup, teardown),
        cmocka_unit_test_setup_teardown(every_test_describes_itself_and_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(the_header_is_read_only_but_for_the_test, setup, teardown),
        cmocka_unit_test_setup_teardown(a_scan_ends_at_the_first_test_without_a_width, setup, teardown),
        cmocka_unit_test_setup_teardown(reset_ends_the_test_and_unmaps, setup, teardown),
        cmocka_unit_test_setup_teardown(state_survives_a_save, setup, teardown),
        cmocka_unit_test_setup_teardown(a_saved_test_that_is_not_there_does_not_run, setup, teardown),
        cmocka_unit_test_setup_teardown(any_saved_state_can_be_used, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
