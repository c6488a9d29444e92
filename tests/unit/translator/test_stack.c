/*
 * The stack pointer, whose changes by constants translated code adds up (backend/x86_64/select_stack.c): wherever C
 * code or another block takes over, ESP and the flags are what they would be if each had been made where it stands.
 */
#include "tests/unit/translator/compare.h"
#include "tests/unit/translator/page_device.h"

#include "softmmu/phys.h"

enum {
    TOP = 0xd000, /* stacks end about here, where a page does, within reach of SP */
    LOWER = TOP - 0x1000,
    UPPER = TOP,
    DEVICE = 0x10000000, /* physical */
    ROM = 0x11000000,
    PLACE = DATA + 0x100, /* EBX */
    ABSENT = 0x1f0000,
    PRESENT_USER = 5, /* in a page table's entry */
    ALL_RIGHTS = 7,
    ASTRAY = 0x1f,           /* where a return address from ROM leads, or twice that word */
    FRAME_EIP = STACK0 - 20, /* of a fault with an error code at CPL 3 */
    FRAME_EFLAGS = STACK0 - 12,
    FRAME_ESP = STACK0 - 8,
};

/* A machine whose CPL 3 code faults into handlers that halt. When it runs on, they return. */
static void put_handlers(struct machine *m)
{
    for (unsigned vector = 0; vector < 32; vector++)
        PUT(m, HANDLER(vector), 0xf4, 0x83, 0xc4, 0x04, 0xcf); /* hlt; add esp, 4; iret */
}

static void map(struct machine *m, uint32_t linear, uint32_t entry)
{
    put32(m, PAGE_TABLE + (linear >> 12) * 4, entry);
}

static void run_to_halt(struct machine *m)
{
    m->cpu->halt = CPU_RUNNING;
    run_cpu(m);
    assert_int_equal(m->cpu->halt, CPU_HALTED);
    assert_int_equal(m->shutdowns, 0);
}

static unsigned vector_of(const struct machine *m)
{
    return (m->cpu->eip - 1 - HANDLER(0)) / 16;
}

static void enter_user(struct machine *m)
{
    enter_protected(m, 3);
    enable_paging(m);
    m->cpu->cr4 |= CR4_OSFXSR;
    mmu_flush(&m->cpu->mmu);
    for (unsigned i = 0; i < 8; i++)
        if (i != ESP)
            m->cpu->gpr[i] = 0x11111111u * (i + 1);
    m->cpu->eip = CODE;
}

/* ---- what the flags should be ---- */

static uint32_t flags_of(uint32_t a, uint32_t b, bool subtracts)
{
    const uint32_t result = subtracts ? a - b : a + b;
    const bool carry = subtracts ? a < b : result < a, overflow = ((subtracts ? a ^ b : ~(a ^ b)) & (a ^ result)) >> 31;

    return (carry ? EFLAGS_CF : 0) | (overflow ? EFLAGS_OF : 0) | (result ? 0 : EFLAGS_ZF) |
           (result >> 31 ? EFLAGS_SF : 0) | ((a ^ b ^ result) & 0x10 ? EFLAGS_AF : 0) |
           (__builtin_parity(result & 0xff) ? 0 : EFLAGS_PF);
}

/* ---- one block, each of whose accesses has a page of its own ---- */

enum { FRAME_START = TOP + 0x800 };

static const struct frame_step {
    uint8_t bytes[8], n;
    int32_t esp;     /* what it adds */
    int32_t page;    /* of its access, from TOP; 1: none */
    int32_t touches; /* from FRAME_START */
    bool sets_flags; /* as ADD or SUB of ESP */
} frame[] = {
    {{0x50}, 1, -4, 0, -4, false},                                      /* push eax */
    {{0x81, 0xec, LE32(0x1010)}, 6, -0x1010, 1, 0, true},               /* sub esp, 1010h */
    {{0x89, 0x4c, 0x24, 0x08}, 4, 0, -0x1000, -0x100c, false},          /* mov [esp + 8], ecx */
    {{0x8d, 0xa4, 0x24, LE32(-0x1000)}, 7, -0x1000, 1, 0, false},       /* lea esp, [esp - 1000h] */
    {{0x52}, 1, -4, -0x2000, -0x2018, false},                           /* push edx */
    {{0x83, 0xc4, 0x18}, 3, 0x18, 1, 0, true},                          /* add esp, 18h */
    {{0x8b, 0xb4, 0x24, LE32(-0x1000)}, 7, 0, -0x3000, -0x3000, false}, /* mov esi, [esp - 1000h] */
    {{0x8d, 0xa4, 0x24, LE32(0x3000)}, 7, 0x3000, 1, 0, false},         /* lea esp, [esp + 3000h] */
    {{0x5f}, 1, 4, 0x1000, 0x1000, false},                              /* pop edi */
    {{0x81, 0xec, LE32(0x1004)}, 6, -0x1004, 1, 0, true},               /* sub esp, 1004h */
    {{0x39, 0xc8}, 2, 0, 1, 0, false},                                  /* cmp eax, ecx */
    {{0xf4}, 1, 0, 1, 0, false},
};
enum { FRAME_STEPS = sizeof frame / sizeof frame[0], FRAME_PAGES = 5 };
static const int32_t frame_page[FRAME_PAGES] = {0x1000, 0, -0x1000, -0x2000, -0x3000};

/* Runs it with some of its pages missing, each until its first access. */
static void run_frame(struct machine *m, unsigned missing, bool read_only)
{
    uint32_t esp = FRAME_START, eip = CODE, flags = EFLAGS_CF | EFLAGS_PF;

    enter_user(m);
    m->cpu->gpr[ESP] = FRAME_START;
    cpu_set_eflags(m->cpu, flags, EFLAGS_OSZAPC);
    for (uint32_t at = TOP - 0x3000; at < TOP + 0x2000; at += 4)
        put32(m, at, at);
    for (unsigned i = 0; i < FRAME_PAGES; i++)
        if (missing >> i & 1)
            map(m, (uint32_t)(TOP + frame_page[i]), read_only ? (uint32_t)(TOP + frame_page[i]) | PRESENT_USER : 0);
    for (unsigned i = 0; i < FRAME_STEPS; i++) {
        const struct frame_step *step = &frame[i];
        unsigned page = 0;

        while (page < FRAME_PAGES && frame_page[page] != step->page)
            page++;
        if (page < FRAME_PAGES && missing >> page & 1 &&
            !(read_only && (step->bytes[0] & 0xf8) != 0x50 && step->bytes[0] != 0x89)) {
            const uint32_t *gpr = m->cpu->gpr;

            run_to_halt(m);
            assert_int_equal(vector_of(m), VEC_PF);
            assert_int_equal(m->cpu->cr2, FRAME_START + (uint32_t)step->touches);
            assert_int_equal(get32(m, FRAME_EIP), eip);
            assert_int_equal(get32(m, FRAME_ESP), esp);
            assert_int_equal(get32(m, FRAME_EFLAGS) & EFLAGS_OSZAPC, flags);
            for (unsigned reg = 0; reg < 8; reg++)
                if (reg != ESP)
                    assert_int_equal(gpr[reg], reg == ESI && i > 6 ? TOP - 0x3000 + 0x800 : 0x11111111u * (reg + 1));
            map(m, (uint32_t)(TOP + frame_page[page]), (uint32_t)(TOP + frame_page[page]) | ALL_RIGHTS);
            mmu_flush(&m->cpu->mmu);
        }
        if (step->sets_flags)
            flags =
                step->esp < 0 ? flags_of(esp, (uint32_t)-step->esp, true) : flags_of(esp, (uint32_t)step->esp, false);
        esp += (uint32_t)step->esp;
        eip += step->n;
    }
    run_to_halt(m);
    assert_int_equal(vector_of(m), VEC_GP); /* HLT */
    assert_int_equal(get32(m, FRAME_EIP), eip - 1);
    assert_int_equal(get32(m, FRAME_ESP), FRAME_START);
    assert_int_equal(get32(m, FRAME_EFLAGS) & EFLAGS_OSZAPC, flags_of(0x11111111, 0x22222222, true));
    assert_int_equal(m->cpu->gpr[ESI], TOP - 0x3000 + 0x800);
    assert_int_equal(m->cpu->gpr[EDI], TOP + 0x1800);
    assert_int_equal(get32(m, FRAME_START - 4), 0x11111111);
    assert_int_equal(get32(m, FRAME_START - 0x100c), 0x22222222);
    assert_int_equal(get32(m, FRAME_START - 0x2018), 0x33333333);
}

