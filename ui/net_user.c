/*
 * User-mode networking by libslirp. See net_user.h.
 *
 * libslirp runs on a thread of its own: `lock` guards every call into it. Frames for the guest are queued under
 * `queue_lock` and handed to the card on the machine thread.
 */
#include "ui/net_user.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <slirp/libslirp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define QUEUE_BYTES_MAX (8u << 20)
#define MAX_FORWARDS    32
#define MAX_POLLS       1024

struct frame {
    struct frame *next;
    size_t len_bytes;
    uint8_t bytes[];
};

struct slirp_timer {
    struct slirp_timer *next;
    SlirpTimerCb fire;
    void *opaque;
    int64_t expire_ms; /* -1: not armed */
};

struct net_user {
    struct host_net host; /* first: the card sees only this */
    Slirp *slirp;
    pthread_mutex_t lock;
    pthread_t thread;
    bool thread_runs, must_quit; /* must_quit: under lock */
    int kick_fd;                 /* ends the thread's poll */
    struct slirp_timer *timers;
    struct pollfd polls[MAX_POLLS];
    unsigned n_polls;

    pthread_mutex_t queue_lock;
    struct frame *first, **last;
    size_t queued_bytes;
    int ready_fd; /* readable: frames are queued */
    struct event_source *ready;
};

struct forward {
    bool is_udp;
    struct in_addr host, guest;
    int host_port, guest_port;
};

struct user_options {
    SlirpConfig slirp;
    char hostname[64], domainname[256];
    struct forward forward[MAX_FORWARDS];
    unsigned n_forwards;
};

/* ---- urgent data ---- */

#define ETHERTYPE_AT   12
#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_IPV6 0x86dd
#define PROTOCOL_TCP   6
#define TCP_URG        0x20

static unsigned get16be(const uint8_t *p)
{
    return (unsigned)p[0] << 8 | p[1];
}

/* RFC 1624: the checksum after one 16-bit word changed. */
static void adjust_checksum(uint8_t *checksum, unsigned old_word, unsigned new_word)
{
    uint32_t sum = (~get16be(checksum) & 0xffff) + (~old_word & 0xffff) + new_word;

    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    sum = ~sum;
    checksum[0] = (uint8_t)(sum >> 8);
    checksum[1] = (uint8_t)sum;
}

bool net_user_clear_urgent(uint8_t *frame, size_t len_bytes)
{
    uint8_t *ip = frame + 14, *tcp;
    size_t len;
    unsigned old_flags;

    if (len_bytes < 14 + 20)
        return true;
    len = len_bytes - 14;
    if (get16be(frame + ETHERTYPE_AT) == ETHERTYPE_IPV4) {
        size_t header = (ip[0] & 0xfu) * 4;

        if (get16be(ip + 6) & 0x3fff)
            return false; /* fragments: libslirp 4.7 follows wild pointers when it puts some of them together */
        if (ip[9] != PROTOCOL_TCP)
            return true;
        if (header < 20 || len < header + 20)
            return false;
        tcp = ip + header;
    } else if (get16be(frame + ETHERTYPE_AT) == ETHERTYPE_IPV6) {
        if (len < 40 || ip[6] != PROTOCOL_TCP)
            return true;
        if (len < 40 + 20)
            return false;
        tcp = ip + 40;
    } else {
        return true;
    }
    if (!(tcp[13] & TCP_URG))
        return true;
    old_flags = get16be(tcp + 12);
    tcp[13] &= (uint8_t)~TCP_URG;
    adjust_checksum(tcp + 16, old_flags, get16be(tcp + 12));
    adjust_checksum(tcp + 16, get16be(tcp + 18), 0);
    tcp[18] = tcp[19] = 0;
    return true;
}

/* ---- libslirp's callbacks, on its thread with `lock` held, or in net_user_send ---- */

static int64_t now_ns(void *opaque)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static void kick(int fd)
{
    uint64_t one = 1;
    ssize_t n = write(fd, &one, sizeof one);

    (void)n; /* full means that it is already readable */
}

static ssize_t from_slirp(const void *bytes, size_t len, void *opaque)
{
    struct net_user *net = opaque;
    struct frame *frame = malloc(sizeof *frame + len);

    if (!frame)
        return (ssize_t)len;
    frame->next = NULL;
    frame->len_bytes = len;
    memcpy(frame->bytes, bytes, len);
    pthread_mutex_lock(&net->queue_lock);
    if (net->queued_bytes + len <= QUEUE_BYTES_MAX) {
        net->queued_bytes += len;
        *net->last = frame;
        net->last = &frame->next;
        frame = NULL;
    }
    pthread_mutex_unlock(&net->queue_lock);
    free(frame); /* the guest does not keep up: a lost frame, as on any network */
    kick(net->ready_fd);
    return (ssize_t)len;
}

