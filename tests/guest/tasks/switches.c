/*
 * Task switches that succeed: what is saved, loaded, marked. Source: SDM vol. 3 "Task Switching", "Task Linking",
 * "Effect of a Task Switch on Busy Flag, NT Flag, Previous Task Link Field, and TS Flag".
 */
#include "tasks.h"

uint32_t access_byte(uint32_t selector)
{
    return (uint32_t)(gdt[selector / 8] >> 40) & 0xff;
}

void far_operand(uint32_t selector)
{
    data32[0] = 0xdeadbeef; /* the offset is not used */
    data32[1] = selector;
}

void second_task(const struct code *start)
{
    tss2.eip = start->start;
    slot(20, gate(SEG_TSS2, 0, AR_TASK_GATE | AR_DPL(3), 0));
    tss2.eax = 0x20000001;
    tss2.ecx = 0x20000002;
    tss2.edx = 0x20000003;
    tss2.ebx = 0x20000004;
    tss2.ebp = 0x20000005;
    tss2.esi = 0x20000006;
    tss2.edi = 0x20000007;
    tss2.eflags = EF_FIXED | CF | ZF;
    tss2.link = 0xffff0000;
}

void second_task16(const struct code *start)
{
    memset(&tss16, 0, sizeof tss16);
    gdt[SEG_TSS16 / 8] = descriptor((uint32_t)&tss16, 0x2b, AR_TSS16);
    slot(20, gate(SEG_TSS16, 0, AR_TASK_GATE | AR_DPL(3), 0));
    tss16.ip = (uint16_t)LOW(start->start);
    tss16.cs = SEG_LOW32;
    tss16.flags = EF_FIXED | CF;
    tss16.ax = 0x1001;
    tss16.cx = 0x1002;
    tss16.dx = 0x1003;
    tss16.bx = 0x1004;
    tss16.bp = 0x1005;
    tss16.si = 0x1006;
    tss16.di = 0x1007;
    tss16.sp = 0x8000;
    tss16.ss = slot(22, descriptor(TASK_TOP - 0x8000, 0xffff, AR_DATA));
    tss16.ds = tss16.es = DATA32(0);
}

enum way { JMP_TSS, CALL_TSS, JMP_GATE, CALL_GATE, INT_GATE, EXCEPTION_GATE, WAYS };
static const char *const way_name[] = {"JMP to a TSS",
                                       "CALL of a TSS",
                                       "JMP through a task gate",
                                       "CALL through a task gate",
                                       "INT through a task gate",
                                       "#BR through a task gate"};

static const struct code *way_code(enum way way, uint32_t tss_selector)
{
    far_operand(way == JMP_TSS || way == CALL_TSS ? tss_selector : TASK_GATE);
    switch (way) {
    case JMP_TSS:
    case JMP_GATE:
        return CODE("jmp fword ptr [0x70000]; nop");
    case CALL_TSS:
    case CALL_GATE:
        return CODE("call fword ptr [0x70000]; nop");
    case INT_GATE:
        idt[0x40] = gate(tss_selector, 0, AR_TASK_GATE | AR_DPL(3), 0);
        return CODE("int 0x40; nop");
    default:
        idt[BR] = gate(tss_selector, 0, AR_TASK_GATE, 0);
        data32[4] = data32[5] = 0;
        return CODE("bound eax, [0x70010]; nop");
    }
}
/* Where the old task goes on. */
static uint32_t return_eip(enum way way, const struct code *code)
{
    return way == EXCEPTION_GATE ? code->start : code->end - 1; /* the NOP */
}
static bool nests(enum way way)
{
    return way != JMP_TSS && way != JMP_GATE;
}

