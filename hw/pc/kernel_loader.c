/*
 * -kernel: Linux and multiboot images. See kernel_loader.h.
 * Sources: Linux Documentation/x86/boot ("The Linux/x86 Boot Protocol"), "Multiboot Specification" 0.6.96, fw_cfg
 * documentation of QEMU (DMA interface).
 */
#include "hw/pc/kernel_loader.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FW_CFG_DMA_READ_SELECT 0x0a /* control bits: READ, SELECT */
#define REAL_CMDLINE_ADDRESS   0x20000u
#define CMDLINE_ROOM           0x8000u
#define SETUP_DATA_ADDRESS     (REAL_CMDLINE_ADDRESS + CMDLINE_ROOM)
#define SETUP_RNG_SEED         9
#define SEED_BYTES             32u /* what Linux takes for a whole seed */
#define HIGH_LOAD_ADDRESS      0x100000u
#define LOW_LOAD_ADDRESS       0x10000u
#define LOW_SETUP_ADDRESS      0x90000u
#define HIGH_SETUP_ADDRESS     0x10000u
#define OLD_INITRD_MAX         0x37ffffffu
#define FIRMWARE_RESERVE       0x200000u /* the firmware keeps tables at the end of memory */
#define LOADER_UNKNOWN         0xff
#define VGA_NORMAL             0xffff

enum linux_header { /* offsets in the setup section */
                    HDR_SETUP_SECTS = 0x1f1,
                    HDR_VID_MODE = 0x1fa,
                    HDR_OLD_CL_MAGIC = 0x020,
                    HDR_OLD_CL_OFFSET = 0x022,
                    HDR_MAGIC = 0x202,
                    HDR_VERSION = 0x206,
                    HDR_LOADER = 0x210,
                    HDR_LOADFLAGS = 0x211,
                    HDR_RAMDISK_IMAGE = 0x218,
                    HDR_RAMDISK_SIZE = 0x21c,
                    HDR_HEAP_END_PTR = 0x224,
                    HDR_CMD_LINE_PTR = 0x228,
                    HDR_INITRD_ADDR_MAX = 0x22c,
                    HDR_CMDLINE_SIZE = 0x238,
                    HDR_END = 0x240,
                    HDR_SETUP_DATA = 0x250,
                    HDR_SETUP_DATA_END = 0x258,
};
#define LOADED_HIGH  0x01
#define CAN_USE_HEAP 0x80

#define MULTIBOOT_MAGIC        0x1badb002u
#define MULTIBOOT_SEARCH       8192
#define MULTIBOOT_AOUT_KLUDGE  0x00010000u
#define MULTIBOOT_INFO_ADDRESS 0x9500u /* above the memory map that kernel_rom.S makes at 9000 */
#define MULTIBOOT_MMAP_ADDRESS 0x9000u
#define MULTIBOOT_TEXT_ADDRESS 0x9600u
#define MULTIBOOT_TEXT_LIMIT   0x10000u
enum multiboot_info_flag {
    MBI_MEMORY = 1 << 0,
    MBI_CMDLINE = 1 << 2,
    MBI_MODS = 1 << 3,
    MBI_MMAP = 1 << 6,
    MBI_LOADER = 1 << 9
};
struct multiboot_info {
    uint32_t flags, mem_lower, mem_upper, boot_device, cmdline, mods_count, mods_addr, syms[4], mmap_length, mmap_addr,
        drives_length, drives_addr, config_table, boot_loader_name;
};
struct multiboot_module {
    uint32_t start, end, string, reserved;
};

extern const uint8_t kernel_rom_start[], kernel_rom_end[]; /* kernel_rom.S */

struct rom_parameters { /* at offset 40h of the ROM */
    uint16_t n_requests, mode, setup_segment, setup_sp;
    uint32_t entry, info;
    struct {
        uint32_t control, len_bytes; /* big-endian, struct FWCfgDmaAccess */
        uint64_t address;
    } request[KERNEL_MAX_PIECES];
};
#define ROM_PNP_HEADER 0x20
#define ROM_PNP_LENGTH 32
#define ROM_PARAMETERS 0x40

static uint16_t get16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}
static uint32_t get32(const uint8_t *p)
{
    return get16(p) | (uint32_t)get16(p + 2) << 16;
}
static void put16(uint8_t *p, uint16_t value)
{
    p[0] = (uint8_t)value;
    p[1] = (uint8_t)(value >> 8);
}
static void put32(uint8_t *p, uint32_t value)
{
    put16(p, (uint16_t)value);
    put16(p + 2, (uint16_t)(value >> 16));
}

