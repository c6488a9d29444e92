/*
 * Single instructions on the host CPU. See host_exec.h.
 *
 * Sources: SDM vol. 3 "Compatibility Mode", "Far branches" (SDM vol. 2 JMP); Linux modify_ldt(2), sigaction(2).
 *
 * The gate between the two worlds is a page of position-independent code below 4 GiB, followed by a page of data
 * (struct host_exec_area) that it addresses relative to RIP, since no register is free:
 *
 *   C -> enter: save callee-saved registers, load segments, FPU, registers, EFLAGS, SS:ESP; far jump to the instruction
 *   the instruction, then a far jump to leave: save everything, go on in `tail`
 *   a signal instead: the handler copies the state from its frame and goes on in `tail`, never through sigreturn
 *   tail: load the host's segments and control words, return to C
 */
#define _GNU_SOURCE
#include <asm/ldt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

#include "tests/insn/host_exec.h"

enum { ES, CS, SS, DS, FS, GS }; /* as frontend/x86/cpu.h */

enum {
    PAGE = 4096,
    GUARD = 0x10000,
    FILLER = 0xf4, /* HLT */
    USER_CS64 = 0x33,
    EFLAGS_TF = 0x100,
    EFLAGS_RF = 0x10000,
    HWCAP2_FSGSBASE = 2,
    SIGNAL_STACK_SIZE = 256 * 1024,
    WATCHDOG_USEC = 100000,
};

/* Written by host_exec_run and the gate, read by the gate and the signal handler. */
struct host_exec_area {
    struct host_state in, out;
    uint64_t rsp, fs_base; /* the host's, while the instruction runs */
    uint64_t eflags;       /* to load: a stack of one */
    uint32_t far_eip;      /* far pointer of the jump in */
    uint16_t far_cs, padding;
    uint32_t mxcsr;
    volatile uint32_t run; /* number of the run in progress; 0 between runs */
    uint32_t seen_run;     /* the run that the watchdog found in progress last time */
    uint32_t code_base;
    bool has_entered; /* with TF: the trap after the jump in has been seen */
    int vector;
    uint32_t error, address;
    struct sigaction others; /* who had SIGSEGV before: what happens between runs is theirs */
};

