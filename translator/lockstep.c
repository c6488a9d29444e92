/*
 * Lockstep: each block is run by the interpreter and by the engine from the same state, and what they did is compared:
 * registers, flags as far as they are defined, x87 and SSE state, the pages that were written, the fault that was
 * raised. A test's mode (`-accel jit,lockstep=on`), about a hundred times slower.
 *
 * 1. The interpreter runs the block's instructions one by one. What it writes is taken down page by page (mmu_journal),
 *    each page as it was. Then everything is put back.
 * 2. The engine runs the block, unchained. Its state is the one that the guest goes on with.
 * 3. If it stopped earlier, which it may between any two instructions, the interpreter runs once more, as far as that.
 *
 * Nothing with an effect outside of registers and plain memory happens twice: what is sensitive or privileged stands in
 * a block of its own and is executed by the engine alone. So is an instruction that turned out to meet a device, or a
 * page with code in a store, or that used undefined flags: blocks end before it from then on. Page tables are memory as
 * any other: accessed and dirty bits are put back too, and the pages forgotten in the TLB.
 *
 * A page that the engine enters into its write tables while it runs is compared too, so a store to the wrong page is
 * seen. Interrupts come between blocks.
 */
#include <stdlib.h>

#include "frontend/x86/annotate.h"
#include "frontend/x86/run.h"
#include "frontend/x86/simd.h"
#include "translator/callout.h"
#include "translator/internal.h"

#define PAGES_MAX   64u
#define CUT_ENTRIES 65536u
#define REPORTS_MAX 20u

/* What a block may change of the CPU. */
#define STATE_FIELDS(FIELD)                                                                                            \
    FIELD(gpr)                                                                                                         \
    FIELD(eip)                                                                                                         \
    FIELD(flag_zero)                                                                                                   \
    FIELD(flag_sign)                                                                                                   \
    FIELD(flag_carry)                                                                                                  \
    FIELD(eflags)                                                                                                      \
    FIELD(cr2)                                                                                                         \
    FIELD(pending_db)                                                                                                  \
    FIELD(shadow)                                                                                                      \
    FIELD(shadow_next)                                                                                                 \
    FIELD(halt)                                                                                                        \
    FIELD(seg)                                                                                                         \
    FIELD(fpu)                                                                                                         \
    FIELD(executed)

struct state {
#define DECLARE(field) __typeof__(((struct cpu *)0)->field) field;
    STATE_FIELDS(DECLARE)
#undef DECLARE
};

struct saved_page {
    phys_addr address;
    uint8_t *host;
    bool is_table; /* of pages */
    uint8_t before[PHYS_PAGE_SIZE], after[PHYS_PAGE_SIZE];
};

/* How a run ended. */
struct ending {
    unsigned insns;    /* done */
    unsigned at, last; /* numbers of the next one in the block, and of the one before */
    bool faulted, met_other, reads_undefined;
    uint32_t vector, error;
    bool has_error;
    uint32_t undefined; /* flags */
};

struct lockstep {
    struct mmu_journal journal;
    struct translator *t;
    struct state start, reference, engine;
    struct insn insn[IR_MAX_INSNS]; /* the block's: it may die while it runs */
    struct saved_page page[PAGES_MAX];
    unsigned n_pages, n_written; /* the first n_written by the interpreter */
    bool overflow;
    lin_addr entered[PAGES_MAX]; /* into the engine's tables for writing */
    unsigned n_entered;
    lin_addr walked[PAGES_MAX]; /* by the interpreter */
    unsigned n_walked;
    jmp_buf unwind; /* the run loop's */
    const struct cpu_board *board;
    struct cpu_board no_board; /* FERR# is the engine's to drive */
    bool met_other;
    uint8_t cut[CUT_ENTRIES]; /* by a hash of an instruction's host address: blocks end before it */
    struct {
        uint64_t blocks, insns, faults, again, alone, cut, disturbed, mismatches;
    } count;
};

/* ---- state ---- */

static void take_state(struct cpu *cpu, struct state *s)
{
#define TAKE(field) memcpy(&s->field, &cpu->field, sizeof s->field);
    simd_fold_mxcsr(cpu);
    STATE_FIELDS(TAKE)
#undef TAKE
}

