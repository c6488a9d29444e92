/* The 8042 with its keyboard and mouse, through ports 60h and 64h as drivers use them. */
#include "tests/unit/hw/probe.h"

#include <string.h>

#include "hw/core/clock.h"
#include "hw/input/kbc8042.h"

enum { OBF = 0x01, SYS = 0x04, CMD = 0x08, AUX = 0x20 };

enum {
    KEY_ESC = 0x01,
    KEY_A = 0x1e,
    KEY_CTRL = 0x1d,
    KEY_SHIFT = 0x2a,
    KEY_ALT = 0x38,
    KEY_F7 = 0x41,
    KEY_RIGHT = 0x4d | KBC8042_KEY_EXTENDED,
};

static struct clock *fake;
static struct probe irq1, irq12, a20, reset;
static struct kbc8042 *kbc;

static void command(uint8_t value)
{
    port_out(&kbc8042_command_ops, kbc, 0, value);
}

static void data(uint8_t value)
{
    port_out(&kbc8042_data_ops, kbc, 0, value);
}

static uint8_t status(void)
{
    return port_in(&kbc8042_command_ops, kbc, 0);
}

static uint8_t read_data(void)
{
    return port_in(&kbc8042_data_ops, kbc, 0);
}

/* Waits for the output buffer as a driver does, then reads it; -1: nothing came. */
static int take(void)
{
    for (unsigned i = 0; i < 20 && !(status() & OBF); i++)
        clock_advance(fake, 50 * NS_PER_US);
    return status() & OBF ? read_data() : -1;
}

static void assert_bytes(const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        assert_int_equal(take(), bytes[i]);
    assert_int_equal(take(), -1);
}
#define ASSERT_BYTES(...) assert_bytes((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static void mouse_command(uint8_t value)
{
    command(0xd4);
    data(value);
}

static void write_ccb(uint8_t value)
{
    command(0x60);
    data(value);
}

static void key(uint8_t number)
{
    kbc8042_key(kbc, number, true);
    kbc8042_key(kbc, number, false);
}

static int setup(void **state)
{
    fake = clock_create_fake();
    irq1 = irq12 = a20 = reset = (struct probe){0};
    kbc = kbc8042_create(
        fake, (struct kbc8042_wires){probe_wire(&irq1), probe_wire(&irq12), probe_wire(&a20), probe_wire(&reset)});
    write_ccb(0x03); /* both interrupts, no translation */
    return 0;
}

static int teardown(void **state)
{
    kbc8042_destroy(kbc);
    clock_destroy(fake);
    return 0;
}

/* ---- controller ---- */

static void self_tests_pass(void **state)
{
    command(0xaa);
    assert_int_equal(status(), 0x10 | CMD | SYS | OBF);
    ASSERT_BYTES(0x55);
    command(0xab);
    ASSERT_BYTES(0x00);
    command(0xa9);
    ASSERT_BYTES(0x00);
    command(0xa4);
    ASSERT_BYTES(0xf1);
    command(0xc0);
    ASSERT_BYTES(0xa0);
    command(0xe0);
    ASSERT_BYTES(0x00);
}

static void a_reply_is_a_new_edge_whatever_was_waiting(void **state)
{
    kbc8042_key(kbc, KEY_A, true);
    assert_true(irq1.level);
    irq1.rises = 0;
    command(0xaa);
    assert_true(irq1.level);
    assert_int_equal(irq1.rises, 1);
    ASSERT_BYTES(0x55);
}

static void each_interrupt_has_its_own_enable(void **state)
{
    mouse_command(0xf4);
    assert_int_equal(take(), 0xfa);
    write_ccb(0x01);
    kbc8042_mouse(kbc, 1, 0, 0, 0);
    clock_advance(fake, NS_PER_MS);
    assert_int_equal(status() & (OBF | AUX), OBF | AUX);
    assert_false(irq12.level);
    write_ccb(0x02);
    assert_true(irq12.level);
    assert_false(irq1.level);
}

