/*
 * User-mode networking with a hostile guest: random and mutated ARP, IPv4, IPv6, ICMP, UDP, DHCP, DNS and TFTP frames,
 * and a TCP stack that answers what comes through a forwarded port with good, bad and mutilated segments, urgent ones
 * too. restrict=on: nothing leaves this host. Steps are frames; the network's own options are fuzzed on the side.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hw/core/host.h"
#include "tests/fuzz/fuzz.h"
#include "ui/eventloop.h"
#include "ui/net_user.h"

#define FIRST_PORT 20000
#define CALLERS    4
#define FRAME_MAX  2048

static const uint8_t guest_mac[6] = {0x52, 0x54, 0x00, 0x12, 0x34, 0x56};
static const uint8_t gateway_mac[6] = {0x52, 0x55, 0x0a, 0x00, 0x02, 0x02};

struct card { /* the guest's end */
    struct fuzz *f;
    struct host_net *net;
    uint64_t n_sent, n_received, n_tcp;
    uint8_t last[FRAME_MAX]; /* the last frame that came, to be answered */
    size_t last_len;
};

static void put_be(uint8_t *p, uint32_t value, unsigned n)
{
    while (n--) {
        p[n] = (uint8_t)value;
        value >>= 8;
    }
}

static uint32_t get_be(const uint8_t *p, unsigned n)
{
    uint32_t value = 0;

    while (n--)
        value = value << 8 | *p++;
    return value;
}

