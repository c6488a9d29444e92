/*
 * Loops, of which a translation has several turns one behind the other: each ends, faults, meets a device or code, or
 * changes itself, in every turn, and leaves what the interpreter leaves.
 */
#include "tests/unit/translator/compare.h"
#include "tests/unit/translator/page_device.h"

#include <pthread.h>

enum {
    TURNS = 2 * X64_MAX_TURNS + 3,
    END = DATA + 0x2000, /* of a page; what the next one is depends on the scene */
    SOURCE = DATA + 0x800,
    DEVICE = 0x10000000, /* physical */
    ALL_RIGHTS = 7,
    PRESENT_USER = 5,
    CODE_BYTES_MAX = 48,
    LOOP = CODE + 2, /* behind FNINIT */
};

/* From LOOP on, in 32-bit code. ECX counts; ESI and EDI begin near END, EBX is SOURCE. */
#define DEC_ECX_JNZ(back) 0x49, 0x75, (uint8_t)(-(back)-3) /* to `back` bytes before it */
#define ADD_ESI(n)        0x83, 0xc6, (n)
#define ADD_EDI(n)        0x83, 0xc7, (n)
#define HLT               0xf4

static const struct loop {
    const char *text;
    uint8_t n, bytes[CODE_BYTES_MAX];
} loops[] = {
#define LOOP_OF(text_, ...)                                                                                            \
    {                                                                                                                  \
        text_, sizeof((const uint8_t[]){__VA_ARGS__}),                                                                 \
        {                                                                                                              \
            __VA_ARGS__                                                                                                \
        }                                                                                                              \
    }
    LOOP_OF("mov eax, [esi]; add edx, eax; add esi, 4", 0x8b, 0x06, 0x01, 0xc2, ADD_ESI(4), DEC_ECX_JNZ(7), HLT),
    LOOP_OF("mov eax, [esi]; add [esi + 4], eax; add esi, 8", 0x8b, 0x06, 0x01, 0x46, 4, ADD_ESI(8), DEC_ECX_JNZ(8),
            HLT),
    LOOP_OF("mov [edi], edx; add edi, 4; inc edx", 0x89, 0x17, ADD_EDI(4), 0x42, DEC_ECX_JNZ(6), HLT),
    LOOP_OF("mov eax, [esi]; mov [edi], eax; add esi, 4; add edi, 4", 0x8b, 0x06, 0x89, 0x07, ADD_ESI(4), ADD_EDI(4),
            DEC_ECX_JNZ(10), HLT),
    LOOP_OF("inc byte [edi]; inc edi", 0xfe, 0x07, 0x47, DEC_ECX_JNZ(3), HLT),
    LOOP_OF("mov eax, [esi]; adc [edi], eax; lea esi, [esi + 4]; lea edi, [edi + 4]", 0x8b, 0x06, 0x11, 0x07, 0x8d,
            0x76, 4, 0x8d, 0x7f, 4, DEC_ECX_JNZ(10), HLT),
    LOOP_OF("push dword [esi]; pop dword [edi]; add esi, 4; add edi, 4", 0xff, 0x36, 0x8f, 0x07, ADD_ESI(4), ADD_EDI(4),
            DEC_ECX_JNZ(10), HLT),
    LOOP_OF("push dword [esi]; add esi, 4", 0xff, 0x36, ADD_ESI(4), DEC_ECX_JNZ(5), HLT),
    LOOP_OF("add edx, [ebx + 4*ecx]; xor [edi], edx", 0x03, 0x14, 0x8b, 0x31, 0x17, DEC_ECX_JNZ(5), HLT),
    LOOP_OF("test byte [esi], 4; jz over; inc edx; over: add esi, 4", 0xf6, 0x06, 4, 0x74, 1, 0x42, ADD_ESI(4),
            DEC_ECX_JNZ(9), HLT),
    LOOP_OF("cmp byte [esi], 3ch; jz out; add esi, 4; dec ecx; jnz; out: hlt", 0x80, 0x3e, 0x3c, 0x74, 6, ADD_ESI(4),
            DEC_ECX_JNZ(8), HLT, HLT),
    LOOP_OF("lea esi, [esi + 4]; add edx, [esi - 4]; cmp esi, edi; jb", 0x8d, 0x76, 4, 0x03, 0x56, 0xfc, 0x39, 0xfe,
            0x72, 0xf6, HLT),
    LOOP_OF("fld dword [esi]; add esi, 4 (eight at most)", 0xd9, 0x06, ADD_ESI(4), DEC_ECX_JNZ(5), HLT),
    LOOP_OF("fadd dword [esi]; add esi, 4", 0xd8, 0x06, ADD_ESI(4), DEC_ECX_JNZ(5), HLT),
    LOOP_OF("fld dword [esi]; fmul dword [ebx]; fstp dword [edi]; add esi, 4; add edi, 4", 0xd9, 0x06, 0xd8, 0x0b, 0xd9,
            0x1f, ADD_ESI(4), ADD_EDI(4), DEC_ECX_JNZ(12), HLT),
    LOOP_OF("fld dword [esi]; fadd st(1); fxch; mov edx, [edi]; lea esi, [esi + 4]; lea edi, [edi + 8]", 0xd9, 0x06,
            0xd8, 0xc1, 0xd9, 0xc9, 0x8b, 0x17, 0x8d, 0x76, 4, 0x8d, 0x7f, 8, DEC_ECX_JNZ(14), HLT),
    LOOP_OF("fld1; fild dword [ebx + 4*ecx]; fsubp; mov [edi], eax; mov edi, [ebx + 100h]", 0xd9, 0xe8, 0xdb, 0x04,
            0x8b, 0xde, 0xe9, 0x89, 0x07, 0x8b, 0xbb, LE32(0x100), DEC_ECX_JNZ(15), HLT),
    LOOP_OF("addss xmm0, [esi]; movss [edi], xmm0; add esi, 4; add edi, 4", 0xf3, 0x0f, 0x58, 0x06, 0xf3, 0x0f, 0x11,
            0x07, ADD_ESI(4), ADD_EDI(4), DEC_ECX_JNZ(14), HLT),
    LOOP_OF("movaps xmm1, [ebx]; movups [edi], xmm1; add edi, 16", 0x0f, 0x28, 0x0b, 0x0f, 0x11, 0x0f, ADD_EDI(16),
            DEC_ECX_JNZ(9), HLT),
    LOOP_OF("rep stosb of two; mov [edi + 1], dl", 0x51, 0xb9, LE32(2), 0xf3, 0xaa, 0x59, 0x88, 0x57, 1,
            DEC_ECX_JNZ(12), HLT),
    LOOP_OF("mov [imm], cl; add edx, imm", 0x88, 0x0d, LE32(LOOP + 8), 0x81, 0xc2, LE32(0x01020304), DEC_ECX_JNZ(12),
            HLT),
    LOOP_OF("cmp cl, 3; jnz over; mov byte [over], 40h; over: inc edx", 0x80, 0xf9, 3, 0x75, 7, 0xc6, 0x05,
            LE32(LOOP + 12), 0x40, 0x42, DEC_ECX_JNZ(13), HLT),
};
enum { LOOPS = sizeof loops / sizeof loops[0] };

