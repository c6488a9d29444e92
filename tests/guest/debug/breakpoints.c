/*
 * Instruction, data and I/O breakpoints of each kind, length and alignment; RF. Source: SDM vol. 3 "Debug Registers",
 * "Debug Exceptions", "Resume Flag".
 */
#include "debug.h"

#define SPOT  (DATA_AREA + 0x108)
#define NO_RF QEMU, "does not set RF in the frame of a fault; SDM \"Instruction-Breakpoint Exception Condition\""

static void instruction_breakpoints(void)
{
    for (unsigned n = 0; n < 4; n++) {
        for (unsigned cpl = 0; cpl < 4; cpl += 3) {
            begin("instruction breakpoint %u at CPL %u is a fault", n, cpl);
            ring(cpl);
            const struct code *code = CODE("nop; inc eax;" HERE "inc ecx");
            arm(n, BP_EXEC, code->here, 1);
            run(code);
            want_vector(DB);
            want(out.dr6, DR6_CLEAR | DR6_B(n));
            want(out.r.eax, in.eax + 1);
            want(out.r.ecx, in.ecx);
            want(out.r.eflags & RF, 0);
        }
    }
    begin("four breakpoints on one instruction report together");
    const struct code *code = CODE("nop;" HERE "nop");
    for (unsigned n = 0; n < 4; n++)
        arm(n, BP_EXEC, code->here, 1);
    run(code);
    want_vector(DB);
    want(out.dr6, DR6_CLEAR | 15);
    begin("a breakpoint armed by its G flag");
    in_dr[2] = code->here;
    in_dr[7] |= DR7_G(2);
    run(code);
    want_vector(DB);
    want(out.dr6, DR6_CLEAR | DR6_B(2));
    begin("a breakpoint that is not armed");
    in_dr[0] = code->here;
    run(code);
    want_done();
    begin("a breakpoint on an instruction's second byte");
    code = CODE("mov eax, 0x12345678");
    arm(0, BP_EXEC, code->start + 1, 1);
    run(code);
    want_done();
    begin("a breakpoint on an instruction's prefix");
    code = CODE("nop;" HERE "cs mov eax, [ebx]");
    in.ebx = DATA_AREA;
    arm(0, BP_EXEC, code->here, 1);
    run(code);
    want_vector(DB);
    begin("a breakpoint behind an instruction's prefix");
    arm(0, BP_EXEC, code->here + 1, 1);
    in.ebx = DATA_AREA;
    run(code);
    want_done();
    begin("a breakpoint on a jump's target");
    code = CODE("jmp 1f; nop; 1: " HERE "nop");
    arm(3, BP_EXEC, code->here, 1);
    run(code);
    want_vector(DB);
    begin("a breakpoint on an instruction that would fault comes first");
    code = CODE(HERE "ud2");
    arm(1, BP_EXEC, code->here, 1);
    run(code);
    want_vector(DB);
    begin("a breakpoint in a loop, passed with RF, is met at each turn");
    code = CODE("mov ecx, 3; 1: " HERE "dec ecx; jnz 1b");
    arm(1, BP_EXEC, code->here, 1);
    run_traced(code);
    want_trail(code, DR6_B(1), TRAIL(5, 5, 5));
    begin("a breakpoint in real mode");
    skip_on(QEMU, "7.2 crashes");
    real_mode();
    code = CODE16("nop;" HERE "nop");
    arm(0, BP_EXEC, code->here, 1);
    run(code);
    want_vector(DB);
    begin("a breakpoint in virtual-8086 mode");
    skip_on(QEMU, "7.2 crashes");
    v86(3);
    arm(0, BP_EXEC, code->here, 1);
    run(code);
    want_vector(DB);
    begin("a breakpoint compares linear addresses");
    code = CODE16("nop;" HERE "nop");
    ring16(0);
    arm(0, BP_EXEC, LOW(code->here), 1);
    run(code);
    want_done();
    begin("a breakpoint on a REP instruction is met once");
    differs(QEMU, "meets it at each iteration; SDM \"Instruction-Breakpoint Exception Condition\"");
    code = CODE("mov ecx, 3; mov esi, ebx; mov edi, ebx; " HERE "rep lodsb");
    in.ebx = DATA_AREA;
    arm(0, BP_EXEC, code->here, 1);
    run_traced(code);
    want_trail(code, DR6_B(0), TRAIL((uint8_t)9));
    begin("instruction breakpoints of neighbours come one by one");
    code = CODE("nop; nop; nop");
    arm(0, BP_EXEC, code->start, 1);
    arm(1, BP_EXEC, code->start + 1, 1);
    run_traced(code);
    want(n_events, 3);
    want(events[0].r.eip, code->start);
    want(events[1].r.eip, code->start + 1);
    want(events[1].dr6 & 15 & ~1u, 2);
}

