/* LAR, LSL, VERR, VERW, ARPL. Source: SDM vol. 2, the entries of these names; vol. 3 "Checking Access Rights". */
#include "protection.h"

enum verb { LAR, LSL, VERR, VERW };
static const char *const verb_name[] = {"LAR", "LSL", "VERR", "VERW"};

static bool visible(enum verb verb, uint32_t ar, unsigned cpl, unsigned rpl)
{
    unsigned dpl = ar >> 5 & 3, type = ar & 15;
    bool segment = ar & 0x10, code = segment && (type & 8);
    bool conforming = code && (type & 4);
    bool in_reach = conforming || (cpl <= dpl && rpl <= dpl);
    switch (verb) {
    case LAR:
        if (!segment && !(type >= 1 && type <= 5) && type != 9 && type != 0xb && type != 0xc)
            return false;
        return in_reach;
    case LSL:
        if (!segment && !(type >= 1 && type <= 3) && type != 9 && type != 0xb)
            return false;
        return in_reach;
    case VERR:
        return segment && (!code || (type & 2)) && in_reach;
    default:
        return segment && !code && (type & 2) && in_reach;
    }
}

static const struct code *verb_code(enum verb verb, bool wide)
{
    switch (verb) {
    case LAR:
        return wide ? CODE("lar eax, ecx") : CODE("lar ax, cx");
    case LSL:
        return wide ? CODE("lsl eax, ecx") : CODE("lsl ax, cx");
    case VERR:
        return CODE("verr cx");
    default:
        return CODE("verw cx");
    }
}

static void matrix_row(enum verb verb, unsigned cpl, unsigned type, bool present)
{
    begin("%s at CPL %u of a %s descriptor of type %x, %s", verb_name[verb], cpl, type & 0x10 ? "segment" : "system",
          type & 15, present ? "present" : "not present");
    for (unsigned i = 0; i < 32; i++) {
        unsigned dpl = i & 3, rpl = i >> 2 & 3;
        bool wide = i >> 4;
        uint32_t ar = type | AR_DPL(dpl) | (present ? AR_PRESENT : 0) | 0xd000; /* G, D, AVL */
        note("DPL %u RPL %u, %u-bit operand", dpl, rpl, wide ? 32 : 16);
        ring(cpl);
        in.ecx = slot(0, descriptor(0x12345678, 0xa9876, ar)) | rpl;
        for (unsigned zf = 0; zf < 2; zf++) {
            in.eflags = EF_FIXED | (zf ? ZF : 0) | CF;
            run(verb_code(verb, wide));
            want_done();
            bool expected = visible(verb, ar, cpl, rpl);
            want_masked("eflags", out.r.eflags, EF_FIXED | CF | (expected ? ZF : 0), 0xffff);
            uint32_t result = verb == LAR ? (ar & 0xf0ff) << 8 : 0xa9876fff;
            if (verb >= VERR || !expected)
                want(out.r.eax, in.eax);
            else if (wide) /* the manual leaves bits 19:16 of LAR's result open */
                want_masked("eax", out.r.eax, result, verb == LAR ? 0xfff0ffff : 0xffffffff);
            else
                want(out.r.eax, (in.eax & 0xffff0000) | (result & 0xffff));
        }
        want((uint32_t)(gdt[SLOT(0) / 8] >> 40) & 0xff, ar & 0xff); /* never sets accessed */
    }
}

