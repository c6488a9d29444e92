/*
 * -display sdl: the guest's screen in a window. A module (display_driver.h) with its own thread, on which all of SDL
 * happens.
 *
 * A guest that wants to know where the pointer is (vmmouse) has it while it is over the picture. For others a click or
 * Ctrl-Alt-G takes mouse and keyboard, and Ctrl-Alt-G gives them back. Ctrl-Alt-F is full screen, Ctrl-Alt-S changes
 * between integer and smooth scaling, Ctrl-Alt-plus and -minus change the size, Ctrl-Alt-U is the guest's own size.
 */
#define SDL_MAIN_HANDLED
#include <SDL.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hw/input/kbc8042.h"
#include "ui/display_driver.h"

#define MAX_SCALE    8
#define STANDARD_DPI 96.0f

struct window {
    struct display_link *link;
    SDL_Window *window;
    SDL_Renderer *renderer;
    SDL_Texture *texture;
    struct display_frame frame;
    unsigned texture_width, texture_height;
    enum display_scale scale;
    unsigned zoom; /* window pixels per guest pixel that we ask for */
    bool is_full_screen, is_grabbed, is_resized_by_user;
    bool wants_places; /* as the last frame said */
    uint32_t wake_event;
    uint8_t is_down[256]; /* keys the guest believes to be pressed */
    uint8_t buttons;
};

extern const struct display_driver morph86_display_driver __attribute__((visibility("default")));

#define E0(code) ((code) | KBC8042_KEY_EXTENDED)

