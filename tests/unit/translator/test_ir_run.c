/*
 * translator/ir_run.c: the IR interpreter, with a callout that notes what it was asked. What operations compute is
 * compared with the host's instructions in test_ir_run_host.c.
 */
#include "../frontend/sys_fixture.h"
#include "ir_random.h"
#include "translator/callout.h"
#include "translator/ir_run.h"

/* What callout_run is asked and what it does: there is one fixture at a time, found through cpu->board. */
struct callouts {
    unsigned n;
    const struct insn *insn[8];
    uint32_t eip[8];
    bool stops, kills;
    uint16_t unmasks; /* bits of the x87 control word that are cleared */
};

struct fixture {
    struct machine *m;
    struct cpu *cpu;
    struct cpu_board board;
    struct callouts callouts;
    struct ir_block ir;
    struct insn insn[IR_MAX_INSNS];
    bool alive;
};

enum { PAGE_EIP = 0x7000, LEFT_EIP = 0xabcd };

/* Adds 1 to EDI, so that it shows in the registers. */
bool callout_run(struct cpu *cpu, const struct insn *in, uint32_t eip)
{
    struct fixture *f = cpu->board->opaque;
    struct callouts *c = &f->callouts;

    assert_in_range(c->n, 0, 7);
    c->insn[c->n] = in;
    c->eip[c->n++] = eip;
    cpu->gpr[EDI]++;
    cpu->eip = LEFT_EIP;
    if (c->kills)
        f->alive = false;
    cpu->fpu.control &= (uint16_t)~c->unmasks;
    return !c->stops;
}

static int create(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    void *m;

    assert_non_null(f);
    assert_int_equal(machine_create(&m), 0);
    f->m = m;
    f->cpu = f->m->cpu;
    enter_protected(f->m, 0);
    f->board = *f->cpu->board;
    f->board.opaque = f;
    f->cpu->board = &f->board;
    *state = f;
    return 0;
}
static int destroy(void **state)
{
    struct fixture *f = *state;
    void *m = f->m;

    f->cpu->board = &f->m->board;
    free(f);
    return machine_destroy(&m);
}

/* The page becomes plain for reading and writing. */
static void touch(struct fixture *f, lin_addr address)
{
    mmu_st8(&f->cpu->mmu, address, mmu_ld8(&f->cpu->mmu, address, f->cpu->view), f->cpu->view);
}

static void watch(struct fixture *f, bool on)
{
    phys_watch(f->m->phys, DATA, on);
    mmu_rewatch(&f->cpu->mmu, DATA);
}

static unsigned run_as(struct fixture *f, const char *text, uint32_t page_eip, bool code16)
{
    unsigned where;
    const char *broken;

    program(&f->ir, text);
    broken = ir_check(&f->ir, &where);
    if (broken)
        fail_msg("%u: %s", where, broken);
    f->alive = true;
    f->callouts.n = 0;
    return ir_run(f->cpu, f->ir.op, f->ir.offset, f->insn, page_eip, code16, &f->alive);
}
static unsigned run(struct fixture *f, const char *text)
{
    return run_as(f, text, PAGE_EIP, false);
}

#define GPR(f, n) ((f)->cpu->gpr[n])

static void moves_write_as_much_as_their_width(void **state)
{
    struct fixture *f = *state;

    GPR(f, EAX) = 0x11223344, GPR(f, ECX) = 0x8899aabb;
    run(f, "mov.2 ax, cx\nmov.1 ch, al\nmov.1 cl, 0xffffff80");
    assert_int_equal(GPR(f, EAX), 0x1122aabb);
    assert_int_equal(GPR(f, ECX), 0x8899bb80);
    run(f, "mov.4 t0, 0x12345678\nmov.1 t0, ch\nmov.4 edx, t0");
    assert_int_equal(GPR(f, EDX), 0x123456bb);
    run(f, "movzx.4 eax, ch\nmovsx.2 dx, cl\nmovsx.4 ebx, cx");
    assert_int_equal(GPR(f, EAX), 0xbb);
    assert_int_equal(GPR(f, EDX), 0x1234ff80);
    assert_int_equal(GPR(f, EBX), 0xffffbb80);
    run(f, "xchg.1 bl, bh\nxchg.2 ax, bx\nsign.2 cx, ax\nsign.4 edx, ecx");
    assert_int_equal(GPR(f, EAX), 0x80bb);
    assert_int_equal(GPR(f, EBX), 0xffff00bb);
    assert_int_equal(GPR(f, ECX), 0x8899ffff);
    assert_int_equal(GPR(f, EDX), 0xffffffff);
    run(f, "bswap.4 ebx\nsign.4 edx, eax");
    assert_int_equal(GPR(f, EBX), 0xbb00ffff);
    assert_int_equal(GPR(f, EDX), 0);
}