/* What lies behind END. */
enum scene { PLAIN, ABSENT, READ_ONLY, A_DEVICE, SOME_CODE, SCENES };

struct side {
    struct machine *m;
    struct page_device device;
};

static void prepare(struct side *side, enum scene scene, uint32_t turns, uint32_t before)
{
    static const uint32_t entry[SCENES] = {
        [PLAIN] = END | ALL_RIGHTS,       [ABSENT] = 0,
        [READ_ONLY] = END | PRESENT_USER, [A_DEVICE] = DEVICE | ALL_RIGHTS,
        [SOME_CODE] = END | ALL_RIGHTS,
    };
    struct machine *m = side->m;
    uint32_t *gpr = m->cpu->gpr;

    enter_protected(m, 0);
    enable_paging(m);
    m->cpu->cr0 |= CR0_WP;
    m->cpu->cr4 |= CR4_OSFXSR;
    cpu_derive_paging(m->cpu);
    for (uint32_t at = DATA; at < END + 0x1000; at += 4) {
        const uint32_t value = 0x3f800000 + at % 64 * 0x1001; /* a float a little above 1 */

        put32(m, at, value);
        memcpy(side->device.bytes + at % PHYS_PAGE_SIZE, &value, 4);
    }
    put32(m, SOURCE + 0x100, END - 4);
    put8(m, END + 64, HLT);
    mmu_flush(&m->cpu->mmu);
    if (scene == SOME_CODE)
        run(m, END + 64);
    put32(m, PAGE_TABLE + (END >> 12) * 4, entry[scene]);
    mmu_flush(&m->cpu->mmu);
    memset(m->cpu->fpu.xmm, 0, sizeof m->cpu->fpu.xmm);
    gpr[EAX] = 0x80808080;
    gpr[ECX] = turns;
    gpr[EDX] = 7;
    gpr[EBX] = SOURCE;
    gpr[ESP] = STACK0;
    gpr[ESI] = END - before;
    gpr[EDI] = gpr[ESI] + (turns & 1 ? 4 * turns : 0);
    cpu_set_eflags(m->cpu, EFLAGS_CF, EFLAGS_OSZAPC);
}

static void assert_equal(struct side *ours, struct side *reference, const char *text, enum scene scene, uint32_t turns,
                         uint32_t before)
{
    struct difference d;

    if (!compare(ours->m, reference->m, &d))
        fail_msg("%s, scene %u, %u turns, %u bytes before the page: %s %llx and not %llx (EIP %x)", text, scene, turns,
                 before, d.what, (unsigned long long)d.ours, (unsigned long long)d.reference, reference->m->cpu->eip);
    if (memcmp(&ours->device, &reference->device, sizeof ours->device))
        fail_msg("%s, scene %u, %u turns, %u bytes before the page: another device", text, scene, turns, before);
}

