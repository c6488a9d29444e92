/*
 * Who may change which flag: POPF, PUSHF, IRET by CPL and IOPL.
 * Source: SDM vol. 2 "PUSHF/PUSHFD", "POPF/POPFD", "IRET/IRETD"; vol. 1 "EFLAGS Register".
 */
#include "gates.h"

#define ARITHMETIC 0x8d5u
/* All that may be set by a program; TF has cases of its own. */
#define ALL (ARITHMETIC | IF | DFLAG | IOPL(3) | NT | ACF | ID)

/* What remains of `old` where `popped` is loaded. */
static uint32_t after_load(uint32_t old, uint32_t popped, unsigned cpl, bool wide)
{
    unsigned iopl = old >> 12 & 3;
    uint32_t mask = ARITHMETIC | DFLAG | NT | TF;
    if (cpl == 0)
        mask |= IOPL(3);
    if (cpl <= iopl)
        mask |= IF;
    if (wide)
        mask |= ACF | ID;
    return (old & ~mask) | (popped & mask);
}

static void popf(void)
{
    for (unsigned cpl = 0; cpl < 4; cpl++) {
        for (unsigned iopl = 0; iopl < 4; iopl++) {
            for (unsigned wide = 0; wide < 2; wide++) {
                begin("%s at CPL %u with IOPL %u", wide ? "POPFD" : "POPF", cpl, iopl);
                const uint32_t olds[] = {EF_FIXED | IOPL(iopl), EF_FIXED | (ALL & ~IOPL(3)) | IOPL(iopl)};
                const uint32_t values[] = {ALL, 0, 0xffffffff & ~TF & ~VM, IF, IOPL(3), NT, ACF | ID, ARITHMETIC};
                for (unsigned i = 0; i < 2; i++) {
                    for (unsigned j = 0; j < sizeof values / 4; j++) {
                        note("%x over %x", values[j], olds[i]);
                        ring(cpl);
                        in.eflags = olds[i];
                        in.eax = values[j];
                        run(wide ? CODE("push eax; popfd") : CODE("push ax; popfw"));
                        want_done();
                        /* VIF and VIP: the editions of the manual disagree. */
                        want_masked("eflags", out.r.eflags, after_load(olds[i], values[j], cpl, wide),
                                    ~(RF | VIF | VIP));
                    }
                }
            }
        }
    }
    begin("POPFD of TF traps after the next instruction");
    in.eax = EF_FIXED | TF;
    run(CODE("push eax; popfd; nop;" HERE "nop"));
    want_vector(DB);
    want(out.dr6 & 0x4000, 0x4000);
    begin("POPFD ignores VM");
    in.eax = EF_FIXED | VM;
    run(CODE("push eax; popfd"));
    want_done();
    want(out.r.eflags & VM, 0);
    begin("POPFD sets no reserved bit");
    in.eax = 0xffffffff & ~(TF | VM);
    run(CODE("push eax; popfd"));
    want_done();
    want(out.r.eflags & 0xffc0802a, EF_FIXED);
    begin("PUSHFD pushes RF and VM as zero");
    in.eflags = EF_FIXED | RF | ALL;
    run(CODE("pushfd; pop eax"));
    want_done();
    want(out.r.eax, EF_FIXED | ALL);
    begin("PUSHF pushes a word");
    in.eflags = EF_FIXED | ALL;
    run(CODE("pushfw; xor eax, eax; pop ax; mov ebx, esp"));
    want_done();
    want(out.r.eax, (EF_FIXED | ALL) & 0xffff);
    want(out.r.ebx, in.esp);
    for (unsigned cpl = 0; cpl < 4; cpl++) {
        begin("PUSHFD at CPL %u needs no IOPL", cpl);
        ring(cpl);
        run(CODE("pushfd; pop eax"));
        want_done();
        want(out.r.eax, EF_FIXED);
    }
    static const uint32_t single[] = {CF, 4, 0x10, ZF, 0x80, IF, DFLAG, 0x800, NT, ACF, ID};
    for (unsigned i = 0; i < sizeof single / 4; i++) {
        begin("flag bit %x can be set and cleared at CPL 0", single[i]);
        in.eax = single[i];
        run(CODE("push eax; popfd; pushfd; pop ebx; push 0; popfd; pushfd; pop ecx"));
        want_done();
        want(out.r.ebx, EF_FIXED | single[i]);
        want(out.r.ecx, EF_FIXED);
    }
}

