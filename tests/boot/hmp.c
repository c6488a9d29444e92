/*
 * A client of the monitor for test scripts: hmp [-l MS] SOCKET COMMAND...
 * Sends each command, waits for the prompt and prints the answer without echo and carriage returns. With -l it fails if
 * an answer takes longer than MS milliseconds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define PROMPT    "(qemu) "
#define TIMEOUT_S 20

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "hmp: %s\n", what);
    exit(EXIT_FAILURE);
}

static double now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

/* Everything up to the prompt, or to the end if the machine leaves. */
static char *read_answer(int fd)
{
    size_t len = 0, size = 1 << 16, prompt = strlen(PROMPT);
    char *text = malloc(size);

    for (;;) {
        ssize_t n;

        if (len + 1 == size && !(text = realloc(text, size *= 2)))
            fail("out of memory");
        n = read(fd, text + len, size - len - 1);
        if (n < 0)
            fail("no answer in time");
        len += (size_t)n;
        text[len] = '\0';
        if (n == 0 || (len >= prompt && strcmp(text + len - prompt, PROMPT) == 0))
            return text;
    }
}

/* Without the echoed line, the prompt and carriage returns. */
static void print_answer(char *text)
{
    char *at = strchr(text, '\n'), *prompt = strstr(text, PROMPT);

    if (prompt)
        *prompt = '\0';
    for (at = at ? at + 1 : text; *at; at++)
        if (*at != '\r')
            putchar(*at);
}

int main(int argc, char **argv)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval timeout = {.tv_sec = TIMEOUT_S};
    double limit_ms = 0;
    int fd = socket(AF_UNIX, SOCK_STREAM, 0), i = 1;

    if (argc > 3 && strcmp(argv[1], "-l") == 0) {
        limit_ms = atof(argv[2]);
        i = 3;
    }
    if (i >= argc || strlen(argv[i]) >= sizeof address.sun_path)
        fail("use: hmp [-l MS] SOCKET COMMAND...");
    strcpy(address.sun_path, argv[i++]);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
        fail("cannot connect");
    free(read_answer(fd));
    for (; i < argc; i++) {
        double start = now_ms(), took;
        size_t len = strlen(argv[i]);
        char *answer;

        if (write(fd, argv[i], len) != (ssize_t)len || write(fd, "\n", 1) != 1)
            fail("cannot send");
        answer = read_answer(fd);
        took = now_ms() - start;
        print_answer(answer);
        free(answer);
        if (limit_ms && took > limit_ms) {
            fprintf(stderr, "hmp: '%s' took %.1f ms\n", argv[i], took);
            exit(EXIT_FAILURE);
        }
    }
    close(fd);
    return EXIT_SUCCESS;
}
