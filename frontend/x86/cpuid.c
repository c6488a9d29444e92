/*
 * CPU models and CPUID.
 *
 * Source: SDM vol. 2 "CPUID-CPU Identification"; feature words of the models as QEMU's models of the same names have
 * them, without what is not modelled. Deviates: no processor serial number, so pentium3 has no leaf 3.
 */
#include "frontend/x86/cpuid.h"

#include <string.h>

#include "frontend/x86/isa.h"
#include "frontend/x86/sys_internal.h"

#define CLFLUSH_LINE_QWORDS 8u

/* ---- features ---- */

enum feature_word { WORD_1_EDX, WORD_1_ECX, WORD_EXT_EDX, FEATURE_WORDS };

static const struct feature {
    const char *name, *alias; /* QEMU's */
    enum feature_word word;
    uint32_t bit;
} features[] = {
    {"fpu", NULL, WORD_1_EDX, CPUID_FPU},
    {"vme", NULL, WORD_1_EDX, CPUID_VME},
    {"de", NULL, WORD_1_EDX, CPUID_DE},
    {"pse", NULL, WORD_1_EDX, CPUID_PSE},
    {"tsc", NULL, WORD_1_EDX, CPUID_TSC},
    {"msr", NULL, WORD_1_EDX, CPUID_MSR},
    {"pae", NULL, WORD_1_EDX, CPUID_PAE},
    {"mce", NULL, WORD_1_EDX, CPUID_MCE},
    {"cx8", NULL, WORD_1_EDX, CPUID_CX8},
    {"apic", NULL, WORD_1_EDX, CPUID_APIC},
    {"sep", NULL, WORD_1_EDX, CPUID_SEP},
    {"mtrr", NULL, WORD_1_EDX, CPUID_MTRR},
    {"pge", NULL, WORD_1_EDX, CPUID_PGE},
    {"mca", NULL, WORD_1_EDX, CPUID_MCA},
    {"cmov", NULL, WORD_1_EDX, CPUID_CMOV},
    {"pat", NULL, WORD_1_EDX, CPUID_PAT},
    {"pse36", NULL, WORD_1_EDX, CPUID_PSE36},
    {"clflush", "clfsh", WORD_1_EDX, CPUID_CLFLUSH},
    {"mmx", NULL, WORD_1_EDX, CPUID_MMX},
    {"fxsr", NULL, WORD_1_EDX, CPUID_FXSR},
    {"sse", NULL, WORD_1_EDX, CPUID_SSE},
    {"sse2", NULL, WORD_1_EDX, CPUID_SSE2},
    {"popcnt", NULL, WORD_1_ECX, CPUID_ECX_POPCNT},
    {"nx", "xd", WORD_EXT_EDX, CPUID_EXT_EDX_NX},
};
#define N_FEATURES (sizeof features / sizeof features[0])

/* Names that QEMU knows and this CPU class lacks: taking them away is no error. */
static const char *const absent_features[] = {
    "pn",        "ds",     "acpi",    "ss",      "ht",       "tm",     "ia64",     "pbe",    "pni", "sse3",
    "ssse3",     "sse4.1", "sse4_1",  "sse4.2",  "sse4_2",   "sse4a",  "monitor",  "ds-cpl", "vmx", "est",
    "tm2",       "cid",    "cx16",    "xtpr",    "syscall",  "mmxext", "fxsr-opt", "rdtscp", "lm",  "3dnow",
    "3dnowext",  "svm",    "lahf-lm", "lahf_lm", "x2apic",   "movbe",  "aes",      "xsave",  "avx", "hypervisor",
    "pclmulqdq", "rdrand", "smep",    "smap",    "fsgsbase", "bmi1",   "bmi2",     "erms",
};
#define N_ABSENT (sizeof absent_features / sizeof absent_features[0])

static const struct feature *find_feature(const char *name)
{
    for (size_t i = 0; i < N_FEATURES; i++)
        if (!strcmp(name, features[i].name) || (features[i].alias && !strcmp(name, features[i].alias)))
            return &features[i];
    return NULL;
}

static bool is_absent_feature(const char *name)
{
    for (size_t i = 0; i < N_ABSENT; i++)
        if (!strcmp(name, absent_features[i]))
            return true;
    return false;
}

/* ---- models ---- */

#define FEATURES_486 (CPUID_FPU | CPUID_VME | CPUID_PSE)
#define FEATURES_PENTIUM                                                                                               \
    (FEATURES_486 | CPUID_DE | CPUID_TSC | CPUID_MSR | CPUID_MCE | CPUID_CX8 | CPUID_MMX | CPUID_APIC)
#define FEATURES_PENTIUM2                                                                                              \
    (FEATURES_PENTIUM | CPUID_PAE | CPUID_SEP | CPUID_MTRR | CPUID_PGE | CPUID_MCA | CPUID_CMOV | CPUID_PAT |          \
     CPUID_PSE36 | CPUID_FXSR)
