/*
 * Instruction lengths, limits of the code segment, A20, unreal mode. Source: SDM vol. 2 "Instruction Format", vol. 3
 * "Limit Checking", "Switching Back to Real-Address Mode", "8086 Emulation"; 8042 command D1, port 92. Image of the
 * corner cases.
 */
#include "guest.h"

/* ---- lengths ---- */

static void lengths(void)
{
    static uint8_t bytes[32];
    static const uint8_t prefixes[] = {0x66, 0x2e, 0x36, 0x3e, 0x26, 0x64, 0x65, 0x67, 0xf2, 0xf3};
    for (unsigned kind = 0; kind < sizeof prefixes; kind++) {
        for (unsigned count = 13; count < 17; count++) {
            begin("%u prefixes %x before INC ECX", count, prefixes[kind]);
            memset(bytes, prefixes[kind], count);
            bytes[count] = 0xff; /* INC r/m32 */
            bytes[count + 1] = 0xc1;
            bytes[count + 2] = 0x0f;
            bytes[count + 3] = 0x0b;
            const struct code code = {(uint32_t)bytes, (uint32_t)bytes, (uint32_t)bytes + count + 2};
            run(&code);
            if (count + 2 > 15) {
                want_fault(GP, 0);
            } else {
                want_done();
                want(out.r.ecx, in.ecx + 1);
            }
        }
    }
    begin("LOCK ADD with three segment overrides: 14 bytes");
    in.fs = DATA32(0);
    in.eax = 0;
    data32[0] = 5;
    run(CODE(".byte 0x64, 0x64, 0x64, 0x66, 0xf0, 0x81, 0x84, 0x20, 0x00, 0x00, 0x07, 0x00, 0x11, 0x11"));
    want_done();
    want(data32[0], 0x1116);
    begin("one more makes 15, done");
    in.fs = DATA32(0);
    in.eax = 0;
    data32[0] = 5;
    run(CODE(".byte 0x64, 0x64, 0x64, 0x64, 0x66, 0xf0, 0x81, 0x84, 0x20, 0x00, 0x00, 0x07, 0x00, 0x11, 0x11"));
    want_done();
    want(data32[0], 0x1116);
    begin("one more makes 16: #GP(0), nothing added");
    in.fs = DATA32(0);
    in.eax = 0;
    data32[0] = 5;
    run(CODE(".byte 0x64, 0x64, 0x64, 0x64, 0x64, 0x66, 0xf0, 0x81, 0x84, 0x20, 0x00, 0x00, 0x07, 0x00, 0x11, 0x11"));
    want_fault(GP, 0);
    want(data32[0], 5);
    begin("16 bytes at CPL 3");
    ring(3);
    run(CODE(".byte 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x90"));
    want_fault(GP, 0);
    begin("16 bytes in real mode");
    real_mode();
    run(CODE16(".byte 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x90"));
    want_vector(GP);
    begin("15 prefixes of an undefined instruction are too long all the same");
    run(CODE(
        ".byte 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x0f, 0x0b"));
    want_fault(GP, 0);
}

/* ---- the end of the code segment ---- */

#define NO_CS_LIMIT QEMU, "checks no limit of the code segment at fetches; SDM \"Limit Checking\""

