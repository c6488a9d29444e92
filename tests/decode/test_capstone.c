/*
 * Our decoder against Capstone: length, validity, name and operands of structured and random byte strings.
 *
 * Where they disagree and a third party (objdump, or the host CPU) sides with us, the form is listed in `exceptions`
 * with the SDM's title. A form listed there is still decoded; only the named kind of difference is forgiven.
 *
 * MORPH86_DECODE_CASES sets the number of cases (default 3 million, a second or two), MORPH86_SEED the seed.
 */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <capstone/capstone.h>

#include "frontend/x86/cpu.h"
#include "frontend/x86/insn.h"

enum { DEFAULT_CASES = 3000000, MAX_REPORTS = 40, MAX_BYTES = 16 };

enum operand_where {
    W_NONE,
    W_E,
    W_R,
    W_G,
    W_Z,
    W_I,
    W_CONST,
    W_J,
    W_A,
    W_O,
    W_M,
    W_X,
    W_Y,
    W_S,
    W_C,
    W_D,
    W_AL,
    W_AH,
    W_AX,
    W_CL,
    W_DX,
    W_SEG,
    W_ST0,
    W_STI,
    W_P,
    W_Q,
    W_N,
    W_V,
    W_W,
    W_U,
    W_F
};
static const uint8_t where[] = {
#define OPERAND(letters, where, width) W_##where,
    OPERAND_LIST(OPERAND)
#undef OPERAND
};
static const uint8_t width[] = {
#define OPERAND(letters, where, width) width,
    OPERAND_LIST(OPERAND)
#undef OPERAND
};

/* ---- where Capstone 4.0.2 is known to be wrong, or to mean something else ---- */

enum difference {
    SAME,
    ONLY_OURS,     /* Capstone finds no instruction */
    ONLY_CAPSTONE, /* we say #UD */
    LENGTH,
    NAME,
    OPERANDS,
};
static const char *const difference_text[] = {[SAME] = "same",
                                              [ONLY_OURS] = "only ours is valid",
                                              [ONLY_CAPSTONE] = "only Capstone's is valid",
                                              [LENGTH] = "length",
                                              [NAME] = "name",
                                              [OPERANDS] = "operands"};

enum { ANY_MODRM = 0, ANY_PREFIX = 0xff };

struct exception {
    enum difference kind;
    uint8_t map, opcode;
    uint8_t modrm_mask, modrm_value;
    uint8_t prefix; /* one that must be present, or ANY_PREFIX */
    const char *source, *why_and_vote;
};

