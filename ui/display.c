/* Screens. See display.h. One view per driver; what is shared between its thread and the machine's is under its lock.
 */
#include "ui/display.h"

#include <dlfcn.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "frontend/x86/cpu.h"
#include "hw/display/vga.h"
#include "hw/input/kbc8042.h"
#include "hw/input/vmmouse.h"

#define MAX_EVENTS      256u
#define FRAME_NS        (NS_PER_SECOND / 60)
#define FRAMES_PER_LOOK 60 /* how often the title is renewed */
#define HOLD_MS         8  /* for typed keys */

static const char *const kind_name[] = {"none", "sdl", "curses"};

struct event {
    enum { EVENT_KEY, EVENT_TYPE, EVENT_MOUSE, EVENT_POINT, EVENT_CLOSE, EVENT_GONE } kind;
    bool is_down;
    uint8_t n_keys, keys[DISPLAY_MAX_KEYS]; /* KEY: keys[0] */
    int dx, dy, dz;                         /* POINT: dx, dy are the place */
    uint8_t buttons;
};

struct view {
    struct display_link link; /* first: the driver sees only this */
    struct displays *displays;
    struct display_spec spec;
    pthread_t thread;
    char failure[256]; /* written before EVENT_GONE */

    pthread_mutex_t lock;                /* guards what follows */
    const struct display_driver *driver; /* NULL until it is loaded */
    struct display_frame frame;
    bool frame_is_new; /* and the driver has been woken for it */
    bool shall_end;
    void (*wake)(void *opaque);
    void *wake_opaque;
    struct event events[MAX_EVENTS]; /* a ring */
    unsigned first_event, n_events;

    bool is_stale; /* the guest's screen has changed since the frame; machine thread alone */
};

struct displays {
    struct machine *machine;
    int timer_fd, event_fd; /* -1 until the first display */
    struct event_source *timer, *events;
    struct view *view[DISPLAYS_MAX];
    unsigned n_views;
    unsigned ticks;
    uint64_t executed_then; /* at the last look */
    int64_t looked_ns;
    uint8_t leds; /* as the title says */
    bool wants_places;
    char title[DISPLAY_TITLE_BYTES];
};

/* ---- the driver's side ---- */

static void link_set_wake(struct display_link *link, void (*wake)(void *opaque), void *opaque)
{
    struct view *view = (struct view *)link;
    bool is_due;

    pthread_mutex_lock(&view->lock);
    view->wake = wake;
    view->wake_opaque = opaque;
    is_due = wake && (view->frame_is_new || view->shall_end);
    pthread_mutex_unlock(&view->lock);
    if (is_due)
        wake(opaque);
}

static bool link_shall_end(struct display_link *link)
{
    struct view *view = (struct view *)link;
    bool shall_end;

    pthread_mutex_lock(&view->lock);
    shall_end = view->shall_end;
    pthread_mutex_unlock(&view->lock);
    return shall_end;
}

static bool link_take_frame(struct display_link *link, struct display_frame *frame)
{
    struct view *view = (struct view *)link;
    bool is_new;

    pthread_mutex_lock(&view->lock);
    is_new = view->frame_is_new;
    if (is_new) {
        struct display_frame old = *frame;

        *frame = view->frame;
        view->frame = old;
        view->frame_is_new = false;
    }
    pthread_mutex_unlock(&view->lock);
    return is_new;
}

static void push(struct view *view, const struct event *event)
{
    uint64_t one = 1;

    pthread_mutex_lock(&view->lock);
    if ((event->kind == EVENT_MOUSE || event->kind == EVENT_POINT) && view->n_events) {
        /* Moves add up while the buttons stay, and of places only the last one counts. */
        struct event *last = &view->events[(view->first_event + view->n_events - 1) % MAX_EVENTS];

        if (last->kind == event->kind && last->buttons == event->buttons && last->dz == 0 && event->dz == 0) {
            last->dx = event->kind == EVENT_POINT ? event->dx : last->dx + event->dx;
            last->dy = event->kind == EVENT_POINT ? event->dy : last->dy + event->dy;
            pthread_mutex_unlock(&view->lock);
            return;
        }
    }
    /* The last slots are for what must not be lost. */
    if (view->n_events < MAX_EVENTS - 2 || (event->kind >= EVENT_CLOSE && view->n_events < MAX_EVENTS))
        view->events[(view->first_event + view->n_events++) % MAX_EVENTS] = *event;
    pthread_mutex_unlock(&view->lock);
    if (write(view->displays->event_fd, &one, sizeof one) < 0)
        return; /* the counter is at its end: the machine thread has been told often enough */
}

