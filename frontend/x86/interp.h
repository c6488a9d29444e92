/*
 * How interpreter handlers are written. See interp_alu.c for the pattern.
 *
 * A handler executes one instruction and then calls the next one (NEXT), so a block runs without a central loop; the
 * compiler turns these into jumps. A handler that sets EIP (ends JUMP or STATE in the ISA table) stores cpu->eip and
 * simply returns to the run loop. Between blocks cpu->eip is the current EIP; inside a block it is the EIP of the
 * block's first instruction.
 *
 * Faults: any function that can fault does not return when it does. Handlers therefore change registers, flags and
 * memory only after the last thing that can fault. cpu->insn tells the run loop where the fault happened.
 */
#ifndef FRONTEND_X86_INTERP_H
#define FRONTEND_X86_INTERP_H

#include "frontend/x86/cpu.h"
#include "frontend/x86/flags.h"
#include "frontend/x86/insn.h"
#include "frontend/x86/seg.h"

#define ALWAYS_INLINE static inline __attribute__((always_inline))
#define likely(x)     __builtin_expect(!!(x), 1)
#define unlikely(x)   __builtin_expect(!!(x), 0)

/* Continues with the following instruction. Must be the last statement. */
#define NEXT(cpu, in)                                                                                                  \
    do {                                                                                                               \
        const struct insn *next_insn_ = (in) + 1;                                                                      \
        (cpu)->insn = next_insn_;                                                                                      \
        next_insn_->fn((cpu), next_insn_);                                                                             \
        return;                                                                                                        \
    } while (0)

/* Leaves the block after this instruction (state changed, or an event was raised that must be seen now). */
#define END_BLOCK(cpu, in)                                                                                             \
    do {                                                                                                               \
        (cpu)->eip = insn_next_eip((cpu), (in));                                                                       \
        return;                                                                                                        \
    } while (0)

ALWAYS_INLINE uint32_t insn_eip(const struct cpu *cpu, const struct insn *in)
{
    return cpu->eip + in->offset;
}
ALWAYS_INLINE uint32_t insn_next_eip(const struct cpu *cpu, const struct insn *in) /* not truncated to 16 bits */
{
    return cpu->eip + in->offset + in->len;
}

/* ---- registers ---- */

ALWAYS_INLINE uint8_t reg8(const struct cpu *cpu, unsigned n)
{
    return ((const uint8_t *)cpu->gpr)[(n & 3) << 2 | (n >> 2 & 1)];
}
ALWAYS_INLINE void set_reg8(struct cpu *cpu, unsigned n, uint8_t value)
{
    ((uint8_t *)cpu->gpr)[(n & 3) << 2 | (n >> 2 & 1)] = value;
}
ALWAYS_INLINE uint16_t reg16(const struct cpu *cpu, unsigned n)
{
    return (uint16_t)cpu->gpr[n];
}
ALWAYS_INLINE void set_reg16(struct cpu *cpu, unsigned n, uint16_t value)
{
    memcpy(&cpu->gpr[n], &value, 2);
}
ALWAYS_INLINE uint32_t reg_read(const struct cpu *cpu, unsigned n, unsigned bits)
{
    return bits == 8 ? reg8(cpu, n) : bits == 16 ? reg16(cpu, n) : cpu->gpr[n];
}
ALWAYS_INLINE void reg_write(struct cpu *cpu, unsigned n, uint32_t value, unsigned bits)
{
    if (bits == 8)
        set_reg8(cpu, n, (uint8_t)value);
    else if (bits == 16)
        set_reg16(cpu, n, (uint16_t)value);
    else
        cpu->gpr[n] = value;
}

/* ---- memory through a segment ---- */

/* Offset part of the effective address, wrapped to the address size. */
ALWAYS_INLINE uint32_t effective_offset(const struct cpu *cpu, const struct insn *in)
{
    return (cpu->gpr[in->base] + (cpu->gpr[in->index] << in->scale) + in->disp) & in->addr_mask;
}

/* Checks [offset, offset + width) for reading (writing) against the segment and returns its linear address; raises
 * #GP(0) or #SS(0), and with alignment checks on, #AC. seg.h declares the slow halves. width <= 16. */
