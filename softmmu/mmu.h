/*
 * Linear to physical: paging, the software TLB and the loads and stores of C code.
 *
 * struct mmu is embedded in the vCPU, so that the fast paths below inline to one compare and one access. Everything
 * that can fault calls mmu->page_fault, which does not return (it unwinds to the run loop).
 */
#ifndef SOFTMMU_MMU_H
#define SOFTMMU_MMU_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "softmmu/phys.h"

typedef uint32_t lin_addr; /* linear address */

/* #PF error code, SDM vol. 3 "Interrupt 14-Page-Fault Exception (#PF)" */
enum {
    PF_PRESENT = 1 << 0,
    PF_WRITE = 1 << 1,
    PF_USER = 1 << 2,
    PF_RESERVED = 1 << 3,
    PF_FETCH = 1 << 4, /* only with PAE and EFER.NXE */
};

enum mmu_view { MMU_SUPERVISOR = 0, MMU_USER = 1, MMU_VIEWS = 2 };

#define TLB_ENTRIES 1024u /* per view, direct-mapped by linear page number */

/* A tag is the page's linear address when plain accesses of that kind may go straight to host memory; any low bit set
 * makes the fast compare fail and sends the access to the slow path. */
enum {
    TLB_INVALID = 1 << 0, /* nothing cached for this kind of access */
    TLB_MMIO = 1 << 1,    /* translation valid, but the page is not plain memory */
    TLB_WATCHED = 1 << 2, /* write tag: translation valid, page is watched (holds decoded code) */
    TLB_DEBUG = 1 << 3,   /* a data breakpoint lies in this page */
    TLB_JOURNAL = 1 << 4, /* write tag: stores are noted first (struct mmu_journal) */
};

/* 32 bytes, so that indexing is a shift and a mask; what a load or store needs lies together. */
struct tlb_entry {
    uint32_t read_tag;
    uint32_t write_tag;
    uintptr_t addend; /* host address = lin + addend, for RAM and ROM */
    uint32_t exec_tag;
    uint32_t phys_page; /* physical page number (36-bit bus: fits) */
    bool is_global;     /* survives a CR3 load */
    bool is_large;      /* a piece of a 2 MiB or 4 MiB page */
    uint8_t listed;     /* enum tlb_list */
};
#define TLB_ENTRY_SHIFT 5
_Static_assert(sizeof(struct tlb_entry) == 1u << TLB_ENTRY_SHIFT, "tlb_slot()");

/* Which of mmu.filled names the entry. An entry is named when it is filled and stays so until the list is flushed, so
 * that a flush costs as much as was filled since the last one, whatever the size of the TLB. */
enum tlb_list { TLB_LIST_LOCAL, TLB_LIST_GLOBAL, TLB_LISTS };

struct tlb_fills {
    uint32_t count;
    uint16_t slot[MMU_VIEWS * TLB_ENTRIES]; /* view * TLB_ENTRIES + index */
};

/* What C code does to memory, before it does it: for who wants to undo it. */
struct mmu_journal {
    bool is_on;
    /* Plain memory at the physical address is about to be written. */
    void (*write)(struct mmu_journal *journal, phys_addr address, unsigned len_bytes);
    /* Anything else is about to be read or written, or memory that is watched to be written. Need not return. */
    void (*other)(struct mmu_journal *journal);
    /* The page tables are about to be walked, which may set accessed and dirty bits. */
    void (*walk)(struct mmu_journal *journal, lin_addr address);
};

struct mmu_paging { /* what of the control registers the walk depends on */
    uint32_t cr3;
    bool paging, pse, pae, wp, pge, nxe;
    uint64_t pdpte[4]; /* PAE: loaded by MOV CR3 and friends, SDM vol. 3 "PAE Paging" */
};

