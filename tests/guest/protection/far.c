/*
 * Far JMP, CALL, RET and IRET within protected mode: code segments and call gates.
 * Source: SDM vol. 2 "JMP", "CALL", "RET", "IRET"; vol. 3 "Privilege Level Checking When Transferring Program Control
 * Between Code Segments". Task gates and TSSs as targets: task.c.
 */
#include "protection.h"

#define OK   0xff
#define FLAT (AR_32 | AR_G)

/* data32[0], data16[2]: the far pointer of the snippets. */
static void far_pointer(uint32_t selector, uint32_t offset)
{
    data32[0] = offset;
    data32[1] = selector;
}
static const struct code *jmp_code(void)
{
    return CODE("jmp fword ptr [0x70000]");
}
static const struct code *call_code(void)
{
    return CODE("call fword ptr [0x70000]");
}

/* A direct far JMP or CALL to a segment with access byte ar; not for gates and TSSs. */
static unsigned direct_result(uint32_t ar, unsigned cpl, unsigned rpl)
{
    unsigned dpl = ar >> 5 & 3;
    if ((ar & 0x18) != 0x18)
        return GP;
    if (ar & 4 ? dpl > cpl : rpl > cpl || dpl != cpl)
        return GP;
    return ar & AR_PRESENT ? OK : NP;
}

static void direct_row(bool call, unsigned cpl, unsigned type, bool present)
{
    begin("a far %s at CPL %u to a %s descriptor of type %x, %s", call ? "CALL" : "JMP", cpl,
          type & 0x10 ? "segment" : "system", type & 15, present ? "present" : "not present");
    if ((type & 0x19) == 0x18 && present)
        differs(QEMU,
                "far transfers do not set the accessed bit; SDM vol. 3 \"Code- and Data-Segment Descriptor Types\"");
    const struct code *landing = LANDING();
    for (unsigned dpl = 0; dpl < 4; dpl++) {
        for (unsigned rpl = 0; rpl < 4; rpl++) {
            note("DPL %u RPL %u", dpl, rpl);
            ring(cpl);
            uint32_t ar = type | AR_DPL(dpl) | (present ? AR_PRESENT : 0);
            uint32_t selector = slot(0, descriptor(0, 0xfffff, ar | FLAT)) | rpl;
            far_pointer(selector, landing->start);
            const struct code *code = call ? call_code() : jmp_code();
            run(code);
            unsigned result = direct_result(ar, cpl, rpl);
            if (result != OK) {
                want_fault(result, selector & ~3u);
                want((uint32_t)(gdt[SLOT(0) / 8] >> 40) & 0xff, ar & 0xff);
                continue;
            }
            want_at(landing->start);
            want(out.r.cs, SLOT(0) | cpl);
            want(out.r.ss, in.ss);
            want((uint32_t)(gdt[SLOT(0) / 8] >> 40) & 1, 1);
            want(out.r.esp, in.esp - (call ? 8 : 0));
            if (call) {
                const volatile uint32_t *stack = (const uint32_t *)out.r.esp;
                want(stack[0], code->end);
                want(stack[1] & 0xffff, CODE32(cpl));
            }
        }
    }
}

static void direct_corners(bool call)
{
    const char *name = call ? "CALL" : "JMP";
    const struct code *code = call ? call_code() : jmp_code();
    for (unsigned rpl = 0; rpl < 4; rpl++) {
        begin("a far %s to the null selector with RPL %u raises #GP(0)", name, rpl);
        far_pointer(rpl, LANDING()->start);
        run(code);
        want_fault(GP, 0);
    }
    begin("a far %s beyond the GDT limit raises #GP(selector)", name);
    far_pointer(GDT_ENTRIES * 8, LANDING()->start);
    run(code);
    want_fault(GP, GDT_ENTRIES * 8);
    begin("a far %s beyond the limit of the new segment raises #GP(0)", name);
    if (call)
        differs(QEMU, "the error code is the selector; SDM \"CALL\"");
    const struct code *landing = LANDING();
    far_pointer(slot(0, descriptor(0, landing->start - 1, AR_CODE | AR_32)), landing->start);
    run(code);
    want_fault(GP, 0);
    begin("a far %s to the last byte of the new segment arrives", name);
    far_pointer(slot(0, descriptor(0, landing->start + 1, AR_CODE | AR_32)), landing->start);
    run(code);
    want_at(landing->start);
    begin("a far %s into the LDT", name);
    ldt[5] = descriptor(0, 0xfffff, AR_CODE | FLAT);
    far_pointer(LDT_SLOT(5), landing->start);
    run(code);
    want_at(landing->start);
    want(out.r.cs, LDT_SLOT(5));
    begin("a far %s to a 16-bit segment", name);
    const struct code *landing16 = CODE16("mov ax, sp");
    far_pointer(SEG_CODE16(0), LOW(landing16->start));
    run(code);
    want_at(landing16->end);
    want(out.r.cs, SEG_CODE16(0));
    want(out.r.eax & 0xffff, out.r.esp & 0xffff);
    want(out.r.eax >> 16, in.eax >> 16);
    begin("a far %s ptr16:32", name);
    run(call ? CODE("call 0x08, offset 1f; ud2; 1: nop") : CODE("jmp 0x08, offset 1f; ud2; 1: nop"));
    want_done();
    begin("a far %s with a 16-bit operand takes 16 bits of offset", name);
    data32[0] = SEG_CODE16(0) << 16 | LOW(landing16->start);
    run(call ? CODE(".byte 0x66; call fword ptr [0x70000]") : CODE(".byte 0x66; jmp fword ptr [0x70000]"));
    want_at(landing16->end);
    want(out.r.esp, in.esp - (call ? 4 : 0));
    begin("a far %s with a register operand raises #UD", name);
    run(call ? CODE(".byte 0xff, 0xd8; nop") : CODE(".byte 0xff, 0xe8; nop"));
    want_fault(UD, 0);
    begin("a far %s to conforming code keeps CPL 3", name);
    ring(3);
    far_pointer(slot(0, descriptor(0, 0xfffff, AR_CONFORMING | FLAT)) | 0, landing->start);
    run(code);
    want_at(landing->start);
    want(out.r.cs, SLOT(0) | 3);
}