static void link_key(struct display_link *link, uint8_t key, bool is_down)
{
    push((struct view *)link, &(struct event){.kind = EVENT_KEY, .is_down = is_down, .keys = {key}});
}

static void link_type(struct display_link *link, const uint8_t *keys, unsigned n_keys)
{
    struct event event = {.kind = EVENT_TYPE};

    for (; event.n_keys < n_keys && event.n_keys < DISPLAY_MAX_KEYS; event.n_keys++)
        event.keys[event.n_keys] = keys[event.n_keys];
    push((struct view *)link, &event);
}

static void link_mouse(struct display_link *link, int dx, int dy, int dz, uint8_t buttons)
{
    push((struct view *)link, &(struct event){.kind = EVENT_MOUSE, .dx = dx, .dy = dy, .dz = dz, .buttons = buttons});
}

static void link_point(struct display_link *link, uint16_t x, uint16_t y, int dz, uint8_t buttons)
{
    push((struct view *)link, &(struct event){.kind = EVENT_POINT, .dx = x, .dy = y, .dz = dz, .buttons = buttons});
}

static void link_close(struct display_link *link)
{
    push((struct view *)link, &(struct event){.kind = EVENT_CLOSE});
}

/* ---- loading ---- */

/* Beside the executable (a build folder), or where `install` puts modules. */
static void *open_module(const char *name, char *error, size_t error_size)
{
    static const char *const places[] = {"", "../lib/morph86/"};
    char folder[PATH_MAX], path[PATH_MAX + 80];
    ssize_t len = readlink("/proc/self/exe", folder, sizeof folder - 1);
    void *module = NULL;

    if (len < 0)
        len = 0;
    folder[len] = '\0';
    *(strrchr(folder, '/') ? strrchr(folder, '/') + 1 : folder) = '\0';
    for (size_t i = 0; i < sizeof places / sizeof places[0] && !module; i++) {
        snprintf(path, sizeof path, "%s%smorph86-display-%s.so", folder, places[i], name);
        if (access(path, F_OK) == 0)
            break;
    }
    module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!module)
        snprintf(error, error_size, "%s", dlerror());
    return module;
}

static const struct display_driver *load_driver(const char *name, char *error, size_t error_size)
{
    void *module = open_module(name, error, error_size); /* stays loaded: SDL leaves threads and handlers behind */
    const struct display_driver *driver = module ? dlsym(module, DISPLAY_ENTRY) : NULL;

    if (!module)
        return NULL;
    if (!driver || driver->abi != DISPLAY_ABI) {
        snprintf(error, error_size, "its module is of another version of morph86");
        return NULL;
    }
    return driver;
}

static void *view_thread(void *opaque)
{
    struct view *view = opaque;
    const struct display_driver *driver = load_driver(kind_name[view->spec.kind], view->failure, sizeof view->failure);
    const char *why = NULL;

    if (driver) {
        pthread_mutex_lock(&view->lock);
        view->driver = driver;
        pthread_mutex_unlock(&view->lock);
        why = driver->run(&view->link);
        if (why)
            snprintf(view->failure, sizeof view->failure, "%s", why);
        pthread_mutex_lock(&view->lock);
        view->driver = NULL;
        view->wake = NULL;
        pthread_mutex_unlock(&view->lock);
    }
    push(view, &(struct event){.kind = EVENT_GONE});
    return NULL;
}

/* ---- the machine's side ---- */

/* Makes room for `n` elements; false when out of memory. */
static bool grow(void **buffer, size_t *size, size_t n, size_t element)
{
    void *bigger;

    if (*size >= n)
        return true;
    bigger = realloc(*buffer, n * element);
    if (!bigger)
        return false;
    *buffer = bigger;
    *size = n;
    return true;
}

