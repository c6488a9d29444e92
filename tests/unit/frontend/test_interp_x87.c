/*
 * x87 stack, tags, results and unmasked exceptions: what the host's x87 does not decide. Expected values are the SDM's;
 * single results were checked on a processor.
 */
#include "tests/unit/frontend/x87_fixture.h"

/* ---- stack and tags ---- */

static void ninth_load_overflows_the_stack(void **state)
{
    struct cpu *cpu = cpu_of(state);

    for (unsigned i = 0; i < 8; i++)
        DO_STI(fld1, 0);
    assert_int_equal(cpu->fpu.empty, 0);
    assert_int_equal(fpu_status_word(&cpu->fpu), 0);
    load_double(cpu, 2.0);
    assert_int_equal(fpu_status_word(&cpu->fpu), 7 << FPU_SW_TOP_SHIFT | FPU_SW_IE | FPU_SW_SF | FPU_SW_C1);
    check_indefinite(cpu, 0);
    check_st(cpu, 1, ONE, ONE_EXPONENT);
}

static void unmasked_overflow_of_the_stack_loads_nothing(void **state)
{
    struct cpu *cpu = cpu_of(state);

    for (unsigned i = 0; i < 8; i++)
        DO_STI(fldz, 0);
    set_control(cpu, UNMASKED);
    DO_STI(fld1, 0);
    assert_int_equal(fpu_status_word(&cpu->fpu), FPU_SW_IE | FPU_SW_SF | FPU_SW_C1 | PENDING);
    check_st(cpu, 0, 0, 0);
}

static void empty_operand_gives_indefinite_and_the_pop_happens(void **state)
{
    struct cpu *cpu = cpu_of(state);

    DO_STI(fld1, 0);
    DO_STI(faddp, 1);
    assert_int_equal(fpu_status_word(&cpu->fpu), FPU_SW_IE | FPU_SW_SF);
    check_indefinite(cpu, 0);
    assert_int_equal(cpu->fpu.empty, 0xfe);
}

static void unmasked_underflow_of_the_stack_keeps_operands_and_top(void **state)
{
    struct cpu *cpu = cpu_of(state);

    DO_STI(fld1, 0);
    set_control(cpu, UNMASKED);
    DO_STI(faddp, 1);
    assert_int_equal(fpu_status_word(&cpu->fpu), 7 << FPU_SW_TOP_SHIFT | FPU_SW_IE | FPU_SW_SF | PENDING);
    check_st(cpu, 0, ONE, ONE_EXPONENT);
    assert_int_equal(cpu->fpu.empty, 0x7f);
}

static void every_memory_format_has_its_indefinite(void **state)
{
    struct cpu *cpu = cpu_of(state);
    static const uint8_t decimal[10] = {0, 0, 0, 0, 0, 0, 0, 0xc0, 0xff, 0xff};

    DO_MEM(fst_f32, DATA);
    assert_int_equal(peek32(cpu, DATA), 0xffc00000);
    DO_MEM(fst_f64, DATA);
    assert_int_equal(peek64(cpu, DATA), 0xfff8000000000000);
    DO_MEM(fist_i16, DATA);
    assert_int_equal(peek16(cpu, DATA), 0x8000);
    DO_MEM(fist_i32, DATA);
    assert_int_equal(peek32(cpu, DATA), 0x80000000);
    DO_MEM(fistp_i64, DATA);
    assert_int_equal(peek64(cpu, DATA), 0x8000000000000000);
    DO_MEM(fbstp, DATA);
    assert_memory_equal(peek(cpu, DATA), decimal, 10);
    memset(peek(cpu, DATA), 0, 10);
    DO_MEM(fstp_f80, DATA);
    assert_memory_equal(peek(cpu, DATA), decimal, 10);
    assert_int_equal(cpu->fpu.top, 3); /* three of them pop */
    assert_int_equal(cpu->fpu.status, FPU_SW_IE | FPU_SW_SF);
}

static void exchange_with_an_empty_register_makes_both_valid(void **state)
{
    struct cpu *cpu = cpu_of(state);

    DO_STI(fld1, 0);
    DO_STI(fxch, 1);
    check_indefinite(cpu, 0);
    check_st(cpu, 1, ONE, ONE_EXPONENT);
}