static void put_state(struct cpu *cpu, const struct state *s)
{
#define PUT(field) memcpy(&cpu->field, &s->field, sizeof s->field);
    STATE_FIELDS(PUT)
#undef PUT
    cpu->fpu.host.control = 0; /* what the host holds is not known any more */
    simd_load_mxcsr(cpu);
}

/* ---- memory ---- */

/* Remembers the page at `address` as it is now. False if it is no memory, or there are too many. */
static bool save_page(struct lockstep *l, phys_addr address, bool is_table)
{
    struct phys_page page;

    address = phys_gate(l->t->cpu->phys, address) & PHYS_PAGE_MASK;
    for (unsigned i = 0; i < l->n_pages; i++)
        if (l->page[i].address == address) {
            l->page[i].is_table |= is_table;
            return true;
        }
    page = phys_lookup(l->t->cpu->phys, address);
    if (!page.host || l->n_pages == PAGES_MAX)
        return false;
    l->page[l->n_pages].address = address;
    l->page[l->n_pages].host = page.host;
    l->page[l->n_pages].is_table = is_table;
    memcpy(l->page[l->n_pages].before, page.host, PHYS_PAGE_SIZE);
    l->n_pages++;
    return true;
}

static _Noreturn void met_other(struct lockstep *l)
{
    l->met_other = true;
    longjmp(l->t->cpu->unwind, 1);
}

static void on_write(struct mmu_journal *journal, phys_addr address, unsigned len_bytes)
{
    struct lockstep *l = (struct lockstep *)(void *)journal;

    if (!save_page(l, address, false) || !save_page(l, address + len_bytes - 1, false))
        met_other(l);
}

/* Saves the tables that the walk may write to. */
static void on_walk(struct mmu_journal *journal, lin_addr address)
{
    struct lockstep *l = (struct lockstep *)(void *)journal;
    struct cpu *cpu = l->t->cpu;
    const struct mmu_paging *paging = &cpu->mmu.paging;
    phys_addr entry = paging->pae ? (paging->pdpte[address >> 30] & PHYS_PAGE_MASK) + (address >> 21 & 0x1ff) * 8
                                  : (paging->cr3 & ~0xfffu) + (address >> 22) * 4;
    uint64_t value;

    if (!paging->paging)
        return;
    if (l->n_walked == PAGES_MAX)
        met_other(l);
    l->walked[l->n_walked++] = address;
    value = phys_read(cpu->phys, entry, paging->pae ? 8 : 4);
    save_page(l, entry, true);
    if ((value & 1) && !(value & 0x80))
        save_page(l, value & 0xffffff000, true);
}

static void on_other(struct mmu_journal *journal)
{
    met_other((struct lockstep *)(void *)journal);
}

void lockstep_entered(struct translator *t, lin_addr address)
{
    struct lockstep *l = t->lockstep;
    const struct tlb_entry *e = tlb_slot(&t->cpu->mmu, address, t->cpu->view); /* from which it was entered */

    if (!save_page(l, (phys_addr)e->phys_page << PHYS_PAGE_SHIFT, false) || l->n_entered == PAGES_MAX)
        l->overflow = true;
    else
        l->entered[l->n_entered++] = address;
}

/* What the walks set in the tables has been put back, so whoever comes next must set it again. */
static void forget_walked(struct lockstep *l)
{
    bool changed = false;

    for (unsigned i = 0; i < l->n_pages && l->n_walked; i++)
        changed |= l->page[i].is_table && memcmp(l->page[i].before, l->page[i].after, PHYS_PAGE_SIZE) != 0;
    for (unsigned i = 0; changed && i < l->n_walked; i++)
        mmu_flush_page(&l->t->cpu->mmu, l->walked[i]);
    l->n_walked = 0;
}

/* So that the engine's next block has to enter what it writes to. */
static void forget_entered(struct lockstep *l)
{
    for (unsigned i = 0; i < l->n_entered; i++)
        flat_drop_page(l->t->cpu->mmu.flat, l->entered[i]);
    l->n_entered = 0;
}

/* ---- blocks ---- */

static unsigned cut_index(const uint8_t *code)
{
    return (unsigned)((uintptr_t)code ^ (uintptr_t)code >> 16) % CUT_ENTRIES;
}

