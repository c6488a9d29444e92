/*
 * The host CPU as oracle: the command line, the loop over forms and cases, and the report. See oracle.h.
 *
 * Exit status: 0 when nothing differs and, given enough cases, everything that each form must show was seen; 1
 * otherwise; 77 when this host cannot run the test.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/insn/oracle.h"

enum {
    CASES_PER_INSN = 8,   /* cases that share their bytes, so that the host's code page is seldom written */
    PRISTINE_EVERY = 512, /* cases between two looks at all of memory */
    ENOUGH_CASES = 5000,  /* to insist on coverage */
    PRIVILEGED_SHARE = 8, /* instructions that only fault get a fraction of the cases */
    RETRIES = 2,
    SKIPPED = 77,
};

struct options {
    uint64_t cases, seed, only_case;
    bool has_only_case, is_verbose, lists;
    unsigned sizes;       /* bit 0: 16-bit code, bit 1: 32-bit code */
    unsigned sets;        /* bit n: enum oracle_set */
    unsigned part, parts; /* of the forms: every parts-th, from `part` */
    const char *form, *report;
    enum accel accel;
    enum window_policy windows;
    unsigned max_reports;
};

struct run {
    struct oracle_machine machine;
    struct options options;
    struct oracle_form *forms;
    unsigned n_forms;
    FILE *report;
    uint64_t cases, mismatches, retried;
    unsigned failed_forms, incomplete_forms;
};

static uint64_t seed_of(const struct run *run, const struct oracle_form *f, bool code32, uint64_t number)
{
    struct rng r = {run->options.seed * 0x100000001b3u ^ (uint64_t)(f - run->forms) << 33 ^ (uint64_t)code32 << 32};

    r.state = rng64(&r) + number;
    return rng64(&r);
}

static uint32_t features_of(const struct run *run)
{
    return run->machine.model.isa_features;
}

struct one { /* a form in one code size */
    const struct oracle_form *form;
    bool code32;
    struct oracle_insn insn;
    struct oracle_tally tally;
    unsigned reports;
};

static void report_mismatch(struct run *run, struct one *o, const struct oracle_case *c, uint64_t number,
                            const struct oracle_result *host, const struct oracle_result *guest, const char *text)
{
    if (o->reports++ >= run->options.max_reports)
        return;
    printf("%s, %u-bit code, --seed %llu --case %llu\n%s", o->form->name, o->code32 ? 32 : 16,
           (unsigned long long)run->options.seed, (unsigned long long)number, text);
    oracle_print_case(&run->machine, c, host, guest);
    fflush(stdout);
}

/* Once through. */
static bool case_agrees(struct run *run, const struct one *o, uint64_t number, struct oracle_case *c,
                        struct oracle_result *host, struct oracle_result *guest, struct oracle_tally *tally, char *text,
                        size_t size)
{
    struct oracle_machine *m = &run->machine;
    struct rng r = {seed_of(run, o->form, o->code32, number)};

    if (!oracle_make_state(m, &r, o->form, &o->insn, c))
        return true; /* such an instruction jumps into itself in every state: another experiment */
    oracle_run_host(m, c, host);
    oracle_run_guest(m, c, guest);
    return oracle_compare(m, c, host, guest, tally, text, size);
}

