/* The harness: a clean machine for each case, events decoded, expectations compared. See guest.h. */
#include "guest.h"

struct raw_event { /* entry.S knows the offsets */
    struct registers r;
    uint32_t vector, real;
};
_Static_assert(offsetof(struct raw_event, r.eip) == 32 && offsetof(struct raw_event, r.es) == 40, "entry.S");
_Static_assert(offsetof(struct raw_event, r.gs) == 60 && offsetof(struct raw_event, vector) == 64, "entry.S");

struct persist { /* across a reset of the machine */
    uint32_t magic, ordinal, expected, passed, failed, differing, check;
};
#define PERSIST       ((volatile struct persist *)PERSIST_BASE)
#define PERSIST_MAGIC 0x4d383647u

struct registers in;
struct event out, events[MAX_EVENTS];
unsigned n_events;
uint32_t resume_vectors;
void (*on_resume)(struct event *event, uint32_t *frame);
bool soft_vector;

uint64_t gdt[GDT_ENTRIES] __attribute__((aligned(16)));
uint64_t ldt[LDT_ENTRIES] __attribute__((aligned(16)));
uint64_t idt[VECTORS] __attribute__((aligned(16)));
struct tss32 tss __attribute__((aligned(4096))), tss2 __attribute__((aligned(4096)));
struct tss16 tss16 __attribute__((aligned(16)));
struct table_pointer gdtr, idtr, ivt_pointer;
uint32_t in_cr0, in_cr3, in_cr4, in_dr[8];
enum emulator emulator;

/* entry.S */
extern struct raw_event raw;
struct raw_event raw;
extern const char stub_protected[], stub_real[], low_start[];
extern uint32_t raw_stack[2], in_stack[2];
extern uint8_t real_idtr[6];
void enter_protected(void);
void enter_real(void);
uint32_t on_event(void);
void guest_main(void);

static const struct code *current;
static char name[160], detail[80];
static const char *differ_why;
static bool skipping, failing, open_case, running, in_real;
static bool has_cr4;          /* a 486 has none */
static bool resumed_expected; /* the case before the machine's reset had asked for it */
static uint32_t ordinal, resume_at, passed, failed, differing;

/* ---- output ---- */

static void put_char(char c)
{
    out8(0xe9, (uint8_t)c);
}

static char *put_number(char *to, char *end, uint32_t value, unsigned base, unsigned width)
{
    char digits[12];
    unsigned n = 0;
    do
        digits[n++] = "0123456789abcdef"[value % base];
    while ((value /= base) || n < width);
    while (n && to < end)
        *to++ = digits[--n];
    return to;
}

/* %s %c %d %u %x, %0Nx. */
void format_text(char *to, size_t size, const char *format, va_list arguments)
{
    char *end = to + size - 1;
    for (; *format && to < end; format++) {
        if (*format != '%') {
            *to++ = *format;
            continue;
        }
        unsigned width = 0;
        while (*++format >= '0' && *format <= '9')
            width = width * 10 + (unsigned)(*format - '0');
        switch (*format) {
        case 's':
            for (const char *s = va_arg(arguments, const char *); *s && to < end; s++)
                *to++ = *s;
            break;
        case 'c':
            *to++ = (char)va_arg(arguments, int);
            break;
        case 'd':
        case 'u':
            to = put_number(to, end, va_arg(arguments, uint32_t), 10, width);
            break;
        case 'x':
            to = put_number(to, end, va_arg(arguments, uint32_t), 16, width);
            break;
        default:
            *to++ = *format;
        }
    }
    *to = 0;
}

int print(const char *format, ...)
{
    char line[320];
    va_list arguments;
    va_start(arguments, format);
    format_text(line, sizeof line, format, arguments);
    va_end(arguments);
    for (const char *s = line; *s; s++)
        put_char(*s);
    return 0;
}

void *memset(void *to, int value, size_t size)
{
    void *start = to;
    __asm__ volatile("cld; rep stosb" : "+D"(to), "+c"(size) : "a"(value) : "memory");
    return start;
}