static void ram_and_command_byte_can_be_read_back(void **state)
{
    write_ccb(0x47);
    assert_int_equal(status() & (SYS | CMD), SYS);
    command(0x20);
    assert_int_equal(take(), 0x47);
    command(0x7f);
    data(0x99);
    command(0x3f);
    assert_int_equal(take(), 0x99);
    command(0xad);
    command(0xa7);
    command(0x20);
    assert_int_equal(take(), 0x77);
    command(0xae);
    command(0xa8);
    command(0x20);
    assert_int_equal(take(), 0x47);
}

static void passwords_and_unknown_commands_do_no_harm(void **state)
{
    command(0xa5);
    data(0x1e);
    data(0x30);
    data(0x00);
    command(0xa6);
    command(0xb8);
    assert_int_equal(take(), -1);
    data(0xee); /* the keyboard hears again */
    ASSERT_BYTES(0xee);
    command(0xd1);
    command(0xaa); /* a command calls off one that waits for data */
    data(0xee);
    assert_int_equal(reset.rises, 0);
}

static void bytes_can_be_put_into_the_output_buffer(void **state)
{
    command(0xd2);
    data(0x12);
    assert_true(irq1.level);
    assert_int_equal(status() & (OBF | AUX), OBF);
    assert_int_equal(read_data(), 0x12);
    assert_false(irq1.level);
    command(0xd3); /* drivers find the mouse port with this */
    data(0xa5);
    assert_true(irq12.level);
    assert_int_equal(status() & (OBF | AUX), OBF | AUX);
    assert_int_equal(read_data(), 0xa5);
    assert_false(irq12.level);
    write_ccb(0x00);
    command(0xd2);
    data(0x12);
    command(0xd3);
    data(0x12);
    assert_false(irq1.level || irq12.level);
}

static void a20_follows_every_way_of_setting_it(void **state)
{
    command(0xd1);
    data(0xdf);
    assert_true(a20.level);
    command(0xdd);
    assert_false(a20.level);
    command(0xdf);
    assert_true(a20.level);
    command(0xd1);
    data(0xdd);
    assert_false(a20.level);
    command(0xd0);
    assert_int_equal(take(), 0xcd);
    assert_int_equal(reset.rises, 0);
    command(0xff); /* pulses nothing */
    assert_int_equal(reset.rises, 0);
    command(0xfe);
    assert_int_equal(reset.rises, 1);
    assert_false(reset.level);
    command(0xd1);
    data(0x02);
    assert_int_equal(reset.rises, 2);
    kbc8042_reset(kbc);
    assert_true(a20.level);
}

static void interrupt_lines_show_in_the_output_port(void **state)
{
    key(KEY_A);
    command(0xd0); /* answered while IRQ 1 was up */
    assert_int_equal(read_data() & 0x30, 0x10);
    command(0xd3);
    data(1);
    command(0xd0);
    assert_int_equal(read_data() & 0x30, 0x20);
}

static void a_byte_can_be_read_twice_before_the_next_one_comes(void **state)
{
    kbc8042_key(kbc, KEY_A, true);
    kbc8042_key(kbc, KEY_ESC, true);
    assert_true(irq1.level);
    assert_int_equal(read_data(), 0x1c);
    assert_int_equal(read_data(), 0x1c);
    assert_false(irq1.level);
    clock_advance(fake, 499 * NS_PER_US);
    assert_int_equal(read_data(), 0x1c);
    clock_advance(fake, NS_PER_US);
    assert_true(irq1.level);
    assert_int_equal(read_data(), 0x76);
    assert_int_equal(irq1.rises, 2);
}

static void a_disabled_interface_holds_its_bytes(void **state)
{
    command(0xad);
    key(KEY_A);
    assert_int_equal(take(), -1);
    command(0xae);
    ASSERT_BYTES(0x1c, 0xf0, 0x1c);
    command(0xad);
    data(0xee); /* writing to the keyboard opens it */
    ASSERT_BYTES(0xee);
    command(0x20);
    assert_int_equal(take() & 0x10, 0);
    command(0xa7);
    mouse_command(0xf4); /* opens the mouse's */
    ASSERT_BYTES(0xfa);
    command(0xa7);
    kbc8042_mouse(kbc, 1, 0, 0, 0);
    assert_int_equal(take(), -1);
    command(0xa8);
    ASSERT_BYTES(0x08, 1, 0);
}

