/*
 * Registers, segments and memory for an instruction: mostly such that it completes, sometimes such that it just does
 * not.
 *
 * The effective address is chosen first and the address registers are solved for it. Every choice is random, so the
 * rare cases (limits, pages, alignment, null and absent segments) come by themselves and combine.
 */
#include <string.h>

#include "tests/insn/oracle.h"
#include "tests/insn/oracle_values.h"

enum { TRIES = 40, STACK_SPAN = 320, AREA_MARGIN = 16 };

struct maker {
    struct oracle_machine *m;
    struct rng *r;
    const struct oracle_form *form;
    const struct oracle_insn *insn;
    struct oracle_case *out;
    struct host_state *s;
    uint32_t operand_offset;
    bool is_ud; /* LOCK that is not allowed: nothing of the operands is decoded */
};

/* ---- segments ---- */

static uint16_t data_selector(struct maker *k)
{
    static const uint8_t slots[32] = {
        HOST_DATA,  HOST_DATA, HOST_DATA,  HOST_DATA,  HOST_DATA, HOST_DATA, HOST_DATA,  HOST_DATA,
        HOST_DATA,  HOST_DATA, HOST_DATA,  HOST_DATA,  HOST_DATA, HOST_DATA, HOST_DATA,  HOST_DATA,
        SLOT_FLAT,  SLOT_FLAT, SLOT_FLAT,  SLOT_FLAT,  SLOT_FLAT, SLOT_FLAT, SLOT_SMALL, SLOT_SMALL,
        SLOT_SMALL, SLOT_ODD,  SLOT_GUARD, SLOT_GUARD, SLOT_LAST, SLOT_LAST, HOST_DATA,  HOST_DATA,
    };

    if (rng_one_in(k->r, 16)) {
        static const uint8_t odd[4] = {HOST_DATA_RO, HOST_DATA_DOWN, HOST_CODE32, HOST_DATA_DOWN};

        if (rng_one_in(k->r, 6))
            return (uint16_t)rng_below(k->r, 4); /* null */
        return HOST_SELECTOR(odd[rng_below(k->r, 4)]);
    }
    return HOST_SELECTOR(slots[rng_below(k->r, 32)]);
}

static uint16_t stack_selector(struct maker *k)
{
    static const uint8_t odd[8] = {SLOT_STACK_SMALL, SLOT_STACK_SMALL16, SLOT_STACK_DOWN16, SLOT_STACK_DOWN32,
                                   SLOT_STACK_SMALL, SLOT_STACK_SMALL16, SLOT_FLAT,         HOST_DATA};

    if (rng_one_in(k->r, 4))
        return HOST_SELECTOR(odd[rng_below(k->r, 8)]);
    return HOST_SELECTOR(k->insn->code32 != rng_one_in(k->r, 5) ? HOST_STACK32 : HOST_STACK16);
}

/* To be loaded into a segment register: often not allowed. */
static uint16_t any_selector(struct rng *r)
{
    static const uint8_t slots[] = {
        HOST_DATA,    HOST_DATA,
        HOST_DATA,    SLOT_FLAT,
        HOST_STACK32, HOST_STACK16,
        SLOT_SMALL,   SLOT_ODD,
        HOST_DATA_RO, HOST_DATA_DOWN,
        HOST_ABSENT,  HOST_CODE32,
        HOST_CODE16,  SLOT_CODE_ONLY,
        SLOT_EMPTY,   SLOT_CODE_ABSENT,
        SLOT_LAST,    SLOTS,
        SLOTS + 9,    HOST_STACK32,
        HOST_ABSENT,  SLOT_CONFORMING_ABSENT,
    };
    uint16_t selector = HOST_SELECTOR(slots[rng_below(r, sizeof slots)]);

    if (rng_one_in(r, 16))
        return (uint16_t)rng_below(r, 4);
    if (rng_one_in(r, 64))
        return (uint16_t)(rng32(r) | 0x8004 | 3); /* far beyond the LDT */
    return rng_one_in(r, 8) ? (uint16_t)((selector & ~3u) | rng_below(r, 4)) : selector;
}

