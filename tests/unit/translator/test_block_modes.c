/*
 * Random straight-line programs, each engine against the interpreter: registers, flags, memory and what a fault pushed.
 * Segments of every kind, 16-bit and 32-bit code at CPL 0 and 3, in V86 mode and in real mode, pages that are absent,
 * read-only, the supervisor's, or another page under a second address. Where an instruction leaves flags undefined a
 * CMP follows.
 *
 * MORPH86_BLOCK_CASES sets the number of programs for each engine, MORPH86_SEED the first one's seed; MORPH86_VERBOSE
 * prints every program before it runs.
 */
#include "tests/unit/translator/block_fixture.h"

#include "frontend/x86/annotate.h"

enum { DEFAULT_CASES = 3000, MAX_PROGRAM = 1500, RUNS = 3, SPACE_BYTES = 0x8000 };
enum { ABSENT = 0x54000, READ_ONLY = 0x52000, SUPERVISOR = 0x53000, SECOND = 0x55000 };

struct rng {
    uint64_t state;
};

static uint32_t rnd(struct rng *r)
{
    r->state = r->state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(r->state >> 33);
}
static uint32_t below(struct rng *r, uint32_t n)
{
    return rnd(r) % n;
}

/* ---- modes ---- */

enum code_kind { FLAT_32, BASED_32, SHORT_32, CODE_16, V86_16, REAL_16, CODE_KINDS };

struct scene {
    enum code_kind code;
    unsigned cpl;
    bool small; /* offsets are meant for segments that begin at DATA */
    unsigned data[4], stack;
    uint32_t offset; /* of the program from CODE */
    uint32_t shift;  /* what the bases of short segments differ by from run to run */
};

enum { FIRST_KIND = 0x80 };
/* Data segments of DPL 3, from selector FIRST_KIND on. */
static const struct {
    uint32_t base, limit;
    uint16_t ar;
} data_kinds[] = {
    {0, 0xfffff, TEST_DATA | AR_G},
    {0x1000, 0xfffff, TEST_DATA | AR_G},
    {0x1002, 0xfffff, TEST_DATA | AR_G},
    {DATA, 0xffff, TEST_DATA},
    {DATA, 0xffff, TEST_DATA & ~AR_DB},
    {DATA, 0x2fff, TEST_DATA},
    {DATA + 0x1234, 0x1fff, TEST_DATA},
    {DATA, 0xffff, TEST_DATA & ~AR_WRITABLE},
    {DATA, 0x0fff, TEST_DATA | AR_EXPAND_DOWN},
    {DATA + 8, 0x1ffff, TEST_DATA},
    {DATA, 0x007f, TEST_DATA},
};
enum { DATA_KINDS = sizeof data_kinds / sizeof data_kinds[0], NULL_KIND = DATA_KINDS, STACK_16 = 4 };

static void load(struct machine *m, unsigned seg, unsigned kind)
{
    if (kind == NULL_KIND) {
        m->cpu->seg[seg] = (struct segment){0};
        segment_derive(m->cpu, seg);
    } else {
        load_segment(m, seg, (uint16_t)(FIRST_KIND + 8 * kind + 3));
    }
}

static void protect_pages(struct machine *m)
{
    for (uint32_t page = 0; page < RAM_BYTES; page += 0x1000) {
        uint32_t bits = 1 | 4; /* present, user, read-only */

        if (page < 0x8000 || page == PAGE_DIRECTORY || page == PAGE_TABLE)
            bits = 1;
        else if (page >= DATA && page < DATA + SPACE_BYTES)
            bits = page == ABSENT ? 0 : page == READ_ONLY ? 5 : page == SUPERVISOR ? 3 : 7;
        else if (page >= STACK0 - 0x2000 && page < STACK3 + 0x2000)
            bits = 7;
        put32(m, PAGE_TABLE + (page >> 12) * 4, (page == SECOND ? DATA : page) | bits | 0x60);
    }
    put32(m, PAGE_DIRECTORY, PAGE_TABLE | 7);
    m->cpu->cr3 = PAGE_DIRECTORY;
    m->cpu->cr0 |= CR0_PG | CR0_WP;
    m->cpu->cr4 = CR4_OSFXSR;
    cpu_derive_paging(m->cpu);
}

