/*
 * #NM and #UD for x87, WAIT, MMX and SSE instructions by CR0.EM, MP, TS and CR4.OSFXSR. Source: SDM vol. 3 "Processor
 * Extensions", tables of the actions for EM, MP and TS; vol. 2, the pages of FXSAVE, LDMXCSR, PREFETCHh, MOVNTI.
 */
#include "fpu.h"

enum class { X87, WAIT, MMX, SSE, SSE_ON_MMX, SAVE, FREE };

static unsigned expected(enum class class, uint32_t cr0, bool osfxsr)
{
    switch (class) {
    case X87:
        return cr0 & (CR0_EM | CR0_TS) ? NM : 0;
    case WAIT:
        return (cr0 & CR0_MP) && (cr0 & CR0_TS) ? NM : 0;
    case MMX:
        return cr0 & CR0_EM ? UD : cr0 & CR0_TS ? NM : 0;
    case SSE:
        return cr0 & CR0_EM || !osfxsr ? UD : cr0 & CR0_TS ? NM : 0;
    case SSE_ON_MMX:
        return cr0 & CR0_EM ? UD : cr0 & CR0_TS ? NM : 0; /* SSE's additions on MMX registers */
    case SAVE:
        return cr0 & (CR0_EM | CR0_TS) ? NM : 0;
    default:
        return 0;
    }
}

