/* Guest instructions with their IR as text: a change of the lowering shows here and is accepted by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "frontend/x86/cpu.h"
#include "frontend/x86/insn.h"
#include "frontend/x86/lower.h"

#define ALL_FEATURES 0xffffffffu

enum { FIRST_OFFSET = 0x100 }; /* of the first instruction in its page */

static const struct x86_mode flat32 = {
    .code32 = true, .stack32 = true, .protected_mode = true, .x87_native = true, .sse_native = true};
static const struct x86_mode real16 = {
    .seg = {SEG_CLASS_64K, SEG_CLASS_64K, SEG_CLASS_64K, SEG_CLASS_64K, SEG_CLASS_64K, SEG_CLASS_64K}};
/* 32-bit code on a 16-bit stack. */
static const struct x86_mode mixed = {.code32 = true, .protected_mode = true, .seg = {[SS] = SEG_CLASS_BASED}};

/* ---- bytes to text ---- */

static size_t parse_hex(uint8_t *bytes, size_t size, const char *hex)
{
    size_t n = 0;
    char *end;

    for (const char *p = hex; *p; p = end) {
        assert_true(n < size);
        bytes[n++] = (uint8_t)strtoul(p, &end, 16);
        assert_ptr_not_equal(end, p);
        while (*end == ' ')
            end++;
    }
    return n;
}

/* As the translator builds a block, with a callout for what has no lowering. */
static void lower_bytes(struct ir_block *ir, const char *hex, const struct x86_mode *mode)
{
    uint8_t bytes[64];
    size_t n = parse_hex(bytes, sizeof bytes, hex);

    ir_begin(ir, !mode->code32);
    ir->offset[0] = FIRST_OFFSET;
    for (size_t at = 0; at < n;) {
        struct insn in;

        assert_int_equal(decode_insn(&in, bytes + at, n - at, mode->code32, ALL_FEATURES), DECODE_OK);
        if (!x86_lower(ir, &in, mode))
            ir_add(ir, IR_CALLOUT, 0);
        at += in.len;
        ir->offset[++ir->n_insns] = (uint16_t)(FIRST_OFFSET + at);
    }
}

/* One operation to a line. UNIT's row is given by its name: its number changes with the table. */
static void print_block(const struct ir_block *ir, char *out, size_t size)
{
    size_t n = 0;

    *out = 0;
    for (unsigned i = 0; i < ir->n_ops; i++) {
        char text[100];

        ir_print_op(&ir->op[i], text, sizeof text);
        if (ir->op[i].opcode == IR_UNIT)
            n += (size_t)snprintf(out + n, size - n, "unit %s%s\n", isa_table[ir->op[i].imm & 0xffff].name,
                                  strstr(text, " modrm"));
        else
            n += (size_t)snprintf(out + n, size - n, "%s\n", text);
        assert_true(n < size);
    }
}

struct snippet {
    const char *hex, *ir; /* each operation ends its line */
};

static void check_snippets(const struct snippet *s, size_t n, const struct x86_mode *mode)
{
    for (size_t i = 0; i < n; i++) {
        struct ir_block ir;
        char text[4096];

        lower_bytes(&ir, s[i].hex, mode);
        print_block(&ir, text, sizeof text);
        if (strcmp(text, s[i].ir))
            fail_msg("%s becomes\n%sand not\n%s", s[i].hex, text, s[i].ir);
    }
}

#define CHECK(mode, ...)                                                                                               \
    do {                                                                                                               \
        static const struct snippet snippets_[] = {__VA_ARGS__};                                                       \
        check_snippets(snippets_, sizeof snippets_ / sizeof snippets_[0], &(mode));                                    \
    } while (0)

