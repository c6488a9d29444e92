/*
 * A PS/2 mouse with the wheel and five-button extensions of Microsoft's IntelliMouse.
 * Source: IBM PS/2 Hardware Interface Technical Reference, "Mouse"; Microsoft "IntelliMouse" wheel protocol notes.
 * Deviates: reports are sent when the last one has been read, not at the sample rate; the resolution changes nothing,
 * since the host counts pixels. BAT after a reset takes no time.
 */
#include "hw/input/ps2.h"

enum {
    MOUSE_SCALING_1_1 = 0xe6,
    MOUSE_SCALING_2_1 = 0xe7,
    MOUSE_RESOLUTION = 0xe8,
    MOUSE_STATUS = 0xe9,
    MOUSE_STREAM = 0xea,
    MOUSE_READ = 0xeb,
    MOUSE_UNWRAP = 0xec,
    MOUSE_WRAP = 0xee,
    MOUSE_REMOTE = 0xf0,
    MOUSE_IDENTIFY = 0xf2,
    MOUSE_SAMPLE_RATE = 0xf3,
    MOUSE_ENABLE = 0xf4,
    MOUSE_DISABLE = 0xf5,
    MOUSE_DEFAULT = 0xf6,
    MOUSE_RESEND = 0xfe,
    MOUSE_RESET = 0xff,

    MOUSE_ID_PLAIN = 0,
    MOUSE_ID_WHEEL = 3,
    MOUSE_ID_FIVE_BUTTONS = 4,

    /* first byte of a report */
    REPORT_BUTTONS = 0x07,
    REPORT_ALWAYS = 1 << 3,
    REPORT_X_SIGN = 1 << 4,
    REPORT_Y_SIGN = 1 << 5,

    STATUS_SCALING_2_1 = 1 << 4,
    STATUS_REPORTING = 1 << 5,
    STATUS_REMOTE = 1 << 6,
};

#define MOVEMENT_LIMIT 0x100000 /* far more than one report carries; keeps sums of wild input in range */

static void set_defaults(struct ps2_mouse *mouse)
{
    ps2_queue_clear(&mouse->queue);
    mouse->sample_rate = 100;
    mouse->resolution = 2;
    mouse->is_scaling_2_1 = 0;
    mouse->is_reporting = 0;
    mouse->is_remote = 0;
    mouse->is_wrapping = 0;
    mouse->dx = mouse->dy = mouse->dz = 0;
    mouse->sent_buttons = mouse->buttons;
    mouse->magic = 0;
}

void ps2_mouse_power_on(struct ps2_mouse *mouse)
{
    set_defaults(mouse);
    mouse->id = MOUSE_ID_PLAIN;
    mouse->command = 0;
    mouse->last_sent = 0;
}

/* ---- reports ---- */

static int clamp(int value, int low, int high)
{
    return value < low ? low : value > high ? high : value;
}

/* Scaling 2:1: small steps stay small, larger ones double. */
static int scaled(const struct ps2_mouse *mouse, int value)
{
    static const uint8_t small[] = {0, 1, 1, 3, 6, 9};
    int size = value < 0 ? -value : value;
    if (!mouse->is_scaling_2_1 || mouse->is_remote)
        return value;
    size = size < (int)sizeof small ? small[size] : 2 * size;
    return value < 0 ? -size : size;
}

/* Queues one report and takes from the pending movement what it carries. */
static void report(struct ps2_mouse *mouse)
{
    int limit = mouse->is_scaling_2_1 ? 127 : 255;
    int dx = clamp(mouse->dx, -limit, limit), dy = clamp(mouse->dy, -limit, limit), dz = clamp(mouse->dz, -8, 7);
    mouse->dx -= dx;
    mouse->dy -= dy;
    mouse->dz = mouse->id == MOUSE_ID_PLAIN ? 0 : mouse->dz - dz;
    mouse->sent_buttons = mouse->buttons;
    dx = scaled(mouse, dx);
    dy = -scaled(mouse, dy); /* the mouse counts upwards */
    ps2_queue_push(&mouse->queue, (uint8_t)((mouse->buttons & REPORT_BUTTONS) | REPORT_ALWAYS |
                                            (dx < 0 ? REPORT_X_SIGN : 0) | (dy < 0 ? REPORT_Y_SIGN : 0)));
    ps2_queue_push(&mouse->queue, (uint8_t)dx);
    ps2_queue_push(&mouse->queue, (uint8_t)dy);
    if (mouse->id == MOUSE_ID_WHEEL)
        ps2_queue_push(&mouse->queue, (uint8_t)dz);
    else if (mouse->id == MOUSE_ID_FIVE_BUTTONS)
        ps2_queue_push(&mouse->queue, (uint8_t)((dz & 15) | (mouse->buttons >> 3 & 3) << 4));
}

