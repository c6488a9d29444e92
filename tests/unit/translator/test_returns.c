/*
 * Calls, returns and computed jumps as guests really use them, by each engine: what is predicted or cached must never
 * be believed without a look at where EIP leads now.
 */
#include "tests/unit/translator/block_fixture.h"

#include <pthread.h>

#include "frontend/x86/flags.h"

enum {
    OTHER = 0xa000,    /* another page of code */
    SHARED = 0x1f0000, /* a linear page that leads to FRAME_A or FRAME_B */
    FRAME_A = 0x60000,
    FRAME_B = 0x61000,
    DIRECTORY_B = 0x110000,
    TABLE_B = 0x111000,
    TIMES = 300,
};

/* Instructions, 32-bit code. */
#define MOV_EAX(value)    0xb8, LE32(value)
#define MOV_ECX(value)    0xb9, LE32(value)
#define MOV_EBX(value)    0xbb, LE32(value)
#define MOV_ESI(value)    0xbe, LE32(value)
#define MOV_EDI(value)    0xbf, LE32(value)
#define MOV_ESP(value)    0xbc, LE32(value)
#define MOV_CR3_EAX       0x0f, 0x22, 0xd8
#define ADD_EBX_EAX       0x01, 0xc3
#define ADD_EDI_EAX       0x01, 0xc7
#define INC_EAX           0x40
#define INC_EBX           0x43
#define DEC_ECX_JNZ(back) 0x49, 0x75, (uint8_t)(-(back)-3) /* to `back` bytes before it */
#define CALL(from, to)    0xe8, LE32((to) - ((from) + 5))
#define JMP(from, to)     0xe9, LE32((to) - ((from) + 5))
#define RET               0xc3
#define STI               0xfb
#define HLT               0xf4

static void map_shared(struct machine *m, uint32_t table, uint32_t frame)
{
    put32(m, table + (SHARED >> 12) * 4, frame | 7);
}

/* ---- where a return address leads ---- */

static void two_processes_return_to_one_linear_address_and_find_each_its_own_code(void **state)
{
    struct machine *m = *state;

    enable_paging(m);
    map_shared(m, PAGE_TABLE, FRAME_A);
    for (uint32_t i = 0; i < 1024; i++)
        put32(m, TABLE_B + 4 * i, get32(m, PAGE_TABLE + 4 * i));
    map_shared(m, TABLE_B, FRAME_B);
    put32(m, DIRECTORY_B, TABLE_B | 7);
    mmu_flush(&m->cpu->mmu);
    PUT(m, FRAME_A, CALL(SHARED, OTHER), MOV_EAX(1), RET);
    PUT(m, FRAME_B, CALL(SHARED, OTHER), MOV_EAX(0x1000), RET);
    PUT(m, OTHER, RET);
    PUT(m, CODE, MOV_ECX(TIMES), MOV_EBX(0), MOV_EDI(0),                            /* */
        MOV_EAX(PAGE_DIRECTORY), MOV_CR3_EAX, CALL(CODE + 23, SHARED), ADD_EBX_EAX, /* */
        MOV_EAX(DIRECTORY_B), MOV_CR3_EAX, CALL(CODE + 38, SHARED), ADD_EDI_EAX,    /* */
        DEC_ECX_JNZ(30), HLT);
    run(m, CODE);
    assert_int_equal(m->cpu->gpr[EBX], TIMES);
    assert_int_equal(m->cpu->gpr[EDI], 0x1000 * TIMES);
}

static void a_caller_that_was_mapped_anew_is_returned_to_as_it_is_now(void **state)
{
    struct machine *m = *state;
    const uint32_t entry = PAGE_TABLE + (SHARED >> 12) * 4;

    enable_paging(m);
    PUT(m, FRAME_A, CALL(SHARED, OTHER), MOV_EAX(1), HLT);
    PUT(m, FRAME_B, CALL(SHARED, OTHER), MOV_EAX(2), HLT);
    /* mov edx, [entry]; xor [entry], FRAME_A ^ FRAME_B while ESI is odd; invlpg [SHARED]; ret */
    PUT(m, OTHER, 0xf7, 0xc6, LE32(1), 0x74, 0x0a, 0x81, 0x35, LE32(entry), LE32(FRAME_A ^ FRAME_B), /* */
        0x0f, 0x01, 0x3d, LE32(SHARED), RET);
    for (unsigned i = 0; i < 12; i++) {
        map_shared(m, PAGE_TABLE, FRAME_A);
        mmu_flush(&m->cpu->mmu);
        m->cpu->gpr[ESI] = i & 1;
        run(m, SHARED);
        assert_int_equal(m->cpu->gpr[EAX], 1 + (i & 1));
    }
}

