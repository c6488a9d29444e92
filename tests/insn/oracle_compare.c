/*
 * The comparison of the two results, less what is undefined and what processors are known to do differently.
 *
 * Sources: the `undef` column of the ISA table; SDM vol. 2 for flags that depend on a count.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "frontend/x86/annotate.h"
#include "frontend/x86/fpu.h"
#include "tests/insn/oracle.h"

enum { COMPARED_EFLAGS = EFLAGS_OSZAPC | EFLAGS_DF | EFLAGS_TF | EFLAGS_NT | EFLAGS_AC | EFLAGS_ID | EFLAGS_VM };

struct reporter {
    char *text;
    size_t size, used;
    bool differs;
};

static __attribute__((format(printf, 2, 3))) void differ(struct reporter *r, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    r->differs = true;
    if (r->used < r->size)
        r->used += (size_t)vsnprintf(r->text + r->used, r->size - r->used, format, arguments);
    va_end(arguments);
}

static const char *const gpr_names[8] = {"EAX", "ECX", "EDX", "EBX", "ESP", "EBP", "ESI", "EDI"};
static const char *const sreg_names[6] = {"ES", "CS", "SS", "DS", "FS", "GS"};
static const char *const vector_names[20] = {"#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM", "#DF", "9",
                                             "#TS", "#NP", "#SS", "#GP", "#PF", "15",  "#MF", "#AC", "#MC", "#XM"};

static const char *outcome_name(int vector)
{
    if (vector >= 0 && vector < 20)
        return vector_names[vector];
    return vector == HOST_DONE        ? "done"
           : vector == HOST_TIMEOUT   ? "timeout"
           : vector == HOST_BAD_STATE ? "bad state"
                                      : "?";
}

static uint32_t fx32(const uint8_t *fx, unsigned at)
{
    uint32_t value;

    memcpy(&value, fx + at, 4);
    return value;
}

/* ---- what is not compared ---- */

static const struct oracle_difference *difference(const struct oracle_machine *m, const struct oracle_form *f,
                                                  enum oracle_aspect aspect)
{
    for (unsigned i = 0; i < oracle_n_differences; i++) {
        const struct oracle_difference *d = &oracle_differences[i];

        if (d->aspect == aspect && d->vendor & m->vendor && (!d->name || !strcmp(d->name, f->row->name)) &&
            (d->form == FORMS || d->form == (f->is_mem ? FORM_MEM : FORM_REG)))
            return d;
    }
    return NULL;
}

/* Flags that are undefined in this case. */
static uint32_t undefined_flags(const struct oracle_case *c)
{
    uint32_t undefined = c->form->row->flags_undefined, count;
    unsigned n = c->form->row->n_operands, last = n ? c->form->row->operand[n - 1] : OPERAND_NO;

    if (c->form->kind != KIND_SHIFT || (last != OPERAND_CL && last != OPERAND_Ib))
        return undefined;
    count = (last == OPERAND_CL ? c->state.gpr[ECX] : c->insn->in.imm) & 31;
    if (count == 0)
        return 0;
    return count == 1 ? undefined & ~(uint32_t)F_O : undefined;
}

/* SHLD and SHRD by more than the operand has bits: destination and flags are undefined, SDM 2B SHLD. */
static bool result_is_undefined(const struct oracle_case *c)
{
    unsigned last;

    if (c->form->kind != KIND_SHIFT || c->form->opsize32 || c->form->row->n_operands < 3)
        return false;
    last = c->form->row->operand[2];
    return ((last == OPERAND_CL ? c->state.gpr[ECX] : c->insn->in.imm) & 31) > 16;
}

/* ---- parts ---- */

static void compare_outcome(struct oracle_machine *m, const struct oracle_case *c, const struct oracle_result *host,
                            const struct oracle_result *guest, struct reporter *r)
{
    const struct oracle_difference *d = difference(m, c->form, ASPECT_FAULT);

    if (host->vector != guest->vector) {
        if (d && host->vector >= 0 && guest->vector >= 0 && d->first >> host->vector & 1 &&
            d->last >> guest->vector & 1)
            return;
        differ(r, "  outcome host %s ours %s\n", outcome_name(host->vector), outcome_name(guest->vector));
    } else if (host->vector == VEC_PF && difference(m, c->form, ASPECT_FAULT_ADDRESS)) {
        return;
    } else if (host->vector >= 0 && host->error != guest->error) {
        differ(r, "  %s error code host %x ours %x\n", outcome_name(host->vector), host->error, guest->error);
    } else if (host->address != guest->address) {
        differ(r, "  CR2 host %08x ours %08x\n", host->address, guest->address);
    }
}

