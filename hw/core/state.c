/*
 * Reset, save, load, compare and print over a device's declared fields. The saved form is little-endian and packed, in
 * the order of the table.
 */
#include "hw/core/state.h"

#include <inttypes.h>
#include <string.h>

_Static_assert(sizeof(bool) == 1, "a saved boolean is one byte");

static uint64_t load_uint(const uint8_t *at, uint32_t size)
{
    switch (size) {
    case 1:
        return *at;
    case 2: {
        uint16_t v;
        memcpy(&v, at, sizeof v);
        return v;
    }
    case 4: {
        uint32_t v;
        memcpy(&v, at, sizeof v);
        return v;
    }
    default: {
        uint64_t v;
        memcpy(&v, at, sizeof v);
        return v;
    }
    }
}

static void store_uint(uint8_t *at, uint32_t size, uint64_t value)
{
    uint8_t v8 = (uint8_t)value;
    uint16_t v16 = (uint16_t)value;
    uint32_t v32 = (uint32_t)value;
    switch (size) {
    case 1:
        memcpy(at, &v8, sizeof v8);
        break;
    case 2:
        memcpy(at, &v16, sizeof v16);
        break;
    case 4:
        memcpy(at, &v32, sizeof v32);
        break;
    default:
        memcpy(at, &value, sizeof value);
        break;
    }
}

/* Pages that hold the value already are not written: a large buffer that nobody used costs no memory. */
static void fill_bytes(uint8_t *at, uint8_t value, size_t len)
{
    static const size_t page = 4096;

    for (size_t n; len; at += n, len -= n) {
        n = len < page ? len : page;
        if (at[0] != value || memcmp(at, at + 1, n - 1) != 0)
            memset(at, value, n);
    }
}

void state_reset(const struct state_desc *desc, void *object)
{
    for (size_t f = 0; f < desc->n_fields; f++) {
        const struct state_field *field = &desc->fields[f];
        for (uint32_t i = 0; i < field->count; i++) {
            uint8_t *at = (uint8_t *)object + field->offset + i * field->stride;
            if (field->kind == STATE_BYTES)
                fill_bytes(at, (uint8_t)field->reset, field->size);
            else
                store_uint(at, field->size, field->reset);
        }
    }
}

size_t state_size(const struct state_desc *desc)
{
    size_t size = 0;
    for (size_t f = 0; f < desc->n_fields; f++)
        size += (size_t)desc->fields[f].size * desc->fields[f].count;
    return size;
}

void state_save(const struct state_desc *desc, const void *object, uint8_t *out)
{
    for (size_t f = 0; f < desc->n_fields; f++) {
        const struct state_field *field = &desc->fields[f];
        for (uint32_t i = 0; i < field->count; i++, out += field->size) {
            const uint8_t *at = (const uint8_t *)object + field->offset + i * field->stride;
            if (field->kind == STATE_BYTES) {
                memcpy(out, at, field->size);
                continue;
            }
            uint64_t value = load_uint(at, field->size);
            for (uint32_t byte = 0; byte < field->size; byte++)
                out[byte] = (uint8_t)(value >> 8 * byte);
        }
    }
}

static bool booleans_are_valid(const struct state_desc *desc, const uint8_t *in)
{
    for (size_t f = 0; f < desc->n_fields; f++) {
        const struct state_field *field = &desc->fields[f];
        for (uint32_t i = 0; i < field->count; i++, in += field->size)
            if (field->kind == STATE_BOOL && *in > 1)
                return false;
    }
    return true;
}

bool state_load(const struct state_desc *desc, void *object, const uint8_t *in, size_t len_bytes)
{
    if (len_bytes != state_size(desc) || !booleans_are_valid(desc, in))
        return false;
    for (size_t f = 0; f < desc->n_fields; f++) {
        const struct state_field *field = &desc->fields[f];
        for (uint32_t i = 0; i < field->count; i++, in += field->size) {
            uint8_t *at = (uint8_t *)object + field->offset + i * field->stride;
            if (field->kind == STATE_BYTES) {
                memcpy(at, in, field->size);
                continue;
            }
            uint64_t value = 0;
            for (uint32_t byte = 0; byte < field->size; byte++)
                value |= (uint64_t)in[byte] << 8 * byte;
            store_uint(at, field->size, value);
        }
    }
    return true;
}

const char *state_difference(const struct state_desc *desc, const void *a, const void *b)
{
    for (size_t f = 0; f < desc->n_fields; f++) {
        const struct state_field *field = &desc->fields[f];
        for (uint32_t i = 0; i < field->count; i++) {
            size_t at = field->offset + (size_t)i * field->stride;
            if (memcmp((const uint8_t *)a + at, (const uint8_t *)b + at, field->size) != 0)
                return field->name;
        }
    }
    return NULL;
}

static void print_bytes(const uint8_t *bytes, uint32_t size, FILE *out)
{
    for (uint32_t i = 0; i < size; i++) {
        if (i % 16 == 0 && size > 16)
            fprintf(out, "\n  %04" PRIx32 ":", i);
        fprintf(out, " %02x", bytes[i]);
    }
}

void state_print(const struct state_desc *desc, const void *object, FILE *out)
{
    fprintf(out, "%s\n", desc->name);
    for (size_t f = 0; f < desc->n_fields; f++) {
        const struct state_field *field = &desc->fields[f];
        for (uint32_t i = 0; i < field->count; i++) {
            const uint8_t *at = (const uint8_t *)object + field->offset + i * field->stride;
            char label[80];
            if (field->count > 1)
                snprintf(label, sizeof label, "%s[%" PRIu32 "]", field->name, i);
            else
                snprintf(label, sizeof label, "%s", field->name);
            fprintf(out, "  %-24s =", label);
            if (field->kind == STATE_BYTES)
                print_bytes(at, field->size, out);
            else
                fprintf(out, " %0*" PRIx64, (int)field->size * 2, load_uint(at, field->size));
            fprintf(out, "%s%s\n", field->doc ? "  " : "", field->doc ? field->doc : "");
        }
    }
}