/* The page is there after all; back from the handler of its fault. */
static void repair(struct machine *m)
{
    put32(m, PAGE_TABLE + (END >> 12) * 4, END | ALL_RIGHTS);
    mmu_flush(&m->cpu->mmu);
    m->cpu->halt = CPU_RUNNING;
}

static void run_on_both(struct side *ours, struct side *reference, const struct loop *l, enum scene scene,
                        uint32_t turns, uint32_t before)
{
    struct machine *machine[] = {ours->m, reference->m};

    prepare(ours, scene, turns, before);
    prepare(reference, scene, turns, before);
    for (unsigned i = 0; i < 2; i++) {
        PUT(machine[i], CODE, 0xdb, 0xe3);
        put(machine[i], LOOP, l->bytes, l->n);
        run(machine[i], CODE);
    }
    assert_equal(ours, reference, l->text, scene, turns, before);
    if (reference->m->cpu->eip != HANDLER(VEC_PF) + 1)
        return;
    for (unsigned i = 0; i < 2; i++) {
        repair(machine[i]);
        run_cpu(machine[i]);
    }
    assert_equal(ours, reference, l->text, scene, turns, before);
    assert_in_range(reference->m->cpu->eip, LOOP, LOOP + l->n);
}

/* What lies across pages comes last: code that has met it expects it. */
static void run_in_scene(struct side *ours, struct side *reference, const struct loop *l, enum scene scene)
{
    if (ours->m->cpu->translator)
        memset(ours->m->cpu->translator->adapted, 0, sizeof ours->m->cpu->translator->adapted);
    for (uint32_t start = 0; start < 4; start += 2)
        for (uint32_t turns = 1; turns <= TURNS; turns += turns < 4 ? 1 : 3)
            for (uint32_t before = start; before <= 4 * TURNS + 8; before += 4)
                run_on_both(ours, reference, l, scene, turns, before);
}

static void every_turn_of_a_loop_can_be_its_last_or_meet_another_page(void **state)
{
    struct side *ours = calloc(2, sizeof *ours), *reference = ours + 1;
    void *other;

    assert_non_null(ours);
    assert_int_equal(machine_create(&other), 0);
    enter_protected(other, 0);
    attach(other, &variants[INTERP].options);
    ours->m = *state;
    reference->m = other;
    for (unsigned i = 0; i < 2; i++) {
        phys_map_mmio(ours[i].m->phys, DEVICE, PHYS_PAGE_SIZE, &page_device_ops, &ours[i].device);
        PUT(ours[i].m, HANDLER(VEC_PF), HLT, 0x83, 0xc4, 4, 0xcf); /* hlt; add esp, 4; iret */
    }
    for (unsigned i = 0; i < LOOPS; i++)
        for (enum scene scene = PLAIN; scene < SCENES; scene++)
            run_in_scene(ours, reference, &loops[i], scene);
    machine_destroy(&other);
    free(ours);
}

/* It adds 1 to EAX, `insns` - 3 times to ECX, and goes on for ever. */
static uint32_t put_endless(struct machine *m, unsigned insns)
{
    uint32_t at = PUT(m, CODE, 0xfb, 0x31, 0xd2); /* sti; xor edx, edx */

    for (unsigned i = 0; i < insns - 3; i++)
        at = PUT(m, at, 0x41);                                                 /* inc ecx */
    return PUT(m, at, 0x40, 0x85, 0xd2, 0x74, (uint8_t)(0 - (insns - 3) - 5)); /* inc eax; test edx, edx; jz */
}

static void a_loop_without_end_takes_interrupts_between_its_turns(void **state)
{
    static const unsigned insns[] = {3, 4, 7, 8, 9, 16, 17, 33};
    struct machine *m = *state;

    put_idt(m, 0x20, SEL_CODE0, HANDLER(0x20), AR_P | TYPE_INT32);
    PUT(m, HANDLER(0x20), HLT);
    m->irq_vector = 0x20;
    m->board.poll = raise_interrupt;
    for (unsigned i = 0; i < sizeof insns / sizeof insns[0]; i++) {
        pthread_t thread;

        put_endless(m, insns[i]);
        m->cpu->gpr[EAX] = m->cpu->gpr[ECX] = 0;
        m->cpu->gpr[ESP] = STACK0;
        m->cpu->eflags = 0;
        assert_int_equal(pthread_create(&thread, NULL, event_from_outside, m), 0);
        run(m, CODE);
        pthread_join(thread, NULL);
        assert_int_equal(m->cpu->eip, HANDLER(0x20) + 1);
        assert_true(m->cpu->gpr[EAX] > 10);
        if (m->cpu->translator && m->cpu->translator->options.block_insns != 1)
            assert_int_equal(m->cpu->gpr[ECX], m->cpu->gpr[EAX] * (insns[i] - 3));
    }
}

static const struct engine_test tests[] = {
    TEST(every_turn_of_a_loop_can_be_its_last_or_meet_another_page),
    TEST(a_loop_without_end_takes_interrupts_between_its_turns),
};

int main(void)
{
    return run_by_each_engine("loops", tests, sizeof tests / sizeof tests[0]);
}
