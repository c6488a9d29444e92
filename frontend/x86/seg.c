/*
 * Segment registers: limit and rights checks, descriptor loads.
 *
 * Source: SDM vol. 3 "Protected-Mode Memory Management" and "Protection"; vol. 2 "MOV-Move" for the order of checks.
 * Deviates: an access that runs past FFFFFFFF in a segment of 4 GiB wraps without a fault (the SDM allows either).
 * Deviates: loading a segment register in real mode makes an unusable (null) one usable again with a 64 KiB limit.
 */
#include "frontend/x86/sys_internal.h"

#include <string.h>

#include "softmmu/flat.h"

#define AR_REAL 0x93 /* present, DPL 0, writable data, accessed */
#define AR_V86  0xf3 /* the same with DPL 3 */

/* ---- limits ---- */

bool segment_limit_holds(const struct segment *s, uint32_t offset, uint32_t width)
{
    uint32_t last = offset + (width - 1);

    if ((s->ar & (AR_S | AR_CODE | AR_EXPAND_DOWN)) == (AR_S | AR_EXPAND_DOWN)) {
        uint32_t top = s->ar & AR_DB ? 0xffffffffu : 0xffffu;

        return offset > s->limit && last >= offset && last <= top;
    }
    if (s->limit == 0xffffffffu)
        return true;
    return last >= offset && last <= s->limit;
}

bool alignment_is_checked(const struct cpu *cpu)
{
    return cpu->cpl == 3 && (cpu->cr0 & CR0_AM) && (cpu->eflags & EFLAGS_AC);
}

/* Rights as a load in real or virtual-8086 mode leaves them: the next one changes selector and base only. */
static bool is_as_real_load_leaves(const struct cpu *cpu, const struct segment *s)
{
    return cpu_is_v86(cpu) ? s->ar == AR_V86 && s->limit == 0xffff : (s->ar & ~(AR_G | AR_DB | AR_AVL)) == AR_REAL;
}

static enum x86_seg_class access_class(const struct cpu *cpu, const struct segment *s, bool is_cs)
{
    if (!s->fast_read_end)
        return SEG_CLASS_OTHER;
    if (!is_cs && !s->fast_write_end)
        return SEG_CLASS_CHECKED;
    if (s->limit == 0xffffffff)
        return s->base ? SEG_CLASS_BASED : SEG_CLASS_FLAT;
    if (cpu_is_real_or_v86(cpu) && !is_as_real_load_leaves(cpu, s))
        return SEG_CLASS_CHECKED;
    return s->limit >= 0xffff && !(s->base & 15) ? SEG_CLASS_64K : SEG_CLASS_CHECKED;
}

void segment_derive(struct cpu *cpu, unsigned seg)
{
    struct segment *s = &cpu->seg[seg];
    bool is_code = s->ar & AR_CODE, may_read = true, may_write = true;
    uint32_t end = s->limit >= 15 ? s->limit - 14 : 0;

    /* Real mode looks at neither rights nor presence. */
    if (cpu_is_pm(cpu)) {
        may_read = (s->ar & AR_P) && (!is_code || (s->ar & AR_READABLE));
        may_write = (s->ar & AR_P) && !is_code && (s->ar & AR_WRITABLE);
    }
    if ((!is_code && (s->ar & AR_EXPAND_DOWN)) || alignment_is_checked(cpu))
        end = 0;
    s->fast_read_end = may_read ? end : 0;
    s->fast_write_end = may_write ? end : 0;
    s->access = (uint8_t)access_class(cpu, s, seg == CS);
}

void segment_derive_all(struct cpu *cpu)
{
    for (unsigned seg = 0; seg < SREGS; seg++)
        segment_derive(cpu, seg);
}

/* SDM vol. 3 "Alignment Check Exception (#AC)", table of types: 80-bit reals want 8. */
static void check_alignment(struct cpu *cpu, lin_addr address, unsigned width)
{
    unsigned align = width == 16 ? 16 : width >= 8 ? 8 : width;

    if (alignment_is_checked(cpu) && (address & (align - 1)))
        cpu_raise_error(cpu, VEC_AC, 0);
}