static uint16_t any_code_selector(struct rng *r)
{
    static const uint8_t slots[] = {HOST_CODE32,       HOST_CODE16,       HOST_CODE32,      HOST_CODE16,
                                    SLOT_CODE_SMALL32, SLOT_CODE_SMALL16, SLOT_CODE_ABSENT, SLOT_CONFORMING_ABSENT};

    return rng_one_in(r, 4) ? any_selector(r) : HOST_SELECTOR(slots[rng_below(r, sizeof slots)]);
}

static unsigned slot_of(uint16_t selector)
{
    return selector >> 3;
}

/* ---- addresses ---- */

/* An offset for `size` bytes in the segment, aligned to `align` (a power of two) if that is not 0. */
static uint32_t pick_offset(struct maker *k, unsigned slot, uint32_t size, uint32_t align)
{
    const struct oracle_slot_info *s = &oracle_slots[slot];
    uint32_t base = oracle_slot_base(k->m, slot), linear;

    if (!s->name)
        return rng32(k->r);
    switch (rng_below(k->r, 64)) {
    case 0: /* limits */
    case 1:
        return s->limit - rng_below(k->r, size + 3) + 1;
    case 2: /* the same, yet aligned */
        return (s->type & 4 ? s->limit : s->limit + 1) & ~(align ? align - 1 : 0);
    case 3:
        return rng_below(k->r, 8) - 4;
    case 4:
    case 5:
        linear = k->m->base[s->window] + WINDOW_RO_PAGE - rng_below(k->r, size + 4) + 2;
        return linear - base;
    case 6:
        linear = k->m->base[s->window] + WINDOW_ABSENT_PAGE - rng_below(k->r, size + 4) + 2;
        return linear - base;
    case 7: /* off an unmapped page, or the end of the window */
        linear = k->m->base[s->window] + (rng_one_in(k->r, 2) ? WINDOW_ABSENT_PAGE + 0x1000 : HOST_WINDOW);
        return linear - rng_below(k->r, size + 4) + 1 - base;
    case 8:
        linear = k->m->base[s->window] + WINDOW_RO_PAGE + rng_below(k->r, 0x2000);
        return (align ? linear & ~(align - 1) : linear) - base;
    case 9:
        return rng32(k->r) & (s->is_wild ? 0 : 0xffff);
    default:
        linear = k->m->base[s->window] + s->middle - 0x80 + rng_below(k->r, 0x100);
        return (align ? linear & ~(align - 1) : linear) - base;
    }
}

/* Sets the address registers so that the effective address is `want`, if it is at all possible. */
static void solve(struct maker *k, uint32_t want)
{
    const struct insn *in = &k->insn->in;
    uint32_t *gpr = k->s->gpr, value, mask = in->addr_mask;
    unsigned which = in->base;

    value = want - in->disp;
    if (in->base == GPR_NONE && in->index == GPR_NONE)
        return;
    if (in->base == GPR_NONE) {
        which = in->index;
        value >>= in->scale;
        if (in->scale && rng_one_in(k->r, 4))
            value |= rng32(k->r) << (32 - in->scale);
    } else if (in->base == in->index) {
        if (in->scale == 0) {
            value >>= 1;
        } else { /* the inverse of 3, 5 or 9 modulo 2^32 */
            static const uint32_t inverse[4] = {0, 0xaaaaaaab, 0xcccccccd, 0x38e38e39};

            value *= inverse[in->scale];
        }
    } else if (in->index != GPR_NONE) {
        if (rng_one_in(k->r, 2))
            gpr[in->index] = rng_below(k->r, 0x40);
        value -= gpr[in->index] << in->scale;
    }
    gpr[which] = mask == 0xffff ? (value & 0xffff) | (gpr[which] & 0xffff0000u) : value;
}

