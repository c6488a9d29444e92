/*
 * Blocks and their end: guests that change their own code in every way there is, run by each engine. The interpreter
 * runs them as well, so that a wrong expectation shows.
 */
#include "tests/unit/translator/block_fixture.h"

#include <pthread.h>

/* Instructions, 32-bit code. */
#define MOV_EAX(value)           0xb8, LE32(value)
#define MOV_ECX(value)           0xb9, LE32(value)
#define MOV_EBX_EAX              0x89, 0xc3
#define MOV_BYTE(address, value) 0xc6, 0x05, LE32(address), (value)
#define MOV_LONG(address, value) 0xc7, 0x05, LE32(address), LE32(value)
#define JMP(from, to)            0xe9, LE32((to) - ((from) + 5))
#define CALL(from, to)           0xe8, LE32((to) - ((from) + 5))
#define HLT                      0xf4
#define RET                      0xc3
#define NOP                      0x90

/* ---- stores into code ---- */

static void a_store_into_the_next_instruction_takes_effect(void **state)
{
    struct machine *m = *state;

    for (unsigned i = 0; i < 3; i++) {
        PUT(m, CODE, MOV_BYTE(CODE + 8, 0x77), MOV_EAX(0x11111111), HLT);
        run(m, CODE);
        assert_int_equal(m->cpu->gpr[EAX], 0x11111177);
        run(m, CODE); /* the same bytes again */
        assert_int_equal(m->cpu->gpr[EAX], 0x11111177);
    }
}

static void so_does_one_into_the_opcode(void **state)
{
    struct machine *m = *state;

    for (unsigned i = 0; i < 3; i++) { /* INC EAX becomes HLT: the block ends where it did not */
        PUT(m, CODE, MOV_EAX(1), MOV_BYTE(CODE + 13, 0xf4), 0x40, 0x40, 0x40, HLT);
        run(m, CODE);
        assert_int_equal(m->cpu->gpr[EAX], 2);
        assert_int_equal(m->cpu->eip, CODE + 14);
    }
}

static void a_push_can_be_the_store(void **state)
{
    struct machine *m = *state;

    for (unsigned i = 0; i < 3; i++) {
        PUT(m, CODE, 0xbc, LE32(CODE + 15), 0x68, LE32(0x12345678), MOV_EAX(0), HLT); /* mov esp; push imm */
        run(m, CODE);
        assert_int_equal(m->cpu->gpr[EAX], 0x12345678);
        assert_int_equal(m->cpu->gpr[ESP], CODE + 11);
    }
}

static void so_can_a_repeated_move(void **state)
{
    struct machine *m = *state;

    PUT(m, DATA, MOV_EAX(2), HLT);
    for (unsigned i = 0; i < 3; i++) {
        PUT(m, CODE, 0xbe, LE32(DATA), 0xbf, LE32(CODE + 17), MOV_ECX(6), 0xf3, 0xa4, MOV_EAX(1), HLT);
        run(m, CODE);
        assert_int_equal(m->cpu->gpr[EAX], 2);
    }
}

static void so_can_a_read_modify_write_that_has_set_flags(void **state)
{
    struct machine *m = *state;

    for (unsigned i = 0; i < 3; i++) { /* add dword [next + 1], -1: CF; sbb eax, eax or not */
        PUT(m, CODE, 0x83, 0x05, LE32(CODE + 8), 0xff, MOV_EAX(0x100), 0x19, 0xdb, HLT);
        run(m, CODE);
        assert_int_equal(m->cpu->gpr[EAX], 0xff);
        assert_int_equal(m->cpu->gpr[EBX], 0xffffffff);
    }
}

static void a_loop_sees_its_own_stores(void **state)
{
    struct machine *m = *state;

    for (unsigned i = 0; i < 3; i++) { /* l: mov al, 10; inc byte [l + 1]; add bl, al; dec ecx; jnz l */
        PUT(m, CODE, MOV_ECX(100), 0x31, 0xdb, 0xb0, 0x10, 0xfe, 0x05, LE32(CODE + 8), 0x00, 0xc3, 0x49, 0x75, 0xf3,
            HLT);
        run(m, CODE);
        assert_int_equal(m->cpu->gpr[EAX] & 0xff, (0x10 + 99) & 0xff);
        assert_int_equal(m->cpu->gpr[EBX] & 0xff, (100 * 0x10 + 99 * 100 / 2) & 0xff);
        assert_int_equal(get8(m, CODE + 8), (0x10 + 100) & 0xff);
    }
}

static void stores_beside_the_code_in_its_page_kill_nothing(void **state)
{
    struct machine *m = *state;

    /* l: inc dword [CODE + 800]; dec ecx; jnz l */
    PUT(m, CODE, MOV_ECX(1000), 0xff, 0x05, LE32(CODE + 0x800), 0x49, 0x75, 0xf7, HLT);
    run(m, CODE);
    assert_int_equal(get32(m, CODE + 0x800), 1000);
    if (m->cpu->translator)
        assert_int_equal(m->cpu->translator->count.killed, 0);
}

static void real_mode_code_can_change_itself(void **state)
{
    struct machine *m = *state;

    enter_real(m);
    segment_load_real(m->cpu, CS, 0x800);
    for (unsigned i = 0; i < 3; i++) { /* mov byte [CODE + 106], 77; mov ax, 1111; hlt, at 0800:0100 and 0810:0000 */
        PUT(m, CODE + 0x100, 0xc6, 0x06, 0x06, 0x81, 0x77, 0xb8, 0x11, 0x11, HLT);
        segment_load_real(m->cpu, CS, i & 1 ? 0x810 : 0x800);
        run(m, i & 1 ? 0 : 0x100);
        assert_int_equal(m->cpu->gpr[EAX] & 0xffff, 0x1177);
        assert_int_equal(m->cpu->eip, i & 1 ? 9 : 0x109);
    }
}

