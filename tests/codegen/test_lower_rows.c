/*
 * Lowers every row of the ISA table in every operand and address size, with register and memory operands, in every kind
 * of segment, and holds what comes out against the IR's rules and against the row.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "frontend/x86/cpu.h"
#include "frontend/x86/insn.h"
#include "frontend/x86/lower.h"

#define ALL_FEATURES 0xffffffffu

enum { FIRST_OFFSET = 0x123 }; /* of the instruction in its page */

static const struct x86_mode flat32 = {
    .code32 = true, .stack32 = true, .protected_mode = true, .x87_native = true, .sse_native = true};

/* ---- every instruction there is, but for the registers within a form ---- */

struct bytes {
    uint8_t b[32];
    unsigned n;
};

static void put(struct bytes *to, unsigned byte)
{
    to->b[to->n++] = (uint8_t)byte;
}

/* The prefixes that choose among a form's sizes; `sizes` bit 0: 66, bit 1: 67. */
static struct bytes prefixes(const struct isa_row *row, unsigned sizes)
{
    static const uint8_t mandatory[] = {
        [PREFIX_P66] = 0x66, [PREFIX_PF3] = 0xf3, [PREFIX_PF2] = 0xf2, [PREFIX_ANY] = 0, [PREFIX_NP] = 0};
    struct bytes code = {.n = 0};

    if (sizes & 2)
        put(&code, 0x67);
    if ((sizes & 1) && row->prefix != PREFIX_P66 && row->prefix != PREFIX_NP)
        put(&code, 0x66);
    if (mandatory[row->prefix])
        put(&code, mandatory[row->prefix]);
    return code;
}

static void put_opcode(struct bytes *code, const struct isa_row *row, unsigned plus)
{
    static const uint8_t third[] = {[MAP_0F38] = 0x38, [MAP_0F3A] = 0x3a};

    if (row->map != MAP_1B)
        put(code, 0x0f);
    if (row->map > MAP_0F)
        put(code, third[row->map]);
    put(code, row->opcode + plus);
}

/* SIB, displacement and immediate, whatever of them there is: [ebx + ecx * 4 + ...], no nesting for ENTER. */
static void put_rest(struct bytes *code)
{
    for (unsigned i = 0; i < 12; i++)
        put(code, i ? 0x20 * i : 0x8b);
}

typedef void visit_fn(const struct insn *in, bool code32, void *opaque);

static void visit_code(const struct isa_row *row, const struct bytes *code, bool code32, visit_fn *visit, void *opaque)
{
    struct insn in;

    if (decode_insn(&in, code->b, sizeof code->b, code32, ALL_FEATURES) == DECODE_OK && in.row == row - isa_table)
        visit(&in, code32, opaque);
}

static void visit_row(const struct isa_row *row, visit_fn *visit, void *opaque)
{
    bool has_modrm = row->modrm_kind != MODRM_NONE && row->modrm_kind != MODRM_PLUS_R;
    unsigned variants = has_modrm ? 256 : row->modrm_kind == MODRM_PLUS_R ? 8 : 1;

    for (unsigned sizes = 0; sizes < 8; sizes++) {
        for (unsigned v = 0; v < variants; v++) {
            struct bytes code = prefixes(row, sizes);

            put_opcode(&code, row, has_modrm ? 0 : v);
            if (has_modrm)
                put(&code, v);
            put_rest(&code);
            visit_code(row, &code, sizes & 4, visit, opaque);
        }
    }
}

static void visit_all(visit_fn *visit, void *opaque)
{
    for (unsigned i = 0; i < isa_rows; i++)
        visit_row(&isa_table[i], visit, opaque);
}

/* ---- lowering one ---- */

static bool lower_one(struct ir_block *ir, const struct insn *in, const struct x86_mode *mode)
{
    ir_begin(ir, !mode->code32);
    ir->offset[0] = FIRST_OFFSET;
    return x86_lower(ir, in, mode);
}

static const char *name(const struct insn *in)
{
    return isa_table[in->row].name;
}

static void print_insn(const struct insn *in, const struct ir_block *ir)
{
    print_error("row %u %s, width %u, modrm %02x, addresses of %u bits:\n", in->row, name(in), 8u << in->width,
                in->modrm, in->addr_mask == 0xffff ? 16 : 32);
    for (unsigned i = 0; i < ir->n_ops; i++) {
        char text[200];

        ir_print_op(&ir->op[i], text, sizeof text);
        print_error("    %s\n", text);
    }
}

