/* DR4 to DR7 as registers, GD, DR6's bits, task switches. Source: SDM vol. 3 "Debug Registers", "Debug Exceptions". */
#include "debug.h"

void register_cases(void)
{
    for (unsigned n = 0; n < 8; n++) {
        const struct code *reads[] = {
            CODE("mov eax, dr0"),           CODE("mov eax, dr1"),           CODE("mov eax, dr2"), CODE("mov eax, dr3"),
            CODE(".byte 0x0f, 0x21, 0xe0"), CODE(".byte 0x0f, 0x21, 0xe8"), CODE("mov eax, dr6"), CODE("mov eax, dr7")};
        const struct code *writes[] = {
            CODE("mov dr0, eax"),           CODE("mov dr1, eax"),           CODE("mov dr2, eax"), CODE("mov dr3, eax"),
            CODE(".byte 0x0f, 0x23, 0xe0"), CODE(".byte 0x0f, 0x23, 0xe8"), CODE("mov dr6, eax"), CODE("mov dr7, eax")};
        for (unsigned cpl = 1; cpl < 4; cpl++) {
            begin("DR%u at CPL %u: #GP(0)", n, cpl);
            ring(cpl);
            run(reads[n]);
            want_fault(GP, 0);
            run(writes[n]);
            want_fault(GP, 0);
        }
        begin("DR%u in virtual-8086 mode: #GP(0)", n);
        v86(3);
        run(CODE16("mov eax, dr3"));
        want_fault(GP, 0);
        begin("DR%u under GD: #DB with BD, before the access", n);
        differs(QEMU, "does not implement GD; SDM \"Debug Control Register (DR7)\"");
        in_dr[7] |= DR7_GD;
        run(reads[n]);
        want_fault(DB, 0);
        want(out.dr6, DR6_CLEAR | DR6_BD);
        want(out.dr7, DR7_CLEAR);
        in_dr[7] |= DR7_GD;
        run(writes[n]);
        want_fault(DB, 0);
        want(out.dr6, DR6_CLEAR | DR6_BD);
    }
    begin("DR4 is DR6, DR5 is DR7 without CR4.DE");
    in_dr[6] = DR6_CLEAR | DR6_BS | 5;
    in_dr[7] = DR7_CLEAR | 0x30000;
    run(CODE(".byte 0x0f, 0x21, 0xe0, 0x0f, 0x21, 0xe9"));
    want_done();
    want(out.r.eax, in_dr[6]);
    want(out.r.ecx, in_dr[7]);
    begin("DR4 and DR5 raise #UD with CR4.DE");
    for (unsigned i = 0; i < 4; i++) {
        const struct code *codes[] = {CODE(".byte 0x0f, 0x21, 0xe0"), CODE(".byte 0x0f, 0x21, 0xe8"),
                                      CODE(".byte 0x0f, 0x23, 0xe0"), CODE(".byte 0x0f, 0x23, 0xe8")};
        in_cr4 = CR4_DE;
        run(codes[i]);
        want_fault(UD, 0);
    }
    begin("DR6 has fixed bits");
    differs(QEMU, "stores bit 12; SDM \"Debug Status Register (DR6)\"");
    in.eax = 0xffffffff;
    in.ebx = 0;
    run(CODE("mov dr6, eax; mov ecx, dr6; mov dr6, ebx; mov edx, dr6"));
    want_done();
    want(out.r.ecx, 0xffffefff);
    want(out.r.edx, DR6_CLEAR);
    begin("DR7 has fixed bits");
    differs(QEMU | BOCHS,
            "stores reserved bits, as RTM, which CPUID does not offer; SDM \"Debug Control Register (DR7)\"");
    in.eax = 0xffffdf00;
    in.ebx = 0;
    run(CODE("mov dr7, eax; mov ecx, dr7; mov dr7, ebx; mov edx, dr7"));
    want_done();
    want(out.r.ecx, 0xffff0700);
    want(out.r.edx, DR7_CLEAR);
    begin("DR0 to DR3 hold 32 bits");
    in.eax = 0xfedcba98;
    run(CODE("mov dr0, eax; mov dr3, eax; mov ecx, dr0; mov edx, dr3"));
    want_done();
    want(out.r.ecx, in.eax);
    want(out.r.edx, in.eax);
    begin("the ModRM byte of MOV DR names a register whatever its mod field says");
    in.eax = 0x1234;
    run(CODE(".byte 0x0f, 0x23, 0x00, 0x0f, 0x21, 0x41")); /* mov dr0, eax; mov ecx, dr0 */
    want_done();
    want(out.r.ecx, 0x1234);
    begin("DR6's bits stay until they are cleared");
    differs(BOCHS, "clears BT; SDM \"Debug Status Register (DR6)\"");
    in_dr[6] = DR6_CLEAR | DR6_BD | DR6_BT;
    in.eflags |= TF;
    run(CODE("nop;" HERE "nop"));
    want_vector(DB);
    want_masked("DR6", out.dr6, DR6_BS | DR6_BD | DR6_BT, 0xe000);
    begin("a task switch clears the L flags and leaves the G flags");
    const struct code *landing = LANDING();
    tss2.eip = landing->start;
    in_dr[0] = in_dr[1] = in_dr[2] = in_dr[3] = 0xf0000000;
    in_dr[7] = DR7_CLEAR | 0x3ff;
    run(CODE("jmp 0x98, 0"));
    want_at(landing->start);
    want_masked("DR7", out.dr7, DR7_CLEAR | 0x2aa, ~0x100u); /* of LE the manual says nothing */
    begin("the T flag of a TSS traps before its first instruction");
    differs(QEMU, "does not implement the T flag; SDM \"Task-Switch Exception Condition\"");
    tss2.eip = landing->start;
    tss2.trap = 1;
    run(CODE("jmp 0x98, 0"));
    want(out.vector, DB);
    want(out.r.eip, landing->start);
    want(out.tr, SEG_TSS2);
    want(out.dr6, DR6_CLEAR | DR6_BT);
    begin("the T flag counts on return too");
    differs(QEMU, "does not implement the T flag; SDM \"Task-Switch Exception Condition\"");
    tss.trap = 1;
    tss2.eip = CODE("iretd")->start;
    run(CODE("call 0x98, 0;" HERE));
    want_vector(DB);
    want(out.tr, SEG_TSS);
    want(out.dr6, DR6_CLEAR | DR6_BT);
    begin("ICEBP is a trap that leaves DR6 alone");
    differs(QEMU, "delivers nothing; SDM \"INT n/INTO/INT3/INT1\"");
    run(CODE(".byte 0xf1;" HERE));
    want_vector(DB);
    want(out.dr6, DR6_CLEAR);
    begin("ICEBP at CPL 3 ignores the gate's DPL");
    ring(3);
    set_gate(DB, AR_INT32);
    differs(QEMU, "checks the gate's DPL as for INT n; SDM \"INT n/INTO/INT3/INT1\"");
    run(CODE(".byte 0xf1;" HERE));
    want_vector(DB);
    begin("ICEBP in virtual-8086 mode needs no IOPL");
    v86(0);
    differs(QEMU, "checks IOPL as for INT n; SDM \"INT n/INTO/INT3/INT1\"");
    run(CODE16(".byte 0xf1;" HERE));
    want_vector(DB);
    begin("INT 1 at CPL 3 heeds the gate's DPL");
    ring(3);
    set_gate(DB, AR_INT32);
    run(CODE(".byte 0xcd, 1"));
    want_fault(GP, 1 * 8 + 2);
}
