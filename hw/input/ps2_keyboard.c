/*
 * A PS/2 keyboard of 104 keys with scan code sets 1, 2 and 3.
 * Source: IBM PS/2 Hardware Interface Technical Reference, "Keyboards (101- and 102-Key)"; Microsoft "Keyboard Scan
 * Code Specification".
 * Deviates: the buffer holds 64 bytes instead of 16. The grey navigation keys do not surround themselves with shift
 * codes while Num Lock or Shift is active. BAT after a reset takes no time.
 */
#include "hw/input/kbc8042.h"
#include "hw/input/ps2.h"

#include <string.h>

enum {
    KB_SET_LEDS = 0xed,
    KB_ECHO = 0xee,
    KB_SCAN_SET = 0xf0,
    KB_IDENTIFY = 0xf2,
    KB_TYPEMATIC = 0xf3,
    KB_ENABLE = 0xf4,
    KB_DEFAULT_DISABLE = 0xf5,
    KB_DEFAULT = 0xf6,
    KB_ALL_TYPEMATIC = 0xf7,
    KB_ALL_MAKE_BREAK = 0xf8,
    KB_ALL_MAKE = 0xf9,
    KB_ALL_EVERYTHING = 0xfa,
    KB_KEY_TYPEMATIC = 0xfb,
    KB_KEY_MAKE_BREAK = 0xfc,
    KB_KEY_MAKE = 0xfd,
    KB_RESEND = 0xfe,
    KB_RESET = 0xff,

    KB_TYPEMATIC_DEFAULT = 0x2b, /* 10.9 a second after 500 ms */
    KB_BREAK = 0xf0,
    KB_EXTENDED = 0xe0,
};

/* Key numbers with sequences of their own. */
enum {
    KEY_LEFT_CTRL = 0x1d,
    KEY_LEFT_SHIFT = 0x2a,
    KEY_RIGHT_SHIFT = 0x36,
    KEY_LEFT_ALT = 0x38,
    KEY_RIGHT_CTRL = KEY_LEFT_CTRL | KBC8042_KEY_EXTENDED,
    KEY_RIGHT_ALT = KEY_LEFT_ALT | KBC8042_KEY_EXTENDED,
};

/* What the 8042 makes of a byte of set 2. The keyboard uses it backwards: a key number is a set 1 code. */
static const uint8_t translation[0x80] = {
    /* clang-format off */
    0xff, 0x43, 0x41, 0x3f, 0x3d, 0x3b, 0x3c, 0x58, 0x64, 0x44, 0x42, 0x40, 0x3e, 0x0f, 0x29, 0x59,
    0x65, 0x38, 0x2a, 0x70, 0x1d, 0x10, 0x02, 0x5a, 0x66, 0x71, 0x2c, 0x1f, 0x1e, 0x11, 0x03, 0x5b,
    0x67, 0x2e, 0x2d, 0x20, 0x12, 0x05, 0x04, 0x5c, 0x68, 0x39, 0x2f, 0x21, 0x14, 0x13, 0x06, 0x5d,
    0x69, 0x31, 0x30, 0x23, 0x22, 0x15, 0x07, 0x5e, 0x6a, 0x72, 0x32, 0x24, 0x16, 0x08, 0x09, 0x5f,
    0x6b, 0x33, 0x25, 0x17, 0x18, 0x0b, 0x0a, 0x60, 0x6c, 0x34, 0x35, 0x26, 0x27, 0x19, 0x0c, 0x61,
    0x6d, 0x73, 0x28, 0x74, 0x1a, 0x0d, 0x62, 0x6e, 0x3a, 0x36, 0x1c, 0x1b, 0x75, 0x2b, 0x63, 0x76,
    0x55, 0x56, 0x77, 0x78, 0x79, 0x7a, 0x0e, 0x7b, 0x7c, 0x4f, 0x7d, 0x4b, 0x47, 0x7e, 0x7f, 0x6f,
    0x52, 0x53, 0x50, 0x4c, 0x4d, 0x48, 0x01, 0x45, 0x57, 0x4e, 0x51, 0x4a, 0x37, 0x49, 0x46, 0x54,
    /* clang-format on */
};

