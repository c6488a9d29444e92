/* 8237A pair: registers, modes, pages, cascade, priorities. */
#include "tests/unit/hw/probe.h"

#include "hw/dma/dma8237.h"
#include "tests/unit/hw/pci/fake_board.h"

enum { STATUS = 8, REQUEST, SINGLE_MASK, MODE, CLEAR_POINTER, MASTER_CLEAR, CLEAR_MASK, ALL_MASK };
enum {
    VERIFY = 0x00,
    WRITE = 0x04,
    READ = 0x08,
    AUTOINIT = 0x10,
    DOWN = 0x20,
    DEMAND = 0x00,
    SINGLE = 0x40,
    BLOCK = 0x80,
    CASCADE = 0xc0
};

struct rig {
    struct fake_board *board;
    struct dma8237 *dma;
    unsigned n_grants[8];
    unsigned order[16], n_order;
};
struct end {
    struct rig *rig;
    unsigned n;
};

static void out(struct rig *rig, uint16_t port, uint8_t value)
{
    bus_out(rig->board->bus, port, value, 1);
}

static uint8_t in(struct rig *rig, uint16_t port)
{
    return (uint8_t)bus_in(rig->board->bus, port, 1);
}

/* Register `reg` of the controller that channel n belongs to. */
static uint16_t port_of(unsigned n, unsigned reg)
{
    return (uint16_t)(n < 4 ? reg : 0xc0 + 2 * reg);
}

static void program(struct rig *rig, unsigned n, uint8_t mode, uint16_t address, uint8_t page, uint16_t count)
{
    static const uint8_t page_port[8] = {0x87, 0x83, 0x81, 0x82, 0x8f, 0x8b, 0x89, 0x8a};

    out(rig, port_of(n, SINGLE_MASK), (uint8_t)(4 | (n & 3)));
    out(rig, port_of(n, MODE), (uint8_t)(mode | (n & 3)));
    out(rig, port_of(n, CLEAR_POINTER), 0);
    out(rig, port_of(n, 2 * (n & 3)), (uint8_t)address);
    out(rig, port_of(n, 2 * (n & 3)), (uint8_t)(address >> 8));
    out(rig, port_of(n, 2 * (n & 3) + 1), (uint8_t)count);
    out(rig, port_of(n, 2 * (n & 3) + 1), (uint8_t)(count >> 8));
    out(rig, page_port[n], page);
    out(rig, port_of(n, SINGLE_MASK), (uint8_t)(n & 3));
}

static uint16_t read_pair(struct rig *rig, unsigned n, unsigned reg)
{
    uint8_t low;

    out(rig, port_of(n, CLEAR_POINTER), 0);
    low = in(rig, port_of(n, 2 * (n & 3) + reg));
    return (uint16_t)(low | in(rig, port_of(n, 2 * (n & 3) + reg)) << 8);
}

static uint16_t address_of(struct rig *rig, unsigned n)
{
    return read_pair(rig, n, 0);
}

static uint16_t count_of(struct rig *rig, unsigned n)
{
    return read_pair(rig, n, 1);
}

static struct dma8237 *create_mapped(struct fake_board *board)
{
    struct dma8237 *dma = dma8237_create(board->bus);

    bus_map_ports(board->bus, 0x00, 16, &dma8237_low_ops, dma);
    bus_map_ports(board->bus, 0xc0, 32, &dma8237_high_ops, dma);
    bus_map_ports(board->bus, 0x80, 16, &dma8237_page_ops, dma);
    return dma;
}

static int setup(void **state)
{
    struct rig *rig = calloc(1, sizeof *rig);

    rig->board = fake_board_create();
    rig->dma = create_mapped(rig->board);
    out(rig, port_of(4, MODE), CASCADE);
    out(rig, port_of(4, SINGLE_MASK), 0);
    *state = rig;
    return 0;
}

