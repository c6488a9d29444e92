/*
 * Intel 8259A programmable interrupt controller, two of them cascaded through the master's IR2.
 * Source: Intel 231468 "8259A"; Intel 290550 "82371SB (PIIX3)" for the ELCR.
 * Deviates: ICW1's LTIM is ignored, as in the PIIX3, where the ELCR takes its place. MCS-80 mode (ICW4 uPM = 0) and
 * buffered mode act as 8086 mode. ICW1 clears ISR too, which the datasheet leaves open.
 */
#include "hw/intc/pic8259.h"

#include <stdlib.h>

#include "hw/core/log.h"

enum { PIC_COMMAND, PIC_DATA }; /* A0 = 0, A0 = 1 */

enum {
    PIC_ICW1_IC4 = 1 << 0,
    PIC_ICW1_SNGL = 1 << 1,
    PIC_ICW1_SELECT = 1 << 4,

    PIC_ICW4_UPM = 1 << 0,
    PIC_ICW4_AEOI = 1 << 1,
    PIC_ICW4_SFNM = 1 << 4,

    PIC_OCW2_EOI = 1 << 5,
    PIC_OCW2_SL = 1 << 6,
    PIC_OCW2_R = 1 << 7,

    PIC_OCW3_RIS = 1 << 0,
    PIC_OCW3_RR = 1 << 1,
    PIC_OCW3_POLL = 1 << 2,
    PIC_OCW3_SELECT = 1 << 3,
    PIC_OCW3_SMM = 1 << 5,
    PIC_OCW3_ESMM = 1 << 6,

    PIC_POLL_REQUEST = 1 << 7,
};

#define NO_REQUEST    (-1)
#define SPURIOUS      7
#define CASCADE       2u /* the master's input that the slave's INT is soldered to */
#define FLOATING_BUS  0xff
#define ELCR_WRITABLE ((const uint8_t[2]){0xf8, 0xde}) /* IRQ 0, 1, 2, 8 and 13 are always edge-triggered */

struct pic8259 {
    uint8_t pins;      /* input levels */
    uint8_t edges;     /* edge-sense latches */
    uint8_t imr, isr;  /* masks, in service */
    uint8_t elcr;      /* 1: level-triggered input */
    uint8_t lowest;    /* input with the lowest priority; the next one, modulo 8, has the highest */
    uint8_t init_step; /* 2, 3, 4: the ICW that the data port expects; 0: initialised */
    uint8_t icw1, icw2, icw3, icw4;
    uint8_t read_isr;       /* OCW3 RIS: the command port reads ISR instead of IRR */
    uint8_t poll;           /* OCW3 P: the next read is an acknowledge */
    uint8_t special_mask;   /* OCW3 SMM */
    uint8_t rotate_in_aeoi; /* OCW2 */
    struct pic8259_pair *pair;
};

struct pic8259_pair {
    struct pic8259 chip[2];
    struct irq intr;
    uint64_t acknowledged[16]; /* how often, for `info irq` */
};

#define PIC_REG(member, reset_value, doc) STATE_EACH(struct pic8259_pair, chip, member, reset_value, doc)

static const struct state_field pic_fields[] = {
    PIC_REG(pins, 0x00, "input levels"),
    PIC_REG(edges, 0x00, "edge-sense latches"),
    PIC_REG(imr, 0xff, "IMR"),
    PIC_REG(isr, 0x00, "ISR"),
    PIC_REG(elcr, 0x00, "ELCR"),
    PIC_REG(lowest, 7, "input of lowest priority"),
    PIC_REG(init_step, 0, "ICW expected next"),
    PIC_REG(icw1, 0x00, "ICW1"),
    PIC_REG(icw2, 0x00, "ICW2, vector base"),
    PIC_REG(icw3, 0x00, "ICW3"),
    PIC_REG(icw4, 0x00, "ICW4"),
    PIC_REG(read_isr, 0, "OCW3 RIS"),
    PIC_REG(poll, 0, "OCW3 P"),
    PIC_REG(special_mask, 0, "OCW3 SMM"),
    PIC_REG(rotate_in_aeoi, 0, "OCW2 rotate in AEOI mode"),
};
static const struct state_desc pic_desc = STATE_DESC("pic8259", pic_fields);