static void guest_error(const char *text, void *opaque) {}

static void *timer_new(SlirpTimerCb fire, void *fire_opaque, void *opaque)
{
    struct net_user *net = opaque;
    struct slirp_timer *timer = calloc(1, sizeof *timer);

    if (timer) {
        *timer = (struct slirp_timer){.next = net->timers, .fire = fire, .opaque = fire_opaque, .expire_ms = -1};
        net->timers = timer;
    }
    return timer;
}

static void timer_free(void *timer, void *opaque)
{
    struct net_user *net = opaque;

    for (struct slirp_timer **link = &net->timers; *link; link = &(*link)->next)
        if (*link == timer) {
            *link = (*link)->next;
            free(timer);
            return;
        }
}

static void timer_mod(void *timer, int64_t expire_ms, void *opaque)
{
    struct net_user *net = opaque;

    ((struct slirp_timer *)timer)->expire_ms = expire_ms;
    kick(net->kick_fd);
}

static void poll_fd_changed(int fd, void *opaque) {}

static void notify(void *opaque)
{
    struct net_user *net = opaque;

    kick(net->kick_fd);
}

static const SlirpCb callbacks = {.send_packet = from_slirp,
                                  .guest_error = guest_error,
                                  .clock_get_ns = now_ns,
                                  .timer_new = timer_new,
                                  .timer_free = timer_free,
                                  .timer_mod = timer_mod,
                                  .register_poll_fd = poll_fd_changed,
                                  .unregister_poll_fd = poll_fd_changed,
                                  .notify = notify};

/* ---- its thread ---- */

static int add_poll(int fd, int events, void *opaque)
{
    struct net_user *net = opaque;
    struct pollfd *p = &net->polls[net->n_polls];

    if (net->n_polls == MAX_POLLS)
        return -1;
    *p = (struct pollfd){.fd = fd};
    p->events = (short)((events & SLIRP_POLL_IN ? POLLIN : 0) | (events & SLIRP_POLL_OUT ? POLLOUT : 0) |
                        (events & SLIRP_POLL_PRI ? POLLPRI : 0));
    return (int)net->n_polls++;
}

static int get_revents(int index, void *opaque)
{
    struct net_user *net = opaque;
    short r = index >= 0 ? net->polls[index].revents : 0;

    return (r & POLLIN ? SLIRP_POLL_IN : 0) | (r & POLLOUT ? SLIRP_POLL_OUT : 0) | (r & POLLPRI ? SLIRP_POLL_PRI : 0) |
           (r & POLLERR ? SLIRP_POLL_ERR : 0) | (r & POLLHUP ? SLIRP_POLL_HUP : 0);
}

static void run_timers(struct net_user *net, uint32_t *timeout_ms)
{
    int64_t now = now_ns(NULL) / 1000000;

    for (struct slirp_timer *timer = net->timers, *next; timer; timer = next) {
        next = timer->next;
        if (timer->expire_ms < 0)
            continue;
        if (timer->expire_ms <= now) {
            timer->expire_ms = -1;
            timer->fire(timer->opaque);
        } else if (timer->expire_ms - now < *timeout_ms) {
            *timeout_ms = (uint32_t)(timer->expire_ms - now);
        }
    }
}

static void *slirp_thread(void *opaque)
{
    struct net_user *net = opaque;

    pthread_mutex_lock(&net->lock);
    while (!net->must_quit) {
        uint32_t timeout_ms = INT32_MAX;
        uint64_t count;
        int n;

        net->n_polls = 0;
        add_poll(net->kick_fd, SLIRP_POLL_IN, net);
        slirp_pollfds_fill(net->slirp, &timeout_ms, add_poll, net);
        run_timers(net, &timeout_ms);
        pthread_mutex_unlock(&net->lock);
        n = poll(net->polls, net->n_polls, (int)timeout_ms);
        if (net->polls[0].revents & POLLIN && read(net->kick_fd, &count, sizeof count) < 0)
            n = 0;
        pthread_mutex_lock(&net->lock);
        slirp_pollfds_poll(net->slirp, n < 0, get_revents, net);
    }
    pthread_mutex_unlock(&net->lock);
    return NULL;
}

/* Signals are the main thread's: one that this thread took would end the process at once. */
static bool start_thread(struct net_user *net)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    errno = pthread_create(&net->thread, NULL, slirp_thread, net);
    net->thread_runs = errno == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return net->thread_runs;
}

/* ---- the card's side, on the machine thread ---- */

