/* Memory as text; expected lines are what QEMU 7.2 prints for the same bytes. */
#include "tests/unit/ui/cmocka_ui.h"

#include "ui/memdump.h"

static const uint8_t memory[32] = {0x53, 0xff, 0x00, 0xf0, 0xc3, 0xe2, 0x00, 0xf0, 0x80, 0x0a, 0x27,
                                   0x5c, 0x41, 0x01, 0x02, 0x03, 0x11, 0x22, 0x33, 0x44, 0x90, 0xc3};

/* 32 bytes from 0x1000, nothing elsewhere. */
static bool read_memory(void *opaque, uint64_t address, void *buffer, size_t len)
{
    if (address < 0x1000 || address + len > 0x1000 + sizeof memory)
        return false;
    memcpy(buffer, memory + (address - 0x1000), len);
    return true;
}

static struct memdump_format parsed(const char *text, struct memdump_format *sticky)
{
    struct memdump_format f;
    char error[80];

    assert_null(memdump_parse_format(&text, sticky, &f, error, sizeof error));
    return f;
}

/* What `x FORMAT address` prints. The result lives until the next call. */
static const char *dump(const char *format, uint64_t address)
{
    static char text[1000];
    struct memdump_format sticky = {.count = 1, .letter = 'x', .width = 4}, f = parsed(format, &sticky);
    FILE *out = fmemopen(text, sizeof text, "w");

    memdump_print(out, &f, address, 8, read_memory, NULL);
    fclose(out);
    return text;
}

static void hexadecimal_items_fill_lines_of_sixteen_bytes(void **state)
{
    assert_string_equal(dump("/5xw", 0x1000), "00001000: 0xf000ff53 0xf000e2c3 0x5c270a80 0x03020141\n"
                                              "00001010: 0x44332211\n");
    assert_string_equal(dump("/2xg", 0x1000), "00001000: 0xf000e2c3f000ff53 0x030201415c270a80\n");
    assert_string_equal(dump("/3xh", 0x1000), "00001000: 0xff53 0xf000 0xe2c3\n");
}

static void bytes_fill_lines_of_eight(void **state)
{
    assert_string_equal(dump("/9xb", 0x1000), "00001000: 0x53 0xff 0x00 0xf0 0xc3 0xe2 0x00 0xf0\n00001008: 0x80\n");
}

static void decimal_and_octal_items_are_padded(void **state)
{
    assert_string_equal(dump("/2dw", 0x1000), "00001000: -268370093 -268377405\n");
    assert_string_equal(dump("/2uw", 0x1000), "00001000: 4026597203 4026589891\n");
    assert_string_equal(dump("/3db", 0x1000), "00001000:  83  -1   0\n");
    assert_string_equal(dump("/2oh", 0x1000), "00001000: 0177523 0170000\n");
}

static void characters_are_quoted_and_escaped(void **state)
{
    assert_string_equal(dump("/5c", 0x1008), "00001008: '\\x80' '\\n' '\\'' '\\\\' 'A'\n");
}

static void memory_that_is_not_there_ends_the_dump(void **state)
{
    assert_string_equal(dump("/8xw", 0x1010), "00001010: 0x44332211 0x0000c390 0x00000000 0x00000000\n"
                                              "00001020: Cannot access memory\n");
}

static void formats_stick_but_code_does_not_change_the_width(void **state)
{
    struct memdump_format sticky = {.count = 1, .letter = 'x', .width = 4}, f;

    f = parsed("/3ub 0", &sticky);
    assert_int_equal(f.count, 3);
    assert_int_equal(f.letter, 'u');
    assert_int_equal(f.width, 1);
    f = parsed("0", &sticky);
    assert_int_equal(f.count, 1);
    assert_int_equal(f.letter, 'u');
    assert_int_equal(f.width, 1);
    f = parsed("/4i 0", &sticky);
    assert_int_equal(f.width, 0);
    f = parsed("/x 0", &sticky);
    assert_int_equal(f.width, 1);
}

static void an_unknown_letter_is_named(void **state)
{
    struct memdump_format sticky = {.count = 1, .letter = 'x', .width = 4}, f;
    const char *text = "/3z 0";
    char error[80];

    assert_string_equal(memdump_parse_format(&text, &sticky, &f, error, sizeof error), "invalid char in format: 'z'");
    text = "/99999999999999999999xb 0";
    assert_null(memdump_parse_format(&text, &sticky, &f, error, sizeof error));
    assert_int_equal(f.count, 1 << 24);
}

static void code_shows_bytes_and_instructions(void **state)
{
    static char text[400];
    FILE *out = fmemopen(text, sizeof text, "w");

    memdump_print_code(out, 2, true, 0x1014, 0x1014, read_memory, NULL);
    memdump_print_code(out, 1, true, 0x2000, 0x2000, read_memory, NULL);
    fclose(out);
    assert_string_equal(text, "0x00001014:  90                      nop\n"
                              "0x00001015:  c3                      ret\n"
                              "0x00002000:  Cannot access memory\n");
}

static void single_values_have_prefixes(void **state)
{
    char text[100];
    FILE *out = fmemopen(text, sizeof text, "w");

    memdump_print_value(out, 'x', 255);
    memdump_print_value(out, 'd', -1);
    memdump_print_value(out, 'u', -1);
    memdump_print_value(out, 'o', 8);
    memdump_print_value(out, 'c', 'A');
    fclose(out);
    assert_string_equal(text, "0xff-118446744073709551615010'A'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hexadecimal_items_fill_lines_of_sixteen_bytes),
        cmocka_unit_test(bytes_fill_lines_of_eight),
        cmocka_unit_test(decimal_and_octal_items_are_padded),
        cmocka_unit_test(characters_are_quoted_and_escaped),
        cmocka_unit_test(memory_that_is_not_there_ends_the_dump),
        cmocka_unit_test(formats_stick_but_code_does_not_change_the_width),
        cmocka_unit_test(an_unknown_letter_is_named),
        cmocka_unit_test(code_shows_bytes_and_instructions),
        cmocka_unit_test(single_values_have_prefixes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
