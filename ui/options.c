/* The command line. See options.h. One table holds every option; --help is printed from it. */
#include "ui/options.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hw/core/log.h"
#include "ui/version.h"

#define DEFAULT_RAM_BYTES (128ull << 20)
#define MIN_RAM_BYTES     (1ull << 20)
#define MAX_RAM_BYTES     (3584ull << 20) /* below the PCI hole */

static _Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
static _Noreturn void fail(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fputs("morph86: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(EXIT_FAILURE);
}

static void set_memory(struct options *o, const char *text)
{
    const char *digits = strncmp(text, "size=", 5) == 0 ? text + 5 : text;
    char *end;
    unsigned long long n;
    unsigned shift = 20;

    errno = 0;
    n = strtoull(digits, &end, 10);
    switch (*end) {
    case 'G':
    case 'g':
        shift = 30;
        end++;
        break;
    case 'M':
    case 'm':
        shift = 20;
        end++;
        break;
    case 'K':
    case 'k':
        shift = 10;
        end++;
        break;
    default:
        break;
    }
    if (end == digits || *end || errno || digits[0] == '-' || n > UINT64_MAX >> shift)
        fail("-m '%s' is not a size; write for example -m 256 (MiB) or -m 1G", text);
    o->ram_bytes = (uint64_t)n << shift;
    if (o->ram_bytes < MIN_RAM_BYTES || o->ram_bytes > MAX_RAM_BYTES || o->ram_bytes % 4096)
        fail("-m '%s' is out of range; choose whole pages between 1M and 3584M", text);
}

static void set_machine(struct options *o, const char *text)
{
    const char *property = strchr(text, ',');
    size_t len = property ? (size_t)(property - text) : strlen(text);

    if (strcmp(text, "help") == 0) {
        puts("pc    i440FX + PIIX3 (default); vmport=on|off: VMware's port and mouse");
        exit(EXIT_SUCCESS);
    }
    if (len != 2 || strncmp(text, "pc", len) != 0)
        fail("-M '%.*s' is not a machine of morph86; use -M pc", (int)len, text);
    while (property) {
        const char *word = property + 1;

        property = strchr(word, ',');
        len = property ? (size_t)(property - word) : strlen(word);
        if ((len == 9 && strncmp(word, "vmport=on", len) == 0) || (len == 11 && strncmp(word, "vmport=auto", len) == 0))
            o->has_vmport = true;
        else if (len == 10 && strncmp(word, "vmport=off", len) == 0)
            o->has_vmport = false;
        else
            fail("-M pc: '%.*s' is not understood; use vmport=on or vmport=off", (int)len, word);
    }
}

static void set_cpu(struct options *o, const char *text)
{
    char error[200];

    if (strcmp(text, "help") == 0) {
        cpu_model_list(stdout);
        exit(EXIT_SUCCESS);
    }
    if (!cpu_model_parse(&o->model, text, error, sizeof error))
        fail("-cpu: %s", error);
}

static void set_smp(struct options *o, const char *text)
{
    if (strcmp(text, "1") != 0 && strcmp(text, "cpus=1") != 0)
        fail("-smp '%s': morph86 has one processor; use -smp 1", text);
}

/* NAME[,cache-size=MIB][,threshold=N][,chain=on|off][,count=on|off][,lockstep=on|off]; QEMU's name "tcg", and its
 * tb-size, are understood. */
static bool parse_accel(const char *text, struct translator_options *accel)
{
    const struct {
        const char *name;
        enum accel accel;
    } names[] = {{"interp", ACCEL_INTERP}, {"ir", ACCEL_IR}, {"jit", ACCEL_JIT}, {"tcg", ACCEL_JIT}};
    size_t len = strcspn(text, ",");
    bool found = false;

    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strlen(names[i].name) == len && strncmp(text, names[i].name, len) == 0) {
            accel->accel = names[i].accel;
            found = true;
        }
    for (text += len; found && *text == ','; text += strcspn(text, ",")) {
        unsigned mib;
        char end;

        text++;
        if (sscanf(text, "cache-size=%u%c", &mib, &end) >= 1 || sscanf(text, "tb-size=%u%c", &mib, &end) >= 1) {
            if (mib < 1 || mib > 1024)
                return false;
            accel->cache_bytes = (size_t)mib << 20;
        } else if (sscanf(text, "threshold=%u%c", &accel->threshold, &end) >= 1) {
            if (accel->threshold > TRANSLATOR_THRESHOLD_MAX)
                return false;
        } else if (strncmp(text, "chain=", 6) == 0) {
            accel->no_chain = strncmp(text + 6, "off", 3) == 0;
        } else if (strncmp(text, "count=", 6) == 0) {
            accel->count = strncmp(text + 6, "on", 2) == 0;
        } else if (strncmp(text, "lockstep=", 9) == 0) {
            accel->lockstep = strncmp(text + 9, "on", 2) == 0;
        } else {
            return false;
        }
    }
    return found;
}

