/* Drives and boot order on the command line. See options_disk.h. */
#include "ui/options_disk.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N_PLACES (DISK_OPTIONS_IDE + DISK_OPTIONS_FLOPPIES)

static bool refuse(char *error, size_t error_size, const char *format, ...) __attribute__((format(printf, 3, 4)));
static bool refuse(char *error, size_t error_size, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(error, error_size, format, args);
    va_end(args);
    return false;
}

void disk_options_init(struct disk_options *o)
{
    *o = (struct disk_options){.boot_order = "cad"};
}

static struct drive_option *drive_at(struct disk_options *o, unsigned place)
{
    return place < DISK_OPTIONS_IDE ? &o->ide[place] : &o->floppy[place - DISK_OPTIONS_IDE];
}

static const char *name_of(unsigned place)
{
    static const char *const names[N_PLACES] = {"primary master (hda)",   "primary slave (hdb)",
                                                "secondary master (hdc)", "secondary slave (hdd)",
                                                "floppy drive A",         "floppy drive B"};

    return names[place];
}

static bool add_drive(struct disk_options *o, unsigned place, const struct drive_option *drive, char *error,
                      size_t error_size)
{
    if (drive_at(o, place)->is_there)
        return refuse(error, error_size, "'%s': the %s is already given; name each drive once", drive->file,
                      name_of(place));
    *drive_at(o, place) = *drive;
    drive_at(o, place)->is_there = true;
    return true;
}

static bool set_file(struct drive_option *drive, const char *file, char *error, size_t error_size)
{
    if (strlen(file) >= sizeof drive->file)
        return refuse(error, error_size, "'%.40s...' is too long a file name", file);
    strcpy(drive->file, file);
    return true;
}

bool disk_options_file(struct disk_options *o, unsigned place, const char *file, char *error, size_t error_size)
{
    struct drive_option drive = {0};

    return set_file(&drive, file, error, error_size) && add_drive(o, place, &drive, error, error_size);
}

bool disk_options_cdrom(struct disk_options *o, const char *file, char *error, size_t error_size)
{
    struct drive_option drive = {.is_cdrom = true, .is_readonly = true};

    return set_file(&drive, file, error, error_size) && add_drive(o, DISK_OPTION_CDROM, &drive, error, error_size);
}

/* ---- words of the form key=value,key=value ---- */

struct words {
    char text[1200];
    char *next;
};

static bool begin_words(struct words *words, const char *text)
{
    if (strlen(text) >= sizeof words->text)
        return false;
    strcpy(words->text, text);
    words->next = words->text;
    return true;
}

/* The next key and value (NULL: without '='); false at the end. A doubled comma is a comma. */
static bool next_word(struct words *words, char **key, char **value)
{
    char *out = words->next;

    if (!*words->next)
        return false;
    *key = words->next;
    *value = NULL;
    for (char *in = words->next;; in++, out++) {
        if (*in == ',' && in[1] == ',') {
            in++;
        } else if (*in == ',' || !*in) {
            words->next = *in ? in + 1 : in;
            *out = '\0';
            return true;
        } else if (*in == '=' && !*value) {
            *out = '\0';
            *value = out + 1;
            continue;
        }
        *out = *in;
    }
}

static bool parse_on_off(const char *value, bool *is_on)
{
    *is_on = !value || strcmp(value, "on") == 0;
    return *is_on || strcmp(value, "off") == 0;
}

static bool parse_number(const char *value, unsigned long max, unsigned long *number)
{
    char *end;

    if (!value || value[0] < '0' || value[0] > '9')
        return false;
    *number = strtoul(value, &end, 10);
    return !*end && *number <= max;
}

/* ---- -drive ---- */

struct drive_words {
    struct drive_option drive;
    bool is_floppy, has_index;
    bool has_bus, has_unit;
    unsigned long index, bus, unit;
};

