/* Bench: memory strides
 * One load and one store per page over 32 MiB, then per page and line: what lives in the TLB rather than in the cache.
 */
#include "rt.h"

enum { BYTES = 32 << 20 };
static uint8_t *buffer;

void bench_setup(void)
{
    buffer = map_pages(BYTES, PROT_READ | PROT_WRITE);
    for (uint32_t i = 0; i < BYTES; i += 64)
        buffer[i] = (uint8_t)(i >> 6);
}

uint32_t bench_unit(void)
{
    uint32_t sum = 0;

    for (uint32_t line = 0; line < 2; line++)
        for (uint32_t i = line * 64; i < BYTES; i += 4096) {
            sum += buffer[i];
            buffer[i + 32]++;
        }
    for (uint32_t i = 0; i < BYTES; i += 4096 + 64)
        sum = mix(sum, buffer[i]);
    return sum;
}
