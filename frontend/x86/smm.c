/*
 * System management mode: SMI# and RSM.
 *
 * Source: SDM vol. 3 "System Management Mode": "SMRAM State Save Map" (32-bit processors), "SMM Execution Environment",
 * "SMM Revision Identifier", "Auto HALT Restart", "SMBASE Relocation", "Exiting From SMM"; vol. 2 "RSM". Where the SDM
 * reserves the map, descriptor caches, table registers and CR4 lie where PC firmware and emulators keep them.
 * Deviates: no I/O instruction restart. An SMI waits one instruction after STI. PDPTEs are read from memory again.
 */
#include "frontend/x86/smm.h"

#include <string.h>

#include "frontend/x86/interp.h"
#include "frontend/x86/sys_internal.h"
#include "hw/core/log.h"
#include "softmmu/phys.h"

#define SMM_ENTRY_EIP   0x8000u
#define SMM_SAVE_AREA   0x8000u     /* offsets below count from SMBASE + 8000 */
#define SMM_REVISION    0x00020000u /* SMBASE relocation */
#define SMM_AUTO_HALT   1u
#define SMM_DATA_AR     (AR_P | AR_S | AR_WRITABLE | AR_ACCESSED | AR_G)
#define SMM_CR0_CLEARED (CR0_PE | CR0_EM | CR0_TS | CR0_PG)

enum save_area {
    SAVE_SMBASE = 0x7ef8,
    SAVE_REVISION = 0x7efc,
    SAVE_AUTO_HALT = 0x7f02, /* 16 bits; I/O restart at 7F00 is not there */
    SAVE_CR4 = 0x7f14,
    SAVE_DATA_CACHES = 0x7f2c, /* DS, FS, GS: rights, limit, base */
    SAVE_IDT_LIMIT = 0x7f54,
    SAVE_IDT_BASE = 0x7f58,
    SAVE_TR_CACHE = 0x7f5c,
    SAVE_GDT_LIMIT = 0x7f70,
    SAVE_GDT_BASE = 0x7f74,
    SAVE_LDTR_CACHE = 0x7f78,
    SAVE_CODE_CACHES = 0x7f84, /* ES, CS, SS */
    SAVE_SELECTORS = 0x7fa8,   /* ES CS SS DS FS GS, 4 bytes each */
    SAVE_LDTR = 0x7fc0,
    SAVE_TR = 0x7fc4,
    SAVE_DR7 = 0x7fc8,
    SAVE_DR6 = 0x7fcc,
    SAVE_GPRS = 0x7fd0, /* EAX ECX EDX EBX ESP EBP ESI EDI */
    SAVE_EIP = 0x7ff0,
    SAVE_EFLAGS = 0x7ff4,
    SAVE_CR3 = 0x7ff8,
    SAVE_CR0 = 0x7ffc,
};
#define CACHE_BYTES 12u
_Static_assert(EAX == 0 && EDI == 7 && ES == 0 && SS == 2 && GS == 5, "the map's order is that of the encodings");

static void save32(struct cpu *cpu, uint32_t offset, uint32_t value)
{
    phys_write(cpu->phys, cpu->smm.smbase + SMM_SAVE_AREA + offset, value, 4);
}

static uint32_t saved32(struct cpu *cpu, uint32_t offset)
{
    return (uint32_t)phys_read(cpu->phys, cpu->smm.smbase + SMM_SAVE_AREA + offset, 4);
}

static void save_cache(struct cpu *cpu, uint32_t offset, const struct segment *s)
{
    save32(cpu, offset, s->ar);
    save32(cpu, offset + 4, s->limit);
    save32(cpu, offset + 8, s->base);
}

static struct segment saved_cache(struct cpu *cpu, uint32_t offset, uint16_t selector)
{
    return (struct segment){.selector = selector,
                            .ar = saved32(cpu, offset) & 0xf0ff,
                            .limit = saved32(cpu, offset + 4),
                            .base = saved32(cpu, offset + 8)};
}