static int teardown(void **state)
{
    struct rig *rig = *state;

    dma8237_destroy(rig->dma);
    fake_board_destroy(rig->board);
    free(rig);
    return 0;
}

static void count_grant(void *opaque)
{
    struct end *end = opaque;

    end->rig->n_grants[end->n]++;
    if (end->rig->n_order < 16)
        end->rig->order[end->rig->n_order++] = end->n;
}

static void write_transfer_fills_memory_upwards(void **state)
{
    struct rig *rig = *state;
    struct dma8237_channel *c = dma8237_channel(rig->dma, 2);
    uint8_t data[4] = {1, 2, 3, 4};
    bool tc;

    program(rig, 2, SINGLE | WRITE, 0x1234, 0x05, 9);
    assert_int_equal(dma8237_transfer(c, data, 4, &tc), 0); /* no request yet */
    dma8237_request(c, true);
    assert_int_equal(dma8237_transfer(c, data, 4, &tc), 4);
    assert_false(tc);
    assert_memory_equal(rig->board->ram + 0x51234, data, 4);
    assert_int_equal(address_of(rig, 2), 0x1238);
    assert_int_equal(count_of(rig, 2), 5);
}

static void read_transfer_takes_from_memory(void **state)
{
    struct rig *rig = *state;
    struct dma8237_channel *c = dma8237_channel(rig->dma, 1);
    uint8_t data[3];
    bool tc;

    memcpy(rig->board->ram + 0x20010, "abc", 3);
    program(rig, 1, DEMAND | READ, 0x0010, 0x02, 2);
    dma8237_request(c, true);
    assert_int_equal(dma8237_transfer(c, data, 3, &tc), 3);
    assert_true(tc);
    assert_memory_equal(data, "abc", 3);
}

static void verify_counts_without_touching_memory(void **state)
{
    struct rig *rig = *state;
    struct dma8237_channel *c = dma8237_channel(rig->dma, 2);
    uint8_t data[8] = {0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55};
    bool tc;

    program(rig, 2, SINGLE | VERIFY, 0x0100, 0, 7);
    dma8237_request(c, true);
    assert_int_equal(dma8237_transfer(c, data, 8, &tc), 8);
    assert_true(tc);
    assert_int_equal(data[7], 0x55);
    assert_int_equal(rig->board->ram[0x100], 0);
    assert_int_equal(address_of(rig, 2), 0x108);
}

static void terminal_count_masks_the_channel_and_shows_in_status_once(void **state)
{
    struct rig *rig = *state;
    struct dma8237_channel *c = dma8237_channel(rig->dma, 3);
    uint8_t data[64] = {0};
    bool tc;

    program(rig, 3, SINGLE | WRITE, 0, 0, 9);
    dma8237_request(c, true);
    assert_int_equal(in(rig, STATUS), 0x80);
    assert_int_equal(dma8237_transfer(c, data, sizeof data, &tc), 10);
    assert_true(tc);
    assert_int_equal(count_of(rig, 3), 0xffff);
    assert_int_equal(in(rig, STATUS), 0x88);
    assert_int_equal(in(rig, STATUS), 0x80);
    assert_int_equal(in(rig, ALL_MASK) & 0x0f, 0x0f);
    assert_false(dma8237_is_granted(c));
    assert_int_equal(dma8237_transfer(c, data, 1, &tc), 0);
    dma8237_request(c, false);
    assert_int_equal(in(rig, STATUS), 0);
}

static void autoinit_reloads_and_goes_on(void **state)
{
    struct rig *rig = *state;
    struct dma8237_channel *c = dma8237_channel(rig->dma, 1);
    uint8_t data[12];
    bool tc;

    memset(data, 7, sizeof data);
    program(rig, 1, SINGLE | WRITE | AUTOINIT, 0x200, 0, 7);
    dma8237_request(c, true);
    assert_int_equal(dma8237_transfer(c, data, 12, &tc),
                     8); /* it stops at terminal count, so that the device sees it */
    assert_true(tc);
    assert_int_equal(address_of(rig, 1), 0x200);
    assert_int_equal(count_of(rig, 1), 7);
    assert_int_equal(dma8237_transfer(c, data, 4, &tc), 4);
    assert_false(tc);
    assert_int_equal(address_of(rig, 1), 0x204);
}

