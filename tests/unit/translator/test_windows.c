/*
 * Every shape of instruction with an operand in memory, with that operand where it must fault, or must not: pages that
 * are missing, read-only, the kernel's or no memory at all, operands across two of them and around the end of the
 * address space, at CPL 0 and 3. Each engine, and above all the one that has the host's MMU find the pages, must leave
 * registers, flags, memory, CR2 and the fault's frame as the interpreter does.
 */
#include "tests/unit/translator/compare.h"

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum {
    SCENES = 1000, /* per shape and engine */
    SHAPE_BYTES = 64,
    TOP_TABLE = 0x102000,
    NOTHING = 0x10000000, /* physical: no memory */
    MEM_A = DATA,
    MEM_B = DATA + 0x4000,
    LAST_PAGE = 0xfffff000,
    LAST_FRAME = DATA + 0x6000, /* behind which page 0 lies */
};

/* EBX, ESI, EBP: the first operand, A. EDI: the other one, B; for those that use the stack ESP, too. EDX is 40000001h.
 */
enum {
    USES_B = 1 << 0,
    USES_STACK = 1 << 1,
    USES_A = 1 << 2,
    TO_HALT = 1 << 3,   /* what is read is where it goes on */
    UNDEFINES = 1 << 4, /* flags */
    TABLES = 1 << 5,    /* does not go through the window */
};

#define SHAPE(name, uses, ...)                                                                                         \
    {                                                                                                                  \
        name, (uses), sizeof((const uint8_t[]){__VA_ARGS__}),                                                          \
        {                                                                                                              \
            __VA_ARGS__                                                                                                \
        }                                                                                                              \
    }
