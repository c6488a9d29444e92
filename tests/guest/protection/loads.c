/*
 * Loads of segment registers, LDTR and TR: every descriptor type, DPL, RPL, CPL, present bit.
 * Source: SDM vol. 2 "MOV-Move", "POP", "LDS/LES/LFS/LGS/LSS", "LLDT", "LTR"; vol. 3 "Segment Registers".
 */
#include "protection.h"

#define OK 0xffu

static const char *const sreg_name[6] = {"ES", "CS", "SS", "DS", "FS", "GS"};

/* "MOV-Move", protected mode exceptions, in the manual's order. Returns the vector or OK; the error code is the
 * selector. */
static unsigned load_result(bool ss, uint32_t ar, unsigned cpl, unsigned rpl)
{
    bool is_segment = ar & 0x10, code = ar & 8, writable = ar & 2, readable = ar & 2, conforming = ar & 4;
    unsigned dpl = ar >> 5 & 3;
    if (ss) {
        if (rpl != cpl || !is_segment || code || !writable || dpl != cpl)
            return GP;
        return ar & AR_PRESENT ? OK : SS;
    }
    if (!is_segment || (code && !readable))
        return GP;
    if (!(code && conforming) && (rpl > dpl || cpl > dpl))
        return GP;
    return ar & AR_PRESENT ? OK : NP;
}

/* A snippet per register: eax holds the selector. */
enum form { FORM_MOV, FORM_POP, FORM_POINTER, FORM_NO_LDT };
#define FORMS(mov, pop, pointer, no_ldt)                                                                               \
    {                                                                                                                  \
        CODE(mov), CODE("push eax;" HERE pop), CODE("push eax; push 0x12345678;" HERE pointer), CODE(no_ldt HERE mov)  \
    }
#define NO_LDT "xor ecx, ecx; lldt cx;"

static const struct code *load_code(unsigned sreg, enum form form)
{
    const struct code *const forms[6][4] = {[0] = FORMS("mov es, ax", "pop es", "les ebx, [esp]", NO_LDT),
                                            [2] = FORMS("mov ss, ax", "pop ss", "lss ebx, [esp]", NO_LDT),
                                            [3] = FORMS("mov ds, ax", "pop ds", "lds ebx, [esp]", NO_LDT),
                                            [4] = FORMS("mov fs, ax", "pop fs", "lfs ebx, [esp]", NO_LDT),
                                            [5] = FORMS("mov gs, ax", "pop gs", "lgs ebx, [esp]", NO_LDT)};
    return forms[sreg][form];
}

static uint32_t loaded(unsigned sreg)
{
    return (&out.r.es)[sreg]; /* struct registers keeps their order */
}

static void matrix_row(unsigned sreg, unsigned cpl, unsigned type, bool present)
{
    begin("MOV %s at CPL %u of a %s descriptor of type %x, %s", sreg_name[sreg], cpl,
          type & 0x10 ? "segment" : "system", type & 15, present ? "present" : "not present");
    const struct code *code = load_code(sreg, FORM_MOV);
    for (unsigned dpl = 0; dpl < 4; dpl++) {
        for (unsigned rpl = 0; rpl < 4; rpl++) {
            uint32_t ar = type | AR_DPL(dpl) | (present ? AR_PRESENT : 0);
            note("DPL %u RPL %u", dpl, rpl);
            ring(cpl);
            bool down = (type & 0x1c) == 0x14; /* all but the first page, so that the stack stays usable */
            uint64_t entry = descriptor(0, down ? 0 : 0xfffff, ar | AR_32 | AR_G);
            uint32_t selector = slot(0, entry) | rpl;
            in.eax = selector | 0x55550000; /* the upper half is ignored */
            run(code);
            unsigned result = load_result(sreg == 2, ar, cpl, rpl);
            uint64_t after = entry;
            if (result == OK) {
                want_done();
                want(loaded(sreg), selector);
                after |= 1ull << 40; /* accessed */
            } else {
                want_fault(result, selector & ~3u);
            }
            want((uint32_t)(gdt[SLOT(0) / 8] >> 32), (uint32_t)(after >> 32));
        }
    }
}

