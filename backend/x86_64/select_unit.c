/* x87, MMX and SSE instructions: executed by the host's own unit, on the guest's registers. */
#include "backend/x86_64/select.h"

bool select_unit(struct select *s, const struct ir_op *op)
{
    (void)s;
    (void)op;
    return false;
}
