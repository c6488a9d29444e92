/* A morph86 process under test: started, watched, asked over its monitor. For tests that play the user. */
#ifndef TESTS_FUZZ_MACHINE_H
#define TESTS_FUZZ_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define MACHINE_MAX_ARGS 64

struct machine_process {
    pid_t pid;
    int debug_fd; /* what the guest writes to port E9; -1: nobody listens */
    int monitor_fd;
    char directory[64]; /* of its socket and images; machine_end() removes it */
    bool is_over;
    int status; /* as wait() gives it, when is_over */
};

/* Milliseconds since some time. */
int64_t machine_now_ms(void);

/* Starts `morph86` with `args` (NULL at the end) and a monitor on a socket. Standard error goes to `errors` in the
 * machine's directory. False after saying why. */
bool machine_start(struct machine_process *m, const char *morph86, const char *const *args, bool with_monitor);
/* Makes a file of `len_bytes` zeros in the directory, which machine_prepare() makes before; returns its path. */
bool machine_prepare(struct machine_process *m);
const char *machine_file(struct machine_process *m, const char *name, uint64_t len_bytes);

/* Sends one line to the monitor and waits for the next prompt. Returns how many milliseconds it took, or -1 after
 * `timeout_ms` without one or when the process is gone. The answer is put into `answer`, zero-terminated. */
int64_t machine_ask(struct machine_process *m, const char *line, char *answer, size_t size, int timeout_ms);
/* True when the process has ended by now. */
bool machine_poll_end(struct machine_process *m);
/* Sends a signal and waits; returns the milliseconds until its end, or -1 after `timeout_ms`. */
int64_t machine_signal(struct machine_process *m, int number, int timeout_ms);
/* Ends it if it has not ended, and cleans up. With `show_errors`, copies its standard error to ours. */
void machine_end(struct machine_process *m, bool show_errors);

#endif
