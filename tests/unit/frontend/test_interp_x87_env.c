/* x87 pending exceptions, the order of faults, and the images in memory. Expected values are the SDM's. */
#include "tests/unit/frontend/x87_fixture.h"

/* ---- pending exceptions and the order of faults ---- */

static void make_pending(struct cpu *cpu)
{
    DO_STI(fldz, 0);
    DO_STI(fld1, 0);
    set_control(cpu, FPU_CW_INIT & ~FPU_SW_ZE);
    DO_STI(fdiv_st, 1);
    assert_int_equal(cpu->fpu.status, FPU_SW_ZE | PENDING);
}

static void next_waiting_instruction_raises_mf(void **state)
{
    struct cpu *cpu = cpu_of(state);

    make_pending(cpu);
    assert_int_equal(RUN_STI(fld1, 0), VEC_MF);
    assert_int_equal(RUN_STI(fnop, 0), VEC_MF);
    assert_int_equal(RUN_STI(fwait, 0), VEC_MF);
    assert_int_equal(RUN_MEM(fldcw, DATA), VEC_MF);
    assert_int_equal(cpu->fpu.top, 6);
}

static void instructions_that_do_not_wait_run_with_an_exception_pending(void **state)
{
    struct cpu *cpu = cpu_of(state);

    make_pending(cpu);
    cpu->gpr[EAX] = 0xffffffff;
    DO_STI(fnstsw_ax, 0);
    assert_int_equal(cpu->gpr[EAX], 0xffff0000 | 6 << FPU_SW_TOP_SHIFT | FPU_SW_ZE | PENDING);
    DO_MEM(fnstcw, DATA);
    assert_int_equal(peek16(cpu, DATA), FPU_CW_INIT & ~FPU_SW_ZE);
    DO_MEM(fxsave, DATA);
    DO_STI(fnop_287, 0);
    DO_STI(fnclex, 0);
    DO_STI(fld1, 0);
    assert_int_equal(fpu_status_word(&cpu->fpu), 5 << FPU_SW_TOP_SHIFT);
}

static void unmasking_a_flag_that_is_set_makes_it_pending(void **state)
{
    struct cpu *cpu = cpu_of(state);
    uint16_t all = FPU_CW_INIT;

    DO_STI(fldz, 0);
    DO_STI(fld1, 0);
    DO_STI(fdiv_st, 1);
    set_control(cpu, FPU_CW_INIT & ~FPU_SW_ZE);
    assert_int_equal(cpu->fpu.status, FPU_SW_ZE | PENDING);
    assert_int_equal(RUN_STI(fld1, 0), VEC_MF);
    fpu_set_control(cpu, all);
    assert_int_equal(cpu->fpu.status, FPU_SW_ZE);
}

static void device_not_available_comes_before_mf_and_mf_before_page_fault(void **state)
{
    struct cpu *cpu = cpu_of(state);

    make_pending(cpu);
    assert_int_equal(RUN_MEM(fld_f64, MAPPED_END), VEC_MF);
    cpu->cr0 |= CR0_TS;
    assert_int_equal(RUN_MEM(fld_f64, MAPPED_END), VEC_NM);
    assert_int_equal(RUN_STI(fninit, 0), VEC_NM);
    assert_int_equal(RUN_MEM(fxrstor, MAPPED_END), VEC_NM);
    cpu->cr0 = (cpu->cr0 & ~(uint32_t)CR0_TS) | CR0_EM;
    assert_int_equal(RUN_STI(fnstsw_ax, 0), VEC_NM);
    cpu->cr0 &= ~(uint32_t)CR0_EM;
    DO_STI(fnclex, 0);
    assert_int_equal(RUN_MEM(fld_f64, MAPPED_END), VEC_PF);
    assert_int_equal(cpu->cr2, MAPPED_END);
}

