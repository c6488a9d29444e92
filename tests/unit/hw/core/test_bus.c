/* Ports, splitting, blocks, and the way to memory. */
#include "tests/unit/hw/probe.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "hw/core/log.h"

struct device { /* remembers accesses; byte n of an access reads as the offset it lies at, plus `base` */
    uint8_t base;
    unsigned n;
    struct {
        bool is_write;
        uint32_t offset, value;
        unsigned width;
    } seen[16];
    uint32_t block_limit;
};

static uint32_t device_read(void *self, uint32_t offset, unsigned width)
{
    struct device *device = self;
    uint32_t value = 0;
    for (unsigned i = 0; i < width; i++)
        value |= (uint32_t)(uint8_t)(device->base + offset + i) << 8 * i;
    device->seen[device->n].is_write = false;
    device->seen[device->n].offset = offset;
    device->seen[device->n++].width = width;
    return value;
}

static void device_write(void *self, uint32_t offset, uint32_t value, unsigned width)
{
    struct device *device = self;
    device->seen[device->n].is_write = true;
    device->seen[device->n].offset = offset;
    device->seen[device->n].value = value;
    device->seen[device->n++].width = width;
}

static uint32_t device_read_block(void *self, uint32_t offset, void *buffer, unsigned width, uint32_t count)
{
    struct device *device = self;
    uint32_t n = count < device->block_limit ? count : device->block_limit;
    memset(buffer, (int)(0x40 + offset), (size_t)n * width);
    return n;
}

static uint32_t device_write_block(void *self, uint32_t offset, const void *buffer, unsigned width, uint32_t count)
{
    struct device *device = self;
    device->seen[0].value = *(const uint8_t *)buffer;
    return count < device->block_limit ? count : device->block_limit;
}

static const struct bus_ops narrow = {.name = "narrow", .read = device_read, .write = device_write};
static const struct bus_ops word = {.name = "word", .read = device_read, .write = device_write, .max_width = 2};
static const struct bus_ops wide = {
    .name = "wide",
    .read = device_read,
    .write = device_write,
    .max_width = 4,
    .read_block = device_read_block,
    .write_block = device_write_block,
};
static const struct bus_ops deaf = {.name = "deaf", .max_width = 4};

static void unmapped_ports_read_as_ones(void **state)
{
    struct bus *bus = bus_create(NULL, NULL);
    assert_int_equal(bus_in(bus, 0x123, 1), 0xff);
    assert_int_equal(bus_in(bus, 0x123, 2), 0xffff);
    assert_int_equal(bus_in(bus, 0x123, 4), 0xffffffff);
    bus_out(bus, 0x123, 0, 4);
    bus_destroy(bus);
    bus_destroy(NULL);
}

static void offsets_are_local_and_values_trimmed(void **state)
{
    struct bus *bus = bus_create(NULL, NULL);
    struct device device = {.base = 0x10};
    bus_map_ports(bus, 0x3f8, 8, &wide, &device);
    assert_int_equal(bus_in(bus, 0x3fa, 2), 0x1312);
    bus_out(bus, 0x3fb, 0xaabbccdd, 1);
    assert_int_equal(device.seen[1].offset, 3);
    assert_int_equal(device.seen[1].value, 0xdd);
    bus_destroy(bus);
}

static void wide_accesses_split_into_what_the_device_takes(void **state)
{
    struct bus *bus = bus_create(NULL, NULL);
    struct device a = {.base = 0}, b = {.base = 0x80};
    bus_map_ports(bus, 0x100, 4, &narrow, &a);
    bus_map_ports(bus, 0x200, 4, &word, &b);
    assert_int_equal(bus_in(bus, 0x100, 4), 0x03020100);
    assert_int_equal(a.n, 4);
    assert_int_equal(a.seen[3].width, 1);
    assert_int_equal(bus_in(bus, 0x200, 4), 0x83828180);
    assert_int_equal(b.n, 2);
    bus_out(bus, 0x200, 0x11223344, 4);
    assert_int_equal(b.seen[2].value, 0x3344);
    assert_int_equal(b.seen[3].value, 0x1122);
    assert_int_equal(b.seen[3].offset, 2);
    /* an odd port is no reason to split: the VBE data port 1CFh takes words */
    assert_int_equal(bus_in(bus, 0x201, 2), 0x8281);
    assert_int_equal(b.n, 5);
    bus_destroy(bus);
}