static void load_real_segments(struct cpu *cpu, const struct scene *s)
{
    for (unsigned i = 0; i < 4; i++)
        segment_load_real(cpu, (unsigned[]){ES, DS, FS, GS}[i], s->data[i] & 1 ? DATA >> 4 : (DATA >> 4) + 0x11);
    segment_load_real(cpu, SS, DATA >> 4);
}

static void set_scene(struct machine *m, const struct scene *s)
{
    struct cpu *cpu = m->cpu;
    const uint16_t dpl = s->cpl ? DPL3 : 0;

    if (s->code == REAL_16) {
        enter_real(m);
        cpu->cr4 = CR4_OSFXSR;
        cpu_derive_paging(cpu);
        for (uint32_t vector = 0; vector < 32; vector++)
            put32(m, 4 * vector, HANDLER(vector) >> 4 << 16);
        load_real_segments(cpu, s);
        return;
    }
    if (s->code == V86_16)
        enter_v86(m, 3);
    else
        enter_protected(m, s->cpl);
    for (unsigned i = 0; i < DATA_KINDS; i++)
        put_gdt(m, (uint16_t)(FIRST_KIND + 8 * i), data_kinds[i].base + (data_kinds[i].base >= DATA ? s->shift : 0),
                data_kinds[i].limit, data_kinds[i].ar | DPL3);
    protect_pages(m);
    if (s->code == V86_16) {
        load_real_segments(cpu, s);
        return;
    }
    if (s->code != FLAT_32) {
        put_gdt(m, SEL_TEST, s->code == BASED_32 ? 0x1000 : 0, s->code == BASED_32 ? 0xfffff : 0xbfff,
                (s->code == CODE_16 ? TEST_CODE & ~AR_DB : TEST_CODE) | dpl | (s->code == BASED_32 ? AR_G : 0));
        load_segment(m, CS, (uint16_t)(SEL_TEST | s->cpl));
    }
    for (unsigned i = 0; i < 4; i++)
        load(m, (unsigned[]){ES, DS, FS, GS}[i], s->data[i]);
    if (s->cpl)
        load(m, SS, s->stack);
}

static bool is_code32(const struct scene *s)
{
    return s->code < CODE_16;
}
static bool is_real_or_v86(const struct scene *s)
{
    return s->code == V86_16 || s->code == REAL_16;
}

static void choose_scene(struct rng *r, struct scene *s)
{
    static const unsigned stacks[] = {0, 0, 3, STACK_16, 5, 9};

    s->code = below(r, 3) ? below(r, CODE_KINDS) : FLAT_32;
    s->cpl = s->code == REAL_16 ? 0 : s->code == V86_16 ? 3 : below(r, 3) ? 3 : 0;
    s->small = below(r, 2);
    for (unsigned i = 0; i < 4; i++)
        s->data[i] = s->small ? 3 + below(r, DATA_KINDS - 3 + 1) : below(r, 3) ? 0 : below(r, DATA_KINDS + 1);
    if (below(r, 2))
        s->data[1] = s->small ? 3 + below(r, 2) : 0; /* DS */
    s->stack = stacks[below(r, sizeof stacks / sizeof stacks[0])];
    s->offset = below(r, 4) ? below(r, 0x1000) : 0xf80 + below(r, 0x80);
}

/* ---- programs ---- */