static void arithmetic_takes_its_operands_from_the_row(void **state)
{
    CHECK(flat32,
          /* add eax, ebx */
          {"01 d8", "add.4 eax, ebx\n"},
          /* add ax, bx */
          {"66 01 d8", "add.2 ax, bx\n"},
          /* add ch, ah */
          {"00 e5", "add.1 ch, ah\n"},
          /* add ecx, [ebx+ecx*4+10] */
          {"03 4c 8b 10", "map.4 r ds:[ebx+ecx*4+0x10]\n"
                          "add.4 ecx, mem\n"},
          /* sub [ebp-8], eax */
          {"29 45 f8", "map.4 rw ss:[ebp-8]\n"
                       "sub.4 mem, eax\n"},
          /* cmp byte [eax], 7f */
          {"80 38 7f", "map.1 r ds:[eax]\n"
                       "cmp.1 mem, 0x7f\n"},
          /* or eax, -1 */
          {"83 c8 ff", "or.4 eax, 0xffffffff\n"},
          /* or ax, -1 */
          {"66 83 c8 ff", "or.2 ax, 0xffff\n"},
          /* add eax, 12345678 */
          {"05 78 56 34 12", "add.4 eax, 0x12345678\n"},
          /* test al, 80 */
          {"a8 80", "test.1 al, 0x80\n"},
          /* test [ebx], eax */
          {"85 03", "map.4 r ds:[ebx]\n"
                    "test.4 mem, eax\n"},
          /* inc eax */
          {"40", "inc.4 eax\n"},
          /* inc byte [esp+4] */
          {"fe 44 24 04", "map.1 rw ss:[esp+4]\n"
                          "inc.1 mem\n"},
          /* neg word [ebx] */
          {"66 f7 1b", "map.2 rw ds:[ebx]\n"
                       "neg.2 mem\n"},
          /* not edx */
          {"f7 d2", "not.4 edx\n"});
}

static void exchange_and_add_work_for_equal_registers(void **state)
{
    CHECK(flat32,
          /* xadd eax, ebx */
          {"0f c1 d8", "xchg.4 eax, ebx\n"
                       "add.4 eax, ebx\n"},
          /* xadd eax, eax */
          {"0f c1 c0", "add.4 eax, eax\n"},
          /* xadd [ebx], ah */
          {"0f c0 23", "map.1 rw ds:[ebx]\n"
                       "mov.1 t0, mem\n"
                       "add.1 mem, ah\n"
                       "mov.1 ah, t0\n"},
          /* cmpxchg [ebx], ecx */
          {"0f b1 0b", "map.4 rw ds:[ebx]\n"
                       "mov.4 t0, mem\n"
                       "mov.4 t1, ecx\n"
                       "cmp.4 eax, t0\n"
                       "cmovne.4 t1, t0\n"
                       "mov.4 mem, t1\n"
                       "mov.4 eax, t0\n"},
          /* cmpxchg eax, ecx */
          {"0f b1 c8", "mov.4 t0, eax\n"
                       "mov.4 t1, ecx\n"
                       "cmp.4 eax, t0\n"
                       "cmovne.4 t1, t0\n"
                       "mov.4 eax, t0\n"
                       "mov.4 eax, t1\n"},
          /* cmpxchg8b [ebx] */
          {"0f c7 0b", "map.8 rw ds:[ebx]\n"
                       "cmpxchg8.4 mem\n"},
          /* cmpxchg cl, ah */
          {"0f b0 e1", "movzx.4 t0, cl\n"
                       "movzx.4 t1, ah\n"
                       "cmp.1 al, t0\n"
                       "cmovne.4 t1, t0\n"
                       "mov.1 al, t0\n"
                       "mov.1 cl, t1\n"},
          /* xchg [ebx], ecx */
          {"87 0b", "map.4 rw ds:[ebx]\n"
                    "mov.4 t0, mem\n"
                    "mov.4 mem, ecx\n"
                    "mov.4 ecx, t0\n"},
          /* xchg ecx, eax */
          {"91", "xchg.4 ecx, eax\n"},
          /* xchg ecx, ecx: nothing */
          {"87 c9", ""},
          /* lock xchg [ebx], ah */
          {"f0 86 23", "map.1 rw ds:[ebx]\n"
                       "mov.1 t0, mem\n"
                       "mov.1 mem, ah\n"
                       "mov.1 ah, t0\n"});
}

