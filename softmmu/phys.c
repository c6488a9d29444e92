/*
 * The guest's physical address space. Source: SDM vol. 3 "Memory Cache Control" leaves the map to the board; the A20
 * gate is the one of the IBM PC AT (mask of address bit 20). Splitting of accesses: hw/core/bus.h.
 * Deviates: MMIO accesses are split at page boundaries even inside one range; a range wider than 4 GiB sees its
 * offsets modulo 2^32.
 */
#define _GNU_SOURCE
#include "softmmu/phys.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hw/core/log.h"
#include "softmmu/phys_map.h"

#define A20_BIT ((phys_addr)1 << 20)

/* ---- creation ---- */

static void set_gate_mask(struct phys *phys)
{
    phys->gate_mask = (PHYS_LIMIT - 1) & ~(phys->a20 ? 0 : A20_BIT);
}

struct phys *phys_create(uint64_t ram_bytes)
{
    if (ram_bytes == 0 || ram_bytes % PHYS_PAGE_SIZE || ram_bytes > PHYS_LIMIT) {
        errno = EINVAL;
        return NULL;
    }
    struct phys *phys = calloc(1, sizeof *phys);
    if (!phys)
        return NULL;
    phys->ram = MAP_FAILED;
    phys->ram_fd = memfd_create("morph86-ram", MFD_CLOEXEC);
    phys->empty = calloc(PHYS_TABLE_SLOTS, sizeof *phys->empty);
    phys->unmapped_logged = calloc(PHYS_LIMIT / PHYS_PAGE_SIZE / 8, 1);
    if (phys->ram_fd < 0 || !phys->empty || !phys->unmapped_logged || ftruncate(phys->ram_fd, (off_t)ram_bytes) != 0)
        goto fail;
    phys->ram = mmap(NULL, ram_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, phys->ram_fd, 0);
    if (phys->ram == MAP_FAILED)
        goto fail;
    phys->ram_bytes = ram_bytes;
    for (unsigned i = 0; i < PHYS_TABLES; i++)
        phys->table[i] = phys->empty;
    phys->a20 = true;
    set_gate_mask(phys);
    return phys;

fail:;
    int saved = errno;
    phys_destroy(phys);
    errno = saved;
    return NULL;
}

static void release_content(struct phys_slot *slot)
{
    if (slot->kind == SLOT_MMIO) {
        if (--slot->mmio->refs == 0)
            free(slot->mmio);
    } else if (slot->kind == SLOT_SPLIT) {
        for (unsigned i = 0; i < slot->split->n_pieces; i++)
            release_content(&slot->split->piece[i].content);
        free(slot->split);
    }
    slot->kind = SLOT_UNMAPPED;
    slot->host = NULL;
}

void phys_destroy(struct phys *phys)
{
    if (!phys)
        return;
    for (unsigned i = 0; i < PHYS_TABLES; i++) {
        if (!phys->table[i] || phys->table[i] == phys->empty)
            continue;
        for (unsigned j = 0; j < PHYS_TABLE_SLOTS; j++)
            release_content(&phys->table[i][j]);
        free(phys->table[i]);
    }
    if (phys->ram != MAP_FAILED)
        munmap(phys->ram, phys->ram_bytes);
    if (phys->ram_fd >= 0)
        close(phys->ram_fd);
    free(phys->empty);
    free(phys->unmapped_logged);
    free(phys);
}

uint64_t phys_ram_bytes(const struct phys *phys)
{
    return phys->ram_bytes;
}

uint8_t *phys_ram_host(struct phys *phys, uint64_t offset)
{
    return offset < phys->ram_bytes ? phys->ram + offset : NULL;
}

/* ---- mapping ---- */

/* The slot for `address`, with a table of its own; NULL when out of memory. */
static struct phys_slot *own_slot_at(struct phys *phys, phys_addr address)
{
    struct phys_slot **table = &phys->table[address >> (PHYS_PAGE_SHIFT + PHYS_TABLE_SHIFT)];
    if (*table == phys->empty) {
        struct phys_slot *fresh = calloc(PHYS_TABLE_SLOTS, sizeof *fresh);
        if (!fresh)
            return NULL;
        *table = fresh;
    }
    return phys_slot_at(phys, address);
}

