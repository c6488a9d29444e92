/*
 * The task-state segment: hardware task switches, inner stacks, the I/O permission map.
 *
 * Source: SDM vol. 3 "Task Management" (task switching, table "Exception Conditions Checked During a Task Switch"),
 * "Stack Switching"; vol. 1 "I/O Permission Bit Map". Deviates: loading a task with bad PAE page-directory pointers
 * raises #GP(0) before the switch. A 16-bit task finds the upper halves of its registers set, which the SDM leaves
 * undefined.
 */
#include "frontend/x86/sys_internal.h"

#include "frontend/x86/code.h"
#include "frontend/x86/insn.h"
#include "hw/core/log.h"

/* Where the fields lie. */
enum {
    TSS32_CR3 = 0x1c,
    TSS32_EIP = 0x20,
    TSS32_EFLAGS = 0x24,
    TSS32_GPR = 0x28,
    TSS32_SEG = 0x48, /* ES CS SS DS FS GS */
    TSS32_LDT = 0x60,
    TSS32_TRAP = 0x64,
    TSS32_IO_MAP = 0x66,
    TSS32_BYTES = 0x68,
    TSS16_IP = 0x0e,
    TSS16_FLAGS = 0x10,
    TSS16_GPR = 0x12,
    TSS16_SEG = 0x22, /* ES CS SS DS */
    TSS16_LDT = 0x2a,
    TSS16_BYTES = 0x2c,
};

struct task_image { /* what a TSS holds for a task that does not run */
    uint32_t cr3, eip, eflags;
    uint32_t gpr[8];
    uint16_t seg[SREGS];
    uint16_t ldt;
    bool traps, is_32bit;
};

static uint16_t read16(struct cpu *cpu, lin_addr address)
{
    return mmu_ld16(&cpu->mmu, address, MMU_SUPERVISOR);
}
static uint32_t read32(struct cpu *cpu, lin_addr address)
{
    return mmu_ld32(&cpu->mmu, address, MMU_SUPERVISOR);
}
static void write16(struct cpu *cpu, lin_addr address, uint32_t value)
{
    mmu_st16(&cpu->mmu, address, (uint16_t)value, MMU_SUPERVISOR);
}
static void write32(struct cpu *cpu, lin_addr address, uint32_t value)
{
    mmu_st32(&cpu->mmu, address, value, MMU_SUPERVISOR);
}

/* ---- inner stacks ---- */

static void read_inner(struct cpu *cpu, unsigned cpl, uint32_t ext, uint16_t *ss, uint32_t *esp)
{
    bool is_32bit = cpu->tr.ar & TYPE_32BIT;
    uint32_t at = is_32bit ? cpl * 8 + 4 : cpl * 4 + 2;

    if (!ar_is_present(cpu->tr.ar) || at + (is_32bit ? 5 : 3) > cpu->tr.limit)
        cpu_raise_error(cpu, VEC_TS, SELECTOR_ERROR(cpu->tr.selector) | ext);
    if (is_32bit) {
        *esp = read32(cpu, cpu->tr.base + at);
        *ss = read16(cpu, cpu->tr.base + at + 4);
    } else {
        *esp = read16(cpu, cpu->tr.base + at);
        *ss = read16(cpu, cpu->tr.base + at + 2);
    }
}

void tss_stack(struct cpu *cpu, unsigned cpl, uint16_t *ss, uint32_t *esp)
{
    read_inner(cpu, cpl, 0, ss, esp);
}

void tss_inner_stack(struct cpu *cpu, unsigned cpl, uint32_t ext, struct inner_stack *out)
{
    struct descriptor *d = &out->descriptor;
    uint16_t selector;

    read_inner(cpu, cpl, ext, &selector, &out->esp);
    if (SELECTOR_IS_NULL(selector))
        cpu_raise_error(cpu, VEC_TS, ext);
    if (!descriptor_read(cpu, selector, d) || (selector & SELECTOR_RPL) != cpl || ar_dpl(d->ar) != cpl ||
        !ar_is_writable_data(d->ar))
        cpu_raise_error(cpu, VEC_TS, SELECTOR_ERROR(selector) | ext);
    if (!ar_is_present(d->ar))
        cpu_raise_error(cpu, VEC_SS, SELECTOR_ERROR(selector) | ext);
    segment_unpack(&out->ss, selector, d);
}

/* ---- I/O permission ---- */

bool io_is_permitted(struct cpu *cpu, uint16_t port, unsigned width)
{
    uint32_t at, bits;

    if (!cpu_is_pm(cpu) || (!cpu_is_v86(cpu) && cpu->cpl <= cpu_iopl(cpu)))
        return true;
    if (!ar_is_present(cpu->tr.ar) || !ar_is_system(cpu->tr.ar, TYPE_TSS32_BUSY) || cpu->tr.limit < TSS32_BYTES - 1)
        return false;
    at = read16(cpu, cpu->tr.base + TSS32_IO_MAP) + port / 8u;
    if (at + 1 > cpu->tr.limit) /* two bytes are read, whatever the width */
        return false;
    bits = read16(cpu, cpu->tr.base + at) >> (port & 7);
    return !(bits & ((1u << width) - 1));
}

