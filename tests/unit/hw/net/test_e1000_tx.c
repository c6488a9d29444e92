/* Intel 82540EM: the transmit ring, checksum and segmentation offload. */
#include "tests/unit/hw/net/e1000_rig.h"

#define ETH  14
#define IPV4 20
#define IPV6 40
#define TCP  20
#define UDP  8

static uint8_t *tx_buffer(struct rig *rig)
{
    return rig->board->ram + RIG_TX_BUFFER;
}

static bool is_done(struct rig *rig, unsigned i)
{
    return tx_desc(rig, i)[12] & 1;
}

static void assert_sent(struct rig *rig, unsigned i, const uint8_t *frame, size_t len)
{
    assert_true(rig->n_frames > i);
    assert_int_equal(rig->frame[i].len, len);
    assert_memory_equal(rig->frame[i].bytes, frame, len);
}

/* ---- the ring ---- */

static void a_legacy_descriptor_sends_its_frame(void **state)
{
    struct rig *rig = *state;

    start_tx(rig);
    make_frame(tx_buffer(rig), 60, rig_mac, 1);
    tx_legacy(rig, 0, RIG_TX_BUFFER, 60, 0, CMD_EOP | CMD_IFCS | CMD_RS, 0, 0);
    wr(rig, E1000_IMS, ICR_TXDW);
    wr(rig, E1000_TDT, 1);
    assert_int_equal(rig->n_frames, 1);
    assert_sent(rig, 0, tx_buffer(rig), 60);
    assert_true(is_done(rig, 0));
    assert_int_equal(rd(rig, E1000_TDH), 1);
    assert_true(rig->intx);
    assert_int_equal(rd(rig, E1000_ICR), ICR_TXDW | ICR_TXQE);
    assert_int_equal(rd(rig, E1000_TPT), 1);
    assert_int_equal(rd(rig, E1000_GPTC), 1);
    assert_int_equal(rd(rig, E1000_TOTL), 64);
    assert_int_equal(rd(rig, E1000_GOTCL), 64);
}

static void without_rs_nothing_is_written_back(void **state)
{
    struct rig *rig = *state;

    start_tx(rig);
    tx_legacy(rig, 0, RIG_TX_BUFFER, 60, 0, CMD_EOP, 0, 0);
    wr(rig, E1000_TDT, 1);
    assert_int_equal(rig->n_frames, 1);
    assert_false(is_done(rig, 0));
    assert_int_equal(rd(rig, E1000_ICR), ICR_TXQE);
}

static void a_frame_is_gathered_from_several_descriptors(void **state)
{
    struct rig *rig = *state;
    static const unsigned part[4] = {14, 1, 500, 985};
    unsigned at = 0;

    start_tx(rig);
    make_frame(tx_buffer(rig), 1500, rig_mac, 2);
    for (unsigned i = 0; i < 4; i++) {
        tx_legacy(rig, i, RIG_TX_BUFFER + at, part[i], 0, i == 3 ? CMD_EOP : 0, 0, 0);
        at += part[i];
    }
    wr(rig, E1000_TDT, 3);
    assert_int_equal(rig->n_frames, 0); /* the packet is under way */
    wr(rig, E1000_TDT, 4);
    assert_int_equal(rig->n_frames, 1);
    assert_sent(rig, 0, tx_buffer(rig), 1500);
}

static void the_ring_wraps(void **state)
{
    struct rig *rig = *state;

    start_tx(rig);
    for (unsigned i = 0; i < 3 * RIG_N_DESC; i++) {
        make_frame(tx_buffer(rig), 60 + i, rig_mac, i);
        tx_legacy(rig, i % RIG_N_DESC, RIG_TX_BUFFER, 60 + i, 0, CMD_EOP, 0, 0);
        wr(rig, E1000_TDT, (i + 1) % RIG_N_DESC);
        assert_int_equal(rig->n_frames, i + 1);
        assert_sent(rig, i, tx_buffer(rig), 60 + i);
    }
    assert_int_equal(rd(rig, E1000_TDH), 0);
}

static void enabling_the_transmitter_starts_what_waits(void **state)
{
    struct rig *rig = *state;

    start_tx(rig);
    wr(rig, E1000_TCTL, 0);
    tx_legacy(rig, 0, RIG_TX_BUFFER, 60, 0, CMD_EOP, 0, 0);
    wr(rig, E1000_TDT, 1);
    assert_int_equal(rig->n_frames, 0);
    wr(rig, E1000_TCTL, TCTL_EN);
    assert_int_equal(rig->n_frames, 1);
}

