/* An 82540EM on a fake board, with a cable that records frames, and descriptor rings in its RAM. */
#ifndef TESTS_UNIT_HW_E1000_RIG_H
#define TESTS_UNIT_HW_E1000_RIG_H

#include "tests/unit/hw/probe.h"

#include "hw/net/e1000_internal.h"
#include "tests/unit/hw/pci/fake_board.h"

#define RIG_MMIO       0xfeb80000u
#define RIG_PORTS      0xc000u
#define RIG_SLOT       3
#define RIG_CONFIG     (0x80000000u | RIG_SLOT << 11)
#define RIG_TX_RING    0x1000u
#define RIG_RX_RING    0x2000u
#define RIG_N_DESC     8u
#define RIG_RX_BUFFER  0x40000u /* of descriptor i: + i * RIG_RX_SPACING */
#define RIG_RX_SPACING 0x4000u
#define RIG_TX_BUFFER  0x10000u
#define RIG_FRAMES     512

static const uint8_t rig_mac[6] = {0x52, 0x54, 0x00, 0x12, 0x34, 0x56};

struct rig {
    struct fake_board *board;
    struct clock *clock;
    struct pci_bus *pci;
    struct e1000 *nic;
    struct host_net cable; /* found by its receiver's address: see rig_of() */
    bool intx;
    unsigned n_rises;
    unsigned n_accepts;
    unsigned n_frames; /* all that were sent; the first RIG_FRAMES are kept */
    struct {
        size_t len;
        uint8_t bytes[HOST_NET_FRAME_MAX];
    } * frame;
};

static inline struct rig *rig_of(struct host_net *cable)
{
    return (struct rig *)(void *)((char *)cable - offsetof(struct rig, cable));
}

static inline void rig_send(struct host_net *cable, const uint8_t *bytes, size_t len)
{
    struct rig *rig = rig_of(cable);

    assert_in_range(len, 14, HOST_NET_FRAME_MAX);
    if (rig->n_frames < RIG_FRAMES) {
        rig->frame[rig->n_frames].len = len;
        memcpy(rig->frame[rig->n_frames].bytes, bytes, len);
    }
    rig->n_frames++;
}

static inline void rig_accept(struct host_net *cable)
{
    rig_of(cable)->n_accepts++;
}

static inline void rig_intx(void *opaque, unsigned devfn, unsigned pin, bool level)
{
    struct rig *rig = opaque;

    assert_int_equal(pin, 0);
    if (devfn != RIG_SLOT << 3)
        return;
    rig->n_rises += level && !rig->intx;
    rig->intx = level;
}

/* ---- its registers ---- */

static inline uint32_t rd(struct rig *rig, uint32_t offset)
{
    return fake_mmio_read(rig->board, RIG_MMIO + offset, 4);
}

static inline void wr(struct rig *rig, uint32_t offset, uint32_t value)
{
    fake_mmio_write(rig->board, RIG_MMIO + offset, value, 4);
}

static inline void rig_config_write(struct rig *rig, unsigned offset, uint32_t value)
{
    bus_out(rig->board->bus, 0xcf8, RIG_CONFIG | (offset & 0xfc), 4);
    bus_out(rig->board->bus, 0xcfc, value, 4);
}

/* As firmware leaves it: BARs mapped, bus master. */
static inline void rig_plug_in(struct rig *rig)
{
    rig_config_write(rig, PCI_BASE_ADDRESS_0, RIG_MMIO);
    rig_config_write(rig, PCI_BASE_ADDRESS_0 + 4, RIG_PORTS);
    rig_config_write(rig, PCI_COMMAND, PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

static inline int rig_setup(void **state)
{
    struct rig *rig = calloc(1, sizeof *rig);

    rig->frame = calloc(RIG_FRAMES, sizeof *rig->frame);
    rig->board = fake_board_create();
    rig->clock = clock_create_fake();
    rig->pci = pci_bus_create(rig->board->bus);
    pci_bus_connect_intx(rig->pci, rig_intx, rig);
    bus_map_ports(rig->board->bus, 0xcf8, 4, &pci_address_ports, rig->pci);
    bus_map_ports(rig->board->bus, 0xcfc, 4, &pci_data_ports, rig->pci);
    rig->cable = (struct host_net){.send = rig_send, .accept_input = rig_accept};
    rig->nic = e1000_create(rig->pci, RIG_SLOT, rig->clock, &rig->cable, rig_mac, NULL, 0);
    assert_non_null(rig->nic);
    e1000_reset(rig->nic);
    rig_plug_in(rig);
    *state = rig;
    return 0;
}

static inline int rig_teardown(void **state)
{
    struct rig *rig = *state;

    e1000_destroy(rig->nic);
    pci_bus_destroy(rig->pci);
    fake_board_destroy(rig->board);
    clock_destroy(rig->clock);
    free(rig->frame);
    free(rig);
    return 0;
}

/* ---- its rings ---- */

static inline void put_le(uint8_t *p, uint64_t value, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        p[i] = (uint8_t)(value >> 8 * i);
}

static inline uint64_t get_le(const uint8_t *p, unsigned n)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < n; i++)
        value |= (uint64_t)p[i] << 8 * i;
    return value;
}

static inline uint8_t *tx_desc(struct rig *rig, unsigned i)
{
    return rig->board->ram + RIG_TX_RING + i * 16;
}

static inline uint8_t *rx_desc(struct rig *rig, unsigned i)
{
    return rig->board->ram + RIG_RX_RING + i * 16;
}

