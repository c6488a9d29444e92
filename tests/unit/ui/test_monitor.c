/* The monitor on a whole board: commands with their answers, and the line editor as a terminal sees it. */
#define _GNU_SOURCE
#include "tests/unit/ui/cmocka_ui.h"

#include <sys/stat.h>
#include <unistd.h>

#include "frontend/x86/cpu.h"
#include "hw/input/kbc8042.h"
#include "hw/input/vmport.h"
#include "hw/intc/apic.h"
#include "hw/intc/ioapic.h"
#include "hw/intc/pic8259.h"
#include "softmmu/phys.h"
#include "translator/translator.h"
#include "ui/chardev_internal.h"
#include "ui/monitor.h"

#define ROM_BYTES 65536u

struct desk {
    struct clock *clock;
    struct cpu_model model;
    struct machine machine;
    struct host_block *medium[3];
    struct pc_parts parts;
    struct chardev_front front;
    struct host_char serial[2];
    struct monitor *monitor;
    char folder[32], rom[64], file[64];
    char *answer;
    char screen[20000]; /* what the device was sent */
    size_t n_screen, room;
};

static void nothing(void *opaque) {}

/* A ROM that runs JMP $ at the reset vector. */
static void make_rom(const char *path)
{
    uint8_t *bytes = calloc(1, ROM_BYTES);
    FILE *file = fopen(path, "wb");

    bytes[0xfff0] = 0xeb;
    bytes[0xfff1] = 0xfe;
    assert_int_equal(fwrite(bytes, 1, ROM_BYTES, file), ROM_BYTES);
    fclose(file);
    free(bytes);
}

static size_t device_write(struct host_char *self, const uint8_t *bytes, size_t count)
{
    struct desk *d = (struct desk *)((char *)self - offsetof(struct desk, front));
    size_t n = count < d->room ? count : d->room;

    assert_true(d->n_screen + n < sizeof d->screen);
    memcpy(d->screen + d->n_screen, bytes, n);
    d->n_screen += n;
    d->room -= n;
    return n;
}

static size_t serial_write(struct host_char *self, const uint8_t *bytes, size_t count)
{
    return count;
}

static int setup(void **state)
{
    struct desk *d = calloc(1, sizeof *d);
    struct pc_config config = {.ram_bytes = 4 << 20, .has_vga = true, .has_vmport = true, .poll = nothing, .idle = nothing};
    char error[300];

    strcpy(d->folder, "/tmp/morph86-test-XXXXXX");
    assert_non_null(mkdtemp(d->folder));
    snprintf(d->rom, sizeof d->rom, "%s/rom", d->folder);
    snprintf(d->file, sizeof d->file, "%s/file", d->folder);
    make_rom(d->rom);
    assert_true(cpu_model_parse(&d->model, "qemu32", error, sizeof error));
    d->clock = clock_create_fake();
    config.clock = d->clock;
    config.model = &d->model;
    config.is_cdrom[2] = true;
    config.has_floppy[0] = true;
    d->serial[0].write = d->serial[1].write = serial_write;
    config.serial[0] = &d->serial[0]; /* COM1 and COM3 share an interrupt */
    config.serial[2] = &d->serial[1];
    config.bios_path = config.vga_bios_path = d->rom;
    d->machine.pc = pc_create(&config, error, sizeof error);
    assert_non_null(d->machine.pc);
    d->parts = pc_parts(d->machine.pc);
    d->machine.typist = typist_create(d->clock, d->parts.kbc);
    d->machine.drive[0] =
        (struct machine_drive){.name = "ide0-hd0", .kind = DRIVE_DISK, .block = &d->medium[0], .path = "disk.img"};
    d->machine.drive[1] =
        (struct machine_drive){.name = "ide1-cd0", .kind = DRIVE_CDROM, .unit = 2, .block = &d->medium[1]};
    d->machine.drive[2] = (struct machine_drive){.name = "floppy0", .kind = DRIVE_FLOPPY, .block = &d->medium[2]};
    d->machine.n_drives = 3;
    d->front.host.write = device_write;
    d->front.is_open = true;
    d->room = SIZE_MAX;
    d->monitor = monitor_create(&d->machine, &d->front.host);
    *state = d;
    return 0;
}

