/*
 * Reserved bits, ignored bits, page-directory pointers, addresses of large pages. Source: SDM vol. 3 "32-Bit Paging",
 * "PAE Paging", "Page-Fault Exceptions", "Enumeration of Paging Features by CPUID".
 */
#include "paging.h"

static unsigned max_phys_bits(void)
{
    uint32_t r[4];
    cpuid(0x80000000, r);
    if (r[0] >= 0x80000008) {
        cpuid(0x80000008, r);
        return r[0] & 0xff;
    }
    cpuid(1, r);
    return r[3] >> 6 & 1 ? 36 : 32;
}

static bool has_pse36(void)
{
    uint32_t r[4];
    cpuid(1, r);
    return r[3] >> 17 & 1;
}

#define NO_P_FLAG "reports a reserved bit without the P flag; SDM \"Page-Fault Exceptions\""

/* A read, a write and a fetch of TEST at CPL 0 and 3 find a reserved bit set. */
static void want_reserved(const struct paging *m)
{
    for (unsigned cpl = 0; cpl < 4; cpl += 3) {
        uint32_t user = cpl ? F_U : 0;
        const struct code fetch = {TEST, TEST, TEST};
        ring(cpl);
        in.ebx = TEST;
        run_paged(CODE("mov eax, [ebx]"));
        want_page_fault(F_P | F_RSVD | user, TEST);
        run_paged(CODE("mov [ebx], eax"));
        want_page_fault(F_P | F_RSVD | F_W | user, TEST);
        run_paged(&fetch);
        want_page_fault(F_P | F_RSVD | user | (m->nxe ? F_I : 0), TEST);
    }
}

static void note_deviations(unsigned bit)
{
    if (bit >= 32 && bit < 40)
        differs(BOCHS, "compiled for 40 physical address bits whatever CPUID says; SDM \"Enumeration of Paging "
                       "Features by CPUID\"");
    differs(QEMU, NO_P_FLAG);
}

static void reserved_bits(const struct paging *m)
{
    if (!m->pae)
        return;
    for (unsigned bit = 32; bit < 64; bit++) {
        bool is_address = bit < max_phys_bits();
        if (bit == 63 && m->nxe)
            continue;
        begin("%s: bit %u of a directory entry is reserved", m->name, bit);
        if (is_address)
            skip_on(MORPH86 | QEMU | BOCHS, "an address bit of this CPU");
        note_deviations(bit);
        paging(m);
        set_pde(TEST, (1ull << bit) | E_ALL | (m->large ? E_PS | PHYSICAL_LARGE : TABLE_TEST));
        want_reserved(m);
        want((uint32_t)get_pde(TEST) & E_D, 0);
        if (m->large)
            continue;
        begin("%s: bit %u of a table entry is reserved", m->name, bit);
        if (is_address)
            skip_on(MORPH86 | QEMU | BOCHS, "an address bit of this CPU");
        note_deviations(bit);
        paging(m);
        set_pte(TEST, (1ull << bit) | E_ALL | PHYSICAL(0));
        want_reserved(m);
    }
    if (m->large)
        for (unsigned bit = 13; bit < 21; bit++) {
            begin("%s: bit %u of a directory entry is reserved", m->name, bit);
            differs(QEMU, NO_P_FLAG);
            paging(m);
            set_pde(TEST, (1ull << bit) | E_ALL | E_PS | PHYSICAL_LARGE);
            want_reserved(m);
        }
    begin("%s: reserved bits of absent entries are ignored", m->name);
    paging(m);
    ring(3);
    in.ebx = TEST;
    set_pde(TEST, ~1ull);
    run_paged(CODE("mov eax, [ebx]"));
    want_page_fault(F_U, TEST);
    if (!m->large) {
        set_pde(TEST, TABLE_TEST | E_ALL);
        set_pte(TEST, ~1ull);
        run_paged(CODE("mov [ebx], eax"));
        want_page_fault(F_U | F_W, TEST);
    }
    begin("%s: a reserved bit is reported before missing rights", m->name);
    differs(QEMU, NO_P_FLAG);
    paging(m);
    set_pde(TEST, (1ull << 52) | E_P | (m->large ? E_PS | PHYSICAL_LARGE : TABLE_TEST));
    want_reserved(m);
    if (!m->large) {
        begin("%s: a reserved bit in the directory is reported before an absent table entry", m->name);
        differs(QEMU, NO_P_FLAG);
        paging(m);
        set_pde(TEST, (1ull << 52) | E_ALL | TABLE_TEST);
        want_reserved(m);
        begin("%s: a reserved bit in the table is reported before rights missing in the directory", m->name);
        differs(QEMU, NO_P_FLAG);
        paging(m);
        set_pde(TEST, E_P | TABLE_TEST);
        set_pte(TEST, (1ull << 52) | E_P | PHYSICAL(0));
        want_reserved(m);
    }
}

