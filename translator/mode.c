/* Which translations fit the CPU as it is: everything they depend on beside the code's bytes. */
#include <stdlib.h>

#include "frontend/x86/fpu.h"
#include "frontend/x86/simd.h"
#include "translator/internal.h"

static enum x86_seg_class classify_segment(const struct segment *seg, bool is_code)
{
    if (!seg->fast_read_end)
        return SEG_CLASS_OTHER;
    if (!is_code && !seg->fast_write_end)
        return SEG_CLASS_CHECKED;
    if (seg->limit == 0xffffffff)
        return seg->base ? SEG_CLASS_BASED : SEG_CLASS_FLAT;
    return seg->limit >= 0xffff && !(seg->base & 15) ? SEG_CLASS_64K : SEG_CLASS_CHECKED;
}

static uint64_t mode_key(const struct cpu *cpu, struct x86_mode *mode)
{
    const uint32_t x87_unmasked = ~cpu->fpu.control & FPU_CW_MASKS;
    uint64_t key;

    *mode = (struct x86_mode){
        .code32 = cpu_code32(cpu),
        .stack32 = cpu_stack32(cpu),
        .protected_mode = cpu_is_pm(cpu),
        .v86 = cpu_is_v86(cpu),
        .cpl = cpu->cpl,
        .iopl = (uint8_t)cpu_iopl(cpu),
        .forward = !(cpu->eflags & EFLAGS_DF),
        .x87_native = !(cpu->cr0 & (CR0_EM | CR0_TS)) && !x87_unmasked && !(cpu->fpu.status & FPU_SW_ES),
        .sse_native =
            !(cpu->cr0 & (CR0_EM | CR0_TS)) && (cpu->cr4 & CR4_OSFXSR) && (cpu->fpu.mxcsr & MXCSR_MASKS) == MXCSR_MASKS,
    };
    key = mode->code32 | mode->stack32 << 1 | mode->protected_mode << 2 | mode->v86 << 3 | mode->cpl << 4 |
          mode->iopl << 6 | mode->x87_native << 8 | mode->sse_native << 9 | mode->forward << 10;
    for (unsigned i = 0; i < SREGS; i++) {
        mode->seg[i] = classify_segment(&cpu->seg[i], i == CS);
        key |= (uint64_t)mode->seg[i] << (11 + 3 * i);
    }
    return key;
}

uint32_t mode_update(struct translator *t)
{
    struct cpu *cpu = t->cpu;
    struct x86_mode mode;
    const uint64_t key = mode_key(cpu, &mode);
    uint32_t i = t->current_mode;

    cpu->translated.flat = flat_base(cpu->mmu.flat, cpu->view);
    if (i < t->n_modes && t->mode[i].key == key)
        return i;
    for (i = 0; i < t->n_modes && t->mode[i].key != key; i++)
        ;
    if (i == t->n_modes) {
        if (i == MODES_MAX) { /* segment combinations of a lifetime; start again */
            block_flush_all(t);
            t->n_modes = i = 0;
        }
        t->mode[i].key = key;
        t->mode[i].mode = mode;
        if (!t->mode[i].jump_cache) {
            t->mode[i].jump_cache = calloc(X64_JUMP_CACHE_ENTRIES, sizeof *t->mode[i].jump_cache);
            t->mode[i].jump_cache[0].tag = X64_JUMP_CACHE_NEVER;
        }
        t->n_modes++;
    }
    t->current_mode = i;
    cpu->translated.jump_cache = t->mode[i].jump_cache;
    return i;
}
