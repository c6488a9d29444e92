/* -nic, -netdev and -device e1000: which network card there is and what it is plugged into. */
#ifndef UI_OPTIONS_NET_H
#define UI_OPTIONS_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct net_options {
    bool has_card;     /* an e1000 */
    bool has_netdev;   /* its user-mode network; without one the cable is unplugged */
    bool is_said;      /* the user chose; else the default card */
    char netdev[1024]; /* options for net_user_create() */
    char netdev_id[64], card_netdev[64];
    uint8_t mac[6];
};

/* A card on user-mode networking, as without any option. */
void net_options_init(struct net_options *o);
/* Each takes the option's value; false: `error` holds one line with the bad word and the remedy. */
bool net_options_nic(struct net_options *o, const char *text, char *error, size_t error_size);
bool net_options_netdev(struct net_options *o, const char *text, char *error, size_t error_size);
bool net_options_device(struct net_options *o, const char *text, char *error, size_t error_size);
/* After the last option. */
bool net_options_finish(const struct net_options *o, char *error, size_t error_size);

#endif
