/* Segmentation and privilege: SDM vol. 3 "Protection". */
#include "protection.h"

void guest_cases(void)
{
    segment_loads();
    segment_limits();
    verify_instructions();
    privilege_checks();
    far_transfers();
}
