/*
 * VMware's absolute pointing device. Source: open-vm-tools, backdoor_def.h and vmmouse definitions; X.Org's
 * documentation of the vmmouse protocol; QEMU documentation, "vmmouse".
 * A packet has four words: buttons, x, y, wheel. The guest asks how many words there are and takes up to six at a time.
 * Deviates: movement that finds no room waits and is added up; VMware's device loses it.
 */
#include "hw/input/vmmouse.h"

#include <stdlib.h>

#include "hw/core/log.h"
#include "hw/input/kbc8042.h"

enum vmmouse_backdoor {
    VMMOUSE_DATA = 0x27,
    VMMOUSE_STATUS = 0x28,
    VMMOUSE_COMMAND = 0x29,
};

enum vmmouse_command { /* in EBX */
                       COMMAND_READ_ID = 0x45414552,
                       COMMAND_DISABLE = 0x000000f5,
                       COMMAND_REQUEST_RELATIVE = 0x4c455252,
                       COMMAND_REQUEST_ABSOLUTE = 0x53424152,
};

#define VMMOUSE_VERSION     0x3442554au
#define STATUS_ERROR        0xffffu /* the guest has to enable it, again */
#define BUTTON_MIDDLE       0x08
#define BUTTON_RIGHT        0x10
#define BUTTON_LEFT         0x20
#define BUTTONS_RELATIVE    0x10000 /* x and y are distances; y counts upwards */
#define PACKET_WORDS        4u
#define MAX_WORDS           6u    /* that one command takes */
#define QUEUE_WORDS         1024u /* a power of two */
#define MOVEMENT_LIMIT      0x10000
#define ABSOLUTE_PER_MICKEY (VMMOUSE_RANGE / 1024)

struct vmmouse {
    uint16_t status;
    uint8_t mode; /* enum vmmouse_mode */
    uint32_t queue[QUEUE_WORDS];
    uint16_t head, count;
    uint8_t buttons; /* as kbc8042.h numbers them */
    uint16_t x, y;
    int32_t dx, dy, dz;
    bool is_waiting; /* something has happened that no packet tells yet */

    void (*has_data)(void *opaque);
    void *opaque;
};

static const struct state_field vmmouse_fields[] = {
    STATE_REG(struct vmmouse, status, STATUS_ERROR, "status word of the status command"),
    STATE_REG(struct vmmouse, mode, VMMOUSE_OFF, "0 off, 1 relative, 2 absolute"),
    STATE_ARRAY(struct vmmouse, queue, 0, "words for the guest"),
    STATE_REG(struct vmmouse, head, 0, "the next of them"),
    STATE_REG(struct vmmouse, count, 0, "how many there are"),
    STATE_REG(struct vmmouse, buttons, 0, "held"),
    STATE_REG(struct vmmouse, x, 0, "place of the pointer"),
    STATE_REG(struct vmmouse, y, 0, "place of the pointer"),
    STATE_REG(struct vmmouse, dx, 0, "movement not told yet"),
    STATE_REG(struct vmmouse, dy, 0, "movement not told yet"),
    STATE_REG(struct vmmouse, dz, 0, "wheel not told yet"),
    STATE_REG(struct vmmouse, is_waiting, 0, "a packet waits for room"),
};
static const struct state_desc vmmouse_desc = STATE_DESC("vmmouse", vmmouse_fields);

const struct state_desc *vmmouse_state(void)
{
    return &vmmouse_desc;
}

static int clamp(int64_t value, int first, int last)
{
    return value < first ? first : value > last ? last : (int)value;
}

/* ---- the queue ---- */

static void push(struct vmmouse *mouse, uint32_t word)
{
    if (mouse->count < QUEUE_WORDS)
        mouse->queue[(mouse->head + mouse->count++) % QUEUE_WORDS] = word;
}

/* It must not be empty. */
static uint32_t pop(struct vmmouse *mouse)
{
    uint32_t word = mouse->queue[mouse->head];

    mouse->head = (uint16_t)((mouse->head + 1) % QUEUE_WORDS);
    mouse->count--;
    return word;
}

static void forget(struct vmmouse *mouse)
{
    mouse->head = mouse->count = 0;
    mouse->dx = mouse->dy = mouse->dz = 0;
    mouse->is_waiting = false;
}

static void send_packet(struct vmmouse *mouse)
{
    uint32_t buttons = (mouse->buttons & KBC8042_BUTTON_LEFT ? BUTTON_LEFT : 0) |
                       (mouse->buttons & KBC8042_BUTTON_RIGHT ? BUTTON_RIGHT : 0) |
                       (mouse->buttons & KBC8042_BUTTON_MIDDLE ? BUTTON_MIDDLE : 0);

    if (mouse->mode == VMMOUSE_RELATIVE) {
        push(mouse, buttons | BUTTONS_RELATIVE);
        push(mouse, (uint32_t)mouse->dx);
        push(mouse, (uint32_t)-mouse->dy);
    } else {
        push(mouse, buttons);
        push(mouse, mouse->x);
        push(mouse, mouse->y);
    }
    push(mouse, (uint32_t)mouse->dz);
    mouse->dx = mouse->dy = mouse->dz = 0;
    mouse->is_waiting = false;
}

static void send_if_room(struct vmmouse *mouse)
{
    if (!mouse->is_waiting || QUEUE_WORDS - mouse->count < PACKET_WORDS)
        return;
    send_packet(mouse);
    mouse->has_data(mouse->opaque);
}

