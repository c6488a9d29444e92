/* Disk images in files. */
#ifndef UI_BLOCKDEV_H
#define UI_BLOCKDEV_H

#include <stdbool.h>
#include <stddef.h>

#include "hw/core/host.h"

/* Opens a raw image. Its size is rounded down to whole sectors. The file is locked against a second writer. NULL:
 * `error` holds one line with the remedy. */
struct host_block *blockdev_open_raw(const char *path, bool readonly, char *error, size_t error_size);

#endif