static const struct shape {
    const char *name;
    unsigned uses;
    uint8_t n, code[16];
} shapes[] = {
    SHAPE("MOV EAX, [A]", USES_A, 0x8b, 0x03),
    SHAPE("MOV AX, [A]", USES_A, 0x66, 0x8b, 0x03),
    SHAPE("MOV AH, [A]", USES_A, 0x8a, 0x23),
    SHAPE("MOV BH, [A]", USES_A, 0x8a, 0x3b),
    SHAPE("MOV EBX, [A]", USES_A, 0x8b, 0x1b),
    SHAPE("MOV [A], EAX", USES_A, 0x89, 0x03),
    SHAPE("MOV [A], AH", USES_A, 0x88, 0x23),
    SHAPE("MOV [A], imm32", USES_A, 0xc7, 0x03, LE32(0x89abcdef)),
    SHAPE("MOV EAX, [A + 8] with a displacement", USES_A, 0x8b, 0x43, 8),
    SHAPE("MOV EAX, [A + EDX * 4 - 4], around the end", USES_A, 0x8b, 0x44, 0x93, 0xfc),
    SHAPE("MOV [A + EDX * 4 - 4], EAX, around the end", USES_A, 0x89, 0x44, 0x93, 0xfc),
    SHAPE("MOVZX", USES_A, 0x0f, 0xb6, 0x03),
    SHAPE("MOVSX of a word", USES_A, 0x0f, 0xbf, 0x03),
    SHAPE("MOV [A], DS", USES_A | TABLES, 0x8c, 0x1b),
    SHAPE("ADD EAX, [A]", USES_A, 0x03, 0x03),
    SHAPE("ADD [A], EAX", USES_A, 0x01, 0x03),
    SHAPE("ADC [A], EAX", USES_A, 0x11, 0x03),
    SHAPE("ADC EBX, [A]", USES_A, 0x13, 0x1b),
    SHAPE("SBB word [A], imm8", USES_A, 0x66, 0x83, 0x1b, 0x7f),
    SHAPE("CMP [A], EAX", USES_A, 0x39, 0x03),
    SHAPE("TEST [A], EAX", USES_A | UNDEFINES, 0x85, 0x03),
    SHAPE("INC dword [A]", USES_A, 0xff, 0x03),
    SHAPE("DEC byte [A]", USES_A, 0xfe, 0x0b),
    SHAPE("NEG dword [A]", USES_A, 0xf7, 0x1b),
    SHAPE("NOT dword [A]", USES_A, 0xf7, 0x13),
    SHAPE("SHL dword [A], CL", USES_A | UNDEFINES, 0xd3, 0x23),
    SHAPE("RCL dword [A], CL", USES_A | UNDEFINES, 0xd3, 0x13),
    SHAPE("SAR byte [A], CL", USES_A | UNDEFINES, 0xd2, 0x3b),
    SHAPE("ROR dword [A], imm", USES_A | UNDEFINES, 0xc1, 0x0b, 5),
    SHAPE("SHL dword [A], CL, by 0", USES_A, 0x31, 0xc9, 0xd3, 0x23),
    SHAPE("SHLD [A], EAX, CL", USES_A | UNDEFINES, 0x0f, 0xa5, 0x03),
    SHAPE("SHRD [A], EAX, imm", USES_A | UNDEFINES, 0x0f, 0xac, 0x03, 7),
    SHAPE("BT dword [A], imm", USES_A | UNDEFINES, 0x0f, 0xba, 0x23, 5),
    SHAPE("BTS dword [A], imm", USES_A | UNDEFINES, 0x0f, 0xba, 0x2b, 35),
    SHAPE("BTS [A], EAX", USES_A | UNDEFINES | TABLES, 0x0f, 0xab, 0x03),
    SHAPE("BSF EAX, [A]", USES_A | UNDEFINES, 0x0f, 0xbc, 0x03),
    SHAPE("SETC [A]", USES_A, 0x0f, 0x92, 0x03),
    SHAPE("CMOVC EAX, [A]", USES_A, 0x0f, 0x42, 0x03),
    SHAPE("CMOVNC EAX, [A]", USES_A, 0x0f, 0x43, 0x03),
    SHAPE("XCHG [A], EAX", USES_A | TABLES, 0x87, 0x03),
    SHAPE("XADD [A], EAX", USES_A | TABLES, 0x0f, 0xc1, 0x03),
    SHAPE("CMPXCHG [A], ECX", USES_A | TABLES, 0x0f, 0xb1, 0x0b),
    SHAPE("CMPXCHG8B [A]", USES_A | TABLES, 0x0f, 0xc7, 0x0b),
    SHAPE("LOCK ADD [A], EAX", USES_A, 0xf0, 0x01, 0x03),
    SHAPE("MUL dword [A]", USES_A | UNDEFINES, 0xf7, 0x23),
    SHAPE("MUL byte [A]", USES_A | UNDEFINES, 0xf6, 0x23),
    SHAPE("IMUL EAX, [A]", USES_A | UNDEFINES, 0x0f, 0xaf, 0x03),
    SHAPE("IMUL EAX, [A], imm", USES_A | UNDEFINES, 0x6b, 0x03, 0x13),
    SHAPE("DIV dword [A]", USES_A | UNDEFINES, 0xf7, 0x33),
    SHAPE("IDIV dword [A]", USES_A | UNDEFINES, 0xf7, 0x3b),
    SHAPE("DIV word [A]", USES_A | UNDEFINES, 0x66, 0xf7, 0x33),
    SHAPE("IDIV word [A]", USES_A | UNDEFINES, 0x66, 0xf7, 0x3b),
    SHAPE("DIV byte [A]", USES_A | UNDEFINES, 0xf6, 0x33),
    SHAPE("IDIV byte [A]", USES_A | UNDEFINES, 0xf6, 0x3b),
    SHAPE("XLAT", USES_A, 0xd7),
    SHAPE("LODSD", USES_A, 0xad),
    SHAPE("STOSD", USES_B, 0xab),
    SHAPE("SCASD", USES_B, 0xaf),
    SHAPE("MOVSD", USES_A | USES_B, 0xa5),
    SHAPE("MOVSB", USES_A | USES_B, 0xa4),
    SHAPE("CMPSD", USES_A | USES_B, 0xa7),
    SHAPE("REP MOVSD", USES_A | USES_B | TABLES, 0xf3, 0xa5),
    SHAPE("REP STOSB", USES_B | TABLES, 0xf3, 0xaa),
    SHAPE("REPE CMPSB", USES_A | USES_B | TABLES, 0xf3, 0xa6),
    SHAPE("PUSH EAX", USES_B | USES_STACK, 0x50),
    SHAPE("PUSH ESP", USES_B | USES_STACK, 0x54),
    SHAPE("PUSH AX", USES_B | USES_STACK, 0x66, 0x50),
    SHAPE("PUSH [A]", USES_A | USES_B | USES_STACK, 0xff, 0x33),
    SHAPE("PUSH DS", USES_B | USES_STACK | TABLES, 0x1e),
    SHAPE("PUSHF", USES_B | USES_STACK | TABLES, 0x9c),
    SHAPE("POP EAX", USES_B | USES_STACK, 0x58),
    SHAPE("POP ESP", USES_B | USES_STACK, 0x5c, 0xbc, LE32(STACK0)),
    SHAPE("POP [A]", USES_A | USES_B | USES_STACK, 0x8f, 0x03),
    SHAPE("POP [ESP + 800h]", USES_B | USES_STACK, 0x8f, 0x84, 0x24, LE32(0x800)),
    SHAPE("PUSHA", USES_B | USES_STACK | TABLES, 0x60),
    SHAPE("POPA", USES_B | USES_STACK | TABLES, 0x61, 0xbc, LE32(STACK0)),
    SHAPE("CALL [A]", USES_A | USES_B | USES_STACK | TO_HALT, 0xff, 0x13),
    SHAPE("CALL", USES_B | USES_STACK, 0xe8, LE32(0)),
    SHAPE("RET", USES_B | USES_STACK | TO_HALT, 0xc3),
    SHAPE("RET 8", USES_B | USES_STACK | TO_HALT, 0xc2, 8, 0),
    SHAPE("JMP [A]", USES_A | TO_HALT, 0xff, 0x23),
    SHAPE("ENTER 16", USES_B | USES_STACK | TABLES, 0xc8, 16, 0, 0),
    SHAPE("ENTER 4096", USES_B | USES_STACK | TABLES, 0xc8, 0, 16, 0),
    SHAPE("ENTER 8, 3", USES_A | USES_B | USES_STACK | TABLES, 0xc8, 8, 0, 3),
    SHAPE("LEAVE", USES_A | TABLES, 0xc9, 0xbc, LE32(STACK0)),
    SHAPE("FLD m32", USES_A, 0xd9, 0x03),
    SHAPE("FLD m64", USES_A, 0xdd, 0x03),
    SHAPE("FLD m80", USES_A, 0xdb, 0x2b),
    SHAPE("FILD m64", USES_A, 0xdf, 0x2b),
    SHAPE("FADD m32", USES_A, 0xd9, 0xe8, 0xd8, 0x03),
    SHAPE("FST m32", USES_A, 0xd9, 0xe8, 0xd9, 0x13),
    SHAPE("FSTP m64", USES_A, 0xd9, 0xeb, 0xdd, 0x1b),
    SHAPE("FSTP m80", USES_A, 0xd9, 0xeb, 0xdb, 0x3b),
    SHAPE("FISTP m32", USES_A, 0xd9, 0xeb, 0xdb, 0x1b),
    SHAPE("FNSTCW", USES_A, 0xd9, 0x3b),
    SHAPE("FLDCW", USES_A, 0xd9, 0x2b),
    SHAPE("FNSTENV", USES_A | TABLES, 0xd9, 0x33),
    SHAPE("FXSAVE", USES_A | TABLES, 0x0f, 0xae, 0x03),
    SHAPE("MOVQ MM0, [A]", USES_A, 0x0f, 0x6f, 0x03),
    SHAPE("MOVQ [A], MM1", USES_A, 0x0f, 0x7f, 0x0b),
    SHAPE("PADDD MM1, [A]", USES_A, 0x0f, 0xfe, 0x0b),
    SHAPE("MOVAPS XMM0, [A]", USES_A, 0x0f, 0x28, 0x03),
    SHAPE("MOVAPS [A], XMM1", USES_A, 0x0f, 0x29, 0x0b),
    SHAPE("MOVUPS XMM0, [A]", USES_A, 0x0f, 0x10, 0x03),
    SHAPE("MOVUPS [A], XMM1", USES_A, 0x0f, 0x11, 0x0b),
    SHAPE("MOVDQA XMM0, [A]", USES_A, 0x66, 0x0f, 0x6f, 0x03),
    SHAPE("MOVDQU [A], XMM1", USES_A, 0xf3, 0x0f, 0x7f, 0x0b),
    SHAPE("MOVSS XMM0, [A]", USES_A, 0xf3, 0x0f, 0x10, 0x03),
    SHAPE("MOVSD [A], XMM1", USES_A, 0xf2, 0x0f, 0x11, 0x0b),
    SHAPE("MOVHPS XMM0, [A]", USES_A, 0x0f, 0x16, 0x03),
    SHAPE("MOVNTPS [A], XMM1", USES_A, 0x0f, 0x2b, 0x0b),
    SHAPE("ADDPS XMM1, [A]", USES_A, 0x0f, 0x58, 0x0b),
    SHAPE("PXOR XMM1, [A]", USES_A, 0x66, 0x0f, 0xef, 0x0b),
    SHAPE("UCOMISS XMM1, [A]", USES_A, 0x0f, 0x2e, 0x0b),
    SHAPE("CVTSI2SS XMM1, [A]", USES_A, 0xf3, 0x0f, 0x2a, 0x0b),
    SHAPE("CVTTSS2SI EAX, [A]", USES_A, 0xf3, 0x0f, 0x2c, 0x03),
    SHAPE("PINSRW XMM1, [A], 3", USES_A, 0x66, 0x0f, 0xc4, 0x0b, 3),
    SHAPE("MOVNTI [A], ECX", USES_A, 0x0f, 0xc3, 0x0b),
    SHAPE("STMXCSR", USES_A, 0x0f, 0xae, 0x1b),
    SHAPE("LDMXCSR", USES_A, 0x0f, 0xae, 0x13),
    SHAPE("MASKMOVQ to [B]", USES_B | TABLES, 0x0f, 0xf7, 0xc1),
    SHAPE("PREFETCH", USES_A | TABLES, 0x0f, 0x18, 0x0b),
    SHAPE("two loads and a store behind them", USES_A | USES_B, 0x8b, 0x03, 0x03, 0x43, 4, 0x89, 0x07),
    SHAPE("a store and a load behind it", USES_A | USES_B, 0x89, 0x07, 0x40, 0x13, 0x03),
};
enum { SHAPES = sizeof shapes / sizeof shapes[0] };

