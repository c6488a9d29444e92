/*
 * Instructions that store, and the machines that test_checked.c and test_checked_rights.c run them on: the engine's and
 * the interpreter's, which are compared after each run.
 */
#ifndef TESTS_UNIT_TRANSLATOR_CHECKED_FIXTURE_H
#define TESTS_UNIT_TRANSLATOR_CHECKED_FIXTURE_H

#include "frontend/x86/code.h"
#include "softmmu/phys.h"
#include "tests/unit/translator/compare.h"
#include "tests/unit/translator/page_device.h"

enum {
    PREVIOUS = DATA + 0x1000,
    PAGE = DATA + 0x2000, /* holds code */
    NEXT = DATA + 0x3000,
    KEPT = PAGE + 0x200,   /* a function that nobody writes to, so that the page goes on holding code */
    ASIDE = PAGE + 0x380,  /* no code */
    VALUES = DATA + 0x100, /* what the x87 and MMX store */
    ALIAS = 0x1c0000,      /* linear: PAGE once more */
    DEVICE = 0x10000000,   /* physical */
    ROM = 0x11000000,
    SLOT_BYTES = 64, /* of a program that stores, from CODE on */
    WARM = 100,      /* stores after which translated code expects what it finds */
    ALL_RIGHTS = 7,
    PRESENT_USER = 5,
    PRESENT = 1,
    ACCESSED_DIRTY = 0x60,
    NOP = 0x90,
    HALT = 0xf4,
};

/* ---- instructions that store ---- */

struct form {
    const char *text;
    uint8_t width;
    bool may_stay;               /* in translated code */
    uint8_t reg;                 /* of its ModRM byte; 8: it has none */
    uint8_t before[8], n_before; /* executed before each */
    uint8_t opcode[8], n;
    uint8_t imm[4], n_imm;
};
#define BYTES(...) {__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})
#define NONE       {0}, 0

/* To [EDI]. What they write leaves code harmless: EAX and VALUES hold INC instructions, ECX 01010101h. */
static const struct form forms[] = {
    {"mov [m], al", 1, true, 0, NONE, BYTES(0x88), NONE},
    {"mov [m], ax", 2, true, 0, NONE, BYTES(0x66, 0x89), NONE},
    {"mov [m], eax", 4, true, 0, NONE, BYTES(0x89), NONE},
    {"mov byte [m], 42h", 1, true, 0, NONE, BYTES(0xc6), BYTES(0x42)},
    {"mov dword [m], 43424140h", 4, true, 0, NONE, BYTES(0xc7), BYTES(0x40, 0x41, 0x42, 0x43)},
    {"movq [m], mm0", 8, true, 0, BYTES(0x26, 0x0f, 0x6f, 0x05, LE32(VALUES)), BYTES(0x0f, 0x7f), NONE},
    {"movss [m], xmm0", 4, true, 0, NONE, BYTES(0xf3, 0x0f, 0x11), NONE},
    {"movsd [m], xmm0", 8, true, 0, NONE, BYTES(0xf2, 0x0f, 0x11), NONE},
    {"movlps [m], xmm0", 8, true, 0, NONE, BYTES(0x0f, 0x13), NONE},
    {"movdqu [m], xmm0", 16, false, 0, NONE, BYTES(0xf3, 0x0f, 0x7f), NONE},
    {"movaps [m], xmm0", 16, false, 0, NONE, BYTES(0x0f, 0x29), NONE},
    {"fstp dword [m]", 4, true, 3, BYTES(0x26, 0xd9, 0x05, LE32(VALUES)), BYTES(0xd9), NONE},
    {"fstp qword [m]", 8, true, 3, BYTES(0x26, 0xdd, 0x05, LE32(VALUES)), BYTES(0xdd), NONE},
    {"fistp qword [m]", 8, true, 7, BYTES(0x26, 0xdf, 0x2d, LE32(VALUES)), BYTES(0xdf), NONE},
    {"fstp tword [m]", 10, false, 7, BYTES(0x26, 0xdb, 0x2d, LE32(VALUES)), BYTES(0xdb), NONE},
    {"add [m], cl", 1, true, 1, NONE, BYTES(0x00), NONE},
    {"add [m], cx", 2, true, 1, NONE, BYTES(0x66, 0x01), NONE},
    {"add [m], ecx", 4, true, 1, NONE, BYTES(0x01), NONE},
    {"xadd [m], ecx", 4, true, 1, NONE, BYTES(0x0f, 0xc1), NONE},
    {"inc byte [m]", 1, true, 0, NONE, BYTES(0xfe), NONE},
    {"lock inc dword [m]", 4, true, 0, NONE, BYTES(0xf0, 0xff), NONE},
    {"xchg [m], eax", 4, true, 0, NONE, BYTES(0x87), NONE},
    {"cmpxchg [m], edx", 4, true, 2, NONE, BYTES(0x0f, 0xb1), NONE},
    {"cmpxchg8b [m]", 8, true, 1, NONE, BYTES(0x0f, 0xc7), NONE},
    {"btc dword [m], 0", 4, true, 7, NONE, BYTES(0x0f, 0xba), BYTES(0)},
    {"push eax; pop dword [m]", 4, true, 0, BYTES(0x50), BYTES(0x8f), NONE},
    {"push edi; stosd; pop edi", 4, true, 8, NONE, BYTES(0x57, 0xab, 0x5f), NONE},
    {"mov ebp, esp; lea esp, [edi + 4]; push eax; mov esp, ebp", 4, true, 8, NONE,
     BYTES(0x89, 0xe5, 0x8d, 0x67, 0x04, 0x50, 0x89, 0xec), NONE},
};
enum { N_FORMS = sizeof forms / sizeof forms[0], MOV_AL = 0, MOV_EAX = 2, MOVAPS = 10, BY_ESP = N_FORMS - 1 };