void *memcpy(void *to, const void *from, size_t size)
{
    void *start = to;
    __asm__ volatile("cld; rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
    return start;
}

_Noreturn static void leave(void)
{
    PERSIST->magic = 0;
    if (failed)
        print("FAILED ");
    print("%u passed, %u failed, %u differ\n", passed, failed, differing);
    for (const char *s = "Shutdown"; *s; s++)
        out8(0x8900, (uint8_t)*s); /* Bochs */
    __asm__ volatile("outl %0, %1" : : "a"(failed ? 1 : 0), "Nd"((uint16_t)0xf4));
    for (;;)
        __asm__ volatile("cli; hlt");
}

/* ---- tables ---- */

uint64_t descriptor(uint32_t base, uint32_t limit, uint32_t ar)
{
    uint32_t low = base << 16 | (limit & 0xffff);
    uint32_t high = (base & 0xff000000) | (limit & 0xf0000) | (base >> 16 & 0xff) | ar << 8;
    return (uint64_t)high << 32 | low;
}

uint64_t gate(uint32_t selector, uint32_t offset, uint32_t ar, unsigned count)
{
    uint32_t low = selector << 16 | (offset & 0xffff);
    uint32_t high = (offset & 0xffff0000) | ar << 8 | count;
    return (uint64_t)high << 32 | low;
}

uint32_t slot(unsigned i, uint64_t entry)
{
    gdt[SLOT(i) / 8] = entry;
    return SLOT(i);
}

static uint32_t descriptor_base(uint64_t d)
{
    return (uint32_t)(d >> 16 & 0xffffff) | (uint32_t)(d >> 56) << 24;
}

static uint64_t selector_entry(uint32_t selector)
{
    selector &= 0xffff;
    if (selector & 4)
        return ldt[selector / 8 % LDT_ENTRIES];
    return gdt[selector / 8 % GDT_ENTRIES];
}

uint32_t stub32(unsigned vector)
{
    return (uint32_t)stub_protected + 16 * vector;
}

uint32_t stub16(unsigned vector)
{
    return stub32(vector) - SNIPPET_BASE;
}

void set_gate(unsigned vector, uint32_t ar)
{
    if (ar & 8)
        idt[vector] = gate(CODE32(0), stub32(vector), ar, 0);
    else
        idt[vector] = gate(SEG_LOW32, stub16(vector), ar, 0);
}

static void reset_gdt(void)
{
    memset(gdt, 0, sizeof gdt);
    for (unsigned n = 0; n < 4; n++) {
        gdt[CODE32(n) / 8] = descriptor(0, 0xfffff, AR_CODE | AR_DPL(n) | AR_32 | AR_G);
        gdt[DATA32(n) / 8] = descriptor(0, 0xfffff, AR_DATA | AR_DPL(n) | AR_32 | AR_G);
        gdt[SEG_CODE16(n) / 8] = descriptor(SNIPPET_BASE, 0xffff, AR_CODE | AR_DPL(n));
        gdt[SEG_DATA16(n) / 8] = descriptor(STACK_BASE, 0xffff, AR_DATA | AR_DPL(n));
    }
    gdt[SEG_TSS / 8] = descriptor((uint32_t)&tss, 0x67, AR_TSS32);
    gdt[SEG_TSS2 / 8] = descriptor((uint32_t)&tss2, 0x67, AR_TSS32);
    gdt[SEG_LDT / 8] = descriptor((uint32_t)ldt, sizeof ldt - 1, AR_LDT);
    gdt[SEG_REAL_DATA / 8] = descriptor(0, 0xffff, AR_DATA);
    gdt[SEG_LOW32 / 8] = descriptor(SNIPPET_BASE, 0xffff, AR_CODE | AR_32);
}

static void reset_tss(struct tss32 *t)
{
    memset(t, 0, sizeof *t);
    t->esp0 = RING0_TOP;
    t->ss0 = DATA32(0);
    t->esp1 = RING1_TOP;
    t->ss1 = DATA32(1);
    t->esp2 = RING2_TOP;
    t->ss2 = DATA32(2);
    t->io_map = 0xffff;
}

static void reset_task2(void)
{
    reset_tss(&tss2);
    tss2.eflags = EF_FIXED;
    tss2.esp = TASK_TOP;
    tss2.cs = CODE32(0);
    tss2.ss = tss2.ds = tss2.es = tss2.fs = tss2.gs = DATA32(0);
}

static void load_tables(void)
{
    __asm__ volatile("lgdt %0" : : "m"(gdtr.limit));
    __asm__ volatile("lidt %0" : : "m"(idtr.limit));
}

static void load_debug_registers(void)
{
    __asm__ volatile("mov %0, %%db7" : : "r"(0x400));
    __asm__ volatile("mov %0, %%db0" : : "r"(in_dr[0]));
    __asm__ volatile("mov %0, %%db1" : : "r"(in_dr[1]));
    __asm__ volatile("mov %0, %%db2" : : "r"(in_dr[2]));
    __asm__ volatile("mov %0, %%db3" : : "r"(in_dr[3]));
    __asm__ volatile("mov %0, %%db6" : : "r"(in_dr[6]));
    __asm__ volatile("mov %0, %%db7" : : "r"(in_dr[7]));
}

static void load_control_registers(void)
{
    /* Paging goes off first: CR4.PAE must not change under it. */
    uint32_t cr0;
    __asm__ volatile("mov %%cr0, %0" : "=r"(cr0));
    __asm__ volatile("mov %0, %%cr0" : : "r"((cr0 & CR0_ET) | CR0_PE | CR0_NE));
    if (has_cr4)
        __asm__ volatile("mov %0, %%cr4" : : "r"(in_cr4));
    __asm__ volatile("mov %0, %%cr3" : : "r"(in_cr3));
    __asm__ volatile("mov %0, %%cr2" : : "r"(0));
    __asm__ volatile("mov %0, %%cr0" : : "r"((cr0 & CR0_ET) | in_cr0));
}

/* Whatever the case has done to it, the machine is as guest.h describes it. */
static void reset_machine(void)
{
    reset_gdt();
    memset(ldt, 0, sizeof ldt);
    reset_tss(&tss);
    reset_task2();
    memset(&tss16, 0, sizeof tss16);
    for (unsigned v = 0; v < VECTORS; v++) {
        set_gate(v, AR_INT32 | AR_DPL(3));
        ((volatile uint32_t *)0)[v] = (uint32_t)SNIPPET_SEGMENT << 16 | ((uint32_t)stub_real + 16 * v - SNIPPET_BASE);
    }
    memset((void *)DATA_AREA, 0, DATA_SIZE);
    gdtr = (struct table_pointer){0, sizeof gdt - 1, (uint32_t)gdt};
    idtr = (struct table_pointer){0, sizeof idt - 1, (uint32_t)idt};
    ivt_pointer = (struct table_pointer){0, 0x3ff, 0};
    in_cr0 = CR0_PE | CR0_NE;
    in_cr3 = in_cr4 = 0;
    memset(in_dr, 0, sizeof in_dr);
    in_dr[6] = 0xffff0ff0;
    in_dr[7] = 0x400;
    resume_vectors = 0;
    on_resume = NULL;
    soft_vector = false;
    in_real = false;
    in = (struct registers){.eax = 0xa1a2a3a4,
                            .ecx = 0xc1c2c3c4,
                            .edx = 0xd1d2d3d4,
                            .ebx = 0xb1b2b3b4,
                            .ebp = 0xe1e2e3e4,
                            .esi = 0x51525354,
                            .edi = 0x61626364,
                            .eflags = EF_FIXED};
    ring(0);
}

void ring(unsigned cpl)
{
    in_real = false;
    in.eflags &= ~VM;
    in.cs = CODE32(cpl);
    in.ss = in.ds = in.es = in.fs = in.gs = DATA32(cpl);
    in.esp = STACK_BASE + STACK_TOP;
}

void ring16(unsigned cpl)
{
    ring(cpl);
    in.cs = SEG_CODE16(cpl);
    in.ss = SEG_DATA16(cpl);
    in.esp = STACK_TOP;
}

void real_mode(void)
{
    in_real = true;
    in.eflags &= ~VM;
    in.cs = SNIPPET_SEGMENT;
    in.ss = STACK_SEGMENT;
    in.ds = in.es = in.fs = in.gs = DATA_SEGMENT;
    in.esp = STACK_TOP;
}

void v86(unsigned iopl)
{
    real_mode();
    in_real = false;
    in.eflags = (in.eflags & ~IOPL(3)) | VM | IOPL(iopl);
}

/* ---- the life of a case ---- */

static void fail(const char *field, uint32_t got, uint32_t expected)
{
    if (skipping || failing)
        return;
    failing = true;
    if (differ_why) {
        print("differs %s: %s: %s got %x expected %x (%s)\n", name, detail, field, got, expected, differ_why);
        differing++;
    } else {
        print("not ok %s: %s: %s got %x expected %x [vector %x error %x cs:eip %x:%x]\n", name, detail, field, got,
              expected, out.vector, out.error, out.r.cs, out.r.eip);
        failed++;
    }
}

static void finish_case(void)
{
    if (open_case && ordinal == resume_at) { /* this is the one that reset the machine */
        skipping = false;
        if (!resumed_expected)
            fail("reset of the machine", 1, 0);
    }
    if (open_case && !skipping && !failing) {
        print("ok %s\n", name);
        passed++;
    }
    open_case = false;
}

void begin(const char *format, ...)
{
    finish_case();
    va_list arguments;
    va_start(arguments, format);
    format_text(name, sizeof name, format, arguments);
    va_end(arguments);
    open_case = true;
    failing = false;
    detail[0] = 0;
    differ_why = NULL;
    ordinal++;
    skipping = ordinal <= resume_at;
    reset_machine();
}

void differs(unsigned emulators, const char *why)
{
    if (emulators & emulator)
        differ_why = why;
}

void skip_on(unsigned emulators, const char *why)
{
    if (skipping || !(emulators & emulator))
        return;
    print("differs %s: not run (%s)\n", name, why);
    differing++;
    skipping = true;
}

void note(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    format_text(detail, sizeof detail, format, arguments);
    va_end(arguments);
}

static uint32_t code_base(uint32_t cs, uint32_t eflags, bool real)
{
    if (real || (eflags & VM))
        return (cs & 0xffff) << 4;
    return descriptor_base(selector_entry(cs));
}

static uint32_t persist_check(void)
{
    volatile struct persist *p = PERSIST;
    return 0x5a5a5a5a ^ p->ordinal ^ p->expected << 24 ^ p->passed << 1 ^ p->failed << 8 ^ p->differing << 16;
}

/* A reset of the machine starts the image again: it then goes on after this case. */
static void prepare_for_reset(bool expected)
{
    volatile struct persist *p = PERSIST;
    p->magic = PERSIST_MAGIC;
    p->ordinal = ordinal;
    p->expected = expected;
    p->passed = passed;
    p->failed = failed;
    p->differing = differing;
    p->check = persist_check();
}

static void run_snippet(const struct code *code)
{
    current = code;
    memset(&out, 0, sizeof out);
    n_events = 0;
    in.eip = code->start - code_base(in.cs, in.eflags, in_real);
    in_stack[0] = in.esp;
    in_stack[1] = in.ss;
    load_tables();
    gdt[SEG_TSS / 8] &= ~((uint64_t)AR_BUSY << 40);
    __asm__ volatile("lldt %w0" : : "r"(SEG_LDT));
    __asm__ volatile("ltr %w0" : : "r"(SEG_TSS));
    load_control_registers();
    load_debug_registers();
    memcpy(real_idtr, &ivt_pointer.limit, 6);
    running = true;
    if (in_real)
        enter_real();
    else
        enter_protected();
    running = false;
    /* The harness itself runs without paging. */
    uint32_t cr0 = in_cr0, cr4 = in_cr4;
    in_cr0 = CR0_PE | CR0_NE;
    in_cr4 = 0;
    load_control_registers();
    in_cr0 = cr0;
    in_cr4 = cr4;
    __asm__ volatile("mov %0, %%db7" : : "r"(0x400));
}

void run(const struct code *code)
{
    if (skipping)
        return;
    prepare_for_reset(false);
    run_snippet(code);
}

void run_to_shutdown(const struct code *code)
{
    if (skipping)
        return;
    prepare_for_reset(true);
    run_snippet(code);
    prepare_for_reset(false);
    fail("shutdown", 0, 1);
}

/* ---- events ---- */

static bool has_error_code(uint32_t vector)
{
    return vector == DF || (vector >= TS && vector <= PF) || vector == AC;
}

static void decode_real(struct event *e)
{
    const uint16_t *words = (const uint16_t *)((raw.r.ss << 4) + (raw.r.esp & 0xffff));
    e->frame = (const uint32_t *)words;
    e->r.eip = words[0];
    e->r.cs = words[1];
    e->r.eflags = words[2];
    e->r.esp = (raw.r.esp & 0xffff0000) | ((raw.r.esp + 6) & 0xffff);
}

static void decode_protected(struct event *e)
{
    uint64_t stack_segment = selector_entry(raw.r.ss);
    bool stack32 = stack_segment >> 54 & 1;
    uint32_t mask = stack32 ? 0xffffffffu : 0xffff;
    const uint8_t *frame = (const uint8_t *)(descriptor_base(stack_segment) + (raw.r.esp & mask));
    e->frame = (const uint32_t *)frame;
    e->gate16 = !(idt[raw.vector] >> 43 & 1);
    unsigned unit = e->gate16 ? 2 : 4, at = 0;
    uint32_t field[10];
    for (unsigned i = 0; i < 10; i++)
        field[i] = e->gate16 ? ((const uint16_t *)frame)[i] : ((const uint32_t *)frame)[i];
    if (has_error_code(raw.vector) && !soft_vector)
        e->error = field[at++];
    e->r.eip = field[at++];
    e->r.cs = field[at++] & 0xffff;
    e->r.eflags = field[at++];
    raw_stack[0] = raw.r.esp; /* where IRET finds its frame */
    if (at == 4)
        raw_stack[0] += unit;
    raw_stack[1] = raw.r.ss;
    e->inner = (e->r.cs & 3) != 0 || (e->r.eflags & VM);
    if (e->inner) {
        e->r.esp = field[at++];
        e->r.ss = field[at++] & 0xffff;
    } else {
        e->r.esp = (raw.r.esp & ~mask) | ((raw.r.esp + at * unit) & mask);
    }
    if (!e->gate16 && (e->r.eflags & VM)) {
        e->r.es = field[at++] & 0xffff;
        e->r.ds = field[at++] & 0xffff;
        e->r.fs = field[at++] & 0xffff;
        e->r.gs = ((const uint32_t *)frame)[at] & 0xffff;
    }
}

static void decode(struct event *e)
{
    memset(e, 0, sizeof *e);
    raw.r.es &= 0xffff, raw.r.cs &= 0xffff, raw.r.ss &= 0xffff;
    raw.r.ds &= 0xffff, raw.r.fs &= 0xffff, raw.r.gs &= 0xffff;
    raw.vector &= 0xff;
    e->r = raw.r;
    e->vector = raw.vector;
    e->real = raw.real;
    e->handler = raw.r;
    e->handler_esp = raw.r.esp;
    e->handler_ss = raw.r.ss;
    e->handler_eflags = raw.r.eflags;
    __asm__ volatile("mov %%cr0, %0" : "=r"(e->cr0));
    __asm__ volatile("mov %%cr2, %0" : "=r"(e->cr2));
    __asm__ volatile("mov %%cr3, %0" : "=r"(e->cr3));
    if (has_cr4)
        __asm__ volatile("mov %%cr4, %0" : "=r"(e->cr4));
    __asm__ volatile("mov %%db6, %0" : "=r"(e->dr6));
    __asm__ volatile("mov %%db7, %0" : "=r"(e->dr7));
    __asm__ volatile("str %0" : "=r"(e->tr));
    __asm__ volatile("sldt %0" : "=r"(e->ldtr));
    e->tr &= 0xffff;
    e->ldtr &= 0xffff;
    if (raw.real)
        decode_real(e);
    else
        decode_protected(e);
}

/* Called by the stubs. 0 ends the run; else how to resume (entry.S). */
uint32_t on_event(void)
{
    struct event *e = &events[n_events];
    decode(e);
    out = *e;
    if (!running) {
        print("not ok harness: vector %x error %x at %x:%x after %s\n", out.vector, out.error, out.r.cs, out.r.eip,
              name);
        failed++;
        leave();
    }
    bool more = out.vector < 32 && (resume_vectors >> out.vector & 1) && n_events < MAX_EVENTS - 1;
    n_events++;
    if (!more)
        return 0;
    uint32_t frame_at = (uint32_t)e->frame + (raw_stack[0] - raw.r.esp);
    if (on_resume)
        on_resume(e, e->real ? (uint32_t *)e->frame : (uint32_t *)frame_at);
    return e->real ? 3 : e->gate16 ? 2 : 1;
}

/* ---- expectations ---- */

void want_equal(const char *field, uint32_t got, uint32_t expected)
{
    if (got != expected)
        fail(field, got, expected);
}

void want_masked(const char *field, uint32_t got, uint32_t expected, uint32_t mask)
{
    if ((got ^ expected) & mask)
        fail(field, got & mask, expected & mask);
}

static uint32_t event_linear(void)
{
    return code_base(out.r.cs, out.r.eflags, out.real) + out.r.eip;
}

static void want_unchanged(void)
{
    want_equal("eax", out.r.eax, in.eax);
    want_equal("ecx", out.r.ecx, in.ecx);
    want_equal("edx", out.r.edx, in.edx);
    want_equal("ebx", out.r.ebx, in.ebx);
    want_equal("ebp", out.r.ebp, in.ebp);
    want_equal("esi", out.r.esi, in.esi);
    want_equal("edi", out.r.edi, in.edi);
    /* IRET to a 16-bit stack loads SP alone. */
    bool stack16 = out.real || (out.r.eflags & VM) || !(selector_entry(in.ss) >> 54 & 1);
    want_masked("esp", out.r.esp, in.esp, stack16 ? 0xffff : 0xffffffff);
    want_equal("cs", out.r.cs, in.cs);
    want_equal("ss", out.r.ss, in.ss);
    want_equal("ds", out.r.ds, in.ds);
    want_equal("es", out.r.es, in.es);
    want_equal("fs", out.r.fs, in.fs);
    want_equal("gs", out.r.gs, in.gs);
    /* QEMU leaves RF alone; it has cases of its own. */
    want_masked("eflags", out.r.eflags, in.eflags, out.gate16 || out.real ? 0xffff : ~RF);
}

void want_vector(unsigned vector)
{
    if (skipping)
        return;
    want_equal("vector", out.vector, vector);
    want_equal("linear eip", event_linear(), current->here);
}

void want_fault(unsigned vector, uint32_t error)
{
    want_vector(vector);
    if (skipping)
        return;
    want_equal("error code", out.error, error);
    if (current->here == current->start && !out.gate16)
        want_unchanged();
}

void want_at(uint32_t linear)
{
    if (skipping)
        return;
    want_equal("vector", out.vector, UD);
    want_equal("linear eip", event_linear(), linear);
}

void want_done(void)
{
    want_at(skipping ? 0 : current->end);
}

const char *label(const char *format, ...)
{
    static char text[120];
    va_list arguments;
    va_start(arguments, format);
    format_text(text, sizeof text, format, arguments);
    va_end(arguments);
    return text;
}

const struct code *with_here(const struct code *code, uint32_t here)
{
    static struct code moved;
    moved = (struct code){code->start, here, code->end};
    return &moved;
}

/* ---- the image ---- */

static enum emulator detect_emulator(void)
{
    /* Only QEMU and morph86 have a firmware configuration device; only QEMU answers at its hypervisor leaf, whatever
     * the CPU model. */
    static const char signature[] = "QEMU";
    __asm__ volatile("outw %w0, %w1" : : "a"(0), "d"(0x510));
    for (unsigned i = 0; i < 4; i++)
        if (in8(0x511) != (uint8_t)signature[i])
            return BOCHS;
    uint32_t hypervisor[4];
    cpuid(0x40000000, hypervisor);
    return hypervisor[1] == 0x54474354 /* "TCGT" */ ? QEMU : MORPH86;
}

static void detect_resume(void)
{
    if (PERSIST->magic == PERSIST_MAGIC && PERSIST->check == persist_check()) {
        resume_at = PERSIST->ordinal;
        resumed_expected = PERSIST->expected;
        passed = PERSIST->passed;
        failed = PERSIST->failed;
        differing = PERSIST->differing;
    }
    PERSIST->magic = 0;
}

void guest_main(void)
{
    out8(0x21, 0xff); /* all interrupts masked */
    out8(0xa1, 0xff);
    uint32_t leaf1[4];
    cpuid(1, leaf1);
    has_cr4 = leaf1[3] & 0x7e; /* VME to PAE: any feature that CR4 turns on */
    emulator = detect_emulator();
    detect_resume();
    guest_cases();
    finish_case();
    leave();
}