static void a_vlan_tag_is_inserted(void **state)
{
    struct rig *rig = *state;
    uint8_t expected[64];

    start_tx(rig);
    wr(rig, E1000_VET, 0x8100);
    make_frame(tx_buffer(rig), 60, rig_mac, 3);
    memcpy(expected, tx_buffer(rig), 12);
    memcpy(expected + 12, "\x81\x00\xa1\x23", 4);
    memcpy(expected + 16, tx_buffer(rig) + 12, 48);
    for (unsigned i = 0; i < 3; i++)
        tx_legacy(rig, i, RIG_TX_BUFFER, 60, 0, CMD_EOP | (i ? CMD_VLE : 0), 0, 0xa123);
    wr(rig, E1000_CTRL, rd(rig, E1000_CTRL) | CTRL_VME);
    wr(rig, E1000_TDT, 2);
    assert_sent(rig, 0, tx_buffer(rig), 60);
    assert_sent(rig, 1, expected, 64);
    wr(rig, E1000_CTRL, rd(rig, E1000_CTRL) & ~CTRL_VME);
    wr(rig, E1000_TDT, 3);
    assert_sent(rig, 2, tx_buffer(rig), 60); /* VLE means nothing without VME */
}

/* ---- checksum offload ---- */

/* Ethernet, IPv4 and TCP or UDP headers as a driver hands them over: the upper checksum field holds the
 * pseudo-header's sum, with the length unless the card has to add it. Returns their length. */
static unsigned make_ipv4(uint8_t *p, unsigned payload, bool is_tcp, bool with_length)
{
    unsigned upper = (is_tcp ? TCP : UDP) + payload, header = ETH + IPV4 + (is_tcp ? TCP : UDP);
    uint8_t *ip = p + ETH, *up = ip + IPV4;
    uint32_t sum;

    make_frame(p, header + payload, rig_mac, payload);
    put_be(p + 12, 0x0800, 2);
    memset(ip, 0, header - ETH);
    ip[0] = 0x45;
    put_be(ip + 2, with_length ? IPV4 + upper : 0, 2);
    put_be(ip + 4, 0xfffe, 2); /* identification, about to wrap */
    ip[8] = 64;
    ip[9] = is_tcp ? 6 : 17;
    memcpy(ip + 12, "\x0a\x00\x02\x0f\xc0\xa8\xfe\x01", 8);
    put_be(up, 40000, 2);
    put_be(up + 2, 80, 2);
    if (is_tcp) {
        put_be(up + 4, 0xfffffff0, 4); /* sequence number, about to wrap */
        up[12] = 0x50;
        up[13] = 0x19; /* FIN, PSH, ACK */
        put_be(up + 14, 8192, 2);
    } else {
        put_be(up + 4, with_length ? upper : 0, 2);
    }
    sum = words(ip + 12, 4) + ip[9] + (with_length ? upper : 0);
    put_be(up + (is_tcp ? 16 : 6), sum % 0xffff, 2);
    return header;
}

static struct tx_context ipv4_context(bool is_tcp)
{
    return (struct tx_context){.ipcss = ETH,
                               .ipcso = ETH + 10,
                               .ipcse = ETH + IPV4 - 1,
                               .tucss = ETH + IPV4,
                               .tucso = ETH + IPV4 + (is_tcp ? 16 : 6),
                               .tucmd = TUCMD_IP | (is_tcp ? TUCMD_TCP : 0)};
}

/* An IPv4 receiver's look at a frame. */
static void assert_is_good_ipv4(const uint8_t *frame, size_t len, bool is_tcp)
{
    const uint8_t *ip = frame + ETH;
    unsigned upper = (unsigned)(len - ETH - IPV4);

    assert_int_equal(get_be(ip + 2, 2), len - ETH);
    assert_true(sums_to_ones(ip, IPV4, 0));
    assert_true(sums_to_ones(ip + IPV4, upper, words(ip + 12, 4) + ip[9] + upper));
    if (!is_tcp)
        assert_int_equal(get_be(ip + IPV4 + 4, 2), upper);
}

