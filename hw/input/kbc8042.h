/*
 * Intel 8042 keyboard controller of a PS/2 machine, with a keyboard and a wheel mouse plugged in. The board maps
 * kbc8042_data_ops at 60h and kbc8042_command_ops at 64h, 1 port each.
 */
#ifndef HW_INPUT_KBC8042_H
#define HW_INPUT_KBC8042_H

#include <stdbool.h>
#include <stdint.h>

#include "hw/core/bus.h"
#include "hw/core/clock.h"
#include "hw/core/irq.h"
#include "hw/core/state.h"

struct kbc8042;

/* Key numbers: the make code of scan code set 1 (01h to 7Fh), plus KBC8042_KEY_EXTENDED for keys with prefix E0. */
enum {
    KBC8042_KEY_EXTENDED = 0x80,
    KBC8042_KEY_PRINT_SCREEN = 0x37 | KBC8042_KEY_EXTENDED,
    KBC8042_KEY_PAUSE = 0x46 | KBC8042_KEY_EXTENDED, /* also Ctrl+Break */
};

/* Mouse buttons. */
enum {
    KBC8042_BUTTON_LEFT = 1 << 0,
    KBC8042_BUTTON_RIGHT = 1 << 1,
    KBC8042_BUTTON_MIDDLE = 1 << 2,
    KBC8042_BUTTON_4 = 1 << 3,
    KBC8042_BUTTON_5 = 1 << 4,
};

struct kbc8042_wires {
    struct irq keyboard; /* IRQ 1 */
    struct irq mouse;    /* IRQ 12 */
    struct irq a20;      /* the level of output port bit 1, driven whenever the guest writes it, and at reset (high) */
    struct irq reset;    /* pulsed: raised, then lowered. The machine must reset later, not inside the call. */
};

extern const struct bus_ops kbc8042_data_ops;
extern const struct bus_ops kbc8042_command_ops;

/* NULL when out of memory. */
struct kbc8042 *kbc8042_create(struct clock *clock, struct kbc8042_wires wires);
void kbc8042_destroy(struct kbc8042 *kbc);
/* Controller, keyboard and mouse as after power-on. */
void kbc8042_reset(struct kbc8042 *kbc);

/* A key goes down or up. Repetition is the keyboard's: calling again with the same level does nothing. */
void kbc8042_key(struct kbc8042 *kbc, uint8_t key, bool is_down);
/* How many key events can follow at once without loss, for hosts that type text. */
unsigned kbc8042_key_room(const struct kbc8042 *kbc);
/* Movement in host directions: right, down, wheel towards the user; `buttons` is the state of all of them. */
void kbc8042_mouse(struct kbc8042 *kbc, int dx, int dy, int dz, uint8_t buttons);
/* Bit 0 Scroll Lock, 1 Num Lock, 2 Caps Lock. */
uint8_t kbc8042_leds(const struct kbc8042 *kbc);

const struct state_desc *kbc8042_state_desc(void);
void kbc8042_after_load(struct kbc8042 *kbc);

#endif
