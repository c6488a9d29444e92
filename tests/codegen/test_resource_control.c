/*
 * Resource control (Popek and Goldberg): nothing that guest code can say makes the translator emit a host instruction
 * that is privileged, sensitive, or does I/O. The whole opcode map in every mode is scanned, lowered and emitted, and
 * the host code is disassembled again by Capstone. Which guest instructions are sensitive is told by Capstone too, not
 * by the ISA table.
 *
 * Host code must also be free of addresses: the same block is emitted for two linear pages, at two host addresses, and
 * has to be the same bytes.
 *
 *   test_resource_control real | v86 | pm16 | pm32
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <capstone/capstone.h>

#include "backend/x86_64/plan.h"
#include "frontend/x86/cpuid.h"
#include "translator/internal.h"

enum {
    FIRST_OFFSET = 0x200, /* of the instruction in its page */
    CODE_BYTES = 16384,
    DATA_BEHIND_CALL = 4, /* number of a site or a link */
};
#define SECOND_PAGE 0x7f0123456000u /* host address of a page that an instruction ends in */

/* ---- what the backend may emit ---- */

static const unsigned integer_ids[] = {
    /* moves */
    X86_INS_MOV, X86_INS_MOVABS, X86_INS_MOVZX, X86_INS_MOVSX, X86_INS_MOVSXD, X86_INS_XCHG, X86_INS_LEA, X86_INS_BSWAP,
    X86_INS_CWD, X86_INS_CDQ, X86_INS_CQO,
    /* arithmetic, shifts, bits */
    X86_INS_ADD, X86_INS_OR, X86_INS_ADC, X86_INS_SBB, X86_INS_AND, X86_INS_SUB, X86_INS_XOR, X86_INS_CMP, X86_INS_TEST,
    X86_INS_INC, X86_INS_DEC, X86_INS_NEG, X86_INS_NOT, X86_INS_ROL, X86_INS_ROR, X86_INS_RCL, X86_INS_RCR, X86_INS_SHL,
    X86_INS_SAL, X86_INS_SHR, X86_INS_SAR, X86_INS_SHLD, X86_INS_SHRD, X86_INS_BT, X86_INS_BTS, X86_INS_BTR,
    X86_INS_BTC, X86_INS_BSF, X86_INS_BSR, X86_INS_POPCNT, X86_INS_MUL, X86_INS_IMUL, X86_INS_DIV, X86_INS_IDIV,
    X86_INS_SHLX, X86_INS_SARX, X86_INS_SHRX, X86_INS_RORX, X86_INS_PEXT, X86_INS_CMPXCHG8B,
    /* flags as data */
    X86_INS_LAHF, X86_INS_SAHF, X86_INS_CLC, X86_INS_STC, X86_INS_CMC, X86_INS_SETO, X86_INS_SETNO, X86_INS_SETB,
    X86_INS_SETAE, X86_INS_SETE, X86_INS_SETNE, X86_INS_SETBE, X86_INS_SETA, X86_INS_SETS, X86_INS_SETNS, X86_INS_SETP,
    X86_INS_SETNP, X86_INS_SETL, X86_INS_SETGE, X86_INS_SETLE, X86_INS_SETG, X86_INS_CMOVO, X86_INS_CMOVNO,
    X86_INS_CMOVB, X86_INS_CMOVAE, X86_INS_CMOVE, X86_INS_CMOVNE, X86_INS_CMOVBE, X86_INS_CMOVA, X86_INS_CMOVS,
    X86_INS_CMOVNS, X86_INS_CMOVP, X86_INS_CMOVNP, X86_INS_CMOVL, X86_INS_CMOVGE, X86_INS_CMOVLE, X86_INS_CMOVG,
    /* flow */
    X86_INS_CALL, X86_INS_JMP, X86_INS_JRCXZ, X86_INS_LOOP, X86_INS_JO, X86_INS_JNO, X86_INS_JB, X86_INS_JAE,
    X86_INS_JE, X86_INS_JNE, X86_INS_JBE, X86_INS_JA, X86_INS_JS, X86_INS_JNS, X86_INS_JP, X86_INS_JNP, X86_INS_JL,
    X86_INS_JGE, X86_INS_JLE, X86_INS_JG};

/* Beside these, the trampolines save what C code wants saved. */
static const unsigned trampoline_ids[] = {
    X86_INS_PUSH,  X86_INS_POP,   X86_INS_RET,   X86_INS_MOVAPS, X86_INS_MOVUPS, /* and move and compare strings */
    X86_INS_MOVSB, X86_INS_MOVSW, X86_INS_MOVSD, X86_INS_STOSB,  X86_INS_STOSW,  X86_INS_STOSD, X86_INS_CMPSB,
    X86_INS_CMPSW, X86_INS_CMPSD, X86_INS_SCASB, X86_INS_SCASW,  X86_INS_SCASD,  X86_INS_STD,   X86_INS_CLD};

