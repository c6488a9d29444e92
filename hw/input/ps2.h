/*
 * The two PS/2 devices behind the 8042: what they remember and the bytes they exchange. Private to hw/input; the bodies
 * are here so that the 8042's state table can list them.
 */
#ifndef HW_INPUT_PS2_H
#define HW_INPUT_PS2_H

#include <stdbool.h>
#include <stdint.h>

#include "hw/core/clock.h"

enum {
    PS2_ACK = 0xfa,
    PS2_RESEND = 0xfe,
    PS2_BAT_OK = 0xaa,
    PS2_ECHO = 0xee,
};

/* ---- bytes on their way to the 8042 ---- */

#define PS2_QUEUE_SIZE 64 /* power of two */

struct ps2_queue {
    uint8_t bytes[PS2_QUEUE_SIZE];
    uint8_t head, count;
};

static inline unsigned ps2_queue_room(const struct ps2_queue *q)
{
    return PS2_QUEUE_SIZE - q->count;
}

static inline void ps2_queue_clear(struct ps2_queue *q)
{
    q->head = q->count = 0;
}

static inline void ps2_queue_push(struct ps2_queue *q, uint8_t byte)
{
    if (q->count < PS2_QUEUE_SIZE)
        q->bytes[(q->head + q->count++) % PS2_QUEUE_SIZE] = byte;
}

/* The queue must not be empty. */
static inline uint8_t ps2_queue_pop(struct ps2_queue *q)
{
    uint8_t byte = q->bytes[q->head % PS2_QUEUE_SIZE];
    q->head = (uint8_t)((q->head + 1) % PS2_QUEUE_SIZE);
    q->count--;
    return byte;
}

/* After a load: no index may lead out of the queue. */
static inline void ps2_queue_clamp(struct ps2_queue *q)
{
    q->head %= PS2_QUEUE_SIZE;
    if (q->count > PS2_QUEUE_SIZE)
        q->count = PS2_QUEUE_SIZE;
}

/* ---- keyboard ---- */

struct ps2_keyboard {
    struct ps2_queue replies; /* go out before scan codes */
    struct ps2_queue scancodes;
    uint8_t last_sent; /* for FEh, resend */
    uint8_t command;   /* that waits for its parameter, 0: none */
    uint8_t scan_set;  /* 1, 2 or 3 */
    uint8_t leds;      /* bit 0 scroll, 1 num, 2 caps */
    uint8_t typematic; /* rate in bits 4..0, delay in bits 6..5 */
    uint8_t is_scanning;
    uint8_t is_down[256 / 8];     /* keys, by key number */
    uint8_t set3_break[256 / 8];  /* set 3: keys that send break codes, by scan code */
    uint8_t set3_repeat[256 / 8]; /* set 3: keys that repeat */
    uint8_t repeat_key;           /* key number, 0: none */
    int64_t repeat_ns;            /* its next repetition, or CLOCK_NEVER */
    /* not saved: */
    struct timer timer;
    void (*has_data)(void *opaque); /* called when bytes became available */
    void *opaque;
};

void ps2_keyboard_init(struct ps2_keyboard *kb, struct clock *clock, void (*has_data)(void *opaque), void *opaque);
/* Power-on state, the queues empty. */
void ps2_keyboard_power_on(struct ps2_keyboard *kb);
void ps2_keyboard_write(struct ps2_keyboard *kb, uint8_t byte);
bool ps2_keyboard_is_ready(const struct ps2_keyboard *kb);
uint8_t ps2_keyboard_take(struct ps2_keyboard *kb);
void ps2_keyboard_key(struct ps2_keyboard *kb, uint8_t key, bool is_down);
void ps2_keyboard_after_load(struct ps2_keyboard *kb);
/* The scan code translation of the 8042 from set 2 to set 1, for bytes other than F0. */
uint8_t ps2_translate(uint8_t set2);

/* ---- mouse ---- */

struct ps2_mouse {
    struct ps2_queue queue;
    uint8_t last_sent;
    uint8_t command; /* that waits for its parameter, 0: none */
    uint8_t id;      /* 0: three buttons, 3: wheel, 4: wheel and five buttons */
    uint8_t magic;   /* how many sample rates of the sequences that change the id have been seen */
    uint8_t is_reporting, is_remote, is_wrapping, is_scaling_2_1;
    uint8_t resolution, sample_rate;
    uint8_t buttons, sent_buttons;
    int32_t dx, dy, dz; /* movement not yet reported: right, down, wheel towards the user */
    /* not saved: */
    void (*has_data)(void *opaque);
    void *opaque;
};

void ps2_mouse_init(struct ps2_mouse *mouse, void (*has_data)(void *opaque), void *opaque);
void ps2_mouse_power_on(struct ps2_mouse *mouse);
void ps2_mouse_write(struct ps2_mouse *mouse, uint8_t byte);
bool ps2_mouse_is_ready(const struct ps2_mouse *mouse);
uint8_t ps2_mouse_take(struct ps2_mouse *mouse);
void ps2_mouse_move(struct ps2_mouse *mouse, int dx, int dy, int dz, uint8_t buttons);
void ps2_mouse_after_load(struct ps2_mouse *mouse);

#endif
