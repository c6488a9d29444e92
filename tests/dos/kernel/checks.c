/* Memory above 1 MiB from real mode, the A20 gate by its three ways, memory maps, self-modifying code. */
#include "dos.h"

#define PROBE 0x500u /* 0050:0000 and, when A20 is masked, FFFF:0510 too */

/* ---- A20 ---- */

/* Does FFFF:0510 reach what lies at 0000:0500? */
static bool wraps(void)
{
    poke(0, PROBE, 0x5a);
    poke(0xffff, PROBE + 0x10, 0xa5);
    return peek(0, PROBE) == 0xa5;
}

static void wait_for_controller(void)
{
    while (inb(0x64) & 2)
        ;
}

static void write_output_port(uint8_t value)
{
    wait_for_controller();
    outb(0x64, 0xd1);
    wait_for_controller();
    outb(0x60, value);
    wait_for_controller();
    outb(0x64, 0xff); /* a pulse of no line: the usual way to wait until the value has settled */
    wait_for_controller();
}

static void check_a20(void)
{
    struct bios_regs r;

    check(!wraps(), "a20_is_on_at_first", 0);
    cli();
    outb(0x92, inb(0x92) & ~3);
    check(wraps(), "port_92_closes_a20", inb(0x92));
    outb(0x92, (inb(0x92) & ~1) | 2);
    check(!wraps(), "port_92_opens_a20", inb(0x92));
    write_output_port(0xdd);
    check(wraps(), "8042_closes_a20", 0);
    write_output_port(0xdf);
    check(!wraps(), "8042_opens_a20", 0);
    sti();
    r = (struct bios_regs){.eax = 0x2403};
    bios(0x15, &r);
    check(!(r.flags & CARRY) && (r.ebx & 3) == 3, "int15_2403_knows_both_ways", r.ebx);
    r = (struct bios_regs){.eax = 0x2400};
    bios(0x15, &r);
    cli();
    check(!(r.flags & CARRY) && wraps(), "int15_2400_closes_a20", r.eax);
    sti();
    r = (struct bios_regs){.eax = 0x2402};
    bios(0x15, &r);
    check(!(r.flags & CARRY) && (r.eax & 0xff) == 0, "int15_2402_says_closed", r.eax);
    r = (struct bios_regs){.eax = 0x2401};
    bios(0x15, &r);
    check(!(r.flags & CARRY) && !wraps(), "int15_2401_opens_a20", r.eax);
}

/* ---- unreal mode ---- */

static void check_unreal(void)
{
    uint32_t sum = 0;

    cli();
    load_flat_fs();
    flat_write(0x200000, 0x12345678);
    flat_write(0x300000, 0x9abcdef0);
    check(flat_read(0x200000) == 0x12345678 && flat_read(0x300000) == 0x9abcdef0, "unreal_mode_reaches_3_mib",
          flat_read(0x200000));
    /* The reset vector's far jump at the top of 4 GiB. */
    check((flat_read(0xfffffff0) & 0xff) == 0xea, "unreal_mode_reaches_4_gib", flat_read(0xfffffff0));
    check(flat_read(0xfffffff0) == ((uint32_t)peek_word(0xf000, 0xfff2) << 16 | peek_word(0xf000, 0xfff0)),
          "the_bios_is_at_both_places", flat_read(0xfffffff0));
    /* The limit survives a load in real mode, which changes the base alone. */
    __asm__ volatile("movw $0x1000, %%ax\n\tmovw %%ax, %%fs" : : : "eax", "memory");
    check(flat_read(0x1f0000) == 0x12345678, "the_flat_limit_survives_a_load", flat_read(0x1f0000));
    load_flat_fs();
    for (uint32_t at = 0x200000; at < 0x240000; at += 4)
        flat_write(at, at);
    for (uint32_t at = 0x200000; at < 0x240000; at += 4)
        sum += flat_read(at) ^ at;
    check(sum == 0, "unreal_mode_copies_256_kib", sum);
    sti();
}

/* ---- INT 15h ---- */

struct gdt_row {
    uint16_t limit, base;
    uint8_t base_16, rights;
    uint16_t base_24;
};

