/*
 * Intel 82093AA I/O APIC. Source: Intel 290566, "82093AA I/O Advanced Programmable Interrupt Controller (IOAPIC)".
 * Deviates: the polarity bit is remembered and has no effect, since wires carry "asserted". An edge that no APIC takes
 * is lost. Sending takes no time, so the delivery status is always idle.
 */
#include "hw/intc/ioapic.h"

#include <stdlib.h>
#include <string.h>

enum { IOREGSEL = 0x00, IOWIN = 0x10 };
enum { IOAPICID = 0x00, IOAPICVER = 0x01, IOAPICARB = 0x02, IOREDTBL = 0x10 };

#define IOAPIC_VERSION  (0x11u | (IOAPIC_PINS - 1) << 16)
#define ID_SHIFT        24
#define ID_MASK         0x0fu
#define REDIR_VECTOR    0xffu
#define REDIR_DELIVERY  (7u << 8)
#define REDIR_LOGICAL   (1u << 11)
#define REDIR_REMOTE    (1u << 14) /* remote IRR: a local APIC has it and has not ended it */
#define REDIR_LEVEL     (1u << 15)
#define REDIR_MASKED    (1u << 16)
#define REDIR_WRITABLE  0x0001afffu /* all but delivery status and remote IRR */
#define REDIR_DEST      56
#define REDIR_HIGH_MASK 0xff000000u

struct ioapic {
    uint8_t select;
    uint8_t id;
    uint64_t redirection[IOAPIC_PINS];
    bool asserted[IOAPIC_PINS];
    uint64_t delivered[IOAPIC_PINS]; /* statistics, not state */

    bool (*send)(void *opaque, const struct apic_message *message);
    void *opaque;
};

static const struct state_field ioapic_fields[] = {
    STATE_REG(struct ioapic, select, 0, "IOREGSEL"),
    STATE_REG(struct ioapic, id, 0, "IOAPICID"),
    STATE_ARRAY(struct ioapic, redirection, REDIR_MASKED, "IOREDTBL"),
    STATE_ARRAY(struct ioapic, asserted, 0, "INTIN pins"),
};
static const struct state_desc ioapic_desc = STATE_DESC("ioapic", ioapic_fields);

const struct state_desc *ioapic_state(void)
{
    return &ioapic_desc;
}

/* NMI, SMI, INIT and ExtINT are edges whatever the entry says: nobody would end them. */
static bool is_level(uint64_t entry)
{
    enum apic_delivery delivery = (enum apic_delivery)(entry >> 8 & 7);

    return (entry & REDIR_LEVEL) && (delivery == APIC_FIXED || delivery == APIC_LOWEST);
}

static bool send_pin(struct ioapic *ioapic, unsigned n)
{
    uint64_t entry = ioapic->redirection[n];
    struct apic_message message = {.vector = (uint8_t)entry,
                                   .destination = (uint8_t)(entry >> REDIR_DEST),
                                   .delivery = (enum apic_delivery)(entry >> 8 & 7),
                                   .is_logical = entry & REDIR_LOGICAL,
                                   .is_level = is_level(entry)};

    if (!ioapic->send(ioapic->opaque, &message))
        return false;
    ioapic->delivered[n]++;
    return true;
}

/* Level-triggered pins that are asserted, unmasked and not being served. */
static void serve_level(struct ioapic *ioapic, unsigned n)
{
    uint64_t *entry = &ioapic->redirection[n];

    if (!ioapic->asserted[n] || !is_level(*entry) || (*entry & (REDIR_MASKED | REDIR_REMOTE)))
        return;
    /* Before the message: its end may come while it is being sent. */
    *entry |= REDIR_REMOTE;
    if (!send_pin(ioapic, n))
        *entry &= ~(uint64_t)REDIR_REMOTE;
}

static void set_pin(void *opaque, int n, bool level)
{
    struct ioapic *ioapic = opaque;
    bool is_rising = level && !ioapic->asserted[n];

    ioapic->asserted[n] = level;
    if (is_level(ioapic->redirection[n]))
        serve_level(ioapic, (unsigned)n);
    else if (is_rising && !(ioapic->redirection[n] & REDIR_MASKED))
        send_pin(ioapic, (unsigned)n);
}

struct irq ioapic_input(struct ioapic *ioapic, unsigned n)
{
    return (struct irq){.set = set_pin, .opaque = ioapic, .line = (int)n};
}