/* Set 3 codes by set 1 code: one byte per key, never a prefix. 0: the key does not exist. */
static const uint8_t set3_plain[0x80] = {
    /* clang-format off */
    0x00, 0x08, 0x16, 0x1e, 0x26, 0x25, 0x2e, 0x36, 0x3d, 0x3e, 0x46, 0x45, 0x4e, 0x55, 0x66, 0x0d,
    0x15, 0x1d, 0x24, 0x2d, 0x2c, 0x35, 0x3c, 0x43, 0x44, 0x4d, 0x54, 0x5b, 0x5a, 0x11, 0x1c, 0x1b,
    0x23, 0x2b, 0x34, 0x33, 0x3b, 0x42, 0x4b, 0x4c, 0x52, 0x0e, 0x12, 0x5c, 0x1a, 0x22, 0x21, 0x2a,
    0x32, 0x31, 0x3a, 0x41, 0x49, 0x4a, 0x59, 0x7e, 0x19, 0x29, 0x14, 0x07, 0x0f, 0x17, 0x1f, 0x27,
    0x2f, 0x37, 0x3f, 0x47, 0x4f, 0x76, 0x5f, 0x6c, 0x75, 0x7d, 0x84, 0x6b, 0x73, 0x74, 0x7c, 0x69,
    0x72, 0x7a, 0x70, 0x71, 0x57, 0x00, 0x13, 0x56, 0x5e,
    /* clang-format on */
};

static const struct {
    uint8_t set1, set3;
} set3_extended[] = {
    {0x1c, 0x79}, {0x1d, 0x58}, {0x35, 0x77}, {0x37, 0x57}, {0x38, 0x39}, {0x46, 0x62}, {0x47, 0x6e},
    {0x48, 0x63}, {0x49, 0x6f}, {0x4b, 0x61}, {0x4d, 0x6a}, {0x4f, 0x65}, {0x50, 0x60}, {0x51, 0x6d},
    {0x52, 0x67}, {0x53, 0x64}, {0x5b, 0x8b}, {0x5c, 0x8c}, {0x5d, 0x8d},
};

uint8_t ps2_translate(uint8_t set2)
{
    if (set2 == 0x83)
        return 0x41; /* F7 and SysRq lie beyond the table */
    if (set2 == 0x84)
        return 0x54;
    return set2 < sizeof translation ? translation[set2] : set2;
}

static uint8_t set2_code(uint8_t set1)
{
    if (set1 == 0x41)
        return 0x83;
    if (set1 == 0x54)
        return 0x84;
    for (uint8_t code = 1; code < sizeof translation; code++)
        if (translation[code] == set1)
            return code;
    return 0;
}

static uint8_t set3_code(uint8_t key)
{
    if (!(key & KBC8042_KEY_EXTENDED))
        return set3_plain[key];
    for (unsigned i = 0; i < sizeof set3_extended / sizeof set3_extended[0]; i++)
        if (set3_extended[i].set1 == (key & 0x7f))
            return set3_extended[i].set3;
    return 0;
}

/* ---- bit maps over keys ---- */

static bool has_bit(const uint8_t map[32], uint8_t n)
{
    return map[n / 8] >> n % 8 & 1;
}

static void set_bit(uint8_t map[32], uint8_t n, bool value)
{
    map[n / 8] = (uint8_t)((map[n / 8] & ~(1u << n % 8)) | (unsigned)value << n % 8);
}

static bool is_modifier(uint8_t key)
{
    static const uint8_t modifiers[] = {KEY_LEFT_CTRL, KEY_LEFT_SHIFT, KEY_RIGHT_SHIFT,
                                        KEY_LEFT_ALT,  KEY_RIGHT_CTRL, KEY_RIGHT_ALT};
    return memchr(modifiers, key, sizeof modifiers) != NULL;
}

/* ---- scan codes ---- */

struct sequence { /* one key event: all of it or nothing enters the buffer */
    uint8_t bytes[10];
    unsigned n;
};

