/*
 * -kernel: Linux images of several boot protocols, multiboot images, and the files that are refused.
 * Sources: "The Linux/x86 Boot Protocol", "Multiboot Specification" 0.6.96.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <elf.h>

#include "hw/pc/kernel_loader.h"

#define RAM         (64u << 20)
#define SETUP_SECTS 3u
#define SETUP_BYTES ((SETUP_SECTS + 1) * 512)
#define FILE_BYTES  (SETUP_BYTES + 5000)

struct rig {
    char folder[40], kernel[60], initrd[60];
    uint8_t file[FILE_BYTES];
    struct kernel_image image;
    char error[400];
};

static int setup(void **state)
{
    struct rig *rig = calloc(1, sizeof *rig);

    strcpy(rig->folder, "/tmp/morph86-test-XXXXXX");
    assert_non_null(mkdtemp(rig->folder));
    snprintf(rig->kernel, sizeof rig->kernel, "%s/kernel", rig->folder);
    snprintf(rig->initrd, sizeof rig->initrd, "%s/initrd", rig->folder);
    for (unsigned i = 0; i < FILE_BYTES; i++)
        rig->file[i] = (uint8_t)(i * 7 + 1);
    *state = rig;
    return 0;
}

static int teardown(void **state)
{
    struct rig *rig = *state;

    kernel_image_release(&rig->image);
    unlink(rig->kernel);
    unlink(rig->initrd);
    assert_int_equal(rmdir(rig->folder), 0);
    free(rig);
    return 0;
}

static void put(uint8_t *at, uint32_t value, unsigned width)
{
    for (unsigned i = 0; i < width; i++)
        at[i] = (uint8_t)(value >> 8 * i);
}

static uint32_t get(const uint8_t *at, unsigned width)
{
    uint32_t value = 0;

    for (unsigned i = 0; i < width; i++)
        value |= (uint32_t)at[i] << 8 * i;
    return value;
}

static void save(const char *path, const void *bytes, size_t len)
{
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    fclose(file);
}

/* A kernel of protocol `version` (0: the one before 2.00), loaded high or low. */
static void make_linux(struct rig *rig, uint16_t version, bool is_high)
{
    uint8_t *h = rig->file;

    h[0x1f1] = SETUP_SECTS;
    put(h + 0x1fe, 0xaa55, 2);
    memcpy(h + 0x202, version ? "HdrS" : "none", 4);
    put(h + 0x206, version, 2);
    h[0x211] = is_high;
    put(h + 0x22c, 0x37ffffff, 4);
    put(h + 0x238, 2047, 4);
    save(rig->kernel, h, FILE_BYTES);
}

static bool load(struct rig *rig, const char *initrd, const char *append, uint64_t ram_bytes)
{
    kernel_image_release(&rig->image);
    rig->error[0] = '\0';
    return kernel_image_load(&rig->image, rig->kernel, initrd, append, ram_bytes, rig->error, sizeof rig->error);
}

#define EXPECT_REFUSED(rig, why, ...)                                                                                  \
    do {                                                                                                               \
        assert_false(load(rig, __VA_ARGS__));                                                                          \
        if (!strstr((rig)->error, why))                                                                                \
            fail_msg("'%s' does not say '%s'", (rig)->error, why);                                                     \
        assert_int_equal((rig)->image.n_pieces, 0);                                                                    \
    } while (0)

/* The piece at `address`. */
static struct kernel_piece *piece_at(struct rig *rig, uint32_t address)
{
    for (unsigned i = 0; i < rig->image.n_pieces; i++)
        if (rig->image.piece[i].address == address)
            return &rig->image.piece[i];
    fail_msg("nothing at %x", address);
    return NULL;
}