/* ---- call gates ---- */

/* Results name the selector of the error code: 1 the gate's, 2 the code segment's. */
static unsigned gate_result(bool call, unsigned cpl, unsigned rpl, uint32_t gate_ar, uint32_t code_ar,
                            unsigned *selector)
{
    unsigned gate_dpl = gate_ar >> 5 & 3, dpl = code_ar >> 5 & 3;
    *selector = 1;
    if (gate_dpl < cpl || rpl > gate_dpl)
        return GP;
    if (!(gate_ar & AR_PRESENT))
        return NP;
    *selector = 2;
    if ((code_ar & 0x18) != 0x18 || dpl > cpl)
        return GP;
    if (!call && !(code_ar & 4) && dpl != cpl)
        return GP;
    return code_ar & AR_PRESENT ? OK : NP;
}

static void gate_row(bool call, bool wide, unsigned cpl, uint32_t code_type, unsigned code_dpl)
{
    begin("a far %s at CPL %u through a %u-bit call gate to type %x of DPL %u", call ? "CALL" : "JMP", cpl,
          wide ? 32 : 16, code_type, code_dpl);
    if (call && (code_type & 4) && code_dpl < cpl)
        differs(QEMU, "a gate to conforming code changes CPL; SDM \"CALL\"");
    else if (!call && (code_type & 8))
        differs(QEMU, "JMP through a gate to absent code raises #GP, not #NP; SDM \"JMP\"");
    const struct code *landing = LANDING(), *code = call ? call_code() : jmp_code();
    static const uint32_t tops[] = {RING0_TOP, RING1_TOP, RING2_TOP};
    for (unsigned i = 0; i < 64; i++) {
        unsigned gate_dpl = i & 3, rpl = i >> 2 & 3;
        bool present = !(i >> 4 & 1), code_present = !(i >> 5 & 1);
        note("gate DPL %u RPL %u%s%s", gate_dpl, rpl, present ? "" : ", gate not present",
             code_present ? "" : ", code not present");
        ring(cpl);
        uint32_t code_ar = code_type | AR_DPL(code_dpl) | (code_present ? AR_PRESENT : 0);
        /* Both widths reach the landing: base SNIPPET_BASE. */
        uint32_t target = slot(1, descriptor(SNIPPET_BASE, 0xffff, code_ar | AR_32));
        uint32_t gate_ar =
            ((wide ? AR_CALL32 : AR_CALL16) & ~AR_PRESENT) | AR_DPL(gate_dpl) | (present ? AR_PRESENT : 0);
        /* The RPL of the gate's own selector field is ignored. */
        uint32_t selector = slot(0, gate(target | 3, LOW(landing->start), gate_ar, 0)) | rpl;
        far_pointer(selector, 0xdeadbeef);
        run(code);
        unsigned which, result = gate_result(call, cpl, rpl, gate_ar, code_ar, &which);
        if (result != OK) {
            want_fault(result, which == 1 ? SLOT(0) : SLOT(1));
            continue;
        }
        bool inner = call && !(code_type & 4) && code_dpl < cpl;
        unsigned new_cpl = inner ? code_dpl : cpl, unit = wide ? 4 : 2;
        want_at(landing->start);
        want(out.r.cs, SLOT(1) | new_cpl);
        want(out.r.ss, DATA32(new_cpl));
        uint32_t top = inner ? tops[new_cpl] : in.esp;
        want(out.r.esp, top - (call ? (inner ? 4 : 2) * unit : 0));
        if (!call)
            continue;
        uint32_t field[4];
        for (unsigned f = 0; f < 4; f++)
            field[f] = wide ? ((const uint32_t *)out.r.esp)[f] : ((const uint16_t *)out.r.esp)[f];
        want_equal("return EIP", field[0], wide ? code->end : code->end & 0xffff);
        want_equal("return CS", field[1] & 0xffff, CODE32(cpl));
        if (inner) {
            want_equal("return ESP", field[2], wide ? in.esp : in.esp & 0xffff);
            want_equal("return SS", field[3] & 0xffff, DATA32(cpl));
        }
    }
}