bool lockstep_cuts_before(const struct translator *t, const uint8_t *code)
{
    return t->lockstep && t->lockstep->cut[cut_index(code)];
}

bool lockstep_must_be_alone(const struct translator *t, const struct ir_op *last, const struct insn *in,
                            const struct x86_mode *mode)
{
    const struct isa_row *row;

    if (!t->lockstep)
        return false;
    if (in->row != ISA_ROW_UD && x86_holds_back(in)) /* the interpreter's side would stop behind it */
        return true;
    if (last->opcode == IR_TSC) /* at another time it has another result */
        return true;
    if (last->opcode != IR_CALLOUT && last->opcode != IR_CALLOUT_END)
        return false;
    if (in->row == ISA_ROW_UD)
        return true;
    row = &isa_table[in->row];
    return scan_classify(row, mode) != PG_INNOCUOUS || row->ends != ENDS_NEXT || (row->flags_written & F_D) ||
           (row->checks & (FPU_NM | MMX_NM | SSE_NM | WAIT_NM | FPU_MF));
}

/* ---- the interpreter's side ---- */

/* Flags that nobody may rely on behind `in`, if `before` were undefined before it. A count of 0 keeps all of them. */
static uint32_t undefined_behind(uint32_t before, const struct insn *in)
{
    const struct isa_row *row = &isa_table[in->row];
    const bool may_keep = row->flags_undefined & F_O && row->flags_written & F_C;

    return (may_keep ? before : before & ~(row->flags_written & ~row->flags_undefined)) | row->flags_undefined;
}

/* Number of the instruction at EIP, a later one of the block; n_insns if there is none. */
static unsigned find_insn(const struct block *block, uint32_t page_offset, unsigned from)
{
    while (from < block->n_insns && block->offset[from] != page_offset)
        from++;
    return from;
}

/* Executes the block's instructions, at most `limit` of them, until it is left. */
static void run_insns(struct lockstep *l, const struct block *block, unsigned limit, struct ending *end)
{
    struct cpu *cpu = l->t->cpu;
    const uint32_t page_eip = cpu->translated.page_eip;

    while (end->insns < limit && end->at < block->n_insns) {
        const struct insn *in = &l->insn[end->last = end->at];
        const uint32_t mask = block->code16 ? 0xffff : 0xffffffff;
        const uint32_t eip = (page_eip + block->offset[end->at]) & mask;

        if (in->row != ISA_ROW_UD && (isa_table[in->row].flags_read & end->undefined)) {
            end->reads_undefined = true;
            return;
        }
        callout_run(cpu, in, eip); /* a repeated string pauses for events, as it does on the engine */
        end->undefined = undefined_behind(end->undefined, in);
        end->insns++;
        if (cpu->eip == ((eip + in->len) & mask))
            end->at++;
        else
            end->at = find_insn(block, (cpu->eip - page_eip) & mask, end->at + 1); /* a jump within the block */
        if (cpu->shadow_next)
            return;
    }
}

static void drive_nothing(void *opaque, bool level)
{
    (void)opaque;
    (void)level;
}

static void note_fault(const struct cpu *cpu, struct ending *end)
{
    end->faulted = true;
    end->vector = cpu->fault.vector;
    end->has_error = cpu->fault.has_error;
    end->error = cpu->fault.has_error ? cpu->fault.error : 0;
}

static void interpret(struct lockstep *l, const struct block *block, unsigned limit, struct ending *end)
{
    struct cpu *cpu = l->t->cpu;

    *end = (struct ending){0};
    l->met_other = false;
    l->journal.is_on = true;
    l->board = cpu->board;
    l->no_board = *cpu->board;
    l->no_board.ferr = drive_nothing;
    cpu->board = &l->no_board;
    if (setjmp(cpu->unwind)) {
        cpu->stepping &= (uint8_t)~STEPPING_SINGLE;
        if (l->met_other)
            end->met_other = true;
        else
            note_fault(cpu, end);
    } else {
        run_insns(l, block, limit, end);
    }
    l->journal.is_on = false;
    cpu->board = l->board;
    take_state(cpu, &l->reference);
}

/* ---- the engine's side ---- */

