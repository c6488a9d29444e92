/* Bench: simd packed_double
 * Matrix products of 48 by 48 doubles, two at a time: MOVUPD, MULPD, ADDPD, SQRTPD, DIVPD. */
#include "rt.h"
#include <emmintrin.h>

enum { SIDE = 48 };
static double a[SIDE][SIDE] __attribute__((aligned(16))), b[SIDE][SIDE] __attribute__((aligned(16)));
static double c[SIDE][SIDE] __attribute__((aligned(16)));

void bench_setup(void)
{
    uint32_t state = 51;
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++) {
            a[i][j] = (double)(int32_t)xorshift32(&state) / 2147483648.0;
            b[i][j] = (double)(int32_t)xorshift32(&state) / 2147483648.0;
        }
}

uint32_t bench_unit(void)
{
    uint32_t sum = MIX_START;

    for (int pass = 0; pass < 8; pass++)
        for (int i = 0; i < SIDE; i++)
            for (int j = 0; j < SIDE; j += 4) {
                __m128d s0 = _mm_setzero_pd(), s1 = _mm_setzero_pd();
                for (int k = 0; k < SIDE; k++) {
                    __m128d x = _mm_set1_pd(a[i][k]);
                    s0 = _mm_add_pd(s0, _mm_mul_pd(x, _mm_load_pd(&b[k][j])));
                    s1 = _mm_add_pd(s1, _mm_mul_pd(x, _mm_load_pd(&b[k][j + 2])));
                }
                _mm_store_pd(&c[i][j], _mm_div_pd(s0, _mm_sqrt_pd(_mm_add_pd(_mm_mul_pd(s0, s0), _mm_set1_pd(1)))));
                _mm_store_pd(&c[i][j + 2], s1);
            }
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++)
            sum = mix_double(sum, c[i][j]);
    return sum;
}