static void expect_bytes(struct rig *rig, uint32_t address, const void *bytes, size_t len)
{
    struct kernel_piece *piece = piece_at(rig, address);
    uint8_t *read = malloc(len + 1);

    assert_int_equal(piece->len_bytes, len);
    assert_true(kernel_piece_read(piece, 0, read, (uint32_t)len));
    assert_memory_equal(read, bytes, len);
    assert_true(kernel_piece_read(piece, (uint32_t)len - 1, read, 1));
    assert_int_equal(read[0], ((const uint8_t *)bytes)[len - 1]);
    free(read);
}

/* ---- Linux ---- */

static void a_modern_kernel_lies_high_and_knows_its_loader(void **state)
{
    struct rig *rig = *state;
    const uint8_t *setup_code;

    make_linux(rig, 0x20f, true);
    assert_true(load(rig, NULL, "root=/dev/sda1 quiet", RAM));
    assert_false(rig->image.is_multiboot);
    assert_int_equal(rig->image.setup_segment, 0x1000);
    assert_int_equal(rig->image.setup_sp, 0xfff0);
    expect_bytes(rig, 0x100000, rig->file + SETUP_BYTES, FILE_BYTES - SETUP_BYTES);
    expect_bytes(rig, 0x20000, "root=/dev/sda1 quiet", 21);
    setup_code = piece_at(rig, 0x10000)->bytes;
    assert_int_equal(piece_at(rig, 0x10000)->len_bytes, SETUP_BYTES);
    assert_int_equal(setup_code[0x210], 0xff);
    assert_int_equal(setup_code[0x211], 0x81); /* loaded high, has a heap */
    assert_int_equal(get(setup_code + 0x224, 2), 0xde00);
    assert_int_equal(get(setup_code + 0x228, 4), 0x20000);
    assert_int_equal(get(setup_code + 0x1fa, 2), 0xffff);
    assert_memory_equal(setup_code, rig->file, 0x1f0);
}

static void old_kernels_find_their_command_line_by_its_magic(void **state)
{
    static const uint16_t versions[] = {0, 0x200, 0x201};
    struct rig *rig = *state;

    for (unsigned i = 0; i < 3; i++) {
        const uint8_t *setup_code;

        make_linux(rig, versions[i], false);
        assert_true(load(rig, NULL, "ro", RAM));
        assert_int_equal(rig->image.setup_segment, 0x9000);
        assert_int_equal(rig->image.setup_sp, versions[i] == 0x201 ? 0xfff0 : 0x9000);
        expect_bytes(rig, 0x10000, rig->file + SETUP_BYTES, FILE_BYTES - SETUP_BYTES);
        expect_bytes(rig, 0x99000, "ro", 3);
        setup_code = piece_at(rig, 0x90000)->bytes;
        assert_int_equal(get(setup_code + 0x20, 2), 0xa33f);
        assert_int_equal(get(setup_code + 0x22, 2), 0x9000);
        assert_int_equal(setup_code[0x210], versions[i] ? 0xff : rig->file[0x210]);
        assert_int_equal(setup_code[0x211], versions[i] == 0x201 ? 0x80 : 0);
    }
}

static void a_zimage_of_protocol_2_02_has_its_command_line_above_the_setup_code(void **state)
{
    struct rig *rig = *state;

    make_linux(rig, 0x202, false);
    assert_true(load(rig, NULL, NULL, RAM));
    expect_bytes(rig, 0x99000, "", 1);
    assert_int_equal(get(piece_at(rig, 0x90000)->bytes + 0x228, 4), 0x99000);
}

static void no_setup_sectors_means_four(void **state)
{
    struct rig *rig = *state;

    make_linux(rig, 0x20f, true);
    rig->file[0x1f1] = 0;
    save(rig->kernel, rig->file, FILE_BYTES);
    assert_true(load(rig, NULL, NULL, RAM));
    assert_int_equal(piece_at(rig, 0x10000)->len_bytes, 5 * 512);
}