static void gate_corners(void)
{
    const struct code *landing = LANDING();
    for (unsigned wide = 0; wide < 2; wide++) {
        uint32_t target = SEG_LOW32;
        for (unsigned count = 0; count < 32; count++) {
            begin("a %u-bit call gate copies %u parameters", wide ? 32 : 16, count);
            ring(3);
            unsigned unit = wide ? 4 : 2;
            for (unsigned i = 0; i < 40; i++)
                ((volatile uint32_t *)(in.esp))[i] = 0x10001 * i + 0x7000;
            far_pointer(slot(0, gate(target, LOW(landing->start), (wide ? AR_CALL32 : AR_CALL16) | AR_DPL(3), count)),
                        0);
            run(call_code());
            want_at(landing->start);
            want(out.r.esp, RING0_TOP - (4 + count) * unit);
            for (unsigned i = 0; i < count; i++) {
                uint32_t at = out.r.esp + (2 + i) * unit, from = in.esp + i * unit;
                want_equal("parameter", wide ? *(volatile uint32_t *)at : *(volatile uint16_t *)at,
                           wide ? *(volatile uint32_t *)from : *(volatile uint16_t *)from);
            }
            uint32_t old = out.r.esp + (2 + count) * unit;
            want_equal("old ESP", wide ? *(volatile uint32_t *)old : *(volatile uint16_t *)old,
                       wide ? in.esp : in.esp & 0xffff);
            want_equal("old SS", *(volatile uint16_t *)(old + unit), DATA32(3));
        }
        begin("a %u-bit call gate without a change of ring copies nothing", wide ? 32 : 16);
        far_pointer(slot(0, gate(target, LOW(landing->start), wide ? AR_CALL32 : AR_CALL16, 5)), 0);
        run(call_code());
        want_at(landing->start);
        want(out.r.esp, in.esp - (wide ? 8 : 4));
    }
    begin("a call gate with parameters out of a 16-bit stack takes them at SS:SP");
    differs(BOCHS, "pushes SP, not ESP, of a 16-bit stack; SDM \"CALL\"");
    ring(3);
    in.ss = SEG_DATA16(3);
    in.esp = 0x1234f000;
    *(volatile uint32_t *)(STACK_BASE + 0xf000) = 0x11112222;
    far_pointer(slot(0, gate(CODE32(0), landing->start, AR_CALL32 | AR_DPL(3), 1)), 0);
    run(CODE("mov esp, 0x1234f000; call fword ptr [0x70000]"));
    want_at(landing->start);
    want(*(volatile uint32_t *)(out.r.esp + 8), 0x11112222);
    want(*(volatile uint32_t *)(out.r.esp + 12), 0x1234f000);

    begin("a call gate to the null selector raises #GP(0)");
    far_pointer(slot(0, gate(0, landing->start, AR_CALL32, 0)), 0);
    run(call_code());
    want_fault(GP, 0);
    begin("a call gate to a selector beyond the GDT raises #GP(selector)");
    far_pointer(slot(0, gate(GDT_ENTRIES * 8, landing->start, AR_CALL32, 0)), 0);
    run(call_code());
    want_fault(GP, GDT_ENTRIES * 8);
    begin("a call gate to another call gate raises #GP(selector)");
    slot(1, gate(CODE32(0), landing->start, AR_CALL32, 0));
    far_pointer(slot(0, gate(SLOT(1), landing->start, AR_CALL32, 0)), 0);
    run(call_code());
    want_fault(GP, SLOT(1));
    begin("a call gate to an offset beyond the limit raises #GP(0)");
    differs(QEMU, "no check of EIP against the new limit; SDM \"CALL\"");
    slot(1, descriptor(0, landing->start - 1, AR_CODE | AR_32));
    far_pointer(slot(0, gate(SLOT(1), landing->start, AR_CALL32, 0)), 0);
    run(call_code());
    want_fault(GP, 0);
    begin("an inner call gate to an offset beyond the limit raises #GP(0)");
    differs(QEMU, "no check of EIP against the new limit; SDM \"CALL\"");
    ring(3);
    slot(1, descriptor(0, landing->start - 1, AR_CODE | AR_32));
    far_pointer(slot(0, gate(SLOT(1), landing->start, AR_CALL32 | AR_DPL(3), 0)), 0);
    run(call_code());
    want_fault(GP, 0);
    begin("an inner call gate to the last byte of its segment arrives");
    ring(3);
    slot(1, descriptor(0, landing->start + 1, AR_CODE | AR_32));
    far_pointer(slot(0, gate(SLOT(1), landing->start, AR_CALL32 | AR_DPL(3), 0)), 0);
    run(call_code());
    want_at(landing->start);
    begin("a call gate in the LDT");
    ldt[1] = gate(CODE32(0), landing->start, AR_CALL32 | AR_DPL(3), 0);
    ring(3);
    far_pointer(LDT_SLOT(1) | 3, 0);
    run(call_code());
    want_at(landing->start);
    want(out.r.cs, CODE32(0));
    begin("a call through an inner gate keeps EFLAGS");
    ring(3);
    in.eflags |= CF | DFLAG | IF | NT;
    far_pointer(slot(0, gate(CODE32(0), landing->start, AR_CALL32 | AR_DPL(3), 0)), 0);
    run(call_code());
    want_at(landing->start);
    want_masked("eflags", out.r.eflags, in.eflags, ~RF);
    for (unsigned type = 0; type < 16; type++) {
        if ((type >= 1 && type <= 5) || type == 9 || type == 0xb || type == 0xc)
            continue;
        begin("a far CALL to a gate of system type %x raises #GP(selector)", type);
        far_pointer(slot(0, gate(CODE32(0), landing->start, AR_PRESENT | type, 0)), 0);
        run(call_code());
        want_fault(GP, SLOT(0));
    }
}

