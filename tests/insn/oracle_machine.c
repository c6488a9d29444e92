/*
 * The two executors with the same segments, pages and memory: the host (host_exec) and a virtual CPU at CPL 3 with
 * paging, whose LDT and user pages are copies of what the host's process has.
 *
 * Sources: SDM vol. 3 "Protected-Mode Memory Management", "Paging", "Interrupt and Exception Handling"; Linux
 * modify_ldt(2) for the descriptors it makes.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "frontend/x86/fpu.h"
#include "frontend/x86/seg.h"
#include "frontend/x86/sys_internal.h"
#include "tests/insn/oracle.h"

enum {
    PAGE = 4096,
    RAM_BYTES = 1 << 20,
    FILLER = 0xf4, /* HLT, as host_exec fills its code window */
    /* Guest physical; the kernel's pages lie at KERNEL_BASE + the same. */
    GDT = 0x1000,
    IDT = 0x2000,
    LDT = 0x3000,
    TSS = 0x4000,
    STACK0 = 0x6000,
    PAGE_DIRECTORY = 0x10000,
    PAGE_TABLES = 0x11000,
    CODE_PHYS = 0x40000,
    DATA_PHYS = 0x60000,
    STACK_PHYS = 0x80000,
    SEL_CODE0 = 0x08,
    SEL_DATA0 = 0x10,
    SEL_TSS = 0x18,
    SEL_LDT = 0x20,
    GDT_LIMIT = 0x27,
    TSS_LIMIT = 0x67,
    REP_STEPS = 1000,
};
#define KERNEL_BASE 0xf0000000u /* where the host's process has nothing that a case could reach */
#define HANDLER(n)  (KERNEL_BASE + 0x8000u + 16u * (n))

/* ---- segments ---- */

enum { DATA_RO = 0, DATA_RW = 2, DATA_DOWN = 6, CODE_ONLY = 8, CODE = 10, CONFORMING = 14 };
enum { MAX = HOST_WINDOW - 1 };

const struct oracle_slot_info oracle_slots[SLOTS] = {
    [HOST_CODE32] = {"CODE32", WINDOW_CODE, CODE, true, true, false, 0, MAX, WINDOW_MIDDLE},
    [HOST_CODE16] = {"CODE16", WINDOW_CODE, CODE, false, true, false, 0, MAX, WINDOW_MIDDLE},
    [HOST_DATA] = {"DATA", WINDOW_DATA, DATA_RW, true, true, false, 0, MAX, WINDOW_MIDDLE},
    [HOST_STACK32] = {"STACK32", WINDOW_STACK, DATA_RW, true, true, false, 0, MAX, WINDOW_MIDDLE},
    [HOST_STACK16] = {"STACK16", WINDOW_STACK, DATA_RW, false, true, false, 0, MAX, WINDOW_MIDDLE},
    [HOST_DATA_RO] = {"DATA_RO", WINDOW_DATA, DATA_RO, true, true, false, 0, MAX, WINDOW_MIDDLE},
    [HOST_DATA_DOWN] = {"DATA_DOWN", WINDOW_DATA, DATA_DOWN, false, true, false, 0, 0x7fff, 0xa000},
    [HOST_ABSENT] = {"ABSENT", WINDOW_DATA, DATA_RW, true, false, false, 0, MAX, WINDOW_MIDDLE},
    [SLOT_FLAT] = {"FLAT", WINDOW_DATA, DATA_RW, true, true, true, 0, 0xffffffff, WINDOW_MIDDLE},
    [SLOT_SMALL] = {"SMALL", WINDOW_DATA, DATA_RW, false, true, false, 0x3800, 0x8ff, WINDOW_MIDDLE},
    [SLOT_ODD] = {"ODD", WINDOW_DATA, DATA_RW, true, true, false, 0x3001, 0xaffe, WINDOW_MIDDLE},
    [SLOT_GUARD] = {"GUARD", WINDOW_DATA, DATA_RW, true, true, false, (uint32_t)-0x8000, 0x17fff, WINDOW_MIDDLE},
    [SLOT_STACK_SMALL] = {"STACK_SMALL", WINDOW_STACK, DATA_RW, true, true, false, 0x3000, 0x17ff, WINDOW_MIDDLE},
    [SLOT_STACK_SMALL16] = {"STACK_SMALL16", WINDOW_STACK, DATA_RW, false, true, false, 0x3800, 0x8ff, WINDOW_MIDDLE},
    [SLOT_STACK_DOWN16] = {"STACK_DOWN16", WINDOW_STACK, DATA_DOWN, false, true, false, 0, 0x3dff, WINDOW_MIDDLE},
    [SLOT_STACK_DOWN32] = {"STACK_DOWN32", WINDOW_STACK, DATA_DOWN, true, true, true, 0, 0x3dff, WINDOW_MIDDLE},
    [SLOT_CODE_SMALL32] = {"CODE_SMALL32", WINDOW_CODE, CODE, true, true, false, 0, 0x3fff, WINDOW_MIDDLE},
    [SLOT_CODE_SMALL16] = {"CODE_SMALL16", WINDOW_CODE, CODE, false, true, false, 0, 0x3fff, WINDOW_MIDDLE},
    [SLOT_CODE_ONLY] = {"CODE_ONLY", WINDOW_CODE, CODE_ONLY, true, true, false, 0, MAX, WINDOW_MIDDLE},
    [SLOT_CODE_ABSENT] = {"CODE_ABSENT", WINDOW_CODE, CODE, true, false, false, 0, MAX, WINDOW_MIDDLE},
    [SLOT_CONFORMING_ABSENT] = {"CONFORMING_ABSENT", WINDOW_CODE, CONFORMING, true, false, false, 0, MAX,
                                WINDOW_MIDDLE},
    [SLOT_LAST] = {"LAST", WINDOW_DATA, DATA_RW, true, true, false, 0, MAX, WINDOW_MIDDLE},
};

