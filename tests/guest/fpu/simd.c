/*
 * SSE: #XM and #UD by CR4.OSXMMEXCPT, MXCSR's reserved bits, alignment to 16 bytes. Source: SDM vol. 1 "SIMD
 * Floating-Point Exceptions", vol. 2, "LDMXCSR", "FXSAVE", "FXRSTOR", "MOVAPS"; vol. 3 "Interrupt 19-SIMD
 * Floating-Point Exception (#XM)".
 */
#include "fpu.h"

static void start(uint32_t mxcsr)
{
    __asm__ volatile("fninit");
    in.ebx = DATA_AREA;
    data32[0x40] = mxcsr;
    for (unsigned i = 0; i < 4; i++) {
        data32[i] = 0x3f800000;     /* 1.0 */
        data32[4 + i] = 0;          /* 0.0 */
        data32[8 + i] = 0x7fa00000; /* SNaN */
        data32[12 + i] = 1;         /* denormal */
        data32[16 + i] = 0x7f7fffff;
        data32[20 + i] = 0x3eaaaaab;
    }
    in_cr4 = CR4_OSFXSR | CR4_OSXMMEXCPT;
}

#define NO_XM QEMU, "never raises #XM; SDM \"Interrupt 19-SIMD Floating-Point Exception (#XM)\""
#define LOAD  "ldmxcsr [ebx + 0x100]; movaps xmm0, [ebx]; movaps xmm1, [ebx + 0x10];"