static unsigned failures; /* the first are reported before the test fails */

#define lower_fail(in, ir, ...)                                                                                        \
    do {                                                                                                               \
        if (failures++ < 20) {                                                                                         \
            print_error(__VA_ARGS__);                                                                                  \
            print_error(": ");                                                                                         \
            print_insn(in, ir);                                                                                        \
        }                                                                                                              \
    } while (0)

static void assert_no_failures(void)
{
    unsigned n = failures;

    failures = 0;
    assert_int_equal(n, 0);
}

/* Every mode that is not absurd: sizes, segment classes, native units. */
enum { SEG_CLASSES = SEG_CLASS_OTHER + 1, MODES = SEG_CLASSES * 2 * 2 * 2 };

static struct x86_mode make_mode(unsigned n, bool code32)
{
    struct x86_mode mode = {
        .code32 = code32,
        .stack32 = n & 1,
        .protected_mode = n & 2,
        .x87_native = n & 4,
        .sse_native = n & 4,
    };

    memset(mode.seg, (int)(n >> 3), sizeof mode.seg);
    return mode;
}

static void visit_modes(visit_fn *visit)
{
    visit_all(visit, NULL);
    assert_no_failures();
}

/* ---- the rules ---- */

static void check_rules(const struct insn *in, bool code32, void *opaque)
{
    struct ir_block ir;

    for (unsigned n = 0; n < MODES; n++) {
        struct x86_mode mode = make_mode(n, code32);
        const char *broken;
        unsigned where;

        if (!lower_one(&ir, in, &mode))
            continue;
        if (ir.n_ops > IR_OPS_PER_INSN)
            lower_fail(in, &ir, "too many operations");
        ir.offset[++ir.n_insns] = (uint16_t)(FIRST_OFFSET + in->len);
        if (!ir.n_ops || ir_info[ir.op[ir.n_ops - 1].opcode].effect != IR_EFFECT_END)
            ir_add(&ir, IR_JMP, 0);
        broken = ir_check(&ir, &where);
        if (broken)
            lower_fail(in, &ir, "mode %u, operation %u: %s", n, where, broken);
    }
}

static void every_lowering_keeps_the_rules_of_the_ir(void **state)
{
    visit_modes(check_rules);
}

static void check_refusal(const struct insn *in, bool code32, void *opaque)
{
    struct ir_block ir;

    for (unsigned n = 0; n < MODES; n++) {
        struct x86_mode mode = make_mode(n, code32);

        if (!lower_one(&ir, in, &mode) && (ir.n_ops || ir.n_insns))
            lower_fail(in, &ir, "refused in mode %u, yet appended", n);
    }
}

static void what_is_refused_appends_nothing(void **state)
{
    visit_modes(check_refusal);
}

static void check_privileged(const struct insn *in, bool code32, void *opaque)
{
    const struct isa_row *row = &isa_table[in->row];
    struct x86_mode mode = flat32;
    struct ir_block ir;

    mode.code32 = code32;
    if ((row->sensitive || (row->checks & (CPL0 | IOPL_IF | IOPL_IO | V86_IOPL | PM_ONLY)) || in->rep != REP_NONE ||
         row->ends == ENDS_STATE || row->ends == ENDS_HALT) &&
        lower_one(&ir, in, &mode))
        lower_fail(in, &ir, "lowered");
}

static void sensitive_privileged_and_repeated_instructions_are_refused(void **state)
{
    visit_modes(check_privileged);
}

static void check_ends(const struct insn *in, bool code32, void *opaque)
{
    struct x86_mode mode = flat32;
    struct ir_block ir;
    bool ends;

    mode.code32 = code32;
    if (!lower_one(&ir, in, &mode))
        return;
    ends = ir.n_ops && ir_info[ir.op[ir.n_ops - 1].opcode].effect == IR_EFFECT_END;
    if (ends != (isa_table[in->row].ends == ENDS_JUMP))
        lower_fail(in, &ir, "ends the block or not");
    if (ends && (bool)in->opsize32 != code32)
        lower_fail(in, &ir, "EIP of a size that is not the code segment's");
}

