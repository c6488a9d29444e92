/* What e1000.c (registers) and e1000_ring.c (descriptor rings) share. Names: Intel 317453 (8254x Software Developer's
 * Manual). */
#ifndef HW_NET_E1000_INTERNAL_H
#define HW_NET_E1000_INTERNAL_H

#include "hw/net/e1000.h"

#define E1000_MMIO_BYTES    0x20000u
#define E1000_IO_BYTES      0x40u
#define E1000_EEPROM_WORDS  64
#define E1000_PHY_REGISTERS 32
#define E1000_TX_PACKET_MAX 65536u /* a TSO packet is shorter than this */
#define E1000_TSO_MSS_MIN   16     /* fewer bytes per segment than any TCP sends */

enum e1000_register { /* byte offsets */
                      E1000_CTRL = 0x0000,
                      E1000_STATUS = 0x0008,
                      E1000_EECD = 0x0010,
                      E1000_EERD = 0x0014,
                      E1000_CTRL_EXT = 0x0018,
                      E1000_MDIC = 0x0020,
                      E1000_FCAL = 0x0028,
                      E1000_FCAH = 0x002c,
                      E1000_FCT = 0x0030,
                      E1000_VET = 0x0038,
                      E1000_ICR = 0x00c0,
                      E1000_ITR = 0x00c4,
                      E1000_ICS = 0x00c8,
                      E1000_IMS = 0x00d0,
                      E1000_IMC = 0x00d8,
                      E1000_RCTL = 0x0100,
                      E1000_FCTTV = 0x0170,
                      E1000_TXCW = 0x0178,
                      E1000_RXCW = 0x0180,
                      E1000_TCTL = 0x0400,
                      E1000_TIPG = 0x0410,
                      E1000_AIFS = 0x0458,
                      E1000_LEDCTL = 0x0e00,
                      E1000_PBA = 0x1000,
                      E1000_FCRTL = 0x2160,
                      E1000_FCRTH = 0x2168,
                      E1000_RDBAL = 0x2800,
                      E1000_RDBAH = 0x2804,
                      E1000_RDLEN = 0x2808,
                      E1000_RDH = 0x2810,
                      E1000_RDT = 0x2818,
                      E1000_RDTR = 0x2820,
                      E1000_RXDCTL = 0x2828,
                      E1000_RADV = 0x282c,
                      E1000_RSRPD = 0x2c00,
                      E1000_TDFH = 0x3410,
                      E1000_TDBAL = 0x3800,
                      E1000_TDBAH = 0x3804,
                      E1000_TDLEN = 0x3808,
                      E1000_TDH = 0x3810,
                      E1000_TDT = 0x3818,
                      E1000_TIDV = 0x3820,
                      E1000_TXDCTL = 0x3828,
                      E1000_TADV = 0x382c,
                      E1000_STATISTICS = 0x4000, /* to 4124, 32 bits each, cleared by reading */
                      E1000_STATISTICS_END = 0x4128,
                      E1000_GPRC = 0x4074,
                      E1000_BPRC = 0x4078,
                      E1000_MPRC = 0x407c,
                      E1000_GPTC = 0x4080,
                      E1000_GORCL = 0x4088, /* 64 bits, the high half 4 above; reading that clears both */
                      E1000_GOTCL = 0x4090, /* 64 bits */
                      E1000_MPC = 0x4010,
                      E1000_TORL = 0x40c0, /* 64 bits */
                      E1000_TOTL = 0x40c8, /* 64 bits */
                      E1000_TPR = 0x40d0,
                      E1000_TPT = 0x40d4,
                      E1000_RXCSUM = 0x5000,
                      E1000_MTA = 0x5200,  /* 128 words */
                      E1000_RAL = 0x5400,  /* 16 pairs */
                      E1000_VFTA = 0x5600, /* 128 words */
                      E1000_WUC = 0x5800,
                      E1000_WUFC = 0x5808,
                      E1000_MANC = 0x5820,
                      E1000_SWSM = 0x5b50,
                      E1000_REGISTERS_END = 0x5c00,
};