static void add(struct sequence *seq, uint8_t byte)
{
    seq->bytes[seq->n++] = byte;
}

/* A make or break code of set 1 or 2, for the set 1 code `set1`. */
static void add_code(struct sequence *seq, uint8_t scan_set, bool is_extended, uint8_t set1, bool is_down)
{
    uint8_t code = scan_set == 1 ? set1 : set2_code(set1);
    if (code == 0)
        return;
    if (is_extended)
        add(seq, KB_EXTENDED);
    if (scan_set == 1) {
        add(seq, is_down ? code : code | 0x80);
        return;
    }
    if (!is_down)
        add(seq, KB_BREAK);
    add(seq, code);
}

/* E0 2A E0 37 and its variants: a key born as Shift with the keypad's asterisk, or Alt with SysRq. */
static void add_print_screen(struct sequence *seq, const struct ps2_keyboard *kb, bool is_down)
{
    bool alt = has_bit(kb->is_down, KEY_LEFT_ALT) || has_bit(kb->is_down, KEY_RIGHT_ALT);
    bool no_shift = has_bit(kb->is_down, KEY_LEFT_CTRL) || has_bit(kb->is_down, KEY_RIGHT_CTRL) ||
                    has_bit(kb->is_down, KEY_LEFT_SHIFT) || has_bit(kb->is_down, KEY_RIGHT_SHIFT);
    if (alt) {
        add_code(seq, kb->scan_set, false, 0x54, is_down);
        return;
    }
    if (!no_shift && is_down)
        add_code(seq, kb->scan_set, true, KEY_LEFT_SHIFT, true);
    add_code(seq, kb->scan_set, true, 0x37, is_down);
    if (!no_shift && !is_down)
        add_code(seq, kb->scan_set, true, KEY_LEFT_SHIFT, false);
}

/* E1 1D 45 E1 9D C5: Ctrl with Num Lock, made and broken at once; with Ctrl held it is Break, E0 46 E0 C6. */
static void add_pause(struct sequence *seq, const struct ps2_keyboard *kb)
{
    if (has_bit(kb->is_down, KEY_LEFT_CTRL) || has_bit(kb->is_down, KEY_RIGHT_CTRL)) {
        add_code(seq, kb->scan_set, true, 0x46, true);
        add_code(seq, kb->scan_set, true, 0x46, false);
        return;
    }
    for (int is_down = 1; is_down >= 0; is_down--) {
        add(seq, 0xe1);
        add_code(seq, kb->scan_set, false, KEY_LEFT_CTRL, is_down);
        add_code(seq, kb->scan_set, false, 0x45, is_down);
    }
}

static void add_set3(struct sequence *seq, const struct ps2_keyboard *kb, uint8_t key, bool is_down)
{
    uint8_t code = set3_code(key);
    if (code == 0 || (!is_down && !has_bit(kb->set3_break, code)))
        return;
    if (!is_down)
        add(seq, KB_BREAK);
    add(seq, code);
}

static void send_key(struct ps2_keyboard *kb, uint8_t key, bool is_down)
{
    struct sequence seq = {.n = 0};
    if (kb->scan_set == 3)
        add_set3(&seq, kb, key, is_down);
    else if (key == KBC8042_KEY_PAUSE && is_down)
        add_pause(&seq, kb);
    else if (key == KBC8042_KEY_PRINT_SCREEN)
        add_print_screen(&seq, kb, is_down);
    else if (key != KBC8042_KEY_PAUSE)
        add_code(&seq, kb->scan_set, key & KBC8042_KEY_EXTENDED, key & 0x7f, is_down);
    if (seq.n == 0)
        return;
    unsigned room = ps2_queue_room(&kb->scancodes);
    if (room > seq.n) { /* the last place is for the overrun code */
        for (unsigned i = 0; i < seq.n; i++)
            ps2_queue_push(&kb->scancodes, seq.bytes[i]);
    } else if (room) {
        while (ps2_queue_room(&kb->scancodes))
            ps2_queue_push(&kb->scancodes, kb->scan_set == 1 ? 0xff : 0x00);
    }
    kb->has_data(kb->opaque);
}

