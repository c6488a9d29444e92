/*
 * What must be seen after INVLPG, MOV CR3, a change of CR0.PG or CR4.PGE, and what may be seen before. Source: SDM vol.
 * 3 "Caching Translation Information". Where the manual lets a processor see old or new, both are accepted.
 */
#include "paging.h"

#define OLD 0x01010101u
#define NEW 0x02020202u

/* Two physical places for the page at TEST, and the table entry that chooses. */
struct choice {
    uint64_t old_entry, new_entry;
    uint32_t entry_address;
};

static struct choice two_pages(const struct paging *m, uint32_t flags)
{
    struct choice c;
    paging(m);
    if (m->large) {
        c.old_entry = PHYSICAL_LARGE | E_PS | flags;
        c.new_entry = (PHYSICAL_LARGE + 0x400000) | E_PS | flags;
        c.entry_address = pde_address(TEST);
        set_pde(TEST, c.old_entry);
        for (uint32_t at = 0; at < 0x200000; at += 0x1000) {
            *(volatile uint32_t *)(PHYSICAL_LARGE + at) = OLD;
            *(volatile uint32_t *)(PHYSICAL_LARGE + 0x400000 + at) = NEW;
        }
    } else {
        c.old_entry = PHYSICAL(0) | flags;
        c.new_entry = PHYSICAL(8) | flags;
        c.entry_address = pte_address(TEST);
        set_pte(TEST, c.old_entry);
        *(volatile uint32_t *)PHYSICAL(0) = OLD;
        *(volatile uint32_t *)PHYSICAL(8) = NEW;
    }
    in.ebx = TEST;
    in.esi = c.entry_address;
    in.edi = (uint32_t)c.new_entry;
    return c;
}

static void old_or_new(const char *what, uint32_t got)
{
    if (got != OLD)
        want_equal(what, got, NEW);
}

static void replaced(const struct paging *m)
{
    begin("%s: INVLPG shows a new page", m->name);
    two_pages(m, E_ALL);
    run_paged(CODE("mov eax, [ebx]; mov [esi], edi; mov ecx, [ebx]; invlpg [ebx]; mov edx, [ebx]"));
    want_done();
    want(out.r.eax, OLD);
    old_or_new("ecx", out.r.ecx);
    want(out.r.edx, NEW);

    begin("%s: INVLPG anywhere in the page shows a new page", m->name);
    two_pages(m, E_ALL);
    in.ebp = TEST + (m->large ? 0x1fedcb : 0xfff);
    run_paged(CODE("mov eax, [ebx]; mov [esi], edi; invlpg [ebp]; mov edx, [ebx]"));
    want_done();
    want(out.r.edx, NEW);

    begin("%s: MOV CR3 shows a new page", m->name);
    two_pages(m, E_ALL);
    run_paged(CODE("mov eax, [ebx]; mov [esi], edi; mov ecx, cr3; mov cr3, ecx; mov edx, [ebx]"));
    want_done();
    want(out.r.edx, NEW);

    begin("%s: the G flag without CR4.PGE protects from nothing", m->name);
    two_pages(m, E_ALL | E_G);
    run_paged(CODE("mov eax, [ebx]; mov [esi], edi; mov ecx, cr3; mov cr3, ecx; mov edx, [ebx]"));
    want_done();
    want(out.r.edx, NEW);

    begin("%s: a global page may survive MOV CR3 but not INVLPG", m->name);
    two_pages(m, E_ALL | E_G);
    run_paged_with(CODE("mov eax, [ebx]; mov [esi], edi; mov ecx, cr3; mov cr3, ecx; mov edx, [ebx]; invlpg [ebx];"
                        "mov eax, [ebx]"),
                   0, CR4_PGE);
    want_done();
    old_or_new("edx", out.r.edx);
    want(out.r.eax, NEW);

    begin("%s: clearing CR4.PGE shows a new global page", m->name);
    two_pages(m, E_ALL | E_G);
    run_paged_with(
        CODE("mov eax, [ebx]; mov [esi], edi; mov ecx, cr4; and ecx, 0xffffff7f; mov cr4, ecx; mov edx, [ebx]"), 0,
        CR4_PGE);
    want_done();
    want(out.r.edx, NEW);

    begin("%s: setting CR4.PGE shows a new page", m->name);
    two_pages(m, E_ALL | E_G);
    run_paged(CODE("mov eax, [ebx]; mov [esi], edi; mov ecx, cr4; or ecx, 0x80; mov cr4, ecx; mov edx, [ebx]"));
    want_done();
    want(out.r.edx, NEW);

    begin("%s: paging off and on again shows a new page", m->name);
    two_pages(m, E_ALL | E_G);
    run_paged_with(CODE("mov eax, [ebx]; mov [esi], edi; mov ecx, cr0; and ecx, 0x7fffffff; mov cr0, ecx;"
                        "or ecx, 0x80000000; mov cr0, ecx; mov edx, [ebx]"),
                   0, CR4_PGE);
    want_done();
    want(out.r.edx, NEW);

    begin("%s: a page made present needs no invalidation", m->name);
    two_pages(m, 0);
    in.edi |= E_ALL;
    resume_vectors = 1 << PF;
    run_paged(CODE("mov [esi], edi; mov edx, [ebx]"));
    want_done();
    want(n_events, 1);
    want(out.r.edx, NEW);
}

