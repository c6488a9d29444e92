/*
 * Privileged and IOPL-sensitive instructions, the I/O permission map.
 * Source: SDM vol. 3 "Privileged Instructions", vol. 1 "I/O Privilege Level", "I/O Permission Bit Map"; vol. 2 entries.
 */
#include "protection.h"

/* ---- instructions that need CPL 0 ---- */

enum when { ANY, CPL0, CPL0_NO_V86, ANY_NO_V86 }; /* where it may run; _NO_V86: #UD in virtual-8086 mode */

static const char *const instruction_name[] = {
    "HLT",          "CLTS",         "INVLPG",       "WBINVD",      "LMSW",        "LGDT",         "LIDT",
    "MOV from CR0", "MOV from CR2", "MOV from CR3", "MOV from CR4", "MOV to CR0", "MOV to CR2",   "MOV to CR3",
    "MOV to CR4",   "MOV from DR0", "MOV from DR7", "MOV to DR0",  "MOV to DR7",  "RDMSR",        "WRMSR",
    "LLDT",         "LTR",          "SMSW",         "SGDT",        "SIDT",        "SLDT",         "STR",
    "RDTSC",        "CPUID",        "INVD",
};
#define N_INSTRUCTIONS (sizeof instruction_name / sizeof instruction_name[0])

/* Each works at CPL 0 without doing harm. esi: readable memory with GDTR, then IDTR. */
#define INSTRUCTIONS(bits)                                                                                             \
    switch (i) {                                                                                                       \
    case 0: return CODE_BITS(bits, "hlt; nop");                                                                        \
    case 1: return CODE_BITS(bits, "clts; nop");                                                                       \
    case 2: return CODE_BITS(bits, "invlpg [ebx]; nop");                                                               \
    case 3: return CODE_BITS(bits, "wbinvd; nop");                                                                     \
    case 4: return CODE_BITS(bits, "lmsw ax; nop");                                                                    \
    case 5: return CODE_BITS(bits, ".byte 0x0f, 1, 0x15; nop");                                                        \
    case 6: return CODE_BITS(bits, ".byte 0x0f, 1, 0x1d; nop");                                                        \
    case 7: return CODE_BITS(bits, "mov ecx, cr0; nop");                                                               \
    case 8: return CODE_BITS(bits, "mov ecx, cr2; nop");                                                               \
    case 9: return CODE_BITS(bits, "mov ecx, cr3; nop");                                                               \
    case 10: return CODE_BITS(bits, "mov ecx, cr4; nop");                                                              \
    case 11: return CODE_BITS(bits, "mov cr0, eax; nop");                                                              \
    case 12: return CODE_BITS(bits, "mov cr2, eax; nop");                                                              \
    case 13: return CODE_BITS(bits, "mov cr3, edx; nop");                                                              \
    case 14: return CODE_BITS(bits, "mov cr4, edx; nop");                                                              \
    case 15: return CODE_BITS(bits, "mov ecx, dr0; nop");                                                              \
    case 16: return CODE_BITS(bits, "mov ecx, dr7; nop");                                                              \
    case 17: return CODE_BITS(bits, "mov dr0, eax; nop");                                                              \
    case 18: return CODE_BITS(bits, "mov dr7, edx; nop");                                                              \
    case 19: return CODE_BITS(bits, "rdmsr; nop");                                                                     \
    case 20: return CODE_BITS(bits, "wrmsr; nop");                                                                     \
    case 21: return CODE_BITS(bits, "lldt dx; nop");                                                                   \
    case 22: return CODE_BITS(bits, "ltr di; nop");                                                                    \
    case 23: return CODE_BITS(bits, "smsw ecx; nop");                                                                  \
    case 24: return CODE_BITS(bits, "sgdt [ebx]; nop");                                                                \
    case 25: return CODE_BITS(bits, "sidt [ebx]; nop");                                                                \
    case 26: return CODE_BITS(bits, "sldt ecx; nop");                                                                  \
    case 27: return CODE_BITS(bits, "str ecx; nop");                                                                   \
    case 28: return CODE_BITS(bits, "rdtsc; nop");                                                                     \
    case 29: return CODE_BITS(bits, "cpuid; nop");                                                                     \
    default: return CODE_BITS(bits, "invd; nop");                                                                      \
    }