static uint32_t cache_offset(unsigned seg)
{
    return seg <= SS ? SAVE_CODE_CACHES + seg * CACHE_BYTES : SAVE_DATA_CACHES + (seg - DS) * CACHE_BYTES;
}

static void save_state(struct cpu *cpu)
{
    save32(cpu, SAVE_CR0, cpu->cr0);
    save32(cpu, SAVE_CR3, cpu->cr3);
    save32(cpu, SAVE_CR4, cpu->cr4);
    save32(cpu, SAVE_EFLAGS, cpu_get_eflags(cpu));
    save32(cpu, SAVE_EIP, cpu->eip);
    for (unsigned i = EAX; i <= EDI; i++)
        save32(cpu, SAVE_GPRS + 4 * i, cpu->gpr[i]);
    save32(cpu, SAVE_DR6, cpu->dr[6]);
    save32(cpu, SAVE_DR7, cpu->dr[7]);
    for (unsigned seg = 0; seg < SREGS; seg++) {
        save32(cpu, SAVE_SELECTORS + 4 * seg, cpu->seg[seg].selector);
        save_cache(cpu, cache_offset(seg), &cpu->seg[seg]);
    }
    save32(cpu, SAVE_TR, cpu->tr.selector);
    save_cache(cpu, SAVE_TR_CACHE, &cpu->tr);
    save32(cpu, SAVE_LDTR, cpu->ldtr.selector);
    save_cache(cpu, SAVE_LDTR_CACHE, &cpu->ldtr);
    save32(cpu, SAVE_GDT_BASE, cpu->gdtr.base);
    save32(cpu, SAVE_GDT_LIMIT, cpu->gdtr.limit);
    save32(cpu, SAVE_IDT_BASE, cpu->idtr.base);
    save32(cpu, SAVE_IDT_LIMIT, cpu->idtr.limit);
    phys_write(cpu->phys, cpu->smm.smbase + SMM_SAVE_AREA + SAVE_AUTO_HALT, cpu->halt == CPU_HALTED ? SMM_AUTO_HALT : 0,
               2);
    save32(cpu, SAVE_REVISION, SMM_REVISION);
    save32(cpu, SAVE_SMBASE, cpu->smm.smbase);
}

static void set_smm_visible(struct cpu *cpu, bool active)
{
    cpu->smm.active = active;
    if (cpu->board->smm)
        cpu->board->smm(cpu->board->opaque, active);
}

/* After CR0, CR4, EFLAGS and the segments were set by hand. */
static void derive_all(struct cpu *cpu, unsigned cpl)
{
    cpu_set_cpl(cpu, cpl);
    segment_derive_all(cpu);
    cpu_derive_paging(cpu);
    debug_derive(cpu);
}

bool smm_wants_entry(const struct cpu *cpu)
{
    return !cpu->smm.active && !(cpu->shadow & (SHADOW_STI | SHADOW_MOV_SS)) && cpu->halt != CPU_SHUTDOWN;
}

void smm_enter(struct cpu *cpu)
{
    if (log_is_on(LOG_INT))
        log_printf(LOG_INT, "SMI at %04x:%08x, SMBASE %08x\n", cpu->seg[CS].selector, cpu->eip, cpu->smm.smbase);
    set_smm_visible(cpu, true);
    save_state(cpu);
    cpu->smm.nmi_was_blocked = cpu->nmi_blocked;
    cpu->smm.pending_db = cpu->pending_db;
    cpu->nmi_blocked = true;
    cpu->pending_db = 0;
    cpu->halt = CPU_RUNNING;

    cpu->cr0 &= ~(uint32_t)SMM_CR0_CLEARED;
    cpu->cr4 = 0;
    cpu->dr[7] = DR7_FIXED;
    cpu_set_eflags(cpu, 0, UINT32_MAX);
    cpu->eip = SMM_ENTRY_EIP;
    for (unsigned seg = 0; seg < SREGS; seg++)
        cpu->seg[seg] = (struct segment){.limit = UINT32_MAX, .ar = SMM_DATA_AR};
    cpu->seg[CS].selector = (uint16_t)(cpu->smm.smbase >> 4);
    cpu->seg[CS].base = cpu->smm.smbase;
    derive_all(cpu, 0);
}

