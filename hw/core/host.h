/*
 * Services that the host side (ui/) gives to devices: characters, blocks and network frames. A device holds a pointer to one of these
 * and never learns whether a terminal, a file or a test stands behind it. Everything is called on the machine thread.
 */
#ifndef HW_CORE_HOST_H
#define HW_CORE_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- characters: a serial line, a debug console ---- */

struct host_char {
    /* Sends bytes towards the host; returns how many were taken (fewer: the far end is busy, try again later). */
    size_t (*write)(struct host_char *self, const uint8_t *bytes, size_t count);
    void (*destroy)(struct host_char *self);
    /* Set by the device that owns the guest end; NULL while nobody listens. */
    size_t (*can_receive)(void *receiver);                                    /* room, in bytes */
    void (*receive)(void *receiver, const uint8_t *bytes, size_t count);      /* count <= can_receive() */
    void (*drained)(void *receiver);                                          /* room again after a short write; may be NULL */
    void (*accept_input)(struct host_char *self);                             /* device has room again; may be NULL */
    void *receiver;
};

/* ---- blocks: a disk image ---- */

#define HOST_BLOCK_SECTOR 512

struct host_block {
    uint64_t n_sectors;
    bool is_readonly;
    /* Synchronous; false on a host I/O error (already reported), the buffer is then undefined. */
    bool (*read)(struct host_block *self, uint64_t sector, void *buffer, uint32_t n_sectors);
    bool (*write)(struct host_block *self, uint64_t sector, const void *buffer, uint32_t n_sectors);
    bool (*flush)(struct host_block *self);
    void (*destroy)(struct host_block *self);
};

/* ---- frames: a network cable ---- */

#define HOST_NET_FRAME_MAX 16384 /* bytes without the frame check sequence */

struct host_net {
    /* A frame leaves the guest; it is copied or dropped. */
    void (*send)(struct host_net *self, const uint8_t *frame, size_t len_bytes);
    void (*destroy)(struct host_net *self);
    /* Set by the card that owns the guest end; NULL while nobody listens. */
    bool (*can_receive)(void *receiver);
    void (*receive)(void *receiver, const uint8_t *frame, size_t len_bytes); /* dropped if the card has no room */
    void (*accept_input)(struct host_net *self); /* the card has room again; may be NULL */
    void *receiver;
};

#endif