static void ip_and_upper_checksums_are_inserted(void **state)
{
    struct rig *rig = *state;

    for (unsigned is_tcp = 0; is_tcp < 2; is_tcp++)
        for (unsigned payload = 0; payload < 4; payload++) { /* odd lengths too */
            struct tx_context c = ipv4_context(is_tcp);
            unsigned header = make_ipv4(tx_buffer(rig), payload * 333, is_tcp, true), len = header + payload * 333;

            start_tx(rig);
            rig->n_frames = 0;
            tx_context(rig, 0, &c);
            tx_data(rig, 1, RIG_TX_BUFFER, header, 0, POPTS_IXSM | POPTS_TXSM, 0);
            tx_data(rig, 2, RIG_TX_BUFFER + header, payload * 333, CMD_EOP | CMD_RS, 0,
                    0); /* POPTS: the first counts */
            wr(rig, E1000_TDT, 3);
            assert_int_equal(rig->n_frames, 1);
            assert_int_equal(rig->frame[0].len, len);
            assert_is_good_ipv4(rig->frame[0].bytes, len, is_tcp);
        }
}

static void a_context_serves_the_packets_that_follow(void **state)
{
    struct rig *rig = *state;
    struct tx_context c = ipv4_context(true);
    unsigned len = make_ipv4(tx_buffer(rig), 10, true, true) + 10;

    start_tx(rig);
    tx_context(rig, 0, &c);
    tx_data(rig, 1, RIG_TX_BUFFER, len, CMD_EOP, POPTS_TXSM | POPTS_IXSM, 0);
    tx_data(rig, 2, RIG_TX_BUFFER, len, CMD_EOP, 0, 0);
    tx_data(rig, 3, RIG_TX_BUFFER, len, CMD_EOP, POPTS_TXSM | POPTS_IXSM, 0);
    wr(rig, E1000_TDT, 4);
    assert_is_good_ipv4(rig->frame[0].bytes, len, true);
    assert_sent(rig, 1, tx_buffer(rig), len); /* no options: as it is */
    assert_is_good_ipv4(rig->frame[2].bytes, len, true);
}

static void a_legacy_descriptor_inserts_one_checksum(void **state)
{
    struct rig *rig = *state;
    unsigned len = make_ipv4(tx_buffer(rig), 77, true, true) + 77;
    const uint8_t *ip = rig->frame[0].bytes + ETH;

    start_tx(rig);
    tx_legacy(rig, 0, RIG_TX_BUFFER, len, ETH + IPV4 + 16, CMD_EOP | CMD_IC, ETH + IPV4, 0);
    wr(rig, E1000_TDT, 1);
    assert_int_equal(rig->frame[0].len, len);
    assert_true(sums_to_ones(ip + IPV4, len - ETH - IPV4, words(ip + 12, 4) + 6 + len - ETH - IPV4));
    assert_int_equal(get_be(ip + 10, 2), 0);
}

static void a_udp_checksum_of_zero_is_sent_as_ones(void **state)
{
    struct rig *rig = *state;
    struct tx_context c = ipv4_context(false);
    unsigned len = make_ipv4(tx_buffer(rig), 2, false, true) + 2;
    uint8_t *up = tx_buffer(rig) + ETH + IPV4;
    uint32_t sum;

    put_be(up + UDP, 0, 2);
    sum = words(up, 5) % 0xffff;
    put_be(up + UDP, 0xffff - sum, 2); /* now everything sums to ones, and its complement is 0 */
    start_tx(rig);
    tx_context(rig, 0, &c);
    tx_data(rig, 1, RIG_TX_BUFFER, len, CMD_EOP, POPTS_TXSM, 0);
    wr(rig, E1000_TDT, 2);
    assert_int_equal(get_be(rig->frame[0].bytes + ETH + IPV4 + 6, 2), 0xffff);
}

static void checksum_places_outside_the_packet_are_left_alone(void **state)
{
    struct rig *rig = *state;
    static const struct tx_context c[] = {
        {.ipcss = 255, .ipcso = 10, .tucss = 255, .tucso = 10},                        /* starts after the end */
        {.ipcss = 14, .ipcso = 59, .tucss = 14, .tucso = 255},                         /* does not fit */
        {.ipcss = 20, .ipcso = 24, .ipcse = 10, .tucss = 20, .tucso = 24, .tucse = 5}, /* ends before it starts */
    };

    make_frame(tx_buffer(rig), 60, rig_mac, 5);
    for (unsigned i = 0; i < 3; i++) {
        start_tx(rig);
        rig->n_frames = 0;
        tx_context(rig, 0, &c[i]);
        tx_data(rig, 1, RIG_TX_BUFFER, 60, CMD_EOP, POPTS_IXSM | POPTS_TXSM, 0);
        tx_legacy(rig, 2, RIG_TX_BUFFER, 60, 59, CMD_EOP | CMD_IC, 255, 0);
        wr(rig, E1000_TDT, 3);
        assert_int_equal(rig->n_frames, 2);
        assert_sent(rig, 0, tx_buffer(rig), 60);
        assert_sent(rig, 1, tx_buffer(rig), 60);
    }
}

