/* ATA channel: PIO protocols, addressing, errors, resets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "hw/block/ide.h"
#include "tests/unit/hw/block/fake_disk.h"

enum { DATA = 0x1f0, ERROR, COUNT, LOW, MID, HIGH, DEVICE, STATUS, COMMAND = STATUS, CONTROL = 0x3f6 };
enum { ERR = 0x01, DRQ = 0x08, READY = 0x50, BSY = 0x80, ABRT = 0x04, IDNF = 0x10, UNC = 0x40 };

struct rig {
    struct bus *bus;
    struct ide_channel *ide;
    struct fake_disk *disk;
    bool irq;
    unsigned n_irqs;
};

static void irq_wire(void *opaque, int line, bool level)
{
    struct rig *rig = opaque;

    rig->n_irqs += level && !rig->irq;
    rig->irq = level;
}

static int setup(void **state)
{
    struct rig *rig = calloc(1, sizeof *rig);
    const struct irq irq = {.set = irq_wire, .opaque = rig};

    rig->bus = bus_create(NULL, NULL);
    rig->ide = ide_create(&irq);
    rig->disk = fake_disk_create(FAKE_DISK_SECTORS);
    ide_attach_disk(rig->ide, 0, &rig->disk->block, "M86-0001");
    bus_map_ports(rig->bus, 0x1f0, 8, &ide_command_ports, rig->ide);
    bus_map_ports(rig->bus, 0x3f6, 1, &ide_control_ports, rig->ide);
    *state = rig;
    return 0;
}

static int teardown(void **state)
{
    struct rig *rig = *state;

    ide_destroy(rig->ide);
    bus_destroy(rig->bus);
    free(rig->disk);
    free(rig);
    return 0;
}

static uint8_t in(struct rig *rig, uint16_t port)
{
    return (uint8_t)bus_in(rig->bus, port, 1);
}

static void out(struct rig *rig, uint16_t port, uint8_t value)
{
    bus_out(rig->bus, port, value, 1);
}

static uint8_t alt_status(struct rig *rig)
{
    return in(rig, CONTROL);
}

static void command_lba28(struct rig *rig, uint8_t command, uint32_t lba, uint8_t count)
{
    out(rig, DEVICE, (uint8_t)(0xe0 | lba >> 24));
    out(rig, COUNT, count);
    out(rig, LOW, (uint8_t)lba);
    out(rig, MID, (uint8_t)(lba >> 8));
    out(rig, HIGH, (uint8_t)(lba >> 16));
    out(rig, COMMAND, command);
}

static void command_lba48(struct rig *rig, uint8_t command, uint64_t lba, uint16_t count)
{
    out(rig, DEVICE, 0xe0);
    out(rig, COUNT, (uint8_t)(count >> 8));
    out(rig, LOW, (uint8_t)(lba >> 24));
    out(rig, MID, (uint8_t)(lba >> 32));
    out(rig, HIGH, (uint8_t)(lba >> 40));
    out(rig, COUNT, (uint8_t)count);
    out(rig, LOW, (uint8_t)lba);
    out(rig, MID, (uint8_t)(lba >> 8));
    out(rig, HIGH, (uint8_t)(lba >> 16));
    out(rig, COMMAND, command);
}

static void command_simple(struct rig *rig, uint8_t command, uint8_t features, uint8_t count)
{
    out(rig, DEVICE, 0xe0);
    out(rig, ERROR, features);
    out(rig, COUNT, count);
    out(rig, COMMAND, command);
}

/* Reads `n_words` words and checks that they are what `sector` holds from its beginning. */
static void expect_sector(struct rig *rig, uint32_t sector)
{
    uint16_t words[256];

    for (unsigned i = 0; i < 256; i++) {
        assert_int_equal(alt_status(rig), READY | DRQ);
        words[i] = (uint16_t)bus_in(rig->bus, DATA, 2);
    }
    assert_memory_equal(words, rig->disk->data + sector * 512, 512);
}

static void identify(struct rig *rig, uint16_t words[256])
{
    command_simple(rig, 0xec, 0, 0);
    assert_int_equal(in(rig, STATUS), READY | DRQ);
    for (unsigned i = 0; i < 256; i++)
        words[i] = (uint16_t)bus_in(rig->bus, DATA, 2);
    assert_int_equal(in(rig, STATUS), READY);
}

