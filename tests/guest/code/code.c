/*
 * Self-modifying code: every way in which bytes that will run, or have run, can change. Source: SDM vol. 3
 * "Self-Modifying Code", "Handling Self- and Cross-Modifying Code": the next instruction sees the store, at the same
 * linear address at once, at another one after a serializing instruction. Image of the code cases.
 */
#include "../paging/pages.h"

#define BOUNDARY (TEST + 0x1000)
#define SCRATCH  0x600000u /* code is built here with paging off */

/* ---- in place ---- */

static void in_place(void)
{
    begin("a store into the next instruction");
    run(CODE("mov byte ptr [1f], 0x41; 1: nop; nop")); /* NOP becomes INC ECX */
    want_done();
    want(out.r.ecx, in.ecx + 1);
    begin("a store into an instruction further on in the block");
    run(CODE("mov byte ptr [1f], 0x41; nop; nop; nop; add eax, 1; 1: nop; nop"));
    want_done();
    want(out.r.ecx, in.ecx + 1);
    begin("a store into the immediate of the next instruction");
    run(CODE("mov dword ptr [1f + 1], 0x11223344; 1: mov eax, 0x55667788"));
    want_done();
    want(out.r.eax, 0x11223344);
    begin("a store that makes the next instruction longer");
    /* NOP NOP NOP NOP NOP becomes MOV EAX, imm32 */
    run(CODE("mov byte ptr [1f + 1], 0x44; mov dword ptr [1f + 1], 0x05040302; mov byte ptr [1f], 0xb8; 1: nop; nop; "
             "nop; nop; nop"));
    want_done();
    want(out.r.eax, 0x05040302);
    begin("a store that turns the next instruction into a jump");
    run(CODE("mov word ptr [1f], 0x02eb; 1: nop; nop; inc ecx; inc ecx; inc edx"));
    want_done();
    want(out.r.ecx, in.ecx);
    want(out.r.edx, in.edx + 1);
    begin("a store that makes the next instruction undefined");
    run(CODE("mov word ptr [870f], 0x0b0f;" HERE "nop; nop"));
    want_vector(UD);
    begin("a store into the instruction that makes it");
    const struct code *code =
        CODE("mov byte ptr [1f + 6], 0x42; nop; 1: mov byte ptr [1b + 6], 0x41; mov al, [1b + 6]");
    run(code);
    want_done();
    want(out.r.eax & 0xff, 0x42); /* it stores its own immediate over itself */
    begin("a loop that rewrites its own immediate each time");
    run(CODE("xor eax, eax; mov ecx, 10; 1: inc dword ptr [2f + 1]; 2: mov edx, 0; add eax, edx; loop 1b"));
    want_done();
    want(out.r.eax, 55);
    begin("a loop that changes an instruction it has passed");
    run(CODE("mov ecx, 4; xor eax, eax; 1: inc eax; mov byte ptr [1b], 0x90; loop 1b"));
    want_done();
    want(out.r.eax, 1);
    begin("a loop that alternates between two opcodes");
    run(CODE("mov ecx, 10; xor eax, eax; xor edx, edx; 1: xor byte ptr [2f], 2; 2: inc eax; loop 1b"));
    want_done(); /* INC EAX (40) and INC EDX (42) */
    want(out.r.eax, 5);
    want(out.r.edx, 5);
    begin("a store of the same value changes nothing");
    run(CODE("mov ecx, 100; 1: mov al, [2f]; mov [2f], al; 2: inc edx; loop 1b"));
    want_done();
    want(out.r.edx, in.edx + 100);
    begin("a subroutine rewritten between calls");
    run(CODE(
        "call 1f; mov byte ptr [1f], 0x42; call 1f; mov byte ptr [1f], 0x46; call 1f; jmp 2f; 1: inc ecx; ret; 2:"));
    want_done();
    want(out.r.ecx, in.ecx + 1);
    want(out.r.edx, in.edx + 1);
    want(out.r.esi, in.esi + 1);
    begin("a branch's displacement rewritten");
    run(CODE("mov ecx, 2; 1: jmp 2f; 2: inc eax; mov byte ptr [1b + 1], 1; loop 1b; inc edx"));
    want_done();
    want(out.r.eax, in.eax + 1);
    begin("a prefix put before an instruction that has run");
    /* NOP; INC EAX becomes DATA16 INC EAX: INC AX */
    run(CODE("mov eax, 0xffff; mov ecx, 2; 1: nop; inc eax; mov byte ptr [1b], 0x66; loop 1b"));
    want_done();
    want(out.r.eax, 0x10001); /* FFFF + 1, then the low word 0 + 1 */
    begin("in 16-bit code");
    ring16(0);
    in.ds = slot(0, descriptor(SNIPPET_BASE, 0xffff, AR_DATA));
    code = CODE16("mov byte ptr [bx], 0x41; mov byte ptr [bx], 0x41; nop; nop; nop; nop");
    in.ebx = LOW(code->start + 6);
    run(code);
    want_done();
    want(out.r.ecx, in.ecx + 1);
    begin("in real mode");
    real_mode();
    in.ds = SNIPPET_SEGMENT;
    code = CODE16("mov byte ptr [bx], 0x41; mov byte ptr [bx], 0x41; nop; nop; nop; nop");
    in.ebx = LOW(code->start + 6);
    run(code);
    want_done();
    want(out.r.ecx, in.ecx + 1);
}

