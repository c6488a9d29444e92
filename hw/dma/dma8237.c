/*
 * ISA DMA: two 8237A, master (channels 4-7, words) and slave (0-3, bytes, behind channel 4), and page registers.
 * Source: Intel 231466 "8237A High Performance Programmable DMA Controller"; Intel 290550 "82371SB (PIIX3)", "DMA
 * registers", for page registers, channel 5-7 addresses, Clear Mask and reading the mask.
 * Deviates: as in the PIIX3 there is no memory-to-memory transfer and no choice of DREQ and DACK polarity; bus cycles
 * take no time, so compressed timing and extended write change nothing.
 */
#include "hw/dma/dma8237.h"

#include <stdlib.h>
#include <string.h>

#include "hw/core/log.h"

enum dma_register { /* beside the eight address and count registers */
                    DMA_STATUS_COMMAND = 8,
                    DMA_REQUEST,
                    DMA_SINGLE_MASK,
                    DMA_MODE,
                    DMA_CLEAR_POINTER,
                    DMA_TEMPORARY_MASTER_CLEAR,
                    DMA_CLEAR_MASK,
                    DMA_ALL_MASK
};

#define DMA_COMMAND_MEM_TO_MEM 0x01
#define DMA_COMMAND_DISABLE    0x04
#define DMA_COMMAND_ROTATING   0x10
#define DMA_COMMAND_DREQ_LOW   0x40
#define DMA_COMMAND_DACK_HIGH  0x80

#define DMA_MODE_CHANNEL    0x03
#define DMA_MODE_TRANSFER   0x0c
#define DMA_MODE_VERIFY     0x00
#define DMA_MODE_WRITE      0x04 /* device to memory */
#define DMA_MODE_READ       0x08 /* memory to device */
#define DMA_MODE_AUTOINIT   0x10
#define DMA_MODE_DECREMENT  0x20
#define DMA_MODE_SERVICE    0xc0
#define DMA_SERVICE_BLOCK   0x80
#define DMA_SERVICE_CASCADE 0xc0

#define DMA_SELECT 0x04 /* the set/reset bit of Request and Single Mask */

#define DMA_CHANNELS 8
#define DMA_CASCADE  4

struct dma8237_channel {
    uint16_t base_address, base_count;
    uint16_t address, count;
    uint8_t mode;
    uint8_t page;
    bool dreq;
    bool is_masked;
    bool is_requested; /* Request register */
    bool has_reached_tc;
    bool is_in_block; /* a block transfer has begun: DREQ is no longer needed */

    struct dma8237 *dma;
    uint8_t n;
    void (*granted)(void *opaque);
    void *opaque;
};

struct dma8237 {
    struct dma8237_channel channel[DMA_CHANNELS];
    struct dma_chip {
        uint8_t command;
        bool is_high_byte; /* first/last flip-flop */
        uint8_t lowest;    /* rotating priority: the channel that was served last */
    } chip[2];
    uint8_t page[16]; /* as written; those that belong to a channel are in use */

    struct bus *bus;
    bool is_serving, serve_again;
};

static const struct state_field dma8237_fields[] = {
    STATE_EACH(struct dma8237, channel, base_address, 0, "base address"),
    STATE_EACH(struct dma8237, channel, base_count, 0, "base word count"),
    STATE_EACH(struct dma8237, channel, address, 0, "current address"),
    STATE_EACH(struct dma8237, channel, count, 0, "current word count"),
    STATE_EACH(struct dma8237, channel, mode, 0, "Mode"),
    STATE_EACH(struct dma8237, channel, dreq, 0, "DREQ"),
    STATE_EACH(struct dma8237, channel, is_masked, 1, "Mask"),
    STATE_EACH(struct dma8237, channel, is_requested, 0, "Request"),
    STATE_EACH(struct dma8237, channel, has_reached_tc, 0, "Status: terminal count"),
    STATE_EACH(struct dma8237, channel, is_in_block, 0, "block transfer under way"),
    STATE_EACH(struct dma8237, chip, command, 0, "Command"),
    STATE_EACH(struct dma8237, chip, is_high_byte, 0, "first/last flip-flop"),
    STATE_EACH(struct dma8237, chip, lowest, 3, "channel of lowest priority"),
    STATE_ARRAY(struct dma8237, page, 0, "page registers"),
};
static const struct state_desc dma8237_desc = STATE_DESC("dma8237", dma8237_fields);

