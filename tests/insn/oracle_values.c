/*
 * Values at which instructions show what they are made of.
 *
 * Sources: SDM vol. 1 "Numeric Data Types", "Programming with the x87 FPU", "MXCSR Control and Status Register".
 */
#include <string.h>

#include "tests/insn/oracle_values.h"

uint32_t value_int(struct rng *r)
{
    uint32_t x = rng32(r), k = rng_below(r, 10);

    switch (k) {
    case 0: /* corners of 8, 16 and 32 bits, and their neighbours */
    {
        static const uint32_t corners[] = {0, 0x80, 0x100, 0x8000, 0x10000, 0x80000000, 0x80008080, 0x00800080};

        return corners[x & 7] + (x >> 8) % 3 - 1;
    }
    case 1:
        return 1u << (x & 31);
    case 2:
        return x % 65;
    case 3:
        return (uint32_t)(((uint64_t)1 << (x & 31)) - 1);
    case 4: /* halves and quarters alike */
        return (x & 0xff) * 0x01010101u;
    case 5:
        return (uint32_t)(int32_t)(int8_t)x;
    case 6: /* decimal digits */
        return (x & 0x07070707) + (x >> 4 & 0x03030303);
    case 7:
        return x & rng32(r);
    default:
        return x;
    }
}

uint32_t value_f32(struct rng *r)
{
    uint32_t x = rng32(r), sign = x & 0x80000000u, fraction = x & 0x7fffff;

    switch (rng_below(r, 16)) {
    case 0:
        return sign;
    case 1:
        return sign | 0x7f800000;
    case 2: /* quiet */
        return sign | 0x7fc00000 | fraction;
    case 3: /* signalling */
        return sign | 0x7f800000 | (fraction & 0x3fffff) | 1;
    case 4: /* denormal */
        return sign | (fraction >> (x >> 8 & 15));
    case 5:
        return sign | (x & 1 ? 0x00800000 : 0x007fffff);
    case 6:
        return sign | (x & 1 ? 0x7f7fffff : 0x7f000000 | fraction);
    case 7: /* small numbers with a tiny exponent: their products and quotients are denormal */
        return sign | (1 + (x >> 3 & 63)) << 23 | fraction;
    case 8: /* around 2^15, 2^31, 2^63, where conversions end */
    {
        static const uint8_t exponents[] = {127 + 14, 127 + 15, 127 + 30, 127 + 31,
                                            127 + 62, 127 + 63, 127 + 64, 127 + 7};

        return sign | (uint32_t)exponents[x & 7] << 23 | (x & 8 ? 0 : x & 16 ? 0x7fffff : fraction);
    }
    case 9:
        return sign | 0x3f800000;
    case 10: /* integers and halves */
        return sign | (126 + (x & 7)) << 23 | (fraction & 0x780000);
    case 11:
    case 12: /* of like size: sums cancel and round */
        return sign | (120 + (x >> 3 & 15)) << 23 | fraction;
    default:
        return x;
    }
}

uint64_t value_f64(struct rng *r)
{
    uint64_t x = rng64(r), sign = x & 1ull << 63, fraction = x & 0xfffffffffffffull;

    switch (rng_below(r, 18)) {
    case 0:
        return sign;
    case 1:
        return sign | 0x7ffull << 52;
    case 2:
        return sign | 0xfffull << 51 | fraction >> 1;
    case 3:
        return sign | 0x7ffull << 52 | (fraction >> 1) | 1;
    case 4:
        return sign | (fraction >> (x & 31));
    case 5:
        return sign | (x & 1 ? 1ull << 52 : 0xfffffffffffffull);
    case 6:
        return sign | (x & 1 ? 0x7fefffffffffffffull : 0x7feull << 52 | fraction);
    case 7:
        return sign | (1 + (x & 63)) << 52 | fraction;
    case 8: {
        static const uint16_t exponents[] = {1023 + 14, 1023 + 15, 1023 + 30, 1023 + 31,
                                             1023 + 62, 1023 + 63, 1023 + 64, 1023 + 7};

        return sign | (uint64_t)exponents[x & 7] << 52 | (x & 8 ? 0 : x & 16 ? 0xfffffffffffffull : fraction);
    }
    case 9:
        return sign | 1023ull << 52;
    case 10:
        return sign | (1022 + (x & 7)) << 52 | (fraction & 0xf000000000000ull);
    case 11:
    case 12:
        return sign | (1016 + (x & 15)) << 52 | fraction;
    case 13: /* what single precision can just or just not hold */
        return sign | (1023ull - 127 + (x & 7) - 4) << 52 | fraction;
    case 14:
        return sign | (1023ull + 127 + (x & 3) - 1) << 52 | fraction;
    case 15: /* denormal singles, exact or not */
        return sign | (1023ull - 150 + (x & 31)) << 52 | (x & 32 ? fraction : fraction & 0xffff000000000ull);
    default:
        return x;
    }
}

