/*
 * Page faults of the CPU's own accesses: IDT, GDT, LDT, TSS, inner stacks, task switches; and of instruction fetches.
 * Source: SDM vol. 3 "Interrupt and Exception Handling" (double faults), "Task Switching", "Page-Fault Exceptions".
 */
#include "paging.h"

/* Two pages of the one-to-one part, so that tables there also serve the harness while paging is off. */
#define FIRST    PHYSICAL(0)
#define SECOND   PHYSICAL(1)
#define BOUNDARY (TEST + 0x1000)

/* A table of the CPU moved so that byte `offset` of it is the first of the page at SECOND. */
static uint32_t across(const void *table, uint32_t size, uint32_t offset)
{
    uint32_t base = SECOND - offset;
    memset((void *)PHYSICAL(0), 0, 0x2000);
    memcpy((void *)base, table, size);
    return base;
}

static void start(unsigned cpl)
{
    paging(&legacy_4k);
    ring(cpl);
    map(FIRST, E_ALL); /* neither accessed nor dirty */
    map(SECOND, E_ALL);
    tss2.cr3 = TABLE_CR3;
    tss.cr3 = TABLE_CR3;
}

/* The second task as handler of `vector`: a landing. */
static const struct code *task_handler(unsigned vector)
{
    const struct code *landing = LANDING();
    idt[vector] = gate(SEG_TSS2, 0, AR_TASK_GATE | AR_DPL(3), 0);
    tss2.eip = landing->start;
    return landing;
}

static void descriptor_tables(void)
{
    begin("an IDT entry on a missing page");
    start(3);
    idtr.base = across(idt, sizeof idt, 8 * PF);
    set_pte(FIRST, 0);
    run_paged(CODE("ud2"));
    want_vector(PF);
    want(out.error, 0);
    want_masked("cr2", out.cr2, SECOND - 8 * PF + 8 * UD, ~7u);
    begin("an IDT entry across pages, the first missing");
    start(3);
    idtr.base = across(idt, sizeof idt, 8 * UD + 4);
    set_pte(FIRST, 0);
    run_paged(CODE("ud2"));
    want_vector(PF);
    want(out.error, 0);
    want(out.cr2, SECOND - 4);
    begin("an IDT entry across pages, the second missing");
    start(3);
    idtr.base = across(idt, sizeof idt, 8 * 0x30 + 4);
    set_pte(SECOND, 0);
    run_paged(CODE("int 0x30"));
    want_vector(PF);
    want(out.error, 0);
    want(out.cr2, SECOND);
    begin("a supervisor's IDT page serves CPL 3");
    start(3);
    idtr.base = across(idt, sizeof idt, 8 * PF);
    map(FIRST, E_P);
    map(SECOND, E_P);
    run_paged(CODE("int 3;" HERE));
    want_vector(BP);
    want((uint32_t)get_pte(FIRST) & (E_A | E_D), E_A);

    static const struct {
        const char *name;
        bool loads; /* marks the descriptor as accessed */
    } uses[] = {{"MOV ES", true}, {"LAR", false}, {"LSL", false}, {"VERR", false}, {"far JMP", true}};
    for (unsigned i = 0; i < 5; i++) {
        const struct code *codes[] = {CODE("mov es, eax"), CODE("lar ecx, eax"), CODE("lsl ecx, eax"), CODE("verr ax"),
                                      CODE("jmp fword ptr [0x70000]")};
        bool is_code = i == 4;
        begin("%s of a descriptor on a missing page", uses[i].name);
        start(3);
        slot(0, descriptor(0, 0xfffff, (is_code ? AR_CODE : AR_DATA) | AR_DPL(3) | AR_32 | AR_G));
        in.eax = SLOT(0) | 3;
        data32[0] = 0;
        data32[1] = in.eax;
        gdtr.base = across(gdt, sizeof gdt, SLOT(0));
        set_pte(SECOND, 0);
        run_paged(codes[i]);
        want_page_fault(0, SECOND);
        begin("%s of an accessed descriptor on a supervisor's read-only page", uses[i].name);
        start(3);
        slot(0, descriptor(0, 0xfffff, (is_code ? AR_CODE : AR_DATA) | 1 | AR_DPL(3) | AR_32 | AR_G));
        in.eax = SLOT(0) | 3;
        data32[1] = in.eax;
        if (is_code)
            data32[0] = codes[i]->end;
        gdtr.base = across(gdt, sizeof gdt, SLOT(0));
        map(SECOND, E_P);
        run_paged(codes[i]);
        want_done();
        want((uint32_t)get_pte(SECOND) & (E_A | E_D), E_A);
        begin("%s of an unaccessed descriptor on a read-only page", uses[i].name);
        start(3);
        slot(0, descriptor(0, 0xfffff, (is_code ? AR_CODE : AR_DATA) | AR_DPL(3) | AR_32 | AR_G));
        in.eax = SLOT(0) | 3;
        data32[1] = in.eax;
        data32[0] = codes[i]->end;
        gdtr.base = across(gdt, sizeof gdt, SLOT(0));
        map(SECOND, E_P);
        if (is_code)
            differs(QEMU, "marks no descriptor as accessed in far jumps; SDM \"Segment Descriptors\"");
        run_paged(codes[i]);
        if (uses[i].loads)
            want_fault(PF, F_P | F_W);
        else
            want_done();
    }
    begin("a segment load marks the GDT's page as dirty");
    start(3);
    slot(0, descriptor(0, 0xfffff, AR_DATA | AR_DPL(3) | AR_32 | AR_G));
    in.eax = SLOT(0) | 3;
    gdtr.base = across(gdt, sizeof gdt, SLOT(0));
    run_paged(CODE("mov es, eax"));
    want_done();
    want((uint32_t)get_pte(SECOND) & (E_A | E_D), E_A | E_D);
    want(mapped8(SECOND + 5) & 1, 1);
    begin("a descriptor across pages, the second missing");
    start(3);
    slot(0, descriptor(0, 0xfffff, AR_DATA | AR_DPL(3) | AR_32 | AR_G));
    in.eax = SLOT(0) | 3;
    gdtr.base = across(gdt, sizeof gdt, SLOT(0) + 4);
    set_pte(SECOND, 0);
    run_paged(CODE("mov es, eax"));
    want_page_fault(0, SECOND);
    begin("an LDT descriptor on a missing page");
    start(3);
    gdt[SEG_LDT / 8] = descriptor(FIRST, sizeof ldt - 1, AR_LDT);
    set_pte(FIRST, 0);
    in.eax = LDT_SLOT(1) | 3;
    run_paged(CODE("mov es, eax"));
    want_page_fault(0, FIRST + 8);
    begin("SGDT and SIDT of the user to a supervisor's page");
    start(3);
    map(FIRST, E_P | E_RW);
    in.ebx = FIRST;
    run_paged(CODE("sgdt [ebx]"));
    want_page_fault(F_P | F_W | F_U, FIRST);
    run_paged(CODE("sidt [ebx]"));
    want_page_fault(F_P | F_W | F_U, FIRST);
}

