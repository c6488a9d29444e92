/* The 8259A pair: priorities, EOI in all its forms, modes, cascade, ELCR. */
#include "tests/unit/hw/probe.h"

#include <stdio.h>
#include <string.h>

#include "hw/intc/pic8259.h"

static struct probe intr;
static struct pic8259_pair *pair;
static struct pic8259 *master, *slave;

static void command(struct pic8259 *pic, uint8_t value)
{
    port_out(&pic8259_ops, pic, 0, value);
}

static void data(struct pic8259 *pic, uint8_t value)
{
    port_out(&pic8259_ops, pic, 1, value);
}

static uint8_t read_irr(struct pic8259 *pic)
{
    command(pic, 0x0a);
    return port_in(&pic8259_ops, pic, 0);
}

static uint8_t read_isr(struct pic8259 *pic)
{
    command(pic, 0x0b);
    return port_in(&pic8259_ops, pic, 0);
}

static void wire(unsigned n, bool level)
{
    struct irq input = pic8259_input(pair, n);
    irq_set(&input, level);
}

static void pulse(unsigned n)
{
    wire(n, false);
    wire(n, true);
}

/* As a PC's firmware does it: vectors 08h and 70h, slave on IR2, everything unmasked. */
static void initialise(uint8_t master_icw4, uint8_t slave_icw4)
{
    command(master, 0x11);
    data(master, 0x08);
    data(master, 0x04);
    data(master, master_icw4);
    command(slave, 0x11);
    data(slave, 0x70);
    data(slave, 0x02);
    data(slave, slave_icw4);
    data(master, 0x00);
    data(slave, 0x00);
}

static int setup(void **state)
{
    intr = (struct probe){0};
    pair = pic8259_pair_create(probe_wire(&intr));
    master = pic8259_chip(pair, 0);
    slave = pic8259_chip(pair, 1);
    initialise(0x01, 0x01);
    return 0;
}

static int teardown(void **state)
{
    pic8259_pair_destroy(pair);
    return 0;
}

static void power_on_masks_everything(void **state)
{
    pic8259_pair_reset(pair);
    assert_int_equal(port_in(&pic8259_ops, master, 1), 0xff);
    pulse(0);
    pulse(8);
    assert_false(intr.level);
}

static void an_edge_requests_once(void **state)
{
    wire(3, true);
    assert_true(intr.level);
    assert_int_equal(read_irr(master), 0x08);
    assert_int_equal(pic8259_acknowledge(pair), 0x0b);
    assert_false(intr.level);
    assert_int_equal(read_irr(master), 0x00);
    assert_int_equal(read_isr(master), 0x08);
    command(master, 0x20);
    assert_int_equal(read_isr(master), 0x00);
    assert_false(intr.level); /* still high, but no new edge */
    pulse(3);
    assert_true(intr.level);
}

static void higher_priority_interrupts_lower_but_not_the_reverse(void **state)
{
    pulse(4);
    assert_int_equal(pic8259_acknowledge(pair), 0x0c);
    pulse(5);
    assert_false(intr.level);
    pulse(1);
    assert_true(intr.level);
    assert_int_equal(pic8259_acknowledge(pair), 0x09);
    assert_int_equal(read_isr(master), 0x12);
    command(master, 0x20); /* non-specific: the highest, 1 */
    assert_int_equal(read_isr(master), 0x10);
    assert_false(intr.level);
    command(master, 0x64); /* specific, 4 */
    assert_int_equal(read_isr(master), 0x00);
    assert_int_equal(pic8259_acknowledge(pair), 0x0d);
}

static void a_masked_request_waits(void **state)
{
    data(master, 0x02);
    assert_int_equal(port_in(&pic8259_ops, master, 1), 0x02);
    pulse(1);
    assert_false(intr.level);
    assert_int_equal(read_irr(master), 0x02);
    data(master, 0x00);
    assert_true(intr.level);
}

static void a_request_withdrawn_before_acknowledge_is_spurious(void **state)
{
    pulse(3);
    wire(3, false);
    assert_false(intr.level);
    assert_int_equal(pic8259_acknowledge(pair), 0x0f);
    assert_int_equal(read_isr(master), 0x00);
}

