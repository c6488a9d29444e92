/*
 * Page faults in the middle of instructions that access several places: the state a handler finds, and the restart.
 * Source: SDM vol. 2 "REP/REPE/REPZ/REPNE/REPNZ", "ENTER", "CMPXCHG8B", "MOVS", "CMPS"; vol. 3 "Program or Task
 * Restart".
 */
#include "paging.h"

#define BOUNDARY (TEST + 0x1000)

static uint32_t absent;
static void give_page(struct event *event, uint32_t *frame)
{
    map(absent, E_ALL);
}

/* Two pages in a row, the one at `missing` absent; CPL 3. */
static void two_pages(uint32_t missing)
{
    paging(&legacy_4k);
    ring(3);
    map(TEST, E_ALL);
    map(BOUNDARY, E_ALL);
    set_pte(missing, 0);
    absent = missing;
    memset((void *)PHYSICAL(0), 0, 0x2000);
}

struct repeated {
    const char *name;
    const struct code *code;
    unsigned size;
    bool reads, writes; /* through ESI, through EDI */
    bool compares;      /* EDI is read too */
    uint32_t source_error, destination_error;
};

/* The element number `good` is the first that touches the missing page. */
static void repeat(const struct repeated *r, bool source, bool down)
{
    const unsigned good = 5, count = 9;
    bool uses_source = r->reads, uses_destination = r->writes || r->compares;
    if (source ? !uses_source : !uses_destination)
        return;
    begin("%s, %s runs %s into a missing page", r->name, source ? "the source" : "the destination",
          down ? "down" : "up");
    two_pages(down ? TEST : BOUNDARY);
    uint32_t start = down ? BOUNDARY + (good - 1) * r->size : BOUNDARY - good * r->size;
    uint32_t step = down ? -r->size : r->size;
    uint32_t other = DATA_AREA + 0x100;
    memset((void *)PHYSICAL(0), 0x5a, 0x2000);
    memset((void *)DATA_AREA, 0x5a, 0x200);
    in.esi = source ? start : other;
    in.edi = source ? other : start;
    in.ecx = count;
    in.eax = r->compares ? 0x5a5a5a5a : 0x77777777;
    in.eflags |= down ? DFLAG : 0;
    in.eflags |= CF;
    run_paged(r->code);
    want_vector(PF);
    want(out.error, source ? r->source_error : r->destination_error);
    want(out.cr2, down ? BOUNDARY - r->size : BOUNDARY);
    want(out.r.ecx, count - good);
    want(out.r.esi, in.esi + (uses_source ? good * step : 0));
    want(out.r.edi, in.edi + (uses_destination ? good * step : 0));
    if (r->writes) {
        uint32_t first = source ? other : 0x200000 + (start & 0x1fffff);
        uint32_t value = r->reads ? 0x5a : 0x77;
        for (unsigned i = 0; i < good; i++)
            want(*(volatile uint8_t *)(first + i * step), value);
    }
    resume_vectors = 1 << PF;
    on_resume = give_page;
    run_paged(r->code);
    /* One fault, already repaired page: none now. */
    want_done();
    set_pte(absent, 0);
    run_paged(r->code);
    want_done();
    want(n_events, 2);
    want(out.r.ecx, 0);
    want(out.r.esi, in.esi + (uses_source ? count * step : 0));
    want(out.r.edi, in.edi + (uses_destination ? count * step : 0));
    if (r->compares)
        want_masked("flags", out.r.eflags, ZF, ZF | CF);
}