/* ---- typematic ---- */

static int64_t repeat_delay_ns(const struct ps2_keyboard *kb)
{
    return (1 + (kb->typematic >> 5 & 3)) * 250 * NS_PER_MS;
}

/* (8 + A) * 2^B * 4.17 ms with A in bits 2..0 and B in bits 4..3 */
static int64_t repeat_period_ns(const struct ps2_keyboard *kb)
{
    return (int64_t)(8 + (kb->typematic & 7)) * (1 << (kb->typematic >> 3 & 3)) * 4170 * NS_PER_US;
}

static void set_repeat(struct ps2_keyboard *kb, uint8_t key, int64_t at_ns)
{
    kb->repeat_key = key;
    kb->repeat_ns = key ? at_ns : CLOCK_NEVER;
    timer_set(&kb->timer, kb->repeat_ns);
}

static void stop_repeat(struct ps2_keyboard *kb)
{
    set_repeat(kb, 0, CLOCK_NEVER);
}

static void repeat_due(void *opaque)
{
    struct ps2_keyboard *kb = opaque;
    uint8_t key = kb->repeat_key;
    set_repeat(kb, key, clock_now_ns(kb->timer.clock) + repeat_period_ns(kb));
    if (kb->is_scanning && kb->scancodes.count == 0) /* a guest that does not read gets no backlog */
        send_key(kb, key, true);
}

void ps2_keyboard_key(struct ps2_keyboard *kb, uint8_t key, bool is_down)
{
    if ((key & 0x7f) == 0)
        return;
    bool was_down = has_bit(kb->is_down, key);
    if (was_down == is_down)
        return; /* the host's own repetition, or a release of a key that was never seen down */
    set_bit(kb->is_down, key, is_down);
    if (!kb->is_scanning)
        return;
    send_key(kb, key, is_down);
    bool repeats = key != KBC8042_KEY_PAUSE && (kb->scan_set != 3 || has_bit(kb->set3_repeat, set3_code(key)));
    if (is_down && repeats)
        set_repeat(kb, key, clock_now_ns(kb->timer.clock) + repeat_delay_ns(kb));
    else if (is_down || key == kb->repeat_key)
        stop_repeat(kb);
}

/* ---- commands ---- */

static void reply(struct ps2_keyboard *kb, uint8_t byte)
{
    ps2_queue_push(&kb->replies, byte);
}

static void set_defaults(struct ps2_keyboard *kb)
{
    ps2_queue_clear(&kb->scancodes);
    stop_repeat(kb);
    kb->scan_set = 2;
    kb->typematic = KB_TYPEMATIC_DEFAULT;
    /* Set 3: modifiers make and break, everything else repeats. */
    memset(kb->set3_break, 0, sizeof kb->set3_break);
    memset(kb->set3_repeat, 0xff, sizeof kb->set3_repeat);
    for (unsigned key = 1; key < 256; key++) {
        if (is_modifier((uint8_t)key)) {
            set_bit(kb->set3_break, set3_code((uint8_t)key), true);
            set_bit(kb->set3_repeat, set3_code((uint8_t)key), false);
        }
    }
}

void ps2_keyboard_power_on(struct ps2_keyboard *kb)
{
    ps2_queue_clear(&kb->replies);
    set_defaults(kb);
    kb->command = 0;
    kb->leds = 0;
    kb->last_sent = 0;
    kb->is_scanning = 1;
}

/* The parameter of kb->command. */
static void write_parameter(struct ps2_keyboard *kb, uint8_t byte)
{
    uint8_t command = kb->command;
    kb->command = 0;
    switch (command) {
    case KB_SET_LEDS:
        kb->leds = byte & 7;
        break;
    case KB_SCAN_SET:
        if (byte > 3) {
            kb->command = command;
            reply(kb, PS2_RESEND);
            return;
        }
        reply(kb, PS2_ACK);
        if (byte == 0) {
            reply(kb, kb->scan_set);
        } else {
            ps2_queue_clear(&kb->scancodes);
            kb->scan_set = byte;
        }
        return;
    case KB_TYPEMATIC:
        kb->typematic = byte & 0x7f;
        break;
    default: /* FB to FD: any number of set 3 codes, until the next command */
        kb->command = command;
        set_bit(kb->set3_repeat, byte, command == KB_KEY_TYPEMATIC);
        set_bit(kb->set3_break, byte, command == KB_KEY_MAKE_BREAK);
        break;
    }
    reply(kb, PS2_ACK);
}

