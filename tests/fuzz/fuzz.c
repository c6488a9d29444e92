/* See fuzz.h. */
#include "tests/fuzz/fuzz.h"

#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#if defined __SANITIZE_ADDRESS__
#define SLOWDOWN 10
#elif defined __has_feature
#if __has_feature(address_sanitizer)
#define SLOWDOWN 10
#endif
#endif
#ifndef SLOWDOWN
#define SLOWDOWN 1
#endif

/* For the signal handler and the sanitizers' death callback, which get no argument. */
static struct {
    uint64_t seed;
    const char *what;
    uint64_t a, b;
    _Atomic uint64_t steps;
    uint64_t steps_seen;
    unsigned step_ms;
} now;

/* The sanitizers' runtime has it; plain builds do not. */
__attribute__((weak)) void __sanitizer_set_death_callback(void (*callback)(void));

static void say_where(void)
{
    char line[200];
    int n = snprintf(line, sizeof line, "fuzz: seed %" PRIu64 ", step %" PRIu64 ", %s %" PRIx64 " %" PRIx64 "\n",
                     now.seed, (uint64_t)now.steps, now.what ? now.what : "", now.a, now.b);

    if (n > 0 && write(STDERR_FILENO, line, (size_t)n) < 0)
        _exit(EXIT_FAILURE);
}

static void on_death(int number)
{
    say_where();
    signal(number, SIG_DFL);
    raise(number);
}

static void on_tick(int number)
{
    static const char text[] = "fuzz: one step took too long\n";

    if (now.steps_seen != now.steps) {
        now.steps_seen = now.steps;
        return;
    }
    if (write(STDERR_FILENO, text, sizeof text - 1) < 0)
        _exit(EXIT_FAILURE);
    abort();
}

struct fuzz fuzz_start(uint64_t seed)
{
    static bool is_set_up;

    now.seed = seed;
    if (!is_set_up) {
        is_set_up = true;
        signal(SIGABRT, on_death);
        if (__sanitizer_set_death_callback)
            __sanitizer_set_death_callback(say_where);
        else
            signal(SIGSEGV, on_death);
    }
    return (struct fuzz){.state = seed};
}

void fuzz_watch(unsigned step_ms)
{
    unsigned ms = step_ms * SLOWDOWN;
    const struct itimerval every = {.it_interval = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000},
                                    .it_value = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000}};

    now.steps_seen = UINT64_MAX;
    signal(SIGPROF, on_tick);
    setitimer(ITIMER_PROF, &every, NULL);
}

unsigned fuzz_slowdown(void)
{
    return SLOWDOWN;
}

void fuzz_step(void)
{
    atomic_store_explicit(&now.steps, now.steps + 1, memory_order_relaxed);
}

void fuzz_note(const char *what, uint64_t a, uint64_t b)
{
    now.what = what;
    now.a = a;
    now.b = b;
}

uint32_t fuzz_value(struct fuzz *f)
{
    uint64_t r = fuzz_next(f);
    uint32_t any = (uint32_t)(r >> 32);

    switch (r % 8) {
    case 0:
        return 0;
    case 1:
        return UINT32_MAX;
    case 2:
        return 1u << any % 32;
    case 3:
        return any % 16;
    case 4:
        return any & 0xffff0; /* in RAM, aligned */
    case 5:
        return any & 0xff;
    default:
        return any;
    }
}

void fuzz_bytes(struct fuzz *f, void *bytes, size_t len)
{
    uint8_t *p = bytes;

    while (len) {
        uint64_t r = fuzz_next(f);
        size_t n = len < sizeof r ? len : sizeof r;

        memcpy(p, &r, n);
        p += n;
        len -= n;
    }
}

size_t fuzz_mutate(struct fuzz *f, uint8_t *bytes, size_t len, size_t size)
{
    unsigned n = 1 + (unsigned)fuzz_below(f, 8);

    while (n--) {
        size_t at = len ? fuzz_below(f, len) : 0, width = (size_t)1 << fuzz_below(f, 4);

        switch (fuzz_below(f, 8)) {
        case 0: /* shorter */
            len = at;
            break;
        case 1: /* longer */
            at = fuzz_below(f, 64);
            at = at < size - len ? at : size - len;
            fuzz_bytes(f, bytes + len, at);
            len += at;
            break;
        case 2: /* a field with an interesting value */
        case 3:
            for (uint32_t v = fuzz_value(f); width && at < len; width--, v >>= 8)
                bytes[at++] = (uint8_t)v;
            break;
        case 4:
            if (len) {
                size_t from = fuzz_below(f, len), room = len - (at > from ? at : from);

                memmove(bytes + at, bytes + from, fuzz_below(f, room + 1));
            }
            break;
        default: /* a bit */
            if (len)
                bytes[at] ^= (uint8_t)(1u << fuzz_below(f, 8));
            break;
        }
    }
    return len;
}

struct fuzz_args fuzz_parse_args(int argc, char **argv, struct fuzz_args defaults)
{
    struct fuzz_args args = defaults;

    for (int i = 1; i < argc; i++) {
        uint64_t *value = strcmp(argv[i], "--seed") == 0    ? &args.seed
                          : strcmp(argv[i], "--count") == 0 ? &args.count
                          : strcmp(argv[i], "--min") == 0   ? &args.min
                                                            : NULL;
        char *end = NULL;

        if (strcmp(argv[i], "--verbose") == 0) {
            args.is_verbose = true;
            continue;
        }
        if (value && i + 1 < argc)
            *value = strtoull(argv[++i], &end, 0);
        if (!end || !*argv[i] || *end) {
            fprintf(stderr, "usage: %s [--seed N] [--count N] [--min N] [--verbose]\n", argv[0]);
            exit(EXIT_FAILURE);
        }
    }
    return args;
}
