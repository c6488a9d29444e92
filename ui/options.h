/* The command line. Names and meanings are QEMU's; what is not there yet is refused by name. */
#ifndef UI_OPTIONS_H
#define UI_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "frontend/x86/cpuid.h"
#include "hw/pc/option_rom.h"
#include "ui/display.h"
#include "ui/options_disk.h"
#include "ui/options_net.h"
#include "ui/options_rtc.h"
#include "translator/translator.h"

#define MAX_SERIAL   4
#define MAX_MONITORS 4

struct options {
    struct translator_options accel;
    uint64_t ram_bytes;
    struct cpu_model model;
    const char *bios;     /* NULL: the distribution's SeaBIOS */
    const char *vga_bios; /* NULL: the distribution's */
    const char *kernel, *initrd, *append;
    struct option_rom option_rom[OPTION_ROMS_MAX];
    char option_rom_path[OPTION_ROMS_MAX][256]; /* what they point to */
    unsigned n_option_roms;
    struct disk_options disks;
    const char *serial[MAX_SERIAL]; /* chardev specs; NULL: none */
    unsigned n_serial;
    const char *parallel; /* chardev spec of the printer; NULL: none; "none": no port */
    const char *debugcon; /* chardev spec for port E9 and SeaBIOS's 402 */
    const char *monitor[MAX_MONITORS];
    unsigned n_monitors;
    struct display_spec display[DISPLAYS_MAX];
    unsigned n_displays;
    bool is_full_screen;
    bool starts_stopped;
    const char *name;
    bool no_reboot;
    bool nodefaults;
    bool nographic;
    bool has_vga;
    bool has_vmport;  /* VMware's port with its mouse */
    bool has_vmmouse; /* asked for by name */
    bool has_testdev;
    bool has_debug_exit;
    uint16_t debug_exit_port;
    struct net_options net;
    struct rtc_options rtc;
    const char *log_items, *log_file;
};

/* Fills *options from the command line. Prints --help, --version and lists itself and exits 0; on a mistake prints one
 * line that names the option and the remedy, and exits 1. Strings point into argv. */
void options_parse(struct options *options, int argc, char **argv);

#endif