uint32_t oracle_slot_base(const struct oracle_machine *m, unsigned slot)
{
    return slot == SLOT_FLAT || !oracle_slots[slot].name
               ? 0
               : m->base[oracle_slots[slot].window] + oracle_slots[slot].delta;
}

static bool make_host_segments(struct oracle_machine *m)
{
    for (unsigned slot = HOST_FREE_SLOT; slot < SLOTS; slot++) {
        const struct oracle_slot_info *s = &oracle_slots[slot];

        if (s->name &&
            !host_exec_set_segment(&m->host, slot, oracle_slot_base(m, slot), s->limit, s->type, s->big, s->present))
            return false;
    }
    return true;
}

/* ---- the guest's memory ---- */

static uint8_t *ram(struct oracle_machine *m, uint32_t physical)
{
    return phys_ram_host(m->phys, physical);
}
static void put32(struct oracle_machine *m, uint32_t physical, uint32_t value)
{
    memcpy(ram(m, physical), &value, 4);
}
static uint32_t get32(struct oracle_machine *m, uint32_t physical)
{
    uint32_t value;

    memcpy(&value, ram(m, physical), 4);
    return value;
}

static void put_descriptor(struct oracle_machine *m, uint32_t at, uint32_t base, uint32_t limit, uint16_t ar)
{
    if (limit > 0xfffff) {
        limit >>= 12;
        ar |= AR_G;
    }
    put32(m, at, base << 16 | (limit & 0xffff));
    put32(m, at + 4, (base & 0xff000000u) | (uint32_t)ar << 8 | (limit & 0xf0000) | (base >> 16 & 0xff));
}

/* As Linux's fill_ldt(): DPL 3, accessed. */
static void put_ldt(struct oracle_machine *m)
{
    for (unsigned slot = 0; slot < SLOTS; slot++) {
        const struct oracle_slot_info *s = &oracle_slots[slot];
        uint16_t ar = AR_S | AR_DPL | AR_ACCESSED | s->type;

        if (!s->name)
            continue;
        ar |= s->present ? AR_P : 0;
        ar |= s->big ? AR_DB : 0;
        put_descriptor(m, LDT + slot * 8, oracle_slot_base(m, slot), s->limit, ar);
    }
}

