/* Bench: io port_in guest-only
 * Bench: io port_out_in -DWRITE guest-only not-quick
 * Device registers without side effects, read from user code that ioperm allows: the keyboard controller's status, the
 * VGA's miscellaneous output register; and an index register written and read back. */
#include "rt.h"

static inline uint8_t inb(uint16_t port)
{
    uint8_t value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline void outb(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

void bench_setup(void)
{
    must(sys3(SYS_IOPERM, 0x64, 1, 1), "ioperm");
    must(sys3(SYS_IOPERM, 0x3c0, 0x20, 1), "ioperm");
}

uint32_t bench_unit(void)
{
    uint32_t sum = 0;

    for (int i = 0; i < 1000; i++) {
#ifdef WRITE
        outb(0x3d4, (uint8_t)(i & 15));
        sum += inb(0x3d4) & 15;
#else
        sum += inb(0x3cc) & 1; /* colour addresses: always set here */
        sum += inb(0x64) >> 7; /* no parity error */
#endif
    }
    return sum;
}