static void run_engine(struct lockstep *l, struct block *block, struct ending *end)
{
    struct cpu *cpu = l->t->cpu;
    const uint64_t counted = cpu->translated.counted, executed = cpu->executed;

    *end = (struct ending){0};
    if (setjmp(cpu->unwind)) {
        cpu->stepping &= (uint8_t)~STEPPING_SINGLE;
        cpu->engine->settle(cpu);
        note_fault(cpu, end);
    } else {
        engine_enter(l->t, block);
    }
    end->insns = (unsigned)(cpu->translated.counted - counted + (cpu->executed - executed));
    take_state(cpu, &l->engine);
}

/* ---- comparison ---- */

struct difference {
    const char *what;
    uint64_t engine, reference;
};

static uint32_t oszapc(struct cpu *cpu, const struct state *s)
{
    struct state now;
    uint32_t flags;

    now.flag_zero = cpu->flag_zero;
    now.flag_sign = cpu->flag_sign;
    now.flag_carry = cpu->flag_carry;
    cpu->flag_zero = s->flag_zero;
    cpu->flag_sign = s->flag_sign;
    cpu->flag_carry = s->flag_carry;
    flags = cpu_get_eflags(cpu) & EFLAGS_OSZAPC;
    cpu->flag_zero = now.flag_zero;
    cpu->flag_sign = now.flag_sign;
    cpu->flag_carry = now.flag_carry;
    return flags;
}

#define DIFFER(name, a, b)                                                                                             \
    do {                                                                                                               \
        *d = (struct difference){(name), (uint64_t)(a), (uint64_t)(b)};                                                \
        if (d->engine != d->reference)                                                                                 \
            return true;                                                                                               \
    } while (0)

static bool states_differ(struct lockstep *l, uint32_t undefined, struct difference *d)
{
    static const char *const name[] = {"eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"};
    const struct state *a = &l->engine, *b = &l->reference;
    struct cpu *cpu = l->t->cpu;

    DIFFER("eip", a->eip, b->eip);
    for (unsigned i = 0; i < 8; i++)
        DIFFER(name[i], a->gpr[i], b->gpr[i]);
    DIFFER("arithmetic flags", oszapc(cpu, a) & ~undefined, oszapc(cpu, b) & ~undefined);
    DIFFER("eflags", a->eflags, b->eflags);
    for (unsigned i = 0; i < 8; i++) {
        DIFFER("xmm", a->fpu.xmm[i].q[0], b->fpu.xmm[i].q[0]);
        DIFFER("xmm, high", a->fpu.xmm[i].q[1], b->fpu.xmm[i].q[1]);
        DIFFER("x87 register", a->fpu.reg[i].mantissa, b->fpu.reg[i].mantissa);
        DIFFER("x87 exponent", a->fpu.reg[i].sign_exponent, b->fpu.reg[i].sign_exponent);
    }
    DIFFER("x87 control word", a->fpu.control, b->fpu.control);
    DIFFER("x87 status", a->fpu.status, b->fpu.status);
    DIFFER("x87 top", a->fpu.top, b->fpu.top);
    DIFFER("x87 tags", a->fpu.empty, b->fpu.empty);
    DIFFER("mxcsr", a->fpu.mxcsr, b->fpu.mxcsr);
    DIFFER("cr2", a->cr2, b->cr2);
    DIFFER("shadow", a->shadow_next, b->shadow_next);
    for (unsigned i = 0; i < SREGS; i++) {
        DIFFER("selector", a->seg[i].selector, b->seg[i].selector);
        DIFFER("segment base", a->seg[i].base, b->seg[i].base);
    }
    return false;
}

static bool endings_differ(const struct ending *a, const struct ending *b, struct difference *d)
{
    DIFFER("fault raised", a->faulted, b->faulted);
    if (!a->faulted) {
        DIFFER("instructions", a->insns, b->insns);
        return false;
    }
    DIFFER("fault", a->vector, b->vector);
    DIFFER("error code", a->error, b->error);
    return false;
}

/* Accessed and dirty bits: a walk sets them, and whether one is needed depends on what the TLB holds, which the
 * interpreter's run has changed. SDM vol. 3, "Accessed and Dirty Flags", "Details of TLB Use". */
static unsigned walked_bits(const struct saved_page *page, unsigned at)
{
    return page->is_table && at % 4 == 0 ? 0x60 : 0;
}

/* The engine's memory, which is the guest's now, and page->after; what the interpreter did not write must be as before.
 */