/* The offsets that the gate uses. */
#define IN_FX      0
#define IN_GPR     512
#define IN_SEL     552
#define OUT_FX     576
#define OUT_GPR    1088
#define OUT_EFLAGS 1124
#define OUT_SEL    1128
#define HOST_RSP   1152
#define HOST_FS    1160
#define IN_EFLAGS  1168
#define FAR_EIP    1176
#define MXCSR      1184
#define CHECK_OFFSET(offset, member)                                                                                   \
    _Static_assert(offset == offsetof(struct host_exec_area, member), "the gate's assembler knows " #member)
CHECK_OFFSET(IN_FX, in.fx);
CHECK_OFFSET(IN_GPR, in.gpr);
CHECK_OFFSET(IN_SEL, in.sel);
CHECK_OFFSET(OUT_FX, out.fx);
CHECK_OFFSET(OUT_GPR, out.gpr);
CHECK_OFFSET(OUT_EFLAGS, out.eflags);
CHECK_OFFSET(OUT_SEL, out.sel);
CHECK_OFFSET(HOST_RSP, rsp);
CHECK_OFFSET(HOST_FS, fs_base);
CHECK_OFFSET(IN_EFLAGS, eflags);
CHECK_OFFSET(FAR_EIP, far_eip);
CHECK_OFFSET(MXCSR, mxcsr);

#define HIDDEN __attribute__((visibility("hidden")))

extern const uint8_t host_gate[] HIDDEN, host_gate_leave[] HIDDEN, host_gate_tail[] HIDDEN, host_gate_end[] HIDDEN;
HIDDEN void host_gate_signal(int number, siginfo_t *info, void *context);
HIDDEN void host_gate_handle(int number, siginfo_t *info, void *context, uint64_t interrupted_fs_base);

/* Signal handlers have no argument of ours: the area of the only host_exec. */
HIDDEN struct host_exec_area *host_gate_current;

#define TEXT_(x)           #x
#define TEXT(x)            TEXT_(x)
#define AREA(offset)       "host_gate_area + " TEXT(offset) "(%rip)"
#define AREA_AT(offset, n) "host_gate_area + " TEXT(offset) " + " TEXT(n) "(%rip)"

__asm__(".pushsection .text.host_gate, \"ax\", @progbits\n"
        ".balign 4096\n"
        ".globl host_gate, host_gate_leave, host_gate_tail, host_gate_end, host_gate_signal\n"
        ".hidden host_gate, host_gate_leave, host_gate_tail, host_gate_end, host_gate_signal\n"
        ".set host_gate_area, host_gate + 4096\n"
        "host_gate:\n"
        "push %rbx\n push %rbp\n push %r12\n push %r13\n push %r14\n push %r15\n"
        "rdfsbase %rax\n"
        "mov %rax, " AREA(
            HOST_FS) "\n"
                     "mov %rsp, " AREA(
                         HOST_RSP) "\n"
                                   "fxrstor " AREA(IN_FX) "\n"
                                                          "mov " AREA_AT(IN_SEL,
                                                                         0) ", %es\n"
                                                                            "mov " AREA_AT(
                                                                                IN_SEL,
                                                                                6) ", %ds\n"
                                                                                   "mov " AREA_AT(
                                                                                       IN_SEL,
                                                                                       8) ", %fs\n"
                                                                                          "mov " AREA_AT(
                                                                                              IN_SEL,
                                                                                              10) ", %gs\n"
                                                                                                  "mov " AREA_AT(
                                                                                                      IN_GPR,
                                                                                                      0) ", %eax\n"
                                                                                                         "mov " AREA_AT(
                                                                                                             IN_GPR, 4) ", %ecx\n"
                                                                                                                        "mov " AREA_AT(IN_GPR, 8) ", %edx\n"
                                                                                                                                                  "mov " AREA_AT(IN_GPR, 12) ", %ebx\n"
                                                                                                                                                                             "mov " AREA_AT(IN_GPR, 20) ", %ebp\n"
                                                                                                                                                                                                        "mov " AREA_AT(IN_GPR, 24) ", %esi\n"
                                                                                                                                                                                                                                   "mov " AREA_AT(IN_GPR, 28) ", %edi\n"
                                                                                                                                                                                                                                                              "lea " AREA(IN_EFLAGS) ", %rsp\n"
                                                                                                                                                                                                                                                                                     "popfq\n" /* TF and AC act from here on: accesses are aligned, and the handler lets the traps pass */
                                                                                                                                                                                                                                                                                     "mov " AREA_AT(
                                                                                                                                                                                                                                                                                         IN_SEL,
                                                                                                                                                                                                                                                                                         4) ", %ss\n"
                                                                                                                                                                                                                                                                                            "mov " AREA_AT(IN_GPR, 16) ", %esp\n"
                                                                                                                                                                                                                                                                                                                       "ljmpl *" AREA(FAR_EIP) "\n"

                                                                                                                                                                                                                                                                                                                                               "host_gate_leave:\n"
                                                                                                                                                                                                                                                                                                                                               "mov %eax, " AREA_AT(OUT_GPR,
                                                                                                                                                                                                                                                                                                                                                                    0) "\n"
                                                                                                                                                                                                                                                                                                                                                                       "mov %ecx, " AREA_AT(OUT_GPR, 4) "\n"
                                                                                                                                                                                                                                                                                                                                                                                                        "mov %edx, " AREA_AT(OUT_GPR,
                                                                                                                                                                                                                                                                                                                                                                                                                             8) "\n"
                                                                                                                                                                                                                                                                                                                                                                                                                                "mov %ebx, " AREA_AT(OUT_GPR, 12) "\n"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                  "mov %esp, " AREA_AT(OUT_GPR, 16) "\n"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                    "mov %ebp, " AREA_AT(
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                        OUT_GPR, 20) "\n"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                     "mov %esi, " AREA_AT(OUT_GPR, 24) "\n"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                       "mov %edi, " AREA_AT(OUT_GPR, 28) "\n"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                         "mov " AREA(
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                             HOST_RSP) ", %rsp\n"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                       "pushfq\n"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                       "pop %rax\n"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                       "mov %eax, " AREA(OUT_EFLAGS) "\n"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                     "pushq $2\n"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                     "popfq\n"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                     "mov %es, " AREA_AT(
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                         OUT_SEL, 0) "\n"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                     "mov %ss, " AREA_AT(OUT_SEL, 4) "\n"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                     "mov %ds, " AREA_AT(
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                         OUT_SEL, 6) "\n"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                     "mov %fs, " AREA_AT(OUT_SEL, 8) "\n"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                     "mov %gs, " AREA_AT(
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                         OUT_SEL, 10) "\n"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                      "fxsave " AREA(OUT_FX) "\n"

                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                             "host_gate_tail:\n"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                             "mov " AREA(
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                 HOST_RSP) ", %rsp\n"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                           "mov $0x2b, %eax\n" /* Linux's __USER_DS */
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                           "mov %eax, %ss\n"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                           "mov %eax, %ds\n"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                           "mov %eax, %es\n"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                           "xor %eax, %eax\n"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                           "mov %eax, %fs\n"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                           "mov %eax, %gs\n"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                           "mov " AREA(HOST_FS) ", %rax\n"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                "wrfsbase %rax\n"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                "fninit\n"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                "ldmxcsr " AREA(MXCSR) "\n"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                       "cld\n"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                       "pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rbp\n pop %rbx\n"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                       "ret\n"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                       "host_gate_end:\n"

                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                       /* Signal entry, before C may touch thread-local storage or unaligned data. rcx: the interrupted FS base. */
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                       "host_gate_signal:\n"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                       "pushq $2\n"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                       "popfq\n"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                       "rdfsbase %rcx\n"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                       "mov host_gate_current(%rip), %rax\n"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                       "mov " TEXT(
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                           HOST_FS) "(%rax), %rax\n"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                    "wrfsbase %rax\n"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                    "jmp host_gate_handle\n"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                    ".popsection\n");

#if defined(__clang__) || __GNUC__ >= 11
#define HANDLER __attribute__((no_stack_protector, no_sanitize("address", "undefined")))
#else
#define HANDLER __attribute__((optimize("no-stack-protector"), no_sanitize_address))
#endif

/* Resumes what the signal interrupted: returning goes through sigreturn, which does not restore the FS base. */
static inline void restore_fs_base(uint64_t fs_base)
{
    __asm__ volatile("wrfsbase %0" : : "r"(fs_base) : "memory");
}

static HANDLER void save_frame(struct host_state *out, const ucontext_t *context)
{
    static const uint8_t order[8] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI};
    const greg_t *reg = context->uc_mcontext.gregs;
    uint64_t selectors = (uint64_t)reg[REG_CSGSFS]; /* CS, GS, FS, SS */

    for (unsigned i = 0; i < 8; i++)
        out->gpr[i] = (uint32_t)reg[order[i]];
    out->eip = (uint32_t)reg[REG_RIP];
    out->eflags = (uint32_t)reg[REG_EFL];
    out->sel[CS] = (uint16_t)selectors;
    out->sel[SS] = (uint16_t)(selectors >> 48);
    /* The kernel leaves these as the instruction left them. */
    __asm__ volatile("mov %%ds, %0" : "=m"(out->sel[DS]));
    __asm__ volatile("mov %%es, %0" : "=m"(out->sel[ES]));
    __asm__ volatile("mov %%fs, %0" : "=m"(out->sel[FS]));
    __asm__ volatile("mov %%gs, %0" : "=m"(out->sel[GS]));
    __builtin_memcpy(out->fx, context->uc_mcontext.fpregs, sizeof out->fx);
}

