/*
 * Random programs, each engine against the interpreter: registers, x87's pointers among them, flags, memory and what a
 * fault pushed. x87's exceptions are masked most often, so that translated code has its instructions. Segments of
 * every kind, 16-bit and 32-bit code at CPL 0 and 3, in V86 mode and in real mode, pages that are absent, read-only,
 * the supervisor's, or another page under a second address; what the programs consist of is in random_program.h,
 * random_sys.h and random_shapes.h.
 *
 * MORPH86_BLOCK_CASES sets the number of programs for each engine, MORPH86_BLOCK_INSNS the number of guest instructions
 * that are executed instead, MORPH86_SEED the first program's seed; MORPH86_VERBOSE prints every program before it
 * runs. An argument names the engine (a pattern) that is tested alone.
 */
#include <signal.h>
#include <time.h>

#include "tests/unit/translator/random_shapes.h"

#include "frontend/x86/annotate.h"
#include "frontend/x86/fpu.h"

enum { DEFAULT_CASES = 6000, RUNS = 3, PATIENCE_MS = 200, MAX_FAULTS = 40 };

/* ---- comparison ---- */

struct start {
    uint32_t gpr[8], eflags;
    enum { MASKED_X87, UNMASKED_X87, X87_AS_BEFORE } x87; /* its exceptions; masked: registers are empty */
    uint64_t fill;
};

static void choose_start(struct rng *r, const struct scene *s, struct start *start)
{
    for (unsigned i = 0; i < 8; i++)
        switch (below(r, 6)) {
        case 0:
            start->gpr[i] = below(r, 40);
            break;
        case 1:
            start->gpr[i] = rnd(r) << below(r, 32);
            break;
        default:
            start->gpr[i] = choose_offset(r, s);
        }
    /* Some stacks begin near a page that is absent or read-only, or behind one. */
    start->gpr[ESP] = below(r, 3) == 0
                          ? (below(r, 2) ? STACK_ABSENT : STACK_READ_ONLY) + below(r, 2) * 0x1000 + 24 - below(r, 48)
                          : STACK3 - below(r, 64);
    if (is_real_or_v86(s) || (s->cpl && s->stack))
        start->gpr[ESP] = 0x1800 + below(r, 0x1000);
    if (below(r, 6) == 0) /* about the end of a page */
        start->gpr[ESP] = (start->gpr[ESP] & ~0xfffu) + below(r, 40);
    if (is_real_or_v86(s) && below(r, 20) == 0) /* and of the segment */
        start->gpr[ESP] = below(r, 40);
    if (is_real_or_v86(s) || (s->cpl && s->stack == STACK_16))
        start->gpr[ESP] |= rnd(r) << 16; /* SP alone counts */
    start->eflags = rnd(r) & (EFLAGS_OSZAPC | EFLAGS_DF);
    start->x87 = below(r, 8) ? MASKED_X87 : UNMASKED_X87 + below(r, 2);
    start->fill = rnd(r);
}

static void prepare(struct machine *m, const struct scene *s, const struct start *start, const uint8_t *program,
                    unsigned n)
{
    struct cpu *cpu = m->cpu;
    struct rng r = {start->fill};

    set_scene(m, s);
    for (uint32_t at = 0; at < SPACE_BYTES; at += 4)
        if (at < 0x1000 || (at & 0xfff) < 32 || (at & 0xfff) >= 0xfe0)
            put32(m, DATA + at, rnd(&r));
    memset(phys_ram_host(m->phys, STACK0 - 0x100), 0, 0x100);
    put(m, CODE + s->offset, program, n);
    memcpy(cpu->gpr, start->gpr, sizeof start->gpr);
    cpu_set_eflags(cpu, start->eflags, EFLAGS_OSZAPC | EFLAGS_DF);
    if (start->x87 != X87_AS_BEFORE)
        fpu_init(cpu);
    if (start->x87 == UNMASKED_X87)
        fpu_set_control(cpu, FPU_CW_INIT & ~FPU_CW_MASKS);
    cpu->cr2 = 0;
    cpu->eip = CODE + s->offset - cpu->seg[CS].base;
    cpu->halt = CPU_RUNNING;
    m->shutdowns = 0;
}

/* Where a program goes on that has faulted: behind the instruction. */
struct resumption {
    uint32_t linear, esp, eflags;
};

