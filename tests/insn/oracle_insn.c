/*
 * Random bytes of a given form: prefixes, opcode, ModRM, SIB, displacement, immediates.
 *
 * Source: SDM vol. 2 "Instruction Format". The bytes must decode to the form's row, otherwise they are drawn again;
 * that the decoder is right about them is what running them natively shows.
 */
#include <string.h>

#include "tests/insn/oracle.h"

enum { TRIES = 200, MAX_LEN = 15 };

struct writer {
    struct rng *r;
    const struct oracle_form *form;
    uint8_t bytes[32];
    unsigned len;
    bool code32, address32;
};

static void put(struct writer *w, uint32_t value, unsigned bytes)
{
    memcpy(w->bytes + w->len, &value, 4);
    w->len += bytes;
}

/* ---- prefixes ---- */

/* F2 and F3 mean nothing here, today and on the host. (With LOOPE and LOOPNE they are reserved, and AMD processors let
 * them choose between the two.) */
static bool rep_is_ignored(const struct isa_row *row)
{
    if (row->prefix != PREFIX_ANY)
        return false;
    if (row->map == MAP_1B)
        return !(row->checks & REP_OK) && row->opcode != 0x90 && row->opcode != 0xe0 && row->opcode != 0xe1;
    return row->map == MAP_0F && ((row->opcode >= 0x40 && row->opcode <= 0x4f) || /* CMOVcc */
                                  (row->opcode >= 0x90 && row->opcode <= 0x9f) || /* SETcc */
                                  (row->opcode >= 0xa3 && row->opcode <= 0xb7 && row->opcode != 0xae));
}

static bool address_size_matters(const struct oracle_form *f)
{
    return f->is_mem || f->kind == KIND_STRING || f->kind == KIND_XLAT || f->kind == KIND_MASKMOV ||
           (f->row->map == MAP_1B &&
            ((f->row->opcode >= 0xa0 && f->row->opcode <= 0xa3) || (f->row->opcode >= 0xe0 && f->row->opcode <= 0xe3)));
}

static void put_prefixes(struct writer *w)
{
    static const uint8_t segments[] = {0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x36, 0x36};
    const struct oracle_form *f = w->form;
    const struct isa_row *row = f->row;
    bool needs_memory = address_size_matters(f);
    uint8_t list[8];
    unsigned n = 0;

    w->address32 = w->code32;
    if (rng_one_in(w->r, needs_memory ? 3 : 24)) {
        w->address32 = !w->code32;
        list[n++] = 0x67;
    }
    if (rng_one_in(w->r, needs_memory ? 3 : 24))
        list[n++] = segments[rng_below(w->r, 8)];
    if (f->has_opsize) {
        if (f->opsize32 != w->code32)
            list[n++] = 0x66;
    } else if ((row->prefix == PREFIX_ANY || row->prefix == PREFIX_PF2 || row->prefix == PREFIX_PF3) &&
               rng_one_in(w->r, 16)) {
        list[n++] = 0x66;
    }
    if (row->checks & LOCK_OK && f->is_mem ? rng_one_in(w->r, 6) : f->allows_lock_ud && rng_one_in(w->r, 50))
        list[n++] = 0xf0;
    if (row->checks & REP_OK) {
        uint32_t k = rng_below(w->r, 3);

        if (k)
            list[n++] = k == 1 ? 0xf2 : 0xf3;
    } else if (rep_is_ignored(row) && rng_one_in(w->r, 32)) {
        list[n++] = rng_one_in(w->r, 2) ? 0xf2 : 0xf3;
    }
    if (row->prefix == PREFIX_P66 || row->prefix == PREFIX_PF2 || row->prefix == PREFIX_PF3)
        list[n++] = row->prefix == PREFIX_P66 ? 0x66 : row->prefix == PREFIX_PF2 ? 0xf2 : 0xf3;
    while (n) { /* in any order */
        unsigned i = rng_below(w->r, n);

        put(w, list[i], 1);
        list[i] = list[--n];
    }
}

/* ---- operands ---- */