static void set_accel(struct options *o, const char *text)
{
    if (strcmp(text, "help") == 0) {
        puts("interp    interpreter\n"
             "ir        blocks translated to the intermediate representation, which is interpreted\n"
             "jit       blocks translated to host code (default; interp where the host lacks BMI2); tools that ask for "
             "tcg get it too\n"
             "properties: jit,cache-size=MIB  jit,threshold=RUNS (0 to 64; code that ran less often is interpreted)  "
             "jit,chain=off\n"

             "            jit,count=on (info jit tells what ran from the cache)\n"
             "            jit,lockstep=on (each block is compared with the interpreter; ir too)");
        exit(EXIT_SUCCESS);
    }
    if (!parse_accel(text, &o->accel))
        fail("-accel '%s' is not available; use -accel interp, ir or jit", text);
}

/* How translated code reaches memory. */
static void set_softmmu(struct options *o, const char *text)
{
    static const char *const name[] = {[WINDOW_NEVER] = "tlb", [WINDOW_EARNED] = "auto", [WINDOW_ALWAYS] = "shadow"};

    for (unsigned i = 0; i < sizeof name / sizeof name[0]; i++)
        if (strcmp(text, name[i]) == 0) {
            o->accel.windows = (enum window_policy)i;
            return;
        }
    fail("-softmmu '%s' is not available; use -softmmu auto, tlb or shadow", text);
}

static void set_bios(struct options *o, const char *text)
{
    o->bios = text;
}
static void set_kernel(struct options *o, const char *text)
{
    o->kernel = text;
}
static void set_initrd(struct options *o, const char *text)
{
    o->initrd = text;
}
static void set_append(struct options *o, const char *text)
{
    o->append = text;
}
/* FILE[,bootindex=N] */
static void add_option_rom(struct options *o, const char *text)
{
    const char *comma = strchr(text, ','), *digits = NULL;
    size_t len = comma ? (size_t)(comma - text) : strlen(text);
    unsigned n = o->n_option_roms;
    char *end = NULL;
    long index = -1;

    if (n == OPTION_ROMS_MAX)
        fail("-option-rom is given more than %d times; leave some out", OPTION_ROMS_MAX);
    if (len >= sizeof o->option_rom_path[n])
        fail("-option-rom: '%.40s...' is too long; use a shorter path", text);
    if (comma) {
        digits = comma + sizeof ",bootindex=" - 1;
        if (strncmp(comma, ",bootindex=", sizeof ",bootindex=" - 1) == 0)
            index = strtol(digits, &end, 10);
        if (!end || end == digits || *end || index < 0 || index > INT_MAX)
            fail("-option-rom: '%s' is not understood; write FILE,bootindex=NUMBER", comma + 1);
    }
    memcpy(o->option_rom_path[n], text, len);
    o->option_rom_path[n][len] = '\0';
    o->option_rom[n] = (struct option_rom){.path = o->option_rom_path[n], .bootindex = (int)index};
    o->n_option_roms++;
}

static void add_image(struct options *o, unsigned place, const char *option, const char *file)
{
    char error[300];

    if (!disk_options_file(&o->disks, place, file, error, sizeof error))
        fail("%s %s", option, error);
}

static void set_hda(struct options *o, const char *text)
{
    add_image(o, DISK_OPTION_HDA, "-hda", text);
}
static void set_hdb(struct options *o, const char *text)
{
    add_image(o, DISK_OPTION_HDA + 1, "-hdb", text);
}
static void set_hdc(struct options *o, const char *text)
{
    add_image(o, DISK_OPTION_HDA + 2, "-hdc", text);
}
static void set_hdd(struct options *o, const char *text)
{
    add_image(o, DISK_OPTION_HDA + 3, "-hdd", text);
}
static void set_fda(struct options *o, const char *text)
{
    add_image(o, DISK_OPTION_FDA, "-fda", text);
}
static void set_fdb(struct options *o, const char *text)
{
    add_image(o, DISK_OPTION_FDA + 1, "-fdb", text);
}

static void set_cdrom(struct options *o, const char *text)
{
    char error[300];

    if (!disk_options_cdrom(&o->disks, text, error, sizeof error))
        fail("-cdrom %s", error);
}

static void set_drive(struct options *o, const char *text)
{
    char error[1500];

    if (!disk_options_drive(&o->disks, text, error, sizeof error))
        fail("-drive %s", error);
}

