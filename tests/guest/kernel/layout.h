/* Where things are in the guest. Shared by C, assembly and the linker script (numbers only). */
#ifndef TESTS_GUEST_KERNEL_LAYOUT_H
#define TESTS_GUEST_KERNEL_LAYOUT_H

/* Snippets and all 16-bit code share one 64 KiB segment, so that real, virtual-8086 and 16-bit protected mode reach
 * them. */
#define SNIPPET_BASE 0x10000
#define KERNEL_BASE  0x20000
#define KERNEL_END   0x70000
/* Free for the cases' data; reset to zero before each case. */
#define DATA_AREA 0x70000
#define DATA_SIZE 0x10000
/* The snippet's own stack. 16-bit stacks have base STACK_BASE and the same top. */
#define STACK_BASE 0x80000
#define STACK_TOP  0xf000 /* + STACK_BASE */
/* TSS stacks of rings 0 to 2, each 4 KiB long, and the harness's own stack. */
#define RING0_TOP   0x91000
#define RING1_TOP   0x92000
#define RING2_TOP   0x93000
#define TASK_TOP    0x94000 /* stack of the second task */
#define HARNESS_TOP 0x9a000
/* Survives a reset of the machine. */
#define PERSIST_BASE 0x1000000
/* Above 1 MiB: page tables and pages of the paging cases, up to PERSIST_BASE. */
#define HIGH_AREA 0x400000

/* The default GDT. Selectors of ring n carry RPL n. */
#define CODE32(ring)     (0x08 + 0x10 * (ring) + (ring))
#define DATA32(ring)     (0x10 + 0x10 * (ring) + (ring))
#define SEG_CODE16(ring) (0x48 + 0x10 * (ring) + (ring)) /* base SNIPPET_BASE, limit FFFF */
#define SEG_DATA16(ring) (0x50 + 0x10 * (ring) + (ring)) /* base STACK_BASE, limit FFFF */
#define SEG_TSS          0x88
#define SEG_LDT          0x90
#define SEG_TSS2         0x98              /* the second task, available */
#define SEG_REAL_DATA    0xa0              /* base 0, limit FFFF: the way to real mode */
#define SEG_LOW32        0xb0              /* 32-bit code with base SNIPPET_BASE: where 16-bit gates find the stubs */
#define SLOT(i)          (0x100 + 8 * (i)) /* free descriptors, i = 0..95 */
#define GDT_ENTRIES      128
#define LDT_ENTRIES      32
#define LDT_SLOT(i)      (8 * (i) + 4) /* RPL 0 */

#define VECTORS 256

#endif
