/*
 * The engine: what the run loop calls, and what translated code calls.
 *
 * While translated code runs, registers and flags are the host's; the entry points here find them in struct cpu (the
 * trampolines of backend/x86_64/entry.c put them there, x64_flags_in and x64_flags_out convert the flags).
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "frontend/x86/code.h"
#include "frontend/x86/fpu.h"
#include "frontend/x86/interp.h"
#include "frontend/x86/run.h"
#include "frontend/x86/simd.h"
#include "frontend/x86/sys.h"
#include "translator/callout.h"
#include "translator/internal.h"
#include "translator/ir_run.h"

#define CACHE_BYTES_DEFAULT (256u << 20)
#define CACHE_BYTES_LEAST   (4 * X64_COLD_BYTES) /* a block fits into each half */

extern const struct interp_handlers interp_popf, interp_sti, interp_mov_to_ss, interp_pop_ss; /* of the ISA table */

bool callout_run(struct cpu *cpu, const struct insn *in, uint32_t eip)
{
    struct insn *single = cpu->code->single;

    single[0] = *in;
    single[0].offset = 0;
    single[1].fn = interp_block_end;
    single[1].offset = in->len;
    single[1].row = ISA_ROW_UD;
    cpu->eip = eip;
    cpu->block = NULL;
    cpu->insn = single;
    cpu->executed++;
    cpu->stepping |= STEPPING_SINGLE;
    single->fn(cpu, single);
    cpu->insn = single; /* its offset is 0: what is raised between blocks is raised at cpu->eip */
    cpu->stepping &= (uint8_t)~STEPPING_SINGLE;
    return cpu->eip == eip + in->len && !run_must_attend(cpu);
}

/* ---- called by translated code ---- */

static const void *leave(struct translator *t)
{
    return code_memory_exec(&t->memory, t->entry.done);
}

/* Host code for cpu->eip, NULL if the interpreter must run there. Computed jumps find it from now on. What a landing
 * sends here it will not find again: `may_be_known` is false. Raises #PF. */
static const void *code_at_eip(struct translator *t, bool may_be_known)
{
    struct block *block;

    mode_update(t);
    block = may_be_known ? jumps_find(t) : NULL;
    if (!block) {
        t->for_computed_jump = !may_be_known;
        block = block_at_eip(t);
        if (!block)
            return NULL;
        jumps_enter(t, block, !may_be_known);
    }
    return code_memory_exec(&t->memory, block->code);
}

/* The instruction at EIP begins. */
static void end_resume(struct cpu *cpu)
{
    cpu->eflags &= ~(uint32_t)EFLAGS_RF;
}

/* On at cpu->eip: the code there, or back to the run loop. */
static const void *go_on(struct translator *t)
{
    const void *exec;

    if (t->options.no_chain || run_must_attend(t->cpu))
        return leave(t);
    end_resume(t->cpu);
    exec = code_at_eip(t, true);
    if (!exec)
        return leave(t);
    x64_flags_out(t->cpu);
    return exec;
}

static uint32_t number_behind(const uint8_t *site)
{
    uint32_t number;

    memcpy(&number, site, sizeof number);
    return number;
}

static lin_addr site_address(const struct cpu *cpu, const struct x64_site *site)
{
    return site->address == GPR_NONE ? cpu->translated.address : cpu->gpr[site->address];
}

/* An access that its block expected to be aligned, and is not, and need not be. */
static bool is_unaligned(const struct cpu *cpu, const struct x64_site *site)
{
    return site->expects_aligned && site->may_relax && site_address(cpu, site) & (site->width - 1u);
}

/* What is raised from now on is raised at `eip`. */
static void prepare_fault(struct cpu *cpu, uint32_t eip)
{
    cpu->eip = eip;
    cpu->insn = cpu->code->single;
    cpu->code->single[0].offset = 0;
    cpu->block = NULL;
}

static void check_access(struct cpu *cpu, lin_addr address, unsigned width, bool is_write)
{
    if (is_write)
        mmu_check_write(&cpu->mmu, address, width, cpu->view);
    else
        mmu_check_read(&cpu->mmu, address, width, cpu->view);
}

/* Enters the translation for an access into the table that its code looks in; true if it may be tried again. Raises
 * #PF. */
