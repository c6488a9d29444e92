/*
 * unix:PATH and tcp:HOST:PORT, as server (one client at a time; the next one waits until it has left) or as client.
 * While nobody is connected, what the machine says is lost, as on an unplugged line.
 */
#define _GNU_SOURCE
#include "ui/chardev_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define INPUT_CHUNK 256

struct chardev_socket {
    struct chardev_front front; /* first */
    struct event_loop *loop;
    int listen_fd, fd; /* -1: none */
    struct event_source *listening, *connection;
    char *path; /* of the socket we made; NULL: none */
    uint8_t input[INPUT_CHUNK];
    size_t input_used;
    bool is_full; /* a write came back short */
};

struct socket_options {
    char address[256];
    bool is_server, waits;
};

static void connection_ready(void *opaque);

static bool adopt(struct chardev_socket *s, int fd)
{
    int one = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one); /* fails on other sockets, which need none */
    s->fd = fd;
    s->input_used = 0;
    s->is_full = false;
    s->connection = event_loop_watch(s->loop, fd, connection_ready, s);
    if (!s->connection) {
        close(fd);
        s->fd = -1;
        return false;
    }
    if (s->listening)
        event_source_set_wanted(s->listening, false);
    chardev_set_open(&s->front, true);
    return true;
}

static void listener_ready(void *opaque)
{
    struct chardev_socket *s = opaque;
    int fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd >= 0)
        adopt(s, fd);
}

static void hang_up(struct chardev_socket *s)
{
    event_source_remove(s->connection);
    s->connection = NULL;
    close(s->fd);
    s->fd = -1;
    s->input_used = 0;
    chardev_set_open(&s->front, false);
    if (s->is_full && s->front.host.drained)
        s->front.host.drained(s->front.host.receiver); /* there is room again: everything is lost from now on */
    s->is_full = false;
    if (s->listening)
        event_source_set_wanted(s->listening, true);
}

static void feed_device(struct chardev_socket *s)
{
    struct host_char *host = &s->front.host;
    size_t room = host->can_receive ? host->can_receive(host->receiver) : s->input_used;
    size_t n = room < s->input_used ? room : s->input_used;
    uint8_t bytes[INPUT_CHUNK];

    /* Taken out first: the receiver may ask for more while it receives. */
    memcpy(bytes, s->input, n);
    memmove(s->input, s->input + n, s->input_used - n);
    s->input_used -= n;
    if (n && host->receive)
        host->receive(host->receiver, bytes, n);
    if (s->fd < 0)
        return;
    event_source_set_wanted(s->connection, s->input_used == 0);
}

static void connection_ready(void *opaque)
{
    struct chardev_socket *s = opaque;

    if (s->is_full) {
        s->is_full = false;
        event_source_set_writing(s->connection, false);
        if (s->front.host.drained)
            s->front.host.drained(s->front.host.receiver);
        if (s->fd < 0)
            return;
    }
    if (s->input_used == 0) {
        ssize_t n = recv(s->fd, s->input, sizeof s->input, 0);

        if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN)) {
            hang_up(s);
            return;
        }
        s->input_used = n > 0 ? (size_t)n : 0;
    }
    feed_device(s);
}

static size_t socket_write(struct host_char *self, const uint8_t *bytes, size_t count)
{
    struct chardev_socket *s = (struct chardev_socket *)self;
    size_t done = 0;

    while (s->fd >= 0 && done < count) {
        ssize_t n = send(s->fd, bytes + done, count - done, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN) {
            s->is_full = true;
            event_source_set_writing(s->connection, true);
            return done;
        }
        if (n < 0)
            break; /* the reader is gone; connection_ready() will see it too */
        done += (size_t)n;
    }
    return count;
}

static void socket_accept_input(struct host_char *self)
{
    struct chardev_socket *s = (struct chardev_socket *)self;

    if (s->input_used)
        feed_device(s);
}

static void socket_destroy(struct host_char *self)
{
    struct chardev_socket *s = (struct chardev_socket *)self;

    event_source_remove(s->connection);
    event_source_remove(s->listening);
    if (s->fd >= 0)
        close(s->fd);
    if (s->listen_fd >= 0)
        close(s->listen_fd);
    if (s->path)
        unlink(s->path);
    free(s->path);
    free(s);
}

/* ---- opening ---- */

