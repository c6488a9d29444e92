/* PIIX4 power management: ACPI registers, PM timer, sleep, APM ports and the empty SMBus. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "hw/pci/piix4_pm.h"
#include "tests/unit/hw/pci/fake_board.h"
#include "tests/unit/hw/probe.h"

#define PM   0xb000
#define SMB  0xb100
#define GPE  0xafe0
#define APMC 0xb2
#define APMS 0xb3

enum { PMSTS = PM, PMEN = PM + 2, PMCNTRL = PM + 4, PMTMR = PM + 8, GLBSTS = PM + 0x18, GLBCTL = PM + 0x28 };
enum { TMROF = 1 << 0, GBL = 1 << 5, PWRBTN = 1 << 8, RTC = 1 << 10, WAK = 1 << 15, SCI_EN = 1, SUS_EN = 1 << 13 };
enum { SMB_STS = SMB, SMB_CNT = SMB + 2, SMB_CMD = SMB + 3, SMB_ADD = SMB + 4, SMB_BLK = SMB + 7, DEV_ERR = 4 };

/* Half a turn of the 24-bit timer, in nanoseconds, rounded down. */
#define HALF_TURN_NS ((0x800000ll * NS_PER_SECOND) / PIIX4_PM_TIMER_HZ)

struct rig {
    struct fake_board *board;
    struct clock *clock;
    struct pci_bus *pci;
    struct piix4_pm *pm;
    struct probe sci;
    int power_offs, suspends, smis;
};

static void power_off(void *opaque)
{
    struct rig *rig = opaque;

    rig->power_offs++;
}

static void suspend(void *opaque)
{
    struct rig *rig = opaque;

    rig->suspends++;
}

static void smi(void *opaque)
{
    struct rig *rig = opaque;

    rig->smis++;
}

static struct piix4_pm *create_chip(struct rig *rig, struct pci_bus *pci, bool has_smm)
{
    return piix4_pm_create(pci, 1, rig->board->bus, rig->clock,
                           &(struct piix4_pm_board){.sci = probe_wire(&rig->sci),
                                                    .has_com1 = true,
                                                    .has_smm = has_smm,
                                                    .power_off = power_off,
                                                    .suspend = suspend,
                                                    .smi = smi,
                                                    .opaque = rig});
}

static void config_out(struct rig *rig, unsigned reg, uint32_t value, unsigned width)
{
    bus_out(rig->board->bus, 0xcf8, 0x80000b00u | (reg & 0xfc), 4);
    bus_out(rig->board->bus, (uint16_t)(0xcfc + (reg & 3)), value, width);
}

static uint32_t config_in(struct rig *rig, unsigned reg, unsigned width)
{
    bus_out(rig->board->bus, 0xcf8, 0x80000b00u | (reg & 0xfc), 4);
    return bus_in(rig->board->bus, (uint16_t)(0xcfc + (reg & 3)), width);
}

static uint32_t in(struct rig *rig, unsigned port, unsigned width)
{
    return bus_in(rig->board->bus, (uint16_t)port, width);
}

static void out(struct rig *rig, unsigned port, uint32_t value, unsigned width)
{
    bus_out(rig->board->bus, (uint16_t)port, value, width);
}

/* As firmware sets the chip up. */
static void map_ports(struct rig *rig)
{
    config_out(rig, 0x40, PM | 1, 4);
    config_out(rig, 0x80, 0x01, 1);
    config_out(rig, 0x90, SMB | 1, 4);
    config_out(rig, 0xd2, 0x09, 1);
}

static int setup_with(void **state, bool has_smm)
{
    struct rig *rig = calloc(1, sizeof *rig);

    rig->board = fake_board_create();
    rig->clock = clock_create_fake();
    rig->pci = pci_bus_create(rig->board->bus);
    bus_map_ports(rig->board->bus, 0xcf8, 4, &pci_address_ports, rig->pci);
    bus_map_ports(rig->board->bus, 0xcfc, 4, &pci_data_ports, rig->pci);
    rig->pm = create_chip(rig, rig->pci, has_smm);
    assert_non_null(rig->pm);
    bus_map_ports(rig->board->bus, GPE, 4, &piix4_pm_gpe_ops, rig->pm);
    bus_map_ports(rig->board->bus, APMC, 2, &piix4_pm_apm_ops, rig->pm);
    map_ports(rig);
    *state = rig;
    return 0;
}

