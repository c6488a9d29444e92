/*
 * Intel 8042 keyboard controller with PS/2 auxiliary port. Source: IBM PS/2 Hardware Interface Technical Reference,
 * "Keyboard/Auxiliary Device Controller"; commands DDh and DFh are those of compatible controllers.
 * A byte of a device becomes visible only BYTE_NS after the last read of port 60h: handlers that read the port twice
 * get the same byte twice, and drivers see one byte per interrupt, as with real devices.
 * Deviates: a reply of the controller overwrites a device's byte that was not read. The password commands report that
 * no password is set. The input buffer is never full, since commands take no time.
 */
#include "hw/input/kbc8042.h"

#include <stdlib.h>

#include "hw/core/log.h"
#include "hw/input/ps2.h"

enum {
    KBC_STATUS_OBF = 1 << 0,
    KBC_STATUS_IBF = 1 << 1,
    KBC_STATUS_SYS = 1 << 2,
    KBC_STATUS_CMD = 1 << 3,
    KBC_STATUS_UNLOCKED = 1 << 4,
    KBC_STATUS_AUX_OBF = 1 << 5,

    KBC_CCB_KEYBOARD_IRQ = 1 << 0,
    KBC_CCB_MOUSE_IRQ = 1 << 1,
    KBC_CCB_SYS = 1 << 2,
    KBC_CCB_KEYBOARD_OFF = 1 << 4,
    KBC_CCB_MOUSE_OFF = 1 << 5,
    KBC_CCB_TRANSLATE = 1 << 6,

    KBC_P2_NO_RESET = 1 << 0,
    KBC_P2_A20 = 1 << 1,
    KBC_P2_KEYBOARD_IRQ = 1 << 4,
    KBC_P2_MOUSE_IRQ = 1 << 5,
    KBC_P2_LINES = 0xcc, /* clock and data lines of the devices, idle */

    KBC_READ_RAM = 0x20,  /* to 3F; byte 0 is the controller command byte */
    KBC_WRITE_RAM = 0x60, /* to 7F */
    KBC_TEST_PASSWORD = 0xa4,
    KBC_LOAD_PASSWORD = 0xa5,
    KBC_ENABLE_PASSWORD = 0xa6,
    KBC_MOUSE_OFF = 0xa7,
    KBC_MOUSE_ON = 0xa8,
    KBC_TEST_MOUSE = 0xa9,
    KBC_SELF_TEST = 0xaa,
    KBC_TEST_KEYBOARD = 0xab,
    KBC_KEYBOARD_OFF = 0xad,
    KBC_KEYBOARD_ON = 0xae,
    KBC_READ_P1 = 0xc0,
    KBC_READ_P2 = 0xd0,
    KBC_WRITE_P2 = 0xd1,
    KBC_WRITE_KEYBOARD_OBF = 0xd2,
    KBC_WRITE_MOUSE_OBF = 0xd3,
    KBC_WRITE_MOUSE = 0xd4,
    KBC_A20_OFF = 0xdd,
    KBC_A20_ON = 0xdf,
    KBC_READ_TEST_INPUTS = 0xe0,
    KBC_PULSE_P2 = 0xf0, /* to FF */

    KBC_NO_PASSWORD = 0xf1,
    KBC_SELF_TEST_OK = 0x55,
    KBC_LINE_OK = 0x00,
    KBC_P1_IDLE = 0xa0, /* keyboard not locked, manufacturing jumper open */
    KBC_BREAK_PREFIX = 0xf0,
};

#define BYTE_NS (500 * NS_PER_US) /* half of what eleven bits take on a fast PS/2 line */

struct kbc8042 {
    uint8_t status;       /* OBF, SYS, CMD, AUX OBF */
    uint8_t output;       /* output buffer, port 60h */
    uint8_t ram[32];      /* [0] is the controller command byte */
    uint8_t p2;           /* output port, bits 0 and 1 */
    uint8_t command;      /* that waits for its data byte, 0: none */
    uint8_t break_seen;   /* translation: F0 came, the next byte gets bit 7 */
    int64_t next_byte_ns; /* a device's byte may appear from here on */
    struct ps2_keyboard keyboard;
    struct ps2_mouse mouse;
    struct kbc8042_wires wires;
    struct timer timer;
};

