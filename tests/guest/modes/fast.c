/* SYSENTER and SYSEXIT. Source: SDM vol. 2, the entries of these names. */
#include "modes.h"

#define MSR_CS  0x174
#define MSR_ESP 0x175
#define MSR_EIP 0x176

static void prepare(uint32_t cs, const struct code *target)
{
    write_msr(MSR_CS, cs);
    write_msr(MSR_ESP, RING0_TOP - 0x100);
    write_msr(MSR_EIP, target->start);
}

void fast_calls(void)
{
    const struct code *landing = LANDING();
    for (unsigned cpl = 0; cpl < 4; cpl++) {
        begin("SYSENTER at CPL %u goes to ring 0", cpl);
        ring(cpl);
        in.eflags |= IF | CF | NT | DFLAG | IOPL(3);
        prepare(CODE32(0), landing);
        run(CODE("sysenter"));
        want_at(landing->start);
        want(out.r.cs, 0x08);
        want(out.r.ss, 0x10);
        want(out.r.esp, RING0_TOP - 0x100);
        want_masked("eflags", out.r.eflags, in.eflags & ~IF, ~RF);
        want(out.r.ds, DATA32(cpl));
        want(out.r.eax, in.eax);
        want(out.r.ecx, in.ecx);
        begin("SYSENTER at CPL %u with a null CS raises #GP(0)", cpl);
        ring(cpl);
        prepare(0, landing);
        run(CODE("sysenter"));
        want_fault(GP, 0);
        begin("SYSEXIT at CPL %u %s", cpl, cpl ? "raises #GP(0)" : "goes to ring 3");
        ring(cpl);
        prepare(CODE32(0), landing);
        in.edx = landing->start;
        in.ecx = 0x87654;
        in.eflags |= CF | IF | NT;
        run(CODE("sysexit"));
        if (cpl) {
            want_fault(GP, 0);
        } else {
            want_at(landing->start);
            want(out.r.cs, 0x1b);
            want(out.r.ss, 0x23);
            want(out.r.esp, 0x87654);
            want_masked("eflags", out.r.eflags, in.eflags, ~RF);
            want(out.r.ds, DATA32(0)); /* not emptied */
        }
    }
    begin("SYSEXIT with a null CS raises #GP(0)");
    prepare(0, landing);
    run(CODE("sysexit"));
    want_fault(GP, 0);
    begin("SYSENTER with a null CS but RPL bits raises #GP(0)");
    differs(QEMU, "only 0 counts as null; SDM \"SYSENTER\"");
    ring(3);
    prepare(3, landing);
    run(CODE("sysenter"));
    want_fault(GP, 0);
    begin("SYSENTER ignores the RPL bits of IA32_SYSENTER_CS");
    ring(3);
    prepare(CODE32(0) | 3, landing);
    run(CODE("sysenter"));
    want_at(landing->start);
    want(out.r.cs, 0x08);
    want(out.r.ss, 0x10);
    begin("SYSENTER reads no descriptor: flat code at CPL 0 whatever the GDT says");
    ring(3);
    slot(0, descriptor(0x1000, 0, AR_DATA_RO | AR_DPL(3)));
    gdt[SLOT(1) / 8] = gdt[DATA32(0) / 8];
    prepare(SLOT(0), landing);
    run(CODE("sysenter"));
    want(out.vector, UD);
    want(out.r.eip, landing->start);
    want(out.r.cs, SLOT(0));
    want(out.r.ss, SLOT(1));
    begin("SYSENTER leaves virtual-8086 mode");
    v86(0);
    in.eflags |= IF;
    prepare(CODE32(0), landing);
    run(CODE16("sysenter"));
    want_at(landing->start);
    want(out.r.cs, 0x08);
    want_masked("eflags", out.r.eflags, 0, VM | IF);
    begin("SYSEXIT in virtual-8086 mode raises #GP(0)");
    v86(3);
    prepare(CODE32(0), landing);
    run(CODE16("sysexit"));
    want_fault(GP, 0);
    begin("SYSENTER and SYSEXIT there and back");
    ring(3);
    prepare(CODE32(0), CODE("inc ebx; sysexit"));
    in.ebx = 5;
    run(CODE("mov ecx, esp; mov edx, offset 1f; sysenter; ud2; 1: mov ebp, cs"));
    want_done();
    want(out.r.ebx, 6);
    want(out.r.ebp, 0x1b);
    want(out.r.esp, in.esp);
}
