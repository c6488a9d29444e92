/* Jumps forward within a block: where the ways meet again only what all of them know holds (select_meet()). Each case
 * takes the jump first, then goes straight on in the same translation. */
#include "tests/unit/translator/block_fixture.h"

enum { PLACE = 0x30200, ENVIRONMENT = 0x30800 };

static void words(struct machine *m, uint32_t at, unsigned n, uint32_t first)
{
    for (unsigned i = 0; i < n; i++)
        phys_write(m->phys, at + 4 * i, first + i, 4);
}

/* The jump goes round the access that finds the group's page. */
static void a_group_is_found_again_behind_a_jump(void **state)
{
    struct machine *m = *state;

    PUT(m, CODE, 0x85, 0xc9,     /* test ecx, ecx */
        0x74, 0x06,              /* jz over */
        0x8b, 0x56, 0x04,        /* mov edx, [esi + 4] */
        0x8b, 0x7e, 0x08,        /* mov edi, [esi + 8] */
        0x03, 0x46, 0x0c,        /* over: add eax, [esi + 12] */
        0x89, 0x46, 0x10, 0xf4); /* mov [esi + 16], eax; hlt */
    for (uint32_t pass = 0; pass < 4; pass++) {
        words(m, PLACE, 8, 100);
        m->cpu->gpr[ESI] = PLACE;
        m->cpu->gpr[EAX] = pass;
        m->cpu->gpr[ECX] = pass & 1;
        m->cpu->gpr[EDX] = 7;
        run(m, CODE);
        assert_int_equal(m->cpu->gpr[EAX], pass + 103);
        assert_int_equal(m->cpu->gpr[EDX], pass & 1 ? 101 : 7);
        assert_int_equal(phys_read(m->phys, PLACE + 16, 4), pass + 103);
    }
}

/* Two jumps to one place, with the group found between them. */
static void a_group_that_one_of_two_ways_knows_is_found_again(void **state)
{
    struct machine *m = *state;

    PUT(m, CODE, 0x85, 0xc9,     /* test ecx, ecx */
        0x74, 0x0c,              /* jz over */
        0x8b, 0x56, 0x04,        /* mov edx, [esi + 4] */
        0x83, 0xf9, 0x01,        /* cmp ecx, 1 */
        0x74, 0x04,              /* je over */
        0x31, 0xff, 0x90, 0x90,  /* xor edi, edi */
        0x8b, 0x5e, 0x0c,        /* over: mov ebx, [esi + 12] */
        0x8b, 0x6e, 0x04, 0xf4); /* mov ebp, [esi + 4]; hlt */
    for (uint32_t pass = 0; pass < 6; pass++) {
        words(m, PLACE + 64 * pass, 8, 10 * pass);
        m->cpu->gpr[ESI] = PLACE + 64 * pass;
        m->cpu->gpr[ECX] = pass % 3;
        run(m, CODE);
        assert_int_equal(m->cpu->gpr[EBX], 10 * pass + 3);
        assert_int_equal(m->cpu->gpr[EBP], 10 * pass + 1);
    }
}

/* It was found 8 bytes above ESI, and is found again below it. */
static void a_group_may_be_found_again_from_elsewhere(void **state)
{
    struct machine *m = *state;

    PUT(m, CODE, 0x85, 0xc9, 0x74, 0x03, /* test ecx, ecx; jz over */
        0x8b, 0x56, 0x08,                /* mov edx, [esi + 8] */
        0x83, 0xc6, 0x40,                /* over: add esi, 64 */
        0x8b, 0x5e, 0xcc,                /* mov ebx, [esi - 52] */
        0x8b, 0x6e, 0xc8, 0xf4);         /* mov ebp, [esi - 56]; hlt */
    words(m, PLACE, 16, 50);
    for (uint32_t pass = 0; pass < 4; pass++) {
        m->cpu->gpr[ESI] = PLACE;
        m->cpu->gpr[ECX] = pass & 1;
        run(m, CODE);
        assert_int_equal(m->cpu->gpr[EBX], 53);
        assert_int_equal(m->cpu->gpr[EBP], 52);
    }
}

/* As often as a block has room for. */
static void a_group_may_be_found_again_many_times(void **state)
{
    enum { TIMES = 30 };
    struct machine *m = *state;
    uint32_t at = PUT(m, CODE, 0x85, 0xc9); /* test ecx, ecx */

    for (uint8_t i = 0; i < TIMES; i++)
        at = PUT(m, at, 0x74, 0x03, 0x8b, 0x46, (uint8_t)(4 * i)); /* jz over; mov eax, [esi + 4 i] */
    PUT(m, at, 0xf4);
    words(m, PLACE, TIMES, 50);
    for (uint32_t pass = 0; pass < 4; pass++) {
        m->cpu->gpr[ESI] = PLACE;
        m->cpu->gpr[EAX] = 1;
        m->cpu->gpr[ECX] = pass & 1;
        run(m, CODE);
        assert_int_equal(m->cpu->gpr[EAX], pass & 1 ? 50 + TIMES - 1 : 1);
    }
}

