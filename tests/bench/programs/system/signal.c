/* Bench: system signal
 * Bench: system segv -DSEGV
 * A signal that a process sends to itself, handled and returned from; and one that a store to a read-only page raises,
 * whose handler makes the page writable. */
#include "rt.h"

static uint8_t *page;
static volatile uint32_t handled;

static void handler(int number UNUSED)
{
    handled++;
#ifdef SEGV
    sys3(SYS_MPROTECT, (long)page, 4096, PROT_READ | PROT_WRITE);
#endif
}

void bench_setup(void)
{
    page = map_pages(4096, PROT_READ | PROT_WRITE);
    page[0] = 1;
    on_signal(SIGUSR1, handler);
    on_signal(SIGSEGV, handler);
}

uint32_t bench_unit(void)
{
    uint32_t before = handled;
    long me = sys3(SYS_GETPID, 0, 0, 0);

    for (int i = 0; i < 100; i++) {
#ifdef SEGV
        (void)me;
        sys3(SYS_MPROTECT, (long)page, 4096, PROT_READ);
        *(volatile uint8_t *)page = (uint8_t)i;
#else
        sys3(SYS_KILL, me, SIGUSR1, 0);
#endif
    }
    return handled - before;
}
