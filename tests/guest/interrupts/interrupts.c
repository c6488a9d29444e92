/*
 * When an external interrupt is taken: STI and MOV SS, HLT, IRET, POPF, REP, priorities. Source: SDM vol. 3 "Interrupt
 * and Exception Handling", vol. 2 "STI", "HLT", "MOV", "POP"; Intel 231468 (8259A).
 *
 * A pending interrupt is made by polling the interrupt controller's request register with IF clear, so each case is
 * exact.
 */
#include "guest.h"

#define IRQ(n)      (0x40u + (n)) /* vectors */
#define PIT_COUNT   0x40
#define PIT_CONTROL 0x43

static void program_controllers(void)
{
    static const struct {
        uint16_t port;
        uint8_t value;
    } init[] = {{0x20, 0x11},   {0x21, IRQ(0)}, {0x21, 4}, {0x21, 1},    {0xa0, 0x11},
                {0xa1, IRQ(8)}, {0xa1, 2},      {0xa1, 1}, {0x21, 0xff}, {0xa1, 0xff}};
    for (unsigned i = 0; i < sizeof init / sizeof init[0]; i++)
        out8(init[i].port, init[i].value);
}

static uint8_t requests(void)
{
    out8(0x20, 0x0a);
    return in8(0x20);
}

static uint8_t in_service(void)
{
    out8(0x20, 0x0b);
    return in8(0x20);
}

static void timer(uint16_t count)
{
    out8(PIT_CONTROL, 0x30); /* counter 0, both bytes, mode 0: OUT rises at the end */
    out8(PIT_COUNT, (uint8_t)count);
    out8(PIT_COUNT, (uint8_t)(count >> 8));
}

/* A fresh controller, IRQ 0 requested and not masked. */
static void pend_timer(void)
{
    program_controllers();
    timer(0xffff);
    program_controllers(); /* forgets what was requested before */
    timer(20);
    while (!(requests() & 1))
        ;
    out8(0x21, 0xfe);
}

/* The keyboard controller's command D2 puts a byte into its output buffer as if from the keyboard: IRQ 1. */
static bool wait_keyboard(uint8_t bit, uint8_t value)
{
    for (unsigned i = 0; i < 1000000; i++)
        if ((in8(0x64) & bit) == value)
            return true;
    return false;
}

static void drain_keyboard(void)
{
    for (unsigned i = 0; i < 64 && (in8(0x64) & 1); i++)
        in8(0x60);
}

static bool pend_keyboard(void)
{
    drain_keyboard();
    wait_keyboard(2, 0);
    out8(0x64, 0x60);
    wait_keyboard(2, 0);
    out8(0x60, 0x45); /* IRQ 1 on, translation */
    wait_keyboard(2, 0);
    out8(0x64, 0xd2);
    wait_keyboard(2, 0);
    out8(0x60, 0x1c);
    for (unsigned i = 0; i < 1000000; i++)
        if (requests() & 2)
            return true;
    return false;
}

static void acknowledge(void)
{
    out8(0x21, 0xff);
    out8(0xa1, 0xff);
    out8(0xa0, 0x20);
    out8(0x20, 0x20);
    drain_keyboard();
}

/* Timer pending, IF clear: the interrupt arrives at HERE. */
static void taken_at_here(const struct code *code)
{
    pend_timer();
    run(code);
    want_vector(IRQ(0));
    acknowledge();
}

