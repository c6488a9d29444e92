/*
 * The IR interpreter. The meaning of each operation is stated here in C; ir.def says which flags have a defined value.
 * Where the processor leaves a flag undefined, it gets what the guest interpreter gives it.
 * Source: SDM vol. 2A-2D, the page of the instruction that an operation is named after.
 */
#include "translator/ir_run.h"

#include "frontend/x86/flags.h"
#include "frontend/x86/fpu.h"
#include "frontend/x86/lower.h"
#include "frontend/x86/simd.h"
#include "translator/ir_helpers.h"

#define ALWAYS_INLINE static inline __attribute__((always_inline))

struct run {
    struct cpu *cpu;
    const uint16_t *offset;
    const struct insn *insn;
    uint32_t page_eip, eip_mask;
    const bool *alive;
    uint32_t temp[2], imm, none; /* `imm` is the running operation's, `none` is 0 */
    uint8_t *place[IR_NONE + 1]; /* of each operand, by enum ir_ref; MEM: what the last MAP found */
};

/* ---- operands. Guest and host are both little-endian. ---- */

static void find_places(struct run *r)
{
    for (unsigned i = 0; i < 8; i++)
        r->place[IR_EAX + i] = (uint8_t *)&r->cpu->gpr[i];
    for (unsigned i = 0; i < 4; i++)
        r->place[IR_AH + i] = (uint8_t *)&r->cpu->gpr[i] + 1;
    r->place[IR_T0] = (uint8_t *)&r->temp[0];
    r->place[IR_T1] = (uint8_t *)&r->temp[1];
    r->place[IR_MEM] = NULL;
    r->place[IR_IMM] = (uint8_t *)&r->imm;
    r->place[IR_NONE] = (uint8_t *)&r->none;
}

ALWAYS_INLINE uint32_t load(const uint8_t *p, unsigned width)
{
    uint32_t value;
    uint16_t half;

    if (width == 4) {
        memcpy(&value, p, 4);
        return value;
    }
    if (width == 1)
        return *p;
    memcpy(&half, p, 2);
    return half;
}
ALWAYS_INLINE void store(uint8_t *p, uint32_t value, unsigned width)
{
    if (width == 4)
        memcpy(p, &value, 4);
    else if (width == 1)
        *p = (uint8_t)value;
    else
        memcpy(p, &value, 2);
}

ALWAYS_INLINE uint32_t width_mask(unsigned width)
{
    return 0xffffffffu >> (32 - 8 * width);
}
/* `src` as the operation's width has it, zero-extended. */
ALWAYS_INLINE uint32_t source(const struct run *r, const struct ir_op *op)
{
    return load(r->place[op->src], op->width);
}
ALWAYS_INLINE uint32_t bit_of(uint64_t value, unsigned n)
{
    return (uint32_t)(value >> n) & 1;
}

ALWAYS_INLINE uint32_t address_offset(const struct run *r, const struct ir_op *op)
{
    const uint32_t offset = r->imm + load(r->place[op->base], 4) + (load(r->place[op->index], 4) << op->scale);

    return op->addr16 ? offset & 0xffff : offset;
}

static uint32_t eip_of(const struct run *r, uint32_t offset)
{
    return (r->page_eip + offset) & r->eip_mask;
}

/* ---- helpers ---- */

/* What a block takes for granted about x87 and SSE once it has lowered such instructions (x86_mode.x87_native,
 * sse_native): which exceptions are masked, and whether one is pending. */
static uint32_t unit_state(const struct cpu *cpu)
{
    return (cpu->fpu.control & FPU_CW_MASKS) | (uint32_t)(cpu->fpu.status & FPU_SW_ES) << 8 |
           (cpu->fpu.mxcsr & MXCSR_MASKS) << 16;
}

/* The interpreter does the operation's guest instruction. True if the block goes on with the next one. */
static bool callout(struct run *r, const struct ir_op *op)
{
    const struct insn *in = &r->insn[op->insn];
    const uint32_t unit = unit_state(r->cpu);
    uint32_t eip = eip_of(r, r->offset[op->insn]);

    return ir_helper_call(IR_HELPER_CALLOUT, (void *[]){&r->cpu, &in, &eip}) && *r->alive &&
           unit_state(r->cpu) == unit; /* FLDCW, LDMXCSR */
}

