/* FIP, FOP and FDP in loops, which store them when they are left (backend/x86_64/select_unit.c). */
#include "tests/unit/translator/block_fixture.h"

#include <pthread.h>

enum { PAGE = 0x1000, SOURCE = 0x80000, PLACE = 0x30200, TARGET = 0x50000, BEFORE = 0x30400, ENVIRONMENT = 0x30800 };

struct loop {
    const char *name;
    uint8_t bytes[40]; /* ends with jnz; reads [esi] once a turn and then adds 4 to it; ECX counts */
    uint8_t n;
    uint8_t last;        /* offset of the last x87 instruction */
    uint8_t first;       /* of the first one; 0 if the load by ESI comes before it */
    uint32_t data;       /* FDP behind the first turn */
    int32_t step;        /* and what each later one adds */
    uint32_t first_data; /* first != 0: FDP behind the first x87 instruction in the first turn */
};

/* fld1 or a load, so that the stack never grows. */
static const struct loop loops[] = {
    {"mov eax, [esi]; fld qword [edi]; fstp qword [ebx]; add ebx, 8",
     {0x8b, 0x06, 0xdd, 0x07, 0xdd, 0x1b, 0x83, 0xc3, 0x08, 0x83, 0xc6, 0x04, 0x49, 0x75, 0xf1},
     15,
     4,
     0,
     TARGET,
     8,
     0},
    {"add ebx, 8; mov eax, [esi]; fld qword [edi]; fstp qword [ebx - 8]",
     {0x83, 0xc3, 0x08, 0x8b, 0x06, 0xdd, 0x07, 0xdd, 0x5b, 0xf8, 0x83, 0xc6, 0x04, 0x49, 0x75, 0xf0},
     16,
     7,
     0,
     TARGET,
     8,
     0},
    {"mov eax, [esi]; fld1; fstp qword [ebx + edx * 8]; inc edx; sub ebx, 4",
     {0x8b, 0x06, 0xd9, 0xe8, 0xdd, 0x1c, 0xd3, 0x42, 0x83, 0xeb, 0x04, 0x83, 0xc6, 0x04, 0x49, 0x75, 0xef},
     17,
     4,
     0,
     TARGET,
     4,
     0},
    {"mov eax, [esi]; fld1; fstp st0",
     {0x8b, 0x06, 0xd9, 0xe8, 0xdd, 0xd8, 0x83, 0xc6, 0x04, 0x49, 0x75, 0xf4},
     12,
     4,
     0,
     BEFORE,
     0,
     0},
    {"fld1; mov eax, [esi]; fstp qword [ebx]; lea ebx, [ebx + 16]",
     {0xd9, 0xe8, 0x8b, 0x06, 0xdd, 0x1b, 0x8d, 0x5b, 0x10, 0x83, 0xc6, 0x04, 0x49, 0x75, 0xf1},
     15,
     4,
     1,
     TARGET,
     16,
     BEFORE},
    {"mov eax, [esi]; fld qword [edi]; fstp qword [ebx]; lea ebx, [ebx + edx + 8]",
     {0x8b, 0x06, 0xdd, 0x07, 0xdd, 0x1b, 0x8d, 0x5c, 0x13, 0x08, 0x83, 0xc6, 0x04, 0x49, 0x75, 0xf0},
     16,
     4,
     0,
     TARGET,
     8,
     0},
    {"lea ebx, [ebx + edx + 8]; mov eax, [esi]; fld qword [edi]; fstp qword [ebx - 8]",
     {0x8d, 0x5c, 0x13, 0x08, 0x8b, 0x06, 0xdd, 0x07, 0xdd, 0x5b, 0xf8, 0x83, 0xc6, 0x04, 0x49, 0x75, 0xef},
     17,
     8,
     0,
     TARGET,
     8,
     0},
    {"mov eax, [esi]; test eax, eax; jz over; fld qword [edi]; over: fld1; fstp st0; ffree",
     {0x8b, 0x06, 0x85, 0xc0, 0x74, 0x02, 0xdd, 0x07, 0xd9, 0xe8, 0xdd, 0xd8, 0x83, 0xc6, 0x04, 0x49, 0x75, 0xee},
     18,
     10,
     0,
     BEFORE,
     0,
     0},
};

