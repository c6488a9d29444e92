/*
 * Lowering: from decoded instructions to IR, by the rules of lower_*.c. What an operand letter means is said here.
 *
 * Within a guest instruction, everything that can leave the block comes before anything that changes guest state, and
 * no register of a MAP's address is written while IR_MEM is still to be used after that operation.
 */
#include "frontend/x86/insn.h"
#include "frontend/x86/lower_internal.h"

enum {
    ROW_COUNT = 0
#define INSN(map_, opcode_, prefix_, modrm_, name_, operands_, reads_, writes_, undef_, ends_, checks_, sensitive_,    \
             feature_, handler_, source_)                                                                              \
    +1
#include "frontend/x86/isa.def"
#undef INSN
};

static const struct lower_rule *const rule_tables[] = {
    lower_alu_rules,  lower_mov_rules,    lower_shift_rules, lower_stack_rules,
    lower_ctrl_rules, lower_string_rules, lower_unit_rules,
};

/* Built by x86_lower_init from constants alone, the same in every machine of the process, and never written again. */
static const struct lower_rule *rules[ROW_COUNT];
static bool rules_are_built;

static const struct lower_rule *find_rule(const struct isa_row *row)
{
    for (unsigned i = 0; i < sizeof rule_tables / sizeof rule_tables[0]; i++)
        for (const struct lower_rule *rule = rule_tables[i]; rule->handlers; rule++)
            if (rule->handlers == row->handlers)
                return rule;
    return lower_unit_default(row);
}

void x86_lower_init(void)
{
    if (rules_are_built)
        return;
    for (unsigned i = 0; i < ROW_COUNT; i++)
        rules[i] = find_rule(&isa_table[i]);
    rules_are_built = true;
}

bool x86_lower(struct ir_block *ir, const struct insn *in, const struct x86_mode *mode)
{
    uint32_t n_ops = ir->n_ops;
    struct lower l = {.ir = ir, .in = in, .mode = mode};

    if (in->row >= ROW_COUNT || !rules[in->row])
        return false;
    l.row = &isa_table[in->row];
    l.rule = rules[in->row];
    if (l.rule->fn(&l))
        return true;
    ir->n_ops = n_ops;
    return false;
}

/* ---- where operands are ---- */

unsigned lower_opsize(const struct lower *l)
{
    return l->in->opsize32 ? 4 : 2;
}

uint8_t lower_reg(unsigned n, unsigned width)
{
    return (uint8_t)(width == 1 && n >= 4 ? IR_AH + n - 4 : n);
}

typedef bool place_fn(struct lower *l, unsigned width, enum ir_access access, uint8_t *ref);

static bool place_NONE(struct lower *l, unsigned width, enum ir_access access, uint8_t *ref)
{
    return false;
}

static bool place_M(struct lower *l, unsigned width, enum ir_access access, uint8_t *ref)
{
    *ref = IR_MEM;
    return lower_map(l, width, access, lower_address(l));
}

static bool place_R(struct lower *l, unsigned width, enum ir_access access, uint8_t *ref)
{
    *ref = lower_reg(l->in->rm, width);
    return true;
}

static bool place_E(struct lower *l, unsigned width, enum ir_access access, uint8_t *ref)
{
    return l->in->is_mem ? place_M(l, width, access, ref) : place_R(l, width, access, ref);
}

static bool place_G(struct lower *l, unsigned width, enum ir_access access, uint8_t *ref)
{
    *ref = lower_reg(l->in->reg, width);
    return true;
}

static bool place_I(struct lower *l, unsigned width, enum ir_access access, uint8_t *ref)
{
    *ref = IR_IMM;
    l->imm = l->in->imm;
    return true;
}

static bool place_CONST(struct lower *l, unsigned width, enum ir_access access, uint8_t *ref)
{
    *ref = IR_IMM;
    l->imm = 1;
    return true;
}

static bool place_AX(struct lower *l, unsigned width, enum ir_access access, uint8_t *ref)
{
    *ref = IR_EAX;
    return true;
}

static bool place_CL(struct lower *l, unsigned width, enum ir_access access, uint8_t *ref)
{
    *ref = IR_ECX;
    return true;
}

/* Registers of the host's units: ModRM names them. */
static bool place_unit_reg(struct lower *l, unsigned width, enum ir_access access, uint8_t *ref)
{
    *ref = IR_NONE;
    return true;
}

static bool place_unit_rm(struct lower *l, unsigned width, enum ir_access access, uint8_t *ref)
{
    return (l->in->is_mem ? place_M : place_unit_reg)(l, width, access, ref);
}
#define place_Q   place_unit_rm
#define place_W   place_unit_rm
#define place_P   place_unit_reg
#define place_N   place_unit_reg
#define place_V   place_unit_reg
#define place_U   place_unit_reg
#define place_ST0 place_unit_reg
#define place_STI place_unit_reg