static void wait_looks_at_mp_and_ts_together(void **state)
{
    struct cpu *cpu = cpu_of(state);

    cpu->cr0 |= CR0_TS | CR0_EM;
    DO_STI(fwait, 0);
    cpu->cr0 |= CR0_MP;
    assert_int_equal(RUN_STI(fwait, 0), VEC_NM);
    cpu->cr0 &= ~(uint32_t)CR0_TS;
    DO_STI(fwait, 0);
}

static void without_ne_the_exception_asserts_ferr(void **state)
{
    struct machine *m = *state;
    struct cpu *cpu = &m->cpu;

    cpu->cr0 &= ~(uint32_t)CR0_NE;
    make_pending(cpu);
    assert_int_equal(m->ferr_raised, 0);
    DO_STI(fwait, 0);
    DO_STI(fwait, 0);
    assert_int_equal(m->ferr_raised, 1);
    assert_int_equal(m->ferr_lowered, 0);
    DO_STI(fnclex, 0);
    assert_int_equal(m->ferr_lowered, 1);
}

static void without_ne_the_instruction_stands_still_until_its_interrupt(void **state)
{
    struct machine *m = *state;
    struct cpu *cpu = &m->cpu;
    struct insn in = sti(0);

    cpu->cr0 &= ~(uint32_t)CR0_NE;
    cpu->eflags |= EFLAGS_IF;
    m->ferr_sets_intr = true;
    make_pending(cpu);
    cpu->code = calloc(1, sizeof(struct code_cache));
    in.offset = 7;
    in.len = 2;
    cpu->executed = 0;
    assert_int_equal(run(cpu, &interp_fld1, in), NO_FAULT);
    assert_int_equal(cpu->executed, 0);
    assert_int_equal(cpu->eip, INSN_EIP + 7);
    assert_int_equal(cpu->fpu.top, 6);
    DO_STI(fnclex, 0); /* the handler's */
    DO_STI(fld1, 0);
    assert_int_equal(cpu->fpu.top, 5);
    free(cpu->code);
}

static void faulting_store_changes_no_fpu_state(void **state)
{
    struct cpu *cpu = cpu_of(state);
    struct fpu before;

    load_double(cpu, 1.1); /* inexact as m32 */
    before = cpu->fpu;
    assert_int_equal(RUN_MEM(fstp_f32, MAPPED_END - 2), VEC_PF);
    assert_int_equal(cpu->cr2, MAPPED_END);
    assert_memory_equal(&cpu->fpu, &before, offsetof(struct fpu, host));
    memset(peek(cpu, MAPPED_END - 16), 0x5a, 16);
    assert_int_equal(RUN_MEM(fstp_f80, MAPPED_END - 8), VEC_PF);
    assert_int_equal(peek64(cpu, MAPPED_END - 8), 0x5a5a5a5a5a5a5a5a);
    assert_int_equal(cpu->cr2, MAPPED_END);
    DO_STI(fld1, 0);
    DO_STI(fadd_st, 0);
    assert_int_equal(cpu->fpu.status, 0); /* nor did the host keep a flag */
}

static void save_area_beyond_page_or_limit_is_not_touched(void **state)
{
    struct cpu *cpu = cpu_of(state);

    DO_STI(fld1, 0);
    memset(peek(cpu, MAPPED_END - 64), 0x5a, 64);
    assert_int_equal(RUN_MEM(fnsave, MAPPED_END - 64), VEC_PF);
    assert_int_equal(*peek(cpu, MAPPED_END - 64), 0x5a);
    cpu->seg[DS].limit = DATA + 106;
    segment_derive_all(cpu);
    *peek(cpu, DATA) = 0x5a;
    assert_int_equal(RUN_MEM(fnsave, DATA), VEC_GP);
    assert_int_equal(*peek(cpu, DATA), 0x5a);
    check_st(cpu, 0, ONE, ONE_EXPONENT);
    cpu->seg[DS].limit = DATA + 107;
    segment_derive_all(cpu);
    DO_MEM(fnsave, DATA);
}

/* ---- images ---- */