static int teardown(void **state)
{
    struct desk *d = *state;

    char ignored[300];

    for (unsigned i = 0; i < d->machine.n_drives; i++)
        machine_eject(&d->machine, &d->machine.drive[i], true, ignored, sizeof ignored);
    free(d->answer);
    monitor_destroy(d->monitor);
    typist_destroy(d->machine.typist);
    pc_destroy(d->machine.pc);
    clock_destroy(d->clock);
    unlink(d->rom);
    unlink(d->file);
    assert_int_equal(rmdir(d->folder), 0);
    free(d);
    return 0;
}

/* The answer to one line; lives until the next. */
static const char *ask(struct desk *d, const char *format, ...) __attribute__((format(printf, 2, 3)));
static const char *ask(struct desk *d, const char *format, ...)
{
    char line[300];
    size_t size;
    va_list args;
    FILE *out;

    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    free(d->answer);
    out = open_memstream(&d->answer, &size);
    monitor_run(d->monitor, line, out);
    fclose(out);
    return d->answer;
}

#define assert_contains(text, part)                                                                                    \
    do {                                                                                                               \
        const char *where = (text);                                                                                    \
        if (!strstr(where, part))                                                                                      \
            fail_msg("'%s' is not in: %s", part, where);                                                               \
    } while (0)

/* ---- commands ---- */

static void registers_can_be_printed_and_computed_with(void **state)
{
    struct desk *d = *state;

    d->parts.cpu->gpr[EAX] = 0x12345678;
    assert_string_equal(ask(d, "print $eax + 1"), "0x12345679\n");
    assert_string_equal(ask(d, "p/d $ax"), "22136\n");
    assert_string_equal(ask(d, "p/x $pc"), "0xfffffff0\n");
    assert_string_equal(ask(d, "p $eip"), "0xfff0\n");
    assert_string_equal(ask(d, "p $cs.base"), "0xffff0000\n");
    assert_string_equal(ask(d, "p $cs.fish"), "unknown register\nTry \"help p\" for more information\n");
    assert_contains(ask(d, "info registers"), "\nCPU#0\nEAX=12345678 EBX=");
}

static void memory_is_seen_at_linear_and_physical_addresses(void **state)
{
    struct desk *d = *state;

    phys_poke(d->parts.phys, 0x1000, "morph86!", 8);
    assert_string_equal(ask(d, "x/2xw 0x1000"), "00001000: 0x70726f6d 0x21363868\n");
    assert_string_equal(ask(d, "xp/2c 0x1000"), "0000000000001000: 'm' 'o'\n");
    assert_string_equal(ask(d, "xp /2c 0x1000 + 2"), "0000000000001002: 'r' 'p'\n");
    assert_string_equal(ask(d, "x/1i $pc"), "0xfffffff0:  eb fe                   jmp 0xfff0\n");
    assert_string_equal(ask(d, "gva2gpa 0x1234"), "gpa: 0x1234\n");
    assert_string_equal(ask(d, "sum 0x1000 8"), "09828\n");
}

static void page_tables_are_obeyed_and_listed(void **state)
{
    static const uint32_t directory[2] = {0x3007, 0x3001}, table[4] = {0x5067, 0x6065, 0, 0x7063};
    struct desk *d = *state;
    struct mmu *mmu = &d->parts.cpu->mmu;
    struct mmu_paging paging = {.cr3 = 0x2000, .paging = true, .pse = true};

    assert_string_equal(ask(d, "info mem"), "PG disabled\n");
    assert_string_equal(ask(d, "info tlb"), "PG disabled\n");
    phys_poke(d->parts.phys, 0x2000, directory, sizeof directory);
    phys_poke(d->parts.phys, 0x3000, table, sizeof table);
    phys_poke(d->parts.phys, 0x2ffc, &(uint32_t){0x1e3}, 4); /* a global large page at FFC00000 */
    phys_poke(d->parts.phys, 0x5010, "here", 4);
    mmu_set_paging(mmu, &paging);
    assert_string_equal(ask(d, "x/4c 0x10"), "00000010: 'h' 'e' 'r' 'e'\n");
    assert_string_equal(ask(d, "x/1xw 0x2000"), "00002000: Cannot access memory\n");
    assert_string_equal(ask(d, "gva2gpa 0x2000"), "Unmapped\n");
    assert_string_equal(ask(d, "info mem"), "0000000000000000-0000000000001000 0000000000001000 urw\n"
                                            "0000000000001000-0000000000002000 0000000000001000 ur-\n"
                                            "0000000000003000-0000000000004000 0000000000001000 -rw\n"
                                            "0000000000400000-0000000000402000 0000000000002000 -r-\n"
                                            "0000000000403000-0000000000404000 0000000000001000 -r-\n"
                                            "00000000ffc00000-0000000100000000 0000000000400000 -rw\n");
    assert_string_equal(ask(d, "info tlb"), "0000000000000000: 0000000000005000 ---DA--UW\n"
                                            "0000000000001000: 0000000000006000 ---DA--U-\n"
                                            "0000000000003000: 0000000000007000 ---DA---W\n"
                                            "0000000000400000: 0000000000005000 ---DA--UW\n"
                                            "0000000000401000: 0000000000006000 ---DA--U-\n"
                                            "0000000000403000: 0000000000007000 ---DA---W\n"
                                            "00000000ffc00000: 0000000000000000 -GPDA---W\n");
}

