/* Groups of cases of the protection image. */
#ifndef TESTS_GUEST_PROTECTION_H
#define TESTS_GUEST_PROTECTION_H

#include "guest.h"

/* SDM vol. 3 "Limit Checking", "Type Checking". */
#define NO_LIMITS "TCG checks neither limits nor rights of loaded data segments; SDM \"Limit Checking\""

void segment_loads(void);
void segment_limits(void);
void verify_instructions(void);
void privilege_checks(void);
void far_transfers(void);

#endif