static void accesses_across_a_border_go_to_both_sides(void **state)
{
    struct bus *bus = bus_create(NULL, NULL);
    struct device a = {.base = 0}, b = {.base = 0x80};
    bus_map_ports(bus, 0x100, 2, &wide, &a);
    bus_map_ports(bus, 0x102, 1, &wide, &b);
    assert_int_equal(bus_in(bus, 0x100, 4), 0xff800100);
    assert_int_equal(a.seen[0].width, 2);
    bus_out(bus, 0x101, 0x44332211, 4);
    assert_int_equal(a.seen[1].value, 0x11);
    assert_int_equal(b.seen[1].value, 0x22);
    assert_int_equal(b.n, 2);
    bus_destroy(bus);
}

static void an_access_past_ffff_wraps_to_port_0(void **state)
{
    struct bus *bus = bus_create(NULL, NULL);
    struct device a = {.base = 0}, b = {.base = 0x80};
    bus_map_ports(bus, 0xfffe, 100, &wide, &a); /* the count is clipped at the top */
    bus_map_ports(bus, 0, 4, &wide, &b);
    assert_int_equal(bus_in(bus, 0xffff, 2), 0x8001);
    assert_int_equal(bus_in(bus, 0xfffe, 4), 0x81800100);
    assert_int_equal(bus_in(bus, 4, 1), 0xff);
    bus_destroy(bus);
}

static void a_later_mapping_covers_an_earlier_one(void **state)
{
    struct bus *bus = bus_create(NULL, NULL);
    struct device a = {.base = 0}, b = {.base = 0x80};
    bus_map_ports(bus, 0x100, 8, &wide, &a);
    bus_map_ports(bus, 0x102, 2, &wide, &b);
    bus_map_ports(bus, 0x102, 0, &deaf, &b);
    assert_int_equal(bus_in(bus, 0x102, 1), 0x80);
    assert_int_equal(bus_in(bus, 0x104, 1), 0x04);
    bus_unmap_ports(bus, 0x102, 2);
    assert_int_equal(bus_in(bus, 0x102, 2), 0xffff);
    bus_map_ports(bus, 0x100, 1, &deaf, &a);
    assert_int_equal(bus_in(bus, 0x100, 1), 0xff);
    bus_out(bus, 0x100, 0, 1);
    bus_destroy(bus);
}

static void slots_of_covered_ranges_are_used_again(void **state)
{
    struct bus *bus = bus_create(NULL, NULL);
    struct device device = {0};
    for (unsigned i = 0; i < 200000; i++) /* more than there are slots */
        bus_map_ports(bus, (uint16_t)(i % 200), 1, &wide, &device);
    assert_int_equal(bus_in(bus, 199, 1), 0);
    assert_int_equal(bus_in(bus, 200, 1), 0xff);
    assert_int_equal(bus_in(bus, 0, 1), 0);
    bus_destroy(bus);
}

static void blocks_move_only_where_the_device_can(void **state)
{
    struct bus *bus = bus_create(NULL, NULL);
    struct device device = {.block_limit = 3};
    uint16_t buffer[8] = {0x55};
    bus_map_ports(bus, 0x1f0, 4, &wide, &device);
    bus_map_ports(bus, 0x100, 4, &narrow, &device);
    assert_int_equal(bus_in_block(bus, 0x1f0, buffer, 2, 8), 3);
    assert_int_equal(buffer[2], 0x4040);
    assert_int_equal(buffer[3], 0);
    assert_int_equal(bus_out_block(bus, 0x1f0, buffer, 2, 2), 2);
    assert_int_equal(device.seen[0].value, 0x40);
    assert_int_equal(bus_in_block(bus, 0x1f3, buffer, 2, 8), 0); /* leaves the range */
    assert_int_equal(bus_in_block(bus, 0x100, buffer, 1, 8), 0);
    assert_int_equal(bus_out_block(bus, 0x100, buffer, 1, 8), 0);
    assert_int_equal(bus_in_block(bus, 0x999, buffer, 1, 8), 0);
    assert_int_equal(bus_out_block(bus, 0x999, buffer, 1, 8), 0);
    bus_destroy(bus);
}

struct memory {
    phys_addr mapped, unmapped;
    uint8_t bytes[16];
};

static void memory_map(void *opaque, phys_addr base, uint64_t size, const struct bus_ops *ops, void *self)
{
    ((struct memory *)opaque)->mapped = base + size;
}

