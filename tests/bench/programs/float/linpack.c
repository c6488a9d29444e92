/* Bench: x87 linpack
 * Bench: simd linpack_sse2
 * LU factorisation of a 100 by 100 matrix with partial pivoting, and one solution, in double precision. */
#include "rt.h"

enum { SIDE = 100 };
static double original[SIDE][SIDE], a[SIDE][SIDE], b[SIDE];

void bench_setup(void)
{
    uint32_t state = 1325;
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++)
            original[i][j] = (double)(int32_t)xorshift32(&state) / 2147483648.0;
}

static void factor_and_solve(void)
{
    for (int k = 0; k < SIDE; k++) {
        int pivot = k;
        for (int i = k + 1; i < SIDE; i++)
            if (__builtin_fabs(a[i][k]) > __builtin_fabs(a[pivot][k]))
                pivot = i;
        for (int j = 0; j < SIDE; j++) {
            double t = a[k][j];
            a[k][j] = a[pivot][j];
            a[pivot][j] = t;
        }
        double t = b[k];
        b[k] = b[pivot];
        b[pivot] = t;
        for (int i = k + 1; i < SIDE; i++) {
            double m = a[i][k] / a[k][k];
            for (int j = k + 1; j < SIDE; j++)
                a[i][j] -= m * a[k][j];
            b[i] -= m * b[k];
        }
    }
    for (int i = SIDE - 1; i >= 0; i--) {
        double sum = b[i];
        for (int j = i + 1; j < SIDE; j++)
            sum -= a[i][j] * b[j];
        b[i] = sum / a[i][i];
    }
}

uint32_t bench_unit(void)
{
    uint32_t sum = MIX_START;

    for (int pass = 0; pass < 4; pass++) {
        memcpy(a, original, sizeof a);
        for (int i = 0; i < SIDE; i++)
            b[i] = i + pass;
        factor_and_solve();
        for (int i = 0; i < SIDE; i++)
            sum = mix_double(sum, b[i]);
    }
    return sum;
}
