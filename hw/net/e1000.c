/*
 * Intel 82540EM: registers, EEPROM, PHY and interrupts. The rings are in e1000_ring.c.
 *
 * Source: Intel 317453, "PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's Manual".
 * Deviates: the link is always up at 1000 Mb/s full duplex and does not loop back; no wake-up, no flash; delay timers
 * RDTR, RADV, TIDV and TADV do not delay (ITR does).
 */
#include <stdlib.h>
#include <string.h>

#include "hw/core/log.h"
#include "hw/net/e1000_internal.h"

#define VENDOR_INTEL        0x8086
#define DEVICE_82540EM      0x100e
#define ITR_UNIT_NS         256
#define RESET_RDTR_PBA      0x00100030u /* 48 KiB receive, 16 KiB transmit */
#define EEPROM_CHECKSUM     0xbaba
#define EEPROM_READ         0x6 /* opcode 110 */
#define EEPROM_COMMAND_BITS 9

enum phy_register {
    PHY_CTRL = 0,
    PHY_STATUS = 1,
    PHY_ID1 = 2,
    PHY_ID2 = 3,
    PHY_AUTONEG_ADV = 4,
    PHY_LP_ABILITY = 5,
    PHY_AUTONEG_EXP = 6,
    PHY_1000T_CTRL = 9,
    PHY_1000T_STATUS = 10,
    PHY_EXT_STATUS = 15,
    M88_PSCR = 16,
    M88_PSSR = 17
};

static const uint16_t phy_reset[E1000_PHY_REGISTERS] = {
    [PHY_CTRL] = 0x1140,        [PHY_STATUS] = 0x796d,       [PHY_ID1] = 0x0141,
    [PHY_ID2] = 0x0c20, /* M88E1011 */
    [PHY_AUTONEG_ADV] = 0x0de1, [PHY_LP_ABILITY] = 0x45e1,   [PHY_AUTONEG_EXP] = 0x0001,
    [PHY_1000T_CTRL] = 0x0e00,  [PHY_1000T_STATUS] = 0x3c00, [PHY_EXT_STATUS] = 0x3000,
    [M88_PSCR] = 0x0360,        [M88_PSSR] = 0xac00,
};
#define PHY_CTRL_RESET_BITS 0x8200u /* reset, restart auto-negotiation: clear themselves */

/* EEPROM image of an 82540EM; the address and the checksum are filled in. Intel 317453, "EEPROM Interface". */
static const uint16_t eeprom_image[E1000_EEPROM_WORDS] = {
    [0x03] = 0x0d00,       [0x04] = 0xffff,         [0x05] = 0xffff,       [0x0a] = 0x4408, [0x0b] = DEVICE_82540EM,
    [0x0c] = VENDOR_INTEL, [0x0d] = DEVICE_82540EM, [0x0e] = VENDOR_INTEL, [0x0f] = 0x2580,
};

static const struct state_field fields[] = {
    PCI_STATE(struct e1000, pci),
    STATE_ARRAY(struct e1000, reg, 0, "registers"),
    STATE_ARRAY(struct e1000, phy, 0, "PHY registers"),
    STATE_REG(struct e1000, io_address, 0, "IOADDR"),
    STATE_REG(struct e1000, eecd_in, 0, "EEPROM bits taken"),
    STATE_REG(struct e1000, eecd_command, 0, "EEPROM command"),
    STATE_REG(struct e1000, eecd_out, 0, "EEPROM word being read"),
    STATE_REG(struct e1000, eecd_out_left, 0, "its bits still to come"),
    STATE_REG(struct e1000, context.ipcss, 0, "IPCSS"),
    STATE_REG(struct e1000, context.ipcso, 0, "IPCSO"),
    STATE_REG(struct e1000, context.ipcse, 0, "IPCSE"),
    STATE_REG(struct e1000, context.tucss, 0, "TUCSS"),
    STATE_REG(struct e1000, context.tucso, 0, "TUCSO"),
    STATE_REG(struct e1000, context.tucse, 0, "TUCSE"),
    STATE_REG(struct e1000, context.hdrlen, 0, "HDRLEN"),
    STATE_REG(struct e1000, context.mss, 0, "MSS"),
    STATE_REG(struct e1000, context.paylen, 0, "PAYLEN"),
    STATE_REG(struct e1000, context.is_tcp, 0, "TUCMD.TCP"),
    STATE_REG(struct e1000, context.is_ip, 0, "TUCMD.IP"),
    STATE_REG(struct e1000, context.tso, 0, "TUCMD.TSE"),
    STATE_REG(struct e1000, tx_options, 0, "POPTS of the packet under way"),
    STATE_REG(struct e1000, tx_is_tso, 0, "DCMD.TSE of it"),
    STATE_REG(struct e1000, tx_insert_vlan, 0, "DCMD.VLE of it"),
    STATE_REG(struct e1000, tx_vlan, 0, "its VLAN tag"),
    STATE_REG(struct e1000, tx_len, 0, "bytes of it so far"),
    STATE_BLOB(struct e1000, tx_packet, 0, "transmit packet buffer"),
};
static const struct state_desc desc = STATE_DESC("e1000", fields);