static void map_page(struct oracle_machine *m, uint32_t linear, uint32_t physical, uint32_t rights)
{
    uint32_t directory_entry = PAGE_DIRECTORY + (linear >> 22) * 4, table = get32(m, directory_entry) & ~0xfffu;

    if (!table) {
        table = get32(m, PAGE_DIRECTORY + 0xffc); /* the last entry, which maps nothing here, counts the tables */
        table = table ? table : PAGE_TABLES;
        put32(m, PAGE_DIRECTORY + 0xffc, table + PAGE);
        put32(m, directory_entry, table | 7);
    }
    put32(m, table + (linear >> 12 & 0x3ff) * 4, physical | rights);
}

static void map_windows(struct oracle_machine *m)
{
    static const uint32_t physical[WINDOWS] = {CODE_PHYS, DATA_PHYS, STACK_PHYS};

    for (unsigned w = 0; w < WINDOWS; w++) {
        m->guest[w] = ram(m, physical[w]);
        for (uint32_t page = 0; page < HOST_WINDOW; page += PAGE) {
            uint32_t rights = 7;

            if (w != WINDOW_CODE && page == WINDOW_RO_PAGE)
                rights = 5;
            if (w != WINDOW_CODE && page == WINDOW_ABSENT_PAGE)
                rights = 0;
            map_page(m, m->base[w] + page, physical[w] + page, rights);
        }
    }
    for (uint32_t page = 0; page < PAGE_DIRECTORY; page += PAGE)
        map_page(m, KERNEL_BASE + page, page, 3);
    put32(m, PAGE_DIRECTORY + 0xffc, 0);
}

/* ---- the guest's system state ---- */

static void put_system(struct oracle_machine *m)
{
    uint16_t code0 = AR_P | AR_S | AR_CODE | AR_READABLE | AR_ACCESSED | AR_DB;

    put_descriptor(m, GDT + SEL_CODE0, 0, 0xffffffff, code0);
    put_descriptor(m, GDT + SEL_DATA0, 0, 0xffffffff, AR_P | AR_S | AR_WRITABLE | AR_ACCESSED | AR_DB);
    put_descriptor(m, GDT + SEL_TSS, KERNEL_BASE + TSS, TSS_LIMIT, AR_P | TYPE_TSS32_BUSY);
    put_descriptor(m, GDT + SEL_LDT, KERNEL_BASE + LDT, SLOTS * 8 - 1, AR_P | TYPE_LDT);
    for (unsigned v = 0; v < 256; v++) {
        uint32_t dpl = v == VEC_BP || v == VEC_OF ? AR_DPL : 0;

        put32(m, IDT + v * 8, SEL_CODE0 << 16 | (HANDLER(v) & 0xffff));
        put32(m, IDT + v * 8 + 4, (HANDLER(v) & 0xffff0000u) | (AR_P | TYPE_INT32 | dpl) << 8);
    }
    put32(m, TSS + 4, KERNEL_BASE + STACK0);
    put32(m, TSS + 8, SEL_DATA0);
    put32(m, TSS + 0x64, (TSS_LIMIT + 1) << 16); /* no I/O permission map */
    put_ldt(m);
}

static void load_system(struct oracle_machine *m)
{
    struct cpu *cpu = m->cpu;

    cpu->gdtr = (struct table_register){.base = KERNEL_BASE + GDT, .limit = GDT_LIMIT};
    cpu->idtr = (struct table_register){.base = KERNEL_BASE + IDT, .limit = 0x7ff};
    cpu->ldtr =
        (struct segment){.selector = SEL_LDT, .base = KERNEL_BASE + LDT, .limit = SLOTS * 8 - 1, .ar = AR_P | TYPE_LDT};
    cpu->tr = (struct segment){
        .selector = SEL_TSS, .base = KERNEL_BASE + TSS, .limit = TSS_LIMIT, .ar = AR_P | TYPE_TSS32_BUSY};
    cpu->cr0 = CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_PG;
    cpu->cr3 = PAGE_DIRECTORY;
    cpu->cr4 = CR4_OSFXSR | CR4_OSXMMEXCPT;
    cpu_derive_paging(cpu);
}