static bool same_content(const struct phys_slot *a, const struct phys_slot *b)
{
    return a->kind == b->kind && a->host == b->host; /* the union's pointers share their bytes */
}

static void append_piece(struct phys_split *split, unsigned start, unsigned end, const struct phys_slot *content)
{
    if (start >= end)
        return;
    if (split->n_pieces > 0 && same_content(&split->piece[split->n_pieces - 1].content, content)) {
        split->piece[split->n_pieces - 1].end = (uint16_t)end;
        return;
    }
    split->piece[split->n_pieces++] =
        (struct phys_piece){.start = (uint16_t)start, .end = (uint16_t)end, .content = *content};
}

/* Replaces the bytes [start, end) of a page. False when out of memory (the page is left as it was). */
static bool replace_in_page(struct phys_slot *slot, unsigned start, unsigned end, const struct phys_slot *content)
{
    struct phys_slot fresh = *content;
    if (start > 0 || end < PHYS_PAGE_SIZE) {
        unsigned n_old = slot->kind == SLOT_SPLIT ? slot->split->n_pieces : 1;
        struct phys_piece whole = {.start = 0, .end = PHYS_PAGE_SIZE, .content = *slot};
        const struct phys_piece *old = slot->kind == SLOT_SPLIT ? slot->split->piece : &whole;
        struct phys_split *split = malloc(sizeof *split + (n_old + 2) * sizeof split->piece[0]);
        if (!split)
            return false;
        split->n_pieces = 0;
        for (unsigned i = 0; i < n_old; i++)
            append_piece(split, old[i].start, old[i].end < start ? old[i].end : start, &old[i].content);
        append_piece(split, start, end, content);
        for (unsigned i = 0; i < n_old; i++)
            append_piece(split, old[i].start > end ? old[i].start : end, old[i].end, &old[i].content);
        if (split->n_pieces == 1) {
            fresh = split->piece[0].content;
            free(split);
        } else {
            fresh = (struct phys_slot){.split = split, .kind = SLOT_SPLIT};
        }
    }
    if (fresh.kind == SLOT_MMIO) {
        fresh.mmio->refs++;
    } else if (fresh.kind == SLOT_SPLIT) {
        for (unsigned i = 0; i < fresh.split->n_pieces; i++) {
            if (fresh.split->piece[i].content.kind == SLOT_MMIO)
                fresh.split->piece[i].content.mmio->refs++;
        }
    }
    fresh.is_watched = slot->is_watched; /* a watch is on the address: whoever set it takes it away */
    release_content(slot);
    *slot = fresh;
    return true;
}

/* Maps [base, base + size) to `content`; its host pointer, if any, is that of the byte at `base`. */
static void map_range(struct phys *phys, phys_addr base, uint64_t size, const struct phys_slot *content)
{
    if (base >= PHYS_LIMIT || size == 0)
        return;
    phys_addr end = size < PHYS_LIMIT - base ? base + size : PHYS_LIMIT;
    bool was_memory = false;
    for (phys_addr page = base & PHYS_PAGE_MASK; page < end; page += PHYS_PAGE_SIZE) {
        if (content->kind == SLOT_UNMAPPED && phys->table[page >> (PHYS_PAGE_SHIFT + PHYS_TABLE_SHIFT)] == phys->empty)
            continue;
        unsigned from = page < base ? (unsigned)(base - page) : 0;
        unsigned to = end - page < PHYS_PAGE_SIZE ? (unsigned)(end - page) : PHYS_PAGE_SIZE;
        struct phys_slot in_page = *content;
        if (slot_has_host(content)) /* as an integer: byte 0 of a partly mapped page may lie before the buffer */
            in_page.host = (uint8_t *)((uintptr_t)content->host + (uintptr_t)(page - base));
        struct phys_slot *slot = own_slot_at(phys, page);
        was_memory |= slot && slot_has_host(slot);
        if (!slot || !replace_in_page(slot, from, to, &in_page))
            log_once(&phys->out_of_memory_said, "phys: out of host memory, mapping of %llx is unchanged\n",
                     (unsigned long long)page);
    }
    if (phys->remapped)
        phys->remapped(phys->remapped_opaque, was_memory);
}

