/*
 * frontend/x86/lower*.c and translator/ir_run.c together against the guest interpreter: random instructions of every
 * row that has a lowering, in flat and based 32-bit segments and in real mode. Registers, EIP, memory and every flag
 * that the row does not call undefined must agree. What is called out is the interpreter's anyway and not compared.
 */
#include "../frontend/sys_fixture.h"
#include "frontend/x86/lower.h"
#include "ir_random.h"
#include "translator/callout.h"
#include "translator/ir_run.h"

enum { WINDOW = 0x50000, WINDOW_BYTES = 0x10000, PAGE = 0x8000, OFFSET = 0x123 };

struct fixture {
    struct machine *m;
    struct cpu *cpu;
    struct cpu_board board;
    struct x86_mode mode;
    bool called_out, alive;
    struct random r;
    uint8_t before[WINDOW_BYTES], lowered[WINDOW_BYTES];
    struct ir_block ir;
};

bool callout_run(struct cpu *cpu, const struct insn *in, uint32_t eip)
{
    ((struct fixture *)cpu->board->opaque)->called_out = true;
    return false;
}

struct outcome {
    uint32_t gpr[8], flags, eip;
};
static struct outcome outcome(const struct cpu *cpu)
{
    struct outcome o = {.flags = cpu_get_eflags(cpu), .eip = cpu->eip};

    memcpy(o.gpr, cpu->gpr, sizeof o.gpr);
    return o;
}
static void restore(struct fixture *f, const struct outcome *o)
{
    memcpy(f->cpu->gpr, o->gpr, sizeof o->gpr);
    cpu_set_eflags(f->cpu, o->flags, EFLAGS_OSZAPC | EFLAGS_DF);
    f->cpu->eip = o->eip;
    memcpy(phys_ram_host(f->m->phys, WINDOW), f->before, WINDOW_BYTES);
}

/* An instruction of that row, its other bytes by chance. */
static unsigned random_bytes(struct fixture *f, const struct isa_row *row, uint8_t *b)
{
    static const uint8_t mandatory[] = {[PREFIX_P66] = 0x66, [PREFIX_PF3] = 0xf3, [PREFIX_PF2] = 0xf2};
    static const uint8_t some[] = {0x66, 0x67, 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65};
    unsigned n = 0, opcode_at;

    while (random_below(&f->r, 3) == 0 && n < 3)
        b[n++] = some[random_below(&f->r, 8)];
    if (row->prefix != PREFIX_ANY && row->prefix != PREFIX_NP)
        b[n++] = mandatory[row->prefix];
    if (row->map != MAP_1B)
        b[n++] = 0x0f;
    if (row->map == MAP_0F38 || row->map == MAP_0F3A)
        b[n++] = row->map == MAP_0F38 ? 0x38 : 0x3a;
    opcode_at = n;
    b[n++] = row->opcode;
    while (n < 20)
        b[n++] = (uint8_t)random_next(&f->r);
    if (row->modrm_kind == MODRM_PLUS_R)
        b[opcode_at] |= (uint8_t)random_below(&f->r, 8);
    if (row->modrm_kind == MODRM_EXT || row->modrm_kind == MODRM_EXT_MEM || row->modrm_kind == MODRM_EXT_REG)
        b[opcode_at + 1] = (uint8_t)((b[opcode_at + 1] & 0xc7) | row->modrm_value << 3);
    if (row->modrm_kind == MODRM_EXACT)
        b[opcode_at + 1] = row->modrm_value;
    return n;
}

/* Registers that often point into the window, or are small. */
static void random_state(struct fixture *f)
{
    const bool real = !f->mode.protected_mode;

    for (unsigned i = 0; i < 8; i++)
        switch (random_below(&f->r, 4)) {
        case 0:
            f->cpu->gpr[i] = random_value(&f->r);
            break;
        case 1:
            f->cpu->gpr[i] = random_below(&f->r, 40);
            break;
        default:
            f->cpu->gpr[i] = (real ? 0 : WINDOW) + random_below(&f->r, WINDOW_BYTES);
            break;
        }
    f->cpu->gpr[ESP] = (real ? 0 : WINDOW) + 64 + random_below(&f->r, WINDOW_BYTES - 128);
    cpu_set_eflags(f->cpu, random_next(&f->r), EFLAGS_OSZAPC | EFLAGS_DF);
    f->mode.forward = !(cpu_get_eflags(f->cpu) & EFLAGS_DF);
    f->cpu->eip = PAGE + OFFSET;
}

/* Its memory operand, if it has one, lies within the window. */
static bool stays_in_window(const struct fixture *f, const struct insn *in)
{
    const uint32_t offset = (f->cpu->gpr[in->base] + (f->cpu->gpr[in->index] << in->scale) + in->disp) & in->addr_mask;
    const lin_addr address = f->cpu->seg[in->seg].base + offset;

    return !in->is_mem || (address >= WINDOW + 64 && address < WINDOW + WINDOW_BYTES - 64);
}

