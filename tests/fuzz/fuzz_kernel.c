/*
 * The loader of -kernel on images that were once right: a bzImage, a zImage, an older one, a multiboot ELF and a
 * multiboot image with addresses in its header, each with a few bytes changed. Whatever is accepted must lie in memory.
 * Steps are images.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hw/pc/kernel_loader.h"
#include "tests/fuzz/fuzz.h"

#define IMAGE_MAX 32768

static void put(uint8_t *image, size_t at, uint32_t value, unsigned width)
{
    for (unsigned i = 0; i < width; i++)
        image[at + i] = (uint8_t)(value >> 8 * i);
}

static size_t make_linux(struct fuzz *f, uint8_t *image)
{
    static const uint16_t versions[] = {0x0200, 0x0201, 0x0202, 0x0203, 0x0206, 0x020a, 0x020c, 0x020f};
    size_t len = 0x200 * (5 + fuzz_below(f, 8)) + fuzz_below(f, 4096);

    fuzz_bytes(f, image, len);
    put(image, 0x1f1, (uint32_t)fuzz_below(f, 6), 1);
    put(image, 0x1f4, (uint32_t)(len / 16), 4);
    put(image, 0x1fe, 0xaa55, 2);
    memcpy(image + 0x202, "HdrS", 4);
    put(image, 0x206, versions[fuzz_below(f, 8)], 2);
    put(image, 0x211, fuzz_one_in(f, 2) ? 1 : 0, 1);
    put(image, 0x22c, fuzz_one_in(f, 2) ? 0x37ffffff : fuzz_value(f), 4);
    put(image, 0x238, fuzz_one_in(f, 2) ? 2047 : fuzz_value(f), 4);
    if (fuzz_one_in(f, 8))
        put(image, 0x202, 0, 4); /* before protocol 2.00 */
    return len;
}

static size_t make_multiboot_header(struct fuzz *f, uint8_t *image, size_t at, uint32_t flags)
{
    put(image, at, 0x1badb002, 4);
    put(image, at + 4, flags, 4);
    put(image, at + 8, 0u - 0x1badb002 - flags, 4);
    return at + 12;
}

static size_t make_multiboot(struct fuzz *f, uint8_t *image)
{
    size_t len = 4096 + fuzz_below(f, 8192), at = 4 * fuzz_below(f, 200);

    fuzz_bytes(f, image, len);
    at = make_multiboot_header(f, image, at, 0x10003);
    put(image, at, 0x100000 + (uint32_t)at - 12, 4); /* header, load, load end, bss end, entry */
    put(image, at + 4, 0x100000, 4);
    put(image, at + 8, fuzz_one_in(f, 2) ? 0 : 0x100000 + (uint32_t)len, 4);
    put(image, at + 12, fuzz_one_in(f, 2) ? 0 : 0x110000, 4);
    put(image, at + 16, 0x100020, 4);
    return len;
}

static size_t make_elf(struct fuzz *f, uint8_t *image)
{
    Elf32_Ehdr e = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS32, ELFDATA2LSB, EV_CURRENT},
                    .e_type = ET_EXEC,
                    .e_machine = EM_386,
                    .e_version = EV_CURRENT,
                    .e_entry = 0x100000,
                    .e_phoff = sizeof e,
                    .e_ehsize = sizeof e,
                    .e_phentsize = sizeof(Elf32_Phdr),
                    .e_phnum = (Elf32_Half)(1 + fuzz_below(f, 4))};
    size_t len = 6000 + fuzz_below(f, 4096);

    fuzz_bytes(f, image, len);
    memcpy(image, &e, sizeof e);
    for (unsigned i = 0; i < e.e_phnum; i++) {
        Elf32_Phdr p = {.p_type = PT_LOAD,
                        .p_offset = 0x200 + i * 0x400,
                        .p_vaddr = 0x100000 + i * 0x1000,
                        .p_paddr = 0x100000 + i * 0x1000,
                        .p_filesz = 0x400,
                        .p_memsz = 0x400 + (uint32_t)fuzz_below(f, 0x1000)};

        memcpy(image + sizeof e + i * sizeof p, &p, sizeof p);
    }
    make_multiboot_header(f, image, 0x200, (uint32_t)fuzz_below(f, 8));
    return len;
}