/* What loading each selector gives, so that a case costs no descriptor read. */
static void cache_segments(struct oracle_machine *m)
{
    for (unsigned slot = 0; slot < SLOTS; slot++) {
        const struct oracle_slot_info *s = &oracle_slots[slot];

        if (!s->name || !s->present)
            continue;
        m->segment[slot] = (struct segment){
            .selector = HOST_SELECTOR(slot),
            .ar = (uint16_t)(AR_P | AR_S | AR_DPL | AR_ACCESSED | s->type | (s->big ? AR_DB : 0) |
                             (s->limit > 0xfffff ? AR_G : 0)),
            .base = oracle_slot_base(m, slot),
            .limit = s->limit,
        };
    }
}

/* ---- the board that the virtual CPU expects ---- */

static uint8_t board_intack(void *opaque)
{
    (void)opaque;
    return 0xff;
}
static void board_nothing(void *opaque)
{
    (void)opaque;
}
static void board_ferr(void *opaque, bool level)
{
    (void)opaque;
    (void)level;
}
static uint64_t board_tsc(void *opaque)
{
    (void)opaque;
    return 0;
}

/* ---- life ---- */

static enum oracle_vendor host_vendor(void)
{
    uint32_t eax = 0, ebx, ecx, edx;

    __asm__("cpuid" : "+a"(eax), "=b"(ebx), "=c"(ecx), "=d"(edx));
    return ebx == 0x68747541 ? VENDOR_AMD : VENDOR_INTEL; /* "Auth" */
}

static bool create_guest(struct oracle_machine *m)
{
    char error[120];

    decode_init();
    if (!cpu_model_parse(&m->model, "max", error, sizeof error) || !(m->phys = phys_create(RAM_BYTES)))
        return false;
    phys_map_ram(m->phys, 0, RAM_BYTES, 0);
    m->bus = bus_create(phys_bus_memory(), m->phys);
    m->board = (struct cpu_board){.opaque = m,
                                  .intack = board_intack,
                                  .ferr = board_ferr,
                                  .poll = board_nothing,
                                  .idle = board_nothing,
                                  .shutdown = board_nothing,
                                  .tsc = board_tsc};
    m->cpu = m->bus ? cpu_create(m->bus, m->phys, &m->board, &m->model) : NULL;
    return m->cpu;
}

/* The same bytes on both sides; then the pages that are not plain. */
static bool fill_memory(struct oracle_machine *m)
{
    struct rng r = {1};

    for (unsigned w = 0; w < WINDOWS; w++) {
        uint8_t *b = m->background[w] = malloc(HOST_WINDOW);

        if (!b)
            return false;
        for (unsigned i = 0; i < HOST_WINDOW; i++)
            b[i] = w == WINDOW_CODE ? FILLER : (uint8_t)rng64(&r);
        memcpy(host_memory(m->base[w]), b, HOST_WINDOW);
        memcpy(m->guest[w], b, HOST_WINDOW);
        if (w != WINDOW_CODE && (mprotect(host_memory(m->base[w] + WINDOW_RO_PAGE), PAGE, PROT_READ) ||
                                 mprotect(host_memory(m->base[w] + WINDOW_ABSENT_PAGE), PAGE, PROT_NONE)))
            return false;
    }
    return true;
}

/* One instruction to a block, so that a step is a step. */
static bool attach_translator(struct oracle_machine *m, enum accel accel, enum window_policy windows, const char **why)
{
    const struct translator_options options = {.accel = accel, .no_chain = true, .block_insns = 1, .windows = windows};

    if (accel == ACCEL_INTERP)
        return true;
    return translator_create(m->cpu, &options, why) && host_exec_take_signals(&m->host); /* in front of its handler */
}