#define KBC_REG(member, reset_value, doc)  STATE_REG(struct kbc8042, member, reset_value, doc)
#define KBC_BLOB(member, reset_value, doc) STATE_BLOB(struct kbc8042, member, reset_value, doc)

static const struct state_field kbc_fields[] = {
    KBC_REG(status, 0, "status register"),
    KBC_REG(output, 0, "output buffer"),
    KBC_BLOB(ram, 0, "RAM, first the command byte"),
    KBC_REG(p2, KBC_P2_NO_RESET | KBC_P2_A20, "output port"),
    KBC_REG(command, 0, "command that waits for data"),
    KBC_REG(break_seen, 0, "translation after F0"),
    KBC_REG(next_byte_ns, 0, "next device byte not before"),
    KBC_BLOB(keyboard.replies.bytes, 0, "replies"),
    KBC_REG(keyboard.replies.head, 0, "oldest"),
    KBC_REG(keyboard.replies.count, 0, "number"),
    KBC_BLOB(keyboard.scancodes.bytes, 0, "scan codes"),
    KBC_REG(keyboard.scancodes.head, 0, "oldest"),
    KBC_REG(keyboard.scancodes.count, 0, "number"),
    KBC_REG(keyboard.last_sent, 0, "for resend"),
    KBC_REG(keyboard.command, 0, "command that waits for its parameter"),
    KBC_REG(keyboard.scan_set, 2, "scan code set"),
    KBC_REG(keyboard.leds, 0, "scroll, num, caps"),
    KBC_REG(keyboard.typematic, 0x2b, "typematic rate and delay"),
    KBC_REG(keyboard.is_scanning, 1, "enabled"),
    KBC_BLOB(keyboard.is_down, 0, "keys held down"),
    KBC_BLOB(keyboard.set3_break, 0, "set 3: keys with break codes"),
    KBC_BLOB(keyboard.set3_repeat, 0, "set 3: keys that repeat"),
    KBC_REG(keyboard.repeat_key, 0, "key that repeats"),
    KBC_REG(keyboard.repeat_ns, CLOCK_NEVER, "its next repetition"),
    KBC_BLOB(mouse.queue.bytes, 0, "replies and reports"),
    KBC_REG(mouse.queue.head, 0, "oldest"),
    KBC_REG(mouse.queue.count, 0, "number"),
    KBC_REG(mouse.last_sent, 0, "for resend"),
    KBC_REG(mouse.command, 0, "command that waits for its parameter"),
    KBC_REG(mouse.id, 0, "0 plain, 3 wheel, 4 five buttons"),
    KBC_REG(mouse.magic, 0, "progress of an id sequence"),
    KBC_REG(mouse.is_reporting, 0, "enabled"),
    KBC_REG(mouse.is_remote, 0, "remote mode"),
    KBC_REG(mouse.is_wrapping, 0, "wrap mode"),
    KBC_REG(mouse.is_scaling_2_1, 0, "scaling 2:1"),
    KBC_REG(mouse.resolution, 2, "resolution"),
    KBC_REG(mouse.sample_rate, 100, "reports per second"),
    KBC_REG(mouse.buttons, 0, "buttons held down"),
    KBC_REG(mouse.sent_buttons, 0, "buttons last reported"),
    KBC_REG(mouse.dx, 0, "movement to report, right"),
    KBC_REG(mouse.dy, 0, "movement to report, down"),
    KBC_REG(mouse.dz, 0, "movement to report, wheel"),
};
static const struct state_desc kbc_desc = STATE_DESC("kbc8042", kbc_fields);

const struct state_desc *kbc8042_state_desc(void)
{
    return &kbc_desc;
}

/* ---- the output buffer ---- */

static uint8_t *command_byte(struct kbc8042 *kbc)
{
    return &kbc->ram[0];
}

/* Output port bits 4 and 5 are the interrupt lines: a full buffer, if its interrupt is enabled. */
static bool keyboard_irq(const struct kbc8042 *kbc)
{
    return (kbc->status & (KBC_STATUS_OBF | KBC_STATUS_AUX_OBF)) == KBC_STATUS_OBF &&
           kbc->ram[0] & KBC_CCB_KEYBOARD_IRQ;
}

