/*
 * Architectural state of one virtual CPU, and the few calls that every part of the front end uses.
 *
 * The arithmetic flags are kept as their causes (flag_zero, flag_sign, flag_carry; see flags.h) because most are never
 * read. All other EFLAGS bits live in `eflags`, whose OSZAPC bits are always 0.
 */
#ifndef FRONTEND_X86_CPU_H
#define FRONTEND_X86_CPU_H

#include <setjmp.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "hw/core/bus.h"
#include "softmmu/mmu.h"
#include "frontend/x86/fpu_state.h"

enum gpr { EAX, ECX, EDX, EBX, ESP, EBP, ESI, EDI, GPR_NONE, GPR_SLOTS };
enum sreg { ES, CS, SS, DS, FS, GS, SREGS };

enum eflags_bit {
    EFLAGS_CF = 1 << 0,
    EFLAGS_FIXED = 1 << 1, /* always 1 */
    EFLAGS_PF = 1 << 2,
    EFLAGS_AF = 1 << 4,
    EFLAGS_ZF = 1 << 6,
    EFLAGS_SF = 1 << 7,
    EFLAGS_TF = 1 << 8,
    EFLAGS_IF = 1 << 9,
    EFLAGS_DF = 1 << 10,
    EFLAGS_OF = 1 << 11,
    EFLAGS_IOPL = 3 << 12,
    EFLAGS_NT = 1 << 14,
    EFLAGS_RF = 1 << 16,
    EFLAGS_VM = 1 << 17,
    EFLAGS_AC = 1 << 18,
    EFLAGS_VIF = 1 << 19,
    EFLAGS_VIP = 1 << 20,
    EFLAGS_ID = 1 << 21,
    EFLAGS_OSZAPC = EFLAGS_OF | EFLAGS_SF | EFLAGS_ZF | EFLAGS_AF | EFLAGS_PF | EFLAGS_CF,
};
#define EFLAGS_IOPL_SHIFT 12

enum cr0_bit {
    CR0_PE = 1 << 0,
    CR0_MP = 1 << 1,
    CR0_EM = 1 << 2,
    CR0_TS = 1 << 3,
    CR0_ET = 1 << 4,
    CR0_NE = 1 << 5,
    CR0_WP = 1 << 16,
    CR0_AM = 1 << 18,
    CR0_NW = 1 << 29,
    CR0_CD = 1 << 30,
};
#define CR0_PG 0x80000000u

enum cr4_bit {
    CR4_VME = 1 << 0,
    CR4_PVI = 1 << 1,
    CR4_TSD = 1 << 2,
    CR4_DE = 1 << 3,
    CR4_PSE = 1 << 4,
    CR4_PAE = 1 << 5,
    CR4_MCE = 1 << 6,
    CR4_PGE = 1 << 7,
    CR4_PCE = 1 << 8,
    CR4_OSFXSR = 1 << 9,
    CR4_OSXMMEXCPT = 1 << 10,
};

#define EFER_SCE 1u
#define EFER_NXE 0x800u

/* Access rights, laid out as LAR returns them shifted right by 8: the descriptor's bytes 5 and 6. */
enum segment_ar {
    AR_TYPE = 0x000f,
    AR_ACCESSED = 0x0001,
    AR_WRITABLE = 0x0002,   /* data */
    AR_EXPAND_DOWN = 0x0004, /* data */
    AR_READABLE = 0x0002,   /* code */
    AR_CONFORMING = 0x0004, /* code */
    AR_CODE = 0x0008,
    AR_S = 0x0010, /* code or data, not system */
    AR_DPL = 0x0060,
    AR_P = 0x0080,
    AR_AVL = 0x1000,
    AR_L = 0x2000,
    AR_DB = 0x4000, /* D/B: 32-bit */
    AR_G = 0x8000,
};
#define AR_DPL_SHIFT 5