/* ---- the current stack and the operand ---- */

static void call_room(void)
{
    static const struct {
        const char *what;
        uint32_t esp;
        bool gated, wide, fault;
    } rows[] = {{"a far CALL with 8 bytes of room", 8, false, true, false},
                {"a far CALL with 6 bytes of room", 6, false, true, true},
                {"a far CALL at SP 2", 2, false, true, true},
                {"a far CALL with a 16-bit operand at SP 3", 3, false, false, true},
                {"a far CALL with a 16-bit operand at SP 1", 1, false, false, true},
                {"a far CALL with a 16-bit operand at SP 4", 4, false, false, false},
                {"a CALL through a 32-bit gate within the ring at SP 6", 6, true, true, true},
                {"a CALL through a 32-bit gate within the ring at SP 8", 8, true, true, false},
                {"a CALL through a 16-bit gate within the ring at SP 3", 3, true, false, true},
                {"a CALL through a 16-bit gate within the ring at SP 4", 4, true, false, false}};
    const struct code *landing = LANDING();
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        begin("%s in a 16-bit stack %s", rows[i].what, rows[i].fault ? "raises #SS(0)" : "arrives");
        if (rows[i].fault)
            differs(QEMU, NO_LIMITS);
        ring(3);
        in.ss = slot(4, descriptor(STACK_BASE, 0xffff, AR_DATA | AR_DPL(3))) | 3;
        in.esp = rows[i].esp;
        uint32_t target = slot(5, descriptor(SNIPPET_BASE, 0xffff, AR_CODE | AR_32 | AR_DPL(3))) | 3;
        const struct code *code = call_code();
        if (rows[i].gated) {
            far_pointer(
                slot(0, gate(target, LOW(landing->start), (rows[i].wide ? AR_CALL32 : AR_CALL16) | AR_DPL(3), 0)), 0);
        } else if (rows[i].wide) {
            far_pointer(target, LOW(landing->start));
        } else {
            data32[0] = target << 16 | LOW(landing->start);
            code = CODE(".byte 0x66; call fword ptr [0x70000]");
        }
        run(code);
        if (rows[i].fault)
            want_fault(SS, 0);
        else
            want_at(landing->start);
    }
    for (unsigned call = 0; call < 2; call++) {
        begin("a far %s through a pointer cut by the segment's limit raises #GP(0)", call ? "CALL" : "JMP");
        differs(QEMU, NO_LIMITS);
        in.fs = slot(4, descriptor(DATA_AREA, 4, AR_DATA));
        far_pointer(CODE32(0), landing->start);
        run(call ? CODE("call fword ptr fs:[0]") : CODE("jmp fword ptr fs:[0]"));
        want_fault(GP, 0);
        begin("a far %s through a pointer of six bytes at the segment's limit", call ? "CALL" : "JMP");
        in.fs = slot(4, descriptor(DATA_AREA, 5, AR_DATA));
        far_pointer(CODE32(0), landing->start);
        run(call ? CODE("call fword ptr fs:[0]") : CODE("jmp fword ptr fs:[0]"));
        want_at(landing->start);
    }
}

