/*
 * -kernel: reads a Linux bzImage or zImage (boot protocol 2.00 to 2.15 and the one before it) or a multiboot ELF, and
 * prepares what the option ROM (kernel_rom.S) copies into guest memory once the firmware is done.
 */
#ifndef HW_PC_KERNEL_LOADER_H
#define HW_PC_KERNEL_LOADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KERNEL_MAX_PIECES 24
#define KERNEL_ROM_MAX    2048

struct kernel_piece { /* bytes that go to guest-physical `address` */
    uint32_t address;
    size_t len_bytes;
    uint8_t *bytes; /* owned by the image; NULL: they are in a file */
    int fd;         /* then: owned by the image, and where they start */
    uint64_t file_offset;
};

struct kernel_image {
    bool is_multiboot;
    uint32_t entry;                   /* multiboot: EIP */
    uint32_t info;                    /* multiboot: address of the information structure */
    uint16_t setup_segment, setup_sp; /* Linux: real-mode code */
    unsigned n_pieces;
    struct kernel_piece piece[KERNEL_MAX_PIECES];
};

/* Loads `kernel`, with `initrd` (Linux: one file; multiboot: FILE [ARGS][,FILE [ARGS]]...) and the command line; either
 * may be NULL. False: `error` holds one line naming the file and the remedy, and nothing is held. */
bool kernel_image_load(struct kernel_image *image, const char *kernel, const char *initrd, const char *append,
                       uint64_t ram_bytes, char *error, size_t error_size);
/* fw_cfg source: `piece` is a struct kernel_piece. Files are read when the guest asks, so they cost no memory. */
bool kernel_piece_read(void *piece, uint32_t offset, void *out, uint32_t len_bytes);
void kernel_image_release(struct kernel_image *image);

/* Builds the option ROM; piece i is fetched from fw_cfg key first_key + i. Returns its length in bytes. */
size_t kernel_rom_build(const struct kernel_image *image, uint16_t first_key, uint8_t rom[KERNEL_ROM_MAX]);

#endif