static uint32_t effective(const struct maker *k)
{
    const struct insn *in = &k->insn->in;
    const uint32_t *gpr = k->s->gpr;
    uint32_t offset = in->disp;

    if (in->base != GPR_NONE)
        offset += gpr[in->base];
    if (in->index != GPR_NONE)
        offset += gpr[in->index] << in->scale;
    return offset & in->addr_mask;
}

static bool is_locked(const struct maker *k)
{
    return k->insn->in.has_lock || (!strcmp(k->form->row->name, "XCHG") && k->form->is_mem);
}

static uint32_t natural_alignment(const struct maker *k, uint32_t size)
{
    if (is_locked(k) && !rng_one_in(k->r, 8))
        return size > 4 ? 8 : size;
    if (k->form->row->checks & ALIGN16 || size >= 512)
        return rng_one_in(k->r, 12) ? 0 : 16;
    if (rng_one_in(k->r, 3))
        return 0;
    return size >= 8 ? 8 : size >= 4 ? 4 : size >= 2 ? 2 : 1;
}

/* A wild segment is only good for addresses that stay near our windows. Whether an access that runs past FFFFFFFF wraps
 * or faults is the processor's choice, SDM vol. 3 "Limit Checking". */
static bool address_is_near(const struct maker *k, uint32_t linear)
{
    for (unsigned w = WINDOW_DATA; w < WINDOWS; w++)
        if (linear - k->m->base[w] + 0x8000 < HOST_WINDOW + 0x10000)
            return true;
    return linear >= 0x100 && linear < 0xff00; /* nothing is mapped there */
}

static void tame(struct maker *k, unsigned seg, uint32_t offset)
{
    unsigned slot = slot_of(k->s->sel[seg]);

    if (oracle_slots[slot].is_wild &&
        (offset > 0u - 1024 || !address_is_near(k, oracle_slot_base(k->m, slot) + offset)))
        k->s->sel[seg] =
            seg == SS ? HOST_SELECTOR(k->insn->code32 ? HOST_STACK32 : HOST_STACK16) : HOST_SELECTOR(HOST_DATA);
}

static uint32_t linear_of(const struct maker *k, unsigned seg, uint32_t offset)
{
    return oracle_slot_base(k->m, slot_of(k->s->sel[seg])) + offset;
}

/* ---- implicit operands ---- */

static void set_masked(uint32_t *reg, uint32_t value, uint32_t mask)
{
    *reg = (*reg & ~mask) | (value & mask);
}

static uint32_t stack_mask(const struct maker *k)
{
    return oracle_slots[slot_of(k->s->sel[SS])].big ? 0xffffffffu : 0xffffu;
}

static void set_stack_pointer(struct maker *k, unsigned reg, uint32_t size)
{
    uint32_t offset = pick_offset(k, slot_of(k->s->sel[SS]), size, rng_one_in(k->r, 6) ? 0 : 4);

    set_masked(&k->s->gpr[reg], offset, stack_mask(k));
}

static void set_string(struct maker *k)
{
    const struct insn *in = &k->insn->in;
    uint32_t *gpr = k->s->gpr, size = k->form->row->opcode & 1 ? (k->form->opsize32 ? 4 : 2) : 1, count;
    uint32_t align = rng_one_in(k->r, 3) ? 0 : size;

    switch (rng_below(k->r, 16)) {
    case 0:
    case 1:
        count = 0;
        break;
    case 2:
        count = 64 + rng_below(k->r, 100);
        break;
    default:
        count = 1 + rng_below(k->r, 20);
        break;
    }
    set_masked(&gpr[ECX], count, in->addr_mask);
    set_masked(&gpr[ESI], pick_offset(k, slot_of(k->s->sel[in->seg]), size, align), in->addr_mask);
    set_masked(&gpr[EDI], pick_offset(k, slot_of(k->s->sel[ES]), size, align), in->addr_mask);
    if (in->rep && rng_one_in(k->r, 400) && !oracle_slots[slot_of(k->s->sel[in->seg])].is_wild &&
        !oracle_slots[slot_of(k->s->sel[ES])].is_wild) { /* until something is in the way */
        set_masked(&gpr[ECX], rng32(k->r), in->addr_mask);
        k->out->all_memory = true;
    }
    tame(k, in->seg, gpr[ESI] & in->addr_mask);
    tame(k, ES, gpr[EDI] & in->addr_mask);
}