static void pse_bits(void)
{
    unsigned width = has_pse36() ? max_phys_bits() : 32;
    if (width > 40)
        width = 40;
    for (unsigned bit = 13; bit < 22; bit++) {
        begin("32-bit 4M: bit %u of a directory entry is reserved", bit);
        if (bit < width - 32 + 13)
            skip_on(MORPH86 | QEMU | BOCHS, "an address bit of this CPU");
        differs(QEMU, bit < 21 ? "takes bits 20:13 for an address; SDM \"32-Bit Paging\"" : NO_P_FLAG);
        if (bit < 21)
            differs(BOCHS, "compiled for 40 physical address bits whatever CPUID says; SDM \"32-Bit Paging\"");
        paging(&legacy_4m);
        set_pde(TEST, PHYSICAL_LARGE | E_PS | E_ALL | 1u << bit);
        want_reserved(&legacy_4m);
    }
    begin("32-bit 4M: a reserved bit is reported before missing rights");
    differs(QEMU, NO_P_FLAG);
    paging(&legacy_4m);
    set_pde(TEST, PHYSICAL_LARGE | E_PS | E_P | 1u << 21);
    want_reserved(&legacy_4m);
    begin("32-bit: without CR4.PSE the directory's bit 7 is ignored");
    paging(&legacy_4k);
    set_pde(TEST, TABLE_TEST | E_PS | E_ALL);
    map(TEST, E_ALL);
    in.ebx = TEST;
    mapped32(TEST) = 0x11223344;
    run_paged(CODE("mov eax, [ebx]"));
    want_done();
    want(out.r.eax, 0x11223344);
    begin("PAE: a 2M page needs no CR4.PSE");
    paging(&pae_4k);
    set_pde(TEST, PHYSICAL_LARGE | E_PS | E_ALL);
    in.ebx = TEST + 0x1ff004;
    *(volatile uint32_t *)(PHYSICAL_LARGE + 0x1ff004) = 0x55667788;
    run_paged(CODE("mov eax, [ebx]"));
    want_done();
    want(out.r.eax, 0x55667788);
}

static void ignored_bits(const struct paging *m)
{
    begin("%s: caching, global, PAT and available bits change no right", m->name);
    paging(m);
    uint32_t bits = E_PWT | E_PCD | E_G | 0xe00;
    if (m->large) {
        set_pde(TEST, PHYSICAL_LARGE | E_PS | E_ALL | bits | 1u << 12);
    } else {
        set_pde(TEST, TABLE_TEST | E_ALL | E_PWT | E_PCD | E_D | E_G | 0xe00);
        set_pte(TEST, PHYSICAL(0) | E_ALL | bits | 1u << 7);
    }
    ring(3);
    in.ebx = TEST;
    run_paged_with(CODE("mov [ebx], eax; mov edx, [ebx]"), CR0_WP, CR4_PGE);
    want_done();
    want(out.r.edx, in.eax);
    if (m->large)
        want((uint32_t)get_pde(TEST), PHYSICAL_LARGE | E_PS | E_ALL | bits | 1u << 12 | E_A | E_D);
    else
        want((uint32_t)get_pte(TEST), PHYSICAL(0) | E_ALL | bits | 1u << 7 | E_A | E_D);
}