/* ---- every kind of store ---- */

static void stores(void)
{
    /* Each stores four or more bytes, the first four of them 0x12345678, at EDI: the immediate of the MOV EAX that has
     * already run once. */
#define AROUND(store)                                                                                                  \
    CODE("mov ecx, 2; lea edi, [1f + 1]; mov ebx, 0x70000; jmp 1f; 2: " store                                          \
         "; mov ecx, 1; 1: mov eax, 0x55555555; nop; nop; nop; nop; nop; nop; nop; nop; nop; nop; nop; nop; dec ecx; " \
         "jnz 2b")
    const struct {
        const char *name;
        const struct code *code;
    } row[] = {
        {"MOV m32, r32", AROUND("mov edx, [ebx]; mov [edi], edx")},
        {"MOV m32, imm32", AROUND("mov dword ptr [edi], 0x12345678")},
        {"four MOV m8, r8",
         AROUND("mov edx, [ebx]; mov [edi], dl; mov [edi + 1], dh; bswap edx; mov [edi + 2], dh; mov [edi + 3], dl")},
        {"two MOV m16, imm16", AROUND("mov word ptr [edi], 0x5678; mov word ptr [edi + 2], 0x1234")},
        {"MOV through another alignment",
         AROUND("mov edx, 0x345678b8; mov [edi - 1], edx; mov byte ptr [edi + 3], 0x12")},
        {"ADD m32, imm32", AROUND("add dword ptr [edi], 0x12345678 - 0x55555555")},
        {"LOCK XADD", AROUND("mov edx, 0x12345678 - 0x55555555; lock xadd [edi], edx")},
        {"XCHG", AROUND("mov edx, [ebx]; xchg [edi], edx")},
        {"CMPXCHG", AROUND("mov edx, [ebx]; mov eax, [edi]; cmpxchg [edi], edx")},
        {"CMPXCHG8B",
         AROUND(
             "mov eax, [edi]; mov edx, [edi + 4]; push edx; mov ecx, edx; mov ebx, [ebx]; cmpxchg8b [edi]; pop edx")},
        {"BTS and BTR", AROUND("mov dword ptr [edi], 0x1234567a; btr dword ptr [edi], 1; bts dword ptr [edi], 4")},
        {"PUSH", AROUND("mov edx, [ebx]; mov ebp, esp; lea esp, [edi + 4]; push edx; mov esp, ebp")},
        {"POP m32", AROUND("push dword ptr [ebx]; pop dword ptr [edi]")},
        {"PUSHAD", AROUND("mov ebp, esp; mov esi, edi; mov edi, [ebx]; mov eax, [esi + 4]; lea esp, [esi + 4]; push "
                          "edi; mov edi, esi; mov esp, ebp")},
        {"CALL", AROUND("mov dword ptr [edi], 0x12345678; mov ebp, esp; mov edx, [edi]; lea esp, [0x70200]; call 3f; "
                        "3: mov esp, ebp")},
        {"MOVSD", AROUND("push edi; mov esi, ebx; movsd; pop edi")},
        {"STOSD", AROUND("push edi; mov eax, [ebx]; stosd; pop edi")},
        {"REP MOVSB", AROUND("push edi; mov esi, ebx; mov ecx, 4; rep movsb; pop edi")},
        {"REP MOVSD", AROUND("push edi; mov esi, ebx; mov ecx, 1; rep movsd; pop edi")},
        {"REP STOSD", AROUND("push edi; mov eax, [ebx]; mov ecx, 1; rep stosd; pop edi")},
        {"REP STOSB downwards",
         AROUND("push edi; std; mov byte ptr [edi], 0x78; mov byte ptr [edi + 1], 0x56; mov byte ptr [edi + 2], 0x34; "
                "add edi, 3; mov al, 0x12; mov ecx, 1; rep stosb; cld; pop edi")},
        {"FST m32", AROUND("fninit; fld dword ptr [ebx]; fstp dword ptr [edi]")},
        {"FIST m32", AROUND("fninit; fild dword ptr [ebx]; fistp dword ptr [edi]")},
        {"FIST m64", AROUND("fninit; fild qword ptr [ebx + 8]; fistp qword ptr [edi]")},
        {"MOVD m32, MM", AROUND("movd mm0, [ebx]; movd [edi], mm0; emms")},
        {"MOVQ m64, MM", AROUND("movq mm0, [ebx + 8]; movq [edi], mm0; emms")},
        {"MOVSS m32, XMM", AROUND("movss xmm0, [ebx]; movss [edi], xmm0")},
        {"MOVUPS m128, XMM", AROUND("movups xmm0, [ebx + 8]; movups [edi], xmm0")},
        {"SGDT and MOV", AROUND("mov dword ptr [edi], 0x12345678; sgdt [0x70300]")},
        {"ENTER",
         AROUND(
             "mov edx, ebp; mov ebp, [ebx]; mov esi, esp; lea esp, [edi + 4]; enter 0, 0; mov esp, esi; mov ebp, edx")},
        {"SHLD", AROUND("mov edx, [ebx]; mov dword ptr [edi], 0; ror edx, 1; shrd [edi], edx, 1; mov edx, [ebx]; shrd "
                        "[edi], edx, 31; mov edx, [ebx]; mov [edi], edx")},
        {"INC of each byte", AROUND("mov dword ptr [edi], 0x11335577; inc byte ptr [edi]; inc byte ptr [edi + 1]; inc "
                                    "byte ptr [edi + 2]; inc byte ptr [edi + 3]")},
    };
    for (unsigned i = 0; i < sizeof row / sizeof row[0]; i++) {
        begin("code that has run is rewritten by %s", row[i].name);
        in_cr4 = CR4_OSFXSR;
        data32[0] = 0x12345678;
        data32[2] = 0x12345678;
        for (unsigned j = 3; j < 7; j++)
            data32[j] = 0x90909090;
        run(row[i].code);
        want_done();
        want(out.r.eax, 0x12345678);
    }
}