static void addresses_are_summed_and_wrap(void **state)
{
    struct fixture *f = *state;

    GPR(f, EBX) = 0x1fff0, GPR(f, ESI) = 0x10008, GPR(f, EAX) = 0x55555555;
    run(f, "lea.4 ecx, [ebx+esi*4-8]\nlea.2 ax, [ebx+esi*2+1]\nlea.4 edx, [ebx+esi*1+0x10] a16");
    assert_int_equal(GPR(f, ECX), 0x1fff0 + 4 * 0x10008 - 8);
    assert_int_equal(GPR(f, EAX), 0x55550001);
    assert_int_equal(GPR(f, EDX), 8);
    run(f, "mov.4 t0, 3\nlea.4 ecx, [t0*8+0x100]\nlea.4 edx, [0x1234]");
    assert_int_equal(GPR(f, ECX), 0x118);
    assert_int_equal(GPR(f, EDX), 0x1234);
}

static void blocks_end_at_the_next_eip(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(run(f, "=mov.4 eax, 1\n=mov.4 ecx, 2"), 3); /* two and the JMP that closes */
    assert_int_equal(f->cpu->eip, PAGE_EIP + 0x108);
    assert_int_equal(run(f, "jmp -0x7100"), 1);
    assert_int_equal(f->cpu->eip, 0xffffff00);
    GPR(f, EAX) = 0x12345678;
    run(f, "jmpr.4 eax");
    assert_int_equal(f->cpu->eip, 0x12345678);
    run(f, "jmpr.2 ax");
    assert_int_equal(f->cpu->eip, 0x5678);
    run(f, "mov.4 t0, eax\nmov.4 eax, 0\njmpr.4 t0");
    assert_int_equal(f->cpu->eip, 0x12345678);
    run(f, "eip.4 eax, +0x123\neip.2 cx, -1");
    assert_int_equal(GPR(f, EAX), PAGE_EIP + 0x123);
    assert_int_equal(GPR(f, ECX) & 0xffff, PAGE_EIP - 1);
}

static void eip_wraps_at_16_bits_in_16_bit_code(void **state)
{
    struct fixture *f = *state;

    run_as(f, "jmp +0x40", 0xfff0, true);
    assert_int_equal(f->cpu->eip, 0x30);
    run_as(f, "eip.4 eax, +0x40\njmp -0x20", 0xfffffff0, true); /* the page begins below CS:0 */
    assert_int_equal(f->cpu->eip, 0xffd0);
    assert_int_equal(GPR(f, EAX), 0x30);
    GPR(f, ECX) = 1;
    run_as(f, "jzr.4 ecx, +5", 0xff00, true);
    assert_int_equal(f->cpu->eip, 0x4);
}