static void each_access_that_faults_shows_the_state_before_it(void **state)
{
    struct machine *m = *state;
    uint32_t at = CODE;

    put_handlers(m);
    for (unsigned i = 0; i < FRAME_STEPS; i++)
        at = put(m, at, frame[i].bytes, frame[i].n);
    for (unsigned round = 0; round < 2; round++)
        for (unsigned missing = 0; missing < 1u << FRAME_PAGES; missing++) {
            run_frame(m, missing, false);
            run_frame(m, missing & ~1u & ~(1u << 4), true); /* written to */
        }
}

/* ---- flags of ADD and SUB ---- */

static const uint32_t tops[] = {0,          4,          8,          0x10,       0x1c,       0x100,      0xd00c,
                                0xd010,     0x7fffffe0, 0x7ffffff8, 0x7ffffffc, 0x80000000, 0x80000008, 0x8000000f,
                                0x8000100c, 0xfffffff0, 0xfffffff8, 0xfffffffc, 0xffffffff};
static const int32_t amounts[] = {4,    8,      12,      0x10,   0x7c,   -4,      -128,
                                  0x80, 0x1004, -0x3fff, 0x3fff, 0x4000, -0x4000, 0x7fffffff};
static const int32_t steps[] = {0, -4, 0x24, -0x3ff0};

/* lea esp, [esp + before]; add or sub esp, amount; lea esp, [esp + after] */
static uint32_t put_change(struct machine *m, int32_t before, bool subtracts, int32_t amount, int32_t after)
{
    uint32_t at = CODE;

    if (before)
        at = PUT(m, at, 0x8d, 0xa4, 0x24, LE32(before));
    at = PUT(m, at, 0x81, subtracts ? 0xec : 0xc4, LE32(amount));
    if (after)
        at = PUT(m, at, 0x8d, 0xa4, 0x24, LE32(after));
    return at;
}

#define FOR_EACH_CHANGE                                                                                                \
    for (unsigned a = 0; a < sizeof amounts / sizeof amounts[0]; a++)                                                  \
        for (unsigned b = 0; b < sizeof steps / sizeof steps[0]; b++)                                                  \
            for (unsigned c = 0; c < sizeof steps / sizeof steps[0]; c++)                                              \
                for (unsigned subtracts = 0; subtracts < 2; subtracts++)

static void a_fault_before_the_next_flags_shows_those_of_the_last_change(void **state)
{
    struct machine *m = *state;

    put_handlers(m);
    FOR_EACH_CHANGE
    {
        const uint32_t fault = put_change(m, steps[b], subtracts, amounts[a], steps[c]);
        const uint32_t moved = (uint32_t)(steps[b] + steps[c]) + (uint32_t)(subtracts ? -amounts[a] : amounts[a]);

        PUT(m, fault, 0x8b, 0x3d, LE32(ABSENT), 0x39, 0xc8, 0x0f, 0x92, 0xc2,
            0xf4); /* mov edi, []; cmp; setc dl; hlt */
        for (unsigned i = 0; i < sizeof tops / sizeof tops[0]; i++) {
            enter_user(m);
            map(m, ABSENT, 0);
            m->cpu->gpr[ESP] = tops[i];
            cpu_set_eflags(m->cpu, EFLAGS_OSZAPC, EFLAGS_OSZAPC);
            run_to_halt(m);
            assert_int_equal(vector_of(m), VEC_PF);
            assert_int_equal(get32(m, FRAME_EIP), fault);
            assert_int_equal(get32(m, FRAME_ESP), tops[i] + moved);
            assert_int_equal(get32(m, FRAME_EFLAGS) & EFLAGS_OSZAPC,
                             flags_of(tops[i] + (uint32_t)steps[b], (uint32_t)amounts[a], subtracts));
            map(m, ABSENT, ABSENT | ALL_RIGHTS);
            mmu_flush(&m->cpu->mmu);
            run_to_halt(m);
            assert_int_equal(vector_of(m), VEC_GP);
            assert_int_equal(get32(m, FRAME_ESP), tops[i] + moved);
            assert_int_equal(get32(m, FRAME_EFLAGS) & EFLAGS_OSZAPC, flags_of(0x11111111, 0x22222222, true));
            assert_int_equal(m->cpu->gpr[EDX], 0x33333301);
        }
    }
}

static void flags_of_a_change_that_are_read_are_made(void **state)
{
    struct machine *m = *state;

    FOR_EACH_CHANGE
    {
        const uint32_t behind = put_change(m, steps[b], subtracts, amounts[a], steps[c]);
        const uint32_t moved = (uint32_t)(steps[b] + steps[c]) + (uint32_t)(subtracts ? -amounts[a] : amounts[a]);

        PUT(m, behind, 0x9f, 0x0f, 0x90, 0xc0, /* lahf; seto al */
            0x73, 0x02, 0xb1, 0xcc,            /* jnc over; mov cl, cc; over: */
            0x39, 0xd2, 0xf4);                 /* cmp edx, edx; hlt */
        for (unsigned i = 0; i < sizeof tops / sizeof tops[0]; i++) {
            const uint32_t flags = flags_of(tops[i] + (uint32_t)steps[b], (uint32_t)amounts[a], subtracts);

            m->cpu->gpr[ESP] = tops[i];
            m->cpu->gpr[ECX] = m->cpu->gpr[EAX] = 0;
            cpu_set_eflags(m->cpu, ~flags & EFLAGS_OSZAPC, EFLAGS_OSZAPC);
            run(m, CODE);
            assert_int_equal(m->cpu->gpr[ESP], tops[i] + moved);
            assert_int_equal(m->cpu->gpr[EAX], (flags & 0xff) << 8 | 0x200 | !!(flags & EFLAGS_OF));
            assert_int_equal(m->cpu->gpr[ECX], flags & EFLAGS_CF ? 0xcc : 0);
        }
    }
}

/* ---- x87's pointers, with ESP outstanding ---- */

