/*
 * What the CPU says it is, and whether it keeps to it: CPUID, MSRs, CR4's bits, instructions by feature, counters,
 * memory types, LOCK. Source: SDM vol. 2 "CPUID", "RDMSR", "RDTSC", "RDPMC", "LOCK", "CMPXCHG8B"; vol. 3 "Control
 * Registers", "Memory Type Range Registers (MTRRs)", "Page Attribute Table (PAT)". Runs with any -cpu: what is expected
 * follows from CPUID.
 */
#include "guest.h"

#define FPU   (1u << 0)
#define VME   (1u << 1)
#define DE_   (1u << 2)
#define PSE   (1u << 3)
#define TSC   (1u << 4)
#define MSR   (1u << 5)
#define PAE   (1u << 6)
#define MCE   (1u << 7)
#define CX8   (1u << 8)
#define APIC  (1u << 9)
#define SEP   (1u << 11)
#define MTRR  (1u << 12)
#define PGE   (1u << 13)
#define CMOV  (1u << 15)
#define PAT   (1u << 16)
#define CLFSH (1u << 19)
#define MMX   (1u << 23)
#define FXSR  (1u << 24)
#define SSE   (1u << 25)
#define SSE2  (1u << 26)

/* A case that needs a feature, right after begin(): every CPU lists it. */
#define NEEDS(present)                                                                                                 \
    do {                                                                                                               \
        if (!(present))                                                                                                \
            skip_on(MORPH86 | QEMU | BOCHS, "not a feature of this CPU");                                              \
    } while (0)

static uint32_t features, features_c, max_leaf, family;
static bool have_cpuid;

static void read_features(void)
{
    uint32_t a, b;
    __asm__ volatile("pushfl; pop %0; mov %0, %1; xor $0x200000, %0; push %0; popfl; pushfl; pop %0"
                     : "=&r"(a), "=&r"(b));
    have_cpuid = (a ^ b) & ID;
    if (!have_cpuid)
        return;
    uint32_t r[4];
    cpuid(0, r);
    max_leaf = r[0];
    cpuid(1, r);
    features = r[3];
    features_c = r[2];
    family = r[0] >> 8 & 15;
}

static void identification(void)
{
    uint32_t r[4], s[4];
    begin("CPUID works in every mode");
    for (unsigned i = 0; i < 4; i++) {
        switch (i) {
        case 1:
            ring(3);
            break;
        case 2:
            v86(0);
            break;
        case 3:
            real_mode();
            break;
        }
        in.eax = 0;
        run(i < 2 ? CODE("cpuid") : CODE16("cpuid"));
        want_done();
        want(out.r.eax, max_leaf);
    }
    begin("CPUID loads all four registers, with zeros too");
    in.eax = 1;
    in.ecx = 0xffffffff;
    run(CODE("cpuid"));
    want_done();
    want(out.r.edx, features);
    begin("the vendor is a string");
    cpuid(0, r);
    for (unsigned i = 1; i < 4; i++)
        for (unsigned j = 0; j < 32; j += 8)
            want((r[i] >> j & 0xff) >= 0x20 && (r[i] >> j & 0xff) < 0x7f, true);
    begin("a leaf beyond the last answers as the last basic leaf");
    differs(BOCHS, "answers with zeros; SDM \"CPUID\"");
    cpuid(max_leaf, r);
    cpuid(max_leaf + 1, s);
    if (max_leaf != 1) { /* leaf 1 has the APIC's number */
        want(s[0], r[0]);
        want(s[3], r[3]);
    }
    begin("the brand string has its leaves if it has its number");
    cpuid(0x80000000, r);
    if (r[0] >= 0x80000004 && r[0] < 0x80000100) {
        cpuid(0x80000002, s);
        want(s[0] != 0, true);
        cpuid(0x80000004, s);
        want(s[3] >> 24, 0);
    }
    begin("features that imply others");
    if (features & SSE2)
        want(features & SSE, SSE);
    if (features & SSE)
        want(features & (FXSR | MMX), FXSR | MMX);
    if (features & MTRR)
        want(features & MSR, MSR);
    if (features & SEP)
        want(features & MSR, MSR);
    begin("the APIC's feature flag follows IA32_APIC_BASE");
    if ((features & (APIC | MSR)) == (APIC | MSR) && family >= 6) {
        differs(BOCHS | QEMU,
                "does not let the APIC be switched off and on so; SDM \"Enabling or Disabling the Local APIC\"");
        uint64_t base = read_msr(0x1b);
        write_msr(0x1b, base & ~0x800ull);
        cpuid(1, r);
        write_msr(0x1b, base | 0x800);
        want(r[3] & APIC, 0);
        cpuid(1, r);
        want(r[3] & APIC, APIC);
    }
}

