/* The decoder against cases written by hand from the SDM, and against its promise never to read beyond `avail`. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "frontend/x86/cpu.h"
#include "frontend/x86/insn.h"
#include "frontend/x86/interp.h"

#define ALL_FEATURES 0xffffffffu
#define CODE16       false
#define CODE32       true

static size_t parse_hex(uint8_t *bytes, size_t size, const char *hex)
{
    size_t n = 0;
    char *end;

    for (const char *p = hex; *p; p = end) {
        assert_true(n < size);
        bytes[n++] = (uint8_t)strtoul(p, &end, 16);
        while (*end == ' ')
            end++;
    }
    return n;
}

static struct insn decode_with(const char *hex, bool code32, uint32_t features)
{
    uint8_t bytes[32];
    struct insn in;
    size_t n = parse_hex(bytes, sizeof bytes, hex);

    assert_int_equal(decode_insn(&in, bytes, n, code32, features), DECODE_OK);
    return in;
}

static struct insn decode(const char *hex, bool code32)
{
    return decode_with(hex, code32, ALL_FEATURES);
}

static const char *name(const struct insn *in)
{
    return in->row == ISA_ROW_UD ? "#UD" : isa_table[in->row].name;
}

static void assert_ud(const char *hex, bool code32)
{
    struct insn in = decode(hex, code32);

    if (in.row != ISA_ROW_UD)
        fail_msg("%s decodes to %s", hex, name(&in));
    assert_ptr_equal(in.fn, interp_ud);
    assert_in_range(in.len, 1, 15);
}

static void assert_decodes(const char *hex, bool code32, const char *expected)
{
    struct insn in = decode(hex, code32);
    uint8_t bytes[32];

    if (strcmp(name(&in), expected))
        fail_msg("%s decodes to %s, not %s", hex, name(&in), expected);
    assert_int_equal(in.len, parse_hex(bytes, sizeof bytes, hex));
    assert_non_null(in.fn);
}

/* ---- prefixes ---- */

static void last_segment_override_wins(void **state)
{
    (void)state;
    assert_int_equal(decode("26 36 8b 03", CODE32).seg, SS);
    assert_int_equal(decode("36 26 8b 03", CODE32).seg, ES);
    assert_int_equal(decode("64 65 2e 2e 8b 03", CODE32).seg, CS);
    assert_int_equal(decode("65 64 8b 03", CODE32).seg, FS);
    assert_int_equal(decode("3e 8b 45 00", CODE32).seg, DS);
}

static void prefixes_come_in_any_order_and_repeat(void **state)
{
    static const char *const forms[] = {"66 67 2e 8b 07", "2e 67 66 8b 07", "66 66 2e 67 67 8b 07",
                                        "2e 66 2e 67 66 8b 07"};

    (void)state;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct insn in = decode(forms[i], CODE32);

        assert_string_equal(name(&in), "MOV");
        assert_int_equal(in.width, WIDTH_16);
        assert_int_equal(in.opsize32, 0);
        assert_int_equal(in.addr_mask, 0xffff);
        assert_int_equal(in.seg, CS);
        assert_int_equal(in.base, EBX);
    }
}

static void last_of_f2_and_f3_selects_the_mandatory_prefix(void **state)
{
    (void)state;
    assert_decodes("0f 58 c1", CODE32, "ADDPS");
    assert_decodes("66 0f 58 c1", CODE32, "ADDPD");
    assert_decodes("f2 f3 0f 58 c1", CODE32, "ADDSS");
    assert_decodes("f3 f2 0f 58 c1", CODE32, "ADDSD");
    assert_decodes("66 f3 0f 58 c1", CODE32, "ADDSS");
    assert_decodes("f3 66 0f 58 c1", CODE32, "ADDSS");
}

static void rep_is_kept_for_string_instructions_only(void **state)
{
    (void)state;
    assert_int_equal(decode("f3 a4", CODE32).rep, REP_REP);
    assert_int_equal(decode("f2 a6", CODE32).rep, REP_REPNE);
    assert_int_equal(decode("f2 f3 a6", CODE32).rep, REP_REP);
    assert_int_equal(decode("a4", CODE32).rep, REP_NONE);
    assert_int_equal(decode("f3 8b 03", CODE32).rep, REP_NONE);
}