#define FEATURES_PENTIUM3 (FEATURES_PENTIUM2 | CPUID_SSE)
#define FEATURES_QEMU32   (FEATURES_PENTIUM3 | CPUID_SSE2 | CPUID_CLFLUSH)

#define BRAND "morph86 Virtual CPU"

static const struct model_row {
    struct cpu_model model;
    const char *help;
} models[] = {
    {{.name = "486", .family = 4, .model = 8, .stepping = 0, .cpuid_1_edx = FEATURES_486, .max_leaf = 1},
     "Intel 486DX4"},
    {{.name = "pentium", .family = 5, .model = 4, .stepping = 3, .cpuid_1_edx = FEATURES_PENTIUM, .max_leaf = 1},
     "Intel Pentium MMX"},
    {{.name = "pentium2", .family = 6, .model = 5, .stepping = 2, .cpuid_1_edx = FEATURES_PENTIUM2, .max_leaf = 2},
     "Intel Pentium II"},
    {{.name = "pentium3", .family = 6, .model = 8, .stepping = 3, .cpuid_1_edx = FEATURES_PENTIUM3, .max_leaf = 2},
     "Intel Pentium III"},
    {{.name = "qemu32",
      .family = 6,
      .model = 6,
      .stepping = 3,
      .cpuid_1_edx = FEATURES_QEMU32,
      .cpuid_80000001_edx = CPUID_EXT_EDX_NX,
      .max_leaf = 2,
      .max_extended_leaf = 0x80000008u,
      .brand = BRAND},
     "32-bit PC, SSE2 and NX (default)"},
    {{.name = "max",
      .family = 6,
      .model = 6,
      .stepping = 3,
      .cpuid_1_edx = FEATURES_QEMU32,
      .cpuid_1_ecx = CPUID_ECX_POPCNT,
      .cpuid_80000001_edx = CPUID_EXT_EDX_NX,
      .max_leaf = 2,
      .max_extended_leaf = 0x80000008u,
      .brand = BRAND},
     "everything that is modelled"},
};
#define N_MODELS      (sizeof models / sizeof models[0])
#define DEFAULT_MODEL "qemu32"

static uint32_t derive_isa_features(const struct cpu_model *m)
{
    static const struct {
        uint32_t cpuid_bit;
        uint8_t feature;
    } from_edx[] = {
        {CPUID_FPU, FEAT_X87}, {CPUID_TSC, FEAT_TSC},   {CPUID_MSR, FEAT_MSR},         {CPUID_CX8, FEAT_CX8},
        {CPUID_SEP, FEAT_SEP}, {CPUID_CMOV, FEAT_CMOV}, {CPUID_MMX, FEAT_MMX},         {CPUID_FXSR, FEAT_FXSR},
        {CPUID_SSE, FEAT_SSE}, {CPUID_SSE2, FEAT_SSE2}, {CPUID_CLFLUSH, FEAT_CLFLUSH},
    };
    uint32_t out = 1u << FEAT_BASE | 1u << FEAT_486;

    for (size_t i = 0; i < sizeof from_edx / sizeof from_edx[0]; i++)
        if (m->cpuid_1_edx & from_edx[i].cpuid_bit)
            out |= 1u << from_edx[i].feature;
    if (m->max_leaf) /* CPUID and system management mode came to the 486 together, in its SL-enhanced models */
        out |= 1u << FEAT_CPUID | 1u << FEAT_RSM;
    if (m->family >= 6)
        out |= 1u << FEAT_PMC | 1u << FEAT_NOPL;
    if (m->cpuid_1_ecx & CPUID_ECX_POPCNT)
        out |= 1u << FEAT_POPCNT;
    return out;
}

/* Copies the next comma-separated word; false at the end. A word that does not fit is cut (and then not found). */
static bool next_word(const char **text, char *word, size_t word_size)
{
    size_t n;

    if (!**text)
        return false;
    n = strcspn(*text, ",");
    snprintf(word, word_size, "%.*s", (int)(n < word_size ? n : word_size), *text);
    *text += n;
    if (**text == ',')
        ++*text;
    return true;
}

static const struct cpu_model *find_model(const char *name)
{
    for (size_t i = 0; i < N_MODELS; i++)
        if (!strcmp(name, models[i].model.name))
            return &models[i].model;
    return NULL;
}

static bool apply_feature(struct cpu_model *m, const char *word, char *error, size_t error_size)
{
    uint32_t *words[FEATURE_WORDS] = {&m->cpuid_1_edx, &m->cpuid_1_ecx, &m->cpuid_80000001_edx};
    const struct feature *f;

    if (word[0] != '+' && word[0] != '-') {
        snprintf(error, error_size, "CPU option '%s' is neither +feature nor -feature; write e.g. +popcnt or -nx",
                 word);
        return false;
    }
    f = find_feature(word + 1);
    if (!f && is_absent_feature(word + 1)) {
        if (word[0] == '-')
            return true;
        snprintf(error, error_size, "CPU feature '%s' is not modelled; leave it out (-cpu help lists what is)",
                 word + 1);
        return false;
    }
    if (!f) {
        snprintf(error, error_size, "unknown CPU feature '%s'; -cpu help lists them", word + 1);
        return false;
    }
    if (word[0] == '+')
        *words[f->word] |= f->bit;
    else
        *words[f->word] &= ~f->bit;
    if (f->word == WORD_EXT_EDX && word[0] == '+' && m->max_extended_leaf < 0x80000001u)
        m->max_extended_leaf = 0x80000001u;
    return true;
}

