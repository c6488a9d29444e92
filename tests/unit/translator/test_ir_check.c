/* translator/ir_check.c: the rules of the IR. */
#include "ir_random.h"

static struct ir_block ir;

static void assert_kept(void)
{
    unsigned where;
    const char *broken = ir_check(&ir, &where);

    if (broken) {
        char line[120];

        ir_print_op(&ir.op[where], line, sizeof line);
        fail_msg("operation %u, %s: %s", where, line, broken);
    }
}
static void assert_broken(const char *rule, unsigned at)
{
    unsigned where = 1000;
    const char *broken = ir_check(&ir, &where);

    assert_non_null(broken);
    assert_string_equal(broken, rule);
    assert_int_equal(where, at);
}

static void blocks_of_random_valid_operations_pass(void **state)
{
    struct random r = {99};

    (void)state;
    for (unsigned opcode = 0; opcode < IR_OPCODES; opcode++)
        for (unsigned i = 0; i < 500; i++) {
            struct ir_op *op;

            program(&ir, "map.16 rw ds:[eax]\nmov.4 t0, 1\nmov.4 t1, 2");
            ir.n_ops--; /* the JMP */
            ir.n_insns = 0;
            op = ir_add(&ir, (enum ir_opcode)opcode, 0);
            random_fields(&r, op);
            ir.n_insns = 1;
            if (ir_info[opcode].effect != IR_EFFECT_END)
                ir_add(&ir, IR_JMP, 0);
            assert_kept();
        }
}

static void instructions_as_they_are_lowered_pass(void **state)
{
    static const char *const good[] = {
        /* PUSH mem; POP mem; NOP (nothing) */
        "map.4 r ds:[ebx+4]\nmov.4 t0, mem\nmap.4 w ss:[esp-4]\nmov.4 mem, t0\nlea.4 esp, [esp-4]",
        "map.4 r ss:[esp]\nmov.4 t0, mem\nmap.4 w ds:[ebx]\nmov.4 mem, t0\nlea.4 esp, [esp+4]",
        "=add.4 eax, ecx\n=map.4 rw ds:[eax]\nadd.4 mem, ecx\n=jne -0x10",
        "map.1 r ds:[eax]\nmovzx.4 eax, mem.1",
        "map.8 r ds:[eax]\nmovzx.4 eax, mem.2\nmov.4 ecx, mem",
        "map.16 w ds:[eax] align16\nunit 0x123 modrm 5 mem",
        "map.4 r ds:[eax]\ndiv.4 mem",
        "=callout\n=callout\n=callout_end",
        "eip.4 t0, +4\nmap.4 w ss:[esp-4]\nmov.4 mem, t0\nlea.4 esp, [esp-4]\njmp call +0x40",
        "=unit 1 modrm 0xc0\n=inc.4 eax",
        "mov.2 t0, cx\nmap.1 r ds:[ebx+t0*1] a16",
        "mov.1 t0, al\nmovzx.4 t1, t0.1\nadd.4 eax, t1",
        "lea.4 ecx, [ecx-1]\njnzr.4 ecx, -4",
    };

    (void)state;
    for (unsigned i = 0; i < sizeof good / sizeof good[0]; i++) {
        program(&ir, good[i]);
        assert_kept();
    }
}

