/* PIIX3 bus-master IDE: descriptor tables, status bits, limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "hw/block/piix3_ide.h"
#include "tests/unit/hw/block/fake_disk.h"
#include "tests/unit/hw/pci/fake_board.h"

enum { COUNT = 0x1f2, LOW, MID, HIGH, DEVICE, STATUS, COMMAND = STATUS };
enum { BMIC = 0xc000, BMIS = 0xc002, BMIDTP = 0xc004 };
enum { START = 0x01, TO_MEMORY = 0x08, ACTIVE = 0x01, ERROR = 0x02, INTERRUPT = 0x04 };
enum { TABLE = 0x8000, BUFFER = 0x20000 };
#define EOT 0x80000000u

struct rig {
    struct fake_board *board;
    struct pci_bus *pci;
    struct ide_channel *channel[2];
    struct piix3_ide *ide;
    struct fake_disk *disk;
    bool irq[2];
};

static void irq_wire(void *opaque, int line, bool level)
{
    ((struct rig *)opaque)->irq[line] = level;
}

static void config_out(struct rig *rig, unsigned reg, uint32_t value)
{
    bus_out(rig->board->bus, 0xcf8, 0x80000900u | reg, 4);
    bus_out(rig->board->bus, 0xcfc, value, 4);
}

static uint32_t config_in(struct rig *rig, unsigned reg)
{
    bus_out(rig->board->bus, 0xcf8, 0x80000900u | reg, 4);
    return bus_in(rig->board->bus, 0xcfc, 4);
}

static int setup(void **state)
{
    struct rig *rig = calloc(1, sizeof *rig);
    const struct irq none = {0};
    const struct irq irq[2] = {{.set = irq_wire, .opaque = rig, .line = 0},
                               {.set = irq_wire, .opaque = rig, .line = 1}};

    rig->board = fake_board_create();
    rig->pci = pci_bus_create(rig->board->bus);
    bus_map_ports(rig->board->bus, 0xcf8, 4, &pci_address_ports, rig->pci);
    bus_map_ports(rig->board->bus, 0xcfc, 4, &pci_data_ports, rig->pci);
    for (unsigned i = 0; i < 2; i++)
        rig->channel[i] = ide_create(&none);
    rig->ide = piix3_ide_create(rig->pci, 1, rig->channel, irq);
    rig->disk = fake_disk_create(FAKE_DISK_SECTORS);
    ide_attach_disk(rig->channel[0], 0, &rig->disk->block, "1");
    bus_map_ports(rig->board->bus, 0x1f0, 8, &ide_command_ports, rig->channel[0]);
    config_out(rig, PCI_BASE_ADDRESS_0 + 16, 0xc000);
    config_out(rig, PCI_COMMAND, PCI_COMMAND_IO | PCI_COMMAND_MASTER);
    *state = rig;
    return 0;
}

static int teardown(void **state)
{
    struct rig *rig = *state;

    piix3_ide_destroy(rig->ide);
    ide_destroy(rig->channel[0]);
    ide_destroy(rig->channel[1]);
    pci_bus_destroy(rig->pci);
    fake_board_destroy(rig->board);
    free(rig->disk);
    free(rig);
    return 0;
}

static uint8_t in(struct rig *rig, uint16_t port)
{
    return (uint8_t)bus_in(rig->board->bus, port, 1);
}

static void out(struct rig *rig, uint16_t port, uint8_t value)
{
    bus_out(rig->board->bus, port, value, 1);
}

static void command(struct rig *rig, uint8_t opcode, uint32_t lba, uint8_t count)
{
    out(rig, DEVICE, 0xe0);
    out(rig, COUNT, count);
    out(rig, LOW, (uint8_t)lba);
    out(rig, MID, (uint8_t)(lba >> 8));
    out(rig, HIGH, (uint8_t)(lba >> 16));
    out(rig, COMMAND, opcode);
}

static void put_prd(struct rig *rig, unsigned index, uint32_t address, uint32_t count)
{
    memcpy(rig->board->ram + TABLE + 8 * index, &address, 4);
    memcpy(rig->board->ram + TABLE + 8 * index + 4, &count, 4);
}

static void start(struct rig *rig, uint8_t direction)
{
    bus_out(rig->board->bus, BMIDTP, TABLE, 4);
    out(rig, BMIS, ERROR | INTERRUPT);
    out(rig, BMIC, direction);
    out(rig, BMIC, direction | START);
}

static const uint8_t *sector(const struct rig *rig, uint32_t lba)
{
    return rig->disk->data + lba * 512;
}

static void identity_says_bus_master(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(config_in(rig, 0x00), 0x70108086);
    assert_int_equal(config_in(rig, 0x08), 0x01018000);
    assert_int_equal(config_in(rig, 0x20), 0xc001);
}

static void identify_offers_dma(void **state)
{
    struct rig *rig = *state;
    uint16_t words[256];

    command(rig, 0xec, 0, 0);
    assert_int_equal(bus_in_block(rig->board->bus, 0x1f0, words, 2, 256), 256);
    assert_int_equal(words[49] & 0x100, 0x100);
    assert_int_equal(words[63], 0x0007);
    out(rig, 0x1f1, 3);
    command(rig, 0xef, 0, 0x22);
    command(rig, 0xec, 0, 0);
    bus_in_block(rig->board->bus, 0x1f0, words, 2, 256);
    assert_int_equal(words[63], 0x0407);
}

static void a_read_scatters_over_the_table(void **state)
{
    struct rig *rig = *state;

    put_prd(rig, 0, BUFFER, 512);
    put_prd(rig, 1, BUFFER + 0x1000, 100);
    put_prd(rig, 2, BUFFER + 0x2000, 412 | EOT);
    command(rig, 0xc8, 10, 2);
    assert_int_equal(in(rig, 0x1f7), 0x58);
    assert_false(rig->irq[0]);
    start(rig, TO_MEMORY);
    assert_true(rig->irq[0]);
    assert_int_equal(in(rig, BMIS), INTERRUPT);
    assert_int_equal(in(rig, STATUS), 0x50);
    assert_false(rig->irq[0]);
    assert_memory_equal(rig->board->ram + BUFFER, sector(rig, 10), 512);
    assert_memory_equal(rig->board->ram + BUFFER + 0x1000, sector(rig, 11), 100);
    assert_memory_equal(rig->board->ram + BUFFER + 0x2000, sector(rig, 11) + 100, 412);
    assert_int_equal(rig->board->ram[BUFFER + 0x1000 + 100], 0);
    out(rig, BMIS, INTERRUPT);
    assert_int_equal(in(rig, BMIS), 0);
}

static void the_start_bit_may_come_first(void **state)
{
    struct rig *rig = *state;

    put_prd(rig, 0, BUFFER, 512 | EOT);
    start(rig, TO_MEMORY);
    assert_int_equal(in(rig, BMIS), ACTIVE);
    command(rig, 0xc8, 77, 1);
    assert_int_equal(in(rig, BMIS), INTERRUPT);
    assert_memory_equal(rig->board->ram + BUFFER, sector(rig, 77), 512);
}

static void a_large_write_gathers_from_memory(void **state)
{
    struct rig *rig = *state;

    for (unsigned i = 0; i < 0x20000; i++)
        rig->board->ram[BUFFER + i] = (uint8_t)(i * 7 + (i >> 9));
    put_prd(rig, 0, BUFFER, 512);
    put_prd(rig, 1, BUFFER + 512, 0); /* 64 KiB, across two of the drive's buffers */
    put_prd(rig, 2, BUFFER + 0x10000 + 512, (0x10000 - 512) | EOT);
    command(rig, 0xca, 300, 0); /* 256 sectors */
    start(rig, 0);
    assert_int_equal(in(rig, BMIS), INTERRUPT);
    assert_int_equal(in(rig, STATUS), 0x50);
    assert_memory_equal(sector(rig, 300), rig->board->ram + BUFFER, 0x20000);
}