static void a_checksum_may_end_before_the_packet_does(void **state)
{
    struct rig *rig = *state;
    struct tx_context c = {.tucss = 14, .tucso = 20, .tucse = 39, .tucmd = TUCMD_TCP};

    make_frame(tx_buffer(rig), 60, rig_mac, 6);
    put_be(tx_buffer(rig) + 20, 0, 2);
    start_tx(rig);
    tx_context(rig, 0, &c);
    tx_data(rig, 1, RIG_TX_BUFFER, 60, CMD_EOP, POPTS_TXSM, 0);
    wr(rig, E1000_TDT, 2);
    assert_true(sums_to_ones(rig->frame[0].bytes + 14, 26, 0));
}

/* ---- segmentation ---- */

static void send_tso(struct rig *rig, struct tx_context c, unsigned header, unsigned payload, unsigned mss)
{
    c.hdrlen = header;
    c.mss = mss;
    c.paylen = payload;
    c.tucmd |= CMD_TSE;
    start_tx(rig);
    rig->n_frames = 0;
    tx_context(rig, 0, &c);
    tx_data(rig, 1, RIG_TX_BUFFER, header, CMD_TSE, POPTS_IXSM | POPTS_TXSM, 0);
    tx_data(rig, 2, RIG_TX_BUFFER + header, payload, CMD_EOP | CMD_TSE | CMD_RS, 0, 0);
    wr(rig, E1000_TDT, 3);
    assert_true(is_done(rig, 2));
}

/* The receiver's view: n good segments whose payloads, put together, are the sender's. */
static void assert_segments(struct rig *rig, unsigned header, unsigned payload, unsigned mss)
{
    unsigned n = (payload + mss - 1) / mss;

    assert_int_equal(rig->n_frames, n);
    for (unsigned i = 0; i < n; i++) {
        unsigned size = i + 1 < n ? mss : payload - i * mss;
        const uint8_t *frame = rig->frame[i].bytes, *ip = frame + ETH, *tcp = ip + IPV4;

        assert_int_equal(rig->frame[i].len, header + size);
        assert_is_good_ipv4(frame, header + size, true);
        assert_int_equal(get_be(ip + 4, 2), (0xfffe + i) & 0xffff);
        assert_int_equal(get_be(tcp + 4, 4), 0xfffffff0 + i * mss);
        assert_int_equal(tcp[13], i + 1 < n ? 0x10 : 0x19); /* FIN and PSH come last */
        assert_memory_equal(frame + header, tx_buffer(rig) + header + i * mss, size);
    }
}

static void tcp_over_ipv4_is_cut_into_segments(void **state)
{
    static const struct {
        unsigned payload, mss;
    } cases[] = {{1, 1460}, {1460, 1460}, {1461, 1460}, {5000, 1460}, {60001, 1448}, {4096, 536}, {100, 17}};
    struct rig *rig = *state;

    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        unsigned header = make_ipv4(tx_buffer(rig), cases[i].payload, true, false);

        send_tso(rig, ipv4_context(true), header, cases[i].payload, cases[i].mss);
        assert_segments(rig, header, cases[i].payload, cases[i].mss);
    }
}

static void udp_over_ipv4_is_cut_into_datagrams(void **state)
{
    struct rig *rig = *state;
    unsigned header = make_ipv4(tx_buffer(rig), 3000, false, false);

    send_tso(rig, ipv4_context(false), header, 3000, 1400);
    assert_int_equal(rig->n_frames, 3);
    for (unsigned i = 0; i < 3; i++)
        assert_is_good_ipv4(rig->frame[i].bytes, header + (i < 2 ? 1400 : 200), false);
}

