/*
 * Virtual-8086 mode without its extensions. Source: SDM vol. 3 "Virtual-8086 Mode", "Entering Virtual-8086 Mode",
 * "Leaving Virtual-8086 Mode", "Sensitive Instructions"; vol. 2 entries.
 */
#include "modes.h"

static void frames(void)
{
    begin("IRETD of VM enters virtual-8086 mode with all segments from the frame");
    v86(0);
    in.es = 0x1111;
    in.ds = 0x2222;
    in.fs = 0x3333;
    in.gs = 0x4444;
    in.esp = 0x8000;
    in.eflags |= CF | ID | ACF;
    run(CODE16("mov ax, es; mov bx, ds; mov cx, fs; mov dx, gs; mov si, ss; mov di, cs; mov bp, sp"));
    want_done();
    want(out.r.eax & 0xffff, 0x1111);
    want(out.r.ebx & 0xffff, 0x2222);
    want(out.r.ecx & 0xffff, 0x3333);
    want(out.r.edx & 0xffff, 0x4444);
    want(out.r.esi & 0xffff, STACK_SEGMENT);
    want(out.r.edi & 0xffff, SNIPPET_SEGMENT);
    want(out.r.ebp & 0xffff, 0x8000);
    want_masked("eflags", out.r.eflags, in.eflags, ~RF);
    want(out.handler_esp, RING0_TOP - 36);
    begin("an exception leaves virtual-8086 mode with empty data segments and VM, NT, TF, RF clear");
    v86(3);
    in.eflags |= IF | NT;
    run(CODE16("ud2; nop"));
    want_fault(UD, 0);
    want(out.handler.ds, 0);
    want(out.handler.es, 0);
    want(out.handler.fs, 0);
    want(out.handler.gs, 0);
    want_masked("handler's eflags", out.handler_eflags, 0, VM | NT | TF | RF | IF);
    begin("a trap gate keeps IF out of virtual-8086 mode");
    v86(3);
    in.eflags |= IF;
    set_gate(UD, AR_TRAP32);
    run(CODE16("ud2; nop"));
    want_fault(UD, 0);
    want(out.handler_eflags & IF, IF);
    begin("an exception with an error code out of virtual-8086 mode");
    v86(3);
    run(CODE16("hlt"));
    want_fault(GP, 0);
    want(out.handler_esp, RING0_TOP - 40);
    begin("IRETD with VM at CPL 0 loads IOPL, IF and the rest as they are");
    v86(2);
    in.eflags |= IF | DFLAG | NT | ID;
    run(CODE16("nop"));
    want_done();
    want_masked("eflags", out.r.eflags, in.eflags, ~RF);
    begin("IRETD into virtual-8086 mode with an EIP beyond FFFF raises #GP(0)");
    differs(QEMU | BOCHS, "EIP is truncated; SDM \"IRET\"");
    run(CODE("push 0x7000; push 0x7000; push 0x7000; push 0x7000; push 0x8000; push 0x8000; push 0x20002; push 0x1000;"
             "push 0x10000;" HERE "iretd"));
    want_vector(GP);
    want(out.error, 0);
}

/* ---- what a program in this mode may do ---- */