bool oracle_machine_create(struct oracle_machine *m, enum accel accel, enum window_policy windows, const char **why)
{
    memset(m, 0, sizeof *m);
    m->vendor = host_vendor();
    if (!host_exec_create(&m->host, why))
        return false;
    m->base[WINDOW_CODE] = m->host.code_base;
    m->base[WINDOW_DATA] = m->host.data_base;
    m->base[WINDOW_STACK] = m->host.stack_base;
    *why = "out of memory";
    if (make_host_segments(m) && create_guest(m) && attach_translator(m, accel, windows, why)) {
        map_windows(m);
        put_system(m);
        load_system(m);
        cache_segments(m);
        if (fill_memory(m))
            return true;
    }
    oracle_machine_destroy(m);
    return false;
}

void oracle_machine_destroy(struct oracle_machine *m)
{
    if (m->cpu)
        translator_destroy(m->cpu);
    cpu_destroy(m->cpu);
    if (m->bus)
        bus_destroy(m->bus);
    if (m->phys)
        phys_destroy(m->phys);
    for (unsigned w = 0; w < WINDOWS; w++)
        free(m->background[w]);
    host_exec_destroy(&m->host);
}

/* ---- memory of both ---- */

bool oracle_window_of(const struct oracle_machine *m, uint32_t linear, unsigned *window, uint32_t *offset)
{
    for (unsigned w = 0; w < WINDOWS; w++)
        if (linear - m->base[w] < HOST_WINDOW) {
            *window = w;
            *offset = linear - m->base[w];
            return true;
        }
    return false;
}

static bool offset_is_plain(unsigned window, uint32_t offset)
{
    return window == WINDOW_CODE || offset < WINDOW_RO_PAGE || offset >= WINDOW_ABSENT_PAGE + PAGE;
}
static bool offset_is_readable(unsigned window, uint32_t offset)
{
    return window == WINDOW_CODE || offset < WINDOW_ABSENT_PAGE || offset >= WINDOW_ABSENT_PAGE + PAGE;
}

void oracle_poke(struct oracle_machine *m, uint32_t linear, const void *bytes, uint32_t len)
{
    unsigned window;
    uint32_t offset;

    for (uint32_t i = 0; i < len; i++) {
        if (!oracle_window_of(m, linear + i, &window, &offset) || window == WINDOW_CODE ||
            !offset_is_plain(window, offset))
            continue;
        m->guest[window][offset] = ((const uint8_t *)bytes)[i];
        *(uint8_t *)host_memory(linear + i) = ((const uint8_t *)bytes)[i];
    }
}

void oracle_touch(struct oracle_machine *m, struct oracle_case *c, uint32_t linear, uint32_t len)
{
    /* What lies around it, and what wraps from one end of the window to the other. */
    for (unsigned w = WINDOW_DATA; w < WINDOWS; w++) {
        uint32_t offset = linear - m->base[w], end;

        if (offset + HOST_WINDOW / 2 >= 2 * HOST_WINDOW)
            continue;
        if (c->n_regions + 2 > sizeof c->region / sizeof *c->region) {
            c->all_memory = true;
            return;
        }
        offset &= HOST_WINDOW - 1;
        end = offset + len;
        if (end > HOST_WINDOW) {
            c->region[c->n_regions++] = (struct oracle_region){(uint8_t)w, 0, end - HOST_WINDOW};
            end = HOST_WINDOW;
        }
        c->region[c->n_regions++] = (struct oracle_region){(uint8_t)w, offset, end - offset};
    }
}

static void restore_range(struct oracle_machine *m, unsigned window, uint32_t first, uint32_t len)
{
    const uint8_t *background = m->background[window];
    uint8_t *host = host_memory(m->base[window]);

    memcpy(m->guest[window] + first, background + first, len);
    if (first + len <= WINDOW_RO_PAGE || first >= WINDOW_ABSENT_PAGE + PAGE) {
        memcpy(host + first, background + first, len);
        return;
    }
    if (first < WINDOW_RO_PAGE)
        memcpy(host + first, background + first, WINDOW_RO_PAGE - first);
    if (first + len > WINDOW_ABSENT_PAGE + PAGE)
        memcpy(host + WINDOW_ABSENT_PAGE + PAGE, background + WINDOW_ABSENT_PAGE + PAGE,
               first + len - (WINDOW_ABSENT_PAGE + PAGE));
}