/* Of the x87, MMX and SSE units, a block may hold the guest's own instruction and what Capstone's groups have, but none
 * of these. */
static const unsigned refused_unit_ids[] = {
    X86_INS_FNSTENV, X86_INS_FLDENV,    X86_INS_FNSAVE,  X86_INS_FRSTOR,  X86_INS_FXSAVE,   X86_INS_FXSAVE64,
    X86_INS_FXRSTOR, X86_INS_FXRSTOR64, X86_INS_LDMXCSR, X86_INS_STMXCSR, X86_INS_MASKMOVQ, X86_INS_MASKMOVDQU,
    X86_INS_MONITOR, X86_INS_MWAIT,     X86_INS_CLFLUSH, X86_INS_XSAVE,   X86_INS_XRSTOR};
/* Of these, the guest's own all the same. STMXCSR shows what the guest itself has put there: all masks are set where
 * SSE is lowered, and so the host's MXCSR is the guest's. LDMXCSR of an unchecked value could unmask exceptions in the
 * host, or raise #GP there: check_ldmxcsr. */
static const unsigned own_unit_ids[] = {X86_INS_LDMXCSR, X86_INS_STMXCSR};
static const unsigned unit_groups[] = {X86_GRP_FPU, X86_GRP_MMX, X86_GRP_SSE1, X86_GRP_SSE2};

/* ---- what the guest may not do by itself, whatever the mode (SDM vol. 3 "Privileged Instructions"; Robin and Irvine
 * 2000 for those that x86 does not trap) ---- */
static const unsigned sensitive_ids[] = {
    X86_INS_CLI,    X86_INS_STI,    X86_INS_PUSHF,   X86_INS_PUSHFD,   X86_INS_POPF,    X86_INS_POPFD,   X86_INS_IN,
    X86_INS_OUT,    X86_INS_INSB,   X86_INS_INSW,    X86_INS_INSD,     X86_INS_OUTSB,   X86_INS_OUTSW,   X86_INS_OUTSD,
    X86_INS_HLT,    X86_INS_LGDT,   X86_INS_LIDT,    X86_INS_LLDT,     X86_INS_LTR,     X86_INS_SGDT,    X86_INS_SIDT,
    X86_INS_SLDT,   X86_INS_STR,    X86_INS_SMSW,    X86_INS_LMSW,     X86_INS_CLTS,    X86_INS_VERR,    X86_INS_VERW,
    X86_INS_LAR,    X86_INS_LSL,    X86_INS_ARPL,    X86_INS_INT,      X86_INS_INT1,    X86_INS_INT3,    X86_INS_INTO,
    X86_INS_IRET,   X86_INS_IRETD,  X86_INS_BOUND,   X86_INS_SYSENTER, X86_INS_SYSEXIT, X86_INS_SYSCALL, X86_INS_SYSRET,
    X86_INS_LCALL,  X86_INS_LJMP,   X86_INS_RETF,    X86_INS_CPUID,    X86_INS_RDTSC,   X86_INS_RDPMC,   X86_INS_RDMSR,
    X86_INS_WRMSR,  X86_INS_INVD,   X86_INS_WBINVD,  X86_INS_INVLPG,   X86_INS_RSM,     X86_INS_LDS,     X86_INS_LES,
    X86_INS_LFS,    X86_INS_LGS,    X86_INS_LSS,     X86_INS_UD2,      X86_INS_FNSTENV, X86_INS_FLDENV,  X86_INS_FNSAVE,
    X86_INS_FRSTOR, X86_INS_FXSAVE, X86_INS_FXRSTOR, X86_INS_LDMXCSR};

static bool is_id_in(unsigned id, const unsigned *ids, size_t n)
{
    while (n-- > 0)
        if (ids[n] == id)
            return true;
    return false;
}
#define IS_IN(id, ids) is_id_in((id), (ids), sizeof(ids) / sizeof(ids)[0])

static bool reg_is_system(unsigned reg)
{
    return (reg >= X86_REG_CR0 && reg <= X86_REG_CR15) || (reg >= X86_REG_DR0 && reg <= X86_REG_DR15) ||
           reg == X86_REG_CS || reg == X86_REG_DS || reg == X86_REG_ES || reg == X86_REG_FS || reg == X86_REG_GS ||
           reg == X86_REG_SS;
}

static bool names_system_register(const cs_insn *insn)
{
    const cs_x86 *x86 = &insn->detail->x86;

    for (unsigned i = 0; i < x86->op_count; i++)
        if (x86->operands[i].type == X86_OP_REG && reg_is_system(x86->operands[i].reg))
            return true;
    return false;
}