/* Runs of equal bytes, so that comparisons go on for a while. */
static void poke_string(struct maker *k)
{
    const struct insn *in = &k->insn->in;
    const uint32_t *gpr = k->s->gpr;
    uint32_t size = k->form->row->opcode & 1 ? (k->form->opsize32 ? 4 : 2) : 1;
    uint32_t count = gpr[ECX] & in->addr_mask, span = (in->rep && count < 200 ? count + 2 : 2) * size;
    uint32_t from = linear_of(k, in->seg, gpr[ESI] & in->addr_mask), to = linear_of(k, ES, gpr[EDI] & in->addr_mask);
    uint8_t bytes[1700], fill = rng_one_in(k->r, 2) ? (uint8_t)gpr[EAX] : (uint8_t)rng32(k->r);

    if (span > sizeof bytes / 2)
        span = sizeof bytes / 2;
    memset(bytes, fill, sizeof bytes);
    for (unsigned i = rng_below(k->r, 4); i; i--)
        bytes[rng_below(k->r, 2 * span)] = (uint8_t)rng32(k->r);
    oracle_touch(k->m, k->out, from - span, 2 * span);
    oracle_touch(k->m, k->out, to - span, 2 * span);
    if (k->out->all_memory)
        return; /* what is there already will do */
    oracle_poke(k->m, from - span, bytes, 2 * span);
    if (rng_one_in(k->r, 2)) /* differing after a few */
        bytes[rng_below(k->r, 2 * span)] ^= 1;
    oracle_poke(k->m, to - span, bytes, 2 * span);
}

/* ---- values ---- */

static uint32_t any_target(struct maker *k)
{
    switch (rng_below(k->r, 8)) {
    case 0:
        return rng32(k->r);
    case 1:
        return rng32(k->r) & 0xffff;
    case 2:
        return 0xfff8 + rng_below(k->r, 16);
    default:
        return rng_below(k->r, 0x4000);
    }
}

/* Running into the instruction itself or the executor's jump behind it would be another experiment. */
static bool target_is_safe(const struct maker *k, uint32_t target)
{
    uint32_t next = k->insn->eip + k->insn->len;

    if (!k->form->opsize32)
        target &= 0xffff;
    return target < k->insn->eip || target >= next + 16;
}

/* What the guest will read there, 0 where nothing of ours is. The instruction itself may not have been loaded yet. */
static uint32_t peek32(const struct maker *k, uint32_t linear)
{
    uint32_t value = 0, offset;
    unsigned window;

    for (unsigned i = 0; i < 4; i++)
        if (oracle_window_of(k->m, linear + i, &window, &offset)) {
            bool is_insn = window == WINDOW_CODE && offset - k->insn->eip < k->insn->len;

            value |= (uint32_t)(is_insn ? k->insn->bytes[offset - k->insn->eip] : k->m->guest[window][offset]) << 8 * i;
        }
    return value;
}

