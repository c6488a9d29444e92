/*
 * IRET in real mode, virtual-8086 mode and protected mode: same and outer level, to virtual-8086 mode, and to a nested
 * task.
 *
 * Source: SDM vol. 2 "IRET/IRETD-Interrupt Return"; vol. 3 "8086 Emulation".
 */
#include "frontend/x86/interp.h"
#include "frontend/x86/sys_internal.h"

#define FLAGS_16     0x00007fd5u /* everything of FLAGS that can change */
#define FLAGS_COMMON (EFLAGS_OSZAPC | EFLAGS_TF | EFLAGS_DF | EFLAGS_NT)
#define FLAGS_HIGH   (EFLAGS_RF | EFLAGS_AC | EFLAGS_ID)

struct iret_image {
    uint32_t eip, eflags;
    uint16_t cs;
    unsigned bits; /* 16 or 32 */
};

static struct iret_image pop_image(struct cpu *cpu, unsigned bits) /* #SS(0) */
{
    unsigned bytes = bits / 8;

    return (struct iret_image){.eip = stack_peek(cpu, 0, bits),
                               .cs = (uint16_t)stack_peek(cpu, bytes, bits),
                               .eflags = stack_peek(cpu, 2 * bytes, bits),
                               .bits = bits};
}

/* Real mode and virtual-8086 mode; `mask` says which EFLAGS bits take the popped value. */
static void commit_real(struct cpu *cpu, const struct iret_image *image, uint32_t mask)
{
    check_near_target(cpu, image->eip);
    stack_drop(cpu, 3 * (image->bits / 8));
    segment_load_real(cpu, CS, image->cs);
    cpu->eip = image->eip;
    cpu_commit_eflags(cpu, image->eflags, mask);
    cpu->nmi_blocked = false;
}

static void iret_real(struct cpu *cpu, unsigned bits)
{
    struct iret_image image = pop_image(cpu, bits);

    commit_real(cpu, &image, bits == 32 ? FLAGS_16 | FLAGS_HIGH : FLAGS_16);
}

/* SDM "RETURN-FROM-VIRTUAL-8086-MODE". */
static void iret_v86(struct cpu *cpu, unsigned bits)
{
    uint32_t mask = FLAGS_COMMON | (bits == 32 ? FLAGS_HIGH : 0);
    struct iret_image image;

    if (cpu_iopl(cpu) == 3) {
        image = pop_image(cpu, bits);
        commit_real(cpu, &image, mask | EFLAGS_IF);
        return;
    }
    if (bits == 32 || !(cpu->cr4 & CR4_VME))
        cpu_raise_error(cpu, VEC_GP, 0);
    image = pop_image(cpu, bits);
    if (((image.eflags & EFLAGS_IF) && (cpu->eflags & EFLAGS_VIP)) || (image.eflags & EFLAGS_TF))
        cpu_raise_error(cpu, VEC_GP, 0);
    image.eflags |= image.eflags & EFLAGS_IF ? EFLAGS_VIF : 0;
    commit_real(cpu, &image, mask | EFLAGS_VIF);
}

/* SDM "TASK-RETURN". */
static void iret_task(struct cpu *cpu, uint32_t next_eip)
{
    uint16_t link = mmu_ld16(&cpu->mmu, cpu->tr.base, MMU_SUPERVISOR);

    task_switch_from(cpu, link, TASK_IRET, false, 0, next_eip, 0); /* #TS, #NP */
    cpu->nmi_blocked = false;
}

/* SDM "RETURN-TO-VIRTUAL-8086-MODE": only from CPL 0. */
static void iret_to_v86(struct cpu *cpu, const struct iret_image *image)
{
    static const uint8_t segment_order[] = {SS, ES, DS, FS, GS};
    uint32_t esp = stack_peek(cpu, 12, 32);
    uint16_t selector[5];

    for (unsigned i = 0; i < 5; i++)
        selector[i] = (uint16_t)stack_peek(cpu, 16 + 4 * i, 32);
    if (image->eip > 0xffff)
        cpu_raise_error(cpu, VEC_GP, 0);

    cpu_set_eflags(cpu, image->eflags, 0xffffffffu);
    cpu_set_cpl(cpu, 3);
    segment_load_real(cpu, CS, image->cs);
    for (unsigned i = 0; i < 5; i++)
        segment_load_real(cpu, segment_order[i], selector[i]);
    cpu->gpr[ESP] = esp;
    cpu->eip = image->eip;
    cpu->nmi_blocked = false;
}

