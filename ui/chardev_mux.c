/*
 * mon:DEV: one host end shared by a serial line and a monitor. Ctrl-A is the escape key: c turns the input from one to
 * the other, x leaves. Output of both goes out at any time, as on QEMU.
 */
#include "ui/chardev_internal.h"

#include <stdlib.h>
#include <string.h>

#define ESCAPE_KEY 0x01 /* Ctrl-A */
#define INPUT_SIZE 4096 /* so that a guest which reads nothing does not keep Ctrl-A from being seen */

enum half { HALF_SERIAL, HALF_MONITOR, HALVES };

struct mux;

struct mux_half {
    struct chardev_front front; /* first */
    struct mux *mux;
};

struct mux {
    struct mux_half half[HALVES];
    struct host_char *lower;
    struct chardev_env *env;
    enum half focus;
    bool escape_pending;
    bool is_feeding;
    uint8_t input[INPUT_SIZE]; /* for the half in focus */
    size_t input_used;
};

static void say(struct mux *mux, const char *text)
{
    mux->lower->write(mux->lower, (const uint8_t *)text, strlen(text));
}

static void feed_focus(struct mux *mux)
{
    struct host_char *host = &mux->half[mux->focus].front.host;

    if (mux->is_feeding)
        return;
    mux->is_feeding = true;
    while (mux->input_used && host->receive) {
        size_t room = host->can_receive ? host->can_receive(host->receiver) : mux->input_used;
        size_t n = room < mux->input_used ? room : mux->input_used;

        if (n == 0)
            break;
        host->receive(host->receiver, mux->input, n);
        memmove(mux->input, mux->input + n, mux->input_used - n);
        mux->input_used -= n;
    }
    mux->is_feeding = false;
}

static void switch_focus(struct mux *mux)
{
    chardev_set_open(&mux->half[HALF_MONITOR].front, mux->focus == HALF_SERIAL);
    mux->focus = mux->focus == HALF_SERIAL ? HALF_MONITOR : HALF_SERIAL;
    mux->input_used = 0; /* was typed for the other one, which did not take it */
}

static void escape_key(struct mux *mux, uint8_t key)
{
    switch (key) {
    case 'x':
        mux->env->quit(mux->env->opaque);
        break;
    case 'c':
        feed_focus(mux);
        switch_focus(mux);
        break;
    case 'h':
    case '?':
        say(mux, "\r\nC-a c    switch between console and monitor\r\nC-a x    leave morph86\r\n"
                 "C-a C-a  send C-a to the guest\r\nC-a h    this help\r\n");
        break;
    case ESCAPE_KEY:
        mux->input[mux->input_used++] = ESCAPE_KEY;
        break;
    default:
        break;
    }
}

static size_t mux_can_receive(void *receiver)
{
    const struct mux *mux = receiver;

    return INPUT_SIZE - mux->input_used;
}

static void mux_receive(void *receiver, const uint8_t *bytes, size_t count)
{
    struct mux *mux = receiver;

    for (size_t i = 0; i < count; i++) {
        if (mux->escape_pending) {
            mux->escape_pending = false;
            escape_key(mux, bytes[i]);
        } else if (bytes[i] == ESCAPE_KEY) {
            mux->escape_pending = true;
        } else {
            mux->input[mux->input_used++] = bytes[i];
        }
    }
    feed_focus(mux);
}

static void mux_drained(void *receiver)
{
    struct mux *mux = receiver;

    for (unsigned i = 0; i < HALVES; i++) {
        struct host_char *host = &mux->half[i].front.host;

        if (host->drained)
            host->drained(host->receiver);
    }
}

static size_t half_write(struct host_char *self, const uint8_t *bytes, size_t count)
{
    struct host_char *lower = ((struct mux_half *)self)->mux->lower;

    return lower->write(lower, bytes, count);
}

static void half_accept_input(struct host_char *self)
{
    struct mux_half *half = (struct mux_half *)self;
    struct mux *mux = half->mux;

    if (half != &mux->half[mux->focus])
        return;
    feed_focus(mux);
    if (mux->lower->accept_input)
        mux->lower->accept_input(mux->lower);
}

static void serial_destroy(struct host_char *self)
{
    struct mux *mux = ((struct mux_half *)self)->mux;

    mux->lower->destroy(mux->lower);
    free(mux);
}

static void monitor_destroy(struct host_char *self)
{
    (void)self; /* dies with the serial half */
}

struct host_char *chardev_mux_create(struct chardev_env *env, struct host_char *lower)
{
    struct mux *mux = calloc(1, sizeof *mux);

    if (!mux)
        return NULL;
    mux->env = env;
    mux->lower = lower;
    for (unsigned i = 0; i < HALVES; i++) {
        mux->half[i].mux = mux;
        mux->half[i].front.host.write = half_write;
        mux->half[i].front.host.accept_input = half_accept_input;
    }
    mux->half[HALF_SERIAL].front.is_open = true;
    mux->half[HALF_SERIAL].front.host.destroy = serial_destroy;
    mux->half[HALF_MONITOR].front.host.destroy = monitor_destroy;
    mux->half[HALF_SERIAL].front.monitor_half = &mux->half[HALF_MONITOR].front.host;
    lower->receiver = mux;
    lower->can_receive = mux_can_receive;
    lower->receive = mux_receive;
    lower->drained = mux_drained;
    return &mux->half[HALF_SERIAL].front.host;
}