static void stacks(void)
{
    const struct code *landing;
    begin("#UD with the inner stack missing: #PF");
    start(3);
    landing = task_handler(PF);
    tss.esp0 = SECOND;
    set_pte(FIRST, 0);
    run_paged(CODE("ud2"));
    want_at(landing->start);
    want_masked("cr2", out.cr2, FIRST, ~0xfffu);
    want(*(uint32_t *)(TASK_TOP - 4), F_W);
    want(tss.eip, in.eip);
    want(tss.cs, CODE32(3));
    want(tss.esp, in.esp);
    begin("#GP with the inner stack missing: #PF, serially");
    start(3);
    landing = task_handler(PF);
    tss.esp0 = SECOND;
    set_pte(FIRST, 0);
    run_paged(CODE("hlt"));
    want_at(landing->start);
    want(*(uint32_t *)(TASK_TOP - 4), F_W);
    begin("#GP with the inner stack read-only: #PF with the P flag");
    start(3);
    landing = task_handler(PF);
    tss.esp0 = SECOND;
    map(FIRST, E_P | E_US);
    run_paged(CODE("hlt"));
    want_at(landing->start);
    want(*(uint32_t *)(TASK_TOP - 4), F_W | F_P);
    begin("#PF with the inner stack missing: #DF");
    start(3);
    landing = task_handler(DF);
    tss.esp0 = SECOND;
    set_pte(FIRST, 0);
    in.ebx = TEST + 0x8000;
    run_paged(CODE("mov eax, [ebx]"));
    want_at(landing->start);
    want(*(uint32_t *)(TASK_TOP - 4), 0);
    want(tss.eip, in.eip);
    want(tss.eflags & ~RF, in.eflags & ~RF);
    begin("#UD with the inner stack missing, and #PF on the same stack: #DF");
    start(3);
    landing = task_handler(DF);
    tss.esp0 = SECOND;
    set_pte(FIRST, 0);
    run_paged(CODE("ud2"));
    want_at(landing->start);
    want(*(uint32_t *)(TASK_TOP - 4), 0);
    begin("#PF with a gate that is not present: #DF");
    start(3);
    landing = task_handler(DF);
    idt[PF] = 0;
    in.ebx = TEST + 0x8000;
    run_paged(CODE("mov eax, [ebx]"));
    want_at(landing->start);
    begin("#PF with the IDT entry on a missing page: #DF");
    start(3);
    landing = task_handler(DF);
    idtr.base = across(idt, sizeof idt, 8 * PF);
    set_pte(SECOND, 0);
    in.ebx = TEST + 0x8000;
    run_paged(CODE("mov eax, [ebx]"));
    want_at(landing->start);
    begin("INT n at CPL 0 with the stack missing halfway changes nothing");
    start(0);
    landing = task_handler(PF);
    in.esp = SECOND + 8;
    run_paged(CODE("and dword ptr [0x106800], 0xfffffffe; invlpg [esp - 16];" HERE "int 0x30"));
    want_at(landing->start);
    want(tss.esp, in.esp);
    want(tss.cs, CODE32(0));
    want(*(uint32_t *)(TASK_TOP - 4), F_W);
    want(out.cr2, SECOND - 4);
    begin("a call gate to an inner stack that is missing");
    start(3);
    landing = LANDING();
    slot(0, gate(CODE32(1), landing->start, AR_CALL32 | AR_DPL(3), 0));
    tss.esp1 = SECOND;
    set_pte(FIRST, 0);
    run_paged(CODE("call 0x100, 0"));
    want_vector(PF);
    want(out.error, F_W);
    want_masked("cr2", out.cr2, FIRST, ~0xfffu);
    want(out.r.cs, CODE32(3));
    want(out.r.esp, in.esp);
    begin("a call gate with parameters on a missing page");
    start(3);
    slot(0, gate(CODE32(1), landing->start, AR_CALL32 | AR_DPL(3), 3));
    in.esp = SECOND - 8;
    set_pte(SECOND, 0);
    run_paged(CODE("call 0x100, 0"));
    want_vector(PF);
    /* Whether the parameters are read as CPL 3 or with the new CPL, the manual leaves open. */
    want(out.error & ~F_U, 0);
    want(out.cr2, SECOND);
    want(out.r.cs, CODE32(3));
    begin("RETF to an outer stack does not touch it");
    start(0);
    in.ebx = TEST + 0x8000;
    landing = LANDING();
    in.ecx = landing->start;
    run_paged(CODE("push 0x43; push ebx; push 0x3b; push ecx; retf"));
    want_at(landing->start);
    want(out.r.esp, TEST + 0x8000);
}