static void map_ram(struct phys *phys, phys_addr base, uint64_t size, uint64_t ram_offset, enum slot_kind kind)
{
    if (ram_offset >= phys->ram_bytes)
        return;
    if (size > phys->ram_bytes - ram_offset)
        size = phys->ram_bytes - ram_offset;
    map_range(phys, base, size, &(struct phys_slot){.host = phys->ram + ram_offset, .kind = (uint8_t)kind});
}

void phys_map_ram(struct phys *phys, phys_addr base, uint64_t size, uint64_t ram_offset)
{
    map_ram(phys, base, size, ram_offset, SLOT_RAM);
}

void phys_map_ram_readonly(struct phys *phys, phys_addr base, uint64_t size, uint64_t ram_offset)
{
    map_ram(phys, base, size, ram_offset, SLOT_RAM_READONLY);
}

void phys_map_rom(struct phys *phys, phys_addr base, uint64_t size, uint8_t *host)
{
    map_range(phys, base, size, &(struct phys_slot){.host = host, .kind = SLOT_ROM});
}

void phys_map_mmio(struct phys *phys, phys_addr base, uint64_t size, const struct bus_ops *ops, void *self)
{
    struct mmio_range *range = malloc(sizeof *range);
    if (!range) {
        log_once(&phys->out_of_memory_said, "phys: out of host memory, %s is not mapped\n", ops->name);
        return;
    }
    *range = (struct mmio_range){.ops = ops, .self = self, .base = base, .refs = 1};
    struct phys_slot held = {.mmio = range, .kind = SLOT_MMIO};
    map_range(phys, base, size, &held);
    release_content(&held);
}

void phys_unmap(struct phys *phys, phys_addr base, uint64_t size)
{
    map_range(phys, base, size, &(struct phys_slot){.kind = SLOT_UNMAPPED});
}

void phys_on_remap(struct phys *phys, void (*remapped)(void *opaque, bool was_memory), void *opaque)
{
    phys->remapped = remapped;
    phys->remapped_opaque = opaque;
}

void phys_set_a20(struct phys *phys, bool enabled)
{
    if (phys->a20 == enabled)
        return;
    phys->a20 = enabled;
    set_gate_mask(phys);
    if (phys->remapped)
        phys->remapped(phys->remapped_opaque, true);
}

bool phys_a20(const struct phys *phys)
{
    return phys->a20;
}

phys_addr phys_gate(const struct phys *phys, phys_addr address)
{
    return address & phys->gate_mask;
}

struct phys_page phys_lookup(const struct phys *phys, phys_addr address)
{
    if (address >= PHYS_LIMIT)
        return (struct phys_page){.kind = PHYS_UNMAPPED};
    const struct phys_slot *slot = phys_slot_at(phys, address);
    switch ((enum slot_kind)slot->kind) {
    case SLOT_UNMAPPED:
        break;
    case SLOT_MMIO:
    case SLOT_SPLIT:
        return (struct phys_page){.kind = PHYS_MMIO};
    case SLOT_ROM:
    case SLOT_RAM_READONLY:
        return (struct phys_page){.kind = PHYS_ROM, .host = slot->host};
    case SLOT_RAM:
        return (struct phys_page){.kind = PHYS_RAM, .host = slot->host};
    }
    return (struct phys_page){.kind = PHYS_UNMAPPED};
}

/* ---- accesses ---- */

/* What an access is allowed to touch, and what it does elsewhere. */
enum access_rule {
    ACCESS_CPU, /* everything; stores to read-only memory are dropped */
    ACCESS_DMA, /* RAM alone */
    ACCESS_HOST /* RAM and ROM, both writable: monitor and loaders */
};

static void log_unmapped(struct phys *phys, phys_addr address, bool is_write)
{
    if (!log_is_on(LOG_UNIMP | LOG_GUEST_ERRORS))
        return;
    uint64_t page = address >> PHYS_PAGE_SHIFT;
    uint8_t bit = (uint8_t)(1u << (page & 7));
    if (phys->unmapped_logged[page >> 3] & bit)
        return;
    phys->unmapped_logged[page >> 3] |= bit;
    log_printf(LOG_UNIMP | LOG_GUEST_ERRORS, "phys: %s unmapped address %09llx\n", is_write ? "write to" : "read from",
               (unsigned long long)address);
}

