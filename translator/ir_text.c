/*
 * The IR as text, one operation a line: what is written can be read back. The number of the guest instruction is not
 * part of the line.
 *
 *   add.4 eax, mem          sub.1 ah, 0x20       not.2 t0          setne.1 al
 *   map.4 rw ss:[ebp-0x10]  map.2 r es:[edi+ecx*2+4] a16           map.16 w ds:[0x5000] align16
 *   movzx.4 eax, mem.1      imul3.4 ecx, mem, 0x12                 shld.4 edx, eax, cl
 *   lea.4 esp, [esp+8]      eip.4 t0, +5         jne +0x120        jmp call -0x40
 *   selector.2 t0, es       seg_real.2 ds, t0       popf.2 iret t0
 *   unit 0x2a1 modrm 0xc1 imm 0x5                unit 0x2a1 modrm 0x5 mem
 */
#include "translator/ir.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char register_names[3][8][4] = {
    {"al", "cl", "dl", "bl", "spl", "bpl", "sil", "dil"},
    {"ax", "cx", "dx", "bx", "sp", "bp", "si", "di"},
    {"eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"},
};
static const char other_names[][4] = {"ah", "ch", "dh", "bh", "t0", "t1", "mem"}; /* from IR_AH */

static const char *const condition_names[16] = {
    "o", "no", "b", "ae", "e", "ne", "be", "a", "s", "ns", "p", "np", "l", "ge", "le", "g",
};
static const char *const segment_names[6] = {"es", "cs", "ss", "ds", "fs", "gs"};
static const char *const access_names[3] = {"r", "w", "rw"};
static const char *const jump_names[3] = {"", "call", "ret"};

/* Operations whose text is followed by a condition code. */
static bool has_condition(unsigned format)
{
    return format == IR_FORMAT_DST_CC || format == IR_FORMAT_DST_SRC_CC || format == IR_FORMAT_TARGET_CC;
}
static bool has_jump_kind(unsigned opcode)
{
    return opcode == IR_JMP || opcode == IR_JMPR;
}

/* ---- writing ---- */

struct out {
    char *at;
    unsigned left; /* bytes, the final 0 included */
    int len;       /* as if there had been room */
};

__attribute__((format(printf, 2, 3))) static void put(struct out *o, const char *format, ...)
{
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(o->at, o->left, format, args);
    va_end(args);
    if (n < 0)
        return;
    o->len += n;
    if (o->left) {
        unsigned step = (unsigned)n < o->left ? (unsigned)n : o->left - 1;

        o->at += step;
        o->left -= step;
    }
}

static void put_number(struct out *o, uint32_t value)
{
    put(o, value < 10 ? "%" PRIu32 : "0x%" PRIx32, value);
}
static void put_signed(struct out *o, uint32_t value)
{
    put(o, "%c", value >> 31 ? '-' : '+');
    put_number(o, value >> 31 ? 0 - value : value);
}

static const char *ref_name(unsigned ref, unsigned width)
{
    if (ref <= IR_EDI)
        return register_names[width == 1 ? 0 : width == 2 ? 1 : 2][ref];
    return ref <= IR_MEM ? other_names[ref - IR_AH] : "?";
}
static void put_ref(struct out *o, const struct ir_op *op, unsigned ref, unsigned width)
{
    if (ref == IR_IMM)
        put_number(o, op->imm);
    else
        put(o, "%s", ref_name(ref, width));
}

static void put_address(struct out *o, const struct ir_op *op)
{
    bool any = false;

    put(o, "[");
    if (op->base != IR_NONE) {
        put(o, "%s", ref_name(op->base, 4));
        any = true;
    }
    if (op->index != IR_NONE) {
        put(o, "%s%s*%u", any ? "+" : "", ref_name(op->index, 4), 1u << (op->scale & 31));
        any = true;
    }
    if (!any)
        put_number(o, op->imm);
    else if (op->imm)
        put_signed(o, op->imm);
    put(o, "]%s", op->addr16 ? " a16" : "");
}