static void jumps_and_only_jumps_end_a_block(void **state)
{
    visit_modes(check_ends);
}

/* ---- memory ---- */

static bool names_memory_only(const struct insn *in) /* LEA, hints, prefetches */
{
    const char *n = name(in);

    return !strcmp(n, "LEA") || !strcmp(n, "NOP") || !strncmp(n, "PREFETCH", 8);
}

/* With the number in a register the operand is where the string begins. */
static bool is_bit_string(const struct insn *in)
{
    return in->is_mem && isa_table[in->row].n_operands == 2 && isa_table[in->row].operand[1] == OPERAND_Gv &&
           !strncmp(name(in), "BT", 2);
}

/* The MAP of the instruction's own memory operand, not the stack's; of a bit string the LEA of its address, and the MAP
 * is of what lies at T1. */
static const struct ir_op *own_map(const struct insn *in, const struct ir_block *ir)
{
    bool is_pop = !strcmp(name(in), "POP");

    for (unsigned i = 0; i < ir->n_ops; i++) {
        const struct ir_op *op = &ir->op[i];

        if (is_bit_string(in) && op->opcode == IR_MAP && (op->seg != in->seg || op->base != IR_T1))
            return NULL;
        if ((is_bit_string(in) ? op->opcode == IR_LEA : op->opcode == IR_MAP && op->seg == in->seg) &&
            op->addr16 == (in->addr_mask == 0xffff) && op->base == (in->base == GPR_NONE ? IR_NONE : in->base) &&
            op->index == (in->index == GPR_NONE ? IR_NONE : in->index) && op->scale == in->scale &&
            (op->imm == in->disp || (is_pop && in->base == ESP)))
            return op;
    }
    return NULL;
}

static void check_address(const struct insn *in, bool code32, void *opaque)
{
    struct x86_mode mode = flat32;
    struct ir_block ir;

    mode.code32 = code32;
    if (in->is_mem && !names_memory_only(in) && lower_one(&ir, in, &mode) && !own_map(in, &ir))
        lower_fail(in, &ir, "the memory operand is not mapped");
}

static void memory_operands_are_mapped_where_the_decoder_says(void **state)
{
    visit_modes(check_address);
}

static void check_no_segment(const struct insn *in, bool code32, void *opaque)
{
    struct x86_mode mode = flat32;
    struct ir_block ir;

    mode.code32 = code32;
    memset(mode.seg, SEG_CLASS_OTHER, sizeof mode.seg);
    if (!lower_one(&ir, in, &mode))
        return;
    for (unsigned i = 0; i < ir.n_ops; i++)
        if (ir.op[i].opcode == IR_MAP)
            lower_fail(in, &ir, "an access without the interpreter");
}

static void segments_that_need_checks_are_never_mapped(void **state)
{
    visit_modes(check_no_segment);
}

static void check_64k(const struct insn *in, bool code32, void *opaque)
{
    struct x86_mode mode = flat32;
    struct ir_block ir;

    mode.code32 = code32;
    memset(mode.seg, SEG_CLASS_64K, sizeof mode.seg);
    for (unsigned stack = 0; stack < 2; stack++) {
        mode.stack32 = stack;
        if (!lower_one(&ir, in, &mode))
            continue;
        for (unsigned i = 0; i < ir.n_ops; i++) {
            const struct ir_op *op = &ir.op[i];

            if (op->opcode == IR_MAP && (!op->addr16 || (op->width & (op->width - 1))))
                lower_fail(in, &ir, "an access that may pass the limit unnoticed");
        }
    }
}

static void segments_of_64k_are_mapped_with_16_bit_offsets_only(void **state)
{
    visit_modes(check_64k);
}

static void check_code_segment(const struct insn *in, bool code32, void *opaque)
{
    struct x86_mode mode = flat32;
    struct insn overridden = *in;
    struct ir_block ir;

    mode.code32 = code32;
    overridden.seg = CS;
    if (!lower_one(&ir, &overridden, &mode))
        return;
    for (unsigned i = 0; i < ir.n_ops; i++)
        if (ir.op[i].opcode == IR_MAP && ir.op[i].seg == CS && ir.op[i].arg != IR_READ)
            lower_fail(in, &ir, "a write through CS");
}

