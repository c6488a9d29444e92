/* Assembly text: what Capstone says reaches the caller whole, cut to size, and marked when it is no instruction. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "frontend/x86/annotate.h"

static void text_is_intel_syntax_with_absolute_targets(void **state)
{
    char text[96];

    (void)state;
    assert_int_equal(annotate_disassemble((const uint8_t *)"\x8b\x43\x04", 3, 0, true, text, sizeof text), 3);
    assert_string_equal(text, "mov eax, dword ptr [ebx + 4]");
    assert_int_equal(annotate_disassemble((const uint8_t *)"\xeb\x10\x90", 3, 0xc0000000, true, text, sizeof text), 2);
    assert_string_equal(text, "jmp 0xc0000012");
    assert_int_equal(annotate_disassemble((const uint8_t *)"\x90", 1, 0, true, text, sizeof text), 1);
    assert_string_equal(text, "nop");
}

static void code_size_chooses_operand_and_address_size(void **state)
{
    char text[96];

    (void)state;
    assert_int_equal(annotate_disassemble((const uint8_t *)"\xea\x5b\xe0\x00\xf0", 5, 0xfff0, false, text, sizeof text),
                     5);
    assert_non_null(strstr(text, "0xe05b"));
    assert_int_equal(annotate_disassemble((const uint8_t *)"\xb8\x34\x12\x90\x90", 5, 0, false, text, sizeof text), 3);
    assert_string_equal(text, "mov ax, 0x1234");
}

static void text_is_cut_to_the_buffer(void **state)
{
    char text[8] = "1234567";

    (void)state;
    assert_int_equal(annotate_disassemble((const uint8_t *)"\x8b\x43\x04", 3, 0, true, text, 6), 3);
    assert_string_equal(text, "mov e");
    assert_int_equal(text[6], '7');
}

static void cut_off_and_undefined_bytes_are_bad(void **state)
{
    char text[96];

    (void)state;
    assert_int_equal(annotate_disassemble((const uint8_t *)"\xb8\x34", 2, 0, true, text, sizeof text), 0);
    assert_string_equal(text, "(bad)");
    assert_int_equal(annotate_disassemble((const uint8_t *)"\x0f\x04\xc0\xc0", 4, 0, true, text, sizeof text), 0);
    assert_string_equal(text, "(bad)");
    assert_int_equal(annotate_disassemble((const uint8_t *)"", 0, 0, true, text, sizeof text), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_intel_syntax_with_absolute_targets),
        cmocka_unit_test(code_size_chooses_operand_and_address_size),
        cmocka_unit_test(text_is_cut_to_the_buffer),
        cmocka_unit_test(cut_off_and_undefined_bytes_are_bad),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