/* Present: executes (or faults otherwise); absent: #UD. */
static void instructions(void)
{
    const struct {
        const char *name;
        uint32_t feature;
        const struct code *code;
    } row[] = {
        {"RDTSC", TSC, CODE("rdtsc")},
        {"RDMSR", MSR, CODE("xor ecx, ecx; mov ecx, 0x10; rdmsr")},
        {"CMPXCHG8B", CX8, CODE("cmpxchg8b [ebx]")},
        {"SYSENTER", SEP, CODE(HERE "sysenter")},
        {"CMOVE", CMOV, CODE("cmove eax, ecx")},
        {"FCMOVE", CMOV, CODE("fcmove st, st(1)")},
        {"FCOMI", CMOV, CODE("fcomi st, st(1)")},
        {"EMMS", MMX, CODE("emms")},
        {"PADDB MM", MMX, CODE("paddb mm0, mm1")},
        {"FXSAVE", FXSR, CODE("fxsave [ebx]")},
        {"ADDPS", SSE, CODE("addps xmm0, xmm1")},
        {"SFENCE", SSE, CODE("sfence")},
        {"STMXCSR", SSE, CODE("stmxcsr [ebx]")},
        {"PAVGB MM", SSE, CODE("pavgb mm0, mm1")},
        {"ADDPD", SSE2, CODE("addpd xmm0, xmm1")},
        {"MOVNTI", SSE2, CODE("movnti [ebx], eax")},
        {"LFENCE", SSE2, CODE("lfence")},
        {"MFENCE", SSE2, CODE("mfence")},
        {"PMULUDQ MM", SSE2, CODE("pmuludq mm0, mm1")},
        {"CLFLUSH", CLFSH, CODE("clflush [ebx]")},
    };
    for (unsigned i = 0; i < sizeof row / sizeof row[0]; i++) {
        begin("%s as CPUID says", row[i].name);
        bool present = features & row[i].feature;
        if (!present)
            differs(QEMU | BOCHS, "decodes it without its feature flag; SDM \"CPUID\"");
        in.ebx = DATA_AREA;
        in_cr4 = (features & FXSR ? CR4_OSFXSR : 0);
        __asm__ volatile("fninit; fld1; fld1");
        run(row[i].code);
        if (i == 3 && present) {
            want_fault(GP, 0); /* IA32_SYSENTER_CS is 0 */
        } else if (present) {
            want_done();
        } else {
            want(out.vector, UD);
            want(out.r.eip == row[i].code->end, false);
        }
    }
    begin("without an FPU flag its instructions are left alone");
    want(features & FPU, FPU);
}