static void x87_pointers_are_known_behind_a_return(void **state)
{
    struct machine *m = *state;
    static const int32_t moved[] = {0, 8, -4, -8};
    const uint32_t behind = CODE + 0x40;

    for (unsigned kind = 0; kind < 4; kind++) {
        uint32_t at = PUT(m, CODE, 0xdb, 0xe3, 0x68, LE32(behind),   /* fninit; push behind */
                          0x50, 0xd9, 0x44, 0x24, 0x00, 0xdd, 0xd8); /* push eax; fld dword [esp]; fstp st0 */

        switch (kind) {
        case 0:
            PUT(m, at, 0x59, 0xc3); /* pop ecx; ret */
            break;
        case 1:
            PUT(m, at, 0x83, 0xc4, 0x04, 0xc2, 0x08, 0x00); /* add esp, 4; ret 8 */
            break;
        case 2:
            PUT(m, at, 0x59, 0xff, 0x24, 0x24); /* pop ecx; jmp [esp] */
            break;
        default:
            PUT(m, at, 0x59, 0xff, 0x14, 0x24); /* pop ecx; call [esp] */
            break;
        }
        PUT(m, behind, 0xd9, 0x35, LE32(PLACE), 0xf4); /* fnstenv; hlt */
        for (uint32_t esp = TOP - 0x10; esp <= TOP + 0x10; esp += 4) {
            m->cpu->gpr[ESP] = esp;
            m->cpu->gpr[EAX] = 0x40000000;
            m->cpu->gpr[ECX] = 0;
            run(m, CODE);
            assert_int_equal(m->cpu->eip, behind + 7);
            assert_int_equal(m->cpu->gpr[ESP], esp + (uint32_t)moved[kind]);
            assert_int_equal(m->cpu->gpr[ECX], kind == 1 ? 0 : 0x40000000);
            assert_int_equal(get32(m, PLACE + 12), CODE + 12);
            assert_int_equal(get32(m, PLACE + 20), esp - 8);
        }
    }
}

/* ---- programs, against the interpreter ---- */

#define PROGRAM(text, is_code16, ...)                                                                                  \
    {                                                                                                                  \
        (text), (is_code16), sizeof((const uint8_t[]){__VA_ARGS__}),                                                   \
        {                                                                                                              \
            __VA_ARGS__                                                                                                \
        }                                                                                                              \
    }