static int setup(void **state)
{
    return setup_with(state, true);
}

static int setup_without_smm(void **state)
{
    return setup_with(state, false);
}

static int teardown(void **state)
{
    struct rig *rig = *state;

    piix4_pm_destroy(rig->pm);
    pci_bus_destroy(rig->pci);
    clock_destroy(rig->clock);
    fake_board_destroy(rig->board);
    free(rig);
    return 0;
}

static void use_acpi(struct rig *rig, uint16_t enables)
{
    out(rig, APMC, 0xf1, 1);
    out(rig, PMEN, enables, 2);
}

static void reset_values_identify_a_piix4(void **state)
{
    struct rig *rig = *state;

    piix4_pm_reset(rig->pm);
    assert_int_equal(config_in(rig, 0x00, 4), 0x71138086);
    assert_int_equal(config_in(rig, 0x08, 4), 0x06800003);
    assert_int_equal(config_in(rig, 0x06, 2), 0x0280);
    assert_int_equal(config_in(rig, 0x3d, 1), 1);
    assert_int_equal(config_in(rig, 0x40, 4), 0x00000001);
    assert_int_equal(config_in(rig, 0x90, 4), 0x00000001);
    assert_int_equal(config_in(rig, 0x67, 1), 0x08); /* COM1 alone */
    assert_int_equal(config_in(rig, 0x5b, 1), 0x00);
}

static void ports_follow_the_base_registers(void **state)
{
    struct rig *rig = *state;

    out(rig, PMEN, PWRBTN, 2);
    assert_int_equal(in(rig, PMEN, 2), PWRBTN);
    config_out(rig, 0x40, 0xffffffff, 4); /* only bits 6-15 exist */
    assert_int_equal(config_in(rig, 0x40, 4), 0xffc1);
    config_out(rig, 0x40, 0x4000, 4);
    assert_int_equal(in(rig, PMEN, 2), 0xffff);
    assert_int_equal(in(rig, 0x4002, 2), PWRBTN);
    config_out(rig, 0x80, 0x00, 1);
    assert_int_equal(in(rig, 0x4002, 2), 0xffff);
    config_out(rig, 0xd2, 0x08, 1);
    assert_int_equal(in(rig, SMB_STS, 1), 0xff);
}

static void the_boards_own_ports_cannot_be_buried(void **state)
{
    struct rig *rig = *state;

    config_out(rig, 0x40, 0x0cc0, 4); /* would cover CF8 */
    assert_int_equal(config_in(rig, 0x00, 4), 0x71138086);
    assert_int_equal(in(rig, PMEN, 2), 0xffff);
    config_out(rig, 0x40, 0x0080, 4); /* would cover B2 */
    assert_int_equal(in(rig, APMS, 1), 0x00);
    config_out(rig, 0x40, 0x0400, 4);
    assert_int_equal(in(rig, 0x400, 4), 0x00000000);
}

static void reset_takes_the_ports_away(void **state)
{
    struct rig *rig = *state;

    use_acpi(rig, PWRBTN);
    piix4_pm_power_button(rig->pm);
    clock_advance(rig->clock, HALF_TURN_NS + 1000);
    piix4_pm_reset(rig->pm);
    assert_false(rig->sci.level);
    assert_int_equal(in(rig, PMSTS, 4), 0xffffffff);
    map_ports(rig);
    assert_int_equal(in(rig, PMSTS, 4), 0); /* an overflow before the reset is forgotten */
    assert_int_equal(in(rig, PMCNTRL, 2), 0);
}

static void power_button_raises_sci_until_its_status_is_cleared(void **state)
{
    struct rig *rig = *state;

    use_acpi(rig, PWRBTN);
    assert_false(rig->sci.level);
    piix4_pm_power_button(rig->pm);
    assert_true(rig->sci.level);
    assert_int_equal(in(rig, PMSTS, 2), PWRBTN);
    out(rig, PMSTS, GBL, 2); /* clears nothing of the button's */
    assert_true(rig->sci.level);
    out(rig, PMSTS, PWRBTN, 2);
    assert_false(rig->sci.level);
    assert_int_equal(in(rig, PMSTS, 2), 0);
}

static void sci_waits_for_its_enables(void **state)
{
    struct rig *rig = *state;

    piix4_pm_power_button(rig->pm);
    assert_false(rig->sci.level);
    out(rig, PMEN, PWRBTN, 2);
    assert_false(rig->sci.level); /* SCI_EN is off */
    out(rig, PMCNTRL, SCI_EN, 2);
    assert_true(rig->sci.level);
    out(rig, PMEN, RTC, 2);
    assert_false(rig->sci.level);
}