static void resume_flag(void)
{
    const struct code *code = CODE("nop; nop");
    begin("RF on entry passes a breakpoint once");
    in.eflags |= RF;
    arm(0, BP_EXEC, code->start, 1);
    run(code);
    want_done();
    begin("RF on entry is gone after one instruction");
    in.eflags |= RF;
    arm(0, BP_EXEC, code->start + 1, 1);
    run(with_here(code, code->start + 1));
    want_vector(DB);
    begin("POPFD does not set RF");
    code = CODE("pushfd; or dword ptr [esp], 0x10000; popfd;" HERE "nop");
    arm(0, BP_EXEC, code->here, 1);
    run(code);
    want_vector(DB);
    begin("PUSHFD shows no RF");
    in.eflags |= RF;
    code = CODE("pushfd; pop eax");
    run(code);
    want_done();
    want(out.r.eax & RF, 0);
    begin("#GP pushes RF");
    differs(NO_RF);
    ring(3);
    run(CODE("hlt"));
    want_vector(GP);
    want(out.r.eflags & RF, RF);
    begin("#UD pushes RF");
    differs(NO_RF);
    run(CODE("nop;" HERE "ud2"));
    want_vector(UD);
    want(out.r.eflags & RF, RF);
    begin("#DE pushes RF");
    differs(NO_RF);
    in.ecx = 0;
    run(CODE("div ecx"));
    want_vector(DE);
    want(out.r.eflags & RF, RF);
    begin("INT3 pushes no RF");
    run(CODE("int3;" HERE));
    want_vector(BP);
    want(out.r.eflags & RF, 0);
    begin("INT n pushes no RF");
    run(CODE("int 0x40;" HERE));
    want_vector(0x40);
    want(out.r.eflags & RF, 0);
    begin("a single-step trap pushes no RF");
    in.eflags |= TF;
    run(CODE("nop;" HERE "nop"));
    want_vector(DB);
    want(out.r.eflags & RF, 0);
}

/* The manual's rule: the access overlaps the watched bytes, whose address is aligned to their number. */
static bool is_hit(uint32_t watched, unsigned len, uint32_t at, unsigned size)
{
    watched &= ~(len - 1);
    return at < watched + len && watched < at + size;
}

static void data_breakpoints(void)
{
    static const char *const kind_name[] = {"read", "write", "update"};
    for (unsigned len = 1; len <= 4; len *= 2) {
        for (unsigned misaligned = 0; misaligned < len; misaligned++) {
            for (unsigned size = 1; size <= 4; size *= 2) {
                for (unsigned kind = 0; kind < 3; kind++) {
                    const struct code *codes[3][3] = {
                        {CODE("mov al, [ebx];" HERE), CODE("mov [ebx], al;" HERE), CODE("inc byte ptr [ebx];" HERE)},
                        {CODE("mov ax, [ebx];" HERE), CODE("mov [ebx], ax;" HERE), CODE("inc word ptr [ebx];" HERE)},
                        {CODE("mov eax, [ebx];" HERE), CODE("mov [ebx], eax;" HERE), CODE("inc dword ptr [ebx];" HERE)},
                    };
                    begin("%u watched bytes at +%u and a %s of %u", len, misaligned, kind_name[kind], size);
                    differs(QEMU, "aligns no address and takes neighbours for hits; SDM \"Debug Registers\", "
                                  "\"Breakpoint Field Recognition\"");
                    for (enum breakpoint type = BP_WRITE; type <= BP_ACCESS; type += 2) {
                        for (int at = -4; at < 8; at++) {
                            const struct code *code = codes[size / 2][kind];
                            unsigned n = (unsigned)at & 3;
                            bool hit = is_hit(SPOT + misaligned, len, SPOT + (uint32_t)at, size) &&
                                       (kind || type == BP_ACCESS);
                            in_dr[7] = DR7_CLEAR;
                            arm(n, type, SPOT + misaligned, len);
                            in.ebx = SPOT + (uint32_t)at;
                            run(code);
                            want_equal(label("type %u, access at %d: vector", type, (unsigned)at & 15), out.vector,
                                       hit ? DB : UD);
                            if (hit) {
                                want_vector(DB);
                                want(out.dr6, DR6_CLEAR | DR6_B(n));
                            } else {
                                want_done();
                            }
                        }
                    }
                }
            }
        }
    }
}