static void vga_on_the_command_line_is_for_the_loader(void **state)
{
    static const struct {
        const char *append;
        uint16_t mode;
    } rows[] = {{"vga=ext", 0xfffe},         {"a vga=ask b", 0xfffd},   {"vga=normal", 0xffff},
                {"quiet vga=0x317", 0x317},  {"vga=792 quiet", 792},    {"novga=3", 0xffff},
                {"xvga=3 vga=0x301", 0x301}, {"quiet xvga=ext", 0xffff}};
    struct rig *rig = *state;

    make_linux(rig, 0x20f, true);
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_true(load(rig, NULL, rows[i].append, RAM));
        assert_int_equal(get(piece_at(rig, 0x10000)->bytes + 0x1fa, 2), rows[i].mode);
    }
}

static void a_kernel_that_can_take_it_gets_a_seed(void **state)
{
    static const struct {
        uint16_t version;
        bool is_high, is_seeded;
    } rows[] = {{0x20f, true, true}, {0x209, true, true}, {0x208, true, false}, {0x20f, false, false}};
    struct rig *rig = *state;

    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const uint8_t *pointer;
        uint8_t seed[2][32];
        struct kernel_piece *piece;

        make_linux(rig, rows[i].version, rows[i].is_high);
        assert_true(load(rig, NULL, NULL, RAM));
        pointer = piece_at(rig, rows[i].is_high ? 0x10000 : 0x90000)->bytes + 0x250;
        if (!rows[i].is_seeded) {
            assert_memory_equal(pointer, rig->file + 0x250, 8);
            assert_int_equal(rig->image.n_pieces, 3);
            continue;
        }
        assert_memory_equal(pointer, "\0\x80\2\0\0\0\0\0", 8); /* 64 bits: the list's only node */
        expect_bytes(rig, 0x28000, "\0\0\0\0\0\0\0\0\t\0\0\0\x20\0\0\0", 16);
        piece = piece_at(rig, 0x28010);
        assert_int_equal(piece->len_bytes, sizeof seed[0]);
        for (unsigned start = 0; start < 2; start++) /* another at each start of the guest */
            assert_true(kernel_piece_read(piece, 0, seed[start], sizeof seed[0]));
        assert_memory_not_equal(seed[0], seed[1], sizeof seed[0]);
    }
}

static void the_initrd_lies_as_high_as_the_kernel_allows(void **state)
{
    struct rig *rig = *state;
    uint8_t initrd[5000];

    memset(initrd, 0xc3, sizeof initrd);
    save(rig->initrd, initrd, sizeof initrd);
    make_linux(rig, 0x20f, true);
    assert_true(load(rig, rig->initrd, NULL, RAM)); /* below what the firmware keeps */
    expect_bytes(rig, RAM - (2 << 20) - 0x2000, initrd, sizeof initrd);
    assert_int_equal(get(piece_at(rig, 0x10000)->bytes + 0x218, 4), RAM - (2 << 20) - 0x2000);
    assert_int_equal(get(piece_at(rig, 0x10000)->bytes + 0x21c, 4), sizeof initrd);
    put(rig->file + 0x22c, 0x1ffffff, 4);
    save(rig->kernel, rig->file, FILE_BYTES);
    assert_true(load(rig, rig->initrd, NULL, RAM));
    expect_bytes(rig, 0x2000000 - 0x2000, initrd, sizeof initrd);
    make_linux(rig, 0x202, true); /* without the field */
    assert_true(load(rig, rig->initrd, NULL, RAM));
    expect_bytes(rig, RAM - (2 << 20) - 0x2000, initrd, sizeof initrd);
}

static void an_initrd_that_cannot_be_is_refused(void **state)
{
    struct rig *rig = *state;

    make_linux(rig, 0x20f, true);
    EXPECT_REFUSED(rig, "initrd': No such file", rig->initrd, NULL, RAM);
    EXPECT_REFUSED(rig, "not a file of 1 byte to 2 GiB", rig->folder, NULL, RAM);
    save(rig->initrd, "", 0);
    EXPECT_REFUSED(rig, "not a file of 1 byte to 2 GiB", rig->initrd, NULL, RAM);
    save(rig->initrd, "x", 1);
    assert_int_equal(truncate(rig->initrd, 62 << 20), 0);
    EXPECT_REFUSED(rig, "does not fit into memory beside the kernel; raise -m", rig->initrd, NULL, RAM);
    make_linux(rig, 0, false);
    EXPECT_REFUSED(rig, "too old to take an -initrd", rig->initrd, NULL, RAM);
}

