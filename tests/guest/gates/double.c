/*
 * Exceptions while an exception is delivered: which are handled one after the other, which become #DF, and shutdown.
 * Source: SDM vol. 3 "Interrupt 8-Double Fault Exception (#DF)".
 */
#include "gates.h"

#define FLAT              (AR_32 | AR_G)
#define IDT_ERROR(vector) ((vector)*8 + 2)
#define EXT               1

/* Identity map of the first 4 MiB in 4 KiB pages at HIGH_AREA, and a not present page above it. */
#define PAGE_DIRECTORY ((volatile uint32_t *)HIGH_AREA)
#define PAGE_TABLE     ((volatile uint32_t *)(HIGH_AREA + 0x1000))
#define ABSENT_PAGE    0x300000
static void paging_on(void)
{
    memset((void *)HIGH_AREA, 0, 0x2000);
    PAGE_DIRECTORY[0] = (HIGH_AREA + 0x1000) | 7;
    for (uint32_t i = 0; i < 1024; i++)
        PAGE_TABLE[i] = i << 12 | 7;
    PAGE_TABLE[ABSENT_PAGE >> 12] = 0;
    in_cr3 = HIGH_AREA;
    in_cr0 |= CR0_PG;
}

/* ---- the first exception ---- */

enum first { F_DE, F_DB, F_BP, F_OF, F_BR, F_UD, F_NM, F_TS, F_NP, F_SS, F_GP, F_PF, F_AC, F_INT, N_FIRST };
static const struct {
    unsigned vector;
    const char *name;
    enum { BENIGN, CONTRIBUTORY, PAGE_FAULT } class;
    bool software; /* EXT clear in what follows */
} first_row[N_FIRST] = {
    {DE, "#DE", CONTRIBUTORY, false}, {DB, "INT1", BENIGN, false},      {BP, "INT3", BENIGN, true},
    {OF, "INTO", BENIGN, true},       {BR, "#BR", BENIGN, false},       {UD, "#UD", BENIGN, false},
    {NM, "#NM", BENIGN, false},       {TS, "#TS", CONTRIBUTORY, false}, {NP, "#NP", CONTRIBUTORY, false},
    {SS, "#SS", CONTRIBUTORY, false}, {GP, "#GP", CONTRIBUTORY, false}, {PF, "#PF", PAGE_FAULT, false},
    {AC, "#AC", BENIGN, false},       {0x40, "INT 40h", BENIGN, true}};

/* Sets the machine up at CPL 3 and returns the snippet that raises it. */
static const struct code *raise_first(enum first first)
{
    ring(3);
    in.eax = 0;
    switch (first) {
    case F_DE:
        return CODE("div al");
    case F_DB:
        return CODE(".byte 0xf1");
    case F_BP:
        return CODE("int3");
    case F_OF:
        in.eflags |= 0x800;
        return CODE("into");
    case F_BR:
        data32[0] = data32[1] = 1;
        return CODE("bound eax, [0x70000]");
    case F_UD:
        return CODE("ud2; nop");
    case F_NM:
        in_cr0 |= CR0_TS;
        return CODE("fnop");
    case F_TS:
        tss.ss1 = 0;
        slot(10, gate(CODE32(1), 0x20000, AR_CALL32 | AR_DPL(3), 0));
        return CODE("call 0x150, 0"); /* SLOT(10) */
    case F_NP:
        in.eax = slot(10, descriptor(0, 0, (AR_DATA & ~AR_PRESENT) | AR_DPL(3))) | 3;
        return CODE("mov ds, ax");
    case F_SS:
        in.eax = slot(10, descriptor(0, 0, (AR_DATA & ~AR_PRESENT) | AR_DPL(3))) | 3;
        return CODE("mov ss, ax");
    case F_GP:
        return CODE("hlt; nop");
    case F_PF:
        paging_on();
        return CODE("mov eax, ds:[0x300000]");
    case F_AC:
        in_cr0 |= CR0_AM;
        in.eflags |= ACF;
        return CODE("mov eax, ds:[0x70001]");
    default:
        return CODE("int 0x40");
    }
}

