/*
 * Instruction decoder: bytes to struct insn, by tables computed once from the ISA table.
 *
 * Source: SDM vol. 2 "Instruction Format" and "Opcode Map". Names, operands and lengths are compared with Capstone in
 * tests/decode, lengths and #UD with the host CPU in tests/insn/ud_map.
 *
 * Lookup: (map, mandatory-prefix class, opcode) gives a row, or a group when the ModRM byte takes part; a group has one
 * cell per reg field for memory forms and one per ModRM byte for register forms. In each cell the most specific row
 * won.
 *
 * Operation width (insn.width): of the operands in the row's order, the first that is a general register, memory or
 * accumulator decides: letter b is 8 bits, w 16, d 32, anything else the operand size. Immediates, branch distances,
 * segment/control/debug registers, the port in DX, MMX, XMM and x87 registers do not decide (OUT DX,AL is an 8-bit
 * operation, ENTER Iw,Ib has the operand size); without a deciding operand the width is the operand size.
 *
 * Immediates: Ibs, Jb and Jz are sign-extended to 32 bits, others zero-extended. The second immediate of a row is imm2.
 */
#include <assert.h>
#include <string.h>

#include "frontend/x86/cpu.h"
#include "frontend/x86/insn.h"
#include "frontend/x86/interp.h"

enum {
    INSN_MAX_LEN = 15,
    READABLE = 32, /* 15 prefixes, 3 opcode bytes, ModRM, SIB, displacement, 6 bytes of immediate */
    MAPS = MAP_0F3A + 1,
    OPCODES = 256,
};

/* The number of rows, so that tables have their exact size. */
enum {
    ROW_COUNT = 0
#define INSN(map_, opcode_, prefix_, modrm_, name_, operands_, reads_, writes_, undef_, ends_, checks_, sensitive_,    \
             feature_, handler_, source_)                                                                              \
    +1
#include "frontend/x86/isa.def"
#undef INSN
};

/* ---- the tables ---- */

enum prefix_class { CLASS_NP, CLASS_66, CLASS_F3, CLASS_F2, CLASSES };

enum {
    CELLS = 8 + 64,       /* memory forms by reg field, then ModRM C0..FF */
    ENTRY_UD = 0xffff,    /* no row */
    ENTRY_GROUP = 0x8000, /* low bits: which group */
    GROUPS_MAX = 384,
};

struct group {
    uint16_t cell[CELLS]; /* row or ENTRY_UD */
};

enum plan_modrm { PLAN_NO_MODRM, PLAN_MODRM, PLAN_MODRM_REG /* mod is ignored: MOV CRn, DRn */ };

enum plan_imm {
    IMM_NONE,
    IMM_BYTE,
    IMM_BYTE_SIGNED,
    IMM_WORD,
    IMM_OPSIZE,
    IMM_JUMP, /* operand size, sign-extended */
    IMM_ODD,
    IMM_WORD_BYTE = IMM_ODD, /* ENTER */
    IMM_FAR,                 /* offset, selector */
    IMM_MOFFS,               /* not an immediate: the address of a memory operand */
};

/* What decoding needs of a row, compact. Indices [2]: operand size 16, 32. */
struct plan {
    const struct interp_handlers *handlers;
    uint8_t modrm; /* enum plan_modrm */
    uint8_t imm;   /* enum plan_imm */
    uint8_t imm_len[2];
    uint8_t width[2]; /* enum interp_width */
    uint8_t feature;
    bool imm_is_signed : 1, lock_ok : 1, rep_ok : 1, plus_r : 1;
};

/* A ModRM byte with mod < 3; for [SIB], base and segment come from that byte. */
struct address_form {
    uint8_t base, index;
    uint8_t seg : 4, has_sib : 4;
    uint8_t disp_len;
};