static void kernels_that_do_not_fit_are_refused(void **state)
{
    struct rig *rig = *state;
    char append[2100];

    EXPECT_REFUSED(rig, "No such file", NULL, NULL, RAM);
    make_linux(rig, 0x20f, true);
    EXPECT_REFUSED(rig, "at least 4 MiB", NULL, NULL, 3 << 20);
    memset(append, 'a', sizeof append);
    append[2048] = '\0';
    EXPECT_REFUSED(rig, "this kernel takes 2047; shorten it", NULL, append, RAM);
    append[2047] = '\0';
    assert_true(load(rig, NULL, append, RAM));
    make_linux(rig, 0x205, true);
    EXPECT_REFUSED(rig, "takes 255", NULL, append, RAM);
    assert_int_equal(truncate(rig->kernel, 5 << 20), 0);
    EXPECT_REFUSED(rig, "needs more memory than the machine has", NULL, NULL, 4 << 20);
    make_linux(rig, 0x200, false);
    assert_int_equal(truncate(rig->kernel, SETUP_BYTES + (512 << 10) + 1), 0);
    EXPECT_REFUSED(rig, "needs more memory", NULL, NULL, RAM); /* a zImage ends where its setup code lies */
    make_linux(rig, 0x20f, true);
    assert_int_equal(truncate(rig->kernel, SETUP_BYTES), 0);
    EXPECT_REFUSED(rig, "cut short: its setup section alone has 2048 bytes", NULL, NULL, RAM);
    assert_int_equal(truncate(rig->kernel, 1000), 0);
    EXPECT_REFUSED(rig, "neither a Linux bzImage nor a multiboot ELF", NULL, NULL, RAM);
    assert_int_equal(truncate(rig->kernel, 0), 0);
    EXPECT_REFUSED(rig, "Invalid argument", NULL, NULL, RAM);
}

static void a_file_that_shrinks_later_fails_when_it_is_read(void **state)
{
    struct rig *rig = *state;
    uint8_t bytes[FILE_BYTES];

    make_linux(rig, 0x20f, true);
    assert_true(load(rig, NULL, NULL, RAM));
    assert_int_equal(truncate(rig->kernel, SETUP_BYTES + 100), 0);
    assert_true(kernel_piece_read(piece_at(rig, 0x100000), 0, bytes, 100));
    assert_false(kernel_piece_read(piece_at(rig, 0x100000), 0, bytes, 101));
}

/* ---- multiboot ---- */

static void put_multiboot_header(uint8_t *at, uint32_t flags)
{
    put(at, 0x1badb002, 4);
    put(at + 4, flags, 4);
    put(at + 8, 0u - 0x1badb002u - flags, 4);
}

