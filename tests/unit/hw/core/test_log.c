/* The log's items, file and filters. */
#include "tests/unit/hw/probe.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "hw/core/log.h"

static void item_lists_become_masks(void **state)
{
    uint32_t mask = 0;
    char bad[32];
    assert_true(log_parse_items("int,cpu_reset", &mask, bad, sizeof bad));
    assert_int_equal(mask, LOG_INT | LOG_CPU_RESET);
    assert_true(log_parse_items("all", &mask, bad, sizeof bad));
    assert_int_equal(mask, 0x1fff);
}

static void an_unknown_item_is_named_and_changes_nothing(void **state)
{
    uint32_t mask = 5;
    char bad[8];
    assert_false(log_parse_items("int,bogus,io", &mask, bad, sizeof bad));
    assert_string_equal(bad, "bogus");
    assert_int_equal(mask, 5);
    assert_false(log_parse_items("", &mask, bad, sizeof bad));
    assert_string_equal(bad, "");
    assert_false(log_parse_items("cpu_reset_and_more", &mask, bad, sizeof bad));
    assert_string_equal(bad, "cpu_res"); /* cut to the caller's room */
}

static void only_categories_that_are_on_reach_the_file(void **state)
{
    char path[] = "/tmp/test_log_XXXXXX", text[200] = "";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_false(log_open("/nonexistent/folder/log"));
    assert_true(log_open(path));
    assert_true(log_open(path)); /* opening again closes the first */
    log_mask = LOG_INT;
    log_printf(LOG_INT, "one %d\n", 1);
    log_printf(LOG_IO, "two\n");
    bool said = false;
    log_mask = 0;
    log_once(&said, "three\n");
    log_once(&said, "three\n");
    assert_true(read(fd, text, sizeof text - 1) > 0);
    assert_string_equal(text, "one 1\nthree\n");
    close(fd);
    unlink(path);
}

static void every_item_is_listed(void **state)
{
    char path[] = "/tmp/test_log_XXXXXX", text[2000] = "";
    int fd = mkstemp(path), stdout_copy = dup(STDOUT_FILENO);
    assert_true(fd >= 0 && stdout_copy >= 0);
    fflush(stdout);
    dup2(fd, STDOUT_FILENO);
    log_print_items();
    fflush(stdout);
    dup2(stdout_copy, STDOUT_FILENO);
    lseek(fd, 0, SEEK_SET);
    assert_true(read(fd, text, sizeof text - 1) > 0);
    assert_non_null(strstr(text, "guest_errors"));
    assert_non_null(strstr(text, "in_asm"));
    assert_non_null(strstr(text, "\nio "));
    close(fd);
    close(stdout_copy);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(item_lists_become_masks),
        cmocka_unit_test(an_unknown_item_is_named_and_changes_nothing),
        cmocka_unit_test(only_categories_that_are_on_reach_the_file),
        cmocka_unit_test(every_item_is_listed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