/* ---- other addresses of the same code ---- */

enum { ALIAS = 0x1f0000 };

static void a_store_through_another_linear_address_takes_effect(void **state)
{
    struct machine *m = *state;

    enable_paging(m);
    put32(m, PAGE_TABLE + (ALIAS >> 12) * 4, CODE | 7);
    mmu_flush(&m->cpu->mmu);
    for (unsigned i = 0; i < 3; i++) {
        PUT(m, CODE, MOV_BYTE(ALIAS + 8, 0x77), MOV_EAX(0x11111111), HLT);
        run(m, i == 1 ? ALIAS : CODE); /* code may run there as well */
        assert_int_equal(m->cpu->gpr[EAX], 0x11111177);
    }
}

/* The alias is written, and so in the tables for writing, before its page holds code. */
static void an_alias_that_was_written_before_the_page_held_code_is_watched_too(void **state)
{
    struct machine *m = *state;
    const uint32_t writer = 0xa000;

    enable_paging(m);
    put32(m, PAGE_TABLE + (ALIAS >> 12) * 4, CODE | 7);
    mmu_flush(&m->cpu->mmu);
    PUT(m, writer, MOV_BYTE(ALIAS + 1, 0x22), MOV_BYTE(ALIAS + 1, 0x22), CALL(writer + 14, CODE), MOV_EBX_EAX,
        MOV_BYTE(ALIAS + 1, 0x33), CALL(writer + 28, CODE), HLT);
    for (unsigned i = 0; i < 3; i++) {
        PUT(m, CODE, MOV_EAX(0x11111111), RET);
        run(m, writer);
        assert_int_equal(m->cpu->gpr[EBX], 0x11111122);
        assert_int_equal(m->cpu->gpr[EAX], 0x11111133);
    }
}

/* Two linear pages lead to one block: it knows neither. */
static void one_block_serves_two_linear_pages(void **state)
{
    struct machine *m = *state;

    enable_paging(m);
    put32(m, PAGE_TABLE + (ALIAS >> 12) * 4, CODE | 7);
    mmu_flush(&m->cpu->mmu);
    PUT(m, CODE, CALL(CODE, CODE + 5), 0x58, HLT); /* call +0; pop eax */
    for (unsigned i = 0; i < 4; i++) {
        const uint32_t at = i & 1 ? ALIAS : CODE;

        run(m, at);
        assert_int_equal(m->cpu->gpr[EAX], at + 5);
        assert_int_equal(m->cpu->eip, at + 7);
    }
}

/* ---- devices ---- */

struct patcher {
    struct phys *phys;
    phys_addr address;
    uint8_t value;
    uint8_t *ram_at; /* map RAM there instead */
};

static void patcher_write(void *self, uint32_t offset, uint32_t value, unsigned width)
{
    const struct patcher *p = self;

    phys_write(p->phys, p->address, p->value, 1);
}
static uint32_t patcher_read(void *self, uint32_t offset, unsigned width)
{
    patcher_write(self, offset, 0, width);
    return 0x5a;
}
static const struct bus_ops patcher_ops = {.name = "patcher", .read = patcher_read, .write = patcher_write};

static void dma_between_runs_takes_effect(void **state)
{
    struct machine *m = *state;

    PUT(m, CODE, MOV_EAX(0), HLT);
    for (unsigned i = 0; i < 10; i++) {
        phys_write(m->phys, CODE + 1, i, 4);
        run(m, CODE);
        assert_int_equal(m->cpu->gpr[EAX], i);
    }
}

static void dma_during_the_block_takes_effect_behind_the_out(void **state)
{
    struct machine *m = *state;
    struct patcher patcher = {.phys = m->phys, .address = CODE + 5 + 2 + 1, .value = 0x77};

    bus_map_ports(m->bus, 0x80, 1, &patcher_ops, &patcher);
    for (unsigned i = 0; i < 3; i++) {
        PUT(m, CODE, MOV_EAX(0), 0xe6, 0x80, 0xbb, LE32(0x11111111), HLT); /* out 80, al; mov ebx */
        run(m, CODE);
        assert_int_equal(m->cpu->gpr[EBX], 0x11111177);
        PUT(m, CODE, MOV_EAX(0), 0xe4, 0x80, 0xbb, LE32(0x11111111), HLT); /* in al, 80 */
        run(m, CODE);
        assert_int_equal(m->cpu->gpr[EBX], 0x11111177);
        assert_int_equal(m->cpu->gpr[EAX], 0x5a);
    }
}

/* A device register that is read by an ordinary MOV: the access is the interpreter's. */
static void dma_during_a_memory_mapped_read_takes_effect_behind_it(void **state)
{
    struct machine *m = *state;
    struct patcher patcher = {.phys = m->phys, .address = CODE + 5 + 1, .value = 0x77};

    phys_map_mmio(m->phys, 0xe0000000, 0x1000, &patcher_ops, &patcher);
    for (unsigned i = 0; i < 3; i++) {
        PUT(m, CODE, 0xa0, LE32(0xe0000000), 0xbb, LE32(0x11111111), HLT); /* mov al, [e0000000]; mov ebx */
        run(m, CODE);
        assert_int_equal(m->cpu->gpr[EAX] & 0xff, 0x5a);
        assert_int_equal(m->cpu->gpr[EBX], 0x11111177);
    }
}

