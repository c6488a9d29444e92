/*
 * Real-address mode. Source: SDM vol. 3 "8086 Emulation"; the real-address mode exceptions of vol. 2;
 * vol. 3 "Mode Switching".
 */
#include "modes.h"

#define NO_LIMITS "TCG checks no limits of segments; SDM \"Limit Checking\""

/* Vector, IP, and a frame of three words without an error code. */
static void want_real(unsigned vector, uint32_t esp)
{
    want_vector(vector);
    want(out.real, 1);
    want_masked("handler's SP", out.handler_esp, esp - 6, 0xffff);
    want_masked("handler's FLAGS", out.handler_eflags, 0, IF | TF | ACF);
}

static void faults(void)
{
    const struct {
        const char *what;
        unsigned vector;
        bool limit;
        const struct code *code;
    } rows[] = {
        {"a word at DS:FFFF", GP, true, CODE16("mov ax, ds:[0xffff]")},
        {"a write of a word at DS:FFFF", GP, true, CODE16("mov ds:[0xffff], ax")},
        {"a doubleword at DS:FFFD", GP, true, CODE16("mov eax, ds:[0xfffd]")},
        {"a doubleword at ES:FFFE", GP, true, CODE16("add es:[0xfffe], eax")},
        {"a word at SS:FFFF", SS, true, CODE16("mov ax, ss:[0xffff]")},
        {"a word at [BP] with BP FFFF", SS, true, CODE16("mov ax, [bp]")},
        {"a 32-bit address of 10000", GP, true, CODE16("mov al, [ebx]")},
        {"LODSW at SI FFFF", GP, true, CODE16("lodsw")},
        {"MOVSW to DI FFFF", GP, true, CODE16("xor si, si;" HERE "movsw")},
        {"SCASD at DI FFFE", GP, true, CODE16("dec di;" HERE "scasd")},
        {"an unknown opcode", UD, false, CODE16(".byte 0x0f, 0xff, 0xc0; nop")},
        {"UD2", UD, false, CODE16("ud2; nop")},
        {"LOCK NOP", UD, false, CODE16(".byte 0xf0; nop")},
        {"LOCK ADD to a register", UD, false, CODE16(".byte 0xf0; add ax, bx")},
        {"ARPL", UD, false, CODE16("arpl ax, cx")},
        {"LAR", UD, false, CODE16("lar ax, cx")},
        {"LSL", UD, false, CODE16("lsl ax, cx")},
        {"VERR", UD, false, CODE16("verr cx")},
        {"VERW", UD, false, CODE16("verw cx")},
        {"SLDT", UD, false, CODE16("sldt ax")},
        {"STR", UD, false, CODE16("str ax")},
        {"LLDT", UD, false, CODE16("lldt ax")},
        {"LTR", UD, false, CODE16("ltr ax")},
        {"MOV to CS", UD, false, CODE16(".byte 0x8e, 0xc8; nop")},
        {"LES of a register", UD, false, CODE16(".byte 0xc4, 0xc0; nop")},
        {"BOUND of a register", UD, false, CODE16(".byte 0x62, 0xc0; nop")},
        {"LGDT of a register", UD, false, CODE16(".byte 0x0f, 1, 0xd0; nop")},
        {"MOV from CR1", UD, false, CODE16(".byte 0x0f, 0x20, 0xc8; nop")},
        {"an instruction of 16 bytes", GP, false, CODE16(".rept 15; .byte 0x3e; .endr; nop")},
        {"DIV by zero", DE, false, CODE16("div al")},
        {"IDIV overflow", DE, false, CODE16("mov ax, 0x8000; mov cx, 0xffff;" HERE "idiv cx")},
        {"AAM 0", DE, false, CODE16("aam 0")},
        {"BOUND outside", BR, false, CODE16("mov ax, 9;" HERE "bound ax, ds:[0]")},
        {"SYSENTER", GP, false, CODE16("sysenter")},
        {"SYSEXIT", GP, false, CODE16("sysexit")},
        {"an FPU instruction with EM", NM, false, CODE16("mov eax, cr0; or al, 4; mov cr0, eax;" HERE "fnop")},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        begin("%s in real mode raises vector %u without an error code", rows[i].what, rows[i].vector);
        if (rows[i].limit)
            differs(QEMU, NO_LIMITS);
        real_mode();
        in.eflags |= IF;
        in.esi = in.edi = in.ebp = in.edx = 0xffff;
        in.eax = 0;
        in.ebx = 0x10000;
        run(rows[i].code);
        want_real(rows[i].vector, in.esp);
        want(out.r.eflags & IF, IF);
    }
}