static void conditional_move_faults_on_empty_even_if_it_does_not_move(void **state)
{
    struct cpu *cpu = cpu_of(state);

    cpu_set_eflags(cpu, 0, EFLAGS_OSZAPC);
    DO_STI(fld1, 0);
    DO_STI(fcmovb, 1);
    check_indefinite(cpu, 0);
    assert_int_equal(cpu->fpu.status, FPU_SW_IE | FPU_SW_SF);
}

static void conditional_move_obeys_eflags(void **state)
{
    struct cpu *cpu = cpu_of(state);

    DO_STI(fld1, 0);
    DO_STI(fldz, 0);
    cpu_set_eflags(cpu, 0, EFLAGS_OSZAPC);
    DO_STI(fcmovu, 1);
    check_st(cpu, 0, 0, 0);
    cpu_set_eflags(cpu, EFLAGS_PF, EFLAGS_OSZAPC);
    DO_STI(fcmovu, 1);
    check_st(cpu, 0, ONE, ONE_EXPONENT);
}

static void examine_sees_an_empty_register_and_its_sign(void **state)
{
    struct cpu *cpu = cpu_of(state);

    cpu->fpu.reg[0].sign_exponent = 0x8000;
    DO_STI(fxam, 0);
    assert_int_equal(cpu->fpu.status, FPU_SW_C3 | FPU_SW_C0 | FPU_SW_C1);
    DO_STI(fld1, 0);
    DO_STI(fxam, 0);
    assert_int_equal(cpu->fpu.status, FPU_SW_C2);
}

static void compare_with_an_empty_register_is_unordered(void **state)
{
    struct cpu *cpu = cpu_of(state);

    DO_STI(fld1, 0);
    DO_STI(fcompp, 0);
    assert_int_equal(cpu->fpu.status, FPU_SW_CC | FPU_SW_IE | FPU_SW_SF);
    assert_int_equal(cpu->fpu.top, 1);
    assert_int_equal(cpu->fpu.empty, 0xff);
}

static void tangent_needs_room_for_its_second_result(void **state)
{
    struct cpu *cpu = cpu_of(state);

    for (unsigned i = 0; i < 8; i++)
        DO_STI(fld1, 0);
    DO_STI(fptan, 0);
    check_indefinite(cpu, 0);
    check_indefinite(cpu, 1);
    assert_int_equal(fpu_status_word(&cpu->fpu), 7 << FPU_SW_TOP_SHIFT | FPU_SW_IE | FPU_SW_SF | FPU_SW_C1);
}

static void out_of_range_sine_and_cosine_sets_c2_and_pushes_nothing(void **state)
{
    struct cpu *cpu = cpu_of(state);

    load_double(cpu, 0x1p70);
    DO_STI(fsincos, 0);
    assert_int_equal(fpu_status_word(&cpu->fpu), 7 << FPU_SW_TOP_SHIFT | FPU_SW_C2);
    check_st(cpu, 0, ONE, ONE_EXPONENT + 70);
    DO_STI(fstp_sti, 0);
    DO_STI(fldz, 0);
    DO_STI(fsincos, 0);
    assert_int_equal(cpu->fpu.status, 0);
    check_st(cpu, 0, ONE, ONE_EXPONENT);
    check_st(cpu, 1, 0, 0);
}

static void free_and_stack_pointer_instructions_move_tags_and_top_only(void **state)
{
    struct cpu *cpu = cpu_of(state);

    DO_STI(fld1, 0);
    DO_STI(fld1, 0);
    DO_STI(ffree, 1);
    assert_int_equal(cpu->fpu.empty, 0xbf);
    DO_STI(ffreep, 0);
    assert_int_equal(cpu->fpu.empty, 0xff);
    assert_int_equal(cpu->fpu.top, 7);
    DO_STI(fincstp, 0);
    assert_int_equal(cpu->fpu.top, 0);
    DO_STI(fdecstp, 0);
    assert_int_equal(cpu->fpu.top, 7);
    assert_int_equal(cpu->fpu.empty, 0xff);
}

static void tag_word_tells_zero_and_special_numbers(void **state)
{
    struct cpu *cpu = cpu_of(state);

    DO_STI(fld1, 0);                 /* R7 valid */
    DO_STI(fldz, 0);                 /* R6 zero */
    load_f80(cpu, ONE, 0x7fff);      /* R5 infinity */
    load_f80(cpu, 1, 0);             /* R4 denormal */
    load_f80(cpu, ONE >> 1, 0x3fff); /* R3 unnormal */
    assert_int_equal(fpu_tag_word(&cpu->fpu), 0x1abf);
}

