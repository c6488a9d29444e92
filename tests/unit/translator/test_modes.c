/*
 * What translations depend on beside the code: FS, GS and the units only once code has asked for them, by each engine.
 */
#include "tests/unit/translator/block_fixture.h"

enum {
    TIMES = 20000,
    SELECTORS = 5,
    OTHER = 0xa000, /* more code */
    AT = 16,        /* offset of a value in each segment */
    EXPAND_DOWN = 4,
};

/* Instructions, 32-bit code. */
#define MOV_ECX(value)    0xb9, LE32(value)
#define MOV_GS_AX         0x8e, 0xe8
#define MOV_GS_DX         0x8e, 0xea
#define ADD_EBX_GS_ESI    0x65, 0x03, 0x1e
#define INC_EDI           0x47
#define DEC_ECX_JNZ(back) 0x49, 0x75, (uint8_t)(-(back)-3) /* to `back` bytes before it */
#define CALL(from, to)    0xe8, LE32((to) - ((from) + 5))
#define JMP(from, to)     0xe9, LE32((to) - ((from) + 5))
#define RET               0xc3
#define HLT               0xf4

/* A segment of each class, and what is in it. */
static const struct {
    uint16_t selector;
    uint32_t base, limit, value;
    uint16_t ar;
} segment[SELECTORS] = {
    {SEL_DATA0, 0, 0xfffff, 0x10, TEST_DATA | AR_G},
    {0x60, DATA, 0xfffff, 0x200, TEST_DATA | AR_G},
    {0x68, DATA + 0x100, 0xffff, 0x3000, TEST_DATA & ~AR_DB},
    {0x70, DATA + 0x204, 0xfff, 0x40000, TEST_DATA & ~AR_WRITABLE},
    {0x78, DATA, AT - 1, 0x200, TEST_DATA | EXPAND_DOWN},
};

static void put_segments(struct machine *m)
{
    for (unsigned i = 0; i < SELECTORS; i++) {
        put_gdt(m, segment[i].selector, segment[i].base, segment[i].limit, segment[i].ar);
        put32(m, segment[i].base + AT, segment[i].value);
    }
    m->cpu->gpr[ESI] = AT;
}

static uint64_t blocks(const struct machine *m)
{
    return m->cpu->translator ? m->cpu->translator->count.blocks : 0;
}
static uint64_t callouts(const struct machine *m)
{
    return m->cpu->translator ? m->cpu->translator->count.callouts : 0;
}

static void code_that_uses_neither_is_translated_once_for_all_that_fs_and_gs_can_hold(void **state)
{
    struct machine *m = *state;
    uint64_t once;

    put_segments(m);
    PUT(m, CODE, MOV_ECX(10), CALL(CODE + 5, OTHER), DEC_ECX_JNZ(5), HLT);
    PUT(m, OTHER, INC_EDI, 0x03, 0x1e, RET); /* add ebx, [esi] */
    m->cpu->seg[GS] = (struct segment){.access = SEG_CLASS_OTHER};
    run(m, CODE);
    once = blocks(m);
    for (unsigned i = 0; i < SELECTORS; i++) {
        load_segment(m, GS, segment[i].selector);
        load_segment(m, FS, segment[SELECTORS - 1 - i].selector);
        run(m, CODE);
    }
    assert_int_equal(blocks(m), once);
    assert_int_equal(m->cpu->gpr[EDI], 10 * (SELECTORS + 1));
}

static void code_that_uses_gs_finds_the_segment_that_is_there(void **state)
{
    struct machine *m = *state;
    uint32_t sum = 0;

    put_segments(m);
    /* l: call OTHER; dec ecx; jnz l; there: inc edi; jmp on; on: add ebx, gs:[esi]; ret */
    PUT(m, CODE, CALL(CODE, OTHER), DEC_ECX_JNZ(5), HLT);
    PUT(m, OTHER, INC_EDI, JMP(OTHER + 1, OTHER + 0x100));
    PUT(m, OTHER + 0x100, ADD_EBX_GS_ESI, RET);
    put8(m, HANDLER(VEC_GP), HLT);
    for (unsigned turn = 0; turn < 3; turn++)
        for (unsigned i = 0; i < SELECTORS; i++) {
            load_segment(m, GS, segment[i].selector);
            m->cpu->gpr[ECX] = turn ? TIMES : 2; /* seldom at first */
            sum += m->cpu->gpr[ECX] * segment[i].value;
            run(m, CODE);
            assert_int_equal(m->cpu->gpr[EBX], sum);
            assert_int_equal(m->cpu->eip, CODE + 9);

            m->cpu->seg[GS] = (struct segment){.access = SEG_CLASS_OTHER};
            run(m, CODE);
            assert_int_equal(m->cpu->eip, HANDLER(VEC_GP) + 1);
            m->cpu->gpr[ESP] = STACK0;
        }
}