static void code_limits(void)
{
    *(volatile uint16_t *)0x200000 = 0x0b0f; /* where jumps beyond the limit end if nobody stops them */
    const struct code *code = CODE("nop; mov eax, 0x12345678");
    for (unsigned cut = 6; cut-- > 0;) { /* the complete one last: Bochs runs what it has decoded before */
        begin("MOV EAX, imm32 with its last %u bytes beyond the limit", cut);
        if (cut)
            differs(NO_CS_LIMIT);
        in.cs = slot(0, descriptor(0, code->end - 1 - cut + (cut ? 0 : 2), AR_CODE | AR_32));
        run(with_here(code, cut ? code->start + 1 : code->end));
        if (cut) {
            want_vector(GP);
            want(out.error, 0);
            want(out.r.eax, in.eax);
        } else {
            want_done();
        }
    }
    begin("an instruction that ends at the limit runs, the next one raises #GP(0)");
    differs(NO_CS_LIMIT);
    code = CODE("nop; mov eax, 0x12345678");
    in.cs = slot(0, descriptor(0, code->end - 1, AR_CODE | AR_32));
    run(with_here(code, code->end));
    want_vector(GP);
    want(out.r.eax, 0x12345678);
    begin("a jump beyond the limit raises #GP(0) at the jump");
    code = CODE("mov ebx, 0x200000;" HERE "jmp ebx");
    in.cs = slot(0, descriptor(0, 0x1ffff, AR_CODE | AR_32));
    differs(NO_CS_LIMIT);
    run(code);
    want_vector(GP);
    begin("a call beyond the limit raises #GP(0) and pushes nothing");
    code = CODE("mov ebx, 0x200000;" HERE "call ebx");
    in.cs = slot(0, descriptor(0, 0x1ffff, AR_CODE | AR_32));
    differs(NO_CS_LIMIT);
    run(code);
    want_vector(GP);
    want(out.r.esp, in.esp);
    begin("a return beyond the limit raises #GP(0) and pops nothing");
    code = CODE("push 0x200000;" HERE "ret");
    in.cs = slot(0, descriptor(0, 0x1ffff, AR_CODE | AR_32));
    differs(NO_CS_LIMIT);
    run(code);
    want_vector(GP);
    want(out.r.esp, in.esp - 4);
    begin("a conditional jump not taken checks no target");
    code = CODE("test eax, eax; jz 0x200000");
    in.cs = slot(0, descriptor(0, 0x1ffff, AR_CODE | AR_32));
    run(code);
    want_done();
    begin("a conditional jump taken checks its target");
    code = CODE("test eax, eax;" HERE "jnz 0x200000");
    in.cs = slot(0, descriptor(0, 0x1ffff, AR_CODE | AR_32));
    differs(NO_CS_LIMIT);
    run(code);
    want_vector(GP);
    begin("LOOP beyond the limit does not count");
    skip_on(NO_CS_LIMIT);
    in.cs = slot(0, descriptor(0, 0x1ffff, AR_CODE | AR_32));
    in.edx = 0x1fff0;
    /* The snippet copies LOOP +20h to just below the limit and goes there. */
    run(with_here(CODE("mov word ptr [0x1fff0], 0x20e2; jmp edx"), 0x1fff0));
    want_vector(GP);
    want(out.r.ecx, in.ecx);
    begin("a 16-bit jump keeps 16 bits of EIP");
    const struct code *landing = CODE16("nop; nop");
    ring16(0);
    in.ebx = 0x50000 | LOW(landing->start);
    run(CODE16("jmp bx"));
    want_at(landing->end);
    begin("a 32-bit jump in a 16-bit segment beyond its limit");
    ring16(0);
    in.ebx = 0x50000;
    skip_on(NO_CS_LIMIT);
    run(CODE16("jmp ebx"));
    want_fault(GP, 0);
    begin("the last instruction of a 64 KiB segment runs, then IP does not wrap");
    differs(NO_CS_LIMIT);
    /* A segment of which FFFF is DATA_AREA + 1. */
    data16[0] = 0x9090;
    data16[1] = 0x0b0f;
    ring16(0);
    in.cs = slot(0, descriptor(DATA_AREA + 1 - 0xffff, 0xffff, AR_CODE));
    const struct code last = {DATA_AREA, DATA_AREA + 2, DATA_AREA + 2};
    run(&last);
    want_vector(GP);
    begin("in real mode too");
    differs(NO_CS_LIMIT);
    real_mode();
    in.cs = (DATA_AREA - 0xfff0) >> 4;
    data16[7] = 0x9090;
    data16[8] = 0x0b0f;
    const struct code top = {DATA_AREA + 0xe, DATA_AREA - 0xfff0, 0}; /* EIP is 10000, the frame has 16 bits of it */
    run(&top);
    want_vector(GP);
    begin("an expand-up data segment's last byte");
    in.es = slot(1, descriptor(DATA_AREA, 0xff, AR_DATA | AR_32));
    run(CODE("mov al, es:[0xff]; mov ax, es:[0xfe]; mov eax, es:[0xfc]"));
    want_done();
    for (unsigned off = 0xfd; off < 0x101; off++) {
        begin("a doubleword at %x of a segment with limit FF", off);
        differs(QEMU, "checks no limits of data segments; SDM \"Limit Checking\"");
        in.es = slot(1, descriptor(DATA_AREA, 0xff, AR_DATA | AR_32));
        in.ebx = off;
        run(CODE("mov eax, es:[ebx]"));
        want_fault(GP, 0);
    }
    begin("an offset that wraps at 4 GiB");
    in.ebx = 0xfffffff0;
    in.es = slot(1, descriptor(DATA_AREA, 0xfffff, AR_DATA | AR_32 | AR_G));
    data32[4] = 0x12345678;
    run(CODE("mov eax, es:[ebx + 0x20]"));
    want_done();
    want(out.r.eax, 0x12345678);
    begin("a base and an offset that wrap at 4 GiB together");
    in.ebx = DATA_AREA + 0x1000;
    in.es = slot(1, descriptor(0xfffff000, 0xfffff, AR_DATA | AR_32 | AR_G));
    data32[0] = 0x87654321;
    run(CODE("mov eax, es:[ebx]"));
    want_done();
    want(out.r.eax, 0x87654321);
}

