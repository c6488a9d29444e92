/*
 * What one guest load costs, in TSC cycles, by the way its address is translated. The figures decide how translated
 * code reaches memory; docs/prototypes.md has them.
 *
 *   gcc -O2 -o nano tests/bench/nano/softmmu.c && ./nano
 *
 * "dependent": each address comes from the load before it (latency). "independent": throughput. Registers stand for the
 * guest's in the translator's plan; every variant checks what it must, and branches to `ud2` when a check fails.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <x86intrin.h>

#define RAM_BYTES   (64u << 20)
#define TABLE_BYTES (8u << 20) /* one 8-byte entry for each page of 4 GiB */
#define TAGGED      1024
#define LOADS       3 /* per turn; jrcxz reaches 127 bytes */
#define TURNS       20000
#define TRIES       30

struct tagged_entry {
    uint32_t tag, unused;
    uint64_t addend;
};

static uint8_t *ram;
static uint64_t *table; /* per page: host address - linear address, 0: not cached */
static uint8_t *fits;   /* per low 16 bits of an address: do 4 bytes stay in the page? */
static struct tagged_entry *tagged;

#define VARIANT(name, code)                                                                                            \
    static void name(void)                                                                                             \
    {                                                                                                                  \
        uint64_t turns = TURNS;                                                                                        \
        register uint64_t address __asm__("rbx") = 0;                                                                  \
        register void *r_table __asm__("r14") = table, *r_ram __asm__("r13") = ram, *r_fits __asm__("r12") = fits,     \
                               *r_tagged __asm__("r15") = tagged;                                                      \
        register uint64_t page_shift __asm__("rsi") = 12;                                                              \
                                                                                                                       \
        __asm__ volatile("jmp 1f\n2: ud2\n1:\n" code code code "dec %0\njnz 1b\n"                                      \
                         : "+r"(turns), "+r"(address)                                                                  \
                         : "r"(r_table), "r"(r_ram), "r"(r_fits), "r"(r_tagged), "r"(page_shift)                       \
                         : "rax", "rcx", "rdx", "r8", "r9", "r10", "r11", "cc", "memory");                             \
    }

/* The host's own MMU: a window. */
#define WINDOW(to) "movl (%%r13,%%rbx)," to "\n"
VARIANT(window_dependent, WINDOW("%%ebx"))
VARIANT(window_independent, WINDOW("%%r9d"))

/* A flat table of addends, checked with jrcxz: no flag changes. A table of bytes says whether the access crosses a
 * page. */
#define FLAT(to)                                                                                                       \
    "leal 0(%%rbx),%%eax\nmovzwl %%ax,%%ecx\nmovzbl (%%r12,%%rcx),%%ecx\njrcxz 2b\n"                                   \
    "shrxl %%esi,%%eax,%%ecx\nmovq (%%r14,%%rcx,8),%%rcx\njrcxz 2b\nmovl (%%rcx,%%rax)," to "\n"
VARIANT(flat_dependent, FLAT("%%ebx"))
VARIANT(flat_independent, FLAT("%%r9d"))

/* The same without the crossing check: byte accesses. */
#define FLAT_BYTE(to)                                                                                                  \
    "leal 0(%%rbx),%%eax\nshrxl %%esi,%%eax,%%ecx\nmovq (%%r14,%%rcx,8),%%rcx\njrcxz 2b\nmovl (%%rcx,%%rax)," to "\n"
VARIANT(flat_byte_dependent, FLAT_BYTE("%%ebx"))
VARIANT(flat_byte_independent, FLAT_BYTE("%%r9d"))

/* A tagged direct-mapped TLB: one compare settles hit, rights and crossing, but it changes the flags. */
#define TAGGED_TLB(to)                                                                                                 \
    "leal 0(%%rbx),%%eax\nleal 3(%%rax),%%edx\nmovl %%eax,%%ecx\nshrl $8,%%ecx\nandl $0x3ff0,%%ecx\n"                  \
    "andl $0xfffff000,%%edx\ncmpl (%%r15,%%rcx),%%edx\njne 2b\naddq 8(%%r15,%%rcx),%%rax\nmovl (%%rax)," to "\n"
VARIANT(tagged_dependent, TAGGED_TLB("%%ebx"))
VARIANT(tagged_independent, TAGGED_TLB("%%r9d"))

/* The same where guest flags are live: saved and put back around it. */
#define TAGGED_SAVED(to)                                                                                               \
    "movl %%eax,%%r10d\nlahf\nseto %%al\nmovl %%eax,%%r11d\nmovl %%r10d,%%eax\n" TAGGED_TLB(                           \
        to) "movl %%r11d,%%eax\naddb $127,%%al\nsahf\n"
VARIANT(tagged_saved_dependent, TAGGED_SAVED("%%ebx"))
VARIANT(tagged_saved_independent, TAGGED_SAVED("%%r9d"))

static double cycles_per_load(void (*run)(void))
{
    uint64_t best = UINT64_MAX;

    for (int i = 0; i < TRIES; i++) {
        uint64_t start = __rdtsc(), took;

        run();
        took = __rdtsc() - start;
        best = took < best ? took : best;
    }
    return (double)best / (LOADS * TURNS);
}

int main(void)
{
    static const struct {
        const char *name;
        void (*dependent)(void), (*independent)(void);
    } variants[] = {
        {"window", window_dependent, window_independent},
        {"flat table, jrcxz", flat_dependent, flat_independent},
        {"flat table, jrcxz, byte", flat_byte_dependent, flat_byte_independent},
        {"tagged TLB", tagged_dependent, tagged_independent},
        {"tagged TLB, flags saved", tagged_saved_dependent, tagged_saved_independent},
    };

    ram = mmap(NULL, RAM_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    table = mmap(NULL, TABLE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    fits = malloc(1 << 16);
    tagged = calloc(TAGGED, sizeof *tagged);
    if (ram == MAP_FAILED || table == MAP_FAILED || !fits || !tagged)
        return 1;
    for (unsigned i = 0; i < 1 << 16; i++)
        fits[i] = (i & 0xfff) <= 0xffc;
    for (unsigned i = 0; i < RAM_BYTES >> 12; i++)
        table[i] = (uint64_t)(uintptr_t)ram;
    for (unsigned i = 0; i < TAGGED; i++)
        tagged[i] = (struct tagged_entry){.tag = i << 12, .addend = (uint64_t)(uintptr_t)ram};

    puts("TSC cycles per load            dependent  independent");
    for (unsigned i = 0; i < sizeof variants / sizeof variants[0]; i++)
        printf("%-30s %9.2f  %11.2f\n", variants[i].name, cycles_per_load(variants[i].dependent),
               cycles_per_load(variants[i].independent));
    return 0;
}
