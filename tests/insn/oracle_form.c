/*
 * The forms of the ISA table: row x operand size x register or memory. What each must show, what is left out, and where
 * processors differ.
 *
 * Sources: the rows; SDM vol. 2, the exception lists of the instruction pages.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/insn/oracle.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

const struct oracle_exclusion oracle_exclusions[] = {
    {"CPUID", "the result is the model's"},
    {"RDTSC", "the result is the time"},
    {"RDPMC", "depends on the host's CR4.PCE"},
    {"SYSENTER", "enters the host's kernel"},
    {"SYSEXIT", "#UD in long mode on AMD; AMD64 vol. 3 SYSEXIT"},
    {"SGDT", "the host's CR4.UMIP; the kernel emulates it"},
    {"SIDT", "the host's CR4.UMIP; the kernel emulates it"},
    {"SLDT", "the host's CR4.UMIP; the kernel emulates it"},
    {"STR", "the host's CR4.UMIP; the kernel emulates it"},
    {"SMSW", "the host's CR4.UMIP; the kernel emulates it"},
    {"INT1", "a fault, not a trap, where a hypervisor intercepts it"},
    {"RSM", "system management mode"},
    {"UD0", "AMD: no ModRM; Intel: has one (SDM 2B UD)"},
};
const unsigned oracle_n_exclusions = COUNT(oracle_exclusions);

#define BIT(vector)  (1u << (vector))
#define STACK_FAULTS (BIT(VEC_SS) | BIT(VEC_PF) | BIT(VEC_AC))
#define AREA_FAULTS  (BIT(VEC_GP) | BIT(VEC_SS) | BIT(VEC_PF))

#define POINTERS                                                                                                       \
    "FXSAVE stores FOP, FIP and FDP only while an exception is pending; AMD64 vol. 2 \"FXSAVE and FXRSTOR "            \
    "Instructions\""
#define FOPCODE                                                                                                        \
    "FOP and FDP are those of the last unmasked exception; SDM 1 \"Fopcode Compatibility Sub-mode\", CPUID "           \
    "FDP_EXCPTN_ONLY"
#define ALIGNMENT "#AC or #GP for a misaligned area when alignment is checked; SDM 2A FXSAVE leaves it open"
#define AREA_ENDS                                                                                                      \
    "probes the last byte of a save area first; SDM 3 \"Page-Fault Exception (#PF)\" leaves the order open"
#define FRAME_ORDER "reads the frame from its far end; SDM 2 RET and IRET leave the order open"
#define PUSH_FIRST  "pushes before it checks the target against the limit; SDM 2A CALL checks first"
#define PARTIAL                                                                                                        \
    "what came before the faulting access has been done; SDM 3 \"Restarting of Interrupted Programs or Tasks\""
#define REP_FLAGS  "flags of the last comparison; SDM 2B REP restores them"
#define TRANSITION "the fault comes after the transition to MMX; SDM 1 \"Transitions Between x87 FPU and MMX Code\""

const struct oracle_difference oracle_differences[] = {
    {NULL, VENDOR_AMD, FORMS, ASPECT_FX_POINTERS, 0, 0, POINTERS},
    {"FXSAVE", VENDOR_AMD, FORM_MEM, ASPECT_MEMORY_POINTERS, 0, 0, POINTERS},
    {NULL, VENDOR_INTEL, FORMS, ASPECT_FX_POINTERS, 0, 0, FOPCODE},
    {"FXSAVE", VENDOR_INTEL, FORM_MEM, ASPECT_MEMORY_POINTERS, 0, 0, FOPCODE},
    {"FNSTENV", VENDOR_INTEL, FORM_MEM, ASPECT_MEMORY_POINTERS, 0, 0, FOPCODE},
    {"FNSAVE", VENDOR_INTEL, FORM_MEM, ASPECT_MEMORY_POINTERS, 0, 0, FOPCODE},
    {"FXSAVE", VENDOR_AMD, FORM_MEM, ASPECT_MEMORY_BYTES, 28, 31, "MXCSR_MASK has MM; AMD64 vol. 1 \"MXCSR Register\""},
    {"FXSAVE", VENDOR_INTEL, FORM_MEM, ASPECT_FAULT, BIT(VEC_AC) | BIT(VEC_GP), BIT(VEC_AC) | BIT(VEC_GP), ALIGNMENT},
    {"FXRSTOR", VENDOR_INTEL, FORM_MEM, ASPECT_FAULT, BIT(VEC_AC) | BIT(VEC_GP), BIT(VEC_AC) | BIT(VEC_GP), ALIGNMENT},

    {"FXSAVE", VENDOR_AMD, FORM_MEM, ASPECT_FAULT_ADDRESS, 0, 0, AREA_ENDS},
    {"FXRSTOR", VENDOR_AMD, FORM_MEM, ASPECT_FAULT_ADDRESS, 0, 0, AREA_ENDS},
    {"FNSTENV", VENDOR_AMD, FORM_MEM, ASPECT_FAULT_ADDRESS, 0, 0, AREA_ENDS},
    {"FLDENV", VENDOR_AMD, FORM_MEM, ASPECT_FAULT_ADDRESS, 0, 0, AREA_ENDS},
    {"FNSAVE", VENDOR_AMD, FORM_MEM, ASPECT_FAULT_ADDRESS, 0, 0, AREA_ENDS},
    {"FRSTOR", VENDOR_AMD, FORM_MEM, ASPECT_FAULT_ADDRESS, 0, 0, AREA_ENDS},
    {"FNSTENV", VENDOR_AMD, FORM_MEM, ASPECT_FAULT, AREA_FAULTS, AREA_FAULTS, AREA_ENDS},
    {"FLDENV", VENDOR_AMD, FORM_MEM, ASPECT_FAULT, AREA_FAULTS, AREA_FAULTS, AREA_ENDS},
    {"FNSAVE", VENDOR_AMD, FORM_MEM, ASPECT_FAULT, AREA_FAULTS, AREA_FAULTS, AREA_ENDS},
    {"FRSTOR", VENDOR_AMD, FORM_MEM, ASPECT_FAULT, AREA_FAULTS, AREA_FAULTS, AREA_ENDS},
    {"FXSAVE", VENDOR_AMD, FORM_MEM, ASPECT_FAULT, AREA_FAULTS, AREA_FAULTS, AREA_ENDS},
    {"FXRSTOR", VENDOR_AMD, FORM_MEM, ASPECT_FAULT, AREA_FAULTS, AREA_FAULTS, AREA_ENDS},
    {"RETF", VENDOR_AMD, FORMS, ASPECT_FAULT_ADDRESS, 0, 0, FRAME_ORDER},
    {"IRET", VENDOR_AMD, FORMS, ASPECT_FAULT_ADDRESS, 0, 0, FRAME_ORDER},

    {"RETF", VENDOR_AMD, FORMS, ASPECT_FAULT, STACK_FAULTS, STACK_FAULTS | BIT(VEC_GP) | BIT(VEC_NP), FRAME_ORDER},
    {"IRET", VENDOR_AMD, FORMS, ASPECT_FAULT, STACK_FAULTS, STACK_FAULTS | BIT(VEC_GP) | BIT(VEC_NP), FRAME_ORDER},

    {"CALL", VENDOR_AMD, FORMS, ASPECT_FAULT, STACK_FAULTS, BIT(VEC_GP), PUSH_FIRST},
    {"CALLF", VENDOR_AMD, FORMS, ASPECT_FAULT, STACK_FAULTS, STACK_FAULTS | BIT(VEC_GP), PUSH_FIRST},

    {"PUSHA", VENDOR_AMD, FORMS, ASPECT_FAULT_STORES, 0, 0, PARTIAL},
    {"ENTER", VENDOR_AMD, FORMS, ASPECT_FAULT_STORES, 0, 0, PARTIAL},
    {"CALL", VENDOR_AMD, FORMS, ASPECT_FAULT_STORES, 0, 0, PARTIAL},
    {"CALLF", VENDOR_AMD, FORMS, ASPECT_FAULT_STORES, 0, 0, PARTIAL},
    {"FNSTENV", VENDOR_AMD, FORM_MEM, ASPECT_FAULT_STORES, 0, 0, PARTIAL},
    {"FNSAVE", VENDOR_AMD, FORM_MEM, ASPECT_FAULT_STORES, 0, 0, PARTIAL},
    {"FXSAVE", VENDOR_AMD, FORM_MEM, ASPECT_FAULT_STORES, 0, 0, PARTIAL},
    {"FLDENV", VENDOR_AMD, FORM_MEM, ASPECT_FAULT_X87, 0, 0, PARTIAL},
    {"FRSTOR", VENDOR_AMD, FORM_MEM, ASPECT_FAULT_X87, 0, 0, PARTIAL},
    {"POPA", VENDOR_AMD, FORMS, ASPECT_FAULT_LOADS, 0, 0, PARTIAL},

    {"CMPS", VENDOR_AMD, FORMS, ASPECT_FAULT_FLAGS, 0, 0, REP_FLAGS},
    {"SCAS", VENDOR_AMD, FORMS, ASPECT_FAULT_FLAGS, 0, 0, REP_FLAGS},

    {"CVTPI2PS", VENDOR_AMD, FORM_MEM, ASPECT_X87_STATE, 0, 0,
     "no transition to MMX with a memory operand; SDM 2A CVTPI2PS: the same as with a register"},
    {"MASKMOVQ", VENDOR_AMD, FORMS, ASPECT_FAULT_X87, 0, 0, TRANSITION},
    {"CVTPI2PS", VENDOR_AMD, FORM_REG, ASPECT_FAULT_X87, 0, 0, TRANSITION},
    {"CVTPS2PI", VENDOR_AMD, FORMS, ASPECT_FAULT_X87, 0, 0, TRANSITION},
    {"CVTTPS2PI", VENDOR_AMD, FORMS, ASPECT_FAULT_X87, 0, 0, TRANSITION},
    {"CVTPD2PI", VENDOR_AMD, FORMS, ASPECT_FAULT_X87, 0, 0, TRANSITION},
    {"CVTTPD2PI", VENDOR_AMD, FORMS, ASPECT_FAULT_X87, 0, 0, TRANSITION},
};
const unsigned oracle_n_differences = COUNT(oracle_differences);

/* ---- names ---- */

