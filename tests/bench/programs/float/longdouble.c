/* Bench: x87 longdouble
 * 80-bit numbers in memory (FLD and FSTP of ten bytes): a compensated sum, a Horner polynomial and Newton's square
 * root. */
#include "rt.h"

enum { COUNT = 4096 };
static long double number[COUNT];

uint32_t bench_unit(void)
{
    union {
        long double number;
        uint32_t word[3];
    } u = {.word = {0}};
    long double sum = 0, lost = 0;

    for (int i = 0; i < COUNT; i++)
        number[i] = 1.0L / (i + 1);
    for (int pass = 0; pass < 8; pass++)
        for (int i = 0; i < COUNT; i++) {
            long double x = number[i], y = x - lost, t = sum + y;
            lost = (t - sum) - y;
            sum = t;
            number[i] = ((x * 0.25L - 0.5L) * x + 1.0L) * 0.75L + 0.125L;
        }
    for (int i = 0; i < COUNT; i += 16) {
        long double root = 1;
        for (int step = 0; step < 6; step++)
            root = 0.5L * (root + number[i] / root);
        sum += root;
    }
    u.number = sum;
    return mix(mix(mix(MIX_START, u.word[0]), u.word[1]), u.word[2] & 0xffff);
}
