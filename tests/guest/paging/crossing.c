/*
 * Every instruction that touches memory, across a page boundary with one page missing: #PF with the right error code
 * and CR2, nothing changed; then, once the page is there, the same result as without the fault. Source: SDM vol. 3
 * "Page-Fault Exceptions", vol. 1 "Precise exceptions"; each instruction's page.
 */
#include "paging.h"

#define BOUNDARY (TEST + 0x1000)

enum access { R, W, U }; /* U: an update, faults as a write */

struct crossing {
    const char *name;
    const struct code *code;
    enum access access;
    uint8_t size;       /* bytes touched, upwards from the address */
    int16_t below;      /* pushes: the register's value lies this much above the lowest byte touched */
    char base;          /* 'b' EBX, 's' ESI, 'd' EDI, 'p' ESP, 'e' EBP */
    uint8_t granule;    /* alignment needed, or the size of the pieces that are written one by one */
    unsigned deviating; /* emulators whose order of pieces makes CR2 or the error code differ */
    const char *why;
};

struct state { /* to compare */
    struct registers r;
    uint8_t pages[0x2000];
    uint8_t fpu[512];
};
static struct state before, reference, now;

static uint32_t *base_register(char base)
{
    switch (base) {
    case 's':
        return &in.esi;
    case 'd':
        return &in.edi;
    case 'p':
        return &in.esp;
    case 'e':
        return &in.ebp;
    default:
        return &in.ebx;
    }
}

static void take_state(struct state *to)
{
    uint32_t cr4;
    to->r = out.r;
    to->r.eflags &= ~RF;
    memcpy(to->pages, (const void *)PHYSICAL(0), sizeof to->pages);
    __asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
    __asm__ volatile("mov %0, %%cr4" : : "r"(cr4 | CR4_OSFXSR));
    static uint8_t image[512] __attribute__((aligned(16)));
    __asm__ volatile("fxsave %0" : "=m"(image));
    memcpy(to->fpu, image, 160 + 128);
    memset(to->fpu + 8, 0, 16); /* the pointers to the last instruction and operand */
    to->fpu[6] = to->fpu[7] = 0;
    __asm__ volatile("mov %0, %%cr4" : : "r"(cr4));
}

static bool same_bytes(const void *a, const void *b, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (((const uint8_t *)a)[i] != ((const uint8_t *)b)[i])
            return false;
    return true;
}

static uint32_t first_difference(const void *a, const void *b, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (((const uint8_t *)a)[i] != ((const uint8_t *)b)[i])
            return i;
    return size;
}

/* A pattern that is at once: float data that loads without an exception, packed BCD, a FNSTENV image with all
 * exceptions masked, null selectors. */
static void fill(uint32_t lowest, const struct crossing *c)
{
    memset((void *)PHYSICAL(0), 0, 0x2000);
    for (uint32_t i = 0; i < c->size; i++)
        mapped8(lowest + i) = (uint8_t)(0x11 * (i % 9 + 1) & 0x77);
    if (c->name[0] == '*') { /* an environment or state image, or a pointer: zeros, with a control word */
        for (uint32_t i = 0; i < c->size; i++)
            mapped8(lowest + i) = 0;
        mapped8(lowest) = 0x7f;
        mapped8(lowest + 1) = 0x03;
    } else if (c->name[0] == '#') { /* bounds that hold everything */
        mapped32(lowest) = 0x80000000;
        mapped32(lowest + 4) = 0x7fffffff;
    } else if (c->name[0] == '@') { /* a far pointer into the flat CPL 3 segment: offset of the landing, selector */
        mapped32(lowest) = in.edx;
        mapped16(lowest + 4) = (uint16_t)in.ecx;
        if (c->size == 12)
            mapped32(lowest + 8) = 0x202; /* IRETD's EFLAGS */
    }
}