static uint32_t displacement(struct writer *w, bool is_whole_address)
{
    if (is_whole_address) {
        switch (rng_below(w->r, 12)) {
        case 0:
            return WINDOW_RO_PAGE - 8 + rng_below(w->r, 16);
        case 1:
            return WINDOW_ABSENT_PAGE - 8 + rng_below(w->r, 16);
        case 2:
            return 0xfff0 + rng_below(w->r, 0x14);
        case 3: /* an operand in SLOT_SMALL */
            return 0x780 + (rng_below(w->r, 0x100) & ~15u);
        case 4:
            return rng32(w->r) & 0xffff;
        default:
            return WINDOW_MIDDLE - 0x80 + (rng_below(w->r, 0x100) & ~(rng_one_in(w->r, 8) ? 0u : 15u));
        }
    }
    return rng_one_in(w->r, 4) ? rng32(w->r) : rng_below(w->r, 0x200) - 0x100;
}

static void put_modrm(struct writer *w)
{
    const struct isa_row *row = w->form->row;
    unsigned mod = w->form->is_mem ? rng_below(w->r, 3) : 3, reg = rng_below(w->r, 8), rm = rng_below(w->r, 8);

    switch (row->modrm_kind) {
    case MODRM_NONE:
    case MODRM_PLUS_R:
        return;
    case MODRM_EXACT:
        put(w, row->modrm_value, 1);
        return;
    case MODRM_EXT:
    case MODRM_EXT_MEM:
    case MODRM_EXT_REG:
        reg = row->modrm_value;
        break;
    default:
        break;
    }
    put(w, mod << 6 | reg << 3 | rm, 1);
    if (mod == 3)
        return;
    if (!w->address32) {
        if (mod == 1)
            put(w, rng32(w->r), 1);
        else if (mod == 2 || rm == 6)
            put(w, displacement(w, mod == 0), 2);
        return;
    }
    if (rm == 4) {
        unsigned base = rng_below(w->r, 8);

        put(w, rng_below(w->r, 4) << 6 | rng_below(w->r, 8) << 3 | base, 1);
        if (mod == 0 && base == 5)
            put(w, displacement(w, true), 4);
    } else if (mod == 0 && rm == 5) {
        put(w, displacement(w, true), 4);
    }
    if (mod == 1)
        put(w, rng32(w->r), 1);
    else if (mod == 2)
        put(w, displacement(w, false), 4);
}

static uint32_t code_offset(struct writer *w)
{
    switch (rng_below(w->r, 8)) {
    case 0:
        return rng32(w->r);
    case 1:
        return rng32(w->r) & 0xffff;
    case 2:
        return 0xfff8 + rng_below(w->r, 16);
    default:
        return rng_below(w->r, 0x4000);
    }
}

static uint16_t code_selector(struct rng *r)
{
    static const uint8_t slots[] = {HOST_CODE32,       HOST_CODE16,       HOST_CODE32,      HOST_CODE16,
                                    SLOT_CODE_SMALL32, SLOT_CODE_SMALL16, SLOT_CODE_ABSENT, SLOT_CONFORMING_ABSENT,
                                    HOST_DATA,         SLOT_CODE_ONLY,    SLOT_LAST,        SLOTS + 2};
    uint16_t selector = HOST_SELECTOR(slots[rng_below(r, sizeof slots)]);

    if (rng_one_in(r, 24))
        return (uint16_t)rng_below(r, 4);
    return rng_one_in(r, 24) ? (uint16_t)((selector & ~3u) | rng_below(r, 4)) : selector;
}

