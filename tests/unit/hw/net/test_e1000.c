/* Intel 82540EM: registers, EEPROM, PHY, interrupts, save and load. The rings are in test_e1000_tx.c and
 * test_e1000_rx.c. */
#include "tests/unit/hw/net/e1000_rig.h"

/* ---- configuration ---- */

static void it_is_an_82540em(void **state)
{
    struct rig *rig = *state;
    struct pci_device *dev = pci_bus_device(rig->pci, RIG_SLOT << 3);

    assert_int_equal(pci_config_read(dev, 0, 4), 0x100e8086);
    assert_int_equal(pci_config_read(dev, 0x0a, 2), 0x0200);
    assert_int_equal(pci_config_read(dev, 0x3d, 1), 1);
    assert_int_equal(rd(rig, E1000_STATUS) & 0xc3, 0x83); /* full duplex, link up, 1000 Mb/s */
}

static void bars_have_the_sizes_of_the_datasheet(void **state)
{
    struct rig *rig = *state;
    struct pci_device *dev = pci_bus_device(rig->pci, RIG_SLOT << 3);

    pci_config_write(dev, 0x10, UINT32_MAX, 4);
    pci_config_write(dev, 0x14, UINT32_MAX, 4);
    assert_int_equal(pci_config_read(dev, 0x10, 4), 0xfffe0000);
    assert_int_equal(pci_config_read(dev, 0x14, 4), 0xffffffc1);
}

static void a_slot_that_is_taken_is_refused(void **state)
{
    struct rig *rig = *state;

    assert_null(e1000_create(rig->pci, RIG_SLOT, rig->clock, NULL, rig_mac, NULL, 0));
    e1000_destroy(NULL);
}

