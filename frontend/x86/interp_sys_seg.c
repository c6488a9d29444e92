/*
 * Segment registers and descriptor tables: MOV, PUSH, POP Sreg, LDS..LGS; LGDT, LIDT, LLDT, LTR and their stores; ARPL,
 * LAR, LSL, VERR, VERW.
 *
 * Source: SDM vol. 2, the page of each instruction.
 */
#include "frontend/x86/interp.h"
#include "frontend/x86/sys_internal.h"

static unsigned operand_bits(const struct insn *in)
{
    return in->opsize32 ? 32 : 16;
}

/* ---- MOV, PUSH, POP, Lxx ---- */

/* SDM vol. 2 "MOV": a load of SS holds events back; of consecutive loads only the first is sure to. */
static void shadow_after_ss(struct cpu *cpu)
{
    if (!(cpu->shadow & SHADOW_MOV_SS))
        cpu->shadow_next |= SHADOW_MOV_SS;
}

static uint16_t read_selector(struct cpu *cpu, const struct insn *in)
{
    return (uint16_t)rm_read(cpu, in, in->is_mem, 16);
}

static void mov_to_sreg(struct cpu *cpu, const struct insn *in)
{
    segment_load(cpu, in->reg, read_selector(cpu, in));
    NEXT(cpu, in);
}
INTERP_ONE(mov_to_sreg)

static void mov_to_ss(struct cpu *cpu, const struct insn *in)
{
    segment_load(cpu, SS, read_selector(cpu, in));
    shadow_after_ss(cpu);
    cpu->eip = insn_next_eip(cpu, in);
}
INTERP_ONE(mov_to_ss)

static void store_word(struct cpu *cpu, const struct insn *in,
                       uint32_t value) /* memory: a word; register: zero-extended */
{
    if (in->is_mem)
        mem_write16(cpu, in->seg, effective_offset(cpu, in), (uint16_t)value);
    else
        reg_write(cpu, in->rm, value, operand_bits(in));
}

static void mov_from_sreg(struct cpu *cpu, const struct insn *in)
{
    if (in->reg >= SREGS)
        cpu_raise(cpu, VEC_UD);
    store_word(cpu, in, cpu->seg[in->reg].selector);
    NEXT(cpu, in);
}
INTERP_ONE(mov_from_sreg)

/* 06 0E 16 1E, 0F A0, 0F A8 and their pops name the register in the same three bits. */
static unsigned opcode_sreg(const struct insn *in)
{
    return in->opcode >> 3 & 7;
}

static void push_sreg(struct cpu *cpu, const struct insn *in)
{
    push(cpu, cpu->seg[opcode_sreg(in)].selector, operand_bits(in));
    NEXT(cpu, in);
}
INTERP_ONE(push_sreg)

static void pop_into(struct cpu *cpu, const struct insn *in, unsigned seg)
{
    uint32_t esp = sp_add(cpu, operand_bits(in) / 8);

    segment_load(cpu, seg, (uint16_t)stack_peek(cpu, 0, operand_bits(in)));
    cpu->gpr[ESP] = esp; /* with the old SS.B */
}

static void pop_sreg(struct cpu *cpu, const struct insn *in)
{
    pop_into(cpu, in, opcode_sreg(in));
    NEXT(cpu, in);
}
INTERP_ONE(pop_sreg)

static void pop_ss(struct cpu *cpu, const struct insn *in)
{
    pop_into(cpu, in, SS);
    shadow_after_ss(cpu);
    cpu->eip = insn_next_eip(cpu, in);
}
INTERP_ONE(pop_ss)

static void load_far_pointer(struct cpu *cpu, const struct insn *in, unsigned seg)
{
    unsigned bits = operand_bits(in);
    uint32_t at = effective_offset(cpu, in);
    uint32_t offset = mem_read(cpu, in->seg, at, bits);

    segment_load(cpu, seg, mem_read16(cpu, in->seg, (at + bits / 8) & in->addr_mask));
    reg_write(cpu, in->reg, offset, bits);
}
#define LOAD_FAR(name, seg)                                                                                            \
    static void name(struct cpu *cpu, const struct insn *in)                                                           \
    {                                                                                                                  \
        load_far_pointer(cpu, in, seg);                                                                                \
        NEXT(cpu, in);                                                                                                 \
    }                                                                                                                  \
    INTERP_ONE(name)