/* Port 80h + i holds the page of this channel; -1: a register that nothing uses. */
static const int8_t page_channel[16] = {-1, 2, 3, 1, -1, -1, -1, 0, -1, 6, 7, 5, -1, -1, -1, 4};

/* ---- who may run ---- */

static bool is_cascade(const struct dma8237_channel *channel)
{
    return (channel->mode & DMA_MODE_SERVICE) == DMA_SERVICE_CASCADE;
}

static bool controller_is_on(const struct dma8237 *dma, unsigned chip)
{
    return !(dma->chip[chip].command & DMA_COMMAND_DISABLE);
}

/* The slave gets the bus through channel 4 of the master. */
static bool slave_has_bus(const struct dma8237 *dma)
{
    const struct dma8237_channel *cascade = &dma->channel[DMA_CASCADE];

    return controller_is_on(dma, 1) && !cascade->is_masked && is_cascade(cascade);
}

static bool has_bus(const struct dma8237_channel *channel)
{
    return controller_is_on(channel->dma, channel->n / 4) && (channel->n >= 4 || slave_has_bus(channel->dma));
}

bool dma8237_is_granted(const struct dma8237_channel *channel)
{
    return (channel->dreq || channel->is_in_block) && !channel->is_masked && has_bus(channel);
}

/* ---- transfers ---- */

static phys_addr memory_address(const struct dma8237_channel *channel)
{
    if (channel->n < 4)
        return (phys_addr)channel->page << 16 | channel->address;
    return (phys_addr)(channel->page & 0xfe) << 16 | (phys_addr)channel->address << 1;
}

static void move(const struct dma8237_channel *channel, uint8_t *buffer, size_t len_bytes)
{
    phys_addr address = memory_address(channel);

    /* Bytes outside RAM read as ones and are dropped: nothing to report to the device. */
    if ((channel->mode & DMA_MODE_TRANSFER) == DMA_MODE_WRITE)
        bus_dma_write(channel->dma->bus, address, buffer, len_bytes);
    else if ((channel->mode & DMA_MODE_TRANSFER) == DMA_MODE_READ)
        bus_dma_read(channel->dma->bus, address, buffer, len_bytes);
}

static void reach_terminal_count(struct dma8237_channel *channel)
{
    channel->has_reached_tc = true;
    channel->is_requested = false;
    channel->is_in_block = false;
    if (channel->mode & DMA_MODE_AUTOINIT) {
        channel->address = channel->base_address;
        channel->count = channel->base_count;
    } else {
        channel->is_masked = true;
    }
}

/* Moves up to n units of `unit` bytes, not beyond terminal count nor around the end of the 64K page. */
static uint32_t move_run(struct dma8237_channel *channel, uint8_t *buffer, uint32_t n, unsigned unit)
{
    bool goes_down = channel->mode & DMA_MODE_DECREMENT;

    if (n > channel->count + 1u)
        n = channel->count + 1u;
    if (goes_down)
        n = 1; /* the buffer's order and memory's differ */
    else if (n > 0x10000u - channel->address)
        n = 0x10000u - channel->address;
    move(channel, buffer, (size_t)n * unit);
    channel->address = (uint16_t)(goes_down ? channel->address - 1u : channel->address + n);
    channel->count = (uint16_t)(channel->count - n);
    return n;
}