static bool mouse_irq(const struct kbc8042 *kbc)
{
    return kbc->status & KBC_STATUS_OBF && kbc->status & KBC_STATUS_AUX_OBF && kbc->ram[0] & KBC_CCB_MOUSE_IRQ;
}

static void fill_output(struct kbc8042 *kbc, uint8_t byte, bool is_mouse)
{
    kbc->output = byte;
    kbc->status = (uint8_t)((kbc->status & ~KBC_STATUS_AUX_OBF) | KBC_STATUS_OBF | (is_mouse ? KBC_STATUS_AUX_OBF : 0));
}

/* Takes bytes from the keyboard until one is worth showing; F0 is swallowed by the translation. */
static void take_from_keyboard(struct kbc8042 *kbc)
{
    while (ps2_keyboard_is_ready(&kbc->keyboard)) {
        uint8_t byte = ps2_keyboard_take(&kbc->keyboard);
        if (!(*command_byte(kbc) & KBC_CCB_TRANSLATE)) {
            kbc->break_seen = 0;
            fill_output(kbc, byte, false);
            return;
        }
        if (byte == KBC_BREAK_PREFIX) {
            kbc->break_seen = 1;
            continue;
        }
        fill_output(kbc, ps2_translate(byte) | (kbc->break_seen ? 0x80 : 0), false);
        kbc->break_seen = 0;
        return;
    }
}

/* Moves a waiting byte into an empty output buffer, drives the interrupt lines, arms the timer. */
static void update(struct kbc8042 *kbc)
{
    int64_t now = clock_now_ns(kbc->timer.clock), deadline = CLOCK_NEVER;
    bool keyboard_waits = ps2_keyboard_is_ready(&kbc->keyboard) && !(*command_byte(kbc) & KBC_CCB_KEYBOARD_OFF);
    bool mouse_waits = ps2_mouse_is_ready(&kbc->mouse) && !(*command_byte(kbc) & KBC_CCB_MOUSE_OFF);
    if (!(kbc->status & KBC_STATUS_OBF) && (keyboard_waits || mouse_waits)) {
        if (now < kbc->next_byte_ns)
            deadline = kbc->next_byte_ns;
        else if (keyboard_waits)
            take_from_keyboard(kbc);
        else
            fill_output(kbc, ps2_mouse_take(&kbc->mouse), true);
    }
    irq_set(&kbc->wires.keyboard, keyboard_irq(kbc));
    irq_set(&kbc->wires.mouse, mouse_irq(kbc));
    timer_set(&kbc->timer, deadline);
}

static void update_callback(void *opaque)
{
    update(opaque);
}

static uint32_t data_read(void *self, uint32_t offset, unsigned width)
{
    struct kbc8042 *kbc = self;
    uint8_t byte = kbc->output;
    if (kbc->status & KBC_STATUS_OBF) {
        kbc->status &= (uint8_t) ~(KBC_STATUS_OBF | KBC_STATUS_AUX_OBF);
        kbc->next_byte_ns = clock_now_ns(kbc->timer.clock) + BYTE_NS;
        update(kbc);
    }
    return byte;
}

/* ---- output port ---- */

static uint8_t read_p2(const struct kbc8042 *kbc)
{
    return (uint8_t)(kbc->p2 | KBC_P2_LINES | (keyboard_irq(kbc) ? KBC_P2_KEYBOARD_IRQ : 0) |
                     (mouse_irq(kbc) ? KBC_P2_MOUSE_IRQ : 0));
}

static void pulse_reset(struct kbc8042 *kbc)
{
    irq_raise(&kbc->wires.reset);
    irq_lower(&kbc->wires.reset);
}

static void write_p2(struct kbc8042 *kbc, uint8_t value)
{
    kbc->p2 = value & (KBC_P2_A20 | KBC_P2_NO_RESET);
    irq_set(&kbc->wires.a20, value & KBC_P2_A20);
    if (!(value & KBC_P2_NO_RESET))
        pulse_reset(kbc);
}

