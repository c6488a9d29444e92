/*
 * Lowering of x87, MMX and SSE: an instruction that the host's unit may run is a MAP of its memory operand and a UNIT.
 * Source: SDM vol. 2A-2D, the page of each instruction; isa_x87.def, isa_simd.def.
 *
 * Called out whatever the mode: what saves or loads more than 16 bytes, packed decimals, byte-masked stores, and what
 * changes masks (FNINIT). FLDCW and LDMXCSR are UNITs: the backend looks at the masks. So is FNCLEX: nothing is pending
 * where the unit is native. And MOVNTI, which needs no unit: its hint is the host's to heed.
 */
#include "frontend/x86/lower_internal.h"

static bool unit_is_native(struct lower *l)
{
    const bool x87 = l->row->checks & (FPU_NM | MMX_NM | WAIT_NM), sse = l->row->checks & SSE_NM;

    return lower_knows(l, (x87 ? X86_MODE_X87 : 0u) | (sse ? X86_MODE_SSE : 0u)) && (!x87 || l->mode->x87_native) &&
           (!sse || l->mode->sse_native);
}

/* The rule's access is the first operand's; the others are read. Registers stand in ModRM, so only memory and the
 * immediate are told. */
static bool lower_unit(struct lower *l)
{
    struct ir_op *op;
    uint8_t mem = IR_NONE;

    if (!unit_is_native(l))
        return false;
    for (unsigned i = 0; i < l->row->n_operands; i++) {
        uint8_t ref;

        if (!lower_operand(l, i, i ? IR_READ : l->rule->access, &ref))
            return false;
        if (ref == IR_MEM)
            mem = IR_MEM;
    }
    op = ir_add(l->ir, IR_UNIT, 0);
    op->src = mem;
    op->arg = l->in->modrm;
    op->imm = l->in->row | (l->imm & 0xff) << 16;
    return true;
}

/* FWAIT, FNENI, FNDISI, FNSETPM: checks that hold wherever the unit is native. */
static bool lower_unit_nothing(struct lower *l)
{
    return unit_is_native(l);
}

static bool lower_unit_callout(struct lower *l)
{
    return false;
}

#define STORE(handler)                                                                                                 \
    {                                                                                                                  \
        &interp_##handler, lower_unit, 0, IR_WRITE                                                                     \
    }
#define NOTHING(handler)                                                                                               \
    {                                                                                                                  \
        &interp_##handler, lower_unit_nothing, 0, 0                                                                    \
    }
#define CALLOUT(handler)                                                                                               \
    {                                                                                                                  \
        &interp_##handler, lower_unit_callout, 0, 0                                                                    \
    }

const struct lower_rule lower_unit_rules[] = {
    STORE(fst_f32),     STORE(fst_f64),        STORE(fstp_f32),         STORE(fstp_f64),
    STORE(fstp_f80),    STORE(fist_i16),       STORE(fist_i32),         STORE(fistp_i16),
    STORE(fistp_i32),   STORE(fistp_i64),      STORE(fnstcw),           STORE(fnstsw),
    STORE(sse_stmxcsr), STORE(sse_movnti),

    NOTHING(fwait),     NOTHING(fnop_287),

    CALLOUT(fninit),    CALLOUT(fnstenv),      CALLOUT(fldenv),         CALLOUT(fnsave),
    CALLOUT(frstor),    CALLOUT(fxsave),       CALLOUT(fxrstor),        CALLOUT(fbld),
    CALLOUT(fbstp),     CALLOUT(mmx_maskmovq), CALLOUT(sse_maskmovdqu), {0},
};

/* A single operand in memory is a source but for those above; of several operands the first is the destination. */
const struct lower_rule *lower_unit_default(const struct isa_row *row)
{
    static const struct lower_rule one_operand = {NULL, lower_unit, 0, IR_READ};
    static const struct lower_rule dst_first = {NULL, lower_unit, 0, IR_WRITE};

    if (!(row->checks & (FPU_NM | MMX_NM | SSE_NM)))
        return NULL;
    return row->n_operands > 1 ? &dst_first : &one_operand;
}