static void addresses(const struct paging *m)
{
    uint32_t size = !m->large ? 0x200000 : m->pae ? 0x200000 : 0x400000, step = size / 32 + 0x1014;
    begin("%s: each part of the linear address finds its place", m->name);
    paging(m);
    if (m->large)
        set_pde(TEST, PHYSICAL_LARGE | E_PS | E_ALL);
    else
        for (uint32_t at = 0; at < size; at += 0x1000)
            map(TEST + at, E_ALL);
    for (uint32_t at = 0; at < size - 4; at += step) {
        uint32_t physical = (m->large ? PHYSICAL_LARGE : PHYSICAL(0)) + at;
        *(volatile uint32_t *)physical = at;
        in.ebx = TEST + at;
        run_paged(CODE("mov eax, [ebx]; not dword ptr [ebx]"));
        want_done();
        want(out.r.eax, at);
        want(*(volatile uint32_t *)physical, ~at);
    }
    begin("%s: CR3's low bits are no address", m->name);
    paging(m);
    in.ebx = TABLE_CR3 | (m->pae ? 0x1f : 0xfff);
    run_paged(CODE("mov cr3, ebx; mov eax, [0x100000]"));
    want_done();
    want(out.r.eax, *(volatile uint32_t *)0x100000);
}

/* A second table of pointers, in the one-to-one part, 32 bytes into a page. */
#define POINTERS ((volatile uint64_t *)0x10c020)

static void copy_pointers(void)
{
    for (unsigned i = 0; i < 4; i++)
        POINTERS[i] = TABLE_PD(i) | E_P;
}