const struct state_desc *pic8259_pair_state_desc(void)
{
    return &pic_desc;
}

/* ---- priority resolver ---- */

static bool is_master(const struct pic8259 *pic)
{
    return pic == &pic->pair->chip[0];
}

static uint8_t bit(unsigned n)
{
    return (uint8_t)(1u << n);
}

/* A level-triggered request is the pin itself; an edge-triggered one is its latch. */
static uint8_t irr(const struct pic8259 *pic)
{
    return (uint8_t)((pic->pins & pic->elcr) | (pic->edges & ~pic->elcr));
}

/* 0 is the highest priority. */
static unsigned rank(const struct pic8259 *pic, unsigned n)
{
    return (n - pic->lowest - 1) & 7;
}

/* The input of highest priority among `inputs`, or NO_REQUEST. */
static int highest(const struct pic8259 *pic, uint8_t inputs)
{
    for (unsigned i = 1; i <= 8; i++) {
        unsigned n = (pic->lowest + i) & 7;
        if (inputs & bit(n))
            return (int)n;
    }
    return NO_REQUEST;
}

/* In-service bits that hold others back: in special mask mode the masked ones do not ("8259A, special mask mode"). */
static uint8_t blocking(const struct pic8259 *pic)
{
    return pic->special_mask ? pic->isr & (uint8_t)~pic->imr : pic->isr;
}

/* The input that INT stands for, or NO_REQUEST. */
static int request(const struct pic8259 *pic)
{
    int n = highest(pic, irr(pic) & (uint8_t)~pic->imr);
    int serving = highest(pic, blocking(pic));
    if (n == NO_REQUEST || serving == NO_REQUEST)
        return n;
    if (rank(pic, (unsigned)n) < rank(pic, (unsigned)serving))
        return n;
    /* Special fully nested mode: the slave in service may interrupt again for a request of higher priority there. */
    if (n == serving && pic->icw4 & PIC_ICW4_SFNM && is_master(pic) && pic->icw3 & bit((unsigned)n))
        return n;
    return NO_REQUEST;
}

static void set_pin(struct pic8259 *pic, unsigned n, bool level)
{
    uint8_t mask = bit(n);
    if (level) {
        pic->edges |= (uint8_t)(mask & ~pic->pins);
        pic->pins |= mask;
    } else { /* the request must stay until acknowledged, or it is gone: "8259A, edge triggered mode" */
        pic->edges &= (uint8_t)~mask;
        pic->pins &= (uint8_t)~mask;
    }
}

/* The only place that drives INT: slave first, since its INT is the master's input. */
static void update(struct pic8259_pair *pair)
{
    set_pin(&pair->chip[0], CASCADE, request(&pair->chip[1]) != NO_REQUEST);
    irq_set(&pair->intr, request(&pair->chip[0]) != NO_REQUEST);
}

/* One chip's part of INTA or poll. Returns the input acknowledged, or NO_REQUEST. */
static int acknowledge(struct pic8259 *pic)
{
    int n = request(pic);
    if (n == NO_REQUEST)
        return NO_REQUEST;
    pic->pair->acknowledged[is_master(pic) ? n : n + 8]++;
    pic->edges &= (uint8_t)~bit((unsigned)n);
    if (!(pic->icw4 & PIC_ICW4_AEOI))
        pic->isr |= bit((unsigned)n);
    else if (pic->rotate_in_aeoi)
        pic->lowest = (uint8_t)n;
    /* INT drops at INTA; what is still waiting makes a new edge at the master. */
    if (!is_master(pic))
        set_pin(&pic->pair->chip[0], CASCADE, false);
    return n;
}