static void a_table_longer_than_the_command_stays_active(void **state)
{
    struct rig *rig = *state;

    put_prd(rig, 0, BUFFER, 1024 | EOT);
    command(rig, 0xc8, 1, 1);
    start(rig, TO_MEMORY);
    assert_int_equal(in(rig, BMIS), INTERRUPT | ACTIVE);
    out(rig, BMIC, TO_MEMORY);
    assert_int_equal(in(rig, BMIS), INTERRUPT);
}

static void a_table_shorter_than_the_command_leaves_the_drive_waiting(void **state)
{
    struct rig *rig = *state;

    put_prd(rig, 0, BUFFER, 512 | EOT);
    command(rig, 0xc8, 1, 2);
    start(rig, TO_MEMORY);
    assert_int_equal(in(rig, BMIS), 0);
    assert_int_equal(in(rig, 0x1f7), 0x58);
    assert_false(rig->irq[0]);
}

static void addresses_outside_ram_set_the_error_bit(void **state)
{
    struct rig *rig = *state;

    put_prd(rig, 0, 0xfffff000, 512 | EOT);
    command(rig, 0xc8, 1, 1);
    start(rig, TO_MEMORY);
    assert_int_equal(in(rig, BMIS), ERROR);
    bus_out(rig->board->bus, BMIDTP, 0xfff00000, 4);
    out(rig, BMIC, 0);
    out(rig, BMIC, START | TO_MEMORY);
    assert_int_equal(in(rig, BMIS), ERROR);
}

