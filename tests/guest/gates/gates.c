/*
 * Software interrupts and exceptions through interrupt and trap gates, their checks and frames.
 * Source: SDM vol. 2 "INT n/INTO/INT3/INT1", vol. 3 "Exception- and Interrupt-Handler Procedures", "Error Code".
 */
#include "gates.h"

#define FLAT              (AR_32 | AR_G)
#define IDT_ERROR(vector) ((vector)*8 + 2)
#define EXT               1

static const struct {
    uint32_t ar;
    const char *name;
    bool wide, interrupt;
} kinds[] = {{AR_INT32, "a 32-bit interrupt gate", true, true},
             {AR_TRAP32, "a 32-bit trap gate", true, false},
             {AR_INT16, "a 16-bit interrupt gate", false, true},
             {AR_TRAP16, "a 16-bit trap gate", false, false}};

/* An inner stack that serves both widths, and the handler's selector for both. */
static void gate_frame(unsigned kind, unsigned cpl, uint32_t eip, uint32_t eflags)
{
    unsigned unit = kinds[kind].wide ? 4 : 2;
    uint32_t mask = kinds[kind].wide ? 0xffffffff : 0xffff;
    want_masked("pushed EIP", out.r.eip, eip, mask);
    want(out.r.cs, CODE32(cpl));
    want_masked("pushed EFLAGS", out.r.eflags, eflags, mask & ~RF);
    if (cpl) {
        want(out.handler_ss, DATA32(0));
        want(out.handler_esp, RING0_TOP - 5 * unit);
        want_masked("pushed ESP", out.r.esp, in.esp, mask);
        want(out.r.ss, DATA32(cpl));
    } else {
        want(out.handler_esp, in.esp - 3 * unit);
    }
    uint32_t cleared = TF | NT | RF | VM | (kinds[kind].interrupt ? IF : 0);
    want_masked("handler's EFLAGS", out.handler_eflags, eflags & ~cleared, ~(uint32_t)CF);
    want(out.handler.ds, in.ds); /* data segments stay */
}

/* ---- the software interrupts and the DPL of their gates ---- */

static void software_interrupts(void)
{
    const struct {
        const char *name;
        unsigned vector;
        bool checked; /* against the gate's DPL */
        const struct code *code;
    } rows[] = {{"INT 40h", 0x40, true, CODE("int 0x40")},  {"INT3", BP, true, CODE("int3")},
                {"INT 3", BP, true, CODE(".byte 0xcd, 3")}, {"INTO", OF, true, CODE("into")},
                {"INT1", DB, false, CODE(".byte 0xf1")},    {"INT FFh", 0xff, true, CODE("int 0xff")},
                {"INT 0", DE, true, CODE("int 0")}};
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct code *code = rows[i].code;
        unsigned vector = rows[i].vector;
        for (unsigned kind = 0; kind < 4; kind++) {
            for (unsigned cpl = 0; cpl < 4; cpl++) {
                begin("%s at CPL %u through %s", rows[i].name, cpl, kinds[kind].name);
                if (!rows[i].checked)
                    differs(QEMU, "INT1 raises nothing; SDM \"INT n/INTO/INT3/INT1\"");
                for (unsigned dpl = 0; dpl < 4; dpl++) {
                    for (unsigned flag = 0; flag < 2; flag++) {
                        note("DPL %u IF %u", dpl, flag);
                        ring(cpl);
                        in.eflags = EF_FIXED | CF | DFLAG | NT | 0x800 | (flag ? IF : 0) | IOPL(2);
                        set_gate(vector, kinds[kind].ar | AR_DPL(dpl));
                        run(code);
                        if (rows[i].checked && cpl > dpl) {
                            want(out.vector, GP);
                            want(out.error, IDT_ERROR(vector));
                            want(out.r.eip, in.eip);
                            continue;
                        }
                        want(out.vector, vector);
                        gate_frame(kind, cpl, code->end, in.eflags);
                    }
                }
            }
        }
    }
    begin("INTO without OF goes on");
    run(CODE("into"));
    want_done();
    begin("INTO without OF needs no gate");
    ring(3);
    idt[OF] = 0;
    run(CODE("into"));
    want_done();
    begin("BOUND within bounds goes on");
    data32[0] = 5;
    data32[1] = 9;
    in.eax = 9;
    run(CODE("bound eax, [0x70000]; mov eax, 5; bound eax, [0x70000]"));
    want_done();
    static const uint32_t outside[] = {4, 10, 0x80000000, 0xffffffff};
    for (unsigned i = 0; i < 4; i++) {
        begin("BOUND with %x outside 5 to 9 raises #BR through a gate of DPL 0", outside[i]);
        ring(3);
        set_gate(BR, AR_INT32);
        data32[0] = 5;
        data32[1] = 9;
        in.eax = outside[i];
        run(CODE("bound eax, [0x70000]"));
        want_fault(BR, 0);
    }
    begin("BOUND compares signed words with a 16-bit operand");
    data16[0] = 0xfffe;
    data16[1] = 2;
    in.eax = 0x7777ffff;
    run(CODE("bound ax, [0x70000]"));
    want_done();
    begin("BOUND with a register operand raises #UD");
    run(CODE(".byte 0x62, 0xc0; nop"));
    want_fault(UD, 0);
}