LOAD_FAR(les, ES)
LOAD_FAR(lds, DS)
LOAD_FAR(lss, SS)
LOAD_FAR(lfs, FS)
LOAD_FAR(lgs, GS)

/* ---- GDTR, IDTR ---- */

static void require_cpl0(struct cpu *cpu)
{
    if (cpu->cpl != 0)
        cpu_raise_error(cpu, VEC_GP, 0);
}

static struct table_register read_table_register(struct cpu *cpu, const struct insn *in)
{
    uint32_t at = effective_offset(cpu, in);
    struct table_register t = {.limit = mem_read16(cpu, in->seg, at)};

    t.base = mem_read32(cpu, in->seg, at + 2);
    if (!in->opsize32)
        t.base &= 0x00ffffff;
    return t;
}

/* The 16-bit form stores all 32 bits of the base too, as processors do whatever the manual says. */
static void write_table_register(struct cpu *cpu, const struct insn *in, struct table_register t)
{
    uint32_t at = effective_offset(cpu, in);
    lin_addr limit = seg_write_linear(cpu, in->seg, at, 2), base = seg_write_linear(cpu, in->seg, at + 2, 4);

    mmu_check_write(&cpu->mmu, limit, 2, cpu->view);
    mmu_check_write(&cpu->mmu, base, 4, cpu->view);
    mem_write16(cpu, in->seg, at, t.limit);
    mem_write32(cpu, in->seg, at + 2, t.base);
}

static void lgdt(struct cpu *cpu, const struct insn *in)
{
    require_cpl0(cpu);
    cpu->gdtr = read_table_register(cpu, in);
    segment_forget_descriptors(cpu);
    NEXT(cpu, in);
}
INTERP_ONE(lgdt)

static void lidt(struct cpu *cpu, const struct insn *in)
{
    require_cpl0(cpu);
    cpu->idtr = read_table_register(cpu, in);
    NEXT(cpu, in);
}
INTERP_ONE(lidt)

static void sgdt(struct cpu *cpu, const struct insn *in)
{
    write_table_register(cpu, in, cpu->gdtr);
    NEXT(cpu, in);
}
INTERP_ONE(sgdt)

static void sidt(struct cpu *cpu, const struct insn *in)
{
    write_table_register(cpu, in, cpu->idtr);
    NEXT(cpu, in);
}
INTERP_ONE(sidt)

/* ---- LDTR, TR ---- */

static void require_protected(struct cpu *cpu) /* PM_ONLY */
{
    if (cpu_is_real_or_v86(cpu))
        cpu_raise(cpu, VEC_UD);
}

static void sldt(struct cpu *cpu, const struct insn *in)
{
    require_protected(cpu);
    store_word(cpu, in, cpu->ldtr.selector);
    NEXT(cpu, in);
}
INTERP_ONE(sldt)

static void str(struct cpu *cpu, const struct insn *in)
{
    require_protected(cpu);
    store_word(cpu, in, cpu->tr.selector);
    NEXT(cpu, in);
}
INTERP_ONE(str)

static void lldt(struct cpu *cpu, const struct insn *in)
{
    struct descriptor d;
    uint16_t selector;

    require_protected(cpu);
    require_cpl0(cpu);
    selector = read_selector(cpu, in);
    if (SELECTOR_IS_NULL(selector)) {
        cpu->ldtr = (struct segment){.selector = selector};
    } else {
        if ((selector & SELECTOR_TI) || !descriptor_read(cpu, selector, &d) || !ar_is_system(d.ar, TYPE_LDT))
            cpu_raise_error(cpu, VEC_GP, SELECTOR_ERROR(selector));
        if (!ar_is_present(d.ar))
            cpu_raise_error(cpu, VEC_NP, SELECTOR_ERROR(selector));
        segment_unpack(&cpu->ldtr, selector, &d);
    }
    segment_forget_descriptors(cpu);
    NEXT(cpu, in);
}
INTERP_ONE(lldt)

