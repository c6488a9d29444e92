/*
 * Looks at and acts on a window of an X server, for test scripts: window VERB [ARGUMENT...], with $DISPLAY.
 *   title TEXT            waits until the window whose title begins with "morph86" has TEXT in its title
 *   picture PPM FACTOR    fails unless the window shows exactly that picture, each pixel FACTOR times FACTOR
 *   key NAME...           presses X keysyms together and lets them go ("Control_L Alt_L plus")
 *   point X Y             moves the pointer to that place in the window
 *   close                 asks it to close, as a window manager does
 */
#include <X11/Xlib.h>
#include <X11/Xutil.h>
#include <X11/keysym.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_KEYS   8
#define WAIT_TRIES 150 /* of 100 ms */

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "window: %s\n", what);
    exit(EXIT_FAILURE);
}

/* Windows come and go while we look: what has gone is not there. */
static int ignore_error(Display *display, XErrorEvent *event)
{
    return 0;
}

static char *title_of(Display *display, Window window)
{
    Atom name = XInternAtom(display, "_NET_WM_NAME", False), utf8 = XInternAtom(display, "UTF8_STRING", False), type;
    unsigned long n, after;
    unsigned char *text = NULL;
    int format;

    if (XGetWindowProperty(display, window, name, 0, 1024, False, utf8, &type, &format, &n, &after, &text) != Success)
        return NULL;
    return (char *)text;
}

static Window find_below(Display *display, Window parent)
{
    Window root, up, *children = NULL, found = None;
    unsigned n = 0;

    if (!XQueryTree(display, parent, &root, &up, &children, &n))
        return None;
    for (unsigned i = 0; i < n && !found; i++) {
        char *title = title_of(display, children[i]);

        if (title && strncmp(title, "morph86", 7) == 0)
            found = children[i];
        else
            found = find_below(display, children[i]);
        if (title)
            XFree(title);
    }
    if (children)
        XFree(children);
    return found;
}

static Window find_window(Display *display)
{
    for (unsigned i = 0; i < WAIT_TRIES; i++) {
        Window window = find_below(display, DefaultRootWindow(display));

        if (window)
            return window;
        usleep(100000);
    }
    fail("there is no window of morph86");
}

static void wait_for_title(Display *display, const char *text)
{
    Window window = find_window(display);

    for (unsigned i = 0; i < WAIT_TRIES; i++) {
        char *title = title_of(display, window);
        int is_there = title && strstr(title, text);

        if (title)
            XFree(title);
        if (is_there)
            return;
        usleep(100000);
    }
    fprintf(stderr, "window: the title is '%s', without '%s'\n", title_of(display, window), text);
    exit(EXIT_FAILURE);
}

static uint8_t *read_ppm(const char *path, unsigned *width, unsigned *height)
{
    FILE *file = fopen(path, "rb");
    uint8_t *rgb;

    if (!file || fscanf(file, "P6 %u %u 255", width, height) != 2 || fgetc(file) != '\n' || *width > 4096 ||
        *height > 4096)
        fail("the picture is not a PPM file");
    rgb = malloc((size_t)*width * *height * 3);
    if (!rgb || fread(rgb, 3, (size_t)*width * *height, file) != (size_t)*width * *height)
        fail("the picture is too short");
    fclose(file);
    return rgb;
}

static unsigned long differing_pixels(Display *display, Window window, const uint8_t *rgb, unsigned width,
                                      unsigned height, unsigned factor)
{
    unsigned long n = 0;
    XImage *image = XGetImage(display, window, 0, 0, width * factor, height * factor, AllPlanes, ZPixmap);

    if (!image)
        return (unsigned long)width * height;
    for (unsigned y = 0; y < height * factor; y++)
        for (unsigned x = 0; x < width * factor; x++) {
            const uint8_t *want = rgb + 3 * ((size_t)(y / factor) * width + x / factor);
            unsigned long seen = XGetPixel(image, (int)x, (int)y) & 0xffffff;

            n += seen != ((unsigned long)want[0] << 16 | (unsigned long)want[1] << 8 | want[2]);
        }
    XDestroyImage(image);
    return n;
}

