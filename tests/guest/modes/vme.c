/*
 * Virtual-8086 mode extensions and protected-mode virtual interrupts.
 * Source: SDM vol. 3 "Virtual Interrupts", "Software Interrupt Handling in Virtual-8086 Mode", "Protected-Mode Virtual
 * Interrupts"; vol. 2 CLI, STI, PUSHF, POPF, IRET, INT n.
 */
#include "modes.h"

#define NO_VME "TCG has no virtual-8086 mode extensions, and says so in CPUID"
#define MAP    0x88 /* I/O map; the redirection map is the 32 bytes before it */

/* bit set: the interrupt goes to protected mode */
static void redirection_map(unsigned vector, bool to_protected)
{
    tss.io_map = MAP;
    gdt[SEG_TSS / 8] = descriptor((uint32_t)&tss, MAP + 0x100, AR_TSS32);
    memset(tss.rest, to_protected ? 0 : 0xff, 32);
    tss.rest[vector / 8] ^= 1u << (vector % 8);
}

static void redirect(void)
{
    const struct {
        unsigned vector;
        const struct code *code;
    } rows[] = {{0, CODE16("int 0")},
                {3, CODE16(".byte 0xcd, 3")},
                {0x0f, CODE16("int 0x0f")},
                {0x40, CODE16("int 0x40")},
                {0xff, CODE16("int 0xff")}};
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        unsigned vector = rows[i].vector;
        for (unsigned iopl = 0; iopl < 4; iopl++) {
            for (unsigned bit = 0; bit < 2; bit++) {
                begin("INT %x with VME, IOPL %u and redirection bit %u", vector, iopl, bit);
                skip_on(QEMU, NO_VME);
                const struct code *landing = LANDING16(), *code = rows[i].code;
                for (unsigned virtual = 0; virtual < 2; virtual ++) {
                    note("VIF %u", virtual);
                    v86(iopl);
                    in_cr4 = CR4_VME;
                    in.eflags = (in.eflags & ~(VIF | IF)) | CF | (virtual ? VIF : 0) | (iopl == 3 ? IF : 0);
                    redirection_map(vector, bit);
                    ((volatile uint32_t *)0)[vector] = (uint32_t)SNIPPET_SEGMENT << 16 | LOW(landing->start);
                    run(code);
                    if (bit) {
                        if (iopl < 3)
                            want_fault(GP, 0);
                        else
                            want(out.vector, vector);
                        continue;
                    }
                    want_at(landing->start);
                    want(out.r.eflags & VM, VM);
                    want(out.r.esp & 0xffff, in.esp - 6);
                    const volatile uint16_t *frame = (const uint16_t *)(STACK_BASE + (out.r.esp & 0xffff));
                    want_equal("pushed IP", frame[0], LOW(code->end));
                    want_equal("pushed CS", frame[1], SNIPPET_SEGMENT);
                    uint32_t flags = in.eflags & 0xffff;
                    if (iopl < 3)
                        flags = (flags & ~IF) | IOPL(3) | (virtual ? IF : 0);
                    want_equal("pushed FLAGS", frame[2], flags);
                    uint32_t after = in.eflags & ~(iopl < 3 ? VIF : IF);
                    want_masked("eflags", out.r.eflags, after, ~RF);
                }
            }
        }
    }
    begin("a redirected INT clears TF and pushes it");
    skip_on(QEMU, NO_VME);
    v86(0);
    in_cr4 = CR4_VME;
    redirection_map(0x40, false);
    const struct code *landing = CODE16("nop; nop");
    ((volatile uint32_t *)0)[0x40] = (uint32_t)SNIPPET_SEGMENT << 16 | LOW(landing->start);
    in.eflags |= TF;
    resume_vectors = 0;
    run(CODE16("int 0x40"));
    want_at(landing->end);
    want(*(volatile uint16_t *)(STACK_BASE + STACK_TOP - 2) & TF, TF);
    begin("INT3 and INTO are not redirected");
    skip_on(QEMU, NO_VME);
    v86(0);
    in_cr4 = CR4_VME;
    redirection_map(BP, false);
    run(CODE16("int3"));
    want(out.vector, BP);
    redirection_map(OF, false);
    in.eflags |= 0x800;
    run(CODE16("into"));
    want(out.vector, OF);
    begin("exceptions are not redirected");
    skip_on(QEMU, NO_VME);
    v86(0);
    in_cr4 = CR4_VME;
    redirection_map(UD, false);
    run(CODE16("ud2; nop"));
    want_fault(UD, 0);
    begin("a redirection map beyond the TSS limit raises #GP(0)");
    skip_on(QEMU, NO_VME);
    v86(0);
    in_cr4 = CR4_VME;
    tss.io_map = MAP;
    gdt[SEG_TSS / 8] = descriptor((uint32_t)&tss, 0x67, AR_TSS32);
    run(CODE16("int 0x40"));
    want_fault(GP, 0);
}