static void set_boot(struct options *o, const char *text)
{
    char error[1500];

    if (!disk_options_boot(&o->disks, text, error, sizeof error))
        fail("-boot %s", error);
}

static void set_parallel(struct options *o, const char *text)
{
    o->parallel = text;
}
static void set_debugcon(struct options *o, const char *text)
{
    o->debugcon = text;
}
static void set_log(struct options *o, const char *text)
{
    if (strcmp(text, "help") == 0) {
        log_print_items();
        exit(EXIT_SUCCESS);
    }
    o->log_items = text;
}
static void set_log_file(struct options *o, const char *text)
{
    o->log_file = text;
}
static void set_no_reboot(struct options *o, const char *text)
{
    o->no_reboot = true;
}
static void set_nodefaults(struct options *o, const char *text)
{
    o->nodefaults = true;
    o->has_vga = false;
}
static void set_nographic(struct options *o, const char *text)
{
    o->nographic = true;
}

static void set_serial(struct options *o, const char *text)
{
    if (o->n_serial == MAX_SERIAL)
        fail("-serial is given more than %d times; a PC has four serial lines", MAX_SERIAL);
    o->serial[o->n_serial++] = text;
}

static void set_vga(struct options *o, const char *text)
{
    if (strcmp(text, "std") != 0 && strcmp(text, "none") != 0)
        fail("-vga '%s' is not a display card of morph86; use std or none", text);
    o->has_vga = text[0] == 's';
}

static void set_display(struct options *o, const char *text)
{
    char error[300];

    if (o->n_displays == DISPLAYS_MAX)
        fail("-display is given more than %d times; leave some out", DISPLAYS_MAX);
    if (!display_parse(&o->display[o->n_displays], text, error, sizeof error))
        fail("-display: %s", error);
    o->n_displays++;
}

static void set_full_screen(struct options *o, const char *text)
{
    o->is_full_screen = true;
}

static void set_monitor(struct options *o, const char *text)
{
    if (o->n_monitors == MAX_MONITORS)
        fail("-monitor is given more than %d times; leave some out", MAX_MONITORS);
    o->monitor[o->n_monitors++] = text;
}

static void set_stopped(struct options *o, const char *text)
{
    o->starts_stopped = true;
}

static void set_name(struct options *o, const char *text)
{
    o->name = strncmp(text, "guest=", 6) == 0 ? text + 6 : text;
}

static void set_nic(struct options *o, const char *text)
{
    char error[300];

    if (!net_options_nic(&o->net, text, error, sizeof error))
        fail("-nic %s", error);
}

static void set_netdev(struct options *o, const char *text)
{
    char error[300];

    if (!net_options_netdev(&o->net, text, error, sizeof error))
        fail("-netdev %s", error);
}

static void set_rtc(struct options *o, const char *text)
{
    char error[300];

    if (!rtc_options_parse(&o->rtc, text, error, sizeof error))
        fail("-rtc %s", error);
}

static void set_device(struct options *o, const char *text)
{
    static const char name[] = "isa-debug-exit";
    char copy[200], *save, *word;
    unsigned long base = 0x501, size = 2;

    if (strncmp(text, "e1000", 5) == 0 && (!text[5] || text[5] == ',')) {
        char error[300];

        if (!net_options_device(&o->net, text, error, sizeof error))
            fail("-device %s", error);
        return;
    }
    if (strcmp(text, "vmmouse") == 0 || strcmp(text, "pci-testdev") == 0) {
        *(text[0] == 'v' ? &o->has_vmmouse : &o->has_testdev) = true;
        return;
    }
    if (strlen(text) >= sizeof copy)
        fail("-device: '%.40s...' is too long", text);
    strcpy(copy, text);
    word = strtok_r(copy, ",", &save);
    if (!word || strcmp(word, name) != 0)
        fail("-device '%s' is not a device of morph86; use isa-debug-exit,iobase=PORT,iosize=BYTES, "
             "e1000,netdev=NAME, pci-testdev or vmmouse",
             word ? word : "");
    while ((word = strtok_r(NULL, ",", &save))) {
        unsigned long *field = strncmp(word, "iobase=", 7) == 0   ? &base
                               : strncmp(word, "iosize=", 7) == 0 ? &size
                                                                  : NULL;
        char *end = word;

        if (field)
            *field = strtoul(word + 7, &end, 0);
        if (!field || end == word + 7 || *end)
            fail("-device %s: '%s' is not understood; use iobase=PORT and iosize=BYTES", name, word);
    }
    if (base > 0xffff || (size != 1 && size != 2 && size != 4) || base + size > 0x10000)
        fail("-device %s: iobase must be a port up to 0xffff and iosize 1, 2 or 4", name);
    o->has_debug_exit = true;
    o->debug_exit_port = (uint16_t)base;
}

