/*
 * Intel 82540EM: transmit and receive descriptor rings, checksum and segmentation offload, receive filters.
 *
 * Source: Intel 317453, "Receive and Transmit Description".
 *
 * Everything that comes from guest memory is checked before it is used as an offset. The transmitter takes about as
 * long as the wire would: after WORK_AT_ONCE it pauses, so that a ring that loops does not hold the machine.
 *
 * Deviates: received checksums are not verified (status IXSM says so); RXDCTL and TXDCTL thresholds do not batch.
 */
#include <string.h>

#include "hw/net/e1000_internal.h"

#define DESCRIPTOR_BYTES 16
#define ETHERNET_HEADER  14
#define ETHERNET_MIN     60
#define VLAN_TAG_BYTES   4
#define FCS_BYTES        4
#define WORK_AT_ONCE     4096 /* units of tx_work: a descriptor, a frame, 1 KiB */
#define WORK_UNNOTICED   256
#define WORK_UNIT_NS     500

struct tx_descriptor { /* legacy, context and data descriptors share their last word */
    uint64_t address;
    uint32_t lower; /* length or PAYLEN, DTYP, command */
    uint32_t upper; /* status, ... */
};
#define TXD_DTYP_CONTEXT 0x00000000u
#define TXD_DTYP_DATA    0x00100000u
#define TXD_DTYP_MASK    0x00f00000u
#define TXD_CMD_EOP      (1u << 24)
#define TXD_CMD_IFCS     (1u << 25)
#define TXD_CMD_IC       (1u << 26) /* legacy: insert checksum; data: TSE */
#define TXD_CMD_RS       (1u << 27)
#define TXD_CMD_DEXT     (1u << 29)
#define TXD_CMD_VLE      (1u << 30)
#define TXD_STATUS_DD    (1u << 0)
#define TXD_POPTS_IXSM   (1u << 0)
#define TXD_POPTS_TXSM   (1u << 1)

struct rx_descriptor {
    uint64_t address;
    uint16_t len_bytes, checksum;
    uint8_t status, errors;
    uint16_t special;
};
#define RXD_STATUS_DD   (1u << 0)
#define RXD_STATUS_EOP  (1u << 1)
#define RXD_STATUS_IXSM (1u << 2)
#define RXD_STATUS_VP   (1u << 3)

_Static_assert(sizeof(struct tx_descriptor) == DESCRIPTOR_BYTES && sizeof(struct rx_descriptor) == DESCRIPTOR_BYTES,
               "descriptors are as in memory");

static uint64_t ring_base(const struct e1000 *nic, unsigned low)
{
    return e1000_get(nic, low) | (uint64_t)e1000_get(nic, low + 4) << 32;
}

/* ---- checksums ---- */

static uint32_t sum_bytes(uint32_t sum, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i + 1 < len; i += 2)
        sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
    if (len & 1)
        sum += (uint32_t)bytes[len - 1] << 8;
    return sum;
}

