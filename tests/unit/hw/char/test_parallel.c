/* Parallel port: registers, the printer's handshake, interrupts. */
#include "tests/unit/hw/probe.h"

#include <string.h>

#include "hw/char/parallel.h"
#include "hw/core/clock.h"

enum { DATA, STATUS, CONTROL };
enum { READY = 0xdf, BUSY = 0x5f, ACK = 0x1f, NOTHING = 0x7f };

struct rig {
    struct host_char printer;
    char paper[64];
    size_t n, room;
    struct clock *clock;
    struct probe irq;
    struct parallel *port;
};

static size_t print(struct host_char *self, const uint8_t *bytes, size_t count)
{
    struct rig *rig = (struct rig *)self;

    if (count > rig->room)
        count = rig->room;
    memcpy(rig->paper + rig->n, bytes, count);
    rig->n += count;
    rig->room -= count;
    return count;
}

static int setup(void **state)
{
    struct rig *rig = calloc(1, sizeof *rig);

    rig->printer.write = print;
    rig->room = 40;
    rig->clock = clock_create_fake();
    rig->port = parallel_create(rig->clock, probe_wire(&rig->irq), &rig->printer);
    *state = rig;
    return 0;
}

static int teardown(void **state)
{
    struct rig *rig = *state;

    parallel_destroy(rig->port);
    clock_destroy(rig->clock);
    free(rig);
    return 0;
}

static uint8_t in(struct rig *rig, unsigned reg)
{
    return port_in(&parallel_ops, rig->port, reg);
}

static void out(struct rig *rig, unsigned reg, uint8_t value)
{
    port_out(&parallel_ops, rig->port, reg, value);
}

static void strobe(struct rig *rig, char c, uint8_t control)
{
    out(rig, DATA, (uint8_t)c);
    out(rig, CONTROL, control | 1);
    out(rig, CONTROL, control);
}

static void registers_read_back(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(in(rig, CONTROL), 0xcc);
    assert_int_equal(in(rig, STATUS), READY);
    out(rig, DATA, 0xa5);
    assert_int_equal(in(rig, DATA), 0xa5);
    out(rig, CONTROL, 0x0e);
    assert_int_equal(in(rig, CONTROL), 0xce);
    out(rig, STATUS, 0);
    assert_int_equal(in(rig, STATUS), READY);
    assert_int_equal(parallel_ops.read(rig->port, 3, 1), 0xff);
}

static void input_direction_lets_the_data_lines_float(void **state)
{
    struct rig *rig = *state;

    out(rig, DATA, 0x55);
    out(rig, CONTROL, 0x2c);
    assert_int_equal(in(rig, DATA), 0xff);
    out(rig, CONTROL, 0x0c);
    assert_int_equal(in(rig, DATA), 0x55);
}

static void strobed_byte_is_printed_and_acknowledged(void **state)
{
    struct rig *rig = *state;

    strobe(rig, 'A', 0x0c);
    assert_int_equal(in(rig, STATUS), BUSY);
    assert_int_equal(rig->n, 0);
    strobe(rig, 'x', 0x0c); /* the printer is busy */
    clock_advance(rig->clock, 5 * NS_PER_US);
    assert_int_equal(in(rig, STATUS), ACK);
    clock_advance(rig->clock, 5 * NS_PER_US);
    assert_int_equal(in(rig, STATUS), READY);
    strobe(rig, 'B', 0x0c);
    clock_advance(rig->clock, NS_PER_MS);
    assert_int_equal(rig->n, 2);
    assert_string_equal(rig->paper, "AB");
    assert_int_equal(rig->irq.rises, 0);
}

static void only_the_edge_of_strobe_counts(void **state)
{
    struct rig *rig = *state;

    out(rig, DATA, 'A');
    out(rig, CONTROL, 0x0d);
    clock_advance(rig->clock, NS_PER_MS);
    out(rig, CONTROL, 0x0d);
    clock_advance(rig->clock, NS_PER_MS);
    assert_int_equal(rig->n, 1);
    out(rig, CONTROL, 0x04);
    strobe(rig, 'B', 0x04); /* not selected */
    clock_advance(rig->clock, NS_PER_MS);
    assert_int_equal(rig->n, 1);
}

