/* A page of a device that keeps what is stored, and in which order. */
#ifndef TESTS_UNIT_TRANSLATOR_PAGE_DEVICE_H
#define TESTS_UNIT_TRANSLATOR_PAGE_DEVICE_H

#include <string.h>

#include "softmmu/phys.h"

struct page_device {
    uint8_t bytes[PHYS_PAGE_SIZE];
    uint32_t writes; /* a checksum of them in their order */
};

static inline uint32_t page_device_read(void *self, uint32_t offset, unsigned width)
{
    uint32_t value = 0;

    memcpy(&value, ((struct page_device *)self)->bytes + offset, width);
    return value;
}
static inline void page_device_write(void *self, uint32_t offset, uint32_t value, unsigned width)
{
    struct page_device *device = self;

    memcpy(device->bytes + offset, &value, width);
    device->writes = device->writes * 31 + offset + value;
}

static const struct bus_ops page_device_ops = {
    .name = "page", .read = page_device_read, .write = page_device_write, .max_width = 4};

#endif
