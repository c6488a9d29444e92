/* The 16550A: what drivers probe for, interrupts and their order, FIFOs, loopback, a busy host. */
#include "tests/unit/hw/probe.h"

#include <string.h>

#include "hw/char/uart16550.h"
#include "hw/core/clock.h"

enum { RBR, IER, IIR, LCR, MCR, LSR, MSR, SCR, THR = RBR, FCR = IIR };

struct line { /* the far end */
    struct host_char host;
    uint8_t got[100000];
    size_t n_got, limit; /* takes no more than `limit` in all */
    const char *pending; /* offered on accept_input */
    size_t n_accepts;
};

static struct clock *fake;
static struct probe irq4;
static struct line line;
static struct uart16550 *uart;

static size_t line_write(struct host_char *self, const uint8_t *bytes, size_t count)
{
    struct line *l = (struct line *)self;
    if (count > l->limit - l->n_got)
        count = l->limit - l->n_got;
    memcpy(l->got + l->n_got, bytes, count);
    l->n_got += count;
    return count;
}

static void offer(struct line *l)
{
    if (!l->pending)
        return;
    size_t room = l->host.can_receive(l->host.receiver), count = strlen(l->pending);
    if (count > room)
        count = room;
    const char *bytes = l->pending;
    l->pending += count;
    l->host.receive(l->host.receiver, (const uint8_t *)bytes, count);
}

static void line_accept_input(struct host_char *self)
{
    struct line *l = (struct line *)self;
    l->n_accepts++;
    offer(l);
}

static void put(unsigned reg, uint8_t value)
{
    port_out(&uart16550_ops, uart, reg, value);
}

static uint8_t get(unsigned reg)
{
    return port_in(&uart16550_ops, uart, reg);
}

static int setup(void **state)
{
    fake = clock_create_fake();
    irq4 = (struct probe){0};
    memset(&line, 0, sizeof line);
    line.host.write = line_write;
    line.host.accept_input = line_accept_input;
    line.limit = sizeof line.got;
    uart = uart16550_create(fake, probe_wire(&irq4), &line.host);
    put(LCR, 0x03);
    put(MCR, 0x0b);
    get(MSR);
    return 0;
}

static int teardown(void **state)
{
    uart16550_destroy(uart);
    clock_destroy(fake);
    return 0;
}

static void type(const char *text)
{
    line.pending = text;
    offer(&line);
}

static void drivers_recognise_a_16550a(void **state)
{
    put(IER, 0xff);
    assert_int_equal(get(IER), 0x0f);
    put(IER, 0);
    put(SCR, 0xa5);
    assert_int_equal(get(SCR), 0xa5);
    assert_int_equal(get(IIR) & 0xc0, 0x00);
    put(FCR, 0x21); /* bit 5, the 64-byte FIFO of the 16750, does not stick */
    assert_int_equal(get(IIR), 0xc1);
    put(FCR, 0xc0); /* without bit 0 the FIFOs are off */
    assert_int_equal(get(IIR), 0x01);
    put(MCR, 0xff);
    assert_int_equal(get(MCR), 0x1f);
    put(LSR, 0);
    put(MSR, 0);
    assert_int_equal(get(LSR), 0x60);
}

static void the_divisor_lies_behind_dlab(void **state)
{
    put(LCR, 0x83);
    assert_int_equal(get(0), 0x0c);
    put(0, 0x34);
    put(1, 0x12);
    assert_int_equal(get(0), 0x34);
    assert_int_equal(get(1), 0x12);
    put(LCR, 0x03);
    assert_int_equal(get(LCR), 0x03);
    assert_int_equal(get(IER), 0x00);
    assert_int_equal(line.n_got, 0);
}

static void output_reaches_the_host_at_once(void **state)
{
    for (unsigned i = 0; i < 1000; i++) {
        assert_int_equal(get(LSR), 0x60);
        put(THR, (uint8_t)i);
    }
    assert_int_equal(line.n_got, 1000);
    assert_int_equal(line.got[999], 999 & 0xff);
}

static void enabling_the_thre_interrupt_raises_it_every_time(void **state)
{
    for (unsigned i = 0; i < 3; i++) { /* drivers do this to find transmitters that do not */
        put(IER, 0x02);
        assert_true(irq4.level);
        assert_int_equal(get(IIR), 0x02);
        assert_int_equal(get(IIR), 0x01); /* reading it as the source clears it */
        assert_false(irq4.level);
        put(IER, 0x00);
    }
}

