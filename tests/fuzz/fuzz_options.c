/*
 * The command line: options with values that are right, nearly right or not at all. It either fills its structure or
 * leaves with one line. exit() is caught by the linker's --wrap. Steps are command lines.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"
#include "ui/options.h"

#define MAX_ARGS 12
#define ARG_SIZE 400

static jmp_buf left; /* for __wrap_exit, which gets no other argument */
static bool is_parsing;

_Noreturn void __real_exit(int status);
_Noreturn void __wrap_exit(int status);
_Noreturn void __wrap_exit(int status)
{
    if (is_parsing)
        longjmp(left, 1 + (status & 1));
    __real_exit(status);
}

static const char *const words[] = {
    "-M",
    "pc",
    "-machine",
    "-cpu",
    "qemu32,+sse3,-fpu",
    "max",
    "help",
    "pentium3",
    "486,+mmx",
    "-smp",
    "1",
    "2",
    "-m",
    "128",
    "1G",
    "64k",
    "18446744073709551615",
    "-1",
    "0x10",
    "99999999999G",
    "-accel",
    "interp",
    "-bios",
    "-kernel",
    "-initrd",
    "-append",
    "-boot",
    "order=cd,once=d,menu=on,splash-time=5000",
    "c",
    "dcan",
    "strict=on",
    "-no-reboot",
    "-hda",
    "-hdb",
    "-fda",
    "-cdrom",
    "-drive",
    "file=x,if=ide,index=1,media=cdrom,format=raw,readonly=on",
    "if=floppy,unit=1",
    "file=a,,b,index=99999999999",
    "-serial",
    "null",
    "stdio",
    "mon:stdio",
    "unix:/nowhere/x,server=on,wait=off",
    "tcp::1,server",
    "-debugcon",
    "-nographic",
    "-display",
    "sdl,gl=on",
    "curses,charset=CP437",
    "none",
    "-full-screen",
    "-monitor",
    "-name",
    "guest=x,process=y",
    "-vga",
    "std",
    "-nic",
    "user,model=e1000,mac=52:54:00:12:34:56,hostfwd=tcp:127.0.0.1:2222-:22",
    "user,restrict=on,net=10.0.2.0/8",
    "none",
    "-netdev",
    "user,id=n0",
    "-device",
    "e1000,netdev=n0,mac=ff:ff:ff:ff:ff:ff,id=e",
    "isa-debug-exit,iobase=0xf4,iosize=4",
    "isa-debug-exit,iobase=0xffff,iosize=0x4",
    "-nodefaults",
    "-S",
    "-d",
    "int,cpu_reset",
    "-D",
    "/dev/null",
    "--help",
    "-version",
    "--",
    "",
    "-",
    "=",
    ",",
    ",,,,",
    "-rtc",
    "base=utc,clock=vm,driftfix=slew",
    "2024-02-30T25:61:61",
    "-uuid",
    "-k",
    "de",
    "-no-acpi",
    "-s",
    "-gdb",
    "tcp::1234",
    "-snapshot",
    "-L",
    ".",
    "-daemonize",
    "-pidfile",
    "-usb",
    "-soundhw",
};

static void make_argument(struct fuzz *f, char *text)
{
    const char *word = words[fuzz_below(f, sizeof words / sizeof words[0])];
    size_t len = strlen(word);

    memcpy(text, word, len + 1);
    if (fuzz_one_in(f, 8) && len + 1 < ARG_SIZE / 2) { /* two together */
        const char *more = words[fuzz_below(f, sizeof words / sizeof words[0])];

        text[len++] = ',';
        strcpy(text + len, more);
        len += strlen(more);
    }
    if (fuzz_one_in(f, 3))
        len = fuzz_mutate(f, (uint8_t *)text, len, ARG_SIZE - 1);
    text[len] = '\0';
}

int main(int argc, char **argv)
{
    struct fuzz_args args = fuzz_parse_args(argc, argv, (struct fuzz_args){.seed = 1, .count = 10000});
    struct fuzz f = fuzz_start(args.seed);
    FILE *volatile summary;
    uint64_t volatile n_accepted = 0, n_refused = 0, n_helped = 0;

    /* What it has to say goes nowhere; ours goes where its would. */
    summary = fdopen(dup(STDOUT_FILENO), "w");
    if (!summary || !freopen("/dev/null", "w", stderr) || !freopen("/dev/null", "w", stdout))
        return EXIT_FAILURE;
    fuzz_watch(100);
    for (uint64_t volatile i = 0; i < args.count; i++) {
        static char text[MAX_ARGS][ARG_SIZE]; /* static: options keep pointers, and longjmp() must not lose them */
        static char *line[MAX_ARGS + 2];
        static struct options options;
        int n = 1 + (int)fuzz_below(&f, MAX_ARGS);

        fuzz_note("line", i, 0);
        fuzz_step();
        line[0] = argv[0];
        for (int k = 0; k < n; k++) {
            make_argument(&f, text[k]);
            line[1 + k] = text[k];
        }
        line[1 + n] = NULL;
        switch (setjmp(left)) {
        case 0:
            is_parsing = true;
            options_parse(&options, 1 + n, line);
            n_accepted++;
            break;
        case 1:
            n_helped++;
            break;
        default:
            n_refused++;
            break;
        }
        is_parsing = false;
    }
    fprintf(summary,
            "fuzz_options: %" PRIu64 " command lines from seed %" PRIu64 ", %" PRIu64 " accepted, %" PRIu64
            " refused, %" PRIu64 " answered\n",
            args.count, args.seed, n_accepted, n_refused, n_helped);
    fclose(summary);
    return EXIT_SUCCESS;
}