static void it_has_an_option_rom_and_works_without_a_cable(void **state)
{
    static const uint8_t rom[512] = {0x55, 0xaa, 1};
    struct rig *rig = *state;
    struct e1000 *other = e1000_create(rig->pci, 4, rig->clock, NULL, rig_mac, rom, sizeof rom);

    assert_non_null(other);
    e1000_reset(other);
    pci_config_write(&other->pci, PCI_ROM_ADDRESS, UINT32_MAX, 4);
    assert_true(pci_config_read(&other->pci, PCI_ROM_ADDRESS, 4) & 0xfffff800);
    rig->nic->pci.config[PCI_COMMAND] = 0; /* its BAR moves to the other card */
    pci_config_write(&other->pci, PCI_ROM_ADDRESS, 0, 4);
    pci_config_write(&other->pci, PCI_BASE_ADDRESS_0, RIG_MMIO, 4);
    pci_config_write(&other->pci, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
    start_rx(rig, 0);
    start_tx(rig);
    tx_legacy(rig, 0, RIG_TX_BUFFER, 60, 0, CMD_EOP | CMD_RS, 0, 0);
    wr(rig, E1000_TDT, 1);
    assert_int_equal(rd(rig, E1000_TDH), 1);
    assert_int_equal(rig->n_frames, 0);
    assert_null(pci_bus_device(rig->pci, 5 << 3));
    e1000_destroy(other);
}

/* ---- registers ---- */

static void io_ports_reach_the_same_registers(void **state)
{
    struct rig *rig = *state;

    wr(rig, E1000_LEDCTL, 0x12345678);
    bus_out(rig->board->bus, RIG_PORTS, E1000_LEDCTL, 4);
    assert_int_equal(bus_in(rig->board->bus, RIG_PORTS, 4), E1000_LEDCTL);
    assert_int_equal(bus_in(rig->board->bus, RIG_PORTS + 1, 1), E1000_LEDCTL >> 8);
    assert_int_equal(bus_in(rig->board->bus, RIG_PORTS + 4, 4), 0x12345678);
    bus_out(rig->board->bus, RIG_PORTS + 4, 0xcafef00d, 4);
    assert_int_equal(rd(rig, E1000_LEDCTL), 0xcafef00d);
    bus_out(rig->board->bus, RIG_PORTS, 0xfffffffc, 4);
    assert_int_equal(bus_in(rig->board->bus, RIG_PORTS, 4), E1000_MMIO_BYTES - 4);
    assert_int_equal(bus_in(rig->board->bus, RIG_PORTS + 4, 4), 0);
    assert_int_equal(bus_in(rig->board->bus, RIG_PORTS + 0x20, 4), 0);
}

static void an_access_across_two_registers_reaches_both(void **state)
{
    struct rig *rig = *state;

    wr(rig, E1000_MTA, 0x44332211);
    wr(rig, E1000_MTA + 4, 0x88776655);
    assert_int_equal(fake_mmio_read(rig->board, RIG_MMIO + E1000_MTA + 2, 4), 0x66554433);
    assert_int_equal(fake_mmio_read(rig->board, RIG_MMIO + E1000_MTA + 3, 2), 0x5544);
    assert_int_equal(fake_mmio_read(rig->board, RIG_MMIO + E1000_MTA + 1, 1), 0x22);
    fake_mmio_write(rig->board, RIG_MMIO + E1000_MTA + 3, 0xabcd, 2);
    assert_int_equal(rd(rig, E1000_MTA), 0xcd000000);
    assert_int_equal(rd(rig, E1000_MTA + 4), 0x000000ab);
}

static void what_is_beyond_the_registers_reads_as_zero(void **state)
{
    struct rig *rig = *state;

    wr(rig, E1000_REGISTERS_END, UINT32_MAX);
    wr(rig, E1000_MMIO_BYTES - 4, UINT32_MAX);
    assert_int_equal(rd(rig, E1000_REGISTERS_END), 0);
    assert_int_equal(rd(rig, E1000_MMIO_BYTES - 4), 0);
    assert_int_equal(fake_mmio_read(rig->board, RIG_MMIO + E1000_MMIO_BYTES - 1, 4), 0);
    wr(rig, E1000_SWSM, UINT32_MAX);
    assert_int_equal(rd(rig, E1000_SWSM), 0);
}

static void status_cannot_be_written_and_ring_registers_keep_their_bits(void **state)
{
    struct rig *rig = *state;
    uint32_t status = rd(rig, E1000_STATUS);

    wr(rig, E1000_STATUS, ~status);
    assert_int_equal(rd(rig, E1000_STATUS), status);
    wr(rig, E1000_RDBAL, UINT32_MAX);
    wr(rig, E1000_TDBAL, UINT32_MAX);
    wr(rig, E1000_RDLEN, UINT32_MAX);
    wr(rig, E1000_TDLEN, UINT32_MAX);
    wr(rig, E1000_RDH, UINT32_MAX);
    wr(rig, E1000_RDT, UINT32_MAX);
    wr(rig, E1000_TDH, UINT32_MAX);
    assert_int_equal(rd(rig, E1000_RDBAL), 0xfffffff0);
    assert_int_equal(rd(rig, E1000_TDBAL), 0xfffffff0);
    assert_int_equal(rd(rig, E1000_RDLEN), 0x000fff80);
    assert_int_equal(rd(rig, E1000_TDLEN), 0x000fff80);
    assert_int_equal(rd(rig, E1000_RDH), 0x0000ffff);
    assert_int_equal(rd(rig, E1000_RDT), 0x0000ffff);
    assert_int_equal(rd(rig, E1000_TDH), 0x0000ffff);
}

static void ctrl_rst_resets_all_but_the_configuration(void **state)
{
    struct rig *rig = *state;

    start_tx(rig);
    start_rx(rig, RCTL_UPE);
    wr(rig, E1000_IMS, ICR_LSC);
    wr(rig, E1000_ICS, ICR_LSC);
    wr(rig, E1000_RAL, 0);
    assert_true(rig->intx);
    wr(rig, E1000_CTRL, rd(rig, E1000_CTRL) | CTRL_RST);
    assert_false(rig->intx);
    assert_int_equal(rd(rig, E1000_RCTL), 0);
    assert_int_equal(rd(rig, E1000_TDLEN), 0);
    assert_int_equal(rd(rig, E1000_CTRL) & CTRL_RST, 0);
    assert_int_equal(rd(rig, E1000_RAL), 0x12005452); /* from the EEPROM */
    assert_int_equal(rd(rig, E1000_RAL + 4), RAH_AV | 0x5634);
}

static void statistics_are_cleared_by_reading(void **state)
{
    struct rig *rig = *state;

    e1000_count(rig->nic, E1000_MPC, 3);
    assert_int_equal(rd(rig, E1000_MPC), 3);
    assert_int_equal(rd(rig, E1000_MPC), 0);
    e1000_count(rig->nic, E1000_MPC, UINT32_MAX);
    e1000_count(rig->nic, E1000_MPC, 2);
    assert_int_equal(rd(rig, E1000_MPC), UINT32_MAX); /* it sticks */
}

static void octet_counters_have_64_bits_and_clear_with_the_high_half(void **state)
{
    static const uint16_t low[] = {E1000_GORCL, E1000_GOTCL, E1000_TORL, E1000_TOTL};
    struct rig *rig = *state;

    for (unsigned i = 0; i < 4; i++) {
        e1000_count64(rig->nic, low[i], UINT32_MAX);
        e1000_count64(rig->nic, low[i], 5);
        assert_int_equal(rd(rig, low[i]), 4);
        assert_int_equal(rd(rig, low[i]), 4);
        assert_int_equal(rd(rig, low[i] + 4u), 1);
        assert_int_equal(rd(rig, low[i]), 0);
        assert_int_equal(rd(rig, low[i] + 4u), 0);
    }
}

/* ---- EEPROM ---- */

static uint16_t eerd(struct rig *rig, unsigned word)
{
    uint32_t value;

    wr(rig, E1000_EERD, word << 8 | EERD_START);
    value = rd(rig, E1000_EERD);
    assert_true(value & EERD_DONE);
    assert_int_equal(value >> 8 & 0xff, word);
    return (uint16_t)(value >> 16);
}

static void eerd_reads_address_and_checksum(void **state)
{
    struct rig *rig = *state;
    uint16_t sum = 0;

    assert_int_equal(eerd(rig, 0), 0x5452);
    assert_int_equal(eerd(rig, 1), 0x1200);
    assert_int_equal(eerd(rig, 2), 0x5634);
    for (unsigned i = 0; i < 64; i++)
        sum = (uint16_t)(sum + eerd(rig, i));
    assert_int_equal(sum, 0xbaba);
    assert_int_equal(eerd(rig, 64), 0); /* there are no more words */
    assert_int_equal(eerd(rig, 255), 0);
}

static void eerd_without_start_is_not_done(void **state)
{
    struct rig *rig = *state;

    wr(rig, E1000_EERD, 0x100 | EERD_DONE);
    assert_int_equal(rd(rig, E1000_EERD), 0x100);
}

static void eecd_clock(struct rig *rig, bool bit)
{
    uint32_t lines = EECD_REQ | EECD_CS | (bit ? EECD_DI : 0);

    wr(rig, E1000_EECD, lines);
    wr(rig, E1000_EECD, lines | EECD_SK);
    wr(rig, E1000_EECD, lines);
}

static void eecd_command(struct rig *rig, unsigned opcode, unsigned word)
{
    wr(rig, E1000_EECD, EECD_REQ);
    for (int i = 2; i >= 0; i--)
        eecd_clock(rig, opcode >> i & 1);
    for (int i = 5; i >= 0; i--)
        eecd_clock(rig, word >> i & 1);
}

/* Samples DO after each rising edge, as a driver does. */
static uint16_t eecd_shift_in(struct rig *rig)
{
    uint16_t value = 0;

    for (unsigned i = 0; i < 16; i++) {
        wr(rig, E1000_EECD, EECD_REQ | EECD_CS | EECD_SK);
        value = (uint16_t)(value << 1 | (rd(rig, E1000_EECD) & EECD_DO ? 1 : 0));
        wr(rig, E1000_EECD, EECD_REQ | EECD_CS);
    }
    return value;
}

static void eecd_reads_every_word_bit_by_bit(void **state)
{
    struct rig *rig = *state;

    wr(rig, E1000_EECD, EECD_REQ);
    assert_true(rd(rig, E1000_EECD) & EECD_GNT);
    assert_true(rd(rig, E1000_EECD) & EECD_PRES);
    for (unsigned word = 0; word < 64; word++) {
        eecd_command(rig, 6, word);
        assert_false(rd(rig, E1000_EECD) & EECD_DO); /* the zero that comes first */
        assert_int_equal(eecd_shift_in(rig), eerd(rig, word));
        eecd_clock(rig, 0);
        assert_true(rd(rig, E1000_EECD) & EECD_DO); /* nobody drives it any more */
    }
    wr(rig, E1000_EECD, 0);
    assert_false(rd(rig, E1000_EECD) & EECD_GNT);
}

static void eecd_ignores_zeros_before_the_start_bit(void **state)
{
    struct rig *rig = *state;

    wr(rig, E1000_EECD, EECD_REQ);
    for (unsigned i = 0; i < 5; i++)
        eecd_clock(rig, 0);
    for (int i = 8; i >= 0; i--)
        eecd_clock(rig, (6 << 6 | 1) >> i & 1);
    assert_int_equal(eecd_shift_in(rig), eerd(rig, 1));
}

static void eecd_forgets_a_command_when_chip_select_falls(void **state)
{
    struct rig *rig = *state;

    wr(rig, E1000_EECD, EECD_REQ);
    eecd_clock(rig, 1);
    eecd_clock(rig, 1);
    wr(rig, E1000_EECD, EECD_REQ);
    eecd_command(rig, 6, 2);
    assert_int_equal(eecd_shift_in(rig), eerd(rig, 2));
}

static void eecd_writes_do_not_reach_the_words(void **state)
{
    struct rig *rig = *state;

    eecd_command(rig, 4, 0x30); /* EWEN */
    eecd_command(rig, 5, 0);
    for (unsigned i = 0; i < 16; i++)
        eecd_clock(rig, 1);
    wr(rig, E1000_EECD, 0);
    assert_int_equal(eerd(rig, 0), 0x5452);
}

/* ---- PHY ---- */

static uint32_t mdic(struct rig *rig, uint32_t op, unsigned phy, unsigned number, unsigned value)
{
    wr(rig, E1000_MDIC, op | phy << 21 | number << 16 | value);
    return rd(rig, E1000_MDIC);
}

static void the_phy_is_an_m88e1011_with_its_link_up(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(mdic(rig, MDIC_OP_READ, 1, 2, 0) & 0xffff, 0x0141);
    assert_int_equal(mdic(rig, MDIC_OP_READ, 1, 3, 0) & 0xfff0, 0x0c20);
    assert_int_equal(mdic(rig, MDIC_OP_READ, 1, 1, 0) & 0x24, 0x24); /* link up, negotiated */
    assert_true(rd(rig, E1000_MDIC) & MDIC_READY);
    assert_false(rd(rig, E1000_MDIC) & MDIC_ERROR);
}

static void phy_registers_keep_what_is_written_but_for_ids_and_self_clearing_bits(void **state)
{
    struct rig *rig = *state;

    mdic(rig, MDIC_OP_WRITE, 1, 4, 0x01e1);
    assert_int_equal(mdic(rig, MDIC_OP_READ, 1, 4, 0) & 0xffff, 0x01e1);
    mdic(rig, MDIC_OP_WRITE, 1, 2, 0xffff);
    assert_int_equal(mdic(rig, MDIC_OP_READ, 1, 2, 0) & 0xffff, 0x0141);
    mdic(rig, MDIC_OP_WRITE, 1, 1, 0);
    assert_int_equal(mdic(rig, MDIC_OP_READ, 1, 1, 0) & 0xffff, 0x796d);
    mdic(rig, MDIC_OP_WRITE, 1, 0, 0x9340);
    assert_int_equal(mdic(rig, MDIC_OP_READ, 1, 0, 0) & 0xffff, 0x1140);
    wr(rig, E1000_CTRL, rd(rig, E1000_CTRL) | CTRL_PHY_RST);
    assert_int_equal(rd(rig, E1000_CTRL) & CTRL_PHY_RST, 0);
    assert_int_equal(mdic(rig, MDIC_OP_READ, 1, 4, 0) & 0xffff, 0x0de1);
}

static void other_phy_addresses_answer_with_an_error(void **state)
{
    struct rig *rig = *state;

    for (unsigned phy = 0; phy < 32; phy++)
        assert_int_equal(!(mdic(rig, MDIC_OP_READ, phy, 2, 0) & MDIC_ERROR), phy == 1);
}

static void mdic_interrupts_if_asked(void **state)
{
    struct rig *rig = *state;

    wr(rig, E1000_IMS, ICR_MDAC);
    mdic(rig, MDIC_OP_READ, 1, 2, 0);
    assert_false(rig->intx);
    mdic(rig, MDIC_OP_READ | MDIC_INT, 1, 2, 0);
    assert_true(rig->intx);
    assert_int_equal(rd(rig, E1000_ICR), ICR_MDAC);
}

/* ---- interrupts ---- */

static void ics_sets_causes_and_ims_lets_them_through(void **state)
{
    struct rig *rig = *state;

    wr(rig, E1000_ICS, ICR_LSC | ICR_RXT0);
    assert_false(rig->intx);
    wr(rig, E1000_IMS, ICR_LSC);
    assert_true(rig->intx);
    wr(rig, E1000_IMC, ICR_LSC);
    assert_false(rig->intx);
    wr(rig, E1000_IMS, ICR_RXT0);
    assert_true(rig->intx);
    assert_int_equal(rd(rig, E1000_IMS), ICR_RXT0);
    assert_int_equal(rd(rig, E1000_ICS), 0);
    assert_int_equal(rd(rig, E1000_IMC), 0);
}

static void reading_icr_acknowledges_everything(void **state)
{
    struct rig *rig = *state;

    wr(rig, E1000_IMS, ICR_LSC);
    wr(rig, E1000_ICS, ICR_LSC | ICR_RXO);
    assert_int_equal(rd(rig, E1000_ICR), ICR_LSC | ICR_RXO);
    assert_false(rig->intx);
    assert_int_equal(rd(rig, E1000_ICR), 0);
}

static void writing_icr_acknowledges_the_ones(void **state)
{
    struct rig *rig = *state;

    wr(rig, E1000_IMS, ICR_LSC | ICR_RXO);
    wr(rig, E1000_ICS, ICR_LSC | ICR_RXO);
    wr(rig, E1000_ICR, ICR_LSC);
    assert_true(rig->intx);
    wr(rig, E1000_ICR, ICR_RXO);
    assert_false(rig->intx);
}

static void causes_that_do_not_exist_stay_zero(void **state)
{
    struct rig *rig = *state;

    wr(rig, E1000_ICS, UINT32_MAX);
    wr(rig, E1000_IMS, UINT32_MAX);
    assert_int_equal(rd(rig, E1000_ICR), ICR_ALL);
    assert_int_equal(rd(rig, E1000_IMS), ICR_ALL);
}

static void itr_spaces_interrupts(void **state)
{
    struct rig *rig = *state;

    wr(rig, E1000_ITR, 1000); /* of 256 ns */
    wr(rig, E1000_IMS, ICR_LSC);
    wr(rig, E1000_ICS, ICR_LSC);
    assert_int_equal(rig->n_rises, 1);
    assert_int_equal(rd(rig, E1000_ICR), ICR_LSC);
    wr(rig, E1000_ICS, ICR_LSC);
    assert_false(rig->intx);
    clock_advance(rig->clock, 255999);
    assert_false(rig->intx);
    clock_advance(rig->clock, 1);
    assert_true(rig->intx);
    assert_int_equal(rig->n_rises, 2);
}

static void itr_expires_quietly_when_nothing_is_pending(void **state)
{
    struct rig *rig = *state;

    wr(rig, E1000_ITR, 4);
    wr(rig, E1000_IMS, ICR_LSC);
    wr(rig, E1000_ICS, ICR_LSC);
    rd(rig, E1000_ICR);
    clock_advance(rig->clock, NS_PER_MS);
    assert_int_equal(rig->n_rises, 1);
    wr(rig, E1000_ICS, ICR_LSC); /* long after: at once */
    assert_int_equal(rig->n_rises, 2);
}

/* ---- save and load ---- */

static void a_loaded_card_goes_on_where_the_saved_one_was(void **state)
{
    struct rig *rig = *state, *other;
    void *other_state;
    uint8_t frame[100];

    rig_setup(&other_state);
    other = other_state;
    make_frame(frame, sizeof frame, rig_mac, 1);
    memcpy(rig->board->ram + RIG_TX_BUFFER, frame, sizeof frame);
    start_tx(rig);
    start_rx(rig, 0);
    wr(rig, E1000_IMS, ICR_ALL);
    tx_legacy(rig, 0, RIG_TX_BUFFER, 50, 0, 0, 0, 0); /* half a packet */
    tx_legacy(rig, 1, RIG_TX_BUFFER + 50, 50, 0, CMD_EOP, 0, 0);
    wr(rig, E1000_TDT, 1);
    eecd_command(rig, 6, 2); /* and a word that is being read */
    wr(rig, E1000_ICS, ICR_LSC);
    rig->nic->phy[4] = 0x1234;

    memcpy(other->board->ram, rig->board->ram, FAKE_RAM_BYTES);
    copy_state(e1000_state(), rig->nic, other->nic);
    e1000_after_load(other->nic);
    assert_true(other->intx);
    assert_int_equal(other->nic->phy[4], 0x1234);
    assert_int_equal(eecd_shift_in(other), 0x5634);
    wr(other, E1000_TDT, 2);
    clock_advance(other->clock, 0);
    assert_int_equal(other->n_frames, 1);
    assert_int_equal(other->frame[0].len, sizeof frame);
    assert_memory_equal(other->frame[0].bytes, frame, sizeof frame);
    rig_teardown(&other_state);
}

static void a_loaded_length_beyond_the_buffer_is_dropped(void **state)
{
    struct rig *rig = *state;

    rig->nic->tx_len = UINT32_MAX;
    e1000_after_load(rig->nic);
    assert_int_equal(rig->nic->tx_len, 0);
}

static void transmission_that_was_paused_goes_on_after_load(void **state)
{
    struct rig *rig = *state;

    start_tx(rig);
    tx_legacy(rig, 0, RIG_TX_BUFFER, 60, 0, CMD_EOP, 0, 0);
    rig->nic->reg[E1000_TDT / 4] = 1; /* as a snapshot taken during the pause has it */
    e1000_after_load(rig->nic);
    clock_advance(rig->clock, 1);
    assert_int_equal(rig->n_frames, 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_is_an_82540em),
        TEST(bars_have_the_sizes_of_the_datasheet),
        TEST(a_slot_that_is_taken_is_refused),
        TEST(it_has_an_option_rom_and_works_without_a_cable),
        TEST(io_ports_reach_the_same_registers),
        TEST(an_access_across_two_registers_reaches_both),
        TEST(what_is_beyond_the_registers_reads_as_zero),
        TEST(status_cannot_be_written_and_ring_registers_keep_their_bits),
        TEST(ctrl_rst_resets_all_but_the_configuration),
        TEST(statistics_are_cleared_by_reading),
        TEST(octet_counters_have_64_bits_and_clear_with_the_high_half),
        TEST(eerd_reads_address_and_checksum),
        TEST(eerd_without_start_is_not_done),
        TEST(eecd_reads_every_word_bit_by_bit),
        TEST(eecd_ignores_zeros_before_the_start_bit),
        TEST(eecd_forgets_a_command_when_chip_select_falls),
        TEST(eecd_writes_do_not_reach_the_words),
        TEST(the_phy_is_an_m88e1011_with_its_link_up),
        TEST(phy_registers_keep_what_is_written_but_for_ids_and_self_clearing_bits),
        TEST(other_phy_addresses_answer_with_an_error),
        TEST(mdic_interrupts_if_asked),
        TEST(ics_sets_causes_and_ims_lets_them_through),
        TEST(reading_icr_acknowledges_everything),
        TEST(writing_icr_acknowledges_the_ones),
        TEST(causes_that_do_not_exist_stay_zero),
        TEST(itr_spaces_interrupts),
        TEST(itr_expires_quietly_when_nothing_is_pending),
        TEST(a_loaded_card_goes_on_where_the_saved_one_was),
        TEST(a_loaded_length_beyond_the_buffer_is_dropped),
        TEST(transmission_that_was_paused_goes_on_after_load),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
