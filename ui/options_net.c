/* Network options, as QEMU spells them. See options_net.h. */
#include "ui/options_net.h"

#include <stdio.h>
#include <string.h>

static const uint8_t default_mac[6] = {0x52, 0x54, 0x00, 0x12, 0x34, 0x56};

void net_options_init(struct net_options *o)
{
    *o = (struct net_options){.has_card = true, .has_netdev = true};
    memcpy(o->mac, default_mac, sizeof o->mac);
}

static bool refuse(char *error, size_t error_size, const char *word, const char *remedy)
{
    snprintf(error, error_size, "'%s' is not understood; use %s", word, remedy);
    return false;
}

static bool parse_mac(const char *text, uint8_t mac[6])
{
    unsigned byte[6];
    int used = 0;

    if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%n", &byte[0], &byte[1], &byte[2], &byte[3], &byte[4], &byte[5], &used) !=
            6 ||
        text[used] || byte[0] & 1)
        return false;
    for (unsigned i = 0; i < 6; i++)
        mac[i] = (uint8_t)byte[i];
    return true;
}

static bool copy_word(char *out, size_t out_size, const char *text)
{
    return (size_t)snprintf(out, out_size, "%s", text) < out_size;
}

/* Appends ",word" to the options of the network. */
static bool pass_on(struct net_options *o, const char *word)
{
    size_t used = strlen(o->netdev);

    return (size_t)snprintf(o->netdev + used, sizeof o->netdev - used, "%s%s", used ? "," : "", word) <
           sizeof o->netdev - used;
}

/* The words after the first: keys of the card when `card` is set, all others go to the network when `network` is set.
 */
static bool take_words(struct net_options *o, char *words, bool card, bool network, const char *remedy, char *error,
                       size_t error_size)
{
    char *save, *word;

    for (word = strtok_r(words, ",", &save); word; word = strtok_r(NULL, ",", &save)) {
        bool known;

        if (card && strncmp(word, "model=", 6) == 0)
            known = strcmp(word + 6, "e1000") == 0;
        else if (card && strncmp(word, "mac=", 4) == 0)
            known = parse_mac(word + 4, o->mac);
        else if (card && strncmp(word, "netdev=", 7) == 0)
            known = copy_word(o->card_netdev, sizeof o->card_netdev, word + 7);
        else if (strncmp(word, "id=", 3) == 0)
            known = !network || copy_word(o->netdev_id, sizeof o->netdev_id, word + 3);
        else
            known = network && pass_on(o, word);
        if (!known)
            return refuse(error, error_size, word, remedy);
    }
    return true;
}

/* Splits TEXT at its first comma into a copy; false if it is too long. */
static bool split(const char *text, char *copy, size_t copy_size, char **rest)
{
    if (!copy_word(copy, copy_size, text))
        return false;
    *rest = strchr(copy, ',');
    if (*rest)
        *(*rest)++ = '\0';
    else
        *rest = copy + strlen(copy);
    return true;
}

bool net_options_nic(struct net_options *o, const char *text, char *error, size_t error_size)
{
    static const char remedy[] = "none, or user[,model=e1000][,mac=52:54:00:12:34:56][,hostfwd=tcp::2222-:22]";
    char copy[1024], *rest;

    if (!split(text, copy, sizeof copy, &rest))
        return refuse(error, error_size, text, remedy);
    if (strcmp(copy, "none") == 0 && !*rest) {
        o->has_card = o->has_netdev = false;
        o->is_said = true;
        return true;
    }
    if (strcmp(copy, "user") != 0)
        return refuse(error, error_size, copy, remedy);
    o->netdev[0] = '\0';
    o->has_card = o->has_netdev = o->is_said = true;
    return take_words(o, rest, true, true, remedy, error, error_size);
}

bool net_options_netdev(struct net_options *o, const char *text, char *error, size_t error_size)
{
    static const char remedy[] = "user,id=NAME[,hostfwd=tcp::2222-:22]";
    char copy[1024], *rest;

    if (!split(text, copy, sizeof copy, &rest) || strcmp(copy, "user") != 0)
        return refuse(error, error_size, text, remedy);
    if (!o->is_said)
        o->has_card = false; /* -device names the card */
    o->netdev[0] = '\0';
    o->has_netdev = o->is_said = true;
    if (!take_words(o, rest, false, true, remedy, error, error_size))
        return false;
    return o->netdev_id[0] || refuse(error, error_size, text, remedy);
}

bool net_options_device(struct net_options *o, const char *text, char *error, size_t error_size)
{
    static const char remedy[] = "e1000,netdev=NAME[,mac=52:54:00:12:34:56]";
    char copy[1024], *rest;

    if (!split(text, copy, sizeof copy, &rest))
        return refuse(error, error_size, text, remedy);
    if (!o->is_said)
        o->has_netdev = false;
    o->has_card = o->is_said = true;
    return take_words(o, rest, true, false, remedy, error, error_size);
}

bool net_options_finish(const struct net_options *o, char *error, size_t error_size)
{
    if (o->card_netdev[0] && (!o->has_netdev || strcmp(o->card_netdev, o->netdev_id) != 0)) {
        snprintf(error, error_size, "netdev '%s' does not exist; add -netdev user,id=%s", o->card_netdev,
                 o->card_netdev);
        return false;
    }
    return true;
}
