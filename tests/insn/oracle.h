/*
 * The host CPU as oracle: cases generated from the ISA table, run natively and by the interpreter, and compared.
 *
 *   oracle_form.c     which forms there are, what each must show, and where processors may differ from the manual
 *   oracle_insn.c     the bytes of an instruction of a given form
 *   oracle_state.c    registers, segments and memory for it
 *   oracle_machine.c  the two executors with the same segments, pages and memory
 *   oracle_compare.c  the comparison, and what is said about a difference
 *   oracle.c          the command line, the loop and the report
 *
 * A case is a pure function of (seed, form, code size, number): it starts from memory that is always the same and puts
 * it back. So any case can be run again by its number.
 */
#ifndef TESTS_INSN_ORACLE_H
#define TESTS_INSN_ORACLE_H

#include "frontend/x86/cpu.h"
#include "frontend/x86/cpuid.h"
#include "frontend/x86/insn.h"
#include "translator/translator.h"
#include "tests/insn/host_exec.h"

/* ---- random numbers: splitmix64 ---- */

struct rng {
    uint64_t state;
};

static inline uint64_t rng64(struct rng *r)
{
    uint64_t z = r->state += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}
static inline uint32_t rng32(struct rng *r)
{
    return (uint32_t)(rng64(r) >> 32);
}
static inline uint32_t rng_below(struct rng *r, uint32_t n) /* 0 .. n - 1 */
{
    return (uint32_t)((uint64_t)rng32(r) * n >> 32);
}
static inline bool rng_one_in(struct rng *r, uint32_t n)
{
    return rng_below(r, n) == 0;
}

/* ---- forms ---- */

enum oracle_set { SET_INTEGER, SET_X87, SET_SIMD, SETS };

/* What the generator must know beyond the operands. */
enum oracle_kind {
    KIND_PLAIN,
    KIND_SHIFT,    /* count in CL or an immediate */
    KIND_BIT,      /* BT and friends with a register: the bit offset moves the address */
    KIND_DIVIDE,   /* rDX:rAX is worth choosing */
    KIND_COMPARE,  /* CMPXCHG: equal or not */
    KIND_COMPARE8, /* CMPXCHG8B */
    KIND_BOUND,
    KIND_STRING,
    KIND_XLAT,
    KIND_MASKMOV,
    KIND_JUMP,    /* near, target in the instruction */
    KIND_JUMP_RM, /* near, target in register or memory; CALL too */
    KIND_RET,
    KIND_FAR_IMM,
    KIND_FAR_MEM,
    KIND_FAR_RET, /* RETF, IRET */
    KIND_STACK,   /* PUSH, POP and the like */
    KIND_FRAME,   /* ENTER, LEAVE */
    KIND_POPF,
    KIND_SREG, /* the operand is a selector to load */
    KIND_POP_SREG,
    KIND_FAR_LOAD, /* LDS and friends */
    KIND_SELECTOR, /* LAR, LSL, VERR, VERW: a selector to look at */
    KIND_PRIVILEGED,
    KIND_INT,
    KIND_LDMXCSR,
    KIND_FXRSTOR,
    KIND_FLDCW,
    KIND_X87_LOAD, /* FLDENV, FRSTOR */
    KIND_BCD,
};

/* How the bytes of FP registers and memory operands look best. */
enum oracle_data { DATA_INT, DATA_F32, DATA_F64, DATA_F80 };

struct oracle_form {
    const struct isa_row *row;
    unsigned row_index;
    enum oracle_set set;
    enum oracle_kind kind;
    enum oracle_data data;
    bool has_opsize; /* 66 makes another form */
    bool opsize32;
    bool is_mem;
    bool uses_stack;
    bool allows_lock_ud;       /* LOCK on this form is #UD and worth trying */
    uint16_t mem_bytes;        /* accessed at the effective address; 0: none */
    uint32_t faults;           /* bit n: vector n must be seen */
    uint32_t flags_0, flags_1; /* EFLAGS that must be seen 0, seen 1 */
    char name[72];
};