/* ---- commands ---- */

/* A reply to a command: interrupts like a byte of the keyboard, or of the mouse. */
static void reply(struct kbc8042 *kbc, uint8_t byte)
{
    /* The line goes low in between, so that an edge-triggered input sees a new request. */
    kbc->status &= (uint8_t)~KBC_STATUS_OBF;
    irq_lower(&kbc->wires.keyboard);
    irq_lower(&kbc->wires.mouse);
    fill_output(kbc, byte, false);
}

static void write_ram(struct kbc8042 *kbc, unsigned index, uint8_t value)
{
    kbc->ram[index % sizeof kbc->ram] = value;
    if (index == 0)
        kbc->status = (uint8_t)((kbc->status & ~KBC_STATUS_SYS) | (value & KBC_CCB_SYS ? KBC_STATUS_SYS : 0));
}

static void self_test(struct kbc8042 *kbc)
{
    kbc->status |= KBC_STATUS_SYS;
    *command_byte(kbc) |= KBC_CCB_SYS;
    reply(kbc, KBC_SELF_TEST_OK);
}

static void run_command(struct kbc8042 *kbc, uint8_t command)
{
    static bool said;
    uint8_t *ccb = command_byte(kbc);
    switch (command) {
    case KBC_READ_RAM ... KBC_READ_RAM + 31:
        reply(kbc, kbc->ram[command - KBC_READ_RAM]);
        break;
    case KBC_WRITE_RAM ... KBC_WRITE_RAM + 31:
    case KBC_LOAD_PASSWORD:
    case KBC_WRITE_P2:
    case KBC_WRITE_KEYBOARD_OBF:
    case KBC_WRITE_MOUSE_OBF:
    case KBC_WRITE_MOUSE:
        kbc->command = command;
        break;
    case KBC_TEST_PASSWORD:
        reply(kbc, KBC_NO_PASSWORD);
        break;
    case KBC_ENABLE_PASSWORD:
        break; /* has no effect without a password */
    case KBC_MOUSE_OFF:
        *ccb |= KBC_CCB_MOUSE_OFF;
        break;
    case KBC_MOUSE_ON:
        *ccb &= (uint8_t)~KBC_CCB_MOUSE_OFF;
        break;
    case KBC_TEST_MOUSE:
    case KBC_TEST_KEYBOARD:
        reply(kbc, KBC_LINE_OK);
        break;
    case KBC_SELF_TEST:
        self_test(kbc);
        break;
    case KBC_KEYBOARD_OFF:
        *ccb |= KBC_CCB_KEYBOARD_OFF;
        break;
    case KBC_KEYBOARD_ON:
        *ccb &= (uint8_t)~KBC_CCB_KEYBOARD_OFF;
        break;
    case KBC_READ_P1:
        reply(kbc, KBC_P1_IDLE);
        break;
    case KBC_READ_P2:
        reply(kbc, read_p2(kbc));
        break;
    case KBC_A20_OFF:
        write_p2(kbc, kbc->p2 & (uint8_t)~KBC_P2_A20);
        break;
    case KBC_A20_ON:
        write_p2(kbc, kbc->p2 | KBC_P2_A20);
        break;
    case KBC_READ_TEST_INPUTS:
        reply(kbc, 0);
        break;
    case KBC_PULSE_P2 ... KBC_PULSE_P2 + 15:
        if (!(command & KBC_P2_NO_RESET)) /* bits that are 0 go low for 6 us; only bit 0 is worth a pulse */
            pulse_reset(kbc);
        break;
    default:
        log_once(&said, "kbc8042: command %02x is not known\n", command);
        break;
    }
}

static void command_write(void *self, uint32_t offset, uint32_t value, unsigned width)
{
    struct kbc8042 *kbc = self;
    kbc->status |= KBC_STATUS_CMD;
    kbc->command = 0; /* a new command calls off one that still waits for its data */
    run_command(kbc, (uint8_t)value);
    update(kbc);
}

static uint32_t command_read(void *self, uint32_t offset, unsigned width)
{
    struct kbc8042 *kbc = self;
    return kbc->status | KBC_STATUS_UNLOCKED;
}

