/* The board: wires between chips, sleep, firmware and kernel files. Its processor runs a ROM that jumps to itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "frontend/x86/cpu.h"
#include "frontend/x86/cpuid.h"
#include "hw/core/bus.h"
#include "hw/intc/apic.h"
#include "hw/pc/pc.h"
#include "softmmu/phys.h"

enum { IOAPIC = 0xfec00000, HPET = 0xfed00000, LAPIC = 0xfee00000 };
enum { LAPIC_VERSION = 0x30, LAPIC_EOI = 0xb0, LAPIC_SVR = 0xf0, LAPIC_ICR = 0x300 };
enum { PMBASE = 0x600, PMSTS = PMBASE, PMCNTRL = PMBASE + 4 };
enum { WAK_STS = 1 << 15, RTC_STS = 1 << 10, PWRBTN_STS = 1 << 8 };
#define SPURIOUS 0xff
#define ROM_MAX  0x100000u

struct rig {
    struct clock *clock;
    struct cpu_model model;
    struct pc_config config;
    struct pc *pc;
    struct pc_parts parts;
    char folder[40], rom[60], kernel[60], error[300];
    void (*while_asleep)(struct rig *rig);
    unsigned n_idle;
};

static void nothing(void *opaque) {}

static void idle(void *opaque)
{
    struct rig *rig = opaque;

    rig->n_idle++;
    rig->while_asleep(rig);
}

/* JMP $ at the reset vector. */
static void make_rom(const char *path, size_t len)
{
    uint8_t *bytes = calloc(1, len);
    FILE *file = fopen(path, "wb");

    if (len >= 16)
        memcpy(bytes + len - 16, "\xeb\xfe", 2);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    fclose(file);
    free(bytes);
}

static int setup_files(void **state)
{
    struct rig *rig = calloc(1, sizeof *rig);

    strcpy(rig->folder, "/tmp/morph86-test-XXXXXX");
    assert_non_null(mkdtemp(rig->folder));
    snprintf(rig->rom, sizeof rig->rom, "%s/rom", rig->folder);
    snprintf(rig->kernel, sizeof rig->kernel, "%s/kernel", rig->folder);
    make_rom(rig->rom, 0x10000);
    assert_true(cpu_model_parse(&rig->model, "qemu32", rig->error, sizeof rig->error));
    rig->clock = clock_create_fake();
    rig->config = (struct pc_config){.ram_bytes = 4 << 20,
                                     .model = &rig->model,
                                     .clock = rig->clock,
                                     .bios_path = rig->rom,
                                     .vga_bios_path = rig->rom,
                                     .poll = nothing,
                                     .idle = idle,
                                     .opaque = rig};
    *state = rig;
    return 0;
}

static bool power_on(struct rig *rig)
{
    rig->error[0] = '\0';
    rig->pc = pc_create(&rig->config, rig->error, sizeof rig->error);
    if (rig->pc)
        rig->parts = pc_parts(rig->pc);
    return rig->pc;
}

static int setup(void **state)
{
    setup_files(state);
    assert_true(power_on(*state));
    return 0;
}

static int teardown(void **state)
{
    struct rig *rig = *state;

    pc_destroy(rig->pc);
    clock_destroy(rig->clock);
    unlink(rig->rom);
    unlink(rig->kernel);
    assert_int_equal(rmdir(rig->folder), 0);
    free(rig);
    return 0;
}

static void poke(struct rig *rig, uint32_t address, uint32_t value)
{
    phys_write(rig->parts.phys, address, value, 4);
}

static uint32_t peek(struct rig *rig, uint32_t address)
{
    return (uint32_t)phys_read(rig->parts.phys, address, 4);
}

static void set_config(struct rig *rig, unsigned slot, unsigned function, unsigned offset, uint32_t value,
                       unsigned width)
{
    bus_out(rig->parts.bus, 0xcf8, 0x80000000u | slot << 11 | function << 8 | (offset & ~3u), 4);
    bus_out(rig->parts.bus, (uint16_t)(0xcfc + (offset & 3)), value, width);
}

