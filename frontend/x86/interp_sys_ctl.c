/*
 * Control and debug registers, LMSW, SMSW, CLTS, INVLPG, INVD, WBINVD, RDMSR, WRMSR, RDTSC, RDPMC, CPUID.
 *
 * Source: SDM vol. 2, the page of each instruction; vol. 3 "Control Registers", "Debug Registers".
 * Deviates: WBINVD and INVD do nothing (there is no cache to write back).
 */
#include "frontend/x86/interp.h"
#include "frontend/x86/sys_internal.h"

#include "frontend/x86/cpuid.h"

static void require_cpl0(struct cpu *cpu)
{
    if (cpu->cpl != 0)
        cpu_raise_error(cpu, VEC_GP, 0);
}

static void finish(struct cpu *cpu, const struct insn *in) /* of a STATE instruction */
{
    cpu->eip = insn_next_eip(cpu, in);
}

/* ---- control registers ---- */

static void require_cr(struct cpu *cpu, const struct insn *in)
{
    if (in->reg == 4 && !cpu_cr4_bits(cpu))
        cpu_raise(cpu, VEC_UD);
    require_cpl0(cpu);
}

static void mov_from_cr(struct cpu *cpu, const struct insn *in)
{
    require_cr(cpu, in);
    cpu->gpr[in->rm] = cpu_read_cr(cpu, in->reg);
    NEXT(cpu, in);
}
INTERP_ONE(mov_from_cr)

static void mov_to_cr(struct cpu *cpu, const struct insn *in)
{
    require_cr(cpu, in);
    cpu_write_cr(cpu, in->reg, cpu->gpr[in->rm]);
    finish(cpu, in);
}
INTERP_ONE(mov_to_cr)

static void lmsw(struct cpu *cpu, const struct insn *in)
{
    const uint32_t mask = CR0_PE | CR0_MP | CR0_EM | CR0_TS;
    uint32_t value;

    require_cpl0(cpu);
    value = rm_read(cpu, in, in->is_mem, 16) & mask;
    cpu_write_cr(cpu, 0, (cpu->cr0 & ~mask) | value | (cpu->cr0 & CR0_PE)); /* cannot clear PE */
    finish(cpu, in);
}
INTERP_ONE(lmsw)

static void smsw(struct cpu *cpu, const struct insn *in)
{
    if (in->is_mem)
        mem_write16(cpu, in->seg, effective_offset(cpu, in), (uint16_t)cpu->cr0);
    else
        reg_write(cpu, in->rm, cpu->cr0, in->opsize32 ? 32 : 16);
    NEXT(cpu, in);
}
INTERP_ONE(smsw)

static void clts(struct cpu *cpu, const struct insn *in)
{
    require_cpl0(cpu);
    cpu_write_cr(cpu, 0, cpu->cr0 & ~(uint32_t)CR0_TS);
    finish(cpu, in);
}
INTERP_ONE(clts)

/* ---- debug registers ---- */

/* DR4 and DR5 are DR6 and DR7, or #UD with CR4.DE. */
static unsigned debug_register(struct cpu *cpu, const struct insn *in)
{
    unsigned n = in->reg;

    if (n == 4 || n == 5) {
        if (cpu->cr4 & CR4_DE)
            cpu_raise(cpu, VEC_UD);
        n += 2;
    }
    require_cpl0(cpu);
    if (cpu->dr[7] & DR7_GD)
        cpu_raise_debug(cpu, DR6_BD);
    return n;
}

static void mov_from_dr(struct cpu *cpu, const struct insn *in)
{
    unsigned n = debug_register(cpu, in);

    cpu->gpr[in->rm] = cpu->dr[n];
    NEXT(cpu, in);
}
INTERP_ONE(mov_from_dr)

static void mov_to_dr(struct cpu *cpu, const struct insn *in)
{
    unsigned n = debug_register(cpu, in);
    uint32_t value = cpu->gpr[in->rm];

    if (n == 6)
        value = (value & DR6_VALID) | DR6_FIXED;
    else if (n == 7)
        value = (value & DR7_VALID) | DR7_FIXED;
    cpu->dr[n] = value;
    debug_derive(cpu);
    finish(cpu, in);
}
INTERP_ONE(mov_to_dr)

/* ---- caches and TLB ---- */

static void invlpg(struct cpu *cpu, const struct insn *in)
{
    require_cpl0(cpu);
    mmu_flush_page(&cpu->mmu, cpu->seg[in->seg].base + effective_offset(cpu, in));
    finish(cpu, in); /* the code that follows may lie in that page */
}
INTERP_ONE(invlpg)

static void cache_flush(struct cpu *cpu, const struct insn *in)
{
    require_cpl0(cpu);
    NEXT(cpu, in);
}
INTERP_ONE(cache_flush)

/* ---- MSRs, counters, CPUID ---- */

static void store_edx_eax(struct cpu *cpu, uint64_t value)
{
    cpu->gpr[EAX] = (uint32_t)value;
    cpu->gpr[EDX] = (uint32_t)(value >> 32);
}

static void rdmsr(struct cpu *cpu, const struct insn *in)
{
    require_cpl0(cpu);
    store_edx_eax(cpu, cpu_rdmsr(cpu, cpu->gpr[ECX]));
    NEXT(cpu, in);
}
INTERP_ONE(rdmsr)

static void wrmsr(struct cpu *cpu, const struct insn *in)
{
    require_cpl0(cpu);
    cpu_wrmsr(cpu, cpu->gpr[ECX], (uint64_t)cpu->gpr[EDX] << 32 | cpu->gpr[EAX]);
    finish(cpu, in);
}
INTERP_ONE(wrmsr)

static void rdtsc(struct cpu *cpu, const struct insn *in)
{
    if (cpu->cpl != 0 && (cpu->cr4 & CR4_TSD))
        cpu_raise_error(cpu, VEC_GP, 0);
    store_edx_eax(cpu, cpu_tsc(cpu));
    NEXT(cpu, in);
}
INTERP_ONE(rdtsc)

static void rdpmc(struct cpu *cpu, const struct insn *in)
{
    if ((cpu->cpl != 0 && !(cpu->cr4 & CR4_PCE)) || cpu->gpr[ECX] > 1)
        cpu_raise_error(cpu, VEC_GP, 0);
    store_edx_eax(cpu, cpu->msr.perf_ctr[cpu->gpr[ECX]]);
    NEXT(cpu, in);
}
INTERP_ONE(rdpmc)

static void cpuid(struct cpu *cpu, const struct insn *in)
{
    struct cpuid_leaf leaf = cpuid_query(cpu, cpu->gpr[EAX], cpu->gpr[ECX]);

    cpu->gpr[EAX] = leaf.eax;
    cpu->gpr[EBX] = leaf.ebx;
    cpu->gpr[ECX] = leaf.ecx;
    cpu->gpr[EDX] = leaf.edx;
    NEXT(cpu, in);
}
INTERP_ONE(cpuid)