static void write_operand(struct maker *k, uint8_t *bytes, uint32_t len)
{
    unsigned operand_size = k->form->opsize32 ? 4 : 2;
    uint32_t x = 0;

    value_bytes(k->r, k->form->data, bytes, len);
    if (k->form->set == SET_INTEGER && len <= 4 && rng_one_in(k->r, 8)) { /* something to do with the other operand */
        uint32_t other = rng_one_in(k->r, 2) ? k->s->gpr[k->insn->in.reg] : k->insn->in.imm;
        uint32_t related[4] = {other, 0u - other, ~other, 0};

        memcpy(bytes, &related[rng_below(k->r, 4)], len);
    }
    if (k->form->set == SET_SIMD && len <= 16 && rng_one_in(k->r, 6)) { /* close to the register operand */
        memcpy(bytes, k->s->fx + (k->form->row->checks & SSE_NM ? 160 : 32) + 16 * k->insn->in.reg, len);
        value_vary(k->r, bytes, len);
    }
    switch (k->form->kind) {
    case KIND_DIVIDE:
        if (rng_one_in(k->r, 3)) {
            x = rng_below(k->r, 20);
            memcpy(bytes, &x, len);
        }
        break;
    case KIND_COMPARE:
        if (rng_one_in(k->r, 2))
            memcpy(bytes, &k->s->gpr[EAX], len);
        break;
    case KIND_COMPARE8:
        if (rng_one_in(k->r, 2)) {
            memcpy(bytes, &k->s->gpr[EAX], 4);
            memcpy(bytes + 4, &k->s->gpr[EDX], 4);
        }
        break;
    case KIND_BOUND:
        if (rng_one_in(k->r, 2)) {
            uint32_t index = k->s->gpr[k->insn->in.reg], low = index - rng_below(k->r, 2),
                     high = index + rng_below(k->r, 2);

            memcpy(bytes, &low, operand_size);
            memcpy(bytes + operand_size, &high, operand_size);
        }
        break;
    case KIND_JUMP_RM:
        x = any_target(k);
        memcpy(bytes, &x, len);
        break;
    case KIND_FAR_MEM:
        x = any_target(k);
        memcpy(bytes, &x, operand_size);
        x = any_code_selector(k->r);
        memcpy(bytes + operand_size, &x, 2);
        break;
    case KIND_SREG:
    case KIND_SELECTOR:
        x = any_selector(k->r);
        memcpy(bytes, &x, 2);
        break;
    case KIND_FAR_LOAD:
        x = any_selector(k->r);
        memcpy(bytes + operand_size, &x, 2);
        break;
    case KIND_LDMXCSR:
        x = value_mxcsr(k->r);
        if (rng_one_in(k->r, 16)) /* reserved, but for AMD's bit 17 */
            x |= rng32(k->r) & 0xfffd0000u;
        memcpy(bytes, &x, 4);
        break;
    case KIND_FLDCW:
        x = value_fcw(k->r) | (rng_one_in(k->r, 4) ? rng32(k->r) & 0xe0c0 : 0);
        memcpy(bytes, &x, 2);
        break;
    case KIND_FXRSTOR:
        value_fx(k->r, DATA_INT, true, bytes);
        if (rng_one_in(k->r, 16)) {
            memcpy(&x, bytes + 24, 4);
            x |= rng32(k->r) & 0xfffd0000u;
            memcpy(bytes + 24, &x, 4);
        }
        break;
    case KIND_X87_LOAD:
        x = value_fcw(k->r);
        memcpy(bytes, &x, 2);
        if (!rng_one_in(k->r, 8)) { /* no exception pending */
            x = rng32(k->r) & 0x7f00 & (rng_one_in(k->r, 2) ? ~0u : 0x7f7f);
            memcpy(bytes + operand_size, &x, 2);
        }
        break;
    case KIND_BCD:
        value_bcd(k->r, bytes);
        break;
    default:
        break;
    }
}

static void write_stack(struct maker *k)
{
    uint32_t at = linear_of(k, SS, k->s->gpr[ESP] & stack_mask(k)), x[3];
    unsigned item = k->form->opsize32 ? 4 : 2;

    switch (k->form->kind) {
    case KIND_RET:
        x[0] = any_target(k);
        oracle_poke(k->m, at, &x[0], item);
        break;
    case KIND_FAR_RET:
        x[0] = any_target(k);
        x[1] = any_code_selector(k->r) | (rng32(k->r) & 0xffff0000u);
        x[2] = rng32(k->r) & ~(uint32_t)EFLAGS_TF;
        for (unsigned i = 0; i < 3; i++)
            oracle_poke(k->m, at + i * item, &x[i], item);
        break;
    case KIND_POPF:
        x[0] = rng32(k->r) & ~(uint32_t)EFLAGS_TF;
        oracle_poke(k->m, at, &x[0], item);
        break;
    case KIND_POP_SREG:
        x[0] = any_selector(k->r) | (rng32(k->r) & 0xffff0000u);
        oracle_poke(k->m, at, &x[0], item);
        break;
    default:
        value_bytes(k->r, DATA_INT, x, 4);
        oracle_poke(k->m, at, &x[0], item);
        break;
    }
}