/* ---- keyboard ---- */

static void translation_makes_set_1(void **state)
{
    write_ccb(0x43);
    key(KEY_A);
    ASSERT_BYTES(0x1e, 0x9e);
    key(KEY_RIGHT);
    ASSERT_BYTES(0xe0, 0x4d, 0xe0, 0xcd);
    for (unsigned n = 1; n < 0x59; n++) { /* every plain key comes back as its number */
        if (n == 0x55)
            continue;
        key((uint8_t)n);
        assert_int_equal(take(), n);
        assert_int_equal(take(), n | 0x80);
    }
    data(0xf2);
    ASSERT_BYTES(0xfa, 0xab, 0x41);
}

static void set_2_is_what_the_keyboard_speaks(void **state)
{
    key(KEY_F7);
    ASSERT_BYTES(0x83, 0xf0, 0x83);
    key(0x54);
    ASSERT_BYTES(0x84, 0xf0, 0x84);
    key(KEY_RIGHT);
    ASSERT_BYTES(0xe0, 0x74, 0xe0, 0xf0, 0x74);
    key(0x80); /* no such keys */
    key(0x00);
    assert_int_equal(take(), -1);
}

static void pause_and_print_screen_have_their_sequences(void **state)
{
    key(KBC8042_KEY_PAUSE);
    ASSERT_BYTES(0xe1, 0x14, 0x77, 0xe1, 0xf0, 0x14, 0xf0, 0x77);
    key(KBC8042_KEY_PRINT_SCREEN);
    ASSERT_BYTES(0xe0, 0x12, 0xe0, 0x7c, 0xe0, 0xf0, 0x7c, 0xe0, 0xf0, 0x12);
    kbc8042_key(kbc, KEY_CTRL, true);
    ASSERT_BYTES(0x14);
    key(KBC8042_KEY_PAUSE);
    ASSERT_BYTES(0xe0, 0x7e, 0xe0, 0xf0, 0x7e);
    key(KBC8042_KEY_PRINT_SCREEN);
    ASSERT_BYTES(0xe0, 0x7c, 0xe0, 0xf0, 0x7c);
    kbc8042_key(kbc, KEY_CTRL, false);
    ASSERT_BYTES(0xf0, 0x14);
    kbc8042_key(kbc, KEY_SHIFT, true);
    key(KBC8042_KEY_PRINT_SCREEN);
    kbc8042_key(kbc, KEY_SHIFT, false);
    ASSERT_BYTES(0x12, 0xe0, 0x7c, 0xe0, 0xf0, 0x7c, 0xf0, 0x12);
    kbc8042_key(kbc, KEY_ALT, true);
    ASSERT_BYTES(0x11);
    key(KBC8042_KEY_PRINT_SCREEN);
    ASSERT_BYTES(0x84, 0xf0, 0x84);
    kbc8042_key(kbc, KEY_ALT, false);
    ASSERT_BYTES(0xf0, 0x11);
    write_ccb(0x43);
    key(KBC8042_KEY_PAUSE);
    ASSERT_BYTES(0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5);
}

static void set_1_comes_without_translation_too(void **state)
{
    data(0xf0);
    data(0x01);
    ASSERT_BYTES(0xfa, 0xfa);
    key(KEY_A);
    ASSERT_BYTES(0x1e, 0x9e);
    key(KBC8042_KEY_PAUSE);
    ASSERT_BYTES(0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5);
    data(0xf0);
    assert_int_equal(take(), 0xfa);
    data(0x00);
    ASSERT_BYTES(0xfa, 0x01);
    data(0xf0);
    assert_int_equal(take(), 0xfa);
    data(0x07);
    ASSERT_BYTES(0xfe); /* and still waits for a good one */
    data(0x02);
    ASSERT_BYTES(0xfa);
    key(KEY_A);
    ASSERT_BYTES(0x1c, 0xf0, 0x1c);
}