/* What moves the stack: a program that went on behind it would return to anywhere. */
static bool uses_stack(const struct insn *in)
{
    const uint8_t opcode = in->opcode;

    if (in->row == ISA_ROW_UD)
        return false;
    if (isa_table[in->row].map != MAP_1B)
        return pushes_segment(in) || opcode == 0xa1 || opcode == 0xa9;
    return pushes_segment(in) || opcode == 0x07 || opcode == 0x17 || opcode == 0x1f ||
           (opcode >= 0x50 && opcode <= 0x61) || opcode == 0x68 || opcode == 0x6a || opcode == 0x8f || opcode == 0x9a ||
           opcode == 0x9c || opcode == 0x9d || opcode == 0xc2 || opcode == 0xc3 || opcode == 0xc8 || opcode == 0xc9 ||
           opcode == 0xca || opcode == 0xcb || opcode == 0xcf || opcode == 0xe8 || opcode == 0xff;
}

static uint32_t next_linear(const struct cpu *cpu)
{
    return cpu->seg[CS].base + cpu->eip;
}

/* What the fault or trap pushed, `frame` bytes from where the stack segment begins: *out is where it happened. */
static void read_frame(struct machine *m, const struct scene *s, uint32_t vector, uint32_t frame,
                       struct resumption *out)
{
    const uint32_t base = m->cpu->seg[SS].base;
    uint32_t at = base + frame;

    if (s->code == REAL_16) {
        *out = (struct resumption){get16(m, at) + get16(m, at + 2) * 16u, (frame + 6) & 0xffff, get16(m, at + 4)};
        return;
    }
    if (vector == VEC_DF || (vector >= VEC_TS && vector <= VEC_PF) || vector == VEC_AC)
        at += 4;
    *out = (struct resumption){get32(m, at), s->cpl ? get32(m, at + 12) : at + 12 - base, get32(m, at + 8)};
    if (s->code == V86_16)
        out->linear += get16(m, at + 4) * 16u;
    else if (s->code == BASED_32)
        out->linear += 0x1000;
}

/* `m` has halted; where does it go on? False at the end of the program. */
static bool find_resumption(const struct machine *m, const struct scene *s, unsigned n, struct resumption *out)
{
    const struct cpu *cpu = m->cpu;
    const uint32_t vector = (next_linear(cpu) - 1 - HANDLER(0)) / 16, first = CODE + s->offset;
    const uint32_t frame = cpu->gpr[ESP] & (cpu->seg[SS].ar & AR_DB ? 0xffffffffu : 0xffff);
    struct insn in;

    if (cpu->halt != CPU_HALTED || m->shutdowns || vector >= 32 || frame >= RAM_BYTES - 64 ||
        cpu->seg[SS].base >= RAM_BYTES - 64 - frame)
        return false;
    read_frame((struct machine *)(uintptr_t)m, s, vector, frame, out);
    if (out->linear - first >= n)
        return false;
    if (vector == VEC_DB) /* comes behind the instruction */
        return true;
    const uint8_t *bytes = phys_ram_host(m->phys, out->linear);
    if (bytes[0] == 0xf4 || decode_insn(&in, bytes, 15, is_code32(s), m->model.isa_features) != DECODE_OK ||
        uses_stack(&in))
        return false;
    out->linear += in.len;
    return true;
}

static void resume(struct machine *m, const struct scene *s, const struct resumption *to)
{
    uint32_t gpr[8];

    memcpy(gpr, m->cpu->gpr, sizeof gpr);
    set_scene(m, s);
    memcpy(m->cpu->gpr, gpr, sizeof gpr);
    m->cpu->gpr[ESP] = to->esp;
    cpu_set_eflags(m->cpu, to->eflags, EFLAGS_OSZAPC | EFLAGS_DF);
    m->cpu->eip = to->linear - m->cpu->seg[CS].base;
    m->cpu->halt = CPU_RUNNING;
}

/* Has the program, on the interpreter, run bytes that are not its own? A return address may have been overwritten; what
 * it leads to may leave flags undefined. */
static bool goes_astray(struct machine *reference, const struct scene *s, const struct start *start,
                        const uint8_t *program, unsigned n)
{
    const uint32_t first = CODE + s->offset;
    struct resumption to;

    prepare(reference, s, start, program, n);
    for (unsigned faults = 0; faults <= MAX_FAULTS; faults++) {
        for (unsigned step = 0; step < 1000000 && reference->cpu->halt == CPU_RUNNING; step++) {
            const uint32_t at = next_linear(reference->cpu);

            if (at - first >= n && at - HANDLER(0) >= 32 * 16)
                return true;
            cpu_step(reference->cpu);
        }
        if (!find_resumption(reference, s, n, &to))
            break;
        resume(reference, s, &to);
    }
    return false;
}