/* ---- the second one, by breaking the first one's gate ---- */

enum second { S_NP_GATE, S_GP_TYPE, S_GP_NULL, S_NP_CODE, S_TS, S_SS, N_SECOND };
static const struct {
    unsigned vector;
    const char *what;
} second_row[N_SECOND] = {{NP, "an absent gate"}, {GP, "a gate of no gate type"}, {GP, "a gate to the null selector"},
                          {NP, "absent code"},    {TS, "a null inner stack"},     {SS, "an absent inner stack"}};

static uint32_t break_gate(unsigned vector, enum second second, uint32_t ext)
{
    switch (second) {
    case S_NP_GATE:
        idt[vector] &= ~(0x80ull << 40);
        return IDT_ERROR(vector) | ext;
    case S_GP_TYPE:
        idt[vector] = gate(CODE32(0), stub32(vector), 0xe8, 0);
        return IDT_ERROR(vector) | ext;
    case S_GP_NULL:
        idt[vector] = gate(0, stub32(vector), AR_INT32 | AR_DPL(3), 0);
        return ext;
    case S_NP_CODE:
        slot(11, descriptor(0, 0xfffff, (AR_CODE & ~AR_PRESENT) | FLAT));
        idt[vector] = gate(SLOT(11), stub32(vector), AR_INT32 | AR_DPL(3), 0);
        return SLOT(11) | ext;
    case S_TS:
        tss.ss1 = 0;
        idt[vector] = gate(CODE32(1), CODE("hlt")->start, AR_INT32 | AR_DPL(3), 0);
        return ext;
    default: /* ring 2, since #TS as the first needs ring 1 */
        tss.ss2 = slot(12, descriptor(0, 0xfffff, (AR_DATA & ~AR_PRESENT) | FLAT | AR_DPL(2))) | 2;
        idt[vector] = gate(CODE32(2), CODE("hlt")->start, AR_INT32 | AR_DPL(3), 0);
        return SLOT(12) | ext;
    }
}

static const char *qemu_deviation(enum first first, enum second second)
{
    if (first == F_DB)
        return "INT1 raises nothing; SDM \"INT n/INTO/INT3/INT1\"";
    if (second == S_SS)
        return "raises #TS; SDM \"INT n/INTO/INT3/INT1\"";
    return first_row[first].software ? NULL : NO_EXT;
}

static void pairs(void)
{
    for (enum first first = 0; first < N_FIRST; first++) {
        for (enum second second = 0; second < N_SECOND; second++) {
            bool serial = first_row[first].class == BENIGN;
            begin("%s meets %s: %s", first_row[first].name, second_row[second].what,
                  serial ? "the second exception is delivered" : "#DF");
            if (serial && qemu_deviation(first, second))
                differs(QEMU, qemu_deviation(first, second));
            const struct code *code = raise_first(first);
            unsigned vector = first_row[first].vector;
            uint32_t error = break_gate(vector, second, first_row[first].software ? 0 : EXT);
            run(code);
            if (!serial) {
                want(out.vector, DF);
                want(out.error, 0);
                want(out.handler_esp, RING0_TOP - 24);
                continue;
            }
            want(out.vector, second_row[second].vector);
            want(out.error, error);
            want(out.r.eip, in.eip);
            want(out.r.esp, in.esp);
        }
    }
}

/* ---- page faults as the second one: the IDT's own pages ---- */

/* A copy of the IDT with `absent` first entries on a page that is not there, or all from `absent` on. */
static void split_idt(unsigned absent, bool low)
{
    uint32_t boundary = ABSENT_PAGE + (low ? 0x1000 : 0), base = boundary - 8 * absent;
    memcpy((void *)base, idt, sizeof idt);
    idtr.base = base;
}

