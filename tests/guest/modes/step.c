/*
 * Single steps across instructions that change flags, segments, stacks and rings.
 * Source: SDM vol. 3 "Single-Step Exception Condition", "Masking Exceptions and Interrupts When Switching Stacks";
 * vol. 2 "MOV", "POP", "POPF", "IRET", "INT n".
 */
#include "modes.h"

/* Runs with TF; `offsets`: EIP of each #DB from the snippet's start, ended by -1. */
static void trace(const char *what, const struct code *code, const int *offsets)
{
    begin("single steps across %s", what);
    if (what[0] == 'S' && what[1] == 'T')
        differs(QEMU, "STI holds back #DB too; SDM \"STI\", vol. 3 \"Masking Maskable Hardware Interrupts\"");
    in.eflags |= TF;
    resume_vectors = 1 << DB;
    run(code);
    unsigned n = 0;
    for (; offsets[n] >= 0; n++) {
        note("step %u", n);
        want(events[n].vector, DB);
        want(events[n].r.eip, code->start + (uint32_t)offsets[n]);
        want(events[n].dr6 & 0x400f, 0x4000);
        want(events[n].handler_eflags & TF, 0);
    }
    note("end");
    want_done();
    want(n_events, n + 1);
}
#define TRACE(what, text, ...) trace(what, CODE(text), (const int[]){__VA_ARGS__, -1})

void single_steps(void)
{
    TRACE("NOPs", "nop; nop", 1, 2);
    TRACE("a taken and an untaken jump", "jmp 1f; nop; 1: jc 1b; nop", 3, 5, 6);
    TRACE("MOV SS: the next instruction is not stepped", "mov ax, ss; mov ss, ax; nop; nop", 3, 6, 7);
    TRACE("POP SS: the next instruction is not stepped", "push ss; pop ss; nop; nop", 1, 3, 4);
    TRACE("MOV DS", "mov eax, ds; mov ds, ax; nop", 2, 4, 5);
    TRACE("STI: no shadow for steps", "sti; nop; cli", 1, 2, 3);
    TRACE("MOV to CR0", "mov eax, cr0; mov cr0, eax; nop", 3, 6, 7);
    TRACE("LMSW and SMSW", "smsw ax; lmsw ax; nop", 4, 7, 8);
    TRACE("CPUID", "xor eax, eax; cpuid; nop", 2, 4, 5);
    TRACE("PUSHFD and POPFD that keep TF", "pushfd; popfd; nop", 1, 2, 3);
    TRACE("POPFD that clears TF: one more step", "push 2; popfd; nop; nop", 2, 3);
    TRACE("a far JMP", "jmp 8, offset 1f; nop; 1: nop", 8, 9);
    TRACE("an LGDT", "sgdt [0x70000]; lgdt [0x70000]; nop", 7, 14, 15);
    TRACE("a REP MOVSB: every iteration", "mov ecx, 3; mov esi, 0x70000; mov edi, 0x70010; rep movsb; nop", 5, 10, 15,
          15, 15, 17, 18);

    begin("PUSHFD pushes TF as it is");
    in.eflags |= TF;
    resume_vectors = 1 << DB;
    run(CODE("pushfd; pop eax"));
    want_done();
    want(out.r.eax & TF, TF);

    begin("INT n clears TF; the step comes after the handler's IRET and one instruction");
    ring(3);
    idt[0x40] = gate(CODE32(0), CODE("nop; nop; iretd")->start, AR_TRAP32 | AR_DPL(3), 0);
    in.eflags |= TF;
    resume_vectors = 1 << DB;
    const struct code *code = CODE("int 0x40; nop; nop");
    run(code);
    want_done();
    want(n_events, 3);
    want(events[0].r.eip, code->start + 3);
    want(events[1].r.eip, code->start + 4);

    begin("a call gate to ring 0 is stepped there");
    ring(3);
    const struct code *inner = CODE("nop; nop");
    slot(0, gate(CODE32(0), inner->start, AR_CALL32 | AR_DPL(3), 0));
    in.eflags |= TF;
    resume_vectors = 1 << DB;
    run(CODE("call 0x100, 0"));
    want(n_events, 4);
    want(events[0].r.eip, inner->start);
    want(events[1].r.eip, inner->start + 1);
    want(events[0].r.cs, CODE32(0));

    begin("SYSENTER keeps TF: the first step is at its target");
    ring(3);
    inner = CODE("nop; nop");
    write_msr(0x174, CODE32(0));
    write_msr(0x175, RING0_TOP - 0x100);
    write_msr(0x176, inner->start);
    in.eflags |= TF;
    resume_vectors = 1 << DB;
    run(CODE("sysenter"));
    want(events[0].vector, DB);
    want(events[0].r.eip, inner->start);

    begin("IRET to an outer ring with TF traps after its first instruction");
    code = CODE("pushfd; or dword ptr [esp + 4 - 4], 0x100; pop eax; push 0x3b + 8; push 0x87654; push eax; push 0x3b; "
                "push offset 1f; iretd; 1: nop;" HERE "nop");
    run(code);
    want_vector(DB);
    want(out.r.cs, CODE32(3));

    begin("single steps in virtual-8086 mode");
    v86(0);
    in.eflags |= TF;
    resume_vectors = 1 << DB;
    code = CODE16("nop; mov ax, ds; mov ds, ax; nop");
    run(code);
    want_done();
    want(n_events, 5);
    want(events[0].r.eip, LOW(code->start) + 1);
    want(events[1].r.eip, LOW(code->start) + 3);
    want(events[2].r.eip, LOW(code->start) + 5);
    want(events[3].r.eip, LOW(code->start) + 6);

    begin("a faulting instruction is not stepped: TF is in its frame");
    ring(3);
    in.eflags |= TF;
    run(CODE("hlt"));
    want_vector(GP);
    want(out.r.eflags & TF, TF);
    want(n_events, 1);
}