/* ---- exceptions take any gate ---- */

static void exceptions(void)
{
    for (unsigned kind = 0; kind < 4; kind++) {
        for (unsigned cpl = 0; cpl < 4; cpl++) {
            begin("#UD at CPL %u through %s of DPL 0", cpl, kinds[kind].name);
            ring(cpl);
            in.eflags |= IF | CF | NT;
            set_gate(UD, kinds[kind].ar);
            const struct code *code = CODE("ud2; nop");
            run(code);
            want(out.vector, UD);
            gate_frame(kind, cpl, code->start, in.eflags);

            begin("#GP at CPL %u through %s carries its error code", cpl, kinds[kind].name);
            ring(cpl);
            set_gate(GP, kinds[kind].ar);
            in.eax = 0xfff8;
            code = CODE("mov ds, ax; nop");
            run(code);
            want(out.vector, GP);
            want(out.error, 0xfff8);
            want_masked("pushed EIP", out.r.eip, code->start, kinds[kind].wide ? 0xffffffff : 0xffff);
            unsigned unit = kinds[kind].wide ? 4 : 2;
            want(out.handler_esp, (cpl ? RING0_TOP - 6 * unit : in.esp - 4 * unit));
        }
    }
    begin("a software interrupt to vector 13 pushes no error code");
    soft_vector = true;
    run(CODE("int 13;" HERE));
    want_vector(GP);
    want(out.handler_esp, in.esp - 12);
    begin("a software interrupt to vector 14 leaves CR2 alone");
    soft_vector = true;
    run(CODE("mov eax, 0x12345678; mov cr2, eax; int 14;" HERE));
    want_vector(PF);
    want(out.cr2, 0x12345678);

    static const struct {
        unsigned vector;
        const char *name;
    } faults[] = {{DE, "#DE"}, {BR, "#BR"}, {UD, "#UD"}, {NM, "#NM"}, {TS, "#TS"},
                  {NP, "#NP"}, {SS, "#SS"}, {GP, "#GP"}, {AC, "#AC"}};
    for (unsigned i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        begin("the EFLAGS image of %s has RF set", faults[i].name);
        differs(
            QEMU,
            "RF is not set in the image that a fault pushes; SDM vol. 3 \"Restarting Tasks\", \"Debug Exceptions\"");
        ring(faults[i].vector == SS ? 0 : 3);
        const struct code *code = NULL;
        in.eax = 0;
        switch (faults[i].vector) {
        case DE:
            code = CODE("div al");
            break;
        case BR:
            code = CODE("mov dword ptr [0x70000], 1; mov dword ptr [0x70004], 1;" HERE "bound eax, [0x70000]");
            break;
        case UD:
            code = CODE("ud2; nop");
            break;
        case NM:
            code = CODE("fnop");
            in_cr0 |= CR0_TS;
            break;
        case TS:
            tss.ss1 = 0;
            slot(0, gate(CODE32(1), 0x20000, AR_CALL32 | AR_DPL(3), 0));
            code = CODE("call 0x100, 0");
            break;
        case NP:
            in.eax = slot(0, descriptor(0, 0, (AR_DATA & ~AR_PRESENT) | AR_DPL(3))) | 3;
            code = CODE("mov ds, ax");
            break;
        case SS:
            in.eax = slot(0, descriptor(0, 0, AR_DATA & ~AR_PRESENT));
            code = CODE("mov ss, ax");
            break;
        case GP:
            code = CODE("hlt");
            break;
        case AC:
            in_cr0 |= CR0_AM;
            in.eflags |= ACF;
            code = CODE("mov eax, ds:[0x70001]");
            break;
        }
        run(code);
        want(out.vector, faults[i].vector);
        want(out.r.eflags & RF, RF);
    }
    begin("the EFLAGS image of INT n has RF clear");
    run(CODE("int 0x40"));
    want(out.vector, 0x40);
    want(out.r.eflags & RF, 0);
    begin("the EFLAGS image of INT3 has RF clear");
    run(CODE("int3"));
    want(out.vector, BP);
    want(out.r.eflags & RF, 0);
}