static struct choice chosen;
static void make_present(struct event *event, uint32_t *frame)
{
    *(volatile uint32_t *)chosen.entry_address = (uint32_t)chosen.new_entry | E_ALL;
}

static void rights(const struct paging *m)
{
    begin("%s: a page faults, is made present, and the access is restarted", m->name);
    chosen = two_pages(m, 0);
    resume_vectors = 1 << PF;
    on_resume = make_present;
    run_paged(CODE("mov edx, [ebx]"));
    want_done();
    want(n_events, 2);
    want(events[0].vector, PF);
    want(out.r.edx, NEW);

    begin("%s: after INVLPG a page taken away faults", m->name);
    two_pages(m, E_ALL);
    run_paged(CODE("mov eax, [ebx]; and dword ptr [esi], 0xfffffffe; invlpg [ebx];" HERE "mov eax, [ebx]"));
    want_vector(PF);
    want(out.error, 0);
    want(out.cr2, TEST);

    begin("%s: after INVLPG a page made read-only faults", m->name);
    two_pages(m, E_ALL);
    run_paged(
        CODE("mov [ebx], eax; and dword ptr [esi], 0xfffffffd; invlpg [ebx]; mov eax, [ebx];" HERE "mov [ebx], eax"));
    want_vector(PF);
    want(out.error, F_P | F_W);

    begin("%s: a page made writable raises at most one fault", m->name);
    two_pages(m, E_P | E_US);
    resume_vectors = 1 << PF;
    run_paged(CODE("mov ecx, [ebx]; or dword ptr [esi], 2; mov [ebx], eax; mov edx, [ebx]"));
    want_done();
    want(n_events <= 2, true);
    want(out.r.edx, in.eax);

    begin("%s: CR0.WP counts for pages in use", m->name);
    two_pages(m, E_P | E_US);
    run_paged_with(CODE("mov [ebx], eax; mov ecx, cr0; or ecx, 0x10000; mov cr0, ecx;" HERE "mov [ebx], eax"), 0, 0);
    want_vector(PF);
    want(out.error, F_P | F_W);

    begin("%s: CR0.WP cleared counts at once", m->name);
    two_pages(m, E_P | E_US);
    run_paged(CODE("mov eax, [ebx]; mov ecx, cr0; and ecx, 0xfffeffff; mov cr0, ecx; mov [ebx], edx; mov eax, [ebx]"));
    want_done();
    want(out.r.eax, in.edx);

    begin("%s: a supervisor's page in use stays closed to the user", m->name);
    two_pages(m, E_P | E_RW);
    in.eflags |= IOPL(3);
    in.ecx = CODE32(3);
    in.edx = DATA32(3);
    /* IRET to CPL 3: the code is flat, so the next instruction continues there. */
    run_paged(CODE(
        "mov [ebx], eax; mov ebp, esp; push edx; push ebp; pushfd; push ecx; call 1f; 1: add dword ptr [esp], 5f - 1b;"
        "iretd; 5: mov ds, edx;" HERE "mov eax, [ebx]"));
    want_vector(PF);
    want(out.error, F_P | F_U);
    want(out.r.cs, CODE32(3));
}

