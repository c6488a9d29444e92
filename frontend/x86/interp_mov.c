/*
 * Data transfer: MOV, MOVZX, MOVSX, XCHG, LEA, CMOVcc, SETcc, XLAT, BSWAP, sign extension of the accumulator, and the
 * stack: PUSH, POP, PUSHA, POPA, ENTER, LEAVE.
 * Source: SDM vol. 2A-2D, the page of each instruction.
 */
#include "frontend/x86/interp.h"

ALWAYS_INLINE void mov_eg_body(struct cpu *cpu, const struct insn *in, struct place p, unsigned bits)
{
    place_write(cpu, in, p, reg_read(cpu, in->reg, bits), bits);
}
INTERP_HOT(mov_eg, mov_eg_body, probe_rm_write)

ALWAYS_INLINE void mov_ge_body(struct cpu *cpu, const struct insn *in, struct place p, unsigned bits)
{
    reg_write(cpu, in->reg, place_read(cpu, in, p, bits), bits);
}
INTERP_HOT(mov_ge, mov_ge_body, probe_rm_read)

ALWAYS_INLINE void mov_ei_body(struct cpu *cpu, const struct insn *in, struct place p, unsigned bits)
{
    place_write(cpu, in, p, in->imm, bits);
}
INTERP_HOT(mov_ei, mov_ei_body, probe_rm_write)

ALWAYS_INLINE void mov_zi_body(struct cpu *cpu, const struct insn *in, unsigned bits)
{
    reg_write(cpu, in->reg, in->imm, bits);
}
INTERP_FAMILY_BITS(mov_zi, mov_zi_body)

/* A0-A3: the offset stands in the instruction, without base and index. */
ALWAYS_INLINE void mov_ao_body(struct cpu *cpu, const struct insn *in, unsigned bits)
{
    reg_write(cpu, EAX, mem_read(cpu, in->seg, in->disp & in->addr_mask, bits), bits);
}
INTERP_FAMILY_BITS(mov_ao, mov_ao_body)

ALWAYS_INLINE void mov_oa_body(struct cpu *cpu, const struct insn *in, unsigned bits)
{
    mem_write(cpu, in->seg, in->disp & in->addr_mask, reg_read(cpu, EAX, bits), bits);
}
INTERP_FAMILY_BITS(mov_oa, mov_oa_body)

/* Extension: `bits` is the destination's width, the source's is in the name. */
ALWAYS_INLINE void movzx_b_body(struct cpu *cpu, const struct insn *in, struct place p, unsigned bits)
{
    reg_write(cpu, in->reg, place_read(cpu, in, p, 8), bits);
}
INTERP_HOT_V(movzx_b, movzx_b_body, probe_rm_read8)

ALWAYS_INLINE void movzx_w_body(struct cpu *cpu, const struct insn *in, struct place p, unsigned bits)
{
    reg_write(cpu, in->reg, place_read(cpu, in, p, 16), bits);
}
INTERP_HOT_V(movzx_w, movzx_w_body, probe_rm_read16)

ALWAYS_INLINE void movsx_b_body(struct cpu *cpu, const struct insn *in, struct place p, unsigned bits)
{
    reg_write(cpu, in->reg, flags_extend(place_read(cpu, in, p, 8), 8), bits);
}
INTERP_HOT_V(movsx_b, movsx_b_body, probe_rm_read8)

ALWAYS_INLINE void movsx_w_body(struct cpu *cpu, const struct insn *in, struct place p, unsigned bits)
{
    reg_write(cpu, in->reg, flags_extend(place_read(cpu, in, p, 16), 16), bits);
}
INTERP_HOT_V(movsx_w, movsx_w_body, probe_rm_read16)

/* Serves 90-97 too: there E is eAX and the opcode's register is in->reg. */
ALWAYS_INLINE void xchg_eg_body(struct cpu *cpu, const struct insn *in, bool is_mem, unsigned bits)
{
    struct update u;
    uint32_t a = rm_begin_update(cpu, in, &u, is_mem, bits);

    rm_end_update(cpu, in, &u, reg_read(cpu, in->reg, bits), is_mem, bits);
    reg_write(cpu, in->reg, a, bits);
}
INTERP_FAMILY(xchg_eg, xchg_eg_body)

ALWAYS_INLINE void lea_body(struct cpu *cpu, const struct insn *in, unsigned bits)
{
    reg_write(cpu, in->reg, effective_offset(cpu, in), bits);
}
INTERP_FAMILY_BITS(lea, lea_body)

