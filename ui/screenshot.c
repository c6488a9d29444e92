/* Pictures of the guest's screen in files: PPM (P6) and PNG by libpng. See screenshot.h. */
#include "ui/screenshot.h"

#include <errno.h>
#include <png.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct image {
    unsigned width, height;
    uint8_t *rgb; /* 3 bytes per pixel */
};

static bool take(const struct vga *vga, struct image *image)
{
    struct vga_picture picture = vga_picture(vga);
    size_t n_pixels = (size_t)picture.width * picture.height;
    uint32_t *xrgb = malloc(n_pixels * sizeof *xrgb);

    *image = (struct image){.width = picture.width, .height = picture.height, .rgb = malloc(3 * n_pixels)};
    if (!xrgb || !image->rgb) {
        free(xrgb);
        free(image->rgb);
        return false;
    }
    vga_render(vga, xrgb, picture.width, picture.height, picture.width);
    for (size_t i = 0; i < n_pixels; i++) {
        image->rgb[3 * i] = (uint8_t)(xrgb[i] >> 16);
        image->rgb[3 * i + 1] = (uint8_t)(xrgb[i] >> 8);
        image->rgb[3 * i + 2] = (uint8_t)xrgb[i];
    }
    free(xrgb);
    return true;
}

static bool write_ppm(const struct image *image, FILE *file)
{
    size_t n_bytes = 3 * (size_t)image->width * image->height;

    return fprintf(file, "P6\n%u %u\n255\n", image->width, image->height) > 0 &&
           fwrite(image->rgb, 1, n_bytes, file) == n_bytes;
}

static bool write_png(const struct image *image, FILE *file)
{
    png_image png = {.version = PNG_IMAGE_VERSION,
                     .width = image->width,
                     .height = image->height,
                     .format = PNG_FORMAT_RGB,
                     .flags = PNG_IMAGE_FLAG_FAST};
    bool done = png_image_write_to_stdio(&png, file, 0, image->rgb, 0, NULL);

    png_image_free(&png);
    return done;
}

bool screenshot_write(const struct vga *vga, const char *path, enum screenshot_format format, char *error,
                      size_t error_size)
{
    struct image image;
    FILE *file;
    bool done;

    if (!take(vga, &image)) {
        snprintf(error, error_size, "out of memory for the picture");
        return false;
    }
    file = fopen(path, "wb");
    if (!file) {
        snprintf(error, error_size, "cannot write '%s': %s", path, strerror(errno));
        free(image.rgb);
        return false;
    }
    done = format == SCREENSHOT_PNG ? write_png(&image, file) : write_ppm(&image, file);
    done = fclose(file) == 0 && done;
    if (!done)
        snprintf(error, error_size, "cannot write all of '%s': %s", path, strerror(errno));
    free(image.rgb);
    return done;
}
