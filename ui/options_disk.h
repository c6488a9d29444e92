/* -hda and its kind, -fda, -cdrom, -drive and -boot: which drives there are, what is in them, what boots. */
#ifndef UI_OPTIONS_DISK_H
#define UI_OPTIONS_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DISK_OPTIONS_IDE      4
#define DISK_OPTIONS_FLOPPIES 2

struct drive_option {
    bool is_there;
    bool is_cdrom;
    bool is_readonly;
    char file[1024]; /* empty: no medium */
};

struct disk_options {
    struct drive_option ide[DISK_OPTIONS_IDE]; /* primary master and slave, secondary master and slave */
    struct drive_option floppy[DISK_OPTIONS_FLOPPIES];
    char boot_order[4], boot_once[4];
    bool has_boot_menu;
    uint16_t boot_menu_ms;  /* 0: the firmware's choice */
    uint32_t boot_retry_ms; /* 0: the firmware's choice */
};

enum disk_option_place { DISK_OPTION_HDA, DISK_OPTION_CDROM = 2, DISK_OPTION_FDA = DISK_OPTIONS_IDE };

/* No drives; boots from hard disk, floppy, CD. */
void disk_options_init(struct disk_options *o);
/* -hda to -hdd are DISK_OPTION_HDA + 0 to 3, -cdrom DISK_OPTION_CDROM, -fda and -fdb DISK_OPTION_FDA + 0 and 1. Each
 * function takes an option's value; false: `error` holds one line with the bad word and the remedy. */
bool disk_options_file(struct disk_options *o, unsigned place, const char *file, char *error, size_t error_size);
bool disk_options_cdrom(struct disk_options *o, const char *file, char *error, size_t error_size);
bool disk_options_drive(struct disk_options *o, const char *text, char *error, size_t error_size);
bool disk_options_boot(struct disk_options *o, const char *text, char *error, size_t error_size);
/* After the last option: the drives that every PC has unless -nodefaults is given, an empty floppy and CD-ROM drive. */
void disk_options_finish(struct disk_options *o, bool has_defaults);

#endif