/* SDL's scan codes are those of USB keyboards. */
static const uint8_t key_of_scancode[SDL_NUM_SCANCODES] = {
    [SDL_SCANCODE_ESCAPE] = 0x01,
    [SDL_SCANCODE_1] = 0x02,
    [SDL_SCANCODE_2] = 0x03,
    [SDL_SCANCODE_3] = 0x04,
    [SDL_SCANCODE_4] = 0x05,
    [SDL_SCANCODE_5] = 0x06,
    [SDL_SCANCODE_6] = 0x07,
    [SDL_SCANCODE_7] = 0x08,
    [SDL_SCANCODE_8] = 0x09,
    [SDL_SCANCODE_9] = 0x0a,
    [SDL_SCANCODE_0] = 0x0b,
    [SDL_SCANCODE_MINUS] = 0x0c,
    [SDL_SCANCODE_EQUALS] = 0x0d,
    [SDL_SCANCODE_BACKSPACE] = 0x0e,
    [SDL_SCANCODE_TAB] = 0x0f,
    [SDL_SCANCODE_Q] = 0x10,
    [SDL_SCANCODE_W] = 0x11,
    [SDL_SCANCODE_E] = 0x12,
    [SDL_SCANCODE_R] = 0x13,
    [SDL_SCANCODE_T] = 0x14,
    [SDL_SCANCODE_Y] = 0x15,
    [SDL_SCANCODE_U] = 0x16,
    [SDL_SCANCODE_I] = 0x17,
    [SDL_SCANCODE_O] = 0x18,
    [SDL_SCANCODE_P] = 0x19,
    [SDL_SCANCODE_LEFTBRACKET] = 0x1a,
    [SDL_SCANCODE_RIGHTBRACKET] = 0x1b,
    [SDL_SCANCODE_RETURN] = 0x1c,
    [SDL_SCANCODE_LCTRL] = 0x1d,
    [SDL_SCANCODE_A] = 0x1e,
    [SDL_SCANCODE_S] = 0x1f,
    [SDL_SCANCODE_D] = 0x20,
    [SDL_SCANCODE_F] = 0x21,
    [SDL_SCANCODE_G] = 0x22,
    [SDL_SCANCODE_H] = 0x23,
    [SDL_SCANCODE_J] = 0x24,
    [SDL_SCANCODE_K] = 0x25,
    [SDL_SCANCODE_L] = 0x26,
    [SDL_SCANCODE_SEMICOLON] = 0x27,
    [SDL_SCANCODE_APOSTROPHE] = 0x28,
    [SDL_SCANCODE_GRAVE] = 0x29,
    [SDL_SCANCODE_LSHIFT] = 0x2a,
    [SDL_SCANCODE_BACKSLASH] = 0x2b,
    [SDL_SCANCODE_NONUSHASH] = 0x2b,
    [SDL_SCANCODE_Z] = 0x2c,
    [SDL_SCANCODE_X] = 0x2d,
    [SDL_SCANCODE_C] = 0x2e,
    [SDL_SCANCODE_V] = 0x2f,
    [SDL_SCANCODE_B] = 0x30,
    [SDL_SCANCODE_N] = 0x31,
    [SDL_SCANCODE_M] = 0x32,
    [SDL_SCANCODE_COMMA] = 0x33,
    [SDL_SCANCODE_PERIOD] = 0x34,
    [SDL_SCANCODE_SLASH] = 0x35,
    [SDL_SCANCODE_RSHIFT] = 0x36,
    [SDL_SCANCODE_KP_MULTIPLY] = 0x37,
    [SDL_SCANCODE_LALT] = 0x38,
    [SDL_SCANCODE_SPACE] = 0x39,
    [SDL_SCANCODE_CAPSLOCK] = 0x3a,
    [SDL_SCANCODE_F1] = 0x3b,
    [SDL_SCANCODE_F2] = 0x3c,
    [SDL_SCANCODE_F3] = 0x3d,
    [SDL_SCANCODE_F4] = 0x3e,
    [SDL_SCANCODE_F5] = 0x3f,
    [SDL_SCANCODE_F6] = 0x40,
    [SDL_SCANCODE_F7] = 0x41,
    [SDL_SCANCODE_F8] = 0x42,
    [SDL_SCANCODE_F9] = 0x43,
    [SDL_SCANCODE_F10] = 0x44,
    [SDL_SCANCODE_NUMLOCKCLEAR] = 0x45,
    [SDL_SCANCODE_SCROLLLOCK] = 0x46,
    [SDL_SCANCODE_KP_7] = 0x47,
    [SDL_SCANCODE_KP_8] = 0x48,
    [SDL_SCANCODE_KP_9] = 0x49,
    [SDL_SCANCODE_KP_MINUS] = 0x4a,
    [SDL_SCANCODE_KP_4] = 0x4b,
    [SDL_SCANCODE_KP_5] = 0x4c,
    [SDL_SCANCODE_KP_6] = 0x4d,
    [SDL_SCANCODE_KP_PLUS] = 0x4e,
    [SDL_SCANCODE_KP_1] = 0x4f,
    [SDL_SCANCODE_KP_2] = 0x50,
    [SDL_SCANCODE_KP_3] = 0x51,
    [SDL_SCANCODE_KP_0] = 0x52,
    [SDL_SCANCODE_KP_PERIOD] = 0x53,
    [SDL_SCANCODE_NONUSBACKSLASH] = 0x56,
    [SDL_SCANCODE_F11] = 0x57,
    [SDL_SCANCODE_F12] = 0x58,
    [SDL_SCANCODE_KP_EQUALS] = 0x59,
    [SDL_SCANCODE_INTERNATIONAL2] = 0x70,
    [SDL_SCANCODE_INTERNATIONAL1] = 0x73,
    [SDL_SCANCODE_INTERNATIONAL4] = 0x79,
    [SDL_SCANCODE_INTERNATIONAL5] = 0x7b,
    [SDL_SCANCODE_INTERNATIONAL3] = 0x7d,
    [SDL_SCANCODE_KP_COMMA] = 0x7e,
    [SDL_SCANCODE_KP_ENTER] = E0(0x1c),
    [SDL_SCANCODE_RCTRL] = E0(0x1d),
    [SDL_SCANCODE_KP_DIVIDE] = E0(0x35),
    [SDL_SCANCODE_PRINTSCREEN] = KBC8042_KEY_PRINT_SCREEN,
    [SDL_SCANCODE_RALT] = E0(0x38),
    [SDL_SCANCODE_PAUSE] = KBC8042_KEY_PAUSE,
    [SDL_SCANCODE_HOME] = E0(0x47),
    [SDL_SCANCODE_UP] = E0(0x48),
    [SDL_SCANCODE_PAGEUP] = E0(0x49),
    [SDL_SCANCODE_LEFT] = E0(0x4b),
    [SDL_SCANCODE_RIGHT] = E0(0x4d),
    [SDL_SCANCODE_END] = E0(0x4f),
    [SDL_SCANCODE_DOWN] = E0(0x50),
    [SDL_SCANCODE_PAGEDOWN] = E0(0x51),
    [SDL_SCANCODE_INSERT] = E0(0x52),
    [SDL_SCANCODE_DELETE] = E0(0x53),
    [SDL_SCANCODE_LGUI] = E0(0x5b),
    [SDL_SCANCODE_RGUI] = E0(0x5c),
    [SDL_SCANCODE_APPLICATION] = E0(0x5d),
    [SDL_SCANCODE_POWER] = E0(0x5e),
};