/* Returns the number of units moved. */
static size_t move_units(struct dma8237_channel *channel, uint8_t *buffer, size_t n, bool *is_terminal)
{
    unsigned unit = channel->n < 4 ? 1 : 2;
    size_t done = 0;

    while (done < n && !*is_terminal) {
        size_t left = n - done;
        uint32_t moved = move_run(channel, buffer + done * unit, left < 0x10000 ? (uint32_t)left : 0x10000, unit);

        done += moved;
        *is_terminal = channel->count == 0xffff; /* it has passed zero: a run stops there */
    }
    if (*is_terminal)
        reach_terminal_count(channel);
    return done;
}

size_t dma8237_transfer(struct dma8237_channel *channel, void *buffer, size_t len_bytes, bool *is_terminal)
{
    unsigned unit = channel->n < 4 ? 1 : 2;

    *is_terminal = false;
    if (!dma8237_is_granted(channel) || is_cascade(channel))
        return 0;
    channel->is_in_block = (channel->mode & DMA_MODE_SERVICE) == DMA_SERVICE_BLOCK;
    channel->dma->chip[channel->n / 4].lowest = channel->n % 4;
    return move_units(channel, buffer, len_bytes / unit, is_terminal) * unit;
}

/* A software request: the controller runs its cycles though no device takes part, so that a floating bus is written. */
static void run_software_request(struct dma8237_channel *channel)
{
    uint8_t bus[512];
    bool is_terminal = false;

    while (!is_terminal) {
        memset(bus, 0xff, sizeof bus);
        move_units(channel, bus, sizeof bus / 2, &is_terminal);
    }
}

/* Grants what waits, by priority. Whoever is granted may change what waits. */
static void serve(struct dma8237 *dma)
{
    if (dma->is_serving) {
        dma->serve_again = true;
        return;
    }
    dma->is_serving = true;
    do {
        dma->serve_again = false;
        for (unsigned chip = 0; chip < 2; chip++) { /* the cascade is channel 0 of the master: the slave comes first */
            bool rotates = dma->chip[chip].command & DMA_COMMAND_ROTATING;
            unsigned first = rotates ? (dma->chip[chip].lowest + 1u) % 4 : 0;

            for (unsigned i = 0; i < 4; i++) {
                struct dma8237_channel *channel = &dma->channel[4 * chip + (first + i) % 4];

                if (channel->n == DMA_CASCADE)
                    continue;
                if (channel->is_requested && has_bus(channel) && !is_cascade(channel))
                    run_software_request(channel);
                if (channel->granted && dma8237_is_granted(channel))
                    channel->granted(channel->opaque);
            }
        }
    } while (dma->serve_again);
    dma->is_serving = false;
}

void dma8237_request(struct dma8237_channel *channel, bool level)
{
    bool rises = level && !channel->dreq;

    channel->dreq = level;
    if (rises)
        serve(channel->dma);
}

/* ---- registers ---- */

static void write_half(uint16_t *reg, bool is_high, uint8_t value)
{
    *reg = is_high ? (uint16_t)((*reg & 0x00ff) | value << 8) : (uint16_t)((*reg & 0xff00) | value);
}

static void write_address_or_count(struct dma8237 *dma, unsigned chip, unsigned reg, uint8_t value)
{
    struct dma8237_channel *channel = &dma->channel[4 * chip + reg / 2];
    bool is_high = dma->chip[chip].is_high_byte;

    if (reg & 1) {
        write_half(&channel->base_count, is_high, value);
        write_half(&channel->count, is_high, value);
    } else {
        write_half(&channel->base_address, is_high, value);
        write_half(&channel->address, is_high, value);
    }
    dma->chip[chip].is_high_byte = !is_high;
}