static void decrement_moves_downwards(void **state)
{
    struct rig *rig = *state;
    struct dma8237_channel *c = dma8237_channel(rig->dma, 2);
    bool tc;

    program(rig, 2, SINGLE | WRITE | DOWN, 0x1003, 0, 3);
    dma8237_request(c, true);
    assert_int_equal(dma8237_transfer(c, "abcd", 4, &tc), 4);
    assert_true(tc);
    assert_memory_equal(rig->board->ram + 0x1000, "dcba", 4);
    assert_int_equal(address_of(rig, 2), 0x0fff);
}

static void address_wraps_within_its_page(void **state)
{
    struct rig *rig = *state;
    struct dma8237_channel *c = dma8237_channel(rig->dma, 2);
    bool tc;

    program(rig, 2, SINGLE | WRITE, 0xfffe, 0x03, 3);
    dma8237_request(c, true);
    assert_int_equal(dma8237_transfer(c, "abcd", 4, &tc), 4);
    assert_memory_equal(rig->board->ram + 0x3fffe, "ab", 2);
    assert_memory_equal(rig->board->ram + 0x30000, "cd", 2);
    assert_int_equal(rig->board->ram[0x40000], 0);
}

static void word_channel_counts_words_in_128k_pages(void **state)
{
    struct rig *rig = *state;
    struct dma8237_channel *c = dma8237_channel(rig->dma, 5);
    bool tc;

    program(rig, 5, SINGLE | WRITE, 0x8100, 0x05, 2); /* bit 0 of the page does not count */
    dma8237_request(c, true);
    assert_int_equal(dma8237_transfer(c, "abcde", 5, &tc), 4); /* whole words only */
    assert_false(tc);
    assert_memory_equal(rig->board->ram + 0x50200, "abcd", 5);
    assert_int_equal(address_of(rig, 5), 0x8102);
    assert_int_equal(dma8237_transfer(c, "efgh", 4, &tc), 2);
    assert_true(tc);
    assert_int_equal(in(rig, port_of(5, STATUS)) & 0x0f, 0x02);
}

static void word_decrement_keeps_the_bytes_of_a_word(void **state)
{
    struct rig *rig = *state;
    struct dma8237_channel *c = dma8237_channel(rig->dma, 6);
    bool tc;

    program(rig, 6, DEMAND | WRITE | DOWN, 0x0101, 0, 1);
    dma8237_request(c, true);
    assert_int_equal(dma8237_transfer(c, "abcd", 4, &tc), 4);
    assert_memory_equal(rig->board->ram + 0x200, "cdab", 4);
}

static void whole_64k_in_one_transfer(void **state)
{
    struct rig *rig = *state;
    struct dma8237_channel *c = dma8237_channel(rig->dma, 0);
    uint8_t *data = malloc(0x10001);
    bool tc;

    memset(data, 0x3c, 0x10001);
    program(rig, 0, BLOCK | WRITE, 0, 0x02, 0xffff);
    dma8237_request(c, true);
    assert_int_equal(dma8237_transfer(c, data, 0x10001, &tc), 0x10000);
    assert_true(tc);
    assert_int_equal(rig->board->ram[0x2ffff], 0x3c);
    assert_int_equal(rig->board->ram[0x30000], 0);
    free(data);
}