static uint8_t cmos(struct rig *rig, uint8_t index)
{
    bus_out(rig->parts.bus, 0x70, index, 1);
    return (uint8_t)bus_in(rig->parts.bus, 0x71, 1);
}

static void set_cmos(struct rig *rig, uint8_t index, uint8_t value)
{
    bus_out(rig->parts.bus, 0x70, index, 1);
    bus_out(rig->parts.bus, 0x71, value, 1);
}

/* ---- wires ---- */

static void hpet_interrupts_by_level_until_it_is_served(void **state)
{
    struct rig *rig = *state;

    bus_out(rig->parts.bus, 0x43, 0x30, 1); /* the 8254's OUT, on the same pin, goes low */
    poke(rig, LAPIC + LAPIC_SVR, 0x100 | SPURIOUS);
    poke(rig, IOAPIC, 0x14); /* pin 2 */
    poke(rig, IOAPIC + 0x10, 1 << 15 | 0x52);
    poke(rig, HPET + 0x100, 2 << 9 | 1 << 2 | 1 << 1); /* timer 0 to pin 2, by level */
    poke(rig, HPET + 0x108, 100);
    poke(rig, HPET + 0x10c, 0);
    poke(rig, HPET + 0x10, 1);
    assert_int_equal(apic_acknowledge(rig->parts.apic), SPURIOUS);
    clock_advance(rig->clock, 2 * NS_PER_US);
    assert_int_equal(apic_acknowledge(rig->parts.apic), 0x52);
    poke(rig, LAPIC + LAPIC_EOI, 0); /* reaches the I/O APIC, where the pin is still up */
    assert_int_equal(apic_acknowledge(rig->parts.apic), 0x52);
    poke(rig, HPET + 0x20, 1);
    poke(rig, LAPIC + LAPIC_EOI, 0);
    assert_int_equal(apic_acknowledge(rig->parts.apic), SPURIOUS);
}

static void init_from_the_apic_resets_the_processor_alone(void **state)
{
    struct rig *rig = *state;

    poke(rig, 0x1000, 0x12345678);
    poke(rig, LAPIC + LAPIC_SVR, 0x1ff);
    set_cmos(rig, 0x40, 0x77);
    rig->parts.cpu->gpr[EBX] = 1;
    poke(rig, LAPIC + LAPIC_ICR + 0x10, 0);
    poke(rig, LAPIC + LAPIC_ICR, 1 << 14 | APIC_INIT << 8);
    assert_true(rig->parts.cpu->events & CPU_EVENT_RESET);
    assert_int_equal(peek(rig, LAPIC + LAPIC_SVR), 0xff);
    assert_int_equal(peek(rig, 0x1000), 0x12345678);
    assert_int_equal(cmos(rig, 0x40), 0x77);
}

static void the_apic_can_be_moved_and_put_out_of_reach(void **state)
{
    struct rig *rig = *state;
    uint32_t version = peek(rig, LAPIC + LAPIC_VERSION);
    const struct cpu_board *board = rig->parts.cpu->board;

    assert_int_not_equal(version, 0xffffffff);
    board->apic_base(board->opaque, 0xfee30900);
    assert_int_equal(peek(rig, LAPIC + LAPIC_VERSION), 0xffffffff);
    assert_int_equal(peek(rig, 0xfee30000 + LAPIC_VERSION), version);
    board->apic_base(board->opaque, 0x80000900); /* among memory: not modelled */
    assert_int_equal(peek(rig, 0xfee30000 + LAPIC_VERSION), 0xffffffff);
    assert_int_equal(peek(rig, 0x80000000 + LAPIC_VERSION), 0xffffffff);
    board->apic_base(board->opaque, LAPIC | 0x900);
    assert_int_equal(peek(rig, LAPIC + LAPIC_VERSION), version);
    board->apic_base(board->opaque, LAPIC | 0x100); /* off */
    assert_int_equal(peek(rig, LAPIC + LAPIC_VERSION), 0xffffffff);
}