/* Finds host memory for the access; false if it is the interpreter's. */
static bool map(struct run *r, const struct ir_op *op)
{
    const uint32_t offset = address_offset(r, op), last = op->width - 1u;
    const lin_addr address = r->cpu->seg[op->seg].base + offset;
    const struct tlb_entry *e = tlb_slot(&r->cpu->mmu, address, r->cpu->view);
    const uint32_t tag = op->arg == IR_READ ? e->read_tag : e->write_tag;
    const struct segment *seg = &r->cpu->seg[op->seg];
    const uint32_t end = op->arg == IR_READ ? seg->fast_read_end : seg->fast_write_end;

    if (offset > (op->addr16 ? 0xffffu : 0xffffffffu) - last) /* wraps within the segment */
        return false;
    if (!end || (seg->limit != 0xffffffff && offset >= end))
        return false;
    if (op->align && address & (op->align - 1u))
        return false;
    if (tag != MMU_TAG_OF(address, op->width))
        return false;
    r->place[IR_MEM] = (uint8_t *)(address + e->addend);
    return true;
}

/* ---- arithmetic ---- */

ALWAYS_INLINE uint32_t arithmetic(struct cpu *cpu, unsigned opcode, uint32_t a, uint32_t b, unsigned bits)
{
    uint32_t result;

    switch (opcode) {
    case IR_ADD:
        result = a + b;
        flags_add(cpu, a, b, result, bits);
        return result;
    case IR_ADC:
        result = a + b + flag_cf(cpu);
        flags_add(cpu, a, b, result, bits);
        return result;
    case IR_SBB:
        result = a - b - flag_cf(cpu);
        flags_sub(cpu, a, b, result, bits);
        return result;
    case IR_SUB:
    case IR_CMP:
        result = a - b;
        flags_sub(cpu, a, b, result, bits);
        return result;
    case IR_OR:
        result = a | b;
        break;
    case IR_XOR:
        result = a ^ b;
        break;
    default: /* AND, TEST */
        result = a & b;
        break;
    }
    flags_logic(cpu, result, bits);
    return result;
}

/* INC, DEC: CF stays. */
ALWAYS_INLINE uint32_t step(struct cpu *cpu, unsigned opcode, uint32_t a, unsigned bits)
{
    const bool cf = flag_cf(cpu);
    const uint32_t result = arithmetic(cpu, opcode == IR_INC ? IR_ADD : IR_SUB, a, 1, bits);

    flags_set_cf(cpu, cf);
    return result;
}

/* ---- shifts; `count` is 1..31. OF is what the formula for a count of 1 gives. ---- */

static uint32_t top_bits_differ(uint32_t result, unsigned bits)
{
    return bit_of(result ^ (uint64_t)result << 1, bits - 1);
}

static uint32_t rotate(struct cpu *cpu, unsigned opcode, uint32_t a, unsigned count, unsigned bits)
{
    const bool through_carry = opcode == IR_RCL || opcode == IR_RCR;
    const unsigned ring = bits + through_carry; /* CF is one bit more on top */
    uint64_t value = a | (through_carry ? (uint64_t)flag_cf(cpu) << bits : 0);
    uint32_t result, cf, top;

    count %= ring;
    if (opcode == IR_ROR || opcode == IR_RCR)
        count = (ring - count) % ring;
    value = value << count | value >> (ring - count);
    result = (uint32_t)value & width_mask(bits / 8);
    top = bit_of(result, bits - 1);
    switch (opcode) {
    case IR_ROL:
        cf = result & 1;
        flags_set_cf_of(cpu, cf, cf ^ top);
        break;
    case IR_RCL:
        cf = bit_of(value, bits);
        flags_set_cf_of(cpu, cf, cf ^ top);
        break;
    default:
        cf = opcode == IR_ROR ? top : bit_of(value, bits);
        flags_set_cf_of(cpu, cf, top_bits_differ(result, bits));
        break;
    }
    return result;
}

static void shift_flags(struct cpu *cpu, uint32_t result, uint32_t cf, uint32_t of, unsigned bits)
{
    flags_set_result(cpu, result, bits);
    cpu->flag_carry = cf << 31 | (cf ^ of) << 30;
}