static void net_user_send(struct host_net *self, const uint8_t *frame, size_t len_bytes)
{
    struct net_user *net = (struct net_user *)self;
    uint8_t copy[HOST_NET_FRAME_MAX];

    if (len_bytes > sizeof copy)
        return;
    memcpy(copy, frame, len_bytes);
    if (!net_user_clear_urgent(copy, len_bytes))
        return;
    pthread_mutex_lock(&net->lock);
    slirp_input(net->slirp, copy, (int)len_bytes);
    pthread_mutex_unlock(&net->lock);
    kick(net->kick_fd); /* it may have a socket to watch now */
}

static void deliver(struct net_user *net)
{
    while (net->host.receive && net->host.can_receive(net->host.receiver)) {
        struct frame *frame;

        pthread_mutex_lock(&net->queue_lock);
        frame = net->first;
        if (frame) {
            net->queued_bytes -= frame->len_bytes;
            net->first = frame->next;
            if (!net->first)
                net->last = &net->first;
        }
        pthread_mutex_unlock(&net->queue_lock);
        if (!frame)
            return;
        net->host.receive(net->host.receiver, frame->bytes, frame->len_bytes);
        free(frame);
    }
}

static void frames_ready(void *opaque)
{
    struct net_user *net = opaque;
    uint64_t count;

    if (read(net->ready_fd, &count, sizeof count) == sizeof count)
        deliver(net);
}

static void net_user_accept_input(struct host_net *self)
{
    deliver((struct net_user *)self);
}

static void net_user_destroy(struct host_net *self)
{
    struct net_user *net = (struct net_user *)self;

    if (net->thread_runs) {
        pthread_mutex_lock(&net->lock);
        net->must_quit = true;
        pthread_mutex_unlock(&net->lock);
        kick(net->kick_fd);
        pthread_join(net->thread, NULL);
    }
    if (net->ready)
        event_source_remove(net->ready);
    if (net->slirp)
        slirp_cleanup(net->slirp);
    while (net->timers)
        timer_free(net->timers, net);
    for (struct frame *frame = net->first, *next; frame; frame = next) {
        next = frame->next;
        free(frame);
    }
    if (net->kick_fd >= 0)
        close(net->kick_fd);
    if (net->ready_fd >= 0)
        close(net->ready_fd);
    pthread_mutex_destroy(&net->lock);
    pthread_mutex_destroy(&net->queue_lock);
    free(net);
}

/* ---- options ---- */

static bool parse_port(const char *text, int *port)
{
    char *end;
    long value = strtol(text, &end, 10);

    *port = (int)value;
    return end != text && !*end && value > 0 && value < 65536;
}

/* tcp:[ADDR]:PORT-[ADDR]:PORT, in place */
static bool parse_forward(char *text, struct forward *f)
{
    char *host, *guest, *host_port, *guest_port;

    f->is_udp = strncmp(text, "udp:", 4) == 0;
    if (!f->is_udp && strncmp(text, "tcp:", 4) != 0) {
        if (text[0] != ':')
            return false;
        host = text + 1; /* the protocol may be left out */
    } else {
        host = text + 4;
    }
    if (!(guest = strchr(host, '-')))
        return false;
    *guest++ = '\0';
    if (!(host_port = strrchr(host, ':')) || !(guest_port = strrchr(guest, ':')))
        return false;
    *host_port++ = *guest_port++ = '\0';
    return (!*host || inet_pton(AF_INET, host, &f->host) == 1) &&
           (!*guest || inet_pton(AF_INET, guest, &f->guest) == 1) && parse_port(host_port, &f->host_port) &&
           parse_port(guest_port, &f->guest_port);
}

static bool parse_switch(const char *text, bool *value)
{
    *value = strcmp(text, "on") == 0 || strcmp(text, "yes") == 0;
    return *value || strcmp(text, "off") == 0 || strcmp(text, "no") == 0;
}

static bool parse_network(char *text, SlirpConfig *config)
{
    char *bits_text = strchr(text, '/'), *end;
    long bits = 24;

    if (bits_text) {
        *bits_text++ = '\0';
        bits = strtol(bits_text, &end, 10);
        if (*end || bits < 8 || bits > 30)
            return false;
    }
    if (inet_pton(AF_INET, text, &config->vnetwork) != 1)
        return false;
    config->vnetmask.s_addr = htonl(0xffffffffu << (32 - bits));
    config->vnetwork.s_addr &= config->vnetmask.s_addr;
    /* The usual places in it: .2 the gateway, .3 the name server, .15 the first guest. */
    config->vhost.s_addr = config->vnetwork.s_addr | htonl(2);
    config->vnameserver.s_addr = config->vnetwork.s_addr | htonl(3);
    config->vdhcp_start.s_addr = config->vnetwork.s_addr | htonl(bits > 27 ? 4 : 15);
    return true;
}

