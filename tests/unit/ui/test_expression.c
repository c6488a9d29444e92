/* The monitor's arithmetic; results are those of QEMU 7.2's `print`, except where said. */
#include "tests/unit/ui/cmocka_ui.h"

#include "ui/expression.h"

static bool lookup(void *opaque, const char *name, int64_t *value)
{
    if (strcmp(name, "eip") == 0)
        *value = 0xfff0;
    else if (strcmp(name, "cs.base") == 0)
        *value = 0xffff0000;
    else
        return false;
    return true;
}

static const struct expression_names names = {.lookup = lookup};

static int64_t value_of(const char *text)
{
    int64_t value = 0;

    assert_null(expression_evaluate(&text, &names, &value));
    assert_string_equal(text, "");
    return value;
}

static const char *error_of(const char *text)
{
    int64_t value;

    return expression_evaluate(&text, &names, &value);
}

static void numbers_have_three_bases(void **state)
{
    assert_int_equal(value_of("42"), 42);
    assert_int_equal(value_of("0x2a"), 42);
    assert_int_equal(value_of("052"), 42);
    assert_int_equal(value_of("'*'"), 42);
    assert_true(value_of("0xffffffffffffffff") == -1);
}

static void products_bind_tighter_than_logic_and_logic_than_sums(void **state)
{
    assert_int_equal(value_of("1 + 2 * 3"), 7);
    assert_int_equal(value_of("1 + 3 & 1"), 2); /* 1 + (3 & 1) */
    assert_int_equal(value_of("6 & 2 * 1"), 2);
    assert_int_equal(value_of("10 - 3 - 2"), 5);
    assert_int_equal(value_of("7 % 4 | 8 ^ 1"), 10); /* from left to right: ((7 % 4) | 8) ^ 1 */
    assert_int_equal(value_of("(1 + 2) * 3"), 9);
}

static void signs_and_complements_nest(void **state)
{
    assert_int_equal(value_of("- -5"), 5);
    assert_int_equal(value_of("~0 + +1"), 0);
    assert_int_equal(value_of("-(2 + 3)"), -5);
}

static void registers_have_dollars_and_dots(void **state)
{
    assert_int_equal(value_of("$cs.base + $eip"), 0xfffffff0);
    assert_string_equal(error_of("$nothing"), "unknown register");
}

static void the_largest_negative_number_divided_by_minus_one_does_not_trap(void **state)
{
    assert_true(value_of("(1 * 0x8000000000000000) / -1") == INT64_MIN);
    assert_int_equal(value_of("(1 * 0x8000000000000000) % -1"), 0);
}

static void mistakes_have_names(void **state)
{
    assert_string_equal(error_of(""), "unexpected end of expression");
    assert_string_equal(error_of("1 +"), "unexpected end of expression");
    assert_string_equal(error_of("(1"), "')' expected");
    assert_string_equal(error_of("1 / 0"), "division by zero");
    assert_string_equal(error_of("1 % 0"), "division by zero");
    assert_string_equal(error_of("fish"), "invalid char in expression");
    assert_string_equal(error_of("'ab'"), "missing terminating ' character");
    assert_string_equal(error_of("'"), "character constant expected");
    assert_string_equal(error_of("0x10000000000000000"), "number too large");
}

static void the_rest_of_the_line_is_left_alone(void **state)
{
    const char *text = "0x10 0x20", *path = "16 /tmp/file";
    int64_t value;

    assert_null(expression_evaluate(&text, &names, &value));
    assert_int_equal(value, 16);
    assert_string_equal(text, "0x20");
    assert_null(expression_evaluate(&path, &names, &value));
    assert_int_equal(value, 16);
    assert_string_equal(path, "/tmp/file");
}

static void deep_nesting_is_refused_before_the_stack_ends(void **state)
{
    char *text = malloc(1 << 20);

    memset(text, '(', (1 << 20) - 1);
    text[(1 << 20) - 1] = '\0';
    assert_string_equal(error_of(text), "expression is nested too deeply");
    memset(text, '-', (1 << 20) - 1);
    assert_string_equal(error_of(text), "expression is nested too deeply");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_have_three_bases),
        cmocka_unit_test(products_bind_tighter_than_logic_and_logic_than_sums),
        cmocka_unit_test(signs_and_complements_nest),
        cmocka_unit_test(registers_have_dollars_and_dots),
        cmocka_unit_test(the_largest_negative_number_divided_by_minus_one_does_not_trap),
        cmocka_unit_test(mistakes_have_names),
        cmocka_unit_test(the_rest_of_the_line_is_left_alone),
        cmocka_unit_test(deep_nesting_is_refused_before_the_stack_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