static uint16_t checksum(const uint8_t *p, size_t len, uint32_t sum)
{
    for (size_t i = 0; i < len; i++)
        sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

static void send_frame(struct card *card, const uint8_t *frame, size_t len)
{
    card->n_sent++;
    card->net->send(card->net, frame, len);
}

/* ---- frames ---- */

static size_t make_ethernet(uint8_t *frame, unsigned type)
{
    memcpy(frame, gateway_mac, 6);
    memcpy(frame + 6, guest_mac, 6);
    put_be(frame + 12, type, 2);
    return 14;
}

/* Finishes an IPv4 frame: lengths and checksums as they should be. */
static size_t finish_ipv4(uint8_t *frame, size_t len, unsigned protocol)
{
    uint8_t *ip = frame + 14, *up = ip + 20;
    size_t upper = len - 34;
    uint32_t pseudo = 0;

    ip[0] = 0x45;
    put_be(ip + 2, (uint32_t)(len - 14), 2);
    ip[8] = 64;
    ip[9] = (uint8_t)protocol;
    put_be(ip + 10, 0, 2);
    put_be(ip + 10, checksum(ip, 20, 0), 2);
    for (unsigned i = 12; i < 20; i += 2)
        pseudo += get_be(ip + i, 2);
    pseudo += protocol + (uint32_t)upper;
    if (protocol == 6) {
        put_be(up + 16, 0, 2);
        put_be(up + 16, checksum(up, upper, pseudo), 2);
    } else if (protocol == 17) {
        put_be(up + 4, (uint32_t)upper, 2);
        put_be(up + 6, 0, 2);
        put_be(up + 6, checksum(up, upper, pseudo), 2);
    } else if (protocol == 1) {
        put_be(up + 2, 0, 2);
        put_be(up + 2, checksum(up, upper, 0), 2);
    }
    return len;
}

static size_t make_arp(struct fuzz *f, uint8_t *frame)
{
    size_t n = make_ethernet(frame, 0x0806);

    memcpy(frame + n, "\x00\x01\x08\x00\x06\x04\x00\x01", 8);
    memcpy(frame + n + 8, guest_mac, 6);
    memcpy(frame + n + 14, "\x0a\x00\x02\x0f", 4);
    memset(frame + n + 18, 0, 6);
    memcpy(frame + n + 24, "\x0a\x00\x02", 3);
    frame[n + 27] = (uint8_t)fuzz_below(f, 20);
    return n + 28;
}

static size_t make_ipv4(struct fuzz *f, uint8_t *frame)
{
    static const uint16_t ports[] = {53, 67, 69, 7, 80, 123, 1900, 22};
    static const uint8_t protocols[] = {17, 17, 6, 1, 2, 41};
    unsigned protocol = protocols[fuzz_below(f, sizeof protocols)];
    size_t len = 34 + 20 + fuzz_below(f, 1000);

    make_ethernet(frame, 0x0800);
    fuzz_bytes(f, frame + 14, len - 14);
    put_be(frame + 20, fuzz_one_in(f, 4) ? (uint32_t)fuzz_next(f) : 0, 2); /* fragments */
    memcpy(frame + 26, "\x0a\x00\x02\x0f", 4);
    memcpy(frame + 30, "\x0a\x00\x02", 3);
    frame[33] = (uint8_t)(fuzz_one_in(f, 4) ? 255 : fuzz_below(f, 5));
    put_be(frame + 36, ports[fuzz_below(f, 8)], 2);
    if (protocol == 6)
        frame[46] = (uint8_t)(fuzz_below(f, 8) << 4 | 0x50);
    if (protocol == 1)
        frame[34] = fuzz_one_in(f, 2) ? 8 : (uint8_t)fuzz_next(f);
    if (protocol == 17 && get_be(frame + 36, 2) == 69) { /* TFTP: a read request with options */
        static const char request[] = "\0\1file\0octet\0tsize\0000\0blksize\000512";

        memcpy(frame + 42, request, sizeof request);
        len = 42 + sizeof request;
    }
    return finish_ipv4(frame, len, protocol);
}

static size_t make_dhcp(struct fuzz *f, uint8_t *frame)
{
    size_t len = 42 + 300;
    uint8_t *b = frame + 42;

    make_ethernet(frame, 0x0800);
    memset(frame, 0xff, 6);
    memset(frame + 14, 0, len - 14);
    memset(frame + 30, 0xff, 4);
    put_be(frame + 34, 68, 2);
    put_be(frame + 36, 67, 2);
    b[0] = b[1] = 1;
    b[2] = 6;
    memcpy(b + 28, guest_mac, 6);
    put_be(b + 236, 0x63825363, 4);
    fuzz_bytes(f, b + 240, 60);
    b[240] = 53;
    b[241] = 1;
    b[242] = (uint8_t)fuzz_below(f, 9);
    b[243] = 50;
    b[244] = 4;
    return finish_ipv4(frame, len, 17);
}

static size_t make_ipv6(struct fuzz *f, uint8_t *frame)
{
    static const uint8_t next[] = {58, 58, 17, 6, 0, 43, 44, 60};
    size_t upper = 8 + fuzz_below(f, 600), len = 54 + upper;
    uint8_t *ip = frame + 14, *up = ip + 40;
    uint32_t pseudo = 0;

    make_ethernet(frame, 0x86dd);
    fuzz_bytes(f, ip, len - 14);
    put_be(ip, 0x60000000, 4);
    put_be(ip + 4, (uint32_t)upper, 2);
    ip[6] = next[fuzz_below(f, 8)];
    ip[7] = 255;
    memset(ip + 8, 0, 32);
    memcpy(ip + 8, "\xfe\xc0", 2);
    ip[23] = 0x0f;
    memcpy(ip + 24, "\xfe\xc0", 2);
    ip[39] = (uint8_t)fuzz_below(f, 4);
    if (ip[6] == 58)
        up[0] = (uint8_t)(128 + fuzz_below(f, 12)); /* echo, router and neighbour discovery */
    for (unsigned i = 8; i < 40; i += 2)
        pseudo += get_be(ip + i, 2);
    pseudo += ip[6] + (uint32_t)upper;
    put_be(up + 2, 0, ip[6] == 58 ? 2 : 0);
    if (ip[6] == 58)
        put_be(up + 2, checksum(up, upper, pseudo), 2);
    return len;
}

/* An answer to the TCP segment that came last, as a stack would give it or nearly so. */
static size_t make_tcp_answer(struct card *card, uint8_t *frame)
{
    const uint8_t *theirs = card->last + 34;
    struct fuzz *f = card->f;
    size_t payload = fuzz_one_in(f, 2) ? 0 : fuzz_below(f, 1400), options = 4 * fuzz_below(f, 4);
    uint32_t their_len = get_be(card->last + 16, 2) - 20 - (theirs[12] >> 4) * 4u;
    uint8_t *tcp = frame + 34;
    uint32_t flags = 0x10;

    make_ethernet(frame, 0x0800);
    memset(frame + 14, 0, 40);
    memcpy(frame + 26, card->last + 30, 4);
    memcpy(frame + 30, card->last + 26, 4);
    memcpy(tcp, theirs + 2, 2);
    memcpy(tcp + 2, theirs, 2);
    put_be(tcp + 4, theirs[13] & 2 ? 1000 : get_be(theirs + 8, 4), 4);
    put_be(tcp + 8, get_be(theirs + 4, 4) + their_len + (theirs[13] & 3 ? 1 : 0), 4);
    if (theirs[13] & 2)
        flags |= 2;
    if (fuzz_one_in(f, 8))
        flags ^= 1u << fuzz_below(f, 6);
    if (fuzz_one_in(f, 4)) {
        flags |= 0x20; /* urgent, anywhere */
        put_be(tcp + 18, fuzz_value(f), 2);
    }
    if (fuzz_one_in(f, 8))
        put_be(tcp + 4, get_be(tcp + 4, 4) + fuzz_value(f), 4);
    if (fuzz_one_in(f, 8))
        put_be(tcp + 8, get_be(tcp + 8, 4) + fuzz_value(f), 4);
    tcp[12] = (uint8_t)((5 + options / 4) << 4);
    tcp[13] = (uint8_t)flags;
    put_be(tcp + 14, fuzz_one_in(f, 8) ? 0 : 8192, 2);
    fuzz_bytes(f, tcp + 20, options + payload);
    return finish_ipv4(frame, 34 + 20 + options + payload, 6);
}

static void send_something(struct card *card)
{
    uint8_t frame[FRAME_MAX + 64];
    struct fuzz *f = card->f;
    size_t len;

    switch (fuzz_below(f, 8)) {
    case 0:
        len = make_arp(f, frame);
        break;
    case 1:
        len = make_dhcp(f, frame);
        break;
    case 2:
        len = make_ipv6(f, frame);
        break;
    case 3:
    case 4:
        len = make_ipv4(f, frame);
        break;
    case 5:
        len = fuzz_below(f, FRAME_MAX);
        fuzz_bytes(f, frame, len);
        break;
    default:
        if (card->last_len < 54)
            return;
        len = make_tcp_answer(card, frame);
        break;
    }
    if (fuzz_one_in(f, 4))
        len = fuzz_mutate(f, frame, len, FRAME_MAX);
    send_frame(card, frame, len);
}

/* ---- the guest's end ---- */

static bool can_receive(void *receiver)
{
    return true;
}

static void receive(void *receiver, const uint8_t *frame, size_t len)
{
    struct card *card = receiver;

    card->n_received++;
    if (len < 54 || len > FRAME_MAX)
        return;
    if (get_be(frame + 12, 2) == 0x0806 && frame[21] == 1) { /* who has: we have, so that calls get through */
        uint8_t answer[60] = {0};

        make_ethernet(answer, 0x0806);
        memcpy(answer + 14, "\x00\x01\x08\x00\x06\x04\x00\x02", 8);
        memcpy(answer + 22, guest_mac, 6);
        memcpy(answer + 28, frame + 38, 4);
        memcpy(answer + 32, frame + 22, 10);
        send_frame(card, answer, sizeof answer);
        return;
    }
    if (get_be(frame + 12, 2) == 0x0800 && frame[14] == 0x45 && frame[23] == 6) {
        memcpy(card->last, frame, len);
        card->last_len = len;
        card->n_tcp++;
    }
}

/* Somebody on the host calls the guest now and then. */
static void call(struct fuzz *f, int *caller, int port)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    uint8_t bytes[4000];

    if (*caller >= 0 && fuzz_one_in(f, 16)) {
        close(*caller);
        *caller = -1;
    }
    if (*caller < 0) {
        *caller = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (*caller >= 0 && connect(*caller, (struct sockaddr *)&to, sizeof to) < 0 && errno != EINPROGRESS) {
            close(*caller);
            *caller = -1;
        }
        return;
    }
    fuzz_bytes(f, bytes, sizeof bytes);
    if (send(*caller, bytes, fuzz_below(f, sizeof bytes), MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno != EAGAIN) {
        close(*caller);
        *caller = -1;
    } else if (recv(*caller, bytes, sizeof bytes, MSG_DONTWAIT) < 0 && errno != EAGAIN) {
        close(*caller);
        *caller = -1;
    }
}

/* ---- its options ---- */

static void fuzz_options(struct fuzz *f, struct event_loop *loop)
{
    static const char *const words[] = {"net=10.0.2.0/24",
                                        "net=1.2.3.4/33",
                                        "net=0.0.0.0/8",
                                        "host=10.0.2.2",
                                        "dns=10.0.2.3",
                                        "dhcpstart=10.0.2.15",
                                        "dhcpstart=9.9.9.9",
                                        "hostname=h",
                                        "domainname=d.e",
                                        "restrict=on",
                                        "restrict=maybe",
                                        "ipv6=off",
                                        "hostfwd=tcp::0-:22",
                                        "hostfwd=udp:127.0.0.1:x-",
                                        "hostfwd=:::-",
                                        "hostfwd=",
                                        "tftp=",
                                        "=",
                                        ","};
    char text[600], error[300];
    struct host_net *net;
    size_t len = 0;

    for (unsigned n = (unsigned)fuzz_below(f, 6); n--;) {
        const char *word = words[fuzz_below(f, sizeof words / sizeof words[0])];

        len += (size_t)snprintf(text + len, sizeof text - len, "%s,", word);
    }
    text[len] = '\0';
    if (fuzz_one_in(f, 2) && !strstr(text, "hostfwd")) /* no port is opened by chance */
        len = fuzz_mutate(f, (uint8_t *)text, len, sizeof text - 1);
    text[len] = '\0';
    if (strstr(text, "hostfwd=tcp::") && !strstr(text, "::0-"))
        return;
    net = net_user_create(loop, text, error, sizeof error);
    if (net)
        net->destroy(net);
}

static struct host_net *create_net(struct event_loop *loop, int *port)
{
    char options[200], error[300];

    for (*port = FIRST_PORT + getpid() % 10000;; *port += 7) {
        struct host_net *net;

        snprintf(options, sizeof options, "restrict=on,hostfwd=tcp:127.0.0.1:%d-:80", *port);
        net = net_user_create(loop, options, error, sizeof error);
        if (net)
            return net;
        if (*port > 60000) {
            fprintf(stderr, "fuzz_net: %s\n", error);
            exit(EXIT_FAILURE);
        }
    }
}

static void wake(void *opaque) {}

int main(int argc, char **argv)
{
    struct fuzz_args args = fuzz_parse_args(argc, argv, (struct fuzz_args){.seed = 1, .count = 20000});
    struct fuzz f = fuzz_start(args.seed);
    struct clock *clock = clock_create_host();
    struct event_loop *loop = event_loop_create(clock);
    int port, caller[CALLERS] = {-1, -1, -1, -1};
    struct card card = {.f = &f};

    signal(SIGPIPE, SIG_IGN); /* as morph86 does */
    if (!loop || !event_loop_start(loop, wake, NULL))
        return EXIT_FAILURE;
    card.net = create_net(loop, &port);
    card.net->receiver = &card;
    card.net->can_receive = can_receive;
    card.net->receive = receive;
    fuzz_watch(1000);
    for (uint64_t i = 0; i < args.count; i++) {
        fuzz_note("frame", i, 0);
        fuzz_step();
        send_something(&card);
        if (fuzz_one_in(&f, 16))
            call(&f, &caller[fuzz_below(&f, CALLERS)], port);
        if (fuzz_one_in(&f, 4)) {
            usleep((useconds_t)fuzz_below(&f, 200)); /* its thread has a turn */
            event_loop_poll(loop);
        }
        if (fuzz_one_in(&f, 500))
            fuzz_options(&f, loop);
    }
    card.net->destroy(card.net);
    for (unsigned i = 0; i < CALLERS; i++)
        if (caller[i] >= 0)
            close(caller[i]);
    event_loop_destroy(loop);
    clock_destroy(clock);
    printf("fuzz_net: %" PRIu64 " frames sent, %" PRIu64 " received, %" PRIu64 " of TCP, from seed %" PRIu64 "\n",
           card.n_sent, card.n_received, card.n_tcp, args.seed);
    return card.n_tcp ? EXIT_SUCCESS : EXIT_FAILURE;
}