void oracle_restore(struct oracle_machine *m, const struct oracle_case *c)
{
    if (c->all_memory) {
        for (unsigned w = WINDOW_DATA; w < WINDOWS; w++)
            restore_range(m, w, 0, HOST_WINDOW);
        return;
    }
    for (unsigned i = 0; i < c->n_regions; i++)
        restore_range(m, c->region[i].window, c->region[i].first, c->region[i].len);
}

bool oracle_memory_is_pristine(struct oracle_machine *m, uint32_t *linear)
{
    bool is_pristine = true;

    for (unsigned w = WINDOW_DATA; w < WINDOWS; w++) {
        const uint8_t *host = host_memory(m->base[w]), *background = m->background[w], *guest = m->guest[w];

        if (!memcmp(host, background, WINDOW_ABSENT_PAGE) && !memcmp(guest, background, HOST_WINDOW) &&
            !memcmp(host + WINDOW_ABSENT_PAGE + PAGE, background + WINDOW_ABSENT_PAGE + PAGE,
                    HOST_WINDOW - WINDOW_ABSENT_PAGE - PAGE))
            continue;
        for (uint32_t i = 0; i < HOST_WINDOW; i++)
            if (guest[i] != background[i] || (offset_is_readable(w, i) && host[i] != background[i]))
                *linear = m->base[w] + i;
        restore_range(m, w, 0, HOST_WINDOW);
        is_pristine = false;
    }
    return is_pristine;
}

/* ---- running ---- */

void oracle_run_host(struct oracle_machine *m, const struct oracle_case *c, struct oracle_result *out)
{
    struct host_result result;

    host_exec_run(&m->host, c->insn->bytes, c->insn->len, &c->state, &result);
    out->state = result.state;
    out->vector = result.vector;
    out->error = result.error;
    out->address = result.address;
}

static uint16_t fx16(const uint8_t *fx, unsigned at)
{
    uint16_t value;

    memcpy(&value, fx + at, 2);
    return value;
}
static uint32_t fx32(const uint8_t *fx, unsigned at)
{
    uint32_t value;

    memcpy(&value, fx + at, 4);
    return value;
}

static void load_fpu(struct cpu *cpu, const uint8_t *fx)
{
    struct fpu *fpu = &cpu->fpu;

    fpu->ferr = false;
    fpu_set_control(cpu, fx16(fx, 0));
    fpu_set_status_word(cpu, fx16(fx, 2));
    fpu->empty = (uint8_t)~fx[4];
    fpu->opcode = fx16(fx, 6);
    fpu->ip_offset = fx32(fx, 8);
    fpu->ip_selector = fx16(fx, 12);
    fpu->dp_offset = fx32(fx, 16);
    fpu->dp_selector = fx16(fx, 20);
    fpu->mxcsr = fx32(fx, 24);
    for (unsigned i = 0; i < 8; i++) {
        uint64_t mantissa;

        memcpy(&mantissa, fx + 32 + 16 * i, 8);
        f80_set(fpu_st(fpu, i), mantissa, fx16(fx, 40 + 16 * i));
    }
    memcpy(fpu->xmm, fx + 160, 128);
}

static void store_fpu(const struct cpu *cpu, uint8_t *fx)
{
    const struct fpu *fpu = &cpu->fpu;
    uint16_t status = fpu_status_word(fpu), zero[3] = {0};

    memset(fx, 0, 32);
    memcpy(fx, &fpu->control, 2);
    memcpy(fx + 2, &status, 2);
    fx[4] = (uint8_t)~fpu->empty;
    memcpy(fx + 6, &fpu->opcode, 2);
    memcpy(fx + 8, &fpu->ip_offset, 4);
    memcpy(fx + 12, &fpu->ip_selector, 2);
    memcpy(fx + 16, &fpu->dp_offset, 4);
    memcpy(fx + 20, &fpu->dp_selector, 2);
    memcpy(fx + 24, &fpu->mxcsr, 4);
    for (unsigned i = 0; i < 8; i++) {
        const struct f80 *st = &fpu->reg[fpu_physical(fpu, i)];

        memcpy(fx + 32 + 16 * i, &st->mantissa, 8);
        memcpy(fx + 40 + 16 * i, &st->sign_exponent, 2);
        memcpy(fx + 42 + 16 * i, zero, 6);
    }
    memcpy(fx + 160, fpu->xmm, 128);
}

