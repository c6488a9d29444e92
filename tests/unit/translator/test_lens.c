/* The log of a translation: -d in_asm, op, op_opt, out_asm. */
#include "tests/unit/frontend/sys_fixture.h"

#include <stdio.h>
#include <unistd.h>

#include "hw/core/log.h"
#include "translator/translator.h"

struct desk {
    struct machine *m;
    char path[32], text[20000];
    int fd;
};

static void stop_at_halt(void *opaque)
{
    cpu_set_event(((struct machine *)opaque)->cpu, CPU_EVENT_STOP);
}

static int setup(void **state)
{
    struct desk *d = calloc(1, sizeof *d);
    void *m;

    assert_non_null(d);
    assert_int_equal(machine_create(&m), 0);
    d->m = m;
    d->m->board.idle = stop_at_halt;
    strcpy(d->path, "/tmp/morph86-lens-XXXXXX");
    d->fd = mkstemp(d->path);
    assert_true(d->fd >= 0 && log_open(d->path));
    *state = d;
    return 0;
}

static int teardown(void **state)
{
    struct desk *d = *state;
    void *m = d->m;

    log_mask = 0;
    translator_destroy(d->m->cpu);
    machine_destroy(&m);
    close(d->fd);
    unlink(d->path);
    free(d);
    return 0;
}

