/*
 * Model-specific registers and the time-stamp counter.
 *
 * Source: SDM vol. 4 "Model-Specific Registers", P6 family and Pentium 4 tables; vol. 3 "Memory Type Range Registers
 * (MTRRs)", "Page Attribute Table (PAT)", "Machine-Check MSRs".
 * Deviates: memory types are stored and read back but change nothing, there is no cache. Performance counters and last
 * branch records do not count. WRMSR to the TSC sets all 64 bits (P6: clears the upper half).
 */
#include "frontend/x86/sys_internal.h"

#include "frontend/x86/cpuid.h"
#include "hw/core/log.h"

enum msr_index {
    MSR_P5_MC_ADDR = 0x00,
    MSR_P5_MC_TYPE = 0x01,
    MSR_TSC = 0x10,
    MSR_PLATFORM_ID = 0x17,
    MSR_APIC_BASE = 0x1b,
    MSR_EBL_CR_POWERON = 0x2a,
    MSR_BIOS_UPDT_TRIG = 0x79,
    MSR_BIOS_SIGN_ID = 0x8b,
    MSR_PERFCTR0 = 0xc1,
    MSR_MTRRCAP = 0xfe,
    MSR_SYSENTER_CS = 0x174,
    MSR_SYSENTER_ESP = 0x175,
    MSR_SYSENTER_EIP = 0x176,
    MSR_MCG_CAP = 0x179,
    MSR_MCG_STATUS = 0x17a,
    MSR_MCG_CTL = 0x17b,
    MSR_EVNTSEL0 = 0x186,
    MSR_MISC_ENABLE = 0x1a0,
    MSR_DEBUGCTL = 0x1d9,
    MSR_LASTBRANCH_FROM = 0x1db, /* and TO, LASTINT FROM, TO */
    MSR_LASTINT_TO = 0x1de,
    MSR_MTRR_BASE0 = 0x200, /* base, mask, base, mask ... */
    MSR_MTRR_MASK7 = 0x20f,
    MSR_MTRR_FIX64K = 0x250,
    MSR_MTRR_FIX16K_80000 = 0x258,
    MSR_MTRR_FIX16K_A0000 = 0x259,
    MSR_MTRR_FIX4K_C0000 = 0x268,
    MSR_MTRR_FIX4K_F8000 = 0x26f,
    MSR_PAT = 0x277,
    MSR_MTRR_DEF_TYPE = 0x2ff,
    MSR_MC0_CTL = 0x400, /* CTL, STATUS, ADDR, MISC for each bank */
    MSR_MC3_MISC = 0x40f,
    MSR_EFER = 0xc0000080u,
};

#define MTRR_VARIABLE    8u
#define MTRR_CAP_FIXED   (1u << 8)
#define MTRR_CAP_WC      (1u << 10)
#define MTRR_DEF_VALID   0xcffu
#define MTRR_BASE_VALID  ((((uint64_t)1 << PHYS_ADDR_BITS) - 1) & ~(uint64_t)0xf00)
#define MTRR_MASK_VALID  ((((uint64_t)1 << PHYS_ADDR_BITS) - 1) & ~(uint64_t)0x7ff)
#define MCG_BANKS        4u
#define MCG_CAP_CTL      (1u << 8)
#define APIC_BASE_BSP    (1u << 8)
#define APIC_BASE_VALID  ((((uint64_t)1 << PHYS_ADDR_BITS) - 1) & ~(uint64_t)0x6ff)
#define MISC_ENABLE_FAST 1u /* fast strings: always on */
#define DEBUGCTL_VALID   0x7fu

void cpu_set_apic_base(struct cpu *cpu, uint64_t value)
{
    cpu->msr.apic_base = value;
    if (cpu->board->apic_base)
        cpu->board->apic_base(cpu->board->opaque, value);
}

uint64_t cpu_tsc(struct cpu *cpu)
{
    return cpu->board->tsc(cpu->board->opaque) + cpu->msr.tsc_offset;
}

static bool has(const struct cpu *cpu, uint32_t cpuid_bit)
{
    return cpu->model->cpuid_1_edx & cpuid_bit;
}

/* 64K_00000, 16K_80000, 16K_A0000, 4K_C0000 ..: place in mtrr_fixed[], or -1. */
static int fixed_mtrr(uint32_t index)
{
    if (index == MSR_MTRR_FIX64K)
        return 0;
    if (index == MSR_MTRR_FIX16K_80000 || index == MSR_MTRR_FIX16K_A0000)
        return 1 + (int)(index - MSR_MTRR_FIX16K_80000);
    if (index >= MSR_MTRR_FIX4K_C0000 && index <= MSR_MTRR_FIX4K_F8000)
        return 3 + (int)(index - MSR_MTRR_FIX4K_C0000);
    return -1;
}

static bool is_mtrr_type(uint8_t type) /* UC, WC, WT, WP, WB */
{
    return type == 0 || type == 1 || (type >= 4 && type <= 6);
}

