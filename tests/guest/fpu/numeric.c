/*
 * Deferred x87 errors: #MF with CR0.NE, IRQ 13 without. Source: SDM vol. 1 "x87 FPU Exception Synchronization", vol. 3
 * "Interrupt 16-x87 FPU Floating-Point Error (#MF)"; vol. 1 appendix "Guidelines for Writing x87 FPU Exception
 * Handlers".
 */
#include "fpu.h"

/* 1 / 0 with the zero-divide exception unmasked: the error is pending. EBX: DATA_AREA, whose word at +30h is the
 * control word. */
#define MAKE_ERROR "fninit; fldcw word ptr [ebx + 0x30]; fld1; fldz; fdivp st(1), st;"

#define AT_FWAIT QEMU, "reports errors at FWAIT alone; SDM vol. 1 \"x87 FPU Exception Synchronization\""

static void start(void)
{
    __asm__ volatile("fninit");
    in.ebx = DATA_AREA;
    data16[0x18] = 0x37b;
    data16[0x1c] = 0x37f;
    in_cr4 = CR4_OSFXSR;
}

static void finish(void)
{
    __asm__ volatile("fninit");
}

static void waiting_instructions(void)
{
    const struct {
        const char *name;
        const struct code *code;
        bool waits;
    } row[] = {
        {"FWAIT", CODE(MAKE_ERROR HERE "fwait"), true},
        {"FLD1", CODE(MAKE_ERROR HERE "fld1"), true},
        {"FNOP", CODE(MAKE_ERROR HERE "fnop"), true},
        {"FADD", CODE(MAKE_ERROR HERE "fadd st, st"), true},
        {"FLDCW", CODE(MAKE_ERROR HERE "fldcw word ptr [ebx + 0x38]"), true},
        {"FLDENV", CODE(MAKE_ERROR HERE "fldenv [ebx]"), true},
        {"FRSTOR", CODE(MAKE_ERROR HERE "frstor [ebx]"), true},
        {"FST m32", CODE(MAKE_ERROR HERE "fst dword ptr [ebx]"), true},
        {"FILD m32", CODE(MAKE_ERROR HERE "fild dword ptr [ebx]"), true},
        {"FXCH", CODE(MAKE_ERROR HERE "fxch"), true},
        {"FFREE", CODE(MAKE_ERROR HERE "ffree st(3)"), true},
        {"FINCSTP", CODE(MAKE_ERROR HERE "fincstp"), true},
        {"FCMOVE", CODE(MAKE_ERROR HERE "fcmove st, st(1)"), true},
        {"FCOMI", CODE(MAKE_ERROR HERE "fcomi st, st(1)"), true},
        {"MOVD MM", CODE(MAKE_ERROR HERE "movd mm0, eax"), true},
        {"PADDB MM", CODE(MAKE_ERROR HERE "paddb mm0, mm1"), true},
        {"EMMS", CODE(MAKE_ERROR HERE "emms"), true},
        {"CVTPI2PS", CODE(MAKE_ERROR HERE "cvtpi2ps xmm0, mm0"), true},
        {"FNSTSW AX", CODE(MAKE_ERROR HERE "fnstsw ax"), false},
        {"FNSTSW m16", CODE(MAKE_ERROR HERE "fnstsw word ptr [ebx]"), false},
        {"FNSTCW", CODE(MAKE_ERROR HERE "fnstcw word ptr [ebx]"), false},
        {"FNSTENV", CODE(MAKE_ERROR HERE "fnstenv [ebx + 0x40]"), false},
        {"FNSAVE", CODE(MAKE_ERROR HERE "fnsave [ebx + 0x40]"), false},
        {"FNCLEX", CODE(MAKE_ERROR HERE "fnclex; fwait"), false},
        {"FNINIT", CODE(MAKE_ERROR HERE "fninit; fwait"), false},
        {"FXSAVE", CODE(MAKE_ERROR HERE "fxsave [ebx + 0x40]"), false},
        {"XORPS", CODE(MAKE_ERROR HERE "xorps xmm0, xmm0"), false},
        {"an integer instruction", CODE(MAKE_ERROR HERE "add eax, eax"), false},
    };
    for (unsigned i = 0; i < sizeof row / sizeof row[0]; i++) {
        begin(row[i].waits ? "a pending x87 error stops %s" : "a pending x87 error does not stop %s", row[i].name);
        if (row[i].waits && i)
            differs(AT_FWAIT);
        start();
        run(row[i].code);
        finish();
        if (row[i].waits)
            want_fault(MF, 0);
        else
            want_done();
    }
    begin("the error is reported at the next x87 instruction, not before");
    differs(AT_FWAIT);
    start();
    run(CODE(MAKE_ERROR "mov eax, 5; mov [ebx], eax;" HERE "fld1"));
    finish();
    want_vector(MF);
    want(out.r.eax, 5);
    want(data32[0], 5);
    begin("the error is reported before the memory operand is touched");
    differs(AT_FWAIT);
    start();
    in.es = 0;
    run(CODE(MAKE_ERROR HERE "fld dword ptr es:[ebx]"));
    finish();
    want_vector(MF);
    begin("#NM comes before #MF");
    start();
    in_cr0 |= CR0_TS;
    run(CODE("clts;" MAKE_ERROR "mov eax, cr0; or eax, 8; mov cr0, eax;" HERE "fld1"));
    finish();
    want_vector(NM);
    begin("the status word of a pending error");
    start();
    run(CODE(MAKE_ERROR "fnstsw ax; movzx eax, ax"));
    finish();
    want_done();
    want(out.r.eax & 0x80ff, 0x8084); /* B, ES, ZE */
    begin("unmasking a flag that is already set makes it pending");
    differs(AT_FWAIT);
    start();
    run(CODE("fninit; fld1; fldz; fdivp st(1), st; fldcw word ptr [ebx + 0x30];" HERE "fwait"));
    finish();
    want_vector(MF);
    begin("masking it again takes it back");
    start();
    in.esi = DATA_AREA + 0x100;
    run(CODE(MAKE_ERROR "fnstenv [esi]; or dword ptr [esi], 4; fldenv [esi]"));
    finish();
    want(out.vector == UD || out.vector == MF, true); /* FLDENV waits: it reports the error first */
    begin("FNSTENV masks: the error is gone from the FPU");
    differs(QEMU, "does not mask; SDM \"FSTENV/FNSTENV\"");
    start();
    in.esi = DATA_AREA + 0x100;
    run(CODE(MAKE_ERROR "fnstenv [esi]; fld1; fnstsw ax; movzx eax, ax"));
    finish();
    want_done();
    want(out.r.eax & 0x8080, 0);
    begin("operands of a zero divide stay on the stack");
    differs(QEMU, "stores results of unmasked errors; SDM vol. 1 \"Divide-By-Zero Exception (#Z)\"");
    start();
    run(CODE(MAKE_ERROR "fnclex; fst dword ptr [ebx]; fxch; fst dword ptr [ebx + 4]"));
    finish();
    want_done();
    want(data32[0], 0);
    want(data32[1], 0x3f800000);
    begin("the pointers name the instruction and operand that failed");
    differs(QEMU, "keeps no pointers; SDM vol. 1 \"x87 FPU Instruction and Data (Operand) Pointers\"");
    start();
    in.esi = DATA_AREA + 0x100;
    run(CODE("fninit; fldcw word ptr [ebx + 0x30]; fld1;" HERE "fdiv dword ptr [esi]; nop; nop; fnstenv [ebx]"));
    finish();
    want_done();
    want(data32[3], in.eip + 7);
    want(data32[5], DATA_AREA + 0x100);
    want(data16[8], CODE32(0));
    want(data16[12], DATA32(0));
    begin("a precision error is reported after its result is stored");
    start();
    data16[0x18] = 0x35f;
    run(CODE("fninit; fldcw word ptr [ebx + 0x30]; fldpi; fstp dword ptr [ebx];" HERE "fwait"));
    finish();
    want_vector(MF);
    want(data32[0], 0x40490fdb);
    begin("an invalid FISTP with its exception unmasked stores nothing");
    differs(QEMU, "stores results of unmasked errors; SDM vol. 1 \"Invalid Arithmetic Operand Exception (#IA)\"");
    start();
    data16[0x18] = 0x37e;
    run(CODE("fninit; fldcw word ptr [ebx + 0x30]; fldz; fld1; fdivrp st(1), st; fnclex; mov dword ptr [ebx], 7; "
             "fistp dword ptr [ebx];" HERE "fwait"));
    finish();
    want_vector(MF);
    want(data32[0], 7);
    begin("at CPL 3");
    start();
    ring(3);
    run(CODE(MAKE_ERROR HERE "fwait"));
    finish();
    want_vector(MF);
    begin("in real mode");
    start();
    in.ebx = 0;
    real_mode();
    run(CODE16("fninit; fldcw word ptr [bx + 0x30]; fld1; fldz; fdivp st(1), st;" HERE "fwait"));
    finish();
    want_vector(MF);
}

