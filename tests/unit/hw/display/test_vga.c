/* VGA registers, DAC and timing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/hw/display/vga_rig.h"

static void indexed_registers_read_back_their_bits(void **state)
{
    struct rig *rig = *state;

    out_indexed(rig, 0x3c4, 2, 0xff);
    assert_int_equal(in_indexed(rig, 0x3c4, 2), 0x0f);
    out_indexed(rig, 0x3ce, 8, 0xa5);
    assert_int_equal(in_indexed(rig, 0x3ce, 8), 0xa5);
    out(rig, 0x3c2, 0x67);
    assert_int_equal(in(rig, 0x3cc), 0x67);
    out_indexed(rig, 0x3d4, 0x0e, 0x12);
    assert_int_equal(in_indexed(rig, 0x3d4, 0x0e), 0x12);
}

static void crtc_ports_follow_the_misc_register(void **state)
{
    struct rig *rig = *state;

    out(rig, 0x3c2, 0x67);
    assert_int_equal(in(rig, 0x3b4), 0xff);
    out_indexed(rig, 0x3d4, 0x0f, 0x33);
    out(rig, 0x3c2, 0x66);
    assert_int_equal(in(rig, 0x3d4), 0xff);
    assert_int_equal(in_indexed(rig, 0x3b4, 0x0f), 0x33);
}

static void protected_crtc_registers_keep_their_values(void **state)
{
    struct rig *rig = *state;

    set_mode(rig, &mode_03h);
    out_indexed(rig, 0x3d4, 0x00, 0x11);
    assert_int_equal(in_indexed(rig, 0x3d4, 0x00), 0x5f);
    out_indexed(rig, 0x3d4, 0x07, 0xef);
    assert_int_equal(in_indexed(rig, 0x3d4, 0x07), 0x0f); /* the line compare bit alone is free */
    out_indexed(rig, 0x3d4, 0x07, 0xff);
    assert_int_equal(in_indexed(rig, 0x3d4, 0x07), 0x1f);
    out_indexed(rig, 0x3d4, 0x11, 0x0e);
    out_indexed(rig, 0x3d4, 0x00, 0x11);
    assert_int_equal(in_indexed(rig, 0x3d4, 0x00), 0x11);
}

static void attribute_flip_flop_is_cleared_by_the_status_read(void **state)
{
    struct rig *rig = *state;

    out(rig, 0x3c2, 0x67);
    in(rig, 0x3da);
    out(rig, 0x3c0, 0x05);
    in(rig, 0x3da);
    out(rig, 0x3c0, 0x06); /* an index again */
    out(rig, 0x3c0, 0x2a);
    in(rig, 0x3da);
    out(rig, 0x3c0, 0x06);
    assert_int_equal(in(rig, 0x3c1), 0x2a);
}

static void palette_is_locked_while_it_is_shown(void **state)
{
    struct rig *rig = *state;

    out(rig, 0x3c2, 0x67);
    set_attribute(rig, 0x03, 0x11);
    in(rig, 0x3da);
    out(rig, 0x3c0, 0x23);
    out(rig, 0x3c0, 0x22);
    assert_int_equal(in(rig, 0x3c1), 0x11);
    out(rig, 0x3c0, 0x30); /* the mode register is not */
    out(rig, 0x3c0, 0x0c);
    assert_int_equal(in(rig, 0x3c1), 0x0c);
}

static void dac_takes_colours_in_threes_and_counts_up(void **state)
{
    struct rig *rig = *state;

    out(rig, 0x3c8, 10);
    assert_int_equal(in(rig, 0x3c7), 0);
    for (uint8_t i = 0; i < 6; i++)
        out(rig, 0x3c9, (uint8_t)(0xc0 + i));
    assert_int_equal(in(rig, 0x3c8), 12);
    out(rig, 0x3c7, 10);
    assert_int_equal(in(rig, 0x3c7), 3);
    for (uint8_t i = 0; i < 6; i++)
        assert_int_equal(in(rig, 0x3c9), i); /* six bits */
    out(rig, 0x3c8, 20);
    out(rig, 0x3c9, 1);
    out(rig, 0x3c8, 30); /* a half-written colour is dropped */
    out(rig, 0x3c9, 2);
    out(rig, 0x3c9, 3);
    out(rig, 0x3c9, 4);
    out(rig, 0x3c7, 30);
    assert_int_equal(in(rig, 0x3c9), 2);
}