static void put_immediates(struct writer *w)
{
    const struct oracle_form *f = w->form;
    unsigned operand_size = f->opsize32 ? 4 : 2;
    unsigned mask = w->address32 ? 4 : 2;

    if (!strcmp(f->row->name, "ENTER")) {
        put(w, rng_one_in(w->r, 8) ? rng32(w->r) : rng_below(w->r, 0x80), 2);
        put(w, rng_one_in(w->r, 4) ? rng32(w->r) : rng_below(w->r, 4), 1);
        return;
    }
    for (unsigned i = 0; i < f->row->n_operands; i++) {
        switch (f->row->operand[i]) {
        case OPERAND_Ib:
            if (f->kind == KIND_DIVIDE && rng_one_in(w->r, 2)) /* AAM */
                put(w, rng_below(w->r, 4), 1);
            else if (f->kind == KIND_INT) /* not those that the host's kernel lets through */
                put(w, 0x20 + rng_below(w->r, 0x60), 1);
            else if (f->kind == KIND_SHIFT && rng_one_in(w->r, 3))
                put(w, rng_below(w->r, 3), 1);
            else
                put(w, rng_one_in(w->r, 2) ? rng32(w->r) : rng_below(w->r, 34), 1);
            break;
        case OPERAND_Ibs:
            put(w, rng_one_in(w->r, 12) ? 0 : rng32(w->r), 1);
            break;
        case OPERAND_Jb:
            put(w, rng32(w->r), 1);
            break;
        case OPERAND_Iw:
            put(w, rng_one_in(w->r, 4) ? rng32(w->r) : rng_below(w->r, 0x40), 2);
            break;
        case OPERAND_Iz:
            put(w,
                rng_one_in(w->r, 12)  ? 0
                : rng_one_in(w->r, 4) ? (uint32_t)(int32_t)(int8_t)rng32(w->r)
                                      : rng32(w->r) >> rng_below(w->r, 32),
                operand_size);
            break;
        case OPERAND_Jz:
            put(w, code_offset(w) - 0x1000, operand_size);
            break;
        case OPERAND_Ap:
            put(w, code_offset(w), operand_size);
            put(w, code_selector(w->r), 2);
            break;
        case OPERAND_Ob:
        case OPERAND_Ov:
            put(w, displacement(w, true), mask);
            break;
        default:
            break;
        }
    }
}

/* A target within the instruction, or the executor's jump behind it, would run what is there. */
static bool target_is_safe(const struct oracle_form *f, const struct oracle_insn *insn)
{
    uint32_t next = insn->eip + insn->len, target;

    if (f->kind == KIND_FAR_IMM) {
        target = insn->in.imm;
    } else if (f->kind == KIND_JUMP) {
        target = next + insn->in.imm;
        if (!f->opsize32)
            target &= 0xffff;
    } else {
        return true;
    }
    return (target == next && f->kind == KIND_JUMP) || target < insn->eip || target >= next + 16;
}

/* Which code segment, and where in it. */
static void place(struct rng *r, const struct oracle_form *f, bool code32, struct oracle_insn *out)
{
    bool may_be_small = f->kind == KIND_JUMP || f->kind == KIND_JUMP_RM || f->kind == KIND_RET;

    out->code32 = code32;
    out->eip = 0x1000 + rng_below(r, 0x800);
    out->cs = HOST_SELECTOR(code32 ? HOST_CODE32 : HOST_CODE16);
    if (may_be_small && rng_one_in(r, 8)) {
        out->cs = HOST_SELECTOR(code32 ? SLOT_CODE_SMALL32 : SLOT_CODE_SMALL16);
        if (rng_one_in(r, 2)) /* short jumps reach its limit */
            out->eip = oracle_slots[SLOT_CODE_SMALL32].limit - 0x70 + rng_below(r, 0x40);
    } else if (rng_one_in(r, 16)) {
        out->eip = 0xff00 + rng_below(r, 0x80);
    }
}

bool oracle_make_insn(struct rng *r, const struct oracle_form *form, bool code32, uint32_t features,
                      struct oracle_insn *out)
{
    for (unsigned i = 0; i < TRIES; i++) {
        struct writer w = {.r = r, .form = form, .code32 = code32};
        bool is_ud;

        put_prefixes(&w);
        if (form->row->map != MAP_1B)
            put(&w, 0x0f, 1);
        put(&w, form->row->modrm_kind == MODRM_PLUS_R ? form->row->opcode | rng_below(r, 8) : form->row->opcode, 1);
        put_modrm(&w);
        put_immediates(&w);
        if (w.len > MAX_LEN || decode_insn(&out->in, w.bytes, w.len, code32, features) != DECODE_OK)
            continue;
        /* LOCK where it is not allowed decodes to no row at all. */
        is_ud = out->in.row == ISA_ROW_UD && memchr(w.bytes, 0xf0, w.len) && form->allows_lock_ud;
        if ((out->in.row != form->row_index && !is_ud) || (out->in.len != w.len && !is_ud))
            continue;
        memcpy(out->bytes, w.bytes, w.len);
        out->len = (uint8_t)w.len;
        place(r, form, code32, out);
        if (is_ud || target_is_safe(form, out))
            return true;
    }
    return false;
}