static void physical_address_extension_is_listed_too(void **state)
{
    static const uint64_t directory[2] = {0x4007, 0x2000e3}, table[2] = {0x5067 | 1ull << 63, 0};
    struct desk *d = *state;
    struct mmu_paging paging = {.cr3 = 0x2000, .paging = true, .pae = true, .nxe = true, .pdpte = {0, 0x3001}};

    phys_poke(d->parts.phys, 0x3000, directory, sizeof directory);
    phys_poke(d->parts.phys, 0x4000, table, sizeof table);
    mmu_set_paging(&d->parts.cpu->mmu, &paging);
    assert_string_equal(ask(d, "info tlb"), "0000000040000000: 0000000000005000 X--DA--UW\n"
                                            "0000000040200000: 0000000000200000 --PDA---W\n");
    assert_string_equal(ask(d, "info mem"), "0000000040000000-0000000040001000 0000000000001000 urw\n"
                                            "0000000040200000-0000000040400000 0000000000200000 -rw\n");
}

static void memory_goes_to_files(void **state)
{
    struct desk *d = *state;
    struct stat st;
    char text[9] = "";
    FILE *file;

    phys_poke(d->parts.phys, 0x1000, "morph86!", 8);
    assert_string_equal(ask(d, "pmemsave 0x1000 8 %s", d->file), "");
    file = fopen(d->file, "rb");
    assert_int_equal(fread(text, 1, 9, file), 8);
    fclose(file);
    assert_string_equal(text, "morph86!");
    assert_string_equal(ask(d, "memsave 0x1000 0x12345 \"%s\"", d->file), "");
    assert_int_equal(stat(d->file, &st), 0);
    assert_int_equal(st.st_size, 0x12345);
    assert_contains(ask(d, "pmemsave 0 1 /nonexistent/file"), "Error: cannot write '/nonexistent/file'");
}

static void ports_can_be_read_and_written(void **state)
{
    struct desk *d = *state;

    assert_string_equal(ask(d, "o/b 0x70 0x0f"), "");
    assert_string_equal(ask(d, "o/b 0x71 0xa5"), "");
    assert_string_equal(ask(d, "i/b 0x71"), "portb[0x0071] = 0xa5\n");
    assert_string_equal(ask(d, "i/b 0x70 0x0f"), "portb[0x0071] = 0xa5\n");
    assert_contains(ask(d, "i/g 0x71"), "invalid size");
}

static void stop_and_cont_change_the_status(void **state)
{
    struct desk *d = *state;

    assert_string_equal(ask(d, "info status"), "VM status: running\n");
    assert_string_equal(ask(d, "stop"), "");
    assert_string_equal(ask(d, "info status"), "VM status: paused\n");
    assert_string_equal(ask(d, "c"), "");
    assert_string_equal(ask(d, "info status"), "VM status: running\n");
}

/* What a driver does with VMware's port: command in ECX, parameter in EBX. */
static uint32_t backdoor(struct desk *d, uint32_t command, uint32_t parameter)
{
    uint32_t *gpr = d->parts.cpu->gpr;

    gpr[EAX] = 0x564d5868;
    gpr[EBX] = parameter;
    gpr[ECX] = command;
    return bus_in(d->parts.bus, VMPORT_PORT, 4);
}