static void boundaries(void)
{
    begin("with IF set the interrupt comes before the first instruction");
    in.eflags |= IF;
    taken_at_here(CODE("nop"));
    want(out.r.eflags & IF, IF);
    want(out.handler_eflags & IF, 0);
    begin("with IF clear it does not come");
    pend_timer();
    run(CODE("nop; nop"));
    want_done();
    acknowledge();
    begin("after STI one more instruction runs");
    taken_at_here(CODE("sti; nop;" HERE "nop"));
    begin("STI CLI lets nothing in");
    pend_timer();
    run(CODE("sti; cli; nop; nop"));
    want_done();
    acknowledge();
    begin("the second of two STI holds nothing back");
    taken_at_here(CODE("sti; sti;" HERE "nop"));
    begin("STI before MOV SS: the instruction after MOV SS still runs");
    differs(QEMU,
            "MOV SS after STI holds nothing back; SDM \"Masking Exceptions and Interrupts When Switching Stacks\"");
    taken_at_here(CODE("mov eax, ss; sti; mov ss, eax; nop;" HERE "nop"));
    begin("STI before POP SS: the instruction after POP SS still runs");
    differs(QEMU,
            "POP SS after STI holds nothing back; SDM \"Masking Exceptions and Interrupts When Switching Stacks\"");
    taken_at_here(CODE("push ss; sti; pop ss; nop;" HERE "nop"));
    begin("STI before LSS: LSS holds nothing back");
    taken_at_here(CODE("push ss; push esp; sti; lss esp, [esp];" HERE "nop"));
    begin("STI before MOV DS");
    taken_at_here(CODE("mov eax, ds; sti; mov ds, eax;" HERE "nop"));
    begin("after POPFD with IF the interrupt comes at once");
    taken_at_here(CODE("pushfd; or dword ptr [esp], 0x200; popfd;" HERE "nop"));
    begin("POPF of 16 bits too");
    taken_at_here(CODE("pushfw; or word ptr [esp], 0x200; popfw;" HERE "nop"));
    begin("after IRETD with IF the interrupt comes before the target runs");
    taken_at_here(CODE("pushfd; or dword ptr [esp], 0x200; push cs; push offset 1f; iretd; nop; 1:" HERE "nop"));
    begin("an exception in the shadow of STI comes first");
    pend_timer();
    run(CODE("sti;" HERE "ud2"));
    want_vector(UD);
    acknowledge();
    begin("INT n in the shadow of STI comes first");
    pend_timer();
    run(CODE("sti; int 0x60;" HERE));
    want_vector(0x60);
    acknowledge();
    begin("the interrupt comes between a trap gate's first instruction and INT n");
    differs(QEMU, "the shadow of STI reaches into the handler; SDM \"STI\"");
    idt[0x60] = gate(CODE32(0), CODE("nop")->start, AR_TRAP32, 0);
    pend_timer();
    run(CODE("sti; int 0x60"));
    want(out.vector, IRQ(0));
    want(out.r.eip, (uint32_t)(idt[0x60] & 0xffff) | (uint32_t)(idt[0x60] >> 48) << 16);
    acknowledge();
    begin("an interrupt gate's handler runs until it sets IF");
    const struct code *handler = CODE("nop; nop; sti; nop;" HERE "nop");
    idt[0x60] = gate(CODE32(0), handler->start, AR_INT32, 0);
    pend_timer();
    run(CODE("sti; int 0x60"));
    want(out.vector, IRQ(0));
    want(out.r.eip, handler->here);
    acknowledge();
    begin("a single-step trap comes before the interrupt");
    in.eflags |= TF;
    resume_vectors = 1 << DB;
    differs(QEMU, "STI holds the trap back; SDM \"STI\", \"Single-Step Exception Condition\"");
    pend_timer();
    run(CODE("sti;" HERE "nop; nop"));
    want(events[0].vector, DB);
    want(n_events, 2);
    want_vector(IRQ(0));
    acknowledge();
    for (unsigned cpl = 1; cpl < 4; cpl++) {
        begin("at CPL %u the interrupt changes to the inner stack", cpl);
        ring(cpl);
        in.eflags |= IF;
        pend_timer();
        run(CODE("nop"));
        want_vector(IRQ(0));
        want(out.r.cs, CODE32(cpl));
        want(out.handler_esp, RING0_TOP - 20);
        acknowledge();
        begin("STI at CPL %u with IOPL 3 has its shadow", cpl);
        ring(cpl);
        in.eflags |= IOPL(3);
        taken_at_here(CODE("sti; nop;" HERE "nop"));
    }
    begin("STI in virtual-8086 mode with IOPL 3 has its shadow");
    v86(3);
    taken_at_here(CODE16("sti; nop;" HERE "nop"));
    begin("STI in real mode has its shadow");
    real_mode();
    taken_at_here(CODE16("sti; nop;" HERE "nop"));
    begin("POPF in real mode has none");
    real_mode();
    taken_at_here(CODE16("pushf; pop ax; or ah, 2; push ax; popf;" HERE "nop"));
    begin("IRET in real mode has none");
    real_mode();
    taken_at_here(CODE16(
        "pushf; pop ax; or ah, 2; push ax; push cs; call 1f; 1: pop bx; add bx, 2f - 1b; push bx; iret; nop; 2:" HERE
        "nop"));
    begin("a task gate saves the boundary's EIP");
    const struct code *landing = LANDING(), *code = CODE("sti; nop;" HERE "nop");
    idt[IRQ(0)] = gate(SEG_TSS2, 0, AR_TASK_GATE, 0);
    tss2.eip = landing->start;
    pend_timer();
    run(code);
    want_at(landing->start);
    want(tss.eip, code->here);
    want(tss.eflags & IF, IF);
    want(out.tr, SEG_TSS2);
    acknowledge();
    begin("a bad gate of an interrupt raises #GP with EXT at the boundary");
    differs(QEMU, "leaves EXT clear; SDM \"Error Code\"");
    idt[IRQ(0)] = 0;
    in.eflags |= IF;
    pend_timer();
    run(CODE("nop"));
    want_fault(GP, IRQ(0) * 8 + 3);
    acknowledge();
    begin("an absent gate of an interrupt raises #NP with EXT");
    differs(QEMU, "leaves EXT clear; SDM \"Error Code\"");
    idt[IRQ(0)] &= ~(0x80ull << 40);
    in.eflags |= IF;
    pend_timer();
    run(CODE("nop"));
    want_fault(NP, IRQ(0) * 8 + 3);
    acknowledge();
}