static void sensitive(void)
{
    const struct {
        const char *name;
        bool needs_iopl3;
        unsigned vector, unit; /* an interrupt's vector; an IRET's operand in words */
        const struct code *code;
    } rows[] = {{"CLI", true, 0, 0, CODE16("cli")},           {"STI", true, 0, 0, CODE16("sti; nop")},
                {"PUSHF", true, 0, 0, CODE16("pushf")},       {"PUSHFD", true, 0, 0, CODE16("pushfd")},
                {"POPF", true, 0, 0, CODE16("popf")},         {"POPFD", true, 0, 0, CODE16("popfd")},
                {"INT n", true, 0x40, 0, CODE16("int 0x40")}, {"IRET", true, 0, 1, CODE16("iret")},
                {"IRETD", true, 0, 2, CODE16("iretd")},       {"INT3", false, BP, 0, CODE16("int3")},
                {"INTO", false, OF, 0, CODE16("into")},       {"INT1", false, DB, 0, CODE16(".byte 0xf1")}};
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (unsigned iopl = 0; iopl < 4; iopl++) {
            begin("%s in virtual-8086 mode with IOPL %u", rows[i].name, iopl);
            unsigned vector = rows[i].vector;
            if (vector == DB)
                differs(QEMU, "INT1 raises nothing; SDM \"INT n/INTO/INT3/INT1\"");
            v86(iopl);
            in.eflags |= 0x800;
            const struct code *code = rows[i].code;
            volatile uint16_t *stack = (volatile uint16_t *)(STACK_BASE + STACK_TOP - 0x40);
            in.esp = STACK_TOP - 0x40;
            for (unsigned w = 0; w < 8; w++)
                stack[w] = 0;
            if (rows[i].unit) {
                stack[0] = LOW(code->end);
                stack[rows[i].unit] = SNIPPET_SEGMENT;
            }
            run(code);
            if (rows[i].needs_iopl3 && iopl < 3) {
                want_fault(GP, 0);
            } else if (vector) {
                want(out.vector, vector);
                want(out.r.eip, LOW(code->end));
                want(out.r.eflags & VM, VM);
            } else {
                want_done();
                want(out.r.eflags & IOPL(3), IOPL(3)); /* POPF and IRET do not change it */
                want(out.r.eflags & VM, VM);
            }
        }
    }
    begin("PUSHF and PUSHFD in virtual-8086 mode with IOPL 3 push flags without VM and RF");
    v86(3);
    in.eflags |= CF | ID | ACF;
    run(CODE16("pushf; pop ax; pushfd; pop ebx"));
    want_done();
    want(out.r.eax & 0xffff, in.eflags & 0xffff);
    want(out.r.ebx, in.eflags & ~VM);
    begin("POPFD in virtual-8086 mode with IOPL 3 changes neither IOPL nor VM, VIF, VIP");
    v86(3);
    in.eax = 0xffffffff & ~(TF | IOPL(3));
    run(CODE16("push eax; popfd"));
    want_done();
    want_masked("eflags", out.r.eflags, VM | IOPL(3) | ID | ACF | NT | DFLAG | IF | 0x8d7, ~RF);
}

/* IRET within this mode loads what POPF does: not IOPL, VM, VIF, VIP; AC and ID with a 32-bit operand alone. */
static void iret_flags(void)
{
    for (unsigned wide = 0; wide < 2; wide++) {
        for (unsigned set = 0; set < 2; set++) {
            begin("%s in virtual-8086 mode with IOPL 3 %s flags", wide ? "IRETD" : "IRET", set ? "sets" : "clears");
            v86(3);
            uint32_t all = 0x8d5 | IF | DFLAG | NT | ACF | ID;
            in.eflags |= set ? 0 : all;
            in.eax = set ? all : IOPL(3);
            run(wide ? CODE16("push eax; push 0; push cs; mov edx, offset 1f; movzx edx, dx; push edx; iretd; 1: ")
                     : CODE16("push ax; push cs; mov edx, offset 1f; push dx; iret; 1: "));
            want_done();
            uint32_t keeps = wide ? 0 : ACF | ID;
            want_masked("eflags", out.r.eflags, EF_FIXED | VM | IOPL(3) | (set ? all & ~keeps : all & keeps), ~RF);
            want(out.r.esp & 0xffff, in.esp);
        }
    }
    begin("IRETD within virtual-8086 mode to an EIP beyond FFFF raises #GP(0)");
    differs(QEMU, "EIP is truncated; SDM \"IRET\"");
    differs(BOCHS, "the fetch faults, not IRET; SDM \"IRET\"");
    v86(3);
    run(CODE16("pushfd; push 0; push cs; pushd 0x10000;" HERE "iretd"));
    want_vector(GP);
    want(out.error, 0);
    begin("IRETD of VM to an EIP of FFFF arrives");
    const struct code *last = CODE16(".balign 16; .skip 15, 0x90;" HERE "hlt");
    in.ecx = (last->here - 0xffff) >> 4;
    run(CODE("push 0x7000; push 0x7000; push 0x7000; push 0x7000; push 0x8000; push 0x8000; push 0x20002; push ecx;"
             "push 0xffff; iretd"));
    want(out.vector, GP);
    want(out.error, 0);
    want(out.r.eflags & VM, VM);
    want(out.r.eip, 0xffff);
    want(out.r.cs, in.ecx);
}

