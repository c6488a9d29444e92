/* Bench: x87 trig
 * FSIN, FCOS, FPTAN, FPATAN, F2XM1 and FYL2X. Machines and emulators differ in the last bits (QEMU 7.2 computes FSIN in
 * double precision), so the checksum is the rounded mean. */
#include "rt.h"

#define UNARY(name, code)                                                                                              \
    static inline double name(double x)                                                                                \
    {                                                                                                                  \
        double y;                                                                                                      \
        __asm__(code : "=t"(y) : "0"(x));                                                                              \
        return y;                                                                                                      \
    }
UNARY(sine, "fsin")
UNARY(cosine, "fcos")
UNARY(two_to_x_minus_1, "f2xm1")

static inline double tangent(double x)
{
    double one, y;
    __asm__("fptan" : "=t"(one), "=u"(y) : "0"(x));
    return y * one;
}

static inline double arctangent(double y, double x)
{
    double angle;
    __asm__("fpatan" : "=t"(angle) : "0"(x), "u"(y) : "st(1)");
    return angle;
}

static inline double log2_times(double y, double x)
{
    double result;
    __asm__("fyl2x" : "=t"(result) : "0"(x), "u"(y) : "st(1)");
    return result;
}

uint32_t bench_unit(void)
{
    double sum = 0;

    for (int i = 1; i <= 4000; i++) {
        double x = i * 0.0078125;
        sum += sine(x) * cosine(0.5 * x);
        sum += tangent(x * 0.03125) + arctangent(x, 3.0);
        sum += two_to_x_minus_1(x * 0.03125) + log2_times(0.25, x);
    }
    return (uint32_t)(int32_t)(sum * 1e3 / 4000 + 0.25);
}