/* ---- bad gates and bad targets. INT n reports EXT 0, an exception EXT 1. ---- */

static const struct code *source_code(bool exception)
{
    return exception ? CODE("ud2; nop") : CODE("int 0x40");
}
static const char *source_name(bool exception)
{
    return exception ? "#UD" : "INT 40h";
}

static void qemu_no_ext(bool exception)
{
    if (exception)
        differs(QEMU, NO_EXT);
}

static void bad_gates(bool exception)
{
    unsigned vector = exception ? UD : 0x40;
    const struct code *code = source_code(exception);
    const char *name = source_name(exception);
    uint32_t ext = exception ? EXT : 0;
    for (unsigned cpl = 0; cpl < 4; cpl += 3) {
        for (unsigned type = 0; type < 32; type++) {
            bool gate_type = type == 5 || type == 6 || type == 7 || type == 0xe || type == 0xf;
            if (gate_type)
                continue;
            begin("%s at CPL %u through an IDT entry of type %x raises #GP(IDT)", name, cpl, type);
            qemu_no_ext(exception);
            ring(cpl);
            idt[vector] = gate(CODE32(0), stub32(vector), type | AR_PRESENT | AR_DPL(3), 0);
            run(code);
            want_fault(GP, IDT_ERROR(vector) | ext);
        }
        static const uint8_t types[] = {5, 6, 7, 0xe, 0xf};
        for (unsigned i = 0; i < sizeof types; i++) {
            begin("%s at CPL %u through an absent gate of type %x raises #NP(IDT)", name, cpl, types[i]);
            qemu_no_ext(exception);
            ring(cpl);
            idt[vector] = gate(CODE32(0), stub32(vector), types[i] | AR_DPL(3), 0);
            run(code);
            want_fault(NP, IDT_ERROR(vector) | ext);
        }
        if (!exception && cpl) {
            begin("%s at CPL 3 through an absent gate of DPL 0 raises #GP(IDT): DPL first", name);
            ring(3);
            idt[vector] = gate(CODE32(0), stub32(vector), 0xe, 0);
            run(code);
            want_fault(GP, IDT_ERROR(vector));
        }
    }
    if (!exception) {
        begin("%s beyond the IDT limit raises #GP(IDT)", name);
        idtr.limit = 0x40 * 8 + 6;
        run(code);
        want_fault(GP, IDT_ERROR(0x40));
        begin("%s at the IDT limit arrives", name);
        idtr.limit = 0x40 * 8 + 7;
        run(code);
        want(out.vector, 0x40);
    } else {
        begin("#AC's vector beyond the IDT limit raises #GP(IDT) with EXT");
        qemu_no_ext(true);
        idtr.limit = 16 * 8 - 1;
        ring(3);
        in_cr0 |= CR0_AM;
        in.eflags |= ACF;
        run(CODE("mov eax, ds:[0x70001]"));
        want_fault(GP, IDT_ERROR(AC) | EXT);
    }
}