ALWAYS_INLINE lin_addr seg_read_linear(struct cpu *cpu, unsigned seg, uint32_t offset, unsigned width)
{
    if (unlikely(offset >= cpu->seg[seg].fast_read_end))
        seg_check_read_slow(cpu, seg, offset, width);
    return cpu->seg[seg].base + offset;
}
ALWAYS_INLINE lin_addr seg_write_linear(struct cpu *cpu, unsigned seg, uint32_t offset, unsigned width)
{
    if (unlikely(offset >= cpu->seg[seg].fast_write_end))
        seg_check_write_slow(cpu, seg, offset, width);
    return cpu->seg[seg].base + offset;
}

#define INTERP_DEFINE_ACCESS(bits)                                                                                     \
    ALWAYS_INLINE uint##bits##_t mem_read##bits(struct cpu *cpu, unsigned seg, uint32_t offset)                        \
    {                                                                                                                  \
        return mmu_ld##bits(&cpu->mmu, seg_read_linear(cpu, seg, offset, bits / 8), cpu->view);                        \
    }                                                                                                                  \
    ALWAYS_INLINE void mem_write##bits(struct cpu *cpu, unsigned seg, uint32_t offset, uint##bits##_t value)           \
    {                                                                                                                  \
        mmu_st##bits(&cpu->mmu, seg_write_linear(cpu, seg, offset, bits / 8), value, cpu->view);                       \
    }                                                                                                                  \
    /* Read that will be followed by mem_write of the same place: faults as a write. */                                \
    ALWAYS_INLINE uint##bits##_t mem_update##bits(struct cpu *cpu, unsigned seg, uint32_t offset)                      \
    {                                                                                                                  \
        return mmu_ld##bits##_update(&cpu->mmu, seg_write_linear(cpu, seg, offset, bits / 8), cpu->view);              \
    }
INTERP_DEFINE_ACCESS(8)
INTERP_DEFINE_ACCESS(16)
INTERP_DEFINE_ACCESS(32)
INTERP_DEFINE_ACCESS(64)

ALWAYS_INLINE uint32_t mem_read(struct cpu *cpu, unsigned seg, uint32_t offset, unsigned bits)
{
    return bits == 8    ? mem_read8(cpu, seg, offset)
           : bits == 16 ? mem_read16(cpu, seg, offset)
                        : mem_read32(cpu, seg, offset);
}
ALWAYS_INLINE uint32_t mem_update(struct cpu *cpu, unsigned seg, uint32_t offset, unsigned bits)
{
    return bits == 8    ? mem_update8(cpu, seg, offset)
           : bits == 16 ? mem_update16(cpu, seg, offset)
                        : mem_update32(cpu, seg, offset);
}
ALWAYS_INLINE void mem_write(struct cpu *cpu, unsigned seg, uint32_t offset, uint32_t value, unsigned bits)
{
    if (bits == 8)
        mem_write8(cpu, seg, offset, (uint8_t)value);
    else if (bits == 16)
        mem_write16(cpu, seg, offset, (uint16_t)value);
    else
        mem_write32(cpu, seg, offset, value);
}

/* ---- E operands: one body for register and memory, `is_mem` and `bits` are compile-time constants ---- */

/* An E operand in memory between its read and its write. The write cannot fault: the read was checked as a write. */
struct update {
    lin_addr address;
    bool is_plain; /* the TLB's write tag hit, so both halves go straight to `host` */
    uint8_t *host;
};

