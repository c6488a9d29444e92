/*
 * Control registers and what follows from them: paging state, alignment checks, segment rights.
 *
 * Source: SDM vol. 2 "MOV-Move to/from Control Registers"; vol. 3 "Control Registers", "PAE Paging" (PDPTE registers),
 * "Invalidation of TLBs and Paging-Structure Caches".
 */
#include "frontend/x86/sys_internal.h"

#include "frontend/x86/cpuid.h"

#define CR0_VALID                                                                                                      \
    (CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_NE | CR0_WP | CR0_AM | CR0_NW | CR0_CD | CR0_PG) /* others read as 0 */

static struct mmu_paging paging_of(const struct cpu *cpu)
{
    return (struct mmu_paging){
        .cr3 = cpu->cr3,
        .paging = cpu->cr0 & CR0_PG,
        .wp = cpu->cr0 & CR0_WP,
        .pse = cpu->cr4 & CR4_PSE,
        .pae = cpu->cr4 & CR4_PAE,
        .pge = cpu->cr4 & CR4_PGE,
        .nxe = cpu->msr.efer & EFER_NXE,
    };
}

static bool uses_pdptes(const struct mmu_paging *p)
{
    return p->paging && p->pae;
}

/* Reads the PDPTEs for the new state; #GP(0) if one is bad, and then nothing has changed. */
static void load_pdptes(struct cpu *cpu, struct mmu_paging *p)
{
    if (uses_pdptes(p) && !mmu_load_pdptes(&cpu->mmu, p->cr3, p->pdpte))
        cpu_raise_error(cpu, VEC_GP, 0);
}

void cpu_derive_paging(struct cpu *cpu)
{
    struct mmu_paging p = paging_of(cpu);

    if (uses_pdptes(&p))
        (void)mmu_load_pdptes(&cpu->mmu, p.cr3, p.pdpte); /* bad ones count as not present in the walk */
    mmu_set_paging(&cpu->mmu, &p);
}

uint32_t cpu_cr4_bits(const struct cpu *cpu)
{
    uint32_t have = cpu->model->cpuid_1_edx, bits = 0;

    bits |= have & CPUID_VME ? CR4_VME | CR4_PVI : 0;
    bits |= have & CPUID_TSC ? CR4_TSD : 0;
    bits |= have & CPUID_DE ? CR4_DE : 0;
    bits |= have & CPUID_PSE ? CR4_PSE : 0;
    bits |= have & CPUID_PAE ? CR4_PAE : 0;
    bits |= have & CPUID_MCE ? CR4_MCE : 0;
    bits |= have & CPUID_PGE ? CR4_PGE : 0;
    bits |= have & CPUID_FXSR ? CR4_OSFXSR : 0;
    bits |= have & CPUID_SSE ? CR4_OSXMMEXCPT : 0;
    bits |= cpu->model->family >= 6 ? CR4_PCE : 0;
    return bits;
}

static void write_cr0(struct cpu *cpu, uint32_t value)
{
    uint32_t changed;
    struct mmu_paging p;

    value = (value & CR0_VALID) | CR0_ET;
    if ((value & CR0_PG) && !(value & CR0_PE))
        cpu_raise_error(cpu, VEC_GP, 0);
    if ((value & CR0_NW) && !(value & CR0_CD))
        cpu_raise_error(cpu, VEC_GP, 0);
    changed = cpu->cr0 ^ value;
    p = paging_of(cpu);
    p.paging = value & CR0_PG;
    p.wp = value & CR0_WP;
    memcpy(p.pdpte, cpu->mmu.paging.pdpte, sizeof p.pdpte);
    if (changed & (CR0_PG | CR0_CD | CR0_NW))
        load_pdptes(cpu, &p);

    cpu->cr0 = value;
    if (changed & (CR0_PG | CR0_WP | CR0_CD | CR0_NW))
        mmu_set_paging(&cpu->mmu, &p);
    if (changed & (CR0_PE | CR0_AM))
        segment_derive_all(cpu);
}

static void write_cr3(struct cpu *cpu, uint32_t value)
{
    struct mmu_paging p = paging_of(cpu);

    p.cr3 = value;
    load_pdptes(cpu, &p);
    cpu->cr3 = value;
    mmu_set_paging(&cpu->mmu, &p);
}

static void write_cr4(struct cpu *cpu, uint32_t value)
{
    struct mmu_paging p = paging_of(cpu);
    uint32_t changed = cpu->cr4 ^ value;

    if (value & ~cpu_cr4_bits(cpu))
        cpu_raise_error(cpu, VEC_GP, 0);
    p.pse = value & CR4_PSE;
    p.pae = value & CR4_PAE;
    p.pge = value & CR4_PGE;
    memcpy(p.pdpte, cpu->mmu.paging.pdpte, sizeof p.pdpte);
    if (changed & (CR4_PAE | CR4_PSE | CR4_PGE))
        load_pdptes(cpu, &p);

    cpu->cr4 = value;
    if (changed & (CR4_PAE | CR4_PSE | CR4_PGE))
        mmu_set_paging(&cpu->mmu, &p);
    if (changed & CR4_DE)
        debug_derive(cpu);
}

void cpu_write_cr(struct cpu *cpu, unsigned number, uint32_t value)
{
    switch (number) {
    case 0:
        write_cr0(cpu, value);
        break;
    case 2:
        cpu->cr2 = value;
        break;
    case 3:
        write_cr3(cpu, value);
        break;
    case 4:
        write_cr4(cpu, value);
        break;
    default:
        cpu_raise(cpu, VEC_UD);
    }
}

uint32_t cpu_read_cr(struct cpu *cpu, unsigned number)
{
    switch (number) {
    case 0:
        return cpu->cr0;
    case 2:
        return cpu->cr2;
    case 3:
        return cpu->cr3;
    case 4:
        return cpu->cr4;
    default:
        cpu_raise(cpu, VEC_UD);
    }
}