static const char *const operand_names[] = {
#define OPERAND(letters, where, width) #letters,
    OPERAND_LIST(OPERAND)
#undef OPERAND
};

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
static const struct {
    uint8_t where, width;
} operand_table[] = {
#define OPERAND(letters, where, width) {W_##where, width},
    OPERAND_LIST(OPERAND)
#undef OPERAND
};

static bool name_is(const struct isa_row *row, const char *const *names, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (!strcmp(row->name, names[i]))
            return true;
    return false;
}
#define NAME_IS(row, ...) name_is(row, (const char *const[]){__VA_ARGS__}, COUNT(((const char *const[]){__VA_ARGS__})))

static bool has_operand(const struct isa_row *row, unsigned where)
{
    for (unsigned i = 0; i < row->n_operands; i++)
        if (operand_table[row->operand[i]].where == where)
            return true;
    return false;
}

/* ---- properties ---- */

static bool has_opsize(const struct isa_row *row)
{
    if (NAME_IS(row, "CBW", "CWD", "PUSHA", "POPA", "ENTER", "LEAVE", "RET", "RETF", "IRET", "FLDENV", "FNSTENV",
                "FRSTOR", "FNSAVE"))
        return true;
    if (row->prefix != PREFIX_ANY && strcmp(row->name, "POPCNT"))
        return false;
    for (unsigned i = 0; i < row->n_operands; i++) {
        unsigned where = operand_table[row->operand[i]].where, width = operand_table[row->operand[i]].width;

        if (width == 0 || where == W_J || where == W_SEG || where == W_A)
            return true;
    }
    return NAME_IS(row, "BOUND", "JMPF", "CALLF");
}

