/*
 * What must survive the ways out of translated code: at every kind of instruction that the interpreter executes,
 * between translated ones, a full x87 stack, MMX registers, pending unmasked #MF and #XM, every rounding mode and FTZ,
 * DAZ, and DF, AC and TF set. Each combination runs on each engine and on the interpreter, at CPL 0 and at CPL 3;
 * registers, units, memory and what a fault pushed must be the same.
 */
#include "tests/unit/translator/compare.h"

#include "frontend/x86/simd.h"

enum { RUNS = 3, PROGRAM_ROOM = 200, FAR_CODE = CODE + 0x1000, VECTOR = 0x30 };

struct bytes {
    uint8_t n, byte[60];
};
#define BYTES(...)                                                                                                     \
    {                                                                                                                  \
        sizeof((const uint8_t[]){__VA_ARGS__}),                                                                        \
        {                                                                                                              \
            __VA_ARGS__                                                                                                \
        }                                                                                                              \
    }
#define NONE                                                                                                           \
    {                                                                                                                  \
        0,                                                                                                             \
        {                                                                                                              \
            0                                                                                                          \
        }                                                                                                              \
    }

#define ADDPS_STMXCSR 0x0f, 0x58, 0xdc, 0x0f, 0xae, 0x9d, LE32(0x380)

