/* Divisions, LOOPE and LOOPNE stay in translated code, but for what raises #DE; that one leaves flags and registers as
 * they were. */
#include "tests/unit/translator/block_fixture.h"

enum { HLT = 0xf4 };

static uint64_t callouts(const struct machine *m)
{
    return m->cpu->translator ? m->cpu->translator->count.callouts : 0;
}
static bool is_jit(const struct machine *m)
{
    return m->cpu->translator && m->cpu->translator->options.accel == ACCEL_JIT;
}

/* ---- division ---- */

struct division {
    unsigned width;
    bool is_signed;
};

static uint32_t part(uint32_t old, unsigned width, uint32_t value)
{
    const uint32_t mask = width == 4 ? ~0u : (1u << 8 * width) - 1;

    return (old & ~mask) | (value & mask);
}

/* What the processor makes of EAX and EDX; false for #DE. SDM vol. 2A "DIV", "IDIV". */
static bool divide(struct division d, uint32_t *eax, uint32_t *edx, uint32_t divisor)
{
    const unsigned bits = 8 * d.width;
    const uint64_t dividend = d.width == 1   ? *eax & 0xffff
                              : d.width == 2 ? (uint64_t)(*edx & 0xffff) << 16 | (*eax & 0xffff)
                                             : (uint64_t)*edx << 32 | *eax;
    uint64_t quotient, remainder;

    divisor = part(0, d.width, divisor);
    if (!divisor)
        return false;
    if (d.is_signed) {
        const int64_t a = (int64_t)(dividend << (64 - 2 * bits)) >> (64 - 2 * bits),
                      b = (int64_t)((uint64_t)divisor << (64 - bits)) >> (64 - bits);

        if (a == INT64_MIN && b == -1)
            return false;
        if (a / b < -((int64_t)1 << (bits - 1)) || a / b >= (int64_t)1 << (bits - 1))
            return false;
        quotient = (uint64_t)(a / b);
        remainder = (uint64_t)(a % b);
    } else {
        quotient = dividend / divisor;
        remainder = dividend % divisor;
        if (quotient >> bits)
            return false;
    }
    *eax = part(*eax, d.width, (uint32_t)quotient);
    if (d.width == 1)
        *eax = part(*eax, 2, (uint32_t)(remainder << 8 | (quotient & 0xff)));
    else
        *edx = part(*edx, d.width, (uint32_t)remainder);
    return true;
}

enum { BY_ECX = 0xc1, BY_ESI = 0x06 }; /* ModRM */

static uint32_t put_division(struct machine *m, uint32_t at, struct division d, uint8_t modrm)
{
    if (d.width == 2)
        at = PUT(m, at, 0x66);
    return PUT(m, at, d.width == 1 ? 0xf6 : 0xf7, (d.is_signed ? 0x38 : 0x30) | modrm);
}

/* Runs the program at CODE, whose division is as `d` and ends at `end`, and compares. */
static void check_division(struct machine *m, struct division d, uint32_t eax, uint32_t edx, uint32_t ecx, uint32_t at)
{
    const uint32_t flags = (eax ^ ecx) & 1 ? EFLAGS_OSZAPC : 0;
    uint32_t quotient = eax, remainder = edx;
    const bool divides = divide(d, &quotient, &remainder, ecx);

    m->cpu->gpr[EAX] = eax;
    m->cpu->gpr[EDX] = edx;
    m->cpu->gpr[ECX] = ecx;
    m->cpu->gpr[ESP] = STACK0;
    cpu_set_eflags(m->cpu, flags, EFLAGS_OSZAPC);
    run(m, CODE);
    assert_int_equal(m->cpu->gpr[EAX], quotient);
    assert_int_equal(m->cpu->gpr[EDX], remainder);
    assert_int_equal(m->cpu->gpr[ECX], ecx);
    if (divides) {
        assert_int_equal(m->cpu->gpr[ESP], STACK0);
        return;
    }
    assert_int_equal(m->cpu->eip, HANDLER(VEC_DE) + 1);
    assert_int_equal(get32(m, STACK0 - 12), at);
    if (at == CODE) /* nothing before it has changed them */
        assert_int_equal(get32(m, STACK0 - 4) & EFLAGS_OSZAPC, flags);
}

