/* Memory as text: the monitor's x and xp, in QEMU's layout. */
#ifndef UI_MEMDUMP_H
#define UI_MEMDUMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct memdump_format {
    unsigned count;
    char letter;    /* o x d u c i */
    unsigned width; /* bytes per item: 1, 2, 4 or 8; for i: 2 or 4 forces 16- or 32-bit code, 0 lets the guest decide */
};

/* Parses "/4xw" at *text, if there is one, and moves *text behind it and behind blanks. What it leaves open comes from
 * *sticky, which remembers it for the next time. NULL, or what is wrong. */
const char *memdump_parse_format(const char **text, struct memdump_format *sticky, struct memdump_format *out,
                                 char *error, size_t error_size);

/* Reads `len` bytes; false if they cannot be read. */
typedef bool memdump_read(void *opaque, uint64_t address, void *buffer, size_t len);

/* Lines of items (all letters but i), each with its address in `address_digits` digits. */
void memdump_print(FILE *out, const struct memdump_format *format, uint64_t address, unsigned address_digits,
                   memdump_read *read, void *opaque);
/* Instructions: `eip` is where the first one lies as the guest counts, `address` where it is read. */
void memdump_print_code(FILE *out, unsigned count, bool code32, uint64_t address, uint32_t eip, memdump_read *read,
                        void *opaque);
/* One value as `print` shows it. */
void memdump_print_value(FILE *out, char letter, int64_t value);

#endif
