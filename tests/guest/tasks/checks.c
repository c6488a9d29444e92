/*
 * What forbids a task switch: the checks made in the old task.
 * Source: SDM vol. 2 "JMP", "CALL", "INT n/INTO/INT3/INT1", "IRET"; vol. 3 "Task Switching".
 */
#include "tasks.h"

#define LOCAL_TSS "raises #TS; SDM \"JMP\", \"CALL\", \"INT n/INTO/INT3/INT1\""

static const struct code *transfer(bool call)
{
    return call ? CODE("call fword ptr [0x70000]") : CODE("jmp fword ptr [0x70000]");
}

static void direct(bool call)
{
    for (unsigned cpl = 0; cpl < 4; cpl++) {
        begin("%s to a TSS at CPL %u checks DPL and RPL", call ? "CALL" : "JMP", cpl);
        const struct code *landing = LANDING();
        for (unsigned dpl = 0; dpl < 4; dpl++) {
            for (unsigned rpl = 0; rpl < 4; rpl++) {
                note("DPL %u RPL %u", dpl, rpl);
                ring(cpl);
                second_task(landing);
                gdt[SEG_TSS2 / 8] = descriptor((uint32_t)&tss2, 0x67, AR_TSS32 | AR_DPL(dpl));
                far_operand(SEG_TSS2 | rpl);
                run(transfer(call));
                if (dpl < cpl || rpl > dpl)
                    want_fault(GP, SEG_TSS2);
                else
                    want_at(landing->start);
            }
        }
        begin("%s through a task gate at CPL %u checks the gate's DPL and RPL", call ? "CALL" : "JMP", cpl);
        for (unsigned dpl = 0; dpl < 4; dpl++) {
            for (unsigned rpl = 0; rpl < 4; rpl++) {
                note("DPL %u RPL %u", dpl, rpl);
                ring(cpl);
                second_task(landing);
                gdt[SEG_TSS2 / 8] = descriptor((uint32_t)&tss2, 0x67, AR_TSS32); /* its own DPL does not count */
                slot(20, gate(SEG_TSS2 | 3, 0, AR_TASK_GATE | AR_DPL(dpl), 0));
                far_operand(TASK_GATE | rpl);
                run(transfer(call));
                if (dpl < cpl || rpl > dpl)
                    want_fault(GP, TASK_GATE);
                else
                    want_at(landing->start);
            }
        }
    }
    static const struct {
        const char *what;
        uint32_t ar, limit;
        unsigned vector;
    } rows[] = {{"a busy 32-bit TSS", AR_TSS32 | AR_BUSY, 0x67, GP},
                {"a busy 16-bit TSS", AR_TSS16 | AR_BUSY, 0x67, GP},
                {"an absent TSS", AR_TSS32 & ~AR_PRESENT, 0x67, NP},
                {"an absent busy TSS", (AR_TSS32 & ~AR_PRESENT) | AR_BUSY, 0x67, GP},
                {"a 32-bit TSS of limit 66h", AR_TSS32, 0x66, TS},
                {"a 32-bit TSS of limit 0", AR_TSS32, 0, TS},
                {"a 16-bit TSS of limit 2Ah", AR_TSS16, 0x2a, TS}};
    for (unsigned gated = 0; gated < 2; gated++) {
        for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
            begin("%s to %s%s raises #%s(TSS)", call ? "CALL" : "JMP", rows[i].what, gated ? " through a gate" : "",
                  rows[i].vector == GP   ? "GP"
                  : rows[i].vector == NP ? "NP"
                                         : "TS");
            second_task(LANDING());
            gdt[SEG_TSS2 / 8] = descriptor((uint32_t)&tss2, rows[i].limit, rows[i].ar);
            far_operand(gated ? TASK_GATE : SEG_TSS2);
            run(transfer(call));
            want_fault(rows[i].vector, SEG_TSS2);
            want(out.tr, SEG_TSS);
            want(access_byte(SEG_TSS2), rows[i].ar);
            want(access_byte(SEG_TSS) & 0x0f, 0x0b);
        }
    }
    begin("%s to a TSS in the LDT raises #GP(selector)", call ? "CALL" : "JMP");
    differs(QEMU, LOCAL_TSS);
    ldt[1] = descriptor((uint32_t)&tss2, 0x67, AR_TSS32);
    far_operand(LDT_SLOT(1));
    run(transfer(call));
    want_fault(GP, LDT_SLOT(1));
    begin("%s through an absent task gate raises #NP(gate)", call ? "CALL" : "JMP");
    slot(20, gate(SEG_TSS2, 0, AR_TASK_GATE & ~AR_PRESENT, 0));
    far_operand(TASK_GATE);
    run(transfer(call));
    want_fault(NP, TASK_GATE);
    static const struct {
        const char *what;
        uint32_t selector, error;
    } targets[] = {{"the null selector", 0, 0},
                   {"an LDT selector", LDT_SLOT(1), LDT_SLOT(1)},
                   {"a selector beyond the GDT", GDT_ENTRIES * 8, GDT_ENTRIES * 8},
                   {"a code segment", CODE32(0), CODE32(0)},
                   {"an LDT", SEG_LDT, SEG_LDT}};
    for (unsigned i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        begin("%s through a task gate to %s raises #GP(selector)", call ? "CALL" : "JMP", targets[i].what);
        if (targets[i].selector & 4)
            differs(QEMU, LOCAL_TSS);
        ldt[1] = descriptor((uint32_t)&tss2, 0x67, AR_TSS32);
        slot(20, gate(targets[i].selector, 0, AR_TASK_GATE, 0));
        far_operand(TASK_GATE);
        run(transfer(call));
        want_fault(GP, targets[i].error);
    }
    begin("%s to the running task raises #GP: it is busy", call ? "CALL" : "JMP");
    far_operand(SEG_TSS);
    run(transfer(call));
    want_fault(GP, SEG_TSS);
}