static void repeated(void)
{
    const struct repeated table[] = {
        {"REP MOVSB", CODE("rep movsb"), 1, true, true, false, F_U, F_U | F_W},
        {"REP MOVSW", CODE("rep movsw"), 2, true, true, false, F_U, F_U | F_W},
        {"REP MOVSD", CODE("rep movsd"), 4, true, true, false, F_U, F_U | F_W},
        {"REP STOSB", CODE("rep stosb"), 1, false, true, false, 0, F_U | F_W},
        {"REP STOSW", CODE("rep stosw"), 2, false, true, false, 0, F_U | F_W},
        {"REP STOSD", CODE("rep stosd"), 4, false, true, false, 0, F_U | F_W},
        {"REP LODSB", CODE("rep lodsb"), 1, true, false, false, F_U, 0},
        {"REP LODSD", CODE("rep lodsd"), 4, true, false, false, F_U, 0},
        {"REPE SCASB", CODE("repe scasb"), 1, false, false, true, 0, F_U},
        {"REPE SCASW", CODE("repe scasw"), 2, false, false, true, 0, F_U},
        {"REPE SCASD", CODE("repe scasd"), 4, false, false, true, 0, F_U},
        {"REPE CMPSB", CODE("repe cmpsb"), 1, true, false, true, F_U, F_U},
        {"REPE CMPSD", CODE("repe cmpsd"), 4, true, false, true, F_U, F_U},
    };
    for (unsigned i = 0; i < sizeof table / sizeof table[0]; i++)
        for (unsigned way = 0; way < 4; way++)
            repeat(&table[i], way & 1, way & 2);

    begin("REPE SCASB: a fault in the middle restores the flags");
    differs(QEMU | BOCHS, "flags of the iterations before the fault stay; SDM \"REP/REPE/REPZ/REPNE/REPNZ\"");
    two_pages(BOUNDARY);
    in.eax = 0;
    in.edi = BOUNDARY - 3;
    in.ecx = 10;
    in.eflags |= CF;
    run_paged(CODE("repe scasb"));
    want_vector(PF);
    want_masked("flags", out.r.eflags, CF, CF | ZF);
    begin("REP with ECX 0 touches nothing");
    two_pages(BOUNDARY);
    in.ecx = 0;
    in.esi = in.edi = BOUNDARY;
    run_paged(CODE("rep movsb; rep stosd; rep lodsw; repe cmpsb; repne scasd"));
    want_done();
    want(out.r.esi, in.esi);
    want(out.r.edi, in.edi);
    begin("REP MOVSB with 16-bit addresses counts CX and wraps SI and DI");
    paging(&legacy_4k);
    memset((void *)PHYSICAL(0), 0, 0x2000);
    for (uint32_t at = 0; at < 0x20000; at += 0x1000)
        map(TEST + at, E_ALL);
    set_pte(TEST + 0x1000, 0);
    gdt[LDT_SLOT(0) / 8] = 0;
    in.ds = in.es = slot(0, descriptor(TEST, 0xffff, AR_DATA)); /* CPL 0 */
    in.esi = 0xabcdfffe;
    in.edi = 0x12340ffe;
    in.ecx = 0x77770004;
    mapped8(TEST + 0xfffe) = 1;
    mapped8(TEST + 0xffff) = 2;
    run_paged(CODE("addr16 rep movsb"));
    want_vector(PF);
    want(out.error, F_W);
    want(out.cr2, TEST + 0x1000);
    want(out.r.esi, 0xabcd0000);
    want(out.r.edi, 0x12341000);
    want(out.r.ecx, 0x77770002);
    want(mapped16(TEST + 0xffe), 0x0201);
}