/* Runs to HLT with the items on; what the log says then. */
static const char *log_of(struct desk *d, enum accel accel, const char *items, const uint8_t *code, size_t n)
{
    struct translator_options options = {.accel = accel};
    const char *error;
    char bad[20];
    ssize_t got;

    assert_true(translator_create(d->m->cpu, &options, &error));
    assert_true(log_parse_items(items, &log_mask, bad, sizeof bad));
    phys_write_bytes(d->m->phys, d->m->cpu->seg[CS].base + d->m->cpu->eip, code, n);
    cpu_run(d->m->cpu);
    log_mask = 0;
    got = pread(d->fd, d->text, sizeof d->text - 1, 0);
    assert_true(got > 0);
    d->text[got] = 0;
    return d->text;
}
#define LOG_OF_RUN(d, accel, items, ...)                                                                               \
    log_of((d), (accel), (items), (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static void assert_contains(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("'%s' is not in:\n%s", part, text);
}

static unsigned count(const char *text, const char *part)
{
    unsigned n = 0;

    for (const char *at = text; (at = strstr(at, part)); at += strlen(part))
        n++;
    return n;
}

#define NEEDS_JIT()                                                                                                    \
    do {                                                                                                               \
        if (translator_missing_feature()) {                                                                            \
            print_message("skipped: this host's processor lacks %s\n", translator_missing_feature());                  \
            skip();                                                                                                    \
        }                                                                                                              \
    } while (0)

static void in_asm_tells_class_and_fate_of_each_instruction(void **state)
{
    struct desk *d = *state;
    const char *text;

    enter_protected(d->m, 0);
    /* mov eax, 1; sgdt [50000]; nop; cli; hlt. CLI is carried out on the virtual processor. */
    text = LOG_OF_RUN(d, ACCEL_IR, "in_asm", 0xb8, 1, 0, 0, 0, 0x0f, 0x01, 0x05, 0, 0, 5, 0, 0x90, 0xfa, 0xf4);
    assert_contains(text, "IN: physical 000008000, protected mode, CPL 0, 32-bit code\n");
    assert_contains(text, "0008:00008000  mov eax, 1                                   ; innocuous, lowered\n");
    assert_contains(text, "; behaviour-sensitive, callout\n");
    assert_contains(text,
                    "0008:0000800c  nop                                          ; innocuous, lowered to nothing\n");
    assert_contains(
        text, "0008:0000800d  cli                                          ; control-sensitive, inline emulation\n");
    assert_contains(
        text,
        "0008:0000800e  hlt                                          ; control-sensitive, callout, ends the block\n");
    assert_null(strstr(text, "OP"));
    assert_null(strstr(text, "OUT"));
}

static void rdtsc_is_emulated_inline(void **state)
{
    struct desk *d = *state;

    enter_protected(d->m, 0);
    assert_contains(LOG_OF_RUN(d, ACCEL_IR, "in_asm", 0x0f, 0x31, 0xf4), /* rdtsc; hlt */
                    "; behaviour-sensitive, inline emulation\n");
}

static void the_class_is_that_of_the_mode(void **state)
{
    struct desk *d = *state;
    const char *text;

    enter_v86(d->m, 0);
    put8(d->m, HANDLER(VEC_GP), 0xf4);
    text = LOG_OF_RUN(d, ACCEL_IR, "in_asm", 0x90, 0x9c, 0xf4); /* nop; pushf */
    assert_contains(text, "IN: physical 000008000, virtual-8086 mode, CPL 3, 16-bit code\n");
    assert_contains(text, "0000:00008001  pushf                                        ; privileged, callout");
}

static void op_prints_the_ir_below_its_guest_instruction(void **state)
{
    struct desk *d = *state;
    const char *text;

    enter_protected(d->m, 0);
    text = LOG_OF_RUN(d, ACCEL_IR, "op", 0xb8, 1, 0, 0, 0, 0x90, 0x40, 0xf4); /* mov eax, 1; nop; inc eax; hlt */
    assert_contains(text, "OP:\n"
                          " ---- 0008:00008000\n"
                          "  mov.4 eax, 1\n"
                          " ---- 0008:00008005\n"
                          " ---- 0008:00008006\n"
                          "  inc.4 eax\n"
                          " ---- 0008:00008007\n"
                          "  callout_end");
    assert_null(strstr(text, "IN:"));
}

static void op_opt_prints_what_the_backend_gets(void **state)
{
    struct desk *d = *state;
    const char *text;

    enter_protected(d->m, 0);
    text = LOG_OF_RUN(d, ACCEL_IR, "op_opt", 0xb8, 1, 0, 0, 0, 0xf4);
    assert_contains(text, "OP after optimization:\n ---- 0008:00008000\n  mov.4 eax, 1\n");
    assert_null(strstr(text, "OP:\n"));
}

static void out_asm_prints_the_host_code_to_its_end(void **state)
{
    struct desk *d = *state;
    const char *text;

    NEEDS_JIT();
    enter_protected(d->m, 0);
    /* mov eax, 12345678; mov [50000], eax; aaa; jmp +0; hlt */
    text = LOG_OF_RUN(d, ACCEL_JIT, "out_asm", 0xb8, 0x78, 0x56, 0x34, 0x12, 0xa3, 0, 0, 5, 0, 0x37, 0xeb, 0, 0xf4);
    assert_int_equal(count(text, "OUT: [size="), 2);
    assert_contains(text, " ---- 0008:00008000\n0x");
    assert_contains(text, "  mov ebx, 0x12345678\n");
    assert_contains(text, "call slow\n");
    assert_contains(text, ": memory access, guest instruction 1\n");
    assert_contains(text, ": callout, guest instruction 2\n");
    assert_contains(text, "call link\n");
    assert_contains(text, "page offset d\n");
    assert_contains(text, ": callout, ends, guest instruction 0\n");
    assert_null(strstr(text, "(bad)"));
    assert_null(strstr(text, "IN:"));
}

/* The host code printed from `text` on: bytes from its first instruction to the beginning of its last. */
static unsigned long printed_bytes(const char *text)
{
    unsigned long first = 0, address, last = 0;

    for (const char *line = strchr(text, '\n'); line && line[1]; line = strchr(line + 1, '\n'))
        if ((strncmp(line + 1, "----", 4) == 0 || strncmp(line + 1, "OUT", 3) == 0) && first) {
            break;
        } else if (sscanf(line + 1, "0x%lx", &address) == 1) {
            first = first ? first : address;
            assert_true(address >= last);
            last = address;
        }
    return last - first;
}

/* Data behind calls are not disassembled: the sizes of what is printed add up to the block's, in both of its parts. */
static void every_byte_of_the_host_code_is_accounted_for(void **state)
{
    struct desk *d = *state;
    unsigned long size;
    const char *text, *cold;

    NEEDS_JIT();
    enter_protected(d->m, 0);
    d->m->cpu->gpr[ECX] = 1;
    d->m->cpu->gpr[EDX] = 0;
    /* mov eax, [50000]; add eax, [ebx]; fld dword [ebx]; div ecx; jz +0; hlt */
    text = LOG_OF_RUN(d, ACCEL_JIT, "out_asm", 0xa1, 0, 0, 5, 0, 0x03, 0x03, 0xd9, 0x03, 0xf7, 0xf1, 0x74, 0x00, 0xf4);
    text = strstr(text, "OUT:");
    cold = strstr(text, "OUT, seldom run:");
    assert_int_equal(sscanf(text, "OUT: [size=%lu]", &size), 1);
    assert_int_equal(printed_bytes(text) + 5, size); /* the last one is a jump */
    assert_int_equal(sscanf(cold, "OUT, seldom run: [size=%lu]", &size), 1);
    assert_int_equal(printed_bytes(cold) + 9, size); /* a call with its number: 5 bytes and 4 */
}

static void a_block_is_printed_once(void **state)
{
    struct desk *d = *state;
    const char *text;

    enter_protected(d->m, 0);
    text = LOG_OF_RUN(d, ACCEL_IR, "unimp,op", 0xf4);
    assert_int_equal(count(text, "OP:"), 1);
    assert_int_equal(count(text, "----------------\n"), 1);
}

#define LENS_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LENS_TEST(in_asm_tells_class_and_fate_of_each_instruction),
        LENS_TEST(rdtsc_is_emulated_inline),
        LENS_TEST(the_class_is_that_of_the_mode),
        LENS_TEST(op_prints_the_ir_below_its_guest_instruction),
        LENS_TEST(op_opt_prints_what_the_backend_gets),
        LENS_TEST(out_asm_prints_the_host_code_to_its_end),
        LENS_TEST(every_byte_of_the_host_code_is_accounted_for),
        LENS_TEST(a_block_is_printed_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
