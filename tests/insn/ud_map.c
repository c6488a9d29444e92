/*
 * The #UD map: which encodings the host CPU refuses with #UD at CPL 3, against which ones our decoder refuses; and how
 * many bytes the host fetches for each that we accept, by letting it run into an unmapped page.
 *
 * Every one-, two- and three-byte opcode with every ModRM byte, without prefix and with 66, F2, F3, F0 (LOCK), 66 F2
 * and F3 66, in 32- and 16-bit code, is executed once on the host (host_exec.h); what follows the ModRM byte is all F4,
 * so that whatever completes runs into HLT. Opcodes without ModRM are tried once. The three-byte maps have few opcodes
 * and no extensions: a handful of ModRM bytes, unless MORPH86_UD_FULL is set.
 *
 * `differences` lists where the two may differ and why; an entry says who may be the one to accept. Anything else
 * fails. Not executed, because they call the host's kernel or hypervisor: 0F 05 SYSCALL, 0F 34 SYSENTER, 0F 01 C1
 * VMCALL, 0F 01 D9 VMMCALL, INT 80h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "frontend/x86/insn.h"
#include "tests/insn/host_exec.h"

enum { VEC_UD = 6, VEC_PF = 14, INSN_MAX_LEN = 15, MAX_REPORTS = 100 };

enum prefix_bit { NONE_ = 1, P66 = 2, PF2 = 4, PF3 = 8, PF0 = 16, ANY_ = 31 };
static const struct {
    uint8_t bytes[2], bit; /* bit: the one that counts when both are mandatory prefixes */
} prefix_sets[] = {{{0}, NONE_},  {{0x66}, P66},       {{0xf2}, PF2},      {{0xf3}, PF3},
                   {{0xf0}, PF0}, {{0x66, 0xf2}, PF2}, {{0xf3, 0x66}, PF3}};

/* ---- known differences ---- */

enum acceptor { HOST = 1, OURS = 2, EITHER = 3 };

struct difference {
    uint8_t acceptor; /* who may accept what the other refuses */
    uint8_t map, first, last;
    uint8_t modrm_mask, modrm_value;
    uint8_t prefixes;
    const char *why;
};

#define ANY_MODRM  0x00, 0x00
#define EXT(n)     0x38, (n) << 3
#define EXT_REG(n) 0xf8, 0xc0 | (n) << 3
#define MODRM(b)   0xff, b