/* False: the generator has no bytes for this form. */
static bool run_case(struct run *run, struct one *o, uint64_t number, bool looks_at_all)
{
    struct oracle_machine *m = &run->machine;
    struct rng r;
    struct oracle_case c;
    struct oracle_result host = {0}, guest = {0};
    char text[4096];
    uint32_t linear = 0;
    bool agrees;

    if (number % CASES_PER_INSN == 0 || run->options.has_only_case) {
        r.state = seed_of(run, o->form, o->code32, number / CASES_PER_INSN * CASES_PER_INSN) ^ 1;
        if (!oracle_make_insn(&r, o->form, o->code32, features_of(run), &o->insn))
            return false;
    }
    agrees = case_agrees(run, o, number, &c, &host, &guest, &o->tally, text, sizeof text);
    /* An interrupt of the host's while the case runs shows: IRET clears the RPL of null selectors, a task switch
     * forgets FDP. It does not strike the same case three times. */
    for (unsigned i = 0; i < RETRIES && !agrees; i++) {
        struct oracle_tally again = {0};

        oracle_restore(m, &c);
        agrees = case_agrees(run, o, number, &c, &host, &guest, &again, text, sizeof text);
        run->retried++;
    }
    if (!agrees) {
        o->tally.mismatches++;
        report_mismatch(run, o, &c, number, &host, &guest, text);
    } else if (run->options.has_only_case) {
        oracle_print_case(m, &c, &host, &guest);
    }
    oracle_restore(m, &c);
    if (looks_at_all && !oracle_memory_is_pristine(m, &linear)) {
        o->tally.mismatches++;
        if (o->reports++ < run->options.max_reports) {
            printf("%s, %u-bit code, --seed %llu, case %llu or up to %u before it: a stray store to %08x\n",
                   o->form->name, o->code32 ? 32 : 16, (unsigned long long)run->options.seed,
                   (unsigned long long)number, PRISTINE_EVERY, linear);
            oracle_print_case(m, &c, &host, &guest);
        }
    }
    return true;
}

/* ---- the report ---- */

static void print_flags(FILE *out, uint32_t flags)
{
    static const struct {
        uint32_t bit;
        char name[4];
    } names[] = {{EFLAGS_OF, "OF"}, {EFLAGS_SF, "SF"}, {EFLAGS_ZF, "ZF"}, {EFLAGS_AF, "AF"}, {EFLAGS_PF, "PF"},
                 {EFLAGS_CF, "CF"}, {EFLAGS_DF, "DF"}, {EFLAGS_NT, "NT"}, {EFLAGS_AC, "AC"}, {EFLAGS_ID, "ID"}};

    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        if (flags & names[i].bit)
            fprintf(out, " %s", names[i].name);
}

static void print_faults(FILE *out, uint32_t faults)
{
    static const char *const names[20] = {"DE", "DB", "NMI", "BP", "OF", "BR", "UD", "NM", "DF", "9",
                                          "TS", "NP", "SS",  "GP", "PF", "15", "MF", "AC", "MC", "XM"};

    for (unsigned i = 0; i < 20; i++)
        if (faults >> i & 1)
            fprintf(out, " #%s", names[i]);
}

static void print_exceptions(FILE *out, uint32_t flags) /* of the x87 status word, of MXCSR */
{
    static const char *const names[7] = {"IE", "DE", "ZE", "OE", "UE", "PE", "SF"};

    for (unsigned i = 0; i < 7; i++)
        if (flags >> i & 1)
            fprintf(out, " %s", names[i]);
}

static bool is_complete(const struct one *o)
{
    return !(o->form->faults & ~o->tally.faults) && !(o->form->flags_0 & ~o->tally.flags_0) &&
           !(o->form->flags_1 & ~o->tally.flags_1);
}

static void print_form(FILE *out, const struct one *o)
{
    uint32_t both = o->tally.flags_0 & o->tally.flags_1;

    fprintf(out, "%-44s code%u  %8llu cases  %3llu %% completed  %llu mismatches", o->form->name, o->code32 ? 32 : 16,
            (unsigned long long)o->tally.cases, (unsigned long long)(o->tally.completed * 100 / o->tally.cases),
            (unsigned long long)o->tally.mismatches);
    if (o->tally.flags_0 | o->tally.flags_1) {
        fprintf(out, "  flags 0 and 1:");
        print_flags(out, both);
        if (o->tally.flags_0 & ~both) {
            fprintf(out, ", always 0:");
            print_flags(out, o->tally.flags_0 & ~both);
        }
        if (o->tally.flags_1 & ~both) {
            fprintf(out, ", always 1:");
            print_flags(out, o->tally.flags_1 & ~both);
        }
    }
    if (o->tally.faults) {
        fprintf(out, "  faults:");
        print_faults(out, o->tally.faults);
    }
    if (o->tally.x87_raised && o->form->set == SET_X87) {
        fprintf(out, "  x87:");
        print_exceptions(out, o->tally.x87_raised);
    }
    if (o->tally.sse_raised && o->form->set == SET_SIMD) {
        fprintf(out, "  SIMD:");
        print_exceptions(out, o->tally.sse_raised);
    }
    if (!is_complete(o)) {
        fprintf(out, "  NOT SEEN:");
        print_faults(out, o->form->faults & ~o->tally.faults);
        if (o->form->flags_0 & ~o->tally.flags_0) {
            fprintf(out, " 0 of");
            print_flags(out, o->form->flags_0 & ~o->tally.flags_0);
        }
        if (o->form->flags_1 & ~o->tally.flags_1) {
            fprintf(out, " 1 of");
            print_flags(out, o->form->flags_1 & ~o->tally.flags_1);
        }
    }
    fprintf(out, "\n");
}

