/*
 * Runs single 16- and 32-bit instructions on the host CPU: the oracle for decoder and interpreter.
 *
 * A 64-bit process enters compatibility mode by a far jump. Code, data and stack are LDT segments of 64 KiB
 * (modify_ldt) over low memory, so that a wild address ends in #GP(0) as it does for the guest and cannot reach the
 * test program. The instruction is followed by a far jump back; one that branches elsewhere lands on HLT, whose #GP
 * tells where.
 *
 * Cost: 0.4 us for an instruction that completes, 2 us for one that faults or branches (#UD more under some
 * hypervisors).
 *
 * What the host shows and the SDM's state does not: EFLAGS.IF is always 1 and IOPL 0; after a fault RF is set in
 * EFLAGS. AMD hosts leave FIP, FDP and FOP of the FXSAVE image alone unless an x87 exception is pending.
 */
#ifndef TESTS_INSN_HOST_EXEC_H
#define TESTS_INSN_HOST_EXEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The segments that exist from the start. Selector: HOST_SELECTOR(slot). Slots from HOST_FREE_SLOT up are the caller's.
 */
enum host_slot {
    HOST_NULL,
    HOST_CODE32,    /* D = 1, readable, base code_base, limit FFFF */
    HOST_CODE16,    /* D = 0, the same bytes */
    HOST_DATA,      /* writable, B = 1, base data_base, limit FFFF */
    HOST_STACK32,   /* writable, B = 1, base stack_base, limit FFFF */
    HOST_STACK16,   /* writable, B = 0, the same bytes */
    HOST_DATA_RO,   /* as HOST_DATA, read-only */
    HOST_DATA_DOWN, /* expand-down, B = 0, limit 7FFF: offsets 8000..FFFF of the data window are valid */
    HOST_ABSENT,    /* data, not present */
    HOST_FREE_SLOT,
    HOST_SLOTS = 32,
};
#define HOST_SELECTOR(slot) ((uint16_t)((slot) << 3 | 7)) /* LDT, RPL 3 */

enum { HOST_WINDOW = 0x10000 }; /* bytes of each of the three windows; guard pages lie between them */

struct host_state {
    _Alignas(16) uint8_t fx[512]; /* FXSAVE image, 32-bit form: x87, MMX, XMM, MXCSR */
    uint32_t gpr[8];              /* enum gpr order */
    uint32_t eip, eflags;
    uint16_t sel[6]; /* enum sreg order: ES CS SS DS FS GS */
};

enum host_outcome {
    HOST_DONE = -1,      /* the instruction completed; state.eip is where execution goes on */
    HOST_TIMEOUT = -2,   /* it did not end within a fraction of a second */
    HOST_BAD_STATE = -3, /* the state could not be loaded (a selector that faults) */
};

struct host_result {
    struct host_state state;
    int vector;       /* exception vector 0..31, or enum host_outcome */
    uint32_t error;   /* error code of the exceptions that have one; #PF as in the SDM */
    uint32_t address; /* #PF: CR2 */
};

struct host_exec {
    uint32_t code_base, data_base, stack_base; /* linear = host addresses of the windows; see host_memory */
    struct host_exec_area *area;               /* private */
    void *signal_stack;
    uint32_t big_slots;     /* bit n: slot n has B or D set */
    uint8_t loaded[15 + 8]; /* what lies in the code window now */
    uint32_t loaded_eip, loaded_len;
    uint32_t runs;
};

/* Sets up windows, LDT and signal handlers (SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGVTALRM). One at a time per
 * process, used from one thread. False: the host cannot (no modify_ldt, no FSGSBASE); *why says so, and tests skip. */
bool host_exec_create(struct host_exec *h, const char **why);
void host_exec_destroy(struct host_exec *h);

/* Installs the signal handlers again. A SIGSEGV between two runs goes to the handler that is there now, if it was
 * installed with SA_SIGINFO. cmocka puts its own in their place at the start of each test function: whoever
 * created the executor outside of it calls this first. */
bool host_exec_take_signals(struct host_exec *h);

/* Defines LDT slot `slot`: base and limit in bytes (limits above FFFFF are rounded to pages); `type` is the
 * descriptor's type field without A: 0 data, 2 writable, 4|.. expand-down, 8 code, A readable code, C|.. conforming. */
bool host_exec_set_segment(struct host_exec *h, unsigned slot, uint32_t base, uint32_t limit, unsigned type, bool big,
                           bool present);

/* A state to start from: flat registers 0, CS = HOST_CODE32 or HOST_CODE16, SS alike with ESP in its middle, DS ES FS
 * GS = HOST_DATA, EIP 0x1000, EFLAGS 0x202, x87 and SSE as after FNINIT with default MXCSR, registers zero. */
void host_state_init(struct host_state *s, bool code32);

/* Host address of a linear address inside a window. Contents stay as the last instruction (or the caller) left them. */
static inline void *host_memory(uint32_t linear)
{
    return (void *)(uintptr_t)linear;
}

/*
 * Runs the `len` (1..15) bytes at in->sel[CS]:in->eip (offset in the code window, at most FFFF - 32) from state `in`.
 * CS is HOST_CODE32 or HOST_CODE16 (or a caller's slot over the code window). Its branch targets must not lie within
 * the instruction itself or the 8 bytes after it, except the next instruction. With EFLAGS.TF set the result is vector
 * 1 (#DB) after the instruction. In `result`, EFLAGS is complete, and EIP of a fault is the instruction's own.
 * Instructions that enter the host's kernel (INT 80h, SYSCALL, SYSENTER, VMCALL, VMMCALL) are the caller's to avoid.
 */
void host_exec_run(struct host_exec *h, const uint8_t *bytes, size_t len, const struct host_state *in,
                   struct host_result *result);

/*
 * The same, but the `len` bytes end where the code window ends, in->eip is ignored, and no way back follows: an
 * instruction that needs more bytes gives vector 14 at its own EIP (HOST_WINDOW - len) with the window's end as
 * address. CS must be a caller's code slot over the window whose limit lies beyond it.
 */
void host_exec_run_at_end(struct host_exec *h, const uint8_t *bytes, size_t len, const struct host_state *in,
                          struct host_result *result);

#endif