static void a_callee_can_change_the_code_that_it_returns_to(void **state)
{
    struct machine *m = *state;
    const uint32_t back = CODE + 5 + 2 + 2 + 5; /* mov al, n */

    PUT(m, CODE, MOV_ECX(50), 0x31, 0xc0, 0x31, 0xdb, CALL(CODE + 9, OTHER), 0xb0, 0, ADD_EBX_EAX, DEC_ECX_JNZ(9), HLT);
    PUT(m, OTHER, 0xfe, 0x05, LE32(back + 1), RET); /* inc byte [back + 1] */
    run(m, CODE);
    assert_int_equal(m->cpu->gpr[EBX], 50 * 51 / 2);
}

static void calls_to_the_next_instruction_tell_where_they_are(void **state)
{
    struct machine *m = *state;

    /* l: call $+5; pop eax; add ebx, eax; dec ecx; jnz l: no return at all */
    PUT(m, CODE, MOV_ECX(TIMES), MOV_EBX(0), CALL(CODE + 10, CODE + 15), 0x58, ADD_EBX_EAX, DEC_ECX_JNZ(8), HLT);
    run(m, CODE);
    assert_int_equal(m->cpu->gpr[EBX], (CODE + 15) * TIMES);
    assert_int_equal(m->cpu->gpr[ESP], STACK0);
}

static void a_retpoline_goes_to_the_address_that_it_put_on_the_stack(void **state)
{
    struct machine *m = *state;
    const uint32_t thunk = OTHER + 0x100, one = OTHER + 0x200, two = CODE + 0x800;

    PUT(m, thunk, CALL(thunk, thunk + 9), 0xf3, 0x90, 0xeb, 0xfc, 0x89, 0x04, 0x24,
        RET); /* pause; jmp; mov [esp], eax */
    PUT(m, one, INC_EBX, RET);
    PUT(m, two, 0x81, 0xc3, LE32(0x10000), RET);                         /* add ebx */
    PUT(m, CODE, MOV_ECX(TIMES), MOV_EBX(0), MOV_ESI(one), MOV_EDI(two), /* */
        0x89, 0xf0, CALL(CODE + 22, thunk), 0x89, 0xf8, CALL(CODE + 29, thunk), DEC_ECX_JNZ(14),
        HLT); /* mov eax, esi */
    run(m, CODE);
    assert_int_equal(m->cpu->gpr[EBX], TIMES * 0x10001);
    assert_int_equal(m->cpu->gpr[ESP], STACK0);
}

static void calls_that_stuff_a_return_predictor_are_never_returned_from(void **state)
{
    struct machine *m = *state;
    uint32_t at = OTHER;

    for (unsigned i = 0; i < 16; i++)
        at = PUT(m, at, CALL(at, at + 7), 0xeb, 0xfe); /* jmp $, jumped over */
    PUT(m, at, 0x83, 0xc4, 64, RET);                   /* add esp, 64 */
    PUT(m, CODE, MOV_ECX(TIMES), MOV_EBX(0), CALL(CODE + 10, OTHER), INC_EBX, CALL(CODE + 16, OTHER), INC_EBX, INC_EBX,
        DEC_ECX_JNZ(13), HLT);
    run(m, CODE);
    assert_int_equal(m->cpu->gpr[EBX], 3 * TIMES);
    assert_int_equal(m->cpu->gpr[ESP], STACK0);
}

/* ---- what a return leaves alone ---- */

static void stc_ret_returns_the_carry(void **state)
{
    struct machine *m = *state;

    PUT(m, OTHER, 0xf9, RET);
    PUT(m, OTHER + 0x10, 0xf8, RET);
    PUT(m, CODE, MOV_ECX(TIMES), MOV_EBX(0), CALL(CODE + 10, OTHER), 0x83, 0xd3, 0, /* adc ebx, 0 */
        CALL(CODE + 18, OTHER + 0x10), 0x83, 0xd3, 0, DEC_ECX_JNZ(16), HLT);
    run(m, CODE);
    assert_int_equal(m->cpu->gpr[EBX], TIMES);
}

static void calls_jumps_and_returns_change_no_flag(void **state)
{
    static const uint32_t images[] = {0,         EFLAGS_CF,    EFLAGS_ZF | EFLAGS_PF, EFLAGS_SF | EFLAGS_OF,
                                      EFLAGS_AF, EFLAGS_OSZAPC};
    struct machine *m = *state;
    const uint32_t through = OTHER + 0x100;

    /* popf; call OTHER; pushf; pop ebx; back from `through`, where OTHER jumps to: jmp esi; ret */
    PUT(m, CODE, 0x68, LE32(0), 0x9d, CALL(CODE + 6, OTHER), 0x9c, 0x5b, HLT);
    PUT(m, OTHER, 0xff, 0xe6);
    PUT(m, through, RET);
    m->cpu->gpr[ESI] = through;
    for (unsigned i = 0; i < 4 * sizeof images / sizeof images[0]; i++) {
        const uint32_t image = images[i % (sizeof images / sizeof images[0])];

        phys_write(m->phys, CODE + 1, image, 4);
        run(m, CODE);
        assert_int_equal(m->cpu->gpr[EBX] & EFLAGS_OSZAPC, image);
    }
}

/* ---- segments that are not flat ---- */