static bool fill_tables(struct cpu *cpu, const struct x64_site *site, uint32_t eip)
{
    const lin_addr address = site_address(cpu, site);
    const bool wants_alignment = site->expects_aligned || site->is_aligned;
    /* Code that expects nothing takes what is near the end of a page for crossing it (select.c). */
    const unsigned room = wants_alignment || site->width == 1 ? site->width : site->width > 8 ? 16 : 8;

    if (wants_alignment ? address & (site->width - 1u) : (address & 0xfff) + room > PHYS_PAGE_SIZE)
        return false;
    prepare_fault(cpu, eip);
    check_access(cpu, address, site->width, site->is_write);
    return flat_fill(&cpu->mmu, address, wants_alignment ? site->width : 1, site->is_write, cpu->view);
}

/* A group's look-up found nothing. Enters its page if that may serve the whole group, whose first access is the site's;
 * true if it may be tried again. Raises #PF. */
static bool fill_group(struct cpu *cpu, const struct x64_site *site, uint32_t eip)
{
    const lin_addr address = cpu->translated.address + site->offset;

    prepare_fault(cpu, eip); /* or a plain block goes on there */
    if (!site->is_hoisted)   /* what the TLB does not hold is found by the accesses themselves then */
        check_access(cpu, address, site->width, site->is_write);
    /* At the end of the page the block looks into the table for bytes. */
    if ((~cpu->translated.address & cpu->translated.mask_part) == 0)
        return flat_fill(&cpu->mmu, cpu->translated.address, 1, site->writes_later, cpu->view);
    return flat_fill_group(&cpu->mmu, address, site->writes_later, cpu->view);
}

/* What a group cannot do and no block without groups is there for is interpreted. */
static const void *leave_plain(struct translator *t)
{
    if (t->lockstep)
        t->plain_next = true;
    else
        t->interpret_next = true;
    return leave(t);
}

/* On in a block without groups. */
static const void *go_on_plain(struct translator *t)
{
    const struct block *plain = t->lockstep ? NULL : block_at_eip_plain(t);

    if (!plain)
        return leave_plain(t);
    x64_flags_out(t->cpu);
    return code_memory_exec(&t->memory, plain->code);
}

/* Does it always go on behind itself? */
static bool goes_on_in_line(const struct isa_row *row)
{
    return row->ends == ENDS_NEXT || row->handlers == &interp_popf || row->handlers == &interp_sti ||
           row->handlers == &interp_mov_to_ss || row->handlers == &interp_pop_ss;
}

/* The interpreter has executed `in`, and EIP is behind it. May the block go on there? What ends a block may if blocks
 * like this one still fit, and if it cannot have changed what the linear page leads to. */
static bool goes_on_behind(struct translator *t, const struct block *block, const struct insn *in,
                           enum x64_site_kind kind, bool had_x87)
{
    const struct isa_row *row;

    if (in->row == ISA_ROW_UD)
        return false;
    row = &isa_table[in->row];
    if (had_x87 && (~t->cpu->fpu.control & FPU_CW_MASKS)) /* a control word that unmasks something */
        return false;
    if (kind != X64_SITE_CALLOUT_END && !(row->sensitive && scan_changes_mode(row)))
        return row->ends == ENDS_NEXT && /* a jump to the instruction behind it ends its block all the same */
               !(row->checks & SSE_NM && ~t->cpu->fpu.mxcsr & MXCSR_MASKS); /* LDMXCSR, lowered for them all set */
    return !t->options.no_chain && goes_on_in_line(row) && !had_x87 && mode_update(t) == block->mode &&
           block->alive; /* a mode too many flushes everything */
}

/* EIP of a guest instruction of the block. */
static uint32_t eip_of(const struct cpu *cpu, const struct block *block, unsigned insn)
{
    const uint32_t eip = cpu->translated.page_eip + block->offset[insn];

    return block->code16 ? eip & 0xffff : eip;
}