static void check_picture(Display *display, const char *path, unsigned factor)
{
    Window window = find_window(display);
    unsigned width, height;
    unsigned long n = 0;
    uint8_t *rgb = read_ppm(path, &width, &height);
    XWindowAttributes attributes = {0};

    for (unsigned i = 0; i < 50; i++) { /* the window is drawn a moment later */
        if (XGetWindowAttributes(display, window, &attributes) && attributes.width == (int)(width * factor) &&
            attributes.height == (int)(height * factor) &&
            (n = differing_pixels(display, window, rgb, width, height, factor)) == 0) {
            free(rgb);
            return;
        }
        usleep(100000);
    }
    fprintf(stderr, "window: %d x %d pixels, expected %u times %u x %u; %lu pixels differ\n", attributes.width,
            attributes.height, factor, width, height, n);
    exit(EXIT_FAILURE);
}

static void send_key(Display *display, Window window, KeyCode code, unsigned state, int is_down)
{
    XEvent event = {.xkey = {.type = is_down ? KeyPress : KeyRelease,
                             .display = display,
                             .window = window,
                             .root = DefaultRootWindow(display),
                             .time = CurrentTime,
                             .state = state,
                             .keycode = code,
                             .same_screen = True}};

    XSendEvent(display, window, True, is_down ? KeyPressMask : KeyReleaseMask, &event);
    XSync(display, False);
    usleep(30000);
}

static void press_keys(Display *display, int n, char **names)
{
    Window window = find_window(display);
    KeyCode codes[MAX_KEYS];
    unsigned states[MAX_KEYS + 1] = {0};

    if (n > MAX_KEYS)
        fail("too many keys");
    XSetInputFocus(display, window, RevertToParent, CurrentTime);
    XSync(display, False);
    usleep(200000);
    for (int i = 0; i < n; i++) {
        KeySym symbol = XStringToKeysym(names[i]);

        codes[i] = XKeysymToKeycode(display, symbol);
        if (!codes[i])
            fail("an unknown key");
        states[i + 1] = states[i] | (symbol == XK_Control_L ? ControlMask : symbol == XK_Alt_L ? Mod1Mask : 0);
        send_key(display, window, codes[i], states[i], 1);
    }
    while (n-- > 0)
        send_key(display, window, codes[n], states[n + 1], 0);
}

static void move_pointer(Display *display, int x, int y)
{
    XWarpPointer(display, None, find_window(display), 0, 0, 0, 0, x, y);
    XSync(display, False);
}

static void close_window(Display *display)
{
    Window window = find_window(display);
    XEvent event = {.xclient = {.type = ClientMessage,
                                .window = window,
                                .message_type = XInternAtom(display, "WM_PROTOCOLS", False),
                                .format = 32,
                                .data.l = {(long)XInternAtom(display, "WM_DELETE_WINDOW", False), CurrentTime}}};

    XSendEvent(display, window, False, NoEventMask, &event);
    XSync(display, False);
}

int main(int argc, char **argv)
{
    Display *display = XOpenDisplay(NULL);

    if (!display)
        fail("no X server at $DISPLAY");
    XSetErrorHandler(ignore_error);
    if (argc == 3 && strcmp(argv[1], "title") == 0)
        wait_for_title(display, argv[2]);
    else if (argc == 4 && strcmp(argv[1], "picture") == 0)
        check_picture(display, argv[2], (unsigned)atoi(argv[3]));
    else if (argc > 2 && strcmp(argv[1], "key") == 0)
        press_keys(display, argc - 2, argv + 2);
    else if (argc == 4 && strcmp(argv[1], "point") == 0)
        move_pointer(display, atoi(argv[2]), atoi(argv[3]));
    else if (argc == 2 && strcmp(argv[1], "close") == 0)
        close_window(display);
    else
        fail("use: window title TEXT | picture PPM FACTOR | key NAME... | point X Y | close");
    XCloseDisplay(display);
    return EXIT_SUCCESS;
}
