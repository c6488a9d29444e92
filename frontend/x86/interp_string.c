/*
 * MOVS, STOS, LODS, SCAS, CMPS, alone and repeated.
 * Source: SDM vol. 2A-2D, their pages and "REP/REPE/REPZ/REPNE/REPNZ".
 *
 * A repeated instruction proceeds in runs: as many elements as lie in one page on either side, below the segment's fast
 * limit and before the address wraps, are done on host memory; where that is impossible (MMIO, watched code,
 * breakpoints, an element across pages) one element is done with full checks. Registers are brought up to date after
 * each run, so a fault always finds them exact. Flags of CMPS and SCAS change only when the instruction ends or is
 * left, as the SDM wants for faults in the middle.
 *
 * Between runs the instruction may be left unfinished, with EIP still at it: for events, every REP_POLL elements, and
 * for traps.
 */
#include "frontend/x86/interp.h"
#include "frontend/x86/sys.h"

enum { REP_POLL = 4096, PAGE_BYTES = 4096 };

ALWAYS_INLINE uint32_t merge(uint32_t old, uint32_t value, uint32_t mask)
{
    return (old & ~mask) | (value & mask);
}
/* Distance to the next element. */
ALWAYS_INLINE uint32_t step_of(const struct cpu *cpu, unsigned bits)
{
    return cpu->eflags & EFLAGS_DF ? 0u - bits / 8 : bits / 8;
}
ALWAYS_INLINE void advance(struct cpu *cpu, unsigned reg, uint32_t distance, uint32_t mask)
{
    cpu->gpr[reg] = merge(cpu->gpr[reg], cpu->gpr[reg] + distance, mask);
}

/* ---- repetition ---- */

/* A repeated instruction on its way. */
struct rep {
    uint32_t mask, step;
    int32_t until_poll; /* elements left before events are looked at */
    bool one_only;
};

ALWAYS_INLINE struct rep rep_begin(const struct cpu *cpu, const struct insn *in, unsigned bits)
{
    return (struct rep){
        .mask = in->addr_mask, .step = step_of(cpu, bits), .until_poll = REP_POLL, .one_only = cpu_must_step(cpu)};
}
ALWAYS_INLINE uint32_t rep_count(const struct cpu *cpu, const struct rep *r)
{
    return cpu->gpr[ECX] & r->mask;
}

/* After `done` elements, with more to come: must the instruction be left here? */
ALWAYS_INLINE bool rep_must_leave(struct cpu *cpu, struct rep *r, uint32_t done)
{
    if (r->one_only || cpu->pending_db)
        return true;
    r->until_poll -= (int32_t)done;
    if (r->until_poll > 0)
        return false;
    r->until_poll = REP_POLL;
    return atomic_load_explicit(&cpu->events, memory_order_relaxed) != 0;
}

/* Unfinished: the block ends before this instruction. RF is what the SDM wants in the EFLAGS image of a trap or
 * interrupt between iterations, vol. 3 "Resume Flag"; whoever resumes the instruction clears it. */
ALWAYS_INLINE void rep_leave(struct cpu *cpu, const struct insn *in)
{
    interp_block_end(cpu, in);
    cpu->eflags |= EFLAGS_RF;
}