static void prepare(const struct crossing *c, uint32_t lowest)
{
    static const struct {
        uint16_t fcw, fsw, ftw, fop;
        uint32_t pointers[4], mxcsr, mask, registers[120];
    } clean __attribute__((aligned(16))) = {.fcw = 0x37f, .mxcsr = 0x1f80};
    paging(&legacy_4k);
    ring(3);
    in.eflags |= CF;
    in_cr4 = CR4_OSFXSR;
    in.esp = STACK_BASE + STACK_TOP;
    in.ecx = 2;
    in.edx = 0;
    in.esi = in.edi = DATA_AREA;
    if (c->name[0] == '@') {
        in.edx = c->code->end;
        in.ecx = CODE32(3);
        if (c->name[1] == 'L') /* loads of a segment register want data */
            in.ecx = DATA32(3);
    }
    *base_register(c->base) = lowest + (uint32_t)c->below;
    fill(lowest, c);
    __asm__ volatile("mov %1, %%cr4; fxrstor %0; fld1; fldpi; fldl2e" : : "m"(clean), "r"(CR4_OSFXSR));
}

static void want_state(const char *what, const struct state *expected)
{
    take_state(&now);
    if (!same_bytes(&now.r, &expected->r, sizeof now.r)) {
        uint32_t at = first_difference(&now.r, &expected->r, sizeof now.r) / 4;
        want_equal(label("%s register %u", what, at), ((const uint32_t *)&now.r)[at],
                   ((const uint32_t *)&expected->r)[at]);
    }
    uint32_t at = first_difference(now.fpu, expected->fpu, sizeof now.fpu);
    if (at < sizeof now.fpu)
        want_equal(label("%s FXSAVE byte %u", what, at), now.fpu[at], expected->fpu[at]);
}

static void want_memory(const char *what, const struct state *expected)
{
    uint32_t at = first_difference(now.pages, expected->pages, sizeof now.pages);
    if (at < sizeof now.pages)
        want_equal(label("%s byte %x", what, at), now.pages[at], expected->pages[at]);
}

static uint32_t absent_page, page_flags;
static void give_page(struct event *event, uint32_t *frame)
{
    map(absent_page, page_flags);
}

/* `distance` bytes before the boundary, `second`: the second page misses, else the first; `flags`: what it has instead.
 */
static void cross(const struct crossing *c, unsigned distance, bool second, uint32_t flags)
{
    uint32_t lowest = BOUNDARY - distance;
    uint32_t error = (c->access == R ? 0 : F_W) | F_U | (flags & E_P ? F_P : 0);
    uint32_t other = second ? TEST : BOUNDARY;

    /* With both pages there. */
    prepare(c, lowest);
    map(TEST, E_ALL);
    map(BOUNDARY, E_ALL);
    run_paged(c->code);
    want_done();
    take_state(&reference);

    /* With one missing. */
    prepare(c, lowest);
    map(other, E_ALL);
    map(second ? BOUNDARY : TEST, flags);
    memcpy(before.pages, (const void *)PHYSICAL(0), sizeof before.pages);
    out.r = in;
    take_state(&before);
    run_paged(c->code);
    want_fault(PF, error);
    if (c->granule == 1)
        want_masked("cr2 page", out.cr2, second ? BOUNDARY : TEST, ~0xfffu);
    else
        want_equal("cr2", out.cr2, second ? BOUNDARY : lowest);
    before.r.eip = in.eip;
    want_state(label("%u before, %s page missing:", distance, second ? "second" : "first"), &before);
    /* What is written in pieces may have written some of them: the manual does not forbid it. */
    if (c->granule != 1)
        want_memory(label("%u before, %s page missing:", distance, second ? "second" : "first"), &before);

    /* Restarted. */
    prepare(c, lowest);
    map(other, E_ALL);
    map(second ? BOUNDARY : TEST, flags);
    absent_page = second ? BOUNDARY : TEST;
    page_flags = E_ALL;
    resume_vectors = 1 << PF;
    on_resume = give_page;
    run_paged(c->code);
    resume_vectors = 0;
    want_done();
    want_equal("events", n_events, 2);
    want_state(label("%u before, %s page restarted:", distance, second ? "second" : "first"), &reference);
    want_memory(label("%u before, %s page restarted:", distance, second ? "second" : "first"), &reference);
}