void value_f80(struct rng *r, uint8_t out[10])
{
    uint64_t x = rng64(r), mantissa = rng64(r) | 1ull << 63;
    uint16_t sign = x & 0x8000, exponent;

    switch (rng_below(r, 22)) {
    case 0:
        exponent = 0;
        mantissa = 0;
        break;
    case 1:
        exponent = 0x7fff;
        mantissa = 1ull << 63;
        break;
    case 2: /* quiet */
        exponent = 0x7fff;
        mantissa |= 3ull << 62;
        break;
    case 3: /* signalling */
        exponent = 0x7fff;
        mantissa = (mantissa & ~(1ull << 62)) | 1;
        break;
    case 4: /* denormal */
        exponent = 0;
        mantissa = (mantissa & ~(1ull << 63)) >> (x & 31);
        break;
    case 5: /* pseudo-denormal */
        exponent = 0;
        break;
    case 6: /* unnormal, pseudo-infinity, pseudo-NaN: not supported since the 387 */
        exponent = x & 1 ? 0x7fff : x & 0x7fff;
        mantissa &= ~(1ull << 63);
        break;
    case 7:
        exponent = (uint16_t)(1 + (x & 127));
        break;
    case 8:
        exponent = (uint16_t)(0x7ffe - (x & 127));
        break;
    case 9: { /* integers' ends */
        static const uint16_t exponents[] = {16383 + 14, 16383 + 15, 16383 + 30, 16383 + 31,
                                             16383 + 62, 16383 + 63, 16383 + 59, 16383 + 60};

        exponent = exponents[x & 7];
        mantissa = x & 8 ? 1ull << 63 : x & 16 ? ~0ull : mantissa;
        break;
    }
    case 10:
        exponent = 16383;
        mantissa = 1ull << 63;
        break;
    case 11: /* small integers and halves */
        exponent = (uint16_t)(16382 + (x & 15));
        mantissa &= 0xff00000000000000ull;
        break;
    case 12: /* around single's range */
        exponent = (uint16_t)(16383 + (x & 16 ? 126 : -150) + (int)(x & 15));
        break;
    case 13: /* around double's */
        exponent = (uint16_t)(16383 + (x & 16 ? 1020 : -1075) + (int)(x & 31));
        break;
    case 14: /* singles and doubles exactly */
        exponent = (uint16_t)(16383 - 20 + (x & 31));
        mantissa &= x & 32 ? ~0ull << 40 : ~0ull << 11;
        break;
    case 15: /* of an angle, of a logarithm */
        exponent = (uint16_t)(16383 - 4 + (x & 7));
        break;
    case 16:
        exponent = (uint16_t)(16383 - 64 + (x & 127));
        break;
    case 17: /* an MMX register */
        exponent = 0x7fff;
        sign = 0x8000;
        mantissa = rng64(r);
        break;
    case 18: /* ties: half a unit beyond single or double */
        exponent = (uint16_t)(16383 - 8 + (x & 15));
        mantissa = x & 32 ? (mantissa & ~0ull << 40) | 1ull << 39 : (mantissa & ~0ull << 11) | 1ull << 10;
        break;
    default:
        exponent = x & 0x7fff;
        break;
    }
    exponent |= sign;
    memcpy(out, &mantissa, 8);
    memcpy(out + 8, &exponent, 2);
}