/* How many elements from `offset` on, in direction of r->step, are one run. 0: not even one is plain. */
ALWAYS_INLINE uint32_t run_length(const struct cpu *cpu, const struct rep *r, unsigned seg, uint32_t offset,
                                  uint32_t fast_end, unsigned bits)
{
    uint32_t size = bits / 8, in_page = (cpu->seg[seg].base + offset) % PAGE_BYTES, n;

    if (in_page > PAGE_BYTES - size || offset >= fast_end || offset > r->mask - (size - 1))
        return 0;
    if (r->step != size) /* downwards, to the start of the page or of the segment */
        return (in_page < offset ? in_page : offset) / size + 1;
    n = (PAGE_BYTES - in_page) / size;
    if (n > (fast_end - 1 - offset) / size + 1)
        n = (fast_end - 1 - offset) / size + 1;
    if (n > (r->mask - (size - 1) - offset) / size + 1)
        n = (r->mask - (size - 1) - offset) / size + 1;
    return n;
}
ALWAYS_INLINE uint32_t run_read(const struct cpu *cpu, const struct rep *r, unsigned seg, uint32_t offset,
                                unsigned bits)
{
    return run_length(cpu, r, seg, offset, cpu->seg[seg].fast_read_end, bits);
}
ALWAYS_INLINE uint32_t run_write(const struct cpu *cpu, const struct rep *r, uint32_t offset, unsigned bits)
{
    return run_length(cpu, r, ES, offset, cpu->seg[ES].fast_write_end, bits);
}
ALWAYS_INLINE uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* Host memory at seg:offset, or NULL. Faults as the access would. */
ALWAYS_INLINE uint8_t *run_host_read(struct cpu *cpu, unsigned seg, uint32_t offset)
{
    return mmu_host_for_read(&cpu->mmu, cpu->seg[seg].base + offset, cpu->view);
}
ALWAYS_INLINE uint8_t *run_host_write(struct cpu *cpu, uint32_t offset)
{
    return mmu_host_for_write(&cpu->mmu, cpu->seg[ES].base + offset, cpu->view);
}

ALWAYS_INLINE void finish_run(struct cpu *cpu, const struct rep *r, uint32_t count, uint32_t done)
{
    cpu->gpr[ECX] = merge(cpu->gpr[ECX], count - done, r->mask);
}

/* The body of a repeated instruction returns true if it is finished. */
#define STRING(name, bits)                                                                                             \
    static __attribute__((noinline)) bool rep_##name##_##bits(struct cpu *cpu, const struct insn *in)                  \
    {                                                                                                                  \
        return rep_##name(cpu, in, bits);                                                                              \
    }                                                                                                                  \
    static void name##_##bits(struct cpu *cpu, const struct insn *in)                                                  \
    {                                                                                                                  \
        if (unlikely(in->rep != REP_NONE)) {                                                                           \
            if (!rep_##name##_##bits(cpu, in)) {                                                                       \
                rep_leave(cpu, in);                                                                                    \
                return;                                                                                                \
            }                                                                                                          \
        } else {                                                                                                       \
            name(cpu, in, bits);                                                                                       \
        }                                                                                                              \
        NEXT(cpu, in);                                                                                                 \
    }
