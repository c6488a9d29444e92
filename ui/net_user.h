/* User-mode networking (-nic user, -netdev user): NAT, DHCP and DNS by libslirp, without privileges. */
#ifndef UI_NET_USER_H
#define UI_NET_USER_H

#include <stddef.h>

#include "hw/core/host.h"
#include "ui/eventloop.h"

/*
 * `options` is what follows "user" on the command line, a list of key=value:
 * hostfwd=[tcp|udp]:[HOSTADDR]:HOSTPORT-[GUESTADDR]:PORT (repeatable), net=ADDR[/BITS], host=ADDR, dns=ADDR,
 * dhcpstart=ADDR, hostname=NAME, domainname=NAME, restrict=on|off, ipv6=on|off. NULL: `error` holds one line that names
 * the key and the remedy.
 */
struct host_net *net_user_create(struct event_loop *loop, const char *options, char *error, size_t error_size);

/* Clears TCP's URG flag and pointer in an Ethernet frame, keeping the checksum right; false if the frame must be
 * dropped because what TCP header it holds cannot be seen (fragments). libslirp before 4.9.2 mishandles urgent data
 * (CVE-2026-9539). */
bool net_user_clear_urgent(uint8_t *frame, size_t len_bytes);

#endif