/* Two segments: linked at C0100000 for 1 MiB with 100h bytes of BSS, and one at 2 MiB. */
static Elf32_Phdr *make_elf(struct rig *rig)
{
    Elf32_Ehdr *ehdr = (Elf32_Ehdr *)rig->file;
    Elf32_Phdr *ph = (Elf32_Phdr *)(rig->file + 52);

    memset(rig->file, 0, 0x400);
    *ehdr = (Elf32_Ehdr){.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS32, ELFDATA2LSB, EV_CURRENT},
                         .e_type = ET_EXEC,
                         .e_machine = EM_386,
                         .e_version = EV_CURRENT,
                         .e_entry = 0xc0100020,
                         .e_phoff = 52,
                         .e_ehsize = 52,
                         .e_phentsize = sizeof(Elf32_Phdr),
                         .e_phnum = 4};
    ph[0] = (Elf32_Phdr){.p_type = PT_NOTE, .p_offset = 0, .p_filesz = 8, .p_memsz = 8};
    ph[1] = (Elf32_Phdr){.p_type = PT_LOAD,
                         .p_offset = 0x400,
                         .p_vaddr = 0xc0100000,
                         .p_paddr = 0x100000,
                         .p_filesz = 0x300,
                         .p_memsz = 0x400};
    ph[2] = (Elf32_Phdr){.p_type = PT_LOAD,
                         .p_offset = 0x800,
                         .p_vaddr = 0x200000,
                         .p_paddr = 0x200000,
                         .p_filesz = 0x10,
                         .p_memsz = 0x10};
    ph[3] = (Elf32_Phdr){.p_type = PT_LOAD}; /* empty */
    put_multiboot_header(rig->file + 0x200, 3);
    save(rig->kernel, rig->file, FILE_BYTES);
    return ph;
}

static const char *text_at(struct rig *rig, uint32_t address)
{
    const struct kernel_piece *text = piece_at(rig, 0x9600);

    assert_true(address >= 0x9600 && address < 0x9600 + text->len_bytes);
    return (const char *)text->bytes + (address - 0x9600);
}

static void multiboot_segments_lie_where_they_are_linked(void **state)
{
    struct rig *rig = *state;
    uint8_t expected[0x400] = {0};
    const uint8_t *info;
    char cmdline[100];

    make_elf(rig);
    memcpy(expected, rig->file + 0x400, 0x300);
    assert_true(load(rig, NULL, "one two", RAM));
    assert_true(rig->image.is_multiboot);
    assert_int_equal(rig->image.entry, 0x100020); /* physical */
    expect_bytes(rig, 0x100000, expected, 0x400);
    expect_bytes(rig, 0x200000, rig->file + 0x800, 0x10);
    info = piece_at(rig, rig->image.info)->bytes;
    assert_int_equal(get(info, 4), 1 << 0 | 1 << 2 | 1 << 6 | 1 << 9);
    assert_int_equal(get(info + 4, 4), 639);
    assert_int_equal(get(info + 8, 4), 63 * 1024);
    snprintf(cmdline, sizeof cmdline, "%s one two", rig->kernel);
    assert_string_equal(text_at(rig, get(info + 16, 4)), cmdline);
    assert_string_equal(text_at(rig, get(info + 64, 4)), "morph86");
}

static void multiboot_modules_follow_the_kernel(void **state)
{
    struct rig *rig = *state;
    const uint8_t *info, *table;
    char list[200], second[100];

    save(rig->initrd, "module", 6);
    make_elf(rig);
    snprintf(list, sizeof list, "%s first one,%s", rig->initrd, rig->initrd);
    assert_true(load(rig, list, NULL, RAM));
    info = piece_at(rig, rig->image.info)->bytes;
    assert_int_equal(get(info, 4) & 8, 8);
    assert_int_equal(get(info + 20, 4), 2);
    expect_bytes(rig, 0x201000, "module", 6);
    expect_bytes(rig, 0x202000, "module", 6);
    table = piece_at(rig, get(info + 24, 4))->bytes;
    assert_int_equal(get(table, 4), 0x201000);
    assert_int_equal(get(table + 4, 4), 0x201006);
    assert_int_equal(get(table + 16, 4), 0x202000);
    snprintf(second, sizeof second, "%s first one", rig->initrd);
    assert_string_equal(text_at(rig, get(table + 8, 4)), second);
    assert_string_equal(text_at(rig, get(table + 24, 4)), rig->initrd);
}