/* ---- the picture ---- */

static void show_title(const struct window *w)
{
    char title[DISPLAY_TITLE_BYTES + 60];

    snprintf(title, sizeof title, "%s - %s", w->frame.title[0] ? w->frame.title : "morph86",
             w->is_grabbed ? "Ctrl-Alt-G gives the mouse back" : "Ctrl-Alt-G takes the mouse");
    if (strcmp(title, SDL_GetWindowTitle(w->window)) != 0)
        SDL_SetWindowTitle(w->window, title);
}

/* Output pixels per unit of window coordinates: above 1 where the window system scales for dense screens. */
static float pixel_ratio(const struct window *w)
{
    int window_width, output_width, height;

    SDL_GetWindowSize(w->window, &window_width, &height);
    if (SDL_GetRendererOutputSize(w->renderer, &output_width, &height) != 0 || window_width <= 0)
        return 1.0f;
    return (float)output_width / (float)window_width;
}

/* How many screen pixels a guest pixel should have, for text to be as large as on a screen of 96 dpi. */
static unsigned zoom_for_screen(const struct window *w)
{
    float ratio = pixel_ratio(w), dpi = 0;
    long zoom = 1;

    if (ratio > 1.01f)
        zoom = lroundf(ratio);
    else if (SDL_GetDisplayDPI(SDL_GetWindowDisplayIndex(w->window), &dpi, NULL, NULL) == 0)
        zoom = lroundf(dpi / STANDARD_DPI);
    return zoom < 1 ? 1 : zoom > 4 ? 4 : (unsigned)zoom;
}

static void fit_window(struct window *w)
{
    float ratio = pixel_ratio(w);
    int width = (int)lroundf((float)(w->frame.width * w->zoom) / ratio);
    int height = (int)lroundf((float)(w->frame.height * w->zoom) / ratio);

    if (!w->is_full_screen && width > 0 && height > 0)
        SDL_SetWindowSize(w->window, width, height);
}

/* Where the picture goes: as large as fits, in whole steps if that is asked for and there is room for one. */
static SDL_Rect place_picture(const struct window *w)
{
    int width = 0, height = 0;
    SDL_Rect r = {0};
    double factor;

    SDL_GetRendererOutputSize(w->renderer, &width, &height);
    factor = SDL_min((double)width / w->texture_width, (double)height / w->texture_height);
    if (w->scale == DISPLAY_SCALE_INTEGER && factor >= 1.0)
        factor = floor(factor + 1e-6);
    r.w = (int)lround(w->texture_width * factor);
    r.h = (int)lround(w->texture_height * factor);
    r.x = (width - r.w) / 2;
    r.y = (height - r.h) / 2;
    return r;
}