static void acknowledge_interrupts_if_enabled(void **state)
{
    struct rig *rig = *state;

    strobe(rig, 'A', 0x1c);
    assert_false(rig->irq.level);
    clock_advance(rig->clock, 5 * NS_PER_US);
    assert_true(rig->irq.level);
    clock_advance(rig->clock, 5 * NS_PER_US);
    assert_false(rig->irq.level);
    assert_int_equal(rig->irq.rises, 1);
}

static void slow_printer_stays_busy_until_it_has_room(void **state)
{
    struct rig *rig = *state;

    rig->room = 0;
    strobe(rig, 'A', 0x1c);
    clock_advance(rig->clock, NS_PER_SECOND);
    assert_int_equal(in(rig, STATUS), BUSY);
    rig->printer.drained(rig->printer.receiver); /* a false alarm */
    assert_int_equal(in(rig, STATUS), BUSY);
    rig->room = 1;
    rig->printer.drained(rig->printer.receiver);
    assert_int_equal(rig->n, 1);
    assert_int_equal(in(rig, STATUS), ACK);
    clock_advance(rig->clock, NS_PER_MS);
    assert_int_equal(in(rig, STATUS), READY);
    rig->printer.drained(rig->printer.receiver); /* nothing waits */
    assert_int_equal(rig->n, 1);
    assert_int_equal(rig->printer.can_receive(rig->printer.receiver), 0);
    rig->printer.receive(rig->printer.receiver, NULL, 0);
}

static void init_makes_the_printer_forget(void **state)
{
    struct rig *rig = *state;

    strobe(rig, 'A', 0x0c);
    out(rig, CONTROL, 0x08);
    assert_int_equal(in(rig, STATUS), BUSY);
    clock_advance(rig->clock, NS_PER_MS);
    out(rig, CONTROL, 0x0c);
    assert_int_equal(in(rig, STATUS), READY);
    assert_int_equal(rig->n, 0);
}

static void port_without_a_printer_reads_as_busy(void **state)
{
    struct rig *rig = *state;
    struct parallel *bare = parallel_create(rig->clock, probe_wire(&rig->irq), NULL);

    assert_int_equal(port_in(&parallel_ops, bare, STATUS), NOTHING);
    port_out(&parallel_ops, bare, CONTROL, 0x1d);
    clock_advance(rig->clock, NS_PER_SECOND);
    assert_int_equal(rig->irq.rises, 0);
    parallel_destroy(bare);
    parallel_destroy(NULL);
}

static void destroyed_port_lets_go_of_its_printer(void **state)
{
    struct rig *rig = *state;

    strobe(rig, 'A', 0x0c);
    parallel_destroy(rig->port);
    assert_null(rig->printer.receiver);
    assert_null(rig->printer.can_receive);
    assert_null(rig->printer.receive);
    assert_null(rig->printer.drained);
    clock_advance(rig->clock, NS_PER_SECOND);
    rig->port = NULL;
}

static void saved_byte_is_printed_by_another_machine(void **state)
{
    struct rig *rig = *state;
    void *second;
    struct rig *other;

    setup(&second);
    other = second;
    strobe(rig, 'Z', 0x1c);
    copy_state(parallel_state_desc(), rig->port, other->port);
    parallel_after_load(other->port);
    clock_advance(other->clock, 7 * NS_PER_US);
    assert_int_equal(other->n, 1);
    assert_true(other->irq.level);
    rig->room = 0;
    clock_advance(rig->clock, NS_PER_MS); /* waits for its host; the other host has room */
    copy_state(parallel_state_desc(), rig->port, other->port);
    parallel_after_load(other->port);
    assert_int_equal(other->n, 2);
    parallel_reset(other->port);
    assert_int_equal(in(other, STATUS), READY);
    assert_false(other->irq.level);
    teardown(&second);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(registers_read_back),
        TEST(input_direction_lets_the_data_lines_float),
        TEST(strobed_byte_is_printed_and_acknowledged),
        TEST(only_the_edge_of_strobe_counts),
        TEST(acknowledge_interrupts_if_enabled),
        TEST(slow_printer_stays_busy_until_it_has_room),
        TEST(init_makes_the_printer_forget),
        TEST(port_without_a_printer_reads_as_busy),
        TEST(destroyed_port_lets_go_of_its_printer),
        TEST(saved_byte_is_printed_by_another_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