static void refused(void)
{
    begin("LOCK MOV in real mode raises #UD");
    differs(QEMU, "LOCK MOV is carried out; SDM \"LOCK\"");
    real_mode();
    run(CODE16(".byte 0xf0; mov ds:[0], ax"));
    want_real(UD, in.esp);
    begin("PG without PE in real mode raises #GP");
    skip_on(QEMU, "PG without PE is accepted; SDM \"MOV-Move to/from Control Registers\"");
    real_mode();
    run(CODE16("mov eax, 0x80000010;" HERE "mov cr0, eax"));
    want_real(GP, in.esp);
}

static void interrupts(void)
{
    const struct {
        const char *what;
        unsigned vector;
        const struct code *code;
    } rows[] = {{"INT 40h", 0x40, CODE16("int 0x40;" HERE)}, {"INT3", BP, CODE16("int3;" HERE)},
                {"INTO", OF, CODE16("into;" HERE)},          {"INT 0", 0, CODE16("int 0;" HERE)},
                {"INT FFh", 0xff, CODE16("int 0xff;" HERE)}, {"INT 13", 13, CODE16("int 13;" HERE)},
                {"INT1", DB, CODE16(".byte 0xf1;" HERE)}};
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        begin("%s in real mode goes through the vector table and clears IF, TF, AC", rows[i].what);
        if (rows[i].vector == DB)
            differs(QEMU, "INT1 raises nothing; SDM \"INT n/INTO/INT3/INT1\"");
        real_mode();
        in.eflags |= IF | 0x800 | CF;
        run(rows[i].code);
        want_real(rows[i].vector, in.esp);
        want(out.r.eflags, in.eflags & 0xffff);
    }
    begin("LIDT moves the vector table");
    real_mode();
    ivt_pointer.base = DATA_AREA;
    const struct code *landing = CODE16("mov al, 0x42");
    data32[0x40] = (uint32_t)SNIPPET_SEGMENT << 16 | LOW(landing->start);
    data32[UD] = ((volatile uint32_t *)0)[UD];
    run(CODE16("int 0x40"));
    want_at(landing->end);
    want(out.r.eax & 0xff, 0x42);
    begin("a vector at the limit of the table is taken");
    real_mode();
    ivt_pointer.limit = 0x40 * 4 + 3;
    run(CODE16("int 0x40;" HERE));
    want_real(0x40, in.esp);
    begin("a vector beyond the limit of the table raises #GP");
    real_mode();
    ivt_pointer.limit = 0x40 * 4 + 2;
    run(CODE16("int 0x40"));
    want_real(GP, in.esp);
    begin("a table without vectors shuts the CPU down");
    real_mode();
    ivt_pointer.limit = 0;
    run_to_shutdown(CODE16("int 0x40"));
    begin("a table that holds #DF but not #GP delivers #DF");
    real_mode();
    ivt_pointer.limit = 8 * 4 + 3;
    run(CODE16("int 0x40"));
    want(out.vector, DF);
    begin("a frame wraps from SP 2 to FFFE");
    real_mode();
    in.esp = 2;
    run(CODE16("int 0x40;" HERE));
    want_vector(0x40);
    want(out.handler_esp & 0xffff, 0xfffc);
    begin("a frame at SP 1 shuts the CPU down");
    skip_on(QEMU, NO_LIMITS);
    real_mode();
    run_to_shutdown(CODE16("mov sp, 1; int 0x40"));
    begin("IRET in real mode loads IOPL and NT, not RF or VM");
    real_mode();
    in.eax = 0x7000 | EF_FIXED | CF;
    run(CODE16("push ax; push cs; mov edx, offset 1f; push dx; iret; 1: "));
    want_done();
    want(out.r.eflags, 0x7000 | EF_FIXED | CF);
    begin("IRETD in real mode pops doublewords");
    real_mode();
    in.eax = EF_FIXED | CF | ACF;
    run(CODE16(
        "push eax; pushd 0x1000; mov edx, offset 1f; movzx edx, dx; push edx; iretd; 1: mov bx, sp; pushfd; pop ecx"));
    want_done();
    want(out.r.ebx & 0xffff, in.esp);
    want(out.r.ecx & (CF | ACF), CF | ACF);
    begin("IRETD in real mode beyond FFFF raises #GP");
    differs(QEMU, NO_LIMITS);
    real_mode();
    run(CODE16("pushd 2; pushd 0x1000; pushd 0x10000;" HERE "iretd"));
    want_vector(GP);
    begin("POPF in real mode changes IOPL, IF and NT");
    real_mode();
    in.eax = IOPL(3) | IF | NT | EF_FIXED;
    run(CODE16("push ax; popf; pushf; pop bx; push 0; popf; pushf; pop cx"));
    want_done();
    want(out.r.ebx & 0xffff, in.eax);
    want(out.r.ecx & 0xffff, EF_FIXED);
}