struct mmu {
    struct tlb_entry tlb[MMU_VIEWS][TLB_ENTRIES];
    struct phys *phys;
    struct mmu_paging paging;
    void (*page_fault)(void *opaque, lin_addr address, uint32_t error_code) __attribute__((noreturn));
    /* Data breakpoints: called before an access to a page marked by mmu_set_debug_page; may note a #DB trap. NULL:
     * none. */
    void (*debug_access)(void *opaque, lin_addr address, unsigned width, bool is_write);
    void *opaque;
    lin_addr debug_page[4];
    bool debug_page_on[4];
    bool any_debug_page;
    struct tlb_fills filled[TLB_LISTS];
    struct mmu_journal *journal; /* or NULL; set before the first access: each store then takes the slow path */
    struct flat *flat;       /* tables for translated code, or NULL (flat.h) */
    uint64_t large_regions;  /* bit n: some large page's piece in [n * 64 MiB, (n + 1) * 64 MiB) was filled */
    uint64_t walks, flushes; /* counters for `info tlb` */
};

/* Clears everything, callbacks included; paging is off. The owner then sets page_fault, debug_access and opaque. */
void mmu_init(struct mmu *mmu, struct phys *phys);
/* Takes new paging state: the effect of a MOV to CR3 and of changes to the other bits. Flushes everything, or keeps
 * global entries when nothing but CR3 and the PDPTEs changed and PGE is on (also when nothing changed at all: reloading
 * CR3 flushes, so do not call for control-register writes that leave these bits alone, like CR0.TS). */
void mmu_set_paging(struct mmu *mmu, const struct mmu_paging *paging);
/* Reads the four PDPTEs at `cr3` into out[]; false if a present one has a reserved bit set (the MOV to CR raises
 * #GP(0)); such a one is returned as 0, not present. */
bool mmu_load_pdptes(struct mmu *mmu, uint32_t cr3, uint64_t out[4]);
/* Everything, global entries included. */
void mmu_flush(struct mmu *mmu);
void mmu_flush_page(struct mmu *mmu, lin_addr address); /* INVLPG, drops a large page's pieces too */
/* A physical page became watched or unwatched: adjusts TLB write tags. */
void mmu_rewatch(struct mmu *mmu, phys_addr page);
void mmu_set_debug_page(struct mmu *mmu, unsigned index, bool on, lin_addr address);

/* Out-of-line halves. They handle misses, page crossings, MMIO, watches and breakpoints. A store that crosses pages
 * checks both before it writes anything. `view` is MMU_USER when the access is made at CPL 3. */
uint64_t mmu_load_slow(struct mmu *mmu, lin_addr address, unsigned width, enum mmu_view view);
void mmu_store_slow(struct mmu *mmu, lin_addr address, uint64_t value, unsigned width, enum mmu_view view);
/* Write-checks [address, address + width) (faults as a write), without storing. For read-modify-write and for
 * instructions with several accesses that must fault before they change anything. */
void mmu_check_write(struct mmu *mmu, lin_addr address, unsigned width, enum mmu_view view);
void mmu_check_read(struct mmu *mmu, lin_addr address, unsigned width, enum mmu_view view);
/* Any length; page by page; faults exactly as a byte loop of checks-first would. */
void mmu_load_bytes(struct mmu *mmu, lin_addr address, void *buffer, uint32_t len_bytes, enum mmu_view view);
void mmu_store_bytes(struct mmu *mmu, lin_addr address, const void *buffer, uint32_t len_bytes, enum mmu_view view);

/* Host pointer to plain memory for [address, end of its page), or NULL when the page is MMIO, watched (writes) or
 * has a breakpoint. Faults if not accessible. For REP runs and code fetch. */
uint8_t *mmu_host_for_read(struct mmu *mmu, lin_addr address, enum mmu_view view);
uint8_t *mmu_host_for_write(struct mmu *mmu, lin_addr address, enum mmu_view view);
phys_addr mmu_fetch_slow(struct mmu *mmu, lin_addr address, enum mmu_view view, uint8_t **host);

