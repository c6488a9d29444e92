/* Intel 82540EM: the receive ring and its filters. */
#include "tests/unit/hw/net/e1000_rig.h"

static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
static const uint8_t stranger[6] = {0x52, 0x54, 0x00, 0x12, 0x34, 0x57};
static const uint8_t multicast[6] = {0x01, 0x00, 0x5e, 0x00, 0x12, 0x34};

enum { RX_DD = 1, RX_EOP = 2, RX_IXSM = 4, RX_VP = 8 }; /* the descriptor's status */

static unsigned rx_len(struct rig *rig, unsigned i)
{
    return (unsigned)get_le(rx_desc(rig, i) + 8, 2);
}
static unsigned rx_status(struct rig *rig, unsigned i)
{
    return rx_desc(rig, i)[12];
}

/* Hands the card a frame if it takes frames at all. */
static void arrive(struct rig *rig, const uint8_t *frame, size_t len)
{
    if (rig->cable.can_receive(rig->cable.receiver))
        rig->cable.receive(rig->cable.receiver, frame, len);
}

/* Whether a frame to that address comes through. */
static bool is_taken(struct rig *rig, const uint8_t to[6])
{
    uint8_t frame[60];
    uint32_t head = rd(rig, E1000_RDH);

    make_frame(frame, sizeof frame, to, 1);
    arrive(rig, frame, sizeof frame);
    if (rd(rig, E1000_RDH) == head)
        return false;
    wr(rig, E1000_RDT, head); /* gives the descriptor back */
    return true;
}

/* ---- the ring ---- */

static void a_frame_lands_in_the_next_buffer(void **state)
{
    struct rig *rig = *state;
    uint8_t frame[200];

    start_rx(rig, RCTL_SECRC);
    wr(rig, E1000_IMS, ICR_RXT0);
    make_frame(frame, sizeof frame, rig_mac, 1);
    arrive(rig, frame, sizeof frame);
    assert_memory_equal(rx_buffer(rig, 0), frame, sizeof frame);
    assert_int_equal(rx_len(rig, 0), 200);
    assert_int_equal(rx_status(rig, 0), RX_DD | RX_EOP | RX_IXSM);
    assert_int_equal(get_le(rx_desc(rig, 0) + 13, 3), 0); /* no errors, no VLAN */
    assert_int_equal(rd(rig, E1000_RDH), 1);
    assert_true(rig->intx);
    assert_int_equal(rd(rig, E1000_ICR), ICR_RXT0);
    assert_int_equal(rd(rig, E1000_TPR), 1);
    assert_int_equal(rd(rig, E1000_GPRC), 1);
    assert_int_equal(rd(rig, E1000_TORL), 200);
    assert_int_equal(rd(rig, E1000_GORCL), 200);
    assert_int_equal(rd(rig, E1000_MPRC), 0);
}

static void the_frame_check_sequence_counts_unless_it_is_stripped(void **state)
{
    struct rig *rig = *state;
    uint8_t frame[200];

    start_rx(rig, 0);
    make_frame(frame, sizeof frame, rig_mac, 1);
    arrive(rig, frame, sizeof frame);
    assert_int_equal(rx_len(rig, 0), 204);
}

static void short_frames_are_padded(void **state)
{
    static const uint8_t zeros[46];
    struct rig *rig = *state;
    uint8_t frame[14];

    start_rx(rig, RCTL_SECRC);
    memset(rx_buffer(rig, 0), 0xee, 100);
    make_frame(frame, sizeof frame, rig_mac, 1);
    arrive(rig, frame, sizeof frame);
    assert_int_equal(rx_len(rig, 0), 60);
    assert_memory_equal(rx_buffer(rig, 0), frame, 14);
    assert_memory_equal(rx_buffer(rig, 0) + 14, zeros, 46);
    assert_int_equal(rx_buffer(rig, 0)[60], 0xee);
}