static void make_pointers(struct cpu *cpu)
{
    struct insn in = memory(DATA);

    cpu->eip = 0x89abcdef;
    cpu->seg[CS].selector = 0x1234;
    cpu->seg[DS].selector = 0x5678;
    in.disp = DATA + 0x10004;
    in.opcode = 0xdd;
    in.modrm = 0x05;
    assert_int_equal(run(cpu, &interp_fld_f64, in), NO_FAULT);
}

static void check_bytes(struct cpu *cpu, const void *expected, unsigned len)
{
    assert_memory_equal(peek(cpu, DATA), expected, len);
    assert_int_equal(*peek(cpu, DATA + len), 0xee);
}

static void environment_has_four_layouts(void **state)
{
    struct cpu *cpu = cpu_of(state);
    struct insn in32 = memory(DATA), in16 = memory(DATA);
    static const uint32_t protected32[7] = {0xffff037f, 0xffff3800, 0xffff7fff, 0x89abcdef,
                                            0x05051234, 0x00012004, 0xffff5678};
    static const uint16_t protected16[7] = {0x037f, 0x3800, 0x7fff, 0xcdef, 0x1234, 0x2004, 0x5678};
    /* linear addresses: 89abcdef + 12340 = 89acf12f, 12004 + 56780 = 68784 */
    static const uint32_t real32[7] = {0xffff037f, 0xffff3800, 0xffff7fff, 0xfffff12f,
                                       0x089ac505, 0xffff8784, 0x00006000};
    static const uint16_t real16[7] = {0x037f, 0x3800, 0x7fff, 0xf12f, 0xc505, 0x8784, 0x6000};

    in16.opsize32 = false;
    make_pointers(cpu);
    memset(peek(cpu, DATA), 0xee, 64);
    assert_int_equal(run(cpu, &interp_fnstenv, in32), NO_FAULT);
    check_bytes(cpu, protected32, sizeof protected32);
    memset(peek(cpu, DATA), 0xee, 64);
    assert_int_equal(run(cpu, &interp_fnstenv, in16), NO_FAULT);
    check_bytes(cpu, protected16, sizeof protected16);

    cpu->eflags |= EFLAGS_VM;
    memset(peek(cpu, DATA), 0xee, 64);
    assert_int_equal(run(cpu, &interp_fnstenv, in32), NO_FAULT);
    check_bytes(cpu, real32, sizeof real32);
    fpu_init(cpu);
    assert_int_equal(run(cpu, &interp_fldenv, in32), NO_FAULT);
    memset(peek(cpu, DATA), 0xee, 64);
    assert_int_equal(run(cpu, &interp_fnstenv, in32), NO_FAULT);
    check_bytes(cpu, real32, sizeof real32);
    memset(peek(cpu, DATA), 0xee, 64);
    assert_int_equal(run(cpu, &interp_fnstenv, in16), NO_FAULT);
    check_bytes(cpu, real16, sizeof real16);
    fpu_init(cpu);
    assert_int_equal(run(cpu, &interp_fldenv, in16), NO_FAULT);
    assert_int_equal(cpu->fpu.ip_offset, 0xcf12f);
    assert_int_equal(cpu->fpu.dp_offset, 0x68784);
    assert_int_equal(cpu->fpu.opcode, 0x505);
    assert_int_equal(cpu->fpu.empty, 0x7f);
    assert_int_equal(cpu->fpu.top, 7);
}

static void control_instructions_leave_the_pointers_alone(void **state)
{
    struct cpu *cpu = cpu_of(state);

    make_pointers(cpu);
    cpu->eip = 1;
    set_control(cpu, FPU_CW_INIT);
    DO_MEM(fnstsw, DATA);
    DO_MEM(fnstenv, DATA);
    DO_MEM(fldenv, DATA);
    DO_STI(fnclex, 0);
    DO_STI(fwait, 0);
    assert_int_equal(cpu->fpu.ip_offset, 0x89abcdef);
    assert_int_equal(cpu->fpu.opcode, 0x505);
    DO_STI(fnop, 0);
    assert_int_equal(cpu->fpu.ip_offset, 1);
    assert_int_equal(cpu->fpu.dp_offset, DATA + 0x10004);
}