static void select_set_3(void)
{
    data(0xf0);
    assert_int_equal(take(), 0xfa);
    data(0x03);
    assert_int_equal(take(), 0xfa);
}

static void set_3_gives_each_key_its_own_behaviour(void **state)
{
    select_set_3();
    key(KEY_A); /* by default no break code */
    ASSERT_BYTES(0x1c);
    key(KEY_SHIFT);
    ASSERT_BYTES(0x12, 0xf0, 0x12);
    key(KEY_RIGHT);
    ASSERT_BYTES(0x6a);
    key(KBC8042_KEY_PAUSE);
    ASSERT_BYTES(0x62);
    key(0x55); /* no such keys */
    key(0x7e);
    key(0x6f | KBC8042_KEY_EXTENDED);
    assert_int_equal(take(), -1);
    data(0xf8);
    ASSERT_BYTES(0xfa);
    kbc8042_key(kbc, KEY_A, true);
    clock_advance(fake, 2 * NS_PER_SECOND); /* make and break, no repetition */
    kbc8042_key(kbc, KEY_A, false);
    ASSERT_BYTES(0x1c, 0xf0, 0x1c);
    data(0xf9);
    ASSERT_BYTES(0xfa);
    key(KEY_SHIFT);
    ASSERT_BYTES(0x12);
    data(0xfc); /* make and break for A alone */
    ASSERT_BYTES(0xfa);
    data(0x1c);
    ASSERT_BYTES(0xfa);
    data(0x1b); /* and S */
    ASSERT_BYTES(0xfa);
    data(0xfb); /* D repeats */
    ASSERT_BYTES(0xfa);
    data(0x23);
    ASSERT_BYTES(0xfa);
    data(0xee);
    ASSERT_BYTES(0xee);
    key(KEY_A);
    key(KEY_A + 1);
    ASSERT_BYTES(0x1c, 0xf0, 0x1c, 0x1b, 0xf0, 0x1b);
    kbc8042_key(kbc, KEY_A, true);
    ASSERT_BYTES(0x1c);
    clock_advance(fake, NS_PER_SECOND);
    assert_int_equal(take(), -1);
    kbc8042_key(kbc, KEY_A + 2, true);
    ASSERT_BYTES(0x23);
    clock_advance(fake, NS_PER_SECOND);
    assert_int_equal(take(), 0x23);
    assert_int_equal(take(), 0x23);
    kbc8042_key(kbc, KEY_A + 2, false); /* no break code */
    kbc8042_key(kbc, KEY_A, false);
    ASSERT_BYTES(0xf0, 0x1c);
    data(0xfd);
    ASSERT_BYTES(0xfa);
    data(0x1c);
    ASSERT_BYTES(0xfa);
    data(0xf7);
    ASSERT_BYTES(0xfa);
    key(KEY_SHIFT);
    ASSERT_BYTES(0x12);
    kbc8042_key(kbc, KEY_SHIFT, true);
    assert_int_equal(take(), 0x12);
    clock_advance(fake, NS_PER_SECOND);
    ASSERT_BYTES(0x12, 0x12);
    kbc8042_key(kbc, KEY_SHIFT, false);
    data(0xfa);
    ASSERT_BYTES(0xfa);
    key(KEY_ESC);
    ASSERT_BYTES(0x08, 0xf0, 0x08);
}