static void block_transfer_needs_the_request_only_at_its_start(void **state)
{
    struct rig *rig = *state;
    struct dma8237_channel *c = dma8237_channel(rig->dma, 2);
    uint8_t data[4] = {0};
    bool tc;

    program(rig, 2, BLOCK | WRITE, 0, 0, 7);
    dma8237_request(c, true);
    assert_int_equal(dma8237_transfer(c, data, 4, &tc), 4);
    dma8237_request(c, false);
    assert_int_equal(dma8237_transfer(c, data, 4, &tc), 4);
    assert_true(tc);
    program(rig, 2, DEMAND | WRITE, 0, 0, 7);
    dma8237_request(c, true);
    assert_int_equal(dma8237_transfer(c, data, 4, &tc), 4);
    dma8237_request(c, false);
    assert_int_equal(dma8237_transfer(c, data, 4, &tc), 0);
}

static void block_transfer_ends_with_terminal_count_mode_or_master_clear(void **state)
{
    struct rig *rig = *state;
    struct dma8237_channel *c = dma8237_channel(rig->dma, 2);
    uint8_t data[8] = {0};
    bool tc;

    for (unsigned i = 0; i < 3; i++) {
        program(rig, 2, BLOCK | WRITE | AUTOINIT, 0, 0, 7);
        dma8237_request(c, true);
        dma8237_transfer(c, data, i == 0 ? 8 : 4, &tc);
        dma8237_request(c, false);
        assert_int_equal(dma8237_is_granted(c), i > 0);
        if (i == 1)
            out(rig, MODE, BLOCK | WRITE | 2);
        if (i == 2) {
            out(rig, MASTER_CLEAR, 0);
            out(rig, CLEAR_MASK, 0);
        }
        assert_false(dma8237_is_granted(c));
    }
}

static void grant_comes_with_the_request_or_when_the_mask_is_lifted(void **state)
{
    struct rig *rig = *state;
    struct dma8237_channel *c = dma8237_channel(rig->dma, 2);
    struct end end = {rig, 2};

    dma8237_connect(c, count_grant, &end);
    program(rig, 2, SINGLE | WRITE, 0, 0, 7);
    dma8237_request(c, true);
    assert_int_equal(rig->n_grants[2], 1);
    dma8237_request(c, true); /* nothing new */
    assert_int_equal(rig->n_grants[2], 1);
    out(rig, SINGLE_MASK, 6);
    assert_int_equal(rig->n_grants[2], 1);
    assert_false(dma8237_is_granted(c));
    out(rig, CLEAR_MASK, 0);
    assert_int_equal(rig->n_grants[2], 2);
    assert_int_equal(in(rig, ALL_MASK), 0xf0);
    out(rig, ALL_MASK, 0x0f);
    out(rig, ALL_MASK, 0x0b);
    assert_int_equal(rig->n_grants[2], 3);
    assert_int_equal(in(rig, ALL_MASK), 0xfb);
}

static void disabled_controller_grants_nothing(void **state)
{
    struct rig *rig = *state;
    struct dma8237_channel *c = dma8237_channel(rig->dma, 2);

    program(rig, 2, SINGLE | WRITE, 0, 0, 7);
    dma8237_request(c, true);
    assert_true(dma8237_is_granted(c));
    out(rig, STATUS, 0x04);
    assert_false(dma8237_is_granted(c));
    out(rig, STATUS, 0x00);
    assert_true(dma8237_is_granted(c));
}

static void slave_needs_the_cascade_channel(void **state)
{
    struct rig *rig = *state;
    struct dma8237_channel *c = dma8237_channel(rig->dma, 2), *word = dma8237_channel(rig->dma, 7);

    program(rig, 2, SINGLE | WRITE, 0, 0, 7);
    program(rig, 7, SINGLE | WRITE, 0, 0, 7);
    dma8237_request(c, true);
    dma8237_request(word, true);
    out(rig, port_of(4, SINGLE_MASK), 4);
    assert_false(dma8237_is_granted(c));
    assert_true(dma8237_is_granted(word));
    out(rig, port_of(4, SINGLE_MASK), 0);
    assert_true(dma8237_is_granted(c));
    out(rig, port_of(4, MODE), SINGLE);
    assert_false(dma8237_is_granted(c));
    out(rig, port_of(4, MODE), CASCADE);
    out(rig, port_of(4, STATUS), 0x04);
    assert_false(dma8237_is_granted(c));
    assert_null(dma8237_channel(rig->dma, 4));
    assert_null(dma8237_channel(rig->dma, 8));
}