/* ---- the sweep ---- */

/* A place for host code. Both are laid out alike, so that relative displacements are equal. */
struct place {
    uint8_t *memory;
    struct x64_entry entry;
    size_t entry_bytes;
    uint8_t *code;
};

struct sweep {
    struct translator *t;
    struct cpu *cpu;
    struct cpu_model model;
    struct place place[2];
    csh host, guest[2]; /* 16-bit and 32-bit code */
    cs_insn *host_insn, *guest_insn[2];
    uint64_t *seen; /* hashes of host code that was looked through already; 64 bits: no two alike among 10^6 or so */
    size_t seen_size, n_seen;
    unsigned long n_guest, n_lowered, n_no_code, n_host;
    unsigned guest_unit; /* the guest instruction, if it is lowered and one of x87, MMX or SSE */
    /* what is being looked at, for messages */
    const struct x86_mode *mode;
    const uint8_t *bytes;
    unsigned n_bytes;
};

static void hex(char *out, const uint8_t *bytes, size_t n)
{
    *out = 0;
    for (size_t i = 0; i < n; i++)
        sprintf(out + 3 * i, "%02x ", bytes[i]);
}

static void __attribute__((noreturn)) refuse(const struct sweep *s, const char *why, const cs_insn *insn)
{
    char guest[64], host[64] = "";

    hex(guest, s->bytes, s->n_bytes);
    if (insn)
        hex(host, insn->bytes, insn->size);
    fail_msg("%s: host %s%s %s, for guest %s(%s%u CPL %u IOPL %u)", why, host, insn ? insn->mnemonic : "",
             insn ? insn->op_str : "", guest,
             s->mode->v86              ? "V86 "
             : s->mode->protected_mode ? "PM"
                                       : "real ",
             s->mode->code32 ? 32 : 16, s->mode->cpl, s->mode->iopl);
    abort();
}

static bool is_unit(const struct sweep *s, const cs_insn *insn)
{
    if (insn->id == s->guest_unit)
        return !IS_IN(insn->id, refused_unit_ids) || IS_IN(insn->id, own_unit_ids);
    for (size_t i = 0; i < sizeof unit_groups / sizeof unit_groups[0]; i++)
        if (cs_insn_group(s->host, insn, unit_groups[i]))
            return !IS_IN(insn->id, refused_unit_ids);
    return false;
}

static void check_memory_operand(const struct sweep *s, const cs_insn *insn, const cs_x86_op *op)
{
    const bool is_window = s->mode->windowed && op->mem.segment == X86_REG_GS;

    if (op->mem.segment != X86_REG_INVALID && !is_window)
        refuse(s, "a segment override", insn);
    if (insn->id == X86_INS_LEA) /* computes only */
        return;
    if (insn->id == X86_INS_XCHG)
        refuse(s, "XCHG with memory is locked", insn);
    if (is_window) {
        if (insn->detail->x86.addr_size != 4)
            refuse(s, "an address that may lie beyond the window", insn);
        if (op->size > 16)
            refuse(s, "an access that may reach beyond the window's guard", insn);
        return; /* the guest's own displacement, if any */
    }
    if (op->mem.base == X86_REG_INVALID || op->mem.base == X86_REG_RIP || op->mem.base == X86_REG_EIP)
        refuse(s, "an absolute or RIP-relative address", insn);
    if (op->mem.base == X86_REG_R15 && op->mem.index == X86_REG_INVALID &&
        (op->mem.disp < -PLAN_STATE_BIAS || op->mem.disp + PLAN_STATE_BIAS + op->size > (int64_t)sizeof(struct cpu)))
        refuse(s, "beyond struct cpu", insn);
}

/* Everything but where branches lead. */
static void check_insn(const struct sweep *s, const cs_insn *insn, bool is_trampoline)
{
    const cs_x86 *x86 = &insn->detail->x86;

    if (!IS_IN(insn->id, integer_ids) && !is_unit(s, insn) && !(is_trampoline && IS_IN(insn->id, trampoline_ids)))
        refuse(s, "not an instruction that the backend may emit", insn);
    if (x86->prefix[0] == X86_PREFIX_LOCK)
        refuse(s, "LOCK", insn);
    if (x86->prefix[1] && !(s->mode->windowed && x86->prefix[1] == X86_PREFIX_GS))
        refuse(s, "a segment override", insn);
    if (names_system_register(insn))
        refuse(s, "a segment, control or debug register", insn);
    for (unsigned i = 0; i < x86->op_count; i++)
        if (x86->operands[i].type == X86_OP_MEM)
            check_memory_operand(s, insn, &x86->operands[i]);
}