static void repeated_strings_find_the_segment_that_is_there(void **state)
{
    struct machine *m = *state;

    put_segments(m);
    PUT(m, CODE, MOV_ECX(1), 0x65, 0xf3, 0xa5, HLT); /* rep movsd es:[edi], gs:[esi] */
    for (unsigned i = 0; i < SELECTORS; i++) {
        load_segment(m, GS, segment[i].selector);
        m->cpu->gpr[ESI] = AT;
        m->cpu->gpr[EDI] = DATA + 0x800;
        run(m, CODE);
        assert_int_equal(get32(m, DATA + 0x800), segment[i].value);
    }
}

static void code_that_loads_gs_and_uses_it_finds_what_it_has_loaded(void **state)
{
    struct machine *m = *state;

    for (unsigned i = 0; i < SELECTORS; i++)
        for (unsigned k = 0; k < SELECTORS; k++) {
            put_segments(m);
            /* l: mov gs, ax; call OTHER; mov gs, dx; call OTHER; dec ecx; jnz l */
            PUT(m, CODE, MOV_GS_AX, CALL(CODE + 2, OTHER), MOV_GS_DX, CALL(CODE + 9, OTHER), DEC_ECX_JNZ(14), HLT);
            PUT(m, OTHER, INC_EDI, JMP(OTHER + 1, OTHER + 0x100));
            PUT(m, OTHER + 0x100, ADD_EBX_GS_ESI, RET);
            m->cpu->gpr[EAX] = segment[i].selector;
            m->cpu->gpr[EDX] = segment[k].selector;
            m->cpu->gpr[ECX] = i == k ? TIMES : 100;
            m->cpu->gpr[EBX] = 0;
            run(m, CODE);
            assert_int_equal(m->cpu->gpr[EBX], (i == k ? TIMES : 100) * (segment[i].value + segment[k].value));
        }
}

/* The address of a linear page's data, which the segment's base makes of it, changes in a chain that goes on. */
static void a_chain_that_has_not_asked_does_not_take_what_another_has_asked_for(void **state)
{
    struct machine *m = *state;
    const uint32_t user = OTHER + 0x100;

    put_segments(m);
    /* inc edi; test al, 1; jnz user; ret: it is chained to `user` when GS is a short segment */
    PUT(m, OTHER, INC_EDI, 0xa8, 1, 0x0f, 0x85, LE32(user - (OTHER + 9)), RET);
    PUT(m, user, ADD_EBX_GS_ESI, RET);
    PUT(m, CODE, CALL(CODE, OTHER), DEC_ECX_JNZ(5), HLT);
    for (unsigned i = 0; i < SELECTORS; i++) {
        const uint32_t before = m->cpu->gpr[EBX];

        load_segment(m, GS, segment[i].selector);
        m->cpu->gpr[EAX] = 0;
        m->cpu->gpr[ECX] = 3;
        run(m, CODE);
        assert_int_equal(m->cpu->gpr[EBX], before);
        m->cpu->gpr[EAX] = 1;
        m->cpu->gpr[ECX] = TIMES;
        run(m, CODE);
        assert_int_equal(m->cpu->gpr[EBX] - before, TIMES * segment[i].value);
    }
}

/* Of the second run of what stands at CODE. */
static uint64_t callouts_when_known(struct machine *m)
{
    uint64_t before;

    run(m, CODE);
    before = callouts(m);
    run(m, CODE);
    return callouts(m) - before;
}

static void a_loop_that_uses_gs_ceases_to_be_called_out(void **state)
{
    struct machine *m = *state;

    put_segments(m);
    load_segment(m, GS, segment[1].selector);
    PUT(m, CODE, MOV_ECX(TIMES), ADD_EBX_GS_ESI, DEC_ECX_JNZ(3), HLT);
    assert_true(callouts_when_known(m) < TIMES / 100);
    assert_int_equal(m->cpu->gpr[EBX], 2 * TIMES * segment[1].value);
}