static void apm_commands_switch_acpi_on_and_off(void **state)
{
    struct rig *rig = *state;

    out(rig, APMC, 0xf1, 1);
    assert_int_equal(in(rig, PMCNTRL, 2), SCI_EN);
    assert_int_equal(in(rig, APMC, 1), 0xf1);
    out(rig, APMC, 0xf0, 1);
    assert_int_equal(in(rig, PMCNTRL, 2), 0);
}

static void timer_counts_at_3579545_hz_in_24_bits(void **state)
{
    struct rig *rig = *state;

    clock_advance(rig->clock, NS_PER_SECOND);
    assert_int_equal(in(rig, PMTMR, 4), 3579545);
    clock_advance(rig->clock, 4 * NS_PER_SECOND);
    assert_int_equal(in(rig, PMTMR, 4), (5 * 3579545) & 0xffffff);
    out(rig, PMTMR, 0, 4); /* read-only */
    assert_int_equal(in(rig, PMTMR, 4), (5 * 3579545) & 0xffffff);
    assert_int_equal(in(rig, PMTMR + 1, 1), (5 * 3579545) >> 8 & 0xff);
}

static void timer_status_is_set_by_every_change_of_bit_23(void **state)
{
    struct rig *rig = *state;

    clock_advance(rig->clock, HALF_TURN_NS - 1000);
    assert_int_equal(in(rig, PMSTS, 2), 0);
    clock_advance(rig->clock, 2000);
    assert_int_equal(in(rig, PMSTS, 2), TMROF);
    out(rig, PMSTS, TMROF, 2);
    assert_int_equal(in(rig, PMSTS, 2), 0);
    clock_advance(rig->clock, HALF_TURN_NS);
    assert_int_equal(in(rig, PMSTS, 2), TMROF);
}

static void timer_overflow_raises_sci_when_it_happens(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(clock_next_deadline_ns(rig->clock), CLOCK_NEVER);
    use_acpi(rig, TMROF);
    clock_advance(rig->clock, HALF_TURN_NS - 1000);
    assert_false(rig->sci.level);
    clock_advance(rig->clock, 2000);
    assert_true(rig->sci.level);
    assert_int_equal(clock_next_deadline_ns(rig->clock), CLOCK_NEVER); /* its status is set already */
    out(rig, PMSTS, TMROF, 2);
    assert_false(rig->sci.level);
    clock_advance(rig->clock, HALF_TURN_NS);
    assert_int_equal(rig->sci.rises, 2);
    out(rig, PMSTS, TMROF, 2);
    out(rig, PMCNTRL, 0, 2);
    assert_int_equal(clock_next_deadline_ns(rig->clock), CLOCK_NEVER); /* nothing to interrupt */
}

static void accesses_of_any_width_reach_their_bytes(void **state)
{
    struct rig *rig = *state;

    out(rig, PMEN + 1, PWRBTN >> 8, 1);
    assert_int_equal(in(rig, PMSTS, 4), PWRBTN << 16);
    out(rig, PMEN, 0xffff0000u | SCI_EN << 16 | GBL, 4); /* straddles PMEN and PMCNTRL */
    assert_int_equal(in(rig, PMEN, 2), GBL);
    assert_int_equal(in(rig, PMCNTRL, 2) & SCI_EN, SCI_EN);
    assert_int_equal(in(rig, PMEN, 4) & 0x1ffff, SCI_EN << 16 | GBL);
    assert_int_equal(in(rig, PMEN + 1, 4) & 0x1ff, 0x100);
    out(rig, GLBCTL, 0x12345678, 4);
    out(rig, GLBCTL + 1, 0x99, 1);
    assert_int_equal(in(rig, GLBCTL, 4), 0x12349978);
}