/* A whole file in memory, NULL with `error` set. */
static uint8_t *read_file(const char *path, size_t *len_bytes, char *error, size_t error_size)
{
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = NULL;
    long size;

    if (file && fseek(file, 0, SEEK_END) == 0 && (size = ftell(file)) > 0 && size < INT32_MAX) {
        rewind(file);
        bytes = malloc((size_t)size);
        if (bytes && fread(bytes, 1, (size_t)size, file) != (size_t)size) {
            free(bytes);
            bytes = NULL;
        }
        *len_bytes = (size_t)size;
    } else if (file) {
        errno = EINVAL;
    }
    if (!bytes)
        snprintf(error, error_size, "cannot read '%s': %s; check the name and the rights", path, strerror(errno));
    if (file)
        fclose(file);
    return bytes;
}

/* Takes ownership of `bytes`, also on failure. */
static bool add_piece(struct kernel_image *image, uint32_t address, uint8_t *bytes, size_t len_bytes, char *error,
                      size_t error_size)
{
    if (!bytes || image->n_pieces == KERNEL_MAX_PIECES) {
        snprintf(error, error_size,
                 bytes ? "the kernel and its modules have too many parts; give fewer modules" : "out of memory");
        free(bytes);
        return false;
    }
    image->piece[image->n_pieces++] = (struct kernel_piece){.address = address, .len_bytes = len_bytes, .bytes = bytes};
    return true;
}

/* Takes over `fd`, also on failure. */
static bool add_file_piece(struct kernel_image *image, uint32_t address, int fd, uint64_t file_offset, size_t len_bytes,
                           char *error, size_t error_size)
{
    if (fd < 0 || image->n_pieces == KERNEL_MAX_PIECES) {
        snprintf(error, error_size, "cannot keep the kernel's file open: %s; close other programs", strerror(errno));
        if (fd >= 0)
            close(fd);
        return false;
    }
    image->piece[image->n_pieces++] =
        (struct kernel_piece){.address = address, .len_bytes = len_bytes, .fd = fd, .file_offset = file_offset};
    return true;
}

bool kernel_piece_read(void *opaque, uint32_t offset, void *out, uint32_t len_bytes)
{
    const struct kernel_piece *piece = opaque;
    uint8_t *to = out;

    if (piece->bytes) {
        memcpy(out, piece->bytes + offset, len_bytes);
        return true;
    }
    while (len_bytes) {
        ssize_t n = pread(piece->fd, to, len_bytes, (off_t)(piece->file_offset + offset));

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            fprintf(stderr, "morph86: the kernel or initrd file became unreadable: %s\n",
                    n ? strerror(errno) : "it is shorter now");
            return false;
        }
        to += n;
        offset += (uint32_t)n;
        len_bytes -= (uint32_t)n;
    }
    return true;
}

static uint8_t *copy_of(const void *bytes, size_t len_bytes)
{
    uint8_t *copy = malloc(len_bytes ? len_bytes : 1);

    if (copy)
        memcpy(copy, bytes, len_bytes);
    return copy;
}

/* ---- Linux ---- */

/* vga= is for the boot loader: the setup code finds it in vid_mode. */
static uint16_t video_mode(const char *append)
{
    const char *word = append;

    while ((word = strstr(word, "vga="))) {
        if (word == append || word[-1] == ' ')
            break;
        word += 4;
    }
    if (!word)
        return VGA_NORMAL;
    word += 4;
    if (strncmp(word, "ext", 3) == 0)
        return 0xfffe;
    if (strncmp(word, "ask", 3) == 0)
        return 0xfffd;
    if (strncmp(word, "normal", 6) == 0)
        return VGA_NORMAL;
    return (uint16_t)strtoul(word, NULL, 0);
}

/* A seed for the kernel's random numbers, without which the first program that asks for some may wait for a second
 * while the kernel gathers them from its own timing. The host is asked when the guest fetches it, so each start has
 * another. Kernels that do not know the type pass it over; a host that has none to give leaves it out. */