/* First in the image: after a reset all cases before are gone through again. */
void shutdown_cases(void)
{
    begin("#UD with the IDT missing shuts down");
    start(3);
    idtr.base = across(idt, sizeof idt, 0x800);
    set_pte(FIRST, 0);
    in_cr0 |= CR0_PG | CR0_WP;
    in_cr3 = TABLE_CR3;
    run_to_shutdown(CODE("ud2"));
    begin("#UD with the stack of CPL 0 missing, no task gate: shutdown");
    start(0);
    in.esp = FIRST + 0x800;
    in_cr0 |= CR0_PG | CR0_WP;
    in_cr3 = TABLE_CR3;
    /* The frame that starts the snippet needs the stack: the snippet takes the page away. */
    run_to_shutdown(CODE("and dword ptr [0x106800], 0xfffffffe; mov eax, cr3; mov cr3, eax; ud2"));
    begin("the TSS missing: #UD at CPL 3 shuts down");
    start(3);
    gdt[SEG_TSS / 8] = descriptor(FIRST, 0x67, AR_TSS32);
    set_pte(FIRST, 0);
    in_cr0 |= CR0_PG | CR0_WP;
    in_cr3 = TABLE_CR3;
    run_to_shutdown(CODE("ud2"));
}

static void tss_map(void)
{
    begin("the I/O map on a missing page");
    start(3);
    tss.io_map = 0x88;
    gdt[SEG_TSS / 8] = descriptor(across(&tss, 0x68, 0x80), 0x1fff, AR_TSS32);
    set_pte(SECOND, 0);
    in.edx = 0x80;
    run_paged(CODE("in al, dx"));
    want_page_fault(0, SECOND + 8 + 0x10);
    begin("the I/O map across pages, the second missing");
    start(3);
    tss.io_map = 0x70;
    gdt[SEG_TSS / 8] = descriptor(across(&tss, 0x68, 0x81), 0x1fff, AR_TSS32);
    set_pte(SECOND, 0);
    in.edx = 0x80; /* byte 80h, and the second byte that is always read */
    run_paged(CODE("in al, dx"));
    want_page_fault(0, SECOND);
    begin("a TSS of the supervisor serves IN of the user");
    start(3);
    tss.io_map = 0x88;
    gdt[SEG_TSS / 8] = descriptor(across(&tss, 0x68, 0x80), 0x1fff, AR_TSS32);
    map(FIRST, E_P | E_RW);
    map(SECOND, E_P);
    in.edx = 0x80;
    run_paged(CODE("in al, dx"));
    want_done();
}