/*
 * A host LDMXCSR of a guest's is right behind its check, byte for byte: the value is in EDX, and has every mask set and
 * no reserved bit, or the slow trampoline is called, which does not return here. It is loaded from the copy that was
 * looked at, since the guest's memory may be another's too.
 */
enum { LDMXCSR_CHECK = 16, LDMXCSR_CALL = 4 + DATA_BEHIND_CALL, LDMXCSR_COPY = 7 };

static void check_ldmxcsr(const struct sweep *s, const struct place *p, const cs_insn *insn, const uint8_t *at)
{
    /* mov ecx, ~MXCSR_WRITABLE | MXCSR_MASKS; pext ecx, edx, ecx; lea ecx, [rcx - 3fh]; jrcxz behind the call; call */
    static const uint8_t check[LDMXCSR_CHECK] = {
        0xb9, 0x80, 0x1f, 0xff, 0xff, 0xc4, 0xe2, 0x6a, 0xf5, 0xc9, 0x8d, 0x49, 0xc1, 0xe3, LDMXCSR_CALL + 1, 0xe8};
    const int disp = (int)offsetof(struct cpu, fpu.mxcsr) - PLAN_STATE_BIAS;
    int32_t to;
    uint8_t copy[LDMXCSR_COPY] = {0x41, 0x89, 0x97}; /* mov [r15 + disp], edx */
    const struct x86_op_mem *mem = &insn->detail->x86.operands[0].mem;

    assert_int_not_equal(disp, (int8_t)disp);
    memcpy(copy + 3, &disp, 4);
    if (mem->base != X86_REG_R15 || mem->index != X86_REG_INVALID || mem->segment != X86_REG_INVALID ||
        mem->disp != disp)
        refuse(s, "MXCSR from elsewhere than the copy in struct cpu", insn);
    if (at - p->code < LDMXCSR_CHECK + LDMXCSR_CALL + LDMXCSR_COPY ||
        memcmp(at - LDMXCSR_COPY, copy, LDMXCSR_COPY) != 0 ||
        memcmp(at - LDMXCSR_COPY - LDMXCSR_CALL - LDMXCSR_CHECK, check, LDMXCSR_CHECK) != 0)
        refuse(s, "MXCSR that was not looked at", insn);
    at -= LDMXCSR_COPY + LDMXCSR_CALL;
    memcpy(&to, at, 4);
    if ((uintptr_t)at + 4 + (uintptr_t)(intptr_t)to != (uintptr_t)p->entry.slow)
        refuse(s, "MXCSR after a call that returns", insn);
}

/* No branch leads into what ends with the LDMXCSR at offset `at`, but the check's own. */
static bool leads_past_check(size_t target, size_t at)
{
    return target > at - LDMXCSR_COPY - LDMXCSR_CALL - LDMXCSR_CHECK && target <= at && target != at - LDMXCSR_COPY;
}

static bool is_branch(const cs_insn *insn)
{
    return insn->id == X86_INS_JMP || insn->id == X86_INS_JRCXZ || insn->id == X86_INS_LOOP ||
           (insn->id >= X86_INS_JAE && insn->id <= X86_INS_JS);
}

/* Trampolines that a block calls and that return to it, with no data behind the call. */
static bool is_routine(const struct x64_entry *entry, uint64_t to)
{
    for (unsigned i = 0; i < 2; i++)
        for (unsigned width = 0; width < WIDTHS; width++)
            if (to == (uintptr_t)entry->rep_movs[i][width] || to == (uintptr_t)entry->rep_stos[i][width] ||
                to == (uintptr_t)entry->rep_cmps[i][width] || to == (uintptr_t)entry->rep_scas[i][width])
                return true;
    for (unsigned i = 0; i < 8; i++)
        if (to == (uintptr_t)entry->check_store[i / 4][i % 4])
            return true;
    return to == (uintptr_t)entry->load_sse || to == (uintptr_t)entry->load_x87 || to == (uintptr_t)entry->settle_x87 ||
           to == (uintptr_t)entry->tsc;
}

