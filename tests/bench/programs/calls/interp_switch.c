/* Bench: calls interp_switch
 * A bytecode interpreter that dispatches with one switch. */
#include "bytecode.h"

uint32_t bench_unit(void)
{
    int32_t stack[16], *top = stack, variable[VARIABLES] = {0};
    const int16_t *pc = bytecode;

    for (;;) {
        switch (*pc++) {
        case OP_PUSH:
            *top++ = *pc++;
            break;
        case OP_LOAD:
            *top++ = variable[*pc++];
            break;
        case OP_STORE:
            variable[*pc++] = *--top;
            break;
        case OP_ADD:
            top--;
            top[-1] += top[0];
            break;
        case OP_SUB:
            top--;
            top[-1] -= top[0];
            break;
        case OP_MUL:
            top--;
            top[-1] *= top[0];
            break;
        case OP_MOD:
            top--;
            top[-1] %= top[0];
            break;
        case OP_LESS:
            top--;
            top[-1] = top[-1] < top[0];
            break;
        case OP_JUMP:
            pc = bytecode + *pc;
            break;
        case OP_JUMP_IF_ZERO:
            pc = *--top ? pc + 1 : bytecode + *pc;
            break;
        case OP_HALT:
            return (uint32_t) * --top;
        }
    }
}