static const struct difference differences[] = {
    /* ---- extensions that no CPU model of ours has; the host may ---- */
    {HOST, MAP_1B, 0x62, 0x62, 0xc0, 0xc0, ANY_, "EVEX prefix, AVX-512; SDM 2A \"Intel AVX-512 Encoding\""},
    {HOST, MAP_1B, 0xc4, 0xc5, 0xc0, 0xc0, ANY_, "VEX prefix, AVX; SDM 2A \"Intel Advanced Vector Extensions\""},
    {HOST, MAP_1B, 0x8f, 0x8f, ANY_MODRM, ANY_, "XOP prefix; AMD64 vol. 3 \"VEX and XOP Prefixes\""},
    {HOST, MAP_1B, 0xdb, 0xdb, EXT(1), ANY_, "FISTTP m32, SSE3"},
    {HOST, MAP_1B, 0xdd, 0xdd, EXT(1), ANY_, "FISTTP m64, SSE3"},
    {HOST, MAP_1B, 0xdf, 0xdf, EXT(1), ANY_, "FISTTP m16, SSE3"},
    {HOST, MAP_1B, 0xc6, 0xc7, MODRM(0xf8), ANY_, "XABORT, XBEGIN, RTM"},
    {HOST, MAP_0F, 0x01, 0x01, EXT_REG(0), ANY_, "ENCLV, VMX, PCONFIG"},
    {HOST, MAP_0F, 0x01, 0x01, EXT_REG(1), ANY_, "MONITOR, MWAIT, CLAC, STAC, ENCLS"},
    {HOST, MAP_0F, 0x01, 0x01, EXT_REG(2), ANY_, "XGETBV, XSETBV, VMFUNC, XEND, XTEST, ENCLU"},
    {HOST, MAP_0F, 0x01, 0x01, EXT_REG(3), ANY_, "SVM; AMD64 vol. 3 \"System Instruction Reference\""},
    {HOST, MAP_0F, 0x01, 0x01, EXT(5), ANY_, "SERIALIZE, CET, protection keys, user interrupts"},
    {HOST, MAP_0F, 0x01, 0x01, EXT_REG(7), ANY_, "RDTSCP, MONITORX, MWAITX, CLZERO, RDPRU, INVLPGB, SEV-SNP"},
    {HOST, MAP_0F, 0x07, 0x07, ANY_MODRM, ANY_, "SYSRET in protected mode; AMD64 vol. 3 SYSRET"},
    {HOST, MAP_0F, 0x0d, 0x0d, ANY_MODRM, ANY_, "PREFETCHW"},
    {HOST, MAP_0F, 0x0e, 0x0f, ANY_MODRM, ANY_, "3DNow!"},
    {HOST, MAP_0F, 0x12, 0x12, ANY_MODRM, PF2 | PF3, "MOVDDUP, MOVSLDUP, SSE3"},
    {HOST, MAP_0F, 0x16, 0x16, ANY_MODRM, PF3, "MOVSHDUP, SSE3"},
    {HOST, MAP_0F, 0x2b, 0x2b, ANY_MODRM, PF2 | PF3, "MOVNTSD, MOVNTSS, SSE4A"},
    {HOST, MAP_0F, 0x37, 0x37, ANY_MODRM, ANY_, "GETSEC, SMX"},
    {HOST, MAP_0F, 0x78, 0x79, ANY_MODRM, ANY_, "EXTRQ, INSERTQ, SSE4A; VMREAD, VMWRITE"},
    {HOST, MAP_0F, 0x7c, 0x7d, ANY_MODRM, P66 | PF2, "HADDPx, HSUBPx, SSE3"},
    {HOST, MAP_0F, 0xa6, 0xa7, ANY_MODRM, ANY_, "PadLock"},
    {HOST, MAP_0F, 0xae, 0xae, ANY_MODRM, PF3, "FSGSBASE, INCSSP, UMONITOR, CLRSSBSY, PTWRITE"},
    {HOST, MAP_0F, 0xae, 0xae, ANY_MODRM, PF2, "UMWAIT"},
    {HOST, MAP_0F, 0xae, 0xae, EXT(4), NONE_, "XSAVE"},
    {HOST, MAP_0F, 0xae, 0xae, EXT(5), NONE_, "XRSTOR"},
    {HOST, MAP_0F, 0xae, 0xae, EXT(6), NONE_ | P66, "XSAVEOPT, CLWB, TPAUSE"},
    {HOST, MAP_0F, 0xae, 0xae, EXT(7), P66, "CLFLUSHOPT"},
    {HOST, MAP_0F, 0xc7, 0xc7, EXT(3), NONE_, "XRSTORS"},
    {HOST, MAP_0F, 0xc7, 0xc7, EXT(4), NONE_, "XSAVEC"},
    {HOST, MAP_0F, 0xc7, 0xc7, EXT(5), NONE_, "XSAVES"},
    {HOST, MAP_0F, 0xc7, 0xc7, EXT(6), ANY_, "RDRAND, VMPTRLD, VMCLEAR, VMXON, SENDUIPI"},
    {HOST, MAP_0F, 0xc7, 0xc7, EXT(7), ANY_, "RDSEED, RDPID, VMPTRST"},
    {HOST, MAP_0F, 0xd0, 0xd0, ANY_MODRM, P66 | PF2, "ADDSUBPx, SSE3"},
    {HOST, MAP_0F, 0xf0, 0xf0, ANY_MODRM, PF2, "LDDQU, SSE3"},
    {HOST, MAP_0F38, 0x00, 0x0b, ANY_MODRM, NONE_ | P66, "SSSE3"},
    {HOST, MAP_0F38, 0x1c, 0x1e, ANY_MODRM, NONE_ | P66, "PABSx, SSSE3"},
    {HOST, MAP_0F38, 0x10, 0x17, ANY_MODRM, P66, "PBLENDVB, BLENDVPx, PTEST, SSE4.1"},
    {HOST, MAP_0F38, 0x20, 0x2b, ANY_MODRM, P66, "PMOVSX, PMULDQ, PCMPEQQ, MOVNTDQA, PACKUSDW, SSE4.1"},
    {HOST, MAP_0F38, 0x30, 0x41, ANY_MODRM, P66, "PMOVZX, PCMPGTQ, PMINx, PMAXx, PMULLD, PHMINPOSUW, SSE4"},
    {HOST, MAP_0F38, 0x80, 0x82, ANY_MODRM, P66, "INVEPT, INVVPID, INVPCID"},
    {HOST, MAP_0F38, 0xc8, 0xcf, ANY_MODRM, NONE_ | P66, "SHA, GFNI"},
    {HOST, MAP_0F38, 0xd8, 0xdf, ANY_MODRM, P66 | PF3, "AES, Key Locker"},
    {HOST, MAP_0F38, 0xf0, 0xf1, ANY_MODRM, NONE_ | P66 | PF2, "MOVBE, CRC32"},
    {HOST, MAP_0F38, 0xf5, 0xf6, ANY_MODRM, NONE_ | P66 | PF3, "ADX, WRSS, WRUSS"},
    {HOST, MAP_0F38, 0xf8, 0xf9, ANY_MODRM, NONE_ | P66 | PF2 | PF3, "MOVDIR64B, MOVDIRI, ENQCMD, ENQCMDS"},
    {HOST, MAP_0F3A, 0x08, 0x0f, ANY_MODRM, NONE_ | P66, "ROUNDx, BLENDx, PALIGNR, SSE4.1, SSSE3"},
    {HOST, MAP_0F3A, 0x14, 0x22, ANY_MODRM, P66, "PEXTRx, EXTRACTPS, PINSRx, INSERTPS, SSE4.1"},
    {HOST, MAP_0F3A, 0x40, 0x44, ANY_MODRM, P66, "DPPx, MPSADBW, SSE4.1; PCLMULQDQ"},
    {HOST, MAP_0F3A, 0x60, 0x63, ANY_MODRM, P66, "PCMPxSTRx, SSE4.2"},
    {HOST, MAP_0F3A, 0xcc, 0xcf, ANY_MODRM, NONE_ | P66, "SHA, GFNI"},
    {HOST, MAP_0F3A, 0xdf, 0xdf, ANY_MODRM, P66, "AESKEYGENASSIST"},
    /* ---- where vendors differ, and where the mode decides ---- */
    {HOST, MAP_0F, 0x20, 0x20, EXT(0), PF0, "LOCK MOV CR0 is CR8; AMD64 vol. 3 MOV CRn, CPUID AltMovCr8"},
    {HOST, MAP_0F, 0x22, 0x22, EXT(0), PF0, "LOCK MOV CR0 is CR8; AMD64 vol. 3 MOV CRn, CPUID AltMovCr8"},
    {OURS, MAP_0F, 0xaa, 0xaa, ANY_MODRM, ANY_, "RSM: #UD outside SMM, which our handler decides; SDM 2B RSM"},
    {OURS, MAP_0F, 0x35, 0x35, ANY_MODRM, ANY_, "SYSEXIT in long mode; AMD64 vol. 3 SYSEXIT"},
};