static void several_places(void)
{
    begin("MOVSD with both pages missing reports the source");
    two_pages(TEST);
    set_pte(BOUNDARY, 0);
    in.esi = TEST + 8;
    in.edi = BOUNDARY + 8;
    run_paged(CODE("movsd"));
    want_page_fault(F_U, TEST + 8);
    begin("CMPSD with both pages missing reports the source");
    differs(QEMU, "reads the destination first; SDM \"CMPS/CMPSB/CMPSW/CMPSD/CMPSQ\"");
    two_pages(TEST);
    set_pte(BOUNDARY, 0);
    in.esi = TEST + 8;
    in.edi = BOUNDARY + 8;
    run_paged(CODE("cmpsd"));
    want_page_fault(F_U, TEST + 8);
    begin("PUSH m32 with the stack missing leaves ESP");
    two_pages(BOUNDARY);
    in.esp = BOUNDARY + 4;
    in.ebx = TEST;
    run_paged(CODE("push dword ptr [ebx]"));
    want_page_fault(F_U | F_W, BOUNDARY);
    begin("POP m32 with the destination missing leaves ESP");
    two_pages(BOUNDARY);
    in.esp = TEST;
    in.ebx = BOUNDARY;
    run_paged(CODE("pop dword ptr [ebx]"));
    want_page_fault(F_U | F_W, BOUNDARY);
    begin("POP [ESP + 4094] addresses with the incremented ESP");
    two_pages(BOUNDARY);
    in.esp = TEST;
    run_paged(CODE("pop dword ptr [esp + 0xff8]; " HERE "pop dword ptr [esp + 0xff8]"));
    want_vector(PF);
    want(out.cr2, BOUNDARY);
    want(out.r.esp, TEST + 4);
    begin("XCHG with a register changes neither side at a fault");
    differs(QEMU, "the read of an exchange is reported as a read; SDM \"Page-Fault Exceptions\"");
    two_pages(BOUNDARY);
    in.ebx = BOUNDARY;
    run_paged(CODE("xchg [ebx], ebx"));
    want_page_fault(F_U | F_W, BOUNDARY);
    begin("CMPXCHG of a read-only page faults even if unequal");
    two_pages(BOUNDARY);
    map(BOUNDARY, E_P | E_US);
    in.ebx = BOUNDARY;
    run_paged(CODE("cmpxchg [ebx], ecx"));
    want_page_fault(F_U | F_W | F_P, BOUNDARY);
    begin("CMPXCHG8B of a read-only page faults even if unequal");
    two_pages(BOUNDARY);
    map(BOUNDARY, E_P | E_US);
    in.esi = BOUNDARY;
    run_paged(CODE("cmpxchg8b [esi]"));
    want_page_fault(F_U | F_W | F_P, BOUNDARY);
    begin("CMPXCHG sets the dirty flag even if unequal");
    two_pages(BOUNDARY);
    in.ebx = TEST;
    in.eax = 5;
    run_paged(CODE("cmpxchg [ebx], ecx"));
    want_done();
    want((uint32_t)get_pte(TEST) & E_D, E_D);
    begin("a shift by 0 of a read-only page writes nothing or faults");
    two_pages(BOUNDARY);
    map(BOUNDARY, E_P | E_US);
    in.ebx = BOUNDARY;
    in.ecx = 0;
    run_paged(CODE("shl dword ptr [ebx], cl"));
    if (out.vector != UD) /* the manual does not say whether the write cycle happens */
        want_page_fault(F_U | F_W | F_P, BOUNDARY);
    begin("ARPL that raises the RPL on a read-only page");
    two_pages(BOUNDARY);
    map(BOUNDARY, E_P | E_US);
    in.ebx = BOUNDARY;
    in.ecx = 3;
    run_paged(CODE("arpl [ebx], cx"));
    want_page_fault(F_U | F_W | F_P, BOUNDARY);
    begin("BT of a register's bit far away faults there");
    two_pages(BOUNDARY);
    in.ebx = TEST;
    in.eax = 0x1000 * 8 + 5;
    run_paged(CODE("bt [ebx], eax"));
    want_page_fault(F_U, BOUNDARY);
    begin("BTS of a register's bit before the page faults there");
    differs(QEMU, "the read of a read-modify-write is reported as a read; SDM \"Page-Fault Exceptions\"");
    two_pages(TEST);
    in.ebx = BOUNDARY;
    in.eax = -1u;
    run_paged(CODE("bts [ebx], eax"));
    want_page_fault(F_U | F_W, BOUNDARY - 4);

    for (unsigned level = 0; level < 4; level++) {
        static const struct code *code[4];
        code[0] = CODE("enter 8, 0"), code[1] = CODE("enter 8, 1"), code[2] = CODE("enter 8, 2"),
        code[3] = CODE("enter 8, 3");
        for (unsigned room = 0; room <= level; room++) {
            begin("ENTER 8, %u with room for %u of its pushes", level, room);
            if (level)
                differs(QEMU, "the frame pointer changes before the fault; SDM \"ENTER\"");
            two_pages(TEST);
            in.esp = BOUNDARY + 4 * room;
            in.ebp = DATA_AREA + 0x100;
            run_paged(code[level]);
            want_page_fault(F_U | F_W, BOUNDARY - 4);
        }
    }
    begin("ENTER 2048, 0 touches the page where ESP ends up");
    differs(QEMU, "does not touch it; SDM \"ENTER\": the last check is a write to the new top of the stack");
    two_pages(TEST);
    in.esp = BOUNDARY + 0x100;
    run_paged(CODE("enter 0x800, 0"));
    want_page_fault(F_U | F_W, BOUNDARY + 0x100 - 4 - 0x800);
    begin("ENTER 8, 2 with the old frame missing");
    two_pages(BOUNDARY);
    in.esp = TEST + 0x800;
    in.ebp = BOUNDARY + 0x100;
    differs(QEMU, "the frame pointer changes before the fault; SDM \"ENTER\"");
    run_paged(CODE("enter 8, 2"));
    want_page_fault(F_U, BOUNDARY + 0x100 - 4);
    begin("LEAVE with the frame missing leaves ESP and EBP");
    two_pages(BOUNDARY);
    in.ebp = BOUNDARY;
    run_paged(CODE("leave"));
    want_page_fault(F_U, BOUNDARY);
    begin("PUSHA with the stack missing halfway leaves ESP");
    two_pages(TEST);
    in.esp = BOUNDARY + 12;
    run_paged(CODE("pushad"));
    want_vector(PF);
    want(out.error, F_U | F_W);
    want_masked("cr2 page", out.cr2, TEST, ~0xfffu);
    want(out.r.esp, in.esp);
    begin("near CALL with the stack missing stays at the call");
    two_pages(TEST);
    in.esp = BOUNDARY;
    run_paged(CODE("call 1f; nop; 1:"));
    want_page_fault(F_U | F_W, BOUNDARY - 4);
    begin("far CALL with the stack missing halfway loads no CS");
    differs(QEMU, "pushes as a supervisor; SDM \"Page-Fault Exceptions\"");
    two_pages(TEST);
    in.esp = BOUNDARY + 4;
    run_paged(CODE("call 0x3b, offset 1f; nop; 1:"));
    want_vector(PF);
    want(out.error, F_U | F_W);
    want(out.cr2, BOUNDARY - 4);
    want(out.r.cs, CODE32(3));
    want(out.r.esp, in.esp);
    begin("LES with the selector missing loads neither");
    two_pages(BOUNDARY);
    in.ebx = BOUNDARY - 4;
    run_paged(CODE("les ecx, [ebx]"));
    want_page_fault(F_U, BOUNDARY);
    begin("BOUND with the upper bound missing raises #PF though the lower one is exceeded");
    two_pages(BOUNDARY);
    in.ebx = BOUNDARY - 4;
    mapped32(BOUNDARY - 4) = 100;
    in.eax = 5;
    run_paged(CODE("bound eax, [ebx]"));
    want_page_fault(F_U, BOUNDARY);
    begin("IN to memory: INSB checks the page before the port is read");
    two_pages(BOUNDARY);
    in.eflags |= IOPL(3);
    in.edi = BOUNDARY;
    in.edx = 0x80;
    run_paged(CODE("insb"));
    want_page_fault(F_U | F_W, BOUNDARY);
    begin("OUTSB with the source missing writes nothing");
    two_pages(BOUNDARY);
    in.eflags |= IOPL(3);
    in.esi = BOUNDARY;
    in.edx = 0x80;
    run_paged(CODE("outsb"));
    want_page_fault(F_U, BOUNDARY);
    begin("REP INSB stops at the missing page with exact registers");
    two_pages(BOUNDARY);
    in.eflags |= IOPL(3);
    in.edi = BOUNDARY - 3;
    in.edx = 0x80;
    in.ecx = 7;
    run_paged(CODE("rep insb"));
    want_vector(PF);
    want(out.error, F_U | F_W);
    want(out.r.ecx, 4);
    want(out.r.edi, BOUNDARY);
}

void string_cases(void)
{
    repeated();
    several_places();
}