/* A register that one way has changed is no longer what a group goes by. */
static void a_base_that_one_way_has_changed_begins_another_group(void **state)
{
    struct machine *m = *state;

    PUT(m, CODE, 0x8b, 0x16,     /* mov edx, [esi] */
        0x85, 0xc9, 0x74, 0x03,  /* test ecx, ecx; jz over */
        0x83, 0xc6, 0x20,        /* add esi, 32 */
        0x8b, 0x5e, 0x04, 0xf4); /* over: mov ebx, [esi + 4]; hlt */
    words(m, PLACE, 16, 50);
    for (uint32_t pass = 0; pass < 4; pass++) {
        m->cpu->gpr[ESI] = PLACE;
        m->cpu->gpr[ECX] = pass & 1;
        run(m, CODE);
        assert_int_equal(m->cpu->gpr[EDX], 50);
        assert_int_equal(m->cpu->gpr[EBX], pass & 1 ? 59 : 51);
    }
}

/* The jump goes round the instruction that brings the XMM registers into the host's. */
static void xmm_registers_are_there_behind_a_jump(void **state)
{
    struct machine *m = *state;

    m->cpu->cr4 |= CR4_OSFXSR;
    PUT(m, CODE, 0x85, 0xc9, 0x74, 0x04, /* test ecx, ecx; jz over */
        0x66, 0x0f, 0x6f, 0xca,          /* movdqa xmm1, xmm2 */
        0x66, 0x0f, 0xfe, 0xc1, 0xf4);   /* over: paddd xmm0, xmm1; hlt */
    for (uint32_t pass = 0; pass < 4; pass++) {
        for (unsigned i = 0; i < 3; i++)
            m->cpu->fpu.xmm[i].q[0] = m->cpu->fpu.xmm[i].q[1] = 100 * i + 5;
        m->cpu->gpr[ECX] = pass & 1;
        run(m, CODE);
        assert_int_equal(m->cpu->fpu.xmm[0].q[0], pass & 1 ? 210 : 110);
    }
}

static void x87_is_there_behind_a_jump(void **state)
{
    struct machine *m = *state;

    PUT(m, CODE, 0xdb, 0xe3, 0xeb, 0x00, /* fninit; jmp: another block */
        0x85, 0xc9, 0x74, 0x04,          /* test ecx, ecx; jz over */
        0xd9, 0xe8, 0xdd, 0xd8,          /* fld1; fstp st0 */
        0xd9, 0xe8, 0xdb, 0x1e, 0xf4);   /* over: fld1; fistp dword [esi]; hlt */
    for (uint32_t pass = 0; pass < 4; pass++) {
        phys_write(m->phys, PLACE, 77, 4);
        m->cpu->gpr[ESI] = PLACE;
        m->cpu->gpr[ECX] = pass & 1;
        run(m, CODE);
        assert_int_equal(phys_read(m->phys, PLACE, 4), 1);
    }
}

/* FIP and FDP are those of the last instruction on the way that was taken. */
static void x87_pointers_follow_the_way_taken(void **state)
{
    struct machine *m = *state;

    PUT(m, CODE, 0xdb, 0xe3, 0xd9, 0x06,      /* fninit; fld dword [esi] */
        0x85, 0xc9, 0x74, 0x03,               /* test ecx, ecx; jz over */
        0xd8, 0x46, 0x08,                     /* fadd dword [esi + 8] */
        0x31, 0xf6,                           /* over: xor esi, esi */
        0xd9, 0x35, LE32(ENVIRONMENT), 0xf4); /* fnstenv; hlt */
    for (uint32_t pass = 0; pass < 4; pass++) {
        m->cpu->gpr[ESI] = PLACE;
        m->cpu->gpr[ECX] = pass & 1;
        run(m, CODE);
        assert_int_equal(phys_read(m->phys, ENVIRONMENT + 12, 4), pass & 1 ? CODE + 8 : CODE + 2);
        assert_int_equal(phys_read(m->phys, ENVIRONMENT + 20, 4), pass & 1 ? PLACE + 8 : PLACE);
    }
}

