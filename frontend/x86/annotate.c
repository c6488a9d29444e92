/*
 * Assembly text, by Capstone. Never on the execution path: the decoder and the ISA table know nothing of it.
 *
 * A handle is opened per call. That costs a few allocations and keeps the library's state out of the machine's.
 */
#include <stdio.h>

#include <capstone/capstone.h>

#include "frontend/x86/annotate.h"

enum { INSN_MAX_LEN = 15 };

size_t annotate_disassemble(const uint8_t *bytes, size_t len, uint32_t eip, bool code32, char *out, size_t size)
{
    csh handle;
    cs_insn *insn = NULL;
    size_t count = 0, used = 0;

    snprintf(out, size, "(bad)");
    if (cs_open(CS_ARCH_X86, code32 ? CS_MODE_32 : CS_MODE_16, &handle) != CS_ERR_OK)
        return 0;
    count = cs_disasm(handle, bytes, len < INSN_MAX_LEN ? len : INSN_MAX_LEN, eip, 1, &insn);
    if (count) {
        used = insn->size;
        snprintf(out, size, "%s%s%s", insn->mnemonic, insn->op_str[0] ? " " : "", insn->op_str);
        cs_free(insn, count);
    }
    cs_close(&handle);
    return used;
}