static void draw(const struct window *w)
{
    SDL_Rect place;

    SDL_SetRenderDrawColor(w->renderer, 0, 0, 0, 255);
    SDL_RenderClear(w->renderer);
    if (w->texture) {
        place = place_picture(w);
        SDL_SetTextureScaleMode(w->texture,
                                w->scale == DISPLAY_SCALE_SMOOTH || (unsigned)place.w % w->texture_width != 0
                                    ? SDL_ScaleModeLinear
                                    : SDL_ScaleModeNearest);
        SDL_RenderCopy(w->renderer, w->texture, NULL, &place);
    }
    SDL_RenderPresent(w->renderer);
}

/* Relative mode holds the pointer in place; a guest that follows it draws one of its own instead. */
static void show_pointer(const struct window *w)
{
    SDL_SetRelativeMouseMode(w->is_grabbed && !w->wants_places ? SDL_TRUE : SDL_FALSE);
    SDL_ShowCursor(w->wants_places ? SDL_DISABLE : SDL_ENABLE);
}

static void take_frame(struct window *w)
{
    if (!w->link->take_frame(w->link, &w->frame))
        return;
    show_title(w);
    if (w->wants_places != w->frame.wants_places) {
        w->wants_places = w->frame.wants_places;
        show_pointer(w);
    }
    if (w->frame.width == 0)
        return;
    if (!w->texture || w->texture_width != w->frame.width || w->texture_height != w->frame.height) {
        if (w->texture)
            SDL_DestroyTexture(w->texture);
        w->texture = SDL_CreateTexture(w->renderer, SDL_PIXELFORMAT_RGB888, SDL_TEXTUREACCESS_STREAMING,
                                       (int)w->frame.width, (int)w->frame.height);
        w->texture_width = w->frame.width;
        w->texture_height = w->frame.height;
        if (!w->is_resized_by_user)
            fit_window(w);
    }
    if (w->texture)
        SDL_UpdateTexture(w->texture, NULL, w->frame.xrgb, (int)(w->frame.width * sizeof *w->frame.xrgb));
    draw(w);
}

/* ---- keys and mouse ---- */

/* The middle of the pixel at `at`, where the picture begins at `first` and has `len` pixels. */
static uint16_t guest_place(float at, int first, int len)
{
    float place = (floorf(at) + 0.5f - (float)first) * 65536.0f / (float)len;

    return (uint16_t)(place < 0 ? 0 : place > 65535.0f ? 65535.0f : place);
}

static void release_keys(struct window *w)
{
    for (unsigned key = 0; key < 256; key++)
        if (w->is_down[key]) {
            w->is_down[key] = 0;
            w->link->key(w->link, (uint8_t)key, false);
        }
    if (w->buttons) {
        w->buttons = 0;
        w->link->mouse(w->link, 0, 0, 0, 0);
    }
}

/* The pointer is at x, y of the window. */
static void point(const struct window *w, int x, int y, int dz)
{
    float ratio = pixel_ratio(w);
    SDL_Rect place;

    if (!w->texture)
        return;
    place = place_picture(w);
    if (place.w > 0 && place.h > 0)
        w->link->point(w->link, guest_place((float)x * ratio, place.x, place.w),
                       guest_place((float)y * ratio, place.y, place.h), dz, w->buttons);
}

static void set_grab(struct window *w, bool is_grabbed)
{
    w->is_grabbed = is_grabbed;
    show_pointer(w);
    SDL_SetWindowGrab(w->window, is_grabbed ? SDL_TRUE : SDL_FALSE);
    SDL_SetWindowKeyboardGrab(w->window, is_grabbed ? SDL_TRUE : SDL_FALSE);
    show_title(w);
}

static void set_full_screen(struct window *w, bool is_full_screen)
{
    w->is_full_screen = is_full_screen;
    SDL_SetWindowFullscreen(w->window, is_full_screen ? SDL_WINDOW_FULLSCREEN_DESKTOP : 0);
}

static void set_zoom(struct window *w, unsigned zoom)
{
    if (zoom >= 1 && zoom <= MAX_SCALE)
        w->zoom = zoom;
    w->is_resized_by_user = false;
    fit_window(w);
}