uint8_t pic8259_acknowledge(struct pic8259_pair *pair)
{
    struct pic8259 *master = &pair->chip[0], *slave = &pair->chip[1];
    int n = acknowledge(master);
    unsigned input = n == NO_REQUEST ? SPURIOUS : (unsigned)n;
    uint8_t vector = (uint8_t)((master->icw2 & 0xf8) | input);
    bool has_slave = n != NO_REQUEST && !(master->icw1 & PIC_ICW1_SNGL) && master->icw3 & bit(input);
    if (has_slave && (slave->icw3 & 7) == input) {
        n = acknowledge(slave);
        vector = (uint8_t)((slave->icw2 & 0xf8) | (n == NO_REQUEST ? SPURIOUS : n));
    } else if (has_slave) {
        vector = FLOATING_BUS; /* no slave answers to this cascade address */
    }
    update(pair);
    return vector;
}

/* ---- registers ---- */

static void write_icw1(struct pic8259 *pic, uint8_t value)
{
    pic->icw1 = value;
    pic->init_step = 2;
    pic->edges = 0; /* an input must rise again to request */
    pic->imr = pic->isr = 0;
    pic->lowest = 7;
    pic->special_mask = pic->read_isr = pic->poll = pic->rotate_in_aeoi = 0;
    if (!(value & PIC_ICW1_IC4))
        pic->icw4 = 0;
}

static void write_ocw2(struct pic8259 *pic, uint8_t value)
{
    uint8_t level = value & 7;
    int n;
    switch (value & (PIC_OCW2_R | PIC_OCW2_SL | PIC_OCW2_EOI)) {
    case PIC_OCW2_EOI: /* non-specific */
    case PIC_OCW2_R | PIC_OCW2_EOI:
        n = highest(pic, blocking(pic)); /* in special mask mode masked levels are passed over */
        if (n == NO_REQUEST)
            break;
        pic->isr &= (uint8_t)~bit((unsigned)n);
        if (value & PIC_OCW2_R)
            pic->lowest = (uint8_t)n;
        break;
    case PIC_OCW2_R | PIC_OCW2_SL | PIC_OCW2_EOI:
        pic->lowest = level;
        /* fall through */
    case PIC_OCW2_SL | PIC_OCW2_EOI: /* specific */
        pic->isr &= (uint8_t)~bit(level);
        break;
    case PIC_OCW2_R | PIC_OCW2_SL:
        pic->lowest = level;
        break;
    case PIC_OCW2_R:
        pic->rotate_in_aeoi = 1;
        break;
    case 0:
        pic->rotate_in_aeoi = 0;
        break;
    default: /* SL alone: no operation */
        break;
    }
}

static void write_ocw3(struct pic8259 *pic, uint8_t value)
{
    if (value & PIC_OCW3_ESMM)
        pic->special_mask = (value & PIC_OCW3_SMM) != 0;
    if (value & PIC_OCW3_POLL)
        pic->poll = 1;
    else if (value & PIC_OCW3_RR)
        pic->read_isr = value & PIC_OCW3_RIS;
}

static void write_data(struct pic8259 *pic, uint8_t value)
{
    static bool said;
    switch (pic->init_step) {
    case 2:
        pic->icw2 = value;
        pic->init_step = !(pic->icw1 & PIC_ICW1_SNGL) ? 3 : pic->icw1 & PIC_ICW1_IC4 ? 4 : 0;
        break;
    case 3:
        pic->icw3 = value;
        pic->init_step = pic->icw1 & PIC_ICW1_IC4 ? 4 : 0;
        break;
    case 4:
        pic->icw4 = value;
        pic->init_step = 0;
        if (!(value & PIC_ICW4_UPM))
            log_once(&said, "pic8259: MCS-80 mode is not modelled\n");
        break;
    default:
        pic->imr = value; /* OCW1 */
        break;
    }
}

static void pic_write(void *self, uint32_t offset, uint32_t value32, unsigned width)
{
    struct pic8259 *pic = self;
    uint8_t value = (uint8_t)value32;
    if (offset == PIC_DATA)
        write_data(pic, value);
    else if (value & PIC_ICW1_SELECT)
        write_icw1(pic, value);
    else if (value & PIC_OCW3_SELECT)
        write_ocw3(pic, value);
    else
        write_ocw2(pic, value);
    update(pic->pair);
}