static void reset_shows_the_disk_signature(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(in(rig, ERROR), 1);
    assert_int_equal(in(rig, COUNT), 1);
    assert_int_equal(in(rig, LOW), 1);
    assert_int_equal(in(rig, MID), 0);
    assert_int_equal(in(rig, HIGH), 0);
    assert_int_equal(in(rig, STATUS), READY);
    assert_false(rig->irq);
}

static void identify_describes_the_disk(void **state)
{
    struct rig *rig = *state;
    uint16_t words[256];

    identify(rig, words);
    assert_int_equal(words[0], 0x0040);
    assert_int_equal(words[1], 4096 / (16 * 63));
    assert_int_equal(words[3], 16);
    assert_int_equal(words[6], 63);
    assert_int_equal(words[10], 'M' << 8 | '8');
    assert_int_equal(words[27], 'M' << 8 | 'O');
    assert_int_equal(words[60] | words[61] << 16, 4096);
    assert_int_equal(words[100], 4096);
    assert_int_equal(words[49] & 0x300, 0x200); /* LBA; DMA only with a bus master */
    assert_int_equal(words[83] & 0xc400, 0x4400);
}

static void large_disks_are_capped_at_16383_cylinders(void **state)
{
    struct ide_geometry g = ide_default_geometry(400ull << 21);

    assert_int_equal(g.cylinders, 16383);
    assert_int_equal(g.heads, 16);
    assert_int_equal(g.sectors, 63);
    assert_int_equal(ide_default_geometry(100).cylinders, 1);
}

static void read_sectors_interrupts_before_each_sector(void **state)
{
    struct rig *rig = *state;

    command_lba28(rig, 0x20, 7, 2);
    assert_true(rig->irq);
    assert_int_equal(in(rig, STATUS), READY | DRQ);
    assert_false(rig->irq);
    expect_sector(rig, 7);
    assert_true(rig->irq);
    assert_int_equal(in(rig, STATUS), READY | DRQ);
    expect_sector(rig, 8);
    assert_int_equal(alt_status(rig), READY);
    assert_false(rig->irq);
    assert_int_equal(rig->n_irqs, 2);
    assert_int_equal(in(rig, COUNT), 0);
    assert_int_equal(in(rig, LOW), 8);
}

static void count_zero_means_256_sectors(void **state)
{
    struct rig *rig = *state;

    command_lba28(rig, 0x20, 0, 0);
    for (uint32_t sector = 0; sector < 256; sector++) {
        in(rig, STATUS);
        expect_sector(rig, sector);
    }
    assert_int_equal(in(rig, STATUS), READY);
    assert_int_equal(rig->n_irqs, 256);
}

static void dword_reads_move_two_words(void **state)
{
    struct rig *rig = *state;
    uint32_t data[128];

    command_lba28(rig, 0x20, 3, 1);
    for (unsigned i = 0; i < 128; i++)
        data[i] = bus_in(rig->bus, DATA, 4);
    assert_memory_equal(data, rig->disk->data + 3 * 512, 512);
    assert_int_equal(in(rig, STATUS), READY);
}

static void block_transfer_stops_at_the_drq_block(void **state)
{
    struct rig *rig = *state;
    uint16_t words[1024];

    command_lba28(rig, 0x20, 5, 2);
    assert_int_equal(bus_in_block(rig->bus, DATA, words, 2, 1024), 256);
    assert_memory_equal(words, rig->disk->data + 5 * 512, 512);
    assert_int_equal(bus_in_block(rig->bus, DATA, words, 2, 100), 100);
    assert_int_equal(bus_in_block(rig->bus, DATA, words + 100, 2, 1024), 156);
    assert_memory_equal(words, rig->disk->data + 6 * 512, 512);
    assert_int_equal(bus_in_block(rig->bus, DATA, words, 2, 1), 0);
}