bool cpu_model_parse(struct cpu_model *model, const char *text, char *error, size_t error_size)
{
    char word[32];
    const struct cpu_model *base;

    if (!next_word(&text, word, sizeof word))
        snprintf(word, sizeof word, "%s", DEFAULT_MODEL);
    base = find_model(word);
    if (!base) {
        snprintf(error, error_size, "unknown CPU model '%s'; -cpu help lists them", word);
        return false;
    }
    *model = *base;
    memcpy(model->vendor, "GenuineIntel", sizeof "GenuineIntel");
    while (next_word(&text, word, sizeof word))
        if (!apply_feature(model, word, error, error_size))
            return false;
    model->isa_features = derive_isa_features(model);
    return true;
}

bool cpu_model_has_apic(const struct cpu_model *model)
{
    return model->cpuid_1_edx & CPUID_APIC;
}

void cpu_model_list(FILE *out)
{
    fprintf(out, "CPU models:\n");
    for (size_t i = 0; i < N_MODELS; i++)
        fprintf(out, "  %-10s %s\n", models[i].model.name, models[i].help);
    fprintf(out, "Features, to be added with +NAME or taken away with -NAME:\n ");
    for (size_t i = 0; i < N_FEATURES; i++)
        fprintf(out, " %s", features[i].name);
    fprintf(out, "\n");
}

/* ---- CPUID ---- */

static uint32_t four_bytes(const char *text)
{
    const uint8_t *b = (const uint8_t *)text;

    return b[0] | b[1] << 8 | b[2] << 16 | (uint32_t)b[3] << 24;
}

static struct cpuid_leaf leaf_vendor(const struct cpu_model *m)
{
    return (struct cpuid_leaf){.eax = m->max_leaf,
                               .ebx = four_bytes(m->vendor),
                               .edx = four_bytes(m->vendor + 4),
                               .ecx = four_bytes(m->vendor + 8)};
}

static struct cpuid_leaf leaf_features(const struct cpu *cpu)
{
    const struct cpu_model *m = cpu->model;
    struct cpuid_leaf leaf = {.eax = (uint32_t)m->family << 8 | (uint32_t)m->model << 4 | m->stepping,
                              .ecx = m->cpuid_1_ecx,
                              .edx = m->cpuid_1_edx};

    if (m->cpuid_1_edx & CPUID_CLFLUSH)
        leaf.ebx |= CLFLUSH_LINE_QWORDS << 8;
    if (!(cpu->msr.apic_base & APIC_BASE_ENABLE))
        leaf.edx &= ~(uint32_t)CPUID_APIC; /* SDM vol. 3 "Enabling or Disabling the Local APIC" */
    return leaf;
}

/* One byte of SDM vol. 2 "CPUID", table of cache descriptors, each: 4-way 4 KiB TLBs, 16 KiB L1, 512 KiB L2. */
static struct cpuid_leaf leaf_caches(void)
{
    return (struct cpuid_leaf){.eax = 0x03020101, .edx = 0x0c040843};
}

struct cpuid_leaf cpuid_query(const struct cpu *cpu, uint32_t leaf, uint32_t subleaf)
{
    const struct cpu_model *m = cpu->model;

    (void)subleaf; /* no leaf of this class has sub-leaves */
    if (leaf >= 0x80000000u && leaf <= m->max_extended_leaf) {
        switch (leaf) {
        case 0x80000000u:
            return (struct cpuid_leaf){.eax = m->max_extended_leaf};
        case 0x80000001u:
            return (struct cpuid_leaf){.ecx = m->cpuid_80000001_ecx, .edx = m->cpuid_80000001_edx};
        case 0x80000002u:
        case 0x80000003u:
        case 0x80000004u: {
            const char *part = m->brand + (leaf - 0x80000002u) * 16;

            return (struct cpuid_leaf){four_bytes(part), four_bytes(part + 4), four_bytes(part + 8),
                                       four_bytes(part + 12)};
        }
        case 0x80000008u:
            return (struct cpuid_leaf){.eax = 32u << 8 | PHYS_ADDR_BITS};
        default:
            return (struct cpuid_leaf){0};
        }
    }
    /* SDM: a basic leaf beyond the last, and an extended one, answer as the last basic leaf. */
    if (leaf > m->max_leaf)
        leaf = m->max_leaf;
    switch (leaf) {
    case 0:
        return leaf_vendor(m);
    case 1:
        return leaf_features(cpu);
    default:
        return leaf_caches();
    }
}