/* ---- two pages ---- */

enum { EDGE = 0x9000, OTHER_PAGE = 0xc000 };

static void an_instruction_across_two_pages_sees_stores_into_either(void **state)
{
    struct machine *m = *state;

    PUT(m, EDGE - 2, MOV_EAX(0x11111111), HLT);
    run(m, EDGE - 2);
    assert_int_equal(m->cpu->gpr[EAX], 0x11111111);
    phys_write(m->phys, EDGE + 2, 0x22, 1);
    run(m, EDGE - 2);
    assert_int_equal(m->cpu->gpr[EAX], 0x22111111);
    phys_write(m->phys, EDGE - 1, 0x33, 1);
    run(m, EDGE - 2);
    assert_int_equal(m->cpu->gpr[EAX], 0x22111133);
    phys_write(m->phys, EDGE - 2, 0xbb, 1); /* mov ebx */
    m->cpu->gpr[EAX] = 0;
    run(m, EDGE - 2);
    assert_int_equal(m->cpu->gpr[EAX], 0);
    assert_int_equal(m->cpu->gpr[EBX], 0x22111133);
}

/* A guest calls an instruction across two pages, gives the second page another frame, and calls it again. */
static void its_second_page_can_be_mapped_anew(void **state)
{
    struct machine *m = *state;
    const uint32_t main_code = 0xa000, pte = PAGE_TABLE + (EDGE >> 12) * 4;

    enable_paging(m);
    PUT(m, EDGE - 2, MOV_EAX(0x11111111), RET);
    PUT(m, OTHER_PAGE, 0x22, 0x22, 0x22, RET);
    PUT(m, main_code, CALL(main_code, EDGE - 2), MOV_EBX_EAX, MOV_LONG(pte, OTHER_PAGE | 7), 0x0f, 0x01, 0x3d,
        LE32(EDGE), CALL(main_code + 24, EDGE - 2), HLT);
    for (unsigned i = 0; i < 4; i++) {
        put32(m, pte, EDGE | 7);
        mmu_flush_page(&m->cpu->mmu, EDGE);
        run(m, main_code);
        assert_int_equal(m->cpu->gpr[EBX], 0x11111111);
        assert_int_equal(m->cpu->gpr[EAX], 0x22222211);
    }
}

/* A loop that falls from one page into the next, which is then another one. */
static void code_that_falls_into_the_next_page_notices_that_it_was_mapped_anew(void **state)
{
    struct machine *m = *state;
    const uint32_t main_code = 0xa000, pte = PAGE_TABLE + (EDGE >> 12) * 4;

    enable_paging(m);
    PUT(m, EDGE - 5, NOP, NOP, NOP, NOP, NOP);
    PUT(m, EDGE, MOV_EAX(1), RET);
    PUT(m, OTHER_PAGE, MOV_EAX(2), RET);
    PUT(m, main_code, CALL(main_code, EDGE - 5), MOV_EBX_EAX, MOV_LONG(pte, OTHER_PAGE | 7), 0x0f, 0x01, 0x3d,
        LE32(EDGE), CALL(main_code + 24, EDGE - 5), HLT);
    for (unsigned i = 0; i < 4; i++) {
        put32(m, pte, EDGE | 7);
        mmu_flush_page(&m->cpu->mmu, EDGE);
        run(m, main_code);
        assert_int_equal(m->cpu->gpr[EBX], 1);
        assert_int_equal(m->cpu->gpr[EAX], 2);
    }
}

static void a_second_page_that_is_not_there_faults_at_the_first_instruction(void **state)
{
    struct machine *m = *state;

    enable_paging(m);
    PUT(m, HANDLER(VEC_PF), HLT);
    PUT(m, EDGE - 7, MOV_ECX(5), MOV_EAX(1));
    for (unsigned i = 0; i < 3; i++) {
        unmap(m, EDGE);
        m->cpu->gpr[ECX] = m->cpu->gpr[EAX] = 0;
        m->cpu->gpr[ESP] = STACK0;
        run(m, EDGE - 7);
        assert_int_equal(m->cpu->eip, HANDLER(VEC_PF) + 1);
        assert_int_equal(m->cpu->cr2, EDGE);
        assert_int_equal(get32(m, STACK0 - 12), EDGE - 2);
        assert_int_equal(m->cpu->gpr[ECX], 5);
        assert_int_equal(m->cpu->gpr[EAX], 0);
        put32(m, PAGE_TABLE + (EDGE >> 12) * 4, EDGE | 7);
        PUT(m, EDGE + 3, HLT);
        run(m, EDGE - 7);
        assert_int_equal(m->cpu->gpr[EAX], 1);
    }
}

/* A page table entry that is an instruction's immediate: the page walk sets its accessed bit, while the block runs. */
static void a_page_walk_can_change_the_code_that_caused_it(void **state)
{
    struct machine *m = *state;
    const uint32_t region = 0x00c00000, entry = 0x42, at = CODE + 4 * entry, page = region + entry * 0x1000;
    static const uint8_t loads[][2] = {{0x8b, 0x0d}, {0x03, 0x0d}, {0x89, 0x0d}}; /* mov ecx, []; add; mov [], ecx */

    for (unsigned i = 0; i < 12; i++) {
        const bool is_write = loads[i % 3][0] == 0x89;

        enter_protected(m, 0);
        enable_paging(m);
        put32(m, PAGE_DIRECTORY + (region >> 22) * 4, CODE | 7);
        mmu_flush(&m->cpu->mmu);
        put32(m, DATA, 5);
        m->cpu->gpr[EBX] = m->cpu->gpr[ECX] = 0;
        PUT(m, at - 8, 0x43, loads[i % 3][0], loads[i % 3][1], LE32(page), 0xb8, LE32(DATA | 7),
            HLT); /* inc ebx; load */
        run(m, at - 8);
        assert_int_equal(m->cpu->gpr[EAX], DATA | (is_write ? 0x67 : 0x27));
        assert_int_equal(m->cpu->gpr[EBX], 1);
        assert_int_equal(m->cpu->gpr[ECX], is_write ? 0 : 5);
        assert_int_equal(get32(m, DATA), is_write ? 0 : 5);
    }
}

