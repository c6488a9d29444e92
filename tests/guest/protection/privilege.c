/*
 * Privileged and IOPL-sensitive instructions, the I/O permission map.
 * Source: SDM vol. 3 "Privileged Instructions", vol. 1 "I/O Privilege Level", "I/O Permission Bit Map"; vol. 2 entries.
 */
#include "protection.h"

/* ---- instructions that need CPL 0 ---- */

enum when { ANY, CPL0, CPL0_NO_V86, ANY_NO_V86 }; /* where it may run; _NO_V86: #UD in virtual-8086 mode */

/* Each works at CPL 0 without doing harm. ebx: memory to write to, DATA_AREA: GDTR, then IDTR. */
#define INSTRUCTION(name, when, text)                                                                                  \
    {                                                                                                                  \
        name, when, CODE(text "; nop"), CODE16(text "; nop")                                                           \
    }
/* Memory operands differ. */
#define INSTRUCTION2(name, when, text, text16)                                                                         \
    {                                                                                                                  \
        name, when, CODE(text "; nop"), CODE16(text16 "; nop")                                                         \
    }

struct instruction {
    const char *name;
    enum when when;
    const struct code *code, *code16;
};

static void operands(void)
{
    in.eax = CR0_PE | CR0_NE | CR0_ET;
    in.ebx = 0x100;
    in.ecx = 0x174; /* IA32_SYSENTER_CS */
    in.edx = 0;
    in.edi = SEG_TSS2;
    memcpy((void *)DATA_AREA, &gdtr.limit, 6);
    memcpy((void *)(DATA_AREA + 8), &idtr.limit, 6);
}