/* They begin at CODE and end with HLT. EAX is 3, ECX 5, EBX PLACE, EBP a little above ESP. */
static const struct program {
    const char *text;
    bool code16;
    uint8_t n, bytes[110];
} programs[] = {
    PROGRAM("push ebp; mov ebp, esp; push esi; push edi; sub esp, 24; mov [esp + 8], eax; mov [esp], ecx; lea edx, "
            "[esp + 8]; mov esi, [ebp + 4]; cmp esi, eax; setc dl; add esp, 24; pop edi; pop esi; pop ebp",
            false, 0x55, 0x89, 0xe5, 0x56, 0x57, 0x83, 0xec, 0x18, 0x89, 0x44, 0x24, 0x08, 0x89, 0x0c, 0x24, 0x8d, 0x54,
            0x24, 0x08, 0x8b, 0x75, 0x04, 0x39, 0xc6, 0x0f, 0x92, 0xc2, 0x83, 0xc4, 0x18, 0x5f, 0x5e, 0x5d, 0xf4),
    PROGRAM("push eax; push esp; push ecx; push esp; pop edx; pop esi; pop edi", false, 0x50, 0x54, 0x51, 0x54, 0x5a,
            0x5e, 0x5f, 0xf4),
    PROGRAM("push eax; lea edx, [esp + 8]; push edx; push edx; pop ecx; pop esp; push eax; pop edx", false, 0x50, 0x8d,
            0x54, 0x24, 0x08, 0x52, 0x52, 0x59, 0x5c, 0x50, 0x5a, 0xf4),
    PROGRAM("push eax; mov ebp, esp; push ecx; sub esp, 8; mov [esp], ecx; mov esp, ebp; push edx; pop esi", false,
            0x50, 0x89, 0xe5, 0x51, 0x83, 0xec, 0x08, 0x89, 0x0c, 0x24, 0x89, 0xec, 0x52, 0x5e, 0xf4),
    PROGRAM("push eax; push ecx; leave; push eax; pop edx", false, 0x50, 0x51, 0xc9, 0x50, 0x5a, 0xf4),
    PROGRAM("push eax; enter 16, 0; push ecx; mov [esp + 4], eax; leave; pop edx", false, 0x50, 0xc8, 0x10, 0x00, 0x00,
            0x51, 0x89, 0x44, 0x24, 0x04, 0xc9, 0x5a, 0xf4),
    PROGRAM("push eax; data16 enter 8, 0; push ecx; pop edx; mov [esp], edx; data16 leave; pop edx", false, 0x50, 0x66,
            0xc8, 0x08, 0x00, 0x00, 0x51, 0x5a, 0x89, 0x14, 0x24, 0x66, 0xc9, 0x5a, 0xf4),
    PROGRAM("push eax; enter 8, 2; push ecx; pop edx; leave; pop edx", false, 0x50, 0xc8, 0x08, 0x00, 0x02, 0x51, 0x5a,
            0xc9, 0x5a, 0xf4),
    PROGRAM("lea eax, [esp - 8]; push ecx; xchg eax, esp; push edx; xchg eax, esp; pop ecx", false, 0x8d, 0x44, 0x24,
            0xf8, 0x51, 0x94, 0x52, 0x94, 0x59, 0xf4),
    PROGRAM("push ecx; lea esp, [esp + eax * 4]; push edx; sub esp, 8; lea esp, [esp + eax * 4 - 4]; pop esi", false,
            0x51, 0x8d, 0x24, 0x84, 0x52, 0x83, 0xec, 0x08, 0x8d, 0x64, 0x84, 0xfc, 0x5e, 0xf4),
    PROGRAM("push ax; push ecx; push cx; pop dx; pop esi; pop di", false, 0x66, 0x50, 0x51, 0x66, 0x51, 0x66, 0x5a,
            0x5e, 0x66, 0x5f, 0xf4),
    PROGRAM("push eax; push ecx; pop [esp + 8]; pop [esp]; push 77; pop [esp - 12]", false, 0x50, 0x51, 0x8f, 0x44,
            0x24, 0x08, 0x8f, 0x04, 0x24, 0x6a, 0x4d, 0x8f, 0x44, 0x24, 0xf4, 0xf4),
    PROGRAM("push eax; push [esp + 4]; push [esp]; push [esp - 4]; pop edx; add esp, 4; pop esi", false, 0x50, 0xff,
            0x74, 0x24, 0x04, 0xff, 0x34, 0x24, 0xff, 0x74, 0x24, 0xfc, 0x5a, 0x83, 0xc4, 0x04, 0x5e, 0xf4),
    PROGRAM("push eax; pusha; push ecx; pop edx; sub esp, 4; add esp, 4; popa; pop ecx", false, 0x50, 0x60, 0x51, 0x5a,
            0x83, 0xec, 0x04, 0x83, 0xc4, 0x04, 0x61, 0x59, 0xf4),
    PROGRAM("push eax; add eax, ecx; pushf; push ecx; pop ecx; popf; pop edx; setc dl", false, 0x50, 0x01, 0xc8, 0x9c,
            0x51, 0x59, 0x9d, 0x5a, 0x0f, 0x92, 0xc2, 0xf4),
    PROGRAM("push eax; sub esp, 12; pushf; pop edx; add esp, 12; pushf; pop esi", false, 0x50, 0x83, 0xec, 0x0c, 0x9c,
            0x5a, 0x83, 0xc4, 0x0c, 0x9c, 0x5e, 0xf4),
    PROGRAM("push eax; lea esp, [esp + 0x7fffffff]; lea esp, [esp + 0x7fffffff]; lea esp, [esp + 2]; push ecx; pop "
            "edx; sub esp, 0x7fffffff; add esp, 0x7fffffff; pop edx",
            false, 0x50, 0x8d, 0xa4, 0x24, 0xff, 0xff, 0xff, 0x7f, 0x8d, 0xa4, 0x24, 0xff, 0xff, 0xff, 0x7f, 0x8d, 0x64,
            0x24, 0x02, 0x51, 0x5a, 0x81, 0xec, 0xff, 0xff, 0xff, 0x7f, 0x81, 0xc4, 0xff, 0xff, 0xff, 0x7f, 0x5a, 0xf4),
    PROGRAM("push eax; sub esp, 0x3000; lea esp, [esp - 0x1000]; push ecx; lea esp, [esp + 0x3fff]; lea esp, [esp + "
            "1]; pop edx; add esp, 4; lea esp, [esp + 0x3ffc]; lea esp, [esp - 0x3ffc]; push edx",
            false, 0x50, 0x81, 0xec, 0x00, 0x30, 0x00, 0x00, 0x8d, 0xa4, 0x24, 0x00, 0xf0, 0xff, 0xff, 0x51, 0x8d, 0xa4,
            0x24, 0xff, 0x3f, 0x00, 0x00, 0x8d, 0x64, 0x24, 0x01, 0x5a, 0x83, 0xc4, 0x04, 0x8d, 0xa4, 0x24, 0xfc, 0x3f,
            0x00, 0x00, 0x8d, 0xa4, 0x24, 0x04, 0xc0, 0xff, 0xff, 0x52, 0xf4),
    PROGRAM("push ecx; sub esp, 8; mov [esp], eax; cmp eax, ecx; setc dl; add esp, 12; mov edx, [esp - 8]; test eax, "
            "eax; setz dh",
            false, 0x51, 0x83, 0xec, 0x08, 0x89, 0x04, 0x24, 0x39, 0xc8, 0x0f, 0x92, 0xc2, 0x83, 0xc4, 0x0c, 0x8b, 0x54,
            0x24, 0xf8, 0x85, 0xc0, 0x0f, 0x94, 0xc6, 0xf4),
    PROGRAM("push eax; add esp, 4; seto dl; sets dh; push ecx; sub esp, 8; lahf; mov [esp], eax; add esp, 12; jz 1f; "
            "push edx; 1: pop ecx",
            false, 0x50, 0x83, 0xc4, 0x04, 0x0f, 0x90, 0xc2, 0x0f, 0x98, 0xc6, 0x51, 0x83, 0xec, 0x08, 0x9f, 0x89, 0x04,
            0x24, 0x83, 0xc4, 0x0c, 0x74, 0x01, 0x52, 0x59, 0xf4),
    PROGRAM(
        "push eax; sub esp, 16; mov [esp + 4], eax; inc dword [esp + 4]; adc edx, ecx; add esp, 20; dec eax; setc dl",
        false, 0x50, 0x83, 0xec, 0x10, 0x89, 0x44, 0x24, 0x04, 0xff, 0x44, 0x24, 0x04, 0x11, 0xca, 0x83, 0xc4, 0x14,
        0x48, 0x0f, 0x92, 0xc2, 0xf4),
    PROGRAM("xor ecx, ecx; push eax; sub esp, 16; mov [esp], eax; shl edx, cl; setp dl; add esp, 16; rol dword [esp], "
            "cl; seta dh; sub esp, 4; shld esi, edi, cl; setc al",
            false, 0x31, 0xc9, 0x50, 0x83, 0xec, 0x10, 0x89, 0x04, 0x24, 0xd3, 0xe2, 0x0f, 0x9a, 0xc2, 0x83, 0xc4, 0x10,
            0xd3, 0x04, 0x24, 0x0f, 0x97, 0xc6, 0x83, 0xec, 0x04, 0x0f, 0xa5, 0xfe, 0x0f, 0x92, 0xc0, 0xf4),
    PROGRAM("push 7; sub esp, 16; mov [esp + 4], eax; xor edx, edx; sub esp, 4; div dword [esp + 20]; add esp, 20; cmp "
            "eax, ecx",
            false, 0x6a, 0x07, 0x83, 0xec, 0x10, 0x89, 0x44, 0x24, 0x04, 0x31, 0xd2, 0x83, 0xec, 0x04, 0xf7, 0x74, 0x24,
            0x14, 0x83, 0xc4, 0x14, 0x39, 0xc8, 0xf4),
    PROGRAM("sub esp, 4; push eax; add [esp + 4], eax; sub esp, 8; push ecx; sub [esp + 4], ecx; add esp, 8; pop edx; "
            "xor [esp], edx; add esp, 4; pop edx; neg edx",
            false, 0x83, 0xec, 0x04, 0x50, 0x01, 0x44, 0x24, 0x04, 0x83, 0xec, 0x08, 0x51, 0x29, 0x4c, 0x24, 0x04, 0x83,
            0xc4, 0x08, 0x5a, 0x31, 0x14, 0x24, 0x83, 0xc4, 0x04, 0x5a, 0xf7, 0xda, 0xf4),
    PROGRAM(
        "sub esp, 8; push eax; mov ecx, esp; push ecx; and esp, -4; add esp, 8; mov esp, ecx; cmp ecx, esp; setz dl",
        false, 0x83, 0xec, 0x08, 0x50, 0x89, 0xe1, 0x51, 0x83, 0xe4, 0xfc, 0x83, 0xc4, 0x08, 0x89, 0xcc, 0x39, 0xe1,
        0x0f, 0x94, 0xc2, 0xf4),
    PROGRAM("sub esp, 8; lea eax, [esp + 4]; xchg eax, esp; mov [esp], ecx; xor edx, edx; xchg esp, eax; add esp, 8; "
            "xchg esp, eax; mov edx, [eax]; xchg eax, esp; test edx, edx",
            false, 0x83, 0xec, 0x08, 0x8d, 0x44, 0x24, 0x04, 0x94, 0x89, 0x0c, 0x24, 0x31, 0xd2, 0x94, 0x83, 0xc4, 0x08,
            0x94, 0x8b, 0x10, 0x94, 0x85, 0xd2, 0xf4),
    PROGRAM("test al, cl; jz 1f; push eax; mov [esp - 4], ecx; pop edx; 1: push ecx; cmp ecx, eax; jc 2f; sub esp, 4; "
            "push edx; add esp, 8; 2: pop edx",
            false, 0x84, 0xc8, 0x74, 0x06, 0x50, 0x89, 0x4c, 0x24, 0xfc, 0x5a, 0x51, 0x39, 0xc1, 0x72, 0x07, 0x83, 0xec,
            0x04, 0x52, 0x83, 0xc4, 0x08, 0x5a, 0xf4),
    PROGRAM("push edx; test al, 1; jnz 1f; push eax; push ecx; 1: push esi; sub esp, 8; test al, 2; jz 2f; mov [esp + "
            "4], ecx; push eax; lea esp, [esp - 4]; 2: mov [esp], edx; pop edi",
            false, 0x52, 0xa8, 0x01, 0x75, 0x02, 0x50, 0x51, 0x56, 0x83, 0xec, 0x08, 0xa8, 0x02, 0x74, 0x09, 0x89, 0x4c,
            0x24, 0x04, 0x50, 0x8d, 0x64, 0x24, 0xfc, 0x89, 0x14, 0x24, 0x5f, 0xf4),
    PROGRAM("mov ecx, 5; 1: push ecx; add [esp], eax; pop edx; dec ecx; jnz 1b; push edx", false, 0xb9, 0x05, 0x00,
            0x00, 0x00, 0x51, 0x01, 0x04, 0x24, 0x5a, 0x49, 0x75, 0xf8, 0x52, 0xf4),
    PROGRAM("mov ecx, 5; 1: push ecx; push eax; pop edx; mov [esp + 4], ecx; dec ecx; jnz 1b; lea esp, [esp + 20]; "
            "push ecx",
            false, 0xb9, 0x05, 0x00, 0x00, 0x00, 0x51, 0x50, 0x5a, 0x89, 0x4c, 0x24, 0x04, 0x49, 0x75, 0xf6, 0x8d, 0x64,
            0x24, 0x14, 0x51, 0xf4),
    PROGRAM("mov ecx, 6; 1: sub esp, 8; mov [esp + 4], ecx; push ecx; pop edx; add esp, 8; dec ecx; jnz 1b; ", false,
            0xb9, 0x06, 0x00, 0x00, 0x00, 0x83, 0xec, 0x08, 0x89, 0x4c, 0x24, 0x04, 0x51, 0x5a, 0x83, 0xc4, 0x08, 0x49,
            0x75, 0xf1, 0xf4),
    PROGRAM("mov ecx, 6; 1: push ecx; test cl, 1; jz 2f; push eax; add [esp], ecx; pop edx; 2: pop esi; dec ecx; jnz "
            "1b; push esi",
            false, 0xb9, 0x06, 0x00, 0x00, 0x00, 0x51, 0xf6, 0xc1, 0x01, 0x74, 0x05, 0x50, 0x01, 0x0c, 0x24, 0x5a, 0x5e,
            0x49, 0x75, 0xf1, 0x56, 0xf4),
    PROGRAM("mov ecx, 5; 1: pop edx; add eax, edx; sub ecx, 1; jnz 1b; sub esp, 20", false, 0xb9, 0x05, 0x00, 0x00,
            0x00, 0x5a, 0x01, 0xd0, 0x83, 0xe9, 0x01, 0x75, 0xf8, 0x83, 0xec, 0x14, 0xf4),
    PROGRAM("fninit; push eax; fld dword [esp]; pop ecx; push edx; fstp dword [esp]; sub esp, 8; fld1; fstp qword "
            "[esp]; pop edx; pop edx; pop edx; fnstenv [ebx]",
            false, 0xdb, 0xe3, 0x50, 0xd9, 0x04, 0x24, 0x59, 0x52, 0xd9, 0x1c, 0x24, 0x83, 0xec, 0x08, 0xd9, 0xe8, 0xdd,
            0x1c, 0x24, 0x5a, 0x5a, 0x5a, 0xd9, 0x33, 0xf4),
    PROGRAM(
        "fninit; push 1f; push eax; fld dword [esp + 4]; pop edx; fstp dword [ebx + 40]; ret; 1: fnstenv [ebx]; push 1",
        false, 0xdb, 0xe3, 0x68, 0x11, 0x80, 0x00, 0x00, 0x50, 0xd9, 0x44, 0x24, 0x04, 0x5a, 0xd9, 0x5b, 0x28, 0xc3,
        0xd9, 0x33, 0x6a, 0x01, 0xf4),
    PROGRAM("fninit; push 5; push 6; push 1f; push eax; push ecx; fld dword [ebx]; fstp st(0); fild dword [esp]; pop "
            "edx; pop edi; ret 8; 1: fnstenv [ebx + 4]; push 1",
            false, 0xdb, 0xe3, 0x6a, 0x05, 0x6a, 0x06, 0x68, 0x19, 0x80, 0x00, 0x00, 0x50, 0x51, 0xd9, 0x03, 0xdd, 0xd8,
            0xdb, 0x04, 0x24, 0x5a, 0x5f, 0xc2, 0x08, 0x00, 0xd9, 0x73, 0x04, 0x6a, 0x01, 0xf4),
    PROGRAM("fninit; mov dword [ebx + 64], 1f; push eax; fld dword [esp]; fstp st(0); pop edx; jmp [ebx + 64]; nop; 1: "
            "fnstenv [ebx]; push ecx",
            false, 0xdb, 0xe3, 0xc7, 0x43, 0x40, 0x14, 0x80, 0x00, 0x00, 0x50, 0xd9, 0x04, 0x24, 0xdd, 0xd8, 0x5a, 0xff,
            0x63, 0x40, 0x90, 0xd9, 0x33, 0x51, 0xf4),
    PROGRAM("fninit; mov dword [ebx + 64], 1f; push eax; fld dword [esp]; fstp dword [esp - 8]; call [ebx + 64]; nop; "
            "1: fnstenv [ebx]; pop ecx",
            false, 0xdb, 0xe3, 0xc7, 0x43, 0x40, 0x15, 0x80, 0x00, 0x00, 0x50, 0xd9, 0x04, 0x24, 0xd9, 0x5c, 0x24, 0xf8,
            0xff, 0x53, 0x40, 0x90, 0xd9, 0x33, 0x59, 0xf4),
    PROGRAM("fninit; mov ecx, 4; 1: push ecx; fild dword [esp]; fstp dword [esp - 8]; mov edx, [esp - 8]; dec ecx; jnz "
            "1b; lea esp, [esp + 16]; fnstenv [ebx]",
            false, 0xdb, 0xe3, 0xb9, 0x04, 0x00, 0x00, 0x00, 0x51, 0xdb, 0x04, 0x24, 0xd9, 0x5c, 0x24, 0xf8, 0x8b, 0x54,
            0x24, 0xf8, 0x49, 0x75, 0xf1, 0x8d, 0x64, 0x24, 0x10, 0xd9, 0x33, 0xf4),
    PROGRAM(
        "call 1f; push eax; jmp 2f; 1: push eax; sub esp, 8; mov [esp + 4], ecx; add esp, 8; pop edx; ret; 2: pop ecx",
        false, 0xe8, 0x03, 0x00, 0x00, 0x00, 0x50, 0xeb, 0x0d, 0x50, 0x83, 0xec, 0x08, 0x89, 0x4c, 0x24, 0x04, 0x83,
        0xc4, 0x08, 0x5a, 0xc3, 0x59, 0xf4),
    PROGRAM("call 1f; setp dl; setc dh; jmp 2f; 1: push eax; sub esp, 8; mov [esp + 4], ecx; add esp, 12; ret; 2: "
            "pushf; pop ecx",
            false, 0xe8, 0x08, 0x00, 0x00, 0x00, 0x0f, 0x9a, 0xc2, 0x0f, 0x92, 0xc6, 0xeb, 0x0c, 0x50, 0x83, 0xec, 0x08,
            0x89, 0x4c, 0x24, 0x04, 0x83, 0xc4, 0x0c, 0xc3, 0x9c, 0x59, 0xf4),
    PROGRAM("push eax; push ecx; call 1f; push edx; jmp 2f; 1: push ebp; mov ebp, esp; push edi; mov edx, [ebp + 8]; "
            "pop edi; pop ebp; ret 8; 2: pop ecx",
            false, 0x50, 0x51, 0xe8, 0x03, 0x00, 0x00, 0x00, 0x52, 0xeb, 0x0c, 0x55, 0x89, 0xe5, 0x57, 0x8b, 0x55, 0x08,
            0x5f, 0x5d, 0xc2, 0x08, 0x00, 0x59, 0xf4),
    PROGRAM("push 1f; push eax; pop edx; ret; nop; 1: push ecx; pop edx", false, 0x68, 0x09, 0x80, 0x00, 0x00, 0x50,
            0x5a, 0xc3, 0x90, 0x51, 0x5a, 0xf4),
    PROGRAM("push eax; inc esp; dec esp; adc esp, 0; push ecx; and esp, -4; movzx ecx, sp; push eax; imul edx, esp, 3; "
            "cmp esp, eax; push edx; setc dl; or esp, 4; pop eax",
            false, 0x50, 0x44, 0x4c, 0x83, 0xd4, 0x00, 0x51, 0x83, 0xe4, 0xfc, 0x0f, 0xb7, 0xcc, 0x50, 0x6b, 0xd4, 0x03,
            0x39, 0xc4, 0x52, 0x0f, 0x92, 0xc2, 0x83, 0xcc, 0x04, 0x58, 0xf4),
    PROGRAM("push eax; add edx, esp; push ecx; test esp, esp; setp cl; push eax; sub edi, esp; push eax; cmovnz esi, "
            "esp; push eax; bt esp, 3; adc edx, 0; pop eax; mov [ebx], esp; push eax; or [ebx + 4], esp",
            false, 0x50, 0x01, 0xe2, 0x51, 0x85, 0xe4, 0x0f, 0x9a, 0xc1, 0x50, 0x29, 0xe7, 0x50, 0x0f, 0x45, 0xf4, 0x50,
            0x0f, 0xba, 0xe4, 0x03, 0x83, 0xd2, 0x00, 0x58, 0x89, 0x23, 0x50, 0x09, 0x63, 0x04, 0xf4),
    PROGRAM("push eax; movd xmm0, esp; push ecx; movd [esp], xmm0; pop ecx; push ecx; cvtsi2ss xmm1, esp; movd edx, "
            "xmm1; push edx; movnti [esp], esp; pop edx; pop esi",
            false, 0x50, 0x66, 0x0f, 0x6e, 0xc4, 0x51, 0x66, 0x0f, 0x7e, 0x04, 0x24, 0x59, 0x51, 0xf3, 0x0f, 0x2a, 0xcc,
            0x66, 0x0f, 0x7e, 0xca, 0x52, 0x0f, 0xc3, 0x24, 0x24, 0x5a, 0x5e, 0xf4),
    PROGRAM("lea edx, [esp - 8]; movd xmm0, edx; push eax; push ecx; movd esp, xmm0; push edx; pop esi; push ecx; movd "
            "mm1, edx; movd esp, mm1; emms; mov [esp], ecx",
            false, 0x8d, 0x54, 0x24, 0xf8, 0x66, 0x0f, 0x6e, 0xc2, 0x50, 0x51, 0x66, 0x0f, 0x7e, 0xc4, 0x52, 0x5e, 0x51,
            0x0f, 0x6e, 0xca, 0x0f, 0x7e, 0xcc, 0x0f, 0x77, 0x89, 0x0c, 0x24, 0xf4),
    PROGRAM("push es; push eax; mov [esp + 4], ds; pop edx; pop fs; push gs; mov ecx, fs; push cx; pop dx; pop gs",
            false, 0x06, 0x50, 0x8c, 0x5c, 0x24, 0x04, 0x5a, 0x0f, 0xa1, 0x0f, 0xa8, 0x8c, 0xe1, 0x66, 0x51, 0x66, 0x5a,
            0x0f, 0xa9, 0xf4),
    PROGRAM("push eax; lock add [esp], ecx; push ecx; xadd [esp], edx; cmpxchg [esp + 4], ecx; sub esp, 4; xchg [esp], "
            "edx; push eax; cmpxchg8b [esp + 4]; pop edx; setz dl",
            false, 0x50, 0xf0, 0x01, 0x0c, 0x24, 0x51, 0x0f, 0xc1, 0x14, 0x24, 0x0f, 0xb1, 0x4c, 0x24, 0x04, 0x83, 0xec,
            0x04, 0x87, 0x14, 0x24, 0x50, 0x0f, 0xc7, 0x4c, 0x24, 0x04, 0x5a, 0x0f, 0x94, 0xc2, 0xf4),
    PROGRAM("push eax; bts dword [esp], 3; adc edx, 0; push ecx; btr [esp], eax; adc edx, 0; pop esi; setc [esp]; rcl "
            "dword [esp], 1; pop edi; setc dl",
            false, 0x50, 0x0f, 0xba, 0x2c, 0x24, 0x03, 0x83, 0xd2, 0x00, 0x51, 0x0f, 0xb3, 0x04, 0x24, 0x83, 0xd2, 0x00,
            0x5e, 0x0f, 0x92, 0x04, 0x24, 0xd1, 0x14, 0x24, 0x5f, 0x0f, 0x92, 0xc2, 0xf4),
    PROGRAM("push eax; sub esp, 8; mov edi, esp; stosd; push ecx; stosd; lea esi, [esp + 4]; lodsd; add esp, 4; mov "
            "edi, esp; mov ecx, 2; rep stosd; add esp, 8; pop ecx",
            false, 0x50, 0x83, 0xec, 0x08, 0x89, 0xe7, 0xab, 0x51, 0xab, 0x8d, 0x74, 0x24, 0x04, 0xad, 0x83, 0xc4, 0x04,
            0x89, 0xe7, 0xb9, 0x02, 0x00, 0x00, 0x00, 0xf3, 0xab, 0x83, 0xc4, 0x08, 0x59, 0xf4),
    PROGRAM("push eax; sub esp, 8; rdtsc; mov [esp], edx; push ecx; cmp eax, ecx; setz dl; pop edx; add esp, 8", false,
            0x50, 0x83, 0xec, 0x08, 0x0f, 0x31, 0x89, 0x14, 0x24, 0x51, 0x39, 0xc8, 0x0f, 0x94, 0xc2, 0x5a, 0x83, 0xc4,
            0x08, 0xf4),
    PROGRAM("push eax; push ecx; push edx; push ebx; mov [esp + 20], eax; mov edx, [esp + 4]; add [esp + 8], edx; sub "
            "esp, 28; mov [esp + 24], ecx; mov [esp + 4], eax; mov [esp], edx; push dword [esp + 24]; mov ecx, [esp + "
            "40]; add esp, 32; pop esi; cmp [esp + 4], eax; mov [esp + 16], esi; pop edi; pop edx; adc [esp], edx",
            false, 0x50, 0x51, 0x52, 0x53, 0x89, 0x44, 0x24, 0x14, 0x8b, 0x54, 0x24, 0x04, 0x01, 0x54, 0x24, 0x08, 0x83,
            0xec, 0x1c, 0x89, 0x4c, 0x24, 0x18, 0x89, 0x44, 0x24, 0x04, 0x89, 0x14, 0x24, 0xff, 0x74, 0x24, 0x18, 0x8b,
            0x4c, 0x24, 0x28, 0x83, 0xc4, 0x20, 0x5e, 0x39, 0x44, 0x24, 0x04, 0x89, 0x74, 0x24, 0x10, 0x5f, 0x5a, 0x11,
            0x14, 0x24, 0xf4),
    PROGRAM("push eax; mov [esp + 1], ecx; mov edx, [esp - 3]; push ecx; mov [esp + 7], ax; sub esp, 3; push edx; pop "
            "edi; mov [esp - 6], ecx; add esp, 3; pop esi; cmp esi, edi",
            false, 0x50, 0x89, 0x4c, 0x24, 0x01, 0x8b, 0x54, 0x24, 0xfd, 0x51, 0x66, 0x89, 0x44, 0x24, 0x07, 0x83, 0xec,
            0x03, 0x52, 0x5f, 0x89, 0x4c, 0x24, 0xfa, 0x83, 0xc4, 0x03, 0x5e, 0x39, 0xfe, 0xf4),
    PROGRAM("push eax; push ecx; lea esp, [esp - 3000h], three times; mov [esp + 9004h], eax; lea esp, [esp + 3000h], "
            "three times; pop ecx; pop edx",
            false, 0x50, 0x51, 0x8d, 0xa4, 0x24, LE32(-0x3000), 0x8d, 0xa4, 0x24, LE32(-0x3000), 0x8d, 0xa4, 0x24,
            LE32(-0x3000), 0x89, 0x84, 0x24, LE32(0x9004), 0x8d, 0xa4, 0x24, LE32(0x3000), 0x8d, 0xa4, 0x24,
            LE32(0x3000), 0x8d, 0xa4, 0x24, LE32(0x3000), 0x59, 0x5a, 0xf4),
    PROGRAM("cmp eax, ecx; jc 1f; sub esp, 8; 1: nop; mov edx, [esp - 4]; push eax; cmp eax, eax; pop edi", false, 0x39,
            0xc8, 0x72, 0x03, 0x83, 0xec, 0x08, 0x90, 0x8b, 0x54, 0x24, 0xfc, 0x50, 0x39, 0xc0, 0x5f, 0xf4),
    PROGRAM("sub esp, 8; mov [esp + 2], eax; push ecx; mov dx, [esp + 5]; cmp dx, ax; pop edx; add esp, 8", false, 0x83,
            0xec, 0x08, 0x89, 0x44, 0x24, 0x02, 0x51, 0x66, 0x8b, 0x54, 0x24, 0x05, 0x66, 0x39, 0xc2, 0x5a, 0x83, 0xc4,
            0x08, 0xf4),
    PROGRAM("push eax; sub esp, 8; cpuid; mov [esp], edx; push ecx; sub esp, 4; push eax; str dx; push edx; xor edx, "
            "edx; lea esp, [esp + 16]; pop edx",
            false, 0x50, 0x83, 0xec, 0x08, 0x0f, 0xa2, 0x89, 0x14, 0x24, 0x51, 0x83, 0xec, 0x04, 0x50, 0x66, 0x0f, 0x00,
            0xca, 0x52, 0x31, 0xd2, 0x8d, 0x64, 0x24, 0x10, 0x5a, 0xf4),
    PROGRAM("push eax; push ecx; mov [esp + 4], edx; sub esp, 8; mov [esp], ax; mov edi, [esp + 8]; cmp edi, eax; setc "
            "dl; add esp, 8; pop esi; pop edi",
            true, 0x66, 0x50, 0x66, 0x51, 0x67, 0x66, 0x89, 0x54, 0x24, 0x04, 0x66, 0x83, 0xec, 0x08, 0x67, 0x89, 0x04,
            0x24, 0x67, 0x66, 0x8b, 0x7c, 0x24, 0x08, 0x66, 0x39, 0xc7, 0x0f, 0x92, 0xc2, 0x66, 0x83, 0xc4, 0x08, 0x66,
            0x5e, 0x66, 0x5f, 0xf4),
    PROGRAM("push ax; push cx; mov dx, [esp + 2]; sub sp, 4; push ax; pop bp; add sp, 4; cmp ax, cx; pop dx; pop di",
            true, 0x50, 0x51, 0x67, 0x8b, 0x54, 0x24, 0x02, 0x83, 0xec, 0x04, 0x50, 0x5d, 0x83, 0xc4, 0x04, 0x39, 0xc8,
            0x5a, 0x5f, 0xf4),
    PROGRAM(
        "call 1f; push eax; jmp 2f; 1: push eax; sub esp, 8; mov [esp + 4], ecx; add esp, 8; pop edx; ret; 2: pop ecx",
        true, 0xe8, 0x04, 0x00, 0x66, 0x50, 0xeb, 0x13, 0x66, 0x50, 0x66, 0x83, 0xec, 0x08, 0x67, 0x66, 0x89, 0x4c,
        0x24, 0x04, 0x66, 0x83, 0xc4, 0x08, 0x66, 0x5a, 0xc3, 0x66, 0x59, 0xf4),
    PROGRAM("push ebp; mov ebp, esp; enter 8, 0; push ecx; leave; push eax; data32 enter 8, 0; push eax; data32 leave; "
            "pop ecx; pop ebp",
            true, 0x66, 0x55, 0x66, 0x89, 0xe5, 0xc8, 0x08, 0x00, 0x00, 0x66, 0x51, 0xc9, 0x66, 0x50, 0x66, 0xc8, 0x08,
            0x00, 0x00, 0x66, 0x50, 0x66, 0xc9, 0x66, 0x59, 0x66, 0x5d, 0xf4),
};
enum { PROGRAMS = sizeof programs / sizeof programs[0] };

