/* Interrupts and exceptions: SDM vol. 3 "Interrupt and Exception Handling". */
#include "gates.h"

void guest_cases(void)
{
    interrupt_gates();
    flag_masks();
    double_faults();
}