static void memory_unmap(void *opaque, phys_addr base, uint64_t size)
{
    ((struct memory *)opaque)->unmapped = base + size;
}

static bool memory_read(void *opaque, phys_addr address, void *buffer, size_t len_bytes)
{
    memcpy(buffer, ((struct memory *)opaque)->bytes + address, len_bytes);
    return true;
}

static bool memory_write(void *opaque, phys_addr address, const void *buffer, size_t len_bytes)
{
    memcpy(((struct memory *)opaque)->bytes + address, buffer, len_bytes);
    return true;
}

static void mmio_and_dma_go_to_memory(void **state)
{
    static const struct bus_memory calls = {memory_map, memory_unmap, memory_read, memory_write};
    struct memory memory = {0};
    struct bus *bus = bus_create(&calls, &memory);
    uint8_t buffer[2] = {1, 2};
    bus_map_mmio(bus, 0xfec00000, 0x1000, &wide, NULL);
    assert_int_equal(memory.mapped, 0xfec01000);
    bus_unmap_mmio(bus, 0xfec00000, 0x1000);
    assert_int_equal(memory.unmapped, 0xfec01000);
    assert_true(bus_dma_write(bus, 5, buffer, 2));
    assert_int_equal(memory.bytes[6], 2);
    assert_true(bus_dma_read(bus, 6, buffer, 1));
    assert_int_equal(buffer[0], 2);
    bus_destroy(bus);
}

static void without_memory_dma_finds_nothing(void **state)
{
    struct bus *bus = bus_create(NULL, NULL);
    uint8_t buffer[2] = {1, 2};
    bus_map_mmio(bus, 0, 0x1000, &wide, NULL);
    bus_unmap_mmio(bus, 0, 0x1000);
    assert_false(bus_dma_read(bus, 0, buffer, 2));
    assert_int_equal(buffer[1], 0xff);
    assert_false(bus_dma_write(bus, 0, buffer, 2));
    bus_destroy(bus);
}

static void accesses_are_logged_and_unmapped_ports_once(void **state)
{
    char path[] = "/tmp/test_bus_XXXXXX", text[1000] = "";
    int fd = mkstemp(path);
    assert_true(fd >= 0 && log_open(path));
    struct bus *bus = bus_create(NULL, NULL);
    struct device device = {.base = 0x10, .block_limit = 4};
    uint8_t buffer[4];
    bus_map_ports(bus, 0x60, 4, &wide, &device);
    bus_in(bus, 0x777, 1); /* the category is off: this is not the one time */
    log_mask = LOG_UNIMP | LOG_IO;
    bus_in(bus, 0x777, 1);
    bus_out(bus, 0x777, 3, 1);
    bus_in(bus, 0x776, 1);
    bus_in(bus, 0x777, 1);
    bus_in(bus, 0x61, 2);
    bus_out(bus, 0x60, 0xabcd, 2);
    bus_in_block(bus, 0x60, buffer, 1, 4);
    bus_out_block(bus, 0x60, buffer, 1, 4);
    log_mask = 0;
    assert_true(read(fd, text, sizeof text - 1) > 0);
    assert_string_equal(text, "bus: read of unmapped port 0777\n"
                              "in  0777.1 -> ff -\n"
                              "out 0777.1 <- 03 -\n"
                              "bus: read of unmapped port 0776\n"
                              "in  0776.1 -> ff -\n"
                              "in  0777.1 -> ff -\n"
                              "in  0061.2 -> 1211 wide\n"
                              "out 0060.2 <- abcd wide\n"
                              "in  0060.1 -> block of 4 wide\n"
                              "out 0060.1 <- block of 4 wide\n");
    close(fd);
    unlink(path);
    bus_destroy(bus);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unmapped_ports_read_as_ones),
        cmocka_unit_test(offsets_are_local_and_values_trimmed),
        cmocka_unit_test(wide_accesses_split_into_what_the_device_takes),
        cmocka_unit_test(accesses_across_a_border_go_to_both_sides),
        cmocka_unit_test(an_access_past_ffff_wraps_to_port_0),
        cmocka_unit_test(a_later_mapping_covers_an_earlier_one),
        cmocka_unit_test(slots_of_covered_ranges_are_used_again),
        cmocka_unit_test(blocks_move_only_where_the_device_can),
        cmocka_unit_test(mmio_and_dma_go_to_memory),
        cmocka_unit_test(without_memory_dma_finds_nothing),
        cmocka_unit_test(accesses_are_logged_and_unmapped_ports_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