static const struct code *instruction32(unsigned i)
{
    switch (i) { /* a memory operand at a 32-bit displacement */
    case 5: return CODE("lgdt [0x70000]; nop");
    case 6: return CODE("lidt [0x70008]; nop");
    }
    INSTRUCTIONS("32")
}

static const struct code *instruction16(unsigned i)
{
    switch (i) {
    case 5: return CODE16(".byte 0x66; lgdt [0]; nop");
    case 6: return CODE16(".byte 0x66; lidt [8]; nop");
    }
    INSTRUCTIONS("16")
}

static enum when instruction_class(unsigned i)
{
    switch (i) {
    case 21: case 22: return CPL0_NO_V86;
    case 26: case 27: return ANY_NO_V86;
    case 23: case 24: case 25: case 28: case 29: return ANY;
    default: return CPL0;
    }
}

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
    for (unsigned i = 0; i < N_INSTRUCTIONS; i++) {
        enum when when = instruction_class(i);
        for (unsigned cpl = 0; cpl < 4; cpl++) {
            if (!cpl && i == 0)
                continue; /* HLT would stay */
            bool allowed = !cpl || when == ANY || when == ANY_NO_V86;
            begin("%s at CPL %u %s", instruction_name[i], cpl, allowed ? "is allowed" : "raises #GP(0)");
            ring(cpl);
            operands();
            in.ebx = DATA_AREA + 0x100;
            in.eflags |= IOPL(3); /* has no say here */
            run(instruction32(i));
            if (allowed)
                want_done();
            else
                want_fault(GP, 0);
        }
        for (unsigned iopl = 0; iopl < 4; iopl += 3) {
            begin("%s in virtual-8086 mode with IOPL %u", instruction_name[i], iopl);
            v86(iopl);
            operands();
            run(instruction16(i));
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
                begin("%s at CPL %u with IOPL %u %s", set ? "STI" : "CLI", cpl, iopl, allowed ? "works" : "raises #GP(0)");
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

static const struct code *port_code(unsigned i, bool wide)
{
    if (wide) {
        switch (i) {
        case 0: return CODE("in al, dx");
        case 1: return CODE("in ax, dx");
        case 2: return CODE("in eax, dx");
        case 3: return CODE("out dx, al");
        case 4: return CODE("out dx, ax");
        case 5: return CODE("out dx, eax");
        case 6: return CODE("insb");
        case 7: return CODE("insw");
        case 8: return CODE("insd");
        case 9: return CODE("outsb");
        case 10: return CODE("outsw");
        case 11: return CODE("outsd");
        case 12: return CODE("rep insb");
        case 13: return CODE("in al, 0xf0");
        case 14: return CODE("in ax, 0xf0");
        case 15: return CODE("out 0xf0, al");
        default: return CODE("out 0xf0, eax");
        }
    }
    switch (i) {
    case 0: return CODE16("in al, dx");
    case 1: return CODE16("in ax, dx");
    case 2: return CODE16("in eax, dx");
    case 3: return CODE16("out dx, al");
    case 4: return CODE16("out dx, ax");
    case 5: return CODE16("out dx, eax");
    case 6: return CODE16("insb");
    case 7: return CODE16("insw");
    case 8: return CODE16("insd");
    case 9: return CODE16("outsb");
    case 10: return CODE16("outsw");
    case 11: return CODE16("outsd");
    case 12: return CODE16("rep insb");
    case 13: return CODE16("in al, 0xf0");
    case 14: return CODE16("in ax, 0xf0");
    case 15: return CODE16("out 0xf0, al");
    default: return CODE16("out 0xf0, eax");
    }
}
static const char *const port_name[] = {"IN AL,DX",  "IN AX,DX", "IN EAX,DX", "OUT DX,AL", "OUT DX,AX", "OUT DX,EAX",
                                        "INSB",      "INSW",     "INSD",      "OUTSB",     "OUTSW",     "OUTSD",
                                        "REP INSB",  "IN AL,F0", "IN AX,F0",  "OUT F0,AL", "OUT F0,EAX"};
static const uint8_t port_width[] = {1, 2, 4, 1, 2, 4, 1, 2, 4, 1, 2, 4, 1, 1, 2, 1, 4};
#define N_PORT_FORMS (sizeof port_width)

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
    for (unsigned i = 0; i < N_PORT_FORMS; i++) {
        unsigned width = port_width[i];
        for (unsigned cpl = 0; cpl < 4; cpl++) {
            begin("%s at CPL %u without a map obeys IOPL", port_name[i], cpl);
            for (unsigned iopl = 0; iopl < 4; iopl++) {
                note("IOPL %u", iopl);
                ring(cpl);
                in.eflags = EF_FIXED | IOPL(iopl);
                port_operands(0x2f0);
                run(port_code(i, true));
                if (cpl <= iopl)
                    want_done();
                else
                    want_fault(GP, 0);
            }
        }
        begin("%s at CPL 3 with IOPL 2 obeys the map's bits", port_name[i]);
        for (unsigned port = i >= 13 ? 0xf0 : 0x2f0; port < (i >= 13 ? 0xf1u : 0x2f8u); port++) {
            for (int bit = (int)port - 1; bit < (int)port + 6; bit++) {
                note("port %x, bit %x", port, (unsigned)bit);
                ring(3);
                in.eflags = EF_FIXED | IOPL(2);
                port_operands(port);
                set_map(MAP_BASE, MAP_BASE + 0x100);
                memset(tss.rest, 0, 0x101);
                deny_port((unsigned)bit);
                run(port_code(i, true));
                if (bit >= (int)port && bit < (int)(port + width))
                    want_fault(GP, 0);
                else
                    want_done();
            }
        }
        begin("%s at CPL 1 with IOPL 1 ignores the map", port_name[i]);
        ring(1);
        in.eflags |= IOPL(1);
        port_operands(0xf0);
        set_map(MAP_BASE, MAP_BASE + 0x100);
        memset(tss.rest, 0xff, 0x101);
        run(port_code(i, true));
        want_done();
        for (unsigned iopl = 0; iopl < 4; iopl += 3) {
            for (unsigned deny = 0; deny < 2; deny++) {
                begin("%s in virtual-8086 mode with IOPL %u and a map that %s", port_name[i], iopl,
                      deny ? "denies it" : "allows it");
                v86(iopl);
                port_operands(0xf0);
                set_map(MAP_BASE, MAP_BASE + 0x100);
                if (deny)
                    deny_port(0xf0 + width - 1);
                run(port_code(i, false));
                if (deny)
                    want_fault(GP, 0);
                else
                    want_done();
            }
        }
        begin("%s at CPL 3 under a 16-bit TSS raises #GP(0)", port_name[i]);
        ring(3);
        port_operands(0xf0);
        /* What would be the map's base in a 32-bit TSS leads to zeros. */
        gdt[SEG_TSS / 8] = descriptor((uint32_t)&tss16, 0xffff, AR_TSS16);
        tss16.ss0 = DATA32(0);
        tss16.sp0 = 0; /* a flat stack segment and a 16-bit pointer: see below */
        gdt[SLOT(0) / 8] = descriptor(RING0_TOP - 0x8000, 0xffff, AR_DATA);
        tss16.ss0 = SLOT(0);
        tss16.sp0 = 0x8000;
        run(port_code(i, true));
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
                run(port_code(width, true));
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