static void fill_frame(struct view *view, const struct vga *vga)
{
    struct vga_picture p = vga_picture(vga);
    struct display_frame *f = &view->frame;
    void *xrgb = f->xrgb, *cells = f->cells;

    f->width = p.width;
    f->height = p.height;
    f->is_text = p.kind == VGA_TEXT;
    f->columns = f->is_text ? p.columns : 0;
    f->rows = f->is_text ? p.rows : 0;
    f->cursor_column = p.cursor_column;
    f->cursor_row = p.cursor_row;
    f->cursor_is_visible = f->is_text && p.cursor_is_enabled && p.cursor_column < p.columns && p.cursor_row < p.rows;
    f->wants_places = view->displays->wants_places;
    strcpy(f->title, view->displays->title);
    if (view->driver->wants_pixels) {
        if (grow(&xrgb, &f->xrgb_size, (size_t)p.width * p.height, sizeof *f->xrgb))
            vga_render(vga, xrgb, p.width, p.height, p.width);
        else
            f->width = f->height = 0;
        f->xrgb = xrgb;
        return;
    }
    if (!grow(&cells, &f->cells_size, (size_t)f->columns * f->rows, sizeof *f->cells))
        f->columns = f->rows = 0;
    f->cells = cells;
    if (f->columns)
        vga_text(vga, f->cells, f->columns * f->rows);
}

static void refresh(struct view *view, const struct vga *vga)
{
    void (*wake)(void *opaque) = NULL;
    void *wake_opaque = NULL;

    pthread_mutex_lock(&view->lock);
    /* A frame that the driver has not taken yet is not drawn again: it takes no more than it can show. */
    if (view->is_stale && view->driver && !view->frame_is_new) {
        fill_frame(view, vga);
        view->is_stale = false;
        view->frame_is_new = true;
        wake = view->wake;
        wake_opaque = view->wake_opaque;
        if (wake)
            wake(wake_opaque); /* under the lock, so that the driver cannot be gone; it only posts a message */
    }
    pthread_mutex_unlock(&view->lock);
}

void display_leds(uint8_t leds, char text[DISPLAY_LEDS_BYTES])
{
    snprintf(text, DISPLAY_LEDS_BYTES, "%s%s%s%s", leds & 7 ? "," : "", leds & 4 ? " Caps" : "", leds & 2 ? " Num" : "",
             leds & 1 ? " Scroll" : "");
}

/* "morph86 name: running, 85 MIPS, Caps". True if it says something new. */
static bool renew_title(struct displays *d)
{
    const struct machine *m = d->machine;
    uint64_t executed = pc_parts(m->pc).cpu->executed;
    char title[DISPLAY_TITLE_BYTES], speed[30] = "", leds[DISPLAY_LEDS_BYTES];
    struct timespec ts;
    int64_t now, elapsed;
    bool is_new;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    now = ts.tv_sec * NS_PER_SECOND + ts.tv_nsec;
    elapsed = now - d->looked_ns;
    if (!pc_is_stopped(m->pc) && d->looked_ns && elapsed > 0)
        snprintf(speed, sizeof speed, ", %.0f MIPS", (double)(executed - d->executed_then) * 1000.0 / (double)elapsed);
    d->looked_ns = now;
    d->executed_then = executed;
    display_leds(d->leds, leds);
    snprintf(title, sizeof title, "morph86%s%.50s: %s%s%s", m->name ? " " : "", m->name ? m->name : "",
             pc_is_stopped(m->pc) ? "stopped" : "running", speed, leds);
    is_new = strcmp(title, d->title) != 0;
    strcpy(d->title, title);
    return is_new;
}

/* What drivers are told beside the picture. True if it is new. */
static bool look_at_input(struct displays *d)
{
    struct pc_parts parts = pc_parts(d->machine->pc);
    uint8_t leds = kbc8042_leds(parts.kbc);
    bool wants_places = parts.vmmouse && vmmouse_mode(parts.vmmouse) == VMMOUSE_ABSOLUTE;
    bool is_new = leds != d->leds || wants_places != d->wants_places;

    d->leds = leds;
    d->wants_places = wants_places;
    return is_new;
}

