/* IN, OUT, INS, OUTS against a small device. */
#include "tests/unit/frontend/sys_fixture.h"

#define PORT       0x1f0u
#define BLOCK_PORT 0x2f0u

struct probe {
    struct cpu *cpu;
    uint32_t next, written[64];
    unsigned reads, writes, last_width, block_items;
    uint32_t raise_events; /* set as events on the next access */
};

static uint32_t probe_read(void *self, uint32_t offset, unsigned width)
{
    struct probe *p = self;

    (void)offset;
    p->reads++;
    p->last_width = width;
    if (p->raise_events)
        cpu_set_event(p->cpu, p->raise_events);
    return p->next++;
}
static void probe_write(void *self, uint32_t offset, uint32_t value, unsigned width)
{
    struct probe *p = self;

    (void)offset;
    p->last_width = width;
    p->written[p->writes++ % 64] = value;
    if (p->raise_events)
        cpu_set_event(p->cpu, p->raise_events);
}
static uint32_t probe_read_block(void *self, uint32_t offset, void *buffer, unsigned width, uint32_t count)
{
    struct probe *p = self;

    (void)offset;
    for (uint32_t i = 0; i < count; i++, p->next++)
        memcpy((uint8_t *)buffer + i * width, &p->next, width);
    p->block_items += count;
    return count;
}
static uint32_t probe_write_block(void *self, uint32_t offset, const void *buffer, unsigned width, uint32_t count)
{
    struct probe *p = self;

    (void)offset;
    (void)buffer;
    (void)width;
    p->block_items += count;
    return count;
}

static const struct bus_ops plain_ops = {.name = "probe", .read = probe_read, .write = probe_write, .max_width = 4};
static const struct bus_ops block_ops = {.name = "block probe",
                                         .read = probe_read,
                                         .write = probe_write,
                                         .max_width = 4,
                                         .read_block = probe_read_block,
                                         .write_block = probe_write_block};

static void attach(struct machine *m, struct probe *p)
{
    *p = (struct probe){.cpu = m->cpu, .next = 0x11223344};
    bus_map_ports(m->bus, PORT, 8, &plain_ops, p);
    bus_map_ports(m->bus, BLOCK_PORT, 8, &block_ops, p);
}

static void string_setup(struct machine *m, uint16_t port, uint32_t count)
{
    struct cpu *cpu = m->cpu;

    cpu->gpr[EDX] = port;
    cpu->gpr[ECX] = count;
    cpu->gpr[ESI] = cpu->gpr[EDI] = DATA;
}

static void in_and_out_of_every_width(void **state)
{
    struct machine *m = *state;
    struct probe p;
    static const struct {
        uint8_t opcode[3];
        unsigned len, width;
    } ins[] = {{{0xe4, 0xf0}, 2, 1}, {{0xe5, 0xf0}, 2, 4}, {{0x66, 0xe5, 0xf0}, 3, 2},
               {{0xec}, 1, 1},       {{0xed}, 1, 4},       {{0x66, 0xed}, 2, 2}};

    for (size_t i = 0; i < 6; i++) {
        uint32_t mask = ins[i].width == 4 ? 0xffffffffu : (1u << 8 * ins[i].width) - 1;
        uint8_t out[3];

        enter_protected(m, 0);
        attach(m, &p);
        bus_map_ports(m->bus, 0xf0, 4, &plain_ops, &p);
        m->cpu->gpr[EDX] = 0xabcd0000 | PORT;
        m->cpu->gpr[EAX] = 0xa5a5a5a5;
        put_code(m, ins[i].opcode, 3);
        cpu_step(m->cpu);
        assert_int_equal(m->cpu->gpr[EAX], (0xa5a5a5a5 & ~mask) | (0x11223344 & mask));
        assert_int_equal(m->cpu->eip, CODE + ins[i].len);
        memcpy(out, ins[i].opcode, 3);
        out[ins[i].width == 2 ? 1 : 0] += 2; /* E4 -> E6, EC -> EE */
        put_code(m, out, 3);
        cpu_step(m->cpu);
        assert_int_equal(p.written[0], 0x11223344 & mask);
        assert_int_equal(p.last_width, ins[i].width);
    }
}