const struct state_desc *e1000_state(void)
{
    return &desc;
}

/* ---- interrupts ---- */

static void update_interrupt(struct e1000 *nic)
{
    bool wanted = e1000_get(nic, E1000_ICR) & e1000_get(nic, E1000_IMS);
    uint32_t interval = e1000_get(nic, E1000_ITR) & 0xffff;

    if (!wanted) {
        pci_device_set_intx(&nic->pci, false);
        return;
    }
    if (nic->pci.intx_level || nic->throttle.deadline_ns != CLOCK_NEVER)
        return; /* asserted, or the throttle's expiry looks again */
    pci_device_set_intx(&nic->pci, true);
    if (interval)
        timer_set(&nic->throttle, clock_now_ns(nic->clock) + (int64_t)interval * ITR_UNIT_NS);
}

static void throttle_over(void *opaque)
{
    update_interrupt(opaque);
}

void e1000_cause(struct e1000 *nic, uint32_t bits)
{
    e1000_set(nic, E1000_ICR, e1000_get(nic, E1000_ICR) | (bits & ICR_ALL));
    update_interrupt(nic);
}

void e1000_count(struct e1000 *nic, unsigned statistic, uint32_t n)
{
    uint32_t *counter = &nic->reg[statistic / 4];

    *counter = *counter + n < n ? UINT32_MAX : *counter + n; /* they stick at the top */
}

void e1000_count64(struct e1000 *nic, unsigned statistic, uint32_t n)
{
    uint32_t low = e1000_get(nic, statistic) + n;

    e1000_set(nic, statistic, low);
    if (low < n)
        e1000_set(nic, statistic + 4, e1000_get(nic, statistic + 4) + 1);
}

/* ---- EEPROM: by EERD, or bit by bit through EECD (Microwire) ---- */

static uint32_t read_eerd(const struct e1000 *nic)
{
    uint32_t value = e1000_get(nic, E1000_EERD), word = value >> 8 & 0xff;

    if (!(value & EERD_START))
        return value & ~EERD_DONE;
    return (word < E1000_EEPROM_WORDS ? (uint32_t)nic->eeprom[word] << 16 : 0) | (value & 0xff00) | EERD_DONE;
}

static void write_eecd(struct e1000 *nic, uint32_t value)
{
    uint32_t old = e1000_get(nic, E1000_EECD);
    bool rises = !(old & EECD_SK) && (value & EECD_SK);

    e1000_set(nic, E1000_EECD, value & (EECD_SK | EECD_CS | EECD_DI | EECD_REQ));
    if (!(value & EECD_CS)) {
        nic->eecd_in = nic->eecd_out_left = 0;
        nic->eecd_command = 0;
        return;
    }
    if (rises && nic->eecd_in < EEPROM_COMMAND_BITS) {
        bool bit = value & EECD_DI;

        if (nic->eecd_in == 0 && !bit)
            return; /* zeros before the start bit */
        nic->eecd_command = (uint16_t)(nic->eecd_command << 1 | bit);
        if (++nic->eecd_in == EEPROM_COMMAND_BITS && nic->eecd_command >> 6 == EEPROM_READ) {
            nic->eecd_out = nic->eeprom[nic->eecd_command & (E1000_EEPROM_WORDS - 1)];
            nic->eecd_out_left = 17; /* a zero bit first */
        }
    } else if (rises && nic->eecd_out_left) {
        nic->eecd_out_left--;
    }
}

