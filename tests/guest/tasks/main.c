/* Hardware task switches: SDM vol. 3 "Task Management". */
#include "tasks.h"

void guest_cases(void)
{
    task_switches();
    task_checks();
    task_faults();
}
