/*
 * Guests that try to hang the machine (guest/hostile.c): while each of them runs, `info status` is answered within 100
 * ms and SIGTERM ends the process, cleanly, within 100 ms; ten times as long under sanitizers. The best of a few tries
 * counts: this host has other work.
 *
 *   test_hostile MORPH86 ROM [NAME]...
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/machine.h"

#define ROM_BYTES  65536
#define SEED_AT    8
#define LIMIT_MS   100
#define TRIES      5
#define WARM_UP_US 100000 /* the guest is in the middle of it */

static const char *const names[] = {/* as in guest/hostile.c */
                                    "cli_hlt",
                                    "jump_to_itself",
                                    "hlt_with_pit_at_full_rate",
                                    "sleep_for_ever",
                                    "triple_fault",
                                    "keyboard_reset",
                                    "chipset_reset",
                                    "pit_at_full_rate",
                                    "interrupt_storm",
                                    "apic_timer_storm",
                                    "interprocessor_storm",
                                    "smi_storm",
                                    "fault_storm",
                                    "single_step_storm",
                                    "page_tables_in_frame_buffer",
                                    "page_tables_in_aperture",
                                    "page_tables_in_registers",
                                    "code_in_vga_memory",
                                    "code_nowhere",
                                    "repeat_store_everywhere",
                                    "repeat_move_in_the_frame_buffer",
                                    "repeat_move_in_the_aperture",
                                    "repeat_input",
                                    "repeat_scan",
                                    "self_modifying_code",
                                    "remap_storm",
                                    "a20_storm",
                                    "flush_storm",
                                    "dispi_storm",
                                    "transmit_storm",
                                    "disk_dma_storm",
                                    "firmware_dma_storm",
                                    "serial_storm",
                                    "debug_port_storm",
                                    "speaker_storm"};
#define N_CASES (sizeof names / sizeof names[0])

static bool write_rom(const char *path, uint8_t *rom, uint32_t number)
{
    FILE *file = fopen(path, "r+b");
    bool is_written;

    memcpy(rom + SEED_AT, &number, sizeof number);
    is_written = file && fwrite(rom, ROM_BYTES, 1, file) == 1;
    if (file)
        fclose(file);
    return is_written;
}

static bool start(struct machine_process *m, const char *morph86, uint8_t *rom, uint32_t number, bool with_monitor)
{
    const char *path;

    if (!machine_prepare(m) || !write_rom(path = machine_file(m, "rom", ROM_BYTES), rom, number))
        return false;
    {
        const char *const args[] = {"-m",       "16",   "-bios",     path,   "-hda", machine_file(m, "hda", 4 << 20),
                                    "-serial",  "null", "-debugcon", "null", "-nic", "user,restrict=on",
                                    "-display", "none", NULL};

        if (!machine_start(m, morph86, args, with_monitor))
            return false;
    }
    usleep(WARM_UP_US);
    return !machine_poll_end(m);
}

/* The shortest of a few answers, or -1. */
static int64_t ask(struct machine_process *m, int64_t limit)
{
    int64_t best = -1;
    char answer[1024];

    for (unsigned i = 0; i < TRIES && (best < 0 || best > limit / 4); i++) {
        int64_t ms = machine_ask(m, "info status", answer, sizeof answer, (int)(limit * 20));

        if (ms < 0 || !strstr(answer, "VM status: "))
            return -1;
        if (best < 0 || ms < best)
            best = ms;
    }
    return best;
}

static bool test(const char *morph86, uint8_t *rom, uint32_t number)
{
    int64_t limit = (int64_t)LIMIT_MS * fuzz_slowdown(), answer_ms = -1, end_ms = -1;
    struct machine_process m;
    bool is_good = start(&m, morph86, rom, number, true);

    if (is_good)
        answer_ms = ask(&m, limit);
    is_good = is_good && answer_ms >= 0 && answer_ms <= limit && !machine_poll_end(&m);
    machine_end(&m, !is_good);
    for (unsigned i = 0; i < TRIES && is_good && (end_ms < 0 || end_ms > limit); i++) {
        is_good = start(&m, morph86, rom, number, false);
        end_ms = is_good ? machine_signal(&m, SIGTERM, (int)limit * 20) : -1;
        is_good = is_good && end_ms >= 0 && WIFEXITED(m.status);
        machine_end(&m, !is_good);
    }
    is_good = is_good && end_ms <= limit;
    printf("%s %s: answer in %lld ms, end in %lld ms\n", is_good ? "ok" : "FAILED", names[number], (long long)answer_ms,
           (long long)end_ms);
    fflush(stdout);
    return is_good;
}

static bool is_chosen(uint32_t number, int argc, char **argv)
{
    for (int i = 3; i < argc; i++)
        if (strcmp(argv[i], names[number]) == 0)
            return true;
    return argc == 3;
}

int main(int argc, char **argv)
{
    static uint8_t rom[ROM_BYTES];
    unsigned n_failed = 0;
    FILE *file;

    if (argc < 3 || !(file = fopen(argv[2], "rb")) || fread(rom, ROM_BYTES, 1, file) != 1) {
        fprintf(stderr, "usage: test_hostile MORPH86 ROM [NAME]...\n");
        return EXIT_FAILURE;
    }
    fclose(file);
    signal(SIGPIPE, SIG_IGN);
    for (uint32_t i = 0; i < N_CASES; i++)
        if (is_chosen(i, argc, argv))
            n_failed += !test(argv[1], rom, i);
    printf("test_hostile: %u of %zu failed\n", n_failed, N_CASES);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
