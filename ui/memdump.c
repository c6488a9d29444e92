/* Memory as text. See memdump.h. */
#include "ui/memdump.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>

#include "frontend/x86/annotate.h"

#define MAX_INSN 15u

const char *memdump_parse_format(const char **text, struct memdump_format *sticky, struct memdump_format *out,
                                 char *error, size_t error_size)
{
    const char *at = *text;
    unsigned width = 0;
    char letter = 0;

    out->count = 1;
    if (*at == '/') {
        at++;
        if (isdigit((unsigned char)*at)) {
            char *end;
            unsigned long n = strtoul(at, &end, 10);

            out->count = n > 1u << 24 ? 1u << 24 : (unsigned)n;
            at = end;
        }
        for (; *at && !isspace((unsigned char)*at); at++) {
            switch (*at) {
            case 'o':
            case 'x':
            case 'd':
            case 'u':
            case 'c':
            case 'i':
                letter = *at;
                break;
            case 'b':
                width = 1;
                break;
            case 'h':
                width = 2;
                break;
            case 'w':
                width = 4;
                break;
            case 'g':
            case 'L':
                width = 8;
                break;
            default:
                snprintf(error, error_size, "invalid char in format: '%c'", *at);
                return error;
            }
        }
        if (letter)
            sticky->letter = letter;
    }
    while (isspace((unsigned char)*at))
        at++;
    *text = at;
    out->letter = sticky->letter;
    if (out->letter == 'i') {
        out->width = width; /* says something about the code, and nothing about later items */
    } else {
        if (width)
            sticky->width = width;
        out->width = sticky->width;
    }
    return NULL;
}

static void print_character(FILE *out, unsigned char c)
{
    fputc('\'', out);
    switch (c) {
    case '\'':
        fputs("\\'", out);
        break;
    case '\\':
        fputs("\\\\", out);
        break;
    case '\n':
        fputs("\\n", out);
        break;
    case '\r':
        fputs("\\r", out);
        break;
    default:
        fprintf(out, c >= 32 && c <= 126 ? "%c" : "\\x%02x", c);
        break;
    }
    fputc('\'', out);
}

void memdump_print_value(FILE *out, char letter, int64_t value)
{
    switch (letter) {
    case 'o':
        fprintf(out, "%#" PRIo64, (uint64_t)value);
        break;
    case 'x':
        fprintf(out, "%#" PRIx64, (uint64_t)value);
        break;
    case 'u':
        fprintf(out, "%" PRIu64, (uint64_t)value);
        break;
    case 'c':
        print_character(out, (unsigned char)value);
        break;
    default:
        fprintf(out, "%" PRId64, value);
        break;
    }
}

static uint64_t load(const uint8_t *bytes, unsigned width)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < width; i++)
        value |= (uint64_t)bytes[i] << 8 * i;
    return value;
}

static void print_item(FILE *out, const struct memdump_format *f, unsigned width, uint64_t value)
{
    unsigned bits = 8 * width;
    int digits;

    switch (f->letter) {
    case 'o':
        digits = (int)((bits + 2) / 3);
        fprintf(out, " %#*" PRIo64, digits, value);
        break;
    case 'u':
        digits = (int)((bits * 10 + 32) / 33);
        fprintf(out, " %*" PRIu64, digits, value);
        break;
    case 'd':
        digits = (int)((bits * 10 + 32) / 33);
        fprintf(out, " %*" PRId64, digits, (int64_t)(value << (64 - bits)) >> (64 - bits));
        break;
    case 'c':
        fputc(' ', out);
        print_character(out, (unsigned char)value);
        break;
    default:
        fprintf(out, " 0x%0*" PRIx64, (int)(bits / 4), value);
        break;
    }
}

void memdump_print(FILE *out, const struct memdump_format *f, uint64_t address, unsigned address_digits,
                   memdump_read *read, void *opaque)
{
    unsigned width = f->letter == 'c' ? 1 : f->width, line_size = width == 1 ? 8 : 16;
    uint64_t left = (uint64_t)f->count * width;

    while (left) {
        unsigned n = left < line_size ? (unsigned)left : line_size;
        uint8_t bytes[16];

        fprintf(out, "%0*" PRIx64 ":", (int)address_digits, address);
        if (!read(opaque, address, bytes, n)) {
            fputs(" Cannot access memory\n", out);
            return;
        }
        for (unsigned i = 0; i < n; i += width)
            print_item(out, f, width, load(bytes + i, width));
        fputc('\n', out);
        address += n;
        left -= n;
    }
}

void memdump_print_code(FILE *out, unsigned count, bool code32, uint64_t address, uint32_t eip, memdump_read *read,
                        void *opaque)
{
    while (count--) {
        uint8_t bytes[MAX_INSN];
        char text[160];
        size_t got = 0, len;

        while (got < MAX_INSN && read(opaque, address + got, bytes + got, 1))
            got++;
        fprintf(out, "0x%08" PRIx64 ": ", address);
        if (got == 0) {
            fputs(" Cannot access memory\n", out);
            return;
        }
        len = annotate_disassemble(bytes, got, eip, code32, text, sizeof text);
        if (len == 0)
            len = 1;
        for (size_t i = 0; i < len; i++)
            fprintf(out, " %02x", bytes[i]);
        fprintf(out, "%*s %s\n", len < 8 ? (int)(24 - 3 * len) : 0, "", text);
        address += len;
        eip += (uint32_t)len;
    }
}