static void smram_shows_where_no_display_card_is(void **state)
{
    struct rig *rig = *state;

    poke(rig, 0xa0000, 0x12345678);
    assert_int_equal(peek(rig, 0xa0000), 0xffffffff);
    set_config(rig, 0, 0, 0x72, 0x4a, 1); /* SMRAM open */
    poke(rig, 0xa0000, 0x12345678);
    assert_int_equal(peek(rig, 0xa0000), 0x12345678);
    set_config(rig, 0, 0, 0x72, 0x0a, 1); /* for SMM alone */
    assert_int_equal(peek(rig, 0xa0000), 0xffffffff);
}

/* ---- sleep ---- */

static void map_power_management(struct rig *rig)
{
    set_config(rig, 1, 3, 0x40, PMBASE | 1, 4);
    set_config(rig, 1, 3, 0x80, 1, 1);
    set_config(rig, 1, 3, 0x04, 1, 2);
}

/* Enters S3, where `while_asleep` is called until something wakes the board or ends it. */
static void sleep_in_s3(struct rig *rig, void (*while_asleep)(struct rig *rig))
{
    rig->while_asleep = while_asleep;
    rig->n_idle = 0;
    poke(rig, 0x1000, 0xcafebabe);
    map_power_management(rig);
    bus_out(rig->parts.bus, PMCNTRL, 1 << 13 | 1 << 10, 2);
    assert_int_equal(pc_run(rig->pc), 5);
    assert_int_equal(peek(rig, 0x1000), 0xcafebabe);
    map_power_management(rig);
}

static void press_button(struct rig *rig)
{
    pc_power_button(rig->pc);
    pc_quit(rig->pc, 5);
}

static void let_time_pass(struct rig *rig)
{
    clock_advance(rig->clock, 2 * (int64_t)NS_PER_SECOND);
    pc_quit(rig->pc, 5);
}

static void reset_while_asleep(struct rig *rig)
{
    pc_request_reset(rig->pc);
    pc_quit(rig->pc, 5);
}

static void the_power_button_wakes_the_board(void **state)
{
    struct rig *rig = *state;

    sleep_in_s3(rig, press_button);
    assert_int_equal(rig->n_idle, 1);
    assert_int_equal(cmos(rig, 0x0f), 0xfe); /* the firmware resumes */
    assert_int_equal(bus_in(rig->parts.bus, PMSTS, 2) & (WAK_STS | PWRBTN_STS | RTC_STS), WAK_STS | PWRBTN_STS);
}

static void an_alarm_wakes_the_board(void **state)
{
    struct rig *rig = *state;

    set_cmos(rig, 0x0a, 0x26);
    for (uint8_t index = 1; index <= 5; index += 2)
        set_cmos(rig, index, 0xff); /* any second, minute, hour */
    set_cmos(rig, 0x0b, 0x22);      /* AIE */
    sleep_in_s3(rig, let_time_pass);
    assert_int_equal(cmos(rig, 0x0f), 0xfe);
    assert_int_equal(bus_in(rig->parts.bus, PMSTS, 2) & (WAK_STS | PWRBTN_STS | RTC_STS), WAK_STS | RTC_STS);
}

static void time_alone_does_not_wake_the_board(void **state)
{
    struct rig *rig = *state;

    sleep_in_s3(rig, let_time_pass);
    assert_int_equal(cmos(rig, 0x0f), 0);
    assert_int_equal(bus_in(rig->parts.bus, PMSTS, 2) & WAK_STS, 0);
}

static void a_reset_ends_sleep_as_a_cold_start(void **state)
{
    struct rig *rig = *state;

    sleep_in_s3(rig, reset_while_asleep);
    assert_int_equal(cmos(rig, 0x0f), 0);
    assert_int_equal(bus_in(rig->parts.bus, PMSTS, 2) & WAK_STS, 0);
}

/* ---- files ---- */