static void privileged(void)
{
    const struct instruction rows[] = {
        INSTRUCTION("HLT", CPL0, "hlt"),
        INSTRUCTION("CLTS", CPL0, "clts"),
        INSTRUCTION("INVLPG", CPL0, "invlpg [ebx]"),
        INSTRUCTION("WBINVD", CPL0, "wbinvd"),
        INSTRUCTION("INVD", CPL0, "invd"),
        INSTRUCTION("LMSW", CPL0, "lmsw ax"),
        INSTRUCTION2("LGDT", CPL0, "lgdt [0x70000]", ".byte 0x66; lgdt [0]"),
        INSTRUCTION2("LIDT", CPL0, "lidt [0x70008]", ".byte 0x66; lidt [8]"),
        INSTRUCTION("MOV from CR0", CPL0, "mov ecx, cr0"),
        INSTRUCTION("MOV from CR2", CPL0, "mov ecx, cr2"),
        INSTRUCTION("MOV from CR3", CPL0, "mov ecx, cr3"),
        INSTRUCTION("MOV from CR4", CPL0, "mov ecx, cr4"),
        INSTRUCTION("MOV to CR0", CPL0, "mov cr0, eax"),
        INSTRUCTION("MOV to CR2", CPL0, "mov cr2, eax"),
        INSTRUCTION("MOV to CR3", CPL0, "mov cr3, edx"),
        INSTRUCTION("MOV to CR4", CPL0, "mov cr4, edx"),
        INSTRUCTION("MOV from DR0", CPL0, "mov ecx, dr0"),
        INSTRUCTION("MOV from DR7", CPL0, "mov ecx, dr7"),
        INSTRUCTION("MOV to DR0", CPL0, "mov dr0, eax"),
        INSTRUCTION("MOV to DR7", CPL0, "mov dr7, edx"),
        INSTRUCTION("RDMSR", CPL0, "rdmsr"),
        INSTRUCTION("WRMSR", CPL0, "wrmsr"),
        INSTRUCTION("LLDT", CPL0_NO_V86, "lldt dx"),
        INSTRUCTION("LTR", CPL0_NO_V86, "ltr di"),
        INSTRUCTION("SMSW", ANY, "smsw ecx"),
        INSTRUCTION("SGDT", ANY, "sgdt [ebx]"),
        INSTRUCTION("SIDT", ANY, "sidt [ebx]"),
        INSTRUCTION("SLDT", ANY_NO_V86, "sldt ecx"),
        INSTRUCTION("STR", ANY_NO_V86, "str ecx"),
        INSTRUCTION("RDTSC", ANY, "rdtsc"),
        INSTRUCTION("CPUID", ANY, "cpuid"),
    };
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        enum when when = rows[i].when;
        for (unsigned cpl = 0; cpl < 4; cpl++) {
            if (!cpl && i == 0)
                continue; /* HLT would stay */
            bool allowed = !cpl || when == ANY || when == ANY_NO_V86;
            begin("%s at CPL %u %s", rows[i].name, cpl, allowed ? "is allowed" : "raises #GP(0)");
            ring(cpl);
            operands();
            in.ebx = DATA_AREA + 0x100;
            in.eflags |= IOPL(3); /* has no say here */
            run(rows[i].code);
            if (allowed)
                want_done();
            else
                want_fault(GP, 0);
        }
        for (unsigned iopl = 0; iopl < 4; iopl += 3) {
            begin("%s in virtual-8086 mode with IOPL %u", rows[i].name, iopl);
            v86(iopl);
            operands();
            run(rows[i].code16);
            if (when == CPL0)
                want_fault(GP, 0);
            else if (when == ANY)
                want_done();
            else
                want_fault(UD, 0);
        }
    }
    begin("RDTSC at CPL 3 with CR4.TSD raises #GP(0)");
    ring(3);
    in_cr4 = CR4_TSD;
    run(CODE("rdtsc"));
    want_fault(GP, 0);
    begin("RDTSC in virtual-8086 mode with CR4.TSD raises #GP(0)");
    v86(3);
    in_cr4 = CR4_TSD;
    run(CODE16("rdtsc"));
    want_fault(GP, 0);
    begin("RDTSC at CPL 0 with CR4.TSD is allowed");
    in_cr4 = CR4_TSD;
    run(CODE("rdtsc"));
    want_done();
    begin("a privileged instruction with a LOCK prefix raises #UD at CPL 3");
    differs(QEMU, "checks CPL before the prefix; SDM \"LOCK\"");
    ring(3);
    run(CODE(".byte 0xf0; hlt"));
    want_fault(UD, 0);
    begin("MOV from CR1 raises #UD at CPL 0");
    run(CODE(".byte 0x0f, 0x20, 0xc8; nop"));
    want_fault(UD, 0);
    begin("MOV to CR5 raises #UD at CPL 0");
    run(CODE(".byte 0x0f, 0x22, 0xe8; nop"));
    want_fault(UD, 0);
    begin("RDMSR of an unknown register raises #GP(0)");
    differs(QEMU, "unknown MSRs read as 0; SDM \"RDMSR\"");
    differs(BOCHS, "raises #UD; SDM \"RDMSR\"");
    in.ecx = 0x12345678;
    run(CODE("rdmsr"));
    want_fault(GP, 0);
    begin("WRMSR to an unknown register raises #GP(0)");
    differs(QEMU, "writes to unknown MSRs are ignored; SDM \"WRMSR\"");
    differs(BOCHS, "raises #UD; SDM \"WRMSR\"");
    in.ecx = 0x12345678;
    run(CODE("wrmsr"));
    want_fault(GP, 0);
}

/* ---- CLI, STI ---- */

static void interrupt_flag(void)
{
    for (unsigned cpl = 0; cpl < 4; cpl++) {
        for (unsigned iopl = 0; iopl < 4; iopl++) {
            for (unsigned set = 0; set < 2; set++) {
                bool allowed = cpl <= iopl;
                begin("%s at CPL %u with IOPL %u %s", set ? "STI" : "CLI", cpl, iopl,
                      allowed ? "works" : "raises #GP(0)");
                ring(cpl);
                in.eflags |= IOPL(iopl) | (set ? 0 : IF);
                run(set ? CODE("sti; nop") : CODE("cli; nop"));
                if (allowed) {
                    want_done();
                    want(out.r.eflags & IF, set ? IF : 0);
                } else {
                    want_fault(GP, 0);
                }
            }
        }
    }
    for (unsigned iopl = 0; iopl < 4; iopl++) {
        for (unsigned set = 0; set < 2; set++) {
            begin("%s in virtual-8086 mode with IOPL %u %s", set ? "STI" : "CLI", iopl,
                  iopl == 3 ? "works" : "raises #GP(0)");
            v86(iopl);
            in.eflags |= set ? 0 : IF;
            run(set ? CODE16("sti; nop") : CODE16("cli; nop"));
            if (iopl == 3) {
                want_done();
                want(out.r.eflags & IF, set ? IF : 0);
            } else {
                want_fault(GP, 0);
            }
        }
    }
}

