/* Two machines after the same program: what differs? */
#ifndef TESTS_UNIT_TRANSLATOR_COMPARE_H
#define TESTS_UNIT_TRANSLATOR_COMPARE_H

#include "tests/unit/translator/block_fixture.h"

enum { COMPARED_DATA = 0x8000, COMPARED_CODE = 0x2000 }; /* bytes from DATA, CODE; and all stacks */

struct difference {
    const char *what;
    uint64_t ours, reference;
};

static bool compare(const struct machine *m, const struct machine *reference, struct difference *d)
{
    static const char *const gpr_name[] = {"eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"};
    const struct cpu *a = m->cpu, *b = reference->cpu;
    const uint32_t first[] = {DATA, STACK0 - 0x2000, CODE},
                   bytes[] = {COMPARED_DATA, STACK3 - STACK0 + 0x4000, COMPARED_CODE};

#define COMPARE(name, field)                                                                                           \
    do {                                                                                                               \
        *d = (struct difference){(name), (uint64_t)(a->field), (uint64_t)(b->field)};                                  \
        if (d->ours != d->reference)                                                                                   \
            return false;                                                                                              \
    } while (0)
    *d = (struct difference){"triple faults", m->shutdowns, reference->shutdowns};
    if (d->ours != d->reference)
        return false;
    COMPARE("halt", halt);
    COMPARE("eip", eip);
    COMPARE("cr2", cr2);
    for (unsigned i = 0; i < 8; i++)
        COMPARE(gpr_name[i], gpr[i]);
    for (unsigned i = 0; i < SREGS; i++) {
        COMPARE("selector", seg[i].selector);
        COMPARE("segment base", seg[i].base);
        COMPARE("segment limit", seg[i].limit);
        COMPARE("segment rights", seg[i].ar);
        COMPARE("segment's end for reads", seg[i].fast_read_end);
        COMPARE("segment's end for writes", seg[i].fast_write_end);
    }
    for (unsigned i = 0; i < 8; i++) {
        COMPARE("xmm", fpu.xmm[i].q[0]);
        COMPARE("xmm, high", fpu.xmm[i].q[1]);
        COMPARE("x87 register", fpu.reg[i].mantissa);
        COMPARE("x87 exponent", fpu.reg[i].sign_exponent);
    }
    COMPARE("x87 control word", fpu.control);
    COMPARE("x87 status", fpu.status);
    COMPARE("x87 top", fpu.top);
    COMPARE("x87 tags", fpu.empty);
    COMPARE("mxcsr", fpu.mxcsr);
    COMPARE("FIP", fpu.ip_offset);
    COMPARE("FCS", fpu.ip_selector);
    COMPARE("FDP", fpu.dp_offset);
    COMPARE("FDS", fpu.dp_selector);
    COMPARE("FOP", fpu.opcode);
#undef COMPARE
    *d = (struct difference){"eflags", cpu_get_eflags(a), cpu_get_eflags(b)};
    if (d->ours != d->reference)
        return false;
    for (unsigned i = 0; i < sizeof first / sizeof first[0]; i++) {
        if (memcmp(phys_ram_host(m->phys, first[i]), phys_ram_host(reference->phys, first[i]), bytes[i]) == 0)
            continue;
        for (uint32_t at = first[i]; at < first[i] + bytes[i]; at += 4)
            if (get32((struct machine *)(uintptr_t)m, at) != get32((struct machine *)(uintptr_t)reference, at)) {
                *d = (struct difference){"memory", at, 0};
                return false;
            }
    }
    return true;
}

#endif
