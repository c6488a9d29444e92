/* Bench: smc patch_immediate
 * A loop whose immediate and displacement are rewritten before every run of 16 passes: the way texture mappers of the
 * nineties bound their variables. */
#include "rt.h"

extern uint8_t patched_loop[], patched_immediate[], patched_displacement[];
uint32_t run_patched(uint32_t x);
static uint32_t values[64];

/* EAX in and out. ECX counts. */
__asm__(".section .smc, \"awx\", @progbits\n"
        ".balign 4096\n"
        "patched_loop:\n"
        "    movl $16, %ecx\n"
        "1:  addl $0x11223344, %eax\n"
        "patched_immediate = . - 4\n"
        "    xorl 0x11223344, %eax\n"
        "patched_displacement = . - 4\n"
        "    roll $3, %eax\n"
        "    decl %ecx\n"
        "    jnz 1b\n"
        "    ret\n"
        ".balign 4096\n"
        ".text\n");

void bench_setup(void)
{
    uint32_t state = 15;
    for (int i = 0; i < 64; i++)
        values[i] = xorshift32(&state);
}

uint32_t bench_unit(void)
{
    uint32_t x = 1;

    for (uint32_t i = 0; i < 2000; i++) {
        uint32_t immediate = i * 2654435761u, address = (uint32_t)(uintptr_t)&values[i & 63];
        memcpy(patched_immediate, &immediate, 4);
        memcpy(patched_displacement, &address, 4);
        __asm__ volatile("call patched_loop" : "+a"(x) : : "ecx", "memory", "cc");
    }
    return x;
}
