/* Bench: simd mmx
 * MMX as programs of 1997 used it: saturated mixing of 16-bit samples and alpha blending of bytes, EMMS after each
 * line. */
#include "rt.h"
#include <mmintrin.h>

enum { WORDS = 8192 };
static int16_t left[WORDS] __attribute__((aligned(8))), right[WORDS] __attribute__((aligned(8))),
    mixed[WORDS] __attribute__((aligned(8)));

void bench_setup(void)
{
    uint32_t state = 71;
    for (int i = 0; i < WORDS; i++) {
        left[i] = (int16_t)xorshift32(&state);
        right[i] = (int16_t)xorshift32(&state);
    }
}

uint32_t bench_unit(void)
{
    uint32_t sum = MIX_START;

    for (int pass = 0; pass < 16; pass++) {
        const __m64 gain = _mm_set1_pi16((short)(3000 + 100 * pass)), mask = _mm_set1_pi16(0x00ff);
        for (int line = 0; line < WORDS; line += 512) {
            for (int i = line; i < line + 512; i += 4) {
                __m64 l = *(const __m64 *)&left[i], r = *(const __m64 *)&right[i];
                __m64 m = _mm_adds_pi16(_mm_slli_pi16(_mm_mulhi_pi16(l, gain), 3), _mm_srai_pi16(r, 1));
                __m64 bytes = _mm_packs_pu16(_mm_and_si64(m, mask), _mm_srli_pi16(r, 8));
                m = _mm_xor_si64(m, _mm_unpacklo_pi8(bytes, _mm_subs_pu8(bytes, l)));
                *(__m64 *)&mixed[i] = m;
            }
            _mm_empty();
        }
        for (int i = 0; i < WORDS; i += 32)
            sum = mix(sum, (uint16_t)mixed[i]);
    }
    return sum;
}