/* EBP is DATA, EBX too; [EBP + 20h] to [EBP + 7Fh] holds what instructions need, stores go behind [EBP + 300h]. */
static const struct callout {
    const char *name;
    bool undefines; /* flags */
    struct bytes code;
} callouts[] = {
    {"nothing", false, NONE},
    {"CPUID", false, BYTES(0x0f, 0xa2)},
    {"RDTSC", false, BYTES(0x0f, 0x31)},
    {"PUSHF, POPF", false, BYTES(0x9c, 0x9d)},
    {"CLI, STI", false, BYTES(0xfa, 0xfb)},
    {"CLD", false, BYTES(0xfc)},
    {"STD", false, BYTES(0xfd)},
    {"MOV CR0", false, BYTES(0x0f, 0x20, 0xc0, 0x0f, 0x22, 0xc0)},
    {"MOV CR3", false, BYTES(0x0f, 0x20, 0xd8, 0x0f, 0x22, 0xd8)},
    {"MOV CR4", false, BYTES(0x0f, 0x20, 0xe0, 0x0f, 0x22, 0xe0)},
    {"MOV DR7", false, BYTES(0x0f, 0x21, 0xf8)},
    {"CLTS", false, BYTES(0x0f, 0x06)},
    {"SGDT", false, BYTES(0x0f, 0x01, 0x85, LE32(0x380))},
    {"SIDT", false, BYTES(0x0f, 0x01, 0x8d, LE32(0x380))},
    {"SLDT", false, BYTES(0x0f, 0x00, 0xc0)},
    {"STR", false, BYTES(0x0f, 0x00, 0xc8)},
    {"SMSW", false, BYTES(0x0f, 0x01, 0xe0)},
    {"LAR", false, BYTES(0xb8, LE32(SEL_DATA0), 0x0f, 0x02, 0xd0)},
    {"VERW", false, BYTES(0xb8, LE32(SEL_DATA3), 0x0f, 0x00, 0xe8)},
    {"ARPL", false, BYTES(0x63, 0xc2)},
    {"MOV ES", false, BYTES(0x8c, 0xc0, 0x8e, 0xc0)},
    {"MOV SS", false, BYTES(0x8c, 0xd0, 0x8e, 0xd0)},
    {"PUSH DS, POP DS", false, BYTES(0x1e, 0x1f)},
    {"LES", false, BYTES(0xc4, 0x55, 0x70)},
    {"IN", false, BYTES(0xe4, 0x80)},
    {"OUT", false, BYTES(0xe6, 0x80)},
    {"INVLPG", false, BYTES(0x0f, 0x01, 0x7d, 0x00)},
    {"WBINVD", false, BYTES(0x0f, 0x09)},
    {"HLT", false, BYTES(0xf4)},
    {"UD2", false, BYTES(0x0f, 0x0b)},
    {"INT 30h", false, BYTES(0xcd, VECTOR)},
    {"INTO", false, BYTES(0xce)},
    {"BOUND", false, BYTES(0x62, 0x4d, 0x78)},
    {"CMPXCHG8B", false, BYTES(0x0f, 0xc7, 0x4d, 0x20)},
    {"BTS of memory", true, BYTES(0x0f, 0xab, 0x45, 0x20)},
    {"LOCK XADD", false, BYTES(0xf0, 0x0f, 0xc1, 0x45, 0x20)},
    {"DIV of words", true, BYTES(0x66, 0x31, 0xd2, 0x66, 0xf7, 0xf1)},
    {"DIV by zero", true, BYTES(0x33, 0xc9, 0xf7, 0xf1)},
    {"AAM", true, BYTES(0xd4, 0x0a)},
    {"DAA", true, BYTES(0x27)},
    {"XLAT", false, BYTES(0xd7)},
    {"ENTER, LEAVE", false, BYTES(0xc8, 8, 0, 1, 0xc9)},
    {"PUSHA, POPA", false, BYTES(0x60, 0x61)},
    {"MOVS", false, BYTES(0xa5)},
    {"REP MOVS", false, BYTES(0xf3, 0xa4)},
    {"REP STOS", false, BYTES(0xf3, 0xab)},
    {"REPE CMPS", false, BYTES(0xf3, 0xa6)},
    {"REPNE SCAS", false, BYTES(0xf2, 0xae)},
    {"a store across pages", false, BYTES(0x89, 0x85, LE32(0xffe))},
    {"a load across pages", false, BYTES(0x8b, 0x95, LE32(0xffd))},
    {"FADD across pages", false, BYTES(0xd8, 0x85, LE32(0xffe))},
    {"FST across pages", false, BYTES(0xdd, 0x95, LE32(0xffc))},
    {"FSTP and FLD across pages", false, BYTES(0xdb, 0xbd, LE32(0xff8), 0xdb, 0xad, LE32(0xff8))},
    {"MOVQ across pages", false, BYTES(0x0f, 0x6f, 0xb5, LE32(0xffc))},
    {"MOVUPS across pages", false, BYTES(0x0f, 0x11, 0x95, LE32(0xff8))},
    {"a load that faults", false, BYTES(0x8b, 0x15, LE32(0xfffff000))},
    {"WAIT", false, BYTES(0x9b)},
    {"FNCLEX", false, BYTES(0xdb, 0xe2)},
    {"FNINIT", false, BYTES(0xdb, 0xe3)},
    {"FNSTSW", false, BYTES(0xdf, 0xe0)},
    {"FNSTCW, FLDCW", false, BYTES(0xd9, 0xbd, LE32(0x380), 0xd9, 0xad, LE32(0x380))},
    {"FLDCW of another precision", false, BYTES(0xd9, 0x6d, 0x50)},
    {"FNSTENV, FLDENV", false, BYTES(0xd9, 0xb5, LE32(0x400), 0xd9, 0xa5, LE32(0x400))},
    {"FNSAVE, FRSTOR", false, BYTES(0xdd, 0xb5, LE32(0x400), 0xdd, 0xa5, LE32(0x400))},
    {"FXSAVE, FXRSTOR", false, BYTES(0x0f, 0xae, 0x85, LE32(0x400), 0x0f, 0xae, 0x8d, LE32(0x400))},
    {"FLD, FSTP of m80", false, BYTES(0xdb, 0xbd, LE32(0x380), 0xdb, 0xad, LE32(0x380))},
    {"FPTAN", false, BYTES(0xd9, 0xf2)},
    {"FBSTP", false, BYTES(0xdf, 0xb5, LE32(0x380))},
    {"EMMS", false, BYTES(0x0f, 0x77)},
    {"STMXCSR, LDMXCSR", false, BYTES(0x0f, 0xae, 0x9d, LE32(0x380), 0x0f, 0xae, 0x95, LE32(0x380))},
    {"LDMXCSR of the default", false, BYTES(0x0f, 0xae, 0x55, 0x54)},
    /* and addps xmm3, xmm4: a denormal operand, which may be unmasked now; stmxcsr */
    {"LDMXCSR that unmasks", false, BYTES(0x0f, 0xae, 0x55, 0x58, ADDPS_STMXCSR)},
    {"LDMXCSR that unmasks, across pages", false, BYTES(0x0f, 0xae, 0x95, LE32(0xffe), ADDPS_STMXCSR)},
    {"LDMXCSR of a reserved bit", false, BYTES(0x0f, 0xae, 0x55, 0x5c, ADDPS_STMXCSR)},
    {"LDMXCSR of FTZ and DAZ", false, BYTES(0x0f, 0xae, 0x55, 0x60, ADDPS_STMXCSR)},
    {"MASKMOVQ", false, BYTES(0x0f, 0xf7, 0xc1)},
    {"MOVAPS, not aligned", false, BYTES(0x0f, 0x28, 0x5d, 0x24)},
    {"CALL and RET far", false, BYTES(0x9a, LE32(FAR_CODE), SEL_CODE0, 0)}, /* the selector is CPL's, see run_case */
};
enum { CALLOUTS = sizeof callouts / sizeof callouts[0] };