static void simple_commands_are_answered(void **state)
{
    data(0xee);
    ASSERT_BYTES(0xee);
    data(0xf2);
    ASSERT_BYTES(0xfa, 0xab, 0x83);
    data(0xfe);
    ASSERT_BYTES(0x83); /* resend */
    data(0xed);
    ASSERT_BYTES(0xfa);
    data(0x05);
    ASSERT_BYTES(0xfa);
    assert_int_equal(kbc8042_leds(kbc), 0x05);
    data(0xed);
    ASSERT_BYTES(0xfa);
    data(0xf4); /* a command where a parameter is due */
    ASSERT_BYTES(0xfa);
    assert_int_equal(kbc8042_leds(kbc), 0x05);
    data(0x42);
    ASSERT_BYTES(0xfe);
    select_set_3();
    kbc8042_key(kbc, KEY_A, true);
    data(0xff);
    ASSERT_BYTES(0xfa, 0xaa);
    assert_int_equal(kbc8042_leds(kbc), 0x00);
    kbc8042_key(kbc, KEY_A, false);
    ASSERT_BYTES(0xf0, 0x1c); /* set 2 again */
    clock_advance(fake, 2 * NS_PER_SECOND);
    assert_int_equal(take(), -1);
}

static void a_disabled_keyboard_is_silent(void **state)
{
    data(0xf5);
    ASSERT_BYTES(0xfa);
    kbc8042_key(kbc, KEY_A, true);
    assert_int_equal(take(), -1);
    data(0xf4);
    ASSERT_BYTES(0xfa);
    kbc8042_key(kbc, KEY_A, false);
    ASSERT_BYTES(0xf0, 0x1c);
    data(0xf5);
    ASSERT_BYTES(0xfa);
    data(0xf6);
    ASSERT_BYTES(0xfa);
    key(KEY_A);
    ASSERT_BYTES(0x1c, 0xf0, 0x1c);
}

static void held_keys_repeat_at_the_typematic_rate(void **state)
{
    data(0xf3);
    assert_int_equal(take(), 0xfa);
    data(0x00); /* 250 ms, then every 33 ms */
    assert_int_equal(take(), 0xfa);
    kbc8042_key(kbc, KEY_A, true);
    kbc8042_key(kbc, KEY_A, true); /* the host's repetition does not count */
    assert_int_equal(take(), 0x1c);
    clock_advance(fake, 249 * NS_PER_MS);
    assert_int_equal(take(), 0x1c); /* within the millisecond that take() waits */
    unsigned n = 0;
    for (unsigned ms = 0; ms < 1000; ms++) {
        clock_advance(fake, NS_PER_MS);
        if (status() & OBF) {
            assert_int_equal(read_data(), 0x1c);
            n++;
        }
    }
    assert_in_range(n, 29, 30);
    clock_advance(fake, 10 * NS_PER_SECOND); /* nobody reads: no backlog */
    kbc8042_key(kbc, KEY_A, false);
    assert_int_equal(take(), 0x1c);
    assert_int_equal(take(), 0x1c);
    ASSERT_BYTES(0xf0, 0x1c);
    clock_advance(fake, NS_PER_SECOND);
    assert_int_equal(take(), -1);
    kbc8042_key(kbc, KEY_A, true);
    kbc8042_key(kbc, KEY_ESC, true); /* the last key repeats */
    kbc8042_key(kbc, KEY_A, false);
    ASSERT_BYTES(0x1c, 0x76, 0xf0, 0x1c);
    clock_advance(fake, 300 * NS_PER_MS);
    assert_int_equal(take(), 0x76);
    kbc8042_key(kbc, KEY_ESC, false);
    while (take() == 0x76)
        continue;
    ASSERT_BYTES(0x76); /* after the F0 */
    data(0xf3);
    assert_int_equal(take(), 0xfa);
    data(0x7f); /* 1 s, then every 500 ms */
    assert_int_equal(take(), 0xfa);
    kbc8042_key(kbc, KEY_A, true);
    assert_int_equal(take(), 0x1c);
    clock_advance(fake, 998 * NS_PER_MS);
    assert_false(status() & OBF);
    clock_advance(fake, 3 * NS_PER_MS);
    assert_int_equal(take(), 0x1c);
    clock_advance(fake, 496 * NS_PER_MS);
    assert_false(status() & OBF);
    clock_advance(fake, 6 * NS_PER_MS);
    assert_int_equal(take(), 0x1c);
}