#define STRINGS(name)                                                                                                  \
    STRING(name, 8)                                                                                                    \
    STRING(name, 16)                                                                                                   \
    STRING(name, 32)                                                                                                   \
    const struct interp_handlers interp_##name = {                                                                     \
        {{name##_8, name##_8}, {name##_16, name##_16}, {name##_32, name##_32}}};

/* ---- MOVS ---- */

ALWAYS_INLINE void movs(struct cpu *cpu, const struct insn *in, unsigned bits)
{
    uint32_t mask = in->addr_mask, step = step_of(cpu, bits);

    mem_write(cpu, ES, cpu->gpr[EDI] & mask, mem_read(cpu, in->seg, cpu->gpr[ESI] & mask, bits), bits);
    advance(cpu, ESI, step, mask);
    advance(cpu, EDI, step, mask);
}

/* As if element by element: where the destination starts inside the source, what was just written is read again. */
ALWAYS_INLINE void copy_run(uint8_t *dst, const uint8_t *src, uint32_t n, uint32_t step, unsigned bits)
{
    uint32_t size = bits / 8;
    ptrdiff_t stride = (int32_t)step;

    if (step == size && ((uintptr_t)dst - (uintptr_t)src >= n * size)) {
        memmove(dst, src, n * size); /* also when dst < src: then each byte is read before it is overwritten */
        return;
    }
    for (; n; n--, dst += stride, src += stride)
        host_write(dst, host_read(src, bits), bits);
}

ALWAYS_INLINE bool rep_movs(struct cpu *cpu, const struct insn *in, unsigned bits)
{
    struct rep r = rep_begin(cpu, in, bits);

    for (uint32_t count = rep_count(cpu, &r), n; count; count -= n) {
        uint32_t si = cpu->gpr[ESI] & r.mask, di = cpu->gpr[EDI] & r.mask;
        uint8_t *src = NULL, *dst = NULL;

        n = r.one_only ? 1
                       : smaller(count, smaller(run_read(cpu, &r, in->seg, si, bits), run_write(cpu, &r, di, bits)));
        if (n > 1 && (src = run_host_read(cpu, in->seg, si)))
            dst = run_host_write(cpu, di);
        if (dst) {
            copy_run(dst, src, n, r.step, bits);
        } else {
            n = 1;
            mem_write(cpu, ES, di, mem_read(cpu, in->seg, si, bits), bits);
        }
        advance(cpu, ESI, n * r.step, r.mask);
        advance(cpu, EDI, n * r.step, r.mask);
        finish_run(cpu, &r, count, n);
        if (count != n && rep_must_leave(cpu, &r, n))
            return false;
    }
    return true;
}
STRINGS(movs)

/* ---- STOS ---- */

ALWAYS_INLINE void stos(struct cpu *cpu, const struct insn *in, unsigned bits)
{
    mem_write(cpu, ES, cpu->gpr[EDI] & in->addr_mask, reg_read(cpu, EAX, bits), bits);
    advance(cpu, EDI, step_of(cpu, bits), in->addr_mask);
}

/* `dst` is the run's lowest element. */
ALWAYS_INLINE void fill_run(uint8_t *dst, uint32_t n, uint32_t value, unsigned bits)
{
    if (bits == 8 || value == (value & 0xff) * (bits == 16 ? 0x0101u : 0x01010101u)) {
        memset(dst, (int)(value & 0xff), n * (bits / 8));
        return;
    }
    for (; n; n--, dst += bits / 8)
        host_write(dst, value, bits);
}

ALWAYS_INLINE bool rep_stos(struct cpu *cpu, const struct insn *in, unsigned bits)
{
    struct rep r = rep_begin(cpu, in, bits);
    uint32_t value = reg_read(cpu, EAX, bits);

    for (uint32_t count = rep_count(cpu, &r), n; count; count -= n) {
        uint32_t di = cpu->gpr[EDI] & r.mask;
        uint8_t *dst = NULL;

        n = r.one_only ? 1 : smaller(count, run_write(cpu, &r, di, bits));
        if (n > 1)
            dst = run_host_write(cpu, di);
        if (dst) {
            fill_run(r.step == bits / 8 ? dst : dst - (n - 1) * (bits / 8), n, value, bits);
        } else {
            n = 1;
            mem_write(cpu, ES, di, value, bits);
        }
        advance(cpu, EDI, n * r.step, r.mask);
        finish_run(cpu, &r, count, n);
        if (count != n && rep_must_leave(cpu, &r, n))
            return false;
    }
    return true;
}
STRINGS(stos)

/* ---- LODS ---- */

ALWAYS_INLINE void lods(struct cpu *cpu, const struct insn *in, unsigned bits)
{
    reg_write(cpu, EAX, mem_read(cpu, in->seg, cpu->gpr[ESI] & in->addr_mask, bits), bits);
    advance(cpu, ESI, step_of(cpu, bits), in->addr_mask);
}

/* Of a run only the last element counts. */
ALWAYS_INLINE bool rep_lods(struct cpu *cpu, const struct insn *in, unsigned bits)
{
    struct rep r = rep_begin(cpu, in, bits);

    for (uint32_t count = rep_count(cpu, &r), n; count; count -= n) {
        uint32_t si = cpu->gpr[ESI] & r.mask, value;
        const uint8_t *src = NULL;

        n = r.one_only ? 1 : smaller(count, run_read(cpu, &r, in->seg, si, bits));
        if (n > 1)
            src = run_host_read(cpu, in->seg, si);
        if (src) {
            value = host_read(src + (ptrdiff_t)(int32_t)((n - 1) * r.step), bits);
        } else {
            n = 1;
            value = mem_read(cpu, in->seg, si, bits);
        }
        reg_write(cpu, EAX, value, bits);
        advance(cpu, ESI, n * r.step, r.mask);
        finish_run(cpu, &r, count, n);
        if (count != n && rep_must_leave(cpu, &r, n))
            return false;
    }
    return true;
}
STRINGS(lods)

/* ---- SCAS ---- */

ALWAYS_INLINE void scas(struct cpu *cpu, const struct insn *in, unsigned bits)
{
    uint32_t a = reg_read(cpu, EAX, bits), b = mem_read(cpu, ES, cpu->gpr[EDI] & in->addr_mask, bits);

    advance(cpu, EDI, step_of(cpu, bits), in->addr_mask);
    flags_sub(cpu, a, b, a - b, bits);
}

ALWAYS_INLINE bool rep_scas(struct cpu *cpu, const struct insn *in, unsigned bits)
{
    struct rep r = rep_begin(cpu, in, bits);
    uint32_t a = reg_read(cpu, EAX, bits), b = 0, count = rep_count(cpu, &r), n;
    bool while_equal = in->rep == REP_REP, goes_on, finished = true;

    if (!count)
        return true;
    for (;;) {
        uint32_t di = cpu->gpr[EDI] & r.mask, run;
        const uint8_t *host = NULL;

        run = r.one_only ? 1 : smaller(count, run_read(cpu, &r, ES, di, bits));
        if (run > 1)
            host = run_host_read(cpu, ES, di);
        if (host) {
            n = 0;
            do {
                b = host_read(host, bits);
                host += (ptrdiff_t)(int32_t)r.step;
            } while (++n < run && (a == b) == while_equal);
        } else {
            n = 1;
            b = mem_read(cpu, ES, di, bits);
        }
        goes_on = (a == b) == while_equal;
        advance(cpu, EDI, n * r.step, r.mask);
        finish_run(cpu, &r, count, n);
        count -= n;
        if (!count || !goes_on)
            break;
        if (rep_must_leave(cpu, &r, n)) {
            finished = false;
            break;
        }
    }
    flags_sub(cpu, a, b, a - b, bits);
    return finished;
}
STRINGS(scas)

/* ---- CMPS ---- */

ALWAYS_INLINE void cmps(struct cpu *cpu, const struct insn *in, unsigned bits)
{
    uint32_t mask = in->addr_mask, step = step_of(cpu, bits);
    uint32_t a = mem_read(cpu, in->seg, cpu->gpr[ESI] & mask, bits);
    uint32_t b = mem_read(cpu, ES, cpu->gpr[EDI] & mask, bits);

    advance(cpu, ESI, step, mask);
    advance(cpu, EDI, step, mask);
    flags_sub(cpu, a, b, a - b, bits);
}

ALWAYS_INLINE bool rep_cmps(struct cpu *cpu, const struct insn *in, unsigned bits)
{
    struct rep r = rep_begin(cpu, in, bits);
    uint32_t a = 0, b = 0, count = rep_count(cpu, &r), n;
    bool while_equal = in->rep == REP_REP, goes_on, finished = true;

    if (!count)
        return true;
    for (;;) {
        uint32_t si = cpu->gpr[ESI] & r.mask, di = cpu->gpr[EDI] & r.mask, run;
        const uint8_t *left = NULL, *right = NULL;

        run = r.one_only
                  ? 1
                  : smaller(count, smaller(run_read(cpu, &r, in->seg, si, bits), run_read(cpu, &r, ES, di, bits)));
        if (run > 1 && (left = run_host_read(cpu, in->seg, si)))
            right = run_host_read(cpu, ES, di);
        if (right) {
            n = 0;
            do {
                a = host_read(left, bits);
                b = host_read(right, bits);
                left += (ptrdiff_t)(int32_t)r.step;
                right += (ptrdiff_t)(int32_t)r.step;
            } while (++n < run && (a == b) == while_equal);
        } else {
            n = 1;
            a = mem_read(cpu, in->seg, si, bits);
            b = mem_read(cpu, ES, di, bits);
        }
        goes_on = (a == b) == while_equal;
        advance(cpu, ESI, n * r.step, r.mask);
        advance(cpu, EDI, n * r.step, r.mask);
        finish_run(cpu, &r, count, n);
        count -= n;
        if (!count || !goes_on)
            break;
        if (rep_must_leave(cpu, &r, n)) {
            finished = false;
            break;
        }
    }
    flags_sub(cpu, a, b, a - b, bits);
    return finished;
}
STRINGS(cmps)