enum { START = CODE + 0x20 };

/* fninit; jmp; fld qword [BEFORE]; fstp st0; jmp: blocks of their own; then the loop; fnstenv; hlt */
static void put_loop(struct machine *m, const struct loop *l)
{
    uint32_t at = PUT(m, CODE, 0xdb, 0xe3, 0xeb, 0x00, 0xdd, 0x05, LE32(BEFORE), 0xdd, 0xd8);

    PUT(m, at, 0xe9, LE32(START - (at + 5)));
    at = put(m, START, l->bytes, l->n);
    PUT(m, at, 0xd9, 0x35, LE32(ENVIRONMENT), 0xf4);
    m->cpu->gpr[EDI] = PLACE;
    m->cpu->gpr[EBX] = TARGET;
    m->cpu->gpr[EDX] = 0;
}

static void assert_pointers(const struct machine *m, const struct loop *l, uint32_t fip, uint32_t fdp)
{
    if (m->cpu->fpu.ip_offset != fip || m->cpu->fpu.dp_offset != fdp)
        fail_msg("%s: FIP %x, FDP %x and not %x, %x", l->name, m->cpu->fpu.ip_offset, m->cpu->fpu.dp_offset, fip, fdp);
}

static void the_last_turn_counts_when_a_loop_ends(void **state)
{
    struct machine *m = *state;

    for (unsigned i = 0; i < sizeof loops / sizeof loops[0]; i++) {
        const struct loop *l = &loops[i];

        for (uint32_t turns = 1; turns < 6; turns++) {
            put_loop(m, l);
            m->cpu->gpr[ESI] = SOURCE;
            m->cpu->gpr[ECX] = turns;
            run(m, CODE);
            assert_int_equal(phys_read(m->phys, ENVIRONMENT + 12, 4), START + l->last);
            assert_int_equal(phys_read(m->phys, ENVIRONMENT + 20, 4), l->data + (turns - 1) * (uint32_t)l->step);
        }
    }
}

/* The load by ESI faults in turn `turn`. */
static void a_fault_in_a_loop_finds_what_was_before_it(void **state)
{
    struct machine *m = *state;

    enable_paging(m);
    unmap(m, SOURCE + PAGE);
    PUT(m, HANDLER(14), 0xf4);
    for (unsigned i = 0; i < sizeof loops / sizeof loops[0]; i++) {
        const struct loop *l = &loops[i];

        for (uint32_t turn = 1; turn < 6; turn++) {
            const uint32_t before_fip = CODE + 10;

            put_loop(m, l);
            m->cpu->gpr[ESI] = SOURCE + PAGE - 4 * (turn - 1);
            m->cpu->gpr[ECX] = 100;
            m->cpu->gpr[ESP] = STACK0 - 4;
            m->cpu->eip = CODE;
            m->cpu->halt = CPU_RUNNING;
            run_cpu(m);
            assert_int_equal(m->cpu->cr2, SOURCE + PAGE);
            if (l->first)
                assert_pointers(m, l, START,
                                l->first_data != BEFORE || turn == 1 ? l->first_data
                                                                     : l->data + (turn - 2) * (uint32_t)l->step);
            else if (turn == 1)
                assert_pointers(m, l, before_fip, BEFORE);
            else
                assert_pointers(m, l, START + l->last, l->data + (turn - 2) * (uint32_t)l->step);
        }
    }
}