static void tcp_over_ipv6_is_cut_into_segments(void **state)
{
    struct rig *rig = *state;
    struct tx_context c = {.ipcss = ETH, .tucss = ETH + IPV6, .tucso = ETH + IPV6 + 16, .tucmd = TUCMD_TCP};
    unsigned header = ETH + IPV6 + TCP, payload = 2500, mss = 1000;
    uint8_t *ip = tx_buffer(rig) + ETH, *tcp = ip + IPV6;

    make_frame(tx_buffer(rig), header + payload, rig_mac, 9);
    put_be(tx_buffer(rig) + 12, 0x86dd, 2);
    ip[0] = 0x60;
    ip[6] = 6;
    put_be(ip + 4, 0, 2);
    tcp[12] = 0x50;
    tcp[13] = 0x18;
    put_be(tcp + 4, 1000000, 4);
    put_be(tcp + 16, (words(ip + 8, 16) + 6) % 0xffff, 2);
    send_tso(rig, c, header, payload, mss);
    assert_int_equal(rig->n_frames, 3);
    for (unsigned i = 0; i < 3; i++) {
        unsigned size = i < 2 ? mss : 500;
        const uint8_t *p = rig->frame[i].bytes + ETH;

        assert_int_equal(rig->frame[i].len, header + size);
        assert_int_equal(get_be(p + 4, 2), TCP + size);
        assert_int_equal(get_be(p + IPV6 + 4, 4), 1000000 + i * mss);
        assert_true(sums_to_ones(p + IPV6, TCP + size, words(p + 8, 16) + 6 + TCP + size));
    }
}

static void segments_carry_the_vlan_tag(void **state)
{
    struct rig *rig = *state;
    struct tx_context c = ipv4_context(true);
    unsigned header = make_ipv4(tx_buffer(rig), 200, true, false);

    c.hdrlen = header;
    c.mss = 100;
    c.tucmd |= CMD_TSE;
    wr(rig, E1000_VET, 0x8100);
    wr(rig, E1000_CTRL, rd(rig, E1000_CTRL) | CTRL_VME);
    start_tx(rig);
    tx_context(rig, 0, &c);
    tx_data(rig, 1, RIG_TX_BUFFER, header + 200, CMD_EOP | CMD_TSE | CMD_VLE, POPTS_IXSM | POPTS_TXSM, 0x0042);
    wr(rig, E1000_TDT, 2);
    assert_int_equal(rig->n_frames, 2);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(rig->frame[i].len, header + 100 + 4);
        assert_int_equal(get_be(rig->frame[i].bytes + 12, 4), 0x81000042);
    }
}

static void segmentation_without_sense_sends_nothing(void **state)
{
    struct rig *rig = *state;
    unsigned header = make_ipv4(tx_buffer(rig), 500, true, false);
    struct tx_context sane = ipv4_context(true), c;

    for (unsigned i = 0; i < 7; i++) {
        unsigned hdrlen = header, mss = 100;

        c = sane;
        switch (i) {
        case 0:
            hdrlen = 255;
            break; /* runs */
        case 1:
            mss = 0;
            break;
        case 2:
            mss = E1000_TSO_MSS_MIN - 1;
            break;
        case 3:
            c.ipcss = header - 10;
            break;
        case 4:
            c.tucss = header - 19;
            break;
        case 5:
            mss = 0xffff;
            break; /* longer than any frame */
        default:
            hdrlen = 0;
            break;
        }
        send_tso(rig, c, hdrlen, i == 0 ? 255 : 500, mss);
        assert_int_equal(rig->n_frames == 0, i != 0);
    }
    send_tso(rig, sane, header, 0, 100);
    assert_int_equal(rig->n_frames, 0); /* nothing to send */
}

static void a_header_longer_than_the_packet_sends_nothing(void **state)
{
    struct rig *rig = *state;
    struct tx_context c = ipv4_context(true);

    c.hdrlen = 200;
    c.mss = 100;
    start_tx(rig);
    tx_context(rig, 0, &c);
    tx_data(rig, 1, RIG_TX_BUFFER, 199, CMD_EOP | CMD_TSE, POPTS_TXSM, 0);
    wr(rig, E1000_TDT, 2);
    assert_int_equal(rig->n_frames, 0);
    assert_int_equal(rd(rig, E1000_TDH), 2);
}

/* ---- hostile guests ---- */

