/* Bench: system pipe_pingpong -DPROCESSES=2 -DROUNDS=200
 * Bench: system switch32 -DPROCESSES=32 -DROUNDS=20
 * Processes in a ring of pipes hand one byte around: two system calls and one process switch per hop. */
#include "rt.h"

enum { PR_SET_PDEATHSIG = 1, SIGKILL = 9, SYS_PRCTL = 172 };
static int32_t pipes[PROCESSES][2];

void bench_setup(void)
{
    for (int i = 0; i < PROCESSES; i++)
        must(sys3(SYS_PIPE, (long)pipes[i], 0, 0), "pipe");
    for (int i = 1; i < PROCESSES; i++) {
        if (must(sys3(SYS_FORK, 0, 0, 0), "fork"))
            continue;
        uint8_t byte;
        must(sys3(SYS_PRCTL, PR_SET_PDEATHSIG, SIGKILL, 0), "prctl");
        while (sys3(SYS_READ, pipes[i][0], (long)&byte, 1) == 1) {
            byte++;
            sys3(SYS_WRITE, pipes[(i + 1) % PROCESSES][1], (long)&byte, 1);
        }
        leave(0);
    }
}

uint32_t bench_unit(void)
{
    uint8_t byte = 0;
    for (int i = 0; i < ROUNDS; i++) {
        must(sys3(SYS_WRITE, pipes[1][1], (long)&byte, 1), "write");
        must(sys3(SYS_READ, pipes[0][0], (long)&byte, 1), "read");
    }
    return byte;
}