static void the_mouse_is_the_one_that_the_guest_listens_to(void **state)
{
    struct desk *d = *state;

    assert_string_equal(ask(d, "info mice"), "* Mouse #0: PS/2 Mouse\n");
    assert_string_equal(ask(d, "mouse_move 1 1"), "");
    backdoor(d, 0x29, 0x45414552);
    assert_int_equal(backdoor(d, 0x27, 1), 0x3442554a);
    backdoor(d, 0x29, 0x4c455252);
    assert_string_equal(ask(d, "info mice"), "  Mouse #0: PS/2 Mouse\n* Mouse #1: vmmouse\n");
    assert_string_equal(ask(d, "mouse_button 1"), "");
    assert_string_equal(ask(d, "mouse_move 5 3 2"), "");
    assert_int_equal(backdoor(d, 0x28, 0), 8);
    assert_int_equal(backdoor(d, 0x27, 4), 0x10020);
    assert_int_equal(backdoor(d, 0x27, 4), 0x10020);
    assert_int_equal(d->parts.cpu->gpr[EBX], 5);
    assert_int_equal(d->parts.cpu->gpr[ECX], (uint32_t)-3);
    assert_int_equal(d->parts.cpu->gpr[EDX], (uint32_t)-2);
    backdoor(d, 0x29, 0x53424152);
    assert_string_equal(ask(d, "info mice"), "  Mouse #0: PS/2 Mouse\n* Mouse #1: vmmouse (absolute)\n");
    ask(d, "mouse_button 0");
}

static void sendkey_presses_and_names_what_it_does_not_know(void **state)
{
    struct desk *d = *state;

    assert_string_equal(ask(d, "sendkey ctrl-alt-delete"), "");
    assert_true(typist_is_busy(d->machine.typist));
    clock_advance(d->clock, 99 * NS_PER_MS);
    assert_true(typist_is_busy(d->machine.typist));
    clock_advance(d->clock, 2 * NS_PER_MS);
    assert_false(typist_is_busy(d->machine.typist));
    assert_string_equal(ask(d, "sendkey a 500"), "");
    clock_advance(d->clock, 400 * NS_PER_MS);
    assert_true(typist_is_busy(d->machine.typist));
    assert_string_equal(ask(d, "sendkey ctrl-fish"), "invalid parameter: fish\n");
    assert_contains(ask(d, "sendkey a -1"), "hold time");
    assert_string_equal(ask(d, "sendkey"), "sendkey: string expected\nTry \"help sendkey\" for more information\n");
}

static void screens_become_pictures(void **state)
{
    struct desk *d = *state;
    uint8_t head[16] = "";
    FILE *file;

    assert_string_equal(ask(d, "screendump %s", d->file), "");
    file = fopen(d->file, "rb");
    assert_true(fread(head, 1, 15, file) == 15);
    fclose(file);
    assert_memory_equal(head, "P6\n640 480\n255\n", 15);
    assert_string_equal(ask(d, "screendump %s -f png", d->file), "");
    file = fopen(d->file, "rb");
    assert_true(fread(head, 1, 15, file) == 15);
    fclose(file);
    assert_memory_equal(head, "\x89PNG\r\n\x1a\n", 8);
    assert_contains(ask(d, "screendump %s -f gif", d->file), "invalid parameter value: gif");
    assert_contains(ask(d, "screendump /nonexistent/x"), "Error: cannot write '/nonexistent/x'");
    assert_contains(ask(d, "info screen"), "blank, 640 x 480 pixels\n");
}

static void media_that_are_not_there_are_refused_by_name(void **state)
{
    struct desk *d = *state;

    assert_string_equal(ask(d, "eject floppy9"), "Error: Device 'floppy9' not found\n");
    assert_string_equal(ask(d, "eject -f floppy9"), "Error: Device 'floppy9' not found\n");
    assert_string_equal(ask(d, "change ide0-hd0 other.img"), "Error: Device 'ide0-hd0' is not removable\n");
    assert_contains(ask(d, "info block"), "ide0-hd0 (#block0): disk.img (raw)\n");
}