#define CTRL_SLU          (1u << 6)
#define CTRL_RST          (1u << 26)
#define CTRL_VME          (1u << 30)
#define CTRL_PHY_RST      (1u << 31)
#define STATUS_FD         (1u << 0)
#define STATUS_LU         (1u << 1)
#define STATUS_SPEED_1000 (2u << 6)
#define EECD_SK           (1u << 0)
#define EECD_CS           (1u << 1)
#define EECD_DI           (1u << 2)
#define EECD_DO           (1u << 3)
#define EECD_REQ          (1u << 6)
#define EECD_GNT          (1u << 7)
#define EECD_PRES         (1u << 8)
#define EERD_START        (1u << 0)
#define EERD_DONE         (1u << 4)
#define MDIC_OP_WRITE     (1u << 26)
#define MDIC_OP_READ      (2u << 26)
#define MDIC_READY        (1u << 28)
#define MDIC_INT          (1u << 29)
#define MDIC_ERROR        (1u << 30)

enum e1000_cause { /* ICR, ICS, IMS, IMC */
                   ICR_TXDW = 1 << 0,
                   ICR_TXQE = 1 << 1,
                   ICR_LSC = 1 << 2,
                   ICR_RXDMT0 = 1 << 4,
                   ICR_RXO = 1 << 6,
                   ICR_RXT0 = 1 << 7,
                   ICR_MDAC = 1 << 9,
                   ICR_ALL = 0x1f6df, /* those that a 82540EM has */
};

#define RCTL_EN          (1u << 1)
#define RCTL_UPE         (1u << 3)
#define RCTL_MPE         (1u << 4)
#define RCTL_LPE         (1u << 5)
#define RCTL_RDMTS_SHIFT 8
#define RCTL_MO_SHIFT    12
#define RCTL_BAM         (1u << 15)
#define RCTL_BSIZE_SHIFT 16
#define RCTL_VFE         (1u << 18)
#define RCTL_BSEX        (1u << 25)
#define RCTL_SECRC       (1u << 26)
#define TCTL_EN          (1u << 1)
#define RAH_AV           (1u << 31)
#define RXCSUM_IPOFLD    (1u << 8)
#define RXCSUM_TUOFLD    (1u << 9)

struct e1000_tx_context { /* from the last context descriptor */
    uint8_t ipcss, ipcso, tucss, tucso, hdrlen;
    uint16_t ipcse, tucse, mss;
    uint32_t paylen;
    uint8_t is_tcp, is_ip, tso;
};

struct e1000 {
    struct pci_device pci; /* first: what the PCI bus sees */

    uint32_t reg[E1000_REGISTERS_END / 4]; /* all registers without a behaviour of their own are plain memory */
    uint16_t phy[E1000_PHY_REGISTERS];
    uint16_t eeprom[E1000_EEPROM_WORDS];
    uint32_t io_address; /* IOADDR */
    uint8_t eecd_in;     /* bits shifted in since chip select */
    uint16_t eecd_command, eecd_out;
    uint8_t eecd_out_left;

    struct e1000_tx_context context;
    uint8_t tx_options; /* POPTS of the packet's first data descriptor */
    uint8_t tx_is_tso;
    uint8_t tx_insert_vlan;
    uint16_t tx_vlan;
    uint32_t tx_len;
    uint8_t tx_packet[E1000_TX_PACKET_MAX];

    struct clock *clock;
    struct timer throttle; /* ITR: earliest next interrupt */
    struct timer wire;     /* the transmitter goes on when it fires */
    uint32_t tx_work;      /* by the transmitter since then, in units of about 500 ns on the wire */
    struct host_net *host;
    bool is_busy; /* a DMA access reached our own registers: refuse to recurse */
};

static inline uint32_t e1000_get(const struct e1000 *nic, unsigned offset)
{
    return nic->reg[offset / 4];
}
static inline void e1000_set(struct e1000 *nic, unsigned offset, uint32_t value)
{
    nic->reg[offset / 4] = value;
}

/* e1000.c: sets cause bits and drives INTA#. */
void e1000_cause(struct e1000 *nic, uint32_t bits);
void e1000_count(struct e1000 *nic, unsigned statistic, uint32_t n);
void e1000_count64(struct e1000 *nic, unsigned statistic, uint32_t n);

/* e1000_ring.c */
void e1000_transmit(struct e1000 *nic); /* runs the transmit ring from TDH towards TDT */
bool e1000_can_receive(struct e1000 *nic);
void e1000_receive(struct e1000 *nic, const uint8_t *frame, size_t len_bytes);

#endif
