/* The log's view of a translation: -d in_asm, op, op_opt, out_asm. Never on the execution path. */
#ifndef TRANSLATOR_LENS_H
#define TRANSLATOR_LENS_H

#include "translator/internal.h"

#define LENS_CATEGORIES (LOG_IN_ASM | LOG_OP | LOG_OP_OPT | LOG_OUT_ASM)

/* Prints the block that was just translated, as far as its categories are on. The CPU is still where the block begins,
 * and `bytes` are the guest's. */
void lens_print_block(const struct translator *t, const struct block *block, const uint8_t *bytes);

#endif
