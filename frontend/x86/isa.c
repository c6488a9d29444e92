/* The ISA table as data. See isa.h for the columns. */
#include "frontend/x86/isa.h"
#include "frontend/x86/insn.h"

#define INSN(map_, opcode_, prefix_, modrm_, name_, operands_, reads_, writes_, undef_, ends_, checks_, sensitive_,    \
             feature_, handler_, source_)                                                                              \
    extern const struct interp_handlers interp_##handler_;
#include "frontend/x86/isa.def"
#undef INSN

/* modrm column: kind, value */
#define NO_MODRM   MODRM_NONE, 0
#define PLUS_R     MODRM_PLUS_R, 0
#define RM         MODRM_RM, 0
#define RM_MEM     MODRM_RM_MEM, 0
#define RM_REG     MODRM_RM_REG, 0
#define EXT(n)     MODRM_EXT, n
#define EXT_MEM(n) MODRM_EXT_MEM, n
#define EXT_REG(n) MODRM_EXT_REG, n
#define MODRM(b)   MODRM_EXACT, b

/* operands column: count, letters */
#define O0             0, {0}
#define O1(a)          1, {OPERAND_##a}
#define O2(a, b)       2, {OPERAND_##a, OPERAND_##b}
#define O3(a, b, c)    3, {OPERAND_##a, OPERAND_##b, OPERAND_##c}

#define INSN(map_, opcode_, prefix_, modrm_, name_, operands_, reads_, writes_, undef_, ends_, checks_, sensitive_,    \
             feature_, handler_, source_)                                                                              \
    {MAP_##map_, opcode_, PREFIX_##prefix_, modrm_, operands_, ENDS_##ends_, SENSITIVE_##sensitive_, FEAT_##feature_,  \
     checks_, reads_, writes_, undef_, #name_, &interp_##handler_, source_},

const struct isa_row isa_table[] = {
#include "frontend/x86/isa.def"
};

const unsigned isa_rows = sizeof isa_table / sizeof isa_table[0];