static const uint16_t opcodes[] = {
    0x06,
    0x0e,
    0x16,
    0x1e,
    0x8c,
    0x9c,
    0x00,
    0x01,
    0x02,
    0x03,
    0x08,
    0x09,
    0x0a,
    0x0b,
    0x10,
    0x11,
    0x12,
    0x13,
    0x18,
    0x19,
    0x1a,
    0x1b,
    0x20,
    0x21,
    0x22,
    0x23,
    0x28,
    0x29,
    0x2a,
    0x2b,
    0x30,
    0x31,
    0x32,
    0x33,
    0x38,
    0x39,
    0x3a,
    0x3b,
    0x05,
    0x0c,
    0x14,
    0x1d,
    0x3c,
    0x40,
    0x43,
    0x49,
    0x4e,
    0x50,
    0x51,
    0x54,
    0x57,
    0x58,
    0x59,
    0x5b,
    0x60,
    0x61,
    0x68,
    0x69,
    0x6a,
    0x6b,
    0x80,
    0x81,
    0x83,
    0x84,
    0x85,
    0x86,
    0x87,
    0x88,
    0x89,
    0x8a,
    0x8b,
    0x8d,
    0x8f,
    0x91,
    0x93,
    0x96,
    0x98,
    0x99,
    0x9e,
    0x9f,
    0xa0,
    0xa1,
    0xa2,
    0xa3,
    0xa4,
    0xa5,
    0xa6,
    0xa7,
    0xa8,
    0xa9,
    0xaa,
    0xab,
    0xac,
    0xad,
    0xae,
    0xaf,
    0xb0,
    0xb4,
    0xb7,
    0xb8,
    0xbb,
    0xc0,
    0xc1,
    0xc6,
    0xc7,
    0xc8,
    0xc9,
    0xd0,
    0xd1,
    0xd2,
    0xd3,
    0xd7,
    0xf5,
    0xf6,
    0xf7,
    0xf8,
    0xf9,
    0xfc,
    0xfd,
    0xfe,
    0xff,
    0xd8,
    0xd9,
    0xdb,
    0xdd,
    0xde,
    0xdf,
    /* 0F xx */
    0x1a0,
    0x1a8,
    0x140,
    0x144,
    0x147,
    0x14c,
    0x192,
    0x195,
    0x19f,
    0x1a3,
    0x1a4,
    0x1a5,
    0x1ab,
    0x1ac,
    0x1ad,
    0x1af,
    0x1b0,
    0x1b1,
    0x1b3,
    0x1b6,
    0x1b7,
    0x1ba,
    0x1bb,
    0x1bc,
    0x1bd,
    0x1be,
    0x1bf,
    0x1c0,
    0x1c1,
    0x1c7,
    0x1c9,
    0x1ce,
    0x11f,
    0x110,
    0x111,
    0x112,
    0x113,
    0x128,
    0x129,
    0x157,
    0x158,
    0x12a,
    0x12d,
    0x16e,
    0x16f,
    0x17e,
    0x17f,
    0x1ef,
    0x1fe,
    0x1d4,
    0x1d6,
    0x1c4,
    0x1c5,
    0x177,
};

/* Forms that jump, trap or are undefined are steered away from. */
static uint8_t choose_modrm(struct rng *r, unsigned opcode, bool code32)
{
    unsigned modrm = below(r, 256);

    if (below(r, 2)) /* memory, more often */
        modrm &= 0xbf >> (below(r, 2) ? 1 : 0);
    switch (opcode) {
    case 0x8f:
    case 0xc6:
    case 0xc7:
        return (uint8_t)(modrm & 0xc7);
    case 0xfe:
        return (uint8_t)(modrm & 0xcf);
    case 0xff:
        return (uint8_t)((modrm & 0xc7) | (uint8_t[]){0, 1, 6, 0}[below(r, 4)] << 3);
    case 0x1c7:
        return (uint8_t)((modrm & 0x87) | 1 << 3);
    case 0xd8: /* of x87, loads and stores of numbers and arithmetic in memory; FLD ST(i), FADDP, FXCH */
    case 0xde:
        return (uint8_t)(opcode == 0xde && modrm >= 0xc0 ? 0xc1 : modrm & 0xbf);
    case 0xd9:
        return (uint8_t)(modrm >= 0xc0 ? 0xc0 + below(r, 16)
                                       : (modrm & 0x87) | (uint8_t[]){0, 2, 3, 0}[below(r, 4)] << 3);
    case 0xdb:
        return (uint8_t)((modrm & 0x87) | (uint8_t[]){0, 2, 3, 5, 7}[below(r, 5)] << 3);
    case 0xdd:
        return (uint8_t)((modrm & 0x87) | (uint8_t[]){0, 2, 3, 0}[below(r, 4)] << 3);
    case 0xdf:
        return (uint8_t)(modrm >= 0xc0 ? 0xe0 : (modrm & 0x87) | (uint8_t[]){0, 2, 3, 5, 7}[below(r, 5)] << 3);
    default:
        return (uint8_t)modrm;
    }
}

