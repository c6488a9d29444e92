/*
 * translator/ir_run.c: what operations compute, held against the host's own instructions. All four registers and every
 * flag that the operation's row in ir.def does not call undefined must agree; then the same operation on memory must
 * agree with the one on a register.
 */
#include "../frontend/sys_fixture.h"
#include "ir_random.h"
#include "translator/callout.h"
#include "translator/ir_run.h"

#ifdef __x86_64__

/* Only divisions that overflow are called out. */
bool callout_run(struct cpu *cpu, const struct insn *in, uint32_t eip)
{
    cpu->eip = eip;
    return false;
}

struct registers {
    uint32_t eax, ecx, edx, ebx, flags;
};

/* Every case: the operation, and the host's instruction on the same registers. */
#define CASES(X)                                                                                                       \
    X("sarx.4 edx, ebx, 0x18", "movl %%ebx, %%edx\n\tbswapl %%edx\n\tmovsbl %%dl, %%edx")                              \
    TWO(X, "add", "add")                                                                                               \
    TWO(X, "or", "or")                                                                                                 \
    TWO(X, "adc", "adc")                                                                                               \
    TWO(X, "sbb", "sbb")                                                                                               \
    TWO(X, "and", "and") TWO(X, "sub", "sub") TWO(X, "xor", "xor") TWO(X, "cmp", "cmp") TWO(X, "test", "test") ONE(    \
        X, "inc", "inc") ONE(X, "dec", "dec") ONE(X, "neg", "neg") ONE(X, "not", "not") SHIFT(X, "rol", "rol")         \
        SHIFT(X, "ror", "ror") SHIFT(X, "rcl", "rcl") SHIFT(X, "rcr", "rcr") SHIFT(X, "shl", "shl") SHIFT(             \
            X, "shr", "shr") SHIFT(X, "sar", "sar") DOUBLE(X, "shld") DOUBLE(X, "shrd") WORDS(X, "bt", "bt")           \
            WORDS(X, "bts", "bts") WORDS(X, "btr", "btr") WORDS(X, "btc", "btc") BIT_IMM(X, "bt") BIT_IMM(             \
                X, "bts") BIT_IMM(X, "btr") BIT_IMM(X, "btc") WORDS(X, "bsf", "bsf")                                   \
                WORDS(X, "bsr", "bsr") WORDS(X, "popcnt", "popcnt") WORDS(X, "imul2", "imul") X(                       \
                    "imul3.4 eax, ebx, 0x12345678",                                                                    \
                    "imull $0x12345678, %%ebx, %%eax") X("imul3.2 ax, bx, 0xfffffffd", "imulw $-3, %%bx, %%ax")        \
                    X("mul.1 bl", "mulb %%bl") X("mul.1 ah", "mulb %%ah") X("mul.2 bx", "mulw %%bx")                   \
                        X("mul.4 ebx", "mull %%ebx") X("imul1.1 bl", "imulb %%bl") X("imul1.2 bx", "imulw %%bx") X(    \
                            "imul1.4 edx", "imull %%edx") X("lahf", "lahf")                                            \
                            X("sahf", "sahf") X("clc", "clc") X("stc", "stc") X("cmc", "cmc") X(                       \
                                "mov.1 ah, bl",                                                                        \
                                "movb %%bl, %%ah") X("mov.2 ax, bx",                                                   \
                                                     "movw %%bx, %%ax") X("mov.4 eax, ebx", "movl %%ebx, %%eax")       \
                                X("movzx.2 ax, bh", "movzbw %%bh, %%ax") X("movzx.4 eax, bl", "movzbl %%bl, %%eax") X( \
                                    "movzx.4 eax, bx", "movzwl %%bx, %%eax") X("movsx.2 ax, bl", "movsbw %%bl, %%ax")  \
                                    X("movsx.4 eax, bh", "movsbl %%bh, %%eax") X("movsx.4 eax, bx",                    \
                                                                                 "movswl %%bx, %%eax")                 \
                                        X("xchg.1 al, ah", "xchgb %%al, %%ah") X("xchg.2 ax, bx", "xchgw %%ax, %%bx")  \
                                            X("xchg.4 eax, ebx", "xchgl %%eax, %%ebx")                                 \
                                                X("bswap.4 eax", "bswapl %%eax") X("sign.2 dx, ax", "cwtd")            \
                                                    X("sign.4 edx, eax", "cltd") X("lea.4 eax, [ebx+ecx*4-7]",         \
                                                                                   "leal -7(%%ebx,%%ecx,4), %%eax")    \
                                                        X("lea.2 ax, [ebx+ecx*8+0x100]",                               \
                                                          "leaw 0x100(%%ebx,%%ecx,8), %%ax") CONDITION(X, "o")         \
                                                            CONDITION(X, "no") CONDITION(X, "b") CONDITION(X, "ae")    \
                                                                CONDITION(X, "e") CONDITION(X, "ne")                   \
                                                                    CONDITION(X, "be") CONDITION(X, "a")               \
                                                                        CONDITION(X, "s") CONDITION(X, "ns")           \
                                                                            CONDITION(X, "p") CONDITION(X, "np")       \
                                                                                CONDITION(X, "l") CONDITION(X, "ge")   \
                                                                                    CONDITION(X, "le")                 \
                                                                                        CONDITION(X, "g")
