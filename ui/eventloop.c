/* Host events for the machine thread. See eventloop.h. */
#include "ui/eventloop.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define MAX_EVENTS 16

struct event_source {
    struct event_loop *loop;
    int fd;
    bool is_wanted, is_writing;
    bool is_always_ready; /* a regular file, which epoll refuses */
    bool is_removed;      /* free for reuse once the I/O thread has forgotten it */
    uint64_t removed_at;  /* loop->batches then */
    bool is_ready;        /* reported by the I/O thread, not served yet; under loop->lock */
    void (*ready)(void *opaque);
    void *opaque;
    struct event_source *next;
};

struct event_loop {
    struct clock *clock;
    int epoll_fd, timer_fd, quit_fd;
    pthread_t thread;
    bool thread_runs;
    void (*wake)(void *opaque);
    void *wake_opaque;
    struct event_source *sources; /* only grows; written before it is linked */
    int64_t armed_ns;             /* deadline the timerfd is set to, CLOCK_NEVER if none; machine thread only */
    bool is_paused;

    pthread_mutex_t lock; /* guards what follows and is_ready */
    pthread_cond_t happened;
    bool pending;     /* something to serve since the last poll */
    uint64_t batches; /* how often the I/O thread has come back from epoll and dealt with all it got */
};

static void note_pending(struct event_loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    loop->pending = true;
    pthread_cond_signal(&loop->happened);
    pthread_mutex_unlock(&loop->lock);
    if (loop->wake)
        loop->wake(loop->wake_opaque);
}

static void *io_thread(void *opaque)
{
    struct event_loop *loop = opaque;
    struct epoll_event events[MAX_EVENTS];

    for (;;) {
        int n = epoll_wait(loop->epoll_fd, events, MAX_EVENTS, -1);

        if (n < 0 && errno != EINTR)
            return NULL;
        for (int i = 0; i < n; i++) {
            struct event_source *source = events[i].data.ptr;
            uint64_t expirations;

            if (events[i].data.ptr == &loop->quit_fd)
                return NULL;
            if (events[i].data.ptr == &loop->timer_fd) {
                if (read(loop->timer_fd, &expirations, sizeof expirations) < 0)
                    continue; /* re-armed meanwhile */
            } else {
                pthread_mutex_lock(&loop->lock);
                source->is_ready = true;
                pthread_mutex_unlock(&loop->lock);
            }
            note_pending(loop);
        }
        pthread_mutex_lock(&loop->lock);
        loop->batches++;
        pthread_mutex_unlock(&loop->lock);
    }
}

/* Sets the timerfd to the clock's next deadline. The host clock's zero is not CLOCK_MONOTONIC's, so it is a distance.
 */
static void arm_timer(struct event_loop *loop)
{
    int64_t deadline = loop->is_paused ? CLOCK_NEVER : clock_next_deadline_ns(loop->clock);
    struct itimerspec spec = {0};

    if (deadline == loop->armed_ns)
        return;
    loop->armed_ns = deadline;
    if (deadline != CLOCK_NEVER) {
        int64_t delay = deadline - clock_now_ns(loop->clock);

        if (delay < 1)
            delay = 1;
        spec.it_value.tv_sec = delay / NS_PER_SECOND;
        spec.it_value.tv_nsec = delay % NS_PER_SECOND;
    }
    timerfd_settime(loop->timer_fd, 0, &spec, NULL);
}

static void rearm(void *opaque)
{
    struct event_loop *loop = opaque;

    /* Later deadlines can wait for the next expiry; only an earlier one must reach the timerfd now. */
    if (clock_next_deadline_ns(loop->clock) < loop->armed_ns)
        arm_timer(loop);
}

static bool epoll_add(struct event_loop *loop, int fd, void *tag, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = tag};

    return epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

static void source_rearm(struct event_source *source)
{
    struct event_loop *loop = source->loop;
    uint32_t events = (source->is_wanted ? EPOLLIN : 0u) | (source->is_writing ? EPOLLOUT : 0u);
    struct epoll_event event = {.events = events | EPOLLONESHOT, .data.ptr = source};

    if (!events)
        return; /* a one-shot watch that has fired stays silent; one that has not is ignored when it does */
    if (!source->is_always_ready) {
        epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, source->fd, &event);
        return;
    }
    pthread_mutex_lock(&loop->lock);
    source->is_ready = true;
    pthread_mutex_unlock(&loop->lock);
    note_pending(loop);
}

struct event_loop *event_loop_create(struct clock *clock)
{
    struct event_loop *loop = calloc(1, sizeof *loop);

    if (!loop)
        return NULL;
    loop->clock = clock;
    loop->armed_ns = CLOCK_NEVER;
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    loop->quit_fd = eventfd(0, EFD_CLOEXEC);
    pthread_mutex_init(&loop->lock, NULL);
    pthread_cond_init(&loop->happened, NULL);
    if (loop->epoll_fd < 0 || loop->timer_fd < 0 || loop->quit_fd < 0 ||
        !epoll_add(loop, loop->timer_fd, &loop->timer_fd, EPOLLIN) ||
        !epoll_add(loop, loop->quit_fd, &loop->quit_fd, EPOLLIN)) {
        event_loop_destroy(loop);
        return NULL;
    }
    clock_on_rearm(clock, rearm, loop);
    return loop;
}