static void slave_requests_come_through_ir2(void **state)
{
    pulse(12);
    assert_int_equal(read_irr(master), 0x04);
    assert_int_equal(pic8259_acknowledge(pair), 0x74);
    assert_int_equal(read_isr(master), 0x04);
    assert_int_equal(read_isr(slave), 0x10);
    pulse(3);
    assert_false(intr.level); /* IR2 in service is higher */
    pulse(14);
    command(slave, 0x20);
    assert_false(intr.level);
    command(master, 0x20);
    assert_true(intr.level);
    assert_int_equal(pic8259_acknowledge(pair), 0x76); /* IRQ 14 before IRQ 3 */
    command(slave, 0x20);
    command(master, 0x20);
    assert_int_equal(pic8259_acknowledge(pair), 0x0b);
}

static void a_waiting_slave_request_makes_a_new_edge_after_acknowledge(void **state)
{
    initialise(0x03, 0x03); /* AEOI on both: nothing holds the second request back */
    pulse(8);
    pulse(9);
    assert_int_equal(pic8259_acknowledge(pair), 0x70);
    assert_true(intr.level);
    assert_int_equal(pic8259_acknowledge(pair), 0x71);
    assert_false(intr.level);
}

static void special_fully_nested_mode_lets_the_slave_nest(void **state)
{
    pulse(14);
    pic8259_acknowledge(pair);
    pulse(8);
    assert_false(intr.level); /* fully nested: IR2 locks out its own slave */
    initialise(0x11, 0x01);
    pulse(14);
    assert_int_equal(pic8259_acknowledge(pair), 0x76);
    pulse(15);
    assert_false(intr.level); /* the slave itself holds lower ones back */
    pulse(8);
    assert_true(intr.level);
    assert_int_equal(pic8259_acknowledge(pair), 0x70);
    pulse(5);
    assert_false(intr.level);
}

static void level_triggered_inputs_request_as_long_as_they_are_high(void **state)
{
    port_out(&pic8259_elcr_ops, pair, 0, 0xff);
    port_out(&pic8259_elcr_ops, pair, 1, 0xff);
    assert_int_equal(port_in(&pic8259_elcr_ops, pair, 0), 0xf8); /* IRQ 0 to 2, 8 and 13 cannot be level-triggered */
    assert_int_equal(port_in(&pic8259_elcr_ops, pair, 1), 0xde);
    wire(11, true);
    assert_int_equal(pic8259_acknowledge(pair), 0x73);
    command(slave, 0x20);
    command(master, 0x20);
    assert_true(intr.level);
    wire(11, false);
    assert_false(intr.level);
    assert_int_equal(read_irr(slave), 0x00);
    wire(5, true);
    assert_true(intr.level);
    pic8259_acknowledge(pair);
    command(master, 0x20);
    assert_true(intr.level);
    port_out(&pic8259_elcr_ops, pair, 0, 0x00); /* edge-triggered again: its edge has been served */
    assert_true(intr.level == false);
}

static void a_level_that_was_high_before_initialisation_needs_an_edge(void **state)
{
    wire(5, true);
    initialise(0x01, 0x01);
    assert_false(intr.level);
    pulse(5);
    assert_true(intr.level);
}

static void aeoi_leaves_nothing_in_service(void **state)
{
    initialise(0x03, 0x01);
    pulse(1);
    assert_int_equal(pic8259_acknowledge(pair), 0x09);
    assert_int_equal(read_isr(master), 0x00);
    pulse(6);
    assert_true(intr.level);
}

static void rotation_gives_the_served_input_the_lowest_priority(void **state)
{
    pulse(4);
    pic8259_acknowledge(pair);
    command(master, 0xa0); /* rotate on non-specific EOI: 4 is lowest, 5 highest */
    pulse(4);
    pulse(3);
    pulse(5);
    assert_int_equal(pic8259_acknowledge(pair), 0x0d);
    command(master, 0xe5); /* rotate on specific EOI: 5 lowest, 6 highest */
    assert_int_equal(read_isr(master), 0x00);
    assert_int_equal(pic8259_acknowledge(pair), 0x0b);
    command(master, 0x20);
    command(master, 0xc3); /* set priority: 3 lowest, 4 highest */
    pulse(3);
    assert_int_equal(pic8259_acknowledge(pair), 0x0c);
}