static void media_come_and_go(void **state)
{
    struct desk *d = *state;

    assert_contains(ask(d, "info block"), "ide1-cd0: [not inserted]\n");
    assert_string_equal(ask(d, "change ide1-cd0 %s", d->rom), "");
    assert_contains(ask(d, "info block"), "/rom (raw, read-only)\n");
    assert_non_null(d->medium[1]);
    assert_contains(ask(d, "change ide1-cd0 %s qcow2", d->rom), "Error: Unknown driver 'qcow2'");
    assert_contains(ask(d, "change ide1-cd0 /nonexistent"), "Error: cannot open '/nonexistent'");
    assert_contains(ask(d, "info block"), "/rom (raw, read-only)\n");
    assert_string_equal(ask(d, "eject ide1-cd0"), "");
    assert_null(d->medium[1]);
    assert_contains(ask(d, "info block"), "ide1-cd0: [not inserted]\n");
    assert_string_equal(ask(d, "change floppy0 %s", d->rom), "");
    assert_string_equal(ask(d, "change floppy0 %s raw", d->rom), ""); /* the same file again: it is locked by us */
    assert_contains(ask(d, "info block"), "floppy0 (#block2): ");
    assert_string_equal(ask(d, "eject -f floppy0"), "");
    assert_null(d->medium[2]);
}

static void a_disk_that_is_too_large_does_not_fit_the_floppy_drive(void **state)
{
    struct desk *d = *state;
    FILE *file = fopen(d->file, "wb");

    fseek(file, (4 << 20) - 1, SEEK_SET);
    fputc(0, file);
    fclose(file);
    assert_contains(ask(d, "change floppy0 %s", d->file), "does not fit into 'floppy0'");
    assert_contains(ask(d, "info block"), "floppy0: [not inserted]\n");
}

static void the_board_is_described(void **state)
{
    struct desk *d = *state;

    assert_contains(ask(d, "info pci"), "  Bus  0, device   0, function 0:\n    Host bridge: PCI device 8086:1237\n");
    assert_contains(ask(d, "info pci"), "    VGA controller: PCI device 1234:1111\n");
    assert_contains(ask(d, "info pic"), "pic0: irr=");
    assert_contains(ask(d, "info lapic"), "apic");
    assert_contains(ask(d, "info irq"), "IRQ statistics");
    assert_contains(ask(d, "info mtree"),
                    "    0000000000100000-00000000003fffff (prio 0, ram): ram @0000000000100000\n");
    assert_contains(ask(d, "info mtree -f"), "    0000000000000040-0000000000000043 (prio 0, i/o): pit8254\n");
    assert_contains(ask(d, "info version"), "morph86");
}

static void info_jit_counts_what_the_translator_has_done(void **state)
{
    struct desk *d = *state;
    const struct translator_options options = {.accel = ACCEL_IR};
    const char *error;

    assert_contains(ask(d, "help info"), "info jit");
    assert_string_equal(ask(d, "info jit"), "everything is interpreted (-accel interp)\n");
    assert_true(translator_create(d->parts.cpu, &options, &error));
    assert_contains(ask(d, "info jit"), "translated: 0 blocks, 0 instructions, 0 guest bytes");
    cpu_step(d->parts.cpu); /* JMP $ */
    assert_contains(ask(d, "info jit"), "translated: 1 blocks, 1 instructions, 2 guest bytes");
    translator_destroy(d->parts.cpu);
}

static void interrupts_of_both_controllers_are_counted(void **state)
{
    struct desk *d = *state;
    struct irq pin = ioapic_input(d->parts.ioapic, 5), line = pic8259_input(d->parts.pic, 6);

    assert_string_equal(ask(d, "info irq"), "IRQ statistics for ioapic:\nIRQ statistics for isa-i8259:\n");
    apic_ops.write(d->parts.apic, 0xf0, 0x1ff, 4);    /* software enable */
    ioapic_ops.write(d->parts.ioapic, 0x00, 0x1a, 1); /* redirection entry 5 */
    ioapic_ops.write(d->parts.ioapic, 0x10, 0x45, 4);
    irq_raise(&pin);
    ask(d, "o/b 0x21 0xbf");
    irq_raise(&line);
    pic8259_acknowledge(d->parts.pic);
    assert_string_equal(ask(d, "info irq"),
                        "IRQ statistics for ioapic:\n 5: 1\nIRQ statistics for isa-i8259:\n 6: 1\n");
}

/* IRR of the first 8259. */
static unsigned requests(struct desk *d)
{
    const char *at = strstr(ask(d, "info pic"), "pic0: irr=");

    assert_non_null(at);
    return (unsigned)strtoul(at + strlen("pic0: irr="), NULL, 16);
}