static void conditional_jumps_go_one_way_or_the_other(void **state)
{
    struct fixture *f = *state;
    static const uint32_t flags[] = {0, EFLAGS_CF, EFLAGS_ZF, EFLAGS_SF, EFLAGS_OF, EFLAGS_PF, EFLAGS_SF | EFLAGS_OF};

    for (unsigned cc = 0; cc < 16; cc++)
        for (unsigned i = 0; i < sizeof flags / sizeof flags[0]; i++) {
            bool holds;

            cpu_set_eflags(f->cpu, flags[i], EFLAGS_OSZAPC);
            holds = flags_condition(f->cpu, cc);
            GPR(f, EAX) = 0x1234, GPR(f, ECX) = 77, GPR(f, EDX) = 88;
            program(&f->ir, "=sete.1 al\ncmove.4 ecx, edx\n=je +0x800");
            f->ir.op[0].arg = f->ir.op[1].arg = f->ir.op[2].arg = (uint8_t)cc;
            ir_run(f->cpu, f->ir.op, f->ir.offset, f->insn, PAGE_EIP, false, &f->alive);
            assert_int_equal(f->cpu->eip, PAGE_EIP + (holds ? 0x800 : 0x108));
            assert_int_equal(GPR(f, EAX), 0x1200 + holds);
            assert_int_equal(GPR(f, ECX), holds ? 88 : 77);
        }
}

static void counters_are_tested_in_their_width(void **state)
{
    struct fixture *f = *state;

    GPR(f, ECX) = 0x10000;
    run(f, "jzr.4 ecx, +0x800");
    assert_int_equal(f->cpu->eip, PAGE_EIP + 0x104);
    run(f, "jzr.2 cx, +0x800");
    assert_int_equal(f->cpu->eip, PAGE_EIP + 0x800);
    run(f, "jnzr.4 ecx, +0x800");
    assert_int_equal(f->cpu->eip, PAGE_EIP + 0x800);
    run(f, "jnzr.2 cx, +0x800");
    assert_int_equal(f->cpu->eip, PAGE_EIP + 0x104);
}

/* ---- memory ---- */

static void plain_memory_is_read_and_written(void **state)
{
    struct fixture *f = *state;

    touch(f, DATA);
    put32(f->m, DATA + 4, 0x44332211);
    GPR(f, EBX) = DATA, GPR(f, EAX) = 0xaaaaaaaa, GPR(f, ECX) = 1;
    run(f, "=map.4 rw ds:[ebx+ecx*4]\nadd.4 mem, 0x10\n=map.4 r ds:[ebx+4]\nmov.2 ax, mem\nmovzx.4 edx, mem.1");
    assert_int_equal(get32(f->m, DATA + 4), 0x44332221);
    assert_int_equal(GPR(f, EAX), 0xaaaa2221);
    assert_int_equal(GPR(f, EDX), 0x21);
    assert_int_equal(f->callouts.n, 0);
    run(f, "map.1 w ds:[ebx]\nmov.1 mem, ah");
    assert_int_equal(get8(f->m, DATA), 0x22);
    assert_int_equal(get8(f->m, DATA + 1), 0);
    /* the last MAP counts */
    run(f, "map.4 r ds:[ebx+4]\nmov.4 t0, mem\nmap.4 w ds:[ebx+8]\nmov.4 mem, t0");
    assert_int_equal(get32(f->m, DATA + 8), 0x44332221);
}

static void the_segment_base_is_added(void **state)
{
    struct fixture *f = *state;

    touch(f, DATA);
    put32(f->m, DATA + 0x24, 0xfeedface);
    f->cpu->seg[FS].base = DATA;
    run(f, "map.4 r fs:[0x24]\nmov.4 eax, mem");
    assert_int_equal(GPR(f, EAX), 0xfeedface);
    assert_int_equal(f->callouts.n, 0);
}

