/* Bench: system mmap_touch
 * Maps 64 pages, writes to each, unmaps them: page faults and page-table work. */
#include "rt.h"

uint32_t bench_unit(void)
{
    uint32_t sum = 0;

    for (int round = 0; round < 4; round++) {
        uint8_t *at = map_pages(64 * 4096, PROT_READ | PROT_WRITE);
        for (int i = 0; i < 64; i++) {
            sum += at[i * 4096];
            at[i * 4096] = (uint8_t)i;
        }
        sum += at[63 * 4096];
        unmap_pages(at, 64 * 4096);
    }
    return sum;
}
