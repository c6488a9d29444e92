/* Real mode, virtual-8086 mode, and the system registers that make the difference. */
#include "modes.h"

void guest_cases(void)
{
    virtual_8086();
    virtual_interrupts();
    fast_calls();
    control_registers();
    single_steps();
    real_mode_cases();
}