static void report(const struct scene *s, const struct start *start, const uint8_t *program, unsigned n,
                   const struct difference *d, const struct variant *v, unsigned number)
{
    static const char *const code_name[] = {"flat", "based", "short", "16-bit", "V86", "real"};
    const uint32_t eip = program_eip(s);

    print_message("program %u, %s: %s code, CPL %u, segments %u %u %u %u, stack %u\n", number, v->name,
                  code_name[s->code], s->cpl, s->data[0], s->data[1], s->data[2], s->data[3], s->stack);
    for (unsigned i = 0; i < 8; i++)
        print_message("%08x ", start->gpr[i]);
    print_message("flags %x\n", start->eflags);
    for (unsigned at = 0; at < n;) {
        struct insn in;
        char text[100], hex[50] = "";

        decode_insn(&in, program + at, n - at + 15, is_code32(s), ~0u);
        for (unsigned i = 0; i < in.len; i++)
            sprintf(hex + 3 * i, "%02x ", program[at + i]);
        annotate_disassemble(program + at, in.len, eip + at, is_code32(s), text, sizeof text);
        print_message("%08x  %-36s %s\n", eip + at, hex, text);
        at += in.len;
    }
    if (d)
        print_message("%s: %llx instead of %llx\n", d->what, (unsigned long long)d->ours,
                      (unsigned long long)d->reference);
}

/* ---- tests ---- */

struct pair {
    const struct variant *variant;
    struct machine *m, *reference;
    struct fpu fpu; /* after reset */
    timer_t timer;
    _Atomic bool out_of_patience;
};

/* Programs whose returns go astray may run for ever: after some time both machines are stopped. */
static void stop_both(union sigval value)
{
    struct pair *p = value.sival_ptr;

    p->out_of_patience = true;
    cpu_set_event(p->m->cpu, CPU_EVENT_STOP);
    cpu_set_event(p->reference->cpu, CPU_EVENT_STOP);
}

static void be_patient(struct pair *p, unsigned ms)
{
    const struct itimerspec time = {.it_value = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}};

    assert_int_equal(timer_settime(p->timer, 0, &time, NULL), 0);
}

/* Back to work after a stop. */
static void calm_down(struct pair *p)
{
    be_patient(p, 0);
    p->out_of_patience = false;
    atomic_fetch_and(&p->m->cpu->events, ~(uint32_t)CPU_EVENT_STOP);
    atomic_fetch_and(&p->reference->cpu->events, ~(uint32_t)CPU_EVENT_STOP);
}

/* What programs leave behind is the next one's input: after one that was not compared to its end all is cleared. */
static void clear(struct machine *m, const struct fpu *fpu)
{
    enum { REAL_REACH = 0x14000 }; /* what 16-bit offsets lead to from the segments of real mode */
    static const uint8_t zeros[STACK3 + 0x2000 - CODE];

    phys_write_bytes(m->phys, CODE, zeros, sizeof zeros);
    phys_write_bytes(m->phys, DATA, zeros, REAL_REACH);
    m->cpu->fpu = *fpu;
    m->cpu->fpu.host.control = 0;
}

enum outcome { EQUAL, DIFFERENT, ASTRAY, ENDLESS };

/* Runs the program on both, on behind each of its faults, comparing them there and at the end. */
static enum outcome run_both(struct pair *p, const struct scene *s, const struct start *start, const uint8_t *program,
                             unsigned n, struct difference *d)
{
    struct resumption to;

    prepare(p->reference, s, start, program, n);
    prepare(p->m, s, start, program, n);
    for (unsigned faults = 0; faults <= MAX_FAULTS; faults++) {
        be_patient(p, PATIENCE_MS);
        cpu_run(p->reference->cpu);
        if (p->out_of_patience) {
            calm_down(p);
            return ENDLESS;
        }
        be_patient(p, TEST_SECONDS * 1000);
        run_cpu(p->m);
        be_patient(p, 0);
        if (!compare(p->m, p->reference, d)) {
            calm_down(p);
            return goes_astray(p->reference, s, start, program, n) ? ASTRAY : DIFFERENT;
        }
        if (!find_resumption(p->reference, s, n, &to))
            break;
        resume(p->reference, s, &to);
        resume(p->m, s, &to);
    }
    return EQUAL;
}