static bool row_is_privileged(const struct isa_row *row)
{
    return row->checks & (CPL0 | IOPL_IF | IOPL_IO);
}

static enum oracle_kind kind_of(const struct isa_row *row)
{
    if (row_is_privileged(row))
        return KIND_PRIVILEGED;
    if (NAME_IS(row, "ROL", "ROR", "RCL", "RCR", "SHL", "SHR", "SAR", "SHLD", "SHRD"))
        return KIND_SHIFT;
    if (NAME_IS(row, "BT", "BTS", "BTR", "BTC"))
        return has_operand(row, W_G) ? KIND_BIT : KIND_PLAIN;
    if (NAME_IS(row, "DIV", "IDIV", "AAM"))
        return KIND_DIVIDE;
    if (!strcmp(row->name, "CMPXCHG"))
        return KIND_COMPARE;
    if (!strcmp(row->name, "CMPXCHG8B"))
        return KIND_COMPARE8;
    if (!strcmp(row->name, "BOUND"))
        return KIND_BOUND;
    if (has_operand(row, W_X) || has_operand(row, W_Y))
        return KIND_STRING;
    if (!strcmp(row->name, "XLAT"))
        return KIND_XLAT;
    if (NAME_IS(row, "MASKMOVQ", "MASKMOVDQU"))
        return KIND_MASKMOV;
    if (has_operand(row, W_A))
        return KIND_FAR_IMM;
    if (NAME_IS(row, "JMPF", "CALLF"))
        return KIND_FAR_MEM;
    if (has_operand(row, W_J))
        return KIND_JUMP;
    if (NAME_IS(row, "JMP", "CALL"))
        return KIND_JUMP_RM;
    if (!strcmp(row->name, "RET"))
        return KIND_RET;
    if (NAME_IS(row, "RETF", "IRET"))
        return KIND_FAR_RET;
    if (NAME_IS(row, "ENTER", "LEAVE"))
        return KIND_FRAME;
    if (!strcmp(row->name, "POPF"))
        return KIND_POPF;
    if (!strcmp(row->name, "POP") && has_operand(row, W_SEG))
        return KIND_POP_SREG;
    if (NAME_IS(row, "PUSH", "POP", "PUSHA", "POPA", "PUSHF"))
        return KIND_STACK;
    if (!strcmp(row->name, "MOV") && row->n_operands && operand_table[row->operand[0]].where == W_S)
        return KIND_SREG;
    if (NAME_IS(row, "LES", "LDS", "LSS", "LFS", "LGS"))
        return KIND_FAR_LOAD;
    if (NAME_IS(row, "LAR", "LSL", "VERR", "VERW"))
        return KIND_SELECTOR;
    if (!strcmp(row->name, "INT"))
        return KIND_INT;
    if (!strcmp(row->name, "LDMXCSR"))
        return KIND_LDMXCSR;
    if (!strcmp(row->name, "FXRSTOR"))
        return KIND_FXRSTOR;
    if (!strcmp(row->name, "FLDCW"))
        return KIND_FLDCW;
    if (NAME_IS(row, "FLDENV", "FRSTOR"))
        return KIND_X87_LOAD;
    if (!strcmp(row->name, "FBLD"))
        return KIND_BCD;
    return KIND_PLAIN;
}

