/*
 * What a CD holds around the 2048 bytes of a mode 1 sector: sync, header, error detection and correction.
 * Source: ECMA-130, "Digital data structure of a sector" and annex A, "Error correction encoding by RSPC".
 */
#include "hw/block/ide_internal.h"

#include <string.h>

#define CD_FRAMES_PER_SECOND 75u
#define CD_LEAD_IN_FRAMES    150u /* block 0 is at 00:02:00 */

enum { CD_HEADER = 12, CD_DATA = 16, CD_EDC = 2064, CD_ZEROS = 2068, CD_P = 2076, CD_Q = 2248 };

void cd_put_msf(uint8_t msf[3], uint32_t lba)
{
    uint32_t frame = lba + CD_LEAD_IN_FRAMES;

    msf[0] = (uint8_t)(frame / (60 * CD_FRAMES_PER_SECOND));
    msf[1] = (uint8_t)(frame / CD_FRAMES_PER_SECOND % 60);
    msf[2] = (uint8_t)(frame % CD_FRAMES_PER_SECOND);
}

static uint8_t to_bcd(uint8_t value)
{
    return (uint8_t)((value / 10 % 10) << 4 | value % 10);
}

/* CRC by (x^16 + x^15 + x^2 + 1)(x^16 + x^2 + x + 1), least significant bit first. */
static uint32_t edc_of(const uint8_t *bytes, size_t count)
{
    uint32_t edc = 0;

    for (size_t i = 0; i < count; i++) {
        edc ^= bytes[i];
        for (unsigned bit = 0; bit < 8; bit++)
            edc = edc >> 1 ^ (edc & 1 ? 0xd8018001u : 0);
    }
    return edc;
}

/* Product in GF(2^8) modulo x^8 + x^4 + x^3 + x^2 + 1; alpha is 2. */
static uint8_t gf_multiply(uint8_t a, uint8_t b)
{
    uint8_t product = 0;

    for (; b; b >>= 1) {
        if (b & 1)
            product ^= a;
        a = (uint8_t)(a << 1 ^ (a & 0x80 ? 0x1d : 0));
    }
    return product;
}

/* Where byte i of a code word is, counted from the header on. P words are columns of bytes, Q words are diagonals over
 * columns of 16-bit words, first the even bytes, then the odd ones. */
static unsigned p_position(unsigned word, unsigned i)
{
    return word + 86 * i;
}

static unsigned q_position(unsigned word, unsigned i)
{
    return 2 * ((43 * (word / 2) + 44 * i) % 1118) + word % 2;
}

#define ALPHA                 2
#define ONE_OVER_ALPHA_PLUS_1 0xf4

/* Appends to each of n_words code words two parity bytes p, q, such that the word has the roots 1 and alpha:
 * sum + p + q = 0 and alpha^2 value + alpha p + q = 0. */
static void put_parity(const uint8_t *data, unsigned n_words, unsigned length,
                       unsigned (*position)(unsigned word, unsigned i), uint8_t *parity)
{
    for (unsigned word = 0; word < n_words; word++) {
        uint8_t sum = 0, value = 0, p;

        for (unsigned i = 0; i < length; i++) {
            uint8_t byte = data[position(word, i)];

            sum ^= byte;
            value = gf_multiply(value, ALPHA) ^ byte;
        }
        p = gf_multiply(gf_multiply(value, ALPHA * ALPHA) ^ sum, ONE_OVER_ALPHA_PLUS_1);
        parity[word] = p;
        parity[word + n_words] = p ^ sum;
    }
}

void cd_complete_sector(uint8_t raw[CD_RAW_SECTOR], uint32_t lba)
{
    uint8_t msf[3];
    uint32_t edc;

    memset(raw, 0xff, CD_HEADER);
    raw[0] = raw[11] = 0x00;
    cd_put_msf(msf, lba);
    for (unsigned i = 0; i < 3; i++)
        raw[CD_HEADER + i] = to_bcd(msf[i]);
    raw[CD_HEADER + 3] = 1; /* mode */
    edc = edc_of(raw, CD_EDC);
    for (unsigned i = 0; i < 4; i++)
        raw[CD_EDC + i] = (uint8_t)(edc >> 8 * i);
    memset(raw + CD_ZEROS, 0, CD_P - CD_ZEROS);
    put_parity(raw + CD_HEADER, 86, 24, p_position, raw + CD_P);
    put_parity(raw + CD_HEADER, 52, 43, q_position, raw + CD_Q);
}