static void moves_extend_and_swap(void **state)
{
    CHECK(flat32,
          /* mov eax, ebx */
          {"89 d8", "mov.4 eax, ebx\n"},
          /* mov [12345678], ah */
          {"88 25 78 56 34 12", "map.1 w ds:[0x12345678]\n"
                                "mov.1 mem, ah\n"},
          /* mov word [ebx], 1234 */
          {"66 c7 03 34 12", "map.2 w ds:[ebx]\n"
                             "mov.2 mem, 0x1234\n"},
          /* mov eax, [1000] */
          {"a1 00 10 00 00", "map.4 r ds:[0x1000]\n"
                             "mov.4 eax, mem\n"},
          /* mov [8000], al */
          {"67 a2 00 80", "map.1 w ds:[0x8000] a16\n"
                          "mov.1 mem, al\n"},
          /* mov bh, 5a */
          {"b7 5a", "mov.1 bh, 0x5a\n"},
          /* movzx eax, ah */
          {"0f b6 c4", "movzx.4 eax, ah\n"},
          /* movsx ax, byte [ebx] */
          {"66 0f be 03", "map.1 r ds:[ebx]\n"
                          "movsx.2 ax, mem.1\n"},
          /* movzx ax, bx */
          {"66 0f b7 c3", "mov.2 ax, bx\n"},
          /* movsx eax, bx */
          {"0f bf c3", "movsx.4 eax, bx\n"},
          /* lea eax, [ebx+ecx*4+10] */
          {"8d 44 8b 10", "lea.4 eax, [ebx+ecx*4+0x10]\n"},
          /* lea eax, [bx+si-10] */
          {"67 8d 40 f0", "lea.4 eax, [ebx+esi*1-0x10] a16\n"},
          /* lea ax, [ebx] */
          {"66 8d 03", "lea.2 ax, [ebx]\n"},
          /* cwde */
          {"98", "movsx.4 eax, ax\n"},
          /* cbw */
          {"66 98", "movsx.2 ax, al\n"},
          /* cdq */
          {"99", "sign.4 edx, eax\n"},
          /* cwd */
          {"66 99", "sign.2 dx, ax\n"},
          /* bswap ecx */
          {"0f c9", "bswap.4 ecx\n"},
          /* bswap cx: 0 */
          {"66 0f c9", "mov.2 cx, 0\n"},
          /* xlat */
          {"d7", "movzx.4 t0, al\n"
                 "map.1 r ds:[ebx+t0*1]\n"
                 "mov.1 al, mem\n"},
          /* xlat gs:[bx] */
          {"67 65 d7", "movzx.4 t0, al\n"
                       "map.1 r gs:[ebx+t0*1] a16\n"
                       "mov.1 al, mem\n"},
          /* cmove eax, ebx */
          {"0f 44 c3", "cmove.4 eax, ebx\n"},
          /* cmovg ax, [ebx] */
          {"66 0f 4f 03", "map.2 r ds:[ebx]\n"
                          "cmovg.2 ax, mem\n"},
          /* setne ah */
          {"0f 95 c4", "setne.1 ah\n"},
          /* setb [ebx] */
          {"0f 92 03", "map.1 w ds:[ebx]\n"
                       "setb.1 mem\n"},
          /* movnti [ebx], eax */
          {"0f c3 03", "map.4 w ds:[ebx]\n"
                       "unit MOVNTI modrm 3 mem\n"},
          /* nop: nothing */
          {"90", ""},
          /* nop [eax]: nothing */
          {"0f 1f 40 00", ""},
          /* clflush [ebx] */
          {"0f ae 3b", "map.1 r ds:[ebx]\n"},
          /* prefetchnta: nothing */
          {"0f 18 03", ""});
}

static void shifts_mask_their_counts_and_do_nothing_for_zero(void **state)
{
    CHECK(flat32,
          /* shl eax, 1 */
          {"d1 e0", "shl.4 eax, 1\n"},
          /* sar eax, 3f */
          {"c1 f8 3f", "sar.4 eax, 0x1f\n"},
          /* shl word [ebx], cl */
          {"66 d3 23", "map.2 rw ds:[ebx]\n"
                       "shl.2 mem, cl\n"},
          /* rol ah, 20: nothing */
          {"c0 c4 20", ""},
          /* shl [ebx], 0: only the access */
          {"c1 23 00", "map.4 rw ds:[ebx]\n"},
          /* shld eax, ebx, 5 */
          {"0f a4 d8 05", "shld.4 eax, ebx, 5\n"},
          /* shld [ebx], eax, cl */
          {"0f a5 03", "map.4 rw ds:[ebx]\n"
                       "shld.4 mem, eax, cl\n"},
          /* shrd eax, ebx, 40: nothing */
          {"0f ac d8 40", ""},
          /* rcr ah, 1 */
          {"d0 dc", "rcr.1 ah, 1\n"});
}

