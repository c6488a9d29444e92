/* The groups of the debug image, and what they share. */
#ifndef TESTS_GUEST_DEBUG_DEBUG_H
#define TESTS_GUEST_DEBUG_DEBUG_H

#include "guest.h"

#define DR6_CLEAR 0xffff0ff0u
#define DR6_B(n)  (1u << (n))
#define DR6_BD    0x2000u
#define DR6_BS    0x4000u
#define DR6_BT    0x8000u
#define DR7_CLEAR 0x400u
#define DR7_L(n)  (1u << 2 * (n))
#define DR7_G(n)  (2u << 2 * (n))
#define DR7_GD    0x2000u
enum breakpoint { BP_EXEC, BP_WRITE, BP_IO, BP_ACCESS };

/* Arms breakpoint n for the next run. len_bytes: 1, 2, 4. */
void arm(unsigned n, enum breakpoint kind, uint32_t address, unsigned len_bytes);
/* run() with #DB resumed; instruction breakpoints are passed by setting RF in the frame. */
void run_traced(const struct code *code);
/* The run's events: #DB at these distances from the snippet's start, then its end. DR6 of each has exactly `bits` of
 * B0 to B3, BD, BS, BT. */
void want_trail(const struct code *code, uint32_t bits, unsigned n, const uint8_t *distance);
#define TRAIL(...)                                                                                                     \
    (sizeof((uint8_t[]){__VA_ARGS__})), (const uint8_t[])                                                              \
    {                                                                                                                  \
        __VA_ARGS__                                                                                                    \
    }

void breakpoint_cases(void);
void register_cases(void);
void step_cases(void);

#endif