/* CBW, CWDE; CWD, CDQ */
ALWAYS_INLINE void cbw_body(struct cpu *cpu, const struct insn *in, unsigned bits)
{
    reg_write(cpu, EAX, flags_extend(cpu->gpr[EAX], bits / 2), bits);
}
INTERP_FAMILY_OPSIZE(cbw, cbw_body)

ALWAYS_INLINE void cwd_body(struct cpu *cpu, const struct insn *in, unsigned bits)
{
    reg_write(cpu, EDX, 0u - (cpu->gpr[EAX] >> (bits - 1) & 1), bits);
}
INTERP_FAMILY_OPSIZE(cwd, cwd_body)

static void xlat(struct cpu *cpu, const struct insn *in)
{
    set_reg8(cpu, 0, mem_read8(cpu, in->seg, (cpu->gpr[EBX] + reg8(cpu, 0)) & in->addr_mask));
    NEXT(cpu, in);
}
INTERP_ONE(xlat)

/* With a 16-bit operand the SDM leaves the result undefined; processors give 0. */
ALWAYS_INLINE void bswap_body(struct cpu *cpu, const struct insn *in, unsigned bits)
{
    reg_write(cpu, in->reg, bits == 16 ? 0 : __builtin_bswap32(cpu->gpr[in->reg]), bits);
}
INTERP_FAMILY_OPSIZE(bswap, bswap_body)

/* ---- by condition ---- */