/* Without CR0.NE the error leaves through FERR#, IRQ 13. */
static void irq13(void)
{
    static const struct {
        uint16_t port;
        uint8_t value;
    } init[] = {{0x20, 0x11}, {0x21, 0x40}, {0x21, 4}, {0x21, 1},    {0xa0, 0x11},
                {0xa1, 0x48}, {0xa1, 2},    {0xa1, 1}, {0x21, 0xfb}, {0xa1, 0xdf}};
    const struct code *handler =
        CODE("push eax; inc dword ptr [0x70100]; xor eax, eax; out 0xf0, al; fnclex; mov al, 0x20;"
             "out 0xa0, al; out 0x20, al; pop eax; iretd");

    begin("without NE an x87 error raises IRQ 13");
    differs(AT_FWAIT);
    for (unsigned i = 0; i < sizeof init / sizeof init[0]; i++)
        out8(init[i].port, init[i].value);
    start();
    in_cr0 = CR0_PE;
    in.eflags |= IF;
    /* The processor may signal the error at once or at the next waiting instruction, which in any case has not run. */
    run(CODE(MAKE_ERROR "nop; nop; nop; fld1; mov eax, 1"));
    finish();
    want(out.vector, 0x4d);
    want(out.r.eax, in.eax);
    out8(0xf0, 0);
    out8(0xa0, 0x20);
    out8(0x20, 0x20);
    begin("its handler clears the error and the program goes on");
    differs(AT_FWAIT);
    start();
    in_cr0 = CR0_PE;
    in.eflags |= IF;
    idt[0x4d] = gate(CODE32(0), handler->start, AR_INT32, 0);
    run(CODE(MAKE_ERROR "nop; nop; fld1; fstp dword ptr [ebx]; fwait; cli"));
    finish();
    want_done();
    want(data32[0x40], 1);
    want(data32[0], 0x3f800000);
    begin("a second error raises it again");
    differs(AT_FWAIT);
    start();
    in_cr0 = CR0_PE;
    in.eflags |= IF;
    idt[0x4d] = gate(CODE32(0), handler->start, AR_INT32, 0);
    run(CODE(MAKE_ERROR "nop; fwait; fdivp st(1), st; nop; fwait; cli"));
    finish();
    want_done();
    want(data32[0x40], 2);
    begin("after a write to port F0 the error is ignored until it is cleared");
    differs(AT_FWAIT);
    const struct code *ignoring = CODE("push eax; inc dword ptr [0x70100]; xor eax, eax; out 0xf0, al; mov al, 0x20;"
                                       "out 0xa0, al; out 0x20, al; pop eax; iretd");
    start();
    in_cr0 = CR0_PE;
    in.eflags |= IF;
    idt[0x4d] = gate(CODE32(0), ignoring->start, AR_INT32, 0);
    skip_on(BOCHS, "knows no IGNNE#: the handler is entered forever; PIIX3 \"Coprocessor Error Register\"");
    run(CODE(MAKE_ERROR "nop; nop; fld1; fstp dword ptr [ebx]; cli"));
    want_done();
    want(data32[0x40], 1);
    want(data32[0], 0x3f800000);
    __asm__ volatile("fnclex");
    finish();
    begin("with NE port F0 and IRQ 13 play no part");
    start();
    in.eflags |= IF;
    run(CODE(MAKE_ERROR HERE "fwait"));
    finish();
    want_vector(MF);
    out8(0x21, 0xff);
    out8(0xa1, 0xff);
}

void numeric_error_cases(void)
{
    waiting_instructions();
    irq13();
}