static void addresses(void)
{
    begin("effective addresses wrap at FFFF in real mode");
    real_mode();
    data8[2] = 0x5a;
    in.ebx = 0xffff;
    in.esi = 3;
    run(CODE16("mov al, [bx+si]"));
    want_done();
    want(out.r.eax & 0xff, 0x5a);
    begin("FFFF:0010 is 100000 with A20 open");
    real_mode();
    *(volatile uint8_t *)0x100001 = 0x77;
    *(volatile uint8_t *)1 = 0x11;
    in.es = 0xffff;
    run(CODE16("mov al, es:[0x11]"));
    want_done();
    want(out.r.eax & 0xff, 0x77);
    begin("PUSH wraps SP from 0 to FFFE");
    real_mode();
    in.esp = 0;
    in.eax = 0x1234;
    run(CODE16("push ax; mov bx, sp"));
    want_done();
    want(out.r.ebx & 0xffff, 0xfffe);
    want(*(volatile uint16_t *)(STACK_BASE + 0xfffe), 0x1234);
    begin("PUSH at SP 1 shuts the CPU down: #SS has no stack");
    skip_on(QEMU, NO_LIMITS);
    real_mode();
    run_to_shutdown(CODE16("mov sp, 1; push ax"));
    begin("a string wraps SI and DI at FFFF");
    real_mode();
    in.esi = 0xfffe;
    in.edi = 0x8fff;
    in.ecx = 4;
    data8[0xfffe] = 1, data8[0xffff] = 2, data8[0] = 3, data8[1] = 4;
    run(CODE16("cld; rep movsb"));
    want_done();
    want(*(volatile uint8_t *)(DATA_AREA + 0x9001), 3);
    want(out.r.esi & 0xffff, 2);
    want(out.r.ecx & 0xffff, 0);
    begin("near JMP in real mode wraps IP with a 16-bit operand");
    real_mode();
    run(CODE16("mov ebx, offset 1f; jmp bx; ud2; 1: "));
    want_done();
    begin("near JMP beyond FFFF in real mode raises #GP");
    skip_on(QEMU, NO_LIMITS);
    real_mode();
    in.eax = 0x10000;
    run(CODE16("jmp eax"));
    want_real(GP, in.esp);
    begin("far CALL in real mode pushes CS and IP and loads any segment");
    real_mode();
    const struct code *landing = LANDING16();
    data16[0] = LOW(landing->start) - 0x100;
    data16[1] = SNIPPET_SEGMENT + 0x10;
    const struct code *code = CODE16("call dword ptr ds:[0]");
    run(code);
    want_at(landing->start);
    want(out.r.cs, SNIPPET_SEGMENT + 0x10);
    want(*(volatile uint16_t *)(STACK_BASE + STACK_TOP - 2), SNIPPET_SEGMENT);
    want(*(volatile uint16_t *)(STACK_BASE + STACK_TOP - 4), LOW(code->end));
    begin("far RET in real mode ignores RPL bits");
    real_mode();
    data16[0] = 0;
    run(CODE16("mov edx, offset 1f; sub dx, 0x30; push 0x1003; push dx; retf; 1: mov ax, cs"));
    want_done();
    want(out.r.eax & 0xffff, SNIPPET_SEGMENT + 3);
    begin("a JMP far ptr16:32 beyond FFFF in real mode raises #GP");
    differs(QEMU, NO_LIMITS);
    real_mode();
    run(CODE16(".byte 0x66, 0xea, 0, 0, 1, 0, 0, 0x10"));
    want_real(GP, in.esp);
}