static bool row_uses_stack(const struct isa_row *row)
{
    return NAME_IS(row, "PUSH", "POP", "PUSHA", "POPA", "ENTER", "LEAVE", "CALL", "CALLF", "RET", "RETF", "IRET",
                   "PUSHF", "POPF");
}

/* Named in the row, not accessed. */
static bool row_only_names_memory(const struct isa_row *row)
{
    return NAME_IS(row, "LEA", "NOP", "PREFETCHNTA", "PREFETCHT0", "PREFETCHT1", "PREFETCHT2", "UD1") ||
           (row_is_privileged(row));
}

static unsigned mem_bytes_of(const struct isa_row *row, bool opsize32)
{
    unsigned operand_size = opsize32 ? 4 : 2;

    if (row_only_names_memory(row))
        return 0;
    if (NAME_IS(row, "FXSAVE", "FXRSTOR"))
        return 512;
    if (NAME_IS(row, "FNSAVE", "FRSTOR"))
        return opsize32 ? 108 : 94;
    if (NAME_IS(row, "FNSTENV", "FLDENV"))
        return opsize32 ? 28 : 14;
    if (!strcmp(row->name, "BOUND"))
        return 2 * operand_size;
    for (unsigned i = 0; i < row->n_operands; i++) {
        switch (operand_table[row->operand[i]].where) {
        case W_E:
        case W_M:
        case W_Q:
        case W_W:
        case W_O:
            if (operand_table[row->operand[i]].width == 255) /* Mp */
                return operand_size + 2;
            if (operand_table[row->operand[i]].width == 0)
                return operand_size;
            return operand_table[row->operand[i]].width;
        default:
            break;
        }
    }
    return 0;
}