static void corners(enum verb verb)
{
    const char *name = verb_name[verb];
    const struct code *code = verb_code(verb, true);
    for (unsigned rpl = 0; rpl < 4; rpl++) {
        begin("%s of the null selector with RPL %u clears ZF", name, rpl);
        in.ecx = rpl;
        in.eflags |= ZF;
        run(code);
        want_done();
        want(out.r.eflags & ZF, 0);
        want(out.r.eax, in.eax);
    }
    begin("%s beyond the GDT limit clears ZF", name);
    in.ecx = GDT_ENTRIES * 8;
    in.eflags |= ZF;
    run(code);
    want_done();
    want(out.r.eflags & ZF, 0);
    begin("%s of a descriptor cut by the GDT limit clears ZF", name);
    in.ecx = slot(0, descriptor(0, 0, AR_DATA));
    in.eflags |= ZF;
    gdtr.limit = SLOT(0) + 6;
    run(code);
    want_done();
    want(out.r.eflags & ZF, 0);
    begin("%s beyond the LDT limit clears ZF", name);
    in.ecx = LDT_SLOT(LDT_ENTRIES);
    in.eflags |= ZF;
    run(code);
    want_done();
    want(out.r.eflags & ZF, 0);
    begin("%s of an LDT descriptor", name);
    ldt[2] = descriptor(0, 0xfffff, AR_DATA);
    in.ecx = LDT_SLOT(2);
    run(code);
    want_done();
    want(out.r.eflags & ZF, ZF);
    begin("%s ignores the upper half of the selector's register", name);
    in.ecx = 0x12340000 | slot(0, descriptor(0, 0xfffff, AR_DATA));
    run(code);
    want_done();
    want(out.r.eflags & ZF, ZF);
    begin("%s in real mode raises #UD", name);
    real_mode();
    switch (verb) {
    case LAR:
        run(CODE16("lar ax, cx"));
        break;
    case LSL:
        run(CODE16("lsl ax, cx"));
        break;
    case VERR:
        run(CODE16("verr cx"));
        break;
    case VERW:
        run(CODE16("verw cx"));
        break;
    }
    want_fault(UD, 0);
    begin("%s in virtual-8086 mode raises #UD", name);
    v86(3);
    switch (verb) {
    case LAR:
        run(CODE16("lar ax, cx"));
        break;
    case LSL:
        run(CODE16("lsl ax, cx"));
        break;
    case VERR:
        run(CODE16("verr cx"));
        break;
    case VERW:
        run(CODE16("verw cx"));
        break;
    }
    want_fault(UD, 0);
}

static void lsl_granularity(void)
{
    static const struct {
        uint32_t limit, ar, result;
    } rows[] = {{0, AR_DATA, 0},
                {0xfffff, AR_DATA, 0xfffff},
                {0, AR_DATA | AR_G, 0xfff},
                {0xfffff, AR_DATA | AR_G, 0xffffffff},
                {0x1234, AR_DATA_DOWN | AR_G | AR_32, 0x1234fff},
                {0x67, AR_TSS32, 0x67},
                {1, AR_LDT | AR_G, 0x1fff}};
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        begin("LSL of limit %x, access rights %x gives %x", rows[i].limit, rows[i].ar, rows[i].result);
        in.ecx = slot(0, descriptor(0, rows[i].limit, rows[i].ar));
        run(CODE("lsl eax, ecx"));
        want_done();
        want(out.r.eax, rows[i].result);
    }
    begin("LAR with a selector in memory reads a word");
    data32[0] = 0xffff0000 | slot(0, descriptor(0, 0, AR_DATA));
    in.fs = slot(1, descriptor(DATA_AREA, 1, AR_DATA));
    run(CODE(".byte 0x64; lar eax, word ptr [0]"));
    want_done();
    want_masked("eax", out.r.eax, AR_DATA << 8, 0xfff0ffff);
}

static void arpl(void)
{
    for (unsigned cpl = 0; cpl < 4; cpl += 3) {
        for (unsigned to = 0; to < 4; to++) {
            for (unsigned from = 0; from < 4; from++) {
                begin("ARPL at CPL %u of RPL %u with RPL %u", cpl, to, from);
                for (unsigned zf = 0; zf < 2; zf++) {
                    ring(cpl);
                    in.eax = 0x1234fff0 | to;
                    in.ecx = 0x43210008 | from;
                    in.eflags = EF_FIXED | CF | (zf ? ZF : 0);
                    run(CODE("arpl ax, cx"));
                    want_done();
                    want(out.r.eax, 0x1234fff0 | (to < from ? from : to));
                    want(out.r.ecx, in.ecx);
                    want_masked("eflags", out.r.eflags, EF_FIXED | CF | (to < from ? ZF : 0), 0xffff);
                    data32[0] = 0x1234fff0 | to;
                    run(CODE("arpl ds:[0x70000], cx"));
                    want_done();
                    want(data32[0], 0x1234fff0 | (to < from ? from : to));
                }
            }
        }
    }
    begin("ARPL in real mode raises #UD");
    real_mode();
    run(CODE16("arpl ax, cx"));
    want_fault(UD, 0);
    begin("ARPL in virtual-8086 mode raises #UD");
    v86(3);
    run(CODE16("arpl ax, cx"));
    want_fault(UD, 0);
}

void verify_instructions(void)
{
    for (enum verb verb = LAR; verb <= VERW; verb++) {
        corners(verb);
        for (unsigned cpl = 0; cpl < 4; cpl++)
            for (unsigned type = 0; type < 32; type++)
                for (unsigned present = 0; present < 2; present++)
                    matrix_row(verb, cpl, type, present);
    }
    lsl_granularity();
    arpl();
}