/* An offset or displacement that is likely to lie in the data. */
static uint32_t choose_offset(struct rng *r, const struct scene *s)
{
    uint32_t offset = below(r, 4) ? below(r, 0x2000) : below(r, 8) * 0x1000 - below(r, 20);

    if (below(r, 3) == 0)
        offset &= ~15u;
    return s->small || !is_code32(s) ? offset : DATA + offset;
}

/* One instruction; its length. */
static unsigned choose_insn(struct rng *r, const struct scene *s, uint8_t *out, uint32_t features, struct insn *in)
{
    for (;;) {
        static const uint8_t prefixes[] = {0x66, 0x66, 0x67, 0xf2, 0xf3, 0xf3, 0xf0,
                                           0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65};
        const unsigned opcode = opcodes[below(r, sizeof opcodes / sizeof opcodes[0])];
        const bool code32 = is_code32(s);
        unsigned n = 0;
        uint32_t offset;

        while (below(r, 4) == 0 && n < 3)
            out[n++] = prefixes[below(r, sizeof prefixes)];
        if (s->code == REAL_16 && memchr(out, 0x2e, n)) /* nothing keeps stores from the vectors and from the code */
            continue;
        if (opcode & 0x100)
            out[n++] = 0x0f;
        out[n++] = (uint8_t)opcode;
        offset = choose_offset(r, s);
        if (opcode >= 0xa0 && opcode <= 0xa3) {
            memcpy(out + n, &offset, 4);
        } else {
            out[n++] = choose_modrm(r, opcode, code32);
            if (below(r, 2))
                out[n++] = (uint8_t)rnd(r);
            memcpy(out + n, &offset, 4);
        }
        for (unsigned i = n + 4; i < n + 12; i++)
            out[i] = (uint8_t)rnd(r);
        if (decode_insn(in, out, 15, code32, features) != DECODE_OK || (in->row == ISA_ROW_UD && below(r, 20)))
            continue;
        if (in->row == ISA_ROW_UD)
            return in->len;
        /* A double shift of a word by more than 16 and BSWAP of one have no defined result. */
        if (in->width == WIDTH_16 &&
            ((opcode >= 0x1a4 && opcode <= 0x1ad && opcode != 0x1ab) || (opcode & ~7u) == 0x1c8))
            continue;
        if (isa_table[in->row].ends != ENDS_NEXT)
            continue;
        return in->len;
    }
}

/* mov ecx, count; rep movs or rep stos, of a length that the data has room for, or that is too long. */
static unsigned choose_repeated(struct rng *r, const struct scene *s, uint8_t *out)
{
    const uint32_t count = below(r, 3) ? below(r, 64) : below(r, 0x1200);
    unsigned n = 0;

    out[n++] = 0xb9;
    memcpy(out + n, &count, 4);
    n += is_code32(s) ? 4 : 2;
    if (below(r, 4) == 0)
        out[n++] = 0x66;
    out[n++] = 0xf3;
    out[n++] = (uint8_t[]){0xa4, 0xa5, 0xaa, 0xab}[below(r, 4)];
    return n;
}

/* ---- segment registers and EFLAGS ---- */

static unsigned put_word(uint8_t *out, uint32_t value)
{
    memcpy(out, &value, 2);
    return 2;
}
static unsigned put_full(const struct scene *s, uint8_t *out, uint32_t value)
{
    memcpy(out, &value, 4);
    return is_code32(s) ? 4 : 2;
}

