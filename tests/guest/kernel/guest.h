/*
 * Bare-metal guests: what a case is made of.
 *
 * An image is this kernel plus files of cases; it runs on morph86, QEMU and Bochs alike and prints, on port E9,
 *     ok NAME | not ok NAME: FIELD got X expected Y | differs NAME: ... (a known deviation of QEMU or Bochs)
 * and at last `N passed, M failed, K differ`. A case is imperative:
 *
 *     begin("POP SS with a null selector raises #GP(0)");      every case starts from a reset machine
 *     ring(0);                                                 mode and selectors: ring, ring16, v86, real_mode
 *     in.eax = 0; gdt[SLOT(0) / 8] = ...;                      registers and tables on entry
 *     run(CODE("push eax;" HERE "pop ss"));                    snippet, Intel syntax; CODE16 for 16-bit code
 *     want_fault(GP, 0);                                       vector, error code, EIP at HERE, nothing else changed
 *
 * A snippet ends by reaching its end (a UD2 that the harness recognises: want_done) or by any exception. HERE marks
 * where the event is expected: before a faulting instruction, after a trapping one; without HERE it is the snippet's
 * start. `out` holds the interrupted registers, vector, error code, control registers, and the frame as it lay on the
 * stack. A gate or far jump may lead into another snippet, a landing: LANDING is a lone UD2, found with
 * want_at(landing->start). Expected results come from the SDM; where an emulator departs from it, differs(QEMU, "why;
 * SDM title") says so in the case.
 *
 * What begin() resets: GDT, LDT, IDT (32-bit interrupt gates of DPL 3 for all vectors), both TSSes, CR0 (PE, NE), CR3
 * and CR4 (0), debug registers, the IVT, DATA_AREA (zeros), `in`. A case must leave CODE32(0), DATA32(0), and the gate
 * of the event it expects, usable. With paging on, everything below 4 MiB must stay mapped one to one. This is a
 * guest's kernel: its machine is global, so is its state.
 */
#ifndef TESTS_GUEST_KERNEL_GUEST_H
#define TESTS_GUEST_KERNEL_GUEST_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "layout.h"

enum vector { DE, DB, NMI, BP, OF, BR, UD, NM, DF, CSO, TS, NP, SS, GP, PF, MF = 16, AC, MC, XM };

#define CF       0x1u
#define EF_FIXED 0x2u
#define ZF       0x40u
#define TF       0x100u
#define IF       0x200u
#define DFLAG    0x400u
#define IOPL(n)  ((uint32_t)(n) << 12)
#define NT       0x4000u
#define RF       0x10000u
#define VM       0x20000u
#define ACF      0x40000u
#define VIF      0x80000u
#define VIP      0x100000u
#define ID       0x200000u

#define CR0_PE         0x1u
#define CR0_MP         0x2u
#define CR0_EM         0x4u
#define CR0_TS         0x8u
#define CR0_ET         0x10u
#define CR0_NE         0x20u
#define CR0_WP         0x10000u
#define CR0_AM         0x40000u
#define CR0_NW         0x20000000u
#define CR0_CD         0x40000000u
#define CR0_PG         0x80000000u
#define CR4_VME        0x1u
#define CR4_PVI        0x2u
#define CR4_TSD        0x4u
#define CR4_DE         0x8u
#define CR4_PSE        0x10u
#define CR4_PAE        0x20u
#define CR4_PGE        0x80u
#define CR4_OSFXSR     0x200u
#define CR4_OSXMMEXCPT 0x400u

/* ---- registers and events ---- */

struct registers { /* entry.S knows the offsets; the segment registers in the order of their encoding */
    uint32_t eax, ecx, edx, ebx, esp, ebp, esi, edi, eip, eflags;
    uint32_t es, cs, ss, ds, fs, gs;
};

struct event {
    struct registers r;     /* of the interrupted code */
    uint32_t vector, error; /* error: 0 for vectors without one */
    uint32_t cr0, cr2, cr3, cr4, dr6, dr7;
    uint32_t tr, ldtr;
    uint32_t handler_eflags, handler_esp, handler_ss; /* on entry to the handler */
    struct registers handler;                         /* es, ds, fs, gs as the handler found them */
    const uint32_t *frame; /* what the CPU pushed, as it lay on the stack; 16 words for a 16-bit gate */
    bool gate16, real;
    bool inner; /* the handler's stack came from the TSS */
};