/* The instruction at `site` begins anew, or is not done by translated code: state is as before it. */
static void stand_before(struct cpu *cpu, const struct block *block, const struct x64_site *site)
{
    const unsigned known = cpu->translated.x87_turns ? X64_X87_LAST | X64_X87_DATA : 0; /* of a loop's last turn */
    const bool has_data = site->x87_data && !(site->x87_of_turn & X64_X87_DATA & ~known);

    x64_flags_in(cpu);
    if (block->stack)
        x64_settle_stack(cpu, &block->stack[site->insn], block->insn);
    if (site->x87_insn && !(site->x87_of_turn & X64_X87_LAST & ~known))
        x64_note_x87(cpu, &block->insn[site->x87_insn - 1], block->offset[site->x87_insn - 1],
                     has_data ? &block->insn[site->x87_data - 1] : NULL, site->x87_moved);
    if (cpu->translator->options.count && !site->is_hoisted)
        cpu->translated.counted--;
}

/* The page walk of an access has set a bit in the very code that made it. */
static const void *go_on_elsewhere(struct translator *t, const struct block *block, unsigned insn)
{
    if (insn && x86_holds_back(&block->insn[insn] - 1)) /* and nothing may come between the two */
        t->cpu->shadow_next |= SHADOW_MOV_SS;
    return go_on(t);
}

static const void *at_insn(const struct translator *t, const struct block *block, unsigned insn)
{
    if (block->stack)
        t->cpu->gpr[ESP] -= (uint32_t)block->stack[insn].plus;
    return code_memory_exec(&t->memory, block->code + block->insn_host[insn]);
}

/* The interpreter executes the instruction. `adapt`: what its accesses turned out to want, or 0. */
static const void *interpret_insn(struct translator *t, struct block *block, const struct x64_site *site,
                                  enum x64_adapt adapt)
{
    struct cpu *cpu = t->cpu;
    const struct insn *in = &block->insn[site->insn];
    const uint64_t flushes = t->count.flushes;
    const lin_addr source = cpu->seg[in->seg].base + cpu->gpr[ESI], target = cpu->seg[ES].base + cpu->gpr[EDI];
    bool goes_on, had_x87 = false;

    if (cpu->translated.x87_loaded)
        x64_settle_x87_pointers(cpu);
    t->count.callouts++;
    if (in->row != ISA_ROW_UD)
        t->callouts_of_row[in->row]++;
    if (cpu->translated.x87_loaded && in->row != ISA_ROW_UD &&
        (isa_table[in->row].checks & (FPU_NM | MMX_NM | WAIT_NM | FPU_MF | SSE_NM))) {
        x64_store_x87(cpu);
        had_x87 = true;
    }
    goes_on = callout_run(cpu, in, eip_of(cpu, block, site->insn));
    if (adapt && block->alive)
        block_adapt(t, block, site->insn, adapt);
    if (in->rep && !t->lockstep) { /* so that next time the host's string instructions find their pages */
        flat_fill(&cpu->mmu, source, 1, false, cpu->view);
        flat_fill(&cpu->mmu, target, 1, true, cpu->view);
        flat_fill(&cpu->mmu, target, 1, false, cpu->view); /* CMPS, SCAS */
    }
    if (block->asked && mode_ask(t, block))
        goes_on = false;
    if (goes_on && !site->crosses && flushes == t->count.flushes && block->alive &&
        goes_on_behind(t, block, in, site->kind, had_x87)) {
        if (had_x87)
            x64_load_x87(cpu);
        x64_flags_out(cpu);
        return at_insn(t, block, site->insn + 1u);
    }
    t->count.callouts_end++;
    return go_on(t);
}

static const void *slow(struct cpu *cpu, const uint8_t *where)
{
    struct translator *t = cpu->translator;
    const struct x64_site site = t->site[number_behind(where)];
    struct block *block = t->block[site.block];
    enum x64_adapt adapt = X64_ADAPT_NOTHING;
    bool again;

    stand_before(cpu, block, &site);
    if (site.kind == X64_SITE_GROUP) {
        t->count.misses++;
        again = fill_group(cpu, &site, eip_of(cpu, block, site.insn));
        if (!block->alive)
            return go_on(t);
        if (again && t->lockstep && site.writes_later)
            lockstep_entered(t, cpu->translated.address);
        if (!block_served(t, block, site.leader, again))
            block_adapt(t, block, site.leader, X64_ADAPT_UNGROUPED);
        return again ? at_insn(t, block, site.insn) : go_on_plain(t);
    }
    if (site.kind == X64_SITE_PLAIN) {
        prepare_fault(cpu, eip_of(cpu, block, site.insn));
        return go_on_plain(t);
    }
    if (site.kind == X64_SITE_MAP) {
        t->count.misses++;
        again = fill_tables(cpu, &site, eip_of(cpu, block, site.insn));
        if (!block->alive)
            return go_on_elsewhere(t, block, site.insn);
        if (again && t->lockstep && site.is_write)
            lockstep_entered(t, site_address(cpu, &site));
        if (again)
            return at_insn(t, block, site.insn);
        if (site.is_write)
            block_check_stores(t, site_address(cpu, &site));
        if (is_unaligned(cpu, &site))
            adapt = X64_ADAPT_UNALIGNED;
    }
    return interpret_insn(t, block, &site, adapt);
}