static bool has_news(const struct ps2_mouse *mouse)
{
    uint8_t shown = mouse->id == MOUSE_ID_FIVE_BUTTONS ? 0x1f : REPORT_BUTTONS;
    return mouse->dx || mouse->dy || (mouse->dz && mouse->id != MOUSE_ID_PLAIN) ||
           ((mouse->buttons ^ mouse->sent_buttons) & shown);
}

static void report_if_idle(struct ps2_mouse *mouse)
{
    bool is_streaming = mouse->is_reporting && !mouse->is_remote && !mouse->is_wrapping;
    if (is_streaming && mouse->queue.count == 0 && mouse->command == 0 && has_news(mouse))
        report(mouse);
}

void ps2_mouse_move(struct ps2_mouse *mouse, int dx, int dy, int dz, uint8_t buttons)
{
    mouse->dx = clamp(mouse->dx + clamp(dx, -MOVEMENT_LIMIT, MOVEMENT_LIMIT), -MOVEMENT_LIMIT, MOVEMENT_LIMIT);
    mouse->dy = clamp(mouse->dy + clamp(dy, -MOVEMENT_LIMIT, MOVEMENT_LIMIT), -MOVEMENT_LIMIT, MOVEMENT_LIMIT);
    mouse->dz = clamp(mouse->dz + clamp(dz, -MOVEMENT_LIMIT, MOVEMENT_LIMIT), -MOVEMENT_LIMIT, MOVEMENT_LIMIT);
    mouse->buttons = buttons & 0x1f;
    if (!mouse->is_reporting && !mouse->is_remote) {
        mouse->dx = mouse->dy = mouse->dz = 0; /* nobody will ask for what moved while it was off */
        return;
    }
    report_if_idle(mouse);
    if (mouse->queue.count)
        mouse->has_data(mouse->opaque);
}

/* ---- commands ---- */

static void reply(struct ps2_mouse *mouse, uint8_t byte)
{
    ps2_queue_push(&mouse->queue, byte);
}

/* Sample rates 200, 100, 80 turn the wheel on; 200, 200, 80 the fourth and fifth button. */
static void watch_for_magic(struct ps2_mouse *mouse, uint8_t rate)
{
    enum { NOTHING, SEEN_200, SEEN_200_100, SEEN_200_200 };
    if (mouse->magic == SEEN_200_100 && rate == 80)
        mouse->id = MOUSE_ID_WHEEL;
    if (mouse->magic == SEEN_200_200 && rate == 80)
        mouse->id = MOUSE_ID_FIVE_BUTTONS;
    if (rate == 200)
        mouse->magic = mouse->magic == NOTHING || mouse->magic == SEEN_200_100 ? SEEN_200 : SEEN_200_200;
    else
        mouse->magic = mouse->magic == SEEN_200 && rate == 100 ? SEEN_200_100 : NOTHING;
}

static void write_parameter(struct ps2_mouse *mouse, uint8_t byte)
{
    if (mouse->command == MOUSE_SAMPLE_RATE) {
        mouse->sample_rate = byte;
        watch_for_magic(mouse, byte);
    } else {
        mouse->resolution = byte & 3;
    }
    mouse->command = 0;
    reply(mouse, PS2_ACK);
}

