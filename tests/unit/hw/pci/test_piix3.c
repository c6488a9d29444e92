/* PIIX3 ISA bridge: PIRQ routing and reset control. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "hw/pci/piix3.h"
#include "tests/unit/hw/pci/fake_board.h"

struct rig {
    struct fake_board *board;
    struct pci_bus *pci;
    struct piix3 *piix3;
    struct pci_device card[3]; /* slots 2, 3, 6; INTA# */
    bool irq[16];
    unsigned n_edges[16];
    int resets, hard_resets;
};

static void isa_irq(void *opaque, int line, bool level)
{
    struct rig *rig = opaque;

    rig->n_edges[line]++;
    rig->irq[line] = level;
}

static void machine_reset(void *opaque, bool is_hard)
{
    struct rig *rig = opaque;

    rig->resets++;
    rig->hard_resets += is_hard;
}

static int setup(void **state)
{
    static const struct pci_identity identity = {.vendor_id = 1, .device_id = 2, .interrupt_pin = 1};
    static const unsigned slots[3] = {2, 3, 6};
    struct rig *rig = calloc(1, sizeof *rig);
    struct irq wires[16];

    for (int i = 0; i < 16; i++)
        wires[i] = (struct irq){.set = isa_irq, .opaque = rig, .line = i};
    rig->board = fake_board_create();
    rig->pci = pci_bus_create(rig->board->bus);
    bus_map_ports(rig->board->bus, 0xcf8, 4, &pci_address_ports, rig->pci);
    bus_map_ports(rig->board->bus, 0xcfc, 4, &pci_data_ports, rig->pci);
    rig->piix3 = piix3_create(rig->pci, 1, wires, machine_reset, rig);
    piix3_reset(rig->piix3);
    for (unsigned i = 0; i < 3; i++) {
        pci_device_init(&rig->card[i], &identity, NULL);
        assert_true(pci_device_attach(&rig->card[i], rig->pci, slots[i], 0));
        pci_device_reset(&rig->card[i]);
    }
    *state = rig;
    return 0;
}

static int teardown(void **state)
{
    struct rig *rig = *state;

    piix3_destroy(rig->piix3);
    pci_bus_destroy(rig->pci);
    fake_board_destroy(rig->board);
    free(rig);
    return 0;
}

static uint32_t config_in(struct rig *rig, unsigned reg, unsigned width)
{
    bus_out(rig->board->bus, 0xcf8, 0x80000800u | (reg & 0xfc), 4);
    return bus_in(rig->board->bus, (uint16_t)(0xcfc + (reg & 3)), width);
}

static void set_route(struct rig *rig, unsigned pirq, uint8_t value)
{
    bus_out(rig->board->bus, 0xcf8, 0x80000860, 4);
    bus_out(rig->board->bus, (uint16_t)(0xcfc + pirq), value, 1);
}

static void reset_values_are_the_datasheets(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(config_in(rig, 0x00, 4), 0x70008086);
    assert_int_equal(config_in(rig, 0x0a, 2), 0x0601);
    assert_int_equal(config_in(rig, 0x0e, 1), 0x80);
    assert_int_equal(config_in(rig, 0x04, 2), 0x0007);
    assert_int_equal(config_in(rig, 0x60, 4), 0x80808080);
}

static void unrouted_interrupts_go_nowhere(void **state)
{
    struct rig *rig = *state;

    pci_device_set_intx(&rig->card[0], true);
    for (unsigned i = 0; i < 16; i++)
        assert_false(rig->irq[i]);
}

static void slots_rotate_over_the_pirqs(void **state)
{
    struct rig *rig = *state;

    set_route(rig, 1, 10); /* slot 2 INTA# is PIRQB */
    set_route(rig, 2, 11); /* slot 3 INTA# is PIRQC */
    pci_device_set_intx(&rig->card[0], true);
    assert_true(rig->irq[10]);
    assert_false(rig->irq[11]);
    pci_device_set_intx(&rig->card[1], true);
    assert_true(rig->irq[11]);
    pci_device_set_intx(&rig->card[0], false);
    assert_false(rig->irq[10]);
}