static void ports_without_permission_fault(void **state)
{
    struct machine *m = *state;
    struct probe p;
    static const uint8_t opcodes[] = {0xec, 0xee, 0x6c, 0x6e};

    for (size_t i = 0; i < 4; i++) {
        enter_protected(m, 3);
        attach(m, &p);
        string_setup(m, PORT, 0);
        put8(m, TSS + IO_MAP + PORT / 8, 1);
        EXEC(m, 0xf3, opcodes[i]); /* even with a count of 0 */
        assert_fault(m, VEC_GP, 0);
        assert_int_equal(p.reads + p.writes, 0);
    }
    enter_protected(m, 3);
    m->cpu->gpr[EDX] = PORT + 1;
    EXEC(m, 0xec);
    assert_int_equal(m->cpu->eip, CODE + 1);
}

static void rep_ins_moves_every_item_and_counts_down(void **state)
{
    struct machine *m = *state;
    struct probe p;

    enter_protected(m, 0);
    attach(m, &p);
    string_setup(m, PORT, 3);
    EXEC(m, 0xf3, 0x6d); /* rep insd */
    assert_int_equal(m->cpu->eip, CODE + 2);
    assert_int_equal(m->cpu->gpr[ECX], 0);
    assert_int_equal(m->cpu->gpr[EDI], DATA + 12);
    assert_int_equal(get32(m, DATA + 8), 0x11223346);
    assert_int_equal(p.reads, 3);
    EXEC(m, 0x66, 0x6d); /* insw, once */
    assert_int_equal(m->cpu->gpr[EDI], DATA + 14);
    EXEC(m, 0xf3, 0x6c); /* a count of 0 */
    assert_int_equal(p.reads, 4);
}

static void rep_outs_goes_down_with_df(void **state)
{
    struct machine *m = *state;
    struct probe p;

    enter_protected(m, 0);
    attach(m, &p);
    string_setup(m, PORT, 2);
    m->cpu->eflags |= EFLAGS_DF;
    put16(m, DATA, 0x1111);
    put16(m, DATA - 2, 0x2222);
    EXEC(m, 0xf3, 0x66, 0x6f);
    assert_int_equal(m->cpu->gpr[ESI], DATA - 4);
    assert_int_equal(p.written[0], 0x1111);
    assert_int_equal(p.written[1], 0x2222);
}

static void sixteen_bit_addresses_wrap_and_keep_upper_halves(void **state)
{
    struct machine *m = *state;
    struct probe p;

    enter_protected(m, 0);
    attach(m, &p);
    string_setup(m, PORT, 0xaaaa0002);
    m->cpu->gpr[EDI] = 0xbbbbffff;
    EXEC(m, 0x67, 0xf3, 0x6c);
    assert_int_equal(m->cpu->gpr[ECX], 0xaaaa0000);
    assert_int_equal(m->cpu->gpr[EDI], 0xbbbb0001);
    assert_int_equal(get8(m, 0xffff), 0x44);
    assert_int_equal(get8(m, 0), 0x45);
}

static void device_block_path_moves_page_runs(void **state)
{
    struct machine *m = *state;
    struct probe p;

    enter_protected(m, 0);
    attach(m, &p);
    string_setup(m, BLOCK_PORT, 3000);
    m->cpu->gpr[EDI] = m->cpu->gpr[ESI] = DATA + 0xff0;
    EXEC(m, 0xf3, 0x66, 0x6d);
    assert_int_equal(m->cpu->gpr[ECX], 0);
    assert_int_equal(m->cpu->gpr[EDI], DATA + 0xff0 + 6000);
    assert_int_equal(p.block_items + p.reads, 3000);
    assert_true(p.block_items >= 2990);
    assert_int_equal(get16(m, DATA + 0xff0 + 5998), (0x11223344 + 2999) & 0xffff);
    string_setup(m, BLOCK_PORT, 1000);
    p.block_items = 0;
    EXEC(m, 0xf3, 0x6f);
    assert_int_equal(p.block_items, 1000);
    assert_int_equal(m->cpu->gpr[ESI], DATA + 4000);
}

static void faults_come_before_the_device_sees_anything(void **state)
{
    struct machine *m = *state;
    struct probe p;

    enter_protected(m, 0);
    enable_paging(m);
    attach(m, &p);
    unmap(m, DATA + 0x1000);
    string_setup(m, PORT, 4);
    m->cpu->gpr[EDI] = DATA + 0xffe;
    EXEC(m, 0xf3, 0x6c);
    assert_fault(m, VEC_PF, PF_WRITE);
    assert_int_equal(get32(m, m->cpu->gpr[ESP] + 4), CODE);
    assert_int_equal(m->cpu->gpr[ECX], 2);
    assert_int_equal(m->cpu->gpr[EDI], DATA + 0x1000);
    assert_int_equal(p.reads, 2);

    enter_protected(m, 0);
    attach(m, &p);
    m->cpu->cr0 |= CR0_PG;
    string_setup(m, PORT, 2);
    m->cpu->gpr[ESI] = DATA + 0x1000;
    EXEC(m, 0xf3, 0x6e);
    assert_fault(m, VEC_PF, 0);
    assert_int_equal(p.writes, 0);
}