/* ---- results and exceptions ---- */

static void precision_and_rounding_control_reach_the_host(void **state)
{
    struct cpu *cpu = cpu_of(state);
    static const struct {
        uint16_t control;
        uint64_t third;
    } cases[] = {
        {0x037f, 0xaaaaaaaaaaaaaaab}, {0x0f7f, 0xaaaaaaaaaaaaaaaa}, {0x027f, 0xaaaaaaaaaaaaa800},
        {0x0a7f, 0xaaaaaaaaaaaab000}, {0x007f, 0xaaaaab0000000000}, {0x037f, 0xaaaaaaaaaaaaaaab},
    };

    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        load_double(cpu, 3.0);
        DO_STI(fld1, 0);
        set_control(cpu, cases[i].control);
        DO_STI(fdivrp, 1); /* ST(1) = ST(0) / ST(1) */
        check_st(cpu, 0, cases[i].third, ONE_EXPONENT - 2);
        DO_STI(fstp_sti, 0);
    }
}

static void subtraction_and_division_go_the_right_way(void **state)
{
    struct cpu *cpu = cpu_of(state);
    double two = 2.0;

    load_double(cpu, 8.0);
    poke(cpu, DATA, &two, 8);
    DO_MEM(fsub_f64, DATA); /* 6 */
    check_st(cpu, 0, 0xc000000000000000, ONE_EXPONENT + 2);
    DO_MEM(fsubr_f64, DATA); /* 2 - 6 */
    check_st(cpu, 0, ONE, (ONE_EXPONENT + 2) | 0x8000);
    DO_MEM(fdivr_f64, DATA); /* 2 / -4 */
    check_st(cpu, 0, ONE, (ONE_EXPONENT - 1) | 0x8000);
    DO_STI(fld1, 0);
    DO_STI(fsub_sti, 1); /* -0.5 - 1 */
    check_st(cpu, 1, 0xc000000000000000, ONE_EXPONENT | 0x8000);
    DO_STI(fdivp, 1); /* -1.5 / 1 */
    check_st(cpu, 0, 0xc000000000000000, ONE_EXPONENT | 0x8000);
}

static void widening_loads_agree_with_the_host(void **state)
{
    struct cpu *cpu = cpu_of(state);
    uint64_t bits = 0x123456789abcdef;

    for (unsigned i = 0; i < 3000; i++) {
        uint64_t raw;
        struct f80 expected;

        bits = bits * 6364136223846793005u + 1442695040888963407u;
        raw = i % 3 ? bits : bits >> (i % 64);
        poke(cpu, DATA, &raw, 8);

        DO_MEM(fld_f64, DATA);
        fpu_host_load_f64(&cpu->fpu, &expected, &raw);
        check_st(cpu, 0, expected.mantissa, expected.sign_exponent);
        DO_STI(fstp_sti, 0);
        DO_MEM(fld_f32, DATA);
        fpu_host_load_f32(&cpu->fpu, &expected, &raw);
        check_st(cpu, 0, expected.mantissa, expected.sign_exponent);
        DO_STI(fstp_sti, 0);
        DO_MEM(fild_i16, DATA);
        fpu_host_load_i16(&cpu->fpu, &expected, &raw);
        check_st(cpu, 0, expected.mantissa, expected.sign_exponent);
        DO_STI(fstp_sti, 0);
        DO_MEM(fild_i32, DATA);
        fpu_host_load_i32(&cpu->fpu, &expected, &raw);
        check_st(cpu, 0, expected.mantissa, expected.sign_exponent);
        DO_STI(fstp_sti, 0);
        DO_MEM(fild_i64, DATA);
        fpu_host_load_i64(&cpu->fpu, &expected, &raw);
        check_st(cpu, 0, expected.mantissa, expected.sign_exponent);
        DO_STI(fstp_sti, 0);
    }
}

static void signalling_nan_is_quieted_and_reported(void **state)
{
    struct cpu *cpu = cpu_of(state);
    uint32_t snan = 0x7f800001;

    poke(cpu, DATA, &snan, 4);
    DO_MEM(fld_f32, DATA);
    check_st(cpu, 0, 0xc000010000000000, 0x7fff);
    assert_int_equal(cpu->fpu.status, FPU_SW_IE);
    set_control(cpu, FPU_CW_INIT);
    DO_STI(fnclex, 0);
    set_control(cpu, UNMASKED);
    poke(cpu, DATA, &snan, 4);
    DO_MEM(fld_f32, DATA);
    assert_int_equal(cpu->fpu.top, 7); /* not loaded */
    assert_int_equal(cpu->fpu.status, FPU_SW_IE | PENDING);
}