/* ---- string instructions over code ---- */

static void strings(void)
{
    begin("REP MOVSB builds a routine that then runs");
    const struct code *body = CODE("mov eax, 0x13572468; ret");
    in.esi = body->start;
    in.edi = SCRATCH;
    in.ecx = body->end - body->start;
    run(CODE("mov edx, edi; rep movsb; call edx"));
    want_done();
    want(out.r.eax, 0x13572468);
    begin("REP MOVSD replaces a routine that has run");
    const struct code *second = CODE("mov eax, 0x24681357; ret; nop; nop");
    memcpy((void *)SCRATCH, (const void *)body->start, 6);
    in.esi = second->start;
    in.edi = SCRATCH;
    in.ecx = 2;
    in.edx = SCRATCH;
    run(CODE("call edx; mov ebx, eax; rep movsd; call edx"));
    want_done();
    want(out.r.ebx, 0x13572468);
    want(out.r.eax, 0x24681357);
    begin("REP STOSB over the instructions behind it");
    in.eax = 0x90;
    in.ecx = 4;
    run(CODE("mov edi, offset 1f; rep stosb; 1: inc edx; inc edx; inc edx; inc edx; inc ebx"));
    want_done();
    want(out.r.edx, in.edx);
    want(out.r.ebx, in.ebx + 1);
    begin("REP STOSB downwards over the instructions before it");
    in.eax = 0x42; /* INC EDX */
    in.ecx = 4;
    in.ebx = 0;
    run(CODE(
        "1: nop; nop; nop; nop; inc ebx; cmp ebx, 2; je 2f; mov edi, offset 1b + 3; std; rep stosb; cld; jmp 1b; 2:"));
    want_done();
    want(out.r.edx, in.edx + 4);
    begin("REP MOVSB of a page over a page of code that has run");
    memset((void *)SCRATCH, 0x42, 0x1000);            /* INC EDX */
    memset((void *)(SCRATCH + 0x1000), 0x43, 0x1000); /* INC EBX */
    *(volatile uint8_t *)(SCRATCH + 0xfff) = 0xc3;
    *(volatile uint8_t *)(SCRATCH + 0x1fff) = 0xc3;
    in.esi = SCRATCH + 0x1000;
    in.edi = in.eax = SCRATCH;
    in.ecx = 0x1000;
    in.edx = in.ebx = 0;
    run(CODE("call eax; rep movsb; call eax"));
    want_done();
    want(out.r.edx, 0xfff);
    want(out.r.ebx, 0xfff);
    begin("REP INSB writes code");
    in.edi = SCRATCH + 1;
    in.eax = SCRATCH;
    *(volatile uint8_t *)SCRATCH = 0xb2; /* MOV DL, imm8 */
    *(volatile uint16_t *)(SCRATCH + 1) = 0xc3aa;
    in.ecx = 1;
    out8(0x80, 0);
    in.edx = 0x21;
    out8(0x21, 0xff);
    run(CODE("call eax; mov ebx, edx; mov edx, 0x21; rep insb; call eax"));
    want_done();
    want(out.r.ebx & 0xff, 0xaa);
    want(out.r.edx & 0xff, 0xff);
}

