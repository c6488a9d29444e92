/* Page tables for the paging cases. Source: SDM vol. 3 "Paging". */
#include "pages.h"

const struct paging legacy_4k = {"32-bit 4K", false, false, false};
const struct paging legacy_4m = {"32-bit 4M", false, true, false};
const struct paging pae_4k = {"PAE 4K", true, false, false};
const struct paging pae_2m = {"PAE 2M", true, true, false};
const struct paging pae_4k_nx = {"PAE 4K NXE", true, false, true};
const struct paging pae_2m_nx = {"PAE 2M NXE", true, true, true};

static const struct paging *mode;

bool has_nx(void)
{
    uint32_t r[4];
    cpuid(0x80000000, r);
    if (r[0] < 0x80000001)
        return false;
    cpuid(0x80000001, r);
    return r[3] >> 20 & 1;
}

static void set_entry(uint32_t table, uint32_t index, uint64_t entry)
{
    if (mode->pae)
        ((volatile uint64_t *)table)[index] = entry;
    else
        ((volatile uint32_t *)table)[index] = (uint32_t)entry;
}

void paging(const struct paging *new_mode)
{
    mode = new_mode;
    if (mode->nxe && !has_nx())
        skip_on(MORPH86 | QEMU | BOCHS, "the CPU has no NX");
    if (has_nx())
        write_msr(0xc0000080, mode->nxe ? 0x800 : 0);
    memset((void *)TABLE_CR3, 0, TABLE_TEST + 0x1000 - TABLE_CR3);
    if (mode->pae)
        for (unsigned i = 0; i < 4; i++)
            ((volatile uint64_t *)TABLE_CR3)[i] = TABLE_PD(i) | E_P;
    for (unsigned i = 0; i < 1024; i++)
        set_entry(TABLE_LOW, i, i << 12 | E_ALL | E_A | E_D);
    set_pde(0, TABLE_LOW | E_ALL | E_A);
    if (mode->pae)
        set_pde(0x200000, (TABLE_LOW + 0x1000) | E_ALL | E_A);
    if (!mode->large)
        set_pde(TEST, TABLE_TEST | E_ALL);
}

void run_paged_with(const struct code *code, uint32_t cr0, uint32_t cr4)
{
    in_cr0 = CR0_PE | CR0_NE | CR0_PG | cr0;
    in_cr4 |= (mode->pae ? CR4_PAE : 0) | (mode->large ? CR4_PSE : 0) | cr4;
    in_cr3 = TABLE_CR3;
    run(code);
}

void run_paged(const struct code *code)
{
    run_paged_with(code, CR0_WP, 0);
}

uint32_t pde_address(uint32_t linear)
{
    if (mode->pae)
        return TABLE_PD(linear >> 30) + (linear >> 21 & 511) * 8;
    return TABLE_CR3 + (linear >> 22) * 4;
}

uint32_t pte_address(uint32_t linear)
{
    uint32_t table = linear < 0x400000 ? TABLE_LOW : TABLE_TEST;
    if (mode->pae)
        return table + (linear >> 12 & (linear < 0x400000 ? 1023 : 511)) * 8;
    return table + (linear >> 12 & 1023) * 4;
}

void set_pde(uint32_t linear, uint64_t entry)
{
    set_entry(pde_address(linear), 0, entry);
}

void set_pte(uint32_t linear, uint64_t entry)
{
    set_entry(pte_address(linear), 0, entry);
}

static uint64_t get_entry(uint32_t address)
{
    return mode->pae ? *(volatile uint64_t *)address : *(volatile uint32_t *)address;
}

uint64_t get_pde(uint32_t linear)
{
    return get_entry(pde_address(linear));
}

uint64_t get_pte(uint32_t linear)
{
    return get_entry(pte_address(linear));
}

void map(uint32_t linear, uint32_t flags)
{
    set_pte(linear, PHYSICAL((linear & 0x1fffff) >> 12) | flags);
}

const struct code *code_at(uint32_t linear, const struct code *code)
{
    static struct code moved;
    memcpy((void *)(0x200000 + (linear & 0x1fffff)), (const void *)code->start, code->end + 2 - code->start);
    moved = (struct code){linear, code->here - code->start + linear, code->end - code->start + linear};
    return &moved;
}

void want_page_fault(uint32_t error, uint32_t cr2)
{
    want_fault(PF, error);
    want_equal("cr2", out.cr2, cr2);
}
