/* Entry, lines on port E9, BIOS calls, waiting. See dos.h. */
#include "dos.h"

#include <stdarg.h>

static unsigned n_passed, n_failed;

static void put(char c)
{
    outb(0xe9, (uint8_t)c);
}

static void put_number(uint32_t value, unsigned base)
{
    if (value >= base)
        put_number(value / base, base);
    put("0123456789abcdef"[value % base]);
}

void say(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    for (; *format; format++) {
        if (*format != '%') {
            put(*format);
            continue;
        }
        if (*++format == 's') {
            for (const char *s = va_arg(args, const char *); *s; s++)
                put(*s);
        } else {
            put_number(va_arg(args, uint32_t), *format == 'u' ? 10 : 16);
        }
    }
    va_end(args);
}

void check(bool is_right, const char *name, uint32_t seen)
{
    if (is_right) {
        n_passed++;
        say("ok %s\n", name);
    } else {
        n_failed++;
        say("not ok %s: saw %x\n", name, seen);
    }
}

uint16_t video(uint16_t ax, uint16_t bx, uint16_t cx, uint16_t dx)
{
    struct bios_regs r = {.eax = ax, .ebx = bx, .ecx = cx, .edx = dx};

    bios(0x10, &r);
    return (uint16_t)r.eax;
}

void set_mode(uint16_t mode)
{
    video(mode, 0, 0, 0);
}

uint32_t hook(uint8_t vector, void (*entry)(void))
{
    uint32_t old = (uint32_t)peek_word(0, vector * 4 + 2) << 16 | peek_word(0, vector * 4);

    unhook(vector, (uint32_t)entry);
    return old;
}

void unhook(uint8_t vector, uint32_t old)
{
    cli();
    poke_word(0, vector * 4, (uint16_t)old);
    poke_word(0, vector * 4 + 2, (uint16_t)(old >> 16));
    sti();
}

void ask_keys(const char *names)
{
    say("key %s\n", names);
}

void scene(const char *name)
{
    struct bios_regs r;

    say("scene %s\n", name);
    do {
        r = (struct bios_regs){.eax = 0};
        bios(0x16, &r);
    } while ((r.eax & 0xff) != 0x0d);
    while (last_scan_code != 0x9c) /* Enter is up again */
        hlt();
}

uint8_t rtc_register(uint8_t index)
{
    uint32_t flags;
    uint8_t value;

    /* No handler may select another register in between. */
    __asm__ volatile("pushfl\n\tpopl %0\n\tcli" : "=r"(flags) : : "memory");
    outb(0x70, index);
    value = inb(0x71);
    __asm__ volatile("pushl %0\n\tpopfl" : : "r"(flags) : "memory", "cc");
    return value;
}

void wait_for_rtc_second(void)
{
    uint8_t second = rtc_register(0);

    while (rtc_register(0) == second)
        ;
}

void wait_for_retraces(unsigned n)
{
    while (n--) {
        while (inb(0x3da) & 8)
            ;
        while (!(inb(0x3da) & 8))
            ;
    }
}

void dos_main(void)
{
    old_int15 = hook(0x15, intercept_entry);
    check_memory();
    check_code();
    check_timers();
    check_keyboard();
    check_disks();
    show_text();
    show_graphics();
    show_planes();
    show_vbe();
    say("%u passed, %u failed\n", n_passed, n_failed);
    outb(0xf4, n_failed ? 1 : 0);
    for (;;)
        hlt();
}