/* What the windowed accesses of an instruction have in common. */
static struct x64_site window_site(const struct translator *t, const struct block *block, unsigned insn)
{
    for (uint32_t i = 0; i < block->n_sites; i++) {
        const struct x64_site *site = &t->site[block->first_site + i];

        if (site->kind == X64_SITE_WINDOW && site->insn == insn)
            return *site;
    }
    fprintf(stderr, "morph86: translated code touched memory that is not the guest's: a bug; please report it\n");
    abort();
}

/* The host has no page for an access of the guest, or not the right to it. What is not about pages (alignment, the end
 * of the address space) is the interpreter's. */
static const void *fault(struct cpu *cpu, const uint8_t *unused)
{
    struct translator *t = cpu->translator;
    unsigned insn;
    struct block *block = faults_find(t, &insn);
    const struct x64_site site = window_site(t, block, insn);
    enum flat_window_fill filled;
    lin_addr address;
    bool served;

    (void)unused;
    t->count.faults++;
    stand_before(cpu, block, &site);
    if (!t->fault.is_translation || t->fault.address > UINT32_MAX)
        return interpret_insn(t, block, &site, X64_ADAPT_NOTHING);
    address = (lin_addr)t->fault.address;
    prepare_fault(cpu, eip_of(cpu, block, insn));
    check_access(cpu, address, 1, t->fault.is_write);
    filled = flat_fill_window(&cpu->mmu, address, t->fault.is_write, cpu->view);
    if (!block->alive || filled == FLAT_WINDOW_CLOSED)
        return go_on_elsewhere(t, block, insn);
    if (filled == FLAT_WINDOW_FILLED && t->lockstep && t->fault.is_write)
        lockstep_entered(t, address);
    served = block_served(t, block, insn, filled == FLAT_WINDOW_FILLED);
    if (filled == FLAT_WINDOW_FILLED)
        return at_insn(t, block, insn);
    return interpret_insn(t, block, &site, served ? X64_ADAPT_NOTHING : X64_ADAPT_TABLES);
}

static const void *link_jump(struct cpu *cpu, const uint8_t *where)
{
    struct translator *t = cpu->translator;
    const uint32_t number = number_behind(where);
    const struct x64_link *link = &t->link[number];
    const struct block *from = t->block[link->block];
    const uint64_t flushes = t->count.flushes;
    struct block *to;

    t->count.links++;
    cpu->eip = cpu->translated.page_eip + link->target;
    if (from->code16)
        cpu->eip &= 0xffff;
    x64_flags_in(cpu);
    if (t->options.no_chain && !link->plain) /* a plain block goes on with the same instruction */
        return leave(t);
    if (t->lockstep)
        return leave_plain(t);
    t->for_computed_jump = false;
    to = link->plain ? block_at_eip_plain(t) : block_at_eip(t);
    if (!to)
        return link->plain ? leave_plain(t) : leave(t);
    if (flushes == t->count.flushes)
        block_link(t, number, to);
    return code_memory_exec(&t->memory, to->code);
}

static const void *look_up(struct cpu *cpu)
{
    struct translator *t = cpu->translator;
    const void *exec;

    t->count.lookups++;
    x64_flags_in(cpu);
    if (t->lockstep || t->options.no_chain || !atomic_load_explicit(&cpu->translated.run_ok, memory_order_relaxed))
        return leave(t);
    exec = code_at_eip(t, false); /* also puts it in the place of a dead block */
    return exec ? exec : leave(t);
}

