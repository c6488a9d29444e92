/* Bench: calls bigcode +bigcode.py
 * Code of many megabytes: 12,000 different functions (bigcode.py writes them), each called once per unit. */
#include "rt.h"

uint32_t big_run(void);
extern uint32_t big_data[1024];

void bench_setup(void)
{
    uint32_t state = 23;
    for (int i = 0; i < 1024; i++)
        big_data[i] = xorshift32(&state);
}

uint32_t bench_unit(void)
{
    uint32_t result;
    /* The generated code keeps no register but those it names. */
    __asm__ volatile("call big_run" : "=a"(result) : : "ecx", "edx", "memory", "cc");
    return result;
}
