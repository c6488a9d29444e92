/*
 * Alignment checks: #AC(0) at CPL 3 with CR0.AM and EFLAGS.AC for every kind of access. Source: SDM vol. 3 "Interrupt
 * 17-Alignment Check Exception (#AC)", table "Alignment Requirements by Data Type".
 */
#include "fpu.h"

struct form {
    const char *name;
    const struct code *code;
    uint8_t alignment; /* 1: never faults */
    char base;         /* 'b' EBX, 's' ESI, 'd' EDI, 'p' ESP, 'e' EBP */
    unsigned deviating;
};

static void start(const struct form *f, unsigned cpl, uint32_t at)
{
    __asm__ volatile("fninit; fld1; fldz");
    ring(cpl);
    in_cr0 |= CR0_AM;
    in_cr4 = CR4_OSFXSR;
    in.eflags |= ACF;
    in.esi = in.edi = in.ebx = DATA_AREA + 0x800;
    in.esp = DATA_AREA + 0x800;
    in.ecx = 1;
    in.eax = 0;
    memset((void *)DATA_AREA, 0, 0x1000);
    switch (f->base) {
    case 'b':
        in.ebx = at;
        break;
    case 's':
        in.esi = at;
        break;
    case 'd':
        in.edi = at;
        break;
    case 'p':
        in.esp = at;
        break;
    case 'e':
        in.ebp = at;
        break;
    }
}