/* After a branch to anywhere: HLT's #GP at an offset that is not the instruction's. */
static HANDLER bool is_landing(const struct host_exec_area *a, const struct host_state *out, int vector)
{
    return vector == 13 && out->eip != a->in.eip && out->eip < HOST_WINDOW &&
           *(const uint8_t *)host_memory(a->code_base + out->eip) == FILLER;
}

/* Called from host_gate_signal. */
HANDLER void host_gate_handle(int number, siginfo_t *info, void *context_, uint64_t interrupted_fs_base)
{
    struct host_exec_area *a = host_gate_current;
    const ucontext_t *context = context_;
    const greg_t *reg = context->uc_mcontext.gregs;
    bool is_in_host = (uint16_t)reg[REG_CSGSFS] == USER_CS64;
    int vector = (int)reg[REG_TRAPNO];
    void (*tail)(void);

    if (number == SIGVTALRM) {
        bool is_stuck = a->run && a->seen_run == a->run;

        a->seen_run = a->run;
        if (is_in_host || !is_stuck) {
            restore_fs_base(interrupted_fs_base);
            return;
        }
        vector = HOST_TIMEOUT;
    } else if (number == SIGSEGV && !a->run && a->others.sa_flags & SA_SIGINFO) {
        a->others.sa_sigaction(number, info, context_);
        restore_fs_base(interrupted_fs_base);
        return;
    } else if (!a->run || info->si_code <= 0) { /* a bug of the test program, or kill(): die of it */
        signal(number, SIG_DFL);
        restore_fs_base(interrupted_fs_base);
        return;
    }
    if (number == SIGTRAP && vector == 1 &&
        !a->has_entered) { /* single steps inside the gate, and the one into the code */
        if (!is_in_host)
            a->has_entered = true;
        restore_fs_base(interrupted_fs_base);
        return;
    }
    save_frame(&a->out, context);
    a->error = (uint32_t)reg[REG_ERR];
    a->address = (uint32_t)reg[REG_CR2];
    a->vector = is_in_host ? HOST_BAD_STATE : vector;
    if (is_landing(a, &a->out, vector)) {
        a->vector = HOST_DONE;
        a->error = 0;
        a->out.eflags &= ~(uint32_t)EFLAGS_RF; /* the #GP's, not the branch's */
    }
    tail = (void (*)(void))((uintptr_t)a - PAGE + (uintptr_t)(host_gate_tail - host_gate));
    tail(); /* leaves this stack; no signal is blocked (SA_NODEFER), so there is nothing to restore */
    __builtin_unreachable();
}