/* ---- task switch ---- */

static void save_task(struct cpu *cpu, uint32_t eip, uint32_t eflags)
{
    lin_addr base = cpu->tr.base;

    if (cpu->tr.ar & TYPE_32BIT) {
        write32(cpu, base + TSS32_EIP, eip);
        write32(cpu, base + TSS32_EFLAGS, eflags);
        for (unsigned i = 0; i < 8; i++)
            write32(cpu, base + TSS32_GPR + 4 * i, cpu->gpr[i]);
        for (unsigned i = 0; i < SREGS; i++)
            write16(cpu, base + TSS32_SEG + 4 * i, cpu->seg[i].selector);
    } else {
        write16(cpu, base + TSS16_IP, eip);
        write16(cpu, base + TSS16_FLAGS, eflags);
        for (unsigned i = 0; i < 8; i++)
            write16(cpu, base + TSS16_GPR + 2 * i, cpu->gpr[i]);
        for (unsigned i = 0; i < 4; i++)
            write16(cpu, base + TSS16_SEG + 2 * i, cpu->seg[i].selector);
    }
}

static struct task_image read_task(struct cpu *cpu, const struct descriptor *tss)
{
    lin_addr base = tss->base;
    struct task_image t = {.is_32bit = tss->ar & TYPE_32BIT};

    if (t.is_32bit) {
        t.cr3 = read32(cpu, base + TSS32_CR3);
        t.eip = read32(cpu, base + TSS32_EIP);
        t.eflags = read32(cpu, base + TSS32_EFLAGS);
        for (unsigned i = 0; i < 8; i++)
            t.gpr[i] = read32(cpu, base + TSS32_GPR + 4 * i);
        for (unsigned i = 0; i < SREGS; i++)
            t.seg[i] = read16(cpu, base + TSS32_SEG + 4 * i);
        t.ldt = read16(cpu, base + TSS32_LDT);
        t.traps = read16(cpu, base + TSS32_TRAP) & 1;
    } else {
        t.eip = read16(cpu, base + TSS16_IP);
        t.eflags = read16(cpu, base + TSS16_FLAGS);
        for (unsigned i = 0; i < 8; i++)
            t.gpr[i] = 0xffff0000u | read16(cpu, base + TSS16_GPR + 2 * i);
        for (unsigned i = 0; i < 4; i++)
            t.seg[i] = read16(cpu, base + TSS16_SEG + 2 * i);
        t.ldt = read16(cpu, base + TSS16_LDT);
    }
    return t;
}

/* Everything that is checked in the old task's context. */
static void check_new_tss(struct cpu *cpu, uint16_t selector, enum task_switch_kind kind, uint32_t ext,
                          struct descriptor *tss)
{
    enum cpu_vector invalid = kind == TASK_IRET ? VEC_TS : VEC_GP;
    uint32_t error = SELECTOR_ERROR(selector) | ext;
    bool wants_busy = kind == TASK_IRET;

    if (SELECTOR_IS_NULL(selector) || (selector & SELECTOR_TI) || !descriptor_read(cpu, selector, tss) ||
        !ar_is_tss(tss->ar) || !!(tss->ar & TYPE_TSS_BUSY) != wants_busy)
        cpu_raise_error(cpu, invalid, error);
    if (!ar_is_present(tss->ar))
        cpu_raise_error(cpu, VEC_NP, error);
    if (tss->limit < (tss->ar & TYPE_32BIT ? TSS32_BYTES : TSS16_BYTES) - 1u)
        cpu_raise_error(cpu, VEC_TS, error);
    if (!ar_is_tss(cpu->tr.ar) || !ar_is_present(cpu->tr.ar) ||
        cpu->tr.limit < (cpu->tr.ar & TYPE_32BIT ? TSS32_LDT : TSS16_LDT) - 1u)
        cpu_raise_error(cpu, VEC_TS, SELECTOR_ERROR(cpu->tr.selector) | ext);
}

/* SDM step 5: both TSSs and both descriptors must be accessible before anything is written. */
static void touch_both(struct cpu *cpu, const struct descriptor *tss, lin_addr old_descriptor,
                       enum task_switch_kind kind)
{
    bool old_is_32bit = cpu->tr.ar & TYPE_32BIT, new_is_32bit = tss->ar & TYPE_32BIT;
    unsigned old_first = old_is_32bit ? TSS32_EIP : TSS16_IP, old_end = old_is_32bit ? TSS32_LDT : TSS16_LDT;

