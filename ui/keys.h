/* Names of keys, as QEMU's sendkey spells them, and what lies behind them: key numbers of the 8042 (kbc8042.h). */
#ifndef UI_KEYS_H
#define UI_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KEYS_MAX_COMBINATION 16

/* The key called name[0, len), or 0xNN for the scan code itself; 0 if there is none. */
uint8_t key_by_name(const char *name, size_t len);
/* "ctrl-alt-f1": fills keys[] in order and returns how many there are. 0: *bad points to the name that is unknown (up
 * to the next '-'), or is NULL if there are too many. */
unsigned keys_parse_combination(const char *text, uint8_t keys[KEYS_MAX_COMBINATION], const char **bad);
/* All names in turn, for completion and help: NULL behind the last. */
const char *key_name(size_t index);

#endif