/* Often one that may be loaded, and one of a few, so that descriptors are loaded again. */
static uint16_t choose_selector(struct rng *r, const struct scene *s)
{
    if (is_real_or_v86(s))
        return (uint16_t)((DATA >> 4) + below(r, 4) * 0x123);
    if (below(r, 12) == 0)
        return (uint16_t)below(r, 0x100);
    return (uint16_t)((FIRST_KIND + 8 * below(r, below(r, 2) ? DATA_KINDS : 5)) | (below(r, 8) ? 3 : below(r, 4)));
}

/* mov word [offset], value; with a full-sized displacement. */
static unsigned put_store_word(const struct scene *s, uint8_t *out, uint32_t offset, uint16_t value)
{
    unsigned n = 0;

    if (is_code32(s))
        out[n++] = 0x66;
    out[n++] = 0xc7;
    out[n++] = is_code32(s) ? 0x05 : 0x06;
    n += put_full(s, out + n, offset);
    return n + put_word(out + n, value);
}

/* A selector comes to a segment register in each of the ways there are. */
static unsigned choose_segment_load(struct rng *r, const struct scene *s, uint8_t *out)
{
    static const uint8_t mov_reg[] = {0, 3, 4, 5, 2}, pop[][2] = {{0x07}, {0x1f}, {0x0f, 0xa1}, {0x0f, 0xa9}, {0x17}},
                         pointer[][2] = {{0xc4}, {0xc5}, {0x0f, 0xb4}, {0x0f, 0xb5}, {0x0f, 0xb2}};
    const unsigned seg = below(r, 12) ? below(r, 4) : 4; /* ES, DS, FS, GS, SS */
    const uint16_t selector = seg == 4 && is_real_or_v86(s) ? DATA >> 4 : choose_selector(r, s);
    const uint32_t offset = choose_offset(r, s), wide = is_code32(s) ? 4 : 2;
    const uint8_t modrm_mem = is_code32(s) ? 0x05 : 0x06;
    unsigned n = 0;

    switch (below(r, 4)) {
    case 0: /* mov ax, selector; mov seg, ax */
        out[n++] = 0xb8;
        n += put_full(s, out + n, selector | rnd(r) << 16);
        out[n++] = 0x8e;
        out[n++] = (uint8_t)(0xc0 | mov_reg[seg] << 3);
        return n;
    case 1: /* push selector; pop seg */
        out[n++] = 0x68;
        n += put_full(s, out + n, selector | rnd(r) << 16);
        memcpy(out + n, pop[seg], 2);
        return n + (pop[seg][0] == 0x0f ? 2 : 1);
    case 2: /* mov seg, [offset] */
        n += put_store_word(s, out + n, offset, selector);
        out[n++] = 0x8e;
        out[n++] = (uint8_t)(modrm_mem | mov_reg[seg] << 3);
        return n + put_full(s, out + n, offset);
    default: /* les reg, [offset] */
        n += put_store_word(s, out + n, offset + wide, selector);
        memcpy(out + n, pointer[seg], 2);
        n += pointer[seg][0] == 0x0f ? 2 : 1;
        out[n++] = (uint8_t)(modrm_mem | (uint8_t[]){0, 1, 2, 3, 5, 6, 7}[below(r, 7)] << 3);
        return n + put_full(s, out + n, offset);
    }
}

/* Far transfers of real and V86 mode to what follows at `at` + the length, through another CS. */
static unsigned choose_far(struct rng *r, const struct scene *s, uint8_t *out, uint32_t at)
{
    const uint16_t selector = (uint16_t)below(r, CODE >> 4);
    const unsigned kind = below(r, 5);
    const unsigned len = (unsigned[]){5, 5, 7, 9, 8}[kind];
    const uint16_t ip = (uint16_t)(at + len - selector * 16u);
    unsigned n = 0;

    if (kind < 2) { /* call, jmp */
        out[n++] = kind ? 0xea : 0x9a;
        n += put_word(out + n, ip);
        return n + put_word(out + n, selector);
    }
    if (kind == 4) /* pushf */
        out[n++] = 0x9c;
    out[n++] = 0x68;
    n += put_word(out + n, selector);
    out[n++] = 0x68;
    n += put_word(out + n, ip);
    out[n++] = kind == 4 ? 0xcf : kind == 3 ? 0xca : 0xcb; /* iret, retf imm, retf */
    return kind == 3 ? n + put_word(out + n, below(r, 4) * 2) : n;
}