static void other_forms(unsigned sreg)
{
    static const struct {
        uint32_t ar;
        unsigned cpl;
    } rows[] = {{AR_DATA, 0}, {AR_DATA, 3},    {AR_DATA | AR_DPL(3), 3},   {AR_DATA_RO, 0},
                {AR_CODE, 0}, {AR_CODE_XO, 0}, {AR_DATA & ~AR_PRESENT, 0}, {AR_TSS32, 0}};
    for (unsigned form = 0; form < 2; form++) {
        const struct code *code = load_code(sreg, form ? FORM_POINTER : FORM_POP);
        for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
            begin("%s %s at CPL %u of access rights %x", form ? "a far pointer into" : "POP", sreg_name[sreg],
                  rows[i].cpl, rows[i].ar);
            ring(rows[i].cpl);
            in.eax = slot(0, descriptor(0, 0xfffff, rows[i].ar | AR_32 | AR_G)) | rows[i].cpl;
            run(code);
            unsigned result = load_result(sreg == 2, rows[i].ar, rows[i].cpl, rows[i].cpl);
            if (result == OK) {
                want_done();
                want(loaded(sreg), in.eax);
                want(out.r.ebx, form ? 0x12345678 : in.ebx);
            } else {
                want_fault(result, in.eax & ~3u);
                want(out.r.ebx, in.ebx);
                want(out.r.esp, in.esp - (form ? 8 : 4));
            }
        }
    }
}

static void null_and_limits(unsigned sreg)
{
    bool ss = sreg == 2;
    for (unsigned cpl = 0; cpl < 4; cpl += 3) {
        for (unsigned rpl = 0; rpl < 4; rpl++) {
            begin("MOV %s at CPL %u of the null selector with RPL %u %s", sreg_name[sreg], cpl, rpl,
                  ss ? "raises #GP(0)" : "is allowed");
            ring(cpl);
            in.eax = rpl;
            run(load_code(sreg, FORM_MOV));
            if (ss) {
                want_fault(GP, 0);
            } else {
                want_done();
                want(loaded(sreg), rpl);
            }
        }
    }
    begin("MOV %s of the last descriptor within the GDT limit", sreg_name[sreg]);
    in.eax = slot(0, descriptor(0, 0xfffff, AR_DATA | AR_32 | AR_G));
    gdtr.limit = SLOT(0) + 7;
    run(load_code(sreg, FORM_MOV));
    want_done();
    begin("MOV %s of a descriptor whose last byte is beyond the GDT limit raises #GP(selector)", sreg_name[sreg]);
    in.eax = slot(0, descriptor(0, 0xfffff, AR_DATA | AR_32 | AR_G));
    gdtr.limit = SLOT(0) + 6;
    run(load_code(sreg, FORM_MOV));
    want_fault(GP, SLOT(0));
    begin("MOV %s of selector FFF8 raises #GP(selector)", sreg_name[sreg]);
    in.eax = 0xfff8;
    run(load_code(sreg, FORM_MOV));
    want_fault(GP, 0xfff8);
    begin("MOV %s from the LDT", sreg_name[sreg]);
    ldt[3] = descriptor(0, 0xfffff, AR_DATA | AR_32 | AR_G);
    in.eax = LDT_SLOT(3);
    run(load_code(sreg, FORM_MOV));
    want_done();
    want(loaded(sreg), LDT_SLOT(3));
    begin("MOV %s of LDT entry 0 is no null selector", sreg_name[sreg]);
    ldt[0] = descriptor(0, 0xfffff, AR_DATA | AR_32 | AR_G);
    in.eax = LDT_SLOT(0);
    run(load_code(sreg, FORM_MOV));
    want_done();
    begin("MOV %s of a not present LDT descriptor reports TI in the error code", sreg_name[sreg]);
    ldt[3] = descriptor(0, 0xfffff, (AR_DATA & ~AR_PRESENT) | AR_32 | AR_G);
    in.eax = LDT_SLOT(3);
    run(load_code(sreg, FORM_MOV));
    want_fault(ss ? SS : NP, LDT_SLOT(3));
    begin("MOV %s beyond the LDT limit raises #GP(selector)", sreg_name[sreg]);
    in.eax = LDT_SLOT(LDT_ENTRIES);
    run(load_code(sreg, FORM_MOV));
    want_fault(GP, LDT_SLOT(LDT_ENTRIES));
    begin("MOV %s from a null LDT raises #GP(selector)", sreg_name[sreg]);
    in.eax = LDT_SLOT(3);
    ldt[3] = descriptor(0, 0xfffff, AR_DATA | AR_32 | AR_G);
    run(load_code(sreg, FORM_NO_LDT));
    want_fault(GP, LDT_SLOT(3));
}