static void a_table_without_end_is_bounded(void **state)
{
    struct rig *rig = *state;

    for (unsigned i = 0; i < 0x10000 / 8; i++)
        put_prd(rig, i, BUFFER, 2); /* 16 KiB in all, the command wants 128 KiB */
    command(rig, 0xc8, 0, 0);
    start(rig, TO_MEMORY);
    assert_int_equal(in(rig, BMIS), ERROR);
}

static void the_wrong_direction_moves_nothing(void **state)
{
    struct rig *rig = *state;

    put_prd(rig, 0, BUFFER, 512 | EOT);
    command(rig, 0xc8, 1, 1);
    start(rig, 0);
    assert_int_equal(in(rig, BMIS), ERROR);
    assert_int_equal(rig->board->ram[BUFFER + 1], 0);
}

static void a_disk_error_ends_the_command(void **state)
{
    struct rig *rig = *state;

    rig->disk->bad_sector = 6;
    put_prd(rig, 0, BUFFER, 2048 | EOT);
    command(rig, 0xc8, 5, 4);
    start(rig, TO_MEMORY);
    assert_true(rig->irq[0]);
    assert_int_equal(in(rig, BMIS), INTERRUPT | ACTIVE);
    assert_int_equal(in(rig, STATUS), 0x51);
    assert_memory_equal(rig->board->ram + BUFFER, sector(rig, 5), 512);
}

static void pio_interrupts_show_in_the_status_too(void **state)
{
    struct rig *rig = *state;

    command(rig, 0x20, 5, 1);
    assert_true(rig->irq[0]);
    assert_int_equal(in(rig, BMIS), INTERRUPT);
    out(rig, BMIS, 0x60 | INTERRUPT);
    assert_int_equal(in(rig, BMIS), 0x60);
    assert_int_equal(in(rig, BMIS + 8), 0);
}

static void a_waiting_transfer_survives_save_and_load(void **state)
{
    struct rig *rig = *state;
    const struct state_desc *desc = piix3_ide_state();
    uint8_t *saved = malloc(state_size(desc));

    put_prd(rig, 0, BUFFER, 512 | EOT);
    start(rig, TO_MEMORY);
    state_save(desc, rig->ide, saved);
    piix3_ide_reset(rig->ide);
    assert_int_equal(in(rig, BMIS), 0xff); /* no longer mapped */
    config_out(rig, PCI_BASE_ADDRESS_0 + 16, 0xc000);
    config_out(rig, PCI_COMMAND, PCI_COMMAND_IO);
    bus_out(rig->board->bus, BMIDTP, 0x1234, 4);
    assert_true(state_load(desc, rig->ide, saved, state_size(desc)));
    piix3_ide_after_load(rig->ide);
    command(rig, 0xc8, 9, 1);
    assert_int_equal(in(rig, BMIS), INTERRUPT);
    assert_memory_equal(rig->board->ram + BUFFER, sector(rig, 9), 512);
    free(saved);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(identity_says_bus_master),
        T(identify_offers_dma),
        T(a_read_scatters_over_the_table),
        T(the_start_bit_may_come_first),
        T(a_large_write_gathers_from_memory),
        T(a_table_longer_than_the_command_stays_active),
        T(a_table_shorter_than_the_command_leaves_the_drive_waiting),
        T(addresses_outside_ram_set_the_error_bit),
        T(a_table_without_end_is_bounded),
        T(the_wrong_direction_moves_nothing),
        T(a_disk_error_ends_the_command),
        T(pio_interrupts_show_in_the_status_too),
        T(a_waiting_transfer_survives_save_and_load),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
