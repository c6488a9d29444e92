/* Shared by the files of the system side (seg, exception, task, control, msr, debug, interp_sys_*), and by nobody else
 * except where cpu.c wires a callback. */
#ifndef FRONTEND_X86_SYS_INTERNAL_H
#define FRONTEND_X86_SYS_INTERNAL_H

#include "frontend/x86/seg.h"
#include "frontend/x86/sys.h"

/* CPUID.1:EDX, SDM vol. 2 "CPUID" */
enum cpuid_edx_bit {
    CPUID_FPU = 1 << 0,
    CPUID_VME = 1 << 1,
    CPUID_DE = 1 << 2,
    CPUID_PSE = 1 << 3,
    CPUID_TSC = 1 << 4,
    CPUID_MSR = 1 << 5,
    CPUID_PAE = 1 << 6,
    CPUID_MCE = 1 << 7,
    CPUID_CX8 = 1 << 8,
    CPUID_APIC = 1 << 9,
    CPUID_SEP = 1 << 11,
    CPUID_MTRR = 1 << 12,
    CPUID_PGE = 1 << 13,
    CPUID_MCA = 1 << 14,
    CPUID_CMOV = 1 << 15,
    CPUID_PAT = 1 << 16,
    CPUID_PSE36 = 1 << 17,
    CPUID_CLFLUSH = 1 << 19,
    CPUID_MMX = 1 << 23,
    CPUID_FXSR = 1 << 24,
    CPUID_SSE = 1 << 25,
    CPUID_SSE2 = 1 << 26,
};
#define CPUID_ECX_POPCNT (1u << 23)
#define CPUID_EXT_EDX_NX (1u << 20)

/* Types of system descriptors (S = 0), SDM vol. 3 "System Descriptor Types" */
enum descriptor_type {
    TYPE_TSS16 = 1,
    TYPE_LDT = 2,
    TYPE_TSS16_BUSY = 3,
    TYPE_CALL16 = 4,
    TYPE_TASK_GATE = 5,
    TYPE_INT16 = 6,
    TYPE_TRAP16 = 7,
    TYPE_TSS32 = 9,
    TYPE_TSS32_BUSY = 11,
    TYPE_CALL32 = 12,
    TYPE_INT32 = 14,
    TYPE_TRAP32 = 15,
    TYPE_32BIT = 8,    /* this bit tells the 32-bit kinds */
    TYPE_TSS_BUSY = 2, /* this bit tells a busy TSS */
};

#define SELECTOR_TI           4u
#define SELECTOR_RPL          3u
#define SELECTOR_ERROR(sel)   ((sel)&0xfffcu) /* error code that names a selector */
#define SELECTOR_IS_NULL(sel) (((sel)&0xfffcu) == 0)

static inline unsigned ar_dpl(uint16_t ar)
{
    return (ar & AR_DPL) >> AR_DPL_SHIFT;
}
static inline bool ar_is_present(uint16_t ar)
{
    return ar & AR_P;
}
static inline bool ar_is_code(uint16_t ar)
{
    return (ar & (AR_S | AR_CODE)) == (AR_S | AR_CODE);
}
static inline bool ar_is_conforming(uint16_t ar)
{
    return (ar & (AR_S | AR_CODE | AR_CONFORMING)) == (AR_S | AR_CODE | AR_CONFORMING);
}
static inline bool ar_is_writable_data(uint16_t ar)
{
    return (ar & (AR_S | AR_CODE | AR_WRITABLE)) == (AR_S | AR_WRITABLE);
}
static inline bool ar_is_readable(uint16_t ar) /* data, or readable code */
{
    return (ar & AR_S) && (!(ar & AR_CODE) || (ar & AR_READABLE));
}
static inline bool ar_is_system(uint16_t ar, unsigned type)
{
    return (ar & (AR_S | AR_TYPE)) == type;
}
static inline bool ar_is_tss(uint16_t ar) /* available or busy, 16 or 32 bits */
{
    return !(ar & AR_S) && (ar & 5) == 1;
}

/* ---- seg.c ---- */

/* The limit alone, for a stack or code segment that is not loaded yet. width > 0. */
bool segment_limit_holds(const struct segment *s, uint32_t offset, uint32_t width);
/* What the register would hold; the derived fields are left 0. */
void segment_unpack(struct segment *out, uint16_t selector, const struct descriptor *d);
void segment_set_null(struct cpu *cpu, unsigned seg, uint16_t selector);
/* After a return to an outer level: nulls ES, DS, FS, GS that the new CPL must not see. */
void segments_drop_privileged(struct cpu *cpu);
bool alignment_is_checked(const struct cpu *cpu);
/* cpu_set_eflags, and what depends on AC. */
void cpu_commit_eflags(struct cpu *cpu, uint32_t value, uint32_t mask);