static void watch(enum breakpoint kind)
{
    arm(0, kind, SPOT, 4);
    in.ebx = SPOT;
}

static void special_accesses(void)
{
    static const struct {
        const char *name;
        int below; /* EBX, ESP, ESI or EDI lie at SPOT plus this */
        bool write, differs_qemu;
    } row[] = {
        {"PUSH", 4, true, false},       {"POP", 0, false, false},          {"CALL", 4, true, false},
        {"RET", 0, false, false},       {"PUSHAD", 16, true, false},       {"POPAD", -16, false, false},
        {"FSTP m64", -4, true, false},  {"FLD m80", -6, false, false},     {"FSTP m80", -8, true, false},
        {"XCHG", 0, true, false},       {"MOVSD", 0, true, false},         {"STOSB", 0, true, false},
        {"LODSW", 0, false, false},     {"SCASD", 0, false, false},        {"FNSTENV", -24, true, false},
        {"LES", -4, false, false},      {"SGDT", -4, true, false},         {"BOUND", -4, false, false},
        {"CMPXCHG8B", -4, true, false}, {"MOVUPS m128", -12, true, false},
    };
    for (unsigned i = 0; i < sizeof row / sizeof row[0]; i++) {
        const struct code *code[] = {
            CODE("push eax;" HERE),
            CODE("pop eax;" HERE),
            CODE("call 1f; 1:" HERE),
            CODE("ret"),
            CODE("pushad;" HERE),
            CODE("popad;" HERE),
            CODE("fstp qword ptr [ebx];" HERE),
            CODE("fld tbyte ptr [ebx];" HERE),
            CODE("fstp tbyte ptr [ebx];" HERE),
            CODE("xchg [ebx], eax;" HERE),
            CODE("movsd;" HERE),
            CODE("stosb;" HERE),
            CODE("lodsw;" HERE),
            CODE("scasd;" HERE),
            CODE("fnstenv [ebx];" HERE),
            CODE("les eax, [ebx];" HERE),
            CODE("sgdt [ebx];" HERE),
            CODE("bound eax, [ebx];" HERE),
            CODE("cmpxchg8b [ebx];" HERE),
            CODE("movups [ebx], xmm0;" HERE),
        };
        begin("%s touches a watched doubleword", row[i].name);
        ring(3);
        in_cr4 = CR4_OSFXSR;
        arm(1, row[i].write ? BP_WRITE : BP_ACCESS, SPOT, 4);
        __asm__ volatile("fninit; fldz");
        uint32_t at = SPOT + (uint32_t)row[i].below;
        in.ebx = in.esp = in.esi = in.edi = at;
        if (i == 10)
            in.esi = DATA_AREA;
        if (i == 3)
            *(volatile uint32_t *)at = code[i]->end;
        if (i == 17) {
            in.eax = 5;
            *(volatile uint32_t *)(at + 4) = 10;
        }
        run(i == 3 ? with_here(code[i], code[i]->end) : code[i]);
        want_vector(DB);
        want(out.dr6, DR6_CLEAR | DR6_B(1));
    }
    begin("an instruction fetch is no data access");
    const struct code *code = CODE("nop; nop; nop; nop; nop; nop; nop; nop");
    arm(0, BP_ACCESS, code->start + 4, 4);
    run(code);
    want_done();
    begin("LEA, PREFETCH and NOP touch no watched byte");
    watch(BP_ACCESS);
    run(CODE("lea eax, [ebx]; prefetcht0 [ebx]"));
    want_done();
    begin("a breakpoint and an access on both sides of a page boundary");
    arm(2, BP_WRITE, 0x201000, 1);
    in.ebx = 0x200ffe;
    run(CODE("mov [ebx], eax;" HERE));
    want_vector(DB);
    want(out.dr6, DR6_CLEAR | DR6_B(2));
    begin("two breakpoints hit by one access report together");
    differs(QEMU, "reports one of them; SDM \"Debug Status Register (DR6)\"");
    arm(0, BP_WRITE, SPOT, 1);
    arm(3, BP_ACCESS, SPOT + 3, 1);
    in.ebx = SPOT;
    run(CODE("mov [ebx], eax;" HERE));
    want_vector(DB);
    want(out.dr6, DR6_CLEAR | DR6_B(0) | DR6_B(3));
    begin("two breakpoints hit by the two accesses of MOVSD report together");
    differs(QEMU, "reports one of them; SDM \"Debug Status Register (DR6)\"");
    arm(0, BP_ACCESS, SPOT, 4);
    arm(1, BP_WRITE, SPOT + 0x20, 4);
    in.esi = SPOT;
    in.edi = SPOT + 0x20;
    run(CODE("movsd;" HERE));
    want_vector(DB);
    want(out.dr6, DR6_CLEAR | DR6_B(0) | DR6_B(1));
    begin("a watched access of an instruction that faults is not reported");
    differs(QEMU, "reports it; SDM \"Data Memory and I/O Breakpoint Exception Conditions\"");
    ring(3);
    watch(BP_ACCESS);
    in.ds = slot(0, descriptor(0, 0xfffff, AR_DATA_RO | AR_DPL(3) | AR_32 | AR_G)) | 3;
    in.esi = SPOT;
    in.esp = SPOT;
    run(CODE("pop dword ptr ds:[ebx + 64]"));
    want_vector(GP);
    want(out.dr6 & 15, 0);
    begin("a watched access is reported after the jump that made it");
    watch(BP_ACCESS);
    code = CODE("jmp dword ptr [ebx]; nop; nop; nop");
    *(volatile uint32_t *)SPOT = code->end;
    run(with_here(code, code->end));
    want_vector(DB);
    begin("REP MOVSB is stopped after the watched byte is written");
    arm(0, BP_WRITE, SPOT + 5, 1);
    in.esi = DATA_AREA;
    in.edi = SPOT;
    in.ecx = 10;
    run(CODE(HERE "rep movsb"));
    want_vector(DB);
    want(out.r.ecx, 4);
    want(out.r.edi, SPOT + 6);
    begin("REP STOSD resumes after its trap");
    arm(0, BP_WRITE, SPOT + 8, 4);
    in.edi = SPOT;
    in.ecx = 4;
    run_traced(CODE("rep stosd"));
    want_done();
    want(n_events, 2);
    want(events[0].r.ecx, 1);
    want(*(volatile uint32_t *)(SPOT + 12), in.eax);
    begin("REPE CMPSB ends at the watched byte: the trap comes after it");
    arm(0, BP_ACCESS, SPOT + 2, 1);
    *(volatile uint8_t *)(SPOT + 2) = 1;
    in.esi = SPOT;
    in.edi = DATA_AREA;
    in.ecx = 9;
    run(CODE("repe cmpsb;" HERE));
    want_vector(DB);
    want(out.r.ecx, 6);
    begin("MOV SS from a watched place traps after the next instruction");
    differs(QEMU, "traps at once; SDM \"Masking Exceptions and Interrupts When Switching Stacks\"");
    watch(BP_ACCESS);
    *(volatile uint32_t *)SPOT = DATA32(0);
    run(CODE("mov ss, word ptr [ebx]; nop;" HERE "nop"));
    want_vector(DB);
    want(out.dr6, DR6_CLEAR | DR6_B(0));
    begin("POP SS from a watched place traps after the next instruction");
    differs(QEMU, "loses the trap; SDM \"Masking Exceptions and Interrupts When Switching Stacks\"");
    watch(BP_ACCESS);
    *(volatile uint32_t *)SPOT = DATA32(0);
    in.ecx = STACK_BASE + STACK_TOP - 0x100;
    run(CODE("mov esp, ebx; pop ss; mov esp, ecx;" HERE "nop"));
    want_vector(DB);
    want(out.dr6, DR6_CLEAR | DR6_B(0));
    begin("LSS from a watched place traps at once");
    differs(QEMU, "loses the trap; SDM \"Data Memory and I/O Breakpoint Exception Conditions\"");
    watch(BP_ACCESS);
    *(volatile uint32_t *)SPOT = STACK_BASE + STACK_TOP - 0x100;
    *(volatile uint32_t *)(SPOT + 4) = DATA32(0);
    run(CODE("lss esp, [ebx];" HERE "nop"));
    want_vector(DB);
    begin("a watched access single-stepped reports both");
    differs(QEMU, "traps twice; SDM \"Priority Among Simultaneous Exceptions and Interrupts\"");
    watch(BP_WRITE);
    in.eflags |= TF;
    run(CODE("mov [ebx], eax;" HERE "nop"));
    want_vector(DB);
    want(out.dr6, DR6_CLEAR | DR6_B(0) | DR6_BS);
    begin("paging does not matter to a linear address above memory");
    arm(0, BP_WRITE, 0xfffffffc, 4);
    in.ebx = 0xfffffffe;
    run(CODE("mov [ebx], ax;" HERE));
    want_vector(DB);
    begin("a breakpoint disarmed by MOV DR7 in time");
    watch(BP_WRITE);
    in.ecx = 0x400;
    run(CODE("mov dr7, ecx; mov [ebx], eax"));
    want_done();
    begin("a breakpoint armed by MOV DR7 in the snippet");
    in_dr[0] = SPOT;
    in.ebx = SPOT;
    in.ecx = DR7_CLEAR | DR7_L(0) | 0xd0000;
    run(CODE("mov [ebx], eax; mov dr7, ecx; mov [ebx + 4], eax; mov [ebx], eax;" HERE));
    want_vector(DB);
}