/* Ctrl-Alt-LETTER is ours. True if it was one. */
static bool hot_key(struct window *w, SDL_Scancode code)
{
    switch (code) {
    case SDL_SCANCODE_G:
        set_grab(w, !w->is_grabbed);
        break;
    case SDL_SCANCODE_F:
        set_full_screen(w, !w->is_full_screen);
        break;
    case SDL_SCANCODE_S:
        w->scale = w->scale == DISPLAY_SCALE_SMOOTH ? DISPLAY_SCALE_INTEGER : DISPLAY_SCALE_SMOOTH;
        break;
    case SDL_SCANCODE_U:
        set_zoom(w, 1);
        break;
    case SDL_SCANCODE_EQUALS:
    case SDL_SCANCODE_KP_PLUS:
        set_zoom(w, w->zoom + 1);
        break;
    case SDL_SCANCODE_MINUS:
    case SDL_SCANCODE_KP_MINUS:
        set_zoom(w, w->zoom - 1);
        break;
    default:
        return false;
    }
    return true;
}

static void key_event(struct window *w, const SDL_KeyboardEvent *e)
{
    const SDL_Scancode code = e->keysym.scancode;
    const uint16_t both = KMOD_LCTRL | KMOD_LALT;
    uint8_t key = (unsigned)code < SDL_NUM_SCANCODES ? key_of_scancode[code] : 0;
    bool is_down = e->type == SDL_KEYDOWN;

    if (e->repeat)
        return; /* the guest's keyboard repeats by itself */
    if (is_down && (e->keysym.mod & both) == both && hot_key(w, code)) {
        release_keys(w); /* Ctrl and Alt were not meant for the guest */
        draw(w);
        return;
    }
    if (!key || w->is_down[key] == is_down)
        return;
    w->is_down[key] = is_down;
    w->link->key(w->link, key, is_down);
}

static void button_event(struct window *w, const SDL_MouseButtonEvent *e)
{
    static const uint8_t bits[] = {[SDL_BUTTON_LEFT] = KBC8042_BUTTON_LEFT,
                                   [SDL_BUTTON_MIDDLE] = KBC8042_BUTTON_MIDDLE,
                                   [SDL_BUTTON_RIGHT] = KBC8042_BUTTON_RIGHT,
                                   [SDL_BUTTON_X1] = KBC8042_BUTTON_4,
                                   [SDL_BUTTON_X2] = KBC8042_BUTTON_5};
    uint8_t bit = e->button < sizeof bits ? bits[e->button] : 0;

    if (!w->is_grabbed && !w->wants_places) {
        if (e->type == SDL_MOUSEBUTTONDOWN && e->button == SDL_BUTTON_LEFT)
            set_grab(w, true);
        return;
    }
    if (e->type == SDL_MOUSEBUTTONDOWN)
        w->buttons |= bit;
    else
        w->buttons &= (uint8_t)~bit;
    if (w->wants_places)
        point(w, e->x, e->y, 0);
    else
        w->link->mouse(w->link, 0, 0, 0, w->buttons);
}

static void wheel_event(struct window *w, const SDL_MouseWheelEvent *e)
{
    int x, y;

    if (e->y == 0)
        return;
    if (w->wants_places) {
        SDL_GetMouseState(&x, &y);
        point(w, x, y, -e->y);
    } else if (w->is_grabbed) {
        w->link->mouse(w->link, 0, 0, -e->y, w->buttons);
    }
}

/* ---- the loop ---- */

static void window_event(struct window *w, const SDL_WindowEvent *e)
{
    switch (e->event) {
    case SDL_WINDOWEVENT_RESIZED: /* by the user or the window manager; our own SetWindowSize sends SIZE_CHANGED alone
                                   */
        if (!w->is_full_screen)
            w->is_resized_by_user = true;
        draw(w);
        break;
    case SDL_WINDOWEVENT_EXPOSED:
    case SDL_WINDOWEVENT_SIZE_CHANGED:
        draw(w);
        break;
    case SDL_WINDOWEVENT_FOCUS_LOST:
        release_keys(w);
        if (w->is_grabbed)
            set_grab(w, false);
        break;
    default:
        break;
    }
}