static uint32_t read_eecd(const struct e1000 *nic)
{
    uint32_t value = e1000_get(nic, E1000_EECD) | EECD_PRES;
    bool out = nic->eecd_out_left == 0 || (nic->eecd_out_left <= 16 && nic->eecd_out >> (nic->eecd_out_left - 1) & 1);

    if (nic->eecd_in < EEPROM_COMMAND_BITS)
        out = true;
    return value | (value & EECD_REQ ? EECD_GNT : 0) | (out ? EECD_DO : 0);
}

/* ---- PHY ---- */

static void write_mdic(struct e1000 *nic, uint32_t value)
{
    unsigned phy = value >> 21 & 0x1f, number = value >> 16 & 0x1f;

    value &= ~(MDIC_READY | MDIC_ERROR);
    if (phy != 1)
        value |= MDIC_ERROR; /* the internal PHY has address 1 */
    else if (value & MDIC_OP_READ)
        value = (value & 0xffff0000) | nic->phy[number];
    else if ((value & MDIC_OP_WRITE) && number != PHY_STATUS && number != PHY_ID1 && number != PHY_ID2 &&
             number != M88_PSSR)
        nic->phy[number] = (uint16_t)value & (number == PHY_CTRL ? (uint16_t)~PHY_CTRL_RESET_BITS : 0xffff);
    e1000_set(nic, E1000_MDIC, value | MDIC_READY);
    if (value & MDIC_INT)
        e1000_cause(nic, ICR_MDAC);
}

/* ---- registers ---- */

/* What CTRL.RST resets: everything but the PCI configuration. */
static void reset_device(struct e1000 *nic)
{
    memset(nic->reg, 0, sizeof nic->reg);
    memcpy(nic->phy, phy_reset, sizeof nic->phy);
    memset(&nic->context, 0, sizeof nic->context);
    nic->tx_len = 0;
    nic->tx_options = nic->tx_is_tso = nic->tx_insert_vlan = 0;
    nic->eecd_in = nic->eecd_out_left = 0;
    nic->tx_work = 0;
    timer_cancel(&nic->throttle);
    timer_cancel(&nic->wire);
    e1000_set(nic, E1000_CTRL, 0x00000201u | CTRL_SLU);
    e1000_set(nic, E1000_STATUS, STATUS_FD | STATUS_LU | STATUS_SPEED_1000);
    e1000_set(nic, E1000_PBA, RESET_RDTR_PBA);
    e1000_set(nic, E1000_MANC, 0);
    e1000_set(nic, E1000_LEDCTL, 0x07068302u);
    e1000_set(nic, E1000_RAL, nic->eeprom[0] | (uint32_t)nic->eeprom[1] << 16);
    e1000_set(nic, E1000_RAL + 4, nic->eeprom[2] | RAH_AV);
    update_interrupt(nic);
}

static uint32_t register_read(struct e1000 *nic, uint32_t offset)
{
    uint32_t value;

    if (offset >= E1000_REGISTERS_END)
        return 0;
    value = e1000_get(nic, offset);
    switch (offset) {
    case E1000_ICR: /* reading acknowledges */
        e1000_set(nic, E1000_ICR, 0);
        update_interrupt(nic);
        return value;
    case E1000_ICS:
    case E1000_IMC:
        return 0;
    case E1000_EECD:
        return read_eecd(nic);
    case E1000_EERD:
        return read_eerd(nic);
    case E1000_SWSM:
        return 0;
    case E1000_GORCL:
    case E1000_GOTCL:
    case E1000_TORL:
    case E1000_TOTL:
        return value;
    case E1000_GORCL + 4:
    case E1000_GOTCL + 4:
    case E1000_TORL + 4:
    case E1000_TOTL + 4:
        e1000_set(nic, offset - 4, 0);
        e1000_set(nic, offset, 0);
        return value;
    default:
        if (offset >= E1000_STATISTICS && offset < E1000_STATISTICS_END)
            e1000_set(nic, offset, 0);
        return value;
    }
}

