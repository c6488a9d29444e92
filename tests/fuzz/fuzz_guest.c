/*
 * Runs the hostile guest (guest/fuzz_guest.c) in morph86: with disks, lines and a card, from many seeds. A life that
 * ends (power-off, debug exit) or stands still (sleep, shutdown, a processor that runs through garbage) is followed by
 * the next; whenever the guest stands still the monitor must answer.
 *
 *   fuzz_guest MORPH86 ROM [--seed N] [--count N] [--min N] [--verbose]
 *
 * --count is in accesses that the guest has reported; --min is how many every target must have had.
 */
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/machine.h"

#define MAX_TARGETS 96
#define ROM_BYTES   65536
#define SEED_AT     8
#define QUIET_MS    500   /* without a word: the guest stands still */
#define ANSWER_MS   5000  /* what a loaded host under sanitizers is given; tests of latency are in test_hostile.c */
#define LIFE_MS     30000 /* then another seed */
#define MAX_SHORT   8     /* starts in a row that fail */
#define LINE_BYTES  256

struct target {
    char name[24];
    uint64_t n;
};

struct driver {
    const char *morph86;
    uint8_t rom[ROM_BYTES];
    struct target target[MAX_TARGETS];
    unsigned n_targets, n_short;
    uint64_t total, n_words, n_machines, n_still;
    bool is_verbose;
    char line[LINE_BYTES];
    unsigned line_len;
};

/* "@@NAME COUNT SUM": see say() in guest/fuzz_guest.c. Everything else is random bytes. */
static void take_line(struct driver *d)
{
    const char *line = d->line + 2;
    unsigned len = d->line_len, sum = 0, i = 0;
    char name[24], *end;
    uint64_t n;

    if (len < 8 || memcmp(d->line, "@@", 2) != 0)
        return;
    len -= 2;
    for (unsigned k = 0; k < len - 3; k++)
        sum += (uint8_t)line[k];
    if (line[len - 3] != ' ' || line[len - 2] != (char)('A' + sum % 16) || line[len - 1] != (char)('A' + sum / 16 % 16))
        return;
    while (i < sizeof name - 1 && line[i] != ' ')
        i++;
    memcpy(name, line, i);
    name[i] = '\0';
    n = strtoull(line + i, &end, 10);
    if (end != line + len - 3 || n > UINT32_MAX)
        return;
    if (strcmp(name, "life") == 0) {
        d->n_words++;
        return;
    }
    for (i = 0; i < d->n_targets && strcmp(d->target[i].name, name) != 0; i++)
        continue;
    if (i == MAX_TARGETS)
        return;
    if (i == d->n_targets)
        strcpy(d->target[d->n_targets++].name, name);
    d->target[i].n += n;
    d->total += n;
}

/* Reads what the guest has to say; true if there was anything. */
static bool listen_to(struct driver *d, struct machine_process *m, int timeout_ms)
{
    struct pollfd p = {.fd = m->debug_fd, .events = POLLIN};
    uint64_t before = d->n_words;
    char bytes[4096];
    ssize_t n;

    if (poll(&p, 1, timeout_ms) <= 0)
        return false;
    while ((n = read(m->debug_fd, bytes, sizeof bytes)) > 0)
        for (ssize_t i = 0; i < n; i++) {
            if (bytes[i] == '\n') {
                d->line[d->line_len] = '\0';
                take_line(d);
                d->line_len = 0;
            } else if (d->line_len < LINE_BYTES - 1) {
                d->line[d->line_len++] = bytes[i];
            }
        }
    if (n == 0)
        usleep(10000); /* the end of the file: it is ending */
    return d->n_words != before;
}

static _Noreturn void give_up(struct machine_process *m, uint64_t seed, const char *why)
{
    fprintf(stderr, "fuzz_guest: seed %" PRIu64 ": %s\n", seed, why);
    if (m->is_over)
        fprintf(stderr, "fuzz_guest: wait status %x\n", (unsigned)m->status);
    machine_end(m, true);
    exit(EXIT_FAILURE);
}

static bool write_rom(struct driver *d, struct machine_process *m, uint64_t seed)
{
    const char *path = machine_file(m, "rom", ROM_BYTES);
    FILE *file = fopen(path, "r+b");
    bool is_written;

    memcpy(d->rom + SEED_AT, &seed, sizeof seed);
    is_written = file && fwrite(d->rom, ROM_BYTES, 1, file) == 1;
    if (file)
        fclose(file);
    return is_written;
}

