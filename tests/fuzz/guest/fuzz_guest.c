/*
 * The hostile guest: random reads and writes of 8, 16, 32 and 64 bits, aligned and straddling, plain, locked and
 * repeated, at every I/O port and memory-mapped range, weighted towards those where devices are. Interrupts are on at
 * times. It says on port E9 how many accesses each device has had.
 *
 * Counters survive a reset, which the guest often causes itself.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DEBUG_PORT    0xe9
#define REPORT_EVERY  65536u
#define ALIVE_EVERY   1024u
#define EPOCH_STEPS   4096u /* then other devices come into focus */
#define FOCUS         3
#define BUFFER        0x40000u /* for repeated transfers */
#define BUFFER_BYTES  4096u
#define COUNTERS      0x60000u
#define COUNTERS_SIGN 0x5a5a1234u

extern const uint32_t rom_seed[2];
void guest_main(void);

enum kind { PORTS, MEMORY, CONFIG, BACKDOOR };

struct target {
    const char *name;
    enum kind kind;
    uint32_t base, len;
};

/* Where a PC has them. What PCI places is where place_bars() puts it. */
static const struct target targets[] = {
    {"dma8237", PORTS, 0x00, 16},
    {"pic8259", PORTS, 0x20, 2},
    {"pit8254", PORTS, 0x40, 4},
    {"kbc8042", PORTS, 0x60, 5},
    {"port61", PORTS, 0x61, 1},
    {"rtc146818", PORTS, 0x70, 2},
    {"dma-page", PORTS, 0x80, 16},
    {"port92", PORTS, 0x92, 1},
    {"pic8259-slave", PORTS, 0xa0, 2},
    {"apm", PORTS, 0xb2, 2},
    {"dma8237-high", PORTS, 0xc0, 32},
    {"debugcon", PORTS, 0xe9, 1},
    {"fpu_error", PORTS, 0xf0, 2},
    {"ide-secondary", PORTS, 0x170, 8},
    {"dispi", PORTS, 0x1ce, 4},
    {"ide-primary", PORTS, 0x1f0, 8},
    {"uart-com2", PORTS, 0x2f8, 8},
    {"ide-control2", PORTS, 0x376, 1},
    {"vga", PORTS, 0x3b0, 48},
    {"fdc82078", PORTS, 0x3f0, 6},
    {"ide-control1", PORTS, 0x3f6, 2},
    {"uart-com1", PORTS, 0x3f8, 8},
    {"debugcon-402", PORTS, 0x402, 1},
    {"elcr", PORTS, 0x4d0, 2},
    {"fw_cfg", PORTS, 0x510, 12},
    {"pci-ports", PORTS, 0xcf8, 8},
    {"vmport", BACKDOOR, 0x5658, 4},
    {"gpe", PORTS, 0xafe0, 4},
    {"pm", PORTS, 0xb000, 64},
    {"smbus", PORTS, 0xb100, 16},
    {"pci-bars", PORTS, 0xc000, 0x100},
    {"any-port", PORTS, 0, 0x10000},
    {"aperture", MEMORY, 0xa0000, 0x20000},
    {"shadow", MEMORY, 0xc0000, 0x40000},
    {"frame-buffer", MEMORY, 0xe0000000, 0x1000000},
    {"pci-memory", MEMORY, 0xe1000000, 0x100000},
    {"ioapic", MEMORY, 0xfec00000, 0x1000},
    {"hpet", MEMORY, 0xfed00000, 0x400},
    {"apic", MEMORY, 0xfee00000, 0x1000},
    {"firmware", MEMORY, 0xfffc0000, 0x40000},
    {"any-memory", MEMORY, 0x1000000, 0xff000000},
    {"host-bridge", CONFIG, 0x0000, 256},
    {"isa-bridge", CONFIG, 0x0800, 256},
    {"ide-function", CONFIG, 0x0900, 256},
    {"pm-function", CONFIG, 0x0b00, 256},
    {"vga-function", CONFIG, 0x1000, 256},
    {"nic-function", CONFIG, 0x1800, 256},
    {"test-function", CONFIG, 0x2000, 256},
};
#define N_TARGETS (sizeof targets / sizeof targets[0])