/* Built by decode_init from constants alone, the same in every machine of the process, and never written again. */
static struct plan plans[ROW_COUNT];
static uint16_t entries[MAPS][CLASSES][OPCODES];
static struct group groups[GROUPS_MAX];
static unsigned group_count;
static struct address_form address_forms[2][0xc0]; /* 16-bit, 32-bit addressing */
static bool tables_are_built;

enum operand_where {
    WHERE_NONE,
    WHERE_E,
    WHERE_R,
    WHERE_G,
    WHERE_Z,
    WHERE_I,
    WHERE_CONST,
    WHERE_J,
    WHERE_A,
    WHERE_O,
    WHERE_M,
    WHERE_X,
    WHERE_Y,
    WHERE_S,
    WHERE_C,
    WHERE_D,
    WHERE_AL,
    WHERE_AH,
    WHERE_AX,
    WHERE_CL,
    WHERE_DX,
    WHERE_SEG,
    WHERE_ST0,
    WHERE_STI,
    WHERE_P,
    WHERE_Q,
    WHERE_N,
    WHERE_V,
    WHERE_W,
    WHERE_U,
    WHERE_F
};

static const uint8_t operand_where[] = {
#define OPERAND(letters, where, width) WHERE_##where,
    OPERAND_LIST(OPERAND)
#undef OPERAND
};
static const uint8_t operand_width[] = {
#define OPERAND(letters, where, width) width,
    OPERAND_LIST(OPERAND)
#undef OPERAND
};

static bool row_has_where(const struct isa_row *row, unsigned where)
{
    for (unsigned i = 0; i < row->n_operands; i++)
        if (operand_where[row->operand[i]] == where)
            return true;
    return false;
}

static bool row_ignores_mod(const struct isa_row *row)
{
    return row_has_where(row, WHERE_C) || row_has_where(row, WHERE_D);
}

/* Width in bytes by the rule in the header comment; 0 is the operand size. */
static unsigned row_width(const struct isa_row *row)
{
    for (unsigned i = 0; i < row->n_operands; i++) {
        switch (operand_where[row->operand[i]]) {
        case WHERE_E:
        case WHERE_R:
        case WHERE_G:
        case WHERE_Z:
        case WHERE_O:
        case WHERE_M:
        case WHERE_X:
        case WHERE_Y:
        case WHERE_AL:
        case WHERE_AH:
        case WHERE_AX:
        case WHERE_CL:
            return operand_width[row->operand[i]];
        default:
            break;
        }
    }
    return 0;
}

static unsigned interp_width(unsigned bytes, bool operand32)
{
    return bytes == 1 ? WIDTH_8 : bytes == 2 ? WIDTH_16 : bytes == 4 || operand32 ? WIDTH_32 : WIDTH_16;
}

static unsigned row_imm(const struct isa_row *row)
{
    unsigned imm = IMM_NONE;

    for (unsigned i = 0; i < row->n_operands; i++) {
        switch (row->operand[i]) {
        case OPERAND_Ib:
            imm = imm == IMM_WORD ? IMM_WORD_BYTE : IMM_BYTE;
            break;
        case OPERAND_Ibs:
        case OPERAND_Jb:
            imm = IMM_BYTE_SIGNED;
            break;
        case OPERAND_Iw:
            imm = IMM_WORD;
            break;
        case OPERAND_Iz:
            imm = IMM_OPSIZE;
            break;
        case OPERAND_Jz:
            imm = IMM_JUMP;
            break;
        case OPERAND_Ap:
            imm = IMM_FAR;
            break;
        case OPERAND_Ob:
        case OPERAND_Ov:
            imm = IMM_MOFFS;
            break;
        default:
            break;
        }
    }
    return imm;
}