static enum oracle_data data_of(const struct isa_row *row, enum oracle_set set)
{
    size_t len = strlen(row->name);
    const char *end = row->name + (len > 2 ? len - 2 : 0);

    if (set == SET_SIMD) {
        if (!strncmp(row->name, "CVT", 3)) /* the source comes last in the row, first in the name */
            return strstr(row->name, "PS2") || strstr(row->name, "SS2")   ? DATA_F32
                   : strstr(row->name, "PD2") || strstr(row->name, "SD2") ? DATA_F64
                                                                          : DATA_INT;
        if (!strcmp(end, "PS") || !strcmp(end, "SS"))
            return DATA_F32;
        if (!strcmp(end, "PD") || !strcmp(end, "SD"))
            return DATA_F64;
        return DATA_INT;
    }
    if (set == SET_X87)
        for (unsigned i = 0; i < row->n_operands; i++) {
            if (operand_table[row->operand[i]].where != W_M)
                continue;
            switch (operand_table[row->operand[i]].width) {
            case 4:
                return row->name[1] == 'I' ? DATA_INT : DATA_F32;
            case 8:
                return row->name[1] == 'I' ? DATA_INT : DATA_F64;
            case 10:
                return DATA_F80;
            default:
                return DATA_INT;
            }
        }
    return DATA_INT;
}

static enum oracle_set set_of(const struct isa_row *row)
{
    if (row->checks & (MMX_NM | SSE_NM) || NAME_IS(row, "LFENCE", "MFENCE", "SFENCE", "CLFLUSH", "MOVNTI"))
        return SET_SIMD;
    if (row->checks & (FPU_NM | WAIT_NM))
        return SET_X87;
    return SET_INTEGER;
}

/* ---- what must be seen ---- */

static bool is_sse_arithmetic(const struct isa_row *row)
{
    static const char *const beginnings[] = {"SQRT", "ADDP", "ADDS", "MULP", "MULS", "SUBP", "SUBS",  "MINP",   "MINS",
                                             "DIVP", "DIVS", "MAXP", "MAXS", "CMPP", "CMPS", "COMIS", "UCOMIS", "CVT"};

    if (!(row->checks & SSE_NM))
        return false;
    for (unsigned i = 0; i < COUNT(beginnings); i++)
        if (!strncmp(row->name, beginnings[i], strlen(beginnings[i])))
            return !NAME_IS(row, "CVTPI2PD", "CVTSI2SD", "CVTDQ2PD"); /* exact */
    return false;
}

static uint32_t expected_faults(const struct oracle_form *f)
{
    const struct isa_row *row = f->row;
    uint32_t faults = 0;
    bool has_memory = f->is_mem && f->mem_bytes;

    if (f->kind == KIND_PRIVILEGED)
        return BIT(VEC_GP);
    if (f->allows_lock_ud)
        faults |= BIT(VEC_UD);
    if (has_memory || has_operand(row, W_O) || f->kind == KIND_XLAT || f->kind == KIND_MASKMOV ||
        has_operand(row, W_X)) {
        faults |= BIT(VEC_GP) | BIT(VEC_SS) | BIT(VEC_PF);
        if (f->mem_bytes > 1 && !(row->checks & ALIGN16))
            faults |= BIT(VEC_AC);
    }
    if (has_operand(row, W_Y))
        faults |= BIT(VEC_GP) | BIT(VEC_PF);
    if (f->kind == KIND_STRING && (row->opcode & 1))
        faults |= BIT(VEC_AC);
    if (f->uses_stack)
        faults |= BIT(VEC_SS) | BIT(VEC_PF) | BIT(VEC_AC);
    if (row->checks & (FPU_MF | MMX_NM))
        faults |= BIT(VEC_MF);
    if (is_sse_arithmetic(row))
        faults |= BIT(VEC_XM);
    switch (f->kind) {
    case KIND_DIVIDE:
        faults |= BIT(VEC_DE);
        break;
    case KIND_BOUND:
        faults |= BIT(VEC_BR);
        break;
    case KIND_JUMP:
    case KIND_JUMP_RM:
    case KIND_RET:
    case KIND_LDMXCSR:
    case KIND_FXRSTOR:
    case KIND_INT:
        faults |= BIT(VEC_GP);
        break;
    case KIND_FAR_IMM:
    case KIND_FAR_MEM:
    case KIND_FAR_RET:
    case KIND_SREG:
    case KIND_POP_SREG:
    case KIND_FAR_LOAD:
        faults |= BIT(VEC_GP) | BIT(VEC_NP);
        if (!strcmp(row->name, "LSS") || has_operand(row, W_S) || row->opcode == 0x17)
            faults = (faults & ~BIT(VEC_NP)) | BIT(VEC_SS); /* SS: an absent segment is #SS */
        if (f->kind == KIND_SREG && row->modrm_value != SS)
            faults |= BIT(VEC_NP);
        break;
    default:
        break;
    }
    if (f->kind == KIND_SREG && !f->is_mem && row->modrm_value != SS)
        faults &= ~BIT(VEC_SS);
    if (!strcmp(row->name, "INTO"))
        faults |= BIT(VEC_OF);
    if (!strcmp(row->name, "INT3"))
        faults |= BIT(VEC_BP);
    if (!strcmp(row->name, "INT1"))
        faults |= BIT(VEC_DB);
    if (NAME_IS(row, "UD1", "UD2"))
        faults |= BIT(VEC_UD);
    return faults;
}