static void rotation_in_aeoi_mode_can_be_switched(void **state)
{
    initialise(0x03, 0x01);
    command(master, 0x80);
    pulse(3);
    assert_int_equal(pic8259_acknowledge(pair), 0x0b);
    pulse(3);
    pulse(6);
    assert_int_equal(pic8259_acknowledge(pair), 0x0e); /* 3 went to the end */
    assert_int_equal(pic8259_acknowledge(pair), 0x0b);
    command(master, 0x00);
    command(master, 0xc7);
    pulse(3);
    pic8259_acknowledge(pair);
    pulse(3);
    pulse(6);
    assert_int_equal(pic8259_acknowledge(pair), 0x0b);
}

static void eoi_without_service_and_no_operation_do_nothing(void **state)
{
    command(master, 0x20);
    command(master, 0xa0);
    command(master, 0x40);
    pulse(7);
    pulse(0);
    assert_int_equal(pic8259_acknowledge(pair), 0x08);
    command(master, 0x40);
    assert_int_equal(read_isr(master), 0x01);
}

static void special_mask_mode_lets_lower_requests_through(void **state)
{
    pulse(3);
    pic8259_acknowledge(pair);
    command(master, 0x68); /* ESMM, SMM */
    pulse(5);
    assert_false(intr.level); /* 3 is in service and not masked */
    data(master, 0x08);
    assert_true(intr.level);
    assert_int_equal(pic8259_acknowledge(pair), 0x0d);
    command(master, 0x20); /* non-specific EOI passes over the masked one */
    assert_int_equal(read_isr(master), 0x08);
    command(master, 0x08); /* without ESMM the bit is ignored */
    pulse(6);
    assert_true(intr.level);
    command(master, 0x48); /* ESMM, SMM off */
    assert_false(intr.level);
}

static void poll_acknowledges_by_reading(void **state)
{
    command(master, 0x0c);
    assert_int_equal(port_in(&pic8259_ops, master, 0), 0x00);
    pulse(6);
    command(master, 0x0c);
    assert_true(intr.level);
    assert_int_equal(port_in(&pic8259_ops, master, 1), 0x86); /* either port */
    assert_false(intr.level);
    assert_int_equal(read_isr(master), 0x40);
    assert_false(intr.level);
    pulse(9);
    command(master, 0x0c);
    assert_int_equal(port_in(&pic8259_ops, master, 0), 0x82);
    command(slave, 0x0c);
    assert_int_equal(port_in(&pic8259_ops, slave, 0), 0x81);
    assert_int_equal(read_isr(slave), 0x02);
}

static void a_cascade_address_that_nobody_has_floats(void **state)
{
    command(slave, 0x11);
    data(slave, 0x70);
    data(slave, 0x05); /* wired to IR2, but told it is at IR5 */
    data(slave, 0x01);
    pulse(9);
    assert_int_equal(pic8259_acknowledge(pair), 0xff);
}

static void a_slave_with_nothing_to_say_answers_with_its_ir7(void **state)
{
    command(master, 0x11);
    data(master, 0x08);
    data(master, 0x24); /* the master thinks that IR5 has a slave, too, */
    data(master, 0x01);
    command(slave, 0x11);
    data(slave, 0x70);
    data(slave, 0x05); /* and the slave believes it */
    data(slave, 0x01);
    pulse(5);
    assert_int_equal(pic8259_acknowledge(pair), 0x77);
    assert_int_equal(read_isr(master), 0x20);
    assert_int_equal(read_isr(slave), 0x00);
}

static void initialisation_counts_its_words(void **state)
{
    command(master, 0x13); /* single: no ICW3 */
    data(master, 0x20);
    data(master, 0x01);
    data(master, 0xaa);
    assert_int_equal(port_in(&pic8259_ops, master, 1), 0xaa);
    command(master, 0x12); /* single, no ICW4 */
    data(master, 0x20);
    data(master, 0xbb);
    assert_int_equal(port_in(&pic8259_ops, master, 1), 0xbb);
    command(master, 0x10); /* cascaded, no ICW4 */
    data(master, 0x25);
    data(master, 0x04);
    data(master, 0x00);
    assert_int_equal(port_in(&pic8259_ops, master, 1), 0x00);
    pulse(2); /* the cascade input is not for the board */
    assert_false(intr.level);
    pulse(1);
    assert_int_equal(pic8259_acknowledge(pair), 0x21); /* low bits of ICW2 do not count */
}

