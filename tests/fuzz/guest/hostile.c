/*
 * Guests that try to hang the machine, one per number: test_hostile.c writes the number where rom.S keeps the seed.
 * Each runs for ever, and the emulator must go on listening to its user.
 */
#include <stdint.h>

#define DEBUG_PORT 0xe9

extern const uint32_t rom_seed[2];
void guest_main(void);

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
static inline void write32(uint32_t address, uint32_t value)
{
    *(volatile uint32_t *)address = value;
}
static void config_write(uint32_t function, uint32_t offset, uint32_t value)
{
    out32(0xcf8, 0x80000000u | function | offset);
    out32(0xcfc, value);
}

/* Vectors 20h and 28h; `mask` of IRQs that stay off. */
static void set_up_pics(uint16_t mask)
{
    out8(0x20, 0x11);
    out8(0xa0, 0x11);
    out8(0x21, 0x20);
    out8(0xa1, 0x28);
    out8(0x21, 4);
    out8(0xa1, 2);
    out8(0x21, 1);
    out8(0xa1, 1);
    out8(0x21, (uint8_t)mask);
    out8(0xa1, (uint8_t)(mask >> 8));
}

static void set_pit(uint16_t count)
{
    out8(0x43, 0x34);
    out8(0x40, (uint8_t)count);
    out8(0x40, (uint8_t)(count >> 8));
}

/* ---- standing still ---- */

static void cli_hlt(void)
{
    for (;;)
        __asm__ volatile("cli; hlt");
}

static void jump_to_itself(void)
{
    __asm__ volatile("1: jmp 1b");
}

static void hlt_with_pit_at_full_rate(void)
{
    set_up_pics(0xfffe);
    set_pit(1);
    for (;;)
        __asm__ volatile("sti; hlt");
}

/* S3, and nothing that would wake it. */
static void sleep_for_ever(void)
{
    config_write(0x0b00, 0x40, 0xb001);
    config_write(0x0b00, 0x80, 1);
    out16(0xb004, 0x2401);
    for (;;)
        continue;
}

/* ---- resets ---- */

static void triple_fault(void)
{
    static const struct {
        uint16_t limit;
        uint32_t base;
    } __attribute__((packed)) none = {0, 0};

    __asm__ volatile("lidt %0; int3" : : "m"(none));
}

static void keyboard_reset(void)
{
    for (;;)
        out8(0x64, 0xfe);
}

static void chipset_reset(void)
{
    for (;;) {
        out8(0xcf9, 2);
        out8(0xcf9, 6);
    }
}

/* ---- interrupts ---- */

static void pit_at_full_rate(void)
{
    set_up_pics(0xfffe);
    set_pit(2);
    __asm__ volatile("sti; 1: jmp 1b");
}

/* A level-triggered line that nobody lowers: the handler ends, and is called again before the next instruction. */
static void interrupt_storm(void)
{
    set_up_pics(0xffff & ~(1 << 4));
    out8(0x4d0, 1 << 4);
    out8(0x3f9, 2); /* transmitter empty, and OUT2 */
    out8(0x3fc, 8);
    __asm__ volatile("sti; 1: jmp 1b");
}

static void apic_timer_storm(void)
{
    set_up_pics(0xffff);
    write32(0xfee000f0, 0x1ff);
    write32(0xfee003e0, 0xb); /* divide by 1 */
    write32(0xfee00320, 0x20040);
    write32(0xfee00380, 1);
    __asm__ volatile("sti; 1: jmp 1b");
}

static void interprocessor_storm(void)
{
    set_up_pics(0xffff);
    write32(0xfee000f0, 0x1ff);
    __asm__ volatile("sti");
    for (;;)
        write32(0xfee00300, 0x44041); /* to itself */
}

static void smi_storm(void)
{
    for (;;)
        out8(0xb2, 0x55);
}

static void fault_storm(void)
{
    __asm__ volatile("ud2"); /* the handler begins again */
}

static void single_step_storm(void)
{
    __asm__ volatile("pushl $0x102; popfl; 1: jmp 1b"); /* TF: to the handler, which begins again */
}

/* ---- memory ---- */

#define PAGES_IN_FRAME_BUFFER 0xe0000000u
#define PAGES_IN_APERTURE     0xa0000u

/* Large pages, each at its own address, but for the first one: that has a table, with both in device memory. */
static void page_tables_at(uint32_t directory)
{
    for (uint32_t i = 0; i < 1024; i++)
        write32(directory + i * 4, i << 22 | 0x83);
    for (uint32_t i = 0; i < 1024; i++)
        write32(directory + 0x1000 + i * 4, i << 12 | 3);
    write32(directory, (directory + 0x1000) | 3);
    __asm__ volatile("movl %0, %%cr3; movl %%cr4, %%eax; orl $0x10, %%eax; movl %%eax, %%cr4;"
                     "movl %%cr0, %%eax; orl $0x80000000, %%eax; movl %%eax, %%cr0"
                     :
                     : "r"(directory)
                     : "eax", "memory");
    for (uint32_t at = 0;; at = (at + 0x1000) & 0x3fffff) {
        __asm__ volatile("movl %%cr3, %%eax; movl %%eax, %%cr3" : : : "eax", "memory");
        (void)*(volatile uint32_t *)at;
    }
}