static void put_count(struct out *o, const struct ir_op *op, bool in_ecx)
{
    put(o, ", ");
    if (in_ecx)
        put(o, "cl");
    else
        put_number(o, op->imm);
}

static void put_operands(struct out *o, const struct ir_op *op, unsigned format)
{
    switch (format) {
    case IR_FORMAT_DST:
    case IR_FORMAT_DST_CC:
        put_ref(o, op, op->dst, op->width);
        break;
    case IR_FORMAT_SRC:
        put_ref(o, op, op->src, op->width);
        break;
    case IR_FORMAT_DST_SRC:
    case IR_FORMAT_SRC_SRC:
    case IR_FORMAT_DST_SRC_CC:
    case IR_FORMAT_DST_SRC_IMM:
    case IR_FORMAT_DST_SRC_COUNT:
        put_ref(o, op, op->dst, op->width);
        put(o, ", ");
        put_ref(o, op, op->src, op->width);
        if (format == IR_FORMAT_DST_SRC_IMM)
            put_count(o, op, false);
        if (format == IR_FORMAT_DST_SRC_COUNT)
            put_count(o, op, op->arg != 0);
        break;
    case IR_FORMAT_DST_SRC_FROM:
        put_ref(o, op, op->dst, op->width);
        put(o, ", ");
        put_ref(o, op, op->src, op->arg);
        if (op->src >= IR_T0) /* a register's name says its width */
            put(o, ".%u", op->arg);
        break;
    case IR_FORMAT_DST_COUNT:
        put_ref(o, op, op->dst, op->width);
        put_count(o, op, op->src == IR_ECX);
        break;
    case IR_FORMAT_DST_EA:
        put_ref(o, op, op->dst, op->width);
        put(o, ", ");
        put_address(o, op);
        break;
    case IR_FORMAT_DST_IMM:
        put_ref(o, op, op->dst, op->width);
        put(o, ", ");
        put_signed(o, op->imm);
        break;
    case IR_FORMAT_DST_SREG:
        put_ref(o, op, op->dst, op->width);
        put(o, ", %s", op->arg < 6 ? segment_names[op->arg] : "?");
        break;
    case IR_FORMAT_SRC_SREG:
        put(o, "%s, ", op->arg < 6 ? segment_names[op->arg] : "?");
        put_ref(o, op, op->src, op->width);
        break;
    case IR_FORMAT_EA:
        put(o, "%s %s:", op->arg <= IR_UPDATE ? access_names[op->arg] : "?",
            op->seg < 6 ? segment_names[op->seg] : "?");
        put_address(o, op);
        if (op->align)
            put(o, " align%u", op->align);
        break;
    case IR_FORMAT_UNIT:
        put_number(o, op->imm & 0xffff);
        put(o, " modrm ");
        put_number(o, op->arg);
        if (op->imm >> 16) {
            put(o, " imm ");
            put_number(o, op->imm >> 16);
        }
        if (op->src == IR_MEM)
            put(o, " mem");
        break;
    case IR_FORMAT_TARGET:
    case IR_FORMAT_TARGET_CC:
        put_signed(o, op->imm);
        break;
    case IR_FORMAT_TARGET_SRC:
        put_ref(o, op, op->src, op->width);
        put(o, ", ");
        put_signed(o, op->imm);
        break;
    default:
        break;
    }
}

int ir_print_op(const struct ir_op *op, char *out, unsigned size)
{
    struct out o = {out, size, 0};
    const struct ir_op_info *info;

    if (size)
        out[0] = 0;
    if (op->opcode >= IR_OPCODES) {
        put(&o, "opcode %u", op->opcode);
        return o.len;
    }
    info = &ir_info[op->opcode];
    put(&o, "%s%s", info->text, has_condition(info->format) ? condition_names[op->arg & 15] : "");
    if (op->width)
        put(&o, ".%u", op->width);
    if (has_jump_kind(op->opcode) && op->arg)
        put(&o, " %s", op->arg <= IR_JUMP_RET ? jump_names[op->arg] : "?");
    if (op->opcode == IR_POPF && op->arg)
        put(&o, " iret");
    if (info->format != IR_FORMAT_NONE)
        put(&o, " ");
    put_operands(&o, op, info->format);
    return o.len;
}

