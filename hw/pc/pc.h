/*
 * The board: an i440FX PC. Creates the chips, maps and connects them, loads firmware, and runs the processor.
 */
#ifndef HW_PC_PC_H
#define HW_PC_PC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "frontend/x86/cpuid.h"
#include "hw/core/clock.h"
#include "hw/core/host.h"
#include "hw/pc/option_rom.h"

#define PC_SERIAL_LINES 4
#define PC_IDE_DISKS    4
#define PC_FLOPPIES     2

struct pc;

struct pc_config {
    uint64_t ram_bytes;
    const struct cpu_model *model;
    const char *bios_path;     /* NULL: the distribution's SeaBIOS */
    const char *vga_bios_path; /* NULL: the distribution's */
    bool has_vga;
    bool no_reboot;                                 /* a reset of the whole board ends pc_run with status 0 */
    const char *kernel_path, *initrd_path, *append; /* NULL: none */
    struct option_rom option_rom[OPTION_ROMS_MAX];
    unsigned n_option_roms;
    struct host_char *serial[PC_SERIAL_LINES];      /* NULL: no such line. All owned by the caller. */
    bool has_parallel;
    struct host_char *parallel;                     /* the printer on LPT1; NULL: none */
    struct host_char *debugcon;                     /* ports E9 and 402 */
    struct host_block *disk[PC_IDE_DISKS];
    bool is_cdrom[PC_IDE_DISKS];            /* a CD-ROM drive; its disk[] may be NULL */
    struct host_block *floppy[PC_FLOPPIES]; /* NULL: empty drive; an image that is too large leaves the drive out */
    bool has_floppy[PC_FLOPPIES];
    char boot_order[4], boot_once[4]; /* letters as in -boot: a b floppy, c disk, d CD, n network; boot_once for the
                                         first boot only, if it is not empty */
    bool has_boot_menu;
    uint16_t boot_menu_ms;  /* how long it waits for a key; 0: the firmware's choice */
    uint32_t boot_retry_ms; /* how long the firmware waits when nothing boots; 0: its choice */
    struct host_net *nic;       /* network card's cable; NULL: no card */
    uint8_t mac[6];             /* its address */
    const char *nic_rom_path;   /* option ROM; NULL: the distribution's, if it is installed */
    bool has_vmport;           /* VMware's backdoor port, and the pointing device behind it */
    bool has_testdev;          /* pci-testdev */
    bool has_debug_exit;
    uint16_t debug_exit_port;
    int64_t rtc_seconds; /* start of the real-time clock, seconds since 1970 as the guest is to see them */
    int64_t (*rtc_now_ns)(void *opaque); /* what moves it, see rtc146818_follow(); NULL: guest time */
    struct clock *clock;
    /* What the machine thread does between blocks and while the guest is halted. */
    void (*poll)(void *opaque);
    void (*idle)(void *opaque);
    void *opaque;
};

/* NULL: `error` holds one line that names the file and the remedy; nothing is left behind. */
struct pc *pc_create(const struct pc_config *config, char *error, size_t error_size);
void pc_destroy(struct pc *pc);

/* Runs the guest until it ends or pc_quit(); returns the process's exit status. */
int pc_run(struct pc *pc);
/* Any thread: pc_run returns `status` soon. */
void pc_quit(struct pc *pc, int status);
/* Any thread: the machine thread calls config.poll at the next block boundary. */
void pc_wake(struct pc *pc);
/* Machine thread: the reset button. */
void pc_request_reset(struct pc *pc);
/* Machine thread: the power button. What it does is up to the guest (ACPI); in S3 it wakes. */
void pc_power_button(struct pc *pc);
/* `info registers`. */
void pc_print_registers(struct pc *pc, FILE *out);

/* Machine thread: the processor rests at the next block boundary, and guest time stands still, until pc_continue(). Host
 * events are still served, and a reset takes effect. */
void pc_stop(struct pc *pc);
void pc_continue(struct pc *pc);
bool pc_is_stopped(const struct pc *pc);

/* The chips, for monitors and displays on the machine thread. What the board does not have is NULL. */
struct pc_parts {
    struct cpu *cpu;
    struct phys *phys;
    struct bus *bus;
    struct clock *clock;
    struct pic8259_pair *pic;
    struct apic *apic;
    struct ioapic *ioapic;
    struct kbc8042 *kbc;
    struct vmmouse *vmmouse;
    struct pci_bus *pci;
    struct dma8237 *dma;
    struct fdc82078 *fdc;
    struct ide_channel *ide[2];
    struct vga *vga;
};
struct pc_parts pc_parts(const struct pc *pc);

#endif