static struct plan make_plan(const struct isa_row *row)
{
    static const uint8_t imm_len16[IMM_ODD] = {0, 1, 1, 2, 2, 2}, imm_len32[IMM_ODD] = {0, 1, 1, 2, 4, 4};
    bool has_modrm = row->modrm_kind != MODRM_NONE && row->modrm_kind != MODRM_PLUS_R;
    unsigned imm = row_imm(row), width = row_width(row);
    struct plan plan = {
        .handlers = row->handlers,
        .modrm = !has_modrm             ? PLAN_NO_MODRM
                 : row_ignores_mod(row) ? PLAN_MODRM_REG
                                        : PLAN_MODRM,
        .imm = imm,
        .imm_is_signed = imm == IMM_BYTE_SIGNED || imm == IMM_JUMP,
        .width = {interp_width(width, false), interp_width(width, true)},
        .feature = row->feature,
        .lock_ok = row->checks & LOCK_OK,
        .rep_ok = row->checks & REP_OK,
        .plus_r = row->modrm_kind == MODRM_PLUS_R,
    };

    if (imm < IMM_ODD) {
        plan.imm_len[0] = imm_len16[imm];
        plan.imm_len[1] = imm_len32[imm];
    }
    return plan;
}

static struct address_form make_form16(unsigned modrm)
{
    static const uint8_t base[8] = {EBX, EBX, EBP, EBP, ESI, EDI, EBP, EBX};
    static const uint8_t index[8] = {ESI, EDI, ESI, EDI, GPR_NONE, GPR_NONE, GPR_NONE, GPR_NONE};
    unsigned mod = modrm >> 6, rm = modrm & 7;

    if (mod == 0 && rm == 6)
        return (struct address_form){.base = GPR_NONE, .index = GPR_NONE, .seg = DS, .disp_len = 2};
    return (struct address_form){
        .base = base[rm], .index = index[rm], .seg = base[rm] == EBP ? SS : DS, .disp_len = (uint8_t)mod};
}

static struct address_form make_form32(unsigned modrm)
{
    unsigned mod = modrm >> 6, rm = modrm & 7;

    if (mod == 0 && rm == EBP)
        return (struct address_form){.base = GPR_NONE, .index = GPR_NONE, .seg = DS, .disp_len = 4};
    return (struct address_form){.base = (uint8_t)rm,
                                 .index = GPR_NONE,
                                 .seg = rm == EBP ? SS : DS,
                                 .has_sib = rm == 4,
                                 .disp_len = mod == 2 ? 4 : (uint8_t)mod};
}

/* How specific a row is about the ModRM byte (or the opcode); higher wins. */
static unsigned row_rank(const struct isa_row *row)
{
    switch (row->modrm_kind) {
    case MODRM_EXACT:
        return 5;
    case MODRM_EXT_MEM:
    case MODRM_EXT_REG:
        return 4;
    case MODRM_EXT:
        return 3;
    case MODRM_RM_MEM:
    case MODRM_RM_REG:
    case MODRM_NONE:
        return 2;
    default:
        return 1;
    }
}

static bool row_takes_class(const struct isa_row *row, unsigned prefix)
{
    switch (row->prefix) {
    case PREFIX_NP:
        return prefix == CLASS_NP;
    case PREFIX_P66:
        return prefix == CLASS_66;
    case PREFIX_PF3:
        return prefix == CLASS_F3;
    case PREFIX_PF2:
        return prefix == CLASS_F2;
    default:
        return true;
    }
}

static bool row_takes_opcode(const struct isa_row *row, unsigned opcode)
{
    return row->modrm_kind == MODRM_PLUS_R ? (opcode & ~7u) == row->opcode : opcode == row->opcode;
}

/* Does the row's ModRM column, together with operands that are memory only, register only or one of six segments, admit
 * this cell? */