static bool take_drive_word(struct drive_words *d, const char *key, const char *value, char *error, size_t error_size)
{
    static const char *const ignored[] = {"cache", "aio", "id", "snapshot", "werror", "rerror", "discard"};
    bool is_known = true;

    if (!value)
        value = "";
    if (strcmp(key, "file") == 0)
        return set_file(&d->drive, value, error, error_size);
    if (strcmp(key, "if") == 0) {
        d->is_floppy = strcmp(value, "floppy") == 0;
        if (!d->is_floppy && strcmp(value, "ide") != 0)
            return refuse(error, error_size, "if='%s' is not an interface of morph86; use ide or floppy", value);
    } else if (strcmp(key, "media") == 0) {
        d->drive.is_cdrom = strcmp(value, "cdrom") == 0;
        if (!d->drive.is_cdrom && strcmp(value, "disk") != 0)
            return refuse(error, error_size, "media='%s' is not known; use disk or cdrom", value);
    } else if (strcmp(key, "format") == 0) {
        if (strcmp(value, "raw") != 0)
            return refuse(error, error_size, "format='%s' is not available; convert the image to raw", value);
    } else if (strcmp(key, "readonly") == 0 || strcmp(key, "read-only") == 0) {
        is_known = parse_on_off(*value ? value : NULL, &d->drive.is_readonly);
    } else if (strcmp(key, "index") == 0) {
        d->has_index = is_known = parse_number(value, DISK_OPTIONS_IDE - 1, &d->index);
    } else if (strcmp(key, "bus") == 0) {
        d->has_bus = is_known = parse_number(value, 1, &d->bus);
    } else if (strcmp(key, "unit") == 0) {
        d->has_unit = is_known = parse_number(value, 1, &d->unit);
    } else {
        is_known = false;
        for (unsigned i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
            is_known |= strcmp(key, ignored[i]) == 0;
        if (is_known && strcmp(key, "snapshot") == 0 && strcmp(value, "off") != 0)
            return refuse(error, error_size, "snapshot='%s' is not available; copy the image", value);
    }
    return is_known ||
           refuse(error, error_size,
                  "'%s=%s' is not understood; use file=, if=ide|floppy, index=, media=disk|cdrom, format=raw, "
                  "readonly=on",
                  key, value);
}

/* Where the drive goes: where it says, or the first free place. A CD-ROM goes to the secondary channel. */
static bool find_place(const struct disk_options *o, const struct drive_words *d, unsigned *place)
{
    unsigned n = d->is_floppy ? DISK_OPTIONS_FLOPPIES : DISK_OPTIONS_IDE;
    unsigned first = d->drive.is_cdrom ? DISK_OPTION_CDROM : 0, base = d->is_floppy ? DISK_OPTION_FDA : 0;

    if (d->has_index || d->has_bus || d->has_unit) {
        *place = base + (unsigned)(d->has_index ? d->index : 2 * d->bus + d->unit);
        return *place < base + n;
    }
    for (unsigned i = 0; i < n; i++) {
        *place = base + (first + i) % n;
        if (!(d->is_floppy ? o->floppy[*place - base] : o->ide[*place]).is_there)
            return true;
    }
    return false;
}

bool disk_options_drive(struct disk_options *o, const char *text, char *error, size_t error_size)
{
    struct drive_words d = {0};
    struct words words;
    char *key, *value;
    unsigned place;

    if (!begin_words(&words, text))
        return refuse(error, error_size, "'%.40s...' is too long", text);
    while (next_word(&words, &key, &value))
        if (!take_drive_word(&d, key, value, error, error_size))
            return false;
    if (d.is_floppy && d.drive.is_cdrom)
        return refuse(error, error_size, "'%s': a floppy drive takes no CD; leave media= or if= out", text);
    if (!d.is_floppy && !d.drive.is_cdrom && !d.drive.file[0])
        return refuse(error, error_size, "'%s': a hard disk needs file=IMAGE", text);
    d.drive.is_readonly |= d.drive.is_cdrom;
    if (!find_place(o, &d, &place))
        return refuse(error, error_size,
                      "'%s': there is no such place or none is free; a PC has 4 IDE drives and 2 floppies", text);
    return add_drive(o, place, &d.drive, error, error_size);
}

/* ---- -boot ---- */

static bool take_order(char order[4], const char *letters)
{
    size_t n = strlen(letters);

    if (n == 0 || n > 3 || strspn(letters, "abcdn") != n)
        return false;
    for (size_t i = 0; i < n; i++)
        if (strchr(letters + i + 1, letters[i]))
            return false;
    strcpy(order, letters);
    return true;
}

static bool take_boot_word(struct disk_options *o, const char *key, const char *value)
{
    unsigned long number;

    if (!value)
        return take_order(o->boot_order, key);
    if (strcmp(key, "order") == 0)
        return take_order(o->boot_order, value);
    if (strcmp(key, "once") == 0)
        return take_order(o->boot_once, value);
    if (strcmp(key, "menu") == 0)
        return parse_on_off(value, &o->has_boot_menu);
    if (strcmp(key, "splash-time") == 0 && parse_number(value, 0xffff, &number)) {
        o->boot_menu_ms = (uint16_t)number;
        return true;
    }
    if (strcmp(key, "reboot-timeout") == 0 && parse_number(value, 0xffff, &number)) {
        o->boot_retry_ms = (uint32_t)number;
        return true;
    }
    return strcmp(key, "strict") == 0;
}

bool disk_options_boot(struct disk_options *o, const char *text, char *error, size_t error_size)
{
    struct words words;
    char *key, *value;

    if (!begin_words(&words, text))
        return refuse(error, error_size, "'%.40s...' is too long", text);
    while (next_word(&words, &key, &value))
        if (!take_boot_word(o, key, value))
            return refuse(
                error, error_size,
                "'%s%s%s' is not understood; use order= or once= with up to three letters of a (floppy), c (disk), "
                "d (CD), n (network), menu=on, splash-time=MS, reboot-timeout=MS",
                key, value ? "=" : "", value ? value : "");
    return true;
}

void disk_options_finish(struct disk_options *o, bool has_defaults)
{
    if (!has_defaults)
        return;
    o->floppy[0].is_there = true;
    if (!o->ide[DISK_OPTION_CDROM].is_there)
        o->ide[DISK_OPTION_CDROM] = (struct drive_option){.is_there = true, .is_cdrom = true, .is_readonly = true};
}