/* Width of the next piece of an MMIO access with `len_bytes` left. */
static unsigned mmio_step(const struct mmio_range *range, size_t len_bytes)
{
    unsigned step = range->ops->max_width >= 4 ? 4 : range->ops->max_width >= 2 ? 2 : 1;
    while (step > len_bytes)
        step /= 2;
    return step;
}

static void mmio_read(const struct mmio_range *range, phys_addr address, uint8_t *out, size_t len_bytes)
{
    while (len_bytes > 0) {
        unsigned step = mmio_step(range, len_bytes);
        uint32_t value =
            range->ops->read ? range->ops->read(range->self, (uint32_t)(address - range->base), step) : UINT32_MAX;
        if (log_is_on(LOG_IO))
            log_printf(LOG_IO, "mmio %s: read%u %09llx = %x\n", range->ops->name, step * 8, (unsigned long long)address,
                       value);
        for (unsigned i = 0; i < step; i++)
            *out++ = (uint8_t)(value >> (8 * i));
        address += step;
        len_bytes -= step;
    }
}

static void mmio_write(const struct mmio_range *range, phys_addr address, const uint8_t *in, size_t len_bytes)
{
    while (len_bytes > 0) {
        unsigned step = mmio_step(range, len_bytes);
        uint32_t value = 0;
        for (unsigned i = 0; i < step; i++)
            value |= (uint32_t)*in++ << (8 * i);
        if (log_is_on(LOG_IO))
            log_printf(LOG_IO, "mmio %s: write%u %09llx = %x\n", range->ops->name, step * 8,
                       (unsigned long long)address, value);
        if (range->ops->write)
            range->ops->write(range->self, (uint32_t)(address - range->base), value, step);
        address += step;
        len_bytes -= step;
    }
}

/* What lies at `address`: fills *content (holding a reference if it is MMIO, since a device may unmap itself while it
 * is being accessed) and returns how many bytes of the page from there on are the same. */
static unsigned content_at(const struct phys *phys, phys_addr address, struct phys_slot *content)
{
    const struct phys_slot *slot = phys_slot_at(phys, address);
    unsigned offset = (unsigned)(address & ~PHYS_PAGE_MASK), end = PHYS_PAGE_SIZE;
    *content = *slot;
    if (slot->kind == SLOT_SPLIT) {
        const struct phys_piece *piece = slot->split->piece;
        while (offset >= piece->end)
            piece++;
        *content = piece->content;
        end = piece->end;
    }
    if (content->kind == SLOT_MMIO)
        content->mmio->refs++;
    return end - offset;
}

/* Both return false if a byte could not be read (reads as ff) or written (dropped) under `rule`. */
static bool read_bytes(struct phys *phys, phys_addr address, uint8_t *out, size_t len_bytes, enum access_rule rule)
{
    bool all = true;
    while (len_bytes > 0) {
        if (rule == ACCESS_CPU)
            address = phys_gate(phys, address); /* again: the access may have run into bit 20 */
        if (address >= PHYS_LIMIT) {
            memset(out, 0xff, len_bytes);
            return false;
        }
        struct phys_slot content;
        size_t n = content_at(phys, address, &content);
        if (n > len_bytes)
            n = len_bytes;
        if (content.kind == SLOT_RAM || content.kind == SLOT_RAM_READONLY ||
            (content.kind == SLOT_ROM && rule != ACCESS_DMA)) {
            memcpy(out, content.host + (address & ~PHYS_PAGE_MASK), n);
        } else if (content.kind == SLOT_MMIO && rule == ACCESS_CPU) {
            mmio_read(content.mmio, address, out, n);
        } else {
            memset(out, 0xff, n);
            all = false;
            if (rule == ACCESS_CPU)
                log_unmapped(phys, address, false);
        }
        if (content.kind == SLOT_MMIO)
            release_content(&content);
        address += n;
        out += n;
        len_bytes -= n;
    }
    return all;
}