#define CMOV(suffix, code)                                                                                             \
    ALWAYS_INLINE void cmov##suffix##_body(struct cpu *cpu, const struct insn *in, bool is_mem, unsigned bits)         \
    {                                                                                                                  \
        uint32_t value = rm_read(cpu, in, is_mem, bits); /* faults whether or not the condition holds */               \
                                                                                                                       \
        if (flags_condition(cpu, code))                                                                                \
            reg_write(cpu, in->reg, value, bits);                                                                      \
    }                                                                                                                  \
    INTERP_FAMILY_V(cmov##suffix, cmov##suffix##_body)
INTERP_CONDITIONS(CMOV)

#define SET(suffix, code)                                                                                              \
    static void set##suffix##_r(struct cpu *cpu, const struct insn *in)                                                \
    {                                                                                                                  \
        set_reg8(cpu, in->rm, flags_condition(cpu, code));                                                             \
        NEXT(cpu, in);                                                                                                 \
    }                                                                                                                  \
    static void set##suffix##_m(struct cpu *cpu, const struct insn *in)                                                \
    {                                                                                                                  \
        rm_write(cpu, in, flags_condition(cpu, code), true, 8);                                                        \
        NEXT(cpu, in);                                                                                                 \
    }                                                                                                                  \
    const struct interp_handlers interp_set##suffix = {{{set##suffix##_r, set##suffix##_m}}};
INTERP_CONDITIONS(SET)

/* ---- stack ---- */

ALWAYS_INLINE void push_z_body(struct cpu *cpu, const struct insn *in, struct place p, unsigned bits)
{
    place_push(cpu, p, cpu->gpr[in->reg], bits); /* PUSH ESP stores the value from before */
}
INTERP_HOT_STACK(push_z, push_z_body, probe_push, NEXT(cpu, in))

ALWAYS_INLINE void push_i_body(struct cpu *cpu, const struct insn *in, struct place p, unsigned bits)
{
    place_push(cpu, p, in->imm, bits);
}
INTERP_HOT_STACK(push_i, push_i_body, probe_push, NEXT(cpu, in))

ALWAYS_INLINE void push_e_body(struct cpu *cpu, const struct insn *in, bool is_mem, unsigned bits)
{
    push(cpu, rm_read(cpu, in, is_mem, bits), bits);
}
INTERP_FAMILY_V(push_e, push_e_body)

ALWAYS_INLINE void pop_to_reg(struct cpu *cpu, unsigned reg, struct place p, unsigned bits)
{
    uint32_t value = place_peek(cpu, p, bits);

    stack_drop(cpu, bits / 8);
    reg_write(cpu, reg, value, bits); /* after the increment: POP ESP keeps what was popped */
}
ALWAYS_INLINE void pop_z_body(struct cpu *cpu, const struct insn *in, struct place p, unsigned bits)
{
    pop_to_reg(cpu, in->reg, p, bits);
}
INTERP_HOT_STACK(pop_z, pop_z_body, probe_pop, NEXT(cpu, in))

/* A memory destination is addressed with the ESP from after the increment. */
ALWAYS_INLINE void pop_e_body(struct cpu *cpu, const struct insn *in, bool is_mem, unsigned bits)
{
    uint32_t value, esp, base;

    if (!is_mem) {
        pop_to_reg(cpu, in->rm, INTERP_PLACE_CHECKED, bits);
        return;
    }
    value = stack_peek(cpu, 0, bits);
    esp = sp_add(cpu, bits / 8);
    base = in->base == ESP ? esp : cpu->gpr[in->base];
    mem_write(cpu, in->seg, (base + (cpu->gpr[in->index] << in->scale) + in->disp) & in->addr_mask, value, bits);
    cpu->gpr[ESP] = esp;
}
INTERP_FAMILY_V(pop_e, pop_e_body)

/* All eight slots are checked, in the order of the pushes, before the first is written. */
ALWAYS_INLINE void pusha_body(struct cpu *cpu, const struct insn *in, unsigned bits)
{
    uint32_t mask = cpu_sp_mask(cpu), esp = cpu->gpr[ESP], size = bits / 8;

    for (uint32_t i = 0; i < 8; i++)
        mem_check_write(cpu, SS, (esp - (i + 1) * size) & mask, bits);
    for (uint32_t i = 0; i < 8; i++) /* EAX ECX EDX EBX, ESP from before, EBP ESI EDI: the registers' own order */
        mem_write(cpu, SS, (esp - (i + 1) * size) & mask, cpu->gpr[i], bits);
    cpu->gpr[ESP] = sp_add(cpu, 0u - 8 * size);
}
INTERP_FAMILY_OPSIZE(pusha, pusha_body)

ALWAYS_INLINE void popa_body(struct cpu *cpu, const struct insn *in, unsigned bits)
{
    uint32_t value[8];

    for (uint32_t i = 0; i < 8; i++) {
        unsigned reg = EDI - i;

        value[reg] = stack_peek(cpu, i * (bits / 8), bits); /* the stored ESP too, although nothing comes of it */
    }
    stack_drop(cpu, 8 * (bits / 8));
    for (unsigned reg = EAX; reg <= EDI; reg++) {
        if (reg != ESP)
            reg_write(cpu, reg, value[reg], bits);
    }
}
INTERP_FAMILY_OPSIZE(popa, popa_body)

/*
 * ENTER Iw, Ib. The frame pointers of the outer levels are read below eBP and pushed one by one. Everything is checked
 * first, the final stack top as a write (SDM vol. 2 ENTER, #PF and #SS); only then copied in the order of the SDM,
 * since the two areas may overlap. Addresses follow the stack's size, items and the eBP result the operand size.
 */
ALWAYS_INLINE void enter_body(struct cpu *cpu, const struct insn *in, unsigned bits)
{
    uint32_t mask = cpu_sp_mask(cpu), esp = cpu->gpr[ESP], ebp = cpu->gpr[EBP], size = bits / 8;
    uint32_t level = in->imm2 % 32, alloc = in->imm & 0xffff;
    uint32_t pushes = level ? level + 1 : 1;
    uint32_t frame = (esp & ~mask) | ((esp - size) & mask);
    uint32_t final_esp = sp_add(cpu, 0u - pushes * size - alloc);

    mem_check_write(cpu, SS, frame & mask, bits);
    for (uint32_t i = 1; i < level; i++) {
        mem_read(cpu, SS, (ebp - i * size) & mask, bits);
        mem_check_write(cpu, SS, (esp - (i + 1) * size) & mask, bits);
    }
    if (level)
        mem_check_write(cpu, SS, (esp - pushes * size) & mask, bits);
    mem_check_write(cpu, SS, final_esp & mask, bits);

    mem_write(cpu, SS, frame & mask, ebp, bits);
    for (uint32_t i = 1; i < level; i++) {
        uint32_t outer = mem_read(cpu, SS, (ebp - i * size) & mask, bits);

        mem_write(cpu, SS, (esp - (i + 1) * size) & mask, outer, bits);
    }
    if (level)
        mem_write(cpu, SS, (esp - pushes * size) & mask, frame, bits);
    reg_write(cpu, EBP, frame, bits);
    cpu->gpr[ESP] = final_esp;
}
INTERP_FAMILY_OPSIZE(enter, enter_body)

ALWAYS_INLINE void leave_body(struct cpu *cpu, const struct insn *in, unsigned bits)
{
    uint32_t mask = cpu_sp_mask(cpu), ebp = cpu->gpr[EBP];
    uint32_t value = mem_read(cpu, SS, ebp & mask, bits);

    cpu->gpr[ESP] = (cpu->gpr[ESP] & ~mask) | ((ebp + bits / 8) & mask);
    reg_write(cpu, EBP, value, bits);
}
INTERP_FAMILY_OPSIZE(leave, leave_body)
