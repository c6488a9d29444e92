/*
 * PCI test device. Source: QEMU documentation, "pci-testdev". A write of N to the first byte of a BAR begins test N of
 * that BAR; its header, readable from then on at the start of both BARs, says where the guest shall write, how wide and
 * what, and counts the writes that came so.
 * Deviates: no third BAR (QEMU's membar=). The names of the tests are QEMU's, whose differences lie in how its host
 * side counts.
 */
#include "hw/pci/pci_testdev.h"

#include <stdlib.h>
#include <string.h>

enum testdev_header { /* offsets in both BARs */
                      HEADER_TEST = 0x00,
                      HEADER_WIDTH = 0x01,
                      HEADER_OFFSET = 0x04,
                      HEADER_DATA = 0x08,
                      HEADER_COUNT = 0x0c,
                      HEADER_NAME = 0x10,
};

#define NAME_BYTES   28
#define HEADER_BYTES (HEADER_NAME + NAME_BYTES)

#define TESTDEV_VENDOR 0x1b36 /* Red Hat */
#define TESTDEV_DEVICE 0x0005
#define MEMORY_BYTES   4096
#define PORTS          256
#define NO_TEST        0xff

/* What the header says of a test. Each test has a place of its own in the
 * upper half of its BAR. */
struct test {
    bool any_data; /* every value counts, not only `data` */
    uint16_t offset;
    uint8_t data;
    char name[NAME_BYTES];
};

#define TESTS_PER_BAR 3
#define TEST_WIDTH    1 /* byte writes; wider ones are taken apart by the bus */

static const struct test test_table[2][TESTS_PER_BAR] = {
    {
        {false, 0x800, 0xfa, "mmio-no-eventfd"},
        {true, 0x801, 0xce, "mmio-wildcard-eventfd"},
        {false, 0x802, 0xfa, "mmio-datamatch-eventfd"},
    },
    {
        {false, 0x83, 0xfa, "portio-no-eventfd"},
        {true, 0x84, 0xce, "portio-wildcard-eventfd"},
        {false, 0x85, 0xfa, "portio-datamatch-eventfd"},
    },
};

struct pci_testdev {
    struct pci_device pci;
    uint8_t current; /* BAR * TESTS_PER_BAR + test, or NO_TEST */
    uint32_t count;
};

static const struct state_field testdev_fields[] = {
    PCI_STATE(struct pci_testdev, pci),
    STATE_REG(struct pci_testdev, current, NO_TEST, "test that is running; ff: none"),
    STATE_REG(struct pci_testdev, count, 0, "writes that it has seen"),
};
static const struct state_desc testdev_desc = STATE_DESC("pci-testdev", testdev_fields);

const struct state_desc *pci_testdev_state(void)
{
    return &testdev_desc;
}

static const struct test *current_test(const struct pci_testdev *dev)
{
    return dev->current == NO_TEST ? NULL : &test_table[dev->current / TESTS_PER_BAR][dev->current % TESTS_PER_BAR];
}

static void write_header(const struct pci_testdev *dev, const struct test *test, uint8_t header[HEADER_BYTES])
{
    memset(header, 0, HEADER_BYTES);
    header[HEADER_TEST] = dev->current % TESTS_PER_BAR;
    header[HEADER_WIDTH] = TEST_WIDTH;
    pci_set32(header, HEADER_OFFSET, test->offset);
    pci_set32(header, HEADER_DATA, test->data);
    pci_set32(header, HEADER_COUNT, dev->count);
    memcpy(header + HEADER_NAME, test->name, sizeof test->name);
}

static uint32_t testdev_read(void *self, uint32_t offset, unsigned width)
{
    const struct pci_testdev *dev = self;
    const struct test *test = current_test(dev);
    uint8_t header[HEADER_BYTES];

    if (!test || offset >= HEADER_BYTES)
        return 0;
    write_header(dev, test, header);
    return header[offset];
}

static void bar_write(struct pci_testdev *dev, unsigned bar, uint32_t offset, uint32_t value)
{
    const struct test *test;

    if (offset == HEADER_TEST) {
        if (value < TESTS_PER_BAR) {
            dev->current = (uint8_t)(bar * TESTS_PER_BAR + value);
            dev->count = 0;
        } else {
            dev->current = NO_TEST; /* its header reads as width 0, which tells the guest that there are no more */
        }
        return;
    }
    test = current_test(dev);
    if (test && bar == dev->current / TESTS_PER_BAR && offset == test->offset &&
        (test->any_data || value == test->data))
        dev->count++;
}

static void memory_write(void *self, uint32_t offset, uint32_t value, unsigned width)
{
    bar_write(self, 0, offset, value);
}

static void port_write(void *self, uint32_t offset, uint32_t value, unsigned width)
{
    bar_write(self, 1, offset, value);
}

static const struct bus_ops memory_ops = {
    .name = "pci-testdev", .read = testdev_read, .write = memory_write, .max_width = 1};
static const struct bus_ops port_ops = {
    .name = "pci-testdev", .read = testdev_read, .write = port_write, .max_width = 1};

/* ---- life ---- */

struct pci_testdev *pci_testdev_create(struct pci_bus *pci, unsigned slot)
{
    static const struct pci_identity identity = {.vendor_id = TESTDEV_VENDOR,
                                                 .device_id = TESTDEV_DEVICE,
                                                 .class_code = 0xff,
                                                 .subsystem_vendor_id = 0x1af4,
                                                 .subsystem_id = 0x1100};
    struct pci_testdev *dev = calloc(1, sizeof *dev);

    if (!dev)
        return NULL;
    pci_device_init(&dev->pci, &identity, dev);
    pci_device_add_bar(&dev->pci, 0, PCI_BAR_MEMORY, MEMORY_BYTES, &memory_ops, dev);
    pci_device_add_bar(&dev->pci, 1, PCI_BAR_IO, PORTS, &port_ops, dev);
    if (!pci_device_attach(&dev->pci, pci, slot, 0)) {
        free(dev);
        return NULL;
    }
    pci_testdev_reset(dev);
    return dev;
}

void pci_testdev_destroy(struct pci_testdev *dev)
{
    free(dev);
}

void pci_testdev_reset(struct pci_testdev *dev)
{
    dev->current = NO_TEST;
    dev->count = 0;
    pci_device_reset(&dev->pci);
}

void pci_testdev_after_load(struct pci_testdev *dev)
{
    if (dev->current >= 2 * TESTS_PER_BAR)
        dev->current = NO_TEST;
    pci_device_after_load(&dev->pci);
}