static bool row_takes_cell(const struct isa_row *row, unsigned cell)
{
    bool is_mem = cell < 8;
    unsigned reg = is_mem ? cell : (cell - 8) >> 3;

    if (is_mem && !row_ignores_mod(row) &&
        (row_has_where(row, WHERE_R) || row_has_where(row, WHERE_N) || row_has_where(row, WHERE_U)))
        return false;
    if (!is_mem && row_has_where(row, WHERE_M) && row->modrm_kind != MODRM_NONE)
        return false;
    if (reg >= SREGS && row_has_where(row, WHERE_S))
        return false;
    switch (row->modrm_kind) {
    case MODRM_RM_MEM:
        return is_mem;
    case MODRM_RM_REG:
        return !is_mem;
    case MODRM_EXT:
        return reg == row->modrm_value;
    case MODRM_EXT_MEM:
        return is_mem && reg == row->modrm_value;
    case MODRM_EXT_REG:
        return !is_mem && reg == row->modrm_value;
    case MODRM_EXACT:
        return !is_mem && 0xc0 + cell - 8 == row->modrm_value;
    default:
        return true;
    }
}

struct candidates { /* the rows of one opcode */
    uint16_t row[ROW_COUNT];
    unsigned count;
};

static void find_candidates(struct candidates *found, unsigned map, unsigned opcode)
{
    found->count = 0;
    for (unsigned i = 0; i < ROW_COUNT; i++)
        if (isa_table[i].map == map && row_takes_opcode(&isa_table[i], opcode))
            found->row[found->count++] = (uint16_t)i;
}

static struct group find_cells(const struct candidates *rows, unsigned prefix)
{
    uint8_t rank[CELLS] = {0};
    struct group g;

    memset(g.cell, 0xff, sizeof g.cell); /* ENTRY_UD */
    for (unsigned i = 0; i < rows->count; i++) {
        const struct isa_row *row = &isa_table[rows->row[i]];

        for (unsigned c = 0; c < CELLS && row_takes_class(row, prefix); c++) {
            if (row_rank(row) > rank[c] && row_takes_cell(row, c)) {
                rank[c] = (uint8_t)row_rank(row);
                g.cell[c] = rows->row[i];
            }
        }
    }
    return g;
}

static uint16_t make_entry(const struct candidates *rows, unsigned prefix)
{
    struct group g = find_cells(rows, prefix);
    bool is_uniform = true;

    for (unsigned c = 1; c < CELLS; c++)
        is_uniform &= g.cell[c] == g.cell[0];
    if (is_uniform)
        return g.cell[0];
    /* The classes of an opcode usually agree. */
    for (unsigned i = group_count > 8 ? group_count - 8 : 0; i < group_count; i++)
        if (!memcmp(&groups[i], &g, sizeof g))
            return (uint16_t)(ENTRY_GROUP | i);
    assert(group_count < GROUPS_MAX);
    groups[group_count] = g;
    return (uint16_t)(ENTRY_GROUP | group_count++);
}

void decode_init(void)
{
    struct candidates rows;

    _Static_assert((int)ROW_COUNT < (int)ENTRY_GROUP, "rows and groups share a number space");

    if (tables_are_built)
        return;
    for (unsigned i = 0; i < ROW_COUNT; i++)
        plans[i] = make_plan(&isa_table[i]);
    for (unsigned map = 0; map < MAPS; map++) {
        for (unsigned opcode = 0; opcode < OPCODES; opcode++) {
            find_candidates(&rows, map, opcode);
            for (unsigned prefix = 0; prefix < CLASSES; prefix++)
                entries[map][prefix][opcode] = make_entry(&rows, prefix);
        }
    }
    for (unsigned modrm = 0; modrm < 0xc0; modrm++) {
        address_forms[0][modrm] = make_form16(modrm);
        address_forms[1][modrm] = make_form32(modrm);
    }
    tables_are_built = true;
}

/* ---- decoding ---- */

/*
 * Most of the time goes into mispredicted branches, so there are few: the bytes are known to be readable (decode_insn
 * pads a short piece), displacements and immediates are loaded as 32 bits and cut, and the length is checked once at
 * the end.
 */

/* Prefixes as they accumulate. */
struct prefixes {
    bool operand32, address32;
    bool has_66, has_lock;
    uint8_t rep; /* enum insn_rep: the last of F2 and F3 */
    uint8_t seg; /* the last override, or SREGS */
};