static bool is_address_register(const struct maker *k, unsigned reg)
{
    return k->form->is_mem && (k->insn->in.base == reg || k->insn->in.index == reg);
}

/* Register operands whose value matters, where they are free. */
static void set_registers(struct maker *k)
{
    const struct insn *in = &k->insn->in;
    uint32_t *gpr = k->s->gpr;

    switch (k->form->kind) {
    case KIND_SHIFT:
        if (!is_address_register(k, ECX) && !rng_one_in(k->r, 4))
            set_masked(&gpr[ECX], rng_one_in(k->r, 3) ? rng_below(k->r, 3) : rng_below(k->r, 66), 0xff);
        break;
    case KIND_BIT:
        if (!is_address_register(k, in->reg) && !rng_one_in(k->r, 6))
            gpr[in->reg] = rng_below(k->r, 512) - 256;
        break;
    case KIND_SREG:
    case KIND_SELECTOR:
        if (!k->form->is_mem)
            gpr[in->rm] = any_selector(k->r) | (gpr[in->rm] & 0xffff0000u);
        break;
    case KIND_JUMP_RM:
        if (!k->form->is_mem && !(k->form->uses_stack && in->rm == ESP))
            gpr[in->rm] = any_target(k);
        break;
    case KIND_COMPARE:
        if (!k->form->is_mem && rng_one_in(k->r, 2))
            gpr[in->rm] = gpr[EAX];
        break;
    case KIND_DIVIDE: { /* quotients that fit, as often as not */
        uint32_t k3 = rng_below(k->r, 4);

        if (!k->form->is_mem && rng_one_in(k->r, 4) && k->form->row->modrm_kind != MODRM_NONE)
            gpr[in->rm] = rng_below(k->r, 20);
        if (k3 && !is_address_register(k, EDX) && (k->form->is_mem || in->rm != EDX))
            gpr[EDX] = k3 == 1 ? 0 : k3 == 2 ? (uint32_t)((int32_t)gpr[EAX] >> 31) : rng_below(k->r, 20) - 10;
        if (k3 && !(k->form->row->opcode & 1) && !is_address_register(k, EAX)) /* AH:AL */
            set_masked(&gpr[EAX], k3 == 2 ? (uint32_t)(int32_t)(int8_t)gpr[EAX] : rng_below(k->r, 0x200), 0xffff);
        break;
    }
    default:
        if (k->form->row->map == MAP_1B && k->form->row->opcode >= 0xe0 && k->form->row->opcode <= 0xe3)
            set_masked(&gpr[ECX], rng_below(k->r, 3), in->addr_mask); /* LOOP, JCXZ */
        break;
    }
}

/* ---- the memory operand ---- */

/* BT and friends: the address after the bit offset has moved it. */
static uint32_t bit_operand(const struct maker *k, uint32_t offset)
{
    uint32_t bit = k->s->gpr[k->insn->in.reg];

    if (!k->form->opsize32)
        return (offset + (uint32_t)((int32_t)(int16_t)bit >> 4) * 2) & k->insn->in.addr_mask;
    return (offset + (uint32_t)((int32_t)bit >> 5) * 4) & k->insn->in.addr_mask;
}