static const uint32_t numbers[] = {0,      1,       2,          0x7f,       0x80,       0xff,       0x100,
                                   0x8000, 0x10000, 0x12345678, 0x7fffffff, 0x80000000, 0xffff8000, 0xffffffff};
enum { NUMBERS = sizeof numbers / sizeof numbers[0] };

static void divisions_of_every_width_give_what_the_processor_does(void **state)
{
    struct machine *m = *state;

    PUT(m, HANDLER(VEC_DE), HLT);
    for (unsigned kind = 0; kind < 6; kind++) {
        const struct division d = {1u << kind / 2, kind % 2};

        PUT(m, put_division(m, CODE, d, BY_ECX), HLT);
        for (unsigned i = 0; i < NUMBERS * NUMBERS * NUMBERS; i++)
            check_division(m, d, numbers[i % NUMBERS], numbers[i / NUMBERS % NUMBERS], numbers[i / NUMBERS / NUMBERS],
                           CODE);
    }
}

/* The way to the boundary of #DE: the upper half is the divisor, or one less. */
static void divisions_fault_where_the_quotient_no_longer_fits(void **state)
{
    static const uint32_t divisors[] = {1, 2, 3, 0x7f, 0x80, 0xfe, 0xff, 0x1234, 0xffff, 0x80000000, 0xffffffff};
    struct machine *m = *state;

    PUT(m, HANDLER(VEC_DE), HLT);
    for (unsigned kind = 0; kind < 6; kind++) {
        const struct division d = {1u << kind / 2, kind % 2};

        PUT(m, put_division(m, CODE, d, BY_ECX), HLT);
        for (unsigned i = 0; i < sizeof divisors / sizeof divisors[0]; i++)
            for (uint32_t by = 0; by < 6; by++) {
                const uint32_t half = part(0, d.width, (d.is_signed ? divisors[i] / 2 : divisors[i]) + by - 3);

                check_division(m, d, d.width == 1 ? half << 8 | 0xff : ~0u, half, divisors[i], CODE);
                check_division(m, d, d.width == 1 ? half << 8 : 0, half, divisors[i], CODE);
            }
    }
}

static void divisions_that_do_not_fault_stay_in_translated_code(void **state)
{
    struct machine *m = *state;
    uint64_t of_hlt;

    if (!is_jit(m))
        return;
    PUT(m, CODE, HLT);
    run(m, CODE);
    of_hlt = callouts(m);
    run(m, CODE);
    of_hlt = callouts(m) - of_hlt;
    for (unsigned kind = 0; kind < 6; kind++) {
        const struct division d = {1u << kind / 2, kind % 2};

        PUT(m, put_division(m, CODE, d, BY_ECX), HLT);
        for (unsigned i = 0; i < 3; i++) {
            const uint64_t before = callouts(m);

            check_division(m, d, 0x1207, 0, 0x55, CODE);
            assert_int_equal(callouts(m) - before, of_hlt);
        }
    }
}