static void multiple_moves_blocks_and_a_short_last_one(void **state)
{
    struct rig *rig = *state;
    uint16_t words[4 * 256];

    command_simple(rig, 0xc6, 0, 4);
    assert_int_equal(in(rig, STATUS), READY);
    rig->n_irqs = 0;
    command_lba28(rig, 0xc4, 100, 6);
    in(rig, STATUS);
    assert_int_equal(bus_in_block(rig->bus, DATA, words, 2, 1024), 1024);
    assert_memory_equal(words, rig->disk->data + 100 * 512, 2048);
    in(rig, STATUS);
    assert_int_equal(bus_in_block(rig->bus, DATA, words, 2, 1024), 512);
    assert_memory_equal(words, rig->disk->data + 104 * 512, 1024);
    assert_int_equal(in(rig, STATUS), READY);
    assert_int_equal(rig->n_irqs, 2);
}

static void set_multiple_takes_powers_of_two_up_to_16(void **state)
{
    struct rig *rig = *state;

    command_simple(rig, 0xc6, 0, 3);
    assert_int_equal(in(rig, STATUS), READY | ERR);
    assert_int_equal(in(rig, ERROR), ABRT);
    command_simple(rig, 0xc6, 0, 32);
    assert_int_equal(in(rig, STATUS), READY | ERR);
    command_simple(rig, 0xc6, 0, 0);
    assert_int_equal(in(rig, STATUS), READY);
    command_lba28(rig, 0xc4, 0, 1);
    assert_int_equal(in(rig, ERROR), ABRT);
}

static void write_sectors_reach_the_disk(void **state)
{
    struct rig *rig = *state;
    uint16_t words[512];

    for (unsigned i = 0; i < 512; i++)
        words[i] = (uint16_t)(i * 3 + 1);
    command_lba28(rig, 0x30, 50, 2);
    assert_false(rig->irq); /* the first block is asked for without an interrupt */
    assert_int_equal(in(rig, STATUS), READY | DRQ);
    for (unsigned i = 0; i < 256; i++)
        bus_out(rig->bus, DATA, words[i], 2);
    assert_true(rig->irq);
    assert_int_equal(in(rig, STATUS), READY | DRQ);
    assert_int_equal(bus_out_block(rig->bus, DATA, words + 256, 2, 256), 256);
    assert_true(rig->irq);
    assert_int_equal(in(rig, STATUS), READY);
    assert_memory_equal(rig->disk->data + 50 * 512, words, 1024);
    assert_int_equal(in(rig, COUNT), 0);
    assert_int_equal(in(rig, LOW), 51);
}

static void lba48_uses_both_levels_of_the_registers(void **state)
{
    struct rig *rig = *state;
    uint16_t words[256];

    rig->disk->block.n_sectors = 1ull << 40;
    command_lba48(rig, 0x24, 0x123456789aull, 1);
    assert_int_equal(in(rig, STATUS), READY | DRQ);
    assert_int_equal(bus_in_block(rig->bus, DATA, words, 2, 256), 256);
    assert_int_equal(words[0], 0xa5a5);
    assert_int_equal(in(rig, LOW), 0x9a);
    assert_int_equal(in(rig, HIGH), 0x56);
    out(rig, CONTROL, 0x80);
    assert_int_equal(in(rig, LOW), 0x34);
    assert_int_equal(in(rig, MID), 0x12);
    out(rig, LOW, 0x11); /* any write to the command block ends HOB */
    assert_int_equal(in(rig, LOW), 0x11);
    command_lba48(rig, 0x27, 0, 0);
    assert_int_equal(in(rig, LOW), 0xff);
    out(rig, CONTROL, 0x80);
    assert_int_equal(in(rig, MID), 0xff);
}

static void chs_follows_the_current_translation(void **state)
{
    struct rig *rig = *state;

    out(rig, DEVICE, 0xa0 | 7); /* 8 heads */
    out(rig, COUNT, 32);
    out(rig, COMMAND, 0x91);
    assert_int_equal(in(rig, STATUS), READY);
    out(rig, DEVICE, 0xa0 | 3);
    out(rig, COUNT, 1);
    out(rig, LOW, 5);
    out(rig, MID, 2);
    out(rig, HIGH, 0);
    out(rig, COMMAND, 0x20);
    in(rig, STATUS);
    expect_sector(rig, (2 * 8 + 3) * 32 + 4);
    assert_int_equal(in(rig, LOW), 5);
    assert_int_equal(in(rig, MID), 2);
    assert_int_equal(in(rig, DEVICE), 0xa3);
    out(rig, LOW, 0);
    out(rig, COMMAND, 0x20);
    assert_int_equal(in(rig, STATUS), READY | ERR);
    assert_int_equal(in(rig, ERROR), IDNF);
    out(rig, LOW, 33);
    out(rig, COMMAND, 0x20);
    assert_int_equal(in(rig, ERROR), IDNF);
    out(rig, LOW, 1);
    out(rig, DEVICE, 0xa8);
    out(rig, COMMAND, 0x20);
    assert_int_equal(in(rig, ERROR), IDNF);
}