static void control_register_4(void)
{
    static const struct {
        const char *name;
        uint32_t bit, feature;
    } row[] = {{"VME", 1, VME},         {"PVI", 2, VME},           {"TSD", 4, TSC},    {"DE", 8, DE_},
               {"PSE", 0x10, PSE},      {"PAE", 0x20, PAE},        {"MCE", 0x40, MCE}, {"PGE", 0x80, PGE},
               {"OSFXSR", 0x200, FXSR}, {"OSXMMEXCPT", 0x400, SSE}};
    for (unsigned i = 0; i < sizeof row / sizeof row[0]; i++) {
        begin("CR4.%s can be set as CPUID says", row[i].name);
        bool present = features & row[i].feature;
        in.eax = row[i].bit;
        if (!present)
            differs(QEMU | BOCHS, "stores bits without a feature; SDM \"Control Registers\"");
        if (row[i].feature == FXSR && !(features & SSE))
            differs(QEMU, "ignores it without SSE; SDM \"Control Registers\"");
        run(CODE("mov cr4, eax; mov ecx, cr4"));
        if (present) {
            want_done();
            want(out.r.ecx, row[i].bit);
        } else {
            want_fault(GP, 0);
        }
    }
    for (unsigned bit = 23; bit < 32; bit += 2) {
        begin("CR4 bit %u is reserved", bit);
        skip_on(QEMU, "does not come back; SDM \"MOV-Move to/from Control Registers\"");
        in.eax = 1u << bit;
        run(CODE("mov cr4, eax"));
        want_fault(GP, 0);
    }
    begin("the reserved bits of CR0 are ignored, ET is 1");
    differs(QEMU, "stores reserved bits; SDM \"Control Registers\"");
    in.eax = 0x1ffaffc1 | CR0_NE;
    run(CODE("mov cr0, eax; mov ecx, cr0; mov eax, 0x31; mov cr0, eax"));
    want_done();
    want(out.r.ecx, CR0_PE | CR0_ET | CR0_NE);
    begin("CR1 and CR5 to CR7 raise #UD");
    run(CODE(".byte 0x0f, 0x20, 0xc8"));
    want_fault(UD, 0);
    run(CODE(".byte 0x0f, 0x22, 0xe8"));
    want_fault(UD, 0);
    run(CODE(".byte 0x0f, 0x20, 0xf8"));
    want_fault(UD, 0);
}

static void counters(void)
{
    begin("RDTSC counts up");
    if (features & TSC) {
        run(CODE("rdtsc; mov ebx, eax; mov ecx, 10000; 1: loop 1b; rdtsc; sub eax, ebx"));
        want_done();
        want(out.r.eax != 0 && (int32_t)out.r.eax > 0, true);
    }
    for (unsigned cpl = 0; cpl < 4; cpl++) {
        begin("RDTSC with CR4.TSD at CPL %u", cpl);
        NEEDS(features & TSC);
        ring(cpl);
        in_cr4 = CR4_TSD;
        run(CODE("rdtsc"));
        if (cpl)
            want_fault(GP, 0);
        else
            want_done();
        begin("RDPMC without CR4.PCE at CPL %u", cpl);
        NEEDS(family >= 6);
        ring(cpl);
        in.ecx = 0;
        run(CODE("rdpmc"));
        if (cpl)
            want_fault(GP, 0);
        else if (emulator == MORPH86) /* counters are a model's choice */
            want_done();
    }
    begin("RDTSC in virtual-8086 mode with TSD raises #GP(0)");
    if (features & TSC) {
        v86(3);
        in_cr4 = CR4_TSD;
        run(CODE16("rdtsc"));
        want_fault(GP, 0);
    }
    begin("RDPMC of a counter that does not exist raises #GP(0)");
    differs(QEMU | BOCHS, "has no counters; SDM \"RDPMC\"");
    if (family >= 6) {
        in.ecx = 0x3f;
        run(CODE("rdpmc"));
        want_fault(GP, 0);
    }
    begin("WRMSR sets the time-stamp counter");
    differs(QEMU, "ignores the write; SDM \"Time-Stamp Counter\"");
    if ((features & (TSC | MSR)) == (TSC | MSR)) {
        /* Up, then down: the second reading is below the first value unless the host stalls for seconds. */
        in.ecx = 0x10;
        in.eax = 0xf0000000;
        in.edx = 0;
        run(CODE("wrmsr; rdtsc"));
        want_done();
        want(out.r.edx || out.r.eax >= 0xf0000000, true);
        in.eax = 1000;
        run(CODE("wrmsr; rdtsc"));
        want_done();
        want(out.r.edx, 0);
        want(out.r.eax >= 1000 && out.r.eax < 0xf0000000, true);
    }
}

