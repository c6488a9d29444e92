/* 8254, RTC, speaker port and keyboard by their ports, interrupts hooked as DOS programs hook them. */
#include "dos.h"

#define PIT_HZ 1193182u

static volatile uint32_t n_timer, n_rtc, n_user;

void timer_tick(void)
{
    n_timer++;
    outb(0x20, 0x20);
}

void rtc_tick(void)
{
    n_rtc++;
    rtc_register(0x0c);
    outb(0xa0, 0x20);
    outb(0x20, 0x20);
}

void user_tick(void)
{
    n_user++;
}

static void load_counter(unsigned counter, unsigned mode, uint16_t count)
{
    outb(0x43, (uint8_t)(counter << 6 | 0x30 | mode << 1));
    outb((uint16_t)(0x40 + counter), (uint8_t)count);
    outb((uint16_t)(0x40 + counter), (uint8_t)(count >> 8));
}

static uint16_t latched_count(unsigned counter)
{
    uint8_t low;

    outb(0x43, (uint8_t)(counter << 6));
    low = inb((uint16_t)(0x40 + counter));
    return (uint16_t)(inb((uint16_t)(0x40 + counter)) << 8 | low);
}

static bool is_rate(uint32_t value, uint32_t expected)
{
    return value >= expected * 6 / 10 && value <= expected + expected / 10;
}

/*
 * IRQ 0 at 50 Hz and the RTC's periodic interrupt at 16 Hz, counted over one second of the RTC. An emulator that the
 * host leaves without a CPU may lose some, never add any: hence several attempts and bounds that are not symmetric.
 */
static void check_rates(void)
{
    uint32_t old_timer, old_rtc, timer = 0, rtc = 0;
    uint8_t mask = inb(0xa1), register_a, register_b;

    register_a = rtc_register(0x0a);
    register_b = rtc_register(0x0b);
    old_timer = hook(0x08, timer_entry);
    old_rtc = hook(0x70, rtc_entry);
    cli();
    load_counter(0, 2, PIT_HZ / 50);
    outb(0xa1, mask & ~1);
    outb(0x70, 0x0a);
    outb(0x71, (register_a & 0xf0) | 12);
    outb(0x70, 0x0b);
    outb(0x71, register_b | 0x40);
    rtc_register(0x0c);
    sti();
    for (unsigned attempt = 0; attempt < 6 && !(is_rate(timer, 50) && is_rate(rtc, 16)); attempt++) {
        wait_for_rtc_second();
        n_timer = n_rtc = 0;
        wait_for_rtc_second();
        timer = n_timer;
        rtc = n_rtc;
    }
    cli();
    outb(0x70, 0x0b);
    outb(0x71, register_b);
    outb(0x70, 0x0a);
    outb(0x71, register_a);
    rtc_register(0x0c);
    outb(0xa1, mask);
    load_counter(0, 3, 0);
    sti();
    unhook(0x08, old_timer);
    unhook(0x70, old_rtc);
    check(is_rate(timer, 50), "irq0_comes_50_times_a_second", timer);
    check(is_rate(rtc, 16), "irq8_comes_16_times_a_second", rtc);
}

/* The BIOS's own 18.2 Hz, with INT 1Ch hooked. */
static void check_bios_ticks(void)
{
    uint32_t start, ticks;

    old_tick_hook = hook(0x1c, tick_hook_entry);
    wait_for_rtc_second();
    start = peek_word(0x40, 0x6c);
    n_user = 0;
    wait_for_rtc_second();
    ticks = (peek_word(0x40, 0x6c) - start) & 0xffff;
    check(ticks >= 10 && ticks <= 20, "the_bios_counts_18_ticks_a_second", ticks);
    check(n_user + 1 >= ticks && n_user <= ticks + 1, "int_1c_follows_every_tick", n_user);
    unhook(0x1c, old_tick_hook);
}

/* Counter 2 behind port 61: gate, OUT, the speaker's on-off bits. */
static void check_speaker(void)
{
    uint8_t port = inb(0x61) & 0x0f;
    uint16_t first, second;
    unsigned n_high = 0, n_edges = 0, was;

    outb(0x61, port & ~3);
    load_counter(2, 0, 5000);
    check(!(inb(0x61) & 0x20), "out2_is_low_after_mode_0_is_set", inb(0x61));
    first = latched_count(2);
    second = latched_count(2);
    check(first == second, "counter_2_stands_while_its_gate_is_low", second);
    outb(0x61, (port & ~3) | 1);
    for (unsigned i = 0; i < 100000 && !(inb(0x61) & 0x20); i++)
        ;
    check(inb(0x61) & 0x20, "out2_rises_at_terminal_count", inb(0x61));

    load_counter(2, 3, PIT_HZ / 500); /* a tone of 2 kHz, speaker on */
    outb(0x61, port | 3);
    check((inb(0x61) & 3) == 3, "the_speaker_bits_read_back", inb(0x61));
    was = inb(0x61) & 0x20;
    for (unsigned i = 0; i < 1000000 && n_edges < 8; i++) {
        unsigned now = inb(0x61) & 0x20;

        n_high += now != 0;
        n_edges += now != was;
        was = now;
    }
    check(n_edges >= 8 && n_high > 0, "out2_is_a_square_wave", n_edges);
    outb(0x61, port & ~3);

    n_edges = 0;
    was = inb(0x61) & 0x10;
    for (unsigned i = 0; i < 1000000 && n_edges < 8; i++) {
        unsigned now = inb(0x61) & 0x10;

        n_edges += now != was;
        was = now;
    }
    check(n_edges >= 8, "the_refresh_bit_toggles", n_edges);
}