/* The same where the access is the interpreter's after all: a device lies there, or the code itself. */
static void so_can_one_to_a_device_or_to_the_code(void **state)
{
    struct machine *m = *state;
    struct patcher patcher = {.phys = m->phys, .address = DATA, .value = 1};
    const uint32_t region = 0x00c00000, entry = 0x42, at = CODE + 4 * entry, page = region + entry * 0x1000;

    phys_map_mmio(m->phys, 0xe0000000, 0x1000, &patcher_ops, &patcher);
    for (unsigned i = 0; i < 12; i++) {
        const uint32_t frame = i & 1 ? CODE : 0xe0000000;

        enter_protected(m, 0);
        enable_paging(m);
        put32(m, PAGE_DIRECTORY + (region >> 22) * 4, CODE | 7);
        mmu_flush(&m->cpu->mmu);
        m->cpu->gpr[ECX] = 0x5a;
        PUT(m, at - 7, i & 2 ? 0x8b : 0x89, 0x0d, LE32(page), 0xb8, LE32(frame | 7), HLT);
        run(m, at - 7);
        assert_int_equal(m->cpu->gpr[EAX], frame | (i & 2 ? 0x27 : 0x67));
        assert_int_equal(m->cpu->eip, at + 5);
    }
}

/* ---- ROM ---- */

static void code_in_rom_runs_and_cannot_be_changed(void **state)
{
    struct machine *m = *state;
    static uint8_t rom[PHYS_PAGE_SIZE];
    const uint32_t at = 0x1000000;
    const uint8_t code[] = {MOV_BYTE(0x1000008, 0x77), MOV_EAX(0x11111111), HLT};

    memcpy(rom, code, sizeof code);
    phys_map_rom(m->phys, at, sizeof rom, rom);
    for (unsigned i = 0; i < 3; i++) {
        run(m, at);
        assert_int_equal(m->cpu->gpr[EAX], 0x11111111);
    }
    phys_poke(m->phys, at + 8, &(uint8_t){0x66}, 1); /* a flash writer */
    run(m, at);
    assert_int_equal(m->cpu->gpr[EAX], 0x11111166);
}

static void remap_write(void *self, uint32_t offset, uint32_t value, unsigned width)
{
    phys_map_ram(self, 0x1000000, PHYS_PAGE_SIZE, DATA);
}
static const struct bus_ops remap_ops = {.name = "remap", .write = remap_write};

/* As firmware does when it copies itself to RAM: the OUT is the last instruction from ROM. */
static void memory_mapped_anew_takes_effect_behind_the_out(void **state)
{
    struct machine *m = *state;
    static uint8_t rom[PHYS_PAGE_SIZE];
    const uint32_t at = 0x1000000;
    const uint8_t code[] = {0xe6, 0x80, MOV_EAX(1), HLT};

    memcpy(rom, code, sizeof code);
    PUT(m, DATA, 0xe6, 0x80, MOV_EAX(2), HLT);
    bus_map_ports(m->bus, 0x80, 1, &remap_ops, m->phys);
    for (unsigned i = 0; i < 3; i++) {
        phys_map_rom(m->phys, at, sizeof rom, rom);
        run(m, at);
        assert_int_equal(m->cpu->gpr[EAX], 2);
    }
}

static void come_and_go_write(void *self, uint32_t offset, uint32_t value, unsigned width)
{
    static struct patcher patcher;

    patcher = (struct patcher){.phys = self, .address = DATA};
    if (value & 1)
        phys_map_mmio(self, 0xe0000000, PHYS_PAGE_SIZE, &patcher_ops, &patcher);
    else
        phys_unmap(self, 0xe0000000, PHYS_PAGE_SIZE);
}
static const struct bus_ops come_and_go_ops = {.name = "come and go", .write = come_and_go_write};

/* As PCI devices do while a kernel looks for their sizes. */
static void a_device_that_comes_and_goes_leaves_translations_alone(void **state)
{
    struct machine *m = *state;
    uint64_t flushes = 0;

    PUT(m, CODE, 0xe6, 0x81, 0x8a, 0x1d, LE32(0xe0000000), HLT); /* out 81h, al; mov bl, [e0000000h]; hlt */
    bus_map_ports(m->bus, 0x81, 1, &come_and_go_ops, m->phys);
    for (unsigned i = 0; i < 6; i++) {
        m->cpu->gpr[EAX] = i;
        run(m, CODE);
        assert_int_equal(m->cpu->gpr[EBX] & 0xff, i & 1 ? 0x5a : 0xff);
        if (m->cpu->translator && i == 0)
            flushes = m->cpu->translator->count.flushes;
    }
    if (m->cpu->translator)
        assert_int_equal(m->cpu->translator->count.flushes, flushes);
}

/* ---- chains ---- */