/* A loop with ifs in it, one of them around the store that moves its pointer. */
static void a_loop_may_have_jumps_in_it(void **state)
{
    struct machine *m = *state;

    PUT(m, CODE, 0x8b, 0x06,     /* again: mov eax, [esi] */
        0xa8, 0x01, 0x74, 0x02,  /* test al, 1; jz even */
        0x01, 0xc3,              /* add ebx, eax */
        0xa8, 0x02, 0x74, 0x05,  /* even: test al, 2; jz next */
        0x89, 0x07,              /* mov [edi], eax */
        0x83, 0xc7, 0x04,        /* add edi, 4 */
        0x83, 0xc6, 0x04,        /* next: add esi, 4 */
        0x49, 0x75, 0xe9, 0xf4); /* dec ecx; jnz again; hlt */
    for (uint32_t pass = 0; pass < 2; pass++) {
        uint32_t sum = 0, at = PLACE + 0x400;

        words(m, PLACE, 100, 3);
        m->cpu->gpr[ESI] = PLACE;
        m->cpu->gpr[EDI] = PLACE + 0x400;
        m->cpu->gpr[EBX] = 0;
        m->cpu->gpr[ECX] = 100;
        run(m, CODE);
        for (uint32_t value = 3; value < 103; value++) {
            sum += value & 1 ? value : 0;
            if (!(value & 2))
                continue;
            assert_int_equal(phys_read(m->phys, at, 4), value);
            at += 4;
        }
        assert_int_equal(m->cpu->gpr[EBX], sum);
        assert_int_equal(m->cpu->gpr[EDI], at);
    }
}

/* Its operands come through both ways. */
static void a_division_behind_a_jump_is_exact(void **state)
{
    struct machine *m = *state;

    PUT(m, CODE, 0x85, 0xc9, 0x74, 0x02, /* test ecx, ecx; jz over */
        0x8b, 0x17,                      /* mov edx, [edi] */
        0xf7, 0xf3, 0xf4);               /* over: div ebx; hlt */
    for (uint32_t pass = 0; pass < 4; pass++) {
        m->cpu->gpr[EAX] = 70 + pass;
        m->cpu->gpr[EDX] = 0;
        m->cpu->gpr[EBX] = 10;
        m->cpu->gpr[ECX] = pass & 1;
        m->cpu->gpr[EDI] = PLACE;
        phys_write(m->phys, PLACE, 0, 4);
        run(m, CODE);
        assert_int_equal(m->cpu->gpr[EAX], 7);
        assert_int_equal(m->cpu->gpr[EDX], pass);
    }
}

/* The operand's address is computed where the ways meet, behind the change of its register; there may be no code of the
 * host's for the instruction there. */
static void x87_pointers_are_stored_where_ways_meet(void **state)
{
    static const uint8_t there[] = {0x90, 0x40}; /* nop, inc eax */
    struct machine *m = *state;

    for (unsigned i = 0; i < sizeof there; i++)
        for (uint32_t pass = 0; pass < 4; pass++) {
            PUT(m, CODE, 0xdb, 0xe3, 0xeb, 0x00,     /* fninit; jmp: another block */
                0x85, 0xc9, 0x74, 0x0b,              /* test ecx, ecx; jz over */
                0xd9, 0x44, 0xbb, 0x10, 0x83, 0xc3,  /* fld dword [ebx + edi * 4 + 10h]; add ebx, 8; */
                0x08, 0x8d, 0x7f, 0xfd, 0x43,        /* lea edi, [edi - 3]; inc ebx */
                there[i], 0xbe, LE32(0x1234), 0xf4); /* over: mov esi, 1234h; hlt */
            m->cpu->gpr[EBX] = PLACE;
            m->cpu->gpr[EDI] = 2;
            m->cpu->gpr[ECX] = pass & 1;
            run(m, CODE);
            assert_int_equal(m->cpu->fpu.ip_offset, pass & 1 ? CODE + 8 : 0);
            assert_int_equal(m->cpu->fpu.dp_offset, pass & 1 ? PLACE + 0x18 : 0);
        }
}

int main(void)
{
    static const struct engine_test tests[] = {
        TEST(a_group_is_found_again_behind_a_jump),
        TEST(a_group_that_one_of_two_ways_knows_is_found_again),
        TEST(a_group_may_be_found_again_from_elsewhere),
        TEST(a_group_may_be_found_again_many_times),
        TEST(a_base_that_one_way_has_changed_begins_another_group),
        TEST(xmm_registers_are_there_behind_a_jump),
        TEST(x87_is_there_behind_a_jump),
        TEST(x87_pointers_follow_the_way_taken),
        TEST(x87_pointers_are_stored_where_ways_meet),
        TEST(a_loop_may_have_jumps_in_it),
        TEST(a_division_behind_a_jump_is_exact),
    };

    return run_by_each_engine("meets", tests, sizeof tests / sizeof tests[0]);
}