/* A jump out of it in turn `turn`, before that turn's x87 instructions or between them. */
static void a_jump_out_of_a_loop_finds_what_was_before_it(void **state)
{
    static const uint8_t early[] = {0x8b, 0x06, 0x85, 0xc0, 0x78, 0x5a, 0xdd, 0x07, 0xdd, 0x1b,
                                    0x83, 0xc3, 0x08, 0x83, 0xc6, 0x04, 0x49, 0x75, 0xed};
    static const uint8_t between[] = {0x8b, 0x06, 0xd9, 0xe8, 0x85, 0xc0, 0x78, 0x58, 0xdd, 0x1b,
                                      0x83, 0xc3, 0x08, 0x83, 0xc6, 0x04, 0x49, 0x75, 0xed};
    struct machine *m = *state;

    for (unsigned is_between = 0; is_between < 2; is_between++)
        for (uint32_t turn = 1; turn < 6; turn++) {
            /* mov eax, [esi]; (fld1;) test eax, eax; js START + 0x60; (fld qword [edi];) fstp qword [ebx]; add ebx, 8
             */
            struct loop l = {.n = 19};

            memcpy(l.bytes, is_between ? between : early, l.n);
            put_loop(m, &l);
            PUT(m, START + 0x60, 0xd9, 0x35, LE32(ENVIRONMENT), 0xf4);
            for (uint32_t i = 0; i < 8; i++)
                put32(m, SOURCE + 4 * i, i == turn - 1 ? 0x80000000 : 0);
            m->cpu->gpr[ESI] = SOURCE;
            m->cpu->gpr[ECX] = 100;
            run(m, CODE);
            assert_int_equal(phys_read(m->phys, ENVIRONMENT + 12, 4), is_between  ? START + 2
                                                                      : turn == 1 ? CODE + 10
                                                                                  : START + 8);
            assert_int_equal(phys_read(m->phys, ENVIRONMENT + 20, 4), turn == 1 ? BEFORE : TARGET + 8 * (turn - 2));
        }
}

/* It ends the loop between two turns. */
static void an_interrupt_in_a_loop_finds_the_last_turn(void **state)
{
    struct machine *m = *state;
    pthread_t outside;

    m->irq_vector = 0x20;
    m->board.poll = raise_interrupt;
    put_idt(m, 0x20, SEL_CODE0, HANDLER(0x20), AR_P | TYPE_INT32);
    PUT(m, HANDLER(0x20), 0xf4);
    PUT(m, CODE, 0xdb, 0xe3, 0xfb, 0xeb, 0x00,                 /* fninit; sti; jmp: another block */
        0xdd, 0x07, 0xdd, 0x1b, 0x40, 0x85, 0xc9, 0x75, 0xf7); /* l: fld qword [edi]; fstp qword [ebx]; inc eax; */
    m->cpu->gpr[EDI] = PLACE;                                  /* test ecx, ecx; jnz l */
    m->cpu->gpr[EBX] = TARGET;
    m->cpu->gpr[EAX] = 0;
    m->cpu->gpr[ECX] = 1;
    m->cpu->gpr[ESP] = STACK0 - 4;
    assert_int_equal(pthread_create(&outside, NULL, event_from_outside, m), 0);
    run(m, CODE);
    pthread_join(outside, NULL);
    assert_true(m->cpu->gpr[EAX] > 10);
    if (!m->cpu->translator || m->cpu->translator->options.accel == ACCEL_IR)
        return; /* one instruction at a time: it may end in the middle of a turn */
    assert_int_equal(m->cpu->fpu.ip_offset, CODE + 7);
    assert_int_equal(m->cpu->fpu.dp_offset, TARGET);
}

static const struct engine_test tests[] = {
    TEST(the_last_turn_counts_when_a_loop_ends),
    TEST(a_fault_in_a_loop_finds_what_was_before_it),
    TEST(a_jump_out_of_a_loop_finds_what_was_before_it),
    TEST(an_interrupt_in_a_loop_finds_the_last_turn),
};

int main(void)
{
    return run_by_each_engine("x87's pointers", tests, sizeof tests / sizeof tests[0]);
}
