/* Random operations that keep every rule of ir_check, and programs written as text. */
#ifndef TESTS_UNIT_TRANSLATOR_IR_RANDOM_H
#define TESTS_UNIT_TRANSLATOR_IR_RANDOM_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "translator/ir.h"

struct random {
    uint64_t state;
};

static inline uint32_t random_next(struct random *r)
{
    r->state = r->state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(r->state >> 32);
}
static inline uint32_t random_below(struct random *r, uint32_t n)
{
    return random_next(r) % n;
}
/* Often small or near a sign change. */
static inline uint32_t random_value(struct random *r)
{
    static const uint32_t edges[] = {0,      1,      2,      9,       10,         0x7f,       0x80,       0xff,
                                     0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xfffffff8, 0xffffffff};

    return random_below(r, 3) ? random_next(r) : edges[random_below(r, 16)];
}

/* A register of that width, or a temporary. */
static inline uint8_t random_register(struct random *r, unsigned width)
{
    if (random_below(r, 6) == 0)
        return (uint8_t)(IR_T0 + random_below(r, 2));
    if (width == 1)
        return (uint8_t)(random_below(r, 2) ? IR_AH + random_below(r, 4) : random_below(r, 4));
    return (uint8_t)random_below(r, 8);
}
static inline uint8_t random_place(struct random *r, unsigned width)
{
    return random_below(r, 4) ? random_register(r, width) : IR_MEM;
}

static inline void random_address(struct random *r, struct ir_op *op)
{
    op->base = random_below(r, 3) ? random_register(r, 4) : IR_NONE;
    if (random_below(r, 2)) {
        op->index = random_register(r, 4);
        op->scale = (uint8_t)random_below(r, 4);
    }
    op->addr16 = (uint8_t)random_below(r, 2);
    op->imm = random_value(r);
}

static inline bool random_is_word(unsigned opcode)
{
    switch (opcode) {
    case IR_BSF:
    case IR_BSR:
    case IR_POPCNT:
    case IR_IMUL2:
    case IR_IMUL3:
    case IR_CMOV:
    case IR_SIGN:
    case IR_SARX:
    case IR_LEA:
    case IR_SHLD:
    case IR_SHRD:
    case IR_BT:
    case IR_BTS:
    case IR_BTR:
    case IR_BTC:
    case IR_EIP:
    case IR_JMPR:
    case IR_JZR:
    case IR_JNZR:
    case IR_POPF:
    case IR_SELECTOR:
    case IR_WITHIN:
    case IR_MOVZX:
    case IR_MOVSX:
        return true;
    default:
        return false;
    }
}
static inline bool random_dst_is_register(unsigned opcode)
{
    switch (opcode) {
    case IR_BSF:
    case IR_BSR:
    case IR_POPCNT:
    case IR_IMUL2:
    case IR_IMUL3:
    case IR_CMOV:
    case IR_SIGN:
    case IR_SARX:
    case IR_LEA:
    case IR_MOVZX:
    case IR_MOVSX:
    case IR_XCHG:
    case IR_BSWAP:
        return true;
    default:
        return false;
    }
}