static uint8_t read_address_or_count(struct dma8237 *dma, unsigned chip, unsigned reg)
{
    const struct dma8237_channel *channel = &dma->channel[4 * chip + reg / 2];
    uint16_t value = reg & 1 ? channel->count : channel->address;
    bool is_high = dma->chip[chip].is_high_byte;

    dma->chip[chip].is_high_byte = !is_high;
    return (uint8_t)(is_high ? value >> 8 : value);
}

static void write_command(struct dma8237 *dma, unsigned chip, uint8_t value)
{
    static bool said;

    if (value & (DMA_COMMAND_MEM_TO_MEM | DMA_COMMAND_DREQ_LOW | DMA_COMMAND_DACK_HIGH))
        log_once(&said, "dma8237: command %02x: memory-to-memory and line polarity are not modelled\n", value);
    dma->chip[chip].command = value;
}

static void master_clear(struct dma8237 *dma, unsigned chip)
{
    dma->chip[chip] = (struct dma_chip){.lowest = 3};
    for (unsigned i = 0; i < 4; i++) {
        struct dma8237_channel *channel = &dma->channel[4 * chip + i];

        channel->is_masked = true;
        channel->is_requested = false;
        channel->has_reached_tc = false;
        channel->is_in_block = false;
    }
}

static uint8_t read_status(struct dma8237 *dma, unsigned chip)
{
    uint8_t status = 0;

    for (unsigned i = 0; i < 4; i++) {
        struct dma8237_channel *channel = &dma->channel[4 * chip + i];

        if (channel->has_reached_tc)
            status |= (uint8_t)(1 << i);
        if (channel->dreq || channel->is_requested)
            status |= (uint8_t)(0x10 << i);
        channel->has_reached_tc = false;
    }
    return status;
}

static uint8_t read_mask(const struct dma8237 *dma, unsigned chip)
{
    uint8_t mask = 0xf0;

    for (unsigned i = 0; i < 4; i++)
        mask |= (uint8_t)(dma->channel[4 * chip + i].is_masked << i);
    return mask;
}

static void write_register(struct dma8237 *dma, unsigned chip, unsigned reg, uint8_t value)
{
    struct dma8237_channel *channel = &dma->channel[4 * chip + (value & DMA_MODE_CHANNEL)];

    if (reg < DMA_STATUS_COMMAND) {
        write_address_or_count(dma, chip, reg, value);
        return;
    }
    switch ((enum dma_register)reg) {
    case DMA_STATUS_COMMAND:
        write_command(dma, chip, value);
        break;
    case DMA_REQUEST:
        channel->is_requested = value & DMA_SELECT;
        break;
    case DMA_SINGLE_MASK:
        channel->is_masked = value & DMA_SELECT;
        break;
    case DMA_MODE:
        channel->mode = value & (uint8_t)~DMA_MODE_CHANNEL;
        channel->is_in_block = false;
        break;
    case DMA_CLEAR_POINTER:
        dma->chip[chip].is_high_byte = false;
        break;
    case DMA_TEMPORARY_MASTER_CLEAR:
        master_clear(dma, chip);
        break;
    case DMA_CLEAR_MASK:
    case DMA_ALL_MASK:
        for (unsigned i = 0; i < 4; i++)
            dma->channel[4 * chip + i].is_masked = reg == DMA_ALL_MASK && (value >> i & 1);
        break;
    }
    serve(dma);
}

static uint8_t read_register(struct dma8237 *dma, unsigned chip, unsigned reg)
{
    if (reg < DMA_STATUS_COMMAND)
        return read_address_or_count(dma, chip, reg);
    switch (reg) {
    case DMA_STATUS_COMMAND:
        return read_status(dma, chip);
    case DMA_TEMPORARY_MASTER_CLEAR:
        return 0; /* only memory-to-memory transfers fill it */
    case DMA_ALL_MASK:
        return read_mask(dma, chip);
    default:
        return 0xff;
    }
}

static uint32_t low_read(void *self, uint32_t offset, unsigned width)
{
    return read_register(self, 0, offset & 15);
}

