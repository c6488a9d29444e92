/* -display's words. What displays show is tested on real ones by tests/boot/display.sh. */
#include "tests/unit/ui/cmocka_ui.h"

#include "ui/display.h"

static struct display_spec spec;
static char error[300];

static void kinds_are_known_by_name(void **state)
{
    assert_true(display_parse(&spec, "none", error, sizeof error));
    assert_int_equal(spec.kind, DISPLAY_NONE);
    assert_true(display_parse(&spec, "curses", error, sizeof error));
    assert_int_equal(spec.kind, DISPLAY_CURSES);
    assert_true(display_parse(&spec, "sdl", error, sizeof error));
    assert_int_equal(spec.kind, DISPLAY_SDL);
    assert_int_equal(spec.options.scale, DISPLAY_SCALE_INTEGER);
    assert_false(spec.options.is_full_screen || spec.options.keeps_window || spec.options.uses_gpu);
}

static void a_window_has_options(void **state)
{
    assert_true(display_parse(&spec, "sdl,scale=smooth,full-screen=on,window-close=off,gl=on", error, sizeof error));
    assert_int_equal(spec.options.scale, DISPLAY_SCALE_SMOOTH);
    assert_true(spec.options.is_full_screen && spec.options.keeps_window && spec.options.uses_gpu);
    assert_true(display_parse(&spec, "sdl,scale=integer,full-screen=off,window-close=on,gl=off", error, sizeof error));
    assert_int_equal(spec.options.scale, DISPLAY_SCALE_INTEGER);
    assert_false(spec.options.is_full_screen || spec.options.keeps_window || spec.options.uses_gpu);
}

static void mistakes_are_named(void **state)
{
    static const char *const wrong[] = {"sdl9", "", ",", "sdl,scale=huge", "sdl,gl=perhaps", "curses,gl=on", "none,x"};

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        error[0] = '\0';
        assert_false(display_parse(&spec, wrong[i], error, sizeof error));
        assert_true(error[0]);
    }
    assert_false(display_parse(&spec, "sdl,scale=huge", error, sizeof error));
    assert_non_null(strstr(error, "'scale=huge'"));
}

static void titles_name_the_lamps_that_are_lit(void **state)
{
    static const char *const expected[] = {"",       ", Scroll",      ", Num",      ", Num Scroll",
                                           ", Caps", ", Caps Scroll", ", Caps Num", ", Caps Num Scroll"};
    char text[DISPLAY_LEDS_BYTES];

    for (uint8_t leds = 0; leds < 8; leds++) {
        display_leds(leds, text);
        assert_string_equal(text, expected[leds]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds_are_known_by_name),
        cmocka_unit_test(a_window_has_options),
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(titles_name_the_lamps_that_are_lit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
