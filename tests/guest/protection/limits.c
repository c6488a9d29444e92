/*
 * Limits and rights of loaded segments. Source: SDM vol. 3 "Limit Checking", "Type Checking", "Segment Descriptors".
 */
#include "protection.h"

/* Bytes offset..offset + size - 1 lie within the segment. */
static bool fits(uint32_t limit_field, uint32_t ar, uint32_t offset, uint32_t size)
{
    uint32_t limit = ar & AR_G ? limit_field << 12 | 0xfff : limit_field, last = offset + size - 1;
    if (last < offset)
        return false; /* not asked for with limit FFFFFFFF: the manual leaves it open */
    if ((ar & 0x0c) == 0x04)
        return offset > limit && last <= (ar & AR_32 ? 0xffffffff : 0xffff);
    return last <= limit;
}

static const struct row {
    uint32_t limit, ar;
    const char *what;
} segments[] = {
    {0, AR_DATA, "limit 0"},
    {1, AR_DATA, "limit 1"},
    {3, AR_DATA | AR_32, "limit 3"},
    {0xfff, AR_DATA, "limit FFF"},
    {0x1000, AR_DATA | AR_32, "limit 1000"},
    {0xffff, AR_DATA, "limit FFFF"},
    {0xfffe, AR_DATA | AR_32, "limit FFFE"},
    {0xfffff, AR_DATA, "limit FFFFF"},
    {0, AR_DATA | AR_G, "limit of one page"},
    {0xf, AR_DATA | AR_G | AR_32, "limit of sixteen pages"},
    {0, AR_DATA_DOWN, "expand-down, limit 0, 16-bit"},
    {0xfff, AR_DATA_DOWN, "expand-down, limit FFF, 16-bit"},
    {0xfffd, AR_DATA_DOWN, "expand-down, limit FFFD, 16-bit"},
    {0xffff, AR_DATA_DOWN, "expand-down, limit FFFF, 16-bit"},
    {0, AR_DATA_DOWN | AR_32, "expand-down, limit 0, 32-bit"},
    {0xffff, AR_DATA_DOWN | AR_32, "expand-down, limit FFFF, 32-bit"},
    {0xf, AR_DATA_DOWN | AR_32 | AR_G, "expand-down, limit of sixteen pages, 32-bit"},
    {0xfffff, AR_DATA_DOWN | AR_32 | AR_G, "expand-down, limit FFFFFFFF: empty"},
};

/* Through FS; 6 bytes: a far pointer, 8: CMPXCHG8B. */
static const struct code *probe(unsigned size, bool write)
{
    const struct code *const reads[] = {[1] = CODE("mov dl, fs:[ebx]"),
                                        [2] = CODE("mov dx, fs:[ebx]"),
                                        [4] = CODE("mov edx, fs:[ebx]"),
                                        [6] = CODE("lgs eax, fs:[ebx]")};
    const struct code *const writes[] = {[1] = CODE("mov fs:[ebx], dl"),
                                         [2] = CODE("mov fs:[ebx], dx"),
                                         [4] = CODE("mov fs:[ebx], edx"),
                                         [8] = CODE("lock cmpxchg8b fs:[ebx]")};
    return write ? writes[size] : reads[size];
}

static void probe_segment(const struct row *row, unsigned size, bool write)
{
    begin("%s of %u bytes at the edges of %s", write ? "a write" : "a read", size, row->what);
    differs(QEMU, NO_LIMITS);
    uint32_t edge = row->ar & AR_G ? row->limit << 12 | 0xfff : row->limit;
    uint32_t offsets[24], n = 0;
    for (uint32_t back = 9; back-- > 0;)
        if (edge >= back)
            offsets[n++] = edge - back;
    offsets[n++] = edge + 1;
    offsets[n++] = 0;
    offsets[n++] = 0xfffc;
    offsets[n++] = 0xfffe;
    offsets[n++] = 0xffff;
    offsets[n++] = 0x10000;
    offsets[n++] = 0x80000000;
    offsets[n++] = 0xfffffff8;
    for (unsigned i = 0; i < n; i++) {
        if (size == 6 && offsets[i] == 0x80000000)
            continue; /* no memory there to hold a null selector */
        note("offset %x", offsets[i]);
        ring(0);
        /* 32 MiB up, and FFFFFFFF wraps to the byte below: all of it is memory. */
        in.fs = slot(0, descriptor(0x2000000, row->limit, row->ar));
        in.ebx = offsets[i];
        in.eax = in.ecx = in.edx = 0;
        if (size == 6)
            ((volatile uint16_t *)(0x2000000 + in.ebx))[2] = 0; /* a null selector */
        run(probe(size, write));
        if (fits(row->limit, row->ar, offsets[i], size))
            want_done();
        else
            want_fault(GP, 0);
    }
}