/* Which EFLAGS bits an IRET at the present CPL and IOPL may change. */
static uint32_t writable_flags(const struct cpu *cpu, unsigned bits)
{
    uint32_t mask = FLAGS_COMMON | (bits == 32 ? FLAGS_HIGH : 0);

    if (cpu->cpl <= cpu_iopl(cpu))
        mask |= EFLAGS_IF;
    if (cpu->cpl == 0)
        mask |= EFLAGS_IOPL | (bits == 32 ? EFLAGS_VIF | EFLAGS_VIP : 0);
    return mask;
}

static void raise_selector(struct cpu *cpu, enum cpu_vector vector, uint16_t selector)
{
    cpu_raise_error(cpu, vector, SELECTOR_ERROR(selector));
}

/* SDM "PROTECTED-MODE-RETURN". */
static void iret_protected(struct cpu *cpu, const struct iret_image *image)
{
    unsigned rpl = image->cs & SELECTOR_RPL, bytes = image->bits / 8;
    uint32_t mask = writable_flags(cpu, image->bits), esp = 0;
    bool is_outer = rpl > cpu->cpl;
    uint16_t ss_selector = 0;
    struct descriptor cs, ss;

    if (SELECTOR_IS_NULL(image->cs))
        cpu_raise_error(cpu, VEC_GP, 0);
    if (!descriptor_read(cpu, image->cs, &cs) || !ar_is_code(cs.ar) || rpl < cpu->cpl ||
        (ar_is_conforming(cs.ar) ? ar_dpl(cs.ar) > rpl : ar_dpl(cs.ar) != rpl))
        raise_selector(cpu, VEC_GP, image->cs);
    if (!ar_is_present(cs.ar))
        raise_selector(cpu, VEC_NP, image->cs);
    if (is_outer) {
        esp = stack_peek(cpu, 3 * bytes, image->bits);
        ss_selector = (uint16_t)stack_peek(cpu, 4 * bytes, image->bits);
        if (SELECTOR_IS_NULL(ss_selector))
            cpu_raise_error(cpu, VEC_GP, 0);
        if (!descriptor_read(cpu, ss_selector, &ss) || (ss_selector & SELECTOR_RPL) != rpl ||
            !ar_is_writable_data(ss.ar) || ar_dpl(ss.ar) != rpl)
            raise_selector(cpu, VEC_GP, ss_selector);
        if (!ar_is_present(ss.ar))
            raise_selector(cpu, VEC_SS, ss_selector);
    }
    if (image->eip > cs.limit)
        cpu_raise_error(cpu, VEC_GP, 0);
    descriptor_set_accessed(cpu, &cs);
    if (is_outer)
        descriptor_set_accessed(cpu, &ss);

    cpu_commit_eflags(cpu, image->eflags, mask);
    cpu_set_cpl(cpu, rpl);
    segment_set(cpu, CS, image->cs, &cs);
    cpu->eip = image->eip;
    if (is_outer) {
        segment_set(cpu, SS, ss_selector, &ss);
        if (ss.ar & AR_DB)
            cpu->gpr[ESP] = esp;
        else
            set_reg16(cpu, ESP, (uint16_t)esp);
        segments_drop_privileged(cpu);
    } else {
        stack_drop(cpu, 3 * bytes);
    }
    cpu->nmi_blocked = false;
}

static void iret(struct cpu *cpu, const struct insn *in)
{
    unsigned bits = in->opsize32 ? 32 : 16;
    struct iret_image image;

    if (!cpu_is_pm(cpu)) {
        iret_real(cpu, bits);
    } else if (cpu_is_v86(cpu)) {
        iret_v86(cpu, bits);
    } else if (cpu->eflags & EFLAGS_NT) {
        iret_task(cpu, insn_next_eip(cpu, in));
    } else {
        image = pop_image(cpu, bits);
        if ((image.eflags & EFLAGS_VM) && cpu->cpl == 0)
            iret_to_v86(cpu, &image);
        else
            iret_protected(cpu, &image);
    }
}
INTERP_ONE(iret)