static void whole_switch(enum way way, unsigned cpl)
{
    begin("%s at CPL %u: state, busy flags, NT, link, TS", way_name[way], cpl);
    const struct code *landing = LANDING();
    ring(cpl);
    second_task(landing);
    tss2.ldt = SEG_LDT;
    gdt[SEG_TSS2 / 8] |= (uint64_t)AR_DPL(3) << 40;
    in.eflags |= IOPL(3) | CF | 0x800 | DFLAG | ID;
    in.eax = 0x7fffffff;
    tss.cr3 = 0x11111000; /* not saved */
    const struct code *code = way_code(way, SEG_TSS2);
    run(code);
    want_at(landing->start);
    want(out.tr, SEG_TSS2);
    want(out.ldtr, SEG_LDT);
    want(out.r.eax, 0x20000001);
    want(out.r.ecx, 0x20000002);
    want(out.r.edx, 0x20000003);
    want(out.r.ebx, 0x20000004);
    want(out.r.ebp, 0x20000005);
    want(out.r.esi, 0x20000006);
    want(out.r.edi, 0x20000007);
    want(out.r.esp, TASK_TOP);
    want(out.r.cs, CODE32(0));
    want(out.r.ss, DATA32(0));
    want(out.r.ds, DATA32(0));
    want(out.r.gs, DATA32(0));
    want_masked("new eflags", out.r.eflags, EF_FIXED | CF | ZF | (nests(way) ? NT : 0), ~RF);
    want(out.cr0 & CR0_TS, CR0_TS);
    want(access_byte(SEG_TSS2) & 0x0f, 0x0b);
    want(access_byte(SEG_TSS) & 0x0f, nests(way) ? 0x0b : 0x09);
    want(tss2.link, 0xffff0000 | (nests(way) ? SEG_TSS : 0));
    /* the old task */
    want(tss.eip, return_eip(way, code));
    want_masked("saved eflags", tss.eflags, in.eflags, ~(RF));
    want(tss.eax, in.eax);
    want(tss.ecx, in.ecx);
    want(tss.edx, in.edx);
    want(tss.ebx, in.ebx);
    want(tss.esp, in.esp);
    want(tss.ebp, in.ebp);
    want(tss.esi, in.esi);
    want(tss.edi, in.edi);
    want(tss.cs & 0xffff, CODE32(cpl));
    want(tss.ss & 0xffff, DATA32(cpl));
    want(tss.ds & 0xffff, DATA32(cpl));
    want(tss.es & 0xffff, DATA32(cpl));
    want(tss.fs & 0xffff, DATA32(cpl));
    want(tss.gs & 0xffff, DATA32(cpl));
    want(tss.cr3, 0x11111000);
    want(tss.esp0, RING0_TOP); /* static fields stay */
    want(tss.ldt, 0);
}

static void round_trip(enum way way, unsigned cpl)
{
    begin("%s at CPL %u and IRET back", way_name[way], cpl);
    ring(cpl);
    /* An exception's task repairs the cause: the bounds. */
    second_task(
        CODE("mov dword ptr [0x70014], 0x7fffffff; inc dword ptr [0x70020]; mov ebx, 0x99999999; iretd; nop; jmp .-3"));
    gdt[SEG_TSS2 / 8] |= (uint64_t)AR_DPL(3) << 40;
    in.eax = 0x7fffffff;
    in.eflags |= CF | DFLAG;
    const struct code *code = way_code(way, SEG_TSS2);
    run(code);
    want_done();
    want(out.tr, SEG_TSS);
    want(data32[8], 1);
    want(out.r.eax, in.eax);
    want(out.r.ebx, in.ebx);
    want(out.r.esp, in.esp);
    want(out.r.cs, CODE32(cpl));
    want(out.r.ss, DATA32(cpl));
    want(out.r.ds, DATA32(cpl));
    want_masked("eflags", out.r.eflags, in.eflags, ~RF);
    want(out.cr0 & CR0_TS, CR0_TS);
    want(access_byte(SEG_TSS2) & 0x0f, 9);
    want(access_byte(SEG_TSS) & 0x0f, 0x0b);
    /* IRET clears NT in the image it saves. */
    want(tss2.eflags & NT, 0);
    want(tss2.ebx, 0x99999999);
}

static void to_16bit(enum way way)
{
    begin("%s that is 16-bit: state, busy flags, NT, link", way_name[way]);
    const struct code *landing = LANDING();
    second_task16(landing);
    const struct code *code = way_code(way, SEG_TSS16);
    in.eax = 0x7fffffff;
    run(code);
    want_at(landing->start);
    want(out.tr, SEG_TSS16);
    want(out.r.eax & 0xffff, 0x1001);
    want(out.r.ecx & 0xffff, 0x1002);
    want(out.r.edx & 0xffff, 0x1003);
    want(out.r.ebx & 0xffff, 0x1004);
    want(out.r.ebp & 0xffff, 0x1005);
    want(out.r.esi & 0xffff, 0x1006);
    want(out.r.edi & 0xffff, 0x1007);
    want(out.r.esp & 0xffff, 0x8000);
    want(out.r.cs, SEG_LOW32);
    want(out.r.ss, SLOT(22));
    want(out.r.ds, DATA32(0));
    want(out.r.fs, 0);
    want(out.r.gs, 0);
    want_masked("new flags", out.r.eflags, EF_FIXED | CF | (nests(way) ? NT : 0), 0xffff);
    want(access_byte(SEG_TSS16) & 0x0f, 3);
    want(access_byte(SEG_TSS) & 0x0f, nests(way) ? 0x0b : 0x09);
    want(tss16.link, nests(way) ? SEG_TSS : 0);
    want(tss.eip, return_eip(way, code));
}

