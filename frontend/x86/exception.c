/*
 * Exceptions and interrupts: raising, delivery through IVT and IDT, double faults, and what is served between
 * instructions.
 *
 * Source: SDM vol. 2 "INT n/INTO/INT3/INT1" for the order of checks; vol. 3 "Interrupt and Exception Handling",
 * "8086 Emulation" (VME redirection), "Debug Exceptions" (RF, DR6).
 * Deviates: an interrupt between two iterations of a REP string instruction pushes RF = 1 only for INS and OUTS, and
 * only while breakpoints are armed; without breakpoints nothing reads it.
 */
#include "frontend/x86/sys_internal.h"

#include <string.h>

#include "frontend/x86/smm.h"
#include "hw/core/log.h"

struct delivery {
    uint8_t vector;
    enum interrupt_kind kind;
    bool has_error;
    uint32_t error;
    uint32_t eflags_or; /* EFLAGS_RF for faults */
};

/* ---- raising ---- */

static _Noreturn void raise_fault(struct cpu *cpu, enum cpu_vector vector, bool has_error, uint32_t error)
{
    cpu->fault.vector = (uint8_t)vector;
    cpu->fault.has_error = has_error;
    cpu->fault.error = error;
    longjmp(cpu->unwind, 1);
}

void cpu_raise(struct cpu *cpu, enum cpu_vector vector)
{
    raise_fault(cpu, vector, false, 0);
}

void cpu_raise_error(struct cpu *cpu, enum cpu_vector vector, uint32_t error)
{
    raise_fault(cpu, vector, true, error);
}

void cpu_page_fault(void *opaque, lin_addr address, uint32_t error)
{
    struct cpu *cpu = opaque;

    cpu->cr2 = address;
    raise_fault(cpu, VEC_PF, true, error);
}

/* The bits travel in fault.error until the delivery succeeds in telling them from an instruction breakpoint (RF). */
void cpu_raise_debug(struct cpu *cpu, uint32_t dr6_bits)
{
    raise_fault(cpu, VEC_DB, false, dr6_bits);
}

/* ---- delivery: real mode, and INT n of a VME virtual-8086 task ---- */

/* Reads an IVT entry: offset in the low half, segment in the high one. */
static uint32_t ivt_entry(struct cpu *cpu, lin_addr table, uint8_t vector)
{
    return mmu_ld32(&cpu->mmu, table + vector * 4u, MMU_SUPERVISOR);
}

/* Pushes FLAGS, CS, IP and goes to the entry. */
static void enter_ivt(struct cpu *cpu, uint32_t entry, uint16_t flags, uint32_t return_eip)
{
    struct frame f = {.item_bytes = 2};

    frame_add(&f, flags);
    frame_add(&f, cpu->seg[CS].selector);
    frame_add(&f, return_eip);
    frame_check_room(cpu, &cpu->seg[SS], cpu->gpr[ESP], &f, 0); /* #SS(0) */
    cpu->gpr[ESP] = frame_store(cpu, &cpu->seg[SS], cpu->gpr[ESP], &f, cpu->view);
    segment_load_real(cpu, CS, (uint16_t)(entry >> 16));
    cpu->eip = entry & 0xffff;
}

static void deliver_real(struct cpu *cpu, const struct delivery *d, uint32_t return_eip)
{
    if (d->vector * 4u + 3 > cpu->idtr.limit)
        cpu_raise_error(cpu, VEC_GP, d->vector * 8u + 2); /* #GP */
    enter_ivt(cpu, ivt_entry(cpu, cpu->idtr.base, d->vector), (uint16_t)(cpu_get_eflags(cpu) | d->eflags_or),
              return_eip);
    cpu_commit_eflags(cpu, 0, EFLAGS_IF | EFLAGS_TF | EFLAGS_AC | EFLAGS_RF);
}