static bool all_bytes_are(uint64_t value, bool (*valid)(uint8_t))
{
    for (unsigned i = 0; i < 8; i++)
        if (!valid((uint8_t)(value >> 8 * i)))
            return false;
    return true;
}

static bool is_pat_type(uint8_t type) /* the same and UC- */
{
    return is_mtrr_type(type) || type == 7;
}

static _Noreturn void refuse(struct cpu *cpu)
{
    cpu_raise_error(cpu, VEC_GP, 0);
}

static void check(struct cpu *cpu, bool valid)
{
    if (!valid)
        refuse(cpu);
}

/* ---- groups: each returns false when the index is not its own (or the model lacks it) ---- */

static bool mtrr_read(struct cpu *cpu, uint32_t index, uint64_t *value)
{
    int fixed = fixed_mtrr(index);

    if (!has(cpu, CPUID_MTRR))
        return false;
    if (fixed >= 0)
        *value = cpu->msr.mtrr_fixed[fixed];
    else if (index >= MSR_MTRR_BASE0 && index <= MSR_MTRR_MASK7)
        *value = (index & 1 ? cpu->msr.mtrr_mask : cpu->msr.mtrr_base)[(index - MSR_MTRR_BASE0) / 2];
    else if (index == MSR_MTRRCAP)
        *value = MTRR_CAP_WC | MTRR_CAP_FIXED | MTRR_VARIABLE;
    else if (index == MSR_MTRR_DEF_TYPE)
        *value = cpu->msr.mtrr_def_type;
    else
        return false;
    return true;
}

static bool mtrr_write(struct cpu *cpu, uint32_t index, uint64_t value)
{
    int fixed = fixed_mtrr(index);

    if (!has(cpu, CPUID_MTRR))
        return false;
    if (fixed >= 0) {
        check(cpu, all_bytes_are(value, is_mtrr_type));
        cpu->msr.mtrr_fixed[fixed] = value;
    } else if (index >= MSR_MTRR_BASE0 && index <= MSR_MTRR_MASK7) {
        unsigned n = (index - MSR_MTRR_BASE0) / 2;

        if (index & 1) {
            check(cpu, !(value & ~MTRR_MASK_VALID));
            cpu->msr.mtrr_mask[n] = value;
        } else {
            check(cpu, !(value & ~MTRR_BASE_VALID) && is_mtrr_type((uint8_t)value));
            cpu->msr.mtrr_base[n] = value;
        }
    } else if (index == MSR_MTRR_DEF_TYPE) {
        check(cpu, !(value & ~(uint64_t)MTRR_DEF_VALID) && is_mtrr_type((uint8_t)value));
        cpu->msr.mtrr_def_type = value;
    } else {
        return false; /* MTRRCAP is read-only */
    }
    return true;
}

static bool mca_read(struct cpu *cpu, uint32_t index, uint64_t *value)
{
    if (index <= MSR_P5_MC_TYPE && has(cpu, CPUID_MCE)) {
        *value = 0;
        return true;
    }
    if (!has(cpu, CPUID_MCA))
        return false;
    if (index >= MSR_MC0_CTL && index <= MSR_MC3_MISC)
        *value = cpu->msr.mc_bank[(index - MSR_MC0_CTL) / 4][index & 3];
    else if (index == MSR_MCG_CAP)
        *value = MCG_CAP_CTL | MCG_BANKS;
    else if (index == MSR_MCG_STATUS)
        *value = cpu->msr.mcg_status;
    else if (index == MSR_MCG_CTL)
        *value = cpu->msr.mcg_ctl;
    else
        return false;
    return true;
}

static bool mca_write(struct cpu *cpu, uint32_t index, uint64_t value)
{
    if (index <= MSR_P5_MC_TYPE && has(cpu, CPUID_MCE))
        return true; /* read-only in effect */
    if (!has(cpu, CPUID_MCA))
        return false;
    if (index >= MSR_MC0_CTL && index <= MSR_MC3_MISC) {
        /* CTL: all or nothing. The others may only be cleared. */
        check(cpu, value == 0 || (!(index & 3) && value == UINT64_MAX));
        cpu->msr.mc_bank[(index - MSR_MC0_CTL) / 4][index & 3] = value;
    } else if (index == MSR_MCG_STATUS) {
        check(cpu, value <= 7);
        cpu->msr.mcg_status = value;
    } else if (index == MSR_MCG_CTL) {
        check(cpu, value == 0 || value == UINT64_MAX);
        cpu->msr.mcg_ctl = value;
    } else {
        return false;
    }
    return true;
}

static bool sysenter_access(struct cpu *cpu, uint32_t index, uint32_t **out)
{
    if (!has(cpu, CPUID_SEP) || index < MSR_SYSENTER_CS || index > MSR_SYSENTER_EIP)
        return false;
    *out = index == MSR_SYSENTER_CS    ? &cpu->msr.sysenter_cs
           : index == MSR_SYSENTER_ESP ? &cpu->msr.sysenter_esp
                                       : &cpu->msr.sysenter_eip;
    return true;
}