/* ADDRESS[,server[=on|off]][,wait[=on|off]][,nowait] */
static bool parse_options(const char *text, struct socket_options *o, char *error, size_t error_size)
{
    char words[256], *save, *word;
    size_t address_len = strcspn(text, ",");

    *o = (struct socket_options){.waits = true};
    if (address_len == 0 || address_len >= sizeof o->address || strlen(text + address_len) >= sizeof words) {
        snprintf(error, error_size, "'%.60s' has no usable address; write unix:PATH or tcp:HOST:PORT", text);
        return false;
    }
    memcpy(o->address, text, address_len);
    strcpy(words, text + address_len);
    for (word = strtok_r(words, ",", &save); word; word = strtok_r(NULL, ",", &save)) {
        if (strcmp(word, "server") == 0 || strcmp(word, "server=on") == 0) {
            o->is_server = true;
        } else if (strcmp(word, "server=off") == 0) {
            o->is_server = false;
        } else if (strcmp(word, "wait") == 0 || strcmp(word, "wait=on") == 0) {
            o->waits = true;
        } else if (strcmp(word, "nowait") == 0 || strcmp(word, "wait=off") == 0) {
            o->waits = false;
        } else {
            snprintf(error, error_size, "'%s' is not an option of a socket; use server=on|off and wait=on|off", word);
            return false;
        }
    }
    return true;
}

/* A bound and listening, or a connected socket; -1 with errno set. */
static int open_unix(const struct socket_options *o)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat st;
    int fd;

    if (strlen(o->address) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(address.sun_path, o->address);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (o->is_server) {
        /* What an earlier machine left behind; nothing but a socket is taken away. */
        if (lstat(o->address, &st) == 0 && S_ISSOCK(st.st_mode))
            unlink(o->address);
        if (bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, 1) == 0)
            return fd;
    } else if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0) {
        return fd;
    }
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

static int open_tcp(const struct socket_options *o)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = o->is_server ? AI_PASSIVE : 0}, *list;
    char host[256], *port;
    int fd = -1, one = 1, saved = EADDRNOTAVAIL;

    strcpy(host, o->address);
    port = strrchr(host, ':');
    if (!port) {
        errno = EINVAL;
        return -1;
    }
    *port++ = '\0';
    if (getaddrinfo(host[0] ? host : NULL, port, &hints, &list) != 0) {
        errno = saved;
        return -1;
    }
    for (const struct addrinfo *a = list; a && fd < 0; a = a->ai_next) {
        fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
        if (fd < 0)
            continue;
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        if (o->is_server ? bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, 1) == 0
                         : connect(fd, a->ai_addr, a->ai_addrlen) == 0)
            break;
        saved = errno;
        close(fd);
        fd = -1;
    }
    freeaddrinfo(list);
    errno = saved;
    return fd;
}

static bool start(struct chardev_socket *s, const struct socket_options *o, int fd, const char *spec)
{
    int client = fd;

    if (!o->is_server)
        return adopt(s, client);
    s->listen_fd = fd;
    s->listening = event_loop_watch(s->loop, fd, listener_ready, s);
    if (!s->listening)
        return false;
    if (o->waits) {
        fprintf(stderr, "morph86: waiting for a connection to %s\n", spec);
        client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        return client >= 0 && adopt(s, client);
    }
    return true;
}

static void set_nonblocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

struct host_char *chardev_socket_open(struct chardev_env *env, const char *spec, char *error, size_t error_size)
{
    bool is_unix = strncmp(spec, "unix:", 5) == 0;
    struct socket_options o;
    struct chardev_socket *s;
    int fd;

    if (!parse_options(spec + (is_unix ? 5 : 4), &o, error, error_size))
        return NULL;
    fd = is_unix ? open_unix(&o) : open_tcp(&o);
    if (fd < 0) {
        snprintf(error, error_size, "cannot %s '%.200s': %s; %s", o.is_server ? "listen at" : "connect to", o.address,
                 strerror(errno), o.is_server ? "choose another address" : "start the server first, or add server=on");
        return NULL;
    }
    s = calloc(1, sizeof *s);
    if (!s || (is_unix && o.is_server && !(s->path = strdup(o.address)))) {
        free(s);
        close(fd);
        snprintf(error, error_size, "out of memory");
        return NULL;
    }
    s->front.host.write = socket_write;
    s->front.host.destroy = socket_destroy;
    s->front.host.accept_input = socket_accept_input;
    s->loop = env->loop;
    s->listen_fd = s->fd = -1;
    if (!o.is_server || !o.waits)
        set_nonblocking(fd);
    if (!start(s, &o, fd, spec)) {
        snprintf(error, error_size, "cannot watch '%.200s': %s; close other programs", o.address, strerror(errno));
        socket_destroy(&s->front.host);
        return NULL;
    }
    set_nonblocking(fd);
    return &s->front.host;
}