static void frames_too_short_or_too_long_are_not_sent(void **state)
{
    struct rig *rig = *state;

    start_tx(rig);
    tx_legacy(rig, 0, RIG_TX_BUFFER, 13, 0, CMD_EOP, 0, 0);
    tx_legacy(rig, 1, RIG_TX_BUFFER, 0, 0, CMD_EOP, 0, 0);
    tx_data(rig, 2, RIG_TX_BUFFER, HOST_NET_FRAME_MAX + 1, CMD_EOP, 0, 0);
    tx_data(rig, 3, RIG_TX_BUFFER, 0xfffff, CMD_EOP, 0, 0);
    tx_data(rig, 4, RIG_TX_BUFFER, 0xfffff, CMD_EOP | CMD_TSE, 0, 0);
    wr(rig, E1000_TDT, 5);
    assert_int_equal(rd(rig, E1000_TDH), 5);
    assert_int_equal(rig->n_frames, 0);
    tx_legacy(rig, 5, RIG_TX_BUFFER, 14, 0, CMD_EOP, 0, 0);
    tx_data(rig, 6, RIG_TX_BUFFER, HOST_NET_FRAME_MAX, CMD_EOP, 0, 0);
    wr(rig, E1000_TDT, 7);
    assert_int_equal(rig->n_frames, 2);
}

static void a_packet_that_never_ends_fills_the_buffer_and_no_more(void **state)
{
    struct rig *rig = *state;

    start_tx(rig);
    for (unsigned i = 0; i < 100; i++) {
        tx_data(rig, i % RIG_N_DESC, RIG_TX_BUFFER, 0xffff, i == 99 ? CMD_EOP : 0, 0, 0);
        wr(rig, E1000_TDT, (i + 1) % RIG_N_DESC);
        clock_advance(rig->clock, NS_PER_MS);
    }
    assert_int_equal(rd(rig, E1000_TDH), 100 % RIG_N_DESC);
    assert_int_equal(rig->n_frames, 0);
    assert_int_equal(rig->nic->tx_len, 0);
}

static void buffers_and_rings_outside_ram_are_harmless(void **state)
{
    static const uint64_t outside[] = {FAKE_RAM_BYTES - 8, FAKE_RAM_BYTES, RIG_MMIO, 0xffffffffffff0000ull, UINT32_MAX};
    struct rig *rig = *state;

    for (unsigned i = 0; i < sizeof outside / sizeof outside[0]; i++) {
        start_tx(rig);
        tx_legacy(rig, 0, outside[i], 60, 0, CMD_EOP | CMD_RS, 0, 0);
        wr(rig, E1000_TDT, 1);
        assert_int_equal(rd(rig, E1000_TDH), 1);
        wr(rig, E1000_TDBAL, (uint32_t)outside[i]);
        wr(rig, E1000_TDBAH, (uint32_t)(outside[i] >> 32));
        wr(rig, E1000_TDT, 3);
        assert_int_equal(rd(rig, E1000_TDH), 1); /* it cannot read the descriptor */
    }
}

static void descriptors_in_its_own_registers_are_not_read(void **state)
{
    struct rig *rig = *state;

    start_tx(rig);
    wr(rig, E1000_TDBAL, RIG_MMIO + E1000_MTA);
    wr(rig, E1000_TDT, 4);
    tx_legacy(rig, 0, RIG_MMIO + E1000_TDT, 60, 0, CMD_EOP | CMD_RS, 0, 0);
    assert_int_equal(rd(rig, E1000_TDH), 0);
    assert_int_equal(rig->n_frames, 0);
}

static void head_and_tail_beyond_the_ring_do_not_hold_the_machine(void **state)
{
    struct rig *rig = *state;
    unsigned sent;

    start_tx(rig);
    for (unsigned i = 0; i < RIG_N_DESC; i++)
        tx_legacy(rig, i, RIG_TX_BUFFER, 60, 0, CMD_EOP | CMD_RS, 0, 0);
    wr(rig, E1000_TDH, 0xffff);
    wr(rig, E1000_TDT, 3);
    assert_int_equal(rig->n_frames, 0);
    wr(rig, E1000_TDH, 0);
    wr(rig, E1000_TDT, 0xffff); /* head never gets there */
    sent = rig->n_frames;
    assert_in_range(sent, RIG_N_DESC, 10000);
    for (unsigned i = 0; i < 1000; i++)
        wr(rig, E1000_TDT, 0xffff); /* nor do more doorbells */
    assert_int_equal(rig->n_frames, sent);
    clock_advance(rig->clock, 3 * NS_PER_MS);
    assert_in_range(rig->n_frames, sent + 1, 3 * sent); /* but the wire goes on as fast as a wire is */
    wr(rig, E1000_TDLEN, 0);
    clock_advance(rig->clock, 10 * NS_PER_MS);
    sent = rig->n_frames;
    clock_advance(rig->clock, 10 * NS_PER_MS);
    assert_int_equal(rig->n_frames, sent);
}

