/* The start of every bench program, its system calls and the few library functions the compiler may call.
 *
 * Usage of a program: NAME COUNT. It prints "@B", does COUNT units, prints "@E CHECKSUM" (or "@E differs" when two
 * units disagree), and ends when its standard input does: so the harness can still read the processor time of a program
 * that runs natively. */
#include "rt.h"

static uint32_t *start_stack;

__asm__(".text\n"
        ".globl _start\n"
        "_start:\n"
        "    xorl %ebp, %ebp\n"
        "    movl %esp, %eax\n"
        "    andl $-16, %esp\n"
        "    subl $12, %esp\n"
        "    pushl %eax\n"
        "    call bench_start\n");

void *memcpy(void *restrict to, const void *restrict from, size_t bytes)
{
    void *result = to;
    size_t words = bytes >> 2;

    __asm__ volatile("rep movsl" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
    bytes &= 3;
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory");
    return result;
}

void *memmove(void *to, const void *from, size_t bytes)
{
    uint8_t *d = to;
    const uint8_t *s = from;

    if (d <= s || d >= s + bytes)
        return memcpy(to, from, bytes);
    while (bytes--) {
        d[bytes] = s[bytes];
        __asm__ volatile("" : : : "memory"); /* or the compiler would call memmove */
    }
    return to;
}

void *memset(void *to, int value, size_t bytes)
{
    void *result = to;
    size_t words = bytes >> 2;
    uint32_t pattern = (uint8_t)value * 0x01010101u;

    __asm__ volatile("rep stosl" : "+D"(to), "+c"(words) : "a"(pattern) : "memory");
    bytes &= 3;
    __asm__ volatile("rep stosb" : "+D"(to), "+c"(bytes) : "a"(pattern) : "memory");
    return result;
}

int memcmp(const void *a, const void *b, size_t bytes)
{
    const uint8_t *x = a, *y = b;

    for (size_t i = 0; i < bytes; i++)
        if (x[i] != y[i])
            return x[i] - y[i];
    return 0;
}

size_t strlen(const char *text)
{
    size_t length = 0;

    while (text[length]) {
        length++;
        __asm__ volatile("" : : : "memory"); /* or the compiler would call strlen */
    }
    return length;
}

/* 64-bit division as the compiler's library does it, which a plain amd64 gcc does not bring for -m32. */
uint64_t __udivmoddi4(uint64_t n, uint64_t d, uint64_t *rest);
uint64_t __udivdi3(uint64_t n, uint64_t d);
uint64_t __umoddi3(uint64_t n, uint64_t d);
int64_t __divdi3(int64_t n, int64_t d);
int64_t __moddi3(int64_t n, int64_t d);

static inline uint32_t divide(uint32_t high, uint32_t low, uint32_t d, uint32_t *rest)
{
    uint32_t quotient;
    __asm__("divl %4" : "=a"(quotient), "=d"(*rest) : "0"(low), "1"(high), "rm"(d) : "cc");
    return quotient;
}

uint64_t __udivmoddi4(uint64_t n, uint64_t d, uint64_t *rest)
{
    uint32_t nh = n >> 32, nl = n, dh = d >> 32, dl = d, r;

    if (!dh) {
        uint32_t qh = 0, ql;
        if (nh >= dl) {
            qh = nh / dl;
            nh %= dl;
        }
        ql = divide(nh, nl, dl, &r);
        if (rest)
            *rest = r;
        return (uint64_t)qh << 32 | ql;
    }
    if (d > n) {
        if (rest)
            *rest = n;
        return 0;
    }
    /* Knuth D with one digit: estimate from the normalised divisor, then correct. */
    unsigned shift = (unsigned)__builtin_clz(dh);
    uint32_t top = shift ? dh << shift | dl >> (32 - shift) : dh;
    uint64_t half = n >> 1;
    uint32_t q = divide(half >> 32, half, top, &r);
    q = (uint32_t)(((uint64_t)q << shift) >> 31);
    if (q)
        q--;
    uint64_t left = n - (uint64_t)q * d;
    while (left >= d) {
        left -= d;
        q++;
    }
    if (rest)
        *rest = left;
    return q;
}

uint64_t __udivdi3(uint64_t n, uint64_t d)
{
    return __udivmoddi4(n, d, 0);
}

uint64_t __umoddi3(uint64_t n, uint64_t d)
{
    uint64_t rest;
    __udivmoddi4(n, d, &rest);
    return rest;
}

int64_t __divdi3(int64_t n, int64_t d)
{
    uint64_t q = __udivmoddi4(n < 0 ? -(uint64_t)n : (uint64_t)n, d < 0 ? -(uint64_t)d : (uint64_t)d, 0);
    return (int64_t)((n < 0) != (d < 0) ? -q : q);
}

int64_t __moddi3(int64_t n, int64_t d)
{
    uint64_t rest;
    __udivmoddi4(n < 0 ? -(uint64_t)n : (uint64_t)n, d < 0 ? -(uint64_t)d : (uint64_t)d, &rest);
    return (int64_t)(n < 0 ? -rest : rest);
}

void print(const char *text)
{
    sys3(SYS_WRITE, 1, (long)text, (long)strlen(text));
}

static char *hex_text(char *at, uint32_t value)
{
    for (int shift = 28; shift >= 0; shift -= 4)
        *at++ = "0123456789abcdef"[value >> shift & 15];
    return at;
}

void print_hex(uint32_t value)
{
    char text[9];
    *hex_text(text, value) = 0;
    print(text);
}

void leave(int status)
{
    sys3(SYS_EXIT_GROUP, status, 0, 0);
    __builtin_unreachable();
}

void fail(const char *what)
{
    print("@F ");
    print(what);
    print("\n");
    leave(1);
}

long must(long result, const char *what)
{
    if ((unsigned long)result >= -4095ul)
        fail(what);
    return result;
}

void *map_pages(size_t bytes, int prot)
{
    enum { MAP_PRIVATE = 2, MAP_ANONYMOUS = 0x20 };
    long result;
    /* The sixth argument travels in EBP, which the compiler may use itself. */
    __asm__ volatile("pushl %%ebp\n\txorl %%ebp, %%ebp\n\tint $0x80\n\tpopl %%ebp"
                     : "=a"(result)
                     : "0"(SYS_MMAP2), "b"(0), "c"(bytes), "d"(prot), "S"(MAP_PRIVATE | MAP_ANONYMOUS), "D"(-1)
                     : "memory", "cc");
    return (void *)must(result, "mmap");
}

void unmap_pages(void *at, size_t bytes)
{
    must(sys3(SYS_MUNMAP, (long)at, (long)bytes, 0), "munmap");
}

static char **environment(void)
{
    return (char **)start_stack + 1 + start_stack[0] + 1;
}

uint32_t auxv_value(uint32_t type)
{
    char **at = environment();
    while (*at)
        at++;
    for (const uint32_t *pair = (uint32_t *)at + 1; pair[0]; pair += 2)
        if (pair[0] == type)
            return pair[1];
    return 0;
}

void signal_return(void);
__asm__(".text\n"
        "signal_return:\n"
        "    popl %eax\n"
        "    movl $119, %eax\n"
        "    int $0x80\n");

void on_signal(int number, void (*handler)(int))
{
    struct signal_action action = {.handler = handler, .flags = SIG_RESTORER | SIG_NODEFER, .restorer = signal_return};
    must(sys4(SYS_RT_SIGACTION, number, (long)&action, 0, 8), "sigaction");
}

__attribute__((weak)) void bench_setup(void) {}

static uint32_t parse_count(const char *text)
{
    uint32_t count = 0;
    for (; *text >= '0' && *text <= '9'; text++)
        count = count * 10 + (uint32_t)(*text - '0');
    return count;
}

_Noreturn void bench_start(uint32_t *stack);
void bench_start(uint32_t *stack)
{
    char line[] = "@E 00000000\n", byte;

    start_stack = stack;
    uint32_t count = stack[0] > 1 ? parse_count((char *)stack[2]) : 1;
    bench_setup();
    print("@B\n");
    uint32_t sum = 0, differs = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t now = bench_unit();
        if (i && now != sum)
            differs = 1;
        sum = now;
    }
    hex_text(line + 3, sum);
    print(differs ? "@E differs\n" : line);
    while (sys3(SYS_READ, 0, (long)&byte, 1) > 0)
        ;
    leave(0);
}