    mmu_check_write(&cpu->mmu, cpu->tr.base + old_first, old_end - old_first, MMU_SUPERVISOR);
    mmu_check_read(&cpu->mmu, tss->base, new_is_32bit ? TSS32_BYTES : TSS16_BYTES, MMU_SUPERVISOR);
    if (kind == TASK_CALL || kind == TASK_INTERRUPT)
        mmu_check_write(&cpu->mmu, tss->base, 2, MMU_SUPERVISOR); /* link */
    if (kind == TASK_JMP || kind == TASK_IRET)
        mmu_check_write(&cpu->mmu, old_descriptor + 5, 1, MMU_SUPERVISOR);
    if (kind != TASK_IRET)
        mmu_check_write(&cpu->mmu, tss->address + 5, 1, MMU_SUPERVISOR);
}

static void set_busy(struct cpu *cpu, lin_addr descriptor, bool busy)
{
    uint8_t type = mmu_ld8(&cpu->mmu, descriptor + 5, MMU_SUPERVISOR);

    type = busy ? type | TYPE_TSS_BUSY : type & ~TYPE_TSS_BUSY;
    mmu_st8(&cpu->mmu, descriptor + 5, type, MMU_SUPERVISOR);
}

static bool task_has_cr3(const struct cpu *cpu, const struct descriptor *tss)
{
    return (tss->ar & TYPE_32BIT) && (cpu->cr0 & CR0_PG);
}

/* Loading CR3 is the one step after the commit point that could fail: #GP(0) now instead. */
static void check_new_cr3(struct cpu *cpu, const struct descriptor *tss)
{
    uint64_t pdpte[4];

    if (task_has_cr3(cpu, tss) && (cpu->cr4 & CR4_PAE) &&
        !mmu_load_pdptes(&cpu->mmu, read32(cpu, tss->base + TSS32_CR3), pdpte))
        cpu_raise_error(cpu, VEC_GP, 0);
}

static _Noreturn void raise_in_task(struct cpu *cpu, enum cpu_vector vector, uint16_t selector, uint32_t ext)
{
    cpu_raise_error(cpu, vector, SELECTOR_ERROR(selector) | ext);
}

static void qualify_ldt(struct cpu *cpu, uint16_t selector, uint32_t ext)
{
    struct descriptor d;

    if (SELECTOR_IS_NULL(selector))
        return;
    if ((selector & SELECTOR_TI) || !descriptor_read(cpu, selector, &d) || !ar_is_system(d.ar, TYPE_LDT) ||
        !ar_is_present(d.ar))
        raise_in_task(cpu, VEC_TS, selector, ext);
    segment_unpack(&cpu->ldtr, selector, &d);
    segment_forget_descriptors(cpu);
}

static void qualify_cs(struct cpu *cpu, uint16_t selector, uint32_t ext)
{
    unsigned rpl = selector & SELECTOR_RPL;
    struct descriptor d;

    if (SELECTOR_IS_NULL(selector) || !descriptor_read(cpu, selector, &d) || !ar_is_code(d.ar) ||
        (ar_is_conforming(d.ar) ? ar_dpl(d.ar) > rpl : ar_dpl(d.ar) != rpl))
        raise_in_task(cpu, VEC_TS, selector, ext);
    if (!ar_is_present(d.ar))
        raise_in_task(cpu, VEC_NP, selector, ext);
    descriptor_set_accessed(cpu, &d);
    segment_set(cpu, CS, selector, &d);
}

static void qualify_ss(struct cpu *cpu, uint16_t selector, unsigned cpl, uint32_t ext)
{
    struct descriptor d;

    if (SELECTOR_IS_NULL(selector) || !descriptor_read(cpu, selector, &d) || !ar_is_writable_data(d.ar) ||
        ar_dpl(d.ar) != cpl || (selector & SELECTOR_RPL) != cpl)
        raise_in_task(cpu, VEC_TS, selector, ext);
    if (!ar_is_present(d.ar))
        raise_in_task(cpu, VEC_SS, selector, ext);
    descriptor_set_accessed(cpu, &d);
    segment_set(cpu, SS, selector, &d);
}

static void qualify_data(struct cpu *cpu, unsigned seg, uint16_t selector, uint32_t ext)
{
    unsigned privilege = selector & SELECTOR_RPL;
    struct descriptor d;

    if (SELECTOR_IS_NULL(selector))
        return;
    if (cpu->cpl > privilege)
        privilege = cpu->cpl;
    if (!descriptor_read(cpu, selector, &d) || !ar_is_readable(d.ar) ||
        (!ar_is_conforming(d.ar) && privilege > ar_dpl(d.ar)))
        raise_in_task(cpu, VEC_TS, selector, ext);
    if (!ar_is_present(d.ar))
        raise_in_task(cpu, VEC_NP, selector, ext);
    descriptor_set_accessed(cpu, &d);
    segment_set(cpu, seg, selector, &d);
}