static const struct exception exceptions[] = {
    {ONLY_OURS, MAP_0F, 0x18, 0xc0, 0xc0, ANY_PREFIX, "2B NOP", "reserved hint NOP; host executes it"},
    {ONLY_OURS, MAP_0F, 0x1a, 0, 0, ANY_PREFIX, "2B NOP", "reserved hint NOP; host executes it"},
    {ONLY_OURS, MAP_0F, 0x1b, 0, 0, ANY_PREFIX, "2B NOP", "reserved hint NOP; host executes it"},
    {ONLY_OURS, MAP_0F, 0x1c, 0, 0, ANY_PREFIX, "2B NOP", "reserved hint NOP; host executes it"},
    {ONLY_OURS, MAP_0F, 0x1d, 0, 0, ANY_PREFIX, "2B NOP", "reserved hint NOP; host executes it"},
    {ONLY_OURS, MAP_0F, 0x1e, 0, 0, ANY_PREFIX, "2B NOP", "reserved hint NOP; host executes it"},
    {ONLY_OURS, MAP_0F, 0x1f, 0xc0, 0xc0, ANY_PREFIX, "2B NOP", "register form; host executes it, objdump agrees"},
    {ONLY_OURS, MAP_0F, 0xae, 0xf8, 0xe8, ANY_PREFIX, "2A LFENCE", "rm is ignored; host executes it, objdump agrees"},
    {ONLY_OURS, MAP_0F, 0xae, 0xf8, 0xf0, ANY_PREFIX, "2B MFENCE", "rm is ignored; host executes it"},
    {ONLY_OURS, MAP_0F, 0xae, 0xf8, 0xf8, ANY_PREFIX, "2B SFENCE", "rm is ignored; host executes it"},
    {ONLY_OURS, MAP_0F, 0xff, 0, 0, ANY_PREFIX, "2B UD", "Capstone does not know UD0; #UD either way, objdump agrees"},
    {LENGTH, MAP_0F, 0xb9, 0, 0, ANY_PREFIX, "2B UD", "UD1 has a ModRM byte; #UD either way, objdump agrees"},
    {ONLY_CAPSTONE, MAP_0F, 0x20, 0x38, 0x08, ANY_PREFIX, "2B MOV CRn", "no CR1; host raises #UD"},
    {ONLY_CAPSTONE, MAP_0F, 0x20, 0x28, 0x28, ANY_PREFIX, "2B MOV CRn", "no CR5, CR7; host raises #UD"},
    {ONLY_CAPSTONE, MAP_0F, 0x20, 0x38, 0x30, ANY_PREFIX, "2B MOV CRn", "no CR6; host raises #UD"},
    {ONLY_CAPSTONE, MAP_0F, 0x22, 0x38, 0x08, ANY_PREFIX, "2B MOV CRn", "no CR1; host raises #UD"},
    {ONLY_CAPSTONE, MAP_0F, 0x22, 0x28, 0x28, ANY_PREFIX, "2B MOV CRn", "no CR5, CR7; host raises #UD"},
    {ONLY_CAPSTONE, MAP_0F, 0x22, 0x38, 0x30, ANY_PREFIX, "2B MOV CRn", "no CR6; host raises #UD"},
    {ONLY_CAPSTONE, MAP_1B, 0x8e, 0x38, 0x08, ANY_PREFIX, "2B MOV", "CS is no destination; host raises #UD"},
    {OPERANDS, MAP_1B, 0x8e, 0xc0, 0xc0, ANY_PREFIX, "2B MOV", "r32 shown, its low word used; objdump shows the same"},
    {OPERANDS, MAP_0F, 0x02, 0xc0, 0xc0, ANY_PREFIX, "2A LAR", "r32 shown, its low word used; objdump shows the same"},
    {OPERANDS, MAP_0F, 0x03, 0xc0, 0xc0, ANY_PREFIX, "2A LSL", "r32 shown, its low word used; objdump shows the same"},
    {NAME, MAP_0F, 0xc2, 0, 0, ANY_PREFIX, "2A CMPPS", "predicates 0..7 only in the mnemonic; objdump does the same"},
    {OPERANDS, MAP_0F, 0xc4, 0xc0, 0xc0, ANY_PREFIX, "2B PINSRW",
     "r32 shown, its low word used; objdump shows the same"},
    {OPERANDS, MAP_1B, 0xd4, 0xff, 0x0a, ANY_PREFIX, "2A AAM", "base 10 is not shown; objdump agrees on the length"},
    {OPERANDS, MAP_1B, 0xd5, 0xff, 0x0a, ANY_PREFIX, "2A AAD", "base 10 is not shown; objdump agrees on the length"},
};

/* Capstone's groups of instructions that no model of ours has. */
static const uint8_t absent_groups[] = {
    X86_GRP_VM,       X86_GRP_3DNOW, X86_GRP_AES,   X86_GRP_ADX,    X86_GRP_AVX,  X86_GRP_AVX2,
    X86_GRP_AVX512,   X86_GRP_BMI,   X86_GRP_BMI2,  X86_GRP_F16C,   X86_GRP_FMA,  X86_GRP_FMA4,
    X86_GRP_FSGSBASE, X86_GRP_HLE,   X86_GRP_RTM,   X86_GRP_SHA,    X86_GRP_SSE3, X86_GRP_SSE41,
    X86_GRP_SSE42,    X86_GRP_SSE4A, X86_GRP_SSSE3, X86_GRP_PCLMUL, X86_GRP_XOP,  X86_GRP_CDI,
    X86_GRP_ERI,      X86_GRP_TBM,   X86_GRP_PFI,   X86_GRP_VLX,    X86_GRP_SMAP,
};