static void check_block_move(void)
{
    static struct gdt_row gdt[6];
    static uint32_t words[64];
    struct bios_regs r = {.eax = 0x8700, .ecx = sizeof words / 2, .esi = (uint32_t)gdt};
    uint32_t wrong = 0;

    for (unsigned i = 0; i < 64; i++)
        words[i] = i * 0x01020305;
    gdt[2] = (struct gdt_row){.limit = sizeof words - 1, .base = (uint16_t)(uint32_t)words, .rights = 0x93};
    gdt[3] = (struct gdt_row){.limit = sizeof words - 1, .base_16 = 0x28, .rights = 0x93};
    bios(0x15, &r);
    cli();
    load_flat_fs();
    for (unsigned i = 0; i < 64; i++)
        wrong += flat_read(0x280000 + 4 * i) != words[i];
    sti();
    check(!(r.flags & CARRY) && wrong == 0, "int15_87_moves_a_block_to_extended_memory", wrong);
}

static void check_memory_map(void)
{
    static uint32_t entry[6];
    struct bios_regs r = {0};
    unsigned n = 0;
    uint32_t low = 0, high = 0;

    do {
        r.eax = 0xe820;
        r.edx = 0x534d4150;
        r.ecx = 24;
        r.edi = (uint32_t)entry;
        r.es = 0;
        bios(0x15, &r);
        if (r.flags & CARRY || r.eax != 0x534d4150)
            break;
        n++;
        if (entry[4] == 1 && entry[0] == 0)
            low = entry[2];
        if (entry[4] == 1 && entry[0] == 0x100000)
            high = entry[2];
    } while (r.ebx && n < 32);
    check(n >= 4 && low >= 0x9f000 && low <= 0xa0000, "e820_has_conventional_memory", low);
    check(high >= 14 << 20 && high <= 15 << 20, "e820_has_15_mib_above", high);
    r = (struct bios_regs){.eax = 0x8800};
    bios(0x15, &r);
    check(!(r.flags & CARRY) && (r.eax & 0xffff) * 1024 == high, "int15_88_agrees_with_e820", r.eax);
    r = (struct bios_regs){.eax = 0xe801};
    bios(0x15, &r);
    check(!(r.flags & CARRY) && (r.eax & 0xffff) * 1024 == high, "int15_e801_agrees_with_e820", r.eax);
    r = (struct bios_regs){0};
    bios(0x12, &r);
    check((r.eax & 0xffff) == (low & ~1023u) / 1024, "int12_agrees_with_e820", r.eax);
}

void check_memory(void)
{
    say("the kernel starts from drive %x\n", (uint32_t)boot_drive);
    check_a20();
    check_unreal();
    check_block_move();
    check_memory_map();
}

/* ---- self-modifying code ---- */

/* A "compiled sprite": code written by the program, called, and written again at the same place. */
static uint32_t compiled_code(void)
{
    static uint8_t code[16];
    uint32_t sum = 0;

    for (uint8_t i = 0; i < 50; i++) {
        uint32_t result;

        code[0] = 0x66; /* MOV EAX,imm32 */
        code[1] = 0xb8;
        code[2] = i;
        code[3] = code[4] = code[5] = 0;
        code[6] = i & 1 ? 0x40 : 0x48; /* INC AX, DEC AX */
        code[7] = 0x66;                /* RETL */
        code[8] = 0xc3;
        __asm__ volatile("calll *%1" : "=a"(result) : "r"((uint32_t)code) : "memory", "cc");
        sum += (uint16_t)result == (uint16_t)(i & 1 ? i + 1 : i - 1);
    }
    return sum;
}

void check_code(void)
{
    for (unsigned pass = 0; pass < 3; pass++) { /* again, once blocks of code have been seen */
        check(smc_next_immediate() == 0x22, "a_store_changes_the_next_instruction", smc_next_immediate());
        check(smc_flip_opcode() == 0xffce, "an_opcode_changes_on_every_pass", smc_flip_opcode());
        check(smc_jump_target() == 15, "a_jump_displacement_changes_on_every_pass", smc_jump_target());
        check(smc_own_string() == 6, "a_string_store_changes_the_code_ahead", smc_own_string());
        check(smc_alias() == 0x77, "a_store_through_another_segment_changes_code", smc_alias());
        check(compiled_code() == 50, "code_written_at_run_time_runs", compiled_code());
    }
}
