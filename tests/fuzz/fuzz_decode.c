/*
 * The decoder and the disassembler on random and half-way sensible bytes: never beyond `avail`, never a length that was
 * not there, the same answer for the same bytes, and what it takes to say more. Steps are instructions.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/x86/annotate.h"
#include "frontend/x86/cpu.h"
#include "frontend/x86/insn.h"
#include "tests/fuzz/fuzz.h"

#define MAX_BYTES 24

static void require(bool is_true, const char *what)
{
    if (is_true)
        return;
    fprintf(stderr, "fuzz_decode: %s\n", what);
    abort();
}

/* Prefixes, escapes and a ModRM byte where they would be. */
static size_t make_bytes(struct fuzz *f, uint8_t *bytes)
{
    static const uint8_t prefix[] = {0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3};
    size_t n = 0, len = fuzz_below(f, MAX_BYTES + 1);

    fuzz_bytes(f, bytes, MAX_BYTES);
    while (n < MAX_BYTES - 4 && fuzz_one_in(f, 3))
        bytes[n++] = prefix[fuzz_below(f, sizeof prefix)];
    if (fuzz_one_in(f, 3)) {
        bytes[n++] = 0x0f;
        if (fuzz_one_in(f, 8))
            bytes[n++] = fuzz_one_in(f, 2) ? 0x38 : 0x3a;
    }
    return fuzz_one_in(f, 2) ? MAX_BYTES : len;
}

static void check(struct fuzz *f, const uint8_t *bytes, size_t len)
{
    bool code32 = fuzz_one_in(f, 2);
    uint32_t features = fuzz_one_in(f, 4) ? (uint32_t)fuzz_next(f) : UINT32_MAX;
    uint8_t *exact = malloc(len ? len : 1); /* so that a byte too many is seen */
    enum decode_result result;
    struct insn in, again;
    char text[64];

    memcpy(exact, bytes, len);
    result = decode_insn(&in, exact, len, code32, features);
    require(result == DECODE_OK || result == DECODE_MORE || result == DECODE_TOO_LONG, "result");
    require(result != DECODE_MORE || len < 15, "15 bytes are enough");
    if (result == DECODE_OK) {
        require(in.len >= 1 && in.len <= 15 && in.len <= len, "length");
        require(in.fn != NULL, "handler");
        require(in.row == ISA_ROW_UD || in.row < isa_rows, "row");
        require(in.width < WIDTHS && in.is_mem < FORMS, "form");
        require(in.base <= GPR_NONE && in.index <= GPR_NONE && in.scale <= 3, "address");
        require(decode_insn(&again, exact, in.len, code32, features) == DECODE_OK && again.row == in.row &&
                    again.len == in.len,
                "the bytes it took suffice");
        if (in.row != ISA_ROW_UD)
            for (size_t n = 0; n < in.len; n++)
                require(decode_insn(&again, exact, n, code32, features) == DECODE_MORE, "none of them is needless");
    }
    require(annotate_disassemble(exact, len, (uint32_t)fuzz_next(f), code32, text, 1 + fuzz_below(f, sizeof text)) <=
                15,
            "disassembled length");
    free(exact);
}

int main(int argc, char **argv)
{
    struct fuzz_args args = fuzz_parse_args(argc, argv, (struct fuzz_args){.seed = 1, .count = 100000});
    struct fuzz f = fuzz_start(args.seed);

    decode_init();
    fuzz_watch(100);
    for (uint64_t i = 0; i < args.count; i++) {
        uint8_t bytes[MAX_BYTES];
        size_t len = make_bytes(&f, bytes);
        uint64_t first;

        memcpy(&first, bytes, sizeof first);
        fuzz_note("bytes", __builtin_bswap64(first), len);
        fuzz_step();
        check(&f, bytes, len);
    }
    printf("fuzz_decode: %" PRIu64 " byte strings from seed %" PRIu64 "\n", args.count, args.seed);
    return EXIT_SUCCESS;
}