/* How accesses through a segment register are done in a block. Part of a translated block's key. */
enum x86_seg_class {
    SEG_CLASS_FLAT,   /* base 0, 4 GiB, readable and writable (CS: readable): nothing to add, nothing to check */
    SEG_CLASS_BASED,  /* any base, limit ffffffff, readable and writable: the base is added */
    SEG_CLASS_64K,    /* base a multiple of 16, limit at least ffff, readable and writable: 16-bit offsets need no check
                         but for accesses that wrap at 64 KiB, which are never aligned */
    SEG_CLASS_CHECKED, /* short or read-only: the offset is compared with the segment's fast end (struct segment) */
    SEG_CLASS_OTHER,  /* null, expand-down, alignment checked: every access is the interpreter's */
};

struct segment {
    uint16_t selector;
    uint16_t ar;    /* enum segment_ar; 0 (not present) for a null selector */
    uint32_t base;
    uint32_t limit; /* in bytes, G already applied */
    /* Fast limit check (seg.c, segment_derive): an access of at most 16 bytes at `offset` needs no further check
     * while offset < fast_read_end (fast_write_end for stores). 0 sends every access to the full check. */
    uint32_t fast_read_end;
    uint32_t fast_write_end;
    uint8_t access; /* enum x86_seg_class */
};

struct table_register { /* GDTR, IDTR */
    uint32_t base;
    uint16_t limit;
};

/* Why the run loop must look up. Set from any thread; polled between blocks. */
enum cpu_event {
    CPU_EVENT_INTR = 1 << 0,  /* INTR pin is high */
    CPU_EVENT_NMI = 1 << 1,   /* NMI edge latched */
    CPU_EVENT_POLL = 1 << 2,  /* machine thread has timers or host events to serve */
    CPU_EVENT_RESET = 1 << 3, /* INIT/reset at the next boundary */
    CPU_EVENT_STOP = 1 << 4,  /* leave cpu_run */
    CPU_EVENT_FLUSH = 1 << 5, /* decoded code is stale (remap, A20) */
    CPU_EVENT_SMI = 1 << 6,   /* SMI# edge latched */
};

/* Shadows: what the instruction just executed holds back until the next one is done. */
enum cpu_shadow {
    SHADOW_STI = 1 << 0,    /* STI: no INTR before the next instruction ends */
    SHADOW_MOV_SS = 1 << 1, /* MOV SS, POP SS: no INTR, NMI, #DB trap before the next instruction ends */
};

enum cpu_stepping {
    STEPPING_BREAKPOINTS = 1 << 0, /* breakpoints are armed: one instruction at a time (debug.c) */
    STEPPING_SINGLE = 1 << 1,      /* one uncached instruction is being executed: do not go on with a block */
    STEPPING_TRACE = 1 << 2,       /* -d exec, cpu: every block returns to the run loop */
};

enum cpu_halt_state { CPU_RUNNING, CPU_HALTED, CPU_SHUTDOWN };

struct insn;
struct code_block;
struct code_cache;
struct cpu;
struct cpu_model; /* cpuid.h */
struct translator; /* translator/translator.h */

/* What the vCPU asks of the board. All called on the machine thread. */
struct cpu_board {
    void *opaque;
    uint8_t (*intack)(void *opaque);           /* INTA cycle: the PIC's vector */
    void (*ferr)(void *opaque, bool level);    /* FERR# to IRQ 13 logic */
    void (*poll)(void *opaque);                /* CPU_EVENT_POLL: run timers, host input */
    void (*idle)(void *opaque);                /* HLT: sleep until something may have happened, then poll */
    void (*shutdown)(void *opaque);            /* triple fault */
    uint64_t (*tsc)(void *opaque);             /* time-stamp counter before IA32_TSC offset */
    void (*smm)(void *opaque, bool active);    /* SMIACT#: SMRAM appears, A20 is not masked. May be NULL */
    void (*apic_base)(void *opaque, uint64_t value); /* IA32_APIC_BASE after a write or reset. May be NULL */
};