static const struct {
    const char *name;
    uint8_t map, first, last; /* opcodes; 0, FF: any */
    uint32_t never_1, never_0;
} constant_flags[] = {
    {"AND", MAP_1B, 0, 0xff, F_O | F_C, 0},
    {"OR", MAP_1B, 0, 0xff, F_O | F_C, 0},
    {"XOR", MAP_1B, 0, 0xff, F_O | F_C, 0},
    {"TEST", MAP_1B, 0, 0xff, F_O | F_C, 0},
    {"POPCNT", MAP_0F, 0, 0xff, F_O | F_S | F_A | F_P | F_C, 0},
    {"SHR", MAP_1B, 0xd0, 0xd1, F_S, 0},
    {"SAR", MAP_1B, 0xd0, 0xd1, F_O, 0},
    {"CLC", MAP_1B, 0, 0xff, F_C, 0},
    {"STC", MAP_1B, 0, 0xff, 0, F_C},
    {"CLD", MAP_1B, 0, 0xff, F_D, 0},
    {"STD", MAP_1B, 0, 0xff, 0, F_D},
    {"COMISS", MAP_0F, 0, 0xff, F_O | F_S | F_A, 0},
    {"COMISD", MAP_0F, 0, 0xff, F_O | F_S | F_A, 0},
    {"UCOMISS", MAP_0F, 0, 0xff, F_O | F_S | F_A, 0},
    {"UCOMISD", MAP_0F, 0, 0xff, F_O | F_S | F_A, 0},
    {"FCOMI", MAP_1B, 0, 0xff, F_O | F_S | F_A, 0},
    {"FCOMIP", MAP_1B, 0, 0xff, F_O | F_S | F_A, 0},
    {"FUCOMI", MAP_1B, 0, 0xff, F_O | F_S | F_A, 0},
    {"FUCOMIP", MAP_1B, 0, 0xff, F_O | F_S | F_A, 0},
};

static void expected_flags(struct oracle_form *f)
{
    uint32_t flags = f->row->flags_written;

    if (f->kind == KIND_PRIVILEGED || NAME_IS(f->row, "INT", "INT1", "INT3", "INTO"))
        return;
    flags &= OSZAPC | F_D | EFLAGS_NT | EFLAGS_AC | EFLAGS_ID;
    if (NAME_IS(f->row, "POPF", "IRET") && !f->opsize32)
        flags &= 0xffff;
    f->flags_0 = f->flags_1 = flags;
    for (unsigned i = 0; i < COUNT(constant_flags); i++)
        if (!strcmp(f->row->name, constant_flags[i].name) && f->row->map == constant_flags[i].map &&
            f->row->opcode >= constant_flags[i].first && f->row->opcode <= constant_flags[i].last) {
            f->flags_1 &= ~constant_flags[i].never_1;
            f->flags_0 &= ~constant_flags[i].never_0;
        }
}