static bool is_listed(bool host_ud, unsigned map, unsigned opcode, unsigned modrm, unsigned prefix)
{
    for (unsigned i = 0; i < sizeof differences / sizeof *differences; i++) {
        const struct difference *d = &differences[i];

        if (d->acceptor & (host_ud ? OURS : HOST) && d->map == map && opcode >= d->first && opcode <= d->last &&
            (modrm & d->modrm_mask) == d->modrm_value && d->prefixes & prefix_sets[prefix].bit)
            return true;
    }
    return false;
}

/* ---- the map ---- */

static void assemble(uint8_t *bytes, unsigned map, unsigned opcode, unsigned modrm, unsigned prefix)
{
    unsigned n = 0;

    memset(bytes, 0xf4, INSN_MAX_LEN);
    for (unsigned i = 0; i < 2; i++)
        if (prefix_sets[prefix].bytes[i])
            bytes[n++] = prefix_sets[prefix].bytes[i];
    if (map != MAP_1B)
        bytes[n++] = 0x0f;
    if (map >= MAP_0F38)
        bytes[n++] = map == MAP_0F38 ? 0x38 : 0x3a;
    bytes[n++] = (uint8_t)opcode;
    bytes[n++] = (uint8_t)modrm;
}

static bool is_prefix_or_escape(unsigned map, unsigned opcode)
{
    static const uint8_t prefixes[] = {0x0f, 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3};

    return map == MAP_1B ? memchr(prefixes, (int)opcode, sizeof prefixes) != NULL
                         : map == MAP_0F && (opcode == 0x38 || opcode == 0x3a);
}