void value_bcd(struct rng *r, uint8_t out[10])
{
    for (unsigned i = 0; i < 9; i++)
        out[i] = (uint8_t)(rng_below(r, 10) << 4 | rng_below(r, 10));
    out[9] = (uint8_t)rng32(r);
    if (rng_one_in(r, 8))
        memset(out + rng_below(r, 9), 0, 1);
    if (rng_one_in(r, 16)) /* not decimal at all */
        for (unsigned i = 0; i < 10; i++)
            out[i] = (uint8_t)rng32(r);
}

void value_bytes(struct rng *r, enum oracle_data data, void *out, unsigned len)
{
    uint8_t *p = out;
    unsigned i = 0;

    switch (data) {
    case DATA_F80:
        if (len >= 10) {
            value_f80(r, p);
            i = 10;
        }
        break;
    case DATA_F64:
        for (; i + 8 <= len; i += 8) {
            uint64_t x = value_f64(r);

            memcpy(p + i, &x, 8);
        }
        break;
    case DATA_F32:
        for (; i + 4 <= len; i += 4) {
            uint32_t x = value_f32(r);

            memcpy(p + i, &x, 4);
        }
        break;
    case DATA_INT:
        break;
    }
    while (i < len) {
        uint32_t x = value_int(r);
        unsigned n = len - i < 4 ? len - i : 4;

        memcpy(p + i, &x, n);
        i += n;
    }
}

uint16_t value_fcw(struct rng *r)
{
    static const uint8_t precision[] = {0, 2, 3, 3};
    unsigned masks = rng_one_in(r, 2) ? 0x3f : rng_below(r, 0x40);

    return (uint16_t)(0x40 | masks | precision[rng_below(r, 4)] << 8 | rng_below(r, 4) << 10);
}

uint32_t value_mxcsr(struct rng *r)
{
    uint32_t x = rng32(r), masks = rng_one_in(r, 2) ? 0x1f80 : x & 0x1f80;

    return masks | (x & 0xe000) | (rng_one_in(r, 4) ? x & 0x40 : 0) | (rng_one_in(r, 4) ? x & 0x3f : 0);
}

void value_vary(struct rng *r, uint8_t *bytes, unsigned len)
{
    uint64_t x = rng64(r);

    for (unsigned i = rng_below(r, 3); i; i--, x >>= 16)
        bytes[(x & 0xff) % len] ^= (uint8_t)(1u << (x >> 8 & 7));
}

void value_fx(struct rng *r, enum oracle_data data, bool may_be_pending, uint8_t fx[512])
{
    uint16_t fcw = value_fcw(r), fsw = (uint16_t)(rng32(r) & 0x7f00);
    uint32_t mxcsr = value_mxcsr(r), x = rng32(r);
    uint8_t valid = rng_one_in(r, 2) ? 0xff : (uint8_t)(rng32(r) | (x & 1 ? rng32(r) : 0));

    if (rng_one_in(r, 4))
        fsw |= rng32(r) & 0x7f;
    if (fsw & ~fcw & 0x3f && !may_be_pending)
        fsw &= (uint16_t)(~0x3fu | fcw);
    if (fsw & ~fcw & 0x3f)
        fsw |= 0x8080;
    memset(fx, 0, 512);
    memcpy(fx, &fcw, 2);
    memcpy(fx + 2, &fsw, 2);
    fx[4] = valid;
    x = rng32(r) & 0x7ff;
    memcpy(fx + 6, &x, 2);
    x = rng32(r);
    memcpy(fx + 8, &x, 4);
    x = rng32(r);
    memcpy(fx + 16, &x, 4);
    memcpy(fx + 24, &mxcsr, 4);
    for (unsigned i = 0; i < 8; i++)
        value_f80(r, fx + 32 + 16 * i);
    for (unsigned i = 0; i < 8; i++)
        value_bytes(r, rng_one_in(r, 8) ? DATA_INT : data, fx + 160 + 16 * i, 16);
    if (rng_one_in(r, 4)) { /* close to each other: sums that cancel or overflow, comparisons that are equal */
        if (rng_one_in(r, 8))
            fx[40] = 0xfe, fx[41] |= 0x7f;
        for (unsigned i = 1; i < 8; i++) {
            memcpy(fx + 32 + 16 * i, fx + 32, 10);
            value_vary(r, fx + 32 + 16 * i, 10);
            memcpy(fx + 160 + 16 * i, fx + 160, 16);
            value_vary(r, fx + 160 + 16 * i, 16);
        }
    }
}