static void set_memory_operand(struct maker *k, uint32_t size)
{
    const struct insn *in = &k->insn->in;
    uint32_t align = natural_alignment(k, size), want;
    uint8_t bytes[512];

    if (in->addr_mask == 0xffff && slot_of(k->s->sel[in->seg]) == SLOT_FLAT && !rng_one_in(k->r, 8))
        k->s->sel[in->seg] = HOST_SELECTOR(HOST_DATA);
    want = pick_offset(k, slot_of(k->s->sel[in->seg]), size, align);
    if (is_locked(k)) { /* a lock across cache lines costs a fraction of a millisecond */
        uint32_t in_line = linear_of(k, in->seg, want) & 63;

        if (in_line + size > 64)
            want -= in_line + size - 64;
    }
    if (k->form->kind == KIND_BIT)
        want -= bit_operand(k, 0);
    if (k->form->kind == KIND_XLAT) {
        set_masked(&k->s->gpr[EBX], want - (k->s->gpr[EAX] & 0xff), in->addr_mask);
        want = (k->s->gpr[EBX] + (k->s->gpr[EAX] & 0xff)) & in->addr_mask;
    } else if (k->form->kind == KIND_MASKMOV) {
        set_masked(&k->s->gpr[EDI], want, in->addr_mask);
        want = k->s->gpr[EDI] & in->addr_mask;
    } else {
        solve(k, want);
        set_registers(k);
        want = effective(k);
        if (k->form->kind == KIND_BIT)
            want = bit_operand(k, want);
    }
    tame(k, in->seg, want);
    k->operand_offset = want;
    k->out->operand = linear_of(k, in->seg, want);
    k->out->operand_bytes = size;
    oracle_touch(k->m, k->out, k->out->operand - AREA_MARGIN, size + 2 * AREA_MARGIN);
    write_operand(k, bytes, size);
    oracle_poke(k->m, k->out->operand, bytes, size);
}

/* ---- the whole state ---- */

static void set_fpu(struct maker *k)
{
    const struct isa_row *row = k->form->row;
    bool may_be_pending = rng_one_in(k->r, 20);

    if (k->form->set == SET_INTEGER)
        return;
    value_fx(k->r, k->form->data, may_be_pending, k->s->fx);
    if (row->checks & MMX_NM && !rng_one_in(k->r, 8)) /* MMX registers hold what XMM registers may hold */
        for (unsigned i = 0; i < 8; i++)
            value_bytes(k->r, k->form->data, k->s->fx + 32 + 16 * i, 8);
}

static void set_flags(struct maker *k)
{
    uint32_t x = rng32(k->r), flags = EFLAGS_FIXED | EFLAGS_IF | (x & (EFLAGS_OSZAPC | EFLAGS_DF));

    if (rng_one_in(k->r, 8))
        flags |= EFLAGS_NT;
    if (rng_one_in(k->r, 4))
        flags |= EFLAGS_ID;
    if (rng_one_in(k->r, 16))
        flags |= EFLAGS_AC;
    if (k->form->kind == KIND_FAR_RET) /* IRET with NT is a task switch */
        flags &= ~(uint32_t)EFLAGS_NT;
    k->s->eflags = flags;
}

/* Item n of the operand, of the stack, with addresses that wrap. */
static uint32_t operand_item(const struct maker *k, unsigned n)
{
    const struct insn *in = &k->insn->in;

    return peek32(k, linear_of(k, in->seg, (k->operand_offset + n * (k->form->opsize32 ? 4 : 2)) & in->addr_mask));
}
static uint32_t stack_item(const struct maker *k, unsigned n)
{
    return peek32(k, linear_of(k, SS, (k->s->gpr[ESP] + n * (k->form->opsize32 ? 4 : 2)) & stack_mask(k)));
}

/* The host's GDT is not ours. */
static bool selector_is_safe(uint32_t selector)
{
    selector &= 0xffff;
    return selector & 4 || selector < 4 || selector >= 0x100;
}

