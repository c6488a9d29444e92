/* Bench: smc write_run
 * A just-in-time compiler in small: a fresh function of some 20 instructions is written over the last one and called,
 * 500 times. */
#include "rt.h"

static uint8_t *code;

void bench_setup(void)
{
    code = map_pages(4096, PROT_READ | PROT_WRITE | PROT_EXEC);
}

static uint8_t *emit32(uint8_t *at, uint32_t value)
{
    memcpy(at, &value, 4);
    return at + 4;
}

uint32_t bench_unit(void)
{
    uint32_t state = 7, x = 1;

    for (int round = 0; round < 500; round++) {
        uint8_t *at = code;
        *at++ = 0x8b; /* mov eax, [esp+4] */
        *at++ = 0x44;
        *at++ = 0x24;
        *at++ = 0x04;
        for (int i = 0; i < 18; i++) {
            static const uint8_t opcode[4] = {0x05, 0x35, 0x2d, 0x05}; /* add, xor, sub, add eax, imm32 */
            uint32_t r = xorshift32(&state);
            *at++ = opcode[r >> 30];
            at = emit32(at, r);
        }
        *at = 0xc3; /* ret */
        __asm__ volatile("" : : : "memory");
        x = ((uint32_t(*)(uint32_t))(uintptr_t)code)(x);
    }
    return x;
}
