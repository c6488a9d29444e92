/*
 * Host faults of translated code: an access through a window (softmmu/window.h) met a page that the window does not
 * show, or SSE wants alignment.
 *
 * The signal's handler only notes where that was and goes on at a trampoline, which saves the guest's state as at the
 * start of the faulting host instruction and calls C code on the processor's own stack. A fault anywhere else is not
 * ours, and goes to whoever wanted SIGSEGV before.
 */
#define _GNU_SOURCE
#include <asm/prctl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "translator/internal.h"

#define HWCAP2_FSGSBASE (1 << 1)
#define TRAP_PAGE_FAULT 14
#define ERROR_WRITE     (1 << 1)

static _Thread_local struct translator *running;
static _Thread_local const uint8_t *gs_base; /* of this thread */
static struct sigaction before;
static bool has_fsgsbase;
static pthread_mutex_t installing = PTHREAD_MUTEX_INITIALIZER;

static bool is_in_code(const struct translator *t, uintptr_t pc)
{
    const uint8_t *start = code_memory_exec(&t->memory, t->code_start); /* behind the trampolines */

    return pc - (uintptr_t)start < t->memory.size_bytes - (size_t)(t->code_start - t->memory.write);
}

static void pass_on(int signal, siginfo_t *info, void *context)
{
    if (before.sa_flags & SA_SIGINFO) {
        before.sa_sigaction(signal, info, context);
    } else if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN) {
        before.sa_handler(signal);
    } else {
        sigaction(signal, &before, NULL); /* the instruction faults again, and that is the end */
        if (info->si_code <= 0)           /* unless somebody sent it */
            raise(signal);
    }
}

static void on_fault(int signal, siginfo_t *info, void *context)
{
    struct translator *t = running;
    greg_t *reg = ((ucontext_t *)context)->uc_mcontext.gregs;
    const uintptr_t pc = (uintptr_t)reg[REG_RIP];

    const uint64_t address = (uintptr_t)info->si_addr - (uintptr_t)gs_base;
    const bool is_translation = reg[REG_TRAPNO] == TRAP_PAGE_FAULT;

    if (!t || info->si_code <= 0 || !is_in_code(t, pc) || (is_translation && address >= WINDOW_BYTES)) {
        pass_on(signal, info, context);
        return;
    }
    t->fault.pc = code_memory_write(&t->memory, (const uint8_t *)pc);
    t->fault.address = address;
    t->fault.is_translation = is_translation;
    t->fault.is_write = reg[REG_ERR] & ERROR_WRITE;
    reg[REG_RIP] = (greg_t)(uintptr_t)code_memory_exec(&t->memory, t->entry.fault);
}

bool faults_install(void)
{
    const struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
    struct sigaction now;
    bool is_installed;

    pthread_mutex_lock(&installing);
    is_installed = sigaction(SIGSEGV, NULL, &now) == 0;
    if (is_installed && !(now.sa_flags & SA_SIGINFO && now.sa_sigaction == on_fault)) {
        before = now;
        has_fsgsbase = getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE;
        is_installed = sigaction(SIGSEGV, &action, NULL) == 0;
    }
    pthread_mutex_unlock(&installing);
    return is_installed;
}

void faults_expect(struct translator *t)
{
    running = t;
}

void faults_forget(const struct translator *t)
{
    if (running == t)
        running = NULL;
}

void faults_use_window(const struct window *window)
{
    const uint8_t *base = window_base(window);

    if (gs_base == base)
        return;
    gs_base = base;
    if (has_fsgsbase)
        __asm__ volatile("wrgsbase %0" ::"r"(base));
    else
        syscall(SYS_arch_prctl, ARCH_SET_GS, base);
}

/* Blocks lie in memory in the order of their numbers. */
struct block *faults_find(const struct translator *t, unsigned *insn)
{
    uint32_t low = 0, high = t->n_blocks;
    struct block *block;
    uint32_t offset, at = 0;

    while (high - low > 1) {
        const uint32_t middle = low + (high - low) / 2;

        if (t->block[middle]->code <= t->fault.pc)
            low = middle;
        else
            high = middle;
    }
    block = t->block[low];
    offset = (uint32_t)(t->fault.pc - block->code);
    /* The last of a turn's offsets is the first of the next one's. */
    while (at + 2 < block->turns * (block->n_insns + 1) && block->insn_host[at + 1] <= offset)
        at++;
    *insn = at % (block->n_insns + 1);
    return block;
}