/* ---- ports ---- */

struct port_form {
    const char *name;
    unsigned width;
    int port; /* -1: in DX */
    const struct code *code, *code16;
};
#define PORT_FORM(name, width, port, text)                                                                             \
    {                                                                                                                  \
        name, width, port, CODE(text), CODE16(text)                                                                    \
    }

#define MAP_BASE 0x68
static void port_operands(unsigned port)
{
    in.edx = port;
    in.eax = 0;
    in.ecx = 1;
    in.esi = in.edi = in.eflags & VM ? 0x10 : DATA_AREA + 0x10;
}

/* The I/O map lies at MAP_BASE, with `limit` the TSS's; bits are set where asked. */
static void set_map(uint32_t base, uint32_t limit)
{
    tss.io_map = (uint16_t)base;
    gdt[SEG_TSS / 8] = descriptor((uint32_t)&tss, limit, AR_TSS32);
}
static void deny_port(unsigned port)
{
    tss.rest[port / 8] |= 1u << (port % 8);
}

static void ports(void)
{
    const struct port_form forms[] = {
        PORT_FORM("IN AL,DX", 1, -1, "in al, dx"),
        PORT_FORM("IN AX,DX", 2, -1, "in ax, dx"),
        PORT_FORM("IN EAX,DX", 4, -1, "in eax, dx"),
        PORT_FORM("OUT DX,AL", 1, -1, "out dx, al"),
        PORT_FORM("OUT DX,AX", 2, -1, "out dx, ax"),
        PORT_FORM("OUT DX,EAX", 4, -1, "out dx, eax"),
        PORT_FORM("INSB", 1, -1, "insb"),
        PORT_FORM("INSW", 2, -1, "insw"),
        PORT_FORM("INSD", 4, -1, "insd"),
        PORT_FORM("OUTSB", 1, -1, "outsb"),
        PORT_FORM("OUTSW", 2, -1, "outsw"),
        PORT_FORM("OUTSD", 4, -1, "outsd"),
        PORT_FORM("REP INSB", 1, -1, "rep insb"),
        PORT_FORM("IN AL,F0", 1, 0xf0, "in al, 0xf0"),
        PORT_FORM("IN AX,F0", 2, 0xf0, "in ax, 0xf0"),
        PORT_FORM("OUT F0,AL", 1, 0xf0, "out 0xf0, al"),
        PORT_FORM("OUT F0,EAX", 4, 0xf0, "out 0xf0, eax"),
    };
    for (unsigned i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        const struct port_form *form = &forms[i];
        unsigned width = form->width;
        for (unsigned cpl = 0; cpl < 4; cpl++) {
            begin("%s at CPL %u without a map obeys IOPL", form->name, cpl);
            for (unsigned iopl = 0; iopl < 4; iopl++) {
                note("IOPL %u", iopl);
                ring(cpl);
                in.eflags = EF_FIXED | IOPL(iopl);
                port_operands(0x2f0);
                run(form->code);
                if (cpl <= iopl)
                    want_done();
                else
                    want_fault(GP, 0);
            }
        }
        begin("%s at CPL 3 with IOPL 2 obeys the map's bits", form->name);
        unsigned first = form->port < 0 ? 0x2f0 : 0xf0, last = form->port < 0 ? 0x2f7 : 0xf0;
        for (unsigned port = first; port <= last; port++) {
            for (int bit = (int)port - 1; bit < (int)port + 6; bit++) {
                note("port %x, bit %x", port, (unsigned)bit);
                ring(3);
                in.eflags = EF_FIXED | IOPL(2);
                port_operands(port);
                set_map(MAP_BASE, MAP_BASE + 0x100);
                memset(tss.rest, 0, 0x101);
                deny_port((unsigned)bit);
                run(form->code);
                if (bit >= (int)port && bit < (int)(port + width))
                    want_fault(GP, 0);
                else
                    want_done();
            }
        }
        begin("%s at CPL 1 with IOPL 1 ignores the map", form->name);
        ring(1);
        in.eflags |= IOPL(1);
        port_operands(0xf0);
        set_map(MAP_BASE, MAP_BASE + 0x100);
        memset(tss.rest, 0xff, 0x101);
        run(form->code);
        want_done();
        for (unsigned iopl = 0; iopl < 4; iopl += 3) {
            for (unsigned deny = 0; deny < 2; deny++) {
                begin("%s in virtual-8086 mode with IOPL %u and a map that %s", form->name, iopl,
                      deny ? "denies it" : "allows it");
                v86(iopl);
                port_operands(0xf0);
                set_map(MAP_BASE, MAP_BASE + 0x100);
                if (deny)
                    deny_port(0xf0 + width - 1);
                run(form->code16);
                if (deny)
                    want_fault(GP, 0);
                else
                    want_done();
            }
        }
        begin("%s at CPL 3 under a 16-bit TSS raises #GP(0)", form->name);
        ring(3);
        port_operands(0xf0);
        /* What would be the map's base in a 32-bit TSS leads to zeros. */
        gdt[SEG_TSS / 8] = descriptor((uint32_t)&tss16, 0xffff, AR_TSS16);
        tss16.ss0 = DATA32(0);
        tss16.sp0 = 0; /* a flat stack segment and a 16-bit pointer: see below */
        gdt[SLOT(0) / 8] = descriptor(RING0_TOP - 0x8000, 0xffff, AR_DATA);
        tss16.ss0 = SLOT(0);
        tss16.sp0 = 0x8000;
        run(form->code);
        want_fault(GP, 0);
    }

    /* The map is read two bytes at a time: the second one must be there. */
    for (unsigned port = 0x200; port < 0x210; port += 5) {
        for (unsigned width = 0; width < 3; width++) {
            begin("an access to port %x, %u bytes wide, at the end of the map", port, 1u << width);
            for (uint32_t limit = MAP_BASE + port / 8 - 1; limit <= MAP_BASE + port / 8 + 2; limit++) {
                note("TSS limit %x", limit);
                ring(3);
                port_operands(port);
                set_map(MAP_BASE, limit);
                run(forms[width].code);
                if (MAP_BASE + port / 8 + 1 <= limit)
                    want_done();
                else
                    want_fault(GP, 0);
            }
        }
    }
    begin("a map base equal to the TSS limit denies all ports");
    ring(3);
    port_operands(0);
    set_map(MAP_BASE, MAP_BASE);
    run(CODE("in al, dx"));
    want_fault(GP, 0);
    begin("a map that covers port FFFF with its last bytes");
    ring(3);
    port_operands(0xffff);
    set_map(MAP_BASE, MAP_BASE + 0x2000);
    run(CODE("in al, dx"));
    want_done();
    begin("a word access at port FFFF looks at the byte after the map");
    ring(3);
    port_operands(0xffff);
    set_map(MAP_BASE, MAP_BASE + 0x2000);
    tss.rest[0x2000] = 0xff;
    run(CODE("in ax, dx"));
    want_fault(GP, 0);
    begin("INS checks the port before the memory operand's segment");
    ring(3);
    in.es = 0;
    port_operands(0xf0);
    run(CODE("insb"));
    want_fault(GP, 0);
    begin("REP INS of count 0 checks the port all the same");
    ring(3);
    port_operands(0xf0);
    in.ecx = 0;
    run(CODE("rep insb"));
    want_fault(GP, 0);
    begin("REP OUTS of count 0 checks the port all the same");
    ring(3);
    port_operands(0xf0);
    in.ecx = 0;
    run(CODE("rep outsb"));
    want_fault(GP, 0);
}

void privilege_checks(void)
{
    privileged();
    interrupt_flag();
    ports();
}