/* What was loaded is what is used: base, limit, and rights are cached until the next load. */
static void hidden_part(void)
{
    begin("a loaded base is added to offsets");
    data32[0x40] = 0x600df00d;
    in.eax = slot(0, descriptor(DATA_AREA + 0xf0, 0xfffff, AR_DATA | AR_32 | AR_G));
    run(CODE("mov fs, ax; mov eax, fs:[0x10]"));
    want_done();
    want(out.r.eax, 0x600df00d);

    begin("a base wraps around 4 GiB");
    data32[0] = 0x600df00d;
    in.eax = slot(0, descriptor(0xfffff000, 0xfffff, AR_DATA | AR_32 | AR_G));
    run(CODE("mov fs, ax; mov eax, fs:[0x71000]"));
    want_done();
    want(out.r.eax, 0x600df00d);

    begin("changing a descriptor does not change what is loaded");
    data32[0] = 1;
    data32[4] = 2;
    in.eax = slot(0, descriptor(DATA_AREA, 0xffff, AR_DATA | AR_32));
    in.ebx = (uint32_t)&gdt[SLOT(0) / 8];
    run(CODE(
        "mov fs, ax; mov ecx, fs:[0]; add byte ptr [ebx + 2], 0x10; mov edx, fs:[0]; mov fs, ax; mov esi, fs:[0]"));
    want_done();
    want(out.r.ecx, 1);
    want(out.r.edx, 1);
    want(out.r.esi, 2);

    begin("LGDT does not change what is loaded");
    data32[0] = 1;
    in.eax = slot(0, descriptor(DATA_AREA, 0xffff, AR_DATA | AR_32));
    run(CODE("mov fs, ax; sgdt [0x70102]; lgdt [0x70112]; mov ecx, fs:[0]; mov edx, ds:[0x70000]; lgdt [0x70102]"));
    want_done();
    want(out.r.ecx, 1);
    want(out.r.edx, 1);

    begin("an access through a null DS raises #GP(0)");
    differs(QEMU, NO_LIMITS);
    in.eax = 0;
    run(CODE("mov ds, ax;" HERE "mov eax, [0x70000]"));
    want_fault(GP, 0);
    want(out.r.eax, 0);
    begin("an access through a null ES by a string instruction raises #GP(0)");
    differs(QEMU, NO_LIMITS);
    in.eax = 0;
    run(CODE("mov es, ax; mov edi, 0x70000;" HERE "stosb"));
    want_fault(GP, 0);
    want(out.r.edi, 0x70000);
    begin("LEA through a null DS needs no segment");
    in.eax = 0;
    run(CODE("mov ds, ax; lea eax, [ebx + 4]"));
    want_done();
    want(out.r.eax, in.ebx + 4);

    begin("MOV of a segment register zero-extends to a 32-bit register");
    run(CODE("mov eax, ds; mov ebx, ss"));
    want_done();
    want(out.r.eax, DATA32(0));
    want(out.r.ebx, DATA32(0));
    begin("MOV of a segment register with a 16-bit operand keeps the upper half");
    run(CODE(".byte 0x66; mov eax, ds"));
    want_done();
    want(out.r.eax, (in.eax & 0xffff0000) | DATA32(0));
    begin("MOV of a segment register to memory writes two bytes");
    data32[0] = 0xffffffff;
    run(CODE("mov [0x70000], ds"));
    want_done();
    want(data32[0], 0xffff0000 | DATA32(0));
    begin("PUSH of a segment register moves ESP by the operand size");
    run(CODE("push ds; mov eax, [esp]; .byte 0x66; push ds; mov ebx, esp"));
    want_done();
    want(out.r.eax & 0xffff, DATA32(0));
    want(out.r.ebx, in.esp - 6);
    begin("MOV CS raises #UD");
    in.eax = CODE32(0);
    run(CODE(".byte 0x8e, 0xc8; nop"));
    want_at(out.r.eip);
    want(out.r.eip, in.eip);
    for (unsigned i = 6; i < 8; i++) {
        begin("MOV to segment register %u raises #UD", i);
        run(i == 6 ? CODE(".byte 0x8e, 0xf0; nop") : CODE(".byte 0x8e, 0xf8; nop"));
        want_fault(UD, 0);
        begin("MOV from segment register %u raises #UD", i);
        run(i == 6 ? CODE(".byte 0x8c, 0xf0; nop") : CODE(".byte 0x8c, 0xf8; nop"));
        want_fault(UD, 0);
    }
    begin("an LES with a register operand raises #UD");
    run(CODE(".byte 0xc4, 0xc0; nop"));
    want_fault(UD, 0);

    begin("MOV SS to a 16-bit stack makes PUSH use SP");
    in.eax = slot(0, descriptor(STACK_BASE, 0xffff, AR_DATA));
    in.ecx = 0x12340100;
    run(CODE("mov ss, ax; mov esp, ecx; push 0x600df00d; mov ebx, esp; mov ax, ds; mov ss, ax"));
    want(out.r.ebx, 0x123400fc);
    want(*(volatile uint32_t *)(STACK_BASE + 0xfc), 0x600df00d);
    begin("a 16-bit stack wraps from 0 to FFFC");
    in.eax = slot(0, descriptor(STACK_BASE - 0x4000, 0xffff, AR_DATA));
    in.ecx = 0x12340000;
    run(CODE("mov ss, ax; mov esp, ecx; push 0x600df00d; mov ebx, esp"));
    want(out.r.ebx, 0x1234fffc);
    want(*(volatile uint32_t *)(STACK_BASE + 0xbffc), 0x600df00d);
}