/* And those that Capstone puts in no such group. */
static const uint16_t absent_insns[] = {
    X86_INS_CLAC,      X86_INS_STAC,       X86_INS_RDTSCP,    X86_INS_XGETBV,    X86_INS_XSETBV,    X86_INS_SYSCALL,
    X86_INS_SYSRET,    X86_INS_GETSEC,     X86_INS_PREFETCH,  X86_INS_PREFETCHW, X86_INS_MONTMUL,   X86_INS_XSHA1,
    X86_INS_XSHA256,   X86_INS_XSTORE,     X86_INS_XCRYPTECB, X86_INS_XCRYPTCBC, X86_INS_XCRYPTCTR, X86_INS_XCRYPTCFB,
    X86_INS_XCRYPTOFB, X86_INS_CLFLUSHOPT, X86_INS_CLWB,      X86_INS_PCOMMIT,   X86_INS_XSAVE,     X86_INS_XRSTOR,
    X86_INS_XSAVEOPT,  X86_INS_XSAVEC,     X86_INS_XSAVES,    X86_INS_XRSTORS,   X86_INS_INVPCID,   X86_INS_MOVBE,
    X86_INS_FISTTP,    X86_INS_RDRAND,     X86_INS_RDSEED,    X86_INS_MONITOR,   X86_INS_MWAIT,     X86_INS_ENCLS,
    X86_INS_ENCLU,     X86_INS_SWAPGS,     X86_INS_XTEST,     X86_INS_CRC32,     X86_INS_FEMMS,     X86_INS_SKINIT,
    X86_INS_INVLPGA,
};

/* ---- one comparison ---- */

struct opcode_form { /* for reports and the exceptions: found by walking prefixes and escapes anew */
    uint8_t map, opcode, modrm, last_prefixes[MAX_BYTES];
    unsigned prefixes;
};

static bool is_prefix(uint8_t byte)
{
    return memchr("\x26\x2e\x36\x3e\x64\x65\x66\x67\xf0\xf2\xf3", byte, 11) != NULL;
}

static struct opcode_form form_of(const uint8_t *bytes)
{
    struct opcode_form form = {0};
    unsigned i = 0;

    while (i < MAX_BYTES - 4 && is_prefix(bytes[i]))
        form.last_prefixes[form.prefixes++] = bytes[i++];
    if (bytes[i] == 0x0f) {
        form.map = MAP_0F;
        i++;
        if (bytes[i] == 0x38 || bytes[i] == 0x3a)
            form.map = bytes[i++] == 0x38 ? MAP_0F38 : MAP_0F3A;
    }
    form.opcode = bytes[i];
    form.modrm = bytes[i + 1];
    return form;
}

static bool is_excepted(enum difference kind, const uint8_t *bytes, unsigned *hits)
{
    struct opcode_form form = form_of(bytes);

    for (unsigned i = 0; i < sizeof exceptions / sizeof *exceptions; i++) {
        const struct exception *e = &exceptions[i];

        if (e->kind == kind && e->map == form.map && e->opcode == form.opcode &&
            (form.modrm & e->modrm_mask) == e->modrm_value &&
            (e->prefix == ANY_PREFIX || memchr(form.last_prefixes, e->prefix, form.prefixes))) {
            hits[i]++;
            return true;
        }
    }
    return false;
}

static bool needs_absent_feature(const cs_insn *cs, const uint8_t *bytes)
{
    struct opcode_form form = form_of(bytes);

    if (form.map == MAP_1B && memchr("\x62\x8f\xc4\xc5", form.opcode, 4)) /* EVEX, XOP, VEX */
        return true;
    for (unsigned i = 0; i < sizeof absent_insns / sizeof *absent_insns; i++)
        if (cs->id == absent_insns[i])
            return true;
    for (unsigned i = 0; i < cs->detail->groups_count; i++)
        if (memchr(absent_groups, cs->detail->groups[i], sizeof absent_groups))
            return true;
    return false;
}

/*
 * Two rules for whole classes that Capstone does not check. tests/insn/ud_map asks the host CPU about every opcode and
 * ModRM byte under each of these prefixes: there is the third vote.
 *   - LOCK on anything but a memory destination of an instruction that allows it (SDM vol. 2 LOCK)
 *   - a mandatory prefix that the MMX or SSE opcode does not have (SDM vol. 2 "Opcode Map", empty cells)
 */
static bool is_refused_prefix(const uint8_t *bytes)
{
    struct opcode_form form = form_of(bytes);
    bool has_mandatory = memchr(form.last_prefixes, 0x66, form.prefixes) ||
                         memchr(form.last_prefixes, 0xf2, form.prefixes) ||
                         memchr(form.last_prefixes, 0xf3, form.prefixes);

    if (memchr(form.last_prefixes, 0xf0, form.prefixes))
        return true;
    for (const struct isa_row *row = isa_table; has_mandatory && row < isa_table + isa_rows; row++)
        if (row->map == form.map && row->opcode == form.opcode && row->prefix != PREFIX_ANY)
            return true;
    return false;
}