/* A file without a name that may be opened by its path. */
static void write_file(int fd, const void *bytes, size_t len)
{
    if (ftruncate(fd, 0) < 0 || pwrite(fd, bytes, len, 0) != (ssize_t)len)
        abort();
}

static void check(const struct kernel_image *image, uint64_t ram_bytes)
{
    uint8_t rom[KERNEL_ROM_MAX];
    size_t len;

    if (image->n_pieces > KERNEL_MAX_PIECES)
        abort();
    for (unsigned i = 0; i < image->n_pieces; i++) {
        const struct kernel_piece *p = &image->piece[i];
        uint8_t bytes[4096];

        if (p->len_bytes > ram_bytes || p->address > ram_bytes - p->len_bytes) {
            fprintf(stderr, "fuzz_kernel: piece %u of %zu bytes at %x is not in memory\n", i, p->len_bytes, p->address);
            abort();
        }
        for (size_t at = 0; at < p->len_bytes; at += sizeof bytes) { /* every byte is there */
            size_t n = p->len_bytes - at < sizeof bytes ? p->len_bytes - at : sizeof bytes;

            if (!kernel_piece_read((void *)p, (uint32_t)at, bytes, (uint32_t)n))
                abort();
        }
    }
    len = kernel_rom_build(image, 0x8040, rom);
    if (len > KERNEL_ROM_MAX || len % 512)
        abort();
}

int main(int argc, char **argv)
{
    static size_t (*const make[])(struct fuzz * f, uint8_t * image) = {make_linux, make_linux, make_multiboot,
                                                                       make_elf};
    static uint8_t image[IMAGE_MAX], initrd[8192];
    struct fuzz_args args = fuzz_parse_args(argc, argv, (struct fuzz_args){.seed = 1, .count = 3000});
    struct fuzz f = fuzz_start(args.seed);
    int kernel_fd = memfd_create("kernel", 0), initrd_fd = memfd_create("initrd", 0);
    char kernel_path[64], initrd_path[64], modules[160], append[6000];
    uint64_t n_accepted = 0;

    snprintf(kernel_path, sizeof kernel_path, "/proc/self/fd/%d", kernel_fd);
    snprintf(initrd_path, sizeof initrd_path, "/proc/self/fd/%d", initrd_fd);
    snprintf(modules, sizeof modules, "%s one two,%s", initrd_path, initrd_path);
    fuzz_watch(2000);
    for (uint64_t i = 0; i < args.count; i++) {
        uint64_t ram_bytes = fuzz_one_in(&f, 4) ? (1 + fuzz_below(&f, 3)) << 20 : 64 << 20;
        size_t len = make[fuzz_below(&f, 4)](&f, image), n_append = fuzz_one_in(&f, 8) ? sizeof append - 1 : 20;
        const char *with = fuzz_one_in(&f, 2) ? NULL : fuzz_one_in(&f, 4) ? modules : initrd_path;
        struct kernel_image loaded;
        char error[400];

        fuzz_note("image", i, len);
        fuzz_step();
        if (!fuzz_one_in(&f, 8))
            len = fuzz_mutate(&f, image, len, sizeof image);
        write_file(kernel_fd, image, len);
        fuzz_bytes(&f, initrd, sizeof initrd);
        write_file(initrd_fd, initrd, fuzz_below(&f, sizeof initrd));
        memset(append, 'x', n_append);
        append[n_append] = '\0';
        if (!kernel_image_load(&loaded, kernel_path, with, fuzz_one_in(&f, 2) ? append : NULL, ram_bytes, error,
                               sizeof error))
            continue;
        n_accepted++;
        check(&loaded, ram_bytes);
        kernel_image_release(&loaded);
    }
    printf("fuzz_kernel: %" PRIu64 " images from seed %" PRIu64 ", %" PRIu64 " accepted\n", args.count, args.seed,
           n_accepted);
    return n_accepted ? EXIT_SUCCESS : EXIT_FAILURE;
}