static void too_many_keys_end_in_an_overrun_code(void **state)
{
    unsigned room = kbc8042_key_room(kbc);
    assert_in_range(room, 4, 64);
    for (unsigned i = 0; i < 100; i++)
        key(KEY_A);
    assert_int_equal(kbc8042_key_room(kbc), 0);
    int last = 0;
    for (int byte; (byte = take()) >= 0; last = byte)
        continue;
    assert_int_equal(last, 0x00);
    assert_int_equal(kbc8042_key_room(kbc), room);
    kbc8042_key(kbc, KEY_ESC, true); /* one byte less room: a code that would just fit leaves no place for it */
    for (unsigned i = 0; i < 100; i++)
        key(KEY_A);
    for (int byte; (byte = take()) >= 0; last = byte)
        continue;
    assert_int_equal(last, 0x00);
}

static void replies_overtake_scan_codes(void **state)
{
    kbc8042_key(kbc, KEY_A, true);
    kbc8042_key(kbc, KEY_ESC, true);
    assert_int_equal(take(), 0x1c);
    data(0xed);
    assert_int_equal(take(), 0xfa);
    assert_int_equal(take(), 0x76);
}

/* ---- mouse ---- */

static void the_mouse_starts_plain_and_silent(void **state)
{
    mouse_command(0xff);
    assert_true(irq12.level);
    ASSERT_BYTES(0xfa, 0xaa, 0x00);
    mouse_command(0xf2);
    ASSERT_BYTES(0xfa, 0x00);
    kbc8042_mouse(kbc, 5, 5, 1, KBC8042_BUTTON_LEFT);
    assert_int_equal(take(), -1);
    mouse_command(0xe9);
    ASSERT_BYTES(0xfa, 0x04, 2, 100);
    mouse_command(0xfe);
    ASSERT_BYTES(100);
    mouse_command(0x99);
    ASSERT_BYTES(0xfe);
}

static void enable_mouse(void)
{
    mouse_command(0xf4);
    assert_int_equal(take(), 0xfa);
}

static void set_rate(uint8_t rate)
{
    mouse_command(0xf3);
    assert_int_equal(take(), 0xfa);
    mouse_command(rate);
    assert_int_equal(take(), 0xfa);
}

static void movement_comes_in_three_bytes(void **state)
{
    enable_mouse();
    clock_advance(fake, NS_PER_MS);
    kbc8042_mouse(kbc, 5, 3, 1, KBC8042_BUTTON_LEFT | KBC8042_BUTTON_MIDDLE | KBC8042_BUTTON_4);
    assert_int_equal(status() & (OBF | AUX), OBF | AUX);
    ASSERT_BYTES(0x2d, 5, 0xfd); /* down on the host is negative */
    kbc8042_mouse(kbc, -300, 0, 0, 0);
    ASSERT_BYTES(0x18, 0x01, 0, 0x18, 0xd3, 0);    /* -255, then the rest */
    kbc8042_mouse(kbc, 0, 0, 0, KBC8042_BUTTON_4); /* neither wheel nor fourth button are shown */
    kbc8042_mouse(kbc, 0, 0, 3, KBC8042_BUTTON_4);
    assert_int_equal(take(), -1);
    mouse_command(0xf5);
    ASSERT_BYTES(0xfa);
    kbc8042_mouse(kbc, 1, 1, 0, 0);
    assert_int_equal(take(), -1);
}

static void movement_adds_up_while_nobody_reads(void **state)
{
    enable_mouse();
    for (unsigned i = 0; i < 10; i++)
        kbc8042_mouse(kbc, 1, 0, 0, 0);
    ASSERT_BYTES(0x08, 1, 0, 0x08, 9, 0);
    for (unsigned i = 0; i < 100000; i++)
        kbc8042_mouse(kbc, INT32_MAX, INT32_MIN, INT32_MAX, 0xff);
    assert_int_equal(take(), 0x0f);
}