#define WORDS(X, ir, host) X(ir ".2 ax, bx", host "w %%bx, %%ax") X(ir ".4 eax, ebx", host "l %%ebx, %%eax")
#define TWO(X, ir, host)                                                                                               \
    X(ir ".1 al, bl", host "b %%bl, %%al")                                                                             \
    X(ir ".1 ah, bl", host "b %%bl, %%ah")                                                                             \
    X(ir ".1 al, 0xffffff85", host "b $0x85, %%al")                                                                    \
    X(ir ".2 ax, 0xffff8001", host "w $0x8001, %%ax")                                                                  \
    X(ir ".4 eax, 0x8000000f", host "l $0x8000000f, %%eax") WORDS(X, ir, host)
#define ONE(X, ir, host)                                                                                               \
    X(ir ".1 al", host "b %%al")                                                                                       \
    X(ir ".1 ah", host "b %%ah") X(ir ".2 ax", host "w %%ax") X(ir ".4 eax", host "l %%eax")
#define SHIFT(X, ir, host)                                                                                             \
    X(ir ".1 al, cl", host "b %%cl, %%al")                                                                             \
    X(ir ".1 ah, cl", host "b %%cl, %%ah")                                                                             \
    X(ir ".2 ax, cl", host "w %%cl, %%ax")                                                                             \
    X(ir ".4 eax, cl", host "l %%cl, %%eax")                                                                           \
    X(ir ".1 al, 1", host "b $1, %%al") X(ir ".2 ax, 1", host "w $1, %%ax") X(ir ".4 eax, 1", host "l $1, %%eax")      \
        X(ir ".1 al, 7", host "b $7, %%al") X(ir ".2 ax, 15", host "w $15, %%ax")                                      \
            X(ir ".4 eax, 31", host "l $31, %%eax") X(ir ".4 eax, 0x20", host "l $0x20, %%eax")
#define DOUBLE(X, ir)                                                                                                  \
    X(ir ".4 eax, ebx, cl", ir "l %%cl, %%ebx, %%eax")                                                                 \
    X(ir ".4 eax, ebx, 1", ir "l $1, %%ebx, %%eax")                                                                    \
    X(ir ".4 eax, ebx, 31", ir "l $31, %%ebx, %%eax")                                                                  \
    X(ir ".2 ax, bx, 1", ir "w $1, %%bx, %%ax")                                                                        \
    X(ir ".2 ax, bx, 15", ir "w $15, %%bx, %%ax") X(ir ".2 ax, bx, 16", ir "w $16, %%bx, %%ax")