static void a_frame_spans_several_buffers(void **state)
{
    static const uint32_t size_bits[] = {3u << 16, 2u << 16, 1u << 16, 0, 3u << 16 | RCTL_BSEX};
    static const unsigned size[] = {256, 512, 1024, 2048, 4096};
    struct rig *rig = *state;
    uint8_t frame[1500];

    make_frame(frame, sizeof frame, rig_mac, 2);
    for (unsigned i = 0; i < 5; i++) {
        unsigned n = (1500 + size[i] - 1) / size[i];

        start_rx(rig, RCTL_SECRC | size_bits[i]);
        arrive(rig, frame, sizeof frame);
        assert_int_equal(rd(rig, E1000_RDH), n);
        for (unsigned k = 0; k < n; k++) {
            unsigned part = k + 1 < n ? size[i] : 1500 - k * size[i];

            assert_int_equal(rx_len(rig, k), part);
            assert_int_equal(rx_status(rig, k), RX_DD | RX_IXSM | (k + 1 == n ? RX_EOP : 0));
            assert_memory_equal(rx_buffer(rig, k), frame + k * size[i], part);
        }
    }
}

static void the_ring_wraps(void **state)
{
    struct rig *rig = *state;
    uint8_t frame[60];

    start_rx(rig, RCTL_SECRC);
    for (unsigned i = 0; i < 3 * RIG_N_DESC; i++) {
        make_frame(frame, sizeof frame, rig_mac, i);
        arrive(rig, frame, sizeof frame);
        assert_int_equal(rd(rig, E1000_RDH), (i + 1) % RIG_N_DESC);
        assert_memory_equal(rx_buffer(rig, i % RIG_N_DESC), frame, sizeof frame);
        wr(rig, E1000_RDT, i % RIG_N_DESC);
    }
}

static void a_full_ring_stops_the_cable_until_the_tail_moves(void **state)
{
    struct rig *rig = *state;
    uint8_t frame[60];
    unsigned n_accepts;

    start_rx(rig, RCTL_SECRC);
    make_frame(frame, sizeof frame, rig_mac, 1);
    for (unsigned i = 0; i < RIG_N_DESC - 1; i++) {
        assert_true(e1000_can_receive(rig->nic));
        arrive(rig, frame, sizeof frame);
    }
    assert_false(e1000_can_receive(rig->nic));
    n_accepts = rig->n_accepts;
    wr(rig, E1000_RDT, RIG_N_DESC - 1);
    assert_int_equal(rig->n_accepts, n_accepts);
    wr(rig, E1000_RDT, 0);
    assert_int_equal(rig->n_accepts, n_accepts + 1);
    assert_true(e1000_can_receive(rig->nic));
}

static void a_frame_that_finds_too_few_buffers_is_missed(void **state)
{
    struct rig *rig = *state;
    uint8_t frame[1500];

    start_rx(rig, RCTL_SECRC | 3u << 16);
    make_frame(frame, sizeof frame, rig_mac, 1);
    wr(rig, E1000_RDT, 5); /* it needs six */
    rd(rig, E1000_ICR);
    arrive(rig, frame, sizeof frame);
    assert_int_equal(rd(rig, E1000_RDH), 0);
    assert_int_equal(rd(rig, E1000_ICR), ICR_RXO);
    assert_int_equal(rd(rig, E1000_MPC), 1);
    assert_int_equal(rd(rig, E1000_GPRC), 0);
}

static void the_minimum_threshold_interrupts(void **state)
{
    struct rig *rig = *state;
    uint8_t frame[60];

    make_frame(frame, sizeof frame, rig_mac, 1);
    for (unsigned rdmts = 0; rdmts < 3; rdmts++) { /* a half, a quarter, an eighth of the ring is left */
        unsigned left = RIG_N_DESC >> (rdmts + 1);

        start_rx(rig, RCTL_SECRC | rdmts << RCTL_RDMTS_SHIFT);
        rd(rig, E1000_ICR);
        for (unsigned free = RIG_N_DESC - 1; free-- > 0;) {
            arrive(rig, frame, sizeof frame);
            assert_int_equal(!!(rd(rig, E1000_ICR) & ICR_RXDMT0), free <= left);
        }
    }
}

static void a_receiver_that_is_off_takes_nothing(void **state)
{
    struct rig *rig = *state;
    uint8_t frame[60];

    start_rx(rig, 0);
    wr(rig, E1000_RCTL, 0);
    assert_false(rig->cable.can_receive(rig->cable.receiver));
    make_frame(frame, sizeof frame, rig_mac, 1);
    rig->cable.receive(rig->cable.receiver, frame, sizeof frame);
    assert_int_equal(rd(rig, E1000_RDH), 0);
    wr(rig, E1000_RCTL, RCTL_EN);
    assert_true(rig->n_accepts > 0);
}