/* What is special about the stack. */
enum scene {
    PLAIN,
    LOWER_ABSENT, /* the page below TOP */
    LOWER_READ_ONLY,
    UPPER_ABSENT,
    UPPER_READ_ONLY,
    BOTH_ABSENT,
    LOWER_DEVICE,
    UPPER_DEVICE,
    LOWER_ROM,
    UPPER_ROM,
    LIMIT,       /* of SS, at TOP */
    EXPAND_DOWN, /* to TOP */
    ALIGNED,     /* else #AC */
    BASED,       /* SS */
    STACK_16,
    WRAPS_16, /* SP, about 0 */
    SCENES,
};

struct side {
    struct machine *m;
    struct page_device device;
};

static void prepare_pages(struct machine *m, enum scene scene)
{
    if (scene == LOWER_ABSENT || scene == BOTH_ABSENT)
        map(m, LOWER, 0);
    if (scene == UPPER_ABSENT || scene == BOTH_ABSENT)
        map(m, UPPER, 0);
    if (scene == LOWER_READ_ONLY)
        map(m, LOWER, LOWER | PRESENT_USER);
    if (scene == UPPER_READ_ONLY)
        map(m, UPPER, UPPER | PRESENT_USER);
    if (scene == LOWER_DEVICE || scene == LOWER_ROM)
        map(m, LOWER, (scene == LOWER_ROM ? ROM : DEVICE) | ALL_RIGHTS);
    if (scene == UPPER_DEVICE || scene == UPPER_ROM)
        map(m, UPPER, (scene == UPPER_ROM ? ROM : DEVICE) | ALL_RIGHTS);
    mmu_flush(&m->cpu->mmu);
}