static bool enters_kernel(unsigned map, unsigned opcode, unsigned modrm)
{
    if (map == MAP_1B)
        return opcode == 0xcd && modrm == 0x80;
    return map == MAP_0F && (opcode == 0x05 || opcode == 0x34 || (opcode == 0x01 && (modrm == 0xc1 || modrm == 0xd9)));
}

/* 0: defined without ModRM byte; 1: with one, or undefined */
static bool may_have_modrm(unsigned map, unsigned opcode)
{
    for (const struct isa_row *row = isa_table; row < isa_table + isa_rows; row++) {
        unsigned last = row->opcode + (row->modrm_kind == MODRM_PLUS_R ? 7 : 0);

        if (row->map == map && opcode >= row->opcode && opcode <= last &&
            (row->modrm_kind == MODRM_NONE || row->modrm_kind == MODRM_PLUS_R))
            return false;
    }
    return true;
}

static bool ours_is_ud(const uint8_t *bytes, bool code32)
{
    struct insn in;

    assert_int_equal(decode_insn(&in, bytes, INSN_MAX_LEN, code32, ~0u), DECODE_OK);
    return in.row == ISA_ROW_UD || !strncmp(isa_table[in.row].name, "UD", 2);
}

static bool host_is_ud(struct host_exec *host, const uint8_t *bytes, bool code32)
{
    struct host_state state;
    struct host_result result;

    /* What is popped or loaded as a selector is null. */
    memset(host_memory(host->stack_base + HOST_WINDOW / 2), 0, 64);
    host_state_init(&state, code32);
    host_exec_run(host, bytes, INSN_MAX_LEN, &state, &result);
    return result.vector == VEC_UD && result.state.eip == state.eip;
}

static unsigned compare_opcode(struct host_exec *host, unsigned map, unsigned opcode, bool code32, unsigned *tried)
{
    static const uint8_t few[] = {0x00, 0x05, 0x44, 0x83, 0xc0, 0xd1, 0xe2, 0xf3, 0xff};
    bool has_modrm = may_have_modrm(map, opcode);
    bool is_short = map >= MAP_0F38 && !getenv("MORPH86_UD_FULL");
    unsigned failures = 0;

    for (unsigned prefix = 0; prefix < sizeof prefix_sets / sizeof *prefix_sets; prefix++) {
        for (unsigned modrm = 0; modrm < 256; modrm++) {
            uint8_t bytes[INSN_MAX_LEN];
            bool host_ud, ours_ud;

            if ((!has_modrm && modrm != 0xf4) || (is_short && !memchr(few, (int)modrm, sizeof few)) ||
                enters_kernel(map, opcode, modrm))
                continue;
            assemble(bytes, map, opcode, modrm, prefix);
            host_ud = host_is_ud(host, bytes, code32);
            ours_ud = ours_is_ud(bytes, code32);
            ++*tried;
            if (host_ud == ours_ud || is_listed(host_ud, map, opcode, modrm, prefix))
                continue;
            if (failures++ < 3 || getenv("MORPH86_UD_ALL"))
                print_error("map %u opcode %02X modrm %02X prefix %02X %02X code%u: the host %s\n", map, opcode, modrm,
                            prefix_sets[prefix].bytes[0], prefix_sets[prefix].bytes[1], code32 ? 32 : 16,
                            host_ud ? "raises #UD, we do not" : "accepts it, we do not");
        }
    }
    return failures;
}

static void compare_maps(bool code32)
{
    struct host_exec host;
    const char *why;
    unsigned failures = 0, tried = 0;

    if (!host_exec_create(&host, &why)) {
        print_message("skipped: %s\n", why);
        skip();
    }
    for (unsigned map = MAP_1B; map <= MAP_0F3A; map++)
        for (unsigned opcode = 0; opcode < 256; opcode++)
            if (!is_prefix_or_escape(map, opcode))
                failures += compare_opcode(&host, map, opcode, code32, &tried);
    host_exec_destroy(&host);
    print_message("%u encodings, %u differences\n", tried, failures);
    assert_int_equal(failures, 0);
}

/* ---- lengths ---- */

static const char *name_of(const uint8_t *bytes, bool code32, unsigned *len)
{
    struct insn in;

    if (decode_insn(&in, bytes, INSN_MAX_LEN, code32, ~0u) != DECODE_OK || in.row == ISA_ROW_UD)
        return NULL;
    *len = in.len;
    return isa_table[in.row].name;
}