static const struct state {
    const char *name;
    uint32_t eflags, mxcsr;
    bool undefined_flags_show; /* in frames on the stack */
    struct bytes before, behind;
} states[] = {
    /* fninit; fldpi, fldl2e, fldlg2, fldln2, fldl2t, fld1, fldz, fldpi */
    {"a full x87 stack", 0, 0x1f80, false,
     BYTES(0xdb, 0xe3, 0xd9, 0xeb, 0xd9, 0xea, 0xd9, 0xec, 0xd9, 0xed, 0xd9, 0xe9, 0xd9, 0xe8, 0xd9, 0xee, 0xd9, 0xeb),
     BYTES(0xde, 0xc1, 0xd9, 0xc9, 0xdb, 0xbd, LE32(0x300), 0xdb, 0xbd, LE32(0x310), 0xdd, 0xbd, LE32(0x320), 0xdd,
           0x9d, LE32(0x330))},
    {"an x87 stack that overflows", 0, 0x1f80, false,
     BYTES(0xdb, 0xe3, 0xd9, 0xeb, 0xd9, 0xea, 0xd9, 0xec, 0xd9, 0xed, 0xd9, 0xe9, 0xd9, 0xe8, 0xd9, 0xee, 0xd9, 0xeb,
           0xd9, 0xe8),
     BYTES(0xd9, 0xe8, 0xdd, 0xbd, LE32(0x320), 0xdb, 0xbd, LE32(0x300))},
    {"an empty x87 stack that is read", 0, 0x1f80, false, BYTES(0xdb, 0xe3, 0xd8, 0xc1),
     BYTES(0xdb, 0xbd, LE32(0x300), 0xdd, 0xbd, LE32(0x320))},
    /* movq mm0, [ebp + 28h]; paddd mm1, mm0; movq mm7, mm1 */
    {"MMX registers", 0, 0x1f80, false, BYTES(0x0f, 0x6f, 0x45, 0x28, 0x0f, 0xfe, 0xc8, 0x0f, 0x6f, 0xf9),
     BYTES(0x0f, 0xef, 0xcf, 0x0f, 0xfe, 0xc7, 0x0f, 0x7f, 0x85, LE32(0x300), 0x0f, 0x7f, 0xbd, LE32(0x308))},
    /* fninit; fld1; fldz; fdivp; fldcw [ebp + 52h] */
    {"an unmasked x87 exception is pending", 0, 0x1f80, false,
     BYTES(0xdb, 0xe3, 0xd9, 0xe8, 0xd9, 0xee, 0xde, 0xf9, 0xd9, 0x6d, 0x52),
     BYTES(0x40, 0xd9, 0xe8, 0x40, 0xdb, 0xbd, LE32(0x300))},
    /* fninit; fldcw [ebp + 52h]; fld1; fldz */
    {"an unmasked x87 exception behind it", 0, 0x1f80, false,
     BYTES(0xdb, 0xe3, 0xd9, 0x6d, 0x52, 0xd9, 0xe8, 0xd9, 0xee), BYTES(0xde, 0xf9, 0x40, 0xd9, 0xe8, 0x40)},
    /* divps xmm0, xmm1 by zeros, masked; then unmasked */
    {"an unmasked SIMD exception", 0, 0x1d00, false, BYTES(0x0f, 0x58, 0xd3), BYTES(0x40, 0x0f, 0x5e, 0xc1, 0x40)},
    {"a SIMD exception that is masked later", 0, 0x0000, false, BYTES(0x0f, 0x28, 0xe0, 0x0f, 0xae, 0x55, 0x54),
     BYTES(0x0f, 0x5e, 0xe1, 0x0f, 0xae, 0x9d, LE32(0x300))},
#define ODD_MXCSR(text, value)                                                                                         \
    {                                                                                                                  \
        text, 0, value, false, BYTES(0x0f, 0x5e, 0xc2, 0x0f, 0x59, 0xdb),                                              \
            BYTES(0x0f, 0x5e, 0xd5, 0x0f, 0x58, 0xdb, 0x0f, 0x51, 0xf0, 0x0f, 0x2d, 0xc6, 0x0f, 0xae, 0x9d,            \
                  LE32(0x300), 0x0f, 0x11, 0x95, LE32(0x310))                                                          \
    }
    ODD_MXCSR("MXCSR rounds down", 0x3f80),
    ODD_MXCSR("MXCSR rounds up", 0x5f80),
    ODD_MXCSR("MXCSR chops", 0x7f80),
    ODD_MXCSR("MXCSR with FTZ and DAZ", 0x9fc0),
    ODD_MXCSR("MXCSR with every flag", 0x1fbf),
    /* lodsb; movsd; stosd */
    {"DF", EFLAGS_DF, 0x1f80, false, BYTES(0xad, 0xa4), BYTES(0xac, 0xa5, 0xab, 0xf3, 0xa4)},
    /* mov edx, [ebp + 21h] */
    {"AC", EFLAGS_AC, 0x1f80, false, BYTES(0x8b, 0x55, 0x20), BYTES(0x40, 0x8b, 0x55, 0x21, 0x40)},
/* pushf; or dword [esp], 100h; popf; inc eax. In the end TF is cleared: HLT would not last. */
#define SET_TF   0x9c, 0x81, 0x0c, 0x24, LE32(0x100), 0x9d, 0x40
#define CLEAR_TF 0x9c, 0x81, 0x24, 0x24, LE32(0xfffffeff), 0x9d
    {"TF", 0, 0x1f80, true, BYTES(SET_TF), BYTES(0x40, 0x03, 0x55, 0x20, 0x40, CLEAR_TF)},
    {"TF and DF", EFLAGS_DF, 0x1f80, true, BYTES(SET_TF), BYTES(0xac, 0xa5, CLEAR_TF)},
};
enum { STATES = sizeof states / sizeof states[0] };