static void run_machine(struct driver *d, uint64_t seed, uint64_t count)
{
    struct machine_process m;
    char answer[4096];
    int64_t start, last;

    if (!machine_prepare(&m) || !write_rom(d, &m, seed * 0x9e3779b97f4a7c15 + 1))
        exit(EXIT_FAILURE);
    {
        const char *const args[] = {"-m",        "16",
                                    "-bios",     machine_file(&m, "rom", ROM_BYTES),
                                    "-hda",      machine_file(&m, "hda", 4 << 20),
                                    "-hdb",      machine_file(&m, "hdb", 1 << 20),
                                    "-cdrom",    machine_file(&m, "cdrom", 2 << 20),
                                    "-fda",      machine_file(&m, "fda", 1474560),
                                    "-serial",   "null",
                                    "-serial",   "null",
                                    "-debugcon", "stdio",
                                    "-display",  "none",
                                    "-nic",      "user,restrict=on",
                                    "-device",   "isa-debug-exit,iobase=0x604,iosize=0x4",
                                    "-device",   "pci-testdev",
                                    NULL};

        if (!machine_start(&m, d->morph86, args, true)) { /* or the guest has already ended it */
            if (machine_signal(&m, 0, ANSWER_MS) < 0 || !WIFEXITED(m.status) || ++d->n_short == MAX_SHORT)
                give_up(&m, seed, "it does not start");
            machine_end(&m, false);
            return;
        }
    }
    d->n_short = 0;
    d->n_machines++;
    start = last = machine_now_ms();
    while (d->total < count && machine_now_ms() - start < LIFE_MS) {
        if (listen_to(d, &m, 100))
            last = machine_now_ms();
        if (machine_poll_end(&m)) {
            if (!WIFEXITED(m.status))
                give_up(&m, seed, "it died");
            break;
        }
        if (machine_now_ms() - last < QUIET_MS)
            continue;
        d->n_still++;
        if (d->is_verbose && machine_ask(&m, "info registers", answer, sizeof answer, ANSWER_MS) >= 0)
            printf("seed %" PRIu64 " stands still: %.400s\n", seed, answer);
        if (machine_ask(&m, "info status", answer, sizeof answer, ANSWER_MS) < 0 && !machine_poll_end(&m))
            give_up(&m, seed, "the guest stands still and the monitor does not answer");
        if (machine_ask(&m, "system_reset", answer, sizeof answer, ANSWER_MS) < 0 && !machine_poll_end(&m))
            give_up(&m, seed, "it does not take a reset");
        last = machine_now_ms();
        if (d->n_still % 4 == 0)
            break; /* as likely as not the counters are lost too */
    }
    if (!machine_poll_end(&m) && machine_signal(&m, SIGTERM, ANSWER_MS) < 0)
        give_up(&m, seed, "SIGTERM does not end it");
    if (WIFSIGNALED(m.status))
        give_up(&m, seed, "it died at the end");
    machine_end(&m, false);
}

int main(int argc, char **argv)
{
    struct fuzz_args args;
    struct driver *d = calloc(1, sizeof *d);
    FILE *rom;
    unsigned n_short = 0;

    if (argc < 3 || !d) {
        fprintf(stderr, "usage: fuzz_guest MORPH86 ROM [--seed N] [--count N] [--min N] [--verbose]\n");
        return EXIT_FAILURE;
    }
    args = fuzz_parse_args(argc - 2, argv + 2, (struct fuzz_args){.seed = 1, .count = 1000000});
    d->morph86 = argv[1];
    d->is_verbose = args.is_verbose;
    if (!(rom = fopen(argv[2], "rb")) || fread(d->rom, ROM_BYTES, 1, rom) != 1 || memcmp(d->rom, "FUZZSEED", 8) != 0) {
        fprintf(stderr, "fuzz_guest: '%s' is not the hostile guest\n", argv[2]);
        return EXIT_FAILURE;
    }
    fclose(rom);
    signal(SIGPIPE, SIG_IGN);
    for (uint64_t seed = args.seed; d->total < args.count; seed++)
        run_machine(d, seed, args.count);
    for (unsigned i = 0; i < d->n_targets; i++) {
        n_short += d->target[i].n < args.min;
        if (args.is_verbose || d->target[i].n < args.min)
            printf("%-18s %12" PRIu64 " accesses\n", d->target[i].name, d->target[i].n);
    }
    printf("fuzz_guest: %" PRIu64 " accesses to %u targets by %" PRIu64 " machines from seed %" PRIu64
           ", which stood still %" PRIu64 " times\n",
           d->total, d->n_targets, d->n_machines, args.seed, d->n_still);
    free(d);
    return n_short ? EXIT_FAILURE : EXIT_SUCCESS;
}
