/*
 * The monitor: command lines that are right, nearly right or noise, and key presses for its line editor, on a board
 * that is there but does not run. Files that commands write land in a folder of their own. Steps are lines.
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/fuzz/board.h"
#include "ui/chardev_internal.h"
#include "ui/monitor.h"

#define LINE_SIZE 600

/* What it says, with as much care as a terminal. */
static size_t swallow(struct host_char *self, const uint8_t *bytes, size_t count)
{
    return count;
}

static const char *const words[] = {
    "help",
    "info",
    "quit",
    "stop",
    "cont",
    "system_reset",
    "system_powerdown",
    "sendkey",
    "ctrl-alt-f1",
    "a-b-c",
    "shift",
    "mouse_move",
    "mouse_button",
    "screendump",
    "f -f png",
    "f",
    "-f",
    "eject",
    "-f floppy0",
    "floppy0",
    "ide1-cd0",
    "change",
    "raw",
    "i",
    "o",
    "i/b",
    "o/w",
    "log",
    "none",
    "int,io",
    "logfile",
    "block",
    "cpus",
    "irq",
    "mem",
    "mice",
    "mtree",
    "mtree -f",
    "name",
    "pci",
    "pic",
    "registers",
    "registers -a",
    "screen",
    "speed",
    "status",
    "tlb",
    "version",
    "x",
    "x/8xb",
    "x/3i",
    "xp/2xg",
    "xp/4c",
    "p",
    "p/d",
    "print",
    "sum",
    "gva2gpa",
    "$eax",
    "$eip+4*2",
    "(1+2)*3",
    "-5",
    "0x1000",
    "0xffffffff",
    "99999999999999999999",
    "1/0",
    "1%0",
    "-9223372036854775808/-1",
    "1<<64",
    "~0",
    "$nothing",
    "((((((((((",
    "\"quoted word\"",
    "\"",
    "\\",
    ";",
    "#",
    "",
    " ",
    "\t",
    "s",
    "c",
    "savevm x",
    "gdbserver",
    "device_add",
};

static bool writes_files(const char *line)
{
    static const char *const commands[] = {"memsave", "pmemsave", "screendump", "change", "logfile", "eject"};

    for (unsigned i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (strstr(line, commands[i]))
            return true;
    return false;
}

static size_t make_line(struct fuzz *f, char *line)
{
    size_t len = 0;
    unsigned n = 1 + (unsigned)fuzz_below(f, 5);

    while (n--) {
        const char *word = words[fuzz_below(f, sizeof words / sizeof words[0])];
        size_t add = strlen(word);

        if (len + add + 1 >= LINE_SIZE / 2)
            break;
        memcpy(line + len, word, add);
        len += add;
        line[len++] = ' ';
    }
    line[len] = '\0';
    if (fuzz_one_in(f, 3) && !writes_files(line))
        len = fuzz_mutate(f, (uint8_t *)line, len, LINE_SIZE - 1);
    line[len] = '\0';
    if (writes_files(line)) /* no path leaves the folder */
        for (size_t i = 0; i < len; i++)
            if (line[i] == '/')
                line[i] = '_';
    return len;
}

static void run_line(struct fuzz *f, struct monitor *monitor)
{
    char line[LINE_SIZE], *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    make_line(f, line);
    if (!out)
        abort();
    monitor_run(monitor, line, out);
    fclose(out);
    free(text);
}

static void type_keys(struct fuzz *f, struct host_char *dev)
{
    static const char *const keys[] = {"\r",     "\n",     "\t",     "\b",      "\x7f",   "\x01",   "\x05",
                                       "\x0b",   "\x0c",   "\x10",   "\x0e",    "\x15",   "\x17",   "\x1b[A",
                                       "\x1b[B", "\x1b[C", "\x1b[D", "\x1b[3~", "\x1b[H", "\x1b[F", "\x1b[99999999999~",
                                       "\x1b",   "\x1b[",  "\x1bOA", "\x04",    "\x03"};
    unsigned n = (unsigned)fuzz_below(f, 40);

    while (n--) {
        char bytes[LINE_SIZE];
        size_t len = 0;

        if (fuzz_one_in(f, 3)) {
            const char *key = keys[fuzz_below(f, sizeof keys / sizeof keys[0])];

            len = strlen(key);
            memcpy(bytes, key, len);
        } else if (fuzz_one_in(f, 2)) {
            len = make_line(f, bytes);
        } else {
            len = fuzz_below(f, 16);
            fuzz_bytes(f, bytes, len);
            for (size_t i = 0; i < len; i++)
                if (bytes[i] == '/')
                    bytes[i] = ' ';
        }
        for (size_t i = 0; i < len; i++)
            if (dev->can_receive(dev->receiver))
                dev->receive(dev->receiver, (const uint8_t *)bytes + i, 1);
    }
}

int main(int argc, char **argv)
{
    struct fuzz_args args = fuzz_parse_args(argc, argv, (struct fuzz_args){.seed = 1, .count = 2000});
    struct fuzz f = fuzz_start(args.seed);
    struct chardev_front front = {.host = {.write = swallow}, .is_open = true};
    const struct rlimit limit = {2 * BOARD_RAM_BYTES, 2 * BOARD_RAM_BYTES}; /* memory is a file too */
    char folder[] = "/tmp/morph86-fuzz-XXXXXX", command[64];
    struct board *board;
    struct machine machine = {.name = "fuzz"};
    struct monitor *monitor;

    if (!mkdtemp(folder) || chdir(folder) < 0)
        return EXIT_FAILURE;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &limit);
    board = board_create(&f);
    machine.pc = board->pc;
    machine.typist = typist_create(board->clock, board->parts.kbc);
    monitor = monitor_create(&machine, &front.host);
    if (!machine.typist || !monitor)
        return EXIT_FAILURE;
    fuzz_watch(20000);
    for (uint64_t i = 0; i < args.count; i++) {
        fuzz_note("line", i, 0);
        fuzz_step();
        if (fuzz_one_in(&f, 4))
            type_keys(&f, &front.host);
        else
            run_line(&f, monitor);
        if (fuzz_one_in(&f, 16))
            clock_advance(board->clock, 100 * NS_PER_MS);
    }
    monitor_destroy(monitor);
    typist_destroy(machine.typist);
    board_destroy(board);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    if (chdir("/") < 0 || system(command) != 0)
        return EXIT_FAILURE;
    printf("fuzz_monitor: %" PRIu64 " lines from seed %" PRIu64 "\n", args.count, args.seed);
    return EXIT_SUCCESS;
}
