/* Walks the ISA table and holds its rows against the rules of isa.h and against each other. */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "frontend/x86/insn.h"
#include "frontend/x86/isa.h"

static const char *const where[] = {
#define OPERAND(letters, where, width) #where,
    OPERAND_LIST(OPERAND)
#undef OPERAND
};

#define row_fail(row, ...)                                                                                             \
    do {                                                                                                               \
        print_error("row %u, map %u opcode %02X modrm %u/%02X %s: ", (unsigned)((row)-isa_table), (row)->map,          \
                    (row)->opcode, (row)->modrm_kind, (row)->modrm_value, (row)->name);                                \
        print_error(__VA_ARGS__);                                                                                      \
        print_error("\n");                                                                                             \
        failures++;                                                                                                    \
    } while (0)

static unsigned failures;

/* Every fault is reported before the test fails. */
static void assert_no_failures(void)
{
    unsigned n = failures;

    failures = 0;
    assert_int_equal(n, 0);
}

static bool is_at(unsigned operand, const char *one_of)
{
    size_t n = strlen(where[operand]);

    for (const char *p = strstr(one_of, where[operand]); p; p = strstr(p + 1, where[operand]))
        if ((p == one_of || p[-1] == ' ') && (p[n] == ' ' || !p[n]))
            return true;
    return false;
}

static unsigned count_at(const struct isa_row *row, const char *one_of)
{
    unsigned n = 0;

    for (unsigned i = 0; i < row->n_operands; i++)
        n += is_at(row->operand[i], one_of);
    return n;
}

static bool has_modrm(const struct isa_row *row)
{
    return row->modrm_kind != MODRM_NONE && row->modrm_kind != MODRM_PLUS_R;
}

static bool prefixes_overlap(const struct isa_row *a, const struct isa_row *b)
{
    return a->prefix == b->prefix || a->prefix == PREFIX_ANY || b->prefix == PREFIX_ANY;
}

static bool opcodes_overlap(const struct isa_row *a, const struct isa_row *b)
{
    unsigned a_last = a->opcode + (a->modrm_kind == MODRM_PLUS_R ? 7 : 0);
    unsigned b_last = b->opcode + (b->modrm_kind == MODRM_PLUS_R ? 7 : 0);

    return a->map == b->map && a->opcode <= b_last && b->opcode <= a_last;
}

static bool claims_modrm(const struct isa_row *row, unsigned modrm)
{
    bool is_mem = modrm < 0xc0;
    unsigned reg = modrm >> 3 & 7;

    if (is_mem && count_at(row, "R N U") && !count_at(row, "C D"))
        return false;
    if ((!is_mem && count_at(row, "M")) || (reg > 5 && count_at(row, "S")))
        return false;
    switch (row->modrm_kind) {
    case MODRM_RM_MEM:
        return is_mem;
    case MODRM_RM_REG:
        return !is_mem;
    case MODRM_EXT:
        return reg == row->modrm_value;
    case MODRM_EXT_MEM:
        return reg == row->modrm_value && is_mem;
    case MODRM_EXT_REG:
        return reg == row->modrm_value && !is_mem;
    case MODRM_EXACT:
        return modrm == row->modrm_value;
    default:
        return true;
    }
}

static bool modrms_overlap(const struct isa_row *a, const struct isa_row *b)
{
    for (unsigned modrm = 0; modrm < 256; modrm++)
        if (claims_modrm(a, modrm) && claims_modrm(b, modrm))
            return true;
    return false;
}

/* EXACT beats EXT_x beats EXT beats RM_x beats RM; an opcode beats a range of eight. */
static unsigned specificity(const struct isa_row *row)
{
    static const uint8_t order[] = {
        [MODRM_NONE] = 2, [MODRM_PLUS_R] = 1,  [MODRM_RM] = 1,      [MODRM_RM_MEM] = 2, [MODRM_RM_REG] = 2,
        [MODRM_EXT] = 3,  [MODRM_EXT_MEM] = 4, [MODRM_EXT_REG] = 4, [MODRM_EXACT] = 5};

    return order[row->modrm_kind];
}

static void no_two_rows_claim_one_encoding(void **state)
{
    (void)state;
    for (const struct isa_row *a = isa_table; a < isa_table + isa_rows; a++)
        for (const struct isa_row *b = a + 1; b < isa_table + isa_rows; b++)
            if (opcodes_overlap(a, b) && prefixes_overlap(a, b) && specificity(a) == specificity(b) &&
                modrms_overlap(a, b))
                row_fail(a, "claimed by row %u %s too", (unsigned)(b - isa_table), b->name);
    assert_no_failures();
}

static void prefixes_are_all_any_or_all_mandatory_per_opcode_and_extension(void **state)
{
    (void)state;
    for (const struct isa_row *a = isa_table; a < isa_table + isa_rows; a++)
        for (const struct isa_row *b = a + 1; b < isa_table + isa_rows; b++)
            if (opcodes_overlap(a, b) && (a->prefix == PREFIX_ANY) != (b->prefix == PREFIX_ANY) && modrms_overlap(a, b))
                row_fail(a, "mixes ANY and mandatory prefixes with row %u %s", (unsigned)(b - isa_table), b->name);
    assert_no_failures();
}

