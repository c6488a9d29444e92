/*
 * CR0, CR4, MSW. Source: SDM vol. 3 "Control Registers"; vol. 2 "MOV-Move to/from Control Registers", "LMSW", "SMSW",
 * "CLTS". Privilege: protection/privilege.c. Paging bits: the paging image. Debug registers: the debug image.
 */
#include "modes.h"

static void cr0(void)
{
    static const struct {
        const char *what;
        uint32_t value;
        bool fault;
    } rows[] = {
        {"PG without PE", CR0_PG | CR0_NE, true},
        {"NW without CD", CR0_PE | CR0_NE | CR0_NW, true},
        {"NW and CD", CR0_PE | CR0_NE | CR0_NW | CR0_CD, false},
        {"CD", CR0_PE | CR0_NE | CR0_CD, false},
        {"AM and WP", CR0_PE | CR0_NE | CR0_AM | CR0_WP, false},
        {"MP, EM, TS", CR0_PE | CR0_NE | CR0_MP | CR0_EM | CR0_TS, false},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        begin("MOV to CR0 of %s %s", rows[i].what, rows[i].fault ? "raises #GP(0)" : "is kept");
        if (i == 0)
            skip_on(QEMU, "PG without PE is accepted; SDM \"MOV-Move to/from Control Registers\"");
        else if (i == 1)
            differs(QEMU, "NW without CD is accepted; SDM \"MOV-Move to/from Control Registers\"");
        in.eax = rows[i].value | CR0_ET;
        run(CODE("mov cr0, eax; mov ebx, cr0"));
        if (rows[i].fault) {
            want_fault(GP, 0);
            want(out.cr0, CR0_PE | CR0_NE | CR0_ET);
        } else {
            want_done();
            want(out.r.ebx, in.eax);
        }
    }
    begin("reserved bits of CR0 stay clear and ET stays set");
    differs(QEMU, "reserved bits are kept; SDM vol. 3 \"Control Registers\"");
    in.eax = (CR0_PE | CR0_NE | 0x1ffaffc0) & ~CR0_ET;
    run(CODE("mov cr0, eax; mov ebx, cr0"));
    want_done();
    want(out.r.ebx, CR0_PE | CR0_NE | CR0_ET);
    static const uint8_t reserved[] = {15, 19, 24, 25, 26, 27, 28, 29, 30, 31};
    for (unsigned i = 0; i < sizeof reserved; i++) {
        begin("MOV to CR4 of reserved bit %u raises #GP(0)", reserved[i]);
        skip_on(QEMU, "TCG spins; SDM \"MOV-Move to/from Control Registers\"");
        in.eax = 1u << reserved[i];
        run(CODE("mov cr4, eax"));
        want_fault(GP, 0);
        want(out.cr4, 0);
    }
    begin("MOV to CR4 keeps DE, PSE, TSD, PGE");
    in.eax = CR4_DE | CR4_PSE | CR4_TSD | CR4_PGE;
    run(CODE("mov cr4, eax; mov ebx, cr4"));
    want_done();
    want(out.r.ebx, in.eax);
    begin("CR2 keeps any value");
    in.eax = 0xdeadbeef;
    run(CODE("mov cr2, eax; mov ebx, cr2"));
    want_done();
    want(out.r.ebx, in.eax);
    begin("CR3 keeps PWT, PCD and the base");
    in.eax = 0x12345018;
    run(CODE("mov cr3, eax; mov ebx, cr3"));
    want_done();
    want(out.r.ebx, in.eax);
    begin("MOV CRn ignores the mod field and the operand size");
    in.ebx = 0x11111111;
    run(CODE(".byte 0x66, 0x0f, 0x20, 0x03; nop")); /* mod 0, rm 3: EBX */
    want_done();
    want(out.r.ebx, CR0_PE | CR0_NE | CR0_ET);
    begin("LOCK MOV from CR0 raises #UD");
    differs(QEMU, "LOCK MOV is carried out; SDM \"LOCK\"");
    run(CODE(".byte 0xf0, 0x0f, 0x20, 0xc0; nop"));
    want_fault(UD, 0);
}

static void msw(void)
{
    for (unsigned old = 0; old < 16; old += 2) {
        begin("LMSW over MSW bits %x", old | 1);
        for (unsigned value = 0; value < 16; value++) {
            note("%x", value);
            in_cr0 = CR0_PE | CR0_NE | CR0_WP | old;
            in.eax = 0xfffffff0 | value;
            run(CODE("lmsw ax; mov ebx, cr0"));
            want_done();
            want(out.r.ebx,
                 CR0_PE | CR0_NE | CR0_WP | CR0_ET | value); /* PE cannot be cleared, NE and ET not be changed */
        }
    }
    begin("LMSW from memory reads a word");
    data16[0] = 0x000e | 1;
    in.fs = slot(0, descriptor(DATA_AREA, 1, AR_DATA));
    run(CODE("lmsw fs:[0]"));
    want_done();
    want(out.cr0 & 0x0f, 0x0f);
    begin("SMSW to memory writes a word");
    data32[0] = 0xffffffff;
    run(CODE("smsw ds:[0x70000]"));
    want_done();
    want(data32[0], 0xffff0000 | CR0_PE | CR0_NE | CR0_ET);
    begin("SMSW to a 16-bit register keeps the upper half");
    run(CODE("smsw ax"));
    want_done();
    want(out.r.eax, (in.eax & 0xffff0000) | CR0_PE | CR0_NE | CR0_ET);
    begin("SMSW to a 32-bit register gives all of CR0's lower half");
    in_cr0 |= CR0_WP;
    run(CODE("smsw eax"));
    want_done();
    want(out.r.eax & 0xffff, CR0_PE | CR0_NE | CR0_ET);
    begin("CLTS clears TS alone");
    in_cr0 |= CR0_TS | CR0_MP | CR0_WP;
    run(CODE("clts; mov ebx, cr0"));
    want_done();
    want(out.r.ebx, CR0_PE | CR0_NE | CR0_MP | CR0_WP | CR0_ET);
    for (unsigned bits = 0; bits < 8; bits++) {
        uint32_t cr = (bits & 1 ? CR0_MP : 0) | (bits & 2 ? CR0_EM : 0) | (bits & 4 ? CR0_TS : 0);
        begin("FNOP and WAIT with MP %u EM %u TS %u", bits & 1, bits >> 1 & 1, bits >> 2);
        in_cr0 |= cr;
        run(CODE("fnop"));
        if (cr & (CR0_EM | CR0_TS))
            want_fault(NM, 0);
        else
            want_done();
        run(CODE("fwait"));
        if ((cr & (CR0_MP | CR0_TS)) == (CR0_MP | CR0_TS))
            want_fault(NM, 0);
        else
            want_done();
    }
}

void control_registers(void)
{
    cr0();
    msw();
}