static void bits_in_memory_are_of_a_string_or_have_a_constant_number(void **state)
{
    CHECK(flat32,
          /* bt eax, ebx */
          {"0f a3 d8", "bt.4 eax, ebx\n"},
          /* bts [ebx], eax: a bit string */
          {"0f ab 03", "sarx.4 t0, eax, 5\n"
                       "lea.4 t1, [ebx]\n"
                       "lea.4 t1, [t1+t0*4]\n"
                       "map.4 rw ds:[t1]\n"
                       "mov.4 t0, mem\n"
                       "bts.4 t0, eax\n"
                       "mov.4 mem, t0\n"},
          /* bt es:[bx+si+5], cx */
          {"26 67 66 0f a3 48 05", "movsx.4 t0, cx\n"
                                   "sarx.4 t0, t0, 4\n"
                                   "lea.4 t1, [ebx+esi*1+5] a16\n"
                                   "lea.4 t1, [t1+t0*2] a16\n"
                                   "map.2 r es:[t1] a16\n"
                                   "mov.2 t0, mem\n"
                                   "bt.2 t0, cx\n"},
          /* bts ax, 1f: bit 15 */
          {"66 0f ba e8 1f", "bts.2 ax, 0xf\n"},
          /* bt [ebx], 5 */
          {"0f ba 23 05", "map.4 r ds:[ebx]\n"
                          "bt.4 mem, 5\n"},
          /* btc [ebx], 25: bit 5 */
          {"0f ba 3b 25", "map.4 rw ds:[ebx]\n"
                          "btc.4 mem, 5\n"},
          /* bsf eax, ebx */
          {"0f bc c3", "bsf.4 eax, ebx\n"},
          /* bsr ax, [ebx] */
          {"66 0f bd 03", "map.2 r ds:[ebx]\n"
                          "bsr.2 ax, mem\n"},
          /* popcnt eax, ebx */
          {"f3 0f b8 c3", "popcnt.4 eax, ebx\n"});
}

static void multiplication_and_division_imply_the_accumulator(void **state)
{
    CHECK(flat32,
          /* mul ebx */
          {"f7 e3", "mul.4 ebx\n"},
          /* imul byte [ebx] */
          {"f6 2b", "map.1 r ds:[ebx]\n"
                    "imul1.1 mem\n"},
          /* imul eax, [ebx+4] */
          {"0f af 43 04", "map.4 r ds:[ebx+4]\n"
                          "imul2.4 eax, mem\n"},
          /* imul eax, ebx, -2 */
          {"6b c3 fe", "imul3.4 eax, ebx, 0xfffffffe\n"},
          /* imul ax, bx, -2 */
          {"66 6b c3 fe", "imul3.2 ax, bx, 0xfffe\n"},
          /* imul ax, [ebx], 1234 */
          {"66 69 03 34 12", "map.2 r ds:[ebx]\n"
                             "imul3.2 ax, mem, 0x1234\n"},
          /* div ah */
          {"f6 f4", "div.1 ah\n"},
          /* idiv word [ebx] */
          {"66 f7 3b", "map.2 r ds:[ebx]\n"
                       "idiv.2 mem\n"});
}

static void flags_as_data(void **state)
{
    CHECK(flat32,
          /* lahf */
          {"9f", "lahf\n"},
          /* sahf */
          {"9e", "sahf\n"},
          /* clc */
          {"f8", "clc\n"},
          /* stc */
          {"f9", "stc\n"},
          /* cmc */
          {"f5", "cmc\n"},
          /* salc */
          {"d6", "mov.4 t0, 0\n"
                 "mov.4 t1, 0xff\n"
                 "cmovb.4 t0, t1\n"
                 "mov.1 al, t0\n"},
          /* cld; here DF is set */
          {"fc", "cld\n"},
          /* std */
          {"fd", ""},
          /* daa: the interpreter */
          {"27", "callout\n"});
}