/* ---- the list ---- */

static void write_name(struct oracle_form *f)
{
    static const char *const maps[] = {"", "0F", "0F38", "0F3A"};
    static const char *const prefixes[] = {"", "", "66.", "F3.", "F2."};
    const struct isa_row *row = f->row;
    char operands[32] = "", extension[8] = "";
    size_t used = 0;

    for (unsigned i = 0; i < row->n_operands; i++)
        used += (size_t)snprintf(operands + used, sizeof operands - used, "%s%s", i ? "," : " ",
                                 operand_names[row->operand[i]]);
    switch (row->modrm_kind) {
    case MODRM_EXT:
    case MODRM_EXT_MEM:
    case MODRM_EXT_REG:
        snprintf(extension, sizeof extension, "/%u", row->modrm_value);
        break;
    case MODRM_EXACT:
        snprintf(extension, sizeof extension, ".%02X", row->modrm_value);
        break;
    default:
        break;
    }
    snprintf(f->name, sizeof f->name, "%s%s%02X%s %s%s%s%s", prefixes[row->prefix], maps[row->map], row->opcode,
             extension, row->name, operands,
             !f->has_opsize ? ""
             : f->opsize32  ? " w32"
                            : " w16",
             row->modrm_kind == MODRM_NONE || row->modrm_kind == MODRM_PLUS_R ? ""
             : f->is_mem                                                      ? " mem"
                                                                              : " reg");
}

static bool is_excluded(const struct isa_row *row)
{
    for (unsigned i = 0; i < oracle_n_exclusions; i++)
        if (!strcmp(row->name, oracle_exclusions[i].name))
            return true;
    return false;
}

static void fill(struct oracle_form *f, unsigned index, bool opsize32, bool is_mem)
{
    const struct isa_row *row = &isa_table[index];

    *f = (struct oracle_form){.row = row, .row_index = index, .opsize32 = opsize32, .is_mem = is_mem};
    f->has_opsize = has_opsize(row);
    f->set = set_of(row);
    f->kind = kind_of(row);
    f->data = data_of(row, f->set);
    f->uses_stack = row_uses_stack(row);
    f->mem_bytes = (uint16_t)mem_bytes_of(row, opsize32);
    if (f->kind == KIND_XLAT)
        f->mem_bytes = 1;
    /* LOCK MOV CR0 is another encoding of CR8 on AMD; nothing is learnt from LOCK before what faults anyway. */
    f->allows_lock_ud = f->kind != KIND_PRIVILEGED && f->kind != KIND_INT && !(row->checks & LOCK_OK && is_mem) &&
                        !NAME_IS(row, "INT1", "INT3", "INTO");
    f->faults = expected_faults(f);
    expected_flags(f);
    write_name(f);
}

struct oracle_form *oracle_forms(unsigned *count)
{
    struct oracle_form *forms = calloc(4 * (size_t)isa_rows, sizeof *forms);
    unsigned n = 0;

    if (!forms)
        return NULL;
    for (unsigned i = 0; i < isa_rows; i++) {
        const struct isa_row *row = &isa_table[i];
        bool may_mem = true, may_reg = true;

        if (is_excluded(row))
            continue;
        switch (row->modrm_kind) {
        case MODRM_NONE:
        case MODRM_PLUS_R:
        case MODRM_RM_REG:
        case MODRM_EXT_REG:
            may_mem = false;
            break;
        case MODRM_RM_MEM:
        case MODRM_EXT_MEM:
            may_reg = false;
            break;
        case MODRM_EXACT:
            may_mem = row->modrm_value < 0xc0;
            may_reg = !may_mem;
            break;
        default:
            if (has_operand(row, W_R)) /* MOV to and from control registers: mod is ignored */
                may_mem = false;
            break;
        }
        for (unsigned opsize32 = has_opsize(row) ? 0 : 1; opsize32 < 2; opsize32++)
            for (unsigned is_mem = 0; is_mem < 2; is_mem++)
                if (is_mem ? may_mem : may_reg)
                    fill(&forms[n++], i, opsize32, is_mem);
    }
    *count = n;
    return forms;
}