void alignment_cases(void)
{
#define NO_AC QEMU
    const struct form form[] = {
        {"MOV AL, m8", CODE("mov al, [ebx]"), 1, 'b', 0},
        {"MOV AX, m16", CODE("mov ax, [ebx]"), 2, 'b', NO_AC},
        {"MOV m16, AX", CODE("mov [ebx], ax"), 2, 'b', NO_AC},
        {"MOV EAX, m32", CODE("mov eax, [ebx]"), 4, 'b', NO_AC},
        {"MOV m32, EAX", CODE("mov [ebx], eax"), 4, 'b', NO_AC},
        {"ADD m32, EAX", CODE("add [ebx], eax"), 4, 'b', NO_AC},
        {"LOCK INC m32", CODE("lock inc dword ptr [ebx]"), 4, 'b', NO_AC},
        {"XCHG m16, AX", CODE("xchg [ebx], ax"), 2, 'b', NO_AC},
        {"CMPXCHG8B", CODE("cmpxchg8b [ebx]"), 8, 'b', NO_AC},
        {"BT m32, 3", CODE("bt dword ptr [ebx], 3"), 4, 'b', NO_AC},
        {"MOVZX EAX, m16", CODE("movzx eax, word ptr [ebx]"), 2, 'b', NO_AC},
        {"MOVZX EAX, m8", CODE("movzx eax, byte ptr [ebx]"), 1, 'b', 0},
        {"SETE m8", CODE("sete [ebx]"), 1, 'b', 0},
        {"XLATB", CODE("xlatb"), 1, 'b', 0},
        {"MOV ES, m16", CODE("mov es, word ptr [ebx]"), 2, 'b', NO_AC},
        {"MOV m16, DS", CODE("mov [ebx], ds"), 2, 'b', NO_AC},
        {"SLDT m16", CODE("sldt word ptr [ebx]"), 2, 'b', NO_AC},
        {"VERR m16", CODE("verr word ptr [ebx]"), 2, 'b', NO_AC},
        {"LES m16:32", CODE("les eax, [ebx]"), 4, 'b', NO_AC},
        {"LES m16:16", CODE("les ax, [ebx]"), 2, 'b', NO_AC},
        {"BOUND m32&32", CODE("bound eax, [ebx]"), 4, 'b', NO_AC},
        {"SGDT at an odd word", CODE("sgdt [ebx + 2]"), 4, 'b', NO_AC},
        {"PUSH EAX", CODE("push eax"), 4, 'p', NO_AC},
        {"PUSH AX", CODE("push ax"), 2, 'p', NO_AC},
        {"POP EAX", CODE("pop eax"), 4, 'p', NO_AC},
        {"PUSHFD", CODE("pushfd"), 4, 'p', NO_AC},
        {"PUSHAD", CODE("pushad"), 4, 'p', NO_AC},
        {"POPAD", CODE("popad"), 4, 'p', NO_AC},
        {"CALL", CODE("call 1f; 1:"), 4, 'p', NO_AC},
        {"ENTER", CODE("enter 8, 0"), 4, 'p', NO_AC},
        {"LEAVE", CODE("leave"), 4, 'e', NO_AC},
        {"MOVSW, source", CODE("movsw"), 2, 's', NO_AC},
        {"MOVSD, source", CODE("movsd"), 4, 's', NO_AC},
        {"MOVSD, destination", CODE("movsd"), 4, 'd', NO_AC},
        {"REP MOVSD, destination", CODE("rep movsd"), 4, 'd', NO_AC},
        {"MOVSB", CODE("movsb"), 1, 's', 0},
        {"STOSD", CODE("stosd"), 4, 'd', NO_AC},
        {"LODSW", CODE("lodsw"), 2, 's', NO_AC},
        {"SCASD", CODE("scasd"), 4, 'd', NO_AC},
        {"CMPSW, source", CODE("cmpsw"), 2, 's', NO_AC},
        {"CMPSW, destination", CODE("cmpsw"), 2, 'd', NO_AC},
        {"REPE CMPSD, destination", CODE("repe cmpsd"), 4, 'd', NO_AC},
        {"FLD m32", CODE("fld dword ptr [ebx]"), 4, 'b', NO_AC},
        {"FLD m64", CODE("fld qword ptr [ebx]"), 8, 'b', NO_AC},
        {"FLD m80", CODE("fld tbyte ptr [ebx]"), 8, 'b', NO_AC},
        {"FSTP m32", CODE("fstp dword ptr [ebx]"), 4, 'b', NO_AC},
        {"FSTP m64", CODE("fstp qword ptr [ebx]"), 8, 'b', NO_AC},
        {"FSTP m80", CODE("fstp tbyte ptr [ebx]"), 8, 'b', NO_AC},
        {"FILD m16", CODE("fild word ptr [ebx]"), 2, 'b', NO_AC},
        {"FILD m64", CODE("fild qword ptr [ebx]"), 8, 'b', NO_AC},
        {"FISTP m64", CODE("fistp qword ptr [ebx]"), 8, 'b', NO_AC},
        {"FNSTCW", CODE("fnstcw word ptr [ebx]"), 2, 'b', NO_AC},
        {"FNSTSW m16", CODE("fnstsw word ptr [ebx]"), 2, 'b', NO_AC},
        {"FNSTENV", CODE("fnstenv [ebx]"), 4, 'b', NO_AC},
        {"FLDENV", CODE("fldenv [ebx]"), 4, 'b', NO_AC},
        {"FNSAVE", CODE("fnsave [ebx]"), 4, 'b', NO_AC | BOCHS},
        {"MOVD m32, MM", CODE("movd [ebx], mm0"), 4, 'b', NO_AC},
        {"MOVQ MM, m64", CODE("movq mm0, [ebx]"), 8, 'b', NO_AC},
        {"PADDB MM, m64", CODE("paddb mm0, [ebx]"), 8, 'b', NO_AC},
        {"MOVSS XMM, m32", CODE("movss xmm0, [ebx]"), 4, 'b', NO_AC},
        {"MOVSD XMM, m64", CODE("movsd xmm0, qword ptr [ebx]"), 8, 'b', NO_AC},
        {"MOVLPS m64, XMM", CODE("movlps [ebx], xmm0"), 8, 'b', NO_AC},
        {"STMXCSR", CODE("stmxcsr [ebx]"), 4, 'b', NO_AC},
        {"MOVNTI", CODE("movnti [ebx], eax"), 4, 'b', NO_AC},
    };
    for (unsigned i = 0; i < sizeof form / sizeof form[0]; i++) {
        begin("%s and alignment", form[i].name);
        if (form[i].deviating)
            differs(form[i].deviating, "checks no alignment; SDM \"Interrupt 17-Alignment Check Exception (#AC)\"");
        for (unsigned off = 0; off < 9; off++) {
            start(&form[i], 3, DATA_AREA + 0x800 + off);
            run(form[i].code);
            if (off % form[i].alignment) {
                want_equal(label("+%u", off), out.vector, AC);
                want_fault(AC, 0);
            } else {
                want_equal(label("+%u", off), out.vector, UD);
                want_done();
            }
        }
        begin("%s misaligned without AM, without AC, at CPL 0 to 2: nothing", form[i].name);
        for (unsigned cpl = 0; cpl < 3; cpl++) {
            if (cpl == 0 && form[i].base == 'p')
                continue; /* the frame that starts the snippet would be misaligned too, harmlessly */
            start(&form[i], cpl, DATA_AREA + 0x801);
            run(form[i].code);
            want_done();
        }
        start(&form[i], 3, DATA_AREA + 0x801);
        in_cr0 &= ~CR0_AM;
        run(form[i].code);
        want_done();
        start(&form[i], 3, DATA_AREA + 0x801);
        in.eflags &= ~ACF;
        run(form[i].code);
        want_done();
    }
    begin("the CPU's own misaligned accesses are not checked");
    start(&form[0], 3, 0);
    gdtr.base = DATA_AREA + 0x101;
    memcpy((void *)gdtr.base, gdt, sizeof gdt);
    in.esp = STACK_BASE + STACK_TOP;
    in.eax = DATA32(3);
    start(&form[0], 3, DATA_AREA + 0x800);
    memcpy((void *)gdtr.base, gdt, sizeof gdt);
    in.eax = DATA32(3);
    run(CODE("mov es, eax; lar ecx, eax; int 0x40;" HERE));
    want_vector(0x40);
    begin("an inner stack that is misaligned is not checked");
    start(&form[0], 3, DATA_AREA + 0x800);
    tss.esp0 = RING0_TOP - 1;
    run(CODE("int 0x40;" HERE));
    want_vector(0x40);
    want(out.handler_esp, RING0_TOP - 1 - 20);
    begin("a misaligned access beyond the limit raises #GP(0), not #AC");
    differs(QEMU, "checks no limits of data segments; SDM \"Limit Checking\"");
    start(&form[0], 3, 0);
    in.es = slot(0, descriptor(DATA_AREA, 0xff, AR_DATA | AR_DPL(3) | AR_32)) | 3;
    in.ebx = 0xfd;
    run(CODE("mov eax, es:[ebx]"));
    want_fault(GP, 0);
    begin("alignment is that of the linear address");
    differs(NO_AC, "checks no alignment; SDM \"Interrupt 17-Alignment Check Exception (#AC)\"");
    start(&form[0], 3, 0);
    in.es = slot(0, descriptor(DATA_AREA + 1, 0xff, AR_DATA | AR_DPL(3) | AR_32)) | 3;
    in.ebx = 3;
    run(CODE("mov eax, es:[ebx]"));
    want_done();
    in_cr0 |= CR0_AM;
    in.ebx = 4;
    run(CODE("mov eax, es:[ebx]"));
    want_fault(AC, 0);
    begin("POPFD sets AC, the next instruction is checked");
    differs(NO_AC, "checks no alignment; SDM \"Interrupt 17-Alignment Check Exception (#AC)\"");
    start(&form[0], 3, 0);
    in.eflags &= ~ACF;
    in.ebx = DATA_AREA + 1;
    run(CODE("mov eax, [ebx]; pushfd; or dword ptr [esp], 0x40000; popfd;" HERE "mov eax, [ebx]"));
    want_vector(AC);
    begin("virtual-8086 mode is CPL 3");
    differs(NO_AC, "checks no alignment; SDM \"Interrupt 17-Alignment Check Exception (#AC)\"");
    v86(3);
    in_cr0 |= CR0_AM;
    in.eflags |= ACF;
    in.ebx = 1;
    run(CODE16("mov ax, [bx]"));
    want_fault(AC, 0);
    begin("real mode checks nothing");
    real_mode();
    in_cr0 |= CR0_AM;
    in.ebx = 1;
    run(CODE16("mov ax, [bx]"));
    want_done();
    begin("the handler runs with AC as it was");
    differs(NO_AC, "checks no alignment; SDM \"Interrupt 17-Alignment Check Exception (#AC)\"");
    start(&form[0], 3, 0);
    in.ebx = DATA_AREA + 1;
    run(CODE("mov eax, [ebx]"));
    want_fault(AC, 0);
    want(out.r.eflags & ACF, ACF);
}