static void one_handler_run_sees_one_thre_interrupt(void **state)
{
    put(FCR, 0x01);
    put(IER, 0x02);
    unsigned runs = 0;
    for (size_t sent = 0; sent < 16000; runs++) {
        while (!irq4.level) {
            assert_true(clock_next_deadline_ns(fake) != CLOCK_NEVER);
            clock_advance(fake, 10 * NS_PER_US);
        }
        assert_int_equal(get(IIR), 0xc2);
        for (unsigned i = 0; i < 16; i++, sent++)
            put(THR, (uint8_t)sent);
        assert_int_equal(get(IIR), 0xc1); /* the handler may leave */
        assert_int_equal(get(LSR), 0x60); /* and a polling writer need not wait */
    }
    assert_int_equal(runs, 1000);
    assert_int_equal(line.n_got, 16000);
    assert_true(clock_now_ns(fake) < NS_PER_SECOND / 5);
}

static void a_busy_host_keeps_thr_full(void **state)
{
    line.limit = 1;
    put(THR, 'a');
    put(IER, 0x02);
    get(IIR);
    put(THR, 'b');
    assert_int_equal(get(LSR), 0x00);
    clock_advance(fake, NS_PER_SECOND);
    assert_int_equal(get(IIR), 0x01);
    put(THR, 'c'); /* one register: overwrites */
    line.limit = 10;
    line.host.drained(line.host.receiver);
    assert_int_equal(get(LSR), 0x60);
    clock_advance(fake, NS_PER_MS);
    assert_int_equal(get(IIR), 0x02);
    assert_memory_equal(line.got, "ac", 2);
    line.host.drained(line.host.receiver); /* nothing to do */
}

static void a_busy_host_fills_the_fifo(void **state)
{
    line.limit = 0;
    put(FCR, 0x01);
    for (unsigned i = 0; i < 20; i++)
        put(THR, (uint8_t)('a' + i)); /* the last four find it full */
    assert_int_equal(get(LSR), 0x00);
    line.limit = 5;
    line.host.drained(line.host.receiver);
    assert_int_equal(get(LSR), 0x00);
    put(THR, 'x');
    line.limit = 100;
    line.host.drained(line.host.receiver);
    assert_int_equal(get(LSR), 0x60);
    assert_int_equal(line.n_got, 17);
    assert_memory_equal(line.got, "abcdefghijklmnopx", 17);
    line.limit = line.n_got;
    put(THR, 'y');
    put(IER, 0x02);
    put(FCR, 0x05); /* clear the transmitter */
    assert_int_equal(get(LSR), 0x60);
    assert_int_equal(get(IIR), 0xc1);
    clock_advance(fake, NS_PER_MS);
    assert_int_equal(get(IIR), 0xc2);
    line.limit = 100;
    line.host.drained(line.host.receiver);
    assert_int_equal(line.n_got, 17);
}

static void one_character_at_a_time_without_fifos(void **state)
{
    put(IER, 0x01);
    type("xyz");
    assert_int_equal(line.host.can_receive(line.host.receiver), 0);
    assert_true(irq4.level);
    assert_int_equal(get(IIR), 0x04);
    assert_int_equal(get(LSR), 0x61);
    assert_int_equal(get(RBR), 'x');
    assert_int_equal(get(RBR), 'y'); /* the host followed up */
    assert_int_equal(get(RBR), 'z');
    assert_false(irq4.level);
    assert_int_equal(get(LSR), 0x60);
    assert_int_equal(get(RBR), 'z'); /* empty: the last one again */
    assert_int_equal(line.n_accepts, 3);
}

static void the_trigger_level_decides_when_data_interrupts(void **state)
{
    static const uint8_t level[] = {1, 4, 8, 14};
    put(IER, 0x01);
    for (unsigned i = 0; i < 4; i++) {
        put(FCR, (uint8_t)(0x03 | i << 6));
        for (unsigned n = 1; n <= level[i]; n++) {
            assert_false(irq4.level);
            type("a");
        }
        assert_true(irq4.level);
        assert_int_equal(get(IIR), 0xc4);
        get(RBR);
        assert_false(irq4.level);
    }
}

static void characters_below_the_trigger_time_out(void **state)
{
    put(LCR, 0x83);
    put(0, 1); /* 115200 baud: 4 characters of 10 bits last 347.2 us */
    put(1, 0);
    put(LCR, 0x03);
    put(IER, 0x01);
    put(FCR, 0xc1);
    type("ab");
    clock_advance(fake, 347 * NS_PER_US);
    assert_false(irq4.level);
    clock_advance(fake, NS_PER_US);
    assert_true(irq4.level);
    assert_int_equal(get(IIR), 0xcc);
    assert_int_equal(get(RBR), 'a');
    assert_false(irq4.level); /* a read starts the time anew */
    clock_advance(fake, 348 * NS_PER_US);
    assert_int_equal(get(IIR), 0xcc);
    assert_int_equal(get(RBR), 'b');
    clock_advance(fake, NS_PER_SECOND);
    assert_int_equal(get(IIR), 0xc1);
    put(LCR, 0x8f); /* divisor 0, 12 bits: slow, not a division by zero */
    put(0, 0);
    put(LCR, 0x0f);
    type("c");
    clock_advance(fake, 4ll * 12 * 65536 * 16 * NS_PER_SECOND / 1843200 - NS_PER_US);
    assert_false(irq4.level);
    clock_advance(fake, 2 * NS_PER_US);
    assert_true(irq4.level);
    put(FCR, 0xc3); /* emptied: nothing to time out */
    assert_false(irq4.level);
}