static void crossings(const struct crossing *c)
{
    const char *name = c->name + (c->name[0] == '*' || c->name[0] == '@' || c->name[0] == '#');
    begin("%s across a page boundary, one page missing", name);
    if (c->deviating)
        differs(c->deviating, c->why);
    for (unsigned distance = 1; distance < c->size; distance++) {
        if (c->granule > 1 && distance % c->granule)
            continue;
        cross(c, distance, true, 0);
        cross(c, distance, false, 0);
        if (c->size > 40)
            distance += 3;
    }
    if (c->access != R) {
        begin("%s across a page boundary, one page read-only", name);
        if (c->deviating)
            differs(c->deviating, c->why);
        for (unsigned distance = 1; distance < c->size; distance++) {
            if (c->granule > 1 && distance % c->granule)
                continue;
            cross(c, distance, true, E_P | E_US);
            cross(c, distance, false, E_P | E_US);
            if (c->size > 40)
                distance += 3;
        }
    }
}

#define READ_FIRST       QEMU, "the read of a read-modify-write is reported as a read; SDM \"Page-Fault Exceptions\""
#define SUPERVISOR_STACK QEMU, "far transfers at CPL 3 touch the stack as a supervisor; SDM \"Page-Fault Exceptions\""
#define ONE_BY_ONE       QEMU, "a register is loaded before the fault; SDM vol. 3 \"Program or Task Restart\""
#define STATUS_FIRST     QEMU, "the status word changes before the fault; SDM vol. 3 \"Program or Task Restart\""