static void prepare_segments(struct machine *m, const struct program *p, enum scene scene)
{
    const uint16_t big = TEST_DATA | DPL3, small = big & ~AR_DB;

    put_gdt(m, SEL_TEST2, 0, 0xffff, (TEST_CODE | DPL3) & ~AR_DB);
    if (p->code16)
        load_segment(m, CS, SEL_TEST2 | 3);
    if (scene == LIMIT)
        put_gdt(m, SEL_TEST, 0, TOP - 1, big);
    else if (scene == EXPAND_DOWN)
        put_gdt(m, SEL_TEST, 0, TOP - 1, big | AR_EXPAND_DOWN);
    else if (scene == BASED)
        put_gdt(m, SEL_TEST, 0x1000, 0xfffff, big | AR_G);
    else if (scene == STACK_16 || scene == WRAPS_16)
        put_gdt(m, SEL_TEST, 0, 0xffff, small);
    else
        return;
    load_segment(m, SS, SEL_TEST | 3);
}

static void prepare(struct side *side, const struct program *p, enum scene scene, int32_t above)
{
    struct machine *m = side->m;
    uint32_t *gpr = m->cpu->gpr;

    enter_user(m);
    if (scene == ALIGNED) {
        m->cpu->cr0 |= CR0_AM;
        cpu_set_eflags(m->cpu, EFLAGS_AC, EFLAGS_AC);
    }
    prepare_segments(m, p, scene);
    for (uint32_t at = LOWER; at < UPPER + 0x1000; at += 4) {
        put32(m, at, at * 0x9e3779b1u);
        memcpy(side->device.bytes + at % PHYS_PAGE_SIZE, &at, 4);
    }
    for (uint32_t at = PLACE - 32; at < PLACE + 128; at += 4)
        put32(m, at, 0x40000000 + at);
    prepare_pages(m, scene);
    gpr[EAX] = 3;
    gpr[ECX] = 5;
    gpr[EBX] = PLACE;
    gpr[ESP] = (scene == WRAPS_16 ? 0x10000u : scene == BASED ? TOP - 0x1000u : TOP) + (uint32_t)above;
    gpr[EBP] = gpr[ESP] + 24;
    cpu_set_eflags(m->cpu, EFLAGS_SF | EFLAGS_AF, EFLAGS_OSZAPC);
    memset(m->cpu->fpu.xmm, 0, sizeof m->cpu->fpu.xmm);
}