static bool add_seed(struct kernel_image *image, uint8_t *setup, char *error, size_t error_size)
{
    struct setup_data { /* of the boot protocol, its data left out */
        uint64_t next;
        uint32_t type, len_bytes;
    } header = {.type = SETUP_RNG_SEED, .len_bytes = SEED_BYTES};
    const int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return true;
    put32(setup + HDR_SETUP_DATA, SETUP_DATA_ADDRESS);
    put32(setup + HDR_SETUP_DATA + 4, 0);
    return add_file_piece(image, SETUP_DATA_ADDRESS + sizeof header, fd, 0, SEED_BYTES, error, error_size) &&
           add_piece(image, SETUP_DATA_ADDRESS, copy_of(&header, sizeof header), sizeof header, error, error_size);
}

static bool load_linux(struct kernel_image *image, const char *path, const uint8_t *file, size_t len,
                       const char *initrd, const char *append, uint64_t ram_bytes, char *error, size_t error_size)
{
    bool has_header = len > HDR_END && memcmp(file + HDR_MAGIC, "HdrS", 4) == 0;
    unsigned version = has_header ? get16(file + HDR_VERSION) : 0;
    unsigned setup_sects = file[HDR_SETUP_SECTS] ? file[HDR_SETUP_SECTS] : 4;
    size_t setup_len = (setup_sects + 1) * 512u, cmdline_len = strlen(append) + 1, cmdline_max = 255;
    bool is_high = version >= 0x200 && file[HDR_LOADFLAGS] & LOADED_HIGH;
    uint32_t setup_address = version >= 0x202 && is_high ? HIGH_SETUP_ADDRESS : LOW_SETUP_ADDRESS;
    uint32_t load_address = is_high ? HIGH_LOAD_ADDRESS : LOW_LOAD_ADDRESS, cmdline_address;
    uint8_t *setup;

    if (setup_len >= len) {
        snprintf(error, error_size, "'%s' is cut short: its setup section alone has %zu bytes; fetch the kernel again",
                 path, setup_len);
        return false;
    }
    if (load_address + (uint64_t)(len - setup_len) > (is_high ? ram_bytes : LOW_SETUP_ADDRESS)) {
        snprintf(error, error_size, "'%s' needs more memory than the machine has; raise -m", path);
        return false;
    }
    if (version >= 0x206)
        cmdline_max = get32(file + HDR_CMDLINE_SIZE);
    if (cmdline_len - 1 > cmdline_max || cmdline_len > CMDLINE_ROOM) {
        snprintf(error, error_size, "-append has %zu characters and this kernel takes %zu; shorten it", cmdline_len - 1,
                 cmdline_max);
        return false;
    }
    setup = copy_of(file, setup_len);
    if (!add_piece(image, setup_address, setup, setup_len, error, error_size) ||
        !add_file_piece(image, load_address, open(path, O_RDONLY | O_CLOEXEC), setup_len, len - setup_len, error,
                        error_size))
        return false;

    put16(setup + HDR_VID_MODE, video_mode(append));
    image->setup_segment = (uint16_t)(setup_address >> 4);
    image->setup_sp = version >= 0x201 ? 0xfff0 : 0x9000; /* end of the setup code's stack and heap */
    if (version >= 0x200)
        setup[HDR_LOADER] = LOADER_UNKNOWN;
    if (version >= 0x201) {
        setup[HDR_LOADFLAGS] |= CAN_USE_HEAP;
        put16(setup + HDR_HEAP_END_PTR, 0xe000 - 0x200);
    }
    if (version >= 0x202) {
        cmdline_address = setup_address == HIGH_SETUP_ADDRESS ? REAL_CMDLINE_ADDRESS : LOW_SETUP_ADDRESS + 0x9000;
        put32(setup + HDR_CMD_LINE_PTR, cmdline_address);
    } else {
        cmdline_address = LOW_SETUP_ADDRESS + 0x9000;
        put16(setup + HDR_OLD_CL_MAGIC, 0xa33f);
        put16(setup + HDR_OLD_CL_OFFSET, 0x9000);
    }
    if (!add_piece(image, cmdline_address, copy_of(append, cmdline_len), cmdline_len, error, error_size))
        return false;
    if (version >= 0x209 && setup_address == HIGH_SETUP_ADDRESS && setup_len >= HDR_SETUP_DATA_END &&
        !add_seed(image, setup, error, error_size))
        return false;

    if (initrd) {
        uint64_t top = version >= 0x203 ? get32(file + HDR_INITRD_ADDR_MAX) : OLD_INITRD_MAX, initrd_len;
        struct stat st;
        int fd;

        if (version < 0x200) {
            snprintf(error, error_size, "'%s' is too old to take an -initrd; leave it out", path);
            return false;
        }
        fd = open(initrd, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size <= 0 || st.st_size > INT32_MAX) {
            snprintf(error, error_size, "cannot read '%s': %s; check the name and the rights", initrd,
                     fd < 0 ? strerror(errno) : "not a file of 1 byte to 2 GiB");
            if (fd >= 0)
                close(fd);
            return false;
        }
        initrd_len = (uint64_t)st.st_size;
        if (top > ram_bytes - FIRMWARE_RESERVE)
            top = ram_bytes - FIRMWARE_RESERVE;
        if (initrd_len + load_address + len > top) {
            close(fd);
            snprintf(error, error_size, "'%s' does not fit into memory beside the kernel; raise -m", initrd);
            return false;
        }
        top = (top - initrd_len) & ~0xfffull;
        put32(setup + HDR_RAMDISK_IMAGE, (uint32_t)top);
        put32(setup + HDR_RAMDISK_SIZE, (uint32_t)initrd_len);
        return add_file_piece(image, (uint32_t)top, fd, 0, initrd_len, error, error_size);
    }
    return true;
}