/* ---- machines ---- */

struct pair {
    const struct variant *variant;
    struct machine *m, *reference;
    struct fpu fpu; /* after reset */
    uint8_t data[COMPARED_DATA];
};

static struct machine *create(const struct translator_options *options)
{
    void *state;
    struct machine *m;

    assert_int_equal(machine_create(&state), 0);
    m = state;
    attach(m, options);
    enter_protected(m, 0);
    for (uint32_t page = 0; page < RAM_BYTES / 4096; page++)
        put32(m, PAGE_TABLE + page * 4, page << 12 | 7);
    put32(m, PAGE_TABLE, (LAST_FRAME + 0x1000) | 7); /* page 0, which is behind the last */
    put32(m, TOP_TABLE + 1023 * 4, LAST_FRAME | 7);
    put32(m, PAGE_DIRECTORY, PAGE_TABLE | 7);
    put32(m, PAGE_DIRECTORY + 1023 * 4, TOP_TABLE | 7);
    for (unsigned vector = 0; vector < 32; vector++)
        put8(m, HANDLER(vector), 0xf4);
    m->cpu->cr3 = PAGE_DIRECTORY;
    m->cpu->cr0 |= CR0_PG | CR0_WP;
    m->cpu->cr4 = CR4_OSFXSR | CR4_OSXMMEXCPT;
    cpu_derive_paging(m->cpu);
    return m;
}

