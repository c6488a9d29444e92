/* Bench: apps gzip -DAPP=GZIP
 * Bench: apps gunzip -DAPP=GUNZIP not-quick
 * Bench: apps bzip2 -DAPP=BZIP2
 * Bench: apps xz_decompress -DAPP=XZCAT
 * Bench: apps sort_text -DAPP=SORT not-quick
 * Bench: apps grep_awk -DAPP=GREP
 * Bench: apps shell_loop -DAPP=LOOP
 * Bench: apps shell_forks -DAPP=FORKS
 * Bench: apps perl_words -DAPP=PERL
 * Bench: apps perl_starts -DAPP=STARTS not-quick
 * Bench: apps sqlite_memory -DAPP=SQLITE
 * Bench: apps sqlite_file -DAPP=SQLITE_FILE not-quick
 * BusyBox, perl and sqlite3 as Debian ships them, the same files on every engine: compressors, text tools, a shell's
 * own loop and a shell that starts programs; a perl script, 100 short runs of perl, each at other addresses; tables in
 * memory and in a file. */
#include "rt.h"

enum { GZIP, GUNZIP, BZIP2, XZCAT, SORT, GREP, LOOP, FORKS, PERL, STARTS, SQLITE, SQLITE_FILE };
enum { O_RDWR = 2, O_CREAT = 0100, O_TRUNC = 01000 };

/* A program of debian/, by the loader that belongs to it. */
#define DEBIAN "debian/ld-linux.so.2 --library-path debian debian/"

static const char *const script[] = {
    [GZIP] = "./busybox gzip -c tmp/text | ./busybox md5sum",
    [GUNZIP] = "./busybox gunzip -c tmp/text.gz | ./busybox md5sum",
    [BZIP2] = "./busybox bzip2 -c tmp/text | ./busybox md5sum",
    [XZCAT] = "./busybox xzcat ./text.xz | ./busybox md5sum",
    [SORT] = "./busybox sort tmp/text | ./busybox uniq -c | ./busybox md5sum",
    [GREP] = "./busybox grep -E 'a.*(bc|ca)+' tmp/text | ./busybox awk '{ n += length($2) + NF } END { print n, NR }'",
    [LOOP] = "i=0; s=0; while [ $i -lt 3000 ]; do s=$((s + i * 7 % 13)); case $s in *77*) s=$((s - 5));; esac; i=$((i "
             "+ 1)); done; echo $s",
    [FORKS] =
        "i=0; while [ $i -lt 20 ]; do ./busybox true; x=$(echo $i | ./busybox tr 0-9 a-j); i=$((i + 1)); done; echo $x",
    [PERL] = DEBIAN "perl debian/words.pl",
    [STARTS] = "i=0; while [ $i -lt 100 ]; do " DEBIAN "perl -e 'print $ARGV[0] * 7, qq( )' $i; i=$((i + 1)); done",
    [SQLITE] = DEBIAN "sqlite3 -batch -init /dev/null :memory: <debian/tables.sql",
    [SQLITE_FILE] = "./busybox rm -f tmp/db; " DEBIAN "sqlite3 -batch -init /dev/null tmp/db <debian/tables.sql",
};

/* Runs text with BusyBox's shell; returns a checksum of what it writes. */
static uint32_t shell(const char *text)
{
    static char path[] = "./busybox", name[] = "sh", option[] = "-c", line[256], environment_path[] = "PATH=/nowhere";
    char *arguments[] = {name, option, line, 0}, *environment[] = {environment_path, 0};
    int32_t ends[2], status;
    uint8_t output[256];
    uint32_t sum = MIX_START;

    memcpy(line, text, strlen(text) + 1);
    must(sys3(SYS_PIPE, (long)ends, 0, 0), "pipe");
    long pid = must(sys3(SYS_FORK, 0, 0, 0), "fork");
    if (!pid) {
        sys3(SYS_DUP2, ends[1], 1, 0);
        sys3(SYS_CLOSE, ends[0], 0, 0);
        sys3(SYS_CLOSE, ends[1], 0, 0);
        sys3(SYS_EXECVE, (long)path, (long)arguments, (long)environment);
        leave(99);
    }
    sys3(SYS_CLOSE, ends[1], 0, 0);
    for (long n; (n = sys3(SYS_READ, ends[0], (long)output, sizeof output)) > 0;)
        for (long i = 0; i < n; i++)
            sum = mix(sum, output[i]);
    sys3(SYS_CLOSE, ends[0], 0, 0);
    must(sys4(SYS_WAIT4, pid, (long)&status, 0, 0), "wait");
    if (status)
        fail("busybox");
    return sum;
}

void bench_setup(void)
{
    static char text[128 << 10];
    uint32_t state = 121, at = 0;

    while (at + 64 < sizeof text) {
        for (uint32_t word = 0, words = 2 + xorshift32(&state) % 7; word < words; word++) {
            uint32_t kind = xorshift32(&state) % 400;
            for (uint32_t i = 0, seed = kind * kind + 1; i < 2 + kind % 6; i++)
                text[at++] = (char)('a' + xorshift32(&seed) % (kind < 200 ? 4 : 26));
            text[at++] = ' ';
        }
        text[at - 1] = '\n';
    }
    long file = must(sys3(SYS_OPEN, (long)"tmp/text", O_RDWR | O_CREAT | O_TRUNC, 0600), "open");
    must(sys3(SYS_WRITE, file, (long)text, (long)at), "write");
    sys3(SYS_CLOSE, file, 0, 0);
    if (APP == GUNZIP)
        shell("./busybox gzip -c tmp/text > tmp/text.gz");
}

uint32_t bench_unit(void)
{
    return shell(script[APP]);
}