/* ---- inner stacks of call gates: SDM "CALL", MORE-PRIVILEGE ---- */

struct stack_row {
    const char *what;
    uint32_t ss; /* selector; SLOT(1) is made from ar */
    uint32_t ar, limit, esp;
    unsigned vector;
    uint32_t error;
};

static void inner_stack(void)
{
    static const struct stack_row rows[] = {
        {"a null SS", 0, AR_DATA, 0xfffff, RING0_TOP, TS, 0},
        {"a null SS with RPL 2", 2, AR_DATA, 0xfffff, RING0_TOP, TS, 0},
        {"an SS beyond the GDT limit", GDT_ENTRIES * 8, AR_DATA, 0xfffff, RING0_TOP, TS, GDT_ENTRIES * 8},
        {"an SS beyond the LDT limit", LDT_SLOT(LDT_ENTRIES), AR_DATA, 0xfffff, RING0_TOP, TS, LDT_SLOT(LDT_ENTRIES)},
        {"an SS with RPL 1", SLOT(1) | 1, AR_DATA, 0xfffff, RING0_TOP, TS, SLOT(1)},
        {"an SS with DPL 1", SLOT(1), AR_DATA | AR_DPL(1), 0xfffff, RING0_TOP, TS, SLOT(1)},
        {"an SS with DPL 3 and RPL 3", SLOT(1) | 3, AR_DATA | AR_DPL(3), 0xfffff, RING0_TOP, TS, SLOT(1)},
        {"a read-only SS", SLOT(1), AR_DATA_RO, 0xfffff, RING0_TOP, TS, SLOT(1)},
        {"a code segment as SS", SLOT(1), AR_CODE, 0xfffff, RING0_TOP, TS, SLOT(1)},
        {"a TSS as SS", SLOT(1), AR_TSS32, 0xfffff, RING0_TOP, TS, SLOT(1)},
        {"a not present SS", SLOT(1), AR_DATA & ~AR_PRESENT, 0xfffff, RING0_TOP, SS, SLOT(1)},
        {"a not present read-only SS", SLOT(1), AR_DATA_RO & ~AR_PRESENT, 0xfffff, RING0_TOP, TS, SLOT(1)},
        {"an SS whose limit cuts the frame", SLOT(1), AR_DATA, RING0_TOP - 2, RING0_TOP, SS, SLOT(1)},
        {"an ESP of 12 in an expand-up SS", SLOT(1), AR_DATA, 0xff, 12, SS, SLOT(1)},
        {"an expand-down SS without room", SLOT(1), AR_DATA_DOWN, RING0_TOP - 13, RING0_TOP, SS, SLOT(1)},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct stack_row *row = &rows[i];
        begin("an inner call with %s raises #%s(SS)", row->what, row->vector == TS ? "TS" : "SS");
        if (row->vector == SS && i == 10)
            differs(QEMU, "raises #TS; SDM \"CALL\"");
        else if (row->vector == SS)
            differs(QEMU, "pushes are not checked against the limit of the new stack; SDM \"CALL\"");
        /* The exception itself needs a stack: the call goes to ring 1, the handler to ring 0. */
        ring(3);
        uint32_t error = row->error, ss = row->ss, ar = row->ar;
        if ((ss & ~7u) == SLOT(1)) { /* rows speak of ring 0: move all to ring 1 */
            ar += AR_DPL(1);
            ss = (ss & ~3u) | ((ss + 1) & 3);
        }
        slot(1, descriptor(0, row->limit, ar | AR_32));
        tss.ss1 = ss;
        tss.esp1 = row->esp;
        far_pointer(slot(0, gate(CODE32(1), LANDING()->start, AR_CALL32 | AR_DPL(3), 0)), 0);
        run(call_code());
        want_fault(row->vector, error);
    }
    begin("an inner call exactly fills an inner stack");
    ring(3);
    tss.ss1 = slot(1, descriptor(RING1_TOP, 0xfff, AR_DATA | AR_32 | AR_DPL(1))) | 1;
    tss.esp1 = 16;
    const struct code *landing = LANDING();
    far_pointer(slot(0, gate(CODE32(1), landing->start, AR_CALL32 | AR_DPL(3), 0)), 0);
    run(call_code());
    want_at(landing->start);
    want(out.r.esp, 0);
    begin("parameters count for the room on an inner stack");
    differs(QEMU, "pushes are not checked against the limit of the new stack; SDM \"CALL\"");
    ring(3);
    tss.ss1 = slot(1, descriptor(RING1_TOP, 0xfff, AR_DATA | AR_32 | AR_DPL(1))) | 1;
    tss.esp1 = 16;
    far_pointer(slot(0, gate(CODE32(1), landing->start, AR_CALL32 | AR_DPL(3), 1)), 0);
    run(call_code());
    want_fault(SS, SLOT(1));
    begin("a 16-bit inner stack wraps at 0");
    ring(3);
    tss.ss1 = slot(1, descriptor(RING1_TOP - 0x10000, 0xffff, AR_DATA | AR_DPL(1))) | 1;
    tss.esp1 = 0x12340000;
    far_pointer(slot(0, gate(CODE32(1), landing->start, AR_CALL32 | AR_DPL(3), 0)), 0);
    run(call_code());
    want_at(landing->start);
    want(out.r.esp & 0xffff, 0xfff0);
    begin("an inner call with a TSS too short for SS1:ESP1 raises #TS(TSS)");
    ring(3);
    /* SS0:ESP0 (4..9) stay within reach: the exception needs them. */
    gdt[SEG_TSS / 8] = descriptor((uint32_t)&tss, 0x0f, AR_TSS32);
    far_pointer(slot(0, gate(CODE32(1), landing->start, AR_CALL32 | AR_DPL(3), 0)), 0);
    run(call_code());
    want_fault(TS, SEG_TSS);
    begin("an inner call takes SP1 and SS1 of a 16-bit TSS");
    ring(3);
    gdt[SEG_TSS / 8] = descriptor((uint32_t)&tss16, 0x2b, AR_TSS16);
    tss16.ss0 = slot(2, descriptor(RING0_TOP - 0x8000, 0xffff, AR_DATA));
    tss16.sp0 = 0x8000;
    tss16.ss1 = slot(3, descriptor(RING1_TOP - 0x8000, 0xffff, AR_DATA | AR_DPL(1))) | 1;
    tss16.sp1 = 0x7000;
    far_pointer(slot(0, gate(CODE32(1), landing->start, AR_CALL32 | AR_DPL(3), 0)), 0);
    run(call_code());
    want_at(landing->start);
    want(out.r.ss, SLOT(3) | 1);
    want(out.r.esp & 0xffff, 0x7000 - 16);
    begin("an inner call loads SS with the accessed bit set");
    differs(QEMU, "far transfers do not set the accessed bit; SDM vol. 3 \"Code- and Data-Segment Descriptor Types\"");
    ring(3);
    tss.ss0 = slot(1, descriptor(0, 0xfffff, AR_DATA | FLAT));
    far_pointer(slot(0, gate(CODE32(0), landing->start, AR_CALL32 | AR_DPL(3), 0)), 0);
    run(call_code());
    want_at(landing->start);
    want((uint32_t)(gdt[SLOT(1) / 8] >> 40) & 0xff, AR_DATA | 1);
}

