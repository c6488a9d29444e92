/*
 * What the new task's state must satisfy: faults that are raised in the new task, after the switch is committed.
 * Source: SDM vol. 3 "Exception Conditions Checked During a Task Switch".
 */
#include "tasks.h"

/* The new task runs in ring 3, so that its ring 0 stack is good whatever is wrong with SS. */
static void new_task(void)
{
    differs(QEMU, "wrong error code, and the fault's EIP is the old task's; "
                  "SDM vol. 3 \"Exception Conditions Checked During a Task Switch\"");
    second_task(CODE("mov eax, 1"));
    tss2.cs = CODE32(3);
    tss2.ss = tss2.ds = tss2.es = tss2.fs = tss2.gs = DATA32(3);
    far_operand(SEG_TSS2);
}

static void expect(unsigned vector, uint32_t error)
{
    want(out.vector, vector);
    want(out.error, error);
    want(out.tr, SEG_TSS2);
    want(out.r.eip, tss2.eip);
    want(access_byte(SEG_TSS2) & 0x0f, 0x0b);
    want(access_byte(SEG_TSS) & 0x0f, 0x0b); /* a CALL */
    want(out.r.eax, tss2.eax);
    want(tss.eax, in.eax);
}

static void ldt_rows(void)
{
    static const struct {
        const char *what;
        uint32_t selector, ar;
    } rows[] = {{"in the LDT", LDT_SLOT(1), AR_LDT},
                {"beyond the GDT", GDT_ENTRIES * 8, AR_LDT},
                {"of a data segment", SLOT(0), AR_DATA},
                {"of a TSS", SLOT(0), AR_TSS32},
                {"of an absent LDT", SLOT(0), AR_LDT & ~AR_PRESENT}};
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        begin("a task switch to an LDT selector %s raises #TS(LDT) in the new task", rows[i].what);
        new_task();
        slot(0, descriptor((uint32_t)ldt, 0xff, rows[i].ar));
        tss2.ldt = rows[i].selector;
        run(CODE("call fword ptr [0x70000]"));
        expect(TS, rows[i].selector & ~3u);
    }
}

static void code_rows(void)
{
    static const struct {
        const char *what;
        uint32_t selector, ar;
        unsigned vector;
    } rows[] = {{"null", 0, AR_CODE, TS},
                {"beyond the GDT", GDT_ENTRIES * 8 | 3, AR_CODE, TS},
                {"a data segment", SLOT(0) | 3, AR_DATA | AR_DPL(3), TS},
                {"a system segment", SLOT(0) | 3, AR_LDT | AR_DPL(3), TS},
                {"of DPL 2 with RPL 3", SLOT(0) | 3, AR_CODE | AR_DPL(2), TS},
                {"of DPL 3 with RPL 2", SLOT(0) | 2, AR_CODE | AR_DPL(3), TS},
                {"conforming, DPL 3 with RPL 2", SLOT(0) | 2, AR_CONFORMING | AR_DPL(3), TS},
                {"absent", SLOT(0) | 3, (AR_CODE & ~AR_PRESENT) | AR_DPL(3), NP}};
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        begin("a task switch to a CS that is %s raises #%s(CS) in the new task", rows[i].what,
              rows[i].vector == TS ? "TS" : "NP");
        new_task();
        slot(0, descriptor(0, 0xfffff, rows[i].ar | FLAT));
        tss2.cs = rows[i].selector;
        /* An SS that suits the CPL: whether CS or SS is looked at first depends on the model. */
        tss2.ss = DATA32(rows[i].selector & 3);
        run(CODE("call fword ptr [0x70000]"));
        expect(rows[i].vector, rows[i].selector & ~3u);
    }
    begin("a task switch to an EIP beyond the CS limit raises #GP(0) in the new task");
    new_task();
    tss2.cs = slot(0, descriptor(0, 0xfff, AR_CODE | AR_32 | AR_DPL(3))) | 3;
    run(CODE("call fword ptr [0x70000]"));
    expect(GP, 0);
}