static x86_reg gpr_name(unsigned n, unsigned bytes)
{
    static const x86_reg names[3][8] = {
        {X86_REG_AL, X86_REG_CL, X86_REG_DL, X86_REG_BL, X86_REG_AH, X86_REG_CH, X86_REG_DH, X86_REG_BH},
        {X86_REG_AX, X86_REG_CX, X86_REG_DX, X86_REG_BX, X86_REG_SP, X86_REG_BP, X86_REG_SI, X86_REG_DI},
        {X86_REG_EAX, X86_REG_ECX, X86_REG_EDX, X86_REG_EBX, X86_REG_ESP, X86_REG_EBP, X86_REG_ESI, X86_REG_EDI},
    };

    return names[bytes >> 1][n];
}

static const x86_reg segment_name[] = {X86_REG_ES, X86_REG_CS, X86_REG_SS, X86_REG_DS, X86_REG_FS, X86_REG_GS};

static bool memory_agrees(const struct insn *in, const cs_x86_op *op)
{
    unsigned bytes = in->addr_mask == 0xffff ? 2 : 4;
    x86_reg base = in->base == GPR_NONE ? X86_REG_INVALID : gpr_name(in->base, bytes);
    x86_reg index = in->index == GPR_NONE ? X86_REG_INVALID : gpr_name(in->index, bytes);
    unsigned default_seg = in->base == EBP || (in->base == ESP && bytes == 4) ? SS : DS;
    x86_reg cs_index = op->mem.index == X86_REG_EIZ ? X86_REG_INVALID : op->mem.index;
    x86_reg seg = op->mem.segment == X86_REG_INVALID ? segment_name[default_seg] : op->mem.segment;

    return op->mem.base == base && cs_index == index && (index == X86_REG_INVALID || op->mem.scale == 1 << in->scale) &&
           (((uint32_t)op->mem.disp ^ in->disp) & in->addr_mask) == 0 && seg == segment_name[in->seg];
}

static bool register_agrees(const cs_x86_op *op, unsigned reg)
{
    return op->type == X86_OP_REG && op->reg == reg;
}

/* Does Capstone's `op` denote operand `letter` of `in`? `address` is EIP after the instruction. */
static bool operand_agrees(const struct insn *in, unsigned letter, const cs_x86_op *op, uint32_t next_eip, bool code32,
                           bool second_imm)
{
    unsigned bytes = width[letter] ? width[letter] : in->opsize32 ? 4 : 2;
    uint32_t mask = bytes == 1 ? 0xff : bytes == 2 ? 0xffff : 0xffffffff;

    switch (where[letter]) {
    case W_E:
    case W_M:
    case W_Q:
    case W_W:
    case W_R:
    case W_N:
    case W_U:
        if (in->is_mem)
            return op->type == X86_OP_MEM && memory_agrees(in, op);
        if (where[letter] == W_Q || where[letter] == W_N)
            return register_agrees(op, X86_REG_MM0 + in->rm);
        if (where[letter] == W_W || where[letter] == W_U)
            return register_agrees(op, X86_REG_XMM0 + in->rm);
        return register_agrees(op, gpr_name(in->rm, bytes));
    case W_O:
        return op->type == X86_OP_MEM && memory_agrees(in, op);
    case W_G:
    case W_Z:
        return register_agrees(op, gpr_name(in->reg, bytes));
    case W_S:
        return in->reg < SREGS && register_agrees(op, segment_name[in->reg]);
    case W_C:
        return register_agrees(op, X86_REG_CR0 + in->reg);
    case W_D:
        return register_agrees(op, X86_REG_DR0 + in->reg);
    case W_P:
        return register_agrees(op, X86_REG_MM0 + in->reg);
    case W_V:
        return register_agrees(op, X86_REG_XMM0 + in->reg);
    case W_STI:
        return register_agrees(op, X86_REG_ST0 + in->rm);
    case W_I:
        if (letter == OPERAND_Ibs)
            mask = in->opsize32 ? 0xffffffff : 0xffff;
        return op->type == X86_OP_IMM && (((uint32_t)op->imm ^ (second_imm ? in->imm2 : in->imm)) & mask) == 0;
    case W_J: /* Capstone cuts targets to 16 bits in 16-bit code and under 67, whatever the operand size */
        mask = in->opsize32 && in->addr_mask != 0xffff && code32 ? 0xffffffff : 0xffff;
        return op->type == X86_OP_IMM && (((uint32_t)op->imm ^ (next_eip + in->imm)) & mask) == 0;
    default:
        return false;
    }
}