/* An upper half that the instruction before has cleared is not compared with the divisor. */
static void a_cleared_upper_half_leaves_a_divisor_of_0_to_be_found(void **state)
{
    static const struct {
        struct division d;
        uint8_t n, clear[5];
    } cases[] = {
        {{4, false}, 2, {0x31, 0xd2}},             /* xor edx, edx */
        {{4, false}, 5, {0xba, LE32(0)}},          /* mov edx, 0 */
        {{2, false}, 3, {0x66, 0x31, 0xd2}},       /* xor dx, dx */
        {{2, false}, 2, {0x31, 0xd2}},             /* xor edx, edx */
        {{1, false}, 2, {0x30, 0xe4}},             /* xor ah, ah */
        {{1, false}, 2, {0xb4, 0}},                /* mov ah, 0 */
        {{4, false}, 3, {0x66, 0x31, 0xd2}},       /* xor dx, dx: not all of it */
        {{4, false}, 5, {0xba, LE32(7)}},          /* mov edx, 7: not 0 */
        {{4, false}, 2, {0x31, 0xca}},             /* xor edx, ecx: not itself */
        {{4, false}, 2, {0x31, 0xf6}},             /* xor esi, esi: another one */
        {{4, false}, 3, {0x31, 0xd2, 0x42}},       /* xor edx, edx; inc edx */
        {{4, true}, 2, {0x31, 0xd2}},              /* xor edx, edx */
        {{1, false}, 3, {0x31, 0xd2, 0x90}},       /* xor edx, edx: bytes do not use it */
        {{2, false}, 4, {0x30, 0xe4, 0x90, 0x90}}, /* xor ah, ah: words do not use it */
    };
    struct machine *m = *state;

    PUT(m, HANDLER(VEC_DE), HLT);
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const uint32_t at = put(m, CODE, cases[i].clear, cases[i].n);

        PUT(m, put_division(m, at, cases[i].d, BY_ECX), HLT);
        for (unsigned j = 0; j < NUMBERS * NUMBERS * NUMBERS; j += 3) {
            const uint32_t eax = numbers[j % NUMBERS], edx = numbers[j / NUMBERS % NUMBERS],
                           ecx = numbers[j / NUMBERS / NUMBERS];
            uint32_t high = edx, low = eax;

            switch (i) {
            case 0:
            case 1:
            case 3:
            case 11:
            case 12:
                high = 0;
                break;
            case 2:
            case 6:
                high &= 0xffff0000;
                break;
            case 4:
            case 5:
            case 13:
                low &= 0xffff00ff;
                break;
            case 7:
                high = 7;
                break;
            case 8:
                high ^= ecx;
                break;
            case 10:
                high = 1;
                break;
            }
            divide(cases[i].d, &low, &high, ecx);
            m->cpu->gpr[EAX] = eax;
            m->cpu->gpr[EDX] = edx;
            m->cpu->gpr[ECX] = ecx;
            m->cpu->gpr[ESP] = STACK0;
            run(m, CODE);
            assert_int_equal(m->cpu->gpr[EAX], low);
            assert_int_equal(m->cpu->gpr[EDX], high);
            if (m->cpu->gpr[ESP] != STACK0)
                assert_int_equal(get32(m, STACK0 - 12), at);
        }
    }
}

/* A way leads round what clears it, to the division or to a NOP before it. */
static void an_upper_half_that_one_way_has_cleared_is_compared(void **state)
{
    struct machine *m = *state;

    PUT(m, HANDLER(VEC_DE), HLT);
    for (unsigned nops = 0; nops < 2; nops++) {
        uint32_t at = PUT(m, CODE, 0x83, 0xfb, 0x01, /* cmp ebx, 1 */
                          0x74, 0x02,                /* je over */
                          0x31, 0xd2);               /* xor edx, edx */

        if (nops)
            at = PUT(m, at, 0x90);
        PUT(m, at, 0xf7, 0xf1, HLT); /* over: div ecx */
        for (unsigned pass = 0; pass < 6; pass++) {
            m->cpu->gpr[EAX] = 100;
            m->cpu->gpr[EDX] = 5;
            m->cpu->gpr[ECX] = 3;
            m->cpu->gpr[EBX] = pass & 1;
            m->cpu->gpr[ESP] = STACK0;
            run(m, CODE);
            assert_int_equal(m->cpu->eip, pass & 1 ? HANDLER(VEC_DE) + 1 : at + 3);
            assert_int_equal(m->cpu->gpr[EAX], pass & 1 ? 100 : 33);
            assert_int_equal(m->cpu->gpr[EDX], pass & 1 ? 5 : 1);
        }
    }
}