static void code_segments_are_not_written_in_protected_mode(void **state)
{
    visit_modes(check_code_segment);
}

/* A backend may form the address again whenever IR_MEM is named. */
static void check_address_lives(const struct insn *in, bool code32, void *opaque)
{
    static const uint16_t low_half[] = {[IR_AH] = IR_EAX, [IR_CH] = IR_ECX, [IR_DH] = IR_EDX, [IR_BH] = IR_EBX};
    struct x86_mode mode = flat32;
    struct ir_block ir;
    uint32_t written = 0;
    const struct ir_op *map = NULL;

    mode.code32 = code32;
    if (!lower_one(&ir, in, &mode))
        return;
    for (unsigned i = 0; i < ir.n_ops; i++) {
        const struct ir_op *op = &ir.op[i];

        if (op->opcode == IR_MAP) {
            map = op;
            written = 0;
            continue;
        }
        if (map && (op->dst == IR_MEM || op->src == IR_MEM) && (written & (1u << map->base | 1u << map->index)))
            lower_fail(in, &ir, "operation %u names memory whose address has changed", i);
        if (op->dst < IR_MEM && ir_info[op->opcode].format != IR_FORMAT_SRC_SRC)
            written |= 1u << (op->dst >= IR_AH && op->dst <= IR_BH ? low_half[op->dst] : op->dst);
        written &= ~(1u << IR_NONE);
    }
}

static void registers_of_an_address_keep_until_memory_is_done_with(void **state)
{
    visit_modes(check_address_lives);
}

/* ---- against the row ---- */

/* The columns of ir.def are for all counts; OF is defined for a count of 1. */
static bool shifts_by_one(const struct ir_op *op)
{
    return ir_info[op->opcode].format == IR_FORMAT_DST_COUNT && op->src == IR_IMM && op->imm == 1;
}

static void check_flags(const struct insn *in, bool code32, void *opaque)
{
    const struct isa_row *row = &isa_table[in->row];
    /* DF is the mode's; only operations of its own change it. */
    const unsigned written = row->flags_written & ~(unsigned)F_D, read = row->flags_read & ~(unsigned)F_D;
    struct x86_mode mode = flat32;
    struct ir_block ir;
    unsigned defines = 0, touches = 0, reads = 0;

    mode.code32 = code32;
    if (!lower_one(&ir, in, &mode))
        return;
    for (unsigned i = 0; i < ir.n_ops; i++) {
        const struct ir_op_info *info = &ir_info[ir.op[i].opcode];

        if (ir.op[i].opcode == IR_UNIT) /* its flags are the row's */
            return;
        reads |= info->reads;
        defines |= info->defines | (shifts_by_one(&ir.op[i]) ? IR_F_O : 0);
        touches |= info->defines | info->undefines;
    }
    /* A count of 0 touches nothing; else what the row writes is touched and nothing else is. */
    if (touches & ~(written | row->flags_undefined))
        lower_fail(in, &ir, "changes flags that the instruction keeps");
    if (touches && (written & ~touches))
        lower_fail(in, &ir, "keeps flags that the instruction changes");
    if (!touches && written && ir.n_ops && ir.op[ir.n_ops - 1].opcode != IR_MAP)
        lower_fail(in, &ir, "changes no flags");
    if (touches && (written & ~row->flags_undefined & ~defines))
        lower_fail(in, &ir, "leaves undefined what the instruction defines");
    /* A row reads all flags too where a count of 0 keeps them; strings that are not repeated have none. */
    if (!row->flags_undefined && touches && !(row->checks & REP_OK) && (read & ~reads))
        lower_fail(in, &ir, "does not read the flags that the instruction reads");
}

static void flags_change_as_the_row_says(void **state)
{
    visit_modes(check_flags);
}

static void check_unit(const struct insn *in, bool code32, void *opaque)
{
    const struct isa_row *row = &isa_table[in->row];
    struct x86_mode mode = flat32;
    struct ir_block ir;

    mode.code32 = code32;
    mode.x87_native = mode.sse_native = false;
    if ((row->checks & (FPU_NM | MMX_NM | SSE_NM | WAIT_NM)) && lower_one(&ir, in, &mode))
        lower_fail(in, &ir, "lowered without a unit");
    mode.x87_native = true;
    if ((row->checks & SSE_NM) && lower_one(&ir, in, &mode))
        lower_fail(in, &ir, "lowered without SSE");
    mode.x87_native = false;
    mode.sse_native = true;
    if ((row->checks & (FPU_NM | MMX_NM | WAIT_NM)) && lower_one(&ir, in, &mode))
        lower_fail(in, &ir, "lowered without x87");
}