/* What the instruction would take from memory as a target, a selector or flags must not lead it astray. */
static bool outcome_is_safe(const struct maker *k)
{
    switch (k->form->kind) {
    case KIND_JUMP_RM:
        return target_is_safe(k, k->form->is_mem ? operand_item(k, 0) : k->s->gpr[k->insn->in.rm]);
    case KIND_SREG:
    case KIND_SELECTOR:
        return selector_is_safe(k->form->is_mem ? operand_item(k, 0) : k->s->gpr[k->insn->in.rm]);
    case KIND_FAR_LOAD:
        return selector_is_safe(operand_item(k, 1));
    case KIND_FAR_MEM:
        return target_is_safe(k, operand_item(k, 0)) && selector_is_safe(operand_item(k, 1));
    case KIND_RET:
        return target_is_safe(k, stack_item(k, 0));
    case KIND_FAR_RET:
        return target_is_safe(k, stack_item(k, 0)) && selector_is_safe(stack_item(k, 1)) &&
               !(stack_item(k, 2) & EFLAGS_TF);
    case KIND_POPF:
        return !(stack_item(k, 0) & EFLAGS_TF);
    case KIND_POP_SREG:
        return selector_is_safe(stack_item(k, 0));
    default:
        return true;
    }
}

static void make(struct maker *k)
{
    const struct insn *in = &k->insn->in;
    struct host_state *s = k->s;
    bool has_operand = !k->is_ud && ((k->form->is_mem && k->form->mem_bytes) || k->form->kind == KIND_XLAT ||
                                     k->form->kind == KIND_MASKMOV || (in->is_mem && k->form->mem_bytes));

    k->out->n_regions = 0;
    k->out->operand_bytes = 0;
    k->out->all_memory = false;
    for (unsigned i = 0; i < 8; i++)
        s->gpr[i] = value_int(k->r);
    if (rng_one_in(k->r, 24)) /* all alike */
        for (unsigned i = 0; i < 8; i++)
            s->gpr[i] = i % 2 && rng_one_in(k->r, 2) ? 0u - s->gpr[0] : rng_one_in(k->r, 2) ? s->gpr[0] : 0;
    set_flags(k);
    s->eip = k->insn->eip;
    s->sel[CS] = k->insn->cs;
    s->sel[SS] = stack_selector(k);
    s->sel[DS] = data_selector(k);
    s->sel[ES] = data_selector(k);
    s->sel[FS] = data_selector(k);
    s->sel[GS] = data_selector(k);
    set_fpu(k);
    if (k->is_ud)
        return;

    if (k->form->uses_stack) {
        set_stack_pointer(k, ESP, 8);
        if (k->form->kind == KIND_FRAME)
            set_stack_pointer(k, EBP, 8);
    }
    if (k->form->kind == KIND_STRING)
        set_string(k);
    if (has_operand)
        set_memory_operand(k, k->form->kind == KIND_MASKMOV ? 16 : k->form->mem_bytes);
    else
        set_registers(k);
    if (k->form->uses_stack) {
        uint32_t mask = stack_mask(k);

        tame(k, SS, s->gpr[ESP] & mask);
        if (k->form->kind == KIND_FRAME)
            tame(k, SS, s->gpr[EBP] & mask);
        mask = stack_mask(k);
        oracle_touch(k->m, k->out, linear_of(k, SS, s->gpr[ESP] & mask) - STACK_SPAN, 2 * STACK_SPAN);
        if (k->form->kind == KIND_FRAME)
            oracle_touch(k->m, k->out, linear_of(k, SS, s->gpr[EBP] & mask) - STACK_SPAN, 2 * STACK_SPAN);
        write_stack(k);
    }
    if (k->form->kind == KIND_STRING)
        poke_string(k);
}

bool oracle_make_state(struct oracle_machine *m, struct rng *r, const struct oracle_form *form,
                       const struct oracle_insn *insn, struct oracle_case *out)
{
    struct maker k = {.m = m, .r = r, .form = form, .insn = insn, .out = out, .s = &out->state};

    out->form = form;
    out->insn = insn;
    host_state_init(&out->state, insn->code32);
    k.is_ud = insn->in.row == ISA_ROW_UD;
    for (unsigned i = 0; i < TRIES; i++) {
        make(&k);
        if (k.is_ud || outcome_is_safe(&k))
            return true;
        oracle_restore(m, out);
    }
    return false;
}
