/* Bench: simd packed_integer
 * A picture blended, thresholded, transposed and summed in SSE2 integers: PMULLW, PADDUSB, PSHUFD, PUNPCK, PMADDWD,
 * PSADBW, PCMPEQB. */
#include "rt.h"
#include <emmintrin.h>

enum { BYTES = 64 << 10 };
static uint8_t a[BYTES] __attribute__((aligned(16))), b[BYTES] __attribute__((aligned(16))),
    c[BYTES] __attribute__((aligned(16)));

void bench_setup(void)
{
    uint32_t state = 61;
    for (int i = 0; i < BYTES; i++) {
        a[i] = (uint8_t)(xorshift32(&state) >> 8);
        b[i] = (uint8_t)(xorshift32(&state) >> 8);
    }
}

uint32_t bench_unit(void)
{
    const __m128i zero = _mm_setzero_si128(), weight = _mm_set1_epi16(77), back = _mm_set1_epi16(179);
    __m128i total = zero, dot = zero, equal = zero;
    union {
        __m128i v;
        uint32_t word[4];
    } u;
    uint32_t sum = MIX_START;

    for (int pass = 0; pass < 4; pass++)
        for (int i = 0; i < BYTES; i += 16) {
            __m128i x = _mm_load_si128((const __m128i *)&a[i]), y = _mm_load_si128((const __m128i *)&b[i ^ pass << 4]);
            __m128i xl = _mm_unpacklo_epi8(x, zero), xh = _mm_unpackhi_epi8(x, zero);
            __m128i yl = _mm_unpacklo_epi8(y, zero), yh = _mm_unpackhi_epi8(y, zero);
            __m128i low = _mm_srli_epi16(_mm_add_epi16(_mm_mullo_epi16(xl, weight), _mm_mullo_epi16(yl, back)), 8);
            __m128i high = _mm_srli_epi16(_mm_add_epi16(_mm_mullo_epi16(xh, weight), _mm_mullo_epi16(yh, back)), 8);
            __m128i blended = _mm_adds_epu8(_mm_packus_epi16(low, high), _mm_set1_epi8(9));
            total = _mm_add_epi64(total, _mm_sad_epu8(blended, y));
            dot = _mm_add_epi32(dot, _mm_madd_epi16(xl, yh));
            equal = _mm_sub_epi8(equal, _mm_cmpeq_epi8(x, y));
            _mm_store_si128((__m128i *)&c[i], _mm_shuffle_epi32(_mm_max_epu8(blended, _mm_avg_epu8(x, y)), 0x1b));
        }
    u.v = _mm_xor_si128(_mm_xor_si128(total, equal), _mm_slli_epi32(dot, 3));
    for (int i = 0; i < 4; i++)
        sum = mix(sum, u.word[i]);
    for (int i = 0; i < BYTES; i += 64)
        sum = mix(sum, c[i]);
    return sum;
}