/* Looks through [code, code + len): instructions, and branches that lead to one of them or to a trampoline. */
static void check_code(struct sweep *s, const struct place *p, size_t len)
{
    static bool starts[CODE_BYTES];
    size_t target[CODE_BYTES / 2], n_targets = 0, ldmxcsr = 0;
    const uint8_t *at = p->code, *end = p->code + len;
    cs_insn *insn = s->host_insn;

    memset(starts, 0, len);
    while (at < end) {
        const uint8_t *start = at;
        size_t left = (size_t)(end - at);
        uint64_t address = (uintptr_t)at;
        const cs_x86_op *op = &insn->detail->x86.operands[0];

        starts[at - p->code] = true;
        if (!cs_disasm_iter(s->host, &at, &left, &address, insn)) {
            memcpy(insn->bytes, start, 16);
            insn->size = 16;
            insn->mnemonic[0] = insn->op_str[0] = 0;
            refuse(s, "no instruction", insn);
        }
        s->n_host++;
        check_insn(s, insn, false);
        if (insn->id == X86_INS_LDMXCSR) {
            check_ldmxcsr(s, p, insn, start);
            if (ldmxcsr)
                refuse(s, "MXCSR is loaded twice", insn);
            ldmxcsr = (size_t)(start - p->code);
        }
        if (insn->id == X86_INS_CALL) {
            const uint64_t to = op->type == X86_OP_IMM ? (uint64_t)op->imm : 0;

            if (to == (uintptr_t)p->entry.slow || to == (uintptr_t)p->entry.link)
                at += DATA_BEHIND_CALL;
            else if (!is_routine(&p->entry, to))
                refuse(s, "a call of something else than a trampoline", insn);
        } else if (is_branch(insn)) {
            if (op->type == X86_OP_IMM) {
                if ((uint64_t)op->imm != (uintptr_t)p->entry.lookup && (uint64_t)op->imm != (uintptr_t)p->entry.leave)
                    target[n_targets++] = (size_t)((uint64_t)op->imm - (uintptr_t)p->code);
            } else if (op->type != X86_OP_MEM || op->mem.base != X86_REG_R12) { /* the jump cache's entry */
                refuse(s, "a computed jump", insn);
            }
        }
    }
    while (n_targets-- > 0) {
        if (target[n_targets] >= len || !starts[target[n_targets]])
            refuse(s, "a branch into the middle of nowhere", NULL);
        if (ldmxcsr && leads_past_check(target[n_targets], ldmxcsr))
            refuse(s, "a branch past the look at MXCSR", NULL);
    }
}

static uint64_t hash_code(const uint8_t *code, size_t len)
{
    uint64_t hash = len * 0x9e3779b97f4a7c15u;

    for (size_t i = 0; i < len; i += 8) {
        uint64_t word = 0;

        memcpy(&word, code + i, len - i < 8 ? len - i : 8);
        hash = (hash ^ word) * 0xff51afd7ed558ccdu;
        hash ^= hash >> 32;
    }
    return hash ? hash : 1;
}

/* Is this host code new? */
static bool see(struct sweep *s, uint64_t hash)
{
    size_t i = hash & (s->seen_size - 1);

    while (s->seen[i] && s->seen[i] != hash)
        i = (i + 1) & (s->seen_size - 1);
    if (s->seen[i] == hash)
        return false;
    s->seen[i] = hash;
    assert_true(++s->n_seen < s->seen_size / 2);
    return true;
}

/* Host code for s->t->ir; its length, 0 if there is none. */
static size_t emit(struct sweep *s, struct place *p, uint32_t page_eip, uintptr_t second_page)
{
    struct translator *t = s->t;
    struct x64_job job = {
        .ir = &t->ir,
        .mode = s->mode,
        .entry = &p->entry,
        .flat_code = s->mode->seg[CS] == SEG_CLASS_FLAT && s->mode->code32,
        .page_eip = page_eip,
        .second_page = second_page,
        .code = p->code,
        .limit = p->code + CODE_BYTES,
        .site = t->new_site,
        .link = t->new_link,
        .stack = t->stack,
        .insn_host = t->insn_host,
        .insn = t->scan,
        .adapted = t->new_adapted,
    };
    const uint8_t *end = x64_select(&job);

    return end ? (size_t)(end - p->code) : 0;
}

static bool is_redirected(const struct ir_block *ir)
{
    static const uint8_t opcodes[] = {IR_CALLOUT, IR_CALLOUT_END, IR_EFLAGS,   IR_CLI,      IR_STI,   IR_POPF,
                                      IR_TSC,     IR_SELECTOR,    IR_SEG_REAL, IR_SEG_PROT, IR_CS_EIP};

    /* to the interpreter, or to inline emulation on the virtual processor's state */
    for (unsigned i = 0; i < ir->n_ops; i++)
        if (memchr(opcodes, ir->op[i].opcode, sizeof opcodes))
            return true;
    return false;
}

static bool has_unit(const struct ir_block *ir)
{
    for (unsigned i = 0; i < ir->n_ops; i++)
        if (ir->op[i].opcode == IR_UNIT)
            return true;
    return false;
}