void ioapic_eoi(struct ioapic *ioapic, uint8_t vector)
{
    for (unsigned n = 0; n < IOAPIC_PINS; n++) {
        uint64_t *entry = &ioapic->redirection[n];

        if (!(*entry & REDIR_REMOTE) || (*entry & REDIR_VECTOR) != vector)
            continue;
        *entry &= ~(uint64_t)REDIR_REMOTE;
        serve_level(ioapic, n);
    }
}

static uint32_t read_register(const struct ioapic *ioapic)
{
    unsigned index = ioapic->select - (unsigned)IOREDTBL;

    switch (ioapic->select) {
    case IOAPICID:
    case IOAPICARB: /* loaded with the ID */
        return (uint32_t)ioapic->id << ID_SHIFT;
    case IOAPICVER:
        return IOAPIC_VERSION;
    default:
        if (index >= 2 * IOAPIC_PINS)
            return 0;
        return (uint32_t)(ioapic->redirection[index / 2] >> (index & 1 ? 32 : 0));
    }
}

static void write_register(struct ioapic *ioapic, uint32_t value)
{
    unsigned index = ioapic->select - (unsigned)IOREDTBL;
    uint64_t *entry;

    if (ioapic->select == IOAPICID)
        ioapic->id = value >> ID_SHIFT & ID_MASK;
    if (ioapic->select < IOREDTBL || index >= 2 * IOAPIC_PINS)
        return;
    entry = &ioapic->redirection[index / 2];
    if (index & 1) {
        *entry = (uint32_t)*entry | (uint64_t)(value & REDIR_HIGH_MASK) << 32;
        serve_level(ioapic, index / 2); /* the new destination may take what the old one did not */
        return;
    }
    *entry = (*entry & ~(uint64_t)REDIR_WRITABLE) | (value & REDIR_WRITABLE);
    if (!is_level(*entry))
        *entry &= ~(uint64_t)REDIR_REMOTE; /* how software without an EOI register ends a level interrupt */
    serve_level(ioapic, index / 2);
}

static uint32_t ioapic_read(void *self, uint32_t offset, unsigned width)
{
    const struct ioapic *ioapic = self;
    unsigned shift = 8 * (offset & 3);

    switch (offset & ~3u) {
    case IOREGSEL:
        return (uint32_t)ioapic->select >> shift;
    case IOWIN:
        return read_register(ioapic) >> shift;
    default:
        return 0;
    }
}

static void ioapic_write(void *self, uint32_t offset, uint32_t value, unsigned width)
{
    struct ioapic *ioapic = self;

    if (offset == IOREGSEL)
        ioapic->select = (uint8_t)value;
    else if (offset == IOWIN && width == 4) /* registers are written whole */
        write_register(ioapic, value);
}

const struct bus_ops ioapic_ops = {.name = "ioapic", .read = ioapic_read, .write = ioapic_write, .max_width = 4};

struct ioapic *ioapic_create(bool (*send)(void *opaque, const struct apic_message *message), void *opaque)
{
    struct ioapic *ioapic = calloc(1, sizeof *ioapic);

    if (!ioapic)
        return NULL;
    ioapic->send = send;
    ioapic->opaque = opaque;
    ioapic_reset(ioapic);
    return ioapic;
}

void ioapic_destroy(struct ioapic *ioapic)
{
    free(ioapic);
}

void ioapic_reset(struct ioapic *ioapic)
{
    bool asserted[IOAPIC_PINS];

    memcpy(asserted, ioapic->asserted, sizeof asserted);
    state_reset(&ioapic_desc, ioapic);
    memcpy(ioapic->asserted, asserted, sizeof asserted);
}

void ioapic_retry(struct ioapic *ioapic)
{
    for (unsigned n = 0; n < IOAPIC_PINS; n++)
        serve_level(ioapic, n);
}

/* Messages under way are in the local APICs' saved state. */
void ioapic_after_load(struct ioapic *ioapic)
{
    ioapic_retry(ioapic);
}

void ioapic_print_counts(const struct ioapic *ioapic, FILE *out)
{
    for (unsigned n = 0; n < IOAPIC_PINS; n++)
        if (ioapic->delivered[n])
            fprintf(out, "%2u: %llu\n", n, (unsigned long long)ioapic->delivered[n]);
}