/* ---- filters ---- */

static void only_its_own_address_comes_through(void **state)
{
    struct rig *rig = *state;

    start_rx(rig, 0);
    assert_true(is_taken(rig, rig_mac));
    assert_false(is_taken(rig, stranger));
    assert_false(is_taken(rig, broadcast));
    assert_false(is_taken(rig, multicast));
}

static void further_receive_addresses_come_through_while_they_are_valid(void **state)
{
    struct rig *rig = *state;

    start_rx(rig, 0);
    wr(rig, E1000_RAL + 15 * 8, 0x12005452);
    wr(rig, E1000_RAL + 15 * 8 + 4, 0x5734);
    assert_false(is_taken(rig, stranger));
    wr(rig, E1000_RAL + 15 * 8 + 4, RAH_AV | 0x5734);
    assert_true(is_taken(rig, stranger));
    wr(rig, E1000_RAL + 4, 0x5634);
    assert_false(is_taken(rig, rig_mac));
}

static void bam_takes_broadcasts_and_only_those(void **state)
{
    struct rig *rig = *state;

    start_rx(rig, RCTL_BAM);
    assert_true(is_taken(rig, broadcast));
    assert_false(is_taken(rig, multicast));
    assert_false(is_taken(rig, stranger));
    assert_int_equal(rd(rig, E1000_BPRC), 1);
    assert_int_equal(rd(rig, E1000_MPRC), 0);
}

static void upe_and_mpe_are_promiscuous_each_for_its_kind(void **state)
{
    struct rig *rig = *state;

    start_rx(rig, RCTL_UPE);
    assert_true(is_taken(rig, stranger));
    assert_false(is_taken(rig, multicast));
    start_rx(rig, RCTL_MPE);
    assert_false(is_taken(rig, stranger));
    assert_true(is_taken(rig, multicast));
    assert_true(is_taken(rig, broadcast));
    assert_int_equal(rd(rig, E1000_MPRC), 1);
}

/* Bits 47:36, 46:35, 45:34 or 43:32 of the address, least significant bit first on the wire. */
static void the_hash_takes_the_bits_that_mo_names(void **state)
{
    static const unsigned lowest[4] = {36, 35, 34, 32};
    struct rig *rig = *state;
    uint64_t address = get_le(multicast, 6);

    for (unsigned mo = 0; mo < 4; mo++) {
        unsigned hash = (unsigned)(address >> lowest[mo]) & 0xfff;

        start_rx(rig, mo << RCTL_MO_SHIFT);
        for (unsigned i = 0; i < 128; i++)
            wr(rig, E1000_MTA + i * 4, UINT32_MAX);
        assert_true(is_taken(rig, multicast));
        wr(rig, E1000_MTA + hash / 32 * 4, ~(1u << hash % 32));
        assert_false(is_taken(rig, multicast));
        for (unsigned i = 0; i < 128; i++)
            wr(rig, E1000_MTA + i * 4, 0);
        wr(rig, E1000_MTA + hash / 32 * 4, 1u << hash % 32);
        assert_true(is_taken(rig, multicast));
    }
}

static void long_frames_need_lpe(void **state)
{
    struct rig *rig = *state;
    uint8_t frame[1519];

    make_frame(frame, sizeof frame, rig_mac, 1);
    start_rx(rig, RCTL_SECRC);
    arrive(rig, frame, 1519);
    assert_int_equal(rd(rig, E1000_RDH), 0);
    arrive(rig, frame, 1518);
    assert_int_equal(rd(rig, E1000_RDH), 1);
    start_rx(rig, RCTL_SECRC | RCTL_LPE);
    arrive(rig, frame, 1519);
    assert_int_equal(rd(rig, E1000_RDH), 1);
}

