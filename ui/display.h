/*
 * Screens: shows the guest's display through any number of drivers (display_driver.h) at once, and feeds what they hear
 * to keyboard and mouse. The machine thread copies frames, at most 60 a second and only when something has changed.
 */
#ifndef UI_DISPLAY_H
#define UI_DISPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ui/display_driver.h"
#include "ui/machine.h"

enum display_kind { DISPLAY_NONE, DISPLAY_SDL, DISPLAY_CURSES };

struct display_spec {
    enum display_kind kind;
    struct display_options options;
};

/* Parses "sdl,scale=smooth". False: `error` holds what is wrong, with the remedy. */
bool display_parse(struct display_spec *spec, const char *text, char *error, size_t error_size);

#define DISPLAY_LEDS_BYTES 24
/* What a title says of the keyboard's lamps (kbc8042_leds()): ", Caps Num", or nothing when they are dark. */
void display_leds(uint8_t leds, char text[DISPLAY_LEDS_BYTES]);

/* Is there a window system to be reached? */
bool display_has_windows(void);

#define DISPLAYS_MAX 4

struct displays;

/* A set without displays; costs nothing until displays_add(). NULL when out of memory. */
struct displays *displays_create(struct machine *machine);
/* Starts one more. Whatever goes wrong, now or later, is reported in one line and the machine runs on without it. */
void displays_add(struct displays *displays, const struct display_spec *spec);
/* Ends them all and waits until they have gone. */
void displays_destroy(struct displays *displays);

#endif
