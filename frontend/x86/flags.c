/* EFLAGS as a whole. SDM vol. 1, "EFLAGS Register". */
#include "frontend/x86/flags.h"

/* Bits that exist at all; the rest read as 0, bit 1 as 1. */
#define EFLAGS_WRITABLE                                                                                                \
    (EFLAGS_OSZAPC | EFLAGS_TF | EFLAGS_IF | EFLAGS_DF | EFLAGS_IOPL | EFLAGS_NT | EFLAGS_RF | EFLAGS_VM | EFLAGS_AC | \
     EFLAGS_VIF | EFLAGS_VIP | EFLAGS_ID)

uint32_t cpu_get_eflags(const struct cpu *cpu)
{
    uint32_t flags = cpu->eflags | EFLAGS_FIXED;

    flags |= flag_cf(cpu) ? EFLAGS_CF : 0;
    flags |= flag_pf(cpu) ? EFLAGS_PF : 0;
    flags |= flag_af(cpu) ? EFLAGS_AF : 0;
    flags |= flag_zf(cpu) ? EFLAGS_ZF : 0;
    flags |= flag_sf(cpu) ? EFLAGS_SF : 0;
    flags |= flag_of(cpu) ? EFLAGS_OF : 0;
    return flags;
}

void cpu_set_eflags(struct cpu *cpu, uint32_t value, uint32_t mask)
{
    uint32_t rest = mask & EFLAGS_WRITABLE & ~EFLAGS_OSZAPC;

    if (mask & EFLAGS_OSZAPC) {
        uint32_t now = cpu_get_eflags(cpu);
        uint32_t want = (now & ~mask) | (value & mask);
        bool cf = want & EFLAGS_CF, of = want & EFLAGS_OF;

        cpu->flag_zero = !(want & EFLAGS_ZF);
        /* low byte 0 has even parity, 1 has odd parity */
        cpu->flag_sign = (want & EFLAGS_SF ? 0x80000000u : 0) | !(want & EFLAGS_PF);
        cpu->flag_carry = (want & EFLAGS_AF ? FLAG_CARRY_AF : 0) | (uint32_t)cf << 31 | (uint32_t)(cf ^ of) << 30;
    }
    cpu->eflags = (cpu->eflags & ~rest) | (value & rest);
}