static void rows_of_one_opcode_agree_on_having_a_modrm_byte(void **state)
{
    (void)state;
    for (const struct isa_row *a = isa_table; a < isa_table + isa_rows; a++)
        for (const struct isa_row *b = a + 1; b < isa_table + isa_rows; b++)
            if (opcodes_overlap(a, b) && prefixes_overlap(a, b) && has_modrm(a) != has_modrm(b))
                row_fail(a, "row %u %s disagrees about ModRM", (unsigned)(b - isa_table), b->name);
    assert_no_failures();
}

static void prefix_bytes_and_escapes_are_no_opcodes(void **state)
{
    static const uint8_t taken[] = {0x0f, 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3};

    (void)state;
    for (const struct isa_row *row = isa_table; row < isa_table + isa_rows; row++) {
        if (row->map == MAP_1B && memchr(taken, row->opcode, sizeof taken))
            row_fail(row, "is a prefix");
        if (row->map == MAP_0F && (row->opcode == 0x38 || row->opcode == 0x3a))
            row_fail(row, "is an escape");
        if (row->modrm_kind == MODRM_PLUS_R && row->opcode & 7)
            row_fail(row, "PLUS_R does not start at a multiple of eight");
        if (row->modrm_kind == MODRM_EXACT && row->modrm_value < 0xc0)
            row_fail(row, "an exact ModRM byte must be a register form");
        if (row->modrm_kind >= MODRM_EXT && row->modrm_kind <= MODRM_EXT_REG && row->modrm_value > 7)
            row_fail(row, "the extension has three bits");
    }
    assert_no_failures();
}

static void operands_have_a_place_in_the_encoding(void **state)
{
    (void)state;
    for (const struct isa_row *row = isa_table; row < isa_table + isa_rows; row++) {
        unsigned rm = count_at(row, "E R M Q N W U"), reg = count_at(row, "G S C D P V");
        unsigned imm = count_at(row, "I J A O");
        bool is_ext = row->modrm_kind >= MODRM_EXT;
        bool only_mem = row->modrm_kind == MODRM_RM_MEM || row->modrm_kind == MODRM_EXT_MEM;
        bool only_reg =
            row->modrm_kind == MODRM_RM_REG || row->modrm_kind == MODRM_EXT_REG || row->modrm_kind == MODRM_EXACT;

        if (row->n_operands > 3)
            row_fail(row, "more than three operands");
        for (unsigned i = 0; i < row->n_operands; i++)
            if (row->operand[i] == OPERAND_NO || row->operand[i] >= OPERAND_LETTERS)
                row_fail(row, "operand %u has no letters", i);
        if ((rm || reg || count_at(row, "STI")) && !has_modrm(row))
            row_fail(row, "needs a ModRM byte");
        if (rm > 1 || reg > 1)
            row_fail(row, "ModRM holds one rm and one reg operand");
        if (count_at(row, "G P V") && is_ext) /* S, C, D: the extension admits one register of the class */
            row_fail(row, "the reg field is an opcode extension");
        if (count_at(row, "Z") > 1 || (count_at(row, "Z") && row->modrm_kind != MODRM_PLUS_R))
            row_fail(row, "Z is the register of PLUS_R");
        if (row->modrm_kind == MODRM_PLUS_R && !count_at(row, "Z"))
            row_fail(row, "PLUS_R without a Z operand");
        if (only_mem && count_at(row, "R N U"))
            row_fail(row, "register operand in a memory form");
        if (only_reg && count_at(row, "M"))
            row_fail(row, "memory operand in a register form");
        if (imm > 1 &&
            !(imm == 2 && row->n_operands == 2 && row->operand[0] == OPERAND_Iw && row->operand[1] == OPERAND_Ib))
            row_fail(row, "two immediates are encoded by ENTER alone");
        if (count_at(row, "O") && has_modrm(row))
            row_fail(row, "moffs together with ModRM");
    }
    assert_no_failures();
}

static void flag_columns_are_consistent(void **state)
{
    /* By the count, shifts leave OF (and SHLD, SHRD everything) defined or not. */
    static const char *const by_count[] = {"SHL", "SHR", "SAR", "ROL", "ROR", "RCL", "RCR", "SHLD", "SHRD", "SAL"};

    (void)state;
    for (const struct isa_row *row = isa_table; row < isa_table + isa_rows; row++) {
        bool is_shift = false;

        for (unsigned i = 0; i < sizeof by_count / sizeof *by_count; i++)
            is_shift |= !strcmp(row->name, by_count[i]);
        if ((row->flags_read | row->flags_written | row->flags_undefined) & ~(uint32_t)F_ALL)
            row_fail(row, "a flag that does not exist");
        if (row->flags_undefined & ~(uint32_t)OSZAPC)
            row_fail(row, "only arithmetic flags are ever undefined");
        if (row->flags_written & row->flags_undefined && !is_shift)
            row_fail(row, "flags %x are both defined and undefined", row->flags_written & row->flags_undefined);
    }
    assert_no_failures();
}