static void stack_probe(const struct row *row, unsigned size)
{
    begin("a write of %u bytes through SS at the edges of %s", size, row->what);
    differs(QEMU, NO_LIMITS);
    uint32_t edge = row->ar & AR_G ? row->limit << 12 | 0xfff : row->limit;
    for (uint32_t offset = edge - 4; offset != edge + 3; offset++) {
        note("offset %x", offset);
        ring(3); /* the frame goes to the stack of ring 0 */
        in.ss = slot(0, descriptor(0x2000000, row->limit, row->ar | AR_DPL(3))) | 3;
        in.ebx = offset;
        run(size == 2 ? CODE("mov ss:[ebx], dx") : CODE("mov ss:[ebx], edx"));
        if (fits(row->limit, row->ar, offset, size))
            want_done();
        else
            want_fault(SS, 0);
    }
}

/* ---- stack instructions ---- */

static void stack_case(const char *what, const struct code *code, uint32_t esp, bool fault, uint32_t esp_after)
{
    begin("%s with SP %x in a 16-bit stack of limit FFFF %s", what, esp, fault ? "raises #SS(0)" : "completes");
    if (fault)
        differs(QEMU, NO_LIMITS);
    ring(3);
    in.ss = slot(0, descriptor(STACK_BASE, 0xffff, AR_DATA | AR_DPL(3))) | 3;
    in.esp = esp;
    in.ebp = esp;
    run(code);
    if (fault) {
        want_fault(SS, 0);
    } else {
        want_done();
        want_masked("sp", out.r.esp, esp_after, 0xffff);
    }
}

static void stack_limits(void)
{
    stack_case("PUSH of a word", CODE(".byte 0x66; push ax"), 2, false, 0);
    stack_case("PUSH of a word", CODE(".byte 0x66; push ax"), 1, true, 0);
    stack_case("PUSH of a word", CODE(".byte 0x66; push ax"), 0, false, 0xfffe);
    stack_case("PUSH of a doubleword", CODE("push eax"), 0, false, 0xfffc);
    stack_case("PUSH of a doubleword", CODE("push eax"), 2, true, 0);
    stack_case("PUSH of a doubleword", CODE("push eax"), 3, true, 0);
    stack_case("PUSH of a doubleword", CODE("push eax"), 4, false, 0);
    stack_case("POP of a doubleword", CODE("pop eax"), 0xfffc, false, 0);
    stack_case("POP of a doubleword", CODE("pop eax"), 0xfffd, true, 0);
    stack_case("POP of a word", CODE(".byte 0x66; pop ax"), 0xffff, true, 0);
    stack_case("POP of a word", CODE(".byte 0x66; pop ax"), 0xfffe, false, 0);
    stack_case("PUSHA", CODE("pushad"), 0x20, false, 0);
    stack_case("PUSHA", CODE("pushad"), 0x21, false, 1);
    stack_case("PUSHA", CODE("pushad"), 0x1e, true, 0);
    stack_case("PUSHA", CODE("pushad"), 0, false, 0xffe0);
    stack_case("POPA", CODE("popad"), 0xffe0, false, 0);
    stack_case("POPA", CODE("popad"), 0xffe2, true, 0);
    stack_case("near CALL", CODE("call 1f; 1: "), 2, true, 0);
    stack_case("near CALL", CODE("call 1f; 1: "), 4, false, 0);
    stack_case("ENTER 0,0", CODE("enter 0, 0"), 2, true, 0);
    stack_case("LEAVE", CODE("leave"), 0xfffe, true, 0);
    stack_case("PUSHF", CODE("pushfd"), 3, true, 0);
    stack_case("POPF", CODE("popfd"), 0xfffe, true, 0);
    stack_case("near RET", CODE("ret"), 0xfffe, true, 0);
    stack_case("far RET", CODE("retf"), 0xfffa, true, 0);
    stack_case("IRET", CODE("iretd"), 0xfff6, true, 0);

    begin("PUSH below a 32-bit expand-down stack raises #SS(0) and keeps ESP");
    differs(QEMU, NO_LIMITS);
    ring(3);
    in.ss = slot(0, descriptor(0, 0x8, AR_DATA_DOWN | AR_32 | AR_G | AR_DPL(3))) | 3;
    in.esp = 0x9000;
    run(CODE("push eax"));
    want_fault(SS, 0);
    begin("PUSH just above the limit of a 32-bit expand-down stack");
    ring(3);
    in.ss = slot(0, descriptor(0, 0x8, AR_DATA_DOWN | AR_32 | AR_G | AR_DPL(3))) | 3;
    in.esp = 0x9004;
    run(CODE("push eax"));
    want_done();
}

