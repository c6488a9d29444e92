/* Bench: system fork
 * Bench: system fork_exec -DEXEC
 * Bench: system copy_on_write -DPAGES=256
 * fork, exit and wait; the same with an exec of BusyBox's `true`; the same where the child writes to 256 of its
 * parent's pages, and the parent to the same pages again. */
#include "rt.h"

#ifndef PAGES
#define PAGES 0
#endif
static volatile uint8_t *pages;

void bench_setup(void)
{
    if (PAGES)
        pages = map_pages(PAGES * 4096 + 4096, PROT_READ | PROT_WRITE);
}

static void touch_pages(uint32_t add)
{
    for (int i = 0; i < PAGES; i++)
        pages[i * 4096] = (uint8_t)(pages[i * 4096] + add);
}

static void child(void)
{
    touch_pages(1);
#ifdef EXEC
    static char path[] = "./busybox", name[] = "true";
    char *arguments[] = {name, 0}, *environment[] = {0};
    sys3(SYS_EXECVE, (long)path, (long)arguments, (long)environment);
    leave(99);
#endif
    leave(7);
}

uint32_t bench_unit(void)
{
    uint32_t sum = 0;

    for (int i = 0; i < 4; i++) {
        int32_t status = 0;
        long pid = must(sys3(SYS_FORK, 0, 0, 0), "fork");
        if (!pid)
            child();
        touch_pages(i & 1 ? 255 : 1);
        must(sys4(SYS_WAIT4, pid, (long)&status, 0, 0), "wait");
        sum = mix(sum, (uint32_t)status);
    }
    for (int i = 0; i < PAGES; i++)
        sum = mix(sum, pages[i * 4096]);
    return sum;
}