/* ---- called by the run loop ---- */

static void settle(struct cpu *cpu)
{
    if (cpu->translated.x87_loaded)
        x64_store_x87(cpu);
    cpu->translated.unit_loaded = 0; /* every exit has stored them */
}

#define DETOUR_BLOCKS 32u

/* The next block of a detour: what a group could not do is interpreted until the way leads to where a translation
 * begins, or will: a detour leaves none behind that begins in the middle of another. NULL: back to translated code.
 * Raises #PF. */
static struct code_block *next_on_detour(struct translator *t, unsigned *left)
{
    struct cpu *cpu = t->cpu;
    struct code_block *block;

    if (!*left || !--*left)
        return NULL;
    prepare_fault(cpu, cpu->eip);
    block = code_find(cpu);
    return block && block_is_inside(t, block->address) ? block : NULL;
}

/* What has no translation: blocks as long as they are cold, else one instruction. */
static void interpret(struct translator *t)
{
    struct cpu *cpu = t->cpu;
    struct code_block *block = t->is_cold || t->interpret_next ? code_find(cpu) : NULL;
    const uintptr_t limit = cpu->chain_stack_limit;
    unsigned detour = t->interpret_next ? DETOUR_BLOCKS : 0;

    t->interpret_next = false;
    if (!block) {
        run_single(cpu);
        return;
    }
    cpu->chain_stack_limit = UINTPTR_MAX; /* block by block: the next may have a translation */
    do {
        block_enter(cpu, block);
        if (run_must_attend(cpu))
            break;
        block = code_find_known(cpu);
        if (!block || !block_is_cold(t, block->address))
            block = next_on_detour(t, &detour);
    } while (block);
    cpu->chain_stack_limit = limit;
}

static void enter_code(struct translator *t, const void *exec)
{
    struct cpu *cpu = t->cpu;
    void (*enter)(struct cpu *, const void *);

    t->count.entries++;
    faults_expect(t);
    x64_flags_out(cpu);
    enter = (void (*)(struct cpu *, const void *))(uintptr_t)code_memory_exec(&t->memory, t->entry.enter);
    enter(cpu, exec);
    settle(cpu);
    /* Left by a poll: the flags are still the host's. Left by C code: they were converted, and are the same. */
    if (cpu->translated.left_by_poll)
        x64_flags_in(cpu);
    cpu->translated.left_by_poll = 0;
}

void engine_enter(struct translator *t, struct block *block)
{
    struct cpu *cpu = t->cpu;
    const uint64_t interpreted = cpu->executed;
    unsigned done;

    if (t->options.accel == ACCEL_JIT) {
        enter_code(t, code_memory_exec(&t->memory, block->code));
        return;
    }
    if (block->asked)
        mode_ask(t, block);
    done = ir_run(cpu, block->op, block->offset, block->insn, cpu->translated.page_eip, block->code16, &block->alive);
    if (done > block->n_insns) /* the jump that closes a block is no instruction */
        done = block->n_insns;
    cpu->translated.counted += done - (cpu->executed - interpreted);
}

static void run_translated(struct cpu *cpu)
{
    struct translator *t = cpu->translator;
    const void *exec;

    end_resume(cpu);
    exec = t->interpret_next ? NULL : code_at_eip(t, true);
    if (exec)
        enter_code(t, exec);
    else
        interpret(t);
}

static void run_ir(struct cpu *cpu)
{
    struct block *block;

    end_resume(cpu);
    block = block_at_eip(cpu->translator);
    if (block)
        engine_enter(cpu->translator, block);
    else
        interpret(cpu->translator);
}

static bool code_was_written(struct cpu *cpu, phys_addr page, unsigned first, unsigned last)
{
    return block_code_written(cpu->translator, page, first, last);
}

static void cold_code_was_written(struct cpu *cpu, phys_addr address)
{
    block_cold_code_written(cpu->translator, address);
}

static bool has_code(struct cpu *cpu, phys_addr page)
{
    return block_page_has_code(cpu->translator, page);
}

static void empty(struct cpu *cpu)
{
    block_flush_all(cpu->translator);
}