static void magic_rates_turn_on_wheel_and_buttons(void **state)
{
    set_rate(200), set_rate(100), set_rate(80);
    mouse_command(0xf2);
    ASSERT_BYTES(0xfa, 0x03);
    enable_mouse();
    kbc8042_mouse(kbc, 0, 0, -1, 0);
    ASSERT_BYTES(0x08, 0, 0, 0xff);
    kbc8042_mouse(kbc, 0, 0, 10, 0);
    ASSERT_BYTES(0x08, 0, 0, 7, 0x08, 0, 0, 3);
    set_rate(200), set_rate(200), set_rate(80);
    mouse_command(0xf2);
    ASSERT_BYTES(0xfa, 0x04);
    kbc8042_mouse(kbc, 0, 0, -1, KBC8042_BUTTON_5);
    ASSERT_BYTES(0x08, 0, 0, 0x2f);
    mouse_command(0xff);
    ASSERT_BYTES(0xfa, 0xaa, 0x00);
    set_rate(200), set_rate(100), set_rate(100), set_rate(80); /* not the sequence */
    mouse_command(0xf2);
    ASSERT_BYTES(0xfa, 0x00);
}

static void remote_mode_answers_only_when_asked(void **state)
{
    enable_mouse();
    mouse_command(0xf0);
    ASSERT_BYTES(0xfa);
    kbc8042_mouse(kbc, 7, -7, 0, KBC8042_BUTTON_RIGHT);
    assert_int_equal(take(), -1);
    mouse_command(0xeb);
    ASSERT_BYTES(0xfa, 0x0a, 7, 7);
    mouse_command(0xe9);
    ASSERT_BYTES(0xfa, 0x61, 2, 100);
    mouse_command(0xea);
    ASSERT_BYTES(0xfa);
    kbc8042_mouse(kbc, 1, 0, 0, KBC8042_BUTTON_RIGHT);
    ASSERT_BYTES(0x0a, 1, 0);
}

static void wrap_mode_echoes_until_told_otherwise(void **state)
{
    mouse_command(0xee);
    ASSERT_BYTES(0xfa);
    mouse_command(0xf4);
    ASSERT_BYTES(0xf4);
    mouse_command(0x12);
    ASSERT_BYTES(0x12);
    mouse_command(0xec);
    ASSERT_BYTES(0xfa);
    set_rate(40);
    mouse_command(0xee);
    ASSERT_BYTES(0xfa);
    mouse_command(0xff);
    ASSERT_BYTES(0xfa, 0xaa, 0x00);
    mouse_command(0xe9);
    ASSERT_BYTES(0xfa, 0x00, 2, 100);
}

static void scaling_bends_the_movement(void **state)
{
    mouse_command(0xe7);
    ASSERT_BYTES(0xfa);
    enable_mouse();
    kbc8042_mouse(kbc, 3, 0, 0, 0);
    ASSERT_BYTES(0x08, 3, 0);
    kbc8042_mouse(kbc, -5, 2, 0, 0);
    ASSERT_BYTES(0x38, 0xf7, 0xff);
    kbc8042_mouse(kbc, 6, 0, 0, 0);
    ASSERT_BYTES(0x08, 12, 0);
    kbc8042_mouse(kbc, 200, 0, 0, 0);
    ASSERT_BYTES(0x08, 254, 0, 0x08, 146, 0);
    mouse_command(0xe9);
    ASSERT_BYTES(0xfa, 0x30, 2, 100);
    mouse_command(0xe6);
    ASSERT_BYTES(0xfa);
    mouse_command(0xe8);
    ASSERT_BYTES(0xfa);
    mouse_command(0x03);
    ASSERT_BYTES(0xfa);
    mouse_command(0xe9);
    ASSERT_BYTES(0xfa, 0x20, 3, 100);
    mouse_command(0xf6);
    ASSERT_BYTES(0xfa);
    mouse_command(0xe9);
    ASSERT_BYTES(0xfa, 0x00, 2, 100);
}

/* ---- life ---- */

