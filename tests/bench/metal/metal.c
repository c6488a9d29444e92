/*
 * The bench's guest without an operating system: 16-bit loops in real mode, in virtual-8086 mode under a small monitor,
 * and in 16-bit protected mode. It stands on the kernel of tests/guest, boots from a disk and obeys the serial line as
 * the Linux guest does (guest-init): "run NAME COUNT". The same code runs in all three modes; only the segment values
 * differ, so one checksum belongs to three programs. Source: SDM vol. 3 "8086 Emulation", "Virtual-8086 Mode".
 */
#include "guest.h"
#include "metal.h"

enum { COM1 = 0x3f8, UART_DATA = 0, UART_IER = 1, UART_FCR = 2, UART_LCR = 3, UART_MCR = 4, UART_LSR = 5 };
enum { LSR_READY = 1, LSR_EMPTY = 0x20, IRQ_SERIAL = 4, PIC_BASE = 0x60, SELECTOR_RPL3 = 3 };
enum { PAGE_PRESENT = 1, PAGE_WRITE = 2, PAGE_USER = 4 };

/* What the loops find at the start of their data segment. */
enum { WORD_RESULT = 0, WORD_PASSES = 1, WORD_POINTER_A = 8, WORD_POINTER_B = 10, WORD_FUNCTION = 12 };
enum { PASSES = 8, OFFSET_A = 0x2000, OFFSET_B = 16, BASE_B = 0x1000, INT_VECTOR = 0x40 };

/* ---- serial line ---- */

static void serial_text(const char *text)
{
    for (; *text; text++) {
        while (!(in8(COM1 + UART_LSR) & LSR_EMPTY))
            ;
        out8(COM1 + UART_DATA, (uint8_t)*text);
    }
}

/* Formats as print() does. */
static void serial_print(const char *format, ...)
{
    char line[160];
    va_list arguments;
    va_start(arguments, format);
    format_text(line, sizeof line, format, arguments);
    va_end(arguments);
    serial_text(line);
}

/* Both controllers with vectors from PIC_BASE, all masked; the line at 115200 baud, its interrupt on. */
static void serial_start(void)
{
    static const uint8_t words[][2] = {{0x20, 0x11}, {0xa0, 0x11}, {0x21, PIC_BASE}, {0xa1, PIC_BASE + 8},
                                       {0x21, 4},    {0xa1, 2},    {0x21, 1},        {0xa1, 1}};
    for (unsigned i = 0; i < sizeof words / sizeof words[0]; i++)
        out8(words[i][0], words[i][1]);
    out8(0x21, 0xff);
    out8(0xa1, 0xff);
    out8(COM1 + UART_LCR, 0x83);
    out8(COM1 + UART_DATA, 1);
    out8(COM1 + UART_IER, 0);
    out8(COM1 + UART_LCR, 3);
    out8(COM1 + UART_FCR, 7);
    out8(COM1 + UART_MCR, 0xb);
    out8(COM1 + UART_IER, 1);
}

/* Halted until a character has come: the machine waits while others are measured, and must not cost them time. */
static char serial_character(void)
{
    idt[PIC_BASE + IRQ_SERIAL] = gate(CODE32(0), (uint32_t)serial_interrupt, AR_INT32, 0);
    __asm__ volatile("lidt %0" : : "m"(idtr.limit)); /* a run in real mode has left its own */
    out8(0x21, 0xff & ~(1 << IRQ_SERIAL));
    while (!(in8(COM1 + UART_LSR) & LSR_READY))
        __asm__ volatile("sti; hlt; cli" : : : "memory");
    out8(0x21, 0xff);
    return (char)in8(COM1 + UART_DATA);
}

/* ---- the virtual-8086 monitor ---- */

struct v86_frame { /* pushad, the error code, and what the CPU pushed; the order is the stack's */
    uint32_t edi, esi, ebp, pushad_esp, ebx, edx, ecx, eax;
    uint32_t error, eip, cs, eflags, esp, ss, es, ds, fs, gs;
};

static uint32_t virtual_if;

static void v86_push(struct v86_frame *frame, uint32_t word)
{
    frame->esp = (frame->esp - 2) & 0xffff;
    *(volatile uint16_t *)((frame->ss << 4) + frame->esp) = (uint16_t)word;
}

