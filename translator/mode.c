/* Which translations fit the CPU as it is: everything they depend on beside the code's bytes. */
#include <time.h>

#include "frontend/x86/fpu.h"
#include "frontend/x86/simd.h"
#include "translator/internal.h"

/* Where each part of struct x86_mode lies in a key. */
enum {
    KEY_CODE32,
    KEY_STACK32,
    KEY_PROTECTED,
    KEY_V86,
    KEY_CPL,
    KEY_IOPL = KEY_CPL + 2,
    KEY_X87 = KEY_IOPL + 2,
    KEY_SSE,
    KEY_FORWARD,
    KEY_SEG,
    KEY_SEG_BITS = 3,
    KEY_SEG_MASK = (1 << KEY_SEG_BITS) - 1,
    KEY_WINDOWED = KEY_SEG + KEY_SEG_BITS * SREGS,
    KEY_UNASKED, /* enum x86_mode_part */
};

/* Modes alike up to there ask alike (translator.unasked). */
_Static_assert(1u << KEY_IOPL == MODE_KINDS, "a place for each kind of mode");

/* Where each part of enum x86_mode_part lies in a key, and what is there while it is unasked. */
static const struct {
    uint64_t mask, least;
} key_part[X86_MODE_PARTS] = {
    {(uint64_t)KEY_SEG_MASK << (KEY_SEG + KEY_SEG_BITS * FS),
     (uint64_t)SEG_CLASS_OTHER << (KEY_SEG + KEY_SEG_BITS * FS)},
    {(uint64_t)KEY_SEG_MASK << (KEY_SEG + KEY_SEG_BITS * GS),
     (uint64_t)SEG_CLASS_OTHER << (KEY_SEG + KEY_SEG_BITS * GS)},
    {1ull << KEY_X87, 0},
    {1ull << KEY_SSE, 0},
};

static void set_unasked(struct translator *t, unsigned kind, unsigned parts)
{
    struct unasked *unasked = &t->unasked[kind];

    *unasked = (struct unasked){.parts = (uint8_t)parts, .set = (uint64_t)parts << KEY_UNASKED};
    for (unsigned i = 0; i < X86_MODE_PARTS; i++)
        if (parts >> i & 1) {
            unasked->clear |= key_part[i].mask;
            unasked->set |= key_part[i].least;
        }
}

void modes_create(struct translator *t)
{
    for (unsigned kind = 0; kind < MODE_KINDS; kind++) {
        const bool is_programs = kind >> KEY_CPL == 3 || !(kind >> KEY_PROTECTED & 1);

        set_unasked(t, kind, X86_MODE_FS | X86_MODE_GS | (is_programs ? 0u : X86_MODE_X87 | X86_MODE_SSE));
    }
}

/* Asking costs another translation of all that is in use: not for what a kernel does once in a while. */
#define ASKS_WANTED 256u
#define ASKS_CYCLES (4u << 20)

bool mode_ask(struct translator *t, const struct block *block)
{
    const unsigned kind = t->mode[block->mode].key % MODE_KINDS;
    struct unasked *unasked = &t->unasked[kind];
    const uint64_t now = host_cycles();

    if (!(unasked->parts & block->asked))
        return false;
    if (now - unasked->since > ASKS_CYCLES) {
        unasked->since = now;
        unasked->n_asks = 0;
    }
    if (++unasked->n_asks < ASKS_WANTED)
        return false;
    set_unasked(t, kind, unasked->parts & ~block->asked);
    return true;
}

static inline uint64_t seg_key(const struct cpu *cpu, unsigned seg)
{
    return (uint64_t)cpu->seg[seg].access << (KEY_SEG + KEY_SEG_BITS * seg);
}