static const struct cpu_engine engine_jit = {run_translated,        settle,   code_was_written,
                                             cold_code_was_written, has_code, empty};
static const struct cpu_engine engine_lockstep = {lockstep_run,          settle,   code_was_written,
                                                  cold_code_was_written, has_code, empty};
static const struct cpu_engine engine_ir = {run_ir, settle, code_was_written, cold_code_was_written, has_code, empty};

const char *translator_missing_feature(void)
{
    return x64_missing_feature();
}

bool translator_create(struct cpu *cpu, const struct translator_options *options, const char **error)
{
    struct translator *t = calloc(1, sizeof *t);

    *error = "out of memory";
    if (!t)
        return false;
    t->cpu = cpu;
    t->created = cycle_scale_begin();
    modes_create(t);
    t->options = *options;
    if (options->lockstep) {
        t->options.no_chain = t->options.count = true;
        t->options.threshold = t->options.killed_threshold = 0;
    }
    if (!t->options.cache_bytes)
        t->options.cache_bytes = CACHE_BYTES_DEFAULT;
    if (t->options.cache_bytes < CACHE_BYTES_LEAST)
        t->options.cache_bytes = CACHE_BYTES_LEAST;
    if (!t->options.block_insns || t->options.block_insns > IR_MAX_INSNS)
        t->options.block_insns = IR_MAX_INSNS;
    t->arena = mmap(NULL, ARENA_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (t->arena == MAP_FAILED) {
        free(t);
        return false;
    }
    madvise(t->arena, ARENA_BYTES, MADV_HUGEPAGE);
    if (!code_memory_create(&t->memory, t->options.cache_bytes)) {
        *error = "the host refuses memory that is executable";
        goto fail;
    }
    t->callouts_of_row = calloc(isa_rows, sizeof *t->callouts_of_row);
    if (!t->callouts_of_row || !flat_create(&cpu->mmu))
        goto fail;
    if (options->accel == ACCEL_JIT && options->windows != WINDOW_NEVER && faults_install())
        flat_add_windows(&cpu->mmu, options->windows); /* without them the tables serve */
    if (options->lockstep && !lockstep_create(t)) {
        flat_destroy(&cpu->mmu);
        goto fail;
    }
    x86_lower_init();
    t->code_start = t->code_at = x64_emit_entry(t->memory.write, &t->entry);
    t->code_ready = t->memory.write;
    t->cold_start = t->cold_at = t->cold_ready = t->memory.write + t->memory.size_bytes / 2;
    if (!jumps_create(t)) {
        jumps_destroy(t);
        flat_destroy(&cpu->mmu);
        goto fail;
    }
    cpu->translator = t;
    cpu->engine = options->lockstep ? &engine_lockstep : options->accel == ACCEL_IR ? &engine_ir : &engine_jit;
    cpu->translated.mask2 = 0xfffff001;
    cpu->translated.mask4 = 0xfffff003;
    cpu->translated.mask8 = 0xfffff007;
    cpu->translated.mask16 = 0xfffff00f;
    cpu->translated.mask_group = (uint32_t)-FLAT_GROUP_PART_BYTES;
    cpu->translated.mask_part = PHYS_PAGE_SIZE - FLAT_GROUP_PART_BYTES;
    cpu->translated.mask_offset = 0xfff;
    cpu->translated.mask_x87 = FPU_CW_MASKS;
    cpu->translated.flat_supervisor = flat_base(cpu->mmu.flat, MMU_SUPERVISOR);
    cpu->translated.slow = slow;
    cpu->translated.fault = fault;
    cpu->translated.link = link_jump;
    cpu->translated.lookup = look_up;
    cpu->translated.load_x87 = x64_load_x87;
    cpu->translated.settle_x87 = x64_settle_x87_pointers;
    cpu->translated.tsc = cpu_tsc;
    return true;
fail:
    free(t->callouts_of_row);
    code_memory_destroy(&t->memory);
    munmap(t->arena, ARENA_BYTES);
    free(t);
    return false;
}

void translator_destroy(struct cpu *cpu)
{
    struct translator *t = cpu->translator;

    if (!t)
        return;
    cpu->translator = NULL;
    cpu->engine = NULL;
    faults_forget(t);
    lockstep_destroy(t);
    flat_destroy(&cpu->mmu);
    jumps_destroy(t);
    code_memory_destroy(&t->memory);
    munmap(t->arena, ARENA_BYTES);
    free(t->block);
    free(t->site);
    free(t->link);
    free(t->link_state);
    free(t->callouts_of_row);
    free(t);
}

/* The instructions that leave translated code most often; with options.count all that do. */
static void print_callouts(const struct translator *t, FILE *out)
{
    const unsigned rows = t->options.count ? isa_rows : 12;
    uint64_t below = UINT64_MAX;
    unsigned last = 0;

    for (unsigned i = 0; i < rows; i++) {
        uint64_t most = 0;
        unsigned row = 0;

        for (unsigned r = 0; r < isa_rows; r++)
            if (t->callouts_of_row[r] > most &&
                (t->callouts_of_row[r] < below || (t->callouts_of_row[r] == below && r > last))) {
                most = t->callouts_of_row[r];
                row = r;
            }
        if (!most)
            return;
        fprintf(out, "%12llu  %02x %s\n", (unsigned long long)most, isa_table[row].opcode, isa_table[row].name);
        below = most;
        last = row;
    }
}

static void print_windows(const struct translator *t, FILE *out)
{
    static const char *const name[MMU_VIEWS] = {"supervisor", "user"};

    for (enum mmu_view view = 0; view < MMU_VIEWS; view++) {
        const struct window *w = flat_window(t->cpu->mmu.flat, view);
        const struct window_counters *c = w ? window_counters(w) : NULL;

        if (c)
            fprintf(
                out,
                "window of the %s: %s; opened %llu times, closed for its cost %llu times; %llu pages mapped by %llu "
                "calls, %llu dropped one by one\n",
                name[view], window_is_open(w) ? "open" : "closed", (unsigned long long)c->opened,
                (unsigned long long)c->closed, (unsigned long long)c->pages, (unsigned long long)c->runs,
                (unsigned long long)c->dropped);
    }
}

void translator_print_info(const struct cpu *cpu, FILE *out)
{
    const struct translator *t = cpu->translator;
    const struct translator_counters *c;

    if (!t) {
        fprintf(out, "everything is interpreted (-accel interp)\n");
        return;
    }
    c = &t->count;
    fprintf(out,
            "translated: %llu blocks, %llu instructions, %llu guest bytes, %llu host bytes (%.1f per guest byte)\n",
            (unsigned long long)c->blocks, (unsigned long long)c->insns, (unsigned long long)c->guest_bytes,
            (unsigned long long)c->host_bytes, c->guest_bytes ? (double)c->host_bytes / (double)c->guest_bytes : 0);
    fprintf(out, "translation time: %.1f ms, %.0f cycles of the host's TSC per guest instruction\n",
            (double)cycles_to_ns(&t->created, c->translate_cycles) / 1e6,
            c->insns ? (double)c->translate_cycles / (double)c->insns : 0);
    fprintf(out, "code cache: %zu of %zu KiB used, %llu flushes, %llu blocks killed by stores\n",
            (size_t)(t->code_at - t->memory.write + t->cold_at - t->cold_start) >> 10, t->memory.size_bytes >> 10,
            (unsigned long long)c->flushes, (unsigned long long)c->killed);
    fprintf(out,
            "interpreted because they were cold: %llu blocks\n"
            "exits: %llu memory misses, %llu callouts, %llu of them to another block, %llu links, %llu look-ups, %llu "
            "entries, %llu faults of the host\n",
            (unsigned long long)c->cold, (unsigned long long)c->misses, (unsigned long long)c->callouts,
            (unsigned long long)c->callouts_end, (unsigned long long)c->links, (unsigned long long)c->lookups,
            (unsigned long long)c->entries, (unsigned long long)c->faults);
    print_windows(t, out);
    if (t->options.count) {
        const uint64_t translated = cpu->translated.counted, all = translated + cpu->executed;

        fprintf(out, "executed: %llu guest instructions, %llu of them from the code cache (%.4f %%)\n",
                (unsigned long long)all, (unsigned long long)translated,
                all ? 100.0 * (double)translated / (double)all : 0);
    }
    if (t->lockstep)
        lockstep_print(t, out);
    print_callouts(t, out);
}