/* ---- set-up ---- */

bool host_exec_set_segment(struct host_exec *h, unsigned slot, uint32_t base, uint32_t limit, unsigned type, bool big,
                           bool present)
{
    struct user_desc d = {0};

    if (slot == HOST_NULL || slot >= HOST_SLOTS)
        return false;
    d.entry_number = slot;
    d.base_addr = base;
    d.limit_in_pages = limit > 0xfffff;
    d.limit = d.limit_in_pages ? limit >> 12 : limit;
    d.seg_32bit = big;
    d.contents = type >> 2 & 3;
    d.read_exec_only = !(type & 2);
    d.seg_not_present = !present;
    if (syscall(SYS_modify_ldt, 0x11, &d, sizeof d))
        return false;
    h->big_slots = (h->big_slots & ~(1u << slot)) | (uint32_t)big << slot;
    return true;
}

/* A window with unmapped guards on both sides, at a fixed place so that failures can be reproduced; elsewhere below 2
 * GiB if that is taken. */
static bool map_window(uint32_t *base, int protection)
{
    static const uint32_t places[] = {0x10100000, 0x20100000, 0x30100000, 0x50100000, 0x60100000};

    for (unsigned i = 0; i < sizeof places / sizeof *places; i++) {
        uint8_t *p = mmap(host_memory(places[i] - GUARD), HOST_WINDOW + 2 * GUARD, PROT_NONE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

        if (p == MAP_FAILED)
            continue;
        if (mprotect(p + GUARD, HOST_WINDOW, protection))
            return false;
        *base = (uint32_t)(uintptr_t)(p + GUARD);
        return true;
    }
    return false;
}

static void unmap_window(uint32_t base)
{
    if (base)
        munmap(host_memory(base - GUARD), HOST_WINDOW + 2 * GUARD);
}

static bool map_gate(struct host_exec *h)
{
    uint8_t *p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

    if (p == MAP_FAILED)
        return false;
    memcpy(p, host_gate, (size_t)(host_gate_end - host_gate));
    h->area = (struct host_exec_area *)(p + PAGE);
    return mprotect(p, PAGE, PROT_READ | PROT_EXEC) == 0;
}

static bool make_segments(struct host_exec *h)
{
    enum { DATA_RO = 0, DATA_RW = 2, DATA_RW_DOWN = 6, CODE_READABLE = 10 };
    uint32_t limit = HOST_WINDOW - 1;

    return host_exec_set_segment(h, HOST_CODE32, h->code_base, limit, CODE_READABLE, true, true) &&
           host_exec_set_segment(h, HOST_CODE16, h->code_base, limit, CODE_READABLE, false, true) &&
           host_exec_set_segment(h, HOST_DATA, h->data_base, limit, DATA_RW, true, true) &&
           host_exec_set_segment(h, HOST_STACK32, h->stack_base, limit, DATA_RW, true, true) &&
           host_exec_set_segment(h, HOST_STACK16, h->stack_base, limit, DATA_RW, false, true) &&
           host_exec_set_segment(h, HOST_DATA_RO, h->data_base, limit, DATA_RO, true, true) &&
           host_exec_set_segment(h, HOST_DATA_DOWN, h->data_base, 0x7fff, DATA_RW_DOWN, false, true) &&
           host_exec_set_segment(h, HOST_ABSENT, h->data_base, limit, DATA_RW, true, false);
}

static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGVTALRM};