static uint32_t v86_pop(struct v86_frame *frame)
{
    uint32_t word = *(volatile uint16_t *)((frame->ss << 4) + frame->esp);
    frame->esp = (frame->esp + 2) & 0xffff;
    return word;
}

static uint32_t v86_flags(const struct v86_frame *frame)
{
    return (frame->eflags & 0xffff & ~(IF | IOPL(3))) | virtual_if;
}

static void v86_set_flags(struct v86_frame *frame, uint32_t flags)
{
    enum { OF_DF_SF_ZF_AF_PF_CF = 0xcd5 };
    virtual_if = flags & IF;
    frame->eflags = (frame->eflags & ~(uint32_t)OF_DF_SF_ZF_AF_PF_CF) | (flags & OF_DF_SF_ZF_AF_PF_CF);
}

/* #GP in virtual-8086 mode with IOPL 0: carries out the sensitive instruction on the virtual machine's state. False if
 * it is none of them. */
bool v86_monitor(struct v86_frame *frame)
{
    const volatile uint8_t *code = (const volatile uint8_t *)((frame->cs << 4) + frame->eip);
    uint32_t next = frame->eip + 1;

    if (!(frame->eflags & VM))
        return false;
    switch (code[0]) {
    case 0x9c: /* PUSHF */
        v86_push(frame, v86_flags(frame));
        break;
    case 0x9d: /* POPF */
        v86_set_flags(frame, v86_pop(frame));
        break;
    case 0xcd: /* INT n: reflected through the virtual machine's vector table */
        v86_push(frame, v86_flags(frame));
        v86_push(frame, frame->cs);
        v86_push(frame, next + 1);
        virtual_if = 0;
        next = ((volatile uint16_t *)0)[2 * code[1]];
        frame->cs = ((volatile uint16_t *)0)[2 * code[1] + 1];
        break;
    case 0xcf: /* IRET */
        next = v86_pop(frame);
        frame->cs = v86_pop(frame);
        v86_set_flags(frame, v86_pop(frame));
        break;
    case 0xfa:
        virtual_if = 0;
        break;
    case 0xfb:
        virtual_if = IF;
        break;
    default:
        return false;
    }
    frame->eip = next & 0xffff;
    return true;
}

/* The first 4 MiB one to one: a monitor pages. */
static void paging_on(void)
{
    uint32_t *directory = (uint32_t *)HIGH_AREA, *table = directory + 1024;
    memset(directory, 0, 4096);
    directory[0] = (uint32_t)table | PAGE_PRESENT | PAGE_WRITE | PAGE_USER;
    directory[HIGH_AREA >> 22] = directory[0];
    for (uint32_t i = 0; i < 1024; i++)
        table[i] = i << 12 | PAGE_PRESENT | PAGE_WRITE | PAGE_USER;
    in_cr3 = (uint32_t)directory;
    in_cr0 |= CR0_PG;
}

/* ---- modes ---- */

static void set_pointer(unsigned word, uint32_t segment, uint32_t offset)
{
    data16[word] = (uint16_t)offset;
    data16[word + 1] = (uint16_t)segment;
}

static void set_pointers(uint32_t segment_a, uint32_t segment_b, uint32_t segment_code)
{
    set_pointer(WORD_POINTER_A, segment_a, OFFSET_A);
    set_pointer(WORD_POINTER_B, segment_b, OFFSET_B);
    set_pointer(WORD_FUNCTION, segment_code, LOW(loop_function()->start));
}

static void in_real_mode(void)
{
    real_mode();
    set_pointers(DATA_SEGMENT, DATA_SEGMENT + BASE_B / 16, SNIPPET_SEGMENT);
    ((volatile uint32_t *)0)[INT_VECTOR] = (uint32_t)SNIPPET_SEGMENT << 16 | LOW(loop_interrupt()->start);
}

static void in_v86(void)
{
    in_real_mode();
    v86(0);
    virtual_if = 0;
    idt[GP] = gate(CODE32(0), (uint32_t)v86_entry, AR_INT32, 0);
    paging_on();
}