/* SDM vol. 3 "Class 3-Software Interrupt Handling in Virtual-8086 Mode", methods 5 and 6. False: not redirected. */
static bool redirect_v86_interrupt(struct cpu *cpu, const struct delivery *d, uint32_t return_eip)
{
    uint32_t map, entry, flags = cpu_get_eflags(cpu);
    bool has_iopl = cpu_iopl(cpu) == 3;

    if (!ar_is_system(cpu->tr.ar, TYPE_TSS32_BUSY) || cpu->tr.limit < 0x67)
        cpu_raise_error(cpu, VEC_GP, 0);
    map = mmu_ld16(&cpu->mmu, cpu->tr.base + 0x66, MMU_SUPERVISOR) - 32u + d->vector / 8u;
    if (map > cpu->tr.limit)
        cpu_raise_error(cpu, VEC_GP, 0);
    if (mmu_ld8(&cpu->mmu, cpu->tr.base + map, MMU_SUPERVISOR) >> (d->vector & 7) & 1)
        return false;

    entry = ivt_entry(cpu, 0, d->vector);
    if (!has_iopl)
        flags = (flags & ~(uint32_t)EFLAGS_IF) | EFLAGS_IOPL | (flags & EFLAGS_VIF ? EFLAGS_IF : 0);
    enter_ivt(cpu, entry, (uint16_t)flags, return_eip);
    cpu_commit_eflags(cpu, 0, EFLAGS_TF | EFLAGS_RF | (has_iopl ? EFLAGS_IF : EFLAGS_VIF));
    return true;
}

/* ---- delivery: protected mode ---- */

static bool is_idt_gate(uint16_t ar)
{
    if (ar & AR_S)
        return false;
    switch (ar & AR_TYPE) {
    case TYPE_TASK_GATE:
    case TYPE_INT16:
    case TYPE_TRAP16:
    case TYPE_INT32:
    case TYPE_TRAP32:
        return true;
    default:
        return false;
    }
}

static void commit_gate(struct cpu *cpu, const struct gate *g, unsigned cpl, const struct descriptor *cs)
{
    uint32_t clear = EFLAGS_TF | EFLAGS_NT | EFLAGS_VM | EFLAGS_RF;

    if (g->type == TYPE_INT16 || g->type == TYPE_INT32)
        clear |= EFLAGS_IF;
    cpu->eflags &= ~clear;
    cpu_set_cpl(cpu, cpl);
    segment_set(cpu, CS, (uint16_t)((g->selector & ~SELECTOR_RPL) | cpl), cs);
    cpu->eip = g->offset;
}

static void frame_add_return(struct frame *f, struct cpu *cpu, const struct delivery *d, uint32_t return_eip)
{
    frame_add(f, cpu_get_eflags(cpu) | d->eflags_or);
    frame_add(f, cpu->seg[CS].selector);
    frame_add(f, return_eip);
    if (d->has_error)
        frame_add(f, d->error);
}

/* SDM "INTER-PRIVILEGE-LEVEL-INTERRUPT" and "INTERRUPT-FROM-VIRTUAL-8086-MODE". */
static void deliver_inner(struct cpu *cpu, const struct delivery *d, uint32_t return_eip, const struct gate *g,
                          struct descriptor *cs, uint32_t ext)
{
    struct frame f = {.item_bytes = g->is_32bit ? 4 : 2};
    bool from_v86 = cpu_is_v86(cpu);
    unsigned cpl = ar_dpl(cs->ar);
    struct inner_stack stack;
    uint32_t esp;

    tss_inner_stack(cpu, cpl, ext, &stack); /* #TS, #SS */
    if (from_v86) {
        frame_add(&f, cpu->seg[GS].selector);
        frame_add(&f, cpu->seg[FS].selector);
        frame_add(&f, cpu->seg[DS].selector);
        frame_add(&f, cpu->seg[ES].selector);
    }
    frame_add(&f, cpu->seg[SS].selector);
    frame_add(&f, cpu->gpr[ESP]);
    frame_add_return(&f, cpu, d, return_eip);
    frame_check_room(cpu, &stack.ss, stack.esp, &f, SELECTOR_ERROR(stack.ss.selector) | ext); /* #SS(new SS) */
    if (g->offset > cs->limit)
        cpu_raise_error(cpu, VEC_GP, ext);
    descriptor_set_accessed(cpu, &stack.descriptor);
    descriptor_set_accessed(cpu, cs);
    esp = frame_store(cpu, &stack.ss, stack.esp, &f, MMU_SUPERVISOR);