static int setup(void **state)
{
    struct pair *p = *state;

    alarm(TEST_SECONDS);
    p->m = create(&p->variant->options);
    p->reference = create(&variants[INTERP].options);
    p->fpu = p->m->cpu->fpu;
    for (unsigned i = 0; i < sizeof p->data; i++)
        p->data[i] = (uint8_t)(i * 37 + (i >> 8));
    return 0;
}

static int teardown(void **state)
{
    struct pair *p = *state;
    void *m = p->m, *reference = p->reference;

    alarm(0);
    translator_destroy(p->m->cpu);
    machine_destroy(&m);
    machine_destroy(&reference);
    return 0;
}

/* ---- scenes ---- */

enum right { WRITABLE, READ_ONLY, MISSING, KERNELS, NO_MEMORY, RIGHTS };
static const char *const right_name[] = {"writable", "read-only", "missing", "the kernel's", "no memory"};

struct scene {
    unsigned cpl;
    uint32_t a, b, eflags, ecx;
    struct paged {
        uint32_t page, frame;
        enum right right;
        bool changes; /* the guest has changed its entry since the scene before */
    } paged[4];
};

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 8;
}

/* Most operands are all right: faults are a third. */
static enum right pick_right(uint32_t *seed)
{
    const unsigned n = next_random(seed) % 16;