static void reads_beyond_the_end_stop_with_idnf(void **state)
{
    struct rig *rig = *state;
    uint16_t words[256];

    command_lba28(rig, 0x20, 4095, 2);
    assert_int_equal(bus_in_block(rig->bus, DATA, words, 2, 256), 256);
    assert_int_equal(in(rig, STATUS), READY | ERR);
    assert_int_equal(in(rig, ERROR), IDNF);
    command_lba28(rig, 0x30, 4096, 1);
    assert_int_equal(in(rig, STATUS), READY | ERR);
    command_lba28(rig, 0x30, 4095, 2);
    for (unsigned i = 0; i < 512; i++)
        bus_out(rig->bus, DATA, 0x4242, 2);
    assert_int_equal(in(rig, STATUS), READY | ERR);
    assert_int_equal(rig->disk->data[4095 * 512], 0x42);
}

static void a_bad_sector_fails_where_it_lies(void **state)
{
    struct rig *rig = *state;

    rig->disk->bad_sector = 22;
    command_lba28(rig, 0x20, 20, 4);
    in(rig, STATUS);
    expect_sector(rig, 20);
    in(rig, STATUS);
    expect_sector(rig, 21);
    assert_int_equal(in(rig, STATUS), READY | ERR);
    assert_int_equal(in(rig, ERROR), UNC);
    assert_int_equal(in(rig, LOW), 22);
    assert_int_equal(in(rig, COUNT), 2);
    command_lba28(rig, 0x40, 0, 10);
    assert_int_equal(in(rig, STATUS), READY);
    command_lba28(rig, 0x40, 20, 10);
    assert_int_equal(in(rig, STATUS), READY | ERR);
}

static void a_readonly_disk_aborts_writes(void **state)
{
    struct rig *rig = *state;

    rig->disk->block.is_readonly = true;
    command_lba28(rig, 0x30, 0, 1);
    assert_int_equal(in(rig, STATUS), READY | ERR);
    assert_int_equal(in(rig, ERROR), ABRT);
    assert_int_equal(rig->disk->n_writes, 0);
}

static void unknown_and_dma_commands_abort(void **state)
{
    struct rig *rig = *state;
    static const uint8_t unknown[] = {0x00, 0xa1, 0xa0, 0xb0, 0xc8, 0x25, 0xf9, 0xff};

    for (unsigned i = 0; i < sizeof unknown; i++) {
        command_simple(rig, unknown[i], 0, 0);
        assert_true(rig->irq);
        assert_int_equal(in(rig, STATUS), READY | ERR);
        assert_int_equal(in(rig, ERROR), ABRT);
    }
}

static void settings_commands_complete_with_an_interrupt(void **state)
{
    struct rig *rig = *state;
    uint16_t words[256];

    command_simple(rig, 0xef, 0x03, 0x0c); /* PIO mode 4 */
    assert_true(rig->irq);
    assert_int_equal(in(rig, STATUS), READY);
    command_simple(rig, 0xef, 0x03, 0x42); /* Ultra DMA without a bus master */
    assert_int_equal(in(rig, STATUS), READY | ERR);
    command_simple(rig, 0xef, 0x82, 0);
    assert_int_equal(in(rig, STATUS), READY);
    identify(rig, words);
    assert_int_equal(words[85] & 0x20, 0);
    command_simple(rig, 0xe7, 0, 0);
    assert_int_equal(in(rig, STATUS), READY);
    assert_int_equal(rig->disk->n_flushes, 2);
    rig->disk->flush_fails = true;
    command_simple(rig, 0xe7, 0, 0);
    assert_int_equal(in(rig, STATUS), READY | ERR);
    command_simple(rig, 0xe5, 0, 0);
    assert_int_equal(in(rig, COUNT), 0xff);
    command_simple(rig, 0xe0, 0, 0);
    command_simple(rig, 0xe5, 0, 0x55);
    assert_int_equal(in(rig, COUNT), 0x00);
}