static void bad_targets(bool exception)
{
    unsigned vector = exception ? UD : 0x40;
    const struct code *code = source_code(exception);
    const char *name = source_name(exception);
    uint32_t ext = exception ? EXT : 0;
    for (unsigned cpl = 0; cpl < 4; cpl++) {
        begin("%s at CPL %u to the null selector raises #GP(EXT)", name, cpl);
        qemu_no_ext(exception);
        ring(cpl);
        idt[vector] = gate(0, stub32(vector), AR_INT32 | AR_DPL(3), 0);
        run(code);
        want_fault(GP, ext);
        begin("%s at CPL %u to a selector beyond the GDT raises #GP(selector)", name, cpl);
        qemu_no_ext(exception);
        ring(cpl);
        idt[vector] = gate(GDT_ENTRIES * 8, stub32(vector), AR_INT32 | AR_DPL(3), 0);
        run(code);
        want_fault(GP, GDT_ENTRIES * 8 | ext);
        for (unsigned type = 0; type < 32; type++) {
            bool is_code = (type & 0x18) == 0x18;
            for (unsigned dpl = 0; dpl < 4; dpl++) {
                if (is_code && dpl <= cpl)
                    continue;
                begin("%s at CPL %u to a %s descriptor of type %x and DPL %u raises #GP(selector)", name, cpl,
                      type & 0x10 ? "segment" : "system", type & 15, dpl);
                qemu_no_ext(exception);
                ring(cpl);
                slot(0, descriptor(0, 0xfffff, type | AR_PRESENT | AR_DPL(dpl) | FLAT));
                idt[vector] = gate(SLOT(0), stub32(vector), AR_INT32 | AR_DPL(3), 0);
                run(code);
                want_fault(GP, SLOT(0) | ext);
            }
        }
        begin("%s at CPL %u to an absent code segment raises #NP(selector)", name, cpl);
        qemu_no_ext(exception);
        ring(cpl);
        slot(0, descriptor(0, 0xfffff, (AR_CODE & ~AR_PRESENT) | FLAT));
        idt[vector] = gate(SLOT(0), stub32(vector), AR_INT32 | AR_DPL(3), 0);
        run(code);
        want_fault(NP, SLOT(0) | ext);
        begin("%s at CPL %u to an offset beyond the limit raises #GP(EXT)", name, cpl);
        differs(QEMU, "no check of EIP against the new limit; SDM \"INT n/INTO/INT3/INT1\"");
        ring(cpl);
        slot(0, descriptor(0, stub32(vector) - 1, AR_CODE | AR_32));
        idt[vector] = gate(SLOT(0), stub32(vector), AR_INT32 | AR_DPL(3), 0);
        run(code);
        want_fault(GP, ext);
        begin("%s at CPL %u to a conforming segment of DPL 0 keeps the CPL", name, cpl);
        ring(cpl);
        const struct code *landing = LANDING();
        slot(0, descriptor(0, 0xfffff, AR_CONFORMING | FLAT));
        idt[vector] = gate(SLOT(0), landing->start, AR_INT32 | AR_DPL(3), 0);
        if (exception)
            continue; /* the landing's own #UD would come here again */
        run(code);
        want_at(landing->start);
        want(out.r.cs, SLOT(0) | cpl);
        want(out.r.esp, in.esp - 12);
        want(out.r.ss, in.ss);
    }
    begin("%s in the LDT", name);
    ring(3);
    ldt[2] = descriptor(0, 0xfffff, AR_CODE | FLAT);
    idt[vector] = gate(LDT_SLOT(2), stub32(vector), AR_INT32 | AR_DPL(3), 0);
    run(code);
    want(out.vector, vector);
    begin("%s to an LDT selector beyond the limit reports TI", name);
    qemu_no_ext(exception);
    ring(3);
    idt[vector] = gate(LDT_SLOT(LDT_ENTRIES), stub32(vector), AR_INT32 | AR_DPL(3), 0);
    run(code);
    want_fault(GP, LDT_SLOT(LDT_ENTRIES) | ext);
}