    commit_gate(cpu, g, cpl, cs);
    segment_set(cpu, SS, stack.ss.selector, &stack.descriptor);
    cpu->gpr[ESP] = esp;
    if (from_v86) {
        segment_set_null(cpu, GS, 0);
        segment_set_null(cpu, FS, 0);
        segment_set_null(cpu, DS, 0);
        segment_set_null(cpu, ES, 0);
    }
}

/* SDM "INTRA-PRIVILEGE-LEVEL-INTERRUPT". */
static void deliver_same(struct cpu *cpu, const struct delivery *d, uint32_t return_eip, const struct gate *g,
                         struct descriptor *cs, uint32_t ext)
{
    struct frame f = {.item_bytes = g->is_32bit ? 4 : 2};
    uint32_t esp;

    frame_add_return(&f, cpu, d, return_eip);
    frame_check_room(cpu, &cpu->seg[SS], cpu->gpr[ESP], &f, ext); /* #SS(EXT) */
    if (g->offset > cs->limit)
        cpu_raise_error(cpu, VEC_GP, ext);
    descriptor_set_accessed(cpu, cs);
    esp = frame_store(cpu, &cpu->seg[SS], cpu->gpr[ESP], &f, cpu->view);

    commit_gate(cpu, g, cpu->cpl, cs);
    cpu->gpr[ESP] = esp;
}

static void deliver_protected(struct cpu *cpu, const struct delivery *d, uint32_t return_eip)
{
    bool is_software = d->kind == INTERRUPT_SOFTWARE || d->kind == INTERRUPT_INT3_INTO;
    uint32_t ext = is_software ? 0 : 1;
    uint32_t idt_error = d->vector * 8u | 2 | ext;
    struct descriptor cs;
    struct gate g;
    uint64_t raw;
    uint16_t ar;

    if (d->vector * 8u + 7 > cpu->idtr.limit)
        cpu_raise_error(cpu, VEC_GP, idt_error);
    raw = mmu_ld64(&cpu->mmu, cpu->idtr.base + d->vector * 8u, MMU_SUPERVISOR);
    ar = (uint16_t)(raw >> 40 & 0xff);
    g = gate_unpack((uint32_t)raw, (uint32_t)(raw >> 32));
    if (!is_idt_gate(ar))
        cpu_raise_error(cpu, VEC_GP, idt_error);
    if (is_software && ar_dpl(ar) < cpu->cpl)
        cpu_raise_error(cpu, VEC_GP, idt_error);
    if (!ar_is_present(ar))
        cpu_raise_error(cpu, VEC_NP, idt_error);
    if (g.type == TYPE_TASK_GATE) {
        cpu->eflags |= d->eflags_or; /* into the outgoing TSS */
        task_switch_from(cpu, g.selector, TASK_INTERRUPT, d->has_error, d->error, return_eip, ext);
        return;
    }

    if (SELECTOR_IS_NULL(g.selector))
        cpu_raise_error(cpu, VEC_GP, ext);
    if (!descriptor_read(cpu, g.selector, &cs) || !ar_is_code(cs.ar) || ar_dpl(cs.ar) > cpu->cpl)
        cpu_raise_error(cpu, VEC_GP, SELECTOR_ERROR(g.selector) | ext);
    if (!ar_is_present(cs.ar))
        cpu_raise_error(cpu, VEC_NP, SELECTOR_ERROR(g.selector) | ext);
    if (!ar_is_conforming(cs.ar) && ar_dpl(cs.ar) < cpu->cpl) {
        if (cpu_is_v86(cpu) && ar_dpl(cs.ar) != 0)
            cpu_raise_error(cpu, VEC_GP, SELECTOR_ERROR(g.selector) | ext);
        deliver_inner(cpu, d, return_eip, &g, &cs, ext);
    } else {
        if (cpu_is_v86(cpu))
            cpu_raise_error(cpu, VEC_GP, SELECTOR_ERROR(g.selector) | ext);
        deliver_same(cpu, d, return_eip, &g, &cs, ext);
    }
}