/* ---- machines ---- */

struct pair {
    const struct variant *variant;
    const struct state *state;
    struct machine *m, *reference;
    struct fpu fpu; /* after reset */
};

static struct machine *create(const struct translator_options *options)
{
    void *state;

    assert_int_equal(machine_create(&state), 0);
    attach(state, options);
    return state;
}

static int setup(void **state)
{
    struct pair *p = *state;

    p->m = create(&p->variant->options);
    p->reference = create(&variants[INTERP].options);
    p->fpu = p->m->cpu->fpu;
    return 0;
}

static int teardown(void **state)
{
    struct pair *p = *state;
    void *m = p->m, *reference = p->reference;

    translator_destroy(p->m->cpu);
    machine_destroy(&m);
    machine_destroy(&reference);
    return 0;
}

/* ---- a case ---- */

static unsigned put_bytes(uint8_t *out, unsigned n, const struct bytes *bytes)
{
    memcpy(out + n, bytes->byte, bytes->n);
    return n + bytes->n;
}

/* Everything as before the first program. */
static void prepare(struct machine *m, const struct pair *p, unsigned cpl, unsigned program_bytes,
                    const uint8_t *program)
{
    static const float singles[] = {1.0f, 3.0f, -7.0f, 0.1f};
    static const uint32_t denormals[] = {0x00000001, 0x80000002, 0x007fffff, 0x00800000};
    struct cpu *cpu = m->cpu;
    uint8_t data[COMPARED_DATA];

    enter_protected(m, cpl);
    cpu->cr0 |= CR0_NE | CR0_MP | CR0_AM;
    cpu->cr4 = CR4_OSFXSR | CR4_OSXMMEXCPT;
    cpu_derive_paging(cpu);
    cpu->cr2 = 0;
    cpu->pending_db = 0;
    memset(cpu->dr, 0, sizeof cpu->dr);
    cpu->dr[6] = 0xffff0ff0;
    cpu->dr[7] = 0x400;
    cpu->shadow = cpu->shadow_next = 0;
    for (unsigned vector = 0; vector < 32; vector++)
        put8(m, HANDLER(vector), 0xf4);
    PUT(m, HANDLER(VEC_DB), 0xff, 0x05, LE32(DATA + 0x3f0), 0xcf); /* inc dword [...]; iret */
    PUT(m, HANDLER(VECTOR), 0xcf);
    put_idt(m, VECTOR, SEL_CODE0, HANDLER(VECTOR), AR_P | TYPE_INT32 | DPL3);
    PUT(m, FAR_CODE, 0xcb);
    for (unsigned i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 37 + (i >> 8));
    phys_write_bytes(m->phys, DATA, data, sizeof data);
    put16(m, DATA + 0x50, 0x027f);
    put16(m, DATA + 0x52, 0x0360);
    put32(m, DATA + 0x54, MXCSR_RESET);
    put32(m, DATA + 0x58, MXCSR_RESET & ~(MXCSR_DE << MXCSR_MASK_SHIFT));
    put32(m, DATA + 0x5c, MXCSR_RESET | 0x10000);
    put32(m, DATA + 0x60, MXCSR_RESET | MXCSR_FTZ | MXCSR_DAZ);
    put32(m, DATA + 0xffe, MXCSR_RESET & ~(MXCSR_DE << MXCSR_MASK_SHIFT));
    put32(m, DATA + 0x70, 0x12345678);
    put16(m, DATA + 0x74, cpl ? SEL_DATA3 : SEL_DATA0);
    put32(m, DATA + 0x78, 0);
    put32(m, DATA + 0x7c, 100);
    phys_write_bytes(m->phys, STACK0 - 0x100, data, 0x100);
    phys_write_bytes(m->phys, STACK3 - 0x100, data, 0x100);
    put(m, CODE, program, program_bytes);

    for (unsigned i = 0; i < 8; i++)
        cpu->gpr[i] = i == ESP ? cpu->gpr[ESP] : 0x01010101 * i;
    cpu->gpr[EBX] = cpu->gpr[EBP] = DATA;
    cpu->gpr[ECX] = 5;
    cpu->gpr[EAX] = 3;
    cpu->gpr[ESI] = DATA + 0x100;
    cpu->gpr[EDI] = DATA + 0x340;
    cpu->eflags |= p->state->eflags & ~(uint32_t)EFLAGS_OSZAPC;
    cpu->eflags |= cpl ? EFLAGS_IOPL : 0;
    cpu_set_eflags(cpu, EFLAGS_CF | EFLAGS_SF, EFLAGS_OSZAPC);
    cpu->fpu = p->fpu;
    cpu->fpu.host.control = 0;
    cpu->fpu.mxcsr = p->state->mxcsr;
    for (unsigned i = 0; i < 8; i++)
        for (unsigned k = 0; k < 4; k++)
            if (i == 3)
                cpu->fpu.xmm[i].d[k] = denormals[k];
            else
                cpu->fpu.xmm[i].s[k] = i == 1 ? 0 : singles[(i + k) % 4];
    cpu->eip = CODE;
    cpu->halt = CPU_RUNNING;
    m->shutdowns = 0;
}