static void lock_needs_a_memory_destination_that_allows_it(void **state)
{
    (void)state;
    assert_decodes("f0 01 03", CODE32, "ADD");
    assert_int_equal(decode("f0 01 03", CODE32).has_lock, 1);
    assert_ud("f0 01 c3", CODE32);
    assert_ud("f0 03 03", CODE32); /* destination is a register */
    assert_ud("f0 39 03", CODE32); /* CMP */
    assert_ud("f0 89 03", CODE32); /* MOV */
    assert_ud("f0 90", CODE32);
    assert_decodes("f0 0f c7 0b", CODE32, "CMPXCHG8B");
    assert_decodes("f0 0f b1 0b", CODE32, "CMPXCHG");
    assert_decodes("f0 87 0b", CODE32, "XCHG");
    assert_ud("f0 87 cb", CODE32);
    assert_decodes("f0 0f ba 2b 01", CODE32, "BTS");
    assert_ud("f0 0f ba 23 01", CODE32); /* BT */
    assert_int_equal(decode("f0 89 03", CODE32).len, 3);
}

/* ---- length ---- */

static void fifteen_bytes_are_an_instruction_and_sixteen_are_not(void **state)
{
    uint8_t bytes[32];
    struct insn in;

    (void)state;
    memset(bytes, 0x66, sizeof bytes);
    bytes[14] = 0x90;
    assert_int_equal(decode_insn(&in, bytes, sizeof bytes, true, ALL_FEATURES), DECODE_OK);
    assert_int_equal(in.len, 15);
    bytes[14] = 0x66;
    bytes[15] = 0x90;
    assert_int_equal(decode_insn(&in, bytes, sizeof bytes, true, ALL_FEATURES), DECODE_TOO_LONG);
    assert_int_equal(decode_insn(&in, bytes, 15, true, ALL_FEATURES), DECODE_TOO_LONG);
    assert_int_equal(decode_insn(&in, bytes, 14, true, ALL_FEATURES), DECODE_MORE);
    /* MOV [disp32], imm32 with five prefixes: the immediate's last byte is the 15th, with six it is beyond. */
    memset(bytes, 0x3e, sizeof bytes);
    memcpy(bytes + 5, "\xc7\x05\x01\x02\x03\x04\x05\x06\x07\x08", 10);
    assert_int_equal(decode_insn(&in, bytes, sizeof bytes, true, ALL_FEATURES), DECODE_OK);
    assert_int_equal(in.len, 15);
    memcpy(bytes + 6, "\xc7\x05\x01\x02\x03\x04\x05\x06\x07\x08", 10);
    bytes[5] = 0x3e;
    assert_int_equal(decode_insn(&in, bytes, sizeof bytes, true, ALL_FEATURES), DECODE_TOO_LONG);
}

static void no_bytes_ask_for_more(void **state)
{
    uint8_t byte = 0x90;
    struct insn in;

    (void)state;
    assert_int_equal(decode_insn(&in, &byte, 0, true, ALL_FEATURES), DECODE_MORE);
}

/* ---- addressing ---- */

struct address_case {
    const char *hex;
    uint8_t base, index, scale, seg;
    uint32_t disp;
};

static void assert_addresses(const struct address_case *cases, size_t n, bool code32, uint32_t mask)
{
    for (size_t i = 0; i < n; i++) {
        struct insn in = decode(cases[i].hex, code32);

        assert_int_equal(in.is_mem, 1);
        assert_int_equal(in.addr_mask, mask);
        if (in.base != cases[i].base || in.index != cases[i].index || in.scale != cases[i].scale ||
            in.seg != cases[i].seg || in.disp != cases[i].disp)
            fail_msg("%s: base %u index %u scale %u seg %u disp %x", cases[i].hex, in.base, in.index, in.scale, in.seg,
                     in.disp);
    }
}

static void addressing_forms_of_16_bits(void **state)
{
    static const struct address_case cases[] = {
        {"8b 00", EBX, ESI, 0, DS, 0},
        {"8b 01", EBX, EDI, 0, DS, 0},
        {"8b 02", EBP, ESI, 0, SS, 0},
        {"8b 03", EBP, EDI, 0, SS, 0},
        {"8b 04", ESI, GPR_NONE, 0, DS, 0},
        {"8b 05", EDI, GPR_NONE, 0, DS, 0},
        {"8b 06 34 92", GPR_NONE, GPR_NONE, 0, DS, 0xffff9234},
        {"8b 07", EBX, GPR_NONE, 0, DS, 0},
        {"8b 46 fe", EBP, GPR_NONE, 0, SS, 0xfffffffe},
        {"8b 86 34 12", EBP, GPR_NONE, 0, SS, 0x1234},
        {"8b 47 7f", EBX, GPR_NONE, 0, DS, 0x7f},
        {"26 8b 82 00 80", EBP, ESI, 0, ES, 0xffff8000},
    };

    (void)state;
    assert_addresses(cases, sizeof cases / sizeof *cases, CODE16, 0xffff);
}

