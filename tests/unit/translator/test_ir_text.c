/* translator/ir_text.c: the IR as text. */
#include "ir_random.h"

static void assert_text(const struct ir_op *op, const char *text)
{
    char line[120];

    assert_int_equal(ir_print_op(op, line, sizeof line), strlen(text));
    assert_string_equal(line, text);
}

static void every_operation_is_read_back_as_it_was_printed(void **state)
{
    struct random r = {20251};

    (void)state;
    for (unsigned opcode = 0; opcode < IR_OPCODES; opcode++)
        for (unsigned i = 0; i < 2000; i++) {
            struct ir_op op = {
                .opcode = (uint8_t)opcode, .dst = IR_NONE, .src = IR_NONE, .base = IR_NONE, .index = IR_NONE};
            struct ir_op back;
            const char *error = NULL;
            char line[120], again[120];

            random_fields(&r, &op);
            assert_in_range(ir_print_op(&op, line, sizeof line), 1, sizeof line - 1);
            if (!ir_parse_op(line, &back, &error))
                fail_msg("%s: %s", line, error);
            ir_print_op(&back, again, sizeof again);
            assert_string_equal(again, line);
            assert_memory_equal(&back, &op, sizeof op);
        }
}

static void lines_read_like_assembly(void **state)
{
    (void)state;
    static const struct ir_op none = {.dst = IR_NONE, .src = IR_NONE, .base = IR_NONE, .index = IR_NONE};
    struct ir_op op = none;

    op.opcode = IR_ADD, op.width = 4, op.dst = IR_EAX, op.src = IR_MEM;
    assert_text(&op, "add.4 eax, mem");
    op.width = 1, op.dst = IR_BH, op.src = IR_IMM, op.imm = 0xffffff80;
    assert_text(&op, "add.1 bh, 0xffffff80");
    op = none, op.opcode = IR_MAP, op.width = 4, op.seg = 2, op.base = IR_ESP, op.imm = 0u - 4;
    assert_text(&op, "map.4 r ss:[esp-4]");
    op.arg = IR_UPDATE, op.seg = 5, op.index = IR_EDI, op.scale = 3, op.imm = 0x1234, op.addr16 = 1, op.align = 16;
    assert_text(&op, "map.4 rw gs:[esp+edi*8+0x1234] a16 align16");
    op = none, op.opcode = IR_MAP, op.width = 10, op.arg = IR_WRITE, op.seg = 3, op.imm = 0xfffffff0;
    assert_text(&op, "map.10 w ds:[0xfffffff0]");
    op = none, op.opcode = IR_LEA, op.width = 2, op.dst = IR_ESP, op.base = IR_ESP, op.imm = 8;
    assert_text(&op, "lea.2 sp, [esp+8]");
    op = none, op.opcode = IR_MOVZX, op.width = 4, op.dst = IR_ECX, op.src = IR_AH, op.arg = 1;
    assert_text(&op, "movzx.4 ecx, ah");
    op.src = IR_T1, op.arg = 2;
    assert_text(&op, "movzx.4 ecx, t1.2");
    op = none, op.opcode = IR_JCC, op.arg = 5, op.imm = 0x120;
    assert_text(&op, "jne +0x120");
    op = none, op.opcode = IR_JMP, op.arg = IR_JUMP_CALL, op.imm = 0u - 0x40;
    assert_text(&op, "jmp call -0x40");
    op = none, op.opcode = IR_SHRD, op.width = 4, op.dst = IR_MEM, op.src = IR_EBX, op.arg = 1;
    assert_text(&op, "shrd.4 mem, ebx, cl");
    op = none, op.opcode = IR_CMOV, op.width = 4, op.dst = IR_ESI, op.src = IR_MEM, op.arg = 15;
    assert_text(&op, "cmovg.4 esi, mem");
    op = none, op.opcode = IR_CALLOUT_END;
    assert_text(&op, "callout_end");
}

static void short_buffers_are_filled_and_the_length_is_told(void **state)
{
    struct ir_op op = {.opcode = IR_ADD, .width = 4, .dst = IR_EAX, .src = IR_MEM};
    char line[16];

    (void)state;
    for (unsigned size = 0; size <= 15; size++) {
        memset(line, '#', sizeof line);
        assert_int_equal(ir_print_op(&op, line, size), 14);
        if (size) {
            assert_memory_equal(line, "add.4 eax, mem", size - 1);
            assert_int_equal(line[size - 1], 0);
        }
        assert_int_equal(line[size], '#');
    }
}

/* Whatever stands in the fields, printing stays within bounds. */
static void nonsense_is_printed_all_the_same(void **state)
{
    struct random r = {7};
    char line[120];

    (void)state;
    for (unsigned i = 0; i < 20000; i++) {
        struct ir_op op;
        uint8_t *bytes = (uint8_t *)&op;

        for (unsigned j = 0; j < sizeof op; j++)
            bytes[j] = (uint8_t)random_next(&r);
        if (i % 2)
            op.opcode = (uint8_t)(op.opcode % IR_OPCODES);
        assert_in_range(ir_print_op(&op, line, sizeof line), 1, sizeof line - 1);
    }
}

static void errors_say_what_is_wrong(void **state)
{
    static const struct {
        const char *text, *error;
    } bad[] = {
        {"", "no such operation"},
        {"adx.4 eax, 1", "no such operation"},
        {"jq +1", "no such operation"},
        {"add.4 ax, 1", "the register is not of the operation's width"},
        {"add.4 eax 1", "a comma is expected"},
        {"add.4 eax, ", "a number is expected"},
        {"add.4 eax, 0x123456789", "a number is expected"},
        {"add.4 eax, 9999999999", "not a number of 32 bits"},
        {"add.4 eax, 12q", "not a number of 32 bits"},
        {"add.4 eax, ecx, edx", "something follows the operation"},
        {"map.4 x ds:[eax]", "r, w or rw is expected"},
        {"map.4 r zs:[eax]", "a segment register is expected"},
        {"map.4 r ds[eax]", "a colon is expected"},
        {"map.4 r ds:eax", "an address is expected"},
        {"map.4 r ds:[ax]", "not a register of an address"},
        {"map.4 r ds:[mem]", "not a register of an address"},
        {"map.4 r ds:[eax*3]", "an index is scaled by 1, 2, 4 or 8"},
        {"map.4 r ds:[eax+ecx]", "an index is followed by its factor"},
        {"map.4 r ds:[eax", "the address does not end"},
        {"movzx.4 eax, mem", "the width of the source is expected"},
        {"movzx.4 eax, 1", "a register or mem is expected"},
        {"jne 12", "a sign is expected"},
        {"unit 1 5", "modrm is expected"},
        {"unit 0x10000 modrm 5", "no such row"},
        {"unit 1 modrm 0x100", "the number has more than a byte"},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct ir_op op;
        const char *error = NULL;

        assert_false(ir_parse_op(bad[i].text, &op, &error));
        assert_string_equal(error, bad[i].error);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operation_is_read_back_as_it_was_printed),
        cmocka_unit_test(lines_read_like_assembly),
        cmocka_unit_test(short_buffers_are_filled_and_the_length_is_told),
        cmocka_unit_test(nonsense_is_printed_all_the_same),
        cmocka_unit_test(errors_say_what_is_wrong),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