static void what_is_not_plain_is_called_out(void **state)
{
    struct fixture *f = *state;
    static const char load[] = "=mov.4 eax, 1\n=map.4 r ds:[ebx]\nmov.4 ecx, mem\n=mov.4 edx, 3";
    static const char write[] = "=mov.4 eax, 1\n=map.4 w ds:[ebx]\nmov.4 mem, 7\n=mov.4 edx, 3";

    for (unsigned i = 0; i < 6; i++) {
        memset(f->cpu->gpr, 0, sizeof f->cpu->gpr);
        mmu_flush(&f->cpu->mmu);
        if (i != 0) {
            touch(f, DATA);
            touch(f, DATA + 0x1000);
        }
        if (i == 3)
            watch(f, true);
        GPR(f, EBX) = i == 1 ? DATA + 0xffd : DATA + 0xffc; /* crosses the page, or is its end */
        f->cpu->eip = 0;
        assert_int_equal(run(f, i == 2 || i == 3 ? write : load), 4);
        if (i == 2 || i >= 4) {
            assert_int_equal(f->callouts.n, 0);
            assert_int_equal(GPR(f, EDI), 0);
        } else {
            assert_int_equal(f->callouts.n, 1);
            assert_ptr_equal(f->callouts.insn[0], &f->insn[1]);
            assert_int_equal(f->callouts.eip[0], PAGE_EIP + 0x104);
            assert_int_equal(GPR(f, ECX), 0);
        }
        assert_int_equal(GPR(f, EAX), 1);
        assert_int_equal(GPR(f, EDX), 3);
        assert_int_equal(f->cpu->eip, PAGE_EIP + 0x10c);
        if (i == 3)
            watch(f, false);
    }
}

static void misaligned_accesses_are_the_interpreters(void **state)
{
    struct fixture *f = *state;

    touch(f, DATA);
    GPR(f, EBX) = DATA + 0x10;
    run(f, "map.16 r ds:[ebx] align16\nmov.4 eax, mem");
    assert_int_equal(f->callouts.n, 0);
    run(f, "map.16 r ds:[ebx+8] align16\nmov.4 eax, mem");
    assert_int_equal(f->callouts.n, 1);
    run(f, "map.16 r ds:[ebx+8]\nmov.4 eax, mem");
    assert_int_equal(f->callouts.n, 0);
    f->cpu->seg[DS].base = 8; /* the linear address counts */
    run(f, "map.16 r ds:[ebx+8] align16\nmov.4 eax, mem");
    assert_int_equal(f->callouts.n, 0);
}

static void accesses_that_wrap_in_the_segment_are_the_interpreters(void **state)
{
    struct fixture *f = *state;

    f->cpu->seg[DS].base = DATA - 0xfff0; /* offset ffff is in the middle of a page */
    touch(f, DATA);
    GPR(f, EBX) = 0xfffe;
    run(f, "map.2 r ds:[ebx] a16\nmov.2 ax, mem");
    assert_int_equal(f->callouts.n, 0);
    run(f, "map.4 r ds:[ebx] a16\nmov.2 ax, mem");
    assert_int_equal(f->callouts.n, 1);
    run(f, "map.2 r ds:[ebx+1] a16\nmov.2 ax, mem");
    assert_int_equal(f->callouts.n, 1);
    run(f, "map.4 r ds:[ebx]\nmov.2 ax, mem");
    assert_int_equal(f->callouts.n, 0);
    f->cpu->seg[DS].base = DATA + 0x20;
    GPR(f, EBX) = 0xfffffffe;
    run(f, "map.2 r ds:[ebx]\nmov.2 ax, mem");
    assert_int_equal(f->callouts.n, 0);
    run(f, "map.4 r ds:[ebx]\nmov.2 ax, mem");
    assert_int_equal(f->callouts.n, 1);
}

/* ---- callouts ---- */

static void a_callout_is_followed_by_the_next_instruction(void **state)
{
    struct fixture *f = *state;

    GPR(f, EDI) = 0;
    assert_int_equal(run(f, "=callout\n=mov.4 eax, edi\n=unit 1 modrm 0xc0\n=mov.4 ecx, edi"), 5);
    assert_int_equal(f->callouts.n, 2);
    assert_ptr_equal(f->callouts.insn[0], &f->insn[0]);
    assert_ptr_equal(f->callouts.insn[1], &f->insn[2]);
    assert_int_equal(f->callouts.eip[0], PAGE_EIP + 0x100);
    assert_int_equal(f->callouts.eip[1], PAGE_EIP + 0x108);
    assert_int_equal(GPR(f, EAX), 1);
    assert_int_equal(GPR(f, ECX), 2);
    assert_int_equal(f->cpu->eip, PAGE_EIP + 0x110);
}

