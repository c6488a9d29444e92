/* Bench: smc code_beside_data
 * A counter, a small array and the loop that changes them share one page: no instruction is ever changed, yet the page
 * is written. */
#include "rt.h"

extern uint32_t beside_counter, beside_array[16];

__asm__(".section .smc, \"awx\", @progbits\n"
        ".balign 4096\n"
        "beside_counter: .long 0\n"
        "beside_array: .space 64\n"
        ".balign 16\n"
        "beside_loop:\n" /* ECX passes, EAX in and out */
        "1:  movl %ecx, %edx\n"
        "    andl $15, %edx\n"
        "    addl %eax, beside_array(,%edx,4)\n"
        "    addl beside_array(,%edx,4), %eax\n"
        "    incl beside_counter\n"
        "    decl %ecx\n"
        "    jnz 1b\n"
        "    ret\n"
        ".balign 4096\n"
        ".text\n");

uint32_t bench_unit(void)
{
    uint32_t x = 1, count = 2000;

    memset(beside_array, 0, sizeof beside_array);
    beside_counter = 0;
    __asm__ volatile("call beside_loop" : "+a"(x), "+c"(count) : : "edx", "memory", "cc");
    return mix(x, beside_counter);
}