enum group { GROUP_MACHINE, GROUP_BOOT, GROUP_DISKS, GROUP_CONSOLES, GROUP_DEVICES, GROUP_DEBUG, GROUP_HELP };

static const char *const group_title[] = {"Machine", "What to boot", "Disks", "Consoles and displays",
                                          "Devices", "Debugging",    "Help"};

static const struct option_row {
    enum group group;
    const char *name, *argument; /* argument NULL: none */
    void (*set)(struct options *o, const char *text);
    const char *help;
} option_table[] = {
    {GROUP_MACHINE, "M", "pc[,vmport=off]", set_machine, "board (also -machine), with VMware's port or without"},
    {GROUP_MACHINE, "machine", "pc", set_machine, NULL},
    {GROUP_MACHINE, "cpu", "MODEL[,+f][,-f]", set_cpu, "processor model and features; -cpu help lists them"},
    {GROUP_MACHINE, "smp", "1", set_smp, "number of processors"},
    {GROUP_MACHINE, "m", "SIZE", set_memory, "memory in MiB, or with K, M, G (default 128M)"},
    {GROUP_MACHINE, "rtc", "base=...,...", set_rtc,
     "base=utc|localtime|2006-06-17T16:01:21, clock=host|rt|vm (vm stands while the machine is stopped)"},
    {GROUP_MACHINE, "accel", "jit|ir|interp", set_accel, "how guest code runs"},
    {GROUP_MACHINE, "softmmu", "auto|tlb|shadow", set_softmmu,
     "how it reaches memory: by a TLB, or by the host's own MMU"},
    {GROUP_BOOT, "bios", "FILE", set_bios, "firmware image, 64 to 512 KiB (default: SeaBIOS)"},
    {GROUP_BOOT, "kernel", "FILE", set_kernel, "Linux bzImage or multiboot ELF"},
    {GROUP_BOOT, "initrd", "FILE[,...]", set_initrd, "initial RAM disk, or multiboot modules"},
    {GROUP_BOOT, "append", "TEXT", set_append, "kernel command line"},
    {GROUP_BOOT, "option-rom", "FILE[,...]", add_option_rom, "ROM that the firmware runs, repeatable; bootindex=N"},
    {GROUP_BOOT, "boot", "LETTERS,...", set_boot, "a floppy, c disk, d CD, n network; once=LETTERS, menu=on"},
    {GROUP_BOOT, "no-reboot", NULL, set_no_reboot, "leave when the guest resets"},
    {GROUP_DISKS, "hda", "FILE", set_hda, "raw image of the first IDE disk (-hdb, -hdc, -hdd: the others)"},
    {GROUP_DISKS, "hdb", "FILE", set_hdb, NULL},
    {GROUP_DISKS, "hdc", "FILE", set_hdc, NULL},
    {GROUP_DISKS, "hdd", "FILE", set_hdd, NULL},
    {GROUP_DISKS, "fda", "FILE", set_fda, "raw image of a floppy disk in drive A (-fdb: drive B)"},
    {GROUP_DISKS, "fdb", "FILE", set_fdb, NULL},
    {GROUP_DISKS, "cdrom", "FILE", set_cdrom, "ISO image in the CD-ROM drive"},
    {GROUP_DISKS, "drive", "file=FILE,...", set_drive,
     "if=ide|floppy, index=, media=disk|cdrom, format=raw, readonly=on"},
    {GROUP_CONSOLES, "serial", "DEV", set_serial,
     "stdio, mon:stdio, file:PATH, unix:PATH or tcp:HOST:PORT with ,server=on,wait=off, null, none"},
    {GROUP_CONSOLES, "parallel", "DEV", set_parallel, "printer on LPT1; devices as for -serial"},
    {GROUP_CONSOLES, "debugcon", "DEV", set_debugcon, "port E9 and the firmware's log on port 402"},
    {GROUP_CONSOLES, "nographic", NULL, set_nographic,
     "serial line and monitor on this terminal, no window; Ctrl-A c switches, Ctrl-A x leaves"},
    {GROUP_CONSOLES, "display", "KIND[,...]", set_display,
     "where the screen is shown, repeatable: sdl[,scale=integer|smooth], curses (text modes), none"},
    {GROUP_CONSOLES, "full-screen", NULL, set_full_screen, "start the SDL window in full screen"},
    {GROUP_CONSOLES, "monitor", "DEV", set_monitor, "where a monitor listens, repeatable; devices as for -serial"},
    {GROUP_CONSOLES, "name", "NAME", set_name, "the machine's name, for the window's title"},
    {GROUP_DEVICES, "vga", "std|none", set_vga, "display card"},
    {GROUP_DEVICES, "nic", "user,...|none", set_nic, "network card and NAT: model=e1000, mac=, hostfwd=tcp::2222-:22"},
    {GROUP_DEVICES, "netdev", "user,id=NAME,...", set_netdev, "a network for -device e1000,netdev=NAME"},
    {GROUP_DEVICES, "device", "NAME,...", set_device,
     "isa-debug-exit,iobase=PORT,iosize=BYTES; e1000,netdev=NAME; pci-testdev; vmmouse"},
    {GROUP_DEVICES, "nodefaults", NULL, set_nodefaults, "no default devices: no serial line, no display card"},
    {GROUP_DEBUG, "S", NULL, set_stopped, "start stopped; the monitor's cont goes on"},
    {GROUP_DEBUG, "d", "ITEM,...", set_log, "log these; -d help lists them"},
    {GROUP_DEBUG, "D", "FILE", set_log_file, "log to FILE instead of standard error"},
};