static void frames_that_cannot_be_are_dropped(void **state)
{
    struct rig *rig = *state;
    uint8_t *frame = malloc(HOST_NET_FRAME_MAX + 1);

    make_frame(frame, HOST_NET_FRAME_MAX + 1, rig_mac, 1);
    start_rx(rig, RCTL_LPE);
    arrive(rig, frame, 13);
    arrive(rig, frame, 0);
    arrive(rig, frame, HOST_NET_FRAME_MAX + 1);
    assert_int_equal(rd(rig, E1000_RDH), 0);
    start_rx(rig, RCTL_LPE | 3u << 16 | RCTL_BSEX);
    arrive(rig, frame, HOST_NET_FRAME_MAX);
    assert_int_equal(rd(rig, E1000_RDH), HOST_NET_FRAME_MAX / 4096 + 1);
    free(frame);
}

/* ---- VLAN ---- */

static void make_tagged(uint8_t *frame, size_t len, unsigned tag)
{
    make_frame(frame, len, rig_mac, 7);
    put_be(frame + 12, 0x8100, 2);
    put_be(frame + 14, tag, 2);
}

static void vme_strips_the_tag(void **state)
{
    struct rig *rig = *state;
    uint8_t frame[100];

    make_tagged(frame, sizeof frame, 0xa123);
    wr(rig, E1000_VET, 0x8100);
    start_rx(rig, RCTL_SECRC);
    arrive(rig, frame, sizeof frame);
    assert_int_equal(rx_len(rig, 0), 100);
    assert_memory_equal(rx_buffer(rig, 0), frame, 100);
    assert_int_equal(rx_status(rig, 0) & RX_VP, 0);
    wr(rig, E1000_CTRL, rd(rig, E1000_CTRL) | CTRL_VME);
    arrive(rig, frame, sizeof frame);
    assert_int_equal(rx_len(rig, 1), 96);
    assert_memory_equal(rx_buffer(rig, 1), frame, 12);
    assert_memory_equal(rx_buffer(rig, 1) + 12, frame + 16, 84);
    assert_int_equal(rx_status(rig, 1) & RX_VP, RX_VP);
    assert_int_equal(get_le(rx_desc(rig, 1) + 14, 2), 0xa123);
}

static void the_vlan_filter_looks_up_the_identifier(void **state)
{
    struct rig *rig = *state;
    uint8_t frame[100];

    wr(rig, E1000_VET, 0x8100);
    start_rx(rig, RCTL_VFE);
    wr(rig, E1000_VFTA + 0x123 / 32 * 4, 1u << 0x123 % 32);
    make_tagged(frame, sizeof frame, 0xe124);
    arrive(rig, frame, sizeof frame);
    assert_int_equal(rd(rig, E1000_RDH), 0);
    make_tagged(frame, sizeof frame, 0xe123);
    arrive(rig, frame, sizeof frame);
    assert_int_equal(rd(rig, E1000_RDH), 1);
    make_frame(frame, sizeof frame, rig_mac, 1); /* no tag, no filter */
    arrive(rig, frame, sizeof frame);
    assert_int_equal(rd(rig, E1000_RDH), 2);
}

/* ---- hostile guests ---- */

static void buffers_outside_ram_lose_the_bytes(void **state)
{
    static const uint64_t outside[] = {FAKE_RAM_BYTES - 8, FAKE_RAM_BYTES, RIG_MMIO, UINT64_MAX};
    struct rig *rig = *state;
    uint8_t frame[60];

    make_frame(frame, sizeof frame, rig_mac, 1);
    for (unsigned i = 0; i < 4; i++) {
        start_rx(rig, 0);
        put_le(rx_desc(rig, 0), outside[i], 8);
        arrive(rig, frame, sizeof frame);
        assert_int_equal(rx_status(rig, 0) & RX_DD, RX_DD);
        assert_int_equal(rd(rig, E1000_RDH), 1);
    }
}

static void a_ring_outside_ram_misses_the_frame(void **state)
{
    struct rig *rig = *state;
    uint8_t frame[60];

    make_frame(frame, sizeof frame, rig_mac, 1);
    start_rx(rig, 0);
    wr(rig, E1000_RDBAL, RIG_MMIO);
    rd(rig, E1000_ICR);
    arrive(rig, frame, sizeof frame);
    assert_int_equal(rd(rig, E1000_RDH), 0);
    assert_int_equal(rd(rig, E1000_MPC), 1);
    assert_int_equal(rd(rig, E1000_ICR), 0);
    start_rx(rig, 0); /* and it works again */
    arrive(rig, frame, sizeof frame);
    assert_int_equal(rd(rig, E1000_RDH), 1);
}