/* Does the host want more than the first `len` of `bytes`? */
static bool host_wants_more(struct host_exec *host, const uint8_t *bytes, unsigned len, bool code32)
{
    struct host_state state;
    struct host_result result;

    memset(host_memory(host->stack_base + HOST_WINDOW / 2), 0, 64);
    host_state_init(&state, code32);
    state.sel[1] = HOST_SELECTOR(code32 ? HOST_FREE_SLOT : HOST_FREE_SLOT + 1);
    host_exec_run_at_end(host, bytes, len, &state, &result);
    return result.vector == VEC_PF && result.state.eip == HOST_WINDOW - len &&
           result.address == host->code_base + HOST_WINDOW;
}

static unsigned compare_lengths(struct host_exec *host, unsigned map, unsigned opcode, bool code32, unsigned *tried)
{
    static const uint8_t prefixes[][2] = {{0}, {0x66}, {0x67}, {0x66, 0x67}, {0xf2}, {0xf3}};
    static const uint8_t tails[] = {0xf4, 0x25}; /* as SIB: base ESP; no base */
    unsigned failures = 0;

    for (unsigned i = 0; i < 256 * 12; i++) {
        const uint8_t *prefix = prefixes[i % 6], tail = tails[i / 6 % 2], modrm = (uint8_t)(i / 12);
        uint8_t bytes[INSN_MAX_LEN];
        const char *name;
        unsigned len, n = 0;

        if ((!may_have_modrm(map, opcode) && modrm != 0xf4) || enters_kernel(map, opcode, modrm))
            continue;
        if ((tail != 0xf4 && (modrm >= 0xc0 || (modrm & 7) != 4)) || (map == MAP_1B && prefix[0] >= 0xf2))
            continue; /* no SIB byte; F2 and F3 are idle */
        memset(bytes, tail, sizeof bytes);
        for (unsigned k = 0; k < 2; k++)
            if (prefix[k])
                bytes[n++] = prefix[k];
        if (map != MAP_1B)
            bytes[n++] = 0x0f;
        bytes[n] = (uint8_t)opcode;
        bytes[n + 1] = modrm;
        name = name_of(bytes, code32, &len);
        /* UD0 and UD1 have no ModRM byte on some processors, SDM 2B UD. */
        if (!name || !strncmp(name, "UD", 2) || (map == MAP_0F && (opcode == 0x05 || opcode == 0x34)))
            continue;
        ++*tried;
        if (!host_wants_more(host, bytes, len, code32) && (len == 1 || host_wants_more(host, bytes, len - 1, code32)))
            continue;
        if (failures++ < 3)
            print_error("map %u opcode %02X modrm %02X prefix %02X %02X code%u: %s is not %u bytes long\n", map, opcode,
                        modrm, prefix[0], prefix[1], code32 ? 32 : 16, name, len);
    }
    return failures;
}

static void host_and_decoder_agree_on_length(void **state)
{
    struct host_exec host;
    const char *why;
    unsigned failures = 0, tried = 0;

    (void)state;
    if (!host_exec_create(&host, &why)) {
        print_message("skipped: %s\n", why);
        skip();
    }
    assert_true(host_exec_set_segment(&host, HOST_FREE_SLOT, host.code_base, 2 * HOST_WINDOW - 1, 10, true, true));
    assert_true(host_exec_set_segment(&host, HOST_FREE_SLOT + 1, host.code_base, 2 * HOST_WINDOW - 1, 10, false, true));
    for (unsigned code32 = 0; code32 < 2; code32++)
        for (unsigned map = MAP_1B; map <= MAP_0F; map++)
            for (unsigned opcode = 0; opcode < 256; opcode++)
                if (!is_prefix_or_escape(map, opcode))
                    failures += compare_lengths(&host, map, opcode, code32, &tried);
    host_exec_destroy(&host);
    print_message("%u encodings, %u differences\n", tried, failures);
    assert_int_equal(failures, 0);
}

static void host_and_decoder_agree_on_ud_in_32_bit_code(void **state)
{
    (void)state;
    compare_maps(true);
}

static void host_and_decoder_agree_on_ud_in_16_bit_code(void **state)
{
    (void)state;
    compare_maps(false);
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
        cmocka_unit_test(host_and_decoder_agree_on_ud_in_32_bit_code),
        cmocka_unit_test(host_and_decoder_agree_on_ud_in_16_bit_code),
        cmocka_unit_test(host_and_decoder_agree_on_length),
    };

    return cmocka_run_group_tests(tests, build_decoder, NULL);
}