static void page_tables_in_frame_buffer(void)
{
    config_write(0x1000, 0x10, PAGES_IN_FRAME_BUFFER);
    config_write(0x1000, 4, 3);
    page_tables_at(PAGES_IN_FRAME_BUFFER);
}

/* As much of mode 13h as makes the aperture plain memory. */
static void set_mode_13(void)
{
    out8(0x3c2, 0x63);    /* memory is on */
    out16(0x3c4, 0x0300); /* running */
    out16(0x3c4, 0x0f02); /* all planes */
    out16(0x3c4, 0x0e04); /* chain 4 */
    out16(0x3ce, 0x0001); /* no set/reset */
    out16(0x3ce, 0x0003);
    out16(0x3ce, 0x4005);
    out16(0x3ce, 0x0506);
    out16(0x3ce, 0xff08); /* all bits */
}

static void page_tables_in_aperture(void)
{
    set_mode_13();
    page_tables_at(PAGES_IN_APERTURE);
}

/* They read as all ones: reserved bits and everything else. */
static void page_tables_in_registers(void)
{
    __asm__ volatile("movl %0, %%cr3; movl %%cr0, %%eax; orl $0x80000000, %%eax; movl %%eax, %%cr0; 1: jmp 1b"
                     :
                     : "r"(0xfee00000)
                     : "eax", "memory");
}

static void code_in_vga_memory(void)
{
    static const uint8_t code[] = {0x40, 0x90, 0xeb, 0xfc}; /* inc eax; nop; jmp */

    set_mode_13();
    for (unsigned i = 0; i < sizeof code; i++)
        *(volatile uint8_t *)(0xa0000 + i) = code[i];
    __asm__ volatile("jmp *%0" : : "r"(0xa0000));
}

static void code_nowhere(void)
{
    __asm__ volatile("jmp *%0" : : "r"(0x50000000));
}

static void repeat_store_everywhere(void)
{
    for (;;) {
        uint32_t at = 0x100000, n = 0xffffffff;
        __asm__ volatile("rep stosb" : "+D"(at), "+c"(n) : "a"(0) : "memory");
    }
}