/* ---- across pages, with paging off ---- */

static void straddling(void)
{
    for (unsigned first = 1; first < 5; first++) {
        begin("an instruction with %u bytes on the first page, rewritten on both", first);
        uint32_t at = SCRATCH + 0x1000 - first;
        memset((void *)(SCRATCH + 0xff0), 0x90, 0x20);
        *(volatile uint8_t *)at = 0xb8;
        *(volatile uint32_t *)(at + 1) = 0x11111111;
        *(volatile uint8_t *)(at + 5) = 0xc3;
        in.edx = SCRATCH + 0xff0;
        in.esi = at + 1;
        in.edi = at + 4;
        run(CODE("call edx; mov ebx, eax; mov byte ptr [esi], 0x22; call edx; mov ecx, eax; mov byte ptr [edi], 0x33; "
                 "call edx"));
        want_done();
        want(out.r.ebx, 0x11111111);
        want(out.r.ecx, 0x11111122);
        want(out.r.eax, 0x33111122);
    }
    begin("a store of its own second page by an instruction that straddles");
    uint32_t at = SCRATCH + 0x1000 - 3;
    /* C6 05 disp32 imm8: MOV BYTE PTR [at + 7], 41; then NOP at +7 on the second page, RET */
    static const uint8_t bytes[] = {0xc6, 0x05, 0, 0, 0, 0, 0x41, 0x90, 0xc3};
    memcpy((void *)at, bytes, sizeof bytes);
    uint32_t target = at + 7;
    memcpy((void *)(at + 2), &target, 4);
    in.edx = at;
    run(CODE("call edx"));
    want_done();
    want(out.r.ecx, in.ecx + 1);
    begin("a store that crosses into a page of code that has run");
    memset((void *)(SCRATCH + 0x1000), 0x90, 0x10);
    *(volatile uint8_t *)(SCRATCH + 0x1008) = 0xc3;
    in.edx = SCRATCH + 0x1000;
    in.esi = SCRATCH + 0xffe;
    run(CODE("call edx; mov dword ptr [esi], 0x41410000; call edx"));
    want_done();
    want(out.r.ecx, in.ecx + 2);
}