static inline uint8_t *rx_buffer(struct rig *rig, unsigned i)
{
    return rig->board->ram + RIG_RX_BUFFER + i * RIG_RX_SPACING;
}

static inline void start_tx(struct rig *rig)
{
    wr(rig, E1000_TDBAL, RIG_TX_RING);
    wr(rig, E1000_TDBAH, 0);
    wr(rig, E1000_TDLEN, RIG_N_DESC * 16);
    wr(rig, E1000_TDH, 0);
    wr(rig, E1000_TDT, 0);
    wr(rig, E1000_TCTL, TCTL_EN);
}

/* Buffers of `RIG_RX_SPACING` for all but one descriptor. */
static inline void start_rx(struct rig *rig, uint32_t rctl)
{
    for (unsigned i = 0; i < RIG_N_DESC; i++) {
        memset(rx_desc(rig, i), 0, 16);
        put_le(rx_desc(rig, i), RIG_RX_BUFFER + i * RIG_RX_SPACING, 8);
    }
    wr(rig, E1000_RDBAL, RIG_RX_RING);
    wr(rig, E1000_RDBAH, 0);
    wr(rig, E1000_RDLEN, RIG_N_DESC * 16);
    wr(rig, E1000_RDH, 0);
    wr(rig, E1000_RDT, RIG_N_DESC - 1);
    wr(rig, E1000_RCTL, RCTL_EN | rctl);
}

/* Descriptor formats as the manual's tables draw them, byte by byte. */
enum { CMD_EOP = 0x01, CMD_IFCS = 0x02, CMD_IC = 0x04, CMD_TSE = 0x04, CMD_RS = 0x08, CMD_DEXT = 0x20, CMD_VLE = 0x40 };
enum { POPTS_IXSM = 1, POPTS_TXSM = 2 };
enum { TUCMD_TCP = 1, TUCMD_IP = 2 };

static inline void tx_legacy(struct rig *rig, unsigned i, uint64_t address, unsigned len, unsigned cso, unsigned cmd,
                             unsigned css, unsigned special)
{
    uint8_t *d = tx_desc(rig, i);

    put_le(d, address, 8);
    put_le(d + 8, len, 2);
    d[10] = (uint8_t)cso;
    d[11] = (uint8_t)cmd;
    d[12] = 0;
    d[13] = (uint8_t)css;
    put_le(d + 14, special, 2);
}

static inline void tx_data(struct rig *rig, unsigned i, uint64_t address, unsigned len, unsigned cmd, unsigned popts,
                           unsigned special)
{
    uint8_t *d = tx_desc(rig, i);

    put_le(d, address, 8);
    put_le(d + 8, len | 1u << 20, 3); /* DTYP 0001 */
    d[11] = (uint8_t)(cmd | CMD_DEXT);
    d[12] = 0;
    d[13] = (uint8_t)popts;
    put_le(d + 14, special, 2);
}

struct tx_context {
    unsigned ipcss, ipcso, ipcse, tucss, tucso, tucse, paylen, tucmd, hdrlen, mss;
};

static inline void tx_context(struct rig *rig, unsigned i, const struct tx_context *c)
{
    uint8_t *d = tx_desc(rig, i);

    d[0] = (uint8_t)c->ipcss;
    d[1] = (uint8_t)c->ipcso;
    put_le(d + 2, c->ipcse, 2);
    d[4] = (uint8_t)c->tucss;
    d[5] = (uint8_t)c->tucso;
    put_le(d + 6, c->tucse, 2);
    put_le(d + 8, c->paylen, 3); /* DTYP 0000 */
    d[11] = (uint8_t)(c->tucmd | CMD_DEXT);
    d[12] = 0;
    d[13] = (uint8_t)c->hdrlen;
    put_le(d + 14, c->mss, 2);
}

/* ---- frames ---- */

/* Everything after the addresses is a pattern that depends on `seed`. */
static inline void make_frame(uint8_t *frame, size_t len, const uint8_t to[6], unsigned seed)
{
    static const uint8_t from[6] = {2, 0, 0, 0, 0, 1};

    for (size_t i = 0; i < len; i++)
        frame[i] = (uint8_t)(i * 7 + i / 256 + seed * 31);
    memcpy(frame, to, 6);
    memcpy(frame + 6, from, 6);
    frame[12] = 0x12;
    frame[13] = 0x34;
}

/* RFC 1071, the receiver's side: the one's complement sum of everything, checksum included, is all ones. */
static inline bool sums_to_ones(const uint8_t *bytes, size_t len, uint32_t pseudo_header)
{
    uint64_t sum = pseudo_header;

    for (size_t i = 0; i < len; i++)
        sum += i % 2 ? bytes[i] : (uint64_t)bytes[i] << 8;
    return sum % 0xffff == 0 && sum != 0;
}

static inline unsigned get_be(const uint8_t *p, unsigned n)
{
    unsigned value = 0;

    while (n--)
        value = value << 8 | *p++;
    return value;
}

static inline void put_be(uint8_t *p, unsigned value, unsigned n)
{
    while (n--) {
        p[n] = (uint8_t)value;
        value >>= 8;
    }
}

static inline uint32_t words(const uint8_t *p, unsigned n)
{
    uint32_t sum = 0;

    for (unsigned i = 0; i < n; i++)
        sum += get_be(p + 2 * i, 2);
    return sum;
}

#endif