    return n < 10 ? WRITABLE : n == 15 ? NO_MEMORY : READ_ONLY + n % 3;
}

static uint32_t pick_offset(uint32_t *seed, bool may_be_low)
{
    static const uint16_t offset[] = {0x800, 0x803, 0xff0, 0xff5, 0xff9, 0xffc, 0xffd, 0xffe, 0xfff, 0x1000, 0x1002, 0};
    const uint32_t picked = offset[next_random(seed) % (sizeof offset / sizeof offset[0])];

    return picked || may_be_low ? picked : 0x10;
}

static void pick_scene(struct scene *s, const struct shape *shape, uint32_t *seed)
{
    const bool wraps = !(shape->uses & USES_STACK) && next_random(seed) % 8 == 0;

    s->cpl = next_random(seed) % 3 ? 3 : 0;
    s->a = pick_offset(seed, true) + (wraps ? (uint32_t)LAST_PAGE : MEM_A);
    s->b = pick_offset(seed, false) + MEM_B;
    s->eflags = next_random(seed) & EFLAGS_OSZAPC;
    s->ecx = next_random(seed) % 5 * 7 + 1;
    for (unsigned i = 0; i < 4; i++) {
        struct paged *page = &s->paged[i], was = *page;

        page->page = (i < 2 ? (wraps ? (uint32_t)LAST_PAGE : MEM_A) : MEM_B) + (i & 1) * 0x1000;
        page->frame = (i < 2 ? (wraps ? LAST_FRAME : MEM_A) : MEM_B) + (i & 1) * 0x1000;
        if (page->page == was.page && next_random(seed) % 2) {
            page->changes = false;
            continue;
        }
        page->changes = true;
        page->right = pick_right(seed);
    }
    for (unsigned i = 2; i < 4; i++)
        /* Where frames of faults are pushed. */
        if (shape->uses & USES_STACK && s->cpl == 0 && s->paged[i].right != WRITABLE) {
            s->paged[i].right = WRITABLE;
            s->paged[i].changes = true;
        }
}

static void set_page(struct machine *m, const struct paged *page)
{
    static const uint32_t bits[] = {7, 5, 6, 3, 7};
    const uint32_t table = page->page >> 22 ? TOP_TABLE : PAGE_TABLE,
                   frame = page->right == NO_MEMORY ? (uint32_t)NOTHING : page->frame;

    put32(m, table + (page->page >> 12 & 1023) * 4, frame | bits[page->right]);
    mmu_flush_page(&m->cpu->mmu, page->page);
}