static void caches_are_features_that_identify_shows(void **state)
{
    static const struct {
        uint8_t feature;
        uint16_t bit, expected;
    } rows[] = {{0x82, 0x20, 0}, {0x02, 0x20, 0x20}, {0x55, 0x40, 0}, {0xaa, 0x40, 0x40}, {0x66, 0x60, 0x60}};
    struct rig *rig = *state;
    uint16_t words[256];

    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        command_simple(rig, 0xef, rows[i].feature, 0);
        assert_int_equal(in(rig, STATUS), READY);
        identify(rig, words);
        assert_int_equal(words[85] & rows[i].bit, rows[i].expected);
    }
    command_simple(rig, 0xef, 0x99, 0);
    assert_int_equal(in(rig, STATUS), READY | ERR);
    assert_int_equal(in(rig, ERROR), ABRT);
}

static void transfer_modes_beyond_the_drive_abort(void **state)
{
    static const uint8_t good[] = {0x00, 0x01, 0x08, 0x0c}, bad[] = {0x02, 0x0d, 0x10, 0x20, 0x40, 0x45, 0x80};
    struct rig *rig = *state; /* without a bus master */

    for (unsigned i = 0; i < sizeof good; i++) {
        command_simple(rig, 0xef, 0x03, good[i]);
        assert_int_equal(in(rig, STATUS), READY);
    }
    for (unsigned i = 0; i < sizeof bad; i++) {
        command_simple(rig, 0xef, 0x03, bad[i]);
        assert_int_equal(in(rig, STATUS), READY | ERR);
    }
}

static void buffer_commands_keep_their_sector(void **state)
{
    struct rig *rig = *state;

    command_simple(rig, 0xe8, 0, 0);
    for (unsigned i = 0; i < 256; i++)
        bus_out(rig->bus, DATA, 0x1000 + i, 2);
    assert_int_equal(in(rig, STATUS), READY);
    command_simple(rig, 0xe4, 0, 0);
    for (unsigned i = 0; i < 256; i++)
        assert_int_equal(bus_in(rig->bus, DATA, 2), 0x1000 + i);
    assert_int_equal(rig->disk->n_writes, 0);
}

static void nien_lets_go_of_the_line(void **state)
{
    struct rig *rig = *state;

    out(rig, CONTROL, 0x02);
    command_simple(rig, 0xe7, 0, 0);
    assert_false(rig->irq);
    out(rig, CONTROL, 0x00);
    assert_true(rig->irq);
    alt_status(rig);
    assert_true(rig->irq);
    in(rig, STATUS);
    assert_false(rig->irq);
}

static void soft_reset_ends_a_transfer(void **state)
{
    struct rig *rig = *state;

    command_lba28(rig, 0x20, 0, 4);
    out(rig, DEVICE, 0xf0); /* ignored while DRQ is set */
    assert_int_equal(in(rig, DEVICE), 0xe0);
    out(rig, CONTROL, 0x04);
    assert_int_equal(alt_status(rig), BSY);
    out(rig, COMMAND, 0xec);
    assert_int_equal(alt_status(rig), BSY);
    out(rig, CONTROL, 0x00);
    assert_int_equal(alt_status(rig), READY);
    assert_int_equal(in(rig, ERROR), 1);
    assert_int_equal(in(rig, LOW), 1);
    assert_false(rig->irq);
}

static void an_absent_drive_reads_as_zeros_and_ignores_commands(void **state)
{
    struct rig *rig = *state;

    out(rig, DEVICE, 0xb0);
    assert_int_equal(in(rig, DEVICE), 0xb0);
    assert_int_equal(in(rig, STATUS), 0);
    assert_int_equal(alt_status(rig), 0);
    out(rig, COUNT, 0x55);
    assert_int_equal(in(rig, COUNT), 0);
    out(rig, COMMAND, 0xec);
    assert_int_equal(in(rig, STATUS), 0);
    assert_false(rig->irq);
    assert_int_equal(bus_in(rig->bus, DATA, 2), 0xffff);
    out(rig, DEVICE, 0xa0);
    assert_int_equal(in(rig, STATUS), READY);
    assert_int_equal(in(rig, COUNT), 0x55);
}