/* ---- multiboot ---- */

/* Text for the guest (command lines), packed below 64 KiB. */
struct text_area {
    char text[MULTIBOOT_TEXT_LIMIT - MULTIBOOT_TEXT_ADDRESS];
    size_t used;
};

static uint32_t text_add(struct text_area *area, const char *text, size_t len)
{
    uint32_t address = MULTIBOOT_TEXT_ADDRESS + (uint32_t)area->used;

    if (area->used + len + 1 > sizeof area->text)
        return 0;
    memcpy(area->text + area->used, text, len);
    area->text[area->used + len] = '\0';
    area->used += len + 1;
    return address;
}

static bool load_elf_segments(struct kernel_image *image, const char *path, const uint8_t *file, size_t len,
                              uint64_t ram_bytes, uint32_t *end, char *error, size_t error_size)
{
    const Elf32_Ehdr *ehdr = (const Elf32_Ehdr *)file;

    if (len < sizeof *ehdr || memcmp(ehdr->e_ident, ELFMAG, SELFMAG) != 0 || ehdr->e_ident[EI_CLASS] != ELFCLASS32 ||
        ehdr->e_machine != EM_386 || ehdr->e_phentsize != sizeof(Elf32_Phdr) ||
        (uint64_t)ehdr->e_phoff + (uint64_t)ehdr->e_phnum * sizeof(Elf32_Phdr) > len) {
        snprintf(error, error_size, "'%s' has a multiboot header but is no i386 ELF file; link it as ELF32", path);
        return false;
    }
    image->entry = ehdr->e_entry;
    for (unsigned i = 0; i < ehdr->e_phnum; i++) {
        Elf32_Phdr ph;
        uint8_t *bytes;

        memcpy(&ph, file + ehdr->e_phoff + i * sizeof ph, sizeof ph);
        if (ph.p_type != PT_LOAD || ph.p_memsz == 0)
            continue;
        if ((uint64_t)ph.p_offset + ph.p_filesz > len || ph.p_filesz > ph.p_memsz ||
            (uint64_t)ph.p_paddr + ph.p_memsz > ram_bytes) {
            snprintf(error, error_size,
                     "'%s': program header %u lies outside the file or the machine's memory; raise -m or link again",
                     path, i);
            return false;
        }
        bytes = calloc(1, ph.p_memsz);
        if (bytes)
            memcpy(bytes, file + ph.p_offset, ph.p_filesz);
        if (!add_piece(image, ph.p_paddr, bytes, ph.p_memsz, error, error_size))
            return false;
        /* The entry point is given as a virtual address; multiboot runs without paging. */
        if (ehdr->e_entry >= ph.p_vaddr && ehdr->e_entry - ph.p_vaddr < ph.p_memsz && ph.p_vaddr != ph.p_paddr)
            image->entry = ehdr->e_entry - ph.p_vaddr + ph.p_paddr;
        if (ph.p_paddr + ph.p_memsz > *end)
            *end = ph.p_paddr + ph.p_memsz;
    }
    return true;
}