/* ---- rights ---- */

static void write_to_read_only(const char *what, const struct code *code)
{
    static const struct {
        uint32_t ar;
        const char *name;
    } kinds[] = {{AR_DATA_RO, "a read-only data segment"}, {AR_CODE, "a readable code segment"}};
    for (unsigned i = 0; i < 2; i++) {
        begin("%s to %s raises #GP(0)", what, kinds[i].name);
        differs(QEMU, NO_LIMITS);
        in.fs = in.es = slot(0, descriptor(DATA_AREA, 0xffff, kinds[i].ar | AR_32));
        in.edi = 0;
        in.eax = in.ecx = 0;
        data32[0] = data32[1] = 0x5a5a5a5a;
        run(code);
        want_fault(GP, 0);
        want(data32[0], 0x5a5a5a5a);
        want(data32[1], 0x5a5a5a5a);
    }
}

static void rights(void)
{
    write_to_read_only("MOV of a byte", CODE("mov fs:[0], al"));
    write_to_read_only("MOV of a doubleword", CODE("mov fs:[0], eax"));
    write_to_read_only("ADD", CODE("add fs:[0], eax"));
    write_to_read_only("LOCK INC", CODE("lock inc dword ptr fs:[0]"));
    write_to_read_only("XCHG", CODE("xchg fs:[0], edx"));
    write_to_read_only("a failing CMPXCHG", CODE("cmpxchg fs:[0], edx"));
    write_to_read_only("CMPXCHG8B", CODE("cmpxchg8b fs:[0]"));
    write_to_read_only("XADD", CODE("xadd fs:[0], edx"));
    write_to_read_only("BTS", CODE("bts dword ptr fs:[0], 1"));
    write_to_read_only("SHL", CODE("shl dword ptr fs:[0], 1"));
    write_to_read_only("SHL by 0", CODE("shl dword ptr fs:[0], cl"));
    write_to_read_only("NEG", CODE("neg dword ptr fs:[0]"));
    write_to_read_only("SETZ", CODE("setz byte ptr fs:[0]"));
    write_to_read_only("STOSB", CODE("stosb"));
    write_to_read_only("MOVSB", CODE("mov esi, 0x70004;" HERE "movsb"));
    write_to_read_only("SGDT", CODE("sgdt fs:[0]"));
    write_to_read_only("SLDT", CODE("sldt fs:[0]"));
    write_to_read_only("SMSW", CODE("smsw fs:[0]"));
    write_to_read_only("POP to memory", CODE("push 1;" HERE "pop dword ptr fs:[0]"));
    write_to_read_only("MOV of a segment register", CODE("mov fs:[0], ss"));
    write_to_read_only("ARPL that changes nothing in memory's favour", CODE("mov ecx, 3; " HERE "arpl fs:[0], cx"));

    begin("a write through a CS override raises #GP(0)");
    differs(QEMU, NO_LIMITS);
    run(CODE("mov cs:[0x70000], eax"));
    want_fault(GP, 0);
    begin("a read through a CS override is allowed");
    data32[0] = 0x600df00d;
    run(CODE("mov eax, cs:[0x70000]"));
    want_done();
    want(out.r.eax, 0x600df00d);
    begin("a read through a CS override of an execute-only segment raises #GP(0)");
    differs(QEMU, NO_LIMITS);
    in.cs = slot(0, descriptor(0, 0xfffff, AR_CODE_XO | AR_32 | AR_G));
    run(CODE("mov eax, cs:[0x70000]"));
    want_fault(GP, 0);
    begin("execution in an execute-only segment is allowed");
    in.cs = slot(0, descriptor(0, 0xfffff, AR_CODE_XO | AR_32 | AR_G));
    run(CODE("nop"));
    want_done();
    begin("a read of read-only data is allowed");
    data32[0] = 0x600df00d;
    in.fs = slot(0, descriptor(DATA_AREA, 0xffff, AR_DATA_RO | AR_32));
    run(CODE("mov eax, fs:[0]; test fs:[0], eax; cmp dword ptr fs:[0], 1; push dword ptr fs:[0]"));
    want_done();
    want(out.r.eax, 0x600df00d);
}

