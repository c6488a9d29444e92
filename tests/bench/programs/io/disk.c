/* Bench: io ide_sequential guest-only -DSIZE=131072
 * Bench: io ide_random -DSIZE=4096 -DRANDOM guest-only
 * Reads from the first IDE disk past the page cache: 16 MiB in order, or 256 blocks of 4 KiB at random. */
#include "rt.h"

enum { DISK = 64 << 20, O_DIRECT = 040000, READS = SIZE > 4096 ? (16 << 20) / SIZE : 256 };
static uint8_t *buffer;
static long disk;

void bench_setup(void)
{
    buffer = map_pages(SIZE, PROT_READ | PROT_WRITE);
    disk = must(sys3(SYS_OPEN, (long)"/dev/sda", O_DIRECT, 0), "/dev/sda");
}

uint32_t bench_unit(void)
{
    uint32_t sum = MIX_START, state = 131;

    for (uint32_t i = 0; i < READS; i++) {
#ifdef RANDOM
        uint32_t at = xorshift32(&state) % (DISK / SIZE);
#else
        uint32_t at = i;
        (void)state;
#endif
        must(sys3(SYS_LSEEK, disk, (long)(at * SIZE), 0), "seek");
        if (must(sys3(SYS_READ, disk, (long)buffer, SIZE), "read") != SIZE)
            fail("short read");
        sum = mix(sum, *(uint32_t *)(void *)(buffer + (i & 7) * 64));
    }
    return sum;
}