static void run_case(const struct pair *p, const struct callout *c, unsigned cpl)
{
    uint8_t program[PROGRAM_ROOM];
    struct difference d;
    unsigned n = put_bytes(program, 0, &p->state->before);

    n = put_bytes(program, n, &c->code);
    if (c->code.byte[0] == 0x9a && cpl)
        program[n - 2] = SEL_CODE3;
    if (c->undefines) { /* cmp eax, edx */
        program[n++] = 0x3b;
        program[n++] = 0xc2;
    }
    n = put_bytes(program, n, &p->state->behind);
    program[n++] = 0xf4;
    for (unsigned run_number = 0; run_number < RUNS; run_number++) {
        prepare(p->reference, p, cpl, n, program);
        cpu_run(p->reference->cpu);
        prepare(p->m, p, cpl, n, program);
        run_cpu(p->m);
        if (!compare(p->m, p->reference, &d))
            fail_msg("%s, %s at %s, CPL %u: %s is %llx instead of %llx", p->variant->name, p->state->name, c->name, cpl,
                     d.what, (unsigned long long)d.ours, (unsigned long long)d.reference);
    }
}

static void survives_every_callout(void **state)
{
    const struct pair *p = *state;

    alarm(TEST_SECONDS);
    for (unsigned i = 0; i < CALLOUTS; i++)
        for (unsigned cpl = 0; cpl <= 3; cpl += 3)
            if (!callouts[i].undefines || !p->state->undefined_flags_show)
                run_case(p, &callouts[i], cpl);
    alarm(0);
}