/* Ring 3 with IOPL 3; the interrupt goes to ring 0 through a 16-bit gate. */
static void in_protected_mode(void)
{
    uint32_t a = slot(0, descriptor(DATA_AREA, 0xffff, AR_DATA | AR_DPL(3))) | SELECTOR_RPL3;
    uint32_t b = slot(1, descriptor(DATA_AREA + BASE_B, 0xefff, AR_DATA | AR_DPL(3))) | SELECTOR_RPL3;
    ring16(3);
    in.ds = in.es = in.fs = in.gs = a;
    in.eflags |= IOPL(3);
    set_pointers(a, b, SEG_CODE16(3));
    idt[INT_VECTOR] = gate(SEG_CODE16(0), LOW(loop_interrupt()->start), AR_INT16 | AR_DPL(3), 0);
}

static const struct program {
    const char *name;
    void (*enter)(void);
    const struct code *(*code)(void);
} programs[] = {
    /* build.py reads these rows. */
    {"real_sieve", in_real_mode, loop_sieve},
    {"real_calls", in_real_mode, loop_calls},
    {"real_words", in_real_mode, loop_words},
    {"real_segments", in_real_mode, loop_segments},
    {"real_flags", in_real_mode, loop_flags},
    {"real_interrupts", in_real_mode, loop_interrupts},
    {"v86_sieve", in_v86, loop_sieve},
    {"v86_calls", in_v86, loop_calls},
    {"v86_words", in_v86, loop_words},
    {"v86_segments", in_v86, loop_segments},
    {"v86_flags", in_v86, loop_flags},
    {"v86_interrupts", in_v86, loop_interrupts},
    {"prot16_sieve", in_protected_mode, loop_sieve},
    {"prot16_calls", in_protected_mode, loop_calls},
    {"prot16_words", in_protected_mode, loop_words},
    {"prot16_segments", in_protected_mode, loop_segments},
    {"prot16_flags", in_protected_mode, loop_flags},
    {"prot16_interrupts", in_protected_mode, loop_interrupts},
};

/* ---- the harness's side: marks as rt.c prints them ---- */

/* Runs the program's loop once. False if anything but its end has ended it. */
static bool unit(const struct code *code, uint32_t *sum)
{
    data16[WORD_PASSES] = PASSES;
    data16[WORD_RESULT] = 0;
    run(code);
    *sum = (0x811c9dc5u ^ data16[WORD_RESULT]) * 16777619u;
    if (out.vector == UD && LOW(code->end) == (out.r.eip & 0xffff) && !data16[WORD_PASSES])
        return true;
    serial_print("@F vector %x error %x at %x:%x\n", out.vector, out.error, out.r.cs, out.r.eip);
    return false;
}

static void measure(const struct program *program, uint32_t count)
{
    uint32_t sum = 0, now, state = 101;
    bool differs = false;

    begin("%s", program->name);
    for (unsigned i = 0x800; i < 0x6000; i++) {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        data16[i] = (uint16_t)state;
    }
    program->enter();
    const struct code *code = program->code();
    serial_text("@B\n");
    for (uint32_t i = 0; i < count; i++) {
        if (!unit(code, &now))
            return;
        differs |= i && now != sum;
        sum = now;
    }
    if (differs)
        serial_text("@E differs\n");
    else
        serial_print("@E %08x\n", sum);
}

static bool is_equal(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

/* "run NAME COUNT". */
static void obey(char *line)
{
    char *name = line + 4, *end = name;
    uint32_t count = 0;

    while (*end && *end != ' ')
        end++;
    for (const char *digit = *end ? end + 1 : end; *digit >= '0' && *digit <= '9'; digit++)
        count = count * 10 + (uint32_t)(*digit - '0');
    *end = 0;
    for (unsigned i = 0; i < sizeof programs / sizeof programs[0]; i++) {
        if (is_equal(programs[i].name, name)) {
            measure(&programs[i], count);
            serial_text("@X 0\n");
            return;
        }
    }
    serial_print("@F no program '%s'\n@X 1\n", name);
}

void guest_cases(void)
{
    char line[80];
    unsigned length = 0;

    begin("tables");
    run(CODE("nop")); /* loads the tables that the serial interrupt needs */
    serial_start();
    serial_text("@shell\n@ready\n");
    for (;;) {
        char c = serial_character();
        if (c != '\n') {
            if (length < sizeof line - 1)
                line[length++] = c;
            continue;
        }
        line[length] = 0;
        if (length > 4)
            obey(line);
        length = 0;
    }
}
