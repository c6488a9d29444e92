/* One virtual CPU: creation and reset. SDM vol. 3, "Processor State After Reset". */
#include "frontend/x86/cpu.h"

#include <stdlib.h>
#include <string.h>

#include "frontend/x86/code.h"
#include "frontend/x86/cpuid.h"
#include "frontend/x86/seg.h"
#include "frontend/x86/simd.h"
#include "frontend/x86/smm.h"
#include "frontend/x86/sys_internal.h"

#define RESET_CS_SELECTOR 0xf000
#define RESET_CS_BASE     0xffff0000u
#define RESET_EIP         0xfff0u
#define PAT_RESET         0x0007040600070406ull
#define APIC_BASE_RESET   0xfee00100ull /* bit 8: boot processor */

static void remapped(void *opaque, bool was_memory)
{
    struct cpu *cpu = opaque;

    mmu_flush(&cpu->mmu);
    if (!was_memory) /* a device's registers came or went: nobody has code or a host address there */
        return;
    /* The instruction that did it (OUT) finishes; then everything cached by physical address is looked up again. */
    code_kill_running(cpu);
    cpu_set_event(cpu, CPU_EVENT_FLUSH);
}

struct cpu *cpu_create(struct bus *bus, struct phys *phys, const struct cpu_board *board, const struct cpu_model *model)
{
    struct cpu *cpu = aligned_alloc(64, (sizeof *cpu + 63) & ~(size_t)63);

    if (!cpu)
        return NULL;
    memset(cpu, 0, sizeof *cpu);
    cpu->bus = bus;
    cpu->phys = phys;
    cpu->board = board;
    cpu->model = model;
    mmu_init(&cpu->mmu, phys);
    cpu->mmu.opaque = cpu;
    cpu->mmu.page_fault = cpu_page_fault;
    cpu->mmu.debug_access = debug_data_access;
    cpu->code = code_create(cpu);
    if (!cpu->code) {
        free(cpu);
        return NULL;
    }
    phys_on_remap(phys, remapped, cpu);
    cpu_reset(cpu);
    return cpu;
}

void cpu_destroy(struct cpu *cpu)
{
    if (!cpu)
        return;
    code_destroy(cpu->code);
    free(cpu);
}

static struct segment real_segment(uint16_t selector, uint32_t base, uint16_t type)
{
    return (struct segment){.selector = selector, .base = base, .limit = 0xffff, .ar = AR_P | type};
}

void cpu_reset(struct cpu *cpu)
{
    memset(cpu->gpr, 0, sizeof cpu->gpr);
    cpu->gpr[EDX] = cpu->model->family << 8 | cpu->model->model << 4 | cpu->model->stepping;
    cpu->eip = RESET_EIP;
    cpu->eflags = 0;
    cpu_set_eflags(cpu, 0, EFLAGS_OSZAPC);
    cpu->shadow = cpu->shadow_next = 0;
    cpu->halt = CPU_RUNNING;
    cpu->nmi_blocked = false;
    cpu->pending_db = 0;
    smm_reset(cpu);
    atomic_fetch_and_explicit(&cpu->events, ~(uint32_t)CPU_EVENT_SMI, memory_order_relaxed);

    for (unsigned i = 0; i < SREGS; i++)
        cpu->seg[i] = real_segment(0, 0, AR_S | AR_WRITABLE | AR_ACCESSED);
    cpu->seg[CS] = real_segment(RESET_CS_SELECTOR, RESET_CS_BASE, AR_S | AR_CODE | AR_READABLE | AR_ACCESSED);
    cpu->ldtr = real_segment(0, 0, 2); /* LDT */
    cpu->tr = real_segment(0, 0, 0xb); /* busy 32-bit TSS */
    cpu->gdtr = cpu->idtr = (struct table_register){.base = 0, .limit = 0xffff};
    segment_forget_descriptors(cpu);

    cpu->cr0 = CR0_CD | CR0_NW | CR0_ET;
    cpu->cr2 = cpu->cr3 = cpu->cr4 = 0;
    memset(cpu->dr, 0, sizeof cpu->dr);
    cpu->dr[6] = DR6_FIXED;
    cpu->dr[7] = DR7_FIXED;
    cpu->msr = (struct cpu_msrs){.pat = PAT_RESET};
    cpu_set_apic_base(cpu, APIC_BASE_RESET | (cpu_model_has_apic(cpu->model) ? APIC_BASE_ENABLE : 0));

    if (cpu->fpu.ferr)
        cpu->board->ferr(cpu->board->opaque, false);
    memset(&cpu->fpu, 0, sizeof cpu->fpu);
    cpu->fpu.control = 0x40; /* power-up; FNINIT makes it 037F */
    cpu->fpu.empty = 0;      /* tag word 5555: valid zeros */
    cpu->fpu.mxcsr = MXCSR_RESET;
    simd_load_mxcsr(cpu);

    cpu_set_cpl(cpu, 0);
    segment_derive_all(cpu);
    cpu_derive_paging(cpu);
    debug_derive(cpu);
    mmu_flush(&cpu->mmu);
}
