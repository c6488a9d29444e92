/*
 * Random sequences for the engines' tests that load segment registers, leave for another code segment and change
 * EFLAGS: what the translator does to the virtual processor by itself.
 */
#ifndef TESTS_UNIT_TRANSLATOR_RANDOM_SYS_H
#define TESTS_UNIT_TRANSLATOR_RANDOM_SYS_H

#include "tests/unit/translator/random_program.h"

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
    const unsigned seg = below(r, 12) ? below(r, s->modifies_itself ? 3 : 4) : 4; /* ES, DS, FS, GS, SS */
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

/* jmp selector:ip, to what follows at the linear address `at` + the length; real and V86 mode. */
static unsigned put_far_jump(uint8_t *out, uint32_t at, uint16_t selector)
{
    unsigned n = 0;

    out[n++] = 0xea;
    n += put_word(out + n, at + 5 - selector * 16u);
    return n + put_word(out + n, selector);
}

/* Far transfers of real and V86 mode to what follows at the linear address `at` + the length, through another CS. */
static unsigned choose_far(struct rng *r, const struct scene *s, uint8_t *out, uint32_t at)
{
    const uint16_t selector = (uint16_t)below(r, CODE >> 4);
    const unsigned kind = below(r, 5);
    const unsigned len = (unsigned[]){5, 5, 7, 9, 8}[kind];
    const uint16_t ip = (uint16_t)(at + len - selector * 16u);
    unsigned n = 0;

    if (kind < 2) { /* call, jmp */
        n = put_far_jump(out, at, selector);
        out[0] = kind ? 0xea : 0x9a;
        return n;
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

#endif