/* "Task Switching" has the old TSS verified to be paged in before the switch begins, so no part of it is written. */
static void old_tss_across_pages(void)
{
    static const struct {
        const char *name;
        bool interrupts, returns;
    } ways[] = {{"JMP", false, false}, {"CALL", false, false}, {"INT n", true, false}, {"IRET", false, true}};
    for (unsigned i = 0; i < 4; i++) {
        const struct code *codes[] = {CODE("jmp 0x98, 0"), CODE("call 0x98, 0"), CODE("int 0x30"), CODE("iretd")};
        for (unsigned missing = 0; missing < 2; missing++) {
            begin("%s to a task, the second page of the old TSS %s: nothing is written to the first", ways[i].name,
                  missing ? "missing" : "read-only");
            start(0);
            tss2.eip = LANDING()->start;
            if (ways[i].interrupts)
                idt[0x30] = gate(SEG_TSS2, 0, AR_TASK_GATE, 0);
            if (ways[i].returns) {
                tss.link = SEG_TSS2;
                gdt[SEG_TSS2 / 8] = descriptor((uint32_t)&tss2, 0x67, AR_TSS32 | AR_BUSY);
                in.eflags |= NT;
            }
            tss.eip = tss.eflags = tss.eax = tss.ecx = tss.edx = tss.ebx = 0x5a5a5a5a;
            uint32_t base = across(&tss, 0x68, 0x38);
            gdt[SEG_TSS / 8] = descriptor(base, 0x67, AR_TSS32);
            if (missing)
                set_pte(SECOND, 0);
            else
                map(SECOND, E_P | E_US);
            if (i == 0 || ways[i].returns)
                differs(BOCHS, "clears the old task's busy flag first; SDM vol. 3 \"Task Switching\"");
            run_paged(codes[i]);
            /* Whether a missing page is found by a read or by a write, the manual leaves open. */
            want_fault(PF, missing ? out.error & F_W : F_W | F_P);
            want_masked("cr2", out.cr2, SECOND, ~0xfffu);
            want(out.tr, SEG_TSS);
            want((uint32_t)(gdt[SEG_TSS2 / 8] >> 41) & 1, ways[i].returns);
            want((uint32_t)(gdt[SEG_TSS / 8] >> 41) & 1, 1);
            for (uint32_t at = 0x20; at < 0x38; at += 4)
                want_equal(label("TSS + %x", at), *(volatile uint32_t *)(base + at), 0x5a5a5a5a);
        }
    }
}