/* ---- RET and IRET ---- */

static unsigned return_result(uint32_t ar, unsigned cpl, unsigned rpl)
{
    unsigned dpl = ar >> 5 & 3;
    if ((ar & 0x18) != 0x18 || rpl < cpl)
        return GP;
    if (ar & 4 ? dpl > rpl : dpl != rpl)
        return GP;
    return ar & AR_PRESENT ? OK : NP;
}

/* A frame on the snippet's stack: [eip, cs, (eflags), esp, ss]. */
static const struct code *return_code(bool iret)
{
    return iret ? CODE("iretd") : CODE("retf");
}
static void return_frame(bool iret, uint32_t cs, uint32_t eip, uint32_t eflags, uint32_t ss, uint32_t esp)
{
    volatile uint32_t *stack = (volatile uint32_t *)(STACK_BASE + STACK_TOP - 0x100);
    in.esp = (uint32_t)stack;
    *stack++ = eip;
    *stack++ = cs;
    if (iret)
        *stack++ = eflags;
    *stack++ = esp;
    *stack++ = ss;
}

static void return_row(bool iret, unsigned cpl, unsigned type, bool present)
{
    begin("%s at CPL %u to a %s descriptor of type %x, %s", iret ? "IRET" : "far RET", cpl,
          type & 0x10 ? "segment" : "system", type & 15, present ? "present" : "not present");
    const struct code *landing = LANDING();
    for (unsigned dpl = 0; dpl < 4; dpl++) {
        for (unsigned rpl = 0; rpl < 4; rpl++) {
            note("DPL %u RPL %u", dpl, rpl);
            ring(cpl);
            uint32_t ar = type | AR_DPL(dpl) | (present ? AR_PRESENT : 0);
            uint32_t selector = slot(0, descriptor(0, 0xfffff, ar | FLAT)) | rpl;
            return_frame(iret, selector, landing->start, EF_FIXED | CF, DATA32(rpl), 0x87654);
            run(return_code(iret));
            unsigned result = return_result(ar, cpl, rpl);
            if (result != OK) {
                want_fault(result, selector & ~3u);
                continue;
            }
            want_at(landing->start);
            want(out.r.cs, selector);
            bool outer = rpl > cpl;
            want(out.r.ss, DATA32(rpl));
            want(out.r.esp, outer ? 0x87654 : in.esp + (iret ? 12 : 8));
            if (iret)
                want_masked("eflags", out.r.eflags, EF_FIXED | CF, 0xffff);
            /* Data segments of a more privileged ring are emptied. */
            uint32_t data = outer ? 0 : DATA32(cpl);
            want(out.r.ds, data);
            want(out.r.es, data);
            want(out.r.fs, data);
            want(out.r.gs, data);
        }
    }
}