static void io_breakpoints(void)
{
    static const struct {
        uint16_t watched, port;
        uint8_t len, size;
    } row[] = {
        {0x80, 0x80, 1, 1}, {0x80, 0x81, 1, 1}, {0x81, 0x80, 1, 1}, {0x80, 0x80, 4, 1},
        {0x80, 0x83, 4, 1}, {0x80, 0x84, 4, 1}, {0x82, 0x80, 1, 4}, {0x84, 0x80, 1, 4},
        {0x80, 0x7f, 2, 2}, {0x82, 0x80, 2, 2}, {0x80, 0x81, 2, 1}, {0x83, 0x80, 4, 1},
    };
    for (unsigned i = 0; i < sizeof row / sizeof row[0]; i++) {
        for (unsigned out_ = 0; out_ < 2; out_++) {
            const struct code *codes[2][3] = {
                {CODE("in al, dx;" HERE), CODE("in ax, dx;" HERE), CODE("in eax, dx;" HERE)},
                {CODE("out dx, al;" HERE), CODE("out dx, ax;" HERE), CODE("out dx, eax;" HERE)},
            };
            const struct code *code = codes[out_][row[i].size / 2];
            begin("%s of %u at port %x with %u watched at %x", out_ ? "OUT" : "IN", row[i].size, row[i].port,
                  row[i].len, row[i].watched);
            differs(QEMU, "aligns no address; SDM \"Debug Registers\", \"Breakpoint Field Recognition\"");
            in_cr4 = CR4_DE;
            arm(1, BP_IO, row[i].watched, row[i].len);
            in.edx = row[i].port;
            in.eax = 0;
            run(code);
            if (is_hit(row[i].watched, row[i].len, row[i].port, row[i].size)) {
                want_vector(DB);
                want(out.dr6, DR6_CLEAR | DR6_B(1));
            } else {
                want_done();
            }
        }
    }
    begin("an immediate port is watched too");
    in_cr4 = CR4_DE;
    arm(0, BP_IO, 0x80, 1);
    run(CODE("out 0x80, al;" HERE));
    want_vector(DB);
    begin("a watched port at CPL 3");
    ring(3);
    in.eflags |= IOPL(3);
    in_cr4 = CR4_DE;
    arm(0, BP_IO, 0x80, 1);
    run(CODE("out 0x80, al;" HERE));
    want_vector(DB);
    begin("a watched port that the task may not use raises #GP(0) alone");
    ring(3);
    in_cr4 = CR4_DE;
    arm(0, BP_IO, 0x80, 1);
    run(CODE("out 0x80, al"));
    want_fault(GP, 0);
    want(out.dr6 & 15, 0);
    begin("REP OUTSB to a watched port traps after each iteration");
    differs(QEMU, "traps after the last one; SDM \"Data Memory and I/O Breakpoint Exception Conditions\"");
    in_cr4 = CR4_DE;
    arm(0, BP_IO, 0x80, 1);
    in.esi = DATA_AREA;
    in.edx = 0x80;
    in.ecx = 3;
    run(CODE(HERE "rep outsb"));
    want_vector(DB);
    want(out.r.ecx, 2);
    want(out.r.esi, DATA_AREA + 1);
    begin("INSB from a watched port");
    in_cr4 = CR4_DE;
    arm(0, BP_IO, 0x80, 1);
    in.edi = DATA_AREA;
    in.edx = 0x80;
    run(CODE("insb;" HERE));
    want_vector(DB);
    begin("a memory access at a watched port's number is none");
    in_cr4 = CR4_DE;
    arm(0, BP_IO, 0x80, 1);
    run(CODE("mov eax, [0x80]"));
    want_done();
}

void breakpoint_cases(void)
{
    instruction_breakpoints();
    resume_flag();
    data_breakpoints();
    special_accesses();
    io_breakpoints();
}
