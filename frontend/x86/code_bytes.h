/*
 * Which bytes of a page are code, so that a store beside code is told from one into it without a look at the blocks.
 *
 * A bit may be set too many: what is written has no block afterwards, so that the bits of the blocks that die of it are
 * cleared then, but a block's bytes stay when it dies of something else.
 */
#ifndef FRONTEND_X86_CODE_BYTES_H
#define FRONTEND_X86_CODE_BYTES_H

#include <stdbool.h>
#include <stdint.h>

#include "softmmu/phys.h"

#define CODE_LINE_BYTES 64u /* blocks are listed by the line of their page that their first byte is in */
#define CODE_LINES      (PHYS_PAGE_SIZE / CODE_LINE_BYTES)

struct code_bytes {
    uint64_t line[CODE_LINES]; /* bit n: byte n of the line */
    uint64_t beyond;           /* all ones: who looks from a byte on finds that the page ends */
    uint32_t longest;          /* no block of the page has more bytes */
};

/* Bits of a line's bytes that lie in first..last, which reaches into the line. */
static inline uint64_t code_bytes_bits(unsigned line, unsigned first, unsigned last)
{
    const unsigned start = line * CODE_LINE_BYTES;
    uint64_t bits = ~0ull;

    if (first > start)
        bits &= ~0ull << (first - start);
    if (last < start + CODE_LINE_BYTES - 1)
        bits &= ~0ull >> (start + CODE_LINE_BYTES - 1 - last);
    return bits;
}

/* Bytes first..last of the page are a block's. */
static inline void code_bytes_add(struct code_bytes *code, unsigned first, unsigned last)
{
    for (unsigned i = first / CODE_LINE_BYTES; i <= last / CODE_LINE_BYTES; i++)
        code->line[i] |= code_bytes_bits(i, first, last);
    if (code->longest < last - first + 1)
        code->longest = last - first + 1;
}

/* Bytes first..last are no code but for what is added again. */
static inline void code_bytes_clear(struct code_bytes *code, unsigned first, unsigned last)
{
    for (unsigned i = first / CODE_LINE_BYTES; i <= last / CODE_LINE_BYTES; i++)
        code->line[i] &= ~code_bytes_bits(i, first, last);
}

/* May a block have that byte of the page? */
static inline bool code_bytes_has(const struct code_bytes *code, unsigned byte)
{
    return code->line[byte / CODE_LINE_BYTES] >> byte % CODE_LINE_BYTES & 1;
}

/* Bytes first..last of the page were written: true if a block may have one of them. The caller kills all that have. */
static inline bool code_bytes_take(struct code_bytes *code, unsigned first, unsigned last)
{
    bool hit = false;

    for (unsigned i = first / CODE_LINE_BYTES; i <= last / CODE_LINE_BYTES; i++) {
        const uint64_t bits = code_bytes_bits(i, first, last);

        hit |= (code->line[i] & bits) != 0;
        code->line[i] &= ~bits;
    }
    return hit;
}

/* The first line in which a block may begin that has the byte `first`. */
static inline unsigned code_bytes_first_line(const struct code_bytes *code, unsigned first)
{
    return first < code->longest ? 0 : (first - code->longest + 1) / CODE_LINE_BYTES;
}

#endif