static bool is_encoded(unsigned letter)
{
    static const uint8_t encoded[] = {W_E, W_R, W_M, W_Q, W_N, W_W, W_U,   W_O, W_G,
                                      W_Z, W_S, W_C, W_D, W_P, W_V, W_STI, W_I, W_J};

    return memchr(encoded, where[letter], sizeof encoded) != NULL;
}

/* Each encoded operand of the row must stand among Capstone's, in the row's order; Capstone may list implied ones too.
 */
static bool operands_agree(const struct insn *in, const cs_insn *cs, bool code32)
{
    const struct isa_row *row = &isa_table[in->row];
    const cs_x86 *x86 = &cs->detail->x86;
    uint32_t next_eip = (uint32_t)cs->address + in->len;
    bool any_order = !strcmp(row->name, "XCHG") || !strcmp(row->name, "TEST");
    unsigned next = 0, used = 0, immediates = 0;

    if (row->n_operands && row->operand[0] == OPERAND_Ap)
        return x86->op_count == 2 && x86->operands[0].type == X86_OP_IMM && x86->operands[1].type == X86_OP_IMM &&
               (uint16_t)x86->operands[0].imm == in->imm2 &&
               (((uint32_t)x86->operands[1].imm ^ in->imm) & (in->opsize32 ? 0xffffffff : 0xffff)) == 0;
    for (unsigned i = 0; i < row->n_operands; i++) {
        unsigned letter = row->operand[i], k;

        if (!is_encoded(letter))
            continue;
        for (k = any_order ? 0 : next; k < x86->op_count; k++)
            if (!(used >> k & 1) && operand_agrees(in, letter, &x86->operands[k], next_eip, code32, immediates > 0))
                break;
        if (k == x86->op_count)
            return false;
        next = k + 1;
        used |= 1u << k;
        immediates += where[letter] == W_I;
    }
    return true;
}

/* The row's name and Capstone's mnemonic, which says more about sizes and knows younger names. */
static bool names_agree(const struct isa_row *row, const char *mnemonic)
{
    static const char *const same[][2] = {
        {"JMPF", "LJMP"},
        {"CALLF", "LCALL"},
        {"XLAT", "XLATB"},
        {"FWAIT", "WAIT"},
        {"JCXZ", "JECXZ"},
        {"UD1", "UD2B"},
        {"CWD", "CDQ"},
        {"CBW", "CWDE"},
        {"PUSHF", "PUSHFD"},
        {"POPF", "POPFD"},
        {"PUSHA", "PUSHAL"},
        {"PUSHA", "PUSHAW"},
        {"POPA", "POPAL"},
        {"POPA", "POPAW"},
        {"IRET", "IRETD"},
        {"SHL", "SAL"},
        {"NOP", "PAUSE"},
        {"BSR", "LZCNT"},
        {"BSF", "TZCNT"},
        {"FSTP", "FSTPNCE"},
        {"NOP", "ENDBR32"},
        {"NOP", "ENDBR64"},
        {"FNSETPM", "FSETPM"},
        {"FNENI", "FENI8087_NOP"},
        {"FNDISI", "FDISI8087_NOP"},
    };
    const char *last = strrchr(mnemonic, ' '); /* "rep movsb" */
    char name[CS_MNEMONIC_SIZE];
    size_t n = 0;

    for (const char *p = last ? last + 1 : mnemonic; *p; p++)
        name[n++] = (char)toupper((unsigned char)*p);
    name[n] = 0;
    if (!strcmp(row->name, name))
        return true;
    for (unsigned i = 0; i < sizeof same / sizeof *same; i++)
        if (!strcmp(row->name, same[i][0]) && !strcmp(name, same[i][1]))
            return true;
    n = strlen(row->name);
    return row->checks & REP_OK && !strncmp(row->name, name, n) && strchr("BWD", name[n]);
}