/* ESI times; from [DI] on if `addr16`. */
static inline uint32_t put_program(struct machine *m, unsigned slot, const struct form *f, bool addr16)
{
    const uint32_t start = CODE + slot * SLOT_BYTES;
    uint32_t at = PUT(m, start, 0xdb, 0xe3), again = at; /* fninit */

    at = put(m, at, f->before, f->n_before);
    if (addr16)
        at = PUT(m, at, 0x67);
    at = put(m, at, f->opcode, f->n);
    if (f->reg < 8)
        at = PUT(m, at, (uint8_t)(f->reg << 3 | (addr16 ? 5 : 7)));
    at = put(m, at, f->imm, f->n_imm);
    at = PUT(m, at, 0x4e, 0x75, (uint8_t)(again - (at + 3)), HALT); /* dec esi; jnz again; hlt */
    assert_true(at <= start + SLOT_BYTES);
    return start;
}

/* ---- ours and the reference ---- */

struct pair {
    struct machine *m[2]; /* the engine's, the interpreter's */
    struct page_device device[2];
    uint8_t values[16];
    uint8_t cpl;
    uint16_t data; /* selector of DS, 0: the flat one */
};
#define BOTH(p, m_)                                                                                                    \
    for (unsigned side_ = 0; side_ < 2; side_++)                                                                       \
        for (struct machine *m_ = (p)->m[side_]; m_; m_ = NULL)

static inline void put_both(struct pair *p, uint32_t at, const void *bytes, size_t n)
{
    BOTH(p, m)
    put(m, at, bytes, n);
}
#define PUT_BOTH(p, at, ...) put_both((p), (at), (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static inline uint32_t put_program_both(struct pair *p, const struct form *f)
{
    put_program(p->m[0], 0, f, false);
    return put_program(p->m[1], 0, f, false);
}

/* Nothing in it does harm when it runs. */
static inline void put_filler(struct pair *p, uint32_t first, uint32_t end)
{
    for (; first < end; first++)
        PUT_BOTH(p, first, first % 64 == 63 ? HALT : NOP);
}

/* `n` bytes of code, the last of which is HLT. */
static inline void put_function(struct pair *p, uint32_t at, unsigned n)
{
    static const uint8_t inc[] = {0x40, 0x41, 0x42, 0x43, 0x45, 0x46, 0x47};

    for (unsigned i = 0; i + 1 < n; i++)
        PUT_BOTH(p, at + i, inc[i % sizeof inc]);
    PUT_BOTH(p, at + n - 1, HALT);
}

static inline void map_both(struct pair *p, uint32_t linear, uint32_t entry)
{
    BOTH(p, m)
    put32(m, PAGE_TABLE + (linear >> 12) * 4, entry);
}

static inline void flush_both(struct pair *p)
{
    BOTH(p, m)
    mmu_flush(&m->cpu->mmu);
}