/* movaps xmm1, xmm6; some additions; mov es, ax at the end of a page: what loads the registers lies behind a long way
 * out. */
static void a_unit_can_be_followed_by_the_end_of_the_page(void **state)
{
    struct pair *p = *state;
    struct machine *m = p->m;

    for (unsigned additions = 0; additions < 20; additions++) {
        const uint32_t start = CODE + 0xffb - 6 * additions;

        prepare(m, p, 0, 0, NULL);
        PUT(m, start, 0x0f, 0x29, 0xf1);
        for (unsigned i = 0; i < additions; i++)
            PUT(m, start + 3 + 6 * i, 0x81, 0xc3, LE32(0x1000)); /* add ebx, 1000h */
        PUT(m, CODE + 0xffe, 0x8e, 0xc0, 0x40, 0xf4);
        m->cpu->fpu.xmm[6].d[0] = 0x12345678;
        m->cpu->gpr[EAX] = SEL_DATA0;
        m->cpu->eip = start;
        run_cpu(m);
        assert_int_equal(m->cpu->halt, CPU_HALTED);
        assert_int_equal(m->cpu->gpr[EAX], SEL_DATA0 + 1);
        assert_int_equal(m->cpu->gpr[EBX], DATA + 0x1000 * additions);
        assert_int_equal(m->cpu->fpu.xmm[1].d[0], 0x12345678);
    }
}

enum { TESTS = VARIANTS * (STATES + 1) };

int main(void)
{
    static struct CMUnitTest all[TESTS];
    static struct pair pairs[TESTS];
    static char names[TESTS][100];
    const bool has_jit = !translator_missing_feature();
    size_t n = 0;

    for (unsigned v = IR; v < VARIANTS; v++)
        for (unsigned s = 0; s < STATES; s++) {
            if (variants[v].options.accel == ACCEL_JIT && !has_jit)
                continue;
            pairs[n] = (struct pair){.variant = &variants[v], .state = &states[s]};
            snprintf(names[n], sizeof names[n], "%s: %s survives every callout", variants[v].name, states[s].name);
            all[n] = (struct CMUnitTest){names[n], survives_every_callout, setup, teardown, &pairs[n]};
            n++;
        }
    for (unsigned v = IR; v < VARIANTS; v++)
        if (variants[v].options.accel != ACCEL_JIT || has_jit) {
            pairs[n] = (struct pair){.variant = &variants[v], .state = &states[0]};
            snprintf(names[n], sizeof names[n], "%s: a unit can be followed by the end of the page", variants[v].name);
            all[n] = (struct CMUnitTest){names[n], a_unit_can_be_followed_by_the_end_of_the_page, setup, teardown,
                                         &pairs[n]};
            n++;
        }
    return _cmocka_run_group_tests("torture", all, n, NULL, NULL);
}
