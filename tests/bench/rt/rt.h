/* What a bench program stands on: no C library, so that plain gcc -m32 builds it everywhere.
 *
 * A program supplies bench_unit(), one unit of work of a few milliseconds that always does the same and returns the
 * same checksum, and perhaps bench_setup(), which runs before the clock starts. rt.c repeats the unit as often as the
 * harness asks. */
#ifndef BENCH_RT_H
#define BENCH_RT_H

#include <stddef.h>
#include <stdint.h>

#define NOINLINE __attribute__((noinline))
#define UNUSED   __attribute__((unused))

uint32_t bench_unit(void);
void bench_setup(void);

/* i386 system call numbers, in numeric order. */
enum {
    SYS_EXIT = 1,
    SYS_FORK = 2,
    SYS_READ = 3,
    SYS_WRITE = 4,
    SYS_OPEN = 5,
    SYS_CLOSE = 6,
    SYS_WAITPID = 7,
    SYS_UNLINK = 10,
    SYS_EXECVE = 11,
    SYS_CHDIR = 12,
    SYS_LSEEK = 19,
    SYS_GETPID = 20,
    SYS_MOUNT = 21,
    SYS_SYNC = 36,
    SYS_KILL = 37,
    SYS_MKDIR = 39,
    SYS_PIPE = 42,
    SYS_IOCTL = 54,
    SYS_DUP2 = 63,
    SYS_REBOOT = 88,
    SYS_MUNMAP = 91,
    SYS_IOPERM = 101,
    SYS_WAIT4 = 114,
    SYS_SIGRETURN = 119,
    SYS_MODIFY_LDT = 123,
    SYS_MPROTECT = 125,
    SYS_SCHED_YIELD = 158,
    SYS_RT_SIGACTION = 174,
    SYS_MMAP2 = 192,
    SYS_CLOCK_GETTIME = 265,
    SYS_FUTEX = 240,
    SYS_EXIT_GROUP = 252,
};

/* By int 80h. Returns the kernel's answer, -errno included. */
static inline long sys3(long number, long a, long b, long c)
{
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "0"(number), "b"(a), "c"(b), "d"(c) : "memory", "cc");
    return result;
}

static inline long sys4(long number, long a, long b, long c, long d)
{
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "0"(number), "b"(a), "c"(b), "d"(c), "S"(d) : "memory", "cc");
    return result;
}

/* A call that must not fail: reports `what` and leaves otherwise. */
long must(long result, const char *what);
_Noreturn void fail(const char *what);
_Noreturn void leave(int status);

enum { PROT_READ = 1, PROT_WRITE = 2, PROT_EXEC = 4 };

/* Anonymous private memory; never returns a failure. */
void *map_pages(size_t bytes, int prot);
void unmap_pages(void *at, size_t bytes);

/* The auxiliary vector's entry, or 0. */
enum { AT_SYSINFO = 32, AT_SYSINFO_EHDR = 33 };
uint32_t auxv_value(uint32_t type);

struct signal_action {
    void (*handler)(int);
    uint32_t flags;
    void (*restorer)(void);
    uint32_t mask[2];
};
enum { SIGILL = 4, SIGUSR1 = 10, SIGSEGV = 11, SIG_NODEFER = 0x40000000, SIG_RESTORER = 0x04000000 };
void on_signal(int number, void (*handler)(int));

void *memcpy(void *restrict to, const void *restrict from, size_t bytes);
void *memmove(void *to, const void *from, size_t bytes);
void *memset(void *to, int value, size_t bytes);
int memcmp(const void *a, const void *b, size_t bytes);
size_t strlen(const char *text);
void print(const char *text);
void print_hex(uint32_t value);

/* Marsaglia's xorshift32; the state must not be 0. */
static inline uint32_t xorshift32(uint32_t *state)
{
    uint32_t x = *state;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return *state = x;
}

/* One step of the FNV-1a hash over a whole word: the checksums of all programs. */
static inline uint32_t mix(uint32_t hash, uint32_t word)
{
    return (hash ^ word) * 16777619u;
}

static inline uint32_t mix_double(uint32_t hash, double value)
{
    union {
        double number;
        uint32_t word[2];
    } u = {.number = value};
    return mix(mix(hash, u.word[0]), u.word[1]);
}

enum { MIX_START = 0x811c9dc5 };

#endif