/* ---- interrupts to protected mode ---- */

static void interrupts(void)
{
    for (unsigned dpl = 0; dpl < 4; dpl++) {
        begin("INT n in virtual-8086 mode with IOPL 3 through a gate of DPL %u", dpl);
        v86(3);
        set_gate(0x40, AR_INT32 | AR_DPL(dpl));
        run(CODE16("int 0x40;"));
        if (dpl < 3) {
            want_fault(GP, 0x40 * 8 + 2);
        } else {
            want(out.vector, 0x40);
            want(out.r.ds, DATA_SEGMENT);
        }
        begin("INT3 in virtual-8086 mode with IOPL 0 through a gate of DPL %u", dpl);
        v86(0);
        set_gate(BP, AR_INT32 | AR_DPL(dpl));
        run(CODE16("int3"));
        if (dpl < 3)
            want_fault(GP, BP * 8 + 2);
        else
            want(out.vector, BP);
    }
    for (unsigned dpl = 1; dpl < 4; dpl++) {
        begin("INT n out of virtual-8086 mode to code of DPL %u raises #GP(CS)", dpl);
        if (dpl < 3)
            differs(QEMU, "the handler runs in the outer ring; SDM \"INT n/INTO/INT3/INT1\"");
        v86(3);
        idt[0x40] = gate(CODE32(dpl), stub32(0x40), AR_INT32 | AR_DPL(3), 0);
        run(CODE16("int 0x40"));
        want_fault(GP, CODE32(dpl) & ~3u);
    }
    begin("INT n out of virtual-8086 mode to conforming code of DPL 0 raises #GP(CS)");
    v86(3);
    idt[0x40] =
        gate(slot(0, descriptor(0, 0xfffff, AR_CONFORMING | FLAT)), CODE("hlt")->start, AR_INT32 | AR_DPL(3), 0);
    run(CODE16("int 0x40"));
    want_fault(GP, SLOT(0));
    begin("#UD out of virtual-8086 mode to code of DPL 3 raises #GP(CS) with EXT");
    differs(QEMU, "error codes never have EXT set; SDM vol. 3 \"Error Code\"");
    v86(3);
    idt[UD] = gate(CODE32(3), stub32(UD), AR_INT32 | AR_DPL(3), 0);
    run(CODE16("ud2; nop"));
    want_fault(GP, (CODE32(3) & ~3u) | 1);
    begin("an interrupt out of virtual-8086 mode returns there by IRET");
    v86(3);
    idt[0x40] = gate(CODE32(0), CODE("mov ax, 0x10; mov ds, ax; mov es, ax; mov eax, 0x12345678; iretd")->start,
                     AR_INT32 | AR_DPL(3), 0);
    run(CODE16("int 0x40; mov bx, ds"));
    want_done();
    want(out.r.eax, 0x12345678);
    want(out.r.ebx & 0xffff, DATA_SEGMENT);
    want(out.r.esp & 0xffff, in.esp);
    begin("a frame of 36 bytes needs its room on the inner stack");
    differs(QEMU, "pushes are not checked against the limit of the new stack; SDM \"INT n/INTO/INT3/INT1\"");
    v86(3);
    idt[DF] = gate(SEG_TSS2, 0, AR_TASK_GATE, 0);
    tss2.eip = CODE("mov eax, 0xdf")->start;
    tss.ss0 = slot(0, descriptor(RING0_TOP, 0xff, AR_DATA | AR_32));
    tss.esp0 = 32;
    run(CODE16("int 0x40"));
    want(out.vector, UD);
    want(out.r.eax, 0xdf);
}