static bool write_bytes(struct phys *phys, phys_addr address, const uint8_t *in, size_t len_bytes,
                        enum access_rule rule)
{
    bool all = true;
    while (len_bytes > 0) {
        if (rule == ACCESS_CPU)
            address = phys_gate(phys, address);
        if (address >= PHYS_LIMIT)
            return false;
        struct phys_slot content;
        size_t n = content_at(phys, address, &content);
        if (n > len_bytes)
            n = len_bytes;
        if (content.kind == SLOT_RAM || (slot_has_host(&content) && rule == ACCESS_HOST)) {
            memcpy(content.host + (address & ~PHYS_PAGE_MASK), in, n);
            phys_note_write(phys, address, (unsigned)n);
        } else if (content.kind == SLOT_MMIO && rule == ACCESS_CPU) {
            mmio_write(content.mmio, address, in, n);
        } else {
            all = false;
            if (rule == ACCESS_CPU && content.kind == SLOT_UNMAPPED)
                log_unmapped(phys, address, true);
        }
        if (content.kind == SLOT_MMIO)
            release_content(&content);
        address += n;
        in += n;
        len_bytes -= n;
    }
    return all;
}

uint64_t phys_read(struct phys *phys, phys_addr address, unsigned width)
{
    uint64_t value = 0;
    read_bytes(phys, address, (uint8_t *)&value, width, ACCESS_CPU);
    return value;
}

void phys_write(struct phys *phys, phys_addr address, uint64_t value, unsigned width)
{
    write_bytes(phys, address, (const uint8_t *)&value, width, ACCESS_CPU);
}

void phys_read_bytes(struct phys *phys, phys_addr address, void *buffer, size_t len_bytes)
{
    read_bytes(phys, address, buffer, len_bytes, ACCESS_CPU);
}

void phys_write_bytes(struct phys *phys, phys_addr address, const void *buffer, size_t len_bytes)
{
    write_bytes(phys, address, buffer, len_bytes, ACCESS_CPU);
}

void phys_peek(struct phys *phys, phys_addr address, void *buffer, size_t len_bytes)
{
    read_bytes(phys, address, buffer, len_bytes, ACCESS_HOST);
}

void phys_poke(struct phys *phys, phys_addr address, const void *buffer, size_t len_bytes)
{
    write_bytes(phys, address, buffer, len_bytes, ACCESS_HOST);
}

/* ---- code watch ---- */

void phys_on_watched_write(struct phys *phys, void (*written)(void *opaque, phys_addr address, unsigned len_bytes),
                           void *opaque)
{
    phys->written = written;
    phys->written_opaque = opaque;
}

void phys_watch(struct phys *phys, phys_addr page, bool watched)
{
    if (page >= PHYS_LIMIT || phys->table[page >> (PHYS_PAGE_SHIFT + PHYS_TABLE_SHIFT)] == phys->empty)
        return; /* nothing mapped, nothing that could be written */
    phys_slot_at(phys, page)->is_watched = watched;
}

bool phys_is_watched(const struct phys *phys, phys_addr page)
{
    return page < PHYS_LIMIT && phys_slot_at(phys, page)->is_watched;
}

void phys_note_write(struct phys *phys, phys_addr address, unsigned len_bytes)
{
    while (len_bytes > 0 && address < PHYS_LIMIT) {
        unsigned n = PHYS_PAGE_SIZE - (unsigned)(address & ~PHYS_PAGE_MASK);
        if (n > len_bytes)
            n = len_bytes;
        if (phys_slot_at(phys, address)->is_watched && phys->written)
            phys->written(phys->written_opaque, address, n);
        address += n;
        len_bytes -= n;
    }
}

/* ---- the bus's view ---- */

static void bus_memory_map_mmio(void *memory, phys_addr base, uint64_t size, const struct bus_ops *ops, void *self)
{
    phys_map_mmio(memory, base, size, ops, self);
}

static void bus_memory_unmap(void *memory, phys_addr base, uint64_t size)
{
    phys_unmap(memory, base, size);
}

static bool bus_memory_dma_read(void *memory, phys_addr address, void *buffer, size_t len_bytes)
{
    return read_bytes(memory, address, buffer, len_bytes, ACCESS_DMA);
}

static bool bus_memory_dma_write(void *memory, phys_addr address, const void *buffer, size_t len_bytes)
{
    return write_bytes(memory, address, buffer, len_bytes, ACCESS_DMA);
}

const struct bus_memory *phys_bus_memory(void)
{
    static const struct bus_memory calls = {
        .map_mmio = bus_memory_map_mmio,
        .unmap = bus_memory_unmap,
        .dma_read = bus_memory_dma_read,
        .dma_write = bus_memory_dma_write,
    };
    return &calls;
}