static void unmasked_denormal_load_is_reported_and_loaded(void **state)
{
    struct cpu *cpu = cpu_of(state);
    uint32_t denormal = 1;

    set_control(cpu, UNMASKED);
    poke(cpu, DATA, &denormal, 4);
    DO_MEM(fld_f32, DATA);
    check_st(cpu, 0, ONE, ONE_EXPONENT - 149);
    assert_int_equal(cpu->fpu.status, FPU_SW_DE | PENDING);
}

static void unmasked_zero_divide_keeps_the_operands(void **state)
{
    struct cpu *cpu = cpu_of(state);

    DO_STI(fldz, 0);
    DO_STI(fld1, 0);
    set_control(cpu, FPU_CW_INIT & ~FPU_SW_ZE);
    DO_STI(fdivrp, 1); /* 1 / 0 into ST(1), pop */
    check_st(cpu, 0, ONE, ONE_EXPONENT);
    check_st(cpu, 1, 0, 0);
    assert_int_equal(fpu_status_word(&cpu->fpu), 6 << FPU_SW_TOP_SHIFT | FPU_SW_ZE | PENDING);
}

static void unmasked_overflow_delivers_the_adjusted_exponent(void **state)
{
    struct cpu *cpu = cpu_of(state);

    load_f80(cpu, ONE, 0x7ffe);
    load_f80(cpu, ONE, ONE_EXPONENT + 4);
    set_control(cpu, FPU_CW_INIT & ~FPU_SW_OE);
    DO_STI(fmulp, 1);
    check_st(cpu, 0, ONE, 0x7ffe + 4 - 24576);
    assert_int_equal(fpu_status_word(&cpu->fpu), 7 << FPU_SW_TOP_SHIFT | FPU_SW_OE | PENDING);
}

static void unmasked_underflow_is_raised_for_exact_results_too(void **state)
{
    struct cpu *cpu = cpu_of(state);

    load_f80(cpu, ONE, 1);
    load_f80(cpu, ONE, ONE_EXPONENT - 1);
    set_control(cpu, FPU_CW_INIT & ~FPU_SW_UE);
    DO_STI(fmul_st, 1);
    check_st(cpu, 0, ONE, 24576);
    assert_int_equal(cpu->fpu.status, FPU_SW_UE | PENDING);
}

static void unmasked_exception_of_a_store_leaves_memory_and_stack(void **state)
{
    struct cpu *cpu = cpu_of(state);
    uint32_t before = 0x12345678;

    load_f80(cpu, ONE, 0x7ffe); /* too large for m32 */
    set_control(cpu, FPU_CW_INIT & ~FPU_SW_OE);
    poke(cpu, DATA, &before, 4);
    DO_MEM(fstp_f32, DATA);
    assert_int_equal(peek32(cpu, DATA), before);
    assert_int_equal(cpu->fpu.top, 7);
    assert_int_equal(cpu->fpu.status & (FPU_SW_OE | PENDING), FPU_SW_OE | PENDING);
}

static void unmasked_precision_exception_stores_and_pops(void **state)
{
    struct cpu *cpu = cpu_of(state);

    load_double(cpu, 1.5);
    set_control(cpu, FPU_CW_INIT & ~FPU_SW_PE);
    DO_MEM(fistp_i32, DATA);
    assert_int_equal(peek32(cpu, DATA), 2);
    assert_int_equal(cpu->fpu.top, 0);
    assert_int_equal(cpu->fpu.status, FPU_SW_PE | FPU_SW_C1 | PENDING);
}

static void cleared_flags_do_not_come_back_from_the_host(void **state)
{
    struct cpu *cpu = cpu_of(state);

    DO_STI(fldz, 0);
    DO_STI(fld1, 0);
    DO_STI(fdiv_st, 1);
    assert_int_equal(cpu->fpu.status, FPU_SW_ZE);
    DO_STI(fnclex, 0);
    DO_STI(fadd_st, 1);
    assert_int_equal(cpu->fpu.status, 0);
}