static void model_specific_registers(void)
{
    bool msr = features & MSR, sep = msr && features & SEP, mtrr = msr && features & MTRR, pat = msr && features & PAT;
    for (unsigned cpl = 1; cpl < 4; cpl++) {
        begin("RDMSR and WRMSR at CPL %u raise #GP(0)", cpl);
        NEEDS(msr);
        ring(cpl);
        in.ecx = 0x10;
        run(CODE("rdmsr"));
        want_fault(GP, 0);
        run(CODE("wrmsr"));
        want_fault(GP, 0);
    }
    begin("RDMSR in virtual-8086 mode raises #GP(0)");
    NEEDS(msr);
    v86(3);
    in.ecx = 0x10;
    run(CODE16("rdmsr"));
    want_fault(GP, 0);
    static const uint32_t unknown[] = {0x12345678, 0x40000000, 0xc0000000, 0xc0011fff, 0x2fe, 0xffffffff};
    for (unsigned i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        begin("MSR %x does not exist", unknown[i]);
        NEEDS(msr);
        differs(QEMU | BOCHS, "ignores unknown registers; SDM \"RDMSR\", \"WRMSR\"");
        in.ecx = unknown[i];
        run(CODE("rdmsr"));
        want_fault(GP, 0);
        run(CODE("wrmsr"));
        want_fault(GP, 0);
    }
    for (uint32_t index = 0x174; index < 0x177; index++) {
        begin("MSR %x keeps 32 bits", index);
        NEEDS(sep);
        in.ecx = index;
        in.eax = 0x12345678;
        in.edx = 0;
        run(CODE("wrmsr; xor eax, eax; rdmsr; xchg ebx, eax; xor eax, eax; xor edx, edx; wrmsr"));
        want_done();
        want_masked("value", out.r.ebx, 0x12345678, index == 0x174 ? 0xffff : 0xffffffff);
    }
    begin("the MTRR capability register is read-only");
    NEEDS(mtrr);
    differs(QEMU, "ignores the write; SDM \"IA32_MTRRCAP\"");
    in.ecx = 0xfe;
    run(CODE("wrmsr"));
    want_fault(GP, 0);
    static const uint32_t registers[] = {0x200, 0x201, 0x20e, 0x20f, 0x250, 0x258, 0x259, 0x268, 0x26b, 0x26f};
    for (unsigned i = 0; i < sizeof registers / sizeof registers[0]; i++) {
        begin("MTRR %x reads back what was written", registers[i]);
        NEEDS(mtrr);
        in.ecx = registers[i];
        bool mask = registers[i] < 0x250 && (registers[i] & 1), base = registers[i] < 0x250 && !mask;
        in.eax = mask ? 0xfffff800 : base ? 0x80000006 : 0x06050401;
        in.edx = mask || base ? 0 : 0x00010406;
        uint64_t before = mtrr ? read_msr(registers[i]) : 0;
        run(CODE("wrmsr; xor eax, eax; xor edx, edx; rdmsr"));
        want_done();
        want(out.r.eax, in.eax);
        want(out.r.edx, in.edx);
        if (mtrr)
            write_msr(registers[i], before);
    }
    begin("a fixed MTRR takes no reserved memory type");
    NEEDS(mtrr);
    differs(QEMU, "stores anything; SDM \"Memory Types That Can Be Encoded in MTRRs\"");
    in.ecx = 0x250;
    in.eax = 0x02;
    in.edx = 0;
    run(CODE("wrmsr"));
    want_fault(GP, 0);
    in.eax = 0;
    in.edx = 0x07000000;
    run(CODE("wrmsr"));
    want_fault(GP, 0);
    begin("the default type register reads back and refuses reserved bits");
    NEEDS(mtrr);
    differs(QEMU, "stores anything; SDM \"IA32_MTRR_DEF_TYPE MSR\"");
    uint64_t default_type = mtrr ? read_msr(0x2ff) : 0;
    in.ecx = 0x2ff;
    in.eax = 0xc06;
    in.edx = 0;
    run(CODE("wrmsr; xor eax, eax; rdmsr"));
    want_done();
    want(out.r.eax, 0xc06);
    if (mtrr)
        write_msr(0x2ff, default_type);
    in.eax = 0x1000;
    run(CODE("wrmsr"));
    want_fault(GP, 0);
    begin("PAT reads back and refuses reserved types");
    NEEDS(pat);
    differs(QEMU, "stores anything; SDM \"Programming the PAT\"");
    uint64_t types = pat ? read_msr(0x277) : 0;
    in.ecx = 0x277;
    in.eax = 0x07040600;
    in.edx = 0x00010405;
    run(CODE("wrmsr; xor eax, eax; xor edx, edx; rdmsr"));
    want_done();
    want(out.r.eax, in.eax);
    want(out.r.edx, in.edx);
    if (pat)
        write_msr(0x277, types);
    in.eax = 0x03;
    run(CODE("wrmsr"));
    want_fault(GP, 0);
    uint32_t r[4];
    cpuid(0x80000000, r);
    bool nx = false;
    if (r[0] >= 0x80000001 && r[0] < 0x80000100) {
        cpuid(0x80000001, r);
        nx = r[3] >> 20 & 1;
    }
    begin("EFER exists as CPUID says");
    NEEDS(msr);
    if (!nx)
        differs(QEMU | BOCHS, "has it always; SDM \"IA32_EFER\"");
    in.ecx = 0xc0000080;
    in.eax = 0x800;
    in.edx = 0;
    run(CODE("wrmsr; xor eax, eax; rdmsr; mov ebx, eax; xor eax, eax; wrmsr"));
    if (nx) {
        want_done();
        want(out.r.ebx & 0x800, 0x800);
        begin("EFER's reserved bits raise #GP(0)");
        differs(QEMU, "ignores reserved bits; SDM \"IA32_EFER\"");
        in.ecx = 0xc0000080;
        in.eax = 0x200000;
        in.edx = 0;
        run(CODE("wrmsr"));
        want_fault(GP, 0);
    } else {
        want_fault(GP, 0);
        begin("EFER's reserved bits raise #GP(0)");
    }
}