static void strings_move_as_df_says(void **state)
{
    struct x86_mode forward = flat32;

    (void)state;
    CHECK(flat32,
          /* lodsd */
          {"ad", "map.4 r ds:[esi]\n"
                 "mov.4 eax, mem\n"
                 "lea.4 esi, [esi-4]\n"},
          /* fs rep stosb */
          {"64 f3 aa", "callout\n"});
    forward.forward = true;
    CHECK(forward,
          /* lodsd */
          {"ad", "map.4 r ds:[esi]\n"
                 "mov.4 eax, mem\n"
                 "lea.4 esi, [esi+4]\n"},
          /* stosb */
          {"aa", "map.1 w es:[edi]\n"
                 "mov.1 mem, al\n"
                 "lea.4 edi, [edi+1]\n"},
          /* cld */
          {"fc", ""},
          /* std */
          {"fd", "std\n"});
}

static void pushes_write_before_they_move_the_stack_pointer(void **state)
{
    CHECK(flat32,
          /* push eax */
          {"50", "map.4 w ss:[esp-4]\n"
                 "mov.4 mem, eax\n"
                 "lea.4 esp, [esp-4]\n"},
          /* push esp */
          {"54", "map.4 w ss:[esp-4]\n"
                 "mov.4 mem, esp\n"
                 "lea.4 esp, [esp-4]\n"},
          /* push bx */
          {"66 53", "map.2 w ss:[esp-2]\n"
                    "mov.2 mem, bx\n"
                    "lea.4 esp, [esp-2]\n"},
          /* push -1 */
          {"6a ff", "map.4 w ss:[esp-4]\n"
                    "mov.4 mem, 0xffffffff\n"
                    "lea.4 esp, [esp-4]\n"},
          /* push word 1234 */
          {"66 68 34 12", "map.2 w ss:[esp-2]\n"
                          "mov.2 mem, 0x1234\n"
                          "lea.4 esp, [esp-2]\n"},
          /* push [ebx+4] */
          {"ff 73 04", "map.4 r ds:[ebx+4]\n"
                       "mov.4 t0, mem\n"
                       "map.4 w ss:[esp-4]\n"
                       "mov.4 mem, t0\n"
                       "lea.4 esp, [esp-4]\n"},
          /* pusha, popa */
          {"60", "map.4 w ss:[esp-4]\npusha.4\nlea.4 esp, [esp-0x20]\n"},
          {"61", "map.4 r ss:[esp]\npopa.4\nlea.4 esp, [esp+0x20]\n"},
          /* enter 10, 0 */
          {"c8 10 00 00", "map.4 w ss:[esp-4]\n"
                          "map.4 w ss:[esp-0x14]\n"
                          "map.4 w ss:[esp-4]\n"
                          "mov.4 mem, ebp\n"
                          "lea.4 esp, [esp-4]\n"
                          "mov.4 ebp, esp\n"
                          "lea.4 esp, [esp-0x10]\n"},
          /* enter 0, 1: the interpreter */
          {"c8 00 00 01", "callout\n"});
}

static void pops_read_before_they_move_the_stack_pointer(void **state)
{
    CHECK(flat32,
          /* pop eax */
          {"58", "map.4 r ss:[esp]\n"
                 "mov.4 eax, mem\n"
                 "lea.4 esp, [esp+4]\n"},
          /* pop esp */
          {"5c", "map.4 r ss:[esp]\n"
                 "mov.4 t0, mem\n"
                 "lea.4 esp, [esp+4]\n"
                 "mov.4 esp, t0\n"},
          /* pop sp */
          {"66 5c", "map.2 r ss:[esp]\n"
                    "mov.2 t0, mem\n"
                    "lea.4 esp, [esp+2]\n"
                    "mov.2 sp, t0\n"},
          /* pop [esp+8]: 0c above the old top */
          {"8f 44 24 08", "map.4 r ss:[esp]\n"
                          "mov.4 t0, mem\n"
                          "map.4 w ss:[esp+0xc]\n"
                          "mov.4 mem, t0\n"
                          "lea.4 esp, [esp+4]\n"},
          /* pop [ebx] */
          {"8f 03", "map.4 r ss:[esp]\n"
                    "mov.4 t0, mem\n"
                    "map.4 w ds:[ebx]\n"
                    "mov.4 mem, t0\n"
                    "lea.4 esp, [esp+4]\n"},
          /* leave */
          {"c9", "map.4 r ss:[ebp]\n"
                 "lea.4 esp, [ebp+4]\n"
                 "mov.4 ebp, mem\n"},
          /* leave, 16-bit operand */
          {"66 c9", "map.2 r ss:[ebp]\n"
                    "lea.4 esp, [ebp+2]\n"
                    "mov.2 bp, mem\n"});
}