static void print_host(FILE *out)
{
    uint32_t brand[12];

    for (uint32_t i = 0; i < 3; i++) {
        uint32_t eax = 0x80000002u + i, ecx = 0;

        __asm__("cpuid" : "+a"(eax), "=b"(brand[4 * i + 1]), "+c"(ecx), "=d"(brand[4 * i + 3]));
        brand[4 * i] = eax;
        brand[4 * i + 2] = ecx;
    }
    fprintf(out, "Host: %.48s\n", (const char *)brand);
}

static void print_tables(struct run *run)
{
    fprintf(run->report, "\nNot run:\n");
    for (unsigned i = 0; i < oracle_n_exclusions; i++)
        fprintf(run->report, "  %-10s %s\n", oracle_exclusions[i].name, oracle_exclusions[i].why);
    fprintf(run->report, "\nWhere this host differs from the SDM, which the interpreter follows:\n");
    for (unsigned i = 0; i < oracle_n_differences; i++)
        if (oracle_differences[i].vendor & run->machine.vendor)
            fprintf(run->report, "  %-10s %s\n", oracle_differences[i].name ? oracle_differences[i].name : "all",
                    oracle_differences[i].why);
}

/* ---- the loop ---- */

static void run_form(struct run *run, const struct oracle_form *f, bool code32)
{
    struct one o = {.form = f, .code32 = code32};
    uint64_t cases = run->options.cases, first = 0;

    if (f->kind == KIND_PRIVILEGED)
        cases = cases / PRIVILEGED_SHARE + 1;
    if (run->options.has_only_case) {
        first = run->options.only_case;
        cases = first + 1;
    }
    for (uint64_t i = first; i < cases; i++)
        if (!run_case(run, &o, i, (i + 1) % PRISTINE_EVERY == 0 || i + 1 == cases)) {
            printf("%s, %u-bit code: no bytes found\n", f->name, code32 ? 32 : 16);
            run->incomplete_forms++;
            break;
        }
    run->cases += o.tally.cases;
    run->mismatches += o.tally.mismatches;
    run->failed_forms += o.tally.mismatches != 0;
    if (run->report)
        print_form(run->report, &o);
    if (!is_complete(&o) && run->options.cases >= ENOUGH_CASES && !run->options.has_only_case) {
        run->incomplete_forms++;
        print_form(stdout, &o);
    } else if (o.tally.mismatches || run->options.is_verbose) {
        print_form(stdout, &o);
    }
}

static bool contains(const char *text, const char *part)
{
    return strcasestr(text, part);
}

static bool is_selected(const struct run *run, unsigned index)
{
    const struct oracle_form *f = &run->forms[index];

    return run->options.sets >> f->set & 1 && (!run->options.form || contains(f->name, run->options.form)) &&
           index % run->options.parts == run->options.part && isa_feature_has(features_of(run), f->row->feature);
}

static double now_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int run_all(struct run *run)
{
    double start = now_seconds(), seconds;
    unsigned selected = 0;

    if (run->report) {
        print_host(run->report);
        fprintf(run->report, "Seed %llu\n\n", (unsigned long long)run->options.seed);
    }

    for (unsigned i = 0; i < run->n_forms; i++) {
        if (!is_selected(run, i))
            continue;
        selected++;
        if (run->options.lists) {
            printf("%s\n", run->forms[i].name);
            continue;
        }
        for (unsigned code32 = 2; code32-- > 0;)
            if (run->options.sizes >> code32 & 1)
                run_form(run, &run->forms[i], code32);
    }
    if (run->report)
        print_tables(run);
    seconds = now_seconds() - start;
    printf("%u forms, %llu cases in %.1f s (%.2f us each): %llu mismatches in %u forms, %u not all seen\n", selected,
           (unsigned long long)run->cases, seconds, run->cases ? seconds * 1e6 / (double)run->cases : 0.0,
           (unsigned long long)run->mismatches, run->failed_forms, run->incomplete_forms);
    return run->mismatches || run->incomplete_forms || !selected;
}