static void timer_ready(void *opaque)
{
    struct displays *d = opaque;
    struct vga *vga = pc_parts(d->machine->pc).vga;
    uint64_t expirations;
    bool has_changed, input_changed;

    if (read(d->timer_fd, &expirations, sizeof expirations) < 0)
        return;
    has_changed = vga_take_changes(vga);
    input_changed = look_at_input(d);
    if ((d->ticks++ % FRAMES_PER_LOOK == 0 || input_changed) && (renew_title(d) || input_changed))
        has_changed = true;
    for (unsigned i = 0; i < d->n_views; i++) {
        d->view[i]->is_stale |= has_changed;
        refresh(d->view[i], vga);
    }
}

static bool pop(struct view *view, struct event *event)
{
    bool is_there;

    pthread_mutex_lock(&view->lock);
    is_there = view->n_events != 0;
    if (is_there) {
        *event = view->events[view->first_event];
        view->first_event = (view->first_event + 1) % MAX_EVENTS;
        view->n_events--;
    }
    pthread_mutex_unlock(&view->lock);
    return is_there;
}

static void serve(struct view *view, const struct event *event)
{
    struct machine *m = view->displays->machine;
    struct kbc8042 *kbc = pc_parts(m->pc).kbc;

    switch (event->kind) {
    case EVENT_KEY:
        kbc8042_key(kbc, event->keys[0], event->is_down);
        break;
    case EVENT_TYPE:
        typist_press(m->typist, event->keys, event->n_keys, HOLD_MS);
        break;
    case EVENT_MOUSE:
        machine_mouse(m, event->dx, event->dy, event->dz, event->buttons);
        break;
    case EVENT_POINT: /* the guest may have changed its mind since */
        if (pc_parts(m->pc).vmmouse)
            vmmouse_point(pc_parts(m->pc).vmmouse, (unsigned)event->dx, (unsigned)event->dy, event->dz, event->buttons);
        break;
    case EVENT_CLOSE:
        machine_quit(m);
        break;
    case EVENT_GONE:
        if (view->failure[0])
            fprintf(stderr, "morph86: -display %s: %s; running without it\n", kind_name[view->spec.kind],
                    view->failure);
        break;
    }
}

static void events_ready(void *opaque)
{
    struct displays *d = opaque;
    struct event event;
    uint64_t count;

    if (read(d->event_fd, &count, sizeof count) < 0)
        return;
    for (unsigned i = 0; i < d->n_views; i++)
        while (pop(d->view[i], &event))
            serve(d->view[i], &event);
}

static bool start_clockwork(struct displays *d)
{
    const struct itimerspec period = {.it_interval.tv_nsec = FRAME_NS, .it_value.tv_nsec = FRAME_NS};

    if (d->timer)
        return true;
    d->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    d->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (d->timer_fd < 0 || d->event_fd < 0 || timerfd_settime(d->timer_fd, 0, &period, NULL) != 0)
        return false;
    d->events = event_loop_watch(d->machine->loop, d->event_fd, events_ready, d);
    d->timer = event_loop_watch(d->machine->loop, d->timer_fd, timer_ready, d);
    return d->events && d->timer;
}