ALWAYS_INLINE uint16_t load16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

ALWAYS_INLINE uint32_t load32(const uint8_t *p)
{
    return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24;
}

/* The low `len` bytes (0, 1, 2, 4) at p, sign-extended or zero-extended. */
ALWAYS_INLINE uint32_t load_extended(const uint8_t *p, unsigned len, bool is_signed)
{
    uint64_t value = (uint64_t)load32(p) << (64 - 8 * len) % 64; /* len 0 is cut below */

    value = is_signed ? (uint64_t)((int64_t)value >> (64 - 8 * len) % 64) : value >> (64 - 8 * len) % 64;
    return len ? (uint32_t)value : 0;
}

/* Notes the prefix `byte`; false if it is none. */
ALWAYS_INLINE bool take_prefix(struct prefixes *p, uint8_t byte, bool code32)
{
    /* 26 2E 36 3E, 64..67, F0 F2 F3: one bit per byte value, 32 to a word */
    static const uint32_t is_prefix[8] = {0, 0x40404040, 0, 0xf0, 0, 0, 0, 0x000d0000};

    if (likely(!(is_prefix[byte >> 5] >> (byte & 31) & 1)))
        return false;
    switch (byte) {
    case 0x26:
        p->seg = ES;
        break;
    case 0x2e:
        p->seg = CS;
        break;
    case 0x36:
        p->seg = SS;
        break;
    case 0x3e:
        p->seg = DS;
        break;
    case 0x64:
        p->seg = FS;
        break;
    case 0x65:
        p->seg = GS;
        break;
    case 0x66:
        p->has_66 = true;
        p->operand32 = !code32;
        break;
    case 0x67:
        p->address32 = !code32;
        break;
    case 0xf0:
        p->has_lock = true;
        break;
    case 0xf2:
        p->rep = REP_REPNE;
        break;
    default:
        p->rep = REP_REP;
        break;
    }
    return true;
}

/* The memory operand of `modrm`, SDM vol. 2 tables "16-Bit" and "32-Bit Addressing Forms with the ModR/M Byte" and "...
 * with the SIB Byte". Returns where the next byte is. */
ALWAYS_INLINE const uint8_t *take_address(struct insn *out, const uint8_t *p, uint8_t modrm, bool address32)
{
    const struct address_form *form = &address_forms[address32][modrm];
    unsigned disp_len = form->disp_len;

    out->is_mem = 1;
    out->base = form->base;
    out->index = form->index;
    out->seg = form->seg;
    if (form->has_sib) {
        uint8_t sib = *p++;

        out->base = sib & 7;
        if ((sib >> 3 & 7) != 4) {
            out->index = sib >> 3 & 7;
            out->scale = sib >> 6;
        }
        out->seg = out->base == ESP || out->base == EBP ? SS : DS;
        if (out->base == EBP && modrm < 0x40) {
            out->base = GPR_NONE;
            out->seg = DS;
            disp_len = 4;
        }
    }
    out->disp = load_extended(p, disp_len, true);
    return p + disp_len;
}

/* ENTER, far pointers and moffs: what is not one immediate. */
static const uint8_t *take_odd_immediate(struct insn *out, const uint8_t *p, unsigned shape, bool address32)
{
    unsigned len = shape == IMM_WORD_BYTE ? 2 : (shape == IMM_MOFFS ? address32 : out->opsize32) ? 4 : 2;
    uint32_t first = load_extended(p, len, false);

    p += len;
    if (shape == IMM_MOFFS) {
        out->disp = first;
        out->is_mem = 1;
        return p;
    }
    out->imm = first;
    out->imm2 = shape == IMM_WORD_BYTE ? *p : load16(p);
    return p + (shape == IMM_WORD_BYTE ? 1 : 2);
}

/* Decodes at `bytes`, of which at least READABLE may be read. The result's length may exceed what the caller has,
 * or 15. */