/* ---- the same bytes seen differently ---- */

static void modes(void)
{
    begin("the same bytes as 32-bit and as 16-bit code");
    /* B8 78 56 34 12 C3: MOV EAX, 12345678; RET. As 16-bit code: MOV AX, 5678; XOR AL, 12; ... */
    static const uint8_t bytes[] = {0xb8, 0x78, 0x56, 0x34, 0x12, 0x0f, 0x0b};
    const struct code *place = CODE("nop; nop; nop; nop; nop; nop; nop; nop; nop; nop; nop; nop");
    const struct code there = {place->start, place->start + 5, place->start + 5};
    memcpy((void *)place->start, bytes, sizeof bytes);
    for (unsigned i = 0; i < 4; i++) {
        if (i & 1)
            ring16(0);
        else
            ring(0);
        run(&there);
        want_done();
        want(out.r.eax, i & 1 ? (in.eax & 0xffff0000) | (0x5678 ^ 0x12) : 0x12345678);
    }
    begin("the same bytes at two code segment bases");
    const struct code *code = CODE("call 1f; 1: pop eax");
    run(code);
    want_done();
    want(out.r.eax, code->start + 5);
    in.cs = SEG_LOW32;
    run(code);
    want_done();
    want(out.r.eax, LOW(code->start) + 5);
    begin("the same bytes at CPL 0 and 3");
    code = CODE("mov eax, cs; str cx; mov edx, cs; cli");
    run(code);
    want_done();
    want(out.r.edx, CODE32(0));
    ring(3);
    run(with_here(code, code->end - 1));
    want_vector(GP);
    want(out.r.edx, CODE32(3));
    begin("a limit that cuts a block that has run whole");
    differs(QEMU | BOCHS, "runs what it has decoded; SDM \"Limit Checking\"");
    code = CODE("inc eax; inc eax; inc eax;" HERE "inc eax; inc eax");
    run(code);
    want_done();
    in.cs = slot(0, descriptor(0, code->here - 1, AR_CODE | AR_32));
    run(code);
    want_vector(GP);
    want(out.r.eax, in.eax + 3);
}

/* ---- aliases and remapping ---- */

static void put_routine(uint32_t physical, uint32_t value)
{
    *(volatile uint8_t *)physical = 0xb8;
    memcpy((void *)(physical + 1), &value, 4);
    *(volatile uint8_t *)(physical + 5) = 0xc3;
}

