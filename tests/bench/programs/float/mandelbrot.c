/* Bench: x87 mandelbrot
 * Bench: simd mandelbrot_sse2
 * The Mandelbrot set, 64 by 48 points of at most 200 steps: a short loop of multiplications with a comparison. */
#include "rt.h"

uint32_t bench_unit(void)
{
    uint32_t sum = MIX_START;

    for (int row = 0; row < 48; row++)
        for (int column = 0; column < 64; column++) {
            double cr = column * (3.0 / 64) - 2.25, ci = row * (2.5 / 48) - 1.25, r = 0, i = 0;
            uint32_t steps = 0;
            while (steps < 200 && r * r + i * i <= 4) {
                double next = r * r - i * i + cr;
                i = 2 * r * i + ci;
                r = next;
                steps++;
            }
            sum = mix(sum, steps);
        }
    return sum;
}
