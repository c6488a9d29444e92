/*
 * The register plan: where the guest's state is while translated code runs on an x86-64 host.
 *
 * RAX, RCX, RDX are temporaries: shifts, MUL, DIV and LAHF want them, and JRCXZ tests what a look-up brought into RCX
 * without touching the flags. The guest's OSZAPC are the host's.
 */
#ifndef BACKEND_X86_64_PLAN_H
#define BACKEND_X86_64_PLAN_H

#include "backend/x86_64/emit.h"
#include "translator/ir.h"

#define PLAN_STATE   R15 /* struct cpu + PLAN_STATE_BIAS */
#define PLAN_FLAT    R14 /* softmmu/flat.h, tables of the view */
#define PLAN_ADDEND  RCX
#define PLAN_ADDRESS RDX /* an address that no guest register holds */
#define PLAN_T0      RAX
#define PLAN_T1      R12

/* struct cpu is aligned to 64 bytes, so the low five bits of R15 are 12: a shift by R15 is a shift by the page size.
 * Most of what translated code touches is then within reach of an 8-bit displacement. */
#define PLAN_STATE_BIAS 268
_Static_assert((PLAN_STATE_BIAS & 31) == 12, "SHRX by PLAN_STATE shifts a page number out");
/* A field of struct cpu. */
#define STATE(field) RM_MEM(PLAN_STATE, (int)offsetof(struct cpu, field) - PLAN_STATE_BIAS)

/* Host register of each enum ir_ref up to IR_T1. EAX is in RBX, so that AH has a name (BH). */
static const uint8_t plan_reg[IR_T1 + 1] = {
    [IR_EAX] = RBX, [IR_ECX] = RSI, [IR_EDX] = RDI, [IR_EBX] = R8, [IR_ESP] = RBP, [IR_EBP] = R9,     [IR_ESI] = R10,
    [IR_EDI] = R11, [IR_AH] = RBX,  [IR_CH] = RSI,  [IR_DH] = RDI, [IR_BH] = R8,   [IR_T0] = PLAN_T0, [IR_T1] = PLAN_T1,
};

#endif