static void a_shared_wire_falls_with_its_last_driver(void **state)
{
    struct rig *rig = *state;

    set_route(rig, 1, 11);
    set_route(rig, 2, 11);
    pci_device_set_intx(&rig->card[0], true); /* PIRQB */
    pci_device_set_intx(&rig->card[2], true); /* slot 6: PIRQB too */
    assert_true(rig->irq[11]);
    pci_device_set_intx(&rig->card[1], true); /* PIRQC */
    pci_device_set_intx(&rig->card[0], false);
    pci_device_set_intx(&rig->card[1], false);
    assert_true(rig->irq[11]);
    pci_device_set_intx(&rig->card[2], false);
    assert_false(rig->irq[11]);
    assert_int_equal(rig->n_edges[11], 2);
}

static void rerouting_moves_an_asserted_interrupt(void **state)
{
    struct rig *rig = *state;

    set_route(rig, 1, 10);
    pci_device_set_intx(&rig->card[0], true);
    set_route(rig, 1, 5);
    assert_false(rig->irq[10]);
    assert_true(rig->irq[5]);
    set_route(rig, 1, 0x85);
    assert_false(rig->irq[5]);
}

static void reserved_irqs_are_never_driven(void **state)
{
    struct rig *rig = *state;
    static const uint8_t reserved[] = {0, 1, 2, 8, 13};

    pci_device_set_intx(&rig->card[0], true);
    for (unsigned i = 0; i < sizeof reserved; i++) {
        set_route(rig, 1, reserved[i]);
        assert_int_equal(rig->n_edges[reserved[i]], 0);
    }
}

static void reset_releases_the_wires(void **state)
{
    struct rig *rig = *state;

    set_route(rig, 1, 10);
    pci_device_set_intx(&rig->card[0], true);
    piix3_reset(rig->piix3);
    assert_false(rig->irq[10]);
}

static void cf9_resets_on_the_rising_bit(void **state)
{
    struct rig *rig = *state;
    struct bus *bus = rig->board->bus;

    bus_out(bus, 0xcf9, 0x02, 1);
    assert_int_equal(rig->resets, 0);
    assert_int_equal(bus_in(bus, 0xcf9, 1), 0x02);
    bus_out(bus, 0xcf9, 0x06, 1);
    assert_int_equal(rig->hard_resets, 1);
    bus_out(bus, 0xcf9, 0x06, 1);
    assert_int_equal(rig->resets, 1);
    bus_out(bus, 0xcf9, 0x00, 1);
    bus_out(bus, 0xcf9, 0x04, 1);
    assert_int_equal(rig->resets, 2);
    assert_int_equal(rig->hard_resets, 1);
}

static void state_survives_save_and_load(void **state)
{
    struct rig *rig = *state;
    size_t size = state_size(piix3_state());
    uint8_t *saved = malloc(size);

    set_route(rig, 1, 10);
    pci_device_set_intx(&rig->card[0], true);
    bus_out(rig->board->bus, 0xcf9, 0x02, 1);
    state_save(piix3_state(), rig->piix3, saved);
    bus_out(rig->board->bus, 0xcf9, 0x00, 1);
    piix3_reset(rig->piix3);
    assert_false(rig->irq[10]);
    pci_device_set_intx(&rig->card[0], false);
    set_route(rig, 2, 7);
    pci_device_set_intx(&rig->card[1], true);
    assert_true(rig->irq[7]);
    assert_true(state_load(piix3_state(), rig->piix3, saved, size));
    piix3_after_load(rig->piix3); /* the wires follow */
    assert_true(rig->irq[10]);
    assert_false(rig->irq[7]);
    set_route(rig, 1, 5);
    assert_true(rig->irq[5]);
    assert_false(rig->irq[10]);
    assert_int_equal(bus_in(rig->board->bus, 0xcf9, 1), 0x02);
    free(saved);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(reset_values_are_the_datasheets),
        T(unrouted_interrupts_go_nowhere),
        T(slots_rotate_over_the_pirqs),
        T(a_shared_wire_falls_with_its_last_driver),
        T(rerouting_moves_an_asserted_interrupt),
        T(reserved_irqs_are_never_driven),
        T(reset_releases_the_wires),
        T(cf9_resets_on_the_rising_bit),
        T(state_survives_save_and_load),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