static void modules_that_cannot_be_are_refused(void **state)
{
    struct rig *rig = *state;
    char list[3000] = "", *end = list;

    make_elf(rig);
    EXPECT_REFUSED(rig, "No such file", rig->initrd, NULL, RAM);
    save(rig->initrd, "m", 1);
    for (unsigned i = 0; i < 25; i++)
        end += sprintf(end, "%s%s", i ? "," : "", rig->initrd);
    EXPECT_REFUSED(rig, "too many", list, NULL, RAM);
    memset(list, 'p', 1100);
    list[1100] = '\0';
    EXPECT_REFUSED(rig, "too long a path", list, NULL, RAM);
    assert_int_equal(truncate(rig->initrd, 2 << 20), 0);
    EXPECT_REFUSED(rig, "does not fit into memory; raise -m", rig->initrd, NULL, 4 << 20);
    assert_int_equal(truncate(rig->initrd, (2 << 20) - 0x1000), 0); /* it fits, its table does not */
    EXPECT_REFUSED(rig, "the modules do not fit", rig->initrd, NULL, 4 << 20);
}

static void bad_elf_files_are_refused(void **state)
{
    struct rig *rig = *state;
    Elf32_Ehdr *ehdr = (Elf32_Ehdr *)rig->file;
    char append[5000];
    Elf32_Phdr *ph;

    ph = make_elf(rig);
    ph[2].p_paddr = RAM - 0xf;
    save(rig->kernel, rig->file, FILE_BYTES);
    EXPECT_REFUSED(rig, "program header 2 lies outside", NULL, NULL, RAM);
    ph = make_elf(rig);
    ph[1].p_offset = FILE_BYTES;
    save(rig->kernel, rig->file, FILE_BYTES);
    EXPECT_REFUSED(rig, "program header 1 lies outside", NULL, NULL, RAM);
    ph = make_elf(rig);
    ph[1].p_filesz = 0x401; /* more than in memory */
    save(rig->kernel, rig->file, FILE_BYTES);
    EXPECT_REFUSED(rig, "program header 1 lies outside", NULL, NULL, RAM);
    make_elf(rig);
    ehdr->e_ident[EI_CLASS] = ELFCLASS64;
    save(rig->kernel, rig->file, FILE_BYTES);
    EXPECT_REFUSED(rig, "no i386 ELF file", NULL, NULL, RAM);
    make_elf(rig);
    ehdr->e_phoff = FILE_BYTES - 32;
    save(rig->kernel, rig->file, FILE_BYTES);
    EXPECT_REFUSED(rig, "no i386 ELF file", NULL, NULL, RAM);
    make_elf(rig);
    memset(append, 'a', sizeof append);
    append[4096] = '\0';
    EXPECT_REFUSED(rig, "-append is longer than", NULL, append, RAM);
}

/* The header at 40h of the file, which lies at 100000: header, load, load end, BSS end, entry. */
static void make_flat(struct rig *rig, uint32_t header, uint32_t load_at, uint32_t load_end, uint32_t bss_end)
{
    put_multiboot_header(rig->file + 0x40, 0x10000);
    put(rig->file + 0x4c, header, 4);
    put(rig->file + 0x50, load_at, 4);
    put(rig->file + 0x54, load_end, 4);
    put(rig->file + 0x58, bss_end, 4);
    put(rig->file + 0x5c, 0x100080, 4);
    save(rig->kernel, rig->file, FILE_BYTES);
}

static void a_multiboot_header_with_addresses_needs_no_elf(void **state)
{
    struct rig *rig = *state;
    uint8_t expected[0x900] = {0};

    make_flat(rig, 0x100040, 0x100000, 0, 0);
    assert_true(load(rig, NULL, NULL, RAM));
    assert_int_equal(rig->image.entry, 0x100080);
    expect_bytes(rig, 0x100000, rig->file, FILE_BYTES);
    make_flat(rig, 0x100040, 0x100020, 0x100820, 0x100920);
    memcpy(expected, rig->file + 0x20, 0x800);
    assert_true(load(rig, NULL, NULL, RAM));
    expect_bytes(rig, 0x100020, expected, 0x900);
}

