/*
 * Random programs for the engines' tests: the scenes that they run in, and what they consist of.
 *
 * A program is one straight piece, or several of the shapes of random_shapes.h behind each other in random order; in
 * straight pieces are the sequences of random_sys.h as well. Where an instruction leaves flags undefined a CMP follows.
 */
#ifndef TESTS_UNIT_TRANSLATOR_RANDOM_PROGRAM_H
#define TESTS_UNIT_TRANSLATOR_RANDOM_PROGRAM_H

#include "tests/unit/translator/compare.h"

enum { MAX_PROGRAM = 3000, SPACE_BYTES = COMPARED_DATA };
enum { ABSENT = 0x54000, READ_ONLY = 0x52000, SUPERVISOR = 0x53000, SECOND = 0x55000 };
enum { STACK_ABSENT = 0x2a000, STACK_READ_ONLY = 0x2c000 };
enum { SELF = 0xe0000, SELF_BYTES = COMPARED_CODE }; /* in scenes that modify themselves: the code, writable */

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
    bool small;           /* offsets are meant for segments that begin at DATA */
    bool modifies_itself; /* through GS */
    bool hides_time;      /* from programs: CR4.TSD */
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
_Static_assert(FIRST_KIND + 8 * (DATA_KINDS + 1) < GDT_LIMIT, "room for the kinds and the code's alias");

static uint16_t selector_of(unsigned kind)
{
    return (uint16_t)(FIRST_KIND + 8 * kind + 3);
}

static void load(struct machine *m, unsigned seg, unsigned kind)
{
    if (kind == NULL_KIND) {
        m->cpu->seg[seg] = (struct segment){0};
        segment_derive(m->cpu, seg);
    } else {
        load_segment(m, seg, selector_of(kind));
    }
}

static void protect_pages(struct machine *m, const struct scene *s)
{
    for (uint32_t page = 0; page < RAM_BYTES; page += 0x1000) {
        uint32_t bits = 1 | 4; /* present, user, read-only */

        if (page < 0x8000 || page == PAGE_DIRECTORY || page == PAGE_TABLE)
            bits = 1;
        else if (page >= DATA && page < DATA + SPACE_BYTES)
            bits = page == ABSENT ? 0 : page == READ_ONLY ? 5 : page == SUPERVISOR ? 3 : 7;
        else if (page >= STACK0 - 0x2000 && page < STACK3 + 0x2000)
            bits = page == STACK_ABSENT ? 0 : page == STACK_READ_ONLY ? 5 : 7;
        put32(m, PAGE_TABLE + (page >> 12) * 4, (page == SECOND ? DATA : page) | bits | 0x60);
    }
    for (uint32_t at = 0; s->modifies_itself && at < SELF_BYTES; at += 0x1000)
        put32(m, PAGE_TABLE + ((SELF + at) >> 12) * 4, (CODE + at) | 0x67);
    put32(m, PAGE_DIRECTORY, PAGE_TABLE | 7);
    m->cpu->cr3 = PAGE_DIRECTORY;
    m->cpu->cr0 |= CR0_PG | CR0_WP;
    m->cpu->cr4 = CR4_OSFXSR | (s->hides_time ? CR4_TSD : 0);
    cpu_derive_paging(m->cpu);
}

static bool is_code32(const struct scene *s)
{
    return s->code < CODE_16;
}
static bool is_real_or_v86(const struct scene *s)
{
    return s->code == V86_16 || s->code == REAL_16;
}

/* In real mode there are no pages: what modifies the code does so where it lies. */
static void load_real_segments(struct cpu *cpu, const struct scene *s)
{
    for (unsigned i = 0; i < 4; i++)
        segment_load_real(cpu, (unsigned[]){ES, DS, FS, GS}[i], s->data[i] & 1 ? DATA >> 4 : (DATA >> 4) + 0x11);
    segment_load_real(cpu, SS, DATA >> 4);
    if (s->modifies_itself)
        segment_load_real(cpu, GS, (s->code == REAL_16 ? CODE : SELF) >> 4);
}

static void set_real_scene(struct machine *m, const struct scene *s)
{
    enter_real(m);
    m->cpu->cr4 = CR4_OSFXSR;
    cpu_derive_paging(m->cpu);
    for (uint32_t vector = 0; vector < 32; vector++)
        put32(m, 4 * vector, HANDLER(vector) >> 4 << 16);
    load_real_segments(m->cpu, s);
}