/* ---- the guest ---- */

static void request_mode(struct vmmouse *mouse, enum vmmouse_mode mode)
{
    if (mouse->status == STATUS_ERROR)
        return;
    mouse->mode = mode;
    mouse->dx = mouse->dy = mouse->dz = 0;
}

static void fail(struct vmmouse *mouse)
{
    forget(mouse);
    mouse->status = STATUS_ERROR;
    mouse->mode = VMMOUSE_OFF;
}

static void run_command(void *device, struct vmport_registers *r)
{
    static bool said;
    struct vmmouse *mouse = device;

    switch (r->ebx) {
    case COMMAND_READ_ID:
        mouse->status = 0;
        push(mouse, VMMOUSE_VERSION);
        break;
    case COMMAND_DISABLE:
        fail(mouse);
        break;
    case COMMAND_REQUEST_RELATIVE:
        request_mode(mouse, VMMOUSE_RELATIVE);
        break;
    case COMMAND_REQUEST_ABSOLUTE:
        request_mode(mouse, VMMOUSE_ABSOLUTE);
        break;
    default:
        log_once(&said, "vmmouse: command %x is not there\n", (unsigned)r->ebx);
        break;
    }
}

static void get_status(void *device, struct vmport_registers *r)
{
    const struct vmmouse *mouse = device;

    r->eax = (uint32_t)mouse->status << 16 | mouse->count;
}

static void get_data(void *device, struct vmport_registers *r)
{
    uint32_t *const word[MAX_WORDS] = {&r->eax, &r->ebx, &r->ecx, &r->edx, &r->esi, &r->edi};
    struct vmmouse *mouse = device;
    uint32_t n = r->ebx;

    if (n == 0 || n > MAX_WORDS || n > mouse->count) {
        fail(mouse);
        r->eax = UINT32_MAX;
        return;
    }
    for (uint32_t i = 0; i < n; i++)
        *word[i] = pop(mouse);
    send_if_room(mouse);
}

/* ---- the host ---- */

enum vmmouse_mode vmmouse_mode(const struct vmmouse *mouse)
{
    return (enum vmmouse_mode)mouse->mode;
}

static void add_event(struct vmmouse *mouse, int dz, uint8_t buttons)
{
    mouse->dz = clamp((int64_t)mouse->dz + dz, -MOVEMENT_LIMIT, MOVEMENT_LIMIT);
    mouse->buttons = buttons;
    mouse->is_waiting = true;
    send_if_room(mouse);
}

void vmmouse_point(struct vmmouse *mouse, unsigned x, unsigned y, int dz, uint8_t buttons)
{
    if (mouse->mode != VMMOUSE_ABSOLUTE)
        return;
    mouse->x = (uint16_t)(x < VMMOUSE_RANGE ? x : VMMOUSE_RANGE - 1);
    mouse->y = (uint16_t)(y < VMMOUSE_RANGE ? y : VMMOUSE_RANGE - 1);
    add_event(mouse, dz, buttons);
}

void vmmouse_move(struct vmmouse *mouse, int dx, int dy, int dz, uint8_t buttons)
{
    if (mouse->mode == VMMOUSE_OFF)
        return;
    if (mouse->mode == VMMOUSE_ABSOLUTE) {
        mouse->x = (uint16_t)clamp(mouse->x + (int64_t)dx * ABSOLUTE_PER_MICKEY, 0, VMMOUSE_RANGE - 1);
        mouse->y = (uint16_t)clamp(mouse->y + (int64_t)dy * ABSOLUTE_PER_MICKEY, 0, VMMOUSE_RANGE - 1);
    } else {
        mouse->dx = clamp((int64_t)mouse->dx + dx, -MOVEMENT_LIMIT, MOVEMENT_LIMIT);
        mouse->dy = clamp((int64_t)mouse->dy + dy, -MOVEMENT_LIMIT, MOVEMENT_LIMIT);
    }
    add_event(mouse, dz, buttons);
}

/* ---- life ---- */

struct vmmouse *vmmouse_create(struct vmport *port, void (*has_data)(void *opaque), void *opaque)
{
    struct vmmouse *mouse = calloc(1, sizeof *mouse);

    if (!mouse)
        return NULL;
    mouse->has_data = has_data;
    mouse->opaque = opaque;
    state_reset(&vmmouse_desc, mouse);
    vmport_connect(port, VMMOUSE_DATA, get_data, mouse);
    vmport_connect(port, VMMOUSE_STATUS, get_status, mouse);
    vmport_connect(port, VMMOUSE_COMMAND, run_command, mouse);
    return mouse;
}

void vmmouse_destroy(struct vmmouse *mouse)
{
    free(mouse);
}

void vmmouse_reset(struct vmmouse *mouse)
{
    state_reset(&vmmouse_desc, mouse);
}

void vmmouse_after_load(struct vmmouse *mouse)
{
    mouse->head %= QUEUE_WORDS;
    if (mouse->count > QUEUE_WORDS)
        mouse->count = QUEUE_WORDS;
    if (mouse->mode > VMMOUSE_ABSOLUTE)
        mouse->mode = VMMOUSE_OFF;
    mouse->dx = clamp(mouse->dx, -MOVEMENT_LIMIT, MOVEMENT_LIMIT);
    mouse->dy = clamp(mouse->dy, -MOVEMENT_LIMIT, MOVEMENT_LIMIT);
    mouse->dz = clamp(mouse->dz, -MOVEMENT_LIMIT, MOVEMENT_LIMIT);
}
