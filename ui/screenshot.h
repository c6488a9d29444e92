/* Pictures of the guest's screen in files. */
#ifndef UI_SCREENSHOT_H
#define UI_SCREENSHOT_H

#include <stdbool.h>
#include <stddef.h>

#include "hw/display/vga.h"

enum screenshot_format { SCREENSHOT_PPM, SCREENSHOT_PNG };

/* Writes what is on the screen now to `path`, in the size of the picture. False: `error` holds one line. */
bool screenshot_write(const struct vga *vga, const char *path, enum screenshot_format format, char *error,
                      size_t error_size);

#endif
