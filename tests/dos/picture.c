/*
 * Brings a screendump (PPM, P6) into the form in which pictures of different emulators are compared:
 *     picture FILE [direct] >CANONICAL
 * Emulators show a pixel once or twice, so lines and columns are halved while all their pairs are equal; and they widen
 * the DAC's 6 bits to 8 in different ways, so only 6 count, unless the picture has no palette ("direct").
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SIDE 4096u

struct image {
    unsigned width, height;
    uint8_t *rgb;
};

static _Noreturn void fail(const char *file, const char *what)
{
    fprintf(stderr, "picture: %s: %s\n", file, what);
    exit(EXIT_FAILURE);
}

static struct image load(const char *name)
{
    struct image image;
    FILE *file = fopen(name, "rb");
    unsigned maximum;
    size_t n_bytes;

    if (!file)
        fail(name, "cannot open");
    if (fscanf(file, "P6 %u %u %u", &image.width, &image.height, &maximum) != 3 || fgetc(file) == EOF ||
        maximum != 255 || !image.width || !image.height || image.width > MAX_SIDE || image.height > MAX_SIDE)
        fail(name, "not a PPM file of this kind");
    n_bytes = 3 * (size_t)image.width * image.height;
    image.rgb = malloc(n_bytes);
    if (!image.rgb || fread(image.rgb, 1, n_bytes, file) != n_bytes)
        fail(name, "too short");
    fclose(file);
    return image;
}

static uint8_t *pixel(const struct image *image, unsigned x, unsigned y)
{
    return image->rgb + 3 * ((size_t)y * image->width + x);
}

/* Does each pixel equal the one at its right (dx 1) or below (dy 1), at even places? */
static bool has_pairs(const struct image *image, unsigned dx, unsigned dy)
{
    if ((dx && image->width % 2) || (dy && image->height % 2))
        return false;
    for (unsigned y = 0; y < image->height; y += 1 + dy) {
        for (unsigned x = 0; x < image->width; x += 1 + dx) {
            if (memcmp(pixel(image, x, y), pixel(image, x + dx, y + dy), 3) != 0)
                return false;
        }
    }
    return true;
}

static void halve(struct image *image, unsigned dx, unsigned dy)
{
    struct image half = {.width = image->width >> dx, .height = image->height >> dy, .rgb = image->rgb};

    for (unsigned y = 0; y < half.height; y++) {
        for (unsigned x = 0; x < half.width; x++)
            memmove(pixel(&half, x, y), pixel(image, x << dx, y << dy), 3);
    }
    *image = half;
}

int main(int argc, char **argv)
{
    struct image image;
    bool is_direct = argc == 3 && strcmp(argv[2], "direct") == 0;
    size_t n_bytes;

    if (argc != 2 && !is_direct)
        fail("use", "picture FILE [direct]");
    image = load(argv[1]);
    if (!is_direct) {
        n_bytes = 3 * (size_t)image.width * image.height;
        for (size_t i = 0; i < n_bytes; i++)
            image.rgb[i] &= 0xfc;
    }
    while (has_pairs(&image, 1, 0))
        halve(&image, 1, 0);
    while (has_pairs(&image, 0, 1))
        halve(&image, 0, 1);
    n_bytes = 3 * (size_t)image.width * image.height;
    printf("P6\n%u %u\n255\n", image.width, image.height);
    if (fwrite(image.rgb, 1, n_bytes, stdout) != n_bytes || fflush(stdout) != 0)
        fail("output", "cannot write");
    free(image.rgb);
    return EXIT_SUCCESS;
}
