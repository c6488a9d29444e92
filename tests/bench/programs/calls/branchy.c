/* Bench: calls branchy
 * Short blocks and conditions that the data decides: a lexer-like chain of comparisons over random bytes. */
#include "rt.h"

static uint8_t data[16384];

void bench_setup(void)
{
    uint32_t state = 17;
    for (unsigned i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(xorshift32(&state) >> 9);
}

uint32_t bench_unit(void)
{
    uint32_t words = 0, numbers = 0, blanks = 0, signs = 0, depth = 0, odd = 0;

    for (int pass = 0; pass < 8; pass++)
        for (unsigned i = 0; i < sizeof data; i++) {
            uint8_t c = (uint8_t)(data[i] + pass);
            if (c < 64) {
                if (c & 1)
                    blanks += 2;
                else if (c & 2)
                    blanks += depth;
                __asm__ volatile("" : "+r"(blanks)); /* branches, not conditional moves */
            } else if (c < 128) {
                if (c < 80)
                    numbers += c;
                else if (c < 96)
                    depth++;
                else if (depth)
                    depth--;
                __asm__ volatile("" : "+r"(depth));
            } else if (c < 200) {
                words++;
                __asm__ volatile("" : "+r"(words));
                if (c == 150 || c == 170 || c == 199)
                    depth = 0;
            } else if (c & 4) {
                signs ^= c;
                __asm__ volatile("" : "+r"(signs));
            } else {
                odd += signs & 1;
                __asm__ volatile("" : "+r"(odd));
            }
        }
    return mix(mix(mix(mix(mix(words, numbers), blanks), signs), depth), odd);
}