static void two_machines_do_not_share_flags_or_control(void **state)
{
    struct cpu *cpu = cpu_of(state);
    void *other_state;
    struct cpu *first = cpu;

    DO_STI(fldz, 0);
    DO_STI(fld1, 0);
    set_control(cpu, 0x0c7f);
    DO_STI(fdiv_st, 1);
    fpu_leave(cpu);
    set_up(&other_state);
    cpu = cpu_of(&other_state);
    load_double(cpu, 3.0);
    DO_STI(fld1, 0);
    DO_STI(fdiv_st, 1);
    check_st(cpu, 0, 0xaaaaaaaaaaaaaaab, ONE_EXPONENT - 2);
    assert_int_equal(cpu->fpu.status, FPU_SW_PE | FPU_SW_C1);
    tear_down(&other_state);
    assert_int_equal(first->fpu.status, FPU_SW_ZE);
    fpu_enter(first);
}

static void comparison_to_eflags_clears_the_other_flags(void **state)
{
    struct cpu *cpu = cpu_of(state);

    load_double(cpu, 1.0);
    load_double(cpu, 2.0);
    cpu_set_eflags(cpu, EFLAGS_OSZAPC, EFLAGS_OSZAPC);
    DO_STI(fcomi, 1);
    assert_int_equal(cpu_get_eflags(cpu) & EFLAGS_OSZAPC, 0);
    DO_STI(fxch, 1);
    DO_STI(fcomi, 1);
    assert_int_equal(cpu_get_eflags(cpu) & EFLAGS_OSZAPC, EFLAGS_CF);
    DO_STI(fcomip, 0);
    assert_int_equal(cpu_get_eflags(cpu) & EFLAGS_OSZAPC, EFLAGS_ZF);
    DO_STI(fucomip, 3);
    assert_int_equal(cpu_get_eflags(cpu) & EFLAGS_OSZAPC, EFLAGS_ZF | EFLAGS_PF | EFLAGS_CF);
    assert_int_equal(cpu->fpu.top, 0);
}

static void packed_decimal_goes_there_and_back(void **state)
{
    struct cpu *cpu = cpu_of(state);
    static const uint8_t digits[10] = {0x21, 0x43, 0x65, 0x87, 0x09, 0x21, 0x43, 0x65, 0x87, 0x80};

    poke(cpu, DATA, digits, 10);
    DO_MEM(fbld, DATA);
    DO_MEM(fbstp, DATA + 16);
    assert_memory_equal(peek(cpu, DATA + 16), digits, 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(ninth_load_overflows_the_stack),
        TEST(unmasked_overflow_of_the_stack_loads_nothing),
        TEST(empty_operand_gives_indefinite_and_the_pop_happens),
        TEST(unmasked_underflow_of_the_stack_keeps_operands_and_top),
        TEST(every_memory_format_has_its_indefinite),
        TEST(exchange_with_an_empty_register_makes_both_valid),
        TEST(conditional_move_faults_on_empty_even_if_it_does_not_move),
        TEST(conditional_move_obeys_eflags),
        TEST(examine_sees_an_empty_register_and_its_sign),
        TEST(compare_with_an_empty_register_is_unordered),
        TEST(tangent_needs_room_for_its_second_result),
        TEST(out_of_range_sine_and_cosine_sets_c2_and_pushes_nothing),
        TEST(free_and_stack_pointer_instructions_move_tags_and_top_only),
        TEST(tag_word_tells_zero_and_special_numbers),
        TEST(precision_and_rounding_control_reach_the_host),
        TEST(subtraction_and_division_go_the_right_way),
        TEST(widening_loads_agree_with_the_host),
        TEST(signalling_nan_is_quieted_and_reported),
        TEST(unmasked_denormal_load_is_reported_and_loaded),
        TEST(unmasked_zero_divide_keeps_the_operands),
        TEST(unmasked_overflow_delivers_the_adjusted_exponent),
        TEST(unmasked_underflow_is_raised_for_exact_results_too),
        TEST(unmasked_exception_of_a_store_leaves_memory_and_stack),
        TEST(unmasked_precision_exception_stores_and_pops),
        TEST(cleared_flags_do_not_come_back_from_the_host),
        TEST(two_machines_do_not_share_flags_or_control),
        TEST(comparison_to_eflags_clears_the_other_flags),
        TEST(packed_decimal_goes_there_and_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