static void tasks(void)
{
    const struct code *landing = LANDING(), *jump = CODE("jmp 0x98, 0");
    for (unsigned part = 0; part < 2; part++) {
        begin("JMP to a TSS, its %s page missing", part ? "second" : "first");
        start(0);
        tss2.eip = landing->start;
        gdt[SEG_TSS2 / 8] = descriptor(across(&tss2, 0x68, 0x30), 0x67, AR_TSS32);
        set_pte(part ? SECOND : FIRST, 0);
        run_paged(jump);
        want_fault(PF, out.error & F_W); /* a write only where the link is checked as one */
        want_masked("cr2", out.cr2, part ? SECOND : FIRST, ~0xfffu);
        want(out.tr, SEG_TSS);
        want((uint32_t)(gdt[SEG_TSS2 / 8] >> 41) & 1, 0);
        want((uint32_t)(gdt[SEG_TSS / 8] >> 41) & 1, 1);
    }
    begin("JMP to a TSS, the old TSS read-only");
    start(0);
    tss2.eip = landing->start;
    gdt[SEG_TSS / 8] = descriptor(across(&tss, 0x68, 0x80), 0x67, AR_TSS32);
    map(FIRST, E_P | E_US);
    run_paged(jump);
    want_fault(PF, F_P | F_W);
    want_masked("cr2", out.cr2, FIRST, ~0xfffu);
    want(out.tr, SEG_TSS);
    old_tss_across_pages();
    begin("JMP to a TSS, its descriptor on a read-only page");
    start(0);
    slot(0, descriptor((uint32_t)&tss2, 0x67, AR_TSS32));
    tss2.eip = landing->start;
    gdtr.base = across(gdt, sizeof gdt, SLOT(0));
    map(SECOND, E_P);
    run_paged(CODE("jmp 0x100, 0"));
    want_fault(PF, F_P | F_W);
    want_masked("cr2", out.cr2, SECOND, ~7u);
    want(out.tr, SEG_TSS);
    begin("JMP to a TSS takes CR3 along");
    start(0);
    tss2.eip = landing->start;
    memcpy((void *)0x10b000, (const void *)TABLE_CR3, 0x1000);
    tss2.cr3 = 0x10b000;
    run_paged(jump);
    want_at(landing->start);
    want(out.cr3, 0x10b000);
    want(tss.cr3, TABLE_CR3); /* CR3 is never saved */
    begin("PAE: JMP to a TSS with bad pointers does not succeed");
    skip_on(QEMU | BOCHS,
            "does not load the pointers, or faults in the new task, whose stack is gone; SDM \"PDPTE Registers\"");
    paging(&pae_4k);
    tss2.eip = landing->start;
    tss2.cr3 = 0x10b000;
    memcpy((void *)0x10b000, (const void *)TABLE_CR3, 0x20);
    *(volatile uint64_t *)0x10b018 |= 2;
    run_paged(jump);
    want(out.vector == GP || out.vector == TS, true);
    begin("JMP to a task whose code is missing faults in the new task");
    start(0);
    tss2.eip = TEST + 0x8000;
    run_paged(jump);
    want(out.vector, PF);
    want(out.error, 0);
    want(out.cr2, TEST + 0x8000);
    want(out.tr, SEG_TSS2);
    want(out.r.eip, TEST + 0x8000);
    want(out.r.esp, tss2.esp);
    begin("#PF through a task gate: error code and CR2 in the new task");
    start(3);
    landing = task_handler(PF);
    in.ebx = TEST + 0x8004;
    run_paged(CODE("mov [ebx], eax"));
    want_at(landing->start);
    want(out.tr, SEG_TSS2);
    want(out.cr2, TEST + 0x8004);
    want(*(uint32_t *)(TASK_TOP - 4), F_U | F_W);
    want(out.r.esp, TASK_TOP - 4);
    want(tss2.link, SEG_TSS);
    want(tss.eip, in.eip);
    begin("#PF through a task gate, repaired, back by IRET");
    start(3);
    idt[PF] = gate(SEG_TSS2, 0, AR_TASK_GATE, 0);
    tss2.eip = CODE("or dword ptr [0x108020], 7; add esp, 4; iretd")->start;
    in.ebx = TEST + 0x8004;
    map(TEST + 0x8000, 0);
    run_paged(CODE("mov [ebx], eax; mov ecx, [ebx]"));
    want_done();
    want(out.r.ecx, in.eax);
    want(out.tr, SEG_TSS);
}

