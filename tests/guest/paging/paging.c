/* Image of the paging cases. */
#include "paging.h"

void guest_cases(void)
{
    shutdown_cases();
    rights_cases();
    table_cases();
    tlb_cases();
    crossing_cases();
    string_cases();
    event_cases();
}
