/*
 * Flat translation tables for translated code: one 8-byte addend per linear page and kind of access.
 *
 * host address = linear address + addend (FLAT_EXEC: see flat_code_address()); addend 0 means "ask the slow path". A
 * 32-bit space has 2^20 pages, so a table needs no tags, and a look-up (a bit extract, a load, JRCXZ) changes no flag;
 * docs/prototypes.md has the figures. Tables for accesses of 2, 4, 8 and 16 bytes have an entry for each residue of the
 * address modulo that width, of which only that of aligned addresses is ever filled: what could cross into another page
 * misses by itself. Accesses of 10 bytes, and of 8 and 16 that are not aligned, use the table for bytes after a look
 * into `fits8` or `fits16`. The tables are address space (1 GiB a view), of which only touched pages exist.
 *
 * The tables mirror the tagged TLB (mmu.h), never more than it would allow: mmu.c tells when translations end.
 */
#ifndef SOFTMMU_FLAT_H
#define SOFTMMU_FLAT_H

#include "softmmu/mmu.h"
#include "softmmu/window.h"

enum flat_table {
    FLAT_EXEC,
    FLAT_READ1,
    FLAT_READ2,
    FLAT_READ4,
    FLAT_READ8,
    FLAT_READ16,
    FLAT_READ_GROUP,
    FLAT_WRITE1,
    FLAT_WRITE2,
    FLAT_WRITE4,
    FLAT_WRITE8,
    FLAT_WRITE16,
    FLAT_WRITE_GROUP,
    FLAT_CODE_BYTES, /* no addend */
    FLAT_CHECKED,
    FLAT_TABLES
};

#define FLAT_PAGES 0x100000ull
/* Where each table begins, in bytes from flat_base(). */
#define FLAT_OFFSET_EXEC        0x00000000u
#define FLAT_OFFSET_READ1       0x00800000u
#define FLAT_OFFSET_WRITE1      0x01000000u
#define FLAT_OFFSET_READ2       0x01800000u
#define FLAT_OFFSET_WRITE2      0x02800000u
#define FLAT_OFFSET_READ4       0x03800000u
#define FLAT_OFFSET_WRITE4      0x05800000u
#define FLAT_OFFSET_READ16      0x07800000u
#define FLAT_OFFSET_WRITE16     0x0f800000u
#define FLAT_OFFSET_READ8       0x17800000u
#define FLAT_OFFSET_WRITE8      0x1b800000u
#define FLAT_OFFSET_FITS8       0x1f800000u /* a byte per page offset: 1 if 8 bytes from there stay in the page */
#define FLAT_OFFSET_FITS16      0x1f801000u
#define FLAT_OFFSET_PRESENT     0x1f802000u /* uint16_t per page: bit n says that enum flat_table n has an entry */
#define FLAT_OFFSET_READ_GROUP  0x20000000u
#define FLAT_OFFSET_WRITE_GROUP 0x30000000u
#define FLAT_OFFSET_CODE_BYTES  0x40000000u
#define FLAT_OFFSET_CHECKED     0x40800000u
#define FLAT_BYTES              0x41000000u

/* The tables for groups have an entry for each part of a page, all filled at once but that of the last part: several
 * accesses within the size of a part of an address in any other stay in the page. */
#define FLAT_GROUP_PARTS      32
#define FLAT_GROUP_PART_BYTES 128

struct flat;

/* NULL when address space or memory is short. `mmu` keeps it up to date from now on. */
struct flat *flat_create(struct mmu *mmu);
void flat_destroy(struct mmu *mmu);
/* The tables of one view, for the life of `flat`. */
uint8_t *flat_base(const struct flat *flat, enum mmu_view view);

/* Enters the translation that the TLB holds for `address`, for accesses of `width` bytes (1, 2, 4, 8, 10, 16), if plain
 * accesses of that kind may go straight to host memory; true if it has done so. */
bool flat_fill(struct mmu *mmu, lin_addr address, unsigned width, bool is_write, enum mmu_view view);
/* The same for groups of accesses, `writes` if one of them is a write. */
bool flat_fill_group(struct mmu *mmu, lin_addr address, bool writes, enum mmu_view view);
/*
 * A page that is watched, since it holds code, has no entry for writes. Translated code may store beside the code all
 * the same: where FLAT_CODE_BYTES says where a map of the page's code is, a bit for each byte, and FLAT_CHECKED has the
 * addend. Enters both as far as the TLB allows. `code_bytes` has to stay until flat_drop_writes() of the page.
 */
void flat_fill_checked(struct mmu *mmu, lin_addr address, const void *code_bytes, enum mmu_view view);
/* Has it been entered? */
bool flat_is_checked(const struct mmu *mmu, lin_addr address, enum mmu_view view);
/* ---- windows (window.h), which show what the tables hold ---- */

/* Gives each view a window; false when address space is short: there are none then. */
bool flat_add_windows(struct mmu *mmu, enum window_policy policy);
/* NULL: none. */
struct window *flat_window(const struct flat *flat, enum mmu_view view);
/* Opens the view's window if it can be opened now (window_open()), and maps what the tables hold. */
bool flat_open_window(struct mmu *mmu, enum mmu_view view, struct window_time time);
/* Maps the page of `address`, whose translation the TLB holds. */
enum flat_window_fill {
    FLAT_WINDOW_FILLED,
    FLAT_WINDOW_CLOSED,  /* the window has been closed: the tables are to be used */
    FLAT_WINDOW_REFUSED, /* no plain memory */
};
enum flat_window_fill flat_fill_window(struct mmu *mmu, lin_addr address, bool is_write, enum mmu_view view);

/*
 * FLAT_EXEC tells whether EIP leads to a certain piece of code: an entry and a linear address make the code address.
 * That is the host address as seen from the end of RAM, which keeps it short: a negative number, as is the entry, so
 * that 0, nothing entered, makes no code address.
 */
/* In this page there is no code address. */
#define FLAT_CODE_NEVER INT32_MIN
/* Of a host address; 0 if there is none: just behind RAM, which no other memory need be. */
uint64_t flat_code_address(const struct flat *flat, const uint8_t *host);
/* All of RAM has code addresses above INT32_MIN + 4096. */
bool flat_code_is_near(const struct flat *flat);
/* Where instruction fetch at `address` leads as far as is entered, given flat_base(): a code address, or 0. */
static inline uint64_t flat_code_at(const void *base, lin_addr address)
{
    const uint64_t entry = ((const uint64_t *)base)[address >> PHYS_PAGE_SHIFT];

    return entry ? entry + address : 0;
}
/* Enters what the TLB holds for instruction fetch at `address`; false if it cannot be. */
bool flat_fill_exec(struct mmu *mmu, lin_addr address, enum mmu_view view);

/* ---- for mmu.c ---- */
void flat_drop_all(struct flat *flat);
void flat_drop_local(struct flat *flat); /* all but global pages */
void flat_drop_page(struct flat *flat, lin_addr address);
void flat_drop_writes(struct flat *flat, uint32_t phys_page); /* the page became watched */

#endif
