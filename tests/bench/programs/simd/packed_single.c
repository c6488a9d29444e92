/* Bench: simd packed_single
 * The Mandelbrot set four points at a time in single precision: MULPS, ADDPS, CMPPS, ANDPS, MOVMSKPS. */
#include "rt.h"
#include <emmintrin.h>

uint32_t bench_unit(void)
{
    uint32_t sum = MIX_START;

    for (int row = 0; row < 64; row++)
        for (int column = 0; column < 96; column += 4) {
            __m128 cr = _mm_add_ps(_mm_set1_ps((float)column * (3.0f / 96) - 2.25f),
                                   _mm_set_ps(3.0f / 32, 2.0f / 32, 1.0f / 32, 0));
            __m128 ci = _mm_set1_ps((float)row * (2.5f / 64) - 1.25f), r = _mm_setzero_ps(), i = r, steps = r;
            for (int step = 0; step < 200; step++) {
                __m128 rr = _mm_mul_ps(r, r), ii = _mm_mul_ps(i, i);
                __m128 inside = _mm_cmple_ps(_mm_add_ps(rr, ii), _mm_set1_ps(4));
                if (!_mm_movemask_ps(inside))
                    break;
                steps = _mm_add_ps(steps, _mm_and_ps(inside, _mm_set1_ps(1)));
                i = _mm_add_ps(_mm_mul_ps(_mm_add_ps(r, r), i), ci);
                r = _mm_add_ps(_mm_sub_ps(rr, ii), cr);
            }
            union {
                __m128i v;
                uint32_t word[4];
            } u = {.v = _mm_cvttps_epi32(steps)};
            for (int lane = 0; lane < 4; lane++)
                sum = mix(sum, u.word[lane]);
        }
    return sum;
}