/* ---- the command line ---- */

static const char usage[] = "oracle: runs generated instructions on the host CPU and on the interpreter and compares\n"
                            "  --cases N       per form and code size (5000)\n"
                            "  --seed N        another series (1)\n"
                            "  --accel NAME    interp, ir or jit: what is compared with the host (interp)\n"
                            "  --windows       accesses of jit go through the host's MMU where they may\n"
                            "  --set LIST      of integer,x87,simd (all)\n"
                            "  --code 16|32    one code size only\n"
                            "  --part I/N      every N-th form, from I on (0/1)\n"
                            "  --form TEXT     forms whose name contains TEXT\n"
                            "  --case N        this case only, printed\n"
                            "  --max N         mismatches printed per form (2)\n"
                            "  --report FILE   one line per form\n"
                            "  --list          the names of the forms\n"
                            "  --verbose       one line per form here\n";

static bool parse_set(const char *text, unsigned *sets)
{
    *sets = 0;
    if (contains(text, "integer"))
        *sets |= 1u << SET_INTEGER;
    if (contains(text, "x87"))
        *sets |= 1u << SET_X87;
    if (contains(text, "simd"))
        *sets |= 1u << SET_SIMD;
    return *sets;
}

static bool parse(int argc, char **argv, struct options *o)
{
    *o = (struct options){.cases = 5000, .seed = 1, .sizes = 3, .sets = 7, .parts = 1, .max_reports = 2};
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i], *value = i + 1 < argc ? argv[i + 1] : "";

        if (!strcmp(name, "--list")) {
            o->lists = true;
            continue;
        }
        if (!strcmp(name, "--verbose")) {
            o->is_verbose = true;
            continue;
        }
        if (!strcmp(name, "--windows")) {
            o->windows = WINDOW_ALWAYS;
            continue;
        }
        i++;
        if (!*value)
            return false;
        if (!strcmp(name, "--cases"))
            o->cases = strtoull(value, NULL, 0);
        else if (!strcmp(name, "--seed"))
            o->seed = strtoull(value, NULL, 0);
        else if (!strcmp(name, "--case"))
            o->has_only_case = true, o->only_case = strtoull(value, NULL, 0);
        else if (!strcmp(name, "--accel")) {
            o->accel = !strcmp(value, "jit") ? ACCEL_JIT : !strcmp(value, "ir") ? ACCEL_IR : ACCEL_INTERP;
            if (o->accel == ACCEL_INTERP && strcmp(value, "interp"))
                return false;
        } else if (!strcmp(name, "--max"))
            o->max_reports = (unsigned)strtoul(value, NULL, 0);
        else if (!strcmp(name, "--form"))
            o->form = value;
        else if (!strcmp(name, "--report"))
            o->report = value;
        else if (!strcmp(name, "--code"))
            o->sizes = !strcmp(value, "16") ? 1 : !strcmp(value, "32") ? 2 : 0;
        else if (!strcmp(name, "--set")) {
            if (!parse_set(value, &o->sets))
                return false;
        } else if (!strcmp(name, "--part")) {
            if (sscanf(value, "%u/%u", &o->part, &o->parts) != 2 || o->part >= o->parts)
                return false;
        } else {
            return false;
        }
    }
    return o->sizes && o->cases;
}

int main(int argc, char **argv)
{
    static struct run run;
    const char *why;
    int status;

    if (!parse(argc, argv, &run.options)) {
        fputs(usage, stderr);
        return 2;
    }
    if (!oracle_machine_create(&run.machine, run.options.accel, run.options.windows, &why)) {
        printf("skipped: %s\n", why);
        return SKIPPED;
    }
    run.forms = oracle_forms(&run.n_forms);
    if (run.options.report && !(run.report = fopen(run.options.report, "w")))
        perror(run.options.report);
    status = run.forms && (run.report || !run.options.report) ? run_all(&run) : 2;
    if (run.report)
        fclose(run.report);
    free(run.forms);
    oracle_machine_destroy(&run.machine);
    return status;
}
