/*
 * The IR interpreter's helpers and how they are called. Source: libffi manual, "Simple Example", "The Basics".
 * Division: SDM vol. 2A "DIV", "IDIV".
 */
#include "translator/ir_helpers.h"

#include <assert.h>
#include <ffi.h>
#include <stdbool.h>
#include <string.h>
#include <threads.h>

#include "frontend/x86/sys.h"
#include "translator/callout.h"

/* Quotient, of `width` bytes, and the remainder above it in *result; false where the processor raises #DE. The dividend
 * has twice the width. */
static bool divide(uint64_t dividend, uint32_t divisor, uint32_t width, uint64_t *result)
{
    const unsigned bits = 8 * width;
    uint64_t quotient;

    if (divisor == 0)
        return false;
    quotient = dividend / divisor;
    *result = dividend % divisor << bits | quotient;
    return quotient >> bits == 0;
}

/* The operands are sign-extended. */
static bool divide_signed(uint64_t dividend, uint32_t divisor, uint32_t width, uint64_t *result)
{
    const unsigned bits = 8 * width;
    const int64_t a = (int64_t)dividend, limit = (int64_t)1 << (bits - 1);
    const int32_t b = (int32_t)divisor;
    int64_t quotient;

    if (b == 0 || (b == -1 && a == INT64_MIN)) /* the latter overflows in any width */
        return false;
    quotient = a / b;
    *result = (uint64_t)(a % b) << bits | ((uint64_t)quotient & (UINT64_MAX >> (64 - bits)));
    return quotient >= -limit && quotient < limit;
}

#define FUNCTION(f) ((void (*)(void))(f))

const struct ir_helper_info ir_helpers[IR_HELPERS] = {
    [IR_HELPER_CALLOUT] = {"callout", "bppw", FUNCTION(callout_run)},
    [IR_HELPER_DIV] = {"div", "bqwwp", FUNCTION(divide)},
    [IR_HELPER_IDIV] = {"idiv", "bqwwp", FUNCTION(divide_signed)},
    [IR_HELPER_TSC] = {"tsc", "qp", FUNCTION(cpu_tsc)},
};

/* libffi's view of the table, derived from it once. */
struct helper_call {
    ffi_cif cif;
    ffi_type *argument[IR_HELPER_ARGS];
};
static struct helper_call calls[IR_HELPERS];
static once_flag calls_once = ONCE_FLAG_INIT;

static ffi_type *type_of(char letter)
{
    switch (letter) {
    case 'b':
        return &ffi_type_uint8;
    case 'w':
        return &ffi_type_uint32;
    case 'q':
        return &ffi_type_uint64;
    default:
        assert(letter == 'p');
        return &ffi_type_pointer;
    }
}

static void prepare_calls(void)
{
    _Static_assert(sizeof(bool) == 1, "type_of");

    for (unsigned i = 0; i < IR_HELPERS; i++) {
        const char *signature = ir_helpers[i].signature;
        const unsigned n = (unsigned)strlen(signature) - 1;
        ffi_status status;

        assert(n <= IR_HELPER_ARGS);
        for (unsigned j = 0; j < n; j++)
            calls[i].argument[j] = type_of(signature[j + 1]);
        status = ffi_prep_cif(&calls[i].cif, FFI_DEFAULT_ABI, n, type_of(signature[0]), calls[i].argument);
        assert(status == FFI_OK);
        (void)status;
    }
}

uint64_t ir_helper_call(enum ir_helper helper, void **args)
{
    union {
        ffi_arg narrow; /* libffi widens results to this */
        uint64_t wide;
    } result = {.wide = 0};
    const char letter = ir_helpers[helper].signature[0];

    call_once(&calls_once, prepare_calls);
    ffi_call(&calls[helper].cif, ir_helpers[helper].function, &result, args);
    switch (letter) {
    case 'b':
        return (uint8_t)result.narrow;
    case 'w':
        return (uint32_t)result.narrow;
    default:
        return result.wide;
    }
}
