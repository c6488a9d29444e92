/* Declared state: reset, save, load, compare, print. */
#include "tests/unit/hw/probe.h"

#include <stdio.h>
#include <string.h>

struct part {
    uint8_t mode;
    uint32_t count;
};

struct device {
    uint8_t a;
    uint16_t b;
    uint32_t c;
    int64_t d;
    uint16_t list[3];
    struct part part[2];
    uint8_t ram[20];
    int wiring; /* not declared */
};

static const struct state_field fields[] = {
    STATE_REG(struct device, a, 0x11, "A"),           STATE_REG(struct device, b, 0x2233, NULL),
    STATE_REG(struct device, c, 0x44556677, "C"),     STATE_REG(struct device, d, 0x0102030405060708, "D"),
    STATE_ARRAY(struct device, list, 0x9abc, "list"), STATE_EACH(struct device, part, count, 7, "count"),
    STATE_BLOB(struct device, ram, 0xee, "RAM"),
};
static const struct state_desc desc = STATE_DESC("device", fields);

static void reset_sets_every_declared_field_and_no_other(void **state)
{
    struct device device = {.wiring = 42, .part[1].mode = 9};
    state_reset(&desc, &device);
    assert_int_equal(device.a, 0x11);
    assert_int_equal(device.b, 0x2233);
    assert_int_equal(device.c, 0x44556677);
    assert_true(device.d == 0x0102030405060708);
    assert_int_equal(device.list[2], 0x9abc);
    assert_int_equal(device.part[1].count, 7);
    assert_int_equal(device.part[1].mode, 9);
    assert_int_equal(device.ram[19], 0xee);
    assert_int_equal(device.wiring, 42);
}

static void saved_form_is_packed_and_little_endian(void **state)
{
    struct device device;
    uint8_t saved[1 + 2 + 4 + 8 + 6 + 8 + 20 + 1];
    memset(saved, 0x5a, sizeof saved);
    state_reset(&desc, &device);
    assert_int_equal(state_size(&desc), sizeof saved - 1);
    state_save(&desc, &device, saved);
    const uint8_t start[] = {0x11, 0x33, 0x22, 0x77, 0x66, 0x55, 0x44, 8, 7, 6, 5, 4, 3, 2, 1, 0xbc, 0x9a};
    assert_memory_equal(saved, start, sizeof start);
    assert_int_equal(saved[sizeof saved - 2], 0xee);
    assert_int_equal(saved[sizeof saved - 1], 0x5a);
}

static void what_was_saved_is_loaded(void **state)
{
    struct device a = {0}, b = {0};
    state_reset(&desc, &a);
    a.c = 0xfedcba98;
    a.d = -5;
    a.list[1] = 3;
    a.part[0].count = 0x80000000;
    a.ram[7] = 1;
    state_reset(&desc, &b);
    copy_state(&desc, &a, &b);
    assert_true(b.d == -5);
    assert_int_equal(b.part[0].count, 0x80000000);
    assert_int_equal(b.ram[7], 1);
    b.wiring++;
    assert_null(state_difference(&desc, &a, &b));
}

static void a_difference_is_named(void **state)
{
    struct device a = {0}, b = {0};
    b.part[1].count = 1;
    assert_string_equal(state_difference(&desc, &a, &b), "part.count");
    b.b = 1;
    assert_string_equal(state_difference(&desc, &a, &b), "b");
}

static void a_wrong_size_is_refused_and_changes_nothing(void **state)
{
    struct device device = {.a = 1};
    uint8_t saved[200] = {0};
    assert_false(state_load(&desc, &device, saved, state_size(&desc) - 1));
    assert_false(state_load(&desc, &device, saved, state_size(&desc) + 1));
    assert_int_equal(device.a, 1);
}

struct switches {
    bool lone;
    bool list[2];
    struct {
        uint8_t other;
        bool on;
    } part[2];
    uint8_t byte;
};

static const struct state_field switch_fields[] = {
    STATE_REG(struct switches, lone, 1, "lone"),
    STATE_ARRAY(struct switches, list, 0, "list"),
    STATE_EACH(struct switches, part, on, 0, "on"),
    STATE_REG(struct switches, byte, 0, "byte"),
};
static const struct state_desc switch_desc = STATE_DESC("switches", switch_fields);

static void a_boolean_has_its_own_kind(void **state)
{
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(switch_fields[i].kind, STATE_BOOL);
    assert_int_equal(switch_fields[3].kind, STATE_UINT);
}

static void a_boolean_that_is_neither_0_nor_1_is_refused_and_changes_nothing(void **state)
{
    const uint8_t good[6] = {1, 0, 1, 1, 0, 2};
    struct switches s = {0};

    for (unsigned i = 0; i < 5; i++) {
        uint8_t bad[6];

        memcpy(bad, good, sizeof bad);
        for (unsigned value = 2; value < 256; value++) {
            bad[i] = (uint8_t)value;
            assert_false(state_load(&switch_desc, &s, bad, sizeof bad));
        }
        assert_false(s.lone);
        assert_false(s.list[1]);
        assert_false(s.part[0].on);
        assert_int_equal(s.byte, 0);
    }
    assert_true(state_load(&switch_desc, &s, good, sizeof good));
    assert_true(s.lone);
    assert_true(s.list[1]);
    assert_true(s.part[0].on);
    assert_false(s.part[1].on);
    assert_int_equal(s.byte, 2);
}

static void a_boolean_is_reset_and_printed_as_a_number(void **state)
{
    struct switches s = {.part[1].on = true};
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    state_reset(&switch_desc, &s);
    assert_true(s.lone);
    assert_false(s.part[1].on);
    state_print(&switch_desc, &s, out);
    fclose(out);
    assert_non_null(strstr(text, "= 01  lone\n"));
    free(text);
}

static void print_shows_every_element(void **state)
{
    struct device device;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    state_reset(&desc, &device);
    device.list[2] = 0xcafe;
    state_print(&desc, &device, out);
    fclose(out);
    assert_non_null(strstr(text, "device\n"));
    assert_non_null(strstr(text, "= 44556677  C\n"));
    assert_non_null(strstr(text, "list[2]                  = cafe  list\n"));
    assert_non_null(strstr(text, "\n  a                        = 11  A\n"));
    assert_non_null(strstr(text, "part.count[1] "));
    assert_non_null(strstr(text, "= 2233\n"));
    assert_non_null(strstr(text, "\n  0010: ee ee ee ee  RAM\n"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reset_sets_every_declared_field_and_no_other),
        cmocka_unit_test(saved_form_is_packed_and_little_endian),
        cmocka_unit_test(what_was_saved_is_loaded),
        cmocka_unit_test(a_difference_is_named),
        cmocka_unit_test(a_wrong_size_is_refused_and_changes_nothing),
        cmocka_unit_test(a_boolean_has_its_own_kind),
        cmocka_unit_test(a_boolean_that_is_neither_0_nor_1_is_refused_and_changes_nothing),
        cmocka_unit_test(a_boolean_is_reset_and_printed_as_a_number),
        cmocka_unit_test(print_shows_every_element),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