/* Busy: this thread's time but for what was spent on translating. */
static struct window_time guest_time(const struct translator *t)
{
    struct timespec ts;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (struct window_time){
        .busy_ns = (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec -
                   cycles_to_ns(&t->created, t->count.translate_cycles),
        .idle_ns = t->cpu->idle_ns,
    };
}

/* Do blocks use the view's window? Then it is this thread's. */
static bool is_windowed(const struct translator *t)
{
    struct cpu *cpu = t->cpu;
    struct window *w = flat_window(cpu->mmu.flat, cpu->view);

    if (!w || cpu->seg[DS].access != SEG_CLASS_FLAT || !cpu_code32(cpu))
        return false;
    if (!window_is_open(w) && (!window_is_due(w) || !flat_open_window(&cpu->mmu, cpu->view, guest_time(t))))
        return false;
    faults_use_window(w);
    return true;
}

static uint64_t mode_key(const struct translator *t)
{
    const struct cpu *cpu = t->cpu;
    const bool unit = !(cpu->cr0 & (CR0_EM | CR0_TS));
    const bool x87 = unit && !(~cpu->fpu.control & FPU_CW_MASKS) && !(cpu->fpu.status & FPU_SW_ES);
    const bool sse = unit && (cpu->cr4 & CR4_OSFXSR) && (cpu->fpu.mxcsr & MXCSR_MASKS) == MXCSR_MASKS;
    const uint64_t key = (uint64_t)cpu_code32(cpu) << KEY_CODE32 | (uint64_t)cpu_stack32(cpu) << KEY_STACK32 |
                         (uint64_t)cpu_is_pm(cpu) << KEY_PROTECTED | (uint64_t)cpu_is_v86(cpu) << KEY_V86 |
                         (uint64_t)cpu->cpl << KEY_CPL | (uint64_t)cpu_iopl(cpu) << KEY_IOPL |
                         (uint64_t)x87 << KEY_X87 | (uint64_t)sse << KEY_SSE |
                         (uint64_t) !(cpu->eflags & EFLAGS_DF) << KEY_FORWARD |
                         (uint64_t)is_windowed(t) << KEY_WINDOWED;

    const struct unasked *unasked = &t->unasked[key % MODE_KINDS];

    /* No loop: this runs at every change of mode. */
    return ((key | seg_key(cpu, ES) | seg_key(cpu, CS) | seg_key(cpu, SS) | seg_key(cpu, DS) | seg_key(cpu, FS) |
             seg_key(cpu, GS)) &
            ~unasked->clear) |
           unasked->set;
}

static struct x86_mode mode_of_key(uint64_t key)
{
    struct x86_mode mode = {
        .code32 = key >> KEY_CODE32 & 1,
        .stack32 = key >> KEY_STACK32 & 1,
        .protected_mode = key >> KEY_PROTECTED & 1,
        .v86 = key >> KEY_V86 & 1,
        .cpl = key >> KEY_CPL & 3,
        .iopl = key >> KEY_IOPL & 3,
        .x87_native = key >> KEY_X87 & 1,
        .sse_native = key >> KEY_SSE & 1,
        .forward = key >> KEY_FORWARD & 1,
        .windowed = key >> KEY_WINDOWED & 1,
        .unasked = key >> KEY_UNASKED & ((1u << X86_MODE_PARTS) - 1),
    };

    for (unsigned i = 0; i < SREGS; i++)
        mode.seg[i] = key >> (KEY_SEG + KEY_SEG_BITS * i) & KEY_SEG_MASK;
    return mode;
}

static unsigned mode_hash(uint64_t key)
{
    return (unsigned)(key * 0x9e3779b97f4a7c15u >> 32) % MODE_GUESSES;
}

uint32_t mode_update(struct translator *t)
{
    struct cpu *cpu = t->cpu;
    const uint64_t key = mode_key(t);
    uint32_t i = t->current_mode;

    cpu->translated.flat = flat_base(cpu->mmu.flat, cpu->view);
    if (i < t->n_modes && t->mode[i].key == key) {
        jumps_arm(t);
        return i;
    }
    i = t->mode_guess[mode_hash(key)];
    if (i >= t->n_modes || t->mode[i].key != key)
        for (i = 0; i < t->n_modes && t->mode[i].key != key; i++)
            ;
    if (i == t->n_modes) {
        if (i == MODES_MAX) { /* segment combinations of a lifetime; start again */
            block_flush_all(t);
            t->n_modes = i = 0;
        }
        t->mode[i].key = key;
        t->mode[i].mode = mode_of_key(key);
        t->n_modes++;
    }
    t->mode_guess[mode_hash(key)] = (uint8_t)i;
    t->current_mode = i;
    jumps_arm(t);
    return i;
}