/* A guest instruction that was lowered must be one that the guest may execute by itself. */
static void check_guest(struct sweep *s)
{
    const uint8_t *at = s->bytes;
    size_t left = s->n_bytes;
    uint64_t address = 0;
    cs_insn *insn = s->guest_insn[s->mode->code32];

    if (!cs_disasm_iter(s->guest[s->mode->code32], &at, &left, &address, insn))
        return; /* hint NOPs and the like that Capstone does not know */
    if ((IS_IN(insn->id, sensitive_ids) && !(insn->id == X86_INS_LDMXCSR && has_unit(&s->t->ir))) ||
        names_system_register(insn))
        refuse(s, "a sensitive guest instruction was lowered", insn);
    if (has_unit(&s->t->ir))
        s->guest_unit = insn->id;
}

/* One guest instruction at `offset` of its page, which ends `avail` bytes on. Returns its length. */
static unsigned check_one(struct sweep *s, const uint8_t *bytes, unsigned avail, uint32_t offset, uintptr_t second_page)
{
    struct translator *t = s->t;
    const bool flat = s->mode->seg[CS] == SEG_CLASS_FLAT && s->mode->code32;
    size_t len, other;

    s->bytes = bytes;
    s->n_bytes = scan_block(t, s->mode, offset, bytes, avail, 1, false);
    if (!s->n_bytes)
        return 0; /* longer than 15 bytes, or it crosses the page */
    s->n_guest++;
    s->guest_unit = X86_INS_INVALID;
    if (!is_redirected(&t->ir)) {
        s->n_lowered++;
        check_guest(s);
    }
    for (unsigned is_unaligned = 0; is_unaligned <= has_unit(&t->ir); is_unaligned++) {
        t->new_adapted[0] = is_unaligned; /* what has been seen of its operand */
        len = emit(s, &s->place[0], flat ? 0x00400000 : 0x8000, second_page);
        if (!len) { /* interpreted: the backend has no code for some unit instructions */
            assert_true(has_unit(&t->ir));
            s->n_no_code++;
            return s->n_bytes;
        }
        other = emit(s, &s->place[1], flat ? 0xc1234000 : 0x8000, second_page);
        if (other != len || memcmp(s->place[0].code, s->place[1].code, len))
            refuse(s, "the host code depends on the linear address, or on its own", NULL);
        if (see(s, hash_code(s->place[0].code, len)))
            check_code(s, &s->place[0], len);
    }
    return s->n_bytes;
}

/* Prefix 0: none. */
static unsigned put_opcode(uint8_t *bytes, unsigned prefix, unsigned map, unsigned opcode)
{
    unsigned n = 0;

    if (prefix)
        bytes[n++] = (uint8_t)prefix;
    if (map != MAP_1B)
        bytes[n++] = 0x0f;
    if (map == MAP_0F38 || map == MAP_0F3A)
        bytes[n++] = map == MAP_0F38 ? 0x38 : 0x3a;
    bytes[n++] = (uint8_t)opcode;
    return n;
}

static bool has_modrm(const struct translator *t)
{
    const struct insn *in = &t->scan[0];

    return in->row == ISA_ROW_UD ||
           (isa_table[in->row].modrm_kind != MODRM_NONE && isa_table[in->row].modrm_kind != MODRM_PLUS_R);
}

/* All ModRM bytes of one opcode. What follows is positive or negative as a displacement, a distance or an immediate. */
static void check_opcode(struct sweep *s, unsigned prefix, unsigned map, unsigned opcode)
{
    static const uint8_t follows[] = {0x24, 0x91, 0x00, 0xff};
    uint8_t bytes[16];

    for (unsigned i = 0; i < 4; i++) {
        memset(bytes, follows[i], sizeof bytes);
        put_opcode(bytes, prefix, map, opcode);
        check_one(s, bytes, 15, FIRST_OFFSET, 0);
    }
    if (!has_modrm(s->t))
        return;
    for (unsigned modrm = 0; modrm < 256; modrm++) {
        memset(bytes, modrm & 1 ? 0x24 : 0x91, sizeof bytes);
        bytes[put_opcode(bytes, prefix, map, opcode)] = (uint8_t)modrm;
        check_one(s, bytes, 15, FIRST_OFFSET, 0);
    }
}

/* ---- modes ---- */

#define ALL_SEGMENTS(class)                                                                                            \
    {                                                                                                                  \
        class, class, class, class, class, class                                                                       \
    }
#define ALL_64K .seg = ALL_SEGMENTS(SEG_CLASS_64K), .forward = true, .x87_native = true, .sse_native = true