/* A jumps to B, in this page or another one; once they are linked B changes. */
static void check_chain(struct machine *m, uint32_t a, uint32_t b)
{
    PUT(m, a, JMP(a, b));
    PUT(m, b, MOV_EAX(0), HLT);
    for (unsigned i = 1; i < 40; i++) {
        if (i % 5 == 0)
            phys_write(m->phys, b + 1, i, 4);
        if (i % 7 == 0)
            PUT(m, a, JMP(a, b)); /* the same bytes: A dies, B stays */
        run(m, a);
        assert_int_equal(m->cpu->gpr[EAX], i - i % 5);
    }
}
static void a_jump_within_the_page_follows_a_changed_block(void **state)
{
    check_chain(*state, CODE, CODE + 0x100);
    check_chain(*state, CODE + 0x100, CODE);
}
static void a_jump_to_another_page_follows_a_changed_block(void **state)
{
    check_chain(*state, CODE, CODE + 0x2100);
    check_chain(*state, CODE + 0x2100, CODE);
}

static void a_conditional_jump_follows_both_of_its_blocks(void **state)
{
    struct machine *m = *state;

    PUT(m, CODE, 0x85, 0xc0, 0x74, 0x06, 0xbb, LE32(0), HLT, 0xbb, LE32(0), HLT); /* test eax, eax; jz +6 */
    for (unsigned i = 1; i < 30; i++) {
        phys_write(m->phys, CODE + (i & 2 ? 5 : 11), i, 4);
        m->cpu->gpr[EAX] = i & 2;
        run(m, CODE);
        assert_int_equal(m->cpu->gpr[EBX], i);
    }
}

/* Calls, returns and jumps through registers use a look-up of their own. */
static void a_computed_jump_follows_a_changed_block(void **state)
{
    struct machine *m = *state;
    const uint32_t callee = CODE + 0x1100;

    PUT(m, CODE, 0xbe, LE32(callee), 0xff, 0xd6, 0x89, 0xc3, 0xff, 0xd6,
        HLT); /* mov esi; call esi; mov ebx, eax; call esi */
    PUT(m, callee, MOV_EAX(0), RET);
    for (unsigned i = 1; i < 40; i++) {
        phys_write(m->phys, callee + 1, i / 3, 4);
        if (i % 7 == 0)
            PUT(m, CODE, 0xbe, LE32(callee));
        run(m, CODE);
        assert_int_equal(m->cpu->gpr[EAX], i / 3);
        assert_int_equal(m->cpu->gpr[EBX], i / 3);
    }
}

/* Memory is mapped anew elsewhere, and everything is forgotten: also what a computed jump remembers. */
static void nothing_is_left_of_a_computed_jump_after_a_flush(void **state)
{
    struct machine *m = *state;
    static uint8_t rom[PHYS_PAGE_SIZE];
    const uint32_t callee = CODE + 0x1100, other = 0x60000;

    PUT(m, CODE, 0xbe, LE32(callee), 0xff, 0xd6, 0xff, 0xd6, HLT);
    PUT(m, callee, MOV_EAX(0), RET);
    PUT(m, other, HLT);
    for (unsigned i = 1; i < 10; i++) {
        phys_write(m->phys, callee + 1, i, 4);
        run(m, CODE);
        assert_int_equal(m->cpu->gpr[EAX], i);
        phys_map_rom(m->phys, 0x1000000, sizeof rom, rom);
        run(m, other); /* the flush happens here, and the callee's page is no longer watched */
    }
}

/* EIP 0 is an address like any other: mapped or not, known or not. */
static void a_computed_jump_to_nowhere_faults_there(void **state)
{
    struct machine *m = *state;

    enable_paging(m);
    PUT(m, HANDLER(VEC_PF), HLT);
    PUT(m, CODE, 0xff, 0xe0); /* jmp eax */
    for (unsigned i = 0; i < 6; i++) {
        const uint32_t to = i % 3 == 2 ? 0x30000000 : 0;

        unmap(m, 0);
        m->cpu->gpr[EAX] = to;
        m->cpu->gpr[ESP] = STACK0;
        run(m, CODE);
        assert_int_equal(m->cpu->eip, HANDLER(VEC_PF) + 1);
        assert_int_equal(m->cpu->cr2, to);
        assert_int_equal(get32(m, STACK0 - 12), to);
        put32(m, PAGE_TABLE, 0 | 7);
        mmu_flush(&m->cpu->mmu);
        PUT(m, 0, HLT);
        m->cpu->gpr[EAX] = 0;
        run(m, CODE);
        assert_int_equal(m->cpu->eip, 1);
    }
}

/* ---- limits and modes ---- */

/* The limit of CS ends between two blocks that were linked under a larger one. */
static void a_shorter_code_segment_ends_a_chain(void **state)
{
    struct machine *m = *state;
    uint8_t nops[IR_MAX_INSNS];

    memset(nops, NOP, sizeof nops);
    put(m, CODE, nops, sizeof nops);
    PUT(m, CODE + sizeof nops, MOV_EAX(1), HLT);
    PUT(m, HANDLER(VEC_GP), HLT);
    for (unsigned i = 0; i < 6; i++) {
        const bool is_short = i & 1;

        enter_protected(m, 0);
        put_gdt(m, SEL_TEST, 0, is_short ? CODE + sizeof nops - 1 : 0xefff, TEST_CODE);
        load_segment(m, CS, SEL_TEST);
        m->cpu->gpr[EAX] = 0;
        run(m, CODE);
        assert_int_equal(m->cpu->gpr[EAX], is_short ? 0 : 1);
        assert_int_equal(m->cpu->eip, is_short ? HANDLER(VEC_GP) + 1 : CODE + sizeof nops + 6);
        if (is_short)
            assert_int_equal(get32(m, STACK0 - 12), CODE + sizeof nops);
    }
}

