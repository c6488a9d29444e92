/*
 * What a block became, step by step: guest instructions with their class and fate, IR, host code. Capstone disassembles
 * both sides.
 *
 * In host code a call of the trampolines `slow` and `link` is followed by four bytes of data, the number of the site or
 * link; they are printed as such.
 */
#include "translator/lens.h"

#include <inttypes.h>
#include <string.h>

#include <capstone/capstone.h>

#include "frontend/x86/annotate.h"
#include "hw/core/log.h"

static const char *const class_text[] = {
    [PG_INNOCUOUS] = "innocuous",
    [PG_PRIVILEGED] = "privileged",
    [PG_CONTROL_SENSITIVE] = "control-sensitive",
    [PG_BEHAVIOUR_SENSITIVE] = "behaviour-sensitive",
};
static const char *const site_text[] = {[X64_SITE_MAP] = "memory access",
                                        [X64_SITE_GROUP] = "group of accesses",
                                        [X64_SITE_PLAIN] = "group beyond its page",
                                        [X64_SITE_WINDOW] = "window",
                                        [X64_SITE_CALLOUT] = "callout",
                                        [X64_SITE_CALLOUT_END] = "callout, ends"};

/* EIP of guest instruction `i`, or of the byte behind the last one. */
static uint32_t eip_of(const struct translator *t, const struct block *block, unsigned i)
{
    const uint32_t eip = t->cpu->eip - block->offset[0] + block->offset[i];

    return block->code16 ? eip & 0xffff : eip;
}

/* ---- in_asm ---- */

/* What became of guest instruction `i`. */
static const char *fate(const struct translator *t, unsigned i)
{
    const char *text = "lowered to nothing";

    for (unsigned n = 0; n < t->ir.n_ops; n++) {
        const struct ir_op *op = &t->ir.op[n];

        if (op->insn != i)
            continue;
        if (op->opcode == IR_CALLOUT)
            return "callout";
        if (op->opcode == IR_CALLOUT_END)
            return "callout, ends the block";
        if (op->opcode == IR_EFLAGS || op->opcode == IR_CLI || op->opcode == IR_TSC)
            return "inline emulation";
        text = ir_info[op->opcode].effect == IR_EFFECT_EXIT  ? "lowered, side exit"
               : ir_info[op->opcode].effect == IR_EFFECT_END ? "lowered, ends the block"
                                                             : "lowered";
    }
    return text;
}

static void print_guest(const struct translator *t, const struct block *block, const uint8_t *bytes)
{
    const struct x86_mode *mode = &t->mode[block->mode].mode;

    log_printf(LOG_IN_ASM, "IN: physical %09" PRIx64 ", %s, CPL %u, %u-bit code\n", block->address,
               mode->v86              ? "virtual-8086 mode"
               : mode->protected_mode ? "protected mode"
                                      : "real mode",
               mode->cpl, mode->code32 ? 32 : 16);
    for (unsigned i = 0; i < block->n_insns; i++) {
        const struct insn *in = &block->insn[i];
        char text[128];

        annotate_disassemble(bytes + (block->offset[i] - block->offset[0]), in->len, eip_of(t, block, i), mode->code32,
                             text, sizeof text);
        log_printf(LOG_IN_ASM, "%04x:%08x  %-44s ; %s, %s\n", t->cpu->seg[CS].selector, eip_of(t, block, i), text,
                   in->row == ISA_ROW_UD ? "undefined" : class_text[scan_classify(&isa_table[in->row], mode)],
                   fate(t, i));
    }
}

/* ---- op ---- */

/* Above the first line of guest instruction `i`, in IR and in host code. */
static void print_heading(const struct translator *t, const struct block *block, unsigned i, uint32_t category)
{
    if (i < block->n_insns)
        log_printf(category, " ---- %04x:%08x\n", t->cpu->seg[CS].selector, eip_of(t, block, i));
    else
        log_printf(category, " ---- end\n");
}

static void print_ir(const struct translator *t, const struct block *block, uint32_t category)
{
    int insn = -1;

    for (unsigned n = 0; n < t->ir.n_ops; n++) {
        const struct ir_op *op = &t->ir.op[n];
        char text[128];

        while (insn < op->insn)
            print_heading(t, block, (unsigned)++insn, category);
        ir_print_op(op, text, sizeof text);
        log_printf(category, "  %s\n", text);
    }
}

/* ---- out_asm ---- */