static void sleep_types_are_the_firmwares(void **state)
{
    struct rig *rig = *state;

    rig->suspends = rig->power_offs = 0;
    out(rig, PMCNTRL, SCI_EN | 1 << 10, 2);
    assert_int_equal(rig->suspends, 0); /* SUS_EN is off */
    out(rig, PMCNTRL, SCI_EN | 1 << 10 | SUS_EN, 2);
    assert_int_equal(rig->suspends, 1);
    assert_int_equal(in(rig, PMCNTRL, 2), SCI_EN | 1 << 10); /* SUS_EN reads as 0 */
    out(rig, PMCNTRL, 2 << 10 | SUS_EN, 2);
    assert_int_equal(rig->power_offs, 1);
    out(rig, PMCNTRL, 0 << 10 | SUS_EN, 2);
    assert_int_equal(rig->power_offs, 2);
    out(rig, PMCNTRL, 5 << 10 | SUS_EN, 2);
    assert_int_equal(rig->power_offs, 2);
    assert_int_equal(rig->suspends, 1);
}

static void sleep_takes_the_type_written_before_it(void **state)
{
    struct rig *rig = *state;

    out(rig, PMCNTRL + 1, 1 << 2, 1);
    out(rig, PMCNTRL, 0, 1);
    assert_int_equal(rig->suspends + rig->power_offs, 0);
    out(rig, PMCNTRL + 1, 1 << 2 | SUS_EN >> 8, 1);
    assert_int_equal(rig->suspends, 1);
}

static void waking_tells_why(void **state)
{
    struct rig *rig = *state;

    piix4_pm_wake(rig->pm, PIIX4_PM_WAKE_RTC);
    assert_int_equal(in(rig, PMSTS, 2), WAK | RTC);
    out(rig, PMSTS, 0xffff, 2);
    piix4_pm_wake(rig->pm, PIIX4_PM_WAKE_BUTTON);
    assert_int_equal(in(rig, PMSTS, 2), WAK | PWRBTN);
    out(rig, PMSTS, 0xffff, 2);
    piix4_pm_wake(rig->pm, PIIX4_PM_WAKE_OTHER);
    assert_int_equal(in(rig, PMSTS, 2), WAK);
}

static void apmc_raises_smi_behind_its_enable(void **state)
{
    struct rig *rig = *state;

    out(rig, APMS, 0x5a, 1);
    assert_int_equal(in(rig, APMS, 1), 0x5a);
    out(rig, APMC, 0x00, 1);
    assert_int_equal(rig->smis, 0);
    config_out(rig, 0x5b, 0x02, 1);
    out(rig, APMC, 0x42, 1);
    assert_int_equal(rig->smis, 1);
    assert_int_equal(in(rig, APMC, 1), 0x42);
    assert_int_equal(in(rig, GLBSTS, 2), 1 << 5);
    out(rig, GLBSTS, 1 << 5, 2);
    assert_int_equal(in(rig, GLBSTS, 2), 0);
    config_out(rig, 0x5b, 0x00, 1);
    out(rig, APMC, 0x42, 1);
    assert_int_equal(rig->smis, 1);
}

static void without_smm_firmware_finds_it_set_up_and_no_smi_comes(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(config_in(rig, 0x5b, 1), 0x02);
    out(rig, GLBCTL, 1, 4);
    out(rig, APMC, 0x00, 1);
    assert_int_equal(rig->smis, 0);
}

static void general_purpose_events_have_enables_and_no_source(void **state)
{
    struct rig *rig = *state;

    use_acpi(rig, 0);
    out(rig, GPE + 2, 0xffff, 2);
    assert_int_equal(in(rig, GPE + 2, 2), 0xffff);
    out(rig, GPE + 3, 0x0f, 1);
    assert_int_equal(in(rig, GPE, 4), 0x0fff0000);
    out(rig, GPE, 0xffff, 2);
    assert_int_equal(in(rig, GPE, 2), 0);
    assert_false(rig->sci.level);
}

static void smbus_transactions_find_nobody(void **state)
{
    struct rig *rig = *state;

    out(rig, SMB_ADD, 0xa1, 1);
    out(rig, SMB_CMD, 0x00, 1);
    assert_int_equal(in(rig, SMB_ADD, 1), 0xa1);
    out(rig, SMB_CNT, 2 << 2 | 1 << 6, 1);
    assert_int_equal(in(rig, SMB_STS, 1), DEV_ERR);
    assert_int_equal(in(rig, SMB_CNT, 1), 2 << 2); /* START reads as 0 */
    assert_false(rig->sci.level);
    out(rig, SMB_CNT, 1 << 1, 1); /* KILL */
    assert_int_equal(in(rig, SMB_STS, 1), DEV_ERR | 1 << 4);
    out(rig, SMB_STS, 1 << 4, 1);
    assert_int_equal(in(rig, SMB_STS, 1), DEV_ERR);
    out(rig, SMB_STS, 0xff, 1);
    assert_int_equal(in(rig, SMB_STS, 1), 0);
}