static uint32_t shift(struct cpu *cpu, unsigned opcode, uint32_t a, unsigned count, unsigned bits)
{
    uint64_t wide;
    int64_t extended;

    switch (opcode) {
    case IR_SHL:
        wide = (uint64_t)a << count;
        shift_flags(cpu, (uint32_t)wide, bit_of(wide, bits), bit_of(wide ^ wide >> 1, bits - 1), bits);
        return (uint32_t)wide;
    case IR_SHR:
        shift_flags(cpu, a >> count, bit_of(a, count - 1), top_bits_differ(a >> count, bits), bits);
        return a >> count;
    case IR_SAR:
        extended = (int32_t)flags_extend(a, bits);
        shift_flags(cpu, (uint32_t)(extended >> count), bit_of((uint64_t)extended, count - 1), 0, bits);
        return (uint32_t)(extended >> count);
    default:
        return rotate(cpu, opcode, a, count, bits);
    }
}

/* A word shifted by more than 16 goes on with its own bits: undefined by the SDM, done by processors. */
static uint32_t shift_double(struct cpu *cpu, unsigned opcode, uint64_t a, uint64_t b, unsigned count, unsigned bits)
{
    uint64_t string;
    uint32_t result, cf;

    if (opcode == IR_SHLD) {
        string = bits == 16 ? a << 32 | b << 16 | a : a << 32 | b;
        result = (uint32_t)(string << count >> 32);
        cf = bit_of(string, 32 + bits - count);
        shift_flags(cpu, result, cf, cf ^ bit_of(result, bits - 1), bits);
    } else {
        string = bits == 16 ? a << 32 | b << 16 | a : b << 32 | a;
        result = (uint32_t)(string >> count);
        shift_flags(cpu, result, bit_of(string, count - 1), top_bits_differ(result, bits), bits);
    }
    return result;
}

/* ---- bits ---- */

static void bit_operation(struct run *r, const struct ir_op *op)
{
    uint8_t *dst = r->place[op->dst];
    const uint32_t value = load(dst, op->width);
    const uint32_t mask = 1u << (source(r, op) & (8u * op->width - 1));

    if (op->opcode == IR_BTS)
        store(dst, value | mask, op->width);
    else if (op->opcode == IR_BTR)
        store(dst, value & ~mask, op->width);
    else if (op->opcode == IR_BTC)
        store(dst, value ^ mask, op->width);
    flags_set_cf(r->cpu, value & mask);
}

static void bit_scan(struct run *r, const struct ir_op *op)
{
    const uint32_t value = source(r, op);

    if (value)
        store(r->place[op->dst], (uint32_t)(op->opcode == IR_BSF ? __builtin_ctz(value) : 31 - __builtin_clz(value)),
              op->width);
    flags_set_zf(r->cpu, !value);
}

static void population_count(struct run *r, const struct ir_op *op)
{
    const uint32_t value = source(r, op);

    store(r->place[op->dst], (uint32_t)__builtin_popcount(value), op->width);
    r->cpu->flag_zero = value;
    r->cpu->flag_sign = 1; /* SF and PF clear */
    r->cpu->flag_carry = 0;
}

/* ---- multiplication and division: AX, DX:AX, EDX:EAX ---- */

static uint64_t read_double(const struct cpu *cpu, unsigned width)
{
    if (width == 1)
        return cpu->gpr[EAX] & 0xffff;
    return (uint64_t)(cpu->gpr[EDX] & width_mask(width)) << 8 * width | (cpu->gpr[EAX] & width_mask(width));
}
static void write_double(struct cpu *cpu, uint64_t value, unsigned width)
{
    if (width == 1) {
        store((uint8_t *)&cpu->gpr[EAX], (uint32_t)value, 2);
    } else {
        store((uint8_t *)&cpu->gpr[EAX], (uint32_t)value, width);
        store((uint8_t *)&cpu->gpr[EDX], (uint32_t)(value >> 8 * width), width);
    }
}

static void multiply_flags(struct cpu *cpu, uint64_t product, bool overflow, unsigned bits)
{
    flags_set_result(cpu, (uint32_t)product, bits);
    flags_set_cf_of(cpu, overflow, overflow);
}