static void by_interrupt(bool exception)
{
    const char *name = exception ? "#UD" : "INT 40h";
    const struct code *code = exception ? CODE("ud2; nop") : CODE("int 0x40");
    unsigned vector = exception ? UD : 0x40;
    uint32_t ext = exception;
    static const struct {
        const char *what;
        uint32_t selector, ar, limit;
        unsigned vector;
    } rows[] = {{"the null selector", 0, AR_TSS32, 0x67, GP},
                {"an LDT selector", LDT_SLOT(1), AR_TSS32, 0x67, GP},
                {"a selector beyond the GDT", GDT_ENTRIES * 8, AR_TSS32, 0x67, GP},
                {"a data segment", DATA32(0), AR_TSS32, 0x67, GP},
                {"a busy TSS", SEG_TSS2, AR_TSS32 | AR_BUSY, 0x67, GP},
                {"an absent TSS", SEG_TSS2, AR_TSS32 & ~AR_PRESENT, 0x67, NP},
                {"a TSS of limit 66h", SEG_TSS2, AR_TSS32, 0x66, TS}};
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        begin("%s through a task gate to %s raises #%s", name, rows[i].what,
              rows[i].vector == GP   ? "GP"
              : rows[i].vector == NP ? "NP"
                                     : "TS");
        if (rows[i].selector & 4)
            differs(QEMU, LOCAL_TSS);
        if (exception)
            differs(QEMU, "error codes never have EXT set; SDM vol. 3 \"Error Code\"");
        ring(3);
        second_task(LANDING());
        ldt[1] = descriptor((uint32_t)&tss2, 0x67, AR_TSS32);
        gdt[SEG_TSS2 / 8] = descriptor((uint32_t)&tss2, rows[i].limit, rows[i].ar);
        idt[vector] = gate(rows[i].selector, 0, AR_TASK_GATE | AR_DPL(3), 0);
        run(code);
        want_fault(rows[i].vector, (rows[i].selector & ~3u) | ext);
        want(out.tr, SEG_TSS);
    }
    if (!exception) {
        for (unsigned cpl = 0; cpl < 4; cpl++) {
            begin("INT 40h at CPL %u through a task gate checks its DPL", cpl);
            const struct code *landing = LANDING();
            for (unsigned dpl = 0; dpl < 4; dpl++) {
                note("DPL %u", dpl);
                ring(cpl);
                second_task(landing);
                gdt[SEG_TSS2 / 8] = descriptor((uint32_t)&tss2, 0x67, AR_TSS32);
                idt[0x40] = gate(SEG_TSS2, 0, AR_TASK_GATE | AR_DPL(dpl), 0);
                run(code);
                if (cpl > dpl)
                    want_fault(GP, 0x40 * 8 + 2);
                else
                    want_at(landing->start);
            }
        }
    }
}