ALWAYS_INLINE uint32_t rm_read(struct cpu *cpu, const struct insn *in, bool is_mem, unsigned bits)
{
    return is_mem ? mem_read(cpu, in->seg, effective_offset(cpu, in), bits) : reg_read(cpu, in->rm, bits);
}
ALWAYS_INLINE void rm_write(struct cpu *cpu, const struct insn *in, uint32_t value, bool is_mem, unsigned bits)
{
    if (is_mem)
        mem_write(cpu, in->seg, effective_offset(cpu, in), value, bits);
    else
        reg_write(cpu, in->rm, value, bits);
}
/* Begins at seg:offset; for operands whose address is not simply in's (bit strings). */
ALWAYS_INLINE uint32_t mem_begin_update(struct cpu *cpu, unsigned seg, uint32_t offset, struct update *u, unsigned bits)
{
    const struct tlb_entry *e;
    uint32_t value = 0;

    u->address = seg_write_linear(cpu, seg, offset, bits / 8);
    e = tlb_slot(&cpu->mmu, u->address, cpu->view);
    u->is_plain = e->write_tag == MMU_TAG_OF(u->address, bits / 8);
    if (likely(u->is_plain)) {
        u->host = (uint8_t *)(u->address + e->addend);
        memcpy(&value, u->host, bits / 8); /* guest and host are both little-endian */
        return value;
    }
    u->host = NULL;
    mmu_check_write(&cpu->mmu, u->address, bits / 8, cpu->view);
    return (uint32_t)mmu_load_slow(&cpu->mmu, u->address, bits / 8, cpu->view);
}
ALWAYS_INLINE void mem_end_update(struct cpu *cpu, const struct update *u, uint32_t value, unsigned bits)
{
    if (likely(u->is_plain))
        memcpy(u->host, &value, bits / 8);
    else
        mmu_store_slow(&cpu->mmu, u->address, value, bits / 8, cpu->view);
}
ALWAYS_INLINE uint32_t rm_begin_update(struct cpu *cpu, const struct insn *in, struct update *u, bool is_mem,
                                       unsigned bits)
{
    if (!is_mem)
        return reg_read(cpu, in->rm, bits);
    return mem_begin_update(cpu, in->seg, effective_offset(cpu, in), u, bits);
}
ALWAYS_INLINE void rm_end_update(struct cpu *cpu, const struct insn *in, const struct update *u, uint32_t value,
                                 bool is_mem, unsigned bits)
{
    if (is_mem)
        mem_end_update(cpu, u, value, bits);
    else
        reg_write(cpu, in->rm, value, bits);
}
/* For instructions with several stores that must all be possible before the first is made. */
ALWAYS_INLINE void mem_check_write(struct cpu *cpu, unsigned seg, uint32_t offset, unsigned bits)
{
    lin_addr address = seg_write_linear(cpu, seg, offset, bits / 8);

    if (unlikely(tlb_slot(&cpu->mmu, address, cpu->view)->write_tag != MMU_TAG_OF(address, bits / 8)))
        mmu_check_write(&cpu->mmu, address, bits / 8, cpu->view);
}

/* ---- the stack: SS:eSP with SS.B's width; the caller commits ESP after its last fault ---- */

ALWAYS_INLINE uint32_t sp_add(const struct cpu *cpu,
                              uint32_t delta) /* new ESP value, upper half kept for 16-bit stacks */
{
    uint32_t mask = cpu_sp_mask(cpu);

    return (cpu->gpr[ESP] & ~mask) | ((cpu->gpr[ESP] + delta) & mask);
}
/* Pushes `value` and commits ESP. */
ALWAYS_INLINE void push(struct cpu *cpu, uint32_t value, unsigned bits)
{
    uint32_t esp = sp_add(cpu, 0u - bits / 8);

    mem_write(cpu, SS, esp & cpu_sp_mask(cpu), value, bits);
    cpu->gpr[ESP] = esp;
}
/* Reads the item `skip` bytes above the top, leaves ESP alone. */
ALWAYS_INLINE uint32_t stack_peek(struct cpu *cpu, uint32_t skip, unsigned bits)
{
    return mem_read(cpu, SS, (cpu->gpr[ESP] + skip) & cpu_sp_mask(cpu), bits);
}
ALWAYS_INLINE void stack_drop(struct cpu *cpu, uint32_t bytes)
{
    cpu->gpr[ESP] = sp_add(cpu, bytes);
}

/* Near transfer: CS limit check (#GP(0)) before anything is committed, then EIP. `target` is already truncated to 16
 * bits where the operand size says so. */
ALWAYS_INLINE void check_near_target(struct cpu *cpu, uint32_t target)
{
    if (unlikely(target > cpu->seg[CS].limit))
        cpu_raise_error(cpu, VEC_GP, 0);
}

/* Defines `const struct interp_handlers interp_NAME` whose six entries are one always-inline body
 * `static inline void body(struct cpu *, const struct insn *, bool is_mem, unsigned bits)` specialised. The body ends
 * in NEXT for fall-through instructions. */
#define INTERP_VARIANT(body, name, bits, form, is_mem)                                                                 \
    static void name##_##form##bits(struct cpu *cpu, const struct insn *in)                                            \
    {                                                                                                                  \
        body(cpu, in, is_mem, bits);                                                                                   \
        NEXT(cpu, in);                                                                                                 \
    }