static void a_card_that_is_not_a_bus_master_misses_the_frame(void **state)
{
    struct rig *rig = *state;
    uint8_t frame[60];

    make_frame(frame, sizeof frame, rig_mac, 1);
    start_rx(rig, 0);
    rig_config_write(rig, PCI_COMMAND, PCI_COMMAND_MEMORY);
    arrive(rig, frame, sizeof frame);
    assert_int_equal(rd(rig, E1000_RDH), 0);
    assert_int_equal(rx_status(rig, 0), 0);
}

static void head_and_tail_beyond_the_ring_receive_nothing(void **state)
{
    struct rig *rig = *state;
    uint8_t frame[60];

    make_frame(frame, sizeof frame, rig_mac, 1);
    start_rx(rig, 0);
    wr(rig, E1000_RDH, 0xffff);
    rig->cable.receive(rig->cable.receiver, frame, sizeof frame);
    assert_int_equal(rd(rig, E1000_RDH), 0xffff);
    wr(rig, E1000_RDH, 0);
    wr(rig, E1000_RDT, RIG_N_DESC);
    assert_false(e1000_can_receive(rig->nic));
    wr(rig, E1000_RDT, 3);
    wr(rig, E1000_RDLEN, 0);
    assert_false(e1000_can_receive(rig->nic));
}

/* A cable that sends everything back at once, as a bridge does to a frame for its sender. */
static void echo(struct host_net *cable, const uint8_t *frame, size_t len)
{
    cable->receive(cable->receiver, frame, len);
}

static void an_echo_during_transmission_does_not_recurse(void **state)
{
    struct rig *rig = *state;

    rig->cable.send = echo;
    start_rx(rig, RCTL_UPE);
    start_tx(rig);
    make_frame(rig->board->ram + RIG_TX_BUFFER, 60, rig_mac, 1);
    tx_legacy(rig, 0, RIG_TX_BUFFER, 60, 0, CMD_EOP, 0, 0);
    wr(rig, E1000_TDT, 1);
    assert_int_equal(rd(rig, E1000_TDH), 1);
}

static void a_buffer_over_its_own_ring_does_no_harm(void **state)
{
    struct rig *rig = *state;
    uint8_t frame[256];

    memset(frame, 0xff, sizeof frame);
    start_rx(rig, RCTL_BAM);
    for (unsigned i = 0; i < RIG_N_DESC; i++)
        put_le(rx_desc(rig, i), RIG_RX_RING, 8);
    for (unsigned i = 0; i < 100; i++) {
        arrive(rig, frame, sizeof frame);
        wr(rig, E1000_RDT, i % RIG_N_DESC);
    }
    assert_true(rd(rig, E1000_GPRC) > 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_frame_lands_in_the_next_buffer),
        TEST(the_frame_check_sequence_counts_unless_it_is_stripped),
        TEST(short_frames_are_padded),
        TEST(a_frame_spans_several_buffers),
        TEST(the_ring_wraps),
        TEST(a_full_ring_stops_the_cable_until_the_tail_moves),
        TEST(a_frame_that_finds_too_few_buffers_is_missed),
        TEST(the_minimum_threshold_interrupts),
        TEST(a_receiver_that_is_off_takes_nothing),
        TEST(only_its_own_address_comes_through),
        TEST(further_receive_addresses_come_through_while_they_are_valid),
        TEST(bam_takes_broadcasts_and_only_those),
        TEST(upe_and_mpe_are_promiscuous_each_for_its_kind),
        TEST(the_hash_takes_the_bits_that_mo_names),
        TEST(long_frames_need_lpe),
        TEST(frames_that_cannot_be_are_dropped),
        TEST(vme_strips_the_tag),
        TEST(the_vlan_filter_looks_up_the_identifier),
        TEST(buffers_outside_ram_lose_the_bytes),
        TEST(a_ring_outside_ram_misses_the_frame),
        TEST(a_card_that_is_not_a_bus_master_misses_the_frame),
        TEST(head_and_tail_beyond_the_ring_receive_nothing),
        TEST(an_echo_during_transmission_does_not_recurse),
        TEST(a_buffer_over_its_own_ring_does_no_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
