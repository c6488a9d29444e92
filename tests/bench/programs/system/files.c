/* Bench: system small_files
 * Creates, writes, reads back and removes 16 files of 1 KiB on a file system in memory. */
#include "rt.h"

enum { O_RDWR = 2, O_CREAT = 0100, O_TRUNC = 01000, FILES = 16 };

uint32_t bench_unit(void)
{
    static uint8_t data[1024], back[1024];
    char path[] = "tmp/file-a";
    uint32_t sum = MIX_START;

    for (int i = 0; i < FILES; i++) {
        path[sizeof path - 2] = (char)('a' + i);
        memset(data, i + 1, sizeof data);
        long file = must(sys3(SYS_OPEN, (long)path, O_RDWR | O_CREAT | O_TRUNC, 0600), "open");
        must(sys3(SYS_WRITE, file, (long)data, sizeof data), "write");
        must(sys3(SYS_LSEEK, file, 0, 0), "seek");
        must(sys3(SYS_READ, file, (long)back, sizeof back), "read");
        must(sys3(SYS_CLOSE, file, 0, 0), "close");
        must(sys3(SYS_UNLINK, (long)path, 0, 0), "unlink");
        sum = mix(sum, back[1023]);
    }
    return sum;
}
