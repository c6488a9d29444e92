/* The execution log and the register dump that the monitor and the log share. */
#include "frontend/x86/trace.h"

#include <inttypes.h>
#include <stdlib.h>

#include "frontend/x86/code.h"
#include "hw/core/log.h"

static const char sreg_name[SREGS][3] = {"ES", "CS", "SS", "DS", "FS", "GS"};

static void print_segment(FILE *out, const char *name, const struct segment *s)
{
    fprintf(out, "%-3s=%04x %08x %08x %08x DPL=%d %s\n", name, s->selector, s->base, s->limit, (uint32_t)s->ar << 8,
            (s->ar & AR_DPL) >> AR_DPL_SHIFT,
            !(s->ar & AR_P)   ? "not present"
            : !(s->ar & AR_S) ? "system"
            : s->ar & AR_CODE ? (s->ar & AR_DB ? "CS32" : "CS16")
            : s->ar & AR_DB   ? "DS"
                              : "DS16");
}

void cpu_print_registers(struct cpu *cpu, FILE *out)
{
    uint32_t flags = cpu_get_eflags(cpu);
    uint32_t eip = cpu->eip + (cpu->insn ? cpu->insn->offset : 0);

    fprintf(out, "EAX=%08x EBX=%08x ECX=%08x EDX=%08x\n", cpu->gpr[EAX], cpu->gpr[EBX], cpu->gpr[ECX], cpu->gpr[EDX]);
    fprintf(out, "ESI=%08x EDI=%08x EBP=%08x ESP=%08x\n", cpu->gpr[ESI], cpu->gpr[EDI], cpu->gpr[EBP], cpu->gpr[ESP]);
    fprintf(out, "EIP=%08x EFL=%08x [%c%c%c%c%c%c%c] CPL=%d II=%d A20=%d SMM=%d HLT=%d\n", eip, flags,
            flags & EFLAGS_DF ? 'D' : '-', flags & EFLAGS_OF ? 'O' : '-', flags & EFLAGS_SF ? 'S' : '-',
            flags & EFLAGS_ZF ? 'Z' : '-', flags & EFLAGS_AF ? 'A' : '-', flags & EFLAGS_PF ? 'P' : '-',
            flags & EFLAGS_CF ? 'C' : '-', cpu->cpl, cpu->shadow != 0, phys_a20(cpu->phys), cpu->smm.active,
            cpu->halt != CPU_RUNNING);
    for (unsigned i = 0; i < SREGS; i++)
        print_segment(out, sreg_name[i], &cpu->seg[i]);
    print_segment(out, "LDT", &cpu->ldtr);
    print_segment(out, "TR", &cpu->tr);
    fprintf(out, "GDT=     %08x %08x\nIDT=     %08x %08x\n", cpu->gdtr.base, cpu->gdtr.limit, cpu->idtr.base,
            cpu->idtr.limit);
    fprintf(out, "CR0=%08x CR2=%08x CR3=%08x CR4=%08x\n", cpu->cr0, cpu->cr2, cpu->cr3, cpu->cr4);
    fprintf(out, "DR0=%08x DR1=%08x DR2=%08x DR3=%08x\nDR6=%08x DR7=%08x\n", cpu->dr[0], cpu->dr[1], cpu->dr[2],
            cpu->dr[3], cpu->dr[6], cpu->dr[7]);
    fprintf(out, "EFER=%016" PRIx64 "\n", cpu->msr.efer);
    fprintf(out, "FCW=%04x FSW=%04x [ST=%d] FTW=%02x MXCSR=%08x\n", cpu->fpu.control,
            (cpu->fpu.status & ~0x3800) | cpu->fpu.top << 11, cpu->fpu.top, (uint8_t)~cpu->fpu.empty, cpu->fpu.mxcsr);
    for (unsigned i = 0; i < 8; i++)
        fprintf(out, "FPR%u=%016" PRIx64 " %04x%c", i, cpu->fpu.reg[i].mantissa, cpu->fpu.reg[i].sign_exponent,
                i & 1 ? '\n' : ' ');
    for (unsigned i = 0; i < 8; i++)
        fprintf(out, "XMM%02u=%016" PRIx64 "%016" PRIx64 "%c", i, cpu->fpu.xmm[i].q[1], cpu->fpu.xmm[i].q[0],
                i & 1 ? '\n' : ' ');
}

void trace_block(struct cpu *cpu, const struct code_block *block)
{
    if (log_is_on(LOG_EXEC))
        log_printf(LOG_EXEC, "Trace 0: %09" PRIx64 " [%04x:%08x/%08x] %u insns\n", block->address,
                   cpu->seg[CS].selector, cpu->seg[CS].base + cpu->eip, (unsigned)block->span_bytes, block->n_insns);
    if (log_is_on(LOG_CPU)) {
        char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);

        if (!out)
            return;
        cpu_print_registers(cpu, out);
        fclose(out);
        log_printf(LOG_CPU, "%s", text);
        free(text);
    }
}