/* ---- LLDT, LTR ---- */

static void system_segments(bool tr)
{
    const char *mnemonic = tr ? "LTR" : "LLDT";
    const struct code *code = tr ? CODE("ltr ax") : CODE("lldt ax");
    for (unsigned type = 0; type < 32; type++) {
        for (unsigned present = 0; present < 2; present++) {
            begin("%s of a %s descriptor of type %x, %s", mnemonic, type & 0x10 ? "segment" : "system", type & 15,
                  present ? "present" : "not present");
            for (unsigned dpl = 0; dpl < 4; dpl++) {
                for (unsigned rpl = 0; rpl < 4; rpl++) {
                    note("DPL %u RPL %u", dpl, rpl);
                    ring(0);
                    uint32_t base = tr ? (uint32_t)&tss2 : (uint32_t)ldt;
                    uint64_t entry = descriptor(base, 0x67, type | AR_DPL(dpl) | (present ? AR_PRESENT : 0));
                    in.eax = slot(0, entry) | rpl;
                    run(code);
                    bool right_type = tr ? type == 1 || type == 9 : type == 2;
                    if (!right_type) {
                        want_fault(GP, SLOT(0));
                    } else if (!present) {
                        want_fault(NP, SLOT(0));
                    } else {
                        want_done();
                        want_equal("selector", tr ? out.tr : out.ldtr, SLOT(0) | rpl);
                        if (tr)
                            entry |= (uint64_t)AR_BUSY << 40;
                    }
                    want((uint32_t)(gdt[SLOT(0) / 8] >> 32), (uint32_t)(entry >> 32));
                }
            }
        }
    }
    for (unsigned rpl = 0; rpl < 4; rpl++) {
        begin("%s of the null selector with RPL %u %s", mnemonic, rpl, tr ? "raises #GP(0)" : "leaves no LDT");
        if (tr)
            differs(QEMU, "a null TR is accepted; SDM \"LTR\"");
        in.eax = rpl;
        run(code);
        if (tr) {
            want_fault(GP, 0);
        } else {
            want_done();
            want(out.ldtr, rpl);
        }
    }
    begin("%s of an LDT selector raises #GP(selector)", mnemonic);
    ldt[1] = descriptor((uint32_t)ldt, 0x67, tr ? AR_TSS32 : AR_LDT);
    in.eax = LDT_SLOT(1);
    run(code);
    want_fault(GP, LDT_SLOT(1));
    begin("%s beyond the GDT limit raises #GP(selector)", mnemonic);
    in.eax = GDT_ENTRIES * 8;
    run(code);
    want_fault(GP, GDT_ENTRIES * 8);
    for (unsigned cpl = 1; cpl < 4; cpl++) {
        begin("%s at CPL %u raises #GP(0)", mnemonic, cpl);
        ring(cpl);
        in.eax = tr ? SEG_TSS2 : SEG_LDT;
        run(code);
        want_fault(GP, 0);
    }
    begin("%s in virtual-8086 mode raises #UD", mnemonic);
    v86(3);
    run(tr ? CODE16("ltr ax") : CODE16("lldt ax"));
    want_fault(UD, 0);
    begin("%s in real mode raises #UD", mnemonic);
    real_mode();
    run(tr ? CODE16("ltr ax") : CODE16("lldt ax"));
    want_fault(UD, 0);
}

void segment_loads(void)
{
    static const uint8_t sregs[] = {0, 2, 3, 4, 5};
    for (unsigned i = 0; i < sizeof sregs; i++) {
        null_and_limits(sregs[i]);
        other_forms(sregs[i]);
    }
    hidden_part();
    system_segments(false);
    system_segments(true);
    for (unsigned i = 0; i < sizeof sregs; i++)
        for (unsigned cpl = 0; cpl < 4; cpl++)
            for (unsigned type = 0; type < 32; type++)
                for (unsigned present = 0; present < 2; present++)
                    matrix_row(sregs[i], cpl, type, present);
}