/* So that it goes on. */
static void repair(struct machine *m)
{
    map(m, LOWER, LOWER | ALL_RIGHTS);
    map(m, UPPER, UPPER | ALL_RIGHTS);
    mmu_flush(&m->cpu->mmu);
    if (vector_of(m) == VEC_SS) /* IRET loads it anew */
        put_gdt(m, SEL_TEST, 0, 0xfffff, TEST_DATA | AR_G | DPL3);
    if (vector_of(m) == VEC_AC)
        put32(m, FRAME_EFLAGS, get32(m, FRAME_EFLAGS) & ~(uint32_t)EFLAGS_AC);
}

static void assert_equal(struct side *ours, struct side *reference, const char *text, enum scene scene, int32_t above)
{
    struct machine *a = ours->m, *b = reference->m;
    struct difference d;

    if (!compare(a, b, &d))
        fail_msg("%s, scene %u, ESP %d above: %s %llx and not %llx (EIP %x)", text, scene, above, d.what,
                 (unsigned long long)d.ours, (unsigned long long)d.reference, get32(b, FRAME_EIP));
    if (memcmp(phys_ram_host(a->phys, 0), phys_ram_host(b->phys, 0), 0x1000) ||
        memcmp(phys_ram_host(a->phys, 0xa000), phys_ram_host(b->phys, 0xa000), 0x6000) ||
        memcmp(&ours->device, &reference->device, sizeof ours->device))
        fail_msg("%s, scene %u, ESP %d above: another stack", text, scene, above);
}