static unsigned choose_flags(struct rng *r, const struct scene *s, uint8_t *out)
{
    const uint32_t keep = below(r, 3) ? EFLAGS_OSZAPC | EFLAGS_IF : 0xffffffffu;
    unsigned n = 0;

    switch (below(r, 4)) {
    case 0:
        out[n++] = 0x9c; /* pushf, popf */
        out[n++] = 0x9d;
        return n;
    case 1:
        out[n++] = below(r, 2) ? 0xfa : 0xfb;
        return n;
    default: /* IOPL as it is, more often */
        out[n++] = 0x68;
        n += put_full(s, out + n, (rnd(r) & keep) | (s->code == V86_16 && below(r, 2) ? EFLAGS_IOPL : 0));
        out[n++] = 0x9d;
        return n;
    }
}

static unsigned choose_program(struct rng *r, const struct scene *s, uint8_t *out, uint32_t features)
{
    const unsigned insns = 1 + below(r, 24);
    unsigned n = 0;

    for (unsigned i = 0; i < insns; i++) {
        struct insn in;
        uint8_t *jump = NULL;

        if (below(r, 6) == 0) { /* Jcc, LOOP or JCXZ over the next one */
            out[n++] = (uint8_t)(below(r, 4) ? 0x70 + below(r, 16) : below(r, 2) ? 0xe2 : 0xe3);
            jump = &out[n++];
        }
        if (below(r, 10) == 0)
            n += choose_repeated(r, s, out + n);
        if (below(r, 6) == 0)
            n += choose_segment_load(r, s, out + n);
        if (below(r, 16) == 0)
            n += choose_flags(r, s, out + n);
        if (below(r, 8) == 0 && is_real_or_v86(s))
            n += choose_far(r, s, out + n, CODE + s->offset + n);
        n += choose_insn(r, s, out + n, features, &in);
        if (in.row == ISA_ROW_UD || isa_table[in.row].flags_undefined) { /* cmp eax, imm */
            out[n++] = 0x3d;
            for (unsigned k = is_code32(s) ? 4 : 2; k > 0; k--)
                out[n++] = (uint8_t)rnd(r);
        }
        if (jump)
            *jump = (uint8_t)(out + n - (jump + 1));
    }
    out[n++] = 0xf4;
    return n;
}

/* ---- comparison ---- */

struct start {
    uint32_t gpr[8], eflags;
    uint64_t fill;
};

static void choose_start(struct rng *r, const struct scene *s, struct start *start)
{
    for (unsigned i = 0; i < 8; i++)
        switch (below(r, 6)) {
        case 0:
            start->gpr[i] = below(r, 40);
            break;
        case 1:
            start->gpr[i] = rnd(r) << below(r, 32);
            break;
        default:
            start->gpr[i] = choose_offset(r, s);
        }
    start->gpr[ESP] = is_real_or_v86(s) || (s->cpl && s->stack) ? 0x1800 + below(r, 0x1000) : STACK3 - below(r, 64);
    if (below(r, 6) == 0) /* about the end of a page */
        start->gpr[ESP] = (start->gpr[ESP] & ~0xfffu) + below(r, 40);
    if (is_real_or_v86(s) && below(r, 20) == 0) /* and of the segment */
        start->gpr[ESP] = below(r, 40);
    if (is_real_or_v86(s) || (s->cpl && s->stack == STACK_16))
        start->gpr[ESP] |= rnd(r) << 16; /* SP alone counts */
    start->eflags = rnd(r) & (EFLAGS_OSZAPC | EFLAGS_DF);
    start->fill = rnd(r);
}