static void so_does_one_that_loads_it(void **state)
{
    struct machine *m = *state;

    put_segments(m);
    load_segment(m, GS, segment[1].selector);
    m->cpu->gpr[EAX] = segment[1].selector;
    PUT(m, CODE, MOV_ECX(TIMES), MOV_GS_AX, INC_EDI, DEC_ECX_JNZ(3), HLT);
    assert_true(callouts_when_known(m) < TIMES / 100);
    assert_int_equal(m->cpu->gpr[EDI], 2 * TIMES);
}

static void fs_and_gs_are_asked_for_one_by_one(void **state)
{
    struct machine *m = *state;
    uint64_t before;

    put_segments(m);
    load_segment(m, FS, segment[1].selector);
    PUT(m, CODE, MOV_ECX(TIMES), 0x64, 0x03, 0x1e, DEC_ECX_JNZ(3), HLT); /* add ebx, fs:[esi] */
    run(m, CODE);
    run(m, CODE); /* what it began with knew nothing of FS */
    assert_int_equal(m->cpu->gpr[EBX], 2 * TIMES * segment[1].value);
    before = blocks(m);
    load_segment(m, GS, segment[2].selector); /* is none of its business */
    run(m, CODE);
    assert_int_equal(blocks(m), before);
    load_segment(m, FS, segment[2].selector);
    run(m, CODE);
    assert_int_equal(m->cpu->gpr[EBX], TIMES * (3 * segment[1].value + segment[2].value));
    if (m->cpu->translator)
        assert_true(blocks(m) > before);
}

static void the_units_are_asked_for_by_kernels_too(void **state)
{
    struct machine *m = *state;
    uint64_t before = 0;

    put_segments(m);
    put32(m, DATA + 0x800, 0x3f800000); /* 1.0f */
    m->cpu->cr4 |= CR4_OSFXSR;
    /* fninit; fldz; l: fadd dword [DATA + 800]; addss xmm0, [DATA + 800]; dec ecx; jnz l; fistp dword [DATA + 804];
     * cvtss2si ebx, xmm0; hlt */
    PUT(m, CODE, MOV_ECX(TIMES), 0xdb, 0xe3, 0xd9, 0xee, 0x0f, 0x57, 0xc0, 0xd8, 0x05, LE32(DATA + 0x800), 0xf3, 0x0f,
        0x58, 0x05, LE32(DATA + 0x800), DEC_ECX_JNZ(14), 0xdb, 0x1d, LE32(DATA + 0x804), 0xf3, 0x0f, 0x2d, 0xd8, HLT);
    put8(m, HANDLER(VEC_NM), HLT);
    for (unsigned i = 0; i < 3; i++) {
        before = callouts(m);
        run(m, CODE);
        assert_int_equal(get32(m, DATA + 0x804), TIMES);
        assert_int_equal(m->cpu->gpr[EBX], TIMES);
        m->cpu->cr0 |= CR0_TS;
        run(m, CODE);
        assert_int_equal(m->cpu->eip, HANDLER(VEC_NM) + 1);
        m->cpu->gpr[ESP] = STACK0;
        m->cpu->cr0 &= ~(uint32_t)CR0_TS;
    }
    assert_true(callouts(m) - before < TIMES / 100);
}

static const struct engine_test tests[] = {
    TEST(code_that_uses_neither_is_translated_once_for_all_that_fs_and_gs_can_hold),
    TEST(code_that_uses_gs_finds_the_segment_that_is_there),
    TEST(repeated_strings_find_the_segment_that_is_there),
    TEST(code_that_loads_gs_and_uses_it_finds_what_it_has_loaded),
    TEST(a_chain_that_has_not_asked_does_not_take_what_another_has_asked_for),
    TEST(a_loop_that_uses_gs_ceases_to_be_called_out),
    TEST(so_does_one_that_loads_it),
    TEST(fs_and_gs_are_asked_for_one_by_one),
    TEST(the_units_are_asked_for_by_kernels_too),
};

int main(void)
{
    return run_by_each_engine("modes", tests, sizeof tests / sizeof tests[0]);
}