#define BIT_IMM(X, ir)                                                                                                 \
    X(ir ".2 ax, 15", ir "w $15, %%ax") X(ir ".4 eax, 31", ir "l $31, %%eax") X(ir ".4 eax, 3", ir "l $3, %%eax")
#define CONDITION(X, cc)                                                                                               \
    X("set" cc ".1 ah", "set" cc " %%ah")                                                                              \
    X("cmov" cc ".4 eax, ebx", "cmov" cc "l %%ebx, %%eax") X("cmov" cc ".2 ax, bx", "cmov" cc "w %%bx, %%ax")

enum { BASE = __COUNTER__ + 1 };

/* The red zone is stepped over; flags go in and out through the stack. */
#define HOST(ir, text)                                                                                                 \
    case __COUNTER__ - BASE:                                                                                           \
        __asm__ volatile("leaq -128(%%rsp), %%rsp\n\tpushq %[flags]\n\tpopfq\n\t" text                                 \
                         "\n\tpushfq\n\tpopq %[flags]\n\tleaq 128(%%rsp), %%rsp"                                       \
                         : "+a"(r->eax), "+c"(r->ecx), "+d"(r->edx), "+b"(r->ebx), [flags] "+r"(flags)                 \
                         :                                                                                             \
                         : "cc", "memory");                                                                            \
        break;

static void host_run(unsigned n, struct registers *r)
{
    uint64_t flags = r->flags | EFLAGS_FIXED | EFLAGS_IF;

    switch (n) {
        CASES(HOST)
    default:
        fail();
    }
    r->flags = (uint32_t)flags & EFLAGS_OSZAPC;
}

#define TEXT(ir, text) ir,
static const char *const texts[] = {CASES(TEXT)};
enum { N_CASES = sizeof texts / sizeof texts[0] };

struct fixture {
    struct machine *m;
    struct ir_block ir;
    bool alive;
};

static void ir_run_on(struct fixture *f, struct registers *r)
{
    struct cpu *cpu = f->m->cpu;
    static const struct insn no_insn[3];
    unsigned where;

    assert_null(ir_check(&f->ir, &where));
    cpu->gpr[EAX] = r->eax, cpu->gpr[ECX] = r->ecx, cpu->gpr[EDX] = r->edx, cpu->gpr[EBX] = r->ebx;
    cpu_set_eflags(cpu, r->flags, EFLAGS_OSZAPC);
    f->alive = true;
    ir_run(cpu, f->ir.op, f->ir.offset, no_insn, 0, false, &f->alive);
    *r = (struct registers){cpu->gpr[EAX], cpu->gpr[ECX], cpu->gpr[EDX], cpu->gpr[EBX],
                            cpu_get_eflags(cpu) & EFLAGS_OSZAPC};
}

static struct registers random_registers(struct random *r)
{
    struct registers v = {random_value(r), random_value(r), random_value(r), random_value(r),
                          random_next(r) & EFLAGS_OSZAPC};

    if (random_below(r, 2))
        v.ecx = (v.ecx & ~0xffu) | random_below(r, 40);
    if (random_below(r, 8) == 0)
        v.ebx = 0;
    return v;
}

/* Flags that `op` leaves defined: those its row does not call undefined, and what depends on the count. */
static uint32_t defined_flags(const struct ir_op *op, const struct registers *before)
{
    const struct ir_op_info *info = &ir_info[op->opcode];
    const bool by_count = info->format == IR_FORMAT_DST_COUNT || info->format == IR_FORMAT_DST_SRC_COUNT;
    uint32_t defined = EFLAGS_OSZAPC & ~(uint32_t)info->undefines;

    if (by_count) {
        const bool in_ecx = info->format == IR_FORMAT_DST_COUNT ? op->src == IR_ECX : op->arg;
        const unsigned count = (in_ecx ? before->ecx : op->imm) & 31;

        if (count == 0)
            return EFLAGS_OSZAPC; /* all are kept */
        defined &= ~(uint32_t)EFLAGS_OF;
        if (count == 1)
            defined |= EFLAGS_OF;
        if (count >= 8u * op->width && (op->opcode == IR_SHL || op->opcode == IR_SHR))
            defined &= ~(uint32_t)EFLAGS_CF;
    }
    return defined;
}