static void stack_rows(void)
{
    static const struct {
        const char *what;
        uint32_t selector, ar;
        unsigned vector;
    } rows[] = {{"null", 0, AR_DATA, TS},
                {"null with RPL 3", 3, AR_DATA, TS},
                {"beyond the GDT", GDT_ENTRIES * 8 | 3, AR_DATA, TS},
                {"read-only", SLOT(0) | 3, AR_DATA_RO | AR_DPL(3), TS},
                {"a code segment", SLOT(0) | 3, AR_CODE | AR_DPL(3), TS},
                {"of RPL 0", SLOT(0), AR_DATA | AR_DPL(3), TS},
                {"of DPL 2", SLOT(0) | 3, AR_DATA | AR_DPL(2), TS},
                {"absent", SLOT(0) | 3, (AR_DATA & ~AR_PRESENT) | AR_DPL(3), SS}};
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        begin("a task switch to an SS that is %s raises #%s(SS) in the new task", rows[i].what,
              rows[i].vector == TS ? "TS" : "SS");
        new_task();
        slot(0, descriptor(0, 0xfffff, rows[i].ar | FLAT));
        tss2.ss = rows[i].selector;
        run(CODE("call fword ptr [0x70000]"));
        expect(rows[i].vector, rows[i].selector & ~3u);
    }
}

static void data_rows(void)
{
    static const struct {
        const char *what;
        uint32_t selector, ar;
        unsigned vector;
    } rows[] = {{"beyond the GDT", GDT_ENTRIES * 8 | 3, AR_DATA, TS},
                {"a system segment", SLOT(0) | 3, AR_LDT | AR_DPL(3), TS},
                {"execute-only", SLOT(0) | 3, AR_CODE_XO | AR_DPL(3), TS},
                {"of DPL 2", SLOT(0) | 3, AR_DATA | AR_DPL(2), TS},
                {"of DPL 2 with RPL 0", SLOT(0), AR_DATA | AR_DPL(2), TS},
                {"absent", SLOT(0) | 3, (AR_DATA & ~AR_PRESENT) | AR_DPL(3), NP}};
    static const char *const names[] = {"DS", "ES", "FS", "GS"};
    for (unsigned sreg = 0; sreg < 4; sreg++) {
        for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
            begin("a task switch to %s %s raises #%s(selector) in the new task", names[sreg], rows[i].what,
                  rows[i].vector == TS ? "TS" : "NP");
            new_task();
            slot(0, descriptor(0, 0xfffff, rows[i].ar | FLAT));
            uint32_t *field = sreg == 0 ? &tss2.ds : sreg == 1 ? &tss2.es : sreg == 2 ? &tss2.fs : &tss2.gs;
            *field = rows[i].selector;
            run(CODE("call fword ptr [0x70000]"));
            expect(rows[i].vector, rows[i].selector & ~3u);
        }
        begin("a task switch to %s with readable conforming code of DPL 0", names[sreg]);
        new_task();
        slot(0, descriptor(0, 0xfffff, AR_CONFORMING | FLAT));
        uint32_t *field = sreg == 0 ? &tss2.ds : sreg == 1 ? &tss2.es : sreg == 2 ? &tss2.fs : &tss2.gs;
        *field = SLOT(0);
        run(CODE("call fword ptr [0x70000]"));
        want(out.vector, UD);
        want(out.tr, SEG_TSS2);
        want(out.r.eax, 1);
    }
}

void task_faults(void)
{
    ldt_rows();
    code_rows();
    stack_rows();
    data_rows();
    begin("faults in the new task's context come through its caller's busy flag: IRET goes back");
    new_task();
    tss2.ds = slot(0, descriptor(0, 0xfffff, (AR_DATA & ~AR_PRESENT) | FLAT | AR_DPL(3))) | 3;
    run(CODE("call fword ptr [0x70000]"));
    want(out.vector, NP);
    want(tss2.link & 0xffff, SEG_TSS);
    want(out.r.eflags & NT, NT);
}