#define INTERP_FAMILY(name, body)                                                                                      \
    INTERP_VARIANT(body, name, 8, r, false)                                                                            \
    INTERP_VARIANT(body, name, 8, m, true)                                                                             \
    INTERP_VARIANT(body, name, 16, r, false)                                                                           \
    INTERP_VARIANT(body, name, 16, m, true)                                                                            \
    INTERP_VARIANT(body, name, 32, r, false)                                                                           \
    INTERP_VARIANT(body, name, 32, m, true)                                                                            \
    const struct interp_handlers interp_##name = {                                                                     \
        {{name##_r8, name##_m8}, {name##_r16, name##_m16}, {name##_r32, name##_m32}}};
/* The same for instructions without byte forms. */
#define INTERP_FAMILY_V(name, body)                                                                                    \
    INTERP_VARIANT(body, name, 16, r, false)                                                                           \
    INTERP_VARIANT(body, name, 16, m, true)                                                                            \
    INTERP_VARIANT(body, name, 32, r, false)                                                                           \
    INTERP_VARIANT(body, name, 32, m, true)                                                                            \
    const struct interp_handlers interp_##name = {{{NULL, NULL}, {name##_r16, name##_m16}, {name##_r32, name##_m32}}};
/* And for those that name no E operand: `body(cpu, in, bits)`, whatever the form. */
#define INTERP_FAMILY_BITS(name, body)                                                                                 \
    INTERP_BITS_VARIANT(body, name, 8)                                                                                 \
    INTERP_BITS_VARIANT(body, name, 16)                                                                                \
    INTERP_BITS_VARIANT(body, name, 32)                                                                                \
    const struct interp_handlers interp_##name = {                                                                     \
        {{name##_8, name##_8}, {name##_16, name##_16}, {name##_32, name##_32}}};
#define INTERP_BITS_VARIANT(body, name, bits)                                                                          \
    static void name##_##bits(struct cpu *cpu, const struct insn *in)                                                  \
    {                                                                                                                  \
        body(cpu, in, bits);                                                                                           \
        NEXT(cpu, in);                                                                                                 \
    }
/* The same for instructions without byte forms. */
#define INTERP_FAMILY_OPSIZE(name, body)                                                                               \
    INTERP_BITS_VARIANT(body, name, 16)                                                                                \
    INTERP_BITS_VARIANT(body, name, 32)                                                                                \
    INTERP_OPSIZE_TABLE(name)
#define INTERP_OPSIZE_TABLE(name)                                                                                      \
    const struct interp_handlers interp_##name = {{{NULL, NULL}, {name##_16, name##_16}, {name##_32, name##_32}}};

/*
 * Hot instructions. A handler that may have to call a slow half saves and restores half a dozen host registers on its
 * fast way too. So these are compiled twice per width: for memory that the segment's fast limit and the TLB vouch for
 * (`host` is known, nothing can fault), and out of line with full checks; the first jumps to the second when it must.
 * A hot body is `body(cpu, in, struct place, bits)`.
 */
struct place {
    enum place_kind { PLACE_REG, PLACE_HOST, PLACE_CHECKED } kind; /* always a constant */
    uint8_t *host;
};

/* Host address of seg:offset if a read (write) of `width` bytes is plain, else NULL. */
ALWAYS_INLINE uint8_t *plain_read_host(struct cpu *cpu, unsigned seg, uint32_t offset, unsigned width)
{
    lin_addr address = cpu->seg[seg].base + offset;
    const struct tlb_entry *e = tlb_slot(&cpu->mmu, address, cpu->view);

    if (unlikely(offset >= cpu->seg[seg].fast_read_end) || unlikely(e->read_tag != MMU_TAG_OF(address, width)))
        return NULL;
    if (address + e->addend == 0) /* spares the caller's test */
        __builtin_unreachable();
    return (uint8_t *)(address + e->addend);
}
ALWAYS_INLINE uint8_t *plain_write_host(struct cpu *cpu, unsigned seg, uint32_t offset, unsigned width)
{
    lin_addr address = cpu->seg[seg].base + offset;
    const struct tlb_entry *e = tlb_slot(&cpu->mmu, address, cpu->view);

    if (unlikely(offset >= cpu->seg[seg].fast_write_end) || unlikely(e->write_tag != MMU_TAG_OF(address, width)))
        return NULL;
    if (address + e->addend == 0) /* spares the caller's test */
        __builtin_unreachable();
    return (uint8_t *)(address + e->addend);
}
ALWAYS_INLINE uint32_t host_read(const uint8_t *host, unsigned bits) /* guest and host are both little-endian */
{
    uint32_t value = 0;

    memcpy(&value, host, bits / 8);
    return value;
}
ALWAYS_INLINE void host_write(uint8_t *host, uint32_t value, unsigned bits)
{
    memcpy(host, &value, bits / 8);
}

ALWAYS_INLINE uint32_t place_read(struct cpu *cpu, const struct insn *in, struct place p, unsigned bits)
{
    return p.kind == PLACE_HOST ? host_read(p.host, bits) : rm_read(cpu, in, p.kind != PLACE_REG, bits);
}
ALWAYS_INLINE void place_write(struct cpu *cpu, const struct insn *in, struct place p, uint32_t value, unsigned bits)
{
    if (p.kind == PLACE_HOST)
        host_write(p.host, value, bits);
    else
        rm_write(cpu, in, value, p.kind != PLACE_REG, bits);
}
ALWAYS_INLINE uint32_t place_begin_update(struct cpu *cpu, const struct insn *in, struct place p, struct update *u,
                                          unsigned bits)
{
    return p.kind == PLACE_HOST ? host_read(p.host, bits) : rm_begin_update(cpu, in, u, p.kind != PLACE_REG, bits);
}
ALWAYS_INLINE void place_end_update(struct cpu *cpu, const struct insn *in, struct place p, const struct update *u,
                                    uint32_t value, unsigned bits)
{
    if (p.kind == PLACE_HOST)
        host_write(p.host, value, bits);
    else
        rm_end_update(cpu, in, u, value, p.kind != PLACE_REG, bits);
}

/* What a hot body accesses: its E operand, the top of the stack (POP, RET) or the slot below it (PUSH, CALL). */
ALWAYS_INLINE uint8_t *probe_rm_read(struct cpu *cpu, const struct insn *in, unsigned bits)
{
    return plain_read_host(cpu, in->seg, effective_offset(cpu, in), bits / 8);
}
ALWAYS_INLINE uint8_t *probe_rm_write(struct cpu *cpu, const struct insn *in, unsigned bits)
{
    return plain_write_host(cpu, in->seg, effective_offset(cpu, in), bits / 8);
}
ALWAYS_INLINE uint8_t *probe_rm_read8(struct cpu *cpu, const struct insn *in, unsigned bits)
{
    return probe_rm_read(cpu, in, 8);
}
ALWAYS_INLINE uint8_t *probe_rm_read16(struct cpu *cpu, const struct insn *in, unsigned bits)
{
    return probe_rm_read(cpu, in, 16);
}
ALWAYS_INLINE uint8_t *probe_pop(struct cpu *cpu, const struct insn *in, unsigned bits)
{
    return plain_read_host(cpu, SS, cpu->gpr[ESP] & cpu_sp_mask(cpu), bits / 8);
}
ALWAYS_INLINE uint8_t *probe_push(struct cpu *cpu, const struct insn *in, unsigned bits)
{
    return plain_write_host(cpu, SS, (cpu->gpr[ESP] - bits / 8) & cpu_sp_mask(cpu), bits / 8);
}
ALWAYS_INLINE void place_push(struct cpu *cpu, struct place p, uint32_t value, unsigned bits)
{
    uint32_t esp = sp_add(cpu, 0u - bits / 8);

    if (p.kind == PLACE_HOST) {
        host_write(p.host, value, bits);
        cpu->gpr[ESP] = esp;
    } else {
        push(cpu, value, bits);
    }
}
ALWAYS_INLINE uint32_t place_peek(struct cpu *cpu, struct place p, unsigned bits)
{
    return p.kind == PLACE_HOST ? host_read(p.host, bits) : stack_peek(cpu, 0, bits);
}

#define INTERP_PLACE_REG     ((struct place){PLACE_REG, NULL})
#define INTERP_PLACE_HOST(h) ((struct place){PLACE_HOST, h})
#define INTERP_PLACE_CHECKED ((struct place){PLACE_CHECKED, NULL})

/* `end` is NEXT(cpu, in), or return for instructions that end the block. */
#define INTERP_HOT_MEM(body, name, bits, probe, end)                                                                   \
    static __attribute__((noinline, cold)) void name##_checked##bits(struct cpu *cpu, const struct insn *in)           \
    {                                                                                                                  \
        body(cpu, in, INTERP_PLACE_CHECKED, bits);                                                                     \
        end;                                                                                                           \
    }                                                                                                                  \
    static void name##_m##bits(struct cpu *cpu, const struct insn *in)                                                 \
    {                                                                                                                  \
        uint8_t *host = probe(cpu, in, bits);                                                                          \
                                                                                                                       \
        if (unlikely(!host)) {                                                                                         \
            name##_checked##bits(cpu, in);                                                                             \
            return;                                                                                                    \
        }                                                                                                              \
        body(cpu, in, INTERP_PLACE_HOST(host), bits);                                                                  \
        end;                                                                                                           \
    }
#define INTERP_HOT_REG(body, name, bits, end)                                                                          \
    static void name##_r##bits(struct cpu *cpu, const struct insn *in)                                                 \
    {                                                                                                                  \
        body(cpu, in, INTERP_PLACE_REG, bits);                                                                         \
        end;                                                                                                           \
    }
#define INTERP_HOT(name, body, probe)                                                                                  \
    INTERP_HOT_REG(body, name, 8, NEXT(cpu, in))                                                                       \
    INTERP_HOT_MEM(body, name, 8, probe, NEXT(cpu, in))                                                                \
    INTERP_HOT_REG(body, name, 16, NEXT(cpu, in))                                                                      \
    INTERP_HOT_MEM(body, name, 16, probe, NEXT(cpu, in))                                                               \
    INTERP_HOT_REG(body, name, 32, NEXT(cpu, in))                                                                      \
    INTERP_HOT_MEM(body, name, 32, probe, NEXT(cpu, in))                                                               \
    const struct interp_handlers interp_##name = {                                                                     \
        {{name##_r8, name##_m8}, {name##_r16, name##_m16}, {name##_r32, name##_m32}}};
#define INTERP_HOT_V(name, body, probe)                                                                                \
    INTERP_HOT_REG(body, name, 16, NEXT(cpu, in))                                                                      \
    INTERP_HOT_MEM(body, name, 16, probe, NEXT(cpu, in))                                                               \
    INTERP_HOT_REG(body, name, 32, NEXT(cpu, in))                                                                      \
    INTERP_HOT_MEM(body, name, 32, probe, NEXT(cpu, in))                                                               \
    const struct interp_handlers interp_##name = {{{NULL, NULL}, {name##_r16, name##_m16}, {name##_r32, name##_m32}}};
/* Those whose only memory operand is the stack have no form. */
#define INTERP_HOT_STACK(name, body, probe, end)                                                                       \
    INTERP_HOT_MEM(body, name, 16, probe, end)                                                                         \
    INTERP_HOT_MEM(body, name, 32, probe, end)                                                                         \
    const struct interp_handlers interp_##name = {{{NULL, NULL}, {name##_m16, name##_m16}, {name##_m32, name##_m32}}};

/* The sixteen condition codes, in opcode order: CONDITION(suffix, code). */
/* clang-format off */
#define INTERP_CONDITIONS(CONDITION)                                                                                   \
    CONDITION(o, 0)   CONDITION(no, 1)   CONDITION(b, 2)   CONDITION(ae, 3)                                            \
    CONDITION(e, 4)   CONDITION(ne, 5)   CONDITION(be, 6)  CONDITION(a, 7)                                             \
    CONDITION(s, 8)   CONDITION(ns, 9)   CONDITION(p, 10)  CONDITION(np, 11)                                           \
    CONDITION(l, 12)  CONDITION(ge, 13)  CONDITION(le, 14) CONDITION(g, 15)
/* clang-format on */

/* One function for every width and form. */
#define INTERP_ONE(name) const struct interp_handlers interp_##name = {{{name, name}, {name, name}, {name, name}}};

/* For the decoder and the run loop. */
void interp_ud(struct cpu *cpu, const struct insn *in); /* raises #UD */
void interp_block_end(struct cpu *cpu, const struct insn *in);  /* sets EIP to this offset and leaves the block */
void interp_block_next(struct cpu *cpu, const struct insn *in); /* sentinel: the same, and on to the next block */

#endif
