/*
 * Declared device state. Each device states its remembered registers once, as a table of struct state_field; reset,
 * save, load, compare and the monitor's `info` all read that table.
 */
#ifndef HW_CORE_STATE_H
#define HW_CORE_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum state_kind {
    STATE_UINT,  /* little-endian unsigned of `size` bytes (1, 2, 4, 8) */
    STATE_BOOL,  /* a bool, saved as 0 or 1; any other byte would make reading it undefined */
    STATE_BYTES, /* `size` opaque bytes; reset fills with the low byte of `reset` */
};

struct state_field {
    const char *name; /* "counter.reload"; array elements print as name[i] */
    enum state_kind kind;
    uint32_t offset; /* of element 0 in the device's struct */
    uint32_t size;   /* bytes of one element */
    uint32_t count;  /* elements, 1 for a scalar */
    uint32_t stride; /* bytes from element to element */
    uint64_t reset;  /* value of every element after reset */
    const char *doc; /* datasheet word or one line of explanation */
};

struct state_desc {
    const char *name; /* "pit8254" */
    const struct state_field *fields;
    size_t n_fields;
};

/* The kind follows from the member's type, so no row can get it wrong. */
#define STATE_KIND(type, member) _Generic(((type *)0)->member, bool : STATE_BOOL, default : STATE_UINT)
/* A scalar register: STATE_REG(struct uart16550, lcr, 0x00, "LCR") */
#define STATE_REG(type, member, reset_value, doc_text)                                                                 \
    {                                                                                                                  \
#member, STATE_KIND(type, member), offsetof(type, member), sizeof(((type *)0)->member), 1, 0, (reset_value),   \
            (doc_text)                                                                                                 \
    }
/* A one-dimensional array of scalars. */
#define STATE_ARRAY(type, member, reset_value, doc_text)                                                               \
    {                                                                                                                  \
#member, STATE_KIND(type, member[0]), offsetof(type, member), sizeof(((type *)0)->member[0]),                  \
            sizeof(((type *)0)->member) / sizeof(((type *)0)->member[0]), sizeof(((type *)0)->member[0]),              \
            (reset_value), (doc_text)                                                                                  \
    }
/* A member of every element of an array of structs: STATE_EACH(struct pit8254, counter, reload, 0, "CR") */
#define STATE_EACH(type, array, member, reset_value, doc_text)                                                         \
    {                                                                                                                  \
#array "." #member, STATE_KIND(type, array[0].member), offsetof(type, array[0].member),                        \
            sizeof(((type *)0)->array[0].member), sizeof(((type *)0)->array) / sizeof(((type *)0)->array[0]),          \
            sizeof(((type *)0)->array[0]), (reset_value), (doc_text)                                                   \
    }
/* Opaque bytes (a sector buffer, CMOS RAM). */
#define STATE_BLOB(type, member, fill, doc_text)                                                                       \
    {                                                                                                                  \
#member, STATE_BYTES, offsetof(type, member), sizeof(((type *)0)->member), 1, 0, (fill), (doc_text)            \
    }
#define STATE_DESC(device_name, field_table)                                                                           \
    {                                                                                                                  \
        .name = (device_name), .fields = (field_table), .n_fields = sizeof(field_table) / sizeof((field_table)[0])     \
    }

void state_reset(const struct state_desc *desc, void *object);
/* Bytes that state_save() writes. */
size_t state_size(const struct state_desc *desc);
/* Writes exactly state_size() bytes. */
void state_save(const struct state_desc *desc, const void *object, uint8_t *out);
/* Reads state_size() bytes; false (object untouched) if `len_bytes` differs from state_size() or a boolean is neither 0
 * nor 1. */
bool state_load(const struct state_desc *desc, void *object, const uint8_t *in, size_t len_bytes);
/* NULL when equal, else the name of the first field that differs. */
const char *state_difference(const struct state_desc *desc, const void *a, const void *b);
/* One line per field: name = hex value, then doc. */
void state_print(const struct state_desc *desc, const void *object, FILE *out);

#endif