void crossing_cases(void)
{
    const struct crossing table[] = {
        {"MOV EAX, m32", CODE("mov eax, [ebx]"), R, 4, 0, 'b', 0, 0, NULL},
        {"MOV AX, m16", CODE("mov ax, [ebx]"), R, 2, 0, 'b', 0, 0, NULL},
        {"MOV m32, EAX", CODE("mov [ebx], eax"), W, 4, 0, 'b', 0, 0, NULL},
        {"MOV m16, AX", CODE("mov [ebx], ax"), W, 2, 0, 'b', 0, 0, NULL},
        {"MOV m32, imm32", CODE("mov dword ptr [ebx], 0x12345678"), W, 4, 0, 'b', 0, 0, NULL},
        {"ADD EAX, m32", CODE("add eax, [ebx]"), R, 4, 0, 'b', 0, 0, NULL},
        {"CMP m32, EAX", CODE("cmp [ebx], eax"), R, 4, 0, 'b', 0, 0, NULL},
        {"TEST m32, imm32", CODE("test dword ptr [ebx], 0x12345678"), R, 4, 0, 'b', 0, 0, NULL},
        {"ADC m32, EAX", CODE("adc [ebx], eax"), U, 4, 0, 'b', 0, READ_FIRST},
        {"LOCK SUB m16, AX", CODE("lock sub [ebx], ax"), U, 2, 0, 'b', 0, READ_FIRST},
        {"INC m32", CODE("inc dword ptr [ebx]"), U, 4, 0, 'b', 0, READ_FIRST},
        {"NEG m32", CODE("neg dword ptr [ebx]"), U, 4, 0, 'b', 0, READ_FIRST},
        {"NOT m16", CODE("not word ptr [ebx]"), U, 2, 0, 'b', 0, READ_FIRST},
        {"ROL m32, 3", CODE("rol dword ptr [ebx], 3"), U, 4, 0, 'b', 0, READ_FIRST},
        {"RCR m16, CL", CODE("rcr word ptr [ebx], cl"), U, 2, 0, 'b', 0, READ_FIRST},
        {"SHLD m32, EAX, CL", CODE("shld [ebx], eax, cl"), U, 4, 0, 'b', 0, READ_FIRST},
        {"XCHG m32, EAX", CODE("xchg [ebx], eax"), U, 4, 0, 'b', 0, READ_FIRST},
        {"XADD m32, EAX", CODE("xadd [ebx], eax"), U, 4, 0, 'b', 0, READ_FIRST},
        {"CMPXCHG m32, EDX, unequal", CODE("cmpxchg [ebx], edx"), U, 4, 0, 'b', 0, READ_FIRST},
        {"CMPXCHG m32, EDX, equal", CODE("cmpxchg [ebx], edx"), U, 4, 0, 'b', 0, READ_FIRST},
        {"CMPXCHG8B, unequal", CODE("cmpxchg8b [esi]"), U, 8, 0, 's', 0, READ_FIRST},
        {"LOCK CMPXCHG8B, unequal", CODE("lock cmpxchg8b [esi]"), U, 8, 0, 's', 0, READ_FIRST},
        {"BTS m32, 4", CODE("bts dword ptr [ebx], 4"), U, 4, 0, 'b', 0, READ_FIRST},
        {"BT m32, 4", CODE("bt dword ptr [ebx], 4"), R, 4, 0, 'b', 0, 0, NULL},
        {"BSF EAX, m32", CODE("bsf eax, [ebx]"), R, 4, 0, 'b', 0, 0, NULL},
        {"IMUL EAX, m32, 5", CODE("imul eax, [ebx], 5"), R, 4, 0, 'b', 0, 0, NULL},
        {"MUL m32", CODE("mul dword ptr [ebx]"), R, 4, 0, 'b', 0, 0, NULL},
        {"DIV m32", CODE("div dword ptr [ebx]"), R, 4, 0, 'b', 0, 0, NULL},
        {"MOVZX EAX, m16", CODE("movzx eax, word ptr [ebx]"), R, 2, 0, 'b', 0, 0, NULL},
        {"CMOVNC EAX, m32 with CF set", CODE("cmovnc eax, [ebx]"), R, 4, 0, 'b', 0, 0, NULL},
        {"CMOVC EAX, m32 with CF set", CODE("cmovc eax, [ebx]"), R, 4, 0, 'b', 0, 0, NULL},
        {"#BOUND", CODE("bound eax, [ebx]"), R, 8, 0, 'b', 1, 0, NULL},
        {"@LES", CODE("les eax, [ebx]"), R, 6, 0, 'b', 1, 0, NULL},
        {"@LDS", CODE("lds eax, [ebx]"), R, 6, 0, 'b', 1, 0, NULL},
        {"@LFS", CODE("lfs eax, [ebx]"), R, 6, 0, 'b', 1, 0, NULL},
        {"@LSS", CODE("lss eax, [ebx]"), R, 6, 0, 'b', 1, 0, NULL},
        {"@JMP m32", CODE("jmp dword ptr [ebx]"), R, 4, 0, 'b', 0, 0, NULL},
        {"@CALL m32", CODE("call dword ptr [ebx]"), R, 4, 0, 'b', 0, 0, NULL},
        {"@JMP m16:32", CODE("jmp fword ptr [ebx]"), R, 6, 0, 'b', 1, 0, NULL},
        {"@CALL m16:32", CODE("call fword ptr [ebx]"), R, 6, 0, 'b', 1, 0, NULL},
        {"@RET", CODE("ret"), R, 4, 0, 'p', 0, 0, NULL},
        {"@RETF", CODE("retf"), R, 8, 0, 'p', 1, SUPERVISOR_STACK},
        {"@RETF 12", CODE("retf 12"), R, 8, 0, 'p', 1, SUPERVISOR_STACK},
        {"@IRETD", CODE("iretd"), R, 12, 0, 'p', 1, SUPERVISOR_STACK},
        {"PUSH EAX", CODE("push eax"), W, 4, 4, 'p', 0, 0, NULL},
        {"PUSH AX", CODE("push ax"), W, 2, 2, 'p', 0, 0, NULL},
        {"PUSH imm8", CODE("push 5"), W, 4, 4, 'p', 0, 0, NULL},
        {"PUSHFD", CODE("pushfd"), W, 4, 4, 'p', 0, 0, NULL},
        {"PUSH m32 from the missing page", CODE("push dword ptr [ebx]"), R, 4, 0, 'b', 0, 0, NULL},
        {"PUSH m32 to the missing page", CODE("push dword ptr [0x70000]"), W, 4, 4, 'p', 0, 0, NULL},
        {"CALL", CODE("call 1f; 1:"), W, 4, 4, 'p', 0, 0, NULL},
        {"CALL ptr16:32", CODE("call 0x3b, offset 1f; 1:"), W, 8, 8, 'p', 1, SUPERVISOR_STACK},
        {"@CALL EDX", CODE("call edx"), W, 4, 4, 'p', 0, 0, NULL},
        {"POP EAX", CODE("pop eax"), R, 4, 0, 'p', 0, 0, NULL},
        {"POP AX", CODE("pop ax"), R, 2, 0, 'p', 0, 0, NULL},
        {"POP m32 to the missing page", CODE("pop dword ptr [ebx]"), W, 4, 0, 'b', 0, 0, NULL},
        {"POP m32 from the missing page", CODE("pop dword ptr [0x70000]"), R, 4, 0, 'p', 0, 0, NULL},
        {"POPFD", CODE("popfd"), R, 4, 0, 'p', 0, 0, NULL},
        {"PUSHAD", CODE("pushad"), W, 32, 32, 'p', 1, 0, NULL},
        {"PUSHA", CODE("pusha"), W, 16, 16, 'p', 1, 0, NULL},
        {"POPAD", CODE("popad"), R, 32, 0, 'p', 1, ONE_BY_ONE},
        {"POPA", CODE("popaw"), R, 16, 0, 'p', 1, ONE_BY_ONE},
        {"ENTER 16, 0", CODE("enter 16, 0"), W, 4, 4, 'p', 1, 0, NULL},
        {"LEAVE", CODE("leave"), R, 4, 0, 'e', 0, 0, NULL},
        {"MOVSD from the missing page", CODE("movsd"), R, 4, 0, 's', 0, 0, NULL},
        {"MOVSD to the missing page", CODE("movsd"), W, 4, 0, 'd', 0, 0, NULL},
        {"LODSD", CODE("lodsd"), R, 4, 0, 's', 0, 0, NULL},
        {"STOSD", CODE("stosd"), W, 4, 0, 'd', 0, 0, NULL},
        {"SCASD", CODE("scasd"), R, 4, 0, 'd', 0, 0, NULL},
        {"CMPSD, source missing", CODE("cmpsd"), R, 4, 0, 's', 0, 0, NULL},
        {"CMPSD, destination missing", CODE("cmpsd"), R, 4, 0, 'd', 0, 0, NULL},
        {"MOV m16, DS", CODE("mov [ebx], ds"), W, 2, 0, 'b', 0, 0, NULL},
        {"SGDT", CODE("sgdt [ebx]"), W, 6, 0, 'b', 1, 0, NULL},
        {"SIDT", CODE("sidt [ebx]"), W, 6, 0, 'b', 1, 0, NULL},
        {"SLDT", CODE("sldt word ptr [ebx]"), W, 2, 0, 'b', 0, 0, NULL},
        {"STR", CODE("str word ptr [ebx]"), W, 2, 0, 'b', 0, 0, NULL},
        {"SMSW", CODE("smsw word ptr [ebx]"), W, 2, 0, 'b', 0, 0, NULL},
        {"VERR", CODE("verr word ptr [ebx]"), R, 2, 0, 'b', 0, 0, NULL},
        {"LAR", CODE("lar eax, word ptr [ebx]"), R, 2, 0, 'b', 0, 0, NULL},
        {"FLD m32", CODE("fld dword ptr [ebx]"), R, 4, 0, 'b', 0, 0, NULL},
        {"FLD m64", CODE("fld qword ptr [ebx]"), R, 8, 0, 'b', 0, 0, NULL},
        {"FLD m80", CODE("fld tbyte ptr [ebx]"), R, 10, 0, 'b', 1, 0, NULL},
        {"FST m32", CODE("fst dword ptr [ebx]"), W, 4, 0, 'b', 0, STATUS_FIRST},
        {"FSTP m64", CODE("fstp qword ptr [ebx]"), W, 8, 0, 'b', 0, STATUS_FIRST},
        {"FSTP m80", CODE("fstp tbyte ptr [ebx]"), W, 10, 0, 'b', 1, 0, NULL},
        {"FILD m16", CODE("fild word ptr [ebx]"), R, 2, 0, 'b', 0, 0, NULL},
        {"FILD m64", CODE("fild qword ptr [ebx]"), R, 8, 0, 'b', 0, 0, NULL},
        {"FISTP m32", CODE("fistp dword ptr [ebx]"), W, 4, 0, 'b', 0, STATUS_FIRST},
        {"FISTP m64", CODE("fistp qword ptr [ebx]"), W, 8, 0, 'b', 0, STATUS_FIRST},
        {"FBLD", CODE("fbld tbyte ptr [ebx]"), R, 10, 0, 'b', 1, 0, NULL},
        {"FBSTP", CODE("fbstp tbyte ptr [ebx]"), W, 10, 0, 'b', 1, 0, NULL},
        {"FADD m64", CODE("fadd qword ptr [ebx]"), R, 8, 0, 'b', 0, 0, NULL},
        {"FNSTCW", CODE("fnstcw word ptr [ebx]"), W, 2, 0, 'b', 0, 0, NULL},
        {"FNSTSW m16", CODE("fnstsw word ptr [ebx]"), W, 2, 0, 'b', 0, 0, NULL},
        {"*FLDCW", CODE("fldcw word ptr [ebx]"), R, 2, 0, 'b', 0, 0, NULL},
        {"*FLDENV", CODE("fldenv [ebx]"), R, 28, 0, 'b', 1, QEMU | BOCHS,
         "loads the environment before the fault; SDM vol. 3 \"Program or Task Restart\""},
        {"FNSTENV", CODE("fnstenv [ebx]"), W, 28, 0, 'b', 1, 0, NULL},
        {"FNSAVE", CODE("fnsave [ebx]"), W, 108, 0, 'b', 1, QEMU,
         "forgets the pointer to the last instruction at the fault; SDM vol. 3 \"Program or Task Restart\""},
        {"*FRSTOR", CODE("frstor [ebx]"), R, 108, 0, 'b', 1, QEMU | BOCHS,
         "loads the environment before the fault; SDM vol. 3 \"Program or Task Restart\""},
        {"MOVQ m64, MM", CODE("movq [ebx], mm0"), W, 8, 0, 'b', 0, STATUS_FIRST},
        {"MOVQ MM, m64", CODE("movq mm0, [ebx]"), R, 8, 0, 'b', 0, STATUS_FIRST},
        {"PADDB MM, m64", CODE("paddb mm1, [ebx]"), R, 8, 0, 'b', 0, STATUS_FIRST},
        {"MOVUPS XMM, m128", CODE("movups xmm1, [ebx]"), R, 16, 0, 'b', 1, 0, NULL},
        {"MOVUPS m128, XMM", CODE("movups [ebx], xmm1"), W, 16, 0, 'b', 1, 0, NULL},
        {"MOVSS XMM, m32", CODE("movss xmm1, [ebx]"), R, 4, 0, 'b', 0, 0, NULL},
        {"MOVLPS m64, XMM", CODE("movlps [ebx], xmm1"), W, 8, 0, 'b', 0, 0, NULL},
        {"CVTSI2SS XMM, m32", CODE("cvtsi2ss xmm1, [ebx]"), R, 4, 0, 'b', 0, 0, NULL},
        {"STMXCSR", CODE("stmxcsr [ebx]"), W, 4, 0, 'b', 0, 0, NULL},
    };
    for (unsigned i = 0; i < sizeof table / sizeof table[0]; i++)
        crossings(&table[i]);
}