void device_not_available_cases(void)
{
    const struct {
        const char *name;
        const struct code *code;
        enum class class;
    } row[] = {
        {"FNOP", CODE("fnop"), X87},
        {"FLD1", CODE("fld1"), X87},
        {"FNINIT", CODE("fninit"), X87},
        {"FNCLEX", CODE("fnclex"), X87},
        {"FNSTSW AX", CODE("fnstsw ax"), X87},
        {"FNSTCW m16", CODE("fnstcw word ptr [ebx]"), X87},
        {"FLDCW m16", CODE("fldcw word ptr [esi]"), X87},
        {"FNSTENV", CODE("fnstenv [ebx]"), X87},
        {"FNSAVE", CODE("fnsave [ebx]"), X87},
        {"FCMOVE", CODE("fcmove st, st(1)"), X87},
        {"FLD m32", CODE("fld dword ptr [ebx]"), X87},
        {"FISTP m32", CODE("fistp dword ptr [ebx]"), X87},
        {"WAIT", CODE("fwait"), WAIT},
        {"MOVD MM", CODE("movd mm0, eax"), MMX},
        {"PADDB MM", CODE("paddb mm0, mm1"), MMX},
        {"MOVQ m64, MM", CODE("movq [ebx], mm1"), MMX},
        {"EMMS", CODE("emms"), MMX},
        {"PAVGB MM", CODE("pavgb mm0, mm1"), SSE_ON_MMX},
        {"PMOVMSKB MM", CODE("pmovmskb eax, mm0"), SSE_ON_MMX},
        {"MOVNTQ", CODE("movntq [ebx], mm0"), SSE_ON_MMX},
        {"XORPS", CODE("xorps xmm0, xmm1"), SSE},
        {"MOVAPS m128", CODE("movaps [ebx], xmm1"), SSE},
        {"ADDSS", CODE("addss xmm0, xmm1"), SSE},
        {"CVTPI2PS", CODE("cvtpi2ps xmm0, mm1"), SSE},
        {"CVTSI2SS", CODE("cvtsi2ss xmm0, eax"), SSE},
        {"MOVDQA", CODE("movdqa xmm0, xmm1"), SSE},
        {"PADDQ XMM", CODE("paddq xmm0, xmm1"), SSE},
        {"LDMXCSR", CODE("ldmxcsr [ebx + 64]"), SSE},
        {"STMXCSR", CODE("stmxcsr [ebx]"), SSE},
        {"FXSAVE", CODE("fxsave [ebx]"), SAVE},
        {"FXRSTOR", CODE("fxrstor [edi]"), SAVE},
        {"PREFETCHNTA", CODE("prefetchnta [ebx]"), FREE},
        {"SFENCE", CODE("sfence"), FREE},
        {"LFENCE", CODE("lfence"), FREE},
        {"MFENCE", CODE("mfence"), FREE},
        {"MOVNTI", CODE("movnti [ebx], eax"), FREE},
        {"PAUSE", CODE("pause"), FREE},
    };
    for (unsigned i = 0; i < sizeof row / sizeof row[0]; i++) {
        begin("%s by EM, MP, TS and OSFXSR", row[i].name);
        if (row[i].class != X87 && row[i].class != WAIT)
            differs(QEMU,
                    "TS comes before EM, and not all of EM and OSFXSR is looked at; SDM \"Processor Extensions\"");
        for (unsigned bits = 0; bits < 16; bits++) {
            uint32_t cr0 = (bits & 1 ? CR0_EM : 0) | (bits & 2 ? CR0_MP : 0) | (bits & 4 ? CR0_TS : 0);
            unsigned vector = expected(row[i].class, cr0, bits & 8);
            __asm__ volatile("fninit");
            in_cr0 = CR0_PE | CR0_NE | cr0;
            in_cr4 = bits & 8 ? CR4_OSFXSR : 0;
            in.ebx = DATA_AREA;
            in.esi = DATA_AREA + 0x1000;
            in.edi = DATA_AREA + 0x2000; /* an FXSAVE image of zeros */
            memset((void *)DATA_AREA, 0, 0x400);
            *(volatile uint16_t *)(DATA_AREA + 0x1000) = 0x37f;
            run(row[i].code);
            const char *what = label("EM %u MP %u TS %u OSFXSR %u", bits & 1, bits >> 1 & 1, bits >> 2 & 1, bits >> 3);
            want_equal(what, out.vector, vector ? vector : UD);
            if (vector == NM || (vector == UD && out.r.eip == row[i].code->start))
                want_fault(vector, 0);
            else
                want_equal(what, out.r.eip, vector ? row[i].code->start : row[i].code->end);
        }
    }
    begin("CLTS clears TS");
    in_cr0 |= CR0_TS | CR0_MP;
    run(CODE("clts; fwait; fnop"));
    want_done();
    want(out.cr0 & CR0_TS, 0);
    begin("a task switch sets TS");
    tss2.eip = LANDING()->start;
    run(CODE("jmp 0x98, 0"));
    want_at(tss2.eip);
    want(out.cr0 & CR0_TS, CR0_TS);
    begin("#NM leaves TS");
    in_cr0 |= CR0_TS;
    run(CODE("fld1"));
    want_fault(NM, 0);
    want(out.cr0 & CR0_TS, CR0_TS);
    begin("a memory operand is not touched before #NM");
    in_cr0 |= CR0_TS;
    in.ds = 0;
    run(CODE("fld dword ptr [ebx]"));
    want_fault(NM, 0);
    begin("MMX instructions reset the stack and mark all registers");
    __asm__ volatile("fninit; fld1; fldz");
    in.ebx = DATA_AREA;
    in_cr4 = CR4_OSFXSR;
    run(CODE("movd mm0, eax; fxsave [ebx]"));
    want_done();
    want(data8[4], 0xff);
    want(data16[1] & 0x3800, 0);
    begin("EMMS frees all registers");
    in.ebx = DATA_AREA;
    run(CODE("movd mm0, eax; emms; fnstenv [ebx]"));
    want_done();
    want(data16[4], 0xffff);
    begin("LOCK with any of them raises #UD");
    in.ebx = DATA_AREA;
    differs(QEMU, "executes some of them; SDM \"LOCK\"");
    run(CODE(".byte 0xf0, 0xd9, 0x03"));
    want_fault(UD, 0);
    run(CODE(".byte 0xf0, 0x0f, 0xfc, 0xc1"));
    want_fault(UD, 0);
    in_cr4 = CR4_OSFXSR;
    run(CODE(".byte 0xf0, 0x0f, 0x57, 0xc1"));
    want_fault(UD, 0);
}