static void multiboot_addresses_that_do_not_fit_are_refused(void **state)
{
    static const uint32_t rows[][4] = {
        {0x100040, 0x100041, 0, 0},                     /* the header before what is loaded */
        {0x100041, 0x100000, 0, 0},                     /* before the file's start */
        {0x100040, 0x100000, 0x100001 + FILE_BYTES, 0}, /* beyond the file's end */
        {0x100040, 0x100000, 0x100800, 0x100700},       /* the BSS ends before the data */
        {0x100040, 0x100000, 0x0ff000, 0},              /* the end before the start */
        {0x100040, 0x100000, 0x100800, RAM + 1},        /* beyond memory */
    };
    struct rig *rig = *state;

    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        make_flat(rig, rows[i][0], rows[i][1], rows[i][2], rows[i][3]);
        EXPECT_REFUSED(rig, "the addresses in its multiboot header do not fit", NULL, NULL, RAM);
    }
    make_flat(rig, 0x100040, 0x100000, 0, 0);
    assert_int_equal(truncate(rig->kernel, 0x50), 0);
    EXPECT_REFUSED(rig, "the addresses in its multiboot header do not fit", NULL, NULL, RAM);
}

/* ---- the option ROM ---- */

static uint8_t sum(const uint8_t *bytes, size_t len)
{
    uint8_t total = 0;

    for (size_t i = 0; i < len; i++)
        total += bytes[i];
    return total;
}

static void the_rom_has_checksums_and_one_request_per_piece(void **state)
{
    struct rig *rig = *state;
    uint8_t rom[KERNEL_ROM_MAX];
    size_t len;

    make_linux(rig, 0x20f, true);
    assert_true(load(rig, NULL, "quiet", RAM));
    len = kernel_rom_build(&rig->image, 0x8040, rom);
    assert_true(len <= sizeof rom);
    assert_int_equal(get(rom, 2), 0xaa55);
    assert_int_equal(rom[2] * 512u, len);
    assert_int_equal(sum(rom, len), 0);
    assert_memory_equal(rom + get(rom + 0x1a, 2), "$PnP", 4);
    assert_int_equal(sum(rom + get(rom + 0x1a, 2), 32), 0);
    assert_int_equal(get(rom + 0x40, 2), rig->image.n_pieces);
    assert_int_equal(get(rom + 0x42, 2), 0);
    assert_int_equal(get(rom + 0x44, 2), 0x1000);
    for (unsigned i = 0; i < rig->image.n_pieces; i++) {
        const uint8_t *request = rom + 0x50 + 16 * i;

        assert_int_equal(request[0] << 8 | request[1], 0x8040 + i);
        assert_int_equal(request[3], 0x0a); /* select and read */
        assert_int_equal(request[6] << 8 | request[7], rig->image.piece[i].len_bytes);
        assert_int_equal(request[13] << 16 | request[14] << 8 | request[15], rig->image.piece[i].address);
    }
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_modern_kernel_lies_high_and_knows_its_loader),
        T(old_kernels_find_their_command_line_by_its_magic),
        T(a_zimage_of_protocol_2_02_has_its_command_line_above_the_setup_code),
        T(no_setup_sectors_means_four),
        T(vga_on_the_command_line_is_for_the_loader),
        T(a_kernel_that_can_take_it_gets_a_seed),
        T(the_initrd_lies_as_high_as_the_kernel_allows),
        T(an_initrd_that_cannot_be_is_refused),
        T(kernels_that_do_not_fit_are_refused),
        T(a_file_that_shrinks_later_fails_when_it_is_read),
        T(multiboot_segments_lie_where_they_are_linked),
        T(multiboot_modules_follow_the_kernel),
        T(modules_that_cannot_be_are_refused),
        T(bad_elf_files_are_refused),
        T(a_multiboot_header_with_addresses_needs_no_elf),
        T(multiboot_addresses_that_do_not_fit_are_refused),
        T(the_rom_has_checksums_and_one_request_per_piece),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
