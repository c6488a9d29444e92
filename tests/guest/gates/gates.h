/* Groups of cases of the gates image. */
#ifndef TESTS_GUEST_GATES_H
#define TESTS_GUEST_GATES_H

#include "guest.h"

#define NO_EXT "error codes never have EXT set; SDM vol. 3 \"Error Code\""

void interrupt_gates(void);
void double_faults(void);
void flag_masks(void);

#endif
