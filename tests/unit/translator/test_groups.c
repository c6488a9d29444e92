/* Accesses that share a look-up, and x87's pointers, which are stored late (backend/x86_64/survey.h, select_unit.c). */
#include "tests/unit/translator/block_fixture.h"

enum { PAGE = 0x30000, PLACE = PAGE + 0x200, ENVIRONMENT = PAGE + 0x800 };

/* The page was entered for groups of writes before it held code. */
static void a_group_of_stores_into_code_takes_effect(void **state)
{
    struct machine *m = *state;

    PUT(m, CODE, 0x89, 0x03, 0x89, 0x4b, 0x04, 0xf4); /* mov [ebx], eax; mov [ebx + 4], ecx; hlt */
    for (uint32_t value = 1; value <= 4; value++) {
        m->cpu->gpr[EBX] = PLACE;
        m->cpu->gpr[EAX] = 0xb8 | value << 8; /* mov eax, value; hlt */
        m->cpu->gpr[ECX] = 0x9090f400;
        run(m, CODE);
        run(m, PLACE);
        assert_int_equal(m->cpu->gpr[EAX], value);
    }
}

/* Which wants most of the host's registers. */
static void cmpxchg8b_works_between_accesses_of_a_group(void **state)
{
    struct machine *m = *state;
    const uint32_t operand = PAGE + 0x480;

    PUT(m, CODE, 0x89, 0x75, 0x00, 0x89, 0x7d, 0x04,    /* mov [ebp], esi; mov [ebp + 4], edi */
        0xf9, 0x0f, 0xc7, 0x0b,                         /* stc; cmpxchg8b [ebx] */
        0x0f, 0x94, 0x45, 0x10, 0x0f, 0x92, 0x45, 0x11, /* setz [ebp + 16]; setc [ebp + 17] */
        0x89, 0x45, 0x08, 0x89, 0x55, 0x0c, 0xf4);      /* mov [ebp + 8], eax; mov [ebp + 12], edx; hlt */
    for (unsigned i = 0; i < 6; i++) {
        const bool is_equal = i & 1;

        put32(m, operand, 0x1111 + i);
        put32(m, operand + 4, 0x2222);
        memcpy(m->cpu->gpr,
               (const uint32_t[]){is_equal ? 0x1111 + i : 0x1111, 0x3333, is_equal ? 0x2222 : 0x2223, operand, 0, PLACE,
                                  0x6666, 0x7777 + i},
               8 * sizeof(uint32_t));
        run(m, CODE);
        assert_int_equal(get32(m, operand), is_equal ? operand : 0x1111 + i);
        assert_int_equal(get32(m, operand + 4), is_equal ? 0x3333 : 0x2222);
        assert_int_equal(get32(m, PLACE), 0x6666);
        assert_int_equal(get32(m, PLACE + 4), 0x7777 + i);
        assert_int_equal(get32(m, PLACE + 8), 0x1111 + i);
        assert_int_equal(get32(m, PLACE + 12), 0x2222);
        assert_int_equal(get16(m, PLACE + 16), 0x100 | is_equal);
        assert_int_equal(m->cpu->gpr[EBX], operand);
    }
}

/* A group in a page with code: what it could not do is interpreted, the rest of its block too; not what lies behind. */
static void a_detour_ends_where_new_code_begins(void **state)
{
    struct machine *m = *state;
    struct translator *t = m->cpu->translator;
    const uint32_t inside = CODE + 9, next = CODE + 0x100;
    const bool leaves_group =
        t && t->options.accel == ACCEL_JIT && t->options.windows == WINDOW_NEVER && t->options.block_insns > 1;

    if (t)
        t->options.killed_threshold = 64; /* so often a group fails before a block without groups is worth it */
    PUT(m, PAGE, 0xf4);
    run(m, PAGE);
    /* mov [esi], ecx; mov [esi + 4], edx; test eax, eax; jnz $+2; inc eax; jmp next; next: inc eax; hlt */
    PUT(m, CODE, 0x89, 0x0e, 0x89, 0x56, 0x04, 0x85, 0xc0, 0x75, 0x00, 0x40, 0xe9, LE32(next - (CODE + 15)));
    PUT(m, next, 0x40, 0xf4);
    m->cpu->gpr[ESI] = PLACE;
    m->cpu->gpr[ECX] = 0x1234;
    run(m, CODE);
    assert_int_equal(get32(m, PLACE), 0x1234);
    assert_int_equal(m->cpu->gpr[EAX], 2);
    if (t)
        assert_true(block_exists(t, next));
    if (leaves_group)
        assert_false(block_exists(t, inside));
}

static void fdp_is_where_the_operand_was(void **state)
{
    struct machine *m = *state;

    PUT(m, CODE, 0xdb, 0xe3,                  /* fninit */
        0xeb, 0x00,                           /* jmp: another block */
        0xd9, 0x43, 0x08,                     /* fld dword [ebx + 8] */
        0x83, 0xc3, 0x40,                     /* add ebx, 64 */
        0xd8, 0xc0,                           /* fadd st0, st0 */
        0x31, 0xdb,                           /* xor ebx, ebx */
        0xd9, 0x35, LE32(ENVIRONMENT), 0xf4); /* fnstenv; hlt */
    m->cpu->gpr[EBX] = PLACE;
    run(m, CODE);
    assert_int_equal(phys_read(m->phys, ENVIRONMENT + 20, 4), PLACE + 8);
    assert_int_equal(phys_read(m->phys, ENVIRONMENT + 12, 4), CODE + 10);
}

static const struct engine_test tests[] = {
    TEST(a_group_of_stores_into_code_takes_effect),
    TEST(cmpxchg8b_works_between_accesses_of_a_group),
    TEST(a_detour_ends_where_new_code_begins),
    TEST(fdp_is_where_the_operand_was),
};

int main(void)
{
    return run_by_each_engine("groups of accesses", tests, sizeof tests / sizeof tests[0]);
}