bool host_exec_take_signals(struct host_exec *h)
{
    struct sigaction action = {.sa_sigaction = host_gate_signal,
                               .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER | SA_RESTART};
    struct itimerval period = {{0, WATCHDOG_USEC}, {0, WATCHDOG_USEC}};
    stack_t stack = {.ss_sp = h->signal_stack, .ss_size = SIGNAL_STACK_SIZE};
    struct sigaction before;

    if (sigaltstack(&stack, NULL) || sigaction(SIGSEGV, NULL, &before))
        return false;
    if (before.sa_sigaction != host_gate_signal)
        h->area->others = before;
    for (unsigned i = 0; i < sizeof signals / sizeof *signals; i++)
        if (sigaction(signals[i], &action, NULL))
            return false;
    return setitimer(ITIMER_VIRTUAL, &period, NULL) == 0;
}

static bool catch_signals(struct host_exec *h)
{
    void *stack = mmap(NULL, SIGNAL_STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (stack == MAP_FAILED)
        return false;
    h->signal_stack = stack;
    /* Above 4 GiB, or the kernel might take a guest ESP for a place on it. */
    return (uintptr_t)stack >> 32 != 0 && host_exec_take_signals(h);
}

bool host_exec_create(struct host_exec *h, const char **why)
{
    static const char *const problem[] = {"the CPU or kernel lacks FSGSBASE", "no memory below 4 GiB",
                                          "modify_ldt is not permitted", "signal handlers cannot be installed"};
    unsigned step = 0;

    *h = (struct host_exec){0};
    if (getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE && ++step &&
        map_window(&h->code_base, PROT_READ | PROT_WRITE | PROT_EXEC) &&
        map_window(&h->data_base, PROT_READ | PROT_WRITE) && map_window(&h->stack_base, PROT_READ | PROT_WRITE) &&
        map_gate(h) && ++step && make_segments(h) && ++step) {
        memset(host_memory(h->code_base), FILLER, HOST_WINDOW);
        h->area->mxcsr = 0x1f80;
        h->area->code_base = h->code_base;
        host_gate_current = h->area;
        __asm__ volatile("rdfsbase %0" : "=r"(h->area->fs_base));
        if (catch_signals(h))
            return true;
    }
    *why = problem[step];
    host_exec_destroy(h);
    return false;
}

void host_exec_destroy(struct host_exec *h)
{
    struct itimerval never = {0};
    stack_t none = {.ss_flags = SS_DISABLE};

    setitimer(ITIMER_VIRTUAL, &never, NULL);
    for (unsigned i = 0; i < sizeof signals / sizeof *signals; i++)
        signal(signals[i], SIG_DFL);
    sigaltstack(&none, NULL);
    if (h->signal_stack)
        munmap(h->signal_stack, SIGNAL_STACK_SIZE);
    host_gate_current = NULL;
    if (h->area)
        munmap((uint8_t *)h->area - PAGE, 2 * PAGE);
    unmap_window(h->code_base);
    unmap_window(h->data_base);
    unmap_window(h->stack_base);
    *h = (struct host_exec){0};
}

/* ---- running ---- */

void host_state_init(struct host_state *s, bool code32)
{
    uint16_t data = HOST_SELECTOR(HOST_DATA);

    memset(s, 0, sizeof *s);
    s->fx[0] = 0x7f; /* FCW 037F */
    s->fx[1] = 0x03;
    s->fx[24] = 0x80; /* MXCSR 1F80 */
    s->fx[25] = 0x1f;
    s->gpr[4] = HOST_WINDOW / 2;
    s->eip = 0x1000;
    s->eflags = 0x202;
    s->sel[CS] = HOST_SELECTOR(code32 ? HOST_CODE32 : HOST_CODE16);
    s->sel[SS] = HOST_SELECTOR(code32 ? HOST_STACK32 : HOST_STACK16);
    s->sel[DS] = s->sel[ES] = s->sel[FS] = s->sel[GS] = data;
}

/* Puts JMP ptr16:32 to the gate behind the `len` bytes of `code`; returns the new length. */
static size_t append_exit(const struct host_exec *h, uint8_t *code, size_t len, bool code32)
{
    uint32_t leave = (uint32_t)((uintptr_t)h->area - PAGE + (uintptr_t)(host_gate_leave - host_gate));

    if (!code32)
        code[len++] = 0x66;
    code[len++] = 0xea;
    memcpy(code + len, &leave, 4);
    code[len + 4] = USER_CS64;
    code[len + 5] = 0;
    return len + 6;
}

/* Puts `code` into the code window, unless it lies there already. */
static void load_code(struct host_exec *h, const uint8_t *code, size_t len, uint32_t eip)
{
    uint8_t *window = host_memory(h->code_base);

    if (h->loaded_len == len && h->loaded_eip == eip && !memcmp(h->loaded, code, len))
        return;
    memset(window + h->loaded_eip, FILLER, h->loaded_len);
    memcpy(window + eip, code, len);
    memcpy(h->loaded, code, len);
    h->loaded_eip = eip;
    h->loaded_len = (uint32_t)len;
}

/* From in->sel[CS]:eip, with the code in place, until a far jump or a signal comes back. */
static void enter_gate(struct host_exec *h, const struct host_state *in, uint32_t eip, size_t len,
                       struct host_result *result)
{
    struct host_exec_area *a = h->area;
    void (*gate)(void) = (void (*)(void))((uintptr_t)a - PAGE);
    uint64_t gs_base;

    a->in = *in;
    a->in.eip = eip;
    a->out.sel[CS] = in->sel[CS];
    a->out.eip = eip + (uint32_t)len;
    a->eflags = in->eflags;
    a->far_eip = eip;
    a->far_cs = in->sel[CS];
    a->vector = HOST_DONE;
    a->error = a->address = 0;
    a->has_entered = !(in->eflags & EFLAGS_TF);
    h->runs++;
    a->run = h->runs ? h->runs : ++h->runs;
    __asm__ volatile("rdgsbase %0" : "=r"(gs_base));
    gate();
    __asm__ volatile("wrgsbase %0" : : "r"(gs_base));
    a->run = 0;
    result->state = a->out;
    result->vector = a->vector;
    result->error = a->error;
    result->address = a->vector == 14 ? a->address : 0;
}

void host_exec_run(struct host_exec *h, const uint8_t *bytes, size_t len, const struct host_state *in,
                   struct host_result *result)
{
    uint8_t code[sizeof h->loaded];

    memcpy(code, bytes, len);
    load_code(h, code, append_exit(h, code, len, h->big_slots >> (in->sel[CS] >> 3 & 31) & 1), in->eip);
    enter_gate(h, in, in->eip, len, result);
}

void host_exec_run_at_end(struct host_exec *h, const uint8_t *bytes, size_t len, const struct host_state *in,
                          struct host_result *result)
{
    uint32_t eip = HOST_WINDOW - (uint32_t)len;

    load_code(h, bytes, len, eip);
    enter_gate(h, in, eip, len, result);
}