/* Common to every mode. Raises; on return the event has been delivered. */
static void deliver(struct cpu *cpu, const struct delivery *d, uint32_t return_eip)
{
    static const char kind_letter[] = {'e', 'h', 's', 'b', 'i'};

    if (log_is_on(LOG_INT))
        log_printf(LOG_INT, "v=%02x e=%04x %c cpl=%d IP=%04x:%08x SP=%04x:%08x CR2=%08x EAX=%08x\n", d->vector,
                   d->has_error ? d->error : 0, kind_letter[d->kind], cpu->cpl, cpu->seg[CS].selector, return_eip,
                   cpu->seg[SS].selector, cpu->gpr[ESP], cpu->cr2, cpu->gpr[EAX]);
    if (!cpu_is_pm(cpu)) {
        deliver_real(cpu, d, return_eip);
    } else if (cpu_is_v86(cpu) && d->kind == INTERRUPT_SOFTWARE) {
        bool is_redirected = (cpu->cr4 & CR4_VME) && redirect_v86_interrupt(cpu, d, return_eip);

        if (!is_redirected && cpu_iopl(cpu) < 3)
            cpu_raise_error(cpu, VEC_GP, 0);
        if (!is_redirected)
            deliver_protected(cpu, d, return_eip);
    } else {
        deliver_protected(cpu, d, return_eip);
    }

    cpu->shadow = cpu->shadow_next = 0;
    cpu->halt = CPU_RUNNING;
    if (d->vector == VEC_DB && d->kind != INTERRUPT_SOFTWARE) {
        cpu->dr[7] &= ~DR7_GD;
        cpu->msr.debugctl &= ~(uint64_t)3; /* LBR, BTF */
    }
    /* The software interrupts clear TF, so the step that began before them never traps. A task switch notes BT here. */
    cpu->pending_db &= ~(uint32_t)DR6_BS;
}

void interrupt_deliver_from(struct cpu *cpu, uint8_t vector, enum interrupt_kind kind, bool has_error, uint32_t error,
                            uint32_t return_eip)
{
    const struct delivery d = {.vector = vector, .kind = kind, .has_error = has_error, .error = error};

    deliver(cpu, &d, return_eip);
}

void interrupt_deliver(struct cpu *cpu, uint8_t vector, enum interrupt_kind kind, bool has_error, uint32_t error)
{
    interrupt_deliver_from(cpu, vector, kind, has_error, error, cpu->eip);
}

/* ---- faults during delivery ---- */

enum fault_class { BENIGN, CONTRIBUTORY, PAGE_FAULT };

static enum fault_class fault_class(const struct delivery *d)
{
    if (d->kind != INTERRUPT_EXCEPTION)
        return BENIGN;
    switch (d->vector) {
    case VEC_DE:
    case VEC_TS:
    case VEC_NP:
    case VEC_SS:
    case VEC_GP:
        return CONTRIBUTORY;
    case VEC_PF:
        return PAGE_FAULT;
    default:
        return BENIGN;
    }
}

/* SDM vol. 3 "Interrupt 8-Double Fault Exception (#DF)", table "Conditions for Generating a Double Fault". */
static bool makes_double_fault(const struct delivery *first, const struct delivery *second)
{
    enum fault_class a = fault_class(first), b = fault_class(second);

    return (a == CONTRIBUTORY && b == CONTRIBUTORY) || (a == PAGE_FAULT && b != BENIGN);
}