static void compare_flags(struct oracle_machine *m, const struct oracle_case *c, const struct oracle_result *host,
                          const struct oracle_result *guest, struct oracle_tally *tally, struct reporter *r)
{
    uint32_t mask = COMPARED_EFLAGS, written;

    if (host->vector == HOST_DONE) {
        written = (c->form->flags_0 | c->form->flags_1) & ~undefined_flags(c);
        mask &= ~undefined_flags(c);
        tally->flags_0 |= ~host->state.eflags & written;
        tally->flags_1 |= host->state.eflags & written;
    } else if (host->vector != VEC_BP && host->vector != VEC_OF && host->vector != VEC_DB) {
        mask |= EFLAGS_RF; /* set in the image of every fault */
        if (host->vector == VEC_DE)
            mask &= ~c->form->row->flags_undefined;
        if (difference(m, c->form, ASPECT_FAULT_FLAGS))
            mask &= ~(uint32_t)EFLAGS_OSZAPC;
    }
    if ((host->state.eflags ^ guest->state.eflags) & mask)
        differ(r, "  EFLAGS host %08x ours %08x, differ in %08x\n", host->state.eflags, guest->state.eflags,
               (host->state.eflags ^ guest->state.eflags) & mask);
}

/* The IRET with which the kernel enters a signal handler clears the RPL of null selectors. */
static uint16_t seen_selector(uint16_t selector, bool is_through_kernel)
{
    return is_through_kernel && selector < 4 ? 0 : selector;
}

static void compare_registers(struct oracle_machine *m, const struct oracle_case *c, const struct oracle_result *host,
                              const struct oracle_result *guest, struct reporter *r)
{
    bool is_through_kernel = host->vector != HOST_DONE || host->state.eip != c->state.eip + c->insn->len; /* or HLT */

    for (unsigned i = 0; i < 8; i++)
        if (host->state.gpr[i] != guest->state.gpr[i] &&
            (host->vector == HOST_DONE || i == ESP || !difference(m, c->form, ASPECT_FAULT_LOADS)))
            differ(r, "  %s host %08x ours %08x\n", gpr_names[i], host->state.gpr[i], guest->state.gpr[i]);
    for (unsigned i = 0; i < 6; i++)
        if (seen_selector(host->state.sel[i], is_through_kernel) !=
            seen_selector(guest->state.sel[i], is_through_kernel))
            differ(r, "  %s host %04x ours %04x\n", sreg_names[i], host->state.sel[i], guest->state.sel[i]);
    if (host->state.eip != guest->state.eip)
        differ(r, "  EIP host %08x ours %08x\n", host->state.eip, guest->state.eip);
}