static void each_broken_rule_is_named(void **state)
{
    static const struct {
        const char *rule;
        unsigned where;
        const char *text;
    } bad[] = {
        /* temporaries */
        {"a temporary is read that this guest instruction did not write", 0, "mov.4 eax, t0"},
        {"a temporary is read that this guest instruction did not write", 1, "=mov.4 t0, eax\n=mov.4 eax, t0"},
        {"a temporary is read that this guest instruction did not write", 1, "mov.2 t0, ax\nmov.4 eax, t0"},
        {"a temporary is read that this guest instruction did not write", 1, "mov.4 t1, eax\nadd.4 t0, t1"},
        {"a temporary is read that this guest instruction did not write", 0, "map.4 r ds:[t1]"},
        {"a temporary is read that this guest instruction did not write", 0, "lea.4 eax, [ebx+t0*2]"},
        {"a temporary is read that this guest instruction did not write", 0, "movsx.4 eax, t0.1"},
        {"a temporary is read that this guest instruction did not write", 0, "jmpr.4 t0"},
        {"a temporary is read that this guest instruction did not write", 0, "jzr.4 t0, +1"},
        {"a temporary is read that this guest instruction did not write", 0, "cmp.4 eax, t0"},
        {"a temporary is read that this guest instruction did not write", 0, "xchg.4 eax, t0"},
        {"a temporary is read that this guest instruction did not write", 0, "cmove.4 t0, eax"},
        {"a temporary is read that this guest instruction did not write", 0, "bsf.4 t0, eax"},
        {"a temporary is read that this guest instruction did not write", 0, "shl.4 t0, 1"},
        {"a temporary is read that this guest instruction did not write", 0, "mul.4 t0"},
        /* MEM */
        {"MEM without a MAP in the same guest instruction", 0, "mov.4 eax, mem"},
        {"MEM without a MAP in the same guest instruction", 1, "=map.4 rw ds:[eax]\n=mov.4 mem, eax"},
        {"MEM without a MAP in the same guest instruction", 0, "unit 1 modrm 5 mem"},
        {"MEM is wider than its MAP", 1, "map.2 r ds:[eax]\nmov.4 eax, mem"},
        {"MEM is wider than its MAP", 1, "map.2 w ds:[eax]\nmov.4 mem, eax"},
        {"MEM is wider than its MAP", 1, "map.1 r ds:[eax]\nmovzx.4 eax, mem.2"},
        {"MEM is wider than its MAP", 2, "map.4 r ds:[eax]\nmap.1 r ds:[eax]\nmov.2 ax, mem"},
        {"MEM is written, but its MAP is for reading", 1, "map.4 r ds:[eax]\nmov.4 mem, eax"},
        {"MEM is written, but its MAP is for reading", 1, "map.4 r ds:[eax]\nadd.4 mem, eax"},
        {"MEM is written, but its MAP is for reading", 1, "map.1 r ds:[eax]\nsete.1 mem"},
        {"MEM is read, but its MAP is for writing only", 1, "map.4 w ds:[eax]\nadd.4 mem, eax"},
        /* what may fault stands first */
        {"something can fault after guest state has changed", 1, "mov.4 eax, ecx\nmap.4 r ds:[eax]"},
        {"something can fault after guest state has changed", 1, "cmp.4 eax, ecx\nmap.4 r ds:[eax]"},
        {"something can fault after guest state has changed", 1, "lahf\nmap.4 r ds:[eax]"},
        {"something can fault after guest state has changed", 1, "tsc\nmap.4 r ds:[ecx]"},
        {"something can fault after guest state has changed", 1, "clc\ndiv.4 ecx"},
        {"something can fault after guest state has changed", 1, "mul.4 ecx\ndiv.4 ecx"},
        {"something can fault after guest state has changed", 1, "xchg.4 eax, ecx\nidiv.4 ecx"},
        {"something can fault after guest state has changed", 1, "mov.4 eax, ecx\ncallout"},
        {"something can fault after guest state has changed", 1, "mov.4 eax, ecx\nunit 1 modrm 0xc0"},
        {"something can fault after guest state has changed", 1, "mov.4 eax, ecx\ncallout_end"},
        {"something can fault after guest state has changed", 2, "map.4 w ds:[eax]\nmov.4 mem, eax\nmap.4 r ds:[eax]"},
        {"an operation follows UNIT or CALLOUT in the same guest instruction", 1, "unit 1 modrm 0xc0\nmov.4 eax, ecx"},
        {"an operation follows UNIT or CALLOUT in the same guest instruction", 1, "callout\nmov.4 t0, ecx"},
        /* ends */
        {"the block ends before its last operation", 0, "=jmp +1\n=mov.4 eax, ecx"},
        {"the block ends before its last operation", 1, "=mov.4 eax, ecx\n=callout_end\n=jmp +1"},
        /* widths */
        {"the width is 1, 2 or 4", 0, "add.8 t0, 1"},
        {"the width is 1, 2 or 4", 0, "mul.3 t0"},
        {"the width is 1, 2 or 4", 0, "not t0"},
        {"a MAP has 1, 2, 4, 8, 10 or 16 bytes", 0, "map.6 r ds:[eax]"},
        {"no such width", 0, "jmp.3 +1"},
        {"no such width", 0, "callout.32"},
        {"the operation is not for bytes", 0, "bsf.1 al, cl"},
        {"the operation is not for bytes", 0, "imul2.1 al, cl"},
        {"the operation is not for bytes", 0, "imul3.1 al, cl, 3"},
        {"the operation is not for bytes", 0, "cmove.1 al, cl"},
        {"the operation is not for bytes", 0, "shld.1 al, cl, 3"},
        {"the operation is not for bytes", 0, "bt.1 al, cl"},
        {"the operation is not for bytes", 0, "lea.1 al, [ecx]"},
        {"the operation is not for bytes", 0, "jzr.1 cl, +1"},
        {"SETCC makes a byte", 0, "sete.4 eax"},
        {"BSWAP has 4 bytes", 0, "bswap.2 ax"},
        {"the source is narrower than the destination: 1 or 2 bytes", 0, "movzx.2 ax, cx"},
        {"the source is narrower than the destination: 1 or 2 bytes", 0, "movsx.4 eax, ecx"},
        {"ESP, EBP, ESI and EDI have no byte register", 0, "add.1 spl, 1"},
        {"ESP, EBP, ESI and EDI have no byte register", 0, "movzx.4 eax, dil"},
        /* kinds of operands */
        {"dst is a register or MEM", 0, "add.4 0, eax"},
        {"dst is a register or MEM", 0, "cmp.4 0, eax"},
        {"dst is a register or MEM", 0, "inc.4 0"},
        {"dst is a register", 1, "map.4 rw ds:[eax]\nxchg.4 mem, eax"},
        {"dst is a register", 1, "map.4 rw ds:[eax]\nbswap.4 mem"},
        {"dst is a register", 1, "map.4 rw ds:[eax]\nlea.4 mem, [eax]"},
        {"dst is a register", 1, "map.4 rw ds:[eax]\nmovzx.4 mem, ax"},
        {"dst is a register", 1, "map.4 rw ds:[eax]\nimul2.4 mem, eax"},
        {"XCHG is for registers", 1, "map.4 rw ds:[eax]\nxchg.4 eax, mem"},
        {"XCHG is for registers", 0, "xchg.4 eax, 1"},
        {"at most one operand is MEM", 1, "map.4 rw ds:[eax]\nmov.4 mem, mem"},
        {"at most one operand is MEM", 1, "map.4 rw ds:[eax]\ncmp.4 mem, mem"},
        {"src is a register or MEM", 0, "mul.4 0"},
        {"src is a register or MEM", 0, "bsf.4 eax, 0"},
        {"src is a register or MEM", 0, "cmove.4 eax, 0"},
        {"src is a register or MEM", 0, "imul3.4 eax, 0, 2"},
        {"the operation is for registers of 4 bytes", 0, "sarx.2 ax, cx, 2"},
        {"the count is 0 to 31", 0, "sarx.4 eax, ecx, 0x20"},
        {"src is a register", 1, "map.4 r ds:[eax]\nsarx.4 eax, mem, 3"},
        {"dst is a register", 1, "map.4 w ds:[eax]\nsarx.4 mem, eax, 3"},
        {"the operation is for registers of 4 bytes", 1, "map.8 rw ds:[eax]\ncmpxchg8.2 mem"},
        {"src is MEM of 8 bytes that is read and written", 0, "cmpxchg8.4 ecx"},
        {"src is MEM of 8 bytes that is read and written", 0, "cmpxchg8.4 mem"},
        {"src is MEM of 8 bytes that is read and written", 1, "map.4 rw ds:[eax]\ncmpxchg8.4 mem"},
        {"src is MEM of 8 bytes that is read and written", 1, "map.8 r ds:[eax]\ncmpxchg8.4 mem"},
        {"src is a register", 1, "map.4 rw ds:[eax]\njmpr.4 mem"},
        {"src is a register", 1, "map.4 rw ds:[eax]\njzr.4 mem, +1"},
        {"src is a register", 1, "map.4 rw ds:[eax]\nshld.4 eax, mem, 1"},
        {"src is a register", 0, "shrd.4 eax, 1, 1"},
        {"the number of a bit is a register or IMM", 1, "map.4 rw ds:[eax]\nbt.4 eax, mem"},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        program(&ir, bad[i].text);
        assert_broken(bad[i].rule, bad[i].where);
    }
}