static void handle(struct window *w, const SDL_Event *e)
{
    if (e->type == w->wake_event) {
        take_frame(w);
        return;
    }
    switch (e->type) {
    case SDL_WINDOWEVENT:
        window_event(w, &e->window);
        break;
    case SDL_QUIT:
        if (!w->link->options.keeps_window)
            w->link->close(w->link);
        break;
    case SDL_KEYDOWN:
    case SDL_KEYUP:
        key_event(w, &e->key);
        break;
    case SDL_MOUSEMOTION:
        if (w->wants_places)
            point(w, e->motion.x, e->motion.y, 0);
        else if (w->is_grabbed)
            w->link->mouse(w->link, e->motion.xrel, e->motion.yrel, 0, w->buttons);
        break;
    case SDL_MOUSEBUTTONDOWN:
    case SDL_MOUSEBUTTONUP:
        button_event(w, &e->button);
        break;
    case SDL_MOUSEWHEEL:
        wheel_event(w, &e->wheel);
        break;
    default:
        break;
    }
}

static void wake(void *opaque)
{
    const struct window *w = opaque;
    SDL_Event event = {.type = w->wake_event};

    SDL_PushEvent(&event);
}

static bool open_window(struct window *w)
{
    uint32_t flags = SDL_WINDOW_RESIZABLE | SDL_WINDOW_ALLOW_HIGHDPI;

    w->window = SDL_CreateWindow("morph86", SDL_WINDOWPOS_UNDEFINED, SDL_WINDOWPOS_UNDEFINED, 720, 400, flags);
    if (!w->window)
        return false;
    if (w->link->options.uses_gpu)
        w->renderer = SDL_CreateRenderer(w->window, -1, 0);
    if (!w->renderer)
        w->renderer = SDL_CreateRenderer(w->window, -1, SDL_RENDERER_SOFTWARE);
    if (!w->renderer)
        return false;
    w->zoom = zoom_for_screen(w);
    if (w->link->options.is_full_screen)
        set_full_screen(w, true);
    SDL_SetWindowMinimumSize(w->window, 160, 100);
    SDL_StopTextInput();
    return true;
}

static const char *run(struct display_link *link)
{
    static char why[200];
    struct window window = {.link = link, .scale = link->options.scale}, *w = &window;
    bool is_open;
    SDL_Event event;

    SDL_SetMainReady();
    SDL_SetHint(SDL_HINT_NO_SIGNAL_HANDLERS, "1");
    SDL_SetHint(SDL_HINT_VIDEO_ALLOW_SCREENSAVER, "1");
    if (!link->options.uses_gpu)
        SDL_SetHint(SDL_HINT_FRAMEBUFFER_ACCELERATION, "0");
    SDL_SetHint(SDL_HINT_VIDEO_X11_NET_WM_BYPASS_COMPOSITOR, "0");
    if (SDL_Init(SDL_INIT_VIDEO) != 0) {
        snprintf(why, sizeof why, "%s", SDL_GetError());
        return why;
    }
    w->wake_event = SDL_RegisterEvents(1);
    is_open = open_window(w);
    if (!is_open) {
        snprintf(why, sizeof why, "%s", SDL_GetError());
    } else {
        link->set_wake(link, wake, w);
        while (!link->shall_end(link) && SDL_WaitEvent(&event))
            do
                handle(w, &event);
            while (SDL_PollEvent(&event));
        link->set_wake(link, NULL, NULL);
    }
    if (w->texture)
        SDL_DestroyTexture(w->texture);
    if (w->renderer)
        SDL_DestroyRenderer(w->renderer);
    if (w->window)
        SDL_DestroyWindow(w->window);
    SDL_Quit();
    free(w->frame.xrgb);
    free(w->frame.cells);
    return is_open ? NULL : why;
}

const struct display_driver morph86_display_driver = {.abi = DISPLAY_ABI, .wants_pixels = true, .run = run};