/* A handler that counts in [DATA_AREA], ends the interrupt, and returns. */
static void count_interrupts(void)
{
    const struct code *handler = CODE("push eax; inc dword ptr [0x70000]; mov al, 0x20; out 0x20, al; pop eax; iretd");
    idt[IRQ(0)] = gate(CODE32(0), handler->start, AR_INT32, 0);
}

static void waiting(void)
{
    begin("HLT wakes for a pending interrupt, EIP behind it");
    taken_at_here(CODE("sti; hlt;" HERE "nop"));
    begin("HLT wakes when the timer fires");
    program_controllers();
    timer(5000);
    out8(0x21, 0xfe);
    run(CODE("sti; hlt;" HERE "nop"));
    want_vector(IRQ(0));
    acknowledge();
    begin("HLT in real mode wakes when the timer fires");
    program_controllers();
    timer(5000);
    out8(0x21, 0xfe);
    real_mode();
    run(CODE16("sti; hlt;" HERE "nop"));
    want_vector(IRQ(0));
    acknowledge();
    begin("after HLT the code goes on");
    count_interrupts();
    program_controllers();
    timer(5000);
    out8(0x21, 0xfe);
    run(CODE("sti; hlt; inc ecx; cli"));
    want_done();
    want(data32[0], 1);
    want(out.r.ecx, in.ecx + 1);
    acknowledge();
    begin("a loop without system instructions is interrupted");
    count_interrupts();
    program_controllers();
    timer(5000);
    out8(0x21, 0xfe);
    run(CODE("sti; 1: cmp dword ptr [0x70000], 0; je 1b; cli"));
    want_done();
    want(data32[0], 1);
    acknowledge();
    begin("a jump to itself is interrupted");
    program_controllers();
    timer(5000);
    out8(0x21, 0xfe);
    run(CODE("sti; nop; 1:" HERE "jmp 1b"));
    want_vector(IRQ(0));
    acknowledge();
    begin("a REP MOVSD is interrupted between iterations and resumed");
    count_interrupts();
    program_controllers();
    in.esi = 0x400000;
    in.edi = 0x600000;
    in.ecx = 0x80000;
    *(volatile uint32_t *)0x5ffffc = 0x13579bdf;
    timer(300);
    out8(0x21, 0xfe);
    run(CODE("sti; rep movsd; 1: cmp dword ptr [0x70000], 0; je 1b; cli"));
    want_done();
    want(out.r.ecx, 0);
    want(out.r.esi, 0x600000);
    want(out.r.edi, 0x800000);
    want(*(volatile uint32_t *)0x7ffffc, 0x13579bdf);
    want(data32[0], 1);
    acknowledge();
    begin("REP LODSB with a pending interrupt makes progress");
    in.esi = DATA_AREA;
    in.ecx = 100;
    in.eflags |= IF;
    count_interrupts();
    pend_timer();
    run(CODE("rep lodsb; cli"));
    want_done();
    want(data32[0], 1);
    want(out.r.ecx, 0);
    acknowledge();
}