static void from_16bit(enum way way)
{
    begin("%s out of a 16-bit task saves words", way_name[way]);
    const struct code *landing = LANDING();
    second_task(landing);
    memset(&tss16, 0x5a, sizeof tss16);
    gdt[SEG_TSS / 8] = descriptor((uint32_t)&tss16, 0x2b, AR_TSS16);
    in.cs = SEG_LOW32;
    in.eax = 0x7fffffff;
    in.eflags |= CF | DFLAG;
    const struct code *code = way_code(way, SEG_TSS2);
    run(code);
    want_at(landing->start);
    want(out.tr, SEG_TSS2);
    want(tss16.ip, LOW(return_eip(way, code)));
    want(tss16.flags, in.eflags & 0xffff);
    want(tss16.ax, 0xffff);
    want(tss16.cx, in.ecx & 0xffff);
    want(tss16.dx, in.edx & 0xffff);
    want(tss16.bx, in.ebx & 0xffff);
    want(tss16.sp, in.esp & 0xffff);
    want(tss16.bp, in.ebp & 0xffff);
    want(tss16.si, in.esi & 0xffff);
    want(tss16.di, in.edi & 0xffff);
    want(tss16.es, DATA32(0));
    want(tss16.cs, SEG_LOW32);
    want(tss16.ss, DATA32(0));
    want(tss16.ds, DATA32(0));
    want(tss16.ldt, 0x5a5a);
    want(tss16.sp0, 0x5a5a);
    want(tss2.link & 0xffff, nests(way) ? SEG_TSS : 0);
    want(access_byte(SEG_TSS) & 0x0f, nests(way) ? 3 : 1);
}

/* ---- details ---- */