static void checks_match_the_operands(void **state)
{
    (void)state;
    for (const struct isa_row *row = isa_table; row < isa_table + isa_rows; row++) {
        bool is_x87 = row->map == MAP_1B && row->opcode >= 0xd8 && row->opcode <= 0xdf;

        if (row->checks & LOCK_OK && !(count_at(row, "E M") && is_at(row->operand[0], "E M")))
            row_fail(row, "LOCK needs a memory destination");
        if (row->checks & REP_OK && !count_at(row, "X Y"))
            row_fail(row, "REP repeats string instructions");
        if (count_at(row, "X Y") && !(row->checks & REP_OK))
            row_fail(row, "string instruction without REP_OK");
        if (row->checks & ALIGN16 && !count_at(row, "W M"))
            row_fail(row, "ALIGN16 without a memory operand");
        if (is_x87 && !(row->checks & FPU_NM))
            row_fail(row, "x87 instruction without FPU_NM");
        if (count_at(row, "V W U") && !(row->checks & SSE_NM))
            row_fail(row, "XMM operand without SSE_NM");
        if (count_at(row, "P Q N") && !(row->checks & (MMX_NM | SSE_NM)))
            row_fail(row, "MMX operand without MMX_NM");
        if (row->checks & (CPL0 | IOPL_IF | IOPL_IO | V86_IOPL) && row->sensitive == SENSITIVE_NO)
            row_fail(row, "privileged, yet not sensitive");
        if (count_at(row, "J") && row->ends != ENDS_JUMP)
            row_fail(row, "a relative branch ends in JUMP");
        if (row->feature >= FEAT_COUNT)
            row_fail(row, "unknown feature");
    }
    assert_no_failures();
}

static void every_row_has_a_name_and_a_source(void **state)
{
    (void)state;
    for (const struct isa_row *row = isa_table; row < isa_table + isa_rows; row++) {
        const char *s = row->source;

        for (const char *p = row->name; *p; p++)
            if (!isupper((unsigned char)*p) && !isdigit((unsigned char)*p) && *p != '_')
                row_fail(row, "name is not in capitals");
        if (!row->name[0] || !s[0])
            row_fail(row, "no name or no source");
        else if (strncmp(s, "alias of ", 9) && (!(s[0] >= '1' && s[0] <= '4') || strlen(s) < 5 || !strchr(s, ' ')))
            row_fail(row, "source \"%s\" is not a volume and a title", s);
    }
    assert_no_failures();
}

/* Every reachable width and form of every row has an interpreter function. */
static void every_decodable_form_has_a_handler(void **state)
{
    (void)state;
    for (const struct isa_row *row = isa_table; row < isa_table + isa_rows; row++) {
        for (unsigned modrm = 0x05; modrm < 256; modrm += 8) { /* disp32, then disp8 forms, then registers */
            for (unsigned code32 = 0; code32 < 2; code32++) {
                static const uint8_t mandatory[] = {
                    [PREFIX_P66] = 0x66, [PREFIX_PF2] = 0xf2, [PREFIX_PF3] = 0xf3, [PREFIX_NP] = 0, [PREFIX_ANY] = 0};
                uint8_t bytes[32] = {0};
                struct insn in;
                size_t n = 0;

                if (has_modrm(row) && !claims_modrm(row, row->modrm_kind == MODRM_EXACT ? row->modrm_value : modrm))
                    continue;
                if (mandatory[row->prefix])
                    bytes[n++] = mandatory[row->prefix];
                if (row->map != MAP_1B)
                    bytes[n++] = 0x0f;
                if (row->map == MAP_0F38 || row->map == MAP_0F3A)
                    bytes[n++] = row->map == MAP_0F38 ? 0x38 : 0x3a;
                bytes[n++] = row->opcode;
                bytes[n] = row->modrm_kind == MODRM_EXACT ? row->modrm_value : modrm;
                if (decode_insn(&in, bytes, sizeof bytes, code32, ~0u) != DECODE_OK)
                    row_fail(row, "does not decode");
                else if (in.row == ISA_ROW_UD)
                    row_fail(row, "modrm %02X code%u decodes to #UD", bytes[n], code32 ? 32 : 16);
            }
        }
    }
    assert_no_failures();
}

static int build_decoder(void **state)
{
    (void)state;
    decode_init();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_two_rows_claim_one_encoding),
        cmocka_unit_test(prefixes_are_all_any_or_all_mandatory_per_opcode_and_extension),
        cmocka_unit_test(rows_of_one_opcode_agree_on_having_a_modrm_byte),
        cmocka_unit_test(prefix_bytes_and_escapes_are_no_opcodes),
        cmocka_unit_test(operands_have_a_place_in_the_encoding),
        cmocka_unit_test(flag_columns_are_consistent),
        cmocka_unit_test(checks_match_the_operands),
        cmocka_unit_test(every_row_has_a_name_and_a_source),
        cmocka_unit_test(every_decodable_form_has_a_handler),
    };

    return cmocka_run_group_tests(tests, build_decoder, NULL);
}
