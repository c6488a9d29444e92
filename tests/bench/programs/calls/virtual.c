/* Bench: calls virtual
 * Virtual calls as a C++ compiler makes them: an object's first word points to its class's table of functions. */
#include "rt.h"

struct shape;
struct shape_class {
    int32_t (*area)(const struct shape *);
    void (*grow)(struct shape *, int32_t);
};
struct shape {
    const struct shape_class *class;
    int32_t a, b;
};

static int32_t square_area(const struct shape *s)
{
    return s->a * s->a;
}

static int32_t rectangle_area(const struct shape *s)
{
    return s->a * s->b;
}

static int32_t triangle_area(const struct shape *s)
{
    return s->a * s->b >> 1;
}

static int32_t frame_area(const struct shape *s)
{
    return s->a * s->a - s->b * s->b;
}

static void grow_one(struct shape *s, int32_t by)
{
    s->a = (s->a + by) & 1023;
}

static void grow_both(struct shape *s, int32_t by)
{
    s->a = (s->a + by) & 1023;
    s->b = (s->b + 3 * by) & 1023;
}

static const struct shape_class classes[] = {
    {square_area, grow_one}, {rectangle_area, grow_both}, {triangle_area, grow_both}, {frame_area, grow_one}};

enum { SHAPES = 1000 };
static struct shape shapes[SHAPES];

uint32_t bench_unit(void)
{
    uint32_t state = 5, sum = 0;

    for (int i = 0; i < SHAPES; i++)
        shapes[i] = (struct shape){.class = &classes[xorshift32(&state) % 4], .a = i, .b = SHAPES - i};
    for (int pass = 0; pass < 100; pass++)
        for (int i = 0; i < SHAPES; i++) {
            struct shape *s = &shapes[i];
            sum += (uint32_t)s->class->area(s);
            s->class->grow(s, pass & 7);
        }
    return sum;
}
