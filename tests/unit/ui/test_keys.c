/* Names of keys, and pressing them in time. */
#include "tests/unit/ui/cmocka_ui.h"

#include "hw/core/clock.h"
#include "hw/input/kbc8042.h"
#include "ui/keys.h"
#include "ui/typist.h"

static void names_lead_to_scan_codes(void **state)
{
    assert_int_equal(key_by_name("a", 1), 0x1e);
    assert_int_equal(key_by_name("f12", 3), 0x58);
    assert_int_equal(key_by_name("delete", 6), 0x53 | KBC8042_KEY_EXTENDED);
    assert_int_equal(key_by_name("0x1e", 4), 0x1e);
    assert_int_equal(key_by_name("f13", 3), 0);
    assert_int_equal(key_by_name("0x0", 3), 0);
    assert_int_equal(key_by_name("0x11e", 5), 0);
    assert_int_equal(key_by_name("", 0), 0);
}

static void no_name_stands_twice_and_none_is_empty(void **state)
{
    for (size_t i = 0; key_name(i); i++) {
        assert_true(key_by_name(key_name(i), strlen(key_name(i))) != 0);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(key_name(i), key_name(j));
    }
}

static void combinations_keep_their_order(void **state)
{
    uint8_t keys[KEYS_MAX_COMBINATION];
    const char *bad = NULL;

    assert_int_equal(keys_parse_combination("ctrl-alt-f1", keys, &bad), 3);
    assert_int_equal(keys[0], 0x1d);
    assert_int_equal(keys[1], 0x38);
    assert_int_equal(keys[2], 0x3b);
    assert_int_equal(keys_parse_combination("ctrl-alt-fish", keys, &bad), 0);
    assert_string_equal(bad, "fish");
    assert_int_equal(keys_parse_combination("ctrl-", keys, &bad), 0);
    assert_string_equal(bad, "");
    assert_int_equal(keys_parse_combination("a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a", keys, &bad), 0);
    assert_null(bad);
}

struct desk {
    struct clock *clock;
    struct kbc8042 *kbc;
    struct typist *typist;
};

static int setup(void **state)
{
    struct desk *d = calloc(1, sizeof *d);

    d->clock = clock_create_fake();
    d->kbc = kbc8042_create(d->clock, (struct kbc8042_wires){0});
    kbc8042_command_ops.write(d->kbc, 0, 0x60, 1); /* command byte: translate to set 1, no interrupts */
    kbc8042_data_ops.write(d->kbc, 0, 0x40, 1);
    kbc8042_data_ops.write(d->kbc, 0, 0xf4, 1); /* keyboard: enable */
    clock_advance(d->clock, 20 * NS_PER_MS);
    kbc8042_data_ops.read(d->kbc, 0, 1); /* its acknowledge */
    d->typist = typist_create(d->clock, d->kbc);
    *state = d;
    return 0;
}

static int teardown(void **state)
{
    struct desk *d = *state;

    typist_destroy(d->typist);
    kbc8042_destroy(d->kbc);
    clock_destroy(d->clock);
    free(d);
    return 0;
}

/* Reads what the guest's keyboard has to say, up to `size` bytes; returns how many there were. */
static size_t read_codes(struct desk *d, uint8_t *codes, size_t size)
{
    size_t n = 0;

    clock_advance(d->clock, NS_PER_MS);
    while (n < size && kbc8042_command_ops.read(d->kbc, 0, 1) & 1) {
        codes[n++] = (uint8_t)kbc8042_data_ops.read(d->kbc, 0, 1);
        clock_advance(d->clock, NS_PER_MS);
    }
    return n;
}

static void keys_go_down_in_order_and_up_in_reverse_after_the_hold_time(void **state)
{
    static const uint8_t keys[] = {0x1d, 0x38, 0x3b};
    struct desk *d = *state;
    uint8_t codes[16];

    assert_true(typist_press(d->typist, keys, 3, 100));
    assert_int_equal(read_codes(d, codes, sizeof codes), 3);
    assert_memory_equal(codes, ((uint8_t[]){0x1d, 0x38, 0x3b}), 3);
    clock_advance(d->clock, 80 * NS_PER_MS);
    assert_int_equal(read_codes(d, codes, sizeof codes), 0);
    assert_true(typist_is_busy(d->typist));
    clock_advance(d->clock, 20 * NS_PER_MS);
    assert_int_equal(read_codes(d, codes, sizeof codes), 3);
    assert_memory_equal(codes, ((uint8_t[]){0xbb, 0xb8, 0x9d}), 3);
    assert_false(typist_is_busy(d->typist));
}

static void a_guest_that_reads_slowly_loses_no_key(void **state)
{
    struct desk *d = *state;
    uint8_t keys[40], codes[400];
    size_t n = 0, got;

    for (unsigned i = 0; i < 40; i++) {
        keys[i] = (uint8_t)(0x10 + i % 10);
        assert_true(typist_press(d->typist, &keys[i], 1, 0));
    }
    clock_advance(d->clock, 500 * NS_PER_MS); /* far too long for the keyboard's buffer */
    for (unsigned i = 0; i < 200; i++) {
        got = read_codes(d, codes + n, sizeof codes - n);
        n += got;
        clock_advance(d->clock, 10 * NS_PER_MS);
    }
    assert_int_equal(n, 80);
    for (unsigned i = 0; i < 40; i++) {
        assert_int_equal(codes[2 * i], keys[i]);
        assert_int_equal(codes[2 * i + 1], keys[i] | 0x80);
    }
}

static void a_full_queue_refuses_whole_combinations(void **state)
{
    static const uint8_t keys[] = {0x1d, 0x1e};
    struct desk *d = *state;
    unsigned n = 0;

    while (typist_press(d->typist, keys, 2, 100))
        n++;
    assert_in_range(n, 200, 300);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_lead_to_scan_codes),
        cmocka_unit_test(no_name_stands_twice_and_none_is_empty),
        cmocka_unit_test(combinations_keep_their_order),
        cmocka_unit_test_setup_teardown(keys_go_down_in_order_and_up_in_reverse_after_the_hold_time, setup, teardown),
        cmocka_unit_test_setup_teardown(a_guest_that_reads_slowly_loses_no_key, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_queue_refuses_whole_combinations, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