static void icw1_clears_masks_service_and_modes(void **state)
{
    data(master, 0xf0);
    pulse(1);
    pic8259_acknowledge(pair);
    command(master, 0x68);
    command(master, 0xc2);
    pulse(3);
    command(master, 0x11);
    assert_int_equal(port_in(&pic8259_ops, master, 1), 0x00);
    assert_int_equal(port_in(&pic8259_ops, master, 0), 0x00); /* IRR selected, edges gone */
    assert_int_equal(read_isr(master), 0x00);
    initialise(0x03, 0x01);
    command(master, 0xc2); /* 3 highest */
    command(master, 0x80);
    initialise(0x01, 0x01);
    pulse(3);
    pulse(1);
    assert_int_equal(pic8259_acknowledge(pair), 0x09); /* 0 is the highest again */
    command(master, 0x20);
    pulse(15);
    assert_int_equal(pic8259_acknowledge(pair), 0x77);
}

static void state_survives_save_and_load_in_mid_service(void **state)
{
    struct probe copy_intr = {0};
    struct pic8259_pair *copy = pic8259_pair_create(probe_wire(&copy_intr));
    port_out(&pic8259_elcr_ops, pair, 1, 0x08);
    pulse(4);
    pic8259_acknowledge(pair);
    wire(11, true);
    command(master, 0x0b);
    copy_state(pic8259_pair_state_desc(), pair, copy);
    pic8259_pair_after_load(copy);
    assert_null(state_difference(pic8259_pair_state_desc(), pair, copy));
    assert_true(copy_intr.level);
    assert_int_equal(port_in(&pic8259_ops, pic8259_chip(copy, 0), 0), 0x10);
    assert_int_equal(port_in(&pic8259_elcr_ops, copy, 1), 0x08);
    assert_int_equal(pic8259_acknowledge(copy), 0x73);
    assert_int_equal(pic8259_acknowledge(pair), 0x73);
    assert_null(state_difference(pic8259_pair_state_desc(), pair, copy));
    pic8259_pair_destroy(copy);
}

static void print_names_registers_and_modes(void **state)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    initialise(0x13, 0x01);
    command(master, 0x68);
    command(master, 0x80);
    command(slave, 0x11);
    pic8259_print(pair, out);
    fclose(out);
    assert_non_null(strstr(text, "pic0: irr=00 imr=00 isr=00 pins=00 elcr=00 base=08 lowest=7 rr_sel=irr aeoi rotate "
                                 "smm sfnm\n"));
    assert_non_null(strstr(text, "\npic1: "));
    assert_non_null(strstr(text, " initialising\n"));
    free(text);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(power_on_masks_everything),
        TEST(an_edge_requests_once),
        TEST(higher_priority_interrupts_lower_but_not_the_reverse),
        TEST(a_masked_request_waits),
        TEST(a_request_withdrawn_before_acknowledge_is_spurious),
        TEST(a_slave_with_nothing_to_say_answers_with_its_ir7),
        TEST(slave_requests_come_through_ir2),
        TEST(a_waiting_slave_request_makes_a_new_edge_after_acknowledge),
        TEST(special_fully_nested_mode_lets_the_slave_nest),
        TEST(level_triggered_inputs_request_as_long_as_they_are_high),
        TEST(a_level_that_was_high_before_initialisation_needs_an_edge),
        TEST(aeoi_leaves_nothing_in_service),
        TEST(rotation_gives_the_served_input_the_lowest_priority),
        TEST(rotation_in_aeoi_mode_can_be_switched),
        TEST(eoi_without_service_and_no_operation_do_nothing),
        TEST(special_mask_mode_lets_lower_requests_through),
        TEST(poll_acknowledges_by_reading),
        TEST(a_cascade_address_that_nobody_has_floats),
        TEST(initialisation_counts_its_words),
        TEST(icw1_clears_masks_service_and_modes),
        TEST(state_survives_save_and_load_in_mid_service),
        TEST(print_names_registers_and_modes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
