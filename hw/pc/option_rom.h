/* -option-rom: files that firmware runs as it runs the ROMs of expansion cards, and the order in which it boots them.
 */
#ifndef HW_PC_OPTION_ROM_H
#define HW_PC_OPTION_ROM_H

#include <stdbool.h>
#include <stddef.h>

#include "hw/pc/fw_cfg.h"

#define OPTION_ROMS_MAX 16

struct option_rom {
    const char *path;
    int bootindex; /* lower boots first; -1: only as the firmware's own order says */
};

/* Puts each file into `fw` as genroms/NAME, where SeaBIOS looks for them (in the order of their
 * names, as QEMU does, whatever the order here), and into the file bootorder those that have a
 * place in it. `first` is one more such name that boots before all others, whose bytes are there already; NULL: none.
 * False: `error` holds one line with the file and the remedy. */
bool option_roms_add(struct fw_cfg *fw, const struct option_rom *roms, unsigned n_roms, const char *first, char *error,
                     size_t error_size);

#endif
