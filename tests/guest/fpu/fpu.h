/* The groups of the fpu image. */
#ifndef TESTS_GUEST_FPU_FPU_H
#define TESTS_GUEST_FPU_FPU_H

#include "guest.h"

void device_not_available_cases(void);
void numeric_error_cases(void);
void simd_error_cases(void);
void alignment_cases(void);

#endif