static void outer_stack(bool iret)
{
    static const struct stack_row rows[] = {
        {"a null SS", 0, AR_DATA, 0, 0, GP, 0},
        {"a null SS with RPL 3", 3, AR_DATA, 0, 0, GP, 0},
        {"an SS beyond the GDT limit", GDT_ENTRIES * 8 + 3, AR_DATA, 0, 0, GP, GDT_ENTRIES * 8},
        {"an SS with RPL 2", SLOT(1) | 2, AR_DATA | AR_DPL(3), 0, 0, GP, SLOT(1)},
        {"an SS with DPL 2", SLOT(1) | 3, AR_DATA | AR_DPL(2), 0, 0, GP, SLOT(1)},
        {"a read-only SS", SLOT(1) | 3, AR_DATA_RO | AR_DPL(3), 0, 0, GP, SLOT(1)},
        {"a code segment as SS", SLOT(1) | 3, AR_CODE | AR_DPL(3), 0, 0, GP, SLOT(1)},
        {"a system segment as SS", SLOT(1) | 3, AR_LDT | AR_DPL(3), 0, 0, GP, SLOT(1)},
        {"a not present SS", SLOT(1) | 3, (AR_DATA & ~AR_PRESENT) | AR_DPL(3), 0, 0, SS, SLOT(1)},
    };
    const struct code *landing = LANDING();
    for (unsigned cpl = 0; cpl < 3; cpl++) {
        for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
            const struct stack_row *row = &rows[i];
            begin("%s from CPL %u to CPL 3 with %s raises #%s", iret ? "IRET" : "far RET", cpl, row->what,
                  row->vector == GP ? "GP" : "SS");
            if (row->vector == SS)
                differs(QEMU, "raises #NP; SDM \"RET\", \"IRET\"");
            if (iret && row->vector == SS)
                differs(BOCHS, "raises #NP; SDM \"IRET\"");
            ring(cpl);
            slot(1, descriptor(0, 0xfffff, row->ar | FLAT));
            return_frame(iret, CODE32(3), landing->start, EF_FIXED, row->ss, 0x87654);
            run(return_code(iret));
            want_fault(row->vector, row->error);
        }
    }
}

static void return_corners(bool iret)
{
    const char *name = iret ? "IRET" : "far RET";
    const struct code *landing = LANDING();
    for (unsigned rpl = 0; rpl < 4; rpl++) {
        begin("%s to the null selector with RPL %u raises #GP(0)", name, rpl);
        return_frame(iret, rpl, landing->start, EF_FIXED, DATA32(3), 0x87654);
        run(return_code(iret));
        want_fault(GP, 0);
    }
    begin("%s beyond the GDT limit raises #GP(selector)", name);
    return_frame(iret, GDT_ENTRIES * 8, landing->start, EF_FIXED, 0, 0);
    run(return_code(iret));
    want_fault(GP, GDT_ENTRIES * 8);
    begin("%s beyond the limit of the new segment raises #GP(0)", name);
    differs(QEMU, "no check of EIP against the new limit; SDM \"RET\", \"IRET\"");
    return_frame(iret, slot(0, descriptor(0, landing->start - 1, AR_CODE | AR_32)), landing->start, EF_FIXED, 0, 0);
    run(return_code(iret));
    want_fault(GP, 0);
    begin("%s to an outer ring beyond the limit of the new segment raises #GP(0)", name);
    differs(QEMU, "no check of EIP against the new limit; SDM \"RET\", \"IRET\"");
    return_frame(iret, slot(0, descriptor(0, landing->start - 1, AR_CODE | AR_32 | AR_DPL(3))) | 3, landing->start,
                 EF_FIXED, DATA32(3), 0x87654);
    run(return_code(iret));
    want_fault(GP, 0);

    for (unsigned to = 1; to < 4; to++) {
        begin("%s to CPL %u keeps what that ring may use and empties the rest", name, to);
        in.ds = CODE32(0) & ~7u ? slot(2, descriptor(0, 0xfffff, AR_CONFORMING | FLAT)) : 0; /* conforming code stays */
        in.es = DATA32(to);
        in.fs = DATA32(to - 1);
        in.gs = slot(3, descriptor(0, 0xfffff, AR_CODE | FLAT)); /* non-conforming code of DPL 0 goes */
        return_frame(iret, CODE32(to), landing->start, EF_FIXED, DATA32(to), 0x87654);
        run(return_code(iret));
        want_at(landing->start);
        want(out.r.ds, SLOT(2));
        want(out.r.es, DATA32(to));
        want(out.r.fs, 0);
        want(out.r.gs, 0);
    }
    begin("%s with a frame beyond the stack's limit raises #SS(0)", name);
    differs(QEMU, NO_LIMITS);
    ring(3);
    in.ss = slot(0, descriptor(0, 0x8fff, AR_DATA | AR_32 | AR_DPL(3))) | 3;
    in.esp = 0x8ffc;
    run(return_code(iret));
    want_fault(SS, 0);
    begin("%s with a 16-bit operand pops words", name);
    return_frame(iret, 0, 0, 0, 0, 0);
    volatile uint16_t *words = (volatile uint16_t *)in.esp;
    words[0] = LOW(landing->start);
    words[1] = SEG_LOW32;
    words[2] = EF_FIXED | ZF;
    run(iret ? CODE(".byte 0x66; iretd") : CODE(".byte 0x66; retf"));
    want_at(landing->start);
    want(out.r.cs, SEG_LOW32);
    want(out.r.esp, in.esp + (iret ? 6 : 4));
}