static void aliases(const struct paging *m)
{
    begin("%s: code written through another linear address", m->name);
    paging(m);
    set_pte(TEST, PHYSICAL(4) | E_ALL);
    set_pte(TEST + 0x5000, PHYSICAL(4) | E_ALL);
    put_routine(PHYSICAL(4), 0x11);
    in.edx = TEST;
    in.esi = TEST + 0x5001;
    run_paged(
        CODE("call edx; mov edi, eax; mov dword ptr [esi], 0x22; xor eax, eax; push edx; cpuid; pop edx; call edx"));
    want_done();
    want(out.r.edi, 0x11);
    want(out.r.eax, 0x22);
    begin("%s: code run at two linear addresses, written at one", m->name);
    paging(m);
    set_pte(TEST, PHYSICAL(4) | E_ALL);
    set_pte(TEST + 0x5000, PHYSICAL(4) | E_ALL);
    put_routine(PHYSICAL(4), 0x11);
    in.edx = TEST;
    in.esi = TEST + 0x5000;
    run_paged(CODE("call edx; call esi; mov dword ptr [edx + 1], 0x33; push edx; xor eax, eax; cpuid; pop edx; call "
                   "esi; mov edi, eax; call edx"));
    want_done();
    want(out.r.edi, 0x33);
    want(out.r.eax, 0x33);
    begin("%s: the code page is remapped, INVLPG", m->name);
    paging(m);
    set_pte(TEST, PHYSICAL(4) | E_ALL);
    put_routine(PHYSICAL(4), 0x44);
    put_routine(PHYSICAL(5), 0x55);
    in.edx = TEST;
    in.esi = pte_address(TEST);
    in.edi = PHYSICAL(5) | E_ALL;
    run_paged(CODE("call edx; mov ebx, eax; mov [esi], edi; invlpg [edx]; call edx"));
    want_done();
    want(out.r.ebx, 0x44);
    want(out.r.eax, 0x55);
    begin("%s: the code page is remapped, MOV CR3", m->name);
    paging(m);
    set_pte(TEST, PHYSICAL(4) | E_ALL);
    in.edx = TEST;
    in.esi = pte_address(TEST);
    in.edi = PHYSICAL(5) | E_ALL;
    run_paged(CODE("call edx; mov ebx, eax; mov [esi], edi; mov eax, cr3; mov cr3, eax; call edx"));
    want_done();
    want(out.r.ebx, 0x44);
    want(out.r.eax, 0x55);
    begin("%s: the second page of a straddling instruction is remapped", m->name);
    differs(BOCHS, "runs what it has decoded; SDM \"Operations that Invalidate TLBs and Paging-Structure Caches\"");
    paging(m);
    map(TEST, E_ALL);
    set_pte(BOUNDARY, PHYSICAL(4) | E_ALL);
    put_routine(PHYSICAL(1) - 3, 0x66660000); /* two of its immediate's bytes on the second page */
    *(volatile uint16_t *)PHYSICAL(4) = 0x1111;
    *(volatile uint8_t *)(PHYSICAL(4) + 2) = 0xc3;
    *(volatile uint16_t *)PHYSICAL(5) = 0x2222;
    *(volatile uint8_t *)(PHYSICAL(5) + 2) = 0xc3;
    in.edx = BOUNDARY - 3;
    in.esi = pte_address(BOUNDARY);
    in.edi = PHYSICAL(5) | E_ALL;
    run_paged(CODE("call edx; mov ebx, eax; mov [esi], edi; mov eax, 0x40001000; invlpg [eax]; call edx"));
    want_done();
    want(out.r.ebx >> 16, 0x1111);
    want(out.r.eax >> 16, 0x2222);
    begin("%s: the page behind a page that jumps back is not needed", m->name);
    paging(m);
    map(TEST, E_ALL);
    *(volatile uint16_t *)(PHYSICAL(1) - 2) = 0xfdeb; /* JMP one byte back */
    *(volatile uint8_t *)(PHYSICAL(1) - 3) = 0xc3;
    in.edx = BOUNDARY - 2;
    run_paged(CODE("call edx"));
    want_done();
    begin("%s: code that takes its own page away goes on at the fault", m->name);
    paging(m);
    map(TEST, E_ALL);
    in.esi = pte_address(TEST);
    in.ebx = TEST;
    run_paged(code_at(TEST, CODE("and dword ptr [esi], 0xfffffffe; invlpg [ebx];" HERE "nop")));
    want_vector(PF);
    want(out.cr2, TEST + 6);
    begin("%s: code that remaps its own page goes on in the new one", m->name);
    paging(m);
    map(TEST, E_ALL);
    const struct code *mover = CODE("mov [esi], edi; invlpg [ebx]; inc ecx; inc ecx");
    code_at(TEST, mover);
    memcpy((void *)PHYSICAL(5), (const void *)PHYSICAL(0), 0x20);
    *(volatile uint16_t *)(PHYSICAL(5) + 5) = 0x4242; /* INC EDX */
    in.esi = pte_address(TEST);
    in.edi = PHYSICAL(5) | E_ALL;
    in.ebx = TEST;
    run_paged(code_at(TEST, mover));
    want_done();
    want(out.r.ecx, in.ecx);
    want(out.r.edx, in.edx + 2);
    begin("%s: a read-only page of code written with WP clear", m->name);
    paging(m);
    set_pte(TEST, PHYSICAL(4) | E_P | E_US);
    put_routine(PHYSICAL(4), 0x11);
    in.edx = TEST;
    run_paged_with(CODE("call edx; mov ebx, eax; mov dword ptr [edx + 1], 0x22; call edx"), 0, 0);
    want_done();
    want(out.r.ebx, 0x11);
    want(out.r.eax, 0x22);
}