static void serial_lines_that_share_an_interrupt_do_not_hide_each_other(void **state)
{
    struct desk *d = *state;

    ask(d, "o/b 0x4d0 0x10"); /* IRQ 4 by level, as sharing needs */
    for (unsigned port = 0x3e8; port <= 0x3f8; port += 0x10) {
        ask(d, "o/b 0x%x 8", port + 4); /* OUT2: the interrupt reaches the bus */
        ask(d, "o/b 0x%x 2", port + 1); /* the transmitter is empty */
    }
    assert_int_equal(requests(d) & 0x10, 0x10);
    ask(d, "o/b 0x3e9 0");
    assert_int_equal(requests(d) & 0x10, 0x10);
    ask(d, "o/b 0x3f9 0");
    assert_int_equal(requests(d) & 0x10, 0);
}

static void reading_the_display_card_leaves_its_latches_alone(void **state)
{
    struct desk *d = *state;
    struct phys *phys = d->parts.phys;

    ask(d, "o/b 0x3c2 2"); /* memory answers */
    ask(d, "o/b 0x3ce 6"); /* graphics mode, window at A0000 */
    ask(d, "o/b 0x3cf 5");
    ask(d, "o/b 0x3c4 2"); /* all planes */
    ask(d, "o/b 0x3c5 15");
    ask(d, "o/b 0x3c4 4"); /* no odd/even addressing: each address is a byte of every plane */
    ask(d, "o/b 0x3c5 6");
    ask(d, "o/b 0x3ce 8"); /* bit mask: all from the processor */
    ask(d, "o/b 0x3cf 255");
    phys_write(phys, 0xa0000, 0x11, 1);
    phys_write(phys, 0xa0001, 0x22, 1);
    phys_read(phys, 0xa0000, 1); /* latch 11 */
    assert_string_equal(ask(d, "xp/2xb 0xa0000"), "00000000000a0000: 0x11 0x22\n");
    ask(d, "o/b 0x3ce 5"); /* write mode 1: from the latches */
    ask(d, "o/b 0x3cf 1");
    phys_write(phys, 0xa0002, 0, 1);
    assert_string_equal(ask(d, "xp/1xb 0xa0002"), "00000000000a0002: 0x11\n");
}

static void mistakes_get_qemus_words(void **state)
{
    struct desk *d = *state;

    assert_string_equal(ask(d, "fish 1"), "unknown command: 'fish'\n");
    assert_string_equal(ask(d, "info fish"), "unknown command: 'info fish'\n");
    assert_string_equal(ask(d, "x"), "unexpected end of expression\nTry \"help x\" for more information\n");
    assert_string_equal(ask(d, "x/3z 0"), "invalid char in format: 'z'\nTry \"help x\" for more information\n");
    assert_string_equal(ask(d, "system_reset 4"), "system_reset: extraneous characters at the end of line\n"
                                                  "Try \"help system_reset\" for more information\n");
    assert_string_equal(ask(d, "screendump"),
                        "screendump: filename expected\nTry \"help screendump\" for more information\n");
    assert_string_equal(ask(d, "help stop"), "stop|s  -- stop the processor and guest time\n");
    assert_string_equal(ask(d, "help fish"), "unknown command: 'fish'\n");
    assert_string_equal(ask(d, "   "), "");
}

static void help_names_every_command(void **state)
{
    static const char *const names[] = {"quit",         "info",    "x /fmt",     "xp /fmt",      "print",
                                        "pmemsave",     "memsave", "screendump", "sendkey",      "mouse_move",
                                        "mouse_button", "change",  "eject",      "system_reset", "system_powerdown",
                                        "stop",         "cont",    "help"};
    struct desk *d = *state;

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_contains(ask(d, "help"), names[i]);
    assert_contains(ask(d, "info"), "info registers [-a]");
}

/* ---- the terminal ---- */

static void type(struct desk *d, const char *keys)
{
    d->n_screen = 0;
    memset(d->screen, 0, sizeof d->screen);
    d->front.host.receive(d->front.host.receiver, (const uint8_t *)keys, strlen(keys));
}

static void a_new_listener_is_greeted_with_the_prompt(void **state)
{
    struct desk *d = *state;

    assert_contains(d->screen, " monitor - type 'help' for more information\r\n(qemu) ");
}

static void lines_are_echoed_and_answered_with_carriage_returns(void **state)
{
    struct desk *d = *state;

    type(d, "info status\n");
    assert_string_equal(d->screen, "info status\r\nVM status: running\r\n(qemu) ");
    type(d, "p 1\r\n");
    assert_string_equal(d->screen, "p 1\r\n0x1\r\n(qemu) ");
}

