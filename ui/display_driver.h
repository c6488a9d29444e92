/*
 * What the command and its display modules (morph86-display-*.so) share. A module is loaded when its display is asked
 * for and runs on a thread of its own; it never touches the machine: it takes copies of frames and hands in events.
 */
#ifndef UI_DISPLAY_DRIVER_H
#define UI_DISPLAY_DRIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DISPLAY_ABI         2
#define DISPLAY_ENTRY       "morph86_display_driver" /* the module's one symbol, a struct display_driver */
#define DISPLAY_MAX_KEYS    8
#define DISPLAY_TITLE_BYTES 128

enum display_scale { DISPLAY_SCALE_INTEGER, DISPLAY_SCALE_SMOOTH };

struct display_options {
    enum display_scale scale;
    bool is_full_screen;
    bool keeps_window; /* closing the window does not end the machine */
    bool uses_gpu;     /* more memory, less work for large smooth pictures */
};

struct display_frame {
    unsigned width, height; /* of the guest's picture */
    uint32_t *xrgb;         /* width * height pixels, only for drivers that want them */
    size_t xrgb_size;       /* pixels allocated */
    bool is_text;
    unsigned columns, rows;
    uint16_t *cells; /* columns * rows characters (CP437) with attributes in the high bytes */
    size_t cells_size;
    unsigned cursor_column, cursor_row;
    bool cursor_is_visible;
    bool wants_places;               /* the guest's mouse is told where the pointer is: point() instead of mouse() */
    char title[DISPLAY_TITLE_BYTES]; /* "morph86: running, 80 MIPS, Caps" */
};

/* Every call may come from the driver's thread; none waits for the machine. */
struct display_link {
    struct display_options options;
    /* From now on `wake` is called, on any thread, when there is a new frame or the driver shall end. NULL: no more. */
    void (*set_wake)(struct display_link *link, void (*wake)(void *opaque), void *opaque);
    bool (*shall_end)(struct display_link *link);
    /* Exchanges *frame, which the driver keeps and frees (all zero at first), for the newest one. False: nothing new.
     */
    bool (*take_frame)(struct display_link *link, struct display_frame *frame);
    void (*key)(struct display_link *link, uint8_t key, bool is_down); /* key numbers of kbc8042.h */
    /* Keys pressed together and let go, for hosts that see characters and no keys. */
    void (*type)(struct display_link *link, const uint8_t *keys, unsigned n_keys);
    void (*mouse)(struct display_link *link, int dx, int dy, int dz, uint8_t buttons); /* as kbc8042_mouse() */
    /* The pointer is at x, y of the picture, 0 to FFFF each; wheel and buttons as for mouse(). */
    void (*point)(struct display_link *link, uint16_t x, uint16_t y, int dz, uint8_t buttons);
    void (*close)(struct display_link *link); /* the user wants to leave */
};

struct display_driver {
    unsigned abi; /* DISPLAY_ABI */
    bool wants_pixels;
    /* Shows frames until shall_end(). NULL, or why it cannot (the display is given up). */
    const char *(*run)(struct display_link *link);
};

#endif