/* Returns whether the program came to its end. */
static bool run_on_both(struct side *ours, struct side *reference, const struct program *p, enum scene scene,
                        int32_t above)
{
    enum { FAULTS_MAX = 5 };

    prepare(ours, p, scene, above);
    prepare(reference, p, scene, above);
    for (unsigned faults = 0; faults < FAULTS_MAX; faults++) {
        run_to_halt(ours->m);
        run_to_halt(reference->m);
        assert_equal(ours, reference, p->text, scene, above);
        if (vector_of(reference->m) == VEC_GP)
            return get32(reference->m, FRAME_EIP) == CODE + p->n - 1u;
        repair(ours->m);
        repair(reference->m);
    }
    return false;
}

static void create_side(struct side *side, struct machine *m, uint8_t *rom)
{
    side->m = m;
    phys_map_mmio(m->phys, DEVICE, PHYS_PAGE_SIZE, &page_device_ops, &side->device);
    phys_map_rom(m->phys, ROM, PHYS_PAGE_SIZE, rom);
    put8(m, ASTRAY, 0xf4);
    put8(m, ASTRAY << 16 | ASTRAY, 0xf4);
    put_handlers(m);
}

static void run_programs(struct side *ours, struct side *reference)
{
    unsigned runs = 0, ends = 0;

    for (unsigned i = 0; i < PROGRAMS; i++) {
        put(ours->m, CODE, programs[i].bytes, programs[i].n);
        put(reference->m, CODE, programs[i].bytes, programs[i].n);
        for (enum scene scene = PLAIN; scene < SCENES; scene++)
            for (int32_t above = -44; above <= 44; above += scene == ALIGNED ? 1 : 2) {
                ends += run_on_both(ours, reference, &programs[i], scene, above);
                runs++;
            }
    }
    assert_true(ends > runs / 10 * 9);
}

/* Every program, with ESP where the page or the segment ends before or behind each of its accesses. */
static void programs_fault_and_end_as_they_do_interpreted(void **state)
{
    static _Alignas(PHYS_PAGE_SIZE) uint8_t rom[PHYS_PAGE_SIZE];
    struct side *ours = calloc(2, sizeof *ours), *reference = ours + 1;
    void *other;

    assert_non_null(ours);
    for (unsigned i = 0; i < sizeof rom; i += 2)
        memcpy(rom + i, &(uint16_t){ASTRAY}, 2);
    assert_int_equal(machine_create(&other), 0);
    attach(other, &variants[INTERP].options);
    create_side(ours, *state, rom);
    create_side(reference, other, rom);
    run_programs(ours, reference);
    machine_destroy(&other);
    free(ours);
}

static const struct engine_test tests[] = {
    TEST(each_access_that_faults_shows_the_state_before_it),
    TEST(a_fault_before_the_next_flags_shows_those_of_the_last_change),
    TEST(flags_of_a_change_that_are_read_are_made),
    TEST(x87_pointers_are_known_behind_a_return),
    TEST(programs_fault_and_end_as_they_do_interpreted),
};

int main(void)
{
    return run_by_each_engine("the stack pointer", tests, sizeof tests / sizeof tests[0]);
}
