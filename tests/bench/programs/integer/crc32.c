/* Bench: integer crc32
 * CRC-32 (IEEE 802.3, reflected) of 256 KiB, a table look-up per byte. */
#include "rt.h"

static uint32_t table[256];
static uint8_t data[256 << 10];

void bench_setup(void)
{
    uint32_t state = 1;

    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int bit = 0; bit < 8; bit++)
            c = c & 1 ? c >> 1 ^ 0xedb88320u : c >> 1;
        table[i] = c;
    }
    for (uint32_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)xorshift32(&state);
}

uint32_t bench_unit(void)
{
    uint32_t crc = ~0u;

    for (uint32_t i = 0; i < sizeof data; i++)
        crc = crc >> 8 ^ table[(crc ^ data[i]) & 255];
    return ~crc;
}