void smm_reset(struct cpu *cpu)
{
    if (cpu->smm.active)
        set_smm_visible(cpu, false);
    cpu->smm = (struct cpu_smm){.smbase = SMM_RESET_BASE};
}

/* SDM vol. 3 "Exiting From SMM": what sends the processor into shutdown. */
static bool state_is_valid(const struct cpu *cpu, uint32_t cr0, uint32_t cr4)
{
    return !((cr0 & CR0_PG) && !(cr0 & CR0_PE)) && !((cr0 & CR0_NW) && !(cr0 & CR0_CD)) && !(cr4 & ~cpu_cr4_bits(cpu));
}

static void restore_state(struct cpu *cpu)
{
    uint32_t auto_halt =
        (uint32_t)phys_read(cpu->phys, cpu->smm.smbase + SMM_SAVE_AREA + SAVE_AUTO_HALT, 2) & SMM_AUTO_HALT;
    unsigned cpl;

    cpu->cr0 = saved32(cpu, SAVE_CR0) | CR0_ET;
    cpu->cr3 = saved32(cpu, SAVE_CR3);
    cpu->cr4 = saved32(cpu, SAVE_CR4);
    cpu_set_eflags(cpu, saved32(cpu, SAVE_EFLAGS), UINT32_MAX);
    cpu->eip = saved32(cpu, SAVE_EIP);
    for (unsigned i = EAX; i <= EDI; i++)
        cpu->gpr[i] = saved32(cpu, SAVE_GPRS + 4 * i);
    cpu->dr[6] = (saved32(cpu, SAVE_DR6) & DR6_VALID) | DR6_FIXED;
    cpu->dr[7] = (saved32(cpu, SAVE_DR7) & DR7_VALID) | DR7_FIXED;
    for (unsigned seg = 0; seg < SREGS; seg++)
        cpu->seg[seg] = saved_cache(cpu, cache_offset(seg), (uint16_t)saved32(cpu, SAVE_SELECTORS + 4 * seg));
    cpu->tr = saved_cache(cpu, SAVE_TR_CACHE, (uint16_t)saved32(cpu, SAVE_TR));
    cpu->ldtr = saved_cache(cpu, SAVE_LDTR_CACHE, (uint16_t)saved32(cpu, SAVE_LDTR));
    cpu->gdtr.base = saved32(cpu, SAVE_GDT_BASE);
    cpu->gdtr.limit = (uint16_t)saved32(cpu, SAVE_GDT_LIMIT);
    segment_forget_descriptors(cpu);
    cpu->idtr.base = saved32(cpu, SAVE_IDT_BASE);
    cpu->idtr.limit = (uint16_t)saved32(cpu, SAVE_IDT_LIMIT);
    if (auto_halt)
        cpu->halt = CPU_HALTED;
    cpu->nmi_blocked = cpu->smm.nmi_was_blocked;
    cpu->pending_db = cpu->smm.pending_db;
    cpu->smm.smbase = saved32(cpu, SAVE_SMBASE); /* the last use of the old one */
    set_smm_visible(cpu, false);

    cpl = !cpu_is_pm(cpu) ? 0 : cpu_is_v86(cpu) ? 3 : ar_dpl(cpu->seg[SS].ar);
    derive_all(cpu, cpl);
}

static void rsm(struct cpu *cpu, const struct insn *in)
{
    if (!cpu->smm.active)
        cpu_raise(cpu, VEC_UD);
    if (!state_is_valid(cpu, saved32(cpu, SAVE_CR0), saved32(cpu, SAVE_CR4))) {
        cpu_enter_shutdown(cpu);
        return;
    }
    restore_state(cpu);
    if (log_is_on(LOG_INT))
        log_printf(LOG_INT, "RSM to %04x:%08x, SMBASE %08x\n", cpu->seg[CS].selector, cpu->eip, cpu->smm.smbase);
}
INTERP_ONE(rsm)