static void page_faults(void)
{
    static const struct {
        enum first first;
        unsigned absent;
    } rows[] = {{F_DE, 1}, {F_UD, 7}, {F_NM, 8}, {F_BR, 6}, {F_NP, 12}, {F_SS, 13}, {F_GP, 14}, {F_TS, 11}};
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        begin("%s meets a page fault: #PF is delivered", first_row[rows[i].first].name);
        const struct code *code = raise_first(rows[i].first);
        paging_on();
        split_idt(rows[i].absent, true);
        run(code);
        want(out.vector, PF);
        want(out.error, 0); /* a supervisor's read, though CPL is 3 */
        want(out.cr2, idtr.base + 8 * first_row[rows[i].first].vector);
        want(out.r.eip, in.eip);
    }
    begin("#PF meets a page fault: #DF");
    const struct code *code = raise_first(F_PF);
    split_idt(14, false);
    run(CODE("mov eax, ds:[0x300800]"));
    want(out.vector, DF);
    want(out.error, 0);
    begin("#PF meets a page fault on the inner stack: #DF on another stack is out of reach, on a task it is not");
    code = raise_first(F_PF);
    tss.esp1 = ABSENT_PAGE + 0x100;
    idt[PF] = gate(CODE32(1), CODE("hlt")->start, AR_INT32, 0);
    run(code);
    want(out.vector, DF);
    want(out.cr2, ABSENT_PAGE + 0x100 - 4);
    begin("#UD meets a page fault on the inner stack: #PF with W set");
    code = raise_first(F_UD);
    paging_on();
    tss.esp1 = ABSENT_PAGE + 0x100;
    idt[UD] = gate(CODE32(1), CODE("hlt")->start, AR_INT32, 0);
    run(code);
    want(out.vector, PF);
    want(out.error, 2);
    begin("#UD meets a TSS on an absent page: #PF");
    code = raise_first(F_UD);
    paging_on();
    /* SS1:ESP1 lie on the absent page, SS0:ESP0 before it. */
    memcpy((void *)(ABSENT_PAGE - 12), &tss, 0x68);
    gdt[SEG_TSS / 8] = descriptor(ABSENT_PAGE - 12, 0x67, AR_TSS32);
    idt[UD] = gate(CODE32(1), CODE("hlt")->start, AR_INT32, 0);
    run(code);
    want(out.vector, PF);
    want(out.error, 0);
}

/* ---- shutdown ---- */

static void shutdowns(void)
{
    begin("an IDT of limit 0 shuts the CPU down");
    idtr.limit = 0;
    run_to_shutdown(CODE("ud2"));
    for (enum second second = S_NP_GATE; second < N_SECOND; second++) {
        begin("#DF that meets %s shuts the CPU down", second_row[second].what);
        const struct code *code = raise_first(F_GP);
        break_gate(GP, S_NP_GATE, EXT);
        break_gate(DF, second, EXT);
        run_to_shutdown(code);
    }
    begin("#DF that meets a page fault shuts the CPU down");
    const struct code *code = raise_first(F_GP);
    paging_on();
    break_gate(GP, S_NP_GATE, EXT);
    split_idt(9, true);
    run_to_shutdown(code);
    begin("#DF with its inner stack on an absent page shuts the CPU down");
    code = raise_first(F_PF);
    tss.esp0 = ABSENT_PAGE + 0x100;
    run_to_shutdown(code);
    begin("an exception at CPL 0 on a stack without room shuts the CPU down");
    skip_on(QEMU, "pushes are not checked against the limit of the stack; SDM \"INT n/INTO/INT3/INT1\"");
    ring(0);
    in.eax = slot(0, descriptor(0, 0xff, AR_DATA | AR_32));
    run_to_shutdown(CODE("mov ss, ax; mov esp, 8; ud2"));
    begin("the machine goes on after all these shutdowns");
    run(CODE("nop"));
    want_done();
}

void double_faults(void)
{
    pairs();
    page_faults();
    shutdowns();
}