static void cascade_mode_hands_the_bus_to_a_master(void **state)
{
    struct rig *rig = *state;
    struct dma8237_channel *c = dma8237_channel(rig->dma, 5);
    struct end end = {rig, 5};
    uint8_t data[4];
    bool tc;

    dma8237_connect(c, count_grant, &end);
    program(rig, 5, CASCADE, 0, 0, 0);
    dma8237_request(c, true);
    assert_int_equal(rig->n_grants[5], 1);
    assert_true(dma8237_is_granted(c));
    assert_int_equal(dma8237_transfer(c, data, 4, &tc), 0);
}

static void fixed_priority_serves_the_lowest_channel_first(void **state)
{
    struct rig *rig = *state;
    struct end end[4] = {{rig, 0}, {rig, 1}, {rig, 2}, {rig, 3}};

    uint8_t byte = 0;
    bool tc;

    program(rig, 1, SINGLE | WRITE, 0, 0, 7);
    dma8237_request(dma8237_channel(rig->dma, 1), true);
    dma8237_transfer(dma8237_channel(rig->dma, 1), &byte, 1, &tc); /* makes no difference here */
    out(rig, STATUS, 0x04);
    for (unsigned n = 0; n < 4; n++) {
        dma8237_connect(dma8237_channel(rig->dma, n), count_grant, &end[n]);
        program(rig, n, SINGLE | WRITE, 0, 0, 7);
        dma8237_request(dma8237_channel(rig->dma, 3 - n), true);
    }
    out(rig, STATUS, 0x00);
    for (unsigned n = 0; n < 4; n++)
        assert_int_equal(rig->order[n], n);
}

static void rotating_priority_puts_the_served_channel_last(void **state)
{
    struct rig *rig = *state;
    struct end end[4] = {{rig, 0}, {rig, 1}, {rig, 2}, {rig, 3}};
    uint8_t byte = 0;
    bool tc;

    for (unsigned n = 0; n < 4; n++) {
        program(rig, n, SINGLE | WRITE, 0, 0, 7);
        dma8237_request(dma8237_channel(rig->dma, n), true);
    }
    assert_int_equal(dma8237_transfer(dma8237_channel(rig->dma, 1), &byte, 1, &tc), 1);
    for (unsigned n = 0; n < 4; n++)
        dma8237_connect(dma8237_channel(rig->dma, n), count_grant, &end[n]);
    out(rig, STATUS, 0x10);
    for (unsigned n = 0; n < 4; n++)
        assert_int_equal(rig->order[n], (n + 2) % 4);
}

/* A device that lets go and asks again from within its grant is served again, not recursively. */
static void ask_again(void *opaque)
{
    struct end *end = opaque;
    struct dma8237_channel *c = dma8237_channel(end->rig->dma, end->n);

    assert_int_equal(end->rig->n_order++, 0); /* how deep we are */
    end->rig->n_grants[end->n]++;
    dma8237_request(c, false);
    if (end->rig->n_grants[end->n] < 5)
        dma8237_request(c, true);
    end->rig->n_order--;
}

static void request_from_within_a_grant_is_served_after_it(void **state)
{
    struct rig *rig = *state;
    struct dma8237_channel *c = dma8237_channel(rig->dma, 3);
    struct end end = {rig, 3};

    dma8237_connect(c, ask_again, &end);
    program(rig, 3, SINGLE | WRITE, 0, 0, 7);
    dma8237_request(c, true);
    assert_int_equal(rig->n_grants[3], 5);
}