static void iret(void)
{
    for (unsigned cpl = 0; cpl < 4; cpl++) {
        for (unsigned iopl = 0; iopl < 4; iopl++) {
            for (unsigned form = 0; form < 4; form++) { /* bit 0: 32-bit operand, bit 1: to CPL 3 */
                bool wide = form & 1, outer = form & 2;
                if (outer && cpl == 3)
                    continue;
                begin("%s at CPL %u with IOPL %u to %s", wide ? "IRETD" : "IRET", cpl, iopl,
                      outer ? "CPL 3" : "the same ring");
                const uint32_t olds[] = {EF_FIXED | IOPL(iopl), EF_FIXED | (ALL & ~IOPL(3) & ~NT) | IOPL(iopl)};
                const uint32_t values[] = {ALL,      0,         0xffffffff & ~(TF | VM | VIF | VIP), IF, IOPL(3), NT,
                                           ACF | ID, ARITHMETIC};
                for (unsigned i = 0; i < 2; i++) {
                    for (unsigned j = 0; j < sizeof values / 4; j++) {
                        note("%x over %x", values[j], olds[i]);
                        ring(cpl);
                        unsigned to = outer ? 3 : cpl;
                        slot(0, descriptor(SNIPPET_BASE, 0xffff, AR_CODE | AR_32 | AR_DPL(to)));
                        in.eflags = olds[i];
                        in.eax = values[j];
                        in.ebx = SLOT(0) | to;
                        in.ecx = DATA32(to);
                        if (wide)
                            run(CODE(
                                "push ecx; push 0x9000; push eax; push ebx; push offset 1f - 0x10000; iretd; 1: "));
                        else
                            run(CODE("mov edx, offset 1f; push cx; pushw 0x9000; push ax; push bx; push dx; .byte "
                                     "0x66; iretd; 1: "));
                        want_done();
                        want_masked("eflags", out.r.eflags, after_load(olds[i], values[j], cpl, wide),
                                    ~(RF | VIF | VIP));
                    }
                }
            }
        }
    }
    begin("IRETD at CPL 0 loads RF: the next instruction does not see an instruction breakpoint");
    const struct code *code = CODE("pushfd; or dword ptr [esp], 0x10000; push cs; push offset 1f; iretd; 1: nop; nop");
    in_dr[0] = code->end - 2;
    in_dr[7] = 0x402;
    run(code);
    want_done();
    begin("IRETD of TF traps after the next instruction");
    run(CODE("pushfd; or dword ptr [esp], 0x100; push cs; push offset 1f; iretd; 1: nop;" HERE "nop"));
    want_vector(DB);
    for (unsigned cpl = 1; cpl < 4; cpl++) {
        begin("IRETD at CPL %u ignores VM", cpl);
        differs(QEMU, "IRET enters virtual-8086 mode at any CPL; SDM \"IRET\"");
        ring(cpl);
        run(CODE("pushfd; or dword ptr [esp], 0x20000; push cs; push offset 1f; iretd; 1: nop"));
        want_done();
        want(out.r.eflags & VM, 0);
    }
    for (unsigned value = 0; value < 4; value++) {
        begin("IRETD at CPL 0 loads VIF %u and VIP %u", value & 1, value >> 1);
        differs(QEMU, "VIF and VIP are not loaded by IRET; SDM \"IRET\"");
        in.eax = (value & 1 ? VIF : 0) | (value & 2 ? VIP : 0) | EF_FIXED;
        run(CODE("push eax; push cs; push offset 1f; iretd; 1: nop"));
        want_done();
        want(out.r.eflags & (VIF | VIP), in.eax & (VIF | VIP));
    }
}

void flag_masks(void)
{
    popf();
    iret();
    begin("SAHF and LAHF move S Z A P C");
    in.eax = 0xff00;
    run(CODE("sahf; mov eax, 0; lahf"));
    want_done();
    want(out.r.eax, 0xd700);
    want_masked("eflags", out.r.eflags, 0xd7, 0xff);
}