extern struct registers in; /* on entry to the snippet */
extern struct event out;    /* what ended it */
#define MAX_EVENTS 64
extern struct event events[MAX_EVENTS]; /* all events of the run, `out` being the last */
extern unsigned n_events;

/* Vectors 0 to 31 that are logged in `events` and resumed with IRET instead of ending the run. For a run of its own:
 * reset by begin(). */
extern uint32_t resume_vectors;
/* Called for each resumed event, may change the stacked frame; NULL by default. */
extern void (*on_resume)(struct event *event, uint32_t *frame);
/* A software interrupt to a vector that has an error code as an exception: its frame has none. Reset by begin(). */
extern bool soft_vector;

/* ---- snippets ---- */

struct code {
    uint32_t start, here, end;
};

#define HERE "870: "
#define CODE_BITS(bits, text)                                                                                          \
    ({                                                                                                                 \
        const struct code *code_;                                                                                      \
        __asm__ volatile(".pushsection .snippet, \"ax\"\n.intel_syntax noprefix\n.code" bits "\n870: 880:\n" text      \
                         "\n881: ud2\n.att_syntax prefix\n.code32\n.popsection\n"                                      \
                         ".pushsection .rodata\n.balign 4\n882: .long 880b, 870b, 881b\n.popsection\n"                 \
                         "movl $882b, %0"                                                                              \
                         : "=r"(code_));                                                                               \
        code_;                                                                                                         \
    })
/* Braces, bars and percent signs would need escapes: Intel syntax needs none of them. */
#define CODE(text)   CODE_BITS("32", text)
#define CODE16(text) CODE_BITS("16", text)
#define LANDING()    CODE("")
#define LANDING16()  CODE16("")
/* Offset in SEG_CODE16 segments, in real and in virtual-8086 mode with CS = SNIPPET_SEGMENT. */
#define LOW(linear)     ((linear)-SNIPPET_BASE)
#define SNIPPET_SEGMENT (SNIPPET_BASE >> 4)
#define STACK_SEGMENT   (STACK_BASE >> 4)
#define DATA_SEGMENT    (DATA_AREA >> 4)

/* ---- the machine's tables ---- */

#define AR_CODE       0x9au /* present, DPL 0, execute/read */
#define AR_CODE_XO    0x98u /* execute-only */
#define AR_CONFORMING 0x9eu
#define AR_DATA       0x92u
#define AR_DATA_RO    0x90u
#define AR_DATA_DOWN  0x96u
#define AR_LDT        0x82u
#define AR_TSS16      0x81u
#define AR_TSS32      0x89u
#define AR_BUSY       0x02u
#define AR_CALL16     0x84u
#define AR_TASK_GATE  0x85u
#define AR_INT16      0x86u
#define AR_TRAP16     0x87u
#define AR_CALL32     0x8cu
#define AR_INT32      0x8eu
#define AR_TRAP32     0x8fu
#define AR_PRESENT    0x80u
#define AR_DPL(n)     ((uint32_t)(n) << 5)
#define AR_32         0x4000u /* D/B */
#define AR_G          0x8000u

struct tss32 {
    uint32_t link, esp0, ss0, esp1, ss1, esp2, ss2, cr3, eip, eflags;
    uint32_t eax, ecx, edx, ebx, esp, ebp, esi, edi;
    uint32_t es, cs, ss, ds, fs, gs, ldt;
    uint16_t trap, io_map;
    uint8_t rest[32 + 8192 + 1]; /* interrupt redirection map, I/O map: where a case puts them */
};
struct tss16 {
    uint16_t link, sp0, ss0, sp1, ss1, sp2, ss2, ip, flags;
    uint16_t ax, cx, dx, bx, sp, bp, si, di;
    uint16_t es, cs, ss, ds, ldt;
};

extern uint64_t gdt[GDT_ENTRIES], ldt[LDT_ENTRIES], idt[VECTORS];
extern struct tss32 tss, tss2; /* of the running task (SEG_TSS, limit 67h, no I/O map); of SEG_TSS2 */
extern struct tss16 tss16;
struct table_pointer {
    uint16_t pad, limit;
    uint32_t base;
};
/* In effect on entry to the snippet; reset by begin(). */
extern struct table_pointer gdtr, idtr, ivt_pointer;
extern uint32_t in_cr0, in_cr3, in_cr4, in_dr[8];