static void firmware_that_cannot_be_is_refused(void **state)
{
    static const size_t sizes[] = {0, 0xffff, 0x80001, ROM_MAX};
    struct rig *rig = *state;

    for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        make_rom(rig->rom, sizes[i]);
        assert_false(power_on(rig));
        assert_non_null(strstr(rig->error, rig->rom));
    }
    rig->config.bios_path = "/nowhere/rom";
    assert_false(power_on(rig));
    assert_non_null(strstr(rig->error, "/nowhere/rom"));
    make_rom(rig->rom, 0x10000);
    rig->config.bios_path = rig->rom;
    rig->config.has_vga = true;
    rig->config.vga_bios_path = "/nowhere/vga";
    assert_false(power_on(rig));
    assert_non_null(strstr(rig->error, "/nowhere/vga"));
    rig->config.vga_bios_path = rig->rom;
    rig->config.ram_bytes = 1ull << 60;
    assert_false(power_on(rig));
    assert_non_null(strstr(rig->error, "MiB for the guest"));
    rig->config.ram_bytes = 4 << 20;
    rig->config.kernel_path = "/nowhere/kernel";
    assert_false(power_on(rig));
    assert_non_null(strstr(rig->error, "/nowhere/kernel"));
    rig->config.kernel_path = NULL;
    assert_true(power_on(rig));
}

static void select_file(struct rig *rig, uint16_t key)
{
    bus_out(rig->parts.bus, 0x510, key, 2);
}

static uint32_t next_be(struct rig *rig, unsigned n)
{
    uint32_t value = 0;

    while (n--)
        value = value << 8 | bus_in(rig->parts.bus, 0x511, 1);
    return value;
}

/* The key of a file of the firmware configuration device, or 0. */
static uint16_t find_file(struct rig *rig, const char *name, uint32_t *len)
{
    uint32_t count;

    select_file(rig, 0x19);
    count = next_be(rig, 4);
    while (count--) {
        char entry[56];
        uint16_t key;

        *len = next_be(rig, 4);
        key = (uint16_t)next_be(rig, 2);
        next_be(rig, 2);
        for (unsigned i = 0; i < sizeof entry; i++)
            entry[i] = (char)next_be(rig, 1);
        if (strcmp(entry, name) == 0)
            return key;
    }
    return 0;
}

static void a_kernel_reaches_the_firmware_by_an_option_rom(void **state)
{
    struct rig *rig = *state;
    uint8_t file[4096] = {[0] = 0x4d, 0x5a, [0x1f1] = 1, [0x1fe] = 0x55, 0xaa, [0x400] = 0xde, 0xad, 0xbe, 0xef};
    uint32_t len;
    uint16_t key;
    FILE *out = fopen(rig->kernel, "wb");

    memcpy(file + 0x202, "HdrS\x0f\x02", 6);
    file[0x211] = 1;
    file[0x239] = 7; /* command lines up to 700h */
    assert_int_equal(fwrite(file, 1, sizeof file, out), sizeof file);
    fclose(out);
    assert_true(power_on(rig));
    assert_int_equal(find_file(rig, "genroms/morph86-kernel.rom", &len), 0);
    pc_destroy(rig->pc);
    rig->config.kernel_path = rig->kernel;
    rig->config.append = "quiet";
    assert_true(power_on(rig));
    key = find_file(rig, "genroms/morph86-kernel.rom", &len);
    assert_int_not_equal(key, 0);
    assert_int_equal(len % 512, 0);
    select_file(rig, key);
    assert_int_equal(next_be(rig, 2), 0x55aa);
    select_file(rig, 0x8040); /* the first piece: the setup code, up to byte 400h */
    assert_int_equal(next_be(rig, 2), 0x4d5a);
    select_file(rig, 0x8041);
    assert_int_equal(next_be(rig, 4), 0xdeadbeef);
    select_file(rig, 0x8042);
    assert_int_equal(next_be(rig, 4), 'q' << 24 | 'u' << 16 | 'i' << 8 | 'e');
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(hpet_interrupts_by_level_until_it_is_served),
        T(init_from_the_apic_resets_the_processor_alone),
        T(the_apic_can_be_moved_and_put_out_of_reach),
        T(smram_shows_where_no_display_card_is),
        T(the_power_button_wakes_the_board),
        T(an_alarm_wakes_the_board),
        T(time_alone_does_not_wake_the_board),
        T(a_reset_ends_sleep_as_a_cold_start),
        cmocka_unit_test_setup_teardown(firmware_that_cannot_be_is_refused, setup_files, teardown),
        cmocka_unit_test_setup_teardown(a_kernel_reaches_the_firmware_by_an_option_rom, setup_files, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
