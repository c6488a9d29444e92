/* Bench: x87 nbody
 * Bench: simd nbody_sse2
 * Sun and four giant planets, a symplectic step of a hundredth of a day: multiplications, divisions and square roots in
 * double precision. */
#include "rt.h"

enum { BODIES = 5 };
struct body {
    double x[3], v[3], mass;
};

/* Astronomical units, AU per year and solar masses times 4 pi^2, rounded: the orbits need not be right, only always the
 * same. */
static const struct body start[BODIES] = {
    {{0, 0, 0}, {0, 0, 0}, 39.47841760435743},
    {{4.841431, -1.160320, -0.103622}, {0.606326, 2.811987, -0.025218}, 0.0376936},
    {{8.343367, 4.124799, -0.403523}, {-1.010774, 1.825662, 0.008416}, 0.0112863},
    {{12.894370, -15.111151, -0.223308}, {1.082791, 0.868713, -0.010833}, 0.0017237},
    {{15.379697, -25.919315, 0.179259}, {0.979091, 0.594699, -0.034756}, 0.0020336},
};

static void step(struct body *b, double dt)
{
    for (int i = 0; i < BODIES; i++) {
        for (int j = i + 1; j < BODIES; j++) {
            double d[3], square = 0;
            for (int c = 0; c < 3; c++) {
                d[c] = b[i].x[c] - b[j].x[c];
                square += d[c] * d[c];
            }
            double pull = dt / (square * __builtin_sqrt(square));
            for (int c = 0; c < 3; c++) {
                b[i].v[c] -= d[c] * b[j].mass * pull;
                b[j].v[c] += d[c] * b[i].mass * pull;
            }
        }
    }
    for (int i = 0; i < BODIES; i++)
        for (int c = 0; c < 3; c++)
            b[i].x[c] += dt * b[i].v[c];
}

uint32_t bench_unit(void)
{
    struct body bodies[BODIES];
    uint32_t sum = MIX_START;

    memcpy(bodies, start, sizeof bodies);
    for (int i = 0; i < 5000; i++)
        step(bodies, 0.01);
    for (int i = 0; i < BODIES; i++)
        for (int c = 0; c < 3; c++)
            sum = mix_double(sum, bodies[i].x[c]);
    return sum;
}