/* Handlers of DPL 1 with ring 1's stack broken, since the second exception needs ring 0's. */
static void inner_stacks(bool exception)
{
    static const struct {
        const char *what;
        uint32_t ss, ar, limit, esp;
        unsigned vector;
        uint32_t error;
    } rows[] = {
        {"a null SS", 0, AR_DATA, 0xfffff, RING1_TOP, TS, 0},
        {"an SS beyond the GDT limit", GDT_ENTRIES * 8 + 1, AR_DATA, 0xfffff, RING1_TOP, TS, GDT_ENTRIES * 8},
        {"an SS beyond the LDT limit", LDT_SLOT(LDT_ENTRIES) + 1, AR_DATA, 0xfffff, RING1_TOP, TS,
         LDT_SLOT(LDT_ENTRIES)},
        {"an SS with RPL 0", SLOT(1), AR_DATA | AR_DPL(1), 0xfffff, RING1_TOP, TS, SLOT(1)},
        {"an SS with DPL 0", SLOT(1) | 1, AR_DATA, 0xfffff, RING1_TOP, TS, SLOT(1)},
        {"an SS with DPL 2", SLOT(1) | 1, AR_DATA | AR_DPL(2), 0xfffff, RING1_TOP, TS, SLOT(1)},
        {"a read-only SS", SLOT(1) | 1, AR_DATA_RO | AR_DPL(1), 0xfffff, RING1_TOP, TS, SLOT(1)},
        {"a code segment as SS", SLOT(1) | 1, AR_CODE | AR_DPL(1), 0xfffff, RING1_TOP, TS, SLOT(1)},
        {"an LDT as SS", SLOT(1) | 1, AR_LDT | AR_DPL(1), 0xfffff, RING1_TOP, TS, SLOT(1)},
        {"a not present SS", SLOT(1) | 1, (AR_DATA & ~AR_PRESENT) | AR_DPL(1), 0xfffff, RING1_TOP, SS, SLOT(1)},
        {"an SS whose limit cuts the frame", SLOT(1) | 1, AR_DATA | AR_DPL(1), RING1_TOP - 2, RING1_TOP, SS, SLOT(1)},
        {"an ESP of 16 in an expand-up SS", SLOT(1) | 1, AR_DATA | AR_DPL(1), 0xff, 16, SS, SLOT(1)},
    };
    unsigned vector = exception ? UD : 0x40;
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        begin("%s at CPL 3 to ring 1 with %s raises #%s(SS%s)", source_name(exception), rows[i].what,
              rows[i].vector == TS ? "TS" : "SS", exception ? " + EXT" : "");
        if (i == 9)
            differs(QEMU, "raises #TS; SDM \"INT n/INTO/INT3/INT1\"");
        else if (i > 9)
            differs(QEMU, "pushes are not checked against the limit of the new stack; SDM \"INT n/INTO/INT3/INT1\"");
        else
            qemu_no_ext(exception);
        ring(3);
        slot(1, descriptor(0, rows[i].limit, rows[i].ar | AR_32));
        tss.ss1 = rows[i].ss;
        tss.esp1 = rows[i].esp;
        idt[vector] = gate(CODE32(1), CODE("hlt")->start, AR_INT32 | AR_DPL(3), 0); /* no UD2: this may be #UD's gate */
        run(source_code(exception));
        want_fault(rows[i].vector, rows[i].error | (exception ? EXT : 0));
    }
    begin("%s with a TSS too short for SS1:ESP1 raises #TS(TSS%s)", source_name(exception), exception ? " + EXT" : "");
    qemu_no_ext(exception);
    ring(3);
    gdt[SEG_TSS / 8] = descriptor((uint32_t)&tss, 0x0f, AR_TSS32);
    idt[vector] = gate(CODE32(1), CODE("hlt")->start, AR_INT32 | AR_DPL(3), 0); /* no UD2: this may be #UD's gate */
    run(source_code(exception));
    want_fault(TS, SEG_TSS | (exception ? EXT : 0));
}