/* The same with a jump. */
static void a_shorter_code_segment_refuses_a_jump(void **state)
{
    struct machine *m = *state;

    PUT(m, CODE, JMP(CODE, CODE + 0x100));
    PUT(m, CODE + 0x100, MOV_EAX(1), HLT);
    PUT(m, HANDLER(VEC_GP), HLT);
    for (unsigned i = 0; i < 6; i++) {
        const bool is_short = i & 1;

        enter_protected(m, 0);
        put_gdt(m, SEL_TEST, 0, is_short ? CODE + 0xff : 0xefff, TEST_CODE);
        load_segment(m, CS, SEL_TEST);
        m->cpu->gpr[EAX] = 0;
        run(m, CODE);
        assert_int_equal(m->cpu->gpr[EAX], is_short ? 0 : 1);
        if (is_short)
            assert_int_equal(get32(m, STACK0 - 12), CODE);
    }
}

/* More combinations of segment kinds than the engine has room for. */
static void segments_of_all_kinds_in_turn_are_read_as_they_are(void **state)
{
    struct machine *m = *state;
    static const uint8_t load[] = {0xd8, 0xc0, 0xe0, 0xe8}; /* mov ds, es, fs, gs from ax */
    static const uint8_t prefix[] = {0x3e, 0x26, 0x64, 0x65};
    static const uint16_t selectors[] = {SEL_DATA0, SEL_TEST, SEL_TEST2, SEL_TEST2 + 8};
    uint32_t at = 0x60000, expected = 0;

    put_gdt(m, SEL_TEST, 0x1000, 0xfffff, TEST_DATA | AR_G); /* based */
    put_gdt(m, SEL_TEST2, 0x2000, 0xffff, TEST_DATA);        /* 64 KiB */
    put_gdt(m, SEL_TEST2 + 8, 0x3000, 0x1ff, TEST_DATA);     /* short */
    for (unsigned i = 0; i < 4; i++)
        put32(m, 0x100 + 0x1000 * i, 1u << 8 * i); /* GDT, IDT and TSS leave it free */
    at = PUT(m, at, 0x31, 0xdb);
    for (unsigned i = 0; i < 256; i++)
        for (unsigned seg = 0; seg < 4; seg++) {
            const unsigned kind = i >> 2 * seg & 3;

            at = PUT(m, at, 0x66, 0xb8, (uint8_t)selectors[kind], (uint8_t)(selectors[kind] >> 8), 0x8e, load[seg]);
            at = PUT(m, at, prefix[seg], 0x03, 0x1d, LE32(0x100));      /* add ebx, seg:[100] */
            at = PUT(m, at, 0x67, prefix[seg], 0x03, 0x1e, 0x00, 0x01); /* with a 16-bit address */
            expected += 2u << 8 * kind;
        }
    PUT(m, at, HLT);
    for (unsigned i = 0; i < 3; i++) {
        run(m, 0x60000);
        assert_int_equal(m->cpu->gpr[EBX], expected);
    }
}

/* Eight bytes, unaligned too, through segments that are not flat. */
static void a_long_access_through_a_based_segment_comes_to_an_end(void **state)
{
    struct machine *m = *state;

    put_gdt(m, SEL_TEST, 0x1000, 0xfffff, TEST_DATA | AR_G);
    put32(m, DATA + 0x100, 0x89abcdef);
    put32(m, DATA + 0x104, 0x01234567);
    load_segment(m, ES, SEL_TEST);
    for (unsigned i = 0; i < 3; i++) { /* fninit; fild qword es:[]; fistp qword es:[] */
        PUT(m, CODE, 0xdb, 0xe3, 0x26, 0xdf, 0x2d, LE32(DATA + 0x100 - 0x1000), 0x26, 0xdf, 0x3d,
            LE32(DATA + 0x203 + i - 0x1000), HLT);
        run(m, CODE);
        assert_int_equal(get32(m, DATA + 0x203 + i), 0x89abcdef);
        assert_int_equal(get32(m, DATA + 0x207 + i), 0x01234567);
    }
}

/* SDM vol. 3 "Limit Checking": with a limit of FFFFFFFF an access that wraps may fault or not. Here none does. */
static void an_access_that_wraps_at_4_gib_goes_on_at_0(void **state)
{
    struct machine *m = *state;

    for (unsigned i = 0; i < 4; i++) {
        const unsigned width = i & 1 ? 2 : 4;

        enter_protected(m, 0);
        put_gdt(m, SEL_TEST, DATA + width / 2, 0xfffff, TEST_DATA | AR_G);
        load_segment(m, ES, SEL_TEST);
        put32(m, DATA, 0x12345678);
        m->cpu->gpr[EAX] = 0;
        PUT(m, CODE, NOP, NOP, 0x26, 0xa1, LE32(0 - width / 2), HLT); /* mov eax, es:[-2], mov ax, es:[-1] */
        if (width == 2)
            PUT(m, CODE + 1, 0x66);
        run(m, CODE);
        assert_int_equal(m->cpu->gpr[EAX], width == 4 ? 0x12345678 : 0x5678);
        assert_int_equal(m->cpu->eip, CODE + 9);
    }
}

/* ---- what the run loop attends to ---- */

