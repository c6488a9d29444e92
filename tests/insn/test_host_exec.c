/* The native executor is an oracle: it must lose no bit of state on the way in and out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "tests/insn/host_exec.h"

enum { EAX, ECX, EDX, EBX, ESP, EBP, ESI, EDI };
enum { ES, CS, SS, DS, FS, GS };
enum { TF = 0x100, DF = 0x400, AC = 0x40000, RF = 0x10000 };

static struct host_exec host;

static void begin(struct host_state *in, bool code32)
{
    if (!host.area || !host_exec_take_signals(&host))
        skip();
    host_state_init(in, code32);
}

static struct host_result run(const char *bytes, size_t len, const struct host_state *in)
{
    struct host_result result;

    host_exec_run(&host, (const uint8_t *)bytes, len, in, &result);
    return result;
}

#define RUN(bytes, in) run(bytes, sizeof(bytes) - 1, in)

static void every_register_survives_a_nop(void **state)
{
    (void)state;
    for (unsigned code32 = 0; code32 < 2; code32++) {
        struct host_state in;
        struct host_result out;

        begin(&in, code32);
        for (unsigned i = 0; i < 8; i++)
            in.gpr[i] = 0x89abcdef * (i + 1);
        for (unsigned i = 32; i < 288; i++) /* ST0..7 without their padding, XMM0..7 */
            if (i >= 160 || i % 16 < 10)
                in.fx[i] = (uint8_t)(i * 7);
        in.fx[2] = 0x00; /* FSW: TOP 3 */
        in.fx[3] = 0x18;
        in.fx[4] = 0xa5;           /* abridged FTW */
        in.eflags = 0xad7 | 0x202; /* OF SF ZF AF PF CF */
        out = RUN("\x90", &in);
        assert_int_equal(out.vector, HOST_DONE);
        assert_memory_equal(out.state.gpr, in.gpr, sizeof in.gpr);
        assert_memory_equal(out.state.sel, in.sel, sizeof in.sel);
        assert_memory_equal(out.state.fx, in.fx, 6);
        assert_memory_equal(out.state.fx + 24, in.fx + 24, 4);
        assert_memory_equal(out.state.fx + 32, in.fx + 32, 256);
        assert_int_equal(out.state.eflags, in.eflags);
        assert_int_equal(out.state.eip, in.eip + 1);
    }
}

static void every_register_survives_a_fault(void **state)
{
    (void)state;
    for (unsigned code32 = 0; code32 < 2; code32++) {
        struct host_state in;
        struct host_result out;

        begin(&in, code32);
        for (unsigned i = 0; i < 8; i++)
            in.gpr[i] = 0x12345678 * (i + 3);
        for (unsigned i = 160; i < 288; i++)
            in.fx[i] = (uint8_t)(i * 5);
        in.eflags = 0xad7 | DF;
        out = RUN("\x0f\x0b", &in);
        assert_int_equal(out.vector, 6);
        assert_memory_equal(out.state.gpr, in.gpr, sizeof in.gpr);
        assert_memory_equal(out.state.sel, in.sel, sizeof in.sel);
        assert_memory_equal(out.state.fx + 160, in.fx + 160, 128);
        assert_int_equal(out.state.eflags, in.eflags | RF);
        assert_int_equal(out.state.eip, in.eip);
    }
}

static void code_size_follows_the_segment(void **state)
{
    struct host_state in;

    (void)state;
    begin(&in, true);
    in.gpr[EAX] = 0xffffffff;
    assert_int_equal(RUN("\x40", &in).state.gpr[EAX], 0);
    in.sel[CS] = HOST_SELECTOR(HOST_CODE16);
    assert_int_equal(RUN("\x40", &in).state.gpr[EAX], 0xffff0000);
}

static void stacks_of_16_bits_keep_the_upper_half_of_esp(void **state)
{
    struct host_state in;
    struct host_result out;

    (void)state;
    begin(&in, true);
    in.sel[SS] = HOST_SELECTOR(HOST_STACK16);
    in.gpr[ESP] = 0xabcd0000;
    in.gpr[EAX] = 0x11223344;
    out = RUN("\x50", &in); /* PUSH EAX */
    assert_int_equal(out.vector, HOST_DONE);
    assert_int_equal(out.state.gpr[ESP], 0xabcdfffc);
    in.gpr[ESP] = 0x8000;
    out = RUN("\x50", &in);
    assert_int_equal(out.state.gpr[ESP], 0x7ffc);
    assert_int_equal(*(uint32_t *)host_memory(host.stack_base + 0x7ffc), 0x11223344);
}

static void branches_report_where_they_land(void **state)
{
    struct host_state in;
    struct host_result out;

    (void)state;
    begin(&in, true);
    out = RUN("\xeb\x40", &in);
    assert_int_equal(out.vector, HOST_DONE);
    assert_int_equal(out.state.eip, in.eip + 0x42);
    assert_int_equal(out.state.eflags, in.eflags);
    out = RUN("\x75\x80", &in);
    assert_int_equal(out.state.eip, in.eip - 0x7e);
    out = RUN("\x74\x80", &in);
    assert_int_equal(out.state.eip, in.eip + 2);
    out = RUN("\xe9\x00\x00\x01\x00", &in); /* beyond the limit */
    assert_int_equal(out.vector, 13);
    assert_int_equal(out.state.eip, in.eip);
}