/* False if there is nothing to compare. */
static bool compare_one(struct fixture *f, const struct isa_row *row)
{
    struct cpu *cpu = f->cpu;
    uint8_t bytes[32];
    struct insn in;
    struct outcome before, ours, theirs;
    const char *broken;
    unsigned where, n = random_bytes(f, row, bytes);
    uint32_t defined;

    if (decode_insn(&in, bytes, n, f->mode.code32, cpu->model->isa_features) != DECODE_OK || in.row == ISA_ROW_UD)
        return false;
    random_state(f);
    if (!stays_in_window(f, &in))
        return false;

    ir_begin(&f->ir, !f->mode.code32);
    f->ir.offset[0] = OFFSET;
    f->ir.offset[1] = (uint16_t)(OFFSET + in.len);
    if (!x86_lower(&f->ir, &in, &f->mode))
        return false;
    f->ir.n_insns = 1;
    if (f->ir.n_ops == 0 || ir_info[f->ir.op[f->ir.n_ops - 1].opcode].effect != IR_EFFECT_END)
        ir_add(&f->ir, IR_JMP, 0)->imm = f->ir.offset[1];
    broken = ir_check(&f->ir, &where);
    if (broken)
        fail_msg("%s (%02x %02x %02x): %s", isa_table[in.row].name, bytes[0], bytes[1], bytes[2], broken);

    put_code(f->m, bytes, n); /* it may read itself, or write */
    before = outcome(cpu);
    f->called_out = false;
    f->alive = true;
    ir_run(cpu, f->ir.op, f->ir.offset, &in, PAGE, f->ir.code16, &f->alive);
    ours = outcome(cpu);
    memcpy(f->lowered, phys_ram_host(f->m->phys, WINDOW), WINDOW_BYTES);
    restore(f, &before);
    if (f->called_out)
        return false;

    put_code(f->m, bytes, n);
    cpu_step(cpu);
    theirs = outcome(cpu);
    defined = ~isa_table[in.row].flags_undefined;
    if (memcmp(ours.gpr, theirs.gpr, sizeof ours.gpr) != 0 || ours.eip != theirs.eip ||
        (ours.flags ^ theirs.flags) & defined ||
        memcmp(f->lowered, phys_ram_host(f->m->phys, WINDOW), WINDOW_BYTES) != 0) {
        for (unsigned i = 0; i < f->ir.n_ops; i++) {
            char line[120];

            ir_print_op(&f->ir.op[i], line, sizeof line);
            print_message("  %s\n", line);
        }
        for (unsigned i = 0; i < 8; i++)
            print_message("  r%u %08x: lowered %08x, interpreted %08x\n", i, before.gpr[i], ours.gpr[i], theirs.gpr[i]);
        fail_msg("%s (%02x %02x %02x %02x): eip %x, %x, flags %x: %x, %x", isa_table[in.row].name, bytes[0], bytes[1],
                 bytes[2], bytes[3], ours.eip, theirs.eip, before.flags, ours.flags, theirs.flags);
    }
    restore(f, &before);
    return true;
}

static void compare_all(struct fixture *f, unsigned rounds)
{
    unsigned rows = 0, compared = 0;

    for (unsigned i = 0; i < WINDOW_BYTES; i++)
        f->before[i] = (uint8_t)(random_below(&f->r, 4) ? random_next(&f->r) : 0);
    memcpy(phys_ram_host(f->m->phys, WINDOW), f->before, WINDOW_BYTES);
    for (uint32_t page = WINDOW; page < WINDOW + WINDOW_BYTES; page += 0x1000)
        mmu_st8(&f->cpu->mmu, page, f->before[page - WINDOW], f->cpu->view);
    for (unsigned row = 0; row < isa_rows; row++) {
        unsigned done = 0;

        for (unsigned i = 0; i < rounds; i++)
            done += compare_one(f, &isa_table[row]);
        rows += done != 0;
        compared += done;
    }
    /* most rows of the integer instructions, each with many operands */
    assert_true(rows > 150);
    assert_true(compared > rows * rounds / 8);
}

static void lowered_and_interpreted_agree_in_flat_segments(void **state)
{
    struct fixture *f = *state;

    f->r.state = 1;
    compare_all(f, 600);
}

static void lowered_and_interpreted_agree_in_based_segments(void **state)
{
    struct fixture *f = *state;

    for (unsigned i = 0; i < SREGS; i++)
        if (i != CS && i != SS) {
            f->mode.seg[i] = SEG_CLASS_BASED;
            f->cpu->seg[i].base = 0x123 + 0x1000 * i;
        }
    f->r.state = 2;
    compare_all(f, 600);
}

static void lowered_and_interpreted_agree_in_real_mode(void **state)
{
    struct fixture *f = *state;

    enter_real(f->m);
    for (unsigned i = 0; i < SREGS; i++) {
        if (i != CS)
            segment_load_real(f->cpu, i, WINDOW >> 4);
        f->mode.seg[i] = SEG_CLASS_64K;
    }
    f->mode.code32 = f->mode.stack32 = f->mode.protected_mode = false;
    f->r.state = 3;
    compare_all(f, 600);
}

static int create(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    void *m;

    assert_non_null(f);
    assert_int_equal(machine_create(&m), 0);
    f->m = m;
    f->cpu = f->m->cpu;
    enter_protected(f->m, 0);
    f->board = *f->cpu->board;
    f->board.opaque = f;
    f->cpu->board = &f->board;
    f->mode = (struct x86_mode){.code32 = true, .stack32 = true, .protected_mode = true};
    x86_lower_init();
    *state = f;
    return 0;
}
static int destroy(void **state)
{
    struct fixture *f = *state;
    void *m = f->m;

    f->cpu->board = &f->m->board;
    free(f);
    return machine_destroy(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(lowered_and_interpreted_agree_in_flat_segments, create, destroy),
        cmocka_unit_test_setup_teardown(lowered_and_interpreted_agree_in_based_segments, create, destroy),
        cmocka_unit_test_setup_teardown(lowered_and_interpreted_agree_in_real_mode, create, destroy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