static uint32_t pic_read(void *self, uint32_t offset, unsigned width)
{
    struct pic8259 *pic = self;
    if (pic->poll) { /* the next read, of either port, is the acknowledge */
        pic->poll = 0;
        int n = acknowledge(pic);
        update(pic->pair);
        return n == NO_REQUEST ? 0 : PIC_POLL_REQUEST | (uint32_t)n;
    }
    if (offset == PIC_DATA)
        return pic->imr;
    return pic->read_isr ? pic->isr : irr(pic);
}

static void elcr_write(void *self, uint32_t offset, uint32_t value, unsigned width)
{
    struct pic8259_pair *pair = self;
    pair->chip[offset & 1].elcr = (uint8_t)value & ELCR_WRITABLE[offset & 1];
    update(pair);
}

static uint32_t elcr_read(void *self, uint32_t offset, unsigned width)
{
    struct pic8259_pair *pair = self;
    return pair->chip[offset & 1].elcr;
}

const struct bus_ops pic8259_ops = {.name = "pic8259", .read = pic_read, .write = pic_write, .max_width = 1};
const struct bus_ops pic8259_elcr_ops = {.name = "elcr", .read = elcr_read, .write = elcr_write, .max_width = 1};

/* ---- wiring ---- */

static void set_input(void *opaque, int line, bool level)
{
    struct pic8259_pair *pair = opaque;
    set_pin(&pair->chip[line >> 3 & 1], (unsigned)line & 7, level);
    update(pair);
}

struct irq pic8259_input(struct pic8259_pair *pair, unsigned n)
{
    if (n == CASCADE || n > 15)
        return (struct irq){0};
    return (struct irq){.set = set_input, .opaque = pair, .line = (int)n};
}

struct pic8259 *pic8259_chip(struct pic8259_pair *pair, unsigned index)
{
    return &pair->chip[index & 1];
}

struct pic8259_pair *pic8259_pair_create(struct irq intr)
{
    struct pic8259_pair *pair = calloc(1, sizeof *pair);
    if (!pair)
        return NULL;
    pair->intr = intr;
    pair->chip[0].pair = pair->chip[1].pair = pair;
    state_reset(&pic_desc, pair);
    return pair;
}

void pic8259_pair_destroy(struct pic8259_pair *pair)
{
    free(pair);
}

void pic8259_pair_reset(struct pic8259_pair *pair)
{
    uint8_t pins[2] = {pair->chip[0].pins, pair->chip[1].pins};
    state_reset(&pic_desc, pair);
    for (unsigned i = 0; i < 2; i++)
        pair->chip[i].pins = pins[i];
    update(pair);
}

void pic8259_pair_after_load(struct pic8259_pair *pair)
{
    for (unsigned i = 0; i < 2; i++)
        pair->chip[i].lowest &= 7;
    irq_set(&pair->intr, request(&pair->chip[0]) != NO_REQUEST);
}

void pic8259_print_counts(const struct pic8259_pair *pair, FILE *out)
{
    for (unsigned i = 0; i < 16; i++)
        if (pair->acknowledged[i] && i != CASCADE)
            fprintf(out, "%2u: %llu\n", i, (unsigned long long)pair->acknowledged[i]);
}

void pic8259_print(const struct pic8259_pair *pair, FILE *out)
{
    for (unsigned i = 0; i < 2; i++) {
        const struct pic8259 *pic = &pair->chip[i];
        fprintf(out, "pic%u: irr=%02x imr=%02x isr=%02x pins=%02x elcr=%02x base=%02x lowest=%u rr_sel=%s%s%s%s%s%s\n",
                i, irr(pic), pic->imr, pic->isr, pic->pins, pic->elcr, pic->icw2 & 0xf8, pic->lowest,
                pic->read_isr ? "isr" : "irr", pic->icw4 & PIC_ICW4_AEOI ? " aeoi" : "",
                pic->rotate_in_aeoi ? " rotate" : "", pic->special_mask ? " smm" : "",
                pic->icw4 & PIC_ICW4_SFNM ? " sfnm" : "", pic->init_step ? " initialising" : "");
    }
}