/* The data byte of kbc->command. */
static void write_parameter(struct kbc8042 *kbc, uint8_t byte)
{
    uint8_t command = kbc->command;
    switch (command) {
    case KBC_LOAD_PASSWORD: /* bytes of a password, up to a 0 */
        if (byte != 0)
            return;
        break;
    case KBC_WRITE_P2:
        write_p2(kbc, byte);
        break;
    case KBC_WRITE_KEYBOARD_OBF:
        reply(kbc, byte);
        break;
    case KBC_WRITE_MOUSE_OBF:
        reply(kbc, byte);
        kbc->status |= KBC_STATUS_AUX_OBF;
        break;
    case KBC_WRITE_MOUSE:
        *command_byte(kbc) &= (uint8_t)~KBC_CCB_MOUSE_OFF;
        ps2_mouse_write(&kbc->mouse, byte);
        break;
    default:
        write_ram(kbc, command - KBC_WRITE_RAM, byte);
        break;
    }
    kbc->command = 0;
}

static void data_write(void *self, uint32_t offset, uint32_t value, unsigned width)
{
    struct kbc8042 *kbc = self;
    kbc->status &= (uint8_t)~KBC_STATUS_CMD;
    if (kbc->command) {
        write_parameter(kbc, (uint8_t)value);
    } else {
        *command_byte(kbc) &= (uint8_t)~KBC_CCB_KEYBOARD_OFF; /* sending to the keyboard opens its line */
        ps2_keyboard_write(&kbc->keyboard, (uint8_t)value);
    }
    update(kbc);
}

const struct bus_ops kbc8042_data_ops = {.name = "kbc8042", .read = data_read, .write = data_write, .max_width = 1};
const struct bus_ops kbc8042_command_ops = {
    .name = "kbc8042", .read = command_read, .write = command_write, .max_width = 1};

/* ---- the host ---- */

void kbc8042_key(struct kbc8042 *kbc, uint8_t key, bool is_down)
{
    ps2_keyboard_key(&kbc->keyboard, key, is_down);
}

unsigned kbc8042_key_room(const struct kbc8042 *kbc)
{
    enum { LONGEST = 8 }; /* Pause */
    unsigned room = ps2_queue_room(&kbc->keyboard.scancodes);
    return room ? (room - 1) / LONGEST : 0;
}

void kbc8042_mouse(struct kbc8042 *kbc, int dx, int dy, int dz, uint8_t buttons)
{
    ps2_mouse_move(&kbc->mouse, dx, dy, dz, buttons);
}

uint8_t kbc8042_leds(const struct kbc8042 *kbc)
{
    return kbc->keyboard.leds;
}

/* ---- life ---- */

struct kbc8042 *kbc8042_create(struct clock *clock, struct kbc8042_wires wires)
{
    struct kbc8042 *kbc = calloc(1, sizeof *kbc);
    if (!kbc)
        return NULL;
    kbc->wires = wires;
    timer_init(&kbc->timer, clock, update_callback, kbc);
    ps2_keyboard_init(&kbc->keyboard, clock, update_callback, kbc);
    ps2_mouse_init(&kbc->mouse, update_callback, kbc);
    state_reset(&kbc_desc, kbc);
    ps2_keyboard_power_on(&kbc->keyboard);
    ps2_mouse_power_on(&kbc->mouse);
    return kbc;
}

void kbc8042_destroy(struct kbc8042 *kbc)
{
    if (!kbc)
        return;
    timer_cancel(&kbc->keyboard.timer);
    timer_cancel(&kbc->timer);
    free(kbc);
}

void kbc8042_reset(struct kbc8042 *kbc)
{
    state_reset(&kbc_desc, kbc);
    ps2_keyboard_power_on(&kbc->keyboard);
    ps2_mouse_power_on(&kbc->mouse);
    write_p2(kbc, kbc->p2);
    update(kbc);
}

void kbc8042_after_load(struct kbc8042 *kbc)
{
    ps2_keyboard_after_load(&kbc->keyboard);
    ps2_mouse_after_load(&kbc->mouse);
    irq_set(&kbc->wires.a20, kbc->p2 & KBC_P2_A20);
    update(kbc);
}