/* ---- code ---- */

static void code_limits(void)
{
    const struct code *straddle = CODE("nop; nop;" HERE "mov eax, 0x12345678; nop");
    for (unsigned missing = 0; missing < 5; missing++) {
        begin("an instruction of 5 bytes with %u of them beyond the CS limit%s", missing,
              missing ? " raises #GP(0)" : "");
        differs(QEMU, "TCG checks no limit of CS while fetching; SDM \"Limit Checking\"");
        if (missing)
            differs(BOCHS, "a decoded instruction is not checked against the new limit; SDM \"Limit Checking\"");
        in.cs = slot(0, descriptor(0, straddle->here + 4 - missing, AR_CODE | AR_32));
        run(straddle);
        if (missing) {
            want_fault(GP, 0);
        } else { /* the next one is out */
            want(out.vector, GP);
            want(out.r.eip, straddle->here + 5);
            want(out.r.eax, 0x12345678);
        }
    }
    const struct {
        const char *what;
        bool taken;
        const struct code *code;
    } rows[] = {{"JMP", true, CODE("jmp .+0x1000")},
                {"CALL", true, CODE("call .+0x1000")},
                {"a taken Jcc", true, CODE("cmp eax, eax;" HERE "je .+0x1000")},
                {"an untaken Jcc", false, CODE("cmp eax, eax;" HERE "jne .+0x1000")},
                {"indirect JMP", true, CODE("mov eax, 0x1ffff;" HERE "jmp eax")},
                {"indirect CALL", true, CODE("mov eax, 0x1ffff;" HERE "call eax")},
                {"RET", true, CODE("push 0x1ffff;" HERE "ret")},
                {"RET n", true, CODE("push 0x1ffff;" HERE "ret 8")},
                {"LOOP", true, CODE("mov ecx, 2;" HERE "loop .+0x70")},
                {"JECXZ", true, CODE("xor ecx, ecx;" HERE "jecxz .+0x70")}};
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        begin("%s to an offset beyond the CS limit %s", rows[i].what,
              rows[i].taken ? "raises #GP(0) at itself" : "goes on");
        if (rows[i].taken)
            skip_on(QEMU, "TCG checks no limit of CS at near jumps; SDM \"JMP\"");
        const struct code *code = rows[i].code;
        in.cs = slot(0, descriptor(0, code->end + 8, AR_CODE | AR_32));
        run(code);
        if (rows[i].taken)
            want_fault(GP, 0);
        else
            want_done();
        /* What the instruction would have changed. */
        want(out.r.esp, in.esp - (rows[i].what[0] == 'R' ? 4 : 0));
        if (rows[i].what[0] == 'L')
            want(out.r.ecx, 2);
    }
    begin("a JMP with a 16-bit operand clears the upper half of EIP");
    /* EIP low half stays within the snippet segment when CS has its base. */
    in.cs = slot(0, descriptor(SNIPPET_BASE, 0xffff, AR_CODE | AR_32));
    run(CODE(".byte 0x66, 0xe9, 0, 0; nop"));
    want_done();
    begin("code at offset 0 after a wrap of a 16-bit IP in a segment of limit FFFF raises #GP(0)");
    differs(QEMU, "TCG checks no limit of CS while fetching; SDM \"Limit Checking\"");
    /* A two-byte instruction lies across FFFF: base is such that the last byte of the segment is the snippet's first.
     */
    const struct code *edge = CODE16("mov al, 1; nop");
    ring16(0);
    in.cs = slot(0, descriptor(edge->start - 0xffff, 0xffff, AR_CODE));
    run(edge);
    want_fault(GP, 0);
}

void segment_limits(void)
{
    static const uint8_t sizes[] = {1, 2, 4, 6, 8};
    for (unsigned i = 0; i < sizeof segments / sizeof segments[0]; i++) {
        for (unsigned j = 0; j < sizeof sizes; j++) {
            if (sizes[j] <= 6)
                probe_segment(&segments[i], sizes[j], false);
            if (sizes[j] != 6)
                probe_segment(&segments[i], sizes[j], true);
        }
        if (segments[i].limit < 0xfffff && segments[i].limit > 3)
            stack_probe(&segments[i], 2), stack_probe(&segments[i], 4);
    }
    stack_limits();
    rights();
    code_limits();
}