/* limit in bytes minus one, or in pages with AR_G; ar: access byte | AR_32 | AR_G. */
uint64_t descriptor(uint32_t base, uint32_t limit, uint32_t ar);
/* count: parameters of a call gate. */
uint64_t gate(uint32_t selector, uint32_t offset, uint32_t ar, unsigned count);
/* Puts a descriptor into SLOT(i) and returns its selector with RPL 0. */
uint32_t slot(unsigned i, uint64_t entry);
/* The harness's handler as a target: 32-bit gates use CODE32(0):stub32(v), 16-bit ones SEG_LOW32:stub16(v). */
uint32_t stub32(unsigned vector);
uint32_t stub16(unsigned vector);
/* An IDT gate to the harness's handler. ar: one of AR_INT16..AR_TRAP32 | AR_DPL. */
void set_gate(unsigned vector, uint32_t ar);

/* ---- mode on entry: each sets cs, ss, ds, es, fs, gs, esp, VM ---- */
void ring(unsigned cpl);   /* 32-bit flat */
void ring16(unsigned cpl); /* 16-bit: CODE16 snippets, SEG_CODE16, SEG_DATA16 */
void v86(unsigned iopl);   /* CODE16 snippets, all data segments but SS at DATA_AREA */
void real_mode(void);      /* the same segments */

/* ---- a case ---- */

enum emulator { MORPH86 = 1, QEMU = 2, BOCHS = 4 };
extern enum emulator emulator;

void begin(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The emulators named depart from the manual in this case: a failure there is counted apart. */
void differs(unsigned emulators, const char *why);
/* The case hangs or ends these emulators: not run there. Call before run(). */
void skip_on(unsigned emulators, const char *why);
/* Which of a case's several runs this is: printed with a failure. A run keeps `in`, tables and memory of the one
 * before. */
void note(const char *format, ...) __attribute__((format(printf, 1, 2)));
void run(const struct code *code);
/* The snippet must shut the CPU down: the machine resets and the image resumes after this case. */
void run_to_shutdown(const struct code *code);

void want_done(void);
/* Vector with this error code (0 for those without) at HERE; with HERE at the start also: no register has changed. */
void want_fault(unsigned vector, uint32_t error);
/* Vector at HERE; out.error and registers are not looked at. */
void want_vector(unsigned vector);
/* The event is the UD2 of a landing (or any #UD) at this linear address. */
void want_at(uint32_t linear);
void want_equal(const char *field, uint32_t got, uint32_t expected);
#define want(expression, expected) want_equal(#expression, (expression), (expected))
/* (got ^ expected) & mask must be 0. */
void want_masked(const char *field, uint32_t got, uint32_t expected, uint32_t mask);

/* ---- for the cases' own needs ---- */
/* A field's name for want_equal(), formatted; valid until the next call. */
const char *label(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same snippet with its event expected elsewhere; valid until the next call. */
const struct code *with_here(const struct code *code, uint32_t here);
int print(const char *format, ...) __attribute__((format(printf, 1, 2)));
void format_text(char *to, size_t size, const char *format, va_list arguments);
void *memset(void *to, int value, size_t size);
void *memcpy(void *to, const void *from, size_t size);
static inline void out8(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}
static inline uint8_t in8(uint16_t port)
{
    uint8_t value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}
static inline void cpuid(uint32_t leaf, uint32_t r[4])
{
    __asm__ volatile("cpuid" : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3]) : "a"(leaf), "c"(0));
}
static inline void write_msr(uint32_t index, uint64_t value)
{
    __asm__ volatile("wrmsr" : : "c"(index), "A"(value));
}
static inline uint64_t read_msr(uint32_t index)
{
    uint64_t value;
    __asm__ volatile("rdmsr" : "=A"(value) : "c"(index));
    return value;
}
#define data8  ((volatile uint8_t *)DATA_AREA)
#define data16 ((volatile uint16_t *)DATA_AREA)
#define data32 ((volatile uint32_t *)DATA_AREA)

/* Every image defines it: calls its groups of cases. */
void guest_cases(void);

#endif