static void run_from(struct machine *m, const struct scene *s, const struct start *start, const uint8_t *program,
                     unsigned n)
{
    struct cpu *cpu = m->cpu;
    struct rng r = {start->fill};

    set_scene(m, s);
    for (uint32_t at = 0; at < SPACE_BYTES; at += 4)
        if (at < 0x1000 || (at & 0xfff) < 32 || (at & 0xfff) >= 0xfe0)
            put32(m, DATA + at, rnd(&r));
    memset(phys_ram_host(m->phys, STACK0 - 0x100), 0, 0x100);
    put(m, CODE + s->offset, program, n);
    memcpy(cpu->gpr, start->gpr, sizeof start->gpr);
    cpu_set_eflags(cpu, start->eflags, EFLAGS_OSZAPC | EFLAGS_DF);
    cpu->cr2 = 0;
    cpu->eip = CODE + s->offset - cpu->seg[CS].base;
    cpu->halt = CPU_RUNNING;
    m->shutdowns = 0;
    cpu_run(cpu);
}

struct difference {
    const char *what;
    uint64_t ours, reference;
};

static bool compare(const struct machine *m, const struct machine *reference, struct difference *d)
{
    static const char *const gpr_name[] = {"eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"};
    const struct cpu *a = m->cpu, *b = reference->cpu;
    const uint32_t first[] = {DATA, STACK0 - 0x2000}, bytes[] = {SPACE_BYTES, STACK3 - STACK0 + 0x4000};

#define COMPARE(name, field)                                                                                           \
    do {                                                                                                               \
        *d = (struct difference){(name), (uint64_t)(a->field), (uint64_t)(b->field)};                                  \
        if (d->ours != d->reference)                                                                                   \
            return false;                                                                                              \
    } while (0)
    COMPARE("halt", halt);
    COMPARE("eip", eip);
    COMPARE("cr2", cr2);
    for (unsigned i = 0; i < 8; i++)
        COMPARE(gpr_name[i], gpr[i]);
    for (unsigned i = 0; i < SREGS; i++) {
        COMPARE("selector", seg[i].selector);
        COMPARE("segment base", seg[i].base);
        COMPARE("segment limit", seg[i].limit);
        COMPARE("segment rights", seg[i].ar);
        COMPARE("segment's end for reads", seg[i].fast_read_end);
        COMPARE("segment's end for writes", seg[i].fast_write_end);
    }
    for (unsigned i = 0; i < 8; i++) {
        COMPARE("xmm", fpu.xmm[i].q[0]);
        COMPARE("xmm, high", fpu.xmm[i].q[1]);
        COMPARE("x87 register", fpu.reg[i].mantissa);
        COMPARE("x87 exponent", fpu.reg[i].sign_exponent);
    }
    COMPARE("x87 control word", fpu.control);
    COMPARE("x87 status", fpu.status);
    COMPARE("x87 top", fpu.top);
    COMPARE("x87 tags", fpu.empty);
    COMPARE("mxcsr", fpu.mxcsr);
#undef COMPARE
    *d = (struct difference){"eflags", cpu_get_eflags(a), cpu_get_eflags(b)};
    if (d->ours != d->reference)
        return false;
    for (unsigned i = 0; i < 2; i++)
        for (uint32_t at = first[i]; at < first[i] + bytes[i]; at += 4)
            if (memcmp(phys_ram_host(m->phys, at), phys_ram_host(reference->phys, at), 4) != 0) {
                *d = (struct difference){"memory", at, 0};
                return false;
            }
    return true;
}