static bool memory_differs(const struct lockstep *l, struct difference *d)
{
    for (unsigned i = 0; i < l->n_pages; i++) {
        const struct saved_page *page = &l->page[i];
        const uint8_t *expected = i < l->n_written ? page->after : page->before;

        if (memcmp(page->host, expected, PHYS_PAGE_SIZE) == 0)
            continue;
        for (unsigned at = 0; at < PHYS_PAGE_SIZE; at++)
            if ((page->host[at] ^ expected[at]) & ~walked_bits(page, at)) {
                *d = (struct difference){i < l->n_written ? "memory" : "memory that should not be written",
                                         page->address + at, expected[at]};
                return true;
            }
    }
    return false;
}

static void report(struct lockstep *l, const struct block *block, const struct difference *d)
{
    struct cpu *cpu = l->t->cpu;
    const struct phys_page page = phys_lookup(cpu->phys, phys_gate(cpu->phys, block->address));

    if (++l->count.mismatches > REPORTS_MAX)
        return;
    fprintf(stderr, "lockstep: %s: %llx, interpreted %llx\n", d->what, (unsigned long long)d->engine,
            (unsigned long long)d->reference);
    for (unsigned i = 0; i < 8; i++)
        fprintf(stderr, " %08x", l->start.gpr[i]);
    fprintf(stderr, " flags %x\n", oszapc(cpu, &l->start));
    for (unsigned i = 0; i < block->n_insns && page.host; i++) {
        const uint8_t *bytes = page.host + (block->offset[i] & 0xfff);
        char text[100];

        annotate_disassemble(bytes, l->insn[i].len, cpu->translated.page_eip + block->offset[i], !block->code16, text,
                             sizeof text);
        fprintf(stderr, "  %08x  %s\n", cpu->translated.page_eip + block->offset[i], text);
    }
}

/* ---- a block ---- */

/* The interpreter's run, and everything put back behind it; page->after is what it left. */
static void take_reference(struct lockstep *l, const struct block *block, unsigned limit, struct ending *end)
{
    interpret(l, block, limit, end);
    l->n_written = l->n_pages;
    for (unsigned i = 0; i < l->n_pages; i++) {
        memcpy(l->page[i].after, l->page[i].host, PHYS_PAGE_SIZE);
        memcpy(l->page[i].host, l->page[i].before, PHYS_PAGE_SIZE);
    }
    put_state(l->t->cpu, &l->start);
    forget_walked(l);
}

/* The engine stopped after `insns` instructions: the interpreter does as many, and the engine's memory comes back. */
static void take_reference_again(struct lockstep *l, const struct block *block, unsigned insns, struct ending *end)
{
    const unsigned n = l->n_pages;

    for (unsigned i = 0; i < n; i++) {
        memcpy(l->page[i].after, l->page[i].host, PHYS_PAGE_SIZE);
        memcpy(l->page[i].host, l->page[i].before, PHYS_PAGE_SIZE);
    }
    put_state(l->t->cpu, &l->start);
    forget_walked(l);
    interpret(l, block, insns, end);
    l->n_written = n;
    for (unsigned i = 0; i < n; i++)
        for (unsigned at = 0; at < PHYS_PAGE_SIZE; at += 8) {
            uint64_t word;

            memcpy(&word, l->page[i].host + at, 8);
            memcpy(l->page[i].host + at, l->page[i].after + at, 8);
            memcpy(l->page[i].after + at, &word, 8);
        }
}

/* Repeated strings look for their pages in the engine's tables before they start. */
static void enter_string_pages(struct lockstep *l, const struct block *block)
{
    struct cpu *cpu = l->t->cpu;

    for (unsigned i = 0; i < block->n_insns; i++)
        if (l->insn[i].rep) {
            const lin_addr target = cpu->seg[ES].base + l->reference.gpr[EDI] - 1;

            if (flat_fill(&cpu->mmu, target, 1, true, cpu->view))
                lockstep_entered(l->t, target);
            return;
        }
}

/* Blocks end before this instruction of the block from now on. `is_alone`: it met what must not be touched twice; once
 * it is a block of its own the engine alone executes it. Else it used flags that were undefined, and may differ: at the
 * beginning of a block both sides have the engine's. */