static void multiply(struct run *r, const struct ir_op *op)
{
    const unsigned bits = 8u * op->width;
    const uint32_t a = source(r, op), b = r->cpu->gpr[EAX] & width_mask(op->width);
    uint64_t product;

    if (op->opcode == IR_MUL) {
        product = (uint64_t)a * b;
        multiply_flags(r->cpu, product, product >> bits, bits);
    } else {
        const int64_t p = (int64_t)(int32_t)flags_extend(a, bits) * (int32_t)flags_extend(b, bits);

        product = (uint64_t)p;
        multiply_flags(r->cpu, product, p != (int32_t)flags_extend((uint32_t)p, bits), bits);
    }
    write_double(r->cpu, product, op->width);
}

/* IMUL2, IMUL3: only the lower half. */
static void multiply_into(struct run *r, const struct ir_op *op)
{
    const unsigned bits = 8u * op->width;
    const uint32_t b = op->opcode == IR_IMUL3 ? op->imm : load(r->place[op->dst], op->width);
    const int64_t p = (int64_t)(int32_t)flags_extend(source(r, op), bits) * (int32_t)flags_extend(b, bits);

    store(r->place[op->dst], (uint32_t)p, op->width);
    multiply_flags(r->cpu, (uint64_t)p, p != (int32_t)flags_extend((uint32_t)p, bits), bits);
}

/* False if it raises #DE; then nothing has changed. Flags are undefined and stay. */
static bool division(struct run *r, const struct ir_op *op)
{
    const bool is_signed = op->opcode == IR_IDIV;
    const unsigned unused_bits = 64 - 16u * op->width;
    uint64_t dividend = read_double(r->cpu, op->width), result, *result_at = &result;
    uint32_t divisor = source(r, op), width = op->width;

    if (is_signed) {
        dividend = (uint64_t)((int64_t)(dividend << unused_bits) >> unused_bits);
        divisor = flags_extend(divisor, 8 * width);
    }
    if (!ir_helper_call(is_signed ? IR_HELPER_IDIV : IR_HELPER_DIV,
                        (void *[]){&dividend, &divisor, &width, &result_at}))
        return false;
    write_double(r->cpu, result, width);
    return true;
}

static void compare_exchange8(struct run *r)
{
    struct cpu *cpu = r->cpu;
    uint64_t value;

    memcpy(&value, r->place[IR_MEM], 8);
    flags_set_zf(cpu, value == read_double(cpu, 4));
    if (value == read_double(cpu, 4))
        memcpy(r->place[IR_MEM], &(uint64_t){(uint64_t)cpu->gpr[ECX] << 32 | cpu->gpr[EBX]}, 8);
    else
        write_double(cpu, value, 4);
}

/* ---- flags as data ---- */

static void load_ah(struct cpu *cpu)
{
    const uint32_t flags = cpu_get_eflags(cpu);

    store((uint8_t *)&cpu->gpr[EAX] + 1, flags, 1);
}

/* ---- the virtual processor's system state ---- */

static bool event_is_pending(const struct cpu *cpu)
{
    return atomic_load_explicit(&cpu->events, memory_order_relaxed) != 0;
}

static bool set_interrupt_flag(struct cpu *cpu)
{
    if (event_is_pending(cpu))
        return false;
    cpu->eflags |= EFLAGS_IF;
    return true;
}

static bool pop_flags(struct cpu *cpu, uint32_t value, unsigned width, bool is_iret)
{
    const uint32_t flags = x86_popf_flags(cpu_is_pm(cpu), cpu_is_v86(cpu), cpu->cpl, cpu_iopl(cpu), width);

    if ((value ^ cpu->eflags) & flags & ~(uint32_t)EFLAGS_IF || ((flags & EFLAGS_IF) && event_is_pending(cpu)))
        return false;
    cpu_set_eflags(cpu, value, (flags & EFLAGS_IF) | EFLAGS_OSZAPC);
    if (is_iret)
        cpu->nmi_blocked = false;
    return true;
}

static bool read_tsc(struct run *r)
{
    if (r->cpu->cpl != 0 && (r->cpu->cr4 & CR4_TSD))
        return false;
    write_double(r->cpu, ir_helper_call(IR_HELPER_TSC, (void *[]){&r->cpu}), 4);
    return true;
}

/* ---- the loop ---- */