/* Flag bit 16: the header itself says where the file goes. */
static bool load_aout_kludge(struct kernel_image *image, const char *path, const uint8_t *file, size_t len, size_t at,
                             uint64_t ram_bytes, uint32_t *end, char *error, size_t error_size)
{
    uint32_t header_addr, load_addr, load_end, bss_end;
    uint64_t start, text_len, total;
    uint8_t *bytes;

    if (at + 32 > len)
        goto bad;
    header_addr = get32(file + at + 12);
    load_addr = get32(file + at + 16);
    load_end = get32(file + at + 20);
    bss_end = get32(file + at + 24);
    image->entry = get32(file + at + 28);
    if (load_addr > header_addr || header_addr - load_addr > at)
        goto bad;
    start = at - (header_addr - load_addr);
    text_len = load_end ? (uint64_t)load_end - load_addr : len - start;
    total = bss_end ? (uint64_t)bss_end - load_addr : text_len;
    if (start + text_len > len || total < text_len || load_addr + total > ram_bytes)
        goto bad;
    bytes = calloc(1, total ? total : 1);
    if (bytes)
        memcpy(bytes, file + start, text_len);
    *end = (uint32_t)(load_addr + total);
    return add_piece(image, load_addr, bytes, total, error, error_size);
bad:
    snprintf(error, error_size,
             "'%s': the addresses in its multiboot header do not fit the file or the memory; raise -m or link again",
             path);
    return false;
}

static bool load_modules(struct kernel_image *image, const char *list, uint32_t *at, uint64_t ram_bytes,
                         struct text_area *text, struct multiboot_info *info, char *error, size_t error_size)
{
    struct multiboot_module module[KERNEL_MAX_PIECES];
    uint32_t n = 0, table;

    while (list && *list) {
        const char *comma = strchr(list, ',');
        size_t word_len = comma ? (size_t)(comma - list) : strlen(list), path_len = strcspn(list, " ,"), len;
        char path[1024];
        uint8_t *bytes;

        if (n == KERNEL_MAX_PIECES || path_len >= sizeof path) {
            snprintf(error, error_size, "-initrd names too many modules or too long a path; at most %d",
                     KERNEL_MAX_PIECES - 4);
            return false;
        }
        memcpy(path, list, path_len);
        path[path_len] = '\0';
        bytes = read_file(path, &len, error, error_size);
        if (!bytes)
            return false;
        if (*at + (uint64_t)len > ram_bytes) {
            snprintf(error, error_size, "'%s' does not fit into memory; raise -m", path);
            free(bytes);
            return false;
        }
        module[n] = (struct multiboot_module){
            .start = *at, .end = *at + (uint32_t)len, .string = text_add(text, list, word_len)};
        if (!add_piece(image, *at, bytes, len, error, error_size))
            return false;
        *at = (*at + (uint32_t)len + 0xfff) & ~0xfffu;
        n++;
        list += word_len + (comma ? 1 : 0);
    }
    if (n == 0)
        return true;
    table = *at;
    if (table + n * sizeof module[0] > ram_bytes) {
        snprintf(error, error_size, "the modules do not fit into memory; raise -m");
        return false;
    }
    info->flags |= MBI_MODS;
    info->mods_count = n;
    info->mods_addr = table;
    *at += 0x1000;
    return add_piece(image, table, copy_of(module, n * sizeof module[0]), n * sizeof module[0], error, error_size);
}

