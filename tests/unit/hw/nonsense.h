/* A saved state that no machine has written: random in every field, for tests of what a device makes of it. Booleans
 * alone are 0 or 1: state_load() takes nothing else. */
#ifndef TESTS_UNIT_HW_NONSENSE_H
#define TESTS_UNIT_HW_NONSENSE_H

#include <stdlib.h>

#include "hw/core/state.h"

/* Loads it into `object`. */
static inline void nonsense_load(const struct state_desc *desc, void *object, uint32_t seed)
{
    size_t size = state_size(desc), at = 0;
    uint8_t *saved = malloc(size);
    uint32_t x = seed * 2654435761u + 1;

    for (size_t f = 0; f < desc->n_fields; f++) {
        const struct state_field *field = &desc->fields[f];

        for (size_t i = 0; i < (size_t)field->size * field->count; i++) {
            x = x * 1664525 + 1013904223;
            saved[at++] = (uint8_t)(field->kind == STATE_BOOL ? x >> 31 : x >> 24);
        }
    }
    if (at != size || !state_load(desc, object, saved, size))
        abort();
    free(saved);
}

#endif