static void set_all_keys(struct ps2_keyboard *kb, bool has_break, bool repeats)
{
    memset(kb->set3_break, has_break ? 0xff : 0, sizeof kb->set3_break);
    memset(kb->set3_repeat, repeats ? 0xff : 0, sizeof kb->set3_repeat);
}

static void write_command(struct ps2_keyboard *kb, uint8_t byte)
{
    kb->command = 0;
    switch (byte) {
    case KB_ECHO:
        reply(kb, PS2_ECHO);
        return;
    case KB_RESEND:
        reply(kb, kb->last_sent);
        return;
    case KB_SET_LEDS:
    case KB_SCAN_SET:
    case KB_TYPEMATIC:
    case KB_KEY_TYPEMATIC:
    case KB_KEY_MAKE_BREAK:
    case KB_KEY_MAKE:
        kb->command = byte;
        break;
    case KB_IDENTIFY:
        reply(kb, PS2_ACK);
        reply(kb, 0xab);
        reply(kb, 0x83);
        return;
    case KB_ENABLE:
        ps2_queue_clear(&kb->scancodes);
        stop_repeat(kb);
        kb->is_scanning = 1;
        break;
    case KB_DEFAULT_DISABLE:
        set_defaults(kb);
        kb->is_scanning = 0;
        break;
    case KB_DEFAULT:
        set_defaults(kb);
        kb->is_scanning = 1;
        break;
    case KB_ALL_TYPEMATIC:
        set_all_keys(kb, false, true);
        break;
    case KB_ALL_MAKE_BREAK:
        set_all_keys(kb, true, false);
        break;
    case KB_ALL_MAKE:
        set_all_keys(kb, false, false);
        break;
    case KB_ALL_EVERYTHING:
        set_all_keys(kb, true, true);
        break;
    case KB_RESET:
        ps2_keyboard_power_on(kb);
        reply(kb, PS2_ACK);
        reply(kb, PS2_BAT_OK);
        return;
    default:
        reply(kb, PS2_RESEND);
        return;
    }
    reply(kb, PS2_ACK);
}

void ps2_keyboard_write(struct ps2_keyboard *kb, uint8_t byte)
{
    /* A new byte calls off replies that the host did not wait for. A command is recognised even where a parameter is
     * expected. */
    ps2_queue_clear(&kb->replies);
    if (kb->command && byte < KB_SET_LEDS)
        write_parameter(kb, byte);
    else
        write_command(kb, byte);
    kb->has_data(kb->opaque);
}

/* ---- towards the 8042 ---- */

bool ps2_keyboard_is_ready(const struct ps2_keyboard *kb)
{
    return kb->replies.count || kb->scancodes.count;
}

uint8_t ps2_keyboard_take(struct ps2_keyboard *kb)
{
    kb->last_sent = ps2_queue_pop(kb->replies.count ? &kb->replies : &kb->scancodes);
    return kb->last_sent;
}

void ps2_keyboard_init(struct ps2_keyboard *kb, struct clock *clock, void (*has_data)(void *opaque), void *opaque)
{
    timer_init(&kb->timer, clock, repeat_due, kb);
    kb->has_data = has_data;
    kb->opaque = opaque;
}

void ps2_keyboard_after_load(struct ps2_keyboard *kb)
{
    ps2_queue_clamp(&kb->replies);
    ps2_queue_clamp(&kb->scancodes);
    if (kb->scan_set < 1 || kb->scan_set > 3)
        kb->scan_set = 2;
    set_repeat(kb, kb->repeat_key, kb->repeat_ns);
}