static void addressing_forms_of_32_bits(void **state)
{
    static const struct address_case cases[] = {
        {"8b 00", EAX, GPR_NONE, 0, DS, 0},
        {"8b 07", EDI, GPR_NONE, 0, DS, 0},
        {"8b 05 78 56 34 92", GPR_NONE, GPR_NONE, 0, DS, 0x92345678},
        {"8b 45 80", EBP, GPR_NONE, 0, SS, 0xffffff80},
        {"8b 85 01 00 00 80", EBP, GPR_NONE, 0, SS, 0x80000001},
        {"8b 04 24", ESP, GPR_NONE, 0, SS, 0},
        {"8b 04 e4", ESP, GPR_NONE, 0, SS, 0}, /* index 4 is none whatever the scale */
        {"8b 04 88", EAX, ECX, 2, DS, 0},
        {"8b 04 2b", EBX, EBP, 0, DS, 0}, /* an EBP index does not choose SS */
        {"8b 44 1d 10", EBP, EBX, 0, SS, 0x10},
        {"8b 04 dd 44 33 22 11", GPR_NONE, EBX, 3, DS, 0x11223344}, /* base 5, mod 0: disp32 */
        {"8b 04 25 44 33 22 11", GPR_NONE, GPR_NONE, 0, DS, 0x11223344},
        {"8b 44 e5 ff", EBP, GPR_NONE, 0, SS, 0xffffffff},
        {"65 8b 84 7c 04 03 02 01", ESP, EDI, 1, GS, 0x01020304},
    };

    (void)state;
    assert_addresses(cases, sizeof cases / sizeof *cases, CODE32, 0xffffffff);
}

static void prefix_67_swaps_the_addressing_forms(void **state)
{
    static const struct address_case in16[] = {{"67 8b 04 88", EAX, ECX, 2, DS, 0}};
    static const struct address_case in32[] = {{"67 8b 02", EBP, ESI, 0, SS, 0}};

    (void)state;
    assert_addresses(in16, 1, CODE16, 0xffffffff);
    assert_addresses(in32, 1, CODE32, 0xffff);
}

static void moffs_is_a_memory_operand_without_registers(void **state)
{
    static const struct address_case in32[] = {{"a1 78 56 34 92", GPR_NONE, GPR_NONE, 0, DS, 0x92345678},
                                               {"64 a3 78 56 34 12", GPR_NONE, GPR_NONE, 0, FS, 0x12345678},
                                               {"66 a1 78 56 34 12", GPR_NONE, GPR_NONE, 0, DS, 0x12345678}};
    static const struct address_case in16[] = {{"a0 34 92", GPR_NONE, GPR_NONE, 0, DS, 0x9234}};

    (void)state;
    assert_addresses(in32, 3, CODE32, 0xffffffff);
    assert_addresses(in16, 1, CODE16, 0xffff);
    assert_int_equal(decode("a0 34 92", CODE16).width, WIDTH_8);
    assert_int_equal(decode("a3 34 92", CODE16).width, WIDTH_16);
    assert_int_equal(decode("66 a3 34 92", CODE16).width, WIDTH_32);
    assert_int_equal(decode("a1 34 92", CODE16).reg, EAX);
}

static void string_instructions_default_to_ds_and_take_overrides(void **state)
{
    (void)state;
    assert_int_equal(decode("a4", CODE32).seg, DS);
    assert_int_equal(decode("a4", CODE32).is_mem, 0);
    assert_int_equal(decode("2e a5", CODE32).seg, CS);
    assert_int_equal(decode("67 a5", CODE32).addr_mask, 0xffff);
    assert_int_equal(decode("6e", CODE32).width, WIDTH_8);
    assert_int_equal(decode("6f", CODE16).width, WIDTH_16);
    assert_int_equal(decode("36 d7", CODE32).seg, SS); /* XLAT */
}

/* ---- operands ---- */

