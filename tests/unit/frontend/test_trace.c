/* What -d in_asm prints of a decoded instruction, -d exec and -d cpu before a block. */
#include "tests/unit/frontend/sys_fixture.h"

#include <stdio.h>
#include <unistd.h>

#include "frontend/x86/code.h"
#include "frontend/x86/trace.h"
#include "hw/core/log.h"

static void trace(struct machine *m)
{
    const struct code_block block = {.span_bytes = 7, .n_insns = 3, .address = CODE};

    trace_block(m->cpu, &block);
}

static void decode_block(struct machine *m)
{
    assert_non_null(code_find(m->cpu));
}

static void decode_single(struct machine *m)
{
    assert_non_null(code_decode_single(m->cpu));
}

/* What `act` logs with these categories on, to be freed. */
static char *logged(struct machine *m, uint32_t categories, void (*act)(struct machine *m))
{
    char path[] = "/tmp/morph86-test-XXXXXX", *text = calloc(1, 10000);
    int fd = mkstemp(path);
    FILE *file;

    assert_true(fd >= 0);
    close(fd);
    assert_true(log_open(path));
    log_mask = categories;
    act(m);
    log_mask = 0;
    file = fopen(path, "r");
    assert_non_null(file);
    fread(text, 1, 9999, file);
    fclose(file);
    unlink(path);
    return text;
}

static void exec_names_the_block(void **state)
{
    struct machine *m = *state;
    char *text;

    enter_real(m);
    segment_load_real(m->cpu, CS, 0x100);
    m->cpu->eip = CODE - 0x1000;
    text = logged(m, LOG_EXEC, trace);
    assert_string_equal(text, "Trace 0: 000008000 [0100:00008000/00000007] 3 insns\n");
    free(text);
}

static void cpu_shows_the_registers(void **state)
{
    struct machine *m = *state;
    char *text;

    enter_protected(m, 0);
    m->cpu->gpr[EBX] = 0x12345678;
    m->cpu->cr2 = 0xcafebabe;
    text = logged(m, LOG_CPU, trace);
    assert_null(strstr(text, "Trace"));
    assert_non_null(strstr(text, "EBX=12345678"));
    assert_non_null(strstr(text, "EIP=00008000 EFL=00000002 [-------] CPL=0 II=0"));
    assert_non_null(strstr(text, "CS =0008 00000000 ffffffff 00c09b00 DPL=0 CS32"));
    assert_non_null(strstr(text, "TR =0038 00003000"));
    assert_non_null(strstr(text, "CR2=cafebabe"));
    free(text);
}

static void segments_are_described(void **state)
{
    struct machine *m = *state;
    char *text;

    enter_real(m);
    text = logged(m, LOG_CPU, trace);
    assert_non_null(strstr(text, "SS =2000 00020000 0000ffff 00009300 DPL=0 DS16"));
    free(text);
    enter_protected(m, 0);
    load_segment(m, CS, SEL_CODE16);
    m->cpu->seg[ES].ar &= ~AR_P;
    text = logged(m, LOG_CPU, trace);
    assert_non_null(strstr(text, "DPL=0 CS16"));
    assert_non_null(strstr(text, "ES =0010 00000000 ffffffff 00c01300 DPL=0 not present"));
    assert_non_null(strstr(text, "TR =0038 00003000 00000488 00008b00 DPL=0 system"));
    free(text);
}

static void in_asm_shows_instructions_as_they_are_decoded(void **state)
{
    struct machine *m = *state;
    char *text;

    enter_real(m);
    CODE_BYTES(m, 0xb8, 0x34, 0x12, 0x40, 0xeb, 0xfe); /* MOV AX, 1234; INC AX; JMP $ */
    text = logged(m, LOG_IN_ASM, decode_block);
    assert_string_equal(text, "0000:00008000  mov ax, 0x1234\n0000:00008003  inc ax\n0000:00008004  jmp 0x8004\n");
    free(text);
    text = logged(m, LOG_IN_ASM, decode_block); /* it is known already */
    assert_string_equal(text, "");
    free(text);
    text = logged(m, LOG_IN_ASM, decode_single);
    assert_string_equal(text, "0000:00008000  mov ax, 0x1234\n");
    free(text);
}

static void nothing_is_traced_unasked(void **state)
{
    struct machine *m = *state;
    char *text;

    enter_real(m);
    text = logged(m, LOG_INT, trace);
    assert_string_equal(text, "");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MACHINE_TEST(exec_names_the_block),      MACHINE_TEST(cpu_shows_the_registers),
        MACHINE_TEST(segments_are_described),    MACHINE_TEST(in_asm_shows_instructions_as_they_are_decoded),
        MACHINE_TEST(nothing_is_traced_unasked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