static bool p6_read(struct cpu *cpu, uint32_t index, uint64_t *value)
{
    if (cpu->model->family < 6)
        return false;
    switch (index) {
    case MSR_PLATFORM_ID:
    case MSR_EBL_CR_POWERON:
        *value = 0;
        return true;
    case MSR_APIC_BASE:
        *value = cpu->msr.apic_base;
        return true;
    case MSR_BIOS_SIGN_ID:
        *value = cpu->msr.bios_sign_id;
        return true;
    case MSR_PERFCTR0:
    case MSR_PERFCTR0 + 1:
        *value = cpu->msr.perf_ctr[index - MSR_PERFCTR0];
        return true;
    case MSR_EVNTSEL0:
    case MSR_EVNTSEL0 + 1:
        *value = cpu->msr.perf_evtsel[index - MSR_EVNTSEL0];
        return true;
    case MSR_MISC_ENABLE:
        *value = cpu->msr.misc_enable | MISC_ENABLE_FAST;
        return true;
    case MSR_DEBUGCTL:
        *value = cpu->msr.debugctl;
        return true;
    default:
        *value = 0;
        return index >= MSR_LASTBRANCH_FROM && index <= MSR_LASTINT_TO;
    }
}

static bool p6_write(struct cpu *cpu, uint32_t index, uint64_t value)
{
    if (cpu->model->family < 6)
        return false;
    switch (index) {
    case MSR_EBL_CR_POWERON:
    case MSR_BIOS_UPDT_TRIG: /* microcode updates load into nothing */
        return true;
    case MSR_APIC_BASE:
        check(cpu, !(value & ~APIC_BASE_VALID));
        if (!has(cpu, CPUID_APIC))
            value &= ~(uint64_t)APIC_BASE_ENABLE;
        cpu_set_apic_base(cpu, value);
        return true;
    case MSR_BIOS_SIGN_ID:
        cpu->msr.bios_sign_id = value;
        return true;
    case MSR_PERFCTR0:
    case MSR_PERFCTR0 + 1: /* 40 bits, loaded from 32 sign-extended ones */
        cpu->msr.perf_ctr[index - MSR_PERFCTR0] = (uint64_t)(int64_t)(int32_t)value & 0xffffffffffull;
        return true;
    case MSR_EVNTSEL0:
    case MSR_EVNTSEL0 + 1:
        cpu->msr.perf_evtsel[index - MSR_EVNTSEL0] = (uint32_t)value;
        return true;
    case MSR_MISC_ENABLE:
        cpu->msr.misc_enable = value;
        return true;
    case MSR_DEBUGCTL:
        cpu->msr.debugctl = value & DEBUGCTL_VALID;
        return true;
    default:
        return false;
    }
}

static bool efer_write(struct cpu *cpu, uint64_t value)
{
    if (!(cpu->model->cpuid_80000001_edx & CPUID_EXT_EDX_NX))
        return false;
    check(cpu, !(value & ~(uint64_t)EFER_NXE));
    if (value != cpu->msr.efer) {
        cpu->msr.efer = value;
        cpu_derive_paging(cpu);
    }
    return true;
}

/* ---- RDMSR, WRMSR ---- */

static _Noreturn void unknown(struct cpu *cpu, const char *verb, uint32_t index, uint64_t value)
{
    log_printf(LOG_UNIMP, "%s of unknown MSR %08x (%016llx): #GP(0)\n", verb, index, (unsigned long long)value);
    refuse(cpu);
}

uint64_t cpu_rdmsr(struct cpu *cpu, uint32_t index)
{
    uint32_t *sysenter;
    uint64_t value;

    if (index == MSR_TSC && has(cpu, CPUID_TSC))
        return cpu_tsc(cpu);
    if (index == MSR_PAT && has(cpu, CPUID_PAT))
        return cpu->msr.pat;
    if (index == MSR_EFER && (cpu->model->cpuid_80000001_edx & CPUID_EXT_EDX_NX))
        return cpu->msr.efer;
    if (sysenter_access(cpu, index, &sysenter))
        return *sysenter;
    if (mtrr_read(cpu, index, &value) || mca_read(cpu, index, &value) || p6_read(cpu, index, &value))
        return value;
    unknown(cpu, "read", index, 0);
}

void cpu_wrmsr(struct cpu *cpu, uint32_t index, uint64_t value)
{
    uint32_t *sysenter;

    if (index == MSR_TSC && has(cpu, CPUID_TSC)) {
        cpu->msr.tsc_offset += value - cpu_tsc(cpu);
    } else if (index == MSR_PAT && has(cpu, CPUID_PAT)) {
        check(cpu, all_bytes_are(value, is_pat_type));
        cpu->msr.pat = value;
    } else if (sysenter_access(cpu, index, &sysenter)) {
        *sysenter = (uint32_t)value;
    } else if (!(index == MSR_EFER && efer_write(cpu, value)) && !mtrr_write(cpu, index, value) &&
               !mca_write(cpu, index, value) && !p6_write(cpu, index, value)) {
        unknown(cpu, "write", index, value);
    }
}