static void interrupts_come_by_priority(void **state)
{
    put(FCR, 0x01);
    put(IER, 0x0f);
    uart16550_set_modem_lines(uart, 0);
    uart16550_receive_break(uart);
    assert_int_equal(get(IIR), 0xc6);
    assert_int_equal(get(LSR), 0xf1); /* BI, and an error in the FIFO */
    assert_int_equal(get(LSR), 0x61);
    assert_int_equal(get(IIR), 0xc4);
    assert_int_equal(get(RBR), 0);
    assert_int_equal(get(IIR), 0xc2);
    assert_int_equal(get(IIR), 0xc0);
    assert_int_equal(get(MSR), 0x0b);
    assert_int_equal(get(IIR), 0xc1);
    assert_false(irq4.level);
}

static void errors_show_when_their_character_comes_to_the_top(void **state)
{
    put(FCR, 0x01);
    type("a");
    uart16550_receive_break(uart);
    assert_int_equal(get(LSR), 0xe1);
    get(RBR);
    assert_int_equal(get(LSR), 0xf1);
    get(RBR);
    assert_int_equal(get(LSR), 0x60);
}

static void out2_gates_the_interrupt(void **state)
{
    put(IER, 0x02);
    assert_true(irq4.level);
    put(MCR, 0x03);
    assert_false(irq4.level);
    put(MCR, 0x0b);
    assert_true(irq4.level);
}

static void loopback_connects_outputs_to_inputs(void **state)
{
    put(MCR, 0x1a); /* as drivers probe it: RTS, OUT2 */
    assert_int_equal(get(MSR) & 0xf0, 0x90);
    put(MCR, 0x15);
    assert_int_equal(get(MSR) & 0xf0, 0x60);
    put(MCR, 0x10);
    assert_int_equal(get(MSR), 0x06); /* DSR changed, RI fell */
    assert_int_equal(get(MSR), 0x00);
    put(MCR, 0x14);
    assert_int_equal(get(MSR), 0x40); /* RI rising is no delta */
    put(IER, 0x02);
    get(IIR);
    put(THR, 0x5a);
    assert_int_equal(line.n_got, 0);
    assert_int_equal(get(LSR), 0x61);
    clock_advance(fake, NS_PER_MS);
    assert_int_equal(get(IIR), 0x02); /* the transmitter works as ever, */
    assert_false(irq4.level);         /* but OUT2 does not reach the gate */
    assert_int_equal(get(RBR), 0x5a);
    put(LCR, 0x43); /* break */
    assert_int_equal(get(LSR), 0x71);
    put(LCR, 0x03);
    get(RBR);
    type("outside");
    assert_int_equal(get(LSR), 0x60);
    line.host.receive(line.host.receiver, (const uint8_t *)"x", 1); /* from a host that did not ask */
    uart16550_receive_break(uart);
    assert_int_equal(get(LSR), 0x60);
    put(MCR, 0x0b); /* the line is back, and so is the host's input */
    assert_int_equal(get(RBR), 'o');
}

static void overrun_keeps_the_fifo_but_not_the_register(void **state)
{
    put(MCR, 0x10);
    put(THR, 1);
    put(THR, 2);
    assert_int_equal(get(LSR), 0x63);
    assert_int_equal(get(LSR), 0x61);
    assert_int_equal(get(RBR), 2);
    put(FCR, 0x01);
    for (uint8_t i = 0; i < 17; i++)
        put(THR, i);
    assert_int_equal(get(LSR), 0x63);
    for (uint8_t i = 0; i < 16; i++)
        assert_int_equal(get(RBR), i);
    assert_int_equal(get(LSR), 0x60);
}

static void switching_the_fifos_empties_them(void **state)
{
    put(FCR, 0x01);
    type("abc");
    put(FCR, 0x00);
    assert_int_equal(get(LSR), 0x60);
    type("d");
    put(FCR, 0x01);
    assert_int_equal(get(LSR), 0x60);
    type("efg");
    put(FCR, 0x03);
    assert_int_equal(get(LSR), 0x60);
}

static void modem_lines_and_deltas_follow_the_far_end(void **state)
{
    assert_int_equal(get(MSR), 0xb0);
    uart16550_set_modem_lines(uart, UART16550_RI | UART16550_DSR | UART16550_CTS);
    uart16550_set_modem_lines(uart, UART16550_RI | UART16550_DSR); /* deltas add up */
    assert_int_equal(get(MSR), 0x69);
    put(IER, 0x08);
    uart16550_set_modem_lines(uart, UART16550_DSR);
    assert_true(irq4.level);
    assert_int_equal(get(MSR), 0x24);
    assert_false(irq4.level);
}