static void pointer_tables(void)
{
    unsigned width = max_phys_bits();
    for (unsigned bit = 1; bit < 64; bit++) {
        if (bit == 3 || bit == 4 || (bit > 8 && bit < 32))
            continue;
        for (unsigned i = 1; i < 4; i += 2) {
            begin("PAE: MOV CR3 with bit %u of pointer %u set raises #GP(0)", bit, i);
            if (bit >= 32 && bit < width)
                skip_on(MORPH86 | QEMU | BOCHS, "an address bit of this CPU");
            differs(QEMU, "does not load the pointers when CR3 is written; SDM \"PDPTE Registers\"");
            if (bit >= 32 && bit < 40)
                differs(BOCHS | QEMU,
                        "compiled for 40 physical address bits whatever CPUID says; SDM \"PDPTE Registers\"");
            paging(&pae_4k);
            copy_pointers();
            POINTERS[i] |= 1ull << bit;
            in.ebx = (uint32_t)POINTERS;
            run_paged(CODE("mov cr3, ebx"));
            want_fault(GP, 0);
            want(out.cr3, TABLE_CR3);
        }
    }
    begin("PAE: MOV CR3 ignores reserved bits of absent pointers");
    paging(&pae_4k);
    copy_pointers();
    POINTERS[2] = ~1ull;
    in.ebx = (uint32_t)POINTERS;
    run_paged(CODE("mov cr3, ebx; mov eax, cr3"));
    want_done();
    want(out.r.eax, (uint32_t)POINTERS);
    begin("PAE: pointers have caching and available bits");
    differs(QEMU, "marks pointers as accessed; SDM \"PAE Paging\"");
    paging(&pae_4k);
    copy_pointers();
    for (unsigned i = 0; i < 4; i++)
        POINTERS[i] |= E_PWT | E_PCD | 0xe00;
    map(TEST, E_ALL);
    in.ebx = (uint32_t)POINTERS;
    in.esi = TEST;
    run_paged(CODE("mov cr3, ebx; mov [esi], eax"));
    want_done();
    want(mapped32(TEST), in.eax);
    want((uint32_t)POINTERS[1], TABLE_PD(1) | E_P | E_PWT | E_PCD | 0xe00);
    for (unsigned cpl = 0; cpl < 4; cpl += 3) {
        begin("PAE: an absent pointer is an absent page at CPL %u", cpl);
        paging(&pae_4k);
        map(TEST, E_ALL);
        ((volatile uint64_t *)TABLE_CR3)[1] = 0;
        ring(cpl);
        in.ebx = TEST + 8;
        run_paged(CODE("mov [ebx], eax"));
        want_page_fault(F_W | (cpl ? F_U : 0), TEST + 8);
        run_paged(CODE("mov eax, [ebx]"));
        want_page_fault(cpl ? F_U : 0, TEST + 8);
    }
    begin("PAE: a pointer changed in memory counts after MOV CR3");
    paging(&pae_4k);
    map(TEST, E_ALL);
    in.ebx = TABLE_CR3;
    in.esi = TEST;
    run_paged(CODE("mov dword ptr [0x100008], 0; mov cr3, ebx;" HERE "mov eax, [esi]"));
    want_vector(PF);
    want(out.error, 0);
    begin("PAE: a pointer changed in memory does not count before");
    differs(QEMU, "reads the pointers from memory at each walk; SDM \"PDPTE Registers\"");
    paging(&pae_4k);
    map(TEST, E_ALL);
    map(TEST + 0x1000, E_ALL);
    in.ebx = TEST;
    run_paged(
        CODE("mov eax, [ebx]; mov dword ptr [0x100008], 0; invlpg [ebx]; mov eax, [ebx]; mov eax, [ebx + 0x1000]"));
    want_done();
    static const struct {
        const char *name;
        uint32_t cr4;
    } toggles[] = {{"CR4.PGE", CR4_PGE}, {"CR4.PSE", CR4_PSE}};
    for (unsigned i = 0; i < 2; i++) {
        begin("PAE: a change of %s loads the pointers", toggles[i].name);
        paging(&pae_4k);
        map(TEST, E_ALL);
        in.esi = TEST;
        in.ebx = toggles[i].cr4;
        run_paged(CODE("mov dword ptr [0x100008], 0; mov eax, cr4; xor eax, ebx; mov cr4, eax;" HERE "mov eax, [esi]"));
        want_vector(PF);
        begin("PAE: a change of %s with a bad pointer raises #GP(0)", toggles[i].name);
        differs(QEMU, "does not load the pointers; SDM \"PDPTE Registers\"");
        if (toggles[i].cr4 == CR4_PSE)
            differs(QEMU | BOCHS, "does not load the pointers; SDM \"PDPTE Registers\"");
        paging(&pae_4k);
        in.ebx = toggles[i].cr4;
        run_paged(CODE("or dword ptr [0x100008], 2; mov eax, cr4; xor eax, ebx;" HERE "mov cr4, eax"));
        want_vector(GP);
        want(out.error, 0);
        want(out.cr4, CR4_PAE);
    }
    begin("PAE: setting CR0.PG with a bad pointer raises #GP(0)");
    differs(QEMU, "does not load the pointers; SDM \"PDPTE Registers\"");
    paging(&pae_4k);
    ((volatile uint64_t *)TABLE_CR3)[3] |= 4;
    in_cr3 = TABLE_CR3;
    in_cr4 = CR4_PAE;
    run(CODE("mov eax, cr0; or eax, 0x80000000;" HERE "mov cr0, eax"));
    want_vector(GP);
    want(out.error, 0);
    want(out.cr0 & CR0_PG, 0);
    begin("PAE: MOV CR3 without paging looks at no pointer");
    paging(&pae_4k);
    in.ebx = (uint32_t)POINTERS;
    POINTERS[0] = ~0ull;
    in_cr4 = CR4_PAE;
    run(CODE("mov cr3, ebx; mov eax, cr3"));
    want_done();
    want(out.r.eax, in.ebx);
    begin("setting CR4.PAE under paging loads the pointers and raises #GP(0) if one is bad");
    skip_on(QEMU, "does not load the pointers; SDM \"PDPTE Registers\"");
    paging(&legacy_4k);
    in_cr0 |= CR0_PG;
    in_cr3 = TABLE_CR3; /* the directory's first entry is present and has, as a pointer, reserved bits */
    run(CODE("mov eax, cr4; or eax, 0x20;" HERE "mov cr4, eax"));
    want_vector(GP);
    want(out.error, 0);
    want(out.cr4, 0);
    begin("setting CR0.PG without PE raises #GP(0)");
    skip_on(QEMU, "checks no combination of bits; SDM \"MOV-Move to/from Control Registers\"");
    run(CODE("mov eax, 0x80000010;" HERE "mov cr0, eax"));
    want_vector(GP);
    want(out.error, 0);
    begin("setting CR0.NW without CD raises #GP(0)");
    differs(QEMU, "checks no combination of bits; SDM \"MOV-Move to/from Control Registers\"");
    run(CODE("mov eax, 0x20000011;" HERE "mov cr0, eax"));
    want_vector(GP);
    want(out.error, 0);
}

void table_cases(void)
{
    static const struct paging *const modes[] = {&legacy_4k, &legacy_4m, &pae_4k, &pae_2m, &pae_4k_nx, &pae_2m_nx};
    for (unsigned i = 0; i < 6; i++) {
        reserved_bits(modes[i]);
        ignored_bits(modes[i]);
        addresses(modes[i]);
    }
    pse_bits();
    pointer_tables();
}