static void compare_fpu(struct oracle_machine *m, const struct oracle_case *c, const struct oracle_result *host,
                        const struct oracle_result *guest, struct reporter *r)
{
    const uint8_t *h = host->state.fx, *g = guest->state.fx;
    bool is_pending = fx32(h, 0) >> 16 & FPU_SW_ES, has_x87;

    has_x87 = !difference(m, c->form, ASPECT_X87_STATE) &&
              (host->vector == HOST_DONE || !difference(m, c->form, ASPECT_FAULT_X87));

    if (memcmp(h, g, 2))
        differ(r, "  FCW host %04x ours %04x\n", fx32(h, 0) & 0xffff, fx32(g, 0) & 0xffff);
    if (has_x87 && memcmp(h + 2, g + 2, 3))
        differ(r, "  FSW, tags host %04x %02x ours %04x %02x\n", fx32(h, 0) >> 16, h[4], fx32(g, 0) >> 16, g[4]);
    if (has_x87 && (is_pending || !difference(m, c->form, ASPECT_FX_POINTERS))) {
        if (memcmp(h + 6, g + 6, 6) || memcmp(h + 16, g + 16, 4))
            differ(r, "  FOP FIP FDP host %03x %08x %08x ours %03x %08x %08x\n", fx32(h, 4) >> 16, fx32(h, 8),
                   fx32(h, 16), fx32(g, 4) >> 16, fx32(g, 8), fx32(g, 16));
    }
    if (memcmp(h + 24, g + 24, 4))
        differ(r, "  MXCSR host %08x ours %08x\n", fx32(h, 24), fx32(g, 24));
    if (!memcmp(h + 32, g + 32, 256))
        return;
    for (unsigned i = 0; i < 8 && has_x87; i++) {
        const uint8_t *a = h + 32 + 16 * i, *b = g + 32 + 16 * i;

        if (memcmp(a, b, 10))
            differ(r, "  ST%u host %04x.%08x%08x ours %04x.%08x%08x\n", i, fx32(a, 8) & 0xffff, fx32(a, 4), fx32(a, 0),
                   fx32(b, 8) & 0xffff, fx32(b, 4), fx32(b, 0));
    }
    for (unsigned i = 0; i < 8; i++) {
        const uint8_t *a = h + 160 + 16 * i, *b = g + 160 + 16 * i;

        if (memcmp(a, b, 16))
            differ(r, "  XMM%u host %08x %08x %08x %08x ours %08x %08x %08x %08x\n", i, fx32(a, 12), fx32(a, 8),
                   fx32(a, 4), fx32(a, 0), fx32(b, 12), fx32(b, 8), fx32(b, 4), fx32(b, 0));
    }
}

/* Bytes of the stored image that hold FIP, FCS, FOP, FDP, FDS. */
static bool is_pointer_byte(const struct oracle_form *f, uint32_t offset)
{
    if (f->mem_bytes == 512)
        return offset >= 6 && offset < 24;
    return f->opsize32 ? offset >= 12 && offset < 28 : offset >= 6 && offset < 14;
}

static bool memory_byte_is_excused(struct oracle_machine *m, const struct oracle_case *c, uint32_t linear)
{
    uint32_t offset = linear - c->operand;
    const struct oracle_difference *d;

    if (offset >= c->operand_bytes && c->insn->in.addr_mask == 0xffff) /* its end may lie at the segment's start */
        offset &= 0xffff;
    if (!c->operand_bytes || offset >= c->operand_bytes)
        return false;
    d = difference(m, c->form, ASPECT_MEMORY_BYTES);
    if (d && offset >= d->first && offset <= d->last)
        return true;
    return difference(m, c->form, ASPECT_MEMORY_POINTERS) && is_pointer_byte(c->form, offset) &&
           !(fx32(c->state.fx, 0) >> 16 & FPU_SW_ES);
}

static void compare_memory(struct oracle_machine *m, const struct oracle_case *c, struct reporter *r)
{
    struct oracle_region whole[2] = {{WINDOW_DATA, 0, HOST_WINDOW}, {WINDOW_STACK, 0, HOST_WINDOW}};
    const struct oracle_region *regions = c->all_memory ? whole : c->region;
    unsigned n = c->all_memory ? 2 : c->n_regions, told = 0;

    for (unsigned i = 0; i < n; i++) {
        uint32_t first = regions[i].first, end = first + regions[i].len;
        const uint8_t *guest = m->guest[regions[i].window], *host = host_memory(m->base[regions[i].window]);

        if ((end <= WINDOW_ABSENT_PAGE || first >= WINDOW_ABSENT_PAGE + 0x1000) &&
            !memcmp(guest + first, host + first, end - first))
            continue;
        for (uint32_t j = first; j < end; j++) {
            if (j >= WINDOW_ABSENT_PAGE && j < WINDOW_ABSENT_PAGE + 0x1000)
                continue;
            if (guest[j] == host[j] || memory_byte_is_excused(m, c, m->base[regions[i].window] + j))
                continue;
            if (told++ < 16)
                differ(r, "  memory %08x host %02x ours %02x%s\n", m->base[regions[i].window] + j, host[j], guest[j],
                       c->operand_bytes && m->base[regions[i].window] + j - c->operand < c->operand_bytes ? " (operand)"
                                                                                                          : "");
            else
                r->differs = true;
        }
    }
}