static void ret_with_count(void)
{
    const struct code *landing = LANDING();
    begin("a far RET n within a ring releases n bytes");
    return_frame(false, CODE32(0), landing->start, 0, 0, 0);
    run(CODE("retf 0x24"));
    want_at(landing->start);
    want(out.r.esp, in.esp + 8 + 0x24);
    begin("a far RET n to an outer ring releases n bytes of both stacks");
    volatile uint32_t *stack = (volatile uint32_t *)(in.esp = STACK_BASE + STACK_TOP - 0x100);
    stack[0] = landing->start;
    stack[1] = CODE32(3);
    stack[2] = stack[3] = stack[4] = 0xdead;
    stack[5] = 0x87654;
    stack[6] = DATA32(3);
    run(CODE("retf 12"));
    want_at(landing->start);
    want(out.r.esp, 0x87654 + 12);
    want(out.r.ss, DATA32(3));
    begin("a far RET to an outer 16-bit stack loads SP");
    stack = (volatile uint32_t *)(in.esp = STACK_BASE + STACK_TOP - 0x100);
    stack[0] = landing->start;
    stack[1] = CODE32(3);
    stack[2] = 0x0000fffe;
    stack[3] = SEG_DATA16(3);
    run(CODE("retf"));
    want_at(landing->start);
    want(out.r.ss, SEG_DATA16(3));
    want(out.r.esp & 0xffff, 0xfffe);
    begin("a far RET n to an outer 16-bit stack wraps SP");
    stack = (volatile uint32_t *)(in.esp = STACK_BASE + STACK_TOP - 0x100);
    stack[0] = landing->start;
    stack[1] = CODE32(3);
    stack[2] = 0xdead;
    stack[3] = 0x0000fffe;
    stack[4] = SEG_DATA16(3);
    run(CODE("retf 4"));
    want_at(landing->start);
    want(out.r.esp & 0xffff, 2);
}

void far_transfers(void)
{
    for (unsigned call = 0; call < 2; call++) {
        direct_corners(call);
        for (unsigned cpl = 0; cpl < 4; cpl++) {
            for (unsigned type = 0; type < 32; type++) {
                if (type == 1 || type == 9 || type == 4 || type == 0xc || type == 5)
                    continue; /* TSSs and gates */
                direct_row(call, cpl, type, true);
                direct_row(call, cpl, type, false);
            }
            for (unsigned dpl = 0; dpl < 4; dpl++) {
                for (unsigned wide = 0; wide < 2; wide++) {
                    gate_row(call, wide, cpl, 0x1a, dpl);
                    gate_row(call, wide, cpl, 0x1e, dpl);
                    gate_row(call, wide, cpl, 0x12, dpl);
                    gate_row(call, wide, cpl, 0x02, dpl);
                }
            }
        }
    }
    gate_corners();
    call_room();
    inner_stack();
    for (unsigned iret = 0; iret < 2; iret++) {
        return_corners(iret);
        outer_stack(iret);
        for (unsigned cpl = 0; cpl < 4; cpl++) {
            for (unsigned type = 0; type < 32; type++) {
                return_row(iret, cpl, type, true);
                return_row(iret, cpl, type, false);
            }
        }
    }
    ret_with_count();
}