bool event_loop_start(struct event_loop *loop, void (*wake)(void *opaque), void *opaque)
{
    loop->wake = wake;
    loop->wake_opaque = opaque;
    errno = pthread_create(&loop->thread, NULL, io_thread, loop);
    loop->thread_runs = errno == 0;
    if (loop->thread_runs)
        arm_timer(loop);
    return loop->thread_runs;
}

void event_loop_stop(struct event_loop *loop)
{
    uint64_t one = 1;

    if (loop->thread_runs && write(loop->quit_fd, &one, sizeof one) == sizeof one) {
        pthread_join(loop->thread, NULL);
        loop->thread_runs = false;
    }
}

void event_loop_destroy(struct event_loop *loop)
{
    if (!loop)
        return;
    event_loop_stop(loop);
    clock_on_rearm(loop->clock, NULL, NULL);
    for (struct event_source *source = loop->sources, *next; source; source = next) {
        next = source->next;
        free(source);
    }
    if (loop->epoll_fd >= 0)
        close(loop->epoll_fd);
    if (loop->timer_fd >= 0)
        close(loop->timer_fd);
    if (loop->quit_fd >= 0)
        close(loop->quit_fd);
    pthread_cond_destroy(&loop->happened);
    pthread_mutex_destroy(&loop->lock);
    free(loop);
}

/* A removed source that no event on its way can name any more: the I/O thread has finished the batch that was in flight
 * when it was removed. */
static struct event_source *reusable_source(struct event_loop *loop)
{
    struct event_source *source;

    pthread_mutex_lock(&loop->lock);
    for (source = loop->sources; source; source = source->next)
        if (source->is_removed && source->removed_at != loop->batches)
            break;
    if (source)
        source->is_removed = source->is_ready = false;
    pthread_mutex_unlock(&loop->lock);
    return source;
}

static void link_source(struct event_loop *loop, struct event_source *source)
{
    pthread_mutex_lock(&loop->lock);
    source->next = loop->sources;
    loop->sources = source;
    pthread_mutex_unlock(&loop->lock);
}

struct event_source *event_loop_watch(struct event_loop *loop, int fd, void (*ready)(void *opaque), void *opaque)
{
    struct event_source *source = reusable_source(loop);

    if (!source) {
        if (!(source = calloc(1, sizeof *source)))
            return NULL;
        source->loop = loop;
        source->is_removed = true; /* until it is set up: the I/O thread does not know it yet */
        link_source(loop, source);
    }
    source->fd = fd;
    source->ready = ready;
    source->opaque = opaque;
    source->is_writing = false;
    source->is_always_ready = false;
    source->is_removed = false;
    source->is_wanted = true;
    if (epoll_add(loop, fd, source, EPOLLIN | EPOLLONESHOT))
        return source;
    if (errno == EPERM) { /* a regular file */
        source->is_always_ready = true;
        source_rearm(source);
        return source;
    }
    source->is_wanted = false;
    source->is_removed = true;
    return NULL;
}

void event_source_set_wanted(struct event_source *source, bool wanted)
{
    if (source->is_wanted == wanted)
        return;
    source->is_wanted = wanted;
    source_rearm(source);
}

void event_source_set_writing(struct event_source *source, bool writing)
{
    if (source->is_writing == writing)
        return;
    source->is_writing = writing;
    source_rearm(source);
}

void event_source_remove(struct event_source *source)
{
    struct event_loop *loop;

    if (!source)
        return;
    loop = source->loop;
    if (!source->is_always_ready)
        epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
    pthread_mutex_lock(&loop->lock);
    source->is_wanted = source->is_writing = source->is_ready = false;
    source->is_removed = true;
    source->removed_at = loop->batches;
    pthread_mutex_unlock(&loop->lock);
}

void event_loop_set_paused(struct event_loop *loop, bool paused)
{
    loop->is_paused = paused;
    arm_timer(loop);
}

void event_loop_poll(struct event_loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    loop->pending = false;
    for (struct event_source *source = loop->sources; source; source = source->next) {
        if (!source->is_ready)
            continue;
        source->is_ready = false;
        pthread_mutex_unlock(&loop->lock);
        if (source->is_wanted || source->is_writing)
            source->ready(source->opaque);
        if (source->is_wanted || source->is_writing)
            source_rearm(source);
        pthread_mutex_lock(&loop->lock);
    }
    pthread_mutex_unlock(&loop->lock);
    if (clock_now_ns(loop->clock) >= loop->armed_ns)
        loop->armed_ns = CLOCK_NEVER;
    clock_run_due(loop->clock);
    arm_timer(loop);
}

void event_loop_idle(struct event_loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    while (!loop->pending)
        pthread_cond_wait(&loop->happened, &loop->lock);
    pthread_mutex_unlock(&loop->lock);
    event_loop_poll(loop);
}

void event_loop_kick(struct event_loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    loop->pending = true;
    pthread_cond_signal(&loop->happened);
    pthread_mutex_unlock(&loop->lock);
}