static void check_slow(struct cpu *cpu, unsigned seg, uint32_t offset, unsigned width, bool rights_hold)
{
    const struct segment *s = &cpu->seg[seg];

    if ((cpu_is_pm(cpu) && !(rights_hold && ar_is_present(s->ar))) || !segment_limit_holds(s, offset, width))
        cpu_raise_error(cpu, seg == SS ? VEC_SS : VEC_GP, 0);
    check_alignment(cpu, s->base + offset, width);
}

void seg_check_read_slow(struct cpu *cpu, unsigned seg, uint32_t offset, unsigned width)
{
    check_slow(cpu, seg, offset, width, ar_is_readable(cpu->seg[seg].ar));
}

void seg_check_write_slow(struct cpu *cpu, unsigned seg, uint32_t offset, unsigned width)
{
    check_slow(cpu, seg, offset, width, ar_is_writable_data(cpu->seg[seg].ar));
}

/* ---- descriptors ---- */

bool descriptor_read(struct cpu *cpu, uint16_t selector, struct descriptor *out)
{
    uint32_t table = cpu->gdtr.base, limit = cpu->gdtr.limit;
    uint64_t raw;

    if (selector & SELECTOR_TI) {
        if (!ar_is_present(cpu->ldtr.ar))
            return false;
        table = cpu->ldtr.base;
        limit = cpu->ldtr.limit;
    }
    if ((selector | 7u) > limit)
        return false;
    out->address = table + (selector & ~7u);
    raw = mmu_ld64(&cpu->mmu, out->address, MMU_SUPERVISOR);
    out->low = (uint32_t)raw;
    out->high = (uint32_t)(raw >> 32);
    out->base = out->low >> 16 | (out->high & 0xff) << 16 | (out->high & 0xff000000u);
    out->ar = (uint16_t)(out->high >> 8 & 0xf0ff);
    out->limit = (out->low & 0xffff) | (out->high & 0xf0000);
    if (out->ar & AR_G)
        out->limit = out->limit << 12 | 0xfff;
    return true;
}

void descriptor_set_accessed(struct cpu *cpu, struct descriptor *d)
{
    if (d->ar & AR_ACCESSED)
        return;
    d->ar |= AR_ACCESSED;
    d->high |= AR_ACCESSED << 8;
    mmu_st8(&cpu->mmu, d->address + 5, (uint8_t)d->ar, MMU_SUPERVISOR);
}

struct gate gate_unpack(uint32_t low, uint32_t high)
{
    struct gate g = {.selector = (uint16_t)(low >> 16),
                     .type = high >> 8 & 0xf,
                     .n_params = high & 0x1f,
                     .is_32bit = high >> 8 & TYPE_32BIT};

    g.offset = (low & 0xffff) | (g.is_32bit ? high & 0xffff0000u : 0);
    return g;
}

/* ---- loads ---- */

void segment_unpack(struct segment *out, uint16_t selector, const struct descriptor *d)
{
    *out = (struct segment){.selector = selector, .ar = d->ar, .base = d->base, .limit = d->limit};
}

void segment_set(struct cpu *cpu, unsigned seg, uint16_t selector, const struct descriptor *d)
{
    segment_unpack(&cpu->seg[seg], selector, d);
    segment_derive(cpu, seg);
}

void segment_set_null(struct cpu *cpu, unsigned seg, uint16_t selector)
{
    cpu->seg[seg] = (struct segment){.selector = selector, .access = SEG_CLASS_OTHER};
}

void segment_load_real(struct cpu *cpu, unsigned seg, uint16_t selector)
{
    struct segment *s = &cpu->seg[seg];

    if (cpu_is_v86(cpu)) { /* what segment_derive() would make of it, said at once */
        const bool is_plain = !alignment_is_checked(cpu);
        const uint32_t end = is_plain ? 0xffff - 14 : 0;

        *s = (struct segment){.selector = selector,
                              .ar = AR_V86,
                              .base = (uint32_t)selector << 4,
                              .limit = 0xffff,
                              .fast_read_end = end,
                              .fast_write_end = end,
                              .access = is_plain ? SEG_CLASS_64K : SEG_CLASS_OTHER};
        return;
    }
    s->selector = selector;
    s->base = (uint32_t)selector << 4;
    if (ar_is_present(s->ar)) {
        s->ar = (s->ar & (AR_G | AR_DB | AR_AVL)) | AR_REAL; /* the limit stays: "unreal" mode */
    } else {
        s->ar = AR_REAL;
        s->limit = 0xffff;
    }
    segment_derive(cpu, seg);
}