static void immediates_take_their_size_from_letter_and_operand_size(void **state)
{
    (void)state;
    assert_int_equal(decode("04 80", CODE32).imm, 0x80);
    assert_int_equal(decode("05 04 03 02 81", CODE32).imm, 0x81020304);
    assert_int_equal(decode("05 02 81", CODE16).imm, 0x8102);
    assert_int_equal(decode("66 05 02 81", CODE32).imm, 0x8102);
    assert_int_equal(decode("83 c0 80", CODE32).imm, 0xffffff80);
    assert_int_equal(decode("6a ff", CODE32).imm, 0xffffffff);
    assert_int_equal(decode("c2 ff ff", CODE32).imm, 0xffff);
    assert_int_equal(decode("69 c3 04 03 02 01", CODE32).imm, 0x01020304);
    assert_int_equal(decode("81 05 11 22 33 44 55 66 77 88", CODE32).imm, 0x88776655);
    assert_int_equal(decode("cd 80", CODE32).imm, 0x80);
}

static void branch_distances_are_sign_extended(void **state)
{
    (void)state;
    assert_int_equal(decode("eb fe", CODE32).imm, 0xfffffffe);
    assert_int_equal(decode("74 80", CODE16).imm, 0xffffff80);
    assert_int_equal(decode("e8 00 80", CODE16).imm, 0xffff8000);
    assert_int_equal(decode("e9 fb ff ff ff", CODE32).imm, 0xfffffffb);
    assert_int_equal(decode("66 0f 84 fe ff", CODE32).imm, 0xfffffffe);
    assert_int_equal(decode("e2 fe", CODE32).imm, 0xfffffffe);
}

static void enter_has_two_immediates(void **state)
{
    struct insn in = decode("c8 34 12 1f", CODE32);

    (void)state;
    assert_int_equal(in.imm, 0x1234);
    assert_int_equal(in.imm2, 0x1f);
    assert_int_equal(in.len, 4);
    assert_int_equal(in.width, WIDTH_32);
}

static void far_pointers_are_offset_then_selector(void **state)
{
    struct insn in = decode("ea 44 33 22 11 66 55", CODE32);

    (void)state;
    assert_int_equal(in.imm, 0x11223344);
    assert_int_equal(in.imm2, 0x5566);
    in = decode("9a 22 81 66 55", CODE16);
    assert_int_equal(in.imm, 0x8122);
    assert_int_equal(in.imm2, 0x5566);
    assert_int_equal(in.len, 5);
    assert_int_equal(decode("66 ea 44 33 22 11 66 55", CODE16).len, 8);
}

static void implied_accumulators_decode_as_register_zero(void **state)
{
    struct insn in = decode("04 01", CODE32);

    (void)state;
    assert_int_equal(in.is_mem, 0);
    assert_int_equal(in.rm, EAX);
    assert_int_equal(in.reg, EAX);
    assert_int_equal(in.width, WIDTH_8);
    in = decode("3d 01 00 00 00", CODE32);
    assert_int_equal(in.rm, EAX);
    assert_int_equal(in.width, WIDTH_32);
}

static void opcode_registers_land_in_reg(void **state)
{
    (void)state;
    for (unsigned r = 0; r < 8; r++) {
        char hex[32];

        snprintf(hex, sizeof hex, "%02x", 0x50 + r);
        assert_int_equal(decode(hex, CODE32).reg, r);
        snprintf(hex, sizeof hex, "%02x 12", 0xb0 + r);
        assert_int_equal(decode(hex, CODE32).reg, r);
        assert_int_equal(decode(hex, CODE32).width, WIDTH_8);
        snprintf(hex, sizeof hex, "0f %02x", 0xc8 + r);
        assert_int_equal(decode(hex, CODE32).reg, r);
    }
}

static void width_follows_the_first_operand_that_carries_data(void **state)
{
    static const struct {
        const char *hex;
        unsigned width32;
    } cases[] = {
        {"00 03", WIDTH_8},  {"01 03", WIDTH_32}, {"0f b6 03", WIDTH_32}, /* MOVZX Gv,Eb */
        {"ee", WIDTH_8},     {"ef", WIDTH_32},    {"e6 10", WIDTH_8},     {"e7 10", WIDTH_32},   {"ec", WIDTH_8},
        {"ed", WIDTH_32},    {"aa", WIDTH_8},     {"ab", WIDTH_32},       {"0f 94 c0", WIDTH_8}, {"c2 04 00", WIDTH_32},
        {"6a 01", WIDTH_32}, {"06", WIDTH_32},    {"0f 01 f0", WIDTH_16}, {"0f b0 0b", WIDTH_8},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct insn in = decode(cases[i].hex, CODE32);

        if (in.row == ISA_ROW_UD || in.width != cases[i].width32)
            fail_msg("%s: %s has width %u", cases[i].hex, name(&in), in.width);
        in = decode(cases[i].hex, CODE16);
        assert_int_equal(in.width, cases[i].width32 == WIDTH_32 ? WIDTH_16 : cases[i].width32);
        assert_int_equal(in.opsize32, 0);
    }
}