/* ---- the whole ---- */

bool oracle_compare(struct oracle_machine *m, const struct oracle_case *c, const struct oracle_result *host,
                    const struct oracle_result *guest, struct oracle_tally *tally, char *text, size_t size)
{
    struct reporter r = {.text = text, .size = size};

    text[0] = '\0';
    tally->cases++;
    tally->completed += host->vector == HOST_DONE;
    if (host->vector >= 0)
        tally->faults |= 1u << host->vector;
    tally->x87_raised |= fx32(host->state.fx, 0) >> 16 & ~(fx32(c->state.fx, 0) >> 16) & 0x7f;
    tally->sse_raised |= fx32(host->state.fx, 24) & ~fx32(c->state.fx, 24) & 0x3f;
    if (guest->vector == VEC_MF && host->vector != VEC_MF && difference(m, c->form, ASPECT_X87_STATE)) {
        tally->faults |= 1u << VEC_MF;
        return true;
    }
    compare_outcome(m, c, host, guest, &r);
    if (host->vector == HOST_DONE && result_is_undefined(c))
        return !r.differs;
    compare_registers(m, c, host, guest, &r);
    compare_flags(m, c, host, guest, tally, &r);
    compare_fpu(m, c, host, guest, &r);
    if (host->vector == HOST_DONE || !difference(m, c->form, ASPECT_FAULT_STORES))
        compare_memory(m, c, &r);
    return !r.differs;
}

/* ---- for people ---- */

static void print_state(const struct host_state *s)
{
    printf("   ");
    for (unsigned i = 0; i < 8; i++)
        printf(" %s=%08x", gpr_names[i], s->gpr[i]);
    printf("\n    EIP=%08x EFLAGS=%08x", s->eip, s->eflags);
    for (unsigned i = 0; i < 6; i++) {
        unsigned slot = s->sel[i] >> 3;

        printf(" %s=%04x%s%s", sreg_names[i], s->sel[i], slot && slot < SLOTS ? ":" : "",
               slot && slot < SLOTS && oracle_slots[slot].name ? oracle_slots[slot].name : "");
    }
    printf("\n");
}

static void print_fpu(const uint8_t *fx)
{
    printf("    FCW=%04x FSW=%04x tags=%02x FOP=%03x FIP=%08x FDP=%08x MXCSR=%08x\n", fx32(fx, 0) & 0xffff,
           fx32(fx, 0) >> 16, fx[4], fx32(fx, 4) >> 16, fx32(fx, 8), fx32(fx, 16), fx32(fx, 24));
    for (unsigned i = 0; i < 8; i++) {
        const uint8_t *st = fx + 32 + 16 * i, *x = fx + 160 + 16 * i;

        printf("    ST%u=%04x.%08x%08x  XMM%u=%08x %08x %08x %08x\n", i, fx32(st, 8) & 0xffff, fx32(st, 4), fx32(st, 0),
               i, fx32(x, 12), fx32(x, 8), fx32(x, 4), fx32(x, 0));
    }
}

void oracle_print_case(struct oracle_machine *m, const struct oracle_case *c, const struct oracle_result *host,
                       const struct oracle_result *guest)
{
    char text[120];

    (void)m;
    annotate_disassemble(c->insn->bytes, c->insn->len, c->state.eip, c->insn->code32, text, sizeof text);
    printf("   ");
    for (unsigned i = 0; i < c->insn->len; i++)
        printf(" %02x", c->insn->bytes[i]);
    printf("   %s\n", text);
    if (c->operand_bytes)
        printf("    operand at %08x, %u bytes\n", c->operand, c->operand_bytes);
    print_state(&c->state);
    if (c->form->set != SET_INTEGER)
        print_fpu(c->state.fx);
    printf("  host: %s, error %x, CR2 %08x\n", outcome_name(host->vector), host->error, host->address);
    print_state(&host->state);
    if (c->form->set != SET_INTEGER)
        print_fpu(host->state.fx);
    printf("  ours: %s, error %x, CR2 %08x\n", outcome_name(guest->vector), guest->error, guest->address);
    print_state(&guest->state);
    if (c->form->set != SET_INTEGER)
        print_fpu(guest->state.fx);
}
