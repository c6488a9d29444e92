/* Image of the debug cases. */
#include "debug.h"

void arm(unsigned n, enum breakpoint kind, uint32_t address, unsigned len_bytes)
{
    in_dr[n] = address;
    in_dr[7] |= DR7_L(n) | (uint32_t)kind << (16 + 4 * n) | (len_bytes - 1) << (18 + 4 * n);
}

static void set_rf(struct event *event, uint32_t *frame)
{
    if (!event->gate16 && !event->real)
        frame[2] |= RF;
}

void run_traced(const struct code *code)
{
    resume_vectors = 1 << DB;
    on_resume = set_rf;
    run(code);
}

void want_trail(const struct code *code, uint32_t bits, unsigned n, const uint8_t *distance)
{
    for (unsigned i = 0; i < n && i < n_events; i++) {
        want_equal(label("vector of event %u", i), events[i].vector, DB);
        want_equal(label("distance of event %u", i), events[i].r.eip - in.eip, distance[i]);
        want_masked(label("DR6 of event %u", i), events[i].dr6, bits, 0xe00f);
    }
    want_equal("number of traps", n_events - 1, n);
    want_done();
}

void guest_cases(void)
{
    breakpoint_cases();
    register_cases();
    step_cases();
}