/* What runs guest code instead of the interpreter's blocks, if anything (struct cpu.engine). */
struct cpu_engine {
    /* Runs from cpu->eip until something needs the run loop. All state is in struct cpu before and after. */
    void (*run)(struct cpu *cpu);
    /* Brings what the engine keeps in host registers beyond a run into struct cpu: after a fault unwound out of it. */
    void (*settle)(struct cpu *cpu);
    /* Bytes first..last of the physical page `page` were written. True if the engine still has code of that page. */
    bool (*code_written)(struct cpu *cpu, phys_addr page, unsigned first, unsigned last);
    /* A store has hit the interpreter's block at the physical address. */
    void (*cold_code_written)(struct cpu *cpu, phys_addr address);
    /* Has it code of that physical page? */
    bool (*has_code)(struct cpu *cpu, phys_addr page);
    /* Forget everything: memory was mapped anew. */
    void (*empty)(struct cpu *cpu);
};

struct cpu_smm {
    uint32_t smbase;
    bool active;          /* between SMI and RSM */
    bool nmi_was_blocked; /* what RSM brings back, beside the state in SMRAM */
    uint32_t pending_db;
};

struct cpu_msrs {
    uint64_t tsc_offset; /* RDTSC = board tsc + offset */
    uint64_t apic_base;
    uint32_t sysenter_cs, sysenter_esp, sysenter_eip;
    uint64_t efer;
    uint64_t pat;
    uint64_t mtrr_def_type;
    uint64_t mtrr_fixed[11];   /* 64K_00000, 16K_80000, 16K_A0000, 4K_C0000..4K_F8000 */
    uint64_t mtrr_base[8], mtrr_mask[8];
    uint64_t mcg_status, mcg_ctl;
    uint64_t mc_bank[4][4]; /* CTL STATUS ADDR MISC */
    uint64_t misc_enable;
    uint64_t bios_sign_id;
    uint64_t debugctl;
    uint64_t perf_evtsel[2], perf_ctr[2];
};

/* What translated code keeps beside the architecture. While it runs, the general registers and OSZAPC are in host
 * registers; whenever C code runs they are in struct cpu (backend/x86_64/entry.c). */
struct cpu_translated {
    _Atomic uint64_t run_ok; /* 0: leave at the next poll. Cleared by any thread with an event */
    uint32_t page_eip;       /* EIP of the first byte of the page that the running block lies in */
    uint32_t address;        /* linear address of the access that needs the slow path, if no guest register holds it */
    uint64_t flags;          /* the host's EFLAGS at the last exit, of which OSZAPC count */
    _Atomic(const void *) jump_table; /* of computed jumps: the mode's, or no_jumps while run_ok is 0 (translator/jump.c) */
    const void *no_jumps;    /* the table in which nothing is entered; NULL before there is one */
    uint64_t unit_loaded;    /* the guest's XMM registers are in the host's */
    uint64_t x87_loaded;     /* the guest's x87 is in the host's */
    uint64_t scratch;
    uint64_t group[6];       /* host addresses of access groups (backend/x86_64/survey.h) */
    uint32_t left_by_poll;   /* the flags are still in `flags` only */
    /* For PEXT: page number with the address's low bits, or with the high bits of its offset; these bits; all of them. */
    uint32_t mask2, mask4, mask8, mask16, mask_group, mask_part, mask_offset;
    uint32_t mask_x87;                   /* for PEXT: a control word's exception masks */
    uint32_t x87_note, x87_page; /* the last x87 instruction: FOP and where it was (backend/x86_64/x64.h) */
    uint32_t x87_data_seg;       /* segment of its operand, plus 1; 0: FDS is known */
    uint32_t x87_turns;          /* the running block's loop is not in its first turn */
    const void *flat;        /* softmmu/flat.h: tables of the current view */
    const void *flat_supervisor; /* and of the supervisor's */
    const void *(*slow)(struct cpu *cpu, const uint8_t *site);   /* an access or instruction that needs C */
    const void *(*link)(struct cpu *cpu, const uint8_t *site);   /* a jump whose block is not known yet */
    const void *(*fault)(struct cpu *cpu, const uint8_t *unused); /* a window has no page there (translator/fault.c) */
    void (*settle_x87)(struct cpu *cpu);                         /* x87's pointers, before a segment register changes */
    void (*load_x87)(struct cpu *cpu);                           /* the guest's x87 into the host's */
    uint64_t (*tsc)(struct cpu *cpu);                            /* the time-stamp counter */
    const void *(*lookup)(struct cpu *cpu);                      /* the block at cpu->eip */
    uint64_t counted, counter_spare; /* with translator_options.count: guest instructions that translated code has run */
};