/* ---- reading ---- */

struct in {
    const char *at;
    const char *error; /* the first one */
};

static void fail(struct in *in, const char *error)
{
    if (!in->error)
        in->error = error;
}

static void skip_spaces(struct in *in)
{
    while (*in->at == ' ' || *in->at == '\t')
        in->at++;
}
/* Takes `symbol` if it comes next. */
static bool accept(struct in *in, char symbol)
{
    skip_spaces(in);
    if (*in->at != symbol)
        return false;
    in->at++;
    return true;
}
static void expect(struct in *in, char symbol, const char *error)
{
    if (!accept(in, symbol))
        fail(in, error);
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}
/* Length of the word that comes next. */
static size_t peek_word(struct in *in)
{
    size_t n = 0;

    skip_spaces(in);
    while (is_word(in->at[n]))
        n++;
    return n;
}
static bool accept_word(struct in *in, const char *word)
{
    size_t n = peek_word(in);

    if (n != strlen(word) || memcmp(in->at, word, n) != 0)
        return false;
    in->at += n;
    return true;
}
/* Which of `n` names comes next; `n` if none does. */
static unsigned accept_name(struct in *in, const char *const *names, unsigned n)
{
    unsigned i = 0;

    while (i < n && !(names[i][0] && accept_word(in, names[i])))
        i++;
    return i;
}

static uint32_t read_number(struct in *in)
{
    unsigned long long value;
    size_t n = peek_word(in);
    char *end;

    if (n == 0 || n > 10 || in->at[0] < '0' || in->at[0] > '9') {
        fail(in, "a number is expected");
        return 0;
    }
    value = strtoull(in->at, &end, 0);
    if (end != in->at + n || value > UINT32_MAX)
        fail(in, "not a number of 32 bits");
    in->at += n;
    return (uint32_t)value;
}
static uint32_t read_signed(struct in *in)
{
    if (accept(in, '-'))
        return 0 - read_number(in);
    expect(in, '+', "a sign is expected");
    return read_number(in);
}
static uint8_t read_byte(struct in *in)
{
    uint32_t value = read_number(in);

    if (value > 0xff)
        fail(in, "the number has more than a byte");
    return (uint8_t)value;
}

/* Takes the name of a register, temporary or MEM; *width is the width it tells, 0 for temporaries and MEM. IR_NONE if
 * there is none. */
static uint8_t accept_ref(struct in *in, unsigned *width)
{
    for (unsigned w = 0; w < 3; w++)
        for (unsigned i = 0; i < 8; i++)
            if (accept_word(in, register_names[w][i])) {
                *width = 1u << w;
                return (uint8_t)i;
            }
    for (unsigned i = IR_AH; i <= IR_MEM; i++)
        if (accept_word(in, other_names[i - IR_AH])) {
            *width = i < IR_T0 ? 1 : 0;
            return (uint8_t)i;
        }
    return IR_NONE;
}
/* An operand of the operation's width; a number becomes IR_IMM. */
static uint8_t read_ref(struct in *in, struct ir_op *op)
{
    unsigned width = 0;
    uint8_t ref = accept_ref(in, &width);

    if (ref == IR_NONE) {
        op->imm = read_number(in);
        return IR_IMM;
    }
    if (width && width != op->width)
        fail(in, "the register is not of the operation's width");
    return ref;
}
static void read_comma(struct in *in)
{
    expect(in, ',', "a comma is expected");
}