static void low_write(void *self, uint32_t offset, uint32_t value, unsigned width)
{
    write_register(self, 0, offset & 15, (uint8_t)value);
}

/* The master's A0 is the bus's A1. */
static uint32_t high_read(void *self, uint32_t offset, unsigned width)
{
    return read_register(self, 1, offset >> 1 & 15);
}

static void high_write(void *self, uint32_t offset, uint32_t value, unsigned width)
{
    write_register(self, 1, offset >> 1 & 15, (uint8_t)value);
}

static uint32_t page_read(void *self, uint32_t offset, unsigned width)
{
    const struct dma8237 *dma = self;

    return dma->page[offset & 15];
}

static void page_write(void *self, uint32_t offset, uint32_t value, unsigned width)
{
    struct dma8237 *dma = self;
    int n = page_channel[offset & 15];

    dma->page[offset & 15] = (uint8_t)value;
    if (n >= 0)
        dma->channel[n].page = (uint8_t)value;
}

const struct bus_ops dma8237_low_ops = {.name = "dma8237", .read = low_read, .write = low_write, .max_width = 1};
const struct bus_ops dma8237_high_ops = {
    .name = "dma8237-high", .read = high_read, .write = high_write, .max_width = 1};
const struct bus_ops dma8237_page_ops = {.name = "dma-page", .read = page_read, .write = page_write, .max_width = 1};

/* ---- creation ---- */

struct dma8237 *dma8237_create(struct bus *bus)
{
    struct dma8237 *dma = calloc(1, sizeof *dma);

    if (!dma)
        return NULL;
    dma->bus = bus;
    state_reset(&dma8237_desc, dma);
    for (unsigned n = 0; n < DMA_CHANNELS; n++) {
        dma->channel[n].dma = dma;
        dma->channel[n].n = (uint8_t)n;
    }
    return dma;
}

void dma8237_destroy(struct dma8237 *dma)
{
    free(dma);
}

void dma8237_reset(struct dma8237 *dma)
{
    for (unsigned chip = 0; chip < 2; chip++)
        master_clear(dma, chip);
}

struct dma8237_channel *dma8237_channel(struct dma8237 *dma, unsigned n)
{
    return n < DMA_CHANNELS && n != DMA_CASCADE ? &dma->channel[n] : NULL;
}

void dma8237_connect(struct dma8237_channel *channel, void (*granted)(void *opaque), void *opaque)
{
    channel->granted = granted;
    channel->opaque = opaque;
}

const struct state_desc *dma8237_state_desc(void)
{
    return &dma8237_desc;
}

void dma8237_after_load(struct dma8237 *dma)
{
    for (unsigned i = 0; i < 16; i++)
        if (page_channel[i] >= 0)
            dma->channel[page_channel[i]].page = dma->page[i];
    for (unsigned chip = 0; chip < 2; chip++)
        dma->chip[chip].lowest &= 3; /* a saved state may come from anywhere */
}

void dma8237_print(const struct dma8237 *dma, FILE *out)
{
    static const char *const service[] = {"demand", "single", "block", "cascade"};
    static const char *const transfer[] = {"verify", "write", "read", "illegal"};

    for (unsigned n = 0; n < DMA_CHANNELS; n++) {
        const struct dma8237_channel *c = &dma->channel[n];

        fprintf(out, "dma%u: address=%06llx count=%04x base=%04x/%04x %s %s%s%s%s%s%s%s\n", n,
                (unsigned long long)memory_address(c), c->count, c->base_address, c->base_count, service[c->mode >> 6],
                transfer[c->mode >> 2 & 3], c->mode & DMA_MODE_AUTOINIT ? " autoinit" : "",
                c->mode & DMA_MODE_DECREMENT ? " down" : "", c->is_masked ? " masked" : "", c->dreq ? " dreq" : "",
                c->is_requested ? " request" : "", c->has_reached_tc ? " tc" : "");
    }
}
