/* Bench: calls interp_goto
 * The same bytecode interpreter with a computed goto after every operation. */
#include "bytecode.h"

uint32_t bench_unit(void)
{
    static const void *const label[OPS] = {&&push, &&load, &&store, &&add,          &&sub, &&mul,
                                           &&mod,  &&less, &&jump,  &&jump_if_zero, &&halt};
    int32_t stack[16], *top = stack, variable[VARIABLES] = {0};
    const int16_t *pc = bytecode;

#define NEXT goto *label[*pc++]
    NEXT;
push:
    *top++ = *pc++;
    NEXT;
load:
    *top++ = variable[*pc++];
    NEXT;
store:
    variable[*pc++] = *--top;
    NEXT;
add:
    top--;
    top[-1] += top[0];
    NEXT;
sub:
    top--;
    top[-1] -= top[0];
    NEXT;
mul:
    top--;
    top[-1] *= top[0];
    NEXT;
mod:
    top--;
    top[-1] %= top[0];
    NEXT;
less:
    top--;
    top[-1] = top[-1] < top[0];
    NEXT;
jump:
    pc = bytecode + *pc;
    NEXT;
jump_if_zero:
    pc = *--top ? pc + 1 : bytecode + *pc;
    NEXT;
halt:
    return (uint32_t) * --top;
}