static void load_ss(struct cpu *cpu, uint16_t selector)
{
    struct descriptor d;

    if (SELECTOR_IS_NULL(selector))
        cpu_raise_error(cpu, VEC_GP, 0);
    if (!descriptor_read(cpu, selector, &d) || (selector & SELECTOR_RPL) != cpu->cpl || !ar_is_writable_data(d.ar) ||
        ar_dpl(d.ar) != cpu->cpl)
        cpu_raise_error(cpu, VEC_GP, SELECTOR_ERROR(selector));
    if (!ar_is_present(d.ar))
        cpu_raise_error(cpu, VEC_SS, SELECTOR_ERROR(selector));
    descriptor_set_accessed(cpu, &d);
    segment_set(cpu, SS, selector, &d);
}

/* See struct known_descriptors. Only where translated code can use it: the class has not changed. */
static void remember_descriptor(struct cpu *cpu, unsigned seg, uint16_t selector, const struct descriptor *d,
                                unsigned class, unsigned class_before)
{
    struct segment s = cpu->seg[seg];
    const unsigned i = selector & (KNOWN_DESCRIPTORS - 1);

    if (!cpu->translator || s.access == SEG_CLASS_OTHER || s.access != class_before ||
        !flat_fill(&cpu->mmu, d->address, 8, false, MMU_SUPERVISOR))
        return;
    cpu->known.tag[i].of_class = 0 - (selector + known_descriptor_key(cpu->cpl, class));
    cpu->known.tag[i].checked = class == SEG_CLASS_64K || class == SEG_CLASS_CHECKED
                                    ? 0 - (selector + known_descriptor_key(cpu->cpl, SEG_CLASS_CHECKED))
                                    : 0;
    cpu->known.place[i].address = d->address;
    cpu->known.place[i].page_index = d->address >> PHYS_PAGE_SHIFT << 3;
    cpu->known.minus_raw[i] = 0 - ((uint64_t)d->high << 32 | d->low);
    s.access = (uint8_t) class;
    for (unsigned word = 0; word < KNOWN_DESCRIPTOR_WORDS; word++)
        memcpy(&cpu->known.segment[word][i], (const uint8_t *)&s + 8 * word, 8);
    cpu->known.any = true;
}

/*
 * A program that loads segments of 64 KiB and shorter ones in turn would change its mode with each, and blocks with it:
 * so a register that held a short one goes on as if the next one were short too, which costs a comparison an access.
 */
static unsigned keep_checked(struct segment *s, unsigned class_before)
{
    const unsigned class = s->access;

    if (class == SEG_CLASS_64K && class_before == SEG_CLASS_CHECKED)
        s->access = SEG_CLASS_CHECKED;
    return class;
}

void segment_forget_descriptors(struct cpu *cpu)
{
    if (cpu->known.any)
        memset(cpu->known.tag, 0, sizeof cpu->known.tag);
    cpu->known.any = false;
}

/* SDM vol. 2 "MOV-Move", protected-mode loads. */
void segment_load(struct cpu *cpu, unsigned seg, uint16_t selector)
{
    struct descriptor d;
    unsigned privilege = selector & SELECTOR_RPL, class_before = cpu->seg[seg].access, class;

    if (cpu_is_real_or_v86(cpu)) {
        segment_load_real(cpu, seg, selector);
        return;
    }
    if (seg == SS) {
        load_ss(cpu, selector);
        return;
    }
    if (SELECTOR_IS_NULL(selector)) {
        segment_set_null(cpu, seg, selector);
        return;
    }
    if (cpu->cpl > privilege)
        privilege = cpu->cpl;
    if (!descriptor_read(cpu, selector, &d) || !ar_is_readable(d.ar) ||
        (!ar_is_conforming(d.ar) && privilege > ar_dpl(d.ar)))
        cpu_raise_error(cpu, VEC_GP, SELECTOR_ERROR(selector));
    if (!ar_is_present(d.ar))
        cpu_raise_error(cpu, VEC_NP, SELECTOR_ERROR(selector));
    descriptor_set_accessed(cpu, &d);
    segment_set(cpu, seg, selector, &d);
    class = keep_checked(&cpu->seg[seg], class_before);
    remember_descriptor(cpu, seg, selector, &d, class, class_before);
}