static void control_register_moves_ignore_mod(void **state)
{
    struct insn in = decode("0f 20 18", CODE32); /* mod 0: still MOV EAX, CR3 */

    (void)state;
    assert_string_equal(name(&in), "MOV");
    assert_int_equal(in.len, 3);
    assert_int_equal(in.is_mem, 0);
    assert_int_equal(in.rm, EAX);
    assert_int_equal(in.reg, 3);
    assert_int_equal(decode("0f 22 45", CODE32).len, 3); /* no displacement follows */
    assert_int_equal(decode("0f 23 bc", CODE32).len, 3); /* no SIB, no displacement */
    assert_int_equal(decode("0f 20 18", CODE16).width, WIDTH_32);
}

/* ---- #UD ---- */

static void memory_only_operands_reject_registers(void **state)
{
    static const char *const forms[] = {"8d c0",    "c4 c0",    "c5 c0",    "62 c0",    "0f b2 c0",
                                        "0f b4 c0", "0f b5 c0", "0f c7 c8", "0f 01 d0", "0f 01 d8",
                                        "ff d8",    "ff e8",    "0f c3 c0", "0f ae d0"};

    (void)state;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        assert_ud(forms[i], CODE32);
}

static void register_only_operands_reject_memory(void **state)
{
    static const char *const forms[] = {"0f d7 00", "0f f7 00", "0f 71 10 01", "0f 50 00", "0f c5 00 01"};

    (void)state;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        assert_ud(forms[i], CODE32);
}

static void segment_registers_six_and_seven_do_not_exist(void **state)
{
    (void)state;
    assert_decodes("8c e8", CODE32, "MOV");
    assert_ud("8c f0", CODE32);
    assert_ud("8c 38", CODE32);
    assert_ud("8e f8", CODE32);
    assert_ud("8e c8", CODE32); /* MOV CS */
}

static void undefined_opcodes_are_ud(void **state)
{
    static const char *const forms[] = {"0f 04",    "fe 38", "ff 38",       "ff f8",       "c6 08",
                                        "8f 08",    "0f 39", "0f 3a 00",    "0f 38 f8",    "0f 00 30",
                                        "0f 00 38", "d9 e2", "0f ba 03 01", "f3 0f 28 c0", "66 0f 77"};

    (void)state;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        assert_ud(forms[i], CODE32);
}

static void absent_features_make_instructions_undefined(void **state)
{
    static const struct {
        const char *hex;
        unsigned feature;
    } cases[] = {{"0f a2", FEAT_CPUID},   {"0f 31", FEAT_TSC},          {"0f 40 c1", FEAT_CMOV},
                 {"0f 58 c1", FEAT_SSE},  {"0f 77", FEAT_MMX},          {"0f 34", FEAT_SEP},
                 {"0f c7 0b", FEAT_CX8},  {"66 0f 58 c1", FEAT_SSE2},   {"0f b1 0b", FEAT_486},
                 {"0f 1f 00", FEAT_NOPL}, {"f3 0f b8 c1", FEAT_POPCNT}, {"d8 c1", FEAT_X87}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct insn in = decode(cases[i].hex, CODE32);

        if (in.row == ISA_ROW_UD)
            fail_msg("%s is #UD with all features", cases[i].hex);
        in = decode_with(cases[i].hex, CODE32, ALL_FEATURES & ~(1u << cases[i].feature));
        if (in.row != ISA_ROW_UD)
            fail_msg("%s is %s without its feature", cases[i].hex, name(&in));
    }
}

/* ---- robustness ---- */

enum { FUZZ_CASES = 200000 };