static void reset_keeps_baud_rate_and_scratch(void **state)
{
    put(SCR, 0x77);
    put(LCR, 0x83);
    put(0, 0x05);
    put(1, 0x06);
    put(LCR, 0x03);
    put(IER, 0x0f);
    uart16550_reset(uart);
    assert_false(irq4.level);
    assert_int_equal(get(SCR), 0x77);
    assert_int_equal(get(LCR), 0x00);
    assert_int_equal(get(MCR), 0x00);
    assert_int_equal(get(MSR), 0xb0);
    put(LCR, 0x80);
    assert_int_equal(get(0), 0x05);
    assert_int_equal(get(1), 0x06);
}

static void without_a_host_output_vanishes(void **state)
{
    struct uart16550 *alone = uart16550_create(fake, (struct irq){0}, NULL);
    port_out(&uart16550_ops, alone, THR, 'x');
    assert_int_equal(port_in(&uart16550_ops, alone, LSR), 0x60);
    assert_int_equal(port_in(&uart16550_ops, alone, MSR), 0x00);
    uart16550_destroy(alone);
    uart16550_destroy(NULL);
}

static void destruction_lets_go_of_the_host(void **state)
{
    uart16550_destroy(uart);
    assert_null(line.host.receiver);
    assert_null(line.host.drained);
    uart = uart16550_create(fake, probe_wire(&irq4), &line.host);
    assert_ptr_equal(line.host.receiver, uart);
}

static void state_survives_save_and_load_with_full_fifos(void **state)
{
    struct probe copy_irq = {0};
    struct line far = {.host.write = line_write, .limit = 100};
    struct uart16550 *copy = uart16550_create(fake, probe_wire(&copy_irq), &far.host);
    line.limit = 0;
    put(FCR, 0x81);
    put(IER, 0x03);
    put(SCR, 0x5a);
    for (unsigned i = 0; i < 5; i++)
        put(THR, (uint8_t)('a' + i));
    type("hello");
    get(RBR);
    copy_state(uart16550_state_desc(), uart, copy);
    uart16550_after_load(copy);
    assert_memory_equal(far.got, "abcde", 5); /* a host that listens gets what was waiting */
    clock_advance(fake, NS_PER_SECOND);
    assert_true(irq4.level);
    assert_true(copy_irq.level);
    assert_int_equal(port_in(&uart16550_ops, copy, IIR), get(IIR));
    assert_int_equal(port_in(&uart16550_ops, copy, RBR), 'e');
    assert_int_equal(port_in(&uart16550_ops, copy, SCR), 0x5a);
    uart16550_destroy(copy);
}

static void wild_saved_state_is_made_harmless(void **state)
{
    size_t size = state_size(uart16550_state_desc());
    uint8_t *saved = malloc(size);
    memset(saved, 0xff, size);
    assert_true(state_load(uart16550_state_desc(), uart, saved, size));
    uart16550_after_load(uart);
    for (unsigned i = 0; i < 100; i++) {
        get(i % 8);
        put(i % 8, (uint8_t)i);
    }
    memset(saved, 0x70, size);
    assert_true(state_load(uart16550_state_desc(), uart, saved, size));
    uart16550_after_load(uart);
    for (unsigned i = 0; i < 100; i++)
        get(i % 8);
    free(saved);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(drivers_recognise_a_16550a),
        TEST(the_divisor_lies_behind_dlab),
        TEST(output_reaches_the_host_at_once),
        TEST(enabling_the_thre_interrupt_raises_it_every_time),
        TEST(one_handler_run_sees_one_thre_interrupt),
        TEST(a_busy_host_keeps_thr_full),
        TEST(a_busy_host_fills_the_fifo),
        TEST(one_character_at_a_time_without_fifos),
        TEST(the_trigger_level_decides_when_data_interrupts),
        TEST(characters_below_the_trigger_time_out),
        TEST(interrupts_come_by_priority),
        TEST(errors_show_when_their_character_comes_to_the_top),
        TEST(out2_gates_the_interrupt),
        TEST(loopback_connects_outputs_to_inputs),
        TEST(overrun_keeps_the_fifo_but_not_the_register),
        TEST(switching_the_fifos_empties_them),
        TEST(modem_lines_and_deltas_follow_the_far_end),
        TEST(reset_keeps_baud_rate_and_scratch),
        TEST(without_a_host_output_vanishes),
        TEST(destruction_lets_go_of_the_host),
        TEST(state_survives_save_and_load_with_full_fifos),
        TEST(wild_saved_state_is_made_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