static bool load_multiboot(struct kernel_image *image, const char *path, const uint8_t *file, size_t len, size_t at,
                           const char *modules, const char *append, uint64_t ram_bytes, char *error, size_t error_size)
{
    struct multiboot_info info = {.flags = MBI_MEMORY | MBI_CMDLINE | MBI_MMAP | MBI_LOADER};
    struct text_area text = {.used = 0};
    uint32_t flags = get32(file + at + 4), end = HIGH_LOAD_ADDRESS;
    char cmdline[4096];
    bool loaded;

    image->is_multiboot = true;
    loaded = flags & MULTIBOOT_AOUT_KLUDGE
                 ? load_aout_kludge(image, path, file, len, at, ram_bytes, &end, error, error_size)
                 : load_elf_segments(image, path, file, len, ram_bytes, &end, error, error_size);
    if (!loaded)
        return false;
    end = (end + 0xfff) & ~0xfffu;
    if (!load_modules(image, modules, &end, ram_bytes, &text, &info, error, error_size))
        return false;
    if ((size_t)snprintf(cmdline, sizeof cmdline, "%s%s%s", path, *append ? " " : "", append) >= sizeof cmdline) {
        snprintf(error, error_size, "-append is longer than %zu characters; shorten it",
                 sizeof cmdline - strlen(path) - 2);
        return false;
    }
    info.mem_lower = 639;
    info.mem_upper = (uint32_t)((ram_bytes - HIGH_LOAD_ADDRESS) >> 10);
    info.cmdline = text_add(&text, cmdline, strlen(cmdline));
    info.boot_loader_name = text_add(&text, "morph86", 7);
    info.mmap_addr = MULTIBOOT_MMAP_ADDRESS; /* mmap_length: kernel_rom.S, when the firmware has told it */
    image->info = MULTIBOOT_INFO_ADDRESS;
    return add_piece(image, MULTIBOOT_INFO_ADDRESS, copy_of(&info, sizeof info), sizeof info, error, error_size) &&
           add_piece(image, MULTIBOOT_TEXT_ADDRESS, copy_of(text.text, text.used), text.used, error, error_size);
}

static bool find_multiboot(const uint8_t *file, size_t len, size_t *at)
{
    for (size_t i = 0; i + 12 <= len && i < MULTIBOOT_SEARCH; i += 4)
        if (get32(file + i) == MULTIBOOT_MAGIC && get32(file + i) + get32(file + i + 4) + get32(file + i + 8) == 0) {
            *at = i;
            return true;
        }
    return false;
}

bool kernel_image_load(struct kernel_image *image, const char *kernel, const char *initrd, const char *append,
                       uint64_t ram_bytes, char *error, size_t error_size)
{
    size_t len, at;
    uint8_t *file;
    bool loaded = false;

    *image = (struct kernel_image){0};
    if (ram_bytes < 4ull << 20) {
        snprintf(error, error_size, "-kernel needs at least 4 MiB of memory; raise -m");
        return false;
    }
    file = read_file(kernel, &len, error, error_size);
    if (!file)
        return false;
    if (!append)
        append = "";
    if (find_multiboot(file, len, &at))
        loaded = load_multiboot(image, kernel, file, len, at, initrd, append, ram_bytes, error, error_size);
    else if (len > 1024 && get16(file + 0x1fe) == 0xaa55)
        loaded = load_linux(image, kernel, file, len, initrd, append, ram_bytes, error, error_size);
    else
        snprintf(error, error_size, "'%s' is neither a Linux bzImage nor a multiboot ELF file; name one of these",
                 kernel);
    free(file);
    if (!loaded)
        kernel_image_release(image);
    return loaded;
}

void kernel_image_release(struct kernel_image *image)
{
    for (unsigned i = 0; i < image->n_pieces; i++) {
        if (!image->piece[i].bytes)
            close(image->piece[i].fd);
        free(image->piece[i].bytes);
    }
    image->n_pieces = 0;
}

size_t kernel_rom_build(const struct kernel_image *image, uint16_t first_key, uint8_t rom[KERNEL_ROM_MAX])
{
    size_t len = (size_t)(kernel_rom_end - kernel_rom_start);
    struct rom_parameters p = {.n_requests = (uint16_t)image->n_pieces,
                               .mode = image->is_multiboot,
                               .setup_segment = image->setup_segment,
                               .setup_sp = image->setup_sp,
                               .entry = image->entry,
                               .info = image->info};
    uint8_t sum = 0;

    for (unsigned i = 0; i < image->n_pieces; i++) {
        p.request[i].control = __builtin_bswap32((uint32_t)(first_key + i) << 16 | FW_CFG_DMA_READ_SELECT);
        p.request[i].len_bytes = __builtin_bswap32((uint32_t)image->piece[i].len_bytes);
        p.request[i].address = __builtin_bswap64(image->piece[i].address);
    }
    memcpy(rom, kernel_rom_start, len);
    memcpy(rom + ROM_PARAMETERS, &p, sizeof p);
    for (unsigned i = 0; i < ROM_PNP_LENGTH; i++)
        sum += rom[ROM_PNP_HEADER + i];
    rom[ROM_PNP_HEADER + 9] -= sum;
    sum = 0;
    for (size_t i = 0; i < len; i++)
        sum += rom[i];
    rom[6] -= sum; /* between the entry and the PnP pointer: free for the checksum */
    return len;
}