/* Signals belong to the machine thread; the drivers' threads and whatever threads their libraries start see none. */
static int start_thread(struct view *view)
{
    sigset_t all, before;
    int error;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(&view->thread, NULL, view_thread, view);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

bool display_has_windows(void)
{
    static const char *const names[] = {"DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *value = getenv(names[i]);

        if (value && value[0])
            return true;
    }
    return false;
}

void displays_add(struct displays *d, const struct display_spec *spec)
{
    struct view *view;

    if (spec->kind == DISPLAY_NONE)
        return;
    if (!pc_parts(d->machine->pc).vga) {
        fprintf(stderr, "morph86: -display %s: there is no display card; running without it\n", kind_name[spec->kind]);
        return;
    }
    if (spec->kind == DISPLAY_SDL && !display_has_windows()) {
        fprintf(stderr, "morph86: no display (neither DISPLAY nor WAYLAND_DISPLAY is set): running without a window; "
                        "-display curses shows text modes here, -display none is silent\n");
        return;
    }
    view = calloc(1, sizeof *view);
    if (!view || d->n_views == DISPLAYS_MAX || !start_clockwork(d)) {
        fprintf(stderr, "morph86: -display %s: out of memory or descriptors; running without it\n",
                kind_name[spec->kind]);
        free(view);
        return;
    }
    view->link = (struct display_link){.options = spec->options,
                                       .set_wake = link_set_wake,
                                       .shall_end = link_shall_end,
                                       .take_frame = link_take_frame,
                                       .key = link_key,
                                       .type = link_type,
                                       .mouse = link_mouse,
                                       .point = link_point,
                                       .close = link_close};
    view->displays = d;
    view->spec = *spec;
    view->is_stale = true;
    pthread_mutex_init(&view->lock, NULL);
    errno = start_thread(view);
    if (errno) {
        fprintf(stderr, "morph86: -display %s: %s; running without it\n", kind_name[spec->kind], strerror(errno));
        pthread_mutex_destroy(&view->lock);
        free(view);
        return;
    }
    d->view[d->n_views++] = view;
}

struct displays *displays_create(struct machine *machine)
{
    struct displays *d = calloc(1, sizeof *d);

    if (!d)
        return NULL;
    d->machine = machine;
    d->timer_fd = d->event_fd = -1;
    return d;
}

static void view_destroy(struct view *view)
{
    pthread_mutex_lock(&view->lock);
    view->shall_end = true;
    if (view->wake)
        view->wake(view->wake_opaque);
    pthread_mutex_unlock(&view->lock);
    pthread_join(view->thread, NULL);
    pthread_mutex_destroy(&view->lock);
    free(view->frame.xrgb);
    free(view->frame.cells);
    free(view);
}

void displays_destroy(struct displays *d)
{
    if (!d)
        return;
    event_source_remove(d->timer);
    event_source_remove(d->events);
    for (unsigned i = 0; i < d->n_views; i++)
        view_destroy(d->view[i]);
    if (d->timer_fd >= 0)
        close(d->timer_fd);
    if (d->event_fd >= 0)
        close(d->event_fd);
    free(d);
}

/* ---- the option ---- */

static bool parse_switch(const char *text, bool *value)
{
    bool is_on = strcmp(text, "on") == 0;

    if (!is_on && strcmp(text, "off") != 0)
        return false;
    *value = is_on;
    return true;
}

static bool parse_option(struct display_options *o, const char *word)
{
    bool is_on;

    if (strncmp(word, "scale=", 6) == 0) {
        o->scale = strcmp(word + 6, "smooth") == 0 ? DISPLAY_SCALE_SMOOTH : DISPLAY_SCALE_INTEGER;
        return o->scale == DISPLAY_SCALE_SMOOTH || strcmp(word + 6, "integer") == 0;
    }
    if (strncmp(word, "full-screen=", 12) == 0)
        return parse_switch(word + 12, &o->is_full_screen);
    if (strncmp(word, "window-close=", 13) == 0) {
        if (!parse_switch(word + 13, &is_on))
            return false;
        o->keeps_window = !is_on;
        return true;
    }
    if (strncmp(word, "gl=", 3) == 0)
        return parse_switch(word + 3, &o->uses_gpu);
    return false;
}

bool display_parse(struct display_spec *spec, const char *text, char *error, size_t error_size)
{
    char copy[200], *save, *word;

    *spec = (struct display_spec){0};
    snprintf(copy, sizeof copy, "%s", text);
    word = strtok_r(copy, ",", &save);
    for (unsigned i = 0; i < sizeof kind_name / sizeof kind_name[0]; i++)
        if (word && strcmp(word, kind_name[i]) == 0) {
            spec->kind = (enum display_kind)i;
            while ((word = strtok_r(NULL, ",", &save)))
                if (spec->kind != DISPLAY_SDL || !parse_option(&spec->options, word)) {
                    snprintf(error, error_size,
                             "'%s' is not understood; sdl takes scale=integer|smooth, full-screen=on|off, gl=on|off "
                             "and window-close=on|off",
                             word);
                    return false;
                }
            return true;
        }
    snprintf(error, error_size, "'%s' is not a display of morph86; use sdl, curses or none", text);
    return false;
}