struct counters { /* in RAM; DMA may write over them, so they are checked */
    uint32_t sign, lives, since_report;
    uint32_t n[N_TARGETS], not_n[N_TARGETS]; /* since the last report */
    uint32_t total[N_TARGETS];
};

/* ---- the processor's accesses ---- */

static inline void out8(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}
static inline void out16(uint16_t port, uint16_t value)
{
    __asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port));
}
static inline void out32(uint16_t port, uint32_t value)
{
    __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}
static inline uint8_t in8(uint16_t port)
{
    uint8_t value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}
static inline uint16_t in16(uint16_t port)
{
    uint16_t value;
    __asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}
static inline uint32_t in32(uint16_t port)
{
    uint32_t value;
    __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

/* ---- randomness: xorshift ---- */

struct random {
    uint32_t x, y, z, w;
};

static uint32_t next(struct random *r)
{
    uint32_t t = r->x ^ r->x << 11;

    r->x = r->y;
    r->y = r->z;
    r->z = r->w;
    return r->w = r->w ^ r->w >> 19 ^ t ^ t >> 8;
}

static uint32_t value_of(struct random *r)
{
    uint32_t any = next(r);

    switch (next(r) >> 8 & 7) {
    case 0:
        return 0;
    case 1:
        return 0xffffffff;
    case 2:
        return 1u << any % 32;
    case 3:
        return any % 16;
    case 4:
        return BUFFER + any % 0x10000; /* a place in RAM */
    case 5:
        return any & 0xff;
    default:
        return any;
    }
}

/* ---- reports: "@@NAME COUNT" with a sum, since random bytes reach the port too ---- */

static void say(const char *name, uint32_t n)
{
    char line[48];
    unsigned len = 0, sum = 0, digits = 0;
    char digit[10];

    while (name[len] && len < 20) {
        line[len] = name[len];
        len++;
    }
    line[len++] = ' ';
    do {
        digit[digits++] = (char)('0' + n % 10);
        n /= 10;
    } while (n);
    while (digits)
        line[len++] = digit[--digits];
    for (unsigned i = 0; i < len; i++)
        sum += (uint8_t)line[i];
    line[len++] = ' ';
    line[len++] = (char)('A' + sum % 16);
    line[len++] = (char)('A' + sum / 16 % 16);
    line[len++] = '\n';
    out8(DEBUG_PORT, '\n');
    out8(DEBUG_PORT, '@');
    out8(DEBUG_PORT, '@');
    for (unsigned i = 0; i < len; i++)
        out8(DEBUG_PORT, (uint8_t)line[i]);
}

static void report(volatile struct counters *c)
{
    for (unsigned i = 0; i < N_TARGETS; i++)
        if (c->n[i] && c->n[i] == ~c->not_n[i]) {
            say(targets[i].name, c->n[i]);
            c->n[i] = 0;
            c->not_n[i] = ~0u;
        }
    c->since_report = 0;
}

static void count(volatile struct counters *c, unsigned i)
{
    c->n[i]++;
    c->total[i]++;
    c->not_n[i]--;
    c->since_report++;
}

/* ---- firmware's work ---- */

static uint32_t config_address(uint32_t function, uint32_t offset)
{
    return 0x80000000u | function | (offset & 0xfc);
}

static void config_write(uint32_t function, uint32_t offset, uint32_t value)
{
    out32(0xcf8, config_address(function, offset));
    out32(0xcfc, value);
}

static uint32_t config_read(uint32_t function, uint32_t offset)
{
    out32(0xcf8, config_address(function, offset));
    return in32(0xcfc);
}

static void place_bars(void)
{
    uint32_t next_port = 0xc000, next_memory = 0xe0000000;

    for (uint32_t function = 0; function < 0x4000; function += 0x100) {
        if (config_read(function, 0) == 0xffffffff)
            continue;
        for (uint32_t offset = 0x10; offset < 0x28; offset += 4) {
            uint32_t size, *at;

            config_write(function, offset, 0xffffffff);
            size = config_read(function, offset);
            if (!size)
                continue;
            at = size & 1 ? &next_port : &next_memory;
            size = ~(size & ~15u) + 1;
            if (at == &next_port)
                size &= 0xffff;
            *at = (*at + size - 1) & ~(size - 1);
            config_write(function, offset, *at);
            *at += size;
        }
        config_write(function, 4, 7);
    }
    config_write(0x0b00, 0x40, 0xb001);
    config_write(0x0b00, 0x80, 1);
    config_write(0x0b00, 0x90, 0xb101);
    config_write(0x0b00, 0xd0, 0x00090000 | 1 << 16);
}

/* ---- one access ---- */

static void repeat_port(struct random *r, uint16_t port)
{
    uint32_t n = next(r) % (BUFFER_BYTES / 4), at = BUFFER;

    switch (next(r) >> 4 & 7) {
    case 0:
        __asm__ volatile("rep insb" : "+D"(at), "+c"(n) : "d"(port) : "memory");
        break;
    case 1:
        __asm__ volatile("rep insw" : "+D"(at), "+c"(n) : "d"(port) : "memory");
        break;
    case 2:
        __asm__ volatile("rep insl" : "+D"(at), "+c"(n) : "d"(port) : "memory");
        break;
    case 3:
        __asm__ volatile("rep outsb" : "+S"(at), "+c"(n) : "d"(port) : "memory");
        break;
    case 4:
        __asm__ volatile("rep outsw" : "+S"(at), "+c"(n) : "d"(port) : "memory");
        break;
    case 5:
        __asm__ volatile("rep outsl" : "+S"(at), "+c"(n) : "d"(port) : "memory");
        break;
    default: /* backwards, a few */
        at += 256;
        n %= 16;
        __asm__ volatile("std; rep insw; cld" : "+D"(at), "+c"(n) : "d"(port) : "memory");
        break;
    }
}

static void access_port(struct random *r, uint16_t port)
{
    uint32_t value = value_of(r);

    switch (next(r) >> 3 & 63) {
    case 0:
        repeat_port(r, port);
        break;
    case 1 ... 10:
        in16(port);
        break;
    case 11 ... 20:
        in32(port);
        break;
    case 21 ... 31:
        in8(port);
        break;
    case 32 ... 41:
        out16(port, (uint16_t)value);
        break;
    case 42 ... 51:
        out32(port, value);
        break;
    default:
        out8(port, (uint8_t)value);
        break;
    }
}

static void access_memory(struct random *r, uint32_t address)
{
    uint32_t value = value_of(r), other = next(r), n = next(r) % 64, to = address, from = BUFFER;

    switch (next(r) >> 3 & 31) {
    case 0 ... 3:
        (void)*(volatile uint8_t *)address;
        break;
    case 4 ... 7:
        (void)*(volatile uint16_t *)address;
        break;
    case 8 ... 12:
        (void)*(volatile uint32_t *)address;
        break;
    case 13 ... 15:
        *(volatile uint8_t *)address = (uint8_t)value;
        break;
    case 16 ... 18:
        *(volatile uint16_t *)address = (uint16_t)value;
        break;
    case 19 ... 23:
        *(volatile uint32_t *)address = value;
        break;
    case 24:
        __asm__ volatile("lock xaddl %0, (%1)" : "+r"(value) : "r"(address) : "memory");
        break;
    case 25:
        __asm__ volatile("lock cmpxchg8b (%2)" : "+a"(value), "+d"(other) : "r"(address), "b"(n), "c"(to) : "memory");
        break;
    case 26:
        __asm__ volatile("xchgw %w0, (%1)" : "+r"(value) : "r"(address) : "memory");
        break;
    case 27:
        __asm__ volatile("btsl %1, (%0)" : : "r"(address), "r"(n) : "memory");
        break;
    case 28:
        __asm__ volatile("fninit; fildll (%0); fistpll (%0)" : : "r"(address) : "memory");
        break;
    case 29:
        __asm__ volatile("rep movsl" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
        break;
    case 30:
        from = address;
        to = BUFFER;
        __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
        break;
    default:
        from = address; /* onto itself, overlapping */
        to = address + 1;
        n %= 16;
        __asm__ volatile("rep movsw" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
        break;
    }
}

static void access_config(struct random *r, uint32_t function, uint32_t offset)
{
    out32(0xcf8, config_address(function, offset));
    access_port(r, (uint16_t)(0xcfc + (offset & 3)));
}

/* VMware's port: commands in registers, mostly those that the mouse behind it has. */
static void access_backdoor(struct random *r, uint16_t port)
{
    static const uint32_t parameters[] = {0x45414552, 0xf5, 0x4c455252, 0x53424152};
    uint32_t a = 0x564d5868, b = next(r) % 8, c = 0x27 + next(r) % 3, d = port, si = next(r), di = next(r);

    if ((next(r) & 31) == 0)
        c = value_of(r);
    if (c == 0x29)
        b = (next(r) & 15) ? parameters[next(r) % 4] : value_of(r);
    if (next(r) & 3)
        __asm__ volatile("inl %%dx, %%eax" : "+a"(a), "+b"(b), "+c"(c), "+d"(d), "+S"(si), "+D"(di) : : "memory");
    else
        __asm__ volatile("outl %%eax, %%dx" : "+a"(a), "+b"(b), "+c"(c), "+d"(d), "+S"(si), "+D"(di) : : "memory");
}

static void access(struct random *r, const struct target *t)
{
    uint32_t offset = next(r) % t->len;

    switch (t->kind) {
    case PORTS:
        if ((next(r) & 15) == 0)
            offset -= next(r) & 3;
        access_port(r, (uint16_t)(t->base + offset));
        break;
    case MEMORY:
        if (t->len > 0x8000 && next(r) & 1)
            offset &= 0x7fff;
        if (next(r) & 1)
            offset &= ~3u;
        else if ((next(r) & 15) == 0)
            offset = (offset | 0xfff) - (next(r) & 7); /* across a page */
        access_memory(r, t->base + offset);
        break;
    case CONFIG:
        access_config(r, t->base, offset & 0xff);
        break;
    case BACKDOOR:
        if (next(r) & 3)
            access_backdoor(r, (uint16_t)t->base);
        else
            access_port(r, (uint16_t)(t->base + offset));
        break;
    }
}

/* Those that reset the machine would come short otherwise. */
static unsigned least_visited(const volatile struct counters *c)
{
    unsigned least = 0;

    for (unsigned i = 1; i < N_TARGETS; i++)
        if (c->total[i] < c->total[least])
            least = i;
    return least;
}

void guest_main(void)
{
    volatile struct counters *c = (volatile struct counters *)COUNTERS;
    unsigned focus[FOCUS];
    struct random r;
    uint32_t low, high;

    if (c->sign != COUNTERS_SIGN) {
        c->sign = COUNTERS_SIGN;
        c->lives = c->since_report = 0;
        for (unsigned i = 0; i < N_TARGETS; i++) {
            c->n[i] = 0;
            c->not_n[i] = ~0u;
            c->total[i] = 0;
        }
    }
    c->lives++;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    r = (struct random){rom_seed[0], rom_seed[1], low, c->lives};
    for (unsigned i = 0; i < 16; i++)
        next(&r);
    place_bars();
    for (;;) {
        for (unsigned i = 0; i < FOCUS; i++)
            focus[i] = next(&r) % N_TARGETS;
        focus[0] = least_visited(c);
        if (next(&r) & 1)
            __asm__ volatile("sti");
        else
            __asm__ volatile("cli");
        for (unsigned step = 0; step < EPOCH_STEPS; step++) {
            unsigned i = next(&r) & 15 ? focus[next(&r) % FOCUS] : next(&r) % N_TARGETS;

            count(c, i);
            access(&r, &targets[i]);
            if (c->since_report > REPORT_EVERY)
                report(c);
            if (step % ALIVE_EVERY == 0)
                say("life", c->lives);
        }
        if ((next(&r) & 31) == 0)
            place_bars();
    }
}