static void decode_readable(struct insn *out, const uint8_t *bytes, bool code32, uint32_t features)
{
    struct prefixes p = {.operand32 = code32, .address32 = code32, .seg = SREGS};
    const uint8_t *next = bytes;
    unsigned map = MAP_1B, prefix, entry;
    const struct plan *plan;
    uint8_t opcode;

    for (opcode = *next++; take_prefix(&p, opcode, code32); opcode = *next++) {
        if (unlikely(next - bytes > INSN_MAX_LEN)) { /* prefixes without end */
            out->len = INSN_MAX_LEN + 1;
            return;
        }
    }

    if (opcode == 0x0f) {
        opcode = *next++;
        map = MAP_0F;
        if (unlikely(opcode == 0x38 || opcode == 0x3a)) {
            map = opcode == 0x38 ? MAP_0F38 : MAP_0F3A;
            opcode = *next++;
        }
    }

    *out = (struct insn){
        .addr_mask = p.address32 ? 0xffffffff : 0xffff,
        .opsize32 = p.operand32,
        .seg = DS,
        .base = GPR_NONE,
        .index = GPR_NONE,
        .has_lock = p.has_lock,
        .opcode = opcode,
    };

    prefix = p.rep == REP_REP ? CLASS_F3 : p.rep == REP_REPNE ? CLASS_F2 : p.has_66 ? CLASS_66 : CLASS_NP;
    entry = entries[map][prefix][opcode];
    if (entry >= ENTRY_GROUP && entry != ENTRY_UD) {
        uint8_t modrm = *next;

        entry = groups[entry & ~ENTRY_GROUP].cell[modrm >= 0xc0 ? 8 + (modrm & 0x3f) : modrm >> 3 & 7];
        if (entry == ENTRY_UD) {
            next++;
            out->modrm = modrm;
        }
    }
    if (unlikely(entry == ENTRY_UD))
        goto undefined;

    plan = &plans[entry];
    if (plan->modrm != PLAN_NO_MODRM) {
        uint8_t modrm = *next++;

        out->modrm = modrm;
        out->reg = modrm >> 3 & 7;
        if (modrm >= 0xc0 || unlikely(plan->modrm == PLAN_MODRM_REG))
            out->rm = modrm & 7;
        else
            next = take_address(out, next, modrm, p.address32);
    } else if (plan->plus_r) {
        out->reg = opcode & 7;
    }
    if (unlikely(plan->imm >= IMM_ODD)) {
        next = take_odd_immediate(out, next, plan->imm, p.address32);
    } else {
        unsigned len = plan->imm_len[p.operand32];

        out->imm = load_extended(next, len, plan->imm_is_signed);
        next += len;
    }

    if (unlikely(p.seg != SREGS))
        out->seg = p.seg;
    if (plan->rep_ok)
        out->rep = p.rep;
    out->width = plan->width[p.operand32];
    out->row = (uint16_t)entry;
    out->len = (uint8_t)(next - bytes);
    out->fn = plan->handlers->fn[out->width][out->is_mem];
    if (likely(isa_feature_has(features | 1u << FEAT_BASE, plan->feature) && out->fn &&
               (!p.has_lock || (plan->lock_ok && out->is_mem))))
        return;
undefined:
    out->row = ISA_ROW_UD;
    out->fn = interp_ud;
    out->len = (uint8_t)(next - bytes);
}

enum decode_result decode_insn(struct insn *out, const uint8_t *bytes, size_t avail, bool code32, uint32_t features)
{
    if (likely(avail >= READABLE)) {
        decode_readable(out, bytes, code32, features);
    } else {
        uint8_t padded[READABLE] = {0};

        memcpy(padded, bytes, avail);
        decode_readable(out, padded, code32, features);
    }
    if (likely(out->len <= INSN_MAX_LEN && out->len <= avail))
        return DECODE_OK;
    return avail >= INSN_MAX_LEN ? DECODE_TOO_LONG : DECODE_MORE;
}