static void a_callout_may_stop_the_block(void **state)
{
    struct fixture *f = *state;

    f->callouts.stops = true;
    GPR(f, EAX) = GPR(f, ECX) = 0;
    assert_int_equal(run(f, "=mov.4 eax, 1\n=callout\n=mov.4 ecx, 1"), 2);
    assert_int_equal(f->cpu->eip, LEFT_EIP);
    assert_int_equal(GPR(f, EAX), 1);
    assert_int_equal(GPR(f, ECX), 0);
}

static void a_killed_block_stops_after_its_instruction(void **state)
{
    struct fixture *f = *state;

    f->callouts.kills = true;
    GPR(f, EAX) = GPR(f, ECX) = 0;
    assert_int_equal(run(f, "=mov.4 eax, 1\n=map.4 w ds:[0x50000]\nmov.4 mem, eax\n=mov.4 ecx, 1"), 2);
    assert_int_equal(f->callouts.n, 1);
    assert_int_equal(f->cpu->eip, LEFT_EIP);
    assert_int_equal(GPR(f, EAX), 1);
    assert_int_equal(GPR(f, ECX), 0);
}

/* What follows was lowered for masked exceptions. */
static void unmasking_an_exception_ends_the_block(void **state)
{
    struct fixture *f = *state;

    f->cpu->fpu.control = 0x37f;
    GPR(f, EAX) = 0;
    assert_int_equal(run(f, "=unit 1 modrm 0xc0\n=mov.4 eax, 1"), 3);
    assert_int_equal(GPR(f, EAX), 1);
    f->callouts.unmasks = 0x300; /* precision is not a mask */
    assert_int_equal(run(f, "=unit 1 modrm 0xc0\n=mov.4 eax, 2"), 3);
    assert_int_equal(GPR(f, EAX), 2);
    f->callouts.unmasks = 4;
    assert_int_equal(run(f, "=unit 1 modrm 0xc0\n=mov.4 eax, 3"), 1);
    assert_int_equal(GPR(f, EAX), 2);
    assert_int_equal(f->cpu->eip, LEFT_EIP);
    f->cpu->fpu.control = 0x37f;
    assert_int_equal(run(f, "=map.2 r ds:[0x51000]\nunit 1 modrm 5 mem\n=mov.4 eax, 4"), 1);
    assert_int_equal(GPR(f, EAX), 2);
}

static void a_callout_that_ends_leaves_eip_alone(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(run(f, "=mov.4 eax, 1\n=callout_end"), 2);
    assert_int_equal(f->cpu->eip, LEFT_EIP);
    assert_ptr_equal(f->callouts.insn[0], &f->insn[1]);
    /* the whole CALL is the interpreter's if its stack is not plain */
    GPR(f, ESP) = STACK0;
    assert_int_equal(run(f, "eip.4 t1, +0x104\nmap.4 w ss:[esp-4]\nmov.4 mem, t1\nlea.4 esp, [esp-4]\njmp call +0x900"),
                     1);
    assert_int_equal(f->callouts.n, 1);
    assert_int_equal(f->cpu->eip, LEFT_EIP);
    assert_int_equal(GPR(f, ESP), STACK0);
    touch(f, STACK0 - 4);
    assert_int_equal(run(f, "eip.4 t1, +0x104\nmap.4 w ss:[esp-4]\nmov.4 mem, t1\nlea.4 esp, [esp-4]\njmp call +0x900"),
                     1);
    assert_int_equal(f->callouts.n, 0);
    assert_int_equal(f->cpu->eip, PAGE_EIP + 0x900);
    assert_int_equal(GPR(f, ESP), STACK0 - 4);
    assert_int_equal(get32(f->m, STACK0 - 4), PAGE_EIP + 0x104);
}