/* The source of a widening move: its width is in the name, or behind a dot. */
static void read_from(struct in *in, struct ir_op *op)
{
    unsigned width = 0;

    op->src = accept_ref(in, &width);
    if (op->src == IR_NONE)
        fail(in, "a register or mem is expected");
    if (width == 0) {
        expect(in, '.', "the width of the source is expected");
        width = read_byte(in);
    }
    op->arg = (uint8_t)width;
}

static uint8_t read_address_part(struct in *in)
{
    unsigned width = 0;
    uint8_t ref = accept_ref(in, &width);

    if (ref != IR_NONE && (ref == IR_MEM || (width != 4 && width != 0)))
        fail(in, "not a register of an address");
    return ref;
}
static void read_index(struct in *in, struct ir_op *op, uint8_t ref)
{
    uint32_t factor = read_number(in);

    op->index = ref;
    while (op->scale < 3 && 1u << op->scale != factor)
        op->scale++;
    if (1u << op->scale != factor)
        fail(in, "an index is scaled by 1, 2, 4 or 8");
}

/* "[" base, index * factor, displacement "]" */
static void read_address(struct in *in, struct ir_op *op)
{
    uint8_t ref;

    expect(in, '[', "an address is expected");
    ref = read_address_part(in);
    if (ref == IR_NONE) {
        op->imm = read_number(in);
    } else {
        bool more = true;

        if (accept(in, '*')) {
            read_index(in, op, ref);
        } else {
            const char *start = in->at;

            op->base = ref;
            if (accept(in, '+') && (ref = read_address_part(in)) != IR_NONE) {
                expect(in, '*', "an index is followed by its factor");
                read_index(in, op, ref);
            } else {
                in->at = start;
            }
        }
        skip_spaces(in);
        more = *in->at == '+' || *in->at == '-';
        if (more)
            op->imm = read_signed(in);
    }
    expect(in, ']', "the address does not end");
    op->addr16 = accept_word(in, "a16");
}

static void read_count(struct in *in, struct ir_op *op, bool *in_ecx)
{
    read_comma(in);
    *in_ecx = accept_word(in, "cl");
    if (!*in_ecx)
        op->imm = read_number(in);
}

static void read_map(struct in *in, struct ir_op *op)
{
    op->arg = (uint8_t)accept_name(in, access_names, 3);
    if (op->arg == 3)
        fail(in, "r, w or rw is expected");
    op->seg = (uint8_t)accept_name(in, segment_names, 6);
    if (op->seg == 6)
        fail(in, "a segment register is expected");
    expect(in, ':', "a colon is expected");
    read_address(in, op);
    if (accept_word(in, "align16"))
        op->align = 16;
}

static void read_sreg(struct in *in, struct ir_op *op)
{
    op->arg = (uint8_t)accept_name(in, segment_names, 6);
    if (op->arg == 6)
        fail(in, "a segment register is expected");
}

static void read_unit(struct in *in, struct ir_op *op)
{
    op->imm = read_number(in);
    if (op->imm > 0xffff)
        fail(in, "no such row");
    if (!accept_word(in, "modrm"))
        fail(in, "modrm is expected");
    op->arg = read_byte(in);
    if (accept_word(in, "imm"))
        op->imm |= (uint32_t)read_byte(in) << 16;
    if (accept_word(in, "mem"))
        op->src = IR_MEM;
}

