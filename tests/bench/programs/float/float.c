/* Bench: x87 float
 * Bench: simd float_sse
 * Single precision: a 32-tap filter over 4,096 samples, a polynomial and a conversion to integer at each. */
#include "rt.h"

enum { SAMPLES = 4096, TAPS = 32 };
static float samples[SAMPLES + TAPS], tap[TAPS], filtered[SAMPLES];

void bench_setup(void)
{
    uint32_t state = 41;
    for (int i = 0; i < SAMPLES + TAPS; i++)
        samples[i] = (float)(int32_t)xorshift32(&state) / 2147483648.0f;
    for (int i = 0; i < TAPS; i++)
        tap[i] = 1.0f / (float)(i + 2);
}

uint32_t bench_unit(void)
{
    uint32_t sum = MIX_START;

    for (int i = 0; i < SAMPLES; i++) {
        float s = 0;
        for (int j = 0; j < TAPS; j++)
            s += samples[i + j] * tap[j];
        filtered[i] = s;
    }
    for (int i = 0; i < SAMPLES; i++) {
        float x = filtered[i];
        float y = (((0.125f * x - 0.5f) * x + 1.25f) * x - 0.75f) / (1.5f + x * x);
        sum = mix(sum, (uint32_t)(int32_t)(y * 65536.0f));
    }
    return sum;
}