static void faults_have_vector_error_code_and_address(void **state)
{
    struct host_state in;
    struct host_result out;

    (void)state;
    begin(&in, true);
    in.gpr[EBX] = 0x10000; /* beyond the data segment */
    out = RUN("\x8b\x03", &in);
    assert_int_equal(out.vector, 13);
    assert_int_equal(out.error, 0);
    in.gpr[EAX] = HOST_SELECTOR(HOST_ABSENT);
    out = RUN("\x8e\xd8", &in); /* MOV DS, AX */
    assert_int_equal(out.vector, 11);
    assert_int_equal(out.error, HOST_SELECTOR(HOST_ABSENT) & ~3u);
    out = RUN("\x8e\xd0", &in); /* MOV SS, AX */
    assert_int_equal(out.vector, 12);
    assert_int_equal(out.error, HOST_SELECTOR(HOST_ABSENT) & ~3u);
    assert_int_equal(RUN("\xf6\xf1", &in).vector, 0); /* DIV CL */
    assert_int_equal(RUN("\xcc", &in).vector, 3);     /* INT3 */
    assert_int_equal(RUN("\xcc", &in).state.eip, in.eip + 1);
    assert_true(host_exec_set_segment(&host, HOST_FREE_SLOT, host.data_base, 0x1ffff, 2, true, true));
    in.sel[DS] = HOST_SELECTOR(HOST_FREE_SLOT); /* reaches into the guard behind the window */
    in.gpr[EBX] = 0xfffe;
    out = RUN("\x89\x03", &in);
    assert_int_equal(out.vector, 14);
    assert_int_equal(out.error, 6);
    assert_int_equal(out.address, host.data_base + 0x10000);
}

static void x87_and_sse_exceptions_arrive(void **state)
{
    struct host_state in;

    (void)state;
    begin(&in, true);
    in.fx[0] = 0x7b; /* FCW: ZM clear */
    in.fx[2] = 0x84; /* FSW: ZE and ES pending */
    assert_int_equal(RUN("\xd9\xe8", &in).vector, 16);
    begin(&in, true);
    in.fx[25] = 0x1d; /* MXCSR: ZM clear */
    in.fx[160] = 1;
    in.fx[163] = 0x3f;
    assert_int_equal(RUN("\x0f\x5e\xc1", &in).vector, 19); /* DIVPS XMM0, XMM1 */
}

static void trap_flag_stops_after_one_instruction(void **state)
{
    struct host_state in;
    struct host_result out;

    (void)state;
    for (unsigned code32 = 0; code32 < 2; code32++) {
        begin(&in, code32);
        in.eflags |= TF;
        in.gpr[EAX] = 6;
        out = RUN("\x40", &in);
        assert_int_equal(out.vector, 1);
        assert_int_equal(out.state.eip, in.eip + 1);
        assert_int_equal(out.state.gpr[EAX], 7);
        assert_true(out.state.eflags & TF);
        out = RUN("\xeb\xfe", &in);
        assert_int_equal(out.vector, 1);
        assert_int_equal(out.state.eip, in.eip);
    }
}

static void alignment_checks_act_on_the_instruction_alone(void **state)
{
    struct host_state in;
    struct host_result out;

    (void)state;
    begin(&in, true);
    in.eflags |= AC;
    in.gpr[EBX] = 0x101;
    out = RUN("\x8b\x03", &in);
    assert_int_equal(out.vector, 17);
    assert_int_equal(out.error, 0);
    in.gpr[EBX] = 0x100;
    out = RUN("\x8b\x03", &in);
    assert_int_equal(out.vector, HOST_DONE);
    assert_true(out.state.eflags & AC);
}

static void endless_loops_time_out(void **state)
{
    struct host_state in;
    struct host_result out;

    (void)state;
    begin(&in, true);
    out = RUN("\xeb\xfe", &in);
    assert_int_equal(out.vector, HOST_TIMEOUT);
    assert_int_equal(out.state.eip, in.eip);
    assert_int_equal(RUN("\x90", &in).vector, HOST_DONE);
}

static void a_state_that_cannot_be_loaded_is_reported(void **state)
{
    struct host_state in;

    (void)state;
    begin(&in, true);
    in.sel[DS] = HOST_SELECTOR(HOST_SLOTS + 5);
    assert_int_equal(RUN("\x90", &in).vector, HOST_BAD_STATE);
    begin(&in, true);
    assert_int_equal(RUN("\x90", &in).vector, HOST_DONE);
}

static void code_beside_the_instruction_is_restored(void **state)
{
    const uint8_t *window;
    struct host_state in;

    (void)state;
    begin(&in, true);
    window = host_memory(host.code_base);
    RUN("\x81\xc0\x90\x90\x90\x90", &in);
    in.eip = 0x3000;
    RUN("\x90", &in);
    for (unsigned i = 0x1000; i < 0x1020; i++)
        assert_int_equal(window[i], 0xf4);
}

static int open_host(void **state)
{
    const char *why;

    (void)state;
    if (!host_exec_create(&host, &why))
        print_message("skipped: %s\n", why);
    return 0;
}

static int close_host(void **state)
{
    (void)state;
    if (host.area)
        host_exec_destroy(&host);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_register_survives_a_nop),
        cmocka_unit_test(every_register_survives_a_fault),
        cmocka_unit_test(code_size_follows_the_segment),
        cmocka_unit_test(stacks_of_16_bits_keep_the_upper_half_of_esp),
        cmocka_unit_test(branches_report_where_they_land),
        cmocka_unit_test(faults_have_vector_error_code_and_address),
        cmocka_unit_test(x87_and_sse_exceptions_arrive),
        cmocka_unit_test(trap_flag_stops_after_one_instruction),
        cmocka_unit_test(alignment_checks_act_on_the_instruction_alone),
        cmocka_unit_test(endless_loops_time_out),
        cmocka_unit_test(a_state_that_cannot_be_loaded_is_reported),
        cmocka_unit_test(code_beside_the_instruction_is_restored),
    };

    return cmocka_run_group_tests(tests, open_host, close_host);
}
