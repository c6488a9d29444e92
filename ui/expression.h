/* Integer expressions of the monitor: 1 + 2 * $eip, with QEMU's operators and precedences. */
#ifndef UI_EXPRESSION_H
#define UI_EXPRESSION_H

#include <stdbool.h>
#include <stdint.h>

struct expression_names {
    /* The value of $name; false if there is none. */
    bool (*lookup)(void *opaque, const char *name, int64_t *value);
    void *opaque;
};

/*
 * Evaluates as much of `text` as is an expression: numbers (decimal, 0x, octal with 0), 'c', $name, ( ), unary + - ~,
 * then * / %, then & | ^, then + -, each from left to right. A / before a letter is no operator but the beginning of a
 * path. Moves *text behind it and behind blanks. NULL: *value is set; else what is wrong, in a few words.
 */
const char *expression_evaluate(const char **text, const struct expression_names *names, int64_t *value);

#endif
