/* Bench: smc append
 * Code is appended to a page from which code runs: after each new stub of five bytes the whole chain of stubs is
 * called. */
#include "rt.h"

enum { STUBS = 200 };
static uint8_t *code;

void bench_setup(void)
{
    code = map_pages(8192, PROT_READ | PROT_WRITE | PROT_EXEC);
}

uint32_t bench_unit(void)
{
    uint32_t x = 3;

    for (uint32_t i = 0; i < STUBS; i++) {
        uint8_t *at = code + 4 + 5 * i;
        uint32_t value = i * 40503u;
        at[0] = i & 1 ? 0x05 : 0x35; /* add or xor eax, imm32 */
        memcpy(at + 1, &value, 4);
        at[5] = 0xc3; /* ret, until the next stub takes its place */
        if (!i) {
            static const uint8_t head[4] = {0x8b, 0x44, 0x24, 0x04}; /* mov eax, [esp+4] */
            memcpy(code, head, 4);
        }
        __asm__ volatile("" : : : "memory");
        x = ((uint32_t(*)(uint32_t))(uintptr_t)code)(x);
    }
    return x;
}