static void details(void)
{
    const struct code *landing = LANDING();
    begin("a task switch to CPL 3");
    second_task(landing);
    tss2.cs = CODE32(3);
    tss2.ss = tss2.ds = tss2.es = tss2.fs = tss2.gs = DATA32(3);
    far_operand(SEG_TSS2);
    run(CODE("jmp fword ptr [0x70000]"));
    want_at(landing->start);
    want(out.r.cs, CODE32(3));
    want(out.handler_esp, RING0_TOP - 20); /* the new task's own */

    begin("a task switch to conforming code");
    differs(QEMU, "raises #TS; SDM vol. 3 \"Exception Conditions Checked During a Task Switch\"");
    second_task(landing);
    tss2.cs = slot(0, descriptor(0, 0xfffff, AR_CONFORMING | FLAT)) | 3;
    tss2.ss = tss2.ds = tss2.es = tss2.fs = tss2.gs = DATA32(3);
    far_operand(SEG_TSS2);
    run(CODE("jmp fword ptr [0x70000]"));
    want_at(landing->start);
    want(out.r.cs, SLOT(0) | 3);

    begin("a task switch to null data segments");
    second_task(landing);
    tss2.ds = 0;
    tss2.es = 1;
    tss2.fs = 2;
    tss2.gs = 3;
    far_operand(SEG_TSS2);
    run(CODE("jmp fword ptr [0x70000]"));
    want_at(landing->start);
    want(out.r.ds, 0);
    want(out.r.es, 1);
    want(out.r.fs, 2);
    want(out.r.gs, 3);

    begin("a task switch with segments in the new LDT");
    second_task(landing);
    tss2.ldt = slot(1, descriptor(DATA_AREA + 0x100, 0x1f, AR_LDT));
    *(volatile uint64_t *)(DATA_AREA + 0x100) = descriptor(0, 0xfffff, AR_CODE | FLAT);
    *(volatile uint64_t *)(DATA_AREA + 0x108) = descriptor(0, 0xfffff, AR_DATA | FLAT);
    tss2.cs = 4;
    tss2.ds = 12;
    far_operand(SEG_TSS2);
    run(CODE("jmp fword ptr [0x70000]"));
    want(out.vector, UD);
    want(out.r.eip, landing->start);
    want(out.r.cs, 4);
    want(out.r.ds, 12);
    want(out.ldtr, SLOT(1));

    begin("a task switch into virtual-8086 mode");
    const struct code *low = CODE16("mov ax, ds; mov bx, ss");
    second_task(low);
    tss2.eip = LOW(low->start);
    tss2.eflags = EF_FIXED | VM | IOPL(3);
    tss2.cs = SNIPPET_SEGMENT;
    tss2.ss = STACK_SEGMENT;
    tss2.ds = tss2.es = tss2.fs = tss2.gs = DATA_SEGMENT;
    tss2.esp = 0x8000;
    far_operand(SEG_TSS2);
    run(CODE("jmp fword ptr [0x70000]"));
    want_at(low->end);
    want(out.r.eflags & VM, VM);
    want(out.r.eax & 0xffff, DATA_SEGMENT);
    want(out.r.ebx & 0xffff, STACK_SEGMENT);
    want(out.r.cs, SNIPPET_SEGMENT);

    begin("an interrupt through a task gate out of virtual-8086 mode, and back");
    v86(3);
    second_task(CODE("inc dword ptr [0x70020]; iretd"));
    idt[0x40] = gate(SEG_TSS2, 0, AR_TASK_GATE | AR_DPL(3), 0);
    run(CODE16("int 0x40; nop"));
    want_done();
    want(data32[8], 1);
    want(out.r.ds, DATA_SEGMENT);
    want(tss.eflags & VM, VM);
    want(tss.cs & 0xffff, SNIPPET_SEGMENT);

    begin("an exception through a task gate pushes its error code on the new stack");
    second_task(landing);
    idt[GP] = gate(SEG_TSS2, 0, AR_TASK_GATE, 0);
    ring(3);
    in.eax = 0xfff8;
    run(CODE("mov ds, ax; nop"));
    want_at(landing->start);
    want(out.r.esp, TASK_TOP - 4);
    want(*(volatile uint32_t *)(TASK_TOP - 4), 0xfff8);
    begin("an exception through a task gate to a 16-bit task pushes a word");
    second_task16(landing);
    idt[GP] = gate(SEG_TSS16, 0, AR_TASK_GATE, 0);
    ring(3);
    in.eax = 0xfff8;
    run(CODE("mov ds, ax; nop"));
    want_at(landing->start);
    want(out.r.esp & 0xffff, 0x7ffe);
    want(*(volatile uint16_t *)(TASK_TOP - 2), 0xfff8);
    begin("#DF through a task gate survives an unusable stack");
    second_task(landing);
    idt[DF] = gate(SEG_TSS2, 0, AR_TASK_GATE, 0);
    ring(3);
    tss.ss0 = 0;
    run(CODE("ud2; nop")); /* #UD, then #TS twice */
    want_at(landing->start);
    want(out.tr, SEG_TSS2);
    want(out.r.esp, TASK_TOP - 4);
    want(*(volatile uint32_t *)(TASK_TOP - 4), 0);

    begin("a task switch clears the local enables of DR7 and keeps the global ones");
    second_task(CODE("mov eax, dr7"));
    in_dr[7] = 0x7ff; /* L0-3, G0-3, LE, GE */
    in_dr[0] = in_dr[1] = in_dr[2] = in_dr[3] = 0x7fff0;
    far_operand(SEG_TSS2);
    run(CODE("jmp fword ptr [0x70000]"));
    want(out.r.eax & 0xff, 0xaa);

    begin("the T flag of the new TSS raises #DB with BT before the first instruction");
    differs(QEMU, "the T flag is not implemented; SDM vol. 3 \"Debug Exceptions\"");
    second_task(landing);
    tss2.trap = 1;
    far_operand(SEG_TSS2);
    run(CODE("jmp fword ptr [0x70000]"));
    want(out.vector, DB);
    want(out.dr6 & 0x8000, 0x8000);
    want(out.r.eip, landing->start);
    want(out.tr, SEG_TSS2);

    begin("TF in the new task's EFLAGS traps after its first instruction");
    const struct code *two = CODE("nop; nop");
    second_task(two);
    tss2.eflags = EF_FIXED | TF;
    far_operand(SEG_TSS2);
    run(CODE("jmp fword ptr [0x70000]"));
    want(out.vector, DB);
    want(out.r.eip, two->start + 1);

    begin("a task switch does not set TS again once FPU instructions have raised #NM");
    second_task(CODE("fnop"));
    far_operand(SEG_TSS2);
    run(CODE("jmp fword ptr [0x70000]"));
    want(out.vector, NM);
    want(out.tr, SEG_TSS2);

    begin("a JMP from a nested task leaves NT and link alone");
    const struct code *third = LANDING();
    static struct tss32 tss3;
    second_task(CODE("jmp fword ptr [0x70008]"));
    memcpy(&tss3, &tss2, 0x68);
    tss3.eip = third->start;
    tss3.link = 0x1234;
    far_operand(SEG_TSS2);
    data32[3] = slot(4, descriptor((uint32_t)&tss3, 0x67, AR_TSS32));
    run(CODE("call fword ptr [0x70000]"));
    want_at(third->start);
    want(tss3.link, 0x1234);
    want(tss2.eflags & NT, NT);
    want(out.r.eflags & NT, 0);
    want(access_byte(SEG_TSS2) & 0x0f, 9);
    want(access_byte(SEG_TSS) & 0x0f, 0x0b);

    begin("nested calls unwind in order");
    second_task(CODE("call fword ptr [0x70008]; add dword ptr [0x70020], 0x10; iretd"));
    memcpy(&tss3, &tss2, 0x68);
    tss3.eip = CODE("inc dword ptr [0x70020]; iretd")->start;
    far_operand(SEG_TSS2);
    data32[3] = slot(4, descriptor((uint32_t)&tss3, 0x67, AR_TSS32));
    run(CODE("call fword ptr [0x70000]; nop"));
    want_done();
    want(data32[8], 0x11);
    want(out.tr, SEG_TSS);
}