static void set_scene(struct machine *m, const struct scene *s)
{
    const uint16_t dpl = s->cpl ? DPL3 : 0;

    m->tsc = 0x9abcdef012345678;
    if (s->code == REAL_16) {
        set_real_scene(m, s);
        return;
    }
    if (s->code == V86_16)
        enter_v86(m, 3);
    else
        enter_protected(m, s->cpl);
    for (unsigned i = 0; i < DATA_KINDS; i++)
        put_gdt(m, (uint16_t)(FIRST_KIND + 8 * i), data_kinds[i].base + (data_kinds[i].base >= DATA ? s->shift : 0),
                data_kinds[i].limit, data_kinds[i].ar | DPL3);
    protect_pages(m, s);
    if (s->code == V86_16) {
        load_real_segments(m->cpu, s);
        return;
    }
    if (s->code != FLAT_32) {
        put_gdt(m, SEL_TEST, s->code == BASED_32 ? 0x1000 : 0, s->code == BASED_32 ? 0xfffff : 0xbfff,
                (s->code == CODE_16 ? TEST_CODE & ~AR_DB : TEST_CODE) | dpl | (s->code == BASED_32 ? AR_G : 0));
        load_segment(m, CS, (uint16_t)(SEL_TEST | s->cpl));
    }
    for (unsigned i = 0; i < 4; i++)
        load(m, (unsigned[]){ES, DS, FS, GS}[i], s->data[i]);
    if (s->modifies_itself) { /* and no other register comes to it */
        put_gdt(m, selector_of(DATA_KINDS), SELF, SELF_BYTES - 1, TEST_DATA | DPL3);
        load_segment(m, GS, selector_of(DATA_KINDS));
        put_gdt(m, selector_of(DATA_KINDS), 0, 0, 0);
    }
    if (s->cpl)
        load(m, SS, s->stack);
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
    s->modifies_itself = below(r, 6) == 0;
    s->hides_time = below(r, 8) == 0;
    s->offset = below(r, 4) ? below(r, 0x1000) : 0xf80 + below(r, 0x80);
    s->shift = 0;
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
    0x131,
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

/* What an instruction must be like. */
struct wish {
    bool has_base; /* its operand is [base + disp], by registers of 32 bits */
    uint8_t base;
    int8_t disp;
    uint8_t keeps; /* registers that it does not touch, as bits */
    bool calm;     /* no other access to memory than that */
};

/* ModRM and what belongs to it for the wish; returns the bytes written. */
static unsigned put_wished_operand(const struct wish *wish, uint8_t modrm, uint8_t *out)
{
    const bool has_disp = wish->disp || wish->base == EBP;
    unsigned n = 0;

    out[n++] = (uint8_t)((modrm & 0x38) | wish->base | (has_disp ? 0x40 : 0));
    if (wish->base == ESP)
        out[n++] = 0x24;
    if (has_disp)
        out[n++] = (uint8_t)wish->disp;
    return n;
}

static bool pushes_segment(const struct insn *in)
{
    const uint8_t opcode = in->opcode;

    return isa_table[in->row].map == MAP_1B ? opcode == 0x06 || opcode == 0x0e || opcode == 0x16 || opcode == 0x1e
                                            : opcode == 0xa0 || opcode == 0xa8;
}

/* May the instruction write the register? Says yes too often. */
static bool may_touch(const struct insn *in, unsigned reg)
{
    const unsigned mask = in->width == WIDTH_8 ? 3 : 7;
    const uint8_t opcode = in->opcode;

    if ((in->reg & mask) == (reg & mask) || (!in->is_mem && (in->rm & mask) == (reg & mask)))
        return true;
    if (pushes_segment(in))
        return reg == ESP;
    if (isa_table[in->row].map != MAP_1B) /* CMPXCHG8B, RDTSC; here and below implied registers */
        return reg != ECX && (opcode == 0xc7 || (opcode == 0x31 && reg != ESP));
    if (opcode >= 0xa4 && opcode <= 0xaf && opcode != 0xa8 && opcode != 0xa9)
        return true;
    if (opcode == 0x60 || opcode == 0x61 || opcode == 0xc8 || opcode == 0xc9)
        return true;
    if (reg == ESP)
        return (opcode >= 0x50 && opcode <= 0x5f) || opcode == 0x68 || opcode == 0x6a || opcode == 0x8f ||
               opcode == 0x9c || (opcode == 0xff && in->reg == 6);
    return reg != ECX && (opcode == 0x98 || opcode == 0x99 || opcode == 0xf6 || opcode == 0xf7);
}

static bool touches_memory_by_itself(const struct insn *in)
{
    const uint8_t opcode = in->opcode;

    if (pushes_segment(in))
        return true;
    return isa_table[in->row].map == MAP_1B &&
           ((opcode >= 0xa0 && opcode <= 0xaf && opcode != 0xa8 && opcode != 0xa9) || opcode == 0xd7 ||
            may_touch(in, ESP));
}

static bool fulfils(const struct insn *in, const struct wish *wish)
{
    if (wish->has_base && (!in->is_mem || in->base != wish->base || in->index != GPR_NONE))
        return false;
    if (wish->calm && ((!wish->has_base && in->is_mem) || touches_memory_by_itself(in)))
        return false;
    for (unsigned reg = 0; reg < 8; reg++)
        if ((wish->keeps & 1u << reg) && may_touch(in, reg))
            return false;
    return true;
}

/* One instruction; its length. */
static unsigned choose_insn(struct rng *r, const struct scene *s, const struct wish *wish, uint8_t *out,
                            uint32_t features, struct insn *in)
{
    for (;;) {
        static const uint8_t prefixes[] = {0x66, 0x66, 0x67, 0xf2, 0xf3, 0xf3, 0xf0,
                                           0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65};
        const unsigned opcode = opcodes[below(r, sizeof opcodes / sizeof opcodes[0])];
        const bool code32 = is_code32(s);
        unsigned n = 0;
        uint32_t offset;

        while (below(r, 4) == 0 && n < 3) {
            const uint8_t prefix = prefixes[below(r, sizeof prefixes)];

            if ((prefix == 0x65 && s->modifies_itself) || (prefix == 0x67 && wish->has_base))
                continue;
            out[n++] = prefix;
        }
        if (s->code == REAL_16 && memchr(out, 0x2e, n)) /* nothing keeps stores from the vectors and from the code */
            continue;
        if (wish->has_base && !code32)
            out[n++] = 0x67;
        if (opcode & 0x100)
            out[n++] = 0x0f;
        out[n++] = (uint8_t)opcode;
        offset = choose_offset(r, s);
        if (opcode >= 0xa0 && opcode <= 0xa3) {
            memcpy(out + n, &offset, 4);
        } else if (wish->has_base) {
            n += put_wished_operand(wish, choose_modrm(r, opcode, code32), out + n);
            if (below(r, 2))
                out[n++] = (uint8_t)rnd(r);
            memcpy(out + n, &offset, 4); /* an immediate */
        } else {
            out[n++] = choose_modrm(r, opcode, code32);
            if (below(r, 2))
                out[n++] = (uint8_t)rnd(r);
            memcpy(out + n, &offset, 4);
        }
        for (unsigned i = n + 4; i < n + 12; i++)
            out[i] = (uint8_t)rnd(r);
        if (decode_insn(in, out, 15, code32, features) != DECODE_OK ||
            (in->row == ISA_ROW_UD && (wish->has_base || below(r, 20))))
            continue;
        if (in->row == ISA_ROW_UD)
            return in->len;
        if (!fulfils(in, wish))
            continue;
        /* A double shift of a word by more than 16 and BSWAP of one have no defined result. */
        if (in->width == WIDTH_16 &&
            ((opcode >= 0x1a4 && opcode <= 0x1ad && opcode != 0x1ab) || (opcode & ~7u) == 0x1c8))
            continue;
        /* CVTPI2PS makes the transition to MMX also with an operand in memory, or does not: that is the host's affair.
         */
        if (opcode == 0x12a && in->is_mem && isa_table[in->row].prefix == PREFIX_NP)
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

/* cmp eax, imm */
static unsigned choose_compare(struct rng *r, const struct scene *s, uint8_t *out)
{
    unsigned n = 0;

    out[n++] = 0x3d;
    for (unsigned k = is_code32(s) ? 4 : 2; k > 0; k--)
        out[n++] = (uint8_t)rnd(r);
    return n;
}

/* One instruction, and a comparison where it leaves flags undefined. */
static unsigned choose_defined(struct rng *r, const struct scene *s, const struct wish *wish, uint8_t *out,
                               uint32_t features)
{
    struct insn in;
    unsigned n = choose_insn(r, s, wish, out, features, &in);

    if (in.row == ISA_ROW_UD || isa_table[in.row].flags_undefined)
        n += choose_compare(r, s, out + n);
    return n;
}

#endif