/* ---- A20 ---- */

static void wait_keyboard(void)
{
    for (unsigned i = 0; i < 1000000 && (in8(0x64) & 2); i++)
        ;
}

static void a20_by_port92(bool on)
{
    out8(0x92, (uint8_t)((in8(0x92) & 0xfc) | (on ? 2 : 0)));
}

static void a20_by_keyboard(bool on)
{
    wait_keyboard();
    out8(0x64, 0xd1);
    wait_keyboard();
    out8(0x60, on ? 0xdf : 0xdd);
    wait_keyboard();
}

static void a20_by_command(bool on)
{
    wait_keyboard();
    out8(0x64, on ? 0xdf : 0xdd);
    wait_keyboard();
}

static volatile uint32_t *const low = (volatile uint32_t *)(DATA_AREA + 0x40), *const high =
                                                                                   (volatile uint32_t *)(DATA_AREA +
                                                                                                         0x100040);

static void gate_a20(const char *way, void (*set)(bool))
{
    begin("A20 closed by %s: address bit 20 is lost", way);
    *low = 1;
    *high = 2;
    want(*low, 1);
    set(false);
    want(*high, 1);
    *high = 3;
    want(*low, 3);
    set(true);
    want(*high, 2);
    want(*low, 3);
    begin("A20 closed by %s: code at an odd megabyte is that of the even one", way);
    *(volatile uint16_t *)low = 0xc341;  /* INC ECX; RET */
    *(volatile uint16_t *)high = 0xc342; /* INC EDX; RET */
    in.esi = (uint32_t)high;
    run(CODE("call esi"));
    want_done();
    want(out.r.edx, in.edx + 1);
    set(false);
    run(CODE("call esi"));
    set(true);
    want_done();
    want(out.r.ecx, in.ecx + 1);
    want(out.r.edx, in.edx);
    run(CODE("call esi"));
    want_done();
    want(out.r.edx, in.edx + 1);
    begin("A20 closed by %s: code rewritten through the other address", way);
    *(volatile uint16_t *)low = 0xc341;
    in.esi = (uint32_t)high;
    in.edi = (uint32_t)low;
    set(false);
    run(CODE(
        "call esi; mov byte ptr [edi], 0x43; push ebx; xor eax, eax; push ecx; cpuid; pop ecx; pop ebx; call esi"));
    set(true);
    want_done();
    want(out.r.ecx, in.ecx + 1);
    want(out.r.ebx, in.ebx + 1);
    begin("A20 closed by %s: a real-mode address beyond 1 MiB wraps", way);
    *(volatile uint32_t *)0x500 = 0x600d;
    *(volatile uint32_t *)0x100500 = 0xbad;
    real_mode();
    in.ds = 0xffff;
    in.ebx = 0x510;
    set(false);
    run(CODE16("mov eax, [bx]"));
    set(true);
    want_done();
    want(out.r.eax, 0x600d);
    begin("A20 open: a real-mode address beyond 1 MiB does not wrap");
    real_mode();
    in.ds = 0xffff;
    in.ebx = 0x510;
    run(CODE16("mov eax, [bx]"));
    want_done();
    want(out.r.eax, 0xbad);
}