static void lock_prefix(void)
{
    static const struct {
        const char *name;
        uint8_t length, bytes[8];
        bool allowed;
    } row[] = {
        {"CMPXCHG8B of a register", 4, {0xf0, 0x0f, 0xc7, 0xc8}, false},
        {"CMPXCHG8B of memory", 4, {0xf0, 0x0f, 0xc7, 0x0b}, true},
        {"ADD m32, r32", 3, {0xf0, 0x01, 0x03}, true},
        {"ADD r32, m32", 3, {0xf0, 0x03, 0x03}, false},
        {"ADD r32, r32", 3, {0xf0, 0x01, 0xc3}, false},
        {"CMP m32, imm8", 4, {0xf0, 0x83, 0x3b, 1}, false},
        {"OR m32, imm8", 4, {0xf0, 0x83, 0x0b, 1}, true},
        {"NOT m32", 3, {0xf0, 0xf7, 0x13}, true},
        {"TEST m32, imm32", 7, {0xf0, 0xf7, 0x03, 1, 0, 0, 0}, false},
        {"MUL m32", 3, {0xf0, 0xf7, 0x23}, false},
        {"INC m8", 3, {0xf0, 0xfe, 0x03}, true},
        {"INC r32", 2, {0xf0, 0x40}, false},
        {"MOV m32, r32", 3, {0xf0, 0x89, 0x03}, false},
        {"MOV r32, m32", 3, {0xf0, 0x8b, 0x03}, false},
        {"XCHG m32, r32", 3, {0xf0, 0x87, 0x03}, true},
        {"XCHG r32, r32", 3, {0xf0, 0x87, 0xc3}, false},
        {"NOP", 2, {0xf0, 0x90}, false},
        {"XADD m32, r32", 4, {0xf0, 0x0f, 0xc1, 0x03}, true},
        {"BT m32, r32", 4, {0xf0, 0x0f, 0xa3, 0x03}, false},
        {"BTS m32, r32", 4, {0xf0, 0x0f, 0xab, 0x03}, true},
        {"BTC m32, imm8", 5, {0xf0, 0x0f, 0xba, 0x3b, 1}, true},
        {"BT m32, imm8", 5, {0xf0, 0x0f, 0xba, 0x23, 1}, false},
        {"CMPXCHG m32, r32", 4, {0xf0, 0x0f, 0xb1, 0x0b}, true},
        {"SHL m32, 1", 3, {0xf0, 0xd1, 0x23}, false},
        {"PUSH r32", 2, {0xf0, 0x50}, false},
        {"PUSH m32", 3, {0xf0, 0xff, 0x33}, false},
        {"MOVSB", 2, {0xf0, 0xa4}, false},
        {"STOSD", 2, {0xf0, 0xab}, false},
        {"LEA", 3, {0xf0, 0x8d, 0x03}, false},
        {"CLI", 2, {0xf0, 0xfa}, false},
        {"CPUID", 3, {0xf0, 0x0f, 0xa2}, false},
        {"RDTSC", 3, {0xf0, 0x0f, 0x31}, false},
        {"MOV CR0", 4, {0xf0, 0x0f, 0x22, 0xc0}, false},
        {"MOV EAX, CR0", 4, {0xf0, 0x0f, 0x20, 0xc0}, false},
        {"JMP", 3, {0xf0, 0xeb, 0x00}, false},
        {"IMUL r32, m32", 4, {0xf0, 0x0f, 0xaf, 0x03}, false},
        {"SETE m8", 4, {0xf0, 0x0f, 0x94, 0x03}, false},
        {"HLT", 2, {0xf0, 0xf4}, false},
        {"INT3", 2, {0xf0, 0xcc}, false},
        {"WAIT", 2, {0xf0, 0x9b}, false},
        {"FNINIT", 3, {0xf0, 0xdb, 0xe3}, false},
        {"UD2", 3, {0xf0, 0x0f, 0x0b}, false},
    };
    static uint8_t bytes[16];
    for (unsigned i = 0; i < sizeof row / sizeof row[0]; i++) {
        begin(row[i].allowed ? "LOCK %s is done" : "LOCK %s raises #UD", row[i].name);
        if (!row[i].allowed)
            differs(QEMU, "executes it; SDM \"LOCK\"");
        if (i == 37)
            skip_on(QEMU, "executes it: HLT; SDM \"LOCK\"");
        memcpy(bytes, row[i].bytes, row[i].length);
        bytes[row[i].length] = 0x0f;
        bytes[row[i].length + 1] = 0x0b;
        const struct code code = {(uint32_t)bytes, (uint32_t)bytes, (uint32_t)bytes + row[i].length};
        in.ebx = in.esi = in.edi = DATA_AREA;
        in.eax = 1;
        in.ecx = 0;
        run(&code);
        if (row[i].allowed && (i != 1 || features & CX8))
            want_done();
        else
            want_fault(UD, 0);
    }
    begin("CMPXCHG8B of a register without LOCK raises #UD");
    run(CODE(".byte 0x0f, 0xc7, 0xc8"));
    want_fault(UD, 0);
    begin("CMPXCHG8B equal stores ECX:EBX and sets ZF");
    NEEDS(features & CX8);
    data32[0] = 1;
    data32[1] = 2;
    in.eax = 1;
    in.edx = 2;
    in.esi = DATA_AREA;
    run(CODE("lock cmpxchg8b [esi]"));
    want_done();
    want(data32[0], in.ebx);
    want(data32[1], in.ecx);
    want(out.r.eflags & ZF, ZF);
    begin("CMPXCHG8B unequal loads EDX:EAX and clears ZF");
    NEEDS(features & CX8);
    data32[0] = 1;
    data32[1] = 3;
    in.eax = 1;
    in.edx = 2;
    in.esi = DATA_AREA;
    in.eflags |= ZF;
    run(CODE("cmpxchg8b [esi]"));
    want_done();
    want(out.r.eax, 1);
    want(out.r.edx, 3);
    want(out.r.eflags & ZF, 0);
}

void guest_cases(void)
{
    read_features();
    if (have_cpuid)
        identification();
    instructions();
    control_register_4();
    counters();
    model_specific_registers();
    lock_prefix();
}