static void storing_the_environment_masks_all_exceptions(void **state)
{
    struct cpu *cpu = cpu_of(state);

    make_pending(cpu);
    DO_MEM(fnstenv, DATA);
    assert_int_equal(peek16(cpu, DATA), FPU_CW_INIT & ~FPU_SW_ZE);
    assert_int_equal(peek16(cpu, DATA + 4), 6 << FPU_SW_TOP_SHIFT | FPU_SW_ZE | PENDING);
    assert_int_equal(cpu->fpu.control, FPU_CW_INIT);
    assert_int_equal(cpu->fpu.status, FPU_SW_ZE);
    DO_STI(fld1, 0);
}

static void loading_the_environment_derives_the_summary_bits(void **state)
{
    struct cpu *cpu = cpu_of(state);
    uint32_t env[7] = {0xff, 0x80ff, 0};

    poke(cpu, DATA, env, sizeof env);
    DO_MEM(fldenv, DATA);
    assert_int_equal(fpu_status_word(&cpu->fpu), 0x7f);
    assert_int_equal(cpu->fpu.control, 0x7f);
    env[0] = 0x7e;
    env[1] = 1;
    poke(cpu, DATA, env, sizeof env);
    DO_MEM(fldenv, DATA);
    assert_int_equal(fpu_status_word(&cpu->fpu), 1 | PENDING);
    assert_int_equal(RUN_STI(fnop, 0), VEC_MF);
}

static void saved_state_is_restored_and_saving_initializes(void **state)
{
    struct cpu *cpu = cpu_of(state);
    struct fpu before;

    for (unsigned opsize32 = 0; opsize32 < 2; opsize32++) {
        struct insn in = memory(DATA + 0x100);

        in.opsize32 = (uint8_t)opsize32;
        fpu_init(cpu);
        load_double(cpu, -1.25);
        DO_STI(fldpi, 0);
        DO_STI(ffree, 1);
        set_control(cpu, 0x0b7f);
        cpu->fpu.opcode = 0x123;
        cpu->fpu.ip_offset &= 0xffff;
        cpu->fpu.dp_offset &= 0xffff;
        before = cpu->fpu;
        memset(peek(cpu, DATA + 0x100), 0xee, 128);
        assert_int_equal(run(cpu, &interp_fnsave, in), NO_FAULT);
        assert_int_equal(*peek(cpu, DATA + 0x100 + (opsize32 ? 108 : 94)), 0xee);
        assert_int_equal(*peek(cpu, DATA + 0x100 + (opsize32 ? 107 : 93)), 0);
        assert_int_equal(cpu->fpu.control, FPU_CW_INIT);
        assert_int_equal(cpu->fpu.empty, 0xff);
        assert_int_equal(cpu->fpu.top, 0);
        assert_int_equal(cpu->fpu.opcode | cpu->fpu.ip_offset, 0);
        memset(cpu->fpu.reg, 0, sizeof cpu->fpu.reg);
        assert_int_equal(run(cpu, &interp_frstor, in), NO_FAULT);
        assert_int_equal(cpu->fpu.opcode, opsize32 ? before.opcode : 0); /* not in the 16-bit image */
        cpu->fpu.opcode = before.opcode;
        assert_memory_equal(&cpu->fpu, &before, offsetof(struct fpu, mxcsr));
    }
}