static void editing_keys_work_inside_the_line(void **state)
{
    struct desk *d = *state;

    type(d, "p 13\x1b[D\x1b[D\x08\x7fprint \x05\x7f\n"); /* left twice, two deletions, ..., end, one deletion */
    assert_contains(d->screen, "\r\n0x1\r\n(qemu) ");
    type(d, "rubbish\x15p 7\n"); /* Ctrl-U */
    assert_contains(d->screen, "\r\n0x7\r\n(qemu) ");
    type(d, "p 1 2\x17\n"); /* Ctrl-W */
    assert_contains(d->screen, "\r\n0x1\r\n(qemu) ");
}

static void history_comes_back(void **state)
{
    struct desk *d = *state;

    type(d, "p 1\np 2\n");
    type(d, "\x1b[A\x1b[A\n");
    assert_contains(d->screen, "\r\n0x1\r\n(qemu) ");
    type(d, "\x1b[A\x1b[A\x1b[B\n"); /* p 1, p 2, p 1: two up, one down */
    assert_contains(d->screen, "\r\n0x1\r\n(qemu) ");
}

static void tab_completes_what_is_unique(void **state)
{
    struct desk *d = *state;

    type(d, "inf\tstat\t\n");
    assert_contains(d->screen, "info status \r\nVM status: running\r\n");
    type(d, "sendkey ctrl-del\t\n");
    assert_contains(d->screen, "sendkey ctrl-delete \r\n(qemu) ");
    type(d, "system_\t");
    assert_contains(d->screen, "system_reset system_powerdown");
    type(d, "\x15zzz\t\x15\n");
    assert_contains(d->screen, "zzz");
}

static void a_reader_that_stalls_stops_new_commands_until_it_has_read(void **state)
{
    struct desk *d = *state;

    d->room = 5;
    type(d, "info status\n");
    assert_int_equal(d->n_screen, 5);
    assert_int_equal(d->front.host.can_receive(d->front.host.receiver), 0);
    d->room = SIZE_MAX;
    d->front.host.drained(d->front.host.receiver);
    assert_string_equal(d->screen, "info status\r\nVM status: running\r\n(qemu) ");
    assert_true(d->front.host.can_receive(d->front.host.receiver) > 0);
}

static void endless_lines_and_strange_bytes_do_no_harm(void **state)
{
    struct desk *d = *state;
    char byte[2] = "";

    for (unsigned i = 0; i < 6000; i++) {
        byte[0] = (char)('a' + i % 26);
        type(d, byte);
    }
    type(d, "\n");
    assert_contains(d->screen, "unknown command");
    for (unsigned i = 1; i < 256; i++) {
        byte[0] = (char)i;
        type(d, byte);
    }
    type(d, "\x1b[999999999999999~\x1b[Z\x1bq\n");
    type(d, "p 1\n");
    assert_contains(d->screen, "0x1\r\n");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(registers_can_be_printed_and_computed_with),
        TEST(memory_is_seen_at_linear_and_physical_addresses),
        TEST(page_tables_are_obeyed_and_listed),
        TEST(physical_address_extension_is_listed_too),
        TEST(memory_goes_to_files),
        TEST(ports_can_be_read_and_written),
        TEST(stop_and_cont_change_the_status),
        TEST(the_mouse_is_the_one_that_the_guest_listens_to),
        TEST(sendkey_presses_and_names_what_it_does_not_know),
        TEST(screens_become_pictures),
        TEST(media_that_are_not_there_are_refused_by_name),
        TEST(media_come_and_go),
        TEST(a_disk_that_is_too_large_does_not_fit_the_floppy_drive),
        TEST(the_board_is_described),
        TEST(info_jit_counts_what_the_translator_has_done),
        TEST(interrupts_of_both_controllers_are_counted),
        TEST(serial_lines_that_share_an_interrupt_do_not_hide_each_other),
        TEST(reading_the_display_card_leaves_its_latches_alone),
        TEST(mistakes_get_qemus_words),
        TEST(help_names_every_command),
        TEST(a_new_listener_is_greeted_with_the_prompt),
        TEST(lines_are_echoed_and_answered_with_carriage_returns),
        TEST(editing_keys_work_inside_the_line),
        TEST(history_comes_back),
        TEST(tab_completes_what_is_unique),
        TEST(a_reader_that_stalls_stops_new_commands_until_it_has_read),
        TEST(endless_lines_and_strange_bytes_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