static void many_divisions_stand_in_a_row(void **state)
{
    enum { TIMES = 18 };
    struct machine *m = *state;

    PUT(m, HANDLER(VEC_DE), HLT);
    put32(m, DATA, 3);
    for (unsigned kind = 0; kind < 6; kind++) {
        const struct division d = {1u << kind / 2, kind % 2};
        uint32_t eax = d.width == 1 ? 0x0211 : 0x7fff1234, edx = 2, at = CODE;

        m->cpu->gpr[EAX] = eax;
        m->cpu->gpr[EDX] = edx;
        m->cpu->gpr[ECX] = 7;
        m->cpu->gpr[ESI] = DATA;
        for (unsigned i = 0; i < TIMES; i++) {
            at = put_division(m, at, d, i % 2 ? BY_ESI : BY_ECX);
            if (!divide(d, &eax, &edx, i % 2 ? 3 : 7))
                break;
        }
        PUT(m, at, HLT);
        m->cpu->gpr[ESP] = STACK0;
        run(m, CODE);
        assert_int_equal(m->cpu->gpr[EAX], eax);
        assert_int_equal(m->cpu->gpr[EDX], edx);
    }
}

/* ---- LOOPE, LOOPNE ---- */

/* again: cmp [esi], al; lea esi, [esi + 1]; loop.. again. Returns how often it went round. */
static uint32_t search(struct machine *m, uint8_t opcode, bool by_cx, uint32_t count, uint8_t al)
{
    uint32_t at = PUT(m, CODE, 0x38, 0x06, 0x8d, 0x76, 0x01);

    if (by_cx)
        at = PUT(m, at, 0x67);
    PUT(m, at, opcode, (uint8_t)(CODE - (at + 2)), HLT);
    m->cpu->gpr[ESI] = DATA;
    m->cpu->gpr[ECX] = count;
    m->cpu->gpr[EAX] = al;
    run(m, CODE);
    assert_int_equal(count - m->cpu->gpr[ECX], m->cpu->gpr[ESI] - DATA);
    assert_int_equal(!(cpu_get_eflags(m->cpu) & EFLAGS_ZF), get8(m, m->cpu->gpr[ESI] - 1) != al);
    return m->cpu->gpr[ESI] - DATA;
}

static void loope_and_loopne_end_by_the_counter_or_by_zf(void **state)
{
    struct machine *m = *state;

    for (uint32_t i = 0; i < 200; i++)
        put8(m, DATA + i, i < 100 ? 1 : 2);
    for (unsigned pass = 0; pass < 6; pass++) {
        const bool by_cx = pass & 1;
        const uint32_t above = by_cx ? 0x12340000 : 0; /* stays */

        assert_int_equal(search(m, 0xe0, by_cx, above | 150, 2), 101);
        assert_int_equal(search(m, 0xe0, by_cx, above | 60, 2), 60);
        assert_int_equal(search(m, 0xe0, by_cx, above | 101, 2), 101);
        assert_int_equal(search(m, 0xe1, by_cx, above | 150, 1), 101);
        assert_int_equal(search(m, 0xe1, by_cx, above | 60, 1), 60);
        assert_int_equal(search(m, 0xe1, by_cx, above | 1, 1), 1);
    }
}

static void they_stay_in_translated_code(void **state)
{
    struct machine *m = *state;
    uint64_t before;

    if (!is_jit(m))
        return;
    memset(phys_ram_host(m->phys, DATA), 5, 4000);
    search(m, 0xe0, false, 4000, 6);
    search(m, 0xe1, false, 4000, 5);
    before = callouts(m);
    search(m, 0xe1, false, 4000, 5);
    assert_true(callouts(m) - before < 100);
    search(m, 0xe0, false, 4000, 6);
    before = callouts(m);
    search(m, 0xe0, false, 4000, 6);
    assert_true(callouts(m) - before < 100);
}

int main(void)
{
    static const struct engine_test tests[] = {
        TEST(divisions_of_every_width_give_what_the_processor_does),
        TEST(divisions_fault_where_the_quotient_no_longer_fits),
        TEST(divisions_that_do_not_fault_stay_in_translated_code),
        TEST(a_cleared_upper_half_leaves_a_divisor_of_0_to_be_found),
        TEST(an_upper_half_that_one_way_has_cleared_is_compared),
        TEST(many_divisions_stand_in_a_row),
        TEST(loope_and_loopne_end_by_the_counter_or_by_zf),
        TEST(they_stay_in_translated_code),
    };

    return run_by_each_engine("inline", tests, sizeof tests / sizeof tests[0]);
}