static void a_single_step_trap_comes_after_each_instruction(void **state)
{
    struct machine *m = *state;

    PUT(m, HANDLER(VEC_DB), HLT);
    /* push 102; popf; mov eax, 1; mov ebx, 2 */
    PUT(m, CODE, 0x68, LE32(0x102), 0x9d, MOV_EAX(1), 0xbb, LE32(2), HLT);
    for (unsigned i = 0; i < 3; i++) {
        enter_protected(m, 0);
        m->cpu->gpr[EAX] = m->cpu->gpr[EBX] = 0;
        run(m, CODE);
        assert_int_equal(m->cpu->eip, HANDLER(VEC_DB) + 1);
        assert_int_equal(get32(m, STACK0 - 12), CODE + 11);
        assert_int_equal(m->cpu->gpr[EAX], 1);
        assert_int_equal(m->cpu->gpr[EBX], 0);
    }
}

/* The page is in the tables when the breakpoint is set. */
static void a_data_breakpoint_traps_the_plain_store(void **state)
{
    struct machine *m = *state;

    PUT(m, HANDLER(VEC_DB), HLT);
    PUT(m, CODE, MOV_LONG(DATA, 1), 0xb8, LE32(DATA), 0x0f, 0x23, 0xc0, 0xb8, LE32(0xd0003), 0x0f, 0x23, 0xf8,
        MOV_LONG(DATA + 8, 2), MOV_LONG(DATA, 3), MOV_LONG(DATA, 4), HLT);
    for (unsigned i = 0; i < 3; i++) {
        enter_protected(m, 0);
        PUT(m, CODE + 0x200, 0x31, 0xc0, 0x0f, 0x23, 0xf8, HLT); /* xor eax, eax; mov dr7, eax */
        run(m, CODE + 0x200);
        m->cpu->gpr[ESP] = STACK0;
        run(m, CODE);
        assert_int_equal(m->cpu->eip, HANDLER(VEC_DB) + 1);
        assert_int_equal(get32(m, STACK0 - 12), CODE + 46);
        assert_int_equal(get32(m, DATA), 3);
        assert_int_equal(get32(m, DATA + 8), 2);
    }
}

static void prepare_interrupt(struct machine *m)
{
    m->irq_vector = 0x20;
    put_idt(m, 0x20, SEL_CODE0, HANDLER(0x20), AR_P | TYPE_INT32);
    PUT(m, HANDLER(0x20), HLT);
}

static void a_pending_interrupt_comes_one_instruction_after_sti(void **state)
{
    struct machine *m = *state;

    prepare_interrupt(m);
    PUT(m, CODE, MOV_EAX(1), 0xfb, 0xbb, LE32(2), MOV_ECX(3), HLT);
    for (unsigned i = 0; i < 3; i++) {
        enter_protected(m, 0);
        m->cpu->gpr[EAX] = m->cpu->gpr[EBX] = m->cpu->gpr[ECX] = 0;
        cpu_set_intr(m->cpu, true);
        run(m, CODE);
        assert_int_equal(m->cpu->eip, HANDLER(0x20) + 1);
        assert_int_equal(get32(m, STACK0 - 12), CODE + 11);
        assert_int_equal(m->cpu->gpr[EAX], 1);
        assert_int_equal(m->cpu->gpr[EBX], 2);
        assert_int_equal(m->cpu->gpr[ECX], 0);
        assert_int_equal(m->intacks, i + 1);
    }
}

/* Chains that never end by themselves: within a page, across pages, through a register, through calls. */
static void an_event_ends_an_endless_chain(void **state)
{
    struct machine *m = *state;
    static const uint32_t from[] = {CODE, CODE + 0x100, CODE + 0x200, CODE + 0x300};

    prepare_interrupt(m);
    m->board.poll = raise_interrupt;
    PUT(m, from[0], 0xfb, 0x40, 0xeb, 0xfd);                /* l: inc eax; jmp l */
    PUT(m, from[1], 0xfb, JMP(from[1] + 1, CODE + 0x1000)); /* two pages in turn */
    PUT(m, CODE + 0x1000, 0x40, JMP(CODE + 0x1001, from[1] + 1));
    PUT(m, from[2], 0xfb, 0xbb, LE32(from[2] + 6), 0x40, 0xff, 0xe3);    /* jmp ebx */
    PUT(m, from[3], 0xfb, CALL(from[3] + 1, CODE + 0x1100), 0xeb, 0xf9); /* call and return */
    PUT(m, CODE + 0x1100, 0x40, RET);
    for (unsigned i = 0; i < 4; i++) {
        pthread_t thread;

        enter_protected(m, 0);
        m->cpu->gpr[EAX] = 0;
        assert_int_equal(pthread_create(&thread, NULL, event_from_outside, m), 0);
        run(m, from[i]);
        pthread_join(thread, NULL);
        assert_int_equal(m->cpu->eip, HANDLER(0x20) + 1);
        assert_true(m->cpu->gpr[EAX] > 100);
    }
}

/* ---- at random ---- */

enum { FUNCTIONS = 64, FUNCTION_BYTES = 192, ROUNDS = 20000 };

/*
 * Functions that add a constant, write a byte into another function's constant, and go on to a third one by a direct,
 * conditional or computed jump. ECX counts. They lie across pages; some constants cross one.
 */