static void flags(void)
{
    for (unsigned vif = 0; vif < 2; vif++) {
        for (unsigned vip = 0; vip < 2; vip++) {
            uint32_t old = (vif ? VIF : 0) | (vip ? VIP : 0);
            bool armed = vif && vip;
            if (armed)
                continue; /* entering so raises an interrupt that is none of this */
            begin("CLI with VME and IOPL 0, VIF %u VIP %u clears VIF", vif, vip);
            skip_on(QEMU, NO_VME);
            v86(0);
            in_cr4 = CR4_VME;
            in.eflags |= old | IF;
            run(CODE16("cli"));
            want_done();
            want(out.r.eflags & (VIF | VIP | IF), (old & VIP) | IF);
            begin("STI with VME and IOPL 0, VIF %u VIP %u %s", vif, vip, vip ? "raises #GP(0)" : "sets VIF");
            skip_on(QEMU, NO_VME);
            v86(0);
            in_cr4 = CR4_VME;
            in.eflags |= old;
            run(CODE16("sti; nop"));
            if (vip) {
                want_fault(GP, 0);
            } else {
                want_done();
                want(out.r.eflags & (VIF | VIP | IF), VIF);
            }
            begin("PUSHF with VME and IOPL 0, VIF %u VIP %u pushes VIF as IF and IOPL 3", vif, vip);
            skip_on(QEMU, NO_VME);
            v86(0);
            in_cr4 = CR4_VME;
            in.eflags |= old | IF | CF;
            run(CODE16("pushf; pop ax"));
            want_done();
            want(out.r.eax & 0xffff, EF_FIXED | CF | IOPL(3) | (vif ? IF : 0));
            for (unsigned flag = 0; flag < 2; flag++) {
                for (unsigned iret = 0; iret < 2; iret++) {
                    bool fault = vip && flag;
                    begin("%s of IF %u with VME and IOPL 0, VIF %u VIP %u %s", iret ? "IRET" : "POPF", flag, vif, vip,
                          fault ? "raises #GP(0)" : "loads VIF");
                    skip_on(QEMU, NO_VME);
                    v86(0);
                    in_cr4 = CR4_VME;
                    in.eflags |= old;
                    in.eax = (flag ? IF : 0) | IOPL(3) | CF | NT;
                    run(iret ? CODE16("push ax; push cs; mov edx, offset 1f; push dx;" HERE "iret; 1: ")
                             : CODE16("push ax;" HERE "popf"));
                    if (fault) {
                        want_vector(GP);
                        want(out.error, 0);
                        want(out.r.esp & 0xffff, in.esp - (iret ? 6 : 2));
                    } else {
                        want_done();
                        want_masked("eflags", out.r.eflags, EF_FIXED | CF | NT | VM | (old & VIP) | (flag ? VIF : 0),
                                    ~RF);
                    }
                }
            }
        }
    }
    const struct {
        const char *name;
        const struct code *code;
    } forms[] = {{"PUSHFD", CODE16("pushfd")},
                 {"POPFD", CODE16("popfd")},
                 {"IRETD", CODE16("iretd")},
                 {"POPF of TF", CODE16("push ax;" HERE "popf")},
                 {"IRET of TF", CODE16("push ax; push cs; mov edx, offset 1f; push dx;" HERE "iret; 1: ")}};
    for (unsigned i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        begin("%s with VME and IOPL 0 raises #GP(0)", forms[i].name);
        skip_on(QEMU, NO_VME);
        v86(0);
        in_cr4 = CR4_VME;
        in.eax = TF;
        run(forms[i].code);
        want_vector(GP);
        want(out.error, 0);
    }
    begin("with VME and IOPL 3 CLI and STI change IF");
    skip_on(QEMU, NO_VME);
    v86(3);
    in_cr4 = CR4_VME;
    run(CODE16("sti; nop; pushf; pop ax; cli; pushf; pop bx"));
    want_done();
    want(out.r.eax & IF, IF);
    want(out.r.ebx & IF, 0);
    want(out.r.eflags & VIF, 0);
}

static void protected_mode(void)
{
    for (unsigned cpl = 1; cpl < 4; cpl++) {
        for (unsigned vip = 0; vip < 2; vip++) {
            begin("STI at CPL %u with PVI, IOPL 0, VIP %u", cpl, vip);
            skip_on(QEMU, NO_VME);
            ring(cpl);
            in_cr4 = CR4_PVI;
            in.eflags |= vip ? VIP : 0;
            run(CODE("sti; nop"));
            if (cpl < 3 || vip) {
                want_fault(GP, 0);
            } else {
                want_done();
                want(out.r.eflags & (VIF | IF | VIP), VIF);
            }
            begin("CLI at CPL %u with PVI, IOPL 0, VIP %u", cpl, vip);
            skip_on(QEMU, NO_VME);
            ring(cpl);
            in_cr4 = CR4_PVI;
            in.eflags |= (vip ? VIP : VIF) | IF;
            run(CODE("cli"));
            if (cpl < 3) {
                want_fault(GP, 0);
            } else {
                want_done();
                want(out.r.eflags & (VIF | IF | VIP), IF | (vip ? VIP : 0));
            }
        }
    }
    begin("with PVI and IOPL 3 CLI and STI change IF");
    skip_on(QEMU, NO_VME);
    ring(3);
    in_cr4 = CR4_PVI;
    in.eflags |= IOPL(3);
    run(CODE("sti; nop; pushfd; pop eax; cli; pushfd; pop ebx"));
    want_done();
    want(out.r.eax & (IF | VIF), IF);
    want(out.r.ebx & (IF | VIF), 0);
    begin("PUSHFD and POPFD know nothing of PVI");
    skip_on(QEMU, NO_VME);
    ring(3);
    in_cr4 = CR4_PVI;
    in.eflags |= VIF;
    in.eax = IF;
    run(CODE("pushfd; pop ebx; push eax; popfd; pushfd; pop ecx"));
    want_done();
    want(out.r.ebx & (IF | VIF), VIF);
    want(out.r.ecx & IF, 0);
    begin("VME alone does nothing in protected mode");
    skip_on(QEMU, NO_VME);
    ring(3);
    in_cr4 = CR4_VME;
    run(CODE("cli"));
    want_fault(GP, 0);
    begin("PVI alone does nothing in virtual-8086 mode");
    skip_on(QEMU, NO_VME);
    v86(0);
    in_cr4 = CR4_PVI;
    run(CODE16("cli"));
    want_fault(GP, 0);
}

void virtual_interrupts(void)
{
    redirect();
    flags();
    protected_mode();
}