static void state_survives_save_and_load_with_bytes_on_the_way(void **state)
{
    struct probe copy_irq1 = {0}, copy_a20 = {0};
    struct kbc8042 *copy =
        kbc8042_create(fake, (struct kbc8042_wires){.keyboard = probe_wire(&copy_irq1), .a20 = probe_wire(&copy_a20)});
    write_ccb(0x47);
    command(0xdf);
    enable_mouse();
    kbc8042_key(kbc, KEY_RIGHT, true);
    kbc8042_mouse(kbc, 1, 2, 0, 0);
    take();
    copy_state(kbc8042_state_desc(), kbc, copy);
    kbc8042_after_load(copy);
    assert_true(copy_a20.level);
    clock_advance(fake, NS_PER_SECOND);
    assert_int_equal(copy_irq1.level, irq1.level);
    for (unsigned i = 0; i < 8; i++) {
        assert_int_equal(port_in(&kbc8042_command_ops, copy, 0), status());
        assert_int_equal(port_in(&kbc8042_data_ops, copy, 0), read_data());
        clock_advance(fake, 500 * NS_PER_MS);
    }
    assert_null(state_difference(kbc8042_state_desc(), kbc, copy));
    kbc8042_destroy(copy);
    kbc8042_destroy(NULL);
}

static void reset_forgets_everything(void **state)
{
    struct kbc8042 *fresh = kbc8042_create(fake, (struct kbc8042_wires){.a20 = probe_wire(&a20)});
    write_ccb(0x77);
    command(0xdd);
    data(0xed);
    data(0x07);
    kbc8042_key(kbc, KEY_A, true);
    mouse_command(0xe8);
    kbc8042_reset(kbc);
    assert_null(state_difference(kbc8042_state_desc(), kbc, fresh));
    assert_true(a20.level);
    assert_false(irq1.level);
    assert_false(irq12.level);
    assert_true(clock_next_deadline_ns(fake) == CLOCK_NEVER);
    kbc8042_destroy(fresh);
}

static void wild_saved_state_is_made_harmless(void **state)
{
    size_t size = state_size(kbc8042_state_desc());
    uint8_t *saved = malloc(size);
    memset(saved, 0x7f, size);
    assert_true(state_load(kbc8042_state_desc(), kbc, saved, size));
    kbc8042_after_load(kbc);
    for (unsigned i = 0; i < 200; i++) {
        read_data();
        data((uint8_t)i);
        kbc8042_key(kbc, (uint8_t)i, i & 1);
        kbc8042_mouse(kbc, 1, 1, 1, 0);
    }
    free(saved);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(self_tests_pass),
        TEST(a_reply_is_a_new_edge_whatever_was_waiting),
        TEST(each_interrupt_has_its_own_enable),
        TEST(ram_and_command_byte_can_be_read_back),
        TEST(passwords_and_unknown_commands_do_no_harm),
        TEST(bytes_can_be_put_into_the_output_buffer),
        TEST(a20_follows_every_way_of_setting_it),
        TEST(interrupt_lines_show_in_the_output_port),
        TEST(a_byte_can_be_read_twice_before_the_next_one_comes),
        TEST(a_disabled_interface_holds_its_bytes),
        TEST(translation_makes_set_1),
        TEST(set_2_is_what_the_keyboard_speaks),
        TEST(pause_and_print_screen_have_their_sequences),
        TEST(set_1_comes_without_translation_too),
        TEST(set_3_gives_each_key_its_own_behaviour),
        TEST(simple_commands_are_answered),
        TEST(a_disabled_keyboard_is_silent),
        TEST(held_keys_repeat_at_the_typematic_rate),
        TEST(too_many_keys_end_in_an_overrun_code),
        TEST(replies_overtake_scan_codes),
        TEST(the_mouse_starts_plain_and_silent),
        TEST(movement_comes_in_three_bytes),
        TEST(movement_adds_up_while_nobody_reads),
        TEST(magic_rates_turn_on_wheel_and_buttons),
        TEST(remote_mode_answers_only_when_asked),
        TEST(wrap_mode_echoes_until_told_otherwise),
        TEST(scaling_bends_the_movement),
        TEST(state_survives_save_and_load_with_bytes_on_the_way),
        TEST(wild_saved_state_is_made_harmless),
        TEST(reset_forgets_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
