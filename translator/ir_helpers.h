/*
 * What the IR interpreter leaves to C functions, as a table: each with its name and the letters of its signature. They
 * are called through libffi by what the table says, so a helper needs no call site of its own on any host.
 */
#ifndef TRANSLATOR_IR_HELPERS_H
#define TRANSLATOR_IR_HELPERS_H

#include <stdint.h>

enum ir_helper { IR_HELPER_CALLOUT, IR_HELPER_DIV, IR_HELPER_IDIV, IR_HELPER_TSC, IR_HELPERS };

struct ir_helper_info {
    const char *name;
    /* The result, then the arguments: b bool, w uint32_t, q uint64_t, p pointer. */
    const char *signature;
    void (*function)(void);
};
#define IR_HELPER_ARGS 4u
extern const struct ir_helper_info ir_helpers[IR_HELPERS];

/* Calls it with the arguments that args[] points to, and returns its result, zero-extended. */
uint64_t ir_helper_call(enum ir_helper helper, void **args);

#endif