/* What the text form cannot say. */
#define BREAK(text, rule, field, value)                                                                                \
    do {                                                                                                               \
        program(&ir, text);                                                                                            \
        assert_kept();                                                                                                 \
        ir.op[0].field = (value);                                                                                      \
        assert_broken(rule, 0);                                                                                        \
    } while (0)

static void fields_outside_their_range_are_named(void **state)
{
    (void)state;
    BREAK("add.4 eax, ecx", "no such operation", opcode, IR_OPCODES);
    BREAK("add.4 eax, ecx", "dst is a register or MEM", dst, 200);
    BREAK("add.4 eax, ecx", "src is a register, MEM or IMM", src, IR_NONE);
    BREAK("add.4 eax, ecx", "AH, CH, DH and BH are bytes", src, IR_CH);
    BREAK("map.4 r ds:[eax]", "no such access", arg, 3);
    BREAK("map.4 r ds:[eax]", "no such segment register", seg, 6);
    BREAK("map.4 r ds:[eax]", "the alignment is 0 or 16", align, 8);
    BREAK("map.4 r ds:[eax]", "an address is made of registers of 32 bits", base, IR_AH);
    BREAK("map.4 r ds:[eax]", "an address is made of registers of 32 bits", index, IR_MEM);
    BREAK("map.4 r ds:[eax+ecx*2]", "no such scale", scale, 4);
    BREAK("map.4 r ds:[eax]", "no such scale", scale, 1);
    BREAK("map.4 r ds:[eax]", "addr16 is 0 or 1", addr16, 2);
    BREAK("jne +1", "no such condition", arg, 16);
    BREAK("sete.1 al", "no such condition", arg, 16);
    BREAK("cmove.4 eax, ecx", "no such condition", arg, 16);
    BREAK("jmp +1", "no such kind of jump", arg, 3);
    BREAK("jmpr.4 eax", "no such kind of jump", arg, 3);
    BREAK("shl.4 eax, cl", "the count is IMM or ECX", src, IR_EDX);
    BREAK("shld.4 eax, ecx, cl", "the count is in ECX or in imm", arg, 2);
    BREAK("unit 1 modrm 0xc0", "src is MEM or NONE", src, IR_EAX);
    BREAK("unit 1 modrm 0xc0", "UNIT has an immediate of a byte", imm, 1u << 24);
}