static void load_guest(struct oracle_machine *m, const struct host_state *s)
{
    struct cpu *cpu = m->cpu;

    memcpy(cpu->gpr, s->gpr, sizeof s->gpr);
    cpu->eip = s->eip;
    cpu->eflags = 0;
    cpu_set_eflags(cpu, s->eflags, ~0u);
    cpu->shadow = cpu->shadow_next = 0;
    cpu->halt = CPU_RUNNING;
    cpu->pending_db = 0;
    cpu_set_cpl(cpu, 3);
    for (unsigned i = 0; i < SREGS; i++) {
        if (s->sel[i] & 0xfffc)
            cpu->seg[i] = m->segment[s->sel[i] >> 3];
        else
            cpu->seg[i] = (struct segment){0};
        cpu->seg[i].selector = s->sel[i];
    }
    segment_derive_all(cpu);
    load_fpu(cpu, s->fx);
}

/* Code that the instruction may read as data is what host_exec has put there, the jump back included. */
static void load_guest_code(struct oracle_machine *m)
{
    const struct host_exec *h = &m->host;

    if (m->guest_eip == h->loaded_eip && m->guest_code_len == h->loaded_len &&
        !memcmp(m->guest[WINDOW_CODE] + h->loaded_eip, h->loaded, h->loaded_len))
        return;
    memset(m->guest[WINDOW_CODE] + m->guest_eip, FILLER, m->guest_code_len);
    phys_note_write(m->phys, CODE_PHYS + m->guest_eip, m->guest_code_len);
    m->guest_eip = h->loaded_eip;
    m->guest_code_len = h->loaded_len;
    memcpy(m->guest[WINDOW_CODE] + h->loaded_eip, h->loaded, h->loaded_len);
    phys_note_write(m->phys, CODE_PHYS + m->guest_eip, m->guest_code_len);
}

static bool vector_has_error(unsigned vector)
{
    return vector == VEC_DF || (vector >= VEC_TS && vector <= VEC_PF) || vector == VEC_AC;
}

/* The frame on the ring-0 stack: the state that the fault interrupted. */
static void read_frame(struct oracle_machine *m, struct oracle_result *out)
{
    uint32_t at = m->cpu->gpr[ESP] - KERNEL_BASE;

    out->vector = (int)((m->cpu->eip - HANDLER(0)) / 16);
    out->error = 0;
    if (vector_has_error((unsigned)out->vector)) {
        out->error = get32(m, at);
        at += 4;
    }
    out->state.eip = get32(m, at);
    out->state.sel[CS] = (uint16_t)get32(m, at + 4);
    out->state.eflags = get32(m, at + 8);
    out->state.gpr[ESP] = get32(m, at + 12);
    out->state.sel[SS] = (uint16_t)get32(m, at + 16);
}

void oracle_run_guest(struct oracle_machine *m, const struct oracle_case *c, struct oracle_result *out)
{
    struct cpu *cpu = m->cpu;

    load_guest_code(m);
    load_guest(m, &c->state);
    cpu->cr2 = 0;
    for (unsigned i = 0; i < REP_STEPS; i++) { /* a repeated instruction may be left between iterations */
        cpu_step(cpu);
        if (cpu->cpl != 3 || !c->insn->in.rep || cpu->eip != c->state.eip)
            break;
    }
    memcpy(out->state.gpr, cpu->gpr, sizeof out->state.gpr);
    for (unsigned i = 0; i < SREGS; i++)
        out->state.sel[i] = cpu->seg[i].selector;
    out->state.eip = cpu->eip;
    out->state.eflags = cpu_get_eflags(cpu);
    store_fpu(cpu, out->state.fx);
    out->vector = HOST_DONE;
    out->error = 0;
    if (cpu->cpl == 0)
        read_frame(m, out);
    out->address = out->vector == VEC_PF ? cpu->cr2 : 0;
}