static void cut(struct lockstep *l, struct block *block, unsigned insn, bool is_alone)
{
    struct cpu *cpu = l->t->cpu;
    const struct phys_page page = phys_lookup(cpu->phys, phys_gate(cpu->phys, block->address));

    l->count.cut++;
    if (is_alone && insn == 0 && block->n_insns == 1) {
        l->count.alone++;
        engine_enter(l->t, block);
        return;
    }
    l->cut[cut_index(page.host + block->offset[insn])] = 1;
    if (is_alone && insn + 1 < block->n_insns)
        l->cut[cut_index(page.host + block->offset[insn + 1])] = 1;
    block_retranslate(l->t, block);
}

void lockstep_run(struct cpu *cpu)
{
    struct translator *t = cpu->translator;
    struct lockstep *l = t->lockstep;
    struct block *block;
    struct ending reference, engine;
    struct difference d;

    cpu->eflags &= ~(uint32_t)EFLAGS_RF; /* the instruction at EIP begins */
    block = t->plain_next ? block_at_eip_plain(t) : block_at_eip(t);
    t->plain_next = false;
    if (!block || block->alone) {
        l->count.alone++;
        if (block)
            engine_enter(t, block);
        else
            run_single(cpu);
        return;
    }
    memcpy(&l->unwind, &cpu->unwind, sizeof l->unwind);
    memcpy(l->insn, block->insn, block->n_insns * sizeof *l->insn);
    take_state(cpu, &l->start);
    l->overflow = false;
    l->n_pages = l->n_walked = 0;
    take_reference(l, block, block->n_insns, &reference);
    if (reference.met_other || reference.reads_undefined || !block->alive) {
        memcpy(&cpu->unwind, &l->unwind, sizeof l->unwind);
        if (block->alive)
            cut(l, block, reference.at, reference.met_other);
        return;
    }
    enter_string_pages(l, block);
    run_engine(l, block, &engine);
    forget_entered(l);
    if (!engine.faulted && engine.insns < reference.insns + reference.faulted) {
        l->count.again++;
        take_reference_again(l, block, engine.insns, &reference);
    }
    /* An event that came during one of the runs is still there: the run loop takes them. */
    const bool disturbed = run_must_attend(cpu) || atomic_load_explicit(&cpu->events, memory_order_relaxed);
    memcpy(&cpu->unwind, &l->unwind, sizeof l->unwind);
    l->count.blocks++;
    l->count.insns += reference.insns;
    l->count.faults += reference.faulted;
    if (l->overflow) {
        l->count.disturbed++;
    } else if (endings_differ(&engine, &reference, &d) || states_differ(l, reference.undefined, &d) ||
               memory_differs(l, &d)) {
        if (disturbed && l->insn[reference.last].rep)
            l->count.disturbed++; /* it paused between two items */
        else
            report(l, block, &d);
    }
    put_state(cpu, &l->engine);
    if (engine.faulted)
        longjmp(cpu->unwind, 1);
}

/* ---- life ---- */

bool lockstep_create(struct translator *t)
{
    t->lockstep = calloc(1, sizeof *t->lockstep);
    if (!t->lockstep)
        return false;
    t->lockstep->t = t;
    t->lockstep->journal = (struct mmu_journal){.write = on_write, .other = on_other, .walk = on_walk};
    t->cpu->mmu.journal = &t->lockstep->journal;
    mmu_flush(&t->cpu->mmu);
    return true;
}

void lockstep_destroy(struct translator *t)
{
    if (!t->lockstep)
        return;
    t->cpu->mmu.journal = NULL;
    free(t->lockstep);
}

void lockstep_print(const struct translator *t, FILE *out)
{
    const struct lockstep *l = t->lockstep;

    fprintf(
        out,
        "lockstep: %llu blocks, %llu instructions, %llu faults compared, %llu mismatches; %llu blocks compared as far "
        "as the engine ran; not compared: %llu instructions that must not run twice, %llu disturbed; %llu cuts\n",
        (unsigned long long)l->count.blocks, (unsigned long long)l->count.insns, (unsigned long long)l->count.faults,
        (unsigned long long)l->count.mismatches, (unsigned long long)l->count.again, (unsigned long long)l->count.alone,
        (unsigned long long)l->count.disturbed, (unsigned long long)l->count.cut);
}