/* SDM vol. 2 "RET" and "IRET", return to outer privilege level. */
void segments_drop_privileged(struct cpu *cpu)
{
    static const uint8_t data_segments[] = {ES, DS, FS, GS};

    for (unsigned i = 0; i < sizeof data_segments; i++) {
        unsigned seg = data_segments[i];
        uint16_t ar = cpu->seg[seg].ar;

        if (ar_is_present(ar) && !ar_is_conforming(ar) && ar_dpl(ar) < cpu->cpl)
            segment_set_null(cpu, seg, 0);
    }
}

void cpu_set_cpl(struct cpu *cpu, unsigned cpl)
{
    bool was_checked = alignment_is_checked(cpu);

    cpu->cpl = (uint8_t)cpl;
    cpu->view = cpl == 3 ? MMU_USER : MMU_SUPERVISOR;
    if (was_checked != alignment_is_checked(cpu))
        segment_derive_all(cpu);
}

void cpu_commit_eflags(struct cpu *cpu, uint32_t value, uint32_t mask)
{
    bool was_checked = alignment_is_checked(cpu);

    cpu_set_eflags(cpu, value, mask);
    if (was_checked != alignment_is_checked(cpu))
        segment_derive_all(cpu);
}

/* ---- pushing a frame ---- */

void frame_check_room(struct cpu *cpu, const struct segment *ss, uint32_t esp, const struct frame *f, uint32_t error)
{
    uint32_t mask = ss->ar & AR_DB ? 0xffffffffu : 0xffffu;
    uint32_t bytes = f->count * f->item_bytes;

    if ((esp & mask) >= bytes && segment_limit_holds(ss, (esp & mask) - bytes, bytes))
        return;
    /* Wraps, or does not fit: item by item, as single pushes would. */
    for (unsigned i = 1; i <= f->count; i++) {
        if (!segment_limit_holds(ss, (esp - i * f->item_bytes) & mask, f->item_bytes))
            cpu_raise_error(cpu, VEC_SS, error);
    }
}

/* The whole frame, if the TLB knows it as one place in memory. */
static bool frame_store_plain(struct cpu *cpu, lin_addr low, const struct frame *f, enum mmu_view view)
{
    const struct tlb_entry *e = tlb_slot(&cpu->mmu, low, view);
    uint8_t *slot;

    if (e->write_tag != MMU_TAG_OF(low, f->item_bytes))
        return false;
    slot = (uint8_t *)(low + e->addend);
    for (unsigned i = f->count; i-- > 0; slot += f->item_bytes) {
        if (f->item_bytes == 4)
            memcpy(slot, &f->item[i], 4);
        else
            memcpy(slot, &(uint16_t){(uint16_t)f->item[i]}, 2);
    }
    return true;
}

uint32_t frame_store(struct cpu *cpu, const struct segment *ss, uint32_t esp, const struct frame *f, enum mmu_view view)
{
    uint32_t mask = ss->ar & AR_DB ? 0xffffffffu : 0xffffu;
    uint32_t bytes = f->count * f->item_bytes;
    uint32_t top = esp & mask;

    if (view == MMU_USER)
        check_alignment(cpu, ss->base + top, f->item_bytes);
    /* A #PF reports the item that is pushed first of those on an inaccessible page. */
    if (top >= bytes && (ss->base + top - bytes) >> 12 == (ss->base + top - 1) >> 12) {
        if (frame_store_plain(cpu, ss->base + top - bytes, f, view))
            return (esp & ~mask) | ((top - bytes) & mask);
        mmu_check_write(&cpu->mmu, ss->base + top - f->item_bytes, f->item_bytes, view);
    } else {
        for (unsigned i = 1; i <= f->count; i++)
            mmu_check_write(&cpu->mmu, ss->base + ((esp - i * f->item_bytes) & mask), f->item_bytes, view);
    }
    for (unsigned i = 0; i < f->count; i++) {
        lin_addr address = ss->base + ((esp - (i + 1) * f->item_bytes) & mask);

        if (f->item_bytes == 4)
            mmu_st32(&cpu->mmu, address, f->item[i], view);
        else
            mmu_st16(&cpu->mmu, address, (uint16_t)f->item[i], view);
    }
    return (esp & ~mask) | ((top - bytes) & mask);
}