/* Operations that go on with the next one. False if this is none, or the guest interpreter has to do it. */
ALWAYS_INLINE bool run_plain(struct run *r, const struct ir_op *op)
{
    struct cpu *cpu = r->cpu;
    const unsigned width = op->width, bits = 8 * width;
    uint8_t *dst = r->place[op->dst];
    unsigned count;
    uint32_t a;

    switch (op->opcode) {
    case IR_MOV:
        store(dst, source(r, op), width);
        break;
    case IR_MOVZX:
        store(dst, load(r->place[op->src], op->arg), width);
        break;
    case IR_MOVSX:
        store(dst, flags_extend(load(r->place[op->src], op->arg), 8u * op->arg), width);
        break;
    case IR_XCHG:
        a = load(dst, width);
        store(dst, source(r, op), width);
        store(r->place[op->src], a, width);
        break;
    case IR_LEA:
        store(dst, address_offset(r, op), width);
        break;
    case IR_BSWAP:
        store(dst, __builtin_bswap32(load(dst, 4)), 4);
        break;
    case IR_SARX:
        store(dst, (uint32_t)((int32_t)source(r, op) >> (op->imm & 31)), 4);
        break;
    case IR_SIGN:
        store(dst, bit_of(source(r, op), bits - 1) ? 0xffffffffu : 0, width);
        break;
    case IR_EIP:
        store(dst, eip_of(r, op->imm), width);
        break;
    case IR_EFLAGS:
        store(dst, cpu_get_eflags(cpu) & ~(uint32_t)(EFLAGS_VM | EFLAGS_RF), width);
        break;
    case IR_CLD:
        cpu->eflags &= ~(uint32_t)EFLAGS_DF;
        break;
    case IR_STD:
        cpu->eflags |= EFLAGS_DF;
        break;
    case IR_CLI:
        cpu->eflags &= ~(uint32_t)EFLAGS_IF;
        break;
    case IR_STI:
        return set_interrupt_flag(cpu);
    case IR_POPF:
        return pop_flags(cpu, source(r, op), width, op->arg);
    case IR_TSC:
        return read_tsc(r);
    case IR_SELECTOR:
        store(dst, cpu->seg[op->arg].selector, width);
        break;
    case IR_SEG_REAL:
        a = source(r, op);
        cpu->seg[op->arg].selector = (uint16_t)a;
        cpu->seg[op->arg].base = a << 4;
        break;
    case IR_CS_EIP:
        store(dst, (uint32_t)cpu->seg[CS].selector << 16 | (eip_of(r, op->imm) & 0xffff), 4);
        break;
    case IR_SETCC:
        store(dst, flags_condition(cpu, op->arg), 1);
        break;
    case IR_CMOV:
        if (flags_condition(cpu, op->arg))
            store(dst, source(r, op), width);
        break;

#define ARITHMETIC(name)                                                                                               \
    case IR_##name:                                                                                                    \
        store(dst, arithmetic(cpu, IR_##name, load(dst, width), source(r, op), bits), width);                          \
        break;
        ARITHMETIC(ADD)
        ARITHMETIC(OR)
        ARITHMETIC(ADC)
        ARITHMETIC(SBB)
        ARITHMETIC(AND)
        ARITHMETIC(SUB)
        ARITHMETIC(XOR)
#undef ARITHMETIC
    case IR_CMP:
        arithmetic(cpu, IR_CMP, load(dst, width), source(r, op), bits);
        break;
    case IR_TEST:
        arithmetic(cpu, IR_TEST, load(dst, width), source(r, op), bits);
        break;
    case IR_INC:
        store(dst, step(cpu, IR_INC, load(dst, width), bits), width);
        break;
    case IR_DEC:
        store(dst, step(cpu, IR_DEC, load(dst, width), bits), width);
        break;
    case IR_NEG:
        store(dst, arithmetic(cpu, IR_SUB, 0, load(dst, width), bits), width);
        break;
    case IR_NOT:
        store(dst, ~load(dst, width), width);
        break;

    case IR_ROL:
    case IR_ROR:
    case IR_RCL:
    case IR_RCR:
    case IR_SHL:
    case IR_SHR:
    case IR_SAR:
        count = (op->src == IR_ECX ? cpu->gpr[ECX] : op->imm) & 31;
        if (count)
            store(dst, shift(cpu, op->opcode, load(dst, width), count, bits), width);
        break;
    case IR_SHLD:
    case IR_SHRD:
        count = (op->arg ? cpu->gpr[ECX] : op->imm) & 31;
        if (count)
            store(dst, shift_double(cpu, op->opcode, load(dst, width), source(r, op), count, bits), width);
        break;

    case IR_BT:
    case IR_BTS:
    case IR_BTR:
    case IR_BTC:
        bit_operation(r, op);
        break;
    case IR_BSF:
    case IR_BSR:
        bit_scan(r, op);
        break;
    case IR_POPCNT:
        population_count(r, op);
        break;

    case IR_CMPXCHG8:
        compare_exchange8(r);
        break;

    case IR_MUL:
    case IR_IMUL1:
        multiply(r, op);
        break;
    case IR_IMUL2:
    case IR_IMUL3:
        multiply_into(r, op);
        break;

    case IR_LAHF:
        load_ah(cpu);
        break;
    case IR_SAHF:
        cpu_set_eflags(cpu, cpu->gpr[EAX] >> 8 & 0xff, IR_F_SZPC | IR_F_A);
        break;
    case IR_CLC:
        flags_set_cf(cpu, false);
        break;
    case IR_STC:
        flags_set_cf(cpu, true);
        break;
    case IR_CMC:
        flags_set_cf(cpu, !flag_cf(cpu));
        break;

    case IR_MAP:
        return map(r, op);
    case IR_WITHIN:
        return source(r, op) <= r->cpu->seg[CS].limit;
    case IR_DIV:
    case IR_IDIV:
        return division(r, op);
    default:
        return false;
    }
    return true;
}

/* What the interpreter may have changed that the block depends on. */
static bool loads_system_state(const struct ir_op *op)
{
    return op->opcode == IR_STI || op->opcode == IR_POPF || op->opcode == IR_SEG_REAL || op->opcode == IR_SEG_PROT;
}

/* Moves *op to the last operation of its guest instruction, which the interpreter has done. False if the block ends
 * with it. */
static bool last_of_insn(const struct ir_op **op)
{
    const struct ir_op *o = *op;
    bool goes_on = !loads_system_state(o);

    while (ir_info[o->opcode].effect != IR_EFFECT_END && o[1].insn == o->insn)
        goes_on &= !loads_system_state(++o);
    *op = o;
    return goes_on && ir_info[o->opcode].effect != IR_EFFECT_END;
}

unsigned ir_run(struct cpu *cpu, const struct ir_op *op, const uint16_t *offset, const struct insn *insn,
                uint32_t page_eip, bool code16, const bool *alive)
{
    struct run r; /* set field by field: clearing it first would show in short blocks */
    bool taken;

    r.cpu = cpu;
    r.offset = offset;
    r.insn = insn;
    r.page_eip = page_eip;
    r.eip_mask = code16 ? 0xffff : 0xffffffff;
    r.alive = alive;
    r.none = 0;
    find_places(&r);
    for (;; op++) {
        r.imm = op->imm;
        if (run_plain(&r, op))
            continue;
        switch (op->opcode) {
        case IR_JMP:
            cpu->eip = eip_of(&r, op->imm);
            return op->insn + 1u;
        case IR_SIDE:
            if (!flags_condition(cpu, op->arg))
                break;
            cpu->eip = eip_of(&r, op->imm);
            return op->insn + 1u;
        case IR_JCC:
        case IR_JZR:
        case IR_JNZR:
            taken =
                op->opcode == IR_JCC ? flags_condition(cpu, op->arg) : (source(&r, op) == 0) == (op->opcode == IR_JZR);
            cpu->eip = eip_of(&r, taken ? op->imm : offset[op->insn + 1]);
            return op->insn + 1u;
        case IR_JMPR:
            cpu->eip = source(&r, op);
            return op->insn + 1u;
        case IR_CALLOUT_END:
            callout(&r, op);
            return op->insn + 1u;
        default: /* MAP, DIV, SEG_PROT, UNIT, CALLOUT: the guest interpreter does the whole guest instruction */
            if (!callout(&r, op) || !last_of_insn(&op))
                return op->insn + 1u;
            break;
        }
    }
}
