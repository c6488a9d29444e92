/*
 * Firmware configuration device. Source: QEMU docs/specs/fw_cfg, "Hardware Interface" and "DMA Interface".
 * Deviates: items are read-only; a DMA write sets the error bit, the data port ignores writes.
 */
#include "hw/pc/fw_cfg.h"

#include <stdlib.h>
#include <string.h>

enum { FW_CFG_SELECTOR = 0, FW_CFG_DATA = 1, FW_CFG_DMA_HIGH = 4, FW_CFG_DMA_LOW = 8, FW_CFG_PORTS = 12 };

#define FW_CFG_ID_TRADITIONAL 0x01
#define FW_CFG_ID_DMA         0x02
#define FW_CFG_WRITE_CHANNEL  0x4000 /* historic flag in a key, not part of it */
#define FW_CFG_INVALID        0xffff
#define FW_CFG_KEYS           (FW_CFG_FILE_FIRST + FW_CFG_FILE_SLOTS) /* per half: generic, architecture */

/* FWCfgDmaAccess.control */
#define FW_CFG_DMA_ERROR  0x01
#define FW_CFG_DMA_READ   0x02
#define FW_CFG_DMA_SKIP   0x04
#define FW_CFG_DMA_SELECT 0x08
#define FW_CFG_DMA_WRITE  0x10

#define FW_CFG_DMA_SIGNATURE 0x51454d5520434647ull /* "QEMU CFG" */

struct fw_cfg_item {
    uint8_t *data; /* NULL: comes from `source` */
    uint32_t len_bytes;
    struct fw_cfg_source source;
};
#define FW_CFG_CHUNK 16384u /* how much of a source is held at a time */

struct fw_cfg {
    uint16_t selected;
    uint32_t position;
    uint64_t dma_address;

    struct bus *bus;
    bool in_dma; /* a transfer that ends in these ports must not start another */
    struct fw_cfg_item item[2][FW_CFG_KEYS];
    char file_name[FW_CFG_FILE_SLOTS][FW_CFG_FILE_NAME];
    uint32_t n_files;
    /* The part of a source that was read last: derived, never saved. */
    uint16_t chunk_key;
    uint32_t chunk_start, chunk_len;
    uint8_t chunk[FW_CFG_CHUNK];
};

static const struct state_field fw_cfg_fields[] = {
    STATE_REG(struct fw_cfg, selected, FW_CFG_INVALID, "selector"),
    STATE_REG(struct fw_cfg, position, 0, "offset of the next data byte"),
    STATE_REG(struct fw_cfg, dma_address, 0, "DMA address register"),
};
static const struct state_desc fw_cfg_desc = STATE_DESC("fw_cfg", fw_cfg_fields);

static void put_be32(uint8_t *out, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++)
        out[i] = (uint8_t)(value >> (24 - 8 * i));
}

static void put_be64(uint8_t *out, uint64_t value)
{
    put_be32(out, (uint32_t)(value >> 32));
    put_be32(out + 4, (uint32_t)value);
}

static uint32_t get_be32(const uint8_t *in)
{
    return (uint32_t)in[0] << 24 | (uint32_t)in[1] << 16 | (uint32_t)in[2] << 8 | in[3];
}

/* The item behind a key, or NULL when there can be none. */
static struct fw_cfg_item *find_item(struct fw_cfg *fw, uint16_t key)
{
    uint16_t index = key & (uint16_t) ~(FW_CFG_ARCH_LOCAL | FW_CFG_WRITE_CHANNEL);

    return index < FW_CFG_KEYS ? &fw->item[key >= FW_CFG_ARCH_LOCAL][index] : NULL;
}

/* ---- the guest's side ---- */

static void select_item(struct fw_cfg *fw, uint16_t key)
{
    fw->selected = key;
    fw->position = 0;
}

static uint32_t rest_of_item(struct fw_cfg *fw)
{
    const struct fw_cfg_item *item = find_item(fw, fw->selected);

    return item && fw->position < item->len_bytes ? item->len_bytes - fw->position : 0;
}

/* Points *bytes at the next bytes of the selected item; returns how many lie there, 0 at its end. Past the end
 * everything reads as zero. */
static uint32_t next_bytes(struct fw_cfg *fw, const uint8_t **bytes)
{
    const struct fw_cfg_item *item = find_item(fw, fw->selected);
    uint32_t rest = rest_of_item(fw);

    if (!rest)
        return 0;
    if (item->data) {
        *bytes = item->data + fw->position;
        return rest;
    }
    if (fw->chunk_key != fw->selected || fw->position - fw->chunk_start >= fw->chunk_len) {
        fw->chunk_key = fw->selected;
        fw->chunk_start = fw->position;
        fw->chunk_len = rest < FW_CFG_CHUNK ? rest : FW_CFG_CHUNK;
        if (!item->source.read(item->source.opaque, fw->chunk_start, fw->chunk, fw->chunk_len))
            memset(fw->chunk, 0, fw->chunk_len); /* reported by the source */
    }
    *bytes = fw->chunk + (fw->position - fw->chunk_start);
    return fw->chunk_len - (fw->position - fw->chunk_start);
}