static inline struct pair *pair_create(void *engines)
{
    static _Alignas(PHYS_PAGE_SIZE) uint8_t rom[PHYS_PAGE_SIZE];
    struct pair *p = calloc(1, sizeof *p);
    void *other;

    assert_non_null(p);
    assert_int_equal(machine_create(&other), 0);
    p->m[0] = engines;
    p->m[1] = other;
    ask_for_all(engines);
    enter_protected(other, 0);
    attach(other, &variants[INTERP].options);
    for (unsigned i = 0; i < sizeof rom; i++)
        rom[i] = i % 64 == 63 ? HALT : NOP;
    for (unsigned i = 0; i < 16; i++)
        p->values[i] = (uint8_t)(i == 7 ? NOP : 0x40 + i % 4); /* a number as 80 bits, too */
    for (unsigned i = 0; i < 2; i++) {
        p->m[i]->cpu->cr4 |= CR4_OSFXSR;
        memcpy(p->device[i].bytes, rom, sizeof rom);
        phys_map_mmio(p->m[i]->phys, DEVICE, PHYS_PAGE_SIZE, &page_device_ops, &p->device[i]);
        phys_map_rom(p->m[i]->phys, ROM, PHYS_PAGE_SIZE, rom);
        for (unsigned vector = 0; vector < 32; vector++)
            PUT(p->m[i], HANDLER(vector), HALT);
    }
    put_filler(p, PREVIOUS, NEXT + 0x1000);
    put_function(p, KEPT, 8);
    return p;
}

static inline void pair_destroy(struct pair *p)
{
    void *other = p->m[1];

    machine_destroy(&other);
    free(p);
}

static inline void page_both(struct pair *p)
{
    BOTH(p, m)
    {
        enable_paging(m);
        put32(m, PAGE_TABLE + (ALIAS >> 12) * 4, PAGE | ALL_RIGHTS);
        mmu_flush(&m->cpu->mmu);
    }
}

static inline void set_state(const struct pair *p, struct machine *m, uint32_t edi, uint32_t times)
{
    struct cpu *cpu = m->cpu;
    const uint16_t data = p->cpl ? SEL_DATA3 : SEL_DATA0;

    cpu->eflags = 0;
    cpu_set_eflags(cpu, 0, EFLAGS_OSZAPC);
    cpu_set_cpl(cpu, p->cpl);
    load_segment(m, CS, p->cpl ? SEL_CODE3 : SEL_CODE0);
    load_segment(m, SS, data);
    load_segment(m, ES, data);
    load_segment(m, DS, p->data ? p->data : data);
    memcpy(&cpu->gpr[EAX], p->values, 4);
    cpu->gpr[ECX] = 0x01010101;
    cpu->gpr[EDX] = 0x46454746;
    cpu->gpr[EBX] = 0x47434540;
    cpu->gpr[ESP] = (p->cpl ? STACK3 : STACK0) - 0x40; /* unaligned accesses look eight bytes ahead */
    cpu->gpr[EBP] = 0;
    cpu->gpr[ESI] = times;
    cpu->gpr[EDI] = edi;
    memset(&cpu->fpu.xmm, 0, sizeof cpu->fpu.xmm);
    memcpy(&cpu->fpu.xmm[0], p->values, 16);
    memcpy(phys_ram_host(m->phys, VALUES), p->values, 16);
}

static inline void run_both(struct pair *p, uint32_t eip, uint32_t edi, uint32_t times, const char *text)
{
    struct difference d;

    BOTH(p, m)
    {
        set_state(p, m, edi, times);
        run(m, eip);
    }
    if (!compare(p->m[0], p->m[1], &d))
        fail_msg("%s, %x: %s %llx and not %llx", text, edi, d.what, (unsigned long long)d.ours,
                 (unsigned long long)d.reference);
    assert_memory_equal(&p->device[0], &p->device[1], sizeof p->device[0]);
}

/* What runs at EIP afterwards is what is there. */
static inline void run_function(struct pair *p, uint32_t at, const char *text)
{
    run_both(p, at, 0, 1, text);
}

static inline bool is_jit(const struct pair *p)
{
    return p->m[0]->cpu->translator && p->m[0]->cpu->translator->options.accel == ACCEL_JIT;
}

static inline uint64_t killed(const struct pair *p)
{
    const struct cpu *cpu = p->m[0]->cpu;

    return cpu->code->killed + (cpu->translator ? cpu->translator->count.killed : 0);
}

/* How often did the program's `times` stores leave translated code? -1: nobody can say. */
static inline int64_t run_and_count(struct pair *p, uint32_t program, uint32_t edi, uint32_t times, const char *text)
{
    const struct translator *t = p->m[0]->cpu->translator;
    const uint64_t callouts = t ? t->count.callouts : 0, flushes = t ? t->count.flushes : 0;

    run_both(p, program, edi, times, text);
    return !is_jit(p) || t->count.flushes != flushes ? -1 : (int64_t)(t->count.callouts - callouts);
}

static inline bool fits(const struct form *f, uint32_t address)
{
    return f != &forms[MOVAPS] || address % 16 == 0;
}

#endif