static void a20(void)
{
    gate_a20("port 92", a20_by_port92);
    gate_a20("the keyboard controller's output port", a20_by_keyboard);
    begin("the keyboard controller's commands DD and DF");
    *low = 1;
    *high = 2;
    a20_by_command(false);
    want(*high, 1);
    a20_by_command(true);
    want(*high, 2);
    begin("the keyboard controller shows its output port's A20 bit");
    a20_by_keyboard(true);
    wait_keyboard();
    out8(0x64, 0xd0);
    for (unsigned i = 0; i < 1000000 && !(in8(0x64) & 1); i++)
        ;
    want(in8(0x60) & 2, 2);
    begin("A20 closed under paging: physical addresses are cut, linear ones are not");
    uint32_t *directory = (uint32_t *)0x600000, *table = (uint32_t *)0x601000;
    for (unsigned i = 0; i < 1024; i++) {
        directory[i] = 0;
        table[i] = i << 12 | 7;
    }
    directory[0] = (uint32_t)table | 7;
    table[0x300] = DATA_AREA | 7;              /* linear 300000: bit 20 set, physical bit 20 clear */
    table[0x200] = (DATA_AREA + 0x100000) | 7; /* linear 200000: physical bit 20 set */
    *low = 0x11;
    *high = 0x22;
    in_cr3 = (uint32_t)directory;
    in_cr0 |= CR0_PG;
    in.esi = 0x300040;
    in.edi = 0x200040;
    a20_by_port92(false);
    run(CODE("mov eax, [esi]; mov edx, [edi]"));
    a20_by_port92(true);
    want_done();
    want(out.r.eax, 0x11);
    want(out.r.edx, 0x11);
}

/* ---- unreal mode ---- */

static void unreal(void)
{
    /* FS gets a 4 GiB limit in protected mode and keeps it in real mode. */
#define TO_UNREAL "mov eax, cr0; or al, 1; mov cr0, eax; mov cx, 0x100; mov fs, cx; and al, 0xfe; mov cr0, eax;"
    begin("a 4 GiB limit survives the way back to real mode");
    slot(0, descriptor(0, 0xfffff, AR_DATA | AR_32 | AR_G));
    *(volatile uint32_t *)0x300000 = 0x13579bdf;
    real_mode();
    in.ebx = 0x300000;
    run(CODE16(TO_UNREAL "mov edx, fs:[ebx]; mov fs:[ebx + 4], edx"));
    want_done();
    want(out.r.edx, 0x13579bdf);
    want(*(volatile uint32_t *)0x300004, 0x13579bdf);
    begin("a load in real mode sets the base and keeps the limit");
    slot(0, descriptor(0x1000, 0xfffff, AR_DATA | AR_32 | AR_G));
    real_mode();
    in.ebx = 0x300000 - DATA_AREA;
    run(CODE16(TO_UNREAL "mov cx, 0x7000; mov fs, cx; mov edx, fs:[ebx]"));
    want_done();
    want(out.r.edx, 0x13579bdf);
    want(out.r.fs, DATA_SEGMENT);
    begin("a base above 1 MiB survives until the next load");
    slot(0, descriptor(0x300000, 0xffff, AR_DATA));
    real_mode();
    run(CODE16(TO_UNREAL "mov edx, fs:[0]; mov cx, 0; mov fs, cx"));
    want_done();
    want(out.r.edx, 0x13579bdf);
    begin("a limit below FFFF survives too");
    differs(QEMU, "checks no limits of data segments; SDM \"Limit Checking\"");
    slot(0, descriptor(0, 0xff, AR_DATA));
    real_mode();
    run(CODE16(TO_UNREAL "mov cx, 0x7000; mov fs, cx;" HERE "mov edx, fs:[0x100]; nop"));
    want_vector(GP);
    begin("without it an offset above FFFF raises #GP");
    differs(QEMU, "checks no limits of data segments; SDM \"Limit Checking\"");
    real_mode();
    in.ebx = 0x10000;
    run(CODE16("mov edx, fs:[ebx]"));
    want_vector(GP);
    begin("real mode with paging's control bits does not page");
    real_mode();
    in_cr4 = CR4_PSE | CR4_PAE;
    run(CODE16("mov eax, cr0; nop"));
    want_done();
}

void guest_cases(void)
{
    lengths();
    code_limits();
    a20();
    unreal();
}
