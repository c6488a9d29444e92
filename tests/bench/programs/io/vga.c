/* Bench: io vga_planar guest-only
 * Writes to the VGA's four planes at A0000h through map mask, bit mask and write modes 0 to 3, and latched copies: each
 * access goes to the device. Source of the registers: IBM VGA Technical Reference. The text screen's registers are put
 * back at the end of each unit. */
#include "rt.h"

enum {
    SEQUENCER = 0x3c4,
    SEQ_MAP_MASK = 2,
    SEQ_MEMORY_MODE = 4,
    GRAPHICS = 0x3ce,
    GC_SET_RESET = 0,
    GC_ENABLE_SET_RESET = 1,
    GC_READ_MAP = 4,
    GC_MODE = 5,
    GC_MISCELLANEOUS = 6,
    GC_BIT_MASK = 8,
    WINDOW = 0x8000
};

static volatile uint8_t *vga;

static inline void set(uint16_t port, uint8_t index, uint8_t value)
{
    __asm__ volatile("outw %0, %1" : : "a"((uint16_t)(index | value << 8)), "d"(port));
}

static inline uint8_t get(uint16_t port, uint8_t index)
{
    uint8_t value;
    __asm__ volatile("outb %0, %1" : : "a"(index), "d"(port));
    __asm__ volatile("inb %1, %0" : "=a"(value) : "d"((uint16_t)(port + 1)));
    return value;
}

void bench_setup(void)
{
    enum { MAP_SHARED = 1, O_RDWR = 2 };
    long memory = must(sys3(SYS_OPEN, (long)"/dev/mem", O_RDWR, 0), "/dev/mem"), result;

    must(sys3(SYS_IOPERM, 0x3c0, 0x20, 1), "ioperm");
    __asm__ volatile("pushl %%ebp\n\tmovl $0xa0, %%ebp\n\tint $0x80\n\tpopl %%ebp"
                     : "=a"(result)
                     : "0"(SYS_MMAP2), "b"(0), "c"(0x10000), "d"(PROT_READ | PROT_WRITE), "S"(MAP_SHARED), "D"(memory)
                     : "memory", "cc");
    vga = (volatile uint8_t *)must(result, "mmap");
}

uint32_t bench_unit(void)
{
    static const uint8_t sequencer[] = {SEQ_MAP_MASK, SEQ_MEMORY_MODE};
    static const uint8_t graphics[] = {GC_SET_RESET, GC_ENABLE_SET_RESET, GC_READ_MAP,
                                       GC_MODE,      GC_MISCELLANEOUS,    GC_BIT_MASK};
    uint8_t saved_sequencer[sizeof sequencer], saved_graphics[sizeof graphics];
    uint32_t sum = MIX_START;

    for (unsigned i = 0; i < sizeof sequencer; i++)
        saved_sequencer[i] = get(SEQUENCER, sequencer[i]);
    for (unsigned i = 0; i < sizeof graphics; i++)
        saved_graphics[i] = get(GRAPHICS, graphics[i]);
    set(SEQUENCER, SEQ_MEMORY_MODE, 0x06); /* planar, all 256 KiB */
    set(GRAPHICS, GC_MISCELLANEOUS, 0x05); /* 64 KiB at A0000h */
    set(GRAPHICS, GC_ENABLE_SET_RESET, 0);

    /* Text lives in the first half of the window, so only the second half is drawn to. Cleared memory and latches make
     * units alike. */
    set(GRAPHICS, GC_MODE, 0);
    set(GRAPHICS, GC_BIT_MASK, 0xff);
    set(SEQUENCER, SEQ_MAP_MASK, 15);
    for (uint32_t i = 0; i < 6144; i++)
        vga[WINDOW + i] = 0;
    (void)vga[WINDOW];
    for (uint8_t mode = 0; mode < 4; mode++) {
        set(GRAPHICS, GC_MODE, mode);
        set(GRAPHICS, GC_BIT_MASK, mode == 1 ? 0xff : (uint8_t)(0x3c + mode));
        set(GRAPHICS, GC_SET_RESET, 5);
        for (uint8_t plane = 0; plane < 4; plane++) {
            set(SEQUENCER, SEQ_MAP_MASK, (uint8_t)(1 << plane));
            for (uint32_t i = 0; i < 1024; i++) {
                if (mode == 1)
                    (void)vga[WINDOW + i]; /* loads the latches */
                vga[WINDOW + 1024 * (mode + 1u) + i] = (uint8_t)(i * 3 + plane);
            }
        }
    }
    set(GRAPHICS, GC_MODE, 0);
    for (uint8_t plane = 0; plane < 4; plane++) {
        set(GRAPHICS, GC_READ_MAP, plane);
        for (uint32_t i = 0; i < 4096; i += 5)
            sum = mix(sum, vga[WINDOW + 1024 + i]);
    }
    set(SEQUENCER, SEQ_MAP_MASK, 15);
    set(GRAPHICS, GC_BIT_MASK, 0xff);
    for (unsigned i = 0; i < sizeof sequencer; i++)
        set(SEQUENCER, sequencer[i], saved_sequencer[i]);
    for (unsigned i = 0; i < sizeof graphics; i++)
        set(GRAPHICS, graphics[i], saved_graphics[i]);
    return sum;
}