static void software_request_runs_to_terminal_count(void **state)
{
    struct rig *rig = *state;

    program(rig, 1, BLOCK | WRITE, 0x400, 0, 0x2ff);
    out(rig, REQUEST, 0x05);
    assert_int_equal(rig->board->ram[0x400], 0xff); /* a bus that nobody drives */
    assert_int_equal(rig->board->ram[0x6ff], 0xff);
    assert_int_equal(rig->board->ram[0x700], 0);
    assert_int_equal(in(rig, STATUS), 0x02);
    assert_int_equal(count_of(rig, 1), 0xffff);
}

static void software_request_waits_for_the_controller(void **state)
{
    struct rig *rig = *state;

    program(rig, 1, BLOCK | READ, 0x400, 0, 3);
    out(rig, STATUS, 0x04);
    out(rig, REQUEST, 0x05);
    assert_int_equal(in(rig, STATUS), 0x20);
    out(rig, REQUEST, 0x01);
    assert_int_equal(in(rig, STATUS), 0);
    out(rig, STATUS, 0);
    assert_int_equal(count_of(rig, 1), 3);
}

static void flip_flop_orders_the_bytes(void **state)
{
    struct rig *rig = *state;

    out(rig, CLEAR_POINTER, 0);
    out(rig, 0, 0x34);
    out(rig, 0, 0x12);
    out(rig, 1, 0x78);
    out(rig, CLEAR_POINTER, 0);
    assert_int_equal(in(rig, 0), 0x34);
    assert_int_equal(in(rig, 1), 0x00); /* the flip-flop is common to all registers */
    out(rig, CLEAR_POINTER, 0);
    assert_int_equal(in(rig, 1), 0x78);
    assert_int_equal(in(rig, 0), 0x12);
}

static void master_clear_masks_all_and_keeps_addresses(void **state)
{
    struct rig *rig = *state;
    struct dma8237_channel *c = dma8237_channel(rig->dma, 2);

    program(rig, 2, SINGLE | WRITE, 0x4321, 0x09, 0x55);
    dma8237_request(c, true);
    out(rig, 0, 0); /* leaves the flip-flop high */
    out(rig, STATUS, 0x10);
    out(rig, MASTER_CLEAR, 0);
    assert_int_equal(in(rig, ALL_MASK), 0xff);
    assert_int_equal(in(rig, 4), 0x21);
    assert_int_equal(in(rig, 4), 0x43);
    assert_int_equal(in(rig, 0x81), 0x09);
    assert_int_equal(in(rig, STATUS), 0x40); /* the request line is not the controller's */
    assert_int_equal(in(rig, MASTER_CLEAR), 0);
    assert_int_equal(in(rig, REQUEST), 0xff);
}

static void reset_clears_both_controllers(void **state)
{
    struct rig *rig = *state;

    program(rig, 2, SINGLE | WRITE, 0, 0, 0);
    program(rig, 6, SINGLE | WRITE, 0, 0, 0);
    dma8237_reset(rig->dma);
    assert_int_equal(in(rig, ALL_MASK), 0xff);
    assert_int_equal(in(rig, port_of(4, ALL_MASK)), 0xff);
}

static void page_registers_read_back_what_was_written(void **state)
{
    struct rig *rig = *state;

    for (unsigned i = 0; i < 16; i++)
        out(rig, (uint16_t)(0x80 + i), (uint8_t)(0xa0 + i));
    for (unsigned i = 0; i < 16; i++)
        assert_int_equal(in(rig, (uint16_t)(0x80 + i)), 0xa0 + i);
}

static void memory_that_is_not_there_reads_as_given_and_ends_all_the_same(void **state)
{
    struct rig *rig = *state;
    struct dma8237_channel *c = dma8237_channel(rig->dma, 2);
    uint8_t data[16] = {0};
    bool tc;

    program(rig, 2, SINGLE | WRITE, 0, 0xf0, 15);
    dma8237_request(c, true);
    assert_int_equal(dma8237_transfer(c, data, 16, &tc), 16);
    assert_true(tc);
}