static void divisions_that_overflow_are_called_out(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *text;
        uint32_t eax, edx, ecx;
        bool overflows;
    } cases[] = {
        {"div.4 ecx", 10, 0, 0, true},
        {"div.4 ecx", 0, 5, 5, true},
        {"div.4 ecx", 0xffffffff, 4, 5, false},
        {"div.2 cx", 0, 1, 1, true},
        {"div.2 cx", 0xffff, 0, 1, false},
        {"div.1 cl", 0x100, 0, 1, true},
        {"div.1 cl", 0xff, 0, 1, false},
        {"div.1 ch", 0xff, 0, 1, true},
        {"idiv.4 ecx", 10, 0, 0, true},
        {"idiv.4 ecx", 0, 0x80000000, 0xffffffff, true},
        {"idiv.4 ecx", 0x80000000, 0, 1, true},
        {"idiv.4 ecx", 0x80000000, 0xffffffff, 1, false},
        {"idiv.4 ecx", 0x80000000, 0xffffffff, 0xffffffff, true},
        {"idiv.2 cx", 0x8000, 0xffff, 1, false},
        {"idiv.2 cx", 0x8000, 0, 1, true},
        {"idiv.1 cl", 0xff80, 0, 1, false},
        {"idiv.1 cl", 0x80, 0, 1, true},
        {"idiv.1 cl", 0x8000, 0, 0xff, true},
        {"idiv.1 cl", 0x7f, 0, 1, false},
    };

    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        GPR(f, EAX) = cases[i].eax, GPR(f, EDX) = cases[i].edx, GPR(f, ECX) = cases[i].ecx, GPR(f, EBX) = 0;
        run(f, cases[i].text);
        assert_int_equal(f->callouts.n, cases[i].overflows);
        if (cases[i].overflows) {
            assert_int_equal(GPR(f, EAX), cases[i].eax);
            assert_int_equal(GPR(f, EDX), cases[i].edx);
        }
    }
    GPR(f, EAX) = 17, GPR(f, EDX) = 0, GPR(f, ECX) = 5;
    run(f, "=div.4 ecx\n=mov.4 ebx, eax");
    assert_int_equal(GPR(f, EBX), 3);
    assert_int_equal(GPR(f, EDX), 2);
}

/* ---- time ---- */

static uint64_t board_tsc(void *opaque)
{
    return ((struct fixture *)opaque)->m->tsc;
}

static void the_time_stamp_counter_is_called_out_where_it_is_forbidden(void **state)
{
    struct fixture *f = *state;

    f->board.tsc = board_tsc;
    f->m->tsc = 0x123456789a;
    f->cpu->msr.tsc_offset = 0x100000000;
    for (unsigned i = 0; i < 4; i++) {
        const bool is_forbidden = i == 3;

        enter_protected(f->m, i & 1 ? 3 : 0);
        f->cpu->cr4 = i & 2 ? CR4_TSD : 0;
        GPR(f, EAX) = GPR(f, EDX) = 0x55, GPR(f, EBX) = 0;
        run(f, "=tsc\n=mov.4 ebx, eax");
        assert_int_equal(f->callouts.n, is_forbidden);
        assert_int_equal(GPR(f, EBX), is_forbidden ? 0x55 : 0x3456789a);
        assert_int_equal(GPR(f, EDX), is_forbidden ? 0x55 : 0x13);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, create, destroy)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(moves_write_as_much_as_their_width),
        TEST(addresses_are_summed_and_wrap),
        TEST(blocks_end_at_the_next_eip),
        TEST(eip_wraps_at_16_bits_in_16_bit_code),
        TEST(conditional_jumps_go_one_way_or_the_other),
        TEST(counters_are_tested_in_their_width),
        TEST(plain_memory_is_read_and_written),
        TEST(the_segment_base_is_added),
        TEST(what_is_not_plain_is_called_out),
        TEST(misaligned_accesses_are_the_interpreters),
        TEST(accesses_that_wrap_in_the_segment_are_the_interpreters),
        TEST(a_callout_is_followed_by_the_next_instruction),
        TEST(a_callout_may_stop_the_block),
        TEST(a_killed_block_stops_after_its_instruction),
        TEST(unmasking_an_exception_ends_the_block),
        TEST(a_callout_that_ends_leaves_eip_alone),
        TEST(divisions_that_overflow_are_called_out),
        TEST(the_time_stamp_counter_is_called_out_where_it_is_forbidden),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