static void send_status(struct ps2_mouse *mouse)
{
    reply(mouse, (uint8_t)((mouse->buttons & 1) << 2 | (mouse->buttons & 4) >> 1 | (mouse->buttons & 2) >> 1 |
                           (mouse->is_scaling_2_1 ? STATUS_SCALING_2_1 : 0) |
                           (mouse->is_reporting ? STATUS_REPORTING : 0) | (mouse->is_remote ? STATUS_REMOTE : 0)));
    reply(mouse, mouse->resolution);
    reply(mouse, mouse->sample_rate);
}

static void write_command(struct ps2_mouse *mouse, uint8_t byte)
{
    switch (byte) {
    case MOUSE_SCALING_1_1:
    case MOUSE_SCALING_2_1:
        mouse->is_scaling_2_1 = byte == MOUSE_SCALING_2_1;
        break;
    case MOUSE_RESOLUTION:
    case MOUSE_SAMPLE_RATE:
        mouse->command = byte;
        break;
    case MOUSE_STATUS:
        reply(mouse, PS2_ACK);
        send_status(mouse);
        return;
    case MOUSE_STREAM:
    case MOUSE_REMOTE:
        mouse->is_remote = byte == MOUSE_REMOTE;
        mouse->dx = mouse->dy = mouse->dz = 0;
        break;
    case MOUSE_READ:
        reply(mouse, PS2_ACK);
        report(mouse);
        return;
    case MOUSE_UNWRAP:
        break;
    case MOUSE_WRAP:
        mouse->is_wrapping = 1;
        break;
    case MOUSE_IDENTIFY:
        reply(mouse, PS2_ACK);
        reply(mouse, mouse->id);
        return;
    case MOUSE_ENABLE:
    case MOUSE_DISABLE:
        mouse->is_reporting = byte == MOUSE_ENABLE;
        mouse->dx = mouse->dy = mouse->dz = 0;
        mouse->sent_buttons = mouse->buttons;
        break;
    case MOUSE_DEFAULT:
        set_defaults(mouse);
        break;
    case MOUSE_RESEND:
        reply(mouse, mouse->last_sent);
        return;
    case MOUSE_RESET:
        ps2_mouse_power_on(mouse);
        reply(mouse, PS2_ACK);
        reply(mouse, PS2_BAT_OK);
        reply(mouse, mouse->id);
        return;
    default:
        reply(mouse, PS2_RESEND);
        return;
    }
    reply(mouse, PS2_ACK);
}

void ps2_mouse_write(struct ps2_mouse *mouse, uint8_t byte)
{
    ps2_queue_clear(&mouse->queue); /* a command calls off what was not read */
    if (mouse->is_wrapping && byte != MOUSE_RESET && byte != MOUSE_UNWRAP) {
        reply(mouse, byte);
    } else if (mouse->command && byte < MOUSE_SCALING_1_1) {
        write_parameter(mouse, byte);
    } else {
        mouse->is_wrapping = 0;
        mouse->command = 0;
        write_command(mouse, byte);
    }
    mouse->has_data(mouse->opaque);
}

/* ---- towards the 8042 ---- */

bool ps2_mouse_is_ready(const struct ps2_mouse *mouse)
{
    return mouse->queue.count;
}

uint8_t ps2_mouse_take(struct ps2_mouse *mouse)
{
    mouse->last_sent = ps2_queue_pop(&mouse->queue);
    report_if_idle(mouse); /* movement that came in the meantime */
    return mouse->last_sent;
}

void ps2_mouse_init(struct ps2_mouse *mouse, void (*has_data)(void *opaque), void *opaque)
{
    mouse->has_data = has_data;
    mouse->opaque = opaque;
}

void ps2_mouse_after_load(struct ps2_mouse *mouse)
{
    ps2_queue_clamp(&mouse->queue);
    mouse->dx = clamp(mouse->dx, -MOVEMENT_LIMIT, MOVEMENT_LIMIT);
    mouse->dy = clamp(mouse->dy, -MOVEMENT_LIMIT, MOVEMENT_LIMIT);
    mouse->dz = clamp(mouse->dz, -MOVEMENT_LIMIT, MOVEMENT_LIMIT);
}