static void inner_rings(void)
{
    static const uint32_t tops[] = {RING0_TOP, RING1_TOP, RING2_TOP};
    for (unsigned cpl = 1; cpl < 4; cpl++) {
        for (unsigned to = 0; to < cpl; to++) {
            begin("INT 40h from CPL %u to ring %u and back by IRET", cpl, to);
            ring(cpl);
            idt[0x40] = gate(CODE32(to), CODE("mov ebx, esp; mov esi, ss; mov edi, cs; iretd")->start,
                             AR_TRAP32 | AR_DPL(3), 0);
            run(CODE("int 0x40"));
            want_done();
            want(out.r.ebx, tops[to] - 20);
            want(out.r.esi, DATA32(to));
            want(out.r.edi, CODE32(to));
            want(out.r.cs, CODE32(cpl));
            want(out.r.ss, DATA32(cpl));
            want(out.r.esp, in.esp);
            want(out.r.ds, DATA32(cpl));
        }
    }
    begin("an inner interrupt exactly fills an inner stack");
    ring(3);
    tss.ss1 = slot(1, descriptor(RING1_TOP, 0xfff, AR_DATA | AR_32 | AR_DPL(1))) | 1;
    tss.esp1 = 20;
    const struct code *landing = LANDING();
    idt[0x40] = gate(CODE32(1), landing->start, AR_INT32 | AR_DPL(3), 0);
    run(CODE("int 0x40"));
    want_at(landing->start);
    want(out.r.esp, 0);
    begin("an inner interrupt with an error code needs four bytes more");
    differs(QEMU, "pushes are not checked against the limit of the new stack; SDM \"INT n/INTO/INT3/INT1\"");
    ring(3);
    tss.ss1 = slot(1, descriptor(RING1_TOP, 0xfff, AR_DATA | AR_32 | AR_DPL(1))) | 1;
    tss.esp1 = 20;
    idt[NP] = gate(CODE32(1), landing->start, AR_INT32 | AR_DPL(3), 0);
    in.eax = slot(0, descriptor(0, 0, (AR_DATA & ~AR_PRESENT) | AR_DPL(3)));
    run(CODE("mov ds, ax")); /* #NP, then #SS while it is delivered: both contributory */
    want(out.vector, DF);
    begin("an interrupt to a 16-bit inner stack takes SP0");
    ring(3);
    tss.ss0 = slot(1, descriptor(RING0_TOP - 0x10000, 0xffff, AR_DATA));
    tss.esp0 = 0x12340000;
    run(CODE("int 0x40"));
    want(out.vector, 0x40);
    want(out.handler_ss, SLOT(1));
    want(out.handler_esp & 0xffff, 0x10000 - 20);
    want(out.r.esp, in.esp);
}

void interrupt_gates(void)
{
    software_interrupts();
    exceptions();
    for (unsigned exception = 0; exception < 2; exception++) {
        bad_gates(exception);
        bad_targets(exception);
        inner_stacks(exception);
    }
    inner_rings();
}