/* The decoder gives Z operands in the reg field, moffs as an address without base and index. */
#define place_Z  place_G
#define place_O  place_M
#define place_AL place_AX
/* Not lowered, or by rules that know where they are. */
#define place_J   place_NONE
#define place_A   place_NONE
#define place_X   place_NONE
#define place_Y   place_NONE
#define place_S   place_NONE
#define place_C   place_NONE
#define place_D   place_NONE
#define place_AH  place_NONE
#define place_DX  place_NONE
#define place_SEG place_NONE
#define place_F   place_NONE

static const struct {
    place_fn *place;
    uint8_t width;
} letters_info[] = {
#define OPERAND(letters, where, width) {place_##where, width},
    OPERAND_LIST(OPERAND)
#undef OPERAND
};

unsigned lower_width(const struct lower *l, unsigned i)
{
    unsigned width = letters_info[l->row->operand[i]].width;

    return width ? width : lower_opsize(l);
}

bool lower_operand(struct lower *l, unsigned i, enum ir_access access, uint8_t *ref)
{
    return letters_info[l->row->operand[i]].place(l, lower_width(l, i), access, ref);
}

/* ---- memory ---- */

static uint8_t address_reg(unsigned gpr)
{
    return (uint8_t)(gpr == GPR_NONE ? IR_NONE : gpr);
}

struct lower_address lower_address(const struct lower *l)
{
    const struct insn *in = l->in;

    return (struct lower_address){
        .seg = in->seg,
        .base = address_reg(in->base),
        .index = address_reg(in->index),
        .scale = in->scale,
        .addr16 = in->addr_mask == 0xffff,
        .disp = in->base == GPR_NONE && in->index == GPR_NONE ? in->disp & in->addr_mask : in->disp,
    };
}

struct lower_address lower_stack_address(const struct lower *l, uint8_t base, uint32_t disp)
{
    return (struct lower_address){.seg = SS, .base = base, .index = IR_NONE, .addr16 = !l->mode->stack32, .disp = disp};
}

static void set_address(struct ir_op *op, struct lower_address a)
{
    op->base = a.base;
    op->index = a.index;
    op->scale = a.scale;
    op->addr16 = a.addr16;
    op->imm = a.disp;
}

bool lower_knows(struct lower *l, unsigned parts)
{
    l->ir->asked |= (uint8_t)(l->mode->unasked & parts);
    return !(l->mode->unasked & parts);
}

bool lower_knows_segment(struct lower *l, unsigned seg)
{
    return lower_knows(l, seg == FS ? X86_MODE_FS : seg == GS ? X86_MODE_GS : 0);
}

/* May the access be made with no more checks than a MAP does? */
static bool access_is_plain(const struct x86_mode *mode, unsigned width, enum ir_access access, struct lower_address a)
{
    /* A code segment is never writable in protected mode, whatever its class says about reading. */
    if (a.seg == CS && access != IR_READ && mode->protected_mode && !mode->v86)
        return false;
    switch (mode->seg[a.seg]) {
    case SEG_CLASS_FLAT:
    case SEG_CLASS_BASED:
    case SEG_CLASS_CHECKED:
        return true;
    case SEG_CLASS_64K: /* ten bytes may wrap and be aligned for all that */
        return a.addr16 && width != 10;
    default:
        return false;
    }
}

bool lower_map(struct lower *l, unsigned width, enum ir_access access, struct lower_address a)
{
    struct ir_op *op;

    if (width > 16 || !lower_knows_segment(l, a.seg) || !access_is_plain(l->mode, width, access, a))
        return false;
    op = ir_add(l->ir, IR_MAP, width);
    set_address(op, a);
    op->seg = a.seg;
    op->arg = (uint8_t)access;
    op->align = l->row->checks & ALIGN16 ? 16 : 0;
    return true;
}

void lower_lea(struct lower *l, unsigned width, uint8_t dst, struct lower_address a)
{
    struct ir_op *op = ir_add(l->ir, IR_LEA, width);

    op->dst = dst;
    set_address(op, a);
}

/* ---- operations ---- */

struct ir_op *lower_op(struct lower *l, enum ir_opcode opcode, unsigned width, uint8_t dst, uint8_t src)
{
    struct ir_op *op = ir_add(l->ir, opcode, width);

    op->dst = dst;
    op->src = src;
    if (src == IR_IMM)
        op->imm = width < 4 ? l->imm & ((1u << 8 * width) - 1) : l->imm;
    return op;
}

unsigned lower_condition(const struct lower *l)
{
    return l->in->opcode & 15;
}

bool lower_nothing(struct lower *l)
{
    return true;
}

bool lower_two(struct lower *l)
{
    uint8_t dst, src;

    if (!lower_operand(l, 0, l->rule->access, &dst) || !lower_operand(l, 1, IR_READ, &src))
        return false;
    lower_op(l, l->rule->opcode, lower_width(l, 0), dst, src);
    return true;
}