static void operations_compute_what_the_host_does(void **state)
{
    struct fixture *f = *state;
    struct random r = {4711};

    for (unsigned n = 0; n < N_CASES; n++) {
        program(&f->ir, texts[n]);
        for (unsigned i = 0; i < 3000; i++) {
            const struct registers before = random_registers(&r);
            struct registers host = before, ours = before;
            const uint32_t defined = defined_flags(&f->ir.op[0], &before);

            host_run(n, &host);
            ir_run_on(f, &ours);
            if (host.eax != ours.eax || host.ecx != ours.ecx || host.edx != ours.edx || host.ebx != ours.ebx ||
                (host.flags ^ ours.flags) & defined)
                fail_msg("%s of %x %x %x %x flags %x: host %x %x %x %x flags %x, IR %x %x %x %x flags %x, defined %x",
                         texts[n], before.eax, before.ecx, before.edx, before.ebx, before.flags, host.eax, host.ecx,
                         host.edx, host.ebx, host.flags, ours.eax, ours.ecx, ours.edx, ours.ebx, ours.flags, defined);
        }
    }
}

/* The operand in EAX or EBX is moved to memory. */
static void operations_on_memory_agree_with_those_on_registers(void **state)
{
    struct fixture *f = *state;
    struct random r = {1147};
    unsigned compared = 0;

    mmu_st8(&f->m->cpu->mmu, DATA, 0, f->m->cpu->view);
    for (unsigned n = 0; n < 2 * N_CASES; n++) {
        const bool is_dst = n < N_CASES;
        struct ir_op op;
        struct ir_block plain;

        program(&f->ir, texts[n % N_CASES]);
        plain = f->ir;
        op = f->ir.op[0];
        f->ir.n_ops = f->ir.n_insns = 0;
        ir_add(&f->ir, IR_MAP, 4)->arg = IR_UPDATE;
        f->ir.op[0].seg = DS;
        f->ir.op[0].imm = DATA;
        if (is_dst ? op.dst != IR_EAX : op.src != IR_EBX)
            continue;
        *(is_dst ? &op.dst : &op.src) = IR_MEM;
        op.insn = 0;
        *ir_add(&f->ir, IR_MOV, 4) = op;
        f->ir.n_insns = 1;
        ir_add(&f->ir, IR_JMP, 0);
        if (ir_check(&f->ir, &(unsigned){0})) /* not for memory */
            continue;
        for (unsigned i = 0; i < 300; i++) {
            const struct registers before = random_registers(&r);
            struct registers expected = before, ours = before;
            const struct ir_block with_mem = f->ir;

            f->ir = plain;
            ir_run_on(f, &expected);
            f->ir = with_mem;
            put32(f->m, DATA, is_dst ? before.eax : before.ebx);
            ir_run_on(f, &ours);
            if (is_dst) {
                assert_int_equal(get32(f->m, DATA), expected.eax);
                assert_int_equal(ours.eax, before.eax);
                ours.eax = expected.eax;
            }
            assert_memory_equal(&ours, &expected, sizeof ours);
            compared++;
        }
    }
    assert_true(compared > 100 * 300);
}