static uint16_t fold(uint32_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

/* The one's complement sum over [start, end], end 0 meaning all the rest, goes to offset `at`. */
static void insert_checksum(uint8_t *packet, size_t len, size_t start, size_t end, size_t at, bool is_udp)
{
    size_t stop = end && end < len ? end + 1 : len;
    uint16_t sum;

    if (start >= stop || at + 2 > len)
        return;
    sum = fold(sum_bytes(0, packet + start, stop - start));
    if (is_udp && !sum)
        sum = 0xffff; /* 0 means that there is none */
    packet[at] = (uint8_t)(sum >> 8);
    packet[at + 1] = (uint8_t)sum;
}

/* ---- transmit ---- */

static void put16be(uint8_t *p, unsigned value)
{
    p[0] = (uint8_t)(value >> 8);
    p[1] = (uint8_t)value;
}
static uint32_t get32be(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}
static void put32be(uint8_t *p, uint32_t value)
{
    put16be(p, value >> 16);
    put16be(p + 2, value & 0xffff);
}

static void send_frame(struct e1000 *nic, uint8_t *frame, size_t len)
{
    uint8_t tagged[HOST_NET_FRAME_MAX];

    if (nic->tx_insert_vlan && len >= 12 && len + VLAN_TAG_BYTES <= sizeof tagged) {
        memcpy(tagged, frame, 12);
        put16be(tagged + 12, e1000_get(nic, E1000_VET) & 0xffff);
        put16be(tagged + 14, nic->tx_vlan);
        memcpy(tagged + 16, frame + 12, len - 12);
        frame = tagged;
        len += VLAN_TAG_BYTES;
    }
    if (len > HOST_NET_FRAME_MAX || len < ETHERNET_HEADER)
        return;
    e1000_count(nic, E1000_TPT, 1);
    e1000_count(nic, E1000_GPTC, 1);
    e1000_count64(nic, E1000_TOTL, (uint32_t)len + FCS_BYTES);
    e1000_count64(nic, E1000_GOTCL, (uint32_t)len + FCS_BYTES);
    nic->tx_work++;
    if (nic->host)
        nic->host->send(nic->host, frame, len);
}

static void insert_checksums(struct e1000 *nic, uint8_t *packet, size_t len)
{
    const struct e1000_tx_context *c = &nic->context;

    /* The upper-layer one first: the IP header is not part of it, but its pseudo-header's partial sum is in place. */
    if (nic->tx_options & TXD_POPTS_TXSM)
        insert_checksum(packet, len, c->tucss, c->tucse, c->tucso, !c->is_tcp);
    if (nic->tx_options & TXD_POPTS_IXSM)
        insert_checksum(packet, len, c->ipcss, c->ipcse, c->ipcso, false);
}

/* TCP segmentation: the packet in tx_packet is a header prototype and its whole payload. */
static void send_segments(struct e1000 *nic)
{
    const struct e1000_tx_context *c = &nic->context;
    uint32_t header = c->hdrlen, done = 0, payload, mss = c->mss, sequence = 0;
    uint8_t segment[HOST_NET_FRAME_MAX];
    uint8_t *prototype = nic->tx_packet;
    uint16_t ip_id = 0;
    uint8_t tcp_flags = 0;
    bool is_v4 = c->is_ip;

    if (header > nic->tx_len || mss < E1000_TSO_MSS_MIN || header + mss > sizeof segment || c->ipcss + 20u > header ||
        c->tucss + 8u > header || (c->is_tcp && c->tucss + 20u > header))
        return; /* no sense in it: nothing is sent */
    payload = nic->tx_len - header;
    if (is_v4)
        ip_id = (uint16_t)(prototype[c->ipcss + 4] << 8 | prototype[c->ipcss + 5]);
    if (c->is_tcp) {
        sequence = get32be(prototype + c->tucss + 4);
        tcp_flags = prototype[c->tucss + 13];
    }
    while (done < payload) {
        uint32_t n = payload - done < mss ? payload - done : mss, len = header + n;
        bool is_last = done + n == payload;
        uint32_t partial;

        memcpy(segment, prototype, header);
        memcpy(segment + header, prototype + header + done, n);
        if (is_v4) {
            put16be(segment + c->ipcss + 2, len - c->ipcss);
            put16be(segment + c->ipcss + 4, ip_id++);
        } else {
            put16be(segment + c->ipcss + 4, len - c->ipcss - 40);
        }
        if (c->is_tcp) {
            put32be(segment + c->tucss + 4, sequence + done);
            segment[c->tucss + 13] = is_last ? tcp_flags : (uint8_t)(tcp_flags & ~0x09); /* FIN, PSH: on the last */
        } else {
            put16be(segment + c->tucss + 4, len - c->tucss);
        }
        /* The driver left the pseudo-header's sum without the length, which is ours to add. */
        if ((nic->tx_options & TXD_POPTS_TXSM) && c->tucso + 2u <= len) {
            partial = (uint32_t)(segment[c->tucso] << 8 | segment[c->tucso + 1]) + (len - c->tucss);
            put16be(segment + c->tucso, (uint16_t)~fold(partial));
        }
        insert_checksums(nic, segment, len);
        send_frame(nic, segment, len);
        done += n;
    }
}

static void packet_complete(struct e1000 *nic)
{
    if (nic->tx_len == E1000_TX_PACKET_MAX) {
        /* more came than the packet buffer holds */
    } else if (nic->tx_is_tso) {
        send_segments(nic);
    } else {
        insert_checksums(nic, nic->tx_packet, nic->tx_len);
        send_frame(nic, nic->tx_packet, nic->tx_len);
    }
    nic->tx_len = 0;
    nic->tx_options = nic->tx_is_tso = nic->tx_insert_vlan = 0;
}

static void take_context(struct e1000 *nic, const struct tx_descriptor *d)
{
    uint32_t ip = (uint32_t)d->address, tu = (uint32_t)(d->address >> 32);

    nic->context = (struct e1000_tx_context){.ipcss = (uint8_t)ip,
                                             .ipcso = (uint8_t)(ip >> 8),
                                             .ipcse = (uint16_t)(ip >> 16),
                                             .tucss = (uint8_t)tu,
                                             .tucso = (uint8_t)(tu >> 8),
                                             .tucse = (uint16_t)(tu >> 16),
                                             .paylen = d->lower & 0xfffff,
                                             .is_tcp = d->lower >> 24 & 1,
                                             .is_ip = d->lower >> 25 & 1,
                                             .tso = d->lower >> 26 & 1,
                                             .hdrlen = (uint8_t)(d->upper >> 8),
                                             .mss = (uint16_t)(d->upper >> 16)};
}

/* Adds a descriptor's bytes to the packet under way. A packet that fills the buffer is too long, and not sent. */
static void take_data(struct e1000 *nic, uint64_t address, uint32_t len)
{
    if (len > E1000_TX_PACKET_MAX - nic->tx_len)
        len = E1000_TX_PACKET_MAX - nic->tx_len;
    pci_dma_read(&nic->pci, address, nic->tx_packet + nic->tx_len, len);
    nic->tx_len += len;
    nic->tx_work += len >> 10;
}

static void take_descriptor(struct e1000 *nic, const struct tx_descriptor *d)
{
    bool is_extended = d->lower & TXD_CMD_DEXT;

    if (is_extended && (d->lower & TXD_DTYP_MASK) == TXD_DTYP_CONTEXT) {
        take_context(nic, d);
        return;
    }
    if (is_extended) {
        if (nic->tx_len == 0) {
            nic->tx_options = d->upper >> 8 & 0xff;
            nic->tx_is_tso = d->lower >> 26 & 1;
        }
        take_data(nic, d->address, d->lower & 0xfffff);
    } else {
        take_data(nic, d->address, d->lower & 0xffff);
        if ((d->lower & TXD_CMD_EOP) && (d->lower & TXD_CMD_IC))
            insert_checksum(nic->tx_packet, nic->tx_len, d->upper >> 8 & 0xff, 0, d->lower >> 16 & 0xff, false);
    }
    if (!(d->lower & TXD_CMD_EOP))
        return;
    nic->tx_insert_vlan = (d->lower & TXD_CMD_VLE) && (e1000_get(nic, E1000_CTRL) & CTRL_VME);
    nic->tx_vlan = (uint16_t)(d->upper >> 16);
    packet_complete(nic);
}

void e1000_transmit(struct e1000 *nic)
{
    uint32_t count = e1000_get(nic, E1000_TDLEN) / DESCRIPTOR_BYTES, cause = 0;
    uint64_t base = ring_base(nic, E1000_TDBAL);

    if (!(e1000_get(nic, E1000_TCTL) & TCTL_EN) || nic->is_busy || nic->wire.deadline_ns != CLOCK_NEVER)
        return;
    nic->is_busy = true;
    while (nic->tx_work < WORK_AT_ONCE) {
        uint32_t head = e1000_get(nic, E1000_TDH);
        struct tx_descriptor d;

        if (head == e1000_get(nic, E1000_TDT) || head >= count ||
            !pci_dma_read(&nic->pci, base + head * DESCRIPTOR_BYTES, &d, sizeof d))
            break;
        nic->tx_work++;
        take_descriptor(nic, &d);
        if (d.lower & TXD_CMD_RS) {
            d.upper |= TXD_STATUS_DD;
            pci_dma_write(&nic->pci, base + head * DESCRIPTOR_BYTES + 12, &d.upper, 1);
            cause |= ICR_TXDW;
        }
        head = head + 1 == count ? 0 : head + 1;
        e1000_set(nic, E1000_TDH, head);
        if (head == e1000_get(nic, E1000_TDT))
            cause |= ICR_TXQE;
    }
    nic->is_busy = false;
    if (nic->tx_work > WORK_UNNOTICED)
        timer_set(&nic->wire, clock_now_ns(nic->clock) + (int64_t)nic->tx_work * WORK_UNIT_NS);
    if (cause)
        e1000_cause(nic, cause);
}

/* ---- receive ---- */

static uint32_t buffer_bytes(uint32_t rctl)
{
    uint32_t size = 2048u >> (rctl >> RCTL_BSIZE_SHIFT & 3);

    return rctl & RCTL_BSEX ? size * 16 : size;
}

/* Descriptors from RDH up to, not including, RDT are the card's. */
static uint32_t free_descriptors(const struct e1000 *nic)
{
    uint32_t count = e1000_get(nic, E1000_RDLEN) / DESCRIPTOR_BYTES, head = e1000_get(nic, E1000_RDH),
             tail = e1000_get(nic, E1000_RDT);

    if (!count || head >= count || tail >= count)
        return 0;
    return tail >= head ? tail - head : count - head + tail;
}

bool e1000_can_receive(struct e1000 *nic)
{
    return (e1000_get(nic, E1000_RCTL) & RCTL_EN) && free_descriptors(nic) > 0;
}

static bool is_broadcast(const uint8_t *frame)
{
    static const uint8_t ones[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

    return memcmp(frame, ones, sizeof ones) == 0;
}

static bool passes_filters(const struct e1000 *nic, const uint8_t *frame)
{
    static const uint8_t hash_shift[4] = {4, 3, 2, 0};
    uint32_t rctl = e1000_get(nic, E1000_RCTL);
    bool is_multicast = frame[0] & 1;

    if (is_broadcast(frame) && (rctl & RCTL_BAM))
        return true;
    if (is_multicast ? rctl & RCTL_MPE : rctl & RCTL_UPE)
        return true;
    for (unsigned i = 0; i < 16; i++) {
        uint32_t low = e1000_get(nic, E1000_RAL + i * 8), high = e1000_get(nic, E1000_RAL + i * 8 + 4);

        if ((high & RAH_AV) &&
            low == (frame[0] | (uint32_t)frame[1] << 8 | (uint32_t)frame[2] << 16 | (uint32_t)frame[3] << 24) &&
            (high & 0xffff) == (frame[4] | (uint32_t)frame[5] << 8))
            return true;
    }
    if (is_multicast) {
        unsigned hash = ((unsigned)frame[5] << 8 | frame[4]) >> hash_shift[rctl >> RCTL_MO_SHIFT & 3] & 0xfff;

        return e1000_get(nic, E1000_MTA + (hash >> 5) * 4) >> (hash & 31) & 1;
    }
    return false;
}

static bool passes_vlan_filter(const struct e1000 *nic, const uint8_t *frame)
{
    unsigned vid = ((unsigned)frame[14] << 8 | frame[15]) & 0xfff;

    return !(e1000_get(nic, E1000_RCTL) & RCTL_VFE) || (e1000_get(nic, E1000_VFTA + (vid >> 5) * 4) >> (vid & 31) & 1);
}

void e1000_receive(struct e1000 *nic, const uint8_t *frame, size_t len_bytes)
{
    uint32_t rctl = e1000_get(nic, E1000_RCTL), size = buffer_bytes(rctl), count, cause = ICR_RXT0;
    uint64_t base = ring_base(nic, E1000_RDBAL);
    uint8_t packet[HOST_NET_FRAME_MAX + FCS_BYTES];
    uint8_t status = RXD_STATUS_IXSM; /* no checksum was verified */
    uint16_t special = 0;
    size_t len = len_bytes, done = 0;

    if (!(rctl & RCTL_EN) || nic->is_busy || len > HOST_NET_FRAME_MAX || len < ETHERNET_HEADER ||
        !passes_filters(nic, frame))
        return;
    memcpy(packet, frame, len);
    if (len >= 18 && (unsigned)(packet[12] << 8 | packet[13]) == (e1000_get(nic, E1000_VET) & 0xffff)) {
        if (!passes_vlan_filter(nic, packet))
            return;
        if (e1000_get(nic, E1000_CTRL) & CTRL_VME) {
            special = (uint16_t)(packet[14] << 8 | packet[15]);
            status |= RXD_STATUS_VP;
            memmove(packet + 12, packet + 16, len - 16);
            len -= VLAN_TAG_BYTES;
        }
    }
    if (len < ETHERNET_MIN) { /* the wire has no shorter frames */
        memset(packet + len, 0, ETHERNET_MIN - len);
        len = ETHERNET_MIN;
    }
    if (len > 1518 && !(rctl & RCTL_LPE))
        return;
    if (!(rctl & RCTL_SECRC)) {
        memset(packet + len, 0, FCS_BYTES);
        len += FCS_BYTES;
    }
    count = (uint32_t)((len + size - 1) / size);
    if (free_descriptors(nic) < count) {
        e1000_count(nic, E1000_MPC, 1);
        e1000_cause(nic, ICR_RXO);
        return;
    }
    nic->is_busy = true;
    while (done < len) {
        uint32_t head = e1000_get(nic, E1000_RDH), ring = e1000_get(nic, E1000_RDLEN) / DESCRIPTOR_BYTES;
        size_t n = len - done < size ? len - done : size;
        struct rx_descriptor d;

        if (!pci_dma_read(&nic->pci, base + head * DESCRIPTOR_BYTES, &d, sizeof d)) {
            nic->is_busy = false; /* a ring outside RAM, or not a bus master */
            e1000_count(nic, E1000_MPC, 1);
            return;
        }
        pci_dma_write(&nic->pci, d.address, packet + done, n);
        done += n;
        d.len_bytes = (uint16_t)n;
        d.checksum = 0;
        d.errors = 0;
        d.special = special;
        d.status = (uint8_t)(status | RXD_STATUS_DD | (done == len ? RXD_STATUS_EOP : 0));
        pci_dma_write(&nic->pci, base + head * DESCRIPTOR_BYTES + 8, &d.len_bytes, 8);
        e1000_set(nic, E1000_RDH, head + 1 >= ring ? 0 : head + 1);
    }
    nic->is_busy = false;
    e1000_count(nic, E1000_TPR, 1);
    e1000_count(nic, E1000_GPRC, 1);
    e1000_count64(nic, E1000_TORL, (uint32_t)len);
    e1000_count64(nic, E1000_GORCL, (uint32_t)len);
    if (frame[0] & 1)
        e1000_count(nic, is_broadcast(frame) ? E1000_BPRC : E1000_MPRC, 1);
    if (free_descriptors(nic) <= e1000_get(nic, E1000_RDLEN) / DESCRIPTOR_BYTES >> ((rctl >> RCTL_RDMTS_SHIFT & 3) + 1))
        cause |= ICR_RXDMT0;
    e1000_cause(nic, cause);
}