static void iret_with_nt(void)
{
    static const struct {
        const char *what;
        uint32_t selector, ar, limit;
        unsigned vector;
    } rows[] = {{"to the null selector", 0, AR_TSS32 | AR_BUSY, 0x67, TS},
                {"to an LDT selector", LDT_SLOT(1), AR_TSS32 | AR_BUSY, 0x67, TS},
                {"to a selector beyond the GDT", GDT_ENTRIES * 8, AR_TSS32 | AR_BUSY, 0x67, TS},
                {"to a code segment", CODE32(0), AR_TSS32 | AR_BUSY, 0x67, TS},
                {"to an available TSS", SEG_TSS2, AR_TSS32, 0x67, TS},
                {"to an available 16-bit TSS", SEG_TSS2, AR_TSS16, 0x67, TS},
                {"to an absent busy TSS", SEG_TSS2, (AR_TSS32 & ~AR_PRESENT) | AR_BUSY, 0x67, NP},
                {"to a busy TSS of limit 66h", SEG_TSS2, AR_TSS32 | AR_BUSY, 0x66, TS}};
    for (unsigned cpl = 0; cpl < 4; cpl += 3) {
        for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
            begin("IRET at CPL %u with NT and a link %s raises #%s", cpl, rows[i].what,
                  rows[i].vector == TS ? "TS" : "NP");
            ring(cpl);
            second_task(LANDING());
            ldt[1] = descriptor((uint32_t)&tss2, 0x67, AR_TSS32 | AR_BUSY);
            gdt[SEG_TSS2 / 8] = descriptor((uint32_t)&tss2, rows[i].limit, rows[i].ar);
            tss.link = rows[i].selector;
            in.eflags |= NT;
            run(CODE("iretd"));
            want_fault(rows[i].vector, rows[i].selector & ~3u);
        }
        begin("IRET at CPL %u with NT ignores RPL and DPL of the link", cpl);
        ring(cpl);
        const struct code *landing = LANDING();
        second_task(landing);
        gdt[SEG_TSS2 / 8] = descriptor((uint32_t)&tss2, 0x67, AR_TSS32 | AR_BUSY);
        tss.link = SEG_TSS2;
        in.eflags |= NT;
        run(CODE("iretd"));
        want_at(landing->start);
        want(access_byte(SEG_TSS2), AR_TSS32 | AR_BUSY);
        want(access_byte(SEG_TSS) & 0x0f, 9);
        want(tss.eflags & NT, 0);
        want(out.r.eflags & NT, 0);
        want(tss2.link, 0xffff0000);
    }
    begin("IRET with a 16-bit operand and NT switches tasks too");
    const struct code *landing = LANDING();
    second_task(landing);
    gdt[SEG_TSS2 / 8] = descriptor((uint32_t)&tss2, 0x67, AR_TSS32 | AR_BUSY);
    tss.link = SEG_TSS2;
    in.eflags |= NT;
    run(CODE(".byte 0x66; iretd"));
    want_at(landing->start);
}

void task_checks(void)
{
    direct(false);
    direct(true);
    by_interrupt(false);
    by_interrupt(true);
    iret_with_nt();
}