static struct machine *create(const struct translator_options *options)
{
    void *state;

    assert_int_equal(machine_create(&state), 0);
    attach(state, options);
    for (unsigned vector = 0; vector < 32; vector++)
        put8(state, HANDLER(vector), 0xf4);
    return state;
}

static int setup(void **state)
{
    struct pair *p = calloc(1, sizeof *p);

    assert_non_null(p);
    p->variant = *state;
    p->m = create(&p->variant->options);
    p->reference = create(&variants[INTERP].options);
    p->fpu = p->reference->cpu->fpu;
    struct sigevent event = {
        .sigev_notify = SIGEV_THREAD, .sigev_value = {.sival_ptr = p}, .sigev_notify_function = stop_both};
    assert_int_equal(timer_create(CLOCK_MONOTONIC, &event, &p->timer), 0);
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct pair *p = *state;
    void *m = p->m, *reference = p->reference;

    timer_delete(p->timer);
    translator_destroy(p->m->cpu);
    machine_destroy(&m);
    machine_destroy(&reference);
    free(p);
    return 0;
}

static unsigned number_from(const char *name, unsigned otherwise)
{
    const char *value = getenv(name);

    return value ? (unsigned)strtoul(value, NULL, 0) : otherwise;
}

static void random_programs_end_as_they_do_interpreted(void **state)
{
    struct pair *p = *state;
    const uint64_t insns = number_from("MORPH86_BLOCK_INSNS", 0), executed = p->reference->cpu->executed;
    const unsigned cases = insns ? UINT32_MAX : number_from("MORPH86_BLOCK_CASES", DEFAULT_CASES);
    const unsigned first = number_from("MORPH86_SEED", 1);
    const bool verbose = getenv("MORPH86_VERBOSE");
    unsigned wrong = 0, halted = 0, astray = 0, endless = 0, done = 0;

    for (; done < cases && wrong < 5 && (!insns || p->reference->cpu->executed - executed < insns); done++) {
        const unsigned number = first + done;
        struct rng r = {number * 0x9e3779b97f4a7c15u};
        struct scene scene;
        uint8_t program[MAX_PROGRAM];
        unsigned n;

        choose_scene(&r, &scene);
        n = choose_program(&r, &scene, program, p->m->model.isa_features);
        for (unsigned run_number = 0; run_number < RUNS; run_number++) {
            struct start start;
            struct difference d;
            enum outcome outcome;

            choose_start(&r, &scene, &start);
            scene.shift = 16 * below(&r, 2);
            if (verbose)
                report(&scene, &start, program, n, NULL, p->variant, number);
            outcome = run_both(p, &scene, &start, program, n, &d);
            switch (outcome) {
            case DIFFERENT:
                report(&scene, &start, program, n, &d, p->variant, number);
                wrong++;
                run_number = RUNS;
                break;
            case ASTRAY:
                astray++;
                break;
            case ENDLESS:
                endless++;
                break;
            case EQUAL:
                break;
            }
            if (outcome != EQUAL) {
                clear(p->m, &p->fpu);
                clear(p->reference, &p->fpu);
            }
            halted += p->m->cpu->eip == HANDLER(VEC_GP) + 1 || p->m->cpu->cpl == scene.cpl;
        }
    }
    print_message("%u programs, %llu guest instructions; not compared: %u that went astray, %u without end\n", done,
                  (unsigned long long)(p->reference->cpu->executed - executed), astray, endless);
    assert_int_equal(wrong, 0);
    assert_true(astray + endless <= done / 1000);
    assert_true(done < 100 || halted > done / 10); /* not all end at a page fault in their first instruction */
}

int main(int argc, char **argv)
{
    static struct CMUnitTest all[VARIANTS];
    const bool has_jit = !translator_missing_feature();
    size_t n = 0;

    for (unsigned v = IR; v < VARIANTS; v++)
        if (variants[v].options.accel != ACCEL_JIT || has_jit)
            all[n++] = (struct CMUnitTest){variants[v].name, random_programs_end_as_they_do_interpreted, setup,
                                           teardown, (void *)(uintptr_t)&variants[v]};
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return _cmocka_run_group_tests("random blocks", all, n, NULL, NULL);
}