/* Monitor: translates without faults or A/D updates; false if not mapped. */
bool mmu_debug_translate(struct mmu *mmu, lin_addr address, phys_addr *out);

static inline struct tlb_entry *tlb_slot(struct mmu *mmu, lin_addr address, enum mmu_view view)
{
    /* &mmu->tlb[view][page number % TLB_ENTRIES], with index and scale in one shift and one mask */
    const uint32_t offset = address >> (PHYS_PAGE_SHIFT - TLB_ENTRY_SHIFT) & (TLB_ENTRIES - 1) << TLB_ENTRY_SHIFT;
    return (struct tlb_entry *)(void *)((char *)mmu->tlb[view] + offset);
}

/* Instruction fetch: translates with fetch rights (NX). Returns the physical address; *host is its byte in host memory,
 * valid to the end of the page, or NULL if code lies in MMIO. */
static inline phys_addr mmu_fetch(struct mmu *mmu, lin_addr address, enum mmu_view view, uint8_t **host)
{
    const struct tlb_entry *e = tlb_slot(mmu, address, view);
    if (__builtin_expect(e->exec_tag != (address & ~(lin_addr)0xfff), 0))
        return mmu_fetch_slow(mmu, address, view, host);
    *host = (uint8_t *)(address + e->addend);
    return (phys_addr)e->phys_page << PHYS_PAGE_SHIFT | (address & 0xfff);
}

/* One compare settles hit, rights and page crossing: an access whose last byte lies in the next page misses. */
#define MMU_TAG_OF(address, width) (((address) + ((width)-1)) & ~(lin_addr)0xfff)

#define MMU_DEFINE_ACCESS(bits)                                                                                        \
    static inline uint##bits##_t mmu_ld##bits(struct mmu *mmu, lin_addr address, enum mmu_view view)                   \
    {                                                                                                                  \
        const struct tlb_entry *e = tlb_slot(mmu, address, view);                                                      \
        if (__builtin_expect(e->read_tag == MMU_TAG_OF(address, bits / 8), 1)) {                                       \
            uint##bits##_t value;                                                                                      \
            memcpy(&value, (const void *)(address + e->addend), sizeof value);                                         \
            return value;                                                                                              \
        }                                                                                                              \
        return (uint##bits##_t)mmu_load_slow(mmu, address, bits / 8, view);                                            \
    }                                                                                                                  \
    static inline void mmu_st##bits(struct mmu *mmu, lin_addr address, uint##bits##_t value, enum mmu_view view)       \
    {                                                                                                                  \
        const struct tlb_entry *e = tlb_slot(mmu, address, view);                                                      \
        if (__builtin_expect(e->write_tag == MMU_TAG_OF(address, bits / 8), 1))                                        \
            memcpy((void *)(address + e->addend), &value, sizeof value);                                               \
        else                                                                                                           \
            mmu_store_slow(mmu, address, value, bits / 8, view);                                                       \
    }                                                                                                                  \
    /* Read half of a read-modify-write: faults as a write before anything is read. What may be written plainly may be \
     * read plainly. */                                                                                                \
    static inline uint##bits##_t mmu_ld##bits##_update(struct mmu *mmu, lin_addr address, enum mmu_view view)          \
    {                                                                                                                  \
        const struct tlb_entry *e = tlb_slot(mmu, address, view);                                                      \
        if (__builtin_expect(e->write_tag == MMU_TAG_OF(address, bits / 8), 1)) {                                      \
            uint##bits##_t value;                                                                                      \
            memcpy(&value, (const void *)(address + e->addend), sizeof value);                                         \
            return value;                                                                                              \
        }                                                                                                              \
        mmu_check_write(mmu, address, bits / 8, view);                                                                 \
        return mmu_ld##bits(mmu, address, view);                                                                       \
    }
MMU_DEFINE_ACCESS(8)
MMU_DEFINE_ACCESS(16)
MMU_DEFINE_ACCESS(32)
MMU_DEFINE_ACCESS(64)

#endif
