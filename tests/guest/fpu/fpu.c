/* Image of the cases about x87, MMX and SSE exceptions, and alignment checks. */
#include "fpu.h"

void guest_cases(void)
{
    device_not_available_cases();
    numeric_error_cases();
    simd_error_cases();
    alignment_cases();
}