static void register_write(struct e1000 *nic, uint32_t offset, uint32_t value)
{
    if (offset >= E1000_REGISTERS_END)
        return;
    switch (offset) {
    case E1000_CTRL:
        if (value & CTRL_RST) {
            reset_device(nic);
            return;
        }
        e1000_set(nic, offset, value & ~CTRL_PHY_RST);
        if (value & CTRL_PHY_RST)
            memcpy(nic->phy, phy_reset, sizeof nic->phy);
        return;
    case E1000_STATUS:
        return;
    case E1000_EECD:
        write_eecd(nic, value);
        return;
    case E1000_MDIC:
        write_mdic(nic, value);
        return;
    case E1000_ICR: /* writing ones acknowledges */
        e1000_set(nic, E1000_ICR, e1000_get(nic, E1000_ICR) & ~value);
        update_interrupt(nic);
        return;
    case E1000_ICS:
        e1000_cause(nic, value);
        return;
    case E1000_IMS:
        e1000_set(nic, E1000_IMS, e1000_get(nic, E1000_IMS) | (value & ICR_ALL));
        update_interrupt(nic);
        return;
    case E1000_IMC:
        e1000_set(nic, E1000_IMS, e1000_get(nic, E1000_IMS) & ~value);
        update_interrupt(nic);
        return;
    case E1000_RDBAL:
    case E1000_TDBAL:
        e1000_set(nic, offset, value & ~0xfu);
        return;
    case E1000_RDLEN:
    case E1000_TDLEN:
        e1000_set(nic, offset, value & 0xfff80);
        return;
    case E1000_RDH:
    case E1000_TDH:
        e1000_set(nic, offset, value & 0xffff);
        return;
    case E1000_TDT:
        e1000_set(nic, offset, value & 0xffff);
        e1000_transmit(nic);
        return;
    case E1000_TCTL:
        e1000_set(nic, offset, value);
        e1000_transmit(nic);
        return;
    case E1000_RDT:
        value &= 0xffff;
        /* fall through */
    case E1000_RCTL:
        e1000_set(nic, offset, value);
        if (nic->host && nic->host->accept_input && e1000_can_receive(nic))
            nic->host->accept_input(nic->host);
        return;
    default:
        e1000_set(nic, offset, value);
        return;
    }
}

static uint32_t low_bytes(uint32_t value, unsigned n)
{
    return n >= 4 ? value : value & ((1u << n * 8) - 1);
}

/* How many bytes of an access lie in its first register; the rest lies in the next one. */
static unsigned first_part(uint32_t offset, unsigned width)
{
    unsigned room = 4 - (offset & 3);

    return width < room ? width : room;
}

static uint32_t mmio_read(void *self, uint32_t offset, unsigned width)
{
    struct e1000 *nic = self;
    unsigned first = first_part(offset, width);
    uint32_t value = low_bytes(register_read(nic, offset & ~3u) >> (offset & 3) * 8, first);

    if (first < width)
        value |= low_bytes(register_read(nic, (offset & ~3u) + 4), width - first) << first * 8;
    return value;
}

static void mmio_write(void *self, uint32_t offset, uint32_t value, unsigned width)
{
    struct e1000 *nic = self;
    unsigned first = first_part(offset, width);

    /* Registers are 32 bits wide; narrower writes reach the bytes they name, with zeros beside them as on the bus. */
    register_write(nic, offset & ~3u, low_bytes(value, first) << (offset & 3) * 8);
    if (first < width)
        register_write(nic, (offset & ~3u) + 4, low_bytes(value >> first * 8, width - first));
}

static const struct bus_ops mmio_ops = {.name = "e1000", .read = mmio_read, .write = mmio_write, .max_width = 4};

/* I/O BAR: IOADDR and IODATA reach the same registers. */
static uint32_t io_read(void *self, uint32_t offset, unsigned width)
{
    struct e1000 *nic = self;

    if (offset < 4)
        return low_bytes(nic->io_address >> offset * 8, width);
    return offset < 8 ? mmio_read(self, nic->io_address + (offset - 4), width) : 0;
}