static void segment_limits_bound_the_run(void **state)
{
    struct machine *m = *state;
    struct probe p;

    enter_protected(m, 0);
    attach(m, &p);
    put_gdt(m, SEL_TEST, DATA, 0xff, TEST_DATA);
    load_segment(m, ES, SEL_TEST);
    string_setup(m, BLOCK_PORT, 0x101);
    m->cpu->gpr[EDI] = 0;
    EXEC(m, 0xf3, 0x6c);
    assert_fault(m, VEC_GP, 0);
    assert_int_equal(m->cpu->gpr[EDI], 0x100);
    assert_int_equal(m->cpu->gpr[ECX], 1);
}

static void events_interrupt_a_rep_between_items(void **state)
{
    struct machine *m = *state;
    struct probe p;

    enter_protected(m, 0);
    attach(m, &p);
    string_setup(m, PORT, 3);
    p.raise_events = CPU_EVENT_POLL;
    EXEC(m, 0xf3, 0x6c);
    assert_int_equal(m->cpu->eip, CODE); /* restarts */
    assert_int_equal(m->cpu->gpr[ECX], 2);
    assert_true(m->cpu->eflags & EFLAGS_RF);
    p.raise_events = CPU_EVENT_INTR; /* with IF = 0 nobody wants to know */
    cpu_step(m->cpu);
    assert_int_equal(m->cpu->eip, CODE + 2);
    assert_int_equal(m->cpu->gpr[ECX], 0);
    p.raise_events = CPU_EVENT_POLL;
    EXEC(m, 0xec);
    assert_int_equal(m->cpu->eip, CODE + 3);
    EXEC(m, 0x6c);
    assert_int_equal(m->cpu->eip, CODE + 4);
}

static void single_step_traps_every_item(void **state)
{
    struct machine *m = *state;
    struct probe p;

    enter_protected(m, 0);
    attach(m, &p);
    string_setup(m, BLOCK_PORT, 5);
    m->cpu->eflags |= EFLAGS_TF;
    EXEC(m, 0xf3, 0x6c);
    cpu_step(m->cpu);
    assert_trap(m, VEC_DB, CODE);
    assert_int_equal(m->cpu->gpr[ECX], 4);
    assert_int_equal(p.reads, 1);
}

static void port_breakpoints_trap_after_the_access(void **state)
{
    struct machine *m = *state;
    struct probe p;

    enter_protected(m, 0);
    attach(m, &p);
    m->cpu->cr4 = CR4_DE;
    m->cpu->dr[2] = PORT + 2;
    m->cpu->dr[7] = DR7_FIXED | 1 << 4 | 2u << 24 | 1u << 26; /* L2, I/O, 2 bytes */
    debug_derive(m->cpu);
    m->cpu->gpr[EDX] = PORT;
    EXEC(m, 0x66, 0xed); /* 1F0 and 1F1 */
    assert_int_equal(m->cpu->pending_db, 0);
    EXEC(m, 0xed);
    assert_int_equal(m->cpu->pending_db, 4);
    cpu_step(m->cpu);
    assert_trap(m, VEC_DB, CODE + 3);

    enter_protected(m, 0);
    m->cpu->cr4 = 0;
    EXEC(m, 0xed);
    assert_int_equal(m->cpu->pending_db, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MACHINE_TEST(in_and_out_of_every_width),
        MACHINE_TEST(ports_without_permission_fault),
        MACHINE_TEST(rep_ins_moves_every_item_and_counts_down),
        MACHINE_TEST(rep_outs_goes_down_with_df),
        MACHINE_TEST(sixteen_bit_addresses_wrap_and_keep_upper_halves),
        MACHINE_TEST(device_block_path_moves_page_runs),
        MACHINE_TEST(faults_come_before_the_device_sees_anything),
        MACHINE_TEST(segment_limits_bound_the_run),
        MACHINE_TEST(events_interrupt_a_rep_between_items),
        MACHINE_TEST(single_step_traps_every_item),
        MACHINE_TEST(port_breakpoints_trap_after_the_access),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