struct oracle_exclusion {
    const char *name; /* row name */
    const char *why;
};
extern const struct oracle_exclusion oracle_exclusions[];
extern const unsigned oracle_n_exclusions;

/* All forms of the ISA table but the excluded ones, in table order. NULL when out of memory. */
struct oracle_form *oracle_forms(unsigned *count);

/* Where a host differs from the SDM and the interpreter follows the SDM. */
enum oracle_vendor { VENDOR_INTEL = 1, VENDOR_AMD = 2, VENDOR_ANY = 3 };
enum oracle_aspect {
    ASPECT_FX_POINTERS,     /* FOP, FIP, FCS, FDP, FDS of the register state, unless an exception is pending */
    ASPECT_MEMORY_POINTERS, /* the same in the image that the instruction stored */
    ASPECT_MEMORY_BYTES,    /* bytes [first, last] of what it stored */
    ASPECT_X87_STATE,       /* TOP, tags and registers; #MF that we report */
    /* Only when the instruction faults: */
    ASPECT_FAULT,         /* the host may report a vector of set `first` where we report one of set `last` */
    ASPECT_FAULT_ADDRESS, /* which of several inaccessible bytes CR2 names, and the error code */
    ASPECT_FAULT_STORES,  /* memory: stores that came before the one that faults */
    ASPECT_FAULT_LOADS,   /* registers loaded before the access that faults */
    ASPECT_FAULT_FLAGS,   /* OSZAPC */
    ASPECT_FAULT_X87,     /* TOP, tags and registers */
};
struct oracle_difference {
    const char *name;     /* row name; NULL: every form */
    uint8_t vendor, form; /* form: enum interp_form, FORMS for both */
    enum oracle_aspect aspect;
    uint32_t first, last;
    const char *why;
};
extern const struct oracle_difference oracle_differences[];
extern const unsigned oracle_n_differences;

/* ---- segments ---- */

enum oracle_window { WINDOW_CODE, WINDOW_DATA, WINDOW_STACK, WINDOWS };

/* LDT slots beyond those of host_exec.h. */
enum oracle_slot {
    SLOT_FLAT = HOST_FREE_SLOT,
    SLOT_SMALL,       /* 16-bit data of 900h bytes */
    SLOT_ODD,         /* data with an odd base */
    SLOT_GUARD,       /* data whose first 8000h bytes are unmapped */
    SLOT_STACK_SMALL, /* B = 1 */
    SLOT_STACK_SMALL16,
    SLOT_STACK_DOWN16,
    SLOT_STACK_DOWN32,
    SLOT_CODE_SMALL32, /* limit 3FFF */
    SLOT_CODE_SMALL16,
    SLOT_CODE_ONLY, /* execute-only */
    SLOT_CODE_ABSENT,
    SLOT_CONFORMING_ABSENT,
    SLOT_EMPTY, /* inside the LDT, all zeros */
    SLOT_LAST,
    SLOTS,
};

struct oracle_slot_info {
    const char *name;
    uint8_t window; /* what lies below it */
    uint8_t type;   /* descriptor type without A */
    bool big, present;
    bool is_wild;    /* reaches memory that is not ours: addresses must be under control */
    uint32_t delta;  /* base - base of the window; FLAT: base is 0 */
    uint32_t limit;  /* bytes */
    uint32_t middle; /* window offset of its ordinary operands */
};
extern const struct oracle_slot_info oracle_slots[SLOTS];

/* Pages of the data and stack windows that are not plain. */
enum { WINDOW_RO_PAGE = 0x6000, WINDOW_ABSENT_PAGE = 0x7000, WINDOW_MIDDLE = 0x4000 };

/* ---- cases ---- */

struct oracle_region { /* of a window, what the case may write: compared, then restored */
    uint8_t window;
    uint32_t first, len;
};

