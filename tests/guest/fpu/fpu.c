/* Image of the cases about x87, MMX and SSE exceptions, and alignment checks. */
#include "fpu.h"

const char *label(const char *format, ...)
{
    static char text[120];
    va_list arguments;
    va_start(arguments, format);
    format_text(text, sizeof text, format, arguments);
    va_end(arguments);
    return text;
}

const struct code *with_here(const struct code *code, uint32_t here)
{
    static struct code moved;
    moved = (struct code){code->start, here, code->end};
    return &moved;
}

void guest_cases(void)
{
    device_not_available_cases();
    numeric_error_cases();
    simd_error_cases();
    alignment_cases();
}