void simd_error_cases(void)
{
    const struct {
        const char *name;
        const struct code *code;
        uint32_t mask, flag; /* MXCSR bits */
    } row[] = {
        {"DIVPS, zero divide", CODE(LOAD HERE "divps xmm0, xmm1"), 0x200, 4},
        {"DIVSS, zero divide", CODE(LOAD HERE "divss xmm0, xmm1"), 0x200, 4},
        {"DIVPS m128, zero divide", CODE(LOAD HERE "divps xmm0, [ebx + 0x10]"), 0x200, 4},
        {"ADDPS, invalid", CODE(LOAD HERE "addps xmm0, [ebx + 0x20]"), 0x80, 1},
        {"ADDPS, denormal", CODE(LOAD HERE "addps xmm0, [ebx + 0x30]"), 0x100, 2},
        {"SQRTSS, invalid", CODE(LOAD HERE "sqrtss xmm0, [ebx + 0x20]"), 0x80, 1},
        {"COMISS, invalid", CODE(LOAD HERE "comiss xmm0, [ebx + 0x20]"), 0x80, 1},
        {"UCOMISS, invalid", CODE(LOAD HERE "ucomiss xmm0, [ebx + 0x20]"), 0x80, 1},
        {"CMPPS, invalid", CODE(LOAD HERE "cmpps xmm0, [ebx + 0x20], 1"), 0x80, 1},
        {"MAXPS, invalid", CODE(LOAD HERE "maxps xmm0, [ebx + 0x20]"), 0x80, 1},
        {"CVTPS2PI, invalid", CODE(LOAD HERE "cvtps2pi mm0, [ebx + 0x40]"), 0x80, 1},
        {"CVTTSS2SI, invalid", CODE(LOAD HERE "cvttss2si eax, [ebx + 0x40]"), 0x80, 1},
        {"CVTSS2SI, inexact", CODE(LOAD HERE "cvtss2si eax, [ebx + 0x50]"), 0x1000, 0x20},
        {"CVTDQ2PS, inexact", CODE(LOAD HERE "cvtdq2ps xmm0, [ebx + 0x40]"), 0x1000, 0x20},
    };
    for (unsigned i = 0; i < sizeof row / sizeof row[0]; i++) {
        begin("%s, unmasked: #XM, masked: none", row[i].name);
        differs(NO_XM);
        uint32_t expected_flags = row[i].flag;
        start(0x1f80 & ~row[i].mask);
        in.eax = 0xa1a2a3a4;
        run(row[i].code);
        want_fault(XM, 0);
        want(out.r.eax, 0xa1a2a3a4);
        uint32_t mxcsr;
        __asm__ volatile("mov %1, %%cr4; stmxcsr %0" : "=m"(mxcsr) : "r"(CR4_OSFXSR));
        want_masked("MXCSR", mxcsr, (0x1f80 & ~row[i].mask) | expected_flags, 0xffdd | expected_flags);
        uint32_t result[4] __attribute__((aligned(16)));
        __asm__ volatile("movaps %%xmm0, %0" : "=m"(result));
        want(result[0], 0x3f800000); /* the destination is as it was */
        start(0x1f80);
        run(row[i].code);
        want_done();
        __asm__ volatile("mov %1, %%cr4; stmxcsr %0" : "=m"(mxcsr) : "r"(CR4_OSFXSR));
        want(mxcsr & row[i].flag, row[i].flag);
        begin("%s, unmasked without OSXMMEXCPT: #UD", row[i].name);
        differs(NO_XM);
        start(0x1f80 & ~row[i].mask);
        in_cr4 = CR4_OSFXSR;
        run(row[i].code);
        want_fault(UD, 0);
    }
    begin("a flag that is already set and unmasked raises nothing");
    start(0x1d80 | 4);
    run(CODE(LOAD "addps xmm0, xmm0"));
    want_done();
    begin("LDMXCSR of a flag set and unmasked raises nothing");
    start(0x003f);
    run(CODE("ldmxcsr [ebx + 0x100]; xorps xmm0, xmm0"));
    want_done();
    for (unsigned bit = 16; bit < 32; bit += 5) {
        begin("LDMXCSR with reserved bit %u raises #GP(0)", bit);
        differs(QEMU, "ignores reserved bits of MXCSR; SDM \"LDMXCSR\"");
        start(0x1f80 | 1u << bit);
        run(CODE("ldmxcsr [ebx + 0x100]"));
        want_fault(GP, 0);
    }
    begin("FXRSTOR with reserved bits in MXCSR raises #GP(0)");
    differs(QEMU, "ignores reserved bits of MXCSR; SDM \"FXRSTOR\"");
    start(0x1f80);
    data32[0x206] = 0x10000;
    run(CODE("fxrstor [ebx + 0x800]"));
    want_fault(GP, 0);
    for (unsigned off = 1; off < 16; off = off * 2 + 1) {
        const struct {
            const char *name;
            const struct code *code;
            bool aligned; /* must be */
        } form[] = {
            {"MOVAPS load", CODE("movaps xmm0, [esi]"), true},
            {"MOVAPS store", CODE("movaps [esi], xmm0"), true},
            {"MOVDQA load", CODE("movdqa xmm0, [esi]"), true},
            {"MOVNTPS", CODE("movntps [esi], xmm0"), true},
            {"MOVNTDQ", CODE("movntdq [esi], xmm0"), true},
            {"ADDPS m128", CODE("addps xmm0, [esi]"), true},
            {"PADDB m128", CODE("paddb xmm0, [esi]"), true},
            {"PSHUFD m128", CODE("pshufd xmm0, [esi], 0"), true},
            {"FXSAVE", CODE("fxsave [esi]"), true},
            {"FXRSTOR", CODE("fxrstor [esi]"), true},
            {"MOVUPS load", CODE("movups xmm0, [esi]"), false},
            {"MOVDQU store", CODE("movdqu [esi], xmm0"), false},
            {"MOVLPS", CODE("movlps xmm0, [esi]"), false},
            {"MOVHPD", CODE("movhpd [esi], xmm0"), false},
            {"MOVSS", CODE("movss xmm0, [esi]"), false},
            {"CVTPS2PD m64", CODE("cvtps2pd xmm0, [esi]"), false},
            {"PADDB MM, m64", CODE("paddb mm0, [esi]"), false},
            {"CVTPI2PS m64", CODE("cvtpi2ps xmm0, [esi]"), false},
            {"UNPCKLPS m128", CODE("unpcklps xmm0, [esi]"), true},
            {"SQRTPS m128", CODE("sqrtps xmm0, [esi]"), true},
            {"CVTDQ2PD m64", CODE("cvtdq2pd xmm0, [esi]"), false},
            {"CVTDQ2PS m128", CODE("cvtdq2ps xmm0, [esi]"), true},
        };
        for (unsigned i = 0; i < sizeof form / sizeof form[0]; i++) {
            begin(form[i].aligned ? "%s at +%u raises #GP(0)" : "%s at +%u is done", form[i].name, off);
            if (form[i].aligned && i != 8 && i != 9)
                differs(QEMU, "checks no alignment; SDM vol. 2 \"Exceptions Type\" tables");
            start(0x1f80);
            in.esi = DATA_AREA + 0x800 + off;
            run(form[i].code);
            if (form[i].aligned)
                want_fault(GP, 0);
            else
                want_done();
            if (form[i].aligned) {
                real_mode();
                in_cr4 = CR4_OSFXSR;
                in.esi = 0x800 + off;
                run(i == 0 ? CODE16("movaps xmm0, [si]") : CODE16("movaps [si], xmm0"));
                want_vector(GP);
            }
        }
    }
}