/* ---- ROM, video memory, absent memory ---- */

static uint32_t find_return(void)
{
    for (uint32_t at = 0xffff0; at >= 0xf0000; at--)
        if (*(volatile uint8_t *)at == 0xc3)
            return at;
    return 0;
}

static void special_memory(void)
{
    begin("code in ROM runs and is not rewritten");
    uint32_t at = find_return();
    want(at != 0, true);
    in.edx = at;
    run(CODE("call edx; mov byte ptr [edx], 0x90; mov byte ptr [edx], 0xf4; call edx; inc ecx"));
    want_done();
    want(out.r.ecx, in.ecx + 1);
    want(*(volatile uint8_t *)at, 0xc3);
    begin("code at the top of the address space runs");
    in.edx = at | 0xfff00000;
    run(CODE("call edx; inc ecx"));
    want_done();
    want(out.r.ecx, in.ecx + 1);
    begin("code in the text mode's video memory runs");
    skip_on(BOCHS, "stops: it fetches from memory alone");
    for (unsigned i = 0; i < 16; i++)
        *(volatile uint8_t *)(0xb8000 + i) = 0x41; /* INC ECX */
    *(volatile uint8_t *)0xb8010 = 0xc3;
    in.edx = 0xb8000;
    run(CODE("call edx"));
    want_done();
    want(out.r.ecx, in.ecx + 16);
    begin("and is rewritten there");
    skip_on(BOCHS, "stops: it fetches from memory alone");
    in.edx = 0xb8000;
    run(CODE("mov byte ptr [edx + 4], 0x43; call edx; mov byte ptr [edx + 5], 0x43; call edx"));
    want_done();
    want(out.r.ebx, in.ebx + 3);
    want(out.r.ecx, in.ecx + 29);
    begin("code in video memory that rewrites what follows it");
    skip_on(BOCHS, "stops: it fetches from memory alone");
    static const uint8_t bytes[] = {0xc6, 0x05, 7,    0x80, 0x0b,
                                    0,    0x41, 0x90, 0xc3}; /* MOV BYTE PTR [B8007], INC ECX; NOP; RET */
    for (unsigned i = 0; i < sizeof bytes; i++)
        *(volatile uint8_t *)(0xb8000 + i) = bytes[i];
    in.edx = 0xb8000;
    run(CODE("call edx"));
    want_done();
    want(out.r.ecx, in.ecx + 1);
}

void guest_cases(void)
{
    in_place();
    stores();
    strings();
    straddling();
    modes();
    aliases(&legacy_4k);
    aliases(&pae_4k);
    special_memory();
}