static void io_write(void *self, uint32_t offset, uint32_t value, unsigned width)
{
    struct e1000 *nic = self;

    if (offset == 0 && width == 4)
        nic->io_address = value & (E1000_MMIO_BYTES - 1);
    else if (offset >= 4 && offset < 8)
        mmio_write(self, nic->io_address + (offset - 4), value, width);
}

static const struct bus_ops io_ops = {.name = "e1000-io", .read = io_read, .write = io_write, .max_width = 4};

/* ---- life ---- */

static void wire_is_free(void *opaque)
{
    struct e1000 *nic = opaque;

    nic->tx_work = 0;
    e1000_transmit(nic);
}

static bool host_can_receive(void *receiver)
{
    return e1000_can_receive(receiver);
}

static void host_receive(void *receiver, const uint8_t *frame, size_t len_bytes)
{
    e1000_receive(receiver, frame, len_bytes);
}

void e1000_reset(struct e1000 *nic)
{
    pci_device_reset(&nic->pci);
    nic->io_address = 0;
    reset_device(nic);
}

void e1000_after_load(struct e1000 *nic)
{
    pci_device_after_load(&nic->pci);
    if (nic->tx_len > E1000_TX_PACKET_MAX)
        nic->tx_len = 0;
    timer_cancel(&nic->throttle);
    update_interrupt(nic);
    nic->tx_work = 0;
    timer_set(&nic->wire, clock_now_ns(nic->clock)); /* what was under way goes on */
}

static void fill_eeprom(struct e1000 *nic, const uint8_t mac[6])
{
    uint16_t sum = 0;

    memcpy(nic->eeprom, eeprom_image, sizeof nic->eeprom);
    for (unsigned i = 0; i < 3; i++)
        nic->eeprom[i] = (uint16_t)(mac[2 * i] | mac[2 * i + 1] << 8);
    for (unsigned i = 0; i < E1000_EEPROM_WORDS - 1; i++)
        sum = (uint16_t)(sum + nic->eeprom[i]);
    nic->eeprom[E1000_EEPROM_WORDS - 1] = (uint16_t)(EEPROM_CHECKSUM - sum);
}

struct e1000 *e1000_create(struct pci_bus *pci, unsigned slot, struct clock *clock, struct host_net *host,
                           const uint8_t mac[6], const uint8_t *rom, uint32_t rom_len_bytes)
{
    static const struct pci_identity identity = {.vendor_id = VENDOR_INTEL,
                                                 .device_id = DEVICE_82540EM,
                                                 .revision = 3,
                                                 .class_code = 2,
                                                 .subsystem_vendor_id = 0x1af4,
                                                 .subsystem_id = 0x1100,
                                                 .interrupt_pin = 1};
    struct e1000 *nic = calloc(1, sizeof *nic);

    if (!nic)
        return NULL;
    nic->clock = clock;
    nic->host = host;
    timer_init(&nic->throttle, clock, throttle_over, nic);
    timer_init(&nic->wire, clock, wire_is_free, nic);
    fill_eeprom(nic, mac);
    pci_device_init(&nic->pci, &identity, nic);
    pci_device_add_bar(&nic->pci, 0, PCI_BAR_MEMORY, E1000_MMIO_BYTES, &mmio_ops, nic);
    pci_device_add_bar(&nic->pci, 1, PCI_BAR_IO, E1000_IO_BYTES, &io_ops, nic);
    if (rom)
        pci_device_add_rom(&nic->pci, rom, rom_len_bytes);
    if (!pci_device_attach(&nic->pci, pci, slot, 0)) {
        free(nic);
        return NULL;
    }
    if (host) {
        host->receiver = nic;
        host->can_receive = host_can_receive;
        host->receive = host_receive;
    }
    return nic;
}

void e1000_destroy(struct e1000 *nic)
{
    if (!nic)
        return;
    timer_cancel(&nic->throttle);
    timer_cancel(&nic->wire);
    if (nic->host) {
        nic->host->receive = NULL;
        nic->host->can_receive = NULL;
    }
    free(nic);
}