static void a_16_bit_stack_moves_sp_alone(void **state)
{
    CHECK(mixed,
          /* push eax */
          {"50", "map.4 w ss:[esp-4] a16\n"
                 "mov.4 mem, eax\n"
                 "lea.2 sp, [esp-4] a16\n"},
          /* pop eax */
          {"58", "map.4 r ss:[esp] a16\n"
                 "mov.4 eax, mem\n"
                 "lea.2 sp, [esp+4] a16\n"},
          /* leave */
          {"c9", "map.4 r ss:[ebp] a16\n"
                 "lea.2 sp, [ebp+4] a16\n"
                 "mov.4 ebp, mem\n"},
          /* pop [esp+8]: the interpreter */
          {"8f 44 24 08", "callout\n"},
          /* pop [ebx] */
          {"8f 03", "map.4 r ss:[esp] a16\n"
                    "mov.4 t0, mem\n"
                    "map.4 w ds:[ebx]\n"
                    "mov.4 mem, t0\n"
                    "lea.2 sp, [esp+4] a16\n"},
          /* call */
          {"e8 fb ff ff ff", "map.4 w ss:[esp-4] a16\n"
                             "eip.4 t1, +0x105\n"
                             "mov.4 mem, t1\n"
                             "lea.2 sp, [esp-4] a16\n"
                             "jmp call +0x100\n"},
          /* ret 8 */
          {"c2 08 00", "map.4 r ss:[esp] a16\n"
                       "mov.4 t0, mem\n"
                       "lea.2 sp, [esp+0xc] a16\n"
                       "jmpr.4 ret t0\n"});
}

static void real_mode_reaches_64k_with_16_bit_offsets(void **state)
{
    CHECK(real16,
          /* add [1234], ax */
          {"01 06 34 12", "map.2 rw ds:[0x1234] a16\n"
                          "add.2 mem, ax\n"},
          /* mov ax, [bp+si-2] */
          {"8b 42 fe", "map.2 r ss:[ebp+esi*1-2] a16\n"
                       "mov.2 ax, mem\n"},
          /* mov eax, [si] */
          {"66 8b 04", "map.4 r ds:[esi] a16\n"
                       "mov.4 eax, mem\n"},
          /* mov ax, [ebx]: may pass the limit */
          {"67 8b 03", "callout\n"},
          /* lea ax, [ebx] */
          {"67 8d 03", "lea.2 ax, [ebx]\n"},
          /* push ax */
          {"50", "map.2 w ss:[esp-2] a16\n"
                 "mov.2 mem, ax\n"
                 "lea.2 sp, [esp-2] a16\n"},
          /* push eax */
          {"66 50", "map.4 w ss:[esp-4] a16\n"
                    "mov.4 mem, eax\n"
                    "lea.2 sp, [esp-4] a16\n"},
          /* mov cs:[bx], ax */
          {"2e 89 07", "map.2 w cs:[ebx] a16\n"
                       "mov.2 mem, ax\n"},
          /* ret */
          {"c3", "map.2 r ss:[esp] a16\n"
                 "mov.2 t0, mem\n"
                 "lea.2 sp, [esp+2] a16\n"
                 "jmpr.2 ret t0\n"},
          /* ret with a 32-bit EIP: the interpreter */
          {"66 c3", "callout\n"},
          /* jmp */
          {"eb fe", "jmp +0x100\n"},
          /* loop */
          {"e2 fe", "lea.2 cx, [ecx-1] a16\n"
                    "jnzr.2 cx, +0x100\n"},
          /* jecxz */
          {"67 e3 00", "jzr.4 ecx, +0x103\n"},
          /* call sp */
          {"ff d4", "mov.2 t0, sp\n"
                    "map.2 w ss:[esp-2] a16\n"
                    "eip.2 t1, +0x102\n"
                    "mov.2 mem, t1\n"
                    "lea.2 sp, [esp-2] a16\n"
                    "jmpr.2 call t0\n"},
          /* fld m64: no unit */
          {"dd 07", "callout\n"},
          /* fwait: no unit */
          {"9b", "callout\n"});
}