static const struct x86_mode real_modes[] = {{ALL_64K}};
static const struct x86_mode v86_modes[] = {
    {.protected_mode = true, .v86 = true, .cpl = 3, .iopl = 0, ALL_64K},
    {.protected_mode = true, .v86 = true, .cpl = 3, .iopl = 3, ALL_64K},
};
static const struct x86_mode pm16_modes[] = {
    {.protected_mode = true, .cpl = 0, .iopl = 0, ALL_64K},
    {.protected_mode = true, .cpl = 0, .iopl = 3, ALL_64K},
    {.protected_mode = true, .cpl = 3, .iopl = 0, ALL_64K},
    {.protected_mode = true, .cpl = 3, .iopl = 3, .seg = ALL_SEGMENTS(SEG_CLASS_64K)}, /* no unit */
};
#define FLAT_32 .code32 = true, .stack32 = true, .protected_mode = true, .seg[FS] = SEG_CLASS_BASED, .forward = true
static const struct x86_mode pm32_modes[] = {
    {FLAT_32, .cpl = 0, .iopl = 0, .x87_native = true, .sse_native = true},
    {FLAT_32, .cpl = 0, .iopl = 3, .x87_native = true, .sse_native = true},
    {FLAT_32, .cpl = 3, .iopl = 0, .x87_native = true, .sse_native = true},
    {FLAT_32, .cpl = 3, .iopl = 3}, /* no unit */
    {.code32 = true,
     .stack32 = true,
     .protected_mode = true,
     .seg = ALL_SEGMENTS(SEG_CLASS_CHECKED),
     .forward = true,
     .x87_native = true,
     .sse_native = true},
};
static const struct x86_mode windowed_modes[] = {
    {FLAT_32, .windowed = true, .cpl = 0, .iopl = 0, .x87_native = true, .sse_native = true},
    {FLAT_32, .windowed = true, .cpl = 3, .iopl = 0, .x87_native = true, .sse_native = true},
    {FLAT_32, .windowed = true, .cpl = 3, .iopl = 3}, /* no unit */
};
static const struct {
    const char *name;
    const struct x86_mode *mode;
    size_t n;
} shards[] = {
    {"real", real_modes, sizeof real_modes / sizeof real_modes[0]},
    {"v86", v86_modes, sizeof v86_modes / sizeof v86_modes[0]},
    {"pm16", pm16_modes, sizeof pm16_modes / sizeof pm16_modes[0]},
    {"pm32", pm32_modes, sizeof pm32_modes / sizeof pm32_modes[0]},
    {"windowed", windowed_modes, sizeof windowed_modes / sizeof windowed_modes[0]},
};
static const uint8_t prefixes[] = {0, 0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x64};

/* ---- tests ---- */

static unsigned shard; /* chosen on the command line */

#define FOR_EACH_MODE(s)                                                                                               \
    for ((s)->mode = shards[shard].mode; (s)->mode < shards[shard].mode + shards[shard].n; (s)->mode++)

static void no_opcode_yields_a_sensitive_host_instruction(void **state)
{
    struct sweep *s = *state;

    FOR_EACH_MODE(s)
    for (unsigned p = 0; p < sizeof prefixes; p++)
        for (unsigned map = MAP_1B; map <= MAP_0F3A; map++)
            for (unsigned opcode = 0; opcode < 256; opcode++)
                check_opcode(s, prefixes[p], map, opcode);
    printf("%s: %lu guest instructions, %lu of them lowered, %lu without host code; %zu different blocks, %lu host "
           "instructions\n",
           shards[shard].name, s->n_guest, s->n_lowered, s->n_no_code, s->n_seen, s->n_host);
    /* The sweep is not empty: a third of the one-byte map, at least, has a lowering that takes all ModRM bytes. */
    assert_true(s->n_lowered > 100000 * shards[shard].n);
    assert_true(s->n_host > s->n_seen * 3);
}

static void no_sib_byte_yields_one_either(void **state)
{
    static const uint8_t opcodes[] = {0x01, 0x03, 0x8b, 0x88, 0x8d, 0xc7, 0xd3, 0xff, 0x87};
    struct sweep *s = *state;

    FOR_EACH_MODE(s)
    for (unsigned i = 0; i < sizeof opcodes; i++)
        for (unsigned modrm = 0; modrm < 0xc0; modrm++)
            for (unsigned sib = 0; sib < 256; sib++) {
                uint8_t bytes[16];

                memset(bytes, sib & 1 ? 0x44 : 0xbb, sizeof bytes);
                bytes[0] = 0x67; /* 32-bit addresses in 16-bit code */
                bytes[s->mode->code32 ? 0 : 1] = opcodes[i];
                bytes[s->mode->code32 ? 1 : 2] = (uint8_t)modrm;
                bytes[s->mode->code32 ? 2 : 3] = (uint8_t)sib;
                check_one(s, bytes, 15, FIRST_OFFSET, 0);
            }
}

