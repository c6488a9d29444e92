/*
 * Compares two pictures (PNG), however they are compressed: likeness EXPECTED SEEN
 * Exit status 0 if they have the same size and pixels; a line says what differs otherwise.
 */
#include <png.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Noreturn void fail(const char *file, const char *what)
{
    fprintf(stderr, "likeness: %s: %s\n", file, what);
    exit(2);
}

static uint8_t *load(const char *file, png_image *image)
{
    uint8_t *rgb;

    *image = (png_image){.version = PNG_IMAGE_VERSION};
    if (!png_image_begin_read_from_file(image, file))
        fail(file, image->message);
    image->format = PNG_FORMAT_RGB;
    rgb = malloc(PNG_IMAGE_SIZE(*image));
    if (!rgb || !png_image_finish_read(image, NULL, rgb, 0, NULL))
        fail(file, rgb ? image->message : "out of memory");
    return rgb;
}

int main(int argc, char **argv)
{
    png_image expected_image, seen_image;
    uint8_t *expected, *seen;
    unsigned long n_different = 0;

    if (argc != 3)
        fail("use", "likeness EXPECTED SEEN");
    expected = load(argv[1], &expected_image);
    seen = load(argv[2], &seen_image);
    if (expected_image.width != seen_image.width || expected_image.height != seen_image.height) {
        printf("%u x %u pixels, expected %u x %u\n", seen_image.width, seen_image.height, expected_image.width,
               expected_image.height);
        return 1;
    }
    for (size_t i = 0; i < (size_t)seen_image.width * seen_image.height; i++)
        n_different += memcmp(expected + 3 * i, seen + 3 * i, 3) != 0;
    free(expected);
    free(seen);
    if (n_different)
        printf("%lu pixels differ\n", n_different);
    return n_different != 0;
}