/* Counter 0 as a stopwatch: mode 2 falls by one at a time, wraps, and the read-back command shows status. */
static void check_counter(void)
{
    uint16_t previous = latched_count(0);
    unsigned n_falls = 0;
    uint8_t status;

    cli();
    load_counter(0, 2, 0);
    for (unsigned i = 0; i < 64; i++) {
        uint16_t now = latched_count(0);

        n_falls += (uint16_t)(previous - now) < 0x8000;
        previous = now;
    }
    check(n_falls >= 63, "a_latched_count_falls", n_falls);
    outb(0x43, 0xe2); /* read back: status of counter 0 */
    status = inb(0x40);
    check((status & 0x3f) == 0x34, "the_status_tells_mode_2", status);
    load_counter(0, 3, 0);
    sti();
}

void check_timers(void)
{
    struct bios_regs r = {.eax = 0x0200};
    uint8_t second;

    check_counter();
    check_speaker();
    check_rates();
    check_bios_ticks();
    wait_for_rtc_second();
    bios(0x1a, &r);
    second = rtc_register(0);
    check(!(r.flags & CARRY) && (uint8_t)(r.edx >> 8) == second, "int1a_tells_the_rtc_time", r.edx);
}

/* ---- keyboard ---- */

static volatile uint8_t codes[16];
static volatile unsigned n_codes;

void keyboard_byte(void)
{
    uint8_t code = inb(0x60);

    if (n_codes < sizeof codes)
        codes[n_codes++] = code;
    outb(0x20, 0x20);
}

static void check_codes(const char *keys, const char *name, const uint8_t *expected, unsigned n, bool is_polled)
{
    uint32_t start, seen = 0;
    unsigned n_right = 0;

    n_codes = 0;
    ask_keys(keys);
    start = peek_word(0x40, 0x6c);
    while (n_codes < n && (uint16_t)(peek_word(0x40, 0x6c) - start) < 18 * 10) {
        if (is_polled && (inb(0x64) & 0x21) == 0x01)
            codes[n_codes++] = inb(0x60);
    }
    for (unsigned i = 0; i < n_codes; i++) {
        n_right += i < n && codes[i] == expected[i];
        seen = seen << 8 | codes[i];
    }
    check(n_right == n && n_codes == n, name, seen);
}

void check_keyboard(void)
{
    static const uint8_t letter[] = {0x1e, 0x9e}, with_control[] = {0x1d, 0x3b, 0xbb, 0x9d},
                         extended[] = {0xe0, 0x48, 0xe0, 0xc8}, polled[] = {0x30, 0xb0};
    uint32_t old = hook(0x09, keyboard_entry);
    struct bios_regs r;
    uint8_t mask;
    uint16_t before;

    check_codes("a", "port_60_tells_make_and_break", letter, sizeof letter, false);
    check_codes("ctrl-f1", "port_60_tells_a_chord", with_control, sizeof with_control, false);
    check_codes("up", "port_60_tells_e0_codes", extended, sizeof extended, false);
    mask = inb(0x21);
    outb(0x21, mask | 2);
    check_codes("b", "the_keyboard_can_be_polled", polled, sizeof polled, true);
    outb(0x21, mask);
    unhook(0x09, old);

    r = (struct bios_regs){.eax = 0x0100};
    bios(0x16, &r);
    check(r.flags & 0x40, "int16_01_tells_an_empty_buffer", r.flags);
    before = n_scan_codes;
    ask_keys("shift-q");
    r = (struct bios_regs){.eax = 0};
    bios(0x16, &r);
    check((r.eax & 0xffff) == 0x1051, "int16_00_tells_a_capital_letter", r.eax);
    ask_keys("f10");
    r = (struct bios_regs){.eax = 0x1000};
    bios(0x16, &r);
    check((r.eax & 0xffff) == 0x4400, "int16_10_tells_a_function_key", r.eax);
    while (last_scan_code != 0xc4)
        hlt();
    check((uint16_t)(n_scan_codes - before) == 6, "int15_4f_sees_every_scan_code", n_scan_codes - before);
    r = (struct bios_regs){.eax = 0x0200};
    bios(0x16, &r);
    check((r.eax & 0x0f) == 0, "int16_02_tells_no_shift_keys", r.eax);
    r = (struct bios_regs){.eax = 0x0500, .ecx = 0x2c7a};
    bios(0x16, &r);
    r = (struct bios_regs){.eax = 0};
    bios(0x16, &r);
    check((r.eax & 0xffff) == 0x2c7a, "int16_05_stuffs_a_key", r.eax);
}