/* The quotient and the remainder by schoolbook: bit by bit, of magnitudes. */
static bool divide_slowly(__int128 dividend, __int128 divisor, unsigned bits, bool is_signed, uint32_t *quotient,
                          uint32_t *remainder)
{
    const bool minus = is_signed && (dividend < 0) != (divisor < 0);
    const __int128 a = dividend < 0 ? -dividend : dividend, b = divisor < 0 ? -divisor : divisor;
    __int128 rest = 0, q = 0;

    if (b == 0)
        return false;
    for (int i = 64; i >= 0; i--) {
        rest = rest * 2 + (a >> i & 1);
        q *= 2;
        if (rest >= b) {
            rest -= b;
            q++;
        }
    }
    if (is_signed ? q > ((__int128)1 << (bits - 1)) - !minus : q >> bits != 0)
        return false;
    *quotient = (uint32_t)(minus ? -q : q);
    *remainder = (uint32_t)(dividend < 0 ? -rest : rest);
    return true;
}

static void divisions_are_exact_or_called_out(void **state)
{
    struct fixture *f = *state;
    static const char *const divisions[] = {"div.1 bl",  "div.2 bx",  "div.4 ebx",
                                            "idiv.1 bl", "idiv.2 bx", "idiv.4 ebx"};
    struct random r = {31337};
    unsigned done[6] = {0}, overflown[6] = {0};

    for (unsigned n = 0; n < 6; n++) {
        const unsigned bits = 8u << n % 3;
        const bool is_signed = n >= 3;

        program(&f->ir, divisions[n]);
        for (unsigned i = 0; i < 20000; i++) {
            struct registers before = random_registers(&r), ours, expected;
            uint64_t pair;
            __int128 dividend, divisor;
            uint32_t quotient, remainder;

            if (random_below(&r, 2)) { /* the upper half is no more than a sign, so most quotients fit */
                before.edx = is_signed && before.eax >> (bits - 1) & 1 ? 0xffffffff : 0;
                if (bits == 8)
                    before.eax = (before.eax & 0xffff00ff) | (before.edx & 0xff00);
            }
            pair = bits == 8    ? before.eax & 0xffff
                   : bits == 16 ? (uint64_t)(before.edx & 0xffff) << 16 | (before.eax & 0xffff)
                                : (uint64_t)before.edx << 32 | before.eax;
            dividend = is_signed ? (int64_t)(pair << (64 - 2 * bits)) >> (64 - 2 * bits) : (__int128)pair;
            divisor = is_signed ? (__int128)((int32_t)(before.ebx << (32 - bits)) >> (32 - bits))
                                : (__int128)(before.ebx & (0xffffffffu >> (32 - bits)));
            expected = before;
            if (divide_slowly(dividend, divisor, bits, is_signed, &quotient, &remainder)) {
                if (bits == 8) {
                    expected.eax = (before.eax & 0xffff0000) | (remainder & 0xff) << 8 | (quotient & 0xff);
                } else {
                    const uint32_t mask = 0xffffffffu >> (32 - bits);

                    expected.eax = (before.eax & ~mask) | (quotient & mask);
                    expected.edx = (before.edx & ~mask) | (remainder & mask);
                }
                done[n]++;
            } else {
                overflown[n]++;
            }
            ours = before;
            ir_run_on(f, &ours);
            expected.flags = ours.flags; /* undefined */
            assert_memory_equal(&ours, &expected, sizeof ours);
        }
        assert_true(done[n] > 1000 && overflown[n] > 1000);
    }
}

static int create(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    void *m;

    assert_non_null(f);
    assert_int_equal(machine_create(&m), 0);
    f->m = m;
    enter_protected(f->m, 0);
    *state = f;
    return 0;
}
static int destroy(void **state)
{
    struct fixture *f = *state;
    void *m = f->m;

    free(f);
    return machine_destroy(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(operations_compute_what_the_host_does, create, destroy),
        cmocka_unit_test_setup_teardown(divisions_are_exact_or_called_out, create, destroy),
        cmocka_unit_test_setup_teardown(operations_on_memory_agree_with_those_on_registers, create, destroy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
    return 0; /* there is no such host to ask */
}

#endif