static void mode_switches(void)
{
    begin("limits of segments loaded in protected mode stay in real mode");
    real_mode();
    *(volatile uint32_t *)0x123456 = 0x600df00d;
    /* To protected mode, FS with a limit of 4 GiB, and back; the null selector would go too. */
    run(CODE16("mov ebx, cr0; inc bx; mov cr0, ebx; mov ax, 0x10; mov fs, ax; dec bx; mov cr0, ebx;"
               "mov edi, 0x123456; mov eax, fs:[edi]"));
    want_done();
    want(out.r.eax, 0x600df00d);
    begin("a segment load in real mode changes the base and keeps the limit");
    real_mode();
    *(volatile uint32_t *)0x123456 = 0x600df00d;
    run(CODE16("mov ebx, cr0; inc bx; mov cr0, ebx; mov ax, 0x10; mov fs, ax; dec bx; mov cr0, ebx;"
               "mov ax, 0x100; mov fs, ax; mov edi, 0x122456; mov eax, fs:[edi]"));
    want_done();
    want(out.r.eax, 0x600df00d);
    begin("a small limit loaded in protected mode holds in real mode");
    differs(QEMU, NO_LIMITS);
    slot(0, descriptor(DATA_AREA, 0xf, AR_DATA));
    real_mode();
    run(CODE16(
        "mov ebx, cr0; inc bx; mov cr0, ebx; mov ax, 0x100; mov fs, ax; dec bx; mov cr0, ebx; mov al, fs:[0xf];" HERE
        "mov al, fs:[0x10]"));
    want_vector(GP);
    begin("a load of SS in real mode keeps the B flag of protected mode");
    real_mode();
    in.ecx = STACK_SEGMENT;
    run(CODE16("mov ebx, cr0; inc bx; mov cr0, ebx; mov ax, 0x10; mov ss, ax; dec bx; mov cr0, ebx; mov ss, cx;"
               "mov esp, 0x20000; push ax; mov ebx, esp; mov esp, 0xf000"));
    want(out.r.ebx, 0x1fffe);
    begin("LMSW enters protected mode and cannot leave it");
    real_mode();
    run(CODE16("smsw ax; or al, 1; lmsw ax; mov edx, cr0; and al, 0xfe; lmsw ax; mov ecx, cr0; mov ebx, ecx; dec bx; "
               "mov cr0, ebx"));
    want_done();
    want(out.r.edx & 1, 1);
    want(out.r.ecx & 1, 1);
    begin("code goes on in the old CS until the first far transfer");
    real_mode();
    run(CODE16("mov ebx, cr0; inc bx; mov cr0, ebx; mov ax, cs; mov edx, 0x11223344; dec bx; mov cr0, ebx"));
    want_done();
    want(out.r.eax & 0xffff, SNIPPET_SEGMENT);
    want(out.r.edx, 0x11223344);
    begin("LGDT with a 16-bit operand loads 24 bits of base");
    real_mode();
    data16[0] = 0x1234;
    data32[1] = 0;
    *(volatile uint32_t *)(DATA_AREA + 2) = 0x89abcdef;
    run(CODE16("sgdt ds:[0x20]; lgdt ds:[0]; sgdt ds:[0x10]; .byte 0x66; lgdt ds:[0x20]"));
    want_done();
    want(data16[8], 0x1234);
    want(*(volatile uint32_t *)(DATA_AREA + 0x12) & 0xffffff, 0xabcdef);
    begin("SGDT stores what a 32-bit LGDT has loaded");
    real_mode();
    data16[0] = 0x1234;
    *(volatile uint32_t *)(DATA_AREA + 2) = 0x89abcdef;
    run(CODE16("sgdt ds:[0x20]; .byte 0x66; lgdt ds:[0]; .byte 0x66; sgdt ds:[0x10]; .byte 0x66; lgdt ds:[0x20]"));
    want_done();
    want(data16[8], 0x1234);
    want(*(volatile uint32_t *)(DATA_AREA + 0x12), 0x89abcdef);
    const struct {
        const char *what;
        const struct code *code;
    } privileged[] = {{"CLI and STI", CODE16("cli; sti; nop; cli")},
                      {"CLTS, INVLPG and WBINVD", CODE16("clts; invlpg [bx]; wbinvd")},
                      {"MOV CR2", CODE16("mov cr2, eax; mov ebx, cr2")},
                      {"RDMSR", CODE16("rdmsr")},
                      {"RDTSC", CODE16("rdtsc")}};
    for (unsigned i = 0; i < sizeof privileged / sizeof privileged[0]; i++) {
        begin("%s may be used in real mode", privileged[i].what);
        real_mode();
        in.ecx = 0x174;
        run(privileged[i].code);
        want_done();
    }
}

static void stepping(void)
{
    begin("single steps in real mode");
    real_mode();
    in.eflags |= TF;
    resume_vectors = 1 << DB;
    const struct code *code = CODE16("nop; inc ax; nop");
    run(code);
    want_done();
    want(n_events, 4);
    for (unsigned i = 0; i < 3; i++) {
        want(events[i].vector, DB);
        want(events[i].r.eip, LOW(code->start) + 1 + i);
        want(events[i].dr6 & 0x4000, 0x4000);
    }
    begin("INT n in real mode runs its handler without TF");
    real_mode();
    const struct code *handler = CODE16("nop; nop; iret");
    ((volatile uint32_t *)0)[0x40] = (uint32_t)SNIPPET_SEGMENT << 16 | LOW(handler->start);
    in.eflags |= TF;
    resume_vectors = 1 << DB;
    code = CODE16("int 0x40; nop; nop");
    run(code);
    want_done();
    want(events[0].r.eip, LOW(code->start) + 3);
    want(n_events, 3);
}

void real_mode_cases(void)
{
    faults();
    refused();
    interrupts();
    addresses();
    mode_switches();
    stepping();
}