static uint32_t put_functions(struct machine *m, uint32_t seed)
{
    const uint32_t first = 0x8fd0, done = first + FUNCTIONS * FUNCTION_BYTES;

    for (unsigned i = 0; i < FUNCTIONS; i++) {
        uint32_t at = first + i * FUNCTION_BYTES, to[2], constant;

        seed = seed * 1664525 + 1013904223;
        to[0] = first + (seed >> 8) % FUNCTIONS * FUNCTION_BYTES;
        to[1] = first + (seed >> 16) % FUNCTIONS * FUNCTION_BYTES;
        constant = first + (seed >> 24) % FUNCTIONS * FUNCTION_BYTES + 1 + (seed & 3);
        at = PUT(m, at, 0x05, LE32(seed));      /* add eax, constant */
        at = PUT(m, at, 0xc1, 0xc0, 0x03);      /* rol eax, 3 */
        at = PUT(m, at, 0xa2, LE32(constant));  /* mov [constant], al */
        at = PUT(m, at, 0x05, LE32(seed >> 4)); /* add eax, another: the store may have hit this block */
        at = PUT(m, at, 0x49);                  /* dec ecx */
        at = PUT(m, at, 0x0f, 0x84, LE32(done - (at + 6)));
        switch (seed >> 28 & 3) {
        case 0:
            PUT(m, at, JMP(at, to[0]));
            break;
        case 1: /* test al, 1; jz; jmp */
            at = PUT(m, at, 0xa8, 0x01);
            at = PUT(m, at, 0x0f, 0x84, LE32(to[0] - (at + 6)));
            PUT(m, at, JMP(at, to[1]));
            break;
        case 2: /* mov edx, eax; and edx, 63; imul edx, edx, FUNCTION_BYTES; add edx, first; jmp edx */
            PUT(m, at, 0x89, 0xc2, 0x83, 0xe2, FUNCTIONS - 1, 0x69, 0xd2, LE32(FUNCTION_BYTES), 0x81, 0xc2, LE32(first),
                0xff, 0xe2);
            break;
        default: /* push; ret */
            PUT(m, at, 0x68, LE32(to[1]), RET);
            break;
        }
    }
    PUT(m, done, HLT);
    return first;
}

static void code_that_changes_at_random_runs_as_it_does_interpreted(void **state)
{
    struct machine *m = *state, *reference;
    void *reference_state;

    assert_int_equal(machine_create(&reference_state), 0);
    reference = reference_state;
    enter_protected(reference, 0);
    attach(reference, &variants[INTERP].options);
    for (uint32_t seed = 1; seed <= 8; seed++) {
        struct machine *both[] = {m, reference};

        for (unsigned i = 0; i < 2; i++) {
            uint32_t at = put_functions(both[i], seed * 77777);

            both[i]->cpu->gpr[EAX] = seed;
            both[i]->cpu->gpr[ECX] = ROUNDS;
            both[i]->cpu->gpr[ESP] = STACK0;
            run(both[i], at);
        }
        assert_int_equal(m->cpu->gpr[EAX], reference->cpu->gpr[EAX]);
        assert_int_equal(m->cpu->gpr[ESP], reference->cpu->gpr[ESP]);
        assert_memory_equal(phys_ram_host(m->phys, 0), phys_ram_host(reference->phys, 0), 0x20000);
    }
    if (m->cpu->translator && m->cpu->translator->memory.size_bytes <= 256 << 10)
        assert_true(m->cpu->translator->count.flushes > 3);
    machine_destroy(&reference_state);
}

/* ---- the table ---- */

static const struct engine_test tests[] = {
    TEST(a_store_into_the_next_instruction_takes_effect),
    TEST(so_does_one_into_the_opcode),
    TEST(a_push_can_be_the_store),
    TEST(so_can_a_repeated_move),
    TEST(so_can_a_read_modify_write_that_has_set_flags),
    TEST(a_loop_sees_its_own_stores),
    TEST(stores_beside_the_code_in_its_page_kill_nothing),
    TEST(real_mode_code_can_change_itself),
    TEST(a_store_through_another_linear_address_takes_effect),
    TEST(an_alias_that_was_written_before_the_page_held_code_is_watched_too),
    TEST(one_block_serves_two_linear_pages),
    TEST(dma_between_runs_takes_effect),
    TEST(dma_during_the_block_takes_effect_behind_the_out),
    TEST(dma_during_a_memory_mapped_read_takes_effect_behind_it),
    TEST(an_instruction_across_two_pages_sees_stores_into_either),
    TEST(its_second_page_can_be_mapped_anew),
    TEST(code_that_falls_into_the_next_page_notices_that_it_was_mapped_anew),
    TEST(a_second_page_that_is_not_there_faults_at_the_first_instruction),
    TEST(a_page_walk_can_change_the_code_that_caused_it),
    TEST(so_can_one_to_a_device_or_to_the_code),
    TEST(code_in_rom_runs_and_cannot_be_changed),
    TEST(memory_mapped_anew_takes_effect_behind_the_out),
    TEST(a_device_that_comes_and_goes_leaves_translations_alone),
    TEST(a_jump_within_the_page_follows_a_changed_block),
    TEST(a_jump_to_another_page_follows_a_changed_block),
    TEST(a_conditional_jump_follows_both_of_its_blocks),
    TEST(a_computed_jump_follows_a_changed_block),
    TEST(a_computed_jump_to_nowhere_faults_there),
    TEST(nothing_is_left_of_a_computed_jump_after_a_flush),
    TEST(a_shorter_code_segment_ends_a_chain),
    TEST(a_shorter_code_segment_refuses_a_jump),
    TEST(segments_of_all_kinds_in_turn_are_read_as_they_are),
    TEST(a_long_access_through_a_based_segment_comes_to_an_end),
    TEST(an_access_that_wraps_at_4_gib_goes_on_at_0),
    TEST(a_single_step_trap_comes_after_each_instruction),
    TEST(a_data_breakpoint_traps_the_plain_store),
    TEST(a_pending_interrupt_comes_one_instruction_after_sti),
    TEST(an_event_ends_an_endless_chain),
    TEST(code_that_changes_at_random_runs_as_it_does_interpreted),
};

int main(void)
{
    return run_by_each_engine("blocks", tests, sizeof tests / sizeof tests[0]);
}