/*
 * Protected-mode descriptors that were loaded into ES, DS, FS or GS, with what the register held then: as long as the
 * tables' registers and the descriptor's eight bytes are what they were, the same load at the same CPL has that result.
 * By the low byte of the selector. Translated code compares; seg.c fills and forgets.
 */
#define KNOWN_DESCRIPTORS      256u
#define KNOWN_DESCRIPTOR_WORDS 3u
struct known_descriptors {
    struct {
        uint32_t of_class; /* minus (selector + known_descriptor_key() of the segment's class); 0: empty */
        uint32_t checked;  /* the same for SEG_CLASS_CHECKED, as which a segment of class 64K may pass too */
    } tag[KNOWN_DESCRIPTORS];
    struct {
        uint32_t address, page_index; /* page_index: of the address, in the flat tables for 8 bytes */
    } place[KNOWN_DESCRIPTORS];
    uint64_t minus_raw[KNOWN_DESCRIPTORS];                       /* the descriptor's bytes, negated */
    uint64_t segment[KNOWN_DESCRIPTOR_WORDS][KNOWN_DESCRIPTORS]; /* struct segment, in words */
    bool any;
};
_Static_assert(sizeof(struct segment) == KNOWN_DESCRIPTOR_WORDS * sizeof(uint64_t), "copied in words");
static inline uint32_t known_descriptor_key(unsigned cpl, unsigned access)
{
    return 1u << 24 | (uint32_t)cpl << 20 | (uint32_t)access << 16;
}

struct cpu {
    /* ---- the interpreter's hot line ---- */
    uint32_t gpr[GPR_SLOTS]; /* gpr[GPR_NONE] is always 0: "no base", "no index" */
    uint32_t eip; /* while a block runs: EIP of the block's first instruction; insn_eip() gives the current one */
    uint32_t flag_zero, flag_sign, flag_carry; /* flags.h */
    uint32_t eflags;                           /* all but OSZAPC */
    const struct insn *insn;                   /* the instruction being executed */
    struct code_block *block;                  /* the block it belongs to; NULL outside blocks */
    uintptr_t chain_stack_limit;               /* below it, chains of blocks return to the run loop (run.h) */
    enum mmu_view view;                        /* MMU_USER at CPL 3 */
    uint8_t cpl;                               /* 0 in real mode, 3 in virtual-8086 mode */
    _Atomic uint32_t events;                   /* enum cpu_event */
    /* These four are tested together before every block (run.c): any non-zero one needs attention. */
    uint8_t shadow;      /* enum cpu_shadow in force now */
    uint8_t shadow_next; /* shadows set by the current instruction, in force for the next one */
    uint8_t halt;        /* enum cpu_halt_state */
    uint8_t stepping;    /* enum cpu_stepping */
    struct segment seg[SREGS];

    struct cpu_translated translated;
    struct segment ldtr, tr;
    struct table_register gdtr, idtr;
    uint32_t cr0, cr2, cr3, cr4;
    uint32_t dr[8];
    uint32_t pending_db; /* DR6 bits of a #DB trap due when this instruction ends */
    struct cpu_msrs msr;
    bool nmi_blocked; /* until IRET */
    bool intr_line;
    struct cpu_smm smm;

    struct fpu fpu;
    struct mmu mmu;

    /* ---- exceptions on their way (exception.c) ---- */
    jmp_buf unwind; /* cpu_raise() lands in the run loop */
    struct {
        uint8_t vector;
        bool has_error;
        uint32_t error;
    } fault;