static void priorities(void)
{
    begin("a masked request waits");
    pend_timer();
    out8(0x21, 0xff);
    in.eflags |= IF;
    run(CODE("nop; nop; mov al, 0xfe; out 0x21, al; mov ecx, 1000; 1: loop 1b; cli"));
    want(out.vector, IRQ(0));
    want(out.r.eip >= in.eip + 6, true);
    acknowledge();
    begin("of two requests the lower number comes first");
    pend_timer();
    want(pend_keyboard(), true);
    out8(0x21, 0xfc);
    in.eflags |= IF;
    run(CODE("nop"));
    want_vector(IRQ(0));
    want(in_service(), 1);
    want(requests() & 2, 2);
    begin("a lower priority waits for the end of interrupt");
    in.eflags |= IF;
    run(CODE("nop; nop; nop; cli"));
    want_done();
    begin("and comes after it");
    in.eflags |= IF;
    run(CODE("mov al, 0x20; out 0x20, al; mov ecx, 1000; 1: loop 1b; cli"));
    want(out.vector, IRQ(1));
    want(in_service(), 2);
    acknowledge();
    begin("rotation makes the other one first");
    differs(BOCHS, "keeps the request chosen before the command; 8259A \"specific rotation\"");
    pend_timer();
    want(pend_keyboard(), true);
    out8(0x21, 0xfc);
    out8(0x20, 0xc0); /* IRQ 0 has the lowest priority */
    in.eflags |= IF;
    run(CODE("nop"));
    want_vector(IRQ(1));
    program_controllers();
    acknowledge();
    begin("a poll with nothing requested answers so");
    program_controllers();
    timer(0xffff);
    program_controllers();
    out8(0x20, 0x0c);
    want(in8(0x20) & 0x80, 0);
    begin("a poll takes the request");
    differs(BOCHS, "answers without bit 7; 8259A \"poll command\"");
    pend_timer();
    out8(0x20, 0x0c);
    want(in8(0x20) & 0x87, 0x80);
    want(in_service(), 1);
    want(requests() & 1, 0);
    acknowledge();
    begin("automatic end of interrupt leaves nothing in service");
    program_controllers();
    timer(0xffff);
    out8(0x20, 0x11);
    out8(0x21, IRQ(0));
    out8(0x21, 4);
    out8(0x21, 3);
    out8(0x21, 0xff);
    timer(20);
    while (!(requests() & 1))
        ;
    out8(0x21, 0xfe);
    in.eflags |= IF;
    run(CODE("nop"));
    want_vector(IRQ(0));
    want(in_service(), 0);
    program_controllers();
    begin("a request through the second controller");
    program_controllers();
    out8(0x70, 0x0b); /* clock: periodic interrupt */
    uint8_t b = in8(0x71);
    out8(0x70, 0x0a);
    uint8_t a = in8(0x71);
    out8(0x70, 0x0a);
    out8(0x71, (uint8_t)((a & 0xf0) | 6));
    out8(0x70, 0x0b);
    out8(0x71, (uint8_t)((b & 0x8f) | 0x40));
    out8(0x70, 0x0c);
    in8(0x71);
    out8(0x21, 0xfb);
    out8(0xa1, 0xfe);
    run(CODE("sti; 1: hlt; jmp 1b"));
    want(out.vector, IRQ(8));
    want(in_service(), 4);
    out8(0x70, 0x0b);
    out8(0x71, b);
    out8(0x70, 0x0c);
    in8(0x71);
    acknowledge();
}

void guest_cases(void)
{
    boundaries();
    waiting();
    priorities();
}