static void diagnostic_runs_on_both_drives(void **state)
{
    struct rig *rig = *state;
    struct fake_disk *second = fake_disk_create(100);

    ide_attach_disk(rig->ide, 1, &second->block, "2");
    out(rig, DEVICE, 0xf0);
    out(rig, COMMAND, 0x90);
    assert_true(rig->irq);
    assert_int_equal(in(rig, DEVICE), 0xa0);
    assert_int_equal(in(rig, STATUS), READY);
    assert_int_equal(in(rig, ERROR), 1);
    out(rig, DEVICE, 0xf0);
    assert_int_equal(in(rig, LOW), 1);
    ide_destroy(rig->ide);
    rig->ide = NULL;
    free(second);
}

static void a_transfer_survives_save_and_load(void **state)
{
    struct rig *rig = *state;
    const struct state_desc *desc = ide_state();
    uint8_t *saved = malloc(state_size(desc)), *again = malloc(state_size(desc));
    uint16_t words[256], other[256];

    command_lba28(rig, 0x20, 9, 2);
    bus_in_block(rig->bus, DATA, words, 2, 100);
    state_save(desc, rig->ide, saved);
    ide_reset(rig->ide);
    assert_false(rig->irq);
    identify(rig, other); /* work that the loaded state must replace */
    assert_true(state_load(desc, rig->ide, saved, state_size(desc)));
    ide_after_load(rig->ide);
    assert_true(rig->irq);
    state_save(desc, rig->ide, again);
    assert_memory_equal(saved, again, state_size(desc));
    assert_int_equal(bus_in_block(rig->bus, DATA, words + 100, 2, 256), 156);
    assert_memory_equal(words, rig->disk->data + 9 * 512, 512);
    free(saved);
    free(again);
}

static void random_port_traffic_is_harmless(void **state)
{
    struct rig *rig = *state;
    uint32_t seed = 12345;

    for (unsigned i = 0; i < 200000; i++) {
        seed = seed * 1664525 + 1013904223;
        uint16_t port = (uint16_t)(seed >> 28 == 15 ? CONTROL : DATA + (seed >> 25 & 7));
        unsigned width = 1u << (seed >> 20 & 3) % 3;

        if (seed & 0x10000)
            bus_in(rig->bus, port, width);
        else
            bus_out(rig->bus, port, seed >> 3, width);
    }
    out(rig, CONTROL, 4);
    out(rig, CONTROL, 0);
    assert_int_equal(in(rig, STATUS), READY);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(reset_shows_the_disk_signature),
        T(identify_describes_the_disk),
        T(large_disks_are_capped_at_16383_cylinders),
        T(read_sectors_interrupts_before_each_sector),
        T(count_zero_means_256_sectors),
        T(dword_reads_move_two_words),
        T(block_transfer_stops_at_the_drq_block),
        T(multiple_moves_blocks_and_a_short_last_one),
        T(set_multiple_takes_powers_of_two_up_to_16),
        T(write_sectors_reach_the_disk),
        T(lba48_uses_both_levels_of_the_registers),
        T(chs_follows_the_current_translation),
        T(reads_beyond_the_end_stop_with_idnf),
        T(a_bad_sector_fails_where_it_lies),
        T(a_readonly_disk_aborts_writes),
        T(unknown_and_dma_commands_abort),
        T(settings_commands_complete_with_an_interrupt),
        T(caches_are_features_that_identify_shows),
        T(transfer_modes_beyond_the_drive_abort),
        T(buffer_commands_keep_their_sector),
        T(nien_lets_go_of_the_line),
        T(soft_reset_ends_a_transfer),
        T(an_absent_drive_reads_as_zeros_and_ignores_commands),
        T(diagnostic_runs_on_both_drives),
        T(a_transfer_survives_save_and_load),
        T(random_port_traffic_is_harmless),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