static void fxsave_image_has_abridged_tags_and_stack_order(void **state)
{
    struct cpu *cpu = cpu_of(state);
    struct fpu before;

    make_pointers(cpu);
    DO_STI(fld1, 0);
    DO_STI(fldz, 0);
    cpu->fpu.xmm[7].q[1] = 0x1122334455667788;
    cpu->fpu.mxcsr = 0x9fc0;
    simd_load_mxcsr(cpu);
    before = cpu->fpu;
    memset(peek(cpu, DATA), 0xee, 512);
    DO_MEM(fxsave, DATA);
    assert_int_equal(peek16(cpu, DATA), 0x37f);
    assert_int_equal(peek16(cpu, DATA + 2), 5 << FPU_SW_TOP_SHIFT);
    assert_int_equal(peek16(cpu, DATA + 4), 0xe0);
    assert_int_equal(peek32(cpu, DATA + 24), 0x9fc0);
    assert_int_equal(peek32(cpu, DATA + 28), 0xffff);
    assert_int_equal(peek64(cpu, DATA + 32), 0);
    assert_int_equal(peek64(cpu, DATA + 48), ONE);
    assert_int_equal(peek64(cpu, DATA + 56), ONE_EXPONENT);
    assert_int_equal(peek64(cpu, DATA + 160 + 7 * 16 + 8), 0x1122334455667788);
    assert_int_equal(*peek(cpu, DATA + 288), 0xee);

    DO_STI(fninit, 0);
    memset(cpu->fpu.reg, 0, sizeof cpu->fpu.reg);
    memset(cpu->fpu.xmm, 0, sizeof cpu->fpu.xmm);
    cpu->fpu.mxcsr = MXCSR_RESET;
    simd_load_mxcsr(cpu);
    DO_MEM(fxrstor, DATA);
    simd_fold_mxcsr(cpu);
    assert_memory_equal(&cpu->fpu, &before, offsetof(struct fpu, host));
    assert_memory_equal(cpu->fpu.xmm, before.xmm, sizeof before.xmm);
}

static void fxsave_area_must_be_aligned_and_mxcsr_valid(void **state)
{
    struct cpu *cpu = cpu_of(state);
    uint32_t mxcsr = 0x10000;

    assert_int_equal(RUN_MEM(fxsave, DATA + 8), VEC_GP);
    assert_int_equal(RUN_MEM(fxrstor, DATA + 8), VEC_GP);
    assert_int_equal(RUN_MEM(fxsave, MAPPED_END - 256), VEC_PF);
    DO_MEM(fxsave, DATA);
    poke(cpu, DATA + 24, &mxcsr, 4);
    DO_STI(fld1, 0);
    assert_int_equal(RUN_MEM(fxrstor, DATA), VEC_GP);
    assert_int_equal(cpu->fpu.top, 7);
    cpu->cr4 &= ~(uint32_t)CR4_OSFXSR;
    DO_MEM(fxrstor, DATA);
    assert_int_equal(cpu->fpu.top, 0);
    assert_int_equal(cpu->fpu.mxcsr, MXCSR_RESET);
}

static void mmx_makes_all_registers_valid_and_top_zero(void **state)
{
    struct cpu *cpu = cpu_of(state);

    DO_STI(fld1, 0);
    fpu_mmx_enter(&cpu->fpu);
    assert_int_equal(cpu->fpu.top | cpu->fpu.empty, 0);
    assert_int_equal(cpu->fpu.reg[7].mantissa, ONE);
    fpu_mmx_leave(&cpu->fpu);
    assert_int_equal(cpu->fpu.empty, 0xff);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(next_waiting_instruction_raises_mf),
        TEST(instructions_that_do_not_wait_run_with_an_exception_pending),
        TEST(unmasking_a_flag_that_is_set_makes_it_pending),
        TEST(device_not_available_comes_before_mf_and_mf_before_page_fault),
        TEST(wait_looks_at_mp_and_ts_together),
        TEST(without_ne_the_exception_asserts_ferr),
        TEST(without_ne_the_instruction_stands_still_until_its_interrupt),
        TEST(faulting_store_changes_no_fpu_state),
        TEST(save_area_beyond_page_or_limit_is_not_touched),
        TEST(environment_has_four_layouts),
        TEST(control_instructions_leave_the_pointers_alone),
        TEST(storing_the_environment_masks_all_exceptions),
        TEST(loading_the_environment_derives_the_summary_bits),
        TEST(saved_state_is_restored_and_saving_initializes),
        TEST(fxsave_image_has_abridged_tags_and_stack_order),
        TEST(fxsave_area_must_be_aligned_and_mxcsr_valid),
        TEST(mmx_makes_all_registers_valid_and_top_zero),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
