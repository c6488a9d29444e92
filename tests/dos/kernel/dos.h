/*
 * A real-mode kernel that does what DOS programs do to a PC. Scenes paint a screen and wait for a key, so that somebody
 * outside can take a picture; checks print a verdict. All lines go to port E9:
 *     ok NAME | not ok NAME: WHY         a check
 *     scene NAME [direct]                a picture stands still until a key comes; direct: no palette is involved
 *     same NAME OTHER                    the first scene must look like the second
 *     key NAMES                          somebody should press these keys (names as the monitor's sendkey takes them)
 *     N passed, M failed                 the end; the machine leaves through port F4
 */
#ifndef TESTS_DOS_KERNEL_DOS_H
#define TESTS_DOS_KERNEL_DOS_H

#include <stdbool.h>
#include <stdint.h>

#define CARRY 1

struct bios_regs {
    uint32_t eax, ebx, ecx, edx, esi, edi, ebp;
    uint16_t es, flags;
};

/* boot.S */
void bios(uint8_t interrupt, struct bios_regs *regs);
void load_flat_fs(void);
extern uint8_t boot_drive;
extern volatile uint8_t last_scan_code;
extern volatile uint16_t n_scan_codes;
extern uint32_t old_int15, old_tick_hook;
void timer_entry(void), rtc_entry(void), keyboard_entry(void), floppy_entry(void), tick_hook_entry(void);
void intercept_entry(void);
void timer_tick(void), rtc_tick(void), keyboard_byte(void), floppy_done(void), user_tick(void); /* called by boot.S */
uint32_t smc_next_immediate(void), smc_flip_opcode(void), smc_jump_target(void), smc_own_string(void), smc_alias(void);

/* kernel.c */
void dos_main(void);
void say(const char *format, ...); /* %s %u %x */
void check(bool is_right, const char *name, uint32_t seen);
void scene(const char *name); /* announces it, waits for Enter to be pressed and released */
void ask_keys(const char *names);
void set_mode(uint16_t mode);
uint16_t video(uint16_t ax, uint16_t bx, uint16_t cx, uint16_t dx); /* INT 10h; returns AX */
uint32_t hook(uint8_t vector, void (*entry)(void));                 /* returns the old vector */
void unhook(uint8_t vector, uint32_t old);
uint8_t rtc_register(uint8_t index);
void wait_for_rtc_second(void);
void wait_for_retraces(unsigned n);

/* checks.c, timers.c, disks.c, text.c, graphics.c, planes.c */
void check_memory(void);
void check_code(void);
void check_timers(void);
void check_keyboard(void);
void check_disks(void);
void show_text(void);
void show_graphics(void);
void show_planes(void);
void show_vbe(void);

static inline void outb(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}
static inline void outw(uint16_t port, uint16_t value)
{
    __asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port));
}
static inline uint8_t inb(uint16_t port)
{
    uint8_t value;

    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}
static inline void cli(void)
{
    __asm__ volatile("cli" : : : "memory");
}
static inline void sti(void)
{
    __asm__ volatile("sti" : : : "memory");
}
static inline void hlt(void)
{
    __asm__ volatile("hlt" : : : "memory");
}

/* Memory beyond our segment, through GS. */
static inline void poke(uint16_t segment, uint16_t offset, uint8_t value)
{
    __asm__ volatile("movw %w0, %%gs\n\tmovb %b2, %%gs:(%1)"
                     :
                     : "r"(segment), "r"((uint32_t)offset), "q"(value)
                     : "memory");
}
static inline uint8_t peek(uint16_t segment, uint16_t offset)
{
    uint8_t value;

    __asm__ volatile("movw %w1, %%gs\n\tmovb %%gs:(%2), %b0"
                     : "=q"(value)
                     : "r"(segment), "r"((uint32_t)offset)
                     : "memory");
    return value;
}
static inline void poke_word(uint16_t segment, uint16_t offset, uint16_t value)
{
    __asm__ volatile("movw %w0, %%gs\n\tmovw %w2, %%gs:(%1)"
                     :
                     : "r"(segment), "r"((uint32_t)offset), "r"(value)
                     : "memory");
}
static inline uint16_t peek_word(uint16_t segment, uint16_t offset)
{
    uint16_t value;

    __asm__ volatile("movw %w1, %%gs\n\tmovw %%gs:(%2), %w0"
                     : "=r"(value)
                     : "r"(segment), "r"((uint32_t)offset)
                     : "memory");
    return value;
}
/* Anywhere in 4 GiB after load_flat_fs(), while interrupts are off. */
static inline uint32_t flat_read(uint32_t address)
{
    uint32_t value;

    __asm__ volatile("movl %%fs:(%1), %0" : "=r"(value) : "r"(address) : "memory");
    return value;
}
static inline void flat_write(uint32_t address, uint32_t value)
{
    __asm__ volatile("movl %1, %%fs:(%0)" : : "r"(address), "r"(value) : "memory");
}

/* VGA */
static inline void sequencer(uint8_t index, uint8_t value)
{
    outw(0x3c4, (uint16_t)(value << 8 | index));
}
static inline void graphics(uint8_t index, uint8_t value)
{
    outw(0x3ce, (uint16_t)(value << 8 | index));
}
static inline void crtc(uint8_t index, uint8_t value)
{
    outw(0x3d4, (uint16_t)(value << 8 | index));
}
static inline uint8_t read_crtc(uint8_t index)
{
    outb(0x3d4, index);
    return inb(0x3d5);
}
static inline void attribute(uint8_t index, uint8_t value)
{
    (void)inb(0x3da);   /* the next write is an index */
    outb(0x3c0, index); /* the palette can be loaded while it is not in use */
    outb(0x3c0, value);
    outb(0x3c0, 0x20);
}

#endif
