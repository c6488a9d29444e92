/*
 * Option ROMs by fw_cfg. Source: SeaBIOS documentation, "Runtime configuration": genroms/ and bootorder; BIOS Boot
 * Specification 1.01, option ROM header.
 */
#include "hw/pc/option_rom.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROM_FOLDER "genroms/"
#define ROM_MAX    0x30000u /* C0000 to EFFFF */
#define LINE_BYTES (sizeof "/rom@\n" + FW_CFG_FILE_NAME)

/* The folder's part is the caller's. */
static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static bool add_rom(struct fw_cfg *fw, const char *path, char *error, size_t error_size)
{
    char name[FW_CFG_FILE_NAME];
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = malloc(ROM_MAX + 1);
    size_t len = file && bytes ? fread(bytes, 1, ROM_MAX + 1, file) : 0;
    bool added = false;

    if (!file || ferror(file))
        snprintf(error, error_size, "cannot read option ROM '%s': %s; check the file", path, strerror(errno));
    else if (!bytes)
        snprintf(error, error_size, "out of memory for option ROM '%s'; close other programs", path);
    else if (len == 0 || len > ROM_MAX)
        snprintf(error, error_size, "option ROM '%s' is %s; a ROM has up to %u KiB", path, len ? "too large" : "empty",
                 ROM_MAX >> 10);
    else if (strlen(base_name(path)) >= sizeof name - (sizeof ROM_FOLDER - 1))
        snprintf(error, error_size,
                 "option ROM '%s': the name is too long for the firmware; rename it to at most %zu letters", path,
                 sizeof name - sizeof ROM_FOLDER);
    else {
        snprintf(name, sizeof name, ROM_FOLDER "%.*s", (int)(sizeof name - sizeof ROM_FOLDER), base_name(path));
        added = fw_cfg_add_file(fw, name, bytes, len);
        if (!added)
            snprintf(error, error_size, "out of memory for option ROM '%s'; close other programs", path);
    }
    if (file)
        fclose(file);
    free(bytes);
    return added;
}

static bool is_taken(const struct option_rom *roms, unsigned n, char *error, size_t error_size)
{
    for (unsigned i = 0; i < n; i++) {
        if (strcmp(base_name(roms[i].path), base_name(roms[n].path)) == 0) {
            snprintf(error, error_size, "option ROM '%s' has the name of another one; rename it", roms[n].path);
            return true;
        }
        if (roms[n].bootindex >= 0 && roms[i].bootindex == roms[n].bootindex) {
            snprintf(error, error_size, "option ROM '%s': bootindex %d is taken; choose another one", roms[n].path,
                     roms[n].bootindex);
            return true;
        }
    }
    return false;
}

/* The ROM whose name follows `last`, or NULL. */
static const struct option_rom *next_by_name(const struct option_rom *roms, unsigned n_roms, const char *last)
{
    const struct option_rom *next = NULL;

    for (unsigned i = 0; i < n_roms; i++)
        if (strcmp(base_name(roms[i].path), last) > 0 &&
            (!next || strcmp(base_name(roms[i].path), base_name(next->path)) < 0))
            next = &roms[i];
    return next;
}

/* The ROM with the lowest index above `last`, or NULL. */
static const struct option_rom *next_to_boot(const struct option_rom *roms, unsigned n_roms, int last)
{
    const struct option_rom *next = NULL;

    for (unsigned i = 0; i < n_roms; i++)
        if (roms[i].bootindex > last && (!next || roms[i].bootindex < next->bootindex))
            next = &roms[i];
    return next;
}

static bool add_bootorder(struct fw_cfg *fw, const struct option_rom *roms, unsigned n_roms, const char *first)
{
    char lines[(OPTION_ROMS_MAX + 1) * LINE_BYTES];
    size_t len = 0;
    int last = -1;

    if (first)
        len += (size_t)snprintf(lines, LINE_BYTES, "/rom@%s\n", first);
    for (const struct option_rom *rom; (rom = next_to_boot(roms, n_roms, last)); last = rom->bootindex)
        len += (size_t)snprintf(lines + len, LINE_BYTES, "/rom@" ROM_FOLDER "%s\n", base_name(rom->path));
    return len == 0 || fw_cfg_add_file(fw, "bootorder", lines, len + 1);
}

bool option_roms_add(struct fw_cfg *fw, const struct option_rom *roms, unsigned n_roms, const char *first, char *error,
                     size_t error_size)
{
    const char *last = "";

    if (n_roms > OPTION_ROMS_MAX)
        n_roms = OPTION_ROMS_MAX;
    for (unsigned i = 0; i < n_roms; i++)
        if (is_taken(roms, i, error, error_size))
            return false;
    for (const struct option_rom *rom; (rom = next_by_name(roms, n_roms, last)); last = base_name(rom->path))
        if (!add_rom(fw, rom->path, error, error_size))
            return false;
    if (add_bootorder(fw, roms, n_roms, first))
        return true;
    snprintf(error, error_size, "out of memory for the boot order; close other programs");
    return false;
}
