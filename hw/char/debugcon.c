/*
 * The debug console of Bochs and QEMU: write-only text, and a read that tells firmware that it is there.
 * Source: SeaBIOS documentation, "Debugging"; Bochs user manual, port_e9_hack.
 * Deviates: a byte that the host does not take is lost, since the port has no status to wait for.
 */
#include "hw/char/debugcon.h"

#include <stdlib.h>

#define DEBUGCON_PRESENT 0xe9 /* what firmware expects to read */

struct debugcon {
    struct host_char *host;
};

static uint32_t debugcon_read(void *self, uint32_t offset, unsigned width)
{
    return DEBUGCON_PRESENT;
}

static void debugcon_write(void *self, uint32_t offset, uint32_t value, unsigned width)
{
    struct debugcon *con = self;
    uint8_t byte = (uint8_t)value;
    if (con->host)
        con->host->write(con->host, &byte, 1);
}

static uint32_t debugcon_write_block(void *self, uint32_t offset, const void *buffer, unsigned width, uint32_t count)
{
    struct debugcon *con = self;
    if (con->host)
        con->host->write(con->host, buffer, count);
    return count;
}

const struct bus_ops debugcon_ops = {
    .name = "debugcon",
    .read = debugcon_read,
    .write = debugcon_write,
    .write_block = debugcon_write_block,
    .max_width = 1,
};

struct debugcon *debugcon_create(struct host_char *host)
{
    struct debugcon *con = calloc(1, sizeof *con);
    if (con)
        con->host = host;
    return con;
}

void debugcon_destroy(struct debugcon *con)
{
    free(con);
}
