/* CPU models: what CPUID reports and which instructions exist. */
#ifndef FRONTEND_X86_CPUID_H
#define FRONTEND_X86_CPUID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct cpu;

struct cpuid_leaf {
    uint32_t eax, ebx, ecx, edx;
};

struct cpu_model {
    char name[16];
    char vendor[13];
    uint8_t family, model, stepping;
    uint32_t cpuid_1_edx, cpuid_1_ecx;             /* CPUID.1 feature words */
    uint32_t cpuid_80000001_edx, cpuid_80000001_ecx; /* NX is bit 20 of EDX */
    uint32_t max_leaf, max_extended_leaf;          /* 0: none */
    char brand[49];
    uint32_t isa_features; /* bit n = enum isa_feature n, derived from the words above */
};

/* Parses "-cpu" text: MODEL[,+feature|,-feature]...; 486, pentium, pentium2, pentium3, qemu32 (default), max is qemu32 plus all we
 * have. False: `error` holds one line that names the bad word and the remedy. */
bool cpu_model_parse(struct cpu_model *model, const char *text, char *error, size_t error_size);
/* The processor has a local APIC. */
bool cpu_model_has_apic(const struct cpu_model *model);
void cpu_model_list(FILE *out); /* -cpu help */
struct cpuid_leaf cpuid_query(const struct cpu *cpu, uint32_t leaf, uint32_t subleaf);

#endif
