/* What the ATAPI tests share: a drive on a bus with a bus master, packets and their replies, sense. */
#ifndef TESTS_UNIT_HW_ATAPI_RIG_H
#define TESTS_UNIT_HW_ATAPI_RIG_H

#include "hw/block/ide.h"
#include "hw/block/ide_internal.h"
#include "tests/unit/hw/block/fake_disk.h"
#include "tests/unit/hw/probe.h"

enum {
    DATA = 0x170,
    ERROR,
    FEATURES = ERROR,
    REASON,
    LOW,
    MID,
    HIGH,
    DEVICE,
    STATUS,
    COMMAND = STATUS,
    CONTROL = 0x376
};
enum { ERR = 0x01, DRQ = 0x08, READY = 0x50, BSY = 0x80, ABRT = 0x04 };
enum { NOT_READY = 2, MEDIUM_ERROR = 3, ILLEGAL_REQUEST = 5, UNIT_ATTENTION = 6 };
enum { BLOCKS = FAKE_DISK_SECTORS / 4 };

struct rig {
    struct bus *bus;
    struct ide_channel *ide;
    struct fake_disk *disc;
    struct probe irq;
    uint8_t reply[70000];
    unsigned n_reply, n_blocks; /* bytes and DRQ blocks of the last command */
    unsigned dma_limit;         /* bytes that the bus master moves at once */
};

static inline uint8_t in(struct rig *rig, uint16_t port)
{
    return (uint8_t)bus_in(rig->bus, port, 1);
}

static inline void out(struct rig *rig, uint16_t port, uint8_t value)
{
    bus_out(rig->bus, port, value, 1);
}

/* A bus master that takes or gives all that the drive wants. */
static inline void run_dma(void *opaque)
{
    struct rig *rig = opaque;
    uint32_t n;
    uint8_t *window;

    while ((window = ide_dma_window(rig->ide, &n))) {
        if (n > rig->dma_limit)
            n = rig->dma_limit;
        if (ide_dma_pending(rig->ide) == IDE_DMA_TO_MEMORY)
            memcpy(rig->reply + rig->n_reply, window, n);
        else
            memcpy(window, rig->reply + rig->n_reply, n);
        rig->n_reply += n;
        ide_dma_advance(rig->ide, n);
    }
}

static inline void begin_packet(struct rig *rig, uint8_t features, uint16_t limit, const uint8_t *packet)
{
    out(rig, DEVICE, 0xa0);
    out(rig, FEATURES, features);
    out(rig, MID, (uint8_t)limit);
    out(rig, HIGH, (uint8_t)(limit >> 8));
    out(rig, COMMAND, 0xa0);
    assert_int_equal(in(rig, CONTROL), READY | DRQ);
    assert_int_equal(in(rig, REASON), 0x01);
    assert_false(rig->irq.level);
    rig->n_reply = rig->n_blocks = 0;
    for (unsigned i = 0; i < 12; i += 2)
        bus_out(rig->bus, DATA, packet[i] | packet[i + 1] << 8, 2);
}

/* Takes data block by block until the drive has no more; returns the status. */
static inline uint8_t take_reply(struct rig *rig)
{
    for (;;) {
        unsigned n;

        assert_true(rig->irq.level);
        if (!(in(rig, CONTROL) & DRQ))
            break;
        assert_int_equal(in(rig, STATUS), READY | DRQ);
        assert_false(rig->irq.level);
        assert_int_equal(in(rig, REASON), 0x02);
        n = in(rig, MID) | in(rig, HIGH) << 8;
        assert_true(n > 0);
        for (unsigned i = 0; i < n; i += 2) {
            uint16_t word = (uint16_t)bus_in(rig->bus, DATA, 2);

            rig->reply[rig->n_reply++] = (uint8_t)word;
            if (i + 1 < n)
                rig->reply[rig->n_reply++] = (uint8_t)(word >> 8);
        }
        rig->n_blocks++;
    }
    assert_int_equal(in(rig, REASON), 0x03);
    return in(rig, STATUS);
}

static inline uint8_t run_packet(struct rig *rig, const uint8_t packet[12])
{
    begin_packet(rig, 0, 0xfffe, packet);
    return take_reply(rig);
}
#define PACKET(rig, ...) run_packet(rig, (const uint8_t[12]){__VA_ARGS__})

static inline void expect_sense(struct rig *rig, uint8_t key, uint8_t asc, uint8_t ascq)
{
    assert_int_equal(in(rig, ERROR), key << 4 | ABRT);
    assert_int_equal(PACKET(rig, 0x03, 0, 0, 0, 18), READY);
    assert_int_equal(rig->n_reply, 18);
    assert_int_equal(rig->reply[0], 0x70);
    assert_int_equal(rig->reply[2], key);
    assert_int_equal(rig->reply[7], 10);
    assert_int_equal(rig->reply[12], asc);
    assert_int_equal(rig->reply[13], ascq);
}
#define EXPECT_CHECK(rig, key, asc, ascq, ...)                                                                         \
    do {                                                                                                               \
        assert_int_equal(PACKET(rig, __VA_ARGS__), READY | ERR);                                                       \
        assert_int_equal((rig)->n_reply, 0);                                                                           \
        expect_sense(rig, key, asc, ascq);                                                                             \
    } while (0)

static inline struct rig *create(struct host_block *disc, bool with_dma)
{
    struct rig *rig = calloc(1, sizeof *rig);
    const struct irq irq = probe_wire(&rig->irq);

    rig->dma_limit = 1u << 20;
    rig->bus = bus_create(NULL, NULL);
    rig->ide = ide_create(&irq);
    if (with_dma)
        ide_connect_dma(rig->ide, run_dma, rig);
    ide_attach_cdrom(rig->ide, 0, disc, "M86-CD");
    bus_map_ports(rig->bus, 0x170, 8, &ide_command_ports, rig->ide);
    bus_map_ports(rig->bus, 0x376, 1, &ide_control_ports, rig->ide);
    return rig;
}

static inline int setup_empty(void **state)
{
    *state = create(NULL, true);
    return 0;
}

static inline int setup_after_reset(void **state)
{
    struct fake_disk *disc = fake_disk_create(FAKE_DISK_SECTORS);
    struct rig *rig = create(&disc->block, true);

    disc->block.is_readonly = true;
    rig->disc = disc;
    *state = rig;
    return 0;
}

/* The unit attention after reset is taken. */
static inline int setup(void **state)
{
    setup_after_reset(state);
    assert_int_equal(PACKET((struct rig *)*state, 0x00), READY | ERR);
    assert_int_equal(PACKET((struct rig *)*state, 0x00), READY);
    return 0;
}

static inline int teardown(void **state)
{
    struct rig *rig = *state;

    ide_destroy(rig->ide);
    bus_destroy(rig->bus);
    free(rig->disc);
    free(rig);
    return 0;
}

#define TEST(name)             cmocka_unit_test_setup_teardown(name, setup, teardown)
#define TEST_AFTER_RESET(name) cmocka_unit_test_setup_teardown(name, setup_after_reset, teardown)

#endif