static const char *trampoline_name(const struct x64_entry *entry, const uint8_t *address)
{
    const struct {
        const char *name;
        uint8_t *const *address;
        unsigned n; /* by width, and by direction or what ends them */
    } names[] = {
        {"slow", &entry->slow, 1},           {"link", &entry->link, 1},
        {"lookup", &entry->lookup, 1},       {"load_sse", &entry->load_sse, 1},
        {"load_x87", &entry->load_x87, 1},   {"leave", &entry->leave, 1},
        {"done", &entry->done, 1},           {"rep_movs", entry->rep_movs[0], 6},
        {"rep_stos", entry->rep_stos[0], 6}, {"check_store", entry->check_store[0], 8},
        {"rep_cmps", entry->rep_cmps[0], 6}, {"rep_scas", entry->rep_scas[0], 6},
    };

    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++)
        for (unsigned k = 0; k < names[i].n; k++)
            if (names[i].address[k] == address)
                return names[i].name;
    return NULL;
}

/* The number behind a call. */
static void print_number(const struct translator *t, const uint8_t *at, bool is_link)
{
    uint32_t number;

    memcpy(&number, at, sizeof number);
    if (is_link && number < t->n_links)
        log_printf(LOG_OUT_ASM, "%20s link %" PRIu32 ": page offset %" PRIx32 "\n", "", number, t->link[number].target);
    else if (!is_link && number < t->n_sites)
        log_printf(LOG_OUT_ASM, "%20s site %" PRIu32 ": %s, guest instruction %u\n", "", number,
                   site_text[t->site[number].kind], t->site[number].insn);
}

static void print_host(const struct translator *t, const struct block *block, const uint8_t *code, size_t code_bytes)
{
    const uint8_t *at = code, *end = code + code_bytes;
    const int64_t to_write = (int64_t)(uintptr_t)t->memory.write - (int64_t)(uintptr_t)t->memory.exec;
    size_t left = code_bytes;
    uint64_t address = (uintptr_t)code_memory_exec(&t->memory, code);
    const unsigned headings = block->turns * (block->n_insns + 1);
    unsigned heading = 0;
    csh handle;
    cs_insn *insn;

    if (cs_open(CS_ARCH_X86, CS_MODE_64, &handle) != CS_ERR_OK)
        return;
    cs_option(handle, CS_OPT_DETAIL, CS_OPT_ON);
    insn = cs_malloc(handle);
    while (insn && at < end) {
        const char *name = NULL;

        for (; code == block->code && heading < headings && block->insn_host[heading] <= (size_t)(at - block->code);
             heading++)
            if (heading + 1 == headings || heading % (block->n_insns + 1) != block->n_insns) /* the next turn's first */
                print_heading(t, block, heading % (block->n_insns + 1), LOG_OUT_ASM);
        if (!cs_disasm_iter(handle, &at, &left, &address, insn)) {
            log_printf(LOG_OUT_ASM, "0x%016" PRIx64 "  (bad)\n", address);
            break;
        }
        if (insn->detail->x86.op_count == 1 && insn->detail->x86.operands[0].type == X86_OP_IMM)
            name =
                trampoline_name(&t->entry, (const uint8_t *)(uintptr_t)(insn->detail->x86.operands[0].imm + to_write));
        log_printf(LOG_OUT_ASM, "0x%016" PRIx64 "  %s %s\n", insn->address, insn->mnemonic, name ? name : insn->op_str);
        if (name && insn->id == X86_INS_CALL && (strcmp(name, "slow") == 0 || strcmp(name, "link") == 0)) {
            print_number(t, at, strcmp(name, "link") == 0);
            at += 4;
            left -= 4;
            address += 4;
        }
    }
    if (insn)
        cs_free(insn, 1);
    cs_close(&handle);
}

void lens_print_block(const struct translator *t, const struct block *block, const uint8_t *bytes)
{
    log_printf(LENS_CATEGORIES, "----------------\n");
    if (log_is_on(LOG_IN_ASM))
        print_guest(t, block, bytes);
    if (log_is_on(LOG_OP)) {
        log_printf(LOG_OP, "OP:\n");
        print_ir(t, block, LOG_OP);
    }
    if (log_is_on(LOG_OP_OPT)) {
        log_printf(LOG_OP_OPT, "OP after optimization:\n");
        print_ir(t, block, LOG_OP_OPT);
    }
    if (log_is_on(LOG_OUT_ASM) && block->code) {
        log_printf(LOG_OUT_ASM, "OUT: [size=%" PRIu32 "]\n", block->code_bytes);
        print_host(t, block, block->code, block->code_bytes);
        log_printf(LOG_OUT_ASM, "OUT, seldom run: [size=%" PRIu32 "]\n", block->cold_bytes);
        print_host(t, block, block->cold, block->cold_bytes);
    }
}
