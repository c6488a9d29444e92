/* -rtc on the command line. */
#include "tests/unit/ui/cmocka_ui.h"

#include <stdlib.h>

#include "ui/options_rtc.h"

#define NOW 1150560081 /* 2006-06-17 16:01:21 UTC */

static struct rtc_options o;
static char error[400];

static int setup(void **state)
{
    o = (struct rtc_options){0};
    error[0] = '\0';
    return 0;
}

static bool rtc(const char *text)
{
    return rtc_options_parse(&o, text, error, sizeof error);
}

static void without_the_option_it_is_the_hosts_utc(void **state)
{
    assert_true(rtc_options_start(&o, NOW) == NOW);
    assert_non_null(rtc_options_source(&o));
    assert_true(rtc("base=utc,clock=host"));
    assert_true(rtc_options_start(&o, NOW) == NOW);
    assert_non_null(rtc_options_source(&o));
}

static void a_date_is_what_the_guest_sees(void **state)
{
    setenv("TZ", "XYZ-5:30", 1); /* the host's zone has no say */
    tzset();
    assert_true(rtc("base=2006-06-17T16:01:21"));
    assert_true(rtc_options_start(&o, 1) == NOW);
    assert_true(rtc("base=2006-06-17"));
    assert_true(rtc_options_start(&o, 1) == NOW - (16 * 3600 + 60 + 21));
    assert_true(rtc("base=1969-12-31T23:59:59"));
    assert_true(rtc_options_start(&o, 1) == -1);
    assert_true(rtc("base=2024-02-29"));
}

static void local_time_is_that_of_the_hosts_zone(void **state)
{
    setenv("TZ", "XYZ-5:30", 1); /* 5:30 east */
    tzset();
    assert_true(rtc("base=localtime"));
    assert_true(rtc_options_start(&o, NOW) == NOW + 5 * 3600 + 1800);
    setenv("TZ", "XYZ3", 1);
    tzset();
    assert_true(rtc_options_start(&o, NOW) == NOW - 3 * 3600);
    assert_true(rtc("base=utc"));
    assert_true(rtc_options_start(&o, NOW) == NOW);
}

static void each_clock_has_its_own_source(void **state)
{
    int64_t (*host)(void *opaque) = rtc_options_source(&o);
    struct timespec real, monotonic;

    assert_true(rtc("clock=rt"));
    clock_gettime(CLOCK_REALTIME, &real);
    clock_gettime(CLOCK_MONOTONIC, &monotonic);
    assert_in_range(host(NULL) / 1000000000 - real.tv_sec, 0, 5);
    assert_in_range(rtc_options_source(&o)(NULL) / 1000000000 - monotonic.tv_sec, 0, 5);
    assert_true(rtc("clock=vm"));
    assert_null(rtc_options_source(&o));
}

static void words_add_up(void **state)
{
    assert_true(rtc("clock=vm"));
    assert_true(rtc("base=2006-06-17T16:01:21,driftfix=none"));
    assert_null(rtc_options_source(&o));
    assert_true(rtc_options_start(&o, 1) == NOW);
    assert_true(rtc(""));
}

static void mistakes_are_named(void **state)
{
    static const char *const wrong[] = {
        "utc",
        "base=",
        "base=local",
        "base=2006-13-17",
        "base=2006-06-31",
        "base=2023-02-29",
        "base=2006-06-17T24:00:00",
        "base=2006-06-17T16:01",
        "base=2006-06-17T16:01:21Z",
        "base=2006-06-17 16:01:21",
        "base=2006-06-17x",
        "base=2006--6-17",
        "base=-006-06-17",
        "base=2006-06-17T-1:01:21",
        "base=20060617",
        "base= 2006-06-17",
        "clock=",
        "clock=cpu",
        "driftfix=slew",
        "base=2006-06-17T16:01:21.0000000000000000000000000000000000000000000000000000000000000000000000000",
    };

    for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        if (rtc(wrong[i]))
            fail_msg("'%s' is accepted", wrong[i]);
        if (strncmp(error + 1, wrong[i], strnlen(wrong[i], 40)) != 0)
            fail_msg("'%s' does not name '%s'", error, wrong[i]);
        assert_null(strchr(error, '\n'));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(without_the_option_it_is_the_hosts_utc, setup),
        cmocka_unit_test_setup(a_date_is_what_the_guest_sees, setup),
        cmocka_unit_test_setup(local_time_is_that_of_the_hosts_zone, setup),
        cmocka_unit_test_setup(each_clock_has_its_own_source, setup),
        cmocka_unit_test_setup(words_add_up, setup),
        cmocka_unit_test_setup(mistakes_are_named, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