/* SDM steps 12 and 13. All of the image is in place before the first descriptor is looked at; a fault from here on is
 * one of the new task, which then has null segments where the check did not come. */
static void enter_task(struct cpu *cpu, const struct task_image *t, uint32_t ext)
{
    static const struct insn boundary = {.row = ISA_ROW_UD};

    memcpy(cpu->gpr, t->gpr, sizeof t->gpr);
    cpu->eip = t->eip;
    /* For the run loop the block that switched has ended; a fault is reported at the new EIP, offset 0. */
    cpu->insn = &boundary;
    cpu->block = NULL;
    cpu_set_eflags(cpu, t->eflags, 0xffffffffu);
    cpu->ldtr = (struct segment){.selector = t->ldt};
    segment_forget_descriptors(cpu);
    /* Until CS and SS are known to be good, CPL 3 makes sure that the fault's handler gets a stack of its own. */
    cpu_set_cpl(cpu, 3);
    for (unsigned i = 0; i < SREGS; i++)
        segment_set_null(cpu, i, t->seg[i]);

    qualify_ldt(cpu, t->ldt, ext);
    if (cpu_is_v86(cpu)) {
        for (unsigned i = 0; i < SREGS; i++)
            segment_load_real(cpu, i, t->seg[i]);
        return;
    }
    qualify_cs(cpu, t->seg[CS], ext);
    qualify_ss(cpu, t->seg[SS], t->seg[CS] & SELECTOR_RPL, ext);
    cpu_set_cpl(cpu, t->seg[CS] & SELECTOR_RPL);
    qualify_data(cpu, DS, t->seg[DS], ext);
    qualify_data(cpu, ES, t->seg[ES], ext);
    qualify_data(cpu, FS, t->seg[FS], ext);
    qualify_data(cpu, GS, t->seg[GS], ext);
}

void task_switch_from(struct cpu *cpu, uint16_t tss_selector, enum task_switch_kind kind, bool has_error,
                      uint32_t error, uint32_t return_eip, uint32_t ext)
{
    uint32_t old_eflags = cpu_get_eflags(cpu);
    lin_addr old_descriptor = cpu->gdtr.base + (cpu->tr.selector & ~7u);
    uint16_t old_selector = cpu->tr.selector;
    struct descriptor tss;
    struct task_image t;

    check_new_tss(cpu, tss_selector, kind, ext, &tss);
    touch_both(cpu, &tss, old_descriptor, kind);
    check_new_cr3(cpu, &tss);
    if (log_is_on(LOG_PCALL))
        log_printf(LOG_PCALL, "task switch %04x -> %04x\n", old_selector, tss_selector);

    if (kind == TASK_IRET)
        old_eflags &= ~(uint32_t)EFLAGS_NT;
    save_task(cpu, return_eip, old_eflags);
    t = read_task(cpu, &tss); /* after the save: the two may overlap */
    if (kind == TASK_JMP || kind == TASK_IRET)
        set_busy(cpu, old_descriptor, false);
    if (kind != TASK_IRET) {
        set_busy(cpu, tss.address, true);
        tss.ar |= TYPE_TSS_BUSY;
    }
    if (kind == TASK_CALL || kind == TASK_INTERRUPT) {
        write16(cpu, tss.base, old_selector);
        t.eflags |= EFLAGS_NT;
    }
    segment_unpack(&cpu->tr, tss_selector, &tss);
    if (task_has_cr3(cpu, &tss)) {
        cpu->cr3 = t.cr3;
        cpu_derive_paging(cpu);
    }
    cpu->cr0 |= CR0_TS;
    cpu->dr[7] &= ~DR7_LOCAL;
    debug_derive(cpu);
    if (t.traps)
        cpu->pending_db |= DR6_BT;
    enter_task(cpu, &t, ext);

    if (has_error) {
        struct frame f = {.item_bytes = t.is_32bit ? 4 : 2};

        frame_add(&f, error);
        frame_check_room(cpu, &cpu->seg[SS], cpu->gpr[ESP], &f, ext);
        cpu->gpr[ESP] = frame_store(cpu, &cpu->seg[SS], cpu->gpr[ESP], &f, cpu->view);
    }
    if (cpu->eip > cpu->seg[CS].limit)
        cpu_raise_error(cpu, VEC_GP, ext);
}

void task_switch(struct cpu *cpu, uint16_t tss_selector, enum task_switch_kind kind, bool has_error, uint32_t error)
{
    task_switch_from(cpu, tss_selector, kind, has_error, error, cpu->eip, kind == TASK_INTERRUPT);
}
