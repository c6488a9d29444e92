/* See machine.h. */
#define _GNU_SOURCE
#include "tests/fuzz/machine.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PROMPT     "(qemu) "
#define START_MS   10000
#define MAX_ANSWER 4096

int64_t machine_now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000ll + t.tv_nsec / 1000000;
}

static bool fail(const char *what)
{
    fprintf(stderr, "machine: %s: %s\n", what, strerror(errno));
    return false;
}

bool machine_prepare(struct machine_process *m)
{
    *m = (struct machine_process){.debug_fd = -1, .monitor_fd = -1};
    strcpy(m->directory, "/tmp/morph86-test-XXXXXX");
    if (!mkdtemp(m->directory))
        return fail("a temporary folder");
    return true;
}

const char *machine_file(struct machine_process *m, const char *name, uint64_t len_bytes)
{
    static char path[8][128];
    static unsigned next;
    char *p = path[next++ % 8];
    int fd;

    snprintf(p, sizeof path[0], "%s/%s", m->directory, name);
    fd = open(p, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, (off_t)len_bytes) < 0)
        fail(p);
    if (fd >= 0)
        close(fd);
    return p;
}

static void become_machine(struct machine_process *m, const char *morph86, const char *const *args, int debug_fd,
                           bool with_monitor)
{
    const char *argv[MACHINE_MAX_ARGS + 8];
    char monitor[160], errors[128];
    unsigned n = 0;
    int fd;

    snprintf(monitor, sizeof monitor, "unix:%s/monitor,server=on,wait=off", m->directory);
    snprintf(errors, sizeof errors, "%s/errors", m->directory);
    argv[n++] = morph86;
    for (unsigned i = 0; args[i] && i < MACHINE_MAX_ARGS; i++)
        argv[n++] = args[i];
    argv[n++] = "-monitor";
    argv[n++] = with_monitor ? monitor : "null";
    argv[n] = NULL;
    if ((fd = open("/dev/null", O_RDWR)) < 0 || dup2(fd, STDIN_FILENO) < 0 || dup2(debug_fd, STDOUT_FILENO) < 0)
        _exit(EXIT_FAILURE);
    if ((fd = open(errors, O_WRONLY | O_CREAT | O_APPEND, 0600)) < 0 || dup2(fd, STDERR_FILENO) < 0)
        _exit(EXIT_FAILURE);
    setenv("ASAN_OPTIONS", "abort_on_error=1:detect_leaks=0", 1);
    setenv("UBSAN_OPTIONS", "abort_on_error=1:print_stacktrace=1", 1);
    execv(morph86, (char *const *)argv);
    _exit(127);
}

static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    snprintf(address.sun_path, sizeof address.sun_path, "%.107s", path);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    close(fd);
    return -1;
}

/* Reads until the prompt. */
static bool read_prompt(struct machine_process *m, char *answer, size_t size, int64_t deadline_ms)
{
    size_t n = 0;

    for (;;) {
        struct pollfd p = {.fd = m->monitor_fd, .events = POLLIN};
        int64_t left = deadline_ms - machine_now_ms();
        ssize_t got;

        if (left <= 0 || poll(&p, 1, (int)left) <= 0)
            return false;
        if (n + 1 >= size)
            n = 0; /* only its end matters */
        got = read(m->monitor_fd, answer + n, size - 1 - n);
        if (got <= 0)
            return false;
        n += (size_t)got;
        answer[n] = '\0';
        if (n >= sizeof PROMPT - 1 && strcmp(answer + n - (sizeof PROMPT - 1), PROMPT) == 0)
            return true;
    }
}

bool machine_start(struct machine_process *m, const char *morph86, const char *const *args, bool with_monitor)
{
    char path[128], answer[MAX_ANSWER];
    int64_t deadline = machine_now_ms() + START_MS;
    int pipes[2];

    if (pipe2(pipes, O_CLOEXEC) < 0)
        return fail("pipe");
    m->pid = fork();
    if (m->pid == 0)
        become_machine(m, morph86, args, pipes[1], with_monitor);
    close(pipes[1]);
    m->debug_fd = pipes[0];
    fcntl(m->debug_fd, F_SETFL, O_NONBLOCK);
    if (m->pid < 0)
        return fail("fork");
    if (!with_monitor)
        return true;
    snprintf(path, sizeof path, "%s/monitor", m->directory);
    while ((m->monitor_fd = connect_to(path)) < 0) {
        if (machine_now_ms() > deadline || machine_poll_end(m))
            return false;
        usleep(5000);
    }
    return read_prompt(m, answer, sizeof answer, deadline);
}

int64_t machine_ask(struct machine_process *m, const char *line, char *answer, size_t size, int timeout_ms)
{
    int64_t start = machine_now_ms();
    char text[256];
    int n = snprintf(text, sizeof text, "%s\n", line);

    if (m->monitor_fd < 0 || send(m->monitor_fd, text, (size_t)n, MSG_NOSIGNAL) != n ||
        !read_prompt(m, answer, size, start + timeout_ms))
        return -1;
    return machine_now_ms() - start;
}

bool machine_poll_end(struct machine_process *m)
{
    if (!m->is_over && m->pid > 0)
        m->is_over = waitpid(m->pid, &m->status, WNOHANG) == m->pid;
    return m->is_over;
}

int64_t machine_signal(struct machine_process *m, int number, int timeout_ms)
{
    int64_t start = machine_now_ms();

    if (machine_poll_end(m))
        return 0;
    kill(m->pid, number);
    while (machine_now_ms() - start < timeout_ms) {
        if (machine_poll_end(m))
            return machine_now_ms() - start;
        usleep(1000);
    }
    return -1;
}

static void remove_files(const struct machine_process *m)
{
    static const char *const names[] = {"monitor", "errors", "hda", "hdb", "cdrom", "fda", "rom"};
    char path[128];

    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", m->directory, names[i]);
        unlink(path);
    }
    rmdir(m->directory);
}

void machine_end(struct machine_process *m, bool show_errors)
{
    char line[512], path[128];
    FILE *errors;

    if (m->pid > 0 && !machine_poll_end(m)) {
        kill(m->pid, SIGKILL);
        waitpid(m->pid, &m->status, 0);
        m->is_over = true;
    }
    snprintf(path, sizeof path, "%s/errors", m->directory);
    if (show_errors && (errors = fopen(path, "r"))) {
        while (fgets(line, sizeof line, errors))
            fputs(line, stderr);
        fclose(errors);
    }
    if (m->debug_fd >= 0)
        close(m->debug_fd);
    if (m->monitor_fd >= 0)
        close(m->monitor_fd);
    remove_files(m);
    m->pid = 0;
}
