/* The table of the IR's operations, and how blocks are built. Source: ir.def, ir.h. */
#include "translator/ir.h"

#include <assert.h>

const struct ir_op_info ir_info[IR_OPCODES] = {
#define OP(name, text, format, reads, defines, undefines, effects)                                                     \
    [IR_##name] = {text, IR_FORMAT_##format, IR_EFFECT_##effects, reads, defines, undefines},
#include "translator/ir.def"
#undef OP
};

void ir_begin(struct ir_block *ir, bool code16)
{
    ir->n_ops = ir->n_insns = 0;
    ir->code16 = code16;
    ir->asked = 0;
    ir->offset[0] = 0;
}

struct ir_op *ir_add(struct ir_block *ir, enum ir_opcode opcode, unsigned width)
{
    struct ir_op *op;

    assert(ir->n_ops < IR_MAX_OPS); /* no lowering has more than IR_OPS_PER_INSN operations */
    op = &ir->op[ir->n_ops++];
    *op = (struct ir_op){
        .opcode = (uint8_t)opcode,
        .width = (uint8_t)width,
        .dst = IR_NONE,
        .src = IR_NONE,
        .insn = (uint8_t)ir->n_insns,
        .base = IR_NONE,
        .index = IR_NONE,
    };
    return op;
}
