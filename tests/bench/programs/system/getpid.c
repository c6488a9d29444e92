/* Bench: system getpid_int80 -DBY_INT80
 * Bench: system getpid_vdso
 * The shortest system call, by int 80h and through the kernel's own entry in the vDSO (SYSENTER, or SYSCALL on an AMD
 * processor in long mode). */
#include "rt.h"

static uint32_t entry;

void bench_setup(void)
{
    entry = auxv_value(AT_SYSINFO);
    if (!entry)
        fail("no AT_SYSINFO");
}

static inline long call(long number)
{
#ifdef BY_INT80
    return sys3(number, 0, 0, 0);
#else
    long result;
    __asm__ volatile("call *%2" : "=a"(result) : "0"(number), "m"(entry), "b"(0), "c"(0), "d"(0) : "memory", "cc");
    return result;
#endif
}

uint32_t bench_unit(void)
{
    long first = call(SYS_GETPID), same = 0;
    for (int i = 0; i < 1000; i++)
        same += call(SYS_GETPID) == first;
    return (uint32_t)same;
}