struct oracle_insn { /* shared by a few consecutive cases */
    uint8_t bytes[15];
    uint8_t len;
    bool code32;
    struct insn in; /* as our decoder sees it */
    uint32_t eip;
    uint16_t cs;
};

struct oracle_case {
    const struct oracle_form *form;
    const struct oracle_insn *insn;
    struct host_state state;
    uint32_t operand; /* linear address of the memory operand, if there is one */
    uint32_t operand_bytes;
    struct oracle_region region[8];
    unsigned n_regions;
    bool all_memory; /* a long run: compare and restore everything */
};

struct oracle_machine;

/* Random bytes of `form`: decode to its row. False if none was found (a hole in the generator). */
bool oracle_make_insn(struct rng *r, const struct oracle_form *form, bool code32, uint32_t features,
                      struct oracle_insn *out);
/* A state and memory for it; writes the operands to both machines. False if whatever the state is the instruction would
 * run into itself, which is not what is compared here. */
bool oracle_make_state(struct oracle_machine *m, struct rng *r, const struct oracle_form *form,
                       const struct oracle_insn *insn, struct oracle_case *out);

/* ---- machine ---- */

struct oracle_result {
    struct host_state state;
    int vector;
    uint32_t error, address;
};

struct oracle_machine {
    struct host_exec host;
    enum oracle_vendor vendor;
    struct phys *phys;
    struct bus *bus;
    struct cpu *cpu;
    struct cpu_model model;
    struct cpu_board board;
    uint32_t base[WINDOWS];  /* linear */
    uint8_t *guest[WINDOWS]; /* the interpreter's memory */
    uint8_t *background[WINDOWS];
    struct segment segment[SLOTS];
    uint32_t guest_eip; /* where the last instruction's bytes lie in the guest's code window */
    unsigned guest_code_len;
};

/* False: this host cannot run the test, *why says so. */
bool oracle_machine_create(struct oracle_machine *m, enum accel accel, enum window_policy windows, const char **why);
void oracle_machine_destroy(struct oracle_machine *m);
void oracle_run_host(struct oracle_machine *m, const struct oracle_case *c, struct oracle_result *out);
void oracle_run_guest(struct oracle_machine *m, const struct oracle_case *c, struct oracle_result *out);

/* Linear base of a slot's segment. */
uint32_t oracle_slot_base(const struct oracle_machine *m, unsigned slot);
/* The window that `linear` lies in, and the offset there; false if in none. */
bool oracle_window_of(const struct oracle_machine *m, uint32_t linear, unsigned *window, uint32_t *offset);
/* Stores to both memories what fits into the windows' writable pages. */
void oracle_poke(struct oracle_machine *m, uint32_t linear, const void *bytes, uint32_t len);
/* The case may write around [linear, linear + len). */
void oracle_touch(struct oracle_machine *m, struct oracle_case *c, uint32_t linear, uint32_t len);
/* Puts back what the case touched. */
void oracle_restore(struct oracle_machine *m, const struct oracle_case *c);
/* True if all of both memories is as at the start; else `*linear` is a byte that is not, and everything is put back. */
bool oracle_memory_is_pristine(struct oracle_machine *m, uint32_t *linear);

/* ---- comparison ---- */

struct oracle_tally {
    uint64_t cases, completed, mismatches;
    uint32_t faults, flags_0, flags_1; /* seen on the host */
    uint32_t x87_raised, sse_raised;   /* exception flags that were clear before */
};

/* Compares, adds the case and what was seen to the tally. On a difference writes lines that say what differs into
 * `text`. */
bool oracle_compare(struct oracle_machine *m, const struct oracle_case *c, const struct oracle_result *host,
                    const struct oracle_result *guest, struct oracle_tally *tally, char *text, size_t size);
/* The whole case: disassembly, state before and after. */
void oracle_print_case(struct oracle_machine *m, const struct oracle_case *c, const struct oracle_result *host,
                       const struct oracle_result *guest);

#endif