static void ltr(struct cpu *cpu, const struct insn *in)
{
    struct descriptor d;
    uint16_t selector;

    require_protected(cpu);
    require_cpl0(cpu);
    selector = read_selector(cpu, in);
    if (SELECTOR_IS_NULL(selector))
        cpu_raise_error(cpu, VEC_GP, 0);
    if ((selector & SELECTOR_TI) || !descriptor_read(cpu, selector, &d) || !ar_is_tss(d.ar) || (d.ar & TYPE_TSS_BUSY))
        cpu_raise_error(cpu, VEC_GP, SELECTOR_ERROR(selector));
    if (!ar_is_present(d.ar))
        cpu_raise_error(cpu, VEC_NP, SELECTOR_ERROR(selector));
    d.ar |= TYPE_TSS_BUSY;
    mmu_st8(&cpu->mmu, d.address + 5, (uint8_t)d.ar, MMU_SUPERVISOR);
    segment_unpack(&cpu->tr, selector, &d);
    NEXT(cpu, in);
}
INTERP_ONE(ltr)

/* ---- ARPL, LAR, LSL, VERR, VERW ---- */

/* Writes, and needs the right to write, only if the RPL changes. */
static void arpl(struct cpu *cpu, const struct insn *in)
{
    uint32_t value;
    unsigned rpl;

    require_protected(cpu);
    value = rm_read(cpu, in, in->is_mem, 16);
    rpl = cpu->gpr[in->reg] & SELECTOR_RPL;
    if ((value & SELECTOR_RPL) < rpl) {
        rm_write(cpu, in, (value & ~SELECTOR_RPL) | rpl, in->is_mem, 16);
        flags_set_zf(cpu, true);
    } else {
        flags_set_zf(cpu, false);
    }
    NEXT(cpu, in);
}
INTERP_ONE(arpl)

static bool privilege_reaches(const struct cpu *cpu, uint16_t selector, uint16_t ar)
{
    unsigned dpl = ar_dpl(ar);

    return ar_is_conforming(ar) || (cpu->cpl <= dpl && (selector & SELECTOR_RPL) <= dpl);
}

/* Reads the selector operand and its descriptor. False: null, out of the table, or not visible here. */
static bool probe(struct cpu *cpu, const struct insn *in, struct descriptor *d)
{
    uint16_t selector;

    require_protected(cpu);
    selector = read_selector(cpu, in);
    return !SELECTOR_IS_NULL(selector) && descriptor_read(cpu, selector, d) && privilege_reaches(cpu, selector, d->ar);
}

static bool lar_takes(uint16_t ar) /* SDM vol. 2 "LAR", table of types */
{
    const uint32_t system_types = 1 << TYPE_TSS16 | 1 << TYPE_LDT | 1 << TYPE_TSS16_BUSY | 1 << TYPE_CALL16 |
                                  1 << TYPE_TASK_GATE | 1 << TYPE_TSS32 | 1 << TYPE_TSS32_BUSY | 1 << TYPE_CALL32;

    return (ar & AR_S) || (system_types >> (ar & AR_TYPE) & 1);
}

static bool lsl_takes(uint16_t ar) /* SDM vol. 2 "LSL", table of types */
{
    return (ar & AR_S) || ar_is_tss(ar) || ar_is_system(ar, TYPE_LDT);
}

/* Bits 19:16 are undefined; processors show the limit's. */
static void lar(struct cpu *cpu, const struct insn *in)
{
    struct descriptor d;
    bool ok = probe(cpu, in, &d) && lar_takes(d.ar);

    if (ok)
        reg_write(cpu, in->reg, d.high & 0x00ffff00, operand_bits(in));
    flags_set_zf(cpu, ok);
    NEXT(cpu, in);
}
INTERP_ONE(lar)

static void lsl(struct cpu *cpu, const struct insn *in)
{
    struct descriptor d;
    bool ok = probe(cpu, in, &d) && lsl_takes(d.ar);

    if (ok)
        reg_write(cpu, in->reg, d.limit, operand_bits(in));
    flags_set_zf(cpu, ok);
    NEXT(cpu, in);
}
INTERP_ONE(lsl)

static void verr(struct cpu *cpu, const struct insn *in)
{
    struct descriptor d;

    flags_set_zf(cpu, probe(cpu, in, &d) && ar_is_readable(d.ar));
    NEXT(cpu, in);
}
INTERP_ONE(verr)

static void verw(struct cpu *cpu, const struct insn *in)
{
    struct descriptor d;

    flags_set_zf(cpu, probe(cpu, in, &d) && ar_is_writable_data(d.ar));
    NEXT(cpu, in);
}
INTERP_ONE(verw)