/* ---- addresses ---- */

static void addresses(void)
{
    begin("segments in virtual-8086 mode have base 16 times the selector");
    v86(0);
    *(volatile uint16_t *)(DATA_AREA + 0x1234) = 0xf00d;
    in.ebx = DATA_SEGMENT + 0x123;
    run(CODE16("mov ds, bx; mov ax, ds:[4]"));
    want_done();
    want(out.r.eax & 0xffff, 0xf00d);
    const struct {
        const char *what;
        unsigned vector;
        uint32_t esp; /* 0: as ever */
        const struct code *code;
    } rows[] = {{"a word at DS:FFFF", GP, 0, CODE16("mov ax, ds:[0xffff]")},
                {"a doubleword at DS:FFFD", GP, 0, CODE16("mov eax, ds:[0xfffd]")},
                {"a word at SS:FFFF", SS, 0, CODE16("mov ax, ss:[0xffff]")},
                {"a byte at DS:10000 by a 32-bit address", GP, 0, CODE16("mov al, [ebx]")},
                {"a POP of a word at SP FFFF", SS, 0xffff, CODE16("pop ax")},
                {"a PUSH of a word at SP 1", SS, 1, CODE16("push ax")},
                {"LODSW at SI FFFF", GP, 0, CODE16("lodsw")},
                {"STOSW at DI FFFF", GP, 0, CODE16("stosw")}};
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        begin("%s in virtual-8086 mode raises #%s(0)", rows[i].what, rows[i].vector == GP ? "GP" : "SS");
        differs(QEMU, "TCG checks no limits of data segments; SDM \"Limit Checking\"");
        v86(0);
        in.esi = in.edi = 0xffff;
        in.ebx = 0x10000;
        if (rows[i].esp)
            in.esp = rows[i].esp;
        run(rows[i].code);
        want_fault(rows[i].vector, 0);
    }
    begin("effective addresses wrap at FFFF in virtual-8086 mode");
    v86(0);
    data8[2] = 0x5a;
    in.ebx = 0xffff;
    in.esi = 3;
    run(CODE16("mov al, [bx+si]"));
    want_done();
    want(out.r.eax & 0xff, 0x5a);
    begin("FFFF:0010 reaches above 1 MiB with A20 open");
    v86(0);
    *(volatile uint8_t *)0x100001 = 0x77;
    *(volatile uint8_t *)1 = 0x11;
    in.es = 0xffff;
    run(CODE16("mov al, es:[0x11]"));
    want_done();
    want(out.r.eax & 0xff, 0x77);
    begin("far JMP, CALL and RET in virtual-8086 mode ignore the GDT");
    v86(0);
    in.ebx = 0;
    run(CODE16("mov edx, offset 2f; mov ds:[0x20], dx; mov word ptr ds:[0x22], 0x1000; call dword ptr ds:[0x20];"
               "jmp 3f; 2: inc bx; retf; 3: mov ax, cs"));
    want_done();
    want(out.r.ebx, 1);
    want(out.r.eax & 0xffff, SNIPPET_SEGMENT);
    begin("a near JMP beyond FFFF in virtual-8086 mode raises #GP(0)");
    skip_on(QEMU, "TCG checks no limit of CS at near jumps; SDM \"JMP\"");
    v86(0);
    in.eax = 0x12345;
    run(CODE16("jmp eax"));
    want_fault(GP, 0);
    begin("any selector can be loaded in virtual-8086 mode");
    v86(0);
    run(CODE16("mov ax, 0xffff; mov ds, ax; mov es, ax; mov fs, ax; mov gs, ax; mov ax, 0x1234; mov ss, ax"));
    want_done();
    want(out.r.ds, 0xffff);
    want(out.r.ss, 0x1234);
}

/* Privilege checks of system instructions in this mode: protection/privilege.c. Page rights: the paging image. */
void virtual_8086(void)
{
    frames();
    sensitive();
    iret_flags();
    interrupts();
    addresses();
}