static void near_jumps_have_targets_from_the_page(void **state)
{
    CHECK(flat32,
          /* jmp 112 */
          {"eb 10", "jmp +0x112\n"},
          /* nop; jmp to the page before */
          {"90 e9 00 f0 ff ff", "jmp -0xefa\n"},
          /* je */
          {"74 02", "je +0x104\n"},
          /* jg to itself */
          {"0f 8f fa ff ff ff", "jg +0x100\n"},
          /* loop */
          {"e2 fe", "lea.4 ecx, [ecx-1]\n"
                    "jnzr.4 ecx, +0x100\n"},
          /* loop by cx */
          {"67 e2 fe", "lea.2 cx, [ecx-1] a16\n"
                       "jnzr.2 cx, +0x101\n"},
          /* jecxz */
          {"e3 00", "jzr.4 ecx, +0x102\n"},
          /* jcxz */
          {"67 e3 00", "jzr.2 cx, +0x103\n"},
          /* loope */
          {"e1 fe", "lea.4 ecx, [ecx-1]\n"
                    "mov.4 t0, 0\n"
                    "cmove.4 t0, ecx\n"
                    "jnzr.4 t0, +0x100\n"},
          /* loopne by cx */
          {"67 e0 10", "lea.2 cx, [ecx-1] a16\n"
                       "mov.4 t0, 0\n"
                       "cmovne.2 t0, cx\n"
                       "jnzr.2 t0, +0x113\n"},
          /* loopne of 16 bits: the interpreter */
          {"66 e0 fe", "callout\n"},
          /* jmp eax */
          {"ff e0", "jmpr.4 eax\n"},
          /* jmp [esp+4] */
          {"ff 64 24 04", "map.4 r ss:[esp+4]\n"
                          "mov.4 t0, mem\n"
                          "jmpr.4 t0\n"},
          /* jmp of 16 bits: the interpreter */
          {"66 eb 10", "callout\n"});
}

static void calls_and_returns_say_so(void **state)
{
    CHECK(flat32,
          /* call the next instruction */
          {"e8 00 00 00 00", "map.4 w ss:[esp-4]\n"
                             "eip.4 t1, +0x105\n"
                             "mov.4 mem, t1\n"
                             "lea.4 esp, [esp-4]\n"
                             "jmp call +0x105\n"},
          /* call eax */
          {"ff d0", "map.4 w ss:[esp-4]\n"
                    "eip.4 t1, +0x102\n"
                    "mov.4 mem, t1\n"
                    "lea.4 esp, [esp-4]\n"
                    "jmpr.4 call eax\n"},
          /* call esp: the old one */
          {"ff d4", "mov.4 t0, esp\n"
                    "map.4 w ss:[esp-4]\n"
                    "eip.4 t1, +0x102\n"
                    "mov.4 mem, t1\n"
                    "lea.4 esp, [esp-4]\n"
                    "jmpr.4 call t0\n"},
          /* call [esp+4]: of the old ESP */
          {"ff 54 24 04", "map.4 r ss:[esp+4]\n"
                          "mov.4 t0, mem\n"
                          "map.4 w ss:[esp-4]\n"
                          "eip.4 t1, +0x104\n"
                          "mov.4 mem, t1\n"
                          "lea.4 esp, [esp-4]\n"
                          "jmpr.4 call t0\n"},
          /* ret */
          {"c3", "map.4 r ss:[esp]\n"
                 "mov.4 t0, mem\n"
                 "lea.4 esp, [esp+4]\n"
                 "jmpr.4 ret t0\n"},
          /* ret c */
          {"c2 0c 00", "map.4 r ss:[esp]\n"
                       "mov.4 t0, mem\n"
                       "lea.4 esp, [esp+0x10]\n"
                       "jmpr.4 ret t0\n"});
}