static void read_operands(struct in *in, struct ir_op *op, unsigned format)
{
    bool in_ecx = false;

    switch (format) {
    case IR_FORMAT_DST:
    case IR_FORMAT_DST_CC:
        op->dst = read_ref(in, op);
        break;
    case IR_FORMAT_SRC:
        op->src = read_ref(in, op);
        break;
    case IR_FORMAT_DST_SRC:
    case IR_FORMAT_SRC_SRC:
    case IR_FORMAT_DST_SRC_CC:
        op->dst = read_ref(in, op);
        read_comma(in);
        op->src = read_ref(in, op);
        break;
    case IR_FORMAT_DST_SRC_IMM:
        op->dst = read_ref(in, op);
        read_comma(in);
        op->src = read_ref(in, op);
        read_comma(in);
        op->imm = read_number(in);
        break;
    case IR_FORMAT_DST_SRC_COUNT:
        op->dst = read_ref(in, op);
        read_comma(in);
        op->src = read_ref(in, op);
        read_count(in, op, &in_ecx);
        op->arg = in_ecx;
        break;
    case IR_FORMAT_DST_SRC_FROM:
        op->dst = read_ref(in, op);
        read_comma(in);
        read_from(in, op);
        break;
    case IR_FORMAT_DST_COUNT:
        op->dst = read_ref(in, op);
        read_count(in, op, &in_ecx);
        op->src = in_ecx ? IR_ECX : IR_IMM;
        break;
    case IR_FORMAT_DST_EA:
        op->dst = read_ref(in, op);
        read_comma(in);
        read_address(in, op);
        break;
    case IR_FORMAT_DST_IMM:
        op->dst = read_ref(in, op);
        read_comma(in);
        op->imm = read_signed(in);
        break;
    case IR_FORMAT_DST_SREG:
        op->dst = read_ref(in, op);
        read_comma(in);
        read_sreg(in, op);
        break;
    case IR_FORMAT_SRC_SREG:
        read_sreg(in, op);
        read_comma(in);
        op->src = read_ref(in, op);
        break;
    case IR_FORMAT_EA:
        read_map(in, op);
        break;
    case IR_FORMAT_UNIT:
        read_unit(in, op);
        break;
    case IR_FORMAT_TARGET:
    case IR_FORMAT_TARGET_CC:
        op->imm = read_signed(in);
        break;
    case IR_FORMAT_TARGET_SRC:
        op->src = read_ref(in, op);
        read_comma(in);
        op->imm = read_signed(in);
        break;
    default:
        break;
    }
}

/* The operation's name, and the condition code that some have in it. */
static bool read_opcode(struct in *in, struct ir_op *op)
{
    size_t n = peek_word(in);

    for (unsigned i = 0; i < IR_OPCODES; i++) {
        if (!has_condition(ir_info[i].format) && accept_word(in, ir_info[i].text)) {
            op->opcode = (uint8_t)i;
            return true;
        }
    }
    for (unsigned i = 0; i < IR_OPCODES; i++) {
        size_t len = strlen(ir_info[i].text);

        if (!has_condition(ir_info[i].format) || n <= len || memcmp(in->at, ir_info[i].text, len) != 0)
            continue;
        for (unsigned cc = 0; cc < 16; cc++)
            if (strlen(condition_names[cc]) == n - len && memcmp(in->at + len, condition_names[cc], n - len) == 0) {
                op->opcode = (uint8_t)i;
                op->arg = (uint8_t)cc;
                in->at += n;
                return true;
            }
    }
    return false;
}

bool ir_parse_op(const char *text, struct ir_op *op, const char **error)
{
    struct in in = {text, NULL};

    *op = (struct ir_op){.dst = IR_NONE, .src = IR_NONE, .base = IR_NONE, .index = IR_NONE};
    if (!read_opcode(&in, op)) {
        *error = "no such operation";
        return false;
    }
    if (*in.at == '.') {
        in.at++;
        op->width = read_byte(&in);
    }
    if (has_jump_kind(op->opcode)) {
        op->arg = (uint8_t)accept_name(&in, jump_names, 3);
        if (op->arg == 3)
            op->arg = IR_JUMP_PLAIN;
    }
    if (op->opcode == IR_POPF)
        op->arg = accept_word(&in, "iret");
    read_operands(&in, op, ir_info[op->opcode].format);
    skip_spaces(&in);
    if (*in.at)
        fail(&in, "something follows the operation");
    *error = in.error;
    return in.error == NULL;
}