/* The block's last instruction is the page's: the way on leads out of it. */
static void ways_out_of_the_page_yield_none(void **state)
{
    struct sweep *s = *state;

    FOR_EACH_MODE(s)
    for (unsigned map = MAP_1B; map <= MAP_0F; map++)
        for (unsigned opcode = 0; opcode < 256; opcode++)
            for (unsigned follows = 0; follows < 256; follows += 0x11) {
                uint8_t bytes[16];
                unsigned len;

                memset(bytes, (int)follows, sizeof bytes);
                put_opcode(bytes, 0, map, opcode);
                len = check_one(s, bytes, 15, FIRST_OFFSET, 0);
                if (len)
                    check_one(s, bytes, len, PHYS_PAGE_SIZE - len, 0);
            }
}

static void instructions_across_two_pages_yield_none(void **state)
{
    struct sweep *s = *state;

    FOR_EACH_MODE(s)
    for (unsigned map = MAP_1B; map <= MAP_0F; map++)
        for (unsigned opcode = 0; opcode < 256; opcode++)
            for (unsigned follows = 0; follows < 256; follows += 0x11) {
                uint8_t bytes[16];

                memset(bytes, (int)follows, sizeof bytes);
                put_opcode(bytes, 0, map, opcode);
                check_one(s, bytes, 15, PHYS_PAGE_SIZE - 1, SECOND_PAGE);
            }
}

static void trampolines_hold_no_sensitive_instruction(void **state)
{
    struct sweep *s = *state;
    const struct place *p = &s->place[0];
    const uint8_t *at = p->memory;
    size_t left = p->entry_bytes;
    uint64_t address = 0;

    s->mode = shards[shard].mode;
    s->n_bytes = 0;
    assert_int_equal(memcmp(p->memory, s->place[1].memory, p->entry_bytes), 0);
    while (cs_disasm_iter(s->host, &at, &left, &address, s->host_insn))
        check_insn(s, s->host_insn, true);
    assert_int_equal(left, 0);
}

/* ---- life ---- */

static void open_capstone(csh *handle, cs_insn **insn, cs_mode mode)
{
    assert_int_equal(cs_open(CS_ARCH_X86, mode, handle), CS_ERR_OK);
    assert_int_equal(cs_option(*handle, CS_OPT_DETAIL, CS_OPT_ON), CS_ERR_OK);
    *insn = cs_malloc(*handle);
    assert_non_null(*insn);
}

static int setup(void **state)
{
    struct sweep *s = calloc(1, sizeof *s);

    assert_non_null(s);
    s->t = calloc(1, sizeof *s->t);
    s->cpu = calloc(1, sizeof *s->cpu);
    s->seen_size = 1u << 22;
    s->seen = calloc(s->seen_size, sizeof *s->seen);
    assert_true(s->t && s->cpu && s->seen);
    s->model.isa_features = ~0u;
    s->cpu->model = &s->model;
    s->t->cpu = s->cpu;
    for (unsigned i = 0; i < 2; i++) {
        struct place *p = &s->place[i];

        p->memory = calloc(1, X64_ENTRY_BYTES + CODE_BYTES);
        assert_non_null(p->memory);
        p->entry_bytes = (size_t)(x64_emit_entry(p->memory, &p->entry) - p->memory);
        assert_true(p->entry_bytes <= X64_ENTRY_BYTES);
        p->code = p->memory + X64_ENTRY_BYTES;
    }
    decode_init();
    x86_lower_init();
    open_capstone(&s->host, &s->host_insn, CS_MODE_64);
    open_capstone(&s->guest[0], &s->guest_insn[0], CS_MODE_16);
    open_capstone(&s->guest[1], &s->guest_insn[1], CS_MODE_32);
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    struct sweep *s = *state;

    cs_free(s->host_insn, 1);
    cs_free(s->guest_insn[0], 1);
    cs_free(s->guest_insn[1], 1);
    cs_close(&s->host);
    cs_close(&s->guest[0]);
    cs_close(&s->guest[1]);
    for (unsigned i = 0; i < 2; i++)
        free(s->place[i].memory);
    free(s->seen);
    free(s->cpu);
    free(s->t);
    free(s);
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(trampolines_hold_no_sensitive_instruction, setup, teardown),
        cmocka_unit_test_setup_teardown(no_opcode_yields_a_sensitive_host_instruction, setup, teardown),
        cmocka_unit_test_setup_teardown(no_sib_byte_yields_one_either, setup, teardown),
        cmocka_unit_test_setup_teardown(ways_out_of_the_page_yield_none, setup, teardown),
        cmocka_unit_test_setup_teardown(instructions_across_two_pages_yield_none, setup, teardown),
    };
    const unsigned n = sizeof shards / sizeof shards[0];

    while (argc == 2 && shard < n && strcmp(argv[1], shards[shard].name) != 0)
        shard++;
    if (argc != 2 || shard == n) {
        fprintf(stderr, "usage: test_resource_control real | v86 | pm16 | pm32 | windowed\n");
        return 2;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