static uint8_t *ram_at(const struct scene *s, struct machine *m, uint32_t address)
{
    for (unsigned i = 0; i < 4; i++)
        if (s->paged[i].page == (address & ~0xfffu))
            return phys_ram_host(m->phys, s->paged[i].frame + (address & 0xfff));
    return phys_ram_host(m->phys, MEM_A);
}

static void prepare(const struct pair *p, struct machine *m, const struct shape *shape, const struct scene *s,
                    uint32_t eip)
{
    struct cpu *cpu = m->cpu;
    const uint32_t cr0 = cpu->cr0, halt = eip + shape->n + (shape->uses & UNDEFINES ? 2 : 0);

    enter_protected(m, s->cpl);
    cpu->cr0 = cr0; /* nothing that makes the MMU forget */
    cpu->cr2 = 0;
    cpu->pending_db = 0;
    cpu->shadow = cpu->shadow_next = 0;
    cpu->fpu = p->fpu;
    cpu->fpu.host.control = 0;
    cpu->fpu.control = 0x37f; /* as FNINIT leaves it */
    for (unsigned i = 0; i < 8; i++) {
        cpu->fpu.xmm[i].q[0] = 0x3f8000004048f5c3 + i;
        cpu->fpu.xmm[i].q[1] = 0x40490fdbc0a00000 - i;
    }
    memcpy(phys_ram_host(m->phys, DATA), p->data, sizeof p->data);
    memset(phys_ram_host(m->phys, STACK0 - 0x100), 0, 0x100);
    if (shape->uses & TO_HALT)
        for (unsigned i = 0; i < 4; i++)
            *ram_at(s, m, (shape->uses & USES_A ? s->a : s->b) + i) = (uint8_t)(halt >> 8 * i);
    for (unsigned i = 0; i < 4; i++)
        if (s->paged[i].changes)
            set_page(m, &s->paged[i]);
    cpu->gpr[EAX] = 0x11223305;
    cpu->gpr[ECX] = s->ecx;
    cpu->gpr[EDX] = 0x40000001;
    cpu->gpr[EBX] = cpu->gpr[ESI] = cpu->gpr[EBP] = s->a;
    cpu->gpr[EDI] = s->b;
    if (shape->uses & USES_STACK)
        cpu->gpr[ESP] = s->b;
    cpu_set_eflags(cpu, s->eflags, EFLAGS_OSZAPC);
    cpu->eip = eip;
    cpu->halt = CPU_RUNNING;
    m->shutdowns = 0;
}

static _Noreturn void tell(const struct pair *p, const struct shape *shape, const struct scene *s, unsigned number,
                           const struct difference *d)
{
    char pages[4 * 40] = "";

    for (unsigned i = 0; i < 4; i++)
        snprintf(pages + strlen(pages), sizeof pages - strlen(pages), " %x %s%s", s->paged[i].page,
                 right_name[s->paged[i].right], s->paged[i].changes ? "*" : "");
    print_error("%s, %s, scene %u: CPL %u, A %x, B %x, pages%s: %s is %llx instead of %llx\n", p->variant->name,
                shape->name, number, s->cpl, s->a, s->b, pages, d->what, (unsigned long long)d->ours,
                (unsigned long long)d->reference);
    fail();
    abort();
}

static bool has_window(const struct pair *p)
{
    return p->variant->options.windows != WINDOW_NEVER;
}