static uint64_t next_random(uint64_t *seed) /* splitmix64 */
{
    uint64_t z = *seed += 0x9e3779b97f4a7c15;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

/* Bytes end where an unreadable page begins. A result must not depend on bytes beyond the instruction, and each shorter
 * piece of it must ask for more. */
static void random_bytes_are_never_read_beyond_their_end(void **state)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *map = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint8_t *end = map + page;
    uint64_t seed = 1;

    (void)state;
    assert_ptr_not_equal(map, MAP_FAILED);
    assert_int_equal(mprotect(end, page, PROT_NONE), 0);
    for (unsigned i = 0; i < FUZZ_CASES; i++) {
        size_t n = next_random(&seed) % 20;
        bool code32 = next_random(&seed) & 1;
        enum decode_result result;
        struct insn in, again;

        for (size_t k = 0; k < n; k++) {
            static const uint8_t likely_bytes[] = {0x66, 0x67, 0x2e, 0xf3, 0xf0, 0x0f, 0x0f, 0x3e};
            uint64_t r = next_random(&seed);

            (end - n)[k] = r & 0x300 ? (uint8_t)r : likely_bytes[r & 7];
        }
        result = decode_insn(&in, end - n, n, code32, ALL_FEATURES);
        if (result == DECODE_MORE)
            assert_true(n < 15);
        if (result == DECODE_TOO_LONG)
            assert_true(n >= 15);
        if (result != DECODE_OK)
            continue;
        assert_true(in.len >= 1 && in.len <= 15 && in.len <= n);
        assert_true(in.row == ISA_ROW_UD || in.row < isa_rows);
        assert_non_null(in.fn);
        assert_true(in.base <= GPR_NONE && in.index <= GPR_NONE && in.scale <= 3 && in.reg < 8 && in.rm < 8);
        assert_true(in.seg < SREGS && in.width < WIDTHS);
        memmove(end - in.len, end - n, in.len);
        assert_int_equal(decode_insn(&again, end - in.len, in.len, code32, ALL_FEATURES), DECODE_OK);
        assert_memory_equal(&in, &again, sizeof in);
        for (size_t k = 1; k < in.len; k++) {
            uint8_t head[16];

            memcpy(head, end - in.len, in.len);
            memcpy(end - (in.len - k), head, in.len - k);
            assert_int_equal(decode_insn(&again, end - (in.len - k), in.len - k, code32, ALL_FEATURES), DECODE_MORE);
            memcpy(end - in.len, head, in.len);
        }
    }
    munmap(map, 2 * page);
}

static int build_decoder(void **state)
{
    (void)state;
    decode_init();
    decode_init();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(last_segment_override_wins),
        cmocka_unit_test(prefixes_come_in_any_order_and_repeat),
        cmocka_unit_test(last_of_f2_and_f3_selects_the_mandatory_prefix),
        cmocka_unit_test(rep_is_kept_for_string_instructions_only),
        cmocka_unit_test(lock_needs_a_memory_destination_that_allows_it),
        cmocka_unit_test(fifteen_bytes_are_an_instruction_and_sixteen_are_not),
        cmocka_unit_test(no_bytes_ask_for_more),
        cmocka_unit_test(addressing_forms_of_16_bits),
        cmocka_unit_test(addressing_forms_of_32_bits),
        cmocka_unit_test(prefix_67_swaps_the_addressing_forms),
        cmocka_unit_test(moffs_is_a_memory_operand_without_registers),
        cmocka_unit_test(string_instructions_default_to_ds_and_take_overrides),
        cmocka_unit_test(immediates_take_their_size_from_letter_and_operand_size),
        cmocka_unit_test(branch_distances_are_sign_extended),
        cmocka_unit_test(enter_has_two_immediates),
        cmocka_unit_test(far_pointers_are_offset_then_selector),
        cmocka_unit_test(implied_accumulators_decode_as_register_zero),
        cmocka_unit_test(opcode_registers_land_in_reg),
        cmocka_unit_test(width_follows_the_first_operand_that_carries_data),
        cmocka_unit_test(control_register_moves_ignore_mod),
        cmocka_unit_test(memory_only_operands_reject_registers),
        cmocka_unit_test(register_only_operands_reject_memory),
        cmocka_unit_test(segment_registers_six_and_seven_do_not_exist),
        cmocka_unit_test(undefined_opcodes_are_ud),
        cmocka_unit_test(absent_features_make_instructions_undefined),
        cmocka_unit_test(random_bytes_are_never_read_beyond_their_end),
    };

    return cmocka_run_group_tests(tests, build_decoder, NULL);
}