struct gate {        /* a call, interrupt, trap or task gate */
    uint32_t offset; /* 16-bit gates: zero-extended */
    uint16_t selector;
    uint8_t type; /* enum descriptor_type */
    uint8_t n_params;
    bool is_32bit;
};
struct gate gate_unpack(uint32_t low, uint32_t high);

/* Values to be pushed on a stack that may not be the current one. */
struct frame {
    uint32_t item[40]; /* in the order they are pushed */
    unsigned count;
    unsigned item_bytes; /* 2 or 4 */
};
static inline void frame_add(struct frame *f, uint32_t value)
{
    f->item[f->count++] = value;
}
/* #SS(error) if the frame does not fit below `esp`. */
void frame_check_room(struct cpu *cpu, const struct segment *ss, uint32_t esp, const struct frame *f, uint32_t error);
/* Write-checks all of the frame in `view`, then stores it. Returns the new ESP. */
uint32_t frame_store(struct cpu *cpu, const struct segment *ss, uint32_t esp, const struct frame *f,
                     enum mmu_view view);

/* ---- exception.c ---- */

/* mmu.page_fault: sets CR2 and raises #PF(error). `opaque` is the cpu. */
void cpu_page_fault(void *opaque, lin_addr address, uint32_t error) __attribute__((noreturn));
/* Triple fault, or a state that RSM must not load. */
void cpu_enter_shutdown(struct cpu *cpu);
/* A #DB fault (not trap) that reports `dr6_bits`: instruction breakpoint, general detect. */
_Noreturn void cpu_raise_debug(struct cpu *cpu, uint32_t dr6_bits);
/* interrupt_deliver for handlers: cpu->eip stays at the instruction until nothing can fault any more. */
void interrupt_deliver_from(struct cpu *cpu, uint8_t vector, enum interrupt_kind kind, bool has_error, uint32_t error,
                            uint32_t return_eip);

/* ---- task.c ---- */

struct inner_stack { /* from the TSS, checked */
    struct segment ss;
    struct descriptor descriptor;
    uint32_t esp;
};
/* SS:ESP of the current TSS for `cpl`, with all checks of an inter-privilege transfer: #TS and #SS, `ext` (0 or 1)
 * or-ed into the error codes. */
void tss_inner_stack(struct cpu *cpu, unsigned cpl, uint32_t ext, struct inner_stack *out);
/* task_switch for handlers: `return_eip` goes to the outgoing TSS; faults before the commit point leave cpu->eip alone,
 * later ones find it at the new task's EIP (and cpu->insn at a boundary with offset 0). */
void task_switch_from(struct cpu *cpu, uint16_t tss_selector, enum task_switch_kind kind, bool has_error,
                      uint32_t error, uint32_t return_eip, uint32_t ext);

/* ---- msr.c ---- */

#define APIC_BASE_ENABLE (1u << 11)
/* IA32_APIC_BASE, and tells the board. */
void cpu_set_apic_base(struct cpu *cpu, uint64_t value);

/* ---- control.c ---- */

/* The CR4 bits this model has; 0: it has no CR4. */
uint32_t cpu_cr4_bits(const struct cpu *cpu);

/* ---- debug.c ---- */

/* mmu.debug_access: notes a #DB trap for the data breakpoints that [address, address + width) touches. */
void debug_data_access(void *opaque, lin_addr address, unsigned width, bool is_write);

enum dr6_bit { DR6_B0 = 1 << 0, DR6_BD = 1 << 13, DR6_BS = 1 << 14, DR6_BT = 1 << 15 };
#define DR6_FIXED   0xffff0ff0u /* read as 1 */
#define DR7_FIXED   0x00000400u
#define DR6_VALID   0x0000e00fu
#define DR7_LOCAL   0x00000155u /* L0-L3, LE */
#define DR7_ENABLES 0x000000ffu
#define DR7_GD      0x00002000u
#define DR7_VALID   0xffff27ffu

/* True when something wants the run loop's attention now: REP loops stop, I/O ends its block. */
static inline bool cpu_wants_attention(struct cpu *cpu)
{
    uint32_t events = atomic_load_explicit(&cpu->events, memory_order_relaxed);

    if (__builtin_expect(events | cpu->pending_db, 0)) {
        if (!(cpu->eflags & EFLAGS_IF))
            events &= ~(uint32_t)CPU_EVENT_INTR;
        if (cpu->smm.active)
            events &= ~(uint32_t)CPU_EVENT_SMI;
        return events | cpu->pending_db;
    }
    return false;
}

#endif
