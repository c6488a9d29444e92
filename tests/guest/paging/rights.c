/*
 * Every combination of present, writable, user and execute-disable at both levels, in every paging mode, against
 * CR0.WP, CPL and kind of access. Source: SDM vol. 3 "Determination of Access Rights", "Page-Fault Exceptions",
 * "Accessed and Dirty Flags".
 */
#include "paging.h"

enum kind { READ, WRITE, UPDATE, FETCH };
static const char *const kind_name[] = {"read", "write", "update", "fetch"};

/* The manual's rules. Returns whether the access is allowed; else *error is the error code. */
static bool allowed(const struct paging *m, uint64_t pde, uint64_t pte, bool wp, bool user, enum kind kind,
                    uint32_t *error)
{
    uint64_t both = m->large ? pde : pde & pte, xd = m->large ? pde : pde | pte;
    bool write = kind == WRITE || kind == UPDATE;
    *error = (write ? F_W : 0) | (user ? F_U : 0) | (kind == FETCH && m->nxe ? F_I : 0);
    if (!(both & E_P))
        return false;
    *error |= F_P;
    if (user && !(both & E_US))
        return false;
    if (write && !(both & E_RW) && (user || wp))
        return false;
    return !(kind == FETCH && (xd & E_XD));
}

static void check(const struct paging *m, uint64_t pde_flags, uint64_t pte_flags, bool wp, unsigned cpl, enum kind kind)
{
    uint64_t pde = pde_flags | (m->large ? PHYSICAL_LARGE | E_PS : TABLE_TEST), pte = pte_flags | PHYSICAL(0);
    uint32_t error;
    bool ok = allowed(m, pde, pte, wp, cpl == 3, kind, &error);
    volatile uint32_t *memory = (volatile uint32_t *)(m->large ? PHYSICAL_LARGE : PHYSICAL(0));
    const struct code in_page = {TEST, TEST, TEST}, *code;

    *memory = kind == FETCH ? 0x0b0f0b0f : 0x12345678; /* UD2 */
    ring(cpl);
    in.ebx = TEST;
    set_pde(TEST, pde);
    if (!m->large)
        set_pte(TEST, pte);
    switch (kind) {
    case READ:
        code = CODE("mov eax, [ebx]");
        break;
    case WRITE:
        code = CODE("mov [ebx], eax");
        break;
    case UPDATE:
        code = CODE("add [ebx], eax");
        break;
    default:
        code = &in_page;
        break;
    }
    run_paged_with(code, wp ? CR0_WP : 0, 0);

    bool write = kind == WRITE || kind == UPDATE;
    uint64_t pde_now = get_pde(TEST), pte_now = get_pte(TEST);
    const char *what = label("WP %u CPL %u %s", wp, cpl, kind_name[kind]);
    want_equal(what, out.vector, ok ? UD : PF);
    if (!ok) {
        want_equal(what, out.error, error);
        want_fault(PF, error);
        want_equal(label("%s CR2", what), out.cr2, TEST);
        want_equal("memory", *memory, kind == FETCH ? 0x0b0f0b0f : 0x12345678);
        /* Whether a walk that fails marks entries as accessed is the processor's choice; nothing was written. */
        want_equal("PDE", (uint32_t)(pde_now & ~(uint64_t)(pde & E_P ? E_A : 0)), (uint32_t)pde);
        want_equal("PTE", (uint32_t)(pte_now & ~(uint64_t)(m->large || !(pte & E_P) ? 0 : E_A)),
                   m->large ? 0 : (uint32_t)pte);
    } else {
        if (kind == FETCH)
            want_at(TEST);
        else
            want_done();
        if (kind == READ)
            want(out.r.eax, 0x12345678);
        if (write)
            want_equal("memory", *memory, kind == WRITE ? in.eax : in.eax + 0x12345678);
        want_equal("PDE", (uint32_t)pde_now, (uint32_t)pde | E_A | (m->large && write ? E_D : 0));
        if (!m->large)
            want_equal("PTE", (uint32_t)pte_now, (uint32_t)pte | E_A | (write ? E_D : 0));
        want_equal("PDE high", (uint32_t)(pde_now >> 32), (uint32_t)(pde >> 32));
        if (!m->large)
            want_equal("PTE high", (uint32_t)(pte_now >> 32), (uint32_t)(pte >> 32));
    }
}

static const char *flags_name(char *to, uint64_t flags)
{
    to[0] = flags & E_P ? 'P' : '-';
    to[1] = flags & E_RW ? 'W' : '-';
    to[2] = flags & E_US ? 'U' : '-';
    to[3] = flags & E_XD ? 'X' : '-';
    to[4] = 0;
    return to;
}

static void check_mode(const struct paging *m)
{
    unsigned variants = m->nxe ? 16 : 8;
    char a[8], b[8];
    for (unsigned i = 0; i < variants; i++) {
        for (unsigned j = 0; j < (m->large ? 1 : variants); j++) {
            uint64_t pde = (i & 7) | (i & 8 ? E_XD : 0), pte = (j & 7) | (j & 8 ? E_XD : 0);
            for (unsigned updates = 0; updates < 2; updates++) {
                begin("%s, PDE %s, PTE %s: %s", m->name, flags_name(a, pde), flags_name(b, pte),
                      updates ? "updates" : "reads, writes and fetches");
                if (updates)
                    differs(QEMU,
                            "the read of a read-modify-write is reported as a read; SDM \"Page-Fault Exceptions\"");
                paging(m);
                for (unsigned wp = 0; wp < 2; wp++)
                    for (unsigned cpl = 0; cpl < 4; cpl += 3)
                        for (enum kind kind = READ; kind <= FETCH; kind++)
                            if ((kind == UPDATE) == updates)
                                check(m, pde, pte, wp, cpl, kind);
            }
        }
    }
    begin("%s: CPL 1 and 2 are supervisors", m->name);
    paging(m);
    for (unsigned cpl = 1; cpl < 3; cpl++)
        for (unsigned wp = 0; wp < 2; wp++)
            for (enum kind kind = READ; kind <= FETCH; kind += kind == READ ? 1 : 2) {
                check(m, E_P, E_P, wp, cpl, kind);
                check(m, E_P | E_RW, E_P | E_RW, wp, cpl, kind);
            }
}

void rights_cases(void)
{
    check_mode(&legacy_4k);
    check_mode(&legacy_4m);
    check_mode(&pae_4k);
    check_mode(&pae_2m);
    check_mode(&pae_4k_nx);
    check_mode(&pae_2m_nx);
}