/* Compares our decoding of one byte string with Capstone's of another that is `longer` bytes longer. */
static enum difference compare_with(csh handle, cs_insn *cs, const struct insn *in, bool ours, const uint8_t *bytes,
                                    size_t n, int longer, bool code32)
{
    uint64_t address = 0x1000;
    const uint8_t *next = bytes;
    bool theirs = cs_disasm_iter(handle, &next, &n, &address, cs);

    if (!ours && !theirs)
        return SAME;
    if (ours && !theirs)
        return ONLY_OURS;
    if (!ours)
        return needs_absent_feature(cs, bytes) || is_refused_prefix(bytes) ? SAME : ONLY_CAPSTONE;
    if (in->len != cs->size - longer)
        return LENGTH;
    if (!names_agree(&isa_table[in->row], cs->mnemonic))
        return NAME;
    cs->address = address - in->len; /* of our instruction, so that branch targets match */
    return operands_agree(in, cs, code32) ? SAME : OPERANDS;
}

/*
 * The same instruction in the only spelling that Capstone 4.0.2 understands well: it takes F2 and F3 as mandatory only
 * if they come last, stumbles over repeated or idle prefixes, and sees no mandatory prefix in 16-bit code. Prefixes
 * have no order (SDM vol. 2 "Instruction Prefixes"), so: each once, the last of its group, F2/F3 at the end or nowhere;
 * and a prefixed MMX or SSE opcode of 16-bit code becomes one of 32-bit code, with 67 added or removed. Returns the new
 * length of the prefixes. What this hides from Capstone, test_decode checks by hand and tests/insn/ud_map on the host.
 */
static unsigned canonical(uint8_t *out, const uint8_t *bytes, bool *code32)
{
    struct opcode_form form = form_of(bytes);
    uint8_t seg = 0, rep = 0, lock = 0, has_66 = 0, has_67 = 0;
    bool is_string = form.map == MAP_1B &&
                     ((form.opcode & 0xfc) == 0x6c || (form.opcode & 0xf4) == 0xa4 || (form.opcode & 0xfe) == 0xaa);
    bool is_simd = form.map == MAP_0F &&
                   ((form.opcode >= 0x10 && form.opcode < 0x18) || (form.opcode >= 0x28 && form.opcode < 0x30) ||
                    (form.opcode >= 0x50 && form.opcode < 0x80) || form.opcode == 0xb8 || form.opcode >= 0xc2);
    unsigned n = 0;

    for (unsigned i = 0; i < form.prefixes; i++) {
        switch (bytes[i]) {
        case 0x66:
            has_66 = 0x66;
            break;
        case 0x67:
            has_67 = 0x67;
            break;
        case 0xf0:
            lock = 0xf0;
            break;
        case 0xf2:
        case 0xf3:
            rep = bytes[i];
            break;
        default:
            seg = bytes[i];
            break;
        }
    }
    if (!*code32 && is_simd && (has_66 || rep)) {
        *code32 = true;
        has_67 ^= 0x67;
        if (form.opcode == 0xb8) /* POPCNT has an operand size */
            has_66 ^= 0x66;
    }
    if (rep && is_simd && form.opcode != 0xb8)
        has_66 = 0;
    if (!is_simd && !is_string)
        rep = 0;
    for (unsigned i = 0; i < 5; i++)
        if ((out[n] = ((uint8_t[]){lock, seg, has_67, has_66, rep})[i]))
            n++;
    memcpy(out + n, bytes + form.prefixes, MAX_BYTES - form.prefixes);
    return n;
}

static enum difference compare(const csh handle[2], cs_insn *cs, const uint8_t *bytes, bool code32, struct insn *in)
{
    bool ours = decode_insn(in, bytes, MAX_BYTES, code32, ~0u) == DECODE_OK && in->row != ISA_ROW_UD;
    enum difference kind = compare_with(handle[code32], cs, in, ours, bytes, MAX_BYTES, 0, code32);
    uint8_t again[2 * MAX_BYTES];
    unsigned prefixes = form_of(bytes).prefixes, n;

    if (kind == SAME || !prefixes)
        return kind;
    n = canonical(again, bytes, &code32);
    return compare_with(handle[code32], cs, in, ours, again, n + MAX_BYTES - prefixes, (int)n - (int)prefixes, code32);
}

/* ---- cases ---- */

