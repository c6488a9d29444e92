/* The debug console. */
#include "tests/unit/hw/probe.h"

#include <string.h>

#include "hw/char/debugcon.h"

struct sink {
    struct host_char host;
    char text[32];
    size_t n;
};

static size_t sink_write(struct host_char *self, const uint8_t *bytes, size_t count)
{
    struct sink *sink = (struct sink *)self;
    memcpy(sink->text + sink->n, bytes, count);
    sink->n += count;
    return count;
}

static void writes_print_and_reads_say_e9(void **state)
{
    struct sink sink = {.host.write = sink_write};
    struct debugcon *con = debugcon_create(&sink.host);
    port_out(&debugcon_ops, con, 0, 'o');
    port_out(&debugcon_ops, con, 0, 'k');
    assert_int_equal(debugcon_ops.write_block(con, 0, " then", 1, 5), 5);
    assert_string_equal(sink.text, "ok then");
    assert_int_equal(port_in(&debugcon_ops, con, 0), 0xe9);
    debugcon_destroy(con);
}

static void without_a_host_it_is_still_there(void **state)
{
    struct debugcon *con = debugcon_create(NULL);
    port_out(&debugcon_ops, con, 0, 'o');
    assert_int_equal(debugcon_ops.write_block(con, 0, "abc", 1, 3), 3);
    assert_int_equal(port_in(&debugcon_ops, con, 0), 0xe9);
    debugcon_destroy(con);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_print_and_reads_say_e9),
        cmocka_unit_test(without_a_host_it_is_still_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