static void report(const struct scene *s, const struct start *start, const uint8_t *program, unsigned n,
                   const struct difference *d, const struct variant *v, unsigned number)
{
    static const char *const code_name[] = {"flat", "based", "short", "16-bit", "V86", "real"};
    uint32_t eip = CODE + s->offset - (s->code == BASED_32 ? 0x1000 : 0);

    print_message("program %u, %s: %s code, CPL %u, segments %u %u %u %u, stack %u\n", number, v->name,
                  code_name[s->code], s->cpl, s->data[0], s->data[1], s->data[2], s->data[3], s->stack);
    for (unsigned i = 0; i < 8; i++)
        print_message("%08x ", start->gpr[i]);
    print_message("flags %x\n", start->eflags);
    for (unsigned at = 0; at < n;) {
        struct insn in;
        char text[100], hex[50] = "";

        decode_insn(&in, program + at, n - at + 15, is_code32(s), ~0u);
        for (unsigned i = 0; i < in.len; i++)
            sprintf(hex + 3 * i, "%02x ", program[at + i]);
        annotate_disassemble(program + at, in.len, eip + at, is_code32(s), text, sizeof text);
        print_message("%08x  %-36s %s\n", eip + at, hex, text);
        at += in.len;
    }
    if (d)
        print_message("%s: %llx instead of %llx\n", d->what, (unsigned long long)d->ours,
                      (unsigned long long)d->reference);
}

/* ---- tests ---- */

struct pair {
    const struct variant *variant;
    struct machine *m, *reference;
};

static struct machine *create(const struct translator_options *options)
{
    void *state;

    assert_int_equal(machine_create(&state), 0);
    attach(state, options);
    for (unsigned vector = 0; vector < 32; vector++)
        put8(state, HANDLER(vector), 0xf4);
    return state;
}

static int setup(void **state)
{
    struct pair *p = calloc(1, sizeof *p);

    assert_non_null(p);
    p->variant = *state;
    p->m = create(&p->variant->options);
    p->reference = create(&variants[INTERP].options);
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct pair *p = *state;
    void *m = p->m, *reference = p->reference;

    translator_destroy(p->m->cpu);
    machine_destroy(&m);
    machine_destroy(&reference);
    free(p);
    return 0;
}

static unsigned number_from(const char *name, unsigned otherwise)
{
    const char *value = getenv(name);

    return value ? (unsigned)strtoul(value, NULL, 0) : otherwise;
}

static void random_programs_end_as_they_do_interpreted(void **state)
{
    struct pair *p = *state;
    const unsigned cases = number_from("MORPH86_BLOCK_CASES", DEFAULT_CASES), first = number_from("MORPH86_SEED", 1);
    const bool verbose = getenv("MORPH86_VERBOSE");
    unsigned wrong = 0, halted = 0;

    for (unsigned i = first; i < first + cases && wrong < 5; i++) {
        struct rng r = {i * 0x9e3779b97f4a7c15u};
        struct scene scene;
        uint8_t program[MAX_PROGRAM];
        unsigned n;

        choose_scene(&r, &scene);
        n = choose_program(&r, &scene, program, p->m->model.isa_features);
        for (unsigned run_number = 0; run_number < RUNS; run_number++) {
            struct start start;
            struct difference d;

            choose_start(&r, &scene, &start);
            scene.shift = 16 * below(&r, 2);
            alarm(TEST_SECONDS);
            if (verbose)
                report(&scene, &start, program, n, NULL, p->variant, i);
            run_from(p->reference, &scene, &start, program, n);
            run_from(p->m, &scene, &start, program, n);
            halted += p->m->cpu->eip == HANDLER(VEC_GP) + 1 || p->m->cpu->cpl == scene.cpl;
            if (!compare(p->m, p->reference, &d)) {
                report(&scene, &start, program, n, &d, p->variant, i);
                wrong++;
                break;
            }
        }
    }
    alarm(0);
    assert_int_equal(wrong, 0);
    assert_true(cases < 100 || halted > cases / 10); /* not all end at a page fault in their first instruction */
}

int main(void)
{
    static struct CMUnitTest all[VARIANTS];
    const bool has_jit = !translator_missing_feature();
    size_t n = 0;

    for (unsigned v = IR; v < VARIANTS; v++)
        if (variants[v].options.accel != ACCEL_JIT || has_jit)
            all[n++] = (struct CMUnitTest){variants[v].name, random_programs_end_as_they_do_interpreted, setup,
                                           teardown, (void *)(uintptr_t)&variants[v]};
    return _cmocka_run_group_tests("random blocks", all, n, NULL, NULL);
}