static void retrace_comes_once_per_frame(void **state)
{
    struct rig *rig = *state;
    unsigned n_retraces = 0, n_disabled = 0, n_samples = 0;
    bool was_in_retrace = false;

    set_mode(rig, &mode_03h); /* 70 Hz */
    for (int64_t t = 0; t < NS_PER_SECOND; t += 10 * NS_PER_US, n_samples++) {
        uint8_t status = in(rig, 0x3da);

        n_retraces += (status & 8) && !was_in_retrace;
        was_in_retrace = status & 8;
        n_disabled += status & 1;
        clock_advance(rig->clock, 10 * NS_PER_US);
    }
    assert_in_range(n_retraces, 69, 71);
    assert_in_range(n_disabled * 100 / n_samples, 20, 40); /* both blankings together */
}

static void a_nonsense_mode_still_has_a_retrace(void **state)
{
    struct rig *rig = *state;
    bool seen[2] = {false};

    out(rig, 0x3c2, 0x67);
    for (unsigned i = 0; i < 2000; i++) {
        seen[in(rig, 0x3da) >> 3 & 1] = true;
        clock_advance(rig->clock, 20 * NS_PER_US);
    }
    assert_true(seen[0]);
    assert_true(seen[1]);
}

static void state_survives_save_and_load(void **state)
{
    struct rig *rig = *state;
    const struct state_desc *desc = vga_state();
    struct vga *other = vga_create(rig->clock);
    uint8_t *saved = malloc(state_size(desc));
    char text[64];

    set_mode(rig, &mode_03h);
    poke(rig, 0xb8000, 0x0741, 2);
    poke(rig, 0xb8002, 0x0742, 2);
    state_save(desc, rig->vga, saved);
    assert_true(state_load(desc, other, saved, state_size(desc)));
    vga_after_load(other);
    assert_null(state_difference(desc, rig->vga, other));
    vga_text_lines(other, text, 4);
    assert_string_equal(text, "AB\n");
    vga_ports.write(other, 0x3c7 - 0x3b0, 40, 1);
    assert_int_equal(vga_ports.read(other, 0x3c9 - 0x3b0, 1), 40);
    assert_int_equal(vga_ports.read(other, 0x3c9 - 0x3b0, 1), 20);
    vga_reset(rig->vga);
    assert_int_equal(vga_text(rig->vga, NULL, 0), 0);
    free(saved);
    vga_destroy(other);
}

static void random_traffic_is_harmless(void **state)
{
    struct rig *rig = *state;
    uint32_t seed = 99;
    uint32_t *pixels = malloc(100 * 100 * 4);

    for (unsigned i = 0; i < 60000; i++) {
        seed = seed * 1664525 + 1013904223;
        unsigned width = 1u << (seed >> 8 & 3) % 3;

        switch (seed >> 28) {
        case 0:
        case 1:
            bus_out(rig->board->bus, (uint16_t)(0x1ce + (seed >> 20 & 1)),
                    seed >> 12 & (seed & 0x100000 ? 0xffff : 0xf), 2);
            break;
        case 2:
            poke(rig, 0xa0000 + (seed >> 4) % 0x1fffd, seed, width);
            break;
        case 3:
            peek(rig, 0xa0000 + (seed >> 4) % 0x1fffd, width);
            break;
        default:
            if (seed & 0x800)
                bus_out(rig->board->bus, (uint16_t)(0x3b0 + (seed >> 20) % 48), seed >> 3, width);
            else
                bus_in(rig->board->bus, (uint16_t)(0x3b0 + (seed >> 20) % 48), width);
            break;
        }
        if (i % 64 == 0) {
            struct vga_picture p = vga_picture(rig->vga);

            assert_true(p.width > 0 && p.height > 0);
            vga_render(rig->vga, pixels, 100, 100, 100);
            vga_text(rig->vga, NULL, 0);
            vga_take_changes(rig->vga);
        }
    }
    free(pixels);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(indexed_registers_read_back_their_bits),
        T(crtc_ports_follow_the_misc_register),
        T(protected_crtc_registers_keep_their_values),
        T(attribute_flip_flop_is_cleared_by_the_status_read),
        T(palette_is_locked_while_it_is_shown),
        T(dac_takes_colours_in_threes_and_counts_up),
        T(retrace_comes_once_per_frame),
        T(a_nonsense_mode_still_has_a_retrace),
        T(state_survives_save_and_load),
        T(random_traffic_is_harmless),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