static void unmodelled_command_bits_change_nothing(void **state)
{
    struct rig *rig = *state;
    struct dma8237_channel *c = dma8237_channel(rig->dma, 2);

    out(rig, STATUS, 0xc1);
    program(rig, 2, SINGLE | WRITE, 0, 0, 0);
    assert_false(dma8237_is_granted(c));
    dma8237_request(c, true);
    assert_true(dma8237_is_granted(c));
}

static void saved_state_continues_in_another_machine(void **state)
{
    struct rig *rig = *state;
    struct dma8237 *other;
    uint8_t data[4] = {9, 8, 7, 6};
    bool tc;

    program(rig, 2, SINGLE | WRITE | AUTOINIT, 0x3000, 0x04, 7);
    dma8237_request(dma8237_channel(rig->dma, 2), true);
    dma8237_transfer(dma8237_channel(rig->dma, 2), data, 4, &tc);
    other = dma8237_create(rig->board->bus);
    copy_state(dma8237_state_desc(), rig->dma, other);
    dma8237_after_load(other);
    assert_int_equal(dma8237_transfer(dma8237_channel(other, 2), data, 4, &tc), 4);
    assert_true(tc);
    assert_memory_equal(rig->board->ram + 0x43004, data, 4);
    dma8237_destroy(other);
}

static void printed_state_names_mode_and_mask(void **state)
{
    struct rig *rig = *state;
    char *text = NULL;
    size_t size;
    FILE *out_file = open_memstream(&text, &size);

    program(rig, 2, SINGLE | WRITE | AUTOINIT | DOWN, 0x1000, 0x12, 0xff);
    dma8237_request(dma8237_channel(rig->dma, 2), true);
    dma8237_print(rig->dma, out_file);
    fclose(out_file);
    assert_non_null(strstr(text, "dma2: address=121000 count=00ff base=1000/00ff single write autoinit down dreq"));
    assert_non_null(strstr(text, "dma4: address=000000 count=0000 base=0000/0000 cascade verify\n"));
    free(text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(write_transfer_fills_memory_upwards),
        TEST(read_transfer_takes_from_memory),
        TEST(verify_counts_without_touching_memory),
        TEST(terminal_count_masks_the_channel_and_shows_in_status_once),
        TEST(autoinit_reloads_and_goes_on),
        TEST(decrement_moves_downwards),
        TEST(address_wraps_within_its_page),
        TEST(word_channel_counts_words_in_128k_pages),
        TEST(word_decrement_keeps_the_bytes_of_a_word),
        TEST(whole_64k_in_one_transfer),
        TEST(block_transfer_needs_the_request_only_at_its_start),
        TEST(block_transfer_ends_with_terminal_count_mode_or_master_clear),
        TEST(grant_comes_with_the_request_or_when_the_mask_is_lifted),
        TEST(disabled_controller_grants_nothing),
        TEST(slave_needs_the_cascade_channel),
        TEST(cascade_mode_hands_the_bus_to_a_master),
        TEST(fixed_priority_serves_the_lowest_channel_first),
        TEST(rotating_priority_puts_the_served_channel_last),
        TEST(request_from_within_a_grant_is_served_after_it),
        TEST(software_request_runs_to_terminal_count),
        TEST(software_request_waits_for_the_controller),
        TEST(flip_flop_orders_the_bytes),
        TEST(master_clear_masks_all_and_keeps_addresses),
        TEST(reset_clears_both_controllers),
        TEST(page_registers_read_back_what_was_written),
        TEST(memory_that_is_not_there_reads_as_given_and_ends_all_the_same),
        TEST(unmodelled_command_bits_change_nothing),
        TEST(saved_state_continues_in_another_machine),
        TEST(printed_state_names_mode_and_mask),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