static void take(struct fw_cfg *fw, uint8_t *out, uint32_t len_bytes)
{
    while (len_bytes) {
        const uint8_t *bytes;
        uint32_t rest = next_bytes(fw, &bytes), n = len_bytes < rest ? len_bytes : rest;

        if (!n) {
            memset(out, 0, len_bytes);
            return;
        }
        memcpy(out, bytes, n);
        fw->position += n;
        out += n;
        len_bytes -= n;
    }
}

/* Item to RAM; false as soon as an address is not RAM, which also bounds the zeros after a short item. */
static bool dma_read(struct fw_cfg *fw, uint64_t address, uint32_t len_bytes)
{
    static const uint8_t zeros[4096];

    while (len_bytes) {
        const uint8_t *bytes = zeros;
        uint32_t rest = next_bytes(fw, &bytes);
        uint32_t n = rest ? rest : (uint32_t)sizeof zeros;

        if (n > len_bytes)
            n = len_bytes;
        if (!bus_dma_write(fw->bus, address, bytes, n))
            return false;
        fw->position += rest ? n : 0;
        address += n;
        len_bytes -= n;
    }
    return true;
}

static void dma_skip(struct fw_cfg *fw, uint32_t len_bytes)
{
    uint32_t rest = rest_of_item(fw);

    fw->position += len_bytes < rest ? len_bytes : rest;
}

static void run_dma(struct fw_cfg *fw)
{
    uint64_t descriptor = fw->dma_address;
    uint8_t access[16];
    uint32_t control, len_bytes;
    uint64_t address;
    bool ok = true;

    fw->dma_address = 0;
    if (fw->in_dma)
        return;
    fw->in_dma = true;
    if (bus_dma_read(fw->bus, descriptor, access, sizeof access)) {
        control = get_be32(access);
        len_bytes = get_be32(access + 4);
        address = (uint64_t)get_be32(access + 8) << 32 | get_be32(access + 12);
        if (control & FW_CFG_DMA_SELECT)
            select_item(fw, (uint16_t)(control >> 16));
        if (control & FW_CFG_DMA_READ)
            ok = dma_read(fw, address, len_bytes);
        else if (control & FW_CFG_DMA_WRITE)
            ok = false;
        else if (control & FW_CFG_DMA_SKIP)
            dma_skip(fw, len_bytes);
    } else {
        ok = false;
    }
    put_be32(access, ok ? 0 : FW_CFG_DMA_ERROR);
    bus_dma_write(fw->bus, descriptor, access, 4);
    fw->in_dma = false;
}

static uint32_t fw_cfg_read(void *self, uint32_t offset, unsigned width)
{
    struct fw_cfg *fw = self;
    uint8_t signature[8], byte;
    uint32_t value = 0;

    if (offset >= FW_CFG_DMA_HIGH) {
        put_be64(signature, FW_CFG_DMA_SIGNATURE);
        for (unsigned i = 0; i < width && offset + i < FW_CFG_PORTS; i++)
            value |= (uint32_t)signature[offset - FW_CFG_DMA_HIGH + i] << 8 * i;
        return value;
    }
    if (offset > FW_CFG_DATA || width != 1)
        return UINT32_MAX >> (32 - 8 * width);
    take(fw, &byte, 1); /* a byte at the selector's port reads data too */
    return byte;
}

static void fw_cfg_write(void *self, uint32_t offset, uint32_t value, unsigned width)
{
    struct fw_cfg *fw = self;

    if (offset == FW_CFG_SELECTOR && width == 2) {
        select_item(fw, (uint16_t)value);
    } else if (offset == FW_CFG_DMA_HIGH && width == 4) {
        fw->dma_address = (uint64_t)__builtin_bswap32(value) << 32;
    } else if (offset == FW_CFG_DMA_LOW && width == 4) {
        fw->dma_address |= __builtin_bswap32(value);
        run_dma(fw);
    }
}

static uint32_t fw_cfg_read_block(void *self, uint32_t offset, void *buffer, unsigned width, uint32_t count)
{
    if (offset > FW_CFG_DATA || width != 1)
        return 0;
    take(self, buffer, count);
    return count;
}

const struct bus_ops fw_cfg_ports = {
    .name = "fw_cfg", .read = fw_cfg_read, .write = fw_cfg_write, .max_width = 4, .read_block = fw_cfg_read_block};

/* ---- the board's side ---- */