static struct delivery delivery_of_fault(const struct cpu *cpu)
{
    struct delivery d = {.vector = cpu->fault.vector,
                         .kind = INTERRUPT_EXCEPTION,
                         .has_error = cpu->fault.has_error,
                         .error = cpu->fault.error,
                         .eflags_or = EFLAGS_RF};

    /* An instruction breakpoint is the one fault that leaves RF as it is. */
    if (d.vector == VEC_DB && !(d.error & DR6_BD))
        d.eflags_or = 0;
    return d;
}

void cpu_enter_shutdown(struct cpu *cpu)
{
    log_printf(LOG_INT | LOG_CPU_RESET, "shutdown (triple fault) at %04x:%08x\n", cpu->seg[CS].selector, cpu->eip);
    cpu->halt = CPU_SHUTDOWN;
    cpu->board->shutdown(cpu->board->opaque);
}

/* Delivers at the boundary cpu->eip; faults on the way are delivered in turn. Does not raise. */
static void deliver_all(struct cpu *cpu, const struct delivery *first)
{
    struct delivery now = *first;
    jmp_buf outer;

    memcpy(outer, cpu->unwind, sizeof outer);
    while (setjmp(cpu->unwind)) {
        struct delivery next = delivery_of_fault(cpu);

        if (now.kind == INTERRUPT_EXCEPTION && now.vector == VEC_DF && fault_class(&next) != BENIGN) {
            cpu_enter_shutdown(cpu);
            memcpy(cpu->unwind, outer, sizeof outer);
            return;
        }
        if (makes_double_fault(&now, &next))
            next = (struct delivery){
                .vector = VEC_DF, .kind = INTERRUPT_EXCEPTION, .has_error = true, .eflags_or = EFLAGS_RF};
        now = next;
    }
    if (now.vector == VEC_DB && now.kind == INTERRUPT_EXCEPTION && !now.has_error)
        cpu->dr[6] |= now.error;
    deliver(cpu, &now, cpu->eip);
    memcpy(cpu->unwind, outer, sizeof outer);
}

void exception_deliver(struct cpu *cpu)
{
    struct delivery d = delivery_of_fault(cpu);

    cpu->pending_db = 0; /* the instruction did not end */
    deliver_all(cpu, &d);
}

/* ---- between instructions ---- */

/* SDM vol. 3 "Priority Among Simultaneous Exceptions and Interrupts". */
bool interrupts_service(struct cpu *cpu)
{
    uint32_t events = atomic_load_explicit(&cpu->events, memory_order_acquire);
    struct delivery d = {.kind = INTERRUPT_HARDWARE};

    if (cpu->shadow & SHADOW_MOV_SS)
        return false;
    if ((events & CPU_EVENT_SMI) && smm_wants_entry(cpu)) {
        atomic_fetch_and_explicit(&cpu->events, ~(uint32_t)CPU_EVENT_SMI, memory_order_relaxed);
        smm_enter(cpu);
        return true;
    }
    if (cpu->pending_db && cpu->halt != CPU_SHUTDOWN) {
        cpu->dr[6] |= cpu->pending_db;
        cpu->pending_db = 0;
        d.kind = INTERRUPT_EXCEPTION;
        d.vector = VEC_DB;
    } else if ((events & CPU_EVENT_NMI) && !cpu->nmi_blocked) {
        atomic_fetch_and_explicit(&cpu->events, ~(uint32_t)CPU_EVENT_NMI, memory_order_relaxed);
        cpu->nmi_blocked = true;
        d.vector = VEC_NMI;
    } else if ((events & CPU_EVENT_INTR) && (cpu->eflags & EFLAGS_IF) && !(cpu->shadow & SHADOW_STI) &&
               cpu->halt != CPU_SHUTDOWN) {
        d.vector = cpu->board->intack(cpu->board->opaque);
    } else {
        return false;
    }
    cpu->halt = CPU_RUNNING; /* even if the delivery ends in another shutdown, which sets it again */
    deliver_all(cpu, &d);
    return true;
}