static void near_returns_in_two_real_mode_segments_with_the_same_ip_stay_in_theirs(void **state)
{
    struct machine *m = *state;

    enter_real(m);
    /* 0800:0100: call 0200; add bx, ax; jmp 0900:0100. There: call 1200, in another page; dec cx; jz */
    PUT(m, 0x8100, 0xe8, 0xfd, 0x00, 0x01, 0xc3, 0xea, 0x00, 0x01, 0x00, 0x09);
    PUT(m, 0x8200, 0xb8, 0x01, 0x00, RET);
    PUT(m, 0x9100, 0xe8, 0xfd, 0x10, 0x01, 0xc3, 0x49, 0x74, 0x05, 0xea, 0x00, 0x01, 0x00, 0x08, HLT);
    PUT(m, 0xa200, 0xb8, 0x10, 0x00, RET);
    for (unsigned i = 0; i < 2; i++) {
        segment_load_real(m->cpu, CS, 0x800);
        m->cpu->gpr[EBX] = 0;
        m->cpu->gpr[ECX] = TIMES;
        run(m, 0x100);
        assert_int_equal(m->cpu->gpr[EBX] & 0xffff, TIMES * 0x11);
        assert_int_equal(m->cpu->gpr[ESP] & 0xffff, 0x1000);
    }
}

/* ---- chains that would never end ---- */

static void assert_is_interrupted(struct machine *m, uint32_t eip)
{
    pthread_t thread;

    m->irq_vector = 0x20;
    m->board.poll = raise_interrupt;
    put_idt(m, 0x20, SEL_CODE0, HANDLER(0x20), AR_P | TYPE_INT32);
    PUT(m, HANDLER(0x20), HLT);
    m->cpu->gpr[EAX] = 0;
    assert_int_equal(pthread_create(&thread, NULL, event_from_outside, m), 0);
    run(m, eip);
    pthread_join(thread, NULL);
    assert_int_equal(m->cpu->eip, HANDLER(0x20) + 1);
    assert_true(m->cpu->gpr[EAX] > 10);
}

static void a_loop_of_nothing_but_returns_takes_interrupts(void **state)
{
    struct machine *m = *state;
    const uint32_t again = CODE + 0x20, stack = DATA;

    /* the stack leads from RET to RET, in two pages, and at last to where it is set anew */
    PUT(m, CODE, STI, JMP(CODE + 1, again));
    PUT(m, again, INC_EAX, MOV_ESP(stack), RET);
    PUT(m, CODE + 0x10, RET);
    PUT(m, OTHER, RET);
    for (unsigned i = 0; i < 255; i++)
        put32(m, stack + 4 * i, i & 1 ? OTHER : CODE + 0x10);
    put32(m, stack + 4 * 255, again);
    assert_is_interrupted(m, CODE);
}

static void so_does_one_of_nothing_but_calls(void **state)
{
    struct machine *m = *state;
    const uint32_t loop = CODE + 6;

    PUT(m, CODE, STI, MOV_ESI(loop), INC_EAX, 0x5a, 0xff, 0xd6); /* l: inc eax; pop edx; call esi */
    m->cpu->gpr[ESP] = STACK0 - 4;
    assert_is_interrupted(m, CODE);
}

/* Sixteen aliases of one page: each jumps forward to the next, and the last one over the end of the linear space. */
static void so_does_one_of_nothing_but_jumps_forward(void **state)
{
    struct machine *m = *state;

    enable_paging(m);
    for (uint32_t i = 1; i < 16; i++)
        put32(m, PAGE_DIRECTORY + i * 64 * 4, PAGE_TABLE | 7);
    mmu_flush(&m->cpu->mmu);
    PUT(m, FRAME_A, INC_EAX, JMP(FRAME_A + 1, FRAME_A + 0x10000000));
    PUT(m, CODE, STI, JMP(CODE + 1, FRAME_A));
    assert_is_interrupted(m, CODE);
}

static const struct engine_test tests[] = {
    TEST(two_processes_return_to_one_linear_address_and_find_each_its_own_code),
    TEST(a_caller_that_was_mapped_anew_is_returned_to_as_it_is_now),
    TEST(a_callee_can_change_the_code_that_it_returns_to),
    TEST(calls_to_the_next_instruction_tell_where_they_are),
    TEST(a_retpoline_goes_to_the_address_that_it_put_on_the_stack),
    TEST(calls_that_stuff_a_return_predictor_are_never_returned_from),
    TEST(stc_ret_returns_the_carry),
    TEST(calls_jumps_and_returns_change_no_flag),
    TEST(near_returns_in_two_real_mode_segments_with_the_same_ip_stay_in_theirs),
    TEST(a_loop_of_nothing_but_returns_takes_interrupts),
    TEST(so_does_one_of_nothing_but_calls),
    TEST(so_does_one_of_nothing_but_jumps_forward),
};

int main(void)
{
    return run_by_each_engine("returns", tests, sizeof tests / sizeof tests[0]);
}
