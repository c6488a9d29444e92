/* Page tables for the paging cases: the low 4 MiB one to one for everybody, and a window of test pages. */
#ifndef TESTS_GUEST_PAGING_PAGES_H
#define TESTS_GUEST_PAGING_PAGES_H

#include "guest.h"

#define E_P   0x1u
#define E_RW  0x2u
#define E_US  0x4u
#define E_PWT 0x8u
#define E_PCD 0x10u
#define E_A   0x20u
#define E_D   0x40u
#define E_PS  0x80u
#define E_G   0x100u
#define E_XD  (1ull << 63)
#define E_ALL (E_P | E_RW | E_US)

/* Page-fault error code. */
#define F_P    1u
#define F_W    2u
#define F_U    4u
#define F_RSVD 8u
#define F_I    16u

/* The window: one page table, linear TEST and up (2 MiB in every mode). */
#define TEST 0x40000000u
/* Physical pages to be mapped there, reachable one to one: 2 MiB of them. */
#define PHYSICAL(n) (0x200000u + 0x1000u * (n))
/* For large pages: aligned to 4 MiB, beyond the one-to-one part. */
#define PHYSICAL_LARGE 0x800000u

/* Where the tables lie; reachable one to one. */
#define TABLE_CR3   0x100000u                   /* page directory, or page-directory-pointer table */
#define TABLE_PD(n) (0x101000u + 0x1000u * (n)) /* PAE directories */
#define TABLE_LOW   0x106000u                   /* two pages */
#define TABLE_TEST  0x108000u

struct paging {
    const char *name;
    bool pae, large, nxe;
};
extern const struct paging legacy_4k, legacy_4m, pae_4k, pae_2m, pae_4k_nx, pae_2m_nx;

bool has_nx(void);
/* Skips the case where the CPU cannot do it. Builds the tables: the window's directory entry present with all rights
 * (or absent for large pages), all its pages absent. Call after begin(). */
void paging(const struct paging *mode);
/* run() with paging on, for the mode of the last paging(). cr0 and cr4: bits beyond those the mode needs. */
void run_paged_with(const struct code *code, uint32_t cr0, uint32_t cr4);
void run_paged(const struct code *code); /* with CR0.WP, CR4.PGE clear */

/* Entries by linear address. A large page's entry is its directory entry. */
void set_pde(uint32_t linear, uint64_t entry);
void set_pte(uint32_t linear, uint64_t entry);
uint64_t get_pde(uint32_t linear);
uint64_t get_pte(uint32_t linear);
uint32_t pte_address(uint32_t linear);
uint32_t pde_address(uint32_t linear);
/* A page of the window to PHYSICAL(page index), with rights. */
void map(uint32_t linear, uint32_t flags);
#define mapped8(linear)  (*(volatile uint8_t *)(0x200000u + ((linear)&0x1fffff)))
#define mapped16(linear) (*(volatile uint16_t *)(0x200000u + ((linear)&0x1fffff)))
#define mapped32(linear) (*(volatile uint32_t *)(0x200000u + ((linear)&0x1fffff)))

/* Copies a snippet, position-independent, so that it runs at `linear` of the window. */
const struct code *code_at(uint32_t linear, const struct code *code);

/* #PF with this error code and CR2, at HERE. */
void want_page_fault(uint32_t error, uint32_t cr2);

#endif
