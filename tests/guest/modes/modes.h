/* Groups of cases of the modes image. */
#ifndef TESTS_GUEST_MODES_H
#define TESTS_GUEST_MODES_H

#include "guest.h"

#define FLAT (AR_32 | AR_G)

void virtual_8086(void);
void virtual_interrupts(void);
void real_mode_cases(void);
void fast_calls(void);
void control_registers(void);
void single_steps(void);

#endif