/* Fills `op`, as ir_add left it, for op->opcode. */
static inline void random_fields(struct random *r, struct ir_op *op)
{
    static const uint8_t map_widths[] = {1, 2, 4, 8, 10, 16};
    const unsigned opcode = op->opcode, format = ir_info[opcode].format;
    const bool reads_bits = opcode == IR_BT || opcode == IR_BTS || opcode == IR_BTR || opcode == IR_BTC;

    op->width = (uint8_t)(1u << (random_is_word(opcode) ? 1 + random_below(r, 2) : random_below(r, 3)));
    if (opcode == IR_SETCC)
        op->width = 1;
    if (opcode == IR_BSWAP || opcode == IR_CS_EIP || opcode == IR_SARX || opcode == IR_CMPXCHG8)
        op->width = 4;
    if (format == IR_FORMAT_SRC_SREG)
        op->width = 2;
    switch (format) {
    case IR_FORMAT_DST:
    case IR_FORMAT_DST_SRC:
    case IR_FORMAT_SRC_SRC:
    case IR_FORMAT_DST_SRC_FROM:
    case IR_FORMAT_DST_SRC_CC:
    case IR_FORMAT_DST_SRC_IMM:
    case IR_FORMAT_DST_SRC_COUNT:
    case IR_FORMAT_DST_COUNT:
    case IR_FORMAT_DST_CC:
    case IR_FORMAT_DST_EA:
    case IR_FORMAT_DST_IMM:
    case IR_FORMAT_DST_SREG:
        op->dst = random_dst_is_register(opcode) ? random_register(r, op->width) : random_place(r, op->width);
        break;
    default:
        break;
    }
    switch (format) {
    case IR_FORMAT_NONE:
        op->width = 0;
        break;
    case IR_FORMAT_SRC:
        op->src = opcode == IR_JMPR || opcode == IR_WITHIN ? random_register(r, op->width)
                  : opcode == IR_CMPXCHG8                  ? IR_MEM
                                                           : random_place(r, op->width);
        op->arg = (uint8_t)(opcode == IR_JMPR ? random_below(r, 3) : opcode == IR_POPF ? random_below(r, 2) : 0);
        break;
    case IR_FORMAT_DST_SRC_CC:
        op->arg = (uint8_t)random_below(r, 16);
        op->src = random_place(r, op->width);
        break;
    case IR_FORMAT_DST_SRC:
    case IR_FORMAT_SRC_SRC:
        if (opcode == IR_XCHG)
            op->src = random_register(r, op->width);
        else if (!random_is_word(opcode) || reads_bits)
            op->src = random_below(r, 3) ? random_register(r, op->width) : IR_IMM;
        else
            op->src = random_place(r, op->width);
        if (op->src == IR_IMM)
            op->imm = random_value(r);
        if (op->dst != IR_MEM && !reads_bits && opcode != IR_XCHG && random_below(r, 4) == 0) {
            op->src = IR_MEM;
            op->imm = 0;
        }
        break;
    case IR_FORMAT_DST_SRC_FROM:
        op->arg = (uint8_t)(op->width == 4 ? 1 + random_below(r, 2) : 1);
        op->src = random_place(r, op->arg);
        break;
    case IR_FORMAT_DST_SRC_IMM:
        op->src = opcode == IR_SARX ? random_register(r, 4) : random_place(r, op->width);
        op->imm = opcode == IR_SARX ? random_below(r, 32) : random_value(r);
        break;
    case IR_FORMAT_DST_SRC_COUNT:
        op->src = random_register(r, op->width);
        op->arg = (uint8_t)random_below(r, 2);
        op->imm = op->arg ? 0 : random_below(r, 256);
        break;
    case IR_FORMAT_DST_COUNT:
        op->src = random_below(r, 2) ? IR_ECX : IR_IMM;
        op->imm = op->src == IR_IMM ? random_below(r, 256) : 0;
        break;
    case IR_FORMAT_DST_CC:
        op->arg = (uint8_t)random_below(r, 16);
        break;
    case IR_FORMAT_DST_EA:
        random_address(r, op);
        break;
    case IR_FORMAT_DST_SREG:
        op->arg = (uint8_t)random_below(r, 6);
        break;
    case IR_FORMAT_SRC_SREG:
        op->src = random_register(r, op->width);
        op->arg = (uint8_t)random_below(r, 6);
        break;
    case IR_FORMAT_DST_IMM:
        op->imm = random_value(r);
        break;
    case IR_FORMAT_EA:
        op->width = map_widths[random_below(r, 6)];
        op->arg = (uint8_t)random_below(r, 3);
        op->seg = (uint8_t)random_below(r, 6);
        op->align = (uint8_t)(random_below(r, 2) * 16);
        random_address(r, op);
        break;
    case IR_FORMAT_UNIT:
        op->width = 0;
        op->src = random_below(r, 2) ? IR_MEM : IR_NONE;
        op->arg = (uint8_t)random_next(r);
        op->imm = random_next(r) & 0xffffff;
        break;
    case IR_FORMAT_TARGET:
        op->width = 0;
        op->arg = (uint8_t)random_below(r, 3);
        op->imm = random_value(r);
        break;
    case IR_FORMAT_TARGET_CC:
        op->width = 0;
        op->arg = (uint8_t)random_below(r, 16);
        op->imm = random_value(r);
        break;
    case IR_FORMAT_TARGET_SRC:
        op->src = random_register(r, op->width);
        op->imm = random_value(r);
        break;
    default:
        break;
    }
}

/* ---- programs: one operation a line, "=" before the first one of a guest instruction ---- */

/* Guest instruction i is at offset 0x100 + 4 * i of its page. A JMP that closes the block follows if nothing ends it.
 */
static inline void program(struct ir_block *ir, const char *text)
{
    ir_begin(ir, false);
    ir->offset[0] = 0x100;
    while (*text) {
        const char *end = strchr(text, '\n'), *error;
        char line[120];
        size_t n = end ? (size_t)(end - text) : strlen(text);
        struct ir_op op;

        assert_true(n < sizeof line);
        memcpy(line, text, n);
        line[n] = 0;
        text += n + (end != NULL);
        if (line[0] == '=' && ir->n_ops)
            ir->n_insns++;
        if (!ir_parse_op(line + (line[0] == '='), &op, &error))
            fail_msg("%s: %s", line, error);
        op.insn = (uint8_t)ir->n_insns;
        *ir_add(ir, IR_MOV, 0) = op;
    }
    ir->n_insns++;
    for (unsigned i = 0; i <= ir->n_insns; i++)
        ir->offset[i] = (uint16_t)(0x100 + 4 * i);
    if (ir->n_ops == 0 || ir_info[ir->op[ir->n_ops - 1].opcode].effect != IR_EFFECT_END)
        ir_add(ir, IR_JMP, 0)->imm = ir->offset[ir->n_insns];
}

#endif