    /* ---- surroundings, given at creation ---- */
    struct bus *bus;
    struct phys *phys;
    const struct cpu_board *board;
    const struct cpu_model *model;
    struct code_cache *code;
    struct translator *translator; /* of the engine below */
    const struct cpu_engine *engine; /* NULL: everything is interpreted */
    uint64_t executed; /* guest instructions retired, counted per block */

    uint64_t idle_ns;  /* spent in HLT, of the host's time */

    struct known_descriptors known;
};

enum cpu_vector {
    VEC_DE = 0,
    VEC_DB = 1,
    VEC_NMI = 2,
    VEC_BP = 3,
    VEC_OF = 4,
    VEC_BR = 5,
    VEC_UD = 6,
    VEC_NM = 7,
    VEC_DF = 8,
    VEC_TS = 10,
    VEC_NP = 11,
    VEC_SS = 12,
    VEC_GP = 13,
    VEC_PF = 14,
    VEC_MF = 16,
    VEC_AC = 17,
    VEC_MC = 18,
    VEC_XM = 19,
};

/* ---- faults (exception.c). They unwind to the run loop; the instruction has changed nothing. ---- */
_Noreturn void cpu_raise(struct cpu *cpu, enum cpu_vector vector);                         /* no error code */
_Noreturn void cpu_raise_error(struct cpu *cpu, enum cpu_vector vector, uint32_t error);   /* with error code */

static inline bool cpu_is_pm(const struct cpu *cpu) /* protected mode, V86 included */
{
    return cpu->cr0 & CR0_PE;
}
static inline bool cpu_is_v86(const struct cpu *cpu)
{
    return cpu->eflags & EFLAGS_VM;
}
static inline bool cpu_is_real_or_v86(const struct cpu *cpu)
{
    return !cpu_is_pm(cpu) || cpu_is_v86(cpu);
}
static inline unsigned cpu_iopl(const struct cpu *cpu)
{
    return (cpu->eflags & EFLAGS_IOPL) >> EFLAGS_IOPL_SHIFT;
}
static inline bool cpu_code32(const struct cpu *cpu)
{
    return cpu->seg[CS].ar & AR_DB;
}
static inline bool cpu_stack32(const struct cpu *cpu)
{
    return cpu->seg[SS].ar & AR_DB;
}
static inline uint32_t cpu_sp_mask(const struct cpu *cpu)
{
    return cpu_stack32(cpu) ? 0xffffffffu : 0xffffu;
}

/* ---- life (cpu.c) ---- */

/* Everything is owned by the caller and outlives the cpu. NULL when out of memory. */
struct cpu *cpu_create(struct bus *bus, struct phys *phys, const struct cpu_board *board, const struct cpu_model *model);
void cpu_destroy(struct cpu *cpu);
/* Power-on / RESET# state, SDM vol. 3 "Processor State After Reset": CS:EIP at FFFFFFF0. */
void cpu_reset(struct cpu *cpu);
/* Runs guest code until CPU_EVENT_STOP. */
void cpu_run(struct cpu *cpu);
/* Executes exactly one instruction (or delivers one interrupt, or passes one halted poll). With an engine: what that runs
 * in one go, which is one instruction if it was created so. */
void cpu_step(struct cpu *cpu);
void cpu_set_event(struct cpu *cpu, uint32_t events); /* any thread */
void cpu_set_intr(struct cpu *cpu, bool level);       /* the PIC's INT output */
/* QEMU's `info registers` text. */
void cpu_print_registers(struct cpu *cpu, FILE *out);

/* ---- EFLAGS as a whole (flags.c) ---- */
uint32_t cpu_get_eflags(const struct cpu *cpu); /* with OSZAPC and the fixed bit */
/* Stores the bits of `value` selected by `mask` (may include OSZAPC), leaves the rest; never changes the fixed bits. */
void cpu_set_eflags(struct cpu *cpu, uint32_t value, uint32_t mask);

#endif