static void all_shapes_end_as_they_do_interpreted(void **state)
{
    struct pair *p = *state;
    struct difference d;
    unsigned faults = 0;

    for (unsigned i = 0; i < SHAPES; i++) {
        const struct shape *shape = &shapes[i];
        const uint32_t eip = CODE + i * SHAPE_BYTES;
        const uint64_t host_faults = p->m->cpu->translator ? p->m->cpu->translator->count.faults : 0;
        struct scene s = {0};
        uint32_t seed = 12345 + i;

        for (unsigned k = 0; k < 2; k++) {
            struct machine *m = k ? p->m : p->reference;
            uint32_t at = put(m, eip, shape->code, shape->n);

            if (shape->uses & UNDEFINES)
                at = PUT(m, at, 0x38, 0xc8); /* cmp al, cl */
            PUT(m, at, 0xf4);
        }
        for (unsigned number = 0; number < SCENES; number++) {
            pick_scene(&s, shape, &seed);
            prepare(p, p->reference, shape, &s, eip);
            cpu_run(p->reference->cpu);
            faults += p->reference->cpu->cr2 != 0;
            prepare(p, p->m, shape, &s, eip);
            run_cpu(p->m);
            if (!compare(p->m, p->reference, &d))
                tell(p, shape, &s, number, &d);
        }
        if (has_window(p)) {
            const bool went = p->m->cpu->translator->count.faults > host_faults + 10;

            if (went == !!(shape->uses & TABLES)) {
                fail_msg("%s: %llu faults of the host", shape->name,
                         (unsigned long long)(p->m->cpu->translator->count.faults - host_faults));
            }
        }
    }
    assert_true(faults > SHAPES * SCENES / 10);
}

/* ---- several machines ---- */

/* add [DATA], ebx; mov eax, [DATA]; hlt */
static void *add_and_load(void *machine)
{
    run(machine, CODE);
    return NULL;
}

/* The host's register that says where the window is belongs to a thread, the window to a machine. */
static void machines_and_threads_keep_their_windows_apart(void **state)
{
    enum { MACHINES = 3, ROUNDS = 20 };
    struct machine *m[MACHINES];
    uint32_t sum[MACHINES] = {0};
    pthread_t thread;

    (void)state;
    for (unsigned i = 0; i < MACHINES; i++) {
        m[i] = create(&variants[JIT_WINDOWS].options);
        PUT(m[i], CODE, 0x01, 0x1d, LE32(DATA), 0xa1, LE32(DATA), 0xf4);
    }
    for (unsigned round = 0; round < ROUNDS; round++)
        for (unsigned i = 0; i < MACHINES; i++) {
            m[i]->cpu->gpr[EBX] = round * 16 + i;
            sum[i] += round * 16 + i;
            if (round % 4 == 3) {
                assert_int_equal(pthread_create(&thread, NULL, add_and_load, m[i]), 0);
                assert_int_equal(pthread_join(thread, NULL), 0);
            } else {
                add_and_load(m[i]);
            }
            assert_int_equal(m[i]->cpu->gpr[EAX], sum[i]);
            assert_int_equal(get32(m[i], DATA), sum[i]);
        }
    for (unsigned i = 0; i < MACHINES; i++) {
        void *machine = m[i];

        assert_in_range(m[i]->cpu->translator->count.faults, 1, 2);
        translator_destroy(m[i]->cpu);
        machine_destroy(&machine);
        for (unsigned k = i + 1; k < MACHINES; k++) { /* the others go on */
            m[k]->cpu->gpr[EBX] = 1;
            add_and_load(m[k]);
            assert_int_equal(get32(m[k], DATA), ++sum[k]);
        }
    }
}

/* ---- what is earned ---- */

static void run_at_cpl3(struct machine *m)
{
    const uint32_t cr0 = m->cpu->cr0;

    enter_protected(m, 3);
    m->cpu->cr0 = cr0;
    run(m, CODE); /* until HLT's #GP */
}