static void memory_operands_of_units_have_the_row_s_width(void **state)
{
    CHECK(flat32,
          /* fadd dword [ebx] */
          {"d8 03", "map.4 r ds:[ebx]\n"
                    "unit FADD modrm 3 mem\n"},
          /* fstp qword [ebx] */
          {"dd 1b", "map.8 w ds:[ebx]\n"
                    "unit FSTP modrm 0x1b mem\n"},
          /* fld tbyte [ebx] */
          {"db 2b", "map.10 r ds:[ebx]\n"
                    "unit FLD modrm 0x2b mem\n"},
          /* fldcw [ebx] */
          {"d9 2b", "map.2 r ds:[ebx]\n"
                    "unit FLDCW modrm 0x2b mem\n"},
          /* fnstsw ax */
          {"df e0", "unit FNSTSW modrm 0xe0\n"},
          /* fnstsw [ebx] */
          {"dd 3b", "map.2 w ds:[ebx]\n"
                    "unit FNSTSW modrm 0x3b mem\n"},
          /* fxch st1 */
          {"d9 c9", "unit FXCH modrm 0xc9\n"},
          /* fwait: nothing */
          {"9b", ""},
          /* fninit: the interpreter */
          {"db e3", "callout\n"},
          /* fnstenv: the interpreter */
          {"d9 33", "callout\n"},
          /* movq mm0, [ebx] */
          {"0f 6f 03", "map.8 r ds:[ebx]\n"
                       "unit MOVQ modrm 3 mem\n"},
          /* movd [ebx], mm0 */
          {"0f 7e 03", "map.4 w ds:[ebx]\n"
                       "unit MOVD modrm 3 mem\n"},
          /* pinsrw mm0, [ebx], 2 */
          {"0f c4 03 02", "map.2 r ds:[ebx]\n"
                          "unit PINSRW modrm 3 imm 2 mem\n"},
          /* emms */
          {"0f 77", "unit EMMS modrm 0\n"},
          /* movaps xmm1, [ebx] */
          {"0f 28 0b", "map.16 r ds:[ebx] align16\n"
                       "unit MOVAPS modrm 0xb mem\n"},
          /* movups [ebx], xmm1 */
          {"0f 11 0b", "map.16 w ds:[ebx]\n"
                       "unit MOVUPS modrm 0xb mem\n"},
          /* pshufd xmm1, xmm2, 1b */
          {"66 0f 70 ca 1b", "unit PSHUFD modrm 0xca imm 0x1b\n"},
          /* cvttss2si eax, [ebx] */
          {"f3 0f 2c 03", "map.4 r ds:[ebx]\n"
                          "unit CVTTSS2SI modrm 3 mem\n"},
          /* movdqa [ebx], xmm1 */
          {"66 0f 7f 0b", "map.16 w ds:[ebx] align16\n"
                          "unit MOVDQA modrm 0xb mem\n"},
          /* ldmxcsr [ebx] */
          {"0f ae 13", "map.4 r ds:[ebx]\n"
                       "unit LDMXCSR modrm 0x13 mem\n"},
          /* stmxcsr [ebx] */
          {"0f ae 1b", "map.4 w ds:[ebx]\n"
                       "unit STMXCSR modrm 0x1b mem\n"},
          /* maskmovdqu xmm0, xmm1: the interpreter */
          {"66 0f f7 c1", "callout\n"});
}

static int set_up(void **state)
{
    decode_init();
    x86_lower_init();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arithmetic_takes_its_operands_from_the_row),
        cmocka_unit_test(exchange_and_add_work_for_equal_registers),
        cmocka_unit_test(moves_extend_and_swap),
        cmocka_unit_test(shifts_mask_their_counts_and_do_nothing_for_zero),
        cmocka_unit_test(bits_in_memory_are_of_a_string_or_have_a_constant_number),
        cmocka_unit_test(multiplication_and_division_imply_the_accumulator),
        cmocka_unit_test(flags_as_data),
        cmocka_unit_test(strings_move_as_df_says),
        cmocka_unit_test(pushes_write_before_they_move_the_stack_pointer),
        cmocka_unit_test(pops_read_before_they_move_the_stack_pointer),
        cmocka_unit_test(a_16_bit_stack_moves_sp_alone),
        cmocka_unit_test(real_mode_reaches_64k_with_16_bit_offsets),
        cmocka_unit_test(near_jumps_have_targets_from_the_page),
        cmocka_unit_test(calls_and_returns_say_so),
        cmocka_unit_test(memory_operands_of_units_have_the_row_s_width),
    };

    return cmocka_run_group_tests(tests, set_up, NULL);
}