static void repeat_move_in_the_frame_buffer(void)
{
    config_write(0x1000, 0x10, 0xe0000000);
    config_write(0x1000, 4, 3);
    for (;;) {
        uint32_t from = 0xe0000000, to = 0xe0000001, n = 0x3fffffff;
        __asm__ volatile("rep movsl" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
    }
}

static void repeat_move_in_the_aperture(void)
{
    for (;;) {
        uint32_t from = 0xa0000, to = 0xa0000, n = 0xffffffff;
        __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
    }
}

static void repeat_input(void)
{
    for (;;) {
        uint32_t at = 0x100000, n = 0xffffffff;
        __asm__ volatile("rep insb" : "+D"(at), "+c"(n) : "d"(0x80) : "memory");
    }
}

static void repeat_scan(void)
{
    for (;;) {
        uint32_t at = 0x100000, n = 0xffffffff;
        __asm__ volatile("repe scasb" : "+D"(at), "+c"(n) : "a"(0) : "memory", "cc");
    }
}

static void self_modifying_code(void)
{
    static const uint8_t code[] = {
        0xfe, 0x05, 0x09, 0x00, 0x02, 0x00, /* 20000: inc byte [20009] */
        0x05, 0x00, 0x00, 0x00, 0x00,       /*        add eax, ... */
        0xeb, 0xf3,                         /*        jmp 20000 */
    };

    for (unsigned i = 0; i < sizeof code; i++)
        *(volatile uint8_t *)(0x20000 + i) = code[i];
    __asm__ volatile("jmp *%0" : : "r"(0x20000));
}

static void remap_storm(void)
{
    for (uint32_t i = 0;; i++) {
        config_write(0, 0x58, i & 1 ? 0x33333333 : 0x11111111); /* PAM */
        config_write(0, 0x5c, i & 1 ? 0x33333333 : 0x22222222);
    }
}

/* In low memory, since firmware disappears with A20. */
static void a20_storm(void)
{
    static const uint8_t code[] = {0xb0, 0x00, 0xe6, 0x92, 0xb0, 0x02, 0xe6, 0x92, 0xeb, 0xf6};

    for (unsigned i = 0; i < sizeof code; i++)
        *(volatile uint8_t *)(0x20000 + i) = code[i];
    __asm__ volatile("jmp *%0" : : "r"(0x20000));
}

static void flush_storm(void)
{
    for (;;)
        __asm__ volatile("movl %%cr3, %%eax; movl %%eax, %%cr3; wbinvd; movl %%cr4, %%eax; xorl $0x80, %%eax;"
                         "movl %%eax, %%cr4"
                         :
                         :
                         : "eax", "memory");
}

/* ---- devices ---- */

/* Each time it is enabled the card clears its memory. */
static void dispi_storm(void)
{
    for (;;) {
        out16(0x1ce, 1);
        out16(0x1d0, 1600);
        out16(0x1ce, 2);
        out16(0x1d0, 1200);
        out16(0x1ce, 3);
        out16(0x1d0, 32);
        out16(0x1ce, 4);
        out16(0x1d0, 0x41);
        out16(0x1d0, 0);
    }
}

#define NIC       0x1800
#define REGISTERS 0xe2000000u

/* A ring whose tail is never reached, full of large packets to cut up. */
static void transmit_storm(void)
{
    config_write(NIC, 0x10, REGISTERS);
    config_write(NIC, 4, 7);
    for (uint32_t i = 0; i < 8; i += 2) {
        uint32_t d = 0x20000 + i * 16;

        write32(d, 0x00000e0e); /* context: IP and TCP somewhere in the header */
        write32(d + 4, 0x00002222);
        write32(d + 8, 0x2500fff0);
        write32(d + 12, 16 << 16 | 54 << 8); /* MSS 16 */
        write32(d + 16, 0x100000);
        write32(d + 20, 0);
        write32(d + 24, 0x2d10fff0); /* data: TSE, EOP, RS */
        write32(d + 28, 0x300);
    }
    write32(REGISTERS + 0x3800, 0x20000);
    write32(REGISTERS + 0x3804, 0);
    write32(REGISTERS + 0x3808, 128);
    write32(REGISTERS + 0x3810, 0);
    write32(REGISTERS + 0x400, 2);
    for (;;)
        write32(REGISTERS + 0x3818, 0xffff);
}

/* Read DMA whose table never ends, again and again. */
static void disk_dma_storm(void)
{
    config_write(0x0900, 0x20, 0xc001);
    config_write(0x0900, 4, 5);
    for (uint32_t i = 0; i < 8192; i++) {
        write32(0x20000 + i * 8, 0x100000);
        write32(0x20004 + i * 8, 0x10000 - 2);
    }
    for (;;) {
        out32(0xc004, 0x20000);
        out8(0xc002, 6);
        out8(0x1f6, 0xe0);
        out8(0x1f2, 0);
        out8(0x1f3, 0);
        out8(0x1f4, 0);
        out8(0x1f5, 0);
        out8(0x1f7, 0xc8);
        out8(0xc000, 9);
        out8(0xc000, 0);
    }
}

static void firmware_dma_storm(void)
{
    write32(0x20000, 0x0200); /* big-endian: READ, without a SELECT */
    write32(0x20004, 0xffffffff);
    write32(0x20008, 0);
    write32(0x2000c, 0x00001000);
    for (;;) {
        out32(0x514, 0);
        out32(0x518, 0x00000200);
    }
}

static void serial_storm(void)
{
    out8(0x3fc, 0x10); /* loopback: it hears itself */
    for (;;) {
        out8(0x3f8, 0x55);
        in8(0x3f8);
    }
}

static void debug_port_storm(void)
{
    for (;;)
        out8(DEBUG_PORT, 'x');
}

static void speaker_storm(void)
{
    for (uint32_t i = 0;; i++) {
        out8(0x61, (uint8_t)(i & 3));
        out8(0x43, 0xb6);
        out8(0x42, (uint8_t)i);
        out8(0x42, 0);
    }
}

static void (*const cases[])(void) = {
    cli_hlt,
    jump_to_itself,
    hlt_with_pit_at_full_rate,
    sleep_for_ever,
    triple_fault,
    keyboard_reset,
    chipset_reset,
    pit_at_full_rate,
    interrupt_storm,
    apic_timer_storm,
    interprocessor_storm,
    smi_storm,
    fault_storm,
    single_step_storm,
    page_tables_in_frame_buffer,
    page_tables_in_aperture,
    page_tables_in_registers,
    code_in_vga_memory,
    code_nowhere,
    repeat_store_everywhere,
    repeat_move_in_the_frame_buffer,
    repeat_move_in_the_aperture,
    repeat_input,
    repeat_scan,
    self_modifying_code,
    remap_storm,
    a20_storm,
    flush_storm,
    dispi_storm,
    transmit_storm,
    disk_dma_storm,
    firmware_dma_storm,
    serial_storm,
    debug_port_storm,
    speaker_storm,
};

void guest_main(void)
{
    if (rom_seed[0] < sizeof cases / sizeof cases[0])
        cases[rom_seed[0]]();
}