static void smbus_interrupts_on_irq_9_when_asked(void **state)
{
    struct rig *rig = *state;

    out(rig, SMB_CNT, 1 << 6 | 1, 1);
    assert_true(rig->sci.level);
    config_out(rig, 0xd2, 0x01, 1); /* SMI# instead: not connected */
    assert_false(rig->sci.level);
    config_out(rig, 0xd2, 0x09, 1);
    assert_true(rig->sci.level);
    out(rig, SMB_STS, DEV_ERR, 1);
    assert_false(rig->sci.level);
    config_out(rig, 0xd2, 0x01, 1);
    out(rig, SMB_CNT, 1 << 6 | 1, 1);
    assert_false(rig->sci.level);
}

static void smbus_block_buffer_wraps_after_32_bytes(void **state)
{
    struct rig *rig = *state;

    in(rig, SMB_CNT, 1);
    for (unsigned i = 0; i < 33; i++)
        out(rig, SMB_BLK, 0x40 + i, 1);
    in(rig, SMB_CNT, 1); /* rewinds */
    assert_int_equal(in(rig, SMB_BLK, 1), 0x60);
    assert_int_equal(in(rig, SMB_BLK, 1), 0x41);
}

static void any_access_is_safe(void **state)
{
    struct rig *rig = *state;

    for (unsigned width = 1; width <= 4; width *= 2) {
        for (unsigned i = 0; i < 64; i++) {
            out(rig, PM + i, 0xffffffff, width);
            in(rig, PM + i, width);
        }
        for (unsigned i = 0; i < 16; i++) {
            out(rig, SMB + i, 0xffffffff, width);
            in(rig, SMB + i, width);
        }
        for (unsigned i = 0x40; i < 0x100; i += width) {
            config_out(rig, i, 0xffffffff, width);
            config_in(rig, i, width);
        }
        map_ports(rig);
    }
    assert_true(rig->suspends + rig->power_offs == 0); /* type 7 is no sleep */
}

static void saved_state_continues_in_another_chip(void **state)
{
    struct rig *rig = *state;
    struct rig other = {.board = rig->board, .clock = rig->clock};

    use_acpi(rig, PWRBTN | TMROF);
    piix4_pm_power_button(rig->pm);
    clock_advance(rig->clock, NS_PER_SECOND);
    other.pci = pci_bus_create(rig->board->bus);
    other.pm = create_chip(&other, other.pci, true);
    copy_state(piix4_pm_state(), rig->pm, other.pm);
    piix4_pm_after_load(other.pm);
    assert_true(other.sci.level);
    assert_int_equal(in(rig, PMEN, 2), PWRBTN | TMROF); /* now mapped to the other */
    out(rig, PMSTS, PWRBTN, 2);
    assert_false(other.sci.level);
    clock_advance(rig->clock, HALF_TURN_NS);
    assert_true(other.sci.level);
    piix4_pm_destroy(other.pm);
    pci_bus_destroy(other.pci);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(reset_values_identify_a_piix4),
        T(ports_follow_the_base_registers),
        T(the_boards_own_ports_cannot_be_buried),
        T(reset_takes_the_ports_away),
        T(power_button_raises_sci_until_its_status_is_cleared),
        T(sci_waits_for_its_enables),
        T(apm_commands_switch_acpi_on_and_off),
        T(timer_counts_at_3579545_hz_in_24_bits),
        T(timer_status_is_set_by_every_change_of_bit_23),
        T(timer_overflow_raises_sci_when_it_happens),
        T(accesses_of_any_width_reach_their_bytes),
        T(sleep_types_are_the_firmwares),
        T(sleep_takes_the_type_written_before_it),
        T(waking_tells_why),
        T(apmc_raises_smi_behind_its_enable),
        cmocka_unit_test_setup_teardown(without_smm_firmware_finds_it_set_up_and_no_smi_comes, setup_without_smm,
                                        teardown),
        T(general_purpose_events_have_enables_and_no_source),
        T(smbus_transactions_find_nobody),
        T(smbus_interrupts_on_irq_9_when_asked),
        T(smbus_block_buffer_wraps_after_32_bytes),
        T(any_access_is_safe),
        T(saved_state_continues_in_another_chip),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