static uint64_t next_random(uint64_t *seed) /* splitmix64 */
{
    uint64_t z = *seed += 0x9e3779b97f4a7c15;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

/* Some prefixes, an opcode of a random map, ModRM, and a random tail: every form is about equally likely. */
static void make_structured(uint8_t *bytes, uint64_t *seed)
{
    static const uint8_t prefix[16] = {0x66, 0x66, 0x66, 0x67, 0x67, 0xf2, 0xf2, 0xf3,
                                       0xf3, 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0xf0};
    uint64_t r = next_random(seed);
    unsigned n = 0, map = r & 7;

    for (unsigned count = r >> 8 & 3; count && r >> 10 & 1; count--)
        bytes[n++] = prefix[next_random(seed) & 15];
    if (map >= 3)
        bytes[n++] = 0x0f;
    if (map >= 6)
        bytes[n++] = map == 6 ? 0x38 : 0x3a;
    while (n < MAX_BYTES)
        bytes[n++] = (uint8_t)next_random(seed);
}

static void make_random(uint8_t *bytes, uint64_t *seed)
{
    for (unsigned n = 0; n < MAX_BYTES; n++)
        bytes[n] = (uint8_t)next_random(seed);
}

static unsigned long environment_number(const char *name, unsigned long otherwise)
{
    const char *text = getenv(name);

    return text ? strtoul(text, NULL, 0) : otherwise;
}

static void report(enum difference kind, const uint8_t *bytes, bool code32, const struct insn *in, const cs_insn *cs)
{
    char hex[3 * MAX_BYTES + 1];

    for (unsigned i = 0; i < MAX_BYTES; i++)
        snprintf(hex + 3 * i, 4, "%02x ", bytes[i]);
    print_error("%s code%u, %s: ours %u bytes %s, Capstone's %u bytes %s %s\n", hex, code32 ? 32 : 16,
                difference_text[kind], in->len, in->row < isa_rows ? isa_table[in->row].name : "#UD",
                kind == ONLY_OURS ? 0 : cs->size, kind == ONLY_OURS ? "-" : cs->mnemonic,
                kind == ONLY_OURS ? "" : cs->op_str);
}

static void length_and_operands_agree_with_capstone(void **state)
{
    unsigned long cases = environment_number("MORPH86_DECODE_CASES", DEFAULT_CASES);
    uint64_t seed = environment_number("MORPH86_SEED", 1);
    unsigned hits[sizeof exceptions / sizeof *exceptions] = {0};
    unsigned differences = 0;
    csh handle[2];
    cs_insn *cs;

    (void)state;
    for (unsigned code32 = 0; code32 < 2; code32++) {
        assert_int_equal(cs_open(CS_ARCH_X86, code32 ? CS_MODE_32 : CS_MODE_16, &handle[code32]), CS_ERR_OK);
        assert_int_equal(cs_option(handle[code32], CS_OPT_DETAIL, CS_OPT_ON), CS_ERR_OK);
    }
    cs = cs_malloc(handle[0]);
    for (unsigned long i = 0; i < cases; i++) {
        bool code32 = i & 1;
        uint8_t bytes[MAX_BYTES];
        struct insn in;
        enum difference kind;

        if (i % 8 < 6)
            make_structured(bytes, &seed);
        else
            make_random(bytes, &seed);
        kind = compare(handle, cs, bytes, code32, &in);
        if (kind == SAME || is_excepted(kind, bytes, hits))
            continue;
        if (differences++ < environment_number("MORPH86_REPORTS", MAX_REPORTS))
            report(kind, bytes, code32, &in, cs);
    }
    cs_free(cs, 1);
    cs_close(&handle[0]);
    cs_close(&handle[1]);
    assert_int_equal(differences, 0);
    for (unsigned i = 0; i < sizeof exceptions / sizeof *exceptions && cases >= DEFAULT_CASES; i++)
        if (!hits[i])
            fail_msg("exception %u (%s) is no longer needed", i, exceptions[i].source);
}

static void exceptions_are_few_and_justified(void **state)
{
    (void)state;
    assert_true(sizeof exceptions / sizeof *exceptions <= 60);
    for (unsigned i = 0; i < sizeof exceptions / sizeof *exceptions; i++)
        assert_true(exceptions[i].source[0] &&
                    (strstr(exceptions[i].why_and_vote, "host ") || strstr(exceptions[i].why_and_vote, "objdump ")));
}

static int build_decoder(void **state)
{
    (void)state;
    decode_init();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(length_and_operands_agree_with_capstone),
        cmocka_unit_test(exceptions_are_few_and_justified),
    };

    return cmocka_run_group_tests(tests, build_decoder, NULL);
}