static void fetches(const struct paging *m)
{
    uint32_t fetch = m->nxe ? F_I : 0;
    for (unsigned cpl = 0; cpl < 4; cpl += 3) {
        uint32_t user = cpl ? F_U : 0;
        for (unsigned first = 1; first < 5; first++) {
            begin("%s, CPL %u: an instruction whose byte %u is on a missing page", m->name, cpl, first);
            paging(m);
            ring(cpl);
            map(TEST, E_ALL);
            run_paged(code_at(BOUNDARY - first, CODE("mov eax, 0x12345678")));
            want_page_fault(fetch | user, BOUNDARY);
            map(BOUNDARY, E_ALL);
            run_paged(code_at(BOUNDARY - first, CODE("mov eax, 0x12345678")));
            want_done();
            want(out.r.eax, 0x12345678);
            want((uint32_t)get_pte(BOUNDARY) & (E_A | E_D), E_A);
        }
        begin("%s, CPL %u: an instruction that ends at the page's end fetches no further", m->name, cpl);
        paging(m);
        ring(cpl);
        map(TEST, E_ALL);
        run_paged(code_at(BOUNDARY - 7, CODE("mov eax, 0x12345678; ")));
        want_at(BOUNDARY - 2);
        begin("%s, CPL %u: execution runs into a missing page", m->name, cpl);
        paging(m);
        ring(cpl);
        map(TEST, E_ALL);
        run_paged(code_at(BOUNDARY - 5, CODE("mov eax, 0x12345678;" HERE)));
        want_vector(PF);
        want(out.error, fetch | user);
        want(out.cr2, BOUNDARY);
        want(out.r.eax, 0x12345678);
        begin("%s, CPL %u: a far-reaching jump faults at its target", m->name, cpl);
        paging(m);
        ring(cpl);
        in.ebx = TEST + 0x5123;
        run_paged(with_here(CODE("jmp ebx"), TEST + 0x5123));
        want_vector(PF);
        want(out.error, fetch | user);
        want(out.cr2, TEST + 0x5123);
        begin("%s, CPL %u: a call to a missing page has pushed its return address", m->name, cpl);
        paging(m);
        ring(cpl);
        in.ebx = TEST + 0x5123;
        run_paged(with_here(CODE("call ebx"), TEST + 0x5123));
        want_vector(PF);
        want(out.error, fetch | user);
        want(out.r.esp, in.esp - 4);
        want(*(uint32_t *)(in.esp - 4), in.eip + 2);
        begin("%s, CPL %u: a return to a missing page has popped", m->name, cpl);
        paging(m);
        ring(cpl);
        in.ebx = TEST + 0x5123;
        run_paged(with_here(CODE("push ebx; ret"), TEST + 0x5123));
        want_vector(PF);
        want(out.error, fetch | user);
        want(out.r.esp, in.esp);
    }
    begin("%s: the user fetches from a supervisor's page", m->name);
    paging(m);
    ring(3);
    map(TEST, E_P | E_RW);
    run_paged(code_at(TEST, CODE("nop")));
    want_page_fault(F_P | F_U | fetch, TEST);
    begin("%s: the user's instruction ends on a supervisor's page", m->name);
    paging(m);
    ring(3);
    map(TEST, E_ALL);
    map(BOUNDARY, E_P | E_RW);
    run_paged(code_at(BOUNDARY - 2, CODE("mov eax, 0x12345678")));
    want_page_fault(F_P | F_U | fetch, BOUNDARY);
    begin("%s: a fetch fault comes before the #UD of an instruction that would be undefined", m->name);
    paging(m);
    ring(3);
    map(TEST, E_ALL);
    run_paged(code_at(BOUNDARY - 1, CODE("ud2")));
    want_page_fault(F_U | fetch, BOUNDARY);
    begin("%s: a fetch fault comes before #GP of a privileged instruction", m->name);
    paging(m);
    ring(3);
    map(TEST, E_ALL);
    run_paged(code_at(BOUNDARY - 1, CODE(".byte 0x66; hlt")));
    want_page_fault(F_U | fetch, BOUNDARY);
    if (m->nxe) {
        begin("an instruction whose last byte is execute-disabled");
        paging(m);
        ring(3);
        map(TEST, E_ALL);
        set_pte(BOUNDARY, PHYSICAL(1) | E_ALL | E_XD);
        run_paged(code_at(BOUNDARY - 4, CODE("mov eax, 0x12345678")));
        want_page_fault(F_P | F_U | F_I, BOUNDARY);
        begin("data on an execute-disabled page");
        paging(m);
        ring(3);
        set_pte(TEST, PHYSICAL(0) | E_ALL | E_XD);
        in.ebx = TEST;
        run_paged(CODE("mov [ebx], eax; mov ecx, [ebx]; push dword ptr [ebx]; pop dword ptr [ebx]"));
        want_done();
        want(out.r.ecx, in.eax);
        begin("XD: a page in use for data does not become executable");
        paging(m);
        ring(3);
        set_pte(TEST, PHYSICAL(0) | E_ALL | E_XD);
        in.ebx = TEST;
        mapped32(TEST) = 0x0b0f;
        run_paged(with_here(CODE("mov eax, [ebx]; jmp ebx"), TEST));
        want_vector(PF);
        want(out.error, F_P | F_U | F_I);
    }
}

void event_cases(void)
{
    descriptor_tables();
    stacks();
    tss_map();
    tasks();
    fetches(&legacy_4k);
    fetches(&pae_4k);
    fetches(&pae_4k_nx);
}
