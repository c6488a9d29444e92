/* Groups of cases of the tasks image. */
#ifndef TESTS_GUEST_TASKS_H
#define TESTS_GUEST_TASKS_H

#include "guest.h"

#define FLAT      (AR_32 | AR_G)
#define TASK_GATE SLOT(20) /* to SEG_TSS2, DPL 3 */
#define SEG_TSS16 SLOT(21) /* tss16, available */

/* Byte 5 of a descriptor. */
uint32_t access_byte(uint32_t selector);
/* A TSS selector or gate as the operand of `jmp/call fword ptr [0x70000]`. */
void far_operand(uint32_t selector);
/* Gates and TSSs for the cases; the second task, 32- or 16-bit, starts at `start`. */
void second_task(const struct code *start);
void second_task16(const struct code *start);

void task_switches(void);
void task_checks(void);
void task_faults(void);

#endif
