/* The bare-metal bench: its loops (loops.c) and its entry points (entry.S). */
#ifndef BENCH_METAL_H
#define BENCH_METAL_H
#include "guest.h"

struct v86_frame;
bool v86_monitor(struct v86_frame *frame);

/* Handlers, in assembly: the monitor's entry for #GP, and the serial line's interrupt, which only ends a HLT. */
void v86_entry(void);
void serial_interrupt(void);

/* 16-bit code that works on DS. Each goes through its loop as often as word 1 says and leaves a result in word 0. */
const struct code *loop_sieve(void);
const struct code *loop_calls(void);
const struct code *loop_words(void);
const struct code *loop_segments(void);   /* far pointers at words 8 and 10, a far function at word 12 */
const struct code *loop_flags(void);      /* PUSHF, CLI, STI, POPF */
const struct code *loop_interrupts(void); /* INT 40h */

/* What loop_segments calls, and what loop_interrupts interrupts with. */
const struct code *loop_function(void);
const struct code *loop_interrupt(void);

#endif