static void accessed_dirty(const struct paging *m)
{
    begin("%s: a read marks accessed, a later write marks dirty", m->name);
    struct choice c = two_pages(m, E_ALL);
    run_paged(CODE("mov eax, [ebx]; mov ecx, [esi]; mov [ebx], eax; mov edx, [esi]"));
    want_done();
    want(out.r.ecx, (uint32_t)c.old_entry | E_A);
    want(out.r.edx, (uint32_t)c.old_entry | E_A | E_D);

    begin("%s: after INVLPG cleared accessed and dirty flags are set again", m->name);
    c = two_pages(m, E_ALL);
    run_paged(CODE("mov [ebx], eax; and dword ptr [esi], 0xffffff9f; invlpg [ebx]; mov ecx, [esi]; mov eax, [ebx];"
                   "mov edi, [esi]; mov [ebx], eax; mov edx, [esi]"));
    want_done();
    want(out.r.ecx, (uint32_t)c.old_entry);
    want(out.r.edi, (uint32_t)c.old_entry | E_A);
    want(out.r.edx, (uint32_t)c.old_entry | E_A | E_D);

    begin("%s: after MOV CR3 cleared accessed and dirty flags are set again", m->name);
    c = two_pages(m, E_ALL);
    run_paged(CODE("mov [ebx], eax; and dword ptr [esi], 0xffffff9f; mov ecx, cr3; mov cr3, ecx; mov ecx, [esi];"
                   "mov [ebx], eax; mov edx, [esi]"));
    want_done();
    want(out.r.ecx, (uint32_t)c.old_entry);
    want(out.r.edx, (uint32_t)c.old_entry | E_A | E_D);

    begin("%s: a table in a page that it maps itself", m->name);
    paging(m);
    if (m->large)
        set_pde(TEST, E_PS | E_ALL); /* physical 0: the tables lie at 1 MiB */
    else
        set_pte(TEST, TABLE_TEST | E_ALL);
    in.esi = TEST + (m->large ? pde_address(TEST) : pte_address(TEST) & 0xfff);
    run_paged(CODE("mov eax, [esi]; mov [esi], eax; mov edx, [esi]"));
    want_done();
    want(out.r.eax & (E_A | E_D), E_A);
    /* The dirty flag is set first, then the value read before is stored over it. */
    want(out.r.edx & (E_A | E_D), E_A);
}

static void directory(const struct paging *m)
{
    begin("%s: INVLPG shows a new table", m->name);
    paging(m);
    map(TEST, E_ALL);
    uint32_t second = 0x10a000; /* a second table for the window */
    memset((void *)second, 0, 4096);
    memcpy((void *)(second + (pte_address(TEST) & 0xfff)), &(uint64_t){PHYSICAL(8) | E_ALL}, m->pae ? 8 : 4);
    *(volatile uint32_t *)PHYSICAL(0) = OLD;
    *(volatile uint32_t *)PHYSICAL(8) = NEW;
    in.ebx = TEST;
    in.esi = pde_address(TEST);
    in.edi = second | E_ALL;
    run_paged(CODE("mov eax, [ebx]; mov [esi], edi; mov ecx, [ebx]; invlpg [ebx]; mov edx, [ebx]"));
    want_done();
    want(out.r.eax, OLD);
    old_or_new("ecx", out.r.ecx);
    want(out.r.edx, NEW);

    begin("%s: from small pages to a large page", m->name);
    paging(m);
    map(TEST, E_ALL);
    *(volatile uint32_t *)PHYSICAL(0) = OLD;
    *(volatile uint32_t *)PHYSICAL_LARGE = NEW;
    in.ebx = TEST;
    in.esi = pde_address(TEST);
    in.edi = PHYSICAL_LARGE | E_PS | E_ALL;
    run_paged_with(CODE("mov eax, [ebx]; mov [esi], edi; invlpg [ebx]; mov edx, [ebx]"), 0, CR4_PSE);
    want_done();
    want(out.r.eax, OLD);
    want(out.r.edx, NEW);
}

static void invlpg(void)
{
    for (unsigned cpl = 1; cpl < 4; cpl++) {
        begin("INVLPG at CPL %u raises #GP(0)", cpl);
        ring(cpl);
        run(CODE("invlpg [ebx]"));
        want_fault(GP, 0);
    }
    begin("INVLPG in virtual-8086 mode raises #GP(0)");
    v86(3);
    run(CODE16("invlpg [bx]"));
    want_fault(GP, 0);
    begin("INVLPG of a register raises #UD");
    run(CODE(".byte 0x0f, 0x01, 0xf9"));
    want_fault(UD, 0);
    begin("INVLPG with LOCK raises #UD");
    differs(QEMU, "executes it; SDM \"INVLPG\"");
    run(CODE(".byte 0xf0, 0x0f, 0x01, 0x3b"));
    want_fault(UD, 0);
    begin("INVLPG of an absent page is no access");
    paging(&legacy_4k);
    in.ebx = 0x70000000;
    run_paged(CODE("invlpg [ebx]; invlpg [ebx + 0x8fffffff]"));
    want_done();
    begin("INVLPG checks no limit and takes a null segment");
    in.es = 0;
    in.fs = slot(0, descriptor(0x1000, 0xf, AR_DATA));
    run(CODE("invlpg es:[0x1000]; invlpg fs:[0x1000]"));
    want_done();
}

void tlb_cases(void)
{
    static const struct paging *const modes[] = {&legacy_4k, &legacy_4m, &pae_4k, &pae_2m};
    for (unsigned i = 0; i < 4; i++) {
        replaced(modes[i]);
        rights(modes[i]);
        accessed_dirty(modes[i]);
        if (!modes[i]->large)
            directory(modes[i]);
    }
    invlpg();
}