static void fields_that_the_format_has_not_are_empty(void **state)
{
    (void)state;
    BREAK("clc", "the operation has no dst", dst, IR_EAX);
    BREAK("inc.4 eax", "the operation has no src", src, IR_EAX);
    BREAK("add.4 eax, ecx", "the operation has no arg", arg, 1);
    BREAK("add.4 eax, ecx", "the operation has no immediate", imm, 1);
    BREAK("add.4 eax, ecx", "the operation has no address", base, IR_EAX);
    BREAK("add.4 eax, ecx", "the operation has no address", index, IR_EAX);
    BREAK("add.4 eax, ecx", "the operation has no address", scale, 1);
    BREAK("add.4 eax, ecx", "the operation has no address", addr16, 1);
    BREAK("add.4 eax, ecx", "the operation has no segment", seg, 1);
    BREAK("lea.4 eax, [ecx]", "the operation has no segment", align, 16);
    BREAK("shld.4 eax, ecx, cl", "the operation has no immediate", imm, 1);
    BREAK("jzr.4 ecx, +1", "the operation has no dst", dst, IR_EAX);
}

static void guest_instructions_are_in_order_and_exist(void **state)
{
    (void)state;
    program(&ir, "=inc.4 eax\n=inc.4 eax\n=inc.4 eax");
    ir.op[2].insn = 0;
    assert_broken("operations are not in the order of the guest instructions", 2);
    ir.op[2].insn = 3;
    assert_broken("no such guest instruction", 2);
    program(&ir, "=inc.4 eax\n=jne +1");
    ir.op[1].insn = 2;
    assert_broken("no such guest instruction", 1);
    program(&ir, "=inc.4 eax");
    ir.op[1].insn = 2;
    assert_broken("no such guest instruction", 1);
}

static void blocks_end_and_are_of_bounded_size(void **state)
{
    (void)state;
    program(&ir, "inc.4 eax\ninc.4 ecx");
    ir.n_ops--;
    assert_broken("the last operation does not end the block", 1);
    ir.n_ops = 0;
    assert_broken("the block has no operations, or too many", 0);
    ir.n_ops = IR_MAX_OPS + 1;
    assert_broken("the block has no operations, or too many", 0);
    program(&ir, "inc.4 eax");
    ir.n_insns = IR_MAX_INSNS + 1;
    assert_broken("the block has too many guest instructions", 0);
    program(&ir, "inc.4 eax\ninc.4 eax\ninc.4 eax\ninc.4 eax\ninc.4 eax\ninc.4 eax\n"
                 "inc.4 eax\ninc.4 eax\ninc.4 eax\ninc.4 eax\ninc.4 eax\ninc.4 eax");
    assert_kept();
    program(&ir, "inc.4 eax\ninc.4 eax\ninc.4 eax\ninc.4 eax\ninc.4 eax\ninc.4 eax\ninc.4 eax\n"
                 "inc.4 eax\ninc.4 eax\ninc.4 eax\ninc.4 eax\ninc.4 eax\ninc.4 eax");
    assert_broken("too many operations for one guest instruction", 12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_of_random_valid_operations_pass),
        cmocka_unit_test(instructions_as_they_are_lowered_pass),
        cmocka_unit_test(each_broken_rule_is_named),
        cmocka_unit_test(fields_outside_their_range_are_named),
        cmocka_unit_test(fields_that_the_format_has_not_are_empty),
        cmocka_unit_test(guest_instructions_are_in_order_and_exist),
        cmocka_unit_test(blocks_end_and_are_of_bounded_size),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