/* ---- paging ---- */

#define PAGE_DIRECTORY(n) ((volatile uint32_t *)(HIGH_AREA + 0x2000 * (n)))
#define PAGE_TABLE(n)     ((volatile uint32_t *)(HIGH_AREA + 0x2000 * (n) + 0x1000))
static void address_space(unsigned n)
{
    memset((void *)PAGE_DIRECTORY(n), 0, 0x2000);
    PAGE_DIRECTORY(n)[0] = (uint32_t)PAGE_TABLE(n) | 7;
    for (uint32_t i = 0; i < 1024; i++)
        PAGE_TABLE(n)[i] = i << 12 | 7;
    PAGE_TABLE(n)[0x300] = (0x310 + n) << 12 | 7;
}

static void address_spaces(void)
{
    begin("a task switch with paging loads CR3");
    second_task(CODE("mov eax, ds:[0x300000]; mov ebx, cr3"));
    address_space(0);
    address_space(1);
    *(volatile uint32_t *)0x310000 = 0xaaaa;
    *(volatile uint32_t *)0x311000 = 0xbbbb;
    in_cr3 = HIGH_AREA;
    in_cr0 |= CR0_PG;
    tss2.cr3 = HIGH_AREA + 0x2000;
    far_operand(SEG_TSS2);
    run(CODE("mov eax, ds:[0x300000]; jmp fword ptr [0x70000]"));
    want(out.vector, UD);
    want(out.r.eax, 0xbbbb);
    want(out.r.ebx, HIGH_AREA + 0x2000);
    want(tss.eax, 0xaaaa);

    begin("a nested task returns to its caller's address space");
    second_task(CODE("mov eax, ds:[0x300000]; mov ds:[0x70020], eax; iretd"));
    address_space(0);
    address_space(1);
    in_cr3 = HIGH_AREA;
    in_cr0 |= CR0_PG;
    tss.cr3 = HIGH_AREA;
    tss2.cr3 = HIGH_AREA + 0x2000;
    far_operand(SEG_TSS2);
    run(CODE("mov ebx, ds:[0x300000]; call fword ptr [0x70000]; mov ecx, ds:[0x300000]"));
    want_done();
    want(data32[8], 0xbbbb);
    want(out.r.ebx, 0xaaaa);
    want(out.r.ecx, 0xaaaa);
    want(out.cr3, HIGH_AREA);

    begin("a new TSS on an absent page raises #PF in the old task");
    second_task(LANDING());
    address_space(0);
    PAGE_TABLE(0)[0x301] = 0;
    slot(0, descriptor(0x301000, 0x67, AR_TSS32));
    in_cr3 = HIGH_AREA;
    in_cr0 |= CR0_PG;
    far_operand(SLOT(0));
    run(CODE("jmp fword ptr [0x70000]"));
    want(out.vector, PF);
    want(out.cr2 & ~0xfffu, 0x301000);
    want(out.tr, SEG_TSS);
    want(out.r.eip, in.eip);
    want(access_byte(SLOT(0)) & 0x0f, 9);
}

void task_switches(void)
{
    for (enum way way = 0; way < WAYS; way++) {
        for (unsigned cpl = 0; cpl < 4; cpl++) {
            whole_switch(way, cpl);
            if (nests(way))
                round_trip(way, cpl);
        }
        to_16bit(way);
        from_16bit(way);
    }
    details();
    address_spaces();
}