static void a_program_earns_a_window_and_loses_it(void **state)
{
    const struct translator_options options = {.accel = ACCEL_JIT, .windows = WINDOW_EARNED};
    struct machine *m = create(&options);
    const struct window *w = flat_window(m->cpu->mmu.flat, MMU_USER);
    struct paged moved = {MEM_A, MEM_B, WRITABLE, true};
    uint32_t runs = 0;
    void *machine = m;

    (void)state;
    alarm(TEST_SECONDS);
    PUT(m, CODE, 0xff, 0x05, LE32(MEM_A), 0xa1, LE32(MEM_A), 0xf4); /* inc dword [MEM_A]; mov eax, [MEM_A]; hlt */
    for (unsigned round = 1; round <= 2; round++) {
        while (window_counters(w)->opened < round) {
            run_at_cpl3(m);
            assert_int_equal(m->cpu->gpr[EAX], ++runs);
        }
        assert_true(window_is_open(w));
        assert_int_equal(window_state(w, MEM_A >> 12), WINDOW_WRITE); /* from the tables */
        assert_int_equal(m->cpu->translator->count.faults, 0);
        run_at_cpl3(m);
        assert_int_equal(m->cpu->gpr[EAX], ++runs);
        assert_true(window_is_open(w));
        if (round == 2)
            break;
        mmu_flush(&m->cpu->mmu);
        run_at_cpl3(m); /* and on through the tables */
        assert_int_equal(m->cpu->gpr[EAX], ++runs);
        assert_false(window_is_open(w));
    }
    set_page(m, &moved);
    put32(m, MEM_B, 1000);
    run_at_cpl3(m);
    assert_int_equal(m->cpu->gpr[EAX], 1001);
    assert_int_equal(get32(m, MEM_A), runs);
    assert_true(window_is_open(w));
    assert_in_range(m->cpu->translator->count.faults, 1, 2);
    alarm(0);
    translator_destroy(m->cpu);
    machine_destroy(&machine);
}

/* ---- what is not the guest's ---- */

enum { SEEN = 42 };

static void leave_on_fault(int signal, siginfo_t *info, void *context)
{
    (void)context;
    _exit(signal == SIGSEGV && info->si_addr == (void *)(uintptr_t)0x1230 ? SEEN : 1);
}

/* What becomes of a process that has windows at a SIGSEGV which is none of theirs: what wait() says. */
static int status_after(const struct sigaction *before, bool is_sent)
{
    const struct translator_options options = {.accel = ACCEL_JIT, .windows = WINDOW_ALWAYS};
    const pid_t child = fork();
    int status;

    assert_true(child >= 0);
    if (child == 0) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        alarm(TEST_SECONDS);
        sigaction(SIGSEGV, before, NULL);
        struct machine *m = create(&options);
        PUT(m, CODE, 0xff, 0x05, LE32(MEM_A), 0xf4);
        run(m, CODE);
        if (get32(m, MEM_A) != 1 || m->cpu->translator->count.faults == 0)
            _exit(2);
        if (is_sent)
            kill(getpid(), SIGSEGV);
        else
            __asm__ volatile("movb $1, (%0)" : : "r"((uintptr_t)0x1230) : "memory");
        _exit(3);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void a_fault_that_is_not_the_guests_ends_as_it_did_before(void **state)
{
    const struct sigaction none = {.sa_handler = SIG_DFL},
                           leaves = {.sa_sigaction = leave_on_fault, .sa_flags = SA_SIGINFO};
    int status;

    (void)state;
    for (unsigned is_sent = 0; is_sent < 2; is_sent++) {
        status = status_after(&none, is_sent);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    }
    status = status_after(&leaves, false);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), SEEN);
}

int main(void)
{
    static struct CMUnitTest all[VARIANTS + 3];
    static struct pair pairs[VARIANTS];
    const bool has_jit = !translator_missing_feature();
    size_t n = 0;

    for (unsigned v = IR; v < VARIANTS; v++) {
        if (variants[v].options.accel == ACCEL_JIT && !has_jit)
            continue;
        pairs[n].variant = &variants[v];
        all[n] =
            (struct CMUnitTest){variants[v].name, all_shapes_end_as_they_do_interpreted, setup, teardown, &pairs[n]};
        n++;
    }
    if (has_jit) {
        all[n++] = (struct CMUnitTest)cmocka_unit_test(machines_and_threads_keep_their_windows_apart);
        all[n++] = (struct CMUnitTest)cmocka_unit_test(a_program_earns_a_window_and_loses_it);
        all[n++] = (struct CMUnitTest)cmocka_unit_test(a_fault_that_is_not_the_guests_ends_as_it_did_before);
    }
    return _cmocka_run_group_tests("operands in memory", all, n, NULL, NULL);
}