static bool parse_key(struct user_options *o, const char *key, char *value)
{
    SlirpConfig *c = &o->slirp;
    bool on;

    if (strcmp(key, "hostfwd") == 0)
        return o->n_forwards < MAX_FORWARDS && parse_forward(value, &o->forward[o->n_forwards++]);
    if (strcmp(key, "net") == 0)
        return parse_network(value, c);
    if (strcmp(key, "host") == 0)
        return inet_pton(AF_INET, value, &c->vhost) == 1;
    if (strcmp(key, "dns") == 0)
        return inet_pton(AF_INET, value, &c->vnameserver) == 1;
    if (strcmp(key, "dhcpstart") == 0)
        return inet_pton(AF_INET, value, &c->vdhcp_start) == 1;
    if (strcmp(key, "hostname") == 0) {
        c->vhostname = o->hostname;
        return (size_t)snprintf(o->hostname, sizeof o->hostname, "%s", value) < sizeof o->hostname;
    }
    if (strcmp(key, "domainname") == 0) {
        c->vdomainname = o->domainname;
        return (size_t)snprintf(o->domainname, sizeof o->domainname, "%s", value) < sizeof o->domainname;
    }
    if (strcmp(key, "restrict") == 0 && parse_switch(value, &on)) {
        c->restricted = on;
        return true;
    }
    if (strcmp(key, "ipv6") == 0 && parse_switch(value, &on)) {
        c->in6_enabled = on;
        return true;
    }
    return false;
}

static bool parse_options(struct user_options *o, const char *text, char *error, size_t error_size)
{
    char copy[2048], *save, *word;
    char network[] = "10.0.2.0/24";

    *o = (struct user_options){.slirp = {.version = 4, .in_enabled = true, .in6_enabled = true, .vprefix_len = 64}};
    parse_network(network, &o->slirp);
    inet_pton(AF_INET6, "fec0::", &o->slirp.vprefix_addr6);
    inet_pton(AF_INET6, "fec0::2", &o->slirp.vhost6);
    inet_pton(AF_INET6, "fec0::3", &o->slirp.vnameserver6);
    if ((size_t)snprintf(copy, sizeof copy, "%s", text) >= sizeof copy) {
        snprintf(error, error_size, "its options are longer than %zu characters; shorten them", sizeof copy - 1);
        return false;
    }
    for (word = strtok_r(copy, ",", &save); word; word = strtok_r(NULL, ",", &save)) {
        char shown[128], *value = strchr(word, '=');

        snprintf(shown, sizeof shown, "%s", word);
        if (value)
            *value++ = '\0';
        if (!value || !parse_key(o, word, value)) {
            snprintf(error, error_size,
                     "'%s' is not understood; use hostfwd=tcp:127.0.0.1:2222-:22, net=10.0.2.0/24, host=, dns=, "
                     "dhcpstart=, hostname=, "
                     "domainname=, restrict=on, ipv6=off",
                     shown);
            return false;
        }
    }
    return true;
}

struct host_net *net_user_create(struct event_loop *loop, const char *options, char *error, size_t error_size)
{
    struct net_user *net = calloc(1, sizeof *net);
    struct user_options o;

    if (!net || !parse_options(&o, options, error, error_size)) {
        if (!net)
            snprintf(error, error_size, "out of memory");
        free(net);
        return NULL;
    }
    pthread_mutex_init(&net->lock, NULL);
    pthread_mutex_init(&net->queue_lock, NULL);
    net->last = &net->first;
    net->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    net->ready_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    net->host =
        (struct host_net){.send = net_user_send, .destroy = net_user_destroy, .accept_input = net_user_accept_input};
    if (net->kick_fd < 0 || net->ready_fd < 0 ||
        !(net->ready = event_loop_watch(loop, net->ready_fd, frames_ready, net)) ||
        !(net->slirp = slirp_new(&o.slirp, &callbacks, net))) {
        snprintf(error, error_size, "user-mode networking cannot start: %s", strerror(errno));
        net_user_destroy(&net->host);
        return NULL;
    }
    for (unsigned i = 0; i < o.n_forwards; i++) {
        const struct forward *f = &o.forward[i];
        struct in_addr guest = f->guest.s_addr ? f->guest : o.slirp.vdhcp_start;

        if (slirp_add_hostfwd(net->slirp, f->is_udp, f->host, f->host_port, guest, f->guest_port) < 0) {
            snprintf(error, error_size, "hostfwd: port %d of the host cannot be had (%s); choose another", f->host_port,
                     strerror(errno));
            net_user_destroy(&net->host);
            return NULL;
        }
    }
    if (!start_thread(net)) {
        snprintf(error, error_size, "cannot start the network thread: %s; close other programs", strerror(errno));
        net_user_destroy(&net->host);
        return NULL;
    }
    return &net->host;
}