static _Noreturn void print_help(void)
{
    puts("morph86: a whole x86 PC in one unprivileged process\n\nUsage: morph86 [options]");
    for (unsigned g = 0; g < sizeof group_title / sizeof group_title[0] - 1; g++) {
        printf("\n%s:\n", group_title[g]);
        for (unsigned i = 0; i < sizeof option_table / sizeof option_table[0]; i++) {
            const struct option_row *row = &option_table[i];
            char text[64];

            if (row->group != g || !row->help)
                continue;
            snprintf(text, sizeof text, "-%s %s", row->name, row->argument ? row->argument : "");
            printf("  %-26s %s\n", text, row->help);
        }
    }
    puts("\nHelp:\n  -h, --help                 this page\n  --version                  version and commit\n\n"
         "Example: morph86 -m 256 -nographic -kernel vmlinuz -initrd initrd.gz -append console=ttyS0");
    exit(EXIT_SUCCESS);
}

static const struct option_row *find_option(const char *name)
{
    for (unsigned i = 0; i < sizeof option_table / sizeof option_table[0]; i++)
        if (strcmp(option_table[i].name, name) == 0)
            return &option_table[i];
    return NULL;
}

static void check_consistency(const struct options *o)
{
    if (o->initrd && !o->kernel)
        fail("-initrd needs -kernel: name the kernel it belongs to");
    if (o->append && !o->kernel)
        fail("-append needs -kernel: a boot loader passes its own command line");
    if (o->has_vmmouse && !o->has_vmport)
        fail("-device vmmouse needs the port that -M pc,vmport=off takes away; leave out one of the two");
}

void options_parse(struct options *options, int argc, char **argv)
{
    char error[200];

    *options = (struct options){.ram_bytes = DEFAULT_RAM_BYTES, .has_vga = true, .has_vmport = true};
    options->accel.accel = translator_missing_feature() ? ACCEL_INTERP : ACCEL_JIT;
    options->accel.killed_threshold = TRANSLATOR_KILLED_THRESHOLD;
    options->accel.windows = WINDOW_EARNED;
    disk_options_init(&options->disks);
    net_options_init(&options->net);
    if (!cpu_model_parse(&options->model, "qemu32", error, sizeof error))
        fail("-cpu: %s", error);
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i];
        const struct option_row *row;

        if (name[0] != '-' || !name[1]) {
            add_image(options, DISK_OPTION_HDA, "first disk", name); /* as with QEMU, a bare file name */
            continue;
        }
        name += name[1] == '-' ? 2 : 1;
        if (strcmp(name, "help") == 0 || strcmp(name, "h") == 0)
            print_help();
        if (strcmp(name, "version") == 0) {
            puts("morph86 " MORPH86_VERSION " (" MORPH86_COMMIT ")");
            exit(EXIT_SUCCESS);
        }
        row = find_option(name);
        if (!row)
            fail("unknown option '%s'; --help lists the options", argv[i]);
        if (row->argument && i + 1 >= argc)
            fail("option '%s' needs a value: -%s %s", argv[i], row->name, row->argument);
        row->set(options, row->argument ? argv[++i] : NULL);
    }
    check_consistency(options);
    disk_options_finish(&options->disks, !options->nodefaults);
    if (options->nodefaults && !options->net.is_said)
        options->net.has_card = options->net.has_netdev = false;
    if (!net_options_finish(&options->net, error, sizeof error))
        fail("-device e1000: %s", error);
}