static void units_that_are_not_native_are_refused(void **state)
{
    visit_modes(check_unit);
}

static void check_alignment(const struct insn *in, bool code32, void *opaque)
{
    const struct isa_row *row = &isa_table[in->row];
    struct x86_mode mode = flat32;
    struct ir_block ir;

    mode.code32 = code32;
    if (!lower_one(&ir, in, &mode))
        return;
    for (unsigned i = 0; i < ir.n_ops; i++)
        if (ir.op[i].opcode == IR_MAP && ir.op[i].align != (row->checks & ALIGN16 ? 16 : 0))
            lower_fail(in, &ir, "alignment");
}

static void only_aligned_rows_ask_for_alignment(void **state)
{
    visit_modes(check_alignment);
}

/* ---- which rows there are ---- */

static void note_lowered(const struct insn *in, bool code32, void *opaque)
{
    struct x86_mode mode = flat32;
    struct ir_block ir;
    bool *is_lowered = opaque;

    mode.code32 = code32;
    if (lower_one(&ir, in, &mode))
        is_lowered[in->row] = true;
}

/* Innocent instructions that the interpreter runs all the same. */
static bool is_called_out(const struct isa_row *row)
{
    static const char *const names[] = {
        "DAA",    "DAS",    "AAA",     "AAS",    "AAM",    "AAD",      "BOUND",
        "UD0",    "UD1",    "UD2",     "FNINIT", "FLDENV", "FNSTENV",  "FNSAVE",
        "FRSTOR", "FXSAVE", "FXRSTOR", "FBLD",   "FBSTP",  "MASKMOVQ", "MASKMOVDQU",
    };

    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++)
        if (!strcmp(row->name, names[i]))
            return true;
    return false;
}

static void every_innocent_row_is_lowered_but_those_named_here(void **state)
{
    bool is_lowered[2048] = {false};

    assert_true(isa_rows < 2048);
    visit_all(note_lowered, is_lowered);
    for (unsigned i = 0; i < isa_rows; i++) {
        const struct isa_row *row = &isa_table[i];

        /* MOVSD and CMPSD are names of SSE2 rows too; those of the strings are MOVS and CMPS. */
        if (!row->sensitive && is_lowered[i] == is_called_out(row)) {
            print_error("row %u %s is %slowered\n", i, row->name, is_lowered[i] ? "" : "not ");
            failures++;
        }
    }
    assert_no_failures();
}

static void rows_that_do_not_exist_are_refused(void **state)
{
    struct insn in = {.row = ISA_ROW_UD};
    struct ir_block ir;

    assert_false(lower_one(&ir, &in, &flat32));
}

static int set_up(void **state)
{
    decode_init();
    x86_lower_init();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_lowering_keeps_the_rules_of_the_ir),
        cmocka_unit_test(what_is_refused_appends_nothing),
        cmocka_unit_test(sensitive_privileged_and_repeated_instructions_are_refused),
        cmocka_unit_test(jumps_and_only_jumps_end_a_block),
        cmocka_unit_test(memory_operands_are_mapped_where_the_decoder_says),
        cmocka_unit_test(segments_that_need_checks_are_never_mapped),
        cmocka_unit_test(segments_of_64k_are_mapped_with_16_bit_offsets_only),
        cmocka_unit_test(code_segments_are_not_written_in_protected_mode),
        cmocka_unit_test(registers_of_an_address_keep_until_memory_is_done_with),
        cmocka_unit_test(flags_change_as_the_row_says),
        cmocka_unit_test(units_that_are_not_native_are_refused),
        cmocka_unit_test(only_aligned_rows_ask_for_alignment),
        cmocka_unit_test(every_innocent_row_is_lowered_but_those_named_here),
        cmocka_unit_test(rows_that_do_not_exist_are_refused),
    };

    return cmocka_run_group_tests(tests, set_up, NULL);
}