bool fw_cfg_add_bytes(struct fw_cfg *fw, uint16_t key, const void *data, size_t len_bytes)
{
    struct fw_cfg_item *item = find_item(fw, key);
    uint8_t *copy;

    if (!item || len_bytes > UINT32_MAX || !(copy = malloc(len_bytes ? len_bytes : 1)))
        return false;
    if (len_bytes)
        memcpy(copy, data, len_bytes);
    free(item->data);
    *item = (struct fw_cfg_item){.data = copy, .len_bytes = (uint32_t)len_bytes};
    return true;
}

bool fw_cfg_add_source(struct fw_cfg *fw, uint16_t key, struct fw_cfg_source source, uint32_t len_bytes)
{
    struct fw_cfg_item *item = find_item(fw, key);

    if (!item)
        return false;
    free(item->data);
    *item = (struct fw_cfg_item){.len_bytes = len_bytes, .source = source};
    return true;
}

bool fw_cfg_add_string(struct fw_cfg *fw, uint16_t key, const char *text)
{
    return fw_cfg_add_bytes(fw, key, text, strlen(text) + 1);
}

bool fw_cfg_add_i64(struct fw_cfg *fw, uint16_t key, uint64_t value)
{
    uint8_t bytes[8];

    for (unsigned i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(value >> 8 * i);
    return fw_cfg_add_bytes(fw, key, bytes, 8);
}

bool fw_cfg_add_i32(struct fw_cfg *fw, uint16_t key, uint32_t value)
{
    uint8_t bytes[4] = {(uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16), (uint8_t)(value >> 24)};

    return fw_cfg_add_bytes(fw, key, bytes, 4);
}

bool fw_cfg_add_i16(struct fw_cfg *fw, uint16_t key, uint16_t value)
{
    uint8_t bytes[2] = {(uint8_t)value, (uint8_t)(value >> 8)};

    return fw_cfg_add_bytes(fw, key, bytes, 2);
}

/* struct FWCfgFiles: count, then size, selector, reserved and name of each; big-endian. */
static bool rebuild_directory(struct fw_cfg *fw)
{
    enum { ENTRY = 8 + FW_CFG_FILE_NAME };
    uint8_t directory[4 + FW_CFG_FILE_SLOTS * ENTRY] = {0};

    put_be32(directory, fw->n_files);
    for (uint32_t i = 0; i < fw->n_files; i++) {
        uint8_t *entry = directory + 4 + i * ENTRY;
        uint16_t key = (uint16_t)(FW_CFG_FILE_FIRST + i);

        put_be32(entry, fw->item[0][key].len_bytes);
        entry[4] = (uint8_t)(key >> 8);
        entry[5] = (uint8_t)key;
        memcpy(entry + 8, fw->file_name[i], FW_CFG_FILE_NAME);
    }
    return fw_cfg_add_bytes(fw, FW_CFG_FILE_DIR, directory, 4 + (size_t)fw->n_files * ENTRY);
}

bool fw_cfg_add_file(struct fw_cfg *fw, const char *name, const void *data, size_t len_bytes)
{
    uint32_t slot = 0;

    if (strlen(name) >= FW_CFG_FILE_NAME)
        return false;
    while (slot < fw->n_files && strcmp(fw->file_name[slot], name) != 0)
        slot++;
    if (slot == FW_CFG_FILE_SLOTS || !fw_cfg_add_bytes(fw, (uint16_t)(FW_CFG_FILE_FIRST + slot), data, len_bytes))
        return false;
    memcpy(fw->file_name[slot], name, strlen(name) + 1);
    if (slot == fw->n_files)
        fw->n_files++;
    return rebuild_directory(fw);
}

struct fw_cfg *fw_cfg_create(struct bus *bus)
{
    struct fw_cfg *fw = calloc(1, sizeof *fw);

    if (!fw)
        return NULL;
    fw->bus = bus;
    if (!fw_cfg_add_bytes(fw, FW_CFG_SIGNATURE, "QEMU", 4) ||
        !fw_cfg_add_i32(fw, FW_CFG_ID, FW_CFG_ID_TRADITIONAL | FW_CFG_ID_DMA) || !rebuild_directory(fw)) {
        fw_cfg_destroy(fw);
        return NULL;
    }
    fw_cfg_reset(fw);
    return fw;
}

void fw_cfg_destroy(struct fw_cfg *fw)
{
    if (!fw)
        return;
    for (unsigned half = 0; half < 2; half++) {
        for (unsigned i = 0; i < FW_CFG_KEYS; i++)
            free(fw->item[half][i].data);
    }
    free(fw);
}

void fw_cfg_reset(struct fw_cfg *fw)
{
    state_reset(&fw_cfg_desc, fw);
}

const struct state_desc *fw_cfg_state(void)
{
    return &fw_cfg_desc;
}

void fw_cfg_after_load(struct fw_cfg *fw) {}