static void a_long_ring_is_sent_whole(void **state)
{
    struct rig *rig = *state;
    unsigned n = 0xfff0 / 16 * 8; /* more than one go */

    memset(rig->board->ram, 0, 0x80000);
    start_tx(rig);
    wr(rig, E1000_TDBAL, 0);
    wr(rig, E1000_TDLEN, n * 16);
    assert_int_equal(rd(rig, E1000_TDLEN), n * 16);
    for (unsigned i = 0; i < n; i++) {
        put_le(rig->board->ram + i * 16, 0x80000 + i, 8);
        put_le(rig->board->ram + i * 16 + 8, 60 | CMD_EOP << 24, 4);
    }
    wr(rig, E1000_TDT, n - 1);
    assert_true(rig->n_frames < n - 1);
    clock_advance(rig->clock, 100 * NS_PER_MS);
    assert_int_equal(rig->n_frames, n - 1);
    assert_int_equal(rd(rig, E1000_TDH), n - 1);
}

static void it_sends_nothing_while_it_is_not_a_bus_master(void **state)
{
    struct rig *rig = *state;

    start_tx(rig);
    tx_legacy(rig, 0, RIG_TX_BUFFER, 60, 0, CMD_EOP, 0, 0);
    rig_config_write(rig, PCI_COMMAND, PCI_COMMAND_MEMORY);
    wr(rig, E1000_TDT, 1);
    assert_int_equal(rig->n_frames, 0);
    rig_config_write(rig, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    wr(rig, E1000_TDT, 1);
    assert_int_equal(rig->n_frames, 1);
}

static void random_descriptors_do_no_harm(void **state)
{
    struct rig *rig = *state;
    uint64_t seed = 0x9e3779b97f4a7c15;

    start_tx(rig);
    for (unsigned round = 0; round < 2000; round++) {
        for (unsigned i = 0; i < RIG_N_DESC * 16; i++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            rig->board->ram[RIG_TX_RING + i] = (uint8_t)(seed >> 56);
        }
        for (unsigned i = 0; i < RIG_N_DESC; i++) {
            uint8_t *d = tx_desc(rig, i);

            if (d[11] & CMD_DEXT)
                d[10] &= 0x1f; /* a kind that exists */
            else
                memset(d + 3, 0, 5); /* an address in RAM */
        }
        wr(rig, E1000_TDT, round % RIG_N_DESC);
        clock_advance(rig->clock, 10 * NS_PER_MS);
    }
    assert_true(rig->n_frames > 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_legacy_descriptor_sends_its_frame),
        TEST(without_rs_nothing_is_written_back),
        TEST(a_frame_is_gathered_from_several_descriptors),
        TEST(the_ring_wraps),
        TEST(enabling_the_transmitter_starts_what_waits),
        TEST(a_vlan_tag_is_inserted),
        TEST(ip_and_upper_checksums_are_inserted),
        TEST(a_context_serves_the_packets_that_follow),
        TEST(a_legacy_descriptor_inserts_one_checksum),
        TEST(a_udp_checksum_of_zero_is_sent_as_ones),
        TEST(checksum_places_outside_the_packet_are_left_alone),
        TEST(a_checksum_may_end_before_the_packet_does),
        TEST(tcp_over_ipv4_is_cut_into_segments),
        TEST(udp_over_ipv4_is_cut_into_datagrams),
        TEST(tcp_over_ipv6_is_cut_into_segments),
        TEST(segments_carry_the_vlan_tag),
        TEST(segmentation_without_sense_sends_nothing),
        TEST(a_header_longer_than_the_packet_sends_nothing),
        TEST(frames_too_short_or_too_long_are_not_sent),
        TEST(a_packet_that_never_ends_fills_the_buffer_and_no_more),
        TEST(buffers_and_rings_outside_ram_are_harmless),
        TEST(descriptors_in_its_own_registers_are_not_read),
        TEST(head_and_tail_beyond_the_ring_do_not_hold_the_machine),
        TEST(a_long_ring_is_sent_whole),
        TEST(it_sends_nothing_while_it_is_not_a_bus_master),
        TEST(random_descriptors_do_no_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
